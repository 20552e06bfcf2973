//! A batch while it is being filled, with the account of who sent what in it.

use crate::counters::{SourceCounters, Tally};
use std::sync::Arc;
use taffrail_base::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use taffrail_event::{EventBatch, Timestamp};
use tokio::sync::oneshot;

/// Whether it is time to hand a batch over.
pub(crate) fn is_full(batch: &EventBatch) -> bool {
    batch.raw_bytes() >= BATCH_BYTES_MAX || batch.len() >= BATCH_EVENTS_MAX
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

    /// One that is empty, in the memory of a batch that is done with.
    pub fn in_place_of(done: EventBatch, received: Timestamp) -> Self {
        Self { batch: done.emptied(received), tally: Tally::default(), receipts: Vec::new() }
    }

    /// Runs `fill` on the batch and books what it added on `source`.
    pub fn add<R>(&mut self, source: &Arc<SourceCounters>, fill: impl FnOnce(&mut EventBatch) -> R) -> R {
        let before = self.batch.len();
        let result = fill(&mut self.batch);
        self.tally.add(source, &self.batch, before);
        result
    }

    /// Whether it is time to hand it over.
    pub fn is_full(&self) -> bool {
        is_full(&self.batch)
    }

    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Whether somebody waits for it to be durable.
    pub fn is_awaited(&self) -> bool {
        !self.receipts.is_empty()
    }

    /// There was nothing for the sink in it.
    pub fn done(self) {
        self.stored_but(&[]);
    }

    /// The sink has it; the events of these numbers it had before. Gives the batch back.
    pub fn stored_but(self, repeated: &[u32]) -> EventBatch {
        self.tally.stored_but(repeated, &self.batch);
        // A connection that is gone hears nothing any more.
        for receipt in self.receipts {
            let _ = receipt.send(());
        }
        self.batch
    }
}
