//! Relative and absolute times as typed in `earliest=` and `latest=`.

use super::span::{SpanUnit, midnight};
use super::{clamped, zoned};
use crate::language::error::QueryError;
use crate::language::span::Span;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use taffrail_event::Timestamp;

const HINT: &str = "write now, -24h, -1d@d, 2026-10-19T08:00:00Z, 10/19/2026:08:00:00, or seconds since 1970";

/// The point in time that `text` means: `now`, `-24h`, `-1d@d+2h`, epoch seconds (`0` is all time),
/// `10/19/2026:00:00:00`, or RFC 3339. Without a zone of its own it is in `tz`. The error's place is within
/// `text`.
pub fn resolve(text: &str, now: Timestamp, tz: &TimeZone) -> Result<Timestamp, QueryError> {
    let trimmed = text.trim();
    let whole = Span::new(0, text.len());
    if trimmed.is_empty() {
        return Err(QueryError::at(whole, "the time is empty").with_hint(HINT));
    }
    if trimmed.starts_with("rt") {
        return Err(QueryError::at(whole, "live windows are not part of a search").with_hint("follow live events with tail"));
    }
    if let Some(time) = epoch(trimmed) {
        return Ok(time);
    }
    if trimmed.starts_with(['+', '-', '@']) || trimmed.to_lowercase().starts_with("now") {
        return relative(trimmed, now, tz).map_err(|error| QueryError { span: Some(whole), ..error });
    }
    if let Some(time) = absolute(trimmed, tz) {
        return Ok(time);
    }
    let error = QueryError::at(whole, format!("`{trimmed}` is not a time"));
    Err(match relative(&format!("-{trimmed}"), now, tz) {
        Ok(_) => error.with_hint(format!("for a time in the past write -{trimmed}")).with_suggestions(vec![format!("-{trimmed}")]),
        Err(_) => error.with_hint(HINT),
    })
}

/// Applies a relative time (`-1d@d+2h`, `@w1`, `now`) to `now`.
pub fn relative(text: &str, now: Timestamp, tz: &TimeZone) -> Result<Timestamp, QueryError> {
    let lower = text.trim().to_lowercase();
    let mut rest = match lower.strip_prefix("now") {
        Some(rest) => rest.strip_prefix("()").unwrap_or(rest),
        None => lower.as_str(),
    };
    let mut time = now;
    while let Some(sign) = rest.chars().next() {
        let body = &rest[sign.len_utf8()..];
        let (used, next) = match sign {
            '@' => snap(body, time, tz)?,
            '+' | '-' => offset(body, sign == '-', time, tz)?,
            _ => return Err(QueryError::new(format!("`{rest}` is not understood in the time `{text}`")).with_hint(HINT)),
        };
        time = next;
        rest = &body[used..];
    }
    Ok(time)
}

fn letters(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_alphabetic).count()
}

fn offset(body: &str, back: bool, time: Timestamp, tz: &TimeZone) -> Result<(usize, Timestamp), QueryError> {
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let end = digits + letters(&body[digits..]);
    let name = &body[digits..end];
    let unit = SpanUnit::parse(name).filter(|unit| *unit >= SpanUnit::Second).ok_or_else(|| unknown_unit(name))?;
    let out_of_range = || QueryError::new(format!("the time `{body}` is out of range")).with_hint("times from 1678 to 2261 can be held");
    let count: i64 = if digits == 0 { 1 } else { body[..digits].parse().map_err(|_| out_of_range())? };
    let count = if back { -count } else { count };
    if let Some(nanos) = unit.nanos() {
        let moved = nanos.checked_mul(count).and_then(|by| time.nanos().checked_add(by)).ok_or_else(out_of_range)?;
        return Ok((end, Timestamp(moved)));
    }
    let zero = jiff::Span::new();
    let span = match unit {
        SpanUnit::Week => zero.try_weeks(count),
        SpanUnit::Month => zero.try_months(count),
        SpanUnit::Quarter => zero.try_months(count.checked_mul(3).ok_or_else(out_of_range)?),
        SpanUnit::Year => zero.try_years(count),
        _ => zero.try_days(count),
    };
    // Calendar arithmetic: the same wall-clock time on the other day, the last day of a shorter month.
    let moved = span.and_then(|span| zoned(time, tz).checked_add(span)).map_err(|_| out_of_range())?;
    Ok((end, clamped(moved.timestamp())))
}

