//! Events on their way in: many at once, in one buffer, so that an event costs no allocation.

use crate::{Origin, Problems, Timestamp};

/// How far an input has come with something it reads. It is committed in the same journal record as the
/// events that it covers, so that neither can be there without the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose position, as the input names it, e.g. `file/<fingerprint>`.
    pub key: String,
    /// What the input wants back after a restart; empty removes the key.
    pub value: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    end: usize,
    time: Timestamp,
    origin: u32,
    problems: Problems,
}

/// Events in the order they arrived, with what they share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventBatch {
    /// When they were received.
    pub received: Timestamp,
    /// How far the input has come once these are durable.
    pub positions: Vec<Position>,
    origins: Vec<Origin>,
    heads: Vec<Head>,
    raw: Vec<u8>,
}

/// One event of a batch.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    /// Its bytes as they arrived.
    pub raw: &'a [u8],
    /// When it happened.
    pub time: Timestamp,
    /// When it was received.
    pub received: Timestamp,
    /// Where it came from.
    pub origin: &'a Origin,
    /// The number of that origin within the batch.
    pub origin_number: u32,
    /// What was wrong with it.
    pub problems: Problems,
}

impl EventBatch {
    /// An empty batch received at `received`.
    pub fn new(received: Timestamp) -> Self {
        Self { received, ..Self::default() }
    }

    /// The number of `origin` in this batch, added if new.
    pub fn origin(&mut self, origin: &Origin) -> u32 {
        // The last few are the likely ones: senders come in runs.
        let found = self.origins.iter().rposition(|known| known == origin);
        let number = found.unwrap_or_else(|| {
            self.origins.push(origin.clone());
            self.origins.len() - 1
        });
        u32::try_from(number).expect("origins per batch are bounded by its events")
    }

    /// Adds an event; `origin` is a number that [`EventBatch::origin`] gave.
    pub fn push(&mut self, origin: u32, time: Timestamp, problems: Problems, raw: &[u8]) {
        debug_assert!((origin as usize) < self.origins.len());
        self.raw.extend_from_slice(raw);
        self.heads.push(Head { end: self.raw.len(), time, origin, problems });
    }

    /// Sets a position that becomes durable with these events.
    pub fn set_position(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.positions.push(Position { key: key.into(), value: value.into() });
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are neither events nor positions.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.positions.is_empty()
    }

    /// Bytes of all events together.
    pub fn raw_bytes(&self) -> usize {
        self.raw.len()
    }

    /// The origins, by number.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Changes every origin (an input that assigns an index or host to what a format produced).
    pub fn map_origins(&mut self, change: impl FnMut(&mut Origin)) {
        self.origins.iter_mut().for_each(change);
    }

    /// Event number `at`.
    pub fn event(&self, at: usize) -> EventRef<'_> {
        let head = self.heads[at];
        let start = if at == 0 { 0 } else { self.heads[at - 1].end };
        EventRef {
            raw: &self.raw[start..head.end],
            time: head.time,
            received: self.received,
            origin: &self.origins[head.origin as usize],
            origin_number: head.origin,
            problems: head.problems,
        }
    }

    /// The events in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventRef<'_>> {
        (0..self.len()).map(|at| self.event(at))
    }
}
