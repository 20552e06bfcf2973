//! What a store does on a day without trouble, on the real disk.

use crate::ledger::{batch, origin, texts};
use std::path::Path;
use std::sync::{Arc, Mutex};
use taffrail_base::{ErrorKind, RealVfs, SystemClock, SystemRandomness};
use taffrail_event::{EventBatch, EventSink, Problems, Timestamp};
use taffrail_store::{Store, StoreOptions, StoreSettings, StoreSink};

pub fn options(dir: &Path) -> StoreOptions {
    StoreOptions {
        dir: dir.to_owned(),
        vfs: Arc::new(RealVfs),
        clock: Arc::new(SystemClock::new()),
        random: Arc::new(SystemRandomness),
        read_only: false,
        settings: StoreSettings { reserve_bytes: 0, ..StoreSettings::default() },
    }
}

fn read_only(dir: &Path) -> StoreOptions {
    StoreOptions { read_only: true, ..options(dir) }
}

/// Every file below a folder with its length and time of change.
fn files(dir: &Path) -> Vec<(std::path::PathBuf, u64, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let known = entry.metadata().unwrap();
        match known.is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push((entry.path(), known.len(), known.modified().unwrap())),
        }
    }
    found.sort();
    found
}

#[test]
fn appended_events_are_there_at_once_after_a_flush_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let newest = store.subscribe();
    let sealed = Arc::new(Mutex::new(Vec::new()));
    let told = sealed.clone();
    store.on_sealed(Box::new(move |meta| told.lock().unwrap().push(meta.clone())));
    let receipt = store.append_blocking(batch("main", &["one", "two"])).unwrap();
    assert_eq!((receipt.events, receipt.sequence), (2, 1));
    assert_eq!(*newest.borrow(), 1);
    assert_eq!(texts(&store, "main"), ["one", "two"]);
    let before = store.snapshot();
    store.flush().unwrap();
    store.append_blocking(batch("main", &["three"])).unwrap();
    store.append_blocking(batch("other", &["elsewhere"])).unwrap();
    assert_eq!(texts(&store, "main"), ["one", "two", "three"]);
    assert_eq!(before.segments.len(), 1);
    assert_eq!(before.segments[0].open().unwrap().meta().events, 2, "an old snapshot stays as it was");
    assert_eq!(sealed.lock().unwrap().len(), 1);
    let stat = store.stat();
    assert_eq!(
        stat.iter().map(|s| (s.index.as_str(), s.events, s.raw_bytes, s.segments)).collect::<Vec<_>>(),
        [("main", 3, 11, 1), ("other", 1, 9, 0)]
    );
    drop(store);
    let store = Store::open(options(folder.path())).unwrap();
    assert_eq!(texts(&store, "main"), ["one", "two", "three"]);
    assert_eq!(store.metrics().replayed_events, 2);
    store.close().unwrap();
    assert_eq!(store.append_blocking(batch("main", &["late"])).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(texts(&store, "main").len(), 3, "closed, and still to be read");
    let store = Store::open(options(folder.path())).unwrap();
    assert_eq!(store.metrics().replayed_events, 0);
    assert_eq!(texts(&store, "other"), ["elsewhere"]);
    assert_eq!(store.metrics().segments, 3);
    assert_eq!(store.metrics().journal_files, 1, "the journal was trimmed");
}

#[test]
fn positions_go_with_their_events() {
    let folder = tempfile::tempdir().unwrap();
    let set = |store: &Store, key: &str, value: &str| {
        let mut sent = batch("main", &["event"]);
        sent.set_position(key, value);
        store.append_blocking(sent).unwrap();
    };
    let store = Store::open(options(folder.path())).unwrap();
    set(&store, "file/a", "10");
    set(&store, "file/b", "20");
    store.flush().unwrap();
    set(&store, "file/a", "");
    set(&store, "file/b", "30");
    set(&store, "journald", "x");
    let expected = [("file/b".to_owned(), b"30".to_vec())];
    let sink = StoreSink(store);
    assert_eq!(sink.positions("file/"), expected);
    assert_eq!(sink.position("journald").unwrap(), b"x");
    drop(sink);
    for round in 0..3 {
        let store = Store::open(options(folder.path())).unwrap();
        assert_eq!(store.positions("file/"), expected, "round {round}");
        if round == 1 {
            store.close().unwrap();
        }
    }
}

