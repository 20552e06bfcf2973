//! The journal: every file and record, and whether it holds what the catalog does not.

use super::{ByteRange, Check, EventRange, Severity};
use crate::catalog::CatalogState;
use crate::journal::Span;
use crate::journal::examine::{Examined, Kind, Trouble, Watcher, examine};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::Result;

const RESTORE: &str = "restore the file from a copy; without one, move it away: the events in it are lost, the rest opens again";
const TORN: &str = "nothing, if the program or the power was cut off here: the next start goes on after the last whole record; otherwise restore \
                    the file from a copy";
const LEFTOVER: &str = "nothing: the next start removes it";

/// Events of an index that the journal holds: the first, and where they end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub first: u64,
    pub end: u64,
}

/// What the journal holds.
pub(super) struct Journal {
    pub examined: Examined,
    pub held: BTreeMap<Arc<str>, Held>,
    /// Something in it cannot be read, so what is missing is told already.
    pub damaged: bool,
}

#[derive(Default)]
struct Gather {
    held: BTreeMap<Arc<str>, Held>,
    troubles: Vec<Trouble>,
    gaps: Vec<(PathBuf, u64, Span, u64)>,
}

impl Watcher for Gather {
    fn record(&mut self, path: &Path, sequence: u64, spans: &[Span]) {
        for span in spans {
            let held = self.held.entry(span.index.clone()).or_insert(Held { first: span.first, end: span.first });
            if span.first != held.end {
                self.gaps.push((path.to_owned(), sequence, span.clone(), held.end));
            }
            held.end = span.end();
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.troubles.push(trouble);
    }
}

impl Check<'_> {
    /// Goes through the journal. `covered` is the record up to which the catalog needs none.
    pub(super) fn journal(&mut self, covered: u64) -> Result<Journal> {
        let folder = self.dir.join("journal");
        let mut found = Gather::default();
        if self.vfs.metadata(&folder).is_err() {
            return Ok(Journal { examined: Examined::default(), held: found.held, damaged: false });
        }
        let vfs = self.vfs.clone();
        let examined = examine(&*vfs, &folder, covered, &mut found)?;
        let damaged = found.troubles.iter().any(|trouble| trouble.kind == Kind::Damage);
        for Trouble { path, kind, start, end, what } in found.troubles {
            let (severity, remedy) = match kind {
                Kind::Damage => (Severity::Damage, RESTORE),
                // A writer is just appending it, or is just about to remove it.
                Kind::Torn | Kind::Leftover if self.checked.in_use => continue,
                Kind::Torn => (Severity::Warning, TORN),
                Kind::Leftover => (Severity::Note, LEFTOVER),
            };
            self.tell_range(severity, &path, Some(ByteRange { start, end }), None, what, remedy);
        }
        for (path, sequence, span, expected) in found.gaps.iter().filter(|_| !damaged) {
            let what = format!("record {sequence} begins with event {} of index {}, expected {expected}", span.first, span.index);
            let (first, last) = (expected.min(&span.first), span.first.max(*expected).saturating_sub(1));
            let events = EventRange { index: span.index.to_string(), first: *first, last, count: last + 1 - first };
            self.tell_range(Severity::Damage, path, None, Some(events), what, RESTORE);
        }
        Ok(Journal { examined, held: found.held, damaged })
    }

    /// Whether journal and catalog together hold everything.
    pub(super) fn coverage(&mut self, journal: &Journal, known: &CatalogState) {
        let folder = self.dir.join("journal");
        let remedy = "restore the missing *.wal files, or the catalog that belongs to those that are here";
        let examined = &journal.examined;
        if let Some(first) = examined.first_sequence.filter(|first| *first > known.covered_sequence + 1) {
            let what = format!("records {} to {} are missing", known.covered_sequence + 1, first - 1);
            self.tell(Severity::Damage, &folder, what, remedy);
        }
        let last = examined.last_sequence.max(examined.first_sequence.map_or(0, |first| first - 1));
        if known.positions_sequence > last && !journal.damaged {
            let what = format!("it ends with record {last}, but the catalog has seen record {}", known.positions_sequence);
            self.tell(Severity::Damage, &folder, what, remedy);
        }
        if known.covered_sequence > known.positions_sequence {
            let path = self.dir.join("catalog.db");
            let what =
                format!("positions are of record {}, but records up to {} are covered", known.positions_sequence, known.covered_sequence);
            self.tell(Severity::Damage, &path, what, super::folder::RESTORE_CATALOG);
        }
        for (index, held) in &journal.held {
            let next = known.next_sequences.get(index).copied().unwrap_or(1);
            if held.first > next && !journal.damaged {
                let what = format!("events {next} to {} are neither in segments nor here", held.first - 1);
                let events = EventRange { index: index.to_string(), first: next, last: held.first - 1, count: held.first - next };
                self.tell_range(Severity::Damage, &folder, None, Some(events), what, remedy);
            }
        }
    }
}
