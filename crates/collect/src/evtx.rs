//! Windows event logs (EVTX) as text: one event in XML a line, as Windows itself writes them (`<Event xmlns=...>`),
//! so that whoever reads lines reads these files as well, compressed ones and streams included.
//!
//! **What the reader may believe.** Records come in the order of the file's chunks. Every record that can be read is
//! there, also behind damaged ones and in chunks whose header is damaged; a line break within a value is written
//! `&#10;` or `&#13;`, which is the same to XML. For each damage there is a line `<!-- damaged ... -->`
//! in its place, and when all is given the reader fails with how many there were: nothing is left out silently.

use std::io::{self, Read};
use std::sync::Arc;

use crate::unpack::read_up_to;
use evtx::{EvtxChunkData, ParserSettings};

/// What an event log begins with.
pub const MAGIC: &[u8] = b"ElfFile\0";

/// What a line that stands for something unreadable begins with.
pub const DAMAGE: &str = "<!-- damaged ";

const HEADER_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 64 * 1024;
const CHUNK_MAGIC: &[u8; 8] = b"ElfChnk\0";
/// Where the first record of a chunk begins, and what it begins with.
const FIRST_RECORD: usize = 512;
const RECORD_MAGIC: [u8; 4] = [0x2a, 0x2a, 0, 0];
/// Flags of the file's header: it was not closed, so its check sums may be old.
const DIRTY: u8 = 1;
const FLAGS_AT: usize = 120;

/// Reads an event log from its first byte to its last.
pub struct EvtxReader<R> {
    inner: R,
    settings: Arc<ParserSettings>,
    chunk: Vec<u8>,
    number: u64,
    dirty: bool,
    state: State,
    /// Lines that are ready, given up to `at`.
    lines: Vec<u8>,
    at: usize,
    damage: Damage,
    /// Why the file could not be read to its end; given when all before it is.
    failure: Option<io::Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Chunks,
    End,
}

/// What could not be read.
#[derive(Default)]
struct Damage {
    places: u64,
    first: String,
}

impl<R: Read> EvtxReader<R> {
    /// A reader at the beginning of the file.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            settings: Arc::new(ParserSettings::new().indent(false)),
            chunk: Vec::new(),
            number: 0,
            dirty: false,
            state: State::Header,
            lines: Vec::new(),
            at: 0,
            damage: Damage::default(),
            failure: None,
        }
    }

    /// Makes the lines of the next chunk.
    fn advance(&mut self) {
        self.at = 0;
        let len = if self.state == State::Header { HEADER_BYTES } else { CHUNK_BYTES };
        let mut bytes = std::mem::take(&mut self.chunk);
        bytes.clear();
        let (got, failure) = read_up_to(&mut self.inner, len, &mut bytes);
        self.failure = failure;
        if self.state == State::Header {
            self.dirty = bytes.get(FLAGS_AT).is_some_and(|flags| flags & DIRTY != 0);
            if got < len && self.failure.is_none() {
                self.damaged(&format!("header of {got} bytes"));
            }
        } else {
            // What is missing of the last chunk is as good as zeros: the records before are whole.
            bytes.resize(CHUNK_BYTES, 0);
            bytes = self.convert(bytes, got);
            self.number += 1;
        }
        self.chunk = bytes;
        self.state = if got < len { State::End } else { State::Chunks };
    }

    /// Turns a chunk into lines, and gives its memory back.
    fn convert(&mut self, mut bytes: Vec<u8>, got: usize) -> Vec<u8> {
        if bytes.iter().all(|byte| *byte == 0) {
            return bytes; // room that was never written to
        }
        let number = self.number;
        if !bytes.starts_with(CHUNK_MAGIC) {
            self.damaged(&format!("chunk {number}: its header does not begin as one"));
            if bytes[FIRST_RECORD..FIRST_RECORD + 4] != RECORD_MAGIC {
                return bytes;
            }
            // There are records all the same.
            bytes[..8].copy_from_slice(CHUNK_MAGIC);
        } else if got < CHUNK_BYTES {
            self.damaged(&format!("chunk {number}: the file ends after {got} of its {CHUNK_BYTES} bytes"));
        }
        let mut data = match EvtxChunkData::new(bytes, false) {
            Ok(data) => data,
            Err(error) => {
                self.damaged(&format!("chunk {number}: {error}"));
                return Vec::new();
            }
        };
        data.number = Some(number);
        if !self.dirty && got == CHUNK_BYTES && !data.validate_checksum() {
            self.damaged(&format!("chunk {number}: its check sum is not that of its bytes"));
        }
        let settings = Arc::clone(&self.settings);
        match data.parse(settings) {
            Ok(mut chunk) => {
                for record in chunk.iter() {
                    match record.and_then(evtx::EvtxRecord::into_xml) {
                        Ok(record) => write_line(&record.data, &mut self.lines),
                        Err(error) => damaged(&mut self.damage, &mut self.lines, &error.to_string()),
                    }
                }
            }
            Err(error) => self.damaged(&format!("chunk {number}: {error}")),
        }
        data.data
    }

    /// The end of the text: an error if anything could not be read.
    fn end(&mut self) -> io::Result<usize> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Damage { places, first } = &self.damage;
        let text = match places {
            0 => return Ok(0),
            1 => format!("1 damaged place ({first})"),
            _ => format!("{places} damaged places (the first: {first})"),
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    fn damaged(&mut self, what: &str) {
        damaged(&mut self.damage, &mut self.lines, what);
    }
}

fn damaged(damage: &mut Damage, lines: &mut Vec<u8>, what: &str) {
    // A comment must not hold two hyphens in a row, nor a line break.
    let what: String = what.replace("--", "- -").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    damage.places += 1;
    if damage.first.is_empty() {
        damage.first.clone_from(&what);
    }
    lines.extend_from_slice(format!("{DAMAGE}{what} -->\n").as_bytes());
}

/// The record's XML on one line, without the declaration that a file would begin with.
fn write_line(xml: &str, lines: &mut Vec<u8>) {
    let event = xml.find("<Event").map_or(xml, |at| &xml[at..]).trim_end();
    for (number, part) in event.split('\n').enumerate() {
        if number > 0 {
            lines.extend_from_slice(b"&#10;");
        }
        for (number, part) in part.split('\r').enumerate() {
            if number > 0 {
                lines.extend_from_slice(b"&#13;");
            }
            lines.extend_from_slice(part.as_bytes());
        }
    }
    lines.push(b'\n');
}

impl<R: Read> Read for EvtxReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.lines.len() {
            if self.state == State::End {
                return self.end();
            }
            self.lines.clear();
            self.advance();
        }
        let n = out.len().min(self.lines.len() - self.at);
        out[..n].copy_from_slice(&self.lines[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
