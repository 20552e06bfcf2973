//! Spans of time, and the starts of the spans that a time lies in.

use super::{clamped, zoned};
use jiff::civil::{Date, date};
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

impl SpanUnit {
    /// The unit with this name, e.g. `m`, `min`, `mon`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "us" => Self::Microsecond,
            "ms" => Self::Millisecond,
            "cs" => Self::Centisecond,
            "ds" => Self::Decisecond,
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hour,
            "d" | "day" | "days" => Self::Day,
            "w" | "week" | "weeks" => Self::Week,
            "mon" | "month" | "months" => Self::Month,
            "q" | "qtr" | "qtrs" | "quarter" | "quarters" => Self::Quarter,
            "y" | "yr" | "yrs" | "year" | "years" => Self::Year,
            _ => return None,
        })
    }

    /// Its length in nanoseconds where the calendar has no say.
    pub fn nanos(self) -> Option<i64> {
        Some(match self {
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Centisecond => 10_000_000,
            Self::Decisecond => 100_000_000,
            Self::Second => 1_000_000_000,
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
            _ => return None,
        })
    }
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
    pub fn parse(text: &str) -> Option<Self> {
        let (length, snap) = match text.split_once('@') {
            Some((length, snap)) => (length, Some(snap)),
            None => (text, None),
        };
        let digits = length.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = if digits == 0 { 1 } else { length[..digits].parse().ok()? };
        let unit = SpanUnit::parse(&length[digits..])?;
        // Longer than the range of times makes no sense, and would overflow below.
        let most = unit.nanos().map_or(10_000, |nanos| i64::MAX / nanos / 2);
        if count < 1 || count > most {
            return None;
        }
        let week_start = match snap {
            None => None,
            Some(snap) => match snap.strip_prefix('w').map(|day| if day.is_empty() { Ok(0) } else { day.parse::<u8>() }) {
                Some(Ok(day @ 0..=7)) => Some(day % 7),
                Some(_) => return None,
                None => SpanUnit::parse(snap).map(|_| None)?,
            },
        };
        Some(Self { count, unit, week_start })
    }

    /// The start of the span that holds `time`. Up to hours spans are aligned to the epoch in UTC; days,
    /// months and longer to the calendar of `tz`.
    pub fn floor(&self, time: Timestamp, tz: &TimeZone) -> Timestamp {
        if let Some(nanos) = self.unit.nanos() {
            let step = nanos.saturating_mul(self.count);
            return Timestamp(time.nanos().saturating_sub(time.nanos().rem_euclid(step)));
        }
        let day = zoned(time, tz).date();
        midnight(self.floor_date(day), tz)
    }

    /// The start of the span after the one that starts at `start`.
    pub fn next(&self, start: Timestamp, tz: &TimeZone) -> Timestamp {
        if let Some(nanos) = self.unit.nanos() {
            return Timestamp(start.nanos().saturating_add(nanos.saturating_mul(self.count)));
        }
        let day = zoned(start, tz).date();
        let next = day.checked_add(self.calendar_span());
        next.map_or(Timestamp::MAX, |day| midnight(self.floor_date(day), tz))
    }

    fn calendar_span(&self) -> jiff::Span {
        let zero = jiff::Span::new();
        match self.unit {
            SpanUnit::Week => zero.weeks(self.count),
            SpanUnit::Month => zero.months(self.count),
            SpanUnit::Quarter => zero.months(self.count * 3),
            SpanUnit::Year => zero.years(self.count),
            _ => zero.days(self.count),
        }
    }

    fn floor_date(&self, day: Date) -> Date {
        let epoch = date(1970, 1, 1);
        let days = i64::from(day.since(epoch).map_or(0, |span| span.get_days()));
        let back = |count: i64| day.checked_sub(jiff::Span::new().days(count)).unwrap_or(day);
        let months = |step: i64| {
            let index = (i64::from(day.year()) * 12 + i64::from(day.month()) - 1).div_euclid(step) * step;
            Date::new(index.div_euclid(12) as i16, (index.rem_euclid(12) + 1) as i8, 1).unwrap_or(day)
        };
        match self.unit {
            SpanUnit::Week => match self.week_start {
                // 1970-01-04 was a Sunday.
                Some(first) => back((days - 3 - i64::from(first)).rem_euclid(self.count * 7)),
                None => back(days.rem_euclid(self.count * 7)),
            },
            SpanUnit::Month => months(self.count),
            SpanUnit::Quarter => months(self.count * 3),
            SpanUnit::Year => months(self.count * 12),
            _ => back(days.rem_euclid(self.count)),
        }
    }

    /// Its length in nanoseconds when that is always the same (up to hours; days and weeks only in UTC).
    pub fn fixed_nanos(&self, tz: &TimeZone) -> Option<i64> {
        let day = 24 * 3_600_000_000_000;
        match (self.unit.nanos(), self.unit) {
            (Some(nanos), _) => Some(nanos * self.count),
            (None, SpanUnit::Day) if *tz == TimeZone::UTC => Some(day * self.count),
            (None, SpanUnit::Week) if *tz == TimeZone::UTC && self.week_start.is_none() => Some(7 * day * self.count),
            _ => None,
        }
    }

    /// Its length in seconds, of the average month and year where those vary.
    pub fn seconds(&self) -> f64 {
        let unit = match self.unit {
            SpanUnit::Day => 86_400.0,
            SpanUnit::Week => 604_800.0,
            SpanUnit::Month => 2_629_746.0,
            SpanUnit::Quarter => 7_889_238.0,
            SpanUnit::Year => 31_556_952.0,
            other => other.nanos().unwrap_or(0) as f64 / 1e9,
        };
        unit * self.count as f64
    }
}

impl std::fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.unit {
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
        write!(f, "{}{unit}", self.count)?;
        self.week_start.map_or(Ok(()), |day| write!(f, "@w{day}"))
    }
}

/// The first moment of the day in `tz`: midnight, or what follows where the clock jumps over it.
pub(crate) fn midnight(day: Date, tz: &TimeZone) -> Timestamp {
    match day.to_zoned(tz.clone()) {
        Ok(start) => clamped(start.timestamp()),
        Err(_) => Timestamp::MIN,
    }
}