fn snap(body: &str, time: Timestamp, tz: &TimeZone) -> Result<(usize, Timestamp), QueryError> {
    let mut end = letters(body);
    let name = &body[..end];
    let unit = SpanUnit::parse(name).filter(|unit| *unit >= SpanUnit::Second).ok_or_else(|| unknown_unit(name))?;
    let mut first = 0;
    if unit == SpanUnit::Week && body[end..].starts_with(|c: char| c.is_ascii_digit()) {
        first = i64::from(body.as_bytes()[end] - b'0');
        end += 1;
        if first > 7 || body[end..].starts_with(|c: char| c.is_ascii_digit()) {
            return Err(QueryError::new("a week begins on a day from w0 (Sunday) to w6 (Saturday)").with_hint("write @w1 for Monday"));
        }
    }
    let local = zoned(time, tz);
    let day = local.date();
    let start = |day: Option<Date>| day.map_or(Timestamp::MIN, |day| midnight(day, tz));
    let snapped = match unit {
        SpanUnit::Second | SpanUnit::Minute | SpanUnit::Hour => {
            // Through the offset, as an hour that the clock repeats has two starts.
            let offset = i64::from(local.offset().seconds()) * 1_000_000_000;
            let into = time.nanos().saturating_add(offset).rem_euclid(unit.nanos().unwrap_or(1));
            Timestamp(time.nanos().saturating_sub(into))
        }
        SpanUnit::Week => {
            let weekday = i64::from(day.weekday().to_sunday_zero_offset());
            start(day.checked_sub(jiff::Span::new().days((weekday - first % 7).rem_euclid(7))).ok())
        }
        SpanUnit::Month => start(Date::new(day.year(), day.month(), 1).ok()),
        SpanUnit::Quarter => start(Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1).ok()),
        SpanUnit::Year => start(Date::new(day.year(), 1, 1).ok()),
        _ => start(Some(day)),
    };
    Ok((end, snapped))
}

fn unknown_unit(name: &str) -> QueryError {
    let what = if name.is_empty() { "a unit of time is missing".to_owned() } else { format!("unknown unit of time `{name}`") };
    QueryError::new(what).with_hint("the units are s, m, h, d, w, mon, q and y")
}

/// Seconds since the epoch, fraction allowed; longer numbers are milli-, micro- or nanoseconds.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    if text == "0" {
        return Some(Timestamp::MIN);
    }
    let nanos_per_unit: i64 = match whole.trim_start_matches('0').len() {
        0..=10 => 1_000_000_000,
        11..=13 => 1_000_000,
        14..=16 => 1_000,
        17..=19 => 1,
        _ => return None,
    };
    let mut nanos = whole.parse::<i64>().ok()?.checked_mul(nanos_per_unit)?;
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    nanos = nanos.checked_add(fraction.parse::<i64>().ok()? / (1_000_000_000 / nanos_per_unit))?;
    Some(Timestamp(nanos))
}

fn absolute(text: &str, tz: &TimeZone) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(clamped(time));
    }
    let local = american(text).or_else(|| {
        let upper = text.to_uppercase();
        upper.parse::<DateTime>().ok().or_else(|| upper.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0)))
    })?;
    local.to_zoned(tz.clone()).ok().map(|time| clamped(time.timestamp()))
}

/// `10/19/2026:08:00:00`, the time or its seconds optional.
fn american(text: &str) -> Option<DateTime> {
    let (day, clock) = text.split_once(':').unwrap_or((text, "0"));
    let mut day = day.split('/').map(str::parse::<i16>);
    let (month, date, year) = (day.next()?.ok()?, day.next()?.ok()?, day.next()?.ok()?);
    let mut clock = clock.split(':');
    let hour: i8 = clock.next()?.parse().ok()?;
    let minute: i8 = clock.next().unwrap_or("0").parse().ok()?;
    let seconds = clock.next().unwrap_or("0");
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if day.next().is_some() || clock.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let year = if (0..70).contains(&year) { year + 2000 } else { year };
    DateTime::new(year, month as i8, date as i8, hour, minute, second.parse().ok()?, nanos.parse().ok()?).ok()
}
