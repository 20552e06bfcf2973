//! Each event's text and a newline. Bytes that are not UTF-8 only survive where the caller has them: the local
//! search and the server's export write bytes themselves and do not come through here.

use super::Writer;
use crate::api::schema::{Field, ResultKind, Row};
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
}

impl Writer for Raw {
    fn start(&mut self, _kind: ResultKind, fields: &[Field]) -> io::Result<()> {
        if fields.iter().any(|f| f.name == "_raw") {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "raw output needs events, and this result is a table without _raw"))
    }

    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            if let Some(raw) = row.get("_raw") {
                self.out.write_all(super::value_text(raw).as_bytes())?;
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
