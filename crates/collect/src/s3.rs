//! Objects of a bucket of S3, or of what speaks it: each is read once, as a file would be (compressed or not, of any format
//! that files may have).
//!
//! **What may be believed.** How far an object was read is durable in the same step as its events, per object and version of it: after a
//! failure, a kill or a broken connection it goes on at the very byte. An object that is written anew is read anew. What is damaged within an
//! object is said once, and what stands before is kept. A record of CloudTrail that stands in several objects is stored once, as its `eventID` tells. Objects that are gone are forgotten. What digests of CloudTrail vouch for is compared with
//! them; what differs is kept all the same, and told.

mod check;
mod digest;

use crate::cloudtrail;
use crate::counters::{InputCounters, SourceCounters};
use crate::decode::{Breaking, Decoding, Envelope};
use crate::delivery::{Delivery, OnFailure};
use crate::files::binary;
use crate::ids;
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use crate::outgoing::Outgoing;
use crate::unpack::{self, Packing};
use crate::zone::{ZoneName, Zones};
use bytes::Bytes;
use futures::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Secret};
use taffrail_event::{EventBatch, IdScope, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// `[[input]] type = "s3"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Settings {
    /// `s3://bucket/prefix`; the prefix is a folder, all objects below it are read.
    pub url: String,
    /// The address of a service that is not AWS.
    pub endpoint: Option<String>,
    /// The region; `us-east-1` if not given.
    pub region: Option<String>,
    /// The name of the key. Without one requests are not signed.
    pub access_key: Option<String>,
    /// The key.
    pub secret_key: Option<Secret>,
    /// Seconds between two looks at what is there.
    pub every_seconds: f64,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; found out per object if not given.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever it says.
    pub host: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; that of this machine if not given.
    pub zone: Option<ZoneName>,
    /// Files in PEM form with the public keys that digests of CloudTrail are signed with.
    pub digest_keys: Vec<PathBuf>,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            every_seconds: 60.0,
            index: None,
            sourcetype: None,
            host: None,
            zone: None,
            digest_keys: Vec::new(),
        }
    }
}

/// Objects of one input that are remembered. Those beyond are not read, which is said.
const OBJECTS_MAX: usize = 1_000_000;

/// Bytes by which a format is found out, and a binary object.
const HEAD_BYTES: usize = 4096;

/// Bytes of content taken at once.
const READ_BYTES: usize = 64 * 1024;

/// Parts of an object that may wait between the network and the reader.
const PARTS: usize = 16;

/// The bucket, not yet read.
pub struct S3Input {
    settings: S3Settings,
    index: Arc<str>,
    every: Duration,
    prefix: Key,
    store: Arc<dyn ObjectStore>,
}

impl S3Input {
    /// Checks the settings; the bucket need not be there.
    pub fn new(settings: S3Settings) -> Result<Self> {
        let (bucket, _) = parts(&settings.url)?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(settings.region.as_deref().unwrap_or("us-east-1"))
            .with_virtual_hosted_style_request(false)
            .with_retry(RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() });
        builder = match (&settings.access_key, &settings.secret_key) {
            (Some(name), Some(key)) => builder.with_access_key_id(name).with_secret_access_key(key.reveal()),
            (None, None) => builder.with_skip_signature(true),
            _ => return Err(invalid("only one of access_key and secret_key is set", "set both, or neither")),
        };
        let mut client = ClientOptions::new().with_connect_timeout(Duration::from_secs(10)).with_timeout(Duration::from_secs(300));
        if let Some(endpoint) = &settings.endpoint {
            if endpoint.contains('@') {
                return Err(invalid("the endpoint holds credentials", "give them as access_key and secret_key"));
            }
            client = client.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        let store =
            builder.with_client_options(client).build().map_err(|error| invalid(&error.to_string(), "look at endpoint and region"))?;
        Self::over(settings, Arc::new(store))
    }

    /// The same over another store, for tests.
    pub fn over(settings: S3Settings, store: Arc<dyn ObjectStore>) -> Result<Self> {
        let (_, prefix) = parts(&settings.url)?;
        Ok(Self {
            index: checked_index(settings.index.as_deref())?,
            every: seconds("every_seconds", settings.every_seconds)?,
            prefix: Key::parse(prefix.trim_matches('/')).map_err(|error| invalid(&error.to_string(), "s3://bucket/folder"))?,
            settings,
            store,
        })
    }
}

