//! The different words of rows at one position, numbered in the order they come.

use crate::bytes::same;
use rustc_hash::FxHashMap;

/// Different words up to which they are compared one by one: cheaper than hashing.
const COMPARED_MAX: usize = 4;

/// Words, and the number of each row's.
pub struct Words<'l> {
    /// For each row, the number of its word.
    pub numbers: Vec<u8>,
    different: Vec<&'l [u8]>,
    known: FxHashMap<&'l [u8], u8>,
    last: u8,
}

impl<'l> Words<'l> {
    /// No words yet, room for `rows`.
    pub fn new(rows: usize) -> Self {
        Self { numbers: Vec::with_capacity(rows), different: Vec::new(), known: FxHashMap::default(), last: 0 }
    }

    /// How many different words there are.
    pub fn len(&self) -> usize {
        self.different.len()
    }

    /// Adds the next row's word; `false` when it is none, or one too many.
    #[inline]
    pub fn push(&mut self, value: &'l [u8], variety_max: usize, is_word: impl Fn(&[u8]) -> bool) -> bool {
        if self.different.get(self.last as usize).is_some_and(|last| same(last, value)) {
            self.numbers.push(self.last);
            return true;
        }
        self.push_other(value, variety_max, is_word)
    }

    fn push_other(&mut self, value: &'l [u8], variety_max: usize, is_word: impl Fn(&[u8]) -> bool) -> bool {
        let found = match self.different.len() <= COMPARED_MAX {
            true => self.different.iter().position(|word| same(word, value)).map(|at| at as u8),
            false => self.known.get(value).copied(),
        };
        self.last = match found {
            Some(number) => number,
            None if self.different.len() < variety_max && is_word(value) => {
                let number = self.different.len() as u8;
                self.different.push(value);
                self.known.insert(value, number);
                number
            }
            None => return false,
        };
        self.numbers.push(self.last);
        true
    }
}
