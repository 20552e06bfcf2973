//! The header of a syslog message: RFC 3164, RFC 5424, and what senders make of them.
//!
//! One reader for both ways: on the way in it runs on an event's bytes, for fields on a pattern's units. The
//! structure it sees depends on delimiters only; whether a priority is a number or a time makes sense is a
//! matter of values.

use crate::tape::{Class, Span, Tape, Unit};
use taffrail_event::Problems;
use taffrail_pattern::SlotKind;

/// Which kind of header there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Version 1 behind the priority.
    Rfc5424,
    /// Everything else, down to no header at all.
    Rfc3164,
}

/// Where the parts of a message are. What is missing or `-` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which kind.
    pub kind: Kind,
    /// What stands between `<` and `>` at the beginning.
    pub priority: Option<Span>,
    /// The time.
    pub time: Option<Span>,
    /// The sender's name or address.
    pub host: Option<Span>,
    /// The program.
    pub app: Option<Span>,
    /// The process: what stands in brackets behind the program.
    pub procid: Option<Span>,
    /// The message's type (RFC 5424 only).
    pub msgid: Option<Span>,
    /// The structured data, from the first `[` to the last `]`.
    pub data: Option<Span>,
    /// The message itself.
    pub message: Span,
    /// Whether a priority or a time is the very first thing.
    pub at_start: bool,
    /// `MALFORMED` where a part is not as its RFC says.
    pub problems: Problems,
}

/// Reads the header of a message. Never fails: what is not there is `None`, and the rest is the message.
pub fn header(message: &[u8]) -> Header {
    let mut header = read(message);
    if let Some(priority) = header.priority
        && priority_number(&message[priority.range()]).is_none()
    {
        header.problems = Problems::MALFORMED;
    }
    header
}

/// The number of a priority: one to three digits, at most 191.
pub fn priority_number(text: &[u8]) -> Option<u8> {
    let digits = (1..=3).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| text.iter().fold(0u16, |sum, b| sum * 10 + u16::from(b - b'0')))?;
    u8::try_from(number).ok().filter(|n| *n <= 191)
}

/// The severity's name in a priority's number.
pub fn severity(priority: u8) -> &'static str {
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"][usize::from(priority & 7)]
}

/// The facility's name in a priority's number.
pub fn facility(priority: u8) -> &'static str {
    const NAMES: [&str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert",
        "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ];
    NAMES[usize::from(priority >> 3).min(23)]
}

static WORD: Class = Class::not(b" \t\r\n\0");
static TAG: Class = Class::not(b" \t\r\n\0[:\"<>{}|,;=&'");
/// Whether the byte may be part of a program's name.
#[inline]
pub(crate) fn is_tag(byte: u8) -> bool {
    TAG.has(byte)
}

/// A host, or another word before a program: what has commas is a record.
static HOST: Class = Class::not(b" \t\r\n\0,");
static IN_BRACKETS: Class = Class::not(b" \t\r\n\0[]\"");
static IN_ANGLES: Class = Class::not(b" \t\r\n\0<>\"'=:,;()[]{}|&?!*+");
static SD_NAME: Class = Class::not(b" \t\r\n\0=]\"");
/// What may stand directly behind a program's colon.
static BEHIND_COLON: Class = Class::of(b" \t\r\n\0'\"([{<");

/// The message's end without the NUL, CR and LF that senders leave there.
fn trimmed_len<T: Tape>(tape: T) -> usize {
    let mut len = tape.len();
    if len > 1 && matches!(tape.unit(len - 1), Unit::Slot(SlotKind::Raw)) {
        // Further lines of the event: what is left out at their end is up to them.
        tape.undecided();
    }
    while len > 0 && matches!(tape.unit(len - 1), Unit::Byte(0 | b'\r' | b'\n')) {
        len -= 1;
    }
    len
}

