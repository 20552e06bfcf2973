//! Files of CloudTrail: one JSON object whose `Records` are the events. A container, so each record becomes a line of its
//! own, and formats see what they would of any JSON.
//!
//! **What the reader may believe.** The bytes of a record are those of the file; only line breaks between its parts
//! become blanks. Whatever is not the one object with its one list, in front of it, behind it or where it breaks off, is a line as well.

use crate::ids;
use crate::records::json;
use crate::unpack::read_up_to;
use std::io::{self, Read};
use taffrail_base::limits::EVENT_BYTES_MAX;
use taffrail_event::{EventBatch, EventId, IdScope, Same};

/// Bytes of a file that tell whether it is one.
pub const HEAD_BYTES: usize = 64;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Whether the first bytes could begin one: cheap, to be confirmed by [`is_container`].
pub fn may_be(magic: &[u8]) -> bool {
    magic.starts_with(b"{")
}

/// Whether a file begins as such a container does.
pub fn is_container(head: &[u8]) -> bool {
    opening(head).is_some()
}

/// How many bytes at the beginning stand before the first record.
fn opening(head: &[u8]) -> Option<usize> {
    let mut rest = head;
    for token in [&b"{"[..], b"\"Records\"", b":", b"["] {
        rest = rest.trim_ascii_start().strip_prefix(token)?;
    }
    // A record is an object: a list of anything else is another file.
    let inside = rest.trim_ascii_start();
    matches!(inside.first(), Some(b'{' | b']')).then_some(head.len() - inside.len())
}

/// Gives the events of a batch from number `from` on the ids that CloudTrail gave them. A record may stand in several files.
pub fn mark(batch: &mut EventBatch, from: usize, scope: IdScope) {
    for at in from..batch.len() {
        if let Some(id) = event_id(batch.event(at).raw, scope) {
            batch.mark_one(at, id, Same::IdAndContent);
        }
    }
}

fn event_id(raw: &[u8], scope: IdScope) -> Option<EventId> {
    let text = std::str::from_utf8(raw).ok().filter(|text| json::is_object(text) && json::is_value(text))?;
    let id = json::member(text, "eventID").and_then(json::text).filter(|id| !id.is_empty())?;
    Some(ids::id(scope, &[id.as_bytes()], raw))
}

/// Reads such a file and gives a record a line.
pub struct RecordsReader<R> {
    inner: R,
    opened: bool,
    ended: bool,
    /// Why it could not be read to its end; given when all before it is.
    failure: Option<io::Error>,
    /// Bytes that are in no line yet.
    held: Vec<u8>,
    /// How far these were looked at, how deep in brackets that is, and whether it is within a text, behind a backslash.
    at: usize,
    depth: u32,
    text: bool,
    escaped: bool,
    lines: Vec<u8>,
    given: usize,
}

impl<R: Read> RecordsReader<R> {
    /// A reader at the beginning of the file.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            opened: false,
            ended: false,
            failure: None,
            held: Vec::new(),
            at: 0,
            depth: 0,
            text: false,
            escaped: false,
            lines: Vec::new(),
            given: 0,
        }
    }

    fn advance(&mut self) {
        let (n, failure) = read_up_to(&mut self.inner, READ_BYTES, &mut self.held);
        self.failure = failure;
        self.ended = n < READ_BYTES;
        if !std::mem::replace(&mut self.opened, true) {
            let before = opening(&self.held).unwrap_or(0);
            self.held.drain(..before);
        }
        self.cut();
        if self.ended {
            // Behind the last record: the brackets that were opened at the beginning, or what there is instead.
            let rest = std::mem::take(&mut self.held);
            let closes: Vec<u8> = rest.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            if closes != b"]}" {
                self.line(&rest);
            }
        }
    }

    /// Moves whole records from `held` to `lines`.
    fn cut(&mut self) {
        let mut start = 0;
        while let Some(byte) = self.held.get(self.at) {
            self.at += 1;
            match byte {
                _ if std::mem::take(&mut self.escaped) => {}
                b'\\' if self.text => self.escaped = true,
                b'"' => self.text = !self.text,
                _ if self.text => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        let record = self.held[start..self.at].to_vec();
                        self.line(&record);
                        start = self.at;
                    }
                }
                _ => {}
            }
            if self.at - start > EVENT_BYTES_MAX {
                // No record is this long: what follows is not understood any more, and kept.
                let part = self.held[start..self.at].to_vec();
                self.line(&part);
                (start, self.depth, self.text) = (self.at, 0, false);
            }
        }
        self.held.drain(..start);
        self.at = self.held.len();
    }

    /// Adds a line, without the comma and the blanks around it.
    fn line(&mut self, bytes: &[u8]) {
        let bytes = bytes.trim_ascii();
        let bytes = bytes.strip_prefix(b",").unwrap_or(bytes).trim_ascii();
        if !bytes.is_empty() {
            self.lines.extend(bytes.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
            self.lines.push(b'\n');
        }
    }
}

impl<R: Read> Read for RecordsReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.lines.len() {
            if self.ended {
                return self.failure.take().map_or(Ok(0), Err);
            }
            self.lines.clear();
            self.given = 0;
            self.advance();
        }
        let n = out.len().min(self.lines.len() - self.given);
        out[..n].copy_from_slice(&self.lines[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut out = String::new();
        RecordsReader::new(text.as_bytes()).read_to_string(&mut out).expect("reads from memory");
        out.lines().map(str::to_owned).collect()
    }

    #[test]
    fn records_are_lines() {
        let one = r#"{"eventVersion":"1.08","a":{"b":["}",1]},"text":"]} \"quoted\\"}"#;
        assert_eq!(lines(&format!("{{\"Records\":[{one},{one}]}}")), [one, one]);
        assert_eq!(lines(&format!(" {{ \"Records\" : [\n{one} ,\n{one}\n]\n}}\n")), [one, one]);
        assert_eq!(lines("{\"Records\":[{\"a\":\n1}]}"), ["{\"a\": 1}"]);
        assert_eq!(lines("{\"Records\":[]}"), [""; 0]);
        // What breaks off, and what else is in there.
        assert_eq!(lines("{\"Records\":[{\"a\":1},{\"b\":"), ["{\"a\":1}", "{\"b\":"]);
        assert_eq!(lines("{\"Records\":[{\"a\":1}],\"more\":2}"), ["{\"a\":1}", "],\"more\":2}"]);
        let many = vec![one; 5_000].join(",");
        assert_eq!(lines(&format!("{{\"Records\":[{many}]}}")).len(), 5_000);
        for (head, is) in
            [("{\"Records\":[{", true), ("{\"Records\": []}", true), ("{\"Records\":[1", false), ("{\"a\":1}", false), ("", false)]
        {
            assert_eq!(is_container(head.as_bytes()), is, "{head}");
        }
    }
}
