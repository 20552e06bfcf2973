//! Encodes the lines of a file into segments and prints size, speed and query times.
//!
//! `cargo bench -p taffrail-store --profile demo --bench segment -- FILE [TERM ...]`; FILE is plain text. `COLUMNS=40` prints
//! that many of the largest columns.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::Instant;
use taffrail_base::Ulid;
use taffrail_base::limits::{MEMORY_SEGMENT_BYTES_MAX, SEGMENT_EVENTS_MAX};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_pattern::{FieldPlan, FieldResolver, Pattern, Term};
use taffrail_store::segment::{Segment, SegmentBuilder};
use taffrail_store::{Column, Filter, Scan, ScanRequest};

struct NoFields;

impl FieldResolver for NoFields {
    fn resolve(&self, _: &str, _: &Pattern, _: &str) -> FieldPlan {
        FieldPlan::Absent
    }
    fn fields(&self, _: &str, _: &Pattern) -> Vec<(String, FieldPlan)> {
        Vec::new()
    }
    fn fields_vary(&self, _: &str, _: &Pattern) -> bool {
        false
    }
    fn fields_of_event(&self, _: &str, _: &[u8]) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// CPU seconds of this process so far: the machine may be shared, its clock on the wall says little.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a Linux machine");
    let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).map(|t| t.parse().expect("ticks")).collect();
    (ticks[0] + ticks[1]) / 100.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some((path, terms)) = arguments.split_first() else {
        println!("usage: segment FILE [TERM ...]");
        return;
    };
    let text = std::fs::read(path).expect("the file is read");
    let raw = text.len() as f64 / 1e6;
    let start = cpu_seconds();
    let packed = zstd::bulk::compress(&text, 3).expect("zstd");
    println!("{path}: {raw:.1} MB; zstd -3 {:.2} MB in {:.2} CPU s", packed.len() as f64 / 1e6, cpu_seconds() - start);
    let start = cpu_seconds();
    let segments = encode(&text);
    let seconds = cpu_seconds() - start;
    let stored: u64 = segments.iter().map(|s| s.meta().stored_bytes).sum();
    let patterns: u64 = segments.iter().map(|s| s.meta().patterns).sum();
    println!(
        "encoded {:.2} MB ({:.3} of zstd -3), {:.0} MB per CPU s, {} segments, {patterns} patterns",
        stored as f64 / 1e6,
        stored as f64 / packed.len() as f64,
        raw / seconds,
        segments.len()
    );
    println!("{:?}", segments[0].encodings());
    let start = cpu_seconds();
    let mut bytes = 0;
    for segment in &segments {
        segment.for_each_raw(&mut |_, line| bytes += line.len() + 1).expect("decodes");
    }
    println!("decoded {:.1} MB at {:.0} MB per CPU s", bytes as f64 / 1e6, raw / (cpu_seconds() - start));
    for term in terms {
        query(&segments, term);
    }
    for segment in segments.iter().take(1) {
        let most = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
        for line in segment.largest(most) {
            println!("  {line}");
        }
    }
}

fn encode(text: &[u8]) -> Vec<Arc<Segment>> {
    let origin = Origin {
        index: "main".into(),
        host: "host".into(),
        source: "bench".into(),
        sourcetype: "text".into(),
        transport: "import".into(),
        peer: "".into(),
    };
    let mut segments = Vec::new();
    let mut builder = SegmentBuilder::new("main", 0);
    let mut finish = |builder: SegmentBuilder| {
        let (bytes, meta) = builder
            .finish(Ulid(segments.len() as u128), std::env::var("LEVEL").ok().and_then(|t| t.parse().ok()).unwrap_or(3))
            .expect("encodes");
        segments.push(Segment::from_bytes(bytes, meta).expect("opens"));
    };
    let mut time = 0;
    for line in text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n') {
        // The event's time as a format would find it, where the splitter knows the layout.
        let at = line.iter().position(|b| *b == b'[').map_or(0, |at| at + 1);
        if let Some((found, _, _)) = [0, at].iter().find_map(|at| taffrail_pattern::split::time::parse(&line[*at..])) {
            time = found;
        }
        let mut batch = EventBatch::new(Timestamp(0));
        let number = batch.origin(&origin);
        batch.push(number, Timestamp(time), Problems::NONE, line);
        builder.push(batch.event(0));
        if builder.raw_bytes() >= MEMORY_SEGMENT_BYTES_MAX || builder.events() >= SEGMENT_EVENTS_MAX {
            finish(std::mem::replace(&mut builder, SegmentBuilder::new("main", 0)));
        }
    }
    finish(builder);
    segments
}

fn query(segments: &[Arc<Segment>], term: &str) {
    let request = |columns| ScanRequest {
        filter: Filter::Term(Term::wildcard(term)),
        earliest: Timestamp::MIN,
        latest: Timestamp::MAX,
        sequence_from: None,
        resolver: Arc::new(NoFields),
        columns,
        newest_first: true,
        limit: Some(100),
    };
    let snapshot = taffrail_store::Snapshot { segments: segments.iter().cloned().map(taffrail_store::SegmentRef::Open).collect() };
    let mut best = (f64::MAX, f64::MAX, 0, 0);
    for _ in 0..3 {
        let start = Instant::now();
        let count = Scan::plan(&snapshot, request(vec![])).count().expect("counts");
        let counted = start.elapsed().as_secs_f64() * 1e3;
        let start = Instant::now();
        let scan = Scan::plan(&snapshot, request(vec![Column::Time, Column::Raw]));
        let rows: usize = scan.run(0).map(|batch| batch.expect("rows").num_rows()).sum();
        best = (best.0.min(counted), best.1.min(start.elapsed().as_secs_f64() * 1e3), count, rows);
    }
    println!("{term:24} {:>9} rows, count {:.3} ms, newest {} with text {:.1} ms", best.2, best.0, best.3, best.1);
}
