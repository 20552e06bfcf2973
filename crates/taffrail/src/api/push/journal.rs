//! The systemd journal of other machines, as `systemd-journal-upload` sends it. The body has no end that is known beforehand, so
//! it is stored as it comes.

use super::{Door, Refused, account, check, in_words, let_go, named, origin, sender, trouble};
use crate::api::error::{ApiError, ApiResult};
use crate::api::ingest::{append, refused};
use crate::app::App;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use std::net::SocketAddr;
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind};
use taffrail_collect::InputCounters;
use taffrail_collect::http::IngestOrigin;
use taffrail_collect::push::journal::Upload;
use taffrail_event::Timestamp;

/// Entries of a journal, in the export format.
pub async fn upload(State(app): State<Arc<App>>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request) -> Response {
    let door = Door::of(&request);
    let known = account(&app, door.as_ref());
    let named = named(request.headers(), None);
    if let Err(denied) = check(&app, door.as_deref(), peer, &named) {
        refused(known, StatusCode::FORBIDDEN);
        let_go(request.into_body()).await;
        return in_words(Refused::Denied(denied).plain());
    }
    let origin = IngestOrigin { sender: sender(&app, door.as_deref(), peer, &named), ..origin(&app, door.as_deref(), peer) };
    match take(&app, known, &origin, request).await {
        Ok(entries) => in_words((StatusCode::ACCEPTED, format!("OK: {entries} entries"))),
        Err(error) => {
            // What the store does not take is in the account of its events.
            if error.status().is_client_error() {
                refused(known, error.status());
            }
            in_words(trouble(&error))
        }
    }
}

async fn take(app: &App, account: &Arc<InputCounters>, origin: &IngestOrigin, request: Request) -> ApiResult<u64> {
    if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING).filter(|value| value.as_bytes() != b"identity") {
        let message = format!("a journal packed as {encoding:?} is not taken");
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", message)
            .with_hint("set Compression=no for systemd-journal-upload"));
    }
    // As with every body: so many at a time, since each holds an entry.
    let stopping = |_| ApiError::from(Error::new(ErrorKind::Cancelled, "the server is stopping"));
    let _permit = app.bodies.acquire().await.map_err(stopping)?;
    let sender = format!("journal {}", origin.peer);
    let mut upload = Upload::new(origin, Timestamp(app.clock.now_nanos()))?;
    let mut body = request.into_body().into_data_stream();
    let ended = loop {
        let next = tokio::select! {
            next = body.next() => next,
            () = app.stopping.cancelled() => break Err(Error::new(ErrorKind::Cancelled, "the server is stopping").into()),
        };
        let full = match next {
            None => break upload.finish().map_err(ApiError::from),
            Some(Err(error)) => break Err(ApiError::invalid(format!("the body ended early: {error}"))),
            Some(Ok(bytes)) => upload.push(&bytes),
        };
        match full {
            Ok(full) => _ = append(app, account, sender.clone(), full).await?,
            Err(error) => break Err(error.into()),
        }
    };
    // What has arrived whole is kept, however it ended.
    append(app, account, sender, upload.rest()).await?;
    ended
}
