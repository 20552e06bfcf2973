//! The layouts of times: each reads the time at the start of some bytes, or says that there is none.
//!
//! Hand-written and without allocation: this runs once per event. Nothing here knows what day it is.

/// A date and a time of day as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    /// 0 where none was written.
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub nanos: u32,
    /// Seconds east of UTC, where written.
    pub offset: Option<i32>,
}

/// What a layout read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Civil(Civil),
    /// Nanoseconds since the epoch.
    Epoch(i64),
}

/// The layouts, in the order in which they are tried where more than one might fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `2026-11-21T21:14:03.120Z`, `2026-11-21 21:14:03,120 +0100`, `2026/11/21 21:14:03`, `2026-11-21 21:14 UTC`.
    YearFirst,
    /// `21/Nov/2026:21:14:03 +0000`, `21-Nov-2026 21:14:03`, `21 Nov 2026 21:14:03`.
    DayMonthName,
    /// `Nov 21 21:14:03`, with a year before, within or behind, and a weekday before.
    MonthName,
    /// `20261121-21:14:03:120`, `20261121T211403Z`, `20261121 21:14:03`.
    Compact,
    /// `21.11.2026 21:14:03`.
    Dotted,
    /// `11/21/2026 21:14:03`, `11/21/2026 9:14:03 PM`.
    American,
    /// `26/11/21 21:14:03`.
    ShortYear,
    /// `261121 211403`.
    ShortCompact,
    /// `11-21 21:14:03.120`.
    MonthDay,
    /// `1121 21:14:03.120000`, behind the letter of a level: glog and klog.
    MonthDayTogether,
    /// `1795295643`, with a fraction or as milli-, micro- or nanoseconds.
    Epoch,
}

const MONTHS: [[u8; 3]; 12] = [*b"jan", *b"feb", *b"mar", *b"apr", *b"may", *b"jun", *b"jul", *b"aug", *b"sep", *b"oct", *b"nov", *b"dec"];
const WEEKDAYS: [[u8; 3]; 7] = [*b"mon", *b"tue", *b"wed", *b"thu", *b"fri", *b"sat", *b"sun"];

/// Zone names that logs use. Where a name has several meanings, the one most people mean.
const ZONES: [(&[u8], i32); 31] = [
    (b"UTC", 0),
    (b"GMT", 0),
    (b"Z", 0),
    (b"UCT", 0),
    (b"WET", 0),
    (b"WEST", 60),
    (b"BST", 60),
    (b"CET", 60),
    (b"CEST", 120),
    (b"MEZ", 60),
    (b"MESZ", 120),
    (b"EET", 120),
    (b"EEST", 180),
    (b"MSK", 180),
    (b"IST", 330),
    (b"SGT", 480),
    (b"HKT", 480),
    (b"AWST", 480),
    (b"JST", 540),
    (b"KST", 540),
    (b"AEST", 600),
    (b"AEDT", 660),
    (b"NZST", 720),
    (b"NZDT", 780),
    (b"EST", -300),
    (b"EDT", -240),
    (b"CST", -360),
    (b"CDT", -300),
    (b"MST", -420),
    (b"PST", -480),
    (b"PDT", -420),
];

/// Whether the year has a 29 February.
pub(crate) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Reads a time of any layout at the start of `bytes`: the layout, the time, and its length.
pub(crate) fn any(bytes: &[u8]) -> Option<(Layout, Reading, usize)> {
    use Layout::*;
    let first = *bytes.first()?;
    if first.is_ascii_alphabetic() {
        return with(bytes, MonthName);
    }
    if !first.is_ascii_digit() {
        return None;
    }
    let digits = bytes.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let next = bytes.get(digits).copied().unwrap_or(0);
    match (digits, next) {
        (4, b'-' | b'/' | b'.') => with(bytes, YearFirst),
        (4, b' ') => with(bytes, MonthName),
        (1 | 2, b'/') => with(bytes, DayMonthName).or_else(|| with(bytes, American)).or_else(|| with(bytes, ShortYear)),
        (1 | 2, b' ') => with(bytes, DayMonthName),
        (2, b'-') => with(bytes, DayMonthName).or_else(|| with(bytes, MonthDay)),
        (1 | 2, b'.') => with(bytes, Dotted),
        (8, _) => with(bytes, Compact),
        (14, _) => with(bytes, Compact),
        (6, b' ') => with(bytes, ShortCompact),
        (10 | 13 | 16 | 19, _) => with(bytes, Epoch),
        _ => None,
    }
}

