//! Columns as expressions see them: few types, a reader that converts, and builders.

use super::number::{format_number, parse_number};
use crate::columns::Room;
use crate::language::time::from_seconds_f64;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Float64Builder, Int64Array, ListArray, ListBuilder, NullArray, StringArray,
    StringBuilder, TimestampNanosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType};
use std::borrow::Cow;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Nothing: every value is missing.
    Null,
    /// Text.
    Text,
    /// Floats.
    Number,
    /// Whole numbers.
    Integer,
    /// True or false.
    Boolean,
    /// Points in time.
    Time,
    /// Several values each.
    List,
}

impl Type {
    /// The type that a column of a batch is read as.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            DataType::Float64 | DataType::Float32 | DataType::Float16 => Self::Number,
            integer if integer.is_integer() => Self::Integer,
            DataType::Timestamp(..) => Self::Time,
            DataType::List(_) | DataType::LargeList(_) => Self::List,
            _ => Self::Text,
        }
    }

    /// How it is held.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Text => DataType::Utf8,
            Self::Number => DataType::Float64,
            Self::Integer => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Self::List => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        }
    }

    /// Whether it is a number whatever the row.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Number | Self::Integer | Self::Time)
    }

    /// The type that can hold values of both.
    pub fn unify(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::List, _) | (_, Self::List) => Self::List,
            (a, b) if a.is_numeric() && b.is_numeric() => Self::Number,
            _ => Self::Text,
        }
    }
}

/// A value per row, or one value for all rows.
#[derive(Clone, Debug)]
pub struct Operand {
    /// The values; exactly one when constant.
    pub array: ArrayRef,
    /// Whether its one value holds for every row.
    pub constant: bool,
}

impl Operand {
    /// A value per row.
    pub fn rows(array: ArrayRef) -> Self {
        Self { array, constant: false }
    }

    /// One value for all rows.
    pub fn constant(array: ArrayRef) -> Self {
        debug_assert_eq!(array.len(), 1);
        Self { array, constant: true }
    }

    /// The values with one entry per row.
    pub fn expand(self, rows: usize) -> ArrayRef {
        if !self.constant {
            return self.array;
        }
        if rows == 1 {
            return self.array;
        }
        // Counted without what is rounded up: the size of one value that is the same in all rows.
        let bytes = self.array.to_data().get_slice_memory_size().unwrap_or_else(|_| self.array.get_array_memory_size());
        if !Room::new().takes(bytes.saturating_mul(rows)) {
            return new_null_array(self.array.data_type(), rows);
        }
        let indices = arrow::array::UInt32Array::from(vec![0_u32; rows]);
        arrow::compute::take(&self.array, &indices, None).unwrap_or_else(|_| new_null_array(self.array.data_type(), rows))
    }

    /// A reader of its values.
    pub fn reader(&self) -> Reader<'_> {
        Reader { values: Values::of(&self.array), constant: self.constant }
    }
}

/// Brings a column of a batch into one of the types above.
pub fn normalized(column: &ArrayRef) -> ArrayRef {
    let wanted = Type::of(column.data_type()).data_type();
    if *column.data_type() == wanted {
        return Arc::clone(column);
    }
    if let Some(bytes) = column.as_binary_opt::<i32>() {
        let texts: StringArray = bytes.iter().map(|value| value.map(String::from_utf8_lossy)).collect();
        return Arc::new(texts);
    }
    cast(column, &wanted).unwrap_or_else(|_| new_null_array(&wanted, column.len()))
}

enum Values<'a> {
    Null,
    Text(&'a StringArray),
    Number(&'a Float64Array),
    Integer(&'a Int64Array),
    Boolean(&'a BooleanArray),
    Time(&'a TimestampNanosecondArray),
    List(&'a ListArray, &'a StringArray),
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Float64 => Self::Number(array.as_primitive::<Float64Type>()),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>()),
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Time(array.as_primitive::<TimestampNanosecondType>()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                list.values().as_string_opt().map_or(Self::Null, |values| Self::List(list, values))
            }
            _ => Self::Null,
        }
    }
}

/// Reads the values of an operand, converting them.
pub struct Reader<'a> {
    values: Values<'a>,
    constant: bool,
}

