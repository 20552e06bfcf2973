//! The fields of a result: how many events have each, and its most frequent values.

use super::prepare;
use crate::columns::{Values, parse_number};
use crate::commands::Required;
use crate::commands::head::first_rows;
use crate::engine::Engine;
use crate::exec::HIDDEN;
use crate::language::QueryError;
use crate::source::Source;
use arrow::array::RecordBatch;
use futures::StreamExt;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use taffrail_base::limits::{SUMMARY_EVENTS_MAX, SUMMARY_VALUES_MAX};

/// Values named for each field.
const TOP_VALUES: usize = 10;

/// The fields of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldSummary {
    /// Events looked at: all, or the newest `SUMMARY_EVENTS_MAX`.
    pub events: u64,
    /// Whether these are all events of the result.
    pub complete: bool,
    /// The fields, those that most events have first.
    pub fields: Vec<FieldCounts>,
}

/// A field of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldCounts {
    /// Its name.
    pub name: String,
    /// `number` when all its values are, else `string`.
    pub kind: String,
    /// Events that have it.
    pub count: u64,
    /// Different values, as far as they were told apart.
    pub distinct: u64,
    /// The most frequent values.
    pub top: Vec<ValueCount>,
    /// The least number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The mean of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
}

/// A value and how many events have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCount {
    /// The value.
    pub value: String,
    /// Events that have it.
    pub count: u64,
}

#[derive(Default)]
struct Counter {
    events: u64,
    values: FxHashMap<String, u64>,
    numbers: u64,
    texts: u64,
    sum: f64,
    range: Option<(f64, f64)>,
}

impl Counter {
    fn add(&mut self, text: &str) {
        if let Some(count) = self.values.get_mut(text) {
            *count += 1;
        } else if self.values.len() < SUMMARY_VALUES_MAX {
            self.values.insert(text.to_owned(), 1);
        }
        match parse_number(text) {
            Some(number) if number.is_finite() => {
                self.numbers += 1;
                self.sum += number;
                let (low, high) = self.range.unwrap_or((number, number));
                self.range = Some((low.min(number), high.max(number)));
            }
            _ => self.texts += 1,
        }
    }

    fn finish(self, name: String) -> FieldCounts {
        let distinct = self.values.len() as u64;
        let mut top: Vec<ValueCount> = self.values.into_iter().map(|(value, count)| ValueCount { value, count }).collect();
        top.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        top.truncate(TOP_VALUES);
        let numeric = self.texts == 0 && self.numbers > 0;
        let range = self.range.filter(|_| numeric);
        FieldCounts {
            name,
            kind: if numeric { "number" } else { "string" }.to_owned(),
            count: self.events,
            distinct,
            top,
            min: range.map(|(low, _)| low),
            max: range.map(|(_, high)| high),
            mean: numeric.then(|| self.sum / self.numbers as f64),
        }
    }
}

/// Summarises the fields; internal ones are left out.
pub async fn fields(engine: &Engine, query: &str, earliest: Option<&str>, latest: Option<&str>) -> Result<FieldSummary, QueryError> {
    let mut prepared = prepare(engine, query, earliest, latest)?;
    let source: Arc<dyn Source> = Arc::new(engine.source());
    let needed = Required::all().without(["_raw", "_indextime", "_pattern", "_sequence", "_problems", "_time"]);
    let opened = prepared.open(&source, needed, Some(SUMMARY_EVENTS_MAX + 1)).await?;
    let flow = first_rows(prepared.plan(&opened).await?, SUMMARY_EVENTS_MAX + 1);
    let mut batches = flow.stream(prepared.planner.context.clone())?;
    let mut counters: Vec<(String, Counter)> = Vec::new();
    let (mut events, mut complete) = (0, true);
    while let Some(batch) = batches.next().await {
        let mut batch = batch?;
        let left = SUMMARY_EVENTS_MAX - events;
        if batch.num_rows() > left {
            (batch, complete) = (batch.slice(0, left), false);
        }
        events += batch.num_rows();
        count(&batch, &mut counters)?;
    }
    let mut fields: Vec<FieldCounts> =
        counters.into_iter().filter(|(_, counter)| counter.events > 0).map(|(name, counter)| counter.finish(name)).collect();
    fields.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    Ok(FieldSummary { events: events as u64, complete, fields })
}

fn count(batch: &RecordBatch, counters: &mut Vec<(String, Counter)>) -> Result<(), QueryError> {
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if field.name().starts_with('_') || field.name().starts_with(HIDDEN) {
            continue;
        }
        let at = counters.iter().position(|(name, _)| name == field.name()).unwrap_or_else(|| {
            counters.push((field.name().clone(), Counter::default()));
            counters.len() - 1
        });
        let counter = &mut counters[at].1;
        let values = Values::of(column)?;
        for row in 0..batch.num_rows() {
            let mut any = false;
            values.each(row, |cell| {
                any = true;
                counter.add(&cell.text());
            });
            counter.events += u64::from(any);
        }
    }
    Ok(())
}
