//! The machine's file system.
//!
//! Nothing here is clever: each call is one or a few system calls, and the errors are the system's own. The
//! one addition to the standard library is durability: folders are synced where the contract says so.
#![allow(clippy::disallowed_methods)] // the one place that may touch the disk

use super::{FileIdentity, Metadata, Vfs, VfsFile};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The machine's file system.
#[derive(Debug, Default)]
pub struct RealVfs;

#[derive(Debug)]
struct RealFile(File);

/// Keeps the file open: closing it gives up the lock.
struct RealLock {
    _file: File,
}

impl VfsFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Ok(known(&self.0.metadata()?))
    }
}

impl Vfs for RealVfs {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        // Logs, keys and what is derived from them are the owner's business only.
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(RealFile(File::open(path)?)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        let parent = parent_of(path);
        self.create_dir_all(parent)?;
        match std::fs::create_dir(path) {
            Ok(()) => {}
            // Somebody else was faster; whether their sync is done is not known, so ours follows.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(e) => return Err(e),
        }
        self.sync_dir(parent)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(known(&std::fs::metadata(path)?))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealLock { _file: file }))
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn total_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        // Without what is kept for the superuser, as `df` counts it.
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        Ok(used.saturating_add(stat.f_bavail).saturating_mul(stat.f_frsize))
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn born(metadata: &std::fs::Metadata) -> i64 {
    let since = metadata.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn known(metadata: &std::fs::Metadata) -> Metadata {
    Metadata {
        len: metadata.len(),
        is_dir: metadata.is_dir(),
        is_file: metadata.is_file(),
        identity: FileIdentity { device: metadata.dev(), inode: metadata.ino(), born_nanos: born(metadata) },
        modified_nanos: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An inode that is used again is told by when it was made, where the file system says that.
    #[test]
    fn a_new_file_is_another_one_and_a_renamed_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let make = |path: &Path| RealVfs.create_new(path).unwrap().metadata().unwrap().identity;
        let first = make(&one);
        RealVfs.rename(&one, &two).unwrap();
        assert_eq!(RealVfs.metadata(&two).unwrap().identity, first);
        let born = std::fs::metadata(&two).unwrap().created().ok();
        assert_eq!(first.born_nanos > 0, born.is_some());
        RealVfs.remove_file(&two).unwrap();
        // Clocks of file systems tick some hundred times a second.
        std::thread::sleep(std::time::Duration::from_millis(30));
        let again = make(&one);
        assert!(born.is_none() || again != first, "{again:?}");
    }

    #[test]
    fn reads_back_what_it_wrote_and_names_follow_renames() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        RealVfs.create_dir_all(&deep).unwrap();
        RealVfs.create_dir_all(&deep).unwrap();
        let file = RealVfs.create_new(&deep.join("one")).unwrap();
        assert!(RealVfs.create_new(&deep.join("one")).is_err());
        file.write_all_at(b"hello", 3).unwrap();
        file.sync_data().unwrap();
        RealVfs.rename(&deep.join("one"), &deep.join("two")).unwrap();
        RealVfs.sync_dir(&deep).unwrap();
        assert_eq!(RealVfs.read(&deep.join("two")).unwrap(), b"\0\0\0hello");
        assert_eq!(RealVfs.read_dir(&deep).unwrap(), [deep.join("two")]);
        assert_eq!(file.metadata().unwrap().identity, RealVfs.metadata(&deep.join("two")).unwrap().identity);
        RealVfs.remove_file(&deep.join("two")).unwrap();
        assert_eq!(RealVfs.open_read(&deep.join("two")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(RealVfs.available_bytes(&deep).unwrap() > 0);
    }

    #[test]
    fn one_holder_of_a_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = RealVfs.lock(&path).unwrap();
        assert_eq!(RealVfs.lock(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        RealVfs.lock(&path).unwrap();
    }
}
