//! Forwarding: batches of events with their times and positions, from `taffrail import` and other servers.

use super::body::{Params, whole};
use super::error::{ApiError, ApiResult};
use super::ingest::append;
use super::schema::{ErrorAnswer, IngestAnswer, PositionAnswer};
use crate::app::App;
use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use taffrail_base::limits;
use taffrail_collect::forwarding;

/// Take a batch from another Taffrail.
///
/// Events with their times, origins and import positions, stored in one step; answered when durable. The body is
/// the length of a JSON header (4 bytes, little-endian), the header, and the events' bytes.
#[utoipa::path(post, path = "/api/v1/forward/batch", tag = "ingest",
    request_body(content = String, content_type = "application/octet-stream", description = "A batch"),
    responses(
        (status = 200, description = "Durable", body = IngestAnswer),
        (status = 400, description = "Not a batch", body = ErrorAnswer),
        (status = 413, description = "Too large", body = ErrorAnswer),
        (status = 507, description = "The disk is full; nothing of the batch was stored", body = ErrorAnswer)
    ))]
pub async fn batch(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> ApiResult<Json<IngestAnswer>> {
    let _permit = app.bodies.acquire().await.map_err(|_| ApiError::from(stopping()))?;
    let body = whole(request, limits::INGEST_BODY_BYTES_MAX).await?;
    let batch = forwarding::decode(&body)?;
    let sender = format!("taffrail {}", peer.ip().to_canonical());
    append(&app, &app.pushes, sender, vec![batch]).await.map(Json)
}

fn stopping() -> taffrail_base::Error {
    taffrail_base::Error::new(taffrail_base::ErrorKind::Cancelled, "the server is stopping")
}

/// Which positions are asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PositionParams {
    /// The keys begin with this; `import/` at least.
    #[param(example = "import/")]
    prefix: String,
}

/// The positions that imports left: what was read already.
#[utoipa::path(get, path = "/api/v1/forward/positions", tag = "ingest", params(PositionParams), responses(
    (status = 200, description = "Sorted by key", body = Vec<PositionAnswer>),
    (status = 400, description = "Not positions of imports", body = ErrorAnswer)
))]
pub async fn positions(State(app): State<Arc<App>>, Params(params): Params<PositionParams>) -> ApiResult<Json<Vec<PositionAnswer>>> {
    if !params.prefix.starts_with(forwarding::POSITION_PREFIX) {
        return Err(ApiError::invalid(format!("the prefix does not begin with {}", forwarding::POSITION_PREFIX)));
    }
    Ok(Json(app.sink.positions(&params.prefix).into_iter().map(|(key, value)| PositionAnswer { key, value }).collect()))
}
