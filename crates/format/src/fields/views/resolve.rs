//! Where the names of other vocabularies are in the events of a pattern.

use super::{Meaning, Part, part};
use crate::fields::Formats;
use crate::tape::Laid;
use std::sync::Arc;
use taffrail_pattern::{FieldPlan, Guarded, Held, Pattern};

/// Where a name is, in events that have no field of that name; `resolve` knows where the model's are. `None`: it hangs on the
/// type of the event, which the pattern does not tell.
fn plan_of(parts: &[Part], mut resolve: impl FnMut(&str) -> FieldPlan) -> Option<FieldPlan> {
    let found = if parts.iter().all(|part| part.types.is_empty()) {
        part(parts, None)
    } else {
        match resolve("tag") {
            FieldPlan::Absent => part(parts, None),
            FieldPlan::Constant(tag) => part(parts, Some(&tag)),
            _ => return None,
        }
    };
    Some(match found.map(|part| &part.meaning) {
        None => FieldPlan::Absent,
        Some(Meaning::Value(value)) => FieldPlan::Constant(value.clone()),
        Some(Meaning::Field(name, change)) => change.clone().on(resolve(name)),
    })
}

/// The value of a name in one event that has no field of that name; `value` knows the values of the model's.
fn value_of(parts: &[Part], value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let tag = if parts.iter().all(|part| part.types.is_empty()) { None } else { value("tag") };
    match &part(parts, tag.as_deref())?.meaning {
        Meaning::Value(constant) => Some(constant.to_string()),
        Meaning::Field(name, change) => value(name).and_then(|value| change.apply(&value)),
    }
}

impl Formats {
    /// Where a field is by its name or an alias.
    pub(in crate::fields) fn resolve_named(&self, sourcetype: &str, pattern: &Pattern, held: &[Held], field: &str) -> FieldPlan {
        let plan = self.resolve_name(sourcetype, pattern, held, field);
        if self.aliases { self.or_aliases(sourcetype, (pattern, held), field, plan) } else { plan }
    }

    /// The same in one event.
    fn named_in_event(&self, sourcetype: &str, field: &str, raw: &[u8]) -> Option<String> {
        let mut names = std::iter::once(field).chain(self.other_names(sourcetype, field));
        names.find_map(|name| self.field_of_event(sourcetype, name, raw))
    }

    /// The plan of a name of another vocabulary, and where the events have no such field that of the model's field.
    pub(in crate::fields) fn or_view(
        &self,
        sourcetype: &str,
        of: (&Pattern, &[Held]),
        parts: &'static Arc<[Part]>,
        plan: FieldPlan,
    ) -> FieldPlan {
        let first = match plan {
            FieldPlan::Absent => None,
            FieldPlan::PerEvent(first, signs) => Some((first, signs)),
            // Its events have the field; one of them may leave it empty all the same.
            found => return found,
        };
        let second = plan_of(parts, |name| self.resolve_named(sourcetype, of.0, of.1, name));
        match (first, second) {
            (None, Some(plan)) => plan,
            (Some((first, signs)), Some(FieldPlan::Absent)) => FieldPlan::PerEvent(first, signs),
            (first, _) => {
                let (formats, sourcetype) = (self.clone(), sourcetype.to_owned());
                let second = move |raw: &[u8]| value_of(parts, |name| formats.named_in_event(&sourcetype, name, raw));
                FieldPlan::PerEvent(Arc::new(move |raw| first.as_ref().and_then(|(first, _)| first(raw)).or_else(|| second(raw))), None)
            }
        }
    }

    /// The same with samples of what the slots hold.
    pub(in crate::fields) fn view_guarded(
        &self,
        sourcetype: &str,
        of: (&Pattern, &[Held]),
        parts: &[Part],
        field: &str,
    ) -> Option<Guarded> {
        let (mut guards, mut aliased) = (Vec::new(), false);
        let mut resolve = |name: &str| {
            aliased |= self.other_names(sourcetype, name).next().is_some();
            let laid = Laid::new(of.0, of.1);
            let plan = self.resolve_laid(sourcetype, &laid, name);
            guards.extend(laid.into_guards());
            plan
        };
        let plan = match resolve(field) {
            FieldPlan::Absent => plan_of(parts, &mut resolve)?,
            found => found,
        };
        (!aliased && !matches!(plan, FieldPlan::PerEvent(..))).then(|| Guarded { plan, guards: guards.into() })
    }
}
