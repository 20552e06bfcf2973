//! Segments in an object store: moved there, read there, deleted there; and what is said when it cannot be reached.

use crate::ledger::{contents, open_sim, origin};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, ManualClock, Result, SimVfs, Vfs};
use taffrail_event::{EventBatch, Problems, Timestamp};
use taffrail_pattern::NoFields;
use taffrail_store::archive::{Remote, Remotes};
use taffrail_store::scan::{Buckets, Missing};
use taffrail_store::{ArchiveRule, Archives, Filter, IndexRules, Rules, Scan, ScanRequest, Store, StoreSettings};

const START: i64 = 1_700_000_000_000_000_000;
const HOUR: i64 = 3_600_000_000_000;
const URL: &str = "sim:archive";

/// An object store on a simulated disk of its own, that can be out of reach.
#[derive(Debug)]
struct SimRemote {
    vfs: SimVfs,
    away: AtomicBool,
    /// Whether what is put arrives changed.
    garbles: AtomicBool,
    bytes_read: AtomicU64,
}

impl SimRemote {
    fn new() -> Arc<Self> {
        let vfs = SimVfs::new(99);
        Arc::new(Self { vfs, away: false.into(), garbles: false.into(), bytes_read: 0.into() })
    }

    fn reach(&self) -> Result<()> {
        match self.away.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Io, "no answer")),
            false => Ok(()),
        }
    }

    fn path(key: &str) -> PathBuf {
        Path::new("/objects").join(key.replace('/', "_"))
    }

    fn objects(&self) -> usize {
        self.vfs.read_dir(Path::new("/objects")).unwrap_or_default().len()
    }
}

impl Remote for SimRemote {
    fn put(&self, key: &str, mut bytes: Vec<u8>) -> Result<()> {
        self.reach()?;
        if self.garbles.load(Ordering::Relaxed) {
            bytes[9] ^= 1;
        }
        self.vfs.create_dir_all(Path::new("/objects")).unwrap();
        let _ = self.vfs.remove_file(&Self::path(key));
        self.vfs.create_new(&Self::path(key)).unwrap().write_all_at(&bytes, 0).unwrap();
        Ok(())
    }

    fn len(&self, key: &str) -> Result<u64> {
        self.reach()?;
        self.vfs.metadata(&Self::path(key)).map(|found| found.len).map_err(|e| Error::io(key, e))
    }

    fn get(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.reach()?;
        let bytes = self.vfs.read(&Self::path(key)).map_err(|e| Error::io(key, e))?;
        self.bytes_read.fetch_add(range.end - range.start, Ordering::Relaxed);
        Ok(bytes[range.start as usize..range.end as usize].to_vec())
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.reach()?;
        let _ = self.vfs.remove_file(&Self::path(key));
        Ok(())
    }
}

#[derive(Debug)]
struct One(Arc<SimRemote>);

impl Remotes for One {
    fn open(&self, url: &str) -> Result<Arc<dyn Remote>> {
        assert_eq!(url, URL);
        Ok(self.0.clone())
    }
}

fn settings(remote: &Arc<SimRemote>) -> StoreSettings {
    let archive = Some(ArchiveRule { url: URL.into(), after_seconds: 86_400 });
    let old = IndexRules { archive, ..IndexRules::default() };
    let rules = Rules { indexes: [("main".to_owned(), old)].into(), ..Rules::default() };
    let archives = Archives(Some(Arc::new(One(remote.clone()))));
    StoreSettings { rules, archives, merge: false, ..StoreSettings::default() }
}

fn append(store: &Store, index: &str, from: i64) {
    let mut batch = EventBatch::new(Timestamp(START));
    let slot = batch.origin(&origin(index, "host"));
    for at in 0..50 {
        let time = Timestamp(START + from * HOUR + at * 1_000_000_000);
        batch.push(slot, time, Problems::NONE, format!("event {at} of hour {from}: user=u{} done", at * 7919 % 97).as_bytes());
    }
    store.append_blocking(batch).unwrap();
    store.flush().unwrap();
}

fn scan(store: &Store) -> Scan {
    let request = ScanRequest {
        filter: Filter::All,
        earliest: Timestamp::MIN,
        latest: Timestamp::MAX,
        sequence_from: None,
        resolver: Arc::new(NoFields),
        columns: Vec::new(),
        newest_first: false,
        limit: None,
    };
    Scan::plan(&store.snapshot(), request)
}

fn local(vfs: &SimVfs) -> usize {
    let list = |folder: &Path| vfs.read_dir(folder).unwrap_or_default();
    let days = list(Path::new("/data/segments")).into_iter().flat_map(|index| list(&index));
    days.flat_map(|day| list(&day)).count()
}

fn filled(vfs: &SimVfs, clock: &Arc<ManualClock>, remote: &Arc<SimRemote>) -> Arc<Store> {
    let store = open_sim(vfs, clock, 1, settings(remote)).unwrap();
    for (index, hour) in [("main", 0), ("main", 1), ("main", 47), ("web", 0)] {
        append(&store, index, hour);
    }
    clock.advance(Duration::from_secs(48 * 3_600));
    store
}

