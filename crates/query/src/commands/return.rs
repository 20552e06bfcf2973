//! `return`: the first rows as text, for the search around the brackets.

use super::format::{FormatCommand, Wording, comparison, literal};
use super::words::quote_field;
use super::{Command, CommandInfo};
use crate::columns::Values;
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `return` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "return",
    aliases: &[],
    syntax: "return [<count>] (<field> | <name>=<field> | $<field>)...",
    summary: "Ends a search in brackets: the fields of the first row (or rows) as comparisons, or with $ only their values.",
    examples: &[
        "index=web [ search status=500 | top 3 uri | return 3 uri ]",
        "* | where bytes > [ search * | stats avg(bytes) AS mean | return $mean ]",
    ],
    parse,
};

/// What is returned of each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    /// How many rows.
    pub rows: usize,
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    field: String,
    /// Under which name; `None` for the value alone.
    name: Option<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut returned = Return { rows: 1, items: Vec::new() };
    if let Some((count, span)) = args.integer() {
        returned.rows = usize::try_from(count)
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| QueryError::at(span, "return gives at least one row").with_hint("give a count of 1 or more"))?;
    }
    while !args.at_end() {
        let first = args.field("a field name")?;
        let item = if args.symbol("=") {
            Item { field: args.field("a field name")?.name, name: Some(first.name) }
        } else if let Some(field) = first.name.strip_prefix('$') {
            Item { field: field.to_owned(), name: None }
        } else {
            Item { field: first.name.clone(), name: Some(first.name) }
        };
        if item.field.is_empty() || item.field.contains('*') {
            return Err(QueryError::at(first.span, "return needs the name of one field").with_hint("name each field in full"));
        }
        returned.items.push(item);
        args.symbol(",");
    }
    if returned.items.is_empty() {
        return Err(args.error("expected a field name"));
    }
    Ok(Box::new(FormatCommand(Wording::Return(returned))))
}

impl Return {
    /// The fields that it needs.
    pub fn fields(&self) -> Vec<String> {
        self.items.iter().map(|item| item.field.clone()).collect()
    }

    /// The text of a row; nothing when it has none of the fields.
    pub fn row(&self, columns: &[(&str, Values)], row: usize) -> Option<String> {
        let mut pieces = Vec::new();
        let mut alone = self.rows == 1 && self.items.len() == 1;
        for item in &self.items {
            let Some((_, values)) = columns.iter().find(|(name, _)| *name == item.field) else { continue };
            let Some(value) = values.text(row) else { continue };
            pieces.push(match &item.name {
                Some(name) => {
                    alone = false;
                    comparison(name, &value)
                }
                None if alone => literal(&value),
                None => quoted(&value, '"'),
            });
        }
        match pieces.len() {
            0 => None,
            _ if alone => Some(pieces.concat()),
            _ => Some(format!("({})", pieces.join(" "))),
        }
    }
}

impl fmt::Display for Return {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "return {}", self.rows)?;
        for item in &self.items {
            match &item.name {
                None => write!(f, " {}", quote_field(&format!("${}", item.field)))?,
                Some(name) if *name == item.field => write!(f, " {}", quote_field(name))?,
                Some(name) => write!(f, " {}={}", quote_field(name), quote_field(&item.field))?,
            }
        }
        Ok(())
    }
}
