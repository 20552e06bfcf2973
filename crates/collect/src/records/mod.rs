//! Events that a protocol has already taken apart: a [`Record`] says what the protocol says of one event, and a
//! [`Writer`] puts it into a batch. What a protocol leaves unsaid (time, host, format) is found in the event itself.

pub mod json;
pub mod proto;

use crate::decode::{Decoding, Envelope};
use crate::ids;
use crate::peers::Learns;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;
use taffrail_base::limits::{DECODER_HOSTS_MAX, EVENT_BYTES_MAX};
use taffrail_event::{EventBatch, IdScope, Origin, Problems, Same, Timestamp};
use taffrail_format::Frame;

/// One event as a protocol gives it. Empty texts say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its bytes.
    pub raw: Cow<'a, [u8]>,
    /// When it happened; `None`: as its bytes say.
    pub time: Option<Timestamp>,
    /// The machine that it speaks of.
    pub host: Cow<'a, str>,
    /// Where it was read.
    pub source: Cow<'a, str>,
    /// Its format.
    pub sourcetype: Cow<'a, str>,
    /// The index that it asks for; must be a name that can be one.
    pub index: Cow<'a, str>,
    /// What its sender calls it: the same bytes under the same name are one event.
    pub id: Cow<'a, str>,
    /// What is wrong with it.
    pub problems: Problems,
}

impl<'a> Record<'a> {
    /// An event of which nothing but its bytes is known.
    pub fn of(raw: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { raw: raw.into(), ..Self::default() }
    }

    /// The same, of JSON.
    pub fn json(raw: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { sourcetype: "json".into(), ..Self::of(raw) }
    }
}

/// Puts records of one sender into batches.
#[derive(Debug)]
pub struct Writer {
    envelope: Envelope,
    /// Whose ids records have.
    ids: IdScope,
    groups: Vec<Group>,
    by_name: FxHashMap<[Box<str>; 4], usize>,
    last: usize,
    /// Groups, and hosts that their decoders remember.
    hosts: usize,
}

/// Records that share their origin.
#[derive(Debug)]
struct Group {
    names: [Box<str>; 4],
    decoding: Decoding,
    origin: Origin,
    number: u32,
}

/// Bytes of a host, source or sourcetype: they are kept with every segment.
const NAME_BYTES_MAX: usize = 1024;

impl Writer {
    /// What the envelope names holds for every record that does not name it; its host goes before that of records.
    pub fn new(envelope: Envelope) -> Self {
        let ids = ids::scope(&["sender", &envelope.transport, &envelope.index, &envelope.peer]);
        Self { envelope, ids, groups: Vec::new(), by_name: FxHashMap::default(), last: 0, hosts: 0 }
    }

    /// Adds one record. What is longer than an event may be becomes several, all but the first marked `continued`.
    pub fn push(&mut self, record: &Record<'_>, batch: &mut EventBatch) {
        let (names, bad) = cleaned([&record.index, &record.host, &record.source, &record.sourcetype]);
        let problems = if bad { record.problems.with(Problems::MALFORMED) } else { record.problems };
        let mut problems = problems;
        let (from, ids) = (batch.len(), self.ids);
        let group = self.group(&names, &record.raw);
        let before = group.decoding.hosts();
        for part in parts(&record.raw) {
            match record.time {
                Some(time) => {
                    let utf8 = if std::str::from_utf8(part).is_ok() { Problems::NONE } else { Problems::NOT_UTF8 };
                    if batch.origins().get(group.number as usize) != Some(&group.origin) {
                        group.number = batch.origin(&group.origin);
                    }
                    batch.push(group.number, time, problems.with(utf8), part);
                }
                None => group.decoding.push(Frame { raw: part, problems }, batch),
            }
            problems = problems.with(Problems::CONTINUED);
        }
        if !record.id.is_empty() {
            batch.mark(from, ids::id(ids, &[record.id.as_bytes()], &record.raw), Same::IdAndContent);
        }
        let after = group.decoding.hosts();
        self.hosts += after.saturating_sub(before);
    }

