//! `makecontinuous`: rows for the spans of time, or the steps of a number, that have none.

use super::columns_set::set;
use super::timechart::{Floor, span_text};
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, nanos_of_seconds, number_text, time_type, to_numbers};
use crate::commands::bin::floor_times;
use crate::exec::order::{Key, sort};
use crate::exec::{Flow, Make, Step, Transform, hold};
use crate::language::{Args, BinSpan, QueryError, TimeSpan};
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result as ExecResult;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::TIME_BUCKETS_MAX;
use taffrail_event::Timestamp;

/// What `makecontinuous` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "makecontinuous",
    aliases: &[],
    syntax: "makecontinuous [<field>] [span=<time or number>] [start=<number>] [end=<number>]",
    summary: "Sorts by a field, _time unless told otherwise, and adds a row for each span that has none.",
    examples: &[
        "* | bin _time span=1h | stats count BY _time | makecontinuous span=1h",
        "* | stats count BY port | makecontinuous port span=1",
    ],
    parse,
};

#[derive(Clone, Debug)]
struct MakeContinuous {
    field: String,
    span: Option<BinSpan>,
    start: Option<f64>,
    end: Option<f64>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut make = MakeContinuous { field: String::new(), span: None, start: None, end: None };
    while !args.at_end() {
        if let Some(option) = args.option(&["span", "start", "end"])? {
            match option.name.as_str() {
                "span" => {
                    make.span = Some(option.value.span_value("span")?);
                    if matches!(make.span, Some(BinSpan::Log { .. })) {
                        let error = QueryError::at(option.value.span, "makecontinuous needs spans of one width");
                        return Err(error.with_hint("write a time (10m, 1d) or a number"));
                    }
                }
                "start" => make.start = Some(option.value.number("start")?),
                _ => make.end = Some(option.value.number("end")?),
            }
        } else {
            let field = args.field("a field name")?;
            if !make.field.is_empty() || field.is_wildcard() {
                return Err(QueryError::at(field.span, "makecontinuous takes one field"));
            }
            make.field = field.name;
        }
    }
    if make.field.is_empty() {
        make.field = "_time".into();
    }
    Ok(Box::new(make))
}

impl fmt::Display for MakeContinuous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "makecontinuous {}", quote_field(&self.field))?;
        match self.span {
            Some(BinSpan::Time(span)) => write!(f, " span={}", span_text(span))?,
            Some(BinSpan::Number(number)) => write!(f, " span={}", number_text(number))?,
            _ => {}
        }
        for (name, bound) in [("start", self.start), ("end", self.end)] {
            if let Some(bound) = bound {
                write!(f, " {name}={}", quote(&number_text(bound)))?;
            }
        }
        Ok(())
    }
}

/// Values of the field that no two rows of the answer share, in the unit of the column: nanoseconds or the number itself.
#[derive(Clone, Copy)]
enum Steps {
    Calendar(TimeSpan),
    Every(f64),
}

impl Command for MakeContinuous {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, needed: Required) -> Required {
        needed.with([self.field.clone()])
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let Some(at) = column_index(&schema, &self.field) else { return Ok(input.into()) };
        let spans_of_time = matches!(self.span, Some(BinSpan::Time(_)));
        // Epoch seconds after an `eval` are times too.
        let time = *schema.field(at).data_type() == time_type() || (spans_of_time && self.field == "_time");
        if !time && spans_of_time {
            let error = QueryError::new(format!("{} holds numbers, so its span cannot be a time", quote_field(&self.field)));
            return Err(error.with_hint("write a number: span=10"));
        }
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            // More values than this are more rows than can be added to.
            let mut values: BTreeSet<i64> = BTreeSet::new();
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            let unit = if time { 1e9 } else { 1.0 };
            let look = |batch: &RecordBatch| {
                for number in to_numbers(batch.column(at))?.iter().flatten() {
                    (low, high) = (low.min(number), high.max(number));
                    if this.span.is_none() && values.len() <= TIME_BUCKETS_MAX {
                        values.insert((number * 1e6).round() as i64);
                    }
                }
                Ok(())
            };
            let held = hold(input, &planner.context, look).await?;
            let (low, high) = (low.min(this.start.unwrap_or(low)), high.max(this.end.unwrap_or(high)));
            if low > high {
                return Ok(Flow { table: true, ..held });
            }
            let gap = values.iter().zip(values.iter().skip(1)).map(|(a, b)| (b - a) as f64 / 1e6).reduce(f64::min);
            let steps = match this.span {
                Some(BinSpan::Time(span)) => Steps::Calendar(span),
                Some(BinSpan::Number(width)) => Steps::Every(width * unit),
                _ => Steps::Every(gap.unwrap_or(1.0) * unit),
            };
            this.filled(held, at, time, steps, (low * unit, high * unit), &planner)
        })))
    }
}

