//! `makeresults`: rows out of nothing.

use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::columns::time_type;
use crate::eval::EvalContext;
use crate::exec::Flow;
use crate::exec::combine::streamed;
use crate::knowledge::Table;
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError, Span};
use crate::source::batch_of_json;
use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::{MADE_ROWS_MAX, SCAN_BATCH_ROWS};

/// What `makeresults` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "makeresults",
    aliases: &[],
    syntax: "makeresults [count=<count>] [annotate=<bool>] | makeresults format=csv|json data=<text>",
    summary: "Makes rows: as many as asked for, with the time of the search in `_time`, or those of CSV or JSON text. It begins a query.",
    examples: &[
        "| makeresults count=5 | eval n=1",
        "| makeresults format=json data=\"[{\\\"host\\\":\\\"a\\\"},{\\\"host\\\":\\\"b\\\"}]\"",
    ],
    parse,
};

/// Fields without values that `annotate` adds.
const ANNOTATED: [&str; 5] = ["_raw", "host", "source", "sourcetype", "index"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

#[derive(Debug)]
struct MakeResults {
    count: usize,
    annotate: bool,
    data: Option<(Format, String, Span)>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut made = MakeResults { count: 1, annotate: false, data: None };
    let (mut format, mut data) = (None, None);
    while !args.at_end() {
        let Some(option) = args.option(&["count", "annotate", "format", "data", "splunk_server", "splunk_server_group"])? else {
            return Err(args.error("expected an option").with_hint("the options are count, annotate, format, data"));
        };
        match option.name.as_str() {
            "count" => {
                made.count = option.value.integer("count", 0)? as usize;
                if made.count > MADE_ROWS_MAX {
                    return Err(QueryError::at(option.value.span, format!("makeresults makes at most {MADE_ROWS_MAX} rows")));
                }
            }
            "annotate" => made.annotate = option.value.boolean("annotate")?,
            "format" => format = Some(option.value.one_of("format", &["csv", "json"])?),
            "data" => data = Some(option.value),
            // Where it would run in a cluster; there is one place here.
            _ => {}
        }
    }
    made.data = match (format, data) {
        (Some(format), Some(data)) => {
            let format = if format == "csv" { Format::Csv } else { Format::Json };
            Some((format, data.text, data.span))
        }
        (None, None) => None,
        (Some(_), None) => return Err(args.error("format needs data").with_hint("write format=csv data=\"a,b...\"")),
        (None, Some(data)) => {
            return Err(QueryError::at(data.span, "data needs a format").with_hint("write format=csv or format=json before it"));
        }
    };
    if let Some((format, text, span)) = &made.data {
        // Wrong data is shown while typing.
        rows(*format, text, &EvalContext::new(taffrail_event::Timestamp(0), jiff::tz::TimeZone::UTC))
            .map_err(|error| error.or_at(*span))?;
    }
    Ok(Box::new(made))
}

impl fmt::Display for MakeResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("makeresults")?;
        if let Some((format, data, _)) = &self.data {
            let format = if *format == Format::Csv { "csv" } else { "json" };
            return write!(f, " format={format} data={}", quoted(data, '"'));
        }
        if self.count != 1 {
            write!(f, " count={}", self.count)?;
        }
        if self.annotate {
            f.write_str(" annotate=true")?;
        }
        Ok(())
    }
}

fn rows(format: Format, text: &str, context: &EvalContext) -> Result<RecordBatch, QueryError> {
    if format == Format::Csv {
        let table = Table::parse(text.trim_start().as_bytes()).map_err(|error| QueryError::new(format!("the data is not CSV: {error}")))?;
        return Ok(table.batch().clone());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| QueryError::new(format!("the data is not JSON: {error}")))?;
    let items = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    let objects = items.into_iter().map(|item| match item {
        Value::Object(object) => Ok(object),
        _ => Err(QueryError::new("the data is not made of JSON objects").with_hint("write [{\\\"field\\\": \\\"value\\\"}, ...]")),
    });
    batch_of_json(&objects.collect::<Result<Vec<_>, _>>()?, context)
}

impl Command for MakeResults {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if let Some((format, text, span)) = &self.data {
            let batch = rows(*format, text, &planner.eval).map_err(|error| error.or_at(*span))?;
            return Ok(Flow::of_batches(batch.schema(), vec![batch], true).into());
        }
        let mut fields = vec![Field::new("_time", time_type(), true)];
        if self.annotate {
            fields.extend(ANNOTATED.map(|name| Field::new(name, DataType::Utf8, true)));
        }
        let schema = Arc::new(Schema::new(fields));
        let (count, now, made) = (self.count, planner.eval.now.nanos().div_euclid(1_000_000_000) * 1_000_000_000, schema.clone());
        Ok(streamed("makeresults", schema, true, move |_| {
            let schema = made.clone();
            let batch = move |at: usize| {
                let rows = SCAN_BATCH_ROWS.min(count - at);
                let mut columns: Vec<ArrayRef> = vec![Arc::new(TimestampNanosecondArray::from_value(now, rows).with_timezone("UTC"))];
                columns.extend(schema.fields()[1..].iter().map(|_| Arc::new(StringArray::new_null(rows)) as ArrayRef));
                Ok(RecordBatch::try_new(schema.clone(), columns)?)
            };
            let batches = futures::stream::iter((0..count).step_by(SCAN_BATCH_ROWS).map(batch));
            Ok(Box::pin(RecordBatchStreamAdapter::new(made.clone(), batches)))
        })
        .into())
    }
}
