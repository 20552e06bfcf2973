//! What is merged is what was there: every column of every event, by arrival number.

use super::*;
use crate::scan::{Column, Filter, Scan, ScanRequest};
use crate::segment::{SegmentBuilder, encode_some};
use crate::{SegmentRef, Snapshot};
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use proptest::prelude::*;
use taffrail_event::{EventBatch, Origin, Problems};
use taffrail_pattern::NoFields;
use taffrail_pattern::split::time;

const SECOND: i64 = 1_000_000_000;

fn origin(number: usize) -> Origin {
    let host = ["a", "b", "c"][number % 3];
    let sourcetype = ["x", "y"][number / 3 % 2];
    let [source, transport, peer] = ["test", "test", ""].map(Arc::from);
    Origin { index: "main".into(), host: host.into(), source, sourcetype: sourcetype.into(), transport, peer }
}

/// Lines of few shapes, some of them times, quoted text, numbers, or nothing that has a shape.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0u32..500, "[a-d]{1,2}").prop_map(|(n, user)| format!("sshd[{n}]: session opened for {user} from 10.0.0.{}", n % 9).into_bytes()),
        4 => (0i64..100, 0u32..9).prop_map(|(at, n)| format!("2026-11-21T10:00:{:02}Z level={n} msg=\"took {at} ms\"", at % 60).into_bytes()),
        2 => (0i64..300, 0u32..9).prop_map(|(at, n)| format!("{}.{:03} took {n} ms", 1_700_000_000 + at, at * 7 % 1_000).into_bytes()),
        2 => "[a-c=:\\[\\] 1\"]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// A segment of some of the events that follow each other from `first` on.
fn segment(lines: &[Vec<u8>], first: u64, id: u128, keep: &dyn Fn(Timestamp) -> bool) -> Option<Arc<Segment>> {
    let mut batch = EventBatch::new(Timestamp(id as i64));
    for (at, line) in (first..).zip(lines) {
        let number = batch.origin(&origin(at as usize * 7 % 6));
        let told = line.split(|byte| *byte == b' ').next().and_then(time::epoch);
        let time = told.map_or((at as i64 * 7919 % 100) * SECOND, |(nanos, _)| nanos);
        batch.push(number, Timestamp(time), Problems((at % 5 == 0).into()), line);
    }
    let mut builder = SegmentBuilder::new("main", first);
    batch.iter().for_each(|event| builder.push(event));
    if !builder.times().any(keep) {
        return None;
    }
    let (bytes, meta) = encode_some(&[&builder], keep, Ulid(id), 1, &mut Learned::default()).unwrap();
    Some(Segment::from_bytes(bytes, meta).unwrap())
}

/// Every column of all events, by arrival number.
fn events(segments: &[Arc<Segment>]) -> RecordBatch {
    let columns = vec![
        Column::Sequence,
        Column::Time,
        Column::IndexTime,
        Column::RawBytes,
        Column::Host,
        Column::Source,
        Column::Sourcetype,
        Column::PatternId,
        Column::Problems,
    ];
    let request = ScanRequest {
        filter: Filter::All,
        earliest: Timestamp::MIN,
        latest: Timestamp::MAX,
        sequence_from: None,
        resolver: Arc::new(NoFields),
        columns,
        newest_first: false,
        limit: None,
    };
    let scan = Scan::plan(&Snapshot { segments: segments.iter().cloned().map(SegmentRef::Open).collect() }, request);
    let batches: Vec<RecordBatch> = (0..scan.partitions()).flat_map(|partition| scan.run(partition)).map(Result::unwrap).collect();
    let all = concat_batches(&scan.schema(), &batches).unwrap();
    let order = sort_to_indices(all.column(0), None, None).unwrap();
    take_record_batch(&all, &order).unwrap()
}

/// The pattern of every event.
fn ids(events: &RecordBatch) -> Vec<String> {
    events.column(7).as_string::<i32>().iter().map(|id| id.unwrap().to_owned()).collect()
}

fn without_ids(events: &RecordBatch) -> RecordBatch {
    events.project(&[0, 1, 2, 3, 4, 5, 6, 8]).unwrap()
}

