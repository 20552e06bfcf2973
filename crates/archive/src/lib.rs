//! Object stores for archived segments: S3, and what speaks like it, through the crate `object_store`.
//!
//! Addresses are `s3://bucket/prefix`. What else a store needs comes from its [`Access`], and where that says
//! nothing from the variables that other tools know (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
//! `AWS_ENDPOINT`). Credentials are in no error, no log and no `Debug` output.

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_store::archive::{Remote, Remotes};
use tokio::runtime::Runtime;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request may take: a segment is at most some ten megabytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a request is tried again, and for how long in all: a search waits for it.
const RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// What a store needs besides its address.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The address of a service that speaks like S3; AWS without one.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The name of the key.
    pub access_key: Option<String>,
    /// The key itself.
    pub secret_key: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("endpoint", &self.endpoint).field("region", &self.region).finish_non_exhaustive()
    }
}

/// Opens object stores; their work is done on a thread of its own.
#[derive(Debug)]
pub struct ObjectStores {
    worker: OnceLock<Arc<Worker>>,
    /// By address.
    access: BTreeMap<String, Access>,
}

impl ObjectStores {
    /// With what is known of stores, by address. Starts nothing yet.
    pub fn new(access: BTreeMap<String, Access>) -> Self {
        Self { worker: OnceLock::new(), access }
    }

    fn worker(&self) -> Result<Arc<Worker>> {
        if let Some(worker) = self.worker.get() {
            return Ok(worker.clone());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("taffrail-archive").enable_all().build();
        let runtime = runtime.map_err(|e| Error::io("the thread taffrail-archive", e))?;
        Ok(self.worker.get_or_init(|| Arc::new(Worker(Some(runtime)))).clone())
    }
}

/// The thread.
#[derive(Debug)]
struct Worker(Option<Runtime>);

impl Drop for Worker {
    fn drop(&mut self) {
        // The last who lets go may be where waiting for a thread is not allowed.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Refuses what cannot be the address of a store.
pub fn check(url: &str) -> Result<()> {
    parts(url).map(drop)
}

/// Bucket and prefix.
fn parts(url: &str) -> Result<(&str, &str)> {
    let wrong = |what: &str| Error::new(ErrorKind::Invalid, format!("{url}: {what}")).with_hint("as in s3://bucket/prefix");
    let rest = url.strip_prefix("s3://").ok_or_else(|| wrong("not the address of an object store"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || !url.bytes().all(|b| b.is_ascii_graphic()) || url.contains(['@', '?', '#']) {
        return Err(wrong("not a bucket and a prefix"));
    }
    Ok((bucket, prefix.trim_end_matches('/')))
}

impl Remotes for ObjectStores {
    fn open(&self, url: &str) -> Result<Arc<dyn Remote>> {
        let (bucket, prefix) = parts(url)?;
        let access = self.access.get(url).cloned().unwrap_or_default();
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let client = ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT);
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        let plain = access.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        builder = builder.with_client_options(client.with_allow_http(plain));
        if let Some(endpoint) = access.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = access.region {
            builder = builder.with_region(region);
        }
        if let (Some(key), Some(secret)) = (access.access_key, access.secret_key) {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        let store = builder.build().map_err(|e| Error::new(ErrorKind::Invalid, format!("{url}: {e}")))?;
        let store = PrefixStore::new(store, Path::from(prefix));
        Ok(Arc::new(Objects { store: Arc::new(store), worker: self.worker()? }))
    }
}

/// An opened store.
#[derive(Debug)]
struct Objects {
    store: Arc<dyn ObjectStore>,
    worker: Arc<Worker>,
}

impl Objects {
    /// Has the runtime's thread do it, and waits: callers are threads of all kinds.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = object_store::Result<T>> + Send + 'static) -> Result<T> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let gone = || Error::new(ErrorKind::Io, "the work on the object store was given up");
        self.worker.0.as_ref().ok_or_else(gone)?.spawn(async move {
            // Who asked waits for it.
            let _ = sender.send(work.await);
        });
        receiver.recv().map_err(|_| gone())?.map_err(|e| Error::new(ErrorKind::Io, e.to_string()))
    }
}

impl Remote for Objects {
    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let (store, key) = (self.store.clone(), Path::from(key));
        self.wait(async move { store.put(&key, bytes.into()).await.map(drop) })
    }

    fn len(&self, key: &str) -> Result<u64> {
        let (store, key) = (self.store.clone(), Path::from(key));
        self.wait(async move { store.head(&key).await.map(|found| found.size) })
    }

    fn get(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let (store, key) = (self.store.clone(), Path::from(key));
        self.wait(async move { store.get_range(&key, range).await.map(|bytes| bytes.to_vec()) })
    }

    fn delete(&self, key: &str) -> Result<()> {
        let (store, key) = (self.store.clone(), Path::from(key));
        self.wait(async move {
            match store.delete(&key).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }
}

#[cfg(test)]
mod tests;