/// Reads the header on a tape.
pub(crate) fn read<T: Tape>(tape: T) -> Header {
    let len = trimmed_len(tape);
    let mut header = Header {
        kind: Kind::Rfc3164,
        priority: None,
        time: None,
        host: None,
        app: None,
        procid: None,
        msgid: None,
        data: None,
        message: Span::new(0, len),
        at_start: true,
        problems: Problems::NONE,
    };
    let mut at = 0;
    if tape.eq(0, b'<') {
        let end = tape.run(1, &IN_ANGLES);
        if end > 1 && tape.eq(end, b'>') {
            header.priority = Some(Span::new(1, end));
            at = end + 1;
        }
    }
    header.message.start = at.min(len);
    // A time is no version, so what stands behind a priority is decided for all events of a pattern.
    let time = tape.unit(at) == Unit::Slot(SlotKind::Time);
    if header.priority.is_some() && !time && tape.eq(at + 1, b' ') && tape.eq(at, b'1') {
        header.kind = Kind::Rfc5424;
        read_5424(tape, at + 2, len, &mut header);
    } else {
        read_3164(tape, at, len, &mut header);
    }
    header.message.start = header.message.start.min(len);
    header
}

fn read_5424<T: Tape>(tape: T, mut at: usize, len: usize, header: &mut Header) {
    let mut parts = [None; 5];
    for (number, part) in parts.iter_mut().enumerate() {
        let time = if number == 0 { tape.split_time_len(at) } else { None };
        let end = time.map_or_else(|| tape.run(at, &WORD), |units| at + units);
        let nil = end == at + 1 && tape.unit(at) == Unit::Byte(b'-');
        *part = (end > at && !nil).then(|| Span::new(at, end));
        if end == at || !tape.eq(end, b' ') {
            header.problems = Problems::MALFORMED;
            at = end;
            break;
        }
        at = end + 1;
    }
    [header.time, header.host, header.app, header.procid, header.msgid] = parts;
    if !header.problems.contains(Problems::MALFORMED) {
        at = data(tape, at, header);
    }
    if tape.unit(at) == Unit::Byte(b' ') {
        at += 1;
    }
    if tape.unit(at) == Unit::Byte(0xEF) && tape.unit(at + 1) == Unit::Byte(0xBB) && tape.unit(at + 2) == Unit::Byte(0xBF) {
        at += 3;
    }
    header.message = Span::new(at.min(len), len);
}

/// The structured data at `at`; where it ends.
fn data<T: Tape>(tape: T, start: usize, header: &mut Header) -> usize {
    let mut at = start;
    while tape.unit(at) == Unit::Byte(b'[') {
        match element(tape, at, |_, _, _| {}) {
            Some(end) => at = end,
            None => {
                // Not an element: a message that begins with a bracket, where the `-` was left out.
                header.problems = Problems::MALFORMED;
                break;
            }
        }
    }
    if at > start {
        header.data = Some(Span::new(start, at));
        return at;
    }
    if !tape.is(at + 1, &WORD) && tape.eq(at, b'-') {
        return at + 1;
    }
    if tape.unit(at) != Unit::End {
        header.problems = Problems::MALFORMED;
    }
    at
}

/// One element `[id name="value" ...]` at `at`: each parameter is given as its id, name and value; where the
/// element ends. `None` if it is none.
pub(crate) fn element<T: Tape>(tape: T, at: usize, mut parameter: impl FnMut(Span, Span, Span)) -> Option<usize> {
    let id = Span::new(at + 1, tape.run(at + 1, &SD_NAME));
    if id.is_empty() {
        return None;
    }
    let mut at = id.end;
    loop {
        let blank = at;
        while tape.unit(at) == Unit::Byte(b' ') {
            at += 1;
        }
        if tape.unit(at) == Unit::Byte(b']') {
            return Some(at + 1);
        }
        let name = Span::new(at, tape.run(at, &SD_NAME));
        if at == blank || name.is_empty() || !tape.eq(name.end, b'=') || !tape.eq(name.end + 1, b'"') {
            return None;
        }
        let value = Span::new(name.end + 2, tape.string_end(name.end + 2)?);
        parameter(id, name, value);
        at = value.end + 1;
    }
}

