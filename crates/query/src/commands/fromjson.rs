//! `fromjson`: fields of the members of a JSON object.

use super::found_fields::{Find, FoundFields, Twice};
use super::spath::json::{Json, Kind as JsonKind};
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;
use std::sync::Arc;

/// What `fromjson` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "fromjson",
    aliases: &[],
    syntax: "fromjson <field> [prefix=<text>]",
    summary: "Makes fields of the members of a JSON object in a field; what is an object or array in it stays JSON.",
    examples: &["* | fromjson _raw", "* | fromjson body prefix=body_ | table body_user"],
    parse,
};

#[derive(Debug)]
struct FromJson {
    field: String,
    prefix: String,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut json = FromJson { field: String::new(), prefix: String::new() };
    while !args.at_end() {
        if let Some(option) = args.option(&["prefix"])? {
            json.prefix = option.value.text;
        } else {
            let field = args.field("a field name")?;
            if !json.field.is_empty() || field.is_wildcard() {
                return Err(QueryError::at(field.span, "fromjson takes one field").with_hint("use a fromjson for each field"));
            }
            json.field = field.name;
        }
    }
    if json.field.is_empty() {
        return Err(args.error("expected a field name").with_hint("for the text of events write: fromjson _raw"));
    }
    Ok(Box::new(json))
}

impl fmt::Display for FromJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fromjson {}", quote_field(&self.field))?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, " prefix={}", quote(&self.prefix)) }
    }
}

impl Command for FromJson {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        // Where there is no member of its name, a field stays as it was.
        needed.with([self.field.clone()])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let prefix = self.prefix.clone();
        let find: Find = Arc::new(move |text, each| {
            let Some(Json { kind: JsonKind::Object(members), .. }) = Json::read(text) else { return };
            for (name, value) in &members {
                // A null is a member that is missing.
                if !(matches!(value.kind, JsonKind::Other) && value.raw == "null") {
                    each(&format!("{prefix}{name}"), value.value());
                }
            }
        });
        FoundFields { command: INFO.name, input: self.field.clone(), find, twice: Twice::Replaced }.plan(input, planner)
    }
}
