//! The journal, the segments, the catalog, and the scan over them.
//!
//! - [`journal`]: the write-ahead log; what is in it is acknowledged.
//! - [`memory`]: what is not yet in a segment file, searchable at once.
//! - [`segment`]: the immutable file of one index, specified in `docs/formats/segment.md`.
//! - [`catalog`]: which segments exist; what it lists exists, nothing else does.
//! - [`Store`]: holds these together through crashes.
//! - [`scan`]: reads events back, deciding per pattern.
//! - [`check`]: looks at everything stored and names what is wrong.
//!
//! This crate knows no query language and no formats; fields come from a [`taffrail_pattern::FieldResolver`].

pub mod archive;
pub mod catalog;
pub mod check;
mod codec;
#[doc(hidden)]
pub mod fuzzing;
pub mod journal;
pub mod memory;
pub mod scan;
pub mod segment;
pub mod snapshot;
pub mod store;

pub use scan::{Column, CountField, Filter, NumberTest, OriginField, Scan, ScanRequest, ValueTest};
pub use segment::{Segment, SegmentMeta};
pub use snapshot::{DiskSegment, SegmentRef, Snapshot};
pub use store::{
    ArchiveRule, Archives, Deletion, DiskLimit, IndexRules, IndexStat, Rules, Store, StoreMetrics, StoreOptions, StoreSettings, StoreSink,
};
