//! What becomes of segments: files of narrow ranges, merging, holds, deletion, through crashes.

use crate::ledger::{contents, open_sim, origin, texts};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Clock, ErrorKind, ManualClock, SimVfs, Vfs};
use taffrail_event::{EventBatch, Problems, Timestamp};
use taffrail_store::catalog::Hold;
use taffrail_store::check::{CheckOptions, Finding, Severity, Watch, check};
use taffrail_store::{DiskLimit, IndexRules, Rules, Store, StoreSettings};

const HOUR: i64 = 3_600_000_000_000;
const START: i64 = 1_700_000_000_000_000_000;

fn settings() -> StoreSettings {
    StoreSettings { flush_events: 100, ..StoreSettings::default() }
}

/// Appends events of these times, in hours from the start; each says its time.
fn append(store: &Store, index: &str, hours: &[i64]) {
    let mut batch = EventBatch::new(Timestamp(START));
    let slot = batch.origin(&origin(index, "host"));
    for hour in hours {
        batch.push(slot, Timestamp(START + hour * HOUR), Problems::NONE, format!("hour {hour} of the test").as_bytes());
    }
    store.append_blocking(batch).unwrap();
}

fn ranges(store: &Store) -> Vec<(i64, i64, u64)> {
    let snapshot = store.snapshot();
    let hours = |time: Timestamp| (time.nanos() - START) / HOUR;
    let meta = |segment: &taffrail_store::SegmentRef| {
        let meta = segment.meta();
        (hours(meta.min_time), hours(meta.max_time), meta.events)
    };
    let mut ranges: Vec<_> = snapshot.segments.iter().map(meta).collect();
    ranges.sort_unstable();
    ranges
}

fn files(vfs: &SimVfs) -> usize {
    let list = |folder: &Path| vfs.read_dir(folder).unwrap_or_default();
    let days = list(Path::new("/data/segments")).into_iter().flat_map(|index| list(&index));
    days.flat_map(|day| list(&day)).count()
}

/// What the check of the whole folder finds wrong.
fn assert_sound(vfs: &SimVfs) {
    struct Findings(Vec<Finding>);
    impl Watch for Findings {
        fn finding(&mut self, finding: Finding) {
            self.0.push(finding);
        }
    }
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let mut found = Findings(Vec::new());
    let open = |dir: &Path| -> taffrail_base::Result<Box<dyn taffrail_store::catalog::Catalog>> {
        Ok(Box::new(taffrail_store::catalog::SimCatalog::open(disk.clone(), dir)?))
    };
    check(disk.clone(), Path::new("/data"), CheckOptions::default(), &open, &mut found).unwrap();
    found.0.retain(|finding| finding.severity > Severity::Note);
    assert!(found.0.is_empty(), "{:#?}", found.0);
}

fn hold(index: Option<&str>, from: i64, to: i64) -> Hold {
    let (earliest, latest) = (Timestamp(START + from * HOUR), Timestamp(START + to * HOUR));
    Hold { index: index.map(Arc::from), earliest, latest, reason: "a test".into(), since: Timestamp(START) }
}

#[test]
fn late_events_do_not_widen_the_ranges_of_ordinary_segments() {
    let (vfs, clock) = (SimVfs::new(1), Arc::new(ManualClock::at(START)));
    let store = open_sim(&vfs, &clock, 1, settings()).unwrap();
    append(&store, "main", &[0, 1, -9_000, 2, 3, 1, 2, 3, 900, 0, -20_000, 1, 1, 1]);
    let before = contents(&store).unwrap();
    store.flush().unwrap();
    assert_eq!(ranges(&store), [(-20_000, -9_000, 2), (0, 3, 11), (900, 900, 1)]);
    assert_eq!(contents(&store).unwrap(), before);
    drop(store);
    let store = open_sim(&vfs.power_cycle(), &clock, 2, settings()).unwrap();
    assert_eq!(contents(&store).unwrap(), before);
    append(&store, "main", &[5]);
    assert_eq!(contents(&store).unwrap()["main"].last().unwrap().0, 15, "arrival numbers go on");
}

