//! The date that a source's last events had. Neighbouring events nearly always share the day and the spelling of
//! the time: then only the time of day is read, and the rest compared.
//!
//! A memo is learnt from the layouts of `read` and proved by them: the first and the last moment of the day, written
//! as the event wrote its time, must be what the memo says of them. Whatever could be read in another way (a
//! year, zone or half of the day behind the time, a leap second) is left to `read`.

use super::read::{self, Layout};
use taffrail_event::{Problems, Timestamp};

/// Longest date before a time of day: `Wednesday, 21 November` is not among the layouts.
const DATE_MAX: usize = 24;
/// Longest of what stands behind the time of day: ` +01:00`, ` CEST`, ` 2026`.
const SUFFIX_MAX: usize = 8;
/// Bytes behind a time that `read` looks at, and more.
const LOOKAHEAD: usize = 24;

const SECOND: i64 = 1_000_000_000;

/// A few bytes, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Short<N> {
    fn new(bytes: &[u8]) -> Option<Self> {
        let mut short = Self { bytes: [0; N], len: u8::try_from(bytes.len()).ok()? };
        short.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(short)
    }

    fn get(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// What times are resolved by: the memo holds as long as these are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub received: Timestamp,
    pub reference: Timestamp,
}

/// The date before the time of day, its spelling, and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Memo {
    pub layout: Layout,
    /// Whether the splitter takes the very same bytes for a time, if any.
    pub agrees: bool,
    clock: Clock,
    date: Short<DATE_MAX>,
    suffix: Short<SUFFIX_MAX>,
    /// The byte behind; it matters only behind a suffix.
    follow: Option<u8>,
    midnight: i64,
    problems: Problems,
}

/// A day for which nothing was learnt yet, or nothing can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    clock: Clock,
    date: Short<DATE_MAX>,
    /// Whether it was tried to learn it: once is enough.
    tried: bool,
}

/// A time as it was read in full.
pub(super) struct Full<'a> {
    /// From its beginning on.
    pub bytes: &'a [u8],
    pub layout: Layout,
    pub used: usize,
    pub nanos: i64,
}

impl Memo {
    /// The time at the beginning of `bytes`, if it is of the day and spelling known: nanoseconds, problems, length.
    #[inline]
    pub fn read(&self, bytes: &[u8], clock: Clock) -> Option<(Timestamp, Problems, usize)> {
        let date = usize::from(self.date.len);
        let time = bytes.get(date..date + 8)?;
        if self.clock != clock || &bytes[..date] != self.date.get() {
            return None;
        }
        let seconds = seconds_of(time.try_into().expect("eight bytes"))?;
        let (nanos, mut at) = fraction(bytes, date + 8)?;
        let suffix = self.suffix.get();
        if !suffix.is_empty() {
            if !bytes[at..].starts_with(suffix) {
                return None;
            }
            at += suffix.len();
            if bytes.get(at).copied() != self.follow {
                return None;
            }
        }
        let ends = ends(&bytes[at..]);
        ends.then(|| (Timestamp(self.midnight + i64::from(seconds) * SECOND + nanos), self.problems, at))
    }

    /// Learns from a time that was read in full, if its day was there before and what is learnt can be proved.
    /// `slow` is the reading in full.
    pub fn learn(
        seen: &mut Option<Seen>,
        full: &Full<'_>,
        clock: Clock,
        slow: impl Fn(&[u8]) -> Option<(Layout, Timestamp, Problems, usize)>,
    ) -> Option<Self> {
        let at = (0..(full.used + 1).saturating_sub(8)).rev().find(|at| spells_clock(&full.bytes[*at..*at + 8]))?;
        let date = Short::new(&full.bytes[..at])?;
        // Learnt the second time: a source with an event a day has nothing from it.
        let known = seen.filter(|seen| seen.clock == clock && seen.date == date);
        *seen = Some(Seen { clock, date, tried: known.is_some() });
        if known.is_none_or(|known| known.tried) || full.layout == Layout::American {
            return None;
        }
        let seconds = seconds_of(full.bytes[at..at + 8].try_into().expect("eight bytes"))?;
        let (nanos, behind) = fraction(full.bytes, at + 8)?;
        let suffix = Short::new(full.bytes.get(behind..full.used)?)?;
        let agrees = taffrail_pattern::split::time::len_at(full.bytes).is_none_or(|len| len == full.used);
        let sample = &full.bytes[..full.bytes.len().min(full.used + LOOKAHEAD)];
        let moment = |text: &[u8; 8], digit: u8| {
            let mut bytes = sample.to_vec();
            bytes[at..at + 8].copy_from_slice(text);
            if behind > at + 8 {
                bytes[at + 9..behind].fill(digit);
            }
            let (layout, time, problems, used) = slow(&bytes)?;
            (layout == full.layout && used == full.used).then_some((time.0, problems))
        };
        let (midnight, problems) = moment(b"00:00:00", b'0')?;
        let (last, same) = moment(b"23:59:59", b'9')?;
        let most = if behind > at + 8 { SECOND - 10i64.pow(9 - (behind - at - 9) as u32) } else { 0 };
        let proved = last == midnight.checked_add(86_399 * SECOND + most)?
            && same == problems
            && full.nanos == midnight + i64::from(seconds) * SECOND + nanos;
        let follow = full.bytes.get(full.used).copied();
        proved.then_some(Self { layout: full.layout, agrees, clock, date, suffix, follow, midnight, problems })
    }
}

