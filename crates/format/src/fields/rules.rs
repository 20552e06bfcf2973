//! Formats as data: messages of well-known programs, described in `packs/core/formats/*.toml`, and the rules of files that
//! people write.
//!
//! A rule is the beginning of a message with placeholders: `{name}` takes what comes up to a blank or the next
//! constant byte, `{}` takes it and throws it away, `{name...}` at the end takes the rest. The first rule that
//! matches gives its fields. Every file carries samples, which a test runs. The table `[event]` is of `crate::events`.

use super::collector::{Collector, Value};
use super::expression::{Expression, Place};
use super::file::{FormatFile, wildcard};
use super::index::{Candidates, Sign};
use super::keys::{self, Columns, Pairs};
use super::set::Subject;
use super::when::{Clean, When};
use super::{access, header, json, xml};
use crate::tape::{Class, Laid, Span, Tape, Unit};
use std::collections::BTreeSet;
use std::sync::Arc;
use taffrail_pattern::SlotKind;

/// The beginning of a message with placeholders.
#[derive(Debug)]
pub(super) struct Rule {
    parts: Vec<Part>,
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

/// A rule of a file.
#[derive(Debug)]
pub(super) struct FileRule {
    pub(super) how: How,
    /// Whether it says what the event is: of these the first that matches counts.
    pub(super) first: bool,
    /// The sourcetypes that are meant; none: those of the file.
    pub(super) sourcetypes: Vec<String>,
    /// Fields with a fixed value.
    pub(super) set: Arc<Vec<(String, Arc<str>)>>,
    /// Fields whose values are written in another way.
    pub(super) clean: Arc<Vec<(String, Clean)>>,
    /// How what it takes, or the message, is read further.
    pub(super) keys: Option<Arc<Keys>>,
    /// The names that are known beforehand.
    pub(super) names: Arc<BTreeSet<String>>,
}

/// What a rule goes by.
#[derive(Debug)]
pub(super) enum How {
    /// The beginning of a message.
    Match(Rule),
    /// Named groups, of the message or of the whole event.
    Regex { expression: Arc<Expression>, whole: bool },
    /// Every message.
    Message,
    /// The fields of the event; these come last.
    When(When),
}

/// How names and values stand in a text.
#[derive(Debug)]
pub(super) enum Keys {
    /// Pairs with delimiters of their own.
    Pairs(Box<Pairs>),
    /// `name=value` where values have blanks.
    Labels,
    /// Columns with names.
    Columns(Box<Columns>),
    /// A JSON object that stands somewhere in the text.
    Json,
    /// XML that stands somewhere in the text.
    Xml,
}

impl Keys {
    /// Whether it gives names that are not known beforehand.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self, Self::Columns(_))
    }

    fn extract<T: Tape>(&self, tape: T, span: Span, out: &mut Collector<'_>) {
        match self {
            Self::Pairs(pairs) => pairs.extract(tape, span, out),
            Self::Labels => keys::labels(tape, span, out),
            Self::Columns(columns) => columns.extract(tape, span, out),
            Self::Json => {
                if let Some(at) = first(tape, span, b'{') {
                    json::extract(tape, Span::new(at, span.end), out);
                }
            }
            Self::Xml => {
                if let Some(at) = first(tape, span, b'<') {
                    xml::extract(tape, Span::new(at, span.end), out);
                }
            }
        }
    }
}

/// Whether a rule matched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matched {
    Yes,
    No,
    /// That depends on what a slot holds: the rules behind it are not worth trying.
    Unknown,
}

impl FileRule {
    /// Whether events of a sourcetype are meant.
    pub(super) fn is_for(&self, sourcetype: &str) -> bool {
        self.sourcetypes.is_empty() || self.sourcetypes.iter().any(|wanted| wildcard(wanted, sourcetype))
    }

    /// What has to be in a message for the rule to match, in one of some ways.
    pub(super) fn signs(&self) -> Vec<Sign> {
        let all = |texts: &[Vec<u8>], sign: fn(Vec<u8>) -> Sign| texts.iter().cloned().map(sign).collect();
        let least = |texts: &[Vec<u8>]| texts.iter().map(Vec::len).min().unwrap_or(0);
        let signs = match &self.how {
            How::Match(rule) => vec![rule.sign()],
            How::Regex { expression, whole: true } => all(expression.literals(), Sign::Anywhere),
            How::Regex { expression, whole: false } => match expression.prefixes() {
                prefixes if !prefixes.is_empty() && least(prefixes) >= least(expression.literals()).min(8) => all(prefixes, Sign::Begins),
                _ => all(expression.literals(), Sign::Holds),
            },
            How::Message => Vec::new(),
            How::When(_) => vec![Sign::Never],
        };
        Sign::checked(signs)
    }

