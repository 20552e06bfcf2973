//! The thread that follows all files of an input: looks what is there, tells what each file is, reads what is
//! new into shared batches, and hands them over with the positions.

use super::binary;
use super::content::{Book, Content, Opened, Prefix, related};
use super::discover::Discovery;
use super::follow::{Following, Turn};
use super::tracker::{State, Tracker};
use super::watch::{Bell, Changes, watch};
use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::delivery::{Delivery, OnFailure};
use crate::input::{Context, Stop};
use crate::outgoing::Outgoing;
use crate::unpack::Packing;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::{FILE_POSITION_DAYS_MAX, FILES_FOLLOWED_MAX, FILES_OPEN_MAX};
use taffrail_base::{FileIdentity, Result};
use taffrail_event::Timestamp;
use tokio::runtime::Handle;

/// How often things happen.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Everything is looked at this often.
    pub poll: Duration,
    /// A last line without a newline is an event after this long.
    pub partial_line: Duration,
    /// An event whose next line may still come is complete after this long.
    pub quiet: Duration,
}

/// A file that no followed path leads to any more is let go when it has not grown for this long: writers keep
/// writing to a renamed file until they are told to open the new one.
const GONE_GRACE: Duration = Duration::from_secs(60);

/// A truncated content whose copy has not been found by then has none.
const ORPHAN_GRACE: Duration = Duration::from_secs(10);

/// Something that was written this recently may still be in the middle of being copied or compressed.
const SETTLE: Duration = Duration::from_secs(1);

/// After a notification, this long more changes are gathered before they are looked at.
const GATHER: Duration = Duration::from_millis(10);

/// After this many files it is seen to that not too many are open.
const FILES_SLACK: usize = 64;

/// Reads of one file before it is the next file's turn.
const TURNS: usize = 16;

/// A content whose file was truncated, until a copy of it turns up.
struct Orphan {
    following: Box<Following>,
    lost: u64,
    due: u64,
}

/// Follows the files of one input.
pub struct Worker {
    context: Context,
    envelope: Envelope,
    discovery: Discovery,
    times: Times,
    counters: Arc<InputCounters>,
    stop: Stop,
    book: Book,
    trackers: FxHashMap<FileIdentity, Tracker>,
    by_path: FxHashMap<PathBuf, FileIdentity>,
    orphans: Vec<Orphan>,
    delivery: Delivery,
    out: Outgoing,
    /// Files with something in `out`.
    touched: FxHashSet<FileIdentity>,
    buffer: Vec<u8>,
    /// Everything that is there was there before: nothing is a copy in the making.
    first: bool,
    /// A truncation was found that nobody has looked at yet.
    truncation: bool,
    /// When the next event has rested for long enough, on the monotonic clock.
    due: u64,
    /// What was reported already.
    reported: FxHashSet<PathBuf>,
}

impl Worker {
    /// A worker that knows what the sink knows.
    pub fn new(
        context: Context,
        envelope: Envelope,
        discovery: Discovery,
        times: Times,
        counters: Arc<InputCounters>,
        stop: Stop,
        runtime: Handle,
    ) -> Self {
        let delivery = Delivery::new(Arc::clone(&context.sink), runtime, stop.clone(), OnFailure::Reread);
        Self {
            book: Book::load(context.sink.as_ref(), &envelope.index),
            out: Outgoing::new(Timestamp(context.clock.now_nanos())),
            context,
            envelope,
            discovery,
            times,
            counters,
            stop,
            trackers: FxHashMap::default(),
            by_path: FxHashMap::default(),
            orphans: Vec::new(),
            delivery,
            touched: FxHashSet::default(),
            buffer: Vec::new(),
            first: true,
            truncation: false,
            due: u64::MAX,
            reported: FxHashSet::default(),
        }
    }

