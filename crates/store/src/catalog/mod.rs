//! Which segments exist, and up to where the journal is in them. What the catalog lists exists; nothing else
//! does.
//!
//! Every change of state is one [`CatalogChange`], committed whole or not at all and durable when the commit
//! returns. A commit that failed may still have happened: the caller commits the same change again before
//! anything else.

mod digest;
mod hot;
mod records;
mod sim;
mod sqlite;
#[cfg(test)]
mod tests;

pub use records::{Archived, Hold, Removal};
pub use sim::SimCatalog;
pub use sqlite::SqliteCatalog;

use crate::segment::SegmentMeta;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use taffrail_base::{Result, Ulid};
use taffrail_event::Timestamp;

/// All that a catalog holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogState {
    /// The segments, by id.
    pub segments: BTreeMap<Ulid, SegmentMeta>,
    /// Per index, the arrival number after the last event that is in a segment.
    pub next_sequences: BTreeMap<Arc<str>, u64>,
    /// The inputs' positions as of [`CatalogState::positions_sequence`].
    pub positions: BTreeMap<String, Vec<u8>>,
    /// The journal record up to which the positions are those.
    pub positions_sequence: u64,
    /// The journal record up to which none is needed any more.
    pub covered_sequence: u64,
    /// What must not be removed, by name.
    pub holds: BTreeMap<String, Hold>,
    /// Which segments are in an object store, not in the data folder. What is here and not among the segments has to
    /// be deleted there.
    pub archived: BTreeMap<Ulid, Archived>,
}

/// One change of state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogChange {
    /// Segments that exist from now on.
    pub added: Vec<SegmentMeta>,
    /// Segments that no longer do, and why.
    pub removed: Vec<Removal>,
    /// Segments that are in an object store from now on, and what is recorded of their leaving the data folder.
    pub archived: Vec<(Removal, Archived)>,
    /// Removed segments that are no longer in the object store either.
    pub forgotten: Vec<Ulid>,
    /// New holds; `None` lifts one.
    pub holds: Vec<(String, Option<Hold>)>,
    /// New values of [`CatalogState::next_sequences`].
    pub next_sequences: Vec<(Arc<str>, u64)>,
    /// New values of positions; `None` removes one.
    pub positions: Vec<(String, Option<Vec<u8>>)>,
    /// New value of [`CatalogState::positions_sequence`]; never lower than before.
    pub positions_sequence: u64,
    /// New value of [`CatalogState::covered_sequence`]; never lower than before.
    pub covered_sequence: u64,
}

impl CatalogState {
    /// Applies a change.
    pub fn apply(&mut self, change: &CatalogChange) {
        for Removal { id, .. } in &change.removed {
            self.segments.remove(id);
        }
        self.segments.extend(change.added.iter().map(|meta| (meta.id, meta.clone())));
        self.archived.extend(change.archived.iter().map(|(removal, archived)| (removal.id, archived.clone())));
        for id in &change.forgotten {
            self.archived.remove(id);
        }
        for (name, hold) in &change.holds {
            match hold {
                Some(hold) => self.holds.insert(name.clone(), hold.clone()),
                None => self.holds.remove(name),
            };
        }
        self.next_sequences.extend(change.next_sequences.iter().cloned());
        for (key, value) in &change.positions {
            match value {
                Some(value) => self.positions.insert(key.clone(), value.clone()),
                None => self.positions.remove(key),
            };
        }
        self.positions_sequence = self.positions_sequence.max(change.positions_sequence);
        self.covered_sequence = self.covered_sequence.max(change.covered_sequence);
    }
}

/// Keeps a [`CatalogState`].
pub trait Catalog: Send + Sync {
    /// All of it.
    fn load(&self) -> Result<CatalogState>;
    /// Commits a change: whole or not at all, durable on return.
    fn commit(&self, change: &CatalogChange) -> Result<()>;
    /// All that was ever removed or archived, oldest first; of a segment that was both, its removal.
    fn removals(&self) -> Result<Vec<Removal>>;
    /// What is wrong with the way it is kept, in words; empty when nothing is.
    fn integrity(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Where a segment's file is, below the data folder: the day is the one it was written on, UTC.
pub fn segment_path(meta: &SegmentMeta) -> PathBuf {
    path_of(&meta.index, meta.id)
}

/// The same by index and id.
fn path_of(index: &str, id: Ulid) -> PathBuf {
    let written = written(id).to_string();
    let day = written.get(..10).unwrap_or("undated");
    ["segments", index, day, &format!("{id}.seg")].iter().collect()
}

/// When a segment was written: its id says so.
pub fn written(id: Ulid) -> Timestamp {
    let millis = i64::try_from(id.0 >> 80).expect("48 bits");
    Timestamp(millis.saturating_mul(1_000_000))
}
