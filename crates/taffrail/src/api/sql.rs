//! Statements of SQL: the same streamed answer as that of a search.

use super::body::JsonBody;
use super::error::ApiResult;
use super::schema::{ErrorAnswer, SearchLine, SqlBody};
use super::search::lines;
use crate::app::App;
use crate::queue::Lane;
use crate::searches::{Running, limits_of};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use taffrail_query::SearchRequest;

/// Run a statement of SQL.
///
/// The answer is JSON lines as those of a search. Statements only read.
#[utoipa::path(post, path = "/api/v1/sql", tag = "search", request_body = SqlBody, responses(
    (status = 200, description = "JSON lines", body = SearchLine, content_type = "application/x-ndjson"),
    (status = 400, description = "The statement or the body is wrong", body = ErrorAnswer),
    (status = 413, description = "The body is too large", body = ErrorAnswer),
    (status = 503, description = "The server is stopping", body = ErrorAnswer)
))]
pub async fn sql(State(app): State<Arc<App>>, JsonBody(body): JsonBody<SqlBody>) -> ApiResult<Response> {
    let limits = limits_of(&app.settings.search, body.timeout, body.max_memory)?;
    let running = Running::enter(&app, Lane::Interactive, "sql", &body.query, body.earliest.as_deref(), body.latest.as_deref())?;
    let SqlBody { query, earliest, latest, limit, timeout: _, max_memory: _ } = body;
    let request = SearchRequest { query, earliest, latest, limit: limit.filter(|limit| *limit > 0), preview: false };
    // What is wrong with the statement is said at once; it runs when it has a place.
    let messages = running.noted(app.engine.for_one(limits).sql(request).await)?;
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines(messages, running))).into_response())
}
