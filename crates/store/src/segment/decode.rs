//! Turns pages back into values.

use super::ints::Coded;
use super::meta::{Body, ColumnMeta, NodeMeta, PageMeta, PatternMeta, Place, Run};
use super::strings::{HexValues, Strings, Text};
use super::wire::Reader;
use super::{Block, Blocks, ints};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use taffrail_base::limits::PAGE_VALUES_BYTES_MAX;
use taffrail_base::{Error, Result};
use taffrail_pattern::split::time::{self, Layout};
use taffrail_pattern::{Pattern, Piece};

/// How numbers are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Decimal digits, padded with zeros to a width.
    Integer(u8),
    /// With this many digits after the point.
    Decimal(u8),
    /// `a.b.c.d`
    Ipv4,
    /// A time: nanoseconds of the local reading.
    Time(Layout),
}

impl Spelling {
    /// Appends a number as it is spelled.
    pub fn spell(self, value: i64, out: &mut Vec<u8>) {
        match self {
            Self::Integer(width) => {
                if value < 0 {
                    out.push(b'-');
                }
                padded(value, width as usize, out);
            }
            Self::Decimal(scale) => {
                let unit = decimal_unit(scale);
                padded(value / unit, 0, out);
                out.push(b'.');
                padded(value % unit, scale as usize, out);
            }
            Self::Ipv4 => {
                for (at, part) in (value as u32).to_be_bytes().into_iter().enumerate() {
                    if at > 0 {
                        out.push(b'.');
                    }
                    padded(part.into(), 0, out);
                }
            }
            Self::Time(layout) => time::render(value, layout, out),
        }
    }
}

/// What the stored integer of a decimal number counts.
pub fn decimal_unit(scale: u8) -> i64 {
    10i64.pow(u32::from(scale).min(18))
}

/// A page's values. Numbers are spelled when somebody asks for their text.
#[derive(Debug)]
pub enum Values {
    /// All alike.
    Constant(Vec<u8>, usize),
    /// Few different ones, and the number of each row's.
    Dictionary(Rc<Strings>, Vec<u32>),
    /// One each.
    Each(Strings),
    /// Numbers.
    Numbers(Spelling, Vec<i64>),
    /// Hexadecimal digits.
    Hex(HexValues),
    /// Hexadecimal digits of sixteen bytes, with hyphens between them.
    Uuid(HexValues),
    /// What all begin with, the rest, and what all end with.
    Affix(Vec<u8>, Box<Values>, Vec<u8>),
}

impl Values {
    /// Appends the value of row `at`.
    pub fn write(&self, at: usize, out: &mut Vec<u8>) {
        match self {
            Self::Constant(value, _) => out.extend_from_slice(value),
            Self::Dictionary(entries, numbers) => out.extend_from_slice(entries.get(numbers[at] as usize)),
            Self::Each(values) => out.extend_from_slice(values.get(at)),
            Self::Numbers(spelling, numbers) => spelling.spell(numbers[at], out),
            Self::Hex(values) => values.spell(at, out),
            Self::Uuid(values) => values.spell_uuid(at, out),
            Self::Affix(prefix, inner, suffix) => {
                out.extend_from_slice(prefix);
                inner.write(at, out);
                out.extend_from_slice(suffix);
            }
        }
    }

