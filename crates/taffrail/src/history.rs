//! Which searches ran: one audit event is written when a search ends, and read back from there. Nothing else is kept.

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use taffrail_query::{Engine, QueryError, SearchMessage, SearchRequest};
use utoipa::ToSchema;

/// The action of the audit event; the search language looks for it too.
pub use taffrail_query::commands::history::ACTION;

/// A search that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryEntry {
    /// When it ended.
    #[schema(example = "2026-11-22T10:00:00Z")]
    pub time: String,
    /// Who searched.
    pub user: String,
    /// Whose place in the queue it took.
    #[serde(default)]
    pub caller: String,
    /// `search`, `export`, `job` or what else it was.
    pub kind: String,
    /// The query as typed.
    pub query: String,
    /// From which time on it asked for events.
    #[serde(default)]
    pub earliest: Option<String>,
    /// Up to which time.
    #[serde(default)]
    pub latest: Option<String>,
    /// `done`, `truncated`, `failed`, `limit` or `cancelled`.
    pub outcome: String,
    /// Rows given.
    pub rows: u64,
    /// Events looked at.
    pub scanned: u64,
    /// Milliseconds that it waited for its place.
    pub waited_ms: u64,
    /// Milliseconds that it took then.
    pub took_ms: u64,
}

/// The newest entries, the newest first.
pub async fn newest(engine: &Engine, count: u64) -> Result<Vec<HistoryEntry>, QueryError> {
    let query = format!("index={} action={ACTION} | head {count} | table _raw", crate::audit::INDEX);
    let request = SearchRequest { query, ..SearchRequest::default() };
    let mut messages = Box::pin(engine.search(request).await?);
    let mut found = Vec::new();
    while let Some(message) = messages.next().await {
        match message {
            SearchMessage::Rows { preview: false, rows, .. } => {
                let raws = rows.iter().filter_map(|row| row.get("_raw").and_then(|raw| raw.as_str()));
                found.extend(raws.filter_map(|raw| serde_json::from_str(raw).ok()));
            }
            SearchMessage::Error { error } => return Err(error),
            _ => {}
        }
    }
    Ok(found)
}
