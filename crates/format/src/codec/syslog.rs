//! Syslog on the way in: time and host from the header.

use super::{Codec, Context, Decoded};
use crate::syslog::{self, Kind};
use taffrail_event::Problems;

/// RFC 3164 and RFC 5424, and what senders make of them.
pub(super) struct Syslog;

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
            _ if header.time.is_some() && header.host.is_some() && header.app.is_some() && header.at_start => 85,
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
