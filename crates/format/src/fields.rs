//! Fields of events, decided once per pattern.
//!
//! The extractors below `fields/` are written over a tape, which is an event or a pattern. On a pattern they
//! give for each field the pieces that its value is made of; where that depends on what a slot holds, the
//! tape says so and the field is looked up in each event by the same extractor.
//!
//! Which extractors: by the sourcetype the syslog header or the access line; of the rest what the format files of
//! people say; then a JSON object if it begins as one (and the line inside of it, where a sender's line was made one), or XML, else the rules of `packs/core/formats` and `key=value`
//! pairs. The first to find a name has it. Aliases are other names for what was found; names of other vocabularies come last (`views`).

mod access;
mod builtin;
mod collector;
pub(crate) mod expression;
mod file;
mod header;
pub(crate) mod index;
mod inside;
mod json;
mod keys;
pub mod model;
mod pairs;
mod repeated;
mod rules;
mod samples;
mod set;
pub mod views;
mod when;
mod xml;

/// The names of fields that the header of syslog gives.
pub(crate) fn header_names() -> &'static [&'static str] {
    &header::NAMES
}

pub(crate) use file::wildcard;
pub use file::{AutoLookup, Calculated, Fault, FormatFile};

#[cfg(test)]
pub(crate) use builtin::built_in;
pub(crate) use builtin::built_in_events;

use crate::tape::{Laid, Span, Tape};
use collector::{Collector, Found, Value};
use index::Candidates;
use rules::How;
use set::{FileSet, Helpers, Subject};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use taffrail_pattern::{FieldPlan, FieldResolver, Guarded, Held, Pattern, PlanPiece, Signs};

/// The formats: knows where the fields are in the events of a pattern. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Formats {
    built_in: Arc<FileSet>,
    /// The files of people, which go first.
    own: Arc<FileSet>,
    /// The names of fields that may stand in an event without their names.
    unnamed: Arc<BTreeSet<String>>,
    /// What has to be known to tell a field.
    helpers: Arc<Helpers>,
    /// Whether an own file has aliases.
    aliases: bool,
}

/// The built-in formats, read once.
static BUILT_IN: LazyLock<Formats> = LazyLock::new(|| {
    let built_in = Arc::new(FileSet::new(builtin::built_in_fields()));
    Formats::of(built_in, Vec::new())
});

impl Default for Formats {
    fn default() -> Self {
        Self::new()
    }
}

/// What a sourcetype says about the structure of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Syslog,
    Access,
    Other,
}

impl Shape {
    fn of(sourcetype: &str) -> Self {
        match sourcetype {
            "syslog" => Self::Syslog,
            "access_common" | "access_combined" => Self::Access,
            _ => Self::Other,
        }
    }
}

impl Formats {
    /// The built-in formats.
    pub fn new() -> Self {
        BUILT_IN.clone()
    }

    /// These and the files of people.
    #[must_use]
    pub fn with(&self, files: impl IntoIterator<Item = Arc<FormatFile>>) -> Self {
        Self::of(self.built_in.clone(), files.into_iter().collect())
    }

    /// A file without those that are built in: what it finds by itself.
    pub(crate) fn alone(file: Arc<FormatFile>) -> Self {
        Self::of(Arc::new(FileSet::new(Vec::new())), vec![file])
    }

    fn of(built_in: Arc<FileSet>, own: Vec<Arc<FormatFile>>) -> Self {
        let all = || own.iter().chain(&built_in.files);
        Self {
            unnamed: Arc::new(all().flat_map(|file| file.names.iter().cloned()).collect()),
            helpers: Arc::new(set::helpers(all())),
            aliases: own.iter().any(|file| !file.aliases.is_empty()),
            own: Arc::new(FileSet::new(own)),
            built_in,
        }
    }

    /// The built-in files.
    pub fn built_in(&self) -> &[Arc<FormatFile>] {
        &self.built_in.files
    }

    fn own<'a>(&'a self, sourcetype: &'a str) -> impl Iterator<Item = &'a Arc<FormatFile>> {
        self.own.files.iter().filter(move |file| file.is_for(sourcetype))
    }

    fn shape(&self, sourcetype: &str) -> Shape {
        let like = self
            .own
            .files
            .iter()
            .filter(|file| !file.sourcetypes.is_empty() && file.is_for(sourcetype))
            .find_map(|file| file.like.as_deref());
        Shape::of(like.unwrap_or(sourcetype))
    }

