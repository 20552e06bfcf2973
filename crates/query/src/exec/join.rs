//! Joining two flows by the values of fields. Right rows that fit into memory are found by a table of their keys, while the
//! left ones stream by; else both sides, of any size, are sorted by their keys, merged, and sorted back.

use super::combine::{Kept, Prefer, beside, common_schema, fit, one_batch};
use super::{Flow, HIDDEN, Make, Step, Transform, transform};
use crate::columns::{Values, missing};
use crate::commands::column_index;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringBuilder, UInt32Array, UInt32Builder, UInt64Array};
use arrow::compute::{SortOptions, filter_record_batch, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatchOptions;
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::sorts::sort::SortExec;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::limits::JOIN_TABLE_BYTES_MAX;

/// What is joined, and how.
#[derive(Clone, Debug)]
pub struct Join {
    /// Fields of the left rows and of the right ones that have to have the same value.
    pub keys: Vec<(String, String)>,
    /// Whether left rows without a match stay.
    pub outer: bool,
    /// At most so many right rows for each left one; all where it is not said.
    pub most: Option<usize>,
    /// Whose values count where both have a field.
    pub prefer: Prefer,
    /// Only right rows that are not later (true) or not earlier (false) than the left one.
    pub earlier: Option<bool>,
    /// What names of the left and of the right begin with in the outcome; those with `_` keep theirs on the left.
    pub prefixes: Option<(String, String)>,
}

/// What ends each value in the text of a key.
const KEY_END: &str = "\u{1f}";

const KEY: &str = "key";
const ROW: &str = "row";

fn hidden(side: &str, name: &str) -> String {
    format!("{HIDDEN}{side} {name}")
}

const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Joins; and the right rows by their keys, where these are in memory.
pub async fn join(left: Flow, right: Flow, spec: &Join, context: &Arc<TaskContext>) -> Result<(Flow, Option<Arc<Lookup>>)> {
    // Each left batch becomes one batch, which many matches would make too large.
    if spec.most.is_some_and(|most| most <= MATCHES_MAX)
        && let Some(kept) = Kept::of(&right, context, table_bytes(context)).await?
    {
        match found(left.clone(), &right.schema(), kept, spec, context) {
            // The rows fit, their keys do not.
            Err(error) if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) => {}
            joined => return joined.map(|(flow, table)| (flow, Some(table))),
        }
    }
    Ok((merged(left, right, spec)?, None))
}

/// Bytes of right rows up to which they are found by a table: what is left has to do for all else.
fn table_bytes(context: &TaskContext) -> usize {
    match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(bytes) => JOIN_TABLE_BYTES_MAX.min(bytes / 4),
        _ => JOIN_TABLE_BYTES_MAX,
    }
}

/// Matches of a left row up to which right rows are found by a table.
const MATCHES_MAX: usize = 16;

/// The right rows by their keys.
pub struct Lookup {
    rows: RecordBatch,
    keys: FxHashMap<String, Vec<u32>>,
    times: Option<Values>,
    /// Stays reserved while the table is in use.
    _memory: (Kept, MemoryReservation),
}

