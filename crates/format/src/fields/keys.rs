//! What a format file says of keys: pairs with delimiters of their own, and columns with names.

use super::collector::{Collector, Value};
use super::pairs;
use crate::tape::{Class, Span, Tape, Unit};

static BLANK: Class = Class::of(b" \t");

/// How pairs are written.
#[derive(Debug)]
pub(super) struct Pairs {
    /// What stands between a name and its value.
    equals: Class,
    /// What stands behind a pair.
    between: Class,
    /// Either.
    any: Class,
}

impl Pairs {
    /// Pairs with these bytes between name and value, and behind a pair.
    pub(super) fn new(equals: &[u8], between: &[u8]) -> Self {
        let any: Vec<u8> = equals.iter().chain(between).copied().collect();
        Self { equals: Class::of(equals), between: Class::of(between), any: Class::of(&any) }
    }

    /// Extracts the pairs of a span.
    pub(super) fn extract<T: Tape>(&self, tape: T, span: Span, out: &mut Collector<'_>) {
        let mut at = span.start;
        while at < span.end && !out.is_done() {
            at = tape.run(at, &BLANK).min(span.end);
            let end = run(tape, at, span.end, &self.any);
            if end >= span.end {
                return;
            }
            if tape.is(end, &self.between) {
                at = end + 1;
                continue;
            }
            if !tape.is(end, &self.equals) {
                // A slot of which it cannot be said whether a delimiter is in it.
                tape.undecided();
                return;
            }
            let name = trimmed(tape, Span::new(at, end));
            let begin = tape.run(end + 1, &BLANK).min(span.end);
            let (value, kind, next) = if tape.unit(begin) == Unit::Byte(b'"')
                && let Some(close) = tape.string_end(begin + 1).filter(|close| *close < span.end)
            {
                let inside = Span::new(begin + 1, close);
                (inside, text_or(tape, inside, pairs::unescape), run(tape, close + 1, span.end, &self.between))
            } else {
                let stop = run(tape, begin, span.end, &self.between);
                let value = trimmed(tape, Span::new(begin, stop));
                if value.is_empty() {
                    at = stop + 1;
                    continue;
                }
                (value, Value::Text, stop)
            };
            if next < span.end && !tape.is(next, &self.between) {
                tape.undecided();
                return;
            }
            if !name.is_empty() {
                tape.with_text(name, |text| out.add(tape, &pairs::cleaned(text), value, kind));
            }
            at = next + 1;
        }
    }
}

/// Where the next unit of the class is, or what cannot be said of; `end` if there is none.
fn run<T: Tape>(tape: T, mut at: usize, end: usize, class: &Class) -> usize {
    while at < end {
        let decided = tape.is_undecided();
        if tape.is(at, class) || (!decided && tape.is_undecided()) {
            return at;
        }
        at += 1;
    }
    end
}

fn trimmed<T: Tape>(tape: T, mut span: Span) -> Span {
    let blank = |at: usize| matches!(tape.unit(at), Unit::Byte(b' ' | b'\t'));
    while span.start < span.end && blank(span.start) {
        span.start += 1;
    }
    while span.end > span.start && blank(span.end - 1) {
        span.end -= 1;
    }
    span
}

/// A quoted value: its text, or what `map` makes of it where something in it may be escaped.
fn text_or<T: Tape>(tape: T, inside: Span, map: fn(&[u8]) -> Option<String>) -> Value {
    let plain = inside.range().all(|at| matches!(tape.unit(at), Unit::Byte(byte) if byte != b'\\' && byte != b'"'));
    if plain { Value::Text } else { Value::Map(map) }
}

/// Columns with names.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    delimiter: Class,
    /// What a line begins with that has no columns.
    comment: Vec<u8>,
}

