//! Hands sealed segments to the evidence log: each segment that the store writes, and at the start those that
//! were written and not yet recorded. Runs beside the store on a thread of its own; trouble here is reported and
//! never stops collecting. What the evidence is and how it is checked is the business of `taffrail_evidence`.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use taffrail_base::{Error, Result};
use taffrail_evidence::{SealLog, seal_segment};
use taffrail_store::{SegmentMeta, SegmentRef, Store};

use crate::app::World;

/// The thread that seals.
pub struct Sealing {
    sender: mpsc::Sender<Option<(String, u64)>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sealing {
    /// Opens the log of the data folder and starts sealing what `store` writes, and has written.
    pub fn start(world: &World, data: &Path, store: &Store) -> Result<Self> {
        let log = SealLog::open(Arc::clone(&world.vfs), data, &*world.random)?;
        let (sender, receiver) = mpsc::channel();
        {
            let sender = sender.clone();
            // The thread may have ended: then the next start seals it.
            store.on_sealed(Box::new(move |meta| drop(sender.send(Some(item(meta))))));
        }
        for segment in store.snapshot().segments {
            if let SegmentRef::Disk(segment) = segment {
                // Nobody has ended the thread yet; it is not even started.
                let _ = sender.send(Some(item(segment.meta())));
            }
        }
        let (vfs, data) = (Arc::clone(&world.vfs), data.to_owned());
        let thread = std::thread::Builder::new()
            .name("taffrail-seal".into())
            .spawn(move || seal_all(&*vfs, &data, log, &receiver))
            .map_err(|e| Error::io("the thread taffrail-seal", e))?;
        Ok(Self { sender, thread: Mutex::new(Some(thread)) })
    }

    /// Seals what is waiting and ends. Call it after the store is closed.
    pub fn stop(&self) {
        // When the thread has ended already there is nothing to say to it.
        let _ = self.sender.send(None);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("sealing ended abnormally; the next start seals what is missing");
        }
    }
}

fn item(meta: &SegmentMeta) -> (String, u64) {
    let path: PathBuf = taffrail_store::catalog::segment_path(meta);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    (parts.join("/"), meta.events)
}

fn seal_all(vfs: &dyn taffrail_base::Vfs, data: &Path, mut log: SealLog, receiver: &mpsc::Receiver<Option<(String, u64)>>) {
    while let Ok(Some((path, events))) = receiver.recv() {
        if log.contains(&path) {
            continue;
        }
        if let Err(error) = seal_segment(vfs, data, &path, events).and_then(|seal| log.record(&seal)) {
            tracing::error!("the segment {path} is not in the evidence log: {error}");
        }
    }
}
