//! A named group of a regular expression on whole events, found on the pattern: where it provably is the same
//! pieces in all rows of a pattern, only their columns are read.
//!
//! Understood are expressions of the shape `text(?<name>[class]+)text`: the first text as it stands, then as
//! many characters of the class as there are, then nothing or a text. Others, and patterns where more than one
//! outcome is possible, are left to the expression itself.

use super::shape::{Finder, ascii_masks, class};
use crate::segment::meta::PatternMeta;
use crate::segment::stamp;
use regex::Regex;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};
use taffrail_pattern::automaton::symbolic::Verdict;
use taffrail_pattern::{Piece, PlanPiece, SlotKind};

/// A group of an expression, made ready.
#[derive(Debug)]
pub struct Capture {
    before: Vec<u8>,
    /// By byte: whether the class has it.
    class: [bool; 128],
    after: Vec<u8>,
    /// Finds the first text alone.
    finder: Finder,
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
        let finder = Finder::new(&before)?;
        Some(Self { before, class, after, finder })
    }

    /// Where the group is in the rows of a pattern.
    pub fn place(&self, meta: &PatternMeta) -> Place {
        // Of text beyond ASCII, whether characters are in the class and where they begin is not looked into.
        let Some(masks) = ascii_masks(meta) else { return Place::Unknown };
        let pieces = meta.pattern.pieces();
        match self.finder.decide(pieces, &masks, None) {
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
        if self.finder.decide(&pieces[..=at], &masks, Some(end - 1)) != Verdict::None {
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
