//! Removing segments: by rule, or because an administrator says so. The catalog first, then the files.

use super::Shared;
use super::options::DiskLimit;
use super::retention::{due, is_own};
use super::stat::add;
use super::state::State;
use crate::catalog::{CatalogChange, Removal};
use crate::segment::SegmentMeta;
use serde::Serialize;
use std::collections::BTreeSet;
use taffrail_base::{Error, ErrorKind, Result, Ulid};
use taffrail_event::{Origin, Timestamp};

/// What a deletion removed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Segments removed.
    pub segments: u64,
    /// Events in these.
    pub events: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
    /// Segments that stay because of a hold.
    pub held_segments: u64,
    /// Segments that stay because they also hold events that are not before the time.
    pub newer_segments: u64,
}

impl Deletion {
    fn count(&mut self, meta: &SegmentMeta) {
        self.segments += 1;
        self.events += meta.events;
        self.stored_bytes += meta.stored_bytes;
    }
}

impl Shared {
    /// Refuses changes where there are none.
    pub(super) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            let message = format!("{} was opened for reading only", self.dir.display());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_nanos())
    }

    /// Removes what the rules say. Gives whether there was something.
    pub(super) fn remove_due(&self) -> Result<bool> {
        let excess = self.excess_bytes()?;
        if !self.is_due(excess) {
            self.keep_ballast();
            return Ok(false);
        }
        self.drop_ballast();
        self.commit_change(|| {
            let state = self.state.lock();
            let due = self.due(&state, excess);
            drop(state);
            Ok(self.removing(due))
        })
    }

    fn is_due(&self, excess: u64) -> bool {
        !self.due(&self.state.lock(), excess).is_empty()
    }

    fn due(&self, state: &State, excess: u64) -> Vec<(Ulid, String)> {
        let archived: BTreeSet<Ulid> =
            state.disk.iter().filter(|segment| segment.archived().is_some()).map(|segment| segment.meta().id).collect();
        let local = |meta: &SegmentMeta| !archived.contains(&meta.id);
        let metas = state.disk.iter().map(|segment| segment.meta());
        due(metas, &state.holds, &self.settings.rules, self.now(), excess, &local)
    }

    /// Bytes of files that have to go for the disk's limit.
    fn excess_bytes(&self) -> Result<u64> {
        let used = || {
            let state = self.state.lock();
            let local = state.disk.iter().filter(|segment| segment.archived().is_none());
            local.map(|segment| segment.meta().stored_bytes).sum::<u64>()
        };
        match self.settings.rules.max_disk_usage {
            None => Ok(0),
            Some(DiskLimit::Bytes(most)) => Ok(used().saturating_sub(most)),
            Some(DiskLimit::Percent(most)) => {
                let io = |e| Error::io(self.dir.display(), e);
                let total = self.vfs.total_bytes(&self.dir).map_err(io)?;
                let free = self.vfs.available_bytes(&self.dir).map_err(io)?;
                let allowed = u64::try_from(u128::from(total) * u128::from(most) / 100).unwrap_or(u64::MAX);
                Ok(total.saturating_sub(free).saturating_sub(allowed))
            }
        }
    }

    pub(super) fn delete(&self, index: &str, before: Timestamp, dry_run: bool) -> Result<Deletion> {
        self.check_writable()?;
        if !Origin::check_index(index) {
            return Err(Error::new(ErrorKind::Invalid, format!("{index:?} cannot be the name of an index")));
        }
        if is_own(index) {
            let message = format!("{index} is the server's own record: nobody deletes from it");
            return Err(
                Error::new(ErrorKind::Invalid, message).with_hint("a retention set for it in the settings file removes what is old")
            );
        }
        let mut deletion = Deletion::default();
        self.drop_ballast();
        self.commit_change(|| {
            let state = self.state.lock();
            let mut ids = Vec::new();
            for meta in state.disk.iter().map(|segment| segment.meta()).filter(|meta| *meta.index == *index && meta.min_time < before) {
                if meta.max_time >= before {
                    deletion.newer_segments += 1;
                } else if state.holds.values().any(|hold| hold.covers(meta)) {
                    deletion.held_segments += 1;
                } else {
                    deletion.count(meta);
                    ids.push((meta.id, format!("delete:before={before}")));
                }
            }
            drop(state);
            Ok(if dry_run { None } else { self.removing(ids) })
        })?;
        Ok(deletion)
    }

    /// The change that removes these segments.
    fn removing(&self, ids: Vec<(Ulid, String)>) -> Option<CatalogChange> {
        if ids.is_empty() {
            return None;
        }
        let removed: Vec<Removal> = ids.iter().filter_map(|(id, rule)| self.removal(*id, rule)).collect();
        for removal in &removed {
            tracing::info!(index = %removal.index, id = %removal.id, events = removal.events, rule = removal.rule, "removing a segment");
        }
        add(&self.counters.removed_segments, removed.len());
        add(&self.counters.removed_events, removed.iter().map(|removal| removal.events as usize).sum());
        Some(CatalogChange { removed, ..CatalogChange::default() })
    }

    /// What is recorded of the removal of a segment that there is.
    pub(super) fn removal(&self, id: Ulid, rule: &str) -> Option<Removal> {
        let meta = self.state.lock().disk.iter().find(|segment| segment.meta().id == id)?.meta().clone();
        let root = self.root.lock().as_ref().and_then(|root| root(&meta));
        Some(Removal::of(&meta, rule, self.now(), root))
    }
}
