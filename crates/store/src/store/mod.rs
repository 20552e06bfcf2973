//! The store: journal, memory, segments and catalog held together, through crashes.
//!
//! A batch is acknowledged once it is in the journal and its events are in memory. Memory is written out to
//! segments from time to time; the catalog then takes the segment, the positions and how far the journal is
//! covered in one commit, and the journal is trimmed. What exists is what the catalog lists and, after that,
//! what the journal holds: each event once.
//!
//! Locks, to be taken in this order: flusher, ingest, state. No disk is touched under `state`.

mod archiving;
mod ballast;
mod commit;
mod flush;
mod hold;
mod known;
mod late;
mod merging;
mod open;
mod options;
mod removal;
mod retention;
mod stat;
mod state;
mod upkeep;

pub use open::OpenCatalog;
pub use options::{ArchiveRule, Archives, DiskLimit, IndexRules, Rules, StoreOptions, StoreSettings};
pub use removal::Deletion;
pub use stat::{IndexStat, StoreMetrics};

use crate::archive::Archive;
use crate::catalog::{Catalog, Hold, Removal, SqliteCatalog};
use crate::journal::Journal;
use crate::segment::SegmentMeta;
use crate::snapshot::{DiskSegment, OpenSegments, SegmentRef, Snapshot};
use commit::Queue;
use flush::Flusher;
use futures::future::BoxFuture;
use parking_lot::{Condvar, Mutex};
use stat::Counters;
use state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use taffrail_base::{Clock, Error, Randomness, Result, Vfs};
use taffrail_event::{EventBatch, EventSink, Receipt, Timestamp};
use tokio::sync::watch;

/// The journal, and the next arrival number of each index.
struct Ingest {
    journal: Journal,
    next: BTreeMap<Arc<str>, u64>,
}

type Told = Box<dyn Fn(&SegmentMeta) + Send + Sync>;
type ToldRemoved = Box<dyn Fn(&Removal, &Arc<DiskSegment>) + Send + Sync>;
type Root = Box<dyn Fn(&SegmentMeta) -> Option<[u8; 32]> + Send + Sync>;

/// What the store's threads share.
struct Shared {
    dir: PathBuf,
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    settings: StoreSettings,
    read_only: bool,
    catalog: Box<dyn Catalog>,
    flusher: Mutex<Flusher>,
    /// None when read-only or closed.
    ingest: Mutex<Option<Ingest>>,
    state: Mutex<State>,
    /// Something was frozen or written out, or the store stops.
    changed: Condvar,
    queue: Queue,
    newest: watch::Sender<u64>,
    sealed: Mutex<Vec<Told>>,
    removed: Mutex<Vec<ToldRemoved>>,
    /// Knows the roots of segments that are sealed.
    root: Mutex<Option<Root>>,
    /// Held while segments are merged, archived or removed by rule: one thing at a time. When the object store is
    /// tried again, by the monotonic clock.
    upkeep: Mutex<u64>,
    /// Folders whose own names this process has made durable.
    synced: Mutex<BTreeSet<PathBuf>>,
    opened: Arc<OpenSegments>,
    archive: Arc<Archive>,
    counters: Counters,
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// Events, kept.
pub struct Store {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
    flusher: Mutex<Option<JoinHandle<()>>>,
    upkeep: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn new(options: StoreOptions, catalog: Box<dyn Catalog>, lock: Option<Box<dyn Send + Sync>>) -> Self {
        let StoreOptions { dir, vfs, clock, random, read_only, settings } = options;
        // Who only reads changes nothing, the cache included.
        let cache_bytes = if read_only { 0 } else { settings.cache_bytes };
        let (remotes, block_cache_bytes) = (settings.archives.0.clone(), settings.block_cache_bytes);
        let archive = Archive::new(remotes, vfs.clone(), &dir.join("cache"), cache_bytes, settings.reserve_bytes);
        Self {
            dir,
            vfs,
            clock,
            random,
            settings,
            read_only,
            catalog,
            flusher: Mutex::default(),
            ingest: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            queue: Queue::new(),
            newest: watch::Sender::new(0),
            sealed: Mutex::default(),
            removed: Mutex::default(),
            root: Mutex::default(),
            upkeep: Mutex::default(),
            synced: Mutex::default(),
            opened: Arc::new(OpenSegments::new(block_cache_bytes)),
            archive: Arc::new(archive),
            counters: Counters::default(),
            lock: Mutex::new(lock),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let (mut segments, memory) = {
            let state = self.state.lock();
            let frozen = state.frozen.iter().map(|frozen| frozen.segment.clone());
            let active = state.active.values().map(|active| active.segment.clone());
            let disk: Vec<SegmentRef> = state.disk.iter().cloned().map(SegmentRef::Disk).collect();
            (disk, frozen.chain(active).collect::<Vec<_>>())
        };
        segments.extend(memory.iter().flat_map(|segment| segment.parts()).map(SegmentRef::Memory));
        Snapshot { segments }
    }
}

impl Store {
    /// Opens the data folder `options.dir`, made if it is not there, with its SQLite catalog. Recovers what is
    /// in the journal. Kind `Busy` when another process has it open for writing.
    pub fn open(options: StoreOptions) -> Result<Arc<Self>> {
        match options.read_only {
            true => Self::open_with(options, &|dir| Ok(Box::new(SqliteCatalog::open_read_only(&dir.join("catalog.db"))?))),
            false => Self::open_with(options, &|dir| Ok(Box::new(SqliteCatalog::open(&dir.join("catalog.db"))?))),
        }
    }

