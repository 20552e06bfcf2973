//! Loki's push: streams of lines that share labels, as JSON or as protocol buffers in snappy.
//!
//! `host`, `hostname`, `node_name` or `instance` among the labels is the host, `filename` else `job` the source. A line
//! whose labels say nothing else is an event as it stands; any other becomes an object with the line as `message`, and
//! labels and structured metadata beside it.

use super::{Intake, invalid, utf8};
use crate::records::{Record, json, proto};
use std::borrow::Cow;
use taffrail_base::limits::INGEST_EXPANDED_BYTES_MAX;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::Timestamp;
use taffrail_format::{TimeFinder, Zone};

/// Labels of a stream: names and values.
type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

const HOSTS: [&str; 4] = ["host", "hostname", "node_name", "instance"];
const SOURCES: [&str; 2] = ["filename", "job"];

/// Takes the lines of a JSON body. An error takes nothing.
pub fn from_json(body: &[u8], intake: &mut Intake) -> Result<usize> {
    let text = utf8(body)?;
    if !json::is_value(text) {
        return Err(invalid("the body is not JSON"));
    }
    let streams =
        json::member(text, "streams").filter(|streams| streams.starts_with('[')).ok_or_else(|| invalid("the body has no streams"))?;
    let mut taken = Vec::new();
    for stream in json::elements(streams) {
        match json::member(stream, "entries") {
            Some(entries) => lines_of_before(stream, entries, intake.batch.received, &mut taken)?,
            None => lines(stream, &mut taken)?,
        }
    }
    taken.iter().for_each(|record| intake.push(record));
    Ok(taken.len())
}

/// The lines of a stream.
fn lines(stream: &str, taken: &mut Vec<Record<'_>>) -> Result<()> {
    let labels = pairs(json::member(stream, "stream").unwrap_or("{}"))?;
    // A stream without lines may be; one whose lines are not where they belong would lose them.
    let values = json::member(stream, "values").filter(|values| values.starts_with('['));
    for value in json::elements(values.ok_or_else(|| invalid(format!("{} has no values", shown(stream))))?) {
        let mut parts = json::elements(value);
        let time = parts.next().and_then(json::scalar).and_then(|nanos| nanos.parse().ok()).map(Timestamp);
        let line = parts.next().and_then(json::text);
        let (Some(time), Some(line)) = (time, line) else {
            return Err(invalid(format!("{} is not a time in nanoseconds and a line", shown(value))));
        };
        let metadata = parts.next().map_or(Ok(Vec::new()), pairs)?;
        taken.push(record(time, &line, &labels, &metadata));
    }
    Ok(())
}

/// The lines of a stream as it was sent before Loki's version 0.4, and as some libraries send it to this day: labels as text,
/// lines as objects with a time in words.
fn lines_of_before(stream: &str, entries: &str, received: Timestamp, taken: &mut Vec<Record<'_>>) -> Result<()> {
    let text = json::member(stream, "labels").map(json::text);
    let labels = match &text {
        Some(text) => text.as_deref().and_then(selector).ok_or_else(|| invalid(format!("{} has no labels", shown(stream))))?,
        None => Vec::new(),
    };
    if !entries.starts_with('[') {
        return Err(invalid(format!("{} has no entries", shown(stream))));
    }
    let mut times = TimeFinder::new(Zone::default());
    for entry in json::elements(entries) {
        let said = json::member(entry, "ts").and_then(json::text);
        let time = said.and_then(|text| Some((times.at(text.as_bytes(), 0, received)?, text.len())));
        let line = json::member(entry, "line").and_then(json::text);
        let (Some((time, length)), Some(line)) = (time, line) else {
            return Err(invalid(format!("{} is not a time and a line", shown(entry))));
        };
        if time.end < length {
            return Err(invalid(format!("{} has no time", shown(entry))));
        }
        taken.push(record(time.time, &line, &labels, &Vec::new()));
    }
    Ok(())
}

fn shown(text: &str) -> Cow<'_, str> {
    if text.len() < 100 { text.into() } else { format!("{}...", &text[..text.floor_char_boundary(100)]).into() }
}

fn pairs(object: &str) -> Result<Labels<'_>> {
    if !json::is_object(object) {
        return Err(invalid(format!("{} is no object of labels", shown(object))));
    }
    let pair = |(key, value)| (json::text(key).unwrap_or_default(), json::scalar(value).unwrap_or(Cow::Borrowed(value)));
    Ok(json::members(object).map(pair).collect())
}

