//! Makes the table of a timechart: a row for each span, a column for each series.

use super::Timechart;
use super::span::{Floor, auto_span, bounds, buckets, known_range, search_range, too_many};
use crate::columns::{Values, list_type, lists, time_type, to_numbers, to_text};
use crate::commands::bin::floor_times;
use crate::commands::eval::with_field;
use crate::commands::{Planner, blocking, column_index};
use crate::exec::aggregate::{MOMENT, aggregate_unsorted};
use crate::exec::{Flow, HIDDEN, Make, Step, Transform};
use crate::functions::{Argument, Call, Gives, Method};
use crate::language::{QueryError, TimeSpan};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::sync::Arc;
use taffrail_base::limits::{CHART_SERIES_MAX, TIME_BUCKETS_MAX};
use taffrail_event::Timestamp;
use taffrail_store::scan::Spans;

/// The column of series on the way; the field itself may have the name of an aggregate.
const SERIES: &str = "\u{1}series";

/// Runs the aggregation and makes the table.
pub async fn run(chart: Timechart, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
    let mut counted = None;
    let range = match (chart.span, known_range(&planner)) {
        // The range comes with the counts.
        (Some(span), None) => match direct(&chart, span, &planner).await? {
            Some((counts, width)) => {
                let range = counts.keys().next().zip(counts.keys().last()).map(|(first, last)| range_of(*first, *last, width, &planner));
                counted = Some(counts);
                range
            }
            None => search_range(&planner).await?,
        },
        (_, Some(known)) => Some(known),
        (None, None) => search_range(&planner).await?,
    };
    let Some((start, end)) = range else { return Ok(empty(&chart)) };
    let span = chart.span.unwrap_or_else(|| auto_span(start, end, chart.bins, chart.min_span));
    let edges = buckets(span, start, end, &planner.eval.tz)?;
    if counted.is_none() {
        counted = direct(&chart, span, &planner).await?.map(|(counts, _)| counts);
    }
    if let Some(counts) = counted {
        let count = |from: &i64| Some(counts.get(&from.div_euclid(edges[1] - edges[0])).map_or(0, |count| *count as i64));
        let column: ArrayRef = Arc::new(edges[..edges.len() - 1].iter().map(count).collect::<Int64Array>());
        let cells = vec![(Field::new(&chart.calls[0].name, DataType::Int64, true), column)];
        return finish(&chart, span, &edges[..edges.len() - 1], cells, None);
    }
    let groups = if chart.split.is_some() { vec!["_time".to_owned(), SERIES.to_owned()] } else { vec!["_time".to_owned()] };
    let grouped = |kept: Option<Arc<FxHashSet<String>>>| -> Result<Flow, QueryError> {
        aggregate_unsorted(prepare(&chart, input.clone(), span, kept, &planner), &groups, &chart.calls, &planner)
    };
    let mut flow = grouped(None)?;
    let mut rows = Rows::new(flow.schema(), flow.collect(planner.context.clone()).await?, chart.split.is_some())?;
    let (mut kept, rest) = choose(&chart, &rows, &planner)?;
    let mut summed = None;
    if !rest.is_empty() && chart.use_other {
        if chart.calls.iter().all(|call| call.function.additive) {
            summed = Some(rest);
        } else {
            // Averages and the like of OTHER are not to be had from those of its members: the rows are read again.
            flow = grouped(Some(Arc::new(kept.iter().cloned().chain([chart.null.clone()]).collect())))?;
            rows = Rows::new(flow.schema(), flow.collect(planner.context.clone()).await?, true)?;
        }
        kept.push(chart.other.clone());
    }
    if chart.use_null && rows.series.contains(&chart.null) && chart.split.is_some() {
        kept.push(chart.null.clone());
    }
    table(&chart, span, &edges, &rows, &kept, summed.as_ref())
}

