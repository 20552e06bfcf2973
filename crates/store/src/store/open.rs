//! Opening: the catalog says which segments there are, the journal what came after them. Whatever a crash
//! left behind, opening ends with the same events.

use super::stat::add;
use super::state::{FIRST_SEQUENCE, State, events_of};
use super::{Ingest, Shared, StoreOptions};
use crate::catalog::{Catalog, CatalogState};
use crate::journal::{self, Journal, JournalOptions, Replayed, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use taffrail_base::{Error, ErrorKind, Result, Ulid};

/// Opens the catalog in a data folder.
pub type OpenCatalog<'a> = &'a dyn Fn(&Path) -> Result<Box<dyn Catalog>>;

/// How often a reader looks again when a writer changed things under its eyes.
const READ_ATTEMPTS: usize = 5;

impl Shared {
    /// Opens for reading and writing.
    pub fn open(options: StoreOptions, open_catalog: OpenCatalog<'_>) -> Result<Self> {
        let (dir, vfs) = (options.dir.clone(), options.vfs.clone());
        let io = |e| Error::io(dir.display(), e);
        vfs.create_dir_all(&dir.join("segments")).map_err(io)?;
        let lock = vfs.lock(&dir.join("lock")).map_err(|e| match e.kind() {
            std::io::ErrorKind::WouldBlock => Error::new(ErrorKind::Busy, format!("{} is in use by another process", dir.display()))
                .with_hint("stop it, search through its address with --url, or choose another folder with --data"),
            _ => Error::io(dir.join("lock").display(), e),
        })?;
        let catalog = open_catalog(&dir)?;
        vfs.sync_dir(&dir).map_err(io)?;
        let known = catalog.load()?;
        let shared = Self::new(options, catalog, Some(lock));
        shared.check_catalog(&known)?;
        shared.take_over(&known);
        // Listed before the journal is replayed: what that writes may be named only later.
        let orphans = shared.orphans(&known)?;
        let (mut journal, recovery) = Journal::open(shared.journal_options(), known.covered_sequence, known.positions_sequence)?;
        let mut next = known.next_sequences.clone();
        journal.replay(recovery, |journal, record| {
            shared.replay(&known, &mut next, record)?;
            if shared.state.lock().frozen.is_empty() || !journal.is_settled() {
                return Ok(());
            }
            // A long journal must not end in memory as a whole. If the disk does not take it, it has to.
            let _ = shared.build_frozen();
            Ok(())
        })?;
        for path in journal.trim(known.covered_sequence) {
            let _ = shared.vfs.remove_file(&path);
        }
        shared.newest.send_replace(journal.last_sequence());
        shared.state.lock().applied = journal.last_sequence();
        *shared.ingest.lock() = Some(Ingest { journal, next });
        for path in orphans {
            tracing::info!(path = %path.display(), "removing an unfinished segment");
            // Left for the next start if it fails.
            let _ = shared.vfs.remove_file(&path);
        }
        Ok(shared)
    }

    /// Opens for reading only. The journal first: what a writer moves from it to segments meanwhile is then
    /// seen twice, never not at all, and what is seen twice is told by its arrival number.
    pub fn open_read_only(options: StoreOptions, open_catalog: OpenCatalog<'_>) -> Result<Self> {
        let dir = options.dir.clone();
        if !options.vfs.metadata(&dir).is_ok_and(|found| found.is_dir) {
            let message = format!("{} is not a data folder", dir.display());
            return Err(Error::new(ErrorKind::NotFound, message).with_hint("name one with --data, or make one with `taffrail import`"));
        }
        let mut attempt = 1;
        let (catalog, known, records) = loop {
            match read_all(&options, open_catalog) {
                Err(e) if attempt < READ_ATTEMPTS && matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => attempt += 1,
                result => break result?,
            }
        };
        let shared = Self::new(options, catalog, None);
        shared.take_over(&known);
        let mut next = known.next_sequences.clone();
        let mut newest = known.covered_sequence;
        for record in records {
            newest = record.sequence;
            shared.replay(&known, &mut next, record)?;
        }
        shared.newest.send_replace(newest);
        Ok(shared)
    }

    pub(super) fn journal_options(&self) -> JournalOptions {
        let (vfs, clock, random) = (self.vfs.clone(), self.clock.clone(), self.random.clone());
        let options = JournalOptions::new(self.dir.join("journal"), vfs, clock, random);
        JournalOptions { file_bytes_max: self.settings.journal_file_bytes, ..options }
    }

    fn take_over(&self, known: &CatalogState) {
        let mut state = State::restored(known, self.read_only);
        for meta in known.segments.values() {
            state.disk.push(Arc::new(self.disk_segment(meta, known.archived.get(&meta.id).cloned())));
        }
        let leaving = known.archived.iter().filter(|(id, _)| !known.segments.contains_key(id));
        state.leaving = leaving.map(|(id, archived)| (*id, archived.clone(), Weak::new())).collect();
        *self.state.lock() = state;
    }

    /// Puts a record's events and positions into memory, as far as the catalog does not have them.
    fn replay(&self, known: &CatalogState, next: &mut BTreeMap<Arc<str>, u64>, record: Replayed) -> Result<()> {
        let Replayed { sequence, batch, spans } = record;
        let mut wanted: Vec<Span> = Vec::new();
        let mut slots = vec![None; spans.len()];
        for (slot, span) in slots.iter_mut().zip(&spans) {
            let number = next.entry(span.index.clone()).or_insert(FIRST_SEQUENCE);
            if span.first > *number {
                let what = format!("events {} to {} of index {} are missing before record {sequence}", number, span.first - 1, span.index);
                return Err(Error::corrupt(self.dir.join("journal").display(), what));
            }
            *number = span.end().max(*number);
            // Events are flushed by whole records; they are judged one by one all the same.
            let covered = known.next_sequences.get(&span.index).copied().unwrap_or(FIRST_SEQUENCE);
            let first = span.first.max(covered);
            if first < span.end() {
                *slot = Some(wanted.len());
                wanted.push(Span { index: span.index.clone(), first, count: span.end() - first });
            }
        }
        let targets = self.state.lock().room(&self.settings, batch.raw_bytes(), &wanted, self.clock.monotonic_nanos());
        let mut bytes = vec![0; wanted.len()];
        for (slot, span) in spans.iter().enumerate() {
            let Some(at) = slots[slot] else { continue };
            let known = usize::try_from(wanted[at].first - span.first).unwrap_or(usize::MAX);
            targets[at].extend(events_of(&batch, &spans, slot).skip(known).inspect(|event| bytes[at] += event.raw.len()));
            add(&self.counters.replayed, wanted[at].count as usize);
        }
        let mut state = self.state.lock();
        state.count(&self.settings, &wanted, &bytes);
        if sequence > known.positions_sequence {
            state.set_positions(&batch);
        }
        state.applied = sequence;
        Ok(())
    }

    /// An empty catalog beside segments and no journal means that the catalog was lost: removing what it does
    /// not name would then remove everything.
    fn check_catalog(&self, known: &CatalogState) -> Result<()> {
        if *known != CatalogState::default() || journal::exists(&self.journal_options())? {
            return Ok(());
        }
        let Some(path) = self.segment_files()?.into_iter().find(|(_, id)| id.is_some()) else { return Ok(()) };
        let what = "there are segments, but neither the catalog that names them nor a journal";
        Err(Error::corrupt(path.0.display(), what).with_hint("restore catalog.db and journal/ from a copy"))
    }

    /// All files below `segments` that this program can have written, with the id of finished ones.
    fn segment_files(&self) -> Result<Vec<(PathBuf, Option<Ulid>)>> {
        let list = |folder: &Path| self.vfs.read_dir(folder).map_err(|e| Error::io(folder.display(), e));
        let is_folder = |path: &PathBuf| self.vfs.metadata(path).is_ok_and(|found| found.is_dir);
        let mut files = Vec::new();
        for index in list(&self.dir.join("segments"))?.into_iter().filter(is_folder) {
            for day in list(&index)?.into_iter().filter(is_folder) {
                for path in list(&day)? {
                    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    let id = |suffix: &str| name.strip_suffix(suffix).and_then(|id| id.parse::<Ulid>().ok());
                    match (id(".seg"), id(".seg.tmp")) {
                        (Some(id), _) => files.push((path, Some(id))),
                        (None, Some(_)) => files.push((path, None)),
                        (None, None) => {} // somebody else's
                    }
                }
            }
        }
        Ok(files)
    }

    /// Segment files that a crash left unnamed: their events are in the journal, or in the segments that took their
    /// place. A catalog that has lost entries leaves files unnamed too, and then they stay.
    fn orphans(&self, known: &CatalogState) -> Result<Vec<PathBuf>> {
        let files = self.segment_files()?;
        let there: BTreeSet<Ulid> = files.iter().filter_map(|(_, id)| *id).collect();
        let is_here = |id: &Ulid| known.segments.contains_key(id) && !known.archived.contains_key(id);
        let orphans: Vec<PathBuf> = files.into_iter().filter(|(_, id)| id.is_none_or(|id| !is_here(&id))).map(|(path, _)| path).collect();
        let missing = known.segments.keys().find(|id| is_here(id) && !there.contains(id));
        if let (Some(path), Some(id)) = (orphans.first(), missing) {
            tracing::warn!(path = %path.display(), %id, "segment files that the catalog does not name stay, since one that it names is missing");
            return Ok(Vec::new());
        }
        Ok(orphans)
    }
}

type ReadAll = (Box<dyn Catalog>, CatalogState, Vec<Replayed>);

fn read_all(options: &StoreOptions, open_catalog: OpenCatalog<'_>) -> Result<ReadAll> {
    let (vfs, clock, random) = (options.vfs.clone(), options.clock.clone(), options.random.clone());
    let journal = JournalOptions::new(options.dir.join("journal"), vfs, clock, random);
    let mut records = Vec::new();
    let first = journal::read(&journal, |record| {
        records.push(record);
        Ok(())
    })?;
    let catalog = open_catalog(&options.dir)?;
    let known = catalog.load()?;
    if let Some(first) = first.filter(|first| *first > known.covered_sequence + 1) {
        let what = format!("records {} to {} of the journal are missing", known.covered_sequence + 1, first - 1);
        return Err(Error::corrupt(options.dir.display(), what));
    }
    Ok((catalog, known, records))
}
