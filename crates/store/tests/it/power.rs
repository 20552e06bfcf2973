//! Power cuts at random calls to the disk, under a random workload and during recovery.

use crate::ledger::{Ledger, open_sim, small};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Ignored, ManualClock, SimVfs, Vfs};
use taffrail_store::Store;

/// Power cuts in each run of a seed.
const CUTS_PER_RUN: u64 = 4;

fn seeds(count: u64) -> std::ops::Range<u64> {
    // One seed again: TAFFRAIL_SEED=17 cargo nextest run -p taffrail-store power
    match std::env::var("TAFFRAIL_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    }
}

struct Run {
    rng: fastrand::Rng,
    clock: Arc<ManualClock>,
    vfs: SimVfs,
    ledger: Ledger,
    cuts: u64,
}

impl Run {
    fn new(seed: u64, ignored: Ignored) -> Self {
        let vfs = SimVfs::new(seed);
        vfs.ignore_sync(ignored);
        let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
        Self { rng: fastrand::Rng::with_seed(seed ^ 0x7461_6666), clock, vfs, ledger: Ledger::default(), cuts: 0 }
    }

    fn power_cycle(&mut self) {
        self.vfs = self.vfs.power_cycle();
        self.cuts += 1;
    }

    /// Opens, with cuts during recovery: at most two in a row, then one that is left in peace.
    fn open(&mut self, peaceful: bool) -> Result<Arc<Store>, String> {
        let mut left = if peaceful { 0 } else { self.rng.u8(0..3) };
        loop {
            self.vfs.clear_faults();
            if left > 0 {
                self.vfs.crash_after(self.rng.u64(1..40));
                left -= 1;
            }
            let (seed, settings) = (self.rng.u64(..), small(&mut self.rng));
            match open_sim(&self.vfs, &self.clock, seed, settings) {
                Ok(_) if self.vfs.is_dead() => self.power_cycle(),
                Ok(store) => {
                    self.vfs.clear_faults();
                    self.ledger.check(&store, true)?;
                    return leftovers(&self.vfs, &store).map(|()| store);
                }
                Err(_) if self.vfs.is_dead() => self.power_cycle(),
                Err(error) => return Err(format!("does not start: {error}")),
            }
        }
    }

    /// Works until the power goes; whether it did.
    fn work(&mut self, store: &Store, steps: usize) -> Result<bool, String> {
        for _ in 0..steps {
            match self.rng.u8(0..20) {
                0..14 => {
                    let batch = self.ledger.batch(&mut self.rng, &self.clock);
                    if store.append_blocking(batch).is_ok() {
                        self.ledger.acknowledge();
                    } else if !self.vfs.is_dead() {
                        return Err("an append failed with the power on".to_owned());
                    }
                }
                14..16 => drop(store.flush()),
                16..18 => {
                    self.clock.advance(Duration::from_secs(self.rng.u64(0..9)));
                    drop(store.tick());
                    drop(store.upkeep());
                }
                _ if self.vfs.is_dead() => {}
                _ => match self.ledger.check(store, false) {
                    Err(_) if self.vfs.is_dead() => {}
                    checked => checked?,
                },
            }
            if self.vfs.is_dead() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..CUTS_PER_RUN {
            let store = self.open(false)?;
            self.vfs.crash_after(self.rng.u64(1..160));
            while !self.work(&store, 60)? {}
            drop(store);
            self.power_cycle();
        }
        let store = self.open(true)?;
        self.work(&store, 10)?;
        store.close().map_err(|e| e.to_string())?;
        drop(store);
        self.open(true).map(drop)
    }
}

/// Nothing that a crash left unfinished stays for ever.
pub fn leftovers(vfs: &SimVfs, store: &Store) -> Result<(), String> {
    let list = |folder: &Path| vfs.read_dir(folder).unwrap_or_default();
    let days = list(Path::new("/data/segments")).into_iter().flat_map(|index| list(&index));
    let files = days.flat_map(|day| list(&day)).count();
    let named = store.metrics().segments as usize;
    let unfinished = list(Path::new("/data/journal")).iter().filter(|path| path.extension().is_some_and(|suffix| suffix == "tmp")).count();
    match files == named && unfinished == 0 {
        true => Ok(()),
        false => Err(format!("{files} segment files, {named} in the catalog, {unfinished} unfinished journal files")),
    }
}

#[test]
fn no_power_cut_loses_doubles_or_alters_an_acknowledged_event() {
    let (mut cuts, mut acknowledged) = (0, 0);
    for seed in seeds(300) {
        let mut run = Run::new(seed, Ignored::default());
        if let Err(what) = run.run() {
            panic!("seed {seed}, after {} cuts: {what}", run.cuts);
        }
        cuts += run.cuts;
        acknowledged += run.ledger.acknowledged();
    }
    println!("{cuts} power cuts, {acknowledged} batches acknowledged");
    assert!(cuts >= 1_500 || std::env::var_os("TAFFRAIL_SEED").is_some());
}

/// Of 60 runs, how many are caught.
fn caught(ignored: Ignored) -> usize {
    let fails = |seed| catch_unwind(AssertUnwindSafe(|| Run::new(seed, ignored).run())).map_or(true, |result| result.is_err());
    let caught = (0..60).filter(|seed| fails(*seed)).count();
    println!("{caught} of 60 runs with {ignored:?} were caught");
    caught
}

#[test]
fn without_fsync_the_same_test_fails() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let none = caught(Ignored { data: true, names: true });
    let no_data = caught(Ignored { data: true, names: false });
    let no_names = caught(Ignored { data: false, names: true });
    std::panic::set_hook(hook);
    assert!(none >= 57 && no_data >= 57 && no_names >= 57, "a program without syncs passes the power-cut test");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let calls = || {
        let mut run = Run::new(5, Ignored::default());
        run.run().unwrap();
        (run.vfs.calls(), run.cuts, run.ledger.acknowledged())
    };
    assert_eq!(calls(), calls());
}
