//! One way to read events and patterns: a sequence of units, each a byte or a slot.
//!
//! An extractor is written once, over a [`Tape`]. On an event every question about a unit has an answer. On a
//! pattern a question about a slot has one only if it is the same for everything that the slot may hold; if
//! not, the tape notes that what was extracted is *undecided*, and the events are looked at one by one
//! instead. So whatever is decided on a pattern is right for each of its events, by construction.

use crate::fields::expression::{Captured, Expression};
use crate::fields::index::{Candidates, Index, Wanted};
use std::sync::Arc;
use taffrail_pattern::SlotKind;
use taffrail_pattern::held::Bytes;
use taffrail_pattern::split::{is_delimiter, time};

mod hidden;
mod laid;

pub(crate) use hidden::{MASK, masked, quoted_end};
pub(crate) use laid::{Laid, Slot};

/// A byte, a slot, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Byte(u8),
    Slot(SlotKind),
    End,
}

/// A set of bytes.
pub(crate) struct Class {
    table: [bool; 256],
    bytes: Bytes,
}

/// Whether a time of the splitter's layouts may hold this byte.
pub(crate) const fn in_time(byte: u8) -> bool {
    byte.is_ascii_digit() || in_month(byte) || matches!(byte, b'T' | b'Z' | b' ' | b':' | b'/' | b'.' | b',' | b'+' | b'-')
}

