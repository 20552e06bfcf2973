//! One reader of an import: takes a content from where it is known up to, and hands over batches in which the
//! events and the new position go together.

use super::known::{Candidate, Claim, HEAD_BYTES, Progress};
use super::{Job, JobSource, Work};
use crate::counters::SourceCounters;
use crate::decode::Breaking;
use crate::delivery::{Delivery, OnFailure};
use crate::files::binary;
use crate::outgoing::Outgoing;
use crate::unpack::{self, read_full};
use crate::whole::{self, WholeFile};
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::Result;
use taffrail_event::Timestamp;

/// Decompressed bytes taken at once. Small enough that a batch of nothing but newlines stays near its limit.
const READ_BYTES: usize = 64 * 1024;

type Stream = Box<dyn Read + Send>;

pub(super) struct Reader<'w> {
    work: &'w Work,
    delivery: Delivery,
    out: Outgoing,
    buffer: Vec<u8>,
}

/// A content while it is read.
struct Content<'w> {
    stream: Stream,
    source: Arc<SourceCounters>,
    breaking: Breaking,
    /// Over everything before the unfinished event.
    hasher: blake3::Hasher,
    /// Bytes of the unfinished event: read, not hashed yet.
    carry: Vec<u8>,
    offset: u64,
    /// Where its progress is kept; streams have none.
    place: Option<Place<'w>>,
    name: String,
}

struct Place<'w> {
    claim: Claim<'w>,
    key: String,
}

/// Where a file's bytes are counted for the progress bar.
struct Meter<'w> {
    work: &'w Work,
    taken: Arc<AtomicU64>,
    shown: u64,
    size: u64,
}

impl Meter<'_> {
    fn show(&mut self) {
        let now = self.taken.load(Ordering::Relaxed).min(self.size).max(self.shown);
        self.work.progress.bytes_done.fetch_add(now - self.shown, Ordering::Relaxed);
        self.shown = now;
    }

    fn done(&mut self) {
        self.taken.store(self.size, Ordering::Relaxed);
        self.show();
    }
}

/// What the proof of the candidates gave.
struct Proved {
    known: Option<(Candidate, blake3::Hasher)>,
    /// How far the stream was read.
    at: u64,
}

impl<'w> Reader<'w> {
    pub fn new(work: &'w Work) -> Self {
        let sink = Arc::clone(&work.context.sink);
        let delivery = Delivery::new(sink, work.runtime.clone(), work.stop.clone(), OnFailure::Reread);
        Self { out: Outgoing::new(now(work)), work, delivery, buffer: vec![0; READ_BYTES] }
    }

    /// Hands over the rest and waits until all is durable.
    pub fn finish(&mut self) -> Result<()> {
        self.hand_over()?;
        self.delivery.settle()
    }

    pub fn read(&mut self, job: Job) -> Result<()> {
        match job.source {
            JobSource::Stream(reader) => self.read_stream(job.name, reader),
            JobSource::File(path) => {
                let mut meter = Meter { work: self.work, taken: Arc::default(), shown: 0, size: job.bytes };
                let result = match self.work.whole_file {
                    true => self.read_whole(&path, &job.name, job.found),
                    false => self.read_file(&path, &job.name, job.found, &mut meter),
                };
                meter.done();
                result
            }
        }
    }

    /// A file that is one event, if it is not there already as it is now.
    fn read_whole(&mut self, path: &Path, name: &str, found: bool) -> Result<()> {
        let work = self.work;
        let mut source = WholeFile::new(&work.envelope, work.counters.source(name), name);
        let known = if work.again { None } else { work.context.sink.position(&source.key).and_then(|value| whole::Version::parse(&value)) };
        let file = work.context.vfs.open_read(path).map(Arc::from);
        let look = file.and_then(|file| source.look(path, file, found));
        let version = match look {
            Ok(Some(version)) => version,
            Ok(None) => {
                work.report.lock().files_skipped += 1;
                return Ok(());
            }
            Err(error) => {
                work.problem(format!("{name}: {error}"));
                return Ok(());
            }
        };
        let mut at = version.go_on(known.as_ref());
        let new = at.is_some();
        while let Some(offset) = at {
            match source.part(&version, offset, &mut self.out) {
                Ok(next) => at = next,
                Err(error) => {
                    work.problem(format!("{name}: {error} after {offset} bytes; what came before is imported"));
                    break;
                }
            }
            if self.out.is_full() {
                self.hand_over()?;
            }
        }
        let mut report = work.report.lock();
        report.problems.extend(version.split_problem(name).filter(|_| new));
        report.files += 1;
        report.files_known += u64::from(!new);
        Ok(())
    }

    fn read_stream(&mut self, name: String, reader: Stream) -> Result<()> {
        match unpack::unpack(reader).and_then(|(_, stream)| self.head(stream)) {
            Ok((head, stream)) => {
                let content = self.content(stream, &name, &head, 0, None, None);
                self.take(content, None)
            }
            Err(error) => {
                self.work.problem(format!("{name}: {error}"));
                Ok(())
            }
        }
    }

