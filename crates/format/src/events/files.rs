//! What format files of people say of events on their way in: which lines belong together, where the time is, and which
//! lines are of the format. One for all sources of a process.

use super::rule::Rule;
use crate::detect::own::{Detection, LineSigns};
use crate::fields::{FormatFile, wildcard};
use crate::time::rule::TimeRule;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The rules of format files of one's own, which go before those that are built in. May be set anew at any time, and whoever
/// decodes lines sees at little cost whether that was done.
#[derive(Debug, Default)]
pub struct EventRules {
    version: AtomicU64,
    own: RwLock<Own>,
}

#[derive(Debug, Default)]
struct Own {
    files: Vec<FileRules>,
    detection: Option<Arc<Detection>>,
}

/// What a file says, and the sourcetypes that it is for.
#[derive(Clone, Debug)]
struct FileRules {
    name: String,
    sourcetypes: Vec<String>,
    event: Option<Arc<Rule>>,
    time: Option<Arc<TimeRule>>,
    lines: Option<Arc<LineSigns>>,
}

/// What was there before, if it says the same: then nothing changes for sources that are being read.
fn same_or<T: PartialEq>(before: Option<&Arc<T>>, now: Option<&Arc<T>>) -> Option<Arc<T>> {
    match (before, now) {
        (Some(before), Some(now)) if before == now => Some(Arc::clone(before)),
        (_, now) => now.cloned(),
    }
}

fn is_same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
}

impl FileRules {
    fn new(file: &FormatFile, before: Option<&Self>) -> Self {
        Self {
            name: file.name.clone(),
            sourcetypes: file.sourcetypes.clone(),
            event: same_or(before.and_then(|before| before.event.as_ref()), file.event.as_ref()),
            time: same_or(before.and_then(|before| before.time.as_ref()), file.time.as_ref()),
            lines: same_or(before.and_then(|before| before.lines.as_ref()), file.lines.as_ref()),
        }
    }

    fn is_as(&self, other: &Self) -> bool {
        self.sourcetypes == other.sourcetypes
            && is_same(self.event.as_ref(), other.event.as_ref())
            && is_same(self.time.as_ref(), other.time.as_ref())
            && is_same(self.lines.as_ref(), other.lines.as_ref())
    }

    fn is_for(&self, sourcetype: &str) -> bool {
        self.sourcetypes.iter().any(|wanted| wildcard(wanted, sourcetype))
    }
}

impl EventRules {
    /// Takes the rules of these files, in the order of their names, instead of those before. `some_failed`: there are files that could
    /// not be read; as it is not known which, the rules of files that are not given stay as they are.
    pub fn set(&self, files: &[Arc<FormatFile>], some_failed: bool) {
        let mut own = self.own.write();
        let speaking = files.iter().filter(|file| file.event.is_some() || file.time.is_some() || file.lines.is_some());
        let before = |name: &str| own.files.iter().find(|before| before.name == name);
        let mut now: Vec<FileRules> = speaking.map(|file| FileRules::new(file, before(&file.name))).collect();
        if some_failed {
            let given = |name: &str| files.iter().any(|file| file.name == name);
            now.extend(own.files.iter().filter(|before| !given(&before.name)).cloned());
            now.sort_by(|a, b| a.name.cmp(&b.name));
        }
        if now.len() != own.files.len() || !now.iter().zip(own.files.iter()).all(|(a, b)| a.is_as(b)) {
            let detection = Detection::new(now.iter().filter_map(|file| file.lines.clone()).collect()).map(Arc::new);
            *own = Own { files: now, detection };
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// A number that changes when rules do.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The rule of a sourcetype; `None` where every line is an event.
    pub fn of(&self, sourcetype: &str) -> Option<Arc<Rule>> {
        let own = self.own.read();
        match own.files.iter().filter(|file| file.is_for(sourcetype)).find_map(|file| file.event.as_ref()) {
            Some(rule) => Some(Arc::clone(rule)).filter(|rule| !rule.is_each_line()),
            None => Rule::of(sourcetype),
        }
    }

    /// Where the time of events of a sourcetype is, if a file says it.
    pub(crate) fn time_of(&self, sourcetype: &str) -> Option<Arc<TimeRule>> {
        self.own.read().files.iter().filter(|file| file.is_for(sourcetype)).find_map(|file| file.time.clone())
    }

    /// The sourcetype of a sample of lines, if a file tells them.
    pub fn detect(&self, sample: &[u8]) -> Option<Arc<str>> {
        let detection = self.own.read().detection.clone();
        detection?.detect(sample)
    }
}
