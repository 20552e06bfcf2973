//! A file of lines.
//!
//! **Promise.** Confirmed is what is durable on the disk. The file's length is remembered with the place: what a crash left
//! behind it is cut off, so that each event is there once. A file that was moved away or emptied is begun again.

use super::rewrite::Layout;
use super::{Delivered, Output, Surroundings};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result, Vfs, VfsFile};
use taffrail_event::EventBatch;

/// `type = "file"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOutput {
    /// The file; made when it is not there.
    pub path: PathBuf,
    /// What is written of each event, before a line feed.
    #[serde(default)]
    pub layout: Layout,
}

pub(super) struct File {
    settings: FileOutput,
    vfs: Arc<dyn Vfs>,
    mark: Option<Mark>,
    /// Whether what lies behind the mark may be ours and is not confirmed.
    resumed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    length: u64,
    device: u64,
    inode: u64,
}

impl File {
    pub fn new(settings: &FileOutput, around: &Surroundings) -> Self {
        Self { settings: settings.clone(), vfs: Arc::clone(&around.vfs), mark: None, resumed: false }
    }
}

fn append(vfs: &dyn Vfs, path: &Path, bytes: &[u8], before: Option<Mark>) -> std::io::Result<Mark> {
    let file: Box<dyn VfsFile> = match vfs.open_write(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                vfs.create_dir_all(parent)?;
            }
            let file = vfs.create_new(path)?;
            vfs.sync_dir(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
            file
        }
        opened => opened?,
    };
    let found = file.metadata()?;
    let same = |mark: &Mark| mark.device == found.identity.device && mark.inode == found.identity.inode && mark.length < found.len;
    let start = match before.filter(same) {
        Some(mark) => {
            file.set_len(mark.length)?;
            mark.length
        }
        None => found.len,
    };
    if let Err(error) = file.write_all_at(bytes, start).and_then(|()| file.sync_data()) {
        // A part of a line must not stand before the next.
        file.set_len(start)?;
        return Err(error);
    }
    Ok(Mark { length: start + bytes.len() as u64, device: found.identity.device, inode: found.identity.inode })
}

impl Output for File {
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, range: Range<usize>) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let mut bytes = Vec::new();
            for event in range.clone().map(|at| batch.event(at)) {
                self.settings.layout.write(&event, &mut bytes);
                bytes.push(b'\n');
            }
            let (vfs, path) = (Arc::clone(&self.vfs), self.settings.path.clone());
            let before = self.mark.filter(|_| self.resumed);
            let written =
                tokio::task::spawn_blocking(move || append(&*vfs, &path, &bytes, before).map_err(|e| Error::io(path.display(), e)));
            let written: Result<Mark> = written.await.unwrap_or_else(|e| Err(Error::new(ErrorKind::Bug, e.to_string())));
            match written {
                Ok(mark) => {
                    (self.mark, self.resumed) = (Some(mark), false);
                    Delivered::all(range.len())
                }
                Err(error) => Delivered::failed(0, error),
            }
        })
    }

    fn mark(&self) -> Option<String> {
        self.mark.and_then(|mark| serde_json::to_string(&mark).ok())
    }

    fn resume(&mut self, mark: &str) {
        self.mark = serde_json::from_str(mark).ok();
        self.resumed = self.mark.is_some();
    }
}
