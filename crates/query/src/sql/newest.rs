//! The newest events: `ORDER BY _time DESC`, with or without `LIMIT`, is how the store reads best.

use super::events::{Order, events_table};
use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use std::sync::Arc;

/// Has a table of events read newest first where that is the order asked for.
#[derive(Debug)]
pub struct NewestFirst;

impl OptimizerRule for NewestFirst {
    fn name(&self) -> &'static str {
        "newest_first"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Sort(mut sort) = plan else { return Ok(Transformed::no(plan)) };
        let [key] = &sort.expr[..] else { return Ok(Transformed::no(LogicalPlan::Sort(sort))) };
        let order = match sort.fetch {
            Some(most) => Order::NewestOf(most),
            None => Order::Newest,
        };
        let by_time = if key.asc { None } else { column(&key.expr) };
        let Some(input) = by_time.and_then(|name| ordered(&sort.input, name, order)) else {
            return Ok(Transformed::no(LogicalPlan::Sort(sort)));
        };
        // The sort stays: it has little to do, and nothing where the order is known.
        sort.input = Arc::new(input);
        Ok(Transformed::yes(LogicalPlan::Sort(sort)))
    }
}

fn column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column(&alias.expr),
        _ => None,
    }
}

/// The plan with its events in an order, where its rows are the events and the column is their time.
fn ordered(plan: &LogicalPlan, name: &Column, order: Order) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let at = projection.schema.maybe_index_of_column(name)?;
            let inner = column(projection.expr.get(at)?)?;
            let input = ordered(&projection.input, inner, order)?;
            Some(LogicalPlan::Projection(datafusion::logical_expr::Projection::try_new(projection.expr.clone(), Arc::new(input)).ok()?))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let inner = Column::new_unqualified(name.name.clone());
            let input = ordered(&alias.input, &inner, order)?;
            datafusion::logical_expr::SubqueryAlias::try_new(Arc::new(input), alias.alias.clone()).ok().map(LogicalPlan::SubqueryAlias)
        }
        // Without a limit, rows may be left out on the way: the order stays.
        LogicalPlan::Filter(filter) if order == Order::Newest => {
            let input = ordered(&filter.input, name, order)?;
            datafusion::logical_expr::Filter::try_new(filter.predicate.clone(), Arc::new(input)).ok().map(LogicalPlan::Filter)
        }
        LogicalPlan::TableScan(scan) if name.name == "_time" => {
            let provider = source_as_provider(&scan.source).ok()?;
            let table = events_table(&provider)?;
            if table.order() == order {
                return None;
            }
            let mut scan = scan.clone();
            scan.source = provider_as_source(Arc::new(table.ordered(order)));
            Some(LogicalPlan::TableScan(scan))
        }
        _ => None,
    }
}
