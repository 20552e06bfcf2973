//! A folder, such as a mounted file system, as an object store.

use super::Remote;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result, Vfs};

/// Objects as files below a folder.
#[derive(Debug)]
pub struct Folder {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
}

impl Folder {
    /// The folder of an address that starts with `file://`; none for other addresses.
    pub fn of(url: &str, vfs: &Arc<dyn Vfs>) -> Result<Option<Self>> {
        let Some(path) = url.strip_prefix("file://") else { return Ok(None) };
        if !path.starts_with('/') || Path::new(path).components().any(|part| part.as_os_str() == "..") {
            let message = format!("{url}: not the address of a folder");
            return Err(Error::new(ErrorKind::Invalid, message).with_hint("name it from the root on, as in file:///mnt/archive"));
        }
        Ok(Some(Self { vfs: vfs.clone(), root: path.into() }))
    }

    /// The file of a key. The root has to be there: a file system that is not mounted must not fill the disk below.
    fn path(&self, key: &str) -> Result<PathBuf> {
        if !self.vfs.metadata(&self.root).is_ok_and(|found| found.is_dir) {
            let message = format!("{} is not a folder", self.root.display());
            return Err(Error::new(ErrorKind::Io, message).with_hint("make it, or mount what belongs there"));
        }
        let inside = !key.is_empty() && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        inside.then(|| self.root.join(key)).ok_or_else(|| Error::new(ErrorKind::Invalid, format!("{key:?} cannot be a key")))
    }
}

/// Whatever fails here is the store's failure, not that of the data folder.
fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error)
}

impl Remote for Folder {
    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.path(key)?;
        let unfinished = path.with_extension("new");
        let folder = path.parent().expect("below the root");
        let write = || {
            self.vfs.create_dir_all(folder)?;
            match self.vfs.remove_file(&unfinished) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let file = self.vfs.create_new(&unfinished)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_data()?;
            self.vfs.rename(&unfinished, &path)?;
            self.vfs.sync_dir(folder)
        };
        write().map_err(|e| {
            let _ = self.vfs.remove_file(&unfinished);
            failed(&path, e)
        })
    }

    fn len(&self, key: &str) -> Result<u64> {
        let path = self.path(key)?;
        self.vfs.metadata(&path).map(|found| found.len).map_err(|e| failed(&path, e))
    }

    fn get(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let path = self.path(key)?;
        let len =
            usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| Error::new(ErrorKind::Invalid, "a range beyond memory"))?;
        let read = || {
            let mut bytes = vec![0; len];
            self.vfs.open_read(&path)?.read_exact_at(&mut bytes, range.start)?;
            Ok(bytes)
        };
        read().map_err(|e| failed(&path, e))
    }

    fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        match self.vfs.remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed(&path, e)),
            _ => Ok(()),
        }
    }
}
