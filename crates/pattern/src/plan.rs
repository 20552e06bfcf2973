//! How a field is found in the events of a pattern: decided once, when the pattern is met.

use crate::{Held, Pattern};
use std::fmt;
use std::sync::Arc;

/// Part of a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanPiece {
    /// Constant text.
    Text(String),
    /// The value of a slot, by its number.
    Slot(usize),
}

/// A function of the bytes of an event or of a value; `None` means the field is missing.
pub type FieldFunction = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// Where the value of a field is.
#[derive(Clone)]
pub enum FieldPlan {
    /// Events of this pattern do not have the field.
    Absent,
    /// Every event of this pattern has this value.
    Constant(Arc<str>),
    /// The pieces put together; only their columns are read.
    Pieces(Vec<PlanPiece>),
    /// A function of the pieces put together (severity from a priority, an unescaped JSON string).
    Computed(Vec<PlanPiece>, FieldFunction),
    /// A function of the whole event: what cannot be decided on the pattern. The slow way.
    PerEvent(FieldFunction, Signs),
}

/// A plan, or the plans of all fields, decided with one value of each slot; it holds where the others pass tests.
#[derive(Clone, Debug)]
pub struct Guarded<P = FieldPlan> {
    /// The plan.
    pub plan: P,
    /// What the values have to pass.
    pub guards: Arc<[Guard]>,
}

/// A test of the values of a slot. It tells for each value by itself whether it is read as the sample was.
#[derive(Clone)]
pub struct Guard {
    /// The number of the slot.
    pub slot: usize,
    /// The test.
    pub test: SlotTest,
}

/// Whether the value of a slot passes.
pub type SlotTest = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.slot)
    }
}

/// Texts of ASCII letters and digits or backslashes of which an event that has a field holds at least one, in this case:
/// events without are not asked. `None` where nothing can be said.
pub type Signs = Option<Arc<[String]>>;

impl fmt::Debug for FieldPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Constant(value) => write!(f, "Constant({value:?})"),
            Self::Pieces(pieces) => write!(f, "Pieces({pieces:?})"),
            Self::Computed(pieces, _) => write!(f, "Computed({pieces:?})"),
            Self::PerEvent(_, signs) => write!(f, "PerEvent({signs:?})"),
        }
    }
}

/// Knows the fields of patterns. The formats implement it; the scan asks it once per pattern and field, and again where the
/// slots hold something else. `held` says what they hold, one for each slot; of those that it has none for, nothing is known.
pub trait FieldResolver: Send + Sync {
    /// Where `field` is in the events of `pattern` that have this sourcetype.
    fn resolve(&self, sourcetype: &str, pattern: &Pattern, held: &[Held], field: &str) -> FieldPlan;

    /// The same with samples of what the slots hold, where [`FieldResolver::resolve`] has to ask each event.
    fn guarded(&self, _sourcetype: &str, _pattern: &Pattern, _held: &[Held], _field: &str) -> Option<Guarded> {
        None
    }

    /// All fields of the pattern with their plans, in the order they stand in the event; not those of which
    /// [`FieldResolver::fields_vary`] speaks.
    fn fields(&self, _sourcetype: &str, _pattern: &Pattern, _held: &[Held]) -> Vec<(String, FieldPlan)> {
        Vec::new()
    }

    /// Whether events of the pattern may have fields that [`FieldResolver::fields`] cannot list, because their names
    /// depend on what stands in the slots.
    fn fields_vary(&self, _sourcetype: &str, _pattern: &Pattern, _held: &[Held]) -> bool {
        false
    }

    /// The same with samples of what the slots hold, where the names hang on it.
    fn fields_guarded(&self, _sourcetype: &str, _pattern: &Pattern, _held: &[Held]) -> Option<Guarded<Vec<(String, FieldPlan)>>> {
        None
    }

    /// All fields of one event, for events whose fields vary within their pattern.
    fn fields_of_event(&self, _sourcetype: &str, _raw: &[u8]) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Knows no fields: for who asks for none.
#[derive(Clone, Copy, Debug)]
pub struct NoFields;

impl FieldResolver for NoFields {
    fn resolve(&self, _: &str, _: &Pattern, _: &[Held], _: &str) -> FieldPlan {
        FieldPlan::Absent
    }
}
