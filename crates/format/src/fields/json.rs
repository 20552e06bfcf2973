//! Fields of a JSON object: keys joined by `.`, `a.b`; of an array `a{}` its JSON text. `null` and the two truth
//! values are the words. What is not JSON ends the extraction; what stands before it is kept.

use super::collector::{Collector, Value};
use crate::tape::{Class, Span, Tape, Unit};
use taffrail_base::limits::JSON_DEPTH_MAX;
use taffrail_pattern::SlotKind;

static BARE: Class = Class::not(b" \t\r\n,:[]{}\"");

/// Extracts the object that the span begins with; whether there is one.
pub(super) fn extract<T: Tape>(tape: T, span: Span, out: &mut Collector<'_>) -> bool {
    let mut at = skip_blank(tape, span.start);
    // The mark that some programs put before JSON in a syslog message.
    if tape.unit(at) == Unit::Byte(b'@') && tape.starts(at, b"@cee:") {
        at = skip_blank(tape, at + 5);
    } else if let Some(behind) = behind_hidden_mark(tape, at) {
        match tape.asked(Span::new(at, at + 1), |word| Some(word == b"@cee")) {
            Some(true) => at = behind,
            Some(false) => {}
            None => tape.undecided(),
        }
    }
    if tape.unit(at) != Unit::Byte(b'{') {
        return false;
    }
    let inside = skip_blank(tape, at + 1);
    if !matches!(tape.unit(inside), Unit::Byte(b'"' | b'}')) {
        return false;
    }
    object(tape, at + 1, &mut String::new(), 0, out);
    true
}

/// Where an object begins whose mark a slot may hide.
fn behind_hidden_mark<T: Tape>(tape: T, at: usize) -> Option<usize> {
    let slot = tape.unit(at) == Unit::Slot(SlotKind::Word) && tape.unit(at + 1) == Unit::Byte(b':');
    let behind = slot.then(|| skip_blank(tape, at + 2))?;
    (tape.unit(behind) == Unit::Byte(b'{')).then_some(behind)
}

/// The insides of strings that are members of the object that a span begins with, by their names.
pub(super) fn texts<T: Tape, const N: usize>(tape: T, span: Span, names: [&str; N]) -> [Option<Span>; N] {
    let mut found = [None; N];
    let mut at = skip_blank(tape, span.start) + 1;
    let mut none = Collector::only("");
    // What cannot be read ends the search, as it ends the extraction.
    let mut next = || -> Option<()> {
        let key = Span::new(skip_blank(tape, at) + 1, tape.string_end(skip_blank(tape, at) + 1)?);
        let begin = skip_blank(tape, skip_blank(tape, key.end + 1) + 1);
        let end = value(tape, begin, &mut String::new(), 0, &mut none)?;
        let number = tape.peek(key, |key| names.iter().position(|name| name.as_bytes() == key)).flatten();
        if let Some(number) = number
            && tape.unit(begin) == Unit::Byte(b'"')
            && found[number].is_none()
        {
            found[number] = Some(Span::new(begin + 1, end - 1));
        }
        at = skip_blank(tape, end) + 1;
        (tape.unit(at - 1) == Unit::Byte(b',')).then_some(())
    };
    while next().is_some() {}
    found
}

fn skip_blank<T: Tape>(tape: T, mut at: usize) -> usize {
    while matches!(tape.unit(at), Unit::Byte(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The members of an object, from behind its brace; where it ends, if it is whole.
fn object<T: Tape>(tape: T, mut at: usize, path: &mut String, depth: usize, out: &mut Collector<'_>) -> Option<usize> {
    let outer = path.len();
    loop {
        at = skip_blank(tape, at);
        match tape.unit(at) {
            Unit::Byte(b'}') => return Some(at + 1),
            Unit::Byte(b'"') => {}
            _ => return None,
        }
        let key = Span::new(at + 1, tape.string_end(at + 1)?);
        at = skip_blank(tape, key.end + 1);
        if tape.unit(at) != Unit::Byte(b':') {
            return None;
        }
        if outer > 0 {
            path.push('.');
        }
        let name = tape.with_text(key, |text| unescape(text).unwrap_or_default());
        path.push_str(&name.unwrap_or_default());
        at = value(tape, skip_blank(tape, at + 1), path, depth, out)?;
        path.truncate(outer);
        if out.is_done() {
            return None;
        }
        at = skip_blank(tape, at);
        match tape.unit(at) {
            Unit::Byte(b',') => at += 1,
            Unit::Byte(b'}') => return Some(at + 1),
            _ => return None,
        }
    }
}

fn value<T: Tape>(tape: T, at: usize, path: &mut String, depth: usize, out: &mut Collector<'_>) -> Option<usize> {
    match tape.unit(at) {
        Unit::Byte(b'"') => {
            let span = Span::new(at + 1, tape.string_end(at + 1)?);
            let plain = (span.start..span.end).all(|i| matches!(tape.unit(i), Unit::Byte(b) if b != b'\\'));
            out.add(tape, path, span, if plain { Value::Text } else { Value::Map(unescape) });
            Some(span.end + 1)
        }
        Unit::Byte(b'{') if depth < JSON_DEPTH_MAX => object(tape, at + 1, path, depth + 1, out),
        Unit::Byte(b'{') => brackets(tape, at),
        Unit::Byte(b'[') => {
            let end = brackets(tape, at)?;
            let name = path.len();
            path.push_str("{}");
            out.text(tape, path, Span::new(at, end));
            path.truncate(name);
            Some(end)
        }
        _ => {
            let end = tape.run(at, &BARE);
            (end > at).then(|| out.text(tape, path, Span::new(at, end)))?;
            Some(end)
        }
    }
}

/// Where what the bracket at `at` opens is closed again. Kinds of brackets are not compared.
fn brackets<T: Tape>(tape: T, mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match tape.unit(at) {
            Unit::Byte(b'"') => at = tape.string_end(at + 1)?,
            Unit::Byte(b'[' | b'{') => depth += 1,
            Unit::Byte(b']' | b'}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => {
                tape.undecided();
                return None;
            }
            Unit::End => return None,
            _ => {}
        }
        at += 1;
    }
}

/// The text of a JSON string's inside. A broken escape stays as it is.
pub(super) fn unescape(text: &[u8]) -> Option<String> {
    if memchr::memchr(b'\\', text).is_none() {
        return Some(String::from_utf8_lossy(text).into_owned());
    }
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let plain = match behind.bytes().next() {
            Some(b'n') => Some('\n'),
            Some(b't') => Some('\t'),
            Some(b'r') => Some('\r'),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b @ (b'"' | b'\\' | b'/')) => Some(char::from(b)),
            _ => None,
        };
        if let Some(char) = plain {
            out.push(char);
            rest = &behind[1..];
        } else if let Some((char, used)) = unicode(behind) {
            out.push(char);
            rest = &behind[used..];
        } else {
            out.push('\\');
            rest = behind;
        }
    }
    out.push_str(rest);
    Some(out)
}

/// `uXXXX`, with a second one where the first is half a pair; the character and the bytes used.
fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| u32::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let first = unit(text)?;
    if let Some(char) = char::from_u32(first) {
        return Some((char, 5));
    }
    let second = text[5..].strip_prefix('\\').and_then(unit).filter(|s| (0xDC00..0xE000).contains(s));
    match second {
        Some(second) if first < 0xDC00 => char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).map(|c| (c, 11)),
        _ => Some((char::REPLACEMENT_CHARACTER, 5)),
    }
}
