//! `mvcombine`: rows that differ in one field only become one row with its values.

use super::columns_set::list_field;
use super::eval::with_field;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Planned, Planner, column_index};
use crate::columns::{Values, lists};
use crate::exec::order::{Key, KeyKind, sort};
use crate::exec::{Flow, HIDDEN, Make, Step, Transform, transform};
use crate::language::{Args, QueryError};
use arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use std::fmt;
use std::sync::Arc;

/// What `mvcombine` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "mvcombine",
    aliases: &[],
    syntax: "mvcombine [delim=<text>] <field>",
    summary: "Makes one row of the rows that are alike in all fields but one, and keeps all values of that one.",
    examples: &["* | stats max(bytes) AS most BY host, user | fields - most | mvcombine user"],
    parse,
};

#[derive(Debug)]
struct MvCombine {
    field: String,
    delimiter: Option<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut combine = MvCombine { field: String::new(), delimiter: None };
    while !args.at_end() {
        if let Some(option) = args.option(&["delim"])? {
            combine.delimiter = Some(option.value.text);
        } else {
            let field = args.field("a field name")?;
            if !combine.field.is_empty() || field.is_wildcard() {
                return Err(QueryError::at(field.span, "mvcombine takes one field").with_hint("all other fields have to be alike"));
            }
            combine.field = field.name;
        }
    }
    if combine.field.is_empty() {
        return Err(args.error("expected a field name"));
    }
    Ok(Box::new(combine))
}

impl fmt::Display for MvCombine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mvcombine")?;
        if let Some(delimiter) = &self.delimiter {
            write!(f, " delim={}", quote(delimiter))?;
        }
        write!(f, " {}", quote_field(&self.field))
    }
}

const KEY: &str = "\u{1}alike";
const ROW: &str = "\u{1}first row";

impl Command for MvCombine {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let schema = input.schema();
        let Some(at) = column_index(&schema, &self.field) else { return Ok(input.into()) };
        let keyed = with_field(&with_field(&schema, Field::new(KEY, DataType::Utf8, true)), Field::new(ROW, DataType::Int64, true));
        let make: Make = {
            let keyed = keyed.clone();
            Arc::new(move |_| Ok(Box::new(AddKey { schema: keyed.clone(), at, row: 0 })))
        };
        let alike = sort(input.map("alike", keyed.clone(), make), &[Key { kind: KeyKind::Text, ..Key::ascending(KEY) }], None)?;
        let combined = with_field(&keyed, list_field(&self.field));
        let make: Make = {
            let combined = combined.clone();
            Arc::new(move |context| {
                let memory = MemoryConsumer::new("mvcombine").register(context.memory_pool());
                Ok(Box::new(Combine { schema: combined.clone(), at, open: None, memory }))
            })
        };
        let rows = sort(alike.map("mvcombine", combined.clone(), make), &[Key::ascending(ROW)], None)?;
        let shown: Vec<usize> = (0..schema.fields().len()).collect();
        let plain = Arc::new(combined.project(&shown)?);
        Ok(rows.map("drop keys", plain, transform(move |batch: RecordBatch| Ok(batch.project(&shown)?))).into())
    }
}

/// Adds what all fields but one hold, and the number of the row.
struct AddKey {
    schema: SchemaRef,
    at: usize,
    row: i64,
}

impl Transform for AddKey {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let schema = batch.schema();
        let compared = (0..schema.fields().len()).filter(|at| *at != self.at && is_compared(schema.field(*at)));
        let keys = row_keys(&batch, compared)?;
        let next = self.row + batch.num_rows() as i64;
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(keys));
        columns.push(Arc::new(Int64Array::from_iter_values(self.row..next)));
        self.row = next;
        Ok(Step::Rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

/// Whether the field counts where whole rows are compared: what the store numbers differs in all rows.
pub fn is_compared(field: &Field) -> bool {
    let name = field.name();
    let own = name.starts_with(HIDDEN) || matches!(name.as_str(), "_sequence" | "_indextime" | "_pattern");
    !own && *field.data_type() != DataType::Binary
}

/// What rows hold in these columns, as text that is equal where all values are.
pub fn row_keys(batch: &RecordBatch, columns: impl Iterator<Item = usize>) -> ExecResult<StringArray> {
    let values = columns.map(|at| Values::of(batch.column(at))).collect::<Result<Vec<_>, _>>()?;
    let key = |row: usize| {
        let mut key = String::new();
        for value in &values {
            value.each(row, |cell| {
                // The length before each value, so that no value can look like the end of another.
                let text = cell.text();
                key.push_str(&text.len().to_string());
                key.push(':');
                key.push_str(&text);
            });
            key.push(';');
        }
        key
    };
    Ok(StringArray::from_iter_values((0..batch.num_rows()).map(key)))
}

/// Puts rows with one key, which come one after the other, together.
struct Combine {
    schema: SchemaRef,
    at: usize,
    open: Option<Open>,
    memory: MemoryReservation,
}

/// The row that further ones may join: itself, its key and the values so far.
struct Open {
    row: RecordBatch,
    key: String,
    values: Vec<String>,
}

impl Combine {
    fn close(&mut self) -> ExecResult<Option<RecordBatch>> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let mut columns = open.row.columns().to_vec();
        columns[self.at] = lists(std::iter::once(Some(open.values.as_slice())));
        self.memory.free();
        Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

impl Transform for Combine {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let key_at = batch.num_columns() - 2;
        let keys = batch.column(key_at).as_any().downcast_ref::<StringArray>().expect("the key is text").clone();
        let values = Values::of(batch.column(self.at))?;
        let mut done = Vec::new();
        for row in 0..batch.num_rows() {
            let found = values.list(row);
            self.memory.try_grow(found.iter().map(|value| value.len() + 24).sum())?;
            match &mut self.open {
                Some(open) if open.key == keys.value(row) => open.values.extend(found),
                _ => {
                    done.extend(self.close()?);
                    self.open = Some(Open { row: batch.slice(row, 1), key: keys.value(row).to_owned(), values: found });
                }
            }
        }
        Ok(Step::Rows(concat_batches(&self.schema, &done)?))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        self.close()
    }
}
