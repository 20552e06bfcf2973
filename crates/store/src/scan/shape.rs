//! Regular expressions that can match at a place in one way only: texts and runs of characters of a class, each run
//! followed by what it cannot hold. Such an expression is matched byte by byte in a part of an event, and it is told
//! whether what follows that part could change the outcome.
//!
//! Knows ASCII only: who asks has made sure that nothing else stands there.

use crate::segment::meta::PatternMeta;
use crate::segment::stamp;
use parking_lot::Mutex;
use regex::Regex;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::Arc;
use taffrail_pattern::automaton::Automaton;
use taffrail_pattern::automaton::symbolic::{Hole, Part, Verdict};
use taffrail_pattern::{Piece, SlotKind};

/// By byte: whether a class has it.
pub type Bytes = [bool; 128];

#[derive(Clone, Debug)]
enum Element {
    Text(Vec<u8>),
    Run { class: Box<Bytes>, least: usize, most: usize },
}

/// An expression of this kind.
#[derive(Debug)]
pub struct Shape {
    elements: Vec<Element>,
    /// Names of groups, with the elements that they are made of.
    groups: Vec<(String, Range<usize>)>,
    /// By the length of a beginning of the first text: what finds it.
    finders: Mutex<FxHashMap<usize, Option<Arc<Finder>>>>,
}

/// What came of matching in a part of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It matches, whatever follows the part.
    Yes,
    /// It does not match here.
    No,
    /// What follows decides.
    Open,
}

/// Finds a text in patterns.
#[derive(Debug)]
pub struct Finder {
    automaton: Automaton,
    marks: [Vec<u64>; 4],
}

impl Finder {
    /// Of a text.
    pub fn new(text: &[u8]) -> Option<Self> {
        let automaton = Automaton::of_regex(&regex::escape(std::str::from_utf8(text).ok()?))?;
        let marks = [SlotKind::Word, SlotKind::Quoted, SlotKind::Time, SlotKind::Raw];
        let marks = marks.map(|kind| automaton.class_marks(kind, |byte| stamp::mask(&[byte])));
        Some(Self { automaton, marks })
    }

    /// Whether the text is in these pieces of a pattern, of whose last, a text, only the bytes before `cut` count.
    pub fn decide(&self, pieces: &[Piece], masks: &[(u64, u32)], cut: Option<usize>) -> Verdict {
        let mut slot = 0;
        self.automaton.decide(pieces.iter().enumerate().map(move |(at, piece)| match (piece, cut) {
            (Piece::Text(text), Some(cut)) if at + 1 == pieces.len() => Part::Text(&text[..cut]),
            (Piece::Text(text), _) => Part::Text(text),
            (Piece::Slot(kind), _) => {
                let (mask, longest) = masks[slot];
                slot += 1;
                Part::Slot(Hole::new(&self.marks[kind.code() as usize - 1], mask, *kind != SlotKind::Word, longest as usize))
            }
        }))
    }
}

/// What the pages of a pattern's columns say of its slots: masks and longest values; `None` where it has text beyond ASCII.
pub fn ascii_masks(meta: &PatternMeta) -> Option<Vec<(u64, u32)>> {
    let of = |pages: &[crate::segment::meta::PageMeta]| {
        pages.iter().fold((0, 0), |(mask, longest), page| (mask | page.mask, longest.max(page.max_len)))
    };
    let masks: Vec<(u64, u32)> = meta.columns.iter().map(|column| of(&column.pages)).collect();
    let ascii = |piece: &Piece| !matches!(piece, Piece::Text(text) if !text.is_ascii());
    let all = masks.iter().all(|(mask, _)| mask & stamp::NOT_ASCII == 0) && meta.pattern.pieces().iter().all(ascii);
    all.then_some(masks)
}

impl Shape {
    /// The shape of an expression, if it has one; it then begins with a text.
    pub fn new(regex: &Regex) -> Option<Self> {
        let hir = ParserBuilder::new().build().parse(regex.as_str()).ok()?;
        let mut this = Self { elements: Vec::new(), groups: Vec::new(), finders: Mutex::default() };
        this.add(&hir)?;
        (matches!(this.elements.first(), Some(Element::Text(_))) && this.is_single()).then_some(this)
    }

