//! Times as people type them, spans of time, and times as text (strftime, strptime).

use super::error::QueryError;
use jiff::tz::TimeZone;
use taffrail_event::Timestamp;

/// A unit of a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanUnit {
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Hundredths of a second.
    Centisecond,
    /// Tenths of a second.
    Decisecond,
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Calendar days.
    Day,
    /// Calendar weeks.
    Week,
    /// Calendar months.
    Month,
    /// Quarters of a year.
    Quarter,
    /// Calendar years.
    Year,
}

/// A span of time as typed: `10m`, `1d`, `1w@w1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeSpan {
    /// How many units; at least 1.
    pub count: i64,
    /// The unit.
    pub unit: SpanUnit,
    /// The weekday that weeks begin with after `@w`: 0 is Sunday. Without it weeks are counted from the epoch.
    pub week_start: Option<u8>,
}

impl TimeSpan {
    /// `count` of `unit`.
    pub fn new(count: i64, unit: SpanUnit) -> Self {
        Self { count, unit, week_start: None }
    }

    /// Parses `10m`, `1mon`, `500ms`, `1w@w1`; nothing when it is not a span.
    pub fn parse(_text: &str) -> Option<Self> {
        unimplemented!()
    }

    /// The start of the span that holds `time`. Up to hours spans are aligned to the epoch in UTC; days,
    /// months and longer to the calendar of `tz`.
    pub fn floor(&self, _time: Timestamp, _tz: &TimeZone) -> Timestamp {
        unimplemented!()
    }

    /// The start of the span after the one that starts at `start`.
    pub fn next(&self, _start: Timestamp, _tz: &TimeZone) -> Timestamp {
        unimplemented!()
    }

    /// Its length in nanoseconds when that is always the same (up to hours; days and weeks only in UTC).
    pub fn fixed_nanos(&self, _tz: &TimeZone) -> Option<i64> {
        unimplemented!()
    }

    /// Its length in seconds, of the average month and year where those vary.
    pub fn seconds(&self) -> f64 {
        unimplemented!()
    }
}

/// The point in time that `text` means: `now`, `-24h`, `-1d@d+2h`, epoch seconds, `10/19/2026:00:00:00`, or
/// RFC 3339. Without a zone of its own it is in `tz`.
pub fn resolve(_text: &str, _now: Timestamp, _tz: &TimeZone) -> Result<Timestamp, QueryError> {
    unimplemented!()
}

/// A strftime format, prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {}

impl TimeFormat {
    /// Prepares `format`; what is not a variable stands for itself.
    pub fn new(_format: &str) -> Self {
        unimplemented!()
    }

    /// `time` as text in `tz`.
    pub fn format(&self, _time: Timestamp, _tz: &TimeZone) -> String {
        unimplemented!()
    }

    /// The time that `text` means; a missing date is that of `now`, a missing time is midnight.
    pub fn parse(&self, _text: &str, _now: Timestamp, _tz: &TimeZone) -> Option<Timestamp> {
        unimplemented!()
    }
}
