//! `import`: contents once, killed and resumed anywhere, whatever they are called and however compressed.

use crate::sink::{Disk, Failure, MemorySink};
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_collect::import::{ImportItem, ImportOptions, ImportProgress, ImportReport, import};
use taffrail_collect::input::Stop;
use taffrail_event::Problems;

fn run(sink: &Arc<MemorySink>, items: Vec<ImportItem>, options: &ImportOptions) -> Result<ImportReport> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_stopper, stop) = Stop::channel();
    import(items, options, &sink.context(), runtime.handle(), &Arc::<ImportProgress>::default(), &stop)
}

fn paths(sink: &Arc<MemorySink>, paths: &[&Path]) -> ImportReport {
    let items = paths.iter().map(|path| ImportItem::Path(path.to_path_buf())).collect();
    run(sink, items, &ImportOptions::default()).unwrap()
}

fn numbered(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, number| {
        writeln!(text, "2026-03-01T00:00:00Z host app: line {number} of this log").unwrap();
        text
    })
}

fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_bytes_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = numbered(0, 5_000) + "\n\r\nno time, no newline at the end";
    let sink = MemorySink::new();
    let report = paths(&sink, &[&file(folder.path(), "a.log", &text)]);
    assert_eq!(sink.lines(), (text.clone() + "\n").into_bytes());
    assert_eq!((report.files, report.files_known, report.events), (1, 0, 5_003));
    assert_eq!(report.bytes, sink.events().iter().map(|event| event.raw.len() as u64).sum::<u64>());
}

#[test]
fn the_same_content_adds_nothing_under_any_name_or_compression() {
    let folder = tempfile::tempdir().unwrap();
    let text = numbered(0, 2_000);
    let bytes = text.as_bytes();
    let sink = MemorySink::new();
    let original = file(folder.path(), "a.log", bytes);
    assert_eq!(paths(&sink, &[&original]).events, 2_000);
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(bytes).unwrap();
    let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz2.write_all(bytes).unwrap();
    let same = [
        original,
        file(folder.path(), "renamed", bytes),
        file(folder.path(), "packed/a.gz", gzip(bytes)),
        file(folder.path(), "packed/members.gz", [gzip(&bytes[..777]), gzip(&bytes[777..])].concat()),
        file(folder.path(), "packed/a.zst", zstd::encode_all(bytes, 1).unwrap()),
        file(folder.path(), "packed/a.xz", xz.finish().unwrap()),
        file(folder.path(), "packed/a.bz2", bz2.finish().unwrap()),
    ];
    for path in &same {
        let report = paths(&sink, &[path]);
        assert_eq!((report.files, report.files_known, report.events), (1, 1, 0), "{}", path.display());
    }
    // All in one go as well, with nothing known before, read by two readers at the same time.
    let fresh = MemorySink::new();
    let report = paths(&fresh, &[folder.path()]);
    assert_eq!((report.files, report.files_known, report.events, fresh.count()), (7, 6, 2_000, 2_000));
    // Unless it is asked for.
    let items = vec![ImportItem::Path(same[0].clone())];
    let again = ImportOptions { again: true, ..ImportOptions::default() };
    assert_eq!(run(&fresh, items, &again).unwrap().events, 2_000);
    assert_eq!(fresh.count(), 4_000);
    // Another index knows nothing of it.
    let other = ImportOptions { index: Some("other".into()), ..ImportOptions::default() };
    assert_eq!(run(&fresh, vec![ImportItem::Path(same[2].clone())], &other).unwrap().events, 2_000);
}

#[test]
fn a_file_that_grew_adds_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let sink = MemorySink::new();
    let whole = numbered(0, 3_000);
    // Shorter and longer than what is looked up by, in the middle of a line, at its end, before its newline.
    let line = whole.find('\n').unwrap();
    for end in [0, 10, line, line + 1, 4_000, 4_096, 4_200, 50_000, whole.len() - 1, whole.len()] {
        paths(&sink, &[&file(folder.path(), "grows.log", &whole[..end])]);
    }
    let joined: Vec<u8> = sink.events().iter().enumerate().fold(Vec::new(), |mut bytes, (at, event)| {
        if at > 0 && !event.problems.contains(Problems::CONTINUED) {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&event.raw);
        bytes
    });
    assert_eq!(String::from_utf8(joined).unwrap() + "\n", whole);
    // One that begins alike and then differs is another.
    let mut other = whole.clone().into_bytes();
    other[60_000] = b'#';
    let before = sink.count();
    assert_eq!(paths(&sink, &[&file(folder.path(), "other.log", &other)]).events, 3_000);
    assert_eq!(sink.count(), before + 3_000);
    assert_eq!(paths(&sink, &[&file(folder.path(), "other.log.gz", gzip(&other))]).events, 0);
}

