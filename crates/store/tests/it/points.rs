//! Named points of failure: every kind of call to the disk, on every kind of file, at every stage of a store's
//! life, goes wrong in every way that it can; and troubles that last for a stage.
//!
//! A point is `stage: call file`. [`POINTS`] lists those that must be reached, so that a stage that is no
//! longer gone through is noticed. Others that come up are tried too.

use crate::ledger::{Ledger, open_sim};
use std::collections::BTreeMap;
use std::io::ErrorKind as Io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Call, Error, ErrorKind, Fault, ManualClock, Op, SimVfs, Vfs};
use taffrail_store::{Store, StoreSettings};

const POINTS: &str = include_str!("points.txt");

const STAGES: [&str; 12] = [
    "first start",
    "append",
    "write out",
    "search",
    "grow old",
    "close",
    "clean start",
    "start after a kill",
    "start with a torn record",
    "start with an unnamed segment",
    "start with an unfinished journal file",
    "start with an unfinished segment",
];

/// Points where something was lost once: always tried in all ways, at every call.
const WAS_WRONG: [&str; 1] = ["start with an unfinished segment: Create new catalog"];

const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EDQUOT: i32 = 122;

fn settings() -> StoreSettings {
    StoreSettings { flush_bytes: 2_500, flush_events: 25, journal_file_bytes: 1_200, flush_age_seconds: 60, ..StoreSettings::default() }
}

/// What kind of file a path is.
fn role(path: &Path) -> &'static str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let depth = path.components().count();
    match () {
        () if name.ends_with(".wal") => "journal file",
        () if name.ends_with(".wal.tmp") => "new journal file",
        () if name.ends_with(".seg") => "segment",
        () if name.ends_with(".seg.tmp") => "new segment",
        () if name == "catalog.sim" => "catalog",
        () if name == "catalog.tmp" => "new catalog",
        () if name == "lock" => "lock",
        () if path == Path::new("/data") => "data folder",
        () if path == Path::new("/data/journal") => "journal folder",
        () if path.starts_with("/data/segments") && depth == 3 => "segments folder",
        () if path.starts_with("/data/segments") && depth == 4 => "index folder",
        () if path.starts_with("/data/segments") => "day folder",
        () if path == Path::new("removed") => "removed file",
        () => "other file",
    }
}

/// A fault at the `number`-th call of a stage.
#[derive(Clone, Copy, Debug)]
struct Planned {
    stage: &'static str,
    number: u64,
    fault: Fault,
}

/// A life of a store, stage by stage, with at most one planned fault, and with what went wrong.
struct Life {
    vfs: SimVfs,
    clock: Arc<ManualClock>,
    ledger: Ledger,
    rng: fastrand::Rng,
    store: Option<Arc<Store>>,
    planned: Option<Planned>,
    /// A trouble that lasts for one stage.
    trouble: Option<Trouble>,
    /// The calls of each stage, when they are noted.
    calls: BTreeMap<&'static str, Vec<Call>>,
    noting: bool,
    /// How many faults were seen by somebody.
    seen: usize,
    /// Nobody has looked yet since the store was started.
    started: bool,
}

