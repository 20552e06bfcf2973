//! A format file: what is written in it, what is wrong with it, and whether its samples come out as it says.
//!
//! The same for the files of `packs/core/formats` and for those that people write: see docs/manual/formats.md.

use super::expression::Expression;
use super::keys::{Columns, Pairs};
use super::model::model;
use super::rules::{FileRule, How, Keys, Rule};
use super::when::{CLEANERS, When, cleaner};
use crate::detect::own::{DetectText, LineSigns};
use crate::events::{EventText, Rule as EventRule, Wrong};
use crate::time::rule::{TimeRule, TimeText};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::{FORMAT_COLUMNS_MAX, FORMAT_RULES_MAX};
use toml::Spanned;

/// A file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// One line for people.
    pub(super) summary: String,
    /// The programs whose messages these are; none: any.
    #[serde(default)]
    pub(super) apps: Vec<String>,
    /// The sourcetypes of the events that are meant, with `*`; none: all.
    #[serde(default)]
    pub(crate) sourcetypes: Vec<String>,
    /// The sourcetype with a structure of its own that events of `sourcetypes` are read as.
    #[serde(default)]
    like: Option<Spanned<String>>,
    /// Whether events of `sourcetypes` are also looked through for pairs, JSON and XML.
    #[serde(default = "yes")]
    pub(super) automatic: bool,
    #[serde(default)]
    pub(crate) event: Option<Spanned<EventText>>,
    /// Where the time of its events is.
    #[serde(default)]
    time: Option<Spanned<TimeText>>,
    /// Which lines are of the format.
    #[serde(default)]
    detect: Option<Spanned<DetectText>>,
    /// Fields with a fixed value in all events whose type a rule of the file tells.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// Fields whose values are written in another way, wherever rules of the file find them.
    #[serde(default)]
    clean: BTreeMap<String, String>,
    #[serde(default)]
    rule: Vec<Spanned<RuleText>>,
    /// Other names of fields: `new = "old"`, or several of which the first that is there counts.
    #[serde(default)]
    alias: BTreeMap<String, OneOrMore>,
    /// Fields that are computed when a search needs them; the language of `eval` is not known here.
    #[serde(default)]
    calculated: Vec<Spanned<CalculatedText>>,
    /// Lookups that add fields when a search needs them.
    #[serde(default)]
    lookup: Vec<Spanned<LookupText>>,
    /// With `calculated` and `lookup`: the hosts and sources that are meant, with `*`.
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    pub(super) sample: Vec<Spanned<Sample>>,
    #[serde(default)]
    pub(crate) stream: Vec<Spanned<StreamSample>>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalculatedText {
    field: String,
    eval: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LookupText {
    table: String,
    #[serde(rename = "match")]
    keys: Names,
    output: Names,
    #[serde(default)]
    overwrite: bool,
}

/// Columns and the fields that they are: of the same name, or as said.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Same(Vec<String>),
    As(BTreeMap<String, String>),
}

impl Names {
    fn pairs(&self) -> Vec<(String, String)> {
        match self {
            Self::One(name) => vec![(name.clone(), name.clone())],
            Self::Same(names) => names.iter().map(|name| (name.clone(), name.clone())).collect(),
            Self::As(names) => names.iter().map(|(column, field)| (column.clone(), field.clone())).collect(),
        }
    }
}

/// A field that is computed from others, by an expression of the search language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calculated {
    /// Its name.
    pub field: String,
    /// The expression.
    pub expression: String,
    /// The line of the file that it begins in.
    pub line: usize,
}

/// A lookup that adds fields to events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoLookup {
    /// The name of the lookup.
    pub table: String,
    /// Columns of it, and the fields that have to be equal.
    pub keys: Vec<(String, String)>,
    /// Columns of it, and the fields that they become.
    pub output: Vec<(String, String)>,
    /// Whether it replaces values that events have.
    pub overwrite: bool,
    /// The line of the file that it begins in.
    pub line: usize,
}

