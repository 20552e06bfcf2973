//! Numbers near their ends, clocks that jump, and a journal that is larger than memory may be.

use crate::ledger::{Ledger, batch, contents, open_sim, origin, small};
use crate::plain::options;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use taffrail_base::{Clock, ErrorKind, ManualClock, RealVfs, SeededRandomness, SimVfs, SystemClock, SystemRandomness, Vfs};
use taffrail_event::{EventBatch, Problems, Timestamp};
use taffrail_store::catalog::{Catalog, CatalogChange, SimCatalog, SqliteCatalog};
use taffrail_store::journal::{Entry, Journal, JournalOptions, Span};
use taffrail_store::{Store, StoreOptions, StoreSettings};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(1_700_000_000_000_000_000))
}

/// Has the store go on after `used` events and journal records.
fn used_up(catalog: &dyn Catalog, used: u64) {
    let change = CatalogChange {
        next_sequences: vec![("main".into(), used + 1)],
        positions_sequence: used,
        covered_sequence: used,
        ..CatalogChange::default()
    };
    catalog.commit(&change).unwrap();
}

#[test]
fn numbers_go_on_beyond_thirty_two_and_fifty_three_bits() {
    for used in [u64::from(u16::MAX) - 5, u64::from(u32::MAX) - 5, (1 << 53) - 5] {
        let vfs = SimVfs::new(1);
        vfs.create_dir_all(Path::new("/data")).unwrap();
        let catalog = SimCatalog::open(Arc::new(vfs.clone()), Path::new("/data")).unwrap();
        used_up(&catalog, used);
        let mut sent = Vec::new();
        for round in 0..4 {
            let store = open_sim(&vfs, &clock(), round, StoreSettings { journal_file_bytes: 300, ..StoreSettings::default() }).unwrap();
            for number in 0..4 {
                let text = format!("round {round} event {number}");
                let receipt = store.append_blocking(batch("main", &[&text])).unwrap();
                sent.push(text);
                assert_eq!(receipt.sequence, used + sent.len() as u64);
            }
            if round % 2 == 1 {
                store.flush().unwrap();
            }
            let found = contents(&store).unwrap().remove("main").unwrap();
            let expected: Vec<(u64, Vec<u8>)> = (used + 1..).zip(sent.iter().map(|text| text.clone().into_bytes())).collect();
            assert_eq!(found, expected, "after {used}");
        }
    }
}

#[test]
fn numbers_that_are_used_up_are_refused_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path()).unwrap();
    let used = i64::MAX as u64 - 10;
    used_up(&SqliteCatalog::open(&folder.path().join("catalog.db")).unwrap(), used);
    let mut taken = 0;
    for round in 0..3 {
        let store = Store::open(options(folder.path())).unwrap();
        for _ in 0..8 {
            match store.append_blocking(batch("main", &["an event"])) {
                Ok(receipt) => {
                    taken += 1;
                    assert_eq!(receipt.sequence, used + taken);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
                    assert!(round > 0 && error.hint().is_some(), "{error}");
                }
            }
        }
        if round == 1 {
            store.flush().unwrap();
        }
        let found = contents(&store).unwrap().remove("main").unwrap();
        assert_eq!(found.len() as u64, taken);
        assert_eq!(found.last().unwrap().0, used + taken);
    }
    assert!((8..=10).contains(&taken), "{taken}");
}

#[test]
fn file_numbers_that_are_used_up_are_refused_and_nothing_is_lost() {
    let vfs = SimVfs::new(1);
    vfs.create_dir_all(Path::new("/data/journal")).unwrap();
    // The number of a file that was never finished is used up all the same.
    vfs.create_new(Path::new("/data/journal/9999999999999990.wal.tmp")).unwrap();
    let mut sent = Vec::new();
    let mut refused = 0;
    let open = |seed| open_sim(&vfs, &clock(), seed, StoreSettings { journal_file_bytes: 100, ..StoreSettings::default() });
    for seed in 0..6 {
        let store = match open(seed) {
            Ok(store) => store,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
                refused += 1;
                continue;
            }
        };
        for number in 0..4 {
            let text = format!("{seed} {number}");
            match store.append_blocking(batch("main", &[&text])) {
                Ok(_) => sent.push(text),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!(crate::ledger::texts(&store, "main"), sent);
    }
    assert!(refused > 0 && sent.len() >= 4, "{refused} refused, {} taken", sent.len());
}

/// A clock whose wall time is set by hand, in both directions; its monotonic reading goes on.
#[derive(Debug)]
struct Jumping {
    wall: AtomicI64,
    monotonic: ManualClock,
}

impl Clock for Jumping {
    fn now_nanos(&self) -> i64 {
        self.wall.load(Ordering::SeqCst)
    }
    fn monotonic_nanos(&self) -> u64 {
        self.monotonic.monotonic_nanos()
    }
    fn sleep(&self, duration: Duration) {
        self.monotonic.advance(duration);
    }
}

#[test]
fn a_clock_that_jumps_changes_no_order_and_loses_nothing() {
    const HOUR: i64 = 3_600_000_000_000;
    const YEAR: i64 = 365 * 24 * HOUR;
    let mut jumps = 0;
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut vfs = SimVfs::new(seed);
        let clock = Arc::new(Jumping { wall: AtomicI64::new(1_700_000_000_000_000_000), monotonic: ManualClock::at(0) });
        let (sending, mut ledger) = (clock_of_senders(), Ledger::default());
        for round in 0..4 {
            let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
            let settings = StoreSettings { synchronous: true, reserve_bytes: 0, zstd_level: 1, ..small(&mut rng) };
            let random = Arc::new(SeededRandomness::new(rng.u64(..)));
            let (dir, clock_here) = ("/data".into(), clock.clone());
            let options = StoreOptions { dir, vfs: disk.clone(), clock: clock_here, random, read_only: false, settings };
            let store = Store::open_with(options, &|dir| Ok(Box::new(SimCatalog::open(disk.clone(), dir)?))).unwrap();
            ledger.check(&store, true).unwrap_or_else(|e| panic!("seed {seed}, round {round}: {e}"));
            for step in 0..20 {
                let to = match rng.u8(0..8) {
                    0 => clock.now_nanos().saturating_add(HOUR),
                    1 => clock.now_nanos().saturating_sub(HOUR),
                    2 => clock.now_nanos().saturating_add(10 * YEAR),
                    3 => clock.now_nanos().saturating_sub(10 * YEAR),
                    4 => [0, -1, i64::MIN, i64::MAX, 1_700_000_000_000_000_000][rng.usize(0..5)],
                    _ => clock.now_nanos(),
                };
                jumps += usize::from(to != clock.now_nanos());
                clock.wall.store(to, Ordering::SeqCst);
                clock.monotonic.advance(Duration::from_secs(rng.u64(0..5)));
                ledger.append(&store, &vfs, &mut rng, &sending).unwrap_or_else(|e| panic!("seed {seed}, step {step}: {e}"));
                if rng.u8(0..6) == 0 {
                    store.flush().unwrap_or_else(|e| panic!("seed {seed}, step {step}: {e}"));
                }
            }
            ledger.check(&store, false).unwrap_or_else(|e| panic!("seed {seed}, round {round}: {e}"));
            drop(store);
            vfs = vfs.power_cycle();
        }
    }
    println!("{jumps} jumps of the clock");
}

