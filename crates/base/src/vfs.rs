//! All disk access goes through [`Vfs`]: the real file system, or a simulated one that loses what was not
//! synced.
//!
//! Contract, the same for every implementation: bytes written are durable only after `sync_data` of their
//! file returned `Ok`; a name (created, renamed, removed) is durable only after `sync_dir` of its folder
//! returned `Ok`; after a failed sync nothing is known of the file and it must not be synced again.

mod real;
pub mod sim;

pub use real::RealVfs;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

/// What a file is, apart from its name: follows it through renames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number; file systems reuse these at once, so never trust it alone.
    pub inode: u64,
    /// When the inode was made, nanoseconds since the epoch: tells one that is used again. 0 where the file system does not say.
    pub born_nanos: i64,
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Length in bytes.
    pub len: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Whether it is a regular file: opening anything else (a pipe) could wait for ever.
    pub is_file: bool,
    /// Device, inode and when it was made.
    pub identity: FileIdentity,
    /// Last modification, nanoseconds since the epoch.
    pub modified_nanos: i64,
}

/// An open file. Reads and writes name their offset; there is no shared cursor.
pub trait VfsFile: Send + Sync + Debug {
    /// Reads at most `buffer.len()` bytes at `offset`; 0 means the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the written bytes and the length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// What is known of the open file, whatever its name is now.
    fn metadata(&self) -> io::Result<Metadata>;

    /// Reads exactly `buffer.len()` bytes at `offset`, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// A file system.
pub trait Vfs: Send + Sync + Debug {
    /// Creates a file that must not exist yet, for reading and writing.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;
    /// Opens an existing file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;
    /// Opens an existing file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and what is missing above it, and makes the new names durable.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The full paths of what a folder holds, sorted by name.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// What is known of a path; follows links.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file (created if missing), held until the value is dropped;
    /// `WouldBlock` when another process or value holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Bytes that can still be written below `path`.
    fn available_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Bytes of the file system that `path` is on, used and free.
    fn total_bytes(&self, _path: &Path) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open_read(path)?;
        let len = usize::try_from(file.metadata()?.len).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}
