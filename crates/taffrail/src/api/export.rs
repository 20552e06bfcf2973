//! Export: the rows of a search in one form, without anything else, and events with their bytes for other programs.

use super::body::JsonBody;
use super::error::{ApiError, ApiResult};
use super::schema::{ErrorAnswer, EventsExportBody, ExportBody, Field, ResultKind};
use super::search::{Running, stopping};
use crate::app::App;
use crate::export::{self as events, Format, Piece};
use crate::output::{self, Form, Style};
use crate::rawbytes;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use std::io::{self, Write};
use std::sync::Arc;
use taffrail_query::{SearchMessage, SearchRequest};

/// Run a search and download its rows.
///
/// `raw` gives each event's bytes as they arrived, and a newline; `json` one object a line; `csv` RFC 4180 with a
/// header. When the search fails half way the connection is broken off, so that a part is not taken for the whole.
#[utoipa::path(post, path = "/api/v1/search/export", tag = "search", request_body = ExportBody, responses(
    (status = 200, description = "The rows", body = String, content_type = "application/octet-stream"),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer),
    (status = 503, description = "The server is stopping", body = ErrorAnswer)
))]
pub async fn export(State(app): State<Arc<App>>, JsonBody(body): JsonBody<ExportBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "export", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let request = SearchRequest {
        query: body.query,
        earliest: body.earliest,
        latest: body.latest,
        limit: body.limit.filter(|l| *l > 0),
        preview: false,
    };
    let stream = match body.format {
        Form::Raw => {
            let bytes = running.noted(rawbytes::search(&app.engine, request).await)?;
            let bytes = bytes.map(|b| b.map_err(|e| ApiError::from(e).into_io()));
            Body::from_stream(until_stopped(bytes, running))
        }
        form => {
            let messages = running.noted(app.engine.search(request).await)?;
            Body::from_stream(until_stopped(written(form, messages), running))
        }
    };
    let headers = [(header::CONTENT_TYPE, body.format.media_type()), (header::CONTENT_DISPOSITION, disposition(body.format))];
    Ok((headers, stream).into_response())
}

/// Download events, nothing lost.
///
/// `raw` gives the bytes of each event as they arrived, with a delimiter; `jsonl` one object a line, with `_raw_base64` where
/// an event is no text; `parquet` a file that holds the same. When it fails half way the connection is broken off.
#[utoipa::path(post, path = "/api/v1/export", tag = "search", request_body = EventsExportBody, responses(
    (status = 200, description = "The events", body = String, content_type = "application/octet-stream"),
    (status = 400, description = "The search or the body is wrong", body = ErrorAnswer),
    (status = 503, description = "The server is stopping", body = ErrorAnswer)
))]
pub async fn export_events(State(app): State<Arc<App>>, JsonBody(body): JsonBody<EventsExportBody>) -> ApiResult<Response> {
    let running = Running::begin(&app, "export", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let pieces = running.noted(events::start(&app.engine, &body).await)?;
    let framed = body.framed;
    let bytes = pieces.filter_map(move |piece| async move {
        match piece {
            Ok(piece) if framed => Some(Ok(Bytes::from(events::frame(piece)))),
            Ok(Piece::Bytes(bytes)) => Some(Ok(Bytes::from(bytes))),
            Ok(Piece::End(_)) => None,
            Err(error) => Some(Err(ApiError::from(error).into_io())),
        }
    });
    let (kind, disposition) = match body.format {
        _ if framed => ("application/octet-stream", "inline"),
        Format::Raw => ("application/octet-stream", "attachment; filename=\"events.log\""),
        Format::Jsonl => ("application/x-ndjson", "attachment; filename=\"events.jsonl\""),
        Format::Parquet => ("application/vnd.apache.parquet", "attachment; filename=\"events.parquet\""),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(until_stopped(bytes, running))).into_response())
}

fn disposition(form: Form) -> &'static str {
    match form {
        Form::Raw => "attachment; filename=\"events.log\"",
        Form::Json => "attachment; filename=\"events.ndjson\"",
        Form::Csv => "attachment; filename=\"events.csv\"",
        Form::Table => "inline",
    }
}

/// The bytes, cut by an error when the server stops.
fn until_stopped(
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    running: Running,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    async_stream::stream! {
        let mut bytes = Box::pin(bytes);
        let stop = running.stop();
        loop {
            let chunk = tokio::select! {
                chunk = bytes.next() => chunk,
                () = stop.cancelled() => Some(Err(io::Error::other(stopping()))),
            };
            let Some(chunk) = chunk else { break };
            let failed = chunk.is_err();
            if failed {
                running.failed();
            }
            yield chunk;
            if failed {
                break;
            }
        }
    }
}

/// The rows of a search, written in a form.
fn written(form: Form, messages: impl Stream<Item = SearchMessage> + Send + 'static) -> impl Stream<Item = io::Result<Bytes>> + Send {
    async_stream::try_stream! {
        let mut messages = Box::pin(messages);
        let out = Shared::default();
        let mut writer = output::writer(form, Style::default(), Box::new(out.clone()));
        let mut complete = false;
        while let Some(message) = messages.next().await {
            match message {
                SearchMessage::Start { kind, fields, .. } => {
                    let kind = if super::search::to_value(kind) == "table" { ResultKind::Table } else { ResultKind::Events };
                    let fields: Vec<Field> = serde_json::from_value(super::search::to_value(fields)).unwrap_or_default();
                    writer.start(kind, &fields)?;
                }
                SearchMessage::Rows { preview: false, rows, .. } => writer.rows(&rows)?,
                SearchMessage::Done { .. } => {
                    writer.finish()?;
                    complete = true;
                }
                SearchMessage::Error { error } => Err(ApiError::from(error).into_io())?,
                _ => {}
            }
            let bytes = out.take();
            if !bytes.is_empty() {
                yield bytes;
            }
        }
        if !complete {
            Err(io::Error::other("the search ended early"))?;
        }
    }
}

/// A buffer that a writer fills and a stream empties.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.0.lock()))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
