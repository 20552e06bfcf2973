//! Rows that are already there, as a source: for tests, and for whatever else has rows.

use super::{Opened, Part, Source, Wanted};
use crate::columns::{Values, nanos_of_seconds, time_type};
use crate::commands::column_index;
use crate::eval::{EvalContext, Expr};
use crate::exec::Flow;
use crate::language::{QueryError, SearchExpr};
use crate::messages::Messages;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::compute::{SortColumn, SortOptions, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use taffrail_event::Timestamp;
use taffrail_store::scan::ScanProgress;

/// Rows in memory; those with `_time` are given newest first, as by the store.
#[derive(Clone)]
pub struct GivenSource {
    batch: RecordBatch,
    context: EvalContext,
}

impl GivenSource {
    /// These rows.
    pub fn new(batch: RecordBatch, context: EvalContext) -> Self {
        Self { batch, context }
    }

    /// Rows from JSON objects; `_time` is epoch seconds or RFC 3339, arrays are fields with many values.
    pub fn of_json(objects: &[serde_json::Map<String, Value>], context: EvalContext) -> Result<Self, QueryError> {
        let batch = batch_of_json(objects, &context)?;
        Ok(Self::new(newest_first(batch)?, context))
    }
}

/// JSON objects as rows, in their order.
pub fn batch_of_json(objects: &[serde_json::Map<String, Value>], context: &EvalContext) -> Result<RecordBatch, QueryError> {
    let mut names: Vec<&String> = Vec::new();
    for name in objects.iter().flat_map(|object| object.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for name in names {
        let values: Vec<Option<&Value>> = objects.iter().map(|object| object.get(name).filter(|value| !value.is_null())).collect();
        let column: ArrayRef = if name == "_time" {
            let nanos = values.iter().map(|value| value.and_then(|value| time_of(value, context)));
            Arc::new(nanos.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
        } else if values.iter().flatten().any(|value| value.is_array()) {
            let lists: Vec<Option<Vec<String>>> = values.iter().map(|value| value.map(texts)).collect();
            crate::columns::lists(lists.iter().map(|list| list.as_deref()))
        } else {
            Arc::new(values.iter().map(|value| value.map(|value| texts(value).concat())).collect::<StringArray>())
        };
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(objects.len()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn time_of(value: &Value, context: &EvalContext) -> Option<i64> {
    match value {
        Value::Number(number) => nanos_of_seconds(number.as_f64()?),
        Value::String(text) => crate::language::resolve(text, context.now, &context.tz).ok().map(Timestamp::nanos),
        _ => None,
    }
}

fn newest_first(batch: RecordBatch) -> Result<RecordBatch, QueryError> {
    let Some(at) = column_index(&batch.schema(), "_time") else { return Ok(batch) };
    let later_first: ArrayRef = Arc::new(arrow::array::Int64Array::from_iter_values((0..batch.num_rows() as i64).rev()));
    let options = Some(SortOptions { descending: true, nulls_first: false });
    // Of events with one time, the one that arrived later comes first.
    let keys = [
        SortColumn { values: batch.column(at).clone(), options },
        SortColumn { values: later_first, options: Some(SortOptions { descending: false, nulls_first: false }) },
    ];
    Ok(take_record_batch(&batch, &lexsort_to_indices(&keys, None)?)?)
}

impl Source for GivenSource {
    fn parts(&self) -> Vec<Part> {
        let column = |name: &str| column_index(&self.batch.schema(), name).and_then(|at| Values::of(self.batch.column(at)).ok());
        let (indexes, times, raws) = (column("index"), column("_time"), column("_raw"));
        let mut parts: Vec<Part> = Vec::new();
        for row in 0..self.batch.num_rows() {
            let index = indexes.as_ref().and_then(|values| values.text(row)).unwrap_or_else(|| "main".to_owned());
            let mut time = Timestamp(0);
            if let Some(times) = &times {
                times.each(row, |cell| time = cell.number().and_then(nanos_of_seconds).map_or(time, Timestamp));
            }
            let at = parts.iter().position(|part| part.index == index).unwrap_or_else(|| {
                let empty = Part {
                    id: index.clone(),
                    index,
                    state: "hot",
                    earliest: time,
                    latest: time,
                    events: 0,
                    raw_bytes: 0,
                    stored_bytes: 0,
                    patterns: 0,
                };
                parts.push(empty);
                parts.len() - 1
            });
            let part = &mut parts[at];
            (part.earliest, part.latest) = (part.earliest.min(time), part.latest.max(time));
            part.events += 1;
            part.raw_bytes += raws.as_ref().and_then(|raws| raws.text(row)).map_or(0, |raw| raw.len() as u64);
        }
        parts
    }

    fn open(&self, wanted: Wanted, _: Messages) -> BoxFuture<'_, Result<Opened, QueryError>> {
        Box::pin(async move {
            if !wanted.filters.is_empty() {
                return Err(QueryError::new("only the store decides conditions of SQL"));
            }
            let mut batch = self.batch.clone();
            let schema = batch.schema();
            for search in std::iter::once(&wanted.search).chain(&wanted.more) {
                if *search != SearchExpr::All {
                    let compiled = Expr::from_search(search.clone()).compile_predicate(&schema, &self.context)?;
                    batch = filter_record_batch(&batch, &compiled.evaluate_predicate(&batch))?;
                }
            }
            if !wanted.regexes.is_empty() {
                let text = match column_index(&schema, "_raw") {
                    Some(at) => crate::columns::to_text(batch.column(at))?,
                    None => StringArray::new_null(batch.num_rows()),
                };
                let matches = |text: Option<&str>| text.map(|text| wanted.regexes.iter().all(|regex| regex.is_match(text)));
                let keep: BooleanArray = text.iter().map(matches).collect();
                batch = filter_record_batch(&batch, &keep)?;
            }
            let mut range: Option<(Timestamp, Timestamp)> = None;
            if let Some(at) = column_index(&schema, "_time")
                && *schema.field(at).data_type() == time_type()
                && let Values::Time(times) = Values::of(batch.column(at))?
            {
                let bounded = wanted.earliest > Timestamp::MIN || wanted.latest < Timestamp::MAX;
                let inside =
                    |time: i64| time >= wanted.earliest.nanos() && (time < wanted.latest.nanos() || wanted.latest == Timestamp::MAX);
                let keep: BooleanArray = times.iter().map(|time| Some(time.map_or(!bounded, inside))).collect();
                for time in times.iter().flatten().filter(|time| inside(*time)) {
                    let time = Timestamp(time);
                    range = Some(range.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
                }
                batch = filter_record_batch(&batch, &keep)?;
            }
            // Only what was asked for, so that tests show when a command asks for too little. Order as given.
            let kept: Vec<usize> = (0..schema.fields().len()).filter(|at| wanted.required.contains(schema.field(*at).name())).collect();
            let mut flow_batch = batch.project(&kept)?;
            for name in wanted.required.names.iter().filter(|name| column_index(&schema, name).is_none()) {
                let mut fields: Vec<Field> = flow_batch.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
                fields.push(Field::new(name, DataType::Utf8, true));
                let mut columns = flow_batch.columns().to_vec();
                columns.push(crate::columns::missing(flow_batch.num_rows()));
                flow_batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
            }
            let progress = ScanProgress::default();
            progress.events_scanned.store(self.batch.num_rows() as u64, std::sync::atomic::Ordering::Relaxed);
            progress.events_matched.store(flow_batch.num_rows() as u64, std::sync::atomic::Ordering::Relaxed);
            wanted.watched.set(Arc::new(progress));
            let schema = flow_batch.schema();
            // Two batches, so that nothing relies on seeing all rows at once.
            let middle = flow_batch.num_rows() / 2;
            let parts = vec![flow_batch.slice(0, middle), flow_batch.slice(middle, flow_batch.num_rows() - middle)];
            debug_assert_eq!(concat_batches(&schema, &parts)?.num_rows(), flow_batch.num_rows());
            Ok(Opened { flow: Flow::of_batches(schema, parts, false), data_range: Arc::new(move || Ok(range)), direct: None })
        })
    }
}
