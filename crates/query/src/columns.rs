//! Columns as the search language sees them: text, numbers, times and lists of text, whatever Arrow type holds them.
//!
//! Types in a pipeline: `Utf8`, `Float64`, `Int64`, `Boolean`, `Timestamp(ns, UTC)`, `List<Utf8>` and, for the raw bytes
//! only, `Binary`. Nothing here knows commands.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Float64Builder, Int64Array, ListArray, ListBuilder, StringArray,
    StringBuilder, TimestampNanosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::error::ArrowError;
use std::borrow::Cow;
use std::cell;
use std::sync::Arc;
use taffrail_base::limits::{COMPUTED_BYTES_MAX, COMPUTED_VALUES_MAX, SCAN_BATCH_ROWS};

/// Marks, in a field's metadata, a text column whose numeric values are to be shown as numbers (`min`, `max`).
pub const DYNAMIC: &str = "dynamic";

thread_local! {
    static OVERFLOWED: cell::Cell<bool> = const { cell::Cell::new(false) };
}

/// What a computed column may still hold. Expressions do not fail: what does not fit is missing, and whoever runs them asks
/// [`overflowed`] before the rows go on.
pub struct Room(usize);

impl Room {
    /// For a column of one batch.
    pub fn new() -> Self {
        Self(COMPUTED_BYTES_MAX)
    }

    /// Whether there is room for a value.
    pub fn takes(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => self.0 = left,
            None => {
                self.0 = 0;
                OVERFLOWED.set(true);
                return false;
            }
        }
        true
    }

    /// Whether there is room for a list of so many values of so many bytes.
    pub fn takes_list(&mut self, values: usize, bytes: usize) -> bool {
        self.takes(if values > COMPUTED_VALUES_MAX { usize::MAX } else { bytes })
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of the longest value of each text and list column, added up: what a row that is repeated can take at most, about.
pub fn widest_row(columns: &[ArrayRef]) -> usize {
    let longest = |offsets: &[i32]| offsets.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0);
    let widest = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8 => longest(column.as_string::<i32>().value_offsets()),
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let each = lists.values().get_array_memory_size() / lists.values().len().max(1);
            longest(lists.value_offsets()) * each.max(1)
        }
        _ => size_of::<u64>(),
    };
    columns.iter().map(widest).sum()
}

/// An error if values that this thread has computed did not fit since this was last asked.
pub fn overflowed() -> taffrail_base::Result<()> {
    if !OVERFLOWED.replace(false) {
        return Ok(());
    }
    let most = COMPUTED_BYTES_MAX >> 20;
    let message = format!(
        "an expression makes more than {most} MiB of text in {SCAN_BATCH_ROWS} rows, or a field of more than {COMPUTED_VALUES_MAX} values, which is the limit"
    );
    Err(taffrail_base::Error::new(taffrail_base::ErrorKind::Limit, message).with_hint("make the values shorter, for example with substr()"))
}

/// The type of times.
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// The type of fields with many values.
pub fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// A column of one of the types of a pipeline.
#[derive(Clone, Debug)]
pub enum Values {
    /// Text.
    Text(StringArray),
    /// Numbers.
    Number(Float64Array),
    /// Whole numbers.
    Whole(Int64Array),
    /// Truth values.
    Flag(BooleanArray),
    /// Times; as a value, seconds since the epoch.
    Time(TimestampNanosecondArray),
    /// Lists of text.
    Many(ListArray),
    /// Bytes.
    Bytes(BinaryArray),
}

/// One value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Text.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// A time, in nanoseconds since the epoch.
    Time(i64),
}

impl<'a> Cell<'a> {
    /// As a number, where it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Text(text) => parse_number(text),
            Self::Number(number) => Some(number),
            Self::Time(nanos) => Some(taffrail_event::Timestamp(nanos).seconds_f64()),
        }
    }

    /// As text.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number_text(number)),
            Self::Time(nanos) => Cow::Owned(seconds_text(nanos)),
        }
    }
}

