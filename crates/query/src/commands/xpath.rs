//! `xpath`: the values that an XPath expression finds in XML.

mod expression;

use super::columns_set::{list_field, set};
use super::words::{quote, quote_field};
use super::xml::Document;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, lists};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use expression::XPath;
use std::fmt;
use std::sync::Arc;

/// What `xpath` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "xpath",
    aliases: &[],
    syntax: "xpath \"<expression>\" [field=<field>] [outfield=<name>] [default=<text>]",
    summary: "Sets a field to what an XPath expression finds in XML: elements, attributes and text, with conditions in [ ].",
    examples: &["* | xpath outfield=user \"//Data[@Name='TargetUserName']\"", "* | xpath field=body outfield=ids \"//item/@id\""],
    parse,
};

#[derive(Debug)]
struct XPathCommand {
    text: String,
    expression: XPath,
    field: String,
    output: String,
    default: Option<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut field, mut output, mut default, mut found) = ("_raw".to_owned(), "xpath".to_owned(), None, None);
    while !args.at_end() {
        if args.remaining().starts_with('"') {
            let word = args.string("an XPath expression in double quotes")?;
            if found.is_some() {
                return Err(QueryError::at(word.span, "xpath takes one expression").with_hint("use an xpath for each expression"));
            }
            let expression = XPath::parse(&word.text).map_err(|problem| {
                let error = QueryError::at(word.span, format!("the XPath expression is not valid: {problem}"));
                error.with_hint("write for example /a/b, //b/@id or //b[@id='1']/text()")
            })?;
            found = Some((word.text, expression));
        } else if let Some(option) = args.option(&["field", "outfield", "default"])? {
            match option.name.as_str() {
                "field" => field = option.value.text,
                "outfield" => output = option.value.text,
                _ => default = Some(option.value.text),
            }
        } else {
            return Err(args.error("expected an XPath expression in double quotes"));
        }
    }
    let Some((text, expression)) = found else { return Err(args.error("expected an XPath expression in double quotes")) };
    Ok(Box::new(XPathCommand { text, expression, field, output, default }))
}

impl fmt::Display for XPathCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xpath {} field={} outfield={}", quote(&self.text), quote_field(&self.field), quote_field(&self.output))?;
        match &self.default {
            Some(default) => write!(f, " default={}", quote(default)),
            None => Ok(()),
        }
    }
}

impl Command for XPathCommand {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        // Without a default, a field stays as it was where nothing is found.
        let needed = if self.default.is_some() { needed.without([self.output.as_str()]) } else { needed };
        needed.with([self.field.clone()])
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let source = column_index(&schema, &self.field);
        if source.is_none() && self.default.is_none() {
            return Ok(input.into());
        }
        let before = column_index(&schema, &self.output);
        let (expression, default) = (self.expression.clone(), self.default.clone());
        let maker = move |batch: &RecordBatch| {
            let values = source.map(|at| Values::of(batch.column(at))).transpose()?;
            let before = before.map(|at| Values::of(batch.column(at))).transpose()?;
            let row = |row: usize| {
                let mut found = Vec::new();
                if let Some(values) = &values {
                    values.each(row, |cell| expression.find(&Document::read(&cell.text()), &mut |value| found.push(value.to_owned())));
                }
                match (&default, found.is_empty()) {
                    (_, false) => found,
                    (Some(default), true) => vec![default.clone()],
                    (None, true) => before.as_ref().map(|before| before.list(row)).unwrap_or_default(),
                }
            };
            let rows: Vec<Vec<String>> = (0..batch.num_rows()).map(row).collect();
            Ok(lists(rows.iter().map(|values| Some(values.as_slice()))))
        };
        Ok(set("xpath", input, vec![(list_field(&self.output), Arc::new(maker))]).into())
    }
}
