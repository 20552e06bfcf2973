//! Turns pages back into values.

use super::meta::{Body, ColumnMeta, NodeMeta, PageMeta, PatternMeta, Place, Run};
use super::wire::Reader;
use super::{Blocks, ints};
use std::rc::Rc;
use taffrail_base::{Error, Result};
use taffrail_pattern::split::time::{self, Layout};

/// Byte strings one after the other.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    /// Number `at`.
    pub fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Adds one.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
    }

    /// Adds one that `write` appends to the bytes.
    fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn split(bytes: &[u8], lengths: &[i64], place: &str) -> Result<Self> {
        let mut end = 0usize;
        let mut ends = Vec::with_capacity(lengths.len());
        for length in lengths {
            end = usize::try_from(*length).ok().and_then(|len| end.checked_add(len)).unwrap_or(usize::MAX);
            ends.push(end);
        }
        if end != bytes.len() {
            return Err(Error::corrupt(place, format_args!("lengths add up to {end}, not to {}", bytes.len())));
        }
        Ok(Self { bytes: bytes.to_vec(), ends })
    }
}

/// A page's values.
#[derive(Debug)]
pub enum Values {
    /// All alike.
    Constant(Vec<u8>, usize),
    /// Few different ones, and the number of each row's.
    Dictionary(Rc<Strings>, Vec<u32>),
    /// One each.
    Each(Strings),
}

impl Values {
    /// The value of row `at`.
    pub fn get(&self, at: usize) -> &[u8] {
        match self {
            Self::Constant(value, _) => value,
            Self::Dictionary(entries, numbers) => entries.get(numbers[at] as usize),
            Self::Each(values) => values.get(at),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Constant(_, rows) => *rows,
            Self::Dictionary(_, numbers) => numbers.len(),
            Self::Each(values) => values.len(),
        }
    }
}

/// The integers at a place.
pub fn read_ints(blocks: &Blocks<'_>, place: Place, count: usize) -> Result<Vec<i64>> {
    let block = blocks.get(place)?;
    let bytes = block.range(place)?;
    let mut reader = Reader::new(bytes, blocks.name());
    let values = ints::decode(&mut reader, count)?;
    if !reader.is_empty() {
        return Err(reader.damaged("bytes after the last integer"));
    }
    Ok(values)
}

/// A page's values; `times` are the event times of its rows, for pages that refer to them.
pub fn page(blocks: &Blocks<'_>, page: &PageMeta, times: &dyn Fn() -> Result<Vec<i64>>) -> Result<Values> {
    body(blocks, &page.body, page.rows as usize, times)
}

fn body(blocks: &Blocks<'_>, body: &Body, rows: usize, times: &dyn Fn() -> Result<Vec<i64>>) -> Result<Values> {
    let damaged = |what: &str| Error::corrupt(blocks.name(), what);
    let spelled = |ints: Place, spell: &mut dyn FnMut(i64, &mut Vec<u8>)| -> Result<Values> {
        let mut values = Strings::default();
        for value in read_ints(blocks, ints, rows)? {
            values.push_with(|out| spell(value, out));
        }
        Ok(Values::Each(values))
    };
    match body {
        Body::Constant(value) => Ok(Values::Constant(value.clone(), rows)),
        Body::Integer { width, ints } => spelled(*ints, &mut |value, out| {
            if value < 0 {
                out.push(b'-');
            }
            padded(value, *width as usize, out);
        }),
        Body::Decimal { scale, ints } => spelled(*ints, &mut |value, out| {
            let unit = 10i64.pow(u32::from(*scale).min(18));
            padded(value / unit, 0, out);
            out.push(b'.');
            padded(value % unit, *scale as usize, out);
        }),
        Body::Ipv4 { ints } => spelled(*ints, &mut |value, out| {
            for (at, part) in (value as u32).to_be_bytes().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                padded(part.into(), 0, out);
            }
        }),
        Body::Hex { len, upper, bytes } => hex(blocks, *len as usize, *upper, *bytes, rows),
        Body::Time { layout, relative, ints } => {
            let layout = Layout::from_code(*layout).ok_or_else(|| damaged("unknown time layout"))?;
            let base = if *relative { times()? } else { Vec::new() };
            let mut row = 0;
            spelled(*ints, &mut |value, out| {
                let nanos = value.wrapping_add(base.get(row).copied().unwrap_or(0));
                row += 1;
                time::render(nanos, layout, out);
            })
        }
        Body::Dictionary { count, lengths, bytes, numbers } => {
            let lengths = read_ints(blocks, *lengths, *count as usize)?;
            let block = blocks.get(*bytes)?;
            let entries = Strings::split(block.range(*bytes)?, &lengths, blocks.name())?;
            let numbers = dictionary_numbers(blocks, *numbers, rows, entries.len())?;
            Ok(Values::Dictionary(Rc::new(entries), numbers))
        }
        Body::Plain { lengths, bytes } => {
            let lengths = read_ints(blocks, *lengths, rows)?;
            let block = blocks.get(*bytes)?;
            Ok(Values::Each(Strings::split(block.range(*bytes)?, &lengths, blocks.name())?))
        }
        Body::Affix { prefix, suffix, inner } => {
            let inner = self::body(blocks, inner, rows, times)?;
            let mut values = Strings::default();
            for row in 0..rows {
                values.push_with(|out| [prefix.as_slice(), inner.get(row), suffix].iter().for_each(|part| out.extend_from_slice(part)));
            }
            Ok(Values::Each(values))
        }
        Body::Nested(node) => nested(blocks, node).map(Values::Each),
        Body::Uuid { upper, bytes } => uuid(blocks, *upper, *bytes, rows),
        Body::Shared { dictionary, numbers } => {
            let entries = blocks.dictionary(*dictionary)?;
            let numbers = dictionary_numbers(blocks, *numbers, rows, entries.len())?;
            Ok(Values::Dictionary(entries, numbers))
        }
    }
}

