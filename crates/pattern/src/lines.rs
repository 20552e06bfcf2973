//! Text blocks: values of several lines taken apart, without loss, so that what recurs in them is seen.
//!
//! Split as one string, an event of several lines is a pattern of its own for each number of lines and each
//! combination of what stands in them: 100,000 stack traces are 100,000 shapes, and beyond the limits of the
//! splitter they are raw bytes. So only the *first line* of an event is split as lines are (`group`), and what
//! follows it, from the line feed on, is one value: a slot of any bytes at the end of the pattern. These values, and raw
//! events of several lines, are stored as *lines*, many of which recur: a frame of a stack trace, a line of a file
//! of which one version after the other is kept.
//!
//! **What is stored** of `n` values:
//!
//! - how many lines each has, `n` integers;
//! - the lines of all values, one after the other, as numbers into a list of different lines in the order of their
//!   first appearance. The list is split into patterns again. Where nearly every line is another, the list is the
//!   lines themselves and there are no numbers ([`TextBlocks::numbers`] is `None`).
//!
//! Line feeds are not stored: a value is its lines joined by them. A carriage return is part of its line.
//!
//! **How it is searched.** A line feed is a breaker of the search language, so a term without breakers stands within one
//! line. It is decided for the patterns of the list, each once, then for the entries whose pattern does not decide
//! it: each different line is looked at once, however often it stands in events. A value matches where one of its
//! numbers is among the entries that matched ([`values_with`]: one pass over numbers, no bytes; none at
//! all where no entry matched). Phrases, wildcards and regular expressions may match over a line feed, and are asked of the
//! joined lines of the values that are left by their words. Fields in the first line are those of its pattern; what is
//! looked for in all of an event (pairs of later lines) is looked up per event.

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// Values of several lines, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextBlocks<'l> {
    /// How many lines each value has; at least one.
    pub counts: Vec<u32>,
    /// The different lines, in the order in which they first appear; or all of them.
    pub list: Vec<&'l [u8]>,
    /// For each line of all values its place in the list; `None`: the list has them one after the other.
    pub numbers: Option<Vec<u32>>,
}

/// Numbers pay when there are at least this many times as many lines as different ones: a number costs a byte or two
/// after compression, a line that is there twice hardly more.
const RECUR_MIN: usize = 2;

/// Counts, numbers and list do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit;

impl<'l> TextBlocks<'l> {
    /// Takes values apart.
    pub fn of(values: &[&'l [u8]]) -> Self {
        let mut blocks = Self::default();
        let mut known: HashTable<u32> = HashTable::new();
        let mut numbers = Vec::new();
        let mut all = Vec::new();
        for value in values {
            let before = all.len();
            for line in value.split(|byte| *byte == b'\n') {
                all.push(line);
                let hash = FxBuildHasher.hash_one(line);
                let list = &mut blocks.list;
                let number = match known.find(hash, |at| list[*at as usize] == line) {
                    Some(number) => *number,
                    None => {
                        let number = list.len() as u32;
                        list.push(line);
                        known.insert_unique(hash, number, |at| FxBuildHasher.hash_one(list[*at as usize]));
                        number
                    }
                };
                numbers.push(number);
            }
            blocks.counts.push((all.len() - before) as u32);
        }
        if all.len() >= blocks.list.len() * RECUR_MIN {
            blocks.numbers = Some(numbers);
        } else {
            blocks.list = all;
        }
        blocks
    }
}

/// Whether the counts of values, the numbers of their lines and the length of their list fit together: to be asked of what
/// was read from a file, before anything else.
pub fn check(counts: &[u32], numbers: Option<&[u32]>, list: usize) -> Result<(), Misfit> {
    let lines = counts.iter().try_fold(0usize, |sum, count| sum.checked_add(*count as usize)).ok_or(Misfit)?;
    let fits = match numbers {
        Some(numbers) => numbers.len() == lines && numbers.iter().all(|number| (*number as usize) < list),
        None => list == lines,
    };
    (fits && counts.iter().all(|count| *count > 0)).then_some(()).ok_or(Misfit)
}

/// Appends a value whose lines begin at place `at` among those of all; `line` gives an entry of the list.
pub fn join<'l>(numbers: Option<&[u32]>, at: usize, count: u32, line: impl Fn(usize) -> &'l [u8], out: &mut Vec<u8>) {
    for place in at..at + count as usize {
        if place > at {
            out.push(b'\n');
        }
        out.extend_from_slice(line(numbers.map_or(place, |numbers| numbers[place] as usize)));
    }
}

/// The values that have an entry of the list for which `matched` says so, ascending.
pub fn values_with(counts: &[u32], numbers: Option<&[u32]>, matched: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut found = Vec::new();
    let mut at = 0;
    for (value, count) in counts.iter().enumerate() {
        let mut places = at..at + *count as usize;
        at = places.end;
        if places.any(|place| matched(numbers.map_or(place, |numbers| numbers[place] as usize))) {
            found.push(value as u32);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recurring_lines_are_stored_once() {
        let values: Vec<&[u8]> = vec![b"\n\tx\n\ty", b"\n\tx\n\ty\n\ty", b"c", b"\n"];
        let TextBlocks { counts, list, numbers } = TextBlocks::of(&values);
        assert_eq!(counts, [3, 4, 1, 2]);
        assert_eq!(list, [&b""[..], b"\tx", b"\ty", b"c"]);
        let numbers = numbers.unwrap();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 2, 3, 0, 0]);
        assert_eq!(values_with(&counts, Some(&numbers), |entry| entry == 1), [0, 1]);
        assert_eq!(values_with(&counts, Some(&numbers), |entry| entry == 3), [2]);
        assert_eq!(values_with(&counts, Some(&numbers), |_| false), [0u32; 0]);
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let (counts, numbers) = (&[3, 3][..], &[0, 1, 1, 0, 1, 1][..]);
        assert_eq!(check(counts, Some(numbers), 2), Ok(()));
        assert_eq!(check(&[3, 4], Some(numbers), 2), Err(Misfit));
        assert_eq!(check(&[6, 0], Some(numbers), 2), Err(Misfit));
        assert_eq!(check(&[u32::MAX, u32::MAX], Some(numbers), 2), Err(Misfit));
        assert_eq!(check(counts, Some(numbers), 1), Err(Misfit));
        assert_eq!(check(counts, None, 2), Err(Misfit));
        assert_eq!(check(counts, None, 6), Ok(()));
    }

    proptest! {
        #[test]
        fn values_come_back_and_are_found(
            values in prop::collection::vec("[ab\n\r]{0,12}", 0..30),
            word in "[ab]{1,2}",
        ) {
            let raw: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            let TextBlocks { counts, list, numbers } = TextBlocks::of(&raw);
            let numbers = numbers.as_deref();
            prop_assert_eq!(check(&counts, numbers, list.len()), Ok(()));
            let (mut at, mut back) = (0, Vec::new());
            for count in &counts {
                let mut value = Vec::new();
                join(numbers, at, *count, |entry| list[entry], &mut value);
                at += *count as usize;
                back.push(value);
            }
            prop_assert_eq!(&back, &raw);
            let has = |line: &[u8]| line.windows(word.len()).any(|part| part == word.as_bytes());
            let found = values_with(&counts, numbers, |entry| has(list[entry]));
            let expected: Vec<u32> = (0..).zip(&raw).filter(|(_, value)| has(value)).map(|(value, _)| value).collect();
            prop_assert_eq!(found, expected, "a word does not go over a line feed");
        }
    }
}