    /// The value of row `at`; `scratch` is overwritten.
    pub fn read<'a>(&'a self, at: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self {
            Self::Constant(value, _) => value,
            Self::Dictionary(entries, numbers) => entries.get(numbers[at] as usize),
            Self::Each(values) => values.get(at),
            Self::Numbers(..) | Self::Hex(_) | Self::Uuid(_) | Self::Affix(..) => {
                scratch.clear();
                self.write(at, scratch);
                scratch
            }
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Constant(_, rows) => *rows,
            Self::Dictionary(_, numbers) => numbers.len(),
            Self::Each(values) => values.len(),
            Self::Numbers(_, numbers) => numbers.len(),
            Self::Hex(values) | Self::Uuid(values) => values.len(),
            Self::Affix(_, inner, _) => inner.len(),
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

/// Calls back with the integers at a place, as they are stored where that is simple.
pub fn with_ints<T>(blocks: &Blocks<'_>, place: Place, count: usize, each: impl FnOnce(Coded<'_>) -> T) -> Result<T> {
    let block = blocks.get(place)?;
    let mut reader = Reader::new(block.range(place)?, blocks.name());
    let coded = ints::coded(&mut reader, count)?;
    if !reader.is_empty() {
        return Err(reader.damaged("bytes after the last integer"));
    }
    Ok(each(coded))
}

/// Values of a page that follow each other.
pub enum Part<'p> {
    /// So many, all alike.
    Constant(&'p [u8], usize),
    /// Of each the number of its entry.
    Entries(&'p Strings, &'p [u32]),
    /// Numbers.
    Numbers(Spelling, &'p [i64]),
    /// Those of a decoded page that stand in this range.
    Values(&'p Values, Range<usize>),
}

impl Part<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Constant(_, rows) => *rows,
            Self::Entries(_, numbers) => numbers.len(),
            Self::Numbers(_, numbers) => numbers.len(),
            Self::Values(_, range) => range.len(),
        }
    }
}

impl Values {
    /// The values in a range.
    pub fn part(&self, range: Range<usize>) -> Part<'_> {
        match self {
            Self::Constant(value, _) => Part::Constant(value, range.len()),
            Self::Dictionary(entries, numbers) => Part::Entries(entries, &numbers[range]),
            Self::Numbers(spelling, numbers) => Part::Numbers(*spelling, &numbers[range]),
            values => Part::Values(values, range),
        }
    }
}

/// Calls back with the values of a page in a range, part by part, of which none is kept. `false`, and nothing called, where
/// the page has to be decoded as a whole.
pub fn in_parts(blocks: &Blocks<'_>, page: &PageMeta, range: Range<usize>, each: &mut dyn FnMut(Part<'_>) -> Result<()>) -> Result<bool> {
    let rows = page.rows as usize;
    let mut numbers = |place: Place, spelling: Spelling| {
        each_ints(blocks, place, rows, &range, |numbers| each(Part::Numbers(spelling, numbers)))?;
        Ok(true)
    };
    let (entries, place) = match &page.body {
        Body::Integer { width, ints } => return numbers(*ints, Spelling::Integer(*width)),
        Body::Decimal { scale, ints } => return numbers(*ints, Spelling::Decimal(*scale)),
        Body::Ipv4 { ints } => return numbers(*ints, Spelling::Ipv4),
        Body::Dictionary { count, .. } if *count > page.rows => return Err(Error::corrupt(blocks.name(), MORE_ENTRIES)),
        Body::Dictionary { count, lengths, bytes, numbers } => (Rc::new(plain(blocks, *lengths, *bytes, *count as usize)?), *numbers),
        Body::Shared { dictionary, numbers } => (blocks.dictionary(*dictionary)?, *numbers),
        _ => return Ok(false),
    };
    let mut codes = [0; ints::CHUNK];
    each_ints(blocks, place, rows, &range, |numbers| {
        // What is below zero is, without a sign, above all.
        if numbers.iter().fold(0, |most, number| most.max(*number as u64)) >= entries.len() as u64 {
            return Err(Error::corrupt(blocks.name(), BEYOND_DICTIONARY));
        }
        codes.iter_mut().zip(numbers).for_each(|(code, number)| *code = *number as u32);
        each(Part::Entries(&entries, &codes[..numbers.len()]))
    })?;
    Ok(true)
}

fn each_ints(blocks: &Blocks<'_>, place: Place, count: usize, range: &Range<usize>, each: impl FnMut(&[i64]) -> Result<()>) -> Result<()> {
    let block = blocks.get(place)?;
    let mut reader = Reader::new(block.range(place)?, blocks.name());
    ints::each_chunk(&mut reader, count, (range.start, range.end), each)?;
    if reader.is_empty() { Ok(()) } else { Err(reader.damaged("bytes after the last integer")) }
}

