//! Power cuts everywhere: a run is recorded, and for each moment between two calls to the disk the store is
//! started on what may be left, with the power going again at moments of that start, and of the start after.
//!
//! A state is one disk that a start was made on. Many of them, in a build with optimisation:
//! `TAFFRAIL_STATES=1000000 cargo nextest run -p taffrail-store states --no-capture`; one run again:
//! `TAFFRAIL_SEED=17`; other runs than last time: `TAFFRAIL_FIRST_SEED=5000`.

use crate::ledger::{Contents, Ledger, contents, open_sim, small};
use crate::power::leftovers;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use taffrail_base::{Ignored, ManualClock, Moment, SimVfs};

/// States that a run of all tests goes through.
const STATES: u64 = 20_000;

/// Ways in which each moment of a recorded run is left behind.
const WAYS: u64 = 4;

/// Of each start, how many moments are cut again, at the second and third time.
const AGAIN: [usize; 2] = [2, 1];

/// One run in so many has every moment of the second start cut, not a few.
const THOROUGH: u64 = 64;

/// The variable as a number.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

struct Explorer {
    seed: u64,
    rng: fastrand::Rng,
    clock: Arc<ManualClock>,
    /// States by how often the power had gone.
    states: [u64; 3],
    /// Of these, how many worked on afterwards.
    resumed: u64,
}

impl Explorer {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
        Self { seed, rng: fastrand::Rng::with_seed(seed ^ 0x0057_a7e5), clock, states: [0; 3], resumed: 0 }
    }

    /// A run without trouble, from an empty disk on, with a start in the middle.
    fn recorded(&mut self, ignored: Ignored) -> Result<(Vec<Moment>, Ledger), String> {
        let vfs = SimVfs::new(self.seed);
        vfs.ignore_sync(ignored);
        vfs.record();
        let mut ledger = Ledger::default();
        for _ in 0..2 {
            let settings = small(&mut self.rng);
            let store = open_sim(&vfs, &self.clock, self.rng.u64(..), settings).map_err(|e| e.to_string())?;
            for _ in 0..self.rng.usize(4..22) {
                match self.rng.u8(0..12) {
                    0 => store.flush().map_err(|e| e.to_string())?,
                    1 => {
                        self.clock.advance(Duration::from_secs(self.rng.u64(0..9)));
                        store.tick().map_err(|e| e.to_string())?;
                    }
                    _ => ledger.append(&store, &vfs, &mut self.rng, &self.clock).map_err(|e| e.to_string())?,
                }
            }
            if self.rng.bool() {
                store.close().map_err(|e| e.to_string())?;
            }
        }
        Ok((vfs.record(), ledger))
    }

    fn explore(&mut self, ignored: Ignored) -> Result<(), String> {
        let (moments, ledger) = self.recorded(ignored)?;
        for moment in moments {
            for way in 0..WAYS {
                let seed = self.rng.u64(..);
                let start = self.start(&moment, seed, ledger.at(moment.calls), None, 0);
                start.map_err(|e| format!("cut after call {} of the run (way {way}), {e}", moment.calls))?;
            }
        }
        Ok(())
    }

    /// Starts on what `moment` leaves behind, and on what the moments of that start leave behind. Once a start
    /// has shown what is there, all later ones have to show the same.
    fn start(&mut self, moment: &Moment, seed: u64, mut ledger: Ledger, shown: Option<&Contents>, depth: usize) -> Result<(), String> {
        let vfs = moment.power_cycle(seed);
        self.states[depth] += 1;
        vfs.record();
        let settings = small(&mut self.rng);
        let store = open_sim(&vfs, &self.clock, self.rng.u64(..), settings).map_err(|e| format!("does not start: {e}"))?;
        let moments = vfs.record();
        let found = contents(&store).map_err(|e| e.to_string())?;
        ledger.compare(&store, &found, true)?;
        leftovers(&vfs, &store)?;
        if shown.is_some_and(|shown| *shown != found) {
            return Err("a start that was cut short changed what is there".to_owned());
        }
        for again in self.chosen(depth, moments.len()) {
            let (seed, moment) = (self.rng.u64(..), &moments[again]);
            let start = self.start(moment, seed, ledger.clone(), Some(&found), depth + 1);
            start.map_err(|e| format!("again after call {} of start {}, {e}", moment.calls, depth + 1))?;
        }
        if self.rng.u8(0..8) == 0 {
            self.resume(&vfs, &store, ledger)?;
        }
        Ok(())
    }

    /// Which of the moments of a start are cut again.
    fn chosen(&mut self, depth: usize, moments: usize) -> Vec<usize> {
        match depth {
            0 if self.seed % THOROUGH == THOROUGH - 1 => (0..moments).collect(),
            0 | 1 => (0..AGAIN[depth]).map(|_| self.rng.usize(0..moments)).collect(),
            _ => Vec::new(),
        }
    }

    /// Works on, and looks again after one more power cut.
    fn resume(&mut self, vfs: &SimVfs, store: &Arc<taffrail_store::Store>, mut ledger: Ledger) -> Result<(), String> {
        self.resumed += 1;
        for _ in 0..3 {
            ledger.append(store, vfs, &mut self.rng, &self.clock).map_err(|e| format!("does not go on: {e}"))?;
        }
        if self.rng.bool() {
            store.flush().map_err(|e| format!("does not write out: {e}"))?;
        }
        ledger.check(store, false)?;
        let after = vfs.power_cycle();
        let settings = small(&mut self.rng);
        let store = open_sim(&after, &self.clock, self.rng.u64(..), settings).map_err(|e| format!("does not start at last: {e}"))?;
        ledger.check(&store, true)
    }
}

#[test]
fn whatever_a_power_cut_leaves_the_store_starts_with_all_that_was_acknowledged() {
    let start = Instant::now();
    let (one, wanted) = (number("TAFFRAIL_SEED"), number("TAFFRAIL_STATES").unwrap_or(STATES));
    let first = one.or(number("TAFFRAIL_FIRST_SEED")).unwrap_or(0);
    let (mut states, mut resumed, mut runs) = ([0; 3], 0, 0);
    for seed in first.. {
        let mut explorer = Explorer::new(seed);
        if let Err(what) = explorer.explore(Ignored::default()) {
            panic!("TAFFRAIL_SEED={seed}: {what}");
        }
        runs += 1;
        resumed += explorer.resumed;
        states.iter_mut().zip(explorer.states).for_each(|(all, new)| *all += new);
        if one.is_some() || states.iter().sum::<u64>() >= wanted {
            break;
        }
    }
    let [once, twice, thrice] = states;
    let all = once + twice + thrice;
    println!("{all} states of {runs} runs in {:?}: {once} after one power cut, {twice} after two, {thrice} after three", start.elapsed());
    println!("{resumed} of them worked on, with one more power cut at the end");
}

#[test]
fn without_fsync_this_fails_too() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = |ignored: Ignored| {
        let fails = |seed| catch_unwind(AssertUnwindSafe(|| Explorer::new(seed).explore(ignored))).map_or(true, |result| result.is_err());
        (0..40).filter(|seed| fails(*seed)).count()
    };
    let found = [(true, true), (true, false), (false, true)].map(|(data, names)| caught(Ignored { data, names }));
    std::panic::set_hook(hook);
    println!("of 40 runs without syncs, without those of files, without those of folders: {found:?} caught");
    assert!(found.iter().all(|caught| *caught >= 39), "a program without syncs passes: {found:?}");
}
