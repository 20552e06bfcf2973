//! What was handed to a store and what it said to it, and the comparison with what it holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Clock, Error, ManualClock, Result, SeededRandomness, SimVfs, Vfs};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_store::catalog::SimCatalog;
use taffrail_store::{Store, StoreOptions, StoreSettings};

/// An origin in `index`.
pub fn origin(index: &str, host: &str) -> Origin {
    let [source, sourcetype, transport, peer] = ["/var/log/test", "anything", "file", ""].map(Arc::from);
    Origin { index: index.into(), host: host.into(), source, sourcetype, transport, peer }
}

/// A batch of these events, all in `index`.
pub fn batch(index: &str, events: &[&str]) -> EventBatch {
    let mut batch = EventBatch::new(Timestamp(1_700_000_000_000_000_000));
    let number = batch.origin(&origin(index, "host"));
    for (at, event) in events.iter().enumerate() {
        batch.push(number, Timestamp(1_700_000_000_000_000_000 + at as i64), Problems::NONE, event.as_bytes());
    }
    batch
}

/// Events with their arrival numbers, per index.
pub type Contents = BTreeMap<String, Vec<(u64, Vec<u8>)>>;

/// Every event of the store with its arrival number, per index, in order.
pub fn contents(store: &Store) -> Result<Contents> {
    let mut segments = store.snapshot().segments;
    segments.sort_by_key(|segment| segment.meta().first_sequence);
    let mut found = Contents::new();
    for segment in segments {
        let events = found.entry(segment.meta().index.to_string()).or_default();
        let before = events.len();
        segment.open()?.for_each_raw(&mut |number, raw| events.push((number, raw.to_vec())))?;
        assert_eq!((events.len() - before) as u64, segment.meta().events);
    }
    // Late events are in files of their own.
    found.values_mut().for_each(|events| events.sort_by_key(|(number, _)| *number));
    Ok(found)
}

/// The events of one index as text.
pub fn texts(store: &Store, index: &str) -> Vec<String> {
    let events = contents(store).unwrap().remove(index).unwrap_or_default();
    events.into_iter().map(|(_, raw)| String::from_utf8(raw).unwrap()).collect()
}

/// A store on a simulated disk, without threads.
pub fn open_sim(vfs: &SimVfs, clock: &Arc<ManualClock>, seed: u64, settings: StoreSettings) -> Result<Arc<Store>> {
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let options = StoreOptions {
        dir: PathBuf::from("/data"),
        vfs: disk.clone(),
        clock: clock.clone() as Arc<dyn Clock>,
        random: Arc::new(SeededRandomness::new(seed)),
        read_only: false,
        settings: StoreSettings { synchronous: true, reserve_bytes: 0, zstd_level: 1, ..settings },
    };
    Store::open_with(options, &|dir: &Path| Ok(Box::new(SimCatalog::open(disk.clone(), dir)?)))
}

/// Settings under which everything happens often.
pub fn small(rng: &mut fastrand::Rng) -> StoreSettings {
    StoreSettings {
        flush_bytes: rng.usize(500..12_000),
        flush_events: rng.usize(5..80),
        flush_age_seconds: rng.u64(1..20),
        journal_file_bytes: rng.u64(200..12_000),
        ..StoreSettings::default()
    }
}

/// What became of a batch, as far as the sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Acknowledged,
    /// Reported as failed, or the power went: there or not, but whole, and once.
    Unknown,
    /// Was not there when looked for, or something later was acknowledged: must never be there again.
    Gone,
}

#[derive(Clone, Debug)]
struct Sent {
    fate: Fate,
    /// Which input sent it, whose position it carries.
    input: usize,
    events: Arc<Vec<(usize, Vec<u8>)>>,
    /// Calls to the disk before it was handed over, and when it was acknowledged.
    calls: (u64, u64),
}

/// The record of a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    sent: Vec<Sent>,
}

const INDEXES: [&str; 3] = ["main", "audit", "web_1"];
const INPUTS: usize = 3;

impl Ledger {
    /// A new batch, entered with an unknown fate. Every event begins with the batch's number and its own.
    pub fn batch(&mut self, rng: &mut fastrand::Rng, clock: &ManualClock) -> EventBatch {
        let number = self.sent.len();
        let input = rng.usize(0..INPUTS);
        let mut batch = EventBatch::new(Timestamp(clock.now_nanos()));
        let spread = if rng.bool() { 1 } else { INDEXES.len() };
        let count = if rng.u8(0..10) == 0 { 0 } else { rng.usize(1..12) };
        let mut events = Vec::new();
        for at in 0..count {
            let index = rng.usize(0..spread);
            let raw = event(rng, number, at);
            let slot = batch.origin(&origin(INDEXES[index], ["a", "b"][rng.usize(0..2)]));
            batch.push(slot, Timestamp(clock.now_nanos() - rng.i64(0..5_000_000_000) - off(number, at)), Problems::NONE, &raw);
            events.push((index, raw));
        }
        batch.set_position(format!("input/{input}"), number.to_string());
        self.sent.push(Sent { fate: Fate::Unknown, input, events: Arc::new(events), calls: (0, 0) });
        batch
    }

