//! Where inputs put events. The store implements it; so can a forwarder.

use crate::EventBatch;
use futures::future::BoxFuture;
use taffrail_base::Result;

/// What a sender may believe once it has one: the events are durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events made durable.
    pub events: u64,
    /// The numbers of events of the batch that were not, since they are durable already, as their ids tell. They rise.
    pub repeated: Vec<u32>,
    /// Journal sequence number of the record that holds them.
    pub sequence: u64,
}

/// Takes events and makes them durable.
pub trait EventSink: Send + Sync {
    /// Appends the events, and the positions with them, in one step: both or neither. Resolves when they are
    /// durable. An error of kind `Full` or `Busy` may be retried with the same batch.
    fn append(&self, batch: EventBatch) -> BoxFuture<'static, Result<Receipt>>;

    /// The last durable value of a position.
    fn position(&self, key: &str) -> Option<Vec<u8>>;

    /// All positions whose key starts with `prefix`, sorted by key.
    fn positions(&self, prefix: &str) -> Vec<(String, Vec<u8>)>;
}
