//! The thread of one input: looks at what is there, and reads what is new of it. Which content a file holds is decided as for followed files.

mod fresh;

use super::remote::{Access, Remote};
use crate::counters::InputCounters;
use crate::decode::{Breaking, Envelope};
use crate::delivery::{Delivery, OnFailure};
use crate::files::binary;
use crate::files::content::{Book, Content, Opened, Prefix, TAIL_BYTES, print, related};
use crate::files::discover::Discovery;
use crate::input::{Context, Stop};
use crate::outgoing::Outgoing;
use crate::unpack::Packing;
use fresh::Fresh;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::FILE_POSITION_DAYS_MAX;
use taffrail_base::{Error, ErrorKind, Metadata, Result, Vfs};
use taffrail_event::Timestamp;
use tokio::runtime::Handle;

/// Bytes of content taken at once.
const READ_BYTES: usize = 128 * 1024;

/// Files that are remembered as counted.
const COUNTED_MAX: usize = 100_000;

/// The value of a position: a content, and the file that it was seen in last.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    #[serde(flatten)]
    content: Content,
    path: PathBuf,
    size: u64,
    modified: i64,
    /// Nothing of the file as it was then is left to be read.
    ended: bool,
}

impl Progress {
    /// Whether the file is as it was, by what its folder says of it.
    fn is_of(&self, metadata: &Metadata) -> bool {
        self.size == metadata.len && self.modified == metadata.modified_nanos
    }
}

pub(super) struct Reader {
    context: Context,
    counters: Arc<InputCounters>,
    access: Access,
    discovery: Discovery,
    envelope: Envelope,
    /// All positions begin so.
    keys: String,
    every: Duration,
    delivery: Delivery,
    out: Outgoing,
    runtime: Handle,
    stop: Stop,
    buffer: Vec<u8>,
    /// What is known at the beginning of a look, by key and by path.
    book: Book,
    files: FxHashMap<PathBuf, (String, Progress)>,
    /// Files that are counted already as not read, should they be looked at again.
    counted: FxHashSet<(PathBuf, i64)>,
    /// Compressed files of which nothing could be read at the last look.
    mute: FxHashMap<PathBuf, (u64, i64)>,
    /// Files that may have been written again within the second in which they were read.
    fresh: FxHashMap<PathBuf, Fresh>,
}

impl Reader {
    #[allow(clippy::too_many_arguments)] // it is made in one place
    pub fn new(
        context: Context,
        counters: Arc<InputCounters>,
        access: Access,
        discovery: Discovery,
        envelope: Envelope,
        (keys, every): (String, Duration),
        runtime: Handle,
        stop: Stop,
    ) -> Self {
        Self {
            delivery: Delivery::new(Arc::clone(&context.sink), runtime.clone(), stop.clone(), OnFailure::Reread),
            out: Outgoing::new(Timestamp(context.clock.now_nanos())),
            context,
            counters,
            access,
            discovery,
            envelope,
            keys,
            every,
            runtime,
            stop,
            buffer: vec![0; READ_BYTES],
            book: Book::default(),
            files: FxHashMap::default(),
            counted: FxHashSet::default(),
            mute: FxHashMap::default(),
            fresh: FxHashMap::default(),
        }
    }

    /// Works until it is stopped. Blocks; has a thread of its own.
    pub fn run(mut self) {
        let mut stop = self.stop.clone();
        loop {
            if let Err(error) = self.pass()
                && !self.stop.is_stopped()
            {
                self.counters.problem(error.to_string());
            }
            if !self.out.is_empty() {
                // Only the sink knows what it has.
                let received = self.now();
                std::mem::replace(&mut self.out, Outgoing::new(received)).tally.unreceived();
            }
            if self.runtime.block_on(stop.within(self.every)) {
                return;
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.context.clock.now_nanos())
    }

    /// One look: a connection, all files, what is new of each.
    fn pass(&mut self) -> Result<()> {
        self.load();
        let (access, runtime, mut stop) = (&self.access, self.runtime.clone(), self.stop.clone());
        let connected = runtime.block_on(async {
            tokio::select! { biased; () = stop.stopped() => None, connected = access.connect(&runtime) => Some(connected) }
        });
        let remote = match connected {
            None => return Ok(()),
            Some(connected) => connected.map_err(|text| Error::new(ErrorKind::Io, text))?,
        };
        let mut hidden = None;
        for root in self.discovery.roots() {
            if let Err(error) = remote.metadata(&root.folder) {
                hidden = Some(format!("{}: {error}", root.folder.display()));
            }
        }
        let found = self.discovery.find(&remote);
        self.whole(&remote)?;
        let hidden = hidden.or_else(|| remote.hidden());
        if let Some(text) = &hidden {
            self.counters.problem(text.clone());
        }
        // What is as it was keeps its content, before others that begin alike are looked at.
        let (same, others): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|(path, metadata)| self.files.get(path).is_some_and(|(_, known)| known.ended && known.is_of(metadata)));
        let mut others = others;
        for (path, metadata) in same {
            if self.is_rewritten(&remote, &path, &metadata)? {
                others.push((path, metadata));
                continue;
            }
            let key = self.files[&path].0.clone();
            self.book.bind(&key);
        }
        for (path, metadata) in &others {
            if self.stop.is_stopped() {
                break;
            }
            if metadata.len == 0 {
                continue;
            }
            if let Err(error) = self.file(&remote, path, metadata)? {
                self.whole(&remote)?;
                self.unreadable(path, metadata, &error);
            }
        }
        if !self.stop.is_stopped() && hidden.is_none() {
            self.forget();
        }
        self.hand_over()?;
        self.delivery.settle()
    }

