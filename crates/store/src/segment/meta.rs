//! The directory of a segment: its tree of nodes, patterns, columns and pages, as the footer holds it.

use super::lines::LinesMeta;
use super::origins::{Making, OriginTable};
use super::stamp::FilterKind;
use super::wire::{Reader, put_bytes, put_signed, put_varint};
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::{Pattern, PatternId};

/// Where bytes are: a block, and a range of its uncompressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Columns that several patterns have rows in.
    pub shared: Vec<Arc<[PageMeta]>>,
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

/// A column: the values of a slot, in pages. Patterns may share one, each having rows of its own in it.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnMeta {
    pub pages: Arc<[PageMeta]>,
    /// The row of the column at which the rows of this pattern begin.
    pub first: u32,
    /// The page that this row is in, and the rows of the pages before it.
    from: (u32, u32),
    /// The number of the column among the node's shared ones, if it is one.
    pub shared: Option<u32>,
    /// Which classes of bytes stand in the values of any page.
    pub mask: u64,
    /// Length of the longest value.
    pub max_len: u32,
}

/// Rows of a pattern that stand in one page of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The page's number within the column.
    pub page: usize,
    /// Rows of the page that stand before the pattern's.
    pub skip: usize,
    /// The pattern's rows in the page.
    pub rows: usize,
    /// The first of these, among the pattern's rows.
    pub start: usize,
}

impl ColumnMeta {
    /// A column of these pages; its own for a pattern, or the rows from `first` on of a shared one.
    pub fn new(pages: Arc<[PageMeta]>, shared: Option<(u32, u32)>) -> Self {
        let (mask, max_len) = pages.iter().fold((0, 0), |(mask, len), page| (mask | page.mask, len.max(page.max_len)));
        let first = shared.map_or(0, |(_, first)| first);
        let mut from = (0u32, 0u32);
        for page in pages.iter() {
            let end = from.1.saturating_add(page.rows);
            if first < end {
                break;
            }
            from = (from.0 + 1, end);
        }
        Self { pages, first, from, shared: shared.map(|(number, _)| number), mask, max_len }
    }

    /// Where the `rows` rows of a pattern stand, in their order.
    pub fn runs(&self, rows: usize) -> impl Iterator<Item = Run> {
        let (number, mut before, mut start) = (self.from.0 as usize, self.from.1 as usize, 0usize);
        let pages = self.pages.iter().enumerate().skip(number).map_while(move |(page, meta)| {
            if start >= rows {
                return None;
            }
            let skip = self.first as usize + start - before;
            let run = Run { page, skip, rows: (meta.rows as usize - skip).min(rows - start), start };
            before += meta.rows as usize;
            start += run.rows;
            Some(run)
        });
        pages.filter(|run| run.rows > 0)
    }
}

/// A page: consecutive values of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct PageMeta {
    pub rows: u32,
    /// Which classes of bytes stand in the values (see [`super::stamp`]).
    pub mask: u64,
    /// Length of the longest value.
    pub max_len: u32,
    /// The least and the greatest number, where the values are stored as numbers.
    pub range: Option<(i64, i64)>,
    /// A filter of the values' tokens, and of what kind.
    pub filter: Option<(FilterKind, Place)>,
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
    /// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, as bytes.
    Uuid { upper: bool, bytes: Place },
    /// Values of one of the segment's dictionaries: the number of each row's.
    Shared { dictionary: u32, numbers: Place },
    /// Lines joined by line feeds, the different lines split into patterns again.
    Lines(Box<LinesMeta>),
}

/// A footer's content.
#[derive(Clone, Debug, PartialEq)]
pub struct Footer {
    /// The format's version, which decides how the rest is read.
    pub version: u8,
    pub blocks: Vec<BlockMeta>,
    /// The sourcetype of each class.
    pub classes: Vec<Arc<str>>,
    pub origins: OriginTable,
    pub time: Place,
    pub received: Place,
    pub origin: Place,
    pub problems: Place,
    /// The least event time of each chunk of [`ZONE_ROWS`] rows, and how much later the latest one is.
    pub zones: Option<(Place, Place)>,
    /// For each pattern, the slot that holds the host of its events (see [`super::hosts`]); empty where none has one.
    pub hosts: Vec<Option<u32>>,
    /// Values that recur across columns: each dictionary is a page whose rows are its entries.
    pub dictionaries: Vec<PageMeta>,
    pub events: NodeMeta,
    /// The arrival number of each event, where these do not follow each other.
    pub sequence: Option<Place>,
}

/// Rows in arrival order of which the range of event times is known.
pub const ZONE_ROWS: usize = if cfg!(test) { 16 } else { 4_096 };

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