#[test]
fn old_segments_move_and_are_found_there() {
    let (vfs, clock, remote) = (SimVfs::new(1), Arc::new(ManualClock::at(START)), SimRemote::new());
    let store = filled(&vfs, &clock, &remote);
    let before = contents(&store).unwrap();
    while store.upkeep().unwrap() {
        assert_eq!(contents(&store).unwrap(), before);
    }
    assert_eq!((remote.objects(), local(&vfs), store.metrics().archived_segments), (2, 2, 2));
    let rules: Vec<String> = store.removals().unwrap().into_iter().map(|removal| removal.rule).collect();
    assert_eq!(rules, ["archived:sim:archive"; 2]);
    drop(store);
    let store = open_sim(&vfs.power_cycle(), &clock, 2, settings(&remote)).unwrap();
    assert_eq!(contents(&store).unwrap(), before);
    // What was read once is on the disk, also after a restart.
    let read = remote.bytes_read.load(Ordering::Relaxed);
    assert_eq!(scan(&store).count().unwrap(), 200);
    assert_eq!(contents(&store).unwrap(), before);
    assert_eq!(remote.bytes_read.load(Ordering::Relaxed), read, "nothing is read twice");
    assert!(store.metrics().archive_cache_bytes > 0);
    // Without object stores it says which segment is where.
    drop(store);
    let store = open_sim(&vfs.power_cycle(), &clock, 3, StoreSettings { cache_bytes: 0, ..StoreSettings::default() }).unwrap();
    let error = scan(&store).count().unwrap_err();
    assert!(error.message().contains(URL) && error.message().contains("index main"), "{error}");
}

#[test]
fn a_store_out_of_reach_is_named_and_the_rest_is_found() {
    let (vfs, clock, remote) = (SimVfs::new(1), Arc::new(ManualClock::at(START)), SimRemote::new());
    let store = open_sim(&vfs, &clock, 1, StoreSettings { cache_bytes: 0, ..settings(&remote) }).unwrap();
    for hour in [0, 1, 47] {
        append(&store, "main", hour);
    }
    clock.advance(Duration::from_secs(48 * 3_600));
    remote.away.store(true, Ordering::Relaxed);
    assert!(!store.upkeep().unwrap());
    let trouble = store.metrics().archive_trouble.unwrap();
    assert!(trouble.contains(URL) && trouble.contains("index main") && trouble.contains("no answer"), "{trouble}");
    assert_eq!((local(&vfs), remote.objects()), (3, 0));
    remote.away.store(false, Ordering::Relaxed);
    assert!(!store.upkeep().unwrap(), "it waits before it tries again");
    clock.advance(Duration::from_secs(60));
    while store.upkeep().unwrap() {}
    assert_eq!((local(&vfs), remote.objects(), store.metrics().archive_trouble), (1, 2, None));
    remote.away.store(true, Ordering::Relaxed);
    let error = scan(&store).count().unwrap_err();
    assert!(error.message().contains(URL) && error.message().contains("no answer"), "{error}");
    let missing = Arc::new(Missing::default());
    assert_eq!(scan(&store).without_unreachable(missing.clone()).count().unwrap(), 50);
    let hours = Buckets { start: Timestamp(START), span_nanos: HOUR, count: 48 };
    assert_eq!(scan(&store).without_unreachable(missing.clone()).histogram(hours).unwrap().iter().sum::<u64>(), 50);
    let [sentence] = &missing.sentences()[..] else { panic!("{:?}", missing.sentences()) };
    assert!(sentence.contains("without 100 events of index main") && sentence.contains("2 segments in sim:archive"), "{sentence}");
    remote.away.store(false, Ordering::Relaxed);
    assert_eq!(scan(&store).count().unwrap(), 150);
}

#[test]
fn what_arrives_changed_does_not_count_as_moved() {
    let (vfs, clock, remote) = (SimVfs::new(1), Arc::new(ManualClock::at(START)), SimRemote::new());
    remote.garbles.store(true, Ordering::Relaxed);
    let store = filled(&vfs, &clock, &remote);
    assert!(!store.upkeep().unwrap());
    assert!(store.metrics().archive_trouble.unwrap().contains("not what was sent"));
    assert_eq!(local(&vfs), 4);
    remote.garbles.store(false, Ordering::Relaxed);
    clock.advance(Duration::from_secs(60));
    while store.upkeep().unwrap() {}
    assert_eq!(local(&vfs), 2);
}

#[test]
fn a_power_cut_at_any_call_leaves_every_segment_in_one_place() {
    let mut call = 1;
    loop {
        let (vfs, clock, remote) = (SimVfs::new(call), Arc::new(ManualClock::at(START)), SimRemote::new());
        let store = filled(&vfs, &clock, &remote);
        let before = contents(&store).unwrap();
        vfs.crash_after(call);
        while store.upkeep().unwrap_or(false) {}
        let dead = vfs.is_dead();
        drop(store);
        let vfs = vfs.power_cycle();
        let store = open_sim(&vfs, &clock, 2, settings(&remote)).unwrap();
        assert_eq!(contents(&store).unwrap(), before, "call {call}");
        let archived = store.removals().unwrap().len();
        assert_eq!(local(&vfs), 4 - archived, "call {call}: no file is left over");
        while store.upkeep().unwrap() {}
        assert_eq!((local(&vfs), remote.objects()), (2, 2), "call {call}");
        // And when it is deleted there, too.
        vfs.crash_after(call);
        let deleted = store.delete("main", Timestamp(START + 2 * HOUR), false);
        while store.upkeep().unwrap_or(false) {}
        drop(store);
        let vfs = vfs.power_cycle();
        let store = open_sim(&vfs, &clock, 3, settings(&remote)).unwrap();
        let found = contents(&store).unwrap();
        assert_eq!(found["web"], before["web"]);
        while store.upkeep().unwrap() {}
        match found["main"].len() {
            50 => assert_eq!(remote.objects(), 0, "call {call}"),
            150 => assert!(deleted.is_err() && remote.objects() == 2, "call {call}"),
            other => panic!("call {call}: {other} events"),
        }
        if !dead {
            assert!(call > 10);
            return;
        }
        call += 1;
    }
}