/// Whether eight bytes are digits and colons as in `21:14:03`.
fn spells_clock(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| if at == 2 || at == 5 { *byte == b':' } else { byte.is_ascii_digit() })
}

/// The seconds of `hh:mm:ss`; not of a leap second.
#[inline]
fn seconds_of(bytes: [u8; 8]) -> Option<u32> {
    // Each byte less what it has to be at least; then none may be above 9, and the colons must be 0.
    let digits = u64::from_le_bytes(bytes) ^ u64::from_le_bytes(*b"00:00:00");
    let over = digits.wrapping_add(u64::from_le_bytes([0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76]));
    if (over | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let two = |at: usize| u32::from(bytes[at] & 0xf) * 10 + u32::from(bytes[at + 1] & 0xf);
    let (hour, minute, second) = (two(0), two(3), two(6));
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3_600 + minute * 60 + second)
}

/// The nanoseconds of a fraction of one to nine digits at `at`, if there is one, and where it ends.
#[inline]
fn fraction(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    if !matches!(bytes.get(at), Some(b'.' | b',')) {
        return Some((0, at));
    }
    let mut end = at + 1;
    let mut nanos = 0;
    while let Some(digit) = bytes.get(end).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        if end - at > 9 {
            return None;
        }
        nanos = nanos * 10 + i64::from(digit);
        end += 1;
    }
    const SCALE: [i64; 10] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let digits = end - at - 1;
    (digits > 0).then(|| (nanos * SCALE[digits], end))
}

/// Whether nothing at the beginning of `rest` can belong to the time before it. Says no when in doubt.
#[inline]
fn ends(rest: &[u8]) -> bool {
    match rest {
        [] => true,
        [b' ', next @ ..] => match next {
            [b'a'..=b'y', ..] | [] => true,
            [b'+' | b'-', ..] => false,
            [b'A'..=b'Z' | b'z', ..] => read::zone(next, 0).is_none(),
            [b'0'..=b'9', ..] => next.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count() < 4,
            _ => true,
        },
        [b']' | b'[' | b')' | b'(' | b'"' | b'\'' | b'|' | b'\t' | b'\r' | b';' | b'=' | b'<' | b'>' | b'{' | b'}', ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        assert_eq!(seconds_of(*b"00:00:00"), Some(0));
        assert_eq!(seconds_of(*b"23:59:59"), Some(86_399));
        for text in [b"24:00:00", b"23:60:00", b"23:59:60", b"23-59:59", b"2a:59:59", b" 3:59:59", b"23:59:5\xb9", b"23:59;59"] {
            assert_eq!(seconds_of(*text), None, "{text:?}");
        }
    }

    #[test]
    fn what_may_belong_to_a_time_is_left_to_the_layouts() {
        for rest in [&b""[..], b" ", b" host x", b" Web-1 x", b"] x", b" [1] x", b" 10.0.0.1 x", b" 123 x", b"  2026 x"] {
            assert!(ends(rest), "{:?}", String::from_utf8_lossy(rest));
        }
        for rest in [&b" CET x"[..], b" 2026 x", b" +0100", b"Z", b".5", b",5", b"+01", b":03", b" Z-1", b" EST-web x", b"x"] {
            assert!(!ends(rest), "{:?}", String::from_utf8_lossy(rest));
        }
    }
}
