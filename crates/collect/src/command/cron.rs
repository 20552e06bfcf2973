//! Times as in a crontab: minute, hour, day of the month, month, day of the week; in UTC. Pure.

use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::Timestamp;

/// A schedule: per field the values that it takes, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day and weekday are both said: either of them will do, as everywhere.
    either: bool,
}

const FIELDS: [(&str, u32, u32); 5] = [("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7)];

/// Within this many days every schedule that has a time at all has one: 29 February, over a century without it.
const DAYS_MAX: i64 = 366 * 9;

const MINUTE: i64 = 60_000_000_000;

impl Cron {
    /// The schedule that `text` says.
    pub fn parse(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let wrong = |what: String| {
            Error::new(ErrorKind::Invalid, what)
                .with_hint("five fields: minute hour day month weekday, such as \"*/5 8-17 * * 1-5\"; in UTC")
        };
        if words.len() != FIELDS.len() {
            return Err(wrong(format!("{text:?} has {} fields", words.len())));
        }
        let mut bits = [0u64; 5];
        for ((bits, word), (name, low, high)) in bits.iter_mut().zip(&words).zip(FIELDS) {
            *bits = word
                .split(',')
                .map(|part| values(part, low, high))
                .try_fold(0, |all, part| Some(all | part?))
                .ok_or_else(|| wrong(format!("{word:?} is not a {name} ({low} to {high})")))?;
        }
        let [minutes, hours, days, months, weekdays] = bits;
        // 7 is Sunday as 0 is.
        let weekdays = (weekdays | weekdays >> 7) & 0x7f;
        Ok(Self { minutes, hours, days, months, weekdays, either: !words[2].starts_with('*') && !words[4].starts_with('*') })
    }

    /// The first minute after `time` that it names.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let first = time.0.div_euclid(MINUTE) + 1;
        let (start, mut from) = (first.div_euclid(1440), first.rem_euclid(1440));
        for day in start..start + DAYS_MAX {
            if self.has_day(day) {
                let hit = (from..1440).find(|minute| has(self.hours, minute / 60) && has(self.minutes, minute % 60));
                if let Some(minute) = hit {
                    return Some(Timestamp((day * 1440 + minute).checked_mul(MINUTE)?));
                }
            }
            from = 0;
        }
        None
    }

    /// Whether it has a time on this day, counted from 1970-01-01.
    fn has_day(&self, day: i64) -> bool {
        let (month, of_month) = month_and_day(day);
        let weekday = has(self.weekdays, (day + 4).rem_euclid(7));
        let day = has(self.days, of_month);
        has(self.months, month) && if self.either { day || weekday } else { day && weekday }
    }
}

fn has(bits: u64, value: i64) -> bool {
    bits >> value & 1 == 1
}

/// `*`, `5`, `1-5`, each also with `/step`.
fn values(part: &str, low: u32, high: u32) -> Option<u64> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)?),
        None => (part, 1),
    };
    let (from, to) = match range.split_once('-') {
        _ if range == "*" => (low, high),
        Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
        None => {
            let value = range.parse().ok()?;
            (value, if part.contains('/') { high } else { value })
        }
    };
    if from < low || to > high || from > to {
        return None;
    }
    Some((from..=to).step_by(step as usize).fold(0, |bits, value| bits | 1 << value))
}

/// Month and day of a day counted from 1970-01-01, in the Gregorian calendar: years begin in March here, so that the
/// day that may be missing is their last.
fn month_and_day(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    (if month < 10 { month + 3 } else { month - 9 }, of_year - (153 * month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time() {
        // 2026-11-21T21:14:03Z, a Saturday.
        let now = Timestamp(1_795_295_643_000_000_000);
        let next = |text: &str| Cron::parse(text).unwrap().after(now).map(|time| time.to_string());
        for (text, expected) in [
            ("* * * * *", "2026-11-21T21:15:00Z"),
            ("*/5 * * * *", "2026-11-21T21:15:00Z"),
            ("14 21 * * *", "2026-11-22T21:14:00Z"),
            ("0 8-17 * * 1-5", "2026-11-23T08:00:00Z"),
            ("30 0 1 1 *", "2027-01-01T00:30:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 13 * 5", "2026-11-27T00:00:00Z"),
            ("0 0 * * 7", "2026-11-22T00:00:00Z"),
            ("10,50/5 22 * * *", "2026-11-21T22:10:00Z"),
        ] {
            assert_eq!(next(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(next("0 0 31 2 *"), None);
        assert_eq!(Cron::parse("0 0 * * *").unwrap().after(Timestamp(-1)).map(|time| time.0), Some(0));
    }

    #[test]
    fn what_is_no_schedule() {
        for text in ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "a * * * *", "* * * * 8", "* * * * * *"] {
            assert!(Cron::parse(text).is_err(), "{text}");
        }
    }
}
