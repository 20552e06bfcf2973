//! How one Taffrail hands events to another: a batch as it is, with times, origins and positions, so that the
//! receiver stores exactly what the sender made of it. Used by `import` while a server holds the data folder, and by routes, whose
//! events have ids: what a route sends again after a kill is not stored again.
//!
//! A batch on the wire: the length of the header (4 bytes, little-endian), the header as JSON, the events' bytes.

use crate::ids;
use serde::{Deserialize, Serialize};
use taffrail_base::{Error, ErrorKind, Result, limits};
use taffrail_event::{EventBatch, EventId, Marked, Origin, Problems, Same, Timestamp};

#[derive(Serialize, Deserialize)]
struct Header {
    received: i64,
    origins: Vec<WireOrigin>,
    /// Key and value of each position.
    positions: Vec<(String, Vec<u8>)>,
    /// Length, time, number of the origin, problems.
    events: Vec<(u32, i64, u32, u16)>,
    /// Whose ids the events have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ids_of: Option<u64>,
    /// Number of the first event, how many, and the hashes of id and content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ids: Vec<(u32, u32, u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct WireOrigin {
    index: String,
    host: String,
    source: String,
    sourcetype: String,
    transport: String,
    peer: String,
}

/// The keys of positions that a forwarder may set: those of imports, which no input of the server uses.
pub const POSITION_PREFIX: &str = "import/";

/// The batch as bytes.
pub fn encode(batch: &EventBatch) -> Result<Vec<u8>> {
    // A batch is of one route. Of what is not, ids are left out, and at worst something is stored twice.
    let ids_of = batch.ids().first().map(|marked| marked.id.scope);
    let ids = batch.ids().iter().filter(|marked| Some(marked.id.scope) == ids_of);
    let header = Header {
        ids_of: ids_of.map(|scope| scope.0),
        ids: ids.map(|Marked { first, count, id, .. }| (*first, *count, id.key, id.content)).collect(),
        received: batch.received.nanos(),
        origins: batch.origins().iter().map(WireOrigin::from).collect(),
        positions: batch.positions.iter().map(|p| (p.key.clone(), p.value.clone())).collect(),
        events: batch
            .iter()
            .map(|e| {
                let length = u32::try_from(e.raw.len()).map_err(|_| Error::new(ErrorKind::Limit, "an event is longer than 4 GiB"))?;
                Ok((length, e.time.nanos(), e.origin_number, e.problems.0))
            })
            .collect::<Result<_>>()?,
    };
    let header = serde_json::to_vec(&header).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
    let length = u32::try_from(header.len()).map_err(|_| Error::new(ErrorKind::Limit, "the header of a batch is longer than 4 GiB"))?;
    let mut bytes = Vec::with_capacity(4 + header.len() + batch.raw_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&header);
    batch.iter().for_each(|event| bytes.extend_from_slice(event.raw));
    Ok(bytes)
}

/// The batch that the bytes hold, or what is wrong with them.
pub fn decode(bytes: &[u8]) -> Result<EventBatch> {
    let wrong = |what: &str| Error::new(ErrorKind::Invalid, format!("not a batch: {what}"));
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| wrong("shorter than its length"))?;
    let (header, mut raw) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(|| wrong("shorter than its header"))?;
    let header: Header = serde_json::from_slice(header).map_err(|e| wrong(&e.to_string()))?;
    if header.events.len() > limits::BATCH_EVENTS_MAX {
        return Err(wrong("too many events"));
    }
    let mut batch = EventBatch::new(Timestamp(header.received));
    let mut numbers = Vec::with_capacity(header.origins.len());
    for origin in header.origins {
        if !Origin::check_index(&origin.index) {
            return Err(wrong(&format!("{:?} cannot be the name of an index", origin.index)));
        }
        numbers.push(batch.origin(&origin.into()));
    }
    for (length, time, origin, problems) in header.events {
        let (event, after) = raw.split_at_checked(length as usize).ok_or_else(|| wrong("shorter than its events"))?;
        let number = *numbers.get(origin as usize).ok_or_else(|| wrong("an event without an origin"))?;
        if event.len() > limits::EVENT_BYTES_MAX {
            return Err(wrong("an event is too long"));
        }
        batch.push(number, Timestamp(time), Problems(problems), event);
        raw = after;
    }
    if !raw.is_empty() {
        return Err(wrong("bytes after the last event"));
    }
    mark(&mut batch, header.ids_of, &header.ids).ok_or_else(|| wrong("ids of events that are not there"))?;
    for (key, value) in header.positions {
        if !key.starts_with(POSITION_PREFIX) {
            return Err(wrong(&format!("the position {key:?} is not one of an import")));
        }
        batch.set_position(key, value);
    }
    Ok(batch)
}

