//! The immutable file of one index: patterns, columns of variables, and the streams of arrival order, time
//! and origin. The layout is specified in `docs/formats/segment.md`.

use crate::scan::Filter;
use std::path::PathBuf;
use std::sync::Arc;
use taffrail_base::{Result, Ulid, Vfs};
use taffrail_event::{EventRef, Timestamp};

/// What the catalog knows of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMeta {
    /// Its identity; also its file name.
    pub id: Ulid,
    /// The index it belongs to.
    pub index: Arc<str>,
    /// Events in it.
    pub events: u64,
    /// Bytes of these events.
    pub raw_bytes: u64,
    /// Bytes of the file; 0 while in memory.
    pub stored_bytes: u64,
    /// Patterns in it.
    pub patterns: u64,
    /// The earliest event time.
    pub min_time: Timestamp,
    /// The latest event time.
    pub max_time: Timestamp,
    /// The arrival number, within the index, of its first event; they are consecutive.
    pub first_sequence: u64,
}

/// Builds a segment from events in arrival order.
pub struct SegmentBuilder {}

impl SegmentBuilder {
    /// A builder for events of one index, the first having arrival number `first_sequence`.
    pub fn new(_index: &str, _first_sequence: u64) -> Self {
        Self {}
    }

    /// Adds an event (its `origin.index` must be the builder's).
    pub fn push(&mut self, _event: EventRef<'_>) {}

    /// Encodes. Gives the file's bytes and what the catalog needs (`stored_bytes` is the length).
    pub fn finish(self, _id: Ulid, _zstd_level: i32) -> Result<(Vec<u8>, SegmentMeta)> {
        unimplemented!()
    }
}

/// An opened segment.
pub struct Segment {}

impl Segment {
    /// Opens a segment file: reads and checks its footer only.
    pub fn open(_vfs: &Arc<dyn Vfs>, _path: PathBuf, _meta: SegmentMeta) -> Result<Arc<Self>> {
        unimplemented!()
    }

    /// Opens a segment whose bytes are in memory.
    pub fn from_bytes(_bytes: Vec<u8>, _meta: SegmentMeta) -> Result<Arc<Self>> {
        unimplemented!()
    }

    /// Calls `each` with every event's bytes in arrival order.
    pub fn for_each_raw(&self, _filter: &Filter, _each: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        unimplemented!()
    }
}
