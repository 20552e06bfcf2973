//! A whole search over any source of rows: for tests, and for whatever has rows of its own.

use super::run::whole;
use super::{SearchRequest, prepare};
use crate::commands::Required;
use crate::eval::EvalContext;
use crate::knowledge::Knowledge;
use crate::language::QueryError;
use crate::messages::Message;
use crate::rows::{FieldInfo, Row, fields, rows};
use crate::source::Source;
use datafusion::execution::TaskContext;
use futures::StreamExt;
use jiff::tz::TimeZone;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// The outcome of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The columns.
    pub fields: Vec<FieldInfo>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What there is to say.
    pub messages: Vec<Message>,
}

/// Runs a search over `source`, started at `now`, and keeps its rows.
pub async fn over(
    source: &Arc<dyn Source>,
    request: &SearchRequest,
    now: Timestamp,
    context: Arc<TaskContext>,
    knowledge: Knowledge,
) -> Result<Outcome, QueryError> {
    let eval = EvalContext::new(now, TimeZone::UTC);
    let mut prepared = prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref(), eval, context, knowledge)?;
    let limit = request.limit.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let flow = whole(&mut prepared, source, Required::all(), limit).await?;
    let columns = fields(&flow.schema());
    let mut batches = flow.stream(prepared.planner.context.clone())?;
    let mut all = Vec::new();
    while let Some(batch) = batches.next().await {
        all.extend(rows(&batch?)?);
    }
    Ok(Outcome { fields: columns, rows: all, messages: prepared.planner.messages.take() })
}