impl MakeContinuous {
    fn filled(&self, held: Flow, at: usize, time: bool, steps: Steps, range: (f64, f64), planner: &Planner) -> Result<Flow, QueryError> {
        let tz = planner.eval.tz.clone();
        let mut expected = Vec::new();
        let mut next = match steps {
            Steps::Calendar(span) => span.floor(Timestamp(range.0 as i64), &tz).nanos() as f64,
            // Rows that are not put into spans stay where they are, and so does the first.
            Steps::Every(_) if self.span.is_none() => range.0,
            Steps::Every(width) => (range.0 / width).floor() * width,
        };
        let first = next;
        while next <= range.1 + 1e-9 * range.1.abs() {
            expected.push(next);
            if expected.len() > TIME_BUCKETS_MAX {
                let error = QueryError::new(format!("makecontinuous would make more than {TIME_BUCKETS_MAX} rows"));
                return Err(error.with_hint("use a larger span, or bin the field before"));
            }
            next = match steps {
                Steps::Calendar(span) => span.next(Timestamp(next as i64), &tz).nanos() as f64,
                Steps::Every(width) => first + expected.len() as f64 * width,
            };
        }
        let kind = if time { time_type() } else { DataType::Float64 };
        let put_in_spans = self.span.is_some();
        let maker = move |batch: &RecordBatch| -> ExecResult<ArrayRef> {
            let column = batch.column(at);
            Ok(match steps {
                Steps::Calendar(span) => floor_times(column, &mut Floor::new(span, tz.clone()))?,
                Steps::Every(_) if time && !put_in_spans => column.clone(),
                Steps::Every(width) if time => {
                    let floored = to_numbers(column)?
                        .iter()
                        .map(|number| nanos_of_seconds((number? * 1e9 / width).floor() * width / 1e9))
                        .collect::<Vec<_>>();
                    Arc::new(TimestampNanosecondArray::from(floored).with_timezone("UTC"))
                }
                Steps::Every(_) if !put_in_spans => Arc::new(to_numbers(column)?),
                Steps::Every(width) => {
                    Arc::new(to_numbers(column)?.unary::<_, arrow::datatypes::Float64Type>(|number| (number / width).floor() * width))
                }
            })
        };
        let placed = set("spans", held, vec![(Field::new(&self.field, kind, true), Arc::new(maker))]);
        let sorted = sort(placed, &[Key::ascending(&self.field)], None)?;
        let schema = sorted.schema();
        let expected = Arc::new(expected);
        let make: Make = Arc::new(move |_| Ok(Box::new(Fill { at, time, expected: expected.clone(), next: 0, last: None })));
        Ok(Flow { table: true, ..sorted }.map("makecontinuous", schema, make))
    }
}

/// Puts the expected values that no row has between the rows, which come sorted.
struct Fill {
    at: usize,
    time: bool,
    expected: Arc<Vec<f64>>,
    next: usize,
    /// The last batch, of which rows of nothing are made at the end.
    last: Option<RecordBatch>,
}

impl Fill {
    /// The expected values before `up_to` that are still to come.
    fn missing(&mut self, up_to: f64, rows: &mut Vec<Option<u32>>, values: &mut Vec<Option<f64>>) {
        // Widths that are no binary fractions make sums that differ in the last digits.
        let close = 1e-9 * up_to.abs().min(1e30);
        while self.next < self.expected.len() && self.expected[self.next] < up_to - close {
            rows.push(None);
            values.push(Some(self.expected[self.next]));
            self.next += 1;
        }
        while self.next < self.expected.len() && self.expected[self.next] <= up_to + close {
            self.next += 1;
        }
    }

    fn batch(&self, batch: &RecordBatch, rows: Vec<Option<u32>>, values: Vec<Option<f64>>) -> ExecResult<RecordBatch> {
        let rows = UInt32Array::from(rows);
        let mut columns = batch.columns().iter().map(|column| take(column, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        columns[self.at] = if self.time {
            let times: Vec<Option<i64>> = values.into_iter().map(|value| value.map(|nanos| nanos as i64)).collect();
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
        } else {
            Arc::new(Float64Array::from(values))
        };
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }
}

impl Transform for Fill {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let column = Values::of(batch.column(self.at))?;
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            let value = match &column {
                Values::Time(times) => times.is_valid(row).then(|| times.value(row) as f64),
                other => other.number(row),
            };
            self.missing(value.unwrap_or(f64::INFINITY), &mut rows, &mut values);
            rows.push(Some(row as u32));
            values.push(value);
        }
        let out = self.batch(&batch, rows, values)?;
        self.last = Some(batch.slice(0, batch.num_rows().min(1)));
        Ok(Step::Rows(out))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        let Some(last) = self.last.take() else { return Ok(None) };
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        self.missing(f64::INFINITY, &mut rows, &mut values);
        Ok(Some(self.batch(&last, rows, values)?))
    }
}
