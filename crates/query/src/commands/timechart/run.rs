//! Runs a timechart: counts by the store where that is all, else an aggregation over spans and series.

use super::Timechart;
use super::span::{Floor, auto_span, bounds, buckets, known_range, search_range, too_many};
use crate::columns::{Cell, Values, nanos_of_seconds, time_type, to_numbers};
use crate::commands::bin::floor_times;
use crate::commands::eval::with_field;
use crate::commands::series::{Axis, Kept, Pivot, SERIES, Splitter};
use crate::commands::{Planner, blocking, column_index};
use crate::exec::aggregate::{MOMENT, aggregate_unsorted};
use crate::exec::{Flow, HIDDEN, Make, Step, Transform, hold, transform};
use crate::functions::{Argument, Call, Method};
use crate::language::{QueryError, TimeSpan};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use rustc_hash::FxHashSet;
use std::sync::Arc;
use taffrail_base::limits::TIME_BUCKETS_MAX;
use taffrail_event::Timestamp;
use taffrail_store::scan::Spans;

/// Runs the aggregation and makes the table.
pub async fn run(chart: Timechart, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
    let mut counted = None;
    let range = match (chart.span, known_range(&planner)) {
        // The range comes with the counts.
        (Some(span), None) if chart.align.is_none() => match direct(&chart, span, &planner).await? {
            Some((counts, width)) => {
                let range = counts.keys().next().zip(counts.keys().last()).map(|(first, last)| range_of(*first, *last, width, &planner));
                counted = Some(counts);
                range
            }
            None => search_range(&planner).await?,
        },
        (_, Some(known)) => Some(known),
        (_, None) => search_range(&planner).await?,
    };
    let (input, (start, end)) = match range {
        Some(range) => (input, range),
        None if counted.is_some() => return Ok(empty(&chart)),
        // The base search has no events, or there is none: what rows there are were made by commands.
        None => match range_of_rows(input, &planner).await? {
            Some(found) => found,
            None => return Ok(empty(&chart)),
        },
    };
    let span = chart.span.unwrap_or_else(|| auto_span(start, end, chart.bins, chart.min_span));
    let align = match &chart.align {
        Some(align) => align.settle(&planner).await?,
        None => None,
    };
    let floor = Floor::new(span, planner.eval.tz.clone()).aligned(align);
    let edges = buckets(floor.clone(), start, end)?;
    let spans = &edges[..edges.len() - 1];
    let shown = Shown { bounds: bounds(&planner), span, edges: &edges };
    if counted.is_none() && floor.is_plain() {
        counted = direct(&chart, span, &planner).await?.map(|(counts, _)| counts);
    }
    if let Some(counts) = counted {
        let count = |from: &i64| Some(counts.get(&from.div_euclid(edges[1] - edges[0])).map_or(0, |count| *count as i64));
        let column: ArrayRef = Arc::new(spans.iter().map(count).collect::<Int64Array>());
        return shown.table(&chart, vec![(Field::new(&chart.calls[0].name, DataType::Int64, true), column)], None);
    }
    let mut groups = vec!["_time".to_owned()];
    groups.extend(chart.series.split.as_ref().map(|_| SERIES.to_owned()));
    let counts = if floor.is_plain() { split_counts(&chart, span, &planner).await? } else { None };
    let run = |kept: Kept| match &counts {
        Some(counts) => recounted(prepare(&chart, counts.clone(), &floor, kept), &groups, &chart.calls[0], &planner),
        None => aggregate_unsorted(prepare(&chart, input.clone(), &floor, kept), &groups, &chart.calls, &planner),
    };
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(spans.to_vec()).with_timezone("UTC"));
    let mut pivot = Pivot::new(&chart.series, &chart.calls, run, |_| Axis::of(&times), &planner).await?;
    let width = pivot.columns.len() / chart.calls.len();
    for (at, (field, column)) in pivot.columns.iter_mut().enumerate() {
        if let Method::PerSpan(seconds) = chart.calls[at / width.max(1)].function.method {
            let widths = edges.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9);
            let numbers = to_numbers(column)?;
            *column = Arc::new(numbers.iter().zip(widths).map(|(n, width)| n.map(|n| n * seconds / width)).collect::<Float64Array>());
            *field = Field::new(field.name(), DataType::Float64, true);
        }
    }
    shown.table(&chart, pivot.columns, Some(&pivot.filled))
}

