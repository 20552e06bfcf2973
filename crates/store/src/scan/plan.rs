//! Which segments are read, in which order, by how many readers; and the reading itself.

use super::explain::LeftOut;
use super::filter::{Prepared, SegmentScan};
use super::gather::Room;
use super::plans::Plans;
use super::rows::{Hit, RowBuilder, schema};
use super::select::Selection;
use super::times::newest;
use super::{Missing, ScanProgress, ScanRequest};
use crate::segment::Blocks;
use crate::{Segment, SegmentMeta, SegmentRef, Snapshot};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::limits::SCAN_BATCH_ROWS;
use taffrail_base::{Error, ErrorKind, Result, Stop};
use taffrail_event::Timestamp;

/// Readers side by side at most when order does not matter.
pub(super) const READERS_MAX: usize = 4;

/// Rows up to which a limited, ordered scan finds the newest hits first and builds only those.
const TOP_ROWS_MAX: usize = 100_000;

/// A planned scan. Cheap to clone.
#[derive(Clone)]
pub struct Scan {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub request: ScanRequest,
    pub filter: Prepared,
    pub schema: SchemaRef,
    pub segments: Vec<SegmentRef>,
    pub metas: Vec<SegmentMeta>,
    /// Numbers of segments, by partition, in the order they are read.
    partitions: Vec<Vec<usize>>,
    pub progress: Arc<ScanProgress>,
    pub left_out: LeftOut,
    pub plans: Plans,
    missing: Option<Arc<Missing>>,
    /// Whether damage is noted instead of ending the scan.
    pub tolerant: bool,
    pub room: Option<Room>,
}

/// Whether the time range of a segment touches the request's.
fn overlaps(meta: &SegmentMeta, request: &ScanRequest) -> bool {
    meta.max_time >= request.earliest && (meta.min_time < request.latest || request.latest == Timestamp::MAX)
}

impl Scan {
    /// Plans the reading of a snapshot: drops segments that cannot match, groups the rest into partitions;
    /// where order matters, those of a partition do not overlap in time and come newest first.
    pub fn plan(snapshot: &Snapshot, request: ScanRequest) -> Self {
        let filter = Prepared::new(&request.filter);
        let new_enough = |meta: &SegmentMeta| request.sequence_from.as_ref().is_none_or(|from| meta.end_sequence > from(&meta.index));
        let mut left_out = LeftOut::default();
        let mut wanted = |segment: &&SegmentRef| {
            let meta = segment.meta();
            let why = if meta.events == 0 || !overlaps(meta, &request) {
                &mut left_out.by_time
            } else if !filter.may_be_in(meta) {
                &mut left_out.by_origin
            } else if !new_enough(meta) {
                &mut left_out.by_arrival
            } else {
                return true;
            };
            *why += 1;
            false
        };
        let mut segments: Vec<SegmentRef> = snapshot.segments.iter().filter(&mut wanted).cloned().collect();
        let filter = filter.within_index();
        segments.sort_by_key(|segment| std::cmp::Reverse((segment.meta().max_time, segment.meta().first_sequence)));
        let metas: Vec<SegmentMeta> = segments.iter().map(|segment| segment.meta().clone()).collect();
        let top = request.newest_first && request.limit.is_some_and(|limit| limit <= TOP_ROWS_MAX);
        let partitions = match (request.newest_first, top) {
            (_, true) => vec![(0..segments.len()).collect()],
            (true, false) => chains(&metas),
            (false, false) => dealt(segments.len(), READERS_MAX),
        };
        let progress = ScanProgress::default();
        progress.segments_total.store(segments.len() as u64, Ordering::Relaxed);
        progress.bytes_total.store(metas.iter().map(|meta| meta.stored_bytes).sum(), Ordering::Relaxed);
        let schema = schema(&request.columns);
        let progress = Arc::new(progress);
        Self {
            shared: Arc::new(Shared {
                request,
                filter,
                schema,
                segments,
                metas,
                partitions,
                progress,
                left_out,
                plans: Plans::default(),
                missing: None,
                tolerant: false,
                room: None,
            }),
        }
    }

