//! Ids that senders give their events, so that whoever keeps events can tell what comes again from what is new. An id is kept as
//! hashes; whose id it is belongs to it, so that two senders with the same one are not taken for each other.

/// Whose ids: an input, an index, a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdScope(pub u64);

/// The id of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Whose it is.
    pub scope: IdScope,
    /// A hash of what the sender calls the event, and of the scope.
    pub key: u64,
    /// A hash of its bytes.
    pub content: u64,
}

/// What makes an event one that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// Its id: what else stands under it is refused, and its sender is told.
    Id,
    /// Its id and its bytes: what else stands under the id is another event.
    IdAndContent,
}

/// Events of a batch that have an id: several where one was too long and was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The number of the first within the batch.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Their id.
    pub id: EventId,
    /// When they are the same as others.
    pub same: Same,
}

impl Marked {
    /// The numbers of the events within the batch.
    pub fn range(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.count
    }
}
