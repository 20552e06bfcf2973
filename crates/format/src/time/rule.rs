//! Where the time of an event stands and how it is written, as data: the table `[time]` of format files.

use super::read::{Civil, Reading};
use super::{TimeFinder, Zone, resolve};
use jiff::fmt::strtime::BrokenDownTime;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use taffrail_base::limits::{EVENT_EXPRESSION_BYTES_MAX, TIME_RULE_BYTES_MAX};
use taffrail_event::{Problems, Timestamp};
use toml::Spanned;

/// Where the time stands, how it is written, and what zone it is of where it names none.
#[derive(Debug)]
pub struct TimeRule {
    /// The time stands behind a match of this; without it, at the beginning.
    after: Option<Regex>,
    /// How it is written; without it, in one of the layouts that are known.
    layout: Option<String>,
    /// The zone of times that name none, and how it is called.
    zone: Option<(String, Zone)>,
}

impl PartialEq for TimeRule {
    fn eq(&self, other: &Self) -> bool {
        let after = |rule: &Self| rule.after.as_ref().map(|after| after.as_str().to_owned());
        after(self) == after(other) && self.layout == other.layout && self.zone == other.zone
    }
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimeText {
    after: Option<Spanned<String>>,
    layout: Option<Spanned<String>>,
    zone: Option<Spanned<String>>,
}

/// Places that are tried where `after` matches more than once.
const PLACES_MAX: usize = 8;

impl TimeText {
    /// The rule, or what is wrong with it, and at which byte of the file.
    pub(crate) fn compile(&self) -> Result<TimeRule, (Option<usize>, String)> {
        let at = |spanned: &Spanned<String>| Some(spanned.span().start);
        let after = self.after.as_ref().map(|after| {
            let built = RegexBuilder::new(after.get_ref()).unicode(false).size_limit(EVENT_EXPRESSION_BYTES_MAX).build();
            let reason =
                |error: regex::Error| error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            built.map_err(|error| (at(after), format!("[time] after: {:?} is no regular expression ({})", after.get_ref(), reason(error))))
        });
        let layout = self.layout.as_ref().map(|layout| {
            let checked = check(layout.get_ref());
            checked
                .map(|()| layout.get_ref().clone())
                .map_err(|error| (at(layout), format!("[time] layout: {:?} {error}", layout.get_ref())))
        });
        let zone = self.zone.as_ref().map(|zone| {
            let unknown = || {
                (
                    at(zone),
                    format!(
                        "[time] zone: {:?} is not known; write UTC, an offset such as +02:00, or a name such as Europe/Berlin",
                        zone.get_ref()
                    ),
                )
            };
            Zone::parse(zone.get_ref()).map(|known| (zone.get_ref().clone(), known)).ok_or_else(unknown)
        });
        let rule = TimeRule { after: after.transpose()?, layout: layout.transpose()?, zone: zone.transpose()? };
        if rule == (TimeRule { after: None, layout: None, zone: None }) {
            return Err((None, "[time] says nothing: write `after`, `layout` or `zone`".to_owned()));
        }
        Ok(rule)
    }
}

/// A layout has to say at least a day and a time of day; what it writes it has to read.
fn check(layout: &str) -> Result<(), String> {
    const HOW: &str = "write %Y-%m-%d %H:%M:%S and the like, or %s";
    // A day whose parts cannot be taken for each other: 2023-11-24T18:42:53Z.
    let moment = jiff::Timestamp::from_second(1_700_851_373).map_err(|error| error.to_string())?.to_zoned(jiff::tz::TimeZone::UTC);
    let text = jiff::fmt::strtime::format(layout, &moment).map_err(|error| format!("cannot be read ({error}); {HOW}"))?;
    let (parsed, _) = parse(layout, text.as_bytes()).ok_or_else(|| format!("does not say which day and hour it is; {HOW}"))?;
    match parsed {
        Reading::Civil(Civil { month: 11, day: 24, hour: 18, .. }) | Reading::Epoch(_) => Ok(()),
        Reading::Civil(_) => Err(format!("does not say which day and hour it is; {HOW}")),
    }
}

/// Reads a time of a layout at the beginning of some bytes, and says how long it is.
fn parse(layout: &str, bytes: &[u8]) -> Option<(Reading, usize)> {
    let (read, used) = BrokenDownTime::parse_prefix(layout, bytes).ok()?;
    if let Some(moment) = read.timestamp() {
        return Some((Reading::Epoch(i64::try_from(moment.as_nanosecond()).ok()?), used));
    }
    let time = read.to_time().ok().filter(|_| read.hour().is_some())?;
    let (year, month, day) = match read.year() {
        Some(_) => read.to_date().ok().map(|date| (date.year(), date.month(), date.day()))?,
        None => (0, read.month()?, read.day()?),
    };
    let part = |number: i8| u8::try_from(number).ok();
    let civil = Civil {
        year: u16::try_from(year).ok()?,
        month: part(month)?,
        day: part(day)?,
        hour: part(time.hour())?,
        minute: part(time.minute())?,
        second: part(time.second())?,
        nanos: u32::try_from(time.subsec_nanosecond()).ok()?,
        offset: read.offset().map(|offset| offset.seconds()),
    };
    // With a year, the day was looked at; without one it may be that of a leap year.
    let sound = year != 0 || civil.month != 2 || civil.day <= 29;
    sound.then_some((Reading::Civil(civil), used))
}

impl TimeRule {
    /// The zone of times that name none.
    pub(crate) fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref().map(|(_, zone)| zone)
    }

