//! `spath`: fields of JSON and XML, one by its path or all there are.

pub(crate) mod json;
pub(crate) mod path;

use super::columns_set::{list_field, set};
use super::found_fields::{Find, FoundFields, Twice};
use super::words::{quote, quote_field};
use super::xml::{self, Document};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, lists};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use json::Json;
use path::Path;
use std::fmt;
use std::sync::Arc;

/// What `spath` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "spath",
    aliases: &[],
    syntax: "spath [input=<field>] [output=<field>] [path=]<path> | spath [input=<field>]",
    summary: "Makes fields of JSON or XML: of what a path such as a.b{}.c or a.b{@attribute} leads to, or without a path of all that is there.",
    examples: &[
        "* | spath output=user path=request.user.name",
        "* | spath items{}.id | mvexpand items{}.id",
        "* | spath | stats count BY status",
    ],
    parse,
};

#[derive(Debug)]
struct Spath {
    input: String,
    output: Option<String>,
    path: Option<(String, Path)>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut spath = Spath { input: "_raw".into(), output: None, path: None };
    while !args.at_end() {
        let start = args.next_span();
        let word = match args.option(&["input", "output", "path"])? {
            Some(option) if option.name == "input" => {
                spath.input = option.value.text;
                continue;
            }
            Some(option) if option.name == "output" => {
                spath.output = Some(option.value.text);
                continue;
            }
            Some(option) => option.value,
            None => args.word("a path")?,
        };
        if spath.path.is_some() {
            return Err(QueryError::at(start, "spath takes one path").with_hint("use a spath for each path"));
        }
        let path = Path::parse(&word.text).map_err(|problem| {
            let error = QueryError::at(word.span, format!("the path is not valid: {problem}"));
            error.with_hint("write a.b.c, a{} for all items of an array, a{0} for one, a{@b} for an attribute of XML")
        })?;
        spath.path = Some((word.text, path));
    }
    if spath.output.is_some() && spath.path.is_none() {
        return Err(args.error("output needs a path").with_hint("write: spath output=name path=a.b"));
    }
    Ok(Box::new(spath))
}

impl fmt::Display for Spath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spath input={}", quote_field(&self.input))?;
        if let Some(output) = &self.output {
            write!(f, " output={}", quote_field(output))?;
        }
        match &self.path {
            Some((text, _)) => write!(f, " path={}", quote(text)),
            None => Ok(()),
        }
    }
}

impl Spath {
    fn target(&self) -> Option<&str> {
        self.output.as_deref().or(self.path.as_ref().map(|(text, _)| text.as_str()))
    }
}

/// Where the JSON in a text begins, if it is not XML.
fn json_start(text: &str) -> Option<usize> {
    let blank = text.len() - text.trim_start().len();
    if text[blank..].starts_with(['{', '[']) {
        return Some(blank);
    }
    if xml::start(text).is_some() { None } else { text.find("{\"") }
}

/// Gives all that is in a text, with its path.
fn flatten(text: &str, each: &mut dyn FnMut(&str, &str)) {
    match json_start(text) {
        Some(start) => {
            if let Some(json) = Json::read(&text[start..]) {
                json.flatten(&mut String::new(), each);
            }
        }
        None => Document::read(text).flatten(each),
    }
}

fn find(text: &str, path: &Path, each: &mut dyn FnMut(&str)) {
    match json_start(text) {
        Some(start) => {
            if let Some(json) = Json::read(&text[start..]) {
                json.find(path, each);
            }
        }
        None => Document::read(text).find(path, each),
    }
}

impl Command for Spath {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        // Where nothing is found, a field stays as it was.
        needed.with([self.input.clone()])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (Some((_, path)), Some(target)) = (&self.path, self.target()) else {
            let find: Find = Arc::new(flatten);
            return FoundFields { command: INFO.name, input: self.input.clone(), find, twice: Twice::Replaced }.plan(input, planner);
        };
        let schema = input.schema();
        let Some(source) = column_index(&schema, &self.input) else { return Ok(input.into()) };
        let before = column_index(&schema, target);
        let path = path.clone();
        let maker = move |batch: &RecordBatch| {
            let values = Values::of(batch.column(source))?;
            let before = before.map(|at| Values::of(batch.column(at))).transpose()?;
            let row = |row: usize| {
                let mut found = Vec::new();
                values.each(row, |cell| find(&cell.text(), &path, &mut |value| found.push(value.to_owned())));
                if found.is_empty() { before.as_ref().map(|before| before.list(row)).unwrap_or_default() } else { found }
            };
            let rows: Vec<Vec<String>> = (0..batch.num_rows()).map(row).collect();
            Ok(lists(rows.iter().map(|values| Some(values.as_slice()))))
        };
        Ok(set("spath", input, vec![(list_field(target), Arc::new(maker))]).into())
    }
}
