//! The write-ahead log: what is in it is acknowledged. Specified in `docs/formats/journal.md`.
//!
//! Records are appended in groups, one write and one sync each. A file whose write or sync failed is never
//! touched again: the next file's header says how much of it counts, and the group goes there. Nothing here
//! knows of segments; whoever does says from which record on the journal is still needed.

pub(crate) mod examine;
pub(crate) mod payload;
pub(crate) mod record;
pub(crate) mod recover;
#[cfg(test)]
mod tests;

pub use payload::Span;
use recover::{ChainFile, Found, RawRecord};

use record::{HEAD_LEN, HEADER_LEN, Header};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::limits::{JOURNAL_FILE_BYTES_MAX, JOURNAL_FILE_NUMBER_MAX, JOURNAL_RECORD_BYTES_MAX, SEQUENCE_MAX};
use taffrail_base::{Clock, Error, ErrorKind, Randomness, Result, Vfs, VfsFile};
use taffrail_event::{EventBatch, Timestamp};

/// What a journal works with.
#[derive(Clone)]
pub struct JournalOptions {
    /// Its folder.
    pub folder: PathBuf,
    /// The file system.
    pub vfs: Arc<dyn Vfs>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Randomness>,
    /// Bytes of a file before the next is started.
    pub file_bytes_max: u64,
}

impl JournalOptions {
    /// The usual file size in `folder`.
    pub fn new(folder: PathBuf, vfs: Arc<dyn Vfs>, clock: Arc<dyn Clock>, random: Arc<dyn Randomness>) -> Self {
        Self { folder, vfs, clock, random, file_bytes_max: JOURNAL_FILE_BYTES_MAX }
    }
}

/// A batch to be appended.
pub struct Entry<'a> {
    /// The events and positions.
    pub batch: &'a EventBatch,
    /// Their arrival numbers, per index.
    pub spans: &'a [Span],
}

/// A record read back.
#[derive(Debug)]
pub struct Replayed {
    /// Its sequence number.
    pub sequence: u64,
    /// The events and positions.
    pub batch: EventBatch,
    /// Their arrival numbers, per index.
    pub spans: Vec<Span>,
}

/// A file of the journal and what it holds.
#[derive(Clone, Debug)]
struct FileInfo {
    number: u64,
    first_sequence: u64,
    /// The sequence number after its last record.
    end_sequence: u64,
    /// Per index, the arrival number after the last that it holds.
    ends: BTreeMap<Arc<str>, u64>,
    len: u64,
}

struct OpenFile {
    file: Box<dyn VfsFile>,
    nonce: u64,
    info: FileInfo,
}

/// The write-ahead log, open for appending.
pub struct Journal {
    options: JournalOptions,
    /// Files that get no more records, oldest first.
    closed: VecDeque<FileInfo>,
    /// The file that gets the next records; none after a failure.
    open: Option<OpenFile>,
    /// The last file that counts and how much of it does.
    last: (u64, u64),
    next_sequence: u64,
    next_number: u64,
    rotate: bool,
    /// Records found at the end of the last file that no file is known to hold durably yet: the next file
    /// begins with them.
    carried: Vec<RawRecord>,
    buffer: Vec<u8>,
    syncs: u64,
    written: u64,
}

fn file_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.wal"))
}

/// The number in a file's name, which ends in `suffix`.
fn file_number(path: &Path, suffix: &str) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(suffix)?;
    (stem.len() == 16).then(|| stem.parse().ok())?
}

/// The most bytes that a record of this batch can take; [`Journal::append`] refuses more than the limit.
pub fn record_bytes(batch: &EventBatch) -> usize {
    HEAD_LEN + payload::bound(batch)
}

/// Whether there is any file of a journal.
pub fn exists(options: &JournalOptions) -> Result<bool> {
    match options.vfs.read_dir(&options.folder) {
        Ok(paths) => Ok(paths.iter().any(|path| file_number(path, ".wal").is_some())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io(options.folder.display(), e)),
    }
}