/// The range of the rows themselves, as far as the search does not say it, and the rows again.
async fn range_of_rows(input: Flow, planner: &Planner) -> Result<Option<(Flow, (Timestamp, Timestamp))>, QueryError> {
    let Some(at) = column_index(&input.schema(), "_time") else { return Ok(None) };
    let mut seen: Option<(i64, i64)> = None;
    let input = hold(input, &planner.context, |batch| {
        let values = Values::of(batch.column(at))?;
        for row in 0..batch.num_rows() {
            values.each(row, |cell| {
                let time = match cell {
                    Cell::Time(nanos) => Some(nanos),
                    other => other.number().and_then(nanos_of_seconds),
                };
                if let Some(time) = time {
                    seen = Some(seen.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
                }
            });
        }
        Ok(())
    })
    .await?;
    let (start, end) = bounds(planner);
    // The end is exclusive, the last row is not.
    let range = |(first, last): (i64, i64)| (start.unwrap_or(Timestamp(first)), end.unwrap_or(Timestamp(last.saturating_add(1))));
    Ok(seen.map(|seen| (input, range(seen))).filter(|(_, (start, end))| start < end))
}

/// Counts by the store itself, where nothing else is asked, and the width of the spans.
async fn direct(chart: &Timechart, span: TimeSpan, planner: &Planner) -> Result<Option<(Spans, i64)>, QueryError> {
    let ([only], None, Some(direct)) = (&chart.calls[..], &chart.series.split, &planner.direct) else { return Ok(None) };
    let Some(span_nanos) = span.fixed_nanos(&planner.eval.tz) else { return Ok(None) };
    let plain = only.function.name == "count" && only.argument == Argument::Rows;
    if !plain || !chart.continuous || !chart.fixed_range || !direct.has_times() {
        return Ok(None);
    }
    let direct = direct.clone();
    match blocking(move || direct.spans(span_nanos, TIME_BUCKETS_MAX)).await? {
        Some(counts) => Ok(Some((counts, span_nanos))),
        None => Err(too_many(span)),
    }
}

/// The column with how many events a row stands for.
const EVENTS: &str = "\u{1}events";

/// The events counted by the store, a row for each span and value of the split, where nothing else is asked.
async fn split_counts(chart: &Timechart, span: TimeSpan, planner: &Planner) -> Result<Option<Flow>, QueryError> {
    let ([only], Some(split), Some(direct)) = (&chart.calls[..], &chart.series.split, planner.direct.clone()) else { return Ok(None) };
    let Some(width) = span.fixed_nanos(&planner.eval.tz) else { return Ok(None) };
    if only.function.name != "count" || only.argument != Argument::Rows || !direct.has_times() {
        return Ok(None);
    }
    let asked = vec![split.clone()];
    let counted = blocking(move || {
        let Some(summed) = direct.sums_by(Some(width), &asked, &[], &[])? else { return Ok(None) };
        Ok(direct.spans(width, TIME_BUCKETS_MAX)?.map(|all| (summed, all)))
    });
    let Some((summed, mut all)) = counted.await? else { return Ok(None) };
    let (mut times, mut values, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for (cells, sums) in summed {
        let Ok(number) = cells[0].parse::<i64>() else { return Ok(None) };
        times.push(number.saturating_mul(width));
        values.push(cells.into_iter().nth(1));
        events.push(sums.rows as i64);
        if let Some(rest) = all.get_mut(&number) {
            *rest = rest.saturating_sub(sums.rows);
        }
    }
    // What is left has no value to be split by.
    for (number, rest) in all.into_iter().filter(|(_, rest)| *rest > 0) {
        times.push(number.saturating_mul(width));
        values.push(None);
        events.push(rest as i64);
    }
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("_time", time_type(), true),
        Field::new(split, DataType::Utf8, true),
        Field::new(EVENTS, DataType::Int64, true),
    ]));
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"));
    let columns: Vec<ArrayRef> = vec![times, Arc::new(StringArray::from(values)), Arc::new(Int64Array::from(events))];
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    Ok(Some(Flow { ordered: false, ..Flow::of_batches(schema, vec![batch], false) }))
}

/// Counts of events from rows that stand for many.
fn recounted(input: Flow, groups: &[String], count: &Call, planner: &Planner) -> Result<Flow, QueryError> {
    let sum = Call::of_field("sum", EVENTS, &count.name)?;
    let flow = aggregate_unsorted(input, groups, &[sum], planner)?;
    let given = flow.schema();
    let fields = given.fields().iter().map(|field| match *field.name() == count.name {
        true => Field::new(&count.name, DataType::Int64, true),
        false => field.as_ref().clone(),
    });
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let made = schema.clone();
    let work = transform(move |batch: RecordBatch| {
        let columns = batch.columns().iter().zip(made.fields()).map(|(column, field)| cast(column, field.data_type()));
        Ok(RecordBatch::try_new(made.clone(), columns.collect::<Result<Vec<_>, _>>()?)?)
    });
    Ok(flow.map("counts", schema, work))
}

