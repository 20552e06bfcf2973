//! Request bodies.

use taffrail_collect::http::{Body, IngestOrigin, batches};
use taffrail_event::{Problems, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

#[test]
fn raw_lines_keep_every_byte() {
    let body = b"\r\n\n\xff\0\n2026-03-01T00:00:00Z last";
    let origin = IngestOrigin { host: Some("web".into()), peer: "10.0.0.1".into(), ..IngestOrigin::default() };
    let batches = batches(Body::Raw, body, &origin, NOW).unwrap();
    assert_eq!(batches.len(), 1);
    let raw: Vec<&[u8]> = batches[0].iter().map(|event| event.raw).collect();
    assert_eq!(raw, [b"\r".as_slice(), b"", b"\xff\0", b"2026-03-01T00:00:00Z last"]);
    let first = batches[0].event(3);
    assert_eq!((&*first.origin.index, &*first.origin.host, &*first.origin.source), ("main", "web", "http"));
    assert_eq!((&*first.origin.peer, &*first.origin.transport), ("10.0.0.1", "http"));
    assert_eq!(first.time.to_string(), "2026-03-01T00:00:00Z");
    assert_eq!(batches[0].event(0).time, NOW);
}

#[test]
fn ndjson_is_json_per_line() {
    let body = b"{\"time\":\"2026-03-01T00:00:00Z\",\"a\":1}\n\n  \nnot json\n{\"b\":2}";
    let batches = batches(Body::Ndjson, body, &IngestOrigin::default(), NOW).unwrap();
    let events: Vec<_> = batches[0].iter().collect();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| &*event.origin.sourcetype == "json"));
    assert!(events[1].problems.contains(Problems::MALFORMED));
    assert_eq!(events[0].time.to_string(), "2026-03-01T00:00:00Z");
}

#[test]
fn large_bodies_become_several_batches_and_bad_names_are_refused() {
    let body = b"0123456789\n".repeat(1_000_000);
    let all = batches(Body::Raw, &body, &IngestOrigin::default(), NOW).unwrap();
    assert!(all.len() > 2);
    assert_eq!(all.iter().map(|batch| batch.len()).sum::<usize>(), 1_000_000);
    assert!(batches(Body::Raw, b"", &IngestOrigin::default(), NOW).unwrap().is_empty());
    for origin in [
        IngestOrigin { index: Some("../etc".into()), ..IngestOrigin::default() },
        IngestOrigin { host: Some("a\nb".into()), ..IngestOrigin::default() },
        IngestOrigin { source: Some("x".repeat(2_000)), ..IngestOrigin::default() },
    ] {
        assert_eq!(batches(Body::Raw, b"x", &origin, NOW).unwrap_err().kind(), taffrail_base::ErrorKind::Invalid);
    }
}
