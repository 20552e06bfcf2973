//! `collect`: writes the rows as events.
//!
//! This crate does not write to the store: events go to the sink that whoever runs the engine has given it.

use super::words::quote;
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::columns::{Cell, Values};
use crate::exec::{Flow, hold, transform};
use crate::language::{Args, QueryError, Span};
use crate::messages::Severity;
use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures::StreamExt;
use std::fmt::{self, Write};
use std::sync::Arc;
use taffrail_base::limits::BATCH_BYTES_MAX;
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};

/// What `collect` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "collect",
    aliases: &["summaryindex", "stash"],
    syntax: "collect index=<name> [host=<text>] [source=<text>] [sourcetype=<text>] [addtime=<bool>] [marker=<text>] \
             [output_format=raw|hec] [testmode=<bool>]",
    summary: "Writes the rows as events into an index, and passes them on; with testmode=true it only shows these events.",
    examples: &[
        "error | stats count BY host | collect index=summary",
        "* | bin _time span=1h | stats dc(user) AS users BY _time | collect index=summary source=users_by_hour testmode=true",
    ],
    parse,
};

/// How rows without `_raw` are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Pairs,
    Json,
}

#[derive(Clone, Debug)]
struct Collect {
    index: String,
    host: Option<String>,
    source: Option<String>,
    sourcetype: String,
    with_time: bool,
    marker: String,
    form: Form,
    test: bool,
    span: Span,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let known = [
        "index",
        "host",
        "source",
        "sourcetype",
        "addtime",
        "marker",
        "output_format",
        "testmode",
        "run_in_preview",
        "addinfo",
        "file",
        "spool",
    ];
    let mut this = Collect {
        index: String::new(),
        host: None,
        source: None,
        sourcetype: "stash".to_owned(),
        with_time: true,
        marker: String::new(),
        form: Form::Pairs,
        test: false,
        span: args.next_span(),
    };
    while !args.at_end() {
        let Some(option) = args.option(&known)? else {
            return Err(args.error("expected an option").with_hint("write collect index=<name>"));
        };
        let value = &option.value;
        match option.name.as_str() {
            "index" => (this.index, this.span) = (value.text.clone(), value.span),
            "host" => this.host = Some(value.text.clone()),
            "source" => this.source = Some(value.text.clone()),
            "sourcetype" => this.sourcetype = value.text.clone(),
            "addtime" => this.with_time = value.boolean("addtime")?,
            "marker" => this.marker = value.text.clone(),
            "testmode" => this.test = value.boolean("testmode")?,
            "output_format" => this.form = if value.one_of("output_format", &["raw", "hec"])? == "hec" { Form::Json } else { Form::Pairs },
            "file" | "spool" => {
                let error =
                    QueryError::at(value.span, format!("{} is not available: events go into an index without a file between", option.name));
                return Err(error.with_hint("leave it out"));
            }
            // Nothing is written for a preview, ever; and what a search was is in the audit log.
            _ => drop(value.boolean(&option.name)?),
        }
    }
    if this.index.is_empty() {
        return Err(args.error("collect needs an index").with_hint("write collect index=<name>"));
    }
    if !Origin::check_index(&this.index) || this.index.starts_with('_') {
        return Err(QueryError::at(this.span, format!("{:?} cannot be written to", this.index))
            .with_hint("an index is named by up to 64 of a-z, 0-9, `_` and `-`; those that begin with `_` are the server's own"));
    }
    Ok(Box::new(this))
}

impl fmt::Display for Collect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "collect index={}", quote(&self.index))?;
        for (name, value) in [("host", &self.host), ("source", &self.source)] {
            if let Some(value) = value {
                write!(f, " {name}={}", quote(value))?;
            }
        }
        if self.sourcetype != "stash" {
            write!(f, " sourcetype={}", quote(&self.sourcetype))?;
        }
        if !self.with_time {
            f.write_str(" addtime=false")?;
        }
        if !self.marker.is_empty() {
            write!(f, " marker={}", quote(&self.marker))?;
        }
        if self.form == Form::Json {
            f.write_str(" output_format=hec")?;
        }
        if self.test { f.write_str(" testmode=true") } else { Ok(()) }
    }
}

