//! Which segments are merged next. Pure.
//!
//! Segments are merged with neighbours: those of an index whose times are of the same day (or, where one segment
//! spans more, of the same month, or of any time). Within a neighbourhood the smallest are taken, as many as a
//! segment may hold, provided that the new segment is `growth` times as large as the largest of them.
//!
//! So each time an event is written again, the segment that it is in has grown by that factor: written first into
//! a segment of `s` bytes, it is written again at most log(256 MiB / s) times to the base of the factor. The factor
//! is 4 where segments still come in, and 2 where none did for an hour; a segment of five minutes at 1 kB/s is
//! written again at most 4 times at the first and 8 times at the second. Segments of more than half of the bound
//! cannot grow and are left alone. While segments follow each other within seconds they wait for each other until there are enough
//! for one that need not grow any more: so of a stream that fills them quickly, each event is written again once.

use crate::catalog::{Hold, written};
use crate::segment::SegmentMeta;
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_base::Ulid;
use taffrail_base::limits::{MERGE_INPUTS_MAX, MERGED_SEGMENT_BYTES_MAX, MERGED_SEGMENT_EVENTS_MAX};
use taffrail_event::Timestamp;

/// How much larger a merged segment is than its largest input, while segments come in.
const GROWTH: u64 = 4;

/// The same once none came for [`CLOSED_NANOS`].
const GROWTH_CLOSED: u64 = 2;

/// Time without a new segment after which a neighbourhood counts as closed: an hour.
const CLOSED_NANOS: i64 = 3_600_000_000_000;

/// Segments that follow each other within this time are of a stream that will fill a large one soon.
const BUSY_NANOS: i64 = 10_000_000_000;

const DAY_NANOS: i64 = 86_400_000_000_000;
const MONTH_NANOS: i64 = 31 * DAY_NANOS;

/// Where a segment is in time: how wide it is, and which day or month it ends in.
type Neighbourhood = (u8, i64);

fn neighbourhood(meta: &SegmentMeta) -> Neighbourhood {
    let last = meta.max_time.nanos();
    match last.saturating_sub(meta.min_time.nanos()) {
        span if span <= DAY_NANOS => (0, last.div_euclid(DAY_NANOS)),
        span if span <= MONTH_NANOS => (1, last.div_euclid(MONTH_NANOS)),
        _ => (2, 0),
    }
}

/// The size of a segment in raw bytes; many short events weigh as much as the bytes that so many may have.
fn size(meta: &SegmentMeta) -> u64 {
    let share = (MERGED_SEGMENT_BYTES_MAX / MERGED_SEGMENT_EVENTS_MAX) as u64;
    meta.raw_bytes.max(meta.events * share)
}

/// The segments to be merged into one, smallest first; `None` when nothing is worth it. The same segments, holds
/// and hour give the same answer. Held segments stay as they are.
pub fn next<'m>(segments: impl Iterator<Item = &'m SegmentMeta>, holds: &BTreeMap<String, Hold>, now: Timestamp) -> Option<Vec<Ulid>> {
    let mut groups: BTreeMap<(&Arc<str>, Neighbourhood), Vec<&SegmentMeta>> = BTreeMap::new();
    let small = |meta: &&SegmentMeta| size(meta) <= MERGED_SEGMENT_BYTES_MAX as u64 / 2;
    for meta in segments.filter(small).filter(|meta| !holds.values().any(|hold| hold.covers(meta))) {
        groups.entry((&meta.index, neighbourhood(meta))).or_default().push(meta);
    }
    let runs = groups.into_values().filter_map(|group| run(group, now));
    // The most files go first; of equal ones the first, since `max_by_key` would take the last.
    runs.reduce(|best, run| if run.len() > best.len() { run } else { best })
}

