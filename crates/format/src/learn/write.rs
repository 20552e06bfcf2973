//! The file of what is proposed: written, tried on the very lines, and without what does not come out as it should.

use super::kind::Kind;
use super::lines::{Lines, cut};
use super::name::normal;
use super::propose::Proposed;
use super::rules::{Draft, quoted};
use super::sample::Sample;
use super::{Field, Layout, Sure, Unlearnable};
use crate::fields::header_names;
use crate::{FormatFile, Formats};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use taffrail_pattern::FieldResolver;

/// A file that was written.
#[derive(Debug)]
pub(super) struct Written {
    pub text: String,
    pub fields: Vec<Field>,
    /// Events of which all is told that could be.
    pub covered: usize,
}

/// Samples of a file: what a person reads through.
const SAMPLES_MAX: usize = 20;

/// Samples of lines that no rule of their own shows.
const SHOWN_MAX: usize = 3;

/// Bytes of an event that is a sample.
const SAMPLE_BYTES_MAX: usize = 2_048;

/// Fields that a sample states.
const SAMPLE_FIELDS_MAX: usize = 16;

/// Bytes of a value that is shown.
const VALUE_BYTES_MAX: usize = 200;

/// Different values of a field that are shown.
const EXAMPLES_MAX: usize = 3;

/// Values of a field that its kind is told by.
const VALUES_MAX: usize = 200;

/// Times that a file is tried: each leaves out the rules that did not come out.
const TRIES_MAX: usize = 6;

/// Writes the file, tries it, and says what it finds.
pub(super) fn write(name: &str, sample: &Sample, proposed: &mut Proposed) -> Result<Written, Unlearnable> {
    let file = Writer { name, sample };
    let mut dropped = 0;
    for _ in 0..TRIES_MAX {
        let read = read(name, &file.text(&proposed.rules, &[], &[], proposed, 0))?;
        let formats = Formats::new().with([read]);
        let sourcetype = file.sourcetype();
        let before = proposed.rules.len();
        proposed.rules.retain(|rule| comes_out(rule, &formats, &sourcetype, sample));
        dropped += before - proposed.rules.len();
        if proposed.rules.len() == before {
            break;
        }
    }
    if dropped > 0 {
        let rules = if dropped == 1 { "rule" } else { "rules" };
        proposed.notes.push(format!("{dropped} {rules} did not find what they were made for, and were left out"));
    }
    let alone = read(name, &file.text(&proposed.rules, &[], &[], proposed, 0))?;
    let told = Told::of(sample, proposed, &Formats::alone(alone), &file.sourcetype());
    let covered = told.covered;
    let aliases = aliases(&told.fields);
    let with_aliases = file.text(&proposed.rules, &aliases, &[], proposed, covered);
    let formats = Formats::new().with([read(name, &with_aliases)?]);
    let samples = samples(sample, proposed, &formats, &file.sourcetype(), &aliases);
    let text = file.text(&proposed.rules, &aliases, &samples, proposed, covered);
    read(name, &text)?;
    let mut fields = told.fields;
    for alias in &aliases {
        if let Some(of) = fields.iter().find(|field| field.name == alias.old) {
            let why = format!("another name for `{}`, by what it is called and holds", alias.old);
            let field = Field { name: alias.new.to_owned(), sure: Sure::Guess, why, ..of.clone() };
            fields.push(field);
        }
    }
    fields.sort_by_key(|field| std::cmp::Reverse(field.events));
    Ok(Written { text, fields, covered })
}

fn read(name: &str, text: &str) -> Result<std::sync::Arc<FormatFile>, Unlearnable> {
    FormatFile::read(name, text).map_err(|faults| {
        let fault = faults.first().map(ToString::to_string).unwrap_or_default();
        Unlearnable::new(format!("no format could be made of these lines ({fault})"), "try lines of one kind, or write the format by hand")
    })
}

/// Whether the rule's own event has the fields that it was made for.
fn comes_out(rule: &Draft, formats: &Formats, sourcetype: &str, sample: &Sample) -> bool {
    let Some((event, values)) = &rule.sample else { return true };
    let found = formats.fields_of_event(sourcetype, sample.events[*event].whole.as_bytes());
    let has = |name: &str, value: &str| found.iter().any(|(known, found)| known == name && found == value);
    values.iter().all(|(name, value)| value.is_empty() || has(name, value))
}

/// What the file tells of the events.
struct Told {
    fields: Vec<Field>,
    covered: usize,
}