/// Reads the journal without changing anything, while another process may be appending to it. Gives the
/// sequence number of the first record that it would hold.
pub fn read(options: &JournalOptions, mut each: impl FnMut(Replayed) -> Result<()>) -> Result<Option<u64>> {
    if options.vfs.metadata(&options.folder).is_err() {
        return Ok(None);
    }
    let found = recover::find(&*options.vfs, &options.folder, 0)?;
    for (at, file) in found.chain.iter().enumerate() {
        let end = recover::replay(&*options.vfs, file, |raw| each(decoded(&file.path, raw)?))?;
        match found.chain.get(at + 1) {
            Some(next) => check_joint(file, end, next.header.first_sequence)?,
            None => found.tail.iter().try_for_each(|raw| each(decoded(&file.path, raw.clone())?))?,
        }
    }
    Ok(found.first_sequence())
}

fn decoded(path: &Path, raw: RawRecord) -> Result<Replayed> {
    match payload::decode(&raw.payload, Timestamp(raw.received)) {
        Some((batch, spans)) => Ok(Replayed { sequence: raw.sequence, batch, spans }),
        None => {
            let place = format_args!("{}, record {}", path.display(), raw.sequence);
            Err(Error::corrupt(place, "the record is whole, but not laid out as this program knows it"))
        }
    }
}

fn used_up(folder: &Path, what: &str) -> Error {
    let message = format!("{}: {what} are used up", folder.display());
    Error::new(ErrorKind::Limit, message).with_hint("begin a new data folder; this one can still be read")
}

/// Refuses to go on when records that are needed are not there.
fn check_complete(folder: &Path, covered: u64, seen: u64, first: Option<&ChainFile>, next: u64) -> Result<()> {
    let first = first.map_or(next, |file| file.header.first_sequence);
    let missing = match () {
        () if first > covered + 1 => covered + 1..=first - 1,
        () if next <= seen => next..=seen,
        () => return Ok(()),
    };
    let what = format!("records {} to {} of the journal are missing", missing.start(), missing.end());
    Err(Error::corrupt(folder.display(), what)
        .with_hint("restore the missing *.wal files, or the catalog that belongs to those that are here"))
}

fn check_joint(file: &ChainFile, end: u64, next: u64) -> Result<()> {
    if end == next {
        return Ok(());
    }
    Err(recover::damaged(&file.path, file.len, &format!("its last record is {}, and the next file begins with {next}", end - 1)))
}

/// What [`Journal::open`] found, to be replayed.
pub struct Recovery {
    chain: Vec<ChainFile>,
    leftovers: Vec<PathBuf>,
    sync_needed: bool,
}

impl Journal {
    /// Opens the journal for appending. Records up to `covered` are not needed any more, and the catalog has
    /// seen the record `seen`, so the journal must reach that far. What was not known
    /// to be durable is written anew before this returns, unless the disk is full ([`Journal::settle`] then
    /// does it later). Call [`Journal::replay`] next.
    pub fn open(options: JournalOptions, covered: u64, seen: u64) -> Result<(Self, Recovery)> {
        let folder = options.folder.clone();
        options.vfs.create_dir_all(&folder).map_err(|e| Error::io(folder.display(), e))?;
        let Found { chain, tail, leftovers, highest } = recover::find(&*options.vfs, &folder, covered)?;
        let last = chain.last().map_or((0, 0), |file| (file.header.number, file.len));
        let next_sequence = match (chain.last(), tail.first()) {
            (_, Some(record)) => record.sequence,
            // A file that holds records always has at least the last one in doubt.
            (Some(file), None) => file.header.first_sequence,
            (None, None) => covered + 1,
        };
        check_complete(&folder, covered, seen, chain.first(), next_sequence + tail.len() as u64)?;
        let mut journal = Self {
            closed: VecDeque::new(),
            open: None,
            last,
            next_sequence,
            next_number: highest + 1,
            rotate: false,
            carried: tail,
            buffer: Vec::new(),
            syncs: 0,
            written: 0,
            options,
        };
        match journal.start_file(0, |_, _, _| {}) {
            // What is there can be searched all the same.
            Err(e) if e.kind() == ErrorKind::Full => tracing::warn!(error = %e, "opened on a full disk"),
            started => started?,
        }
        let sync_needed = !leftovers.is_empty();
        Ok((journal, Recovery { chain, leftovers, sync_needed }))
    }

