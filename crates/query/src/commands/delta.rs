//! `delta`: how much a field changed since an earlier row.

use super::accum::plain_field;
use super::autoregress::rows_back;
use super::eval::{with_column, with_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::to_numbers;
use crate::exec::before::Before;
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::compute::kernels::numeric::sub;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;

/// What `delta` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "delta",
    aliases: &[],
    syntax: "delta <field> [AS <name>] [p=<count>]",
    summary: "The value of a field minus that of the row before (or of the p-th row before), where both are numbers.",
    examples: &["* | sort 0 _time | delta bytes AS growth", "* | delta _time p=2"],
    parse,
};

#[derive(Clone, Debug)]
struct Delta {
    field: String,
    alias: Option<String>,
    back: usize,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut delta = Delta { field: String::new(), alias: None, back: 1 };
    while !args.at_end() {
        if let Some(option) = args.option(&["p"])? {
            delta.back = rows_back(&option.value)?;
        } else if delta.field.is_empty() {
            delta.field = plain_field(args, "delta")?;
        } else if args.keyword("as") {
            delta.alias = Some(plain_field(args, "delta")?);
        } else {
            return Err(args.error("expected AS, p= or the end of the command"));
        }
    }
    if delta.field.is_empty() {
        return Err(args.error("expected a field name"));
    }
    Ok(Box::new(delta))
}

impl Delta {
    fn target(&self) -> String {
        self.alias.clone().unwrap_or_else(|| format!("delta({})", self.field))
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delta {}", quote_field(&self.field))?;
        if let Some(alias) = &self.alias {
            write!(f, " AS {}", quote_field(alias))?;
        }
        if self.back == 1 { Ok(()) } else { write!(f, " p={}", self.back) }
    }
}

impl Command for Delta {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Running
    }

    fn required(&self, needed: Required) -> Required {
        let target = self.target();
        let needed = if target.contains('*') { needed } else { needed.without([target.as_str()]) };
        needed.with([self.field.clone()])
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let at = column_index(&input.schema(), &self.field);
        let (name, back) = (self.target(), self.back);
        let schema = with_field(&input.schema(), Field::new(&name, DataType::Float64, true));
        let made = schema.clone();
        let make: Make = Arc::new(move |_| {
            let before = Before::new(&DataType::Float64, back);
            Ok(Box::new(Differences { at, before, name: name.clone(), schema: made.clone() }))
        });
        Ok(input.map("delta", schema, make).into())
    }
}

struct Differences {
    at: Option<usize>,
    before: Before,
    name: String,
    schema: SchemaRef,
}

impl Transform for Differences {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let numbers: ArrayRef = match self.at {
            Some(at) => Arc::new(to_numbers(batch.column(at))?),
            None => Arc::new(Float64Array::new_null(rows)),
        };
        let earlier = self.before.extend(&numbers)?.slice(0, rows);
        let differences = sub(&numbers, &earlier)?;
        Ok(Step::Rows(with_column(&batch, &self.schema, &self.name, differences)?))
    }
}
