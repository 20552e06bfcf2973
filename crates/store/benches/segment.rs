//! Encodes the lines of a file into segments and prints size, speed and query times.
//!
//! `cargo bench -p taffrail-store --profile demo --bench segment -- FILE [TERM ...]`; FILE is plain text. `COLUMNS=40` prints
//! that many of the largest columns, `HOSTS=1` takes the fourth word of a line for its host. Where FILE is a data folder, its segments are asked.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::Arc;
use taffrail_base::Ulid;
use taffrail_base::limits::SEGMENT_EVENTS_MAX;

use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_pattern::{NoFields, Term};
use taffrail_store::scan::Buckets;
use taffrail_store::segment::{BlockCache, Segment, SegmentBuilder};
use taffrail_store::{Column, CountField, Filter, Scan, ScanRequest, SegmentMeta, Store, StoreOptions, StoreSettings};

/// Raw bytes of a segment, in MiB, unless `SEGMENT` says otherwise.
const SEGMENT_MIB: usize = 32;

/// The compression level, 3 unless `LEVEL` says otherwise.
fn level() -> i32 {
    std::env::var("LEVEL").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// CPU seconds of this process so far: the machine may be shared, its clock on the wall says little.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a Linux machine");
    let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).map(|t| t.parse().expect("ticks")).collect();
    (ticks[0] + ticks[1]) / 100.0
}

/// Nanoseconds of CPU that this thread has had, for work of a millisecond or less.
fn thread_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux machine");
    stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some((path, terms)) = arguments.split_first() else {
        println!("usage: segment FILE [TERM ...]");
        return;
    };
    if std::path::Path::new(path).is_dir() {
        let snapshot = folder(path);
        let snapshot = match std::env::var("MERGE").ok().and_then(|text| text.parse().ok()) {
            Some(inputs) => merged(&snapshot, inputs),
            None => snapshot,
        };
        terms.iter().for_each(|term| query(&snapshot, term));
        if let Some(segment) = snapshot.segments.first() {
            print_largest(&segment.open().expect("opens"));
        }
        return;
    }
    let text = std::fs::read(path).expect("the file is read");
    let raw = text.len() as f64 / 1e6;
    let start = cpu_seconds();
    let packed = zstd::bulk::compress(&text, 3).expect("zstd");
    println!("{path}: {raw:.1} MB; zstd -3 {:.2} MB in {:.2} CPU s", packed.len() as f64 / 1e6, cpu_seconds() - start);
    let start = cpu_seconds();
    let (segments, files) = encode(&text);
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
    let folder = tempfile::tempdir().expect("a folder");
    let snapshot = on_disk(&files, folder.path());
    for term in terms {
        query(&snapshot, term);
    }
    segments.iter().take(1).for_each(|segment| print_largest(segment));
}

fn print_largest(segment: &Segment) {
    let most = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    segment.largest(most).iter().for_each(|line| println!("  {line}"));
}

/// What a data folder holds.
fn folder(path: &str) -> taffrail_store::Snapshot {
    let (clock, random) = (Arc::new(taffrail_base::SystemClock::new()), Arc::new(taffrail_base::SystemRandomness));
    let vfs = Arc::new(taffrail_base::RealVfs);
    let options = StoreOptions { dir: path.into(), vfs, clock, random, read_only: true, settings: StoreSettings::default() };
    Store::open(options).expect("a data folder").snapshot()
}

/// The segments of a folder, so many at a time merged into one.
fn merged(snapshot: &taffrail_store::Snapshot, inputs: usize) -> taffrail_store::Snapshot {
    let start = cpu_seconds();
    let mut before: Vec<&taffrail_store::SegmentRef> = snapshot.segments.iter().collect();
    before.sort_by_key(|segment| segment.meta().first_sequence);
    let (raw, bytes): (u64, u64) =
        before.iter().fold((0, 0), |(raw, bytes), segment| (raw + segment.meta().raw_bytes, bytes + segment.meta().stored_bytes));
    let files: Encoded = before
        .chunks(inputs)
        .enumerate()
        .map(|(number, parts)| {
            let parts: Vec<Arc<Segment>> = parts.iter().map(|part| part.open().expect("opens")).collect();
            taffrail_store::segment::merge(&parts, Ulid(number as u128), level()).expect("merges")
        })
        .collect();
    let (seconds, after) = (cpu_seconds() - start, files.iter().map(|(_, meta)| meta.stored_bytes).sum::<u64>());
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux machine");
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    println!(
        "merged {} segments of {:.2} MB to {} of {:.2} MB, {:.0} MB of text per CPU s, {peak}",
        before.len(),
        bytes as f64 / 1e6,
        files.len(),
        after as f64 / 1e6,
        raw as f64 / 1e6 / seconds
    );
    on_disk(&files, tempfile::tempdir().expect("a folder").path())
}

type Encoded = Vec<(Vec<u8>, SegmentMeta)>;

/// The segments as files, opened as a store opens them.
fn on_disk(files: &Encoded, folder: &std::path::Path) -> taffrail_store::Snapshot {
    let vfs: Arc<dyn taffrail_base::Vfs> = Arc::new(taffrail_base::RealVfs);
    let cache = Arc::new(BlockCache::default());
    let open = |(bytes, meta): &(Vec<u8>, SegmentMeta)| {
        let path = folder.join(meta.id.to_string());
        std::fs::write(&path, bytes).expect("the file is written");
        let segment = Segment::open_cached(&vfs, path, meta.clone(), Some(cache.clone())).expect("opens");
        taffrail_store::SegmentRef::Open(segment)
    };
    taffrail_store::Snapshot { segments: files.iter().map(open).collect() }
}

