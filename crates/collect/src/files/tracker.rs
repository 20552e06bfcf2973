//! One followed file: its inode, its name for now, and what it turned out to be.

use super::content::Opened;
use super::follow::Following;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use taffrail_base::{FileIdentity, Metadata, Vfs, VfsFile};

/// What a file turned out to be.
pub enum State {
    /// Not known yet: new, empty, or still being written by something that copies or compresses.
    Fresh {
        /// It was another content a moment ago, and was truncated.
        truncated: bool,
    },
    /// A plain file that is read as it grows.
    Following(Box<Following>),
    /// A compressed file that is being read.
    Packed(Box<Following>, Box<Opened>),
    /// Its content is the beginning of a file that is followed: not read while that is there.
    Copy {
        /// The key of that content.
        of: String,
    },
    /// A compressed file that was read to its end, or is damaged; the key of its content.
    Done(String),
    /// Not a log.
    Skipped,
}

/// A file below the followed paths.
pub struct Tracker {
    /// Its inode.
    pub identity: FileIdentity,
    /// Its name when it was last looked for.
    pub path: PathBuf,
    /// Its length when it was last looked at.
    pub len: u64,
    /// Its modification time then.
    pub modified: i64,
    /// Whether there is something to do for it.
    pub changed: bool,
    /// Since when no followed path leads to it, on the monotonic clock.
    pub gone_since: Option<u64>,
    /// Open while it is read, and for as long as there are not too many.
    pub file: Option<Arc<dyn VfsFile>>,
    /// What it turned out to be.
    pub state: State,
}

impl Tracker {
    /// A file that was just found.
    pub fn new(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            identity: metadata.identity,
            path,
            len: metadata.len,
            modified: metadata.modified_nanos,
            changed: true,
            gone_since: None,
            file: None,
            state: State::Fresh { truncated: false },
        }
    }

    /// Takes note of how the file is now.
    pub fn update(&mut self, metadata: &Metadata) {
        self.changed |= self.len != metadata.len || self.modified != metadata.modified_nanos;
        self.len = metadata.len;
        self.modified = metadata.modified_nanos;
    }

    /// The open file. `NotFound` when its name leads to another file by now.
    pub fn open(&mut self, vfs: &dyn Vfs) -> io::Result<Arc<dyn VfsFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file: Arc<dyn VfsFile> = Arc::from(vfs.open_read(&self.path)?);
        if file.metadata()?.identity != self.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Looks for it under another name in its folder: it may have been renamed to one that nobody follows.
    pub fn open_renamed(&mut self, vfs: &dyn Vfs) -> bool {
        let Some(folder) = self.path.parent() else { return false };
        for path in vfs.read_dir(folder).unwrap_or_default() {
            if vfs.metadata(&path).is_ok_and(|metadata| metadata.is_file && metadata.identity == self.identity) {
                self.path = path;
                return self.open(vfs).is_ok();
            }
        }
        false
    }

    /// The plain content that is read from it.
    pub fn following(&mut self) -> Option<&mut Following> {
        match &mut self.state {
            State::Following(following) | State::Packed(following, _) => Some(following),
            _ => None,
        }
    }

    /// The key of the content that it holds.
    pub fn key(&self) -> Option<&str> {
        match &self.state {
            State::Following(following) | State::Packed(following, _) => Some(&following.key),
            State::Done(key) => Some(key),
            _ => None,
        }
    }
}
