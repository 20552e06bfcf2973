//! A sink that keeps everything in memory, and fails when told to.

use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, RealVfs, Result, SystemClock};
use taffrail_collect::Context;
use taffrail_event::{EventBatch, EventId, EventSink, Origin, Problems, Receipt, Timestamp};
use taffrail_format::{EventRules, Zone};

/// One event as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub raw: Vec<u8>,
    pub time: Timestamp,
    pub problems: Problems,
    pub origin: Origin,
}

impl Stored {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// What the disk would hold.
#[derive(Default)]
pub struct Disk {
    pub events: Vec<Stored>,
    pub positions: BTreeMap<String, Vec<u8>>,
    pub appends: u64,
    /// Ids of events that are there.
    pub ids: BTreeSet<EventId>,
}

/// How appends fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    None,
    /// From this many appends on: an I/O error, nothing stored.
    Io(u64),
    /// That append is stored and reported as failed; all later ones fail.
    DoneButFailed(u64),
    /// The next so many appends are refused as by a full disk.
    Full(u64),
}

pub struct MemorySink {
    pub disk: Arc<Mutex<Disk>>,
    pub failure: Mutex<Failure>,
    pub delay: Mutex<Duration>,
    pub rules: Arc<EventRules>,
}

impl MemorySink {
    /// A sink over what is on the disk: as after a restart.
    pub fn over(disk: &Arc<Mutex<Disk>>) -> Arc<Self> {
        Arc::new(Self { disk: Arc::clone(disk), failure: Mutex::new(Failure::None), delay: Mutex::default(), rules: Arc::default() })
    }

    pub fn new() -> Arc<Self> {
        Self::over(&Arc::default())
    }

    pub fn failing(disk: &Arc<Mutex<Disk>>, failure: Failure) -> Arc<Self> {
        let sink = Self::over(disk);
        *sink.failure.lock() = failure;
        sink
    }

    pub fn count(&self) -> usize {
        self.disk.lock().events.len()
    }

    pub fn texts(&self) -> Vec<String> {
        self.disk.lock().events.iter().map(Stored::text).collect()
    }

    pub fn events(&self) -> Vec<Stored> {
        self.disk.lock().events.clone()
    }

    /// The bytes of all events as lines.
    pub fn lines(&self) -> Vec<u8> {
        self.disk.lock().events.iter().flat_map(|event| event.raw.iter().copied().chain([b'\n'])).collect()
    }

    pub fn context(self: &Arc<Self>) -> Context {
        Context {
            sink: Arc::clone(self) as Arc<dyn EventSink>,
            vfs: Arc::new(RealVfs),
            clock: Arc::new(SystemClock::new()),
            host: "here".into(),
            rules: Arc::clone(&self.rules),
            zone: Zone::Utc,
            requests: None,
        }
    }

    fn store(&self, batch: &EventBatch) -> Result<Receipt> {
        let mut failure = self.failure.lock();
        let failed = |kind| Err(Error::new(kind, "the disk fails as the test wants it"));
        let (store, fail) = match &mut *failure {
            Failure::None => (true, false),
            Failure::Io(0) => return failed(ErrorKind::Io),
            Failure::DoneButFailed(0) => {
                *failure = Failure::Io(0);
                (true, true)
            }
            Failure::Full(0) => {
                *failure = Failure::None;
                (true, false)
            }
            Failure::Full(left) => {
                *left -= 1;
                return failed(ErrorKind::Full);
            }
            Failure::Io(left) | Failure::DoneButFailed(left) => {
                *left -= 1;
                (true, false)
            }
        };
        drop(failure);
        assert!(store);
        let mut disk = self.disk.lock();
        disk.appends += 1;
        let known = batch.ids().iter().filter(|marked| !disk.ids.insert(marked.id));
        let repeated: Vec<u32> = known.flat_map(|marked| marked.range()).collect();
        let batch = batch.without(&repeated);
        disk.events.extend(batch.iter().map(|event| Stored {
            raw: event.raw.to_vec(),
            time: event.time,
            problems: event.problems,
            origin: event.origin.clone(),
        }));
        for position in &batch.positions {
            if position.value.is_empty() {
                disk.positions.remove(&position.key);
            } else {
                disk.positions.insert(position.key.clone(), position.value.clone());
            }
        }
        if fail { failed(ErrorKind::Io) } else { Ok(Receipt { events: batch.len() as u64, sequence: disk.appends, repeated }) }
    }
}

/// The sink as the inputs see it; `Arc` because appends outlive the call.
impl EventSink for MemorySink {
    fn append(&self, batch: EventBatch) -> BoxFuture<'static, Result<Receipt>> {
        let result = self.store(&batch);
        let delay = *self.delay.lock();
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            result
        })
    }

    fn position(&self, key: &str) -> Option<Vec<u8>> {
        self.disk.lock().positions.get(key).cloned()
    }

    fn positions(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        self.disk
            .lock()
            .positions
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// Waits until something is so, at most 20 seconds.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 20 seconds: {what}");
}
