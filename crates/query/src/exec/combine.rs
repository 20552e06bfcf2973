//! Several flows made one: after each other, side by side, merged by time; and flows read several times.

use super::{Flow, HIDDEN, Opener, SourceExec, transform};
use crate::columns::{Values, list_type, lists, nanos_of_seconds, time_type};
use crate::commands::column_index;
use crate::messages::Messages;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, new_null_array};
use arrow::compute::{SortOptions, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatchOptions;
use async_stream::try_stream;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::union::UnionExec;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;

/// The type that holds the values of both.
pub fn common_type(name: &str, left: &DataType, right: &DataType) -> DataType {
    let number = |kind: &DataType| matches!(kind, DataType::Float64 | DataType::Int64);
    match (left, right) {
        (a, b) if a == b => a.clone(),
        (DataType::List(_), _) | (_, DataType::List(_)) => list_type(),
        (DataType::Timestamp(..), b) if name == "_time" && number(b) => time_type(),
        (a, DataType::Timestamp(..)) if name == "_time" && number(a) => time_type(),
        (a, b) if number(a) && number(b) => DataType::Float64,
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        _ => DataType::Utf8,
    }
}

/// A column as another type of a pipeline.
pub fn convert(column: &ArrayRef, wanted: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    if column.data_type() == wanted {
        return Ok(column.clone());
    }
    let rows = column.len();
    let values = Values::of(column)?;
    Ok(match wanted {
        DataType::Float64 => Arc::new((0..rows).map(|row| values.number(row)).collect::<Float64Array>()),
        DataType::Int64 => Arc::new((0..rows).map(|row| values.number(row).map(|number| number as i64)).collect::<Int64Array>()),
        DataType::Boolean => Arc::new((0..rows).map(|row| values.text(row).map(|text| text == "True")).collect::<BooleanArray>()),
        DataType::Timestamp(..) => {
            let nanos = (0..rows).map(|row| values.number(row).and_then(nanos_of_seconds));
            Arc::new(nanos.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
        }
        DataType::List(_) => {
            let all: Vec<Vec<String>> = (0..rows).map(|row| values.list(row)).collect();
            lists(all.iter().map(|list| Some(list.as_slice())))
        }
        DataType::Utf8 => Arc::new((0..rows).map(|row| values.text(row)).collect::<StringArray>()),
        other => new_null_array(other, rows),
    })
}

/// The columns of all, each once, in types that hold all values.
pub fn common_schema(schemas: &[SchemaRef]) -> SchemaRef {
    let mut fields: Vec<Field> = Vec::new();
    for field in schemas.iter().flat_map(|schema| schema.fields()) {
        match fields.iter_mut().find(|known| known.name() == field.name()) {
            Some(known) => {
                let kind = common_type(known.name(), known.data_type(), field.data_type());
                // A mark holds where both have it, or where there is nothing else.
                let metadata = if known.metadata() == field.metadata() { known.metadata().clone() } else { Default::default() };
                *known = Field::new(known.name(), kind, true).with_metadata(metadata);
            }
            None => fields.push(field.as_ref().clone().with_nullable(true)),
        }
    }
    Arc::new(Schema::new(fields))
}

/// A batch with other columns: in their types, and missing where it has none.
pub fn fit(batch: &RecordBatch, schema: &SchemaRef) -> std::result::Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => convert(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), rows)),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect::<std::result::Result<_, _>>()?, &options)
}

fn fitted(flow: Flow, schema: &SchemaRef) -> Flow {
    if flow.schema() == *schema {
        return flow;
    }
    let wanted = schema.clone();
    flow.map("columns", schema.clone(), transform(move |batch: RecordBatch| Ok(fit(&batch, &wanted)?)))
}

/// A flow whose rows are made by a stream.
pub fn streamed(
    name: &'static str,
    schema: SchemaRef,
    table: bool,
    open: impl Fn(Arc<TaskContext>) -> Result<SendableRecordBatchStream> + Send + Sync + 'static,
) -> Flow {
    let opener: Opener = Arc::new(move |_, context| open(context));
    Flow { plan: Arc::new(SourceExec::new(name, schema, 1, None, opener)), ordered: true, table }
}

