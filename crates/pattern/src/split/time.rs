//! Times as the splitter knows them: a few exact layouts that can be turned into a number and back without
//! loss. (Finding an event's time, in many more layouts, is the work of the format crate.)

use taffrail_event::time::{civil_from_days, days_from_civil};

/// How a time is spelled. The codes are part of the stored format and never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Which family.
    pub family: Family,
    /// Fractional digits, 0 to 9.
    pub fraction: u8,
    /// Byte between seconds and fraction, `.` or `,`; 0 where there is none.
    pub point: u8,
    /// Zone as spelled.
    pub zone: Zone,
}

/// The families of layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `2026-11-21T21:14:03`
    IsoT,
    /// `2026-11-21 21:14:03`
    IsoSpace,
    /// `Nov 21 21:14:03`, the day padded by a space; the year is not in it and stored as 1972 (a leap year).
    Syslog,
    /// `21/Nov/2026:21:14:03`
    Access,
    /// `2026/11/21 21:14:03`
    Slash,
    /// `21:14:03` alone; the day is stored as 1970-01-01.
    Clock,
    /// `1795295643.120`: seconds since 1970 in ten digits, or with three, six or nine more and no point between. To the
    /// splitter they are words like others; only what stores a column of them knows better (see [`epoch`]).
    Epoch,
}

/// How the zone is spelled; the number held is the local reading, not UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// None.
    None,
    /// `Z`
    Zulu,
    /// `+01:00`, in minutes.
    Colon(i16),
    /// `+0100`, in minutes.
    Plain(i16),
    /// ` +0100` with a space before, in minutes.
    Spaced(i16),
}

impl Family {
    /// The first byte of the code of layouts of [`Family::Epoch`].
    pub const EPOCH: u8 = 6;
}

