//! Fields of events, decided once per pattern.
//!
//! The extractors below `fields/` are written over a tape, which is an event or a pattern. On a pattern they
//! give for each field the pieces that its value is made of; where that depends on what a slot holds, the
//! tape says so and the field is looked up in each event by the same extractor.
//!
//! Which extractors: by the sourcetype the syslog header or the access line; then of the rest a JSON object if
//! it begins as one, else the rules of `packs/core/formats` and `key=value` pairs. The first to find a name
//! has it.

mod access;
mod collector;
mod header;
mod json;
mod pairs;
mod rules;

pub(crate) use rules::built_in;

use crate::tape::{Laid, Span, Tape};
use collector::{Collector, Found, Value};
use rules::Rules;
use std::sync::Arc;
use taffrail_pattern::{FieldPlan, FieldResolver, Pattern, PlanPiece, Signs};

/// The formats: knows where the fields are in the events of a pattern. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Formats {
    rules: Arc<Rules>,
}

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
        Self { rules: Arc::new(Rules::built_in()) }
    }

    fn extract<T: Tape>(&self, shape: Shape, tape: T, out: &mut Collector<'_>) {
        let mut body = Span::new(0, tape.len());
        let mut app = None;
        match shape {
            Shape::Syslog => (body, app) = header::extract(tape, out),
            Shape::Access => body = access::extract(tape, out),
            Shape::Other => {}
        }
        if out.is_done() || json::extract(tape, body, out) {
            return;
        }
        self.rules.extract(tape, app, body, out);
        if !out.is_done() {
            pairs::extract(tape, body, out);
        }
    }

    fn per_event(&self, shape: Shape, field: &str) -> FieldPlan {
        let (formats, field) = (self.clone(), field.to_owned());
        let signs = self.signs(&field);
        FieldPlan::PerEvent(Arc::new(move |raw| formats.field_of_event(shape, &field, raw)), signs)
    }

    /// Where events name the field themselves: the longest run of letters and digits of its name, or an escape of JSON,
    /// behind which these can hide.
    fn signs(&self, field: &str) -> Signs {
        if header::NAMES.contains(&field) || access::NAMES.contains(&field) || self.rules.names().contains(field) {
            return None;
        }
        // What the name of a parameter of structured data begins with is not in the event.
        let name = field.strip_prefix("sd.").unwrap_or(field);
        let longest = name.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|run| run.len()).filter(|run| run.len() > 1)?;
        Some([longest.to_owned(), "\\u".to_owned()].into())
    }

    fn field_of_event(&self, shape: Shape, field: &str, raw: &[u8]) -> Option<String> {
        let mut out = Collector::only(field);
        self.extract(shape, raw, &mut out);
        out.into_found().pop().and_then(|found| found.value.of(&raw[found.span.range()]))
    }

    fn plan(&self, shape: Shape, laid: &Laid, found: &Found) -> FieldPlan {
        if !found.certain {
            return self.per_event(shape, &found.name);
        }
        if laid.slots_in(found.span).next().is_none() {
            let value = found.value.of(laid.bytes(found.span));
            return value.map_or(FieldPlan::Absent, |v| FieldPlan::Constant(v.into()));
        }
        let pieces = pieces(laid, found.span);
        match found.value {
            Value::Text => FieldPlan::Pieces(pieces),
            Value::Map(map) => FieldPlan::Computed(pieces, Arc::new(map)),
            Value::Constant(ref value) => FieldPlan::Constant(value.clone()),
        }
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
    fn resolve(&self, sourcetype: &str, pattern: &Pattern, field: &str) -> FieldPlan {
        let shape = Shape::of(sourcetype);
        if pattern.is_raw() {
            return self.per_event(shape, field);
        }
        let laid = Laid::new(pattern);
        let mut out = Collector::only(field);
        self.extract(shape, &laid, &mut out);
        let doubtful = (&laid).is_undecided() || out.is_doubtful(field);
        match out.into_found().pop() {
            Some(found) => self.plan(shape, &laid, &found),
            None if doubtful => self.per_event(shape, field),
            None => FieldPlan::Absent,
        }
    }

    fn fields(&self, sourcetype: &str, pattern: &Pattern) -> Vec<(String, FieldPlan)> {
        if pattern.is_raw() {
            return Vec::new();
        }
        let shape = Shape::of(sourcetype);
        let laid = Laid::new(pattern);
        let mut out = Collector::all();
        self.extract(shape, &laid, &mut out);
        let doubtful = out.doubtful_names();
        let mut fields: Vec<_> = out.into_found().into_iter().map(|f| (self.plan(shape, &laid, &f), f.name)).collect();
        for name in doubtful {
            if !fields.iter().any(|(_, known)| *known == name) {
                fields.push((self.per_event(shape, &name), name));
            }
        }
        fields.into_iter().filter(|(plan, _)| !matches!(plan, FieldPlan::Absent)).map(|(plan, name)| (name, plan)).collect()
    }

    fn fields_vary(&self, sourcetype: &str, pattern: &Pattern) -> bool {
        if pattern.is_raw() {
            return true;
        }
        let laid = Laid::new(pattern);
        self.extract(Shape::of(sourcetype), &laid, &mut Collector::all());
        (&laid).is_undecided()
    }

    fn fields_of_event(&self, sourcetype: &str, raw: &[u8]) -> Vec<(String, String)> {
        let mut out = Collector::all();
        self.extract(Shape::of(sourcetype), raw, &mut out);
        out.into_found().into_iter().filter_map(|f| f.value.of(&raw[f.span.range()]).map(|value| (f.name, value))).collect()
    }
}

#[cfg(test)]
mod tests;
