//! Writing out: a frozen memory segment becomes a file, the file enters the catalog together with the
//! positions, and the journal is trimmed. In that order, each step durable before the next.

use super::Shared;
use super::stat::add;
use super::state::Frozen;
use crate::catalog::{CatalogChange, segment_path};
use crate::segment::{Learned, SegmentMeta};
use crate::snapshot::DiskSegment;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Ulid};

/// How often the flusher looks at the age of what is in memory, and how long it waits after a failure.
const TICK: Duration = Duration::from_secs(1);

/// What only one thread at a time may do.
#[derive(Default)]
pub(super) struct Flusher {
    /// A change that must be committed before any other: it may already be, if its commit failed.
    pending: Option<CatalogChange>,
    /// Folders whose own names this process has made durable.
    synced: BTreeSet<PathBuf>,
    /// What the columns of earlier segments taught.
    learned: Learned,
}

impl Shared {
    /// The flusher's thread.
    pub fn run_flusher(&self) {
        loop {
            let failed = self.flush_due().is_err();
            let mut state = self.state.lock();
            if state.stopping {
                return;
            }
            if failed || state.frozen.is_empty() {
                self.changed.wait_for(&mut state, TICK);
            }
            if state.stopping {
                return;
            }
        }
    }

    /// Writes out what is frozen or old, and takes a checkpoint if that would shorten the journal.
    pub fn flush_due(&self) -> Result<()> {
        let now = self.clock.monotonic_nanos();
        let aged = self.state.lock().aged(&self.settings, now);
        if !aged.is_empty() {
            // The ingest lock first: nobody may be pushing into what gets frozen.
            let mut ingest = self.ingest.lock();
            let mut state = self.state.lock();
            aged.iter().for_each(|index| state.freeze(index));
            if let Some(ingest) = ingest.as_mut() {
                ingest.journal.rotate_soon();
            }
        }
        self.build_frozen()?;
        self.checkpoint_if_useful()
    }

    /// Writes out everything in memory and trims the journal.
    pub fn flush(&self) -> Result<()> {
        {
            let mut ingest = self.ingest.lock();
            let mut state = self.state.lock();
            let all: Vec<Arc<str>> = state.active.keys().cloned().collect();
            all.iter().for_each(|index| state.freeze(index));
            drop(state);
            // Without a new file the old one cannot be trimmed, and that is all.
            let _ = ingest.as_mut().map(|ingest| ingest.journal.rotate());
        }
        self.build_frozen()?;
        self.checkpoint_if_useful()
    }

    /// Writes out what is frozen, oldest first.
    pub fn build_frozen(&self) -> Result<()> {
        let mut flusher = self.flusher.lock();
        let result = self.build_all(&mut flusher);
        let mut state = self.state.lock();
        state.trouble = result.as_ref().err().map(|error: &Error| (error.kind(), error.to_string()));
        drop(state);
        self.changed.notify_all();
        if let Err(error) = &result {
            add(&self.counters.flush_failures, 1);
            tracing::warn!(%error, "a segment could not be written; it will be tried again");
        }
        result
    }

    fn build_all(&self, flusher: &mut Flusher) -> Result<()> {
        self.commit_pending(flusher)?;
        loop {
            let Some(frozen) = self.state.lock().frozen.front().cloned() else { return Ok(()) };
            // Only what the journal durably holds may enter the catalog.
            self.settle_journal()?;
            let meta = self.write_segment(flusher, &frozen)?;
            flusher.pending = Some(self.change(Some((meta, &frozen))));
            self.commit_pending(flusher)?;
        }
    }

    fn settle_journal(&self) -> Result<()> {
        self.ingest.lock().as_mut().map_or(Ok(()), |ingest| ingest.journal.settle())
    }