    /// Follows until it is stopped. Blocks; has a thread of its own.
    pub fn run(mut self, bell: &Arc<Bell>) {
        let _watcher = watch(self.discovery.roots(), bell);
        let mut changes = Changes { all: true, ..Changes::default() };
        let mut next = 0;
        while !changes.stop && !self.stop.is_stopped() {
            let started = self.monotonic();
            if changes.all || started >= next {
                self.discover();
                let now = self.monotonic();
                // Where looking takes long, it is done less often.
                next = now + nanos(self.times.poll).max(20 * (now - started));
            } else {
                self.look(&changes.paths);
            }
            let result = self.pass();
            if let Err(error) = result {
                if self.stop.is_stopped() {
                    return;
                }
                self.counters.problem(format!("files will be read again from their stored positions: {error}"));
                self.reload();
                self.context.clock.sleep(Duration::from_secs(1));
                next = 0;
            }
            if self.truncation {
                next = 0;
            }
            changes = bell.wait(Duration::from_nanos(next.min(self.due).saturating_sub(self.monotonic())));
            if !changes.stop && (changes.all || !changes.paths.is_empty()) {
                self.context.clock.sleep(GATHER);
                let more = bell.wait(Duration::ZERO);
                changes.paths.extend(more.paths);
                changes.all |= more.all;
                changes.stop |= more.stop;
            }
        }
    }

    fn monotonic(&self) -> u64 {
        self.context.clock.monotonic_nanos()
    }

    fn now(&self) -> i64 {
        self.context.clock.now_nanos()
    }

    /// After a failure of the sink nobody knows what is stored but the sink itself: start as after a restart.
    fn reload(&mut self) {
        self.book = Book::load(self.context.sink.as_ref(), &self.envelope.index);
        self.trackers.clear();
        self.by_path.clear();
        self.orphans.clear();
        self.touched.clear();
        let out = std::mem::replace(&mut self.out, Outgoing::new(Timestamp(self.context.clock.now_nanos())));
        out.tally.unreceived();
        self.first = true;
    }

    /// Looks at everything.
    fn discover(&mut self) {
        let found = self.discovery.find(self.context.vfs.as_ref());
        let now = self.monotonic();
        self.by_path.clear();
        let mut seen: FxHashSet<FileIdentity> = FxHashSet::default();
        for (path, metadata) in &found {
            let room = self.trackers.len() < FILES_FOLLOWED_MAX;
            self.by_path.insert(path.clone(), metadata.identity);
            match self.trackers.get_mut(&metadata.identity) {
                Some(tracker) => {
                    tracker.update(metadata);
                    tracker.gone_since = None;
                    seen.insert(metadata.identity);
                }
                None if room => {
                    self.trackers.insert(metadata.identity, Tracker::new(path.clone(), metadata));
                    seen.insert(metadata.identity);
                }
                None => self.report(path, &format!("more than {FILES_FOLLOWED_MAX} files: not followed")),
            }
        }
        // Renamed: the first of its names now. A file with several names (hard links) keeps the one it has.
        for (path, metadata) in found.iter().rev() {
            let by_path = &self.by_path;
            if let Some(tracker) = self.trackers.get_mut(&metadata.identity)
                && by_path.get(&tracker.path) != Some(&metadata.identity)
            {
                tracker.path.clone_from(path);
                tracker.changed = true;
            }
        }
        for (identity, tracker) in &mut self.trackers {
            if !seen.contains(identity) {
                tracker.gone_since.get_or_insert(now);
                tracker.changed = true;
            }
        }
    }

    /// Looks at single files.
    fn look(&mut self, paths: &FxHashSet<PathBuf>) {
        for path in paths {
            let known = self.by_path.get(path).and_then(|identity| self.trackers.get_mut(identity));
            if let (Some(tracker), Ok(metadata)) = (known, self.context.vfs.metadata(path))
                && metadata.identity == tracker.identity
            {
                tracker.update(&metadata);
            }
        }
    }

