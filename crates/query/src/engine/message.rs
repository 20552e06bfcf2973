//! What goes into a search and what comes out of it, as JSON.

use crate::language::QueryError;
use crate::messages::Severity;
use crate::rows::{FieldInfo, Row};
use serde::{Deserialize, Serialize};
use taffrail_event::Timestamp;

/// A search to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// The query.
    pub query: String,
    /// From this time on: relative, epoch seconds or RFC 3339. All time when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Up to but not at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// At most so many rows; absent or 0 means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Whether preliminary rows are wanted while a table is being computed.
    #[serde(default)]
    pub preview: bool,
}

/// A message of a running search. `start` comes before the first rows, `done` or `error` last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SearchMessage {
    /// The columns are known.
    Start {
        /// Names the search.
        id: String,
        /// `events` or `table`.
        kind: ResultKind,
        /// The columns.
        fields: Vec<FieldInfo>,
        /// The query as typed.
        query: String,
        /// From this time on, where bounded.
        #[serde(skip_serializing_if = "Option::is_none")]
        earliest: Option<String>,
        /// Up to this time, where bounded.
        #[serde(skip_serializing_if = "Option::is_none")]
        latest: Option<String>,
    },
    /// How far reading has come.
    Progress {
        /// Segments done, those skipped included.
        segments_done: u64,
        /// Segments in the time range.
        segments_total: u64,
        /// Events looked at.
        events_scanned: u64,
        /// Events that matched.
        events_matched: u64,
        /// Stored bytes read.
        bytes_read: u64,
        /// Milliseconds since the search began.
        elapsed_ms: u64,
    },
    /// Rows; preliminary ones replace each other and are replaced by the first final ones.
    Rows {
        /// Whether they are preliminary.
        preview: bool,
        /// The number of the first of them in the result.
        offset: u64,
        /// The rows.
        rows: Vec<Row>,
    },
    /// Something to know.
    Message {
        /// How serious it is.
        severity: Severity,
        /// What it is.
        text: String,
    },
    /// The search is complete.
    Done {
        /// Rows given.
        rows: u64,
        /// Events that matched, as far as was read.
        matched: u64,
        /// Events looked at.
        scanned: u64,
        /// Milliseconds it took.
        elapsed_ms: u64,
        /// Stored bytes read.
        bytes_read: u64,
        /// Whether every value is exact.
        exact: bool,
        /// Whether there were more rows than given.
        truncated: bool,
    },
    /// The search failed.
    Error {
        /// Why.
        error: QueryError,
    },
}

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// Events, newest first unless sorted otherwise.
    Events,
    /// A table.
    Table,
}

/// A bound as text.
pub fn time_text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}