const MONTHS: [&[u8; 3]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let mut value = 0;
    for byte in bytes.get(at..at + count)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

fn month_of(bytes: &[u8], at: usize) -> Option<i64> {
    let name = bytes.get(at..at + 3)?;
    MONTHS.iter().position(|m| m.as_slice() == name).map(|m| m as i64 + 1)
}

/// Seconds of a clock reading `hh:mm:ss` at `at`.
fn clock(bytes: &[u8], at: usize) -> Option<i64> {
    if bytes.get(at + 2) != Some(&b':') || bytes.get(at + 5) != Some(&b':') {
        return None;
    }
    let (hour, minute, second) = (digits(bytes, at, 2)?, digits(bytes, at + 3, 2)?, digits(bytes, at + 6, 2)?);
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Days since the epoch and the length of the date part with what joins it to the clock.
fn date(bytes: &[u8]) -> Option<(Family, i64, usize)> {
    let first = *bytes.first()?;
    if first.is_ascii_uppercase() {
        let month = month_of(bytes, 0)?;
        let day = match bytes.get(4)? {
            b' ' => digits(bytes, 5, 1)?,
            // `Nov 05` would come back as `Nov  5`.
            b'0' => return None,
            _ => digits(bytes, 4, 2)?,
        };
        (bytes[3] == b' ' && bytes.get(6) == Some(&b' ')).then_some(())?;
        return valid(Family::Syslog, 1972, month, day, 7);
    }
    match (bytes.get(2)?, bytes.get(4)?) {
        (b'/', _) => {
            (bytes.get(6) == Some(&b'/') && bytes.get(11) == Some(&b':')).then_some(())?;
            valid(Family::Access, digits(bytes, 7, 4)?, month_of(bytes, 3)?, digits(bytes, 0, 2)?, 12)
        }
        (b':', _) => Some((Family::Clock, 0, 0)),
        (_, joint @ (b'-' | b'/')) => {
            (bytes.get(7) == Some(joint)).then_some(())?;
            let family = match (joint, bytes.get(10)?) {
                (b'-', b'T') => Family::IsoT,
                (b'-', b' ') => Family::IsoSpace,
                (b'/', b' ') => Family::Slash,
                _ => return None,
            };
            valid(family, digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?, 11)
        }
        _ => None,
    }
}

fn valid(family: Family, year: i64, month: i64, day: i64, len: usize) -> Option<(Family, i64, usize)> {
    // Outside these years nanoseconds do not fit 64 bits.
    let fits = (1700..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let days = fits.then(|| days_from_civil(year, month as u32, day as u32))?;
    (civil_from_days(days) == (year, month as u32, day as u32)).then_some((family, days, len))
}

fn zone(bytes: &[u8], family: Family) -> (Zone, usize) {
    let offset = |sign: u8, hour: Option<i64>, minute: Option<i64>| -> Option<i16> {
        let (hour, minute) = (hour?, minute?);
        // `-00:00` would come back as `+00:00`.
        let fits = hour < 24 && minute < 60 && !(sign == b'-' && hour == 0 && minute == 0);
        fits.then(|| (hour * 60 + minute) as i16 * if sign == b'-' { -1 } else { 1 })
    };
    match (family, bytes) {
        (Family::IsoT | Family::IsoSpace, [b'Z', ..]) => (Zone::Zulu, 1),
        (Family::IsoT | Family::IsoSpace, [sign @ (b'+' | b'-'), ..]) => {
            if bytes.get(3) == Some(&b':')
                && let Some(minutes) = offset(*sign, digits(bytes, 1, 2), digits(bytes, 4, 2))
            {
                (Zone::Colon(minutes), 6)
            } else if let Some(minutes) = offset(*sign, digits(bytes, 1, 2), digits(bytes, 3, 2)) {
                (Zone::Plain(minutes), 5)
            } else {
                (Zone::None, 0)
            }
        }
        (Family::Access, [b' ', sign @ (b'+' | b'-'), ..]) => match offset(*sign, digits(bytes, 2, 2), digits(bytes, 4, 2)) {
            Some(minutes) => (Zone::Spaced(minutes), 6),
            None => (Zone::None, 0),
        },
        _ => (Zone::None, 0),
    }
}

/// The time at the start of `bytes`: nanoseconds of the local reading, its layout and its length; only where
/// it ends at a delimiter or the end.
pub fn parse(bytes: &[u8]) -> Option<(i64, Layout, usize)> {
    let (family, days, mut at) = date(bytes)?;
    let seconds = clock(bytes, at)?;
    at += 8;
    let (mut fraction, mut point, mut nanos) = (0u8, b'.', 0i64);
    if let Some(mark @ (b'.' | b',')) = bytes.get(at) {
        let count = bytes[at + 1..].iter().take(10).take_while(|b| b.is_ascii_digit()).count();
        if (1..=9).contains(&count) {
            nanos = digits(bytes, at + 1, count)? * 10i64.pow(9 - count as u32);
            (fraction, point) = (count as u8, *mark);
            at += 1 + count;
        }
    }
    let (zone, zone_len) = zone(&bytes[at..], family);
    at += zone_len;
    if bytes.get(at).is_some_and(|b| !super::is_delimiter(*b)) {
        return None;
    }
    Some(((days * 86_400 + seconds) * 1_000_000_000 + nanos, Layout { family, fraction, point, zone }, at))
}

/// The time that all of `bytes` is as seconds, milli-, micro- or nanoseconds since 1970: nanoseconds, and its layout.
/// Only of 2001 and later, when seconds have ten digits, and as long as nanoseconds fit 64 bits.
pub fn epoch(bytes: &[u8]) -> Option<(i64, Layout)> {
    let (fraction, point) = match (bytes.len(), bytes.get(10)) {
        (10, _) => (0, 0),
        (12..=20, Some(b'.')) => (bytes.len() - 11, b'.'),
        (13 | 16 | 19, _) => (bytes.len() - 10, 0),
        _ => return None,
    };
    let seconds = digits(bytes, 0, 10).filter(|_| bytes[0] != b'0')?;
    let part = digits(bytes, bytes.len() - fraction, fraction)? * 10i64.pow(9 - fraction as u32);
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(part)?;
    Some((nanos, Layout { family: Family::Epoch, fraction: fraction as u8, point, zone: Zone::None }))
}

/// Whether a time may stand at the start of `bytes`: a cheap refusal, for most words are no times.
#[inline]
pub fn plausible(bytes: &[u8]) -> bool {
    match bytes {
        [a, b, c, ..] if a.is_ascii_digit() => {
            b.is_ascii_digit() && (matches!(c, b':' | b'/') || (c.is_ascii_digit() && matches!(bytes.get(4), Some(b'-' | b'/'))))
        }
        [a, _, _, b' ', ..] => matches!(a, b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D'),
        _ => false,
    }
}

/// The length of a time at the start of `bytes`, if there is one.
pub fn len_at(bytes: &[u8]) -> Option<usize> {
    plausible(bytes).then(|| parse(bytes)).flatten().map(|(_, _, len)| len)
}

fn push_digits(value: i64, count: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + count, b'0');
    let mut rest = value;
    for slot in out[start..].iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Spells a time: the inverse of [`parse`].
pub fn render(nanos: i64, layout: Layout, out: &mut Vec<u8>) {
    let seconds = nanos.div_euclid(1_000_000_000);
    if layout.family == Family::Epoch {
        // No time that was stored is below zero; what damage makes of one is spelled somehow.
        push_digits(seconds.max(0), 10, out);
        return render_fraction(nanos, layout, out);
    }
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let (month_name, month, day) = (MONTHS[month as usize - 1], i64::from(month), i64::from(day));
    match layout.family {
        Family::IsoT | Family::IsoSpace | Family::Slash => {
            let (joint, last) = match layout.family {
                Family::IsoT => (b'-', b'T'),
                Family::IsoSpace => (b'-', b' '),
                _ => (b'/', b' '),
            };
            push_digits(year, 4, out);
            out.push(joint);
            push_digits(month, 2, out);
            out.push(joint);
            push_digits(day, 2, out);
            out.push(last);
        }
        Family::Syslog => {
            out.extend_from_slice(month_name);
            out.push(b' ');
            if day < 10 {
                out.push(b' ');
                push_digits(day, 1, out);
            } else {
                push_digits(day, 2, out);
            }
            out.push(b' ');
        }
        Family::Access => {
            push_digits(day, 2, out);
            out.push(b'/');
            out.extend_from_slice(month_name);
            out.push(b'/');
            push_digits(year, 4, out);
            out.push(b':');
        }
        Family::Clock | Family::Epoch => {}
    }
    let second_of_day = seconds.rem_euclid(86_400);
    push_digits(second_of_day / 3600, 2, out);
    out.push(b':');
    push_digits(second_of_day / 60 % 60, 2, out);
    out.push(b':');
    push_digits(second_of_day % 60, 2, out);
    render_fraction(nanos, layout, out);
    render_zone(layout.zone, out);
}

fn render_fraction(nanos: i64, layout: Layout, out: &mut Vec<u8>) {
    if layout.fraction > 0 {
        if layout.point > 0 {
            out.push(layout.point);
        }
        push_digits(nanos.rem_euclid(1_000_000_000) / 10i64.pow(9 - u32::from(layout.fraction)), layout.fraction.into(), out);
    }
}

fn render_zone(zone: Zone, out: &mut Vec<u8>) {
    let (minutes, colon) = match zone {
        Zone::None => return,
        Zone::Zulu => return out.push(b'Z'),
        Zone::Colon(minutes) => (minutes, true),
        Zone::Plain(minutes) => (minutes, false),
        Zone::Spaced(minutes) => {
            out.push(b' ');
            (minutes, false)
        }
    };
    out.push(if minutes < 0 { b'-' } else { b'+' });
    push_digits(i64::from(minutes.unsigned_abs() / 60), 2, out);
    if colon {
        out.push(b':');
    }
    push_digits(i64::from(minutes.unsigned_abs() % 60), 2, out);
}

impl Layout {
    /// Six bytes that stand for the layout in stored files.
    pub fn code(self) -> [u8; 6] {
        let (kind, minutes) = match self.zone {
            Zone::None => (0, 0),
            Zone::Zulu => (1, 0),
            Zone::Colon(minutes) => (2, minutes),
            Zone::Plain(minutes) => (3, minutes),
            Zone::Spaced(minutes) => (4, minutes),
        };
        let [low, high] = minutes.to_le_bytes();
        let family = match self.family {
            Family::IsoT => 0,
            Family::IsoSpace => 1,
            Family::Syslog => 2,
            Family::Access => 3,
            Family::Slash => 4,
            Family::Clock => 5,
            Family::Epoch => Family::EPOCH,
        };
        [family, self.fraction, self.point, kind, low, high]
    }

    /// The layout of stored bytes; `None` if they are none.
    pub fn from_code(code: [u8; 6]) -> Option<Self> {
        let family = match code[0] {
            0 => Family::IsoT,
            1 => Family::IsoSpace,
            2 => Family::Syslog,
            3 => Family::Access,
            4 => Family::Slash,
            5 => Family::Clock,
            Family::EPOCH => Family::Epoch,
            _ => return None,
        };
        let minutes = i16::from_le_bytes([code[4], code[5]]);
        let zone = match code[3] {
            0 => Zone::None,
            1 => Zone::Zulu,
            2 => Zone::Colon(minutes),
            3 => Zone::Plain(minutes),
            4 => Zone::Spaced(minutes),
            _ => return None,
        };
        (code[1] <= 9).then_some(Self { family, fraction: code[1], point: code[2], zone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_spellings_come_back() {
        for text in [
            "Nov 21 21:14:03",
            "Feb 29 00:00:00",
            "Jan  1 23:59:59",
            "2026-11-21T21:14:03.120Z",
            "2026-11-21T21:14:03+01:00",
            "2026-11-21 21:14:03,120",
            "21/Nov/2026:21:14:03 +0000",
            "2026/11/21 21:14:03",
            "21:14:03",
            "21:14:03.000001",
            "2026-11-21T21:14:03-0530",
        ] {
            let (nanos, layout, len) = parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(len, text.len(), "{text}");
            let mut out = Vec::new();
            render(nanos, layout, &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(Layout::from_code(layout.code()), Some(layout));
            assert_eq!(len_at(text.as_bytes()), Some(len));
        }
        for text in ["Nov 31 21:14:03", "2026-02-30 00:00:00", "24:00:00", "21:14:03x", "Nov 05 21:14:03", "2026-11-21", "Novem"] {
            assert!(parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn times_since_1970_come_back() {
        for (text, nanos) in [
            ("1521911720", 1_521_911_720_000_000_000),
            ("1521911720.6", 1_521_911_720_600_000_000),
            ("1521911720.600843", 1_521_911_720_600_843_000),
            ("1521911720.000000001", 1_521_911_720_000_000_001),
            ("1521911720600", 1_521_911_720_600_000_000),
            ("1521911720600843", 1_521_911_720_600_843_000),
            ("9223372036854775807", i64::MAX),
        ] {
            let (read, layout) = epoch(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            let mut out = Vec::new();
            render(read, layout, &mut out);
            assert_eq!((read, out.as_slice()), (nanos, text.as_bytes()));
            assert_eq!(Layout::from_code(layout.code()), Some(layout));
        }
        for text in ["", "152191172", "0521911720", "1521911720.", "1521911720.0000000001", "15219117206", "9999999999", "152191172x"] {
            assert!(epoch(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_counts_from_1970_comes_back(text in "[0-9]{10}[.0-9]{0,10}") {
            if let Some((nanos, layout)) = epoch(text.as_bytes()) {
                let mut out = Vec::new();
                render(nanos, layout, &mut out);
                prop_assert_eq!(out, text.into_bytes());
            }
        }

        #[test]
        fn whatever_parses_comes_back(text in "[0-9A-Za-z:/ .,+-]{8,32}") {
            if let Some((nanos, layout, len)) = parse(text.as_bytes()) {
                let mut out = Vec::new();
                render(nanos, layout, &mut out);
                prop_assert_eq!(&out[..], &text.as_bytes()[..len]);
            }
        }
    }
}