    fn extract<'a, T: Tape>(&'a self, sourcetype: &str, tape: T, out: &mut Collector<'a>) {
        let meanings = self.meanings(sourcetype, tape, out);
        let of = self.subject(sourcetype, tape, out);
        self.extract_subject(tape, of, &meanings, out);
    }

    /// The rules that may say what fields mean, of people and built in; from now on what they need is collected, too.
    fn meanings<'a, T: Tape>(&'a self, sourcetype: &str, tape: T, out: &mut Collector<'a>) -> [Candidates; 2] {
        let (own, built_in) = (self.own.by_fields(tape, sourcetype), self.built_in.by_fields(tape, sourcetype));
        if (self.own.has_any_for(&own, sourcetype) || self.built_in.has_any_for(&built_in, sourcetype))
            && let Some(wanted) = out.wanted()
            && let Some(helpers) = self.helpers.get(wanted)
        {
            out.help(helpers);
        }
        [own, built_in]
    }

    /// What is to be looked at behind a header, whose fields are collected.
    fn subject<'s, T: Tape>(&self, sourcetype: &'s str, tape: T, out: &mut Collector<'_>) -> Subject<'s> {
        let (message, app) = match self.shape(sourcetype) {
            Shape::Syslog => header::extract(tape, out),
            Shape::Access => (access::extract(tape, out), None),
            Shape::Other => (Span::new(0, tape.len()), None),
        };
        Subject { sourcetype, app, message }
    }

    fn extract_subject<T: Tape>(&self, tape: T, of: Subject<'_>, [own, built_in]: &[Candidates; 2], out: &mut Collector<'_>) {
        let of = repeated::inside(tape, of, out);
        self.extract_text(tape, of, out);
        self.own.mean(own, tape, of, out);
        self.built_in.mean(built_in, tape, of, out);
    }

    /// What the text of the event says, behind its header.
    fn extract_text<T: Tape>(&self, tape: T, of: Subject<'_>, out: &mut Collector<'_>) {
        self.own.extract(tape, of, out);
        let automatic = self.own(of.sourcetype).all(|file| file.automatic || file.sourcetypes.is_empty());
        out.automatic();
        if !automatic || out.is_done() {
            return;
        }
        if json::extract(tape, of.message, out) {
            if !out.is_done() {
                self.extract_inside(tape, of, out);
            }
            return;
        }
        if xml::extract(tape, of.message, out) {
            return;
        }
        out.of_formats();
        // An access log has told already what it is.
        if self.shape(of.sourcetype) != Shape::Access {
            self.built_in.extract(tape, of, out);
        }
        if !out.is_done() {
            out.automatic();
            pairs::extract(tape, of.message, out);
        }
    }

    fn per_event(&self, sourcetype: &str, field: &str) -> FieldPlan {
        let (formats, sourcetype, field) = (self.clone(), sourcetype.to_owned(), field.to_owned());
        let signs = self.signs(&field);
        FieldPlan::PerEvent(Arc::new(move |raw| formats.field_of_event(&sourcetype, &field, raw)), signs)
    }

    /// Where events name the field themselves: the longest run of letters and digits of its name, or an escape of JSON,
    /// behind which these can hide. Where expressions name it, what they look for.
    fn signs(&self, field: &str) -> Signs {
        if header::NAMES.contains(&field) || access::NAMES.contains(&field) {
            return None;
        }
        let mut signs = Vec::new();
        if self.unnamed.contains(field) {
            for rule in self.built_in.files.iter().chain(self.own.files.iter()).flat_map(|file| &file.rules) {
                if rule.names.contains(field) {
                    match &rule.how {
                        How::Regex { expression, .. } if rule.keys.is_none() => signs.push(expression.sign()?.to_owned()),
                        _ => return None,
                    }
                }
            }
        }
        // What the name of a parameter of structured data begins with is not in the event.
        let name = field.strip_prefix("sd.").unwrap_or(field);
        let longest = name.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|run| run.len()).filter(|run| run.len() > 1)?;
        signs.extend([longest.to_owned(), "\\u".to_owned()]);
        Some(signs.into())
    }

    fn field_of_event(&self, sourcetype: &str, field: &str, raw: &[u8]) -> Option<String> {
        let mut out = Collector::only(field);
        self.extract(sourcetype, raw, &mut out);
        out.into_wanted().and_then(|found| found.value.of(&raw[found.span.range()]))
    }

    /// The names that a field may have instead, the first ones first.
    fn other_names<'a>(&'a self, sourcetype: &'a str, field: &'a str) -> impl Iterator<Item = &'a str> {
        let aliases = self.own(sourcetype).flat_map(|file| &file.aliases).filter(move |(new, _)| new == field);
        aliases.flat_map(|(_, old)| old).map(String::as_str)
    }

    /// Where a field is that has this name itself.
    fn resolve_name(&self, sourcetype: &str, pattern: &Pattern, held: &[Held], field: &str) -> FieldPlan {
        if pattern.is_raw() {
            return self.per_event(sourcetype, field);
        }
        self.resolve_laid(sourcetype, &Laid::new(pattern, held), field)
    }

    fn resolve_laid(&self, sourcetype: &str, laid: &Laid, field: &str) -> FieldPlan {
        let mut out = Collector::only(field);
        self.extract(sourcetype, laid, &mut out);
        let doubtful = laid.is_undecided() || out.is_doubtful(field);
        match out.into_wanted() {
            Some(found) => self.plan(sourcetype, laid, &found),
            None if doubtful => self.per_event(sourcetype, field),
            None => FieldPlan::Absent,
        }
    }

    /// The plan, and where the events have no such field the field of another name. An alias of an alias is none.
    fn or_aliases(&self, sourcetype: &str, (pattern, held): (&Pattern, &[Held]), field: &str, plan: FieldPlan) -> FieldPlan {
        let mut plan = plan;
        for old in self.other_names(sourcetype, field) {
            plan = match plan {
                FieldPlan::Absent => self.resolve_name(sourcetype, pattern, held, old),
                FieldPlan::PerEvent(first, signs) => match self.resolve_name(sourcetype, pattern, held, old) {
                    FieldPlan::Absent => FieldPlan::PerEvent(first, signs),
                    _ => {
                        let FieldPlan::PerEvent(second, more) = self.per_event(sourcetype, old) else { unreachable!("as made") };
                        let signs = signs.zip(more).map(|(signs, more)| signs.iter().chain(more.iter()).cloned().collect());
                        FieldPlan::PerEvent(Arc::new(move |raw| first(raw).or_else(|| second(raw))), signs)
                    }
                },
                // What is computed may be missing all the same; then so is the alias, as the name is taken.
                found => return found,
            };
        }
        plan
    }

    fn plan(&self, sourcetype: &str, laid: &Laid, found: &Found) -> FieldPlan {
        if !found.certain {
            return self.per_event(sourcetype, &found.name);
        }
        if let Value::Beside(other, made) = &found.value {
            let mut both = pieces(laid, *other);
            both.push(PlanPiece::Text(inside::BETWEEN.to_owned()));
            both.extend(pieces(laid, found.span));
            return FieldPlan::Computed(both, made.clone());
        }
        if laid.slots_in(found.span).next().is_none() {
            let value = found.value.of(laid.bytes(found.span));
            return value.map_or(FieldPlan::Absent, |v| FieldPlan::Constant(v.into()));
        }
        let pieces = pieces(laid, found.span);
        match found.value {
            Value::Text => FieldPlan::Pieces(pieces),
            Value::Map(map) => FieldPlan::Computed(pieces, Arc::new(map)),
            Value::Made(ref made) | Value::Beside(_, ref made) => FieldPlan::Computed(pieces, made.clone()),
            Value::Constant(ref value) => FieldPlan::Constant(value.clone()),
        }
    }

    /// All fields of a pattern that is laid.
    fn fields_laid(&self, sourcetype: &str, of: (&Pattern, &[Held]), laid: &Laid) -> Vec<(String, FieldPlan)> {
        let mut out = Collector::all();
        self.extract(sourcetype, laid, &mut out);
        let doubtful = out.doubtful_names();
        let mut fields: Vec<_> = out.into_found().into_iter().map(|f| (self.plan(sourcetype, laid, &f), f.name)).collect();
        for name in doubtful {
            if !fields.iter().any(|(_, known)| *known == name) {
                fields.push((self.per_event(sourcetype, &name), name));
            }
        }
        if self.aliases {
            for (plan, name) in &mut fields {
                *plan = self.or_aliases(sourcetype, of, name, plan.clone());
            }
            let mut new: Vec<&String> = self.own(sourcetype).flat_map(|file| &file.aliases).map(|(new, _)| new).collect();
            new.sort_unstable();
            new.dedup();
            for name in new {
                if !fields.iter().any(|(_, known)| known == name) {
                    fields.push((self.or_aliases(sourcetype, of, name, FieldPlan::Absent), name.clone()));
                }
            }
        }
        fields.into_iter().filter(|(plan, _)| !matches!(plan, FieldPlan::Absent)).map(|(plan, name)| (name, plan)).collect()
    }
}

