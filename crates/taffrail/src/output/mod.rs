//! Results in every form: one file each, for the command line, the API and the results of jobs. Nothing here knows where
//! rows come from.

mod arrow;
mod buffer;
mod columns;
mod csv;
mod json;
mod parquet;
mod raw;
mod table;

pub use buffer::Buffer;
pub use parquet::properties;

use crate::api::schema::{Field, ResultKind, Row};
use ::arrow::array::RecordBatch;
use ::arrow::datatypes::SchemaRef;
use std::io::{self, Write};

/// The forms of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// For people: aligned columns; control characters are made visible on a terminal.
    Table,
    /// One JSON object a line.
    #[default]
    #[value(alias = "jsonl")]
    #[serde(alias = "jsonl")]
    Json,
    /// RFC 4180 with a header; what a spreadsheet would take for a formula begins with a `'`.
    Csv,
    /// The same with every value exactly as it is.
    #[value(name = "csv_exact")]
    CsvExact,
    /// Each event's bytes as they arrived, and a newline.
    Raw,
    /// A stream of Apache Arrow IPC.
    Arrow,
    /// An Apache Parquet file.
    Parquet,
}

impl Form {
    /// The media type of this form.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Table => "text/plain; charset=utf-8",
            Self::Json => "application/x-ndjson",
            Self::Csv | Self::CsvExact => "text/csv; charset=utf-8; header=present",
            Self::Raw => "application/octet-stream",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// How a browser is to treat it.
    pub fn disposition(self) -> &'static str {
        match self {
            Self::Table => "inline",
            Self::Json => "attachment; filename=\"events.ndjson\"",
            Self::Csv | Self::CsvExact => "attachment; filename=\"events.csv\"",
            Self::Raw => "attachment; filename=\"events.log\"",
            Self::Arrow => "attachment; filename=\"events.arrows\"",
            Self::Parquet => "attachment; filename=\"events.parquet\"",
        }
    }

    /// Whether it is made of record batches, and is not for a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}

/// How a table is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether a terminal shows it: control characters are replaced.
    pub terminal: bool,
    /// Whether to use colours.
    pub colours: bool,
}

/// Writes the rows of one result.
pub trait Writer: Send {
    /// What the rows will look like; called once, first.
    fn start(&mut self, kind: ResultKind, fields: &[Field]) -> io::Result<()>;
    /// The next rows.
    fn rows(&mut self, rows: &[Row]) -> io::Result<()>;
    /// No more rows come.
    fn finish(&mut self) -> io::Result<()>;

    /// The columns of the batches, where rows come as batches; called after `start`.
    fn schema(&mut self, _schema: &SchemaRef) -> io::Result<()> {
        Ok(())
    }

    /// The next rows as a batch.
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.rows(&taffrail_query::rows::rows(batch).map_err(io::Error::other)?)
    }
}

/// A writer of `form` to `out`.
pub fn writer(form: Form, style: Style, out: Box<dyn Write + Send>) -> Box<dyn Writer> {
    match form {
        Form::Table => Box::new(table::Table::new(out, style)),
        Form::Json => Box::new(json::JsonLines::new(out)),
        Form::Csv => Box::new(csv::Csv::new(out, true)),
        Form::CsvExact => Box::new(csv::Csv::new(out, false)),
        Form::Raw => Box::new(raw::Raw::new(out)),
        Form::Arrow => Box::new(arrow::ArrowStream::new(out)),
        Form::Parquet => Box::new(parquet::Parquet::new(out)),
    }
}

/// A value as text for people and CSV: strings as they are, lists one value a line.
pub fn value_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(values) => values.iter().map(value_text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// The error of a form that is made of batches, where there are only rows.
fn batches_only() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "this form is made where the search runs")
}

#[cfg(test)]
mod tests;
