//! Statements of SQL: the same streamed answer as that of a search.

use super::body::JsonBody;
use super::error::ApiResult;
use super::schema::{ErrorAnswer, SearchLine, SqlBody};
use super::search::{Running, lines};
use crate::app::App;
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
    let running = Running::begin(&app, "sql", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let request = SearchRequest {
        query: body.query,
        earliest: body.earliest,
        latest: body.latest,
        limit: body.limit.filter(|l| *l > 0),
        preview: false,
    };
    let messages = running.noted(app.engine.sql(request).await)?;
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines(messages, running))).into_response())
}
