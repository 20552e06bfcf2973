//! One segment file: every byte of it, every page, every stream, and what the catalog says of it.

use super::folder::whole;
use super::{ByteRange, Check, EventRange, Severity};
use crate::segment::decode::{self, Values};
use crate::segment::hosts;
use crate::segment::meta::{Body, NodeMeta, PageMeta, PatternMeta, ZONE_ROWS};
use crate::segment::{Blocks, MAGIC, Segment, SegmentMeta, stamp};
use std::path::Path;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_pattern::Piece;
use taffrail_pattern::text::tokens;

const RESTORE: &str = "restore the file from a copy; its seal in evidence/ tells whether it is the right one. Until then searches give the rest and \
                       say what is missing";
const BUG: &str = "its checksums are right, so it was written like this: please report it, and keep the file";
const CATALOG: &str = "restore the catalog or the file, whichever is not the right one, from a copy";

/// Findings about one segment before the rest is only counted: a file of zeros is one problem, not thousands.
const FINDINGS_MAX: u64 = 50;

/// What is known of a segment while it is checked.
struct Look<'c, 'w> {
    check: &'c mut Check<'w>,
    path: &'c Path,
    meta: SegmentMeta,
    told: u64,
}

impl Check<'_> {
    /// Checks a segment; `NotFound` when there is no file.
    pub(super) fn segment(&mut self, path: &Path, meta: &SegmentMeta) -> Result<()> {
        let io = |e| Error::io(path.display(), e);
        let file = self.vfs.open_read(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len;
        self.checked.segments += 1;
        self.checked.segment_bytes += len;
        let mut look = Look { check: self, path, meta: meta.clone(), told: 0 };
        look.outside(&*file, len).map_err(io)?;
        let (vfs, path) = (look.check.vfs.clone(), path.to_owned());
        let segment = match Segment::open(&vfs, path.clone(), SegmentMeta { events: SegmentMeta::EVENTS_UNKNOWN, ..meta.clone() }) {
            Ok(segment) => segment,
            Err(error) => return look.unreadable(error),
        };
        let rows = segment.footer().events.rows;
        let listed = meta.events != SegmentMeta::EVENTS_UNKNOWN;
        if listed && u64::from(rows) != meta.events {
            let what = format!("it holds {rows} events, but the catalog says {}", meta.events);
            look.tell(Severity::Damage, None, None, what, CATALOG);
        }
        look.meta.events = rows.into();
        let segment = match Segment::open(&vfs, path, look.meta.clone()) {
            Ok(segment) => segment,
            Err(error) => return look.unreadable(error),
        };
        look.check.checked.events += u64::from(rows);
        look.blocks(&segment, len)?;
        if !look.check.options.quick {
            look.content(&segment, listed)?;
        }
        look.finish();
        Ok(())
    }
}

impl Look<'_, '_> {
    fn tell(&mut self, severity: Severity, bytes: Option<ByteRange>, events: Option<EventRange>, what: impl Into<String>, remedy: &str) {
        self.told += 1;
        if self.told <= FINDINGS_MAX {
            self.check.tell_range(severity, self.path, bytes, events, what, remedy);
        }
    }

    fn finish(&mut self) {
        if let Some(more) = self.told.checked_sub(FINDINGS_MAX).filter(|more| *more > 0) {
            self.check.tell(Severity::Damage, self.path, format!("{more} further findings in this file"), RESTORE);
        }
    }

    /// An error about stored bytes is a finding; others end the check.
    fn damage(&mut self, error: Error, events: Option<EventRange>) -> Result<()> {
        if error.kind() != ErrorKind::Corrupt {
            return Err(error);
        }
        self.tell(Severity::Damage, None, events, error.message(), RESTORE);
        Ok(())
    }

    /// The footer cannot be read: nothing of the segment can.
    fn unreadable(&mut self, error: Error) -> Result<()> {
        let events = (self.meta.events != SegmentMeta::EVENTS_UNKNOWN).then(|| whole(&self.meta));
        self.damage(error, events)
    }