    /// Does for every file what there is to do, and returns when all of it is durable.
    fn pass(&mut self) -> Result<()> {
        self.read_changed()?;
        if std::mem::take(&mut self.truncation) {
            // The copy was made before: it must be known before the file is read anew, or its rest comes too late.
            self.discover();
            self.read_changed()?;
        }
        // Only now: what was truncated or is gone is known, so that copies can be told.
        let mut unknown = self.sorted(|tracker, book| match &tracker.state {
            State::Fresh { .. } | State::Skipped | State::Done(_) => tracker.changed,
            State::Copy { of } => tracker.changed || !book.is_bound(of),
            State::Following(_) | State::Packed(..) => false,
        });
        // A compressed file first: of a log's old and new file the old one.
        unknown.sort_by_key(|identity| !is_packed_name(&self.trackers[identity].path));
        for (number, identity) in unknown.into_iter().enumerate() {
            if self.stop.is_stopped() {
                break;
            }
            self.tell(identity);
            if self.truncation {
                // Looked at again at once, and before the files after it, which are newer.
                break;
            }
            // At once, so that files need not all be open at the same time; large plain ones go on below.
            while self.read(identity)? && matches!(self.trackers[&identity].state, State::Packed(..)) && !self.stop.is_stopped() {}
            if number % FILES_SLACK == 0 {
                self.close_some();
            }
        }
        self.first = false;
        self.read_changed()?;
        self.expire();
        self.hand_over()?;
        self.delivery.settle()?;
        self.close_some();
        Ok(())
    }

    /// Files that something applies to, the one modified longest ago first; of the same time that with the
    /// larger number in its name first, which is the older one.
    fn sorted(&self, applies: impl Fn(&Tracker, &Book) -> bool) -> Vec<FileIdentity> {
        let mut files: Vec<&Tracker> = self.trackers.values().filter(|tracker| applies(tracker, &self.book)).collect();
        files.sort_by(|one, other| one.modified.cmp(&other.modified).then_with(|| other.path.cmp(&one.path)));
        files.into_iter().map(|tracker| tracker.identity).collect()
    }

    fn read_changed(&mut self) -> Result<()> {
        let mut queue: VecDeque<FileIdentity> =
            self.sorted(|tracker, _| tracker.changed && matches!(tracker.state, State::Following(_) | State::Packed(..))).into();
        let mut reads = 0;
        while let Some(identity) = queue.pop_front() {
            if self.stop.is_stopped() {
                break;
            }
            if self.read(identity)? {
                match self.trackers.get(&identity).map(|tracker| &tracker.state) {
                    // One after the other: each costs the memory of a decompressor.
                    Some(State::Packed(..)) => queue.push_front(identity),
                    _ => queue.push_back(identity),
                }
            }
            reads += 1;
            if reads % FILES_SLACK == 0 {
                self.close_some();
            }
        }
        Ok(())
    }

    /// Reads a while in one file; whether there may be more.
    fn read(&mut self, identity: FileIdentity) -> Result<bool> {
        for _ in 0..TURNS {
            let Some(tracker) = self.trackers.get_mut(&identity) else { return Ok(false) };
            let modified = tracker.modified;
            if let Some(following) = tracker.following() {
                following.set_modified(modified);
            }
            let turn = match &mut tracker.state {
                State::Packed(following, opened) => following.turn_packed(opened, &mut self.buffer, &mut self.out),
                State::Following(_) => {
                    let file = tracker.open(self.context.vfs.as_ref());
                    let gone = tracker.gone_since.is_some();
                    let file = match file {
                        Err(_) if gone && tracker.open_renamed(self.context.vfs.as_ref()) => {
                            Ok(tracker.file.clone().expect("it was just opened"))
                        }
                        other => other,
                    };
                    let following = tracker.following().expect("it is followed");
                    file.and_then(|file| following.turn(file.as_ref(), &mut self.buffer, &mut self.out))
                }
                _ => return Ok(false),
            };
            if let (Ok(Turn::More | Turn::Caught), len) = (&turn, tracker.len)
                && let Some(following) = tracker.following()
            {
                following.longest = following.longest.max(len);
            }
            match turn {
                Ok(Turn::More) => self.touch(identity),
                Ok(Turn::Caught) => {
                    self.touch(identity);
                    self.caught(identity);
                    return Ok(false);
                }
                Ok(Turn::Truncated) => {
                    self.truncated(identity);
                    return Ok(false);
                }
                Err(error) => {
                    self.unreadable(identity, &error);
                    return Ok(false);
                }
            }
            if self.out.is_full() {
                self.hand_over()?;
            }
        }
        Ok(true)
    }

    fn touch(&mut self, identity: FileIdentity) {
        let now = self.monotonic();
        if let Some(following) = self.trackers.get_mut(&identity).and_then(Tracker::following)
            && following.moved
        {
            following.grown = now;
            self.touched.insert(identity);
        }
    }

