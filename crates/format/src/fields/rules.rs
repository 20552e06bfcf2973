//! Formats as data: messages of well-known programs, described in `packs/core/formats/*.toml`, and the rules of files that
//! people write.
//!
//! A rule is the beginning of a message with placeholders: `{name}` takes what comes up to a blank or the next
//! constant byte, `{}` takes it and throws it away, `{name...}` at the end takes the rest. The first rule that
//! matches gives its fields. Every file carries samples, which a test runs. The table `[event]` is of `crate::events`.

use super::collector::{Collector, Value};
use super::expression::Place;
use super::file::{self, FileRule, FormatFile};
use super::{json, xml};
use crate::tape::{Class, Span, Tape, Unit};
use std::sync::Arc;
use taffrail_pattern::SlotKind;

/// The files that are built in, by name.
const BUILT_IN: [(&str, &str); 10] = [
    ("sshd", include_str!("../../../../packs/core/formats/sshd.toml")),
    ("pam", include_str!("../../../../packs/core/formats/pam.toml")),
    ("sudo", include_str!("../../../../packs/core/formats/sudo.toml")),
    ("su", include_str!("../../../../packs/core/formats/su.toml")),
    ("text", include_str!("../../../../packs/core/formats/text.toml")),
    ("java", include_str!("../../../../packs/core/formats/java.toml")),
    ("python", include_str!("../../../../packs/core/formats/python.toml")),
    ("postgresql", include_str!("../../../../packs/core/formats/postgresql.toml")),
    ("windows_event_xml", include_str!("../../../../packs/core/formats/windows_event_xml.toml")),
    ("json", include_str!("../../../../packs/core/formats/json.toml")),
];

/// The beginning of a message with placeholders.
#[derive(Debug)]
pub(super) struct Rule {
    parts: Vec<Part>,
    set: Vec<(String, Arc<str>)>,
}

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    /// A name, or empty; and what may be in it.
    Word(String, Box<Class>),
    Rest(String),
}

impl std::fmt::Debug for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Class")
    }
}

/// The built-in files.
pub(crate) fn built_in() -> impl Iterator<Item = (&'static str, file::File)> {
    BUILT_IN.into_iter().map(|(name, text)| (name, file::parse(text).unwrap_or_else(|e| panic!("built-in format {name}: {e}"))))
}

/// The built-in files that give fields, made ready.
pub(super) fn built_in_fields() -> Vec<Arc<FormatFile>> {
    let compiled = BUILT_IN.iter().zip(built_in()).map(|((_, text), (name, file))| {
        // The sourcetypes of these are those of their table `[event]`.
        let file = FormatFile::compile(name, text, &file).map(|compiled| FormatFile { sourcetypes: Vec::new(), ..compiled });
        Arc::new(file.unwrap_or_else(|fault| panic!("built-in format {name}: {fault}")))
    });
    compiled.filter(|file| !file.rules.is_empty()).collect()
}

impl FormatFile {
    /// Extracts the fields that the file knows, from a message and the event that it is in.
    pub(super) fn extract<T: Tape>(&self, tape: T, app: Option<Span>, message: Span, out: &mut Collector<'_>) {
        let mut start = message.start;
        while tape.unit(start) == Unit::Byte(b' ') && start < message.end {
            start += 1;
        }
        let message = Span::new(start, message.end);
        if !self.apps.is_empty() {
            let named = app.and_then(|app| tape.with_text(app, |name| self.apps.iter().any(|a| a.as_bytes() == name)));
            match named {
                Some(true) => {}
                // The program stands in a slot: it may be one of these.
                None if app.is_some() => {}
                _ => return,
            }
        }
        let mut matched = false;
        for rule in &self.rules {
            if out.is_done() {
                return;
            }
            match rule {
                FileRule::Regex { names, .. } | FileRule::Columns(_, names) if !out.wants_any(names) => {}
                FileRule::Match(_) if matched => {}
                FileRule::Match(rule) => matched = rule.extract(tape, message, out),
                FileRule::Regex { expression, whole, set, .. } => {
                    let span = if *whole { Span::new(0, tape.len()) } else { message };
                    let found = tape.captures(expression, span);
                    for (name, place) in expression.names().zip(&found.groups) {
                        match place {
                            Place::At(span) if !span.is_empty() => out.text(tape, name, *span),
                            Place::At(_) | Place::Absent => {}
                            Place::Unknown => out.doubt(name),
                        }
                    }
                    for (name, value) in set {
                        match found.matched {
                            Some(true) => out.add(tape, name, Span::new(message.start, message.start), Value::Constant(value.clone())),
                            Some(false) => {}
                            None => out.doubt(name),
                        }
                    }
                }
                FileRule::Pairs(pairs) => pairs.extract(tape, message, out),
                FileRule::Columns(columns, _) => columns.extract(tape, message, out),
                FileRule::Json => {
                    if let Some(at) = first(tape, message, b'{') {
                        json::extract(tape, Span::new(at, message.end), out);
                    }
                }
                FileRule::Xml => {
                    if let Some(at) = first(tape, message, b'<') {
                        xml::extract(tape, Span::new(at, message.end), out);
                    }
                }
            }
        }
    }