fn dictionary_numbers(blocks: &Blocks<'_>, place: Place, rows: usize, entries: usize) -> Result<Vec<u32>> {
    let number = |n: i64| usize::try_from(n).ok().filter(|n| *n < entries).map(|n| n as u32);
    let beyond = || Error::corrupt(blocks.name(), "a number beyond the dictionary");
    read_ints(blocks, place, rows)?.into_iter().map(|n| number(n).ok_or_else(beyond)).collect()
}

/// The entries of a page as strings, each row one.
pub fn strings(values: Values) -> Strings {
    match values {
        Values::Each(strings) => strings,
        other => {
            let mut strings = Strings::default();
            (0..other.len()).for_each(|at| strings.push_with(|out| out.extend_from_slice(other.get(at))));
            strings
        }
    }
}

fn uuid(blocks: &Blocks<'_>, upper: bool, place: Place, rows: usize) -> Result<Values> {
    let mut values = Strings::default();
    let digits = hex(blocks, 32, upper, place, rows)?;
    for row in 0..rows {
        let all = digits.get(row);
        values.push_with(|out| {
            for (at, part) in [&all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..]].into_iter().enumerate() {
                if at > 0 {
                    out.push(b'-');
                }
                out.extend_from_slice(part);
            }
        });
    }
    Ok(Values::Each(values))
}

fn hex(blocks: &Blocks<'_>, len: usize, upper: bool, place: Place, rows: usize) -> Result<Values> {
    let block = blocks.get(place)?;
    let bytes = block.range(place)?;
    if bytes.len() != rows * len / 2 {
        return Err(Error::corrupt(blocks.name(), "hexadecimal digits of another number"));
    }
    let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let mut values = Strings::default();
    for value in bytes.chunks_exact(len / 2) {
        values.push_with(|out| {
            out.extend(value.iter().flat_map(|byte| [digits[(byte >> 4) as usize], digits[(byte & 15) as usize]]));
        });
    }
    Ok(Values::Each(values))
}

fn padded(value: i64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let start = at.min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(&digits[start..]);
}

/// The pattern number of each row of a node.
pub fn order(blocks: &Blocks<'_>, node: &NodeMeta) -> Result<Vec<u32>> {
    let rows = node.rows as usize;
    let Some(place) = node.order else { return Ok(vec![0; rows]) };
    let mut left: Vec<u32> = node.patterns.iter().map(|p| p.rows).collect();
    let order = read_ints(blocks, place, rows)?;
    order
        .into_iter()
        .map(|number| {
            let counted = usize::try_from(number).ok().and_then(|n| left.get_mut(n)).filter(|left| **left > 0);
            let left = counted.ok_or_else(|| Error::corrupt(blocks.name(), "rows in order do not fit the patterns"))?;
            *left -= 1;
            Ok(number as u32)
        })
        .collect()
}

fn nested(blocks: &Blocks<'_>, node: &NodeMeta) -> Result<Strings> {
    let columns = node
        .patterns
        .iter()
        .map(|pattern| {
            pattern.columns.iter().map(|column| RunValues::new(blocks, column, pattern.rows as usize)).collect::<Result<Vec<_>>>()
        })
        .collect::<Result<Vec<_>>>()?;
    let mut next = vec![0usize; columns.len()];
    let mut lines = Strings::default();
    for number in order(blocks, node)? {
        let number = number as usize;
        let row = next[number];
        next[number] += 1;
        lines.push_with(|out| node.patterns[number].pattern.render(|slot| columns[number][slot].get(row), out));
    }
    Ok(lines)
}

/// The values of a slot within a nested node, read as one.
pub struct RunValues(Vec<(Run, Rc<Values>)>);

impl RunValues {
    /// Decodes the pages that hold the pattern's `rows` rows.
    pub fn new(blocks: &Blocks<'_>, column: &ColumnMeta, rows: usize) -> Result<Self> {
        let runs = column.runs(rows).into_iter();
        runs.map(|run| Ok((run, blocks.page(&column.pages[run.page])?))).collect::<Result<_>>().map(Self)
    }

    /// The value in the pattern's row `row`.
    pub fn get(&self, row: usize) -> &[u8] {
        let at = if self.0.len() == 1 { 0 } else { self.0.partition_point(|(run, _)| run.start <= row) - 1 };
        let (run, values) = &self.0[at];
        values.get(row - run.start + run.skip)
    }
}

/// Where a pattern's row numbers are among the rows of its node.
pub fn rows_by_pattern(order: &[u32], patterns: &[PatternMeta]) -> Vec<Vec<u32>> {
    let mut rows: Vec<Vec<u32>> = patterns.iter().map(|p| Vec::with_capacity(p.rows as usize)).collect();
    for (row, number) in order.iter().enumerate() {
        rows[*number as usize].push(row as u32);
    }
    rows
}
