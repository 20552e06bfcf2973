//! Turns values into pages: tries the encodings from the most to the least telling, each verified on every
//! value, so that decoding gives back the very bytes.

use super::blocks::BlockWriter;
use super::ints;
use super::meta::{Body, ColumnMeta, NodeMeta, PageMeta, PatternMeta};
use super::stamp;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::SlotKind;
use taffrail_pattern::bytes::same;
use taffrail_pattern::group::{GroupLimits, group};
use taffrail_pattern::split::{is_delimiter, time};

/// Rows of a page: enough to compress, few enough to read one for a handful of rows.
const PAGE_ROWS: usize = if cfg!(test) { 50 } else { 32_768 };

/// Bytes of a page's values, so that pages of long lines stay readable in pieces.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// How deep patterns nest within columns.
const NEST_MAX: usize = 2;

/// Values of a page below which nesting cannot pay for its directory.
const NEST_ROWS_MIN: usize = if cfg!(test) { 4 } else { 64 };

/// Event times for the rows of a pattern, for columns that repeat them.
pub type RowTimes<'a> = Option<&'a [i64]>;

/// Encodes lines as a node: patterns, the order of patterns, and the columns of each.
pub fn node(lines: &[&[u8]], class: &dyn Fn(usize) -> u32, times: Option<&[i64]>, depth: usize, out: &mut BlockWriter) -> Result<NodeMeta> {
    let (patterns, order) = patterns(lines, class, times, depth, out)?;
    let order = if patterns.len() > 1 { Some(put_ints(&order, out)?) } else { None };
    Ok(NodeMeta { rows: lines.len() as u32, order, patterns })
}

/// The patterns of lines with their columns, and the number of each line's.
pub fn patterns(
    lines: &[&[u8]],
    class: &dyn Fn(usize) -> u32,
    times: Option<&[i64]>,
    depth: usize,
    out: &mut BlockWriter,
) -> Result<(Vec<PatternMeta>, Vec<i64>)> {
    let limits = match depth {
        0 => GroupLimits::default(),
        _ => GroupLimits { patterns_max: 256, tokens_max: 64, line_bytes_max: 4_096 },
    };
    let mut order = vec![0i64; lines.len()];
    let mut patterns: Vec<PatternMeta> = Vec::new();
    let mut failed = None;
    group(lines, class, limits, &mut |leaf| {
        let number = patterns.len() as i64;
        leaf.rows.iter().for_each(|row| order[*row as usize] = number);
        let row_times: Option<Vec<i64>> = times.map(|times| leaf.rows.iter().map(|row| times[*row as usize]).collect());
        let columns = slots(&leaf.pattern)
            .enumerate()
            .map(|(slot, kind)| column(&leaf.column(slot), kind, row_times.as_deref(), depth, out))
            .collect::<Result<Vec<_>>>();
        match columns {
            Ok(columns) => patterns.push(PatternMeta {
                class: leaf.class,
                id: leaf.pattern.id(),
                rows: leaf.rows.len() as u32,
                pattern: Arc::new(leaf.pattern),
                columns,
            }),
            Err(error) => failed = Some(error),
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok((patterns, order)),
    }
}

/// The kinds of a pattern's slots.
pub fn slots(pattern: &taffrail_pattern::Pattern) -> impl Iterator<Item = SlotKind> + '_ {
    pattern.pieces().iter().filter_map(|piece| match piece {
        taffrail_pattern::Piece::Slot(kind) => Some(*kind),
        taffrail_pattern::Piece::Text(_) => None,
    })
}

/// Writes integers and tells where.
pub fn put_ints(values: &[i64], out: &mut BlockWriter) -> Result<super::meta::Place> {
    let mut bytes = Vec::new();
    ints::encode(values, &mut bytes);
    out.put(&bytes)
}

/// Encodes the values of a slot.
pub fn column(values: &[&[u8]], kind: SlotKind, times: RowTimes<'_>, depth: usize, out: &mut BlockWriter) -> Result<ColumnMeta> {
    let mut pages = Vec::new();
    let mut start = 0;
    while start < values.len() {
        let mut bytes = 0;
        let within = values[start..].iter().take(PAGE_ROWS).take_while(|value| {
            bytes += value.len();
            bytes <= PAGE_BYTES
        });
        let end = start + within.count().max(1);
        pages.push(page(&values[start..end], kind, times.map(|times| &times[start..end]), depth, out)?);
        start = end;
    }
    Ok(ColumnMeta { pages })
}

fn page(values: &[&[u8]], kind: SlotKind, times: RowTimes<'_>, depth: usize, out: &mut BlockWriter) -> Result<PageMeta> {
    let max_len = values.iter().map(|v| v.len()).max().unwrap_or(0) as u32;
    let (body, entries) = body(values, kind, times, depth, out)?;
    // What there is to say of a dictionary's rows is said by its entries.
    let distinct = entries.as_deref().unwrap_or(values);
    let (mask, filter) = match &body {
        Body::Integer { .. } => (stamp::DIGITS, None),
        Body::Decimal { .. } | Body::Ipv4 { .. } => (stamp::DIGITS | stamp::mask(b"."), None),
        Body::Hex { .. } => (stamp::HEX_DIGITS, None),
        Body::Constant(value) => (stamp::mask(value), None),
        // A nested node's own columns have filters; its constant text is in the directory. Of times the mask must be
        // exact: with the letters of all months in it, words would be looked for in them.
        Body::Nested(_) | Body::Time { .. } => (union(values), None),
        Body::Dictionary { .. } | Body::Plain { .. } | Body::Affix { .. } => (union(distinct), stamp::filter(distinct.iter().copied())),
    };
    let filter = filter.map(|(known, bytes)| Ok((known, out.put_filter(&bytes)?))).transpose()?;
    Ok(PageMeta { rows: values.len() as u32, mask, max_len, filter, body })
}

fn union(values: &[&[u8]]) -> u64 {
    let mut mask = 0;
    let mut last: &[u8] = &[];
    for value in values {
        if !same(value, last) {
            mask |= stamp::mask(value);
            last = value;
        }
    }
    mask
}

/// The body, and the different values where these were counted.
type Encoded<'v> = (Body, Option<Vec<&'v [u8]>>);

