//! Values that are numbers, spelled in a way that gives the very bytes back.

use super::put_ints;
use crate::segment::blocks::{BlockWriter, Kind};
use crate::segment::meta::Body;
use taffrail_base::Result;
use taffrail_pattern::split::time;

/// Digits of an integer at most: all integers of so many fit 64 bits.
const DIGITS_MAX: usize = 18;

/// A body of numbers, with the least and the greatest where these mean something.
pub type Numbers = (Body, Option<(i64, i64)>);

/// How a value is spelled: only values of one spelling are stored in one column, or numbers would become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// Digits.
    Integer,
    /// Digits and a point, so many after it.
    Decimal(usize),
    /// `a.b.c.d`
    Ipv4,
    /// So many hexadecimal digits, or a UUID.
    Hex(usize),
    /// Seconds since 1970, and the like.
    Epoch,
    /// Anything else.
    Text,
}

impl Spelling {
    /// The spelling of a value.
    pub fn of(value: &[u8]) -> Self {
        let hex = |value: &[u8]| value.iter().all(u8::is_ascii_hexdigit);
        if time::epoch(value).is_some() {
            return Self::Epoch;
        }
        if canonical(value).is_some() {
            return Self::Integer;
        }
        if ipv4(value).is_some() {
            return Self::Ipv4;
        }
        match value.iter().position(|byte| *byte == b'.') {
            Some(point) if decimal(value, value.len() - point - 1).is_some() => Self::Decimal(value.len() - point - 1),
            _ if is_uuid(value) || (value.len() >= 8 && hex(value)) => Self::Hex(value.len()),
            _ => Self::Text,
        }
    }
}

/// An integer of digits alone.
#[inline]
fn integer(value: &[u8]) -> Option<i64> {
    if value.is_empty() || value.len() > DIGITS_MAX {
        return None;
    }
    let mut sum = 0i64;
    for byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum * 10 + i64::from(digit);
    }
    Some(sum)
}

/// An integer as it is usually spelled: no zeros before it, `-` before a negative one.
#[inline]
pub fn canonical(value: &[u8]) -> Option<i64> {
    match value {
        [b'-', digits @ ..] => negative(digits),
        [b'0', _, ..] => None,
        _ if value.len() > DIGITS_MAX => long(value),
        _ => integer(value),
    }
}

fn negative(digits: &[u8]) -> Option<i64> {
    match canonical(digits)? {
        0 => None,
        // `--5` is no number.
        number if number > 0 => Some(-number),
        _ => None,
    }
}

