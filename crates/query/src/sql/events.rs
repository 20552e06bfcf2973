//! A table of events: what is asked of it goes to the source as a search would put it.

use super::pushdown::{Condition, Translator};
use super::scope::CORE;
use crate::columns::{Values, normalise, time_type};
use crate::commands::{Direct, Required, column_index};
use crate::eval::{EvalContext, Expr as SearchPredicate};
use crate::exec::metrics::waited_for;
use crate::exec::{Flow, HIDDEN, transform};
use crate::language::SearchExpr;
use crate::messages::Messages;
use crate::source::{Source, Wanted};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use taffrail_store::Filter;

/// In which order the events come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// In any.
    #[default]
    Any,
    /// Newest first.
    Newest,
    /// Newest first, and no more than so many.
    NewestOf(usize),
}

/// What all tables of events of a statement share.
#[derive(Clone)]
pub struct Reading {
    /// Where the events are.
    pub source: Arc<dyn Source>,
    /// For searches that look at rows.
    pub eval: EvalContext,
    /// What there is to say.
    pub messages: Messages,
}

/// A table of events.
#[derive(Clone)]
pub struct EventsTable {
    name: String,
    reading: Reading,
    base: Wanted,
    schema: SchemaRef,
    searches: Arc<Vec<SearchExpr>>,
    order: Order,
}

impl fmt::Debug for EventsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventsTable")
    }
}

/// The type of a column of events.
fn column(name: &str) -> Field {
    match name {
        // Every event has a time, so that an order by it needs no word about missing ones.
        "_time" => Field::new(name, time_type(), false),
        "_indextime" => Field::new(name, time_type(), true),
        "_sequence" => Field::new(name, DataType::Int64, true),
        _ => Field::new(name, DataType::Utf8, true),
    }
}

impl EventsTable {
    /// The events that `base` wants, with these fields; `searches` are hidden columns.
    pub fn new(name: String, reading: Reading, base: Wanted, fields: &[String], searches: Vec<SearchExpr>) -> Self {
        let (text, first) = (CORE[5], &CORE[..5]);
        let mut columns: Vec<Field> = first.iter().map(|name| column(name)).collect();
        columns.extend(fields.iter().filter(|name| !CORE.contains(&name.as_str())).map(|name| column(name)));
        columns.push(column(text));
        columns.extend((0..searches.len()).map(|number| Field::new(super::names::hidden(number), DataType::Boolean, true)));
        Self { name, reading, base, schema: Arc::new(Schema::new(columns)), searches: Arc::new(searches), order: Order::Any }
    }

    /// The same events in an order.
    #[must_use]
    pub fn ordered(&self, order: Order) -> Self {
        Self { order, ..self.clone() }
    }

    /// The name that the planner knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In which order the events come.
    pub fn order(&self) -> Order {
        self.order
    }

    fn search(&self, column: &str) -> Option<&SearchExpr> {
        let number: usize = column.strip_prefix(HIDDEN)?.strip_prefix("search")?.parse().ok()?;
        self.searches.get(number)
    }

    fn translated(&self, filter: &Expr) -> Option<Condition> {
        let search = |column: &str| self.search(column).filter(|search| search.is_scannable()).map(SearchExpr::filter);
        Translator { search: &search }.condition(filter)
    }

    /// Whether the store decides the condition.
    pub fn decides(&self, filter: &Expr) -> bool {
        self.translated(filter).is_some()
    }

    /// What is wanted of the source when these conditions hold.
    pub fn wanted(&self, filters: &[Expr]) -> Wanted {
        let mut wanted = self.base.clone();
        for condition in filters.iter().filter_map(|filter| self.translated(filter)) {
            match condition {
                Condition::Time(from, to) => {
                    wanted.earliest = wanted.earliest.max(from);
                    wanted.latest = wanted.latest.min(to);
                }
                Condition::Filter(filter) => wanted.filters.push(filter),
            }
        }
        if wanted.earliest > wanted.latest {
            // Nothing is both.
            wanted.filters.push(Filter::Nothing);
            wanted.earliest = wanted.latest;
        }
        wanted
    }

    /// The rows as columns of `schema`, with what the hidden columns say.
    fn shaped(&self, flow: Flow, schema: &SchemaRef) -> Result<Flow> {
        let given = flow.schema();
        let mut columns: Vec<Made> = Vec::new();
        for field in schema.fields() {
            columns.push(match self.search(field.name()) {
                Some(search) => {
                    let predicate = SearchPredicate::from_search(search.clone());
                    let compiled = predicate.compile_predicate(&given, &self.reading.eval);
                    Made::Search(Arc::new(compiled.map_err(|error| DataFusionError::External(Box::new(error)))?))
                }
                None => Made::Column(column_index(&given, field.name())),
            });
        }
        let made = schema.clone();
        let work = transform(move |batch: RecordBatch| {
            let rows = batch.num_rows();
            let arrays = columns.iter().zip(made.fields()).map(|(column, field)| -> Result<ArrayRef> {
                Ok(match column {
                    Made::Column(Some(at)) => fitted(batch.column(*at), field.data_type())?,
                    Made::Column(None) => arrow::array::new_null_array(field.data_type(), rows),
                    Made::Search(compiled) => Arc::new(compiled.evaluate_predicate(&batch)),
                })
            });
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(made.clone(), arrays.collect::<Result<Vec<_>>>()?, &options)?)
        });
        Ok(flow.map("columns", schema.clone(), work))
    }
}

