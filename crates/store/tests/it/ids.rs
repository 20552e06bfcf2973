//! A sender that sends again whatever it was not answered for, and sometimes what it was: of events with ids each is there once, whatever
//! the disk and the power do in between.

use crate::ledger::{open_sim, origin, small, texts};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Fault, ManualClock, SimVfs};
use taffrail_event::{EventBatch, EventId, IdScope, Problems, Same, Timestamp};
use taffrail_store::Store;

fn id(event: usize) -> EventId {
    EventId { scope: IdScope(event as u64 % 3), key: event as u64 * 7_919, content: event as u64 }
}

/// Events of these numbers.
fn batch(events: std::ops::Range<usize>) -> EventBatch {
    let mut batch = EventBatch::new(Timestamp(1_700_000_000_000_000_000));
    let number = batch.origin(&origin("main", "h"));
    for event in events {
        batch.push(number, Timestamp(event as i64), Problems::NONE, format!("event {event}").as_bytes());
        batch.mark(batch.len() - 1, id(event), if event % 2 == 0 { Same::Id } else { Same::IdAndContent });
    }
    batch
}

struct Run {
    rng: fastrand::Rng,
    clock: Arc<ManualClock>,
    vfs: SimVfs,
    store: Option<Arc<Store>>,
    again: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
        Self { rng: fastrand::Rng::with_seed(seed), clock, vfs: SimVfs::new(seed), store: None, again: 0 }
    }

    fn store(&mut self) -> Arc<Store> {
        if self.vfs.is_dead() {
            self.cut();
        }
        while self.store.is_none() {
            self.vfs.clear_faults();
            let (seed, settings) = (self.rng.u64(..), small(&mut self.rng));
            self.store = Some(open_sim(&self.vfs, &self.clock, seed, settings).expect("opens"));
        }
        self.store.clone().expect("was just opened")
    }

    fn cut(&mut self) {
        self.store = None;
        self.vfs = self.vfs.power_cycle();
    }

    /// Sends until it is answered.
    fn send(&mut self, batch: &EventBatch) {
        loop {
            let store = self.store();
            match self.rng.u8(0..10) {
                0 => self.vfs.crash_after(self.rng.u64(1..20)),
                1 => self.vfs.fail_call(self.vfs.calls() + self.rng.u64(1..10), Fault::Error(io::ErrorKind::Other)),
                2 => self.vfs.fail_call(self.vfs.calls() + self.rng.u64(1..10), Fault::DoneButFailed(io::ErrorKind::Other)),
                _ => {}
            }
            let answer = store.append_blocking(batch.clone());
            drop(store);
            let dead = self.vfs.is_dead();
            if dead {
                self.store = None;
            }
            match answer {
                Ok(receipt) if !dead => {
                    assert_eq!(receipt.events as usize + receipt.repeated.len(), batch.len());
                    self.again += receipt.repeated.len();
                    return;
                }
                _ => {}
            }
        }
    }
}

#[test]
fn each_event_with_an_id_is_there_once() {
    let mut again = 0;
    for seed in 0..200 {
        let mut run = Run::new(seed);
        let mut sent = 0;
        while sent < 120 {
            let until = sent + run.rng.usize(1..12);
            let new = batch(sent..until);
            run.send(&new);
            match run.rng.u8(0..8) {
                // The answer was lost on its way.
                0 => run.send(&new),
                1 => {
                    run.cut();
                    run.send(&new);
                }
                // Some of it again, among others.
                2 => run.send(&batch(sent.saturating_sub(5)..until)),
                3 => _ = run.store().flush(),
                4 => run.clock.advance(Duration::from_secs(40)),
                5 => run.store = None,
                _ => {}
            }
            sent = until;
        }
        run.vfs.clear_faults();
        let expected: Vec<String> = (0..sent).map(|event| format!("event {event}")).collect();
        assert_eq!(texts(&run.store(), "main"), expected, "seed {seed}");
        again += run.again;
    }
    assert!(again > 1_000, "{again} came again");
    println!("{again} events came again");
}
