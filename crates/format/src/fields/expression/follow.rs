//! Follows an expression through a pattern, unit by unit.
//!
//! Through a slot there are as many ways as what it may hold leads to. Where there is a sample, its way is taken, and a guard
//! says that the other values have to go the same way. Such a guard is a small automaton, made as values ask for it.

use super::{Compiled, Expression, Quotes, moved, states};
use crate::tape::{Laid, MASK, Span, Unit};
use parking_lot::Mutex;
use regex_automata::nfa::thompson::State;
use regex_automata::util::primitives::StateID;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;
use taffrail_pattern::SlotKind;
use taffrail_pattern::held::Bytes;

/// Ways through a pattern that are followed at once; expressions that people write for a line have a handful.
const WAYS_MAX: usize = 64;

/// Moves of threads up to which a pattern is followed: a few milliseconds.
const MOVES_MAX: usize = 400_000;

/// Ways that a guard remembers: values that lead to more are not read as the sample is.
const REMEMBERED_MAX: usize = 4_096;

/// A position: twice the unit's number, and 1 more within what a slot holds.
pub(super) type Position = u32;

pub(super) const NOWHERE: Position = Position::MAX;

/// The ends of the named groups.
pub(super) type Ends = Vec<Position>;

/// Where the matcher may be: its threads, the most wanted first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Way {
    threads: Vec<(StateID, Ends)>,
    matched: Option<Ends>,
    /// The byte before, or one like it, where that matters.
    before: Option<u8>,
}

/// Moves the threads of an expression.
#[derive(Clone)]
struct Mover {
    expression: Arc<Compiled>,
    groups: Arc<[(String, usize)]>,
    quotes: Quotes,
}

impl Mover {
    /// The way after a byte, or at the end; and how many threads moved.
    fn step(&self, way: &Way, byte: Option<u8>, position: Position, quoted: bool) -> (Way, usize) {
        let nfa = &self.expression.nfa;
        // Without looks it only matters that something was before.
        let before = byte.map(|byte| if self.expression.looks { self.expression.stands_for[usize::from(byte)] } else { 0 });
        // Nothing is under way, and nothing begins here.
        let quiet = way.matched.is_some() || byte.is_some_and(|byte| !self.expression.first[usize::from(byte)]);
        if way.threads.is_empty() && quiet {
            return (Way { before, ..way.clone() }, 1);
        }
        let mut seen = FxHashSet::default();
        let mut ready = Vec::new();
        for (state, ends) in &way.threads {
            self.expand(*state, ends, (way.before, byte), position, &mut seen, &mut ready);
        }
        let in_quotes = self.quotes == Quotes::NoBeginning && quoted;
        if way.matched.is_none() && !in_quotes {
            let nothing = vec![NOWHERE; 2 * self.groups.len()];
            self.expand(nfa.start_anchored(), &nothing, (way.before, byte), position, &mut seen, &mut ready);
        }
        let moves = ready.len() + 1;
        let mut threads: Vec<(StateID, Ends)> = Vec::new();
        let mut matched = way.matched.clone();
        for (state, ends) in ready {
            if let State::Match { .. } = nfa.state(state) {
                // What is less wanted than a match is given up.
                matched = Some(ends);
                break;
            }
            if let Some(next) = byte.and_then(|byte| moved(nfa.state(state), byte))
                && !threads.iter().any(|(known, _)| *known == next)
            {
                threads.push((next, ends));
            }
        }
        (Way { threads, matched, before }, moves)
    }

    /// Adds the states that take a byte and can be reached from `state` without one, the most wanted first.
    fn expand(
        &self,
        state: StateID,
        ends: &Ends,
        (before, after): (Option<u8>, Option<u8>),
        position: Position,
        seen: &mut FxHashSet<StateID>,
        ready: &mut Vec<(StateID, Ends)>,
    ) {
        let nfa = &self.expression.nfa;
        let around: Vec<u8> = before.into_iter().chain(after).collect();
        let mut waiting = vec![(state, ends.clone())];
        while let Some((state, mut ends)) = waiting.pop() {
            if !seen.insert(state) {
                continue;
            }
            match nfa.state(state) {
                State::Look { look, next } => {
                    if nfa.look_matcher().matches(*look, &around, usize::from(before.is_some())) {
                        waiting.push((*next, ends));
                    }
                }
                State::Union { alternates } => waiting.extend(alternates.iter().rev().map(|next| (*next, ends.clone()))),
                State::BinaryUnion { alt1, alt2 } => {
                    waiting.push((*alt2, ends.clone()));
                    waiting.push((*alt1, ends));
                }
                State::Capture { next, group_index, slot, .. } => {
                    if let Some(group) = self.groups.iter().position(|(_, number)| *number == group_index.as_usize()) {
                        ends[2 * group + slot.as_usize() % 2] = position;
                    }
                    waiting.push((*next, ends));
                }
                State::Fail => {}
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } => ready.push((state, ends)),
            }
        }
    }
}

/// Follows an expression through a pattern.
pub(super) struct Follow<'a> {
    mover: Mover,
    laid: &'a Laid,
    moves: usize,
}

impl<'a> Follow<'a> {
    /// Ready to follow.
    pub(super) fn new(expression: &Expression, laid: &'a Laid) -> Self {
        let mover = Mover { expression: expression.compiled().clone(), groups: expression.groups.clone(), quotes: expression.quotes };
        Self { mover, laid, moves: 0 }
    }

