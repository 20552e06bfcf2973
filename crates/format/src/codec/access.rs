//! Web access logs: the common format, and the combined one with referer and user agent. What servers put
//! before (a virtual host) or behind (times, identifiers) does not matter here.

use super::{Codec, Context, Decoded};

/// Common format with referer and user agent.
pub(super) struct Combined;
/// `client ident user [time] "request" status bytes`.
pub(super) struct Common;

/// Where the time stands, and the rest behind its bracket, of a line like `... [time] "...`.
fn parts(line: &[u8]) -> Option<(usize, &[u8])> {
    let open = memchr::memchr(b'[', &line[..line.len().min(512)])? + 1;
    let close = open + memchr::memchr(b']', &line[open..line.len().min(open + 40)])?;
    let date = &line[open..close];
    let like = date.len() >= 20 && date[2] == b'/' && date[6] == b'/' && date[11] == b':';
    (like && line[close..].starts_with(b"] \"")).then(|| (open, &line[close + 3..]))
}

/// Whether the rest of a line, from behind the request's opening quote, has a status, and how many quoted
/// strings follow it.
fn behind_request(rest: &[u8]) -> Option<usize> {
    let end = closing_quote(rest)?;
    let rest = rest[end + 1..].strip_prefix(b" ")?;
    let status = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let nil = rest.first() == Some(&b'-');
    (status == 3 || nil).then_some(())?;
    let mut quoted = 0;
    let mut rest = rest;
    while let Some(open) = memchr::memchr(b'"', rest) {
        let Some(end) = closing_quote(&rest[open + 1..]) else { break };
        quoted += 1;
        rest = &rest[open + 1 + end + 1..];
    }
    Some(quoted)
}

fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}

fn decode<'a>(raw: &'a [u8], context: &mut Context) -> Decoded<'a> {
    let found = match parts(raw) {
        Some((open, _)) => context.times.at(raw, open, context.received),
        None => context.times.find(raw, context.received),
    };
    Decoded::timed(found, context.received)
}

impl Codec for Common {
    fn sourcetype(&self) -> &'static str {
        "access_common"
    }

    fn summary(&self) -> &'static str {
        "web access logs in the common format"
    }

    fn recognise(&self, line: &[u8]) -> u8 {
        if parts(line).and_then(|(_, rest)| behind_request(rest)).is_some() { 80 } else { 0 }
    }

    fn decode<'a>(&self, raw: &'a [u8], context: &mut Context) -> Decoded<'a> {
        decode(raw, context)
    }
}

impl Codec for Combined {
    fn sourcetype(&self) -> &'static str {
        "access_combined"
    }

    fn summary(&self) -> &'static str {
        "web access logs in the combined format"
    }

    fn recognise(&self, line: &[u8]) -> u8 {
        if parts(line).and_then(|(_, rest)| behind_request(rest)).is_some_and(|quoted| quoted >= 2) { 90 } else { 0 }
    }

    fn decode<'a>(&self, raw: &'a [u8], context: &mut Context) -> Decoded<'a> {
        decode(raw, context)
    }
}
