//! `addinfo`: fields about the search itself.

use super::columns_set::{Maker, set, text_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::seconds_text;
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::Field;
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// What `addinfo` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "addinfo",
    aliases: &[],
    syntax: "addinfo",
    summary: "Adds the search's time range as info_min_time and info_max_time, and info_search_time, its start, to each row.",
    examples: &["* | addinfo | where _time>info_search_time-60"],
    parse,
};

/// The fields, in the order in which they are added.
const FIELDS: [&str; 3] = ["info_min_time", "info_max_time", "info_search_time"];

#[derive(Debug)]
struct AddInfo;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish().map_err(|error| error.with_hint("addinfo has no arguments"))?;
    Ok(Box::new(AddInfo))
}

impl fmt::Display for AddInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

impl Command for AddInfo {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed.without(FIELDS)
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let earliest = if planner.earliest == Timestamp::MIN { "0".to_owned() } else { seconds_text(planner.earliest.nanos()) };
        let latest = if planner.latest == Timestamp::MAX { "+Infinity".to_owned() } else { seconds_text(planner.latest.nanos()) };
        let started = seconds_text(planner.eval.now.nanos());
        let field = |(name, text): (&str, String)| -> (Field, Maker) {
            let column = move |batch: &RecordBatch| -> ExecResult<ArrayRef> {
                Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&text, batch.num_rows()))))
            };
            (text_field(name, true), Arc::new(column))
        };
        let made = FIELDS.into_iter().zip([earliest, latest, started]).map(field).collect();
        Ok(set("addinfo", input, made).into())
    }
}
