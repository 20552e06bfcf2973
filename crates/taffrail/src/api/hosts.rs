//! The hosts that events were of, and whether they are heard.

use super::body::Params;
use super::error::ApiResult;
use super::schema::ErrorAnswer;
use crate::app::App;
use crate::hosts::Host;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use taffrail_event::Timestamp;
use utoipa::{IntoParams, ToSchema};

/// A host that events were of since the start, whoever sent them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HostAnswer {
    /// Its name.
    pub host: String,
    /// When events of it were last received.
    pub last_seen: Option<String>,
    /// The longest pause that is remembered of it.
    pub usual_pause_seconds: Option<f64>,
    /// Whether it has been silent for longer than is usual.
    pub silent: bool,
}

impl From<&Host> for HostAnswer {
    fn from(host: &Host) -> Self {
        let silence = &host.silence;
        Self {
            host: host.name.to_string(),
            last_seen: silence.last_seen().map(|nanos| Timestamp(nanos).to_string()),
            usual_pause_seconds: silence.usual_pause().map(|nanos| (nanos as f64 / 1e6).round() / 1e3),
            silent: silence.is_silent(),
        }
    }
}

/// Which hosts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HostsParams {
    /// Only those that have been silent for longer than is usual for them.
    #[serde(default)]
    silent: bool,
}

/// The hosts that events were of since the start: when each was last heard, and whether it fell silent.
#[utoipa::path(get, path = "/api/v1/hosts", tag = "status", params(HostsParams), responses(
    (status = 200, description = "By name; imported events and the server's own say nothing of a host", body = Vec<HostAnswer>),
    (status = 400, description = "Unknown parameters", body = ErrorAnswer),
    (status = 503, description = "Stopping", body = ErrorAnswer)
))]
pub async fn hosts(State(app): State<Arc<App>>, Params(params): Params<HostsParams>) -> ApiResult<Json<Vec<HostAnswer>>> {
    let all = app.meters.hosts.all();
    Ok(Json(all.iter().filter(|host| !params.silent || host.silence.is_silent()).map(HostAnswer::from).collect()))
}