fn put_filter(out: &mut Vec<u8>, filter: Option<&(FilterKind, Place)>) {
    out.push(filter.map_or(0, |(kind, _)| *kind as u8));
    if let Some((_, place)) = filter {
        put_place(out, place);
    }
}

fn filter(reader: &mut Reader<'_>) -> Result<Option<(FilterKind, Place)>> {
    Ok(match reader.byte()? {
        0 => None,
        1 => Some((FilterKind::BloomOfAll, place(reader)?)),
        2 => Some((FilterKind::BloomOfWords, place(reader)?)),
        3 => Some((FilterKind::Fuse, place(reader)?)),
        other => return Err(reader.damaged(format_args!("unknown filter {other}"))),
    })
}

impl Footer {
    /// Its bytes, as the newest version has them.
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
        put_origins(&mut out, &self.origins);
        for stream in [&self.time, &self.received, &self.origin, &self.problems] {
            put_place(&mut out, stream);
        }
        out.push(u8::from(self.zones.is_some()));
        if let Some((least, spans)) = &self.zones {
            put_place(&mut out, least);
            put_place(&mut out, spans);
        }
        let hosts = if self.hosts.iter().any(Option::is_some) { &self.hosts[..] } else { &[] };
        put_varint(&mut out, hosts.len() as u64);
        hosts.iter().for_each(|slot| put_varint(&mut out, slot.map_or(0, |slot| u64::from(slot) + 1)));
        put_varint(&mut out, self.dictionaries.len() as u64);
        self.dictionaries.iter().for_each(|dictionary| put_page(&mut out, dictionary));
        put_node(&mut out, &self.events);
        if let Some(sequence) = &self.sequence {
            put_option(&mut out, Some(sequence));
        }
        out
    }

    /// Reads the bytes back, as `version` spells them.
    pub fn decode(bytes: &[u8], version: u8, place_name: &str) -> Result<Self> {
        let mut reader = Reader::new(bytes, place_name);
        let reader = &mut reader;
        let blocks = many(reader, |r| {
            let (offset, stored_len, len) = (r.varint()?, r.small()?, r.small()?);
            let crc32c = u32::from_le_bytes(r.take(4)?.try_into().expect("four bytes"));
            Ok(BlockMeta { offset, stored_len, len, crc32c, compressed: r.byte()? != 0 })
        })?;
        let classes = many(reader, text)?;
        let origins = origins(reader, version)?;
        let (time, received, origin, problems) = (place(reader)?, place(reader)?, place(reader)?, place(reader)?);
        let zones = if version >= 2 && reader.byte()? != 0 { Some((place(reader)?, place(reader)?)) } else { None };
        let hosts = if version >= 3 { many(reader, |r| Ok(r.small()?.checked_sub(1)))? } else { Vec::new() };
        let dictionaries = if version >= 2 { many(reader, |r| page(r, 0, version))? } else { Vec::new() };
        let events = node(reader, 0, version)?;
        let mut referring = vec![0; dictionaries.len()];
        check_dictionaries(&events, &mut referring, reader)?;
        if dictionaries.iter().zip(&referring).any(|(page, rows)| u64::from(page.rows) > *rows) {
            return Err(reader.damaged("a dictionary of more entries than rows refer to it"));
        }
        if dictionaries
            .iter()
            .any(|page| matches!(page.body, Body::Shared { .. } | Body::Nested(_) | Body::Lines(_)) || page.body.is_relative())
        {
            return Err(reader.damaged("a dictionary that refers elsewhere"));
        }
        let has_slot = |(slot, pattern): (&Option<u32>, &PatternMeta)| slot.is_none_or(|slot| (slot as usize) < pattern.columns.len());
        if !hosts.is_empty() && (hosts.len() != events.patterns.len() || !hosts.iter().zip(&events.patterns).all(has_slot)) {
            return Err(reader.damaged("slots of hosts that do not fit the patterns"));
        }
        let hosts = if hosts.iter().any(Option::is_some) { hosts } else { Vec::new() };
        if let Some(wrong) = events.patterns.iter().find(|p| p.class as usize >= classes.len()) {
            return Err(reader.damaged(format_args!("pattern {} has no sourcetype", wrong.id)));
        }
        // Files of before such numbers end here.
        let sequence = if version < 2 || reader.is_empty() { None } else { option(reader)? };
        Ok(Self { version, blocks, classes, origins, time, received, origin, problems, zones, hosts, dictionaries, events, sequence })
    }
}

fn many<T>(reader: &mut Reader<'_>, mut one: impl FnMut(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = reader.count()?;
    (0..count).map(|_| one(reader)).collect()
}

