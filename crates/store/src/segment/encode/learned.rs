//! What the columns of earlier segments taught: how a column turned out is where the next one of its name begins.

use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::BuildHasher;
use taffrail_pattern::PatternId;
use taffrail_pattern::group::SlotName;

/// A column as it recurs from segment to segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnKey(u64);

impl ColumnKey {
    /// The column of one slot of one pattern.
    pub fn own(pattern: PatternId, slot: usize, depth: usize) -> Self {
        Self(FxBuildHasher.hash_one((pattern, slot, depth)))
    }

    /// The same column, as far as it is about numbers.
    pub fn numbers(self) -> Self {
        Self(!self.0)
    }

    /// The entries of a dictionary: they are all different.
    pub fn dictionary(number: u32) -> Self {
        Self(FxBuildHasher.hash_one(("dictionary", number)))
    }

    /// The column of all slots with a name.
    pub fn named(class: u32, name: &SlotName, depth: usize) -> Self {
        Self(FxBuildHasher.hash_one((class, name, depth)))
    }
}

/// Columns remembered at most; hostile input must not fill the memory with them.
const COLUMNS_MAX: usize = 65_536;

/// Times that an attempt is skipped before it is made again: what columns hold changes.
const SKIPS_MAX: u8 = 16;

/// What is known of columns.
#[derive(Debug, Default)]
pub struct Learned {
    /// Columns where counting the different values did not pay, and how often that was taken for granted since.
    many: FxHashMap<ColumnKey, u8>,
}

impl Learned {
    /// Whether counting the different values of a column is worth the attempt.
    pub fn may_be_few(&mut self, key: ColumnKey) -> bool {
        match self.many.get_mut(&key) {
            Some(skips) if *skips < SKIPS_MAX => {
                *skips += 1;
                false
            }
            _ => true,
        }
    }

    /// Remembers whether the different values of a column were few.
    pub fn were_few(&mut self, key: ColumnKey, few: bool) {
        if few {
            self.many.remove(&key);
        } else {
            if self.many.len() >= COLUMNS_MAX {
                self.many.clear();
            }
            self.many.insert(key, 0);
        }
    }
}
