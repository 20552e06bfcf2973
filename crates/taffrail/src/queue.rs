//! Which search runs next. There are so many places; who has the fewest goes first, so that a hundred searches of one caller
//! do not keep one of another waiting, and of one caller's what somebody looks at goes before what runs by itself. One caller
//! never has all places. A search that has run for long gives its place to one that waits, so that short ones do not
//! stand behind long ones.
//!
//! Decides only; what a search is, it does not know.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Clock, Error, ErrorKind, Result, limits};
use tokio::sync::Notify;

/// How often who waits looks whether a search has become a long one.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Somebody waits for the answer.
    Interactive,
    /// It runs by itself, as a job.
    Background,
}

/// How many run.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Searches at once.
    pub all: usize,
    /// Of one caller.
    pub of_one: usize,
    /// Long searches beside these.
    pub long: usize,
    /// Searches that wait.
    pub waiting: usize,
}

impl Default for Places {
    fn default() -> Self {
        let all = limits::SEARCHES_RUNNING_MAX;
        Self { all, of_one: all - all / 4, long: limits::SEARCHES_LONG_MAX, waiting: limits::SEARCHES_WAITING_MAX }
    }
}

/// The searches that run and those that wait.
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    places: Places,
}

#[derive(Default)]
struct Inner {
    next: u64,
    running: BTreeMap<u64, Running>,
    waiting: BTreeMap<u64, (Arc<str>, Lane)>,
    /// When each caller that runs or waits was served last, by the number of the search.
    served: HashMap<Arc<str>, u64>,
}

struct Running {
    caller: Arc<str>,
    since: u64,
}

/// A search that waits; leaves the queue when dropped.
pub struct Waiting {
    queue: Arc<Queue>,
    ticket: u64,
    began: bool,
}

/// A search that runs; gives its place back when dropped.
pub struct Place {
    queue: Arc<Queue>,
    ticket: u64,
}

impl Queue {
    /// Nothing runs.
    pub fn new(clock: Arc<dyn Clock>, places: Places) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), changed: Notify::new(), clock, places })
    }

    /// A search of a caller comes.
    pub fn enter(self: &Arc<Self>, caller: &str, lane: Lane) -> Result<Waiting> {
        let mut inner = self.inner.lock();
        if inner.waiting.len() >= self.places.waiting {
            let message = format!("{} searches wait already, which is the limit", self.places.waiting);
            return Err(Error::new(ErrorKind::Busy, message).with_hint("try again when some of them have ended"));
        }
        let ticket = inner.next;
        inner.next += 1;
        let known = inner.served.get_key_value(caller).map(|(known, _)| Arc::clone(known));
        let caller = known.unwrap_or_else(|| Arc::from(caller));
        inner.served.entry(Arc::clone(&caller)).or_default();
        inner.waiting.insert(ticket, (caller, lane));
        Ok(Waiting { queue: Arc::clone(self), ticket, began: false })
    }

    /// How many run and wait.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.running.len(), inner.waiting.len())
    }
}

impl Inner {
    /// The places held, all and by caller; long searches hold none, up to so many of them.
    fn held(&self, now: u64, places: Places) -> (usize, HashMap<&str, usize>) {
        let old = |running: &&Running| now.saturating_sub(running.since) >= limits::SEARCH_LONG_SECONDS * 1_000_000_000;
        let mut long = self.running.values().filter(old).count().min(places.long);
        let (mut all, mut by_caller) = (0, HashMap::new());
        for running in self.running.values() {
            if old(&running) && long > 0 {
                long -= 1;
                continue;
            }
            all += 1;
            *by_caller.entry(&*running.caller).or_default() += 1;
        }
        (all, by_caller)
    }

    /// The waiting searches in the order in which they would be served, and whether the first may begin.
    fn order(&self, now: u64, places: Places) -> (Vec<u64>, bool) {
        let (all, held) = self.held(now, places);
        let mut ahead: HashMap<&str, usize> = HashMap::new();
        let mut by_lane: Vec<(&u64, &(Arc<str>, Lane))> = self.waiting.iter().collect();
        by_lane.sort_by_key(|(ticket, (_, lane))| (*lane, **ticket));
        let mut order: Vec<_> = by_lane
            .into_iter()
            .map(|(ticket, (caller, _))| {
                // Whoever has more, running or before this one, comes later; among equals who was served longest ago.
                let mine = ahead.entry(caller).or_insert_with(|| held.get(&**caller).copied().unwrap_or(0));
                *mine += 1;
                (*mine, self.served.get(caller).copied().unwrap_or(0), *ticket, caller)
            })
            .collect();
        order.sort_unstable();
        let free = order.first().is_some_and(|(_, _, _, caller)| held.get(&***caller).copied().unwrap_or(0) < places.of_one);
        (order.into_iter().map(|(_, _, ticket, _)| ticket).collect(), all < places.all && free)
    }

    fn forget(&mut self, caller: &Arc<str>) {
        let there = self.running.values().map(|running| &running.caller).chain(self.waiting.values().map(|(caller, _)| caller));
        if !there.into_iter().any(|known| known == caller) {
            self.served.remove(caller);
        }
    }
}

