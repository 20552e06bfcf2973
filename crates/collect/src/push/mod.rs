//! What others push over HTTP: a decoder per protocol turns a body into batches. Pure: no network, no clock, no answer;
//! the API has a thin route for each and answers when the batches are durable.
//!
//! **Promise**, the same for all: an answer of success means that every event that it speaks of is durable on disk. What
//! was not answered, or answered with an error, the sender sends again. Where the protocol gives an event an id, what comes again
//! is told by it and not stored twice; see [`crate::ids`].

pub mod bulk;
pub mod datadog;
pub mod hec;
pub mod journal;
pub mod loki;
pub mod otlp;

use crate::decode::Envelope;
use crate::http::{IngestOrigin, checked};
use crate::ids;
use crate::records::{Record, Writer};
use crate::zone::Zones;
use std::sync::Arc;
use taffrail_base::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::{EventBatch, IdScope, Same, Timestamp};

/// The batches of one body while they are being filled.
pub struct Intake {
    writer: Writer,
    full: Vec<EventBatch>,
    batch: EventBatch,
    /// Batches that were given to whoever stores them.
    taken: usize,
    /// Whose ids events have.
    ids: IdScope,
}

/// Where an event went: the number of the batch of its body, and its number there.
pub type Place = (usize, u32);

impl Intake {
    /// Empty, for a body that arrived at `received`. What `origin` names holds for records that do not name it (its host
    /// for all); `source` is that of events for which nobody names one.
    pub fn new(origin: &IngestOrigin, source: &str, received: Timestamp) -> Result<Self> {
        let envelope = Envelope {
            index: crate::input::checked_index(origin.index.as_deref())?,
            host: checked("host", origin.host.as_deref())?.map(Arc::from),
            default_host: Arc::from(origin.peer.as_str()),
            source: Arc::from(checked("source", origin.source.as_deref())?.unwrap_or(source)),
            sourcetype: checked("sourcetype", origin.sourcetype.as_deref())?.map(Arc::from),
            transport: "http".into(),
            peer: Arc::from(origin.peer.as_str()),
            zones: Zones::all(origin.zone.clone()),
        };
        let sender = if origin.sender.is_empty() { &origin.peer } else { &origin.sender };
        let ids = ids::scope(&["push", source, &envelope.index, sender]);
        Ok(Self { writer: Writer::new(envelope), full: Vec::new(), batch: EventBatch::new(received), taken: 0, ids })
    }

    /// Adds an event.
    pub fn push(&mut self, record: &Record<'_>) {
        self.make_room();
        self.writer.push(record, &mut self.batch);
    }

    /// Adds an event that its sender calls by `parts` together, and says where it went.
    pub fn push_as(&mut self, record: &Record<'_>, parts: &[&str], same: Same) -> Place {
        self.make_room();
        let from = self.batch.len();
        self.writer.push(record, &mut self.batch);
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.batch.mark(from, ids::id(self.ids, &parts, &record.raw), same);
        (self.taken + self.full.len(), from as u32)
    }

    fn make_room(&mut self) {
        if self.batch.len() >= BATCH_EVENTS_MAX || self.batch.raw_bytes() >= BATCH_BYTES_MAX {
            let next = EventBatch::new(self.batch.received);
            self.full.push(std::mem::replace(&mut self.batch, next));
        }
    }

    /// The batches; none of them is empty.
    pub fn finish(mut self) -> Vec<EventBatch> {
        self.take_all()
    }

    /// Those that are full.
    fn take_full(&mut self) -> Vec<EventBatch> {
        self.taken += self.full.len();
        std::mem::take(&mut self.full)
    }

    /// All that there is by now.
    fn take_all(&mut self) -> Vec<EventBatch> {
        if !self.batch.is_empty() {
            let next = EventBatch::new(self.batch.received);
            self.full.push(std::mem::replace(&mut self.batch, next));
        }
        self.take_full()
    }
}

/// A body as text.
fn utf8(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body).map_err(|e| Error::new(ErrorKind::Invalid, format!("the body is not UTF-8: {e}")))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
