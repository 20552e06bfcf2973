//! Events mostly say themselves which host they are from. Where a slot of a pattern holds the host of all its events,
//! the stream of origins need not say it again: it names the first origin that differs by the host alone, and the
//! slot tells the host.

use super::Blocks;
use super::cursor::PatternCursor;
use super::decode::Values;
use super::origins::OriginTable;
use rustc_hash::FxHashMap;
use taffrail_base::{Error, Result};

/// An event of an origin that is not there.
pub fn none(blocks: &Blocks<'_>) -> Error {
    Error::corrupt(blocks.name(), "an event without origin")
}

/// The origin number of each event, in arrival order, as the stream has it: of patterns with a host's slot, the host is
/// not the origin's.
pub fn stream(blocks: &Blocks<'_>) -> Result<Vec<i64>> {
    checked(blocks, blocks.stream(blocks.segment().footer().origin)?)
}

/// As [`stream`], of some rows.
pub fn stream_at(blocks: &Blocks<'_>, rows: &[u32]) -> Result<Vec<i64>> {
    checked(blocks, blocks.stream_at(blocks.segment().footer().origin, rows)?)
}

fn checked(blocks: &Blocks<'_>, numbers: Vec<i64>) -> Result<Vec<i64>> {
    let known = blocks.segment().origins().len();
    let fits = numbers.iter().all(|number| usize::try_from(*number).is_ok_and(|number| number < known));
    if fits { Ok(numbers) } else { Err(none(blocks)) }
}

/// The origin number of each event, in arrival order.
pub fn read(blocks: &Blocks<'_>) -> Result<Vec<i64>> {
    let mut numbers = stream(blocks)?;
    let (segment, origins) = (blocks.segment(), blocks.segment().origins());
    let with_slot = segment.footer().hosts.iter().enumerate().filter_map(|(pattern, slot)| Some((pattern, (*slot)?)));
    let mut lookup: Option<Lookup<'_>> = None;
    for (pattern, slot) in with_slot {
        let lookup = lookup.get_or_insert_with(|| Lookup::new(origins));
        let (cursor, rows) = (PatternCursor::new(blocks, pattern), blocks.rows()?);
        let rows = &rows[pattern];
        for (at, run) in cursor.runs(slot as usize).iter().enumerate() {
            let values = cursor.page(slot as usize, at)?;
            let mine = &rows[run.start..run.start + run.rows];
            lookup.renumber(values, run.skip, mine, &mut numbers).ok_or_else(|| none(blocks))?;
        }
    }
    Ok(numbers)
}

/// Finds origins by another one and a host.
pub struct Lookup<'o> {
    without_host: Vec<i64>,
    known: FxHashMap<(i64, &'o [u8]), i64>,
}

impl<'o> Lookup<'o> {
    /// Of these origins.
    pub fn new(origins: &'o OriginTable) -> Self {
        let without_host = origins.without_host();
        let known = origins.iter().zip(&without_host).zip(0..);
        let known = known.map(|((origin, first), number)| ((*first, origin.host.as_bytes()), number)).collect();
        Self { without_host, known }
    }

    /// The number of the origin that differs from another by the host alone.
    pub fn find(&self, number: i64, host: &[u8]) -> Option<i64> {
        let first = self.without_host[number as usize];
        self.known.get(&(first, host)).copied()
    }

    /// Puts the right numbers for rows whose hosts are the values from `skip` on.
    fn renumber(&self, values: &Values, skip: usize, rows: &[u32], numbers: &mut [i64]) -> Option<()> {
        let mut scratch = Vec::new();
        // By entry of a dictionary: the number that was asked for last, and what was found.
        let mut entries: Vec<(i64, i64)> = match values {
            Values::Dictionary(entries, _) => vec![(-1, -1); entries.len()],
            _ => Vec::new(),
        };
        for (at, row) in (skip..).zip(rows) {
            let number = &mut numbers[*row as usize];
            match values {
                Values::Dictionary(texts, of) => {
                    let entry = of[at] as usize;
                    if entries[entry].0 != *number {
                        entries[entry] = (*number, self.find(*number, texts.get(entry))?);
                    }
                    *number = entries[entry].1;
                }
                values => *number = self.find(*number, values.read(at, &mut scratch))?,
            }
        }
        Some(())
    }
}

/// Whose events the lines of a segment are: the number of each one's origin, and the origins.
#[derive(Clone, Copy)]
pub struct Whose<'w> {
    pub numbers: &'w [i64],
    pub origins: &'w OriginTable,
}

impl<'w> Whose<'w> {
    /// The host of a row.
    pub fn host(&self, row: u32) -> &'w [u8] {
        self.origins.get(self.numbers[row as usize] as usize).host.as_bytes()
    }

    /// The numbers for the stream, where the rows of patterns with a host's slot are `told` by it.
    pub fn stream<'r>(&self, told: impl Iterator<Item = &'r [u32]>) -> Vec<i64> {
        let (first, mut numbers) = (self.origins.without_host(), self.numbers.to_vec());
        for row in told.flatten() {
            let number = &mut numbers[*row as usize];
            *number = first[*number as usize];
        }
        numbers
    }
}
