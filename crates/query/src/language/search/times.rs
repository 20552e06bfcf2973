//! Times in the text of a search that are written otherwise than the rest of the product writes them: by a format of
//! one's own, or as a length of time from another. They become what everyone else writes.

use super::super::time::TimeFormat;
use super::super::{QueryError, Span, resolve};
use crate::columns::seconds_text;
use crate::language::ast::{TimeBounds, TimeText};
use jiff::tz::{Offset, TimeZone};
use taffrail_event::Timestamp;

/// A length of time: so many of a unit, and where that was typed.
#[derive(Clone, Debug)]
pub struct Length {
    /// As in `-7d`, without the sign.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A zone that is not UTC: a time that is the same in both says its zone itself.
fn elsewhere() -> TimeZone {
    TimeZone::fixed(Offset::constant(5))
}

/// A time as everyone writes it: what the clock shows, or seconds since 1970 where it is the same everywhere.
fn written(read: impl Fn(&TimeZone) -> Option<Timestamp>) -> Option<String> {
    let (here, there) = (read(&TimeZone::UTC)?, read(&elsewhere())?);
    if here == there {
        return Some(seconds_text(here.nanos()));
    }
    let whole = here.nanos().rem_euclid(1_000_000_000) == 0;
    Some(TimeFormat::new(if whole { "%FT%T" } else { "%FT%T.%9N" }).format(here, &TimeZone::UTC))
}

/// A text read by a format; `None` where it is not of that format.
pub fn by_format(text: &str, format: &TimeFormat, span: Span) -> Result<Option<String>, QueryError> {
    // A date that is that of another day another day is not in the text.
    let day = Timestamp(86_400_000_000_000);
    let read = |now: Timestamp| format.parse(text, now, &TimeZone::UTC);
    match (read(Timestamp(0)), read(day)) {
        (None, _) => Ok(None),
        (first, second) if first != second => Err(QueryError::at(span, "the time has no date")
            .with_hint("put the date into it and into timeformat: timeformat=\"%Y-%m-%d %H:%M\"")),
        _ => Ok(written(|tz| format.parse(text, Timestamp(0), tz))),
    }
}

/// The time a length before (`-`) or after (`+`) another.
fn moved(time: &str, sign: char, length: &str) -> Option<String> {
    let step = format!("{sign}{length}");
    if time == "now" || time == "now()" {
        return Some(step);
    }
    if time.starts_with(['-', '+', '@']) {
        return Some(format!("{time}{step}"));
    }
    written(|tz| {
        let from = resolve(time, Timestamp(0), tz).ok()?;
        resolve(&step, from, tz).ok()
    })
}

/// Sets the bound that a length of time stands for: the end where there is a beginning, else the beginning.
pub fn set_length(bounds: &mut TimeBounds, length: &Length) -> Result<(), QueryError> {
    let wrong = || QueryError::at(length.span, "a length of time cannot be counted from there").with_hint("write earliest= and latest=");
    let set = |text: String| Some(TimeText { text, span: length.span });
    match (&bounds.earliest, &bounds.latest) {
        (Some(_), Some(_)) => Err(QueryError::at(length.span, "the range has a beginning and an end, so that it cannot have a length too")
            .with_hint("take one of the three away")),
        (Some(earliest), None) => {
            bounds.latest = set(moved(&earliest.text, '+', &length.text).ok_or_else(wrong)?);
            Ok(())
        }
        (None, Some(latest)) => {
            bounds.earliest = set(moved(&latest.text, '-', &length.text).ok_or_else(wrong)?);
            Ok(())
        }
        (None, None) => {
            bounds.earliest = set(format!("-{}", length.text));
            Ok(())
        }
    }
}