    /// An error if the connection is no more.
    fn whole(&self, remote: &Remote) -> Result<()> {
        remote.broken().map_or(Ok(()), |why| Err(Error::new(ErrorKind::Io, format!("the connection broke off: {why}"))))
    }

    fn unreadable(&mut self, path: &Path, metadata: &Metadata, error: &io::Error) {
        // Gone between the listing and now: it is a matter of the next look.
        if error.kind() != io::ErrorKind::NotFound && self.counted.insert((path.to_owned(), metadata.modified_nanos)) {
            self.counters.skip("unreadable");
            self.counters.problem(format!("{}: {error}", path.display()));
        }
    }

    /// What the sink knows.
    fn load(&mut self) {
        if self.counted.len() > COUNTED_MAX || self.mute.len() > COUNTED_MAX {
            // Some are counted once more then.
            self.counted.clear();
            self.mute.clear();
        }
        self.book = Book::load_from(self.context.sink.as_ref(), self.keys.clone());
        self.files.clear();
        for (key, value) in self.context.sink.positions(&self.keys) {
            // One without a path is known by its content alone.
            if let Some(progress) = serde_json::from_slice::<Progress>(&value).ok().filter(|known| !known.path.as_os_str().is_empty()) {
                // Of two contents of one path, the later is the one in it.
                let before = self.files.get(&progress.path).map(|(_, before)| before.content.seen);
                if before.is_none_or(|before| before <= progress.content.seen) {
                    self.files.insert(progress.path.clone(), (key, progress));
                }
            }
        }
    }

    /// Lets go of contents that have long been in no file.
    fn forget(&mut self) {
        let before = self.now().nanos() / 1_000_000_000 - FILE_POSITION_DAYS_MAX * 86_400;
        for key in self.book.stale(before) {
            self.book.forget(&key);
            self.out.batch.set_position(key, Vec::new());
        }
    }

    /// Reads what is new of a file. The outer error is that of the sink, the inner one that of the file.
    fn file(&mut self, remote: &Remote, path: &Path, metadata: &Metadata) -> Result<io::Result<()>> {
        let opened = match remote.open_read(path).and_then(|file| Opened::look(Arc::from(file))) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        if opened.head.is_empty() {
            self.silent(path, metadata);
            return Ok(Ok(()));
        }
        if binary::kind(path, &opened.head).is_some() {
            if self.counted.insert((path.to_owned(), 0)) {
                self.counters.skip("binary");
            }
            return Ok(Ok(()));
        }
        let known = self.files.get(path).cloned();
        let quiet = known.as_ref().is_some_and(|(_, known)| known.is_of(metadata));
        let mut candidates = self.book.beginning_like(&opened.head);
        if let Some((key, _)) = known
            && !self.book.is_bound(&key)
        {
            candidates.insert(0, key);
        }
        let held = candidates.into_iter().find_map(|key| {
            let content = self.book.get(&key)?.clone();
            let tail = opened.holds(&content)?;
            Some((key, content, tail))
        });
        let (key, content, tail) = match held {
            Some(held) => held,
            None => {
                match self.is_copy(remote, path, &opened) {
                    Ok(false) => {}
                    Ok(true) => {
                        if self.counted.insert((path.to_owned(), metadata.modified_nanos)) {
                            self.counters.skip("copy");
                        }
                        return Ok(Ok(()));
                    }
                    Err(error) => return Ok(Err(error)),
                }
                (self.book.new_key(&opened.head), self.new_content(path), Vec::new())
            }
        };
        self.book.bind(&key);
        let progress = Progress { content, path: path.to_owned(), size: metadata.len, modified: metadata.modified_nanos, ended: false };
        self.read(&opened, &key, progress, tail, quiet)
    }

    /// A file with nothing in it that can be read: being written, or damaged, which is said when it stays so.
    fn silent(&mut self, path: &Path, metadata: &Metadata) {
        let now = (metadata.len, metadata.modified_nanos);
        if self.mute.insert(path.to_owned(), now) == Some(now) && self.counted.insert((path.to_owned(), metadata.modified_nanos)) {
            self.counters.skip("damaged");
            self.counters.problem(format!("{}: nothing of it can be unpacked", path.display()));
        }
    }