impl Values {
    /// Looks at a column; other types are cast to text.
    pub fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        fn take<T: Clone + 'static>(column: &ArrayRef) -> T {
            column.as_any().downcast_ref::<T>().expect("the type was matched").clone()
        }
        Ok(match column.data_type() {
            DataType::Utf8 => Self::Text(take(column)),
            DataType::Float64 => Self::Number(take(column)),
            DataType::Int64 => Self::Whole(take(column)),
            DataType::Boolean => Self::Flag(take(column)),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Time(take(column)),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => Self::Many(take(column)),
            DataType::Binary => Self::Bytes(take(column)),
            DataType::UInt64 | DataType::Int32 | DataType::UInt32 => Self::Whole(take(&cast(column, &DataType::Int64)?)),
            DataType::Float32 => Self::Number(take(&cast(column, &DataType::Float64)?)),
            _ => Self::Text(take(&cast(column, &DataType::Utf8)?)),
        })
    }

    /// Calls `each` with every value of a row; a missing field has none.
    pub fn each(&self, row: usize, mut each: impl FnMut(Cell<'_>)) {
        match self {
            Self::Text(a) if a.is_valid(row) => each(Cell::Text(a.value(row))),
            Self::Number(a) if a.is_valid(row) => each(Cell::Number(a.value(row))),
            Self::Whole(a) if a.is_valid(row) => each(Cell::Number(a.value(row) as f64)),
            Self::Flag(a) if a.is_valid(row) => each(Cell::Text(if a.value(row) { "True" } else { "False" })),
            Self::Time(a) if a.is_valid(row) => each(Cell::Time(a.value(row))),
            Self::Bytes(a) if a.is_valid(row) => each(Cell::Text(&String::from_utf8_lossy(a.value(row)))),
            Self::Many(a) if a.is_valid(row) => {
                let items = a.value(row);
                if let Some(items) = items.as_any().downcast_ref::<StringArray>() {
                    items.iter().flatten().for_each(|item| each(Cell::Text(item)));
                }
            }
            _ => {}
        }
    }

    /// The row's value as text, several joined by a space; `None` where the field is missing.
    pub fn text(&self, row: usize) -> Option<String> {
        if let Self::Text(a) = self {
            return a.is_valid(row).then(|| a.value(row).to_owned());
        }
        let mut out: Option<String> = None;
        self.each(row, |cell| match &mut out {
            None => out = Some(cell.text().into_owned()),
            Some(text) => {
                text.push(' ');
                text.push_str(&cell.text());
            }
        });
        out
    }

    /// The row's value as a number, where it is a single one.
    pub fn number(&self, row: usize) -> Option<f64> {
        let mut out = None;
        let mut count = 0;
        self.each(row, |cell| {
            count += 1;
            out = cell.number();
        });
        if count == 1 { out } else { None }
    }

    /// Whether the field is missing in the row.
    pub fn is_missing(&self, row: usize) -> bool {
        let mut missing = true;
        self.each(row, |_| missing = false);
        missing
    }

    /// The values of a row.
    pub fn list(&self, row: usize) -> Vec<String> {
        let mut out = Vec::new();
        self.each(row, |cell| out.push(cell.text().into_owned()));
        out
    }
}

/// A column as text; lists are joined by a space.
pub fn to_text(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let values = Values::of(column)?;
    if let Values::Text(text) = values {
        return Ok(text);
    }
    Ok((0..column.len()).map(|row| values.text(row)).collect())
}

/// A column as numbers; what is not a number becomes null.
pub fn to_numbers(column: &ArrayRef) -> Result<Float64Array, ArrowError> {
    let values = Values::of(column)?;
    if let Values::Number(numbers) = values {
        return Ok(numbers);
    }
    let mut out = Float64Builder::with_capacity(column.len());
    for row in 0..column.len() {
        out.append_option(values.number(row));
    }
    Ok(out.finish())
}

/// A column in one of the types of a pipeline.
pub fn normalise(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match Values::of(column)? {
        Values::Text(a) => Arc::new(a),
        Values::Number(a) => Arc::new(a),
        Values::Whole(a) => Arc::new(a),
        Values::Flag(a) => Arc::new(a),
        Values::Time(a) => Arc::new(a.with_timezone("UTC")),
        Values::Many(a) => Arc::new(a),
        Values::Bytes(a) => Arc::new(a),
    })
}

/// A column of nothing.
pub fn missing(rows: usize) -> ArrayRef {
    new_null_array(&DataType::Utf8, rows)
}

/// A column of lists; an empty or absent list is a missing field.
pub fn lists<'a>(rows: impl Iterator<Item = Option<&'a [String]>>) -> ArrayRef {
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in rows {
        let items = row.unwrap_or_default();
        items.iter().for_each(|item| out.values().append_value(item));
        out.append(!items.is_empty());
    }
    Arc::new(out.finish())
}

/// Text as a number, as the language sees it: decimal, with fraction and exponent; blanks around are no harm.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    // Rust also reads "inf", "nan" and "infinity", which are words here.
    if !text.bytes().last().is_some_and(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    text.parse().ok()
}

/// A number as the language prints it: whole numbers without a fraction, others with at most 15 digits that count.
pub fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return (number as i64).to_string();
    }
    match format!("{number:.14e}").parse::<f64>() {
        Ok(rounded) => rounded.to_string(),
        Err(_) => number.to_string(),
    }
}

/// A time as seconds since the epoch, exactly, with the digits that are needed.
pub fn seconds_text(nanos: i64) -> String {
    let seconds = nanos.div_euclid(1_000_000_000);
    let fraction = nanos.rem_euclid(1_000_000_000);
    if fraction == 0 {
        return seconds.to_string();
    }
    if seconds < 0 {
        return number_text(taffrail_event::Timestamp(nanos).seconds_f64());
    }
    let text = format!("{seconds}.{fraction:09}");
    text.trim_end_matches('0').to_owned()
}

/// Seconds since the epoch as nanoseconds; `None` beyond what a time can hold.
pub fn nanos_of_seconds(seconds: f64) -> Option<i64> {
    let whole = seconds.floor();
    if !(-9.2e9..9.2e9).contains(&whole) {
        return None;
    }
    // A double holds present-day seconds to about 0.2 microseconds: rounded to that, digits come back as typed.
    let micros = ((seconds - whole) * 1e6).round() as i64;
    (whole as i64).checked_mul(1_000_000_000)?.checked_add(micros * 1_000)
}
