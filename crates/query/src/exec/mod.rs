//! How a pipeline runs: DataFusion plans made of a source, transforms of batches, and DataFusion's own sorts and
//! aggregations. Nothing here knows the language or the store.

pub mod aggregate;
pub mod attach;
pub mod before;
pub mod combine;
mod held;
pub mod join;
pub mod metrics;
pub mod order;
pub mod running;
mod source;
mod transform;

pub use held::hold;
pub use source::{Opener, SourceExec};
pub use transform::{Make, Step, Transform, TransformExec, transform};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
use futures::TryStreamExt;
use std::sync::Arc;
use taffrail_base::Stop;
use taffrail_base::limits::SCAN_BATCH_ROWS;

/// A pipeline so far.
#[derive(Clone, Debug)]
pub struct Flow {
    /// What gives the rows.
    pub plan: Arc<dyn ExecutionPlan>,
    /// Whether the rows are in one partition, in an order that counts.
    pub ordered: bool,
    /// Whether the rows are a table; else they are events.
    pub table: bool,
}

impl Flow {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The names of the columns, those that commands may not see left out.
    pub fn names(&self) -> Vec<String> {
        self.schema().fields().iter().map(|f| f.name().clone()).filter(|n| !n.starts_with(HIDDEN)).collect()
    }

    /// The same rows in a single partition.
    #[must_use]
    pub fn single(self) -> Self {
        if self.plan.output_partitioning().partition_count() <= 1 {
            return self;
        }
        Self { plan: Arc::new(CoalescePartitionsExec::new(self.plan)), ..self }
    }

    /// The rows changed batch by batch, in each partition on its own.
    pub fn map(self, name: &'static str, schema: SchemaRef, make: Make) -> Self {
        Self { plan: Arc::new(TransformExec::new(name, self.plan, schema, make)), ..self }
    }

    /// Runs it; a single stream.
    pub fn stream(self, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.single().plan.execute(0, context)
    }

    /// Runs it and keeps all rows.
    pub async fn collect(self, context: Arc<TaskContext>) -> Result<Vec<RecordBatch>> {
        self.stream(context)?.try_collect().await
    }

    /// Rows that are already there.
    pub fn of_batches(schema: SchemaRef, batches: Vec<RecordBatch>, table: bool) -> Self {
        let opener: Opener = {
            let schema = schema.clone();
            Arc::new(move |_, _| Ok(stream_of(schema.clone(), batches.clone())))
        };
        Self { plan: Arc::new(SourceExec::new("rows", schema, 1, None, opener)), ordered: true, table }
    }
}

/// Batches as a stream, in parts of the usual size.
pub fn stream_of(schema: SchemaRef, batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.into_iter().flat_map(parts))))
}

/// A batch in parts of the usual size. Each has memory of its own: whoever sorts or keeps them counts it.
fn parts(batch: RecordBatch) -> impl Iterator<Item = Result<RecordBatch>> {
    let rows = batch.num_rows();
    (0..rows.div_ceil(SCAN_BATCH_ROWS).max(1)).map(move |part| {
        if rows <= SCAN_BATCH_ROWS {
            return Ok(batch.clone());
        }
        let from = part * SCAN_BATCH_ROWS;
        let taken = UInt32Array::from_iter_values(from as u32..rows.min(from + SCAN_BATCH_ROWS) as u32);
        Ok(take_record_batch(&batch, &taken)?)
    })
}

/// Columns whose names start so are the machinery's own.
pub const HIDDEN: &str = "\u{1}";

/// An error of ours on its way through DataFusion.
pub fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What ends the work that a context is of.
pub fn stop_of(context: &TaskContext) -> Stop {
    context.session_config().get_extension::<Stop>().map(|stop| (*stop).clone()).unwrap_or_default()
}
