//! What is removed and what must not be: holds, deletion, and the list of what is gone.

use super::body::JsonBody;
use super::error::{ApiError, ApiResult};
use super::schema::ErrorAnswer;
use crate::app::App;
use crate::serve::blocking;
use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use taffrail_base::{Clock, Error, ErrorKind, Result};
use taffrail_event::Timestamp;
use taffrail_query::language::resolve;
use taffrail_store::catalog::Hold;
use taffrail_store::{Deletion, Store};
use utoipa::ToSchema;

/// Longest list of removals in an answer: the newest ones.
const REMOVALS_SHOWN_MAX: usize = 10_000;

/// A hold to be placed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "case-7", "index": "main", "earliest": "2026-01-01T00:00:00Z", "reason": "request of the court"}))]
pub struct HoldBody {
    /// Its name: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// The index that it is on; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// From this event time on: relative, epoch seconds, or RFC 3339; from the first event on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Up to but not at this event time; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
}

/// A hold to be lifted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "case-7"}))]
pub struct HoldName {
    /// Its name.
    pub name: String,
}

/// A hold that stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HoldAnswer {
    /// Its name.
    pub name: String,
    /// The index that it is on; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// From this event time on; from the first event on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Up to but not at this event time; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// Why.
    pub reason: String,
    /// Since when it stands.
    pub since: String,
}

/// What to delete.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"index": "main", "before": "2020-01-01T00:00:00Z"}))]
pub struct DeleteBody {
    /// The index.
    pub index: String,
    /// Events before this time: relative, epoch seconds, or RFC 3339.
    pub before: String,
    /// Whether to do it; otherwise the answer only tells what would be removed.
    #[serde(default)]
    pub confirm: bool,
}

/// What was deleted, or would be. Segments go as a whole: events before the time stay as long as their segment
/// holds one that is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletionAnswer {
    /// Whether it was done.
    pub deleted: bool,
    /// Segments removed.
    pub segments: u64,
    /// Events in these.
    pub events: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
    /// Segments that stay because of a hold.
    pub held_segments: u64,
    /// Segments that stay because they also hold newer events.
    pub newer_segments: u64,
}

/// A segment that is gone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemovalAnswer {
    /// The segment.
    pub segment: String,
    /// The index it was in.
    pub index: String,
    /// Events in it.
    pub events: u64,
    /// Bytes of its file.
    pub stored_bytes: u64,
    /// The earliest event time.
    pub earliest: String,
    /// The latest event time.
    pub latest: String,
    /// The rule that removed it; `merged:` and the segment that its events are in now.
    pub rule: String,
    /// When.
    pub at: String,
    /// The root over its bytes as it was sealed, in hexadecimal digits; absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// The time that an argument names.
fn time(name: &str, text: &str, clock: &dyn Clock) -> Result<Timestamp> {
    let now = Timestamp(clock.now_nanos());
    resolve(text.trim(), now, &TimeZone::UTC).map_err(|e| Error::new(ErrorKind::Invalid, format!("{name}: {}", e.message)))
}

/// Places a hold in a store.
pub fn place(store: &Store, body: &HoldBody, clock: &dyn Clock) -> Result<()> {
    if let Some(index) = &body.index {
        crate::settings::index("index", index)?;
    }
    let bound = |name, text: &Option<String>, none| text.as_ref().map_or(Ok(none), |text| time(name, text, clock));
    let hold = Hold {
        index: body.index.as_deref().map(Arc::from),
        earliest: bound("earliest", &body.earliest, Timestamp::MIN)?,
        latest: bound("latest", &body.latest, Timestamp::MAX)?,
        reason: body.reason.clone(),
        since: Timestamp(clock.now_nanos()),
    };
    store.add_hold(&body.name, hold)
}

/// The holds of a store.
pub fn list(store: &Store) -> Vec<HoldAnswer> {
    let answer = |(name, hold): (String, Hold)| HoldAnswer {
        name,
        index: hold.index.map(|index| index.to_string()),
        earliest: (hold.earliest != Timestamp::MIN).then(|| hold.earliest.to_string()),
        latest: (hold.latest != Timestamp::MAX).then(|| hold.latest.to_string()),
        reason: hold.reason,
        since: hold.since.to_string(),
    };
    store.holds().into_iter().map(answer).collect()
}

