//! The whole way with a store: segments are moved, read there through the cache, and missed when the service is gone.

use super::*;
use server::{Fault, Server};
use std::path::{Path, PathBuf};
use taffrail_base::{SeededRandomness, SimVfs, Vfs};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_pattern::NoFields;
use taffrail_store::catalog::SimCatalog;
use taffrail_store::scan::Missing;
use taffrail_store::{ArchiveRule, Archives, Filter, IndexRules, Rules, Scan, ScanRequest, Store, StoreOptions, StoreSettings};

const START: i64 = 1_700_000_000_000_000_000;
const HOUR: i64 = 3_600_000_000_000;
const EVENTS: u64 = 60_000;

/// A store on a simulated disk, whose events go to the server after a day.
fn store(vfs: &SimVfs, clock: &Arc<ManualClock>, server: &Server, cache_bytes: u64) -> Arc<Store> {
    let archive = Some(ArchiveRule { url: URL.into(), after_seconds: 86_400 });
    let rules = Rules { default: IndexRules { archive, ..IndexRules::default() }, ..Rules::default() };
    let archives = Archives(Some(Arc::new(stores(access(&server.address), &[], clock.clone()))));
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let options = StoreOptions {
        dir: PathBuf::from("/data"),
        vfs: disk.clone(),
        clock: clock.clone(),
        random: Arc::new(SeededRandomness::new(clock.monotonic_nanos())),
        read_only: false,
        settings: StoreSettings {
            rules,
            archives,
            merge: false,
            cache_bytes,
            synchronous: true,
            reserve_bytes: 0,
            ..StoreSettings::default()
        },
    };
    Store::open_with(options, &|dir: &Path| Ok(Box::new(SimCatalog::open(disk.clone(), dir)?))).unwrap()
}

/// Three segments, two of which are old enough to go.
fn filled(vfs: &SimVfs, clock: &Arc<ManualClock>, server: &Server, cache_bytes: u64) -> Arc<Store> {
    let store = store(vfs, clock, server, cache_bytes);
    for hour in [0, 1, 47] {
        let mut batch = EventBatch::new(Timestamp(START));
        let [source, sourcetype, transport, peer] = ["/var/log/test", "anything", "file", ""].map(Arc::from);
        let slot = batch.origin(&Origin { index: "main".into(), host: "host".into(), source, sourcetype, transport, peer });
        for at in 0..EVENTS {
            let noise = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hour as u64;
            let noise = noise ^ (noise >> 29);
            let text = format!("request {noise:016x}{:016x} of user{} took {} ms", noise.wrapping_mul(noise | 1), at % 97, noise % 5_000);
            batch.push(slot, Timestamp(START + hour * HOUR + at as i64 * 100_000_000), Problems::NONE, text.as_bytes());
        }
        store.append_blocking(batch).unwrap();
        store.flush().unwrap();
    }
    clock.advance(Duration::from_secs(48 * 3_600));
    store
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

fn contents(store: &Store) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    for segment in store.snapshot().segments {
        segment.open().unwrap().for_each_raw(&mut |number, raw| found.push((number, raw.to_vec()))).unwrap();
    }
    found.sort();
    found
}

fn local(vfs: &SimVfs) -> usize {
    let list = |folder: &Path| vfs.read_dir(folder).unwrap_or_default();
    list(Path::new("/data/segments/main")).into_iter().flat_map(|day| list(&day)).count()
}