#[test]
fn small_segments_become_few_and_nothing_changes() {
    let (vfs, clock) = (SimVfs::new(1), Arc::new(ManualClock::at(START)));
    let store = open_sim(&vfs, &clock, 1, settings()).unwrap();
    for flush in 0..40i64 {
        clock.advance(Duration::from_secs(60));
        append(&store, ["main", "web"][flush as usize % 2], &[0, flush % 3, flush % 5, -8_000, 1, 2, 3, 0]);
        store.flush().unwrap();
    }
    let before = contents(&store).unwrap();
    let reading = store.snapshot();
    assert_eq!(store.metrics().segments, 80, "the late ones apart");
    clock.advance(Duration::from_secs(7_200));
    while store.upkeep().unwrap() {
        assert_eq!(contents(&store).unwrap(), before);
    }
    assert_eq!(store.metrics().segments, 4, "{:?}", ranges(&store));
    assert_eq!(store.metrics().merged_segments, 80 + store.metrics().merges - 4);
    // Whoever reads the old ones still can; then their files go.
    for segment in &reading.segments {
        segment.open().unwrap().for_each_raw(&mut |_, _| {}).unwrap();
    }
    assert!(files(&vfs) >= 80);
    drop(reading);
    assert_eq!(files(&vfs), 4);
    let removals = store.removals().unwrap();
    assert!(removals.len() >= 80 && removals.iter().all(|removal| removal.merged_into().is_some()));
    drop(store);
    let vfs = vfs.power_cycle();
    let store = open_sim(&vfs, &clock, 2, settings()).unwrap();
    assert_eq!(contents(&store).unwrap(), before);
    assert!(!store.upkeep().unwrap());
    assert_sound(&vfs);
}

#[test]
fn holds_survive_restarts_and_win_over_everything_that_removes() {
    let (vfs, clock) = (SimVfs::new(1), Arc::new(ManualClock::at(START)));
    let rules = Rules {
        default: IndexRules { retention_seconds: Some(3_600), max_bytes: Some(1), archive: None },
        max_disk_usage: Some(DiskLimit::Bytes(1)),
        ..Rules::default()
    };
    let greedy = StoreSettings { rules, ..settings() };
    let store = open_sim(&vfs, &clock, 1, settings()).unwrap();
    for (index, hour) in [("main", 0), ("main", 10), ("web", 10), ("_audit", 0)] {
        append(&store, index, &[hour]);
        store.flush().unwrap();
    }
    store.add_hold("case-7", hold(Some("main"), 9, 11)).unwrap();
    assert_eq!(store.add_hold("case-7", hold(None, 0, 1)).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.add_hold("../x", hold(None, 0, 1)).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.remove_hold("case-8").unwrap_err().kind(), ErrorKind::NotFound);
    let end = Timestamp(START + 1_000 * HOUR);
    let deletion = store.delete("main", end, true).unwrap();
    assert_eq!((deletion.segments, deletion.events, deletion.held_segments), (1, 1, 1));
    assert_eq!(ranges(&store).len(), 4, "it only told");
    drop(store);
    clock.advance(Duration::from_secs(86_400));
    let store = open_sim(&vfs.power_cycle(), &clock, 2, greedy.clone()).unwrap();
    assert_eq!(store.holds()["case-7"], hold(Some("main"), 9, 11));
    while store.upkeep().unwrap() {}
    assert_eq!(texts(&store, "main"), ["hour 10 of the test"]);
    assert_eq!(texts(&store, "web"), [""; 0]);
    assert_eq!(texts(&store, "_audit").len(), 1);
    assert_eq!(store.delete("main", end, false).unwrap().held_segments, 1);
    assert_eq!(store.delete("_audit", end, false).unwrap_err().kind(), ErrorKind::Invalid);
    store.remove_hold("case-7").unwrap();
    assert!(store.upkeep().unwrap());
    assert_eq!(texts(&store, "main"), [""; 0]);
    let rules: Vec<String> = store.removals().unwrap().into_iter().map(|removal| removal.rule).collect();
    assert_eq!(rules, ["retention:3600s"; 3]);
    // What comes now goes on with the arrival numbers.
    append(&store, "main", &[25]);
    assert_eq!(contents(&store).unwrap()["main"][0].0, 3);
}