/// Some lines of a source, and how many lines each of its events has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamSample {
    pub(crate) text: String,
    pub(crate) lines: Vec<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    #[serde(rename = "match", default)]
    text: Option<OneOrMore>,
    #[serde(default)]
    regex: Option<OneOrMore>,
    /// The fields that the event must have, and one of the values of each.
    #[serde(default)]
    when: BTreeMap<String, OneOrMore>,
    /// With `when`: a field, and those of which it is a copy.
    #[serde(default)]
    copy: BTreeMap<String, OneOrMore>,
    /// With `when`: a field, and what the values of another mean.
    #[serde(default)]
    map: BTreeMap<String, Meanings>,
    #[serde(default)]
    keys: Option<String>,
    /// With `keys = "pairs"`: the bytes between a name and its value, and behind a pair.
    #[serde(default)]
    equals: Option<String>,
    #[serde(default)]
    between: Option<String>,
    /// With `keys = "columns"`.
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    delimiter: Option<String>,
    #[serde(default)]
    comment: String,
    /// With `regex`: look at the whole event, not only behind the syslog header.
    #[serde(default)]
    whole: bool,
    /// With `regex` in a built-in file: see what stands in double quotes.
    #[serde(default)]
    quoted: bool,
    /// The type of event in the normal model.
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// Of the sourcetypes of the file, those that are meant; none: all.
    #[serde(default)]
    sourcetypes: Vec<String>,
    /// Fields with a constant value.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// Fields whose values are written in another way.
    #[serde(default)]
    clean: BTreeMap<String, String>,
}

/// What the values of a field mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meanings {
    /// The field.
    of: String,
    values: BTreeMap<String, String>,
}

/// A line and the fields it must have; those with an empty value it must not have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    pub(super) line: String,
    #[serde(default)]
    pub(super) sourcetype: Option<String>,
    /// The type of event that it is; none where it is left out.
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
    /// The time that it must have, in UTC as `2026-11-21T21:14:03Z`.
    #[serde(default)]
    pub(super) time: Option<String>,
    /// The family of products whose line it is; that of the file where it is left out.
    #[serde(default)]
    #[cfg_attr(not(test), allow(dead_code))] // counted by the tests
    pub(super) family: Option<String>,
    pub(super) fields: BTreeMap<String, String>,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1 on; 0 where it is the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.message)
    }
}

impl File {
    /// Whether rules say what type events are of.
    pub(super) fn has_types(&self) -> bool {
        self.rule.iter().any(|rule| rule.get_ref().kind.is_some())
    }

    /// How the lines of events belong together, where the file says it.
    fn event_rule(&self, text: &str) -> Result<Option<Arc<EventRule>>, Fault> {
        let Some(event) = &self.event else {
            return match self.stream.first() {
                Some(stream) => Err(Fault {
                    line: line_of(text, stream.span().start),
                    message: "[[stream]] shows what [event] does, and the file has no [event]: add one, or leave the stream out".to_owned(),
                }),
                None => Ok(None),
            };
        };
        let fault = |at: usize, message: &str| Fault { line: line_of(text, at), message: message.to_owned() };
        let start = event.span().start;
        self.check_way_in("event").map_err(|message| fault(start, &message))?;
        let compiled = event.get_ref().compile().map_err(|(at, message)| fault(at.unwrap_or(start), &message))?;
        Ok(Some(Arc::new(compiled)))
    }

    /// Whether a table that is about events on their way in has what it needs.
    fn check_way_in(&self, table: &str) -> Result<(), String> {
        if self.sourcetypes.is_empty() {
            return Err(format!(
                "[{table}] is for the events of `sourcetypes`, and the file names none: write sourcetypes = [\"NAME\"] at its top, and give \
                 that name where the lines are collected"
            ));
        }
        if !(self.apps.is_empty() && self.hosts.is_empty() && self.sources.is_empty()) {
            return Err(format!(
                "[{table}] goes by `sourcetypes` alone, as lines are cut before more is known of them: put it into a file without `apps`, \
                 `hosts` and `sources`"
            ));
        }
        Ok(())
    }

    /// Where the time of its events is, where the file says it.
    fn time_rule(&self, text: &str) -> Result<Option<Arc<TimeRule>>, Fault> {
        let Some(time) = &self.time else { return Ok(None) };
        let fault = |(at, message): Wrong| Fault { line: line_of(text, at.unwrap_or(time.span().start)), message };
        self.check_way_in("time").map_err(|message| fault((None, message)))?;
        time.get_ref().compile().map(|rule| Some(Arc::new(rule))).map_err(fault)
    }

    /// Which lines are of the format, where the file says it.
    fn line_signs(&self, text: &str) -> Result<Option<Arc<LineSigns>>, Fault> {
        let Some(detect) = &self.detect else { return Ok(None) };
        let fault = |(at, message): Wrong| Fault { line: line_of(text, at.unwrap_or(detect.span().start)), message };
        self.check_way_in("detect").map_err(|message| fault((None, message)))?;
        let Some(sourcetype) = self.sourcetypes.iter().find(|name| !name.contains('*')) else {
            let message = "[detect] gives sources the first of `sourcetypes` that has no `*`, and there is none: write one".to_owned();
            return Err(fault((None, message)));
        };
        let signs = detect.get_ref().compile(sourcetype).map_err(fault)?;
        let is_one = |sample: &Spanned<Sample>| sample.get_ref().line.lines().next().is_some_and(|line| signs.is_line(line.as_bytes()));
        let shown = self.sample.iter().any(is_one)
            || self.stream.iter().any(|stream| stream.get_ref().text.lines().any(|line| signs.is_line(line.as_bytes())));
        if !shown {
            let message = "[detect] matches no line of a [[sample]] or [[stream]]: add one that it should match".to_owned();
            return Err(fault((None, message)));
        }
        Ok(Some(Arc::new(signs)))
    }

