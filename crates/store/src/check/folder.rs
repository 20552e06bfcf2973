//! The folder as a whole: its lock, its catalog, which files there are and which there should be.

use super::{Check, EventRange, OpenCatalog, Severity};
use crate::catalog::{CatalogState, Removal, segment_path};
use crate::segment::SegmentMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result, Ulid};

pub(super) const RESTORE_CATALOG: &str =
    "restore catalog.db from a copy that belongs to these segments and this journal; segments are not touched";
const RESTORE_SEGMENT: &str = "restore the file from a copy; its seal in evidence/ tells whether it is the right one";

/// How often it is looked again when a writer changed things meanwhile.
const ATTEMPTS: usize = 5;

/// What stands at the top of a data folder and is checked, or is nobody's concern here.
const KNOWN: [&str; 14] = [
    "ballast",
    "cache",
    "jobs",
    "journal",
    "knowledge",
    "segments",
    "catalog.db",
    "catalog.db-journal",
    "evidence",
    "detect",
    "lock",
    "server.json",
    "server.json.tmp",
    "catalog.sim",
];

impl Check<'_> {
    /// The whole check.
    pub(super) fn run(&mut self, open_catalog: OpenCatalog<'_>) -> Result<()> {
        if !self.vfs.metadata(&self.dir).is_ok_and(|found| found.is_dir) {
            let message = format!("{} is not a data folder", self.dir.display());
            return Err(Error::new(ErrorKind::NotFound, message).with_hint("name one with --data"));
        }
        self.checked.in_use = self.in_use()?;
        let known = self.records(open_catalog)?;
        let files = self.segment_files()?;
        let wanted = |index: &str| self.options.index.as_deref().is_none_or(|only| only == index);
        let known = match known {
            Some(known) => known,
            None => self.without_catalog(&files),
        };
        let metas: Vec<SegmentMeta> = known.segments.values().filter(|meta| wanted(&meta.index)).cloned().collect();
        self.strangers(&known, &files, open_catalog)?;
        self.ranges(&known);
        let total: u64 = metas.iter().map(|meta| meta.stored_bytes).sum();
        let mut done = 0;
        // What is in an object store is read by who searches it.
        for meta in metas.iter().filter(|meta| !known.archived.contains_key(&meta.id)) {
            let path = self.dir.join(segment_path(meta));
            match self.segment(&path, meta) {
                Err(error) if error.kind() == ErrorKind::NotFound => self.missing(&path, meta, open_catalog),
                checked => checked?,
            }
            done += meta.stored_bytes;
            self.watch.progress(done, total);
        }
        self.others()
    }

    /// Whether another process has the folder's lock. The file is opened only if it is there.
    fn in_use(&self) -> Result<bool> {
        let path = self.dir.join("lock");
        if self.vfs.metadata(&path).is_err() {
            return Ok(false);
        }
        match self.vfs.lock(&path) {
            Ok(_) => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(true),
            // A folder that cannot be written to has no writer that could be in the way.
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Ok(false),
            Err(e) => Err(Error::io(path.display(), e)),
        }
    }

    /// Checks catalog and journal, which belong together. None when the catalog cannot be read.
    fn records(&mut self, open_catalog: OpenCatalog<'_>) -> Result<Option<CatalogState>> {
        let path = self.dir.join("catalog.db");
        let mut attempt = 1;
        loop {
            let before = match open_catalog(&self.dir).and_then(|catalog| catalog.load()) {
                Ok(known) => Some(known),
                Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Io | ErrorKind::Invalid) => {
                    if attempt == 1 {
                        self.no_catalog(&path, &e)?;
                    }
                    None
                }
                Err(e) => return Err(e),
            };
            // The journal before the catalog is read again: what a writer moves meanwhile is seen twice, never not at all.
            let journal = match self.journal(before.as_ref().map_or(0, |known| known.covered_sequence)) {
                Err(e) if e.kind() == ErrorKind::NotFound && attempt < ATTEMPTS => {
                    attempt += 1;
                    continue;
                }
                journal => journal?,
            };
            self.checked.journal_files = journal.examined.files;
            self.checked.journal_records = journal.examined.records;
            self.checked.journal_bytes = journal.examined.bytes;
            if before.is_none() {
                return Ok(None);
            }
            let catalog = open_catalog(&self.dir)?;
            let known = catalog.load()?;
            for line in catalog.integrity()? {
                self.tell(Severity::Damage, &path, line, RESTORE_CATALOG);
            }
            self.removals = catalog.removals()?;
            self.coverage(&journal, &known);
            return Ok(Some(known));
        }
    }

    /// Tells that there is no catalog, unless there is nothing yet that it could list.
    fn no_catalog(&mut self, path: &Path, error: &Error) -> Result<()> {
        let empty = self.segment_files()?.is_empty() && self.vfs.read_dir(&self.dir.join("journal")).is_ok_and(|files| files.is_empty());
        if error.kind() != ErrorKind::NotFound || !empty {
            self.tell(Severity::Damage, path, error.message(), RESTORE_CATALOG);
        }
        Ok(())
    }

    /// What there is when the catalog tells nothing: the files by their names.
    fn without_catalog(&self, files: &BTreeMap<PathBuf, Option<Ulid>>) -> CatalogState {
        let mut state = CatalogState::default();
        for (path, id) in files.iter().filter_map(|(path, id)| Some((path, (*id)?))) {
            let index = path.iter().nth_back(2).and_then(|name| name.to_str()).unwrap_or_default();
            let meta = SegmentMeta {
                id,
                index: index.into(),
                events: SegmentMeta::EVENTS_UNKNOWN,
                raw_bytes: 0,
                stored_bytes: self.vfs.metadata(path).map_or(0, |found| found.len),
                patterns: 0,
                min_time: taffrail_event::Timestamp::MIN,
                max_time: taffrail_event::Timestamp::MAX,
                first_sequence: 0,
                end_sequence: 0,
                summary: Arc::default(),
            };
            state.segments.insert(id, meta);
        }
        state
    }

    /// All files below `segments`, with the id of those that are named like finished segments.
    fn segment_files(&self) -> Result<BTreeMap<PathBuf, Option<Ulid>>> {
        let list = |folder: &Path| match self.vfs.read_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            found => found.map_err(|e| Error::io(folder.display(), e)),
        };
        let mut files = BTreeMap::new();
        let mut folders = vec![(self.dir.join("segments"), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for path in list(&folder)? {
                if depth < 2 && self.vfs.metadata(&path).is_ok_and(|found| found.is_dir) {
                    folders.push((path, depth + 1));
                    continue;
                }
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let id = name.strip_suffix(".seg").and_then(|id| id.parse::<Ulid>().ok());
                files.insert(path, id);
            }
        }
        Ok(files)
    }

    /// Files that nobody lists. A writer may have made them just now, or removed them.
    fn strangers(&mut self, known: &CatalogState, files: &BTreeMap<PathBuf, Option<Ulid>>, open_catalog: OpenCatalog<'_>) -> Result<()> {
        let listed = |known: &CatalogState| {
            let local = known.segments.values().filter(|meta| !known.archived.contains_key(&meta.id));
            local.map(|meta| self.dir.join(segment_path(meta))).collect::<BTreeSet<_>>()
        };
        let before = listed(known);
        let mut strangers: Vec<(PathBuf, Option<Ulid>)> =
            files.iter().filter(|(path, _)| !before.contains(*path)).map(|(path, id)| (path.clone(), *id)).collect();
        if strangers.is_empty() {
            return Ok(());
        }
        if let Ok(now) = open_catalog(&self.dir).and_then(|catalog| catalog.load()) {
            let now = listed(&now);
            strangers.retain(|(path, _)| !now.contains(path));
        }
        if self.checked.in_use {
            return Ok(());
        }
        let unnamed = strangers.iter().filter(|(_, id)| id.is_some()).count();
        if known.segments.is_empty() && unnamed > 0 {
            let what = format!("it lists no segments, and {unnamed} segment files are here");
            self.tell(Severity::Warning, &self.dir.join("catalog.db"), what, RESTORE_CATALOG);
        }
        for (path, id) in strangers {
            let unfinished = path.extension().is_some_and(|suffix| suffix == "tmp");
            match id {
                Some(id) if known.archived.contains_key(&id) || self.removals.iter().any(|removal| removal.id == id) => {
                    self.tell(Severity::Note, &path, "a segment that was removed or archived", "nothing: the next start removes it");
                }
                Some(id) if known.segments.contains_key(&id) => {
                    let what = "the same segment is listed at another place: this file is a copy of it, or was moved";
                    self.tell(
                        Severity::Warning,
                        &path,
                        what,
                        "compare both; move this one away, or back to where its name and index belong",
                    );
                }
                Some(_) => {
                    let what = "no catalog entry names this segment";
                    let remedy = "if a crash left it, the journal has its events and the next start removes it; if the catalog is older than the \
                                  segments, restore the right catalog before starting";
                    self.tell(Severity::Warning, &path, what, remedy);
                }
                None if unfinished => {
                    self.tell(Severity::Note, &path, "a segment that was never finished", "nothing: the next start removes it")
                }
                None => self.tell(Severity::Warning, &path, "not a file of this program", "move it away if nobody needs it here"),
            }
        }
        Ok(())
    }

    /// A listed file is not there: a writer may just have replaced it.
    fn missing(&mut self, path: &Path, meta: &SegmentMeta, open_catalog: OpenCatalog<'_>) {
        let still = open_catalog(&self.dir).and_then(|catalog| catalog.load());
        if still.is_ok_and(|known| !known.segments.contains_key(&meta.id) || known.archived.contains_key(&meta.id)) {
            return;
        }
        self.tell_range(
            Severity::Damage,
            path,
            None,
            Some(whole(meta)),
            "the catalog lists this segment, but the file is not there",
            RESTORE_SEGMENT,
        );
    }

    /// Arrival numbers of each index: nothing twice, nothing left out, and up to where the catalog says.
    fn ranges(&mut self, known: &CatalogState) {
        let path = self.dir.join("catalog.db");
        let mut by_index: BTreeMap<Arc<str>, Vec<&SegmentMeta>> = BTreeMap::new();
        for meta in known.segments.values().filter(|meta| meta.events != SegmentMeta::EVENTS_UNKNOWN) {
            by_index.entry(meta.index.clone()).or_default().push(meta);
        }
        for (index, mut metas) in by_index {
            if self.options.index.as_deref().is_some_and(|only| only != &*index) {
                continue;
            }
            let of_index = |removal: &&Removal| removal.index == index && removal.took_events();
            let removed: Vec<u64> = self.removals.iter().filter(of_index).map(|removal| removal.events).collect();
            let sparse = metas.iter().any(|meta| meta.first_sequence.checked_add(meta.events) != Some(meta.end_sequence));
            if sparse || !removed.is_empty() {
                let there: u64 = metas.iter().map(|meta| meta.events).sum();
                let gone: u64 = removed.iter().sum();
                self.counts(known, &index, there, gone);
                // Of those without gaps none may have another's events.
                metas.retain(|meta| meta.first_sequence.checked_add(meta.events) == Some(meta.end_sequence));
            }
            let whole = !sparse && removed.is_empty();
            metas.sort_by_key(|meta| meta.first_sequence);
            let mut next = 1;
            for meta in metas {
                let end = meta.first_sequence.saturating_add(meta.events);
                if meta.first_sequence < next {
                    let last = next.min(end).saturating_sub(1);
                    let events = EventRange {
                        index: index.to_string(),
                        first: meta.first_sequence,
                        last,
                        count: (last + 1).saturating_sub(meta.first_sequence),
                    };
                    let what = format!("segment {} has events that another segment has too", meta.id);
                    self.tell_range(Severity::Damage, &path, None, Some(events), what, RESTORE_CATALOG);
                } else if whole && meta.first_sequence > next {
                    let events = EventRange {
                        index: index.to_string(),
                        first: next,
                        last: meta.first_sequence - 1,
                        count: meta.first_sequence - next,
                    };
                    let what = "no segment has these events";
                    self.tell_range(Severity::Damage, &path, None, Some(events), what, RESTORE_CATALOG);
                }
                next = next.max(end);
            }
            let said = known.next_sequences.get(&index).copied().unwrap_or(1);
            if whole && said != next {
                let what = format!("events of index {index} in segments end before {next}, but the catalog says before {said}");
                self.tell(Severity::Damage, &path, what, RESTORE_CATALOG);
            }
        }
    }

    /// Where arrival numbers have gaps by right, the events that are there and those that were removed are all.
    fn counts(&mut self, known: &CatalogState, index: &Arc<str>, there: u64, gone: u64) {
        let said = known.next_sequences.get(index).map_or(0, |next| next - 1);
        if there.saturating_add(gone) != said {
            let what = format!(
                "index {index} had {said} events in segments; {there} are in segments that are listed and {gone} in segments that were removed"
            );
            self.tell(Severity::Damage, &self.dir.join("catalog.db"), what, RESTORE_CATALOG);
        }
    }

    /// What else stands in the folder.
    fn others(&mut self) -> Result<()> {
        for path in self.vfs.read_dir(&self.dir).map_err(|e| Error::io(self.dir.display(), e))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !KNOWN.contains(&name) {
                self.tell(Severity::Note, &path, "not a file of this program", "nothing, if somebody put it here on purpose");
            } else if name == "catalog.db-journal" && !self.checked.in_use {
                self.tell(Severity::Note, &path, "a change of the catalog was cut off", "nothing: the next start undoes it");
            }
        }
        Ok(())
    }
}

/// All events of a segment.
pub(super) fn whole(meta: &SegmentMeta) -> EventRange {
    EventRange {
        index: meta.index.to_string(),
        first: meta.first_sequence,
        last: meta.first_sequence + meta.events.saturating_sub(1),
        count: meta.events,
    }
}
