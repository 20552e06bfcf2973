//! Following from a place: the events that a search finds, in the order of their arrival, a bounded number at a time. Who
//! remembers the place goes on behind it after a crash; nothing that the store has acknowledged is passed over.
//!
//! Unlike [`super::tail`] it can be asked for what arrived long ago; like it, only commands that work row by row will do.

use super::Engine;
use crate::commands::Required;
use crate::language::QueryError;
use crate::messages::Message;
use crate::source::Source;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use futures::TryStreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_store::{SegmentRef, Snapshot};

/// Where a follower stands: of each index, the number of the next arrival. An index that is not named is new: all of it is ahead.
pub type Place = BTreeMap<String, u64>;

/// Arrivals that are looked at in one go: one large segment, or many small ones.
const WINDOW_EVENTS: u64 = 200_000;

/// The number of the first arrival of every index.
const FIRST: u64 = 1;

const COLUMNS: [&str; 8] = ["_sequence", "_time", "_indextime", "_raw_bytes", "index", "host", "source", "sourcetype"];

/// How much a step of a follower takes, at most.
#[derive(Clone, Copy, Debug)]
pub struct StepLimits {
    /// Events that it gives.
    pub events: usize,
    /// Their bytes; an event that is longer comes alone.
    pub bytes: usize,
    /// Arrivals after which it ends with nothing, so that the place behind them can be remembered.
    pub arrivals: u64,
}

/// One step of a follower.
#[derive(Debug, Default)]
pub struct Followed {
    /// What was found, all of one index, in the order of arrival.
    pub events: EventBatch,
    /// The index of the events and the number of arrival of each.
    pub numbers: (String, Vec<u64>),
    /// The place behind all that was looked at.
    pub next: Place,
    /// Events that were removed before they could be looked at.
    pub gone: u64,
    /// Events that could not be read as stored bytes are damaged: a sentence for each place.
    pub unread: Vec<String>,
    /// Events behind `next` that are to be looked at yet.
    pub behind: u64,
    /// The index that was looked at last: in the next step the others have their turn before it.
    pub turn: String,
}

/// Refuses a search that cannot be followed, and gives what is to be said of one that can.
pub fn check(engine: &Engine, text: &str) -> Result<Vec<Message>, QueryError> {
    let prepared = engine.prepare(text, None, None)?;
    let query = &prepared.query;
    if let Some((name, span)) = query.first_blocking() {
        let error = QueryError::at(span, format!("{name} needs all rows, so it cannot follow events as they arrive"));
        return Err(error.with_hint("a route takes search, where, regex, eval and rex"));
    }
    if let Some(span) = query.first_bracket() {
        let error = QueryError::at(span, "a search in brackets is run once, so it cannot follow events as they arrive");
        return Err(error.with_hint("run it by itself, and write what it finds into the search"));
    }
    if query.is_table() || query.generating || query.writes() {
        return Err(QueryError::new("a route sends events, and this search makes something else of them"));
    }
    Ok(prepared.planner.messages.take())
}

/// The place behind everything that is there.
pub fn newest(engine: &Engine) -> Place {
    let mut place = Place::new();
    for segment in &engine.store.snapshot().segments {
        let meta = segment.meta();
        let end = place.entry(meta.index.to_string()).or_insert(FIRST);
        *end = (*end).max(meta.end_sequence);
    }
    place
}

/// Looks on from a place until something is found, everything was looked at, or as much as `limits` says. `turn` is that of the
/// step before: an index in which always something is found keeps no other waiting.
pub async fn step(engine: &Engine, text: &str, from: &Place, turn: &str, limits: StepLimits) -> Result<Followed, QueryError> {
    let mut followed = Followed { next: from.clone(), turn: turn.to_owned(), ..Followed::default() };
    let mut indexes: BTreeMap<String, Vec<SegmentRef>> = BTreeMap::new();
    for segment in engine.store.snapshot().segments {
        let meta = segment.meta();
        if meta.end_sequence > from.get(&*meta.index).copied().unwrap_or(FIRST) {
            indexes.entry(meta.index.to_string()).or_default().push(segment);
        }
    }
    let (before, behind): (Vec<_>, Vec<_>) = indexes.iter_mut().partition(|(index, _)| index.as_str() <= turn);
    let mut looked_at = 0;
    for (index, segments) in behind.into_iter().chain(before) {
        segments.sort_by_key(|segment| segment.meta().first_sequence);
        let mut at = from.get(index).copied().unwrap_or(FIRST);
        while followed.events.is_empty()
            && looked_at < limits.arrivals
            && let Some((window, end)) = window(segments, at)
        {
            let next = look(engine, text, index, &window, (at, end), limits, &mut followed).await?;
            followed.gone += gone(&window, at, next);
            looked_at += next.saturating_sub(at);
            at = next;
            followed.next.insert(index.clone(), at);
            followed.turn.clone_from(index);
        }
    }
    followed.behind = indexes.iter().map(|(index, segments)| left(segments, followed.next.get(index).copied().unwrap_or(FIRST))).sum();
    Ok(followed)
}

/// The next segments to look at, sorted as they are by their first arrivals, and the arrival that ends them: none of the others
/// has one before it.
fn window(segments: &[SegmentRef], from: u64) -> Option<(Vec<SegmentRef>, u64)> {
    let (mut end, mut events, mut window) = (0, 0, Vec::new());
    for segment in segments.iter().filter(|segment| segment.meta().end_sequence > from) {
        let meta = segment.meta();
        if events >= WINDOW_EVENTS && meta.first_sequence >= end {
            break;
        }
        end = end.max(meta.end_sequence);
        events += meta.events;
        window.push(segment.clone());
    }
    (!window.is_empty()).then_some((window, end))
}