    /// Whether it may match in some events of a pattern; no is certain.
    pub(super) fn may_match(&self, laid: &Laid, message: Span) -> bool {
        match &self.how {
            How::Match(rule) => rule.may_match(laid, message),
            How::Regex { expression, whole } => expression.may_match(laid, if *whole { Span::new(0, laid.len()) } else { message }),
            How::Message | How::When(_) => true,
        }
    }

    /// The same of a rule that goes by fields: a value stands in the event as it is, where it has nothing to escape, and the
    /// name of a field, where no rule gives it. `told` are the names that rules give, `made` those with values of their own.
    pub(super) fn field_sign(&self, told: &BTreeSet<String>, made: &BTreeSet<String>) -> Vec<Sign> {
        let How::When(when) = &self.how else { return vec![Sign::Never] };
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.: ".contains(&byte));
        let stands = |field: &str| !header::NAMES.contains(&field) && !access::NAMES.contains(&field);
        let mut signs = Vec::new();
        for (field, values) in &when.conditions {
            // That it must not be there says nothing of what is there.
            if !stands(field) || values.iter().any(String::is_empty) {
                continue;
            }
            if let [value] = values.as_slice()
                && plain(value)
                && !made.contains(field)
            {
                signs.push(value.as_str());
            }
            let name = Some(field).filter(|field| !told.contains(*field) && !made.contains(*field));
            signs.extend(
                name.and_then(|field| field.rsplit('.').next()?.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|run| run.len())),
            );
        }
        let longest = signs.into_iter().max_by_key(|sign| sign.len());
        Sign::checked(longest.map(|text| Sign::Anywhere(text.as_bytes().to_vec())).into_iter().collect())
    }

    /// The names of fields whose values need not stand in the event.
    pub(super) fn made(&self) -> impl Iterator<Item = &String> {
        let mapped = if let How::When(when) = &self.how { when.map.as_slice() } else { &[] };
        let constants = self.set.iter().map(|(name, _)| name).chain(self.clean.iter().map(|(name, _)| name));
        constants.chain(mapped.iter().map(|(name, ..)| name))
    }

    /// Gives what the fields mean, if the rule holds; `hidden`: the program stands in a slot.
    pub(super) fn mean<T: Tape>(&self, tape: T, at: usize, hidden: bool, out: &mut Collector<'_>) {
        let How::When(when) = &self.how else { return };
        match when.holds(tape, out) {
            Some(false) => {}
            Some(true) if !hidden => when.give(tape, at, &self.set, &self.clean, out),
            _ => self.names.iter().for_each(|name| out.doubt(name)),
        }
    }

    fn name<T: Tape>(&self, tape: T, name: &str, span: Span, out: &mut Collector<'_>) {
        let clean = self.clean.iter().find(|(field, _)| field == name);
        self.give(tape, name, span, clean.map_or(Value::Text, |(_, clean)| Value::Map(*clean)), out);
    }

    /// Adds a field. The `app` of a rule that says what the event is goes before the program of the header.
    fn give<T: Tape>(&self, tape: T, name: &str, span: Span, value: Value, out: &mut Collector<'_>) {
        if self.first && name == "app" { out.mean(tape, name, span, value) } else { out.add(tape, name, span, value) }
    }

    fn constants<T: Tape>(&self, tape: T, at: usize, out: &mut Collector<'_>) {
        for (name, value) in self.set.iter() {
            self.give(tape, name, Span::new(at, at), Value::Constant(value.clone()), out);
        }
    }

    fn further<T: Tape>(&self, tape: T, span: Option<Span>, out: &mut Collector<'_>) {
        if let (Some(keys), Some(span)) = (&self.keys, span) {
            // Names that the event itself has: what it means goes before them.
            let before = out.automatic_if(keys.is_open());
            keys.extract(tape, span, out);
            out.automatic_if(before);
        }
    }

    fn extract<T: Tape>(&self, tape: T, message: Span, out: &mut Collector<'_>) -> Matched {
        match &self.how {
            How::When(_) => Matched::No,
            How::Message => {
                self.further(tape, Some(message), out);
                Matched::Yes
            }
            How::Match(rule) => {
                let Some(taken) = rule.match_at(tape, message) else { return Matched::No };
                // An empty word, as in `ruser= rhost=`, is no value; a slot is never empty.
                for (name, span) in taken.iter().filter(|(name, span)| !span.is_empty() && !name.is_empty()) {
                    self.name(tape, name, *span, out);
                }
                self.constants(tape, message.start, out);
                self.further(tape, taken.last().filter(|(name, _)| name.is_empty()).map(|(_, span)| *span), out);
                Matched::Yes
            }
            How::Regex { expression, whole } => {
                self.expression(expression, if *whole { Span::new(0, tape.len()) } else { message }, tape, out)
            }
        }
    }

    fn expression<T: Tape>(&self, expression: &Arc<Expression>, span: Span, tape: T, out: &mut Collector<'_>) -> Matched {
        let found = tape.captures(expression, span);
        if self.first && found.matched.is_none() {
            tape.undecided();
            return Matched::Unknown;
        }
        let mut rest = None;
        for (name, place) in expression.names().zip(&found.groups) {
            match place {
                Place::At(span) if name == "_" => rest = Some(*span),
                Place::At(span) if !span.is_empty() => {
                    // What is made of quoted strings alone may be nothing, which is no value.
                    let empty = span.range().all(|at| matches!(tape.unit(at), Unit::Slot(SlotKind::Quoted | SlotKind::Raw)));
                    let clean = self.clean.iter().any(|(field, _)| field == name);
                    match empty && !clean {
                        true => self.give(tape, name, *span, Value::Map(unless_empty), out),
                        false => self.name(tape, name, *span, out),
                    }
                }
                Place::Made(..) if name == "_" => tape.undecided(),
                Place::Made(span, made) => {
                    let clean = self.clean.iter().find(|(field, _)| field == name);
                    let made = Value::Made(made.clone());
                    self.give(tape, name, *span, clean.map_or_else(|| made.clone(), |(_, clean)| made.clone().then(*clean)), out);
                }
                Place::At(_) | Place::Absent => {}
                Place::Unknown if name == "_" => tape.undecided(),
                Place::Unknown => out.doubt(name),
            }
        }
        match found.matched {
            Some(true) => self.constants(tape, span.start, out),
            Some(false) => return Matched::No,
            None => self.set.iter().for_each(|(name, _)| out.doubt(name)),
        }
        self.further(tape, rest, out);
        Matched::Yes
    }
}