    fn caught(&mut self, identity: FileIdentity) {
        let seconds = self.now() / 1_000_000_000;
        let Some(tracker) = self.trackers.get_mut(&identity) else { return };
        tracker.changed = false;
        if let State::Packed(following, _) = &tracker.state {
            let content = following.content(seconds);
            let key = following.key.clone();
            tracker.state = State::Done(key.clone());
            tracker.file = None;
            set_position(&mut self.out, &mut self.book, &key, content);
        }
    }

    /// The content is not in its file any more: the file is another one now, and the content may turn up as a copy.
    fn truncated(&mut self, identity: FileIdentity) {
        let now = self.monotonic();
        let seconds = self.now() / 1_000_000_000;
        let Some(tracker) = self.trackers.get_mut(&identity) else { return };
        let State::Following(following) = std::mem::replace(&mut tracker.state, State::Fresh { truncated: true }) else { return };
        tracker.changed = true;
        self.truncation = true;
        self.book.unbind(&following.key);
        if following.moved {
            set_position(&mut self.out, &mut self.book, &following.key, following.content(seconds));
        }
        let lost = following.longest.saturating_sub(following.read_bytes());
        self.orphans.push(Orphan { following, lost, due: now + nanos(ORPHAN_GRACE) });
    }

    fn unreadable(&mut self, identity: FileIdentity, error: &std::io::Error) {
        let now = self.now();
        let Some(tracker) = self.trackers.get_mut(&identity) else { return };
        tracker.file = None;
        // Tried again when it changes, or when everything is looked at because it has another name.
        tracker.changed = false;
        let path = tracker.path.clone();
        if let State::Packed(following, _) = &tracker.state {
            if now.saturating_sub(tracker.modified) < nanos(Duration::from_secs(60)) as i64 {
                tracker.changed = true; // still being written, most likely
                return;
            }
            let (key, at, content) = (following.key.clone(), following.read_bytes(), following.content(now / 1_000_000_000));
            if following.moved {
                set_position(&mut self.out, &mut self.book, &key, content);
            }
            tracker.state = State::Done(key);
            if self.reported.insert(path.clone()) {
                self.counters.skip("damaged");
                self.counters.problem(format!("{}: {error} after {at} bytes; what came before is stored", path.display()));
            }
            return;
        }
        if error.kind() != std::io::ErrorKind::NotFound && self.reported.insert(path.clone()) {
            self.counters.skip("unreadable");
            self.counters.problem(format!("{}: {error}", path.display()));
        }
    }

    fn report(&self, path: &Path, text: &str) {
        if !self.reported.contains(path) {
            self.counters.problem(format!("{}: {text}", path.display()));
        }
    }

    /// Finds out what a file is.
    fn tell(&mut self, identity: FileIdentity) {
        let settled = self.is_settled(identity);
        let Some(tracker) = self.trackers.get_mut(&identity) else { return };
        if tracker.gone_since.is_some() {
            self.let_go(identity);
            return;
        }
        let opened = match tracker.open(self.context.vfs.as_ref()).and_then(Opened::look) {
            Ok(opened) => opened,
            Err(error) => return self.unreadable(identity, &error),
        };
        tracker.changed = false;
        if opened.head.is_empty() {
            tracker.file = None;
            return;
        }
        let path = tracker.path.clone();
        if let Some(kind) = binary::kind(&path, &opened.head) {
            (tracker.state, tracker.file) = (State::Skipped, None);
            if self.reported.insert(path.clone()) {
                self.counters.skip("binary");
                tracing::debug!(path = %path.display(), kind, "not a log: skipped");
            }
            return;
        }
        let truncated = matches!(tracker.state, State::Fresh { truncated: true });
        if let Some(key) = tracker.key().map(str::to_owned) {
            self.book.unbind(&key);
        }
        self.finish_renamed(&path, identity);
        if self.known(&opened, &path, truncated) {
            return;
        }
        let settled = settled || opened.packing != Packing::Plain && opened.is_complete();
        if opened.packing != Packing::Plain && (!settled || self.has_plain(&opened, &path)) {
            // Half of it says nothing yet; and the plain file that it is made from goes first.
            return self.look_again(identity);
        }
        if !truncated && !self.book.in_inode(identity).is_empty() {
            // It held something else when it was last read: truncated since, or the inode is used again. A copy
            // that was made before must be known before this is read anew, or its rest comes too late.
            if let Some(tracker) = self.trackers.get_mut(&identity) {
                tracker.state = State::Fresh { truncated: true };
            }
            self.truncation = true;
            return self.look_again(identity);
        }
        if (!self.first || opened.packing != Packing::Plain) && self.copy(&opened, &path, settled) {
            return;
        }
        let key = self.book.new_key(&opened.head);
        let envelope = self.envelope.with_source(&path.display().to_string());
        let source = self.counters.source(&envelope.source);
        let following = Following::new(key, &opened, &envelope, &self.context.rules, source, truncated);
        self.follow(opened, following);
    }

