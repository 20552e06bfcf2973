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
