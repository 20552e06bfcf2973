//! An automaton over a pattern whose slots are open: decided for all its rows, or told which slots decide.

use super::{ACCEPT, Automaton, QUIT, REJECT, State};

/// A part of a pattern.
#[derive(Clone, Debug)]
pub enum Part<'p> {
    /// Constant text.
    Text(&'p [u8]),
    /// A place that varies.
    Slot(Hole),
}

/// What a slot may hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hole {
    /// The classes of bytes that stand in the values.
    pub classes: Vec<u8>,
    /// Whether a value may be empty.
    pub empty: bool,
    /// Length of the longest value.
    pub longest: usize,
}

impl Hole {
    /// A slot in which only bytes with one of the `marks` of their class stand (see [`Automaton::class_marks`]).
    pub fn new(class_marks: &[u64], marks: u64, empty: bool, longest: usize) -> Self {
        let classes = (0u8..).zip(class_marks).filter(|(_, mark)| *mark & marks != 0).map(|(class, _)| class).collect();
        Self { classes, empty, longest }
    }
}

/// The answer for a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No row matches.
    None,
    /// Every row matches.
    All,
    /// The slots decide.
    Some,
}

/// A set of states that is filled and emptied often.
struct Set {
    seen: Vec<u32>,
    round: u32,
}

impl Set {
    fn new(states: usize) -> Self {
        Self { seen: vec![0; states], round: 0 }
    }

    fn clear(&mut self) {
        self.round += 1;
    }

    fn insert(&mut self, state: State) -> bool {
        let seen = &mut self.seen[state as usize];
        let fresh = *seen != self.round;
        *seen = self.round;
        fresh
    }
}

impl Automaton {
    /// All states that a value of the hole can lead to from `from`.
    fn closure(&self, from: &[State], hole: &Hole, set: &mut Set) -> Vec<State> {
        set.clear();
        let mut found: Vec<State> = Vec::with_capacity(8);
        if hole.empty {
            found.extend(from.iter().filter(|state| set.insert(**state)));
        }
        let mut level: Vec<State> = from.to_vec();
        let mut next = Vec::new();
        for _ in 0..hole.longest {
            for state in level.drain(..) {
                let row = self.row(state);
                next.extend(hole.classes.iter().map(|class| row[*class as usize]).filter(|to| set.insert(*to)));
            }
            if next.is_empty() {
                break;
            }
            found.extend_from_slice(&next);
            std::mem::swap(&mut level, &mut next);
        }
        found
    }

    fn moved(&self, states: &[State], text: &[u8], set: &mut Set) -> Vec<State> {
        set.clear();
        states.iter().map(|state| self.run(*state, text)).filter(|state| set.insert(*state)).collect()
    }

    /// Decides a pattern by what its slots may hold at most.
    pub fn decide<'p>(&self, parts: impl Iterator<Item = Part<'p>>) -> Verdict {
        let mut set = Set::new(self.states());
        let mut states = vec![self.start()];
        for part in parts {
            states = match part {
                Part::Text(text) => self.moved(&states, text, &mut set),
                Part::Slot(hole) => self.closure(&states, &hole, &mut set),
            };
            match states[..] {
                [ACCEPT] => return Verdict::All,
                [REJECT] | [] => return Verdict::None,
                _ => {}
            }
        }
        let answers = self.moved_to_end(&states);
        match answers {
            [true, false, false] => Verdict::None,
            [false, true, false] => Verdict::All,
            _ => Verdict::Some,
        }
    }

    /// Which of [`REJECT`], [`ACCEPT`] and [`QUIT`] the states can end in.
    fn moved_to_end(&self, states: &[State]) -> [bool; 3] {
        let mut answers = [false; 3];
        states.iter().for_each(|state| answers[self.at_end(*state) as usize] = true);
        answers
    }
}

/// Where a row is, before a slot: in a state, or at its end with a label.
pub type Cell = u16;

/// Marks a cell that is decided; the rest of it is the label.
pub const DONE: Cell = 0x8000;

/// States before a slot up to which it is asked of each whether the slot's value matters.
const JUMP_STATES_MAX: usize = 64;

/// The way of all rows of a pattern through an automaton: what can be known of it without any value.
pub struct Walk<'a> {
    automaton: &'a Automaton,
    /// For each part, and for the end: the states in which rows can be before it.
    places: Vec<Place>,
}

/// What is known before a part.
#[derive(Default)]
struct Place {
    /// The states, ascending.
    states: Vec<State>,
    /// For each state: the cell at the next slot, or the label if that is certain.
    cells: Vec<Cell>,
    /// For each state, before a slot: the cell after it where all values lead to the same.
    jumps: Vec<Option<Cell>>,
}

impl Place {
    fn at(&self, state: State) -> Option<usize> {
        self.states.binary_search(&state).ok()
    }
}

