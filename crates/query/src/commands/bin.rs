//! `bin`: puts numbers and times into ranges.

use super::eval::{with_column, with_field};
use super::timechart::{Floor, auto_span, search_range, span_text};
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::{Cell, Values, nanos_of_seconds, number_text, time_type, to_numbers};
use crate::exec::{Flow, Make, Step, Transform, transform};
use crate::language::{Args, BinSpan, QueryError, SpanUnit, TimeSpan};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use futures::TryStreamExt;
use std::fmt;
use std::sync::Arc;

/// What `bin` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "bin",
    aliases: &["bucket", "discretize"],
    syntax: "bin [span=<number>|<time>|log<base>] [bins=<count>] [minspan=<span>] [start=<number>] [end=<number>] <field> [AS <name>]",
    summary: "Puts numbers into ranges such as 0-100, and times at the start of their span.",
    examples: &["* | bin span=5m _time | stats count BY _time", "* | bin span=1000 bytes AS size | stats count BY size"],
    parse,
};

#[derive(Clone, Debug)]
struct Bin {
    span: Option<BinSpan>,
    bins: usize,
    min_span: Option<BinSpan>,
    start: Option<f64>,
    end: Option<f64>,
    field: String,
    alias: Option<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut bin = Bin { span: None, bins: 100, min_span: None, start: None, end: None, field: String::new(), alias: None };
    while !args.at_end() {
        if let Some(option) = args.option(&["span", "bins", "minspan", "start", "end", "aligntime"])? {
            match option.name.as_str() {
                "span" => bin.span = Some(option.value.span_value("span")?),
                "bins" => bin.bins = option.value.integer("bins", 2)? as usize,
                "minspan" => bin.min_span = Some(option.value.span_value("minspan")?),
                "start" => bin.start = Some(option.value.number("start")?),
                "end" => bin.end = Some(option.value.number("end")?),
                _ => {
                    let error = QueryError::at(option.span, "bin does not support aligntime yet");
                    return Err(error.with_hint("spans are aligned to the clock: span=1h begins on the hour"));
                }
            }
        } else if bin.field.is_empty() {
            bin.field = args.field("a field name")?.name;
        } else if args.keyword("as") {
            bin.alias = Some(args.field("a field name")?.name);
        } else {
            return Err(args.error("expected AS or the end of the command"));
        }
    }
    if bin.field.is_empty() {
        return Err(args.error("expected a field name"));
    }
    Ok(Box::new(bin))
}

fn bin_span_text(span: BinSpan) -> String {
    match span {
        BinSpan::Time(span) => span_text(span),
        BinSpan::Number(number) => number_text(number),
        BinSpan::Log { coefficient, base } => format!("{}log{}", number_text(coefficient), number_text(base)),
    }
}

impl fmt::Display for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bin")?;
        for (name, value) in [
            ("span", self.span.map(bin_span_text)),
            ("bins", (self.bins != 100).then(|| self.bins.to_string())),
            ("minspan", self.min_span.map(bin_span_text)),
            ("start", self.start.map(number_text)),
            ("end", self.end.map(number_text)),
        ] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        write!(f, " {}", quote_field(&self.field))?;
        match &self.alias {
            Some(alias) => write!(f, " AS {}", quote_field(alias)),
            None => Ok(()),
        }
    }
}

impl Command for Bin {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        let needed = match &self.alias {
            Some(alias) => needed.without([alias.as_str()]),
            None => needed,
        };
        needed.with([self.field.clone()])
    }

    fn streaming(&self) -> bool {
        self.span.is_some()
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_rows(&self) -> bool {
        true
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let Some(at) = column_index(&schema, &self.field) else { return Ok(input.into()) };
        let is_time = matches!(schema.field(at).data_type(), DataType::Timestamp(..));
        match self.span {
            Some(BinSpan::Time(span)) if is_time || self.field == "_time" => Ok(self.times(input, at, span, planner).into()),
            // Plain numbers mean seconds for times; a span of time means seconds for numbers.
            Some(BinSpan::Number(number)) if is_time => Ok(self.times(input, at, seconds_span(number)?, planner).into()),
            Some(BinSpan::Time(span)) => Ok(self.numbers(input, at, Ranges::Width(span.seconds())).into()),
            Some(BinSpan::Number(number)) => Ok(self.numbers(input, at, Ranges::Width(number)).into()),
            Some(BinSpan::Log { coefficient, base }) => Ok(self.numbers(input, at, Ranges::Log { coefficient, base }).into()),
            None => {
                let (this, planner) = (self.clone(), planner.clone());
                Ok(Planned::Later(Box::pin(async move { this.later(input, at, is_time, &planner).await })))
            }
        }
    }
}

fn seconds_span(number: f64) -> Result<TimeSpan, QueryError> {
    if number >= 1.0 && number.fract() == 0.0 {
        return Ok(TimeSpan::new(number as i64, SpanUnit::Second));
    }
    Err(QueryError::new("a span of time needs a unit").with_hint("write span=500ms or span=10s"))
}

