//! An archived segment as a file that can be read by ranges.

use super::Archive;
use crate::catalog::Archived;
use std::io;
use std::sync::Arc;
use taffrail_base::vfs::{FileIdentity, Metadata};
use taffrail_base::{Ulid, VfsFile};

/// How much of a segment's end is read at once: with it come the trailer and, mostly, the footer.
const TAIL_BYTES: u64 = 64 * 1024;

/// An archived segment.
#[derive(Debug)]
pub struct RemoteFile {
    archive: Arc<Archive>,
    archived: Archived,
    id: Ulid,
    len: u64,
}

impl RemoteFile {
    /// The segment `id` of `len` bytes.
    pub fn new(archive: Arc<Archive>, archived: Archived, id: Ulid, len: u64) -> Self {
        Self { archive, archived, id, len }
    }

    fn fetch(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let remote = self.archive.remote(&self.archived.url).map_err(io::Error::other)?;
        let bytes = remote.get(&self.archived.key, from..to).map_err(io::Error::other)?;
        if bytes.len() as u64 != to - from {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.archive.cache.put(self.id, from, &bytes);
        Ok(bytes)
    }
}

impl VfsFile for RemoteFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = self.len.min(offset.saturating_add(buffer.len() as u64));
        let Some(wanted) = end.checked_sub(offset).filter(|wanted| *wanted > 0) else { return Ok(0) };
        let wanted = usize::try_from(wanted).map_err(io::Error::other)?;
        if let Some(found) = self.archive.cache.get(self.id, offset, wanted) {
            buffer[..wanted].copy_from_slice(&found);
            return Ok(wanted);
        }
        let tail = self.len.saturating_sub(TAIL_BYTES);
        let (from, to) = if offset >= tail { (tail, self.len) } else { (offset, end) };
        let bytes = self.fetch(from, to)?;
        let at = (offset - from) as usize;
        buffer[..wanted].copy_from_slice(&bytes[at..at + wanted]);
        Ok(wanted)
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
        let identity = FileIdentity { device: 0, inode: 0 };
        Ok(Metadata { len: self.len, is_dir: false, is_file: true, identity, modified_nanos: 0 })
    }
}
