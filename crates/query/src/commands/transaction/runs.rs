//! Transactions of one field without conditions, of which nothing but times and counts is wanted: the store tells them from
//! its columns. Knows nothing of how they are found among rows.

use super::assign::tell_counts;
use super::{Lists, Transaction, assemble};
use crate::columns::list_type;
use crate::commands::column_index;
use crate::exec::Flow;
use crate::language::QueryError;
use crate::messages::Messages;
use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use std::cmp::Reverse;
use std::sync::Arc;
use taffrail_store::scan::{EventRun, RunRules, Runs};

/// The field, and when a transaction of it ends; `None` where rows of this schema have to be looked at.
pub fn asked(settings: &Transaction, given: &SchemaRef) -> Option<(String, RunRules)> {
    let [field] = &settings.fields[..] else { return None };
    let plain = !settings.has_conditions() && settings.max_open.is_none() && settings.max_open_events.is_none();
    let wanted = |name: &String| name == "_time" || (name == field && !field.starts_with('_'));
    let fits = plain && !settings.keep_orphans && settings.lists == Lists::None && given.fields().iter().all(|field| wanted(field.name()));
    // The field has to be the text of the events.
    let is_text = column_index(given, field).is_some_and(|at| *given.field(at).data_type() == DataType::Utf8);
    let rules = RunRules { pause: settings.max_pause, span: settings.max_span, most: settings.max_events };
    (fits && is_text).then(|| (field.clone(), rules))
}

/// The rows, newest first.
pub fn flow(settings: &Transaction, given: &SchemaRef, found: Runs, messages: &Messages) -> Result<Flow, QueryError> {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    tell_counts(settings, count(found.without), count(found.full), messages);
    let Runs { mut runs, values, .. } = found;
    // Of equal ones the one whose last event is the newer stays the first.
    runs.sort_by_key(|run| Reverse(run.oldest));
    let (schema, _) = assemble::schema(settings, given);
    let numbers = |of: &dyn Fn(&EventRun) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(runs.iter().map(of))) };
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        columns.push(match field.name().as_str() {
            "_time" => {
                let times = TimestampNanosecondArray::from_iter_values(runs.iter().map(|run| run.oldest));
                Arc::new(times.with_timezone("UTC"))
            }
            "duration" => {
                let length = |run: &EventRun| run.newest.saturating_sub(run.oldest) as f64 / 1e9;
                Arc::new(Float64Array::from_iter_values(runs.iter().map(length)))
            }
            "closed_txn" => numbers(&|run| i64::from(run.closed)),
            // Each event has the one field, and without its text counts as one line.
            "eventcount" | "field_match_sum" | "linecount" => numbers(&|run| run.events as i64),
            _ => {
                let DataType::List(item) = list_type() else { unreachable!("a list is a list") };
                let texts = StringArray::from_iter_values(runs.iter().map(|run| &values[run.value as usize]));
                Arc::new(ListArray::try_new(item, OffsetBuffer::from_repeated_length(1, runs.len()), Arc::new(texts), None)?)
            }
        });
    }
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    Ok(Flow::of_batches(schema, vec![batch], false))
}
