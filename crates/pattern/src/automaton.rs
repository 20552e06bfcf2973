//! One mechanism for terms, phrases, wildcards, substrings and regular expressions: a deterministic automaton,
//! run over a *pattern* with its slots left open, then over no more than the slots that decide.
//!
//! [`Automaton`] is a small table that says whether a match stands in a text. [`symbolic`] runs it over a
//! pattern: text moves each state, a slot replaces the states by all that its values can lead to. Nothing here
//! knows columns; whoever has them says what a slot may hold.
//!
//! An automaton of a regular expression holds for ASCII text only (letters beyond it make classes of
//! characters and case a question of Unicode tables): a byte beyond leads to [`QUIT`], which says that somebody
//! else has to decide.

pub mod symbolic;

use crate::SlotKind;
use crate::split::is_delimiter;
use crate::text::{Term, is_exact_in_bytes, term_source};
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::start;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look, Repetition};
use rustc_hash::FxHashMap;

/// A state of an automaton.
pub type State = u16;

/// No match, whatever follows.
pub const REJECT: State = 0;

/// A match, whatever follows.
pub const ACCEPT: State = 1;

/// A byte that the automaton does not know stood in the text: it has no answer.
pub const QUIT: State = 2;

/// States up to which an expression gets an automaton; one with more is tried on whole events, which is then no
/// more work than to follow so many states through each pattern.
const STATES_MAX: usize = 512;

/// Table entries up to which equal states are joined: it takes a few passes over the table.
const JOINED_ENTRIES_MAX: usize = 200_000;

/// Whether a match stands in a text, as a table of transitions.
#[derive(Debug)]
pub struct Automaton {
    classes: [u8; 256],
    width: usize,
    /// The next state, by state and class of byte.
    next: Vec<State>,
    /// Whether the text may end in a state with a match.
    end: Vec<bool>,
    start: State,
}

impl Automaton {
    /// The automaton of a term; `None` where the term's case is a question of more than bytes, or it is too large.
    pub fn of_term(term: &Term) -> Option<Self> {
        if !is_exact_in_bytes(term) || term.parts.iter().all(String::is_empty) {
            return None;
        }
        let hir = ParserBuilder::new().utf8(false).build().parse(&term_source(term)).ok()?;
        Self::build(&hir, false)
    }

    /// The automaton of a regular expression as the `regex` crate reads it, for ASCII text; `None` where it is not
    /// valid or too large.
    pub fn of_regex(expression: &str) -> Option<Self> {
        let hir = ParserBuilder::new().build().parse(expression).ok()?;
        Self::build(&ascii(&hir), true)
    }

