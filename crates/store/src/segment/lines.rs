//! Pages whose values are lines joined by line feeds; see `taffrail_pattern::lines` for why, and how they are searched.

use super::decode;
use super::meta::{NodeMeta, Place};
use super::strings::Strings;
use super::{Blocks, decode::read_ints};
use taffrail_base::{Error, Result};
use taffrail_pattern::lines::{check, join};

/// Lines of a page: a page holds some MiB of values, and nearly all of them would have to be line feeds.
pub const LINES_MAX: u32 = 1 << 24;

/// Bytes that the values of a page may come to: the writer's pages are of 16 MiB, and at least of one event.
const VALUES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where the parts of such a page are.
#[derive(Clone, Debug, PartialEq)]
pub struct LinesMeta {
    /// Lines of all values together.
    pub lines: u32,
    /// How many lines each value has.
    pub counts: Place,
    /// The number in the list of each line; absent where the list has the lines one after the other.
    pub numbers: Option<Place>,
    /// The different lines.
    pub list: NodeMeta,
}

impl LinesMeta {
    /// How many lines each value has, and the numbers of all lines.
    pub fn numbers(&self, blocks: &Blocks<'_>, rows: usize) -> Result<(Vec<u32>, Option<Vec<u32>>)> {
        let misfit = || Error::corrupt(blocks.name(), "lines that do not fit their page");
        if self.lines > LINES_MAX || rows > self.lines as usize {
            return Err(misfit());
        }
        let small = |numbers: Vec<i64>| -> Option<Vec<u32>> { numbers.into_iter().map(|number| u32::try_from(number).ok()).collect() };
        let counts = small(read_ints(blocks, self.counts, rows)?).ok_or_else(misfit)?;
        let numbers = match self.numbers {
            Some(place) => Some(small(read_ints(blocks, place, self.lines as usize)?).ok_or_else(misfit)?),
            None => None,
        };
        check(&counts, numbers.as_deref(), self.list.rows as usize).map_err(|_| misfit())?;
        Ok((counts, numbers))
    }

    /// The values, joined.
    pub fn values(&self, blocks: &Blocks<'_>, rows: usize) -> Result<Strings> {
        let (counts, numbers) = self.numbers(blocks, rows)?;
        let list = decode::nested(blocks, &self.list)?;
        let length = |place: usize| list.get(numbers.as_ref().map_or(place, |numbers| numbers[place] as usize)).len() + 1;
        let lines = numbers.as_ref().map_or(list.len(), Vec::len);
        if (0..lines).map(length).sum::<usize>() > VALUES_BYTES_MAX {
            return Err(Error::corrupt(blocks.name(), "lines that are longer than a page may be"));
        }
        let mut values = Strings::default();
        let mut at = 0;
        for count in counts {
            values.push_with(|out| join(numbers.as_deref(), at, count, |entry| list.get(entry), out));
            at += count as usize;
        }
        Ok(values)
    }
}
