//! Reading one content on from where it is stored: plain files as they grow, compressed ones to their end.

use super::content::{Content, HEAD_BYTES, Opened, Stream, TAIL_BYTES, print};
use crate::counters::SourceCounters;
use crate::decode::{Breaking, Envelope};
use crate::outgoing::Outgoing;
use crate::unpack::Packing;
use std::io::{self, Read};
use std::sync::Arc;
use taffrail_base::{FileIdentity, VfsFile};
use taffrail_format::EventRules;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// A content that is being read.
pub struct Following {
    /// Its position key.
    pub key: String,
    /// The inode that it is in.
    pub identity: FileIdentity,
    /// When it last grew, on the monotonic clock.
    pub grown: u64,
    /// Whether the position differs from the one that was last handed over.
    pub moved: bool,
    /// The longest that its file was seen to be.
    pub longest: u64,
    source_name: String,
    source: Arc<SourceCounters>,
    breaking: Breaking,
    /// Decompressed bytes taken from the file.
    read: u64,
    /// The bytes before `read`, from `TAIL_BYTES` before the position on.
    window: Vec<u8>,
    /// The first up to `HEAD_BYTES` bytes.
    head: Vec<u8>,
    /// The line that goes on here was given already without its end: if only a newline follows, it is not
    /// an event.
    open_line: bool,
    /// NULs at the very beginning are what a writer left that did not notice a truncation: not content.
    skip_nuls: bool,
    /// Compressed files: what comes next.
    stream: Option<Stream>,
    packed_size: u64,
}

/// What came of reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There may be more.
    More,
    /// All that is there for now.
    Caught,
    /// What was read before is not in the file any more.
    Truncated,
}

impl Following {
    /// Starts with a new content.
    pub fn new(
        key: String,
        opened: &Opened,
        envelope: &Envelope,
        rules: &Arc<EventRules>,
        source: Arc<SourceCounters>,
        after_truncation: bool,
    ) -> Self {
        let mut decoding = envelope.decoding_by(rules);
        decoding.sample(whole_lines(&opened.head));
        Self {
            key,
            identity: opened.identity,
            grown: 0,
            moved: false,
            longest: 0,
            source_name: envelope.source.to_string(),
            source,
            breaking: Breaking::new(decoding),
            read: 0,
            window: Vec::new(),
            head: Vec::new(),
            open_line: false,
            skip_nuls: after_truncation,
            stream: None,
            packed_size: 0,
        }
    }

    /// Goes on with a known content; `tail` are the bytes before its position, as `Opened::holds` gave them.
    pub fn resume(
        key: String,
        content: &Content,
        tail: Vec<u8>,
        opened: &Opened,
        envelope: &Envelope,
        rules: &Arc<EventRules>,
        source: Arc<SourceCounters>,
    ) -> Self {
        let envelope = Envelope {
            sourcetype: envelope.sourcetype.clone().or_else(|| content.sourcetype.as_deref().map(Arc::from)),
            ..envelope.clone()
        };
        let mut decoding = envelope.decoding_by(rules);
        decoding.sample(whole_lines(&opened.head));
        let head = &opened.head[..opened.head.len().min(usize::try_from(content.offset).unwrap_or(usize::MAX))];
        Self {
            breaking: Breaking::resume(decoding, content.continued, head),
            open_line: content.continued,
            read: content.offset,
            window: tail,
            head: head.to_vec(),
            moved: content.identity() != opened.identity,
            ..Self::new(key, opened, &envelope, rules, source, false)
        }
    }

    /// The path that its events carry.
    pub fn source(&self) -> &str {
        &self.source_name
    }

    /// Decompressed bytes taken so far.
    pub fn read_bytes(&self) -> u64 {
        self.read
    }

    /// Whether the file still holds what was read from it last.
    pub fn is_intact(&self, file: &dyn VfsFile) -> bool {
        let known = &self.window[self.window.len().saturating_sub(TAIL_BYTES)..];
        let mut now = vec![0; known.len()];
        file.read_exact_at(&mut now, self.read - known.len() as u64).is_ok() && now == known
    }

    /// Whether `head` and what this content begins with are the same as far as both go.
    pub fn begins_like(&self, head: &[u8]) -> bool {
        let common = self.head.len().min(head.len());
        common > 0 && self.head[..common] == head[..common]
    }

