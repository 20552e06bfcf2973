//! Compares what was read with the digests of CloudTrail, when all of a pass is stored. Nothing is refused for it: what differs stays,
//! and is told as a problem, in the account, and as an event in the index of the server's own, which becomes durable in one step with
//! the mark that the digest was checked.

use super::digest::{Digest, Signature, Vouched, hex, is_digest};
use super::{Progress, Reader, version};
use crate::finding;
use crate::unpack;
use object_store::{Attribute, ObjectMeta, ObjectStoreExt};
use rustc_hash::FxHashMap;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::{Cursor, Read};
use taffrail_base::{Error, ErrorKind, Result};

/// Bytes of a digest: one lists the files of an hour, at some 400 bytes each.
const DIGEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Packed bytes of an object that is held to be hashed.
const OBJECT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What came of looking for an object.
enum Found {
    Missing,
    /// It is there and cannot be read to its end.
    Damaged(String),
    Hash(String),
}

/// What came of asking for an object.
enum Got {
    Missing,
    /// It is not given, and will not be.
    Refused(String),
    /// Its bytes, and the signature that it carries.
    Object(Vec<u8>, Option<String>),
}

impl Reader {
    /// Checks the digests that were read and not checked yet. An error is one of the way there, and all is tried again.
    pub(super) fn check_digests(&mut self, objects: &[ObjectMeta]) -> Result<()> {
        let by_name: FxHashMap<&str, &ObjectMeta> = objects.iter().map(|object| (object.location.as_ref(), object)).collect();
        for object in objects.iter().filter(|object| is_digest(object.location.as_ref())) {
            if self.stop.is_stopped() {
                break;
            }
            let Some(known) = self.known(object).filter(|known| known.ended && !known.checked) else { continue };
            self.check_digest(object, &by_name)?;
            self.set(object, &Progress { checked: true, ..known });
            // The next one looks at what is stored of this one.
            self.hand_over()?;
            self.delivery.settle()?;
        }
        Ok(())
    }

    /// How far this version of an object was read, as it is stored.
    fn known(&self, object: &ObjectMeta) -> Option<Progress> {
        let known: Progress = serde_json::from_slice(&self.context.sink.position(&self.key(object))?).ok()?;
        (known.version == version(object)).then_some(known)
    }

    fn check_digest(&mut self, object: &ObjectMeta, by_name: &FxHashMap<&str, &ObjectMeta>) -> Result<()> {
        let name = self.name(object.location.as_ref());
        let (packed, signature) = match self.get(object.location.as_ref())? {
            Got::Object(packed, signature) => (packed, signature),
            // It will be missed by the one behind it.
            Got::Missing => return Ok(()),
            Got::Refused(why) => return self.differs("digest_malformed", &name, &why),
        };
        let mut bytes = Vec::new();
        let read = unpack::decompressed(Cursor::new(packed)).and_then(|stream| stream.take(DIGEST_BYTES_MAX).read_to_end(&mut bytes));
        let digest = match read.map_err(|error| error.to_string()).and_then(|_| Digest::parse(&bytes)) {
            Ok(digest) => digest,
            Err(why) => return self.differs("digest_malformed", &name, &format!("it cannot be read as a digest: {why}")),
        };
        if !digest.is_at(&self.bucket, object.location.as_ref()) {
            self.differs("digest_moved", &name, "it says that it belongs to another place")?;
        }
        match digest.signature(signature.as_deref(), &self.keys_of_digests) {
            Signature::Good => self.counters.check("signature_good"),
            Signature::NotChecked => self.counters.check("signature_not_checked"),
            Signature::Wrong(why) => self.differs("signature_wrong", &name, &why)?,
        }
        match digest.previous() {
            None => self.counters.check("chain_begins"),
            Some(previous) => self.check_vouched(&previous, &name, "digest", by_name)?,
        }
        for file in digest.files() {
            if self.stop.is_stopped() {
                return Err(Error::new(ErrorKind::Cancelled, "stopped while a digest was checked"));
            }
            self.check_vouched(&file, &name, "file", by_name)?;
        }
        Ok(())
    }