/// The most of the smallest segments of a neighbourhood that make one which is large enough.
fn run(mut group: Vec<&SegmentMeta>, now: Timestamp) -> Option<Vec<Ulid>> {
    let newest = group.iter().map(|meta| written(meta.id)).max()?;
    let closed = now.nanos().saturating_sub(newest.nanos()) >= CLOSED_NANOS;
    let growth = if closed { GROWTH_CLOSED } else { GROWTH };
    let busy = now.nanos().saturating_sub(newest.nanos()) < BUSY_NANOS;
    // Of those of about one size, such as follow each other: then their events do in what they become.
    group.sort_by_key(|meta| (size(meta).checked_ilog2(), meta.first_sequence, meta.id));
    let (mut bytes, mut events, mut sum, mut most, mut largest) = (0, 0, 0, 0, 0);
    for (at, meta) in group.iter().enumerate().take(MERGE_INPUTS_MAX) {
        bytes += meta.raw_bytes;
        events += meta.events;
        sum += size(meta);
        if bytes > MERGED_SEGMENT_BYTES_MAX as u64 || events > MERGED_SEGMENT_EVENTS_MAX as u64 {
            break;
        }
        largest = largest.max(size(meta));
        let waits = busy && sum < MERGED_SEGMENT_BYTES_MAX as u64 / 2 && at + 1 < MERGE_INPUTS_MAX;
        if at > 0 && sum >= growth * largest && !waits {
            most = at + 1;
        }
    }
    (most > 0).then(|| group[..most].iter().map(|meta| meta.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000_000_000 / DAY_NANOS * DAY_NANOS;

    /// Segments that are flushed and merged, and how often what is in them was written.
    #[derive(Default)]
    struct World {
        segments: BTreeMap<Ulid, (SegmentMeta, u64)>,
        made: u128,
        written: u64,
        flushed: u64,
        most: u64,
    }

    impl World {
        fn add(&mut self, now: i64, times: (i64, i64), bytes: u64, events: u64, rewrites: u64) {
            self.made += 1;
            let id = Ulid((now as u128 / 1_000_000) << 80 | self.made);
            let meta = SegmentMeta {
                id,
                index: "main".into(),
                events,
                raw_bytes: bytes,
                stored_bytes: bytes / 8,
                patterns: 9,
                min_time: Timestamp(times.0),
                max_time: Timestamp(times.1),
                first_sequence: 1,
                end_sequence: 1 + events,
                summary: Arc::default(),
            };
            self.segments.insert(id, (meta, rewrites));
        }

        fn flush(&mut self, now: i64, bytes: u64) {
            self.flushed += bytes;
            self.add(now, (now - 300_000_000_000, now), bytes, bytes / 150 + 1, 0);
        }

        fn merge_all(&mut self, now: i64) {
            let none = BTreeMap::new();
            while let Some(ids) = next(self.segments.values().map(|(meta, _)| meta), &none, Timestamp(now)) {
                assert!((2..=MERGE_INPUTS_MAX).contains(&ids.len()));
                let taken: Vec<_> = ids.iter().map(|id| self.segments.remove(id).unwrap()).collect();
                let bytes = taken.iter().map(|(meta, _)| meta.raw_bytes).sum();
                let events = taken.iter().map(|(meta, _)| meta.events).sum();
                assert!(bytes <= MERGED_SEGMENT_BYTES_MAX as u64 && events <= MERGED_SEGMENT_EVENTS_MAX as u64);
                let from = taken.iter().map(|(meta, _)| meta.min_time.nanos()).min().unwrap();
                let to = taken.iter().map(|(meta, _)| meta.max_time.nanos()).max().unwrap();
                assert!(to - from <= 2 * DAY_NANOS, "neighbours only");
                let rewrites = taken.iter().map(|(_, rewrites)| rewrites + 1).max().unwrap();
                self.most = self.most.max(rewrites);
                self.written += bytes;
                self.add(now, (from, to), bytes, events, rewrites);
            }
        }

        /// How often a byte was written again, on average.
        fn amplification(&self) -> f64 {
            self.written as f64 / self.flushed as f64
        }
    }

    #[test]
    fn what_is_written_again_is_bounded_and_few_segments_are_left() {
        let mut rng = fastrand::Rng::with_seed(3);
        for bytes_per_flush in [2_000u64, 300_000, 5_000_000, 30_000_000, 67_000_000] {
            let mut world = World::default();
            let days = 3;
            for flush in 0..days * 288 {
                let now = START + (flush + 1) * 300_000_000_000;
                world.flush(now, rng.u64(bytes_per_flush / 2..=bytes_per_flush));
                world.merge_all(now + BUSY_NANOS);
            }
            let end = START + (days * 288) * 300_000_000_000;
            for hours in 1..20 {
                world.merge_all(end + hours * CLOSED_NANOS);
            }
            let bound = ((MERGED_SEGMENT_BYTES_MAX as f64) / (bytes_per_flush as f64 / 2.0)).log2().ceil();
            assert!(world.most as f64 <= bound, "{bytes_per_flush}: {} times, at most {bound}", world.most);
            assert!(world.amplification() <= bound.min(6.0), "{bytes_per_flush}: {}", world.amplification());
            let least = world.flushed.div_ceil(MERGED_SEGMENT_BYTES_MAX as u64) as usize;
            let left = world.segments.len();
            assert!(left <= least * 2 + days as usize * 10, "{bytes_per_flush}: {left} segments, {least} would do");
        }
    }

    #[test]
    fn a_quick_stream_is_written_again_once() {
        let mut world = World::default();
        let mut most = 0;
        for flush in 0..2_000 {
            let now = START + flush * 250_000_000;
            world.flush(now, 10_400_000);
            world.merge_all(now);
            most = most.max(world.segments.values().filter(|(meta, _)| meta.raw_bytes < 100_000_000).count());
        }
        world.merge_all(START + 500_000_000_000 + BUSY_NANOS);
        assert!(world.most == 1 && most <= 14, "{} times, {most} small ones", world.most);
        assert!(world.segments.values().filter(|(meta, _)| meta.raw_bytes < 100_000_000).count() <= 4);
    }

    #[test]
    fn late_events_do_not_rewrite_what_is_large() {
        let mut world = World::default();
        world.add(START, (START, START + DAY_NANOS - 1), 30_000_000, 200_000, 0);
        for hour in 0..500 {
            // A few old events each hour, into a day with a segment of 30 MB.
            let now = START + 9 * DAY_NANOS + hour * CLOSED_NANOS;
            world.flushed += 700;
            world.add(now, (START + 5, START + 6), 700, 5, 0);
            world.merge_all(now + BUSY_NANOS);
        }
        assert!(world.segments.len() < 14, "{}", world.segments.len());
        assert!(world.amplification() < 10.0, "{}: the large one was written again", world.amplification());
    }

    #[test]
    fn held_segments_and_other_neighbourhoods_are_left_alone() {
        let mut world = World::default();
        for day in 0..4 {
            world.flush(START + (day + 1) * DAY_NANOS - 1, 1_000);
        }
        world.add(START, (START - 400 * DAY_NANOS, START), 1_000, 9, 0);
        let late = Timestamp(START + 99 * DAY_NANOS);
        let metas = |world: &World| world.segments.values().map(|(meta, _)| meta.clone()).collect::<Vec<_>>();
        assert_eq!(next(metas(&world).iter(), &BTreeMap::new(), late), None);
        (0..8).for_each(|at| world.flush(START + DAY_NANOS / 2 + at, 1_000));
        assert_eq!(next(metas(&world).iter(), &BTreeMap::new(), late).unwrap().len(), 9, "the day's");
        let hold = Hold {
            index: Some("main".into()),
            earliest: Timestamp(START),
            latest: Timestamp(START + DAY_NANOS),
            reason: String::new(),
            since: late,
        };
        assert_eq!(next(metas(&world).iter(), &BTreeMap::from([("case".into(), hold)]), late), None);
    }
}
