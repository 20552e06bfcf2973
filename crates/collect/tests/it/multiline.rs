//! Events of several lines and whole files: held until they are complete, never lost, never twice.

use crate::files::{Follower, append, everything_in};
use crate::sink::{Disk, Failure, MemorySink};
use parking_lot::Mutex;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use taffrail_base::Result;
use taffrail_collect::files::FileSettings;
use taffrail_collect::http::{Body, IngestOrigin, batches};
use taffrail_collect::import::{ImportItem, ImportOptions, ImportProgress, ImportReport, import};
use taffrail_collect::input::Stop;
use taffrail_event::{Problems, Timestamp};

/// A log line, with a stack trace below every third.
fn traces(from: usize, to: usize) -> String {
    let event = |n: usize| {
        let below = format!("com.example.Failure: no {n}\n\tat com.example.A.b(A.java:{n})\n\nCaused by: x.Y: z\n\t... {} more\n", n % 9);
        format!(
            "2026-03-01 00:00:{:02},{:03} ERROR [main] event {n}\n{}",
            n / 1_000 % 60,
            n % 1_000,
            if n.is_multiple_of(3) { &below } else { "" }
        )
    };
    (from..to).map(event).collect()
}

fn assert_events(sink: &MemorySink, from: usize, to: usize) {
    let got = sink.texts();
    for (text, n) in got.iter().zip(from..) {
        assert_eq!(text.to_owned() + "\n", traces(n, n + 1));
    }
    assert_eq!(got.len(), to - from);
}

fn quiet(folder: &Path, seconds: f64) -> FileSettings {
    FileSettings { quiet_seconds: seconds, ..everything_in(folder) }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    (folder, path)
}

#[test]
fn the_last_event_waits_for_the_next_or_for_a_rest() {
    let (folder, path) = folder();
    append(&path, traces(0, 4));
    let sink = MemorySink::new();
    let follower = Follower::start(&sink, quiet(folder.path(), 100.0));
    follower.wait_for(3);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(sink.count(), 3, "event 3 may go on");
    append(&path, traces(4, 5));
    follower.wait_for(4);
    assert_events(&sink, 0, 4);
    follower.stop();
    let follower = Follower::start(&sink, quiet(folder.path(), 0.2));
    follower.wait_for(5);
    assert_events(&sink, 0, 5);
    // Lines that come late are an event of their own, and have its time.
    append(&path, "\tat com.example.Late.b(Late.java:1)\n\tat com.example.Late.c(Late.java:2)\n");
    follower.wait_for(6);
    let late = sink.events().pop().unwrap();
    assert_eq!(late.text(), "\tat com.example.Late.b(Late.java:1)\n\tat com.example.Late.c(Late.java:2)");
    assert!(late.problems.contains(Problems::MORE_LINES));
    assert_eq!(late.time, sink.events()[4].time);
    follower.stop();
}

#[test]
fn restarts_in_the_middle_of_events_lose_and_double_nothing() {
    let (folder, path) = folder();
    let text = traces(0, 40);
    let disk = Arc::<Mutex<Disk>>::default();
    // Cut anywhere, in the middle of lines too; killed (a sink that fails) or stopped.
    for (round, piece) in text.as_bytes().chunks(97).enumerate() {
        append(&path, piece);
        if round % 4 == 3 {
            let failure = if round % 8 == 3 { Failure::DoneButFailed(0) } else { Failure::None };
            let settings = FileSettings { partial_line_seconds: 100.0, ..quiet(folder.path(), 100.0) };
            let follower = Follower::start(&MemorySink::failing(&disk, failure), settings);
            std::thread::sleep(Duration::from_millis(60));
            follower.stop();
        }
    }
    let sink = MemorySink::over(&disk);
    let follower = Follower::start(&sink, quiet(folder.path(), 0.1));
    follower.wait_for(40);
    std::thread::sleep(Duration::from_millis(250));
    follower.stop();
    assert_events(&sink, 0, 40);
}

#[test]
fn the_last_event_of_a_renamed_log_comes_before_the_new_one() {
    let (folder, path) = folder();
    append(&path, traces(0, 4));
    let sink = MemorySink::new();
    let follower = Follower::start(&sink, quiet(folder.path(), 100.0));
    follower.wait_for(3);
    std::fs::rename(&path, folder.path().join("app.log.1")).unwrap();
    append(&path, traces(4, 7));
    follower.wait_for(6);
    follower.stop();
    assert_events(&sink, 0, 6);
}

