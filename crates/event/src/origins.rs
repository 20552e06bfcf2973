//! Origins by number. Most batches have a few, which are looked through; some have one for nearly every event, which are found by
//! a table that is made when it is first needed.

use crate::Origin;
use rustc_hash::{FxHashMap, FxHasher};
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

/// Origins up to which looking through them is quicker than a table.
const FEW: usize = 8;

/// Origins, numbered from 0 on.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    all: Vec<Origin>,
    /// Of the first so many of them.
    hashes: Vec<u64>,
    /// Their numbers by hash; where that is taken by another, by the next that is free. Origins are not copied for it.
    numbers: FxHashMap<u64, u32>,
}

impl PartialEq for Origins {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for Origins {}

impl Origins {
    /// All of them, by number.
    #[inline]
    pub fn all(&self) -> &[Origin] {
        &self.all
    }

    /// All of them, by number.
    pub fn into_all(self) -> Vec<Origin> {
        self.all
    }

    /// The number of an origin, added if new.
    pub fn number(&mut self, origin: &Origin) -> u32 {
        if self.all.len() <= FEW {
            // The last few are the likely ones: senders come in runs.
            let known = self.all.iter().rposition(|known| known == origin);
            return known.map_or_else(|| self.add(origin), |at| at as u32);
        }
        self.number_of(hash(origin), origin)
    }

    /// Adds an origin that is known not to be there, and gives its number.
    pub fn add(&mut self, origin: &Origin) -> u32 {
        let number = u32::try_from(self.all.len()).expect("origins are bounded by events");
        self.all.push(origin.clone());
        number
    }

    /// The numbers here of all origins of another, those that are new added.
    pub fn add_all(&mut self, other: &Self) -> Vec<u32> {
        let hash_of = |(at, origin): (usize, &Origin)| other.hashes.get(at).copied().unwrap_or_else(|| hash(origin));
        let hashes = other.all.iter().enumerate().map(hash_of);
        hashes.zip(&other.all).map(|(hash, origin)| self.number_of(hash, origin)).collect()
    }

    /// Changes every one of them.
    pub fn change(&mut self, change: impl FnMut(&mut Origin)) {
        self.all.iter_mut().for_each(change);
        self.hashes.clear();
        self.numbers.clear();
    }

    /// Forgets them, and keeps the room.
    pub fn clear(&mut self) {
        self.all.clear();
        self.hashes.clear();
        self.numbers.clear();
    }

    fn number_of(&mut self, hash: u64, origin: &Origin) -> u32 {
        while self.hashes.len() < self.all.len() {
            let number = self.hashes.len();
            let hash = self::hash(&self.all[number]);
            self.hashes.push(hash);
            // One that is there twice is found by its first number.
            let _ = place(&mut self.numbers, &self.all, hash, &self.all[number], number as u32);
        }
        let next = u32::try_from(self.all.len()).expect("origins are bounded by events");
        if let Some(known) = place(&mut self.numbers, &self.all, hash, origin, next) {
            return known;
        }
        self.hashes.push(hash);
        self.all.push(origin.clone());
        next
    }
}

/// The number of an origin, or `None` where it has been given `number` now.
fn place(numbers: &mut FxHashMap<u64, u32>, all: &[Origin], mut hash: u64, origin: &Origin, number: u32) -> Option<u32> {
    loop {
        match numbers.entry(hash) {
            Entry::Vacant(free) => {
                free.insert(number);
                return None;
            }
            Entry::Occupied(taken) if all[*taken.get() as usize] == *origin => return Some(*taken.get()),
            Entry::Occupied(_) => hash = hash.wrapping_add(1),
        }
    }
}

fn hash(origin: &Origin) -> u64 {
    let mut hasher = FxHasher::default();
    origin.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(host: usize) -> Origin {
        let [index, source, sourcetype, transport, peer] = ["main", "s", "t", "file", ""].map(std::sync::Arc::from);
        Origin { index, host: host.to_string().into(), source, sourcetype, transport, peer }
    }

    #[test]
    fn each_has_one_number_however_many_there_are() {
        let mut origins = Origins::default();
        for round in 0..3 {
            for host in 0..5 * FEW {
                assert_eq!(origins.number(&named(host)), host as u32, "{round}");
            }
        }
        assert_eq!(origins.all().len(), 5 * FEW);
        // Added without a look, and found all the same.
        assert_eq!(origins.add(&named(1_000)), 5 * FEW as u32);
        assert_eq!(origins.number(&named(1_000)), 5 * FEW as u32);
        origins.change(|origin| origin.index = "other".into());
        let moved = Origin { index: "other".into(), ..named(3) };
        assert_eq!((origins.number(&moved), origins.number(&named(3))), (3, 5 * FEW as u32 + 1));
        origins.clear();
        assert_eq!((origins.number(&named(7)), origins.all().len()), (0, 1));
    }

    #[test]
    fn those_of_others_are_numbered_anew() {
        for (ours, theirs) in [(3, 2), (2 * FEW, 3), (3, 4 * FEW), (4 * FEW, 4 * FEW)] {
            let (mut one, mut two) = (Origins::default(), Origins::default());
            (0..ours).for_each(|host| _ = one.number(&named(host)));
            (1..=theirs).rev().for_each(|host| _ = two.number(&named(host)));
            let numbers = one.add_all(&two);
            assert_eq!(one.all().len(), ours.max(theirs + 1));
            assert!(numbers.iter().zip(two.all()).all(|(number, origin)| one.all()[*number as usize] == *origin));
        }
    }

    #[test]
    fn hashes_that_are_the_same_are_told_apart() {
        let mut origins = Origins::default();
        let numbers: Vec<u32> = (0..4).map(|host| origins.number_of(7, &named(host))).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!((origins.number_of(7, &named(2)), origins.all().len()), (2, 4));
    }
}