fn body<'v>(values: &[&'v [u8]], kind: SlotKind, times: RowTimes<'_>, depth: usize, out: &mut BlockWriter) -> Result<Encoded<'v>> {
    let Some(&first) = values.first() else { return Ok((Body::Constant(Vec::new()), None)) };
    if values.iter().all(|value| same(value, first)) {
        return Ok((Body::Constant(first.to_vec()), None));
    }
    if kind == SlotKind::Time
        && let Some(body) = as_time(values, times, out)?
    {
        return Ok((body, None));
    }
    if let Some(body) = as_number(values, out)? {
        return Ok((body, None));
    }
    if let Some((body, entries)) = as_dictionary(values, out)? {
        return Ok((body, Some(entries)));
    }
    let spaced = |value: &[u8]| value.iter().any(|b| is_delimiter(*b));
    if kind == SlotKind::Quoted && depth < NEST_MAX && values.len() >= NEST_ROWS_MIN && values.iter().take(64).any(|v| spaced(v)) {
        let nested = node(values, &|_| 0, None, depth + 1, out)?;
        return Ok((Body::Nested(Box::new(nested)), None));
    }
    let (prefix, suffix) = affixes(values);
    if prefix > 0 || suffix > 0 {
        let inner: Vec<&[u8]> = values.iter().map(|value| &value[prefix..value.len() - suffix]).collect();
        let number = as_number(&inner, out)?;
        let inner = match number {
            Some(body) => body,
            None => plain(&inner, out)?,
        };
        let suffix = first[first.len() - suffix..].to_vec();
        return Ok((Body::Affix { prefix: first[..prefix].to_vec(), suffix, inner: Box::new(inner) }, None));
    }
    Ok((plain(values, out)?, None))
}

fn plain(values: &[&[u8]], out: &mut BlockWriter) -> Result<Body> {
    let lengths: Vec<i64> = values.iter().map(|v| v.len() as i64).collect();
    let lengths = put_ints(&lengths, out)?;
    Ok(Body::Plain { lengths, bytes: out.put(&values.concat())? })
}

fn as_time(values: &[&[u8]], times: RowTimes<'_>, out: &mut BlockWriter) -> Result<Option<Body>> {
    let Some((_, layout, _)) = time::parse(values[0]) else { return Ok(None) };
    let mut nanos = Vec::with_capacity(values.len());
    for value in values {
        match time::parse(value) {
            Some((read, same, len)) if same == layout && len == value.len() => nanos.push(read),
            _ => return Ok(None),
        }
    }
    let relative: Option<Vec<i64>> = times.map(|times| nanos.iter().zip(times).map(|(a, b)| a.wrapping_sub(*b)).collect());
    // Where the event's time was read from this very place, the difference is the zone: one number a page.
    if let Some(relative) = relative
        && relative.windows(2).filter(|pair| pair[0] != pair[1]).count() <= values.len() / 16
    {
        return Ok(Some(Body::Time { layout: layout.code(), relative: true, ints: put_ints(&relative, out)? }));
    }
    Ok(Some(Body::Time { layout: layout.code(), relative: false, ints: put_ints(&nanos, out)? }))
}

