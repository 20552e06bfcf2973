//! Values of which there are few different ones: each different value once, and a number for each row.

use super::put_ints;
use crate::segment::blocks::{BlockWriter, Kind};
use crate::segment::meta::Body;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use taffrail_base::Result;
use taffrail_pattern::bytes::same;

/// Different values, numbered in the order they come.
#[derive(Default)]
pub struct Numbered<'v> {
    /// The different values.
    pub entries: Vec<&'v [u8]>,
    known: HashTable<u32>,
    last: Option<(&'v [u8], u32)>,
}

impl<'v> Numbered<'v> {
    /// The number of a value; `None` when it would be a new one beyond `most`.
    #[inline]
    pub fn number(&mut self, value: &'v [u8], most: usize) -> Option<u32> {
        if let Some((last, number)) = self.last
            && same(last, value)
        {
            return Some(number);
        }
        let hash = hash(value);
        let entries = &mut self.entries;
        let number = match self.known.find(hash, |number| same(entries[*number as usize], value)) {
            Some(number) => *number,
            None if entries.len() >= most => return None,
            None => {
                let number = entries.len() as u32;
                entries.push(value);
                self.known.insert_unique(hash, number, |number| self::hash(entries[*number as usize]));
                number
            }
        };
        self.last = Some((value, number));
        Some(number)
    }
}

/// A hash of a value for tables in memory; not stored.
#[inline]
pub fn hash(value: &[u8]) -> u64 {
    FxBuildHasher.hash_one(value)
}

/// Rows looked at before many different values are taken for too many.
const PROBE_ROWS: usize = 1_024;

/// A dictionary and its entries.
pub type Dictionary<'v> = (Body, Vec<&'v [u8]>);

/// A dictionary and its entries, where the different values are at most a quarter of all, and at most `most`.
pub fn as_dictionary<'v>(values: &[&'v [u8]], most: usize, out: &mut BlockWriter) -> Result<Option<Dictionary<'v>>> {
    let distinct_max = most.min(values.len() / 4 + 4);
    let mut numbered = Numbered::default();
    let mut numbers: Vec<i64> = Vec::with_capacity(values.len());
    for (row, &value) in values.iter().enumerate() {
        let Some(number) = numbered.number(value, distinct_max) else { return Ok(None) };
        if row == PROBE_ROWS && numbered.entries.len() > PROBE_ROWS * 19 / 20 {
            return Ok(None);
        }
        numbers.push(number.into());
    }
    let entries = numbered.entries;
    let lengths: Vec<i64> = entries.iter().map(|v| v.len() as i64).collect();
    let (lengths, bytes) = (put_ints(&lengths, out)?, out.put(Kind::Text, &entries.concat())?);
    let body = Body::Dictionary { count: entries.len() as u32, lengths, bytes, numbers: put_ints(&numbers, out)? };
    Ok(Some((body, entries)))
}
