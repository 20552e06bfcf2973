//! Cuts one syslog TCP connection into messages (RFC 6587), whatever mixture of framings the sender uses.
//!
//! The rules, at the place where a message may begin:
//! - *Octet count*: one to eight digits, the first not 0, and a space. It is believed when a `<PRI>` follows.
//!   Without a PRI it is believed if the message before it was counted; as the first of a connection, if the
//!   counted bytes hold no LF and another message (or the end) stands right behind them.
//! - Everything else ends at the first LF or NUL. A LF right behind a NUL, and LF or NUL right behind a counted
//!   message, end nothing and are left out. Other empty messages are given as empty frames.
//! - *Resynchronisation*: if what stands behind a counted message can be no beginning (no digit, `<`, LF or
//!   NUL), the count was wrong. The bytes up to the next LF, NUL or `digits SP <PRI>` are given as a frame
//!   marked `MALFORMED` and `CONTINUED`: no byte is lost, and the next message is whole again.
//! - A counted message that the connection ends in the middle of is given as far as it came, `MALFORMED`.
//! - What has no end within the limit is cut into parts, every part but the first `CONTINUED`.

use crate::Frame;
use taffrail_base::limits::EVENT_BYTES_MAX;
use taffrail_event::Problems;

/// Incremental framing for one connection. Holds at most one unfinished message.
#[derive(Debug)]
pub struct SyslogFramer {
    held: Vec<u8>,
    /// No terminator is in the first this many held bytes: they are not looked at again.
    searched: usize,
    state: State,
    /// How the last message was framed.
    mode: Mode,
    continued: bool,
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A message begins here.
    Begin,
    /// Up to LF or NUL.
    Text,
    /// This many bytes.
    Counted(usize),
    /// A count was wrong: up to the next place that can be a beginning.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    First,
    Counted,
    Lf,
    Nul,
}

/// Digits that a count may have; with more it is text. 99,999,999 is beyond the size limit already.
const COUNT_DIGITS_MAX: usize = 8;

/// What a look at the bytes says.
enum Look {
    /// More bytes are needed to say.
    More,
    No,
    /// A count of so many bytes, behind so many bytes of digits and space.
    Count {
        header: usize,
        count: usize,
    },
}

impl Default for SyslogFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl SyslogFramer {
    /// A framer at the start of a connection, with the event size limit of `base::limits`.
    pub fn new() -> Self {
        Self::with_limit(EVENT_BYTES_MAX)
    }

    /// A framer with another limit.
    pub fn with_limit(limit: usize) -> Self {
        Self { held: Vec::new(), searched: 0, state: State::Begin, mode: Mode::First, continued: false, limit: limit.max(64) }
    }

    /// Bytes taken that are not in any frame yet.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes the next bytes of the connection and gives every message that they complete.
    pub fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(Frame<'_>)) {
        if self.held.is_empty() {
            let used = self.run(bytes, false, &mut emit);
            self.held.extend_from_slice(&bytes[used..]);
            return;
        }
        self.held.extend_from_slice(bytes);
        let mut held = std::mem::take(&mut self.held);
        let used = self.run(&held, false, &mut emit);
        held.drain(..used);
        if held.is_empty() {
            held.shrink_to(64 * 1024);
        }
        self.held = held;
    }

    /// The connection has ended: gives what is left.
    pub fn finish(&mut self, mut emit: impl FnMut(Frame<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.run(&held, true, &mut emit);
        *self = Self::with_limit(self.limit);
    }

    /// Gives the messages in `bytes` and says how many bytes are done with.
    fn run(&mut self, bytes: &[u8], end: bool, emit: &mut impl FnMut(Frame<'_>)) -> usize {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let step = match self.state {
                State::Begin => self.begin(rest, end),
                State::Text => self.text(rest, end, emit),
                State::Counted(count) => self.counted(rest, count, end, emit),
                State::Lost => self.lost(rest, end, emit),
            };
            match step {
                Some(used) => at += used,
                None => return at,
            }
        }
    }

    /// Decides how the message that begins here is framed; `None`: more bytes are needed.
    fn begin(&mut self, rest: &[u8], end: bool) -> Option<usize> {
        let first = *rest.first()?;
        let separator = match self.mode {
            Mode::Counted => first == b'\n' || first == 0,
            Mode::Nul => first == b'\n',
            Mode::First | Mode::Lf => false,
        };
        if separator {
            if self.mode == Mode::Nul {
                self.mode = Mode::Lf; // only one LF belongs to the NUL
            }
            return Some(1);
        }
        if first.is_ascii_digit() {
            match self.look_count(rest, end) {
                Look::More => return None,
                Look::Count { header, count } => {
                    self.state = State::Counted(count);
                    return Some(header);
                }
                Look::No => {}
            }
        }
        let beginning = first == b'<' || first.is_ascii_digit();
        self.state = if self.mode == Mode::Counted && !beginning { State::Lost } else { State::Text };
        self.searched = 0;
        Some(0)
    }

    fn look_count(&self, rest: &[u8], end: bool) -> Look {
        let (header, count) = match count_at(rest) {
            Look::Count { header, count } => (header, count),
            Look::More if !end => return Look::More,
            _ => return Look::No,
        };
        if end && rest.len() == header {
            return Look::No; // nothing follows: keep it as text rather than lose it
        }
        match has_pri(&rest[header..]) {
            Some(true) => return Look::Count { header, count },
            None if !end => return Look::More,
            _ => {}
        }
        if count > self.limit {
            return Look::No;
        }
        match self.mode {
            Mode::Counted => Look::Count { header, count },
            Mode::Lf | Mode::Nul => Look::No,
            Mode::First => {
                let body = &rest[header..];
                if memchr::memchr2(b'\n', 0, &body[..body.len().min(count)]).is_some() {
                    return Look::No;
                }
                match body.get(count) {
                    Some(b) if b.is_ascii_digit() || matches!(b, b'<' | b'\n' | 0) => Look::Count { header, count },
                    Some(_) => Look::No,
                    None if end && body.len() == count => Look::Count { header, count },
                    None if end => Look::No,
                    None => Look::More,
                }
            }
        }
    }

