//! Commands that make fields of what they find in a text: `extract`, `spath`, `xmlkv`, `fromjson`.
//!
//! Which fields there will be is known where what follows names its fields; else all rows are looked at first (see
//! [`hold`]), so that the columns are those that the rows have.

use super::columns_set::{is_list, list_field, text_field};
use super::eval::with_field;
use super::{Planned, Planner, column_index};
use crate::columns::{Values, lists};
use crate::exec::{Flow, Make, Step, Transform, hold};
use crate::language::QueryError;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::limits::SEARCH_COLUMNS_MAX;

/// Gives the fields found in a text, in order: name and value.
pub type Find = Arc<dyn Fn(&str, &mut dyn FnMut(&str, &str)) + Send + Sync>;

/// What becomes of a field that is already there, or is found twice in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// What is there stays, and of several the first counts.
    First,
    /// All values are kept, those of before first; the same one not twice.
    Added,
    /// What is found goes before what was there, and all values found are kept.
    Replaced,
}

/// Where fields are looked for, and how.
#[derive(Clone)]
pub struct FoundFields {
    /// The command.
    pub command: &'static str,
    /// The field with the text.
    pub input: String,
    /// Finds them.
    pub find: Find,
    /// What becomes of those that there are.
    pub twice: Twice,
}

impl FoundFields {
    /// The pipeline with the fields found.
    pub fn plan(self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let Some(source) = column_index(&schema, &self.input) else { return Ok(input.into()) };
        let needed = planner.needed.clone();
        // A number that is there only becomes text where something is found for it.
        let is_number = |name: &String| {
            column_index(&schema, name).is_some_and(|at| matches!(schema.field(at).data_type(), DataType::Float64 | DataType::Int64))
        };
        if !needed.is_open() && !needed.names.iter().any(is_number) {
            let names: Vec<(String, bool)> =
                needed.names.into_iter().filter(|name| may_be_set(&schema, name)).map(|name| (name, self.twice != Twice::First)).collect();
            return Ok(self.continued(input, source, names).into());
        }
        let (context, messages) = (planner.context.clone(), planner.messages.clone());
        Ok(Planned::Later(Box::pin(async move {
            let mut names: Vec<(String, bool)> = Vec::new();
            let mut places: FxHashMap<String, usize> = FxHashMap::default();
            let mut too_many = false;
            let look = |batch: &RecordBatch| {
                let values = Values::of(batch.column(source))?;
                for row in 0..batch.num_rows() {
                    let mut seen: FxHashMap<usize, usize> = FxHashMap::default();
                    let mut add = |name: &str, _: &str| {
                        let place = match places.get(name) {
                            Some(place) => *place,
                            None if !needed.contains(name) || !may_be_set(&schema, name) => return,
                            None if names.len() + schema.fields().len() >= SEARCH_COLUMNS_MAX => {
                                too_many = true;
                                return;
                            }
                            None => {
                                places.insert(name.to_owned(), names.len());
                                names.push((name.to_owned(), false));
                                names.len() - 1
                            }
                        };
                        let count = seen.entry(place).or_default();
                        *count += 1;
                        names[place].1 |= *count > 1;
                    };
                    values.each(row, |cell| (self.find)(&cell.text(), &mut add));
                }
                Ok(())
            };
            let held = hold(input, &context, look).await?;
            if too_many {
                messages.truncated(format!(
                    "{} found more fields than the {SEARCH_COLUMNS_MAX} that a result can show; name those that you want with `fields` or `table`",
                    self.command
                ));
            }
            for (name, many) in &mut names {
                *many = match self.twice {
                    Twice::First => false,
                    Twice::Added => *many || column_index(&schema, name).is_some(),
                    Twice::Replaced => *many,
                };
            }
            Ok(self.continued(held, source, names))
        })))
    }