/// Counts by the store itself, where nothing else is asked, and the width of the spans.
async fn direct(chart: &Timechart, span: TimeSpan, planner: &Planner) -> Result<Option<(Spans, i64)>, QueryError> {
    let ([only], None, Some(direct)) = (&chart.calls[..], &chart.split, &planner.direct) else { return Ok(None) };
    let Some(span_nanos) = span.fixed_nanos(&planner.eval.tz) else { return Ok(None) };
    let plain = only.function.name == "count" && only.argument == Argument::Rows;
    if !plain || !chart.continuous || !chart.fixed_range {
        return Ok(None);
    }
    let direct = direct.clone();
    match blocking(move || direct.spans(span_nanos, TIME_BUCKETS_MAX)).await? {
        Some(counts) => Ok(Some((counts, span_nanos))),
        None => Err(too_many(span)),
    }
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
    if chart.split.is_none() {
        fields.extend(chart.calls.iter().map(|call| call.function.output(&call.name, &DataType::Float64)));
    }
    Flow::of_batches(Arc::new(Schema::new(fields)), Vec::new(), true)
}

/// The rows with `_time` at the start of its span and, where split, the series each belongs to.
fn prepare(chart: &Timechart, input: Flow, span: TimeSpan, kept: Option<Arc<FxHashSet<String>>>, planner: &Planner) -> Flow {
    let source = input.schema();
    // The moment itself may be asked for beside the span: `timechart latest(x)`.
    let mut schema = source.clone();
    let split = chart.split.as_ref().map(|field| column_index(&source, field));
    let list = matches!(split, Some(Some(at)) if matches!(source.field(at).data_type(), DataType::List(_)));
    if split.is_some() {
        schema = with_field(&schema, Field::new(SERIES, if list { list_type() } else { DataType::Utf8 }, true));
    }
    schema = with_field(&schema, Field::new(MOMENT, time_type(), true));
    schema = with_field(&schema, Field::new("_time", time_type(), true));
    let made = schema.clone();
    let (tz, chart) = (planner.eval.tz.clone(), chart.clone());
    let make: Make = Arc::new(move |_| {
        Ok(Box::new(Prepare {
            floor: Floor::new(span, tz.clone()),
            split,
            list,
            null: chart.use_null.then(|| chart.null.clone()),
            other: chart.other.clone(),
            kept: kept.clone(),
            schema: made.clone(),
        }))
    });
    input.map("spans", schema, make)
}

struct Prepare {
    floor: Floor,
    split: Option<Option<usize>>,
    list: bool,
    null: Option<String>,
    other: String,
    kept: Option<Arc<FxHashSet<String>>>,
    schema: SchemaRef,
}

impl Prepare {
    fn series(&self, name: String) -> String {
        match &self.kept {
            Some(kept) if !kept.contains(&name) => self.other.clone(),
            _ => name,
        }
    }

    fn column(&self, batch: &RecordBatch, at: Option<usize>) -> ExecResult<ArrayRef> {
        let rows = batch.num_rows();
        let values = at.map(|at| Values::of(batch.column(at))).transpose()?;
        if self.list {
            let row = |row: usize| {
                let mut names = values.as_ref().map(|values| values.list(row)).unwrap_or_default();
                if names.is_empty() {
                    names.extend(self.null.clone());
                }
                names.into_iter().map(|name| self.series(name)).collect::<Vec<_>>()
            };
            let all: Vec<Vec<String>> = (0..rows).map(row).collect();
            return Ok(lists(all.iter().map(|names| Some(names.as_slice()))));
        }
        let name = |row| values.as_ref().and_then(|values| values.text(row)).or_else(|| self.null.clone());
        Ok(Arc::new((0..rows).map(|row| name(row).map(|name| self.series(name))).collect::<StringArray>()))
    }
}