    /// Length and first bytes: what no checksum of a block covers.
    fn outside(&mut self, file: &dyn taffrail_base::VfsFile, len: u64) -> std::io::Result<()> {
        if len != self.meta.stored_bytes {
            let what = format!("it has {len} bytes, but the catalog says {}", self.meta.stored_bytes);
            self.tell(Severity::Damage, None, None, what, RESTORE);
        }
        let mut magic = [0; MAGIC.len() * 2];
        if len >= magic.len() as u64 {
            let (first, last) = magic.split_at_mut(MAGIC.len());
            file.read_exact_at(first, 0)?;
            file.read_exact_at(last, len - MAGIC.len() as u64)?;
            if first != last {
                let bytes = ByteRange { start: 0, end: MAGIC.len() as u64 };
                self.tell(Severity::Damage, Some(bytes), None, "its first bytes are not those of a segment of its version", RESTORE);
            }
        }
        Ok(())
    }

    /// Every block's checksum and length, and that blocks and footer fill the file.
    fn blocks(&mut self, segment: &Segment, len: u64) -> Result<()> {
        let mut places: Vec<(u64, u64)> = vec![(0, MAGIC.len() as u64)];
        for (number, block) in segment.footer().blocks.iter().enumerate() {
            self.check.checked.blocks += 1;
            let end = block.offset.saturating_add(block.stored_len.into());
            if let Err(error) = segment.check_block(number as u32) {
                if error.kind() != ErrorKind::Corrupt {
                    return Err(error);
                }
                let what = format!("block {number}: {}", error.message());
                self.tell(Severity::Damage, Some(ByteRange { start: block.offset, end }), None, what, RESTORE);
            }
            if block.stored_len > 0 {
                places.push((block.offset, end));
            }
        }
        places.sort_unstable();
        let footer = segment.footer_offset(len)?;
        places.push((footer, len));
        for pair in places.windows(2) {
            if pair[0].1 != pair[1].0 {
                let (start, end) = (pair[0].1.min(pair[1].0), pair[0].1.max(pair[1].0));
                self.tell(
                    Severity::Damage,
                    Some(ByteRange { start, end }),
                    None,
                    "blocks overlap, or bytes between them belong to none",
                    BUG,
                );
            }
        }
        Ok(())
    }