    /// The batch entered last was acknowledged. What was reported as failed before it must be gone for good.
    pub fn acknowledge(&mut self) {
        let (last, before) = self.sent.split_last_mut().expect("a batch was entered");
        last.fate = Fate::Acknowledged;
        before.iter_mut().filter(|sent| sent.fate == Fate::Unknown).for_each(|sent| sent.fate = Fate::Gone);
    }

    /// Appends a batch and notes between which calls to the disk that was.
    pub fn append(&mut self, store: &Store, vfs: &SimVfs, rng: &mut fastrand::Rng, clock: &ManualClock) -> Result<()> {
        let batch = self.batch(rng, clock);
        let before = vfs.calls();
        store.append_blocking(batch)?;
        self.acknowledge();
        self.sent.last_mut().expect("just entered").calls = (before, vfs.calls());
        Ok(())
    }

    /// What a sender knew after so many calls to the disk, in a run without faults.
    pub fn at(&self, calls: u64) -> Self {
        let mut sent: Vec<Sent> = self.sent.iter().filter(|sent| sent.calls.0 <= calls).cloned().collect();
        if let Some(last) = sent.last_mut()
            && last.calls.1 > calls
        {
            last.fate = Fate::Unknown;
        }
        Self { sent }
    }

    /// How many batches are acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.sent.iter().filter(|sent| sent.fate == Fate::Acknowledged).count()
    }

    /// Compares with what the store holds. With `settle`, what is there of unknown fate now counts as
    /// acknowledged, and what is not as gone: the store was just recovered.
    pub fn check(&mut self, store: &Store, settle: bool) -> Result<(), String> {
        let found = contents(store).map_err(|e: Error| e.to_string())?;
        self.compare(store, &found, settle)
    }

    /// As [`Ledger::check`], with the store's [`contents`].
    pub fn compare(&mut self, store: &Store, found: &Contents, settle: bool) -> Result<(), String> {
        for (index, events) in found {
            for (expected, (number, _)) in (1..).zip(events) {
                if *number != expected {
                    return Err(format!("{index}: event {number} where {expected} should be"));
                }
            }
        }
        let there = |sent: &Sent, number: usize| match sent.events.first() {
            Some((index, _)) => {
                found.get(INDEXES[*index]).is_some_and(|events| events.iter().any(|(_, raw)| batch_of(raw) == Some(number)))
            }
            // Only a position: there if nothing else explains the position.
            None => position(store, sent.input) == Some(number),
        };
        let mut expected: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
        let mut positions = [None; INPUTS];
        let mut fates = Vec::new();
        for (number, sent) in self.sent.iter().enumerate() {
            let present = match sent.fate {
                Fate::Acknowledged => true,
                Fate::Gone => false,
                Fate::Unknown => there(sent, number),
            };
            fates.push(present);
            if present {
                sent.events.iter().for_each(|(index, raw)| expected.entry(INDEXES[*index]).or_default().push(&raw[..]));
                positions[sent.input] = Some(number);
            }
        }
        for index in INDEXES {
            let found: Vec<&[u8]> = found.get(index).into_iter().flatten().map(|(_, raw)| &raw[..]).collect();
            let expected = expected.remove(index).unwrap_or_default();
            if found != expected {
                return Err(difference(index, &found, &expected));
            }
        }
        for (input, expected) in positions.into_iter().enumerate() {
            if position(store, input) != expected {
                return Err(format!("position of input {input}: {:?}, expected {expected:?}", position(store, input)));
            }
        }
        if settle {
            for (sent, present) in self.sent.iter_mut().zip(fates) {
                sent.fate = if present { Fate::Acknowledged } else { Fate::Gone };
            }
        }
        Ok(())
    }
}

fn position(store: &Store, input: usize) -> Option<usize> {
    store.position(&format!("input/{input}")).map(|value| String::from_utf8(value).unwrap().parse().unwrap())
}

fn batch_of(raw: &[u8]) -> Option<usize> {
    let text = raw.split(|byte| *byte == b'.').next()?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Most events are seconds old; some are days off, which also depends on nothing else.
fn off(batch: usize, at: usize) -> i64 {
    let mut rng = fastrand::Rng::with_seed((batch * 64 + at) as u64);
    match rng.u8(0..12) {
        0 => rng.i64(-40 * 86_400..900 * 86_400) * 1_000_000_000,
        _ => 0,
    }
}

fn event(rng: &mut fastrand::Rng, batch: usize, at: usize) -> Vec<u8> {
    let mut raw = format!("{batch}.{at} ").into_bytes();
    match rng.u8(0..20) {
        0 => raw.extend((0..rng.usize(0..9_000)).map(|_| rng.u8(..))),
        1 => {}
        2..6 => raw.extend(format!("user={} \"GET /{}\" {}", rng.u8(..), rng.u16(..), rng.u8(..)).bytes()),
        _ => {
            raw.extend(format!("sshd[{}]: Accepted password for root from 10.0.0.{} port {}", rng.u16(..), rng.u8(..), rng.u16(..)).bytes())
        }
    }
    raw
}

fn difference(index: &str, found: &[&[u8]], expected: &[&[u8]]) -> String {
    let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
    let show = |events: &[&[u8]]| events.get(at).map(|raw| String::from_utf8_lossy(&raw[..raw.len().min(60)]).into_owned());
    let (one, other) = (show(found), show(expected));
    format!("{index}: {} events, expected {}; event {at} is {one:?}, expected {other:?}", found.len(), expected.len())
}