    /// Bytes of an event that may not be complete.
    pub fn held(&self) -> usize {
        self.breaking.held()
    }

    /// Whether the last of them are a line that has no end yet.
    pub fn is_within_line(&self) -> bool {
        self.breaking.is_within_line()
    }

    /// When the file was last written to.
    pub fn set_modified(&mut self, nanos: i64) {
        self.breaking.decoding.set_modified(nanos);
    }

    /// Reads on in a plain file.
    pub fn turn(&mut self, file: &dyn VfsFile, buffer: &mut Vec<u8>, out: &mut Outgoing) -> io::Result<Turn> {
        // What was read last is read again with what comes next: were it not the same, the file was
        // truncated, and may have grown again since.
        let known = self.window.len().min(TAIL_BYTES);
        buffer.resize(known + READ_BYTES, 0);
        let mut got = 0;
        while got < buffer.len() {
            match file.read_at(&mut buffer[got..], self.read - known as u64 + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if got < known || buffer[..known] != self.window[self.window.len() - known..] {
            return Ok(Turn::Truncated);
        }
        self.feed(&buffer[known..got], out);
        Ok(if got == buffer.len() { Turn::More } else { Turn::Caught })
    }

    /// Reads on in a compressed file. After an error it can be tried again from the same place.
    pub fn turn_packed(&mut self, opened: &Opened, buffer: &mut Vec<u8>, out: &mut Outgoing) -> io::Result<Turn> {
        debug_assert!(opened.packing != Packing::Plain);
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => opened.stream_from(self.read)?,
        };
        buffer.resize(READ_BYTES, 0);
        let n = loop {
            match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if n == 0 {
            self.finish_event(out);
            self.packed_size = opened.len;
            self.moved = true;
            return Ok(Turn::Caught);
        }
        self.feed(&buffer[..n], out);
        self.stream = Some(stream);
        Ok(Turn::More)
    }

    fn feed(&mut self, all: &[u8], out: &mut Outgoing) {
        if all.is_empty() {
            return;
        }
        let mut bytes = all;
        self.read += all.len() as u64;
        self.head.extend_from_slice(&all[..all.len().min(HEAD_BYTES.saturating_sub(self.head.len()))]);
        if self.skip_nuls {
            let nuls = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes = &bytes[nuls..];
            self.skip_nuls = bytes.is_empty();
        }
        if self.open_line && !bytes.is_empty() {
            self.open_line = false;
            if bytes[0] == b'\n' {
                self.breaking.end_line();
                bytes = &bytes[1..];
            }
        }
        out.add(&self.source, |batch| self.breaking.push(bytes, batch));
        self.slide(all);
        self.moved = true;
    }

    /// Keeps what stands before `read`: the unfinished event and `TAIL_BYTES` before it.
    fn slide(&mut self, bytes: &[u8]) {
        let keep = TAIL_BYTES + self.breaking.held();
        if bytes.len() >= keep {
            self.window.clear();
            self.window.extend_from_slice(&bytes[bytes.len() - keep..]);
        } else {
            let over = (self.window.len() + bytes.len()).saturating_sub(keep);
            self.window.drain(..over.min(self.window.len()));
            self.window.extend_from_slice(bytes);
        }
        if self.window.capacity() > 2 * self.window.len() + HEAD_BYTES {
            self.window.shrink_to_fit();
        }
    }

    /// Gives the last event although nothing says that it is complete: the file rests, or is gone.
    pub fn finish_event(&mut self, out: &mut Outgoing) {
        let before = self.held();
        self.open_line |= out.add(&self.source, |batch| self.breaking.finish(batch));
        self.moved |= before > 0;
    }

    /// The content as it is to be remembered.
    pub fn content(&self, seconds: i64) -> Content {
        let held = self.breaking.held();
        let stored = &self.window[..self.window.len() - held];
        Content {
            offset: self.read - held as u64,
            continued: self.breaking.continued(),
            head_len: self.head.len(),
            head: print(&self.head),
            tail: print(&stored[stored.len().saturating_sub(TAIL_BYTES)..]),
            device: self.identity.device,
            inode: self.identity.inode,
            born: self.identity.born_nanos,
            packed_size: self.packed_size,
            source: self.source_name.clone(),
            sourcetype: self.breaking.decoding.decided().map(str::to_owned),
            seen: seconds,
        }
    }
}

/// A line that is not finished could be taken for something else.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)]
}