    /// The flow with these fields; of each whether it may have many values.
    fn continued(self, input: Flow, source: usize, names: Vec<(String, bool)>) -> Flow {
        if names.is_empty() {
            return input;
        }
        let before = input.schema();
        let mut schema = before.clone();
        let mut targets = Vec::new();
        for (name, many) in names {
            let old = column_index(&before, &name).map(|at| before.field(at));
            let many = many || old.is_some_and(is_list);
            let number = old.is_some_and(|old| matches!(old.data_type(), DataType::Float64 | DataType::Int64));
            schema = with_field(&schema, if many { list_field(&name) } else { text_field(&name, number) });
            targets.push((name, many));
        }
        let places = targets.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        let label = self.command;
        let work = Arc::new(Work { fields: self, source, targets, places, schema: schema.clone() });
        let make: Make = Arc::new(move |_| Ok(Box::new(InParts(work.clone()))));
        input.map(label, schema, make)
    }
}

/// Whether a text can give a field of this name: not the time of an event or what the store keeps of it.
fn may_be_set(schema: &SchemaRef, name: &str) -> bool {
    let own = |field: &Field| matches!(field.data_type(), DataType::Timestamp(..) | DataType::Binary);
    name != "_raw"
        && name != "_time"
        && !name.starts_with(crate::exec::HIDDEN)
        && !column_index(schema, name).is_some_and(|at| own(schema.field(at)))
}

/// Cells that are filled at once: with many fields, a batch is worked on in parts.
const CELLS_AT_ONCE: usize = 1 << 20;

struct InParts(Arc<Work>);

impl Transform for InParts {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let work = self.0.clone();
        let rows = (CELLS_AT_ONCE / work.targets.len().max(1)).max(1);
        let starts = (0..batch.num_rows()).step_by(rows);
        let part = move |from: usize| work.apply(&batch.slice(from, rows.min(batch.num_rows() - from)));
        Ok(Step::Parts(Box::new(starts.map(part))))
    }
}

struct Work {
    fields: FoundFields,
    source: usize,
    targets: Vec<(String, bool)>,
    places: FxHashMap<String, usize>,
    schema: SchemaRef,
}

impl Work {
    fn apply(&self, batch: &RecordBatch) -> ExecResult<RecordBatch> {
        let values = Values::of(batch.column(self.source))?;
        let rows = batch.num_rows();
        // The values of each field, row by row.
        let mut found: Vec<Vec<Vec<String>>> = vec![vec![Vec::new(); self.targets.len()]; rows];
        for (row, cells) in found.iter_mut().enumerate() {
            let mut add = |name: &str, value: &str| {
                if let Some(at) = self.places.get(name)
                    && (cells[*at].is_empty() || self.fields.twice != Twice::First)
                {
                    cells[*at].push(value.to_owned());
                }
            };
            values.each(row, |cell| (self.fields.find)(&cell.text(), &mut add));
        }
        let before = batch.schema();
        let mut columns = batch.columns().to_vec();
        for (target, (name, many)) in self.targets.iter().enumerate() {
            let at = column_index(&before, name);
            let old = at.map(|at| Values::of(batch.column(at))).transpose()?;
            let found = found.iter_mut().map(|cells| std::mem::take(&mut cells[target]));
            let column = self.column(found, *many, old.as_ref());
            match at {
                Some(at) => columns[at] = column,
                None => columns.push(column),
            }
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn column(&self, found: impl Iterator<Item = Vec<String>>, many: bool, old: Option<&Values>) -> ArrayRef {
        let merged = found.enumerate().map(|(row, found)| {
            let old = old.map(|old| old.list(row)).unwrap_or_default();
            match self.fields.twice {
                _ if old.is_empty() => found,
                _ if found.is_empty() => old,
                Twice::First => old,
                Twice::Replaced => found,
                Twice::Added => {
                    let mut all = old;
                    for value in found {
                        if !all.contains(&value) {
                            all.push(value);
                        }
                    }
                    all
                }
            }
        });
        if many {
            let rows: Vec<Vec<String>> = merged.collect();
            return lists(rows.iter().map(|values| Some(values.as_slice())));
        }
        Arc::new(merged.map(|values| values.into_iter().next()).collect::<StringArray>())
    }
}