#[test]
fn many_senders_share_syncs_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = options(folder.path());
    settings.settings.flush_bytes = 20_000;
    let store = Store::open(settings).unwrap();
    std::thread::scope(|scope| {
        for sender in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..100 {
                    let text = format!("{sender} {number} {}", "padding ".repeat(10));
                    store.append_blocking(batch(["main", "other"][sender % 2], &[&text])).unwrap();
                }
            });
        }
    });
    let metrics = store.metrics();
    assert_eq!(metrics.appended_events, 800);
    assert!(metrics.journal_syncs < 800, "{} syncs", metrics.journal_syncs);
    assert!(metrics.flushes > 0, "memory was written out on the way");
    let check = |store: &Store| {
        for sender in 0..8 {
            let prefix = format!("{sender} ");
            let own: Vec<String> =
                texts(store, ["main", "other"][sender % 2]).into_iter().filter(|text| text.starts_with(&prefix)).collect();
            assert_eq!(own.len(), 100);
            for (number, text) in own.iter().enumerate() {
                assert!(text.starts_with(&format!("{sender} {number} ")), "each sender's order is kept");
            }
        }
    };
    check(&store);
    drop(store);
    check(&Store::open(options(folder.path())).unwrap());
}

#[test]
fn reading_only_takes_no_lock_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Store::open(read_only(&folder.path().join("none"))).err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let writer = Store::open(options(folder.path())).unwrap();
    writer.append_blocking(batch("main", &["one"])).unwrap();
    writer.flush().unwrap();
    writer.append_blocking(batch("main", &["two"])).unwrap();
    let before = files(folder.path());
    let reader = Store::open(read_only(folder.path())).unwrap();
    assert_eq!(texts(&reader, "main"), ["one", "two"]);
    assert_eq!(reader.append_blocking(batch("main", &["x"])).unwrap_err().kind(), ErrorKind::Invalid);
    reader.close().unwrap();
    assert_eq!(files(folder.path()), before);
    drop(writer);
    let reader = Store::open(read_only(folder.path())).unwrap();
    assert_eq!(texts(&reader, "main"), ["one", "two"]);
    assert_eq!(files(folder.path()), before);
}

#[test]
fn readers_beside_a_busy_writer_see_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = options(folder.path());
    settings.settings.flush_events = 40;
    let writer = Store::open(settings).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 0..400 {
                writer.append_blocking(batch("main", &[&number.to_string()])).unwrap();
            }
        });
        let mut seen = 0;
        while !writing.is_finished() {
            let reader = Store::open(read_only(folder.path())).unwrap();
            let found = texts(&reader, "main");
            assert!(found.len() >= seen);
            seen = found.len();
            assert!(found.iter().enumerate().all(|(number, text)| *text == number.to_string()));
        }
    });
}

#[test]
fn a_second_writer_is_told_who_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let error = Store::open(options(folder.path())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.hint().is_some());
    store.close().unwrap();
    Store::open(options(folder.path())).unwrap();
}

#[test]
fn what_cannot_be_kept_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    for index in ["", "../etc", "Main", "a/b", "-x"] {
        assert_eq!(store.append_blocking(batch(index, &["x"])).unwrap_err().kind(), ErrorKind::Invalid, "{index}");
    }
    let mut huge = EventBatch::new(Timestamp(0));
    let number = huge.origin(&origin("main", "host"));
    for _ in 0..70_000 {
        huge.push(number, Timestamp(0), Problems::NONE, b"");
    }
    assert_eq!(store.append_blocking(huge).unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(store.append_blocking(EventBatch::new(Timestamp(0))).unwrap().events, 0);
    assert_eq!(store.metrics().failed_batches, 6);
    assert!(store.stat().is_empty());
}

#[test]
fn one_event_of_the_largest_size_goes_in_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let bytes: Vec<u8> = (0..taffrail_base::limits::EVENT_BYTES_MAX).map(|_| rng.u8(..)).collect();
    let mut sent = EventBatch::new(Timestamp(0));
    let number = sent.origin(&origin("main", "host"));
    sent.push(number, Timestamp(0), Problems::NOT_UTF8, &bytes);
    store.append_blocking(sent).unwrap();
    let check = |store: &Store| assert!(crate::ledger::contents(store).unwrap()["main"][0].1 == bytes);
    check(&store);
    drop(store);
    let store = Store::open(options(folder.path())).unwrap();
    check(&store);
    store.flush().unwrap();
    check(&store);
}

/// What a busy index writes is not kept in the journal for the few events of a quiet one.
#[test]
fn a_quiet_index_does_not_keep_a_long_journal() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.settings = StoreSettings { flush_bytes: 20_000, journal_file_bytes: 20_000, synchronous: true, ..options.settings };
    let store = Store::open(options).unwrap();
    let line = "x".repeat(1_000);
    let mut most = 0;
    for round in 0..600 {
        if round % 200 == 0 {
            store.append_blocking(batch("quiet", &["now and then"])).unwrap();
        }
        store.append_blocking(batch("busy", &[&*line; 10])).unwrap();
        most = most.max(store.metrics().journal_bytes);
    }
    assert!(most < 900_000, "{most} bytes of journal, and 6,000,000 were written");
    assert_eq!((texts(&store, "quiet").len(), texts(&store, "busy").len()), (3, 6_000));
}
