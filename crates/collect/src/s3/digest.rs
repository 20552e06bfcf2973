//! What a digest of CloudTrail says: hashes of the log files of its hour and of the digest before it, and the signature over all
//! that. Pure; where the files come from and what follows from a difference is the business of `check`.

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use taffrail_base::{Error, ErrorKind, Result, Vfs};

/// A digest, taken apart.
#[derive(Debug)]
pub(super) struct Digest {
    said: Said,
    /// Hash of its bytes.
    pub sha256: String,
}

/// The members that matter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    digest_end_time: String,
    digest_s3_bucket: String,
    digest_s3_object: String,
    digest_public_key_fingerprint: Option<String>,
    digest_signature_algorithm: Option<String>,
    previous_digest_s3_bucket: Option<String>,
    previous_digest_s3_object: Option<String>,
    previous_digest_hash_value: Option<String>,
    previous_digest_hash_algorithm: Option<String>,
    previous_digest_signature: Option<String>,
    log_files: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    s3_bucket: String,
    s3_object: String,
    hash_value: String,
    hash_algorithm: String,
}

/// A file that a digest vouches for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vouched<'a> {
    pub bucket: &'a str,
    pub object: &'a str,
    pub sha256: &'a str,
}

/// What is known of the signature of a digest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Good,
    /// No keys are known.
    NotChecked,
    Wrong(String),
}

/// Whether an object is a digest, by its name.
pub(super) fn is_digest(location: &str) -> bool {
    location.split('/').any(|part| part == "CloudTrail-Digest")
}

/// Whether a digest could vouch for an object, by its name.
pub(super) fn is_covered(location: &str) -> bool {
    location.split('/').any(|part| matches!(part, "CloudTrail" | "CloudTrail-Digest"))
}

/// A hash as digests write it.
pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|_| pair.len() == 2 && pair[0] != b'+')?, 16).ok();
    pairs.map(byte).collect()
}

impl Digest {
    /// Reads one; the error says why it is none.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let said: Said = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let previous = [&said.previous_digest_s3_bucket, &said.previous_digest_s3_object, &said.previous_digest_hash_value];
        if previous.iter().any(|part| part.is_some()) != previous.iter().all(|part| part.is_some()) {
            return Err("it says of the digest before it where or what it is, but not both".to_owned());
        }
        let algorithms = said.log_files.iter().map(|file| Some(&file.hash_algorithm)).chain([said.previous_digest_hash_algorithm.as_ref()]);
        if let Some(other) = algorithms.flatten().find(|name| *name != "SHA-256") {
            return Err(format!("it hashes with {other:?}, not with SHA-256"));
        }
        Ok(Self { said, sha256: hex(Sha256::digest(bytes)) })
    }

    /// Whether this is where it was put by who made it.
    pub fn is_at(&self, bucket: &str, object: &str) -> bool {
        self.said.digest_s3_bucket == bucket && self.said.digest_s3_object == object
    }

    /// The digest before it; none where a chain begins.
    pub fn previous(&self) -> Option<Vouched<'_>> {
        let said = &self.said;
        Some(Vouched {
            bucket: said.previous_digest_s3_bucket.as_deref()?,
            object: said.previous_digest_s3_object.as_deref()?,
            sha256: said.previous_digest_hash_value.as_deref()?,
        })
    }

    /// The log files that it vouches for.
    pub fn files(&self) -> impl Iterator<Item = Vouched<'_>> {
        self.said.log_files.iter().map(|file| Vouched { bucket: &file.s3_bucket, object: &file.s3_object, sha256: &file.hash_value })
    }

    /// Compares the signature that came with it. It is over the time, the place, the hash, and the signature before it.
    pub fn signature(&self, signature: Option<&str>, keys: &[PublicKey]) -> Signature {
        if keys.is_empty() {
            return Signature::NotChecked;
        }
        let said = &self.said;
        let Some(signature) = signature.and_then(from_hex) else { return Signature::Wrong("it has no signature".to_owned()) };
        if let Some(other) = said.digest_signature_algorithm.as_deref().filter(|name| *name != "SHA256withRSA") {
            return Signature::Wrong(format!("it is signed with {other:?}, not with SHA256withRSA"));
        }
        let before = said.previous_digest_signature.as_deref().unwrap_or("null");
        let text = format!("{}\n{}/{}\n{}\n{before}", said.digest_end_time, said.digest_s3_bucket, said.digest_s3_object, self.sha256);
        let fits =
            |key: &PublicKey| UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.0).verify(text.as_bytes(), &signature).is_ok();
        if keys.iter().any(fits) {
            return Signature::Good;
        }
        let fingerprint = said.digest_public_key_fingerprint.as_deref().unwrap_or("of an unknown fingerprint");
        Signature::Wrong(format!("its signature fits none of the keys of the settings; it names the key {fingerprint:?}"))
    }
}

/// A public RSA key, as a signature is compared with: PKCS #1.
#[derive(Clone, Debug)]
pub(super) struct PublicKey(Vec<u8>);

