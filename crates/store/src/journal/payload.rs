//! A batch of events as the payload of a journal record, and back. The layout is specified in
//! `docs/formats/journal.md`. Nothing here touches a file.

use crate::codec::{Reader, put_bytes, put_number, put_signed};
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_event::{EventBatch, EventId, IdScope, Marked, Origin, Problems, Same, Timestamp};

/// The first byte of a payload: how the rest is laid out.
const VERSION: u8 = 1;

/// The same, of a payload with ids of events behind the rest.
const VERSION_WITH_IDS: u8 = 2;

/// The run of arrival numbers that a batch has in one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The index.
    pub index: Arc<str>,
    /// Arrival number of the batch's first event in it.
    pub first: u64,
    /// How many of the batch's events are in it.
    pub count: u64,
}

impl Span {
    /// The arrival number after the last.
    pub fn end(&self) -> u64 {
        self.first + self.count
    }
}

/// Appends the payload of a batch.
pub(super) fn encode(batch: &EventBatch, spans: &[Span], out: &mut Vec<u8>) {
    out.push(if batch.ids().is_empty() { VERSION } else { VERSION_WITH_IDS });
    put_number(out, batch.positions.len() as u64);
    for position in &batch.positions {
        put_bytes(out, position.key.as_bytes());
        put_bytes(out, &position.value);
    }
    put_number(out, spans.len() as u64);
    for span in spans {
        put_bytes(out, span.index.as_bytes());
        put_number(out, span.first);
        put_number(out, span.count);
    }
    put_number(out, batch.origins().len() as u64);
    for origin in batch.origins() {
        for part in parts(origin) {
            put_bytes(out, part.as_bytes());
        }
    }
    put_number(out, batch.len() as u64);
    let mut before = batch.received.nanos();
    for event in batch.iter() {
        put_number(out, event.raw.len() as u64);
        put_signed(out, event.time.nanos().wrapping_sub(before));
        put_number(out, u64::from(event.origin_number));
        put_number(out, u64::from(event.problems.0));
        before = event.time.nanos();
    }
    for event in batch.iter() {
        out.extend_from_slice(event.raw);
    }
    if !batch.ids().is_empty() {
        encode_ids(batch.ids(), out);
    }
}

fn encode_ids(ids: &[Marked], out: &mut Vec<u8>) {
    let mut scopes: Vec<u64> = ids.iter().map(|marked| marked.id.scope.0).collect();
    scopes.sort_unstable();
    scopes.dedup();
    put_number(out, scopes.len() as u64);
    scopes.iter().for_each(|scope| out.extend_from_slice(&scope.to_le_bytes()));
    put_number(out, ids.len() as u64);
    let mut before = 0;
    for Marked { first, count, id, same } in ids {
        put_number(out, u64::from(first - before));
        put_number(out, u64::from(*count) << 1 | u64::from(*same == Same::Id));
        put_number(out, scopes.partition_point(|scope| *scope < id.scope.0) as u64);
        out.extend_from_slice(&id.key.to_le_bytes());
        out.extend_from_slice(&id.content.to_le_bytes());
        before = first + count;
    }
}

fn decode_ids(reader: &mut Reader<'_>, batch: &mut EventBatch) -> Option<()> {
    let fixed = |reader: &mut Reader<'_>| reader.take(8)?.try_into().map(u64::from_le_bytes).ok();
    let mut scopes = Vec::new();
    for _ in 0..reader.count()? {
        scopes.push(IdScope(fixed(reader)?));
    }
    let mut end = 0u32;
    for _ in 0..reader.count()? {
        let first = end.checked_add(u32::try_from(reader.number()?).ok()?)?;
        let count = reader.number()?;
        let same = if count & 1 == 1 { Same::Id } else { Same::IdAndContent };
        let count = u32::try_from(count >> 1).ok().filter(|count| *count > 0)?;
        end = first.checked_add(count).filter(|end| *end as usize <= batch.len())?;
        let scope = *scopes.get(usize::try_from(reader.number()?).ok()?)?;
        let id = EventId { scope, key: fixed(reader)?, content: fixed(reader)? };
        batch.mark_some(Marked { first, count, id, same });
    }
    Some(())
}

/// At most how many bytes [`encode`] will append.
pub(super) fn bound(batch: &EventBatch) -> usize {
    let positions: usize = batch.positions.iter().map(|p| p.key.len() + p.value.len() + 20).sum();
    let origins: usize = batch.origins().iter().map(|o| parts(o).iter().map(|p| p.len() + 10).sum::<usize>() + o.index.len() + 30).sum();
    let ids = if batch.ids().is_empty() { 0 } else { 20 + batch.ids().len() * 50 };
    64 + positions + origins + ids + batch.len() * 28 + batch.raw_bytes()
}

