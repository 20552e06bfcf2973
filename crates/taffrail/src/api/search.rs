//! Searches: the streamed answer, the timeline, the fields, the patterns.

use super::body::JsonBody;
use super::error::{ApiError, ApiResult, of_running_search};
use super::schema::{ErrorAnswer, FieldsAnswer, PatternsAnswer, RangeBody, Row, SearchBody, SearchLine, TimelineAnswer, TimelineBody};
use crate::app::App;
use crate::timerange;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use taffrail_base::{Error, ErrorKind, limits};
use taffrail_event::Timestamp;
use taffrail_query::{SearchMessage, SearchRequest};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// A search that may run: holds its place among the running ones until dropped.
pub struct Running {
    app: Arc<App>,
    _permit: OwnedSemaphorePermit,
}

impl Running {
    /// Waits for a place, and records who searches for what.
    pub async fn begin(app: &Arc<App>, action: &str, query: &str, earliest: Option<&str>, latest: Option<&str>) -> ApiResult<Self> {
        if query.len() > limits::QUERY_BYTES_MAX {
            return Err(ApiError::too_large(format!("the query is longer than {} bytes", limits::QUERY_BYTES_MAX)));
        }
        timerange::check(earliest, latest, Timestamp(app.clock.now_nanos()))?;
        let permit = Arc::clone(&app.searches).acquire_owned().await.map_err(|_| stopping())?;
        if app.stopping.is_cancelled() {
            return Err(stopping().into());
        }
        app.meters.searches.fetch_add(1, Ordering::Relaxed);
        app.meters.searches_running.fetch_add(1, Ordering::Relaxed);
        let running = Self { app: Arc::clone(app), _permit: permit };
        app.audit.record(action, json!({"query": query, "earliest": earliest, "latest": latest})).await;
        Ok(running)
    }

    /// Resolves its `cancelled` when the server stops.
    pub fn stop(&self) -> CancellationToken {
        self.app.stopping.clone()
    }

    /// Notes that the search failed.
    pub fn failed(&self) {
        self.app.meters.search_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Passes a result on, noting a failure.
    pub fn noted<T, E: Into<ApiError>>(&self, result: Result<T, E>) -> ApiResult<T> {
        result.map_err(|error| {
            self.failed();
            error.into()
        })
    }

    /// Passes a result on, unless the server stops first.
    pub async fn unless_stopping<T, E: Into<ApiError>>(&self, work: impl Future<Output = Result<T, E>>) -> ApiResult<T> {
        tokio::select! {
            result = work => self.noted(result),
            () = self.app.stopping.cancelled() => Err(stopping().into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.meters.searches_running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The error of everything that a stopping server breaks off.
pub fn stopping() -> Error {
    Error::new(ErrorKind::Cancelled, "the server is stopping")
}

/// Run a search.
///
/// The answer is JSON lines, told apart by `type`: first `start`, then `progress`, `rows` and `message` as they
/// come, last `done` or `error`. Closing the connection stops the search.
#[utoipa::path(post, path = "/api/v1/search", tag = "search", request_body = SearchBody, responses(
    (status = 200, description = "JSON lines", body = SearchLine, content_type = "application/x-ndjson"),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer),
    (status = 413, description = "The body is too large", body = ErrorAnswer),
    (status = 503, description = "The server is stopping", body = ErrorAnswer)
))]
pub async fn search(State(app): State<Arc<App>>, JsonBody(body): JsonBody<SearchBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "search", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let request = SearchRequest {
        query: body.query,
        earliest: body.earliest,
        latest: body.latest,
        limit: body.limit.filter(|l| *l > 0),
        preview: body.preview,
    };
    let messages = running.noted(app.engine.search(request).await)?;
    let lines = lines(messages, running);
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// The messages as JSON lines. Dropping the stream (the client went away) drops the search.
pub fn lines(
    messages: impl Stream<Item = SearchMessage> + Send + 'static,
    running: Running,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    async_stream::stream! {
        let mut messages = Box::pin(messages);
        let stop = running.app.stopping.clone();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = stop.cancelled() => {
                    let error = json!({"type": "error", "error": {"kind": "cancelled", "message": "the server is stopping"}});
                    yield Ok(Bytes::from(format!("{error}\n")));
                    break;
                }
            };
            let Some(message) = message else { break };
            let written = match message {
                SearchMessage::Error { error } => {
                    running.failed();
                    serde_json::to_vec(&json!({"type": "error", "error": of_running_search(error)}))
                }
                message => serde_json::to_vec(&message),
            };
            let mut line = written.unwrap_or_else(|e| json!({"type": "error", "error": {"kind": "bug", "message": e.to_string()}}).to_string().into_bytes());
            line.push(b'\n');
            yield Ok(Bytes::from(line));
        }
    }
}

/// All rows of a query of the server's own, which is neither counted nor audited.
pub async fn rows_of(app: &Arc<App>, query: &str) -> ApiResult<Vec<Row>> {
    let request = SearchRequest { query: query.into(), earliest: None, latest: None, limit: None, preview: false };
    let mut messages = Box::pin(app.engine.search(request).await?);
    let mut all = Vec::new();
    while let Some(message) = messages.next().await {
        match message {
            SearchMessage::Rows { preview: false, rows, .. } => all.extend(rows),
            SearchMessage::Error { error } => return Err(error.into()),
            _ => {}
        }
    }
    Ok(all)
}

/// Count the events of a search over time.
#[utoipa::path(post, path = "/api/v1/search/timeline", tag = "search", request_body = TimelineBody, responses(
    (status = 200, description = "Bars without gaps", body = TimelineAnswer),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer)
))]
pub async fn timeline(State(app): State<Arc<App>>, JsonBody(body): JsonBody<TimelineBody>) -> ApiResult<Response> {
    if !(1..=2_000).contains(&body.buckets) {
        return Err(ApiError::invalid(format!("buckets is {}, and must be 1 to 2000", body.buckets)));
    }
    let running = Running::begin(&app, "timeline", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let work = app.engine.timeline(&body.query, body.earliest.as_deref(), body.latest.as_deref(), body.buckets);
    Ok(Json(running.unless_stopping(work).await?).into_response())
}

/// The fields of a result, with counts and top values.
#[utoipa::path(post, path = "/api/v1/search/fields", tag = "search", request_body = RangeBody, responses(
    (status = 200, description = "Most frequent first", body = FieldsAnswer),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer)
))]
pub async fn fields(State(app): State<Arc<App>>, JsonBody(body): JsonBody<RangeBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "fields", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let work = app.engine.fields(&body.query, body.earliest.as_deref(), body.latest.as_deref());
    Ok(Json(running.unless_stopping(work).await?).into_response())
}

/// The patterns of a result: each once, with its count, share and trend.
#[utoipa::path(post, path = "/api/v1/search/patterns", tag = "search", request_body = RangeBody, responses(
    (status = 200, description = "Most frequent first", body = PatternsAnswer),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer)
))]
pub async fn patterns(State(app): State<Arc<App>>, JsonBody(body): JsonBody<RangeBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "patterns", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let work = app.engine.patterns(&body.query, body.earliest.as_deref(), body.latest.as_deref());
    Ok(Json(running.unless_stopping(work).await?).into_response())
}

/// A value of an answer as JSON, for answers whose parts are put together here.
pub fn to_value(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
