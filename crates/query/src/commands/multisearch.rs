//! `multisearch`: several searches at once, their events together by time.

use super::append::expect_search;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::exec::combine::merge;
use crate::language::{Args, QueryError};
use crate::pipeline::Subsearch;
use std::fmt;

/// What `multisearch` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "multisearch",
    aliases: &[],
    syntax: "multisearch [ <search> ] [ <search> ]...",
    summary: "Runs two or more searches and puts their events together, newest first; only commands that work row by row may be in them.",
    examples: &["| multisearch [ search error | eval kind=\"error\" ] [ search login | eval kind=\"login\" ] | stats count BY kind"],
    parse,
};

#[derive(Debug)]
struct MultiSearch(Vec<Subsearch>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut searches = Vec::new();
    while !args.at_end() {
        let search = expect_search(args)?;
        let blocking = search.query.commands.iter().find(|(command, _)| !command.streaming());
        if let Some((command, span)) = blocking {
            let error = QueryError::at(*span, format!("{} does not work row by row, so it cannot be in multisearch", command.name()));
            return Err(error.with_hint("put it behind multisearch, or use union or append"));
        }
        searches.push(search);
    }
    if searches.len() < 2 {
        let error = args.error("multisearch needs two searches or more");
        return Err(error.with_hint("write | multisearch [ search ... ] [ search ... ]"));
    }
    Ok(Box::new(MultiSearch(searches)))
}

impl fmt::Display for MultiSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("multisearch")?;
        self.0.iter().try_for_each(|search| write!(f, " {search}"))
    }
}

impl Command for MultiSearch {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn makes_table(&self) -> bool {
        self.0.iter().any(|search| search.query.is_table())
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let flows: Vec<_> = self.0.iter().map(|search| planner.nested(search.query.clone(), Required::all())).collect();
        Ok(Planned::Later(Box::pin(async move {
            let mut all = Vec::new();
            for flow in flows {
                all.push(flow.await?);
            }
            Ok(merge("multisearch", all)?)
        })))
    }
}
