//! From a row for each place and series to a column for each series.

use super::{Series, Test};
use crate::columns::{Values, list_type, lists, to_numbers, to_text};
use crate::commands::{Planner, column_index};
use crate::exec::Flow;
use crate::exec::aggregate::group_key;
use crate::functions::{Call, Gives};
use crate::language::QueryError;
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::MemoryConsumer;
use futures::TryStreamExt;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use taffrail_base::limits::CHART_SERIES_MAX;

/// The column of series on the way; the field itself may have the name of an aggregate.
pub const SERIES: &str = "\u{1}series";

/// The series that keep their names; the rest is OTHER.
pub type Kept = Option<Arc<FxHashSet<String>>>;

/// Says which series each row belongs to.
#[derive(Clone)]
pub struct Splitter {
    at: Option<usize>,
    list: bool,
    null: Option<String>,
    other: String,
    kept: Kept,
}

impl Splitter {
    /// By the field of `series`, where there is one.
    pub fn new(series: &Series, schema: &SchemaRef, kept: Kept) -> Option<Self> {
        let at = column_index(schema, series.split.as_ref()?);
        let list = matches!(at, Some(at) if matches!(schema.field(at).data_type(), DataType::List(_)));
        let null = series.use_null.then(|| series.null.clone());
        Some(Self { at, list, null, other: series.other.clone(), kept })
    }

    /// The column that it adds.
    pub fn field(&self) -> Field {
        Field::new(SERIES, if self.list { list_type() } else { DataType::Utf8 }, true)
    }

    fn name(&self, name: String) -> String {
        match &self.kept {
            Some(kept) if !kept.contains(&name) => self.other.clone(),
            _ => name,
        }
    }

    /// The series of the rows of a batch.
    pub fn column(&self, batch: &RecordBatch) -> ExecResult<ArrayRef> {
        let rows = batch.num_rows();
        let values = self.at.map(|at| Values::of(batch.column(at))).transpose()?;
        if self.list {
            let row = |row: usize| {
                let mut names = values.as_ref().map(|values| values.list(row)).unwrap_or_default();
                if names.is_empty() {
                    names.extend(self.null.clone());
                }
                names.into_iter().map(|name| self.name(name)).collect::<Vec<_>>()
            };
            let all: Vec<Vec<String>> = (0..rows).map(row).collect();
            return Ok(lists(all.iter().map(|names| Some(names.as_slice()))));
        }
        let name = |row| values.as_ref().and_then(|values| values.text(row)).or_else(|| self.null.clone());
        Ok(Arc::new((0..rows).map(|row| name(row).map(|name| self.name(name))).collect::<StringArray>()))
    }
}

/// The rows of a chart.
#[derive(Debug)]
pub struct Axis {
    places: FxHashMap<String, u32>,
    rows: usize,
}

impl Axis {
    /// A row of each value of a column, in its order.
    pub fn of(column: &ArrayRef) -> Result<Self, QueryError> {
        let values = [Values::of(column)?];
        let places = (0..column.len()).filter_map(|row| Some((group_key(&values, row)?, row as u32))).collect();
        Ok(Self { places, rows: column.len() })
    }

    fn places(&self, column: &ArrayRef) -> Result<Vec<Option<u32>>, QueryError> {
        let values = [Values::of(column)?];
        Ok((0..column.len()).map(|row| self.places.get(&group_key(&values, row)?).copied()).collect())
    }
}

/// The columns of a chart.
pub struct Pivot {
    /// A column for each call and series.
    pub columns: Vec<(Field, ArrayRef)>,
    /// The rows in which there is anything.
    pub filled: FxHashSet<u32>,
}

/// What the aggregation gave: first the place, then the series, then a column for each call.
struct Cells {
    batch: RecordBatch,
    places: FxHashMap<(u32, String), u32>,
    names: BTreeSet<String>,
    groups: usize,
}

impl Cells {
    fn new(batch: RecordBatch, axis: &Axis, split: bool) -> Result<Self, QueryError> {
        let groups = if split { 2 } else { 1 };
        let names = if split { Some(to_text(batch.column(1))?) } else { None };
        let (mut places, mut all) = (FxHashMap::default(), BTreeSet::new());
        for (row, place) in axis.places(batch.column(0))?.into_iter().enumerate() {
            let name = names.as_ref().map_or("", |names| names.value(row)).to_owned();
            all.insert(name.clone());
            if let Some(place) = place {
                places.insert((place, name), row as u32);
            }
        }
        Ok(Self { batch, places, names: all, groups })
    }

