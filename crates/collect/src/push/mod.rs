//! What others push over HTTP: a decoder per protocol turns a body into batches. Pure: no network, no clock, no answer;
//! the API has a thin route for each and answers when the batches are durable.
//!
//! **Promise**, the same for all: an answer of success means that every event that it speaks of is durable on disk. What
//! was not answered, or answered with an error, the sender sends again.

pub mod bulk;
pub mod datadog;
pub mod hec;
pub mod journal;
pub mod loki;
pub mod otlp;

use crate::decode::Envelope;
use crate::http::{IngestOrigin, checked};
use crate::records::{Record, Writer};
use crate::zone::Zones;
use std::sync::Arc;
use taffrail_base::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::{EventBatch, Timestamp};

/// The batches of one body while they are being filled.
pub struct Intake {
    writer: Writer,
    full: Vec<EventBatch>,
    batch: EventBatch,
}

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
        Ok(Self { writer: Writer::new(envelope), full: Vec::new(), batch: EventBatch::new(received) })
    }

    /// Adds an event.
    pub fn push(&mut self, record: &Record<'_>) {
        if self.batch.len() >= BATCH_EVENTS_MAX || self.batch.raw_bytes() >= BATCH_BYTES_MAX {
            let next = EventBatch::new(self.batch.received);
            self.full.push(std::mem::replace(&mut self.batch, next));
        }
        self.writer.push(record, &mut self.batch);
    }

    /// The batches; none of them is empty.
    pub fn finish(mut self) -> Vec<EventBatch> {
        self.take_all()
    }

    /// Those that are full.
    fn take_full(&mut self) -> Vec<EventBatch> {
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
