//! Tells the worker when something has changed below the followed folders. Only a hint: everything is also
//! found by looking again, so a lost notification costs time and nothing else.

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::discover::Root;

/// Paths remembered between two looks; beyond it, everything is looked at.
const PATHS_MAX: usize = 4_096;

/// What has changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Files whose content changed.
    pub paths: FxHashSet<PathBuf>,
    /// Names came or went, or too much happened: look at everything.
    pub all: bool,
    /// The input should stop.
    pub stop: bool,
}

/// Collects changes until the worker asks for them.
#[derive(Debug, Default)]
pub struct Bell {
    changes: Mutex<Changes>,
    rung: Condvar,
}

impl Bell {
    /// Waits for a change, at most `wait`, and takes what there is.
    pub fn wait(&self, wait: Duration) -> Changes {
        let mut changes = self.changes.lock();
        if !changes.all && !changes.stop && changes.paths.is_empty() {
            let _ = self.rung.wait_for(&mut changes, wait);
        }
        let stop = changes.stop;
        Changes { stop, ..std::mem::replace(&mut changes, Changes { stop, ..Changes::default() }) }
    }

    /// Tells the worker to stop.
    pub fn stop(&self) {
        self.changes.lock().stop = true;
        self.rung.notify_all();
    }

    fn note(&self, event: notify::Result<notify::Event>) {
        let mut changes = self.changes.lock();
        match event {
            Ok(event) => match event.kind {
                // Our own reading, and changes of owner or access time.
                EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => return,
                EventKind::Modify(ModifyKind::Data(_)) if changes.paths.len() < PATHS_MAX => changes.paths.extend(event.paths),
                _ => changes.all = true,
            },
            Err(_) => changes.all = true,
        }
        drop(changes);
        self.rung.notify_all();
    }
}

/// Watches the folders as long as the value lives. `None` where the system offers no way; then looking again
/// every now and then has to do.
pub fn watch(roots: &[Root], bell: &Arc<Bell>) -> Option<RecommendedWatcher> {
    let bell = Arc::clone(bell);
    let mut watcher = notify::recommended_watcher(move |event| bell.note(event)).ok()?;
    for root in roots {
        let mode = if root.deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        if let Err(error) = watcher.watch(&root.folder, mode) {
            tracing::debug!(folder = %root.folder.display(), %error, "not watched; it is looked at every now and then");
        }
    }
    Some(watcher)
}
