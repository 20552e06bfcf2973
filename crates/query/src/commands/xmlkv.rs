//! `xmlkv`: fields of the elements and attributes in an event's XML, such as those of Windows.

use super::found_fields::{Find, FoundFields, Twice};
use super::xml::{Document, is_declaration};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;
use std::sync::Arc;

/// What `xmlkv` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "xmlkv",
    aliases: &[],
    syntax: "xmlkv",
    summary: "Makes fields of the XML in an event's text: <k>v</k> gives k, <Data Name=\"k\">v</Data> gives k, an attribute gives Element_Attribute.",
    examples: &["* | xmlkv | stats count BY EventID, TargetUserName"],
    parse,
};

#[derive(Debug)]
struct XmlKv;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    while let Some(option) = args.option(&["maxinputs"])? {
        // How many events to look at in one go elsewhere; here it changes nothing.
        option.value.integer("maxinputs", 1)?;
    }
    args.finish().map_err(|error| error.with_hint("xmlkv looks at _raw; for another field use `spath input=<field>`"))?;
    Ok(Box::new(XmlKv))
}

impl fmt::Display for XmlKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

impl Command for XmlKv {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed.with(["_raw"])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let find: Find = Arc::new(pairs);
        FoundFields { command: INFO.name, input: "_raw".into(), find, twice: Twice::Replaced }.plan(input, planner)
    }
}

fn pairs(text: &str, each: &mut dyn FnMut(&str, &str)) {
    for element in &Document::read(text).elements {
        let text = if element.elements().next().is_none() { element.own_text() } else { None };
        // The pairs of Windows and of others that say the name in an attribute.
        let named = text.as_ref().and(element.attribute("Name").or_else(|| element.attribute("name")));
        for (name, value) in &element.attributes {
            let is_name = name.eq_ignore_ascii_case("name") && (named.is_some() || element.local() == "Data");
            if !is_declaration(name) && !is_name && !value.is_empty() {
                each(&format!("{}_{name}", element.local()), value);
            }
        }
        if let Some(text) = &text {
            each(named.unwrap_or_else(|| element.local()), text);
        }
    }
}
