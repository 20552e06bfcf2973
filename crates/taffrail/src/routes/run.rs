//! One route at work: sends what was found, remembers what was confirmed, waits longer and longer while the receiver fails.

use super::look::Looks;
use super::{Account, Doing, Route, Since};
use crate::app::App;
use serde_json::json;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, limits};
use taffrail_collect::ids;
use taffrail_collect::outputs::{Delivered, Output};
use taffrail_event::{EventBatch, EventId, Marked, Same, Timestamp};
use taffrail_query::Followed;

/// Time between two looks: what arrives within it is sent together.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often a place is remembered at which nothing was found: looking there once more would cost time, nothing else.
const REMEMBER_EVERY_NANOS: u64 = 10_000_000_000;

/// What was confirmed is remembered after about a second of sending.
const PART_NANOS: u64 = 1_000_000_000;

/// A route and what it works with.
pub(super) struct Follower {
    app: Arc<App>,
    route: Arc<Route>,
    output: Box<dyn Output>,
    account: Account,
    remembered: (Account, u64),
    wait: Duration,
    looks: Looks,
    /// Events that the output is given at once.
    part: usize,
}

impl Follower {
    /// Takes up the place that is remembered, or begins.
    pub async fn new(app: Arc<App>, route: Arc<Route>, mut output: Box<dyn Output>) -> Result<Self> {
        let known = app.sink.position(&route.key());
        let mut account: Account = match &known {
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|e| Error::new(ErrorKind::Corrupt, format!("the place of the route {}: {e}", route.settings.name)))?,
            None => match route.settings.since {
                Since::Now => Account { next: app.engine.newest_place(), ..Account::default() },
                Since::Beginning => Account::default(),
            },
        };
        let is_named = !account.sender.is_empty();
        if !is_named {
            account.sender = format!("{}/{}", app.instance, route.settings.name);
        }
        if let Some(mark) = &account.mark {
            output.resume(mark);
        }
        let wait = route.settings.waits().0;
        let now = app.clock.monotonic_nanos();
        let looks = Looks::new(Arc::clone(&app), &route.settings.search);
        let remembered = (account.clone(), now);
        let mut follower = Self { app, route, output, remembered, account, wait, looks, part: limits::ROUTE_BATCH_EVENTS };
        if known.is_none() || !is_named {
            // What arrives while nothing was sent yet is not to be missed by a restart, and ids must not change.
            follower.remember().await;
        }
        follower.show(Doing::Waiting, |_| {});
        Ok(follower)
    }

    /// Works until the server stops.
    pub async fn run(mut self) {
        let stop = self.app.stopping.clone();
        while !stop.is_cancelled() {
            let found = tokio::select! {
                found = self.looks.next(&self.account.next) => found,
                () = stop.cancelled() => break,
            };
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    self.failed(&error).await;
                    continue;
                }
            };
            self.moved(&found);
            let more = found.behind > 0;
            if found.events.is_empty() {
                self.passed(found).await;
            } else {
                if more {
                    self.looks.ahead(&found);
                }
                self.show(Doing::Sending, |status| (status.behind, status.in_flight) = (found.behind, found.events.len() as u64));
                self.send(found).await;
            }
            if more {
                continue;
            }
            self.show(Doing::Waiting, |_| {});
            tokio::select! {
                arrived = self.looks.arrival() => if !arrived { break },
                () = stop.cancelled() => break,
            }
            tokio::select! { () = tokio::time::sleep(LOOK_EVERY) => {}, () = stop.cancelled() => break }
        }
        if self.account != self.remembered.0 {
            self.remember().await;
        }
        self.show(Doing::Stopped, |_| {});
    }

    /// Goes on from behind what held nothing to be sent.
    async fn passed(&mut self, found: Followed) {
        self.account.next = found.next;
        if self.account != self.remembered.0 && self.app.clock.monotonic_nanos() - self.remembered.1 > REMEMBER_EVERY_NANOS {
            self.remember().await;
        }
        self.show(Doing::Waiting, |status| (status.behind, status.in_flight) = (found.behind, 0));
    }

    /// Sends until all is confirmed or the server stops.
    async fn send(&mut self, mut found: Followed) {
        if self.output.wants_ids() {
            self.name(&mut found);
        }
        let stop = self.app.stopping.clone();
        let mut sent = 0;
        while sent < found.events.len() {
            let range = sent..(sent + self.part).min(found.events.len());
            let began = self.app.clock.monotonic_nanos();
            let delivered = tokio::select! {
                delivered = self.output.deliver(&found.events, range) => delivered,
                () = stop.cancelled() => return,
            };
            let took = self.app.clock.monotonic_nanos().saturating_sub(began);
            self.part = next_part(self.part, took, delivered.outcome.is_err() && delivered.attempted > 0);
            let Delivered { confirmed, attempted, refused, outcome } = delivered;
            if confirmed > 0 {
                self.confirmed(&found, sent..sent + confirmed, refused.unwrap_or_default()).await;
                sent += confirmed;
            }
            if let Err(error) = outcome {
                self.account.sent_again += (attempted - confirmed) as u64;
                // While the receiver is away, one batch is held, not two.
                self.looks.forget();
                self.failed(&error).await;
                if stop.is_cancelled() {
                    return;
                }
            }
        }
    }

    /// Gives each event the id that it has whenever it is sent: its index, and its number there.
    fn name(&self, found: &mut Followed) {
        let (index, numbers) = &found.numbers;
        let scope = ids::scope(&["route", &self.account.sender]);
        let id = |at: usize| ids::id(scope, &[index.as_bytes(), &numbers[at].to_le_bytes()], found.events.event(at).raw);
        let ids: Vec<EventId> = (0..found.events.len()).map(id).collect();
        for (first, id) in (0..).zip(ids) {
            found.events.mark_some(Marked { first, count: 1, id, same: Same::IdAndContent });
        }
    }

    /// Books what the receiver has confirmed, and makes it durable.
    async fn confirmed(&mut self, found: &Followed, range: Range<usize>, (refused, why): (u64, String)) {
        let (index, numbers) = &found.numbers;
        let bytes: usize = range.clone().map(|at| found.events.event(at).raw.len()).sum();
        self.account.confirmed_events += range.len() as u64 - refused;
        self.account.confirmed_bytes += bytes as u64;
        self.account.refused += refused;
        if refused > 0 {
            self.said(&format!("the receiver refuses {refused} events, the last as: {why}"));
        }
        let left = (found.events.len() - range.end) as u64;
        if left == 0 {
            self.account.next.clone_from(&found.next);
        } else {
            self.account.next.insert(index.clone(), numbers[range.end - 1] + 1);
        }
        self.account.mark = self.output.mark();
        self.wait = self.route.settings.waits().0;
        self.remember().await;
        let now = self.app.clock.now_nanos();
        self.show(Doing::Sending, |status| (status.confirmed_at, status.failures, status.in_flight) = (Some(now), 0, left));
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
        self.wait = next_wait(self.wait, self.route.settings.waits().1);
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

/// How long is waited after the next failure.
fn next_wait(wait: Duration, most: Duration) -> Duration {
    (wait * 2).min(most)
}

/// How many events are given to the output next, after some of which it took so long: what is sent when the server is killed is
/// sent again, so slow receivers get fewer.
fn next_part(part: usize, took_nanos: u64, failed: bool) -> usize {
    match took_nanos {
        _ if failed => (part / 2).max(1),
        0..PART_NANOS => (part * 2).min(limits::ROUTE_BATCH_EVENTS),
        nanos if nanos > 2 * PART_NANOS => (part / 2).max(1),
        _ => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_ten_minutes_is_25_tries() {
        let text = "name = \"a\"\nsearch = \"*\"\n[output]\ntype = \"relp\"\naddress = \"127.0.0.1:1\"";
        let (mut wait, most) = toml::from_str::<super::super::RouteSettings>(text).expect("are settings").waits();
        let (mut passed, mut tries) = (Duration::ZERO, 0);
        while passed < Duration::from_secs(600) {
            tries += 1;
            passed += wait;
            wait = next_wait(wait, most);
        }
        assert_eq!((tries, wait), (25, most));
    }

    #[test]
    fn slow_receivers_get_fewer_events_at_once() {
        let most = limits::ROUTE_BATCH_EVENTS;
        assert_eq!(next_part(most, 3 * PART_NANOS, false), most / 2);
        assert_eq!(next_part(100, PART_NANOS, false), 100);
        assert_eq!(next_part(100, 1_000, false), 200);
        assert_eq!(next_part(most, 1_000, false), most);
        assert_eq!((next_part(100, 1_000, true), next_part(1, 1_000, true)), (50, 1));
    }
}
