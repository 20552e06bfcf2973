//! Where extractors put what they find. The first value of a name stays.

use crate::tape::{Span, Tape};
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::EVENT_FIELDS_MAX;
use taffrail_pattern::FieldFunction;

/// How a field's value comes from its span.
#[derive(Clone)]
pub(super) enum Value {
    /// It is the text.
    Text,
    /// A function of the text; `None`: this event does not have the field.
    Map(fn(&[u8]) -> Option<String>),
    /// Always this; the span is empty.
    Constant(Arc<str>),
    /// What is made of the value of another field.
    Made(FieldFunction),
    /// What is made of two texts: this, and that of the field's own span. Of patterns only.
    Beside(Span, FieldFunction),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("Text"),
            Self::Map(_) => f.write_str("Map"),
            Self::Constant(value) => write!(f, "Constant({value:?})"),
            Self::Made(_) => f.write_str("Made"),
            Self::Beside(..) => f.write_str("Beside"),
        }
    }
}

impl Value {
    /// The value of the span's bytes.
    pub(super) fn of(&self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Text => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Map(map) => map(bytes),
            Self::Constant(value) => Some(value.to_string()),
            Self::Made(made) => made(bytes),
            Self::Beside(..) => None,
        }
    }

    /// The value with a function done to it.
    pub(super) fn then(self, clean: fn(&[u8]) -> Option<String>) -> Self {
        match self {
            Self::Text => Self::Map(clean),
            first => Self::Made(Arc::new(move |bytes| first.of(bytes).and_then(|text| clean(text.as_bytes())))),
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
    /// Whether a format says so, not only the event.
    pub meant: bool,
}

/// Collects all fields, or only one.
#[derive(Debug, Default)]
pub(super) struct Collector<'a> {
    wanted: Option<&'a str>,
    /// Fields beside the wanted one that have to be known to tell it.
    helpers: Option<&'a FxHashSet<String>>,
    /// Whether what is added is what the event says by itself.
    automatic: bool,
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

    /// Collects these fields, too; only the one wanted counts in the end.
    pub(super) fn help(&mut self, helpers: &'a FxHashSet<String>) {
        self.helpers = Some(helpers);
    }

    /// The one field that is wanted.
    pub(super) fn wanted(&self) -> Option<&'a str> {
        self.wanted
    }

    /// From now on what is added is what formats say.
    pub(super) fn of_formats(&mut self) {
        self.automatic = false;
    }

    /// From now on what is added is what the event says by itself.
    pub(super) fn automatic(&mut self) {
        self.automatic = true;
    }

    /// Whether from now on what is added is what the event says by itself; gives what it was.
    pub(super) fn automatic_if(&mut self, automatic: bool) -> bool {
        std::mem::replace(&mut self.automatic, automatic)
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_done(&self) -> bool {
        match self.wanted {
            None => self.found.len() >= EVENT_FIELDS_MAX,
            Some(wanted) => match self.helpers {
                // The program of the header stands until the rules have been asked.
                None => self.found.first().is_some_and(|found| found.meant || wanted != "app"),
                Some(_) => self.found.len() >= EVENT_FIELDS_MAX || self.find(wanted).is_some_and(|found| found.meant),
            },
        }
    }

    /// Whether a name is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.wanted.is_none_or(|wanted| wanted == name || self.helpers.is_some_and(|helpers| helpers.contains(name)))
    }

    /// Whether one of these names is wanted.
    pub(super) fn wants_any(&self, names: &BTreeSet<String>) -> bool {
        let Some(wanted) = self.wanted else { return true };
        match self.helpers {
            None => names.contains(wanted),
            // Of the names that a rule gives there are fewer than of those that help.
            Some(helpers) => names.iter().any(|name| name == wanted || helpers.contains(name)),
        }
    }

    /// A field that was found.
    pub(super) fn find(&self, name: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.name == name)
    }

    /// The one field that was wanted.
    pub(super) fn into_wanted(self) -> Option<Found> {
        let wanted = self.wanted;
        self.found.into_iter().find(|found| wanted.is_none_or(|wanted| found.name == wanted))
    }

    /// What was found, in order.
    pub(super) fn into_found(self) -> Vec<Found> {
        self.found
    }

    /// From now on this name is uncertain, and what the event says of it by itself.
    pub(super) fn doubt(&mut self, name: &str) {
        if self.wants(name) && !self.doubtful.contains(name) {
            self.doubtful.insert(name.to_owned());
            if let Some(found) = self.found.iter_mut().find(|found| found.name == name && !found.meant) {
                found.certain = false;
            }
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
        if !self.wants(name) || self.found.len() >= EVENT_FIELDS_MAX || !self.names.insert(name.to_owned()) {
            return;
        }
        let certain = !tape.is_undecided() && !self.is_doubtful(name);
        self.found.push(Found { name: name.to_owned(), span, value, certain, meant: !self.automatic });
    }

    /// Adds a field that goes before what the event says by itself.
    pub(super) fn mean<T: Tape>(&mut self, tape: T, name: &str, span: Span, value: Value) {
        let certain = !tape.is_undecided() && !self.is_doubtful(name);
        let wants = self.wants(name);
        match self.found.iter_mut().find(|found| found.name == name) {
            Some(found) if found.meant => {}
            Some(found) => *found = Found { name: name.to_owned(), span, value, certain, meant: true },
            None if wants => {
                self.names.insert(name.to_owned());
                self.found.push(Found { name: name.to_owned(), span, value, certain, meant: true });
            }
            None => {}
        }
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
