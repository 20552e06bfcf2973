//! `typer`: the event types of events, as a field.

use super::event_types::Types;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::knowledge::Knowledge;
use crate::language::{Args, QueryError};
use std::fmt;
use std::sync::Arc;

/// What `typer` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "typer",
    aliases: &[],
    syntax: "typer",
    summary: "Sets eventtype to the names of the event types that an event is of.",
    examples: &["* | typer | stats count BY eventtype"],
    parse,
};

#[derive(Debug, Default)]
pub(crate) struct Typer(Types);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish().map_err(|error| error.with_hint("typer has no arguments; event types are defined in knowledge/eventtypes"))?;
    Ok(Box::new(Typer::default()))
}

impl Typer {
    /// The command over the event types that are defined.
    pub(crate) fn known(knowledge: &Knowledge) -> Result<Self, QueryError> {
        Ok(Self(Types::known(knowledge)?))
    }
}

impl fmt::Display for Typer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

impl Command for Typer {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        self.0.required(needed, "eventtype")
    }

    fn informed(&self, knowledge: &Knowledge) -> Result<Option<Arc<dyn Command>>, QueryError> {
        Ok(Some(Arc::new(Self::known(knowledge)?)))
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if !planner.needed.contains("eventtype") {
            return Ok(input.into());
        }
        Ok(self.0.add(INFO.name, "eventtype", |one| vec![one.name.clone()], input, planner)?.into())
    }
}
