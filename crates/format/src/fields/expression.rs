//! Named groups of a regular expression, on an event and on a pattern.
//!
//! On an event the expression is simply run. On a pattern it is run over the constant text with every slot open: the
//! matcher's threads are followed through all that a slot may hold, and where all ways end with a group at the same
//! place, that place holds for every event of the pattern. Where they do not, or there are too many ways, each event
//! is asked by itself.
//!
//! Expressions are of bytes: `\w`, `\d`, `\s`, `\b` and case are those of ASCII, as log lines are not always UTF-8.

mod follow;
mod literals;
mod states;

use crate::tape::{Laid, Span, Unit, masked, quoted_end};
use follow::{Ends, Follow, NOWHERE, Position};
pub(crate) use literals::worth;
use literals::{Runs, Ways as Texts};
use regex::bytes::{Captures, Regex, RegexBuilder};
use regex_automata::nfa::thompson::{self, NFA, State};
use regex_automata::util::{primitives::StateID, syntax};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind, Look as WrittenLook};
use rustc_hash::FxHashSet;
use states::Steps;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use taffrail_pattern::held::Bytes;
use taffrail_pattern::{FieldFunction, SlotKind};

/// Bytes of a compiled expression: a hundred times what a person writes takes.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// What is known of a group.
#[derive(Clone)]
pub(crate) enum Place {
    /// It is not there.
    Absent,
    /// It is here.
    At(Span),
    /// It is made of the value of the slot here.
    Made(Span, FieldFunction),
    /// That depends on what a slot holds.
    Unknown,
}

/// What is known of an expression and its groups.
#[derive(Clone)]
pub(crate) struct Captured {
    /// Whether it matches; `None` where that depends on what a slot holds.
    pub matched: Option<bool>,
    /// The named groups, in their order.
    pub groups: Vec<Place>,
}

/// An expression, with what can be said of it before it is compiled.
#[derive(Debug)]
pub(crate) struct Expression {
    text: String,
    /// The names of the named groups, and their numbers.
    groups: Arc<[(String, usize)]>,
    /// A run of letters and digits that every match holds.
    sign: Option<String>,
    /// The texts that every match holds, one behind the other, each in one of some ways.
    texts: Vec<Texts>,
    /// Whether a match begins at the beginning of the message.
    anchored: bool,
    /// What is seen of what stands in double quotes.
    quotes: Quotes,
    compiled: OnceLock<Arc<Compiled>>,
}

/// What an expression sees of what stands in double quotes: what programs quote is not their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// All of it.
    Seen,
    /// All of it, but no match begins there.
    NoBeginning,
    /// That it is there, and nothing else.
    Masked,
}

/// An expression, made ready.
#[derive(Debug)]
struct Compiled {
    regex: Regex,
    nfa: NFA,
    /// The classes of bytes that the expression tells apart.
    classes: Vec<Bytes>,
    /// The bytes that a match can begin with.
    first: [bool; 256],
    /// Whether the byte before a place matters.
    looks: bool,
    /// Where each state leads.
    steps: Steps,
}

