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
    open: Vec<u8>,
    filters: Vec<u8>,
    filter_places: u32,
    compressor: zstd::bulk::Compressor<'static>,
}

/// Block number that stands for the filters' block until it is written.
const FILTERS: u32 = 0;

impl BlockWriter {
    /// A writer that continues `file`; block 0 is kept for the filters.
    pub fn new(file: Vec<u8>, zstd_level: i32) -> Result<Self> {
        let compressor =
            zstd::bulk::Compressor::new(zstd_level).map_err(|e| Error::new(ErrorKind::Bug, format!("zstd level {zstd_level}: {e}")))?;
        let reserved = BlockMeta { offset: 0, stored_len: 0, len: 0, crc32c: 0, compressed: false };
        Ok(Self { file, blocks: vec![reserved], open: Vec::new(), filters: Vec::new(), filter_places: 0, compressor })
    }

    /// Adds bytes and tells where they will be.
    pub fn put(&mut self, bytes: &[u8]) -> Result<Place> {
        if !self.open.is_empty() && self.open.len() + bytes.len() > BLOCK_BYTES {
            self.close()?;
        }
        let place = Place { block: self.blocks.len() as u32, offset: self.open.len() as u32, len: length(bytes)? };
        self.open.extend_from_slice(bytes);
        Ok(place)
    }

    /// Adds a filter; filters share a block that readers keep.
    pub fn put_filter(&mut self, bytes: &[u8]) -> Result<Place> {
        let place = Place { block: FILTERS, offset: length(&self.filters)?, len: length(bytes)? };
        self.filters.extend_from_slice(bytes);
        self.filter_places += 1;
        Ok(place)
    }

    fn close(&mut self) -> Result<()> {
        let open = std::mem::take(&mut self.open);
        let block = self.write(&open)?;
        self.blocks.push(block);
        self.open = open;
        self.open.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<BlockMeta> {
        let packed = self
            .compressor
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
        if !self.open.is_empty() {
            self.close()?;
        }
        if self.filter_places > 0 {
            let filters = std::mem::take(&mut self.filters);
            self.blocks[FILTERS as usize] = self.write(&filters)?;
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