/// An integer of at most 18 digits.
fn integer(value: &[u8]) -> Option<i64> {
    if value.is_empty() || value.len() > 18 {
        return None;
    }
    value.iter().try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn canonical(value: &[u8]) -> Option<i64> {
    let number = integer(value)?;
    (value.len() == 1 || value[0] != b'0').then_some(number)
}

fn decimal(value: &[u8], scale: usize) -> Option<i64> {
    let point = value.len().checked_sub(scale + 1)?;
    if value[point] != b'.' || value.len() > 18 {
        return None;
    }
    canonical(&value[..point])?;
    let mut digits = [0u8; 18];
    digits[..point].copy_from_slice(&value[..point]);
    digits[point..value.len() - 1].copy_from_slice(&value[point + 1..]);
    integer(&digits[..value.len() - 1])
}

fn ipv4(value: &[u8]) -> Option<i64> {
    let mut parts = value.split(|b| *b == b'.');
    let mut address = 0;
    for _ in 0..4 {
        let part = canonical(parts.next()?).filter(|part| *part < 256)?;
        address = address << 8 | part;
    }
    parts.next().is_none().then_some(address)
}

fn all(values: &[&[u8]], read: impl Fn(&[u8]) -> Option<i64>) -> Option<Vec<i64>> {
    read(values[0])?;
    values.iter().map(|value| read(value)).collect()
}

fn as_number(values: &[&[u8]], out: &mut BlockWriter) -> Result<Option<Body>> {
    let first = values[0];
    if let Some(numbers) = all(values, canonical) {
        return Ok(Some(Body::Integer { width: 0, ints: put_ints(&numbers, out)? }));
    }
    let width = first.len();
    if let Some(numbers) = all(values, |value| integer(value).filter(|_| value.len() == width)) {
        return Ok(Some(Body::Integer { width: width as u8, ints: put_ints(&numbers, out)? }));
    }
    if let Some(numbers) = all(values, ipv4) {
        return Ok(Some(Body::Ipv4 { ints: put_ints(&numbers, out)? }));
    }
    if let Some(point) = first.iter().position(|b| *b == b'.') {
        let scale = first.len() - point - 1;
        if scale > 0
            && let Some(numbers) = all(values, |value| decimal(value, scale))
        {
            return Ok(Some(Body::Decimal { scale: scale as u8, ints: put_ints(&numbers, out)? }));
        }
    }
    as_hex(values, out)
}

fn as_hex(values: &[&[u8]], out: &mut BlockWriter) -> Result<Option<Body>> {
    let len = values[0].len();
    let upper = values[0].iter().any(u8::is_ascii_uppercase);
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' if !upper => Some(byte - b'a' + 10),
        b'A'..=b'F' if upper => Some(byte - b'A' + 10),
        _ => None,
    };
    if len < 8 || !len.is_multiple_of(2) || len > 1_024 {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(values.len() * len / 2);
    for value in values {
        if value.len() != len {
            return Ok(None);
        }
        for pair in value.chunks_exact(2) {
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => bytes.push(high << 4 | low),
                _ => return Ok(None),
            }
        }
    }
    Ok(Some(Body::Hex { len: len as u32, upper, bytes: out.put(&bytes)? }))
}

/// A dictionary and its entries.
type Dictionary<'v> = (Body, Vec<&'v [u8]>);

fn as_dictionary<'v>(values: &[&'v [u8]], out: &mut BlockWriter) -> Result<Option<Dictionary<'v>>> {
    let distinct_max = values.len() / 4 + 4;
    let mut known: HashTable<u32> = HashTable::new();
    let mut entries: Vec<&[u8]> = Vec::new();
    let mut numbers: Vec<i64> = Vec::with_capacity(values.len());
    for (row, &value) in values.iter().enumerate() {
        if row > 0 && same(value, values[row - 1]) {
            numbers.push(numbers[row - 1]);
            continue;
        }
        let hash = hash(value);
        let number = match known.find(hash, |number| same(entries[*number as usize], value)) {
            Some(number) => *number,
            None if entries.len() == distinct_max => return Ok(None),
            None => {
                let number = entries.len() as u32;
                entries.push(value);
                known.insert_unique(hash, number, |number| self::hash(entries[*number as usize]));
                number
            }
        };
        numbers.push(number.into());
    }
    let lengths: Vec<i64> = entries.iter().map(|v| v.len() as i64).collect();
    let (lengths, bytes) = (put_ints(&lengths, out)?, out.put(&entries.concat())?);
    let body = Body::Dictionary { count: entries.len() as u32, lengths, bytes, numbers: put_ints(&numbers, out)? };
    Ok(Some((body, entries)))
}

fn hash(value: &[u8]) -> u64 {
    FxBuildHasher.hash_one(value)
}

/// Lengths of what all values begin and end with; never within a number, so that what is left may be one.
fn affixes(values: &[&[u8]]) -> (usize, usize) {
    let first = values[0];
    let (mut prefix, mut suffix) = (first.len(), first.len());
    for value in &values[1..] {
        prefix = first.iter().zip(*value).take(prefix).take_while(|(a, b)| a == b).count();
        suffix = first.iter().rev().zip(value.iter().rev()).take(suffix).take_while(|(a, b)| a == b).count();
        if prefix == 0 && suffix == 0 {
            return (0, 0);
        }
    }
    while prefix > 0 && first[prefix - 1].is_ascii_hexdigit() {
        prefix -= 1;
    }
    while suffix > 0 && first[first.len() - suffix].is_ascii_hexdigit() {
        suffix -= 1;
    }
    let shortest = values.iter().map(|v| v.len()).min().unwrap_or(0);
    if prefix + suffix > shortest {
        suffix = shortest.saturating_sub(prefix);
        prefix = prefix.min(shortest);
    }
    (prefix, suffix)
}
