//! A batch while it is being filled, with the account of who sent what in it.

use crate::counters::{DropReason, SourceCounters};
use std::sync::Arc;
use taffrail_base::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use taffrail_event::{EventBatch, Timestamp};
use tokio::sync::oneshot;

/// Events and bytes per source of one batch.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<(Arc<SourceCounters>, u64, u64)>);

impl Tally {
    fn add(&mut self, source: &Arc<SourceCounters>, events: u64, bytes: u64) {
        source.received(events, bytes);
        // Files and connections come in runs, so the last one is nearly always the right one.
        match self.0.iter_mut().rev().find(|(known, ..)| Arc::ptr_eq(known, source)) {
            Some(entry) => {
                entry.1 += events;
                entry.2 += bytes;
            }
            None => self.0.push((Arc::clone(source), events, bytes)),
        }
    }

    /// The sink has them.
    pub fn stored(self) {
        self.0.iter().for_each(|(source, events, bytes)| source.stored(*events, *bytes));
    }

    /// They are given up.
    pub fn dropped(self, reason: DropReason) {
        self.0.iter().for_each(|(source, events, _)| source.dropped(reason, *events));
    }

    /// They will be read again from where they came.
    pub fn unreceived(self) {
        self.0.iter().for_each(|(source, events, bytes)| source.unreceived(*events, *bytes));
    }
}

/// A batch on its way to the sink.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub batch: EventBatch,
    pub tally: Tally,
    /// Told when the batch is durable; dropped untold when it was given up.
    pub receipts: Vec<oneshot::Sender<()>>,
}

impl Outgoing {
    pub fn new(received: Timestamp) -> Self {
        Self { batch: EventBatch::new(received), tally: Tally::default(), receipts: Vec::new() }
    }

    /// The next one after `before`, which was full.
    pub fn after(before: &Self, received: Timestamp) -> Self {
        Self { batch: EventBatch::with_room_of(&before.batch, received), tally: Tally::default(), receipts: Vec::new() }
    }

    /// Runs `fill` on the batch and books what it added on `source`.
    pub fn add<R>(&mut self, source: &Arc<SourceCounters>, fill: impl FnOnce(&mut EventBatch) -> R) -> R {
        let (events, bytes) = (self.batch.len(), self.batch.raw_bytes());
        let result = fill(&mut self.batch);
        let (events, bytes) = (self.batch.len() - events, self.batch.raw_bytes() - bytes);
        if events > 0 {
            self.tally.add(source, events as u64, bytes as u64);
        }
        result
    }

    /// Whether it is time to hand it over.
    pub fn is_full(&self) -> bool {
        self.batch.raw_bytes() >= BATCH_BYTES_MAX || self.batch.len() >= BATCH_EVENTS_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Whether somebody waits for it to be durable.
    pub fn is_awaited(&self) -> bool {
        !self.receipts.is_empty()
    }

    /// The sink has it.
    pub fn stored(self) {
        self.tally.stored();
        // A connection that is gone hears nothing any more.
        for receipt in self.receipts {
            let _ = receipt.send(());
        }
    }
}
