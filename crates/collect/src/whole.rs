//! A file that is one event, whatever lines it has: configuration, reports, crash dumps. Known by its path and its
//! content: it is taken when there is a version that is not stored, and only then.
//!
//! The event has all bytes of the file, its source is the path, its time that of the last modification. What is
//! larger than an event may be is split into parts (`continued`), which become durable one after the other, each
//! with how far the version is stored.

use crate::counters::SourceCounters;
use crate::decode::Envelope;
use crate::files::binary;
use crate::outgoing::Outgoing;
use crate::unpack::{self, read_full};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use taffrail_base::VfsFile;
use taffrail_base::limits::EVENT_BYTES_MAX;
use taffrail_event::{Origin, Problems, Timestamp};

/// The sourcetype of whole files, unless another is set.
const SOURCETYPE: &str = "file";

/// Bytes read at once where they are only looked at.
const READ_BYTES: usize = 64 * 1024;

/// The bytes that tell a binary file.
const HEAD_BYTES: usize = 1024;

/// The content of a file at one time, and how much of it is stored: the value of a position
/// `whole/<index>/<hash of the path>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Hash of the (decompressed) content, in hex.
    pub hash: String,
    /// Its bytes.
    pub len: u64,
    /// How many of them are stored.
    pub taken: u64,
    /// When the file was modified, in nanoseconds since the epoch.
    pub modified: i64,
    /// Its path.
    pub source: String,
    /// When it was stored, in seconds since the epoch.
    pub seen: i64,
}

impl Version {
    /// What another version of the program wrote and this one cannot read is as if it were not there.
    pub fn parse(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    /// Where to go on with storing it, if `known` is what is stored; `None`: it is there, or empty.
    pub fn go_on(&self, known: Option<&Self>) -> Option<u64> {
        let taken = known.filter(|known| known.hash == self.hash && known.len == self.len).map_or(0, |known| known.taken);
        (taken < self.len).then_some(taken)
    }

    /// What to say of a file that is not one event.
    pub fn split_problem(&self, name: &str) -> Option<String> {
        let limit = EVENT_BYTES_MAX as u64;
        let parts = self.len.div_ceil(limit);
        (parts > 1)
            .then(|| format!("{name}: {} bytes are {parts} events, all but the first marked continued: an event holds {limit}", self.len))
    }
}

/// One file.
pub(crate) struct WholeFile {
    /// The key of its position.
    pub key: String,
    origin: Origin,
    source: Arc<SourceCounters>,
    file: Option<Arc<dyn VfsFile>>,
}

/// All positions of an index begin so.
pub(crate) fn prefix(index: &str) -> String {
    format!("whole/{index}/")
}

impl WholeFile {
    pub fn new(envelope: &Envelope, source: Arc<SourceCounters>, name: &str) -> Self {
        let mut origin = envelope.with_source(name).origin();
        if origin.sourcetype.is_empty() {
            origin.sourcetype = SOURCETYPE.into();
        }
        let key = format!("{}{}", prefix(&origin.index), &blake3::hash(name.as_bytes()).to_hex()[..32]);
        Self { key, origin, source, file: None }
    }

    /// Looks at what the file holds now; `None` if it is binary and `only_text` is asked for.
    pub fn look(&mut self, path: &Path, file: Arc<dyn VfsFile>, only_text: bool) -> io::Result<Option<Version>> {
        let before = file.metadata()?;
        let (_, mut stream) = unpack::open(Arc::clone(&file), Arc::default())?;
        let mut buffer = vec![0; READ_BYTES];
        let mut hasher = blake3::Hasher::new();
        let mut len = 0;
        loop {
            let n = read_full(&mut stream, &mut buffer)?;
            if only_text && len == 0 && binary::kind(path, &buffer[..n.min(HEAD_BYTES)]).is_some() {
                return Ok(None);
            }
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            len += n as u64;
        }
        unchanged(&before, file.as_ref())?;
        self.file = Some(file);
        let hash = hasher.finalize().to_hex().to_string();
        Ok(Some(Version { hash, len, taken: 0, modified: before.modified_nanos, source: self.origin.source.to_string(), seen: 0 }))
    }

    /// Adds the part of `version` that begins at `offset`; where the next one begins.
    pub fn part(&mut self, version: &Version, offset: u64, out: &mut Outgoing) -> io::Result<Option<u64>> {
        let file = self.file.clone().ok_or(io::ErrorKind::NotFound)?;
        let (_, mut stream) = unpack::open(Arc::clone(&file), Arc::default())?;
        let skipped = io::copy(&mut Read::take(&mut stream, offset), &mut io::sink())?;
        let want = usize::try_from(version.len - offset).unwrap_or(usize::MAX).min(EVENT_BYTES_MAX);
        let mut raw = vec![0; want];
        if skipped < offset || read_full(&mut stream, &mut raw)? < want {
            return Err(changed());
        }
        let metadata = file.metadata()?;
        if metadata.modified_nanos != version.modified {
            return Err(changed());
        }
        let taken = offset + want as u64;
        let received = out.batch.received;
        let (time, mut problems) = match Timestamp(version.modified) {
            time if time.0 <= 0 => (received, Problems::NO_TIME),
            time => (time, Problems::NONE),
        };
        if offset > 0 {
            problems = problems.with(Problems::CONTINUED);
        }
        if std::str::from_utf8(&raw).is_err() {
            problems = problems.with(Problems::NOT_UTF8);
        }
        let origin = &self.origin;
        out.add(&self.source, |batch| {
            let number = batch.origin(origin);
            batch.push(number, time, problems, &raw);
        });
        let stored = Version { taken, seen: received.0 / 1_000_000_000, ..version.clone() };
        out.batch.set_position(&self.key, serde_json::to_vec(&stored).expect("strings and numbers always serialise"));
        Ok((taken < version.len).then_some(taken))
    }
}

fn unchanged(before: &taffrail_base::Metadata, file: &dyn VfsFile) -> io::Result<()> {
    let after = file.metadata()?;
    if (after.len, after.modified_nanos) == (before.len, before.modified_nanos) { Ok(()) } else { Err(changed()) }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the file changed while it was read")
}
