//! The immutable file of one index: patterns, columns of variables, and the streams of arrival order, time
//! and origin. The layout is specified in `docs/formats/segment.md`.

mod blocks;
mod builder;
mod cache;
pub(crate) mod cursor;
pub(crate) mod decode;
mod encode;
mod fuse;
pub mod grams;
pub(crate) mod hosts;
mod inspect;
pub(crate) mod ints;
pub(crate) mod lines;
pub(crate) mod merge;
pub(crate) mod meta;
pub(crate) mod origins;
pub(crate) mod render;
pub(crate) mod stamp;
pub(crate) mod strings;
pub(crate) mod summary;
pub(crate) mod wire;

pub use builder::{Keep, SegmentBuilder, encode_all, encode_some};
pub use cache::BlockCache;
pub use encode::Learned;
pub use merge::merge;
pub use origins::OriginRef;
pub use render::Frame;

use decode::Values;
use grams::{GRAMMED_TEXT_MAX, Grams};
use meta::{Footer, PageMeta, Place};
use origins::OriginTable;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use strings::Strings;
use taffrail_base::{Error, Result, Ulid, Vfs, VfsFile};
use taffrail_event::Timestamp;
use wire::Reader;

/// What every segment file begins with: the name and the format's version, here the newest.
pub const MAGIC: [u8; 8] = *b"TAFSEG\x00\x04";

/// Bytes after the footer: its offset, its stored length, its length, its checksum, the magic again.
const TRAILER_BYTES: usize = 8 + 4 + 4 + 4 + 8;

/// Longest footer or block that is read: more is damage, not data.
const UNPACKED_BYTES_MAX: u32 = 1 << 30;

/// What the catalog knows of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMeta {
    /// Its identity; also its file name.
    pub id: Ulid,
    /// The index it belongs to.
    pub index: Arc<str>,
    /// Events in it.
    pub events: u64,
    /// Bytes of these events.
    pub raw_bytes: u64,
    /// Bytes of the file; 0 while in memory.
    pub stored_bytes: u64,
    /// Patterns in it.
    pub patterns: u64,
    /// The earliest event time.
    pub min_time: Timestamp,
    /// The latest event time.
    pub max_time: Timestamp,
    /// The arrival number, within the index, of its first event.
    pub first_sequence: u64,
    /// The arrival number after its last event. Where it is `first_sequence + events` they are consecutive.
    pub end_sequence: u64,
    /// What tells without opening the file that it holds no matching event (see [`summary`]); may be empty.
    pub summary: Arc<[u8]>,
}

impl SegmentMeta {
    /// In [`SegmentMeta::events`]: nobody has said; for looking at a file without its catalog.
    pub const EVENTS_UNKNOWN: u64 = u64::MAX;
}

#[derive(Debug)]
enum Source {
    Memory(Vec<u8>),
    File(Box<dyn VfsFile>),
}

/// An opened segment: its directory is in memory, its blocks are read when needed.
#[derive(Debug)]
pub struct Segment {
    meta: SegmentMeta,
    name: String,
    source: Source,
    footer: Footer,
    directory_bytes: usize,
    /// The filters, once they have been asked for.
    filters: OnceLock<Arc<Block>>,
    /// The ranges of event times, once they have been asked for.
    zones: OnceLock<Zones>,
    /// Of integers that were asked for one by one: from where they can be added up. Less than the directory takes.
    marks: Mutex<FxHashMap<Place, Arc<Vec<i64>>>>,
    /// Of short texts that were looked through.
    grams: Mutex<FxHashMap<Place, Arc<Grams>>>,
    /// Where unpacked blocks are kept.
    cache: Option<Arc<BlockCache>>,
}

/// The range of event times in each chunk of [`meta::ZONE_ROWS`] rows, in arrival order.
#[derive(Debug)]
pub struct Zones {
    /// The earliest time in each chunk.
    pub least: Vec<i64>,
    /// The latest time in each chunk.
    pub greatest: Vec<i64>,
}

/// A block's uncompressed bytes.
#[derive(Debug)]
pub struct Block(Vec<u8>, String);

impl Block {
    /// The block of a segment that errors call `name`.
    fn new(bytes: Vec<u8>, name: &str) -> Self {
        Self(bytes, name.to_owned())
    }

