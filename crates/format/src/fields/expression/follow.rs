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

/// Moves after which a slot's sample is followed instead of all that the slot may hold.
const MOVES_BESIDE_SAMPLE: usize = 2_000;

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
        let before = byte.map(|byte| match byte {
            b'\n' | b'\r' if self.expression.looks => byte,
            _ if self.expression.looks && (byte.is_ascii_alphanumeric() || byte == b'_') => b'_',
            _ => b' ',
        });
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
    moves_max: usize,
}

impl<'a> Follow<'a> {
    /// Ready to follow.
    pub(super) fn new(expression: &Expression, laid: &'a Laid) -> Self {
        let mover = Mover { expression: expression.compiled().clone(), groups: expression.groups.clone(), quotes: expression.quotes };
        Self { mover, laid, moves: 0, moves_max: MOVES_MAX }
    }

    /// The groups' ends in each way in which the expression can match, or not; `None` where there are too many.
    pub(super) fn run(&mut self, span: Span) -> Option<Vec<Option<Ends>>> {
        let mut ways = vec![Way { threads: Vec::new(), matched: None, before: None }];
        let mut at = span.start;
        while at < span.end {
            let position = 2 * at as Position;
            match self.laid.at(at) {
                Unit::End => break,
                Unit::Byte(byte) => ways = self.step_all(&ways, &[self.seen(at, byte)], position)?,
                Unit::Slot(kind) => {
                    let through = self.ways_through(&ways, kind, at);
                    ways = match (through, ways.as_slice(), self.laid.sample(at)) {
                        (through, [way], Some((slot, sample))) if through.as_ref().is_none_or(|ways| ways.len() > 1) => {
                            let (way, next) = self.as_sample(way, at, span.end, (slot, sample))?;
                            at = next;
                            ways = vec![way];
                            continue;
                        }
                        (through, ..) => through?,
                    };
                }
            }
            at += 1;
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

    /// What the expression sees of a byte.
    fn seen(&self, at: usize, byte: u8) -> u8 {
        if self.mover.quotes == Quotes::Masked && self.laid.is_quoted(at) { MASK } else { byte }
    }

    /// The way that a slot's sample leads to behind the constant text that follows it, and where that ends.
    fn as_sample(&mut self, way: &Way, at: usize, end: usize, (slot, sample): (usize, &[u8])) -> Option<(Way, usize)> {
        let constant = |at: &usize| matches!(self.laid.at(*at), Unit::Byte(_));
        let next = (at + 1..end).find(|at| !constant(at)).unwrap_or(end);
        let unit =
            |at: usize| if let Unit::Byte(byte) = self.laid.at(at) { (self.seen(at, byte), self.laid.is_quoted(at)) } else { (0, false) };
        let behind = (at + 1..next).map(unit).collect();
        let machine = Machine::new(self.mover.clone(), way.clone(), (2 * at as Position, self.laid.is_quoted(at)), behind);
        let machine = Mutex::new(machine);
        let wanted = machine.lock().behind(sample)?;
        let way = machine.lock().ways[wanted].clone();
        self.laid.guard(slot, move |value| machine.lock().behind(value) == Some(wanted));
        Some((way, next))
    }

    /// All ways through what a slot may hold, where it has a sample only if these are soon found.
    fn ways_through(&mut self, ways: &[Way], kind: SlotKind, at: usize) -> Option<Vec<Way>> {
        if self.laid.sample(at).is_none() {
            return self.through(ways, kind, at);
        }
        let before = self.moves;
        self.moves_max = before + MOVES_BESIDE_SAMPLE;
        let through = self.through(ways, kind, at);
        (self.moves, self.moves_max) = (before, MOVES_MAX);
        through
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
        (self.moves <= self.moves_max).then_some(way)
    }
}

/// Where values of a slot lead from the way before it.
struct Machine {
    mover: Mover,
    position: Position,
    quoted: bool,
    /// The constant text behind the slot, and whether it is quoted.
    constant: Vec<(u8, bool)>,
    /// The first is the one before the slot.
    ways: Vec<Way>,
    known: FxHashMap<Way, usize>,
    /// For each way, where a byte leads: the number of the way, and 1 more; 0 where that is not known yet. Those of the first
    /// byte of a value come last.
    next: Vec<[u16; 256]>,
    first: Box<[u16; 256]>,
    /// For each way at the end of a value, the one behind the constant text.
    settled: FxHashMap<usize, usize>,
}

impl Machine {
    fn new(mover: Mover, before: Way, (position, quoted): (Position, bool), constant: Vec<(u8, bool)>) -> Self {
        let known = FxHashMap::from_iter([(before.clone(), 0)]);
        let (ways, next, first) = (vec![before], vec![[0; 256]], Box::new([0; 256]));
        Self { mover, position, quoted, constant, ways, known, next, first, settled: FxHashMap::default() }
    }

    /// The number of the way behind a value and the constant text that follows it: what began in the value and does not go on
    /// there is forgotten. `None` where there are too many.
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
        if let Some(settled) = self.settled.get(&way) {
            return Some(*settled);
        }
        let mut behind = self.ways[way].clone();
        for (number, (byte, quoted)) in self.constant.iter().enumerate() {
            behind = self.mover.step(&behind, Some(*byte), self.position + 2 + 2 * number as Position, *quoted).0;
        }
        let settled = self.number(behind)?;
        self.settled.insert(way, settled);
        Some(settled)
    }

    /// The number of a way.
    fn number(&mut self, way: Way) -> Option<usize> {
        if let Some(number) = self.known.get(&way) {
            return Some(*number);
        }
        if self.ways.len() >= REMEMBERED_MAX {
            return None;
        }
        self.known.insert(way.clone(), self.ways.len());
        self.ways.push(way);
        self.next.push([0; 256]);
        Some(self.ways.len() - 1)
    }

    fn moved(&mut self, way: usize, byte: u8, first: bool) -> Option<usize> {
        let position = self.position + u32::from(!first);
        let (moved, _) = self.mover.step(&self.ways[way], Some(byte), position, self.quoted);
        let number = self.number(moved)?;
        let table = if first { &mut *self.first } else { &mut self.next[way] };
        table[usize::from(byte)] = number as u16 + 1;
        Some(number)
    }
}
