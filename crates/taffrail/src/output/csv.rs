//! RFC 4180: a header, CRLF between records, quotes doubled.

use super::{Writer, value_text};
use crate::api::schema::{Field, ResultKind, Row};
use std::io::{self, Write};

/// Writes CSV.
pub struct Csv {
    out: Box<dyn Write + Send>,
    columns: Vec<String>,
}

impl Csv {
    /// To `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, columns: Vec::new() }
    }

    fn record<'a>(&mut self, values: impl Iterator<Item = std::borrow::Cow<'a, str>>) -> io::Result<()> {
        let mut count = 0;
        let mut blank = false;
        for (at, value) in values.enumerate() {
            if at > 0 {
                self.out.write_all(b",")?;
            }
            count += 1;
            blank = value.is_empty();
            if value.contains([',', '"', '\r', '\n']) {
                self.out.write_all(b"\"")?;
                self.out.write_all(value.replace('"', "\"\"").as_bytes())?;
                self.out.write_all(b"\"")?;
            } else {
                self.out.write_all(value.as_bytes())?;
            }
        }
        // A record of one empty value would be an empty line, which readers skip.
        self.out.write_all(if count == 1 && blank { b"\"\"\r\n" } else { b"\r\n" })
    }
}

impl Writer for Csv {
    fn start(&mut self, _kind: ResultKind, fields: &[Field]) -> io::Result<()> {
        self.columns = fields.iter().map(|f| f.name.clone()).collect();
        let columns = std::mem::take(&mut self.columns);
        self.record(columns.iter().map(|c| c.as_str().into()))?;
        self.columns = columns;
        Ok(())
    }

    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        let columns = std::mem::take(&mut self.columns);
        for row in rows {
            self.record(columns.iter().map(|c| row.get(c).map(value_text).unwrap_or_default().into()))?;
        }
        self.columns = columns;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
