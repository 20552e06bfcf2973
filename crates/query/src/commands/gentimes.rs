//! `gentimes`: a row for each span of a range of time.

use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::exec::Flow;
use crate::language::lexer::quoted;
use crate::language::time::{SpanUnit, TimeFormat, TimeSpan};
use crate::language::{Args, QueryError, Word, resolve};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::TIME_BUCKETS_MAX;
use taffrail_event::Timestamp;

/// What `gentimes` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "gentimes",
    aliases: &[],
    syntax: "gentimes start=<days|date> [end=<days|date>] [increment=<count>s|m|h|d]",
    summary: "Makes a row for each span of a range: its first and last second, as numbers and for people. Days count from today's midnight.",
    examples: &["| gentimes start=-7 increment=1d", "| gentimes start=10/19/2026 end=10/20/2026 increment=1h"],
    parse,
};

/// A day counted from today, or a date.
#[derive(Clone, Debug)]
struct Moment(Word);

#[derive(Debug)]
struct GenTimes {
    start: Moment,
    end: Option<Moment>,
    increment: (i64, Word),
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut start, mut end, mut increment) = (None, None, None);
    while !args.at_end() {
        let Some(option) = args.option(&["start", "end", "increment"])? else {
            return Err(args.error("expected an option").with_hint("the options are start, end, increment"));
        };
        match option.name.as_str() {
            "start" => start = Some(Moment::parse(option.value)?),
            "end" => end = Some(Moment::parse(option.value)?),
            _ => increment = Some((seconds(&option.value)?, option.value)),
        }
    }
    let Some(start) = start else {
        return Err(args.error("gentimes needs start").with_hint("write start=-7 for seven days ago, or start=10/19/2026"));
    };
    let day = Word { text: "1d".to_owned(), quoted: false, span: start.0.span };
    Ok(Box::new(GenTimes { start, end, increment: increment.unwrap_or((86_400, day)) }))
}

fn seconds(word: &Word) -> Result<i64, QueryError> {
    let wrong = || {
        QueryError::at(word.span, format!("increment must be a length of time, not `{}`", word.text)).with_hint("write 30s, 10m, 1h or 1d")
    };
    let span = TimeSpan::parse(&word.text).ok_or_else(wrong)?;
    let unit = match span.unit {
        SpanUnit::Second => 1,
        SpanUnit::Minute => 60,
        SpanUnit::Hour => 3_600,
        SpanUnit::Day => 86_400,
        _ => return Err(wrong()),
    };
    Ok((span.count * unit).max(1))
}

impl Moment {
    fn parse(word: Word) -> Result<Self, QueryError> {
        let moment = Self(word);
        moment.resolve(Timestamp(0), &jiff::tz::TimeZone::UTC)?;
        Ok(moment)
    }

    fn resolve(&self, now: Timestamp, tz: &jiff::tz::TimeZone) -> Result<i64, QueryError> {
        let text = &self.0.text;
        let whole = match text.parse::<i64>() {
            Ok(days) => format!("@d{days:+}d"),
            // A date without a time, or with a year of two digits.
            Err(_) => date(text),
        };
        let time = resolve(&whole, now, tz).map_err(|_| {
            QueryError::at(self.0.span, format!("`{text}` is neither a number of days nor a date"))
                .with_hint("write -7 for seven days ago, or 10/19/2026, or 10/19/2026:08:00:00")
        })?;
        Ok(time.nanos().div_euclid(1_000_000_000))
    }
}

fn date(text: &str) -> String {
    let (day, time) = text.split_once(':').unwrap_or((text, "00:00:00"));
    match day.rsplit_once('/') {
        Some((before, year)) if year.len() == 2 => format!("{before}/20{year}:{time}"),
        _ => format!("{day}:{time}"),
    }
}

impl fmt::Display for GenTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gentimes start={}", quoted(&self.start.0.text, '"'))?;
        if let Some(end) = &self.end {
            write!(f, " end={}", quoted(&end.0.text, '"'))?;
        }
        write!(f, " increment={}", self.increment.1.text)
    }
}

impl Command for GenTimes {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (now, tz) = (planner.eval.now, &planner.eval.tz);
        let start = self.start.resolve(now, tz)?;
        let end = match &self.end {
            Some(end) => end.resolve(now, tz)?,
            None => resolve("@d", now, tz)?.nanos().div_euclid(1_000_000_000),
        };
        let step = self.increment.0;
        let count = usize::try_from((end - start).max(0) / step + 1).unwrap_or(usize::MAX);
        if count > TIME_BUCKETS_MAX {
            return Err(QueryError::at(self.increment.1.span, format!("the range has more than {TIME_BUCKETS_MAX} spans of this length"))
                .with_hint("take a longer increment"));
        }
        let starts: Vec<i64> = (0..).map(|at| start + at * step).take_while(|time| *time < end).collect();
        let ends: Vec<i64> = starts.iter().map(|time| (time + step).min(end) - 1).collect();
        let format = TimeFormat::new("%a %b %d %H:%M:%S %Y");
        let human = |times: &[i64]| -> ArrayRef {
            Arc::new(times.iter().map(|time| Some(format.format(Timestamp::from_seconds(*time), tz))).collect::<StringArray>())
        };
        let number = |times: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(times.to_vec())) };
        let columns = vec![number(&starts), number(&ends), human(&starts), human(&ends)];
        let kinds =
            [("starttime", DataType::Int64), ("endtime", DataType::Int64), ("starthuman", DataType::Utf8), ("endhuman", DataType::Utf8)];
        let schema = Arc::new(Schema::new(kinds.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        Ok(Flow::of_batches(schema, vec![batch], true).into())
    }
}