    /// Goes on where archived segments cannot be read, and says so in `missing`. Right after [`Scan::plan`].
    #[must_use]
    pub fn without_unreachable(mut self, missing: Arc<Missing>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.missing = Some(missing);
        }
        self
    }

    /// Goes on where stored bytes are damaged: what cannot be read is left out and noted in [`ScanProgress::unread`].
    /// Without this, damage ends the scan with an error. To be called before anything is read.
    #[must_use]
    pub fn tolerating_damage(mut self) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.tolerant = true;
        }
        self
    }

    /// Asks for the memory of what is gathered without rows; where there is none, rows have to be looked at. To be called
    /// before anything is read.
    #[must_use]
    pub fn within(mut self, room: Room) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.room = Some(room);
        }
        self
    }

    /// Ends with an error once `stop` says so. To be called before anything is read.
    #[must_use]
    pub fn stopping(mut self, stop: &Stop) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.plans.stop = stop.clone();
        }
        self
    }

    /// How many partitions can be read side by side; 0 when no segment can match.
    pub fn partitions(&self) -> usize {
        self.shared.partitions.len()
    }

    /// The schema of the answer.
    pub fn schema(&self) -> SchemaRef {
        self.shared.schema.clone()
    }

    /// Reads a partition; blocks while it reads, so run it on a thread that may.
    pub fn run(&self, partition: usize) -> ScanStream {
        let waiting: VecDeque<usize> = self.shared.partitions[partition].iter().copied().collect();
        let top = self.shared.request.limit.filter(|limit| self.shared.request.newest_first && *limit <= TOP_ROWS_MAX);
        ScanStream { shared: self.shared.clone(), waiting, ready: VecDeque::new(), given: 0, top }
    }

    /// How far the scan has come.
    pub fn progress(&self) -> Arc<ScanProgress> {
        self.shared.progress.clone()
    }

    /// The segments that are read.
    pub fn segments(&self) -> &[SegmentMeta] {
        &self.shared.metas
    }
}

/// Groups segments, given newest first, so that within a group none overlaps another in time.
fn chains(metas: &[SegmentMeta]) -> Vec<Vec<usize>> {
    let mut chains: Vec<(Timestamp, Vec<usize>)> = Vec::new();
    for (number, meta) in metas.iter().enumerate() {
        match chains.iter_mut().find(|(oldest, _)| meta.max_time < *oldest) {
            Some((oldest, chain)) => {
                *oldest = meta.min_time;
                chain.push(number);
            }
            None => chains.push((meta.min_time, vec![number])),
        }
    }
    chains.into_iter().map(|(_, chain)| chain).collect()
}

/// The numbers of segments, for each of so many readers its own.
pub(super) fn dealt(segments: usize, readers: usize) -> Vec<Vec<usize>> {
    let readers = segments.min(readers);
    (0..readers).map(|reader| (reader..segments).step_by(readers).collect()).collect()
}

/// The batches of one partition.
pub struct ScanStream {
    shared: Arc<Shared>,
    waiting: VecDeque<usize>,
    ready: VecDeque<RecordBatch>,
    given: usize,
    top: Option<usize>,
}