    fn group(&mut self, names: &[Cow<'_, str>; 4], raw: &[u8]) -> &mut Group {
        let same = |group: &Group| group.names.iter().zip(names).all(|(a, b)| **a == **b);
        if !self.groups.get(self.last).is_some_and(same) {
            let key: [Box<str>; 4] = std::array::from_fn(|at| Box::from(&*names[at]));
            self.last = match self.by_name.get(&key) {
                Some(known) => *known,
                None => self.add(key, raw),
            };
        }
        &mut self.groups[self.last]
    }

    fn add(&mut self, names: [Box<str>; 4], raw: &[u8]) -> usize {
        if self.groups.len() >= DECODER_HOSTS_MAX {
            self.groups.clear();
            self.by_name.clear();
            self.hosts = 0;
        }
        let said = |name: &str| (!name.is_empty()).then(|| Arc::<str>::from(name));
        let [index, host, source, sourcetype] = &names;
        let known = &self.envelope;
        let envelope = Envelope {
            index: said(index).unwrap_or_else(|| Arc::clone(&known.index)),
            host: known.host.clone().or_else(|| said(host)),
            source: said(source).unwrap_or_else(|| Arc::clone(&known.source)),
            sourcetype: said(sourcetype).or_else(|| known.sourcetype.clone()),
            ..known.clone()
        };
        let mut decoding = envelope.decoding();
        let mut origin = envelope.origin();
        if origin.sourcetype.is_empty() {
            decoding.sample(raw);
            origin.sourcetype = decoding.decided().unwrap_or("text").into();
        }
        self.hosts += 1;
        self.by_name.insert(names.clone(), self.groups.len());
        self.groups.push(Group { names, decoding, origin, number: 0 });
        self.groups.len() - 1
    }
}

impl Learns for Writer {
    fn hosts(&self) -> usize {
        self.hosts
    }
}

/// The names as they can be kept, and whether one had to be changed for it.
fn cleaned<'a>(names: [&'a Cow<'_, str>; 4]) -> ([Cow<'a, str>; 4], bool) {
    let mut bad = false;
    let names = names.map(|name| {
        if name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control) {
            return Cow::Borrowed(&**name);
        }
        bad = true;
        let mut clean: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        clean.truncate(clean.floor_char_boundary(NAME_BYTES_MAX));
        Cow::Owned(clean)
    });
    (names, bad)
}

/// The pieces in which an event is kept: one, unless it is too long.
fn parts(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = raw.split_at(raw.len().min(EVENT_BYTES_MAX));
    std::iter::once(first).chain(rest.chunks(EVENT_BYTES_MAX))
}

/// A time in seconds since 1970 as a decimal number; milliseconds, microseconds and nanoseconds are told by their size.
/// Exact, whatever its digits; `None` for anything else.
pub fn epoch(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        let seconds: f64 = text.parse().ok().filter(|_| text.contains(['e', 'E']))?;
        return (seconds.abs() < 9e9).then_some(Timestamp((seconds * 1e9) as i64));
    }
    let whole_number: i128 = whole.parse().ok().filter(|_| whole.len() <= 19)?;
    let unit: i128 = match whole_number {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    let billionths: i128 = format!("{:0<9.9}", fraction).parse().ok()?;
    let nanos = whole_number * unit + billionths * unit / 1_000_000_000;
    i64::try_from(sign * nanos).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_exact() {
        for (text, nanos) in [
            ("0", 0),
            ("1433188255", 1_433_188_255_000_000_000),
            ("1433188255.500", 1_433_188_255_500_000_000),
            ("1433188255.123456789", 1_433_188_255_123_456_789),
            ("1433188255.1234567891", 1_433_188_255_123_456_789),
            ("1433188255253", 1_433_188_255_253_000_000),
            ("1433188255253.5", 1_433_188_255_253_500_000),
            ("1433188255253999", 1_433_188_255_253_999_000),
            ("1433188255253999123", 1_433_188_255_253_999_123),
            (" -1.5 ", -1_500_000_000),
            ("1.433188255E9", 1_433_188_255_000_000_000),
        ] {
            assert_eq!(epoch(text), Some(Timestamp(nanos)), "{text}");
        }
        for text in ["", "x", "-", ".5", "1.x", "99999999999999999999", "9999999999999999999", "1e99", "nan", "inf", "1 2"] {
            assert_eq!(epoch(text), None, "{text}");
        }
    }

    #[test]
    fn long_records_are_split_and_names_made_fit() {
        let envelope = Envelope {
            index: "main".into(),
            host: None,
            default_host: "peer".into(),
            source: "here".into(),
            sourcetype: None,
            transport: "http".into(),
            peer: "peer".into(),
            zones: crate::zone::Zones::default(),
        };
        let mut writer = Writer::new(envelope);
        let mut batch = EventBatch::new(Timestamp(7));
        writer.push(&Record { time: Some(Timestamp(1)), ..Record::of(vec![b'x'; EVENT_BYTES_MAX + 1]) }, &mut batch);
        writer.push(&Record { host: "a\nb".into(), ..Record::of(&b"\xff"[..]) }, &mut batch);
        writer.push(&Record { source: "é".repeat(600).into(), ..Record::json(&b"{\"time\":5}"[..]) }, &mut batch);
        let events: Vec<_> = batch.iter().collect();
        assert_eq!(events.len(), 4);
        assert_eq!((events[0].problems, events[1].problems, events[1].raw), (Problems::NONE, Problems::CONTINUED, &b"x"[..]));
        assert_eq!((&*events[2].origin.host, &*events[2].origin.sourcetype), ("a b", "text"));
        assert!(events[2].problems.contains(Problems::MALFORMED) && events[2].problems.contains(Problems::NOT_UTF8));
        assert_eq!((events[3].origin.source.len(), &*events[3].origin.host), (1024, "peer"));
    }
}
