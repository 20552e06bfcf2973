//! Values that recur across columns (block ids, session ids, addresses) are stored once a segment: columns hold
//! their numbers in a dictionary, which is a page of its own and their needle index.
//!
//! Ids recur near in time, so that, numbered in the order they first come, a column's numbers are near each other.

use super::dictionary::{Numbered, hash};
use super::learned::ColumnKey;
use super::numbers::{canonical, ipv4};
use super::page::{Context, page, page_end, tells_time};
use super::{Held, Output, Plan, Source, put_ints, row_times};
use crate::segment::meta::{Body, PageMeta};
use rustc_hash::FxHashMap;
use taffrail_base::Result;
use taffrail_pattern::SlotKind;
use taffrail_pattern::group::Leaf;

/// Rows of a column that are looked at to see whether it is of ids at all.
const SAMPLE_ROWS: usize = 256;

/// Rows below which a column is too small to matter.
const ROWS_MIN: usize = if cfg!(test) { 8 } else { 1_024 };

/// One value in so many, chosen by its hash, stands for all when recurrence is measured.
const HASH_SAMPLE: u64 = if cfg!(test) { 1 } else { 8 };

/// Mean bytes of values below which their numbers would be as long: ids, and words, of which there are fewer.
const SHORTEST_ID: usize = 7;
const SHORTEST_WORD: usize = 5;

/// Which columns refer to which dictionary.
#[derive(Default)]
pub struct Dictionaries {
    /// By number of the plan.
    columns: FxHashMap<usize, (u32, Vec<u32>)>,
}

/// A column that may share values with others: the number of its plan, how many values it has, and the hashes of some,
/// which stand for all of them.
struct Candidate {
    plan: usize,
    hashes: Vec<u64>,
}

/// What values look alike enough to share a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Look {
    Ipv4,
    /// Words: no digit in them.
    Word,
    /// What they begin with, up to the first digit.
    Prefix([u8; 4]),
}

impl Look {
    /// How the values of a column look, if they may be ids that recur, and how many bytes one of them takes where it is
    /// not in a dictionary, roughly.
    fn of(values: &[&[u8]]) -> Option<(Self, usize)> {
        let step = values.len().div_ceil(SAMPLE_ROWS);
        let mut hashes: Vec<u64> = values.iter().step_by(step).map(|value| hash(value)).collect();
        let (rows, bytes) = (hashes.len(), values.iter().step_by(step).map(|value| value.len()).sum::<usize>());
        hashes.sort_unstable();
        hashes.dedup();
        // Few different values are a page's own dictionary.
        if hashes.len() * 2 < rows {
            return None;
        }
        let first = values[0];
        let packed = bytes.div_ceil(rows * 2);
        // One machine's name among addresses would make all of them text.
        if values.iter().step_by(step).all(|value| ipv4(value).is_some()) {
            return Some((Self::Ipv4, 4));
        }
        if !first.iter().any(u8::is_ascii_digit) {
            return (bytes >= rows * SHORTEST_WORD).then_some((Self::Word, packed));
        }
        // Short ones are as short as their numbers.
        if bytes < rows * SHORTEST_ID || canonical(first).is_some() && first.len() < 12 {
            return None;
        }
        let mut prefix = [0; 4];
        prefix.iter_mut().zip(first.iter().take_while(|b| !b.is_ascii_digit())).for_each(|(to, from)| *to = *from);
        Some((Self::Prefix(prefix), packed))
    }
}

