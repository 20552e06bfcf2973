//! How a query runs: what it reads and why, and where the time goes.

use super::body::JsonBody;
use super::error::ApiResult;
use super::schema::{ErrorAnswer, ExplainAnswer, ExplainBody};
use crate::app::App;
use crate::searches::{Running, limits_of};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use taffrail_query::SearchRequest;

/// Explain how a query runs.
///
/// With `analyze` it is run to its end, and real numbers are told; its rows are thrown away.
#[utoipa::path(post, path = "/api/v1/search/explain", tag = "search", request_body = ExplainBody, responses(
    (status = 200, description = "How it runs", body = ExplainAnswer),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer),
    (status = 503, description = "The server is stopping", body = ErrorAnswer)
))]
pub async fn explain(State(app): State<Arc<App>>, JsonBody(body): JsonBody<ExplainBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "explain", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let engine = app.engine.for_one(limits_of(&app.settings.search, None, None)?);
    let engine = if body.sql { engine.in_sql() } else { engine };
    let request = SearchRequest { query: body.query, earliest: body.earliest, latest: body.latest, limit: None, preview: false };
    Ok(Json(running.unless_stopping(engine.explain(request, body.analyze)).await?).into_response())
}
