//! One JSON object a line.

use super::Writer;
use crate::api::schema::{Field, ResultKind, Row};
use std::io::{self, Write};

/// Writes JSON lines.
pub struct JsonLines {
    out: Box<dyn Write + Send>,
}

impl JsonLines {
    /// To `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }
}

impl Writer for JsonLines {
    fn start(&mut self, _kind: ResultKind, _fields: &[Field]) -> io::Result<()> {
        Ok(())
    }

    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            serde_json::to_writer(&mut self.out, row)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