impl Bin {
    /// Without a span: as many ranges as `bins` allows over what there is.
    async fn later(self, input: Flow, at: usize, is_time: bool, planner: &Planner) -> Result<Flow, QueryError> {
        if is_time {
            let Some((start, end)) = search_range(planner).await? else { return Ok(input) };
            let least = match self.min_span {
                Some(BinSpan::Time(span)) => Some(span),
                _ => None,
            };
            let span = auto_span(start, end, self.bins, least);
            return Ok(self.times(input, at, span, planner));
        }
        let (mut low, mut high) = (self.start.unwrap_or(f64::INFINITY), self.end.unwrap_or(f64::NEG_INFINITY));
        // The rows are read twice: the ranges depend on all of them.
        let mut rows = input.clone().stream(planner.context.clone())?;
        while let Some(batch) = rows.try_next().await? {
            for number in to_numbers(batch.column(at))?.iter().flatten() {
                (low, high) = (low.min(number), high.max(number));
            }
        }
        if low > high {
            return Ok(input);
        }
        let least = match self.min_span {
            Some(BinSpan::Number(number)) => number,
            _ => 0.0,
        };
        let mut width = 10f64.powi(((high - low).max(f64::MIN_POSITIVE) / self.bins as f64).log10().ceil() as i32).max(least);
        if high == low {
            width = least.max(1.0);
        }
        while (high / width).floor() - (low / width).floor() + 1.0 > self.bins as f64 {
            width *= 10.0;
        }
        Ok(self.numbers(input, at, Ranges::Width(width)))
    }

    fn target(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.field)
    }

    fn times(&self, input: Flow, at: usize, span: TimeSpan, planner: &Planner) -> Flow {
        let schema = with_field(&input.schema(), Field::new(self.target(), time_type(), true));
        let (made, name, tz) = (schema.clone(), self.target().to_owned(), planner.eval.tz.clone());
        let make: Make =
            Arc::new(move |_| Ok(Box::new(Times { at, floor: Floor::new(span, tz.clone()), schema: made.clone(), name: name.clone() })));
        input.map("bin", schema, make)
    }

    fn numbers(&self, input: Flow, at: usize, ranges: Ranges) -> Flow {
        let schema = with_field(&input.schema(), Field::new(self.target(), DataType::Utf8, true));
        let (made, name) = (schema.clone(), self.target().to_owned());
        let work = transform(move |batch: RecordBatch| {
            let values = Values::of(batch.column(at))?;
            let label = |row| match values.number(row) {
                Some(number) => Some(ranges.label(number)),
                // What is no number stays as it is.
                None => values.text(row),
            };
            let column: ArrayRef = Arc::new((0..batch.num_rows()).map(label).collect::<StringArray>());
            Ok(with_column(&batch, &made, &name, column)?)
        });
        input.map("bin", schema, work)
    }
}

struct Times {
    at: usize,
    floor: Floor,
    schema: SchemaRef,
    name: String,
}

impl Transform for Times {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let column = floor_times(batch.column(self.at), &mut self.floor)?;
        Ok(Step::Rows(with_column(&batch, &self.schema, &self.name, column)?))
    }
}

/// Times (or epoch seconds) at the start of their span.
pub fn floor_times(column: &ArrayRef, floor: &mut Floor) -> ExecResult<ArrayRef> {
    let values = Values::of(column)?;
    let mut out = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        let mut nanos = None;
        values.each(row, |cell| {
            nanos = match cell {
                Cell::Time(nanos) => Some(nanos),
                other => other.number().and_then(nanos_of_seconds),
            };
        });
        out.push(nanos.map(|nanos| floor.of(nanos)));
    }
    Ok(Arc::new(TimestampNanosecondArray::from(out).with_timezone("UTC")))
}

/// Ranges of numbers.
#[derive(Clone, Copy, Debug)]
enum Ranges {
    Width(f64),
    Log { coefficient: f64, base: f64 },
}

impl Ranges {
    fn label(self, number: f64) -> String {
        let (low, high) = match self {
            Self::Width(width) => {
                let place = (number / width).floor();
                (place * width, (place + 1.0) * width)
            }
            Self::Log { coefficient, base } if number > 0.0 => {
                let mut place = ((number / coefficient).ln() / base.ln()).floor();
                // Logarithms of exact powers fall a hair to either side.
                if coefficient * base.powf(place + 1.0) <= number {
                    place += 1.0;
                } else if coefficient * base.powf(place) > number {
                    place -= 1.0;
                }
                (coefficient * base.powf(place), coefficient * base.powf(place + 1.0))
            }
            Self::Log { .. } => return number_text(number),
        };
        format!("{}-{}", number_text(low), number_text(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(Ranges::Width(100.0).label(0.0), "0-100");
        assert_eq!(Ranges::Width(100.0).label(99.9), "0-100");
        assert_eq!(Ranges::Width(100.0).label(-1.0), "-100-0");
        assert_eq!(Ranges::Width(0.1).label(0.35), "0.3-0.4");
        assert_eq!(Ranges::Log { coefficient: 1.0, base: 10.0 }.label(1000.0), "1000-10000");
        assert_eq!(Ranges::Log { coefficient: 2.0, base: 5.0 }.label(3.0), "2-10");
    }
}
