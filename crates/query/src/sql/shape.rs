//! The rows of a statement in the types that all answers have, each column with a name of its own.

use crate::columns::{list_type, normalise};
use crate::exec::{Flow, transform};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampNanosecondType};
use arrow::record_batch::RecordBatchOptions;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// The plan's rows as they are given out; `schema` is the planner's.
pub fn shaped(plan: Arc<dyn ExecutionPlan>, schema: &DFSchema) -> Flow {
    let given = plan.schema();
    let names = names(schema, &given);
    let fields = given
        .fields()
        .iter()
        .zip(names)
        .map(|(field, name)| Field::new(&name, outcome(&name, field.data_type()), true).with_metadata(field.metadata().clone()));
    let made: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let schema = made.clone();
    let work = transform(move |batch: RecordBatch| {
        let columns = batch.columns().iter().zip(made.fields()).map(|(column, field)| converted(column, field.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(made.clone(), columns.collect::<Result<Vec<_>>>()?, &options)?)
    });
    Flow { plan, ordered: true, table: true }.single().map("answer", schema, work)
}

/// A name for each column: with its table where two have one name, then with a number.
fn names(schema: &DFSchema, given: &Schema) -> Vec<String> {
    let plain: Vec<String> = given.fields().iter().map(|field| field.name().clone()).collect();
    let mut names: Vec<String> = Vec::new();
    for (at, name) in plain.iter().enumerate() {
        let several = plain.iter().filter(|other| *other == name).count() > 1;
        let table = (at < schema.fields().len()).then(|| schema.qualified_field(at).0).flatten();
        let base = match table {
            Some(table) if several => format!("{}.{name}", table.table()),
            _ => name.clone(),
        };
        let mut unique = base.clone();
        let mut number = 2;
        while names.contains(&unique) {
            unique = format!("{base}:{number}");
            number += 1;
        }
        names.push(unique);
    }
    names
}

/// The type that values of a type are given out in.
fn outcome(name: &str, kind: &DataType) -> DataType {
    match kind {
        DataType::Timestamp(..) if matches!(name, "_time" | "_indextime") => crate::columns::time_type(),
        DataType::Boolean => DataType::Boolean,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => DataType::Float64,
        kind if kind.is_floating() => DataType::Float64,
        kind if kind.is_integer() => DataType::Int64,
        DataType::List(item) | DataType::LargeList(item) if !item.data_type().is_nested() => list_type(),
        _ => DataType::Utf8,
    }
}

fn converted(column: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    match (column.data_type(), kind) {
        (DataType::Timestamp(..), DataType::Utf8) => {
            let nanos = arrow::compute::cast(column, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
            let times = nanos.as_primitive::<TimestampNanosecondType>();
            Ok(Arc::new(times.iter().map(|time| time.map(|time| Timestamp(time).to_string())).collect::<StringArray>()))
        }
        (given, DataType::Utf8) if !matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(column, &options)?;
            let text = |row: usize| column.is_valid(row).then(|| formatter.value(row).to_string());
            Ok(Arc::new((0..column.len()).map(text).collect::<StringArray>()))
        }
        (given, kind) if given == kind => Ok(column.clone()),
        (_, kind) => Ok(normalise(&arrow::compute::cast(column, kind)?)?),
    }
}
