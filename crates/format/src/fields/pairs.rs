//! `key=value` pairs anywhere in a text.
//!
//! A name begins with a letter or `_` (punctuation before it, as in `--user=`, is left out) and is what stands
//! before `=` up to a delimiter, or in quotes; bytes other than letters, digits, `_`, `.` and `-` become `_`. A value is the
//! inside of quotes, double or single, or what comes up to a blank, `,` `;` `|` `&`, a quote or a bracket that
//! the value did not open. An empty bare value is none. The inside of a double-quoted string is never looked
//! into: it is one value.

use super::collector::{Collector, Value};
use crate::tape::{Class, Span, Tape, Unit};
use taffrail_pattern::SlotKind;
use taffrail_pattern::split::is_delimiter;

static NOT_APOSTROPHE: Class = Class::not(b"'\r\n");
static BEHIND_VALUE: Class = Class::of(b" \t\r\n\0,;|&)]}>");

/// Extracts the pairs of a span.
pub(super) fn extract<T: Tape>(tape: T, span: Span, out: &mut Collector<'_>) {
    let mut at = span.start;
    // Where the run without delimiters began that a `=` would make a name.
    let mut word = at;
    while at < span.end && !out.is_done() {
        match tape.unit(at) {
            Unit::Byte(b'"') => {
                let end = tape.string_end(at + 1).filter(|end| *end < span.end);
                at = match end {
                    // A name in quotes.
                    Some(end) if tape.unit(end + 1) == Unit::Byte(b'=') => pair(tape, Span::new(at + 1, end), end + 1, span.end, out),
                    other => other.unwrap_or(at) + 1,
                };
                word = at;
            }
            Unit::Byte(b'=') => {
                let name = if word == at { apostrophes(tape, span.start, at) } else { Span::new(word, at) };
                at = pair(tape, name, at, span.end, out);
                word = at;
            }
            Unit::Byte(byte) => {
                at += 1;
                if is_delimiter(byte) {
                    word = at;
                }
            }
            // No time ends in what can be a name.
            Unit::Slot(SlotKind::Time) => {
                at += 1;
                word = at;
            }
            Unit::Slot(SlotKind::Word) => at += 1,
            Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => {
                // Not between quotes as this reader pairs them: anything may be in it.
                tape.undecided();
                return;
            }
            Unit::End => return,
        }
    }
}

/// Units of a name in apostrophes: one that is longer is none, but text between two of them.
const APOSTROPHES_MAX: usize = 64;

/// The name in apostrophes that ends before `end`; empty where there is none.
fn apostrophes<T: Tape>(tape: T, from: usize, end: usize) -> Span {
    let none = Span::new(end, end);
    if end < from + 3 || tape.unit(end - 1) != Unit::Byte(b'\'') {
        return none;
    }
    for at in (from.max(end.saturating_sub(APOSTROPHES_MAX))..end - 1).rev() {
        match tape.unit(at) {
            Unit::Byte(b'\'') => return Span::new(at + 1, end - 1),
            Unit::Byte(byte) if may_be_in_name(byte) || byte == b' ' => {}
            // What is in a word says whether it may be part of a name; then the name is not known.
            Unit::Slot(SlotKind::Word) => {
                tape.undecided();
                return none;
            }
            _ => return none,
        }
    }
    none
}

