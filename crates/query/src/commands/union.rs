//! `union`: the rows of several searches, lookups and saved searches together.

use super::append::{BOUND_OPTIONS, Bounds};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::exec::combine::{concat, first_of, merge};
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError};
use crate::pipeline::{Query, Subsearch};
use std::fmt;
use std::sync::Arc;

/// What `union` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "union",
    aliases: &[],
    syntax: "union [maxout=<count>] [maxtime=<seconds>] ([ <search> ] | lookup:<name> | savedsearch:<name>)...",
    summary: "Puts the rows of searches, lookups and saved searches together: events by time, newest first, all else one after the other.",
    examples: &["| union [ search error ] [ search login ] | stats count BY host", "error | union [ search login ]"],
    parse,
};

#[derive(Debug)]
struct Union {
    bounds: Bounds,
    sets: Vec<Set>,
}

#[derive(Debug)]
enum Set {
    Search(Subsearch),
    /// `lookup` or `savedsearch`, and the name.
    Named(&'static str, String),
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut bounds, mut sets) = (Bounds::default(), Vec::new());
    while !args.at_end() {
        if let Some(search) = args.subsearch()? {
            sets.push(Set::Search(search));
        } else if let Some(option) = args.option(&BOUND_OPTIONS)? {
            bounds.take(&option)?;
        } else {
            let word = args.word("a search in brackets, lookup:<name> or savedsearch:<name>")?;
            let named = match word.text.split_once(':') {
                Some(("lookup", name)) => Set::Named("lookup", name.to_owned()),
                Some(("savedsearch", name)) => Set::Named("savedsearch", name.to_owned()),
                _ => {
                    return Err(QueryError::at(word.span, format!("`{}` is no set of rows", word.text))
                        .with_hint("write [ search ... ], lookup:<name> or savedsearch:<name>"));
                }
            };
            sets.push(named);
        }
        args.symbol(",");
    }
    if sets.is_empty() {
        return Err(args.error("union needs a search in brackets").with_hint("write | union [ search ... ] [ search ... ]"));
    }
    Ok(Box::new(Union { bounds, sets }))
}

impl fmt::Display for Union {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "union{}", self.bounds)?;
        self.sets.iter().try_for_each(|set| match set {
            Set::Search(search) => write!(f, " {search}"),
            Set::Named(kind, name) => write!(f, " {}", super::words::quote(&format!("{kind}:{name}"))),
        })
    }
}

impl Set {
    fn query(&self) -> Result<Arc<Query>, QueryError> {
        Ok(match self {
            Self::Search(search) => search.query.clone(),
            Self::Named(kind, name) => {
                let command = if *kind == "lookup" { "inputlookup" } else { "savedsearch" };
                Arc::new(Query::parse(&format!("| {command} {}", quoted(name, '"')))?)
            }
        })
    }

    /// Whether it gives events, newest first.
    fn gives_events(&self) -> bool {
        matches!(self, Self::Search(search) if search.query.is_streaming() && !search.query.is_table())
    }
}

impl Command for Union {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn required(&self, needed: Required) -> Required {
        needed.with(["_time"])
    }

    fn follows(&self) -> bool {
        true
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn makes_table(&self) -> bool {
        !self.sets.iter().all(Set::gives_events)
    }

    fn writes(&self) -> bool {
        self.sets.iter().any(|set| matches!(set, Set::Search(search) if search.query.writes()))
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let flows =
            self.sets.iter().map(|set| Ok(planner.nested(set.query()?, Required::all()))).collect::<Result<Vec<_>, QueryError>>()?;
        let events = self.sets.iter().all(Set::gives_events) && !input.table;
        let (bounds, messages) = (self.bounds, planner.messages.clone());
        Ok(Planned::Later(Box::pin(async move {
            // At the beginning of a query there are no rows yet, and no columns.
            let mut all = if input.names().is_empty() { Vec::new() } else { vec![input.single()] };
            for flow in flows {
                let flow = flow.await?;
                let ordered = flow.ordered;
                let flow = first_of(flow, bounds.rows, bounds.seconds, "union", messages.clone());
                all.push(Flow { ordered, ..flow });
            }
            Ok(if events { merge("union", all)? } else { concat("union", all.into_iter().map(Flow::single).collect(), true) })
        })))
    }
}
