//! Appending: batches wait in a queue, one thread takes as many as fit into a group, writes and syncs them
//! with one journal append, puts their events into memory, and then answers.

use super::stat::add;
use super::state::{assign, events_of};
use super::{Ingest, Shared};
use crate::journal::{self, Entry, Span};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use taffrail_base::limits::{APPEND_QUEUE_BYTES_MAX, BATCH_EVENTS_MAX, JOURNAL_GROUP_BYTES_MAX};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::{EventBatch, Origin, Receipt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Origins of a batch up to which they are looked for among those that are there.
const MANY_ORIGINS: usize = 64;

/// What one permit of the queue stands for, in bytes.
const PERMIT_BYTES: usize = 1024;

struct Job {
    batch: EventBatch,
    answer: oneshot::Sender<Result<Receipt>>,
    _room: OwnedSemaphorePermit,
}

/// Batches that wait for the journal; bounded by their bytes.
pub(super) struct Queue {
    room: Arc<Semaphore>,
    jobs: Mutex<(VecDeque<Job>, bool)>,
    filled: Condvar,
}

impl Queue {
    pub fn new() -> Self {
        let room = Arc::new(Semaphore::new(APPEND_QUEUE_BYTES_MAX / PERMIT_BYTES));
        Self { room, jobs: Mutex::default(), filled: Condvar::new() }
    }

    /// Takes no more batches; those that wait are still answered.
    pub fn stop(&self) {
        self.jobs.lock().1 = true;
        self.room.close();
        self.filled.notify_all();
    }

    async fn put(&self, batch: EventBatch) -> Result<oneshot::Receiver<Result<Receipt>>> {
        // The largest batch waits for an empty queue instead of for ever.
        let permits = (journal::record_bytes(&batch) / PERMIT_BYTES + 1).min(APPEND_QUEUE_BYTES_MAX / PERMIT_BYTES);
        let permits = u32::try_from(permits).expect("bounded by the queue");
        let room = self.room.clone().acquire_many_owned(permits).await.map_err(|_| stopping())?;
        let (answer, result) = oneshot::channel();
        let mut jobs = self.jobs.lock();
        if jobs.1 {
            return Err(stopping());
        }
        jobs.0.push_back(Job { batch, answer, _room: room });
        self.filled.notify_one();
        Ok(result)
    }

    /// The next group; `None` when stopped and empty.
    fn take(&self) -> Option<Vec<Job>> {
        let mut jobs = self.jobs.lock();
        while jobs.0.is_empty() {
            if jobs.1 {
                return None;
            }
            self.filled.wait(&mut jobs);
        }
        let mut bytes = 0;
        let mut fits = |job: &&Job| {
            bytes += journal::record_bytes(&job.batch);
            bytes <= JOURNAL_GROUP_BYTES_MAX
        };
        let count = jobs.0.iter().take_while(|job| fits(job)).count().max(1);
        Some(jobs.0.drain(..count).collect())
    }
}

/// A group that is durable.
struct Committed {
    /// Sequence number of the first record; each batch has one, also where nothing of it is new.
    first: u64,
    /// Of each batch the numbers of the events that were there already; none where no batch has ids.
    repeated: Vec<Vec<u32>>,
}

impl Committed {
    fn receipt(&mut self, number: usize, batch: &EventBatch) -> Receipt {
        let repeated = self.repeated.get_mut(number).map(std::mem::take).unwrap_or_default();
        Receipt { events: (batch.len() - repeated.len()) as u64, sequence: self.first + number as u64, repeated }
    }
}

fn stopping() -> Error {
    Error::new(ErrorKind::Cancelled, "the store is closed")
}

/// An error told to one more.
fn again(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message());
    match error.hint() {
        Some(hint) => copy.with_hint(hint),
        None => copy,
    }
}

