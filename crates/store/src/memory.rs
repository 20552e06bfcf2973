//! What has been acknowledged and is not yet in a segment file.

use crate::segment::{Segment, SegmentBuilder, SegmentMeta};
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_event::EventRef;

/// The events of one index since its last segment file. Appending is cheap; searching encodes what is new
/// since the last search into small in-memory segments, so that one reader serves memory and disk alike.
pub struct MemorySegment {}

impl MemorySegment {
    /// Empty; its first event will have arrival number `first_sequence`.
    pub fn new(_index: &str, _first_sequence: u64) -> Self {
        Self {}
    }

    /// Adds an event.
    pub fn push(&self, _event: EventRef<'_>) {}

    /// Events in it.
    pub fn events(&self) -> usize {
        unimplemented!()
    }

    /// Their bytes.
    pub fn raw_bytes(&self) -> usize {
        unimplemented!()
    }

    /// An immutable view: parts with their metadata, encoded when first opened.
    pub fn parts(&self) -> Vec<MemoryPart> {
        unimplemented!()
    }

    /// A builder that holds all its events, to write them to a file.
    pub fn builder(&self) -> SegmentBuilder {
        unimplemented!()
    }
}

/// A part of a memory segment.
#[derive(Clone)]
pub struct MemoryPart {}

impl MemoryPart {
    /// What is known of it.
    pub fn meta(&self) -> &SegmentMeta {
        unimplemented!()
    }

    /// The part as a segment; encoded once.
    pub fn open(&self) -> Result<Arc<Segment>> {
        unimplemented!()
    }
}
