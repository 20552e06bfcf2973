//! An immutable view of what a store holds, and the segments it is made of. Opens files, writes none.

use crate::archive::{Archive, RemoteFile};
use crate::catalog::Archived;
use crate::memory::MemoryPart;
use crate::segment::{BlockCache, Segment, SegmentMeta};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use taffrail_base::limits::{OPEN_SEGMENTS_BYTES, OPEN_SEGMENTS_MAX};
use taffrail_base::{Result, Ulid, Vfs};

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

    /// Whether it is in an object store.
    pub fn is_archived(&self) -> bool {
        matches!(self, Self::Disk(segment) if segment.archived().is_some())
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

/// A segment file; opened when first needed. One that the catalog no longer has loses its file when nobody reads it
/// any more.
pub struct DiskSegment {
    condemned: AtomicBool,
    meta: SegmentMeta,
    place: Place,
    opened: Mutex<Weak<Segment>>,
    cache: Arc<OpenSegments>,
}

/// Where a segment is.
pub(crate) enum Place {
    /// A file of the data folder.
    File(Arc<dyn Vfs>, PathBuf),
    /// An object of an object store.
    Remote(Arc<Archive>, Archived),
}

/// Keeps the segments that were used last open.
#[derive(Default)]
pub(crate) struct OpenSegments(Mutex<Kept>, Arc<BlockCache>);

/// Open segments, the one used last at the end, and the bytes of their directories.
#[derive(Default)]
struct Kept(VecDeque<Arc<Segment>>, usize);

impl Kept {
    fn push(&mut self, segment: Arc<Segment>) -> Vec<Arc<Segment>> {
        self.1 += segment.directory_bytes();
        self.0.push_back(segment);
        let mut gone = Vec::new();
        while self.0.len() > OPEN_SEGMENTS_MAX || (self.1 > OPEN_SEGMENTS_BYTES && self.0.len() > 1) {
            gone.extend(self.take(0));
        }
        gone
    }

    fn take(&mut self, at: usize) -> Option<Arc<Segment>> {
        let segment = self.0.remove(at)?;
        self.1 -= segment.directory_bytes();
        Some(segment)
    }

    fn place_of(&self, id: Ulid) -> Option<usize> {
        self.0.iter().rposition(|segment| segment.meta().id == id)
    }
}

impl OpenSegments {
    /// None yet; so many bytes of their unpacked blocks are kept.
    pub(crate) fn new(block_cache_bytes: usize) -> Self {
        Self(Mutex::default(), Arc::new(BlockCache::new(block_cache_bytes)))
    }

    /// Keeps a segment that is used now; those used longest ago are let go.
    fn keep(&self, segment: &Arc<Segment>) {
        let mut kept = self.0.lock();
        let before = kept.place_of(segment.meta().id).and_then(|at| kept.take(at));
        let gone = kept.push(segment.clone());
        // Closed after the lock is given up.
        drop((kept, before, gone));
    }

    fn forget(&self, id: Ulid) {
        let mut kept = self.0.lock();
        let gone = kept.place_of(id).and_then(|at| kept.take(at));
        drop((kept, gone));
    }
}

impl Drop for DiskSegment {
    fn drop(&mut self) {
        if *self.condemned.get_mut() {
            // What cannot be removed now is at the next start: the catalog does not name it.
            match &self.place {
                Place::File(vfs, path) => drop(vfs.remove_file(path)),
                // The object is deleted by who may wait for it.
                Place::Remote(archive, _) => archive.cache.forget(self.meta.id),
            }
        }
    }
}

impl DiskSegment {
    pub(crate) fn new(place: Place, meta: SegmentMeta, cache: Arc<OpenSegments>) -> Self {
        Self { condemned: AtomicBool::new(false), meta, place, opened: Mutex::new(Weak::new()), cache }
    }

    pub(crate) fn archived(&self) -> Option<&Archived> {
        match &self.place {
            Place::File(..) => None,
            Place::Remote(_, archived) => Some(archived),
        }
    }

    /// Where it is when it is not in the data folder: the address of the object store.
    pub fn archived_at(&self) -> Option<&str> {
        self.archived().map(|archived| &*archived.url)
    }

    /// What the catalog knows of it.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// Has the file removed once nobody reads it. Only for what the catalog durably no longer names.
    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
        self.cache.forget(self.meta.id);
    }

    /// Opens the segment for one pass over all of it, with a cache of its own: it does not displace what searches keep.
    pub(crate) fn open_apart(&self, cache: &Arc<BlockCache>) -> Result<Arc<Segment>> {
        self.open_with(Some(cache.clone()))
    }

    fn open_with(&self, blocks: Option<Arc<BlockCache>>) -> Result<Arc<Segment>> {
        match &self.place {
            Place::File(vfs, path) => Segment::open_cached(vfs, path.clone(), self.meta.clone(), blocks),
            Place::Remote(archive, archived) => {
                let file = RemoteFile::new(archive.clone(), archived.clone(), self.meta.id, self.meta.stored_bytes);
                let name = format!("segment {} of index {} in {}", self.meta.id, self.meta.index, archived.url);
                Segment::open_file(name, Box::new(file), self.meta.clone(), blocks)
            }
        }
    }

    /// The opened segment; the ones used last stay open.
    pub fn open(&self) -> Result<Arc<Segment>> {
        let mut opened = self.opened.lock();
        if let Some(segment) = opened.upgrade() {
            self.cache.keep(&segment);
            return Ok(segment);
        }
        let segment = self.open_with(Some(self.cache.1.clone()))?;
        *opened = Arc::downgrade(&segment);
        self.cache.keep(&segment);
        Ok(segment)
    }
}
