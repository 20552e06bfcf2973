//! Formats as data: messages of well-known programs, described in `packs/core/formats/*.toml`.
//!
//! A rule is the beginning of a message with placeholders: `{name}` takes what comes up to a blank or the next
//! constant byte, `{}` takes it and throws it away, `{name...}` at the end takes the rest. The first rule that
//! matches gives its fields. Every file carries samples, which a test runs. The table `[event]` is of `crate::events`.

use super::collector::{Collector, Value};
use crate::events::EventText;
use crate::tape::{Class, Span, Tape, Unit};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The files that are built in, by name.
const BUILT_IN: [(&str, &str); 9] = [
    ("sshd", include_str!("../../../../packs/core/formats/sshd.toml")),
    ("pam", include_str!("../../../../packs/core/formats/pam.toml")),
    ("sudo", include_str!("../../../../packs/core/formats/sudo.toml")),
    ("su", include_str!("../../../../packs/core/formats/su.toml")),
    ("text", include_str!("../../../../packs/core/formats/text.toml")),
    ("java", include_str!("../../../../packs/core/formats/java.toml")),
    ("python", include_str!("../../../../packs/core/formats/python.toml")),
    ("postgresql", include_str!("../../../../packs/core/formats/postgresql.toml")),
    ("json", include_str!("../../../../packs/core/formats/json.toml")),
];

/// A file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// One line for people.
    #[allow(dead_code)] // shown once formats can be listed
    summary: String,
    /// The programs whose messages these are; none: any.
    #[serde(default)]
    apps: Vec<String>,
    /// The sourcetypes whose events begin and go on as `event` says.
    #[serde(default)]
    pub(crate) sourcetypes: Vec<String>,
    #[serde(default)]
    pub(crate) event: Option<EventText>,
    #[serde(default)]
    rule: Vec<RuleText>,
    #[serde(default)]
    #[cfg_attr(not(test), allow(dead_code))] // run by the tests
    pub(super) sample: Vec<Sample>,
    #[serde(default)]
    #[cfg_attr(not(test), allow(dead_code))] // run by the tests
    pub(crate) stream: Vec<StreamSample>,
}

/// Some lines of a source, and how many lines each of its events has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) struct StreamSample {
    pub(crate) text: String,
    pub(crate) lines: Vec<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    #[serde(rename = "match")]
    text: String,
    /// Fields with a constant value.
    #[serde(default)]
    set: BTreeMap<String, String>,
}

/// A line and the fields it must have; those with an empty value it must not have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(test), allow(dead_code))]
pub(super) struct Sample {
    pub(super) line: String,
    pub(super) fields: BTreeMap<String, String>,
}

/// Rules made ready.
#[derive(Debug)]
pub(super) struct Rules {
    groups: Vec<Group>,
    names: Arc<BTreeSet<String>>,
}

#[derive(Debug)]
struct Group {
    apps: Vec<Vec<u8>>,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
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

/// Reads a file; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|e| e.to_string())
}

/// The built-in files.
pub(crate) fn built_in() -> impl Iterator<Item = (&'static str, File)> {
    BUILT_IN.into_iter().map(|(name, text)| (name, parse(text).unwrap_or_else(|e| panic!("built-in format {name}: {e}"))))
}

impl Rules {
    /// The rules of the built-in files.
    pub(super) fn built_in() -> Self {
        let groups: Vec<Group> = built_in().map(|(_, file)| Group::new(file)).filter(|group| !group.rules.is_empty()).collect();
        let rules = groups.iter().flat_map(|g| &g.rules);
        let names = rules.flat_map(|rule| {
            let taken = rule.parts.iter().filter_map(|part| match part {
                Part::Word(name, _) | Part::Rest(name) if !name.is_empty() => Some(name.clone()),
                _ => None,
            });
            taken.chain(rule.set.iter().map(|(name, _)| name.clone()))
        });
        let names = Arc::new(names.collect());
        Self { groups, names }
    }

    /// The fields that rules give.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Extracts the fields of the first rule that matches the message.
    pub(super) fn extract<T: Tape>(&self, tape: T, app: Option<Span>, message: Span, out: &mut Collector<'_>) {
        let decided = !tape.is_undecided();
        let mut start = message.start;
        while tape.unit(start) == Unit::Byte(b' ') && start < message.end {
            start += 1;
        }
        self.first_match(tape, app, Span::new(start, message.end), out);
        if decided && tape.is_undecided() {
            tape.forget_undecided();
            out.doubt(self.names.clone());
        }
    }

    fn first_match<T: Tape>(&self, tape: T, app: Option<Span>, message: Span, out: &mut Collector<'_>) {
        for group in &self.groups {
            let meant = group.apps.is_empty()
                || app.is_some_and(|app| tape.with_text(app, |name| group.apps.iter().any(|a| a == name)).unwrap_or(false));
            if !meant {
                continue;
            }
            for rule in &group.rules {
                if let Some(taken) = rule.match_at(tape, message) {
                    for (name, span) in taken {
                        // An empty word, as in `ruser= rhost=`, is no value; a slot is never empty.
                        if !span.is_empty() && !name.is_empty() {
                            out.text(tape, name, span);
                        }
                    }
                    for (name, value) in &rule.set {
                        out.add(tape, name, Span::new(message.start, message.start), Value::Constant(value.clone()));
                    }
                    return;
                }
            }
        }
    }
}

impl Group {
    fn new(file: File) -> Self {
        Self { apps: file.apps.into_iter().map(String::into_bytes).collect(), rules: file.rule.into_iter().map(Rule::new).collect() }
    }
}

impl Rule {
    fn new(rule: RuleText) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = rule.text.as_str();
        while let Some((text, behind)) = rest.split_once('{') {
            let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
            if !text.is_empty() {
                parts.push(Part::Text(text.into()));
            }
            parts.push(match name.strip_suffix("...") {
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
        Self { parts, set: rule.set.into_iter().map(|(name, value)| (name, value.into())).collect() }
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
