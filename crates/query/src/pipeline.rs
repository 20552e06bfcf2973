//! A query with its commands parsed, and the plan made of it.

use crate::commands::{self, Command, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Pipeline, QueryError, SearchExpr, Span, TimeBounds};
use regex::Regex;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::QUERY_BYTES_MAX;

/// A query, ready to be planned. Displaying it gives text that parses to the same query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The text as typed.
    pub text: Arc<str>,
    /// Which events.
    pub search: SearchExpr,
    /// Time bounds in the text.
    pub bounds: TimeBounds,
    /// The commands, with their places in the text.
    pub commands: Vec<(Arc<dyn Command>, Span)>,
}

impl Query {
    /// Parses the text and the arguments of every command.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::new(format!("the query is longer than {QUERY_BYTES_MAX} bytes")));
        }
        let known = commands::names();
        let pipeline = Pipeline::parse(text, &known)?;
        let mut parsed: Vec<(Arc<dyn Command>, Span)> = Vec::new();
        for call in pipeline.commands {
            let Some(info) = commands::find(&call.name) else {
                return Err(QueryError::at(call.span, format!("there is no command {:?}", call.name)));
            };
            let mut args = call.args;
            let command = (info.parse)(&mut args).map_err(|error| error.or_at(call.span))?;
            parsed.push((Arc::from(command), call.span));
        }
        if let (true, Some((command, span))) = (pipeline.generating, parsed.first()) {
            let error = QueryError::at(*span, format!("{} needs events to work on, so it cannot begin a query", command.name()));
            return Err(error.with_hint(format!("write a search before it: * | {}", command.name())));
        }
        Ok(Self { text: pipeline.text, search: pipeline.search, bounds: pipeline.bounds, commands: parsed })
    }

    /// The searches that directly follow the base search: the store can evaluate them with it.
    pub fn leading_searches(&self) -> impl Iterator<Item = &SearchExpr> {
        self.commands[..self.leading()].iter().filter_map(|(command, _)| command.as_search())
    }

    /// How many commands at the beginning the store can evaluate with the base search.
    fn leading(&self) -> usize {
        let whole = |command: &dyn Command| command.as_search().is_some() || command.text_filter().is_some_and(|text| text.complete);
        self.commands.iter().take_while(|(command, _)| whole(&**command)).count()
    }

    /// The expressions that the text of events has to match: those of the commands that the store evaluates, and of
    /// the one after them, which looks at the rest of its conditions itself.
    pub fn leading_regexes(&self) -> Vec<Regex> {
        let filters = self.commands.iter().take(self.leading() + 1).filter_map(|(command, _)| command.text_filter());
        filters.flat_map(|filter| filter.regexes.iter().cloned()).collect()
    }

    /// The commands that are left when the store has evaluated the leading searches.
    pub fn rest(&self) -> &[(Arc<dyn Command>, Span)] {
        &self.commands[self.leading()..]
    }

    /// Whether the outcome is a table.
    pub fn is_table(&self) -> bool {
        self.commands.iter().any(|(command, _)| command.makes_table())
    }

    /// The commands at the beginning that work row by row.
    pub fn streaming_part(&self) -> Self {
        let count = self.commands.iter().take_while(|(command, _)| command.streaming()).count();
        Self { commands: self.commands[..count].to_vec(), ..self.clone() }
    }

    /// The first command that does not work row by row, with its place.
    pub fn first_blocking(&self) -> Option<(&'static str, Span)> {
        let blocking = self.commands.iter().find(|(command, _)| !command.streaming());
        blocking.map(|(command, span)| (command.name(), *span))
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bound) in [("earliest", &self.bounds.earliest), ("latest", &self.bounds.latest)] {
            if let Some(bound) = bound {
                write!(f, "{name}={} ", commands::words::quote(&bound.text))?;
            }
        }
        write!(f, "{}", self.search)?;
        for (command, _) in &self.commands {
            write!(f, " | {command}")?;
        }
        Ok(())
    }
}

/// The fields that `commands` need from their input when `needed` are wanted in the end.
pub fn required(commands: &[(Arc<dyn Command>, Span)], needed: Required) -> Required {
    commands.iter().rev().fold(needed, |needed, (command, _)| command.required(needed))
}

/// Whether the order of the events decides the outcome.
pub fn needs_order(commands: &[(Arc<dyn Command>, Span)]) -> bool {
    for (command, _) in commands {
        if command.needs_order() {
            return true;
        }
        if !command.keeps_order() {
            return false;
        }
    }
    true
}

/// How many rows are needed at most of what comes in; `limit` is how many are wanted in the end.
pub fn rows_needed(commands: &[(Arc<dyn Command>, Span)], limit: Option<usize>) -> Option<usize> {
    for (command, _) in commands {
        if let Some(rows) = command.rows_needed() {
            return Some(rows);
        }
        if !command.keeps_rows() {
            return None;
        }
    }
    limit
}

/// Continues `input` by all commands, of whose outcome `planner.needed` is wanted; those whose columns depend on rows
/// are run on the way.
pub async fn plan(mut input: Flow, commands: &[(Arc<dyn Command>, Span)], planner: &Planner) -> Result<Flow, QueryError> {
    let mut planner = planner.clone();
    let mut needed = vec![planner.needed.clone()];
    for (command, _) in commands.iter().skip(1).rev() {
        needed.push(command.required(needed[needed.len() - 1].clone()));
    }
    for (command, span) in commands {
        planner.needed = needed.pop().unwrap_or_else(Required::all);
        let planned = command.plan(input, &planner).map_err(|error| error.or_at(*span))?;
        input = match planned {
            Planned::Flow(flow) => flow,
            Planned::Later(work) => work.await.map_err(|error| error.or_at(*span))?,
        };
        // What the store can count is what the first command gets; seldom also what it gives.
        planner.direct = planner.direct.as_ref().and_then(|direct| command.direct(direct));
    }
    Ok(input)
}
