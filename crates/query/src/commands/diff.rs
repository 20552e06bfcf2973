//! `diff`: what changed from one row to another, line by line.

use super::pair::{self, Positions};
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::{Cell, Values, time_type};
use crate::exec::{Flow, stop_of};
use crate::language::{Args, QueryError, Span};
use crate::messages::{Messages, Severity};
use crate::text::diff::{Split, Style, changes, hunks, number, render};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::memory_pool::MemoryConsumer;
use std::fmt;
use std::sync::Arc;
use taffrail_base::Stop;
use taffrail_base::limits::{DIFF_BYTES_DEFAULT, DIFF_LINE_BYTES};
use taffrail_event::Timestamp;

/// What `diff` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "diff",
    aliases: &[],
    syntax: "diff [pos1=<row>] [pos2=<row>] [attribute=<field>] [context=<bool>] [diffheader=<bool>] [maxlen=<bytes>]",
    summary: "Compares two rows line by line: `-` marks what only row pos1 has, `+` what only row pos2 has; written as by `diff -u` or `diff -c`.",
    examples: &["sourcetype=config host=router1 | head 2 | sort _time | diff", "* | diff pos1=1 pos2=5 attribute=uri diffheader=true"],
    parse,
};

/// What the one row says when there is nothing to show.
const SAME: &str = "Results are the Same";

/// `diff` with its arguments.
#[derive(Clone, Debug)]
struct Diff {
    positions: Positions,
    attribute: String,
    attribute_span: Option<Span>,
    style: Style,
    header: bool,
    max_bytes: usize,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut diff = Diff {
        positions: Positions::default(),
        attribute: "_raw".to_owned(),
        attribute_span: None,
        style: Style::Unified,
        header: false,
        max_bytes: DIFF_BYTES_DEFAULT,
    };
    let known: Vec<&str> = pair::OPTIONS.into_iter().chain(["attribute", "context", "diffheader", "header", "maxlen"]).collect();
    while !args.at_end() {
        let Some(option) = args.option(&known)? else { return Err(args.error("expected an option such as pos1=1 or attribute=_raw")) };
        if diff.positions.take(&option)? {
            continue;
        }
        match option.name.as_str() {
            "attribute" => {
                diff.attribute = option.value.text;
                diff.attribute_span = Some(option.value.span);
            }
            "context" => diff.style = if option.value.boolean("context")? { Style::Context } else { Style::Unified },
            "maxlen" => diff.max_bytes = option.value.integer("maxlen", 0)? as usize,
            name => diff.header = option.value.text.eq_ignore_ascii_case("header") || option.value.boolean(name)?,
        }
    }
    diff.positions.check()?;
    Ok(Box::new(diff))
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "diff{}", self.positions.text())?;
        if self.attribute != "_raw" {
            write!(f, " attribute={}", quote_field(&self.attribute))?;
        }
        if self.style == Style::Context {
            f.write_str(" context=true")?;
        }
        if self.header {
            f.write_str(" diffheader=true")?;
        }
        if self.max_bytes != DIFF_BYTES_DEFAULT {
            write!(f, " maxlen={}", self.max_bytes)?;
        }
        Ok(())
    }
}

impl Command for Diff {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, _: Required) -> Required {
        Required::of([self.attribute.as_str(), "_time", "source", "host"])
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn rows_needed(&self) -> Option<usize> {
        Some(self.positions.rows_needed())
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let rows = this.positions.rows(INFO.name, input, &planner).await?;
            let sides = [this.side(&rows, 0, &planner.messages)?, this.side(&rows, 1, &planner.messages)?];
            // Besides the texts: their lines, numbers and marks, and the tables of the search.
            let bytes: usize = sides.iter().map(|side| 3 * side.text.len() + DIFF_LINE_BYTES * line_count(&side.text)).sum();
            let memory = MemoryConsumer::new(INFO.name).register(planner.context.memory_pool());
            memory.try_grow(bytes)?;
            let (messages, now, stop) = (planner.messages.clone(), planner.eval.now, stop_of(&planner.context));
            super::blocking(move || {
                let _memory = memory;
                Ok(this.compare(&sides, &messages, now, &stop))
            })
            .await?
        })))
    }
}

