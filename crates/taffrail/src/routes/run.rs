//! One route at work: looks, sends, remembers; waits longer and longer while the receiver fails.

use super::{Account, Doing, Route, Since};
use crate::app::App;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, limits};
use taffrail_collect::outputs::Output;
use taffrail_event::{EventBatch, Timestamp};
use taffrail_query::Followed;

/// Time between two looks: what arrives within it is sent together.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often a place is remembered at which nothing was found: looking there once more would cost time, nothing else.
const REMEMBER_EVERY_NANOS: u64 = 10_000_000_000;

/// A route and what it works with.
pub(super) struct Follower {
    app: Arc<App>,
    route: Arc<Route>,
    output: Box<dyn Output>,
    account: Account,
    remembered: (Account, u64),
    wait: Duration,
    /// Events that are looked for at once: fewer when that many could not be had, as they are too large.
    most: usize,
}

impl Follower {
    /// Takes up the place that is remembered, or begins.
    pub async fn new(app: Arc<App>, route: Arc<Route>, mut output: Box<dyn Output>) -> Result<Self> {
        let known = app.sink.position(&route.key());
        let account = match &known {
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|e| Error::new(ErrorKind::Corrupt, format!("the place of the route {}: {e}", route.settings.name)))?,
            None => match route.settings.since {
                Since::Now => Account { next: app.engine.newest_place(), ..Account::default() },
                Since::Beginning => Account::default(),
            },
        };
        if let Some(mark) = &account.mark {
            output.resume(mark);
        }
        let wait = route.settings.waits().0;
        let now = app.clock.monotonic_nanos();
        let mut follower = Self { app, route, output, remembered: (account.clone(), now), account, wait, most: limits::ROUTE_BATCH_EVENTS };
        if known.is_none() {
            // What arrives while nothing was sent yet is not to be missed by a restart.
            follower.remember().await;
        }
        follower.show(Doing::Waiting, |_| {});
        Ok(follower)
    }

    /// Works until the server stops.
    pub async fn run(mut self) {
        let stop = self.app.stopping.clone();
        let mut arrivals = self.app.store.subscribe();
        while !stop.is_cancelled() {
            arrivals.mark_unchanged();
            let found = tokio::select! {
                found = self.look() => found,
                () = stop.cancelled() => break,
            };
            match found {
                Ok(found) if found.events.is_empty() => {
                    self.moved(&found);
                    self.account.next = found.next;
                    if self.account != self.remembered.0 && self.app.clock.monotonic_nanos() - self.remembered.1 > REMEMBER_EVERY_NANOS {
                        self.remember().await;
                    }
                    self.show(Doing::Waiting, |status| (status.behind, status.in_flight) = (found.behind, 0));
                    tokio::select! {
                        changed = arrivals.changed() => if changed.is_err() { break },
                        () = stop.cancelled() => break,
                    }
                    tokio::select! { () = tokio::time::sleep(LOOK_EVERY) => {}, () = stop.cancelled() => break }
                }
                Ok(found) => {
                    self.moved(&found);
                    self.show(Doing::Sending, |status| (status.behind, status.in_flight) = (found.behind, found.events.len() as u64));
                    self.send(found).await;
                }
                Err(error) => self.failed(&error).await,
            }
        }
        if self.account != self.remembered.0 {
            self.remember().await;
        }
        self.show(Doing::Stopped, |_| {});
    }

    /// The next events, looked for where searches run.
    async fn look(&mut self) -> Result<Followed> {
        let (engine, search, from) = (self.app.engine.clone(), self.route.settings.search.clone(), self.account.next.clone());
        let most = self.most;
        self.most = (most / 8).max(1);
        let look = async move { engine.follow(&search, &from, most).await };
        let found = self.app.search_threads.handle().spawn(look).await;
        let found = found.map_err(|e| Error::new(ErrorKind::Bug, format!("looking for events ended abnormally: {e}")))?.map_err(|e| {
            let error = Error::new(ErrorKind::Invalid, format!("search: {}", e.message));
            if let Some(hint) = e.hint { error.with_hint(hint) } else { error }
        })?;
        self.most = limits::ROUTE_BATCH_EVENTS;
        Ok(found)
    }

    /// Sends until all is confirmed or the server stops.
    async fn send(&mut self, found: Followed) {
        let stop = self.app.stopping.clone();
        let (index, numbers) = &found.numbers;
        let mut sent = 0;
        while sent < found.events.len() {
            let delivered = tokio::select! {
                delivered = self.output.deliver(&found.events, sent) => delivered,
                () = stop.cancelled() => return,
            };
            let (refused, why) = delivered.refused.unwrap_or_default();
            let bytes: usize = bytes_of(&found.events, sent, delivered.confirmed);
            sent += delivered.confirmed;
            self.account.confirmed_events += delivered.confirmed as u64 - refused;
            self.account.confirmed_bytes += bytes as u64;
            self.account.refused += refused;
            if refused > 0 {
                self.said(&format!("the receiver refuses {refused} events, the last as: {why}"));
            }
            if sent > 0 {
                self.account.next.insert(index.clone(), numbers[sent - 1] + 1);
            }
            if sent == found.events.len() {
                self.account.next.clone_from(&found.next);
            }
            if delivered.confirmed > 0 {
                self.account.mark = self.output.mark();
                self.wait = self.route.settings.waits().0;
                self.remember().await;
                let (now, left) = (self.app.clock.now_nanos(), (found.events.len() - sent) as u64);
                self.show(Doing::Sending, |status| (status.confirmed_at, status.failures, status.in_flight) = (Some(now), 0, left));
            }
            if let Err(error) = delivered.outcome {
                self.account.sent_again += (delivered.attempted - delivered.confirmed) as u64;
                self.failed(&error).await;
                if stop.is_cancelled() {
                    return;
                }
            }
        }
    }

    /// Notes what a look has found out besides events.
    fn moved(&mut self, found: &Followed) {
        if found.gone > 0 {
            self.account.gone += found.gone;
            self.said(&format!("{} events were removed from the store before the route could look at them", found.gone));
            self.app.audit.note("route_events_gone", json!({"route": self.route.settings.name, "events": found.gone}));
        }
        for place in &found.unread {
            self.said(place);
        }
    }

    /// Makes the place and the counts durable.
    async fn remember(&mut self) {
        let Ok(value) = serde_json::to_vec(&self.account) else { return };
        let mut batch = EventBatch::new(Timestamp(self.app.clock.now_nanos()));
        batch.set_position(self.route.key(), value);
        match self.app.sink.append(batch).await {
            Ok(_) => self.remembered = (self.account.clone(), self.app.clock.monotonic_nanos()),
            // The next place includes this one; until then a crash means that events are sent again.
            Err(error) => self.said(&format!("the place could not be remembered: {error}")),
        }
    }

    /// Says what went wrong, and waits before the next try.
    async fn failed(&mut self, error: &Error) {
        self.said(&error.to_string());
        self.show(Doing::Retrying, |status| status.failures += 1);
        let stop = self.app.stopping.clone();
        tokio::select! { () = tokio::time::sleep(self.wait) => {}, () = stop.cancelled() => {} }
        self.wait = (self.wait * 2).min(self.route.settings.waits().1);
    }

    fn said(&self, text: &str) {
        tracing::warn!(route = %self.route.settings.name, "{text}");
        self.route.status.lock().problem = Some((text.to_owned(), self.app.clock.now_nanos()));
    }

    fn show(&self, doing: Doing, change: impl FnOnce(&mut super::Status)) {
        let mut status = self.route.status.lock();
        status.doing = doing;
        status.account.clone_from(&self.account);
        change(&mut status);
    }
}

fn bytes_of(events: &EventBatch, from: usize, count: usize) -> usize {
    (from..from + count).map(|at| events.event(at).raw.len()).sum()
}
