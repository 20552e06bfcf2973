//! The hosts that events speak of, whoever sent them: each has a rhythm of its own, so that a machine which falls silent behind a relay
//! is noticed as a sender is. What is asked of an event is asked once for all events of its origin in a batch.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::limits::WATCHED_HOSTS_MAX;
use taffrail_collect::rhythm::Silence;
use taffrail_event::Origin;

/// What is known of hosts since the start.
#[derive(Debug, Default)]
pub struct Hosts {
    known: Mutex<HashMap<Arc<str>, Silence>>,
    /// Times that a host was met which is not watched, since there are too many.
    unwatched: AtomicU64,
}

/// Hosts whose silence began or ended between two looks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Those that are silent now, with the nanoseconds since they were heard, the longest silence first.
    pub silent: Vec<(Arc<str>, i64)>,
    /// Those that are back.
    pub back: Vec<Arc<str>>,
}

/// A host, as others see it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: Arc<str>,
    /// When and how it is heard.
    pub silence: Silence,
}

/// Whether events of an origin say that their host is alive: what is imported is old, and the server's own events are its own.
pub fn speaks(origin: &Origin) -> bool {
    !origin.index.starts_with('_') && &*origin.transport != "import" && !origin.host.is_empty()
}

impl Hosts {
    /// Events of these hosts became durable, received at this time.
    pub fn heard<'h>(&self, hosts: impl Iterator<Item = &'h Arc<str>>, received: i64) {
        let mut known = self.known.lock();
        for host in hosts {
            if let Some(silence) = known.get_mut(host) {
                silence.arrived(received);
            } else if known.len() < WATCHED_HOSTS_MAX {
                known.entry(host.clone()).or_default().arrived(received);
            } else {
                self.unwatched.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Time has passed.
    pub fn tick(&self, now: i64) -> Turned {
        let mut turned = Turned::default();
        for (host, silence) in &mut *self.known.lock() {
            match silence.tick(now) {
                Some(Some(nanos)) => turned.silent.push((host.clone(), nanos)),
                Some(None) => turned.back.push(host.clone()),
                None => {}
            }
        }
        turned.silent.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
        turned.back.sort();
        turned
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Host> {
        let known = self.known.lock();
        let mut all: Vec<Host> = known.iter().map(|(name, silence)| Host { name: name.clone(), silence: silence.clone() }).collect();
        drop(known);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// How many are known, and how many of these are silent.
    pub fn count(&self) -> (usize, usize) {
        let known = self.known.lock();
        (known.len(), known.values().filter(|silence| silence.is_silent()).count())
    }

    /// Times that a host was met which is not watched.
    pub fn unwatched(&self) -> u64 {
        self.unwatched.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_host_that_is_silent_for_longer_than_ever_is_told_once() {
        let hosts = Hosts::default();
        let [quick, slow]: [Arc<str>; 2] = ["quick".into(), "slow".into()];
        for at in 0..600 {
            hosts.heard([&quick].into_iter().chain((at % 40 == 0).then_some(&slow)), at * SECOND);
            assert_eq!(hosts.tick(at * SECOND), Turned::default());
        }
        assert_eq!(hosts.tick(659 * SECOND), Turned::default());
        assert_eq!(hosts.tick(660 * SECOND).silent, [(quick.clone(), 61 * SECOND)], "a minute of silence at least");
        assert_eq!((hosts.tick(661 * SECOND), hosts.count()), (Turned::default(), (2, 1)));
        assert_eq!(hosts.tick(681 * SECOND).silent, [(slow, 121 * SECOND)]);
        hosts.heard([&quick].into_iter(), 700 * SECOND);
        assert_eq!(hosts.tick(701 * SECOND), Turned { silent: Vec::new(), back: vec![quick] });
        let all: Vec<(bool, Option<i64>)> = hosts.all().iter().map(|host| (host.silence.is_silent(), host.silence.usual_pause())).collect();
        assert_eq!(all, [(false, Some(101 * SECOND)), (true, Some(40 * SECOND))]);
    }

    #[test]
    fn there_are_not_more_than_can_be_watched() {
        let hosts = Hosts::default();
        let names: Vec<Arc<str>> = (0..WATCHED_HOSTS_MAX + 7).map(|number| number.to_string().into()).collect();
        hosts.heard(names.iter(), SECOND);
        assert_eq!((hosts.count().0, hosts.unwatched()), (WATCHED_HOSTS_MAX, 7));
    }
}
