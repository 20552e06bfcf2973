//! `bin`: puts numbers and times into ranges.

use super::eval::{with_column, with_field};
use super::timechart::{Align, Floor, auto_span, search_range, span_text};
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::{Cell, Values, nanos_of_seconds, number_text, time_type, to_numbers};
use crate::exec::{Flow, Make, Step, Transform, hold, transform};
use crate::language::{Args, BinSpan, OptionArg, QueryError, SpanUnit, TimeSpan};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use futures::TryStreamExt;
use std::fmt;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// What `bin` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "bin",
    aliases: &["bucket", "discretize"],
    syntax: "bin [span=<number>|<time>|log<base>] [bins=<count>] [minspan=<span>] [start=<number>] [end=<number>] [aligntime=earliest|latest|<time>] <field> [AS <name>]",
    summary: "Puts numbers into ranges such as 0-100, and times at the start of their span.",
    examples: &["* | bin span=5m _time | stats count BY _time", "* | bin span=1000 bytes AS size | stats count BY size"],
    parse,
};

#[derive(Clone, Debug)]
struct Bin {
    binning: Binning,
    field: String,
    alias: Option<String>,
}

/// How values are put into ranges; also of the fields of `chart`.
#[derive(Clone, Debug)]
pub struct Binning {
    span: Option<BinSpan>,
    bins: usize,
    min_span: Option<BinSpan>,
    start: Option<f64>,
    end: Option<f64>,
    align: Option<Align>,
}

/// The options of [`Binning`].
pub const OPTIONS: [&str; 6] = ["span", "bins", "minspan", "start", "end", "aligntime"];

impl Default for Binning {
    fn default() -> Self {
        Self { span: None, bins: 100, min_span: None, start: None, end: None, align: None }
    }
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut bin = Bin { binning: Binning::default(), field: String::new(), alias: None };
    while !args.at_end() {
        if let Some(option) = args.option(&OPTIONS)? {
            bin.binning.option(&option)?;
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

impl Binning {
    /// Takes one of [`OPTIONS`].
    pub fn option(&mut self, option: &OptionArg) -> Result<(), QueryError> {
        let value = &option.value;
        match option.name.as_str() {
            "span" => self.span = Some(value.span_value("span")?),
            "bins" => self.bins = value.integer("bins", 2)? as usize,
            "minspan" => self.min_span = Some(value.span_value("minspan")?),
            "start" => self.start = Some(value.number("start")?),
            "end" => self.end = Some(value.number("end")?),
            _ => self.align = Some(Align::parse(value)?),
        }
        Ok(())
    }
}

/// Prints the options, each with a blank before it.
impl fmt::Display for Binning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in [
            ("span", self.span.map(bin_span_text)),
            ("bins", (self.bins != 100).then(|| self.bins.to_string())),
            ("minspan", self.min_span.map(bin_span_text)),
            ("start", self.start.map(number_text)),
            ("end", self.end.map(number_text)),
            ("aligntime", self.align.as_ref().map(Align::text)),
        ] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
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
        write!(f, "bin{}", self.binning)?;
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
        self.binning.is_fixed()
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_rows(&self) -> bool {
        // Else the ranges depend on all rows.
        self.binning.is_fixed()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let Some(at) = column_index(&input.schema(), &self.field) else { return Ok(input.into()) };
        let target = self.alias.clone().unwrap_or_else(|| self.field.clone());
        if self.binning.is_fixed() {
            let is_time = self.binning.is_time(&input, at);
            return Ok(match self.binning.fixed(is_time, None, planner)? {
                Some(bins) => bins.apply(input, at, &target).into(),
                None => input.into(),
            });
        }
        let (binning, planner) = (self.binning.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let input = hold(input, &planner.context, |_| Ok(())).await?;
            Ok(match binning.settle(&input, at, &planner).await? {
                Some(bins) => bins.apply(input, at, &target),
                None => input,
            })
        })))
    }
}

fn seconds_span(number: f64) -> Result<TimeSpan, QueryError> {
    if number >= 1.0 && number.fract() == 0.0 {
        return Ok(TimeSpan::new(number as i64, SpanUnit::Second));
    }
    Err(QueryError::new("a span of time needs a unit").with_hint("write span=500ms or span=10s"))
}

impl Binning {
    /// Whether the ranges are known without looking at rows.
    pub fn is_fixed(&self) -> bool {
        self.span.is_some() && matches!(self.align, None | Some(Align::Time(_)))
    }

