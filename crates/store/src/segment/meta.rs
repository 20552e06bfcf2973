//! The directory of a segment: its tree of nodes, patterns, columns and pages, as the footer holds it.

use super::stamp::Known;
use super::wire::{Reader, put_bytes, put_varint};
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::{Pattern, PatternId};

/// Where bytes are: a block, and a range of its uncompressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub block: u32,
    pub offset: u32,
    pub len: u32,
}

/// A block of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMeta {
    pub offset: u64,
    pub stored_len: u32,
    pub len: u32,
    pub crc32c: u32,
    pub compressed: bool,
}

/// Values in an order, split by pattern: a segment's events, or a column's values.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeMeta {
    pub rows: u32,
    /// The pattern of each row, in order; absent when there is one pattern only.
    pub order: Option<Place>,
    pub patterns: Vec<PatternMeta>,
}

/// A pattern within a node.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternMeta {
    /// The number of the sourcetype, at the top node.
    pub class: u32,
    pub pattern: Arc<Pattern>,
    pub id: PatternId,
    pub rows: u32,
    /// One for each slot.
    pub columns: Vec<ColumnMeta>,
}

/// A column: the values of a slot, in pages.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnMeta {
    pub pages: Vec<PageMeta>,
}

/// A page: consecutive values of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct PageMeta {
    pub rows: u32,
    /// Which classes of bytes stand in the values (see [`super::stamp`]).
    pub mask: u64,
    /// Length of the longest value.
    pub max_len: u32,
    /// A filter of the values' tokens, and which of them it knows.
    pub filter: Option<(Known, Place)>,
    pub body: Body,
}

/// How the values of a page are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// All alike.
    Constant(Vec<u8>),
    /// Decimal integers; `width` digits padded by zeros, or 0 for the plain spelling.
    Integer { width: u8, ints: Place },
    /// Numbers with `scale` digits after the point.
    Decimal { scale: u8, ints: Place },
    /// `a.b.c.d`
    Ipv4 { ints: Place },
    /// Hexadecimal digits, all of `len` bytes, as bytes.
    Hex { len: u32, upper: bool, bytes: Place },
    /// Times of one layout; `relative`: as differences from the event's time.
    Time { layout: [u8; 6], relative: bool, ints: Place },
    /// Few different values, and the number of each row's.
    Dictionary { count: u32, lengths: Place, bytes: Place, numbers: Place },
    /// Lengths, then all bytes.
    Plain { lengths: Place, bytes: Place },
    /// What all values begin and end with, and how the rest is stored.
    Affix { prefix: Vec<u8>, suffix: Vec<u8>, inner: Box<Body> },
    /// Patterns again.
    Nested(Box<NodeMeta>),
}

/// A footer's content.
#[derive(Clone, Debug, PartialEq)]
pub struct Footer {
    pub blocks: Vec<BlockMeta>,
    /// The sourcetype of each class.
    pub classes: Vec<Arc<str>>,
    pub origins: Vec<[Arc<str>; 5]>,
    pub time: Place,
    pub received: Place,
    pub origin: Place,
    pub problems: Place,
    pub events: NodeMeta,
    /// The arrival number of each event, where these do not follow each other (version 2).
    pub sequence: Option<Place>,
}

/// Deepest nesting of nodes and affixes that is read; the writer makes at most half of it.
const DEPTH_MAX: usize = 8;

fn put_place(out: &mut Vec<u8>, place: &Place) {
    put_varint(out, place.block.into());
    put_varint(out, place.offset.into());
    put_varint(out, place.len.into());
}

fn place(reader: &mut Reader<'_>) -> Result<Place> {
    Ok(Place { block: reader.small()?, offset: reader.small()?, len: reader.small()? })
}

fn put_option(out: &mut Vec<u8>, value: Option<&Place>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put_place(out, value);
    }
}

fn option(reader: &mut Reader<'_>) -> Result<Option<Place>> {
    Ok(match reader.byte()? {
        0 => None,
        _ => Some(place(reader)?),
    })
}

fn put_filter(out: &mut Vec<u8>, filter: Option<&(Known, Place)>) {
    out.push(match filter {
        None => 0,
        Some((Known::All, _)) => 1,
        Some((Known::Words, _)) => 2,
    });
    if let Some((_, place)) = filter {
        put_place(out, place);
    }
}

