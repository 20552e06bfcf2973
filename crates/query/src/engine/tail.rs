//! Following: the same commands, over what has arrived since the last look.

use super::Engine;
use crate::commands::Required;
use crate::language::QueryError;
use crate::rows::{Row, rows};
use crate::source::Source;
use async_stream::try_stream;
use futures::{Stream, StreamExt};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;
use taffrail_store::Snapshot;

/// Time between two looks: what arrives within it is read at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Starts to follow.
pub fn tail(engine: Engine, text: &str) -> Result<impl Stream<Item = Result<Row, QueryError>> + Send + 'static, QueryError> {
    let prepared = engine.prepare(text, None, None)?;
    if let Some((name, span)) = prepared.query.first_blocking() {
        let error = QueryError::at(span, format!("{name} needs all rows, so it cannot follow events as they arrive"));
        return Err(error.with_hint("for a live view use search, where, eval, rex, fields, table, rename and bin with a span"));
    }
    if let Some(span) = prepared.query.first_bracket() {
        let error = QueryError::at(span, "a search in brackets is run once, so it cannot follow events as they arrive");
        return Err(error.with_hint("run it by itself, and write what it finds into the query"));
    }
    let text = text.to_owned();
    let mut arrivals = engine.store.subscribe();
    let mut seen = ends(&engine.store.snapshot());
    Ok(try_stream! {
        loop {
            // The store is gone: nothing will arrive any more.
            if arrivals.changed().await.is_err() {
                break;
            }
            let snapshot = engine.store.snapshot();
            let now = ends(&snapshot);
            let from = std::mem::replace(&mut seen, now);
            let mut prepared = engine.prepare(&text, None, None)?;
            let start = Arc::new(from);
            let source: Arc<dyn Source> = Arc::new(
                engine.source_of(snapshot).since(Arc::new(move |index| start.get(index).copied().unwrap_or(0))),
            );
            let opened = prepared.open(&source, Required::all(), None).await?;
            let flow = prepared.plan(&opened).await?;
            let mut batches = flow.stream(prepared.planner.context.clone())?;
            let mut fresh = Vec::new();
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(QueryError::from)?;
                fresh.extend(rows(&batch)?);
            }
            // A search gives the newest first; who follows reads downwards.
            for row in fresh.into_iter().rev() {
                yield row;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
}

/// The arrival number after the last event of each index.
fn ends(snapshot: &Snapshot) -> FxHashMap<Arc<str>, u64> {
    let mut ends: FxHashMap<Arc<str>, u64> = FxHashMap::default();
    for segment in &snapshot.segments {
        let meta = segment.meta();
        let end = ends.entry(meta.index.clone()).or_insert(0);
        *end = (*end).max(meta.end_sequence);
    }
    ends
}