    fn is_time(&self, input: &Flow, at: usize) -> bool {
        let schema = input.schema();
        let field = schema.field(at);
        matches!(field.data_type(), DataType::Timestamp(..))
            || (field.name() == "_time" && matches!(self.span, None | Some(BinSpan::Time(_))))
    }

    /// The ranges that the span says; `None` without one.
    fn fixed(&self, is_time: bool, align: Option<Timestamp>, planner: &Planner) -> Result<Option<Bins>, QueryError> {
        let align = match &self.align {
            Some(Align::Time(text)) => Some(crate::language::resolve(text, planner.eval.now, &planner.eval.tz)?),
            _ => align,
        };
        let times = |span| Bins::Times(Floor::new(span, planner.eval.tz.clone()).aligned(align));
        Ok(match self.span {
            Some(BinSpan::Time(span)) if is_time => Some(times(span)),
            // Plain numbers mean seconds for times; a span of time means seconds for numbers.
            Some(BinSpan::Number(number)) if is_time => Some(times(seconds_span(number)?)),
            Some(BinSpan::Time(span)) => Some(Bins::Numbers(Ranges::Width(span.seconds()))),
            Some(BinSpan::Number(number)) => Some(Bins::Numbers(Ranges::Width(number))),
            Some(BinSpan::Log { coefficient, base }) => Some(Bins::Numbers(Ranges::Log { coefficient, base })),
            None => None,
        })
    }

    /// The ranges of the column `at`; without a span, as many as `bins` allows over what there is. `None` where there
    /// is nothing. The rows may be read.
    pub async fn settle(&self, input: &Flow, at: usize, planner: &Planner) -> Result<Option<Bins>, QueryError> {
        let is_time = self.is_time(input, at);
        let align = match (&self.align, is_time) {
            (Some(align), true) => align.settle(planner).await?,
            _ => None,
        };
        if let Some(bins) = self.fixed(is_time, align, planner)? {
            return Ok(Some(bins));
        }
        if is_time {
            let Some((start, end)) = search_range(planner).await? else { return Ok(None) };
            let least = match self.min_span {
                Some(BinSpan::Time(span)) => Some(span),
                _ => None,
            };
            let span = auto_span(start, end, self.bins, least);
            return Ok(Some(Bins::Times(Floor::new(span, planner.eval.tz.clone()).aligned(align))));
        }
        self.widths(input, at, planner).await
    }

    /// Ranges of numbers, each a power of ten wide.
    async fn widths(&self, input: &Flow, at: usize, planner: &Planner) -> Result<Option<Bins>, QueryError> {
        let (mut low, mut high) = (self.start.unwrap_or(f64::INFINITY), self.end.unwrap_or(f64::NEG_INFINITY));
        // The rows are read twice: the ranges depend on all of them.
        let mut rows = input.clone().stream(planner.context.clone())?;
        while let Some(batch) = rows.try_next().await? {
            for number in to_numbers(batch.column(at))?.iter().flatten() {
                (low, high) = (low.min(number), high.max(number));
            }
        }
        if low > high {
            return Ok(None);
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
        Ok(Some(Bins::Numbers(Ranges::Width(width))))
    }
}

/// Ranges, ready to put values into.
#[derive(Clone, Debug)]
pub enum Bins {
    /// Spans of time.
    Times(Floor),
    /// Ranges of numbers.
    Numbers(Ranges),
}

impl Bins {
    /// The rows with the column `at` put into ranges, as the column `target`.
    pub fn apply(&self, input: Flow, at: usize, target: &str) -> Flow {
        match self {
            Self::Times(floor) => times(input, at, floor, target),
            Self::Numbers(ranges) => numbers(input, at, *ranges, target),
        }
    }
}

fn times(input: Flow, at: usize, floor: &Floor, target: &str) -> Flow {
    let schema = with_field(&input.schema(), Field::new(target, time_type(), true));
    let (made, name, floor) = (schema.clone(), target.to_owned(), floor.clone());
    let make: Make = Arc::new(move |_| Ok(Box::new(Times { at, floor: floor.clone(), schema: made.clone(), name: name.clone() })));
    input.map("bin", schema, make)
}

fn numbers(input: Flow, at: usize, ranges: Ranges, target: &str) -> Flow {
    let schema = with_field(&input.schema(), Field::new(target, DataType::Utf8, true));
    let (made, name) = (schema.clone(), target.to_owned());
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
pub enum Ranges {
    /// All equally wide.
    Width(f64),
    /// Each larger than the one before by a factor.
    Log {
        /// The first bound above zero.
        coefficient: f64,
        /// The factor.
        base: f64,
    },
}

impl Ranges {
    /// The range that a number lies in, as text.
    pub fn label(self, number: f64) -> String {
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
