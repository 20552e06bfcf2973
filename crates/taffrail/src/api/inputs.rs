//! The accounts of the inputs: what each source sent, and what became of it.

use super::error::ApiResult;
use super::schema::ErrorAnswer;
use crate::app::App;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_collect::counters::DropReason;
use taffrail_collect::{InputSnapshot, SourceSnapshot};
use taffrail_event::Timestamp;
use utoipa::ToSchema;

/// The account of a source since the start: `received_events` is the sum of those stored, refused, dropped, in flight and there
/// already; what is missing is `gap_events`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountAnswer {
    /// The source: a file, or the address of a sender. Beyond ten thousand of an input they share `(others)`.
    pub source: String,
    /// Events taken in.
    pub received_events: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Events that are durable.
    pub stored_events: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Events that the sender was told are not stored.
    pub refused_events: u64,
    /// Events that were stored before, as their ids tell: nothing is lost by them.
    #[serde(default)]
    pub duplicate_events: u64,
    /// Events given up, by reason.
    pub dropped_events: BTreeMap<String, u64>,
    /// Events on their way to the disk.
    pub in_flight_events: u64,
    /// Events of which nothing is known: anything but 0 that stays is a bug, and told.
    pub gap_events: i64,
    /// Stored events with a problem of their own: no time, a wrong one, not UTF-8, malformed.
    pub problem_events: u64,
    /// Events per second, averaged over the last minute.
    pub rate: f64,
    /// Seconds from the time of its last event to when that was received.
    pub lag_seconds: Option<f64>,
    /// The least that this was in the last minutes: its clock is behind ours by this much at most; less than 0 is a clock that is ahead.
    pub skew_seconds: Option<f64>,
    /// When events of it were last stored.
    pub last_seen: Option<String>,
    /// The longest pause that is remembered of it.
    pub usual_pause_seconds: Option<f64>,
    /// Whether it has been silent for longer than is usual.
    pub silent: bool,
}

/// The account of an input.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InputAnswer {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Datagrams that the kernel dropped before they could be read; not part of what was received.
    pub kernel_drops: u64,
    /// Bytes gone from a file before they could be read; not part of what was received.
    pub lost_bytes: u64,
    /// Connections closed at once because there were too many.
    pub refused_connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Files that are not read and messages or requests that are refused, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// What came of comparing what was read with what somebody signed (digests of CloudTrail), by outcome.
    pub checks: BTreeMap<String, u64>,
    /// The last problems in words.
    pub problems: Vec<String>,
    /// How many there were.
    pub problems_total: u64,
    /// All sources together.
    pub total: AccountAnswer,
    /// Each source, by name.
    pub sources: Vec<AccountAnswer>,
}

impl From<&SourceSnapshot> for AccountAnswer {
    fn from(source: &SourceSnapshot) -> Self {
        let seconds = |nanos: i64| (nanos as f64 / 1e6).round() / 1e3;
        let of = |wanted: DropReason| source.dropped.iter().filter(|(reason, _)| *reason == wanted).map(|(_, events)| events).sum();
        let is_lost = |reason: &DropReason| !matches!(reason, DropReason::Refused | DropReason::Duplicate);
        let pulse = &source.pulse;
        Self {
            source: source.source.clone(),
            received_events: source.received_events,
            received_bytes: source.received_bytes,
            stored_events: source.stored_events,
            stored_bytes: source.stored_bytes,
            refused_events: of(DropReason::Refused),
            duplicate_events: of(DropReason::Duplicate),
            dropped_events: source
                .dropped
                .iter()
                .filter(|(reason, _)| is_lost(reason))
                .map(|(r, events)| (r.name().to_owned(), *events))
                .collect(),
            in_flight_events: source.in_flight_events,
            gap_events: source.gap(),
            problem_events: source.problem_events,
            rate: pulse.rate_millis as f64 / 1e3,
            lag_seconds: pulse.lag_nanos.map(seconds),
            skew_seconds: pulse.skew_nanos.map(seconds),
            last_seen: pulse.last_seen.map(|nanos| Timestamp(nanos).to_string()),
            usual_pause_seconds: pulse.usual_pause_nanos.map(seconds),
            silent: pulse.silent,
        }
    }
}

impl From<&InputSnapshot> for InputAnswer {
    fn from(input: &InputSnapshot) -> Self {
        Self {
            name: input.name.clone(),
            kind: input.kind.to_owned(),
            kernel_drops: input.kernel_drops,
            lost_bytes: input.lost_bytes,
            refused_connections: input.refused_connections,
            open_connections: input.open_connections,
            skipped: input.skipped.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
            checks: input.checks.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect(),
            problems: input.problems.clone(),
            problems_total: input.problems_total,
            total: (&input.total()).into(),
            sources: input.sources.iter().map(AccountAnswer::from).collect(),
        }
    }
}

/// The accounts of all inputs since the start: per source what was received, stored, lost, and how it sends.
#[utoipa::path(get, path = "/api/v1/inputs", tag = "status", responses(
    (status = 200, description = "What is pushed over HTTP first, then the inputs in the order of the settings", body = Vec<InputAnswer>),
    (status = 503, description = "Stopping", body = ErrorAnswer)
))]
pub async fn inputs(State(app): State<Arc<App>>) -> ApiResult<Json<Vec<InputAnswer>>> {
    let counters = app.inputs.read().clone();
    Ok(Json(counters.iter().map(|counters| InputAnswer::from(&counters.snapshot())).collect()))
}