    fn calculated(&self, text: &str) -> Vec<Calculated> {
        let each = self.calculated.iter().map(|spanned| {
            let CalculatedText { field, eval } = spanned.get_ref();
            Calculated { field: field.clone(), expression: eval.clone(), line: line_of(text, spanned.span().start) }
        });
        each.collect()
    }

    fn lookups(&self, text: &str) -> Vec<AutoLookup> {
        let each = self.lookup.iter().map(|spanned| {
            let LookupText { table, keys, output, overwrite } = spanned.get_ref();
            AutoLookup {
                table: table.clone(),
                keys: keys.pairs(),
                output: output.pairs(),
                overwrite: *overwrite,
                line: line_of(text, spanned.span().start),
            }
        });
        each.collect()
    }
}

/// The line that a byte of a text is in.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Reads a file; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<File, Fault> {
    toml::from_str(text)
        .map_err(|error| Fault { line: error.span().map_or(0, |span| line_of(text, span.start)), message: error.message().to_owned() })
}

/// What a file says of the fields of events, made ready.
#[derive(Debug)]
pub struct FormatFile {
    /// Its name, without `.toml`.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// The sourcetypes that are meant; none: all.
    pub sourcetypes: Vec<String>,
    /// The programs that are meant; none: all.
    pub apps: Vec<String>,
    /// With these hosts, for what is computed and looked up; none: all.
    pub hosts: Vec<String>,
    /// With these sources, for what is computed and looked up; none: all.
    pub sources: Vec<String>,
    /// Fields that are computed, in this order.
    pub calculated: Vec<Calculated>,
    /// Lookups, done after that.
    pub lookups: Vec<AutoLookup>,
    /// How many samples it has.
    pub samples: usize,
    pub(super) like: Option<String>,
    pub(super) automatic: bool,
    pub(super) rules: Vec<FileRule>,
    /// How the lines of its events belong together, in a file of one's own that says it.
    pub(crate) event: Option<Arc<EventRule>>,
    /// Where the time of its events is, in a file of one's own that says it.
    pub(crate) time: Option<Arc<TimeRule>>,
    /// Which lines are of the format, in a file of one's own that says it.
    pub(crate) lines: Option<Arc<LineSigns>>,
    /// The names that the rules give.
    pub(super) names: Arc<BTreeSet<String>>,
    /// Whether rules may give other names, too.
    pub(super) is_open: bool,
    /// Other names, with those of the fields that they stand for.
    pub(super) aliases: Vec<(String, Vec<String>)>,
}

impl FormatFile {
    /// Reads a file and runs its samples; the faults say what is wrong and where.
    pub fn read(name: &str, text: &str) -> Result<Arc<Self>, Vec<Fault>> {
        let written = parse(text).map_err(|fault| vec![fault])?;
        let event = written.event_rule(text).map_err(|fault| vec![fault])?;
        let time = written.time_rule(text).map_err(|fault| vec![fault])?;
        let lines = written.line_signs(text).map_err(|fault| vec![fault])?;
        let this = Self { event, time, lines, ..Self::compile(name, text, &written, false).map_err(|fault| vec![fault])? };
        let this = Arc::new(this);
        let mut faults = super::samples::run(&this, text, &written);
        faults.extend(super::samples::run_streams(&this, text, &written));
        if faults.is_empty() { Ok(this) } else { Err(faults) }
    }