    /// The time of an event; `None` where the rule does not find it: then it is looked for as in any other event.
    pub(crate) fn find(&self, raw: &[u8], times: &mut TimeFinder, received: Timestamp) -> Option<(Timestamp, Problems)> {
        let window = &raw[..raw.len().min(TIME_RULE_BYTES_MAX)];
        match &self.after {
            Some(after) => after.find_iter(window).take(PLACES_MAX).find_map(|found| self.at(window, found.end(), times, received)),
            None if self.layout.is_some() => self.at(window, 0, times, received),
            None => None,
        }
    }

    /// The time behind the blanks at a place.
    fn at(&self, window: &[u8], start: usize, times: &mut TimeFinder, received: Timestamp) -> Option<(Timestamp, Problems)> {
        let start = start + window[start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match &self.layout {
            Some(layout) => {
                let (reading, _) = parse(layout, &window[start..])?;
                Some(resolve(&reading, times.zone(), received, times.latest(received)))
            }
            None => times.at(window, start, received).map(|found| (found.time, found.problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T21:30:00Z
    const NOW: Timestamp = Timestamp(1_795_296_600_000_000_000);

    fn rule(text: &str) -> Result<TimeRule, String> {
        toml::from_str::<TimeText>(text).map_err(|error| error.to_string())?.compile().map_err(|(_, message)| message)
    }

    #[track_caller]
    fn check_time(text: &str, line: &str, want: Option<&str>) {
        let rule = rule(text).unwrap_or_else(|error| panic!("{error}"));
        let mut times = TimeFinder::new(rule.zone().cloned().unwrap_or_default());
        let found = rule.find(line.as_bytes(), &mut times, NOW);
        assert_eq!(found.map(|(time, _)| time.to_string()).as_deref(), want, "{line}");
    }

    #[test]
    fn the_time_stands_behind_what_the_rule_says() {
        let line = "2026-11-20 00:00:00 due; done= 2026-11-21 21:14:03 by 2026-11-22";
        check_time("after = 'done='", line, Some("2026-11-21T21:14:03Z"));
        check_time("after = 'done='\nzone = '+01:00'", line, Some("2026-11-21T20:14:03Z"));
        check_time("after = 'nothing='", line, None);
        check_time("after = '\"when\":\"?'", r#"{"ts":1,"when":1795295643}"#, Some("2026-11-21T21:14:03Z"));
        // Of several places the first that holds a time.
        check_time("after = 'at '", "look at me at 2026-11-21 21:14:03", Some("2026-11-21T21:14:03Z"));
    }

    #[test]
    fn the_time_is_written_as_the_rule_says() {
        check_time("layout = '%d.%m.%y %H.%M.%S'", "21.11.26 21.14.03 x", Some("2026-11-21T21:14:03Z"));
        check_time("layout = '%d.%m.%y %H.%M.%S'", "x 21.11.26 21.14.03", None);
        check_time("after = '^\\S+'\nlayout = '%Y%j/%H%M'", "x 2026325/2114 y", Some("2026-11-21T21:14:00Z"));
        check_time("layout = '%b %d %I:%M:%S %p'", "Nov 21 09:14:03 PM", Some("2026-11-21T21:14:03Z"));
        check_time("layout = '%H:%M:%S%.f %d/%m'", "21:14:03.25 31/12 last year", Some("2025-12-31T21:14:03.250Z"));
        check_time("layout = '%s'", "1795295643 x", Some("2026-11-21T21:14:03Z"));
        check_time("layout = '%Y-%m-%d %H:%M %z'", "2026-11-21 21:14 +0200", Some("2026-11-21T19:14:00Z"));
        check_time("layout = '%d.%m.%Y %H:%M'", "31.02.2026 21:14", None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| rule(text).expect_err("wrong");
        assert!(wrong("").contains("says nothing"));
        assert!(wrong("after = 'x('").contains("no regular expression"));
        assert!(wrong("layout = '%Q%Q%Q'").contains("layout"), "{}", wrong("layout = '%Q%Q%Q'"));
        assert!(wrong("layout = '%H:%M'").contains("which day"), "{}", wrong("layout = '%H:%M'"));
        assert!(wrong("layout = '%Y-%m-%d'").contains("which day"), "{}", wrong("layout = '%Y-%m-%d'"));
        assert!(wrong("zone = 'Nowhere/Town'").contains("Europe/Berlin"));
        assert!(wrong("place = 'x'").contains("unknown field"));
    }
}