/// Bucket and prefix of an address.
fn parts(url: &str) -> Result<(&str, &str)> {
    let wrong = || invalid(&format!("{url:?} is no address of a bucket"), "s3://bucket, or s3://bucket/folder");
    let rest = url.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() { Err(wrong()) } else { Ok((bucket, prefix)) }
}

fn invalid(text: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Invalid, text.to_owned()).with_hint(hint.to_owned())
}

impl Input for S3Input {
    fn kind(&self) -> &'static str {
        "s3"
    }

    fn name(&self) -> String {
        format!("s3 {}", self.settings.url)
    }

    fn start(&self, context: Context) -> Result<Running> {
        let counters = Arc::new(InputCounters::new(self.name(), self.kind()));
        let keys_of_digests = digest::keys(&self.settings.digest_keys, &*context.vfs)?;
        let (stopper, stop) = Stop::channel();
        let runtime = Handle::current();
        let (bucket, _) = parts(&self.settings.url)?;
        let place = blake3::hash(self.settings.url.trim_end_matches('/').as_bytes()).to_hex();
        let reader = Reader {
            envelope: Envelope {
                index: Arc::clone(&self.index),
                host: self.settings.host.as_deref().map(Arc::from),
                default_host: Arc::clone(&context.host),
                source: "".into(),
                sourcetype: self.settings.sourcetype.as_deref().map(Arc::from),
                transport: "s3".into(),
                peer: "".into(),
                zones: Zones::of(self.settings.zone.as_ref(), &context),
            },
            delivery: Delivery::new(Arc::clone(&context.sink), runtime.clone(), stop.clone(), OnFailure::Reread),
            out: Outgoing::new(Timestamp(context.clock.now_nanos())),
            keys: format!("s3/{}/{}/", self.index, &place[..16]),
            ids: ids::scope(&["s3", &self.index, &place]),
            bucket: bucket.to_owned(),
            prefix: self.prefix.clone(),
            store: Arc::clone(&self.store),
            every: self.every,
            buffer: vec![0; READ_BYTES],
            counted: FxHashSet::default(),
            keys_of_digests,
            counters: Arc::clone(&counters),
            context,
            runtime,
            stop,
        };
        Ok(Running::new(counters, None, stopper, tokio::task::spawn_blocking(move || reader.run())))
    }
}

/// How far an object was read: the value of its position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// What the bucket says of this version of it.
    version: String,
    /// Unpacked bytes that are stored.
    offset: u64,
    /// Whether the next bytes continue a line of which a part is stored.
    continued: bool,
    /// Whether its end was reached.
    ended: bool,
    /// Hash of its unpacked bytes, of what a digest may vouch for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// The hash that a digest says it has; also of the version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// It is a digest, and what it vouches for was compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    checked: bool,
}

/// The hash of what is read of an object, while it is read.
type Hashed = Arc<Mutex<Sha256>>;

/// The thread of one input.
struct Reader {
    context: Context,
    counters: Arc<InputCounters>,
    store: Arc<dyn ObjectStore>,
    bucket: String,
    prefix: Key,
    envelope: Envelope,
    every: Duration,
    /// All positions begin so.
    keys: String,
    /// Whose ids records have.
    ids: IdScope,
    buffer: Vec<u8>,
    /// Binary objects that are counted already, should they be looked at again.
    counted: FxHashSet<String>,
    keys_of_digests: Vec<digest::PublicKey>,
    delivery: Delivery,
    out: Outgoing,
    runtime: Handle,
    stop: Stop,
}

