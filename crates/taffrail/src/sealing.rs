//! Hands sealed segments to the evidence log: each segment that the store writes, and at the start those that
//! were written and not yet recorded; and what was removed or merged, with the rule that did it. Runs beside the
//! store on a thread of its own; trouble here is reported and never stops collecting. What the evidence is and how
//! it is checked is the business of `taffrail_evidence`.

use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use taffrail_base::{Error, Result, Vfs};
use taffrail_evidence::{SealLog, SegmentRemoval, seal_segment};
use taffrail_store::catalog::{Removal, segment_path};
use taffrail_store::{DiskSegment, SegmentMeta, SegmentRef, Store};

use crate::app::World;

/// What the thread is told, in the order in which it happened.
enum Item {
    /// A segment is there: its path, and how many events it holds.
    There(String, u64),
    /// A segment was removed; its file stays as long as it is held here.
    Removed(Box<Removal>, Option<Arc<DiskSegment>>),
    /// Nothing more comes.
    Stop,
}

/// The thread that seals.
pub struct Sealing {
    sender: mpsc::Sender<Item>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sealing {
    /// Opens the log of the data folder and starts sealing what `store` writes, and has written.
    pub fn start(world: &World, data: &Path, store: &Store) -> Result<Self> {
        let log = Arc::new(Mutex::new(SealLog::open(Arc::clone(&world.vfs), data, &*world.random)?));
        let (sender, receiver) = mpsc::channel();
        // In each case the thread may have ended: then the next start does it.
        let told = sender.clone();
        store.on_sealed(Box::new(move |meta| drop(told.send(there(meta)))));
        let told = sender.clone();
        let removed = move |removal: &Removal, segment: &Arc<DiskSegment>| {
            drop(told.send(Item::Removed(Box::new(removal.clone()), Some(Arc::clone(segment)))));
        };
        store.on_removed(Box::new(removed));
        let known = Arc::clone(&log);
        store.set_root(Box::new(move |meta| known.lock().root(&path(&segment_path(meta))).map(|root| root.0)));
        for segment in store.snapshot().segments {
            // What is in an object store was sealed before it went there.
            if let SegmentRef::Disk(segment) = segment
                && segment.archived_at().is_none()
            {
                // Nobody has ended the thread yet; it is not even started.
                let _ = sender.send(there(segment.meta()));
            }
        }
        for removal in store.removals()? {
            let _ = sender.send(Item::Removed(Box::new(removal), None));
        }
        let (vfs, data) = (Arc::clone(&world.vfs), data.to_owned());
        let thread = std::thread::Builder::new()
            .name("taffrail-seal".into())
            .spawn(move || record_all(&*vfs, &data, &log, &receiver))
            .map_err(|e| Error::io("the thread taffrail-seal", e))?;
        Ok(Self { sender, thread: Mutex::new(Some(thread)) })
    }

    /// Seals what is waiting and ends. Call it after the store is closed.
    pub fn stop(&self) {
        // When the thread has ended already there is nothing to say to it.
        let _ = self.sender.send(Item::Stop);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("sealing ended abnormally; the next start seals what is missing");
        }
    }
}

fn there(meta: &SegmentMeta) -> Item {
    Item::There(path(&segment_path(meta)), meta.events)
}

/// A path as the log spells it.
fn path(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn record_all(vfs: &dyn Vfs, data: &Path, log: &Mutex<SealLog>, receiver: &mpsc::Receiver<Item>) {
    while let Ok(item) = receiver.recv() {
        match item {
            Item::There(path, events) => {
                if let Err(error) = seal(vfs, data, log, &path, events) {
                    tracing::error!("the segment {path} is not in the evidence log: {error}");
                }
            }
            Item::Removed(removal, held) => {
                if let Err(error) = record_removal(vfs, data, log, &removal, held.is_some()) {
                    tracing::error!("the removal of segment {} is not in the evidence log: {error}", removal.id);
                }
            }
            Item::Stop => return,
        }
    }
}

fn seal(vfs: &dyn Vfs, data: &Path, log: &Mutex<SealLog>, path: &str, events: u64) -> Result<()> {
    if log.lock().contains(path) {
        return Ok(());
    }
    // Reading the file takes a while, and others ask the log meanwhile.
    let seal = seal_segment(vfs, data, path, events)?;
    log.lock().record(&seal)
}

fn record_removal(vfs: &dyn Vfs, data: &Path, log: &Mutex<SealLog>, removal: &Removal, there: bool) -> Result<()> {
    let path = path(&removal.path());
    // One that was removed before it could be sealed is sealed while its file is still there.
    let sealed = if there { seal(vfs, data, log, &path, removal.events) } else { Ok(()) };
    let mut log = log.lock();
    let record = SegmentRemoval {
        root: log.root(&path),
        path,
        bytes: removal.stored_bytes,
        events: removal.events,
        earliest: removal.min_time.nanos(),
        latest: removal.max_time.nanos(),
        at: removal.at.nanos(),
        rule: removal.rule.clone(),
    };
    log.record_removal(&record).and(sealed)
}
