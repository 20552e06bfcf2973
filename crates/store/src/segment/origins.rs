//! The origins of a segment, as its directory holds them. Most differ by the host alone: the hosts stand behind each other in
//! one text, and each origin names the other four parts, of which there are few. So 50,000 hosts are a megabyte in three
//! allocations; as [`Origin`]s they would be eight in 50,000, in every segment that is open.

use rustc_hash::{FxHashMap, FxHasher};
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use taffrail_event::Origin;

/// What an origin is beside its host: source, sourcetype, transport, peer.
pub type Rest = [Arc<str>; 4];

/// Origins, numbered from 0 on. The index is the segment's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OriginTable {
    rests: Vec<Rest>,
    /// Of each origin, the number of its rest.
    numbers: Vec<u32>,
    hosts: String,
    /// Where each host ends.
    ends: Vec<usize>,
}

/// An origin of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OriginRef<'t> {
    /// The machine that it speaks of.
    pub host: &'t str,
    rest: &'t Rest,
}

impl<'t> OriginRef<'t> {
    /// Where it was read from.
    pub fn source(self) -> &'t Arc<str> {
        &self.rest[0]
    }

    /// The name of its format.
    pub fn sourcetype(self) -> &'t Arc<str> {
        &self.rest[1]
    }

    /// How it arrived.
    pub fn transport(self) -> &'t Arc<str> {
        &self.rest[2]
    }

    /// The network address that sent it, or empty.
    pub fn peer(self) -> &'t Arc<str> {
        &self.rest[3]
    }
}

impl OriginTable {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The origin with a number below [`OriginTable::len`].
    pub fn get(&self, number: usize) -> OriginRef<'_> {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        OriginRef { host: &self.hosts[start..self.ends[number]], rest: &self.rests[self.numbers[number] as usize] }
    }

    /// The only one, where there is one.
    pub fn only(&self) -> Option<OriginRef<'_>> {
        (self.len() == 1).then(|| self.get(0))
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = OriginRef<'_>> + Clone {
        (0..self.len()).map(|number| self.get(number))
    }

    /// What they are beside their hosts, each once, in the order in which origins first have them.
    pub fn rests(&self) -> &[Rest] {
        &self.rests
    }

    /// Of each origin, the number of its rest.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Of each origin, the first one that has everything but the host of it.
    pub fn without_host(&self) -> Vec<i64> {
        let mut first = vec![None; self.rests.len()];
        let number = |(number, rest): (usize, &u32)| *first[*rest as usize].get_or_insert(number as i64);
        self.numbers.iter().enumerate().map(number).collect()
    }

    /// The sourcetypes, in the order in which origins first have them, and the number of each origin's.
    pub fn classes(&self) -> (Vec<Arc<str>>, Vec<u32>) {
        let mut classes: Vec<Arc<str>> = Vec::new();
        let of_rest = self.rests.iter().map(|[_, sourcetype, ..]| {
            classes.iter().position(|class| class == sourcetype).unwrap_or_else(|| {
                classes.push(sourcetype.clone());
                classes.len() - 1
            }) as u32
        });
        let of_rest: Vec<u32> = of_rest.collect();
        (classes, self.numbers.iter().map(|rest| of_rest[*rest as usize]).collect())
    }

    /// Bytes of memory that it takes, its few rests aside.
    pub fn bytes(&self) -> usize {
        self.hosts.capacity() + self.numbers.capacity() * size_of::<u32>() + self.ends.capacity() * size_of::<usize>()
    }

    /// Adds an origin whose rest has this number.
    fn push(&mut self, host: &str, rest: u32) {
        self.hosts.push_str(host);
        self.ends.push(self.hosts.len());
        self.numbers.push(rest);
    }

    fn host(&self, number: u32) -> &str {
        self.get(number as usize).host
    }
}

impl<'o> FromIterator<&'o Origin> for OriginTable {
    fn from_iter<I: IntoIterator<Item = &'o Origin>>(origins: I) -> Self {
        let mut making = Making::default();
        for Origin { index: _, host, source, sourcetype, transport, peer } in origins {
            making.add(host, [source, sourcetype, transport, peer]);
        }
        making.finish()
    }
}