    /// Opens with another catalog.
    pub fn open_with(options: StoreOptions, open_catalog: OpenCatalog<'_>) -> Result<Arc<Self>> {
        let threads = !options.read_only && !options.settings.synchronous;
        let shared = match options.read_only {
            true => Shared::open_read_only(options, open_catalog)?,
            false => Shared::open(options, open_catalog)?,
        };
        let store = Self { shared: Arc::new(shared), committer: Mutex::default(), flusher: Mutex::default(), upkeep: Mutex::default() };
        if threads {
            *store.committer.lock() = Some(store.spawn("taffrail-commit", Shared::run_committer)?);
            *store.flusher.lock() = Some(store.spawn("taffrail-flush", Shared::run_flusher)?);
            if store.shared.settings.upkeep {
                *store.upkeep.lock() = Some(store.spawn("taffrail-upkeep", Shared::run_upkeep)?);
            }
        }
        Ok(Arc::new(store))
    }

    fn spawn(&self, name: &str, run: fn(&Shared)) -> Result<JoinHandle<()>> {
        let shared = self.shared.clone();
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared));
        spawned.map_err(|e| Error::io(format_args!("the thread {name}"), e))
    }

    /// Appends a batch; blocks until it is durable. See [`EventSink::append`].
    pub fn append_blocking(&self, batch: EventBatch) -> Result<Receipt> {
        futures::executor::block_on(self.shared.clone().append(batch))
    }

    /// An immutable view of all segments, memory ones included.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Writes everything in memory to segments and trims the journal.
    pub fn flush(&self) -> Result<()> {
        self.shared.flush()
    }

    /// Writes out what is due by size or age. The store's own thread does this by itself; in synchronous mode
    /// somebody has to.
    pub fn tick(&self) -> Result<()> {
        self.shared.flush_due()
    }

    /// What each index holds.
    pub fn stat(&self) -> Vec<IndexStat> {
        stat::stat(&self.shared.snapshot())
    }

    /// Journal sequence of the newest searchable record, now and whenever it grows.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.newest.subscribe()
    }

    /// Has `told` called with each new segment once it is in the catalog.
    pub fn on_sealed(&self, told: Box<dyn Fn(&SegmentMeta) + Send + Sync>) {
        self.shared.sealed.lock().push(told);
    }

    /// Has `told` called with each segment that the catalog no longer has. Its file is removed when the last who holds
    /// the segment lets it go.
    pub fn on_removed(&self, told: ToldRemoved) {
        self.shared.removed.lock().push(told);
    }

    /// Has `root` asked for the root over a segment's bytes before it is removed, to be kept beside the removal.
    pub fn set_root(&self, root: Root) {
        *self.shared.root.lock() = Some(root);
    }

    /// All that was ever removed, oldest first.
    pub fn removals(&self) -> Result<Vec<Removal>> {
        self.shared.catalog.removals()
    }

    /// What must not be removed, by name.
    pub fn holds(&self) -> BTreeMap<String, Hold> {
        self.shared.state.lock().holds.clone()
    }

    /// Places a hold. Kind `Invalid` when there is one of this name, or the name cannot be one.
    pub fn add_hold(&self, name: &str, hold: Hold) -> Result<()> {
        self.shared.add_hold(name, hold)
    }

    /// Lifts a hold. Kind `NotFound` when there is none of this name.
    pub fn remove_hold(&self, name: &str) -> Result<()> {
        self.shared.remove_hold(name)
    }

    /// Removes the segments of an index whose events are all before `before`, or with `dry_run` only tells which
    /// these are. Held ones stay.
    pub fn delete(&self, index: &str, before: Timestamp, dry_run: bool) -> Result<Deletion> {
        self.shared.delete(index, before, dry_run)
    }

    /// Removes what the rules say, and merges small segments once. The store's own thread does this by itself where
    /// it is asked to; in synchronous mode somebody has to. Gives whether there was something to do.
    pub fn upkeep(&self) -> Result<bool> {
        self.shared.upkeep_once()
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> StoreMetrics {
        self.shared.metrics()
    }

    /// The last durable value of a position.
    pub fn position(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.state.lock().positions.get(key).cloned()
    }

    /// All positions whose key starts with `prefix`, sorted by key.
    pub fn positions(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let state = self.shared.state.lock();
        let from = state.positions.range(prefix.to_owned()..);
        from.take_while(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Writes everything out, stops the threads, gives up the lock. Appends fail from now on; what was read
    /// can still be searched. If writing out fails, the events are in the journal all the same.
    pub fn close(&self) -> Result<()> {
        self.shared.queue.stop();
        join(&self.committer);
        let flushed = if self.shared.ingest.lock().is_some() { self.shared.flush() } else { Ok(()) };
        self.stop();
        flushed
    }

    fn stop(&self) {
        self.shared.queue.stop();
        join(&self.committer);
        self.shared.state.lock().stopping = true;
        self.shared.changed.notify_all();
        join(&self.upkeep);
        join(&self.flusher);
        *self.shared.ingest.lock() = None;
        *self.shared.lock.lock() = None;
    }
}

fn join(thread: &Mutex<Option<JoinHandle<()>>>) {
    if let Some(thread) = thread.lock().take()
        && thread.join().is_err()
    {
        tracing::error!("a thread of the store panicked");
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A store as the place where inputs put events.
#[derive(Clone)]
pub struct StoreSink(pub Arc<Store>);

impl EventSink for StoreSink {
    fn append(&self, batch: EventBatch) -> BoxFuture<'static, Result<Receipt>> {
        Box::pin(self.0.shared.clone().append(batch))
    }

    fn position(&self, key: &str) -> Option<Vec<u8>> {
        self.0.position(key)
    }

    fn positions(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        self.0.positions(prefix)
    }
}
