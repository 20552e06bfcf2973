//! Fields of XML: of an element that holds only text, its text under its name; of an attribute its value under
//! `Element_Attribute`. An element whose one attribute is `Name` and that holds text is a field of that name, as the
//! `<Data Name='TargetUserName'>` of Windows events. Prefixes of namespaces and `xmlns` are left out. What is not XML
//! ends the extraction; what stands before it is kept.

use super::collector::{Collector, Value};
use crate::tape::{Class, Span, Tape, Unit};
use taffrail_base::limits::XML_DEPTH_MAX;

static NAME: Class = Class::not(b" \t\r\n/<>=\"'&\0");
static NAME_START: Class = Class::of(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_?!");
static BLANK: Class = Class::of(b" \t\r\n");
static TEXT: Class = Class::not(b"<");
static NOT_APOSTROPHE: Class = Class::not(b"'<");
static NOT_QUOTE: Class = Class::not(b"\"<");

/// An element that is open.
struct Element {
    name: Span,
    /// The value of its attribute `Name`, where that is its only one.
    named: Option<Span>,
    /// Where its inside begins.
    inside: usize,
    has_elements: bool,
}

/// Extracts the elements of the span, if it is XML from its first byte to its last; whether it is.
pub(super) fn extract<T: Tape>(tape: T, span: Span, out: &mut Collector<'_>) -> bool {
    let start = skip_blank(tape, span.start, span.end);
    let mut end = span.end;
    while end > start && matches!(tape.unit(end - 1), Unit::Byte(b' ' | b'\t' | b'\r' | b'\n')) {
        end -= 1;
    }
    let closed = end > start && tape.unit(end - 1) == Unit::Byte(b'>');
    if !closed || tape.unit(start) != Unit::Byte(b'<') || !tape.is(start + 1, &NAME_START) {
        return false;
    }
    Reader { tape, end, open: Vec::new() }.run(start, out);
    true
}

fn skip_blank<T: Tape>(tape: T, mut at: usize, end: usize) -> usize {
    while at < end && matches!(tape.unit(at), Unit::Byte(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

struct Reader<T> {
    tape: T,
    end: usize,
    open: Vec<Element>,
}

impl<T: Tape> Reader<T> {
    fn run(mut self, mut at: usize, out: &mut Collector<'_>) {
        while at < self.end && !out.is_done() {
            let next = match self.tape.unit(at + 1) {
                Unit::Byte(b'/') => self.closing(at, out),
                Unit::Byte(b'?') => self.behind(at + 2, b"?>"),
                Unit::Byte(b'!') if self.tape.starts(at + 2, b"--") => self.behind(at + 4, b"-->"),
                Unit::Byte(b'!') if self.tape.starts(at + 2, b"[CDATA[") => self.behind(at + 9, b"]]>"),
                Unit::Byte(b'!') => self.behind(at + 2, b">"),
                _ => self.opening(at, out),
            };
            let Some(next) = next else { return };
            // To the next markup; a quoted string may hold one.
            at = self.tape.run(next, &TEXT);
            if self.tape.unit(at) != Unit::Byte(b'<') {
                return;
            }
        }
    }

    /// Behind the first place from `at` on where `mark` stands.
    fn behind(&self, mut at: usize, mark: &[u8]) -> Option<usize> {
        while at < self.end {
            match self.tape.unit(at) {
                Unit::Slot(taffrail_pattern::SlotKind::Quoted | taffrail_pattern::SlotKind::Raw) => {
                    self.tape.undecided();
                    return None;
                }
                // A word may end in the hyphens of a comment's end.
                Unit::Slot(_) if mark.len() == 3 && mark[0] == b'-' && matches!(self.tape.unit(at + 1), Unit::Byte(b'-' | b'>')) => {
                    self.tape.undecided();
                    return None;
                }
                Unit::Byte(_) if self.tape.starts(at, mark) => return Some(at + mark.len()),
                _ => at += 1,
            }
        }
        None
    }

    /// The name at `at` without its prefix, and where it ends.
    fn name(&self, at: usize) -> Option<(Span, usize)> {
        let end = self.tape.run(at, &NAME);
        let whole = Span::new(at, end);
        let prefix = self.tape.with_text(whole, |text| text.iter().rposition(|byte| *byte == b':').map_or(0, |colon| colon + 1))?;
        let name = Span::new(at + prefix, end);
        (!name.is_empty()).then_some((name, end))
    }

    /// A tag that opens, or an element without an inside.
    fn opening(&mut self, at: usize, out: &mut Collector<'_>) -> Option<usize> {
        let (name, mut at) = self.name(at + 1)?;
        let mut attributes: Vec<(Span, Span)> = Vec::new();
        let closed = loop {
            at = self.tape.run(at, &BLANK);
            match self.tape.unit(at) {
                Unit::Byte(b'>') => break false,
                Unit::Byte(b'/') if self.tape.unit(at + 1) == Unit::Byte(b'>') => break true,
                Unit::Byte(_) => {}
                Unit::Slot(_) => {
                    self.tape.undecided();
                    return None;
                }
                Unit::End => return None,
            }
            let begin = at;
            let (key, after) = self.name(at)?;
            at = self.tape.run(after, &BLANK);
            if self.tape.unit(at) != Unit::Byte(b'=') {
                return None;
            }
            at = self.tape.run(at + 1, &BLANK);
            let end = match self.tape.unit(at) {
                Unit::Byte(b'\'') => self.tape.run(at + 1, &NOT_APOSTROPHE),
                Unit::Byte(b'"') => self.tape.run(at + 1, &NOT_QUOTE),
                _ => return None,
            };
            if self.tape.unit(end) != self.tape.unit(at) {
                return None;
            }
            if !self.tape.starts(begin, b"xmlns") {
                attributes.push((key, Span::new(at + 1, end)));
            }
            at = end + 1;
        };
        if let Some(parent) = self.open.last_mut() {
            parent.has_elements = true;
        }
        let is_name = |key: Span| self.tape.with_text(key, |text| text.eq_ignore_ascii_case(b"name")).unwrap_or(false);
        let named = match attributes[..] {
            [(key, value)] if !closed && is_name(key) => Some(value),
            _ => None,
        };
        if named.is_none() {
            self.attributes(name, &attributes, out);
        }
        if closed {
            return Some(at + 2);
        }
        if self.open.len() >= XML_DEPTH_MAX {
            return None;
        }
        self.open.push(Element { name, named, inside: at + 1, has_elements: false });
        Some(at + 1)
    }

    fn attributes(&self, element: Span, attributes: &[(Span, Span)], out: &mut Collector<'_>) {
        for (key, value) in attributes {
            if let (Some(element), Some(key)) = (self.text(element), self.text(*key)) {
                self.value(&format!("{element}_{key}"), *value, out);
            }
        }
    }

    /// A tag that closes: what it closes is a field if only text is in it.
    fn closing(&mut self, at: usize, out: &mut Collector<'_>) -> Option<usize> {
        let (_, end) = self.name(at + 2)?;
        let end = self.tape.run(end, &BLANK);
        if self.tape.unit(end) != Unit::Byte(b'>') {
            return None;
        }
        let element = self.open.pop()?;
        let named = element.named;
        let inside = self.trimmed(Span::new(element.inside, at));
        let name = named.unwrap_or(element.name);
        if element.has_elements {
            if let Some(value) = named {
                // A `Name` of what holds elements is an attribute like any other.
                let text = self.text(element.name)?;
                self.value(&format!("{text}_Name"), value, out);
            }
        } else if !inside.is_empty() {
            let text = self.text(name)?;
            if !text.is_empty() {
                self.value(&text, inside, out);
            }
        }
        Some(end + 1)
    }

    fn text(&self, span: Span) -> Option<String> {
        self.tape.with_text(span, |text| String::from_utf8_lossy(text).into_owned())
    }

    fn trimmed(&self, mut span: Span) -> Span {
        let blank = |at: usize| matches!(self.tape.unit(at), Unit::Byte(b' ' | b'\t' | b'\r' | b'\n'));
        while span.start < span.end && blank(span.start) {
            span.start += 1;
        }
        while span.end > span.start && blank(span.end - 1) {
            span.end -= 1;
        }
        span
    }

    fn value(&self, name: &str, span: Span, out: &mut Collector<'_>) {
        // Words and times hold neither `&` nor `<`.
        let plain = span.range().all(|at| !matches!(self.tape.unit(at), Unit::Byte(b'&' | b'<')));
        out.add(self.tape, name, span, if plain { Value::Text } else { Value::Map(unescape) });
    }
}

/// The text of what stands in an element or an attribute: entities as their characters, CDATA as it is, no comments.
pub(super) fn unescape(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find(['&', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let (inside, after) = inside.split_once("]]>").unwrap_or((inside, ""));
            out.push_str(inside);
            rest = after;
        } else if rest.starts_with('<') {
            let mark = if rest.starts_with("<!--") { "-->" } else { ">" };
            rest = rest.split_once(mark).map_or("", |(_, after)| after);
        } else if let Some((char, used)) = entity(rest) {
            out.push(char);
            rest = &rest[used..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Some(out)
}

/// The character that the text begins with as an entity, and the bytes used.
fn entity(text: &str) -> Option<(char, usize)> {
    let (name, _) = text.get(1..)?.split_once(';')?;
    let char = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((char, name.len() + 2))
}