impl Iterator for ScanStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                self.given += batch.num_rows();
                return Some(Ok(batch));
            }
            if self.waiting.is_empty() || self.shared.request.limit.is_some_and(|limit| self.given >= limit) {
                return None;
            }
            let read = match self.top {
                Some(limit) => self.newest(limit),
                None => {
                    let number = self.waiting.pop_front()?;
                    let left = self.shared.request.limit.map(|limit| limit - self.given);
                    self.shared.one_segment(number, left)
                }
            };
            match read {
                Ok(batches) => self.ready.extend(batches),
                Err(error) => {
                    self.waiting.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl ScanStream {
    /// The newest `limit` hits of all segments: finds them by time alone, then builds only their rows.
    /// Segments older than the hits found so far are not opened.
    fn newest(&mut self, limit: usize) -> Result<Vec<RecordBatch>> {
        let waiting = self.waiting.clone();
        match self.newest_once(limit, false) {
            Err(error) if self.shared.tolerant && error.kind() == ErrorKind::Corrupt => {
                self.waiting = waiting;
                self.newest_once(limit, true)
            }
            read => read,
        }
    }

    fn newest_once(&mut self, limit: usize, careful: bool) -> Result<Vec<RecordBatch>> {
        let mut best: Vec<(Hit, usize, u64)> = Vec::new();
        while let Some(number) = self.waiting.pop_front() {
            let meta = &self.shared.metas[number];
            let full = best.len() >= limit;
            if full && best.last().is_some_and(|(oldest, _, _)| meta.max_time.nanos() < oldest.time) {
                self.shared.skip(number);
                continue;
            }
            let oldest = best.last().filter(|_| full).map(|(oldest, _, _)| oldest.time);
            let found = self.shared.on_segment(number, false, |scan, selections| {
                // After damage was met once, rows that could not be built are not taken in the first place.
                let selections = if careful { self.shared.salvage(scan, true)? } else { selections.to_vec() };
                let found = newest(scan, &selections, limit, oldest)?;
                if found.is_empty() {
                    return Ok(Vec::new());
                }
                let arrival = scan.blocks.arrival_at(&found.iter().map(|hit| hit.row).collect::<Vec<_>>())?;
                Ok(found.into_iter().zip(arrival).map(|(hit, arrival)| (hit, number, arrival)).collect::<Vec<_>>())
            })?;
            best.extend(found.into_iter().flatten());
            best.sort_by_key(|(hit, _, arrival)| std::cmp::Reverse((hit.time, *arrival)));
            best.truncate(limit);
        }
        let best: Vec<(Hit, usize)> = best.into_iter().map(|(hit, number, _)| (hit, number)).collect();
        self.shared.materialise(&best)
    }
}

pub(super) fn empty_rows(schema: &SchemaRef, rows: usize) -> RecordBatch {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), Vec::new(), &options).expect("no columns fit no fields")
}