impl Shared {
    /// Refuses a batch that can never be appended.
    fn check(&self, batch: &EventBatch) -> Result<()> {
        if self.read_only {
            let message = format!("{} was opened for reading only", self.dir.display());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if let Some(origin) = batch.origins().iter().find(|origin| !Origin::check_index(&origin.index)) {
            let message = format!("{:?} cannot be the name of an index", origin.index);
            return Err(Error::new(ErrorKind::Invalid, message).with_hint("use 1 to 64 of a-z, 0-9, _ and -, with no - first"));
        }
        if batch.len() > BATCH_EVENTS_MAX {
            let message = format!("a batch of {} events is larger than limits::BATCH_EVENTS_MAX ({BATCH_EVENTS_MAX})", batch.len());
            return Err(Error::new(ErrorKind::Limit, message).with_hint("hand it over in smaller batches"));
        }
        journal::check_size(batch)
    }

    /// Appends a batch through the committer's thread, or here and now where there is none.
    pub async fn append(self: Arc<Self>, batch: EventBatch) -> Result<Receipt> {
        let result = self.append_inner(batch).await;
        if result.is_err() {
            add(&self.counters.failed, 1);
        }
        result
    }

    async fn append_inner(&self, batch: EventBatch) -> Result<Receipt> {
        self.check(&batch)?;
        if batch.is_empty() {
            return Ok(Receipt { sequence: self.state.lock().applied, ..Receipt::default() });
        }
        if !self.settings.synchronous {
            let result = self.queue.put(batch).await?;
            return result.await.map_err(|_| stopping())?;
        }
        if self.state.lock().stopping {
            return Err(stopping());
        }
        let mut committed = self.commit(&[&batch])?;
        // The batch is durable whatever comes of this.
        let _ = self.flush_due();
        Ok(committed.receipt(0, &batch))
    }

    /// The committer's thread.
    pub fn run_committer(&self) {
        while let Some(jobs) = self.queue.take() {
            let batches: Vec<&EventBatch> = jobs.iter().map(|job| &job.batch).collect();
            // After a panic memory and journal may differ: nothing more is taken, and a restart puts it right.
            let mut result = catch_unwind(AssertUnwindSafe(|| self.commit(&batches))).unwrap_or_else(|_| {
                self.queue.stop();
                Err(Error::new(ErrorKind::Bug, "appending panicked").with_hint("please report it, and restart"))
            });
            for (number, job) in jobs.into_iter().enumerate() {
                let answer = match &mut result {
                    Ok(committed) => Ok(committed.receipt(number, &job.batch)),
                    Err(error) => Err(again(error)),
                };
                let Job { batch, answer: sender, _room } = job;
                // Let go of before the answer: who waits for it may use the memory again.
                drop(batch);
                // A sender that went away misses its answer, not its events.
                let _ = sender.send(answer);
            }
        }
    }

    /// Makes a group durable and searchable.
    fn commit(&self, batches: &[&EventBatch]) -> Result<Committed> {
        let bytes = batches.iter().map(|batch| batch.raw_bytes()).sum();
        let result = self.wait_for_memory(bytes).and_then(|()| self.check_disk(bytes)).and_then(|()| self.commit_now(batches));
        let full = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Full);
        self.counters.disk_full.store(full, Ordering::Relaxed);
        result
    }

    fn commit_now(&self, batches: &[&EventBatch]) -> Result<Committed> {
        let mut guard = self.ingest.lock();
        let ingest = guard.as_mut().ok_or_else(stopping)?;
        // What is there already, and stays so: only who holds the ingest lock changes it.
        let have_ids = batches.iter().any(|batch| !batch.ids().is_empty());
        let repeated = if have_ids { self.state.lock().known.repeated(batches) } else { Vec::new() };
        let rest = |(repeated, batch): (&Vec<u32>, &&EventBatch)| (!repeated.is_empty()).then(|| batch.without(repeated));
        let rests: Vec<Option<EventBatch>> = repeated.iter().zip(batches).map(rest).collect();
        let new: Vec<&EventBatch> =
            batches.iter().enumerate().map(|(at, batch)| rests.get(at).and_then(Option::as_ref).unwrap_or(batch)).collect();
        let first = self.commit_new(ingest, &new)?;
        Ok(Committed { first, repeated })
    }

