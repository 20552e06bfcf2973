//! `reverse`: the rows from the last to the first.

use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `reverse` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "reverse",
    aliases: &[],
    syntax: "reverse",
    summary: "Turns the order of the rows round: events then come oldest first.",
    examples: &["error | reverse"],
    parse,
};

#[derive(Debug)]
struct Reverse;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish()?;
    Ok(Box::new(Reverse))
}

impl fmt::Display for Reverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reverse")
    }
}

impl Command for Reverse {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn keeps_rows(&self) -> bool {
        // True of the number of rows, but the planner asks in order to limit the scan, and the first rows here are the last there.
        false
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        Ok(crate::exec::order::reverse(input, None)?.into())
    }
}
