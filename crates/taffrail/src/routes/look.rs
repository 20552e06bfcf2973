//! Looking for what a route sends next, where searches run; and for what comes after it, while it is being sent. At most one
//! batch is looked for ahead.

use crate::app::App;
use std::sync::Arc;
use taffrail_base::limits::{ROUTE_BATCH_BYTES, ROUTE_BATCH_EVENTS, ROUTE_LOOK_ARRIVALS};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_query::{Followed, Place, QueryError, StepLimits};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Events of the first look: how large they are is not known yet.
const FIRST_EVENTS: usize = 1_000;

/// The looks of one route.
pub(super) struct Looks {
    app: Arc<App>,
    search: String,
    arrivals: watch::Receiver<u64>,
    ahead: Option<Look>,
    /// Whose turn it was.
    turn: String,
    /// Events that are looked for at once: as many as are about a batch, fewer when so many could not be had.
    events: usize,
}

/// A look under way; given up when nobody waits for it any more.
struct Look(JoinHandle<std::result::Result<Followed, QueryError>>);

impl Drop for Look {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Looks {
    pub fn new(app: Arc<App>, search: &str) -> Self {
        let arrivals = app.store.subscribe();
        Self { app, search: search.to_owned(), arrivals, ahead: None, turn: String::new(), events: FIRST_EVENTS }
    }

    fn begin(&mut self, from: &Place, turn: &str) -> Look {
        // What arrives from here on may not be seen by this look.
        self.arrivals.mark_unchanged();
        let (engine, search, from, turn) = (self.app.engine.clone(), self.search.clone(), from.clone(), turn.to_owned());
        let limits = StepLimits { events: self.events, bytes: ROUTE_BATCH_BYTES, arrivals: ROUTE_LOOK_ARRIVALS };
        Look(self.app.search_threads.handle().spawn(async move { engine.follow(&search, &from, &turn, limits).await }))
    }

    /// What comes behind a place. If something was looked for ahead, then from there.
    pub async fn next(&mut self, from: &Place) -> Result<Followed> {
        let turn = self.turn.clone();
        let mut look = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.begin(from, &turn),
        };
        let tried = self.events;
        self.events = (tried / 8).max(1);
        let found = (&mut look.0).await;
        let found = found.map_err(|e| Error::new(ErrorKind::Bug, format!("looking for events ended abnormally: {e}")))?.map_err(|e| {
            let error = Error::new(ErrorKind::Invalid, format!("search: {}", e.message));
            if let Some(hint) = e.hint { error.with_hint(hint) } else { error }
        })?;
        self.events = next_events(tried, &found);
        self.turn.clone_from(&found.turn);
        Ok(found)
    }

    /// Looks for what comes behind what was found, without waiting for it.
    pub fn ahead(&mut self, found: &Followed) {
        self.ahead = Some(self.begin(&found.next, &found.turn));
    }

    /// Gives up what was looked for ahead: it is looked for again.
    pub fn forget(&mut self) {
        self.ahead = None;
    }

    /// Waits until something has arrived since the last look began; `false` if nothing will any more.
    pub async fn arrival(&mut self) -> bool {
        self.arrivals.changed().await.is_ok()
    }
}

/// How many events are looked for after this: where so many were more than a batch may have, as many as it had.
fn next_events(tried: usize, found: &Followed) -> usize {
    let count = found.events.len();
    if count > 0 && found.events.raw_bytes() > ROUTE_BATCH_BYTES / 2 { count } else { (tried * 2).min(ROUTE_BATCH_EVENTS) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_event::{EventBatch, Origin, Problems, Timestamp};

    fn found(events: usize, bytes: usize) -> Followed {
        let mut batch = EventBatch::new(Timestamp(0));
        let [index, host, source, sourcetype, transport, peer] = ["main", "", "", "", "", ""].map(Arc::from);
        let number = batch.origin(&Origin { index, host, source, sourcetype, transport, peer });
        (0..events).for_each(|_| batch.push(number, Timestamp(0), Problems::NONE, &vec![b'x'; bytes]));
        Followed { events: batch, ..Followed::default() }
    }

    #[test]
    fn looks_become_larger_until_they_are_a_batch() {
        assert_eq!(next_events(1_000, &found(1_000, 100)), 2_000);
        assert_eq!(next_events(8_000, &found(10, 100)), ROUTE_BATCH_EVENTS);
        assert_eq!(next_events(1, &found(0, 0)), 2);
        // Of events that are large, as many as a batch has.
        assert_eq!(next_events(1_000, &found(10, ROUTE_BATCH_BYTES / 10)), 10);
        assert_eq!(next_events(1_000, &found(1, ROUTE_BATCH_BYTES)), 1);
    }
}
