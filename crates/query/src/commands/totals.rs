//! Sums for `addtotals` and `addcoltotals`: a column of sums over the row, a last row of sums over the columns.

use super::column_index;
use super::columns_set::{list_field, set, text_field};
use super::eval::with_field;
use super::words::expand;
use crate::columns::{Values, lists, number_text};
use crate::exec::{Flow, Make, Step, Transform};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::sync::Arc;

/// The columns that are summed: the named ones, or all that are not internal.
fn summed(input: &Flow, fields: &[String], without: &str) -> Vec<usize> {
    let columns = input.names();
    let names = match fields {
        [] => columns.into_iter().filter(|name| !name.starts_with('_')).collect(),
        named => expand(named, &columns),
    };
    let schema = input.schema();
    names.iter().filter(|name| *name != without).filter_map(|name| column_index(&schema, name)).collect()
}

/// Adds the sum of the numbers of each row; nothing where there are none.
pub fn rows(input: Flow, fields: &[String], name: &str) -> Flow {
    let places = summed(&input, fields, name);
    let maker = move |batch: &RecordBatch| {
        let columns = places.iter().map(|at| Values::of(batch.column(*at))).collect::<Result<Vec<_>, _>>()?;
        let sum = |row: usize| columns.iter().filter_map(|column| column.number(row)).reduce(|sum, number| sum + number);
        Ok(Arc::new((0..batch.num_rows()).map(sum).collect::<Float64Array>()) as ArrayRef)
    };
    set("addtotals", input, vec![(Field::new(name, DataType::Float64, true), Arc::new(maker))])
}

/// Adds a last row with the sums of columns; `label` is the field to be labelled and its text.
pub fn columns(input: Flow, fields: &[String], label: Option<(&str, &str)>) -> Flow {
    let input = input.single();
    let places = summed(&input, fields, label.map_or("", |(field, _)| field));
    let mut schema = input.schema();
    if let Some((field, _)) = label {
        let before = column_index(&schema, field).map(|at| schema.field(at).data_type().clone());
        schema = with_field(
            &schema,
            match before {
                Some(DataType::List(_)) => list_field(field),
                Some(DataType::Utf8) | None => text_field(field, false),
                Some(_) => text_field(field, true),
            },
        );
    }
    let label = label.and_then(|(field, text)| Some((column_index(&schema, field)?, text.to_owned())));
    let made = schema.clone();
    let make: Make = Arc::new(move |_| {
        let sums = places.iter().map(|at| (*at, None)).collect();
        Ok(Box::new(Sums { schema: made.clone(), sums, label: label.clone(), rows: 0 }))
    });
    Flow { ordered: true, ..input }.map("addcoltotals", schema, make)
}

struct Sums {
    schema: SchemaRef,
    sums: Vec<(usize, Option<f64>)>,
    label: Option<(usize, String)>,
    rows: usize,
}

impl Transform for Sums {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        for (at, sum) in &mut self.sums {
            let values = Values::of(batch.column(*at))?;
            for number in (0..batch.num_rows()).filter_map(|row| values.number(row)) {
                *sum = Some(sum.unwrap_or(0.0) + number);
            }
        }
        self.rows += batch.num_rows();
        let mut columns = batch.columns().to_vec();
        if let Some((at, _)) = &self.label {
            let field = self.schema.field(*at);
            match columns.get(*at) {
                Some(column) if column.data_type() != field.data_type() => {
                    columns[*at] = Arc::new(crate::columns::to_text(column)?);
                }
                Some(_) => {}
                None => columns.push(new_null_array(field.data_type(), batch.num_rows())),
            }
        }
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(Step::Rows(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        if self.rows == 0 || self.schema.fields().is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::new();
        for (at, field) in self.schema.fields().iter().enumerate() {
            let sum = self.sums.iter().find(|(place, _)| *place == at).and_then(|(_, sum)| *sum);
            let text = match &self.label {
                Some((place, label)) if *place == at => Some(label.clone()),
                _ => sum.map(number_text),
            };
            columns.push(cell(field, sum, text)?);
        }
        Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

fn cell(field: &Field, sum: Option<f64>, text: Option<String>) -> ExecResult<ArrayRef> {
    Ok(match field.data_type() {
        DataType::Float64 => Arc::new(Float64Array::from(vec![sum])),
        DataType::Int64 => cast(&(Arc::new(Float64Array::from(vec![sum])) as ArrayRef), &DataType::Int64)?,
        DataType::Utf8 => Arc::new(StringArray::from(vec![text])),
        DataType::List(_) => lists(std::iter::once(text.map(|text| [text]).as_ref().map(|text| text.as_slice()))),
        kind => new_null_array(kind, 1),
    })
}
