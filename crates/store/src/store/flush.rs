//! Writing out: a frozen memory segment becomes a file, the file enters the catalog together with the
//! positions, and the journal is trimmed. In that order, each step durable before the next.

use super::Shared;
use super::late;
use super::stat::add;
use super::state::Frozen;
use crate::catalog::{Archived, CatalogChange, segment_path};
use crate::segment::{Learned, SegmentMeta};
use crate::snapshot::{DiskSegment, Place};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Ulid};

/// How often the flusher looks at the age of what is in memory, and how long it waits after a failure.
const TICK: Duration = Duration::from_secs(1);

/// So many full files of the journal (or, where they are larger, memories full) may wait for an index with few events: beyond, these are written out however few they are. A busy
/// index would fill the disk with what a quiet one keeps, and a start after a crash reads all of it.
const JOURNAL_FILES: u64 = 8;

/// What only one thread at a time may do: changing the catalog.
#[derive(Default)]
pub(super) struct Flusher {
    /// A change that must be committed before any other: it may already be, if its commit failed.
    pending: Option<Pending>,
    /// What the columns of earlier segments taught, for each of those that build side by side.
    learned: [Learned; BUILDERS],
}

/// Memory segments that are built side by side: building is most of what ingest costs.
const BUILDERS: usize = 2;

/// Files to be, with what the catalog needs of each.
type Built = Vec<(Vec<u8>, SegmentMeta)>;

struct Pending {
    change: CatalogChange,
    /// Whether it takes in the oldest frozen memory segment.
    flushes: bool,
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