/// The letters of levels in glog and klog.
pub(crate) const LEVELS: [u8; 5] = *b"IWEFD";

/// Reads the time directly behind the letter of a level, with which `bytes` begin: `I1121 21:14:03.120000`, `I20261121 21:14:03.120000`.
pub(crate) fn behind_level(bytes: &[u8]) -> Option<(Layout, Reading, usize)> {
    let (level, time) = bytes.split_first()?;
    let digits = time.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    let layout = match digits {
        4 => Layout::MonthDayTogether,
        8 if time.get(8) == Some(&b' ') => Layout::Compact,
        _ => return None,
    };
    LEVELS.contains(level).then(|| with(time, layout)).flatten()
}

/// Whether a time might begin with these bytes, were there more of them.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    match bytes {
        [first, ..] if first.is_ascii_digit() => {
            let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let fits = match (digits, bytes.get(digits)) {
                (_, None) | (8 | 10 | 13 | 14 | 16 | 19, _) => true,
                (4, Some(next)) => b"-/. ".contains(next),
                (1 | 2, Some(next)) => b"/ -.".contains(next),
                (6, Some(next)) => *next == b' ',
                _ => false,
            };
            fits && bytes.len() < 40
        }
        [a, b, c, ..] => {
            let name = [a | 0x20, b | 0x20, c | 0x20];
            bytes.len() < 48 && (MONTHS.contains(&name) || WEEKDAYS.contains(&name))
        }
        _ => true,
    }
}

fn with(bytes: &[u8], layout: Layout) -> Option<(Layout, Reading, usize)> {
    one(layout, bytes).map(|(reading, used)| (layout, reading, used))
}

/// Reads a time of this layout at the start of `bytes`: the time and its length.
pub(crate) fn one(layout: Layout, bytes: &[u8]) -> Option<(Reading, usize)> {
    if layout == Layout::Epoch {
        return epoch(bytes);
    }
    let (civil, used) = match layout {
        Layout::YearFirst => year_first(bytes),
        Layout::DayMonthName => day_month_name(bytes),
        Layout::MonthName => month_name_first(bytes),
        Layout::Compact => compact(bytes),
        Layout::Dotted => dotted(bytes),
        Layout::American => american(bytes),
        Layout::ShortYear => short_year(bytes),
        Layout::ShortCompact => short_compact(bytes),
        Layout::MonthDay => month_day(bytes),
        Layout::MonthDayTogether => month_day_together(bytes),
        Layout::Epoch => None,
    }?;
    let digit_follows = bytes.get(used).is_some_and(u8::is_ascii_digit) && bytes[used - 1].is_ascii_digit();
    if digit_follows || !valid(&civil) {
        return None;
    }
    Some((Reading::Civil(civil), used))
}

fn valid(civil: &Civil) -> bool {
    let leap = civil.year == 0 || is_leap(i32::from(civil.year));
    let days = match civil.month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&civil.day) && civil.hour <= 23 && civil.minute <= 59 && civil.second <= 60
}

fn digit(bytes: &[u8], at: usize) -> Option<u8> {
    let value = bytes.get(at)?.wrapping_sub(b'0');
    (value <= 9).then_some(value)
}

fn two(bytes: &[u8], at: usize) -> Option<u8> {
    Some(digit(bytes, at)? * 10 + digit(bytes, at + 1)?)
}

fn four(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from(two(bytes, at)?) * 100 + u16::from(two(bytes, at + 2)?))
}

