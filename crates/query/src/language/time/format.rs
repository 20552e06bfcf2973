//! strftime: times as text.

use super::{strptime, zoned};
use jiff::Zoned;
use jiff::civil::ISOWeekDate;
use jiff::tz::TimeZone;
use std::fmt::Write;
use taffrail_event::Timestamp;

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Text that stands for itself.
    Literal(String),
    /// A variable: its letter, and what stood between it and the `%`: digits or colons.
    Variable(char, u8),
}

/// A strftime format, prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    items: Vec<Item>,
}

pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl TimeFormat {
    /// Prepares `format`; what is not a variable stands for itself.
    pub fn new(format: &str) -> Self {
        let mut items = Vec::new();
        parse_items(format, &mut items);
        Self { items }
    }

    /// `time` as text in `tz`.
    pub fn format(&self, time: Timestamp, tz: &TimeZone) -> String {
        let local = zoned(time, tz);
        let mut out = String::with_capacity(32);
        for item in &self.items {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Variable(letter, modifier) => write_variable(&mut out, &local, time, *letter, *modifier),
            }
        }
        out
    }

    /// The time that `text` means; a missing date is that of `now`, a missing time is midnight.
    pub fn parse(&self, text: &str, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
        strptime::parse(&self.items, text, now, tz)
    }
}

fn parse_items(format: &str, items: &mut Vec<Item>) {
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        if let Some((letter, modifier, used)) = variable(rest) {
            match composed(letter) {
                Some(inner) => parse_items(inner, items),
                None => items.push(Item::Variable(letter, modifier)),
            }
            rest = &rest[used..];
            continue;
        }
        match items.last_mut() {
            Some(Item::Literal(text)) => text.push(c),
            _ => items.push(Item::Literal(c.to_string())),
        }
        rest = &rest[c.len_utf8()..];
    }
}

/// The variable at the start of `text`: letter, modifier, length.
fn variable(text: &str) -> Option<(char, u8, usize)> {
    let bytes = text.as_bytes();
    if bytes[0] != b'%' {
        return None;
    }
    let (mut at, mut modifier) = (1, 0);
    while bytes.get(at) == Some(&b':') && modifier < 2 {
        (at, modifier) = (at + 1, modifier + 1);
    }
    if at == 1 && matches!(bytes.get(1), Some(b'1'..=b'9')) && matches!(bytes.get(2), Some(b'N' | b'Q')) {
        (at, modifier) = (2, bytes[1] - b'0');
    }
    let letter = char::from(*bytes.get(at)?);
    let known =
        if modifier > 0 && bytes[1] == b':' { letter == 'z' } else { "YymdejHIklMSpPZzAawBbhUWVGgusFTDRcxXNQf+%nt".contains(letter) };
    known.then_some((letter, modifier, at + 1))
}

/// What a variable that stands for several means.
fn composed(letter: char) -> Option<&'static str> {
    Some(match letter {
        'F' => "%Y-%m-%d",
        'T' | 'X' => "%H:%M:%S",
        'R' => "%H:%M",
        'D' => "%m/%d/%y",
        'x' => "%m/%d/%Y",
        'c' => "%a %b %e %H:%M:%S %Y",
        '+' => "%a %b %e %H:%M:%S %Z %Y",
        _ => return None,
    })
}

/// Fractions: how many digits are shown.
pub(super) fn fraction_digits(letter: char, modifier: u8) -> usize {
    match (letter, modifier) {
        ('f', _) => 6,
        ('Q', 0) => 3,
        (_, 0) => 9,
        (_, digits) => usize::from(digits.min(9)),
    }
}

fn write_variable(out: &mut String, local: &Zoned, time: Timestamp, letter: char, modifier: u8) {
    let (day, hour) = (local.date(), local.hour());
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let weekday = usize::try_from(day.weekday().to_sunday_zero_offset()).unwrap_or(0);
    let year_day = i32::from(day.day_of_year());
    let iso = || ISOWeekDate::from(day);
    let month = MONTHS[usize::try_from(day.month() - 1).unwrap_or(0)];
    // Writing to a string cannot fail.
    let _ = match letter {
        'Y' => write!(out, "{:04}", day.year()),
        'y' => write!(out, "{:02}", day.year().rem_euclid(100)),
        'm' => write!(out, "{:02}", day.month()),
        'd' => write!(out, "{:02}", day.day()),
        'e' => write!(out, "{:2}", day.day()),
        'j' => write!(out, "{year_day:03}"),
        'H' => write!(out, "{hour:02}"),
        'I' => write!(out, "{hour12:02}"),
        'k' => write!(out, "{hour:2}"),
        'l' => write!(out, "{hour12:2}"),
        'M' => write!(out, "{:02}", local.minute()),
        'S' => write!(out, "{:02}", local.second()),
        'p' => out.write_str(if hour < 12 { "AM" } else { "PM" }),
        'P' => out.write_str(if hour < 12 { "am" } else { "pm" }),
        'Z' => write!(out, "{}", local.strftime("%Z")),
        'z' => write_offset(out, local.offset().seconds(), modifier),
        'A' => out.write_str(WEEKDAYS[weekday]),
        'a' => out.write_str(&WEEKDAYS[weekday][..3]),
        'w' => write!(out, "{weekday}"),
        'u' => write!(out, "{}", if weekday == 0 { 7 } else { weekday }),
        'B' => out.write_str(month),
        'b' | 'h' => out.write_str(&month[..3]),
        'U' => write!(out, "{:02}", (year_day + 6 - weekday as i32) / 7),
        'W' => write!(out, "{:02}", (year_day + 6 - (weekday as i32 + 6) % 7) / 7),
        'V' => write!(out, "{:02}", iso().week()),
        'G' => write!(out, "{:04}", iso().year()),
        'g' => write!(out, "{:02}", iso().year().rem_euclid(100)),
        's' => write!(out, "{}", time.nanos().div_euclid(1_000_000_000)),
        'N' | 'Q' | 'f' => {
            let digits = format!("{:09}", time.nanos().rem_euclid(1_000_000_000));
            out.write_str(&digits[..fraction_digits(letter, modifier)])
        }
        'n' => out.write_char('\n'),
        't' => out.write_char('\t'),
        _ => out.write_char(letter),
    };
}

fn write_offset(out: &mut String, seconds: i32, colons: u8) -> std::fmt::Result {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes, rest) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    match colons {
        0 => write!(out, "{sign}{hours:02}{minutes:02}"),
        1 => write!(out, "{sign}{hours:02}:{minutes:02}"),
        _ => write!(out, "{sign}{hours:02}:{minutes:02}:{rest:02}"),
    }
}
