//! Lumberjack, versions 1 and 2: what Beats and Logstash speak.
//!
//! **Promise.** The acknowledgement of an event means that it and all before it are durable on disk. While that takes long,
//! an acknowledgement of nothing is sent now and then, so that the sender does not take us for dead. What was not
//! acknowledged when a connection broke the sender sends again, and it may then be there twice.

use crate::gather::{Content, Unwrap};
use crate::records::{Record, json};
use crate::relp::split;
use crate::stream::Protocol;
use crate::stream::session::{Session, Taken};
use std::borrow::Cow;
use std::io::Read;
use std::net::IpAddr;
use taffrail_base::limits::{BATCH_BYTES_MAX, EVENT_BYTES_MAX, INGEST_BODY_BYTES_MAX};
use taffrail_event::Problems;

pub(crate) const LUMBERJACK: Protocol = Protocol {
    kind: "lumberjack",
    title: "Lumberjack",
    source: "lumberjack",
    port: 5044,
    transport: "lumberjack",
    sourcetype: None,
    needs_tls: false,
    session: |_| Box::new(Lumberjack::default()),
    content: || Content::Wrapped(Box::new(Event)),
};

#[derive(Default)]
struct Lumberjack {
    held: Vec<u8>,
    /// Events of the window that have not come yet.
    expected: u32,
    /// Bytes of events in the step that is being filled.
    step_bytes: usize,
}

/// Pairs of one event of version 1.
const PAIRS_MAX: u32 = 10_000;

/// Takes numbers and bytes off the front; `None` when there are not enough.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }
}

/// What stands at the beginning of the bytes.
enum Frame<'a> {
    Window(u32),
    Packed(&'a [u8]),
    Event(u32, Cow<'a, [u8]>),
}

/// The next frame; `Ok(None)` when more bytes are needed.
fn frame<'a>(reader: &mut Reader<'a>) -> Result<Option<(u8, Frame<'a>)>, &'static str> {
    let Some(head) = reader.take(2) else { return Ok(None) };
    let version = head[0];
    if !matches!(version, b'1' | b'2') {
        return Err("a frame has neither version 1 nor version 2");
    }
    let limited = |length: Option<u32>| match length {
        Some(length) if length as usize > EVENT_BYTES_MAX => Err("a frame is too long"),
        length => Ok(length),
    };
    let found = match head[1] {
        b'W' => reader.number().map(Frame::Window),
        b'C' => limited(reader.number())?.and_then(|length| reader.take(length)).map(Frame::Packed),
        b'J' => {
            let number = reader.number();
            let length = limited(reader.number())?;
            number.zip(length.and_then(|length| reader.take(length))).map(|(number, json)| Frame::Event(number, json.into()))
        }
        b'D' => pairs(reader)?.map(|(number, json)| Frame::Event(number, json.into())),
        _ => return Err("a frame is of no known type"),
    };
    Ok(found.map(|found| (version, found)))
}

/// An event of version 1, as JSON.
fn pairs(reader: &mut Reader<'_>) -> Result<Option<(u32, Vec<u8>)>, &'static str> {
    let (Some(number), Some(count)) = (reader.number(), reader.number()) else { return Ok(None) };
    if count > PAIRS_MAX {
        return Err("an event has too many pairs");
    }
    let (mut object, mut bytes) = (json::Object::default(), 0);
    for _ in 0..count {
        let mut text = || {
            let length = reader.number()?;
            bytes += length as usize;
            // What is too long is found out below, before it has to be there.
            if bytes > EVENT_BYTES_MAX { Some(&b""[..]) } else { reader.take(length) }
        };
        let (key, value) = (text(), text());
        if bytes > EVENT_BYTES_MAX {
            return Err("an event is too long");
        }
        let (Some(key), Some(value)) = (key, value) else { return Ok(None) };
        object.text(&String::from_utf8_lossy(key), &String::from_utf8_lossy(value));
    }
    Ok(Some((number, object.finish())))
}

impl Lumberjack {
    /// Takes whole frames and says how many bytes they were. `within`: they were packed, and hold nothing packed.
    fn frames(&mut self, bytes: &[u8], within: bool, peer: IpAddr, taken: &mut Taken) -> Result<usize, &'static str> {
        let mut reader = Reader(bytes);
        let mut used = 0;
        while !reader.0.is_empty() {
            let Some((version, found)) = frame(&mut reader)? else { break };
            match found {
                Frame::Window(events) => self.expected = events,
                Frame::Packed(_) if within => return Err("a packed frame is within another"),
                Frame::Packed(packed) => {
                    let mut plain = Vec::new();
                    let most = INGEST_BODY_BYTES_MAX as u64;
                    let read = flate2::read::ZlibDecoder::new(packed).take(most + 1).read_to_end(&mut plain);
                    if read.is_err() || plain.len() as u64 > most {
                        return Err("a packed frame is damaged or expands too far");
                    }
                    if self.frames(&plain, true, peer, taken)? < plain.len() {
                        return Err("a packed frame ends within another");
                    }
                }
                Frame::Event(number, json) => self.event(version, number, &json, peer, taken),
            }
            used = bytes.len() - reader.0.len();
        }
        Ok(used)
    }

    fn event(&mut self, version: u8, number: u32, json: &[u8], peer: IpAddr, taken: &mut Taken) {
        let step = taken.step();
        split(json, EVENT_BYTES_MAX, peer, &mut step.chunk);
        self.step_bytes += json.len();
        self.expected = self.expected.saturating_sub(1);
        if self.expected == 0 {
            step.answer.extend_from_slice(&[version, b'A']);
            step.answer.extend_from_slice(&number.to_be_bytes());
        }
        if self.expected == 0 || self.step_bytes >= BATCH_BYTES_MAX {
            self.step_bytes = 0;
            taken.next_step();
        }
    }
}

impl Session for Lumberjack {
    fn push(&mut self, bytes: &[u8], peer: IpAddr, taken: &mut Taken) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        match self.frames(&held, false, peer, taken) {
            Ok(used) => {
                self.held = held;
                self.held.drain(..used);
            }
            Err(why) => taken.end = Some(why.to_owned()),
        }
    }

    /// Unfinished frames were not acknowledged: they come again.
    fn finish(&mut self, _: IpAddr, _: &mut Taken) {
        self.held.clear();
    }

    fn held(&self) -> usize {
        self.held.len()
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn still_alive(&self) -> &'static [u8] {
        b"2A\0\0\0\0"
    }
}

/// Events of Beats: JSON as it stands.
struct Event;

impl Unwrap for Event {
    fn unwrap(&mut self, _: IpAddr, raw: &[u8], _: u64, emit: &mut dyn FnMut(Record<'_>), _: &mut dyn FnMut(&'static str)) {
        let text = std::str::from_utf8(raw).ok().filter(|text| json::is_object(text) && json::is_value(text));
        let Some(text) = text else {
            return emit(Record { problems: Problems::MALFORMED, ..Record::of(raw) });
        };
        let at = |path: &[&str]| path.iter().try_fold(text, |object, name| json::member(object, name)).and_then(json::text);
        let host = at(&["host", "name"]).or_else(|| at(&["host"])).or_else(|| at(&["beat", "hostname"])).unwrap_or_default();
        let source = at(&["log", "file", "path"]).or_else(|| at(&["source"])).or_else(|| at(&["file"])).unwrap_or_default();
        // Beats send one where they are told to make it (`add_id`, `fingerprint`, `document_id`).
        let id = at(&["@metadata", "_id"]).unwrap_or_default();
        emit(Record { host, source, id, ..Record::json(raw) });
    }
}