    fn add(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) if literal.0.is_ascii() => self.elements.push(Element::Text(literal.0.to_vec())),
            HirKind::Class(_) => self.elements.push(Element::Run { class: Box::new(class(hir)?), least: 1, most: 1 }),
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.add(part))?,
            HirKind::Capture(capture) => {
                let from = self.elements.len();
                self.add(&capture.sub)?;
                if let Some(name) = &capture.name {
                    self.groups.push((name.to_string(), from..self.elements.len()));
                }
            }
            HirKind::Repetition(repetition) => {
                let (least, most) = (repetition.min as usize, repetition.max.map_or(usize::MAX, |most| most as usize));
                if !repetition.greedy && least != most {
                    return None;
                }
                self.elements.push(Element::Run { class: Box::new(class(&repetition.sub)?), least, most });
            }
            _ => return None,
        }
        Some(())
    }

    /// Whether no run can hold what may follow it, so that each takes all that it can.
    fn is_single(&self) -> bool {
        // What the elements after the one looked at may begin with.
        let mut next = [false; 128];
        for element in self.elements.iter().rev() {
            match element {
                Element::Text(text) => {
                    next = [false; 128];
                    next[usize::from(text[0])] = true;
                }
                Element::Run { class, least, most } => {
                    if least != most && class.iter().zip(&next).any(|(own, next)| *own && *next) {
                        return false;
                    }
                    let empty = *least == 0;
                    next.iter_mut().zip(class.iter()).for_each(|(next, own)| *next = *own || (empty && *next));
                }
            }
        }
        true
    }

    /// The number of a group.
    pub fn group(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|(known, _)| known == name)
    }

    /// Matches from the beginning of a text, which is `whole` where nothing follows it. `places` gets where each element
    /// begins, and where the last one ends.
    pub fn run(&self, text: &[u8], whole: bool, places: &mut Vec<usize>) -> Outcome {
        places.clear();
        let mut at = 0;
        for element in &self.elements {
            places.push(at);
            let rest = &text[at..];
            at += match element {
                Element::Text(wanted) if rest.starts_with(wanted) => wanted.len(),
                Element::Text(wanted) => return if !whole && wanted.starts_with(rest) { Outcome::Open } else { Outcome::No },
                Element::Run { class, least, most } => {
                    let taken = rest.iter().take(*most).take_while(|byte| class.get(usize::from(**byte)).is_some_and(|has| *has)).count();
                    if !whole && taken == rest.len() && taken < *most {
                        return Outcome::Open;
                    }
                    if taken < *least {
                        return Outcome::No;
                    }
                    taken
                }
            };
        }
        places.push(at);
        Outcome::Yes
    }

    /// Where a group is in a text that matched.
    pub fn range(&self, group: usize, places: &[usize]) -> Range<usize> {
        let elements = &self.groups[group].1;
        places[elements.start]..places[elements.end]
    }

    /// The first place in all rows of a pattern where a match can begin: a text among its pieces and a byte in it; `None`
    /// where that is not the same in all.
    pub fn start(&self, meta: &PatternMeta) -> Option<(usize, usize)> {
        let masks = ascii_masks(meta)?;
        let Some(Element::Text(first)) = self.elements.first() else { return None };
        let pieces = meta.pattern.pieces();
        let mut best: Option<(usize, usize, usize)> = None;
        for (at, piece) in pieces.iter().enumerate() {
            let Piece::Text(text) = piece else { continue };
            let whole = text.windows(first.len()).position(|part| part == &first[..]).map(|start| (first.len(), start));
            // The text may go on in the slot that follows.
            let begun = || (1..first.len()).rev().find(|len| text.ends_with(&first[..*len])).map(|len| (len, text.len() - len));
            if let Some((len, start)) = whole.or_else(begun)
                && best.is_none_or(|(known, ..)| known < len)
            {
                best = Some((len, at, start));
            }
        }
        let (len, at, start) = best?;
        let finder = self.finders.lock().entry(len).or_insert_with(|| Finder::new(&first[..len]).map(Arc::new)).clone()?;
        // Nothing before it may hold what a match begins with.
        let before = finder.decide(&pieces[..=at], &masks, Some(start + len - 1));
        (before == Verdict::None).then_some((at, start))
    }
}

/// The ASCII characters of a class.
pub fn class(hir: &Hir) -> Option<Bytes> {
    let mut class = [false; 128];
    match hir.kind() {
        HirKind::Class(Class::Unicode(ranges)) => {
            for range in ranges.ranges() {
                (range.start() as u32..=range.end() as u32).take_while(|c| *c < 128).for_each(|c| class[c as usize] = true);
            }
        }
        HirKind::Class(Class::Bytes(ranges)) => {
            for range in ranges.ranges() {
                (range.start()..=range.end()).take_while(|c| *c < 128).for_each(|c| class[usize::from(c)] = true);
            }
        }
        // A class of one character is a text.
        HirKind::Literal(literal) if literal.0.len() == 1 && literal.0.is_ascii() => class[usize::from(literal.0[0])] = true,
        _ => return None,
    }
    Some(class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXPRESSIONS: [&str; 9] = [
        r"u=/(?<x>\w+)/\S* s=(?<y>\d+)",
        r"a(?<x>[a-c]+)d",
        r"a=(?<x>[^ ]*) b",
        r"u(?<x>.{2})b?c",
        r"a(?<x>(?<y>\d+)\.\d+)",
        r"ab(?<x>c{2,3})",
        r"a(?<x>b*)(?<y>c*)",
        r"a (?<x>\S+)",
        r"a(?:b)(?<x>[ab]{3})",
    ];

    #[test]
    fn others_are_left_to_the_expression() {
        for expression in
            [r"a(?<x>.*)b", r"a(?<x>\w+?)b", r"a(?<x>b|cd)", r"^a(?<x>b)", r"a(?<x>[ab]*)(?<y>b+)", r"(?i)a(?<x>b)", r"a\b(?<x>b)"]
        {
            assert!(Shape::new(&Regex::new(expression).unwrap()).is_none(), "{expression}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
        #[test]
        fn a_part_says_what_the_whole_says(
            expression in prop::sample::select(&EXPRESSIONS[..]),
            text in "(a|u|ab|a=|u=/)?[a-d=/ .0-9us]{0,14}",
            part in 0usize..20,
        ) {
            let regex = Regex::new(expression).unwrap();
            let shape = Shape::new(&regex).unwrap();
            let anchored = Regex::new(&format!("^(?:{expression})")).unwrap();
            let found = anchored.captures(&text);
            let mut places = Vec::new();
            let part = part.min(text.len());
            let outcome = shape.run(&text.as_bytes()[..part], part == text.len(), &mut places);
            match outcome {
                Outcome::Yes => {
                    let found = found.expect("it matches");
                    for name in regex.capture_names().flatten() {
                        let range = shape.range(shape.group(name).unwrap(), &places);
                        prop_assert_eq!(found.name(name).map(|group| group.range()), Some(range));
                    }
                }
                Outcome::No => prop_assert!(found.is_none()),
                Outcome::Open => prop_assert!(part < text.len()),
            }
        }
    }
}
