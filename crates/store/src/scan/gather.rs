//! Gathering from columns: several readers go through the segments side by side, each with its own, and what they have is
//! joined. Knows neither what is gathered nor what it means.

use super::filter::SegmentScan;
use super::plan::{READERS_MAX, Shared, dealt, empty_rows};
use super::rows::{Hit, RowBuilder};
use super::select::Selection;
use arrow::array::RecordBatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use taffrail_base::limits::SCAN_BATCH_ROWS;
use taffrail_base::{Error, ErrorKind, Result, thread};

/// Events from which on several readers gather from their columns: with fewer, starting one takes longer than reading.
/// Tests share whatever there is.
const SHARED_EVENTS: u64 = if cfg!(debug_assertions) { 4 } else { 100_000 };

/// Picked rows from which on several readers build them.
const SHARED_ROWS: usize = if cfg!(debug_assertions) { 4 } else { 2_000 };

/// Asks for so many bytes more than before; `false` where there are none.
pub type Room = Arc<dyn Fn(usize) -> bool + Send + Sync>;

/// What a reader gathers from columns.
pub(super) trait Gather: Send {
    /// Takes the selected rows of a pattern of a segment; `false` where they are too many.
    fn pattern(&mut self, segment: usize, scan: &SegmentScan<'_>, pattern: usize, selection: &Selection) -> Result<bool>;

    /// Takes what another has; `false` where that is too much.
    fn join(&mut self, other: Self) -> bool;

    /// Bytes that it holds, about.
    fn size(&self) -> usize;
}

/// Readers that gather side by side.
fn readers() -> usize {
    READERS_MAX.min(thread::processors())
}

/// Runs `read` over each share on a thread of its own; the first on this one.
fn side_by_side<T: Send>(shares: &[Vec<usize>], read: impl Fn(&[usize]) -> T + Sync) -> Result<Vec<T>> {
    let Some((first, others)) = shares.split_first() else { return Ok(Vec::new()) };
    std::thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|share| scope.spawn(|| read(share))).collect();
        let mut found = vec![read(first)];
        for other in others {
            found.push(other.join().map_err(|_| Error::new(ErrorKind::Bug, "a reader of segments stopped unexpectedly"))?);
        }
        Ok(found)
    })
}

impl Shared {
    /// Gathers what matches of every pattern of every segment: several readers each have what `make` makes, which takes the
    /// patterns of some segments; in the end one takes what the others have. `None` where that is too much, and where damage
    /// was met, as rows tell what they are without.
    pub fn gather<A: Gather>(&self, make: impl Fn() -> A + Sync) -> Result<Option<A>> {
        let ended = AtomicBool::new(false);
        let read = |numbers: &[usize]| -> Result<Option<A>> {
            let (mut gathered, mut held) = (make(), 0);
            for number in numbers {
                if ended.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let mut all = |scan: &SegmentScan<'_>, selections: &[Selection]| {
                    for (pattern, selection) in selections.iter().enumerate().filter(|(_, selection)| **selection != Selection::None) {
                        if !gathered.pattern(*number, scan, pattern, selection)? {
                            return Ok(false);
                        }
                    }
                    let (before, now) = (held, gathered.size());
                    held = now.max(before);
                    Ok(self.room.as_ref().is_none_or(|room| room(held - before)))
                };
                let whole = match self.attempt(*number, None, &mut all) {
                    Err(error) if self.tolerant && error.kind() == ErrorKind::Corrupt => false,
                    Err(error) => {
                        ended.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                    Ok(whole) => whole.unwrap_or(true),
                };
                if !whole {
                    ended.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
            }
            Ok(Some(gathered))
        };
        let events: u64 = self.metas.iter().map(|meta| meta.events).sum();
        let shares = dealt(self.segments.len(), if events < SHARED_EVENTS { 1 } else { readers() });
        let mut gathered = None;
        for read in side_by_side(&shares, |share| read(share))? {
            gathered = match (gathered, read?) {
                (None, read) => Some(read),
                (Some(Some(mut own)), Some(other)) => Some(A::join(&mut own, other).then_some(own)),
                (Some(_), _) => Some(None),
            };
        }
        Ok(gathered.unwrap_or_else(|| Some(make())))
    }

    /// Builds rows of several segments in the given order.
    pub fn materialise(&self, best: &[(Hit, usize)]) -> Result<Vec<RecordBatch>> {
        let mut numbers: Vec<usize> = best.iter().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        // Of each segment its rows, and where these belong.
        let mut of_segments: Vec<Vec<Hit>> = vec![Vec::new(); numbers.len()];
        let mut places = Vec::with_capacity(best.len());
        for (hit, number) in best {
            let part = numbers.binary_search(number).unwrap_or_default();
            places.push((part, of_segments[part].len()));
            of_segments[part].push(*hit);
        }
        let build = |part: usize| -> Result<RecordBatch> {
            let segment = self.segments[numbers[part]].open()?;
            self.with_scan(&segment, |scan| {
                let built = RowBuilder::new(scan, &self.request.columns, self.schema.clone()).build(&of_segments[part]);
                self.progress.bytes_read.fetch_add(scan.blocks.bytes_read(), Ordering::Relaxed);
                built
            })
        };
        let shares = dealt(numbers.len(), if best.len() < SHARED_ROWS { 1 } else { readers() });
        let built = side_by_side(&shares, |share| share.iter().map(|part| build(*part)).collect::<Result<Vec<_>>>())?;
        let mut parts: Vec<Option<RecordBatch>> = vec![None; numbers.len()];
        for (share, built) in shares.iter().zip(built) {
            share.iter().zip(built?).for_each(|(part, batch)| parts[*part] = Some(batch));
        }
        let parts: Vec<RecordBatch> = parts.into_iter().flatten().collect();
        let parts: Vec<&RecordBatch> = parts.iter().collect();
        let mut batches = Vec::new();
        for places in places.chunks(SCAN_BATCH_ROWS).filter(|places| !places.is_empty()) {
            let batch = arrow::compute::interleave_record_batch(&parts, places)
                .map_err(|e| taffrail_base::Error::new(taffrail_base::ErrorKind::Bug, format!("rows of one scan differ: {e}")));
            // Without columns there is nothing to interleave, only rows to count.
            batches.push(if self.request.columns.is_empty() { empty_rows(&self.schema, places.len()) } else { batch? });
        }
        Ok(batches)
    }
}