/// The rows of each, one flow after the other.
pub fn concat(name: &'static str, flows: Vec<Flow>, table: bool) -> Flow {
    let schema = common_schema(&flows.iter().map(Flow::schema).collect::<Vec<_>>());
    let flows: Vec<Flow> = flows.into_iter().map(|flow| fitted(flow, &schema)).collect();
    let made = schema.clone();
    streamed(name, schema, table, move |context| {
        let flows = flows.clone();
        let rows = try_stream! {
            for flow in flows {
                let mut batches = flow.stream(context.clone())?;
                while let Some(batch) = batches.next().await {
                    yield batch?;
                }
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(made.clone(), rows)))
    })
}

/// The rows of all, newest first, from flows that are each newest first; after each other where one has no `_time`.
pub fn merge(name: &'static str, flows: Vec<Flow>) -> Result<Flow> {
    let timed = |flow: &Flow| column_index(&flow.schema(), "_time").is_some_and(|at| *flow.schema().field(at).data_type() == time_type());
    if flows.len() < 2 || !flows.iter().all(|flow| timed(flow) && flow.ordered) {
        let table = flows.iter().any(|flow| flow.table);
        return Ok(concat(name, flows, table));
    }
    let schema = common_schema(&flows.iter().map(Flow::schema).collect::<Vec<_>>());
    let table = flows.iter().any(|flow| flow.table);
    let at = column_index(&schema, "_time").expect("all have it");
    let plans = flows.into_iter().map(|flow| fitted(flow.single(), &schema).plan).collect();
    let options = SortOptions { descending: true, nulls_first: false };
    let order = PhysicalSortExpr::new(Arc::new(Column::new("_time", at)), options);
    let ordering = LexOrdering::new([order]).expect("there is a key");
    let plan = SortPreservingMergeExec::new(ordering, UnionExec::try_new(plans)?);
    Ok(Flow { plan: Arc::new(plan), ordered: true, table })
}

/// The first rows of a flow, within so many seconds; says when there are more.
pub fn first_of(flow: Flow, rows: Option<usize>, seconds: Option<u64>, what: &'static str, messages: Messages) -> Flow {
    if rows.is_none() && seconds.is_none() {
        return flow;
    }
    let (schema, table) = (flow.schema(), flow.table);
    let made = schema.clone();
    streamed("first", schema, table, move |context| {
        let mut batches = flow.clone().stream(context)?;
        let messages = messages.clone();
        let cut = try_stream! {
            let ending = tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(u64::from(u32::MAX))));
            tokio::pin!(ending);
            let mut left = rows.unwrap_or(usize::MAX);
            loop {
                let batch = tokio::select! {
                    biased;
                    batch = batches.next() => batch,
                    () = &mut ending => {
                        messages.truncated(format!("{what} took longer than {} seconds; what it had found by then is used", seconds.unwrap_or(0)));
                        break;
                    }
                };
                let Some(batch) = batch else { break };
                let batch: RecordBatch = batch?;
                if batch.num_rows() > left {
                    messages.truncated(format!("{what} gave more than {} rows; only the first of them are used", rows.unwrap_or(0)));
                    if left > 0 {
                        yield batch.slice(0, left);
                    }
                    break;
                }
                left -= batch.num_rows();
                yield batch;
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(made.clone(), cut)))
    })
}

/// Rows in memory, which stays reserved as long as somebody has them.
#[derive(Clone)]
pub struct Kept(Arc<(Vec<RecordBatch>, MemoryReservation)>);

impl Kept {
    /// All rows of a flow, where they fit into `most` bytes and into the memory that is left.
    pub async fn of(flow: &Flow, context: &Arc<TaskContext>, most: usize) -> Result<Option<Self>> {
        let memory = MemoryConsumer::new("rows in memory").register(context.memory_pool());
        let mut batches = flow.clone().stream(context.clone())?;
        let mut kept: Vec<RecordBatch> = Vec::new();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let bytes = batch.get_array_memory_size();
            if memory.size() + bytes > most || memory.try_grow(bytes).is_err() {
                return Ok(None);
            }
            kept.push(batch);
        }
        Ok(Some(Self(Arc::new((kept, memory)))))
    }

    /// The rows.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.0.0
    }
}