/// A page's values; `times` are the event times of its rows, for pages that refer to them.
pub fn page(blocks: &Blocks<'_>, page: &PageMeta, times: &dyn Fn() -> Result<Vec<i64>>) -> Result<Values> {
    body(blocks, &page.body, page.rows as usize, times)
}

fn body(blocks: &Blocks<'_>, body: &Body, rows: usize, times: &dyn Fn() -> Result<Vec<i64>>) -> Result<Values> {
    let damaged = |what: &str| Error::corrupt(blocks.name(), what);
    let numbers = |spelling: Spelling, ints: Place| Ok(Values::Numbers(spelling, read_ints(blocks, ints, rows)?));
    match body {
        Body::Constant(value) => Ok(Values::Constant(value.clone(), rows)),
        Body::Integer { width, ints } => numbers(Spelling::Integer(*width), *ints),
        Body::Decimal { scale, ints } => numbers(Spelling::Decimal(*scale), *ints),
        Body::Ipv4 { ints } => numbers(Spelling::Ipv4, *ints),
        Body::Hex { len, upper, bytes } => hex(blocks, *len as usize, *upper, *bytes, rows).map(Values::Hex),
        Body::Time { layout, relative, ints } => {
            let layout = Layout::from_code(*layout).ok_or_else(|| damaged("unknown time layout"))?;
            let mut nanos = read_ints(blocks, *ints, rows)?;
            if *relative {
                nanos.iter_mut().zip(times()?).for_each(|(nanos, base)| *nanos = nanos.wrapping_add(base));
            }
            Ok(Values::Numbers(Spelling::Time(layout), nanos))
        }
        Body::Dictionary { count, lengths, bytes, numbers } => {
            if *count as usize > rows {
                return Err(damaged(MORE_ENTRIES));
            }
            let entries = plain(blocks, *lengths, *bytes, *count as usize)?;
            let numbers = dictionary_numbers(blocks, *numbers, rows, entries.len())?;
            Ok(Values::Dictionary(Rc::new(entries), numbers))
        }
        Body::Plain { lengths, bytes } => plain(blocks, *lengths, *bytes, rows).map(Values::Each),
        Body::Affix { prefix, suffix, inner } => {
            let inner = self::body(blocks, inner, rows, times)?;
            Ok(Values::Affix(prefix.clone(), Box::new(inner), suffix.clone()))
        }
        Body::Nested(node) => nested(blocks, node).map(Values::Each),
        Body::Lines(lines) => lines.values(blocks, rows).map(Values::Each),
        Body::Uuid { upper, bytes } => hex(blocks, 32, *upper, *bytes, rows).map(Values::Uuid),
        Body::Shared { dictionary, numbers } => {
            let entries = blocks.dictionary(*dictionary)?;
            let numbers = dictionary_numbers(blocks, *numbers, rows, entries.len())?;
            Ok(Values::Dictionary(entries, numbers))
        }
    }
}

fn plain(blocks: &Blocks<'_>, lengths: Place, bytes: Place, count: usize) -> Result<Strings> {
    let text = Text::of(blocks.get(bytes)?, bytes)?;
    with_ints(blocks, lengths, count, |lengths| match lengths {
        Coded::Bytes { base, low, high: None } => Strings::split(text, low.iter().map(|low| base + i64::from(*low)), blocks.name()),
        lengths => Strings::split(text, lengths.each().into_iter(), blocks.name()),
    })?
}

/// The different values of a page that is a dictionary of its own; none of another.
pub fn entries(blocks: &Blocks<'_>, page: &PageMeta) -> Result<Strings> {
    match &page.body {
        Body::Dictionary { count, .. } if *count > page.rows => Err(Error::corrupt(blocks.name(), MORE_ENTRIES)),
        Body::Dictionary { count, lengths, bytes, .. } => plain(blocks, *lengths, *bytes, *count as usize),
        _ => Ok(Strings::default()),
    }
}

