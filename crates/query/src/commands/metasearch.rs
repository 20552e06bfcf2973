//! `metasearch`: what the events of a search are filed under, without their text.

use super::stands_for::searched;
use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::exec::Flow;
use crate::language::{Args, QueryError, SearchExpr};
use std::fmt;

/// What `metasearch` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "metasearch",
    aliases: &[],
    syntax: "metasearch [<search>]",
    summary: "The time, index, host, source and sourcetype of the events that a search finds, newest first, without their text. It begins a query.",
    examples: &["| metasearch index=main error | stats count BY host", "| metasearch host=web* | timechart count BY sourcetype"],
    parse,
};

#[derive(Debug)]
struct MetaSearch(SearchExpr);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    Ok(Box::new(MetaSearch(if args.at_end() { SearchExpr::All } else { args.search()? })))
}

impl fmt::Display for MetaSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SearchExpr::All => f.write_str(INFO.name),
            search => write!(f, "{} {search}", INFO.name),
        }
    }
}

impl Command for MetaSearch {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        searched(&format!("search {} | table _time index host source sourcetype", self.0), None, INFO.name, planner)
    }
}
