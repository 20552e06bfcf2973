//! A scan of the store as a plan: partitions read on threads that may block, joined newest first where order matters.

use crate::columns::normalise;
use crate::commands::column_index;
use crate::exec::{Flow, Opener, SourceExec, external, transform};
use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use async_stream::try_stream;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter};
use futures::StreamExt;
use std::sync::Arc;
use taffrail_store::Scan;

/// Batches that wait between a reading thread and the search: enough to keep both busy.
const WAITING_BATCHES_MAX: usize = 2;

/// The rows of a scan. With `ordered`, its request must be newest first and name `_time` and `_sequence`.
pub fn scan_flow(scan: Scan, ordered: bool) -> Flow {
    let schema = scan.schema();
    let partitions = scan.partitions();
    let ordering = if ordered { newest_first(&schema) } else { None };
    let opener: Opener = {
        let schema = schema.clone();
        Arc::new(move |partition, _| {
            if partition >= scan.partitions() {
                return Ok(Box::pin(EmptyRecordBatchStream::new(schema.clone())));
            }
            Ok(read(&scan, partition, schema.clone()))
        })
    };
    let source = Arc::new(SourceExec::new("scan", schema.clone(), partitions.max(1), ordering.clone(), opener));
    let flow = match ordering {
        Some(ordering) if partitions > 1 => {
            Flow { plan: Arc::new(SortPreservingMergeExec::new(ordering, source)), ordered: true, table: false }
        }
        ordering => Flow { plan: source, ordered: ordering.is_some(), table: false },
    };
    shaped(flow)
}

/// Times descending, then arrival descending.
fn newest_first(schema: &SchemaRef) -> Option<LexOrdering> {
    let options = SortOptions { descending: true, nulls_first: false };
    let key = |name: &str| Some(PhysicalSortExpr::new(Arc::new(ColumnExpr::new(name, column_index(schema, name)?)), options));
    LexOrdering::new([key("_time")?, key("_sequence")?])
}

/// Reads a partition on a thread of its own. When the reader goes away, the thread ends with the batch it is at.
fn read(scan: &Scan, partition: usize, schema: SchemaRef) -> SendableRecordBatchStream {
    let mut builder = RecordBatchReceiverStreamBuilder::new(schema.clone(), WAITING_BATCHES_MAX);
    let sender = builder.tx();
    let batches = scan.run(partition);
    builder.spawn_blocking(move || {
        for batch in batches {
            if sender.blocking_send(batch.map_err(external)).is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut received = builder.build();
    let stream = try_stream! {
        while let Some(batch) = received.next().await {
            yield batch?;
        }
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// The columns in the types of a pipeline, all of them nullable.
pub fn shaped(flow: Flow) -> Flow {
    let given = flow.schema();
    let fields = given.fields().iter().map(|field| {
        let kind = if *field.data_type() == DataType::UInt64 { DataType::Int64 } else { field.data_type().clone() };
        Field::new(field.name(), kind, true)
    });
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let made = schema.clone();
    let work = transform(move |batch: RecordBatch| {
        let columns = batch.columns().iter().map(normalise).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(made.clone(), columns, &options)?)
    });
    flow.map("types", schema, work)
}