    /// The values of a call for one series, one for each row of the chart.
    fn column(&self, call: usize, series: &str, axis: &Axis) -> Result<ArrayRef, QueryError> {
        let places = (0..axis.rows).map(|place| self.places.get(&(place as u32, series.to_owned())).copied());
        Ok(take(self.batch.column(self.groups + call), &places.collect::<UInt32Array>(), None)?)
    }

    /// The numbers of the first call for each series, in the order of the chart.
    fn numbers(&self) -> Result<FxHashMap<&str, Vec<f64>>, QueryError> {
        let numbers = to_numbers(self.batch.column(self.groups))?;
        let mut places: Vec<(&(u32, String), &u32)> = self.places.iter().collect();
        // In order, so that the same search gives the same last digit every time.
        places.sort_unstable();
        let mut found: FxHashMap<&str, Vec<f64>> = FxHashMap::default();
        for ((_, name), row) in places {
            if numbers.is_valid(*row as usize) {
                found.entry(name.as_str()).or_default().push(numbers.value(*row as usize));
            }
        }
        Ok(found)
    }

    /// The sums of a call over several series.
    fn sum_of(&self, call: usize, members: &[String], axis: &Axis, kind: &DataType) -> Result<ArrayRef, QueryError> {
        let numbers = to_numbers(self.batch.column(self.groups + call))?;
        let members: FxHashSet<&str> = members.iter().map(String::as_str).collect();
        let mut found: Vec<(u32, u32)> =
            self.places.iter().filter(|((_, name), _)| members.contains(name.as_str())).map(|((place, _), row)| (*row, *place)).collect();
        found.sort_unstable();
        let mut sums: Vec<Option<f64>> = vec![None; axis.rows];
        for (row, place) in found.into_iter().filter(|(row, _)| numbers.is_valid(*row as usize)) {
            let sum = &mut sums[place as usize];
            *sum = Some(sum.unwrap_or(0.0) + numbers.value(row as usize));
        }
        Ok(cast(&(Arc::new(Float64Array::from(sums)) as ArrayRef), kind)?)
    }
}

impl Test {
    /// The names that pass, in order; `scored` are all, the highest score first.
    fn passing(self, scored: &[(String, Option<f64>)]) -> Vec<String> {
        let named = |part: &mut dyn Iterator<Item = &(String, Option<f64>)>| part.map(|(name, _)| name.clone()).collect();
        match self {
            Self::Among { within, largest, count } => {
                let count = count.min(scored.len());
                let middle = if largest { count } else { scored.len() - count };
                let (first, last) = scored.split_at(middle);
                named(&mut if largest == within { first } else { last }.iter())
            }
            Self::Compare { sign, number } => named(&mut scored.iter().filter(|(_, score)| {
                let order = score.and_then(|score| score.partial_cmp(&number));
                match sign {
                    "<" => order == Some(Ordering::Less),
                    "<=" => order.is_some_and(Ordering::is_le),
                    ">" => order == Some(Ordering::Greater),
                    ">=" => order.is_some_and(Ordering::is_ge),
                    "!=" => order.is_some_and(Ordering::is_ne),
                    _ => order == Some(Ordering::Equal),
                }
            })),
        }
    }
}

/// Names with the scores of their values, the highest first, those without one last; equal ones by name.
fn scored(names: &[String], numbers: &FxHashMap<&str, Vec<f64>>, score: &super::Score, counts: bool) -> Vec<(String, Option<f64>)> {
    let of = |name: &String| score.of(numbers.get(name.as_str()).map_or(&[][..], Vec::as_slice), counts);
    let mut scored: Vec<(String, Option<f64>)> = names.iter().map(|name| (name.clone(), of(name))).collect();
    scored.sort_by(|a, b| {
        let key = |score: Option<f64>| score.unwrap_or(f64::NEG_INFINITY);
        key(b.1).total_cmp(&key(a.1)).then_with(|| a.0.cmp(&b.0))
    });
    scored
}

