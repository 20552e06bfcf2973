//! Fields of events, decided once per pattern.

use taffrail_pattern::{FieldPlan, FieldResolver, Pattern};

/// The formats: knows where the fields are in the events of a pattern.
#[derive(Debug, Default)]
pub struct Formats {}

impl Formats {
    /// The built-in formats.
    pub fn new() -> Self {
        Self::default()
    }
}

impl FieldResolver for Formats {
    fn resolve(&self, _sourcetype: &str, _pattern: &Pattern, _field: &str) -> FieldPlan {
        FieldPlan::Absent
    }

    fn fields(&self, _sourcetype: &str, _pattern: &Pattern) -> Vec<(String, FieldPlan)> {
        Vec::new()
    }

    fn fields_of_event(&self, _sourcetype: &str, _raw: &[u8]) -> Vec<(String, String)> {
        Vec::new()
    }
}
