//! Gathers events in arrival order and encodes them as a segment file.

use super::blocks::BlockWriter;
use super::encode::{self, Learned, Output};
use super::hosts::Whose;
use super::meta::Footer;
use super::origins::OriginTable;
use super::{MAGIC, SegmentMeta, summary};
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result, Ulid};
use taffrail_event::{EventRef, Origin, Origins, Timestamp};

/// Builds a segment from events in arrival order.
#[derive(Clone, Debug)]
pub struct SegmentBuilder {
    index: Arc<str>,
    first_sequence: u64,
    origins: Origins,
    raw: Vec<u8>,
    ends: Vec<usize>,
    times: Vec<i64>,
    received: Vec<i64>,
    event_origins: Vec<i64>,
    problems: Vec<i64>,
}

impl SegmentBuilder {
    /// A builder for events of one index, the first having arrival number `first_sequence`.
    pub fn new(index: &str, first_sequence: u64) -> Self {
        Self {
            index: index.into(),
            first_sequence,
            origins: Origins::default(),
            raw: Vec::new(),
            ends: Vec::new(),
            times: Vec::new(),
            received: Vec::new(),
            event_origins: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// A builder with room for about as much as this one holds.
    pub fn followed(&self, first_sequence: u64) -> Self {
        fn room<T>(values: &[T]) -> Vec<T> {
            Vec::with_capacity(values.len() + values.len() / 8)
        }
        Self {
            raw: room(&self.raw),
            ends: room(&self.ends),
            times: room(&self.times),
            received: room(&self.received),
            event_origins: room(&self.event_origins),
            problems: room(&self.problems),
            ..Self::new(&self.index, first_sequence)
        }
    }

    /// Adds an event (its `origin.index` is the builder's).
    pub fn push(&mut self, event: EventRef<'_>) {
        let origin = self.origin(event.origin);
        self.push_from(origin, event);
    }

    /// The number of an origin in this builder, new or not; for events of one origin this is asked once.
    pub fn origin(&mut self, origin: &Origin) -> i64 {
        debug_assert_eq!(origin.index, self.index);
        self.origins.number(origin).into()
    }

    /// The number of an origin that is most likely new: it is not looked for. One that is there all the same is there twice, until
    /// what is built is encoded.
    pub fn new_origin(&mut self, origin: &Origin) -> i64 {
        debug_assert_eq!(origin.index, self.index);
        self.origins.add(origin).into()
    }

    /// Adds an event whose origin has this number.
    pub fn push_from(&mut self, origin: i64, event: EventRef<'_>) {
        self.raw.extend_from_slice(event.raw);
        self.ends.push(self.raw.len());
        self.times.push(event.time.nanos());
        self.received.push(event.received.nanos());
        self.event_origins.push(origin);
        self.problems.push(event.problems.0.into());
    }

    /// Events in it.
    pub fn events(&self) -> usize {
        self.ends.len()
    }

    /// Their bytes.
    pub fn raw_bytes(&self) -> usize {
        self.raw.len()
    }

    /// The earliest and the latest event time; both zero when empty.
    pub fn time_range(&self) -> (Timestamp, Timestamp) {
        let least = self.times.iter().copied().min().unwrap_or(0);
        let most = self.times.iter().copied().max().unwrap_or(0);
        (Timestamp(least), Timestamp(most))
    }

    /// The event times in arrival order.
    pub fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.times.iter().map(|time| Timestamp(*time))
    }

    /// The arrival number of its first event.
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// Encodes. Gives the file's bytes and what the catalog needs.
    pub fn finish(self, id: Ulid, zstd_level: i32) -> Result<(Vec<u8>, SegmentMeta)> {
        encode_all(&[&self], id, zstd_level, &mut Learned::default())
    }

    fn line(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.raw[start..self.ends[row]]
    }
}

/// Which events of a builder are taken, by their time.
pub type Keep<'k> = &'k dyn Fn(Timestamp) -> bool;

/// The streams of several builders as one, origins numbered anew.
struct Joined<'b> {
    lines: Vec<&'b [u8]>,
    origins: OriginTable,
    times: Vec<i64>,
    received: Vec<i64>,
    event_origins: Vec<i64>,
    problems: Vec<i64>,
    /// Where these do not follow each other.
    sequences: Option<Vec<i64>>,
}

