//! Values become pages: the encodings are tried from the most to the least telling, each verified on every value,
//! so that decoding gives back the very bytes.

use super::dictionary::as_dictionary;
use super::learned::ColumnKey;
use super::lines::as_lines;
use super::numbers::as_numbers;
use super::{Output, node, put_ints};
use crate::segment::blocks::Kind;
use crate::segment::meta::{Body, PageMeta};
use crate::segment::stamp::{self, FilterKind};
use taffrail_base::Result;
use taffrail_pattern::SlotKind;
use taffrail_pattern::bytes::same;
use taffrail_pattern::split::time::{self, Family, Layout};
use taffrail_pattern::split::is_delimiter;

/// Rows of a page: enough to compress, few enough to read one for a handful of rows.
pub const PAGE_ROWS: usize = if cfg!(test) { 50 } else { 32_768 };

/// Bytes of a page's values, so that pages of long lines stay readable in pieces.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// The same of values of several lines, whose lines recur from value to value.
const LINES_BYTES: usize = 16 * 1024 * 1024;

/// How deep patterns nest within columns.
const NEST_MAX: usize = 2;

/// Values of a page below which nesting cannot pay for its directory.
const NEST_ROWS_MIN: usize = if cfg!(test) { 4 } else { 64 };

/// What is known of a column's values.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The kind of its slot.
    pub kind: SlotKind,
    /// What it is called.
    pub key: ColumnKey,
    /// How many nodes are around it.
    pub depth: usize,
    /// The event times of its rows, where they are known.
    pub times: Option<&'c [i64]>,
}

/// Encodes a column's values in pages.
pub fn column(values: &[&[u8]], context: &Context<'_>, out: &mut Output<'_>) -> Result<Vec<PageMeta>> {
    let mut pages = Vec::new();
    let mut start = 0;
    while start < values.len() {
        let several = context.kind == SlotKind::Raw && values[start].contains(&b'\n');
        let end = if several { end_within(values, start, LINES_BYTES) } else { page_end(values, start) };
        let times = context.times.map(|times| &times[start..end]);
        pages.push(page(&values[start..end], &Context { times, ..*context }, out)?);
        start = end;
    }
    Ok(pages)
}

/// Where the page that begins at a row ends.
pub fn page_end(values: &[&[u8]], start: usize) -> usize {
    end_within(values, start, PAGE_BYTES)
}

fn end_within(values: &[&[u8]], start: usize, most: usize) -> usize {
    let mut bytes = 0;
    let within = values[start..].iter().take(PAGE_ROWS).take_while(|value| {
        bytes += value.len();
        bytes <= most
    });
    start + within.count().max(1)
}

/// Encodes one page.
pub fn page(values: &[&[u8]], context: &Context<'_>, out: &mut Output<'_>) -> Result<PageMeta> {
    let Encoded { body, range, entries } = body(values, context, out)?;
    // What there is to say of a dictionary's rows is said by its entries.
    let distinct = entries.as_deref().unwrap_or(values);
    let max_len = distinct.iter().map(|v| v.len()).max().unwrap_or(0) as u32;
    let sign = if range.is_some_and(|(least, _)| least < 0) { stamp::mask(b"-") } else { 0 };
    let mask = match &body {
        Body::Integer { .. } => stamp::DIGITS | sign,
        Body::Decimal { .. } | Body::Ipv4 { .. } => stamp::DIGITS | stamp::mask(b"."),
        Body::Hex { .. } => stamp::HEX_DIGITS,
        Body::Uuid { .. } => stamp::HEX_DIGITS | stamp::mask(b"-"),
        Body::Constant(value) => stamp::mask(value),
        Body::Time { layout, .. } if layout[0] == Family::EPOCH => stamp::DIGITS | stamp::mask(b"."),
        // Of other times the mask must be exact: with the letters of all months in it, words would be looked for in them.
        _ => union(distinct),
    };
    let filter = match &body {
        // A nested node's own columns have filters; its constant text is in the directory. Numbers are compared.
        Body::Nested(_)
        | Body::Lines(_)
        | Body::Time { .. }
        | Body::Constant(_)
        | Body::Integer { .. }
        | Body::Decimal { .. }
        | Body::Ipv4 { .. } => None,
        _ => {
            // A filter that is large beside what it saves from being read does not pay.
            let bytes: usize = distinct.iter().map(|value| value.len()).sum();
            stamp::filter(distinct.iter().copied(), (bytes / FILTER_SHARE).max(FILTER_BYTES))
        }
    };
    let filter = filter.map(|bytes| Ok((FilterKind::Fuse, out.blocks.put_filter(&bytes)?))).transpose()?;
    Ok(PageMeta { rows: values.len() as u32, mask, max_len, range, filter, body })
}

