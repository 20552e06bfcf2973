//! Segments of every version of the format stay readable: `tests/data/v<version>/` holds some as they were
//! written, with what is in them. They are never made anew; a new version gets a folder of its own:
//! `cargo nextest run -p taffrail-store --run-ignored only keep_segments_of_this_version`.

use crate::samples;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{TimestampNanosecondType, UInt64Type};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_event::{EventBatch, EventRef, Problems, Timestamp};
use taffrail_pattern::{NoFields, Term, TermMatcher};
use taffrail_store::scan::schema;
use taffrail_store::segment::MAGIC;
use taffrail_store::{Column, Filter, Scan, ScanRequest, Segment, SegmentMeta, SegmentRef, Snapshot};

/// The folder of the test data of a version.
fn folder(version: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/v{version}"))
}

/// The versions of which segments are kept: all but one that is still being made.
pub fn versions() -> impl Iterator<Item = u8> {
    (1..=MAGIC[7]).filter(|version| *version == 1 || folder(*version).exists())
}

/// The segments that are kept of a version.
pub fn segments(version: u8) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder(version)).unwrap().map(|entry| entry.unwrap().path());
    let segments: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|suffix| suffix == "seg")).collect();
    assert!(segments.len() >= 6, "version {version}");
    segments
}

/// What is in a kept segment: a line about the whole, then one for each event.
pub fn kept_lines(path: &Path) -> Vec<Value> {
    let packed = std::fs::read(path.with_extension("events.zst")).unwrap();
    let text = String::from_utf8(zstd::stream::decode_all(&packed[..]).unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is counted in every segment: common, rare, with wildcards, across pieces, absent.
const TERMS: [&str; 14] =
    ["root", "user=root", "GET", "sshd", "10.1.*", "ok", "gave up", "tick", "state7", "300", "broken", "*lines*", "of queue", "zebra"];

/// Bytes as text that JSON can hold: each byte is the character of its number.
pub fn as_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn as_bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect()
}

fn envelope(event: &EventRef<'_>) -> [String; 5] {
    let o = event.origin;
    [&o.host, &o.source, &o.sourcetype, &o.transport, &o.peer].map(|part| part.to_string())
}

/// What is in a segment: a line about the whole, then one for each event.
pub fn expected_lines(batches: &[EventBatch], meta: &SegmentMeta) -> Vec<Value> {
    let events: Vec<EventRef<'_>> = batches.iter().flat_map(EventBatch::iter).collect();
    let mut origins: Vec<[String; 5]> = Vec::new();
    let mut lines = vec![Value::Null];
    for event in &events {
        let from = envelope(event);
        let number = origins.iter().position(|known| *known == from).unwrap_or_else(|| {
            origins.push(from);
            origins.len() - 1
        });
        lines.push(json!([as_text(event.raw), event.time.nanos(), event.received.nanos(), number, event.problems.0]));
    }
    let count = |text: &str| {
        let matcher = TermMatcher::new(&Term::wildcard(text));
        events.iter().filter(|event| matcher.matches(event.raw)).count()
    };
    lines[0] = json!({
        "events": meta.events,
        "raw_bytes": meta.raw_bytes,
        "patterns": meta.patterns,
        "min_time": meta.min_time.nanos(),
        "max_time": meta.max_time.nanos(),
        "first_sequence": meta.first_sequence,
        "origins": origins,
        "terms": TERMS.iter().map(|term| ((*term).to_owned(), count(term).into())).collect::<serde_json::Map<_, _>>(),
    });
    lines
}

#[test]
#[ignore = "writes test data into the sources, once for each version of the format"]
fn keep_segments_of_this_version() {
    let folder = folder(MAGIC[7]);
    std::fs::create_dir_all(&folder).unwrap();
    for sample in samples::all() {
        let (bytes, meta) = sample.encode();
        let text: String = expected_lines(&sample.batches, &meta).iter().map(|line| format!("{line}\n")).collect();
        let write = |suffix: &str, bytes: &[u8]| {
            let path = folder.join(format!("{}.{suffix}", sample.name));
            assert!(!path.exists(), "{} is kept as it is", path.display());
            std::fs::write(path, bytes).unwrap();
        };
        write("seg", &bytes);
        write("events.zst", &zstd::bulk::compress(text.as_bytes(), 19).unwrap());
    }
}

#[test]
fn samples_have_every_encoding() {
    let mut names = Vec::new();
    for sample in samples::all() {
        let (bytes, meta) = sample.encode();
        let segment = Segment::from_bytes(bytes, meta).unwrap();
        println!("{}: {} bytes, {:?}", sample.name, segment.meta().stored_bytes, segment.encodings());
        names.extend(segment.encodings().into_iter().map(|(name, _)| name));
        let snapshot = Snapshot { segments: vec![SegmentRef::Open(segment)] };
        let patterns = Scan::plan(&snapshot, request(Filter::All, Vec::new())).patterns(None).unwrap();
        if patterns.iter().any(|found| found.pattern.is_raw()) {
            names.push("raw");
        }
    }
    for name in ["constant", "integer", "decimal", "ipv4", "hex", "time", "dictionary", "plain", "nested", "uuid", "shared", "raw"] {
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn segments_of_every_version_are_read() {
    for version in versions() {
        for path in segments(version) {
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes[..8], [&MAGIC[..7], &[version]].concat(), "{}", path.display());
            check(&path.display().to_string(), bytes, &kept_lines(&path));
        }
    }
}

#[test]
fn fresh_segments_are_read_in_the_same_way() {
    for sample in samples::all() {
        let (bytes, meta) = sample.encode();
        check(sample.name, bytes, &expected_lines(&sample.batches, &meta));
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} is a number"))
}

/// Compares a segment with what is in it.
fn check(name: &str, bytes: Vec<u8>, lines: &[Value]) {
    let (head, events) = lines.split_first().expect("a line about the whole");
    let time = |name: &str| Timestamp(head[name].as_i64().expect("a time"));
    let meta = SegmentMeta {
        id: taffrail_base::Ulid(1),
        index: "main".into(),
        events: number(head, "events"),
        raw_bytes: number(head, "raw_bytes"),
        stored_bytes: bytes.len() as u64,
        patterns: number(head, "patterns"),
        min_time: time("min_time"),
        max_time: time("max_time"),
        first_sequence: number(head, "first_sequence"),
        end_sequence: number(head, "first_sequence") + number(head, "events"),
        summary: Default::default(),
    };
    let segment = Segment::from_bytes(bytes, meta.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let origins: Vec<[String; 5]> = serde_json::from_value(head["origins"].clone()).unwrap();
    let found = segment.origins().iter().map(|o| [o.host, o.source(), o.sourcetype(), o.transport(), o.peer()].map(str::to_owned));
    assert_eq!(found.collect::<Vec<_>>(), origins, "{name}");
    let mut at = 0;
    let each = &mut |sequence: u64, raw: &[u8]| {
        assert_eq!(sequence, meta.first_sequence + at as u64, "{name}");
        assert!(raw == as_bytes(events[at][0].as_str().unwrap()), "{name}: event {at}");
        at += 1;
    };
    segment.for_each_raw(each).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(at, events.len(), "{name}");
    let snapshot = Snapshot { segments: vec![SegmentRef::Open(segment)] };
    check_streams(name, &snapshot, &meta, events, &origins);
    for (text, count) in head["terms"].as_object().unwrap() {
        let scan = Scan::plan(&snapshot, request(Filter::Term(Term::wildcard(text)), Vec::new()));
        assert_eq!(scan.count().unwrap(), count.as_u64().unwrap(), "{name}: {text}");
    }
}

fn check_streams(name: &str, snapshot: &Snapshot, meta: &SegmentMeta, events: &[Value], origins: &[[String; 5]]) {
    let columns = vec![
        Column::Sequence,
        Column::Time,
        Column::IndexTime,
        Column::RawBytes,
        Column::Host,
        Column::Source,
        Column::Sourcetype,
        Column::Problems,
    ];
    let request = request(Filter::All, columns.clone());
    let scan = Scan::plan(snapshot, request);
    let mut seen = 0;
    for batch in (0..scan.partitions()).flat_map(|partition| scan.run(partition)) {
        let batch: RecordBatch = batch.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(batch.schema(), schema(&columns));
        let text = |column: usize, row: usize| {
            let values = batch.column(column).as_string::<i32>();
            values.is_valid(row).then(|| values.value(row).to_owned())
        };
        for row in 0..batch.num_rows() {
            let at = (batch.column(0).as_primitive::<UInt64Type>().value(row) - meta.first_sequence) as usize;
            let event = &events[at];
            let nanos = |column: usize| batch.column(column).as_primitive::<TimestampNanosecondType>().value(row);
            assert_eq!(nanos(1), event[1].as_i64().unwrap(), "{name}: time of event {at}");
            assert_eq!(nanos(2), event[2].as_i64().unwrap(), "{name}: receive time of event {at}");
            assert!(batch.column(3).as_binary::<i32>().value(row) == as_bytes(event[0].as_str().unwrap()), "{name}: event {at}");
            let origin = &origins[event[3].as_u64().unwrap() as usize];
            for (column, part) in origin[..3].iter().enumerate() {
                assert_eq!(text(4 + column, row).as_ref(), Some(part), "{name}: origin of event {at}");
            }
            let problems = Problems(event[4].as_u64().unwrap() as u16).names().collect::<Vec<_>>().join(",");
            assert_eq!(text(7, row).unwrap_or_default(), problems, "{name}: problems of event {at}");
            seen += 1;
        }
    }
    assert_eq!(seen, events.len(), "{name}");
}

fn request(filter: Filter, columns: Vec<Column>) -> ScanRequest {
    ScanRequest {
        filter,
        earliest: Timestamp::MIN,
        latest: Timestamp::MAX,
        sequence_from: None,
        resolver: Arc::new(NoFields),
        columns,
        newest_first: false,
        limit: None,
    }
}
