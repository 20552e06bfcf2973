//! Finds the time of an event in its bytes and makes it a point on the UTC time line.
//!
//! [`read`] knows the layouts; [`find`] looks for one in a line; [`memo`] remembers the day of the last; this file turns what was read into a
//! [`Timestamp`]: zone, missing year, and times that cannot be meant.

mod find;
mod memo;
pub(crate) mod read;
pub(crate) mod rule;

pub use find::{Found, TimeFinder};

use read::{Civil, Reading};
use taffrail_event::time::days_from_civil;
use taffrail_event::{Problems, Timestamp};

/// The zone of times that name none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// This many seconds east of it, all the year.
    Fixed(i32),
    /// A zone with its rules for summer time.
    Named(jiff::tz::TimeZone),
}

impl Zone {
    /// A zone by its name: `UTC`, an offset such as `+02:00` or `-0530`, a name of the IANA database such as
    /// `Europe/Berlin`, or an abbreviation such as `CEST`. `None` if it is not known. A name that is both (`CET`) is that of
    /// the database, with its summer time.
    pub fn parse(name: &str) -> Option<Self> {
        let read = read::zone(name.as_bytes(), 0).filter(|(_, used)| *used == name.len()).map(|(seconds, _)| Self::fixed(seconds));
        match read {
            Some(zone) if name.starts_with(['+', '-']) => Some(zone),
            read => jiff::tz::TimeZone::get(name).ok().map(Self::of).or(read),
        }
    }

    /// The zone with these rules.
    pub fn of(zone: jiff::tz::TimeZone) -> Self {
        // Without a change it is an offset, whatever it is called.
        let changes = zone.following(jiff::Timestamp::MIN).next().is_some();
        if changes { Self::Named(zone) } else { Self::fixed(zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds()) }
    }

    fn fixed(seconds: i32) -> Self {
        if seconds == 0 { Self::Utc } else { Self::Fixed(seconds) }
    }

    /// Whether this machine knows zones by their names.
    pub fn has_names() -> bool {
        !jiff::tz::db().is_definitively_empty()
    }

    /// Seconds since the epoch of a local time; of the two readings of an hour that comes twice the first, and
    /// for an hour that does not exist the time as if the clock had not been moved.
    fn seconds(&self, civil: &Civil, year: i32) -> i64 {
        let local = local_seconds(civil, year);
        match self {
            Self::Utc => local,
            Self::Fixed(offset) => local - i64::from(*offset),
            Self::Named(zone) => {
                let date = jiff::civil::DateTime::new(
                    i16::try_from(year).unwrap_or(1970),
                    civil.month as i8,
                    civil.day as i8,
                    civil.hour as i8,
                    civil.minute as i8,
                    civil.second.min(59) as i8,
                    0,
                );
                let moment = date.ok().and_then(|d| zone.to_ambiguous_timestamp(d).compatible().ok());
                moment.map_or(local, |m| m.as_second())
            }
        }
    }
}

fn local_seconds(civil: &Civil, year: i32) -> i64 {
    let days = days_from_civil(i64::from(year), u32::from(civil.month), u32::from(civil.day));
    days * 86_400 + i64::from(civil.hour) * 3_600 + i64::from(civil.minute) * 60 + i64::from(civil.second)
}

const DAY_NANOS: i64 = 86_400_000_000_000;
/// An event may be this far ahead of its receipt; more is a clock that nobody set, or not a time at all.
const AHEAD_NANOS_MAX: i64 = 2 * 366 * DAY_NANOS;

/// The time that was read, as it is to be stored, with what had to be assumed. A year that is not written is such
/// that the time is not (much) later than `latest`.
pub(crate) fn resolve(reading: &Reading, zone: &Zone, received: Timestamp, latest: Timestamp) -> (Timestamp, Problems) {
    match reading {
        Reading::Epoch(nanos) => sane(*nanos, Problems::NONE, received),
        Reading::Civil(civil) => {
            let mut problems = Problems::NONE;
            if civil.year == 0 || civil.offset.is_none() {
                problems = Problems::INFERRED_TIME;
            }
            let seconds =
                if civil.year == 0 { infer_year(civil, zone, latest) } else { seconds_in_year(civil, i32::from(civil.year), zone) };
            let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(civil.nanos);
            sane(i64::try_from(nanos).unwrap_or(i64::MAX), problems, received)
        }
    }
}

fn sane(nanos: i64, problems: Problems, received: Timestamp) -> (Timestamp, Problems) {
    if nanos < 0 || nanos > received.0.saturating_add(AHEAD_NANOS_MAX) {
        (received, Problems::BAD_TIME)
    } else {
        (Timestamp(nanos), problems)
    }
}

fn seconds_in_year(civil: &Civil, year: i32, zone: &Zone) -> i64 {
    match civil.offset {
        Some(offset) => local_seconds(civil, year) - i64::from(offset),
        None => zone.seconds(civil, year),
    }
}

/// The latest year that does not put the time more than a day ahead of `latest`. A 29 February belongs to
/// the latest leap year of these.
fn infer_year(civil: &Civil, zone: &Zone, latest: Timestamp) -> i64 {
    let now = latest.0.div_euclid(1_000_000_000);
    let (year_now, _, _) = taffrail_event::time::civil_from_days(now.div_euclid(86_400));
    let year_now = i32::try_from(year_now).unwrap_or(1970);
    let fits = |year: i32| civil.month != 2 || civil.day != 29 || read::is_leap(year);
    (0..=9)
        .map(|back| year_now + 1 - back)
        .filter(|year| fits(*year))
        .map(|year| seconds_in_year(civil, year, zone))
        .find(|seconds| *seconds <= now + 86_400)
        .unwrap_or(-1)
}

#[cfg(test)]
mod tests;