/// Whether the name of a month may hold this byte.
const fn in_month(byte: u8) -> bool {
    let names = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut at = 0;
    while at < names.len() {
        if names[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether a time of the splitter's layouts may begin with this byte.
pub(crate) fn begins_time(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D')
}

impl Class {
    /// The class of the bytes for which the table says so.
    pub(crate) const fn new(table: [bool; 256]) -> Self {
        let mut bytes = Bytes([0; 4]);
        let mut byte = 0;
        while byte < 256 {
            if table[byte] {
                bytes.add(byte as u8);
            }
            byte += 1;
        }
        Self { table, bytes }
    }

    /// Whether bytes are in the class, if the answer is the same for all of them.
    fn agreed(&self, bytes: &Bytes) -> Option<bool> {
        match (bytes.meets(&self.bytes), bytes.within(&self.bytes)) {
            (false, _) => Some(false),
            (true, true) => Some(true),
            _ => None,
        }
    }

    /// These bytes.
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self::new(Self::table(bytes, true))
    }

    /// All bytes but these.
    pub(crate) const fn not(bytes: &[u8]) -> Self {
        Self::new(Self::table(bytes, false))
    }

    const fn table(bytes: &[u8], inside: bool) -> [bool; 256] {
        let mut table = [!inside; 256];
        let mut at = 0;
        while at < bytes.len() {
            table[bytes[at] as usize] = inside;
            at += 1;
        }
        table
    }

    /// Whether a byte is in the class.
    #[inline]
    pub(crate) fn has(&self, byte: u8) -> bool {
        self.table[byte as usize]
    }
}

/// A range of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub start: usize,
    /// Behind the last.
    pub end: usize,
}

impl Span {
    /// A span from its ends.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// As a range, to index with.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }
}

/// Something an extractor can read.
pub(crate) trait Tape: Copy {
    /// Units.
    fn len(self) -> usize;
    /// The unit at `at`.
    fn unit(self, at: usize) -> Unit;
    /// What the slot at `at` may hold.
    fn slot(self, at: usize) -> Slot;
    /// Whether there is a sample of every slot.
    fn is_sampled(self) -> bool {
        false
    }
    /// The answer of a question to a span in all events; `None` where that depends on what its slots hold. With samples the
    /// answer of the sample counts, and holds for the values that give the same one.
    fn asked(self, span: Span, question: impl Fn(&[u8]) -> Option<bool> + Send + Sync + 'static) -> Option<bool>;
    /// Notes that an answer depends on what a slot holds.
    fn undecided(self);
    /// Whether an answer has depended on a slot.
    fn is_undecided(self) -> bool;
    /// Forgets that an answer depended on a slot; for who has noted what it matters to.
    fn forget_undecided(self);
    /// Gives the bytes of a span to `f`; `None`, and undecided, if a slot is in it.
    fn with_text<R>(self, span: Span, f: impl FnOnce(&[u8]) -> R) -> Option<R>;
    /// Gives the bytes of a span to `f`; `None` if a slot is in it, which decides nothing.
    fn peek<R>(self, span: Span, f: impl FnOnce(&[u8]) -> R) -> Option<R>;
    /// Whether a slot is in a span.
    fn has_slot(self, span: Span) -> bool;
    /// Whether a span is one slot that holds a word.
    fn is_word(self, span: Span) -> bool {
        span.end == span.start + 1 && self.unit(span.start) == Unit::Slot(SlotKind::Word)
    }
    /// Which rules of an index may match in an event and its message. What slots may hide is only looked for by rules that are wanted.
    fn candidates(self, index: &Index, all: Span, message: Span, wanted: Wanted<'_>, out: &mut Candidates);
    /// Where the groups of an expression are that is searched for in a span.
    fn captures(self, expression: &Arc<Expression>, span: Span) -> Captured;
    /// The number of units of the time of any layout that begins at `at`.
    fn time_len(self, at: usize) -> Option<usize>;
    /// The same for the layouts that the splitter knows: a word is then surely no time.
    fn split_time_len(self, at: usize) -> Option<usize>;

    /// Whether the unit is of the class.
    #[inline(always)]
    fn is(self, at: usize, class: &Class) -> bool {
        let answer = match self.unit(at) {
            Unit::Byte(byte) => return class.has(byte),
            Unit::End => return false,
            Unit::Slot(SlotKind::Word | SlotKind::Time) => class.agreed(&self.slot(at).bytes).or_else(|| {
                let class = class.bytes;
                self.asked(Span::new(at, at + 1), move |value| {
                    let inside = value.iter().filter(|byte| class.has(**byte)).count();
                    (inside == 0 || inside == value.len()).then_some(inside > 0)
                })
            }),
            // Of an empty string the answer would be that of what stands behind it.
            Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => {
                let class = class.bytes;
                self.asked(Span::new(at, at + 1), move |value| {
                    (!value.is_empty() && value.iter().all(|byte| class.has(*byte))).then_some(true)
                })
            }
        };
        answer.unwrap_or_else(|| {
            self.undecided();
            false
        })
    }

    /// Whether the unit is, or begins with, this byte.
    #[inline(always)]
    fn eq(self, at: usize, byte: u8) -> bool {
        match self.unit(at) {
            Unit::Byte(found) => return found == byte,
            Unit::End => return false,
            Unit::Slot(SlotKind::Word | SlotKind::Time) if !self.slot(at).may_begin(byte) => return false,
            Unit::Slot(SlotKind::Word | SlotKind::Time) => {
                // What begins with the byte need not be it.
                if self.asked(Span::new(at, at + 1), move |value| (value.first() != Some(&byte)).then_some(false)).is_some() {
                    return false;
                }
            }
            Unit::Slot(_) => {}
        }
        self.undecided();
        false
    }

    /// Where the run of units of the class that begins at `at` ends.
    #[inline(always)]
    fn run(self, mut at: usize, class: &Class) -> usize {
        while self.is(at, class) {
            at += 1;
        }
        at
    }

    /// Whether these bytes stand at `at`, none of them in a slot.
    fn starts(self, at: usize, bytes: &[u8]) -> bool {
        match self.behind(at, bytes) {
            Some(end) if end == at + bytes.len() => true,
            Some(_) => {
                self.undecided();
                false
            }
            None => false,
        }
    }

    /// Where these bytes end that stand at `at`. A word in their way is the token that it would have to be only if
    /// what follows agrees as well; else the answer is no without asking for it.
    fn behind(self, mut at: usize, bytes: &[u8]) -> Option<usize> {
        let mut open: Vec<(usize, &[u8])> = Vec::new();
        let mut done = 0;
        while done < bytes.len() {
            match self.unit(at) {
                Unit::Byte(byte) if byte == bytes[done] => done += 1,
                Unit::Slot(SlotKind::Word) if !is_delimiter(bytes[done]) => {
                    let token = bytes[done..].split(|byte| is_delimiter(*byte)).next().unwrap_or_default();
                    if !self.slot(at).may_hold(token) {
                        return None;
                    }
                    done += token.len();
                    open.push((at, token));
                }
                Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => {
                    self.undecided();
                    return None;
                }
                Unit::Slot(SlotKind::Time) => {
                    self.eq(at, bytes[done]);
                    return None;
                }
                Unit::Byte(_) | Unit::Slot(_) | Unit::End => return None,
            }
            at += 1;
        }
        for (at, token) in open {
            let token = token.to_vec();
            match self.asked(Span::new(at, at + 1), move |value| Some(value == token)) {
                Some(true) => {}
                Some(false) => return None,
                None => {
                    self.undecided();
                    return None;
                }
            }
        }
        Some(at)
    }

    /// The quote that ends the string whose inside begins at `at`; a backslash takes the next byte's meaning.
    fn string_end(self, mut at: usize) -> Option<usize> {
        loop {
            match self.unit(at) {
                Unit::End => return None,
                Unit::Byte(b'"') => return Some(at),
                Unit::Byte(b'\\') => {
                    if let Unit::Slot(_) = self.unit(at + 1) {
                        self.undecided();
                    }
                    at += 2;
                }
                // A word may end in a backslash: then what follows is escaped.
                Unit::Slot(SlotKind::Word) if matches!(self.unit(at + 1), Unit::Byte(b'"' | b'\\')) => {
                    self.undecided();
                    return None;
                }
                Unit::Slot(SlotKind::Raw) => {
                    self.undecided();
                    return None;
                }
                Unit::Byte(_) | Unit::Slot(_) => at += 1,
            }
        }
    }
}

impl Tape for &[u8] {
    #[inline(always)]
    fn len(self) -> usize {
        <[u8]>::len(self)
    }

    #[inline(always)]
    fn unit(self, at: usize) -> Unit {
        self.get(at).map_or(Unit::End, |byte| Unit::Byte(*byte))
    }

    fn slot(self, _: usize) -> Slot {
        Slot::default()
    }

    fn asked(self, span: Span, question: impl Fn(&[u8]) -> Option<bool> + Send + Sync + 'static) -> Option<bool> {
        self.get(span.range()).and_then(question)
    }

    #[inline(always)]
    fn undecided(self) {}

    #[inline(always)]
    fn is_undecided(self) -> bool {
        false
    }

    fn forget_undecided(self) {}

    fn with_text<R>(self, span: Span, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.get(span.range()).map(f)
    }

    fn peek<R>(self, span: Span, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.get(span.range()).map(f)
    }

    fn has_slot(self, _: Span) -> bool {
        false
    }

    fn candidates(self, index: &Index, all: Span, _: Span, _: Wanted<'_>, out: &mut Candidates) {
        index.in_text(self.get(all.range()).unwrap_or_default(), out);
    }

    fn captures(self, expression: &Arc<Expression>, span: Span) -> Captured {
        expression.of_event(self, span)
    }

    #[inline(always)]
    fn is(self, at: usize, class: &Class) -> bool {
        self.get(at).is_some_and(|byte| class.has(*byte))
    }

    fn time_len(self, at: usize) -> Option<usize> {
        let rest = self.get(at..)?;
        // The splitter's own view first, since it says what a time slot holds.
        time::len_at(rest).or_else(|| crate::time::read::any(rest).map(|(_, _, len)| len))
    }

    fn split_time_len(self, at: usize) -> Option<usize> {
        time::len_at(self.get(at..)?)
    }
}