#[test]
fn old_segments_are_moved_read_with_few_requests_and_missed_when_the_service_is_gone() {
    let (vfs, clock, mut server) = (SimVfs::new(1), Arc::new(ManualClock::at(START)), Server::new());
    let filled = filled(&vfs, &clock, &server, 1 << 30);
    let before = contents(&filled);
    while filled.upkeep().unwrap() {}
    assert_eq!(kinds(&server), ["put", "head", "get", "put", "head", "get"]);
    assert_eq!((server.objects().len(), local(&vfs), filled.metrics().archived_segments), (2, 1, 2));
    drop(filled);
    let sizes: Vec<usize> = server.objects().into_iter().map(|(_, size)| size).collect();
    assert!(sizes.iter().all(|size| *size > 500_000), "large enough to need several reads: {sizes:?}");
    // A count needs the footers alone.
    let again = store(&vfs, &clock, &server, 1 << 30);
    assert_eq!(scan(&again).count().unwrap(), 3 * EVENTS);
    assert!(kinds(&server).len() <= 2);
    // All bytes: the footer, and then more and more at once.
    assert_eq!(contents(&again), before);
    let requests = server.requests();
    assert!(requests.len() <= 2 * 5, "{requests:?} for {sizes:?}");
    println!("segments of {sizes:?} bytes were read in {requests:?}");
    drop(again);
    let again = store(&vfs, &clock, &server, 1 << 30);
    assert_eq!(contents(&again), before);
    assert_eq!(server.requests(), [], "nothing is asked for twice, also after a restart");
    // Without a cache, on a full disk, it takes as many.
    drop(again);
    for path in vfs.read_dir(Path::new("/data/cache")).unwrap() {
        vfs.remove_file(&path).unwrap();
    }
    let uncached = store(&vfs, &clock, &server, 0);
    assert_eq!(contents(&uncached), before);
    let requests = server.requests();
    assert!((2..=2 * 6).contains(&requests.len()), "{requests:?}");
    drop(uncached);
    server.stop();
    let uncached = store(&vfs, &clock, &server, 0);
    assert!(scan(&uncached).count().is_err());
    let missing = Arc::new(Missing::default());
    let start = Instant::now();
    assert_eq!(scan(&uncached).without_unreachable(missing.clone()).count().unwrap(), EVENTS);
    assert!(start.elapsed() < Duration::from_secs(5), "one wait, not one for each segment");
    let [sentence] = &missing.sentences()[..] else { panic!("{:?}", missing.sentences()) };
    assert!(sentence.contains("without 120000 events of index main") && sentence.contains("2 segments in s3://logs/below"), "{sentence}");
    assert!(!sentence.contains(SECRET) && sentence.contains("no answer from the service"), "{sentence}");
}

#[test]
fn what_does_not_arrive_whole_stays_in_the_data_folder() {
    let (vfs, clock, server) = (SimVfs::new(1), Arc::new(ManualClock::at(START)), Server::new());
    let store = filled(&vfs, &clock, &server, 1 << 30);
    let before = contents(&store);
    for (kind, fault, words) in [
        ("put", Fault::Status(403, "AccessDenied"), "access is denied (AccessDenied)"),
        ("put", Fault::Status(500, "InternalError"), "no answer from the service"),
        ("put", Fault::Cut, "no answer from the service"),
        ("put", Fault::Slow, "no answer from the service"),
        ("put", Fault::Garble, "what arrived is not what was sent"),
        ("head", Fault::Status(404, ""), "it is not there"),
        ("get", Fault::CutInside, "cannot be moved"),
    ] {
        server.fail(kind, 9, fault);
        assert!(!store.upkeep().unwrap());
        let trouble = store.metrics().archive_trouble.unwrap_or_default();
        assert!(trouble.contains(words) && trouble.contains(URL) && !trouble.contains(SECRET), "{fault:?}: {trouble}");
        assert_eq!((local(&vfs), store.metrics().archived_segments), (3, 0), "{fault:?}");
        server.heal();
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!(contents(&store), before);
    while store.upkeep().unwrap() {}
    assert_eq!((local(&vfs), store.metrics().archived_segments, store.metrics().archive_trouble), (1, 2, None));
    assert_eq!(contents(&store), before);
    // What is deleted is deleted there, once it can be.
    server.fail("delete", 9, Fault::Status(503, "SlowDown"));
    store.delete("main", Timestamp(START + 3 * HOUR), false).unwrap();
    while store.upkeep().unwrap() {}
    assert_eq!(server.objects().len(), 2);
    server.heal();
    clock.advance(Duration::from_secs(60));
    while store.upkeep().unwrap() {}
    assert_eq!((server.objects(), scan(&store).count().unwrap()), (Vec::new(), EVENTS));
}
