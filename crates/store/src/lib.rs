//! The journal, the segments, the catalog, and the scan over them.
//!
//! - [`journal`]: the write-ahead log; what is in it is acknowledged.
//! - [`memory`]: what is not yet in a segment file, searchable at once.
//! - [`segment`]: the immutable file of one index, specified in `docs/formats/segment.md`.
//! - [`catalog`]: which segments exist; what it lists exists, nothing else does.
//! - [`Store`]: holds these together through crashes.
//! - [`scan`]: reads events back, deciding per pattern.
//!
//! This crate knows no query language and no formats; fields come from a [`taffrail_pattern::FieldResolver`].

pub mod memory;
pub mod scan;
pub mod segment;

pub use scan::{Column, Filter, OriginField, Scan, ScanRequest, ValueTest};
pub use segment::{Segment, SegmentMeta};

use std::sync::Arc;
use taffrail_base::Result;

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
    Memory(memory::MemoryPart),
    /// On disk, opened when first needed.
    Disk(Arc<DiskSegment>),
}

/// A segment file; opened when first needed.
pub struct DiskSegment {}

impl SegmentRef {
    /// What is known of it.
    pub fn meta(&self) -> &SegmentMeta {
        unimplemented!()
    }

    /// The opened segment.
    pub fn open(&self) -> Result<Arc<Segment>> {
        unimplemented!()
    }
}