/// Deletes from a store, or tells what that would remove.
pub fn delete_from(store: &Store, body: &DeleteBody, clock: &dyn Clock) -> Result<DeletionAnswer> {
    let before = time("before", &body.before, clock)?;
    let Deletion { segments, events, stored_bytes, held_segments, newer_segments } = store.delete(&body.index, before, !body.confirm)?;
    Ok(DeletionAnswer { deleted: body.confirm, segments, events, stored_bytes, held_segments, newer_segments })
}

/// Which events must not be removed?
#[utoipa::path(get, path = "/api/v1/holds", tag = "lifecycle", responses((status = 200, description = "The holds", body = Vec<HoldAnswer>)))]
pub async fn holds(State(app): State<Arc<App>>) -> Json<Vec<HoldAnswer>> {
    Json(list(&app.store))
}

/// Place a hold.
///
/// No segment that may have events of its index and range is removed, by whatever rule, until it is lifted.
#[utoipa::path(post, path = "/api/v1/holds/add", tag = "lifecycle", request_body = HoldBody, responses(
    (status = 200, description = "All holds", body = Vec<HoldAnswer>),
    (status = 400, description = "The name is taken or wrong, or a time is", body = ErrorAnswer)
))]
pub async fn add_hold(State(app): State<Arc<App>>, JsonBody(body): JsonBody<HoldBody>) -> ApiResult<Json<Vec<HoldAnswer>>> {
    app.audit.record("hold_add", json!({ "hold": body })).await;
    let (store, clock) = (Arc::clone(&app.store), Arc::clone(&app.clock));
    blocking(move || place(&store, &body, &*clock)).await?;
    Ok(Json(list(&app.store)))
}

/// Lift a hold.
#[utoipa::path(post, path = "/api/v1/holds/remove", tag = "lifecycle", request_body = HoldName, responses(
    (status = 200, description = "The holds that are left", body = Vec<HoldAnswer>),
    (status = 404, description = "There is none of this name", body = ErrorAnswer)
))]
pub async fn remove_hold(State(app): State<Arc<App>>, JsonBody(body): JsonBody<HoldName>) -> ApiResult<Json<Vec<HoldAnswer>>> {
    app.audit.record("hold_remove", json!({ "hold": body })).await;
    let store = Arc::clone(&app.store);
    blocking(move || store.remove_hold(&body.name)).await?;
    Ok(Json(list(&app.store)))
}

/// Delete old events.
///
/// Removes the segments of an index whose events are all before a time, and are not held. Without `confirm` it
/// only tells which these are. Every removal is recorded in the catalog and in the log of evidence.
#[utoipa::path(post, path = "/api/v1/delete", tag = "lifecycle", request_body = DeleteBody, responses(
    (status = 200, description = "What was removed, or would be", body = DeletionAnswer),
    (status = 400, description = "The index or the time is wrong", body = ErrorAnswer)
))]
pub async fn delete(State(app): State<Arc<App>>, JsonBody(body): JsonBody<DeleteBody>) -> ApiResult<Json<DeletionAnswer>> {
    // Before it happens: what cannot be recorded is not done.
    app.audit.record("delete", json!({ "delete": body })).await;
    let (store, clock) = (Arc::clone(&app.store), Arc::clone(&app.clock));
    let answer = blocking(move || delete_from(&store, &body, &*clock)).await.map_err(ApiError::from)?;
    Ok(Json(answer))
}

/// What was removed?
///
/// Segments that were removed or merged, newest first; at most 10,000.
#[utoipa::path(get, path = "/api/v1/removals", tag = "lifecycle", responses(
    (status = 200, description = "The segments", body = Vec<RemovalAnswer>)
))]
pub async fn removals(State(app): State<Arc<App>>) -> ApiResult<Json<Vec<RemovalAnswer>>> {
    let store = Arc::clone(&app.store);
    let removals = blocking(move || store.removals()).await?;
    let answer = removals.into_iter().rev().take(REMOVALS_SHOWN_MAX).map(|removal| RemovalAnswer {
        segment: removal.id.to_string(),
        index: removal.index.to_string(),
        events: removal.events,
        stored_bytes: removal.stored_bytes,
        earliest: removal.min_time.to_string(),
        latest: removal.max_time.to_string(),
        rule: removal.rule,
        at: removal.at.to_string(),
        root: removal.root.map(|root| taffrail_evidence::Hash(root).to_string()),
    });
    Ok(Json(answer.collect()))
}
