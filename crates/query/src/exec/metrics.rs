//! What nodes of ours count, for who asks where the time went.

use arrow::array::RecordBatch;
use datafusion::error::Result;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

/// The rows of a stream, counted; as time counts what they are waited for.
pub fn waited_for(mut rows: SendableRecordBatchStream, metrics: &ExecutionPlanMetricsSet, partition: usize) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let counted = BaselineMetrics::new(metrics, partition);
    let stream = async_stream::stream! {
        loop {
            let timer = counted.elapsed_compute().timer();
            let batch: Option<Result<RecordBatch>> = rows.next().await;
            timer.done();
            let Some(batch) = batch else { break };
            if let Ok(batch) = &batch {
                counted.record_output(batch.num_rows());
            }
            yield batch;
        }
        counted.done();
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}