/// Cuts lines into segments, some with the events of even and of odd seconds apart.
fn cut(lines: &[Vec<u8>], cuts: &[(usize, bool)]) -> Vec<Arc<Segment>> {
    let (mut segments, mut start) = (Vec::new(), 0);
    for (number, (len, apart)) in cuts.iter().chain([&(lines.len(), false)]).enumerate() {
        let end = (start + len).min(lines.len());
        let (lines, first, id) = (&lines[start..end], 1 + start as u64, number as u128 * 2);
        start = end;
        if *apart {
            let even = |time: Timestamp| time.nanos() / SECOND % 2 == 0;
            segments.extend(segment(lines, first, id, &even));
            segments.extend(segment(lines, first, id + 1, &|time| !even(time)));
        } else {
            segments.extend(segment(lines, first, id, &|_| true));
        }
    }
    segments
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 400 } else { 2_000 }, ..ProptestConfig::default() })]

    #[test]
    fn merging_changes_nothing_that_can_be_asked_for(
        lines in prop::collection::vec(line(), 1..260),
        cuts in prop::collection::vec((1usize..90, any::<bool>()), 1..5),
        left_out in any::<bool>(),
    ) {
        let mut segments = cut(&lines, &cuts);
        if left_out && segments.len() > 2 {
            // Segments that are merged need not follow each other.
            segments.remove(1);
        }
        let before = events(&segments);
        let (bytes, meta) = merge(&segments, Ulid(99), 1).unwrap();
        let total: u64 = segments.iter().map(|segment| segment.meta().events).sum();
        prop_assert_eq!(meta.events, total);
        prop_assert_eq!(meta.stored_bytes, bytes.len() as u64);
        prop_assert_eq!(meta.min_time, segments.iter().map(|segment| segment.meta().min_time).min().unwrap());
        prop_assert_eq!(meta.max_time, segments.iter().map(|segment| segment.meta().max_time).max().unwrap());
        prop_assert_eq!(meta.end_sequence, segments.iter().map(|segment| segment.meta().end_sequence).max().unwrap());
        let merged = Segment::from_bytes(bytes, meta.clone()).unwrap();
        let after = events(std::slice::from_ref(&merged));
        prop_assert_eq!(without_ids(&before), without_ids(&after));
        let (ids, ids_after) = (ids(&before), ids(&after));
        let mut counts: std::collections::BTreeMap<_, usize> = Default::default();
        let sourcetypes = before.column(6).as_string::<i32>();
        ids.iter().zip(sourcetypes.iter()).for_each(|pattern| *counts.entry(pattern).or_default() += 1);
        if counts.len() <= KEPT_PATTERNS_MAX {
            prop_assert_eq!(&ids, &ids_after, "every event keeps its pattern");
            prop_assert_eq!(meta.patterns, counts.len() as u64);
        } else {
            // The most frequent ones are kept.
            let mut counts: Vec<usize> = counts.into_values().collect();
            counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
            let same = ids.iter().zip(&ids_after).filter(|(a, b)| a == b).count();
            prop_assert!(same >= counts[..KEPT_PATTERNS_MAX].iter().sum::<usize>());
        }
        let mut raw = Vec::new();
        merged.for_each_raw(&mut |number, line| raw.push((number, line.to_vec()))).unwrap();
        let rows = (0..after.num_rows()).map(|row| {
            let number = after.column(0).as_primitive::<arrow::datatypes::UInt64Type>().value(row);
            (number, after.column(3).as_binary::<i32>().value(row).to_vec())
        });
        prop_assert_eq!(raw, rows.collect::<Vec<_>>());
    }
}

#[test]
fn the_same_event_twice_is_refused() {
    let lines = vec![b"one".to_vec(), b"two".to_vec()];
    let one = segment(&lines, 1, 1, &|_| true).unwrap();
    let two = segment(&lines, 2, 2, &|_| true).unwrap();
    let error = merge(&[one, two], Ulid(3), 1).err().unwrap();
    assert!(error.message().contains("event 2 is in two segments"), "{error}");
}
