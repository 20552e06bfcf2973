//! Windows events in XML (`<Event xmlns=...>`): time and host stand in `<System>`.

use super::{Codec, Context, Decoded};
use taffrail_event::Problems;

/// One event, on one line or several.
pub(super) struct EventXml;

/// Bytes at the beginning that name the schema.
const HEAD_BYTES: usize = 256;

impl Codec for EventXml {
    fn sourcetype(&self) -> &'static str {
        "XmlWinEventLog"
    }

    fn summary(&self) -> &'static str {
        "Windows events in XML"
    }

    fn recognise(&self, line: &[u8]) -> u8 {
        let Some(event) = event(line) else { return 0 };
        let head = &event[..event.len().min(HEAD_BYTES)];
        let names = memchr::memmem::find(head, b"schemas.microsoft.com/win/2004/08/events").is_some();
        if names { 98 } else { 0 }
    }

    fn decode<'a>(&self, raw: &'a [u8], context: &mut Context) -> Decoded<'a> {
        let system = event(raw).and_then(|event| between(event, b"<System", b"</System>"));
        let time = system.and_then(|system| {
            let created = after(system, b"<TimeCreated")?;
            let tag = &created[..memchr::memchr(b'>', created)?];
            let value = after(tag, b"SystemTime=")?;
            context.times.at(value, 1, context.received)
        });
        let mut decoded = Decoded::timed(time, context.received);
        decoded.host = system
            .and_then(|system| between(system, b"<Computer", b"</Computer>"))
            .and_then(|computer| Some(computer[memchr::memchr(b'>', computer)? + 1..].trim_ascii()));
        if system.is_none() || !raw.trim_ascii_end().ends_with(b"</Event>") {
            decoded.problems = decoded.problems.with(Problems::MALFORMED);
        }
        decoded
    }
}

/// The event at the beginning of `text`.
fn event(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    let rest = text.strip_prefix(b"<Event")?;
    matches!(rest.first(), Some(b' ' | b'>' | b'\t' | b'\r' | b'\n')).then_some(text)
}

/// What stands behind the first `mark`.
fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find(text, mark).map(|at| &text[at + mark.len()..])
}

fn between<'a>(text: &'a [u8], open: &[u8], close: &[u8]) -> Option<&'a [u8]> {
    let inside = after(text, open)?;
    memchr::memmem::find(inside, close).map(|at| &inside[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect;

    #[test]
    fn time_and_host_are_those_of_the_system_part() {
        let decode = |text: &str| {
            let mut context = Context { received: taffrail_event::Timestamp(1_796_000_000_000_000_000), ..Context::default() };
            let decoded = EventXml.decode(text.as_bytes(), &mut context);
            (decoded.time.nanos(), decoded.host.map(|host| String::from_utf8_lossy(host).into_owned()), decoded.problems)
        };
        let event = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='P'/>\
                     <TimeCreated RawTime='5' SystemTime='2026-11-21T21:14:03.1234567Z'/><Computer>ws7</Computer></System></Event>";
        assert_eq!(decode(event), (1_795_295_643_123_456_700, Some("ws7".into()), Problems::NONE));
        assert_eq!(
            decode(&event.replace('\'', "\"").replace("><", ">\n  <")),
            (1_795_295_643_123_456_700, Some("ws7".into()), Problems::NONE)
        );
        assert_eq!(decode(&event[..event.len() - 3]).2, Problems::MALFORMED);
        let bare = "<Event><System></System></Event>";
        assert_eq!(decode(bare), (1_796_000_000_000_000_000, None, Problems::NO_TIME));
        for text in ["", "<Event", "<Event><System><TimeCreated SystemTime=", "<Event><System><TimeCreated SystemTime=/></System>", "<x/>"]
        {
            assert!(decode(text).2.contains(Problems::MALFORMED.with(Problems::NO_TIME)), "{text}");
        }
        assert_eq!(detect(event.as_bytes()), "XmlWinEventLog");
        assert_eq!(detect(event.replace("><", ">\n<").as_bytes()), "XmlWinEventLog");
        assert_eq!(detect(b"<Event>something else</Event>\n"), "text");
    }
}
