//! Running a search: a task that plans and reads, and a stream that tells.

use super::message::{ResultKind, SearchMessage, SearchRequest, time_text};
use super::{Engine, Prepared};
use crate::commands::Required;
use crate::commands::head::first_rows;
use crate::exec::Flow;
use crate::language::QueryError;
use crate::rows::{fields, rows};
use crate::source::{Source, Watched};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_stream::stream;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use taffrail_base::{Clock, Ulid};
use taffrail_store::scan::ScanProgress;
use tokio::sync::mpsc;

/// Time between messages of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Rows in one message: small enough to be shown while the next ones come.
const ROWS_PER_MESSAGE: usize = 1_000;

/// Messages that wait for a slow reader before the search itself waits.
const MESSAGES_WAITING_MAX: usize = 4;

/// The rows of a search as record batches.
pub struct Batches {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
}

/// Aborts a task when dropped: nobody reads any more.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the task and the stream share.
struct Shared {
    started: u64,
    clock: Arc<dyn Clock>,
    watched: Watched,
}

impl Shared {
    fn elapsed_ms(&self) -> u64 {
        self.clock.monotonic_nanos().saturating_sub(self.started) / 1_000_000
    }

    fn read(&self, which: fn(&ScanProgress) -> &AtomicU64) -> u64 {
        which(&self.watched.get()).load(Ordering::Relaxed)
    }

    fn progress(&self) -> SearchMessage {
        SearchMessage::Progress {
            segments_done: self.read(|p| &p.segments_done),
            segments_total: self.read(|p| &p.segments_total),
            events_scanned: self.read(|p| &p.events_scanned),
            events_matched: self.read(|p| &p.events_matched),
            bytes_read: self.read(|p| &p.bytes_read),
            elapsed_ms: self.elapsed_ms(),
        }
    }
}

/// Starts a search.
pub fn search(engine: Engine, request: SearchRequest) -> Result<impl Stream<Item = SearchMessage> + Send + 'static, QueryError> {
    let prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
    let shared =
        Arc::new(Shared { started: engine.clock.monotonic_nanos(), clock: engine.clock.clone(), watched: prepared.wanted.watched.clone() });
    let (sender, mut receiver) = mpsc::channel(MESSAGES_WAITING_MAX);
    let work = {
        let shared = shared.clone();
        async move {
            let messages = prepared.planner.messages.clone();
            let outcome = run(&engine, &request, prepared, &shared, &sender).await;
            for message in messages.take() {
                let _ = sender.send(SearchMessage::Message { severity: message.severity, text: message.text }).await;
            }
            let last = match outcome {
                Ok(Some(done)) => done,
                Ok(None) => return,
                Err(error) => SearchMessage::Error { error },
            };
            let _ = sender.send(last).await;
        }
    };
    Ok(stream! {
        let task = AbortOnDrop(tokio::spawn(work));
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        ticks.tick().await;
        loop {
            tokio::select! {
                biased;
                message = receiver.recv() => match message {
                    Some(message) => {
                        let last = matches!(message, SearchMessage::Done { .. } | SearchMessage::Error { .. });
                        yield message;
                        if last {
                            break;
                        }
                    }
                    // The task ended without a last word: it must have panicked.
                    None => {
                        let error = QueryError::new("the search stopped unexpectedly").with_hint("this is a bug; please report it");
                        yield SearchMessage::Error { error };
                        break;
                    }
                },
                _ = ticks.tick() => yield shared.progress(),
            }
        }
        drop(task);
    })
}

/// What a search says once its columns are known.
fn started(engine: &Engine, request: &SearchRequest, prepared: &Prepared, flow: &crate::exec::Flow) -> SearchMessage {
    SearchMessage::Start {
        id: Ulid::new(&*engine.clock, &taffrail_base::SystemRandomness).to_string(),
        kind: if prepared.is_table() { ResultKind::Table } else { ResultKind::Events },
        fields: fields(&flow.schema()),
        query: request.query.clone(),
        earliest: time_text(prepared.earliest),
        latest: time_text(prepared.latest),
    }
}

