//! Looks for a time in a line, wherever it stands; remembers where it stood in the last line of the source.

use super::read::{self, Layout, Reading};
use super::{Zone, resolve};
use taffrail_base::limits::TIME_SCAN_BYTES_MAX;
use taffrail_event::{Problems, Timestamp};

/// A time found in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where its text begins.
    pub start: usize,
    /// Where its text ends.
    pub end: usize,
    /// The event time to store: the time meant, or the receive time if that cannot be (`BAD_TIME`).
    pub time: Timestamp,
    /// `INFERRED_TIME` or `BAD_TIME`.
    pub problems: Problems,
}

/// Finds times in the lines of one source. What worked for the last line is tried first.
#[derive(Clone, Debug, Default)]
pub struct TimeFinder {
    zone: Zone,
    last: Option<(usize, Option<u8>, Layout)>,
}

impl TimeFinder {
    /// A finder for a source whose times are in `zone` where they do not say.
    pub fn new(zone: Zone) -> Self {
        Self { zone, last: None }
    }

    /// The zone of times that name none.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The time of a line: the one that stands first. A bare number of seconds counts only at the beginning,
    /// or behind `(`, `[`, `=`, `:` or a quote where no other time is in the line.
    pub fn find(&mut self, line: &[u8], received: Timestamp) -> Option<Found> {
        let window = &line[..line.len().min(TIME_SCAN_BYTES_MAX)];
        if let Some(found) = self.again(window, received) {
            return Some(found);
        }
        let (start, layout, reading, used) = scan(window)?;
        self.last = Some((start, start.checked_sub(1).map(|at| window[at]), layout));
        Some(self.found(start, &reading, used, received))
    }

    /// The time that begins exactly at `start`, of whatever layout.
    pub fn at(&self, line: &[u8], start: usize, received: Timestamp) -> Option<Found> {
        let (_, reading, used) = read::any(line.get(start..)?)?;
        Some(self.found(start, &reading, used, received))
    }

    /// The event time for a number since the epoch in seconds, milli-, micro- or nanoseconds, told apart by
    /// its size.
    pub fn epoch(&self, number: f64, received: Timestamp) -> (Timestamp, Problems) {
        let scale = match number.abs() {
            n if n < 1e11 => 1e9,
            n if n < 1e14 => 1e6,
            n if n < 1e17 => 1e3,
            _ => 1.0,
        };
        resolve(&Reading::Epoch((number * scale) as i64), &self.zone, received)
    }

    /// One probe where the last time stood, or behind the byte that it stood behind.
    fn again(&self, window: &[u8], received: Timestamp) -> Option<Found> {
        let (offset, before, layout) = self.last?;
        if begins(window, offset)
            && let Some((reading, used)) = read::one(layout, &window[offset..])
        {
            return Some(self.found(offset, &reading, used, received));
        }
        let mark = before.filter(|b| matches!(b, b'[' | b'(' | b'"' | b'<'))?;
        let start = memchr::memchr(mark, window)? + 1;
        let (reading, used) = read::one(layout, &window[start..])?;
        Some(self.found(start, &reading, used, received))
    }

    fn found(&self, start: usize, reading: &Reading, used: usize, received: Timestamp) -> Found {
        let (time, problems) = resolve(reading, &self.zone, received);
        Found { start, end: start + used, time, problems }
    }
}

/// Whether a time may begin at `at`: not in the middle of a word or number.
fn begins(bytes: &[u8], at: usize) -> bool {
    if at >= bytes.len() {
        return false;
    }
    at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || matches!(bytes[at - 1], b'.' | b'-' | b'_' | b'/') && bytes[at].is_ascii_digit())
}

/// The first time in `window`: where, what layout, the time, its length.
fn scan(window: &[u8]) -> Option<(usize, Layout, Reading, usize)> {
    let mut number = None;
    let mut before = b' ';
    for (at, &byte) in window.iter().enumerate() {
        let candidate = byte.is_ascii_digit() || MAY_BEGIN_NAME[usize::from(byte)];
        if candidate
            && !before.is_ascii_alphanumeric()
            && begins(window, at)
            && let Some((layout, reading, used)) = read::any(&window[at..])
        {
            if layout != Layout::Epoch || at == 0 {
                return Some((at, layout, reading, used));
            }
            if number.is_none() && matches!(before, b'(' | b'[' | b'=' | b':' | b'"') {
                number = Some((at, layout, reading, used));
            }
        }
        before = byte;
    }
    number
}

/// First letters of month and weekday names.
const MAY_BEGIN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let letters = b"JFMASONDTWjfmasondtw";
    let mut at = 0;
    while at < letters.len() {
        table[letters[at] as usize] = true;
        at += 1;
    }
    table
};
