//! Segments in an object store: moved there once they are old, read there by ranges through a cache on disk.
//!
//! A store is a folder (`file:///mnt/archive`) or something that is handed in ([`Remotes`]); this module knows no
//! credentials. It deletes nothing by itself: what a store is told to delete, the catalog no longer names.

mod cache;
mod file;
mod folder;
#[cfg(test)]
mod tests;

pub(crate) use cache::Cache;
pub(crate) use file::RemoteFile;
use file::Run;
pub use folder::Folder;

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use taffrail_base::limits::ARCHIVE_RUNS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Vfs};

/// An object store, or a part of one. Calls block until they are done.
pub trait Remote: Send + Sync + Debug {
    /// Stores an object, replacing one of the same key; durable on return.
    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()>;
    /// Bytes of an object.
    fn len(&self, key: &str) -> Result<u64>;
    /// A part of an object.
    fn get(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>>;
    /// Deletes an object; one that is not there counts as deleted.
    fn delete(&self, key: &str) -> Result<()>;
}

/// Opens object stores by their address.
pub trait Remotes: Send + Sync + Debug {
    /// The store at an address without credentials, such as `s3://bucket/logs` or `file:///mnt/archive`.
    fn open(&self, url: &str) -> Result<Arc<dyn Remote>>;
}

/// The way to archived segments.
#[derive(Debug)]
pub(crate) struct Archive {
    vfs: Arc<dyn Vfs>,
    remotes: Option<Arc<dyn Remotes>>,
    opened: Mutex<BTreeMap<Arc<str>, Arc<dyn Remote>>>,
    pub(crate) cache: Cache,
    /// What was read last, the oldest first.
    runs: Mutex<VecDeque<Arc<Run>>>,
}

impl Archive {
    /// With a cache in `folder`, of at most `cache_bytes`; nothing is cached when fewer than `reserve_bytes` are free.
    pub fn new(remotes: Option<Arc<dyn Remotes>>, vfs: Arc<dyn Vfs>, folder: &Path, cache_bytes: u64, reserve_bytes: u64) -> Self {
        Self {
            vfs: vfs.clone(),
            remotes,
            opened: Mutex::default(),
            cache: Cache::new(vfs, folder.to_owned(), cache_bytes, reserve_bytes),
            runs: Mutex::default(),
        }
    }

    /// Keeps what was read for a while.
    fn keep(&self, run: Arc<Run>) {
        let mut runs = self.runs.lock();
        if runs.len() >= ARCHIVE_RUNS_MAX {
            runs.pop_front();
        }
        runs.push_back(run);
    }

    /// The store at an address.
    pub fn remote(&self, url: &Arc<str>) -> Result<Arc<dyn Remote>> {
        if let Some(remote) = self.opened.lock().get(url) {
            return Ok(remote.clone());
        }
        let missing = || Error::new(ErrorKind::Invalid, format!("{url}: this program was started without object stores"));
        let remote: Arc<dyn Remote> = match Folder::of(url, &self.vfs)? {
            Some(folder) => Arc::new(folder),
            None => self.remotes.as_ref().ok_or_else(missing)?.open(url)?,
        };
        self.opened.lock().insert(url.clone(), remote.clone());
        Ok(remote)
    }
}