impl Lookup {
    /// All right rows.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The numbers of the rows with these values in the fields of the key.
    pub fn rows_of(&self, values: &[String]) -> &[u32] {
        let key: String = values.iter().flat_map(|value| [value.as_str(), KEY_END]).collect();
        self.keys.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// Joins with right rows that are in memory.
fn found(left: Flow, right: &SchemaRef, kept: Kept, spec: &Join, context: &Arc<TaskContext>) -> Result<(Flow, Arc<Lookup>)> {
    let memory = MemoryConsumer::new("join").register(context.memory_pool());
    let rows = one_batch(right, kept.batches())?;
    let places: Vec<Option<usize>> = spec.keys.iter().map(|(_, key)| column_index(right, key)).collect();
    let mut keys: FxHashMap<String, Vec<u32>> = FxHashMap::default();
    each_key(&rows, &places, |row, key| {
        let Some(key) = key else { return Ok(()) };
        let known = match keys.get_mut(key) {
            Some(known) => known,
            None => {
                memory.try_grow(key.len() + 64)?;
                keys.entry(key.to_owned()).or_default()
            }
        };
        if spec.earlier.is_some() || known.len() < spec.most.unwrap_or(usize::MAX) {
            memory.try_grow(size_of::<u32>())?;
            known.push(row as u32);
        }
        Ok(())
    })?;
    let time = |batch: &RecordBatch| batch.column_by_name("_time").map(Values::of).transpose();
    let times = if spec.earlier.is_some() { time(&rows)? } else { None };
    let table = Arc::new(Lookup { rows, keys, times, _memory: (kept, memory) });
    let plain = left.schema();
    let left_places: Vec<Option<usize>> = spec.keys.iter().map(|(key, _)| column_index(&plain, key)).collect();
    let (schema, names) = names(&plain, right, spec);
    let (spec, made, given) = (spec.clone(), schema.clone(), table.clone());
    let flow = left.map(
        "join",
        schema,
        transform(move |batch: RecordBatch| {
            let left_times = if spec.earlier.is_some() { time(&batch)? } else { None };
            let fits = |row: usize, other: u32| match (&left_times, &table.times, spec.earlier) {
                (Some(left), Some(right), Some(earlier)) => match (left.number(row), right.number(other as usize)) {
                    (Some(left), Some(right)) => {
                        if earlier {
                            right <= left
                        } else {
                            right >= left
                        }
                    }
                    _ => false,
                },
                _ => true,
            };
            let (mut left, mut right) = (UInt32Builder::new(), UInt32Builder::new());
            each_key(&batch, &left_places, |row, key| {
                let known = key.and_then(|key| table.keys.get(key));
                let matches = known.into_iter().flatten().filter(|other| fits(row, **other)).take(spec.most.unwrap_or(usize::MAX));
                let mut any = false;
                for other in matches {
                    any = true;
                    left.append_value(row as u32);
                    right.append_value(*other);
                }
                if !any && spec.outer {
                    left.append_value(row as u32);
                    right.append_null();
                }
                Ok(())
            })?;
            let (left, right) = (left.finish(), right.finish());
            let columns = |batch: &RecordBatch, rows: &UInt32Array| {
                batch.columns().iter().map(|column| take(column, rows, None)).collect::<std::result::Result<Vec<_>, _>>()
            };
            Ok(names.put_together(columns(&batch, &left)?, columns(&table.rows, &right)?, left.len(), &made, spec.prefer)?)
        }),
    );
    Ok((flow, given))
}

/// Calls `each` with every row and the text of its key; none where a part of it is missing.
fn each_key(batch: &RecordBatch, places: &[Option<usize>], mut each: impl FnMut(usize, Option<&str>) -> Result<()>) -> Result<()> {
    let rows = batch.num_rows();
    let columns = places.iter().map(|at| at.map_or_else(|| missing(rows), |at| batch.column(at).clone()));
    let values = columns.map(|column| Values::of(&column)).collect::<std::result::Result<Vec<_>, _>>()?;
    let mut key = String::new();
    for row in 0..rows {
        key.clear();
        let mut whole = true;
        for values in &values {
            match values {
                Values::Text(texts) if texts.is_valid(row) => key.push_str(texts.value(row)),
                values => match values.text(row) {
                    Some(text) => key.push_str(&text),
                    None => whole = false,
                },
            }
            key.push_str(KEY_END);
        }
        each(row, whole.then_some(&*key))?;
    }
    Ok(())
}

/// Joins rows of any number.
fn merged(left: Flow, right: Flow, spec: &Join) -> Result<Flow> {
    let table = left.table;
    let (left_plain, right_plain) = (left.schema(), right.schema());
    let left = keyed(left, "left", spec.keys.iter().map(|(left, _)| left.clone()).collect());
    let mut right = keyed(right, "right", spec.keys.iter().map(|(_, right)| right.clone()).collect());
    let (width_left, width_right) = (left_plain.fields().len(), right_plain.fields().len());
    let left = sorted(left, &[width_left, width_left + 1]);
    right = sorted(right, &[width_right, width_right + 1]);
    // Without times to compare, only the first rows of a key can be used: the others need not be joined.
    if let (Some(most), None) = (spec.most, spec.earlier) {
        right = first_of_runs(right, width_right, most);
    }
    let column = |flow: &Flow, at: usize| Arc::new(Column::new(flow.schema().field(at).name(), at));
    let on = vec![(column(&left, width_left) as _, column(&right, width_right) as _)];
    let filter = spec.earlier.and_then(|earlier| time_filter(&left.schema(), &right.schema(), earlier));
    let kind = if spec.outer { JoinType::Left } else { JoinType::Inner };
    let plan = SortMergeJoinExec::try_new(left.plan, right.plan, on, filter, kind, vec![ASCENDING], NullEquality::NullEqualsNothing)?;
    let joined = Flow { plan: Arc::new(plan), ordered: true, table }.single();
    // The join's columns may be in another nullability; they are found by place from here on.
    let rows = (width_left + 1, width_left + 2 + width_right + 1);
    let mut joined = sorted(joined, &[rows.0, rows.1]);
    if let (Some(most), Some(_)) = (spec.most, spec.earlier) {
        joined = first_of_runs(joined, rows.0, most);
    }
    Ok(outcome(joined, left_plain, right_plain, spec))
}

/// The rows with their key and number behind their columns; all names are of this side.
fn keyed(flow: Flow, side: &'static str, keys: Vec<String>) -> Flow {
    let flow = flow.single();
    let plain = flow.schema();
    let places: Vec<Option<usize>> = keys.iter().map(|key| column_index(&plain, key)).collect();
    let mut fields: Vec<Field> =
        plain.fields().iter().map(|f| f.as_ref().clone().with_name(hidden(side, f.name())).with_nullable(true)).collect();
    fields.push(Field::new(hidden(side, KEY), DataType::Utf8, true));
    fields.push(Field::new(hidden(side, ROW), DataType::UInt64, true));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let made = schema.clone();
    let make: Make = Arc::new(move |_| Ok(Box::new(Keys { schema: made.clone(), places: places.clone(), row: 0 })));
    flow.map("join keys", schema, make)
}

struct Keys {
    schema: SchemaRef,
    places: Vec<Option<usize>>,
    row: u64,
}

impl Transform for Keys {
    fn push(&mut self, batch: RecordBatch) -> Result<Step> {
        let rows = batch.num_rows();
        let mut keys = StringBuilder::new();
        each_key(&batch, &self.places, |_, key| {
            keys.append_option(key);
            Ok(())
        })?;
        let next = self.row + rows as u64;
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(keys.finish()));
        columns.push(Arc::new(UInt64Array::from_iter_values(self.row..next)));
        self.row = next;
        Ok(Step::Rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

fn sorted(flow: Flow, places: &[usize]) -> Flow {
    let schema = flow.schema();
    let keys = places.iter().map(|at| PhysicalSortExpr::new(Arc::new(Column::new(schema.field(*at).name(), *at)), ASCENDING));
    let ordering = LexOrdering::new(keys).expect("there are keys");
    Flow { plan: Arc::new(SortExec::new(ordering, flow.plan)), ..flow }
}

/// Of rows that follow each other with one value in a column, the first; rows without one all stay.
fn first_of_runs(flow: Flow, at: usize, most: usize) -> Flow {
    let schema = flow.schema();
    let make: Make = Arc::new(move |_| Ok(Box::new(Runs { at, most, last: None, count: 0 })));
    flow.map("first of each", schema, make)
}

struct Runs {
    at: usize,
    most: usize,
    last: Option<Vec<u8>>,
    count: usize,
}

impl Transform for Runs {
    fn push(&mut self, batch: RecordBatch) -> Result<Step> {
        let column = batch.column(self.at);
        let value = |row: usize| match column.data_type() {
            DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_be_bytes().to_vec(),
            _ => column.as_string::<i32>().value(row).as_bytes().to_vec(),
        };
        let mut keep = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            if column.is_null(row) {
                keep.push(true);
                continue;
            }
            let value = value(row);
            if self.last.as_ref() != Some(&value) {
                (self.last, self.count) = (Some(value), 0);
            }
            self.count += 1;
            keep.push(self.count <= self.most);
        }
        Ok(Step::Rows(filter_record_batch(&batch, &BooleanArray::from(keep))?))
    }
}

fn time_filter(left: &SchemaRef, right: &SchemaRef, earlier: bool) -> Option<JoinFilter> {
    let (at_left, at_right) = (column_index(left, &hidden("left", "_time"))?, column_index(right, &hidden("right", "_time"))?);
    let schema = Arc::new(Schema::new(vec![left.field(at_left).clone(), right.field(at_right).clone()]));
    let operator = if earlier { Operator::GtEq } else { Operator::LtEq };
    let side = |at: usize| Arc::new(Column::new(schema.field(at).name(), at));
    let expression = Arc::new(BinaryExpr::new(side(0), operator, side(1)));
    let places = vec![ColumnIndex { index: at_left, side: JoinSide::Left }, ColumnIndex { index: at_right, side: JoinSide::Right }];
    Some(JoinFilter::new(expression, places, schema))
}

/// How the columns of both sides are named in the outcome.
struct Names {
    left: SchemaRef,
    right: SchemaRef,
    /// Which columns of the right are in it.
    kept: Vec<usize>,
}

fn names(left: &SchemaRef, right: &SchemaRef, spec: &Join) -> (SchemaRef, Names) {
    let prefixes = spec.prefixes.as_ref();
    let renamed = |fields: Vec<Field>, prefix: Option<&str>, right: bool| -> SchemaRef {
        let name = |name: &str| match prefix {
            Some(_) if name.starts_with('_') && !right => name.to_owned(),
            Some(prefix) => format!("{prefix}.{name}"),
            None => name.to_owned(),
        };
        let fields = fields.into_iter().map(|field| {
            let name = name(field.name());
            field.with_name(name).with_nullable(true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    // What the key of the right is, the left has already; with aliases, fields of the event itself stay on the left.
    let dropped = |name: &str| match prefixes {
        Some(_) => name.starts_with('_'),
        None => spec.keys.iter().any(|(left, right)| right == name && left == right),
    };
    let kept: Vec<usize> = (0..right.fields().len()).filter(|at| !dropped(right.field(*at).name())).collect();
    let left = renamed(left.fields().iter().map(|f| f.as_ref().clone()).collect(), prefixes.map(|(left, _)| left.as_str()), false);
    let right = renamed(kept.iter().map(|at| right.field(*at).clone()).collect(), prefixes.map(|(_, right)| right.as_str()), true);
    (common_schema(&[left.clone(), right.clone()]), Names { left, right, kept })
}

impl Names {
    /// The columns of the outcome from those of both sides.
    fn put_together(
        &self,
        left: Vec<ArrayRef>,
        right: Vec<ArrayRef>,
        rows: usize,
        schema: &SchemaRef,
        prefer: Prefer,
    ) -> std::result::Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let left = RecordBatch::try_new_with_options(self.left.clone(), left, &options)?;
        if self.kept.is_empty() {
            return fit(&left, schema);
        }
        let right = self.kept.iter().map(|at| right[*at].clone()).collect();
        beside(&left, &RecordBatch::try_new_with_options(self.right.clone(), right, &options)?, schema, prefer)
    }
}

/// The rows of a merged join as they go on.
fn outcome(joined: Flow, left: SchemaRef, right: SchemaRef, spec: &Join) -> Flow {
    let (schema, names) = names(&left, &right, spec);
    let (width, width_right) = (left.fields().len(), right.fields().len());
    let (prefer, made) = (spec.prefer, schema.clone());
    joined.map(
        "join",
        schema,
        transform(move |batch: RecordBatch| {
            let columns = |from: usize, count: usize| batch.columns()[from..from + count].to_vec();
            Ok(names.put_together(columns(0, width), columns(width + 2, width_right), batch.num_rows(), &made, prefer)?)
        }),
    )
}
