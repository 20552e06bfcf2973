//! Each event's bytes and a newline. They are the very bytes where the search gives them (`_raw_bytes`), else the event as
//! text, in which what is not UTF-8 is U+FFFD.

use super::Writer;
use crate::api::schema::{Field, ResultKind, Row};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use std::io::{self, Write};

/// Writes events as they arrived.
pub struct Raw {
    out: Box<dyn Write + Send>,
}

impl Raw {
    /// To `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }

    fn line(&mut self, event: &[u8]) -> io::Result<()> {
        self.out.write_all(event)?;
        self.out.write_all(b"\n")
    }
}

/// Refuses a result that has no events.
pub fn check(mut names: impl Iterator<Item = impl AsRef<str>>) -> io::Result<()> {
    if names.any(|name| matches!(name.as_ref(), "_raw" | "_raw_bytes")) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "raw output needs events, and this query ends with a table without _raw"))
}

impl Writer for Raw {
    fn start(&mut self, _kind: ResultKind, _fields: &[Field]) -> io::Result<()> {
        Ok(())
    }

    fn schema(&mut self, schema: &SchemaRef) -> io::Result<()> {
        check(schema.fields().iter().map(|field| field.name()))
    }

    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            if let Some(raw) = row.get("_raw") {
                self.line(super::value_text(raw).as_bytes())?;
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        if let Some(raw) = batch.column_by_name("_raw_bytes").and_then(|column| column.as_binary_opt::<i32>()) {
            return raw.iter().flatten().try_for_each(|event| self.line(event));
        }
        match batch.column_by_name("_raw").and_then(|column| column.as_string_opt::<i32>()) {
            Some(raw) => raw.iter().flatten().try_for_each(|event| self.line(event.as_bytes())),
            None => self.rows(&taffrail_query::rows::rows(batch).map_err(io::Error::other)?),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
