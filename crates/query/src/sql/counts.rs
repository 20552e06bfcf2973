//! Counts that the store has without reading rows: `count(*)`, and by the values of fields.
//!
//! The first step of such an aggregation is replaced by the store's answer; the second adds it up as ever. Where the
//! store has none, the first step runs as it was planned.

use super::events::EventsExec;
use crate::commands::{Direct, blocking};
use crate::exec::{Flow, Opener, SourceExec, external, stream_of};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatchOptions;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use rustc_hash::FxHashMap;
use std::any::Any;
use std::sync::Arc;

/// Puts the store's counts in place of rows that would only be counted.
#[derive(Debug)]
pub struct CountsFromStore;

impl PhysicalOptimizerRule for CountsFromStore {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match replaced(&node) {
                Some(counts) => Transformed::yes(Arc::new(counts)),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "counts_from_store"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn downcast<T: 'static>(plan: &Arc<dyn ExecutionPlan>) -> Option<&T> {
    (plan.as_ref() as &dyn Any).downcast_ref::<T>()
}

/// The column of events that an expression is, through projections.
fn event_column(expr: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let column = (expr.as_ref() as &dyn Any).downcast_ref::<Column>()?;
    match downcast::<ProjectionExec>(input) {
        Some(projection) => event_column(&projection.expr().get(column.index())?.expr, projection.input()),
        None => Some(input.schema().field(column.index()).name().clone()),
    }
}

fn events(input: &Arc<dyn ExecutionPlan>) -> Option<&EventsExec> {
    match downcast::<ProjectionExec>(input) {
        Some(projection) => events(projection.input()),
        None => downcast::<EventsExec>(input),
    }
}

fn is_constant(expr: &Arc<dyn PhysicalExpr>) -> bool {
    (expr.as_ref() as &dyn Any).downcast_ref::<Literal>().is_some_and(|literal| !literal.value().is_null())
}

fn replaced(node: &Arc<dyn ExecutionPlan>) -> Option<SourceExec> {
    let aggregate = downcast::<AggregateExec>(node)?;
    let group = aggregate.group_expr();
    if *aggregate.mode() != AggregateMode::Partial || group.has_grouping_set() || aggregate.filter_expr().iter().any(Option::is_some) {
        return None;
    }
    let direct = events(aggregate.input())?.direct()?.clone();
    let fields = group.expr().iter().map(|(expr, _)| event_column(expr, aggregate.input())).collect::<Option<Vec<_>>>()?;
    let countable = |name: &String| !name.starts_with(crate::exec::HIDDEN) && (!name.starts_with('_') || name == "_pattern");
    if !fields.iter().all(countable) || fields.iter().filter(|name| !always(name)).count() > 1 {
        return None;
    }
    let counts_rows = aggregate.aggr_expr().iter().all(|one| {
        one.fun().name() == "count" && !one.is_distinct() && one.expressions().iter().all(is_constant) && one.order_bys().is_empty()
    });
    let schema = node.schema();
    let types = schema.fields().iter().enumerate();
    let typed = types.into_iter().all(|(at, field)| *field.data_type() == if at < fields.len() { DataType::Utf8 } else { DataType::Int64 });
    // Without anything to count, groups alone are asked for: DISTINCT.
    let asked = !(fields.is_empty() && aggregate.aggr_expr().is_empty());
    (counts_rows && typed && asked).then(|| counts(node.clone(), direct, fields))
}

/// Whether every event has the field.
fn always(name: &str) -> bool {
    matches!(name, "index" | "host" | "source" | "sourcetype")
}

/// Counts of the store, or those that `rows` makes where the store has none.
fn counts(rows: Arc<dyn ExecutionPlan>, direct: Arc<dyn Direct>, fields: Vec<String>) -> SourceExec {
    let (schema, text) = (rows.schema(), format!("by=[{}]", fields.join(", ")));
    let made = schema.clone();
    let open: Opener = Arc::new(move |_, context| {
        let (direct, fields, rows, schema) = (direct.clone(), fields.clone(), rows.clone(), schema.clone());
        let made = schema.clone();
        let work = async move {
            let asked = fields.clone();
            let found = blocking(move || counted(&*direct, &asked)).await.map_err(external)?;
            match found {
                Some(counts) => Ok(stream_of(made.clone(), vec![batch(&made, fields.len(), &counts)?])),
                None => Flow { plan: rows, ordered: false, table: true }.stream(context),
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(work).try_flatten())))
    });
    SourceExec::new("CountsExec", made, 1, None, open).about(text)
}

/// A combination of values and how many events have it.
type Counted = Vec<(Vec<Option<String>>, u64)>;

/// The counts of all combinations, missing values included: of the fields, all but one are in every event.
fn counted(direct: &dyn Direct, fields: &[String]) -> taffrail_base::Result<Option<Counted>> {
    if fields.is_empty() {
        return Ok(direct.count()?.map(|count| vec![(Vec::new(), count)]));
    }
    let Some(found) = direct.count_by(fields)? else { return Ok(None) };
    let mut all: Counted = found.rows().map(|(values, count)| (values.into_iter().map(Some).collect(), count)).collect();
    let Some(at) = fields.iter().position(|name| !always(name)) else { return Ok(Some(all)) };
    // The events that lack the field are those that are left of all.
    let others: Vec<String> = fields.iter().filter(|name| always(name)).cloned().collect();
    let Some(totals) = counted(direct, &others)? else { return Ok(None) };
    let mut left: FxHashMap<Vec<Option<String>>, u64> = totals.into_iter().collect();
    for (values, count) in &all {
        let mut key = values.clone();
        key.remove(at);
        if let Some(total) = left.get_mut(&key) {
            *total = total.saturating_sub(*count);
        }
    }
    for (mut key, count) in left.into_iter().filter(|(_, count)| *count > 0) {
        key.insert(at, None);
        all.push((key, count));
    }
    Ok(Some(all))
}

fn batch(schema: &Arc<Schema>, fields: usize, counts: &Counted) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::new();
    for at in 0..fields {
        columns.push(Arc::new(counts.iter().map(|(values, _)| values[at].as_deref()).collect::<StringArray>()));
    }
    for _ in fields..schema.fields().len() {
        columns.push(Arc::new(Int64Array::from_iter_values(counts.iter().map(|(_, count)| *count as i64))));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(counts.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