impl<'a> Reader<'a> {
    fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// Whether its one value holds for every row.
    pub fn is_constant(&self) -> bool {
        self.constant
    }

    /// The value as text; several values are joined by line breaks.
    pub fn text(&self, row: usize) -> Option<Cow<'a, str>> {
        let at = self.at(row);
        match &self.values {
            Values::Null => None,
            Values::Text(array) => array.is_valid(at).then(|| Cow::Borrowed(array.value(at))),
            Values::Number(array) => {
                array.is_valid(at).then(|| array.value(at)).filter(|n| n.is_finite()).map(|n| Cow::Owned(format_number(n)))
            }
            Values::Integer(array) => array.is_valid(at).then(|| Cow::Owned(array.value(at).to_string())),
            Values::Boolean(array) => array.is_valid(at).then(|| Cow::Borrowed(if array.value(at) { "True" } else { "False" })),
            Values::Time(array) => array.is_valid(at).then(|| Cow::Owned(epoch_text(array.value(at)))),
            Values::List(..) => self.list(row).map(|values| Cow::Owned(values.join("\n"))),
        }
    }

    /// The value as a number; text that is none gives nothing.
    pub fn number(&self, row: usize) -> Option<f64> {
        let at = self.at(row);
        match &self.values {
            Values::Number(array) => array.is_valid(at).then(|| array.value(at)).filter(|number| number.is_finite()),
            Values::Integer(array) => array.is_valid(at).then(|| array.value(at) as f64),
            Values::Time(array) => array.is_valid(at).then(|| Timestamp(array.value(at)).seconds_f64()),
            Values::Text(array) => array.is_valid(at).then(|| parse_number(array.value(at))).flatten(),
            Values::List(..) => self.list(row).filter(|values| values.len() == 1).and_then(|values| parse_number(values[0])),
            Values::Null | Values::Boolean(_) => None,
        }
    }

    /// The value as true or false.
    pub fn boolean(&self, row: usize) -> Option<bool> {
        let at = self.at(row);
        match &self.values {
            Values::Boolean(array) => array.is_valid(at).then(|| array.value(at)),
            _ => None,
        }
    }

    /// The value as a point in time: a time as it is, a number as epoch seconds.
    pub fn time(&self, row: usize) -> Option<Timestamp> {
        let at = self.at(row);
        match &self.values {
            Values::Time(array) => array.is_valid(at).then(|| Timestamp(array.value(at))),
            _ => self.number(row).and_then(from_seconds_f64),
        }
    }

    /// The values of a multivalue; missing entries are left out. Nothing when it holds none or is no list.
    pub fn list(&self, row: usize) -> Option<Vec<&'a str>> {
        let at = self.at(row);
        let Values::List(list, values) = &self.values else { return None };
        if list.is_null(at) {
            return None;
        }
        let (start, end) = (list.value_offsets()[at] as usize, list.value_offsets()[at + 1] as usize);
        let found: Vec<&str> = (start..end).filter(|at| values.is_valid(*at)).map(|at| values.value(at)).collect();
        (!found.is_empty()).then_some(found)
    }

    /// The value as a list: one entry for a single value, none when missing.
    pub fn many(&self, row: usize) -> Vec<Cow<'a, str>> {
        match &self.values {
            Values::List(..) => self.list(row).map(|values| values.into_iter().map(Cow::Borrowed).collect()).unwrap_or_default(),
            _ => self.text(row).into_iter().collect(),
        }
    }

    /// Whether there is a value.
    pub fn is_some(&self, row: usize) -> bool {
        let at = self.at(row);
        match &self.values {
            Values::Null => false,
            Values::Text(array) => array.is_valid(at),
            Values::Number(array) => array.is_valid(at) && array.value(at).is_finite(),
            Values::Integer(array) => array.is_valid(at),
            Values::Boolean(array) => array.is_valid(at),
            Values::Time(array) => array.is_valid(at),
            Values::List(..) => self.list(row).is_some(),
        }
    }
}