/// The series that get a column, sorted, and the others.
fn choose(series: &Series, cells: &Cells, calls: &[Call], planner: &Planner) -> Result<(Vec<String>, Vec<String>), QueryError> {
    if series.split.is_none() {
        return Ok((vec![String::new()], Vec::new()));
    }
    let all: Vec<String> = cells.names.iter().filter(|name| !(series.use_null && **name == series.null)).cloned().collect();
    let limit = match (series.limit, &series.filter) {
        (Some(0), _) | (None, Some(_)) => CHART_SERIES_MAX,
        (Some(limit), _) => limit.min(CHART_SERIES_MAX),
        (None, None) => 10,
    };
    let counts = calls[0].function.name == "count";
    let numbers = cells.numbers()?;
    let mut named = all.clone();
    if let Some(filter) = &series.filter {
        named = filter.test.passing(&scored(&all, &numbers, &filter.score, counts));
    }
    if named.len() > limit {
        if limit == CHART_SERIES_MAX {
            planner.messages.truncated(format!("the chart shows {CHART_SERIES_MAX} of {} series as columns of their own", named.len()));
        }
        let mut ranked = scored(&named, &numbers, &series.score, counts);
        if series.smallest {
            ranked.sort_by(|a, b| {
                let key = |score: Option<f64>| score.unwrap_or(f64::NEG_INFINITY);
                key(a.1).total_cmp(&key(b.1)).then_with(|| a.0.cmp(&b.0))
            });
        }
        ranked.truncate(limit);
        named = ranked.into_iter().map(|(name, _)| name).collect();
    }
    named.sort();
    let kept: FxHashSet<&String> = named.iter().collect();
    let rest = all.iter().filter(|name| !kept.contains(name)).cloned().collect();
    Ok((named, rest))
}

/// Runs to the end and puts all rows in one batch, which has to fit the memory pool.
async fn all_rows(flow: Flow, planner: &Planner) -> Result<RecordBatch, QueryError> {
    let memory = MemoryConsumer::new("rows of a chart").register(planner.context.memory_pool());
    let schema = flow.schema();
    let mut stream = flow.stream(planner.context.clone())?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        memory.try_grow(batch.get_array_memory_size() * 2)?;
        batches.push(batch);
    }
    Ok(concat_batches(&schema, &batches)?)
}

impl Pivot {
    /// Runs the aggregation that `run` makes (for the series that keep their names, or for all), finds the rows of
    /// the chart with `axis`, and makes the columns.
    pub async fn new(
        series: &Series,
        calls: &[Call],
        run: impl Fn(Kept) -> Result<Flow, QueryError>,
        axis: impl FnOnce(&RecordBatch) -> Result<Axis, QueryError>,
        planner: &Planner,
    ) -> Result<Self, QueryError> {
        let split = series.split.is_some();
        let batch = all_rows(run(None)?, planner).await?;
        let axis = axis(&batch)?;
        let mut cells = Cells::new(batch, &axis, split)?;
        let (mut kept, mut rest) = choose(series, &cells, calls, planner)?;
        let mut summed = None;
        if !rest.is_empty() && series.use_other {
            if split && kept.contains(&series.other) {
                // A value of that very name is one of the others.
                kept.retain(|name| *name != series.other);
                rest.push(series.other.clone());
            }
            if calls.iter().all(|call| call.function.additive) {
                summed = Some(rest);
            } else {
                // Averages and the like of OTHER are not to be had from those of its members: the rows are read again.
                let own = kept.iter().cloned().chain([series.null.clone()]).collect();
                cells = Cells::new(all_rows(run(Some(Arc::new(own)))?, planner).await?, &axis, split)?;
            }
            kept.push(series.other.clone());
        }
        if split && series.use_null && cells.names.contains(&series.null) {
            kept.push(series.null.clone());
        }
        let schema = cells.batch.schema();
        let mut columns = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let field = schema.field(cells.groups + at);
            for name in &kept {
                let mut column = match &summed {
                    Some(members) if *name == series.other => cells.sum_of(at, members, &axis, field.data_type())?,
                    _ => cells.column(at, name, &axis)?,
                };
                if call.function.name == "count" && call.function.gives == Gives::Whole {
                    let counts = cast(&column, &DataType::Int64)?;
                    let counts = counts.as_any().downcast_ref::<Int64Array>().expect("just cast");
                    column = Arc::new(counts.iter().map(|count| Some(count.unwrap_or(0))).collect::<Int64Array>());
                }
                let title = series.title(calls, call, name);
                columns.push((Field::new(title, column.data_type().clone(), true).with_metadata(field.metadata().clone()), column));
            }
        }
        let filled = cells.places.keys().map(|(place, _)| *place).collect();
        Ok(Self { columns, filled })
    }
}