/// One or two digits: the number and where it ends.
fn one_or_two(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match two(bytes, at) {
        Some(value) => Some((value, at + 2)),
        None => Some((digit(bytes, at)?, at + 1)),
    }
}

fn is(bytes: &[u8], at: usize, byte: u8) -> Option<()> {
    (bytes.get(at) == Some(&byte)).then_some(())
}

fn month_name(bytes: &[u8], at: usize) -> Option<u8> {
    let name = bytes.get(at..at + 3)?;
    let name = [name[0] | 0x20, name[1] | 0x20, name[2] | 0x20];
    MONTHS.iter().position(|m| *m == name).map(|m| m as u8 + 1)
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction` into `civil`; where it ends.
fn clock(bytes: &[u8], at: usize, seconds_needed: bool, civil: &mut Civil) -> Option<usize> {
    let (hour, at) = one_or_two(bytes, at)?;
    is(bytes, at, b':')?;
    civil.hour = hour;
    civil.minute = two(bytes, at + 1)?;
    let at = at + 3;
    if bytes.get(at) != Some(&b':') || two(bytes, at + 1).is_none() {
        return (!seconds_needed).then_some(at);
    }
    civil.second = two(bytes, at + 1)?;
    Some(fraction(bytes, at + 3, b'.', civil))
}

/// A fraction behind `.`, `,` or `mark`, if there is one; where it ends.
fn fraction(bytes: &[u8], at: usize, mark: u8, civil: &mut Civil) -> usize {
    if !bytes.get(at).is_some_and(|b| matches!(b, b'.' | b',') || *b == mark) {
        return at;
    }
    let mut end = at + 1;
    let mut nanos = 0u32;
    while let Some(value) = digit(bytes, end) {
        if end - at <= 9 {
            nanos = nanos * 10 + u32::from(value);
        }
        end += 1;
    }
    let digits = end - at - 1;
    if digits == 0 {
        return at;
    }
    civil.nanos = nanos * 10u32.pow(9u32.saturating_sub(digits as u32));
    end
}

/// A zone at `at`: seconds east of UTC, and where it ends. An offset, `Z`, or a name.
pub(crate) fn zone(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let first = *bytes.get(at)?;
    if first == b'+' || first == b'-' {
        let hours = i32::from(two(bytes, at + 1)?);
        let (minutes, end) = match bytes.get(at + 3) {
            Some(b':') => (i32::from(two(bytes, at + 4)?), at + 6),
            Some(b) if b.is_ascii_digit() => (i32::from(two(bytes, at + 3)?), at + 5),
            _ => (0, at + 3),
        };
        let seconds = hours * 3600 + minutes * 60;
        let ends = !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
        let sound = hours <= 18 && minutes <= 59 && ends;
        return sound.then_some((if first == b'-' { -seconds } else { seconds }, end));
    }
    let letters = bytes[at..].iter().take(6).take_while(|b| b.is_ascii_alphanumeric()).count();
    let name = &bytes[at..at + letters];
    if name == b"z" {
        return Some((0, at + 1));
    }
    ZONES.iter().find(|(known, _)| *known == name).map(|(_, minutes)| (minutes * 60, at + letters))
}

/// The zone behind a time of day, directly or after a space, into `civil`; where the time ends.
fn zone_behind(bytes: &[u8], at: usize, civil: &mut Civil) -> usize {
    let start = match bytes.get(at) {
        Some(b' ') => at + 1,
        Some(b'+' | b'-' | b'Z' | b'z') => at,
        _ => return at,
    };
    match zone(bytes, start) {
        // ` -05 ` behind a space is more often text than a zone.
        Some((_, end)) if start > at && matches!(bytes[start], b'+' | b'-') && end - start < 5 => at,
        Some((seconds, end)) => {
            civil.offset = Some(seconds);
            end
        }
        None => at,
    }
}

fn blank(year: u16, month: u8, day: u8) -> Civil {
    Civil { year, month, day, hour: 0, minute: 0, second: 0, nanos: 0, offset: None }
}

fn year_first(bytes: &[u8]) -> Option<(Civil, usize)> {
    let separator = *bytes.get(4)?;
    if !matches!(separator, b'-' | b'/' | b'.') {
        return None;
    }
    let year = four(bytes, 0)?;
    let (month, at) = one_or_two(bytes, 5)?;
    is(bytes, at, separator)?;
    let (day, at) = one_or_two(bytes, at + 1)?;
    let mut civil = blank(year, month, day);
    match bytes.get(at)? {
        b'T' | b't' | b' ' | b'_' => {}
        b':' | b'-' if separator != b'.' => {}
        _ => return None,
    }
    // Tools that align columns put two spaces.
    let start = if bytes.get(at..at + 2) == Some(b"  ") { at + 2 } else { at + 1 };
    let end = clock(bytes, start, separator == b'.', &mut civil)?;
    let end = zone_behind(bytes, end, &mut civil);
    Some((civil, end))
}

fn day_month_name(bytes: &[u8]) -> Option<(Civil, usize)> {
    let (day, at) = one_or_two(bytes, 0)?;
    let separator = *bytes.get(at)?;
    if !matches!(separator, b'/' | b'-' | b' ') {
        return None;
    }
    let month = month_name(bytes, at + 1)?;
    is(bytes, at + 4, separator)?;
    let year = four(bytes, at + 5)?;
    let mut civil = blank(year, month, day);
    if !matches!(bytes.get(at + 9)?, b':' | b' ' | b'T') {
        return None;
    }
    let end = clock(bytes, at + 10, false, &mut civil)?;
    let end = zone_behind(bytes, end, &mut civil);
    Some((civil, end))
}

fn month_name_first(bytes: &[u8]) -> Option<(Civil, usize)> {
    let mut at = 0;
    let mut year = 0;
    if let Some(before) = four(bytes, 0) {
        is(bytes, 4, b' ')?;
        year = before;
        at = 5;
    } else if month_name(bytes, 0).is_none() {
        at = weekday(bytes)?;
        if bytes.get(at)?.is_ascii_digit() {
            let (civil, end) = day_month_name(&bytes[at..])?;
            return Some((civil, at + end));
        }
    }
    let month = month_name(bytes, at)?;
    is(bytes, at + 3, b' ')?;
    // The day is padded with a space or a zero, or not at all.
    let start = if bytes.get(at + 4) == Some(&b' ') { at + 5 } else { at + 4 };
    let (day, mut at) = one_or_two(bytes, start)?;
    if bytes.get(at) == Some(&b',') {
        at += 1;
    }
    is(bytes, at, b' ')?;
    at += 1;
    if year == 0
        && bytes.get(at + 4) == Some(&b' ')
        && let Some(within) = four(bytes, at)
    {
        year = within;
        at += 5;
    }
    let mut civil = blank(year, month, day);
    let mut end = clock(bytes, at, true, &mut civil)?;
    if let Some(behind) = year_behind(bytes, end).filter(|_| year == 0) {
        civil.year = behind;
        end = zone_behind(bytes, end + 5, &mut civil);
        return Some((civil, end));
    }
    end = zone_behind(bytes, end, &mut civil);
    if let Some(behind) = year_behind(bytes, end).filter(|_| year == 0) {
        civil.year = behind;
        end += 5;
    }
    Some((civil, end))
}

/// ` 2026` at `at`, and nothing that makes it part of a longer word.
fn year_behind(bytes: &[u8], at: usize) -> Option<u16> {
    is(bytes, at, b' ')?;
    let year = four(bytes, at + 1).filter(|y| (1970..=2199).contains(y))?;
    let follows = bytes.get(at + 5);
    follows.is_none_or(|b| matches!(b, b' ' | b']' | b')' | b':' | b',' | b'\r' | b'"')).then_some(year)
}

/// A weekday's name, whole or short, with what stands behind it; where the date begins.
fn weekday(bytes: &[u8]) -> Option<usize> {
    let name = bytes.get(..3)?;
    let name = [name[0] | 0x20, name[1] | 0x20, name[2] | 0x20];
    if !WEEKDAYS.contains(&name) {
        return None;
    }
    let mut at = bytes.iter().take(10).take_while(|b| b.is_ascii_alphabetic()).count();
    if bytes.get(at) == Some(&b',') {
        at += 1;
    }
    is(bytes, at, b' ')?;
    Some(at + 1)
}

fn compact(bytes: &[u8]) -> Option<(Civil, usize)> {
    let mut civil = blank(four(bytes, 0)?, two(bytes, 4)?, two(bytes, 6)?);
    if !(1970..=2199).contains(&civil.year) {
        return None;
    }
    let start = match bytes.get(8)? {
        b'-' | b'T' | b' ' | b'_' => 9,
        b if b.is_ascii_digit() => 8,
        _ => return None,
    };
    let end = if start == 9 && (is(bytes, 11, b':').is_some() || is(bytes, 10, b':').is_some()) {
        let end = clock_unpadded(bytes, start, &mut civil)?;
        fraction(bytes, end, b':', &mut civil)
    } else {
        civil.hour = two(bytes, start)?;
        civil.minute = two(bytes, start + 2)?;
        civil.second = two(bytes, start + 4)?;
        fraction(bytes, start + 6, b'.', &mut civil)
    };
    let end = zone_behind(bytes, end, &mut civil);
    Some((civil, end))
}

/// `H:M:S` whose parts have one or two digits, as some phones write; where it ends.
fn clock_unpadded(bytes: &[u8], at: usize, civil: &mut Civil) -> Option<usize> {
    let (hour, at) = one_or_two(bytes, at)?;
    is(bytes, at, b':')?;
    let (minute, at) = one_or_two(bytes, at + 1)?;
    is(bytes, at, b':')?;
    let (second, at) = one_or_two(bytes, at + 1)?;
    (civil.hour, civil.minute, civil.second) = (hour, minute, second);
    Some(at)
}

fn dotted(bytes: &[u8]) -> Option<(Civil, usize)> {
    let (day, at) = one_or_two(bytes, 0)?;
    is(bytes, at, b'.')?;
    let (month, at) = one_or_two(bytes, at + 1)?;
    is(bytes, at, b'.')?;
    let mut civil = blank(four(bytes, at + 1)?, month, day);
    let mut at = at + 5;
    if bytes.get(at) == Some(&b',') {
        at += 1;
    }
    is(bytes, at, b' ')?;
    let end = clock(bytes, at + 1, false, &mut civil)?;
    let end = zone_behind(bytes, end, &mut civil);
    Some((civil, end))
}

fn american(bytes: &[u8]) -> Option<(Civil, usize)> {
    let (month, at) = one_or_two(bytes, 0)?;
    is(bytes, at, b'/')?;
    let (day, at) = one_or_two(bytes, at + 1)?;
    is(bytes, at, b'/')?;
    let mut civil = blank(four(bytes, at + 1)?, month, day);
    let mut at = at + 5;
    if !matches!(bytes.get(at)?, b' ' | b',' | b'-' | b':' | b'T') {
        return None;
    }
    while matches!(bytes.get(at), Some(b' ' | b',')) {
        at += 1;
    }
    if matches!(bytes.get(at), Some(b'-' | b':' | b'T')) {
        at += 1;
    }
    let end = clock(bytes, at, false, &mut civil)?;
    let end = half_of_day(bytes, end, &mut civil)?;
    // No day has more than 12 months, but Europeans write the day first: then it can only be that.
    if civil.month > 12 {
        (civil.month, civil.day) = (civil.day, civil.month);
    }
    let end = zone_behind(bytes, end, &mut civil);
    Some((civil, end))
}

/// ` AM` or ` PM`, if there; `None` if the hour does not go with it.
fn half_of_day(bytes: &[u8], at: usize, civil: &mut Civil) -> Option<usize> {
    let start = if bytes.get(at) == Some(&b' ') { at + 1 } else { at };
    let Some(name) = bytes.get(start..start + 2) else { return Some(at) };
    let afternoon = match [name[0] | 0x20, name[1] | 0x20] {
        [b'a', b'm'] => false,
        [b'p', b'm'] => true,
        _ => return Some(at),
    };
    if bytes.get(start + 2).is_some_and(u8::is_ascii_alphanumeric) {
        return Some(at);
    }
    if !(1..=12).contains(&civil.hour) {
        return None;
    }
    civil.hour = civil.hour % 12 + if afternoon { 12 } else { 0 };
    Some(start + 2)
}

fn short_year(bytes: &[u8]) -> Option<(Civil, usize)> {
    let year = 2000 + u16::from(two(bytes, 0)?);
    is(bytes, 2, b'/')?;
    let month = two(bytes, 3)?;
    is(bytes, 5, b'/')?;
    let mut civil = blank(year, month, two(bytes, 6)?);
    is(bytes, 8, b' ')?;
    let end = clock(bytes, 9, true, &mut civil)?;
    let end = zone_behind(bytes, end, &mut civil);
    Some((civil, end))
}

fn short_compact(bytes: &[u8]) -> Option<(Civil, usize)> {
    let mut civil = blank(2000 + u16::from(two(bytes, 0)?), two(bytes, 2)?, two(bytes, 4)?);
    is(bytes, 6, b' ')?;
    // MySQL's old error log pads the hour with a space and writes colons.
    let start = if bytes.get(7) == Some(&b' ') { 8 } else { 7 };
    let end = if is(bytes, 9, b':').is_some() {
        clock(bytes, start, true, &mut civil)?
    } else {
        (civil.hour, civil.minute, civil.second) = (two(bytes, 7)?, two(bytes, 9)?, two(bytes, 11)?);
        13
    };
    Some((civil, end))
}

fn month_day_together(bytes: &[u8]) -> Option<(Civil, usize)> {
    let mut civil = blank(0, two(bytes, 0)?, two(bytes, 2)?);
    is(bytes, 4, b' ')?;
    // The time of day has all its digits and a fraction: a number and a clock are not taken for it.
    two(bytes, 5)?;
    let end = clock(bytes, 5, true, &mut civil)?;
    (end > 14 && bytes[13] == b'.').then_some((civil, end))
}

fn month_day(bytes: &[u8]) -> Option<(Civil, usize)> {
    let month = two(bytes, 0)?;
    is(bytes, 2, b'-')?;
    let mut civil = blank(0, month, two(bytes, 3)?);
    is(bytes, 5, b' ')?;
    let end = clock(bytes, 6, true, &mut civil)?;
    Some((civil, end))
}

/// 2000-01-01 and 2100-01-01: numbers of ten digits outside are more often something else.
const EPOCH_SECONDS: std::ops::Range<i64> = 946_684_800..4_102_444_800;

/// Seconds with an optional fraction, or milli-, micro- or nanoseconds, told apart by the number of digits.
fn epoch(bytes: &[u8]) -> Option<(Reading, usize)> {
    let digits = bytes.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let scale = match digits {
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    let number = bytes[..digits].iter().try_fold(0i64, |sum, b| sum.checked_mul(10)?.checked_add(i64::from(b - b'0')))?;
    let mut nanos = number.checked_mul(scale)?;
    if !EPOCH_SECONDS.contains(&(nanos / 1_000_000_000)) {
        return None;
    }
    let mut end = digits;
    if digits == 10 && bytes.get(10) == Some(&b'.') {
        let mut civil = blank(0, 1, 1);
        end = fraction(bytes, 10, b'.', &mut civil);
        nanos += i64::from(civil.nanos);
    }
    // `1700000000abc`, `1700000000-1` and `1700000000.x` are names.
    let ends = !bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    ends.then_some((Reading::Epoch(nanos), end))
}
