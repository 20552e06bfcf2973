//! Live tail: what matches, as it arrives, by server-sent events.

use super::body::Params;
use super::error::{ApiError, ApiResult};
use super::schema::ErrorAnswer;
use crate::app::App;
use crate::searches::made_apart;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// What to follow.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TailParams {
    /// The query; only commands that work event by event. All events when absent.
    #[param(example = "sourcetype=syslog error")]
    query: Option<String>,
}

/// Follow events as they arrive.
///
/// Server-sent events: `row` with a row as JSON, `error` with an error, after which the stream ends. A comment every
/// 15 seconds keeps the connection alive.
#[utoipa::path(get, path = "/api/v1/tail", tag = "live", params(TailParams), responses(
    (status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"),
    (status = 400, description = "The query is wrong or cannot be followed", body = ErrorAnswer),
    (status = 503, description = "Too many live tails are open", body = ErrorAnswer)
))]
pub async fn tail(State(app): State<Arc<App>>, Params(params): Params<TailParams>) -> ApiResult<Response> {
    let query = params.query.filter(|q| !q.trim().is_empty()).unwrap_or_else(|| "*".into());
    let permit = Arc::clone(&app.tails)
        .try_acquire_owned()
        .map_err(|_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many live tails are open").with_hint("close one"))?;
    let rows = made_apart(&app.search_threads.handle(), app.engine.tail(&query).await?);
    app.audit.record("tail", json!({"query": query})).await;
    app.meters.tails_open.fetch_add(1, Ordering::Relaxed);
    let open = Open { app, _permit: permit };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("alive");
    let mut response = Sse::new(events(rows, open)).keep_alive(keep_alive).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// An open tail; counted until dropped.
struct Open {
    app: Arc<App>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.meters.tails_open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn events<R: serde::Serialize + Send, E: Into<ApiError> + Send>(
    rows: impl Stream<Item = Result<R, E>> + Send + 'static,
    open: Open,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    async_stream::stream! {
        let mut rows = Box::pin(rows);
        let stop = open.app.stopping.clone();
        loop {
            let row = tokio::select! {
                row = rows.next() => row,
                () = stop.cancelled() => break,
            };
            match row {
                Some(Ok(row)) => yield Ok(Event::default().event("row").data(super::search::to_value(row).to_string())),
                Some(Err(error)) => {
                    let error: ApiError = error.into();
                    yield Ok(Event::default().event("error").data(json!({"error": error.detail()}).to_string()));
                    break;
                }
                None => break,
            }
        }
    }
}