impl<'a> Walk<'a> {
    /// The ways from any of the states `from` through `parts`; `label` names the outcome in a state at the end.
    pub fn new(automaton: &'a Automaton, parts: &[Part<'_>], from: &[State], label: &mut dyn FnMut(State) -> u16) -> Self {
        let mut set = Set::new(automaton.states());
        let mut places: Vec<Place> = Vec::with_capacity(parts.len() + 1);
        let mut states = from.to_vec();
        for part in parts {
            states.sort_unstable();
            states.dedup();
            let next = match part {
                Part::Text(text) => automaton.moved(&states, text, &mut set),
                Part::Slot(hole) => automaton.closure(&states, hole, &mut set),
            };
            places.push(Place { states, ..Place::default() });
            states = next;
        }
        states.sort_unstable();
        states.dedup();
        let cells = states.iter().map(|state| DONE | label(*state)).collect();
        places.push(Place { states, cells, jumps: Vec::new() });
        for (at, part) in parts.iter().enumerate().rev() {
            let (before, after) = places.split_at_mut(at + 1);
            let (here, next) = (&mut before[at], &after[0]);
            let cell = |state: State| next.at(state).map_or(DONE | QUIT, |at| next.cells[at]);
            for state in &here.states {
                match part {
                    Part::Text(text) => here.cells.push(cell(automaton.run(*state, text))),
                    // So many states are hardly ever led to one by all values: the slot is simply read.
                    Part::Slot(_) if here.states.len() > JUMP_STATES_MAX => {
                        here.jumps.push(None);
                        here.cells.push(*state);
                    }
                    Part::Slot(hole) => {
                        let mut targets = automaton.closure(&[*state], hole, &mut set).into_iter().map(cell);
                        let first = targets.next();
                        let same = first.filter(|first| targets.all(|other| other == *first));
                        here.jumps.push(same);
                        here.cells.push(same.filter(|cell| cell & DONE != 0).unwrap_or(*state));
                    }
                }
            }
        }
        Self { automaton, places }
    }

    /// The cell of a row that is in `state` before part number `part`, at the next slot.
    pub fn cell(&self, part: usize, state: State) -> Cell {
        let place = &self.places[part];
        place.at(state).map_or(DONE | QUIT, |at| place.cells[at])
    }

    /// Where rows in a cell at the slot that is part number `part` are after it, where its value does not matter.
    pub fn jump(&self, part: usize, cell: Cell) -> Option<Cell> {
        if cell & DONE != 0 {
            return Some(cell);
        }
        let place = &self.places[part];
        place.at(cell).and_then(|at| place.jumps[at])
    }

    /// The cell after a value of the slot that is part number `part`.
    pub fn read(&self, part: usize, cell: Cell, value: &[u8]) -> Cell {
        if cell & DONE != 0 { cell } else { self.cell(part + 1, self.automaton.run(cell, value)) }
    }

    /// For each state, the cell of a row in it after part number `part`: for reading many values.
    pub fn after(&self, part: usize) -> Vec<Cell> {
        let mut cells = vec![DONE | QUIT; self.automaton.states()];
        let place = &self.places[part + 1];
        place.states.iter().zip(&place.cells).for_each(|(state, cell)| cells[*state as usize] = *cell);
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pattern, Piece, SlotKind, Term};
    use proptest::prelude::*;

    /// Parts of a pattern whose slots hold anything of their kind.
    fn open<'p>(automaton: &Automaton, pattern: &'p Pattern) -> Vec<Part<'p>> {
        let hole = |kind| Hole::new(&automaton.class_marks(kind, |_| 1), 1, kind != SlotKind::Word, 100);
        let part = |piece: &'p Piece| match piece {
            Piece::Text(text) => Part::Text(text),
            Piece::Slot(kind) => Part::Slot(hole(*kind)),
        };
        pattern.pieces().iter().map(part).collect()
    }

    proptest! {
        /// What is said of a pattern holds for its lines, and a walk that reads only what it must ends right.
        #[test]
        fn agrees_with_running_whole_lines(
            texts in prop::collection::vec("[ =:]{1,2}[ab]{0,2}[ =]", 1..4),
            values in prop::collection::vec("[abc]{1,4}", 4),
            wanted in "[abc]{0,2}[ =:]{0,1}[abc*]{1,3}",
            substring in any::<bool>(),
        ) {
            let term = Term { substring, ..Term::wildcard(&wanted) };
            let Some(automaton) = Automaton::of_term(&term) else { return Ok(()) };
            let pieces = texts.iter().flat_map(|t| [Piece::Slot(SlotKind::Word), Piece::Text(t.clone().into_bytes())]);
            let pattern = Pattern::new(pieces);
            let mut line = Vec::new();
            pattern.render(|slot| values[slot].as_bytes(), &mut line);
            let expected = automaton.matches(&line).unwrap();
            let parts = open(&automaton, &pattern);
            match automaton.decide(parts.iter().cloned()) {
                Verdict::All => prop_assert!(expected),
                Verdict::None => prop_assert!(!expected),
                Verdict::Some => {}
            }
            let walk = Walk::new(&automaton, &parts, &[automaton.start()], &mut |state| automaton.at_end(state));
            let mut cell = walk.cell(0, automaton.start());
            let mut slot = 0;
            for (at, part) in parts.iter().enumerate() {
                if matches!(part, Part::Slot(_)) {
                    cell = walk.jump(at, cell).unwrap_or_else(|| walk.read(at, cell, values[slot].as_bytes()));
                    slot += 1;
                }
            }
            prop_assert_eq!(cell, DONE | if expected { ACCEPT } else { REJECT });
        }
    }
}
