//! Times as people type them, spans of time, and times as text (strftime, strptime).

mod format;
mod resolve;
mod span;
mod strptime;
#[cfg(test)]
mod tests;

pub use format::TimeFormat;
pub use resolve::{relative, resolve};
pub use span::{SpanUnit, TimeSpan};

use jiff::Zoned;
use jiff::tz::TimeZone;
use taffrail_event::Timestamp;

/// The clock and calendar of `tz` at `time`.
pub(crate) fn zoned(time: Timestamp, tz: &TimeZone) -> Zoned {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).expect("64 bits of nanoseconds lie within what jiff holds");
    time.to_zoned(tz.clone())
}

/// The point in time, clamped to what a [`Timestamp`] can hold.
pub(crate) fn clamped(time: jiff::Timestamp) -> Timestamp {
    let nanos = time.as_nanosecond();
    Timestamp(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}

/// A point in time from seconds since the epoch; nothing when it cannot be held.
pub(crate) fn from_seconds_f64(seconds: f64) -> Option<Timestamp> {
    // Whole and fraction apart, as nanoseconds of this century do not fit the 53 bits of a float.
    if !seconds.is_finite() || seconds.abs() >= 9.2e9 {
        return None;
    }
    let whole = seconds.floor();
    let nanos = ((seconds - whole) * 1e9).round() as i64;
    // A float of this size is exact to about 0.2 microseconds: what lies below is noise of the conversion.
    let nanos = if whole.abs() > 1e8 { (nanos + 50) / 100 * 100 } else { nanos };
    Some(Timestamp((whole as i64) * 1_000_000_000 + nanos))
}
