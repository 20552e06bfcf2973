//! Each call to the disk fails in turn, also "done but reported as failed"; and the disk fills up.

use crate::ledger::{Ledger, batch, open_sim, small, texts};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{ErrorKind, Fault, ManualClock, SeededRandomness, SimVfs, Vfs};
use taffrail_store::catalog::SimCatalog;
use taffrail_store::{Store, StoreOptions, StoreSettings};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(1_700_000_000_000_000_000))
}

fn settings() -> StoreSettings {
    StoreSettings { flush_bytes: 3_000, flush_events: 30, journal_file_bytes: 1_500, ..StoreSettings::default() }
}

/// A fixed workload; errors are noted, never fatal.
fn work(store: &Store, ledger: &mut Ledger, clock: &ManualClock, seed: u64, steps: usize) -> usize {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut failures = 0;
    for step in 0..steps {
        let sent = ledger.batch(&mut rng, clock);
        match store.append_blocking(sent) {
            Ok(_) => ledger.acknowledge(),
            Err(_) => failures += 1,
        }
        match step % 8 {
            3 => failures += usize::from(store.flush().is_err()),
            7 => clock.advance(Duration::from_secs(400)),
            _ => {}
        }
    }
    failures
}

/// Runs the workload with one fault at call `at` of it. Gives whether the fault was reached.
fn run(at: u64, fault: Fault, seed: u64, cut: bool) -> bool {
    let vfs = SimVfs::new(seed);
    let (clock, mut ledger) = (clock(), Ledger::default());
    vfs.fail_call(at, fault);
    let mut store = open_sim(&vfs, &clock, seed, settings());
    if store.is_err() {
        store = open_sim(&vfs, &clock, seed + 1, settings());
    }
    let store = store.unwrap_or_else(|e| panic!("call {at}, {fault:?}: does not open after one failure: {e}"));
    let failures = work(&store, &mut ledger, &clock, seed, 20);
    assert!(failures <= 2, "call {at}, {fault:?}: one fault made {failures} calls fail");
    let what = |when: &str, e: String| -> ! { panic!("call {at}, {fault:?}, {when}: {e}") };
    let reached = vfs.calls() >= at;
    vfs.clear_faults();
    ledger.check(&store, false).unwrap_or_else(|e| what("running", e));
    drop(store);
    let vfs = if cut { vfs.power_cycle() } else { vfs };
    let store = open_sim(&vfs, &clock, seed + 2, settings()).unwrap_or_else(|e| what("reopening", e.to_string()));
    ledger.check(&store, true).unwrap_or_else(|e| what("reopened", e));
    work(&store, &mut ledger, &clock, seed + 3, 4);
    ledger.check(&store, false).unwrap_or_else(|e| what("working on", e));
    reached
}

fn each_call(fault: Fault) {
    let mut at = 1;
    // Every other time the power goes afterwards.
    while run(at, fault, at, at % 2 == 0) {
        at += 1;
    }
    println!("{at} runs with one {fault:?}");
    assert!(at > 200, "the workload makes more calls than {at}");
}

#[test]
fn each_call_fails_in_turn() {
    each_call(Fault::Error(io::ErrorKind::Other));
}

#[test]
fn each_call_is_done_and_reported_as_failed_in_turn() {
    each_call(Fault::DoneButFailed(io::ErrorKind::Other));
}

#[test]
fn each_call_finds_the_disk_full_in_turn() {
    each_call(Fault::Error(io::ErrorKind::StorageFull));
}

#[test]
fn many_faults_and_then_peace() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut vfs = SimVfs::new(seed);
        let (clock, mut ledger) = (clock(), Ledger::default());
        for round in 0..3 {
            let store = open_sim(&vfs, &clock, rng.u64(..), small(&mut rng)).unwrap();
            ledger.check(&store, true).unwrap_or_else(|e| panic!("seed {seed}, round {round}: {e}"));
            for _ in 0..rng.usize(1..12) {
                let fault = if rng.bool() { Fault::Error(io::ErrorKind::Other) } else { Fault::DoneButFailed(io::ErrorKind::Other) };
                vfs.fail_call(rng.u64(1..300), fault);
            }
            work(&store, &mut ledger, &clock, rng.u64(..), 16);
            vfs.clear_faults();
            ledger.check(&store, false).unwrap_or_else(|e| panic!("seed {seed}, round {round}, running: {e}"));
            drop(store);
            vfs = vfs.power_cycle();
        }
        let store = open_sim(&vfs, &clock, rng.u64(..), small(&mut rng)).unwrap();
        ledger.check(&store, true).unwrap_or_else(|e| panic!("seed {seed}, at the end: {e}"));
    }
}