/// Where the text of a page's values stands, one after the other, where it is stored so; and what stands before and after
/// each value. Of a dictionary, the text of its entries.
pub fn text(body: &Body) -> Option<(&[u8], Place, &[u8])> {
    match body {
        Body::Plain { bytes, .. } | Body::Dictionary { bytes, .. } => Some((&[], *bytes, &[])),
        Body::Affix { prefix, suffix, inner } => match &**inner {
            Body::Plain { bytes, .. } => Some((prefix, *bytes, suffix)),
            _ => None,
        },
        _ => None,
    }
}

/// What is said of such a number.
pub const BEYOND_DICTIONARY: &str = "a number beyond the dictionary";

/// Entries without bytes would otherwise cost memory that nothing in the file pays for.
const MORE_ENTRIES: &str = "a dictionary of more entries than rows";

/// Appends the value in row `at` of a page without decoding the others; `time` is the event's, where it is known.
/// `false` where the page has to be decoded as a whole.
pub fn one(blocks: &Blocks<'_>, body: &Body, rows: usize, at: usize, time: Option<i64>, out: &mut Vec<u8>) -> Result<bool> {
    let number = |place: Place, count: usize, at: usize| blocks.integer_at(place, count, at);
    // The bytes of number `at` of strings.
    let string = |lengths: Place, bytes: Place, count: usize, at: usize, out: &mut Vec<u8>| -> Result<()> {
        let (start, len) = blocks.sum_at(lengths, count, at)?;
        let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let (start, end) = (size(start), size(start).saturating_add(size(len)));
        let block = blocks.get(bytes)?;
        let bytes = block.range(bytes)?.get(start..end).ok_or_else(|| Error::corrupt(blocks.name(), "a value beyond the page"))?;
        out.extend_from_slice(bytes);
        Ok(())
    };
    match body {
        Body::Constant(value) => out.extend_from_slice(value),
        Body::Integer { width, ints } => Spelling::Integer(*width).spell(number(*ints, rows, at)?, out),
        Body::Decimal { scale, ints } => Spelling::Decimal(*scale).spell(number(*ints, rows, at)?, out),
        Body::Ipv4 { ints } => Spelling::Ipv4.spell(number(*ints, rows, at)?, out),
        Body::Time { layout, relative, ints } => {
            let layout = Layout::from_code(*layout).ok_or_else(|| Error::corrupt(blocks.name(), "unknown time layout"))?;
            let base = match (relative, time) {
                (false, _) => 0,
                (true, Some(time)) => time,
                (true, None) => return Ok(false),
            };
            Spelling::Time(layout).spell(number(*ints, rows, at)?.wrapping_add(base), out);
        }
        Body::Dictionary { count, lengths, bytes, numbers } => {
            let entry = usize::try_from(number(*numbers, rows, at)?).ok().filter(|entry| *entry < *count as usize);
            let entry = entry.ok_or_else(|| Error::corrupt(blocks.name(), BEYOND_DICTIONARY))?;
            string(*lengths, *bytes, *count as usize, entry, out)?;
        }
        Body::Shared { dictionary, numbers } => {
            let page = &blocks.segment().footer().dictionaries[*dictionary as usize];
            let entry = usize::try_from(number(*numbers, rows, at)?).ok().filter(|entry| *entry < page.rows as usize);
            let entry = entry.ok_or_else(|| Error::corrupt(blocks.name(), BEYOND_DICTIONARY))?;
            return one(blocks, &page.body, page.rows as usize, entry, None, out);
        }
        Body::Plain { lengths, bytes } => string(*lengths, *bytes, rows, at, out)?,
        Body::Affix { prefix, suffix, inner } => {
            out.extend_from_slice(prefix);
            if !one(blocks, inner, rows, at, time, out)? {
                out.truncate(out.len() - prefix.len());
                return Ok(false);
            }
            out.extend_from_slice(suffix);
        }
        Body::Hex { len, upper, bytes } => hex_one(blocks, *len as usize / 2, *upper, *bytes, at)?.spell(0, out),
        Body::Uuid { upper, bytes } => hex_one(blocks, 16, *upper, *bytes, at)?.spell_uuid(0, out),
        Body::Nested(node) => return nested_one(blocks, node, at, out),
        Body::Lines(_) => return Ok(false),
    }
    Ok(true)
}

