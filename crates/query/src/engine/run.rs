//! Running a search: a task that plans and reads, and a stream that tells.

use super::limits::{AbortOnDrop, GRACE, stopped};
use super::message::{ResultKind, SearchMessage, SearchRequest, time_text};
use super::{Engine, Prepared};
use crate::commands::Required;
use crate::commands::head::first_rows;
use crate::exec::Flow;
use crate::language::QueryError;
use crate::messages::Messages;
use crate::rows::{fields, rows};
use crate::source::{Source, Watched};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_stream::stream;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::{Stream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use taffrail_base::stop::Reason;
use taffrail_base::{Clock, Stop, Ulid};
use taffrail_store::scan::ScanProgress;
use tokio::sync::mpsc;

/// Time between messages of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Rows in one message: small enough to be shown while the next ones come.
const ROWS_PER_MESSAGE: usize = 1_000;

/// Messages that wait for a slow reader before the search itself waits.
const MESSAGES_WAITING_MAX: usize = 4;

/// What a running search tells, where its rows are wanted as batches.
#[derive(Clone, Debug)]
pub enum Update {
    /// A message; never one of rows.
    Message(SearchMessage),
    /// The columns of the batches; after `start`.
    Schema(SchemaRef),
    /// Rows; the first has this number in the result.
    Rows(u64, RecordBatch),
}

/// In which form rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As messages.
    Messages,
    /// As batches; of events only their bytes where these are wanted.
    Batches {
        /// Whether they are.
        raw_bytes: bool,
    },
}

/// What the task and the stream share.
struct Shared {
    /// When the work began, by the monotonic clock; 0 before.
    started: AtomicU64,
    clock: Arc<dyn Clock>,
    watched: Watched,
    form: Form,
}

impl Shared {
    fn elapsed_ms(&self) -> u64 {
        match self.started.load(Ordering::Relaxed) {
            0 => 0,
            started => self.clock.monotonic_nanos().saturating_sub(started) / 1_000_000,
        }
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
    let updates = updates(engine, request, Form::Messages)?;
    Ok(updates.filter_map(|update| async move {
        match update {
            Update::Message(message) => Some(message),
            Update::Schema(_) | Update::Rows(..) => None,
        }
    }))
}

/// Starts a search: the work on a task of its own, and the stream that tells. Nothing is done before the stream is asked.
pub fn updates(engine: Engine, request: SearchRequest, form: Form) -> Result<impl Stream<Item = Update> + Send + 'static, QueryError> {
    let prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
    let (started, clock, watched) = (AtomicU64::new(0), engine.clock.clone(), prepared.wanted.watched.clone());
    let shared = Arc::new(Shared { started, clock, watched, form });
    let (sender, mut receiver) = mpsc::channel(MESSAGES_WAITING_MAX);
    let stop = engine.stop.clone();
    let (doing, told) = (engine.clone(), shared.clone());
    let work = async move { work(&doing, &request, prepared, &told, &sender).await };
    Ok(stream! {
        let _cancel = stop.on_drop();
        stop.begin();
        shared.started.store(shared.clock.monotonic_nanos().max(1), Ordering::Relaxed);
        let task = AbortOnDrop(engine.spawn(work));
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        ticks.tick().await;
        let mut overdue = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                update = receiver.recv() => match update {
                    Some(update) => {
                        let last = matches!(update, Update::Message(SearchMessage::Done { .. } | SearchMessage::Error { .. }));
                        yield update;
                        if last {
                            break;
                        }
                    }
                    None => {
                        yield Update::Message(SearchMessage::Error { error: stopped() });
                        break;
                    }
                },
                _ = ticks.tick() => {
                    // Work that computes without looking up is not waited for.
                    if let Err(error) = stop.check() {
                        overdue += PROGRESS_EVERY;
                        if overdue > GRACE {
                            yield Update::Message(SearchMessage::Error { error: QueryError::from(&error) });
                            break;
                        }
                    }
                    yield Update::Message(shared.progress());
                }
            }
        }
        drop(task);
    })
}

/// The work of a search, up to its last word.
async fn work(engine: &Engine, request: &SearchRequest, prepared: Prepared, shared: &Arc<Shared>, sender: &mpsc::Sender<Update>) {
    let messages = prepared.planner.messages.clone();
    let outcome = run(engine, request, prepared, shared, sender).await;
    for message in messages.take() {
        let _ = sender.send(told(message)).await;
    }
    let last = match outcome {
        Ok(Some(done)) => done,
        Ok(None) => return,
        Err(error) => SearchMessage::Error { error },
    };
    let _ = sender.send(Update::Message(last)).await;
}

