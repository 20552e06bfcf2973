//! Whether an expression may match in some events of a pattern: all that slots may hold is followed at once, without regard to
//! where groups are. Words and lines are taken to end wherever the expression asks for it, so that only no is certain.

use super::{Quotes, moved};
use crate::tape::{Laid, MASK, Slot, Span, Unit};
use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::{look::Look, primitives::StateID};
use taffrail_pattern::SlotKind;
use taffrail_pattern::held::Bytes;

/// For each state: where it leads, and by which bytes.
#[derive(Debug)]
pub(super) struct Steps(Vec<Box<[(StateID, Bytes)]>>);

impl Steps {
    /// The steps of an automaton.
    pub(super) fn new(nfa: &NFA) -> Self {
        let of = |state: &State| {
            let mut to: Vec<(StateID, Bytes)> = Vec::new();
            for byte in 0..=255 {
                let Some(next) = moved(state, byte) else { continue };
                match to.iter_mut().find(|(known, _)| *known == next) {
                    Some((_, bytes)) => bytes.add(byte),
                    None => {
                        let mut bytes = Bytes::default();
                        bytes.add(byte);
                        to.push((next, bytes));
                    }
                }
            }
            to.into_boxed_slice()
        };
        Self(nfa.states().iter().map(of).collect())
    }

    /// Where some of these bytes lead from a state.
    fn of<'s>(&'s self, state: StateID, bytes: &'s Bytes) -> impl Iterator<Item = StateID> {
        self.0[state.as_usize()].iter().filter(|(_, by)| by.meets(bytes)).map(|(to, _)| *to)
    }
}

/// States of an automaton, each once.
#[derive(Default)]
struct States {
    all: Vec<StateID>,
    seen: Vec<bool>,
}

impl States {
    fn of(nfa: &NFA) -> Self {
        Self { all: Vec::new(), seen: vec![false; nfa.states().len()] }
    }

    fn clear(&mut self) {
        for state in self.all.drain(..) {
            self.seen[state.as_usize()] = false;
        }
    }

    fn add(&mut self, state: StateID) -> bool {
        let new = !std::mem::replace(&mut self.seen[state.as_usize()], true);
        if new {
            self.all.push(state);
        }
        new
    }

    /// Adds others; whether there was a new one.
    fn take_in(&mut self, others: &Self) -> bool {
        let mut any = false;
        for state in &others.all {
            any |= self.add(*state);
        }
        any
    }

    /// Adds the beginning of a match and all that can be reached without a byte; whether a match is.
    fn begin(&mut self, nfa: &NFA, may_begin: bool, at_start: bool, at_end: bool) -> bool {
        if may_begin {
            self.add(nfa.start_anchored());
        }
        let mut next = 0;
        while let Some(state) = self.all.get(next).copied() {
            next += 1;
            match nfa.state(state) {
                State::Match { .. } => return true,
                State::Look { look: Look::Start, .. } if !at_start => {}
                State::Look { look: Look::End, .. } if !at_end => {}
                State::Look { next, .. } | State::Capture { next, .. } => _ = self.add(*next),
                State::Union { alternates } => alternates.iter().for_each(|state| _ = self.add(*state)),
                State::BinaryUnion { alt1, alt2 } => {
                    self.add(*alt1);
                    self.add(*alt2);
                }
                _ => {}
            }
        }
        false
    }
}

/// What an expression sees of the slot at `at`.
pub(super) fn held_at(laid: &Laid, at: usize, quotes: Quotes) -> Slot {
    let held = laid.held(at);
    if quotes != Quotes::Masked || !laid.is_quoted(at) {
        return held;
    }
    let mut mask = Bytes::default();
    mask.add(MASK);
    Slot { bytes: mask, first: mask, ..held }
}

/// Whether a match may be in some events of a pattern; `quotes`: what is seen of quoted strings.
pub(super) fn may_match(nfa: &NFA, steps: &Steps, laid: &Laid, span: Span, quotes: Quotes) -> bool {
    let (mut now, mut next, mut through) = (States::of(nfa), States::of(nfa), States::of(nfa));
    for at in span.range() {
        let may_begin = quotes != Quotes::NoBeginning || !laid.is_quoted(at);
        if now.begin(nfa, may_begin, at == span.start, false) {
            return true;
        }
        let may_be_empty = match laid.at(at) {
            Unit::End => break,
            Unit::Byte(byte) => {
                let byte = if quotes == Quotes::Masked && laid.is_quoted(at) { MASK } else { byte };
                next.clear();
                now.all.iter().filter_map(|state| moved(nfa.state(*state), byte)).for_each(|to| _ = next.add(to));
                std::mem::swap(&mut now, &mut next);
                continue;
            }
            Unit::Slot(kind) => matches!(kind, SlotKind::Quoted | SlotKind::Raw),
        };
        let held = held_at(laid, at, quotes);
        let mut bytes = &held.first;
        through.clear();
        if may_be_empty {
            through.take_in(&now);
        }
        for _ in 0..held.len_max {
            next.clear();
            now.all.iter().flat_map(|state| steps.of(*state, bytes)).for_each(|to| _ = next.add(to));
            bytes = &held.bytes;
            std::mem::swap(&mut now, &mut next);
            if !through.take_in(&now) {
                break;
            }
            if now.begin(nfa, may_begin, false, false) {
                return true;
            }
        }
        std::mem::swap(&mut now, &mut through);
    }
    now.begin(nfa, true, span.is_empty(), true)
}