impl Reader {
    /// Works until it is stopped. Blocks; has a thread of its own.
    fn run(mut self) {
        let mut stop = self.stop.clone();
        loop {
            if let Err(error) = self.pass()
                && !self.stop.is_stopped()
            {
                self.counters.problem(error.to_string());
                // Only the sink knows what it has.
                let received = self.now();
                std::mem::replace(&mut self.out, Outgoing::new(received)).tally.unreceived();
            }
            if self.runtime.block_on(stop.within(self.every)) {
                return;
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.context.clock.now_nanos())
    }

    /// Reads what is there and not stored yet.
    fn pass(&mut self) -> Result<()> {
        let mut objects = self.list()?;
        objects.sort_by(|a, b| a.location.as_ref().cmp(b.location.as_ref()));
        if objects.len() > OBJECTS_MAX {
            self.counters.problem(format!("more than {OBJECTS_MAX} objects: those behind {} are not read", objects[OBJECTS_MAX].location));
            objects.truncate(OBJECTS_MAX);
        }
        let there: FxHashSet<String> = objects.iter().map(|object| self.key(object)).collect();
        for (key, _) in self.context.sink.positions(&self.keys) {
            if !there.contains(&key) {
                self.out.batch.set_position(key, Vec::new());
            }
        }
        for object in &objects {
            if self.stop.is_stopped() {
                break;
            }
            let known: Option<Progress> =
                self.context.sink.position(&self.key(object)).and_then(|value| serde_json::from_slice(&value).ok());
            let known = match known {
                Some(known) if known.version == version(object) => known,
                other => Progress { digest: other.and_then(|other| other.digest), ..Progress::default() },
            };
            if object.size > 0 && !known.ended {
                self.read(object, known)?;
            }
        }
        self.hand_over()?;
        self.delivery.settle()?;
        self.check_digests(&objects)
    }

    fn list(&self) -> Result<Vec<ObjectMeta>> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let all = self.runtime.block_on(async {
            let mut stream = self.store.list(prefix);
            let mut all = Vec::new();
            while let Some(object) = stream.next().await {
                all.push(object?);
                if all.len() > OBJECTS_MAX {
                    break;
                }
            }
            Ok(all)
        });
        all.map_err(|error: object_store::Error| Error::new(ErrorKind::Io, format!("s3://{}: {error}", self.bucket)))
    }

    fn key(&self, object: &ObjectMeta) -> String {
        format!("{}{}", self.keys, &blake3::hash(object.location.as_ref().as_bytes()).to_hex()[..32])
    }

    /// Reads one object from where it is stored up to. The error is that of the sink.
    fn read(&mut self, object: &ObjectMeta, known: Progress) -> Result<()> {
        let name = format!("s3://{}/{}", self.bucket, object.location);
        let cut = Arc::new(AtomicBool::new(false));
        let source = self.counters.source(&name);
        let mut decoding = self.envelope.with_source(&name).decoding_by(&self.context.rules);
        decoding.set_modified(object.last_modified.timestamp_nanos_opt().unwrap_or(0));
        let mut progress = Progress { version: version(object), ..known };
        let hashed = digest::is_covered(object.location.as_ref()).then(Hashed::default);
        let (container, head, mut stream) = match self.open(object, progress.offset, &cut, hashed.clone()) {
            Ok(opened) => opened,
            Err(error) => {
                self.trouble(&name, &error, &cut, &mut progress);
                self.set(object, &progress);
                return Ok(());
            }
        };
        if binary::kind(Path::new(object.location.as_ref()), &head).is_some() {
            if self.counted.insert(self.key(object)) {
                self.counters.skip("binary");
            }
            progress.ended = true;
            self.set(object, &progress);
            return Ok(());
        }
        decoding.sample(&head);
        let mut breaking = breaking_at(&progress, decoding, &head);
        // A record of CloudTrail may stand in several objects.
        let ids = (container == Packing::Records).then_some(self.ids);
        let mut taken = progress.offset;
        loop {
            if self.stop.is_stopped() {
                break;
            }
            match stream.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) => {
                    add(&mut self.out, &source, ids, |batch| _ = breaking.finish(batch));
                    progress.ended = true;
                    progress.sha256 = hashed.as_ref().map(|hashed| digest::hex(hashed.lock().clone().finalize()));
                    self.check_again(&name, &progress);
                }
                Ok(n) => {
                    let bytes = &self.buffer[..n];
                    add(&mut self.out, &source, ids, |batch| breaking.push(bytes, batch));
                    taken += n as u64;
                }
                Err(error) => {
                    self.trouble(&name, &error, &cut, &mut progress);
                    if progress.ended {
                        add(&mut self.out, &source, ids, |batch| _ = breaking.finish(batch));
                    }
                    progress = Progress { offset: taken - breaking.held() as u64, continued: breaking.continued(), ..progress };
                    break;
                }
            }
            progress = Progress { offset: taken - breaking.held() as u64, continued: breaking.continued(), ..progress };
            if progress.ended {
                break;
            }
            if self.out.is_full() {
                self.set(object, &progress);
                self.hand_over()?;
            }
        }
        self.set(object, &progress);
        if self.out.is_full() { self.hand_over() } else { Ok(()) }
    }

    /// Of which container an object is, what it begins with, and its unpacked bytes from `offset` on.
    fn open(
        &self,
        object: &ObjectMeta,
        offset: u64,
        cut: &Arc<AtomicBool>,
        hashed: Option<Hashed>,
    ) -> io::Result<(Packing, Vec<u8>, impl Read + use<>)> {
        let (_, within, mut stream) = unpack::unpack_through(self.fetch(object, Arc::clone(cut)), |stream| match hashed {
            Some(hashed) => Box::new(Hashing { stream, hashed }),
            None => stream,
        })?;
        let mut head = Vec::new();
        // What fails behind the beginning fails again where it stands.
        let failed = stream.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).err();
        let mut stream = Read::chain(Cursor::new(head.clone()), Failing(failed).chain(stream));
        let skipped = io::copy(&mut stream.by_ref().take(offset), &mut io::sink())?;
        if skipped < offset { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((within, head, stream)) }
    }

    /// Says what is wrong with an object. A connection that broke off is tried again; damage stays, and ends it.
    fn trouble(&self, name: &str, error: &io::Error, cut: &AtomicBool, progress: &mut Progress) {
        if cut.load(Ordering::Relaxed) {
            self.counters.problem(format!("{name}: {error}; it will be read on"));
            return;
        }
        self.counters.skip("damaged");
        self.counters.problem(format!("{name}: {error}; what came before is stored"));
        progress.ended = true;
    }

    fn set(&mut self, object: &ObjectMeta, progress: &Progress) {
        let key = self.key(object);
        self.out.batch.set_position(key, serde_json::to_vec(progress).expect("strings and numbers always serialise"));
    }

    fn hand_over(&mut self) -> Result<()> {
        let next = self.delivery.next(self.now());
        let out = std::mem::replace(&mut self.out, next);
        self.delivery.send(out)
    }

    /// The bytes of an object; `cut` is set when it is the way to them that fails.
    fn fetch(&self, object: &ObjectMeta, cut: Arc<AtomicBool>) -> Parts {
        let (sender, parts) = mpsc::channel(PARTS);
        let (store, location) = (Arc::clone(&self.store), object.location.clone());
        self.runtime.spawn(async move {
            let got = match store.get(&location).await {
                Ok(got) => got,
                Err(error) => {
                    let _ = sender.send(Err(io::Error::other(error))).await;
                    return;
                }
            };
            let mut stream = got.into_stream();
            while let Some(part) = stream.next().await {
                // Nobody reads on: it was stopped, or is understood to be damaged.
                if sender.send(part.map_err(io::Error::other)).await.is_err() {
                    return;
                }
            }
        });
        Parts { parts, current: Bytes::new(), cut }
    }
}

