//! `dbinspect`: the segments that events are kept in.

use super::eventcount::is_meant;
use super::words::quote;
use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use crate::source::Part;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::fmt;
use std::sync::Arc;

/// What `dbinspect` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "dbinspect",
    aliases: &[],
    syntax: "dbinspect [index=<name>]...",
    summary: "A row for each segment that holds events of the search's time range: its index, times, events and sizes. It begins a query.",
    examples: &["| dbinspect index=main | stats sum(sizeOnDiskMB) BY state", "| dbinspect | where eventCount<1000"],
    parse,
};

#[derive(Debug)]
struct DbInspect(Vec<String>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut indexes = Vec::new();
    while !args.at_end() {
        let Some(option) = args.option(&["index", "splunk_server", "splunk_server_group"])? else {
            return Err(args.error("expected an option").with_hint("the option is index"));
        };
        if option.name == "index" {
            indexes.push(option.value.text);
        }
        args.symbol(",");
    }
    Ok(Box::new(DbInspect(indexes)))
}

impl fmt::Display for DbInspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)?;
        self.0.iter().try_for_each(|index| write!(f, " index={}", quote(index)))
    }
}

impl Command for DbInspect {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let mut parts: Vec<Part> = planner.parts()?;
        parts.retain(|part| is_meant(&self.0, &part.index) && part.latest >= planner.earliest && part.earliest < planner.latest);
        parts.sort_by(|a, b| (&a.index, a.earliest, &a.id).cmp(&(&b.index, b.earliest, &b.id)));
        let text = |of: fn(&Part) -> &str| Arc::new(StringArray::from_iter_values(parts.iter().map(of))) as ArrayRef;
        let whole = |of: fn(&Part) -> u64| Arc::new(Int64Array::from_iter_values(parts.iter().map(|part| of(part) as i64))) as ArrayRef;
        let number = |of: fn(&Part) -> f64| Arc::new(Float64Array::from_iter_values(parts.iter().map(of))) as ArrayRef;
        let columns: Vec<(&str, DataType, ArrayRef)> = vec![
            ("bucketId", DataType::Utf8, text(|part| &part.id)),
            ("index", DataType::Utf8, text(|part| &part.index)),
            ("state", DataType::Utf8, text(|part| part.state)),
            ("startEpoch", DataType::Float64, number(|part| part.earliest.seconds_f64())),
            ("endEpoch", DataType::Float64, number(|part| part.latest.seconds_f64())),
            ("eventCount", DataType::Int64, whole(|part| part.events)),
            ("patternCount", DataType::Int64, whole(|part| part.patterns)),
            ("rawSize", DataType::Int64, whole(|part| part.raw_bytes)),
            ("sizeOnDiskMB", DataType::Float64, number(|part| part.stored_bytes as f64 / 1_048_576.0)),
        ];
        let fields: Vec<Field> = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, _, column)| column).collect())?;
        Ok(Flow::of_batches(schema, vec![batch], true).into())
    }
}