#[test]
fn a_full_disk_refuses_appends_keeps_what_it_has_and_goes_on_with_room() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut vfs = SimVfs::new(seed);
        let (clock, mut ledger) = (clock(), Ledger::default());
        for _ in 0..3 {
            let mut store = open_sim(&vfs, &clock, rng.u64(..), settings()).unwrap();
            ledger.check(&store, true).unwrap();
            vfs.set_capacity(Some(vfs.used_bytes() + rng.u64(0..20_000)));
            let mut refused = 0;
            while refused < 3 {
                let sent = ledger.batch(&mut rng, &clock);
                match store.append_blocking(sent) {
                    Ok(_) => ledger.acknowledge(),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
                        refused += 1;
                    }
                }
                clock.advance(Duration::from_secs(30));
            }
            assert!(store.metrics().disk_full);
            ledger.check(&store, false).unwrap();
            if rng.bool() {
                // Full at the start, with the power lost in between.
                drop(store);
                vfs = vfs.power_cycle();
                vfs.set_capacity(Some(vfs.used_bytes()));
                store = open_sim(&vfs, &clock, rng.u64(..), settings()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                ledger.check(&store, true).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                // Starting may have made a little room.
                let sent = ledger.batch(&mut rng, &clock);
                match store.append_blocking(sent) {
                    Ok(_) => ledger.acknowledge(),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Full, "{error}"),
                }
            }
            vfs.set_capacity(None);
            assert_eq!(work(&store, &mut ledger, &clock, seed, 12), 0, "seed {seed}: with room everything works");
            ledger.check(&store, false).unwrap();
            assert!(!store.metrics().disk_full);
            drop(store);
            vfs = vfs.power_cycle();
        }
    }
}

/// A store on a simulated disk with these settings as they are.
fn open_as_is(vfs: &SimVfs, settings: StoreSettings) -> Arc<Store> {
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let random = Arc::new(SeededRandomness::new(1));
    let options = StoreOptions { dir: "/data".into(), vfs: disk.clone(), clock: clock(), random, read_only: false, settings };
    Store::open_with(options, &|dir| Ok(Box::new(SimCatalog::open(disk.clone(), dir)?))).unwrap()
}

#[test]
fn with_threads_it_goes_on_by_itself_once_there_is_room() {
    let vfs = SimVfs::new(1);
    let store = open_as_is(&vfs, StoreSettings { flush_bytes: 20_000, reserve_bytes: 0, ..StoreSettings::default() });
    let mut accepted = Vec::new();
    for round in 0..3 {
        vfs.set_capacity(Some(vfs.used_bytes() + 70_000));
        let mut refused = 0;
        while refused < 5 {
            let text = format!("{round} {} {}", accepted.len(), "padding ".repeat(100));
            match store.append_blocking(batch("main", &[&text])) {
                Ok(_) => accepted.push(text),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
                    refused += 1;
                }
            }
            assert!(accepted.len() < 100_000, "the disk never fills up");
        }
        assert_eq!(texts(&store, "main"), accepted, "search goes on");
        vfs.set_capacity(None);
        let start = std::time::Instant::now();
        while store.append_blocking(batch("main", &["again"])).is_err() {
            assert!(start.elapsed().as_secs() < 10, "appending goes on within ten seconds");
            std::thread::sleep(Duration::from_millis(20));
        }
        accepted.push("again".to_owned());
    }
    store.close().unwrap();
    drop(store);
    let store = open_as_is(&vfs.power_cycle(), StoreSettings { reserve_bytes: 0, ..StoreSettings::default() });
    assert_eq!(texts(&store, "main"), accepted);
}

#[test]
fn the_reserve_is_refused_before_it_is_touched() {
    let vfs = SimVfs::new(1);
    vfs.set_capacity(Some(100_000));
    let store = open_as_is(&vfs, StoreSettings { synchronous: true, reserve_bytes: 50_000, ..StoreSettings::default() });
    let event = "x".repeat(1_000);
    let error = (0..100).find_map(|_| store.append_blocking(batch("main", &[&event])).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.hint().is_some());
    let used = vfs.used_bytes();
    assert!(used <= 50_000 && used > 40_000, "{used}");
    store.flush().unwrap();
    store.append_blocking(batch("main", &["fits again"])).unwrap();
    assert_eq!(texts(&store, "main").last().unwrap(), "fits again");
}
