//! What has been acknowledged and is not yet in a segment file.
//!
//! Appending only copies. Searching encodes what is there, in parts of bounded size and each part once, so
//! that one reader serves memory and disk alike and ingest without searches pays nothing.

use crate::segment::{Keep, Learned, Segment, SegmentBuilder, SegmentMeta, encode_all, encode_some};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use taffrail_base::{Error, Result, Ulid};
use taffrail_event::{EventRef, Timestamp};

/// Events after which a part is closed: bounds what a search encodes again while events arrive.
const PART_EVENTS_MAX: usize = 16_384;

/// Bytes after which a part is closed, for the same reason.
const PART_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Compression of parts in memory: they live for minutes.
const PART_ZSTD_LEVEL: i32 = 1;

/// The events of one index since its last segment file.
#[derive(Debug)]
pub struct MemorySegment {
    index: Arc<str>,
    first_sequence: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    closed: Vec<MemoryPart>,
    open: SegmentBuilder,
    /// The open part as a search last saw it.
    seen: Option<MemoryPart>,
    events: usize,
    raw_bytes: usize,
}

impl MemorySegment {
    /// Empty; its first event will have arrival number `first_sequence`.
    pub fn new(index: &str, first_sequence: u64) -> Self {
        Self::begun(index, SegmentBuilder::new(index, first_sequence))
    }

    /// Empty, to go on behind another that is full.
    pub fn after(full: &Self, first_sequence: u64) -> Self {
        let inner = full.inner.lock();
        let part = inner.closed.first().map_or(&inner.open, |part| &part.0.builder);
        Self::begun(&full.index, part.followed(first_sequence))
    }

    fn begun(index: &str, open: SegmentBuilder) -> Self {
        let first_sequence = open.first_sequence();
        let inner = Inner { closed: Vec::new(), open, seen: None, events: 0, raw_bytes: 0 };
        Self { index: index.into(), first_sequence, inner: Mutex::new(inner) }
    }

    /// Adds events, in order.
    pub fn extend<'e>(&self, events: impl Iterator<Item = EventRef<'e>>) {
        self.extend_from(events, false);
    }

    /// Adds events, in order; `many_origins` says that most have one of their own, so that looking for them would not pay.
    pub fn extend_from<'e>(&self, events: impl Iterator<Item = EventRef<'e>>, many_origins: bool) {
        let mut inner = self.inner.lock();
        // Origins are numbered within the batch that events come in: each is looked up once for all its events.
        let mut numbers: Vec<Option<i64>> = Vec::new();
        for event in events {
            let at = event.origin_number as usize;
            if numbers.len() <= at {
                numbers.resize(at + 1, None);
            }
            let number = *numbers[at].get_or_insert_with(|| match many_origins {
                true => inner.open.new_origin(event.origin),
                false => inner.open.origin(event.origin),
            });
            inner.open.push_from(number, event);
            inner.events += 1;
            inner.raw_bytes += event.raw.len();
            if inner.open.events() >= PART_EVENTS_MAX || inner.open.raw_bytes() >= PART_BYTES_MAX {
                inner.close(&self.index, self.first_sequence);
                numbers.clear();
            }
        }
    }

    /// Events in it.
    pub fn events(&self) -> usize {
        self.inner.lock().events
    }

    /// Their bytes.
    pub fn raw_bytes(&self) -> usize {
        self.inner.lock().raw_bytes
    }

    /// The arrival number of its first event.
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// An immutable view: parts with their metadata, encoded when first opened.
    pub fn parts(&self) -> Vec<MemoryPart> {
        let mut inner = self.inner.lock();
        let open = inner.open.events();
        if open > 0 && inner.seen.as_ref().is_none_or(|seen| seen.0.meta.events != open as u64) {
            inner.seen = Some(MemoryPart::new(inner.open.clone(), &self.index));
        }
        let seen = inner.seen.iter().filter(|_| open > 0);
        inner.closed.iter().chain(seen).cloned().collect()
    }

    /// All its events, to be written to a file.
    pub fn builder(&self) -> MemoryBuilder {
        MemoryBuilder(self.parts())
    }
}

impl Inner {
    fn close(&mut self, index: &Arc<str>, first_sequence: u64) {
        let next = self.open.followed(first_sequence + self.events as u64);
        let full = std::mem::replace(&mut self.open, next);
        let seen = self.seen.take().filter(|seen| seen.0.meta.events == full.events() as u64);
        self.closed.push(seen.unwrap_or_else(|| MemoryPart::new(full, index)));
    }
}

/// The events of a memory segment at one moment, ready to become a file.
pub struct MemoryBuilder(Vec<MemoryPart>);

impl MemoryBuilder {
    /// Events in it.
    pub fn events(&self) -> usize {
        self.0.iter().map(|part| part.0.builder.events()).sum()
    }

    /// Their times.
    pub fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.0.iter().flat_map(|part| part.0.builder.times())
    }

    /// Encodes the events that `keep` takes. Gives the file's bytes and what the catalog needs.
    pub fn finish_some(&self, keep: Keep<'_>, id: Ulid, zstd_level: i32, learned: &mut Learned) -> Result<(Vec<u8>, SegmentMeta)> {
        let parts: Vec<&SegmentBuilder> = self.0.iter().map(|part| &part.0.builder).collect();
        encode_some(&parts, keep, id, zstd_level, learned)
    }

    /// Encodes. Gives the file's bytes and what the catalog needs.
    pub fn finish(self, id: Ulid, zstd_level: i32, learned: &mut Learned) -> Result<(Vec<u8>, SegmentMeta)> {
        let parts: Vec<&SegmentBuilder> = self.0.iter().map(|part| &part.0.builder).collect();
        encode_all(&parts, id, zstd_level, learned)
    }
}

/// A part of a memory segment.
#[derive(Clone, Debug)]
pub struct MemoryPart(Arc<Part>);

#[derive(Debug)]
struct Part {
    builder: SegmentBuilder,
    meta: SegmentMeta,
    encoded: OnceLock<Result<Arc<Segment>, Error>>,
}

impl MemoryPart {
    fn new(builder: SegmentBuilder, index: &Arc<str>) -> Self {
        let (min_time, max_time) = builder.time_range();
        let meta = SegmentMeta {
            id: Ulid(builder.first_sequence().into()),
            index: index.clone(),
            events: builder.events() as u64,
            raw_bytes: builder.raw_bytes() as u64,
            stored_bytes: 0,
            patterns: 0,
            min_time,
            max_time,
            first_sequence: builder.first_sequence(),
            end_sequence: builder.first_sequence() + builder.events() as u64,
            summary: Arc::default(),
        };
        Self(Arc::new(Part { builder, meta, encoded: OnceLock::new() }))
    }

    /// What is known of it; patterns and stored bytes are 0.
    pub fn meta(&self) -> &SegmentMeta {
        &self.0.meta
    }

    /// The part as a segment; encoded once.
    pub fn open(&self) -> Result<Arc<Segment>> {
        let encoded = self.0.encoded.get_or_init(|| {
            let (bytes, meta) = encode_all(&[&self.0.builder], self.0.meta.id, PART_ZSTD_LEVEL, &mut Learned::default())?;
            Segment::from_bytes(bytes, meta)
        });
        match encoded {
            Ok(segment) => Ok(segment.clone()),
            Err(error) => Err(Error::new(error.kind(), error.message())),
        }
    }
}
