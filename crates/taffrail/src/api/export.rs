//! Export: the rows of a search in one form, without anything else, and events with their bytes for other programs.

use super::body::JsonBody;
use super::error::{ApiError, ApiResult};
use super::schema::{ErrorAnswer, EventsExportBody, ExportBody, Field, ResultKind};
use crate::app::App;
use crate::export::{self as events, Format, Piece};
use crate::output::{self, Buffer, Form, Style};
use crate::searches::{Running, limits_of, made_apart, stopping};
use crate::settings::Search;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use std::io;
use std::sync::Arc;
use taffrail_query::rows::FieldInfo;
use taffrail_query::{QueryError, SearchMessage, SearchRequest, Update};

/// Run a search and download its rows.
///
/// `raw` gives each event's bytes as they arrived, and a newline; `json` one object a line; `csv` RFC 4180 with a header,
/// in which nothing can be taken for a formula; `csv_exact` the same with every value as it is; `arrow` a stream of Apache
/// Arrow IPC; `parquet` a file. Any size, in bounded memory. When the search fails half way the connection is broken off, so that a part is not taken for the whole.
#[utoipa::path(post, path = "/api/v1/search/export", tag = "search", request_body = ExportBody, responses(
    (status = 200, description = "The rows", body = String, content_type = "application/octet-stream"),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer),
    (status = 503, description = "The server is stopping", body = ErrorAnswer)
))]
pub async fn export(State(app): State<Arc<App>>, JsonBody(body): JsonBody<ExportBody>) -> ApiResult<Response> {
    // Exports are of any size: they end when somebody says so, or at the limit that they ask for.
    let settings = Search { timeout_seconds: 0, ..app.settings.search.clone() };
    let limits = limits_of(&settings, body.timeout, body.max_memory)?;
    let running = Running::begin(&app, "export", &body.query, body.earliest.as_deref(), body.latest.as_deref()).await?;
    let ExportBody { query, earliest, latest, limit, format, .. } = body;
    let request = SearchRequest { query, earliest, latest, limit: limit.filter(|l| *l > 0), preview: false };
    let engine = app.engine.for_one(limits);
    let updates = running.noted(engine.updates(request, format == Form::Raw).await)?;
    let pieces = made_apart(&app.search_threads.handle(), written(format, updates));
    let pieces = running.noted(begun(pieces).await)?;
    let headers = [(header::CONTENT_TYPE, format.media_type()), (header::CONTENT_DISPOSITION, format.disposition())];
    Ok((headers, Body::from_stream(until_stopped(pieces, running))).into_response())
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
    let settings = Search { timeout_seconds: 0, ..app.settings.search.clone() };
    let engine = app.engine.for_one(limits_of(&settings, None, None)?);
    let pieces = running.noted(events::start(&engine, &body).await)?;
    let framed = body.framed;
    let parts = pieces.flat_map(move |piece| {
        let counts = if let Ok(Piece::End(counts)) = &piece { Some(*counts) } else { None };
        let bytes = match piece {
            Ok(piece) if framed => Some(Ok(Part::Bytes(Bytes::from(events::frame(piece))))),
            Ok(Piece::Bytes(bytes)) => Some(Ok(Part::Bytes(Bytes::from(bytes)))),
            Ok(Piece::End(_)) => None,
            Err(error) => Some(Err(error)),
        };
        let end = counts.map(|counts| Ok(Part::End(counts.events, counts.events, false)));
        futures::stream::iter(bytes.into_iter().chain(end))
    });
    let parts = made_apart(&app.search_threads.handle(), parts).boxed();
    let (kind, disposition) = match body.format {
        _ if framed => ("application/octet-stream", "inline"),
        Format::Raw => ("application/octet-stream", "attachment; filename=\"events.log\""),
        Format::Jsonl => ("application/x-ndjson", "attachment; filename=\"events.jsonl\""),
        Format::Parquet => ("application/vnd.apache.parquet", "attachment; filename=\"events.parquet\""),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(until_stopped(parts, running))).into_response())
}

