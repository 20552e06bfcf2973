//! Files of Windows events in XML, as the Event Viewer and `wevtutil` save them: a container, so what is between the
//! events (declaration, `<Events>`, blanks) is no event, and each event begins on a line of its own. In UTF-8 or
//! UTF-16.
//!
//! **What the reader may believe.** The bytes of an event are those of the file, in UTF-8. Whatever is neither an event nor
//! one of the few things that a container is made of is given as a line as well.

use std::io::{self, Read};
use taffrail_base::limits::EVENT_BYTES_MAX;

/// Bytes of a file that tell whether it is such a container.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Whether the first bytes could begin one: cheap, to be confirmed by [`is_container`].
pub fn may_be(magic: &[u8]) -> bool {
    let plain = magic.strip_prefix(BOM).unwrap_or(magic).trim_ascii_start();
    plain.starts_with(b"<?xml") || plain.starts_with(b"<Event") || magic.starts_with(&UTF16_LE) || magic.starts_with(&UTF16_BE)
}

/// Whether `head` begins a file that has to be taken apart. One event a line, or on lines of its own, is no container.
pub fn is_container(head: &[u8]) -> bool {
    let mut text = Vec::new();
    let wide = Wide::of(head);
    let mut cut = Utf16::default();
    match wide {
        Some(wide) => cut.push(&head[2..], wide, &mut text),
        None => text.extend_from_slice(head.strip_prefix(BOM).unwrap_or(head)),
    }
    let mut rest = &text[..];
    let mut wrapped = wide.is_some();
    while let Some(used) = wrapper(rest) {
        wrapped |= used > 0 && !rest[..used].trim_ascii().is_empty();
        rest = &rest[used..];
        if used == 0 {
            break;
        }
    }
    if !begins_event(rest) {
        return false;
    }
    wrapped || find(rest, CLOSE).is_some_and(|at| next_on_line(&rest[at + CLOSE.len()..]) == Some(&b'<'))
}

const BOM: &[u8] = b"\xef\xbb\xbf";
const UTF16_LE: [u8; 2] = [0xff, 0xfe];
const UTF16_BE: [u8; 2] = [0xfe, 0xff];
const CLOSE: &[u8] = b"</Event>";

/// What is next on the same line.
fn next_on_line(bytes: &[u8]) -> Option<&u8> {
    bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t'))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

fn begins_event(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"<Event").is_some_and(|rest| matches!(rest.first(), Some(b' ' | b'>' | b'\t' | b'\r' | b'\n' | b'/')))
}

/// How many bytes at the beginning belong to the container; `None` if more bytes have to tell.
fn wrapper(bytes: &[u8]) -> Option<usize> {
    let blanks = bytes.len() - bytes.trim_ascii_start().len();
    if blanks > 0 {
        return Some(blanks);
    }
    if bytes.starts_with(b"<?xml") {
        return find(bytes, b"?>").map(|at| at + 2);
    }
    for name in [&b"<Events"[..], b"</Events"] {
        if let Some(rest) = bytes.strip_prefix(name) {
            return match rest.first() {
                Some(b' ' | b'>' | b'\t' | b'\r' | b'\n') => memchr::memchr(b'>', rest).map(|at| name.len() + at + 1),
                Some(_) => Some(0),
                None => None,
            };
        }
        if name.starts_with(bytes) {
            return None;
        }
    }
    Some(0)
}

/// The order of the bytes of UTF-16.
#[derive(Clone, Copy, Debug)]
enum Wide {
    Little,
    Big,
}

impl Wide {
    fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(&UTF16_LE) {
            return Some(Self::Little);
        }
        head.starts_with(&UTF16_BE).then_some(Self::Big)
    }
}

/// UTF-16 on its way, whatever the sizes of the reads.
#[derive(Debug, Default)]
struct Utf16 {
    odd: Option<u8>,
    high: Option<u16>,
}

