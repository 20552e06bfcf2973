//! What a store holds in memory: events that are not in a segment yet, which segments there are, positions.
//! Touches no disk.

use super::known::Known;
use super::options::StoreSettings;
use crate::catalog::{Archived, CatalogChange, CatalogState, Hold, Removal};
use crate::journal::Span;
use crate::memory::MemorySegment;
use crate::snapshot::DiskSegment;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Weak};
use taffrail_base::{ErrorKind, Ulid};
use taffrail_event::{EventBatch, EventRef};

/// The arrival number of an index's first event, and the sequence number of the journal's first record.
pub(super) const FIRST_SEQUENCE: u64 = 1;

/// The events of an index that arrived last.
pub(super) struct Active {
    pub segment: Arc<MemorySegment>,
    pub events: usize,
    pub raw_bytes: usize,
    /// When its first event came, by the monotonic clock.
    pub since: u64,
}

/// A memory segment that gets no more events and waits to be written out.
#[derive(Clone)]
pub(super) struct Frozen {
    pub index: Arc<str>,
    pub segment: Arc<MemorySegment>,
    pub raw_bytes: usize,
    /// The arrival number after its last event.
    pub end: u64,
}

/// Guarded by one lock, held for short.
#[derive(Default)]
pub(super) struct State {
    pub active: BTreeMap<Arc<str>, Active>,
    /// In the order in which they are to be written out.
    pub frozen: VecDeque<Frozen>,
    /// How many ever were frozen.
    pub freezes: u64,
    pub disk: Vec<Arc<DiskSegment>>,
    /// Per index, the arrival number after the last event that is in a segment.
    pub covered: BTreeMap<Arc<str>, u64>,
    pub positions: BTreeMap<String, Vec<u8>>,
    /// Positions that changed since the last checkpoint.
    pub dirty: BTreeSet<String>,
    /// Ids of events that were stored lately.
    pub known: Known,
    /// The newest journal record that is in here.
    pub applied: u64,
    /// The journal record up to which none is needed.
    pub covered_sequence: u64,
    /// Objects of removed segments that are still in an object store, and who may still read them.
    pub leaving: Vec<(Ulid, Archived, Weak<DiskSegment>)>,
    /// What must not be removed.
    pub holds: BTreeMap<String, Hold>,
    /// Why the last attempt to write out failed.
    pub trouble: Option<(ErrorKind, String)>,
    /// Why the last work on the object store failed.
    pub archive_trouble: Option<String>,
    pub stopping: bool,
}

impl State {
    /// What the catalog says, without the segments; without ids where nothing will be appended.
    pub fn restored(catalog: &CatalogState, read_only: bool) -> Self {
        let mut positions = catalog.positions.clone();
        let known = Known::restored(&mut positions, read_only);
        Self {
            covered: catalog.next_sequences.clone(),
            positions,
            known,
            applied: catalog.covered_sequence,
            covered_sequence: catalog.covered_sequence,
            holds: catalog.holds.clone(),
            ..Self::default()
        }
    }

    /// Raw bytes that are not waiting to be written out.
    pub fn active_bytes(&self) -> usize {
        self.active.values().map(|active| active.raw_bytes).sum()
    }