/// Part of a result that is being written.
#[derive(Debug)]
pub enum Part {
    /// Bytes of it.
    Bytes(Bytes),
    /// It is complete: how many rows it has, of how many events that were looked at, and whether there are more.
    End(u64, u64, bool),
}

/// The result of a search in a form, piece by piece. Held is what is not written yet: a batch, or a group of Parquet.
pub fn written(form: Form, updates: impl Stream<Item = Update> + Send + 'static) -> impl Stream<Item = Result<Part, QueryError>> + Send {
    async_stream::try_stream! {
        let mut updates = Box::pin(updates);
        let out = Buffer::default();
        let mut writer = output::writer(form, Style::default(), Box::new(out.clone()));
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => QueryError::new(error.to_string()).with_hint("use another form of output, or leave the last command out"),
            _ => QueryError::new(format!("the result cannot be written: {error}")),
        };
        let mut started = None;
        while let Some(update) = updates.next().await {
            let mut end = None;
            match update {
                Update::Message(SearchMessage::Start { kind, fields, .. }) => started = Some((kind, fields)),
                Update::Schema(schema) => {
                    let (kind, fields) = started.take().unwrap_or((taffrail_query::ResultKind::Table, Vec::new()));
                    let (kind, fields) = columns(kind, &fields);
                    writer.start(kind, &fields).and_then(|()| writer.schema(&schema)).map_err(failed)?;
                    // The result has begun; whoever waits for that gets a piece in any case.
                    yield Part::Bytes(out.take());
                    continue;
                }
                Update::Rows(_, batch) => writer.batch(&batch).map_err(failed)?,
                Update::Message(SearchMessage::Done { rows, scanned, truncated, .. }) => {
                    writer.finish().map_err(failed)?;
                    end = Some(Part::End(rows, scanned, truncated));
                }
                Update::Message(SearchMessage::Error { error }) => Err(error)?,
                Update::Message(_) => {}
            }
            let bytes = out.take();
            if !bytes.is_empty() {
                yield Part::Bytes(bytes);
            }
            if let Some(end) = end {
                yield end;
                return;
            }
        }
        Err(QueryError::new("the search ended early"))?;
    }
}

/// The columns of a result as they are described.
pub fn columns(kind: taffrail_query::ResultKind, fields: &[FieldInfo]) -> (ResultKind, Vec<Field>) {
    let kind = if kind == taffrail_query::ResultKind::Table { ResultKind::Table } else { ResultKind::Events };
    (kind, fields.iter().map(|field| Field { name: field.name.clone(), kind: field.kind.clone() }).collect())
}

type Parts = BoxStream<'static, Result<Part, QueryError>>;

/// The pieces, once the first is there: until then an error is an answer of its own.
async fn begun(pieces: impl Stream<Item = Result<Part, QueryError>> + Send + 'static) -> Result<Parts, QueryError> {
    let mut pieces = Box::pin(pieces);
    match pieces.next().await {
        Some(Ok(first)) => Ok(futures::stream::once(async { Ok(first) }).chain(pieces).boxed()),
        Some(Err(error)) => Err(error),
        None => Err(QueryError::new("the search stopped unexpectedly").with_hint("this is a bug; please report it")),
    }
}

/// The bytes, cut by an error when the search fails or the server stops.
fn until_stopped(
    mut parts: impl Stream<Item = Result<Part, QueryError>> + Send + Unpin + 'static,
    running: Running,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    async_stream::stream! {
        let stop = running.stop();
        loop {
            let part = tokio::select! {
                part = parts.next() => part,
                () = stop.cancelled() => {
                    running.failed();
                    yield Err(io::Error::other(stopping()));
                    break;
                }
            };
            match part {
                Some(Ok(Part::Bytes(bytes))) if bytes.is_empty() => {}
                Some(Ok(Part::Bytes(bytes))) => yield Ok(bytes),
                Some(Ok(Part::End(rows, scanned, truncated))) => running.done(rows, scanned, truncated),
                Some(Err(error)) => {
                    running.failed_by(&error);
                    yield Err(ApiError::from(error).into_io());
                    break;
                }
                None => break,
            }
        }
    }
}
