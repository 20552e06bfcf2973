//! How routes do: the account of each, for people, for the command line, and to be compared with what the receiver counts.

use super::error::ApiResult;
use super::schema::ErrorAnswer;
use crate::app::App;
use crate::routes::{Doing, Route};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use taffrail_event::Timestamp;
use utoipa::ToSchema;

/// A route and its account since it was first there, restarts included.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RouteAnswer {
    /// Its name.
    pub name: String,
    /// Which events it sends.
    pub search: String,
    /// The type of its output.
    pub output: String,
    /// Where it sends to.
    pub target: String,
    /// What it does.
    pub state: Doing,
    /// Events that the search found: those confirmed, refused and in flight.
    pub found_events: u64,
    /// Events that the receiver has confirmed.
    pub confirmed_events: u64,
    /// Their bytes.
    pub confirmed_bytes: u64,
    /// Events that were sent and are not confirmed yet.
    pub in_flight_events: u64,
    /// Events sent once more as they were not confirmed before a connection broke. The receiver has counted between
    /// `confirmed_events` and this many more.
    pub sent_again_events: u64,
    /// Events that the receiver will never take.
    pub refused_events: u64,
    /// Events, matching or not, that were removed from the store before the route could look at them.
    pub gone_events: u64,
    /// Events, matching or not, that it has yet to look at.
    pub behind_events: u64,
    /// Failures since something was confirmed.
    pub failures: u64,
    /// When the receiver last confirmed something, since the start.
    pub confirmed_at: Option<String>,
    /// The last that went wrong, since the start.
    pub problem: Option<String>,
    /// When that was.
    pub problem_at: Option<String>,
}

impl From<&Route> for RouteAnswer {
    fn from(route: &Route) -> Self {
        let status = route.status();
        let account = &status.account;
        let time = |nanos: i64| Timestamp(nanos).to_string();
        let (problem, problem_at) = status.problem.clone().unzip();
        Self {
            name: route.settings.name.clone(),
            search: route.settings.search.clone(),
            output: route.settings.output.kind().to_owned(),
            target: route.settings.output.target(),
            state: status.doing,
            found_events: account.confirmed_events + account.refused + status.in_flight,
            confirmed_events: account.confirmed_events,
            confirmed_bytes: account.confirmed_bytes,
            in_flight_events: status.in_flight,
            sent_again_events: account.sent_again,
            refused_events: account.refused,
            gone_events: account.gone,
            behind_events: status.behind,
            failures: status.failures,
            confirmed_at: status.confirmed_at.map(time),
            problem,
            problem_at: problem_at.map(time),
        }
    }
}

/// The routes, and how each does.
#[utoipa::path(get, path = "/api/v1/routes", tag = "status", responses(
    (status = 200, description = "The routes, in the order of the settings", body = Vec<RouteAnswer>),
    (status = 503, description = "Stopping", body = ErrorAnswer)
))]
pub async fn routes(State(app): State<Arc<App>>) -> ApiResult<Json<Vec<RouteAnswer>>> {
    Ok(Json(app.routes.read().iter().map(|route| RouteAnswer::from(&**route)).collect()))
}
