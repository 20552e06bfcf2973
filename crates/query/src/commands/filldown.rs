//! `filldown`: the last value that there was, where a field is missing.

use super::words::{expand, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::record_batch::RecordBatchOptions;
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;

/// What `filldown` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "filldown",
    aliases: &[],
    syntax: "filldown [<field>]...",
    summary: "Fills missing fields with the value of the nearest row before that has one; all fields unless some are named.",
    examples: &["* | sort _time | filldown user", "* | timechart avg(temperature) | filldown"],
    parse,
};

#[derive(Debug)]
struct FillDown(Vec<String>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let fields = args.fields(&[])?.into_iter().map(|field| field.name).collect();
    args.finish()?;
    Ok(Box::new(FillDown(fields)))
}

impl fmt::Display for FillDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|field| quote_field(field)).collect();
        f.write_str("filldown")?;
        if names.is_empty() { Ok(()) } else { write!(f, " {}", names.join(", ")) }
    }
}

impl Command for FillDown {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Running
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let columns = input.names();
        let names =
            if self.0.is_empty() { columns.into_iter().filter(|name| !name.starts_with('_')).collect() } else { expand(&self.0, &columns) };
        let places: Vec<usize> = names.iter().filter_map(|name| column_index(&schema, name)).collect();
        let make: Make = Arc::new(move |_| Ok(Box::new(Last { places: places.clone(), before: vec![None; places.len()] })));
        Ok(input.single().map("filldown", schema, make).into())
    }
}

/// The last value of each column so far, as a column of one row.
struct Last {
    places: Vec<usize>,
    before: Vec<Option<ArrayRef>>,
}

impl Transform for Last {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let mut columns = batch.columns().to_vec();
        for (place, before) in self.places.iter().zip(&mut self.before) {
            let column = &columns[*place];
            let values = Values::of(column)?;
            // Row 0 of what is taken from is the value of before.
            let offset = u32::from(before.is_some());
            let mut last = before.is_some().then_some(0);
            let mut rows = Vec::with_capacity(column.len());
            for row in 0..column.len() {
                if !values.is_missing(row) {
                    last = Some(row as u32 + offset);
                }
                rows.push(last);
            }
            let filled = match before.as_ref() {
                Some(before) => take(&concat(&[before, column])?, &UInt32Array::from(rows), None)?,
                None => take(column, &UInt32Array::from(rows), None)?,
            };
            if last.is_some() && !filled.is_empty() {
                // Taken out, so that not the whole batch is kept for one value.
                *before = Some(take(&filled, &UInt32Array::from(vec![filled.len() as u32 - 1]), None)?);
            }
            columns[*place] = filled;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(Step::Rows(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?))
    }
}
