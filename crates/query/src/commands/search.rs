//! `search`: keeps the rows that match a search expression.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::eval::Expr;
use crate::exec::{Flow, transform};
use crate::knowledge::Knowledge;
use crate::language::{Args, QueryError, SearchExpr};
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use std::fmt;
use std::sync::Arc;

/// What `search` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "search",
    aliases: &[],
    syntax: "search <words, \"phrases\", field=value, AND OR NOT, parentheses>",
    summary: "Keeps the events that match; the same language as at the start of a query.",
    examples: &["session AND opened AND user AND root", "* | stats count BY host | search count>=10"],
    parse,
};

/// `search` with its expression.
#[derive(Debug)]
pub struct SearchCommand(SearchExpr);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let expression = args.search()?;
    args.finish()?;
    Ok(Box::new(SearchCommand(expression)))
}

impl SearchCommand {
    /// Keeps the rows that match.
    pub fn new(expression: SearchExpr) -> Self {
        Self(expression)
    }
}

impl fmt::Display for SearchCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "search {}", self.0)
    }
}

impl Command for SearchCommand {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Selecting
    }

    fn required(&self, needed: Required) -> Required {
        let needed = needed.with(self.0.fields());
        if self.0.has_terms() { needed.with(["_raw"]) } else { needed }
    }

    fn as_search(&self) -> Option<&SearchExpr> {
        self.0.is_scannable().then_some(&self.0)
    }

    fn informed(&self, knowledge: &Knowledge) -> Result<Option<Arc<dyn Command>>, QueryError> {
        let known = knowledge.resolve(&self.0)?.grouped();
        Ok((known != self.0).then(|| Arc::new(Self(known)) as Arc<dyn Command>))
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if self.0 == SearchExpr::All {
            return Ok(input.into());
        }
        keep("search", &Expr::from_search(self.0.clone()), input, planner)
    }
}

/// Keeps the rows for which the expression is true.
pub fn keep(name: &'static str, expression: &Expr, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
    let schema = input.schema();
    let compiled = expression.compile_predicate(&schema, &planner.eval)?;
    let work = transform(move |batch: RecordBatch| Ok(filter_record_batch(&batch, &compiled.evaluate_predicate(&batch))?));
    Ok(input.map(name, schema, work).into())
}
