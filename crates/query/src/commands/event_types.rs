//! The event types of rows: what `typer` and `tags` share.

use super::columns_set::{Maker, list_field, set};
use super::{Planner, Required, column_index};
use crate::columns::{Values, lists};
use crate::eval::Expr;
use crate::exec::Flow;
use crate::knowledge::{Knowledge, TypeSearch};
use crate::language::QueryError;
use arrow::array::{Array, RecordBatch};
use std::sync::Arc;

/// The event types that there are; unknown until they have been looked up.
#[derive(Clone, Debug, Default)]
pub struct Types(Option<Arc<Vec<TypeSearch>>>);

impl Types {
    /// Those that are defined.
    pub fn known(knowledge: &Knowledge) -> Result<Self, QueryError> {
        Ok(Self(Some(Arc::new(knowledge.type_searches()?))))
    }

    /// The fields that their searches look at, and `needed` without `field`, to which values are added.
    pub fn required(&self, needed: Required, field: &str) -> Required {
        let Some(types) = &self.0 else { return Required::all() };
        if !needed.contains(field) {
            return needed;
        }
        let needed = needed.with(types.iter().flat_map(|one| one.search.fields()));
        if types.iter().any(|one| one.search.has_terms()) { needed.with(["_raw"]) } else { needed }
    }

    /// Adds to `field` what each event type that a row matches gives; every value once, those of before first.
    pub fn add(
        &self,
        name: &'static str,
        field: &str,
        values: impl Fn(&TypeSearch) -> Vec<String>,
        input: Flow,
        planner: &Planner,
    ) -> Result<Flow, QueryError> {
        let schema = input.schema();
        let mut tests = Vec::new();
        for one in self.0.iter().flat_map(|types| types.iter()) {
            let values = values(one);
            if !values.is_empty() {
                tests.push((Expr::from_search(one.search.clone()).compile_predicate(&schema, &planner.eval)?, values));
            }
        }
        let before = column_index(&schema, field);
        let maker: Maker = Arc::new(move |batch: &RecordBatch| {
            let old = before.map(|at| Values::of(batch.column(at))).transpose()?;
            let mut rows: Vec<Vec<String>> =
                (0..batch.num_rows()).map(|row| old.as_ref().map(|old| old.list(row)).unwrap_or_default()).collect();
            for (test, values) in &tests {
                let matching = test.evaluate_predicate(batch);
                let found = rows.iter_mut().enumerate().filter(|(row, _)| matching.is_valid(*row) && matching.value(*row));
                for (_, found) in found {
                    values.iter().for_each(|value| {
                        if !found.contains(value) {
                            found.push(value.clone());
                        }
                    });
                }
            }
            Ok(lists(rows.iter().map(|values| Some(values.as_slice()))))
        });
        Ok(set(name, input, vec![(list_field(field), maker)]))
    }
}
