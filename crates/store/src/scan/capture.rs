//! A named group of a regular expression on whole events, found on the pattern: where it provably is the same
//! pieces in all rows of a pattern, only their columns are read.
//!
//! Understood are expressions of the shape `text(?<name>[class]+)text`: the first text as it stands, then as
//! many characters of the class as there are, then nothing or a text. Others, and patterns where more than one
//! outcome is possible, are left to the expression itself.

use crate::segment::meta::PatternMeta;
use crate::segment::stamp;
use regex::Regex;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use taffrail_pattern::automaton::Automaton;
use taffrail_pattern::automaton::symbolic::{Hole, Part, Verdict};
use taffrail_pattern::{Piece, PlanPiece, SlotKind};

/// A group of an expression, made ready.
#[derive(Debug)]
pub struct Capture {
    before: Vec<u8>,
    /// By byte: whether the class has it.
    class: [bool; 128],
    after: Vec<u8>,
    /// Finds the first text alone.
    finder: Automaton,
    marks: [Vec<u64>; 4],
}

/// What is known of a group on a pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// No row has it.
    Absent,
    /// It is these pieces, in all rows.
    Pieces(Vec<PlanPiece>),
    /// It begins with the value of this slot, and what [`Capture::within`] says of the value is all of it.
    Slot(usize),
    /// The expression has to be asked.
    Unknown,
}

impl Capture {
    /// The group `name` of an expression, if it is of the shape that is understood.
    pub fn new(regex: &Regex, name: &str) -> Option<Self> {
        let hir = ParserBuilder::new().build().parse(regex.as_str()).ok()?;
        let parts = match hir.kind() {
            HirKind::Concat(parts) => &parts[..],
            _ => return None,
        };
        let (before, group, after) = match parts {
            [before, group] => (before, group, None),
            [before, group, after] => (before, group, Some(after)),
            _ => return None,
        };
        let HirKind::Capture(capture) = group.kind() else { return None };
        let HirKind::Repetition(repetition) = capture.sub.kind() else { return None };
        if capture.name.as_deref() != Some(name) || !(repetition.min == 1 && repetition.max.is_none() && repetition.greedy) {
            return None;
        }
        let (before, after) = (literal(before)?, after.map_or(Some(Vec::new()), literal)?);
        let class = class(&repetition.sub)?;
        let finder = Automaton::of_regex(&regex::escape(std::str::from_utf8(&before).ok()?))?;
        let marks = [SlotKind::Word, SlotKind::Quoted, SlotKind::Time, SlotKind::Raw];
        let marks = marks.map(|kind| finder.class_marks(kind, |byte| stamp::mask(&[byte])));
        Some(Self { before, class, after, finder, marks })
    }

    /// Where the group is in the rows of a pattern.
    pub fn place(&self, meta: &PatternMeta) -> Place {
        let masks: Vec<(u64, u32)> = meta
            .columns
            .iter()
            .map(|column| {
                let pages = column.pages.iter();
                pages.fold((0, 0), |(mask, longest), page| (mask | page.mask, longest.max(page.max_len)))
            })
            .collect();
        // Of text beyond ASCII, whether characters are in the class and where they begin is not looked into.
        let pieces = meta.pattern.pieces();
        let ascii = |piece: &Piece| !matches!(piece, Piece::Text(text) if !text.is_ascii());
        if masks.iter().any(|(mask, _)| mask & stamp::NOT_ASCII != 0) || !pieces.iter().all(ascii) {
            return Place::Unknown;
        }
        match self.finder.decide(self.parts(pieces, &masks, None)) {
            Verdict::None => return Place::Absent,
            Verdict::All => {}
            Verdict::Some => return Place::Unknown,
        }
        // The first text that holds it: no slot before it may hold it as well, or begin it.
        let find = |text: &[u8]| text.windows(self.before.len()).position(|part| part == self.before);
        let at = pieces.iter().enumerate().find_map(|(at, piece)| match piece {
            Piece::Text(text) => find(text).map(|start| (at, start)),
            Piece::Slot(_) => None,
        });
        let Some((at, start)) = at else { return Place::Unknown };
        let end = start + self.before.len();
        if self.finder.decide(self.parts(&pieces[..=at], &masks, Some(end - 1))) != Verdict::None {
            return Place::Unknown;
        }
        self.follow(pieces, &masks, at, end)
    }

