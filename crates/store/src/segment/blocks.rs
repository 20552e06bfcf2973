//! Blocks: what pages write is gathered, compressed together and checksummed.

use super::meta::{BlockMeta, Place};
use taffrail_base::{Error, ErrorKind, Result};

/// Uncompressed bytes after which a block is closed: large enough to compress, small enough to read one
/// column without its neighbours.
const BLOCK_BYTES: usize = 128 * 1024;

/// Writes blocks one after the other into a file's bytes.
pub struct BlockWriter {
    /// The file's bytes so far.
    pub file: Vec<u8>,
    /// The blocks so far.
    pub blocks: Vec<BlockMeta>,
    /// Blocks that are being filled: numbers, and text.
    open: [Open; 2],
    filters: Vec<u8>,
    filter_places: u32,
    compressors: [zstd::bulk::Compressor<'static>; 2],
}

/// A block that is being filled; it has its number from its first bytes on.
#[derive(Default)]
struct Open {
    number: u32,
    bytes: Vec<u8>,
}

/// What bytes are, and so which block they go to: like compresses well beside like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Planes of numbers, whose order holds little that could be found by looking longer.
    Numbers = 0,
    /// Text, where looking longer pays.
    Text = 1,
}

/// How many levels text is compressed above numbers.
const TEXT_LEVELS: i32 = 2;

/// Stands for a block until it is written.
const UNWRITTEN: BlockMeta = BlockMeta { offset: 0, stored_len: 0, len: 0, crc32c: 0, compressed: false };

/// Block number that stands for the filters' block until it is written.
const FILTERS: u32 = 0;

impl BlockWriter {
    /// A writer that continues `file`; block 0 is kept for the filters.
    pub fn new(file: Vec<u8>, zstd_level: i32) -> Result<Self> {
        let compressor =
            |level: i32| zstd::bulk::Compressor::new(level).map_err(|e| Error::new(ErrorKind::Bug, format!("zstd level {level}: {e}")));
        let compressors = [compressor(zstd_level)?, compressor(zstd_level + TEXT_LEVELS)?];
        let open = Default::default();
        Ok(Self { file, blocks: vec![UNWRITTEN], open, filters: Vec::new(), filter_places: 0, compressors })
    }

    /// Adds bytes and tells where they will be.
    pub fn put(&mut self, kind: Kind, bytes: &[u8]) -> Result<Place> {
        let open = &self.open[kind as usize].bytes;
        if !open.is_empty() && open.len() + bytes.len() > BLOCK_BYTES {
            self.close(kind)?;
        }
        let open = &mut self.open[kind as usize];
        if open.bytes.is_empty() {
            open.number = self.blocks.len() as u32;
            self.blocks.push(UNWRITTEN);
        }
        let place = Place { block: open.number, offset: open.bytes.len() as u32, len: length(bytes)? };
        open.bytes.extend_from_slice(bytes);
        Ok(place)
    }

    /// Adds a filter; filters share a block that readers keep.
    pub fn put_filter(&mut self, bytes: &[u8]) -> Result<Place> {
        let place = Place { block: FILTERS, offset: length(&self.filters)?, len: length(bytes)? };
        self.filters.extend_from_slice(bytes);
        self.filter_places += 1;
        Ok(place)
    }

    fn close(&mut self, kind: Kind) -> Result<()> {
        let Open { number, mut bytes } = std::mem::take(&mut self.open[kind as usize]);
        if !bytes.is_empty() {
            self.blocks[number as usize] = self.write(kind, &bytes)?;
            bytes.clear();
        }
        self.open[kind as usize].bytes = bytes;
        Ok(())
    }

    fn write(&mut self, kind: Kind, bytes: &[u8]) -> Result<BlockMeta> {
        let packed = self.compressors[kind as usize]
            .compress(bytes)
            .map_err(|e| Error::new(ErrorKind::Bug, format!("zstd refused a block of {} bytes: {e}", bytes.len())))?;
        let compressed = packed.len() < bytes.len();
        let stored = if compressed { &packed } else { bytes };
        let offset = self.file.len() as u64;
        self.file.extend_from_slice(stored);
        Ok(BlockMeta { offset, stored_len: length(stored)?, len: length(bytes)?, crc32c: crc32c::crc32c(stored), compressed })
    }

    /// Writes what is open, and the filters.
    pub fn finish(mut self) -> Result<(Vec<u8>, Vec<BlockMeta>)> {
        self.close(Kind::Numbers)?;
        self.close(Kind::Text)?;
        if self.filter_places > 0 {
            let filters = std::mem::take(&mut self.filters);
            self.blocks[FILTERS as usize] = self.write(Kind::Numbers, &filters)?;
        }
        Ok((self.file, self.blocks))
    }
}

fn length(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| Error::new(ErrorKind::Limit, format!("{} bytes do not fit a block", bytes.len())))
}

/// Checks and unpacks a stored block.
pub fn unpack(meta: &BlockMeta, stored: &[u8], place: &str) -> Result<Vec<u8>> {
    if crc32c::crc32c(stored) != meta.crc32c {
        return Err(Error::corrupt(
            format_args!("{place}, bytes {} to {}", meta.offset, meta.offset + stored.len() as u64),
            "checksum does not match",
        ));
    }
    if !meta.compressed {
        return Ok(stored.to_vec());
    }
    // Nothing is allocated for a length that the compressed bytes do not claim too.
    if !matches!(zstd::zstd_safe::get_frame_content_size(stored), Ok(Some(len)) if len == u64::from(meta.len)) {
        return Err(Error::corrupt(
            format_args!("{place}, block at byte {}", meta.offset),
            "claims another length than its compressed bytes",
        ));
    }
    let bytes = zstd::bulk::decompress(stored, meta.len as usize)
        .map_err(|e| Error::corrupt(format_args!("{place}, block at byte {}", meta.offset), e))?;
    if bytes.len() != meta.len as usize {
        return Err(Error::corrupt(format_args!("{place}, block at byte {}", meta.offset), "unpacks to another length"));
    }
    Ok(bytes)
}