    fn read_file(&mut self, path: &Path, name: &str, found: bool, meter: &mut Meter<'_>) -> Result<()> {
        // What was written after this is not older than it.
        let modified = self.work.context.vfs.metadata(path).map_or(0, |metadata| metadata.modified_nanos);
        let (head, stream) = match self.open(path, meter) {
            Ok(opened) => opened,
            Err(error) => {
                self.work.problem(format!("{name}: {error}"));
                return Ok(());
            }
        };
        if found && binary::kind(path, &head).is_some() {
            self.work.report.lock().files_skipped += 1;
            return Ok(());
        }
        if head.is_empty() {
            self.work.report.lock().files += 1;
            return Ok(());
        }
        let work = self.work;
        let claim = work.known.claim(&head, work.again);
        let (stream, known) = match self.prove(stream, &claim.candidates) {
            (stream, Proved { known: Some((candidate, hasher)), at }) if candidate.progress.offset == at => {
                (Ok(stream), Some((candidate, hasher)))
            }
            (stream, Proved { known: None, at: 0 }) => (Ok(stream), None),
            (_, Proved { known, .. }) => {
                let skip = known.as_ref().map_or(0, |(candidate, _)| candidate.progress.offset);
                meter.taken.store(0, Ordering::Relaxed);
                (self.open(path, meter).and_then(|(_, stream)| self.skip(stream, skip)), known)
            }
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                work.problem(format!("{name}: {error}"));
                return Ok(());
            }
        };
        let key = known.as_ref().map_or_else(|| claim.key.clone(), |(candidate, _)| candidate.key.clone());
        let content = self.content(stream, name, &head, modified, known, Some(Place { claim, key }));
        self.take(content, Some(meter))
    }

    /// Opens a file and reads its beginning; the stream gives the beginning again.
    fn open(&self, path: &Path, meter: &Meter<'_>) -> io::Result<(Vec<u8>, Stream)> {
        let file = Arc::from(self.work.context.vfs.open_read(path)?);
        let (_, stream) = unpack::open(file, Arc::clone(&meter.taken))?;
        self.head(stream)
    }

    fn head(&self, mut stream: Stream) -> io::Result<(Vec<u8>, Stream)> {
        let mut head = vec![0; HEAD_BYTES];
        let mut len = 0;
        while len < HEAD_BYTES {
            match stream.read(&mut head[len..]) {
                Ok(0) => break,
                Ok(n) => len += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A damaged file: what came before the damage is kept, and the damage met again and reported.
                Err(_) if len > 0 => break,
                Err(error) => return Err(error),
            }
        }
        head.truncate(len);
        Ok((head.clone(), Box::new(Cursor::new(head).chain(stream))))
    }

    /// Finds the longest of the candidates that the stream really begins with.
    fn prove(&mut self, mut stream: Stream, candidates: &[Candidate]) -> (Stream, Proved) {
        let mut proved = Proved { known: None, at: 0 };
        let mut sorted: Vec<&Candidate> = candidates.iter().collect();
        sorted.sort_by_key(|candidate| candidate.progress.offset);
        let mut hasher = blake3::Hasher::new();
        for candidate in sorted {
            while proved.at < candidate.progress.offset {
                let want = usize::try_from(candidate.progress.offset - proved.at).unwrap_or(usize::MAX).min(self.buffer.len());
                // Damage is as good as the end here: it is reported when the stream is read for its events.
                let n = read_full(&mut stream, &mut self.buffer[..want]).unwrap_or(0);
                if n == 0 {
                    // Shorter than this candidate. Anything but 0 says that the stream was read from.
                    proved.at = proved.at.max(1);
                    return (stream, proved);
                }
                hasher.update(&self.buffer[..n]);
                proved.at += n as u64;
            }
            if hasher.finalize().to_hex().as_str() == candidate.progress.hash {
                proved.known = Some((candidate.clone(), hasher.clone()));
            }
        }
        (stream, proved)
    }

    fn skip(&mut self, mut stream: Stream, mut bytes: u64) -> io::Result<Stream> {
        while bytes > 0 {
            let want = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.buffer.len());
            match read_full(&mut stream, &mut self.buffer[..want])? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read")),
                n => bytes -= n as u64,
            }
        }
        Ok(stream)
    }

    fn content(
        &self,
        stream: Stream,
        name: &str,
        head: &[u8],
        modified: i64,
        known: Option<(Candidate, blake3::Hasher)>,
        place: Option<Place<'w>>,
    ) -> Content<'w> {
        let mut decoding = self.work.envelope.with_source(name).decoding_by(&self.work.context.rules);
        decoding.sample(head);
        decoding.set_modified(modified);
        let (offset, hasher, breaking) = match known {
            Some((candidate, hasher)) => {
                let Progress { offset, continued, .. } = candidate.progress;
                let stored = &head[..head.len().min(usize::try_from(offset).unwrap_or(usize::MAX))];
                (offset, hasher, Breaking::resume(decoding, continued, stored))
            }
            None => (0, blake3::Hasher::new(), Breaking::new(decoding)),
        };
        Content {
            stream,
            source: self.work.counters.source(name),
            breaking,
            hasher,
            carry: Vec::new(),
            offset,
            place,
            name: name.to_owned(),
        }
    }

    /// Takes the content to its end.
    fn take(&mut self, mut content: Content<'w>, mut meter: Option<&mut Meter<'_>>) -> Result<()> {
        let start = content.offset;
        let mut damage = None;
        if content.breaking.continued() {
            damage = self.rest_of_line(&mut content).err();
        }
        while damage.is_none() {
            if self.work.stop.is_stopped() {
                self.work.report.lock().stopped = true;
                content.set_position(&mut self.out, false);
                return self.hand_over();
            }
            match content.stream.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) => content.feed(&self.buffer[..n], &mut self.out),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => damage = Some(error),
            }
            if let Some(meter) = &mut meter {
                meter.show();
            }
            if self.out.is_full() {
                content.set_position(&mut self.out, false);
                self.hand_over()?;
            }
        }
        content.finish(&mut self.out);
        let mut report = self.work.report.lock();
        report.files += 1;
        report.files_known += u64::from(content.place.is_some() && content.offset == start);
        if let Some(error) = damage {
            report.problems.push(format!("{}: {error} after {} bytes; what came before is imported", content.name, content.offset));
        }
        Ok(())
    }

    /// A line whose beginning is stored goes on here; if all that was missing is its newline, there is no event.
    fn rest_of_line(&mut self, content: &mut Content<'_>) -> io::Result<()> {
        let mut byte = [0];
        if read_full(&mut content.stream, &mut byte)? == 1 {
            if byte[0] == b'\n' {
                content.hasher.update(&byte);
                content.offset += 1;
                content.breaking.end_line();
            } else {
                content.feed(&byte, &mut self.out);
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<()> {
        let next = self.delivery.next(now(self.work));
        let out = std::mem::replace(&mut self.out, next);
        let progress = &self.work.progress;
        progress.events.fetch_add(out.batch.len() as u64, Ordering::Relaxed);
        progress.event_bytes.fetch_add(out.batch.raw_bytes() as u64, Ordering::Relaxed);
        self.delivery.send(out)
    }
}

impl Content<'_> {
    fn feed(&mut self, bytes: &[u8], out: &mut Outgoing) {
        out.add(&self.source, |batch| self.breaking.push(bytes, batch));
        self.offset += bytes.len() as u64;
        if self.place.is_none() {
            return;
        }
        // What is held is the end of `carry` and `bytes` together.
        let done = self.carry.len() + bytes.len() - self.breaking.held();
        match done.checked_sub(self.carry.len()) {
            Some(whole) => {
                self.hasher.update(&self.carry);
                self.hasher.update(&bytes[..whole]);
                self.carry.clear();
                self.carry.extend_from_slice(&bytes[whole..]);
            }
            None => {
                self.hasher.update(&self.carry[..done]);
                self.carry.drain(..done);
                self.carry.extend_from_slice(bytes);
            }
        }
    }

    /// Sets the position to just before the unfinished event.
    fn set_position(&self, out: &mut Outgoing, ended: bool) {
        let Some(place) = &self.place else { return };
        let progress = self.progress(self.breaking.continued(), ended);
        out.batch.set_position(&place.key, serde_json::to_vec(&progress).expect("strings and numbers always serialise"));
    }

    fn progress(&self, continued: bool, ended: bool) -> Progress {
        Progress {
            offset: self.offset - self.breaking.held() as u64,
            hash: self.hasher.finalize().to_hex().to_string(),
            continued,
            ended,
            source: self.name.clone(),
        }
    }

    /// The end: a line without a newline is an event too.
    fn finish(&mut self, out: &mut Outgoing) {
        out.add(&self.source, |batch| self.breaking.finish(batch));
        self.hasher.update(&self.carry);
        self.carry.clear();
        let progress = self.progress(self.breaking.continued(), true);
        if let Some(place) = &self.place {
            let before = place.claim.candidates.iter().find(|candidate| candidate.key == place.key).map(|candidate| &candidate.progress);
            let same = before.is_some_and(|before| before.offset == progress.offset && before.ended);
            if !same {
                out.batch.set_position(&place.key, serde_json::to_vec(&progress).expect("strings and numbers always serialise"));
                place.claim.note(&place.key, progress);
            }
        }
    }
}

fn now(work: &Work) -> Timestamp {
    Timestamp(work.context.clock.now_nanos())
}
