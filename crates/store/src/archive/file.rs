//! An archived segment as a file that can be read by ranges. A request costs as long as some hundred kilobytes, so
//! what is read is pieces of the segment, and more of them at once where one follows the other.

use super::Archive;
use crate::catalog::Archived;
use parking_lot::Mutex;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Weak};
use taffrail_base::limits::{ARCHIVE_PIECE_BYTES, ARCHIVE_READ_BYTES_MAX};
use taffrail_base::vfs::{FileIdentity, Metadata};
use taffrail_base::{Ulid, VfsFile};

/// How much of a segment's end is a piece of its own, read first: with it come the trailer and, mostly, the footer.
const TAIL_BYTES: u64 = 64 * 1024;

/// An archived segment.
#[derive(Debug)]
pub struct RemoteFile {
    archive: Arc<Archive>,
    archived: Archived,
    id: Ulid,
    len: u64,
    last: Mutex<Last>,
}

/// Bytes that were read in one go; the next read is mostly beside them. All segments share the memory for these.
#[derive(Debug)]
pub struct Run {
    start: u64,
    bytes: Vec<u8>,
}

impl Run {
    /// The bytes from `at` on that are here, up to `end`.
    fn part(&self, at: u64, end: u64) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        let to = self.bytes.len().min((end - self.start) as usize);
        (from < to).then(|| &self.bytes[from..to])
    }
}

#[derive(Debug, Default)]
struct Last {
    run: Weak<Run>,
    /// Where the last request began and ended.
    requested: Range<u64>,
}

impl RemoteFile {
    /// The segment `id` of `len` bytes.
    pub fn new(archive: Arc<Archive>, archived: Archived, id: Ulid, len: u64) -> Self {
        Self { archive, archived, id, len, last: Mutex::default() }
    }

    /// Where the last piece begins.
    fn tail(&self) -> u64 {
        self.len.saturating_sub(TAIL_BYTES)
    }

    /// The piece that a byte is in.
    fn piece(&self, at: u64) -> Range<u64> {
        let tail = self.tail();
        if at >= tail {
            return tail..self.len;
        }
        let start = at - at % ARCHIVE_PIECE_BYTES;
        start..tail.min(start + ARCHIVE_PIECE_BYTES)
    }

    /// The piece with `at`: from the cache, or from the object store, with the pieces up to `end` and, where reads go on
    /// from the last request, twice as many as that one brought.
    fn load(&self, last: &mut Last, at: u64, end: u64) -> io::Result<Arc<Run>> {
        let first = self.piece(at);
        let (start, bytes) = match self.archive.cache.get(self.id, first.start, (first.end - first.start) as usize) {
            Some(bytes) => (first.start, bytes),
            None => {
                let asked = &last.requested;
                let ahead = if asked.end == first.start { first.start + 2 * (asked.end - asked.start) } else { 0 };
                let wanted = end.max(ahead).min(first.start + ARCHIVE_READ_BYTES_MAX).min(self.len);
                let mut to = first.end;
                while to < wanted {
                    let next = self.piece(to);
                    if self.archive.cache.has(self.id, next.start, next.end - next.start) {
                        break;
                    }
                    to = next.end;
                }
                last.requested = first.start..to;
                (first.start, self.fetch(first.start..to)?)
            }
        };
        let run = Arc::new(Run { start, bytes });
        last.run = Arc::downgrade(&run);
        self.archive.keep(run.clone());
        Ok(run)
    }

    /// One request; what it brings is cached piece by piece.
    fn fetch(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let remote = self.archive.remote(&self.archived.url).map_err(io::Error::other)?;
        let bytes = remote.get(&self.archived.key, range.clone()).map_err(io::Error::other)?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = range.start;
        while at < range.end {
            let end = self.piece(at).end;
            self.archive.cache.put(self.id, at, &bytes[(at - range.start) as usize..(end - range.start) as usize]);
            at = end;
        }
        Ok(bytes)
    }
}

impl VfsFile for RemoteFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = self.len.min(offset.saturating_add(buffer.len() as u64));
        let mut last = self.last.lock();
        let mut at = offset;
        while at < end {
            let kept = last.run.upgrade().filter(|run| run.part(at, end).is_some());
            let run = kept.map_or_else(|| self.load(&mut last, at, end), Ok)?;
            let found = run.part(at, end).ok_or(io::ErrorKind::UnexpectedEof)?;
            let into = (at - offset) as usize;
            buffer[into..into + found.len()].copy_from_slice(found);
            at += found.len() as u64;
        }
        Ok(end.saturating_sub(offset) as usize)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn metadata(&self) -> io::Result<Metadata> {
        let identity = FileIdentity::default();
        Ok(Metadata { len: self.len, is_dir: false, is_file: true, identity, modified_nanos: 0 })
    }
}
