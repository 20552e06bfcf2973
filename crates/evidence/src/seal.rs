//! The seal of a segment: one line that names the file and holds the root over its bytes.

use crate::merkle::{Frontier, Hash};
use std::path::Path;
use taffrail_base::{Error, ErrorKind, Result, Vfs};

/// The file is hashed in blocks of this size, each a leaf of its own small tree. Part of the format.
pub const BLOCK_BYTES: usize = 64 * 1024;

/// What was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSeal {
    /// The file, relative to the data folder, parts joined by `/`.
    pub path: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Events that it holds, as the store says.
    pub events: u64,
    /// The root over its blocks.
    pub root: Hash,
}

impl SegmentSeal {
    /// The line in the log, without its newline. These bytes are the leaf of the tree.
    pub fn line(&self) -> String {
        format!("segment {} {} {} {}", self.bytes, self.events, self.root, self.path)
    }

    /// The inverse of [`SegmentSeal::line`].
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(5, ' ');
        if parts.next()? != "segment" {
            return None;
        }
        let bytes = parts.next()?.parse().ok()?;
        let events = parts.next()?.parse().ok()?;
        let root = Hash::from_hex(parts.next()?)?;
        let seal = Self { path: parts.next()?.to_owned(), bytes, events, root };
        (check_path(&seal.path) && seal.line() == line).then_some(seal)
    }

    /// The hash of its leaf.
    pub fn leaf(&self) -> Hash {
        Hash::of_leaf(self.line().as_bytes())
    }
}

/// Whether `path` stays inside the folder that it is relative to, and stays on its line.
pub(crate) fn check_path(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 1024
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Seals the file at `path` below the folder `data`: reads all of it once.
pub fn seal_segment(vfs: &dyn Vfs, data: &Path, path: &str, events: u64) -> Result<SegmentSeal> {
    if !check_path(path) {
        let what = format!("{path:?} cannot be sealed: it is not the relative path of a file below the data folder");
        return Err(Error::new(ErrorKind::Invalid, what));
    }
    let (bytes, root) = hash_file(vfs, &data.join(path))?;
    Ok(SegmentSeal { path: path.to_owned(), bytes, events, root })
}

/// The length of a file and the root over its blocks.
pub fn hash_file(vfs: &dyn Vfs, path: &Path) -> Result<(u64, Hash)> {
    let failed = |error| Error::io(path.display(), error);
    let file = vfs.open_read(path).map_err(failed)?;
    let mut block = vec![0; BLOCK_BYTES];
    let (mut tree, mut offset) = (Frontier::new(), 0u64);
    loop {
        let mut filled = 0;
        while filled < block.len() {
            match file.read_at(&mut block[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if filled > 0 {
            tree.push(Hash::of_leaf(&block[..filled]));
            offset += filled as u64;
        }
        if filled < block.len() {
            return Ok((offset, tree.root()));
        }
    }
}