fn parts(origin: &Origin) -> [&Arc<str>; 6] {
    [&origin.index, &origin.host, &origin.source, &origin.sourcetype, &origin.transport, &origin.peer]
}

/// The batch and its arrival numbers, or `None` if the bytes are not a payload.
pub(crate) fn decode(payload: &[u8], received: Timestamp) -> Option<(EventBatch, Vec<Span>)> {
    let mut reader = Reader::new(payload);
    let &[version @ (VERSION | VERSION_WITH_IDS)] = reader.take(1)? else { return None };
    let mut batch = EventBatch::new(received);
    for _ in 0..reader.count()? {
        let key = reader.text()?.to_owned();
        batch.set_position(key, reader.bytes()?);
    }
    let mut spans = Vec::new();
    for _ in 0..reader.count()? {
        spans.push(Span { index: reader.text()?.into(), first: reader.number()?, count: reader.number()? });
    }
    let mut origins = Vec::new();
    for _ in 0..reader.count()? {
        let mut next = || reader.text().map(Arc::<str>::from);
        let origin = Origin { index: next()?, host: next()?, source: next()?, sourcetype: next()?, transport: next()?, peer: next()? };
        origins.push(batch.origin(&origin));
    }
    let count = reader.count()?;
    let mut heads = Vec::with_capacity(count.min(payload.len() / 4));
    let mut before = received.nanos();
    for _ in 0..count {
        let len = usize::try_from(reader.number()?).ok()?;
        before = before.wrapping_add(reader.signed()?);
        let origin = *origins.get(usize::try_from(reader.number()?).ok()?)?;
        heads.push((len, Timestamp(before), origin, Problems(u16::try_from(reader.number()?).ok()?)));
    }
    for (len, time, origin, problems) in heads {
        batch.push(origin, time, problems, reader.take(len)?);
    }
    if version == VERSION_WITH_IDS {
        decode_ids(&mut reader, &mut batch)?;
    }
    (reader.is_done() && fits(&batch, &spans)).then_some((batch, spans))
}

/// Whether the spans count the batch's events.
fn fits(batch: &EventBatch, spans: &[Span]) -> bool {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for event in batch.iter() {
        *counts.entry(&event.origin.index).or_default() += 1;
    }
    let same = |span: &Span| counts.get(&*span.index) == Some(&span.count) && span.first.checked_add(span.count).is_some();
    counts.len() == spans.len() && spans.iter().all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(index: &str, host: &str) -> Origin {
        let [source, sourcetype, transport, peer] = ["/var/log/x", "syslog", "file", ""].map(Arc::from);
        Origin { index: index.into(), host: host.into(), source, sourcetype, transport, peer }
    }

    proptest! {
        #[test]
        fn any_batch_comes_back(
            events in prop::collection::vec((any::<Vec<u8>>(), any::<i64>(), 0usize..3, any::<u16>(), any::<Option<(u8, u64, bool)>>()), 0..50),
            positions in prop::collection::vec((".{0,10}", any::<Vec<u8>>()), 0..4),
            received in any::<i64>(),
        ) {
            let mut batch = EventBatch::new(Timestamp(received));
            for (raw, time, host, problems, id) in &events {
                let number = batch.origin(&origin("main", ["a", "b", "ü"][*host]));
                let from = batch.len();
                batch.push(number, Timestamp(*time), Problems(*problems), raw);
                if let Some((scope, key, alone)) = id {
                    // Some of two events.
                    if key % 3 == 0 {
                        batch.push(number, Timestamp(*time), Problems(*problems), raw);
                    }
                    let id = EventId { scope: IdScope(u64::from(*scope)), key: *key, content: key ^ 7 };
                    batch.mark(from, id, if *alone { Same::Id } else { Same::IdAndContent });
                }
            }
            for (key, value) in positions {
                batch.set_position(key, value);
            }
            let mut spans = vec![Span { index: "main".into(), first: 7, count: batch.len() as u64 }];
            spans.retain(|span| span.count > 0);
            let mut out = Vec::new();
            encode(&batch, &spans, &mut out);
            prop_assert!(out.len() <= bound(&batch));
            prop_assert_eq!(decode(&out, batch.received), Some((batch, spans)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode(&bytes, Timestamp(0));
            let _ = decode(&[&[1], &bytes[..]].concat(), Timestamp(0));
            let _ = decode(&[&[2], &bytes[..]].concat(), Timestamp(0));
            // One event of no bytes, and what may be its id.
            let batch = [2, 0, 1, 1, b'm', 1, 1, 1, 1, b'm', 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
            let _ = decode(&[&batch, &bytes[..]].concat(), Timestamp(0));
        }
    }
}
