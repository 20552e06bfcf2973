//! Values and combinations of values as numbers that count up from zero, over all segments that a reader goes through: a
//! text is looked at when it is new to a page, a row costs a look into a table. Knows no patterns and no columns.

use crate::segment::decode::Spelling;
use hashbrown::HashTable;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_64;

/// The code of a row without a value.
pub const MISSING: u32 = u32::MAX;

/// Combinations of values up to which a table has a place for each.
const TABLE_MAX: usize = 1 << 18;

/// Numbers spelled in one way, and their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    kind: u8,
    digits: u8,
}

impl Written {
    /// How numbers are told apart by their text alone; times are not.
    fn of(spelling: Spelling) -> Option<Self> {
        let (kind, digits) = match spelling {
            Spelling::Integer(width) => (0, width),
            Spelling::Decimal(scale) => (1, scale),
            Spelling::Ipv4 => (2, 0),
            Spelling::Time(_) => return None,
        };
        Some(Self { kind, digits })
    }
}

/// Gives each text a code.
#[derive(Default)]
pub struct Coder {
    /// The texts one after the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    by_text: HashTable<u32>,
    by_number: Vec<(Written, FxHashMap<i64, u32>)>,
    scratch: Vec<u8>,
}

impl Coder {
    /// How many different texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes that it holds, about.
    pub fn size(&self) -> usize {
        let numbers: usize = self.by_number.iter().map(|(_, known)| known.capacity()).sum();
        self.bytes.capacity() + self.ends.capacity() * 8 + self.by_text.capacity() * 5 + numbers * 17
    }

    /// The text of a code.
    pub fn get(&self, code: u32) -> &str {
        // What is added is text.
        std::str::from_utf8(self.at(code)).unwrap_or_default()
    }

    fn at(&self, code: u32) -> &[u8] {
        let start = (code as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[code as usize]]
    }

    /// The code of bytes, as the text that they are shown as: bytes that differ may be the same text.
    pub fn code(&mut self, value: &[u8]) -> u32 {
        if let Some(code) = self.by_text.find(xxh3_64(value), |code| self.at(*code) == value) {
            return *code;
        }
        match String::from_utf8_lossy(value) {
            Cow::Borrowed(text) => self.add(text.as_bytes()),
            Cow::Owned(text) => {
                let known = self.by_text.find(xxh3_64(text.as_bytes()), |code| self.at(*code) == text.as_bytes()).copied();
                known.unwrap_or_else(|| self.add(text.as_bytes()))
            }
        }
    }

    fn add(&mut self, text: &[u8]) -> u32 {
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        let (bytes, ends) = (&self.bytes, &self.ends);
        let hash = |code: &u32| xxh3_64(&bytes[(*code as usize).checked_sub(1).map_or(0, |before| ends[before])..ends[*code as usize]]);
        self.by_text.insert_unique(xxh3_64(text), code, hash);
        code
    }

    /// What gives numbers of a spelling their codes; `None` where only their text tells them apart.
    pub fn numbers(&mut self, spelling: Spelling) -> Option<Numbers<'_>> {
        let written = Written::of(spelling)?;
        let at = self.by_number.iter().position(|(known, _)| *known == written).unwrap_or_else(|| {
            self.by_number.push((written, FxHashMap::default()));
            self.by_number.len() - 1
        });
        let known = std::mem::take(&mut self.by_number[at].1);
        Some(Numbers { coder: self, at, known, spelling })
    }

    /// The codes here of all texts of another.
    pub fn codes_of(&mut self, other: &Self) -> Vec<u32> {
        (0..other.len() as u32).map(|code| self.code(other.at(code))).collect()
    }
}

/// Gives numbers of one spelling their codes.
pub struct Numbers<'c> {
    coder: &'c mut Coder,
    at: usize,
    known: FxHashMap<i64, u32>,
    spelling: Spelling,
}

impl Numbers<'_> {
    /// The code of a number.
    #[inline]
    pub fn code(&mut self, number: i64) -> u32 {
        match self.known.get(&number) {
            Some(code) => *code,
            None => self.add(number),
        }
    }

    #[cold]
    fn add(&mut self, number: i64) -> u32 {
        let mut text = std::mem::take(&mut self.coder.scratch);
        text.clear();
        self.spelling.spell(number, &mut text);
        let code = self.coder.code(&text);
        self.coder.scratch = text;
        self.known.insert(number, code);
        code
    }
}

