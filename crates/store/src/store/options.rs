//! What a store is made with: parts handed in, and the few settings.

use crate::archive::Remotes;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use taffrail_base::limits;
use taffrail_base::{Clock, Randomness, Vfs};

/// The parts of a store.
pub struct StoreOptions {
    /// The data folder.
    pub dir: PathBuf,
    /// The file system.
    pub vfs: Arc<dyn Vfs>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Randomness>,
    /// Only look: takes no lock and changes nothing, so it can be used beside a running writer.
    pub read_only: bool,
    /// The settings.
    pub settings: StoreSettings,
}

/// What becomes of an index's segments when they get old or many. The default keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexRules {
    /// Segments are removed once all their events are older than this.
    pub retention_seconds: Option<u64>,
    /// The oldest segments are removed while the files of the index, archived ones included, hold more bytes.
    pub max_bytes: Option<u64>,
    /// Where segments go when they are old.
    pub archive: Option<ArchiveRule>,
}

/// Where segments go when they are old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRule {
    /// The address of the object store, without credentials.
    pub url: Arc<str>,
    /// A segment goes there once all its events are older than this.
    pub after_seconds: u64,
}

/// What opens object stores.
#[derive(Clone, Debug, Default)]
pub struct Archives(pub Option<Arc<dyn Remotes>>);

/// How much of the disk may be used before the oldest segments are removed, whatever their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskLimit {
    /// Hundredths of the file system, other people's files included.
    Percent(u8),
    /// Bytes of the store's segment files.
    Bytes(u64),
}

/// The rules of all indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// For indexes without rules of their own, but for the server's own (`_audit`).
    pub default: IndexRules,
    /// By index.
    pub indexes: BTreeMap<String, IndexRules>,
    /// For the disk.
    pub max_disk_usage: Option<DiskLimit>,
}

impl Rules {
    /// Whether nothing is removed by age or size.
    pub(super) fn keep_everything(&self) -> bool {
        let keeps = |rules: &IndexRules| rules.retention_seconds.is_none() && rules.max_bytes.is_none();
        keeps(&self.default) && self.indexes.values().all(keeps)
    }

    /// The rules of an index.
    pub fn of(&self, index: &str) -> &IndexRules {
        const KEEP: &IndexRules = &IndexRules { retention_seconds: None, max_bytes: None, archive: None };
        let default = if super::retention::is_own(index) { KEEP } else { &self.default };
        self.indexes.get(index).unwrap_or(default)
    }
}

/// The settings of a store; the defaults are those of `base::limits`.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Raw bytes of an index in memory at which they are written to a segment.
    pub flush_bytes: usize,
    /// Events of an index in memory at which they are written to a segment.
    pub flush_events: usize,
    /// Age of the oldest event of an index in memory at which they are written to a segment.
    pub flush_age_seconds: u64,
    /// Compression level of segments as they are first written; merged ones get a higher one.
    pub zstd_level: i32,
    /// Bytes of a journal file before the next is started.
    pub journal_file_bytes: u64,
    /// Bytes that must stay free on the disk for an append to be taken.
    pub reserve_bytes: u64,
    /// Have a thread merge small segments and remove what the rules say. On where a store runs for long.
    pub upkeep: bool,
    /// Whether upkeep merges.
    pub merge: bool,
    /// What becomes of old segments.
    pub rules: Rules,
    /// What opens object stores; without it archived segments cannot be read.
    pub archives: Archives,
    /// Bytes on the disk for what was read of archived segments.
    pub cache_bytes: u64,
    /// Bytes of memory for unpacked blocks of segments that were searched.
    pub block_cache_bytes: usize,
    /// Start no threads: everything happens within the call, in an order that depends on nothing else. For
    /// simulation.
    pub synchronous: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            flush_bytes: limits::MEMORY_SEGMENT_BYTES,
            flush_events: limits::SEGMENT_EVENTS_MAX,
            flush_age_seconds: limits::MEMORY_SEGMENT_AGE_SECONDS_MAX,
            zstd_level: 1,
            journal_file_bytes: limits::JOURNAL_FILE_BYTES_MAX,
            reserve_bytes: limits::DISK_RESERVE_BYTES,
            upkeep: false,
            merge: true,
            rules: Rules::default(),
            archives: Archives::default(),
            cache_bytes: limits::ARCHIVE_CACHE_BYTES,
            block_cache_bytes: limits::BLOCK_CACHE_BYTES,
            synchronous: false,
        }
    }
}

impl StoreSettings {
    /// Raw bytes in memory, those being written out included, at which appends wait.
    pub(super) fn memory_bytes_max(&self) -> usize {
        self.flush_bytes.saturating_mul(4)
    }

    /// Raw bytes of all indexes in memory at which the largest of them is written out.
    pub(super) fn active_bytes_max(&self) -> usize {
        self.flush_bytes.saturating_mul(3) / 2
    }
}
