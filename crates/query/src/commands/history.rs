//! `history`: the searches that have ended, from the events that are written about each.

use super::stands_for::searched;
use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `history` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "history",
    aliases: &[],
    syntax: "history [events=<bool>]",
    summary: "The searches that ended in the time range, newest first: who asked what, when, how it ended and what it cost; with events=true as the events they are kept as. It begins a query.",
    examples: &["| history | where took_ms>1000", "| history | stats count, sum(scanned) BY user"],
    parse,
};

/// The index of what the server writes about itself.
pub const INDEX: &str = "_audit";

/// The action of the event that is written when a search ends.
pub const ACTION: &str = "search_end";

/// What such an event says, in the order of the columns.
const FIELDS: [&str; 11] = ["user", "caller", "kind", "query", "earliest", "latest", "outcome", "rows", "scanned", "waited_ms", "took_ms"];

#[derive(Debug)]
struct History {
    events: bool,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut events = false;
    while let Some(option) = args.option(&["events"])? {
        events = option.value.boolean("events")?;
    }
    args.finish()?;
    Ok(Box::new(History { events }))
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.events { "history events=true" } else { "history" })
    }
}

impl Command for History {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn makes_table(&self) -> bool {
        !self.events
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let events = format!("search index={INDEX} action={ACTION}");
        if self.events {
            let query = std::sync::Arc::new(crate::pipeline::Subsearch::search(&events)?);
            return Ok(Planned::Later(planner.nested(query, planner.needed.clone())));
        }
        searched(&format!("{events} | table _time {}", FIELDS.join(" ")), None, INFO.name, planner)
    }
}