    fn look_again(&mut self, identity: FileIdentity) {
        if let Some(tracker) = self.trackers.get_mut(&identity) {
            (tracker.changed, tracker.file) = (true, None);
        }
    }

    fn is_settled(&self, identity: FileIdentity) -> bool {
        let Some(tracker) = self.trackers.get(&identity) else { return false };
        let age = self.now().saturating_sub(tracker.modified);
        // A time far in the future says nothing.
        age > nanos(SETTLE) as i64 || age < -(nanos(SETTLE) as i64)
    }

    fn follow(&mut self, opened: Opened, following: Following) {
        let seconds = self.now() / 1_000_000_000;
        self.book.bind(&following.key);
        if following.moved && self.book.get(&following.key).is_some() {
            // It is in another file now: remembered at once, so that a restart finds it there.
            set_position(&mut self.out, &mut self.book, &following.key, following.content(seconds));
        }
        self.orphans.retain(|orphan| orphan.following.key != following.key);
        let Some(tracker) = self.trackers.get_mut(&opened.identity) else { return };
        tracker.changed = true;
        tracker.state = match opened.packing {
            Packing::Plain => State::Following(Box::new(following)),
            _ => State::Packed(Box::new(following), Box::new(opened)),
        };
    }

    /// Whether the file holds a content that is known; then it goes on there.
    ///
    /// A file that was truncated holds nothing that it held before, even if it begins alike again.
    fn known(&mut self, opened: &Opened, path: &Path, truncated: bool) -> bool {
        let same_file = if truncated { Vec::new() } else { self.book.in_inode(opened.identity) };
        for key in same_file {
            let Some(content) = self.book.get(&key).cloned() else { continue };
            if opened.packing != Packing::Plain && content.packed_size == opened.len && content.begins_like(&opened.head) {
                self.book.bind(&key);
                if let Some(tracker) = self.trackers.get_mut(&opened.identity) {
                    (tracker.state, tracker.file) = (State::Done(key), None);
                }
                return true;
            }
            if self.resume(opened, key, &content) {
                return true;
            }
        }
        for key in self.book.beginning_like(&opened.head) {
            let Some(content) = self.book.get(&key).cloned() else { continue };
            // A short beginning proves little: then the names must speak for it as well.
            let sure = content.head_len >= super::content::HEAD_BYTES || related(path, Path::new(&content.source));
            let held_before = truncated && content.identity() == opened.identity;
            if !sure || held_before || !content.begins_like(&opened.head) {
                continue;
            }
            if self.is_claimed(&content, opened, path) {
                self.look_again(opened.identity);
                return true;
            }
            if self.resume(opened, key, &content) {
                return true;
            }
        }
        false
    }

    /// Whether another file, not told yet, has a better claim to a content: the file that it was in last, if it
    /// holds it still; and before a compressed file the plain one that it is being made from.
    fn is_claimed(&mut self, content: &Content, opened: &Opened, path: &Path) -> bool {
        let vfs = Arc::clone(&self.context.vfs);
        let is_packed = opened.packing != Packing::Plain;
        self.trackers.values_mut().any(|other| {
            let better = other.identity == content.identity() || is_packed && related(path, &other.path) && !is_packed_name(&other.path);
            other.identity != opened.identity
                && better
                && matches!(other.state, State::Fresh { truncated: false })
                && other.open(vfs.as_ref()).and_then(Opened::look).is_ok_and(|other| other.holds(content).is_some())
        })
    }

