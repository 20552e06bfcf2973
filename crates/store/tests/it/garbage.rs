//! Hostile input is kept like any other, within bounded memory.

use crate::ledger::{batch, origin};
use crate::plain::options;
use taffrail_event::{EventBatch, Problems, Timestamp};
use taffrail_store::Store;

/// Bytes that look random and are the same in every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(len)
    .collect()
}

/// The most memory that this process held so far, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a Linux machine");
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn any_bytes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let mut events: Vec<Vec<u8>> = (0..500).map(|seed| noise(seed, (seed as usize * 37) % 900)).collect();
    events.push(Vec::new());
    events.push(vec![0; 1000]);
    events.push(noise(1, 10 << 20));
    events.push(b"word ".repeat(2 << 20));
    events.push(b"\xff\xfe\xc0\x80 \xed\xa0\x80 half \xe2\x82".to_vec());
    events.push(b"9999-12-31T23:59:59Z {\"a\":\"\\".to_vec());
    for (at, event) in events.iter().enumerate() {
        let mut batch = EventBatch::new(Timestamp(at as i64));
        let number = batch.origin(&origin("main", "host"));
        let time = [Timestamp::MIN, Timestamp::MAX, Timestamp(0)][at % 3];
        batch.push(number, time, Problems::NOT_UTF8, event);
        store.append_blocking(batch).unwrap();
    }
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        let found = crate::ledger::contents(&store).unwrap().remove("main").unwrap();
        assert_eq!(found.len(), events.len());
        assert!(found.iter().zip(&events).all(|((_, found), event)| found == event), "flushed: {flushed}");
    }
}

#[test]
fn a_million_patterns_stay_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    // The delimiters differ in every line, so that each is a pattern of its own.
    let line = |number: usize| {
        let marks = b"=:,;()[]{}<>|&?!";
        let mut line = Vec::new();
        for digit in 0..5 {
            line.extend_from_slice(&[b'a' + digit, marks[(number >> (4 * digit)) & 15]]);
        }
        line
    };
    const LINES: usize = 1_000_000;
    for start in (0..LINES).step_by(50_000) {
        let mut batch = EventBatch::new(Timestamp(0));
        let number = batch.origin(&origin("main", "host"));
        (start..start + 50_000).for_each(|at| batch.push(number, Timestamp(at as i64), Problems::NONE, &line(at)));
        store.append_blocking(batch).unwrap();
    }
    store.append_blocking(batch("main", &["the last"])).unwrap();
    store.flush().unwrap();
    assert_eq!(store.stat()[0].events, LINES as u64 + 1);
    let patterns_most = store.snapshot().segments.iter().map(|s| s.meta().patterns).max().unwrap();
    assert!(patterns_most <= taffrail_base::limits::SEGMENT_PATTERNS_MAX as u64 + 1, "{patterns_most}");
    let mut next = 0;
    let mut segments = store.snapshot().segments;
    segments.sort_by_key(|segment| segment.meta().first_sequence);
    for segment in segments {
        let first = segment.meta().first_sequence - next as u64;
        let check = |number: u64, raw: &[u8]| {
            assert_eq!(number, first + next as u64);
            assert!(next == LINES || raw == line(next), "event {next}");
            next += 1;
        };
        segment.open().unwrap().for_each_raw(&mut { check }).unwrap();
    }
    assert_eq!(next, LINES + 1);
    let peak = peak_mib();
    println!("a million patterns: at most {patterns_most} in a segment, peak memory {peak} MiB");
    assert!(peak < 600, "{peak} MiB");
}
