//! `fdiff`: what changed from one row to another, field by field.

use super::pair::{self, Positions};
use super::words::{expand, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, list_type, lists};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use crate::messages::Severity;
use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::fmt;
use std::sync::Arc;

/// What `fdiff` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "fdiff",
    aliases: &[],
    syntax: "fdiff [pos1=<row>] [pos2=<row>] [<field> [, <field>]...]",
    summary: "Compares two rows field by field: a row with field, value1 and value2 for each field that differs.",
    examples: &["host=router1 | head 2 | fdiff", "* | stats count, avg(bytes) BY host | fdiff pos1=1 pos2=3"],
    parse,
};

#[derive(Clone, Debug)]
struct Fdiff {
    positions: Positions,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut fdiff = Fdiff { positions: Positions::default(), fields: Vec::new() };
    while !args.at_end() {
        match args.option(&pair::OPTIONS)? {
            Some(option) => {
                fdiff.positions.take(&option)?;
            }
            None => {
                fdiff.fields.push(args.field("a field name")?.name);
                args.symbol(",");
            }
        }
    }
    fdiff.positions.check()?;
    Ok(Box::new(fdiff))
}

impl fmt::Display for Fdiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fdiff{}", self.positions.text())?;
        for (at, field) in self.fields.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, quote_field(field))?;
        }
        Ok(())
    }
}

impl Command for Fdiff {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        if self.fields.is_empty() { Required::all() } else { Required::of(self.fields.iter().cloned()) }
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
            let names = match this.fields.as_slice() {
                // What every event has of its own is not what is asked about.
                [] => input.names().into_iter().filter(|name| !name.starts_with('_')).collect(),
                fields => expand(fields, &input.names()),
            };
            let rows = this.positions.rows(INFO.name, input, &planner).await?;
            let flow = compare(&names, &rows)?;
            if flow.1 == 0 {
                let [first, second] = [0, 1].map(|which| this.positions.place(which));
                let text = format!("rows {first} and {second} are the same in all fields compared: {}", names.len());
                planner.messages.add(Severity::Info, text);
            }
            Ok(flow.0)
        })))
    }
}

/// A row for each field that differs, and how many these are.
fn compare(names: &[String], rows: &[RecordBatch; 2]) -> Result<(Flow, usize), QueryError> {
    let mut differing: Vec<(&str, Vec<String>, Vec<String>)> = Vec::new();
    for name in names {
        let mut sides = Vec::new();
        for row in rows {
            let values = column_index(&row.schema(), name).map(|at| Values::of(row.column(at))).transpose()?;
            sides.push(values.map(|values| values.list(0)).unwrap_or_default());
        }
        if sides[0] != sides[1]
            && let (Some(second), Some(first)) = (sides.pop(), sides.pop())
        {
            differing.push((name, first, second));
        }
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("field", DataType::Utf8, true),
        Field::new("value1", list_type(), true),
        Field::new("value2", list_type(), true),
    ]));
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from_iter_values(differing.iter().map(|(name, ..)| *name))),
            lists(differing.iter().map(|(_, first, _)| Some(first.as_slice()))),
            lists(differing.iter().map(|(.., second)| Some(second.as_slice()))),
        ],
    )?;
    Ok((Flow::of_batches(schema, vec![batch], true), differing.len()))
}