fn filter(reader: &mut Reader<'_>) -> Result<Option<(Known, Place)>> {
    Ok(match reader.byte()? {
        0 => None,
        1 => Some((Known::All, place(reader)?)),
        2 => Some((Known::Words, place(reader)?)),
        other => return Err(reader.damaged(format_args!("unknown filter {other}"))),
    })
}

impl Footer {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            put_varint(&mut out, block.offset);
            put_varint(&mut out, block.stored_len.into());
            put_varint(&mut out, block.len.into());
            out.extend_from_slice(&block.crc32c.to_le_bytes());
            out.push(u8::from(block.compressed));
        }
        put_varint(&mut out, self.classes.len() as u64);
        self.classes.iter().for_each(|class| put_bytes(&mut out, class.as_bytes()));
        put_varint(&mut out, self.origins.len() as u64);
        self.origins.iter().flatten().for_each(|part| put_bytes(&mut out, part.as_bytes()));
        for stream in [&self.time, &self.received, &self.origin, &self.problems] {
            put_place(&mut out, stream);
        }
        put_node(&mut out, &self.events);
        if let Some(sequence) = &self.sequence {
            put_option(&mut out, Some(sequence));
        }
        out
    }

    /// Reads the bytes back.
    pub fn decode(bytes: &[u8], place_name: &str) -> Result<Self> {
        let mut reader = Reader::new(bytes, place_name);
        let reader = &mut reader;
        let blocks = many(reader, |r| {
            let (offset, stored_len, len) = (r.varint()?, r.small()?, r.small()?);
            let crc32c = u32::from_le_bytes(r.take(4)?.try_into().expect("four bytes"));
            Ok(BlockMeta { offset, stored_len, len, crc32c, compressed: r.byte()? != 0 })
        })?;
        let classes = many(reader, text)?;
        let origins = many(reader, |r| Ok([text(r)?, text(r)?, text(r)?, text(r)?, text(r)?]))?;
        let (time, received, origin, problems) = (place(reader)?, place(reader)?, place(reader)?, place(reader)?);
        let events = node(reader, 0)?;
        if let Some(wrong) = events.patterns.iter().find(|p| p.class as usize >= classes.len()) {
            return Err(reader.damaged(format_args!("pattern {} has no sourcetype", wrong.id)));
        }
        // Version 1 ends here.
        let sequence = if reader.is_empty() { None } else { option(reader)? };
        Ok(Self { blocks, classes, origins, time, received, origin, problems, events, sequence })
    }
}

fn many<T>(reader: &mut Reader<'_>, mut one: impl FnMut(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = reader.count()?;
    (0..count).map(|_| one(reader)).collect()
}

fn text(reader: &mut Reader<'_>) -> Result<Arc<str>> {
    let bytes = reader.sized()?;
    std::str::from_utf8(bytes).map(Arc::from).map_err(|_| reader.damaged("a name is not UTF-8"))
}

fn put_node(out: &mut Vec<u8>, node: &NodeMeta) {
    put_varint(out, node.rows.into());
    put_option(out, node.order.as_ref());
    put_varint(out, node.patterns.len() as u64);
    for pattern in &node.patterns {
        put_varint(out, pattern.class.into());
        put_bytes(out, &pattern.pattern.key());
        put_varint(out, pattern.rows.into());
        for column in &pattern.columns {
            put_varint(out, column.pages.len() as u64);
            for page in &column.pages {
                put_varint(out, page.rows.into());
                put_varint(out, page.mask);
                put_varint(out, page.max_len.into());
                put_filter(out, page.filter.as_ref());
                put_body(out, &page.body);
            }
        }
    }
}

fn node(reader: &mut Reader<'_>, depth: usize) -> Result<NodeMeta> {
    if depth > DEPTH_MAX {
        return Err(reader.damaged("nested too deep"));
    }
    let rows = reader.small()?;
    let order = option(reader)?;
    let patterns = many(reader, |r| {
        let class = r.small()?;
        let pattern = Pattern::from_key(r.sized()?).ok_or_else(|| r.damaged("not a pattern"))?;
        let rows = r.small()?;
        let columns = (0..pattern.slots())
            .map(|_| {
                let pages = many(r, |r| page(r, depth))?;
                let paged: u64 = pages.iter().map(|p| u64::from(p.rows)).sum();
                if paged != u64::from(rows) {
                    return Err(r.damaged(format_args!("a column of {paged} rows in a pattern of {rows}")));
                }
                Ok(ColumnMeta { pages })
            })
            .collect::<Result<_>>()?;
        Ok(PatternMeta { class, id: pattern.id(), pattern: Arc::new(pattern), rows, columns })
    })?;
    let counted: u64 = patterns.iter().map(|p| u64::from(p.rows)).sum();
    if counted != u64::from(rows) {
        return Err(reader.damaged(format_args!("patterns of {counted} rows in a node of {rows}")));
    }
    if patterns.len() > 1 && order.is_none() {
        return Err(reader.damaged("a node without order"));
    }
    Ok(NodeMeta { rows, order, patterns })
}

