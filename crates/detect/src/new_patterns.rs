//! Which patterns are new in an index. Remembers every id it has seen, on disk, within a limit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::limits::KNOWN_PATTERNS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Vfs};
use taffrail_pattern::PatternId;

/// The first bytes of a file of ids; the last of them is the version.
const MAGIC: &[u8; 8] = b"TFRPAT\0\x01";

/// What came of one look at a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The ids never seen before, sorted.
    pub new: Vec<PatternId>,
    /// Whether nothing at all was known of the index before: then everything is new, and nothing is news.
    pub first_look: bool,
    /// Ids that are new but cannot be remembered, because `KNOWN_PATTERNS_MAX` are: they are not in `new`.
    pub beyond_limit: u64,
}

/// Remembers the patterns of every index.
#[derive(Debug)]
pub struct NewPatterns {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    limit: usize,
    known: BTreeMap<String, Vec<u64>>,
}

impl NewPatterns {
    /// What is remembered below `folder`, which is created if missing.
    pub fn open(vfs: Arc<dyn Vfs>, folder: &Path) -> Result<Self> {
        let failed = |error| Error::io(folder.display(), error);
        vfs.create_dir_all(folder).map_err(failed)?;
        let mut known = BTreeMap::new();
        for path in vfs.read_dir(folder).map_err(failed)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(index) = name.and_then(|name| name.strip_suffix(".patterns")) else { continue };
            let bytes = vfs.read(&path).map_err(|error| Error::io(path.display(), error))?;
            let ids = decode(&bytes).map_err(|what| {
                let hint = "remove the file: the patterns of this index are then learnt anew";
                Error::corrupt(path.display(), what).with_hint(hint)
            })?;
            known.insert(index.to_owned(), ids);
        }
        Ok(Self { vfs, folder: folder.to_owned(), limit: KNOWN_PATTERNS_MAX, known })
    }

    /// The same with a lower limit, for tests.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Which of `ids`, the patterns of a segment of `index`, are new there. They are known, and durably so, on
    /// return; after an error they are told again next time.
    pub fn see(&mut self, index: &str, ids: impl IntoIterator<Item = PatternId>) -> Result<Seen> {
        // The name of an index becomes a file's name; who made the index has checked it, this is the second lock.
        if index.is_empty() || index.contains(['/', '\\', '\0']) || index.starts_with('.') {
            return Err(Error::new(ErrorKind::Invalid, format!("{index:?} is not the name of an index")));
        }
        let known = self.known.get(index).map_or(&[][..], Vec::as_slice);
        let mut new: Vec<u64> = ids.into_iter().map(|id| id.0).filter(|id| known.binary_search(id).is_err()).collect();
        new.sort_unstable();
        new.dedup();
        let room = self.limit.saturating_sub(known.len());
        let beyond_limit = new.len().saturating_sub(room) as u64;
        new.truncate(room);
        let first_look = !self.known.contains_key(index);
        if first_look || !new.is_empty() {
            let mut all = Vec::with_capacity(known.len() + new.len());
            all.extend_from_slice(known);
            all.extend_from_slice(&new);
            all.sort_unstable();
            self.write(index, &all)?;
            self.known.insert(index.to_owned(), all);
        }
        Ok(Seen { new: new.into_iter().map(PatternId).collect(), first_look, beyond_limit })
    }

    /// How many patterns of an index are known.
    pub fn known(&self, index: &str) -> usize {
        self.known.get(index).map_or(0, Vec::len)
    }

    /// Replaces the file of an index as a whole: after a crash it is the old one or the new one.
    fn write(&self, index: &str, ids: &[u64]) -> Result<()> {
        let path = self.folder.join(format!("{index}.patterns"));
        let draft = self.folder.join(format!("{index}.draft"));
        let failed = |error| Error::io(path.display(), error);
        match self.vfs.remove_file(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = self.vfs.create_new(&draft).map_err(failed)?;
        file.write_all_at(&encode(ids), 0).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        self.vfs.rename(&draft, &path).map_err(failed)?;
        self.vfs.sync_dir(&self.folder).map_err(failed)
    }
}

/// Magic, the ids in little-endian order ascending, and CRC-32C over all before it.
fn encode(ids: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + ids.len() * 8 + 4);
    bytes.extend_from_slice(MAGIC);
    ids.iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The inverse of [`encode`].
fn decode(bytes: &[u8]) -> Result<Vec<u64>, &'static str> {
    let (content, checksum) = bytes.split_last_chunk::<4>().ok_or("the file is too short")?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
        return Err("the checksum is wrong");
    }
    let ids = content.strip_prefix(MAGIC).ok_or("this is not a file of pattern ids, or one of a newer version")?;
    let (ids, rest) = ids.as_chunks::<8>();
    let ids: Vec<u64> = ids.iter().map(|id| u64::from_le_bytes(*id)).collect();
    if !rest.is_empty() || !ids.is_sorted() {
        return Err("the ids are not whole or not in order");
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn files_round_trip(mut ids in prop::collection::vec(any::<u64>(), 0..200)) {
            ids.sort_unstable();
            prop_assert_eq!(decode(&encode(&ids)), Ok(ids));
        }

        #[test]
        fn damage_is_found(ids in prop::collection::vec(any::<u64>(), 0..20), at in any::<prop::sample::Index>(), bit in 0u32..8) {
            let mut ids = ids;
            ids.sort_unstable();
            let mut bytes = encode(&ids);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode(&bytes).is_err());
            prop_assert!(decode(&bytes[..at]).is_err());
        }
    }
}
