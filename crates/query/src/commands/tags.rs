//! `tags`: the tags of the event types of events, as a field.

use super::event_types::Types;
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::knowledge::{Knowledge, TypeSearch};
use crate::language::{Args, QueryError};
use std::fmt;
use std::sync::Arc;

/// What `tags` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "tags",
    aliases: &[],
    syntax: "tags [outputfield=<field>] [inclname=<bool>] [inclvalue=<bool>] [eventtype]",
    summary: "Sets tag to the tags of the event types that an event is of; inclname and inclvalue put before each what it is a tag of.",
    examples: &["* | tags | stats count BY tag", "* | tags outputfield=kind inclvalue=true | stats count BY kind"],
    parse,
};

#[derive(Clone, Debug)]
pub(crate) struct Tags {
    types: Types,
    output: String,
    with_name: bool,
    with_value: bool,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = Tags { types: Types::default(), output: "tag".to_owned(), with_name: false, with_value: false };
    while !args.at_end() {
        if let Some(option) = args.option(&["outputfield", "inclname", "inclvalue"])? {
            match option.name.as_str() {
                "outputfield" => this.output = option.value.text,
                "inclname" => this.with_name = option.value.boolean("inclname")?,
                _ => this.with_value = option.value.boolean("inclvalue")?,
            }
            continue;
        }
        let field = args.field("a field")?;
        if field.name != "eventtype" {
            return Err(QueryError::at(field.span, format!("values of {} have no tags; event types have", field.name))
                .with_hint("tags are defined in knowledge/eventtypes"));
        }
    }
    Ok(Box::new(this))
}

impl Tags {
    /// The command over the event types that are defined.
    pub(crate) fn known(knowledge: &Knowledge) -> Result<Self, QueryError> {
        Ok(Self { types: Types::known(knowledge)?, output: "tag".to_owned(), with_name: false, with_value: false })
    }

    fn values(&self, one: &TypeSearch) -> Vec<String> {
        let before = match (self.with_name, self.with_value) {
            (false, false) => String::new(),
            (true, false) => "eventtype::".to_owned(),
            (false, true) => format!("{}::", one.name),
            (true, true) => format!("eventtype={}::", one.name),
        };
        one.tags.iter().map(|tag| format!("{before}{tag}")).collect()
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)?;
        if self.output != "tag" {
            write!(f, " outputfield={}", quote_field(&self.output))?;
        }
        for (name, value) in [("inclname", self.with_name), ("inclvalue", self.with_value)] {
            if value {
                write!(f, " {name}=true")?;
            }
        }
        Ok(())
    }
}

impl Command for Tags {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        self.types.required(needed, &self.output)
    }

    fn informed(&self, knowledge: &Knowledge) -> Result<Option<Arc<dyn Command>>, QueryError> {
        Ok(Some(Arc::new(Self { types: Types::known(knowledge)?, ..self.clone() })))
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if !planner.needed.contains(&self.output) {
            return Ok(input.into());
        }
        Ok(self.types.add(INFO.name, &self.output, |one| self.values(one), input, planner)?.into())
    }
}
