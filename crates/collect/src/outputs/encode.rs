//! Bodies of the protocols that go over HTTP, and events as JSON. Pure. Text that is not UTF-8 is shown as U+FFFD, as JSON has no
//! bytes; lines and another Taffrail get the very bytes.

use serde_json::{Map, Value, json};
use taffrail_event::{EventBatch, EventRef, Marked, Origin};

fn events(batch: &EventBatch, from: usize, until: usize) -> impl Iterator<Item = EventRef<'_>> {
    (from..until).map(|at| batch.event(at))
}

fn text<'a>(event: &EventRef<'a>) -> std::borrow::Cow<'a, str> {
    String::from_utf8_lossy(event.raw)
}

fn concat(values: impl Iterator<Item = Value>, separator: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for value in values {
        body.extend_from_slice(value.to_string().as_bytes());
        body.extend_from_slice(separator.as_bytes());
    }
    body
}

/// Seconds since the epoch with nine digits behind the point, exactly.
fn seconds(event: &EventRef<'_>) -> String {
    let nanos = event.time.nanos();
    format!("{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
}

/// What an origin says, under these names; what is empty is left out.
fn origin(origin: &Origin, names: [&str; 4]) -> Map<String, Value> {
    let values = [&origin.host, &origin.source, &origin.sourcetype, &origin.index];
    names.iter().zip(values).filter(|(_, value)| !value.is_empty()).map(|(name, value)| ((*name).to_owned(), json!(&**value))).collect()
}

/// An event as one JSON object: `time`, `host`, `source`, `sourcetype`, `index`, `message`.
pub fn object(event: &EventRef<'_>) -> Value {
    let mut object = origin(event.origin, ["host", "source", "sourcetype", "index"]);
    object.insert("time".into(), json!(event.time.to_string()));
    object.insert("message".into(), json!(text(event)));
    Value::Object(object)
}

/// An event as GELF 1.1.
pub fn gelf(event: &EventRef<'_>) -> Value {
    let mut object = origin(event.origin, ["host", "_source", "_sourcetype", "_index"]);
    object.entry("host").or_insert_with(|| json!("-"));
    object.insert("version".into(), json!("1.1"));
    object.insert("short_message".into(), json!(text(event)));
    let time = serde_json::from_str(&seconds(event)).unwrap_or(Value::Null);
    object.insert("timestamp".into(), time);
    Value::Object(object)
}

/// GELF messages, a line each.
pub fn gelf_lines(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    concat(events(batch, from, until).map(|event| gelf(&event)), "\n")
}

/// Datadog's intake: an array of objects.
pub fn datadog(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    let object = |event: EventRef<'_>| {
        let mut object = origin(event.origin, ["hostname", "service", "ddsource", "ddtags"]);
        object.entry("ddtags").and_modify(|index| *index = json!(format!("index:{}", event.origin.index)));
        object.insert("timestamp".into(), json!(event.time.to_string()));
        object.insert("message".into(), json!(text(&event)));
        Value::Object(object)
    };
    Value::Array(events(batch, from, until).map(object).collect()).to_string().into_bytes()
}

/// An event as Beats have it, by the names of the Elastic Common Schema.
pub fn beat(event: &EventRef<'_>) -> Value {
    json!({
        "@timestamp": event.time.to_string(),
        "host": {"name": &*event.origin.host},
        "log": {"file": {"path": &*event.origin.source}},
        "event": {"dataset": &*event.origin.sourcetype},
        "message": text(event),
    })
}

/// The export format of the systemd journal: an entry with its time, host, name and text.
pub fn journal(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let field = |name: &str, value: &[u8], body: &mut Vec<u8>| {
        body.extend_from_slice(name.as_bytes());
        // What is no plain line has its length in front, little-endian.
        if value.iter().any(|b| b.is_ascii_control() && *b != b'\t') || std::str::from_utf8(value).is_err() {
            body.push(b'\n');
            body.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            body.push(b'=');
        }
        body.extend_from_slice(value);
        body.push(b'\n');
    };
    for event in events(batch, from, until) {
        let micros = event.time.nanos().div_euclid(1_000).max(0).to_string();
        field("__REALTIME_TIMESTAMP", micros.as_bytes(), &mut body);
        field("_HOSTNAME", event.origin.host.as_bytes(), &mut body);
        field("SYSLOG_IDENTIFIER", event.origin.sourcetype.as_bytes(), &mut body);
        field("MESSAGE", event.raw, &mut body);
        body.push(b'\n');
    }
    body
}