fn record<'a>(time: Timestamp, line: &str, labels: &Labels<'_>, metadata: &Labels<'_>) -> Record<'a> {
    let find = |names: &[&str]| names.iter().find_map(|name| labels.iter().find(|(key, value)| key == name && !value.is_empty()));
    let (host, source) = (find(&HOSTS), find(&SOURCES));
    let known = |pair: &(Cow<'_, str>, Cow<'_, str>)| [host, source].into_iter().flatten().any(|known| known == pair);
    let value = |pair: Option<&(Cow<'_, str>, Cow<'_, str>)>| pair.map(|(_, value)| value.clone().into_owned()).unwrap_or_default().into();
    let rest: Vec<_> = labels.iter().filter(|pair| !known(pair)).chain(metadata).collect();
    let mut record = Record::of(line.as_bytes().to_vec());
    if !rest.is_empty() {
        let mut object = json::Object::default();
        object.text("message", line);
        rest.iter().for_each(|(key, value)| object.text(key, value));
        record = Record::json(object.finish());
    }
    Record { time: Some(time), host: value(host), source: value(source), ..record }
}

fn damaged<T>(_: T) -> Error {
    invalid("the body is no push request")
}

/// What a block of snappy holds.
fn unpacked(block: &[u8]) -> Result<Vec<u8>> {
    let no_block = || invalid("the body is no snappy block");
    let length = snap::raw::decompress_len(block).map_err(|_| no_block())?;
    if length as u64 > INGEST_EXPANDED_BYTES_MAX {
        return Err(Error::new(ErrorKind::Limit, format!("the body expands to more than {INGEST_EXPANDED_BYTES_MAX} bytes")));
    }
    // A copy makes 64 bytes of 2 or 3: what is claimed beyond that is wrong, and not worth the memory.
    if length > block.len().saturating_mul(32) {
        return Err(no_block());
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|_| no_block())
}

/// Takes the lines of a body of protocol buffers in snappy. An error takes nothing.
pub fn from_protobuf(body: &[u8], intake: &mut Intake) -> Result<usize> {
    let plain = unpacked(body)?;
    let mut taken = Vec::new();
    for stream in of_number(&plain, 1) {
        let stream = stream?;
        let labels = match of_number(stream, 1).last().transpose()? {
            Some(labels) => selector(utf8(labels)?).ok_or_else(|| invalid(format!("{} are no labels", String::from_utf8_lossy(labels))))?,
            None => Vec::new(),
        };
        for entry in of_number(stream, 2) {
            let (mut time, mut line, mut metadata) = (0, "", Vec::new());
            for field in proto::fields(entry?) {
                match field.map_err(damaged)? {
                    (1, value) => time = timestamp(value.message().map_err(damaged)?)?,
                    (2, value) => line = utf8(value.message().map_err(damaged)?)?,
                    (3, value) => {
                        let pair = value.message().map_err(damaged)?;
                        let text = |number| of_number(pair, number).last().transpose();
                        let text = |number| text(number).and_then(|bytes| utf8(bytes.unwrap_or_default()));
                        metadata.push((Cow::from(text(1)?), Cow::from(text(2)?)));
                    }
                    _ => {}
                }
            }
            taken.push(record(Timestamp(time), line, &labels, &metadata));
        }
    }
    taken.iter().for_each(|record| intake.push(record));
    Ok(taken.len())
}

/// The messages and texts of a field.
fn of_number(message: &[u8], wanted: u64) -> impl Iterator<Item = Result<&[u8]>> {
    proto::fields(message).filter_map(move |field| match field {
        Ok((number, value)) if number == wanted => Some(value.message().map_err(damaged)),
        Ok(_) => None,
        Err(error) => Some(Err(damaged(error))),
    })
}

fn timestamp(message: &[u8]) -> Result<i64> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    for field in proto::fields(message) {
        match field.map_err(damaged)? {
            (1, value) => seconds = value.number() as i64,
            (2, value) => nanos = i64::from(value.number() as i32),
            _ => {}
        }
    }
    seconds.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nanos)).ok_or_else(|| invalid("a time is out of range"))
}

/// The labels of `{name="value", ...}`.
fn selector(text: &str) -> Option<Labels<'_>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let mut escaped = false;
        let end = behind.strip_prefix('"')?.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })? + 2;
        labels.push((Cow::from(name.trim()), json::text(&behind[..end])?));
        rest = behind[end..].trim_start().strip_prefix(',').unwrap_or(&behind[end..]).trim();
        if rest.starts_with('"') {
            return None;
        }
    }
    Some(labels)
}
