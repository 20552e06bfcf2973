//! Syslog on the way in: time and host from the header.

use super::{Codec, Context, Decoded};
use crate::syslog::{self, Kind};
use taffrail_event::Problems;

/// RFC 3164 and RFC 5424, and what senders make of them.
pub(super) struct Syslog;

/// `Mmm dd hh:mm:ss`, or ISO 8601 with its `T`.
fn raw_layout(time: &[u8]) -> bool {
    time.first().is_some_and(u8::is_ascii_alphabetic) || time.get(10) == Some(&b'T')
}

fn may_be_host(word: &[u8]) -> bool {
    const LEVELS: [&[u8]; 12] =
        [b"trace", b"debug", b"info", b"notice", b"warn", b"warning", b"error", b"err", b"critical", b"crit", b"fatal", b"severe"];
    let fits = word.first().is_some_and(u8::is_ascii_alphanumeric)
        && word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    fits && !LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level))
}

/// Time and host of the usual RFC 3164 line without reading all of its header: `<priority>` or nothing, a time of
/// the day that the last lines had, and a word that can be nothing but the host. The same as the long way finds.
#[inline]
fn quick<'a>(raw: &'a [u8], context: &Context) -> Option<Decoded<'a>> {
    let mut start = 0;
    if raw.first() == Some(&b'<') {
        let end = raw.iter().take(5).position(|byte| *byte == b'>')?;
        syslog::priority_number(&raw[1..end])?;
        start = end + 1;
        if raw.get(start) == Some(&b' ') {
            start += 1;
        }
    }
    let found = context.times.quick(raw, start, context.received)?;
    let word = raw.get(found.end + 1..)?;
    let host = &word[..surely_host(word)?];
    (raw[found.end] == b' ').then_some(Decoded { time: found.time, host: Some(host), problems: found.problems })
}

/// The length of the word at the beginning of `text` if, behind a time that ends before it, it can be no program,
/// time, zone or year, and another word stands behind it. (That it is no zone or year belongs to the time's end.)
#[inline]
fn surely_host(text: &[u8]) -> Option<usize> {
    let len = text.iter().take(HOST_MAX).take_while(|byte| syslog::is_tag(**byte)).count();
    if text.get(len) != Some(&b' ') || len < 4 {
        return None;
    }
    let name = text[0].is_ascii_alphabetic();
    // An address: no date, since a dot comes within three digits.
    let address = text[0].is_ascii_digit() && text[1..4].contains(&b'.');
    (name || address).then_some(len)
}

/// Longer host names take the long way.
const HOST_MAX: usize = 256;

impl Codec for Syslog {
    fn sourcetype(&self) -> &'static str {
        "syslog"
    }

    fn summary(&self) -> &'static str {
        "syslog (RFC 3164 and 5424), from the network or from files"
    }

    fn recognise(&self, line: &[u8]) -> u8 {
        let header = syslog::header(line);
        let sound = !header.problems.contains(Problems::MALFORMED);
        match header.kind {
            Kind::Rfc5424 if sound => 98,
            _ if header.priority.is_some() && sound => 97,
            // Without a priority much looks alike: the date must be one of syslog's, and the host no level.
            Kind::Rfc3164 if header.at_start && header.app.is_some() => {
                let date = header.time.is_some_and(|t| raw_layout(&line[t.range()]));
                let host = header.host.is_some_and(|h| may_be_host(&line[h.range()]));
                if date && host { 85 } else { 0 }
            }
            _ => 0,
        }
    }

    fn decode<'a>(&self, raw: &'a [u8], context: &mut Context) -> Decoded<'a> {
        if let Some(decoded) = quick(raw, context) {
            return decoded;
        }
        let header = syslog::header(raw);
        let found = match header.time {
            Some(span) => context.times.at(raw, span.start, context.received),
            // Without a date in the header a time in the message is the event's all the same.
            None => context.times.find(&raw[header.message.range()], context.received),
        };
        let mut decoded = Decoded::timed(found, context.received);
        decoded.host = header.host.map(|span| &raw[span.range()]);
        decoded.problems = decoded.problems.with(header.problems);
        decoded
    }
}