/// The keys of files in PEM form.
pub(super) fn keys(paths: &[PathBuf], vfs: &dyn Vfs) -> Result<Vec<PublicKey>> {
    let mut all = Vec::new();
    for path in paths {
        let bytes = vfs.read(path).map_err(|error| Error::io(path.display(), error).with_hint("digest_keys names files in PEM form"))?;
        let found = pem(&String::from_utf8_lossy(&bytes));
        all.extend(found.filter(|keys| !keys.is_empty()).ok_or_else(|| not_a_key(path))?);
    }
    Ok(all)
}

fn not_a_key(path: &Path) -> Error {
    Error::new(ErrorKind::Invalid, format!("{} is no public RSA key", path.display()))
        .with_hint("digest_keys names files in PEM form, with RSA PUBLIC KEY or PUBLIC KEY in them: what `aws cloudtrail list-public-keys` gives, between such lines")
}

/// All keys of a text; `None` if one of them cannot be read.
fn pem(text: &str) -> Option<Vec<PublicKey>> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----")?;
        let (body, after) = after.split_once("-----END ")?;
        rest = after;
        let der = base64(body)?;
        match label {
            "RSA PUBLIC KEY" => keys.push(PublicKey(der)),
            "PUBLIC KEY" => keys.push(PublicKey(within(&der)?)),
            _ => return None,
        }
    }
    Some(keys)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let end = digits.iter().position(|byte| *byte == b'=').unwrap_or(digits.len());
    let mut out = Vec::with_capacity(end * 3 / 4);
    for group in digits[..end].chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - group.len());
        out.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(out)
}

/// The key within its wrapping that names the algorithm: SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING }.
fn within(der: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let (content, _) = element(der, 0x30)?;
    let (bits, _) = element(content.strip_prefix(RSA)?, 0x03)?;
    bits.strip_prefix(&[0]).map(<[u8]>::to_vec)
}

/// What is in the element that `der` begins with, and what stands behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_what_is_none() {
        let text = r#"{"digestEndTime":"2015-08-17T15:01:31Z","digestS3Bucket":"b","digestS3Object":"o","previousDigestSignature":null,
            "previousDigestS3Bucket":"b","previousDigestS3Object":"p","previousDigestHashValue":"00","previousDigestHashAlgorithm":"SHA-256",
            "logFiles":[{"s3Bucket":"b","s3Object":"l","hashValue":"01","hashAlgorithm":"SHA-256","newestEventTime":"x"}]}"#;
        let digest = Digest::parse(text.as_bytes()).expect("is one");
        assert!(digest.is_at("b", "o") && !digest.is_at("b", "p") && !digest.is_at("c", "o"));
        assert_eq!(digest.previous(), Some(Vouched { bucket: "b", object: "p", sha256: "00" }));
        assert_eq!(digest.files().collect::<Vec<_>>(), [Vouched { bucket: "b", object: "l", sha256: "01" }]);
        assert_eq!(digest.signature(Some("00"), &[]), Signature::NotChecked);
        let key = [PublicKey(vec![1, 2])];
        assert!(matches!(digest.signature(None, &key), Signature::Wrong(why) if why.contains("no signature")));
        assert!(matches!(digest.signature(Some("0g"), &key), Signature::Wrong(_)));
        for (from, to) in [
            ("\"previousDigestHashValue\":\"00\",", ""),
            ("\"hashAlgorithm\":\"SHA-256\"", "\"hashAlgorithm\":\"MD5\""),
            ("\"digestEndTime\"", "\"other\""),
            ("]}", "]"),
        ] {
            assert!(Digest::parse(text.replace(from, to).as_bytes()).is_err(), "{from}");
        }
    }

    #[test]
    fn keys_in_and_without_their_wrapping() {
        // 30 07 02 02 01 01 02 01 03, as a key of two small numbers.
        let wrapped = "MBswDQYJKoZIhvcNAQEBBQADCgAwBwICAQECAQM=";
        let bare = "MAcCAgEBAgED";
        let text = format!("a comment\n-----BEGIN PUBLIC KEY-----\n{wrapped}\n-----END PUBLIC KEY-----\n");
        let both = format!("{text}-----BEGIN RSA PUBLIC KEY-----\r\n{bare}\r\n-----END RSA PUBLIC KEY-----");
        let keys: Vec<_> = pem(&both).expect("are keys").into_iter().map(|key| key.0).collect();
        assert_eq!(keys, [[0x30, 7, 2, 2, 1, 1, 2, 1, 3], [0x30, 7, 2, 2, 1, 1, 2, 1, 3]]);
        assert!(pem(&text.replace("DQYJ", "DQ?J")).is_none());
        assert!(pem(&text.replace("PUBLIC", "PRIVATE")).is_none());
        assert_eq!(pem("nothing").map(|keys| keys.len()), Some(0));
        assert_eq!(base64("Zm9vYmE="), Some(b"fooba".to_vec()));
        assert_eq!((from_hex("0aFF"), from_hex("0"), from_hex("+1")), (Some(vec![10, 255]), None, None));
    }
}
