//! `timewrap`: periods of a series of time side by side, such as this week beside the weeks before it.

use super::words::quote;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, time_type};
use crate::exec::{Flow, HIDDEN};
use crate::language::time::{SpanUnit, TimeFormat, TimeSpan};
use crate::language::{Args, QueryError, Span};
use arrow::array::{ArrayRef, RecordBatch, TimestampNanosecondArray, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Field, Schema};
use datafusion::execution::memory_pool::MemoryConsumer;
use futures::StreamExt;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::SEARCH_COLUMNS_MAX;
use taffrail_event::Timestamp;

/// What `timewrap` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "timewrap",
    aliases: &[],
    syntax: "timewrap <span> [align=end|now] [series=relative|exact|short] [time_format=<format>]",
    summary: "Puts periods of a timechart side by side: a column for the latest and for each one before it.",
    examples: &[
        "earliest=-4w error | timechart span=1d count | timewrap 1w",
        "* | timechart span=1h avg(bytes) | timewrap 1d series=short",
    ],
    parse,
};

/// How the periods are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Series {
    Relative,
    Exact,
    Short,
}

#[derive(Clone, Debug)]
struct TimeWrap {
    text: String,
    period: TimeSpan,
    from_now: bool,
    series: Series,
    format: String,
    span: Span,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut period, mut from_now, mut series, mut format) = (None, false, Series::Relative, "%Y-%m-%d".to_owned());
    while !args.at_end() {
        if let Some(option) = args.option(&["align", "series", "time_format"])? {
            match option.name.as_str() {
                "align" => from_now = option.value.one_of("align", &["end", "now"])? == "now",
                "series" => {
                    series = match option.value.one_of("series", &["relative", "exact", "short"])? {
                        "exact" => Series::Exact,
                        "short" => Series::Short,
                        _ => Series::Relative,
                    }
                }
                _ => format = option.value.text,
            }
            continue;
        }
        let word = args.word("a span of time")?;
        let parsed = TimeSpan::parse(&word.text).filter(|span| span.unit >= SpanUnit::Second && !word.text.contains('@'));
        let Some(parsed) = parsed.filter(|_| period.is_none()) else {
            return Err(QueryError::at(word.span, format!("`{}` is no period", word.text)).with_hint("write timewrap 1d, 1w or 1mon"));
        };
        period = Some((word, parsed));
    }
    let Some((word, period)) = period else {
        return Err(args.error("timewrap needs a period").with_hint("write timewrap 1d, 1w or 1mon"));
    };
    Ok(Box::new(TimeWrap { text: word.text, period, from_now, series, format, span: word.span }))
}

impl fmt::Display for TimeWrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timewrap {}", self.text)?;
        if self.from_now {
            f.write_str(" align=now")?;
        }
        match self.series {
            Series::Relative => {}
            Series::Exact => f.write_str(" series=exact")?,
            Series::Short => f.write_str(" series=short")?,
        }
        if self.format != "%Y-%m-%d" { write!(f, " time_format={}", quote(&self.format)) } else { Ok(()) }
    }
}

impl Command for TimeWrap {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::all()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let schema = input.schema();
            let mut stream = input.single().stream(planner.context.clone())?;
            let memory = MemoryConsumer::new(INFO.name).register(planner.context.memory_pool());
            let mut batches = Vec::new();
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                memory.try_grow(2 * batch.get_array_memory_size())?;
                batches.push(batch);
            }
            this.table(&concat_batches(&schema, &batches)?, &planner).map_err(|error| error.or_at(this.span))
        })))
    }
}

/// `count` periods later; of calendar months and years the same day, or the last one of the month.
fn later(time: Timestamp, period: TimeSpan, count: i64, tz: &TimeZone) -> Option<Timestamp> {
    let count = period.count.checked_mul(count)?;
    let fixed = match period.unit {
        SpanUnit::Day => Some(86_400_000_000_000),
        SpanUnit::Week => Some(604_800_000_000_000),
        unit => unit.nanos(),
    };
    if let Some(nanos) = fixed {
        return time.nanos().checked_add(nanos.checked_mul(count)?).map(Timestamp);
    }
    let months = count.checked_mul(match period.unit {
        SpanUnit::Quarter => 3,
        SpanUnit::Year => 12,
        _ => 1,
    })?;
    let zoned = jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).ok()?.to_zoned(tz.clone());
    let moved = zoned.checked_add(jiff::Span::new().try_months(months).ok()?).ok()?;
    i64::try_from(moved.timestamp().as_nanosecond()).ok().map(Timestamp)
}