impl Told {
    fn of(sample: &Sample, proposed: &Proposed, formats: &Formats, sourcetype: &str) -> Self {
        let named: FxHashMap<&str, &super::name::Named> =
            proposed.rules.iter().rev().flat_map(|rule| &rule.named).map(|named| (named.name.as_str(), named)).collect();
        let mut known: FxHashMap<String, usize> = FxHashMap::default();
        let mut fields: Vec<(Field, Vec<String>)> = Vec::new();
        let mut covered = 0;
        for (number, event) in sample.events.iter().enumerate() {
            covered += usize::from(proposed.covered[number]);
            for (name, value) in formats.fields_of_event(sourcetype, event.whole.as_bytes()) {
                if name == "tag" || (sample.by_app() && header_names().contains(&name.as_str())) {
                    continue;
                }
                let at = *known.entry(name.clone()).or_insert_with(|| {
                    let named = named.get(name.as_str());
                    let field = Field {
                        name: name.clone(),
                        kind: Kind::Word.name(),
                        examples: Vec::new(),
                        events: 0,
                        sure: named.map_or(Sure::Named, |named| named.sure),
                        why: named.map_or_else(|| "the text calls it so".to_owned(), |named| named.why.clone()),
                    };
                    fields.push((field, Vec::new()));
                    fields.len() - 1
                });
                let (field, values) = &mut fields[at];
                field.events += 1;
                let shown = shortened(&value);
                if field.examples.len() < EXAMPLES_MAX && !field.examples.contains(&shown) {
                    field.examples.push(shown);
                }
                if values.len() < VALUES_MAX {
                    values.push(value);
                }
            }
        }
        let kinds = fields.into_iter().map(|(field, values)| {
            let kind = Kind::of_all(values.iter().map(String::as_str)).name();
            Field { kind, ..field }
        });
        Self { fields: kinds.collect(), covered }
    }
}

fn shortened(value: &str) -> String {
    if value.len() <= VALUE_BYTES_MAX {
        return value.to_owned();
    }
    let end = (0..=VALUE_BYTES_MAX).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
    format!("{} ...", &value[..end])
}

/// Another name for a field.
#[derive(Debug)]
struct Alias {
    new: &'static str,
    old: String,
}

/// Names of the normal model for what the text calls otherwise.
fn aliases(fields: &[Field]) -> Vec<Alias> {
    let mut found: Vec<Alias> = Vec::new();
    let kind_of = |field: &Field| ALL.into_iter().find(|kind| kind.name() == field.kind).unwrap_or(Kind::Word);
    for field in fields.iter().filter(|field| field.sure == Sure::Named) {
        let last = field.name.rsplit('.').next().unwrap_or(&field.name);
        let new = normal(&field.name, kind_of(field)).or_else(|| normal(last, kind_of(field)));
        let Some(new) = new.filter(|new| *new != field.name) else { continue };
        if !fields.iter().any(|field| field.name == new) && !found.iter().any(|alias| alias.new == new) {
            found.push(Alias { new, old: field.name.clone() });
        }
    }
    found
}

const ALL: [Kind; 17] = [
    Kind::Address,
    Kind::Mac,
    Kind::Uuid,
    Kind::Mail,
    Kind::Url,
    Kind::Path,
    Kind::Number,
    Kind::Duration,
    Kind::Size,
    Kind::Level,
    Kind::Method,
    Kind::Host,
    Kind::Hex,
    Kind::Time,
    Kind::Flag,
    Kind::Word,
    Kind::Text,
];

/// A line with what is expected of it.
#[derive(Debug)]
struct Shown {
    line: String,
    kind: Option<String>,
    fields: BTreeMap<String, String>,
}

/// The samples: one for each rule, and some of what is found without.
fn samples(sample: &Sample, proposed: &Proposed, formats: &Formats, sourcetype: &str, aliases: &[Alias]) -> Vec<Shown> {
    let mut events: Vec<(usize, BTreeMap<String, String>)> = Vec::new();
    for (event, values) in proposed.rules.iter().filter_map(|rule| rule.sample.clone()) {
        if !events.iter().any(|(known, _)| *known == event) {
            events.push((event, values));
        }
    }
    events.truncate(SAMPLES_MAX);
    let automatic = matches!(proposed.layout, Layout::Json | Layout::Xml | Layout::Pairs) || events.is_empty();
    let more = if automatic { SHOWN_MAX } else { 1 };
    let step = (proposed.shown.len() / more).max(1);
    for event in proposed.shown.iter().step_by(step).take(more) {
        if !events.iter().any(|(known, _)| known == event) {
            events.push((*event, BTreeMap::new()));
        }
    }
    let fits = |event: usize| sample.events[event].whole.len() <= SAMPLE_BYTES_MAX;
    let some = events.iter().any(|(event, _)| fits(*event));
    events.retain(|(event, _)| !some || fits(*event));
    let shown = events.into_iter().map(|(event, values)| {
        let line = sample.events[event].whole.clone();
        let found = formats.fields_of_event(sourcetype, line.as_bytes());
        let kind = found.iter().find(|(name, _)| name == "tag").map(|(_, value)| value.clone());
        let mut fields: BTreeMap<String, String> =
            values.into_iter().filter(|(_, value)| !value.is_empty() && value.len() <= VALUE_BYTES_MAX).collect();
        let extra = |name: &str| automatic || fields.is_empty() || aliases.iter().any(|alias| alias.new == name);
        let by_itself: Vec<(String, String)> = found
            .into_iter()
            .filter(|(name, value)| value.len() <= VALUE_BYTES_MAX && !value.is_empty() && name != "tag" && extra(name))
            .filter(|(name, _)| !(sample.by_app() && header_names().contains(&name.as_str())))
            .collect();
        for (name, value) in by_itself {
            if fields.len() < SAMPLE_FIELDS_MAX {
                fields.entry(name).or_insert(value);
            }
        }
        Shown { line, kind, fields }
    });
    shown.collect()
}