#[test]
fn deletion_takes_whole_segments_of_one_index_before_the_time() {
    let (vfs, clock) = (SimVfs::new(1), Arc::new(ManualClock::at(START)));
    let store = open_sim(&vfs, &clock, 1, settings()).unwrap();
    for (index, hours) in [("main", [0, 1]), ("main", [2, 5]), ("web", [0, 1])] {
        append(&store, index, &hours);
        store.flush().unwrap();
    }
    let deletion = store.delete("main", Timestamp(START + 4 * HOUR), false).unwrap();
    assert_eq!((deletion.segments, deletion.events, deletion.newer_segments), (1, 2, 1));
    assert_eq!(ranges(&store), [(0, 1, 2), (2, 5, 2)]);
    assert_eq!(files(&vfs), 2);
    let removal = &store.removals().unwrap()[0];
    assert_eq!((removal.events, &*removal.index, removal.at.nanos()), (2, "main", clock.now_nanos()));
    assert!(removal.rule.starts_with("delete:before="), "{}", removal.rule);
}

#[test]
fn a_full_disk_is_searched_sealed_and_emptied_and_then_takes_events_again() {
    let (vfs, clock) = (SimVfs::new(1), Arc::new(ManualClock::at(START)));
    let store = open_sim(&vfs, &clock, 1, settings()).unwrap();
    for hour in 0..6 {
        append(&store, "main", &[hour; 90]);
        store.flush().unwrap();
    }
    append(&store, "main", &[7]);
    let before = contents(&store).unwrap();
    drop(store);
    // Half as much again as there is: room for what empties it, the reserve, not for more events.
    let rules = Rules { max_disk_usage: Some(DiskLimit::Percent(40)), ..Rules::default() };
    let vfs = vfs.power_cycle();
    vfs.set_capacity(Some(vfs.used_bytes() * 3 / 2));
    let store = open_full(&vfs, &clock, StoreSettings { rules, merge: false, ..settings() });
    assert_eq!(contents(&store).unwrap(), before, "it starts and can be searched");
    let refused = |store: &Store| {
        let mut batch = EventBatch::new(Timestamp(START));
        let slot = batch.origin(&origin("main", "host"));
        batch.push(slot, Timestamp(START), Problems::NONE, &[b'x'; 40]);
        store.append_blocking(batch).map_err(|error| error.kind())
    };
    assert_eq!(refused(&store), Err(ErrorKind::Full));
    assert!(store.metrics().disk_full);
    store.flush().unwrap();
    assert_eq!(contents(&store).unwrap(), before, "what is in memory is written out all the same");
    while store.upkeep().unwrap() {}
    let left = contents(&store).unwrap()["main"].len();
    assert!((1..541).contains(&left), "{left}");
    assert!(refused(&store).is_ok(), "the next append finds the room");
    assert!(!store.metrics().disk_full);
    assert!(store.removals().unwrap().iter().all(|removal| removal.rule == "disk-usage"));
}

/// A store that keeps a part of the disk free.
fn open_full(vfs: &SimVfs, clock: &Arc<ManualClock>, settings: StoreSettings) -> Arc<Store> {
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let reserve_bytes = vfs.used_bytes() * 2 / 3;
    let options = taffrail_store::StoreOptions {
        dir: "/data".into(),
        vfs: disk.clone(),
        clock: clock.clone(),
        random: Arc::new(taffrail_base::SeededRandomness::new(5)),
        read_only: false,
        settings: StoreSettings { synchronous: true, reserve_bytes, zstd_level: 1, ..settings },
    };
    Store::open_with(options, &|dir: &Path| Ok(Box::new(taffrail_store::catalog::SimCatalog::open(disk.clone(), dir)?))).unwrap()
}