/// The range of a chart that has events in the spans `first` to `last`, as far as the search does not say it.
fn range_of(first: i64, last: i64, span_nanos: i64, planner: &Planner) -> (Timestamp, Timestamp) {
    let (start, end) = bounds(planner);
    let first = Timestamp(first.saturating_mul(span_nanos));
    let after = Timestamp(last.saturating_add(1).saturating_mul(span_nanos));
    (start.unwrap_or(first), end.unwrap_or(after))
}

fn empty(chart: &Timechart) -> Flow {
    let mut fields = vec![Field::new("_time", time_type(), true)];
    if chart.series.split.is_none() {
        fields.extend(chart.calls.iter().map(|call| call.function.output(&call.name, &DataType::Float64)));
    }
    Flow::of_batches(Arc::new(Schema::new(fields)), Vec::new(), true)
}

/// The rows with `_time` at the start of its span and, where split, the series each belongs to.
fn prepare(chart: &Timechart, input: Flow, floor: &Floor, kept: Kept) -> Flow {
    let splitter = Splitter::new(&chart.series, &input.schema(), kept);
    // The moment itself may be asked for beside the span: `timechart latest(x)`.
    let mut schema = input.schema();
    if let Some(splitter) = &splitter {
        schema = with_field(&schema, splitter.field());
    }
    schema = with_field(&schema, Field::new(MOMENT, time_type(), true));
    schema = with_field(&schema, Field::new("_time", time_type(), true));
    let (made, floor) = (schema.clone(), floor.clone());
    let make: Make = Arc::new(move |_| Ok(Box::new(Prepare { floor: floor.clone(), splitter: splitter.clone(), schema: made.clone() })));
    input.map("spans", schema, make)
}

struct Prepare {
    floor: Floor,
    splitter: Option<Splitter>,
    schema: SchemaRef,
}

impl Transform for Prepare {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let Some(at) = column_index(&batch.schema(), "_time") else { return Ok(Step::Rows(RecordBatch::new_empty(self.schema.clone()))) };
        let time = batch.column(at).clone();
        let floored = floor_times(&time, &mut self.floor)?;
        let mut columns = batch.columns().to_vec();
        columns[at] = floored;
        if let Some(splitter) = &self.splitter {
            columns.push(splitter.column(&batch)?);
        }
        columns.push(match time.data_type() {
            DataType::Timestamp(..) => time,
            // Epoch seconds after an `eval`: spans of a microsecond are as exact as such a number is.
            _ => {
                let nanos = to_numbers(&time)?.iter().map(|seconds| seconds.and_then(crate::columns::nanos_of_seconds)).collect::<Vec<_>>();
                Arc::new(TimestampNanosecondArray::from(nanos).with_timezone("UTC"))
            }
        });
        Ok(Step::Rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

/// The spans of a chart, and the bounds that the search has.
struct Shown<'a> {
    bounds: (Option<Timestamp>, Option<Timestamp>),
    span: TimeSpan,
    edges: &'a [i64],
}

impl Shown<'_> {
    /// Adds `_time` and `_span`, and leaves out the spans that the options leave out.
    fn table(&self, chart: &Timechart, cells: Vec<(Field, ArrayRef)>, filled: Option<&FxHashSet<u32>>) -> Result<Flow, QueryError> {
        let count = self.edges.len() - 1;
        let has = |at: &usize| filled.is_none_or(|filled| filled.contains(&(*at as u32)));
        let first = (0..count).find(has).unwrap_or(0);
        let last = (0..count).rev().find(has).unwrap_or(0);
        let (from, to) = self.bounds;
        let whole =
            |at: usize| from.is_none_or(|from| self.edges[at] >= from.nanos()) && to.is_none_or(|to| self.edges[at + 1] <= to.nanos());
        let shown = |at: &usize| {
            (chart.fixed_range || (first..=last).contains(at)) && (chart.continuous || has(at)) && (chart.partial || whole(*at))
        };
        let kept: UInt32Array = (0..count).filter(shown).map(|at| Some(at as u32)).collect();
        let mut fields = vec![Field::new("_time", time_type(), true)];
        let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(self.edges[..count].to_vec()).with_timezone("UTC"));
        let mut columns = vec![take(&times, &kept, None)?];
        for (field, column) in cells {
            // A series may be called as the time column is; it then keeps its name with a mark.
            let name = if matches!(field.name().as_str(), "_time" | "_span") {
                format!("{} (series)", field.name())
            } else {
                field.name().clone()
            };
            fields.push(field.with_name(name));
            columns.push(take(&column, &kept, None)?);
        }
        fields.push(Field::new("_span", DataType::Float64, true));
        columns.push(Arc::new(Float64Array::from(vec![self.span.seconds(); kept.len()])));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        debug_assert!(schema.fields().iter().all(|field| !field.name().starts_with(HIDDEN)));
        Ok(Flow::of_batches(schema, vec![batch], true))
    }
}