/// Arrivals between two places that no segment has: they were removed. At least so many; of a segment that begins before the
/// first place it is not known which it holds.
fn gone(segments: &[SegmentRef], from: u64, until: u64) -> u64 {
    let held = |segment: &SegmentRef| {
        let meta = segment.meta();
        meta.events.min(meta.end_sequence.min(until).saturating_sub(meta.first_sequence.max(from)))
    };
    until.saturating_sub(from).saturating_sub(segments.iter().map(held).sum())
}

/// Events of the segments from a place on, about: of segments with gaps among their arrivals at most as many as they hold.
fn left(segments: &[SegmentRef], next: u64) -> u64 {
    segments.iter().map(|segment| segment.meta().events.min(segment.meta().end_sequence.saturating_sub(next))).sum()
}

/// Looks at the arrivals of an index from one to another and gives the place behind what was looked at.
async fn look(
    engine: &Engine,
    text: &str,
    index: &str,
    segments: &[SegmentRef],
    (from, end): (u64, u64),
    limits: StepLimits,
    followed: &mut Followed,
) -> Result<u64, QueryError> {
    let mut prepared = engine.prepare(&format!("{text} | sort {} _sequence", limits.events), None, None)?;
    let source = engine.source_of(Snapshot { segments: segments.to_vec() }).tolerating_damage().since(Arc::new(move |_| from));
    let source: Arc<dyn Source> = Arc::new(source);
    let opened = prepared.open(&source, Required::of(COLUMNS.map(str::to_owned)), None).await?;
    let watched = prepared.wanted.watched.clone();
    let flow = prepared.plan(&opened).await?;
    let schema = flow.schema();
    let batches: Vec<RecordBatch> = flow.stream(prepared.planner.context.clone())?.try_collect().await.map_err(QueryError::from)?;
    followed.unread.extend(watched.unread());
    let rows = concat_batches(&schema, &batches).map_err(QueryError::from)?;
    if rows.num_rows() == 0 {
        return Ok(end);
    }
    let whole = Rows::of(&rows)?.take(index, end, limits.bytes, followed);
    // As many rows as were asked for, or bytes as are held: behind the last of them there may be others.
    let last = followed.numbers.1.last().copied().filter(|_| !whole || rows.num_rows() >= limits.events);
    Ok(last.map_or(end, |last| last + 1))
}

/// The columns of what was found.
struct Rows {
    sequence: ArrayRef,
    time: ArrayRef,
    received: ArrayRef,
    raw: ArrayRef,
    texts: [ArrayRef; 3],
}

impl Rows {
    fn of(batch: &RecordBatch) -> Result<Self, QueryError> {
        let column = |name: &str, kind: &DataType| {
            let missing = || QueryError::new(format!("the search takes {name} away, without which an event cannot be sent on"));
            cast(batch.column_by_name(name).ok_or_else(missing)?, kind).map_err(QueryError::from)
        };
        let nanos = DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None);
        let time = |name: &str| cast(&column(name, &nanos)?, &DataType::Int64).map_err(QueryError::from);
        Ok(Self {
            sequence: column("_sequence", &DataType::UInt64)?,
            time: time("_time")?,
            received: time("_indextime")?,
            raw: column("_raw_bytes", &DataType::Binary)?,
            texts: [column("host", &DataType::Utf8)?, column("source", &DataType::Utf8)?, column("sourcetype", &DataType::Utf8)?],
        })
    }

    /// Adds the events that arrived before `end`, each once, and gives whether these are all: there are not more bytes than
    /// there may be.
    fn take(&self, index: &str, end: u64, bytes_max: usize, followed: &mut Followed) -> bool {
        let (sequence, raw) = (self.sequence.as_primitive::<UInt64Type>(), self.raw.as_binary::<i32>());
        let (time, received) = (self.time.as_primitive::<Int64Type>(), self.received.as_primitive::<Int64Type>());
        let texts = self.texts.each_ref().map(|column| column.as_string::<i32>());
        let text = |of: usize, row: usize| -> Arc<str> { if texts[of].is_null(row) { "".into() } else { texts[of].value(row).into() } };
        let mut batch = EventBatch::new(Timestamp(received.value(0)));
        let mut origin = Origin {
            index: index.into(),
            host: "".into(),
            source: "".into(),
            sourcetype: "".into(),
            transport: "route".into(),
            peer: "".into(),
        };
        let (mut numbers, mut whole): (Vec<u64>, bool) = (Vec::new(), true);
        for row in 0..sequence.len() {
            let arrived = sequence.value(row);
            if arrived >= end {
                break;
            }
            // A command that makes several rows of an event does not make it several events.
            if numbers.last() == Some(&arrived) {
                continue;
            }
            if !batch.is_empty() && batch.raw_bytes() + raw.value(row).len() > bytes_max {
                whole = false;
                break;
            }
            if [&origin.host, &origin.source, &origin.sourcetype].iter().zip(&texts).any(|(known, of)| ***known != *of.value(row))
                || row == 0
            {
                (origin.host, origin.source, origin.sourcetype) = (text(0, row), text(1, row), text(2, row));
            }
            let number = batch.origin(&origin);
            batch.push(number, Timestamp(time.value(row)), Problems::NONE, raw.value(row));
            numbers.push(arrived);
        }
        followed.events = batch;
        followed.numbers = (index.to_owned(), numbers);
        whole
    }
}
