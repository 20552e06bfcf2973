//! What a catalog records besides segments: what must not be removed, what was removed, what lies elsewhere.

use super::path_of;
use crate::segment::SegmentMeta;
use std::path::PathBuf;
use std::sync::Arc;
use taffrail_base::Ulid;
use taffrail_event::Timestamp;

/// A legal hold: as long as it stands, no segment with events of its range is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The index that it is on; all of them without one.
    pub index: Option<Arc<str>>,
    /// From this event time on.
    pub earliest: Timestamp,
    /// Up to but not at this event time; [`Timestamp::MAX`] means no end.
    pub latest: Timestamp,
    /// Why, for people.
    pub reason: String,
    /// Since when it stands.
    pub since: Timestamp,
}

impl Hold {
    /// Whether a segment may hold an event that is held.
    pub fn covers(&self, meta: &SegmentMeta) -> bool {
        let index = self.index.as_ref().is_none_or(|index| *index == meta.index);
        index && meta.max_time >= self.earliest && (meta.min_time < self.latest || self.latest == Timestamp::MAX)
    }
}

/// What remains of a segment that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The segment.
    pub id: Ulid,
    /// The index it was in.
    pub index: Arc<str>,
    /// Events in it.
    pub events: u64,
    /// Bytes of its file.
    pub stored_bytes: u64,
    /// The earliest event time.
    pub min_time: Timestamp,
    /// The latest event time.
    pub max_time: Timestamp,
    /// The rule that removed it, without spaces: `retention:400d`, `merged:<id of the new one>`.
    pub rule: String,
    /// When.
    pub at: Timestamp,
    /// The root over its bytes, where somebody had sealed it.
    pub root: Option<[u8; 32]>,
}

impl Removal {
    /// The removal of a segment.
    pub fn of(meta: &SegmentMeta, rule: &str, at: Timestamp, root: Option<[u8; 32]>) -> Self {
        Self {
            id: meta.id,
            index: meta.index.clone(),
            events: meta.events,
            stored_bytes: meta.stored_bytes,
            min_time: meta.min_time,
            max_time: meta.max_time,
            rule: rule.to_owned(),
            at,
            root,
        }
    }

    /// Where its file was, below the data folder.
    pub fn path(&self) -> PathBuf {
        path_of(&self.index, self.id)
    }

    /// Whether its events are gone, not in another place.
    pub fn took_events(&self) -> bool {
        !self.rule.starts_with("archived:") && self.merged_into().is_none()
    }

    /// The segment that its events are in now, when it was merged.
    pub fn merged_into(&self) -> Option<Ulid> {
        self.rule.strip_prefix("merged:")?.parse().ok()
    }
}

/// Where a segment is that was moved to an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The address of the store, without credentials.
    pub url: Arc<str>,
    /// Its key there.
    pub key: Arc<str>,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// When it was moved.
    pub at: Timestamp,
}
