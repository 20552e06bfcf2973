//! What a listener has learnt of its senders, for each address: their formats, zones and the hosts that they speak for. Bounded for all of
//! them together; beyond that it is forgotten and learnt anew, which costs time and loses nothing.

use crate::counters::InputCounters;
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use taffrail_base::limits::{LISTENER_HOSTS_MAX, SYSLOG_PEERS_MAX};

/// What is learnt of one sender.
pub(crate) trait Learns {
    /// Hosts, and other names of origins, that are remembered.
    fn hosts(&self) -> usize;
}

/// What is learnt of all of them.
pub(crate) struct Peers<T> {
    all: FxHashMap<IpAddr, T>,
    /// Hosts of all of them.
    hosts: usize,
    hosts_max: usize,
}

impl<T: Learns> Peers<T> {
    pub fn new() -> Self {
        Self::with_limit(LISTENER_HOSTS_MAX)
    }

    fn with_limit(hosts_max: usize) -> Self {
        Self { all: FxHashMap::default(), hosts: 0, hosts_max }
    }

    /// Lets somebody work with what is known of a sender.
    pub fn with<R>(&mut self, peer: IpAddr, counters: &InputCounters, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        if self.all.len() >= SYSLOG_PEERS_MAX && !self.all.contains_key(&peer) {
            self.forget(counters, "senders", SYSLOG_PEERS_MAX);
        }
        let one = self.all.entry(peer).or_insert_with(new);
        let before = one.hosts();
        let result = work(one);
        self.hosts = (self.hosts + one.hosts()).saturating_sub(before);
        if self.hosts > self.hosts_max {
            self.forget(counters, "hosts", self.hosts_max);
        }
        result
    }

    fn forget(&mut self, counters: &InputCounters, what: &str, most: usize) {
        self.all.clear();
        self.hosts = 0;
        counters.problem(format!("more than {most} {what} at once: what was learnt of their formats and zones is learnt anew"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Envelope;
    use crate::records::{Record, Writer};
    use std::sync::Arc;
    use taffrail_event::{EventBatch, Problems, Timestamp};
    use taffrail_format::Frame;

    fn envelope() -> Envelope {
        let text = |text: &str| -> Arc<str> { text.into() };
        Envelope {
            index: text("main"),
            host: None,
            default_host: text("peer"),
            source: text("x"),
            sourcetype: Some(text("syslog")),
            transport: text("t"),
            peer: text("p"),
            zones: crate::zone::Zones::all(taffrail_format::Zone::Utc),
        }
    }

    #[test]
    fn all_senders_together_are_bounded_and_nothing_is_lost() {
        let (counters, mut batch) = (InputCounters::new("x", "x"), EventBatch::new(Timestamp(1)));
        let (mut lines, mut records) = (Peers::with_limit(1_000), Peers::with_limit(1_000));
        for number in 0..3_000u32 {
            let peer = IpAddr::from([10, 0, 0, (number % 50) as u8]);
            let line = format!("<13>Mar  1 00:00:00 host{number} app: x");
            let frame = Frame { raw: line.as_bytes(), problems: Problems::NONE };
            lines.with(peer, &counters, || envelope().decoding(), |decoding| decoding.push(frame, &mut batch));
            let record = Record { host: format!("h{number}").into(), ..Record::json(&b"{}"[..]) };
            records.with(peer, &counters, || Writer::new(envelope()), |writer| writer.push(&record, &mut batch));
            assert!(lines.hosts <= 1_000 && records.hosts <= 1_000);
            assert_eq!(lines.hosts, lines.all.values().map(Learns::hosts).sum::<usize>());
            assert_eq!(records.hosts, records.all.values().map(Learns::hosts).sum::<usize>());
        }
        let hosts: std::collections::BTreeSet<String> = batch.iter().map(|event| event.origin.host.to_string()).collect();
        assert_eq!((batch.len(), hosts.len()), (6_000, 6_000), "each event has its own host");
        assert_eq!((counters.snapshot().problems_total, counters.snapshot().problems.len()), (4, 1), "told, and counted");
    }
}