type Outcome = Result<(), String>;

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            vfs: SimVfs::new(seed),
            clock: Arc::new(ManualClock::at(1_700_000_000_000_000_000)),
            ledger: Ledger::default(),
            rng: fastrand::Rng::with_seed(seed),
            store: None,
            planned: None,
            trouble: None,
            calls: BTreeMap::new(),
            noting: false,
            seen: 0,
            started: false,
        }
    }

    /// Runs a stage with what is planned for it; afterwards there is a store again, without trouble.
    fn stage(&mut self, stage: &'static str, act: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        if self.noting {
            self.vfs.trace();
        }
        if let Some(planned) = self.planned.filter(|planned| planned.stage == stage) {
            self.vfs.fail_call(planned.number, planned.fault);
            self.planned = None;
        }
        if let Some((_, rule)) = self.trouble.filter(|(at, _)| *at == stage) {
            self.vfs.fail_where(rule);
        }
        act(self).map_err(|e| format!("{stage}: {e}"))?;
        if self.noting {
            self.calls.entry(stage).or_default().extend(self.vfs.trace());
        }
        self.vfs.clear_faults();
        let breaches = self.vfs.breaches();
        if !breaches.is_empty() {
            return Err(format!("{stage}: {breaches:?}"));
        }
        if self.vfs.is_dead() {
            self.store = None;
            self.vfs = self.vfs.power_cycle();
        }
        if self.store.is_none() {
            self.open().map_err(|e| format!("{stage}: without trouble it does not start: {e}"))?;
        }
        // Up to the stage of the fault nothing can be wrong, and looking takes most of the time.
        // The run that is noted looks as little: what it leaves in memory must be the same.
        let before = self.noting || self.planned.is_some() || self.trouble.is_some_and(|(at, _)| at != stage);
        if before && !self.started {
            return Ok(());
        }
        self.trouble = self.trouble.filter(|(at, _)| *at != stage);
        let store = self.store.clone().expect("just opened");
        let settle = std::mem::take(&mut self.started);
        self.ledger.check(&store, settle).map_err(|e| format!("after {stage}: {e}"))
    }

    /// An error that a fault may cause: it names the place, and does not blame the data.
    fn fault(&mut self, error: &Error) -> Outcome {
        self.seen += 1;
        let named = error.message().contains("/data") || error.message().contains("simulated catalog");
        match error.kind() {
            _ if self.vfs.is_dead() => Ok(()),
            ErrorKind::Io | ErrorKind::Full | ErrorKind::NotFound if named => Ok(()),
            kind => Err(format!("{kind:?} error: {error}")),
        }
    }

    fn open(&mut self) -> Result<(), Error> {
        let store = open_sim(&self.vfs, &self.clock, self.rng.u64(..), settings())?;
        self.store = Some(store);
        self.started = true;
        Ok(())
    }

    fn start(&mut self) -> Outcome {
        self.open().or_else(|e| self.fault(&e))
    }

    fn append(&mut self, count: usize) -> Outcome {
        for _ in 0..count {
            let store = self.store.clone().expect("between stages there is a store");
            let batch = self.ledger.batch(&mut self.rng, &self.clock);
            match store.append_blocking(batch) {
                Ok(_) if self.vfs.is_dead() => return Ok(()),
                Ok(_) => self.ledger.acknowledge(),
                Err(e) => self.fault(&e)?,
            }
        }
        Ok(())
    }

    fn with_store(&mut self, act: impl FnOnce(&Store) -> Result<(), Error>) -> Outcome {
        let store = self.store.clone().expect("between stages there is a store");
        act(&store).or_else(|e| self.fault(&e))
    }

    fn search(&mut self) -> Outcome {
        let store = self.store.clone().expect("between stages there is a store");
        crate::ledger::contents(&store).map(drop).or_else(|e| self.fault(&e))
    }

    /// Drops the store as a kill or a power cut would, `how` the power goes while it works.
    fn crash(&mut self, at: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Outcome {
        self.append(3)?;
        let seen = self.seen;
        self.vfs.fail_where(move |call| at(call).then_some(Fault::Crash));
        self.append(6)?;
        self.with_store(Store::flush)?;
        self.seen = seen;
        self.vfs.clear_faults();
        self.store = None;
        self.vfs = self.vfs.power_cycle();
        Ok(())
    }

    fn run(&mut self) -> Outcome {
        self.stage("first start", Self::start)?;
        self.stage("append", |life| life.append(8))?;
        self.stage("write out", |life| life.with_store(Store::flush))?;
        self.append(4)?;
        self.stage("search", Self::search)?;
        self.clock.advance(Duration::from_secs(100));
        self.stage("grow old", |life| life.with_store(Store::tick))?;
        self.append(4)?;
        self.stage("close", |life| life.with_store(Store::close))?;
        self.store = None;
        self.stage("clean start", Self::start)?;
        self.append(5)?;
        self.store = None;
        self.stage("start after a kill", Self::start)?;
        // Both ways of the last call before each cut are tried by other seeds; see `crash`.
        self.crash(|_| false)?;
        self.tear();
        self.stage("start with a torn record", Self::start)?;
        self.crash(|call| call.op == Op::Create && role(&call.path) == "new catalog")?;
        self.stage("start with an unnamed segment", Self::start)?;
        self.crash(|call| call.op == Op::Rename && role(&call.path) == "new journal file")?;
        self.stage("start with an unfinished journal file", Self::start)?;
        self.crash(|call| call.op == Op::Rename && role(&call.path) == "new segment")?;
        self.stage("start with an unfinished segment", Self::start)?;
        // It goes on, and a last cut finds it as it should be.
        self.append(4)?;
        self.with_store(Store::flush)?;
        self.store = None;
        self.vfs = self.vfs.power_cycle();
        self.stage("the end", Self::start)
    }

    /// What was being written when the power went.
    fn tear(&mut self) {
        let files = self.vfs.read_dir(Path::new("/data/journal")).unwrap();
        if let Some(last) = files.iter().rfind(|path| role(path) == "journal file") {
            let noise: Vec<u8> = (0..self.rng.usize(1..60)).map(|_| self.rng.u8(..)).collect();
            self.vfs.damage(last, |bytes| bytes.extend(noise)).unwrap();
        }
    }
}

