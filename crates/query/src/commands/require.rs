//! `require`: the search fails where there are no rows.

use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::{Flow, Make, Step, Transform, external};
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;

/// What `require` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "require",
    aliases: &[],
    syntax: "require",
    summary: "Passes the rows on, and fails the search where there are none.",
    examples: &["host=alpha | require | stats count", "index=main [ search login | require | fields user ]"],
    parse,
};

#[derive(Debug)]
struct Require;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish().map_err(|error| error.with_hint("require has no arguments"))?;
    Ok(Box::new(Require))
}

impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

/// Whether a row was seen.
struct Seen(bool);

impl Transform for Seen {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        self.0 |= batch.num_rows() > 0;
        Ok(Step::Rows(batch))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        if self.0 {
            return Ok(None);
        }
        let error = QueryError::new("there are no rows, and the search requires some");
        Err(external(error.with_hint("take `require` away to see what the search gives without any")))
    }
}

impl Command for Require {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_rows(&self) -> bool {
        true
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let make: Make = Arc::new(|_| Ok(Box::new(Seen(false))));
        Ok(input.single().map(INFO.name, schema, make).into())
    }
}