impl Shared {
    /// Runs `work` over an opened segment.
    pub fn with_scan<T>(&self, segment: &Segment, work: impl FnOnce(&SegmentScan<'_>) -> Result<T>) -> Result<T> {
        let blocks = Blocks::new(segment);
        let scan = SegmentScan::new(&blocks, &*self.request.resolver, &self.plans);
        work(&scan)
    }

    /// Counts a segment as read.
    pub fn done(&self, scan: &SegmentScan<'_>, selections: &[Selection]) -> u64 {
        let matched = matched(scan, selections);
        let add = |counter: &AtomicU64, value: u64| counter.fetch_add(value, Ordering::Relaxed);
        add(&self.progress.segments_done, 1);
        add(&self.progress.events_scanned, scan.segment().meta().events);
        add(&self.progress.events_matched, matched as u64);
        matched as u64
    }

    fn skip(&self, number: usize) {
        self.progress.segments_done.fetch_add(1, Ordering::Relaxed);
        self.progress.events_scanned.fetch_add(self.metas[number].events, Ordering::Relaxed);
    }

    /// Opens a segment and runs `work` with what matches in it; where stored bytes are damaged, once more without what
    /// cannot be read. `whole`: the columns of matches are read too. `None` when nothing of the segment can be.
    pub fn on_segment<T>(
        &self,
        number: usize,
        whole: bool,
        mut work: impl FnMut(&SegmentScan<'_>, &[Selection]) -> Result<T>,
    ) -> Result<Option<T>> {
        let damaged = |error: &Error| self.tolerant && error.kind() == ErrorKind::Corrupt;
        match self.attempt(number, None, &mut work) {
            Err(error) if damaged(&error) => {}
            worked => return worked,
        }
        match self.attempt(number, Some(whole), &mut work) {
            Err(error) if damaged(&error) => {
                let meta = &self.metas[number];
                self.note(meta, 0..u32::try_from(meta.events).unwrap_or(u32::MAX), &error);
                self.skip(number);
                Ok(None)
            }
            worked => worked,
        }
    }

    /// One pass over a segment, `careful` when damage is to be avoided; nothing where it is archived and cannot be
    /// reached, and somebody wants to know what is missing.
    pub fn attempt<T>(
        &self,
        number: usize,
        careful: Option<bool>,
        work: &mut impl FnMut(&SegmentScan<'_>, &[Selection]) -> Result<T>,
    ) -> Result<Option<T>> {
        self.plans.stop.check()?;
        let segment = &self.segments[number];
        let pass = |scan: &SegmentScan<'_>| {
            let selections = match careful {
                Some(whole) => self.salvage(scan, whole)?,
                None => scan.matching(&self.filter, &self.request)?,
            };
            let worked = work(scan, &selections);
            self.progress.bytes_read.fetch_add(scan.blocks.bytes_read(), Ordering::Relaxed);
            if worked.is_ok() {
                self.done(scan, &selections);
            }
            worked
        };
        let worked = segment.open().and_then(|opened| self.with_scan(&opened, pass));
        match &self.missing {
            Some(missing) => missing.take(segment, worked),
            None => worked.map(Some),
        }
    }

    fn one_segment(&self, number: usize, limit: Option<usize>) -> Result<Vec<RecordBatch>> {
        let count_only = self.request.columns.is_empty() && limit.is_none();
        let batches = self.on_segment(number, !count_only, |scan, selections| {
            if count_only {
                let matched = matched(scan, selections);
                return Ok(if matched == 0 { vec![] } else { vec![empty_rows(&self.schema, matched)] });
            }
            let hits = hits(scan, selections, self.request.newest_first, limit)?;
            let mut builder = RowBuilder::new(scan, &self.request.columns, self.schema.clone());
            let build = |hits| self.plans.stop.check().and_then(|()| builder.build(hits));
            hits.chunks(SCAN_BATCH_ROWS).map(build).collect()
        })?;
        Ok(batches.unwrap_or_default())
    }
}

/// How many rows are selected.
pub(super) fn matched(scan: &SegmentScan<'_>, selections: &[Selection]) -> usize {
    let patterns = &scan.segment().footer().events.patterns;
    selections.iter().zip(patterns).map(|(s, p)| s.count(p.rows as usize)).sum()
}

/// The selected rows of a segment, newest first when asked (the later arrived first where times are equal).
pub(super) fn hits(scan: &SegmentScan<'_>, selections: &[Selection], newest_first: bool, limit: Option<usize>) -> Result<Vec<Hit>> {
    if selections.iter().all(|selection| *selection == Selection::None) {
        return Ok(Vec::new());
    }
    if let (true, Some(limit)) = (newest_first, limit) {
        return newest(scan, selections, limit, None);
    }
    let (times, rows) = (scan.blocks.times()?, scan.blocks.rows()?);
    let mut found = Vec::new();
    for (pattern, selection) in selections.iter().enumerate() {
        let rows = &rows[pattern];
        found.extend(selection.iter(rows.len()).map(|at| Hit {
            time: times[rows[at] as usize],
            row: rows[at],
            pattern: pattern as u32,
            at: at as u32,
        }));
    }
    if newest_first {
        found.sort_unstable_by(|a, b| b.cmp(a));
    } else {
        found.sort_unstable_by_key(|hit| hit.row);
    }
    if let Some(limit) = limit {
        found.truncate(limit);
    }
    Ok(found)
}
