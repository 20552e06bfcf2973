//! Rows together with what was computed for their group: `eventstats`.
//!
//! The table of groups is looked up in memory where the pool has room for it; else rows and groups are sorted by their
//! keys, merged, and the rows put back in order, all of which spills.

use super::aggregate::group_key;
use super::order::{Key, KeyKind, sort};
use super::{Flow, HIDDEN, Make, Step, Transform, transform};
use crate::columns::{Values, missing};
use crate::commands::column_index;
use crate::commands::eval::with_field;
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::compute::{SortOptions, concat_batches, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::NullEquality;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use futures::TryStreamExt;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Adds the columns of `table` after its first `groups.len()` (which are the groups) to the rows of their group; rows
/// without a group have nothing there. `table` is run once or twice.
pub async fn attach(rows: Flow, groups: &[String], table: Flow, context: &Arc<TaskContext>) -> Result<Flow> {
    let shape = shape(&rows.schema(), &table.schema(), groups.len());
    match load(table.clone(), groups.len(), context).await? {
        Some(loaded) => Ok(look_up(rows, groups, Arc::new(loaded), shape)),
        None => merge(rows, groups, table, shape),
    }
}

/// The columns of the rows with those of the table replaced or added.
fn shape(rows: &SchemaRef, table: &SchemaRef, groups: usize) -> SchemaRef {
    table.fields()[groups..].iter().fold(rows.clone(), |schema, field| with_field(&schema, field.as_ref().clone()))
}

/// A table of groups in memory: the columns, and where the row of each group is.
struct Loaded {
    columns: RecordBatch,
    places: FxHashMap<String, u32>,
    _memory: datafusion::execution::memory_pool::MemoryReservation,
}

/// `None` where the pool has no room for all of it.
async fn load(table: Flow, groups: usize, context: &Arc<TaskContext>) -> Result<Option<Loaded>> {
    let memory = MemoryConsumer::new("groups of rows").register(context.memory_pool());
    let schema = table.schema();
    let mut stream = table.stream(context.clone())?;
    let (mut batches, mut places) = (Vec::new(), FxHashMap::default());
    while let Some(batch) = stream.try_next().await? {
        let values = batch.columns()[..groups].iter().map(Values::of).collect::<Result<Vec<_>, _>>()?;
        // Twice the batch, as its parts are put together in the end.
        let mut bytes = batch.get_array_memory_size() * 2;
        for row in 0..batch.num_rows() {
            let key = group_key(&values, row).unwrap_or_default();
            bytes += key.len() + 64;
            let place = u32::try_from(places.len()).map_err(|_| DataFusionError::ResourcesExhausted("too many groups".to_owned()))?;
            places.insert(key, place);
        }
        if memory.try_grow(bytes).is_err() {
            return Ok(None);
        }
        batches.push(batch);
    }
    let columns = concat_batches(&schema, &batches)?.project(&(groups..schema.fields().len()).collect::<Vec<_>>())?;
    Ok(Some(Loaded { columns, places, _memory: memory }))
}

/// The columns of a batch by which it is grouped.
fn grouping(batch: &RecordBatch, groups: &[String]) -> Result<Vec<Values>> {
    let column =
        |name: &String| column_index(&batch.schema(), name).map_or_else(|| missing(batch.num_rows()), |at| batch.column(at).clone());
    groups.iter().map(|name| Ok(Values::of(&column(name))?)).collect()
}

fn look_up(rows: Flow, groups: &[String], loaded: Arc<Loaded>, shape: SchemaRef) -> Flow {
    let (made, groups) = (shape.clone(), groups.to_vec());
    let work = transform(move |batch: RecordBatch| {
        let values = grouping(&batch, &groups)?;
        let place = |row| group_key(&values, row).and_then(|key| loaded.places.get(&key).copied());
        let places: UInt32Array = (0..batch.num_rows()).map(place).collect();
        let mut columns: Vec<Option<ArrayRef>> = batch.columns().iter().cloned().map(Some).collect();
        columns.resize(made.fields().len(), None);
        for (field, column) in loaded.columns.schema().fields().iter().zip(loaded.columns.columns()) {
            let at = column_index(&made, field.name()).expect("the shape has the columns of the table");
            columns[at] = Some(take(column, &places, None)?);
        }
        Ok(RecordBatch::try_new(made.clone(), columns.into_iter().flatten().collect())?)
    });
    rows.map("groups", shape, work)
}

fn row_name() -> String {
    format!("{HIDDEN}row")
}

/// A key as it is sorted: long ones as a checksum that no two share, so that rows do not carry their group twice.
fn short(key: String) -> String {
    if key.len() <= 64 {
        return key;
    }
    Sha256::digest(key.as_bytes()).iter().fold("h".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Numbers the rows and adds the keys of their groups; drops the first columns.
struct Keyed {
    groups: Vec<String>,
    schema: SchemaRef,
    dropped: usize,
    row: u64,
}

impl Transform for Keyed {
    fn push(&mut self, batch: RecordBatch) -> Result<Step> {
        let values = grouping(&batch, &self.groups)?;
        let next = self.row + batch.num_rows() as u64;
        let mut columns = batch.columns()[self.dropped..].to_vec();
        columns.push(Arc::new(UInt64Array::from_iter_values(self.row..next)));
        columns.push(Arc::new((0..batch.num_rows()).map(|row| group_key(&values, row).map(short)).collect::<StringArray>()));
        self.row = next;
        Ok(Step::Rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

/// Numbered, keyed and sorted by key, without the first columns.
fn keyed(flow: Flow, groups: &[String], dropped: usize, row: String, key: String) -> Result<Flow> {
    let flow = flow.single();
    let mut fields: Vec<Arc<Field>> = flow.schema().fields().iter().skip(dropped).cloned().collect();
    fields.push(Arc::new(Field::new(row, DataType::UInt64, false)));
    fields.push(Arc::new(Field::new(&key, DataType::Utf8, true)));
    let at = fields.len() - 1;
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let (made, groups) = (schema.clone(), groups.to_vec());
    let make: Make = Arc::new(move |_| Ok(Box::new(Keyed { groups: groups.clone(), schema: made.clone(), dropped, row: 0 })));
    let flow = flow.map("keys", schema, make);
    let ordering = LexOrdering::new([PhysicalSortExpr::new(Arc::new(Column::new(&key, at)), SORTED)]).expect("there is a key");
    Ok(Flow { plan: Arc::new(SortExec::new(ordering, flow.plan)), ..flow })
}

const SORTED: SortOptions = SortOptions { descending: false, nulls_first: false };

fn merge(rows: Flow, groups: &[String], table: Flow, shape: SchemaRef) -> Result<Flow> {
    let is_table = rows.table;
    let (row, left_key, right_key) = (row_name(), format!("{HIDDEN}key"), format!("{HIDDEN}group key"));
    let width = rows.schema().fields().len();
    let left = keyed(rows, groups, 0, row.clone(), left_key.clone())?;
    let names: Vec<String> = table.schema().fields()[..groups.len()].iter().map(|field| field.name().clone()).collect();
    let (added, right_width) = (table.schema(), table.schema().fields().len() - groups.len());
    let right = keyed(table, &names, groups.len(), format!("{HIDDEN}group row"), right_key.clone())?;
    let on: Vec<(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)> =
        vec![(Arc::new(Column::new(&left_key, width + 1)), Arc::new(Column::new(&right_key, right_width + 1)))];
    let join = SortMergeJoinExec::try_new(left.plan, right.plan, on, None, JoinType::Left, vec![SORTED], NullEquality::NullEqualsNothing)?;
    // Where each column of the outcome is in what the join gives.
    let places: Vec<usize> = shape
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let of_table = added.fields().iter().skip(groups.len()).position(|added| added.name() == field.name());
            of_table.map_or(at, |place| width + 2 + place)
        })
        .chain([width])
        .collect();
    let mut fields: Vec<Arc<Field>> = shape.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(&row, DataType::UInt64, false)));
    let numbered: SchemaRef = Arc::new(Schema::new(fields));
    let made = numbered.clone();
    let joined = Flow { plan: Arc::new(join), ordered: false, table: is_table }.map(
        "joined",
        numbered,
        transform(move |batch: RecordBatch| {
            Ok(RecordBatch::try_new(made.clone(), places.iter().map(|at| batch.column(*at).clone()).collect())?)
        }),
    );
    let sorted = sort(joined, &[Key { field: row, kind: KeyKind::Number, descending: false }], None)?;
    let count = shape.fields().len();
    Ok(sorted.map("rows", shape, transform(move |batch: RecordBatch| Ok(batch.project(&(0..count).collect::<Vec<_>>())?))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    fn flow(columns: Vec<(&str, ArrayRef)>) -> Flow {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap();
        Flow::of_batches(batch.schema(), vec![batch.slice(0, 1), batch.slice(1, batch.num_rows() - 1)], true)
    }

    #[tokio::test]
    async fn both_ways_give_the_same() {
        let rows = || {
            flow(vec![
                ("g", Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b"), Some("c")]))),
                ("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
            ])
        };
        let table = || {
            flow(vec![
                ("g", Arc::new(StringArray::from(vec!["a", "b"]))),
                ("count", Arc::new(Int64Array::from(vec![10, 20]))),
                ("n", Arc::new(Int64Array::from(vec![7, 8]))),
            ])
        };
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(64 << 20))).build_arc().unwrap();
        let context = Arc::new(TaskContext::default().with_runtime(runtime));
        let groups = ["g".to_owned()];
        let shape = shape(&rows().schema(), &table().schema(), 1);
        let merged = merge(rows(), &groups, table(), shape).unwrap();
        let quick = attach(rows(), &groups, table(), &context).await.unwrap();
        for flow in [merged, quick] {
            let schema = flow.schema();
            assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["g", "n", "count"]);
            let batch = concat_batches(&schema, &flow.collect(context.clone()).await.unwrap()).unwrap();
            let numbers = |at: usize| batch.column(at).as_any().downcast_ref::<Int64Array>().unwrap().iter().collect::<Vec<_>>();
            assert_eq!(numbers(1), [Some(8), None, Some(7), Some(8), None]);
            assert_eq!(numbers(2), [Some(20), None, Some(10), Some(20), None]);
        }
    }

    #[tokio::test]
    async fn without_room_the_groups_are_not_kept() {
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(10))).build_arc().unwrap();
        let context = Arc::new(TaskContext::default().with_runtime(runtime));
        let table = flow(vec![("g", Arc::new(StringArray::from(vec!["a", "b"]))), ("n", Arc::new(Int64Array::from(vec![1, 2])))]);
        assert!(load(table, 1, &context).await.unwrap().is_none());
    }
}
