//! RFC 4180: a header, CRLF between records, quotes doubled.
//!
//! Log text is written by strangers, and spreadsheets run cells that begin like a formula. Unless the values are wanted
//! exactly, such a cell gets a `'` before it, which spreadsheets take for the mark of text. Numbers with a sign stay.

use super::{Writer, value_text};
use crate::api::schema::{Field, ResultKind, Row};
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes CSV.
pub struct Csv {
    out: Box<dyn Write + Send>,
    columns: Vec<String>,
    defused: bool,
}

/// What a formula begins with in some spreadsheet; the wide signs are taken for the narrow ones.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// The value such that no spreadsheet takes it for a formula.
fn defused(value: Cow<'_, str>) -> Cow<'_, str> {
    if !value.starts_with(FORMULA) || is_number(&value) {
        return value;
    }
    Cow::Owned(format!("'{value}"))
}

/// Whether it is a plain number: digits with a sign, a fraction, an exponent. `-1+1` is none.
fn is_number(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) && value.parse::<f64>().is_ok()
}

impl Csv {
    /// To `out`; `defused`: no value can be taken for a formula.
    pub fn new(out: Box<dyn Write + Send>, defused: bool) -> Self {
        Self { out, columns: Vec::new(), defused }
    }

    fn record<'a>(&mut self, values: impl Iterator<Item = Cow<'a, str>>) -> io::Result<()> {
        let mut count = 0;
        let mut blank = false;
        for (at, value) in values.enumerate() {
            if at > 0 {
                self.out.write_all(b",")?;
            }
            count += 1;
            blank = value.is_empty();
            let value = if self.defused { defused(value) } else { value };
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