    /// Writes out what is frozen, old, or keeps a long journal, and takes a checkpoint if that would shorten the journal.
    pub fn flush_due(&self) -> Result<()> {
        let now = self.clock.monotonic_nanos();
        {
            // The ingest lock first: nobody may be pushing into what gets frozen.
            let mut ingest = self.ingest.lock();
            let mut state = self.state.lock();
            let mut due = state.aged(&self.settings, now);
            if let Some(ingest) = ingest.as_ref() {
                let bytes = self.settings.journal_file_bytes.max(self.settings.memory_bytes_max() as u64).saturating_mul(JOURNAL_FILES);
                due.extend(ingest.journal.ends_of_oldest(bytes).filter_map(|(index, end)| state.active_before(index, end)));
            }
            due.iter().for_each(|index| state.freeze(index));
            if let Some(ingest) = ingest.as_mut().filter(|_| !due.is_empty()) {
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
        // What is simulated happens in an order that depends on nothing else.
        let builders = if self.settings.synchronous { 1 } else { BUILDERS };
        loop {
            let oldest: Vec<Frozen> = self.state.lock().frozen.iter().take(builders).cloned().collect();
            if oldest.is_empty() {
                return Ok(());
            }
            for (frozen, built) in oldest.iter().zip(self.build_side_by_side(&oldest, &mut flusher.learned)) {
                // Only what the journal durably holds may enter the catalog.
                self.settle_journal()?;
                let metas = self.write_segments(built?)?;
                debug_assert_eq!(metas.iter().map(|meta| meta.end_sequence).max(), Some(frozen.end));
                flusher.pending = Some(Pending { change: self.change(Some((metas, frozen))), flushes: true });
                self.commit_pending(flusher)?;
            }
        }
    }

    fn build_side_by_side(&self, all: &[Frozen], learned: &mut [Learned]) -> Vec<Result<Built>> {
        let work: Vec<(&Frozen, &mut Learned)> = all.iter().zip(learned).collect();
        std::thread::scope(|scope| {
            let mut work = work.into_iter();
            let first = work.next();
            // This thread builds as well.
            let others: Vec<_> = work.map(|(frozen, learned)| scope.spawn(|| self.build_segments(frozen, learned))).collect();
            let first = first.map(|(frozen, learned)| self.build_segments(frozen, learned));
            let panicked = || Err(Error::new(ErrorKind::Bug, "building a segment panicked"));
            first.into_iter().chain(others.into_iter().map(|other| other.join().unwrap_or_else(|_| panicked()))).collect()
        })
    }

    fn settle_journal(&self) -> Result<()> {
        self.ingest.lock().as_mut().map_or(Ok(()), |ingest| ingest.journal.settle())
    }

    /// Builds the files, one for each range of time.
    fn build_segments(&self, frozen: &Frozen, learned: &mut Learned) -> Result<Built> {
        let builder = frozen.segment.builder();
        let ranges = late::ranges(builder.times()).into_iter();
        ranges
            .map(|(from, to)| {
                let id = Ulid::new(&*self.clock, &*self.random);
                let build = || builder.finish_some(&|time| (from..=to).contains(&time), id, self.settings.zstd_level, learned);
                // A bug in the encoding must not take the thread down that everybody waits for.
                catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|_| {
                    let what =
                        format!("building a segment of index {} from event {} on panicked", frozen.index, frozen.segment.first_sequence());
                    Err(Error::new(ErrorKind::Bug, what).with_hint("please report it; the events are safe in the journal"))
                })
            })
            .collect()
    }

    /// Writes the files. Nothing names them until they are committed.
    fn write_segments(&self, built: Built) -> Result<Vec<SegmentMeta>> {
        let mut metas = Vec::with_capacity(built.len());
        for (bytes, meta) in built {
            if let Err(error) = self.write_file(&bytes, &meta) {
                metas.iter().for_each(|meta| self.remove_file(meta));
                return Err(error);
            }
            add(&self.counters.flushed_bytes, bytes.len());
            metas.push(meta);
        }
        Ok(metas)
    }

    /// A segment as the catalog has it.
    pub(super) fn disk_segment(&self, meta: &SegmentMeta, archived: Option<Archived>) -> DiskSegment {
        let place = match archived {
            Some(archived) => Place::Remote(self.archive.clone(), archived),
            None => Place::File(self.vfs.clone(), self.dir.join(segment_path(meta))),
        };
        DiskSegment::new(place, meta.clone(), self.opened.clone())
    }

    /// Removes a segment's file that the catalog does not name; what cannot be removed now is at the next start.
    pub(super) fn remove_file(&self, meta: &SegmentMeta) {
        let _ = self.vfs.remove_file(&self.dir.join(segment_path(meta)));
    }

    /// Writes a segment's file, durable on return.
    pub(super) fn write_file(&self, bytes: &[u8], meta: &SegmentMeta) -> Result<()> {
        let path = self.dir.join(segment_path(meta));
        let unfinished = path.with_extension("seg.tmp");
        let folder = path.parent().expect("below the data folder");
        let written = self.make_folder(folder).and_then(|()| {
            let file = self.vfs.create_new(&unfinished)?;
            file.write_all_at(bytes, 0)?;
            file.sync_data()?;
            self.vfs.rename(&unfinished, &path)?;
            self.vfs.sync_dir(folder)
        });
        written.map_err(|e| {
            // Gives the space back; what cannot be removed now is at the next start.
            let _ = self.vfs.remove_file(&unfinished);
            let _ = self.vfs.remove_file(&path);
            Error::io(path.display(), e)
        })
    }

    /// Makes the folder of a segment. One that is there may be there only in memory, left by a process that
    /// was killed before its sync, so the names above it are synced once in any case.
    fn make_folder(&self, folder: &Path) -> std::io::Result<()> {
        let mut synced = self.synced.lock();
        if synced.contains(folder) {
            return Ok(());
        }
        self.vfs.create_dir_all(folder)?;
        for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.dir)) {
            self.vfs.sync_dir(above)?;
        }
        synced.insert(folder.to_owned());
        Ok(())
    }

    /// The change that takes the positions as they are now and, if there are any, new segments.
    fn change(&self, new: Option<(Vec<SegmentMeta>, &Frozen)>) -> CatalogChange {
        let mut state = self.state.lock();
        let mut covered = state.covered.clone();
        let mut change = CatalogChange { positions_sequence: state.applied, ..CatalogChange::default() };
        for key in std::mem::take(&mut state.dirty) {
            let value = state.positions.get(&key).cloned();
            change.positions.push((key, value));
        }
        change.positions.extend(state.known.changes(self.clock.now_nanos()));
        let before = state.covered_sequence;
        drop(state);
        if let Some((metas, frozen)) = new {
            covered.insert(frozen.index.clone(), frozen.end);
            change.next_sequences.push((frozen.index.clone(), frozen.end));
            change.added = metas;
        }
        let next_of = |index: &str| covered.get(index).copied().unwrap_or(0);
        let ingest = self.ingest.lock();
        let reached = ingest.as_ref().and_then(|ingest| ingest.journal.covered(change.positions_sequence, next_of));
        change.covered_sequence = reached.unwrap_or(0).max(before);
        change
    }

    /// Commits a change that `make` decides on, after what has to be committed first; `None` changes nothing. While
    /// `make` looks, nobody else changes what there is. Gives whether there was a change.
    pub(super) fn commit_change(&self, make: impl FnOnce() -> Result<Option<CatalogChange>>) -> Result<bool> {
        let mut flusher = self.flusher.lock();
        self.commit_pending(&mut flusher)?;
        let Some(change) = make()? else { return Ok(false) };
        flusher.pending = Some(Pending { change, flushes: false });
        self.commit_pending(&mut flusher)?;
        Ok(true)
    }

    /// Whether a segment is added by a change whose commit failed and may have happened all the same.
    pub(super) fn is_pending(&self, id: Ulid) -> bool {
        let flusher = self.flusher.lock();
        flusher.pending.as_ref().is_some_and(|pending| pending.change.added.iter().any(|meta| meta.id == id))
    }

    /// Commits the pending change, if there is one, and does what follows from it.
    fn commit_pending(&self, flusher: &mut Flusher) -> Result<()> {
        let Some(pending) = &flusher.pending else { return Ok(()) };
        self.catalog.commit(&pending.change)?;
        // Durable from here on: nothing below can fail.
        let Pending { change, flushes } = flusher.pending.take().expect("just looked at");
        let gone = {
            let mut state = self.state.lock();
            for meta in &change.added {
                state.disk.push(Arc::new(self.disk_segment(meta, None)));
            }
            if flushes {
                state.frozen.pop_front();
            }
            state.covered.extend(change.next_sequences.iter().cloned());
            state.covered_sequence = state.covered_sequence.max(change.covered_sequence);
            let mut gone = state.take_removed(&change);
            for (removal, archived) in &change.archived {
                if let Some(meta) = state.disk.iter().map(|segment| segment.meta()).find(|meta| meta.id == removal.id).cloned() {
                    let old = state.take_archived(self.disk_segment(&meta, Some(archived.clone())));
                    gone.extend(old.map(|old| (old, removal.clone())));
                }
            }
            gone
        };
        self.changed.notify_all();
        if flushes {
            add(&self.counters.flushes, change.added.len());
        }
        let trimmed = self.ingest.lock().as_mut().map(|ingest| ingest.journal.trim(change.covered_sequence));
        for path in trimmed.into_iter().flatten() {
            // The catalog no longer needs it; what cannot be removed now is at the next start.
            let _ = self.vfs.remove_file(&path);
        }
        for meta in &change.added {
            self.sealed.lock().iter().for_each(|told| told(meta));
        }
        for (segment, removal) in gone {
            segment.condemn();
            self.removed.lock().iter().for_each(|told| told(&removal, &segment));
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
        flusher.pending = Some(Pending { change: self.change(None), flushes: false });
        self.commit_pending(&mut flusher)
    }
}
