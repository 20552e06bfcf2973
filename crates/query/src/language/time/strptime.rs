//! strptime: text as times. Text after the end of the format is let be.

use super::format::{Item, MONTHS, WEEKDAYS};
use super::{clamped, zoned};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use taffrail_event::Timestamp;

#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nanos: i64,
    offset_seconds: Option<i32>,
    epoch: Option<i64>,
}

pub(super) fn parse(items: &[Item], text: &str, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
    let mut found = Found::default();
    let mut rest = text.trim_start();
    for item in items {
        rest = match item {
            Item::Literal(literal) => match_literal(rest, literal)?,
            Item::Variable(letter, _) => found.read(rest, *letter)?,
        };
    }
    found.time(now, tz)
}

/// Blanks in a format stand for any number of blanks.
fn match_literal<'t>(text: &'t str, literal: &str) -> Option<&'t str> {
    let mut rest = text;
    for c in literal.chars() {
        rest = if c.is_whitespace() { rest.trim_start() } else { rest.strip_prefix(c)? };
    }
    Some(rest)
}

/// A number of at most `most` digits, blanks before it let be.
fn number(text: &str, most: usize) -> Option<(i64, &str)> {
    let text = text.trim_start();
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// One of `names`, whole or its first three letters, in any case.
fn name<'t>(text: &'t str, names: &[&str]) -> Option<(i64, &'t str)> {
    names.iter().zip(0..).find_map(|(name, at)| {
        [name, &name[..3]].into_iter().find_map(|name| {
            let head = text.get(..name.len())?;
            head.eq_ignore_ascii_case(name).then(|| (at, &text[name.len()..]))
        })
    })
}

impl Found {
    fn read<'t>(&mut self, text: &'t str, letter: char) -> Option<&'t str> {
        let mut put = |most: usize, slot: &mut dyn FnMut(&mut Self, i64)| {
            let (value, rest) = number(text, most)?;
            slot(self, value);
            Some(rest)
        };
        match letter {
            'Y' => put(4, &mut |found, value| found.year = Some(value)),
            'y' => put(2, &mut |found, value| found.year = Some(if value < 69 { 2000 + value } else { 1900 + value })),
            'm' => put(2, &mut |found, value| found.month = Some(value)),
            'd' | 'e' => put(2, &mut |found, value| found.day = Some(value)),
            'j' => put(3, &mut |found, value| found.year_day = Some(value)),
            'H' | 'k' | 'I' | 'l' => put(2, &mut |found, value| found.hour = value),
            'M' => put(2, &mut |found, value| found.minute = value),
            'S' => put(2, &mut |found, value| found.second = value),
            'w' | 'u' => put(1, &mut |_, _| {}),
            'U' | 'W' | 'V' | 'g' => put(2, &mut |_, _| {}),
            'G' => put(4, &mut |_, _| {}),
            'B' | 'b' | 'h' => {
                let (month, rest) = name(text, &MONTHS)?;
                self.month = Some(month + 1);
                Some(rest)
            }
            'A' | 'a' => name(text, &WEEKDAYS).map(|(_, rest)| rest),
            'p' | 'P' => {
                let head = text.get(..2)?;
                self.afternoon = Some(head.eq_ignore_ascii_case("pm"));
                (head.eq_ignore_ascii_case("am") || head.eq_ignore_ascii_case("pm")).then(|| &text[2..])
            }
            'N' | 'Q' | 'f' => self.fraction(text),
            's' => self.epoch(text),
            'z' | 'Z' => self.zone(text),
            'n' | 't' => Some(text.trim_start()),
            other => text.strip_prefix(other),
        }
    }

    fn fraction<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let padded: String = text[..digits].chars().chain(std::iter::repeat('0')).take(9).collect();
        self.nanos = padded.parse().ok()?;
        (digits > 0).then(|| &text[digits..])
    }

    fn epoch<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let (digits, negative) = match text.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let (value, rest) = number(digits, 10)?;
        self.epoch = Some(if negative { -value } else { value });
        match rest.strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            Some(fraction) => self.fraction(fraction),
            None => Some(rest),
        }
    }

    fn zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        if letters > 0 {
            let hours = match text[..letters].to_ascii_uppercase().as_str() {
                "Z" | "UTC" | "GMT" | "WET" => 0,
                "CET" | "BST" | "WEST" => 1,
                "CEST" | "EET" => 2,
                "EEST" | "MSK" => 3,
                "EST" | "CDT" => -5,
                "EDT" => -4,
                "CST" | "MDT" => -6,
                "MST" | "PDT" => -7,
                "PST" => -8,
                "JST" => 9,
                _ => return None,
            };
            self.offset_seconds = Some(hours * 3600);
            return Some(&text[letters..]);
        }
        let sign = match text.bytes().next()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, rest) = number(&text[1..], 2)?;
        let (minutes, rest) = match number(rest.strip_prefix(':').unwrap_or(rest), 2) {
            Some((minutes, rest)) => (minutes, rest),
            None => (0, rest),
        };
        self.offset_seconds = i32::try_from(sign * (hours * 3600 + minutes * 60)).ok();
        Some(rest)
    }

    fn time(&self, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
        if let Some(epoch) = self.epoch {
            return epoch.checked_mul(1_000_000_000)?.checked_add(self.nanos).map(Timestamp);
        }
        let today = zoned(now, tz).date();
        let given = self.year.is_some() || self.month.is_some() || self.day.is_some() || self.year_day.is_some();
        let day = if given { self.date(today)? } else { today };
        let hour = match self.afternoon {
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        // A leap second is the last one of its minute.
        let second = if self.second == 60 { 59 } else { self.second };
        let small = |value: i64| i8::try_from(value).ok();
        let local: DateTime =
            day.to_datetime(jiff::civil::Time::new(small(hour)?, small(self.minute)?, small(second)?, self.nanos as i32).ok()?);
        let tz = match self.offset_seconds {
            Some(seconds) => Offset::from_seconds(seconds).ok()?.to_time_zone(),
            None => tz.clone(),
        };
        Some(clamped(local.to_zoned(tz).ok()?.timestamp()))
    }

    fn date(&self, today: Date) -> Option<Date> {
        let year = i16::try_from(self.year.unwrap_or(i64::from(today.year()))).ok()?;
        if let Some(year_day) = self.year_day {
            let first = Date::new(year, 1, 1).ok()?;
            let day = first.checked_add(jiff::Span::new().days(year_day - 1)).ok()?;
            return (day.year() == year).then_some(day);
        }
        // What is above the largest given part is today's, what is below is the first.
        let month = self.month.unwrap_or(if self.year.is_some() { 1 } else { i64::from(today.month()) });
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(self.day.unwrap_or(1)).ok()?).ok()
    }
}