impl Expression {
    /// Compiles an expression; the error says what is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let compiled = Compiled::new(text)?;
        let this = Self::deferred(text)?;
        if this.groups.is_empty() {
            return Err("the expression has no named group, so it gives no field; write (?<name>...)".to_owned());
        }
        Ok(Self { compiled: OnceLock::from(Arc::new(compiled)), quotes: Quotes::Seen, ..this })
    }

    /// An expression that is compiled when it is first asked: of those that are built in few are, in a search.
    pub(crate) fn deferred(text: &str) -> Result<Self, String> {
        let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(text).map_err(|error| error.to_string())?;
        let mut groups = Vec::new();
        named_groups(&hir, &mut groups);
        let sign = sign(&hir).filter(|sign| sign.len() > 1);
        let runs = Runs::of(&hir);
        let anchored = hir.properties().look_set_prefix().contains(WrittenLook::Start) && runs.at_start;
        Ok(Self {
            text: text.to_owned(),
            groups: groups.into(),
            sign,
            texts: runs.texts,
            anchored,
            quotes: if is_masked(text) { Quotes::Masked } else { Quotes::NoBeginning },
            compiled: OnceLock::new(),
        })
    }

    /// The same, but it also sees what stands in double quotes, if it does not begin there.
    pub(crate) fn seeing_quoted(self) -> Self {
        Self { quotes: Quotes::NoBeginning, ..self }
    }

    fn compiled(&self) -> &Arc<Compiled> {
        // What is not compiled yet is built in, and the tests compile all of that.
        self.compiled.get_or_init(|| Arc::new(Compiled::new(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.text))))
    }

    /// The texts of which every match holds one, the most telling ones; may be none.
    pub(crate) fn literals(&self) -> &[Vec<u8>] {
        literals::best(&self.texts)
    }

    /// The texts with one of which a message begins if the expression matches it at all.
    pub(crate) fn prefixes(&self) -> &[Vec<u8>] {
        self.texts.first().filter(|_| self.anchored).map_or(&[], Vec::as_slice)
    }

    /// Whether it may match in some events of a pattern; no is certain.
    pub(crate) fn may_match(&self, laid: &Laid, span: Span) -> bool {
        laid.may_hold_all(&self.texts, span, self.anchored, self.quotes == Quotes::Masked)
            && states::may_match(&self.compiled().nfa, &self.compiled().steps, laid, span, self.quotes)
    }

    /// The expression as written.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The names of the groups.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    /// A run of letters and digits that every match holds, in this case.
    pub(crate) fn sign(&self) -> Option<&str> {
        self.sign.as_deref()
    }

    /// The groups in an event.
    pub(crate) fn of_event(&self, raw: &[u8], span: Span) -> Captured {
        let whole = if self.quotes == Quotes::Masked { masked(raw) } else { Cow::Borrowed(raw) };
        let found = whole.get(span.range()).and_then(|text| self.find(raw, text, span.start));
        let place = |number: usize| match found.as_ref().and_then(|found| found.get(number)) {
            Some(group) => Place::At(Span::new(span.start + group.start(), span.start + group.end())),
            None => Place::Absent,
        };
        Captured { matched: Some(found.is_some()), groups: self.groups.iter().map(|(_, number)| place(*number)).collect() }
    }

    /// The first match in a part of an event that begins at `base`.
    fn find<'t>(&self, raw: &[u8], text: &'t [u8], base: usize) -> Option<Captures<'t>> {
        let mut from = 0;
        loop {
            let found = self.compiled().regex.captures_at(text, from)?;
            let begin = found.get(0).filter(|_| self.quotes == Quotes::NoBeginning);
            match begin.and_then(|begin| quoted_end(raw, base + begin.start())) {
                Some(end) if end - base <= text.len() => from = end - base,
                Some(_) => return None,
                None => return Some(found),
            }
        }
    }

    /// The groups in all events of a pattern.
    pub(crate) fn of_pattern(self: &Arc<Self>, laid: &Laid, span: Span) -> Captured {
        let unknown = || Captured { matched: None, groups: vec![Place::Unknown; self.groups.len()] };
        if self.compiled().nfa.look_set_any().contains_word_unicode() {
            return unknown();
        }
        if !self.may_match(laid, span) {
            return Captured { matched: Some(false), groups: vec![Place::Absent; self.groups.len()] };
        }
        let Some(ends) = Follow::new(self, laid).run(span) else { return unknown() };
        let matched = match (ends.iter().any(Option::is_some), ends.iter().any(Option::is_none)) {
            (true, true) => None,
            (any, _) => Some(any),
        };
        let groups = (0..self.groups.len()).map(|group| self.place(laid, span, &ends, group)).collect();
        Captured { matched, groups }
    }

    /// Where a group is, if all ways agree.
    fn place(self: &Arc<Self>, laid: &Laid, span: Span, ways: &[Option<Ends>], group: usize) -> Place {
        let empty_slot = |at: Position| at.is_multiple_of(2) && at > 0 && laid.at(at as usize / 2 - 1) == Unit::Slot(SlotKind::Quoted);
        let end_of = |way: &Option<Ends>| match way.as_ref().map_or((NOWHERE, NOWHERE), |ends| (ends[2 * group], ends[2 * group + 1])) {
            // What is empty because a slot before it is, is that slot.
            (start, end) if start == end && start != NOWHERE && empty_slot(start) => (start - 2, end),
            ends => ends,
        };
        let Some((first, rest)) = ways.split_first() else { return Place::Absent };
        let (start, end) = end_of(first);
        if rest.iter().any(|way| end_of(way) != (start, end)) {
            return Place::Unknown;
        }
        if start == NOWHERE || end == NOWHERE {
            return Place::Absent;
        }
        if start % 2 == 1 || end % 2 == 1 {
            let units = Span::new(start as usize / 2, end.div_ceil(2) as usize);
            return self.within(laid, span, units, group).unwrap_or(Place::Unknown);
        }
        let span = Span::new(start as usize / 2, end as usize / 2);
        Place::At(span)
    }

    /// A group that begins or ends in a slot. Where there are samples, there is one way through all values that pass, so
    /// it hangs on the value of this slot alone.
    fn within(self: &Arc<Self>, laid: &Laid, span: Span, units: Span, group: usize) -> Option<Place> {
        let mut slots = laid.slots_in(units);
        let (at, _) = slots.next()?;
        if slots.next().is_some() || !laid.has_samples() {
            return None;
        }
        let (before, after) = (laid.sampled(Span::new(0, at))?, laid.sampled(Span::new(at + 1, laid.units()))?);
        let start = laid.sampled(Span::new(0, span.start))?.len();
        let behind = laid.sampled(Span::new(span.end, laid.units()))?.len();
        let expression = Arc::clone(self);
        let made = move |value: &[u8]| {
            let raw = [before.as_slice(), value, after.as_slice()].concat();
            let found = expression.of_event(&raw, Span::new(start, raw.len() - behind));
            match found.groups.get(group) {
                Some(Place::At(span)) if !span.is_empty() => Some(String::from_utf8_lossy(&raw[span.range()]).into_owned()),
                _ => None,
            }
        };
        Some(Place::Made(Span::new(at, at + 1), Arc::new(made)))
    }
}

