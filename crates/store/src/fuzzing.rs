//! What the fuzz targets in `fuzz/` call, and what their finds are tried on: each function takes any bytes and must
//! neither panic, nor hang, nor take much memory. Not for other callers.

use crate::journal::examine::{Trouble, Watcher, examine};
use crate::journal::{self, JournalOptions, Span, payload};
use crate::scan::{Buckets, Column, Filter, Scan, ScanRequest};
use crate::segment::meta::Footer;
use crate::segment::stamp::{self, FilterKind};
use crate::segment::wire::Reader;
use crate::segment::{Blocks, MAGIC, Segment, SegmentBuilder, SegmentMeta, ints};
use crate::{SegmentRef, Snapshot};
use std::path::Path;
use std::sync::Arc;
use taffrail_base::{Clock, ManualClock, Randomness, SeededRandomness, SimVfs, Ulid, Vfs};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_pattern::{NoFields, Term};

/// Events of a segment that are looked at: what a directory may claim costs that much, whatever it has bytes for.
const EVENTS_MAX: u32 = 20_000;

/// A name, and what is done with a fuzzer's bytes.
pub type Target = (&'static str, fn(&[u8]));

/// The targets by name.
pub const TARGETS: [Target; 8] = [
    ("journal_record", journal_record),
    ("journal_file", journal_file),
    ("segment_footer", segment_footer),
    ("segment_file", segment_file),
    ("segment_pages", segment_pages),
    ("integers", integers),
    ("filters", filters),
    ("round_trip", round_trip),
];

/// The payload of a journal record.
pub fn journal_record(data: &[u8]) {
    let _ = payload::decode(data, Timestamp(0));
}

struct Nobody;

impl Watcher for Nobody {
    fn record(&mut self, _: &Path, _: u64, _: &[Span]) {}
    fn trouble(&mut self, _: Trouble) {}
}

/// Two files of a journal. The header of each is made right, and the checksums of records when the first byte says so.
pub fn journal_file(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let vfs = SimVfs::new(1);
    let folder = Path::new("/j");
    let _ = vfs.create_dir_all(folder);
    let cut = data.len() * usize::from(how >> 2) / 64;
    for (number, body) in [(1, &data[..cut]), (2, &data[cut..])] {
        let bytes = journal::record::fuzzed_file(number, body, how & 1 != 0, cut as u64);
        if let Ok(file) = vfs.create_new(&folder.join(format!("{number:016}.wal"))) {
            let _ = file.write_all_at(&bytes, 0);
        }
    }
    let _ = examine(&vfs, folder, 0, &mut Nobody);
    let disk: Arc<dyn Vfs> = Arc::new(vfs);
    let (clock, random): (Arc<dyn Clock>, Arc<dyn Randomness>) = (Arc::new(ManualClock::at(0)), Arc::new(SeededRandomness::new(1)));
    let options = JournalOptions::new(folder.to_owned(), disk, clock, random);
    let _ = journal::read(&options, |_| Ok(()));
    if let Ok((mut journal, recovery)) = journal::Journal::open(options, 0, 0) {
        let _ = journal.replay(recovery, |_, _| Ok(()));
    }
}

/// A segment's directory, of any version.
pub fn segment_footer(data: &[u8]) {
    for version in 1..=MAGIC[7] {
        if let Ok(footer) = Footer::decode(data, version, "fuzz")
            && version == MAGIC[7]
        {
            // What is understood is spelled in a way that is understood as the same.
            let again = Footer::decode(&footer.encode(), MAGIC[7], "fuzz again").expect("what was written can be read");
            assert_eq!(footer, again);
        }
    }
}

/// A whole segment file.
pub fn segment_file(data: &[u8]) {
    let meta = unknown_meta(data.len());
    if let Ok(segment) = Segment::from_bytes(data.to_vec(), meta)
        && segment.footer().events.rows <= EVENTS_MAX
    {
        let meta = SegmentMeta { events: segment.footer().events.rows.into(), ..segment.meta().clone() };
        if let Ok(segment) = Segment::from_bytes(data.to_vec(), meta) {
            read(&segment);
        }
    }
}

fn unknown_meta(len: usize) -> SegmentMeta {
    SegmentMeta {
        id: Ulid(1),
        index: "main".into(),
        events: SegmentMeta::EVENTS_UNKNOWN,
        raw_bytes: 0,
        stored_bytes: len as u64,
        patterns: 0,
        min_time: Timestamp::MIN,
        max_time: Timestamp::MAX,
        first_sequence: 1,
        end_sequence: 1,
        summary: Default::default(),
    }
}

/// A directory, filters and one block of bytes without the checksums that keep damage away from what is behind:
/// pages, dictionaries, nested nodes. A byte for the version; two lengths of 24 bits; directory; filters; the rest.
pub fn segment_pages(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<7>() else { return };
    let len = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], 0]) as usize;
    let Some((directory, rest)) = rest.split_at_checked(len(1)) else { return };
    let Some((filters, bytes)) = rest.split_at_checked(len(4)) else { return };
    if let Ok(segment) = Segment::of_directory(directory, head[0] % MAGIC[7] + 1, filters, bytes, EVENTS_MAX) {
        read(&segment);
    }
}

