//! For people. Events are lines of time, host, source type and text, streamed as they come; tables are aligned,
//! which needs the widths of the first rows, so they are drawn in blocks.

use super::{Style, Writer, value_text};
use crate::api::schema::{Field, ResultKind, Row};
use crate::cli::terminal::neutral;
use std::borrow::Cow;
use std::io::{self, Write};

/// Rows whose widths are measured before a block is drawn.
const BLOCK_ROWS: usize = 1_000;

/// Widest a column is padded to; longer values stay whole and push what follows to the right.
const COLUMN_WIDTH_MAX: usize = 60;

/// Writes aligned text.
pub struct Table {
    out: Box<dyn Write + Send>,
    style: Style,
    kind: ResultKind,
    columns: Vec<Field>,
    waiting: Vec<Vec<String>>,
    widths: Vec<usize>,
    headed: bool,
}

impl Table {
    /// To `out`.
    pub fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self { out, style, kind: ResultKind::Events, columns: Vec::new(), waiting: Vec::new(), widths: Vec::new(), headed: false }
    }

    fn safe<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.style.terminal { neutral(text) } else { Cow::Borrowed(text) }
    }

    fn event(&mut self, row: &Row) -> io::Result<()> {
        let text = |name: &str| row.get(name).map(value_text).unwrap_or_default();
        let (dim, reset) = if self.style.colours { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let line = format!(
            "{dim}{}  {}  {}{reset}  {}\n",
            self.safe(&text("_time")),
            self.safe(&text("host")),
            self.safe(&text("sourcetype")),
            self.safe(&text("_raw"))
        );
        self.out.write_all(line.as_bytes())
    }

    fn is_number(field: &Field) -> bool {
        field.kind == "number"
    }

    fn draw(&mut self) -> io::Result<()> {
        for row in &self.waiting {
            for (width, value) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(columns_of(value)).min(COLUMN_WIDTH_MAX);
            }
        }
        if !self.headed {
            self.headed = true;
            let (bold, reset) = if self.style.colours { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
            let names: Vec<String> = self.columns.iter().map(|c| self.safe(&c.name).into_owned()).collect();
            let line = self.line(&names);
            writeln!(self.out, "{bold}{line}{reset}")?;
        }
        for row in std::mem::take(&mut self.waiting) {
            let line = self.line(&row);
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn line(&self, values: &[String]) -> String {
        let mut line = String::new();
        for ((value, field), width) in values.iter().zip(&self.columns).zip(&self.widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let padding = " ".repeat(width.saturating_sub(columns_of(value)));
            if Self::is_number(field) {
                line.push_str(&padding);
                line.push_str(value);
            } else {
                line.push_str(value);
                line.push_str(&padding);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Terminal columns of a text. Wide characters count as one: a table of logs is mostly ASCII, and a wrong guess
/// costs only alignment.
fn columns_of(text: &str) -> usize {
    text.chars().count()
}

impl Writer for Table {
    fn start(&mut self, kind: ResultKind, fields: &[Field]) -> io::Result<()> {
        self.kind = kind;
        if kind == ResultKind::Table {
            self.columns = fields.to_vec();
            self.widths = fields.iter().map(|f| columns_of(&f.name).min(COLUMN_WIDTH_MAX)).collect();
        }
        Ok(())
    }

    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            if self.kind == ResultKind::Events {
                self.event(row)?;
                continue;
            }
            let values = self
                .columns
                .iter()
                .map(|c| {
                    let text = row.get(&c.name).map(value_text).unwrap_or_default();
                    self.safe(&text.replace('\n', " ")).into_owned()
                })
                .collect();
            self.waiting.push(values);
            if self.waiting.len() >= BLOCK_ROWS {
                self.draw()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.kind == ResultKind::Table {
            self.draw()?;
        }
        self.out.flush()
    }
}
