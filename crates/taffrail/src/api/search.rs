//! Searches: the streamed answer, the timeline, the fields, the patterns.

use super::body::JsonBody;
use super::error::{ApiError, ApiResult, of_running_search};
use super::schema::{ErrorAnswer, FieldsAnswer, PatternsAnswer, RangeBody, Row, SearchBody, SearchLine, TimelineAnswer, TimelineBody};
use crate::app::App;
use crate::queue::Lane;
use crate::searches::limits_of;
pub use crate::searches::{Running, stopping};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use taffrail_query::{SearchMessage, SearchRequest};

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
    let limits = limits_of(&app.settings.search, body.timeout, body.max_memory)?;
    let running = Running::enter(&app, Lane::Interactive, "search", &body.query, body.earliest.as_deref(), body.latest.as_deref())?;
    // What is wrong with the query is said at once; the search runs when it has a place.
    let messages = running.noted(app.engine.for_one(limits).search(body.into()).await)?;
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines(messages, running))).into_response())
}

impl From<SearchBody> for SearchRequest {
    fn from(body: SearchBody) -> Self {
        let SearchBody { query, earliest, latest, limit, preview, timeout: _, max_memory: _ } = body;
        Self { query, earliest, latest, limit: limit.filter(|limit| *limit > 0), preview }
    }
}

/// How often somebody whose search waits is told how many go first.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// The messages as JSON lines, once the search has a place. Dropping the stream (the client went away) drops the search.
pub fn lines(
    messages: impl Stream<Item = SearchMessage> + Send + 'static,
    mut running: Running,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    async_stream::stream! {
        let mut told = None;
        loop {
            match running.admitted_within(TOLD_EVERY).await {
                Ok(None) => break,
                Ok(ahead) if ahead == told => {}
                Ok(ahead) => {
                    told = ahead;
                    let text = waits(ahead.unwrap_or(0));
                    yield Ok(line(&json!({"type": "message", "severity": "info", "text": text})));
                }
                Err(error) => {
                    yield Ok(line(&json!({"type": "error", "error": ApiError::from(error).detail()})));
                    return;
                }
            }
        }
        let mut messages = Box::pin(messages);
        let stop = running.stop();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = stop.cancelled() => {
                    yield Ok(line(&json!({"type": "error", "error": ApiError::from(stopping()).detail()})));
                    break;
                }
            };
            let Some(message) = message else { break };
            running.told(&message);
            yield Ok(match message {
                SearchMessage::Error { error } => line(&json!({"type": "error", "error": of_running_search(error)})),
                message => line(&message),
            });
        }
    }
}

/// What is said of a search that waits.
pub fn waits(ahead: usize) -> String {
    match ahead {
        0 => "all places are taken: this search is the next to begin".to_owned(),
        1 => "all places are taken: one search goes before this one".to_owned(),
        many => format!("all places are taken: {many} searches go before this one"),
    }
}

/// A message as a line of JSON.
pub fn line(message: &impl serde::Serialize) -> Bytes {
    let bug = |e: serde_json::Error| json!({"type": "error", "error": {"kind": "bug", "message": e.to_string()}}).to_string().into_bytes();
    let mut line = serde_json::to_vec(message).unwrap_or_else(bug);
    line.push(b'\n');
    Bytes::from(line)
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
    let engine = app.engine.for_one(limits_of(&app.settings.search, None, None)?);
    let work = engine.timeline(&body.query, body.earliest.as_deref(), body.latest.as_deref(), body.buckets);
    Ok(Json(running.unless_stopping(work).await?).into_response())
}

/// The fields of a result, with counts and top values.
#[utoipa::path(post, path = "/api/v1/search/fields", tag = "search", request_body = RangeBody, responses(
    (status = 200, description = "Most frequent first", body = FieldsAnswer),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer)
))]
pub async fn fields(State(app): State<Arc<App>>, JsonBody(body): JsonBody<RangeBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "fields", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let engine = app.engine.for_one(limits_of(&app.settings.search, None, None)?);
    let work = engine.fields(&body.query, body.earliest.as_deref(), body.latest.as_deref());
    Ok(Json(running.unless_stopping(work).await?).into_response())
}

/// The patterns of a result: each once, with its count, share and trend.
#[utoipa::path(post, path = "/api/v1/search/patterns", tag = "search", request_body = RangeBody, responses(
    (status = 200, description = "Most frequent first", body = PatternsAnswer),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer)
))]
pub async fn patterns(State(app): State<Arc<App>>, JsonBody(body): JsonBody<RangeBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "patterns", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let engine = app.engine.for_one(limits_of(&app.settings.search, None, None)?);
    let work = engine.patterns(&body.query, body.earliest.as_deref(), body.latest.as_deref());
    Ok(Json(running.unless_stopping(work).await?).into_response())
}

/// A value of an answer as JSON, for answers whose parts are put together here.
pub fn to_value(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
