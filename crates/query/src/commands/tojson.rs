//! `tojson`: rows as JSON objects.

use super::columns_set::{set, text_field};
use super::words::{Wild, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::parse_number;
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use crate::rows::rows;
use arrow::array::{Array, RecordBatch, StringArray};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// What `tojson` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "tojson",
    aliases: &[],
    syntax: "tojson [default_type=<type>] [fill_null=<bool>] [include_internal=<bool>] [output_field=<name>] [<type>(<field>)]...",
    summary: "Writes each row as a JSON object into _raw; fields can be given a type: auto, bool, json, none, num, str.",
    examples: &["* | table host, status, bytes | tojson default_type=auto", "* | fields user, id | tojson str(id) output_field=object"],
    parse,
};

const TYPES: [&str; 6] = ["auto", "bool", "json", "none", "num", "str"];

#[derive(Clone, Debug)]
struct ToJson {
    default: &'static str,
    fill_null: bool,
    internal: bool,
    output: String,
    types: Vec<(&'static str, String)>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut json = ToJson { default: "none", fill_null: false, internal: false, output: "_raw".into(), types: Vec::new() };
    while !args.at_end() {
        if let Some(option) = args.option(&["default_type", "fill_null", "include_internal", "output_field"])? {
            match option.name.as_str() {
                "default_type" => json.default = option.value.one_of("default_type", &TYPES)?,
                "fill_null" => json.fill_null = option.value.boolean("fill_null")?,
                "include_internal" => json.internal = option.value.boolean("include_internal")?,
                _ => json.output = option.value.text,
            }
        } else if let Some(word) = args.call() {
            let kind = word.one_of("the type", &TYPES)?;
            let fields = args.fields(&[])?;
            args.expect_symbol(")")?;
            json.types.extend(fields.into_iter().map(|field| (kind, field.name)));
        } else {
            return Err(args.error("expected an option or a type with its fields, such as num(bytes)"));
        }
    }
    Ok(Box::new(json))
}

impl fmt::Display for ToJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tojson default_type={}", self.default)?;
        for (name, on) in [("fill_null", self.fill_null), ("include_internal", self.internal)] {
            if on {
                write!(f, " {name}=true")?;
            }
        }
        write!(f, " output_field={}", quote_field(&self.output))?;
        self.types.iter().try_for_each(|(kind, field)| write!(f, " {kind}({})", quote_field(field)))
    }
}

impl Command for ToJson {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, _: Required) -> Required {
        Required::all()
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let this = self.clone();
        let kind_of =
            |name: &str| this.types.iter().rfind(|(_, field)| Wild::new(field).matches(name)).map_or(this.default, |(kind, _)| *kind);
        let columns = input.names().into_iter().filter(|name| this.internal || !name.starts_with('_'));
        let fields: Vec<(String, &'static str)> = columns.map(|name| (name.clone(), kind_of(&name))).collect();
        let fill_null = self.fill_null;
        let maker = move |batch: &RecordBatch| {
            let mut out = Vec::with_capacity(batch.num_rows());
            for mut row in rows(batch)? {
                let mut object = serde_json::Map::new();
                for (name, kind) in &fields {
                    match row.remove(name).and_then(|value| typed(value, kind)) {
                        Some(value) => drop(object.insert(name.clone(), value)),
                        None if fill_null => drop(object.insert(name.clone(), Value::Null)),
                        None => {}
                    }
                }
                out.push(Some(Value::Object(object).to_string()));
            }
            Ok(Arc::new(StringArray::from(out)) as Arc<dyn Array>)
        };
        Ok(set("tojson", input, vec![(text_field(&self.output, false), Arc::new(maker))]).into())
    }
}

/// The value in a type; nothing where it is none of that type.
fn typed(value: Value, kind: &str) -> Option<Value> {
    if let Value::Array(items) = value {
        let items: Vec<Value> = items.into_iter().filter_map(|item| typed(item, kind)).collect();
        return (!items.is_empty()).then_some(Value::Array(items));
    }
    let text = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number = || parse_number(&text).and_then(|_| serde_json::from_str::<Value>(text.trim()).ok().filter(Value::is_number));
    match kind {
        "none" => Some(value),
        "str" => Some(Value::String(text)),
        "num" => number(),
        "json" => serde_json::from_str(&text).ok(),
        "bool" => match text.to_ascii_lowercase().as_str() {
            "t" | "true" | "yes" => Some(Value::Bool(true)),
            "f" | "false" | "no" => Some(Value::Bool(false)),
            other => parse_number(other).map(|number| Value::Bool(number != 0.0)),
        },
        _ => match text.as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            _ => number()
                .or_else(|| serde_json::from_str(&text).ok().filter(|value: &Value| value.is_object() || value.is_array()))
                .or(Some(value)),
        },
    }
}
