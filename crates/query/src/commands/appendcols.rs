//! `appendcols`: the columns of another search beside those that are there, row by row.

use super::append::{BOUND_OPTIONS, Bounds, expect_search};
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::exec::combine::{Prefer, zip};
use crate::language::{Args, QueryError};
use crate::pipeline::Subsearch;
use std::fmt;

/// What `appendcols` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "appendcols",
    aliases: &[],
    syntax: "appendcols [override=<bool>] [maxout=<count>] [maxtime=<seconds>] [ <search> ]",
    summary: "Adds the fields of the first row of another search to the first row, those of the second to the second, and so on.",
    examples: &["error | stats count AS errors | appendcols [ search * | stats count AS all ]"],
    parse,
};

#[derive(Debug)]
struct AppendCols {
    replace: bool,
    bounds: Bounds,
    search: Subsearch,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut bounds, mut replace) = (Bounds::default(), false);
    let known: Vec<&str> = std::iter::once("override").chain(BOUND_OPTIONS).collect();
    while let Some(option) = args.option(&known)? {
        match option.name.as_str() {
            "override" => replace = option.value.boolean("override")?,
            _ => bounds.take(&option)?,
        }
    }
    let search = expect_search(args)?;
    args.finish()?;
    Ok(Box::new(AppendCols { replace, bounds, search }))
}

impl fmt::Display for AppendCols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "appendcols{}{} {}", if self.replace { " override=true" } else { "" }, self.bounds, self.search)
    }
}

impl Command for AppendCols {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn makes_table(&self) -> bool {
        self.search.query.is_table()
    }

    fn writes(&self) -> bool {
        self.search.query.writes()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let added = planner.nested_within(self.search.query.clone(), self.bounds.rows, self.bounds.seconds, "appendcols");
        let prefer = if self.replace { Prefer::Right } else { Prefer::Left };
        Ok(Planned::Later(Box::pin(async move { Ok(zip("appendcols", input.single(), added.await?.single(), prefer)) })))
    }
}