/// Bytes of different values for which a byte of filter is spent at most.
const FILTER_SHARE: usize = 16;

/// Bytes of a filter that any page may have.
const FILTER_BYTES: usize = 256;

/// The classes of bytes of all values.
pub fn union(values: &[&[u8]]) -> u64 {
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

/// A body, with the range of its numbers and its different values where these were counted.
struct Encoded<'v> {
    body: Body,
    range: Option<(i64, i64)>,
    entries: Option<Vec<&'v [u8]>>,
}

impl From<Body> for Encoded<'_> {
    fn from(body: Body) -> Self {
        Self { body, range: None, entries: None }
    }
}

fn body<'v>(values: &[&'v [u8]], context: &Context<'_>, out: &mut Output<'_>) -> Result<Encoded<'v>> {
    let Some(&first) = values.first() else { return Ok(Body::Constant(Vec::new()).into()) };
    if values.iter().all(|value| same(value, first)) {
        return Ok(Body::Constant(first.to_vec()).into());
    }
    let body = match (context.kind, context.times) {
        (SlotKind::Time, times) => as_time(values, times, out)?,
        (SlotKind::Word, Some(times)) => as_epoch(values, times, out)?,
        _ => None,
    };
    if let Some(body) = body {
        return Ok(body.into());
    }
    if context.kind == SlotKind::Raw
        && context.depth < NEST_MAX
        && let Some(body) = as_lines(values, context.depth, out)?
    {
        return Ok(body.into());
    }
    if let Some(few) = few_numbers(values, context, out)? {
        return Ok(few);
    }
    if let Some((body, range)) = as_numbers(values, &mut out.blocks)? {
        return Ok(Encoded { body, range, entries: None });
    }
    if out.learned.may_be_few(context.key) {
        let dictionary = as_dictionary(values, usize::MAX, &mut out.blocks)?;
        out.learned.were_few(context.key, dictionary.is_some());
        if let Some((body, entries)) = dictionary {
            return Ok(Encoded { body, range: None, entries: Some(entries) });
        }
    }
    let spaced = |value: &[u8]| value.iter().any(|b| is_delimiter(*b));
    let nests = context.kind == SlotKind::Quoted && context.depth < NEST_MAX && values.len() >= NEST_ROWS_MIN;
    if nests && values.iter().take(64).any(|v| spaced(v)) {
        let nested = node(values, &|_| 0, None, context.depth + 1, out)?;
        return Ok(Body::Nested(Box::new(nested)).into());
    }
    let (prefix, suffix) = affixes(values);
    if prefix > 0 || suffix > 0 {
        let inner: Vec<&[u8]> = values.iter().map(|value| &value[prefix..value.len() - suffix]).collect();
        let inner = match as_numbers(&inner, &mut out.blocks)? {
            Some((body, _)) => body,
            None => plain(&inner, out)?,
        };
        let suffix = first[first.len() - suffix..].to_vec();
        return Ok(Body::Affix { prefix: first[..prefix].to_vec(), suffix, inner: Box::new(inner) }.into());
    }
    Ok(plain(values, out)?.into())
}

/// Different numbers up to which numbering them takes less than the numbers themselves.
const FEW_NUMBERS_MAX: usize = 256;

/// A dictionary of numbers, where they are few but far from each other (process numbers of daemons, addresses of a few
/// machines): then a byte stands for each.
fn few_numbers<'v>(values: &[&'v [u8]], context: &Context<'_>, out: &mut Output<'_>) -> Result<Option<Encoded<'v>>> {
    let wide = values.len() >= FEW_NUMBERS_MIN && values[0].len() > 2 && values[0].last().is_some_and(u8::is_ascii_digit);
    let key = context.key.numbers();
    if !wide || !out.learned.may_be_few(key) {
        return Ok(None);
    }
    let dictionary = as_dictionary(values, FEW_NUMBERS_MAX, &mut out.blocks)?;
    out.learned.were_few(key, dictionary.is_some());
    Ok(dictionary.map(|(body, entries)| Encoded { body, range: None, entries: Some(entries) }))
}

