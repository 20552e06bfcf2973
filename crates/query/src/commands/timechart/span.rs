//! Spans of time for charts: chosen, aligned, printed.

use crate::commands::{Planner, blocking};
use crate::language::{QueryError, SpanUnit, TimeSpan, Word};
use jiff::tz::TimeZone;
use taffrail_base::limits::TIME_BUCKETS_MAX;
use taffrail_event::Timestamp;

/// The spans that `span=auto` chooses from.
const AUTO: [(i64, SpanUnit); 11] = [
    (1, SpanUnit::Second),
    (5, SpanUnit::Second),
    (10, SpanUnit::Second),
    (30, SpanUnit::Second),
    (1, SpanUnit::Minute),
    (5, SpanUnit::Minute),
    (10, SpanUnit::Minute),
    (30, SpanUnit::Minute),
    (1, SpanUnit::Hour),
    (1, SpanUnit::Day),
    (1, SpanUnit::Month),
];

/// The shortest span of at least `least` that makes at most `bins` of the range.
pub fn auto_span(start: Timestamp, end: Timestamp, bins: usize, least: Option<TimeSpan>) -> TimeSpan {
    let range = end.seconds_f64() - start.seconds_f64();
    let spans = AUTO.map(|(count, unit)| TimeSpan::new(count, unit));
    let fits = |span: &&TimeSpan| range / span.seconds() <= bins as f64 && least.is_none_or(|least| span.seconds() >= least.seconds());
    match spans.iter().find(fits) {
        Some(span) => *span,
        None => least.filter(|least| range / least.seconds() <= bins as f64).unwrap_or(TimeSpan::new(1, SpanUnit::Month)),
    }
}

/// From when to when, where the search says so.
pub fn bounds(planner: &Planner) -> (Option<Timestamp>, Option<Timestamp>) {
    let start = Some(planner.earliest).filter(|earliest| *earliest > Timestamp::from_seconds(0));
    (start, Some(planner.latest).filter(|latest| *latest < Timestamp::MAX))
}

/// The range that a chart covers, where the search says it.
pub fn known_range(planner: &Planner) -> Option<(Timestamp, Timestamp)> {
    let (start, end) = bounds(planner);
    start.zip(end)
}

/// The range that a chart covers: that of the search, where it is open that of the events. `None`: no events.
pub async fn search_range(planner: &Planner) -> Result<Option<(Timestamp, Timestamp)>, QueryError> {
    let (start, end) = bounds(planner);
    if let Some(range) = start.zip(end) {
        return Ok(Some(range));
    }
    let range = planner.data_range.clone();
    let found = blocking(move || range()).await?;
    // The end is exclusive, the last event is not.
    Ok(found.map(|(first, last)| (start.unwrap_or(first), end.unwrap_or(Timestamp(last.nanos().saturating_add(1))))))
}

/// That is more than a chart can have.
pub fn too_many(span: TimeSpan) -> QueryError {
    let error = QueryError::new(format!("a span of {} makes more than {TIME_BUCKETS_MAX} buckets of this time range", span_text(span)));
    error.with_hint("use a longer span, or a shorter time range")
}

/// The starts of all spans that touch the range, and the end of the last.
pub fn buckets(mut floor: Floor, start: Timestamp, end: Timestamp) -> Result<Vec<i64>, QueryError> {
    let mut starts = Vec::new();
    let mut at = Timestamp(floor.of(start.nanos()));
    while at < end || starts.is_empty() {
        starts.push(at.nanos());
        if starts.len() > TIME_BUCKETS_MAX {
            return Err(too_many(floor.span));
        }
        let next = floor.span.next(at, &floor.tz);
        if next <= at {
            break;
        }
        at = next;
    }
    starts.push(at.nanos());
    Ok(starts)
}

/// What spans of time begin at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Align {
    /// The beginning of the search's range.
    Earliest,
    /// Its end.
    Latest,
    /// This time, absolute or relative to now.
    Time(String),
}