/// Enough for three batches.
const LINES: usize = 5_000;

#[test]
fn an_import_that_failed_at_any_batch_goes_on_exactly() {
    let folder = tempfile::tempdir().unwrap();
    // Several batches of 4 MiB, and several files in one batch.
    let mut text = String::new();
    for number in 0..LINES {
        writeln!(text, "2026-03-01T00:00:00Z app[{number}]: {:0>2000}", number * 7).unwrap();
    }
    let big = file(folder.path(), "big.log", &text);
    let packed = file(folder.path(), "other.log.gz", gzip(&text.as_bytes()[100..]));
    let expected = [text.as_bytes(), &text.as_bytes()[100..]].concat();
    let small: Vec<PathBuf> = (0..5).map(|n| file(folder.path(), &format!("small{n}"), format!("small {n}\n"))).collect();
    let all: Vec<&Path> = [big.as_path(), packed.as_path()].into_iter().chain(small.iter().map(PathBuf::as_path)).collect();
    let items = || all.iter().map(|path| ImportItem::Path(path.to_path_buf())).collect::<Vec<_>>();
    for batch in [0, 1, 2, 4] {
        for failure in [Failure::Io(batch), Failure::DoneButFailed(batch)] {
            let disk = Arc::<Mutex<Disk>>::default();
            let error = run(&MemorySink::failing(&disk, failure), items(), &ImportOptions::default());
            let sink = MemorySink::over(&disk);
            let report = run(&sink, items(), &ImportOptions::default()).unwrap();
            if disk.lock().appends > batch + 1 && report.events > 0 {
                assert!(error.is_err(), "the first run must have failed at {failure:?}");
            }
            assert_eq!(run(&sink, items(), &ImportOptions::default()).unwrap().events, 0, "{failure:?}");
            // Two readers: in order per file.
            for (path, content) in [(&big, &expected[..text.len()]), (&packed, &expected[text.len()..])] {
                let name = path.display().to_string();
                let got: Vec<u8> = sink
                    .events()
                    .iter()
                    .filter(|event| *event.origin.source == *name)
                    .flat_map(|event| event.raw.iter().copied().chain([b'\n']))
                    .collect();
                assert!(got == content, "{failure:?}: {name}: {} bytes instead of {}", got.len(), content.len());
            }
            assert_eq!(sink.count(), LINES * 2 + 5, "{failure:?}");
        }
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let sink = MemorySink::failing(&Arc::default(), Failure::Full(3));
    let text = numbered(0, 100);
    assert_eq!(paths(&sink, &[&file(folder.path(), "a", &text)]).events, 100);
    assert_eq!(sink.lines(), text.into_bytes());
}

#[test]
fn garbage_and_ten_megabyte_lines_are_kept_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = fastrand_like(11);
    let mut bytes: Vec<u8> = (0..3_000_000).map(|_| rng()).collect();
    bytes.push(b'\n');
    bytes.extend(std::iter::repeat_n(b'x', 10_000_000));
    bytes.extend(b"\n\0\0\0\nend\n");
    bytes.extend(std::iter::repeat_n(b'y', 40_000_000));
    let sink = MemorySink::new();
    let report = paths(&sink, &[&file(folder.path(), "garbage", &bytes)]);
    assert_eq!(report.problems, Vec::<String>::new());
    let mut back = Vec::new();
    for (at, event) in sink.events().iter().enumerate() {
        if at > 0 && !event.problems.contains(Problems::CONTINUED) {
            back.push(b'\n');
        }
        back.extend_from_slice(&event.raw);
    }
    assert!(back == bytes, "{} bytes instead of {}", back.len(), bytes.len());
    assert_eq!(paths(&sink, &[&folder.path().join("garbage")]).events, 0);
}

