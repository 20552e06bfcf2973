//! Where extractors put what they find. The first value of a name stays.

use crate::tape::{Span, Tape};
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use taffrail_base::limits::EVENT_FIELDS_MAX;

/// How a field's value comes from its span.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// It is the text.
    Text,
    /// A function of the text; `None`: this event does not have the field.
    Map(fn(&[u8]) -> Option<String>),
    /// Always this; the span is empty.
    Constant(Arc<str>),
}

impl Value {
    /// The value of the span's bytes.
    pub(super) fn of(&self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Text => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Map(map) => map(bytes),
            Self::Constant(value) => Some(value.to_string()),
        }
    }
}

/// A field and where its value is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub name: String,
    pub span: Span,
    pub value: Value,
    /// Whether nothing before it depended on what a slot holds.
    pub certain: bool,
}

/// Collects all fields, or only one.
#[derive(Debug, Default)]
pub(super) struct Collector<'a> {
    wanted: Option<&'a str>,
    found: Vec<Found>,
    names: FxHashSet<String>,
    /// Names that something undecided might have given.
    doubtful: BTreeSet<String>,
}

impl<'a> Collector<'a> {
    /// Collects all fields.
    pub(super) fn all() -> Self {
        Self::default()
    }

    /// Collects one field.
    pub(super) fn only(name: &'a str) -> Self {
        Self { wanted: Some(name), ..Self::default() }
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_done(&self) -> bool {
        if self.wanted.is_some() { !self.found.is_empty() } else { self.found.len() >= EVENT_FIELDS_MAX }
    }

    /// Whether one of these names is wanted.
    pub(super) fn wants_any(&self, names: &BTreeSet<String>) -> bool {
        self.wanted.is_none_or(|wanted| names.contains(wanted))
    }

    /// What was found, in order.
    pub(super) fn into_found(self) -> Vec<Found> {
        self.found
    }

    /// From now on this name is uncertain.
    pub(super) fn doubt(&mut self, name: &str) {
        if self.wanted.is_none_or(|wanted| wanted == name) && !self.doubtful.contains(name) {
            self.doubtful.insert(name.to_owned());
        }
    }

    /// Whether the name is uncertain.
    pub(super) fn is_doubtful(&self, name: &str) -> bool {
        self.doubtful.contains(name)
    }

    /// The uncertain names.
    pub(super) fn doubtful_names(&self) -> Vec<String> {
        self.doubtful.iter().cloned().collect()
    }

    /// Adds a field.
    pub(super) fn add<T: Tape>(&mut self, tape: T, name: &str, span: Span, value: Value) {
        match self.wanted {
            Some(wanted) if wanted != name || !self.found.is_empty() => return,
            Some(_) => {}
            None => {
                if self.found.len() >= EVENT_FIELDS_MAX || !self.names.insert(name.to_owned()) {
                    return;
                }
            }
        }
        let certain = !tape.is_undecided() && !self.is_doubtful(name);
        self.found.push(Found { name: name.to_owned(), span, value, certain });
    }

    /// Adds a field whose value is the span's text.
    pub(super) fn text<T: Tape>(&mut self, tape: T, name: &str, span: Span) {
        self.add(tape, name, span, Value::Text);
    }

    /// Adds a field that is a function of the span's text.
    pub(super) fn map<T: Tape>(&mut self, tape: T, name: &str, span: Span, map: fn(&[u8]) -> Option<String>) {
        self.add(tape, name, span, Value::Map(map));
    }
}
