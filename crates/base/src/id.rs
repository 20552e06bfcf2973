//! Identifiers: 128 bits that sort by the time they were made (the ULID specification's layout and spelling).

use crate::{Clock, Randomness};
use std::fmt;
use std::str::FromStr;

/// 48 bits of milliseconds since the epoch, then 80 random bits; printed as 26 Crockford base-32 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ulid(pub u128);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Ulid {
    /// A new identifier from the clock's milliseconds and 80 random bits.
    pub fn new(clock: &dyn Clock, random: &dyn Randomness) -> Self {
        let millis = u128::from(u64::try_from(clock.now_nanos() / 1_000_000).unwrap_or(0));
        let mut bytes = [0u8; 16];
        random.fill(&mut bytes[6..]);
        Self((millis & ((1 << 48) - 1)) << 80 | u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 26];
        let mut rest = self.0;
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Ulid {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || crate::Error::new(crate::ErrorKind::Invalid, format!("{text:?} is not an identifier of 26 base-32 characters"));
        if text.len() != 26 {
            return Err(wrong());
        }
        let mut value: u128 = 0;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|a| *a == byte.to_ascii_uppercase()).ok_or_else(wrong)?;
            value = value.checked_mul(32).and_then(|v| v.checked_add(digit as u128)).ok_or_else(wrong)?;
        }
        Ok(Self(value))
    }
}
