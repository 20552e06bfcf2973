//! Turns the body of an ingest request into batches. Pure: no network, no clock; the API calls it.

use crate::decode::Envelope;
use crate::zone::Zones;
use std::sync::Arc;
use taffrail_base::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::{EventBatch, Timestamp};
use taffrail_format::{EventBreaker, EventRules, Zone};

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Lines of any format.
    Raw,
    /// A JSON object per line. Lines that are none are kept all the same and marked `malformed`.
    Ndjson,
}

/// What the request says of its events; all of it is optional.
#[derive(Clone, Debug, Default)]
pub struct IngestOrigin {
    /// The index; `main` if not given.
    pub index: Option<String>,
    /// The host of all of them, whatever they say; if not given what they say, else the peer.
    pub host: Option<String>,
    /// The source; `http` if not given.
    pub source: Option<String>,
    /// The sourcetype; `json` for NDJSON, otherwise found out from the lines.
    pub sourcetype: Option<String>,
    /// The address that sent the request.
    pub peer: String,
    /// Whose ids events have, where a protocol gives them: the door and what the sender showed there; the address if empty.
    pub sender: String,
    /// What format files of one's own say of the lines of events.
    pub rules: Arc<EventRules>,
    /// The zone of times that name none.
    pub zone: Zone,
}

/// The events of a body: as the rule of its format says, of NDJSON one per line that is not empty, in as many batches as the limits ask for.
///
/// The only error is a name that cannot be an index, or a host, source or sourcetype that is too long.
pub fn batches(kind: Body, body: &[u8], origin: &IngestOrigin, received: Timestamp) -> Result<Vec<EventBatch>> {
    let index = crate::input::checked_index(origin.index.as_deref())?;
    let sourcetype = checked("sourcetype", origin.sourcetype.as_deref())?.or((kind == Body::Ndjson).then_some("json"));
    let envelope = Envelope {
        index,
        host: checked("host", origin.host.as_deref())?.map(Arc::from),
        default_host: Arc::from(origin.peer.as_str()),
        source: Arc::from(checked("source", origin.source.as_deref())?.unwrap_or("http")),
        sourcetype: sourcetype.map(Arc::from),
        transport: "http".into(),
        peer: Arc::from(origin.peer.as_str()),
        zones: Zones::all(origin.zone.clone()),
    };
    let mut decoding = envelope.decoding_by(&origin.rules);
    decoding.sample(&body[..body.len().min(SAMPLE_BYTES)]);
    let mut breaker = EventBreaker::new();
    // NDJSON has an object a line by its definition. A body is complete: what its first lines are, all are.
    if kind == Body::Raw {
        breaker.set_rule(decoding.event_rule(), |_| {});
    }
    let mut full = Vec::new();
    let mut batch = EventBatch::new(received);
    let mut take = |frame: taffrail_format::Frame<'_>| {
        if kind == Body::Ndjson && frame.raw.trim_ascii().is_empty() {
            return;
        }
        if batch.len() >= BATCH_EVENTS_MAX || batch.raw_bytes() >= BATCH_BYTES_MAX {
            full.push(std::mem::replace(&mut batch, EventBatch::new(received)));
        }
        decoding.push(frame, &mut batch);
    };
    breaker.push(body, &mut take);
    breaker.finish(&mut take);
    if !batch.is_empty() {
        full.push(batch);
    }
    Ok(full)
}

/// Bytes of the body that the format is found out from.
const SAMPLE_BYTES: usize = 8 * 1024;

/// Bytes of a host, source or sourcetype: they are kept with every segment.
const NAME_BYTES_MAX: usize = 1024;

pub(crate) fn checked<'a>(what: &str, value: Option<&'a str>) -> Result<Option<&'a str>> {
    match value {
        Some(text) if text.len() > NAME_BYTES_MAX || text.contains(char::is_control) => {
            Err(Error::new(ErrorKind::Invalid, format!("the {what} is longer than {NAME_BYTES_MAX} bytes or holds control characters")))
        }
        Some("") | None => Ok(None),
        Some(text) => Ok(Some(text)),
    }
}