impl Transform for Prepare {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let Some(at) = column_index(&batch.schema(), "_time") else { return Ok(Step::Rows(RecordBatch::new_empty(self.schema.clone()))) };
        let time = batch.column(at).clone();
        let floored = floor_times(&time, &mut self.floor)?;
        let mut columns = batch.columns().to_vec();
        columns[at] = floored;
        if let Some(split) = self.split {
            columns.push(self.column(&batch, split)?);
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

/// What the aggregation gave: where each span's and series' row is.
struct Rows {
    batch: RecordBatch,
    places: FxHashMap<(i64, String), u32>,
    series: BTreeSet<String>,
    groups: usize,
}

impl Rows {
    fn new(schema: SchemaRef, batches: Vec<RecordBatch>, split: bool) -> Result<Self, QueryError> {
        let batch = concat_batches(&schema, &batches)?;
        let groups = if split { 2 } else { 1 };
        let times = batch.column(0).as_any().downcast_ref::<TimestampNanosecondArray>().expect("spans are times");
        let names = if split { Some(to_text(batch.column(1))?) } else { None };
        let (mut places, mut series) = (FxHashMap::default(), BTreeSet::new());
        for row in 0..batch.num_rows() {
            let name = names.as_ref().map_or("", |names| names.value(row)).to_owned();
            series.insert(name.clone());
            places.insert((times.value(row), name), row as u32);
        }
        Ok(Self { batch, places, series, groups })
    }

    /// The values of a call for one series, one for each span.
    fn cells(&self, call: usize, series: &str, spans: &[i64]) -> Result<ArrayRef, QueryError> {
        let places = spans.iter().map(|span| self.places.get(&(*span, series.to_owned())).copied());
        Ok(take(self.batch.column(self.groups + call), &places.collect::<UInt32Array>(), None)?)
    }
}

/// The series that get a column, sorted, and the others.
fn choose(chart: &Timechart, rows: &Rows, planner: &Planner) -> Result<(Vec<String>, Vec<String>), QueryError> {
    if chart.split.is_none() {
        return Ok((vec![String::new()], Vec::new()));
    }
    let named: Vec<String> = rows.series.iter().filter(|name| !(chart.use_null && **name == chart.null)).cloned().collect();
    let limit = if chart.limit == 0 { CHART_SERIES_MAX } else { chart.limit.min(CHART_SERIES_MAX) };
    if named.len() <= limit {
        return Ok((named, Vec::new()));
    }
    if chart.limit == 0 || chart.limit > CHART_SERIES_MAX {
        planner.messages.truncated(format!("timechart shows {CHART_SERIES_MAX} of {} series as columns of their own", named.len()));
    }
    let numbers = to_numbers(rows.batch.column(rows.groups))?;
    let mut sums: FxHashMap<&str, f64> = FxHashMap::default();
    for ((_, name), row) in &rows.places {
        if numbers.is_valid(*row as usize) {
            *sums.entry(name.as_str()).or_insert(0.0) += numbers.value(*row as usize);
        }
    }
    let sum = |name: &String| sums.get(name.as_str()).copied().unwrap_or(0.0);
    let mut ranked = named;
    ranked.sort_by(|a, b| {
        let order = sum(b).total_cmp(&sum(a));
        (if chart.smallest { order.reverse() } else { order }).then_with(|| a.cmp(b))
    });
    let rest = ranked.split_off(limit);
    ranked.sort();
    Ok((ranked, rest))
}

/// Puts the columns together.
fn table(
    chart: &Timechart,
    span: TimeSpan,
    edges: &[i64],
    rows: &Rows,
    series: &[String],
    summed: Option<&Vec<String>>,
) -> Result<Flow, QueryError> {
    let spans = &edges[..edges.len() - 1];
    let schema = rows.batch.schema();
    let mut cells = Vec::new();
    for (at, call) in chart.calls.iter().enumerate() {
        for name in series {
            let field = schema.field(rows.groups + at);
            let mut column = match summed {
                Some(members) if *name == chart.other => sum_of(rows, at, members, spans, field.data_type())?,
                _ => rows.cells(at, name, spans)?,
            };
            if let Method::PerSpan(seconds) = call.function.method {
                let widths = edges.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9);
                let numbers = to_numbers(&column)?;
                column = Arc::new(numbers.iter().zip(widths).map(|(n, width)| n.map(|n| n * seconds / width)).collect::<Float64Array>());
            }
            if call.function.name == "count" && call.function.gives == Gives::Whole {
                let counts = cast(&column, &DataType::Int64)?;
                let counts = counts.as_any().downcast_ref::<Int64Array>().expect("just cast");
                column = Arc::new(counts.iter().map(|count| Some(count.unwrap_or(0))).collect::<Int64Array>());
            }
            let title = title(chart, call, name);
            cells.push((Field::new(title, column.data_type().clone(), true).with_metadata(field.metadata().clone()), column));
        }
    }
    let times: FxHashSet<i64> = rows.places.keys().map(|(span, _)| *span).collect();
    finish(chart, span, spans, cells, Some(&times))
}

/// The name of a column: the call, the series, or both.
fn title(chart: &Timechart, call: &Call, series: &str) -> String {
    match (&chart.split, chart.calls.len()) {
        (None, _) => call.name.clone(),
        (Some(_), 1) => series.to_owned(),
        (Some(_), _) => format!("{}: {series}", call.name),
    }
}

fn sum_of(rows: &Rows, call: usize, members: &[String], spans: &[i64], kind: &DataType) -> Result<ArrayRef, QueryError> {
    let numbers = to_numbers(rows.batch.column(rows.groups + call))?;
    let members: FxHashSet<&str> = members.iter().map(String::as_str).collect();
    let place_of: FxHashMap<i64, usize> = spans.iter().enumerate().map(|(at, span)| (*span, at)).collect();
    let mut found: Vec<(usize, usize)> = rows
        .places
        .iter()
        .filter(|((_, name), row)| members.contains(name.as_str()) && numbers.is_valid(**row as usize))
        .filter_map(|((span, _), row)| Some((*row as usize, *place_of.get(span)?)))
        .collect();
    // In the order of the rows, so that the same search gives the same last digit every time.
    found.sort_unstable();
    let mut sums: Vec<Option<f64>> = vec![None; spans.len()];
    for (row, place) in found {
        sums[place] = Some(sums[place].unwrap_or(0.0) + numbers.value(row));
    }
    Ok(cast(&(Arc::new(Float64Array::from(sums)) as ArrayRef), kind)?)
}

/// Adds `_time` and `_span`, and leaves out the spans that the options leave out.
fn finish(
    chart: &Timechart,
    span: TimeSpan,
    spans: &[i64],
    cells: Vec<(Field, ArrayRef)>,
    filled: Option<&FxHashSet<i64>>,
) -> Result<Flow, QueryError> {
    let has = |span: &i64| filled.is_none_or(|filled| filled.contains(span));
    let first = spans.iter().position(has).unwrap_or(0);
    let last = spans.iter().rposition(has).unwrap_or(0);
    let shown = |at: usize| (chart.fixed_range || (first..=last).contains(&at)) && (chart.continuous || has(&spans[at]));
    let kept: UInt32Array = (0..spans.len()).filter(|at| shown(*at)).map(|at| Some(at as u32)).collect();
    let mut fields = vec![Field::new("_time", time_type(), true)];
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(spans.to_vec()).with_timezone("UTC"));
    let mut columns = vec![take(&times, &kept, None)?];
    for (field, column) in cells {
        // A series may be called as the time column is; it then keeps its name with a mark.
        let name =
            if matches!(field.name().as_str(), "_time" | "_span") { format!("{} (series)", field.name()) } else { field.name().clone() };
        fields.push(field.with_name(name));
        columns.push(take(&column, &kept, None)?);
    }
    fields.push(Field::new("_span", DataType::Float64, true));
    columns.push(Arc::new(Float64Array::from(vec![span.seconds(); kept.len()])));
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    debug_assert!(schema.fields().iter().all(|field| !field.name().starts_with(HIDDEN)));
    Ok(Flow::of_batches(schema, vec![batch], true))
}