/// The pair whose name is `word` and whose `=` stands at `equals`; where to go on.
fn pair<T: Tape>(tape: T, word: Span, equals: usize, limit: usize, out: &mut Collector<'_>) -> usize {
    let at = equals + 1;
    // What a time ends in is no name, but takes the value all the same.
    let timed = word.is_empty() && equals > 0 && tape.unit(equals - 1) == Unit::Slot(SlotKind::Time);
    if (word.is_empty() && !timed) || tape.unit(at) == Unit::Byte(b'=') {
        return at;
    }
    let (span, value, next) = match tape.unit(at) {
        Unit::Byte(b'"') => match tape.string_end(at + 1).filter(|end| *end < limit) {
            Some(end) => {
                let plain = (at + 1..end).all(|i| matches!(tape.unit(i), Unit::Byte(b) if b != b'\\'));
                (Span::new(at + 1, end), if plain { Value::Text } else { Value::Map(unescape) }, end + 1)
            }
            None => return at + 1,
        },
        Unit::Byte(b'\'') => {
            let end = tape.run(at + 1, &NOT_APOSTROPHE);
            let closed = end < limit && tape.unit(end) == Unit::Byte(b'\'');
            if !closed || (end + 1 < limit && !tape.is(end + 1, &BEHIND_VALUE)) {
                return at + 1;
            }
            (Span::new(at + 1, end), Value::Text, end + 1)
        }
        _ => {
            let (end, timed) = bare(tape, at, limit);
            if end == at {
                return at;
            }
            (Span::new(at, end), if timed { Value::Map(up_to_blank) } else { Value::Text }, end)
        }
    };
    let name = name_start(tape, word);
    if let Some(name) = name {
        tape.with_text(name, |text| match std::str::from_utf8(text) {
            Ok(plain) if text.iter().all(|b| may_be_in_name(*b)) => out.add(tape, plain, span, value),
            _ => out.add(tape, &cleaned(text), span, value),
        });
    }
    next
}

fn may_be_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') || byte >= 0x80
}

pub(super) fn cleaned(text: &[u8]) -> String {
    let bytes: Vec<u8> = text.iter().map(|b| if may_be_in_name(*b) { *b } else { b'_' }).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The part of the word that is the name.
fn name_start<T: Tape>(tape: T, word: Span) -> Option<Span> {
    let mut at = word.start;
    while at < word.end {
        match tape.unit(at) {
            Unit::Byte(b) if b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 => return Some(Span::new(at, word.end)),
            Unit::Byte(b) if b.is_ascii_digit() => return None,
            Unit::Byte(_) => at += 1,
            _ => return Some(Span::new(at, word.end)),
        }
    }
    None
}

/// Where the bare value at `at` ends, and whether a time is in it.
fn bare<T: Tape>(tape: T, mut at: usize, limit: usize) -> (usize, bool) {
    let mut opened = 0usize;
    let mut timed = false;
    while at < limit {
        match tape.unit(at) {
            Unit::Byte(b' ' | b'\t' | b'\r' | b'\n' | 0 | b',' | b';' | b'|' | b'&' | b'"' | b'\'') => break,
            Unit::Byte(b'(' | b'[' | b'{' | b'<') => opened += 1,
            Unit::Byte(b')' | b']' | b'}' | b'>') => match opened.checked_sub(1) {
                Some(rest) => opened = rest,
                None => break,
            },
            Unit::Slot(SlotKind::Time) if tape.slot(at).bytes.has(b' ') || tape.slot(at).bytes.has(b',') => {
                // With a blank in the time the value ends there; then what follows must not matter.
                timed = true;
                if opened > 0 || (at + 1 < limit && !tape.is(at + 1, &BEHIND_VALUE)) {
                    tape.undecided();
                }
            }
            Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => {
                tape.undecided();
                break;
            }
            Unit::End => break,
            _ => {}
        }
        at += 1;
    }
    (at, timed)
}

/// A value that may have a time in it, as it would have been cut in the event.
fn up_to_blank(text: &[u8]) -> Option<String> {
    let end = text.iter().position(|b| matches!(b, b' ' | b',')).unwrap_or(text.len());
    Some(String::from_utf8_lossy(&text[..end]).into_owned())
}

/// `\"` and `\\` are the characters behind the backslash; others keep it, as in the paths of Windows.
pub(super) fn unescape(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' && matches!(text.get(at + 1), Some(b'"' | b'\\')) {
            at += 1;
        }
        out.push(text[at]);
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