/// Time of the processor that this process has taken, all threads together.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[test]
fn ten_thousand_segments_open_within_a_second() {
    use taffrail_base::{RealVfs, SystemClock, SystemRandomness, Ulid};
    use taffrail_store::catalog::{Catalog, CatalogChange, SqliteCatalog};
    let folder = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(&folder.path().join("catalog.db")).unwrap();
    let meta = |number: u64| taffrail_store::SegmentMeta {
        id: Ulid(u128::from(number) << 64 | 1_700_000_000_000 << 80),
        index: ["main", "web", "db"][number as usize % 3].into(),
        events: 10,
        raw_bytes: 1_000,
        stored_bytes: 300,
        patterns: 3,
        min_time: Timestamp(number as i64),
        max_time: Timestamp(number as i64 + 5),
        first_sequence: number * 10 + 1,
        end_sequence: number * 10 + 11,
        summary: vec![7; 3_000].into(),
    };
    let added: Vec<_> = (0..10_000).map(meta).collect();
    let next_sequences = ["main", "web", "db"].map(|index| (index.into(), 100_011)).to_vec();
    catalog.commit(&CatalogChange { added: added.clone(), next_sequences, ..CatalogChange::default() }).unwrap();
    drop(catalog);
    // Their files, empty: opening lists the folders, to find what the catalog does not name.
    for meta in &added {
        let path = folder.path().join(taffrail_store::catalog::segment_path(meta));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, []).unwrap();
    }
    for read_only in [false, true] {
        let (start, before) = (std::time::Instant::now(), cpu());
        let store = Store::open(taffrail_store::StoreOptions {
            dir: folder.path().to_owned(),
            vfs: Arc::new(RealVfs),
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandomness),
            read_only,
            settings: StoreSettings::default(),
        });
        let store = store.unwrap();
        // Time of the processor: others may be using it too.
        let took = cpu() - before;
        println!("10,000 segments opened in {:?}, {took:?} of the processor (read only: {read_only})", start.elapsed());
        assert_eq!(store.metrics().segments, 10_000);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

/// Deletes, merges and flushes with a power cut somewhere; whether it happened.
fn cut_at(call: u64, seed: u64) -> bool {
    let (mut vfs, clock) = (SimVfs::new(seed), Arc::new(ManualClock::at(START)));
    let store = open_sim(&vfs, &clock, 1, settings()).unwrap();
    for flush in 0..9 {
        append(&store, "main", &[flush, flush + 1, 0, 1, 1]);
        append(&store, "web", &[0]);
        store.flush().unwrap();
    }
    let before = contents(&store).unwrap();
    store.add_hold("case", hold(Some("web"), -1, 1)).unwrap();
    clock.advance(Duration::from_secs(7_200));
    vfs.crash_after(call);
    let limit = Timestamp(START + 5 * HOUR);
    let work = || {
        while store.upkeep()? {}
        let snapshot = store.snapshot();
        store.delete("web", limit, false)?;
        let deleted = store.delete("main", Timestamp(START + 100 * HOUR), false)?;
        drop(snapshot);
        store.remove_hold("case").map(|()| deleted.events)
    };
    let done = work();
    let cut = vfs.is_dead();
    drop(store);
    vfs = vfs.power_cycle();
    let store = open_sim(&vfs, &clock, 2, settings()).unwrap();
    let after = contents(&store).unwrap();
    assert_eq!(after["web"], before["web"], "held");
    match after.get("main") {
        None => assert!(store.removals().unwrap().iter().any(|removal| removal.rule.starts_with("delete:"))),
        Some(main) => assert_eq!(*main, before["main"], "all or nothing"),
    }
    if done.is_ok() {
        assert!(!after.contains_key("main") && store.holds().is_empty());
    }
    assert_sound(&vfs);
    assert_eq!(files(&vfs) as u64, store.metrics().segments, "nothing is left over");
    let kept: u64 = after.values().map(|events| events.len() as u64).sum();
    let removed = store.removals().unwrap();
    let deleted: u64 = removed.iter().filter(|removal| removal.merged_into().is_none()).map(|removal| removal.events).sum();
    assert_eq!(kept + deleted, 54, "every event is there or accounted for");
    cut
}

#[test]
fn a_power_cut_at_any_call_leaves_merging_and_deletion_whole() {
    let mut calls = 0;
    for seed in 0..4 {
        let mut call = 1;
        while cut_at(call, seed) {
            call += 1;
        }
        calls += call;
    }
    assert!(calls > 120, "{calls}");
}
