//! `fillnull`: a value for fields that are missing.

use super::columns_set::{Maker, list_field, set, text_field};
use super::words::{expand, quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{DYNAMIC, Values, lists, nanos_of_seconds, parse_number};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;

/// What `fillnull` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "fillnull",
    aliases: &[],
    syntax: "fillnull [value=<text>] [<field>]...",
    summary: "Gives missing fields a value, 0 unless told otherwise; of all fields, or of the named ones, which are made if they are nowhere.",
    examples: &["* | fillnull value=unknown user, src | stats count BY user, src", "* | timechart avg(bytes) | fillnull"],
    parse,
};

#[derive(Debug)]
struct FillNull {
    value: String,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut fill = FillNull { value: "0".into(), fields: Vec::new() };
    while !args.at_end() {
        match args.option(&["value"])? {
            Some(option) => fill.value = option.value.text,
            None => {
                fill.fields.push(args.field("a field name")?.name);
                args.symbol(",");
            }
        }
    }
    Ok(Box::new(fill))
}

impl fmt::Display for FillNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fillnull value={}", quote(&self.value))?;
        let names: Vec<String> = self.fields.iter().map(|field| quote_field(field)).collect();
        if names.is_empty() { Ok(()) } else { write!(f, " {}", names.join(", ")) }
    }
}

impl Command for FillNull {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let columns = input.names();
        let names = if self.fields.is_empty() {
            columns.into_iter().filter(|name| !name.starts_with('_')).collect()
        } else {
            expand(&self.fields, &columns)
        };
        let mut made: Vec<(Field, Maker)> = Vec::new();
        for name in names {
            let value = self.value.clone();
            // In a table an empty cell is as good as none.
            let empty_too = input.table;
            match column_index(&schema, &name) {
                Some(at) => {
                    let field = filled_field(schema.field(at), &value);
                    let kind = field.data_type().clone();
                    made.push((field, Arc::new(move |batch: &RecordBatch| filled(batch.column(at), &kind, &value, empty_too))));
                }
                // What nobody asks for is not made.
                None if !planner.needed.contains(&name) => {}
                None => {
                    let maker = move |batch: &RecordBatch| -> ExecResult<ArrayRef> {
                        Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&value, batch.num_rows()))))
                    };
                    made.push((text_field(&name, false), Arc::new(maker)));
                }
            }
        }
        Ok(set("fillnull", input, made).into())
    }
}

/// The column stays one of numbers or times where the value is one.
fn filled_field(field: &Field, value: &str) -> Field {
    let number = parse_number(value);
    let keeps = match field.data_type() {
        DataType::Float64 => number.is_some(),
        DataType::Int64 => value.parse::<i64>().is_ok(),
        DataType::Timestamp(..) => number.and_then(nanos_of_seconds).is_some(),
        DataType::List(_) => return list_field(field.name()),
        DataType::Utf8 => return text_field(field.name(), field.metadata().contains_key(DYNAMIC)),
        _ => false,
    };
    if keeps { Field::new(field.name(), field.data_type().clone(), true) } else { text_field(field.name(), true) }
}

fn filled(column: &ArrayRef, kind: &DataType, value: &str, empty_too: bool) -> ExecResult<ArrayRef> {
    let values = Values::of(column)?;
    Ok(match (&values, kind) {
        (Values::Number(numbers), DataType::Float64) => {
            let fill = parse_number(value);
            Arc::new(numbers.iter().map(|number| number.or(fill)).collect::<Float64Array>())
        }
        (Values::Whole(numbers), DataType::Int64) => {
            let fill = value.parse().ok();
            Arc::new(numbers.iter().map(|number| number.or(fill)).collect::<Int64Array>())
        }
        (Values::Time(times), DataType::Timestamp(..)) => {
            let fill = parse_number(value).and_then(nanos_of_seconds);
            Arc::new(times.iter().map(|time| time.or(fill)).collect::<TimestampNanosecondArray>().with_timezone("UTC"))
        }
        (_, DataType::List(_)) => {
            let row = |row| {
                let list = values.list(row);
                if list.is_empty() { vec![value.to_owned()] } else { list }
            };
            let rows: Vec<Vec<String>> = (0..column.len()).map(row).collect();
            lists(rows.iter().map(|list| Some(list.as_slice())))
        }
        _ => {
            let text = |row| values.text(row).filter(|text| !(empty_too && text.is_empty())).unwrap_or_else(|| value.to_owned());
            Arc::new((0..column.len()).map(|row| Some(text(row))).collect::<StringArray>())
        }
    })
}