    pub(super) fn compile(name: &str, text: &str, written: &File, built_in: bool) -> Result<Self, Fault> {
        if written.rule.len() > FORMAT_RULES_MAX {
            return Err(Fault { line: 0, message: format!("it has {} rules, at most {FORMAT_RULES_MAX} are allowed", written.rule.len()) });
        }
        let mut rules = Vec::new();
        for rule in &written.rule {
            let fault = |message: String| Fault { line: line_of(text, rule.span().start), message };
            rules.extend(rule.get_ref().compile(written, built_in).map_err(fault)?);
        }
        if let Some(like) = &written.like
            && !matches!(like.get_ref().as_str(), "syslog" | "access_common" | "access_combined" | "json" | "text")
        {
            let message = format!("like = {:?}: write syslog, access_combined, access_common, json or text", like.get_ref());
            return Err(Fault { line: line_of(text, like.span().start), message });
        }
        let scoped = !written.hosts.is_empty() || !written.sources.is_empty();
        if scoped && !(rules.is_empty() && written.alias.is_empty()) {
            let message = "`hosts` and `sources` are for files with [[calculated]] and [[lookup]] alone; rules and aliases go by `sourcetypes` and `apps`";
            return Err(Fault { line: 0, message: message.to_owned() });
        }
        let (calculated, lookups) = (written.calculated(text), written.lookups(text));
        if let Some(empty) = lookups.iter().find(|lookup| lookup.keys.is_empty() || lookup.output.is_empty()) {
            return Err(Fault { line: empty.line, message: "a lookup needs a column to `match` and one for its `output`".to_owned() });
        }
        let names = rules.iter().flat_map(|rule| rule.names.iter().cloned()).collect();
        let aliases = written.alias.iter().map(|(new, old)| (new.clone(), old.all().to_vec()));
        Ok(Self {
            name: name.to_owned(),
            summary: written.summary.clone(),
            sourcetypes: written.sourcetypes.clone(),
            apps: written.apps.clone(),
            hosts: written.hosts.clone(),
            sources: written.sources.clone(),
            calculated,
            lookups,
            samples: written.sample.len() + written.stream.len(),
            like: written.like.as_ref().map(|like| like.get_ref().clone()),
            automatic: written.automatic,
            is_open: rules.iter().any(|rule| rule.keys.as_ref().is_some_and(|keys| keys.is_open())),
            rules,
            event: None,
            time: None,
            lines: None,
            names: Arc::new(names),
            aliases: aliases.collect(),
        })
    }

    /// Whether events of a sourcetype are meant.
    pub(super) fn is_for(&self, sourcetype: &str) -> bool {
        self.sourcetypes.is_empty() || self.sourcetypes.iter().any(|wanted| wildcard(wanted, sourcetype))
    }
}