/// Epoch seconds with the digits that are needed.
fn epoch_text(nanos: i64) -> String {
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    if rest == 0 {
        return seconds.to_string();
    }
    if seconds < 0 {
        return format_number(Timestamp(nanos).seconds_f64());
    }
    format!("{seconds}.{rest:09}").trim_end_matches('0').to_owned()
}

/// Builds a text column.
pub fn texts(rows: usize, mut value: impl FnMut(usize) -> Option<String>) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * 8);
    let mut room = Room::new();
    (0..rows).for_each(|row| builder.append_option(value(row).filter(|value| room.takes(value.len()))));
    Arc::new(builder.finish())
}

/// Builds a number column; what is not finite is missing.
pub fn numbers(rows: usize, mut value: impl FnMut(usize) -> Option<f64>) -> ArrayRef {
    let mut builder = Float64Builder::with_capacity(rows);
    (0..rows).for_each(|row| builder.append_option(value(row).filter(|number| number.is_finite())));
    Arc::new(builder.finish())
}

/// Builds a Boolean column.
pub fn booleans(rows: usize, value: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
    Arc::new((0..rows).map(value).collect::<BooleanArray>())
}

/// Builds a multivalue column; an empty list is missing.
pub fn lists(rows: usize, mut value: impl FnMut(usize) -> Option<Vec<String>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    let mut room = Room::new();
    let mut fits = |values: &Vec<String>| room.takes_list(values.len(), values.iter().map(String::len).sum());
    for row in 0..rows {
        match value(row).filter(|values| !values.is_empty() && fits(values)) {
            Some(values) => {
                values.iter().for_each(|value| builder.values().append_value(value));
                builder.append(true);
            }
            None => builder.append(false),
        }
    }
    Arc::new(builder.finish())
}

/// Builds a column of type `ty` from whichever reader `choose` names for each row.
pub fn picked(ty: Type, rows: usize, readers: &[Reader<'_>], choose: impl Fn(usize) -> Option<usize>) -> ArrayRef {
    let reader = |row: usize| choose(row).map(|at| &readers[at]);
    match ty {
        Type::Null => Arc::new(NullArray::new(rows)),
        Type::Text => texts(rows, |row| reader(row)?.text(row).map(Cow::into_owned)),
        Type::Number => numbers(rows, |row| reader(row)?.number(row)),
        Type::Integer => Arc::new((0..rows).map(|row| reader(row)?.number(row).map(|number| number as i64)).collect::<Int64Array>()),
        Type::Boolean => booleans(rows, |row| reader(row)?.boolean(row)),
        Type::Time => times(rows, |row| reader(row)?.time(row)),
        Type::List => lists(rows, |row| Some(reader(row)?.many(row).into_iter().map(Cow::into_owned).collect())),
    }
}

/// Builds a column of times.
pub fn times(rows: usize, value: impl Fn(usize) -> Option<Timestamp>) -> ArrayRef {
    let array: TimestampNanosecondArray = (0..rows).map(|row| value(row).map(Timestamp::nanos)).collect();
    Arc::new(array.with_timezone("UTC"))
}

/// Any column of the types of [`Type`] as text: how a value is shown, grouped by and joined on.
pub fn column_as_text(column: &ArrayRef) -> ArrayRef {
    let column = normalized(column);
    if column.data_type() == &DataType::Utf8 {
        return column;
    }
    let operand = Operand::rows(Arc::clone(&column));
    let reader = operand.reader();
    texts(column.len(), |row| reader.text(row).map(Cow::into_owned))
}

/// Any column of the types of [`Type`] as numbers (Float64): text that is no number is null, times are epoch
/// seconds.
pub fn column_as_number(column: &ArrayRef) -> ArrayRef {
    let column = normalized(column);
    if column.data_type() == &DataType::Float64 {
        return column;
    }
    let operand = Operand::rows(Arc::clone(&column));
    let reader = operand.reader();
    numbers(column.len(), |row| reader.number(row))
}