    /// Every stream and page, and that they fit together and the catalog.
    fn content(&mut self, segment: &Segment, listed: bool) -> Result<()> {
        let blocks = Blocks::new(segment);
        self.streams(segment, &blocks, listed)?;
        let rows = match blocks.rows() {
            Ok(rows) => Some(rows),
            Err(error) => {
                self.damage(error, Some(whole(&self.meta.clone())))?;
                None
            }
        };
        for page in &segment.footer().dictionaries {
            self.check.checked.pages += 1;
            match blocks.page(page).and_then(|values| wrong(&blocks, page, &values)) {
                Ok(what) => what.into_iter().for_each(|what| self.tell(Severity::Damage, None, None, what, BUG)),
                Err(error) => self.damage(error, None)?,
            }
        }
        let node = &segment.footer().events;
        let text = |pattern: &PatternMeta| -> usize {
            pattern.pattern.pieces().iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 0 }).sum()
        };
        let mut raw_bytes = Some(node.patterns.iter().map(|pattern| text(pattern) as u64 * u64::from(pattern.rows)).sum());
        for column in columns(node, rows.as_ref().map(|rows| &rows[..])) {
            // Pages are let go of with each column: a large segment is never decoded as a whole.
            let found = self.column(&Blocks::with_streams_of(&blocks), &column)?;
            raw_bytes = raw_bytes.zip(found).map(|(sum, bytes): (u64, u64)| sum + bytes);
        }
        if !listed {
            return Ok(());
        }
        if let Some(bytes) = raw_bytes.filter(|bytes| *bytes != self.meta.raw_bytes) {
            let what = format!("its events have {bytes} bytes, but the catalog says {}", self.meta.raw_bytes);
            self.tell(Severity::Damage, None, None, what, CATALOG);
        }
        let patterns = node.patterns.len() as u64;
        if patterns != self.meta.patterns {
            let what = format!("it holds {patterns} patterns, but the catalog says {}", self.meta.patterns);
            self.tell(Severity::Damage, None, None, what, CATALOG);
        }
        Ok(())
    }

    fn streams(&mut self, segment: &Segment, blocks: &Blocks<'_>, listed: bool) -> Result<()> {
        let footer = segment.footer();
        let all = whole(&self.meta);
        match blocks.times() {
            Ok(times) => {
                let range = (times.iter().min().copied(), times.iter().max().copied());
                let said = (Some(self.meta.min_time.nanos()), Some(self.meta.max_time.nanos()));
                if listed && range != said && !times.is_empty() {
                    self.tell(Severity::Damage, None, None, "the range of its event times is not the one that the catalog says", CATALOG);
                }
            }
            Err(error) => self.damage(error, Some(all.clone()))?,
        }
        if let Some((least, spans)) = footer.zones
            && let Ok(times) = blocks.times()
        {
            let chunks = times.len().div_ceil(ZONE_ROWS);
            match (decode::read_ints(blocks, least, chunks), decode::read_ints(blocks, spans, chunks)) {
                (Ok(least), Ok(spans)) => {
                    let inside = |(number, time): (usize, &i64)| {
                        let zone = number / ZONE_ROWS;
                        *time >= least[zone] && time.wrapping_sub(least[zone]) as u64 <= spans[zone] as u64
                    };
                    if !times.iter().enumerate().all(inside) {
                        self.tell(Severity::Damage, None, None, "event times are outside of the zones that the directory says", BUG);
                    }
                }
                (Err(error), _) | (_, Err(error)) => self.damage(error, None)?,
            }
        }
        // Where the catalog says nothing, the numbers have nothing to fit to.
        if let Err(error) = blocks.arrival()
            && listed
        {
            self.damage(error, Some(all.clone()))?;
        }
        if let Err(error) = hosts::read(blocks) {
            self.damage(error, Some(all.clone()))?;
        }
        let streams: [(&str, _, &dyn Fn(i64) -> bool); 2] =
            [("receive times", footer.received, &|_| true), ("problems", footer.problems, &|bits| u16::try_from(bits).is_ok())];
        for (name, place, fits) in streams {
            match blocks.stream(place) {
                Ok(values) if values.iter().all(|value| fits(*value)) => {}
                Ok(_) => {
                    self.tell(Severity::Damage, None, Some(all.clone()), format!("the stream of {name} has values that cannot be"), BUG)
                }
                Err(error) => self.damage(error, Some(all.clone()))?,
            }
        }
        Ok(())
    }

    /// The pages of a column. Gives the bytes of its values, if all can be read.
    fn column(&mut self, blocks: &Blocks<'_>, column: &Column<'_>) -> Result<Option<u64>> {
        let (mut bytes, mut start) = (Some(0), 0);
        for page in column.pages {
            self.check.checked.pages += 1;
            let rows = column.rows.as_ref().map(|rows| &rows[start..start + page.rows as usize]);
            start += page.rows as usize;
            let events = rows.and_then(|rows| self.events(rows));
            let times = || {
                let times = blocks.times()?;
                let rows = rows.ok_or_else(|| Error::corrupt(blocks.name(), "times of rows whose order cannot be read"))?;
                Ok(rows.iter().map(|row| times[*row as usize]).collect())
            };
            match decode::page(blocks, page, &times) {
                Ok(values) => {
                    let mut scratch = Vec::new();
                    let sum: u64 = (0..values.len()).map(|row| values.read(row, &mut scratch).len() as u64).sum();
                    bytes = bytes.map(|bytes: u64| bytes + sum);
                    let what = wrong(blocks, page, &values)?;
                    what.into_iter().for_each(|what| self.tell(Severity::Damage, None, events.clone(), what, BUG));
                }
                Err(error) => {
                    bytes = None;
                    self.damage(error, events)?;
                }
            }
        }
        Ok(bytes)
    }

    fn events(&self, rows: &[u32]) -> Option<EventRange> {
        let first = self.meta.first_sequence;
        let (from, to) = (rows.iter().min()?, rows.iter().max()?);
        let range = EventRange {
            index: self.meta.index.to_string(),
            first: first + u64::from(*from),
            last: first + u64::from(*to),
            count: rows.len() as u64,
        };
        Some(range)
    }
}