impl Columns {
    /// Columns with these names, in their order; an empty name is left out.
    pub(super) fn new(names: Vec<String>, delimiter: u8, comment: &str) -> Self {
        Self { names, delimiter: Class::of(&[delimiter]), comment: comment.as_bytes().to_vec() }
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Extracts the columns of a span.
    pub(super) fn extract<T: Tape>(&self, tape: T, span: Span, out: &mut Collector<'_>) {
        let mut at = span.start;
        if !self.comment.is_empty() && tape.starts(at, &self.comment) {
            return;
        }
        for name in &self.names {
            if out.is_done() {
                return;
            }
            let quoted = if tape.unit(at) == Unit::Byte(b'"') { self.quoted(tape, at, span.end) } else { None };
            let (value, kind, end) = match quoted {
                Some(close) => {
                    let inside = Span::new(at + 1, close);
                    (Some(inside), text_or(tape, inside, once), close + 1)
                }
                None => {
                    let end = run(tape, at, span.end, &self.delimiter);
                    let value = trimmed_line(tape, Span::new(at, end));
                    (Some(value).filter(|value| !value.is_empty()), Value::Text, end)
                }
            };
            // Also where a slot may or may not hold the delimiter: what comes from here on is uncertain.
            if end < span.end && !tape.is(end, &self.delimiter) {
                tape.undecided();
                return;
            }
            if let Some(value) = value.filter(|_| !name.is_empty()) {
                out.add(tape, name, value, kind);
            }
            if end >= span.end {
                return;
            }
            at = end + 1;
        }
    }

    /// The quote that ends the value whose quote is at `at`; a quote within is doubled or behind a backslash.
    fn quoted<T: Tape>(&self, tape: T, at: usize, end: usize) -> Option<usize> {
        let mut from = at + 1;
        loop {
            let close = tape.string_end(from).filter(|close| *close < end)?;
            if tape.unit(close + 1) != Unit::Byte(b'"') {
                let ends = close + 1 >= end || tape.is(close + 1, &self.delimiter) || tape.unit(close + 1) == Unit::Byte(b'\r');
                return ends.then_some(close);
            }
            from = close + 2;
        }
    }
}

/// Without the carriage return at the end of a line.
fn trimmed_line<T: Tape>(tape: T, mut span: Span) -> Span {
    while span.end > span.start && tape.unit(span.end - 1) == Unit::Byte(b'\r') {
        span.end -= 1;
    }
    span
}

/// The inside of a quoted column: quotes that are doubled or behind a backslash stand once.
fn once(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let pair = matches!((text[at], text.get(at + 1)), (b'"', Some(b'"')) | (b'\\', Some(b'"')));
        at += usize::from(pair);
        out.push(text[at]);
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// Units of the name of a label: one that is longer is none.
const LABEL_MAX: usize = 64;

/// Extracts `name=value name=value` where values have blanks, as in CEF: a value ends before the blank before the next name and its
/// `=`. A backslash takes the meaning of an equals sign, of itself, and begins `\n` and `\r`.
pub(super) fn labels<T: Tape>(tape: T, span: Span, out: &mut Collector<'_>) {
    let mut open: Option<(Span, usize)> = None;
    let mut at = span.start;
    while at < span.end && !out.is_done() {
        match tape.unit(at) {
            Unit::Byte(b'\\') => {
                if matches!(tape.unit(at + 1), Unit::Slot(_)) {
                    tape.undecided();
                    return;
                }
                at += 1;
            }
            Unit::Byte(b'=') => {
                if let Some(name) = label(tape, span.start, at) {
                    if tape.has_slot(name) {
                        tape.undecided();
                        return;
                    }
                    if let Some((name, start)) = open.replace((name, at + 1)) {
                        add_label(tape, name, Span::new(start, open.map_or(at, |(next, _)| next.start)), out);
                    }
                }
            }
            Unit::Slot(taffrail_pattern::SlotKind::Quoted | taffrail_pattern::SlotKind::Raw) => {
                tape.undecided();
                return;
            }
            // A word may end in a backslash.
            Unit::Slot(_) if tape.unit(at + 1) == Unit::Byte(b'=') => {
                tape.undecided();
                return;
            }
            _ => {}
        }
        at += 1;
    }
    if let Some((name, start)) = open {
        add_label(tape, name, Span::new(start, span.end), out);
    }
}

/// The name that ends before the `=` at `end`.
fn label<T: Tape>(tape: T, from: usize, end: usize) -> Option<Span> {
    let mut start = end;
    while start > from && end - start < LABEL_MAX {
        match tape.unit(start - 1) {
            Unit::Byte(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']') => start -= 1,
            Unit::Byte(b' ' | b'\t') => break,
            Unit::Byte(_) | Unit::End => return None,
            Unit::Slot(_) => start -= 1,
        }
    }
    (start < end).then(|| Span::new(start, end))
}

fn add_label<T: Tape>(tape: T, name: Span, value: Span, out: &mut Collector<'_>) {
    let value = trimmed(tape, value);
    if !value.is_empty() {
        let plain = value.range().all(|at| matches!(tape.unit(at), Unit::Byte(byte) if byte != b'\\'));
        let kind = if plain { Value::Text } else { Value::Map(unescaped) };
        tape.with_text(name, |text| out.add(tape, &pairs::cleaned(text), value, kind));
    }
}

/// A value of CEF without its backslashes.
fn unescaped(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            Some(&&next @ (b'=' | b'\\' | b'|')) if *byte == b'\\' => {
                out.push(next);
                bytes.next();
            }
            Some(b'n' | b'r') if *byte == b'\\' => {
                out.push(b'\n');
                bytes.next();
            }
            _ => out.push(*byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
