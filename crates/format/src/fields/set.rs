//! Format files together: which of their rules are tried on an event, and which fields they need for others.

use super::collector::Collector;
use super::file::FormatFile;
use super::index::{Candidates, Index};
use super::rules::{FileRule, How};
use crate::tape::{Laid, Span, Tape, Unit};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Rules that are followed through a pattern though their texts do not stand in it, but may be in slots.
const HIDDEN_MAX: usize = 16;

/// The same where there are samples: each is followed in one way only then, but its guards are tests of every value.
const HIDDEN_SAMPLED_MAX: usize = 256;

/// For each field that rules tell by others: these others.
pub(super) type Helpers = FxHashMap<String, FxHashSet<String>>;

/// Format files, in the order in which they go.
#[derive(Debug)]
pub(super) struct FileSet {
    pub(super) files: Vec<Arc<FormatFile>>,
    /// The number of the first rule of each file, and the file of each rule.
    bases: Vec<usize>,
    owners: Vec<usize>,
    /// The rules that go by the text.
    texts: Index,
    /// The rules that go by fields.
    fields: Index,
}

/// The event that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) sourcetype: &'a str,
    pub(super) app: Option<Span>,
    pub(super) message: Span,
}

/// The fields that rules of files need to tell others, directly or by way of others that they tell.
pub(super) fn helpers<'a>(files: impl Iterator<Item = &'a Arc<FormatFile>>) -> Helpers {
    let mut helpers = Helpers::default();
    for rule in files.flat_map(|file| &file.rules) {
        let How::When(when) = &rule.how else { continue };
        for name in rule.names.iter() {
            helpers.entry(name.clone()).or_default().extend(when.needs().map(str::to_owned));
        }
    }
    loop {
        let more = |needed: &FxHashSet<String>| -> Vec<String> {
            let indirect = needed.iter().filter_map(|name| helpers.get(name)).flatten();
            indirect.filter(|name| !needed.contains(*name)).cloned().collect()
        };
        let missing: Vec<(String, Vec<String>)> =
            helpers.iter().map(|(name, needed)| (name.clone(), more(needed))).filter(|(_, more)| !more.is_empty()).collect();
        if missing.is_empty() {
            return helpers;
        }
        for (name, more) in missing {
            helpers.entry(name).or_default().extend(more);
        }
    }
}

impl FileSet {
    pub(super) fn new(files: Vec<Arc<FormatFile>>) -> Self {
        let mut base = 0;
        let begins = |file: &Arc<FormatFile>| {
            base += file.rules.len();
            base - file.rules.len()
        };
        let bases = files.iter().map(begins).collect();
        let rules = || files.iter().flat_map(|file| &file.rules);
        let told = rules().filter(|rule| !matches!(rule.how, How::When(_))).flat_map(|rule| rule.names.iter().cloned()).collect();
        let made = rules().flat_map(FileRule::made).cloned().collect();
        let (texts, fields) = (Index::new(rules().map(FileRule::signs)), Index::new(rules().map(|rule| rule.field_sign(&told, &made))));
        let owners = files.iter().enumerate().flat_map(|(number, file)| std::iter::repeat_n(number, file.rules.len())).collect();
        Self { bases, owners, texts, fields, files }
    }

    /// The rules that go by fields and may hold.
    pub(super) fn by_fields<T: Tape>(&self, tape: T, sourcetype: &str) -> Candidates {
        let mut candidates = Candidates::default();
        let all = Span::new(0, tape.len());
        let wanted = |rule: usize, _: &Laid| self.files[self.owners[rule]].is_for(sourcetype);
        tape.candidates(&self.fields, all, all, &wanted, &mut candidates);
        candidates
    }

    /// The rules that go by the text and may match.
    pub(super) fn by_text<T: Tape>(&self, tape: T, of: Subject<'_>) -> Candidates {
        let mut candidates = Candidates::default();
        let all = Span::new(0, tape.len());
        let meant: Vec<bool> =
            if tape.has_slot(all) { (0..self.files.len()).map(|file| self.is_for(file, tape, of)).collect() } else { Vec::new() };
        let wanted = |rule: usize, laid: &Laid| {
            let (file, rule) = self.rule(rule);
            meant[file] && rule.is_for(of.sourcetype) && rule.may_match(laid, of.message)
        };
        tape.candidates(&self.texts, all, of.message, &wanted, &mut candidates);
        candidates
    }

    /// Whether some of the rules may speak of events of a sourcetype.
    pub(super) fn has_any_for(&self, candidates: &Candidates, sourcetype: &str) -> bool {
        candidates.iter().any(|rule| self.files[self.owners[rule]].is_for(sourcetype))
    }