    /// The group in a value that a [`Place::Slot`] has; `None` where the expression has to be asked.
    pub fn within<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let taken = value.iter().take_while(|byte| byte.is_ascii() && self.class[usize::from(**byte)]).count();
        (taken > 0 && (taken == value.len() || value[taken..].starts_with(&self.after))).then(|| &value[..taken])
    }

    /// The group that begins in the text piece number `at`, after its byte `from`.
    fn follow(&self, pieces: &[Piece], masks: &[(u64, u32)], at: usize, from: usize) -> Place {
        let mut found: Vec<PlanPiece> = Vec::new();
        let mut slot = pieces[..at].iter().filter(|piece| matches!(piece, Piece::Slot(_))).count();
        let mut from = from;
        for (number, piece) in pieces.iter().enumerate().skip(at) {
            match piece {
                Piece::Text(text) => {
                    let rest = &text[from..];
                    from = 0;
                    let taken = rest.iter().take_while(|byte| self.class[usize::from(**byte) & 127]).count();
                    if taken > 0 {
                        found.push(PlanPiece::Text(String::from_utf8_lossy(&rest[..taken]).into_owned()));
                    }
                    if taken < rest.len() {
                        // All that can be taken was: the group ends here if the rest follows.
                        let ends = !found.is_empty() && rest[taken..].starts_with(&self.after);
                        return if ends { Place::Pieces(found) } else { Place::Unknown };
                    }
                }
                Piece::Slot(kind) => {
                    let (mask, _) = masks[slot];
                    let outside = (0..128u8).filter(|byte| !self.class[usize::from(*byte)]).any(|byte| stands(*kind, byte, mask));
                    if *kind != SlotKind::Word {
                        return Place::Unknown;
                    }
                    if outside {
                        // Its values have to be looked at; where one is all of the class, what follows has to end it.
                        let follows = match pieces.get(number + 1) {
                            Some(Piece::Text(text)) => &text[..],
                            // Further lines, with which the group may go on.
                            Some(Piece::Slot(_)) => return Place::Unknown,
                            None => &[],
                        };
                        let goes_on = follows.first().is_some_and(|byte| self.class[usize::from(*byte) & 127]);
                        let ends = !goes_on && follows.starts_with(&self.after);
                        return if found.is_empty() && ends { Place::Slot(slot) } else { Place::Unknown };
                    }
                    found.push(PlanPiece::Slot(slot));
                    slot += 1;
                }
            }
        }
        if self.after.is_empty() && !found.is_empty() { Place::Pieces(found) } else { Place::Unknown }
    }

    /// The pieces as an automaton sees them; of the last, a text, only the bytes before `cut`.
    fn parts<'p>(&'p self, pieces: &'p [Piece], masks: &'p [(u64, u32)], cut: Option<usize>) -> impl Iterator<Item = Part<'p>> {
        let mut slot = 0;
        pieces.iter().enumerate().map(move |(at, piece)| match (piece, cut) {
            (Piece::Text(text), Some(cut)) if at + 1 == pieces.len() => Part::Text(&text[..cut]),
            (Piece::Text(text), _) => Part::Text(text),
            (Piece::Slot(kind), _) => {
                let (mask, longest) = masks[slot];
                slot += 1;
                Part::Slot(Hole::new(&self.marks[kind.code() as usize - 1], mask, *kind != SlotKind::Word, longest as usize))
            }
        })
    }
}

/// Whether a byte may stand in a slot whose values have a mask.
fn stands(kind: SlotKind, byte: u8, mask: u64) -> bool {
    stamp::mask(&[byte]) & mask != 0 && !(kind == SlotKind::Word && taffrail_pattern::split::is_delimiter(byte))
}

fn literal(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) if literal.0.is_ascii() => Some(literal.0.to_vec()),
        _ => None,
    }
}

fn class(hir: &Hir) -> Option<[bool; 128]> {
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
        _ => return None,
    }
    Some(class)
}
