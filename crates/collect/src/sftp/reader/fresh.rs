//! Files that are written again within the second in which they were read: size and time of a file say nothing of it.

use super::{Progress, Reader, Remote};
use crate::files::content::Opened;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Metadata, Result, Vfs};

/// A file that could be written again without a trace in size and time, which are whole seconds: one that was read when it had
/// just been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fresh {
    size: u64,
    modified: i64,
    /// When it was read, by our clock.
    read: i64,
}

/// What the clocks of the two machines may differ by.
const FRESH_NANOS: i64 = 60_000_000_000;

/// The second in which a file was read is over when so long has passed, whatever the clocks say.
const SECOND_NANOS: i64 = 2_000_000_000;

/// Files looked at again so at one look: each costs three questions.
const FRESH_MAX: usize = 1_000;

impl Reader {
    /// Whether a file with the size and time that are known holds something else. Looked at while that can be.
    pub(super) fn is_rewritten(&mut self, remote: &Remote, path: &Path, metadata: &Metadata) -> Result<bool> {
        let Some(fresh) = self.fresh.get(path).copied() else { return Ok(false) };
        let Some((key, known)) = self.files.get(path).cloned() else { return Ok(false) };
        if (fresh.size, fresh.modified) != (metadata.len, metadata.modified_nanos) || self.now().nanos() - fresh.read > SECOND_NANOS {
            // Looked at for the last time.
            self.fresh.remove(path);
        }
        let looked = remote.open_read(path).and_then(|file| Opened::look(Arc::from(file)));
        self.whole(remote)?;
        // What cannot be opened now is a matter of the next look.
        let Ok(opened) = looked else { return Ok(false) };
        let same = opened.holds(&known.content).is_some();
        self.whole(remote)?;
        if !same {
            self.fresh.remove(path);
            self.files.remove(path);
            // The content that was there may be in another file by now; this one is not its place any more.
            let known = Progress { path: PathBuf::new(), ..known };
            self.out.batch.set_position(key, serde_json::to_vec(&known).expect("strings and numbers always serialise"));
        }
        Ok(!same)
    }

    /// Notes a file that was just read to its end when it had just been written.
    pub(super) fn note_fresh(&mut self, progress: &Progress) {
        let now = self.now().nanos();
        if self.fresh.len() >= FRESH_MAX {
            // Files that were gone at the look after theirs.
            let looks = i64::try_from(self.every.as_nanos()).unwrap_or(i64::MAX).saturating_mul(2);
            self.fresh.retain(|_, fresh| now.saturating_sub(fresh.read) <= looks.saturating_add(SECOND_NANOS));
        }
        let known = self.fresh.get(&progress.path).is_some_and(|fresh| (fresh.size, fresh.modified) == (progress.size, progress.modified));
        if progress.ended && !known && now.abs_diff(progress.modified) <= FRESH_NANOS.unsigned_abs() && self.fresh.len() < FRESH_MAX {
            let fresh = Fresh { size: progress.size, modified: progress.modified, read: now };
            self.fresh.insert(progress.path.clone(), fresh);
        }
    }
}