    /// Whether a plain file that nobody has told yet begins like a compressed one, and may be its original.
    fn has_plain(&mut self, opened: &Opened, path: &Path) -> bool {
        let vfs = Arc::clone(&self.context.vfs);
        self.trackers.values_mut().any(|other| {
            other.identity != opened.identity
                && matches!(other.state, State::Fresh { .. })
                && other.changed
                && related(path, &other.path)
                && !is_packed_name(&other.path)
                && other.open(vfs.as_ref()).and_then(Opened::look).is_ok_and(|other| {
                    let common = other.head.len().min(opened.head.len());
                    common > 0 && other.head[..common] == opened.head[..common]
                })
        })
    }

    fn resume(&mut self, opened: &Opened, key: String, content: &Content) -> bool {
        let Some(tail) = opened.holds(content) else { return false };
        let envelope = self.envelope.with_source(&content.source);
        let source = self.counters.source(&content.source);
        let following = Following::resume(key, content, tail, opened, &envelope, &self.context.rules, source);
        self.follow(opened.clone(), following);
        true
    }

    /// Whether the file is, or may be about to become, a copy of one that is followed.
    fn copy(&mut self, opened: &Opened, path: &Path, settled: bool) -> bool {
        let seconds = self.now() / 1_000_000_000;
        let vfs = Arc::clone(&self.context.vfs);
        let mut longer = None;
        for original in self.trackers.values_mut() {
            let is_plain = matches!(original.state, State::Following(_));
            if original.identity == opened.identity || !is_plain || !related(path, &original.path) {
                continue;
            }
            let Some(following) = original.following().filter(|f| f.begins_like(&opened.head) && path != Path::new(f.source())) else {
                continue;
            };
            let (key, content) = (following.key.clone(), following.content(seconds));
            let Ok(file) = original.open(vfs.as_ref()) else { continue };
            let Ok(prefix) = opened.compare(file.as_ref()) else { continue };
            if original.following().is_some_and(|following| !following.is_intact(file.as_ref())) {
                // Truncated since it was read: the next look finds that out first.
                self.look_again(opened.identity);
                return true;
            }
            match prefix {
                Prefix::Differs => {}
                Prefix::Longer => longer = Some(content),
                Prefix::Equal if settled => {
                    if let Some(tracker) = self.trackers.get_mut(&opened.identity) {
                        (tracker.state, tracker.file) = (State::Copy { of: key }, None);
                    }
                    return true;
                }
                Prefix::Equal => {
                    self.look_again(opened.identity);
                    return true;
                }
            }
        }
        // It has all that the original has, and more: the common part is stored once.
        longer.is_some_and(|content| {
            let key = self.book.new_key(&opened.head);
            self.resume(opened, key, &content)
        })
    }

    /// Another file has the name of a log: the last event of what had it is complete, and goes before.
    fn finish_renamed(&mut self, path: &Path, identity: FileIdentity) {
        let seconds = self.now() / 1_000_000_000;
        let truncated = self.orphans.iter_mut().map(|orphan| &mut orphan.following);
        for following in truncated.filter(|following| Path::new(following.source()) == path && !following.is_within_line()) {
            following.finish_event(&mut self.out);
            if std::mem::take(&mut following.moved) {
                set_position(&mut self.out, &mut self.book, &following.key, following.content(seconds));
            }
        }
        let modified = self.trackers.get(&identity).map_or(0, |tracker| tracker.modified);
        for (other, tracker) in &mut self.trackers {
            // Both may be new to us: then the older one is what was renamed.
            let older = tracker.modified <= modified && related(path, &tracker.path);
            if *other != identity
                && let State::Following(following) = &mut tracker.state
                && (older || Path::new(following.source()) == path)
                && following.held() > 0
                && !following.is_within_line()
            {
                following.finish_event(&mut self.out);
                self.touched.insert(*other);
            }
        }
    }

