//! `addtotals`: the sum of the numbers of each row, and on request of each column.

use super::totals;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `addtotals` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "addtotals",
    aliases: &[],
    syntax: "addtotals [row=<bool>] [col=<bool>] [fieldname=<name>] [labelfield=<field>] [label=<text>] [<field>]...",
    summary: "Adds the sum of the numbers of each row as Total, and with col=true a last row with the sums of the columns.",
    examples: &[
        "* | timechart count BY host | addtotals",
        "* | stats count, sum(bytes) AS bytes BY host | addtotals row=f col=t labelfield=host",
    ],
    parse,
};

#[derive(Debug)]
struct AddTotals {
    row: bool,
    column: bool,
    name: String,
    label_field: Option<String>,
    label: String,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut totals =
        AddTotals { row: true, column: false, name: "Total".into(), label_field: None, label: "Total".into(), fields: Vec::new() };
    while !args.at_end() {
        if let Some(option) = args.option(&["row", "col", "fieldname", "labelfield", "label"])? {
            match option.name.as_str() {
                "row" => totals.row = option.value.boolean("row")?,
                "col" => totals.column = option.value.boolean("col")?,
                "fieldname" => totals.name = option.value.text,
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

impl fmt::Display for AddTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "addtotals row={} col={} fieldname={}", self.row, self.column, quote_field(&self.name))?;
        if let Some(field) = &self.label_field {
            write!(f, " labelfield={}", quote_field(field))?;
        }
        write!(f, " label={}", quote(&self.label))?;
        let names: Vec<String> = self.fields.iter().map(|field| quote_field(field)).collect();
        if names.is_empty() { Ok(()) } else { write!(f, " {}", names.join(", ")) }
    }
}

impl Command for AddTotals {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        match (self.row && needed.contains(&self.name), self.fields.is_empty()) {
            (true, true) => Required::all().without([self.name.as_str()]),
            (true, false) => needed.without([self.name.as_str()]).with(self.fields.iter().cloned()),
            (false, _) => needed,
        }
    }

    fn streaming(&self) -> bool {
        !self.column
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_rows(&self) -> bool {
        !self.column
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let mut flow = input;
        let mut fields = self.fields.clone();
        if self.row {
            flow = totals::rows(flow, &fields, &self.name);
            if !fields.is_empty() {
                fields.push(self.name.clone());
            }
        }
        if self.column {
            let label = self.label_field.as_deref().map(|field| (field, self.label.as_str()));
            flow = totals::columns(flow, &fields, label);
        }
        Ok(flow.into())
    }
}
