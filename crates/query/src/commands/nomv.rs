//! `nomv`: several values joined to one.

use super::columns_set::{DELIMITER, is_list, set, text_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::{Array, RecordBatch, StringArray};
use std::fmt;
use std::sync::Arc;

/// What `nomv` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "nomv",
    aliases: &[],
    syntax: "nomv <field>",
    summary: "Joins the values of a field to one, each on a line of its own; after mvcombine by its delimiter.",
    examples: &["* | stats values(user) AS users BY host | nomv users"],
    parse,
};

#[derive(Debug)]
struct NoMv(String);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let field = args.field("a field name")?;
    if field.is_wildcard() {
        return Err(QueryError::at(field.span, "nomv takes one field").with_hint("use a nomv for each field"));
    }
    args.finish()?;
    Ok(Box::new(NoMv(field.name)))
}

impl fmt::Display for NoMv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nomv {}", quote_field(&self.0))
    }
}

impl Command for NoMv {
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
        let schema = input.schema();
        let Some(at) = column_index(&schema, &self.0).filter(|at| is_list(schema.field(*at))) else { return Ok(input.into()) };
        let delimiter = schema.field(at).metadata().get(DELIMITER).map_or("\n", String::as_str).to_owned();
        let maker = move |batch: &RecordBatch| {
            let values = Values::of(batch.column(at))?;
            let joined = |row: usize| {
                let list = values.list(row);
                (!list.is_empty()).then(|| list.join(&delimiter))
            };
            Ok(Arc::new((0..batch.num_rows()).map(joined).collect::<StringArray>()) as Arc<dyn Array>)
        };
        Ok(set("nomv", input, vec![(text_field(&self.0, false), Arc::new(maker))]).into())
    }
}