    /// Appends the records and applies them. Gives the sequence number of the first.
    fn commit_new(&self, ingest: &mut Ingest, batches: &[&EventBatch]) -> Result<u64> {
        let mut next = ingest.next.clone();
        let spans: Vec<Vec<Span>> = batches.iter().map(|batch| assign(batch, &mut next)).collect();
        let entries: Vec<Entry<'_>> = batches.iter().zip(&spans).map(|(batch, spans)| Entry { batch, spans }).collect();
        let first = ingest.journal.append(&entries)?;
        // Durable from here on: nothing below can fail.
        ingest.next = next;
        let before = self.state.lock().freezes;
        for (entry, sequence) in entries.iter().zip(first..) {
            self.apply(entry, sequence);
        }
        if self.state.lock().freezes > before {
            // What is frozen and what comes now do not share a file, so that it can be trimmed.
            ingest.journal.rotate_soon();
            self.changed.notify_all();
        }
        self.newest.send_replace(first + entries.len() as u64 - 1);
        Ok(first)
    }

    /// Puts a durable record's events into memory. The caller holds the ingest lock.
    fn apply(&self, entry: &Entry<'_>, sequence: u64) {
        let Entry { batch, spans } = entry;
        let targets = self.state.lock().room(&self.settings, batch.raw_bytes(), spans, self.clock.monotonic_nanos());
        let mut bytes = vec![0; spans.len()];
        // Small batches recur with the origins that they had before.
        let many_origins = batch.origins().len() > MANY_ORIGINS.max(batch.len() / 4);
        for (slot, (target, bytes)) in targets.iter().zip(&mut bytes).enumerate() {
            target.extend_from(events_of(batch, spans, slot).inspect(|event| *bytes += event.raw.len()), many_origins);
        }
        let mut state = self.state.lock();
        state.count(&self.settings, spans, &bytes);
        state.set_positions(batch);
        state.applied = sequence;
        drop(state);
        add(&self.counters.batches, 1);
        add(&self.counters.events, batch.len());
        add(&self.counters.bytes, batch.raw_bytes());
    }

    /// Waits until `bytes` more may be held in memory, or says why that will not be soon.
    fn wait_for_memory(&self, bytes: usize) -> Result<()> {
        let mut state = self.state.lock();
        while !state.frozen.is_empty() && state.memory_bytes() + bytes > self.settings.memory_bytes_max() {
            if self.settings.synchronous {
                drop(state);
                self.build_frozen()?;
                state = self.state.lock();
                continue;
            }
            if let Some((kind, message)) = &state.trouble {
                let message = format!("memory is full of events that cannot be written to a segment: {message}");
                let hint = "what was acknowledged is safe; it goes on by itself once the disk can be written";
                return Err(Error::new(*kind, message).with_hint(hint));
            }
            self.changed.wait_for(&mut state, Duration::from_secs(1));
        }
        Ok(())
    }

    /// Refuses appends that would leave too little of the disk to write segments, which is what makes the
    /// journal shorter.
    fn check_disk(&self, bytes: usize) -> Result<()> {
        // If the system does not tell, the append itself will.
        let Ok(free) = self.vfs.available_bytes(&self.dir) else { return Ok(()) };
        if free >= self.settings.reserve_bytes.saturating_add(bytes as u64) {
            return Ok(());
        }
        let message = format!("{}: only {free} bytes are left on the disk", self.dir.display());
        Err(Error::new(ErrorKind::Full, message).with_hint("make room; what was acknowledged is safe, and appending goes on by itself"))
    }
}
