//! Follows files of which each version is one event (`whole_file = true`): looks at what is there, and takes what has
//! changed once it has settled.

use super::discover::Discovery;
use super::watch::{Bell, Changes, watch};
use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::delivery::{Delivery, OnFailure};
use crate::input::{Context, Stop};
use crate::outgoing::Outgoing;
use crate::whole::{Version, WholeFile, prefix};
use rustc_hash::{FxHashMap, FxHashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::{FILE_POSITION_DAYS_MAX, FILES_FOLLOWED_MAX};
use taffrail_base::{Metadata, Result};
use taffrail_event::Timestamp;
use tokio::runtime::Handle;

/// What was written this recently may still be being written: half of a file is no version of it.
const SETTLE_NANOS: i64 = 1_000_000_000;

/// The thread of one input.
pub struct Worker {
    context: Context,
    envelope: Envelope,
    discovery: Discovery,
    poll: Duration,
    counters: Arc<InputCounters>,
    stop: Stop,
    delivery: Delivery,
    out: Outgoing,
    /// Files as they were when they were taken.
    taken: FxHashMap<PathBuf, Metadata>,
    /// What was reported already.
    reported: FxHashSet<PathBuf>,
}

impl Worker {
    /// A worker that takes what the sink does not have.
    pub fn new(
        context: Context,
        envelope: Envelope,
        discovery: Discovery,
        poll: Duration,
        counters: Arc<InputCounters>,
        stop: Stop,
        runtime: Handle,
    ) -> Self {
        let delivery = Delivery::new(Arc::clone(&context.sink), runtime, stop.clone(), OnFailure::Reread);
        let out = Outgoing::new(Timestamp(context.clock.now_nanos()));
        let (taken, reported) = (FxHashMap::default(), FxHashSet::default());
        Self { context, envelope, discovery, poll, counters, stop, delivery, out, taken, reported }
    }

    /// Works until it is stopped. Blocks; has a thread of its own.
    pub fn run(mut self, bell: &Arc<Bell>) {
        let _watcher = watch(self.discovery.roots(), bell);
        self.forget_stale();
        let mut changes = Changes::default();
        while !changes.stop && !self.stop.is_stopped() {
            if let Err(error) = self.pass() {
                if self.stop.is_stopped() {
                    return;
                }
                self.counters.problem(format!("files will be read again: {error}"));
                // Only the sink knows what it has.
                let received = self.now();
                let out = std::mem::replace(&mut self.out, Outgoing::new(received));
                out.tally.unreceived();
                self.taken.clear();
                self.context.clock.sleep(Duration::from_secs(1));
            }
            changes = bell.wait(self.poll);
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.context.clock.now_nanos())
    }

    /// Takes every file that is not as it was.
    fn pass(&mut self) -> Result<()> {
        let found = self.discovery.find(self.context.vfs.as_ref());
        let names: FxHashSet<&PathBuf> = found.iter().map(|(path, _)| path).collect();
        self.taken.retain(|path, _| names.contains(path));
        for (path, metadata) in &found {
            if self.stop.is_stopped() {
                break;
            }
            let age = self.now().0.saturating_sub(metadata.modified_nanos);
            let settled = !(-SETTLE_NANOS..SETTLE_NANOS).contains(&age);
            if !settled || self.taken.get(path) == Some(metadata) {
                continue;
            }
            if self.taken.len() >= FILES_FOLLOWED_MAX && !self.taken.contains_key(path) {
                self.report(path, &format!("more than {FILES_FOLLOWED_MAX} files: not followed"));
                continue;
            }
            match self.take(path)? {
                Ok(()) => _ = self.taken.insert(path.clone(), *metadata),
                // Looked at again: it is being written, or has just gone.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::NotFound) => {}
                Err(error) => {
                    self.taken.insert(path.clone(), *metadata);
                    self.counters.skip("unreadable");
                    self.report(path, &error.to_string());
                }
            }
        }
        self.hand_over()?;
        self.delivery.settle()
    }

    /// Takes one file, if it is not stored as it is now. The outer error is that of the sink.
    fn take(&mut self, path: &Path) -> Result<io::Result<()>> {
        let name = path.display().to_string();
        let mut file = WholeFile::new(&self.envelope, self.counters.source(&name), &name);
        let known = self.context.sink.position(&file.key).and_then(|value| Version::parse(&value));
        let opened = self.context.vfs.open_read(path).map(Arc::from);
        let version = match opened.and_then(|opened| file.look(path, opened, true)) {
            Ok(Some(version)) => version,
            Ok(None) => {
                if self.reported.insert(path.to_owned()) {
                    self.counters.skip("binary");
                }
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        let mut next = version.go_on(known.as_ref());
        if next.is_some()
            && let Some(problem) = version.split_problem(&name)
        {
            self.counters.problem(problem);
        }
        while let Some(offset) = next {
            next = match file.part(&version, offset, &mut self.out) {
                Ok(next) => next,
                Err(error) => return Ok(Err(error)),
            };
            if self.out.is_full() {
                self.hand_over()?;
            }
        }
        Ok(Ok(()))
    }

    fn hand_over(&mut self) -> Result<()> {
        let received = self.now();
        let out = std::mem::replace(&mut self.out, Outgoing::new(received));
        self.delivery.send(out)
    }

    fn report(&mut self, path: &Path, text: &str) {
        if self.reported.insert(path.to_owned()) {
            self.counters.problem(format!("{}: {text}", path.display()));
        }
    }

    /// Forgets files that have been gone for long.
    fn forget_stale(&mut self) {
        let before = self.now().0 / 1_000_000_000 - FILE_POSITION_DAYS_MAX * 86_400;
        for (key, value) in self.context.sink.positions(&prefix(&self.envelope.index)) {
            let stale = Version::parse(&value).is_some_and(|version| {
                version.seen < before
                    && self.context.vfs.metadata(Path::new(&version.source)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            });
            if stale {
                self.out.batch.set_position(key, Vec::new());
            }
        }
    }
}
