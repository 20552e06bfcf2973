//! `typeahead`: how a word that was begun may go on: terms, names of fields, values of a field.

use super::stands_for::{of_indexes, searched};
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `typeahead` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "typeahead",
    aliases: &[],
    syntax: "typeahead prefix=<text> [count=<rows>] [index=<name>]...",
    summary: "How a word goes on in the events of the time range, the most frequent first: terms and names of fields, or after `field=` the values of that field. It begins a query.",
    examples: &["| typeahead prefix=err count=10", "| typeahead prefix=\"status=4\" index=main"],
    parse,
};

/// Rows unless it is said how many.
const COUNT: usize = 50;

#[derive(Debug)]
struct Typeahead {
    prefix: String,
    count: usize,
    indexes: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut prefix, mut count, mut indexes) = (None, COUNT, Vec::new());
    while !args.at_end() {
        let Some(option) = args.option(&["prefix", "count", "index", "max_time", "collapse", "splunk_server"])? else {
            return Err(args.error("expected an option").with_hint("the options are prefix, count and index"));
        };
        let value = option.value;
        match option.name.as_str() {
            "prefix" if value.text.trim().is_empty() => return Err(QueryError::at(value.span, "the prefix is empty")),
            "prefix" if value.text.contains('*') => {
                return Err(QueryError::at(value.span, "a prefix has no wildcards").with_hint("write what stands before the *"));
            }
            "prefix" => prefix = Some(value.text),
            "count" => count = value.integer("count", 1)? as usize,
            "index" => indexes.push(value.text),
            // What takes long is ended by the limits of all searches, and nothing is collapsed.
            _ => {}
        }
        args.symbol(",");
    }
    let Some(prefix) = prefix else {
        return Err(args.error("typeahead needs a prefix").with_hint("write prefix=err, or prefix=\"status=4\""));
    };
    Ok(Box::new(Typeahead { prefix, count, indexes }))
}

impl fmt::Display for Typeahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "typeahead prefix={}", quote(&self.prefix))?;
        if self.count != COUNT {
            write!(f, " count={}", self.count)?;
        }
        self.indexes.iter().try_for_each(|index| write!(f, " index={}", quote(index)))
    }
}

impl Typeahead {
    /// The search that it stands for.
    fn text(&self) -> String {
        let events = of_indexes(&self.indexes);
        let found = match self.prefix.split_once('=') {
            Some((field, value)) => {
                let (field, value) = (field.trim(), value.trim_start_matches('"'));
                format!(
                    "{events} {field}={} | stats count BY {} | search {field}={} | eval content=\"{}=\\\"\".'{field}'.\"\\\"\"",
                    quote(&format!("{value}*")),
                    quote_field(field),
                    quote(&format!("{value}*")),
                    field.replace('"', "\\\""),
                )
            }
            None => {
                let indexes: String = self.indexes.iter().map(|index| format!(" index={}", quote(index))).collect();
                let names = quote_field(&format!("{}*", self.prefix));
                format!(
                    "| walklex type=term prefix={}{indexes} | stats sum(count) AS count BY term | rename term AS content \
                     | append maxout=0 [ search {events} | fieldsummary maxvals=0 {names} | where count>0 | eval content=field.\"=\" ]",
                    quote(&self.prefix)
                )
            }
        };
        format!("{found} | sort 0 -count str(content) | table content count")
    }
}

impl Command for Typeahead {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        searched(&self.text(), Some(self.count), INFO.name, planner)
    }
}