/// A row as an event.
struct Made {
    time: Timestamp,
    host: String,
    source: String,
    raw: String,
}

/// What is of the event itself; as a pair it is said of which event it was.
const ENVELOPE: [&str; 4] = ["index", "host", "source", "sourcetype"];

impl Collect {
    /// The rows of a batch as events.
    fn events(&self, batch: &RecordBatch, now: Timestamp) -> Result<Vec<Made>, arrow::error::ArrowError> {
        let schema = batch.schema();
        let column = |name: &str| schema.index_of(name).ok().map(|at| Values::of(batch.column(at))).transpose();
        let (times, raws, hosts) = (column("_time")?, column("_raw")?, column("host")?);
        let mut fields = Vec::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            if !field.name().starts_with('_') && !field.name().starts_with(crate::exec::HIDDEN) {
                let name = if ENVELOPE.contains(&field.name().as_str()) { format!("orig_{}", field.name()) } else { field.name().clone() };
                fields.push((name, Values::of(column)?));
            }
        }
        let each = (0..batch.num_rows()).map(|row| {
            let mut time = None;
            if let Some(times) = &times {
                times.each(row, |cell| time = cell_time(cell));
            }
            let raw = raws.as_ref().and_then(|raws| raws.text(row)).filter(|raw| !raw.is_empty());
            let host = self.host.clone().or_else(|| hosts.as_ref().and_then(|hosts| hosts.text(row)));
            Made {
                time: time.unwrap_or(now),
                host: host.unwrap_or_else(|| "search".to_owned()),
                source: self.source.clone().unwrap_or_else(|| "collect".to_owned()),
                raw: match (raw, self.form) {
                    (Some(mut raw), _) => {
                        raw.push_str(&self.marked());
                        raw
                    }
                    (None, Form::Pairs) => self.pairs(&fields, row, time),
                    (None, Form::Json) => self.json(&fields, row, time),
                },
            }
        });
        Ok(each.collect())
    }

    fn marked(&self) -> String {
        if self.marker.is_empty() { String::new() } else { format!(" {}", self.marker) }
    }

    fn pairs(&self, fields: &[(String, Values)], row: usize, time: Option<Timestamp>) -> String {
        let mut out = String::new();
        if let Some(time) = time.filter(|_| self.with_time) {
            let _ = write!(out, "{time}");
        }
        for (name, values) in fields {
            let list = values.list(row);
            if list.is_empty() {
                continue;
            }
            if !out.is_empty() {
                out.push(' ');
            }
            out.extend(name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '_' }));
            out.push('=');
            let value = list.join(", ");
            if !value.is_empty()
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b':'))
            {
                out.push_str(&value);
            } else {
                let _ = write!(out, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
            }
        }
        out.push_str(&self.marked());
        out
    }

    fn json(&self, fields: &[(String, Values)], row: usize, time: Option<Timestamp>) -> String {
        let mut object = serde_json::Map::new();
        if let Some(time) = time.filter(|_| self.with_time) {
            object.insert("time".to_owned(), time.to_string().into());
        }
        for (name, values) in fields {
            let mut items = Vec::new();
            values.each(row, |cell| {
                items.push(match cell {
                    Cell::Number(number) if number.is_finite() => serde_json::from_str(&cell.text()).unwrap_or_else(|_| cell.text().into()),
                    cell => serde_json::Value::from(cell.text().into_owned()),
                });
            });
            match items.len() {
                0 => {}
                1 => drop(object.insert(name.clone(), items.remove(0))),
                _ => drop(object.insert(name.clone(), items.into())),
            }
        }
        if !self.marker.is_empty() {
            object.insert("marker".to_owned(), self.marker.clone().into());
        }
        serde_json::Value::from(object).to_string()
    }

    /// The events as rows.
    fn shown(&self, input: Flow, now: Timestamp) -> Flow {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let mut fields = vec![Field::new("_time", crate::columns::time_type(), true), text("_raw")];
        fields.extend(ENVELOPE.map(text));
        let schema = Arc::new(Schema::new(fields));
        let (this, made_schema) = (self.clone(), schema.clone());
        let work = transform(move |batch: RecordBatch| {
            let made = this.events(&batch, now)?;
            let times = TimestampNanosecondArray::from_iter_values(made.iter().map(|one| one.time.nanos())).with_timezone("UTC");
            let text = |of: &dyn Fn(&Made) -> String| Arc::new(made.iter().map(|one| Some(of(one))).collect::<StringArray>()) as ArrayRef;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(times),
                text(&|one| one.raw.clone()),
                text(&|_| this.index.clone()),
                text(&|one| one.host.clone()),
                text(&|one| one.source.clone()),
                text(&|_| this.sourcetype.clone()),
            ];
            Ok(RecordBatch::try_new(made_schema.clone(), columns)?)
        });
        input.map(INFO.name, schema, work)
    }

    /// Writes the events, and gives the rows on.
    async fn write(self, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
        let Some(sink) = planner.sink.clone() else {
            return Err(QueryError::at(self.span, "events can be written by a running server only")
                .with_hint("start one with `taffrail serve`, or look at the events with testmode=true"));
        };
        let rows = hold(input.single(), &planner.context, |_| Ok(())).await?;
        let now = planner.eval.now;
        let mut batches = rows.clone().stream(planner.context.clone())?;
        let mut written = 0;
        while let Some(batch) = batches.next().await {
            let mut waiting = EventBatch::new(now);
            for made in self.events(&batch?, now)? {
                let origin = Origin {
                    index: self.index.as_str().into(),
                    host: made.host.as_str().into(),
                    source: made.source.as_str().into(),
                    sourcetype: self.sourcetype.as_str().into(),
                    transport: "collect".into(),
                    peer: "".into(),
                };
                let number = waiting.origin(&origin);
                waiting.push(number, made.time, Problems::NONE, made.raw.as_bytes());
                if waiting.raw_bytes() >= BATCH_BYTES_MAX {
                    written += self.append(&sink, std::mem::replace(&mut waiting, EventBatch::new(now)), written).await?;
                }
            }
            if !waiting.is_empty() {
                written += self.append(&sink, waiting, written).await?;
            }
        }
        let events = if written == 1 { "1 event".to_owned() } else { format!("{written} events") };
        planner.messages.add(Severity::Info, format!("collect wrote {events} into the index {}", self.index));
        Ok(rows)
    }

    async fn append(&self, sink: &Arc<dyn taffrail_event::EventSink>, batch: EventBatch, before: u64) -> Result<u64, QueryError> {
        sink.append(batch).await.map(|receipt| receipt.events).map_err(|error| {
            let mut ours = QueryError::from(&error);
            ours.message = format!("the events cannot be written ({before} were): {}", ours.message);
            ours.or_at(self.span)
        })
    }
}

/// A cell of `_time`, as a time.
fn cell_time(cell: Cell<'_>) -> Option<Timestamp> {
    match cell {
        Cell::Time(nanos) => Some(Timestamp(nanos)),
        cell => cell.number().and_then(crate::columns::nanos_of_seconds).map(Timestamp),
    }
}

impl Command for Collect {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        // What is written is what the rows have.
        if needed.is_open() { Required::all() } else { Required::all().without(["_*"]).with(["_time", "_raw"]).with(needed.names) }
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn writes(&self) -> bool {
        !self.test
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if self.test {
            return Ok(self.shown(input, planner.eval.now).into());
        }
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(this.write(input, planner))))
    }
}
