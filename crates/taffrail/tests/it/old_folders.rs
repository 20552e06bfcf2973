//! Data folders that an earlier version left, a part of their events still in the journal, open, search and go
//! on. They lie below `crates/store/tests/data/v<version>/folder` and are never made anew; a new version gets one
//! of its own: `cargo nextest run --workspace --run-ignored only -E 'test(keep_a_folder_of_this_version)'`.

use crate::harness::Scratch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{ManualClock, RealVfs, SeededRandomness, Vfs};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_evidence::{SealLog, seal_segment};
use taffrail_store::segment::MAGIC;
use taffrail_store::{Store, StoreOptions, StoreSettings};

const START: i64 = 1_700_000_000_000_000_000;

fn folder(version: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../store/tests/data/v{version}/folder"))
}

/// Events of a round: two go to segments, the third stays in the journal.
fn events(round: i64) -> impl Iterator<Item = (&'static str, i64, String)> {
    (0..120i64).map(move |at| {
        let number = round * 120 + at;
        let index = if at % 4 == 0 { "web" } else { "main" };
        let text = match at % 3 {
            0 => format!("round {round} user{} logged in from 10.9.{}.{}", at % 7, round, at),
            1 => format!("GET /page/{number} took {}.{:02} ms", number % 50, number % 100),
            _ => format!("note {number} \"{}\" kept", ["first", "second"][at as usize % 2]),
        };
        (index, START + number * 1_000_000_000, text)
    })
}

fn batch(round: i64) -> EventBatch {
    let mut batch = EventBatch::new(Timestamp(START + round * 120_000_000_000));
    for (index, time, text) in events(round) {
        let [host, source, sourcetype, transport, peer] = ["h", "/var/log/x.log", "plain", "file", ""].map(Arc::from);
        let number = batch.origin(&Origin { index: index.into(), host, source, sourcetype, transport, peer });
        batch.push(number, Timestamp(time), Problems::NONE, text.as_bytes());
    }
    batch.set_position("file/x", format!("{round}"));
    batch
}

fn options(dir: &Path) -> StoreOptions {
    StoreOptions {
        dir: dir.to_owned(),
        vfs: Arc::new(RealVfs),
        clock: Arc::new(ManualClock::at(START)),
        random: Arc::new(SeededRandomness::new(8)),
        read_only: false,
        settings: StoreSettings { synchronous: true, reserve_bytes: 0, ..StoreSettings::default() },
    }
}

#[test]
#[ignore = "writes test data into the sources, once for each version of the format"]
fn keep_a_folder_of_this_version() {
    let data = folder(MAGIC[7]);
    assert!(!data.exists(), "{} is kept as it is", data.display());
    let store = Store::open(options(&data)).unwrap();
    let sealed = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = sealed.clone();
    store.on_sealed(Box::new(move |meta| told.lock().unwrap().push(meta.clone())));
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs);
    let mut log = SealLog::open(vfs.clone(), &data, &SeededRandomness::new(9)).unwrap();
    for round in 0..2 {
        store.append_blocking(batch(round)).unwrap();
        store.flush().unwrap();
        for meta in sealed.lock().unwrap().drain(..) {
            let path = taffrail_store::catalog::segment_path(&meta);
            log.record(&seal_segment(&*vfs, &data, path.to_str().unwrap(), meta.events).unwrap()).unwrap();
        }
    }
    store.append_blocking(batch(2)).unwrap();
    drop(store);
    std::fs::remove_file(data.join("lock")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

fn check(scratch: &Scratch, more: u64) {
    assert_eq!(scratch.count("index=main"), 270 + more);
    assert_eq!(scratch.count("index=web"), 90);
    assert_eq!(scratch.count("index=* GET"), (0..3).flat_map(events).filter(|(_, _, text)| text.contains("GET")).count() as u64);
    assert_eq!(scratch.count("index=* \"logged in\" user3"), 18);
    let raw = String::from_utf8(scratch.ok(&["search", "--data", "@", "--output", "raw", "index=web | reverse"])).unwrap();
    let expected: Vec<String> = (0..3).flat_map(events).filter(|(index, ..)| *index == "web").map(|(.., text)| text).collect();
    assert_eq!(raw.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn folders_of_every_version_open_and_go_on() {
    // The newest version may still be in the making.
    for version in (1..=MAGIC[7]).filter(|version| *version == 1 || folder(*version).exists()) {
        let scratch = Scratch::new();
        copy(&folder(version), &scratch.data());
        // Read only first: nothing may need a writer.
        check(&scratch, 0);
        let store = Store::open(options(&scratch.data())).unwrap();
        assert_eq!(store.position("file/x").as_deref(), Some(&b"2"[..]));
        drop(store);
        let server = scratch.serve();
        server.ingest("index=main", b"a new event\n");
        server.stop();
        check(&scratch, 1);
        let report = taffrail_evidence::verify(&RealVfs, &scratch.data(), taffrail_evidence::verify::Options::default()).unwrap();
        assert!(report.is_intact() && report.seals > 4, "{report:?}");
    }
}