/// The whole search; `None` when nobody listens any more.
async fn run(
    engine: &Engine,
    request: &SearchRequest,
    mut prepared: Prepared,
    shared: &Arc<Shared>,
    sender: &mpsc::Sender<SearchMessage>,
) -> Result<Option<SearchMessage>, QueryError> {
    let limit = request.limit.filter(|limit| *limit > 0).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX - 1));
    let source: Arc<dyn Source> = Arc::new(engine.source().telling().tolerating_damage());
    // One more than asked for tells whether there are more.
    let fetch = limit.map(|limit| limit.saturating_add(1));
    let opened = prepared.open(&source, Required::all(), fetch).await?;
    let preview = if request.preview && prepared.is_table() && prepared.can_preview() {
        super::preview::start(engine.clone(), request.clone(), shared.watched.clone(), limit, sender.clone())
    } else {
        None
    };
    let flow = prepared.plan(&opened).await?;
    if sender.send(started(engine, request, &prepared, &flow)).await.is_err() {
        return Ok(None);
    }
    let flow = match fetch {
        Some(fetch) => first_rows(flow, fetch),
        None => flow,
    };
    let mut batches = flow.stream(prepared.planner.context.clone())?;
    let (mut given, mut cut) = (0u64, false);
    let mut preview = preview;
    while let Some(batch) = batches.next().await {
        let mut batch = batch?;
        if let Some(preview) = preview.take() {
            // Ended before the first final rows are sent, so that none of its rows can come after them.
            preview.stop().await;
        }
        let left = limit.map_or(usize::MAX, |limit| limit - given as usize);
        if batch.num_rows() > left {
            (batch, cut) = (batch.slice(0, left), true);
        }
        if !send_rows(&batch, &mut given, sender).await? {
            return Ok(None);
        }
        for message in prepared.planner.messages.take() {
            if sender.send(SearchMessage::Message { severity: message.severity, text: message.text }).await.is_err() {
                return Ok(None);
            }
        }
        if cut {
            break;
        }
    }
    drop(batches);
    if let Some(preview) = preview.take() {
        preview.stop().await;
    }
    let _ = sender.send(shared.progress()).await;
    let messages = &prepared.planner.messages;
    shared.watched.unread().into_iter().for_each(|sentence| messages.inexact(sentence));
    Ok(Some(SearchMessage::Done {
        rows: given,
        matched: shared.read(|p| &p.events_matched),
        scanned: shared.read(|p| &p.events_scanned),
        elapsed_ms: shared.elapsed_ms(),
        bytes_read: shared.read(|p| &p.bytes_read),
        exact: messages.is_exact(),
        truncated: cut || messages.is_truncated(),
    }))
}

async fn send_rows(batch: &RecordBatch, given: &mut u64, sender: &mpsc::Sender<SearchMessage>) -> Result<bool, QueryError> {
    let mut at = 0;
    while at < batch.num_rows() {
        let count = ROWS_PER_MESSAGE.min(batch.num_rows() - at);
        let rows = rows(&batch.slice(at, count))?;
        if sender.send(SearchMessage::Rows { preview: false, offset: *given, rows }).await.is_err() {
            return Ok(false);
        }
        *given += count as u64;
        at += count;
    }
    Ok(true)
}

/// Starts a search whose rows come as batches.
pub async fn batches(engine: Engine, request: SearchRequest, raw_bytes: bool) -> Result<Batches, QueryError> {
    let mut prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
    let limit = request.limit.filter(|limit| *limit > 0).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let source: Arc<dyn Source> = Arc::new(engine.source());
    let needed = if raw_bytes && !prepared.is_table() { Required::of(["_raw_bytes"]) } else { Required::all() };
    let flow = whole(&mut prepared, &source, needed, limit).await?;
    let schema = flow.schema();
    let context = prepared.planner.context.clone();
    let batches = flow.stream(context)?.map(|batch| batch.map_err(QueryError::from));
    Ok(Batches { schema, batches: Box::pin(batches) })
}

/// The plan of a whole search with its limit.
pub async fn whole(prepared: &mut Prepared, source: &Arc<dyn Source>, needed: Required, limit: Option<usize>) -> Result<Flow, QueryError> {
    let opened = prepared.open(source, needed, limit).await?;
    let flow = prepared.plan(&opened).await?;
    Ok(match limit {
        Some(limit) => first_rows(flow, limit),
        None => flow,
    })
}