/// Takes over the ids, within a scope that no other sender can have.
fn mark(batch: &mut EventBatch, ids_of: Option<u64>, marks: &[(u32, u32, u64, u64)]) -> Option<()> {
    let Some(ids_of) = ids_of else { return marks.is_empty().then_some(()) };
    let scope = ids::scope(&["forward", &format!("{ids_of:016x}")]);
    let mut end = 0;
    for &(first, count, key, content) in marks {
        let fits = first >= end && count > 0;
        end = first.checked_add(count).filter(|end| fits && *end as usize <= batch.len())?;
        batch.mark_some(Marked { first, count, id: EventId { scope, key, content }, same: Same::IdAndContent });
    }
    Some(())
}

impl From<&Origin> for WireOrigin {
    fn from(origin: &Origin) -> Self {
        Self {
            index: origin.index.to_string(),
            host: origin.host.to_string(),
            source: origin.source.to_string(),
            sourcetype: origin.sourcetype.to_string(),
            transport: origin.transport.to_string(),
            peer: origin.peer.to_string(),
        }
    }
}

impl From<WireOrigin> for Origin {
    fn from(origin: WireOrigin) -> Self {
        Self {
            index: origin.index.into(),
            host: origin.host.into(),
            source: origin.source.into(),
            sourcetype: origin.sourcetype.into(),
            transport: origin.transport.into(),
            peer: origin.peer.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(index: &str, host: &str) -> Origin {
        let text = |t: &str| t.into();
        Origin { index: text(index), host: text(host), source: text("s"), sourcetype: text("t"), transport: text("import"), peer: text("") }
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_as_it_was(
            events in proptest::collection::vec((any::<Vec<u8>>(), any::<i64>(), any::<u16>(), any::<bool>()), 0..20),
            positions in proptest::collection::vec(("[a-z/]{0,8}", any::<Vec<u8>>()), 0..4),
        ) {
            let mut batch = EventBatch::new(Timestamp(7));
            let numbers = [batch.origin(&origin("main", "a")), batch.origin(&origin("other", "b"))];
            for (raw, time, problems, which) in &events {
                batch.push(numbers[usize::from(*which)], Timestamp(*time), Problems(*problems), raw);
            }
            for (key, value) in positions {
                batch.set_position(format!("import/{key}"), value);
            }
            prop_assert_eq!(decode(&encode(&batch).unwrap()).unwrap(), batch);
        }

        #[test]
        fn other_bytes_are_refused(bytes in any::<Vec<u8>>()) {
            // A header that happens to be valid JSON of the right shape does not arise from chance.
            prop_assert!(decode(&bytes).is_err());
        }
    }

    #[test]
    fn ids_go_along_and_must_be_of_events_that_are_there() {
        let mut batch = EventBatch::new(Timestamp(7));
        let number = batch.origin(&origin("main", "a"));
        let scope = ids::scope(&["route"]);
        for text in ["one", "two", "three"] {
            batch.push(number, Timestamp(1), Problems::NONE, text.as_bytes());
            if text != "two" {
                batch.mark(batch.len() - 1, ids::id(scope, &[text.as_bytes()], text.as_bytes()), Same::IdAndContent);
            }
        }
        let sent = encode(&batch).expect("encodes");
        let [here, again] = [&sent, &sent].map(|bytes| decode(bytes).expect("decodes"));
        let ids = |batch: &EventBatch| batch.ids().iter().map(|m| (m.range(), m.id.key, m.id.content)).collect::<Vec<_>>();
        assert_eq!(ids(&here), ids(&batch));
        assert!(here == again && here.ids()[0].id.scope == here.ids()[1].id.scope && here.ids()[0].id.scope != scope);
        for bad in [&[(3, 1, 0, 0)][..], &[(0, 0, 0, 0)], &[(1, 1, 0, 0), (0, 1, 0, 0)], &[(u32::MAX, 2, 0, 0)]] {
            assert_eq!(mark(&mut batch.without(&[0, 2]), Some(1), bad), None, "{bad:?}");
        }
        assert_eq!(mark(&mut batch, None, &[(0, 1, 0, 0)]), None);
    }

    #[test]
    fn what_could_do_harm_is_refused() {
        let mut bad_index = EventBatch::new(Timestamp(0));
        bad_index.origin(&origin("../up", "h"));
        assert!(decode(&encode(&bad_index).expect("encodes")).is_err());
        let mut bad_key = EventBatch::new(Timestamp(0));
        bad_key.set_position("file/x", b"1".as_slice());
        assert!(decode(&encode(&bad_key).expect("encodes")).is_err());
        let mut cut = EventBatch::new(Timestamp(0));
        let number = cut.origin(&origin("main", "h"));
        cut.push(number, Timestamp(0), Problems::NONE, b"abc");
        let bytes = encode(&cut).expect("encodes");
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode(&[&bytes[..], b"x"].concat()).is_err());
    }
}
