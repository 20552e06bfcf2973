//! Moving old segments to an object store. What arrived there is read back and compared before the catalog says
//! that it is there; only then the file goes. Objects of removed segments are deleted once nobody reads them.

use super::Shared;
use super::options::ArchiveRule;
use super::stat::add;
use crate::archive::Remote;
use crate::catalog::{Archived, CatalogChange, Removal, segment_path};
use crate::snapshot::DiskSegment;
use std::sync::Arc;
use taffrail_base::limits::ARCHIVE_PART_BYTES;
use taffrail_base::{Error, ErrorKind, Result};

impl Shared {
    /// Moves the oldest segment that is due. Gives whether there was one.
    pub(super) fn archive_next(&self) -> Result<bool> {
        let Some((segment, rule)) = self.to_archive() else { return Ok(false) };
        let meta = segment.meta();
        let path = self.dir.join(segment_path(meta));
        let bytes = self.vfs.read(&path).map_err(|e| Error::io(path.display(), e))?;
        if bytes.len() as u64 != meta.stored_bytes {
            return Err(Error::corrupt(path.display(), format_args!("{} bytes where the catalog has {}", bytes.len(), meta.stored_bytes)));
        }
        let key: Arc<str> = format!("{}/{}.seg", meta.index, meta.id).into();
        let blake3 = *blake3::hash(&bytes).as_bytes();
        let len = bytes.len();
        let remote = self.archive.remote(&rule.url)?;
        let moved = remote.put(&key, bytes).and_then(|()| read_back(&*remote, &key, len, &blake3));
        moved.map_err(|e| {
            let message = format!("segment {} of index {} cannot be moved to {}: {}", meta.id, meta.index, rule.url, e.message());
            Error::new(e.kind(), message).with_hint("it stays in the data folder, and is tried again")
        })?;
        let done = self.commit_change(|| {
            if !self.state.lock().disk.iter().any(|there| Arc::ptr_eq(there, &segment)) {
                return Ok(None);
            }
            let root = self.root.lock().as_ref().and_then(|root| root(meta));
            let at = self.now();
            let removal = Removal::of(meta, &format!("archived:{}", rule.url), at, root);
            let archived = Archived { url: rule.url.clone(), key: key.clone(), blake3, at };
            Ok(Some(CatalogChange { archived: vec![(removal, archived)], ..CatalogChange::default() }))
        })?;
        if done {
            add(&self.counters.archived, 1);
        }
        Ok(true)
    }

    /// The oldest segment in the data folder that its index's rule sends away.
    fn to_archive(&self) -> Option<(Arc<DiskSegment>, ArchiveRule)> {
        let now = self.now().nanos();
        let state = self.state.lock();
        let due = state.disk.iter().filter(|segment| segment.archived().is_none()).filter_map(|segment| {
            let rule = self.settings.rules.of(&segment.meta().index).archive.as_ref()?;
            let after = i64::try_from(rule.after_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
            (segment.meta().max_time.nanos() < now.saturating_sub(after)).then_some((segment, rule))
        });
        let (segment, rule) = due.min_by_key(|(segment, _)| (segment.meta().max_time, segment.meta().id))?;
        Some((segment.clone(), rule.clone()))
    }

    /// Deletes the object of a removed segment that nobody reads any more. Gives whether there was one.
    pub(super) fn delete_objects(&self) -> Result<bool> {
        let (id, archived) = {
            let state = self.state.lock();
            let unread = state.leaving.iter().find(|(_, _, reader)| reader.strong_count() == 0);
            let Some((id, archived, _)) = unread else { return Ok(false) };
            (*id, archived.clone())
        };
        let deleted = self.archive.remote(&archived.url).and_then(|remote| remote.delete(&archived.key));
        deleted.map_err(|e| {
            Error::new(e.kind(), format!("object {} of a removed segment in {}: {}", archived.key, archived.url, e.message()))
        })?;
        self.commit_change(|| Ok(Some(CatalogChange { forgotten: vec![id], ..CatalogChange::default() })))
    }
}

/// Compares what is in the object store with what was put there.
fn read_back(remote: &dyn Remote, key: &str, len: usize, blake3: &[u8; 32]) -> Result<()> {
    let wrong = |what: String| Error::new(ErrorKind::Corrupt, format!("object {key}: {what}"));
    let found = remote.len(key)?;
    if found != len as u64 {
        return Err(wrong(format!("{found} bytes arrived, {len} were sent")));
    }
    let mut hasher = blake3::Hasher::new();
    for from in (0..found).step_by(ARCHIVE_PART_BYTES as usize) {
        hasher.update(&remote.get(key, from..found.min(from + ARCHIVE_PART_BYTES))?);
    }
    if hasher.finalize().as_bytes() != blake3 {
        return Err(wrong("what arrived is not what was sent".to_owned()));
    }
    Ok(())
}