impl Waiting {
    /// The place of the search, if it is its turn.
    pub fn begin(&mut self) -> Option<Place> {
        let queue = &self.queue;
        let mut inner = queue.inner.lock();
        let now = queue.clock.monotonic_nanos();
        let (order, free) = inner.order(now, queue.places);
        if !free || order.first() != Some(&self.ticket) {
            return None;
        }
        let (caller, _) = inner.waiting.remove(&self.ticket)?;
        let turn = inner.next;
        inner.next += 1;
        inner.served.insert(Arc::clone(&caller), turn);
        inner.running.insert(self.ticket, Running { caller, since: now });
        self.began = true;
        drop(inner);
        queue.changed.notify_waiters();
        Some(Place { queue: Arc::clone(queue), ticket: self.ticket })
    }

    /// How many searches go first.
    pub fn ahead(&self) -> usize {
        let inner = self.queue.inner.lock();
        let (order, _) = inner.order(self.queue.clock.monotonic_nanos(), self.queue.places);
        order.iter().position(|ticket| *ticket == self.ticket).unwrap_or(0)
    }

    /// Waits for the place.
    pub async fn wait(&mut self) -> Place {
        loop {
            let changed = Arc::clone(&self.queue);
            let changed = changed.changed.notified();
            if let Some(place) = self.begin() {
                return place;
            }
            let _ = tokio::time::timeout(LOOK_EVERY, changed).await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.began {
            return;
        }
        let mut inner = self.queue.inner.lock();
        if let Some((caller, _)) = inner.waiting.remove(&self.ticket) {
            inner.forget(&caller);
        }
        drop(inner);
        self.queue.changed.notify_waiters();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.queue.inner.lock();
        if let Some(running) = inner.running.remove(&self.ticket) {
            inner.forget(&running.caller);
        }
        drop(inner);
        self.queue.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_base::ManualClock;

    const PLACES: Places = Places { all: 4, of_one: 3, long: 2, waiting: 10 };

    fn queue() -> (Arc<ManualClock>, Arc<Queue>) {
        let clock = Arc::new(ManualClock::at(0));
        (clock.clone(), Queue::new(clock, PLACES))
    }

    #[test]
    fn one_caller_leaves_a_place_and_goes_behind_who_has_less() {
        let (_, queue) = queue();
        let mut many: Vec<Waiting> = (0..6).map(|_| queue.enter("many", Lane::Interactive).expect("there is room")).collect();
        let running: Vec<Place> = many.iter_mut().filter_map(Waiting::begin).collect();
        assert_eq!(running.len(), 3);
        let mut other = queue.enter("other", Lane::Background).expect("there is room");
        assert_eq!((other.ahead(), many[3].ahead(), many[5].ahead()), (0, 1, 3));
        let place = other.begin().expect("the place that is left");
        let mut third = queue.enter("third", Lane::Interactive).expect("there is room");
        assert!(third.begin().is_none(), "all places are taken");
        drop(place);
        assert!(many[3].begin().is_none() && third.begin().is_some());
        drop((running, many));
        assert_eq!(queue.counts().1, 0);
    }

    #[test]
    fn what_somebody_looks_at_goes_before_jobs_and_turns_are_taken() {
        let (_, queue) = queue();
        let mut job = queue.enter("a", Lane::Background).expect("there is room");
        let mut look = queue.enter("a", Lane::Interactive).expect("there is room");
        assert!(job.begin().is_none());
        let first = look.begin().expect("goes first");
        let second = job.begin().expect("goes next");
        drop((first, second));
        // Both have nothing: who was served longer ago.
        let mut again = queue.enter("a", Lane::Interactive).expect("there is room");
        let place = again.begin().expect("is alone");
        let mut a = queue.enter("a", Lane::Interactive).expect("there is room");
        let mut b = queue.enter("b", Lane::Interactive).expect("there is room");
        drop(place);
        assert!(a.begin().is_none() && b.begin().is_some() && a.begin().is_some());
    }

    #[test]
    fn long_searches_give_their_places_up() {
        let (clock, queue) = queue();
        let mut all: Vec<Waiting> =
            (0..8).map(|at| queue.enter(if at % 2 == 0 { "a" } else { "b" }, Lane::Interactive).expect("there is room")).collect();
        let mut running: Vec<Place> = Vec::new();
        for waiting in &mut all {
            running.extend(waiting.begin());
        }
        assert_eq!(running.len(), 4);
        clock.advance(Duration::from_secs(limits::SEARCH_LONG_SECONDS));
        let before = running.len();
        for waiting in &mut all {
            if !waiting.began {
                running.extend(waiting.begin());
            }
        }
        assert_eq!(running.len() - before, 2, "as many as may be long");
    }

    #[test]
    fn the_queue_is_bounded_and_forgets() {
        let (_, queue) = queue();
        let waiting: Vec<Waiting> = (0..10).map(|_| queue.enter("a", Lane::Interactive).expect("there is room")).collect();
        let error = queue.enter("a", Lane::Interactive).err().expect("is refused");
        assert_eq!(error.kind(), ErrorKind::Busy);
        drop(waiting);
        assert!(queue.inner.lock().served.is_empty());
    }
}