#[test]
fn a_format_file_of_ones_own_says_what_an_event_is() {
    let file = |text: &str| taffrail_format::FormatFile::read("orders", text).unwrap();
    let by_order = "summary = 'x'\nsourcetypes = ['orders']\n[event]\nbegins = ['ORDER ']\n";
    let (folder, path) = folder();
    append(&path, "ORDER 1\nlamp\nORDER 2\nchair\n");
    let sink = MemorySink::new();
    let settings = FileSettings { sourcetype: Some("orders".into()), ..quiet(folder.path(), 0.1) };
    let follower = Follower::start(&sink, settings);
    // Nobody says anything of them yet.
    follower.wait_for(4);
    sink.rules.set(&[file(by_order)], false);
    append(&path, "ORDER 3\nlamp\ntable\nORDER 4\n");
    follower.wait_for(6);
    sink.rules.set(&[], false);
    append(&path, "ORDER 5\nlamp\n");
    follower.wait_for(8);
    follower.stop();
    assert_eq!(sink.texts(), ["ORDER 1", "lamp", "ORDER 2", "chair", "ORDER 3\nlamp\ntable", "ORDER 4", "ORDER 5", "lamp"]);
    // The same for what is imported, and for bodies.
    let sink = MemorySink::new();
    sink.rules.set(&[file(by_order)], false);
    run(&sink, &path, &ImportOptions { sourcetype: Some("orders".into()), ..ImportOptions::default() }).unwrap();
    assert_eq!(sink.count(), 5);
    let origin = IngestOrigin { sourcetype: Some("orders".into()), rules: Arc::clone(&sink.rules), ..IngestOrigin::default() };
    assert_eq!(batches(Body::Raw, b"ORDER 1\nlamp\nORDER 2\n", &origin, Timestamp(0)).unwrap()[0].len(), 2);
}

fn run(sink: &Arc<MemorySink>, path: &Path, options: &ImportOptions) -> Result<ImportReport> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_stopper, stop) = Stop::channel();
    let items = vec![ImportItem::Path(path.to_owned())];
    import(items, options, &sink.context(), runtime.handle(), &Arc::<ImportProgress>::default(), &stop)
}

#[test]
fn an_import_that_failed_goes_on_before_the_open_event() {
    let (folder, path) = folder();
    append(&path, traces(0, 60_000));
    let _ = folder;
    for failure in [Failure::None, Failure::Io(0), Failure::Io(1), Failure::DoneButFailed(1)] {
        let disk = Arc::<Mutex<Disk>>::default();
        let result = run(&MemorySink::failing(&disk, failure), &path, &ImportOptions::default());
        assert_eq!(result.is_ok(), failure == Failure::None);
        let sink = MemorySink::over(&disk);
        run(&sink, &path, &ImportOptions::default()).unwrap();
        assert_events(&sink, 0, 60_000);
    }
}

#[test]
fn bodies_are_broken_by_the_rule_of_their_format() {
    let text = traces(0, 7);
    let all = batches(Body::Raw, text.as_bytes(), &IngestOrigin::default(), Timestamp(1_800_000_000_000_000_000)).unwrap();
    let raw: Vec<String> = all[0].iter().map(|event| String::from_utf8_lossy(event.raw).into_owned() + "\n").collect();
    assert_eq!(raw, (0..7).map(|n| traces(n, n + 1)).collect::<Vec<_>>());
    let json = b"{\n \"time\": \"2026-03-01T00:00:00Z\"\n}\n{\"a\":1}\n";
    let origin = IngestOrigin { sourcetype: Some("json".into()), ..IngestOrigin::default() };
    let all = batches(Body::Raw, json, &origin, Timestamp(0)).unwrap();
    assert_eq!(all[0].len(), 2);
    let all = batches(Body::Ndjson, json, &IngestOrigin::default(), Timestamp(0)).unwrap();
    assert_eq!(all[0].len(), 4, "NDJSON has an object a line");
}

