//! Archived segments that could not be read: what an answer is without. Who asks for it gets the rest of the answer and
//! has to say what is missing; who does not gets an error.

use crate::{SegmentMeta, SegmentRef};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use taffrail_base::{Error, ErrorKind, Result, Ulid};

/// What could not be read; shared by all parts of a search.
#[derive(Debug, Default)]
pub struct Missing(Mutex<BTreeMap<Ulid, Lost>>);

#[derive(Debug)]
struct Lost {
    meta: SegmentMeta,
    url: String,
    why: String,
}

impl Missing {
    /// Takes note of a failure to read a segment, where it was the object store's.
    pub(super) fn take<T>(&self, segment: &SegmentRef, result: Result<T>) -> Result<Option<T>> {
        let error = match result {
            Ok(read) => return Ok(Some(read)),
            Err(error) => error,
        };
        match of_archive(segment, &error) {
            Some(url) => {
                let lost = Lost { meta: segment.meta().clone(), url: url.to_owned(), why: error.message().to_owned() };
                self.0.lock().insert(lost.meta.id, lost);
                Ok(None)
            }
            None => Err(error),
        }
    }

    /// What is missing, for people: a sentence for each index and store.
    pub fn sentences(&self) -> Vec<String> {
        let mut groups: BTreeMap<(String, String), (u64, u64, SegmentMeta, String)> = BTreeMap::new();
        for lost in self.0.lock().values() {
            let key = (lost.meta.index.to_string(), lost.url.clone());
            let (segments, events, range, _) = groups.entry(key).or_insert_with(|| (0, 0, lost.meta.clone(), lost.why.clone()));
            *segments += 1;
            *events += lost.meta.events;
            range.min_time = range.min_time.min(lost.meta.min_time);
            range.max_time = range.max_time.max(lost.meta.max_time);
        }
        let sentence = |((index, url), (segments, events, range, why)): ((String, String), (u64, u64, SegmentMeta, String))| {
            format!(
                "the answer is without {events} events of index {index} from {} to {}: {segments} segments in {url} could not be read ({why})",
                range.min_time, range.max_time
            )
        };
        groups.into_iter().map(sentence).collect()
    }
}

/// The object store whose failure an error is.
fn of_archive<'s>(segment: &'s SegmentRef, error: &Error) -> Option<&'s str> {
    match segment {
        SegmentRef::Disk(disk) if error.kind() == ErrorKind::Io => disk.archived_at(),
        _ => None,
    }
}