    fn build(hir: &Hir, ascii: bool) -> Option<Self> {
        let config = thompson::Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(1 << 22));
        let nfa = thompson::Compiler::new().configure(config).build_from_hir(hir).ok()?;
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(1 << 22))
            .determinize_size_limit(Some(1 << 23));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
        let mut this = Self::table(&dfa, ascii)?;
        if this.next.len() <= JOINED_ENTRIES_MAX {
            this = this.joined();
        }
        Some(this)
    }

    /// Reads the states that can be reached out of a built automaton.
    fn table(dfa: &dense::DFA<Vec<u32>>, ascii: bool) -> Option<Self> {
        let mut classes = [0u8; 256];
        let mut bytes: Vec<u8> = Vec::new();
        let mut numbers: FxHashMap<(u8, bool), u8> = FxHashMap::default();
        for byte in 0..=255u8 {
            let beyond = ascii && !byte.is_ascii();
            let key = if beyond { (0, true) } else { (dfa.byte_classes().get(byte), false) };
            let class = *numbers.entry(key).or_insert_with(|| {
                bytes.push(byte);
                (bytes.len() - 1) as u8
            });
            classes[byte as usize] = class;
        }
        let width = bytes.len();
        let first = dfa.start_state(&start::Config::new().anchored(regex_automata::Anchored::No)).ok()?;
        let mut states = FxHashMap::default();
        let mut waiting = Vec::new();
        let mut number = |id, waiting: &mut Vec<_>| -> Option<State> {
            if dfa.is_match_state(id) {
                return Some(ACCEPT);
            }
            if dfa.is_dead_state(id) {
                return Some(REJECT);
            }
            if dfa.is_quit_state(id) {
                return Some(QUIT);
            }
            let next = states.len() + 3;
            let known = *states.entry(id).or_insert_with(|| {
                waiting.push(id);
                next as State
            });
            (next < STATES_MAX).then_some(known)
        };
        let start = number(first, &mut waiting)?;
        let mut next: Vec<State> = [REJECT, ACCEPT, QUIT].iter().flat_map(|state| vec![*state; width]).collect();
        let mut end = vec![false, true, false];
        let mut at = 0;
        while at < waiting.len() {
            let id = waiting[at];
            at += 1;
            for byte in &bytes {
                let beyond = ascii && !byte.is_ascii();
                next.push(if beyond { QUIT } else { number(dfa.next_state(id, *byte), &mut waiting)? });
            }
            end.push(dfa.is_match_state(dfa.next_eoi_state(id)));
        }
        Some(Self { classes, width, next, end, start })
    }

    /// The same with states joined that no text can tell apart, and classes that no state tells apart.
    fn joined(self) -> Self {
        let count = self.end.len();
        let mut part: Vec<State> =
            (0..count).map(|state| if state < 3 { state as State } else { 3 + State::from(self.end[state]) }).collect();
        let mut parts = 0;
        loop {
            let mut known: FxHashMap<Vec<State>, State> = FxHashMap::default();
            // The three special states keep their numbers.
            let mut finer: Vec<State> = Vec::with_capacity(count);
            for state in 0..count {
                let mut key = vec![part[state]];
                key.extend(self.row(state as State).iter().map(|to| part[*to as usize]));
                let fresh = known.len() as State;
                finer.push(*known.entry(key).or_insert(fresh));
            }
            part = finer;
            if known.len() == parts {
                break;
            }
            parts = known.len();
        }
        let mut next = vec![REJECT; parts * self.width];
        let mut end = vec![false; parts];
        for state in 0..count {
            let to = part[state] as usize;
            end[to] = self.end[state];
            for (class, target) in self.row(state as State).iter().enumerate() {
                next[to * self.width + class] = part[*target as usize];
            }
        }
        let mut columns: FxHashMap<Vec<State>, u8> = FxHashMap::default();
        let mut kept = Vec::new();
        let mut renumber = vec![0u8; self.width];
        for class in 0..self.width {
            let column: Vec<State> = (0..parts).map(|state| next[state * self.width + class]).collect();
            let fresh = columns.len() as u8;
            renumber[class] = *columns.entry(column).or_insert_with(|| {
                kept.push(class);
                fresh
            });
        }
        let narrow = (0..parts).flat_map(|state| kept.iter().map(move |class| (state, *class)));
        let next = narrow.map(|(state, class)| next[state * self.width + class]).collect();
        let classes = self.classes.map(|class| renumber[class as usize]);
        Self { classes, width: kept.len(), next, end, start: part[self.start as usize] }
    }

    fn row(&self, state: State) -> &[State] {
        &self.next[state as usize * self.width..][..self.width]
    }

    /// The state before the first byte.
    pub fn start(&self) -> State {
        self.start
    }

    /// How many states there are; all are below it.
    pub fn states(&self) -> usize {
        self.end.len()
    }

    /// The state after `bytes`.
    #[inline]
    pub fn run(&self, mut state: State, bytes: &[u8]) -> State {
        for byte in bytes {
            state = self.next[state as usize * self.width + self.classes[*byte as usize] as usize];
        }
        state
    }

    /// The answer for a text that ends in `state`: [`ACCEPT`], [`REJECT`] or [`QUIT`].
    pub fn at_end(&self, state: State) -> State {
        match state {
            QUIT => QUIT,
            state if self.end[state as usize] => ACCEPT,
            _ => REJECT,
        }
    }

    /// Whether a match stands in `text`; `None` where it holds bytes that the automaton does not know.
    pub fn matches(&self, text: &[u8]) -> Option<bool> {
        match self.at_end(self.run(self.start, text)) {
            QUIT => None,
            answer => Some(answer == ACCEPT),
        }
    }

    /// For each class of bytes, what `mark` says of the bytes in it that a slot of `kind` may hold.
    pub fn class_marks(&self, kind: SlotKind, mark: impl Fn(u8) -> u64) -> Vec<u64> {
        let mut marks = vec![0; self.width];
        for byte in (0..=255u8).filter(|byte| may_hold(kind, *byte)) {
            marks[self.classes[byte as usize] as usize] |= mark(byte);
        }
        marks
    }
}

