//! What a store is made with: parts handed in, and the few settings.

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

/// The settings of a store; the defaults are those of `base::limits`.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Raw bytes of an index in memory at which they are written to a segment.
    pub flush_bytes: usize,
    /// Events of an index in memory at which they are written to a segment.
    pub flush_events: usize,
    /// Age of the oldest event of an index in memory at which they are written to a segment.
    pub flush_age_seconds: u64,
    /// Compression level of segments.
    pub zstd_level: i32,
    /// Bytes of a journal file before the next is started.
    pub journal_file_bytes: u64,
    /// Bytes that must stay free on the disk for an append to be taken.
    pub reserve_bytes: u64,
    /// Start no threads: everything happens within the call, in an order that depends on nothing else. For
    /// simulation.
    pub synchronous: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            flush_bytes: limits::MEMORY_SEGMENT_BYTES_MAX,
            flush_events: limits::SEGMENT_EVENTS_MAX,
            flush_age_seconds: limits::MEMORY_SEGMENT_AGE_SECONDS_MAX,
            zstd_level: 3,
            journal_file_bytes: limits::JOURNAL_FILE_BYTES_MAX,
            reserve_bytes: limits::DISK_RESERVE_BYTES,
            synchronous: false,
        }
    }
}

impl StoreSettings {
    /// Raw bytes in memory, those being written out included, at which appends wait.
    pub(super) fn memory_bytes_max(&self) -> usize {
        self.flush_bytes.saturating_mul(2)
    }

    /// Raw bytes of all indexes in memory at which the largest of them is written out.
    pub(super) fn active_bytes_max(&self) -> usize {
        self.flush_bytes.saturating_mul(3) / 2
    }
}