impl Compiled {
    fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text).unicode(false).size_limit(COMPILED_BYTES_MAX).build().map_err(|error| error.to_string())?;
        let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(COMPILED_BYTES_MAX));
        let bytes = syntax::Config::new().unicode(false).utf8(false);
        let nfa = thompson::Compiler::new().syntax(bytes).configure(config).build(text).map_err(|error| error.to_string())?;
        let (first, looks) = (first_bytes(&nfa), !nfa.look_set_any().is_empty());
        Ok(Self { first, looks, steps: Steps::new(&nfa), regex, classes: classes(&nfa), nfa })
    }
}

/// Whether an expression says nothing of what stands in double quotes but that it is there: each of them is the beginning of
/// `"[^"]*"`, with or without a group.
fn is_masked(text: &str) -> bool {
    let mut inside = false;
    let mut parts = text.split('"');
    parts.next();
    let rest: Vec<&str> = parts.collect();
    for part in rest.iter().take(rest.len().saturating_sub(1)) {
        let group = part.strip_prefix("(?<").and_then(|part| part.split_once('>')).map(|(_, part)| part);
        match (inside, group.unwrap_or(part)) {
            (false, "[^") => inside = true,
            (true, "]*)" | "]*") => inside = false,
            (false, _) if part.starts_with([' ', '.', ',', ')', '(', '?', '\\', ';']) => {}
            _ => return false,
        }
    }
    !inside
}

/// The named groups of an expression and their numbers, in their order.
fn named_groups(hir: &Hir, groups: &mut Vec<(String, usize)>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            if let Some(name) = &capture.name {
                groups.push((name.to_string(), capture.index as usize));
            }
            named_groups(&capture.sub, groups);
        }
        HirKind::Repetition(repetition) => named_groups(&repetition.sub, groups),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().for_each(|part| named_groups(part, groups)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}

/// The classes of bytes that an automaton tells apart.
fn classes(nfa: &NFA) -> Vec<Bytes> {
    let mut classes = vec![Bytes::default(); nfa.byte_classes().alphabet_len()];
    (0..=255u8).for_each(|byte| classes[usize::from(nfa.byte_classes().get(byte))].add(byte));
    classes
}

/// The bytes that a match can begin with; all where one can be empty.
fn first_bytes(nfa: &NFA) -> [bool; 256] {
    let mut first = [false; 256];
    let mut seen = FxHashSet::default();
    let mut waiting = vec![nfa.start_anchored()];
    while let Some(state) = waiting.pop() {
        if !seen.insert(state) {
            continue;
        }
        match nfa.state(state) {
            State::Look { next, .. } | State::Capture { next, .. } => waiting.push(*next),
            State::Union { alternates } => waiting.extend(alternates.iter()),
            State::BinaryUnion { alt1, alt2 } => waiting.extend([*alt1, *alt2]),
            State::Match { .. } => return [true; 256],
            State::Fail => {}
            state => (0..=255u8).filter(|byte| moved(state, *byte).is_some()).for_each(|byte| first[usize::from(byte)] = true),
        }
    }
    first
}

/// Where a byte leads from a state that takes one.
fn moved(state: &State, byte: u8) -> Option<StateID> {
    match state {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(trans) => trans.matches_byte(byte),
        State::Dense(trans) => trans.matches_byte(byte),
        _ => None,
    }
}

/// The longest run of letters and digits that every match holds.
fn sign(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0).into_owned();
            text.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|run| run.len()).map(str::to_owned)
        }
        HirKind::Capture(capture) => sign(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => sign(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(sign).max_by_key(String::len),
        _ => None,
    }
}
