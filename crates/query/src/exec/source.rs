//! Where rows come from: anything that can open a stream per partition.

use super::metrics::waited_for;
use super::{external, stop_of};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// Opens the stream of a partition; may be called again, and then gives the same rows.
pub type Opener = Arc<dyn Fn(usize, Arc<TaskContext>) -> Result<SendableRecordBatchStream> + Send + Sync>;

/// A leaf of a plan.
pub struct SourceExec {
    label: &'static str,
    text: String,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    open: Opener,
}

impl SourceExec {
    /// Rows of `schema` in `partitions` streams, each sorted by `ordering` where there is one.
    pub fn new(label: &'static str, schema: SchemaRef, partitions: usize, ordering: Option<LexOrdering>, open: Opener) -> Self {
        let equivalence = match ordering {
            Some(ordering) => EquivalenceProperties::new_with_orderings(schema, [ordering]),
            None => EquivalenceProperties::new(schema),
        };
        let partitioning = Partitioning::UnknownPartitioning(partitions);
        let properties = PlanProperties::new(equivalence, partitioning, EmissionType::Incremental, Boundedness::Bounded);
        Self { label, text: String::new(), properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new(), open }
    }

    /// With words about what it gives, for who looks at the plan.
    #[must_use]
    pub fn about(mut self, text: String) -> Self {
        self.text = text;
        self
    }
}

impl fmt::Debug for SourceExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.text {
            "" => write!(f, "SourceExec({})", self.label),
            text => write!(f, "{}: {text}", self.label),
        }
    }
}

impl DisplayAs for SourceExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ExecutionPlan for SourceExec {
    fn name(&self) -> &str {
        self.label
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { Err(DataFusionError::Internal("a source has no input".to_owned())) }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { Err(DataFusionError::Internal("a source has no input".to_owned())) }
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let stop = stop_of(&context);
        let rows = (self.open)(partition, context)?;
        // Whatever is above asks for rows again and again: that it is to end reaches it from here.
        let rows = rows.map(move |batch| stop.check().map_err(external).and(batch));
        let rows = Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows));
        Ok(waited_for(rows, &self.metrics, partition))
    }
}
