//! Hands batches to the sink: one at a time and in order, while the next one is being filled; waits and
//! retries while the sink is full or busy.

use crate::counters::DropReason;
use crate::input::Stop;
use crate::outgoing::Outgoing;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::{EventBatch, EventSink, Timestamp};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// First and longest wait before a batch that the sink refused is offered again.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long a stopping input still offers what it has to a sink that refuses it.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(5);

/// What happens to the account of events that the sink did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The input has no way to have them again: they count as dropped.
    Drop,
    /// The input reads them again from its last durable position.
    Reread,
}

/// Hands over one batch after the other.
pub(crate) struct Delivery {
    sink: Arc<dyn EventSink>,
    runtime: Handle,
    stop: Stop,
    on_failure: OnFailure,
    pending: Option<JoinHandle<Result<EventBatch>>>,
    gave_up: bool,
    /// The last batch that became durable: its memory is for the next one.
    spare: Option<EventBatch>,
}

impl Delivery {
    pub fn new(sink: Arc<dyn EventSink>, runtime: Handle, stop: Stop, on_failure: OnFailure) -> Self {
        Self { sink, runtime, stop, on_failure, pending: None, gave_up: false, spare: None }
    }

    /// Waits until the batch before is durable, then offers this one. Blocks; not for async code.
    ///
    /// An error is that of the batch before. Where events are read again after a failure, this batch is then not
    /// offered: it must not become durable when the one before it has not.
    pub fn send(&mut self, outgoing: Outgoing) -> Result<()> {
        let before = self.settle();
        if let Err(error) = &before
            && self.on_failure == OnFailure::Reread
        {
            account(outgoing, error, self.on_failure);
            return before;
        }
        if self.gave_up {
            account(outgoing, &Error::new(ErrorKind::Cancelled, ""), self.on_failure);
        } else if outgoing.is_empty() {
            // Nothing to wait for: what came to nothing is as durable as it gets.
            outgoing.done();
        } else {
            let sink = Arc::clone(&self.sink);
            let (stop, on_failure) = (self.stop.clone(), self.on_failure);
            self.pending = Some(self.runtime.spawn(offer(sink, outgoing, stop, on_failure)));
        }
        before
    }

    /// An empty batch, in the memory of one that is durable where there is one.
    pub fn next(&mut self, received: Timestamp) -> Outgoing {
        self.spare.take().map_or_else(|| Outgoing::new(received), |spare| Outgoing::in_place_of(spare, received))
    }

    /// Waits until everything sent is durable.
    pub fn settle(&mut self) -> Result<()> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let result = match self.runtime.block_on(pending) {
            Ok(result) => result.map(|batch| self.spare = Some(batch)),
            Err(join) => Err(Error::new(ErrorKind::Bug, format!("handing over a batch failed: {join}"))),
        };
        // The grace of a stopping input is for all it has together, not for each batch.
        self.gave_up |= result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled);
        result
    }
}

fn account(outgoing: Outgoing, error: &Error, on_failure: OnFailure) {
    match (on_failure, error.kind()) {
        (OnFailure::Reread, _) => outgoing.tally.unreceived(),
        (OnFailure::Drop, ErrorKind::Cancelled) => outgoing.tally.dropped(DropReason::Stopped),
        (OnFailure::Drop, _) => outgoing.tally.dropped(DropReason::SinkFailed),
    }
}

/// Offers one batch until the sink takes it, fails for good, or the input has been stopping for too long.
pub(crate) async fn deliver(sink: Arc<dyn EventSink>, outgoing: Outgoing, stop: Stop, on_failure: OnFailure) -> Result<()> {
    offer(sink, outgoing, stop, on_failure).await.map(drop)
}

/// The same; gives the batch back, which nobody else needs any more.
async fn offer(sink: Arc<dyn EventSink>, mut outgoing: Outgoing, mut stop: Stop, on_failure: OnFailure) -> Result<EventBatch> {
    let mut wait = RETRY_WAIT_MIN;
    let mut grace = STOP_GRACE;
    // It may have to be offered again: the sink gets a clone, which must not cost a copy.
    outgoing.batch.share();
    loop {
        match sink.append(outgoing.batch.clone()).await {
            Ok(receipt) => return Ok(outgoing.stored_but(&receipt.repeated)),
            Err(error) if matches!(error.kind(), ErrorKind::Full | ErrorKind::Busy) => {
                if grace.is_zero() {
                    let error = Error::new(ErrorKind::Cancelled, format!("stopped while the store refused events: {error}"));
                    account(outgoing, &error, on_failure);
                    return Err(error);
                }
                if stop.is_stopped() {
                    tokio::time::sleep(RETRY_WAIT_MIN).await;
                    grace = grace.saturating_sub(RETRY_WAIT_MIN);
                } else {
                    let _ = stop.within(wait).await;
                    wait = (wait * 2).min(RETRY_WAIT_MAX);
                }
            }
            Err(error) => {
                account(outgoing, &error, on_failure);
                return Err(error);
            }
        }
    }
}
