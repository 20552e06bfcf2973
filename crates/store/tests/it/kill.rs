//! kill -9 at random moments: a child writes and prints what was acknowledged, its parent kills it and looks.
//!
//! As many as wanted: `TAFFRAIL_KILLS=10000 cargo nextest run -p taffrail-store kill --no-capture`.

use crate::child::{Acknowledged, Child, check, run_if_child};
use crate::plain::options;
use std::path::Path;
use std::time::{Duration, Instant};
use taffrail_store::Store;

const KILLS: u64 = 200;
const TEST: &str = "kill::no_kill_loses_or_doubles_an_acknowledged_event";

/// Runs a child for `life`, kills it, and gives what it said was acknowledged, per sender.
fn one_life(dir: &Path, life: Duration) -> Acknowledged {
    let child = Child::start(TEST, dir, true);
    std::thread::sleep(life);
    child.kill()
}

#[test]
fn no_kill_loses_or_doubles_an_acknowledged_event() {
    run_if_child();
    let wanted = crate::states::number("TAFFRAIL_KILLS").unwrap_or(KILLS);
    let mut rng = fastrand::Rng::new();
    let start = Instant::now();
    let (mut kills, mut events, mut here) = (0, 0, 0);
    let mut folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    while kills < wanted {
        if kills % 20 == 0 {
            folder = tempfile::tempdir().unwrap();
            acknowledged.clear();
            events += std::mem::take(&mut here);
        }
        // Some die while they recover, some after much work.
        let life = Duration::from_millis(if rng.u8(0..4) == 0 { rng.u64(0..30) } else { rng.u64(30..250) });
        acknowledged.extend(one_life(folder.path(), life));
        kills += 1;
        if folder.path().join("catalog.db").exists() && (kills % 5 == 0 || kills == wanted) {
            let mut settings = options(folder.path());
            settings.read_only = true;
            here = check(&Store::open(settings).unwrap(), &acknowledged).unwrap_or_else(|e| panic!("after {kills} kills: {e}"));
        }
    }
    println!("{kills} kills in {:?}, {} events compared", start.elapsed(), events + here);
}