enum Made {
    Column(Option<usize>),
    Search(Arc<crate::eval::Compiled>),
}

/// A column in the type that the table says.
fn fitted(column: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    if column.data_type() == kind {
        return Ok(column.clone());
    }
    let column = normalise(column)?;
    if *kind == DataType::Utf8 {
        let values = Values::of(&column)?;
        let texts: arrow::array::StringArray = (0..column.len()).map(|row| values.text(row)).collect();
        return Ok(Arc::new(texts));
    }
    Ok(arrow::compute::cast(&column, kind)?)
}

#[async_trait::async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let decided = |filter: &&Expr| match self.decides(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(decided).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(places) => Arc::new(self.schema.project(places)?),
            None => self.schema.clone(),
        };
        let mut wanted = self.wanted(filters);
        let mut names: Vec<String> = Vec::new();
        for field in schema.fields() {
            match self.search(field.name()) {
                Some(search) => {
                    names.extend(search.fields());
                    names.extend(search.has_terms().then(|| "_raw".to_owned()));
                }
                None => names.push(field.name().clone()),
            }
        }
        wanted.required = Required::of(names);
        let order = match (self.order, limit) {
            (Order::NewestOf(most), limit) => Order::NewestOf(most.min(limit.unwrap_or(most))),
            (_, Some(limit)) => Order::NewestOf(limit),
            (order, None) => order,
        };
        wanted.ordered = order != Order::Any;
        wanted.limit = if let Order::NewestOf(most) = order { Some(most) } else { None };
        let text = described(&wanted, &schema, order);
        let opened = self.reading.source.open(wanted, self.reading.messages.clone()).await;
        let opened = opened.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let flow = self.shaped(opened.flow, &schema)?;
        let flow = match order {
            Order::Any => flow,
            Order::Newest => flow.single(),
            Order::NewestOf(most) => crate::commands::head::first_rows(flow.single(), most),
        };
        Ok(Arc::new(EventsExec::new(flow, opened.direct, order, text)))
    }
}

/// What is read, in words.
fn described(wanted: &Wanted, schema: &Schema, order: Order) -> String {
    let mut out = String::new();
    if wanted.search != SearchExpr::All {
        out.push_str(&format!("search=[{}], ", wanted.search));
    }
    if wanted.earliest > taffrail_event::Timestamp::MIN {
        out.push_str(&format!("from={}, ", wanted.earliest));
    }
    if wanted.latest < taffrail_event::Timestamp::MAX {
        out.push_str(&format!("to={}, ", wanted.latest));
    }
    if !wanted.filters.is_empty() {
        out.push_str(&format!("conditions={}, ", wanted.filters.len()));
    }
    match order {
        Order::Any => {}
        Order::Newest => out.push_str("newest first, "),
        Order::NewestOf(most) => out.push_str(&format!("newest {most}, ")),
    }
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().trim_start_matches(HIDDEN)).collect();
    out.push_str(&format!("fields=[{}]", names.join(", ")));
    out
}

/// Reads events: a leaf of the plan, whatever is behind it.
pub struct EventsExec {
    inner: Arc<dyn ExecutionPlan>,
    direct: Option<Arc<dyn Direct>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    text: String,
}

impl EventsExec {
    fn new(flow: Flow, direct: Option<Arc<dyn Direct>>, order: Order, text: String) -> Self {
        let schema = flow.schema();
        let newest = SortOptions { descending: true, nulls_first: false };
        let ordering = column_index(&schema, "_time")
            .filter(|_| order != Order::Any)
            .and_then(|at| LexOrdering::new([PhysicalSortExpr::new(Arc::new(ColumnExpr::new("_time", at)), newest)]));
        let equivalence = match ordering {
            Some(ordering) => EquivalenceProperties::new_with_orderings(schema, [ordering]),
            None => EquivalenceProperties::new(schema),
        };
        let partitioning = flow.plan.output_partitioning().clone();
        let properties = PlanProperties::new(equivalence, partitioning, EmissionType::Incremental, Boundedness::Bounded);
        Self { inner: flow.plan, direct, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new(), text }
    }

    /// Answers without rows, where there are any.
    pub fn direct(&self) -> Option<&Arc<dyn Direct>> {
        self.direct.as_ref()
    }
}

impl fmt::Debug for EventsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventsExec: {}", self.text)
    }
}

impl DisplayAs for EventsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ExecutionPlan for EventsExec {
    fn name(&self) -> &'static str {
        "EventsExec"
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

    fn replace_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>, _: ReplaceChildrenOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(waited_for(self.inner.execute(partition, context)?, &self.metrics, partition))
    }
}

/// Rows of the search language as a leaf of the plan.
pub fn leaf(flow: Flow, text: String) -> Arc<dyn ExecutionPlan> {
    Arc::new(EventsExec::new(flow, None, Order::Any, text))
}

/// The table of events behind what the planner has.
pub fn events_table(provider: &Arc<dyn TableProvider>) -> Option<&EventsTable> {
    (provider.as_ref() as &dyn Any).downcast_ref::<EventsTable>()
}