fn page(reader: &mut Reader<'_>, depth: usize) -> Result<PageMeta> {
    let rows = reader.small()?;
    let (mask, max_len, filter) = (reader.varint()?, reader.small()?, filter(reader)?);
    let body = body(reader, depth + 1)?;
    if let Body::Nested(node) = &body
        && node.rows != rows
    {
        return Err(reader.damaged("a nested node of another size than its page"));
    }
    Ok(PageMeta { rows, mask, max_len, filter, body })
}

fn put_body(out: &mut Vec<u8>, body: &Body) {
    match body {
        Body::Constant(value) => {
            out.push(0);
            put_bytes(out, value);
        }
        Body::Integer { width, ints } => {
            out.extend_from_slice(&[1, *width]);
            put_place(out, ints);
        }
        Body::Decimal { scale, ints } => {
            out.extend_from_slice(&[2, *scale]);
            put_place(out, ints);
        }
        Body::Ipv4 { ints } => {
            out.push(3);
            put_place(out, ints);
        }
        Body::Hex { len, upper, bytes } => {
            out.extend_from_slice(&[4, u8::from(*upper)]);
            put_varint(out, (*len).into());
            put_place(out, bytes);
        }
        Body::Time { layout, relative, ints } => {
            out.extend_from_slice(&[5, u8::from(*relative)]);
            out.extend_from_slice(layout);
            put_place(out, ints);
        }
        Body::Dictionary { count, lengths, bytes, numbers } => {
            out.push(6);
            put_varint(out, (*count).into());
            [lengths, bytes, numbers].iter().for_each(|p| put_place(out, p));
        }
        Body::Plain { lengths, bytes } => {
            out.push(7);
            [lengths, bytes].iter().for_each(|p| put_place(out, p));
        }
        Body::Affix { prefix, suffix, inner } => {
            out.push(8);
            put_bytes(out, prefix);
            put_bytes(out, suffix);
            put_body(out, inner);
        }
        Body::Nested(node) => {
            out.push(9);
            put_node(out, node);
        }
    }
}

fn body(reader: &mut Reader<'_>, depth: usize) -> Result<Body> {
    if depth > DEPTH_MAX {
        return Err(reader.damaged("nested too deep"));
    }
    Ok(match reader.byte()? {
        0 => Body::Constant(reader.sized()?.to_vec()),
        1 => Body::Integer { width: reader.byte()?, ints: place(reader)? },
        2 => Body::Decimal { scale: reader.byte()?, ints: place(reader)? },
        3 => Body::Ipv4 { ints: place(reader)? },
        4 => Body::Hex { upper: reader.byte()? != 0, len: reader.small()?, bytes: place(reader)? },
        5 => {
            let relative = reader.byte()? != 0;
            let layout = reader.take(6)?.try_into().expect("six bytes");
            Body::Time { layout, relative, ints: place(reader)? }
        }
        6 => Body::Dictionary { count: reader.small()?, lengths: place(reader)?, bytes: place(reader)?, numbers: place(reader)? },
        7 => Body::Plain { lengths: place(reader)?, bytes: place(reader)? },
        8 => {
            let (prefix, suffix) = (reader.sized()?.to_vec(), reader.sized()?.to_vec());
            Body::Affix { prefix, suffix, inner: Box::new(body(reader, depth + 1)?) }
        }
        9 => Body::Nested(Box::new(node(reader, depth + 1)?)),
        other => return Err(reader.damaged(format_args!("unknown encoding {other}"))),
    })
}

impl Body {
    /// The encoding's name, for `stat` and tests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Integer { .. } => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Ipv4 { .. } => "ipv4",
            Self::Hex { .. } => "hex",
            Self::Time { .. } => "time",
            Self::Dictionary { .. } => "dictionary",
            Self::Plain { .. } => "plain",
            Self::Affix { inner, .. } => inner.name(),
            Self::Nested(_) => "nested",
        }
    }
}
