//! `strcat`: fields and texts put together.

use super::columns_set::{set, text_field};
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::Flow;
use crate::language::{Args, QueryError, lexer};
use arrow::array::{Array, RecordBatch, StringArray};
use std::fmt;
use std::sync::Arc;

/// What `strcat` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "strcat",
    aliases: &[],
    syntax: "strcat [allrequired=<bool>] <field or \"text\">... <new field>",
    summary: "Puts fields and texts in double quotes together, one after the other, into the field named last.",
    examples: &["* | strcat host \":\" port address", "* | strcat allrequired=t user \"@\" domain account"],
    parse,
};

#[derive(Clone, Debug)]
enum Part {
    Field(String),
    Text(String),
}

#[derive(Clone, Debug)]
struct StrCat {
    all_required: bool,
    parts: Vec<Part>,
    target: String,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut all_required, mut parts, mut last) = (false, Vec::new(), args.next_span());
    while !args.at_end() {
        if let Some(option) = args.option(&["allrequired"])? {
            all_required = option.value.boolean("allrequired")?;
            continue;
        }
        last = args.next_span();
        if args.remaining().starts_with('"') {
            parts.push(Part::Text(args.string("a text")?.text));
        } else {
            let field = args.field("a field or a text in double quotes")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "strcat takes no wildcards").with_hint("name each field"));
            }
            parts.push(Part::Field(field.name));
        }
        args.symbol(",");
    }
    let target = match parts.pop() {
        Some(Part::Field(name)) if !parts.is_empty() => name,
        Some(Part::Field(_)) => return Err(QueryError::at(last, "strcat needs something to put together and a field for it")),
        Some(Part::Text(_)) => {
            return Err(
                QueryError::at(last, "what comes last has to be the new field, not a text").with_hint("write: strcat a \"/\" b target")
            );
        }
        None => return Err(args.error("expected fields, texts and the new field").with_hint("write: strcat a \"/\" b target")),
    };
    Ok(Box::new(StrCat { all_required, parts, target }))
}

/// A field as it has to be typed here, where double quotes are for texts.
fn typed(name: &str) -> String {
    let quoted = quote_field(name);
    if quoted.starts_with('"') { lexer::quoted(name, '\'') } else { quoted }
}

impl fmt::Display for StrCat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strcat")?;
        if self.all_required {
            f.write_str(" allrequired=true")?;
        }
        for part in &self.parts {
            match part {
                Part::Field(name) => write!(f, " {}", typed(name))?,
                Part::Text(text) => write!(f, " {}", quote(text))?,
            }
        }
        write!(f, " {}", typed(&self.target))
    }
}

impl Command for StrCat {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        let fields = self.parts.iter().filter_map(|part| match part {
            Part::Field(name) => Some(name.clone()),
            Part::Text(_) => None,
        });
        // Where not all are there, the field stays as it was.
        let needed = if self.all_required { needed } else { needed.without([self.target.as_str()]) };
        needed.with(fields)
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let places: Vec<Option<usize>> = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Field(name) => column_index(&schema, name),
                Part::Text(_) => None,
            })
            .collect();
        let before = column_index(&schema, &self.target);
        let this = self.clone();
        let maker = move |batch: &RecordBatch| {
            let columns: Vec<Option<Values>> =
                places.iter().map(|at| at.map(|at| Values::of(batch.column(at))).transpose()).collect::<Result<_, _>>()?;
            let before = before.map(|at| Values::of(batch.column(at))).transpose()?;
            let row = |row: usize| {
                let mut out = String::new();
                for (part, column) in this.parts.iter().zip(&columns) {
                    match (part, column.as_ref().and_then(|column| column.text(row))) {
                        (Part::Text(text), _) => out.push_str(text),
                        (Part::Field(_), Some(text)) => out.push_str(&text),
                        (Part::Field(_), None) if this.all_required => return before.as_ref().and_then(|before| before.text(row)),
                        (Part::Field(_), None) => {}
                    }
                }
                Some(out)
            };
            Ok(Arc::new((0..batch.num_rows()).map(row).collect::<StringArray>()) as Arc<dyn Array>)
        };
        Ok(set("strcat", input, vec![(text_field(&self.target, false), Arc::new(maker))]).into())
    }
}
