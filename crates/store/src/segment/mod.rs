//! The immutable file of one index: patterns, columns of variables, and the streams of arrival order, time
//! and origin. The layout is specified in `docs/formats/segment.md`.

mod blocks;
mod builder;
pub(crate) mod cursor;
pub(crate) mod decode;
mod encode;
mod fuse;
mod inspect;
mod ints;
pub(crate) mod lines;
pub(crate) mod meta;
pub(crate) mod stamp;
mod wire;

pub use builder::{SegmentBuilder, encode_all};
pub use encode::Learned;

use cursor::PatternCursor;
use decode::{Strings, Values};
use meta::{Footer, PageMeta, Place};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use taffrail_base::{Error, Result, Ulid, Vfs, VfsFile};
use taffrail_event::{Origin, Timestamp};

/// What every segment file begins with: the name and the format's version, here the newest.
pub const MAGIC: [u8; 8] = *b"TAFSEG\x00\x02";

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
    /// The arrival number, within the index, of its first event; they are consecutive.
    pub first_sequence: u64,
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
    origins: Vec<Origin>,
    /// The filters, once they have been asked for.
    filters: OnceLock<Arc<Block>>,
}

/// A block's uncompressed bytes.
#[derive(Debug)]
pub struct Block(Vec<u8>, String);

impl Block {
    /// The bytes at a place.
    pub fn range(&self, place: Place) -> Result<&[u8]> {
        let end = place.offset as usize + place.len as usize;
        self.0.get(place.offset as usize..end).ok_or_else(|| Error::corrupt(&self.1, "a page lies outside of its block"))
    }
}

impl Segment {
    /// Opens a segment file: reads and checks its footer only.
    pub fn open(vfs: &Arc<dyn Vfs>, path: PathBuf, meta: SegmentMeta) -> Result<Arc<Self>> {
        let name = path.display().to_string();
        let file = vfs.open_read(&path).map_err(|e| Error::io(&name, e))?;
        let len = file.metadata().map_err(|e| Error::io(&name, e))?.len;
        Self::read(name, Source::File(file), len, meta)
    }

    /// Opens a segment whose bytes are in memory.
    pub fn from_bytes(bytes: Vec<u8>, meta: SegmentMeta) -> Result<Arc<Self>> {
        let len = bytes.len() as u64;
        Self::read(format!("segment {} in memory", meta.id), Source::Memory(bytes), len, meta)
    }

    fn read(name: String, source: Source, len: u64, meta: SegmentMeta) -> Result<Arc<Self>> {
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
        let origins = footer.origins.iter().map(|[host, source, sourcetype, transport, peer]| Origin {
            index: meta.index.clone(),
            host: host.clone(),
            source: source.clone(),
            sourcetype: sourcetype.clone(),
            transport: transport.clone(),
            peer: peer.clone(),
        });
        let origins = origins.collect();
        Ok(Arc::new(Self { meta, name, source, footer, origins, filters: OnceLock::new() }))
    }

    /// What the catalog knows of it.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// The origins of its events, by number.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
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

    /// Reads a block and checks it.
    pub(crate) fn check_block(&self, number: u32) -> Result<()> {
        self.load(number).map(drop)
    }

    /// Calls `each` with the arrival number and the bytes of every event, in arrival order.
    pub fn for_each_raw(&self, each: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        let blocks = Blocks::new(self);
        let node = &self.footer.events;
        let order = decode::order(&blocks, node)?;
        let cursors: Vec<PatternCursor<'_>> = (0..node.patterns.len()).map(|n| PatternCursor::new(&blocks, n)).collect();
        let mut next = vec![0usize; cursors.len()];
        let mut line = Vec::new();
        for (row, number) in order.iter().enumerate() {
            let number = *number as usize;
            line.clear();
            cursors[number].render(next[number], &mut line)?;
            next[number] += 1;
            each(self.meta.first_sequence + row as u64, &line);
        }
        Ok(())
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
        Ok(Block(unpacked, self.name.clone()))
    }
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
        let block = Arc::new(self.segment.load(place.block)?);
        self.bytes_read.set(self.bytes_read.get() + u64::from(self.segment.footer.blocks[place.block as usize].stored_len));
        self.loaded.borrow_mut().insert(place.block, block.clone());
        Ok(block)
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

    /// The rows of each pattern among the segment's.
    pub fn rows(&self) -> Result<Arc<Vec<Vec<u32>>>> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows.clone());
        }
        let node = &self.segment.footer.events;
        let rows = Arc::new(decode::rows_by_pattern(&decode::order(self, node)?, &node.patterns));
        Ok(self.rows.get_or_init(|| rows).clone())
    }

    /// A stream of one integer an event, in arrival order.
    pub fn stream(&self, place: Place) -> Result<Vec<i64>> {
        decode::read_ints(self, place, self.segment.footer.events.rows as usize)
    }
}