    /// Compares one file with what a digest says of it, and remembers what it has to be from now on.
    fn check_vouched(&mut self, file: &Vouched<'_>, by: &str, what: &str, by_name: &FxHashMap<&str, &ObjectMeta>) -> Result<()> {
        let [good, changed, missing, elsewhere] = match what {
            "digest" => ["digest_good", "digest_changed", "digest_missing", "digest_elsewhere"],
            _ => ["file_good", "file_changed", "file_missing", "file_elsewhere"],
        };
        if file.bucket != self.bucket {
            self.counters.check(elsewhere);
            return Ok(());
        }
        let listed = by_name.get(file.object).copied();
        let known = listed.and_then(|object| self.known(object));
        let found = match known.as_ref().filter(|known| known.ended).and_then(|known| known.sha256.clone()) {
            Some(hash) => Found::Hash(hash),
            None => self.hash_of(file.object)?,
        };
        let name = self.name(file.object);
        match found {
            Found::Hash(hash) if hash.eq_ignore_ascii_case(file.sha256) => self.counters.check(good),
            Found::Hash(hash) => self.differs(changed, &name, &format!("its hash is {hash}, and {by} says {}", file.sha256))?,
            Found::Damaged(why) => self.differs(changed, &name, &format!("{why}, and {by} vouches for it"))?,
            Found::Missing => self.differs(missing, &name, &format!("it is not there, and {by} vouches for it"))?,
        }
        if let (Some(object), Some(known)) = (listed, known) {
            self.set(object, &Progress { digest: Some(file.sha256.to_ascii_lowercase()), ..known });
        }
        Ok(())
    }

    /// The hash of an object that was read anew is not the one that a digest gave.
    pub(super) fn check_again(&mut self, name: &str, progress: &Progress) {
        if let (Some(hash), Some(wanted)) = (&progress.sha256, &progress.digest)
            && hash != wanted
        {
            // Gathering an event cannot fail.
            let _ = self.differs("changed_later", name, &format!("it was written anew: its hash is {hash}, and its digest says {wanted}"));
        }
    }

    fn name(&self, location: &str) -> String {
        format!("s3://{}/{location}", self.bucket)
    }

    /// Tells of a difference: as a problem, in the account, and as an event.
    fn differs(&mut self, outcome: &'static str, object: &str, why: &str) -> Result<()> {
        self.counters.check(outcome);
        self.counters.problem(format!("{object}: {why}"));
        let details = json!({"input": self.counters.name(), "outcome": outcome, "object": object, "problem": why});
        finding::push(&mut self.out.batch, &self.context, "digest_mismatch", details);
        Ok(())
    }

    fn hash_of(&self, location: &str) -> Result<Found> {
        let packed = match self.get(location)? {
            Got::Object(packed, _) => packed,
            Got::Missing => return Ok(Found::Missing),
            Got::Refused(why) => return Ok(Found::Damaged(why)),
        };
        let mut hash = Sha256::new();
        let damaged = |error: std::io::Error| Found::Damaged(format!("it cannot be read: {error}"));
        let mut stream = match unpack::decompressed(Cursor::new(packed)) {
            Ok(stream) => stream,
            Err(error) => return Ok(damaged(error)),
        };
        let mut buffer = vec![0; super::READ_BYTES];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(Found::Hash(hex(hash.finalize()))),
                Ok(n) => hash.update(&buffer[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(damaged(error)),
            }
        }
    }

    /// Asks for an object. An error is one of the way there.
    fn get(&self, location: &str) -> Result<Got> {
        use object_store::Error as StoreError;
        let failed = |error: StoreError| Error::new(ErrorKind::Io, format!("{}: {error}", self.name(location)));
        let path = match object_store::path::Path::parse(location) {
            Ok(path) => path,
            Err(error) => return Ok(Got::Refused(format!("it cannot be asked for: {error}"))),
        };
        self.runtime.block_on(async {
            let got = match self.store.get(&path).await {
                Ok(got) => got,
                Err(StoreError::NotFound { .. }) => return Ok(Got::Missing),
                Err(error @ (StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. })) => {
                    return Ok(Got::Refused(format!("it may not be read: {error}")));
                }
                Err(error) => return Err(failed(error)),
            };
            if got.meta.size > OBJECT_BYTES_MAX {
                return Ok(Got::Refused(format!("{} bytes are too many to be looked at", got.meta.size)));
            }
            let signature = got.attributes.get(&Attribute::Metadata("signature".into())).map(|value| value.to_string());
            Ok(Got::Object(got.bytes().await.map_err(failed)?.to_vec(), signature))
        })
    }
}