#[test]
fn a_damaged_archive_gives_what_can_be_read_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = numbered(0, 20_000);
    let mut packed = gzip(text.as_bytes());
    packed.truncate(packed.len() / 2);
    let path = file(folder.path(), "cut.gz", &packed);
    let sink = MemorySink::new();
    let report = paths(&sink, &[&path]);
    assert!(report.events > 1_000 && report.problems.len() == 1, "{report:?}");
    let lines = sink.lines();
    assert!(text.as_bytes().starts_with(&lines[..lines.len() - 1]));
    assert_eq!(paths(&sink, &[&path]).events, 0, "known up to the damage");
}

#[test]
fn streams_are_always_read_and_may_be_compressed() {
    let sink = MemorySink::new();
    for bytes in [b"one\ntwo".to_vec(), gzip(b"one\ntwo")] {
        let reader = Box::new(std::io::Cursor::new(bytes));
        let items = vec![ImportItem::Stream { name: "stdin".into(), reader }];
        assert_eq!(run(&sink, items, &ImportOptions::default()).unwrap().events, 2);
    }
    assert_eq!(sink.texts(), ["one", "two", "one", "two"]);
    assert_eq!(&*sink.events()[0].origin.source, "stdin");
    assert!(sink.disk.lock().positions.is_empty());
}

#[test]
fn folders_leave_out_binaries_and_wrong_calls_say_why() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "b/system.journal", b"LPKSHHRH....");
    file(folder.path(), "wtmp", [0; 384]);
    file(folder.path(), "a.log", "text\n");
    file(folder.path(), "empty.log", "");
    let sink = MemorySink::new();
    let report = paths(&sink, &[folder.path()]);
    assert_eq!((report.files, report.files_skipped, report.events), (2, 2, 1));
    let run_with = |path: &str, index: &str| {
        let options = ImportOptions { index: Some(index.into()), ..ImportOptions::default() };
        run(&sink, vec![ImportItem::Path(path.into())], &options).unwrap_err()
    };
    assert_eq!(run_with("/nowhere/at all", "main").kind(), taffrail_base::ErrorKind::NotFound);
    assert_eq!(run_with("/nowhere/at all", "../x").kind(), taffrail_base::ErrorKind::Invalid);
    assert_eq!(run_with("/dev/null", "main").kind(), taffrail_base::ErrorKind::Invalid);
}

#[test]
fn two_thousand_files_in_one_go() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..2_000 {
        file(folder.path(), &format!("{}/{number}.log", number % 10), format!("2026-03-01 00:00:00 file {number}\n"));
    }
    let sink = MemorySink::new();
    assert_eq!(paths(&sink, &[folder.path()]).events, 2_000);
    assert!(sink.disk.lock().appends < 10, "small files share batches");
    assert_eq!(paths(&sink, &[folder.path()]).events, 0);
}

/// A small generator of bytes that is the same every time.
fn fastrand_like(mut state: u64) -> impl FnMut() -> u8 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    }
}

#[test]
fn records_of_cloudtrail_are_events() {
    let folder = tempfile::tempdir().unwrap();
    let record = |number: u32| {
        format!(
            "{{\"eventVersion\":\"1.08\",\"eventTime\":\"2026-11-21T21:14:{number:02}Z\",\"eventName\":\"ConsoleLogin\",\"n\":[{number}]}}"
        )
    };
    let all: Vec<String> = (0..30).map(record).collect();
    let packed = gzip(format!("{{\"Records\":[{}]}}", all.join(",")).as_bytes());
    let sink = MemorySink::new();
    let report =
        paths(&sink, &[&file(folder.path(), "AWSLogs/1/CloudTrail/x.json.gz", &packed), &file(folder.path(), "again.json.gz", &packed)]);
    assert_eq!((report.files, report.files_known, report.events, &report.problems[..]), (2, 1, 30, &[][..]));
    assert_eq!(sink.texts(), all);
    let event = &sink.events()[7];
    assert_eq!((event.time.to_string().as_str(), &*event.origin.sourcetype), ("2026-11-21T21:14:07Z", "json"));
    // One that says other things stays what it is.
    let other = "{\"Records\": 5}\n{\"a\":1}\n";
    assert_eq!(paths(&sink, &[&file(folder.path(), "other.json", other)]).events, 2);
}