/// Rows that are read several times: kept in memory where they fit, else read anew each time.
pub async fn held(flow: Flow, context: &Arc<TaskContext>) -> Result<Flow> {
    let Some(kept) = Kept::of(&flow, context, usize::MAX).await? else { return Ok(flow) };
    let (schema, table) = (flow.schema(), flow.table);
    let made = schema.clone();
    Ok(streamed("held", schema, table, move |_| {
        let batches: Vec<Result<RecordBatch>> = kept.batches().iter().cloned().map(Ok).collect();
        let kept = kept.clone();
        let rows = futures::stream::iter(batches).inspect(move |_| {
            let _ = &kept;
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(made.clone(), rows)))
    }))
}

/// How the values of two columns of one name are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The left one, where there is one.
    Left,
    /// The right one, where there is one.
    Right,
}

/// In each row the value of one column, or where it is missing that of the other.
pub fn coalesce(first: &ArrayRef, second: &ArrayRef, wanted: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    let (first, second) = (convert(first, wanted)?, convert(second, wanted)?);
    let there = arrow::compute::is_not_null(&first)?;
    arrow::compute::kernels::zip::zip(&there, &first, &second)
}

/// The columns of both, those of one name put together.
pub fn beside(left: &RecordBatch, right: &RecordBatch, schema: &SchemaRef, prefer: Prefer) -> std::result::Result<RecordBatch, ArrowError> {
    let rows = left.num_rows();
    let columns = schema.fields().iter().map(|field| match (left.column_by_name(field.name()), right.column_by_name(field.name())) {
        (Some(left), Some(right)) if prefer == Prefer::Left => coalesce(left, right, field.data_type()),
        (Some(left), Some(right)) => coalesce(right, left, field.data_type()),
        (Some(one), None) | (None, Some(one)) => convert(one, field.data_type()),
        (None, None) => Ok(new_null_array(field.data_type(), rows)),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect::<std::result::Result<_, _>>()?, &options)
}

/// Row by row the columns of both flows; where one has more rows, these stand alone.
pub fn zip(name: &'static str, left: Flow, right: Flow, prefer: Prefer) -> Flow {
    let (left_schema, right_schema) = (left.schema(), right.schema());
    let schema = common_schema(&[left_schema.clone(), right_schema.clone()]);
    let (made, table) = (schema.clone(), left.table || right.table);
    streamed(name, schema, table, move |context| {
        let (mut left, mut right) = (Rows::new(left.clone().stream(context.clone())?), Rows::new(right.clone().stream(context)?));
        let (made, left_schema, right_schema) = (made.clone(), left_schema.clone(), right_schema.clone());
        let shape = made.clone();
        let rows = try_stream! {
            loop {
                let count = match (left.waiting().await?, right.waiting().await?) {
                    (0, 0) => break,
                    (0, count) | (count, 0) => count,
                    (a, b) => a.min(b),
                };
                let (left, right) = (left.take(count, &left_schema)?, right.take(count, &right_schema)?);
                yield beside(&left, &right, &shape, prefer)?;
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(made, rows)))
    })
}

/// A stream that is read in pieces of any size.
struct Rows {
    stream: futures::stream::Fuse<SendableRecordBatchStream>,
    current: Option<RecordBatch>,
}

impl Rows {
    fn new(stream: SendableRecordBatchStream) -> Self {
        Self { stream: stream.fuse(), current: None }
    }

    /// How many rows can be taken; none only at the end.
    async fn waiting(&mut self) -> Result<usize> {
        while self.current.as_ref().is_none_or(|batch| batch.num_rows() == 0) {
            match self.stream.next().await {
                Some(batch) => self.current = Some(batch?),
                None => return Ok(0),
            }
        }
        Ok(self.current.as_ref().map_or(0, RecordBatch::num_rows))
    }

    /// So many rows, or as many without values where it has ended.
    fn take(&mut self, count: usize, schema: &SchemaRef) -> Result<RecordBatch> {
        if let Some(batch) = self.current.take().filter(|batch| batch.num_rows() > 0) {
            self.current = Some(batch.slice(count, batch.num_rows() - count));
            return Ok(batch.slice(0, count));
        }
        let columns = schema.fields().iter().map(|field| new_null_array(field.data_type(), count)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }
}

/// All rows in one batch; for what is bounded.
pub fn one_batch(schema: &SchemaRef, batches: &[RecordBatch]) -> std::result::Result<RecordBatch, ArrowError> {
    concat_batches(schema, batches)
}

/// The columns that commands may see.
pub fn visible(schema: &SchemaRef) -> Vec<usize> {
    (0..schema.fields().len()).filter(|at| !schema.field(*at).name().starts_with(HIDDEN)).collect()
}