/// Whether a text matches one with `*`.
pub(crate) fn wildcard(wanted: &str, text: &str) -> bool {
    let Some((first, rest)) = wanted.split_once('*') else { return wanted == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut rest = rest;
    while let Some((part, more)) = rest.split_once('*') {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
        rest = more;
    }
    left.ends_with(rest)
}

impl RuleText {
    /// The rule, once for each way in which it is written; the error says what is wrong with it.
    fn compile(&self, file: &File, built_in: bool) -> Result<Vec<FileRule>, String> {
        self.check()?;
        let hows = self.hows(built_in)?;
        let keys = self.keys()?.map(Arc::new);
        let set = Arc::new(self.constants(file)?);
        let mut clean = Vec::new();
        for (name, how) in self.clean.iter().chain(&file.clean) {
            let found = cleaner(how).ok_or_else(|| format!("clean = {how:?} is not known; there are {CLEANERS}"))?;
            clean.push((name.clone(), found));
        }
        let clean = Arc::new(clean);
        let rule = |how: How| {
            let mut names: BTreeSet<String> = set.iter().map(|(name, _)| name.clone()).collect();
            match &how {
                How::Match(rule) => names.extend(rule.names().map(str::to_owned)),
                How::Regex { expression, .. } => names.extend(expression.names().filter(|name| *name != "_").map(str::to_owned)),
                How::When(when) => {
                    names.extend(when.copy.iter().map(|(name, _)| name).chain(when.map.iter().map(|(name, ..)| name)).cloned())
                }
                How::Message => {}
            }
            if let Some(Keys::Columns(columns)) = keys.as_deref() {
                names.extend(columns.names().map(str::to_owned));
            }
            let first = matches!(how, How::Match(_)) || (self.kind.is_some() && matches!(how, How::Regex { .. }));
            FileRule {
                how,
                first,
                sourcetypes: self.sourcetypes.clone(),
                set: set.clone(),
                clean: clean.clone(),
                keys: keys.clone(),
                names: Arc::new(names),
            }
        };
        Ok(hows.into_iter().map(rule).collect())
    }

    fn check(&self) -> Result<(), String> {
        let keys = self.keys.as_deref();
        if keys != Some("pairs") && (self.equals.is_some() || self.between.is_some()) {
            return Err("`equals` and `between` go with keys = \"pairs\"".to_owned());
        }
        if keys != Some("columns") && (!self.names.is_empty() || self.delimiter.is_some() || !self.comment.is_empty()) {
            return Err("`names`, `delimiter` and `comment` go with keys = \"columns\"".to_owned());
        }
        if self.whole && self.regex.is_none() {
            return Err("`whole` goes with `regex`".to_owned());
        }
        if self.quoted && self.regex.is_none() {
            return Err("`quoted` goes with `regex`".to_owned());
        }
        if self.when.is_empty() && !(self.copy.is_empty() && self.map.is_empty()) {
            return Err("`copy` and `map` go with `when`".to_owned());
        }
        let bare = self.text.is_none() && self.regex.is_none() && self.when.is_empty();
        if bare && !(self.set.is_empty() && self.kind.is_none()) {
            return Err("`set` and `type` go with `match`, `regex` or `when`".to_owned());
        }
        Ok(())
    }

    fn hows(&self, built_in: bool) -> Result<Vec<How>, String> {
        match (&self.text, &self.regex, self.when.is_empty()) {
            (Some(texts), None, true) => texts.all().iter().map(|text| Rule::checked(text).map(How::Match)).collect(),
            (None, Some(texts), true) => {
                let compile = if built_in { Expression::deferred } else { Expression::new };
                let seeing = |expression: Expression| if self.quoted { expression.seeing_quoted() } else { expression };
                let each =
                    texts.all().iter().map(|text| Ok(How::Regex { expression: Arc::new(seeing(compile(text)?)), whole: self.whole }));
                each.collect()
            }
            (None, None, false) if self.keys.is_none() => {
                let lists = |of: &BTreeMap<String, OneOrMore>| of.iter().map(|(name, all)| (name.clone(), all.all().to_vec())).collect();
                let table =
                    |values: &BTreeMap<String, String>| values.iter().map(|(from, to)| (from.clone(), Arc::from(to.as_str()))).collect();
                let map = self.map.iter().map(|(name, meanings)| (name.clone(), meanings.of.clone(), Arc::new(table(&meanings.values))));
                Ok(vec![How::When(When { conditions: lists(&self.when), copy: lists(&self.copy), map: map.collect() })])
            }
            (None, None, true) if self.keys.is_some() => Ok(vec![How::Message]),
            _ => Err("a rule has one of `match`, `regex`, `when` and `keys`; `keys` may go with the first two".to_owned()),
        }
    }

    /// The fields with a fixed value: of the rule, of its type, and of the file.
    fn constants(&self, file: &File) -> Result<Vec<(String, Arc<str>)>, String> {
        let mut set: BTreeMap<&str, &str> = BTreeMap::new();
        if let Some(kind) = &self.kind {
            let kind = model().kind(kind)?;
            set.extend(file.set.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            set.insert("tag", &kind.name);
            if kind.name == "authentication" {
                // One, where the event does not say another number.
                set.insert("attempts", "1");
            }
            let mapped = self.map.iter().flat_map(|(name, meanings)| meanings.values.values().map(move |value| (name, value)));
            for (name, value) in self.set.iter().chain(mapped).chain(&file.set) {
                kind.allows(name, value)?;
            }
        }
        set.extend(self.set.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(set.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), Arc::from(value))).collect())
    }

    fn keys(&self) -> Result<Option<Keys>, String> {
        Ok(Some(match self.keys.as_deref() {
            None => return Ok(None),
            Some("json") => Keys::Json,
            Some("xml") => Keys::Xml,
            Some("labels") => Keys::Labels,
            Some("pairs") => {
                let (equals, between) = (self.equals.as_deref().unwrap_or("="), self.between.as_deref().unwrap_or(","));
                if equals.is_empty() || between.is_empty() || equals.bytes().any(|byte| between.as_bytes().contains(&byte)) {
                    return Err("`equals` and `between` need a character each, and none in common".to_owned());
                }
                Keys::Pairs(Box::new(Pairs::new(equals.as_bytes(), between.as_bytes())))
            }
            Some("columns") => {
                let delimiter = self.delimiter.as_deref().unwrap_or(",");
                let &[delimiter] = delimiter.as_bytes() else {
                    return Err(format!("delimiter = {delimiter:?} is not one character of ASCII"));
                };
                if self.names.is_empty() || self.names.len() > FORMAT_COLUMNS_MAX {
                    return Err(format!("keys = \"columns\" needs `names`, from one to {FORMAT_COLUMNS_MAX} of them"));
                }
                Keys::Columns(Box::new(Columns::new(self.names.clone(), delimiter, &self.comment)))
            }
            Some(other) => return Err(format!("keys = {other:?} is not known; write pairs, labels, json, xml or columns")),
        }))
    }
}