fn encode(text: &[u8]) -> (Vec<Arc<Segment>>, Encoded) {
    let origin = Origin {
        index: "main".into(),
        host: "host".into(),
        source: "bench".into(),
        sourcetype: "text".into(),
        transport: "import".into(),
        peer: "".into(),
    };
    let (mut segments, mut files) = (Vec::new(), Vec::new());
    let mib = std::env::var("SEGMENT").ok().and_then(|t| t.parse().ok()).unwrap_or(SEGMENT_MIB);
    let mut builder = SegmentBuilder::new("main", 0);
    let mut finish = |builder: SegmentBuilder| {
        let (bytes, meta) = builder.finish(Ulid(segments.len() as u128), level()).expect("encodes");
        files.push((bytes.clone(), meta.clone()));
        segments.push(Segment::from_bytes(bytes, meta).expect("opens"));
    };
    let (mut time, hosts) = (0, std::env::var_os("HOSTS").is_some());
    for line in text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n') {
        // The event's time as a format would find it, where the splitter knows the layout.
        let at = line.iter().position(|b| *b == b'[').map_or(0, |at| at + 1);
        if let Some((found, _, _)) = [0, at].iter().find_map(|at| taffrail_pattern::split::time::parse(&line[*at..])) {
            time = found;
        }
        let mut batch = EventBatch::new(Timestamp(0));
        let number = match std::str::from_utf8(line).ok().and_then(|line| line.split_whitespace().nth(3)).filter(|_| hosts) {
            Some(host) => batch.origin(&Origin { host: host.into(), ..origin.clone() }),
            None => batch.origin(&origin),
        };
        batch.push(number, Timestamp(time), Problems::NONE, line);
        builder.push(batch.event(0));
        if builder.raw_bytes() >= mib << 20 || builder.events() >= SEGMENT_EVENTS_MAX * mib / SEGMENT_MIB {
            finish(std::mem::replace(&mut builder, SegmentBuilder::new("main", 0)));
        }
    }
    finish(builder);
    (segments, files)
}

/// What an argument asks: `re:EXPRESSION`, `hours:TERM`, `top:TERM:EXPRESSION`, `sub:TEXT`, or a term, of which
/// several joined by ` AND ` are all wanted.
fn query(snapshot: &taffrail_store::Snapshot, asked: &str) {
    let term = |text: &str| match text {
        "*" => Filter::All,
        text => Filter::And(text.split(" AND ").map(|term| Filter::Term(Term::wildcard(term))).collect()),
    };
    let regex = |text: &str| regex::Regex::new(text).expect("a regular expression");
    let (filter, group) = match asked.split_once(':').unwrap_or(("", asked)) {
        ("re", text) => (Filter::Regex(regex(text)), None),
        ("hours", text) => (term(text), None),
        ("sub", text) => (Filter::Term(Term::substring(text, false)), None),
        ("top", text) => {
            let (words, expression) = text.split_once(':').expect("top:TERM:EXPRESSION");
            (term(words), Some(regex(expression)))
        }
        _ => (term(asked), None),
    };
    let request = |columns| ScanRequest {
        filter: filter.clone(),
        earliest: Timestamp::MIN,
        latest: Timestamp::MAX,
        sequence_from: None,
        resolver: Arc::new(NoFields),
        columns,
        newest_first: true,
        limit: Some(100),
    };
    // The machine may be shared: of several batches, the quickest is nearest to what the work itself takes.
    let least = |work: &mut dyn FnMut() -> u64| {
        let (mut best, mut found) = (f64::INFINITY, work());
        for _ in 0..5 {
            let (began, mut times) = (thread_nanos(), 0u32);
            while times == 0 || (thread_nanos() - began < 50_000_000 && times < 2_000) {
                (found, times) = (work(), times + 1);
            }
            best = best.min((thread_nanos() - began) as f64 / 1e6 / f64::from(times));
        }
        (best, found)
    };
    let hour = 3_600_000_000_000i64;
    let (count, matched) = least(&mut || Scan::plan(snapshot, request(vec![])).count().expect("counts"));
    let (newest, rows) = least(&mut || {
        let scan = Scan::plan(snapshot, request(vec![Column::Time, Column::Raw]));
        scan.run(0).map(|batch| batch.expect("rows").num_rows() as u64).sum()
    });
    let (hours, _) = least(&mut || {
        let scan = Scan::plan(snapshot, request(vec![]));
        let Some((first, last)) = scan.time_range().expect("times") else { return 0 };
        let start = Timestamp(first.nanos().div_euclid(hour) * hour);
        let buckets = Buckets { start, span_nanos: hour, count: ((last.nanos() - start.nanos()) / hour + 1) as usize };
        scan.histogram(buckets).expect("counts").iter().sum()
    });
    println!("{asked:40} {matched:>9} rows, count {count:.3} ms, newest {rows} {newest:.3} ms, by hour {hours:.3} ms");
    if let Some(regex) = group {
        let name = regex.capture_names().flatten().next().expect("a named group").to_owned();
        let fields = [CountField::Group(regex, name)];
        let (ms, values) =
            least(&mut || Scan::plan(snapshot, request(vec![])).count_by(&fields).expect("counts").map_or(0, |c| c.events.len() as u64));
        println!("{:40} {values:>9} values, {ms:.3} ms", "");
    }
}
