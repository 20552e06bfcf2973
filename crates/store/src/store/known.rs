//! Ids of events that were stored lately: what comes again with the same one is not stored twice. Touches no disk; what it knows
//! becomes durable as positions do, in the journal record of the events and later in the catalog, under keys of its own.
//!
//! **How long an id is known.** Each scope (an input, index and sender) has two generations. When one has half of what may be known, or is
//! as old as an id has to be known, a new one begins and the one before the last is forgotten. So an id is known for
//! [`KNOWN_IDS_HOURS`], unless half of [`KNOWN_IDS_MAX`] further ones come before: then the scope with the most forgets first.

use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use taffrail_base::limits::{KNOWN_ID_SCOPES_MAX, KNOWN_IDS_HOURS, KNOWN_IDS_MAX};
use taffrail_event::{EventBatch, EventId, Marked, Same, Timestamp};

/// All keys in the catalog begin so; no input has such positions.
const PREFIX: &str = "ids/";

/// Ids of one time.
#[derive(Debug, Default)]
struct Generation {
    number: u64,
    /// When the first of them was received.
    since: i64,
    /// Hashes of contents, by hashes of ids.
    ids: FxHashMap<u64, u64>,
    /// Those that the catalog does not have.
    fresh: Vec<(u64, u64)>,
    /// Entries of the catalog that hold the others.
    entries: u64,
}

/// Ids of one sender.
#[derive(Debug, Default)]
struct Scope {
    now: Generation,
    before: Generation,
    /// When the last was received.
    last: i64,
}

impl Scope {
    fn len(&self) -> usize {
        self.now.ids.len() + self.before.ids.len()
    }

    fn get(&self, key: u64) -> Option<u64> {
        self.now.ids.get(&key).or_else(|| self.before.ids.get(&key)).copied()
    }

    /// Begins a new generation; gives the keys of what is forgotten.
    fn turn(&mut self, scope: u64) -> Vec<String> {
        let next = Generation { number: self.now.number + 1, ..Generation::default() };
        let gone = std::mem::replace(&mut self.before, std::mem::replace(&mut self.now, next));
        gone.keys(scope)
    }
}

impl Generation {
    fn keys(&self, scope: u64) -> Vec<String> {
        (0..self.entries).map(|entry| key(scope, self.number, entry)).collect()
    }
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Known {
    scopes: BTreeMap<u64, Scope>,
    /// Of all scopes.
    total: usize,
    /// Entries of the catalog that have to go.
    gone: Vec<String>,
    ids_max: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self { scopes: BTreeMap::new(), total: 0, gone: Vec::new(), ids_max: KNOWN_IDS_MAX }
    }
}

/// Nanoseconds after which a generation ends.
const AGE_NANOS: i64 = KNOWN_IDS_HOURS as i64 * 3_600_000_000_000;

fn key(scope: u64, generation: u64, entry: u64) -> String {
    format!("{PREFIX}{scope:016x}/{generation:016x}/{entry:016x}")
}