impl Dictionaries {
    /// Finds the columns that share values, and writes the dictionaries.
    pub fn find(leaves: &[Leaf], plans: &[Plan], source: &Source<'_>, times: Option<&[i64]>, out: &mut Output<'_>) -> Result<Self> {
        // By look: bytes of a value, and the columns.
        let mut looks: Vec<(Look, usize, Vec<Candidate>)> = Vec::new();
        for (number, plan) in plans.iter().enumerate() {
            let rows: usize = plan.parts.iter().map(|(leaf, _)| leaves[*leaf].rows.len()).sum();
            if plan.kind != SlotKind::Word || rows < ROWS_MIN {
                continue;
            }
            let texts = source.texts(number, plan)?;
            let values: Vec<&[u8]> = texts.iter().collect();
            let Some((look, bytes)) = Look::of(&values) else { continue };
            // What the events' times say need not be said again.
            if times.and_then(|times| row_times(leaves, plan, &values, times)).is_some_and(|times| tells_time(&values, &times)) {
                continue;
            }
            let hashes = values.iter().map(|value| hash(value)).filter(|hash| hash.rotate_left(20).is_multiple_of(HASH_SAMPLE)).collect();
            let candidate = Candidate { plan: number, hashes };
            match looks.iter_mut().find(|(known, ..)| *known == look) {
                Some((.., columns)) => columns.push(candidate),
                None => looks.push((look, bytes, vec![candidate])),
            }
        }
        let mut found = Self::default();
        for (_, bytes, columns) in looks {
            let sharing = recurring(&columns, bytes);
            if !sharing.is_empty() {
                found.build(&sharing, plans, source, out)?;
            }
        }
        Ok(found)
    }

    fn build(&mut self, columns: &[usize], plans: &[Plan], source: &Source<'_>, out: &mut Output<'_>) -> Result<()> {
        let dictionary = out.dictionaries.len() as u32;
        let texts: Vec<Held<'_>> = columns.iter().map(|plan| source.texts(*plan, &plans[*plan])).collect::<Result<_>>()?;
        let mut numbered = Numbered::default();
        for (plan, texts) in columns.iter().zip(&texts) {
            let numbers = texts.iter().map(|value| numbered.number(value, usize::MAX).unwrap_or(0)).collect();
            self.columns.insert(*plan, (dictionary, numbers));
        }
        let context = Context { kind: SlotKind::Word, key: ColumnKey::dictionary(dictionary), depth: usize::MAX, times: None };
        let entries = page(&numbered.entries, &context, out)?;
        out.dictionaries.push(entries);
        Ok(())
    }

    /// The dictionary of a plan's column and the number of each row's value, if it has one.
    pub fn numbers(&self, plan: usize) -> Option<(u32, &[u32])> {
        self.columns.get(&plan).map(|(dictionary, numbers)| (*dictionary, &numbers[..]))
    }
}

/// The plans of the columns that take less as numbers in a dictionary of their values, a value taking `bytes` by itself.
fn recurring(columns: &[Candidate], bytes: usize) -> Vec<usize> {
    let mut counts: FxHashMap<u64, u32> = FxHashMap::default();
    columns.iter().flat_map(|column| &column.hashes).for_each(|hash| *counts.entry(*hash).or_default() += 1);
    // A column most of whose values stand nowhere else has nothing to share.
    let recurs = |hashes: &Vec<u64>| hashes.iter().filter(|hash| counts[*hash] > 1).count() * 10 >= hashes.len() * 6;
    let chosen: Vec<&Candidate> = columns.iter().filter(|column| !column.hashes.is_empty() && recurs(&column.hashes)).collect();
    let all: usize = chosen.iter().map(|column| column.hashes.len()).sum();
    let different: rustc_hash::FxHashSet<u64> = chosen.iter().flat_map(|column| column.hashes.iter().copied()).collect();
    let different = different.len();
    let number_bits = (different * HASH_SAMPLE as usize + 1).ilog2() as usize + 1;
    let (with, without) = (different * bytes + all * number_bits / 8, all * bytes);
    if with * 10 > without * 9 {
        return Vec::new();
    }
    chosen.into_iter().map(|column| column.plan).collect()
}

/// The pages of a column whose values are in a dictionary.
pub fn column(dictionary: u32, numbers: &[u32], values: &[&[u8]], out: &mut Output<'_>) -> Result<Vec<PageMeta>> {
    let (mask, max_len) = (out.dictionaries[dictionary as usize].mask, out.dictionaries[dictionary as usize].max_len);
    let mut pages = Vec::new();
    let mut start = 0;
    while start < values.len() {
        let end = page_end(values, start);
        let numbers: Vec<i64> = numbers[start..end].iter().map(|number| i64::from(*number)).collect();
        let range = numbers.iter().min().copied().zip(numbers.iter().max().copied());
        let body = Body::Shared { dictionary, numbers: put_ints(&numbers, &mut out.blocks)? };
        pages.push(PageMeta { rows: numbers.len() as u32, mask, max_len, range, filter: None, body });
        start = end;
    }
    Ok(pages)
}
