//! `untable`: columns become rows; the reverse of `xyseries`.

use super::columns_set::{is_list, list_field, text_field};
use super::transpose::is_number;
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, lists};
use crate::exec::{Flow, HIDDEN, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::SCAN_BATCH_ROWS;

/// What `untable` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "untable",
    aliases: &[],
    syntax: "untable <field> <name field> <value field>",
    summary: "Makes a row of each other field's value: the field stays, the name and the value of the other go into fields of their own.",
    examples: &["* | timechart count BY host | untable _time host count"],
    parse,
};

#[derive(Debug)]
struct Untable {
    x: String,
    name: String,
    data: String,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let place = args.next_span();
    let fields = args.fields(&[])?;
    let wild = fields.iter().find(|field| field.is_wildcard());
    if let Some(field) = wild {
        return Err(QueryError::at(field.span, "untable takes no wildcards").with_hint("name each field"));
    }
    let names: Vec<String> = fields.into_iter().map(|field| field.name).collect();
    let count = names.len();
    let Ok([x, name, data]) = <[String; 3]>::try_from(names) else {
        let error = QueryError::at(place, format!("untable takes three fields, not {count}"));
        return Err(error.with_hint("the field that stays, the field for the names and the field for the values: untable _time host count"));
    };
    args.finish()?;
    if x == name || x == data || name == data {
        return Err(QueryError::at(place, "the three fields of untable have to differ"));
    }
    Ok(Box::new(Untable { x, name, data }))
}

impl fmt::Display for Untable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "untable {} {} {}", quote_field(&self.x), quote_field(&self.name), quote_field(&self.data))
    }
}

impl Command for Untable {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Selecting
    }

    fn required(&self, _: Required) -> Required {
        Required::all()
    }

    fn makes_table(&self) -> bool {
        true
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let x = column_index(&schema, &self.x);
        let shown = |at: &usize| {
            let name = schema.field(*at).name();
            Some(*at) != x && !name.starts_with('_') && !name.starts_with(HIDDEN)
        };
        let others: Vec<usize> = (0..schema.fields().len()).filter(shown).collect();
        let data = common_field(&self.data, others.iter().map(|at| schema.field(*at)));
        let kept = x.map_or_else(|| text_field(&self.x, false), |at| schema.field(at).clone());
        let made = Arc::new(Schema::new(vec![kept, text_field(&self.name, false), data]));
        let names: Vec<String> = others.iter().map(|at| schema.field(*at).name().clone()).collect();
        let shape = made.clone();
        let make: Make = Arc::new(move |_| Ok(Box::new(Rows { x, others: others.clone(), names: names.clone(), schema: shape.clone() })));
        Ok(Flow { table: true, ..input }.map("untable", made, make).into())
    }
}

/// A field that can hold the values of all these.
pub fn common_field<'f>(name: &str, fields: impl Iterator<Item = &'f Field> + Clone) -> Field {
    let all = |kind: &DataType| fields.clone().all(|field| field.data_type() == kind);
    if all(&DataType::Int64) {
        Field::new(name, DataType::Int64, true)
    } else if fields.clone().all(|field| matches!(field.data_type(), DataType::Float64 | DataType::Int64)) {
        Field::new(name, DataType::Float64, true)
    } else if fields.clone().any(is_list) {
        list_field(name)
    } else {
        text_field(name, fields.clone().all(is_number))
    }
}

/// Values as a column of one of the types that [`common_field`] gives.
pub fn common_column<'v>(kind: &DataType, cells: impl Iterator<Item = Option<(&'v Values, usize)>>) -> ArrayRef {
    match kind {
        DataType::Int64 => {
            Arc::new(cells.map(|cell| cell.and_then(|(values, row)| values.number(row)).map(|n| n as i64)).collect::<Int64Array>())
        }
        DataType::Float64 => Arc::new(cells.map(|cell| cell.and_then(|(values, row)| values.number(row))).collect::<Float64Array>()),
        DataType::List(_) => {
            let rows: Vec<Vec<String>> = cells.map(|cell| cell.map(|(values, row)| values.list(row)).unwrap_or_default()).collect();
            lists(rows.iter().map(|values| Some(values.as_slice())))
        }
        _ => Arc::new(cells.map(|cell| cell.and_then(|(values, row)| values.text(row))).collect::<StringArray>()),
    }
}

struct Rows {
    x: Option<usize>,
    others: Vec<usize>,
    names: Vec<String>,
    schema: SchemaRef,
}

impl Transform for Rows {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        // Without the field that stays there is nothing to tell the rows apart by.
        let Some(x) = self.x else { return Ok(Step::Rows(RecordBatch::new_empty(self.schema.clone()))) };
        let kept = Values::of(batch.column(x))?;
        let values = self.others.iter().map(|at| Values::of(batch.column(*at))).collect::<Result<Vec<_>, _>>()?;
        let (names, schema, x) = (self.names.clone(), self.schema.clone(), batch.column(x).clone());
        let rows = (SCAN_BATCH_ROWS / names.len().max(1)).max(1);
        let part = move |from: usize| {
            let mut found: Vec<(usize, usize)> = Vec::new();
            for row in (from..x.len().min(from + rows)).filter(|row| !kept.is_missing(*row)) {
                found.extend((0..names.len()).filter(|at| !values[*at].is_missing(row)).map(|at| (row, at)));
            }
            let places: UInt32Array = found.iter().map(|(row, _)| Some(*row as u32)).collect();
            let titles: StringArray = found.iter().map(|(_, at)| Some(names[*at].as_str())).collect();
            let data = common_column(schema.field(2).data_type(), found.iter().map(|(row, at)| Some((&values[*at], *row))));
            Ok(RecordBatch::try_new(schema.clone(), vec![take(&x, &places, None)?, Arc::new(titles), data])?)
        };
        Ok(Step::Parts(Box::new((0..batch.num_rows()).step_by(rows).map(part))))
    }
}
