//! An immutable view of what a store holds, and the segments it is made of. Opens files, writes none.

use crate::memory::MemoryPart;
use crate::segment::{BlockCache, Segment, SegmentMeta};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use taffrail_base::limits::OPEN_SEGMENTS_MAX;
use taffrail_base::{Result, Vfs};

/// An immutable view of what the store holds.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// All segments, those in memory included.
    pub segments: Vec<SegmentRef>,
}

/// A segment of a snapshot.
#[derive(Clone)]
pub enum SegmentRef {
    /// In memory.
    Memory(MemoryPart),
    /// On disk, opened when first needed.
    Disk(Arc<DiskSegment>),
    /// Opened by the caller.
    Open(Arc<Segment>),
}

impl SegmentRef {
    /// What is known of it.
    pub fn meta(&self) -> &SegmentMeta {
        match self {
            Self::Memory(part) => part.meta(),
            Self::Disk(segment) => &segment.meta,
            Self::Open(segment) => segment.meta(),
        }
    }

    /// The opened segment.
    pub fn open(&self) -> Result<Arc<Segment>> {
        match self {
            Self::Memory(part) => part.open(),
            Self::Disk(segment) => segment.open(),
            Self::Open(segment) => Ok(segment.clone()),
        }
    }
}

/// A segment file; opened when first needed.
pub struct DiskSegment {
    meta: SegmentMeta,
    path: PathBuf,
    vfs: Arc<dyn Vfs>,
    opened: Mutex<Weak<Segment>>,
    cache: Arc<OpenSegments>,
}

/// Keeps the segments that were opened last open.
#[derive(Default)]
pub(crate) struct OpenSegments(Mutex<VecDeque<Arc<Segment>>>, Arc<BlockCache>);

impl OpenSegments {
    fn keep(&self, segment: &Arc<Segment>) {
        let mut kept = self.0.lock();
        if kept.len() >= OPEN_SEGMENTS_MAX {
            kept.pop_front();
        }
        kept.push_back(segment.clone());
    }
}

impl DiskSegment {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, path: PathBuf, meta: SegmentMeta, cache: Arc<OpenSegments>) -> Self {
        Self { meta, path, vfs, opened: Mutex::new(Weak::new()), cache }
    }

    /// What the catalog knows of it.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// The opened segment; the ones opened last stay open.
    pub fn open(&self) -> Result<Arc<Segment>> {
        let mut opened = self.opened.lock();
        if let Some(segment) = opened.upgrade() {
            return Ok(segment);
        }
        let segment = Segment::open_cached(&self.vfs, self.path.clone(), self.meta.clone(), Some(self.cache.1.clone()))?;
        *opened = Arc::downgrade(&segment);
        self.cache.keep(&segment);
        Ok(segment)
    }
}