/// The bytes of a segment of at most one block as [`segment_pages`] takes them: seeds.
pub fn pages_seed(file: &[u8]) -> Option<Vec<u8>> {
    let segment = Segment::from_bytes(file.to_vec(), unknown_meta(file.len())).ok()?;
    let footer = segment.footer();
    if footer.blocks.len() != 2 {
        return None;
    }
    let directory = footer.encode();
    let (filters, bytes) = (segment.block_bytes(0).ok()?, segment.block_bytes(1).ok()?);
    let mut seed = vec![MAGIC[7] - 1];
    seed.extend_from_slice(&(directory.len() as u32).to_le_bytes()[..3]);
    seed.extend_from_slice(&(filters.len() as u32).to_le_bytes()[..3]);
    [directory, filters, bytes].iter().for_each(|part| seed.extend_from_slice(part));
    Some(seed)
}

/// A segment's directory without its compression: seeds.
pub fn footer_seed(file: &[u8]) -> Option<Vec<u8>> {
    Some(Segment::from_bytes(file.to_vec(), unknown_meta(file.len())).ok()?.footer().encode())
}

/// Everything that can be asked of a segment.
fn read(segment: &Arc<Segment>) {
    let mut bytes = 0usize;
    let _ = segment.for_each_raw(&mut |_, raw| bytes += raw.len());
    let blocks = Blocks::new(segment);
    let footer = segment.footer();
    for stream in [footer.received, footer.origin, footer.problems] {
        let _ = blocks.stream(stream);
    }
    let snapshot = Snapshot { segments: vec![SegmentRef::Open(segment.clone())] };
    let filters =
        [Filter::Term(Term::literal("root")), Filter::Term(Term::wildcard("1*")), Filter::Term(Term::substring("a b", false)), Filter::All];
    for filter in filters {
        let request = ScanRequest {
            filter,
            earliest: Timestamp::MIN,
            latest: Timestamp::MAX,
            sequence_from: None,
            resolver: Arc::new(NoFields),
            columns: vec![Column::Time, Column::RawBytes, Column::Host, Column::Problems],
            newest_first: true,
            limit: Some(100),
        };
        let scan = Scan::plan(&snapshot, request);
        let _ = scan.count();
        let _ = scan.histogram(Buckets { start: Timestamp(0), span_nanos: 1_000_000_000, count: 10 });
        (0..scan.partitions()).flat_map(|partition| scan.run(partition)).for_each(drop);
    }
}

/// Integers: a count, then their bytes.
pub fn integers(data: &[u8]) {
    let Some((count, bytes)) = data.split_first_chunk::<2>() else { return };
    let count = usize::from(u16::from_le_bytes(*count));
    if let Ok(values) = ints::decode(&mut Reader::new(bytes, "fuzz"), count) {
        let mut again = Vec::new();
        ints::encode(&values, &mut again);
        let back = ints::decode(&mut Reader::new(&again, "fuzz"), values.len()).expect("what was written can be read");
        assert_eq!(values, back);
    }
}

/// A filter of either kind, asked for tokens.
pub fn filters(data: &[u8]) {
    let (token, filter) = data.split_at(data.len().min(8));
    for kind in [FilterKind::BloomOfAll, FilterKind::BloomOfWords, FilterKind::Fuse] {
        let _ = stamp::may_hold(kind, filter, token);
        let _ = stamp::may_hold(kind, filter, b"root");
    }
    let values: Vec<&[u8]> = filter.split(|byte| *byte == b'\n').collect();
    if let Some(built) = stamp::filter(values.iter().copied(), 1 << 20) {
        for token in values.iter().flat_map(|value| taffrail_pattern::text::tokens(value)) {
            assert!(stamp::may_hold(FilterKind::Fuse, &built, token), "a filter does not know what it was made of");
        }
    }
}

/// Lines become a segment, and come back as they were.
pub fn round_trip(data: &[u8]) {
    let [host, source, sourcetype, transport, peer] = ["h", "s", "t", "f", ""].map(Arc::from);
    let origin = Origin { index: "main".into(), host, source, sourcetype, transport, peer };
    let mut batch = EventBatch::new(Timestamp(5));
    let number = batch.origin(&origin);
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').take(2_000).collect();
    for (at, line) in lines.iter().enumerate() {
        let time = line.iter().take(8).fold(0i64, |sum, byte| sum << 8 | i64::from(*byte));
        batch.push(number, Timestamp(time), Problems((at % 3) as u16), line);
    }
    let mut builder = SegmentBuilder::new("main", 1);
    batch.iter().for_each(|event| builder.push(event));
    let (bytes, meta) = builder.finish(Ulid(1), 1).expect("any lines can be encoded");
    let segment = Segment::from_bytes(bytes, meta).expect("what was written can be opened");
    let mut at = 0;
    let each = &mut |_: u64, raw: &[u8]| {
        assert_eq!(raw, lines[at]);
        at += 1;
    };
    segment.for_each_raw(each).expect("what was written can be read");
    assert_eq!(at, lines.len());
    read(&segment);
}