impl TimeWrap {
    /// The number of the period before `end` that a time is in, 0 for the latest.
    fn period_of(&self, time: Timestamp, end: Timestamp, tz: &TimeZone) -> Option<i64> {
        let mut number = 0;
        while time < later(end, self.period, -(number + 1), tz)? {
            number += 1;
            if number as usize > SEARCH_COLUMNS_MAX {
                return None;
            }
        }
        Some(number)
    }

    fn title(&self, number: i64, end: Timestamp, tz: &TimeZone) -> String {
        let unit = match self.period.unit {
            SpanUnit::Minute => "minute",
            SpanUnit::Hour => "hour",
            SpanUnit::Day => "day",
            SpanUnit::Week => "week",
            SpanUnit::Month => "month",
            SpanUnit::Quarter => "quarter",
            SpanUnit::Year => "year",
            _ => "second",
        };
        let units = |count: i64| if count == 1 { unit.to_owned() } else { format!("{unit}s") };
        match self.series {
            Series::Short => format!("s{number}"),
            Series::Exact => {
                let start = later(end, self.period, -(number + 1), tz).unwrap_or(end);
                TimeFormat::new(&self.format).format(start, tz)
            }
            Series::Relative if number == 0 && self.period.count == 1 => format!("latest_{unit}"),
            Series::Relative if number == 0 => format!("latest_{}{}", self.period.count, units(self.period.count)),
            Series::Relative => format!("{}{}_before", number * self.period.count, units(number * self.period.count)),
        }
    }

    fn table(&self, rows: &RecordBatch, planner: &Planner) -> Result<Flow, QueryError> {
        let (schema, tz) = (rows.schema(), &planner.eval.tz);
        let Some(at) = column_index(&schema, "_time") else {
            return Err(QueryError::new("timewrap needs rows with _time").with_hint("put a timechart before it"));
        };
        let mut times: Vec<(Timestamp, u32)> = Vec::new();
        let values = Values::of(rows.column(at))?;
        for row in 0..rows.num_rows() {
            if let Some(nanos) = time_of(&values, row) {
                times.push((Timestamp(nanos), row as u32));
            }
        }
        times.sort_unstable();
        let end = match times.last() {
            _ if self.from_now => planner.eval.now,
            _ if planner.latest < Timestamp::MAX => planner.latest,
            // The last period ends where the last row does.
            Some((last, _)) => {
                let step = times.windows(2).map(|pair| pair[1].0.nanos() - pair[0].0.nanos()).filter(|step| *step > 0).min();
                Timestamp(last.nanos().saturating_add(step.unwrap_or(1)))
            }
            None => planner.eval.now,
        };
        let fields: Vec<usize> = (0..schema.fields().len())
            .filter(|at| !schema.field(*at).name().starts_with('_') && !schema.field(*at).name().starts_with(HIDDEN))
            .collect();
        // For each time of the latest period, the rows of that time and of those so many periods before it.
        let mut wrapped: BTreeMap<Timestamp, Vec<Option<u32>>> = BTreeMap::new();
        let mut periods = 1;
        for (time, row) in times {
            let placed = self.period_of(time, end, tz).and_then(|number| Some((number, later(time, self.period, number, tz)?)));
            let placed = placed.filter(|(number, _)| (*number as usize + 1).saturating_mul(fields.len().max(1)) < SEARCH_COLUMNS_MAX);
            let Some((number, moved)) = placed else {
                planner.messages.truncated(format!("timewrap shows {SEARCH_COLUMNS_MAX} columns at most; earlier periods are left out"));
                continue;
            };
            let number = number as usize;
            periods = periods.max(number + 1);
            let cells = wrapped.entry(moved).or_default();
            cells.resize(cells.len().max(number + 1), None);
            cells[number] = Some(row);
        }
        let starts = TimestampNanosecondArray::from_iter_values(wrapped.keys().map(|time| time.nanos())).with_timezone("UTC");
        let mut made = vec![Field::new("_time", time_type(), true)];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(starts)];
        for number in 0..periods {
            let places: UInt32Array = wrapped.values().map(|cells| cells.get(number).copied().flatten()).collect();
            let title = self.title(number as i64, end, tz);
            for at in &fields {
                let field = schema.field(*at);
                made.push(field.clone().with_name(format!("{}_{title}", field.name())).with_nullable(true));
                columns.push(take(rows.column(*at), &places, None)?);
            }
        }
        let schema = Arc::new(Schema::new(made));
        Ok(Flow::of_batches(schema.clone(), vec![RecordBatch::try_new(schema, columns)?], true))
    }
}

fn time_of(values: &Values, row: usize) -> Option<i64> {
    let mut found = None;
    values.each(row, |cell| {
        found = match cell {
            crate::columns::Cell::Time(nanos) => Some(nanos),
            cell => cell.number().and_then(crate::columns::nanos_of_seconds),
        };
    });
    found
}