impl Utf16 {
    fn push(&mut self, bytes: &[u8], wide: Wide, out: &mut Vec<u8>) {
        for byte in bytes {
            let Some(first) = self.odd.take() else {
                self.odd = Some(*byte);
                continue;
            };
            let unit = match wide {
                Wide::Little => u16::from_le_bytes([first, *byte]),
                Wide::Big => u16::from_be_bytes([first, *byte]),
            };
            let units = [self.high.take(), Some(unit)];
            if units[0].is_none() && (0xd800..0xdc00).contains(&unit) {
                self.high = Some(unit);
                continue;
            }
            for character in char::decode_utf16(units.into_iter().flatten()) {
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.odd.take().is_some() | self.high.take().is_some() {
            out.extend_from_slice(char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Reads a container and gives its events, each from the beginning of a line on.
pub struct EventXmlReader<R> {
    inner: R,
    wide: Option<Wide>,
    utf16: Utf16,
    begun: bool,
    ended: bool,
    /// Why it could not be read to its end; given when all before it is.
    failure: Option<io::Error>,
    /// UTF-8 that is not in `lines` yet; nothing before `searched` ends an event.
    held: Vec<u8>,
    searched: usize,
    lines: Vec<u8>,
    at: usize,
    buffer: Vec<u8>,
}

impl<R: Read> EventXmlReader<R> {
    /// A reader at the beginning of the file.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            wide: None,
            utf16: Utf16::default(),
            begun: false,
            ended: false,
            failure: None,
            held: Vec::new(),
            searched: 0,
            lines: Vec::new(),
            at: 0,
            buffer: Vec::new(),
        }
    }

    fn fill(&mut self) {
        self.buffer.clear();
        let (n, failure) = crate::unpack::read_up_to(&mut self.inner, READ_BYTES, &mut self.buffer);
        self.failure = failure;
        let mut bytes = &self.buffer[..];
        if !std::mem::replace(&mut self.begun, true) {
            self.wide = Wide::of(bytes);
            bytes = if self.wide.is_some() { &bytes[2..] } else { bytes.strip_prefix(BOM).unwrap_or(bytes) };
        }
        match self.wide {
            Some(wide) => self.utf16.push(bytes, wide, &mut self.held),
            None => self.held.extend_from_slice(bytes),
        }
        if n < READ_BYTES {
            self.ended = true;
            self.utf16.finish(&mut self.held);
        }
    }

    /// Moves what is complete from `held` to `lines`.
    fn cut(&mut self) {
        let mut start = 0;
        loop {
            let rest = &self.held[start..];
            if rest.is_empty() {
                break;
            }
            match wrapper(rest) {
                Some(0) => {}
                Some(used) => {
                    start += used;
                    self.searched = 0;
                    continue;
                }
                None if self.ended || rest.len() > HEAD_BYTES => {}
                None => break,
            }
            let end = if begins_event(rest) {
                let from = self.searched.min(rest.len()).saturating_sub(CLOSE.len());
                find(&rest[from..], CLOSE).map(|at| from + at + CLOSE.len())
            } else {
                // No part of a container that is known: up to the event or line that comes next.
                let next = find(&rest[1..], b"<Event").map(|at| at + 1);
                let line = memchr::memchr(b'\n', rest);
                next.into_iter().chain(line).min().filter(|end| *end > 0)
            };
            let end = match end {
                Some(end) => end,
                None if self.ended || rest.len() > EVENT_BYTES_MAX => rest.len(),
                None => {
                    self.searched = rest.len();
                    break;
                }
            };
            self.lines.extend_from_slice(&rest[..end]);
            self.lines.push(b'\n');
            start += end;
            self.searched = 0;
        }
        self.held.drain(..start);
    }
}

impl<R: Read> Read for EventXmlReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.lines.len() {
            if self.ended {
                return self.failure.take().map_or(Ok(0), Err);
            }
            self.lines.clear();
            self.at = 0;
            self.fill();
            self.cut();
        }
        let n = out.len().min(self.lines.len() - self.at);
        out[..n].copy_from_slice(&self.lines[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
