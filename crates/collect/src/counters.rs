//! The account of every input and source: received = stored + dropped + in flight, as numbers that anybody may
//! read at any time. Counts only; decides nothing.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::limits::{INPUT_PROBLEMS_MAX, INPUT_SOURCES_MAX};

/// Why events that were received are not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The sink failed in a way that cannot be retried without the risk of storing them twice.
    SinkFailed,
    /// The program stopped while the sink refused them.
    Stopped,
}

impl DropReason {
    /// The name as metrics show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SinkFailed => "sink_failed",
            Self::Stopped => "stopped",
        }
    }
}

/// The account of one source of an input: a file, or the senders of a listener together.
#[derive(Debug, Default)]
pub struct SourceCounters {
    received_events: AtomicU64,
    received_bytes: AtomicU64,
    stored_events: AtomicU64,
    stored_bytes: AtomicU64,
    sink_failed: AtomicU64,
    stopped: AtomicU64,
}

impl SourceCounters {
    pub(crate) fn received(&self, events: u64, bytes: u64) {
        self.received_events.fetch_add(events, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn stored(&self, events: u64, bytes: u64) {
        self.stored_events.fetch_add(events, Ordering::Relaxed);
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: DropReason, events: u64) {
        match reason {
            DropReason::SinkFailed => &self.sink_failed,
            DropReason::Stopped => &self.stopped,
        }
        .fetch_add(events, Ordering::Relaxed);
    }

    /// Takes back what was counted as received and will be read again.
    pub(crate) fn unreceived(&self, events: u64, bytes: u64) {
        self.received_events.fetch_sub(events, Ordering::Relaxed);
        self.received_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The account of one input.
#[derive(Debug)]
pub struct InputCounters {
    name: String,
    kind: &'static str,
    sources: Mutex<BTreeMap<Arc<str>, Arc<SourceCounters>>>,
    problems: Mutex<Problems>,
    kernel_drops: AtomicU64,
    lost_bytes: AtomicU64,
    refused_connections: AtomicU64,
    open_connections: AtomicU64,
    skipped: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Problems {
    texts: Vec<String>,
    total: u64,
}

/// What [`InputCounters`] hold at one moment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InputSnapshot {
    /// The input's name, unique within the program.
    pub name: String,
    /// Its type as in the settings, e.g. `syslog-udp`.
    pub kind: &'static str,
    /// One account per source, sorted by name. Beyond `INPUT_SOURCES_MAX` they share `(others)`.
    pub sources: Vec<SourceSnapshot>,
    /// Datagrams that the kernel dropped before this program could read them. Not part of `received`.
    pub kernel_drops: u64,
    /// Bytes known to have been in a file and gone before they could be read. Not part of `received`.
    pub lost_bytes: u64,
    /// Connections closed at once because there were too many.
    pub refused_connections: u64,
    /// Connections that are open now.
    pub open_connections: u64,
    /// Files that are not read and messages that are refused, by reason: `binary`, `unreadable`, `copy`, `damaged`,
    /// `incomplete`, `too_large`.
    pub skipped: Vec<(&'static str, u64)>,
    /// The last problems in words, oldest first, at most `INPUT_PROBLEMS_MAX`.
    pub problems: Vec<String>,
    /// How many problems there were in all.
    pub problems_total: u64,
}

/// What [`SourceCounters`] hold at one moment; `received_events - stored_events - dropped` is in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SourceSnapshot {
    /// The source as events carry it.
    pub source: String,
    /// Events taken in.
    pub received_events: u64,
    /// Their raw bytes.
    pub received_bytes: u64,
    /// Events that the sink has acknowledged as durable.
    pub stored_events: u64,
    /// Their raw bytes.
    pub stored_bytes: u64,
    /// Events given up, by reason.
    pub dropped: Vec<(DropReason, u64)>,
}

impl InputSnapshot {
    /// The sum over all sources.
    pub fn total(&self) -> SourceSnapshot {
        let mut sum = SourceSnapshot { source: self.name.clone(), ..SourceSnapshot::default() };
        let mut dropped: BTreeMap<DropReason, u64> = BTreeMap::new();
        for source in &self.sources {
            sum.received_events += source.received_events;
            sum.received_bytes += source.received_bytes;
            sum.stored_events += source.stored_events;
            sum.stored_bytes += source.stored_bytes;
            for (reason, events) in &source.dropped {
                *dropped.entry(*reason).or_default() += events;
            }
        }
        sum.dropped = dropped.into_iter().collect();
        sum
    }
}

impl InputCounters {
    /// An account with nothing in it.
    pub fn new(name: impl Into<String>, kind: &'static str) -> Self {
        Self {
            name: name.into(),
            kind,
            sources: Mutex::default(),
            problems: Mutex::default(),
            kernel_drops: AtomicU64::new(0),
            lost_bytes: AtomicU64::new(0),
            refused_connections: AtomicU64::new(0),
            open_connections: AtomicU64::new(0),
            skipped: Mutex::default(),
        }
    }

    /// The account of a source, opened if new.
    pub fn source(&self, source: &str) -> Arc<SourceCounters> {
        let mut sources = self.sources.lock();
        if let Some(known) = sources.get(source) {
            return Arc::clone(known);
        }
        let name = if sources.len() < INPUT_SOURCES_MAX { source } else { "(others)" };
        Arc::clone(sources.entry(Arc::from(name)).or_default())
    }

    /// Notes trouble that a person should see; repeated texts are counted, not kept twice.
    pub fn problem(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::warn!(input = %self.name, "{text}");
        let mut problems = self.problems.lock();
        problems.total += 1;
        if problems.texts.contains(&text) {
            return;
        }
        if problems.texts.len() >= INPUT_PROBLEMS_MAX {
            problems.texts.remove(0);
        }
        problems.texts.push(text);
    }

    pub(crate) fn skip(&self, reason: &'static str) {
        *self.skipped.lock().entry(reason).or_default() += 1;
    }

    pub(crate) fn add_kernel_drops(&self, datagrams: u64) {
        self.kernel_drops.fetch_add(datagrams, Ordering::Relaxed);
    }

    pub(crate) fn add_lost_bytes(&self, bytes: u64) {
        self.lost_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_opened(&self) {
        self.open_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.open_connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// What it all comes to now.
    pub fn snapshot(&self) -> InputSnapshot {
        let sources = self.sources.lock().iter().map(|(name, counters)| snapshot(name, counters)).collect();
        let (problems, problems_total) = {
            let problems = self.problems.lock();
            (problems.texts.clone(), problems.total)
        };
        InputSnapshot {
            name: self.name.clone(),
            kind: self.kind,
            sources,
            kernel_drops: self.kernel_drops.load(Ordering::Relaxed),
            lost_bytes: self.lost_bytes.load(Ordering::Relaxed),
            refused_connections: self.refused_connections.load(Ordering::Relaxed),
            open_connections: self.open_connections.load(Ordering::Relaxed),
            skipped: self.skipped.lock().iter().map(|(reason, count)| (*reason, *count)).collect(),
            problems,
            problems_total,
        }
    }
}

fn snapshot(name: &str, counters: &SourceCounters) -> SourceSnapshot {
    // Stored and dropped are read before received, so that a running input never shows more out than in.
    let stored_events = counters.stored_events.load(Ordering::Relaxed);
    let stored_bytes = counters.stored_bytes.load(Ordering::Relaxed);
    let dropped = [(DropReason::SinkFailed, &counters.sink_failed), (DropReason::Stopped, &counters.stopped)]
        .into_iter()
        .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
        .filter(|(_, count)| *count > 0)
        .collect();
    SourceSnapshot {
        source: name.to_owned(),
        received_events: counters.received_events.load(Ordering::Relaxed),
        received_bytes: counters.received_bytes.load(Ordering::Relaxed),
        stored_events,
        stored_bytes,
        dropped,
    }
}