    /// All its bytes.
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it has.
    fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes at a place.
    pub fn range(&self, place: Place) -> Result<&[u8]> {
        let end = place.offset as usize + place.len as usize;
        self.0.get(place.offset as usize..end).ok_or_else(|| Error::corrupt(&self.1, "a page lies outside of its block"))
    }
}

impl Segment {
    /// Opens a segment file: reads and checks its footer only.
    pub fn open(vfs: &Arc<dyn Vfs>, path: PathBuf, meta: SegmentMeta) -> Result<Arc<Self>> {
        Self::open_cached(vfs, path, meta, None)
    }

    /// As [`Segment::open`]; unpacked blocks are kept in `cache`, where the segment's id has to be unique.
    pub fn open_cached(vfs: &Arc<dyn Vfs>, path: PathBuf, meta: SegmentMeta, cache: Option<Arc<BlockCache>>) -> Result<Arc<Self>> {
        let name = path.display().to_string();
        let file = vfs.open_read(&path).map_err(|e| Error::io(&name, e))?;
        Self::open_file(name, file, meta, cache)
    }

    /// The same of an open file, which errors call `name`.
    pub fn open_file(name: String, file: Box<dyn VfsFile>, meta: SegmentMeta, cache: Option<Arc<BlockCache>>) -> Result<Arc<Self>> {
        let len = file.metadata().map_err(|e| Error::io(&name, e))?.len;
        Self::read(name, Source::File(file), len, meta, cache)
    }

    /// Opens a segment whose bytes are in memory.
    pub fn from_bytes(bytes: Vec<u8>, meta: SegmentMeta) -> Result<Arc<Self>> {
        let len = bytes.len() as u64;
        Self::read(format!("segment {} in memory", meta.id), Source::Memory(bytes), len, meta, None)
    }

    fn read(name: String, source: Source, len: u64, meta: SegmentMeta, cache: Option<Arc<BlockCache>>) -> Result<Arc<Self>> {
        let too_short = || Error::corrupt(&name, format_args!("{len} bytes are too few for a segment"));
        let trailer_at = len.checked_sub(TRAILER_BYTES as u64).filter(|at| *at >= MAGIC.len() as u64).ok_or_else(too_short)?;
        let trailer = source.read(trailer_at, TRAILER_BYTES, &name)?;
        let number = |at: usize| u32::from_le_bytes(trailer[at..at + 4].try_into().expect("four bytes"));
        let version = trailer[27];
        if trailer[20..27] != MAGIC[..7] || !(1..=MAGIC[7]).contains(&version) {
            return Err(Error::corrupt(&name, "does not end as a segment of a known version does"));
        }
        let offset = u64::from_le_bytes(trailer[..8].try_into().expect("eight bytes"));
        let (stored_len, unpacked, crc) = (number(8), number(12), number(16));
        if offset.checked_add(stored_len.into()) != Some(trailer_at) || unpacked > UNPACKED_BYTES_MAX {
            return Err(Error::corrupt(&name, "the footer's place is wrong"));
        }
        let stored = source.read(offset, stored_len as usize, &name)?;
        let block = meta::BlockMeta { offset, stored_len, len: unpacked, crc32c: crc, compressed: true };
        let footer = Footer::decode(&blocks::unpack(&block, &stored, &name)?, version, &name)?;
        if meta.events != SegmentMeta::EVENTS_UNKNOWN && u64::from(footer.events.rows) != meta.events {
            return Err(Error::corrupt(&name, format_args!("{} events where the catalog has {}", footer.events.rows, meta.events)));
        }
        let known = meta.events != SegmentMeta::EVENTS_UNKNOWN;
        if known && footer.sequence.is_none() && meta.first_sequence.checked_add(meta.events) != Some(meta.end_sequence) {
            return Err(Error::corrupt(&name, "the catalog has gaps in its arrival numbers, the file has none"));
        }
        Ok(Arc::new(Self {
            meta,
            name,
            source,
            directory_bytes: directory_bytes(&footer, unpacked as usize),
            footer,
            filters: OnceLock::new(),
            zones: OnceLock::new(),
            marks: Mutex::default(),
            grams: Mutex::default(),
            cache,
        }))
    }

    /// What the catalog knows of it.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// About how much memory it takes while it is open, beside blocks in a cache.
    pub(crate) fn directory_bytes(&self) -> usize {
        self.directory_bytes
    }