/// A column, which may be that of several patterns, and the segment's rows whose values it holds, in its order.
struct Column<'s> {
    pages: &'s [PageMeta],
    rows: Option<Vec<u32>>,
}

/// Each column of a node once.
fn columns<'s>(node: &'s NodeMeta, rows: Option<&[Vec<u32>]>) -> Vec<Column<'s>> {
    let none = || rows.map(|_| Vec::new());
    let mut columns: Vec<Column<'_>> = node.shared.iter().map(|pages| Column { pages, rows: none() }).collect();
    for (number, pattern) in node.patterns.iter().enumerate() {
        let mine = rows.map(|rows| &rows[number]);
        for column in &pattern.columns {
            let at = match column.shared {
                Some(shared) => shared as usize,
                None => {
                    columns.push(Column { pages: &column.pages, rows: none() });
                    columns.len() - 1
                }
            };
            if let (Some(all), Some(mine)) = (&mut columns[at].rows, mine) {
                all.extend_from_slice(mine);
            }
        }
    }
    columns
}

/// What a decoded page says of itself and does not keep.
fn wrong(blocks: &Blocks<'_>, page: &PageMeta, values: &Values) -> Result<Option<&'static str>> {
    if values.len() != page.rows as usize {
        return Ok(Some("a page has another number of values than the directory says"));
    }
    if let Some((least, greatest)) = page.range {
        let (Body::Integer { ints, .. }
        | Body::Decimal { ints, .. }
        | Body::Ipv4 { ints }
        | Body::Time { ints, .. }
        | Body::Shared { numbers: ints, .. }) = &page.body
        else {
            return Ok(Some("a range of numbers where none are"));
        };
        if decode::read_ints(blocks, *ints, page.rows as usize)?.iter().any(|number| !(least..=greatest).contains(number)) {
            return Ok(Some("a number is outside of the range that the directory says, so searches may pass it over"));
        }
    }
    let filter = match &page.filter {
        // What cannot be read is told with its block.
        Some((kind, place)) => blocks.filters(*place).ok().map(|block| (*kind, block, *place)),
        None => None,
    };
    let (mut scratch, mut last) = (Vec::new(), Vec::new());
    for row in 0..values.len() {
        let value = values.read(row, &mut scratch);
        if row > 0 && value == &last[..] {
            continue;
        }
        last.clear();
        last.extend_from_slice(value);
        if value.len() > page.max_len as usize {
            return Ok(Some("a value is longer than the directory says, so searches may pass it over"));
        }
        if stamp::mask(value) & !page.mask != 0 {
            return Ok(Some("a value has bytes that the directory says are not there, so searches may pass it over"));
        }
        if let Some((kind, block, place)) = &filter {
            let bits = block.range(*place)?;
            if !tokens(value).all(|token| stamp::may_hold(*kind, bits, token)) {
                return Ok(Some("a filter does not know a token that is there, so searches may pass it over"));
            }
        }
    }
    match &page.body {
        Body::Nested(node) => nested(blocks, node),
        Body::Lines(lines) => nested(blocks, &lines.list),
        _ => Ok(None),
    }
}

/// The pages of a nested node.
fn nested(blocks: &Blocks<'_>, node: &NodeMeta) -> Result<Option<&'static str>> {
    for page in columns(node, None).iter().flat_map(|column| column.pages) {
        let values = blocks.page(page)?;
        if let Some(what) = wrong(blocks, page, &values)? {
            return Ok(Some(what));
        }
    }
    Ok(None)
}