/// What cuts the bytes from the place on up to which an object is stored, which begins with `head`.
fn breaking_at(progress: &Progress, decoding: Decoding, head: &[u8]) -> Breaking {
    match progress.offset {
        0 => Breaking::new(decoding),
        offset => Breaking::resume(decoding, progress.continued, &head[..head.len().min(usize::try_from(offset).unwrap_or(usize::MAX))]),
    }
}

/// Adds what `fill` makes of an object, with the ids that records of CloudTrail have.
fn add(out: &mut Outgoing, source: &Arc<SourceCounters>, ids: Option<IdScope>, fill: impl FnOnce(&mut EventBatch)) {
    out.add(source, |batch| {
        let from = batch.len();
        fill(batch);
        ids.into_iter().for_each(|ids| cloudtrail::mark(batch, from, ids));
    });
}

/// What tells one version of an object from another.
fn version(object: &ObjectMeta) -> String {
    object.e_tag.clone().unwrap_or_else(|| format!("{}/{}", object.size, object.last_modified.timestamp_micros()))
}

/// Gives an error that was met before, in its place; or nothing.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Hashes all that is read through it.
struct Hashing {
    stream: Box<dyn Read + Send>,
    hashed: Hashed,
}

impl Read for Hashing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(out)?;
        self.hashed.lock().update(&out[..n]);
        Ok(n)
    }
}

/// An object as it arrives, for those who read without waiting for anything else.
struct Parts {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    cut: Arc<AtomicBool>,
}

impl Read for Parts {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.parts.blocking_recv() {
                None => return Ok(0),
                Some(Ok(part)) => self.current = part,
                Some(Err(error)) => {
                    self.cut.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        let n = out.len().min(self.current.len());
        out[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}
