//! `eventcount`: how many events the indexes hold, whenever they are of.

use super::words::quote;
use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::exec::Flow;
use crate::language::search::Wildcard;
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What `eventcount` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "eventcount",
    aliases: &[],
    syntax: "eventcount [summarize=<bool>] [report_size=<bool>] [index=<name>]...",
    summary: "How many events the indexes hold, of all times: together, or with summarize=false a row for each. It begins a query.",
    examples: &["| eventcount", "| eventcount summarize=false report_size=true index=* index=_*"],
    parse,
};

#[derive(Debug)]
struct EventCount {
    together: bool,
    with_size: bool,
    indexes: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = EventCount { together: true, with_size: false, indexes: Vec::new() };
    while !args.at_end() {
        let Some(option) = args.option(&["summarize", "report_size", "index", "list_vix", "splunk_server"])? else {
            return Err(args.error("expected an option").with_hint("the options are summarize, report_size and index"));
        };
        match option.name.as_str() {
            "summarize" => this.together = option.value.boolean("summarize")?,
            "report_size" => this.with_size = option.value.boolean("report_size")?,
            "index" => this.indexes.push(option.value.text),
            // There is one server, and its indexes are its own.
            _ => {}
        }
        args.symbol(",");
    }
    Ok(Box::new(this))
}

impl fmt::Display for EventCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)?;
        if !self.together {
            f.write_str(" summarize=false")?;
        }
        if self.with_size {
            f.write_str(" report_size=true")?;
        }
        self.indexes.iter().try_for_each(|index| write!(f, " index={}", quote(index)))
    }
}

/// Whether an index is meant: one of those named, or if none is, any but those of the server itself.
pub(super) fn is_meant(indexes: &[String], name: &str) -> bool {
    let matches = |wanted: &String| (wanted.starts_with('_') || !name.starts_with('_')) && Wildcard::new(wanted, true).matches(name);
    if indexes.is_empty() { !name.starts_with('_') } else { indexes.iter().any(matches) }
}

impl Command for EventCount {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let mut counts: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for part in planner.parts()?.into_iter().filter(|part| is_meant(&self.indexes, &part.index)) {
            let sum = counts.entry(part.index).or_default();
            *sum = (sum.0 + part.events as i64, sum.1 + part.raw_bytes as i64);
        }
        if self.together {
            let sum = counts.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            counts = BTreeMap::from([(String::new(), sum)]);
        }
        let mut columns: Vec<(Field, ArrayRef)> = vec![(
            Field::new("count", DataType::Int64, true),
            Arc::new(Int64Array::from_iter_values(counts.values().map(|(events, _)| *events))),
        )];
        if !self.together {
            columns.push((Field::new("index", DataType::Utf8, true), Arc::new(StringArray::from_iter_values(counts.keys()))));
        }
        if self.with_size {
            let bytes = Int64Array::from_iter_values(counts.values().map(|(_, bytes)| *bytes));
            columns.push((Field::new("size_bytes", DataType::Int64, true), Arc::new(bytes)));
        }
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        Ok(Flow::of_batches(schema.clone(), vec![RecordBatch::try_new(schema, arrays)?], true).into())
    }
}
