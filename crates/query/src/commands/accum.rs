//! `accum`: the sum of a field so far.

use super::eval::{with_column, with_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::to_numbers;
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;

/// What `accum` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "accum",
    aliases: &[],
    syntax: "accum <field> [AS <name>]",
    summary: "The sum of a field over the row and those before it; rows in which it is no number get none and change nothing.",
    examples: &["* | sort 0 _time | accum bytes AS so_far", "* | accum bytes"],
    parse,
};

#[derive(Debug)]
struct Accum {
    field: String,
    alias: Option<String>,
}

/// A field without wildcards.
pub fn plain_field(args: &mut Args, command: &str) -> Result<String, QueryError> {
    let field = args.field("a field name")?;
    if field.is_wildcard() {
        return Err(QueryError::at(field.span, format!("{command} takes no wildcards")).with_hint("name the field"));
    }
    Ok(field.name)
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let field = plain_field(args, "accum")?;
    let alias = if args.keyword("as") { Some(plain_field(args, "accum")?) } else { None };
    args.finish()?;
    Ok(Box::new(Accum { field, alias }))
}

impl fmt::Display for Accum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accum {}", quote_field(&self.field))?;
        self.alias.as_ref().map_or(Ok(()), |alias| write!(f, " AS {}", quote_field(alias)))
    }
}

impl Command for Accum {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Running
    }

    fn required(&self, needed: Required) -> Required {
        needed.without(self.alias.as_deref()).with([self.field.clone()])
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let name = self.alias.clone().unwrap_or_else(|| self.field.clone());
        let at = column_index(&input.schema(), &self.field);
        let schema = with_field(&input.schema(), Field::new(&name, DataType::Float64, true));
        let made = schema.clone();
        let make: Make = Arc::new(move |_| Ok(Box::new(Sum { at, sum: 0.0, name: name.clone(), schema: made.clone() })));
        Ok(input.map("accum", schema, make).into())
    }
}

struct Sum {
    at: Option<usize>,
    sum: f64,
    name: String,
    schema: SchemaRef,
}

impl Transform for Sum {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let numbers = match self.at {
            Some(at) => to_numbers(batch.column(at))?,
            None => Float64Array::new_null(batch.num_rows()),
        };
        let mut add = |number: f64| {
            self.sum += number;
            self.sum
        };
        let sums: Float64Array = numbers.iter().map(|number| number.map(&mut add)).collect::<Vec<_>>().into();
        Ok(Step::Rows(with_column(&batch, &self.schema, &self.name, Arc::new(sums))?))
    }
}