    /// The files of rules that speak of an event.
    pub(super) fn files_of<T: Tape>(&self, candidates: &Candidates, tape: T, of: Subject<'_>) -> Vec<usize> {
        let mut files: Vec<usize> = candidates.iter().map(|rule| self.owners[rule]).collect();
        files.dedup();
        files.retain(|file| self.is_for(*file, tape, of));
        files
    }

    /// Whether a file speaks of an event. Where the program stands in a slot, it may.
    fn is_for<T: Tape>(&self, file: usize, tape: T, of: Subject<'_>) -> bool {
        let file = &self.files[file];
        let of_app = || match of.app {
            None => file.is_for_app(None),
            Some(app) => tape.peek(app, |name| file.is_for_app(Some(name))).unwrap_or(true),
        };
        file.is_for(of.sourcetype) && of_app()
    }

    /// The file of a rule, and the rule.
    pub(super) fn rule(&self, number: usize) -> (usize, &FileRule) {
        let file = self.owners[number];
        (file, &self.files[file].rules[number - self.bases[file]])
    }

    /// The numbers of the rules of a file.
    fn rules(&self, file: usize) -> std::ops::Range<usize> {
        self.bases[file]..self.bases[file] + self.files[file].rules.len()
    }

    /// How many of the candidates are of a file.
    #[cfg(test)]
    pub(super) fn rules_of(&self, file: usize, candidates: &Candidates) -> usize {
        self.rules(file).filter(|rule| candidates.has(*rule)).count()
    }

    /// A rule, for people.
    #[cfg(test)]
    pub(super) fn shown(&self, number: usize) -> String {
        let (file, rule) = self.rule(number);
        let how = match &rule.how {
            How::Regex { expression, .. } => expression.text().to_owned(),
            how => format!("{how:?}"),
        };
        format!("{} {} {:.90}", self.files[file].name, number - self.bases[file], how)
    }

    fn is_hidden<T: Tape>(&self, file: usize, tape: T, of: Subject<'_>) -> bool {
        !self.files[file].apps.is_empty() && of.app.is_some_and(|app| tape.has_slot(app))
    }

    /// Extracts what the rules find in the text of an event.
    pub(super) fn extract<T: Tape>(&self, tape: T, of: Subject<'_>, out: &mut Collector<'_>) {
        if self.files.is_empty() {
            return;
        }
        let mut start = of.message.start;
        while tape.unit(start) == Unit::Byte(b' ') && start < of.message.end {
            start += 1;
        }
        start = behind_solaris_id(tape, start);
        let message = Span::new(start, of.message.end);
        let of = Subject { message, ..of };
        let candidates = self.by_text(tape, of);
        let files = self.files_of(&candidates, tape, of);
        // Where slots may hide the texts of many rules, each event is asked, which shows what it holds.
        let hidden = |file: &usize| self.rules(*file).filter(|rule| candidates.is_hidden(*rule)).count();
        let most = if tape.is_sampled() { HIDDEN_SAMPLED_MAX } else { HIDDEN_MAX };
        let too_many = files.iter().map(hidden).sum::<usize>() > most;
        for number in files {
            let file = &self.files[number];
            match self.is_hidden(number, tape, of) || (too_many && hidden(&number) > 0) {
                true if file.is_open => tape.undecided(),
                true => file.names.iter().for_each(|name| out.doubt(name)),
                false => file.extract_apart(tape, of, &candidates, self.bases[number], out),
            }
        }
    }

    /// What the fields mean that were found, by the rules that may hold.
    pub(super) fn mean<T: Tape>(&self, candidates: &Candidates, tape: T, of: Subject<'_>, out: &mut Collector<'_>) {
        for number in self.files_of(candidates, tape, of) {
            let hidden = self.is_hidden(number, tape, of);
            for (rule, at) in self.files[number].rules.iter().zip(self.bases[number]..) {
                if candidates.has(at) && rule.is_for(of.sourcetype) && out.wants_any(&rule.names) {
                    rule.mean(tape, of.message.start, hidden, out);
                }
            }
        }
    }
}

/// Behind the `[ID 800047 auth.info] ` that Solaris puts before a message.
fn behind_solaris_id<T: Tape>(tape: T, start: usize) -> usize {
    if !tape.starts(start, b"[ID ") {
        return start;
    }
    let behind = (start..tape.len().min(start + SOLARIS_ID_MAX)).find(|at| tape.unit(*at) == Unit::Byte(b']'));
    behind.filter(|end| tape.unit(end + 1) == Unit::Byte(b' ')).map_or(start, |end| end + 2)
}

/// Units of such an identifier: two words.
const SOLARIS_ID_MAX: usize = 48;