fn read_3164<T: Tape>(tape: T, start: usize, len: usize, header: &mut Header) {
    let mut at = start;
    if header.priority.is_some() && tape.unit(at) == Unit::Byte(b' ') {
        at += 1;
    }
    let Some((time, named)) = time_here(tape, at) else {
        header.at_start = header.priority.is_some();
        header.message.start = at;
        // Without a date there may still be a program, but only a priority makes it one.
        if header.priority.is_some()
            && let Some(tag) = tag(tape, at)
        {
            tag.into_header(tape, header);
        }
        header.message.end = len;
        return;
    };
    header.time = Some(time);
    header.host = named;
    at = time.end;
    header.message.start = at;
    let colon = tape.unit(at) == Unit::Byte(b':');
    if colon {
        at += 1;
    }
    if tape.unit(at) != Unit::Byte(b' ') {
        header.message.end = len;
        return;
    }
    at = skip_spaces(tape, at);
    header.message.start = at;
    behind_time(tape, at, colon, header);
    header.message.end = len;
}

fn skip_spaces<T: Tape>(tape: T, mut at: usize) -> usize {
    while tape.unit(at) == Unit::Byte(b' ') {
        at += 1;
    }
    at
}

/// The time at `at`, behind up to two of the words with a colon (a sequence number, a name) that Cisco puts
/// before it, and behind its `*` or `.`; and the name, if there is one.
fn time_here<T: Tape>(tape: T, mut at: usize) -> Option<(Span, Option<Span>)> {
    let mut named = None;
    for round in 0..3 {
        let marked = matches!(tape.unit(at), Unit::Byte(b'*' | b'.'));
        let start = if marked { at + 1 } else { at };
        if let Some(units) = tape.time_len(start) {
            return Some((Span::new(start, start + units), named));
        }
        if round == 2 {
            break;
        }
        let end = tape.run(at, &TAG);
        if end == at || !tape.eq(end, b':') || !tape.eq(end + 1, b' ') {
            return None;
        }
        // Only a date can tell the words before it from a program and its message.
        let next = end + 2;
        if !marked_time(tape, next) {
            let second = tape.run(next, &TAG);
            let colon = second > next && tape.eq(second, b':') && tape.eq(second + 1, b' ');
            if !colon || !marked_time(tape, second + 2) {
                return None;
            }
        }
        let number = (at..end).all(|i| matches!(tape.unit(i), Unit::Byte(b'0'..=b'9')));
        let slot = matches!(tape.unit(at), Unit::Slot(_));
        if !number && !slot {
            named = Some(Span::new(at, end));
        }
        at = next;
    }
    None
}

/// Whether a time of the splitter's layouts stands at `at`, behind a `*` or `.` or directly.
fn marked_time<T: Tape>(tape: T, at: usize) -> bool {
    let marked = matches!(tape.unit(at), Unit::Byte(b'*' | b'.'));
    tape.split_time_len(at + usize::from(marked)).is_some()
}

/// A program as it stands before a message.
struct Tag {
    app: Span,
    procid: Option<Span>,
    end: usize,
}

impl Tag {
    fn into_header<T: Tape>(self, tape: T, header: &mut Header) {
        header.app = Some(self.app);
        header.procid = self.procid;
        let blank = tape.unit(self.end) == Unit::Byte(b' ');
        header.message.start = if blank { self.end + 1 } else { self.end };
    }
}