/// As [`one`] of a node's value number `at`.
fn nested_one(blocks: &Blocks<'_>, node: &NodeMeta, at: usize, out: &mut Vec<u8>) -> Result<bool> {
    let wrong = || Error::corrupt(blocks.name(), "rows in order do not fit the patterns");
    let (number, row) = match node.order {
        None => (0, at),
        Some(place) => with_ints(blocks, place, node.rows as usize, |order| match order {
            Coded::Bytes { base, low, high: None } => {
                (base + i64::from(low[at]), low[..at].iter().filter(|number| **number == low[at]).count())
            }
            order => {
                let order = order.each();
                (order[at], order[..at].iter().filter(|number| **number == order[at]).count())
            }
        })?,
    };
    let pattern = usize::try_from(number).ok().and_then(|number| node.patterns.get(number)).ok_or_else(wrong)?;
    let (before, mut columns) = (out.len(), pattern.columns.iter());
    for piece in pattern.pattern.pieces() {
        let Piece::Text(text) = piece else {
            let column = columns.next().ok_or_else(wrong)?;
            let run = column.runs(pattern.rows as usize).find(|run| (run.start..run.start + run.rows).contains(&row));
            let run = run.ok_or_else(wrong)?;
            let page = &column.pages[run.page];
            if !one(blocks, &page.body, page.rows as usize, row - run.start + run.skip, None, out)? {
                out.truncate(before);
                return Ok(false);
            }
            continue;
        };
        out.extend_from_slice(text);
    }
    Ok(true)
}

fn dictionary_numbers(blocks: &Blocks<'_>, place: Place, rows: usize, entries: usize) -> Result<Vec<u32>> {
    let number = |n: i64| usize::try_from(n).ok().filter(|n| *n < entries).map(|n| n as u32);
    let beyond = || Error::corrupt(blocks.name(), BEYOND_DICTIONARY);
    with_ints(blocks, place, rows, |numbers| match numbers {
        Coded::Bytes { base, low, high: None } => low.iter().map(|low| number(base + i64::from(*low)).ok_or_else(beyond)).collect(),
        numbers => numbers.each().into_iter().map(|n| number(n).ok_or_else(beyond)).collect(),
    })?
}

/// The entries of a page as strings, each row one.
pub fn strings(values: Values) -> Strings {
    match values {
        Values::Each(strings) => strings,
        other => {
            let mut strings = Strings::default();
            (0..other.len()).for_each(|at| strings.push_with(|out| other.write(at, out)));
            strings
        }
    }
}

fn hex_one(blocks: &Blocks<'_>, width: usize, upper: bool, place: Place, at: usize) -> Result<HexValues> {
    let block = blocks.get(place)?;
    let digits = block.range(place)?.get(at * width..(at + 1) * width).map(|bytes| Text::Own(bytes.to_vec()));
    digits.and_then(|digits| HexValues::new(digits, width, upper, 1)).ok_or_else(|| Error::corrupt(blocks.name(), OTHER_DIGITS))
}

fn hex(blocks: &Blocks<'_>, len: usize, upper: bool, place: Place, rows: usize) -> Result<HexValues> {
    let text = Text::of(blocks.get(place)?, place)?;
    HexValues::new(text, len / 2, upper, rows).ok_or_else(|| Error::corrupt(blocks.name(), OTHER_DIGITS))
}

