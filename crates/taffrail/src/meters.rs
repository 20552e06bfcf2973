//! Counters of the server itself, for `/metrics` and the live line. Counts only; every map is bounded by what the
//! program knows (routes, transports), never by what a client sends.

use crate::hosts::{self, Hosts};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::{Result, limits};
use taffrail_event::{EventBatch, EventSink, Receipt};

/// Requests of one route, method and status.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestMeter {
    /// How many.
    pub count: u64,
    /// Time until the answer began, summed.
    pub nanos: u64,
}

/// Events of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransportMeter {
    /// Events made durable.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Meters {
    /// Events made durable since the start.
    pub events: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Appends that failed.
    pub append_errors: AtomicU64,
    /// Searches begun.
    pub searches: AtomicU64,
    /// Searches that failed.
    pub search_errors: AtomicU64,
    /// Searches running now.
    pub searches_running: AtomicU64,
    /// Live tails open now.
    pub tails_open: AtomicU64,
    /// Times that the sums of all accounts were checked.
    pub account_checks: AtomicU64,
    /// Events that no account knows of.
    pub account_gap: AtomicU64,
    requests: Mutex<BTreeMap<(String, String, u16), RequestMeter>>,
    transports: Mutex<BTreeMap<Arc<str>, TransportMeter>>,
    sources: Mutex<BTreeSet<Arc<str>>>,
    /// The hosts that events speak of.
    pub hosts: Hosts,
}

impl Meters {
    /// Counts an answered request.
    pub fn request(&self, route: &str, method: &str, status: u16, nanos: u64) {
        // A client chooses the method's name: only those that routes have are told apart.
        let method = if matches!(method, "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "HEAD" | "OPTIONS") { method } else { "other" };
        let mut requests = self.requests.lock();
        let meter = requests.entry((route.to_owned(), method.to_owned(), status)).or_default();
        meter.count += 1;
        meter.nanos += nanos;
    }

    /// Requests by route, method and status.
    pub fn requests(&self) -> Vec<((String, String, u16), RequestMeter)> {
        self.requests.lock().iter().map(|(key, meter)| (key.clone(), *meter)).collect()
    }

    /// Events by transport.
    pub fn transports(&self) -> Vec<(Arc<str>, TransportMeter)> {
        self.transports.lock().iter().map(|(name, meter)| (Arc::clone(name), *meter)).collect()
    }

    /// How many different sources sent events since the start; counting stops at the limit.
    pub fn sources(&self) -> usize {
        self.sources.lock().len()
    }

    fn stored(&self, summary: &Summary) {
        let mut transports = self.transports.lock();
        for (transport, events, bytes) in &summary.transports {
            let meter = transports.entry(Arc::clone(transport)).or_default();
            meter.events += events;
            meter.bytes += bytes;
            self.events.fetch_add(*events, Ordering::Relaxed);
            self.bytes.fetch_add(*bytes, Ordering::Relaxed);
        }
        drop(transports);
        let mut sources = self.sources.lock();
        for source in &summary.sources {
            if sources.len() < limits::METER_SOURCES_MAX && !sources.contains(source) {
                sources.insert(Arc::clone(source));
            }
        }
        drop(sources);
        self.hosts.heard(summary.hosts.iter(), summary.received);
    }
}

/// What a batch adds to the counters, taken before the batch is given away.
struct Summary {
    transports: Vec<(Arc<str>, u64, u64)>,
    sources: Vec<Arc<str>>,
    hosts: Vec<Arc<str>>,
    received: i64,
}

impl Summary {
    fn of(batch: &EventBatch) -> Self {
        let mut per_origin = vec![(0u64, 0u64); batch.origins().len()];
        for event in batch.iter() {
            let slot = &mut per_origin[event.origin_number as usize];
            slot.0 += 1;
            slot.1 += event.raw.len() as u64;
        }
        let mut transports: Vec<(Arc<str>, u64, u64)> = Vec::new();
        for (origin, (events, bytes)) in batch.origins().iter().zip(per_origin) {
            match transports.iter_mut().find(|(name, ..)| *name == origin.transport) {
                Some(known) => {
                    known.1 += events;
                    known.2 += bytes;
                }
                None => transports.push((Arc::clone(&origin.transport), events, bytes)),
            }
        }
        // Very many origins mostly differ by the host alone.
        let mut sources: Vec<Arc<str>> = Vec::new();
        for origin in batch.origins() {
            if sources.last() != Some(&origin.source) {
                sources.push(Arc::clone(&origin.source));
            }
        }
        let hosts = batch.origins().iter().filter(|origin| hosts::speaks(origin)).map(|origin| Arc::clone(&origin.host)).collect();
        Self { transports, sources, hosts, received: batch.received.nanos() }
    }
}

/// A sink that counts what another made durable.
pub struct CountingSink {
    inner: Arc<dyn EventSink>,
    meters: Arc<Meters>,
}

impl CountingSink {
    /// Counts what goes to `inner`.
    pub fn new(inner: Arc<dyn EventSink>, meters: Arc<Meters>) -> Self {
        Self { inner, meters }
    }
}

impl EventSink for CountingSink {
    fn append(&self, mut batch: EventBatch) -> BoxFuture<'static, Result<Receipt>> {
        let summary = Summary::of(&batch);
        let meters = Arc::clone(&self.meters);
        let has_ids = !batch.ids().is_empty();
        if has_ids {
            batch.share();
        }
        let whole = has_ids.then(|| batch.clone());
        let appended = self.inner.append(batch);
        Box::pin(async move {
            let result = appended.await;
            match (&result, whole) {
                (Ok(receipt), Some(whole)) if !receipt.repeated.is_empty() => {
                    meters.stored(&Summary::of(&whole.without(&receipt.repeated)))
                }
                (Ok(_), _) => meters.stored(&summary),
                (Err(_), _) => {
                    meters.append_errors.fetch_add(1, Ordering::Relaxed);
                }
            }
            result
        })
    }

    fn position(&self, key: &str) -> Option<Vec<u8>> {
        self.inner.position(key)
    }

    fn positions(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        self.inner.positions(prefix)
    }
}

/// Adds one while it lives.
pub struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    /// Counts up now, down when dropped.
    pub fn hold(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
