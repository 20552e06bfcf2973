//! How a scan goes: which segments it reads and why, and what its filter decides in them. The decisions are those of
//! the scan itself; only the rows are not built.

use super::plan::{Scan, matched};
use super::select::Selection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use taffrail_base::Result;
use taffrail_event::Timestamp;

/// Segments that are not read, by the first reason there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// They have no event in the time range.
    pub by_time: u64,
    /// The catalog says that no event of theirs has such an index, host, source or source type.
    pub by_origin: u64,
    /// All of their events arrived too early; for following live.
    pub by_arrival: u64,
}

/// How a scan goes.
#[derive(Clone, Debug)]
pub struct ScanPlan {
    /// Segments that are not read.
    pub left_out: LeftOut,
    /// Segments that are.
    pub kept: u64,
    /// Their events.
    pub events: u64,
    /// Their stored bytes.
    pub stored_bytes: u64,
    /// The first of them, newest first, looked into.
    pub segments: Vec<SegmentPlan>,
}

/// What the filter decides in a segment.
#[derive(Clone, Debug)]
pub struct SegmentPlan {
    /// Names it.
    pub id: String,
    /// Its index.
    pub index: Arc<str>,
    /// The time of its first event.
    pub first: Timestamp,
    /// The time of its last event.
    pub last: Timestamp,
    /// Its events.
    pub events: u64,
    /// Its stored bytes.
    pub stored_bytes: u64,
    /// Patterns of which all events match.
    pub patterns_all: u64,
    /// Patterns of which some events match.
    pub patterns_some: u64,
    /// Patterns of which none matches.
    pub patterns_none: u64,
    /// Events that match.
    pub matched: u64,
    /// Stored bytes that were read to decide this; what is in the cache is not read.
    pub decided_by_bytes: u64,
}

impl Scan {
    /// How the scan goes. The filter is decided in at most the first `most` segments, for which their bytes are read.
    pub fn explain(&self, most: usize) -> Result<ScanPlan> {
        let shared = &self.shared;
        let mut segments = Vec::new();
        for (number, meta) in self.segments().iter().enumerate().take(most) {
            let before = shared.progress.bytes_read.load(Ordering::Relaxed);
            let found = shared.on_segment(number, false, |scan, selections| {
                let of = |wanted: fn(&Selection) -> bool| selections.iter().filter(|selection| wanted(selection)).count() as u64;
                let all = of(|selection| *selection == Selection::All);
                let none = of(|selection| *selection == Selection::None);
                Ok((all, none, selections.len() as u64 - all - none, matched(scan, selections) as u64))
            })?;
            let Some((all, none, some, matched)) = found else { continue };
            segments.push(SegmentPlan {
                id: meta.id.to_string(),
                index: meta.index.clone(),
                first: meta.min_time,
                last: meta.max_time,
                events: meta.events,
                stored_bytes: meta.stored_bytes,
                patterns_all: all,
                patterns_some: some,
                patterns_none: none,
                matched,
                decided_by_bytes: shared.progress.bytes_read.load(Ordering::Relaxed) - before,
            });
        }
        Ok(ScanPlan {
            left_out: shared.left_out,
            kept: self.segments().len() as u64,
            events: self.segments().iter().map(|meta| meta.events).sum(),
            stored_bytes: self.segments().iter().map(|meta| meta.stored_bytes).sum(),
            segments,
        })
    }
}