    /// Calls `each` with every record, oldest first; files and records that nobody needs are skipped or
    /// removed.
    pub fn replay(&mut self, recovery: Recovery, mut each: impl FnMut(&Self, Replayed) -> Result<()>) -> Result<()> {
        let starts = recovery.chain.iter().skip(1).map(|file| file.header.first_sequence).chain([self.next_of_chain()]);
        for (file, next) in recovery.chain.iter().zip(starts) {
            let mut info = FileInfo {
                number: file.header.number,
                first_sequence: file.header.first_sequence,
                end_sequence: file.header.first_sequence,
                ends: BTreeMap::new(),
                len: file.len,
            };
            info.end_sequence = recover::replay(&*self.options.vfs, file, |raw| {
                let record = decoded(&file.path, raw)?;
                info.note(&record.spans);
                each(self, record)
            })?;
            check_joint(file, info.end_sequence, next)?;
            self.closed.push_back(info);
        }
        self.replay_open(&mut each)?;
        for path in &recovery.leftovers {
            // Left for the next start if it fails: it counts for nothing.
            let _ = self.options.vfs.remove_file(path);
        }
        if recovery.sync_needed {
            let _ = self.options.vfs.sync_dir(&self.options.folder);
        }
        Ok(())
    }

    fn next_of_chain(&self) -> u64 {
        self.open.as_ref().map_or(self.next_sequence, |open| open.info.first_sequence)
    }