/// Writes origins: what they are but for the host once, as most differ by the host alone.
fn put_origins(out: &mut Vec<u8>, origins: &OriginTable) {
    put_varint(out, origins.rests().len() as u64);
    origins.rests().iter().flatten().for_each(|part| put_bytes(out, part.as_bytes()));
    put_varint(out, origins.len() as u64);
    for (origin, rest) in origins.iter().zip(origins.numbers()) {
        put_varint(out, (*rest).into());
        put_bytes(out, origin.host.as_bytes());
    }
}

fn origins(reader: &mut Reader<'_>, version: u8) -> Result<OriginTable> {
    let mut making = Making::default();
    if version < 4 {
        for _ in 0..reader.count()? {
            let (host, rest) = (name(reader)?, [text(reader)?, text(reader)?, text(reader)?, text(reader)?]);
            making.add(host, rest.each_ref());
        }
        return Ok(making.finish());
    }
    let rests = many(reader, |r| Ok([text(r)?, text(r)?, text(r)?, text(r)?]))?;
    for _ in 0..reader.count()? {
        let Some(rest) = rests.get(reader.small()? as usize) else {
            return Err(reader.damaged("an origin of which only the host is there"));
        };
        making.add(name(reader)?, rest.each_ref());
    }
    Ok(making.finish())
}

fn text(reader: &mut Reader<'_>) -> Result<Arc<str>> {
    name(reader).map(Arc::from)
}

fn name<'r>(reader: &mut Reader<'r>) -> Result<&'r str> {
    let bytes = reader.sized()?;
    std::str::from_utf8(bytes).map_err(|_| reader.damaged("a name is not UTF-8"))
}

/// Whether every reference to a dictionary has one; counts the rows that refer to each.
fn check_dictionaries(node: &NodeMeta, referring: &mut [u64], reader: &Reader<'_>) -> Result<()> {
    let own = node.patterns.iter().flat_map(|pattern| &pattern.columns).filter(|column| column.shared.is_none());
    let pages = own.flat_map(|column| column.pages.iter()).chain(node.shared.iter().flat_map(|pages| pages.iter()));
    for page in pages {
        match &page.body {
            Body::Shared { dictionary, .. } => match referring.get_mut(*dictionary as usize) {
                Some(rows) => *rows += u64::from(page.rows),
                None => return Err(reader.damaged(format_args!("there is no dictionary {dictionary}"))),
            },
            Body::Nested(node) => check_dictionaries(node, referring, reader)?,
            Body::Lines(lines) => check_dictionaries(&lines.list, referring, reader)?,
            _ => {}
        }
    }
    Ok(())
}

fn put_node(out: &mut Vec<u8>, node: &NodeMeta) {
    put_varint(out, node.rows.into());
    put_option(out, node.order.as_ref());
    put_varint(out, node.shared.len() as u64);
    node.shared.iter().for_each(|pages| put_pages(out, pages));
    put_varint(out, node.patterns.len() as u64);
    for pattern in &node.patterns {
        put_varint(out, pattern.class.into());
        put_bytes(out, &pattern.pattern.key());
        put_varint(out, pattern.rows.into());
        for column in &pattern.columns {
            // Rows of a shared column stand in the order of the patterns, so where they begin needs no telling.
            put_varint(out, column.shared.map_or(0, |number| u64::from(number) + 1));
            if column.shared.is_none() {
                put_pages(out, &column.pages);
            }
        }
    }
}

fn put_pages(out: &mut Vec<u8>, pages: &[PageMeta]) {
    put_varint(out, pages.len() as u64);
    pages.iter().for_each(|page| put_page(out, page));
}

fn put_page(out: &mut Vec<u8>, page: &PageMeta) {
    put_varint(out, page.rows.into());
    put_varint(out, page.mask);
    put_varint(out, page.max_len.into());
    out.push(u8::from(page.range.is_some()));
    if let Some((least, greatest)) = page.range {
        put_signed(out, least);
        put_varint(out, greatest.wrapping_sub(least) as u64);
    }
    put_filter(out, page.filter.as_ref());
    put_body(out, &page.body);
}

fn node(reader: &mut Reader<'_>, depth: usize, version: u8) -> Result<NodeMeta> {
    if depth > DEPTH_MAX {
        return Err(reader.damaged("nested too deep"));
    }
    let rows = reader.small()?;
    let order = option(reader)?;
    let shared: Vec<Arc<[PageMeta]>> = if version >= 2 { many(reader, |r| pages(r, depth, version))? } else { Vec::new() };
    let mut taken = vec![0u64; shared.len()];
    let patterns = many(reader, |r| pattern(r, depth, version, &shared, &mut taken))?;
    let counted: u64 = patterns.iter().map(|p| u64::from(p.rows)).sum();
    if counted != u64::from(rows) {
        return Err(reader.damaged(format_args!("patterns of {counted} rows in a node of {rows}")));
    }
    if shared.iter().zip(&taken).any(|(pages, taken)| paged(pages) != *taken) {
        return Err(reader.damaged("a shared column of another length than the patterns that share it"));
    }
    if patterns.len() > 1 && order.is_none() {
        return Err(reader.damaged("a node without order"));
    }
    Ok(NodeMeta { rows, order, shared, patterns })
}