    /// The groups' ends in each way in which the expression can match, or not; `None` where there are too many.
    pub(super) fn run(&mut self, span: Span) -> Option<Vec<Option<Ends>>> {
        let mut ways = vec![Way { threads: Vec::new(), matched: None, before: None }];
        for at in span.range() {
            let position = 2 * at as Position;
            ways = match self.laid.at(at) {
                Unit::End => break,
                Unit::Byte(_) if self.mover.quotes == Quotes::Masked && self.laid.is_quoted(at) => self.step_all(&ways, &[MASK], position)?,
                Unit::Byte(byte) => self.step_all(&ways, &[byte], position)?,
                Unit::Slot(kind) => self.slot(ways, kind, at)?,
            };
        }
        let mut ends: Vec<Option<Ends>> = Vec::new();
        for way in &ways {
            let end = self.step(way, None, 2 * span.end as Position)?.matched;
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        Some(ends)
    }

    /// The ways behind a slot: that of its sample, if there is one.
    fn slot(&mut self, ways: Vec<Way>, kind: SlotKind, at: usize) -> Option<Vec<Way>> {
        let ([way], Some((slot, sample))) = (ways.as_slice(), self.laid.sample(at)) else { return self.through(&ways, kind, at) };
        if let Some([only]) = self.through(&ways, kind, at).as_deref() {
            return Some(vec![only.clone()]);
        }
        let quoted = self.laid.is_quoted(at);
        let machine = Machine::new(self.mover.clone(), way.clone(), 2 * at as Position, quoted);
        let machine = Mutex::new(machine);
        let wanted = machine.lock().behind(sample)?;
        let behind = machine.lock().ways[wanted].clone();
        self.laid.guard(slot, move |value| machine.lock().behind(value) == Some(wanted));
        Some(vec![behind])
    }

    /// All ways through what a slot may hold.
    fn through(&mut self, ways: &[Way], kind: SlotKind, at: usize) -> Option<Vec<Way>> {
        let held = states::held_at(self.laid, at, self.mover.quotes);
        let position = 2 * at as Position;
        let (first, bytes) = (self.one_of_each(&held.first), self.one_of_each(&held.bytes));
        let mut found = if matches!(kind, SlotKind::Quoted | SlotKind::Raw) { ways.to_vec() } else { Vec::new() };
        let mut seen: FxHashSet<Way> = found.iter().cloned().collect();
        let mut level = self.step_all(ways, &first, position)?;
        for _ in 0..held.len_max {
            level.retain(|way| seen.insert(way.clone()));
            found.extend(level.iter().cloned());
            if found.len() > WAYS_MAX {
                return None;
            }
            if level.is_empty() {
                break;
            }
            level = self.step_all(&level, &bytes, position + 1)?;
        }
        Some(found)
    }

    /// A byte of each class that the expression tells apart, of those of a set.
    fn one_of_each(&self, bytes: &Bytes) -> Vec<u8> {
        self.mover.expression.classes.iter().filter_map(|class| class.and(bytes).iter().next()).collect()
    }

    fn step_all(&mut self, ways: &[Way], bytes: &[u8], position: Position) -> Option<Vec<Way>> {
        let mut next: Vec<Way> = Vec::new();
        for way in ways {
            for byte in bytes {
                let moved = self.step(way, Some(*byte), position)?;
                if !next.contains(&moved) {
                    next.push(moved);
                }
            }
            if next.len() > WAYS_MAX {
                return None;
            }
        }
        Some(next)
    }

    fn step(&mut self, way: &Way, byte: Option<u8>, position: Position) -> Option<Way> {
        // The position before the first byte of a slot is that of its unit.
        let (way, moves) = self.mover.step(way, byte, position, self.laid.is_quoted(position as usize / 2));
        self.moves += moves;
        (self.moves <= MOVES_MAX).then_some(way)
    }
}

/// Where values of a slot lead from the way before it.
struct Machine {
    mover: Mover,
    position: Position,
    quoted: bool,
    /// The first is the one before the slot.
    ways: Vec<Way>,
    known: FxHashMap<Way, usize>,
    /// For each way, where a byte leads: the number of the way, and 1 more; 0 where that is not known yet. Those of the first
    /// byte of a value come last.
    next: Vec<[u16; 256]>,
    first: Box<[u16; 256]>,
}

impl Machine {
    fn new(mover: Mover, before: Way, position: Position, quoted: bool) -> Self {
        let known = FxHashMap::from_iter([(before.clone(), 0)]);
        Self { mover, position, quoted, ways: vec![before], known, next: vec![[0; 256]], first: Box::new([0; 256]) }
    }

    /// The number of the way behind a value; `None` where there are too many.
    fn behind(&mut self, value: &[u8]) -> Option<usize> {
        let mut way = 0;
        for (number, byte) in value.iter().enumerate() {
            let byte = if self.mover.quotes == Quotes::Masked && self.quoted { MASK } else { *byte };
            let known = if number == 0 { self.first[usize::from(byte)] } else { self.next[way][usize::from(byte)] };
            way = match known {
                0 => self.moved(way, byte, number == 0)?,
                known => usize::from(known) - 1,
            };
        }
        Some(way)
    }

    fn moved(&mut self, way: usize, byte: u8, first: bool) -> Option<usize> {
        let position = self.position + u32::from(!first);
        let (moved, _) = self.mover.step(&self.ways[way], Some(byte), position, self.quoted);
        let number = match self.known.get(&moved) {
            Some(number) => *number,
            None if self.ways.len() >= REMEMBERED_MAX => return None,
            None => {
                self.known.insert(moved.clone(), self.ways.len());
                self.ways.push(moved);
                self.next.push([0; 256]);
                self.ways.len() - 1
            }
        };
        let table = if first { &mut *self.first } else { &mut self.next[way] };
        table[usize::from(byte)] = number as u16 + 1;
        Some(number)
    }
}