/// Whether a slot's values may have a byte in them.
fn may_hold(kind: SlotKind, byte: u8) -> bool {
    match kind {
        SlotKind::Word => !is_delimiter(byte),
        SlotKind::Time => byte.is_ascii_alphanumeric() || b" :./,+-".contains(&byte),
        SlotKind::Quoted | SlotKind::Raw => true,
    }
}

/// The expression for texts of ASCII alone.
fn ascii(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.is_ascii() => Hir::literal(literal.0.clone()),
        HirKind::Literal(_) => Hir::fail(),
        HirKind::Class(class) => Hir::class(Class::Bytes(ClassBytes::new(match class {
            Class::Unicode(class) => class.ranges().iter().filter_map(|r| in_ascii(r.start() as u32, r.end() as u32)).collect::<Vec<_>>(),
            Class::Bytes(class) => class.ranges().iter().filter_map(|r| in_ascii(r.start().into(), r.end().into())).collect(),
        }))),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Repetition(rep) => Hir::repetition(Repetition { sub: Box::new(ascii(&rep.sub)), ..*rep }),
        HirKind::Capture(capture) => Hir::capture(Capture { sub: Box::new(ascii(&capture.sub)), ..capture.clone() }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(ascii).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(ascii).collect()),
    }
}

fn in_ascii(start: u32, end: u32) -> Option<ClassBytesRange> {
    (start < 128).then(|| ClassBytesRange::new(start as u8, end.min(127) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TermMatcher;
    use proptest::prelude::*;

    const EXPRESSIONS: [&str; 14] = [
        "ab+c",
        r"\bcat\b",
        r"^a.*z$",
        r"(?i)straße|weg",
        r"(?i)k[a-c]+ ",
        r"\d{2}:\d{2}",
        r"user=(root|admin)",
        r"(?m)^b",
        r"[^a]b",
        "a?",
        r"\p{L}\d",
        r"(?s)a.b",
        r"x\B",
        r"a.b",
    ];

    proptest! {
        #[test]
        fn agrees_with_the_regex_crate(which in 0..EXPRESSIONS.len(), text in "[abckxyz0-9 :=.\nK\u{e4}\u{212a}]{0,12}") {
            let automaton = Automaton::of_regex(EXPRESSIONS[which]).unwrap();
            let expected = regex::Regex::new(EXPRESSIONS[which]).unwrap().is_match(&text);
            match automaton.matches(text.as_bytes()) {
                Some(found) => prop_assert_eq!(found, expected, "{}", EXPRESSIONS[which]),
                None => prop_assert!(!text.is_ascii()),
            }
        }

        #[test]
        fn agrees_with_the_term_matcher(text in "[ab.* =-]{1,5}", open in any::<bool>(), sensitive in any::<bool>(), bytes in prop::collection::vec(prop::sample::select(b"abAB.-= *\xff".to_vec()), 0..16)) {
            for term in [Term::literal(text.clone()), Term::wildcard(&text), Term::substring(text.clone(), sensitive)] {
                let term = Term { case_sensitive: sensitive, substring: open || term.substring, ..term };
                if let Some(automaton) = Automaton::of_term(&term) {
                    prop_assert_eq!(automaton.matches(&bytes), Some(TermMatcher::new(&term).matches(&bytes)), "{:?}", term);
                }
            }
        }
    }
}