    /// The origins of its events, by number.
    pub fn origins(&self) -> &OriginTable {
        &self.footer.origins
    }

    pub(crate) fn footer(&self) -> &Footer {
        &self.footer
    }

    /// The sourcetype of a pattern's class.
    pub(crate) fn sourcetype(&self, class: u32) -> &Arc<str> {
        &self.footer.classes[class as usize]
    }

    /// Where the footer begins in a file of `len` bytes.
    pub(crate) fn footer_offset(&self, len: u64) -> Result<u64> {
        let trailer = self.source.read(len - TRAILER_BYTES as u64, 8, &self.name)?;
        Ok(u64::from_le_bytes(trailer.try_into().expect("eight bytes")))
    }

    /// A block's uncompressed bytes.
    pub(crate) fn block_bytes(&self, number: u32) -> Result<Vec<u8>> {
        self.load(number).map(|block| block.0)
    }

    /// Reads a block and checks it.
    pub(crate) fn check_block(&self, number: u32) -> Result<()> {
        self.load(number).map(drop)
    }

    /// Calls `each` with the arrival number and the bytes of every event, in arrival order.
    pub fn for_each_raw(&self, each: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        let blocks = Blocks::new(self);
        let arrival = blocks.arrival()?;
        let mut order = render::InOrder::new(&blocks, &self.footer.events)?;
        let mut renderer = render::Renderer::new(&blocks);
        let (mut hits, mut ends) = (Vec::new(), Vec::new());
        while order.row() < self.footer.events.rows as usize {
            let (mut row, mut done) = (order.row() as u32, 0);
            hits.clear();
            order.take(order.row() + render::RENDERED_ROWS, |_, _| true, &mut hits)?;
            while done < hits.len() {
                done += renderer.render(&hits[done..], render::Frame::Bare, render::RENDERED_BYTES, &mut ends)?;
                let mut from = 0;
                for end in &ends {
                    each(arrival.of(row), &renderer.bytes()[from..*end]);
                    (row, from) = (row + 1, *end);
                }
            }
        }
        Ok(())
    }

    /// A segment of a directory and of one block of bytes, which stands for all blocks it names: for fuzzing what
    /// checksums keep damage away from.
    pub(crate) fn of_directory(plain: &[u8], version: u8, filters: &[u8], bytes: &[u8], events_max: u32) -> Result<Arc<Self>> {
        let name = "a segment without checksums".to_owned();
        let mut footer = Footer::decode(plain, version, &name)?;
        if footer.events.rows > events_max || footer.blocks.len() > 64 {
            return Err(Error::corrupt(&name, "too large for this"));
        }
        let mut file = filters.to_vec();
        file.extend_from_slice(bytes);
        let block = |offset: usize, bytes: &[u8]| meta::BlockMeta {
            offset: offset as u64,
            stored_len: bytes.len() as u32,
            len: bytes.len() as u32,
            crc32c: crc32c::crc32c(bytes),
            compressed: false,
        };
        for (number, place) in footer.blocks.iter_mut().enumerate() {
            *place = if number == 0 { block(0, filters) } else { block(filters.len(), bytes) };
        }
        let meta = SegmentMeta {
            id: Ulid(1),
            index: "main".into(),
            events: footer.events.rows.into(),
            raw_bytes: 0,
            stored_bytes: file.len() as u64,
            patterns: footer.events.patterns.len() as u64,
            min_time: Timestamp::MIN,
            max_time: Timestamp::MAX,
            first_sequence: 1,
            end_sequence: 1 + u64::from(footer.events.rows),
            summary: Arc::default(),
        };
        Ok(Arc::new(Self {
            meta,
            name,
            source: Source::Memory(file),
            directory_bytes: directory_bytes(&footer, plain.len()),
            footer,
            filters: OnceLock::new(),
            zones: OnceLock::new(),
            marks: Mutex::default(),
            grams: Mutex::default(),
            cache: None,
        }))
    }

    fn load(&self, number: u32) -> Result<Block> {
        let block = self
            .footer
            .blocks
            .get(number as usize)
            .ok_or_else(|| Error::corrupt(&self.name, format_args!("there is no block {number}")))?;
        if block.len > UNPACKED_BYTES_MAX {
            return Err(Error::corrupt(&self.name, format_args!("block {number} claims {} bytes", block.len)));
        }
        let stored = self.source.read(block.offset, block.stored_len as usize, &self.name)?;
        let unpacked = blocks::unpack(block, &stored, &self.name)?;
        Ok(Block::new(unpacked, &self.name))
    }
}

