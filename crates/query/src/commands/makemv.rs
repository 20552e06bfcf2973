//! `makemv`: one value cut into several.

use super::columns_set::{list_field, set, text_field};
use super::regexes::compile;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, lists};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::{Array, RecordBatch, StringArray};
use regex::Regex;
use std::fmt;
use std::sync::Arc;

/// What `makemv` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "makemv",
    aliases: &[],
    syntax: "makemv [delim=<text> | tokenizer=\"<regular expression>\"] [allowempty=<bool>] [setsv=<bool>] <field>",
    summary: "Cuts a field's value into several, at each delim (a blank unless told otherwise) or as a regular expression finds them.",
    examples: &["* | makemv delim=\",\" recipients | mvexpand recipients", "* | makemv tokenizer=\"([^/]+)\" uri"],
    parse,
};

#[derive(Clone, Debug)]
struct MakeMv {
    field: String,
    delimiter: String,
    tokenizer: Option<Regex>,
    allow_empty: bool,
    single: bool,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut make = MakeMv { field: String::new(), delimiter: " ".into(), tokenizer: None, allow_empty: false, single: false };
    while !args.at_end() {
        if let Some(option) = args.option(&["delim", "tokenizer", "allowempty", "setsv"])? {
            let value = option.value;
            match option.name.as_str() {
                "delim" if value.text.is_empty() => {
                    let error = QueryError::at(value.span, "delim cannot be empty");
                    return Err(error.with_hint("to cut at each character write tokenizer=\"(.)\""));
                }
                "delim" => make.delimiter = value.text,
                "tokenizer" => make.tokenizer = Some(compile(&value.text, false, value.span)?),
                "allowempty" => make.allow_empty = value.boolean("allowempty")?,
                _ => make.single = value.boolean("setsv")?,
            }
        } else {
            let field = args.field("a field name")?;
            if !make.field.is_empty() || field.is_wildcard() {
                return Err(QueryError::at(field.span, "makemv takes one field").with_hint("use a makemv for each field"));
            }
            make.field = field.name;
        }
    }
    if make.field.is_empty() {
        return Err(args.error("expected a field name"));
    }
    Ok(Box::new(make))
}

impl fmt::Display for MakeMv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tokenizer {
            Some(regex) => write!(f, "makemv tokenizer={}", quote(regex.as_str()))?,
            None => write!(f, "makemv delim={}", quote(&self.delimiter))?,
        }
        for (name, on) in [("allowempty", self.allow_empty), ("setsv", self.single)] {
            if on {
                write!(f, " {name}=true")?;
            }
        }
        write!(f, " {}", quote_field(&self.field))
    }
}

impl MakeMv {
    fn cut(&self, text: &str, out: &mut Vec<String>) {
        let mut add = |part: &str| {
            if self.allow_empty || !part.is_empty() {
                out.push(part.to_owned());
            }
        };
        match &self.tokenizer {
            Some(regex) => {
                for captures in regex.captures_iter(text) {
                    add(captures.get(1).or_else(|| captures.get(0)).map_or("", |found| found.as_str()));
                }
            }
            None => text.split(&self.delimiter).for_each(add),
        }
    }
}

impl Command for MakeMv {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let Some(at) = column_index(&input.schema(), &self.field) else { return Ok(input.into()) };
        let make = self.clone();
        let field = if self.single { text_field(&self.field, false) } else { list_field(&self.field) };
        let maker = move |batch: &RecordBatch| {
            let values = Values::of(batch.column(at))?;
            let cut = |row: usize| {
                let mut parts = Vec::new();
                values.each(row, |cell| make.cut(&cell.text(), &mut parts));
                parts
            };
            let rows: Vec<Vec<String>> = (0..batch.num_rows()).map(cut).collect();
            if make.single {
                let joined = |parts: Vec<String>| (!parts.is_empty()).then(|| parts.join(" "));
                return Ok(Arc::new(rows.into_iter().map(joined).collect::<StringArray>()) as Arc<dyn Array>);
            }
            Ok(lists(rows.iter().map(|parts| Some(parts.as_slice()))))
        };
        Ok(set("makemv", input, vec![(field, Arc::new(maker))]).into())
    }
}