    /// Replays the records that were in doubt: from the new file that has them now, or from memory.
    fn replay_open(&mut self, each: &mut impl FnMut(&Self, Replayed) -> Result<()>) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            for raw in &self.carried {
                each(self, decoded(&self.options.folder, raw.clone())?)?;
            }
            return Ok(());
        };
        let path = file_path(&self.options.folder, open.info.number);
        let (number, first_sequence) = (open.info.number, open.info.first_sequence);
        let header = Header { number, nonce: open.nonce, first_sequence, previous: 0, previous_len: 0, created: 0 };
        let file = ChainFile { path, header, len: open.info.len };
        recover::replay(&*self.options.vfs, &file, |raw| {
            let record = decoded(&file.path, raw)?;
            open.info.note(&record.spans);
            each(self, record)
        })?;
        self.open = Some(open);
        Ok(())
    }

    /// Whether all that was found is durable.
    pub fn is_settled(&self) -> bool {
        self.carried.is_empty()
    }

    /// Makes durable what was in doubt when the journal was opened.
    pub fn settle(&mut self) -> Result<()> {
        if self.carried.is_empty() { Ok(()) } else { self.start_file(0, |_, _, _| {}) }
    }

    /// Appends the batches as consecutive records and makes them durable, all or none. Gives the sequence
    /// number of the first.
    pub fn append(&mut self, entries: &[Entry<'_>]) -> Result<u64> {
        let first = self.next_sequence + self.carried.len() as u64;
        let ends = entries.iter().flat_map(|entry| entry.spans).map(Span::end);
        if ends.chain([first + entries.len() as u64]).any(|end| end > SEQUENCE_MAX) {
            return Err(used_up(&self.options.folder, "the numbers of events and records"));
        }
        let encode = |out: &mut Vec<u8>, nonce: u64, horizon: u64| {
            for (entry, sequence) in entries.iter().zip(first..) {
                let received = entry.batch.received.nanos();
                record::encode(out, nonce, sequence, horizon, received, |out| payload::encode(entry.batch, entry.spans, out));
            }
        };
        if self.rotate || self.open.as_ref().is_some_and(|open| open.info.len >= self.options.file_bytes_max) {
            self.retire();
        }
        if !self.append_to_open(entries.len() as u64, encode) {
            self.start_file(entries.len() as u64, encode)?;
        }
        let open = self.open.as_mut().expect("either the file took the records or there is a new one");
        entries.iter().for_each(|entry| open.info.note(entry.spans));
        Ok(first)
    }

    /// Whether the open file has the records, durably. If not, there is no open file any more.
    fn append_to_open(&mut self, count: u64, encode: impl FnOnce(&mut Vec<u8>, u64, u64)) -> bool {
        let Some(open) = &mut self.open else { return false };
        self.buffer.clear();
        encode(&mut self.buffer, open.nonce, open.info.len);
        debug_assert!(self.carried.is_empty(), "an open file has what was carried");
        let done = open.file.write_all_at(&self.buffer, open.info.len).and_then(|()| open.file.sync_data());
        match done {
            Ok(()) => {
                open.info.len += self.buffer.len() as u64;
                open.info.end_sequence += count;
                self.last.1 = open.info.len;
                self.next_sequence += count;
                self.count_sync();
                true
            }
            Err(error) => {
                // What the file holds after its durable part is not known now and will not be asked again.
                tracing::warn!(file = open.info.number, %error, "the journal goes on in a new file");
                self.retire();
                false
            }
        }
    }

    fn count_sync(&mut self) {
        self.syncs += 1;
        self.written += self.buffer.len() as u64;
        // One huge group does not keep its memory for ever.
        self.buffer.clear();
        self.buffer.shrink_to(16 * 1024 * 1024);
    }

    /// The open file gets no more records.
    fn retire(&mut self) {
        self.rotate = false;
        if let Some(open) = self.open.take() {
            self.closed.push_back(open.info);
        }
    }

    /// Starts a file that holds what is carried and `count` more records from its first moment. Its name
    /// appears only when its bytes are durable, so a file of the journal always has a whole header.
    fn start_file(&mut self, count: u64, encode: impl FnOnce(&mut Vec<u8>, u64, u64)) -> Result<()> {
        debug_assert!(self.open.is_none());
        let number = self.next_number;
        if number > JOURNAL_FILE_NUMBER_MAX {
            return Err(used_up(&self.options.folder, "the numbers of journal files"));
        }
        // A number is used once, even if it came to nothing: the name may be there after a crash.
        self.next_number += 1;
        let header = Header {
            number,
            nonce: self.options.random.next_u64(),
            first_sequence: self.next_sequence,
            previous: self.last.0,
            previous_len: self.last.1,
            created: self.options.clock.now_nanos(),
        };
        self.buffer.clear();
        self.buffer.extend_from_slice(&header.encode());
        for (raw, sequence) in self.carried.iter().zip(self.next_sequence..) {
            debug_assert_eq!(raw.sequence, sequence);
            let fill = |out: &mut Vec<u8>| out.extend_from_slice(&raw.payload);
            record::encode(&mut self.buffer, header.nonce, sequence, HEADER_LEN, raw.received, fill);
        }
        encode(&mut self.buffer, header.nonce, HEADER_LEN);
        let path = file_path(&self.options.folder, number);
        let file = self.write_new(&path).map_err(|e| {
            let error = Error::io(format_args!("{}: cannot start a journal file", path.display()), e);
            match error.kind() {
                ErrorKind::Full => error.with_hint("make room on the disk; nothing that was acknowledged is lost"),
                _ => error,
            }
        })?;
        let len = self.buffer.len() as u64;
        let (first_sequence, end_sequence) = (self.next_sequence, self.next_sequence + self.carried.len() as u64 + count);
        let mut info = FileInfo { number, first_sequence, end_sequence, ends: BTreeMap::new(), len };
        for raw in std::mem::take(&mut self.carried) {
            // Replay has shown, or will, that they can be read.
            if let Some((_, spans)) = payload::decode(&raw.payload, Timestamp(raw.received)) {
                info.note(&spans);
            }
        }
        self.open = Some(OpenFile { file, nonce: header.nonce, info });
        self.last = (number, len);
        self.next_sequence = end_sequence;
        self.count_sync();
        Ok(())
    }

    fn write_new(&self, path: &Path) -> std::io::Result<Box<dyn VfsFile>> {
        let vfs = &self.options.vfs;
        let unfinished = path.with_extension("wal.tmp");
        let written = vfs.create_new(&unfinished).and_then(|file| {
            file.write_all_at(&self.buffer, 0)?;
            file.sync_data()?;
            vfs.rename(&unfinished, path)?;
            vfs.sync_dir(&self.options.folder)?;
            Ok(file)
        });
        if written.is_err() {
            // Tidies only: neither name would count for anything once a later file is there.
            let _ = vfs.remove_file(&unfinished);
            let _ = vfs.remove_file(path);
        }
        written
    }

    /// Starts a new file, so that the one before can be removed once all of it is in segments.
    pub fn rotate(&mut self) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| open.info.len == HEADER_LEN) {
            return Ok(());
        }
        self.retire();
        self.start_file(0, |_, _, _| {})
    }

    /// Has the next group of records start a new file.
    pub fn rotate_soon(&mut self) {
        self.rotate = self.open.as_ref().is_some_and(|open| open.info.len > HEADER_LEN);
    }

    /// The sequence number up to which no record is needed any more, at the granularity of closed files, when
    /// segments hold each index's events below `next_of(index)` and positions are kept up to `positions`.
    pub fn covered(&self, positions: u64, next_of: impl Fn(&str) -> u64) -> Option<u64> {
        let is_covered =
            |file: &&FileInfo| file.end_sequence <= positions + 1 && file.ends.iter().all(|(index, end)| next_of(index) >= *end);
        self.closed.iter().take_while(is_covered).last().map(|file| file.end_sequence - 1)
    }

    /// Forgets the files whose records all have sequence numbers up to `covered`, and gives their paths for
    /// removal, oldest first.
    pub fn trim(&mut self, covered: u64) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        while let Some(file) = self.closed.pop_front_if(|file| file.end_sequence <= covered + 1) {
            paths.push(file_path(&self.options.folder, file.number));
        }
        paths
    }

    /// Per index, the arrival number after the last event in the oldest closed file, where all files hold more than `bytes`: what keeps
    /// that file is to go into segments.
    pub fn ends_of_oldest(&self, bytes: u64) -> impl Iterator<Item = (&str, u64)> {
        let oldest = self.closed.front().filter(|_| self.size().1 > bytes);
        oldest.into_iter().flat_map(|file| file.ends.iter().map(|(index, end)| (&**index, *end)))
    }

    /// Sequence number of the newest record; 0 if there never was one.
    pub fn last_sequence(&self) -> u64 {
        self.next_sequence + self.carried.len() as u64 - 1
    }

    /// Whether there are files that only wait to be covered.
    pub fn has_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Files, and bytes in them.
    pub fn size(&self) -> (u64, u64) {
        let files = self.closed.iter().chain(self.open.iter().map(|open| &open.info));
        files.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.len))
    }

    /// Syncs done and bytes written since it was opened.
    pub fn work(&self) -> (u64, u64) {
        (self.syncs, self.written)
    }
}

impl FileInfo {
    fn note(&mut self, spans: &[Span]) {
        for span in spans {
            let end = self.ends.entry(span.index.clone()).or_insert(0);
            *end = span.end().max(*end);
        }
    }
}

/// Refuses a batch that no record can hold.
pub fn check_size(batch: &EventBatch) -> Result<()> {
    let bytes = record_bytes(batch);
    if bytes <= JOURNAL_RECORD_BYTES_MAX {
        return Ok(());
    }
    let message = format!("a batch of {} events and {} bytes does not fit into a journal record", batch.len(), batch.raw_bytes());
    Err(Error::new(ErrorKind::Limit, message).with_hint("hand it over in smaller batches; see limits::BATCH_BYTES_MAX"))
}
