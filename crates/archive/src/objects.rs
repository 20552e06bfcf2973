//! An opened store: requests on a thread of their own, for callers of all kinds, who wait.
//!
//! A service that does not answer is not asked again for [`PAUSE`]: a search over a hundred archived segments would
//! otherwise wait a hundred times as long.

use crate::told::{Secrets, is_away};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use taffrail_base::limits::ARCHIVE_PART_BYTES;
use taffrail_base::{Clock, Error, ErrorKind, Result};
use taffrail_store::archive::Remote;
use tokio::runtime::Runtime;

/// How long a service that did not answer is left alone.
pub(crate) const PAUSE: Duration = Duration::from_secs(10);

/// The thread that requests are made on.
#[derive(Debug)]
pub struct Worker(pub Option<Runtime>);

impl Drop for Worker {
    fn drop(&mut self) {
        // The last who lets go may be where waiting for a thread is not allowed.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// An opened store.
pub struct Objects {
    /// The address, for messages and `Debug`.
    pub url: String,
    /// Before every key.
    pub prefix: String,
    /// The bucket.
    pub store: Arc<dyn ObjectStore>,
    /// Makes the requests.
    pub worker: Arc<Worker>,
    /// Measures the pause.
    pub clock: Arc<dyn Clock>,
    /// What no message may hold.
    pub secrets: Secrets,
    /// Until when nothing is asked, by the monotonic clock, and why.
    pub away: Mutex<Option<(u64, String)>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("url", &self.url).finish_non_exhaustive()
    }
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Io, message)
}

impl Objects {
    fn path(&self, key: &str) -> Path {
        Path::from(format!("{}/{key}", self.prefix))
    }

    /// Has the worker do it, and waits.
    fn wait<T: Send + 'static>(&self, key: &str, work: impl Future<Output = object_store::Result<T>> + Send + 'static) -> Result<T> {
        let now = self.clock.monotonic_nanos();
        if let Some((until, why)) = &*self.away.lock().unwrap_or_else(PoisonError::into_inner)
            && now < *until
        {
            return Err(failed(format!("{why}; asked again in {} s", (until - now).div_ceil(1_000_000_000))));
        }
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let gone = || failed("the work on the object store was given up");
        self.worker.0.as_ref().ok_or_else(gone)?.spawn(async move {
            // Who asked waits for it.
            let _ = sender.send(work.await);
        });
        let done = receiver.recv().map_err(|_| gone())?;
        let told = done.as_ref().err().map(|error| (is_away(error), self.secrets.tell(error)));
        let pause = match &told {
            Some((true, text)) => {
                let until = self.clock.monotonic_nanos().saturating_add(PAUSE.as_nanos() as u64);
                Some((until, format!("no answer from the service: {text}")))
            }
            _ => None,
        };
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = pause;
        done.map_err(|_| match told {
            Some((true, text)) => failed(format!("no answer from the service: {text}")),
            other => failed(format!("object {key}: {}", other.unwrap_or_default().1)),
        })
    }
}

/// Sends an object in parts; what has arrived of one that fails is deleted.
async fn put_parts(store: Arc<dyn ObjectStore>, path: Path, bytes: Bytes) -> object_store::Result<()> {
    let mut upload = store.put_multipart(&path).await?;
    let sent = send_parts(&mut upload, bytes).await;
    if sent.is_err() {
        // If this fails as well, the parts stay until a rule of the bucket clears them away.
        let _ = upload.abort().await;
    }
    sent
}

async fn send_parts(upload: &mut Box<dyn MultipartUpload>, bytes: Bytes) -> object_store::Result<()> {
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes.len().min(from + ARCHIVE_PART_BYTES as usize);
        upload.put_part(bytes.slice(from..to).into()).await?;
        from = to;
    }
    upload.complete().await.map(drop)
}

impl Remote for Objects {
    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let (store, path) = (self.store.clone(), self.path(key));
        if bytes.len() as u64 > ARCHIVE_PART_BYTES {
            return self.wait(key, put_parts(store, path, bytes.into()));
        }
        self.wait(key, async move { store.put(&path, bytes.into()).await.map(drop) })
    }

    fn len(&self, key: &str) -> Result<u64> {
        let (store, path) = (self.store.clone(), self.path(key));
        self.wait(key, async move { store.head(&path).await.map(|found| found.size) })
    }

    fn get(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let (store, path) = (self.store.clone(), self.path(key));
        self.wait(key, async move { store.get_range(&path, range).await.map(Vec::from) })
    }

    fn delete(&self, key: &str) -> Result<()> {
        let (store, path) = (self.store.clone(), self.path(key));
        self.wait(key, async move {
            match store.delete(&path).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }
}
