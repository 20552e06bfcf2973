//! `append`: the rows of another search after those that are there.

use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::exec::combine::concat;
use crate::language::{Args, QueryError};
use crate::pipeline::Subsearch;
use std::fmt;

/// What `append` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "append",
    aliases: &[],
    syntax: "append [maxout=<count>] [maxtime=<seconds>] [ <search> ]",
    summary: "Adds the rows of another search after those that are there; columns of one name become one.",
    examples: &[
        "error | stats count | append [ search login | stats count ]",
        "* | stats count BY host | append [ | makeresults | eval host=\"none\" ]",
    ],
    parse,
};

/// How much of a search is used; all of it unless something is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Rows.
    pub rows: Option<usize>,
    /// Seconds.
    pub seconds: Option<u64>,
}

/// The options of commands that run one search beside the rows there are.
pub const BOUND_OPTIONS: [&str; 4] = ["maxout", "maxtime", "timeout", "extendtimerange"];

impl Bounds {
    /// Takes an option of [`BOUND_OPTIONS`].
    pub fn take(&mut self, option: &crate::language::OptionArg) -> Result<(), QueryError> {
        let number = |most: i64| option.value.integer(&option.name, most);
        match option.name.as_str() {
            "maxout" => self.rows = Some(number(0)? as usize).filter(|rows| *rows > 0),
            "maxtime" => self.seconds = Some(number(0)? as u64).filter(|seconds| *seconds > 0),
            // How long a result is kept, and whether the outer range grows: there is nothing to keep or to grow here.
            "timeout" => drop(number(0)?),
            _ => drop(option.value.boolean(&option.name)?),
        }
        Ok(())
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rows) = self.rows {
            write!(f, " maxout={rows}")?;
        }
        match self.seconds {
            Some(seconds) => write!(f, " maxtime={seconds}"),
            None => Ok(()),
        }
    }
}

/// The search in brackets that has to come next.
pub fn expect_search(args: &mut Args) -> Result<Subsearch, QueryError> {
    args.subsearch()?.ok_or_else(|| args.error("expected a search in brackets").with_hint("write [ search ... ]"))
}

#[derive(Debug)]
struct Append {
    bounds: Bounds,
    search: Subsearch,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut bounds = Bounds::default();
    while let Some(option) = args.option(&BOUND_OPTIONS)? {
        bounds.take(&option)?;
    }
    let search = expect_search(args)?;
    args.finish()?;
    Ok(Box::new(Append { bounds, search }))
}

impl fmt::Display for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "append{} {}", self.bounds, self.search)
    }
}

impl Command for Append {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn makes_table(&self) -> bool {
        self.search.query.is_table()
    }

    fn writes(&self) -> bool {
        self.search.query.writes()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let added = planner.nested_within(self.search.query.clone(), self.bounds.rows, self.bounds.seconds, "append");
        Ok(Planned::Later(Box::pin(async move {
            let table = input.table;
            let added = added.await?;
            let table = table || added.table;
            Ok(concat("append", vec![input.single(), added.single()], table))
        })))
    }
}
