//! Append-only files of lines: reading them piece by piece and appending with a sync. Knows nothing of what
//! the lines mean.

use std::path::{Path, PathBuf};
use taffrail_base::limits::EVIDENCE_LINE_BYTES_MAX;
use taffrail_base::{Error, ErrorKind, Result, Vfs, VfsFile};

/// A line.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its text without the newline.
    pub text: String,
    /// Whether its newline is there.
    pub complete: bool,
}

/// Reads the lines of a file in order.
pub(crate) struct Lines {
    file: Box<dyn VfsFile>,
    path: PathBuf,
    pending: Vec<u8>,
    consumed: usize,
    offset: u64,
    ended: bool,
}

impl Lines {
    /// The lines of `path`; none when there is no such file.
    pub fn open(vfs: &dyn Vfs, path: &Path) -> Result<Option<Self>> {
        match vfs.open_read(path) {
            Ok(file) => Ok(Some(Self { file, path: path.to_owned(), pending: Vec::new(), consumed: 0, offset: 0, ended: false })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path.display(), error)),
        }
    }

    /// The next line. Bytes that are not UTF-8 become replacement characters: no valid line has these.
    pub fn next(&mut self) -> Result<Option<Line>> {
        loop {
            let rest = &self.pending[self.consumed..];
            let newline = rest.iter().position(|byte| *byte == b'\n');
            if newline.is_none() && !self.ended {
                if rest.len() > EVIDENCE_LINE_BYTES_MAX {
                    let place = format!("{}, byte {}", self.path.display(), self.offset);
                    return Err(Error::corrupt(place, format!("a line longer than {EVIDENCE_LINE_BYTES_MAX} bytes")));
                }
                self.fill()?;
                continue;
            }
            if rest.is_empty() {
                return Ok(None);
            }
            let (len, step) = newline.map_or((rest.len(), rest.len()), |at| (at, at + 1));
            let line = Line { text: String::from_utf8_lossy(&rest[..len]).into_owned(), complete: newline.is_some() };
            self.consumed += step;
            self.offset += step as u64;
            return Ok(Some(line));
        }
    }

    /// Offset of the next line.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn fill(&mut self) -> Result<()> {
        self.pending.drain(..self.consumed);
        self.consumed = 0;
        let held = self.pending.len();
        self.pending.resize(held + 64 * 1024, 0);
        let read = self.file.read_at(&mut self.pending[held..], self.offset + held as u64);
        let read = match read {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                self.pending.truncate(held);
                return Ok(());
            }
            Err(error) => return Err(Error::io(self.path.display(), error)),
        };
        self.pending.truncate(held + read);
        self.ended = read == 0;
        Ok(())
    }
}

/// A file that only grows. After a failed write or sync it takes nothing more: what it holds is known again
/// when it is opened anew.
#[derive(Debug)]
pub(crate) struct AppendFile {
    file: Box<dyn VfsFile>,
    path: PathBuf,
    len: u64,
    failed: bool,
}

impl AppendFile {
    /// Opens or creates `path`, cuts what stands behind `len` (an append that was never reported as done), and
    /// writes its last `record` once more: after a sync that failed, what can be read need not be on the disk,
    /// and only a new write makes the next sync mean something.
    pub fn open(vfs: &dyn Vfs, path: &Path, len: u64, record: &str) -> Result<Self> {
        let failed = |error| Error::io(path.display(), error);
        let file = match vfs.open_write(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => vfs.create_new(path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        // Also for a file that was there: the power may have gone before its name was durable.
        vfs.sync_dir(path.parent().expect("a file stands in a folder")).map_err(failed)?;
        file.set_len(len).map_err(failed)?;
        file.write_all_at(record.as_bytes(), len - record.len() as u64).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        Ok(Self { file, path: path.to_owned(), len, failed: false })
    }

    /// Fails when nothing can be appended any more.
    pub fn check(&self) -> Result<()> {
        if !self.failed {
            return Ok(());
        }
        let what = format!("{}: an earlier write failed, so nothing more is appended", self.path.display());
        Err(Error::new(ErrorKind::Io, what).with_hint("repair the disk, then restart"))
    }

    /// Appends `text`; durable on return.
    pub fn append(&mut self, text: &str) -> Result<()> {
        self.check()?;
        let written = self.file.write_all_at(text.as_bytes(), self.len).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.failed = true;
            return Err(Error::io(self.path.display(), error));
        }
        self.len += text.len() as u64;
        Ok(())
    }
}

/// Writes a small file as a whole: it is there with all its bytes, or not at all.
pub(crate) fn write_file(vfs: &dyn Vfs, path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::io(path.display(), error);
    let folder = path.parent().expect("a file stands in a folder");
    let draft = path.with_extension("new");
    match vfs.remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = vfs.create_new(&draft).map_err(failed)?;
    file.write_all_at(text.as_bytes(), 0).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    vfs.rename(&draft, path).map_err(failed)?;
    vfs.sync_dir(folder).map_err(failed)
}
