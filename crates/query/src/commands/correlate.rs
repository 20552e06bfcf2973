//! `correlate`: how often fields are there together.

use super::stands_for::table_of;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::Values;
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, Float64Array, StringArray};
use futures::TryStreamExt;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::CORRELATE_FIELDS_MAX;

/// What `correlate` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "correlate",
    aliases: &[],
    syntax: "correlate",
    summary: "A row and a column for each field: of the events that have one of two fields, the part that has both. Fields whose names begin with _ are left out.",
    examples: &["* | fields user, status, bytes | correlate", "error | correlate"],
    parse,
};

/// The first column: the field that a row is of.
const ROW: &str = "RowField";

#[derive(Debug)]
struct Correlate;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish().map_err(|error| error.with_hint("correlate has no arguments; put `fields` before it to compare some fields only"))?;
    Ok(Box::new(Correlate))
}

impl fmt::Display for Correlate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

impl Command for Correlate {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::all()
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let visible = |name: &str| !name.starts_with('_') && !name.starts_with(crate::exec::HIDDEN);
        let mut fields: Vec<(String, usize)> = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| visible(field.name()))
            .map(|(at, field)| (field.name().clone(), at))
            .collect();
        fields.sort();
        if fields.len() > CORRELATE_FIELDS_MAX {
            let error =
                QueryError::limit(format!("correlate compares {CORRELATE_FIELDS_MAX} fields at most, and there are {}", fields.len()));
            return Err(error.with_hint("name those that matter: put `fields` before it"));
        }
        let planner = planner.clone();
        Ok(Planned::Later(Box::pin(async move { table(&fields, input, &planner).await })))
    }
}

async fn table(fields: &[(String, usize)], input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
    let width = fields.len();
    let mut both = vec![0u64; width * width];
    let mut batches = input.stream(planner.context.clone())?;
    while let Some(batch) = batches.try_next().await? {
        let values = fields.iter().map(|(_, at)| Values::of(batch.column(*at))).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let there: Vec<usize> = (0..width).filter(|at| !values[*at].is_missing(row)).collect();
            for a in &there {
                there.iter().for_each(|b| both[a * width + b] += 1);
            }
        }
    }
    // Fields that no event has say nothing.
    let seen: Vec<usize> = (0..width).filter(|at| both[at * width + at] > 0).collect();
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(seen.iter().map(|at| &fields[*at].0)));
    let mut columns = vec![(ROW.to_owned(), names)];
    for b in &seen {
        let part = |a: &usize| {
            let together = both[a * width + b];
            let either = both[a * width + a] + both[b * width + b] - together;
            together as f64 / either as f64
        };
        columns.push((fields[*b].0.clone(), Arc::new(Float64Array::from_iter_values(seen.iter().map(part)))));
    }
    table_of(columns)
}
