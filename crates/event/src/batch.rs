//! Events on their way in: many at once, in one buffer, so that an event costs no allocation.

use crate::{Origin, Problems, Timestamp};
use rustc_hash::FxHashMap;
use std::sync::Arc;

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
    body: Body,
}

/// The events themselves: of this batch alone while it is filled, of all its clones once it is on its way.
#[derive(Clone, Debug)]
enum Body {
    Own(Events),
    Shared(Arc<Events>),
}

#[derive(Clone, Debug, Default)]
struct Events {
    heads: Vec<Head>,
    raw: Vec<u8>,
    origins: Vec<Origin>,
    /// The number of each origin, once there are many.
    numbers: FxHashMap<Origin, u32>,
}

impl PartialEq for Events {
    fn eq(&self, other: &Self) -> bool {
        self.heads == other.heads && self.raw == other.raw && self.origins == other.origins
    }
}

impl Eq for Events {}

/// Origins up to which looking through them is quicker than a table: nearly every batch has one or a few, and some have
/// one for nearly every event.
const ORIGINS_FEW: usize = 8;

impl Events {
    fn origin(&mut self, origin: &Origin) -> u32 {
        let few = self.origins.len() <= ORIGINS_FEW;
        let found = match few {
            // The last few are the likely ones: senders come in runs.
            true => self.origins.iter().rposition(|known| known == origin).map(|at| at as u32),
            false => {
                if self.numbers.is_empty() {
                    self.numbers.extend(self.origins.iter().cloned().zip(0..));
                }
                self.numbers.get(origin).copied()
            }
        };
        found.unwrap_or_else(|| {
            let number = u32::try_from(self.origins.len()).expect("origins per batch are bounded by its events");
            self.origins.push(origin.clone());
            if !few {
                self.numbers.insert(origin.clone(), number);
            }
            number
        })
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Own(Events::default())
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Body {}

impl std::ops::Deref for Body {
    type Target = Events;

    #[inline]
    fn deref(&self) -> &Events {
        match self {
            Self::Own(events) => events,
            Self::Shared(events) => events,
        }
    }
}

impl Body {
    /// To write to; what others hold as well is copied first.
    #[inline]
    fn own(&mut self) -> &mut Events {
        if let Self::Shared(events) = self {
            *self = Self::Own(Arc::unwrap_or_clone(std::mem::take(events)));
        }
        match self {
            Self::Own(events) => events,
            Self::Shared(_) => unreachable!("it was just made its own"),
        }
    }
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

    /// An empty batch received at `received` with room for as much as `before` holds, so that an input that fills
    /// one after the other does not grow each anew.
    pub fn with_room_of(before: &Self, received: Timestamp) -> Self {
        let events = Events { heads: Vec::with_capacity(before.len()), raw: Vec::with_capacity(before.raw_bytes()), ..Events::default() };
        Self { received, body: Body::Own(events), ..Self::default() }
    }

    /// Makes clones cheap: from here on they share the events. Adding to a shared batch copies it.
    pub fn share(&mut self) {
        if let Body::Own(events) = &mut self.body {
            self.body = Body::Shared(Arc::new(std::mem::take(events)));
        }
    }

    /// The number of `origin` in this batch, added if new.
    pub fn origin(&mut self, origin: &Origin) -> u32 {
        self.body.own().origin(origin)
    }

    /// Adds an event; `origin` is a number that [`EventBatch::origin`] gave.
    #[inline]
    pub fn push(&mut self, origin: u32, time: Timestamp, problems: Problems, raw: &[u8]) {
        let events = self.body.own();
        debug_assert!((origin as usize) < events.origins.len());
        events.raw.extend_from_slice(raw);
        events.heads.push(Head { end: events.raw.len(), time, origin, problems });
    }

    /// Sets a position that becomes durable with these events.
    pub fn set_position(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.positions.push(Position { key: key.into(), value: value.into() });
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.body.heads.len()
    }

    /// Whether there are neither events nor positions.
    pub fn is_empty(&self) -> bool {
        self.body.heads.is_empty() && self.positions.is_empty()
    }

    /// Bytes of all events together.
    pub fn raw_bytes(&self) -> usize {
        self.body.raw.len()
    }

    /// The origins, by number.
    pub fn origins(&self) -> &[Origin] {
        &self.body.origins
    }

    /// Changes every origin (an input that assigns an index or host to what a format produced).
    pub fn map_origins(&mut self, change: impl FnMut(&mut Origin)) {
        let events = self.body.own();
        events.origins.iter_mut().for_each(change);
        events.numbers.clear();
    }

    /// Event number `at`.
    pub fn event(&self, at: usize) -> EventRef<'_> {
        let events = &*self.body;
        let head = events.heads[at];
        let start = if at == 0 { 0 } else { events.heads[at - 1].end };
        EventRef {
            raw: &events.raw[start..head.end],
            time: head.time,
            received: self.received,
            origin: &events.origins[head.origin as usize],
            origin_number: head.origin,
            problems: head.problems,
        }
    }

    /// The events in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventRef<'_>> {
        (0..self.len()).map(|at| self.event(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        let text = |text: &str| -> Arc<str> { text.into() };
        Origin { index: text("main"), host: text("h"), source: text("s"), sourcetype: text("t"), transport: text("file"), peer: text("") }
    }

    #[test]
    fn origins_are_numbered_once_however_many_there_are() {
        let named = |host: &str| Origin { host: host.into(), ..origin() };
        let mut batch = EventBatch::new(Timestamp(1));
        for round in 0..3 {
            for host in 0..3 * ORIGINS_FEW {
                assert_eq!(batch.origin(&named(&host.to_string())), host as u32, "{round}");
            }
        }
        assert_eq!(batch.origins().len(), 3 * ORIGINS_FEW);
        batch.map_origins(|origin| origin.index = "other".into());
        let moved = Origin { index: "other".into(), ..named("3") };
        assert_eq!((batch.origin(&moved), batch.origin(&named("3"))), (3, 3 * ORIGINS_FEW as u32));
    }

    #[test]
    fn clones_of_a_shared_batch_are_independent() {
        let mut batch = EventBatch::new(Timestamp(1));
        let number = batch.origin(&origin());
        batch.push(number, Timestamp(2), Problems::NONE, b"one");
        batch.share();
        let mut other = batch.clone();
        assert_eq!(batch, other);
        other.push(number, Timestamp(3), Problems::NO_TIME, b"two");
        assert_eq!((batch.len(), batch.raw_bytes(), other.len(), other.raw_bytes()), (1, 3, 2, 6));
        let raw: Vec<&[u8]> = other.iter().map(|event| event.raw).collect();
        assert_eq!(raw, [b"one", b"two"]);
        assert_ne!(batch, other);
        let room = EventBatch::with_room_of(&other, Timestamp(4));
        assert!(room.is_empty() && room.received == Timestamp(4));
    }
}
