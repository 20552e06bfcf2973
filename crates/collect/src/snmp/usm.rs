//! The user-based security of SNMPv3 (RFC 3414, 3826, 7860): keys from passwords, digests, and what is encrypted. Pure.

use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use serde::{Deserialize, Serialize};
use sha1::Digest;

/// How messages are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// HMAC-MD5-96.
    Md5,
    /// HMAC-SHA-96.
    Sha,
    /// HMAC-SHA-224.
    Sha224,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-384.
    Sha384,
    /// HMAC-SHA-512.
    Sha512,
}

/// How messages are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// CBC-DES: old, and what some devices have.
    Des,
    /// AES-128 in CFB mode.
    Aes,
}

impl Auth {
    fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            digest.finalize().to_vec()
        }
        match self {
            Self::Md5 => of::<md5::Md5>(parts),
            Self::Sha => of::<sha1::Sha1>(parts),
            Self::Sha224 => of::<sha2::Sha224>(parts),
            Self::Sha256 => of::<sha2::Sha256>(parts),
            Self::Sha384 => of::<sha2::Sha384>(parts),
            Self::Sha512 => of::<sha2::Sha512>(parts),
        }
    }

    /// Bytes of a digest that are sent.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 | Self::Sha => 12,
            Self::Sha224 => 16,
            Self::Sha256 => 24,
            Self::Sha384 => 32,
            Self::Sha512 => 48,
        }
    }

    /// The key of a password, before it is that of an engine: a million bytes of it are hashed.
    pub fn key(self, password: &[u8]) -> Vec<u8> {
        const BYTES: usize = 1 << 20;
        let block: Vec<u8> = password.iter().copied().cycle().take(if password.is_empty() { 0 } else { BYTES }).collect();
        self.hash(&[&block])
    }

    /// The key for one engine.
    pub fn localized(self, key: &[u8], engine: &[u8]) -> Vec<u8> {
        self.hash(&[key, engine, key])
    }

    /// The digest of a message, as long as it is sent.
    pub fn digest(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let block = if matches!(self, Self::Sha384 | Self::Sha512) { 128 } else { 64 };
        let padded = |with: u8| -> Vec<u8> { (0..block).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect() };
        let inner = self.hash(&[&padded(0x36), message]);
        let mut digest = self.hash(&[&padded(0x5c), &inner]);
        digest.truncate(self.digest_len());
        digest
    }
}

/// Whether two digests are the same, in a time that does not tell where they differ.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

impl Privacy {
    /// The bytes behind `encrypted`; `salt` is what the message says, `boots` and `time` are of the engine.
    pub fn decrypt(self, key: &[u8], (boots, time): (u32, u32), salt: &[u8], encrypted: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Aes => cfb(key, (boots, time), salt, encrypted, false),
            Self::Des => cbc(key, salt, encrypted, false),
        }
    }

    /// The other way round.
    pub fn encrypt(self, key: &[u8], (boots, time): (u32, u32), salt: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Aes => cfb(key, (boots, time), salt, plain, true),
            Self::Des => {
                let padded: Vec<u8> =
                    plain.iter().copied().chain(std::iter::repeat_n(0, plain.len().next_multiple_of(8) - plain.len())).collect();
                cbc(key, salt, &padded, true)
            }
        }
    }
}

fn cfb(key: &[u8], (boots, time): (u32, u32), salt: &[u8], bytes: &[u8], encrypt: bool) -> Option<Vec<u8>> {
    let cipher = aes::Aes128::new_from_slice(key.get(..16)?).ok()?;
    let mut register: [u8; 16] = [&boots.to_be_bytes()[..], &time.to_be_bytes(), salt].concat().try_into().ok()?;
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.chunks(16) {
        let mut block: Block<aes::Aes128> = register.into();
        cipher.encrypt_block(&mut block);
        let done: Vec<u8> = chunk.iter().zip(block.iter()).map(|(byte, mask)| byte ^ mask).collect();
        let cipher_text = if encrypt { &done } else { chunk };
        register[..chunk.len()].copy_from_slice(cipher_text);
        out.extend_from_slice(&done);
    }
    Some(out)
}

fn cbc(key: &[u8], salt: &[u8], bytes: &[u8], encrypt: bool) -> Option<Vec<u8>> {
    let cipher = des::Des::new_from_slice(key.get(..8)?).ok()?;
    let salt: [u8; 8] = salt.try_into().ok()?;
    let before: [u8; 8] = key.get(8..16)?.try_into().ok()?;
    let mut last: [u8; 8] = std::array::from_fn(|at| before[at] ^ salt[at]);
    if !bytes.len().is_multiple_of(8) {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.chunks_exact(8) {
        let chunk: [u8; 8] = chunk.try_into().ok()?;
        if encrypt {
            let mut block: Block<des::Des> = std::array::from_fn(|at| chunk[at] ^ last[at]).into();
            cipher.encrypt_block(&mut block);
            last = block.into();
            out.extend_from_slice(&last);
        } else {
            let mut block: Block<des::Des> = chunk.into();
            cipher.decrypt_block(&mut block);
            out.extend(block.iter().zip(last).map(|(byte, mask)| byte ^ mask));
            last = chunk;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_keys_of_rfc_3414() {
        let engine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        let key = |auth: Auth| auth.key(b"maplesyrup");
        assert_eq!(hex(&key(Auth::Md5)), "9faf3283884e92834ebc9847d8edd963");
        assert_eq!(hex(&Auth::Md5.localized(&key(Auth::Md5), &engine)), "526f5eed9fcce26f8964c2930787d82b");
        assert_eq!(hex(&Auth::Sha.localized(&key(Auth::Sha), &engine)), "6695febc9288e36282235fc7151f128497b38f3f");
    }

    #[test]
    fn digests_are_those_of_rfc_4231() {
        // Test case 2: the key "Jefe".
        let text = b"what do ya want for nothing?";
        assert_eq!(hex(&Auth::Sha256.digest(b"Jefe", text)), "5bdcc146bf60754e6a042426089575c75a003f089d273983");
        assert_eq!(&hex(&Auth::Sha512.digest(b"Jefe", text))[..32], "164b7a7bfcf819e2e395fbe73b56e0a3");
        // RFC 2202, test case 2.
        assert_eq!(hex(&Auth::Sha.digest(b"Jefe", text)), "effcdf6ae5eb2fa2d27416d5");
        assert_eq!(hex(&Auth::Md5.digest(b"Jefe", text)), "750c783e6ab0b503eaa86e31");
    }

    #[test]
    fn what_is_encrypted_comes_back() {
        let key: Vec<u8> = (0..20).collect();
        for privacy in [Privacy::Aes, Privacy::Des] {
            let text = b"0123456789abcdef0123456789abcdef!";
            let encrypted = privacy.encrypt(&key, (3, 5), &[9; 8], text).unwrap();
            assert_ne!(&encrypted[..16], &text[..16]);
            let plain = privacy.decrypt(&key, (3, 5), &[9; 8], &encrypted).unwrap();
            assert_eq!(&plain[..text.len()], text);
            assert!(
                privacy.decrypt(&key, (3, 5), &[9; 7], &encrypted).is_none()
                    && privacy.decrypt(&key[..4], (3, 5), &[9; 8], &encrypted).is_none()
            );
        }
        assert!(Privacy::Des.decrypt(&key, (0, 0), &[9; 8], b"odd").is_none());
    }
}