/// The senders' own clock.
fn clock_of_senders() -> ManualClock {
    ManualClock::at(1_700_000_000_000_000_000)
}

const RECOVER: &str = "TAFFRAIL_TEST_RECOVER";

/// What recovery may hold at most.
const PEAK_MIB_MAX: u64 = 256;

/// Fills a journal with `megabytes` of lines that no segment has; gives the number of events.
fn long_journal(dir: &Path, megabytes: usize) -> u64 {
    RealVfs.create_dir_all(dir).unwrap();
    let (vfs, clock, random) = (Arc::new(RealVfs), Arc::new(SystemClock::new()), Arc::new(SystemRandomness));
    let options = JournalOptions::new(dir.join("journal"), vfs, clock, random);
    let (mut journal, recovery) = Journal::open(options, 0, 0).unwrap();
    journal.replay(recovery, |_, _| Ok(())).unwrap();
    let (mut written, mut next) = (0, 1u64);
    while written < megabytes << 20 {
        let mut batch = EventBatch::new(Timestamp(next as i64));
        let slot = batch.origin(&origin("main", "host"));
        let first = next;
        while batch.raw_bytes() < 3 << 20 {
            let (a, b, c) = (next % 977, next % 251, next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40);
            let line =
                format!("web-{} nginx[{a}]: 10.0.{b}.{} \"GET /item/{c} HTTP/1.1\" 200 {} \"agent of user{b}\"", b % 7, a % 250, c % 9_999);
            batch.push(slot, Timestamp(next as i64), Problems::NONE, line.as_bytes());
            next += 1;
        }
        let spans = [Span { index: "main".into(), first, count: next - first }];
        journal.append(&[Entry { batch: &batch, spans: &spans }]).unwrap();
        written += batch.raw_bytes();
    }
    next - 1
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a Linux machine");
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// `TAFFRAIL_JOURNAL_MEGABYTES=1024 cargo nextest run -p taffrail-store odd::a_long --no-capture`
#[test]
fn a_long_journal_is_recovered_within_the_memory_ceiling() {
    if let Some(dir) = std::env::var_os(RECOVER) {
        let start = Instant::now();
        let store = Store::open(options(Path::new(&dir))).unwrap();
        let opened = start.elapsed();
        store.append_blocking(batch("main", &["the first after recovery"])).unwrap();
        let events: u64 = store.stat().iter().map(|stat| stat.events).sum();
        println!("recovered: {events} events, opened after {opened:?}, appended after {:?}, peak {} MiB", start.elapsed(), peak_mib());
        store.close().unwrap();
        println!("peak {}", peak_mib());
        return;
    }
    let megabytes = crate::states::number("TAFFRAIL_JOURNAL_MEGABYTES").unwrap_or(150) as usize;
    let folder = tempfile::tempdir().unwrap();
    let events = long_journal(folder.path(), megabytes);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "odd::a_long_journal_is_recovered_within_the_memory_ceiling", "--nocapture", "--test-threads=1"])
        .env(RECOVER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("recovered: ")).unwrap_or_else(|| panic!("{text}"));
    println!("{megabytes} MiB of events, {line}");
    assert!(line.contains(&format!("recovered: {} events", events + 1)), "{events} were sent: {line}");
    let peak: u64 = text.lines().rev().find_map(|line| line.strip_prefix("peak ")?.parse().ok()).unwrap();
    assert!(peak <= PEAK_MIB_MAX, "{peak} MiB");
}
