//! `tail`: the last rows, last one first.

use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::exec::order::reverse;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `tail` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "tail",
    aliases: &[],
    syntax: "tail [<count>]",
    summary: "Keeps the last rows, 10 unless told otherwise, and gives them in reverse order: the oldest events, oldest first.",
    examples: &["error | tail 5"],
    parse,
};

#[derive(Debug)]
struct Tail(usize);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut rows = 10;
    if let Some((count, span)) = args.integer() {
        rows = usize::try_from(count).map_err(|_| QueryError::at(span, "the number of rows cannot be negative"))?;
    }
    args.finish()?;
    Ok(Box::new(Tail(rows)))
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tail {}", self.0)
    }
}

impl Command for Tail {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        if self.0 == 0 {
            return Ok(super::head::first_rows(input, 0).into());
        }
        Ok(reverse(input, Some(self.0))?.into())
    }
}