impl<'b> Joined<'b> {
    /// The events of all parts that `keep` takes.
    fn some(parts: &[&'b SegmentBuilder], keep: Keep<'_>) -> Self {
        let mut all = Self::new(parts);
        let kept: Vec<bool> = all.times.iter().map(|time| keep(Timestamp(*time))).collect();
        if !kept.contains(&false) {
            return all;
        }
        fn thin<T: Copy>(values: &mut Vec<T>, kept: &[bool]) {
            let mut row = 0;
            values.retain(|_| {
                row += 1;
                kept[row - 1]
            });
        }
        let numbers = parts.iter().flat_map(|part| (part.first_sequence..).take(part.ends.len()));
        let mut sequences: Vec<i64> = numbers.map(|number| number as i64).collect();
        thin(&mut all.lines, &kept);
        for stream in [&mut all.times, &mut all.received, &mut all.event_origins, &mut all.problems, &mut sequences] {
            thin(stream, &kept);
        }
        all.sequences = Some(sequences);
        all
    }

    fn new(parts: &[&'b SegmentBuilder]) -> Self {
        let mut origins = Origins::default();
        let mut event_origins = Vec::with_capacity(parts.iter().map(|part| part.event_origins.len()).sum());
        for part in parts {
            let renumber = origins.add_all(&part.origins);
            event_origins.extend(part.event_origins.iter().map(|number| i64::from(renumber[*number as usize])));
        }
        let join = |stream: fn(&SegmentBuilder) -> &[i64]| parts.iter().flat_map(|part| stream(part)).copied().collect();
        Self {
            lines: parts.iter().flat_map(|part| (0..part.ends.len()).map(|row| part.line(row))).collect(),
            origins: origins.all().iter().collect(),
            times: join(|part| &part.times),
            received: join(|part| &part.received),
            event_origins,
            problems: join(|part| &part.problems),
            sequences: None,
        }
    }
}

/// Encodes the events of builders whose arrival numbers follow each other as one segment. Gives the file's
/// bytes and what the catalog needs.
pub fn encode_all(parts: &[&SegmentBuilder], id: Ulid, zstd_level: i32, learned: &mut Learned) -> Result<(Vec<u8>, SegmentMeta)> {
    encode_joined(parts, Joined::new(parts), id, zstd_level, learned)
}

/// The same with the events that `keep` takes only, which keep their arrival numbers.
pub fn encode_some(
    parts: &[&SegmentBuilder],
    keep: Keep<'_>,
    id: Ulid,
    zstd_level: i32,
    learned: &mut Learned,
) -> Result<(Vec<u8>, SegmentMeta)> {
    encode_joined(parts, Joined::some(parts, keep), id, zstd_level, learned)
}

fn encode_joined(
    parts: &[&SegmentBuilder],
    all: Joined<'_>,
    id: Ulid,
    zstd_level: i32,
    learned: &mut Learned,
) -> Result<(Vec<u8>, SegmentMeta)> {
    let (Some(first), Ok(rows @ 1..)) = (parts.first(), u32::try_from(all.lines.len())) else {
        return Err(Error::new(ErrorKind::Limit, "a segment holds 1 to 2^32 - 1 events"));
    };
    let whose = Whose { numbers: &all.event_origins, origins: &all.origins };
    let mut out = Output::new(BlockWriter::new(MAGIC.to_vec(), zstd_level)?, learned, whose);
    let (classes, class_of) = all.origins.classes();
    let class = |row: usize| class_of[all.event_origins[row] as usize];
    let events = encode::node(&all.lines, &class, Some(&all.times), 0, &mut out)?;
    let Output { blocks: mut out, dictionaries, hosts, origin, .. } = out;
    let (time, received) = (encode::put_ints(&all.times, &mut out)?, encode::put_ints(&all.received, &mut out)?);
    let (origin, problems) = (encode::put_ints(&origin, &mut out)?, encode::put_ints(&all.problems, &mut out)?);
    let sequence = all.sequences.as_ref().map(|numbers| encode::put_ints(numbers, &mut out)).transpose()?;
    let zones = Some(encode::put_zones(&all.times, &mut out)?);
    let (mut file, blocks) = out.finish()?;
    let patterns = events.patterns.len() as u64;
    let summary = summary::of(&all.origins);
    let (version, origins) = (MAGIC[7], all.origins);
    let footer =
        Footer { version, blocks, classes, origins, time, received, origin, problems, zones, hosts, dictionaries, events, sequence };
    put_footer(&footer, zstd_level, &mut file)?;
    let ends = all.sequences.as_ref().and_then(|numbers| Some((*numbers.first()? as u64, *numbers.last()? as u64 + 1)));
    let (first_sequence, end_sequence) = ends.unwrap_or((first.first_sequence, first.first_sequence + u64::from(rows)));
    let meta = SegmentMeta {
        id,
        index: first.index.clone(),
        events: rows.into(),
        raw_bytes: all.lines.iter().map(|line| line.len() as u64).sum(),
        stored_bytes: file.len() as u64,
        patterns,
        min_time: Timestamp(all.times.iter().copied().min().unwrap_or(0)),
        max_time: Timestamp(all.times.iter().copied().max().unwrap_or(0)),
        first_sequence,
        end_sequence,
        summary,
    };
    Ok((file, meta))
}

/// Appends the footer and the trailer to a file's blocks.
pub(super) fn put_footer(footer: &Footer, zstd_level: i32, file: &mut Vec<u8>) -> Result<()> {
    let plain = footer.encode();
    let packed = zstd::bulk::compress(&plain, zstd_level)
        .map_err(|e| Error::new(ErrorKind::Bug, format!("zstd refused a footer of {} bytes: {e}", plain.len())))?;
    let length = |len: usize| u32::try_from(len).map_err(|_| Error::new(ErrorKind::Limit, "a footer beyond 4 GiB"));
    let offset = file.len() as u64;
    file.extend_from_slice(&packed);
    file.extend_from_slice(&offset.to_le_bytes());
    file.extend_from_slice(&length(packed.len())?.to_le_bytes());
    file.extend_from_slice(&length(plain.len())?.to_le_bytes());
    file.extend_from_slice(&crc32c::crc32c(&packed).to_le_bytes());
    file.extend_from_slice(&MAGIC);
    Ok(())
}