fn set_modified(path: &Path, seconds: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

#[test]
fn a_year_that_is_not_written_is_that_of_the_file() {
    let (folder, path) = folder();
    append(&path, "Dec 31 23:59:58 web app: old\nJan  1 00:00:01 web app: new\n");
    append(&path, "Dec 31 23:59:59 web app: late\nJan  2 10:00:00 web app: last\n");
    // 2020-01-02T10:00:05Z
    set_modified(&path, 1_577_959_205);
    let expected = ["2019-12-31T23:59:58Z", "2020-01-01T00:00:01Z", "2019-12-31T23:59:59Z", "2020-01-02T10:00:00Z"];
    let check = |sink: &MemorySink| {
        let events = sink.events();
        assert_eq!(events.iter().map(|event| event.time.to_string()).collect::<Vec<_>>(), expected);
        assert!(events.iter().all(|event| event.problems == Problems::INFERRED_TIME));
    };
    let imported = MemorySink::new();
    run(&imported, &path, &ImportOptions::default()).unwrap();
    check(&imported);
    let followed = MemorySink::new();
    let follower = Follower::start(&followed, everything_in(folder.path()));
    follower.wait_for(4);
    check(&followed);
    // What is written now is of now.
    append(&path, "Jan  3 10:00:00 web app: now\n");
    follower.wait_for(5);
    assert!(followed.events()[4].time.0 > 1_700_000_000_000_000_000);
    follower.stop();
    // A time of modification that nobody set says nothing.
    let unset = folder.path().join("unset.log");
    append(&unset, "Jan  3 10:00:00 web app: x\n");
    set_modified(&unset, 0);
    let sink = MemorySink::new();
    run(&sink, &unset, &ImportOptions::default()).unwrap();
    assert!(sink.events()[0].time.0 > 1_700_000_000_000_000_000);
}

#[test]
fn a_whole_file_is_one_event_until_it_changes() {
    let (folder, path) = folder();
    let content = "[server]\nport = 1\n\n  # text\n2026-01-01 00:00:00 no event of its own\n".repeat(2_000);
    append(&path, &content);
    set_modified(&path, 1_577_959_205);
    let sink = MemorySink::new();
    let options = ImportOptions { whole_file: true, ..ImportOptions::default() };
    let report = run(&sink, folder.path(), &options).unwrap();
    assert_eq!((report.events, report.files, report.files_known), (1, 1, 0));
    let event = sink.events().pop().unwrap();
    assert_eq!(event.text(), content);
    assert_eq!((event.time.to_string().as_str(), event.problems), ("2020-01-02T10:00:05Z", Problems::NONE));
    assert_eq!((&*event.origin.source, &*event.origin.sourcetype), (path.to_str().unwrap(), "file"));
    // Touched, not changed; another file with the same content is another; changed.
    set_modified(&path, 1_577_959_300);
    assert_eq!(run(&sink, &path, &options).unwrap().files_known, 1);
    std::fs::copy(&path, folder.path().join("copy")).unwrap();
    assert_eq!(run(&sink, folder.path(), &options).unwrap().events, 1);
    append(&path, "more = 1\n");
    assert_eq!(run(&sink, folder.path(), &options).unwrap().events, 1);
    assert_eq!(sink.events().pop().unwrap().text(), content.clone() + "more = 1\n");
    assert_eq!(run(&sink, folder.path(), &ImportOptions { again: true, ..options }).unwrap().events, 2);
}

#[test]
fn a_whole_file_beyond_the_limit_is_split_and_said() {
    let (folder, path) = folder();
    let content: Vec<u8> = (0..40_000_000u32).map(|n| if n % 50 == 49 { b'\n' } else { b'a' + (n % 7) as u8 }).collect();
    std::fs::write(&path, &content).unwrap();
    let options = ImportOptions { whole_file: true, ..ImportOptions::default() };
    for failure in [Failure::None, Failure::Io(1), Failure::DoneButFailed(1)] {
        let disk = Arc::<Mutex<Disk>>::default();
        let report = run(&MemorySink::failing(&disk, failure), folder.path(), &options);
        if let Ok(report) = &report {
            assert_eq!(report.problems.len(), 1, "{report:?}");
            assert!(report.problems[0].contains("3 events"), "{report:?}");
        }
        let sink = MemorySink::over(&disk);
        run(&sink, folder.path(), &options).unwrap();
        let events = sink.events();
        assert_eq!(events.iter().map(|event| event.problems.contains(Problems::CONTINUED)).collect::<Vec<_>>(), [false, true, true]);
        assert!(events.iter().flat_map(|event| event.raw.iter().copied()).eq(content.iter().copied()), "{failure:?}");
    }
}

#[test]
fn followed_whole_files_are_taken_again_when_they_change() {
    let (folder, path) = folder();
    let settings = || FileSettings { whole_file: true, sourcetype: Some("config".into()), ..everything_in(folder.path()) };
    append(&path, "a = 1\nb = 2\n");
    set_modified(&path, 1_577_959_205);
    let sink = MemorySink::new();
    let follower = Follower::start(&sink, settings());
    follower.wait_for(1);
    set_modified(&path, 1_577_959_206);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(sink.count(), 1, "touched, not changed");
    append(&path, "c = 3\n");
    follower.wait_for(2);
    follower.stop();
    append(&path, "d = 4\n");
    set_modified(&path, 1_577_959_300);
    let follower = Follower::start(&sink, settings());
    follower.wait_for(3);
    std::thread::sleep(Duration::from_millis(200));
    let snapshot = follower.stop();
    assert_eq!(sink.texts(), ["a = 1\nb = 2\n", "a = 1\nb = 2\nc = 3\n", "a = 1\nb = 2\nc = 3\nd = 4\n"]);
    assert_eq!(&*sink.events()[0].origin.sourcetype, "config");
    assert_eq!(snapshot.total().stored_events, 1);
}
