//! Events on their way in: many at once, in one buffer, so that an event costs no allocation.

use crate::{EventId, Marked, Origin, Origins, Problems, Same, Timestamp};
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Events {
    heads: Vec<Head>,
    raw: Vec<u8>,
    origins: Origins,
    ids: Vec<Marked>,
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

    /// An empty batch received at `received` in the memory of this one, where nobody else holds its events any more.
    pub fn emptied(self, received: Timestamp) -> Self {
        let mut events = match self.body {
            Body::Own(events) => events,
            Body::Shared(events) => Arc::try_unwrap(events).unwrap_or_default(),
        };
        events.heads.clear();
        events.raw.clear();
        events.origins.clear();
        events.ids.clear();
        Self { received, positions: Vec::new(), body: Body::Own(events) }
    }

    /// Makes clones cheap: from here on they share the events. Adding to a shared batch copies it.
    pub fn share(&mut self) {
        if let Body::Own(events) = &mut self.body {
            self.body = Body::Shared(Arc::new(std::mem::take(events)));
        }
    }

    /// The number of `origin` in this batch, added if new.
    pub fn origin(&mut self, origin: &Origin) -> u32 {
        self.body.own().origins.number(origin)
    }

    /// Adds an origin that is known not to be there, and gives its number. One that is there all the same is there twice, no more.
    pub fn new_origin(&mut self, origin: &Origin) -> u32 {
        self.body.own().origins.add(origin)
    }

    /// Adds an event; `origin` is a number that [`EventBatch::origin`] gave.
    #[inline]
    pub fn push(&mut self, origin: u32, time: Timestamp, problems: Problems, raw: &[u8]) {
        let events = self.body.own();
        debug_assert!((origin as usize) < events.origins.all().len());
        events.raw.extend_from_slice(raw);
        events.heads.push(Head { end: events.raw.len(), time, origin, problems });
    }

    /// Says that the events from number `from` to the last have this id.
    pub fn mark(&mut self, from: usize, id: EventId, same: Same) {
        let (first, end) = (from as u32, self.len() as u32);
        debug_assert!(self.ids().last().is_none_or(|last| last.range().end <= first));
        if first < end {
            self.body.own().ids.push(Marked { first, count: end - first, id, same });
        }
    }

    /// Says that the event of this number has this id; it stands behind all that have one so far.
    pub fn mark_one(&mut self, at: usize, id: EventId, same: Same) {
        self.mark_some(Marked { first: at as u32, count: 1, id, same });
    }

    /// Says that these events have this id; they stand behind all that have one so far.
    pub fn mark_some(&mut self, marked: Marked) {
        debug_assert!(self.ids().last().is_none_or(|last| last.range().end <= marked.first));
        debug_assert!(marked.range().end as usize <= self.len());
        self.body.own().ids.push(marked);
    }

    /// The events that have an id, in order.
    pub fn ids(&self) -> &[Marked] {
        &self.body.ids
    }

    /// The same batch without the events of these numbers, which rise. Its positions and origins stay.
    pub fn without(&self, numbers: &[u32]) -> Self {
        let mut rest = Self { received: self.received, positions: self.positions.clone(), body: Body::default() };
        let events = rest.body.own();
        events.origins = self.body.origins.clone();
        let mut left_out = numbers.iter().copied().peekable();
        let mut marks = self.ids().iter().copied().peekable();
        for (number, event) in (0u32..).zip(self.iter()) {
            let marked = marks.next_if(|marked| marked.first == number);
            if left_out.next_if_eq(&number).is_some() {
                continue;
            }
            if let Some(marked) = marked {
                events.ids.push(Marked { first: events.heads.len() as u32, ..marked });
            }
            events.raw.extend_from_slice(event.raw);
            let head = Head { end: events.raw.len(), time: event.time, origin: event.origin_number, problems: event.problems };
            events.heads.push(head);
        }
        rest
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
        self.body.origins.all()
    }

    /// Changes every origin (an input that assigns an index or host to what a format produced).
    pub fn map_origins(&mut self, change: impl FnMut(&mut Origin)) {
        self.body.own().origins.change(change);
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
            origin: &events.origins.all()[head.origin as usize],
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
        let clone = batch.clone();
        let same = [other.mark(1, EventId::default(), Same::Id), other.mark(2, EventId::default(), Same::Id)];
        assert_eq!((same.len(), other.ids().len(), batch.ids().len()), (2, 1, 0), "nothing is not marked");
        for again in [batch.emptied(Timestamp(5)), clone.emptied(Timestamp(5)), other.emptied(Timestamp(5))] {
            assert_eq!(again, EventBatch::new(Timestamp(5)));
        }
    }

    #[test]
    fn what_is_left_out_takes_its_id_along() {
        let mut batch = EventBatch::new(Timestamp(1));
        let number = batch.origin(&origin());
        let id = |key| EventId { key, ..EventId::default() };
        for (key, parts) in [(1, &["a"][..]), (2, &["b", "b2"]), (0, &["plain"]), (3, &["c"])] {
            let from = batch.len();
            parts.iter().for_each(|part| batch.push(number, Timestamp(2), Problems::NONE, part.as_bytes()));
            if key > 0 {
                batch.mark(from, id(key), Same::IdAndContent);
            }
        }
        batch.set_position("p", *b"v");
        let rest = batch.without(&[1, 2]);
        let raw: Vec<&[u8]> = rest.iter().map(|event| event.raw).collect();
        assert_eq!((raw, &rest.positions, rest.origins()), (vec![&b"a"[..], b"plain", b"c"], &batch.positions, batch.origins()));
        let marks: Vec<_> = rest.ids().iter().map(|marked| (marked.range(), marked.id.key)).collect();
        assert_eq!(marks, [(0..1, 1), (2..3, 3)]);
        assert_eq!(batch.without(&[]), batch);
    }
}
