//! Commands that set columns, each from its own row: the schema and the step of the plan that they share.

use super::eval::{with_column, with_field};
use crate::columns::{DYNAMIC, Values, list_type, lists};
use crate::exec::{Flow, transform};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result;
use std::sync::Arc;

/// Makes a column of a batch.
pub type Maker = Arc<dyn Fn(&RecordBatch) -> Result<ArrayRef> + Send + Sync>;

/// The input with these columns replaced or added, one after the other.
pub fn set(name: &'static str, input: Flow, made: Vec<(Field, Maker)>) -> Flow {
    if made.is_empty() {
        return input;
    }
    let mut schema = input.schema();
    let mut steps: Vec<(SchemaRef, String, Maker)> = Vec::new();
    for (field, maker) in made {
        let column = field.name().clone();
        schema = with_field(&schema, field);
        steps.push((schema.clone(), column, maker));
    }
    let work = transform(move |mut batch: RecordBatch| {
        for (schema, column, maker) in &steps {
            let made = maker(&batch)?;
            batch = with_column(&batch, schema, column, made)?;
        }
        Ok(batch)
    });
    input.map(name, schema, work)
}

/// Whether a column may hold several values in a row.
pub fn is_list(field: &Field) -> bool {
    matches!(field.data_type(), DataType::List(_))
}

/// A column of text; with `dynamic` its numbers are shown as numbers.
pub fn text_field(name: &str, dynamic: bool) -> Field {
    let field = Field::new(name, DataType::Utf8, true);
    if dynamic { field.with_metadata([(DYNAMIC.to_owned(), "true".to_owned())].into()) } else { field }
}

/// A column that may hold several values in a row.
pub fn list_field(name: &str) -> Field {
    Field::new(name, list_type(), true)
}

/// The field for values of `field` changed as text: what was shown as a number still is.
pub fn changed_field(field: &Field) -> Field {
    if is_list(field) {
        return list_field(field.name());
    }
    let number = matches!(field.data_type(), DataType::Float64 | DataType::Int64 | DataType::Timestamp(..));
    text_field(field.name(), number || field.metadata().contains_key(DYNAMIC))
}

/// A column with each value changed; `None` takes the value away.
pub fn changed(column: &ArrayRef, mut change: impl FnMut(&str) -> Option<String>) -> Result<ArrayRef> {
    let values = Values::of(column)?;
    let mut row = |row: usize| -> Vec<String> {
        let mut out = Vec::new();
        values.each(row, |cell| out.extend(change(&cell.text())));
        out
    };
    if matches!(values, Values::Many(_)) {
        let rows: Vec<Vec<String>> = (0..column.len()).map(row).collect();
        return Ok(lists(rows.iter().map(|values| Some(values.as_slice()))));
    }
    Ok(Arc::new((0..column.len()).map(|at| row(at).pop()).collect::<StringArray>()))
}
