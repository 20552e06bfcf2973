//! Changes of rows, batch by batch: one mechanism for `eval`, `where`, `rex`, `head`, `dedup` and the like, used by
//! the plan node here and by live tail, which has no plan.

use super::{external, stop_of};
use crate::columns::overflowed;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// What a transform made of a batch.
pub enum Step {
    /// These rows; perhaps none.
    Rows(RecordBatch),
    /// These rows, and no more input is needed.
    Last(RecordBatch),
    /// These rows, made one part after the other, where they are many more than those that came in.
    Parts(Box<dyn Iterator<Item = Result<RecordBatch>> + Send>),
}

/// Changes rows, in order, batch by batch.
pub trait Transform: Send {
    /// Takes a batch of the input.
    fn push(&mut self, batch: RecordBatch) -> Result<Step>;

    /// Gives what was held back, once the input has ended.
    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        Ok(None)
    }
}

impl<F: FnMut(RecordBatch) -> Result<RecordBatch> + Send> Transform for F {
    fn push(&mut self, batch: RecordBatch) -> Result<Step> {
        self(batch).map(Step::Rows)
    }
}

/// Makes a transform in its first state; it may reserve memory from the context's pool.
pub type Make = Arc<dyn Fn(&Arc<TaskContext>) -> Result<Box<dyn Transform>> + Send + Sync>;

/// A stateless transform from a function of a batch.
pub fn transform<F>(function: F) -> Make
where
    F: Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
{
    let function = Arc::new(function);
    Arc::new(move |_| {
        let function = function.clone();
        Ok(Box::new(move |batch| function(batch)))
    })
}

/// A node of a plan that runs a transform over each partition.
pub struct TransformExec {
    label: &'static str,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    make: Make,
}

impl TransformExec {
    /// The rows of `input` changed; they then have `schema`.
    pub fn new(label: &'static str, input: Arc<dyn ExecutionPlan>, schema: SchemaRef, make: Make) -> Self {
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            datafusion::physical_expr::Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Self { label, input, properties: Arc::new(properties), make }
    }
}

impl fmt::Debug for TransformExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransformExec({})", self.label)
    }
}

impl DisplayAs for TransformExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ExecutionPlan for TransformExec {
    fn name(&self) -> &str {
        self.label
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = <[_; 1]>::try_from(children).map_err(|_| DataFusionError::Internal("a transform has one input".to_owned()))?;
        Ok(Arc::new(Self::new(self.label, input, self.schema(), self.make.clone())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let stop = stop_of(&context);
        let mut work = (self.make)(&context)?;
        let mut input = self.input.execute(partition, context)?;
        let stream = async_stream::try_stream! {
            let mut more = true;
            while more {
                let Some(batch) = input.next().await else { break };
                stop.check().map_err(external)?;
                let step = work.push(batch?)?;
                overflowed().map_err(external)?;
                let rows = match step {
                    Step::Rows(rows) => rows,
                    Step::Last(rows) => {
                        more = false;
                        rows
                    }
                    Step::Parts(parts) => {
                        for part in parts {
                            stop.check().map_err(external)?;
                            yield part?;
                        }
                        continue;
                    }
                };
                if rows.num_rows() > 0 {
                    yield rows;
                }
            }
            // Dropped here, so that a finished `head` stops the scan at once.
            drop(input);
            let rest = work.finish()?;
            if let Some(rows) = rest.filter(|rows| rows.num_rows() > 0) {
                yield rows;
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }
}