fn line_count(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// One of the two rows.
#[derive(Debug)]
struct Side {
    text: String,
    time: Option<i64>,
    source: Option<String>,
    host: Option<String>,
}

impl Diff {
    fn side(&self, rows: &[RecordBatch; 2], which: usize, messages: &Messages) -> Result<Side, QueryError> {
        let row = &rows[which];
        let place = self.positions.place(which);
        let values = |name: &str| column_index(&row.schema(), name).map(|at| Values::of(row.column(at))).transpose();
        let texts = values(&self.attribute)?.map(|values| values.list(0)).unwrap_or_default();
        if texts.is_empty() {
            let error = QueryError::new(format!("attribute {:?} is not present in result {place}", self.attribute));
            let error = error.with_hint("name a field that both rows have: attribute=<field>");
            return Err(match self.attribute_span {
                Some(span) => error.or_at(span),
                None => error,
            });
        }
        let mut text = texts.join("\n");
        if self.max_bytes > 0 && text.len() > self.max_bytes {
            let mut end = self.max_bytes;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            messages.inexact(format!(
                "diff looks at the first {end} of {} bytes of result {place}; maxlen={} looks at more, maxlen=0 at all",
                text.len(),
                text.len()
            ));
            text.truncate(end);
        }
        let mut time = None;
        if let Some(times) = values("_time")? {
            times.each(0, |cell| {
                time = match cell {
                    Cell::Time(nanos) => Some(nanos),
                    other => other.number().and_then(crate::columns::nanos_of_seconds),
                };
            });
        }
        let text_of = |name: &str| Ok::<_, QueryError>(values(name)?.and_then(|values| values.text(0)));
        Ok(Side { text, time, source: text_of("source")?, host: text_of("host")? })
    }

    fn compare(&self, sides: &[Side; 2], messages: &Messages, now: Timestamp, stop: &Stop) -> Result<Flow, QueryError> {
        let (old, new) = (self.split(&sides[0].text), self.split(&sides[1].text));
        let (old_numbers, new_numbers) = number(&old, &new);
        let changes = changes(&old_numbers, &new_numbers, stop).map_err(|error| QueryError::from(&error))?;
        if !self.header && line_ends(&sides[0].text) != line_ends(&sides[1].text) {
            messages.add(
                Severity::Info,
                "the line ends of the results differ (CRLF or LF, or the end of the last line); diffheader=true compares them too",
            );
        }
        let mut text = render(self.style, &old, &new, &changes);
        // An event's text carries no newline after its last line.
        text.pop();
        if changes.is_empty() {
            SAME.clone_into(&mut text);
        } else if self.header {
            let marks = if self.style == Style::Unified { ["---", "+++"] } else { ["***", "---"] };
            let lines = [0, 1].map(|which| format!("{} {}\n", marks[which], self.file_name(&sides[which], which)));
            text = lines.concat() + &text;
        }
        let added: usize = changes.iter().map(|change| change.new.len()).sum();
        let removed: usize = changes.iter().map(|change| change.old.len()).sum();
        answer(now, text, [added, removed, hunks(&changes).len(), usize::from(changes.is_empty())], sides)
    }

    fn split<'a>(&self, text: &'a str) -> Split<'a> {
        if self.header { Split::exact(text) } else { Split::plain(text) }
    }

    /// How `patch` is told of a side: its source, in quotes where it would not survive the line, and its time.
    fn file_name(&self, side: &Side, which: usize) -> String {
        let name = match side.source.as_deref() {
            None | Some("") => format!("result{}", self.positions.place(which)),
            Some(source) => source.to_owned(),
        };
        let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\');
        let name = if name.chars().all(plain) { name } else { quoted(&name) };
        match side.time.and_then(|nanos| jiff::Timestamp::from_nanosecond(i128::from(nanos)).ok()) {
            Some(time) => format!("{name}\t{}", time.strftime("%Y-%m-%d %H:%M:%S.%9f +0000")),
            None => name,
        }
    }
}

/// In quotes, with octal escapes, as `diff` writes odd file names and `patch` reads them.
fn quoted(name: &str) -> String {
    let mut out = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => c.to_string().bytes().for_each(|byte| out.push_str(&format!("\\{byte:03o}"))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether there are lines that end in CRLF, and whether the last line is ended.
fn line_ends(text: &str) -> (bool, bool) {
    (text.contains("\r\n"), text.ends_with('\n'))
}

/// The one row.
fn answer(now: Timestamp, text: String, [added, removed, hunks, same]: [usize; 4], sides: &[Side; 2]) -> Result<Flow, QueryError> {
    let times = |values: Vec<Option<i64>>| -> ArrayRef { Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC")) };
    let count = |number: usize| -> ArrayRef { Arc::new(Int64Array::from(vec![number as i64])) };
    let word = |text: &Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![text.clone()])) };
    let mut columns: Vec<(&str, DataType, ArrayRef)> = vec![
        ("_time", time_type(), times(vec![Some(now.nanos())])),
        ("_raw", DataType::Utf8, Arc::new(StringArray::from(vec![text]))),
        ("diff_added", DataType::Int64, count(added)),
        ("diff_removed", DataType::Int64, count(removed)),
        ("diff_changed_hunks", DataType::Int64, count(hunks)),
        ("identical", DataType::Int64, count(same)),
    ];
    for (side, [time, source, host]) in
        sides.iter().zip([["pos1_time", "pos1_source", "pos1_host"], ["pos2_time", "pos2_source", "pos2_host"]])
    {
        columns.push((time, time_type(), times(vec![side.time])));
        columns.push((source, DataType::Utf8, word(&side.source)));
        columns.push((host, DataType::Utf8, word(&side.host)));
    }
    let schema = Arc::new(Schema::new(columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(.., column)| column).collect())?;
    Ok(Flow::of_batches(schema, vec![batch], false))
}
