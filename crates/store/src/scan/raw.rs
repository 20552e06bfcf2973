//! Matching events as bytes, in the order in which they arrived: for copies of whole indexes. No rows are built, nothing
//! is sorted; segments whose arrival numbers overlap are read side by side.

use super::filter::SegmentScan;
use super::plan::Scan;
use super::select::Selection;
use crate::segment::render::{Frame, InOrder, RENDERED_BYTES, RENDERED_ROWS, Renderer};
use crate::segment::{Arrival, BlockCache, Blocks};
use crate::{Segment, SegmentRef};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use taffrail_base::Result;

/// Takes the bytes of some events, frames included, and where each ends in them.
pub type TakeRaw<'t> = dyn FnMut(&[u8], &[usize]) -> Result<()> + 't;

/// What is being read of one segment.
struct Part<'b> {
    selections: Vec<Selection>,
    order: InOrder<'b>,
    renderer: Renderer<'b>,
    arrival: Arrival,
    rows: usize,
}

impl Part<'_> {
    /// The arrival number of the next row.
    fn next(&self) -> Option<u64> {
        (self.order.row() < self.rows).then(|| self.arrival.of(self.order.row() as u32))
    }
}

impl Scan {
    /// Gives the matching events to `take`, index by index, each in the order of arrival; each in a frame.
    pub fn raw(&self, frame: Frame, take: &mut TakeRaw<'_>) -> Result<()> {
        let metas = self.segments();
        let mut numbers: Vec<usize> = (0..metas.len()).collect();
        numbers.sort_by_key(|number| (&metas[*number].index, metas[*number].first_sequence));
        let mut at = 0;
        while at < numbers.len() {
            let mut end = metas[numbers[at]].end_sequence;
            let mut to = at + 1;
            while to < numbers.len() && metas[numbers[to]].index == metas[numbers[at]].index && metas[numbers[to]].first_sequence < end {
                end = end.max(metas[numbers[to]].end_sequence);
                to += 1;
            }
            self.raw_of(&numbers[at..to], frame, take)?;
            at = to;
        }
        Ok(())
    }

    /// The events of segments whose arrival numbers overlap.
    fn raw_of(&self, numbers: &[usize], frame: Frame, take: &mut TakeRaw<'_>) -> Result<()> {
        // What is read once is not kept, here or for other searches.
        let cache = Arc::new(BlockCache::new(0));
        let open = |number: &usize| match &self.shared.segments[*number] {
            SegmentRef::Disk(segment) => segment.open_apart(&cache),
            segment => segment.open(),
        };
        let segments: Vec<Arc<Segment>> = numbers.iter().map(open).collect::<Result<_>>()?;
        let blocks: Vec<Blocks<'_>> = segments.iter().map(|segment| Blocks::new(segment)).collect();
        let mut parts = Vec::new();
        for blocks in &blocks {
            let scan = SegmentScan::new(blocks, &*self.shared.request.resolver, &self.shared.plans);
            let selections = scan.matching(&self.shared.filter, &self.shared.request)?;
            self.shared.done(&scan, &selections);
            if selections.iter().all(|selection| *selection == Selection::None) {
                continue;
            }
            let node = &blocks.segment().footer().events;
            let (order, renderer) = (InOrder::new(blocks, node)?, Renderer::new(blocks));
            parts.push(Part { selections, order, renderer, arrival: blocks.arrival()?, rows: node.rows as usize });
        }
        interleave(&mut parts, frame, take)?;
        let read = blocks.iter().map(Blocks::bytes_read).sum();
        self.shared.progress.bytes_read.fetch_add(read, Ordering::Relaxed);
        Ok(())
    }
}

/// The events of all parts by their arrival numbers.
fn interleave(parts: &mut [Part<'_>], frame: Frame, take: &mut TakeRaw<'_>) -> Result<()> {
    loop {
        let mut waiting: Vec<(u64, usize)> = parts.iter().enumerate().filter_map(|(at, part)| Some((part.next()?, at))).collect();
        waiting.sort_unstable();
        let Some((_, at)) = waiting.first() else { return Ok(()) };
        let part = &mut parts[*at];
        let until = waiting.get(1).map_or(part.rows, |(other, _)| part.arrival.first_row(*other) as usize);
        part.rows(part.order.row()..until.min(part.rows), frame, take)?;
    }
}

impl Part<'_> {
    /// The events of some rows.
    fn rows(&mut self, rows: Range<usize>, frame: Frame, take: &mut TakeRaw<'_>) -> Result<()> {
        let (mut hits, mut ends) = (Vec::new(), Vec::new());
        while self.order.row() < rows.end {
            hits.clear();
            let to = rows.end.min(self.order.row() + RENDERED_ROWS);
            let selections = &self.selections;
            let wanted = |pattern: usize, at: u32| match &selections[pattern] {
                Selection::None => false,
                Selection::All => true,
                Selection::Some(bits) => bits.holds(at as usize),
            };
            self.order.take(to, wanted, &mut hits)?;
            let mut done = 0;
            while done < hits.len() {
                done += self.renderer.render(&hits[done..], frame, RENDERED_BYTES, &mut ends)?;
                take(self.renderer.bytes(), &ends)?;
            }
        }
        Ok(())
    }
}
