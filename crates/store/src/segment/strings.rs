//! Byte strings one after the other, as they lie in a block or put together here.

use super::Block;
use super::meta::Place;
use std::sync::Arc;
use taffrail_base::{Error, Result};

/// Bytes: a part of a block, which is not copied, or their own.
#[derive(Clone, Debug)]
pub enum Text {
    /// So many bytes of a block, from one on.
    Block(Arc<Block>, usize, usize),
    /// Their own.
    Own(Vec<u8>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Text {
    /// The bytes at a place of a block.
    pub fn of(block: Arc<Block>, place: Place) -> Result<Self> {
        let len = block.range(place)?.len();
        Ok(Self::Block(block, place.offset as usize, len))
    }

    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Block(block, from, len) => &block.bytes()[*from..from + len],
            Self::Own(bytes) => bytes,
        }
    }
}

/// Byte strings one after the other.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    text: Text,
    ends: Vec<u32>,
}

impl Strings {
    /// Strings of these lengths; their bytes are `text`, in a file that errors call `name`.
    pub fn split(text: Text, lengths: impl ExactSizeIterator<Item = i64>, name: &str) -> Result<Self> {
        let (mut end, all) = (0u64, text.bytes().len());
        let mut ends = Vec::with_capacity(lengths.len());
        for length in lengths {
            // Lengths below zero, too, come to more than there is.
            end = end.saturating_add(length as u64);
            ends.push(end as u32);
        }
        if end != all as u64 || u32::try_from(all).is_err() {
            return Err(Error::corrupt(name, format_args!("lengths add up to {end}, not to {all}")));
        }
        Ok(Self { text, ends })
    }

    /// Number `at`.
    #[inline]
    pub fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text.bytes()[start as usize..self.ends[at] as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All, one after the other.
    pub fn bytes(&self) -> &[u8] {
        self.text.bytes()
    }

    /// Which one holds the byte at `at` of all.
    pub fn holder(&self, at: usize) -> usize {
        self.ends.partition_point(|end| *end as usize <= at)
    }

    /// Where number `at` ends among all.
    pub fn end(&self, at: usize) -> usize {
        self.ends[at] as usize
    }

    /// Adds one that `write` appends to the bytes. Not for strings whose bytes lie in a block.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Text::Block(..) = self.text {
            self.text = Text::Own(self.text.bytes().to_vec());
        }
        if let Text::Own(bytes) = &mut self.text {
            write(bytes);
            self.ends.push(bytes.len() as u32);
        }
    }
}

/// The bytes between the hyphens of a UUID.
pub const UUID_PARTS: [std::ops::Range<usize>; 5] = [0..4, 4..6, 6..8, 8..10, 10..16];

/// Hexadecimal digits as bytes, all of one length.
#[derive(Debug)]
pub struct HexValues {
    text: Text,
    /// Bytes of a value: half its digits.
    pub width: usize,
    /// Whether the digits are upper case.
    pub upper: bool,
    rows: usize,
}

impl HexValues {
    /// Values of `width` bytes that lie one after the other in `text`; `None` where that does not hold `rows` of them.
    pub fn new(text: Text, width: usize, upper: bool, rows: usize) -> Option<Self> {
        (rows.checked_mul(width) == Some(text.bytes().len())).then_some(Self { text, width, upper, rows })
    }

    /// The bytes of row `at`.
    #[inline]
    pub fn get(&self, at: usize) -> &[u8] {
        &self.bytes()[at * self.width..(at + 1) * self.width]
    }

    /// The bytes of all rows.
    pub fn bytes(&self) -> &[u8] {
        self.text.bytes()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    fn digits(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let digits: &[u8; 16] = if self.upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        out.extend(bytes.iter().flat_map(|byte| [digits[(byte >> 4) as usize], digits[(byte & 15) as usize]]));
    }

    /// Appends the digits of row `at`.
    pub fn spell(&self, at: usize, out: &mut Vec<u8>) {
        self.digits(self.get(at), out);
    }

    /// Appends the digits of row `at`, as a UUID has them.
    pub fn spell_uuid(&self, at: usize, out: &mut Vec<u8>) {
        for (number, range) in UUID_PARTS.into_iter().enumerate() {
            if number > 0 {
                out.push(b'-');
            }
            self.digits(&self.get(at)[range], out);
        }
    }
}