/// `app:`, `app[pid]:` or `app[pid]` at `at`.
fn tag<T: Tape>(tape: T, at: usize) -> Option<Tag> {
    let end = tape.run(at, &TAG);
    if end == at {
        return None;
    }
    let app = Span::new(at, end);
    match tape.unit(end) {
        Unit::Byte(b':') => {
            let follows = tape.unit(end + 1) == Unit::End || tape.is(end + 1, &BEHIND_COLON);
            follows.then_some(Tag { app, procid: None, end: end + 1 })
        }
        Unit::Byte(b'[') => {
            let close = tape.run(end + 1, &IN_BRACKETS);
            if tape.unit(close) != Unit::Byte(b']') {
                return None;
            }
            let colon = tape.unit(close + 1) == Unit::Byte(b':');
            let procid = Span::new(end + 1, close);
            Some(Tag { app, procid: Some(procid).filter(|p| !p.is_empty()), end: close + 1 + usize::from(colon) })
        }
        _ => None,
    }
}

/// Host and program behind the time. Which word is which is told by where the first program-like one stands.
fn behind_time<T: Tape>(tape: T, at: usize, colon: bool, header: &mut Header) {
    if let Some(first) = tag(tape, at) {
        // `*Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: ...`: the zone is no program.
        let next = skip_spaces(tape, first.end);
        let percent = matches!(tape.unit(next), Unit::Byte(b'%') | Unit::Slot(SlotKind::Word));
        let zone = first.procid.is_none() && next > first.end && percent && is_zone(tape, first.app) && tape.eq(next, b'%');
        match if zone { tag(tape, next) } else { None } {
            Some(second) => second.into_header(tape, header),
            None => first.into_header(tape, header),
        }
        return;
    }
    // A word is a host only in front of something; a time directly behind a time is the message's.
    if colon || tape.split_time_len(at).is_some() {
        return;
    }
    let end = tape.run(at, &HOST);
    if end == at || tape.unit(end) != Unit::Byte(b' ') {
        return;
    }
    let mut host = Span::new(at, end);
    let mut next = skip_spaces(tape, end);
    let mut found = tag_behind_host(tape, next);
    if found.is_none() && tape.split_time_len(next).is_none() {
        let second = tape.run(next, &HOST);
        let third = skip_spaces(tape, second);
        if second > next
            && third > second
            && let Some(tag) = tag_behind_host(tape, third)
        {
            // `Nov 21 21:14:03 2026 web app: ...` and `... CET web app: ...`
            if is_year(tape, host) || is_zone(tape, host) {
                (host, next, found) = (Span::new(next, second), third, Some(tag));
            }
        }
    }
    header.host = Some(host);
    header.message.start = next;
    if let Some(tag) = found {
        tag.into_header(tape, header);
    }
}

fn tag_behind_host<T: Tape>(tape: T, at: usize) -> Option<Tag> {
    // `host : %ASA-6-302013: Built ...`
    let lone = tape.unit(at) == Unit::Byte(b':') && tape.unit(at + 1) == Unit::Byte(b' ');
    let at = if lone { at + 2 } else { at };
    if tape.split_time_len(at).is_some() {
        return None;
    }
    tag(tape, at)
}

/// The answer to a question about a word; no, and undecided, where that depends on what a slot holds.
fn says<T: Tape>(tape: T, word: Span, question: fn(&[u8]) -> bool) -> bool {
    tape.asked(word, move |text| Some(question(text))).unwrap_or_else(|| {
        tape.undecided();
        false
    })
}

/// Whether the span is a zone's name.
fn is_zone<T: Tape>(tape: T, span: Span) -> bool {
    span.end - span.start <= ZONE_MAX
        && says(tape, span, |text| {
            let name = text.len() <= ZONE_MAX && text.iter().all(u8::is_ascii_uppercase);
            name && crate::time::read::zone(text, 0).is_some_and(|(_, end)| end == text.len())
        })
}

/// Letters of the longest name of a zone.
const ZONE_MAX: usize = 5;

/// Whether the span is a year of four digits.
fn is_year<T: Tape>(tape: T, span: Span) -> bool {
    span.end - span.start <= 4
        && says(tape, span, |text| {
            let century = text.starts_with(b"19") || text.starts_with(b"20");
            century && text.len() == 4 && text.iter().all(u8::is_ascii_digit)
        })
}

#[cfg(test)]
mod tests;