    /// Events that rest, lines without an end, files that are gone, contents without a file.
    fn expire(&mut self) {
        let now = self.monotonic();
        let (partial_line, quiet, gone_grace) = (nanos(self.times.partial_line), nanos(self.times.quiet), nanos(GONE_GRACE));
        self.due = u64::MAX;
        let mut gone = Vec::new();
        for (identity, tracker) in &mut self.trackers {
            let gone_since = tracker.gone_since;
            match &mut tracker.state {
                State::Following(following) => {
                    let rests = now.saturating_sub(following.grown);
                    let enough = if following.is_within_line() { partial_line } else { quiet };
                    if following.held() > 0 && rests >= enough {
                        following.finish_event(&mut self.out);
                        self.touched.insert(*identity);
                    } else if following.held() > 0 {
                        self.due = self.due.min(following.grown.saturating_add(enough));
                    }
                    let since = gone_since.map_or(0, |since| now.saturating_sub(since));
                    if gone_since.is_some() && (tracker.file.is_none() || since.min(rests) >= gone_grace) {
                        following.finish_event(&mut self.out);
                        self.touched.insert(*identity);
                        gone.push(*identity);
                    }
                }
                State::Packed(..) if gone_since.is_none() || tracker.file.is_some() => {}
                _ if gone_since.is_some() => gone.push(*identity),
                _ => {}
            }
        }
        self.set_positions();
        gone.into_iter().for_each(|identity| self.let_go(identity));
        self.expire_orphans(now);
        self.forget_stale();
    }

    fn let_go(&mut self, identity: FileIdentity) {
        if let Some(tracker) = self.trackers.remove(&identity)
            && let Some(key) = tracker.key()
        {
            self.book.unbind(key);
        }
    }

    fn expire_orphans(&mut self, now: u64) {
        let seconds = self.now() / 1_000_000_000;
        let (due, rest) = std::mem::take(&mut self.orphans).into_iter().partition(|orphan: &Orphan| orphan.due <= now);
        self.orphans = rest;
        for mut orphan in due {
            self.counters.add_lost_bytes(orphan.lost);
            orphan.following.finish_event(&mut self.out);
            if orphan.following.moved {
                set_position(&mut self.out, &mut self.book, &orphan.following.key, orphan.following.content(seconds));
            }
        }
    }

    fn forget_stale(&mut self) {
        let before = self.now() / 1_000_000_000 - FILE_POSITION_DAYS_MAX * 86_400;
        for key in self.book.stale(before) {
            self.out.batch.set_position(&key, Vec::new());
            self.book.forget(&key);
        }
    }

    fn set_positions(&mut self) {
        let seconds = self.now() / 1_000_000_000;
        for identity in std::mem::take(&mut self.touched) {
            if let Some(following) = self.trackers.get_mut(&identity).and_then(Tracker::following)
                && following.moved
            {
                following.moved = false;
                set_position(&mut self.out, &mut self.book, &following.key, following.content(seconds));
            }
        }
    }

    fn hand_over(&mut self) -> Result<()> {
        self.set_positions();
        let received = Timestamp(self.now());
        let out = std::mem::replace(&mut self.out, Outgoing::new(received));
        self.delivery.send(out)
    }

    /// Keeps the number of open files below the limit: those that have not grown for longest are closed.
    fn close_some(&mut self) {
        let mut open: Vec<(u64, FileIdentity)> = Vec::new();
        for (identity, tracker) in &mut self.trackers {
            if tracker.file.is_some() && tracker.gone_since.is_none() && !matches!(tracker.state, State::Packed(..)) {
                let grown = tracker.following().map_or(0, |following| following.grown);
                open.push((grown, *identity));
            }
        }
        if open.len() > FILES_OPEN_MAX {
            open.sort_unstable();
            for (_, identity) in &open[..open.len() - FILES_OPEN_MAX] {
                if let Some(tracker) = self.trackers.get_mut(identity) {
                    tracker.file = None;
                }
            }
        }
    }
}

fn set_position(out: &mut Outgoing, book: &mut Book, key: &str, content: Content) {
    out.batch.set_position(key, serde_json::to_vec(&content).expect("strings and numbers always serialise"));
    book.set(key, content);
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn is_packed_name(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| matches!(extension, "gz" | "zst" | "xz" | "bz2"))
}