    fn text(&mut self, rest: &[u8], end: bool, emit: &mut impl FnMut(Frame<'_>)) -> Option<usize> {
        let window = &rest[..rest.len().min(self.limit + 1)];
        let from = self.searched.min(window.len());
        if let Some(found) = memchr::memchr2(b'\n', 0, &window[from..]) {
            let at = from + found;
            self.mode = if rest[at] == 0 { Mode::Nul } else { Mode::Lf };
            self.give(&rest[..at], Problems::NONE, emit);
            self.state = State::Begin;
            return Some(at + 1);
        }
        self.searched = window.len();
        if rest.len() > self.limit {
            return Some(self.part(rest, Problems::NONE, emit));
        }
        if end && !rest.is_empty() {
            self.give(rest, Problems::NONE, emit);
            return Some(rest.len());
        }
        None
    }

    fn counted(&mut self, rest: &[u8], count: usize, end: bool, emit: &mut impl FnMut(Frame<'_>)) -> Option<usize> {
        if count > self.limit && rest.len() >= self.limit {
            self.state = State::Counted(count - self.limit);
            return Some(self.part(rest, Problems::NONE, emit));
        }
        if rest.len() >= count {
            self.give(&rest[..count], Problems::NONE, emit);
            self.mode = Mode::Counted;
            self.state = State::Begin;
            return Some(count);
        }
        if end && !rest.is_empty() {
            self.give(rest, Problems::MALFORMED, emit);
            self.state = State::Begin;
            return Some(rest.len());
        }
        None
    }

    fn lost(&mut self, rest: &[u8], end: bool, emit: &mut impl FnMut(Frame<'_>)) -> Option<usize> {
        let wrong = Problems::MALFORMED.with(Problems::CONTINUED);
        let window = &rest[..rest.len().min(self.limit + 1)];
        // A count that was cut off by the end of what is there may have begun this far back.
        let from = self.searched.min(window.len()).saturating_sub(COUNT_DIGITS_MAX + 6);
        let terminator = memchr::memchr2(b'\n', 0, &window[from..]).map_or(window.len(), |at| from + at);
        if let Some(at) = counted_beginning(&window[..terminator], from) {
            self.give(&rest[..at], wrong, emit);
            self.state = State::Begin;
            return Some(at);
        }
        if terminator < window.len() {
            self.give(&rest[..terminator], wrong, emit);
            self.mode = Mode::Lf;
            self.state = State::Begin;
            return Some(terminator + 1);
        }
        self.searched = window.len();
        if rest.len() > self.limit {
            return Some(self.part(rest, wrong, emit));
        }
        if end && !rest.is_empty() {
            self.give(rest, wrong, emit);
            return Some(rest.len());
        }
        None
    }

    fn part(&mut self, rest: &[u8], problems: Problems, emit: &mut impl FnMut(Frame<'_>)) -> usize {
        self.give(&rest[..self.limit], problems, emit);
        self.continued = true;
        self.searched = 0;
        self.limit
    }

    fn give(&mut self, raw: &[u8], problems: Problems, emit: &mut impl FnMut(Frame<'_>)) {
        let problems = if self.continued { problems.with(Problems::CONTINUED) } else { problems };
        self.continued = false;
        emit(Frame { raw, problems });
    }
}

/// A count and its space at the start of `bytes`.
fn count_at(bytes: &[u8]) -> Look {
    let digits = bytes.iter().take(COUNT_DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || digits > COUNT_DIGITS_MAX || bytes[0] == b'0' {
        return Look::No;
    }
    match bytes.get(digits) {
        None => Look::More,
        Some(b' ') => {
            let count = bytes[..digits].iter().fold(0usize, |sum, b| sum * 10 + usize::from(b - b'0'));
            Look::Count { header: digits + 1, count }
        }
        Some(_) => Look::No,
    }
}

/// Whether `<PRI>` stands at the start; `None` while that cannot be said.
fn has_pri(bytes: &[u8]) -> Option<bool> {
    for (at, byte) in bytes.iter().take(5).enumerate() {
        let fits = match at {
            0 => *byte == b'<',
            1 => byte.is_ascii_digit(),
            _ if *byte == b'>' => return Some(true),
            4 => false,
            _ => byte.is_ascii_digit(),
        };
        if !fits {
            return Some(false);
        }
    }
    None
}

/// Where `digits SP <PRI>` begins, searched for the `<` from `from` on.
fn counted_beginning(bytes: &[u8], from: usize) -> Option<usize> {
    for at in memchr::memchr_iter(b'<', &bytes[from..]).map(|at| from + at) {
        if at < 2 || bytes[at - 1] != b' ' || has_pri(&bytes[at..]) != Some(true) {
            continue;
        }
        let digits = bytes[..at - 1].iter().rev().take(COUNT_DIGITS_MAX).take_while(|b| b.is_ascii_digit()).count();
        let mut start = at - 1 - digits;
        // A count does not begin with 0.
        while start < at - 1 && bytes[start] == b'0' {
            start += 1;
        }
        if start < at - 1 && start > 0 {
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests;