    /// [`FormatFile::extract`], where what cannot be decided concerns the names of this file only.
    pub(super) fn extract_apart<T: Tape>(&self, tape: T, app: Option<Span>, message: Span, out: &mut Collector<'_>) {
        let decided = !tape.is_undecided();
        self.extract(tape, app, message, out);
        if decided && tape.is_undecided() && !self.is_open {
            tape.forget_undecided();
            self.names.iter().for_each(|name| out.doubt(name));
        }
    }
}

/// Where a byte stands first in a span.
fn first<T: Tape>(tape: T, span: Span, byte: u8) -> Option<usize> {
    for at in span.range() {
        match tape.unit(at) {
            Unit::Byte(found) if found == byte => return Some(at),
            Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => {
                tape.undecided();
                return None;
            }
            _ => {}
        }
    }
    None
}

impl Rule {
    /// Reads a rule; the error says what is wrong with it.
    pub(super) fn checked(text: &str, set: Vec<(String, Arc<str>)>) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        while let Some((text, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}') else { return Err(format!("the `{{` in {rest:?} has no `}}`")) };
            if !text.is_empty() {
                parts.push(Part::Text(text.into()));
            }
            parts.push(match name.strip_suffix("...") {
                Some(name) if !behind.is_empty() => return Err(format!("`{{{name}...}}` takes the rest, so nothing can stand behind it")),
                Some(name) => Part::Rest(name.to_owned()),
                None => {
                    let mut without = b" \t\r\n\0\"".to_vec();
                    without.extend(behind.bytes().next().filter(|b| *b != b'{'));
                    Part::Word(name.to_owned(), Box::new(Class::not(&without)))
                }
            });
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self { parts, set })
    }

    /// The names of its fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let taken = self.parts.iter().filter_map(|part| match part {
            Part::Word(name, _) | Part::Rest(name) if !name.is_empty() => Some(name.as_str()),
            _ => None,
        });
        taken.chain(self.set.iter().map(|(name, _)| name.as_str()))
    }

    /// Extracts the fields of the message if it matches; whether it does.
    fn extract<T: Tape>(&self, tape: T, message: Span, out: &mut Collector<'_>) -> bool {
        let Some(taken) = self.match_at(tape, message) else { return false };
        for (name, span) in taken {
            // An empty word, as in `ruser= rhost=`, is no value; a slot is never empty.
            if !span.is_empty() && !name.is_empty() {
                out.text(tape, name, span);
            }
        }
        for (name, value) in &self.set {
            out.add(tape, name, Span::new(message.start, message.start), Value::Constant(value.clone()));
        }
        true
    }

    fn match_at<T: Tape>(&self, tape: T, message: Span) -> Option<Vec<(&str, Span)>> {
        let mut at = message.start;
        let mut taken = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    if !tape.starts(at, text) {
                        return None;
                    }
                    at += text.len();
                }
                Part::Word(name, class) => {
                    let end = tape.run(at, class);
                    taken.push((name.as_str(), Span::new(at, end)));
                    at = end;
                }
                Part::Rest(name) => {
                    taken.push((name.as_str(), Span::new(at, message.end)));
                    at = message.end;
                }
            }
        }
        (at <= message.end).then_some(taken)
    }
}
