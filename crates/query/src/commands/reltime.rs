//! `reltime`: how long ago an event was, in words.

use super::columns_set::{set, text_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::{Array, RecordBatch, StringArray};
use std::fmt;
use std::sync::Arc;

/// What `reltime` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "reltime",
    aliases: &[],
    syntax: "reltime",
    summary: "Sets reltime to how long before the search an event was, in words: 5 minutes ago.",
    examples: &["login | reltime | table reltime, user"],
    parse,
};

#[derive(Debug)]
struct RelTime;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish().map_err(|error| error.with_hint("reltime has no arguments; it looks at _time"))?;
    Ok(Box::new(RelTime))
}

impl fmt::Display for RelTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

impl Command for RelTime {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed.without(["reltime"]).with(["_time"])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let at = column_index(&input.schema(), "_time");
        let now = planner.eval.now.seconds_f64();
        let maker = move |batch: &RecordBatch| {
            let times = at.map(|at| Values::of(batch.column(at))).transpose()?;
            let words = |row: usize| times.as_ref().and_then(|times| times.number(row)).map(|time| words(now - time));
            Ok(Arc::new((0..batch.num_rows()).map(words).collect::<StringArray>()) as Arc<dyn Array>)
        };
        Ok(set("reltime", input, vec![(text_field("reltime", false), Arc::new(maker))]).into())
    }
}

/// The largest unit of which there is one at least; months have 30 days here and years 365.
const UNITS: [(&str, f64); 6] =
    [("year", 31_536_000.0), ("month", 2_592_000.0), ("day", 86_400.0), ("hour", 3_600.0), ("minute", 60.0), ("second", 1.0)];

fn words(seconds: f64) -> String {
    let Some((unit, length)) = UNITS.iter().find(|(_, length)| seconds.abs() >= *length) else { return "now".to_owned() };
    let count = (seconds.abs() / length).floor();
    let plural = if count == 1.0 { "" } else { "s" };
    if seconds > 0.0 { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}