    fn new_content(&self, path: &Path) -> Content {
        Content {
            offset: 0,
            continued: false,
            head_len: 0,
            head: String::new(),
            tail: print(b""),
            device: 0,
            born: 0,
            inode: 0,
            packed_size: 0,
            source: format!("sftp://{}{}", self.envelope.peer, path.display()),
            sourcetype: None,
            seen: 0,
        }
    }

    /// Whether a file is a copy in the making of one that was met in this look: the same from its beginning to its end, with a related name.
    fn is_copy(&self, remote: &Remote, path: &Path, opened: &Opened) -> io::Result<bool> {
        for (other, (key, known)) in &self.files {
            if !self.book.is_bound(key) || !related(path, other) || known.content.packed_size > 0 {
                continue;
            }
            if self.book.get(key).is_some_and(|content| content.begins_like(&opened.head)) {
                let other = remote.open_read(other)?;
                if opened.compare(&*other)? == Prefix::Equal {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn read(&mut self, opened: &Opened, key: &str, mut progress: Progress, mut recent: Vec<u8>, quiet: bool) -> Result<io::Result<()>> {
        let name = progress.content.source.clone();
        let source = self.counters.source(&name);
        let mut envelope = self.envelope.with_source(&name);
        if let Some(found) = &progress.content.sourcetype {
            envelope.sourcetype.get_or_insert_with(|| found.as_str().into());
        }
        let mut decoding = envelope.decoding_by(&self.context.rules);
        decoding.set_modified(progress.modified);
        decoding.sample(&opened.head);
        let from = progress.content.offset;
        let mut breaking = match usize::try_from(from).unwrap_or(usize::MAX) {
            0 => Breaking::new(decoding),
            from => Breaking::resume(decoding, progress.content.continued, &opened.head[..opened.head.len().min(from)]),
        };
        let mut stream = match opened.stream_from(from) {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        let packed = opened.packing != Packing::Plain;
        let (mut taken, mut failure) = (from, None);
        while !self.stop.is_stopped() {
            match stream.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(Err(error)),
                Err(error) => {
                    // Compressed and still being written, or damaged: it is told when it stays so.
                    failure = Some(error);
                    progress.ended = quiet;
                }
                Ok(0) => progress.ended = quiet || packed || breaking.held() == 0,
                Ok(n) => {
                    let bytes = &self.buffer[..n];
                    self.out.add(&source, |batch| breaking.push(bytes, batch));
                    recent.extend_from_slice(bytes);
                    taken += n as u64;
                    self.note(&mut progress, opened, &breaking, taken, &mut recent);
                    if self.out.is_full() {
                        self.set(key, &progress);
                        self.hand_over()?;
                    }
                    continue;
                }
            }
            if progress.ended {
                self.out.add(&source, |batch| breaking.finish(batch));
                progress.content.packed_size = if packed { progress.size } else { 0 };
            }
            break;
        }
        self.note(&mut progress, opened, &breaking, taken, &mut recent);
        self.set(key, &progress);
        self.note_fresh(&progress);
        if let Some(error) = failure
            && progress.ended
        {
            self.counters.skip("damaged");
            self.counters.problem(format!("{name}: {error}; what came before is stored"));
        }
        if self.out.is_full() {
            self.hand_over()?;
        }
        Ok(Ok(()))
    }

    /// Brings what is known of a content up to where it was read. `recent` are the last bytes that were read.
    fn note(&self, progress: &mut Progress, opened: &Opened, breaking: &Breaking, taken: u64, recent: &mut Vec<u8>) {
        let held = breaking.held().min(recent.len());
        recent.drain(..recent.len().saturating_sub(held + TAIL_BYTES));
        let content = &mut progress.content;
        content.offset = taken - breaking.held() as u64;
        content.continued = breaking.continued();
        content.tail = print(&recent[..recent.len() - held]);
        (content.head_len, content.head) = (opened.head.len(), print(&opened.head));
        content.sourcetype = breaking.decoding.decided().map(str::to_owned).or_else(|| content.sourcetype.take());
        (content.device, content.inode) = (opened.identity.device, opened.identity.inode);
        content.seen = self.now().nanos() / 1_000_000_000;
    }

    fn set(&mut self, key: &str, progress: &Progress) {
        self.book.set(key, progress.content.clone());
        self.files.insert(progress.path.clone(), (key.to_owned(), progress.clone()));
        self.out.batch.set_position(key, serde_json::to_vec(progress).expect("strings and numbers always serialise"));
    }

    fn hand_over(&mut self) -> Result<()> {
        let next = self.delivery.next(self.now());
        let out = std::mem::replace(&mut self.out, next);
        self.delivery.send(out)
    }
}
