//! `uniq`: rows that are the same as the one before them go.

use super::mvcombine::{is_compared, row_keys};
use super::{Command, CommandInfo, Planned, Planner};
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;

/// What `uniq` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "uniq",
    aliases: &[],
    syntax: "uniq",
    summary: "Drops rows that are the same as the row before them in all fields.",
    examples: &["* | table host, status | uniq"],
    parse,
};

#[derive(Debug)]
struct Uniq;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish().map_err(|error| error.with_hint("uniq looks at all fields; name fewer with `table` before, or use `dedup`"))?;
    Ok(Box::new(Uniq))
}

impl fmt::Display for Uniq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

impl Command for Uniq {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let compared: Vec<usize> = (0..schema.fields().len()).filter(|at| is_compared(schema.field(*at))).collect();
        let make: Make = Arc::new(move |_| Ok(Box::new(Before { compared: compared.clone(), key: None })));
        Ok(input.single().map("uniq", schema, make).into())
    }
}

/// What the row before held.
struct Before {
    compared: Vec<usize>,
    key: Option<String>,
}

impl Transform for Before {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let keys = row_keys(&batch, self.compared.iter().copied())?;
        let mut keep = Vec::with_capacity(keys.len());
        for row in 0..keys.len() {
            let before = if row == 0 { self.key.as_deref() } else { Some(keys.value(row - 1)) };
            keep.push(before != Some(keys.value(row)));
        }
        if !keys.is_empty() {
            self.key = Some(keys.value(keys.len() - 1).to_owned());
        }
        Ok(Step::Rows(filter_record_batch(&batch, &BooleanArray::from(keep))?))
    }
}
