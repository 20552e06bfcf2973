//! Looks for a time in a line, wherever it stands; remembers where it stood in the last line of the source.

use super::memo::{Clock, Full, Memo, Seen};
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
    /// Times without a year are at most this late; the receive time if it is not known.
    latest: Option<Timestamp>,
    memo: Option<Memo>,
    seen: Option<Seen>,
}

impl TimeFinder {
    /// A finder for a source whose times are in `zone` where they do not say.
    pub fn new(zone: Zone) -> Self {
        Self { zone, ..Self::default() }
    }

    /// Makes it read the next time in full.
    #[cfg(test)]
    pub(crate) fn forget_day(&mut self) {
        (self.memo, self.seen) = (None, None);
    }

    /// Whether it knows a day to compare with.
    #[cfg(test)]
    pub(crate) fn knows_day(&self) -> bool {
        self.memo.is_some()
    }

    /// The zone of times that name none.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// From here on times that name no zone are of this one.
    pub(crate) fn set_zone(&mut self, zone: Zone) {
        if self.zone != zone {
            // What was learnt of a day is of the other zone.
            (self.zone, self.memo, self.seen) = (zone, None, None);
        }
    }

    /// From here on times without a year are at most as late as `latest`: when the file was last written to.
    /// `None`: as late as they are received.
    pub fn set_latest(&mut self, latest: Option<Timestamp>) {
        self.latest = latest;
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
        Some(self.found(window, start, layout, &reading, used, received))
    }

    /// The time that begins exactly at `start`, of whatever layout.
    pub fn at(&mut self, line: &[u8], start: usize, received: Timestamp) -> Option<Found> {
        let bytes = line.get(start..)?;
        if let Some(found) = self.remembered(bytes, start, None, received) {
            return Some(found);
        }
        let (layout, reading, used) = read::any(bytes)?;
        Some(self.found(line, start, layout, &reading, used, received))
    }

    /// The same, but only if it is of a day and spelling that were read before, and the splitter sees the very same
    /// time there or none: for a codec that can say all it has to say of such a line in one go.
    #[inline]
    pub(crate) fn quick(&self, line: &[u8], start: usize, received: Timestamp) -> Option<Found> {
        let memo = self.memo.as_ref().filter(|memo| memo.agrees)?;
        let (time, problems, used) = memo.read(line.get(start..)?, self.clock(received))?;
        Some(Found { start, end: start + used, time, problems })
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
        resolve(&Reading::Epoch((number * scale) as i64), &self.zone, received, received)
    }

    /// One probe where the last time stood, or behind the byte that it stood behind.
    fn again(&mut self, window: &[u8], received: Timestamp) -> Option<Found> {
        let (offset, before, layout) = self.last?;
        let level = || offset.checked_sub(1).and_then(|at| window.get(at..)).is_some_and(|level| read::behind_level(level).is_some());
        if (begins(window, offset) || (layout == Layout::MonthDayTogether && level()))
            && let Some(found) = self.one(window, offset, layout, received)
        {
            return Some(found);
        }
        let mark = before.filter(|b| matches!(b, b'[' | b'(' | b'"' | b'<'))?;
        let start = memchr::memchr(mark, window)? + 1;
        self.one(window, start, layout, received)
    }

    fn one(&mut self, window: &[u8], start: usize, layout: Layout, received: Timestamp) -> Option<Found> {
        if let Some(found) = self.remembered(&window[start..], start, Some(layout), received) {
            return Some(found);
        }
        let (reading, used) = read::one(layout, &window[start..])?;
        Some(self.found(window, start, layout, &reading, used, received))
    }

    fn clock(&self, received: Timestamp) -> Clock {
        Clock { received, reference: self.latest(received) }
    }

    /// How late times without a year can be.
    pub(crate) fn latest(&self, received: Timestamp) -> Timestamp {
        self.latest.map_or(received, |latest| latest.min(received))
    }

    fn remembered(&self, bytes: &[u8], start: usize, layout: Option<Layout>, received: Timestamp) -> Option<Found> {
        let memo = self.memo.as_ref().filter(|memo| layout.is_none_or(|layout| layout == memo.layout))?;
        let (time, problems, used) = memo.read(bytes, self.clock(received))?;
        Some(Found { start, end: start + used, time, problems })
    }

    fn found(&mut self, line: &[u8], start: usize, layout: Layout, reading: &Reading, used: usize, received: Timestamp) -> Found {
        let clock = self.clock(received);
        let (time, problems) = resolve(reading, &self.zone, received, clock.reference);
        if matches!(reading, Reading::Civil(_)) {
            let zone = &self.zone;
            let full = Full { bytes: &line[start..], layout, used, nanos: time.0 };
            let slow = |bytes: &[u8]| {
                let (layout, reading, used) = read::any(bytes)?;
                let (time, problems) = resolve(&reading, zone, received, clock.reference);
                Some((layout, time, problems, used))
            };
            if let Some(memo) = Memo::learn(&mut self.seen, &full, clock, slow) {
                self.memo = Some(memo);
            }
        }
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
        if read::LEVELS.contains(&byte)
            && !before.is_ascii_alphanumeric()
            && let Some((layout, reading, used)) = read::behind_level(&window[at..])
        {
            return Some((at + 1, layout, reading, used));
        }
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
