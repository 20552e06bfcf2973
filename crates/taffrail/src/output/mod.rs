//! Results as text: one file per form. Nothing here knows where rows come from.

mod csv;
mod json;
mod raw;
mod table;

use crate::api::schema::{Field, ResultKind, Row};
use std::io::{self, Write};

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// For people: aligned columns; control characters are made visible on a terminal.
    Table,
    /// One JSON object a line.
    Json,
    /// RFC 4180 with a header.
    Csv,
    /// Each event's bytes as they arrived, and a newline.
    Raw,
}

impl Form {
    /// The media type of this form.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Table => "text/plain; charset=utf-8",
            Self::Json => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Raw => "application/octet-stream",
        }
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
}

/// A writer of `form` to `out`.
pub fn writer(form: Form, style: Style, out: Box<dyn Write + Send>) -> Box<dyn Writer> {
    match form {
        Form::Table => Box::new(table::Table::new(out, style)),
        Form::Json => Box::new(json::JsonLines::new(out)),
        Form::Csv => Box::new(csv::Csv::new(out)),
        Form::Raw => Box::new(raw::Raw::new(out)),
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

#[cfg(test)]
mod tests;