/// A table being made.
#[derive(Debug, Default)]
pub struct Making {
    table: OriginTable,
    rests: FxHashMap<Rest, u32>,
    /// Numbers by hash; where that is taken by another origin, by the next that is free.
    known: FxHashMap<u64, u32>,
}

impl Making {
    /// Adds an origin that is not there yet.
    pub fn add(&mut self, host: &str, rest: [&Arc<str>; 4]) {
        let rest = self.rest(rest);
        self.table.push(host, rest);
    }

    /// The numbers here of all origins of a table, those that are new added. All are to be added so.
    pub fn add_all(&mut self, other: &OriginTable) -> Vec<u32> {
        let rests: Vec<u32> = other.rests.iter().map(|rest| self.rest(rest.each_ref())).collect();
        other.iter().zip(&other.numbers).map(|(origin, rest)| self.number(origin.host, rests[*rest as usize])).collect()
    }

    /// All that were added.
    pub fn finish(mut self) -> OriginTable {
        self.table.hosts.shrink_to_fit();
        self.table.ends.shrink_to_fit();
        self.table.numbers.shrink_to_fit();
        self.table
    }

    /// The number of a rest, added if new.
    fn rest(&mut self, rest: [&Arc<str>; 4]) -> u32 {
        // Those of one sender come in runs, and mostly share their texts.
        if let Some(last) = self.table.numbers.last()
            && self.table.rests[*last as usize].iter().zip(rest).all(|(known, part)| Arc::ptr_eq(known, part))
        {
            return *last;
        }
        let next = self.table.rests.len() as u32;
        *self.rests.entry(rest.map(Arc::clone)).or_insert_with_key(|rest| {
            self.table.rests.push(rest.clone());
            next
        })
    }

    fn number(&mut self, host: &str, rest: u32) -> u32 {
        let mut hash = hash(host, rest);
        loop {
            match self.known.entry(hash) {
                Entry::Vacant(free) => {
                    let number = *free.insert(self.table.numbers.len() as u32);
                    self.table.push(host, rest);
                    return number;
                }
                Entry::Occupied(taken) => {
                    let number = *taken.get();
                    if self.table.numbers[number as usize] == rest && self.table.host(number) == host {
                        return number;
                    }
                    hash = hash.wrapping_add(1);
                }
            }
        }
    }
}

fn hash(host: &str, rest: u32) -> u64 {
    let mut hasher = FxHasher::default();
    (host, rest).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str, source: &str) -> Origin {
        let [sourcetype, transport, peer, index] = ["t", "file", "", "main"].map(Arc::from);
        Origin { index, host: host.into(), source: source.into(), sourcetype, transport, peer }
    }

    #[test]
    fn origins_are_what_they_were() {
        let all = [origin("a", "x"), origin("", "x"), origin("c", "y"), origin("a", "y"), origin("d", "x")];
        let table: OriginTable = all.iter().collect();
        assert_eq!((table.len(), table.rests().len()), (5, 2));
        for (origin, known) in all.iter().zip(table.iter()) {
            assert_eq!((&*origin.host, &origin.source), (known.host, known.source()));
            assert_eq!((&origin.sourcetype, &origin.transport, &origin.peer), (known.sourcetype(), known.transport(), known.peer()));
        }
        assert_eq!(table.without_host(), [0, 0, 2, 2, 0]);
        assert_eq!(table.only(), None);
        assert_eq!(all[..1].iter().collect::<OriginTable>().only().map(|only| only.host), Some("a"));
    }

    #[test]
    fn tables_are_joined_each_origin_once() {
        let one: OriginTable = [origin("a", "x"), origin("b", "x")].iter().collect();
        let two: OriginTable = [origin("b", "y"), origin("b", "x"), origin("c", "x")].iter().collect();
        let mut making = Making::default();
        assert_eq!(making.add_all(&one), [0, 1]);
        assert_eq!(making.add_all(&two), [2, 1, 3]);
        assert_eq!(making.add_all(&one), [0, 1]);
        let joined = making.finish();
        let names: Vec<(&str, &str)> = joined.iter().map(|origin| (origin.host, &**origin.source())).collect();
        assert_eq!(names, [("a", "x"), ("b", "x"), ("b", "y"), ("c", "x")]);
        assert_eq!(joined.rests().len(), 2);
    }
}