fn pieces(laid: &Laid, span: Span) -> Vec<PlanPiece> {
    let mut pieces = Vec::new();
    let mut at = span.start;
    let text = |from: usize, to: usize, pieces: &mut Vec<PlanPiece>| {
        if from < to {
            pieces.push(PlanPiece::Text(String::from_utf8_lossy(laid.bytes(Span::new(from, to))).into_owned()));
        }
    };
    for (place, number) in laid.slots_in(span) {
        text(at, place, &mut pieces);
        pieces.push(PlanPiece::Slot(number));
        at = place + 1;
    }
    text(at, span.end, &mut pieces);
    pieces
}

impl FieldResolver for Formats {
    fn resolve(&self, sourcetype: &str, pattern: &Pattern, held: &[Held], field: &str) -> FieldPlan {
        let plan = self.resolve_named(sourcetype, pattern, held, field);
        match views::parts(field) {
            Some(parts) => self.or_view(sourcetype, (pattern, held), parts, plan),
            None => plan,
        }
    }

    fn guarded(&self, sourcetype: &str, pattern: &Pattern, held: &[Held], field: &str) -> Option<Guarded> {
        // The values of names that stand for others are told by several plans.
        if pattern.is_raw() || self.other_names(sourcetype, field).next().is_some() {
            return None;
        }
        if let Some(parts) = views::parts(field) {
            return self.view_guarded(sourcetype, (pattern, held), parts, field);
        }
        let laid = Laid::new(pattern, held);
        let plan = self.resolve_laid(sourcetype, &laid, field);
        (!matches!(plan, FieldPlan::PerEvent(..))).then(|| Guarded { plan, guards: laid.into_guards().into() })
    }

