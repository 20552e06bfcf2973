//! Reading and writing the bytes of footers and pages: variable-length integers, lengths checked before
//! anything is allocated.

pub(crate) use crate::codec::{put_bytes, put_number as put_varint, put_signed};

use taffrail_base::{Error, Result};

/// Reads from stored bytes; every failure names the place.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    place: &'a str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which errors call `place`.
    pub fn new(bytes: &'a [u8], place: &'a str) -> Self {
        Self { bytes, at: 0, place }
    }

    /// An error about the bytes at hand.
    pub fn damaged(&self, what: impl std::fmt::Display) -> Error {
        Error::corrupt(format_args!("{} at byte {}", self.place, self.at), what)
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next byte, which stays the next.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.damaged("ends early"))?;
        self.at += 1;
        Ok(byte)
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        if count > self.remaining() {
            return Err(self.damaged(format_args!("ends early: {count} bytes expected, {} left", self.remaining())));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// An unsigned integer.
    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged("integer too long"))
    }

    /// A signed integer.
    pub fn signed(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// An unsigned integer of 32 bits.
    pub fn small(&mut self) -> Result<u32> {
        u32::try_from(self.varint()?).map_err(|_| self.damaged("number beyond 32 bits"))
    }

    /// A number of things of which each takes at least one more byte: never more than the bytes left.
    pub fn count(&mut self) -> Result<usize> {
        let count = self.varint()?;
        if count > self.remaining() as u64 {
            return Err(self.damaged(format_args!("{count} entries cannot be in {} bytes", self.remaining())));
        }
        Ok(count as usize)
    }

    /// A length and that many bytes.
    pub fn sized(&mut self) -> Result<&'a [u8]> {
        let len = self.count()?;
        self.take(len)
    }
}