/// Writes the text of a file.
struct Writer<'s> {
    name: &'s str,
    sample: &'s Sample,
}

impl Writer<'_> {
    fn sourcetype(&self) -> String {
        if self.sample.by_app() { "syslog".to_owned() } else { self.name.to_owned() }
    }

    fn text(&self, rules: &[Draft], aliases: &[Alias], samples: &[Shown], proposed: &Proposed, covered: usize) -> String {
        let mut out = self.heading(proposed, covered);
        for rule in rules {
            out.push_str("\n[[rule]]\n");
            for named in rule.named.iter().filter(|named| named.sure == Sure::Guess) {
                let _ = writeln!(out, "# `{}` is a guess: {}.", named.name, named.why.replace(['\n', '\r'], " "));
            }
            out.push_str(&rule.text);
        }
        if !aliases.is_empty() {
            out.push_str("\n# Guesses: names of the normal model for what is called otherwise here.\n[alias]\n");
            for alias in aliases {
                let _ = writeln!(out, "{} = {}", alias.new, quoted(&alias.old));
            }
        }
        if !samples.is_empty() {
            out.push_str(&self.stream().unwrap_or_default());
        }
        for shown in samples {
            let _ = write!(out, "\n[[sample]]\n");
            if self.sample.by_app() {
                out.push_str("sourcetype = \"syslog\"\n");
            }
            let _ = writeln!(out, "line = {}", quoted(&shown.line));
            if let Some(kind) = shown.kind.as_ref().filter(|_| rules.iter().any(|rule| rule.text.contains("\ntype = "))) {
                let _ = writeln!(out, "type = \"{kind}\"");
            }
            let fields: Vec<String> = shown.fields.iter().map(|(name, value)| format!("{} = {}", key(name), quoted(value))).collect();
            let _ = writeln!(out, "fields = {{ {} }}", fields.join(", "));
        }
        out
    }

    /// What is said of lines that belong together; a file for programs of syslog has no say in that.
    fn together(&self) -> Option<&Lines> {
        self.sample.together.as_ref().filter(|_| !self.sample.by_app())
    }

    /// Lines that show it: an event of several, and what comes behind it.
    fn stream(&self) -> Option<String> {
        let lines = self.together()?;
        let several = |event: &&super::sample::Event| event.whole.trim_end().contains('\n') && event.whole.len() <= SAMPLE_BYTES_MAX;
        let first = self.sample.events.iter().position(|event| several(&event))?;
        let shown = self.sample.events[first..].iter().take(2).filter(|event| event.whole.len() <= SAMPLE_BYTES_MAX);
        let text: String = shown.map(|event| format!("{}\n", event.whole)).collect();
        let counts: Vec<String> = cut(text.as_bytes(), Some(&lines.rule))
            .iter()
            .map(|event| (memchr::memchr_iter(b'\n', event).count() + 1).to_string())
            .collect();
        Some(format!("\n[[stream]]\ntext = {}\nlines = [{}]\n", quoted(&text), counts.join(", ")))
    }

    fn heading(&self, proposed: &Proposed, covered: usize) -> String {
        let sample = self.sample;
        let mut out = format!(
            "# Proposed from {} lines, which make {} events; of {covered} of them it tells all that varies.\n# Read it, correct the guesses, and run `taffrail formats check {}.toml`.\n",
            sample.lines,
            sample.events.len(),
            self.name
        );
        match &sample.time {
            Some(time) => {
                let place = if time.at_start { "at the beginning of events" } else { "within events" };
                let _ = writeln!(out, "# Time: {place}, as in `{}`.", time.example.replace(['\n', '\r'], " "));
                if time.inferred {
                    out.push_str(
                        "# It does not say its zone, or its year: set `zone` where the lines are collected, if they are not in that machine's.\n",
                    );
                }
            }
            None => out.push_str("# No time was found: events get the time at which they arrive.\n"),
        }
        let _ = writeln!(out, "summary = {}", quoted(&format!("{}: {}", self.name, proposed.layout.name())));
        match sample.few_apps() {
            Some(apps) => {
                let apps: Vec<String> = apps.iter().map(|app| quoted(app)).collect();
                let _ = writeln!(out, "apps = [{}]", apps.join(", "));
            }
            None if sample.by_app() => out.push_str("sourcetypes = [\"syslog\"]\n"),
            None => {
                let _ = writeln!(out, "# The sourcetype to give where these lines are collected.\nsourcetypes = [\"{}\"]", self.name);
            }
        }
        if let Some(lines) = self.together() {
            let _ = write!(out, "\n# Lines that belong together: {}.\n[event]\n{}", lines.why, lines.table);
        }
        out
    }
}

/// A key of TOML.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}
