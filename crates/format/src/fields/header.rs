//! Fields of a syslog header: `priority facility severity severity_id app pid procid msgid message`, and `sd.<id>.<name>` for
//! each parameter of the structured data. `severity` is a name, `severity_id` its number.

use super::collector::Collector;
use crate::syslog::{self, Kind};
use crate::tape::{Span, Tape, Unit};

/// The fields that it gives; beside these, what begins with `sd.`.
pub(super) const NAMES: [&str; 9] = ["priority", "facility", "severity", "severity_id", "app", "pid", "procid", "msgid", "message"];

/// Extracts the header; gives the message's span and the program's.
pub(super) fn extract<T: Tape>(tape: T, out: &mut Collector<'_>) -> (Span, Option<Span>) {
    let header = syslog::read(tape);
    if let Some(priority) = header.priority {
        out.map(tape, "priority", priority, |text| syslog::priority_number(text).map(|p| p.to_string()));
        out.map(tape, "facility", priority, |text| syslog::priority_number(text).map(|p| syslog::facility(p).to_owned()));
        out.map(tape, "severity", priority, |text| syslog::priority_number(text).map(|p| syslog::severity(p).to_owned()));
        out.map(tape, "severity_id", priority, |text| syslog::priority_number(text).map(|p| (p & 7).to_string()));
    }
    // In RFC 5424 a part may be `-`, for none; a slot may hold that.
    let part = |name: &str, span: Option<Span>, out: &mut Collector<'_>| {
        let Some(span) = span else { return };
        let slot = header.kind == Kind::Rfc5424 && matches!(tape.unit(span.start), Unit::Slot(_)) && span.end == span.start + 1;
        if slot {
            out.map(tape, name, span, not_nil);
        } else {
            out.text(tape, name, span);
        }
    };
    // Cisco's `%ASA-6-302013` names a message, not the program: that the formats know.
    // What a rule says of it goes before the name of the program that wrote the line.
    let before = out.automatic_if(true);
    part("app", header.app.filter(|app| !tape.eq(app.start, b'%')), out);
    out.automatic_if(before);
    part("pid", header.procid, out);
    part("procid", header.procid, out);
    part("msgid", header.msgid, out);
    if let Some(data) = header.data {
        structured_data(tape, data, out);
    }
    out.text(tape, "message", header.message);
    (header.message, header.app)
}

fn not_nil(text: &[u8]) -> Option<String> {
    (text != b"-").then(|| String::from_utf8_lossy(text).into_owned())
}

fn structured_data<T: Tape>(tape: T, data: Span, out: &mut Collector<'_>) {
    let mut at = data.start;
    while at < data.end {
        let next = syslog::element(tape, at, |id, name, value| {
            let text = |span| tape.with_text(span, |t: &[u8]| String::from_utf8_lossy(t).into_owned());
            if let (Some(id), Some(name)) = (text(id), text(name)) {
                out.map(tape, &format!("sd.{id}.{name}"), value, unescape);
            }
        });
        match next {
            Some(end) => at = end,
            None => return,
        }
    }
}

/// `\"`, `\\` and `\]` are the characters behind the backslash; others keep it.
fn unescape(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            Some(&&next @ (b'"' | b'\\' | b']')) if *byte == b'\\' => {
                out.push(next);
                bytes.next();
            }
            _ => out.push(*byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
