//! What an event looks like when it leaves: its very bytes, or a message of RFC 5424 made of it. Pure.

use super::encode;
use serde::{Deserialize, Serialize};
use taffrail_event::EventRef;
use taffrail_format::syslog::{self, Kind};

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The bytes as they arrived.
    #[default]
    Original,
    /// As RFC 5424: priority and program of the event's own header where it has one, else `user.notice`; time and host of the
    /// event.
    Rfc5424,
    /// As one JSON object: `time`, `host`, `source`, `sourcetype`, `index`, `message`.
    Json,
    /// As GELF 1.1.
    Gelf,
}

/// `user.notice`: the priority of what has none.
const PRIORITY: u8 = 13;

/// Longest name of a program and of a host in RFC 5424.
const APP_BYTES_MAX: usize = 48;
const HOST_BYTES_MAX: usize = 255;

impl Layout {
    /// Adds the event to `out`.
    pub fn write(self, event: &EventRef<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Original => out.extend_from_slice(event.raw),
            Self::Rfc5424 => rfc5424(event, out),
            Self::Json => out.extend_from_slice(encode::object(event).to_string().as_bytes()),
            Self::Gelf => out.extend_from_slice(encode::gelf(event).to_string().as_bytes()),
        }
    }
}

fn rfc5424(event: &EventRef<'_>, out: &mut Vec<u8>) {
    let header = syslog::header(event.raw);
    if header.kind == Kind::Rfc5424 {
        return out.extend_from_slice(event.raw);
    }
    let part = |span: Option<taffrail_format::Span>| span.map_or(&b""[..], |span| &event.raw[span.range()]);
    let priority = syslog::priority_number(part(header.priority)).unwrap_or(PRIORITY);
    out.extend_from_slice(format!("<{priority}>1 {} ", event.time).as_bytes());
    name(event.origin.host.as_bytes(), HOST_BYTES_MAX, out);
    let app = part(header.app);
    name(if app.is_empty() { event.origin.sourcetype.as_bytes() } else { app }, APP_BYTES_MAX, out);
    name(part(header.procid), 128, out);
    // No type of message, no structured data.
    out.extend_from_slice(b"- - ");
    out.extend_from_slice(&event.raw[header.message.range()]);
}

/// A part of the header and the space behind it; `-` where there is nothing.
fn name(text: &[u8], most: usize, out: &mut Vec<u8>) {
    let before = out.len();
    out.extend(text.iter().copied().filter(u8::is_ascii_graphic).take(most));
    if out.len() == before {
        out.push(b'-');
    }
    out.push(b' ');
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_event::{EventBatch, Origin, Problems, Timestamp};

    #[test]
    fn headers_are_made_anew_and_kept_where_they_are_right() {
        let origin = Origin {
            index: "main".into(),
            host: "fw 1".into(),
            source: "s".into(),
            sourcetype: "syslog".into(),
            transport: "relp".into(),
            peer: "".into(),
        };
        let mut batch = EventBatch::new(Timestamp(0));
        let number = batch.origin(&origin);
        for raw in [
            &b"<10>Mar  1 00:00:01 fw-1 sshd[7]: no\xff"[..],
            b"<34>1 2003-10-11T22:14:15.003Z mymachine su - ID47 - said",
            b"plain",
            b"<999>x: y",
        ] {
            batch.push(number, Timestamp(1_500_000_000), Problems::NONE, raw);
        }
        let out: Vec<Vec<u8>> = batch
            .iter()
            .map(|event| {
                let mut out = Vec::new();
                Layout::Rfc5424.write(&event, &mut out);
                out
            })
            .collect();
        assert_eq!(out[0], b"<10>1 1970-01-01T00:00:01.500Z fw1 sshd 7 - - no\xff");
        assert_eq!(out[1], batch.event(1).raw);
        assert_eq!(out[2], b"<13>1 1970-01-01T00:00:01.500Z fw1 syslog - - - plain");
        assert!(out[3].starts_with(b"<13>1 1970-01-01T00:00:01.500Z fw1 "));
        let mut same = Vec::new();
        Layout::Original.write(&batch.event(0), &mut same);
        assert_eq!(same, batch.event(0).raw);
    }
}