/// Values from which numbering different numbers may pay.
const FEW_NUMBERS_MIN: usize = if cfg!(test) { 16 } else { 256 };

fn plain(values: &[&[u8]], out: &mut Output<'_>) -> Result<Body> {
    let lengths: Vec<i64> = values.iter().map(|v| v.len() as i64).collect();
    let lengths = put_ints(&lengths, &mut out.blocks)?;
    Ok(Body::Plain { lengths, bytes: out.blocks.put(Kind::Text, &values.concat())? })
}

fn as_time(values: &[&[u8]], times: Option<&[i64]>, out: &mut Output<'_>) -> Result<Option<Body>> {
    let Some((_, layout, _)) = time::parse(values[0]) else { return Ok(None) };
    let mut nanos: Vec<i64> = Vec::with_capacity(values.len());
    let mut last: &[u8] = &[];
    for value in values {
        if let (true, Some(read)) = (same(value, last), nanos.last()) {
            nanos.push(*read);
            continue;
        }
        match time::parse(value) {
            Some((read, same, len)) if same == layout && len == value.len() => nanos.push(read),
            _ => return Ok(None),
        }
        last = value;
    }
    if let Some(times) = times
        && let Some(body) = relative(&nanos, times, layout, out)?
    {
        return Ok(Some(body));
    }
    Ok(Some(Body::Time { layout: layout.code(), relative: false, ints: put_ints(&nanos, &mut out.blocks)? }))
}

/// Times by what they differ in from the events' times: where these were read from this very place, the difference is
/// the zone, one number a page.
fn relative(nanos: &[i64], times: &[i64], layout: Layout, out: &mut Output<'_>) -> Result<Option<Body>> {
    let relative: Vec<i64> = nanos.iter().zip(times).map(|(a, b)| a.wrapping_sub(*b)).collect();
    if relative.windows(2).filter(|pair| pair[0] != pair[1]).count() > nanos.len() / 16 {
        return Ok(None);
    }
    Ok(Some(Body::Time { layout: layout.code(), relative: true, ints: put_ints(&relative, &mut out.blocks)? }))
}

/// Seconds since 1970, and the like, where the events' times were read from them; else they are numbers like others.
fn as_epoch(values: &[&[u8]], times: &[i64], out: &mut Output<'_>) -> Result<Option<Body>> {
    let Some((_, layout)) = time::epoch(values[0]) else { return Ok(None) };
    let read = values.iter().map(|value| time::epoch(value).filter(|(_, same)| *same == layout).map(|(nanos, _)| nanos));
    let Some(nanos) = read.collect::<Option<Vec<i64>>>() else { return Ok(None) };
    relative(&nanos, times, layout, out)
}

/// Whether the events' times were read from these words, as far as a few of them tell.
pub fn tells_time(values: &[&[u8]], times: &[i64]) -> bool {
    let differs = |at: usize| Some(time::epoch(values[at])?.0.wrapping_sub(times[at]));
    let step = values.len().div_ceil(TIMES_LOOKED_AT).max(1);
    !values.is_empty() && differs(0).is_some() && (0..values.len()).step_by(step).all(|at| differs(at) == differs(0))
}

/// Words that are looked at to see whether they are the events' times.
const TIMES_LOOKED_AT: usize = 16;

/// Lengths of what all values begin and end with; never within a number, so that what is left may be one.
fn affixes(values: &[&[u8]]) -> (usize, usize) {
    let first = values[0];
    let (mut prefix, mut suffix) = (first.len(), first.len());
    let mut shortest = first.len();
    for value in &values[1..] {
        prefix = first.iter().zip(*value).take(prefix).take_while(|(a, b)| a == b).count();
        suffix = first.iter().rev().zip(value.iter().rev()).take(suffix).take_while(|(a, b)| a == b).count();
        shortest = shortest.min(value.len());
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
    if prefix + suffix > shortest {
        suffix = shortest.saturating_sub(prefix);
        prefix = prefix.min(shortest);
    }
    (prefix, suffix)
}