    fn fields(&self, sourcetype: &str, pattern: &Pattern, held: &[Held]) -> Vec<(String, FieldPlan)> {
        if pattern.is_raw() { Vec::new() } else { self.fields_laid(sourcetype, (pattern, held), &Laid::new(pattern, held)) }
    }

    fn fields_vary(&self, sourcetype: &str, pattern: &Pattern, held: &[Held]) -> bool {
        if pattern.is_raw() {
            return true;
        }
        let laid = Laid::new(pattern, held);
        self.extract(sourcetype, &laid, &mut Collector::all());
        (&laid).is_undecided()
    }

    fn fields_guarded(&self, sourcetype: &str, pattern: &Pattern, held: &[Held]) -> Option<Guarded<Vec<(String, FieldPlan)>>> {
        if pattern.is_raw() {
            return None;
        }
        let laid = Laid::new(pattern, held);
        let plan = self.fields_laid(sourcetype, (pattern, held), &laid);
        (!(&laid).is_undecided()).then(|| Guarded { plan, guards: laid.into_guards().into() })
    }

    fn fields_of_event(&self, sourcetype: &str, raw: &[u8]) -> Vec<(String, String)> {
        let mut out = Collector::all();
        self.extract(sourcetype, raw, &mut out);
        let found = out.into_found().into_iter().filter_map(|f| f.value.of(&raw[f.span.range()]).map(|value| (f.name, value)));
        let mut fields: Vec<(String, String)> = found.collect();
        if self.aliases {
            let of_files = fields.len();
            for (new, old) in self.own(sourcetype).flat_map(|file| &file.aliases) {
                if fields.iter().any(|(name, _)| name == new) {
                    continue;
                }
                let value = old.iter().find_map(|old| fields[..of_files].iter().find(|(name, _)| name == old));
                if let Some((_, value)) = value {
                    let field = (new.clone(), value.clone());
                    fields.push(field);
                }
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests;