/// The origins, taken out of the footer: there may be one for nearly every event.
/// About how much memory a directory takes that was read from `encoded` bytes: its origins, the rest of it with what is found out
/// and kept on the way, and its filters.
fn directory_bytes(footer: &Footer, encoded: usize) -> usize {
    /// Patterns and pages in memory, by their bytes in the file: an estimate from the sizes of their structures, on the safe side.
    const UNPACKED: usize = 6;
    let origins = footer.origins.bytes();
    let filters = footer.blocks.first().map_or(0, |block| block.len as usize);
    origins + UNPACKED * encoded.saturating_sub(origins / 2) + filters
}

impl Source {
    fn read(&self, offset: u64, len: usize, name: &str) -> Result<Vec<u8>> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let found = start.checked_add(len).and_then(|end| bytes.get(start..end));
                found.map(<[u8]>::to_vec).ok_or_else(|| Error::corrupt(name, "a block lies outside of the file"))
            }
            Self::File(file) => {
                let size = file.metadata().map_err(|e| Error::io(name, e))?.len;
                if offset.checked_add(len as u64).is_none_or(|end| end > size) {
                    return Err(Error::corrupt(name, "a block lies outside of the file"));
                }
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset).map_err(|e| Error::io(name, e))?;
                Ok(bytes)
            }
        }
    }
}

/// The arrival numbers of a segment's events, by row.
#[derive(Debug)]
pub enum Arrival {
    /// Consecutive, from this one on.
    From(u64),
    /// One each, ascending.
    Each(Vec<i64>),
}

impl Arrival {
    /// The arrival number of an event.
    pub fn of(&self, row: u32) -> u64 {
        match self {
            Self::From(first) => first + u64::from(row),
            Self::Each(numbers) => numbers[row as usize] as u64,
        }
    }

    /// The first row whose arrival number is at or above `number`.
    pub fn first_row(&self, number: u64) -> u64 {
        match self {
            Self::From(first) => number.saturating_sub(*first),
            Self::Each(numbers) => numbers.partition_point(|one| (*one as u64) < number) as u64,
        }
    }
}

/// Blocks of a segment, each read once while this lives. One thread's.
pub struct Blocks<'s> {
    segment: &'s Segment,
    loaded: RefCell<FxHashMap<u32, Arc<Block>>>,
    bytes_read: std::cell::Cell<u64>,
    event_times: std::cell::OnceCell<Arc<Vec<i64>>>,
    rows: std::cell::OnceCell<Arc<Vec<Vec<u32>>>>,
    /// Decoded pages by their place in the footer: patterns may share a column.
    pages: RefCell<FxHashMap<*const PageMeta, Rc<Values>>>,
    dictionaries: RefCell<FxHashMap<u32, Rc<Strings>>>,
}

impl<'s> Blocks<'s> {
    /// No block read yet.
    pub fn new(segment: &'s Segment) -> Self {
        Self {
            segment,
            loaded: RefCell::default(),
            bytes_read: 0.into(),
            event_times: Default::default(),
            rows: Default::default(),
            pages: RefCell::default(),
            dictionaries: RefCell::default(),
        }
    }

    /// Nothing read yet but times and rows, which are shared.
    pub(crate) fn with_streams_of(other: &Self) -> Self {
        Self { event_times: other.event_times.clone(), rows: other.rows.clone(), ..Self::new(other.segment) }
    }