const OTHER_DIGITS: &str = "hexadecimal digits of another number";

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

/// The pattern number of each row of a segment, as it is stored where that is small.
pub struct Codes {
    block: Option<Arc<Block>>,
    /// Where the low bytes begin in the block, and whether high bytes follow.
    start: usize,
    wide: bool,
    rows: usize,
    any: Vec<u32>,
}

impl Codes {
    /// Of a node.
    pub fn new(blocks: &Blocks<'_>, node: &NodeMeta) -> Result<Self> {
        let rows = node.rows as usize;
        if let Some(place) = node.order {
            let block = blocks.get(place)?;
            let bytes = block.range(place)?;
            let mut reader = Reader::new(bytes, blocks.name());
            if let Some((width, len)) = ints::small(&mut reader, rows)? {
                let start = place.offset as usize + bytes.len() - len - reader.remaining();
                return Ok(Self { block: Some(block), start, wide: width == 2, rows, any: Vec::new() });
            }
        }
        Ok(Self { block: None, start: 0, wide: false, rows, any: order(blocks, node)? })
    }

    /// The low bytes of the numbers of the rows `from` to `to` and, where numbers have two, the high ones; `None` where
    /// they are not stored so.
    pub fn planes(&self, from: usize, to: usize) -> Option<(&[u8], Option<&[u8]>)> {
        let bytes = self.block.as_ref()?.bytes();
        let low = &bytes[self.start..][..self.rows][from..to];
        Some((low, self.wide.then(|| &bytes[self.start + self.rows..][from..to])))
    }

    /// Calls `each` with the numbers of the rows `from` to `to`.
    #[inline]
    pub fn each(&self, from: usize, to: usize, mut each: impl FnMut(usize)) {
        let Some(block) = &self.block else {
            self.any[from..to].iter().for_each(|number| each(*number as usize));
            return;
        };
        let low = &block.bytes()[self.start..][..self.rows][from..to];
        if self.wide {
            let high = &block.bytes()[self.start + self.rows..][from..to];
            low.iter().zip(high).for_each(|(low, high)| each(usize::from(*low) | usize::from(*high) << 8));
        } else {
            low.iter().for_each(|low| each(usize::from(*low)));
        }
    }
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

/// The values of a node, in order.
pub fn nested(blocks: &Blocks<'_>, node: &NodeMeta) -> Result<Strings> {
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
        lines.push_with(|out| render(&node.patterns[number].pattern, out, |slot, out| columns[number][slot].write(row, out)));
        if lines.bytes().len() > PAGE_VALUES_BYTES_MAX {
            return Err(Error::corrupt(blocks.name(), format_args!("a page of more than {PAGE_VALUES_BYTES_MAX} bytes of values")));
        }
    }
    Ok(lines)
}

/// Appends a line of a pattern; `write` appends the value of a slot.
pub fn render(pattern: &Pattern, out: &mut Vec<u8>, mut write: impl FnMut(usize, &mut Vec<u8>)) {
    let mut slot = 0;
    for piece in pattern.pieces() {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Slot(_) => {
                write(slot, out);
                slot += 1;
            }
        }
    }
}

/// The values of a slot within a nested node, read as one.
pub struct RunValues(Vec<(Run, Rc<Values>)>);

impl RunValues {
    /// Decodes the pages that hold the pattern's `rows` rows.
    pub fn new(blocks: &Blocks<'_>, column: &ColumnMeta, rows: usize) -> Result<Self> {
        let runs = column.runs(rows);
        runs.map(|run| Ok((run, blocks.page(&column.pages[run.page])?))).collect::<Result<_>>().map(Self)
    }

    /// Appends the value in the pattern's row `row`.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        let at = if self.0.len() == 1 { 0 } else { self.0.partition_point(|(run, _)| run.start <= row) - 1 };
        let (run, values) = &self.0[at];
        values.write(row - run.start + run.skip, out);
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