impl Align {
    /// Parses the value of `aligntime`.
    pub fn parse(word: &Word) -> Result<Self, QueryError> {
        Ok(match word.text.to_ascii_lowercase().as_str() {
            "earliest" => Self::Earliest,
            "latest" => Self::Latest,
            _ => {
                crate::language::resolve(&word.text, Timestamp(0), &TimeZone::UTC).map_err(|error| {
                    let error = QueryError { span: Some(word.span), ..error };
                    error.with_hint("aligntime is earliest, latest, or a time such as @d+30m")
                })?;
                Self::Time(word.text.clone())
            }
        })
    }

    /// As typed.
    pub fn text(&self) -> String {
        match self {
            Self::Earliest => "earliest".to_owned(),
            Self::Latest => "latest".to_owned(),
            Self::Time(text) => crate::commands::words::quote(text),
        }
    }

    /// The time; `None` where the range is open and there are no events.
    pub async fn settle(&self, planner: &Planner) -> Result<Option<Timestamp>, QueryError> {
        Ok(match self {
            Self::Earliest => search_range(planner).await?.map(|(start, _)| start),
            Self::Latest => search_range(planner).await?.map(|(_, end)| end),
            Self::Time(text) => Some(crate::language::resolve(text, planner.eval.now, &planner.eval.tz)?),
        })
    }
}

/// A span as it is typed.
pub fn span_text(span: TimeSpan) -> String {
    let unit = match span.unit {
        SpanUnit::Microsecond => "us",
        SpanUnit::Millisecond => "ms",
        SpanUnit::Centisecond => "cs",
        SpanUnit::Decisecond => "ds",
        SpanUnit::Second => "s",
        SpanUnit::Minute => "m",
        SpanUnit::Hour => "h",
        SpanUnit::Day => "d",
        SpanUnit::Week => "w",
        SpanUnit::Month => "mon",
        SpanUnit::Quarter => "q",
        SpanUnit::Year => "y",
    };
    let snap = span.week_start.map(|day| format!("@w{day}")).unwrap_or_default();
    format!("{}{unit}{snap}", span.count)
}

/// Gives the start of the span that holds a time; remembers the last, as times come in runs.
#[derive(Clone, Debug)]
pub struct Floor {
    span: TimeSpan,
    tz: TimeZone,
    offset: i64,
    last: (i64, i64),
}

impl Floor {
    /// For spans in a time zone.
    pub fn new(span: TimeSpan, tz: TimeZone) -> Self {
        Self { span, tz, offset: 0, last: (0, 0) }
    }

    /// With spans that begin at this time, as far as the calendar has no say in where they begin.
    #[must_use]
    pub fn aligned(mut self, to: Option<Timestamp>) -> Self {
        if let (Some(to), Some(nanos)) = (to, self.span.unit.nanos()) {
            self.offset = to.nanos().rem_euclid(nanos.saturating_mul(self.span.count));
        }
        self
    }

    /// Whether the spans begin where the clock says.
    pub fn is_plain(&self) -> bool {
        self.offset == 0
    }

    /// The starts of all spans from the one of `first` to the one of `last`.
    pub fn all(&self, first: i64, last: i64) -> Result<Vec<i64>, QueryError> {
        let mut starts = buckets(self.clone(), Timestamp(first), Timestamp(last.saturating_add(1)))?;
        starts.pop();
        Ok(starts)
    }

    /// The start, in nanoseconds.
    pub fn of(&mut self, nanos: i64) -> i64 {
        if !(self.last.0..self.last.1).contains(&nanos) {
            let start = self.span.floor(Timestamp(nanos.saturating_sub(self.offset)), &self.tz).nanos().saturating_add(self.offset);
            self.last = (start, self.span.next(Timestamp(start), &self.tz).nanos());
        }
        self.last.0
    }
}
