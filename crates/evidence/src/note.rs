//! Signed notes in the C2SP format: a text, a blank line, and a line for each signature. Only Ed25519
//! signatures (algorithm 1) are made and checked; lines of other keys and algorithms are passed over.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use taffrail_base::{Error, ErrorKind, Randomness, Result};

/// The signature algorithm's number, in front of public keys and inside key ids.
const ED25519: u8 = 1;

/// A name of a key may not hold what would break the line it stands in.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        let what = format!("{name:?} cannot be the name of a key: it is empty, or holds a space or a plus sign");
        return Err(Error::new(ErrorKind::Invalid, what));
    }
    Ok(())
}

/// The first four bytes of SHA-256 over name, newline, algorithm and public key.
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(public).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Signs notes under a name. The key never leaves it but by [`Signer::secret`].
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl Signer {
    /// A new key.
    pub fn generate(name: &str, random: &dyn Randomness) -> Result<Self> {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        Self::from_secret(name, seed)
    }

    /// The key of a 32-byte seed.
    pub fn from_secret(name: &str, seed: [u8; 32]) -> Result<Self> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    /// The 32-byte seed, to be kept where only the owner can read it.
    pub fn secret(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// What checks this signer's notes.
    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The note: `text` (which ends in a newline), a blank line, one signature line.
    pub fn sign(&self, text: &str) -> String {
        debug_assert!(text.ends_with('\n'));
        let mut signature = key_id(&self.name, self.key.verifying_key().as_bytes()).to_vec();
        signature.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.name, BASE64.encode(signature))
    }
}

/// Says the name only, never the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.name)
    }
}

/// Checks notes signed by one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: VerifyingKey,
}

impl Verifier {
    /// From the public key's text: name, id and key, joined by plus signs.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::new(ErrorKind::Invalid, format!("{text:?} is not a public key: {what}"));
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it has not the form name+id+key"));
        };
        check_name(name)?;
        let bytes = BASE64.decode(key).map_err(|_| wrong("the key is not base64"))?;
        let Some((&ED25519, public)) = bytes.split_first() else {
            return Err(wrong("the key is not of the algorithm Ed25519"));
        };
        let public: [u8; 32] = public.try_into().map_err(|_| wrong("the key has not 32 bytes"))?;
        if id != hex(key_id(name, &public)) {
            return Err(wrong("the id does not belong to the name and key"));
        }
        let key = VerifyingKey::from_bytes(&public).map_err(|_| wrong("the key is not a point of the curve"))?;
        Ok(Self { name: name.to_owned(), key })
    }

    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key has signed, or what is wrong with the note.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str> {
        let wrong = |what: &str| Error::new(ErrorKind::Corrupt, format!("the signed note is not valid: {what}"));
        // The last blank line parts text and signatures; the text may hold blank lines itself.
        let at = note.rfind("\n\n").ok_or_else(|| wrong("it has no blank line before its signatures"))?;
        let (text, signatures) = (&note[..=at], &note[at + 2..]);
        if signatures.is_empty() || !signatures.ends_with('\n') {
            return Err(wrong("its last line is not complete"));
        }
        let id = key_id(&self.name, self.key.as_bytes());
        for line in signatures.lines() {
            let parts = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '));
            let (name, value) = parts.ok_or_else(|| wrong("a signature line is malformed"))?;
            let bytes = BASE64.decode(value).map_err(|_| wrong("a signature is not base64"))?;
            if name != self.name || bytes.get(..4) != Some(&id[..]) {
                continue;
            }
            let signature = Signature::from_slice(&bytes[4..]).map_err(|_| wrong("the signature has not 64 bytes"))?;
            return match self.key.verify_strict(text.as_bytes(), &signature) {
                Ok(()) => Ok(text),
                Err(_) => Err(wrong("the signature does not belong to the text")),
            };
        }
        Err(wrong(&format!("no signature of the key {}", self.name)))
    }
}

/// The public key's text: name, id and key, joined by plus signs.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex(key_id(&self.name, self.key.as_bytes())), BASE64.encode(key))
    }
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}