fn told(message: crate::messages::Message) -> Update {
    Update::Message(SearchMessage::Message { severity: message.severity, text: message.text })
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
    sender: &mpsc::Sender<Update>,
) -> Result<Option<SearchMessage>, QueryError> {
    let limit = request.limit.filter(|limit| *limit > 0).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX - 1));
    let source: Arc<dyn Source> = Arc::new(engine.source().telling().tolerating_damage());
    // One more than asked for tells whether there are more.
    let fetch = limit.map(|limit| limit.saturating_add(1));
    let needed = match shared.form {
        Form::Batches { raw_bytes: true } if !prepared.is_table() => Required::of(["_raw_bytes"]),
        _ => Required::all(),
    };
    let opened = prepared.open(&source, needed, fetch).await?;
    let preview = if request.preview && prepared.is_table() && prepared.can_preview() {
        super::preview::start(engine.clone(), request.clone(), shared.watched.clone(), limit, sender.clone())
    } else {
        None
    };
    let flow = prepared.plan(&opened).await?;
    let start = Update::Message(started(engine, request, &prepared, &flow));
    if sender.send(start).await.is_err() || sender.send(Update::Schema(flow.schema())).await.is_err() {
        return Ok(None);
    }
    let flow = match fetch {
        Some(fetch) => first_rows(flow, fetch),
        None => flow,
    };
    let mut rows = Rows { batches: flow.stream(prepared.planner.context.clone())?, stop: engine.stop.clone(), over: false };
    // What is found first is an answer of its own; a part of a table is none.
    let partial = !prepared.is_table();
    let (mut given, mut cut) = (0u64, false);
    let mut preview = preview;
    while let Some(mut batch) = rows.next(partial).await? {
        if let Some(preview) = preview.take() {
            // Ended before the first final rows are sent, so that none of its rows can come after them.
            preview.stop().await;
        }
        let left = limit.map_or(usize::MAX, |limit| limit - given as usize);
        if batch.num_rows() > left {
            (batch, cut) = (batch.slice(0, left), true);
        }
        if !send_rows(batch, &mut given, shared.form, sender).await? {
            return Ok(None);
        }
        for message in prepared.planner.messages.take() {
            if sender.send(told(message)).await.is_err() {
                return Ok(None);
            }
        }
        if cut {
            break;
        }
    }
    let over = rows.over;
    drop(rows);
    if let Some(preview) = preview.take() {
        preview.stop().await;
    }
    let _ = sender.send(Update::Message(shared.progress())).await;
    Ok(Some(ended(&prepared.planner.messages, shared, over.then_some(&engine.stop), given, cut)))
}

/// The last word of a search that gave so many rows; `over` is what ended it, where its time was over.
fn ended(messages: &Messages, shared: &Shared, over: Option<&Stop>, rows: u64, cut: bool) -> SearchMessage {
    if let Some(Err(error)) = over.map(Stop::check) {
        messages.truncated(format!("{}: the answer is what was found until then", error.message()));
    }
    shared.watched.unread().into_iter().for_each(|sentence| messages.inexact(sentence));
    SearchMessage::Done {
        rows,
        matched: shared.read(|p| &p.events_matched),
        scanned: shared.read(|p| &p.events_scanned),
        elapsed_ms: shared.elapsed_ms(),
        bytes_read: shared.read(|p| &p.bytes_read),
        exact: messages.is_exact(),
        truncated: cut || messages.is_truncated(),
    }
}

/// The rows of a search within its time.
struct Rows {
    batches: SendableRecordBatchStream,
    stop: Stop,
    /// Whether its time was over before they ended.
    over: bool,
}

impl Rows {
    /// The next ones; with `partial`, what there is when the time is over is an answer, else an error.
    async fn next(&mut self, partial: bool) -> Result<Option<RecordBatch>, QueryError> {
        let next = match self.stop.time_left() {
            None => Ok(self.batches.next().await),
            Some(left) if left.is_zero() => Err(()),
            Some(left) => tokio::time::timeout(left, self.batches.next()).await.map_err(|_| ()),
        };
        match next {
            Ok(Some(Ok(batch))) => Ok(Some(batch)),
            Ok(None) => Ok(None),
            _ if partial && matches!(self.stop.reason(), Some(Reason::TimeOver(_))) => {
                self.over = true;
                Ok(None)
            }
            Ok(Some(Err(error))) => Err(error.into()),
            Err(()) => Err(self.stop.check().err().map_or_else(stopped, |error| QueryError::from(&error))),
        }
    }
}

async fn send_rows(batch: RecordBatch, given: &mut u64, form: Form, sender: &mpsc::Sender<Update>) -> Result<bool, QueryError> {
    let count = batch.num_rows() as u64;
    if let Form::Batches { .. } = form {
        let sent = sender.send(Update::Rows(*given, batch)).await.is_ok();
        *given += count;
        return Ok(sent);
    }
    let mut at = 0;
    while at < batch.num_rows() {
        let count = ROWS_PER_MESSAGE.min(batch.num_rows() - at);
        let rows = rows(&batch.slice(at, count))?;
        let message = SearchMessage::Rows { preview: false, offset: *given, rows };
        if sender.send(Update::Message(message)).await.is_err() {
            return Ok(false);
        }
        *given += count as u64;
        at += count;
    }
    Ok(true)
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
