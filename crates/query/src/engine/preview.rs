//! Preliminary rows of a table: the same query over the newest part of the data, while the whole is being read.
//!
//! At the first second, and then at growing intervals, so that previews together cost less than the search itself.

use super::Engine;
use super::message::{SearchMessage, SearchRequest};
use super::run::{Update, whole};
use crate::commands::Required;
use crate::language::QueryError;
use crate::rows::{Row, rows};
use crate::source::{Source, Watched};
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use taffrail_store::Snapshot;
use tokio::sync::mpsc;

/// Time before the first preview.
const FIRST: Duration = Duration::from_secs(1);

/// Rows of a preview: what fits on a screen or two.
const PREVIEW_ROWS_MAX: usize = 1_000;

/// A running preview.
pub struct Preview(tokio::task::JoinHandle<()>);

impl Preview {
    /// Ends it; it sends nothing afterwards.
    pub async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts making previews; nothing where there is only one segment, as it is done when the search is.
pub fn start(
    engine: Engine,
    request: SearchRequest,
    watched: Watched,
    limit: Option<usize>,
    sender: mpsc::Sender<Update>,
) -> Option<Preview> {
    if watched.get().segments_total.load(Ordering::Relaxed) < 2 {
        return None;
    }
    let work = async move {
        let mut wait = FIRST;
        let mut shown = 0;
        loop {
            tokio::time::sleep(wait).await;
            let done = watched.get().segments_done.load(Ordering::Relaxed) as usize;
            // Nothing new, or more than half: the next would cost as much as waiting for the end.
            if done == 0 || done < shown * 2 {
                continue;
            }
            let before = engine.clock.monotonic_nanos();
            let limit = limit.unwrap_or(PREVIEW_ROWS_MAX).min(PREVIEW_ROWS_MAX);
            let Ok(rows) = partial(&engine, &request, done, limit).await else { return };
            if sender.send(Update::Message(SearchMessage::Rows { preview: true, offset: 0, rows })).await.is_err() {
                return;
            }
            shown = done;
            wait = FIRST.max(Duration::from_nanos(engine.clock.monotonic_nanos().saturating_sub(before)) * 2);
        }
    };
    Some(Preview(tokio::spawn(work)))
}

/// The rows of the query over the newest `count` segments.
async fn partial(engine: &Engine, request: &SearchRequest, count: usize, limit: usize) -> Result<Vec<Row>, QueryError> {
    let mut prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
    let Snapshot { mut segments } = engine.store.snapshot();
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.meta().max_time));
    segments.truncate(count);
    let source: Arc<dyn Source> = Arc::new(engine.source_of(Snapshot { segments }));
    let flow = whole(&mut prepared, &source, Required::all(), Some(limit)).await?;
    let mut batches = flow.stream(prepared.planner.context.clone())?;
    let mut out = Vec::new();
    while let Some(batch) = batches.next().await {
        out.extend(rows(&batch?)?);
    }
    Ok(out)
}
