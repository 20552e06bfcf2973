//! What a store does beside taking events: removes what the rules say, and merges small segments. On a thread of
//! its own that waits while events are being written out, one thing at a time.

use super::Shared;
use super::merging;
use super::stat::add;
use crate::catalog::CatalogChange;
use crate::segment::{self, BlockCache};
use crate::snapshot::DiskSegment;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Ulid};

/// How long it waits when there was nothing to do.
const TICK: Duration = Duration::from_secs(2);

/// How long it waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Bytes of unpacked blocks that merging keeps: most of what 256 MiB of logs are unpacked, since a column is looked at twice
/// and its neighbours are in the same blocks.
const MERGE_CACHE_BYTES: usize = 48 * 1024 * 1024;

/// How many levels merged segments are compressed above those that are written first: they are there to stay.
const MERGED_LEVELS: i32 = 4;

/// The highest level for them: beyond it, time grows and size does not shrink.
const MERGED_LEVEL_MAX: i32 = 9;

impl Shared {
    /// The thread.
    pub fn run_upkeep(&self) {
        taffrail_base::yield_to_others();
        loop {
            let wait = match self.upkeep_once() {
                Ok(true) => Duration::ZERO,
                Ok(false) => TICK,
                Err(error) => {
                    tracing::warn!(%error, "segments could not be merged or removed; it will be tried again");
                    AFTER_FAILURE
                }
            };
            let until = self.clock.monotonic_nanos().saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
            let mut state = self.state.lock();
            while !state.stopping && (!state.frozen.is_empty() || self.clock.monotonic_nanos() < until) {
                self.changed.wait_for(&mut state, TICK);
            }
            if state.stopping {
                return;
            }
        }
    }

    /// Does the next thing that is due. Gives whether there was one.
    pub fn upkeep_once(&self) -> Result<bool> {
        self.check_writable()?;
        let mut retry_archive = self.upkeep.lock();
        Ok(self.remove_due()? || self.archive_if_due(&mut retry_archive) || (self.settings.merge && self.merge_next()?))
    }

    /// Works on the object store. One that cannot be reached is no reason to leave the rest undone: it is tried again
    /// after a while, `retry` by the monotonic clock.
    fn archive_if_due(&self, retry: &mut u64) -> bool {
        let now = self.clock.monotonic_nanos();
        if now < *retry {
            return false;
        }
        let done = self.archive_next().and_then(|done| Ok(done || self.delete_objects()?));
        self.state.lock().archive_trouble = done.as_ref().err().map(ToString::to_string);
        done.unwrap_or_else(|error| {
            tracing::warn!(%error, "the archive could not be worked on; it will be tried again");
            *retry = now.saturating_add(AFTER_FAILURE.as_nanos() as u64);
            false
        })
    }

    /// Merges the segments whose turn it is. Gives whether there were any.
    fn merge_next(&self) -> Result<bool> {
        let inputs: Vec<Arc<DiskSegment>> = {
            let state = self.state.lock();
            let metas = state.disk.iter().filter(|segment| segment.archived().is_none()).map(|segment| segment.meta());
            let Some(ids) = merging::next(metas, &state.holds, self.now()) else { return Ok(false) };
            ids.iter().filter_map(|id| state.disk.iter().find(|segment| segment.meta().id == *id).cloned()).collect()
        };
        let bytes: u64 = inputs.iter().map(|segment| segment.meta().stored_bytes).sum();
        // If the system does not tell, the writing itself will.
        let free = self.vfs.available_bytes(&self.dir).unwrap_or(u64::MAX);
        if free < self.settings.reserve_bytes.saturating_add(bytes) {
            return Ok(false);
        }
        let id = Ulid::new(&*self.clock, &*self.random);
        let build = || {
            let cache = Arc::new(BlockCache::new(MERGE_CACHE_BYTES));
            let opened = inputs.iter().map(|segment| segment.open_apart(&cache)).collect::<Result<Vec<_>>>()?;
            segment::merge(&opened, id, (self.settings.zstd_level + MERGED_LEVELS).min(MERGED_LEVEL_MAX))
        };
        let (file, meta) = catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|_| {
            let what = format!("merging segment {} with {} others panicked", inputs[0].meta().id, inputs.len() - 1);
            Err(Error::new(ErrorKind::Bug, what).with_hint("please report it; the segments are as they were"))
        })?;
        self.write_file(&file, &meta)?;
        let rule = format!("merged:{id}");
        let merged = self.commit_change(|| {
            let state = self.state.lock();
            let there = |input: &Arc<DiskSegment>| state.disk.iter().any(|segment| Arc::ptr_eq(segment, input));
            let held = |input: &Arc<DiskSegment>| state.holds.values().any(|hold| hold.covers(input.meta()));
            // Somebody removed or held one meanwhile.
            if !inputs.iter().all(|input| there(input) && !held(input)) {
                return Ok(None);
            }
            drop(state);
            let removed = inputs.iter().filter_map(|input| self.removal(input.meta().id, &rule)).collect();
            Ok(Some(CatalogChange { added: vec![meta.clone()], removed, ..CatalogChange::default() }))
        });
        match merged {
            Ok(true) => {
                add(&self.counters.merges, 1);
                add(&self.counters.merged_segments, inputs.len());
                add(&self.counters.merged_bytes, file.len());
            }
            Ok(false) => self.remove_file(&meta),
            Err(error) => {
                // If the commit may have happened, the file stays until that is known.
                if !self.is_pending(meta.id) {
                    self.remove_file(&meta);
                }
                return Err(error);
            }
        }
        Ok(true)
    }
}
