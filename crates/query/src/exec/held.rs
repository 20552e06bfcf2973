//! Rows that are read to the end before the next command can be planned, and then read again: in memory as far as the
//! pool has room, the rest in a file for spilling. What is read again is what was read, in the same order.

use super::{Flow, Opener, SourceExec};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use std::sync::Arc;
use taffrail_base::limits::HELD_BYTES_MAX;

/// Reads all rows, shows each batch to `look`, and gives them again as a flow.
pub async fn hold(flow: Flow, context: &Arc<TaskContext>, mut look: impl FnMut(&RecordBatch) -> Result<()> + Send) -> Result<Flow> {
    let (schema, ordered, table) = (flow.schema(), flow.ordered, flow.table);
    let mut stream = flow.stream(context.clone())?;
    let memory = MemoryConsumer::new("held rows").register(context.memory_pool());
    // A part of the pool only: what comes next may have to sort.
    let room = match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(bytes) => HELD_BYTES_MAX.min(bytes / 8),
        _ => HELD_BYTES_MAX,
    };
    let mut batches = Vec::new();
    let manager = SpillManager::new(context.runtime_env(), SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0), schema.clone());
    let mut writing = None;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        look(&batch)?;
        if batch.num_rows() == 0 {
            continue;
        }
        let bytes = batch.get_array_memory_size();
        if writing.is_none() && memory.size() + bytes <= room && memory.try_grow(bytes).is_ok() {
            batches.push(batch);
            continue;
        }
        let file = match &mut writing {
            Some(file) => file,
            None => writing.insert(manager.create_in_progress_file("held rows")?),
        };
        file.append_batch(&batch)?;
    }
    let spilled = match writing {
        Some(mut file) => file.finish()?,
        None => None,
    };
    let held = Arc::new(Held { batches, _memory: memory });
    let opener: Opener = {
        let schema = schema.clone();
        Arc::new(move |_, _| {
            let held = held.clone();
            let first = futures::stream::iter((0..held.batches.len()).map(move |at| Ok(held.batches[at].clone())));
            let rest = match &spilled {
                Some(file) => manager.read_spill_as_stream(file.clone(), None)?.map(|batch| compact(&batch?)).boxed(),
                None => futures::stream::empty().boxed(),
            };
            Ok(Box::pin(RecordBatchStreamAdapter::new(schema.clone(), first.chain(rest))))
        })
    };
    Ok(source(schema, opener, ordered, table))
}

/// The batch with buffers of its own. As read, all columns share one, and whoever asks each column for its size counts it
/// many times over.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let rows = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
    Ok(take_record_batch(batch, &rows)?)
}

fn source(schema: SchemaRef, opener: Opener, ordered: bool, table: bool) -> Flow {
    Flow { plan: Arc::new(SourceExec::new("held rows", schema, 1, None, opener)), ordered, table }
}

/// The batches in memory, and the room in the pool that they take.
struct Held {
    batches: Vec<RecordBatch>,
    _memory: MemoryReservation,
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    /// Rows 0, 1, 2 ... in batches of ten, held with a pool of so many bytes, and read twice.
    async fn rows_with(pool_bytes: usize) -> (Vec<i64>, usize) {
        let pool = Arc::new(GreedyMemoryPool::new(pool_bytes));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool.clone()).build_arc().unwrap();
        let context = Arc::new(TaskContext::default().with_runtime(runtime));
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let batch =
            |from: i64| RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from_iter_values(from..from + 10))]).unwrap();
        let flow = Flow::of_batches(schema.clone(), (0..50).map(|at| batch(at * 10)).collect(), true);
        let mut seen = 0;
        let look = |batch: &RecordBatch| {
            seen += batch.num_rows();
            Ok(())
        };
        let held = hold(flow, &context, look).await.unwrap();
        assert_eq!(seen, 500);
        let mut all = Vec::new();
        for _ in 0..2 {
            for batch in held.clone().collect(context.clone()).await.unwrap() {
                let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
                all.extend((0..column.len()).map(|row| column.value(row)));
            }
        }
        (all, datafusion::execution::memory_pool::MemoryPool::reserved(&*pool))
    }

    #[tokio::test]
    async fn rows_come_again_in_order_with_and_without_room() {
        let twice: Vec<i64> = (0..500).chain(0..500).collect();
        let (all, reserved) = rows_with(1 << 20).await;
        assert_eq!(all, twice);
        assert!(reserved > 0);
        for bytes in [0, 8_000] {
            assert_eq!(rows_with(bytes).await.0, twice, "{bytes}");
        }
    }
}