impl Drop for Numbers<'_> {
    fn drop(&mut self) {
        self.coder.by_number[self.at].1 = std::mem::take(&mut self.known);
    }
}

/// Gives each pair of codes a code.
#[derive(Default)]
pub struct Pairs {
    known: Vec<(u32, u32)>,
    /// The code of a pair stands at the first, shifted by `shift`, and the second.
    table: Vec<u32>,
    shift: u32,
    /// Where the table would be too large.
    map: Option<FxHashMap<(u32, u32), u32>>,
}

impl Pairs {
    /// The pairs in the order of their codes.
    pub fn known(&self) -> &[(u32, u32)] {
        &self.known
    }

    /// Bytes that it holds, about.
    pub fn size(&self) -> usize {
        self.known.capacity() * 8 + self.table.capacity() * 4 + self.map.as_ref().map_or(0, |map| map.capacity() * 13)
    }

    /// The code of a pair.
    #[inline]
    pub fn code(&mut self, first: u32, second: u32) -> u32 {
        if self.map.is_none()
            && second >> self.shift == 0
            && let Some(code) = self.table.get(((first as usize) << self.shift) | second as usize)
            && *code != MISSING
        {
            return *code;
        }
        self.look(first, second)
    }

    #[inline(never)]
    fn look(&mut self, first: u32, second: u32) -> u32 {
        if self.map.is_none() {
            self.make_room(first, second);
        }
        let place = match &mut self.map {
            Some(map) => map.entry((first, second)).or_insert(MISSING),
            None => &mut self.table[((first as usize) << self.shift) | second as usize],
        };
        if *place == MISSING {
            *place = self.known.len() as u32;
            self.known.push((first, second));
        }
        *place
    }

    /// Makes the table, or in its stead the map, so large that it can have this pair.
    fn make_room(&mut self, first: u32, second: u32) {
        let has_place = ((first as usize) << self.shift) < self.table.len() && second >> self.shift == 0;
        if has_place {
            return;
        }
        let bits = |number: u32| u32::BITS - number.leading_zeros();
        let shift = self.shift.max(bits(second));
        let most = self.known.iter().map(|(first, _)| *first).max().unwrap_or(0).max(first);
        let size = 1usize << (bits(most) + shift).min(usize::BITS - 1);
        if size > TABLE_MAX {
            self.map = Some(self.known.iter().copied().zip(0..).collect());
            self.table = Vec::new();
            return;
        }
        self.shift = shift;
        self.table = vec![MISSING; size];
        for (code, (first, second)) in self.known.iter().enumerate() {
            self.table[((*first as usize) << shift) | *second as usize] = code as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn pairs_have_one_code_each(pairs in prop::collection::vec((0u32..90_000, 0u32..4), 0..300), wide in prop::collection::vec((0u32..5, 0u32..70), 0..300)) {
            for asked in [&pairs, &wide, &[&wide[..], &pairs[..]].concat()] {
                let (mut coder, mut known) = (Pairs::default(), HashMap::new());
                for (first, second) in asked {
                    let next = known.len() as u32;
                    let code = *known.entry((*first, *second)).or_insert(next);
                    prop_assert_eq!(coder.code(*first, *second), code);
                    prop_assert_eq!(coder.known()[code as usize], (*first, *second));
                }
                prop_assert_eq!(coder.known().len(), known.len());
            }
        }

        #[test]
        fn texts_have_one_code_each(numbers in prop::collection::vec(0i64..40, 0..100), texts in prop::collection::vec("[0-9]{1,2}", 0..100)) {
            let mut coder = Coder::default();
            let mut told = HashMap::new();
            for number in &numbers {
                let code = coder.numbers(Spelling::Integer(0)).unwrap().code(*number);
                prop_assert_eq!(*told.entry(number.to_string()).or_insert(code), code);
            }
            for text in &texts {
                let code = coder.code(text.as_bytes());
                prop_assert_eq!(*told.entry(text.clone()).or_insert(code), code);
            }
            prop_assert_eq!(coder.len(), told.len());
            told.iter().for_each(|(text, code)| assert_eq!(coder.get(*code), text));
        }
    }

    #[test]
    fn bytes_that_are_shown_alike_are_one() {
        let mut coder = Coder::default();
        let code = coder.code(b"a\xff");
        assert_eq!(coder.code(b"a\xfe"), code);
        assert_eq!(coder.code("a\u{fffd}".as_bytes()), code);
        assert_eq!((coder.len(), coder.get(code)), (1, "a\u{fffd}"));
    }
}