/// Splunk's HTTP Event Collector: objects one behind the other.
pub fn hec(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    let event = |event: EventRef<'_>| {
        let mut object = origin(event.origin, ["host", "source", "sourcetype", "index"]);
        object.insert("time".into(), json!(seconds(&event)));
        object.insert("event".into(), json!(text(&event)));
        Value::Object(object)
    };
    concat(events(batch, from, until).map(event), "")
}

/// JSON lines.
pub fn json_lines(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    concat(events(batch, from, until).map(|event| object(&event)), "\n")
}

/// Elasticsearch's bulk of documents, with the ids that events have.
pub fn elastic(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let mut ids = batch.ids().iter().peekable();
    for (at, event) in (from..).zip(events(batch, from, until)) {
        while ids.next_if(|marked| (marked.first as usize) < at).is_some() {}
        let mut action = json!({"_index": &*event.origin.index});
        if let Some(marked) = ids.next_if(|marked| marked.first as usize == at) {
            action["_id"] = format!("{:016x}{:016x}", marked.id.key, marked.id.content).into();
        }
        let document = json!({
            "@timestamp": event.time.to_string(), "message": text(&event), "host": {"name": &*event.origin.host},
            "log": {"file": {"path": &*event.origin.source}}, "event": {"dataset": &*event.origin.sourcetype},
        });
        body.extend_from_slice(format!("{}\n{document}\n", json!({"create": action})).as_bytes());
    }
    body
}

/// The events of each origin, in their order.
fn by_origin(batch: &EventBatch, from: usize, until: usize) -> Vec<(&Origin, Vec<EventRef<'_>>)> {
    let mut all: Vec<(u32, &Origin, Vec<EventRef<'_>>)> = Vec::new();
    for event in events(batch, from, until) {
        match all.iter_mut().find(|(number, ..)| *number == event.origin_number) {
            Some((_, _, of)) => of.push(event),
            None => all.push((event.origin_number, event.origin, vec![event])),
        }
    }
    all.into_iter().map(|(_, origin, of)| (origin, of)).collect()
}

/// OTLP over HTTP as JSON: a resource for each origin.
pub fn otlp(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    let resource = |(of, events): (&Origin, Vec<EventRef<'_>>)| {
        let names = ["host.name", "log.file.path", "com.splunk.sourcetype", "com.splunk.index"];
        let attributes: Vec<Value> =
            origin(of, names).into_iter().map(|(key, value)| json!({"key": key, "value": {"stringValue": value}})).collect();
        let record = |event: &EventRef<'_>| {
            json!({
                "timeUnixNano": event.time.nanos().to_string(), "observedTimeUnixNano": event.received.nanos().to_string(),
                "body": {"stringValue": text(event)},
            })
        };
        json!({"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": events.iter().map(record).collect::<Vec<_>>()}]})
    };
    let resources: Vec<Value> = by_origin(batch, from, until).into_iter().map(resource).collect();
    json!({"resourceLogs": resources}).to_string().into_bytes()
}

/// Loki's push as JSON: a stream for each origin.
pub fn loki(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    let stream = |(of, events): (&Origin, Vec<EventRef<'_>>)| {
        let values: Vec<Value> = events.iter().map(|event| json!([event.time.nanos().to_string(), text(event)])).collect();
        json!({"stream": origin(of, ["host", "source", "sourcetype", "index"]), "values": values})
    };
    let streams: Vec<Value> = by_origin(batch, from, until).into_iter().map(stream).collect();
    json!({"streams": streams}).to_string().into_bytes()
}

/// The very bytes, a line feed behind each.
pub fn lines(batch: &EventBatch, from: usize, until: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for event in events(batch, from, until) {
        body.extend_from_slice(event.raw);
        body.push(b'\n');
    }
    body
}

/// Some of the events as a batch of their own.
pub fn part(batch: &EventBatch, from: usize, until: usize) -> EventBatch {
    let mut part = EventBatch::new(batch.received);
    for event in events(batch, from, until) {
        let number = part.origin(event.origin);
        part.push(number, event.time, event.problems, event.raw);
    }
    for marked in batch.ids().iter().filter(|marked| marked.first as usize >= from && marked.range().end as usize <= until) {
        part.mark_some(Marked { first: marked.first - from as u32, ..*marked });
    }
    part
}
