//! Rows as JSON: what the page, the command line and other programs get.
//!
//! Text stays text, numbers become numbers, lists become arrays, missing fields are left out. `_time` and
//! `_indextime` are RFC 3339; other times are seconds since the epoch, as everywhere in the language.

use crate::columns::{DYNAMIC, Values, nanos_of_seconds, parse_number, seconds_text};
use crate::exec::HIDDEN;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use taffrail_event::Timestamp;

/// A row: field names and values, in the order of the columns.
pub type Row = Map<String, Value>;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldInfo {
    /// Its name.
    pub name: String,
    /// `string`, `number`, `time` or `list`.
    pub kind: String,
}

/// The columns of a schema.
pub fn fields(schema: &Schema) -> Vec<FieldInfo> {
    let shown = schema.fields().iter().filter(|field| is_shown(field));
    shown.map(|field| FieldInfo { name: field.name().clone(), kind: kind(field).to_owned() }).collect()
}

fn is_shown(field: &Field) -> bool {
    !field.name().starts_with(HIDDEN) && *field.data_type() != DataType::Binary
}

fn is_time(name: &str) -> bool {
    matches!(name, "_time" | "_indextime")
}

fn kind(field: &Field) -> &'static str {
    match field.data_type() {
        DataType::Timestamp(..) | DataType::Float64 if is_time(field.name()) => "time",
        DataType::Timestamp(..) | DataType::Float64 | DataType::Int64 | DataType::UInt64 => "number",
        DataType::List(_) => "list",
        _ if field.metadata().contains_key(DYNAMIC) => "number",
        _ => "string",
    }
}

/// The rows of a batch.
pub fn rows(batch: &RecordBatch) -> Result<Vec<Row>, arrow::error::ArrowError> {
    let schema = batch.schema();
    let mut columns = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if is_shown(field) {
            columns.push((field, Values::of(column)?));
        }
    }
    let mut rows = vec![Row::with_capacity(columns.len()); batch.num_rows()];
    for (field, values) in &columns {
        let dynamic = field.metadata().contains_key(DYNAMIC);
        for (at, row) in rows.iter_mut().enumerate() {
            if let Some(value) = value(field.name(), values, at, dynamic) {
                row.insert(field.name().clone(), value);
            }
        }
    }
    Ok(rows)
}

fn value(name: &str, values: &Values, row: usize, dynamic: bool) -> Option<Value> {
    match values {
        Values::Text(a) if a.is_null(row) => None,
        Values::Text(a) if dynamic => match parse_number(a.value(row)) {
            Some(number) => Some(json_number(number)),
            None => Some(Value::String(a.value(row).to_owned())),
        },
        Values::Text(a) => Some(Value::String(a.value(row).to_owned())),
        Values::Number(a) if a.is_null(row) => None,
        Values::Number(a) if is_time(name) => {
            let nanos = nanos_of_seconds(a.value(row));
            Some(nanos.map_or_else(|| json_number(a.value(row)), |nanos| Value::String(Timestamp(nanos).to_string())))
        }
        Values::Number(a) => Some(json_number(a.value(row))),
        Values::Whole(a) => a.is_valid(row).then(|| Value::Number(a.value(row).into())),
        Values::Flag(a) => a.is_valid(row).then(|| Value::Bool(a.value(row))),
        Values::Time(a) if a.is_null(row) => None,
        Values::Time(a) if is_time(name) => Some(Value::String(Timestamp(a.value(row)).to_string())),
        Values::Time(a) => Some(seconds_text(a.value(row)).parse().map_or(Value::Null, json_number)),
        Values::Many(_) => {
            let mut items = values.list(row);
            match items.len() {
                0 => None,
                1 => items.pop().map(Value::String),
                _ => Some(Value::Array(items.into_iter().map(Value::String).collect())),
            }
        }
        Values::Bytes(_) => None,
    }
}

/// Whole numbers without a fraction; what JSON has no number for as text.
fn json_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Value::Number((number as i64).into());
    }
    let text = crate::columns::number_text(number);
    if let Ok(whole) = text.parse::<i64>() {
        return Value::Number(whole.into());
    }
    match text.parse().ok().and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::String(number.to_string()),
    }
}
