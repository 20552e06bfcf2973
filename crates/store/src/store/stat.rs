//! What a store says of itself: per index, and as counters.

use super::Shared;
use crate::snapshot::Snapshot;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use taffrail_event::Timestamp;

/// What an index holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexStat {
    /// Its name.
    pub index: String,
    /// Events in it.
    pub events: u64,
    /// Bytes of these events.
    pub raw_bytes: u64,
    /// Bytes of its segment files.
    pub stored_bytes: u64,
    /// Its segment files.
    pub segments: u64,
    /// Patterns in its segment files, each file's counted apart.
    pub patterns: u64,
    /// The earliest event time.
    pub earliest: Option<Timestamp>,
    /// The latest event time.
    pub latest: Option<Timestamp>,
}

/// Counters since the store was opened, and gauges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreMetrics {
    /// Batches made durable.
    pub appended_batches: u64,
    /// Events made durable.
    pub appended_events: u64,
    /// Bytes of these events.
    pub appended_bytes: u64,
    /// Batches that were refused or failed.
    pub failed_batches: u64,
    /// Events replayed from the journal at the start.
    pub replayed_events: u64,
    /// Syncs of the journal.
    pub journal_syncs: u64,
    /// Bytes written to the journal.
    pub journal_written_bytes: u64,
    /// Files of the journal now.
    pub journal_files: u64,
    /// Bytes in these files.
    pub journal_bytes: u64,
    /// Segments written.
    pub flushes: u64,
    /// Attempts to write a segment that failed.
    pub flush_failures: u64,
    /// Bytes of the segments written.
    pub flushed_bytes: u64,
    /// Times that segments were merged into one.
    pub merges: u64,
    /// Segments that were merged.
    pub merged_segments: u64,
    /// Bytes of the segments that came of it.
    pub merged_bytes: u64,
    /// Segments moved to an object store.
    pub archived_segments: u64,
    /// Segments removed by rule or by an administrator.
    pub removed_segments: u64,
    /// Events in these.
    pub removed_events: u64,
    /// Segment files now.
    pub segments: u64,
    /// Events in memory.
    pub memory_events: u64,
    /// Bytes of these events.
    pub memory_bytes: u64,
    /// Whether the last append was refused for want of disk space.
    pub disk_full: bool,
    /// Ids of events that are known, so that what comes again is not stored twice.
    pub known_ids: u64,
    /// Bytes on the disk of what was read of archived segments.
    pub archive_cache_bytes: u64,
    /// Why the last work on the object store failed, until some succeeds.
    pub archive_trouble: Option<String>,
    /// Why the last attempt to write a segment failed, until one succeeds.
    pub trouble: Option<String>,
}

#[derive(Default)]
pub(super) struct Counters {
    pub batches: AtomicU64,
    pub events: AtomicU64,
    pub bytes: AtomicU64,
    pub failed: AtomicU64,
    pub replayed: AtomicU64,
    pub flushes: AtomicU64,
    pub flush_failures: AtomicU64,
    pub flushed_bytes: AtomicU64,
    pub merges: AtomicU64,
    pub merged_segments: AtomicU64,
    pub merged_bytes: AtomicU64,
    pub archived: AtomicU64,
    pub removed_segments: AtomicU64,
    pub removed_events: AtomicU64,
    pub disk_full: AtomicBool,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}

/// Per index, what a snapshot holds.
pub(super) fn stat(snapshot: &Snapshot) -> Vec<IndexStat> {
    let mut stats: BTreeMap<Arc<str>, IndexStat> = BTreeMap::new();
    for segment in &snapshot.segments {
        let meta = segment.meta();
        let stat = stats.entry(meta.index.clone()).or_insert_with(|| IndexStat {
            index: meta.index.to_string(),
            events: 0,
            raw_bytes: 0,
            stored_bytes: 0,
            segments: 0,
            patterns: 0,
            earliest: None,
            latest: None,
        });
        stat.events += meta.events;
        stat.raw_bytes += meta.raw_bytes;
        stat.stored_bytes += meta.stored_bytes;
        stat.segments += u64::from(meta.stored_bytes > 0);
        stat.patterns += meta.patterns;
        stat.earliest = Some(stat.earliest.map_or(meta.min_time, |time| time.min(meta.min_time)));
        stat.latest = Some(stat.latest.map_or(meta.max_time, |time| time.max(meta.max_time)));
    }
    stats.into_values().collect()
}

impl Shared {
    pub(super) fn metrics(&self) -> StoreMetrics {
        let counters = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut metrics = StoreMetrics {
            appended_batches: read(&counters.batches),
            appended_events: read(&counters.events),
            appended_bytes: read(&counters.bytes),
            failed_batches: read(&counters.failed),
            replayed_events: read(&counters.replayed),
            flushes: read(&counters.flushes),
            flush_failures: read(&counters.flush_failures),
            flushed_bytes: read(&counters.flushed_bytes),
            merges: read(&counters.merges),
            merged_segments: read(&counters.merged_segments),
            merged_bytes: read(&counters.merged_bytes),
            archived_segments: read(&counters.archived),
            removed_segments: read(&counters.removed_segments),
            removed_events: read(&counters.removed_events),
            archive_cache_bytes: self.archive.cache.bytes(),
            disk_full: counters.disk_full.load(Ordering::Relaxed),
            ..StoreMetrics::default()
        };
        if let Some(ingest) = &*self.ingest.lock() {
            (metrics.journal_syncs, metrics.journal_written_bytes) = ingest.journal.work();
            (metrics.journal_files, metrics.journal_bytes) = ingest.journal.size();
        }
        let state = self.state.lock();
        metrics.known_ids = state.known.len() as u64;
        metrics.segments = state.disk.len() as u64;
        metrics.memory_bytes = state.memory_bytes() as u64;
        let active: usize = state.active.values().map(|active| active.events).sum();
        let frozen: u64 = state.frozen.iter().map(|frozen| frozen.end - frozen.segment.first_sequence()).sum();
        metrics.memory_events = active as u64 + frozen;
        metrics.archive_trouble.clone_from(&state.archive_trouble);
        metrics.trouble = state.trouble.as_ref().map(|(_, message)| message.clone());
        metrics
    }
}