impl FormatFile {
    /// Extracts the fields that the file knows, from an event; of its rules the candidates, whose numbers begin at `base`.
    fn extract<T: Tape>(&self, tape: T, of: Subject<'_>, candidates: &Candidates, base: usize, out: &mut Collector<'_>) {
        let mut matched = false;
        for (number, rule) in self.rules.iter().enumerate() {
            if out.is_done() {
                return;
            }
            let open = rule.keys.as_ref().is_some_and(|keys| keys.is_open());
            if !candidates.has(base + number)
                || !rule.is_for(of.sourcetype)
                || (rule.first && matched)
                || (!rule.first && !open && !out.wants_any(&rule.names))
            {
                continue;
            }
            match rule.extract(tape, of.message, out) {
                Matched::Yes => matched |= rule.first,
                Matched::No => {}
                Matched::Unknown => return,
            }
        }
    }

    /// [`FormatFile::extract`], where what cannot be decided concerns the names of this file only.
    pub(super) fn extract_apart<T: Tape>(&self, tape: T, of: Subject<'_>, candidates: &Candidates, base: usize, out: &mut Collector<'_>) {
        if !self.is_open && !out.wants_any(&self.names) {
            return;
        }
        let decided = !tape.is_undecided();
        self.extract(tape, of, candidates, base, out);
        if decided && tape.is_undecided() && !self.is_open {
            tape.forget_undecided();
            self.names.iter().for_each(|name| out.doubt(name));
        }
    }

    /// Whether messages of a program are meant; `None` where the program stands in a slot, and may be one of these.
    pub(super) fn is_for_app(&self, app: Option<&[u8]>) -> bool {
        let name = app.map(|name| String::from_utf8_lossy(name));
        let name = name.as_deref().unwrap_or_default();
        self.apps.is_empty() || self.apps.iter().any(|wanted| wildcard(wanted, name))
    }
}

/// A text, if there is one.
fn unless_empty(text: &[u8]) -> Option<String> {
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
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
    pub(super) fn checked(text: &str) -> Result<Self, String> {
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
        Ok(Self { parts })
    }

    /// The names of its fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Word(name, _) | Part::Rest(name) if !name.is_empty() => Some(name.as_str()),
            _ => None,
        })
    }

    /// What has to be in the message.
    fn sign(&self) -> Sign {
        let text = |part: &Part| if let Part::Text(text) = part { Some(text.clone()) } else { None };
        match self.parts.first().and_then(text) {
            Some(first) if first.len() >= 4 => Sign::Begins(first),
            _ => Sign::Holds(self.parts.iter().filter_map(text).max_by_key(Vec::len).unwrap_or_default()),
        }
    }

    fn may_match(&self, laid: &Laid, message: Span) -> bool {
        let text = |part: &Part| if let Part::Text(text) = part { Some(text.clone()) } else { None };
        let texts: Vec<Vec<Vec<u8>>> = self.parts.iter().filter_map(text).map(|text| vec![text]).collect();
        laid.may_hold_all(&texts, message, self.parts.first().is_some_and(|part| matches!(part, Part::Text(_))), false)
    }

    fn match_at<T: Tape>(&self, tape: T, message: Span) -> Option<Vec<(&str, Span)>> {
        let mut at = message.start;
        let mut taken = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    at = tape.behind(at, text)?;
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