/// Where other contents of the same id are found.
fn other(id: &EventId) -> u64 {
    id.key ^ id.content.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Known {
    /// From the positions of a catalog, out of which its entries are taken; knows nothing where nobody will ask.
    pub fn restored(positions: &mut BTreeMap<String, Vec<u8>>, read_only: bool) -> Self {
        let mut known = Self::default();
        let mut entries = positions.split_off(PREFIX);
        // The first text that begins otherwise.
        positions.append(&mut entries.split_off("ids0"));
        if read_only {
            return known;
        }
        for (name, value) in entries {
            if known.restore(&name, &value).is_none() {
                // Written by nobody; not to be carried along for ever.
                known.gone.push(name);
            }
        }
        known.total = known.scopes.values().map(Scope::len).sum();
        known
    }

    fn restore(&mut self, name: &str, value: &[u8]) -> Option<()> {
        let mut parts = name.strip_prefix(PREFIX)?.split('/').map(|part| u64::from_str_radix(part, 16).ok());
        let (scope, number, entry) = (parts.next()??, parts.next()??, parts.next()??);
        let (times, ids) = value.split_first_chunk::<16>()?;
        let [since, last] = [&times[..8], &times[8..]].map(|time| i64::from_le_bytes(time.try_into().unwrap_or_default()));
        let scope = self.scopes.entry(scope).or_default();
        // Names are in the order of the generations.
        if scope.now.number != number && scope.now.entries > 0 {
            scope.before = std::mem::take(&mut scope.now);
        }
        let now = &mut scope.now;
        (now.number, now.since, now.entries, scope.last) = (number, since, now.entries.max(entry + 1), scope.last.max(last));
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        now.ids.extend(ids.chunks_exact(16).map(|id| (number(&id[..8]), number(&id[8..]))));
        Some(())
    }

    fn has(&self, id: &EventId, same: Same) -> bool {
        let Some(scope) = self.scopes.get(&id.scope.0) else { return false };
        let first = scope.get(id.key);
        match same {
            Same::Id if first.is_some() => true,
            _ => first == Some(id.content) || scope.get(other(id)) == Some(id.content),
        }
    }

    /// Of each batch, the numbers of the events that are stored already, or stand before in these batches.
    pub fn repeated(&self, batches: &[&EventBatch]) -> Vec<Vec<u32>> {
        let (mut ids, mut contents) = (FxHashSet::default(), FxHashSet::default());
        let mut is_repeated = |Marked { id, same, .. }: &Marked| {
            let id_came = !ids.insert((id.scope, id.key));
            let content_came = !contents.insert(*id);
            self.has(id, *same) || content_came || (id_came && *same == Same::Id)
        };
        batches.iter().map(|batch| batch.ids().iter().filter(|marked| is_repeated(marked)).flat_map(Marked::range).collect()).collect()
    }

    /// Takes in the ids of events that are durable.
    pub fn add(&mut self, ids: &[Marked], received: Timestamp) {
        for Marked { id, .. } in ids {
            self.add_one(id, received.nanos());
        }
    }

    fn add_one(&mut self, id: &EventId, received: i64) {
        let number = id.scope.0;
        if !self.scopes.contains_key(&number) && self.scopes.len() >= KNOWN_ID_SCOPES_MAX {
            let silent = self.scopes.iter().min_by_key(|(_, scope)| scope.last).map(|(number, _)| *number);
            silent.into_iter().for_each(|silent| self.forget(silent));
        }
        let scope = self.scopes.entry(number).or_default();
        scope.last = scope.last.max(received);
        let half = self.ids_max / 2;
        if scope.now.ids.len() >= half || (!scope.now.ids.is_empty() && received.saturating_sub(scope.now.since) > AGE_NANOS) {
            self.turn(number);
        }
        let scope = self.scopes.entry(number).or_default();
        let key = match scope.get(id.key) {
            Some(content) if content == id.content => return,
            Some(_) => other(id),
            None => id.key,
        };
        if scope.now.ids.is_empty() {
            scope.now.since = received;
        }
        if scope.now.ids.insert(key, id.content).is_none() {
            self.total += 1;
        }
        scope.now.fresh.push((key, id.content));
        while self.total > self.ids_max {
            let largest = self.scopes.iter().max_by_key(|(_, scope)| scope.len()).map(|(number, _)| *number);
            largest.into_iter().for_each(|largest| self.turn(largest));
        }
    }

    /// Begins a new generation of a scope.
    fn turn(&mut self, number: u64) {
        let Some(scope) = self.scopes.get_mut(&number) else { return };
        self.total -= scope.before.ids.len();
        self.gone.extend(scope.turn(number));
        if scope.len() == 0 {
            self.scopes.remove(&number);
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(scope) = self.scopes.remove(&number) else { return };
        self.total -= scope.len();
        self.gone.extend(scope.before.keys(number).into_iter().chain(scope.now.keys(number)));
    }

    /// What the catalog has to take so that it knows the same; `now` is the time of day.
    pub fn changes(&mut self, now: i64) -> Vec<(String, Option<Vec<u8>>)> {
        let aged = |scope: &Scope| now.saturating_sub(scope.now.since) > AGE_NANOS && now.saturating_sub(scope.last) > AGE_NANOS;
        let aged: Vec<u64> = self.scopes.iter().filter(|(_, scope)| aged(scope)).map(|(number, _)| *number).collect();
        aged.into_iter().for_each(|number| self.forget(number));
        let mut changes: Vec<_> = std::mem::take(&mut self.gone).into_iter().map(|key| (key, None)).collect();
        for (number, scope) in &mut self.scopes {
            for generation in [&mut scope.before, &mut scope.now] {
                if generation.fresh.is_empty() {
                    continue;
                }
                let mut value = Vec::with_capacity(16 + generation.fresh.len() * 16);
                [generation.since, scope.last].iter().for_each(|time| value.extend_from_slice(&time.to_le_bytes()));
                for (key, content) in std::mem::take(&mut generation.fresh) {
                    value.extend_from_slice(&key.to_le_bytes());
                    value.extend_from_slice(&content.to_le_bytes());
                }
                changes.push((key(*number, generation.number, generation.entries), Some(value)));
                generation.entries += 1;
            }
        }
        changes
    }

    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use taffrail_event::{IdScope, Origin, Problems};

    const HOUR: i64 = 3_600_000_000_000;

    fn id(scope: u64, key: u64, content: u64) -> EventId {
        EventId { scope: IdScope(scope), key, content }
    }

    fn batch(ids: &[(EventId, Same)]) -> EventBatch {
        let mut batch = EventBatch::new(Timestamp(HOUR));
        let [index, host, source, sourcetype, transport, peer] = ["main", "h", "s", "t", "http", ""].map(Arc::from);
        let number = batch.origin(&Origin { index, host, source, sourcetype, transport, peer });
        for (id, same) in ids {
            batch.push(number, Timestamp(1), Problems::NONE, b"x");
            batch.mark(batch.len() - 1, *id, *same);
        }
        batch
    }

    /// Takes what is new of a batch, as a commit does.
    fn take(known: &mut Known, ids: &[(EventId, Same)], received: i64) -> Vec<u32> {
        let batch = batch(ids);
        let repeated = known.repeated(&[&batch]).remove(0);
        known.add(batch.without(&repeated).ids(), Timestamp(received));
        repeated
    }

    /// What a catalog holds after the changes.
    fn apply(catalog: &mut BTreeMap<String, Vec<u8>>, known: &mut Known, now: i64) {
        for (key, value) in known.changes(now) {
            match value {
                Some(value) => catalog.insert(key, value),
                None => catalog.remove(&key),
            };
        }
    }

    #[test]
    fn the_same_is_told_by_id_alone_or_with_its_content() {
        let mut known = Known::default();
        let both = |key, content| (id(1, key, content), Same::IdAndContent);
        let alone = |key, content| (id(1, key, content), Same::Id);
        assert_eq!(take(&mut known, &[both(1, 1), both(2, 1), both(1, 1), both(1, 2)], HOUR), [2], "within a batch");
        assert_eq!(take(&mut known, &[both(1, 1), both(1, 2), both(1, 3)], HOUR), [0, 1], "each content of an id is one event");
        assert_eq!(take(&mut known, &[both(1, 3), both(1, 1)], HOUR), [0, 1]);
        assert_eq!(take(&mut known, &[alone(1, 9), alone(3, 1), alone(3, 2)], HOUR), [0, 2], "whatever stands under it");
        assert_eq!(take(&mut known, &[both(3, 1), both(3, 2)], HOUR), [0], "another content under it is another event");
        assert_eq!(take(&mut known, &[(id(2, 1, 1), Same::Id)], HOUR), [] as [u32; 0], "of another sender");
        let two = [&batch(&[both(7, 7)]), &batch(&[both(8, 8), both(7, 7)])];
        assert_eq!(known.repeated(&two), [vec![], vec![1]], "in one group");
    }

    #[test]
    fn what_is_known_comes_back_from_the_catalog() {
        let (mut known, mut catalog) = (Known::default(), BTreeMap::from([("file/x".to_owned(), b"1".to_vec())]));
        catalog.insert("idz".into(), b"2".to_vec());
        let all: Vec<_> = (0..1_000).map(|key| (id(key % 3, key, key), Same::IdAndContent)).collect();
        for part in all.chunks(100) {
            take(&mut known, part, HOUR);
            apply(&mut catalog, &mut known, HOUR);
        }
        assert!(known.changes(HOUR).is_empty(), "what the catalog has is not told again");
        catalog.insert("ids/damaged".into(), b"?".to_vec());
        let mut again = Known::restored(&mut catalog, false);
        assert_eq!(catalog.keys().collect::<Vec<_>>(), ["file/x", "idz"]);
        assert_eq!((again.len(), again.repeated(&[&batch(&all)])[0].len()), (1_000, 1_000));
        assert_eq!(again.changes(HOUR), [("ids/damaged".to_owned(), None)]);
        // And goes on in the same entries' row.
        take(&mut again, &[(id(0, 5_000, 0), Same::Id)], HOUR);
        assert_eq!(again.changes(HOUR)[0].0, key(0, 0, 10));
    }

    #[test]
    fn who_sends_much_forgets_his_own() {
        let mut known = Known { ids_max: 100, ..Known::default() };
        let mut catalog = BTreeMap::new();
        let quiet: Vec<_> = (0..10).map(|key| (id(1, key, 0), Same::Id)).collect();
        take(&mut known, &quiet, HOUR);
        for key in 0..1_000 {
            assert_eq!(take(&mut known, &[(id(2, key, 0), Same::Id)], HOUR), [] as [u32; 0]);
            assert!(known.len() <= 100);
            if key % 7 == 0 {
                apply(&mut catalog, &mut known, HOUR);
            }
        }
        assert_eq!(take(&mut known, &quiet, HOUR).len(), 10, "the quiet one is known still");
        let last: Vec<_> = (960..1_000).map(|key| (id(2, key, 0), Same::Id)).collect();
        assert_eq!(take(&mut known, &last, HOUR).len(), 40, "the last of the loud one are");
        apply(&mut catalog, &mut known, HOUR);
        let again = Known::restored(&mut catalog, false);
        assert_eq!((again.len(), catalog.len()), (known.len(), 0), "the catalog forgets as well");
        for scope in 10..10 + 2 * KNOWN_ID_SCOPES_MAX as u64 {
            take(&mut known, &[(id(scope, 0, 0), Same::Id)], 2 * HOUR);
        }
        assert!(known.scopes.len() <= KNOWN_ID_SCOPES_MAX && known.len() <= 100);
    }

    #[test]
    fn ids_are_forgotten_with_time() {
        let (mut known, mut catalog) = (Known::default(), BTreeMap::new());
        let [first, second] = [1, 2].map(|key| [(id(1, key, 0), Same::Id)]);
        let age = KNOWN_IDS_HOURS as i64 * HOUR;
        take(&mut known, &first, 0);
        take(&mut known, &second, age);
        apply(&mut catalog, &mut known, age);
        assert_eq!(take(&mut known, &first, age), [0], "known for so long");
        for hours in 1..=2 * KNOWN_IDS_HOURS as i64 + 2 {
            take(&mut known, &[(id(1, 1_000 + hours as u64, 0), Same::Id)], age + hours * HOUR);
        }
        assert_eq!(take(&mut known, &first, 3 * age + 3 * HOUR), [] as [u32; 0]);
        // Nobody sends any more.
        apply(&mut catalog, &mut known, 5 * age);
        assert_eq!((known.len(), catalog.len(), known.scopes.len()), (0, 0, 0));
    }
}