    /// The segment.
    pub fn segment(&self) -> &'s Segment {
        self.segment
    }

    /// The segment's name in errors.
    pub fn name(&self) -> &'s str {
        &self.segment.name
    }

    /// Stored bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.get()
    }

    /// The block of a place.
    pub fn get(&self, place: Place) -> Result<Arc<Block>> {
        if let Some(block) = self.loaded.borrow().get(&place.block) {
            return Ok(block.clone());
        }
        let (cache, id) = (self.segment.cache.as_ref(), self.segment.meta.id);
        let block = match cache.and_then(|cache| cache.get(id, place.block)) {
            Some(block) => block,
            None => {
                let block = Arc::new(self.segment.load(place.block)?);
                self.bytes_read.set(self.bytes_read.get() + u64::from(self.segment.footer.blocks[place.block as usize].stored_len));
                if let Some(cache) = cache {
                    cache.put(id, place.block, &block);
                }
                block
            }
        };
        self.loaded.borrow_mut().insert(place.block, block.clone());
        Ok(block)
    }

    /// The range of event times in each chunk of rows; it stays with the segment.
    pub fn zones(&self) -> Result<&'s Zones> {
        if let Some(zones) = self.segment.zones.get() {
            return Ok(zones);
        }
        let zones = match self.segment.footer.zones {
            Some((least, spans)) => {
                let count = (self.segment.footer.events.rows as usize).div_ceil(meta::ZONE_ROWS);
                let (least, spans) = (decode::read_ints(self, least, count)?, decode::read_ints(self, spans, count)?);
                let greatest = least.iter().zip(spans).map(|(least, span)| least.wrapping_add(span)).collect();
                Zones { least, greatest }
            }
            None => {
                let times = self.times()?;
                let chunks = || times.chunks(meta::ZONE_ROWS);
                let least = chunks().filter_map(|chunk| chunk.iter().copied().min()).collect();
                Zones { least, greatest: chunks().filter_map(|chunk| chunk.iter().copied().max()).collect() }
            }
        };
        Ok(self.segment.zones.get_or_init(|| zones))
    }

    /// Event times of the rows `from` to `to`, in arrival order; the others are not decoded.
    pub fn times_between(&self, from: usize, to: usize) -> Result<Vec<i64>> {
        if let Some(times) = self.event_times.get() {
            return Ok(times[from..to].to_vec());
        }
        let footer = &self.segment.footer;
        let block = self.get(footer.time)?;
        let mut reader = Reader::new(block.range(footer.time)?, self.name());
        let rows = footer.events.rows as usize;
        ints::decode_between(&mut reader, rows, from, to, &self.marks(footer.time, rows, ints::marks)?)
    }

    /// A decoded page of the segment's footer that refers to no times; decoded once while this lives.
    pub fn page(&self, meta: &PageMeta) -> Result<Rc<Values>> {
        if let Some(values) = self.pages.borrow().get(&std::ptr::from_ref(meta)) {
            return Ok(values.clone());
        }
        let values = Rc::new(decode::page(self, meta, &|| Ok(Vec::new()))?);
        self.pages.borrow_mut().insert(meta, values.clone());
        Ok(values)
    }

    /// The block of a filter; it stays with the segment.
    pub fn filters(&self, place: Place) -> Result<Arc<Block>> {
        if let Some(block) = self.segment.filters.get() {
            return Ok(block.clone());
        }
        let block = self.get(place)?;
        Ok(self.segment.filters.get_or_init(|| block).clone())
    }

    /// The runs of three bytes of a short text; they stay with the segment. `None` of a long one.
    pub fn grams(&self, text: Place) -> Result<Option<Arc<Grams>>> {
        if text.len as usize > GRAMMED_TEXT_MAX {
            return Ok(None);
        }
        if let Some(known) = self.segment.grams.lock().get(&text) {
            return Ok(Some(known.clone()));
        }
        let grams = Arc::new(Grams::of(self.get(text)?.range(text)?));
        self.segment.grams.lock().insert(text, grams.clone());
        Ok(Some(grams))
    }

    /// The entries of one of the segment's dictionaries; read once while this lives.
    pub fn dictionary(&self, number: u32) -> Result<Rc<Strings>> {
        if let Some(entries) = self.dictionaries.borrow().get(&number) {
            return Ok(entries.clone());
        }
        let page = &self.segment.footer.dictionaries[number as usize];
        let entries = Rc::new(decode::strings(decode::page(self, page, &|| Ok(Vec::new()))?));
        self.dictionaries.borrow_mut().insert(number, entries.clone());
        Ok(entries)
    }

    /// Event times in arrival order.
    pub fn times(&self) -> Result<Arc<Vec<i64>>> {
        if let Some(times) = self.event_times.get() {
            return Ok(times.clone());
        }
        let times = Arc::new(self.stream(self.segment.footer.time)?);
        Ok(self.event_times.get_or_init(|| times).clone())
    }

    /// The arrival numbers.
    pub fn arrival(&self) -> Result<Arrival> {
        let meta = self.segment.meta();
        let Some(place) = self.segment.footer.sequence else { return Ok(Arrival::From(meta.first_sequence)) };
        let numbers = self.stream(place)?;
        let ascending = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        let ends = numbers.first().zip(numbers.last()).map(|(first, last)| (*first as u64, (*last as u64).wrapping_add(1)));
        if !ascending || ends.is_some_and(|ends| ends != (meta.first_sequence, meta.end_sequence)) {
            return Err(Error::corrupt(self.name(), "the arrival numbers are not those that the catalog has"));
        }
        Ok(Arrival::Each(numbers))
    }

    /// The rows of each pattern among the segment's.
    pub fn rows(&self) -> Result<Arc<Vec<Vec<u32>>>> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows.clone());
        }
        let node = &self.segment.footer.events;
        let rows = Arc::new(match &node.patterns[..] {
            [only] if only.rows == node.rows => vec![(0..only.rows).collect()],
            patterns => decode::rows_by_pattern(&decode::order(self, node)?, patterns),
        });
        Ok(self.rows.get_or_init(|| rows).clone())
    }

    /// What `find` says of integers, which stays with the segment.
    fn marks(&self, place: Place, count: usize, find: fn(&mut Reader<'_>, usize) -> Result<Vec<i64>>) -> Result<Arc<Vec<i64>>> {
        if count <= ints::MARK_EVERY {
            return Ok(Arc::default());
        }
        if let Some(known) = self.segment.marks.lock().get(&place) {
            return Ok(known.clone());
        }
        let block = self.get(place)?;
        let marks = Arc::new(find(&mut Reader::new(block.range(place)?, self.name()), count)?);
        self.segment.marks.lock().insert(place, marks.clone());
        Ok(marks)
    }

    /// One of `count` integers; the others are not decoded.
    pub fn integer_at(&self, place: Place, count: usize, at: usize) -> Result<i64> {
        let block = self.get(place)?;
        let mut reader = Reader::new(block.range(place)?, self.name());
        let marks = self.marks(place, count, ints::marks)?;
        ints::decode_at(&mut reader, count, &[at], &marks).map(|found| found[0])
    }

    /// The sum of the integers before one of `count`, and that one.
    pub fn sum_at(&self, place: Place, count: usize, at: usize) -> Result<(i64, i64)> {
        let block = self.get(place)?;
        let mut reader = Reader::new(block.range(place)?, self.name());
        ints::decode_sum(&mut reader, count, at, &self.marks(place, count, ints::sum_marks)?)
    }

    /// The integers of a stream at some rows, in the order of these; the others are not decoded.
    pub fn stream_at(&self, place: Place, rows: &[u32]) -> Result<Vec<i64>> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|at| rows[*at]);
        let sorted: Vec<usize> = order.iter().map(|at| rows[*at] as usize).collect();
        let block = self.get(place)?;
        let mut reader = Reader::new(block.range(place)?, self.name());
        let count = self.segment.footer().events.rows as usize;
        let found = ints::decode_at(&mut reader, count, &sorted, &self.marks(place, count, ints::marks)?)?;
        let mut values = vec![0; found.len()];
        order.into_iter().zip(found).for_each(|(at, value)| values[at] = value);
        Ok(values)
    }

    /// The event times of some rows, in the order of these.
    pub fn times_at(&self, rows: &[u32]) -> Result<Vec<i64>> {
        match self.event_times.get() {
            Some(times) => Ok(rows.iter().map(|row| times[*row as usize]).collect()),
            None => self.stream_at(self.segment.footer.time, rows),
        }
    }

    /// The arrival numbers of some rows, in the order of these.
    pub fn arrival_at(&self, rows: &[u32]) -> Result<Vec<u64>> {
        match self.segment.footer.sequence {
            None => Ok(rows.iter().map(|row| self.segment.meta.first_sequence + u64::from(*row)).collect()),
            Some(place) => Ok(self.stream_at(place, rows)?.into_iter().map(|number| number as u64).collect()),
        }
    }

    /// A stream of one integer an event, in arrival order.
    pub fn stream(&self, place: Place) -> Result<Vec<i64>> {
        decode::read_ints(self, place, self.segment.footer.events.rows as usize)
    }
}