fn pattern(reader: &mut Reader<'_>, depth: usize, version: u8, shared: &[Arc<[PageMeta]>], taken: &mut [u64]) -> Result<PatternMeta> {
    let class = reader.small()?;
    let (id, pattern) = Pattern::interned(reader.sized()?).ok_or_else(|| reader.damaged("not a pattern"))?;
    let rows = reader.small()?;
    let columns = (0..pattern.slots())
        .map(|_| {
            let number = if version >= 2 { reader.varint()? } else { 0 };
            let Some(number) = number.checked_sub(1) else {
                let pages = pages(reader, depth, version)?;
                if paged(&pages) != u64::from(rows) {
                    return Err(reader.damaged(format_args!("a column of {} rows in a pattern of {rows}", paged(&pages))));
                }
                return Ok(ColumnMeta::new(pages, None));
            };
            let at = usize::try_from(number).ok().filter(|at| *at < shared.len());
            let at = at.ok_or_else(|| reader.damaged(format_args!("there is no shared column {number}")))?;
            let first = u32::try_from(taken[at]).map_err(|_| reader.damaged("a shared column beyond 32 bits"))?;
            taken[at] += u64::from(rows);
            Ok(ColumnMeta::new(shared[at].clone(), Some((at as u32, first))))
        })
        .collect::<Result<_>>()?;
    Ok(PatternMeta { class, id, pattern, rows, columns })
}

fn paged(pages: &[PageMeta]) -> u64 {
    pages.iter().map(|page| u64::from(page.rows)).sum()
}

fn pages(reader: &mut Reader<'_>, depth: usize, version: u8) -> Result<Arc<[PageMeta]>> {
    many(reader, |r| page(r, depth, version)).map(Arc::from)
}

fn page(reader: &mut Reader<'_>, depth: usize, version: u8) -> Result<PageMeta> {
    let rows = reader.small()?;
    let (mask, max_len) = (reader.varint()?, reader.small()?);
    let range = if version >= 2 && reader.byte()? != 0 {
        let least = reader.signed()?;
        Some((least, least.wrapping_add(reader.varint()? as i64)))
    } else {
        None
    };
    let filter = filter(reader)?;
    let body = body(reader, depth + 1, version)?;
    if let Body::Nested(node) = &body
        && node.rows != rows
    {
        return Err(reader.damaged("a nested node of another size than its page"));
    }
    Ok(PageMeta { rows, mask, max_len, range, filter, body })
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
        Body::Uuid { upper, bytes } => {
            out.extend_from_slice(&[10, u8::from(*upper)]);
            put_place(out, bytes);
        }
        Body::Shared { dictionary, numbers } => {
            out.push(11);
            put_varint(out, (*dictionary).into());
            put_place(out, numbers);
        }
        Body::Lines(lines) => {
            out.push(12);
            put_varint(out, lines.lines.into());
            put_place(out, &lines.counts);
            put_option(out, lines.numbers.as_ref());
            put_node(out, &lines.list);
        }
    }
}

fn body(reader: &mut Reader<'_>, depth: usize, version: u8) -> Result<Body> {
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
            Body::Affix { prefix, suffix, inner: Box::new(body(reader, depth + 1, version)?) }
        }
        9 => Body::Nested(Box::new(node(reader, depth + 1, version)?)),
        10 => Body::Uuid { upper: reader.byte()? != 0, bytes: place(reader)? },
        11 => Body::Shared { dictionary: reader.small()?, numbers: place(reader)? },
        12 => {
            let (lines, counts, numbers) = (reader.small()?, place(reader)?, option(reader)?);
            Body::Lines(Box::new(LinesMeta { lines, counts, numbers, list: node(reader, depth + 1, version)? }))
        }
        other => return Err(reader.damaged(format_args!("unknown encoding {other}"))),
    })
}

impl Body {
    /// Whether the values are spelled with the help of the events' times.
    pub fn is_relative(&self) -> bool {
        match self {
            Self::Time { relative, .. } => *relative,
            Self::Affix { inner, .. } => inner.is_relative(),
            _ => false,
        }
    }

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
            Self::Uuid { .. } => "uuid",
            Self::Shared { .. } => "shared",
            Self::Lines(_) => "lines",
        }
    }
}