/// Every point with the numbers of its calls within its stage.
fn points(seed: u64) -> BTreeMap<String, (&'static str, Op, Vec<u64>)> {
    let mut life = Life::new(seed);
    life.noting = true;
    life.run().unwrap_or_else(|e| panic!("without any fault: {e}"));
    assert_eq!(life.seen, 0);
    let mut points: BTreeMap<String, (&'static str, Op, Vec<u64>)> = BTreeMap::new();
    for stage in STAGES {
        let calls = &life.calls[stage];
        let before = calls.first().map_or(0, |call| call.number - 1);
        for call in calls {
            let name = format!("{stage}: {:?} {}", call.op, role(&call.path));
            points.entry(name).or_insert((stage, call.op, Vec::new())).2.push(call.number - before);
        }
    }
    points
}

/// The errors that a system gives for a call.
fn errors(op: Op) -> Vec<Fault> {
    let mut errors = vec![EIO, ENOMEM];
    if op.changes() || matches!(op, Op::Sync | Op::SyncDir) {
        errors.extend([ENOSPC, EDQUOT, EROFS]);
    }
    if matches!(op, Op::Create | Op::OpenRead | Op::OpenWrite | Op::ReadDir | Op::Lock) {
        errors.push(EMFILE);
    }
    errors.into_iter().map(Fault::Os).collect()
}

/// Each point goes wrong in one way, in turn. `TAFFRAIL_EVERY_FAULT=1`: in every way, with every error;
/// `TAFFRAIL_EVERY_CALL=1`: also at every call of the point, not only the first or the last. `TAFFRAIL_POINTS=1`
/// prints the points.
#[test]
fn every_named_point_fails_in_every_way() {
    const SEED: u64 = 3;
    let points = points(SEED);
    if std::env::var_os("TAFFRAIL_POINTS").is_some() {
        points.keys().for_each(|name| println!("{name}"));
    }
    let missing: Vec<&str> = POINTS.lines().filter(|name| !points.contains_key(*name)).collect();
    assert!(missing.is_empty(), "these points are not reached any more (if that is meant, write points.txt anew): {missing:#?}");
    assert!(points.len() >= 60, "{} points", points.len());
    let every_call = std::env::var_os("TAFFRAIL_EVERY_CALL").is_some();
    let thorough = every_call || std::env::var_os("TAFFRAIL_EVERY_FAULT").is_some();
    let (mut runs, mut seen, mut turn) = (0, 0, 0);
    for (name, (stage, op, numbers)) in &points {
        let errors = errors(*op);
        let mut faults = vec![Fault::Crash, Fault::DoneButFailed(Io::Other)];
        if op.has_bytes() {
            faults.push(Fault::Short(Io::Other));
        }
        match thorough {
            true => faults.extend(errors),
            false => faults.push(errors[turn % errors.len()]),
        }
        let all = WAS_WRONG.contains(&&**name);
        if !thorough && !all {
            // One way for each point; which one comes in turn.
            faults = vec![faults[turn % faults.len()]];
        }
        turn += 1;
        for fault in faults {
            // The first call of this kind and the last, in turn; or all of them.
            let tried = match every_call || all {
                true => numbers.clone(),
                false => vec![if runs % 2 == 0 { numbers[0] } else { numbers[numbers.len() - 1] }],
            };
            for number in tried {
                let mut life = Life::new(SEED);
                life.planned = Some(Planned { stage, number, fault });
                life.run().unwrap_or_else(|e| panic!("{name} (call {number} of the stage), {fault:?}: {e}"));
                runs += 1;
                seen += usize::from(life.seen > 0);
            }
        }
    }
    println!("{} points, {runs} runs with one fault, {seen} of them with an error that somebody saw", points.len());
}

#[test]
fn interrupted_and_short_reads_are_no_failures() {
    for (seed, fault) in [(1, Fault::Error(Io::Interrupted)), (2, Fault::Short(Io::Other))] {
        let mut runs = 0;
        for (name, (stage, op, numbers)) in points(seed) {
            if op == Op::Read {
                for number in [numbers[0], numbers[numbers.len() / 2]] {
                    let mut life = Life::new(seed);
                    life.planned = Some(Planned { stage, number, fault });
                    life.run().unwrap_or_else(|e| panic!("{name}, {fault:?}: {e}"));
                    assert_eq!(life.seen, 0, "{name}: {fault:?} was seen");
                    runs += 1;
                }
            }
        }
        assert!(runs >= 10, "{runs}");
    }
}

/// A trouble that lasts: its name, and which calls it makes fail.
type Trouble = (&'static str, fn(&Call) -> Option<Fault>);

const TROUBLES: [Trouble; 8] = [
    ("the disk was made read-only", |call| call.op.changes().then_some(Fault::Os(EROFS))),
    ("no file handles are left", |call| {
        matches!(call.op, Op::Create | Op::OpenRead | Op::OpenWrite | Op::ReadDir | Op::Lock | Op::SyncDir).then_some(Fault::Os(EMFILE))
    }),
    ("no memory is left in the system", |call| (call.number % 2 == 0).then_some(Fault::Os(ENOMEM))),
    ("every sync fails", |call| matches!(call.op, Op::Sync | Op::SyncDir).then_some(Fault::Os(EIO))),
    ("no more files can be made", |call| matches!(call.op, Op::Create | Op::CreateDirs).then_some(Fault::Os(ENOSPC))),
    ("the quota is used up", |call| matches!(call.op, Op::Create | Op::Write | Op::CreateDirs).then_some(Fault::Os(EDQUOT))),
    ("nothing can be removed or renamed", |call| matches!(call.op, Op::Remove | Op::Rename).then_some(Fault::Os(EACCES))),
    ("writes are cut short", |call| (call.op == Op::Write).then_some(Fault::Short(Io::StorageFull))),
];

#[test]
fn troubles_that_last_lose_nothing_and_end() {
    let seeds = if std::env::var_os("TAFFRAIL_EVERY_FAULT").is_some() { 5 } else { 1 };
    let mut seen = 0;
    for (name, rule) in TROUBLES {
        for stage in STAGES {
            for seed in 0..seeds {
                let mut life = Life::new(seed);
                life.trouble = Some((stage, rule));
                life.run().unwrap_or_else(|e| panic!("{name} during {stage}, seed {seed}: {e}"));
                seen += usize::from(life.seen > 0);
            }
        }
    }
    println!("{} runs with a trouble that lasts, seen in {seen}", TROUBLES.len() * STAGES.len() * seeds as usize);
    assert!(seen > 40, "{seen}");
}
