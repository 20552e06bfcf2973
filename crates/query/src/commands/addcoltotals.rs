//! `addcoltotals`: a last row with the sums of the columns.

use super::totals;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `addcoltotals` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "addcoltotals",
    aliases: &[],
    syntax: "addcoltotals [labelfield=<field>] [label=<text>] [<field>]...",
    summary: "Adds a last row with the sums of the columns, of all with numbers or of the named ones.",
    examples: &["* | stats count, sum(bytes) AS bytes BY host | addcoltotals labelfield=host"],
    parse,
};

#[derive(Debug)]
struct AddColTotals {
    label_field: Option<String>,
    label: String,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut totals = AddColTotals { label_field: None, label: "Total".into(), fields: Vec::new() };
    while !args.at_end() {
        if let Some(option) = args.option(&["labelfield", "label"])? {
            match option.name.as_str() {
                "labelfield" => totals.label_field = Some(option.value.text),
                _ => totals.label = option.value.text,
            }
        } else {
            totals.fields.push(args.field("a field name")?.name);
            args.symbol(",");
        }
    }
    Ok(Box::new(totals))
}

impl fmt::Display for AddColTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("addcoltotals")?;
        if let Some(field) = &self.label_field {
            write!(f, " labelfield={}", quote_field(field))?;
        }
        write!(f, " label={}", quote(&self.label))?;
        let names: Vec<String> = self.fields.iter().map(|field| quote_field(field)).collect();
        if names.is_empty() { Ok(()) } else { write!(f, " {}", names.join(", ")) }
    }
}

impl Command for AddColTotals {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        // What nobody wants later need not be summed.
        needed
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let label = self.label_field.as_deref().map(|field| (field, self.label.as_str()));
        Ok(totals::columns(input, &self.fields, label).into())
    }
}