fn long(value: &[u8]) -> Option<i64> {
    let digits = value.len() == DIGITS_MAX + 1 && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

fn decimal(value: &[u8], scale: usize) -> Option<i64> {
    let point = value.len().checked_sub(scale + 1)?;
    if value[point] != b'.' || value.len() > DIGITS_MAX {
        return None;
    }
    let whole = canonical(&value[..point]).filter(|whole| *whole >= 0)?;
    let fraction = integer(&value[point + 1..])?;
    Some(whole * 10i64.pow(scale as u32) + fraction)
}

/// An IPv4 address without leading zeros.
#[inline]
pub fn ipv4(value: &[u8]) -> Option<i64> {
    if !(7..=15).contains(&value.len()) {
        return None;
    }
    let (mut address, mut part, mut digits, mut points) = (0i64, 0i64, 0, 0);
    for byte in value {
        if *byte == b'.' {
            if digits == 0 || part > 255 || points == 3 {
                return None;
            }
            address = address << 8 | part;
            (part, digits, points) = (0, 0, points + 1);
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || digits == 3 || (digits == 1 && part == 0) {
            return None;
        }
        part = part * 10 + i64::from(digit);
        digits += 1;
    }
    (points == 3 && digits > 0 && part <= 255).then_some(address << 8 | part)
}

/// All values as numbers; the middle and the last one are asked first, for what is no number fails there.
fn all(values: &[&[u8]], read: impl Fn(&[u8]) -> Option<i64>) -> Option<Vec<i64>> {
    read(values[values.len() / 2])?;
    read(values[values.len() - 1])?;
    let mut numbers = Vec::with_capacity(values.len());
    for value in values {
        numbers.push(read(value)?);
    }
    Some(numbers)
}

fn range(numbers: &[i64]) -> Option<(i64, i64)> {
    let first = *numbers.first()?;
    Some(numbers.iter().fold((first, first), |(least, most), number| (least.min(*number), most.max(*number))))
}

/// The body of values that are all numbers of one spelling.
pub fn as_numbers(values: &[&[u8]], out: &mut BlockWriter) -> Result<Option<Numbers>> {
    let first = values[0];
    let digits = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let negative = first.len() > 1 && first[0] == b'-' && first[1].is_ascii_digit();
    if (digits || negative)
        && let Some(numbers) = all(values, canonical)
    {
        return Ok(Some((Body::Integer { width: 0, ints: put_ints(&numbers, out)? }, range(&numbers))));
    }
    let width = first.len();
    if digits && let Some(numbers) = all(values, |value| integer(value).filter(|_| value.len() == width)) {
        return Ok(Some((Body::Integer { width: width as u8, ints: put_ints(&numbers, out)? }, range(&numbers))));
    }
    if let Some(point) = first.iter().position(|b| *b == b'.').filter(|_| first[0].is_ascii_digit()) {
        if let Some(numbers) = all(values, ipv4) {
            return Ok(Some((Body::Ipv4 { ints: put_ints(&numbers, out)? }, range(&numbers))));
        }
        let scale = first.len() - point - 1;
        if scale > 0
            && let Some(numbers) = all(values, |value| decimal(value, scale))
        {
            return Ok(Some((Body::Decimal { scale: scale as u8, ints: put_ints(&numbers, out)? }, range(&numbers))));
        }
        return Ok(None);
    }
    Ok(as_hex(values, out)?.map(|body| (body, None)))
}

fn as_hex(values: &[&[u8]], out: &mut BlockWriter) -> Result<Option<Body>> {
    let first = values[0];
    let len = first.len();
    let upper = first.iter().any(u8::is_ascii_uppercase);
    let uuid = is_uuid(first);
    if !uuid && (len < 8 || !len.is_multiple_of(2) || len > 1_024) {
        return Ok(None);
    }
    let table = if upper { &UPPER } else { &LOWER };
    let mut bytes = Vec::with_capacity(values.len() * len / 2);
    for value in values {
        let whole = match uuid {
            true => is_uuid(value) && UUID_PARTS.iter().all(|(start, end)| unhex(&value[*start..*end], table, &mut bytes)),
            false => value.len() == len && unhex(value, table, &mut bytes),
        };
        if !whole {
            return Ok(None);
        }
    }
    let bytes = out.put(Kind::Numbers, &bytes)?;
    Ok(Some(if uuid { Body::Uuid { upper, bytes } } else { Body::Hex { len: len as u32, upper, bytes } }))
}

/// Where the digits of a UUID stand.
const UUID_PARTS: [(usize, usize); 5] = [(0, 8), (9, 13), (14, 18), (19, 23), (24, 36)];

fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36 && [8, 13, 18, 23].iter().all(|at| value[*at] == b'-')
}

const NO_DIGIT: u8 = 0xff;

const fn digits(letters: u8) -> [u8; 256] {
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        table[if digit < 10 { b'0' + digit } else { letters + digit - 10 } as usize] = digit;
        digit += 1;
    }
    table
}

const LOWER: [u8; 256] = digits(b'a');
const UPPER: [u8; 256] = digits(b'A');

fn unhex(digits: &[u8], table: &[u8; 256], out: &mut Vec<u8>) -> bool {
    for pair in digits.chunks_exact(2) {
        let (high, low) = (table[pair[0] as usize], table[pair[1] as usize]);
        if (high | low) > 15 {
            return false;
        }
        out.push(high << 4 | low);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_only_where_they_come_back() {
        for (text, number) in
            [("0", Some(0)), ("-5", Some(-5)), ("-0", None), ("--5", None), ("-", None), ("01", None), ("", None), ("1a", None)]
        {
            assert_eq!(canonical(text.as_bytes()), number, "{text}");
        }
        assert_eq!(canonical(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(canonical(b"9223372036854775808"), None);
        assert_eq!(canonical(b"-9223372036854775807"), Some(-i64::MAX));
        assert_eq!(ipv4(b"1.2.3.255"), Some(0x0102_03ff));
        for text in ["1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", "1..2.3", "1.2.3.", ".1.2.3.4", "1.2.3.4a"] {
            assert_eq!(ipv4(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decimal(b"12.50", 2), Some(1250));
        assert_eq!(decimal(b"-1.50", 2), None);
        assert_eq!(decimal(b"1.5x", 2), None);
    }
}