    /// Builds and writes the file. Nothing names it until it is committed.
    fn write_segment(&self, flusher: &mut Flusher, frozen: &Frozen) -> Result<SegmentMeta> {
        let id = Ulid::new(&*self.clock, &*self.random);
        let learned = &mut flusher.learned;
        let build = || frozen.segment.builder().finish(id, self.settings.zstd_level, learned);
        // A bug in the encoding must not take the thread down that everybody waits for.
        let (bytes, meta) = catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|_| {
            let what = format!("building a segment of index {} from event {} on panicked", frozen.index, frozen.segment.first_sequence());
            Err(Error::new(ErrorKind::Bug, what).with_hint("please report it; the events are safe in the journal"))
        })?;
        debug_assert_eq!(meta.first_sequence + meta.events, frozen.end);
        let path = self.dir.join(segment_path(&meta));
        let unfinished = path.with_extension("seg.tmp");
        let folder = path.parent().expect("below the data folder");
        let written = self.make_folder(flusher, folder).and_then(|()| {
            let file = self.vfs.create_new(&unfinished)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_data()?;
            self.vfs.rename(&unfinished, &path)?;
            self.vfs.sync_dir(folder)
        });
        written.map_err(|e| {
            // Gives the space back; what cannot be removed now is at the next start.
            let _ = self.vfs.remove_file(&unfinished);
            let _ = self.vfs.remove_file(&path);
            Error::io(path.display(), e)
        })?;
        add(&self.counters.flushed_bytes, bytes.len());
        Ok(meta)
    }

    /// Makes the folder of a segment. One that is there may be there only in memory, left by a process that
    /// was killed before its sync, so the names above it are synced once in any case.
    fn make_folder(&self, flusher: &mut Flusher, folder: &Path) -> std::io::Result<()> {
        if flusher.synced.contains(folder) {
            return Ok(());
        }
        self.vfs.create_dir_all(folder)?;
        for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.dir)) {
            self.vfs.sync_dir(above)?;
        }
        flusher.synced.insert(folder.to_owned());
        Ok(())
    }

    /// The change that takes the positions as they are now and, if there is one, a new segment.
    fn change(&self, new: Option<(SegmentMeta, &Frozen)>) -> CatalogChange {
        let mut state = self.state.lock();
        let mut covered = state.covered.clone();
        let mut change = CatalogChange { positions_sequence: state.applied, ..CatalogChange::default() };
        for key in std::mem::take(&mut state.dirty) {
            let value = state.positions.get(&key).cloned();
            change.positions.push((key, value));
        }
        let before = state.covered_sequence;
        drop(state);
        if let Some((meta, frozen)) = new {
            covered.insert(frozen.index.clone(), frozen.end);
            change.next_sequences.push((frozen.index.clone(), frozen.end));
            change.added.push(meta);
        }
        let next_of = |index: &str| covered.get(index).copied().unwrap_or(0);
        let ingest = self.ingest.lock();
        let reached = ingest.as_ref().and_then(|ingest| ingest.journal.covered(change.positions_sequence, next_of));
        change.covered_sequence = reached.unwrap_or(0).max(before);
        change
    }

    /// Commits the pending change, if there is one, and does what follows from it.
    fn commit_pending(&self, flusher: &mut Flusher) -> Result<()> {
        let Some(change) = &flusher.pending else { return Ok(()) };
        self.catalog.commit(change)?;
        // Durable from here on: nothing below can fail.
        let change = flusher.pending.take().expect("just looked at");
        {
            let mut state = self.state.lock();
            for meta in &change.added {
                let path = self.dir.join(segment_path(meta));
                state.disk.push(Arc::new(DiskSegment::new(self.vfs.clone(), path, meta.clone(), self.opened.clone())));
                state.frozen.pop_front();
            }
            state.covered.extend(change.next_sequences.iter().cloned());
            state.covered_sequence = change.covered_sequence;
        }
        self.changed.notify_all();
        add(&self.counters.flushes, change.added.len());
        let trimmed = self.ingest.lock().as_mut().map(|ingest| ingest.journal.trim(change.covered_sequence));
        for path in trimmed.into_iter().flatten() {
            // The catalog no longer needs it; what cannot be removed now is at the next start.
            let _ = self.vfs.remove_file(&path);
        }
        for meta in &change.added {
            self.sealed.lock().iter().for_each(|told| told(meta));
        }
        Ok(())
    }

    /// Commits the positions alone when whole journal files are only kept for them.
    fn checkpoint_if_useful(&self) -> Result<()> {
        let mut flusher = self.flusher.lock();
        self.commit_pending(&mut flusher)?;
        let useful = {
            let ingest = self.ingest.lock();
            let state = self.state.lock();
            let next_of = |index: &str| state.covered.get(index).copied().unwrap_or(0);
            let reached = ingest.as_ref().and_then(|ingest| ingest.journal.covered(state.applied, next_of));
            reached.is_some_and(|reached| reached > state.covered_sequence)
        };
        if !useful {
            return Ok(());
        }
        self.settle_journal()?;
        flusher.pending = Some(self.change(None));
        self.commit_pending(&mut flusher)
    }
}