    /// Raw bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.active_bytes() + self.frozen.iter().map(|frozen| frozen.raw_bytes).sum::<usize>()
    }

    /// Takes out what a change removed, and takes over its holds.
    pub fn take_removed(&mut self, change: &CatalogChange) -> Vec<(Arc<DiskSegment>, Removal)> {
        for (name, hold) in &change.holds {
            match hold {
                Some(hold) => self.holds.insert(name.clone(), hold.clone()),
                None => self.holds.remove(name),
            };
        }
        self.leaving.retain(|(id, ..)| !change.forgotten.contains(id));
        if change.removed.is_empty() {
            return Vec::new();
        }
        let removals: BTreeMap<Ulid, &Removal> = change.removed.iter().map(|removal| (removal.id, removal)).collect();
        let (mut gone, mut leaving) = (Vec::new(), Vec::new());
        self.disk.retain(|segment| match removals.get(&segment.meta().id) {
            Some(removal) => {
                if let Some(archived) = segment.archived() {
                    leaving.push((segment.meta().id, archived.clone(), Arc::downgrade(segment)));
                }
                gone.push((segment.clone(), (*removal).clone()));
                false
            }
            None => true,
        });
        self.leaving.extend(leaving);
        gone
    }

    /// Has a segment read from where it is now; gives the one that read the file.
    pub fn take_archived(&mut self, new: DiskSegment) -> Option<Arc<DiskSegment>> {
        let slot = self.disk.iter_mut().find(|segment| segment.meta().id == new.meta().id)?;
        Some(std::mem::replace(slot, Arc::new(new)))
    }

    /// Has an index's events wait to be written out.
    pub fn freeze(&mut self, index: &str) {
        let Some((index, active)) = self.active.remove_entry(index) else { return };
        let end = active.segment.first_sequence() + active.events as u64;
        self.freezes += 1;
        self.frozen.push_back(Frozen { index, segment: active.segment, raw_bytes: active.raw_bytes, end });
    }

    /// The memory segments that take the events of a record, one per span; full ones are frozen first.
    pub fn room(&mut self, settings: &StoreSettings, bytes: usize, spans: &[Span], now: u64) -> Vec<Arc<MemorySegment>> {
        let mut targets = Vec::with_capacity(spans.len());
        for span in spans {
            let is_full = |active: &&Active| {
                active.events + span.count as usize > settings.flush_events || active.raw_bytes + bytes > settings.flush_bytes
            };
            let full = self.active.get(&span.index).filter(is_full).map(|active| active.segment.clone());
            if full.is_some() {
                self.freeze(&span.index);
            }
            let active = self.active.entry(span.index.clone()).or_insert_with(|| {
                let segment = full.map_or_else(
                    || MemorySegment::new(&span.index, span.first),
                    // What fills quickly does so again.
                    |full| MemorySegment::after(&full, span.first),
                );
                let segment = Arc::new(segment);
                Active { segment, events: 0, raw_bytes: 0, since: now }
            });
            targets.push(active.segment.clone());
        }
        targets
    }

    /// Counts what was pushed into the segments that [`State::room`] gave.
    pub fn count(&mut self, settings: &StoreSettings, spans: &[Span], bytes: &[usize]) {
        for (span, bytes) in spans.iter().zip(bytes) {
            let active = self.active.get_mut(&span.index).expect("made by `room`");
            active.events += span.count as usize;
            active.raw_bytes += bytes;
        }
        if self.active_bytes() > settings.active_bytes_max()
            && let Some(largest) = self.active.iter().max_by_key(|(_, active)| active.raw_bytes).map(|(index, _)| index.clone())
        {
            self.freeze(&largest);
        }
    }

    /// Takes over the positions of a record, and the ids of its events.
    pub fn set_positions(&mut self, batch: &EventBatch) {
        self.known.add(batch.ids(), batch.received);
        for position in &batch.positions {
            match position.value.is_empty() {
                true => self.positions.remove(&position.key),
                false => self.positions.insert(position.key.clone(), position.value.clone()),
            };
            self.dirty.insert(position.key.clone());
        }
    }

    /// The index, if events of it before an arrival number wait for others in memory.
    pub fn active_before(&self, index: &str, end: u64) -> Option<Arc<str>> {
        let (index, active) = self.active.get_key_value(index)?;
        (active.segment.first_sequence() < end).then(|| index.clone())
    }

    /// The indexes whose oldest event in memory is older than the limit.
    pub fn aged(&self, settings: &StoreSettings, now: u64) -> Vec<Arc<str>> {
        let limit = settings.flush_age_seconds.saturating_mul(1_000_000_000);
        let old = self.active.iter().filter(|(_, active)| now.saturating_sub(active.since) >= limit);
        old.map(|(index, _)| index.clone()).collect()
    }
}

/// The runs of arrival numbers that a batch gets; `next` moves on.
pub(super) fn assign(batch: &EventBatch, next: &mut BTreeMap<Arc<str>, u64>) -> Vec<Span> {
    let mut counts = vec![0u64; batch.origins().len()];
    for event in batch.iter() {
        counts[event.origin_number as usize] += 1;
    }
    let mut spans: Vec<Span> = Vec::new();
    for (origin, count) in batch.origins().iter().zip(counts) {
        if count == 0 {
            continue;
        }
        match spans.iter_mut().find(|span| span.index == origin.index) {
            Some(span) => span.count += count,
            None => spans.push(Span { index: origin.index.clone(), first: 0, count }),
        }
    }
    for span in &mut spans {
        let number = next.entry(span.index.clone()).or_insert(FIRST_SEQUENCE);
        span.first = *number;
        *number += span.count;
    }
    spans
}

/// For each origin of a batch, which span its events are in.
fn slots(batch: &EventBatch, spans: &[Span]) -> Vec<usize> {
    let slot = |index: &Arc<str>| spans.iter().position(|span| span.index == *index).unwrap_or(usize::MAX);
    batch.origins().iter().map(|origin| slot(&origin.index)).collect()
}

/// The events of a batch that are in one span, in order.
pub(super) fn events_of<'a>(batch: &'a EventBatch, spans: &[Span], slot: usize) -> impl Iterator<Item = EventRef<'a>> {
    let slots = slots(batch, spans);
    batch.iter().filter(move |event| slots[event.origin_number as usize] == slot)
}
