//! Text blocks: events of several lines taken apart, without loss, so that what recurs in them is seen.
//!
//! Split as one string, an event of several lines is a pattern of its own for each number of lines and each
//! combination of what stands in them: 100,000 stack traces are 100,000 shapes, and beyond the limits of the
//! splitter they are raw bytes. Taken apart, the *first line* of an event is a line like all others, and the *rest*
//! are lines which recur across events: a frame of a stack trace, a line of a file of which one version after the
//! other is kept.
//!
//! **What is stored.** Of `n` events with a line feed in them:
//!
//! - the first lines, `n` values: split into patterns as single lines are, so that time, host and fields are found
//!   where they are found in single lines;
//! - how many lines follow each, `n` integers;
//! - the following lines of all events, one after the other, as numbers into a list of different lines in the order
//!   of their first appearance. The list is split into patterns again. Where nearly every line is another, the list is
//!   the lines themselves and there are no numbers ([`TextBlocks::numbers`] is `None`).
//!
//! Line feeds are not stored: an event is its lines joined by them. A carriage return is part of its line.
//!
//! **How it is searched.** Breakers separate terms, and a line feed is one: a word without breakers stands within one
//! line, the first or another. So
//!
//! 1. a term is decided for the patterns of the first lines and for the patterns of the list, each once, then for the
//!    entries of the list whose pattern does not decide it: each different line is looked at once, however often it
//!    stands in events;
//! 2. an event matches where its first line does or one of its numbers is among the entries that matched
//!    ([`TextBlocks::events_with`]: one pass over numbers, no bytes); if no entry matched, numbers are not read;
//! 3. a phrase, wildcard or regular expression that can match over a line feed (its literals hold one, or it has a
//!    class that does) is asked of the joined lines of the events that are left by its words, as of raw values;
//! 4. fields are those of the first line, by its pattern; what is looked for in all of the event (pairs and JSON
//!    of later lines) is looked up per event, as it is for raw values.

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// Events of several lines, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextBlocks<'l> {
    /// The first line of each event.
    pub first: Vec<&'l [u8]>,
    /// How many lines follow the first, of each event.
    pub counts: Vec<u32>,
    /// The different lines that follow, in the order in which they first appear; or all of them.
    pub list: Vec<&'l [u8]>,
    /// For each following line of all events its place in the list; `None`: the list has them one after the other.
    pub numbers: Option<Vec<u32>>,
}

/// Numbers pay when there are at least this many times as many lines as different ones: a number costs a byte or two
/// after compression, a line that is there twice hardly more.
const RECUR_MIN: usize = 2;

/// What is wrong with text blocks that do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit;

impl<'l> TextBlocks<'l> {
    /// Takes events apart.
    pub fn of(events: &[&'l [u8]]) -> Self {
        let mut blocks = Self::default();
        let mut known: HashTable<u32> = HashTable::new();
        let mut numbers = Vec::new();
        let mut all = Vec::new();
        for event in events {
            let mut lines = event.split(|byte| *byte == b'\n');
            blocks.first.push(lines.next().unwrap_or_default());
            let before = all.len();
            for line in lines {
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

    /// Whether counts, numbers and list fit together: to be asked of what was read from a file, before anything else.
    pub fn check(&self) -> Result<(), Misfit> {
        let following = self.counts.iter().try_fold(0usize, |sum, count| sum.checked_add(*count as usize)).ok_or(Misfit)?;
        let fits = match &self.numbers {
            Some(numbers) => numbers.len() == following && numbers.iter().all(|number| (*number as usize) < self.list.len()),
            None => self.list.len() == following,
        };
        (fits && self.first.len() == self.counts.len()).then_some(()).ok_or(Misfit)
    }

    /// Calls `each` with the bytes of every event, in order.
    pub fn for_each(&self, mut each: impl FnMut(&[u8])) {
        let mut event = Vec::new();
        let mut at = 0;
        for (first, count) in self.first.iter().zip(&self.counts) {
            event.clear();
            event.extend_from_slice(first);
            for place in at..at + *count as usize {
                event.push(b'\n');
                event.extend_from_slice(self.line(place));
            }
            at += *count as usize;
            each(&event);
        }
    }

    /// The following line at a place among those of all events.
    fn line(&self, place: usize) -> &'l [u8] {
        self.list[self.numbers.as_ref().map_or(place, |numbers| numbers[place] as usize)]
    }

    /// The events that have an entry of the list for which `matched` is set, ascending.
    pub fn events_with(&self, matched: &[bool]) -> Vec<u32> {
        let mut found = Vec::new();
        let mut at = 0;
        for (event, count) in self.counts.iter().enumerate() {
            let places = at..at + *count as usize;
            at = places.end;
            let any = match &self.numbers {
                Some(numbers) => numbers[places].iter().any(|number| matched[*number as usize]),
                None => matched[places].contains(&true),
            };
            if any {
                found.push(event as u32);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recurring_lines_are_stored_once() {
        let events: Vec<&[u8]> = vec![b"a\n\tx\n\ty", b"b\n\tx\n\ty\n\ty", b"c", b"d\n"];
        let blocks = TextBlocks::of(&events);
        assert_eq!(blocks.first, [b"a", b"b", b"c", b"d"]);
        assert_eq!(blocks.counts, [2, 3, 0, 1]);
        assert_eq!(blocks.list, [&b"\tx"[..], b"\ty", b""]);
        assert_eq!(blocks.numbers, Some(vec![0, 1, 0, 1, 1, 2]));
        assert_eq!(blocks.events_with(&[true, false, false]), [0, 1]);
        assert_eq!(blocks.events_with(&[false, false, true]), [3]);
        assert_eq!(blocks.events_with(&[false; 3]), [0u32; 0]);
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let events: Vec<&[u8]> = vec![b"a\nx\nx", b"b\nx\nx"];
        let good = TextBlocks::of(&events);
        assert_eq!(good.check(), Ok(()));
        let bad = [
            TextBlocks { counts: vec![2, 3], ..good.clone() },
            TextBlocks { counts: vec![u32::MAX, u32::MAX], ..good.clone() },
            TextBlocks { numbers: Some(vec![0, 0, 0, 1]), ..good.clone() },
            TextBlocks { numbers: None, ..good.clone() },
            TextBlocks { first: vec![b"a"], ..good.clone() },
        ];
        for blocks in bad {
            assert_eq!(blocks.check(), Err(Misfit), "{blocks:?}");
        }
    }

    proptest! {
        #[test]
        fn events_come_back_and_are_found(
            events in prop::collection::vec("[ab\n\r]{0,12}", 0..30),
            word in "[ab]{1,2}",
        ) {
            let raw: Vec<&[u8]> = events.iter().map(|event| event.as_bytes()).collect();
            let blocks = TextBlocks::of(&raw);
            prop_assert_eq!(blocks.check(), Ok(()));
            let mut back = Vec::new();
            blocks.for_each(|event| back.push(event.to_vec()));
            prop_assert_eq!(&back, &raw);
            let has = |line: &[u8]| line.windows(word.len()).any(|part| part == word.as_bytes());
            let matched: Vec<bool> = blocks.list.iter().map(|line| has(line)).collect();
            let mut found = blocks.events_with(&matched);
            found.extend((0..).zip(&blocks.first).filter(|(_, first)| has(first)).map(|(event, _)| event));
            found.sort_unstable();
            found.dedup();
            let expected: Vec<u32> = (0..).zip(&raw).filter(|(_, event)| has(event)).map(|(event, _)| event).collect();
            prop_assert_eq!(found, expected, "a word does not go over a line feed");
        }
    }
}
