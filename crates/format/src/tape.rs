//! One way to read events and patterns: a sequence of units, each a byte or a slot.
//!
//! An extractor is written once, over a [`Tape`]. On an event every question about a unit has an answer. On a
//! pattern a question about a slot has one only if it is the same for everything that the slot may hold; if
//! not, the tape notes that what was extracted is *undecided*, and the events are looked at one by one
//! instead. So whatever is decided on a pattern is right for each of its events, by construction.

use crate::fields::expression::{Captured, Expression};
use crate::fields::index::{Candidates, Index, Wanted};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, LazyLock};
use taffrail_pattern::held::Bytes;
use taffrail_pattern::split::{is_delimiter, time};
use taffrail_pattern::{Guard, Held, Pattern, Piece, SlotKind};

mod hidden;

pub(crate) use hidden::{MASK, masked, quoted_end};

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

/// What a slot may hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) bytes: Bytes,
    /// Bytes that it may begin with.
    pub(crate) first: Bytes,
    pub(crate) len_max: usize,
}

impl Slot {
    fn new(kind: SlotKind, held: &Held) -> Self {
        let mut bytes = held.bytes(kind);
        let mut first = bytes;
        if kind == SlotKind::Time {
            bytes = bytes.and(&IN_TIME);
            first = bytes.and(&BEGINS_TIME);
        }
        Self { bytes, first, len_max: held.len_max as usize }
    }

    /// Whether it may begin with a byte.
    pub(crate) fn may_begin(&self, byte: u8) -> bool {
        self.first.has(byte)
    }

    /// Whether these bytes may stand in it.
    pub(crate) fn may_hold(&self, text: &[u8]) -> bool {
        text.len() <= self.len_max && text.iter().all(|byte| self.bytes.has(*byte))
    }
}

/// Bytes of times.
static IN_TIME: LazyLock<Bytes> = LazyLock::new(|| Bytes::of(in_time));

/// Bytes that times begin with.
static BEGINS_TIME: LazyLock<Bytes> = LazyLock::new(|| Bytes::of(begins_time));

/// A pattern laid out as units.
#[derive(Debug)]
pub(crate) struct Laid {
    units: Vec<Unit>,
    /// The places of the slots, ascending; what each may hold, and one of its values.
    slots: Vec<usize>,
    held: Vec<Slot>,
    samples: Vec<Option<Box<[u8]>>>,
    /// What has to hold of the slots' values, so that what the samples decided is true of them.
    guards: RefCell<Vec<Guard>>,
    /// Each byte; a slot is a 0.
    bytes: Vec<u8>,
    /// Which units are inside of quoted strings.
    quoted: Vec<bool>,
    undecided: Cell<bool>,
}

impl Laid {
    /// Lays out a pattern whose slots hold what `held` says, or anything where it says nothing.
    pub(crate) fn new(pattern: &Pattern, held: &[Held]) -> Self {
        let (mut units, mut slots, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut all, mut samples) = (Vec::new(), Vec::new());
        for piece in pattern.pieces() {
            match piece {
                Piece::Text(text) => {
                    units.extend(text.iter().map(|b| Unit::Byte(*b)));
                    bytes.extend_from_slice(text);
                }
                Piece::Slot(kind) => {
                    let held = held.get(slots.len()).unwrap_or(&Held::ANYTHING);
                    all.push(Slot::new(*kind, held));
                    samples.push(held.sample.clone());
                    slots.push(units.len());
                    units.push(Unit::Slot(*kind));
                    bytes.push(0);
                }
            }
        }
        let quoted = hidden::quoted(&units);
        Self { units, slots, held: all, samples, guards: RefCell::default(), bytes, quoted, undecided: Cell::new(false) }
    }

    /// The slots in a span: their places and numbers.
    pub(crate) fn slots_in(&self, span: Span) -> impl Iterator<Item = (usize, usize)> {
        let first = self.slots.partition_point(|at| *at < span.start);
        self.slots[first..].iter().enumerate().map(move |(i, at)| (*at, first + i)).take_while(move |(at, _)| *at < span.end)
    }

    /// How many units it has.
    pub(crate) fn units(&self) -> usize {
        self.units.len()
    }

    /// What the slot at `at` may hold.
    pub(crate) fn held(&self, at: usize) -> Slot {
        self.slots.binary_search(&at).map_or_else(|_| Slot::default(), |number| self.held[number])
    }

    /// A value of the slot at `at`, and the slot's number.
    pub(crate) fn sample(&self, at: usize) -> Option<(usize, &[u8])> {
        let number = self.slots.binary_search(&at).ok()?;
        self.samples[number].as_deref().map(|sample| (number, sample))
    }

    /// Whether there is a value of every slot.
    pub(crate) fn has_samples(&self) -> bool {
        self.samples.iter().all(Option::is_some)
    }

    /// The bytes of a span with samples in its slots; `None` where one is missing.
    pub(crate) fn sampled(&self, span: Span) -> Option<Vec<u8>> {
        let (mut out, mut at) = (Vec::new(), span.start);
        for (place, number) in self.slots_in(span) {
            out.extend_from_slice(&self.bytes[at..place]);
            out.extend_from_slice(self.samples[number].as_deref()?);
            at = place + 1;
        }
        out.extend_from_slice(&self.bytes[at..span.end]);
        Some(out)
    }

    /// From now on a slot holds only what passes a test, as its sample does.
    pub(crate) fn guard(&self, slot: usize, test: impl Fn(&[u8]) -> bool + Send + Sync + 'static) {
        self.guards.borrow_mut().push(Guard { slot, test: Arc::new(test) });
    }

    /// What the slots have to pass.
    pub(crate) fn into_guards(self) -> Vec<Guard> {
        self.guards.into_inner()
    }

    /// The unit at `at`.
    pub(crate) fn at(&self, at: usize) -> Unit {
        self.units.get(at).copied().unwrap_or(Unit::End)
    }

    /// Whether the unit at `at` is inside of a quoted string, as [`masked`] has it in events.
    pub(crate) fn is_quoted(&self, at: usize) -> bool {
        self.quoted.get(at).copied().unwrap_or(false)
    }

    /// The bytes of a span without slots.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }
}

impl Tape for &Laid {
    fn len(self) -> usize {
        self.units.len()
    }

    fn unit(self, at: usize) -> Unit {
        self.at(at)
    }

    fn slot(self, at: usize) -> Slot {
        self.held(at)
    }

    fn is_sampled(self) -> bool {
        self.has_samples()
    }

    fn asked(self, span: Span, question: impl Fn(&[u8]) -> Option<bool> + Send + Sync + 'static) -> Option<bool> {
        let mut slots = self.slots_in(span);
        let Some((place, number)) = slots.next() else { return question(&self.bytes[span.range()]) };
        if slots.next().is_some() {
            return None;
        }
        let answer = question(&self.sampled(span)?)?;
        let (before, after) = (self.bytes[span.start..place].to_vec(), self.bytes[place + 1..span.end].to_vec());
        self.guard(number, move |value| match before.is_empty() && after.is_empty() {
            true => question(value) == Some(answer),
            false => question(&[before.as_slice(), value, after.as_slice()].concat()) == Some(answer),
        });
        Some(answer)
    }

    fn undecided(self) {
        self.undecided.set(true);
    }

    fn is_undecided(self) -> bool {
        self.undecided.get()
    }

    fn forget_undecided(self) {
        self.undecided.set(false);
    }

    fn with_text<R>(self, span: Span, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.slots_in(span).next().is_some() {
            self.undecided();
            return None;
        }
        self.bytes.get(span.range()).map(f)
    }

    fn peek<R>(self, span: Span, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.has_slot(span) { None } else { self.bytes.get(span.range()).map(f) }
    }

    fn has_slot(self, span: Span) -> bool {
        self.slots_in(span).next().is_some()
    }

    fn candidates(self, index: &Index, all: Span, message: Span, wanted: Wanted<'_>, out: &mut Candidates) {
        index.in_pattern(self, all, message, wanted, out);
    }

    fn captures(self, expression: &Arc<Expression>, span: Span) -> Captured {
        expression.of_pattern(self, span)
    }

    fn time_len(self, at: usize) -> Option<usize> {
        match self.unit(at) {
            Unit::End => None,
            Unit::Slot(SlotKind::Time) => Some(1),
            // A word may begin a time of a layout that the splitter does not know.
            Unit::Slot(_) => {
                self.undecided();
                None
            }
            Unit::Byte(_) => {
                let (rest, slot_follows) = self.text_at(at);
                if let Some(len) = time::len_at(rest).filter(|len| *len < rest.len() || !slot_follows) {
                    return Some(len);
                }
                // What the slot holds may make a longer time of it, or one where there is none.
                if slot_follows && crate::time::read::may_begin(rest) {
                    match self.sampled_time(at) {
                        Some(units) => return Some(units),
                        None => self.undecided(),
                    }
                }
                crate::time::read::any(rest).map(|(_, _, len)| len)
            }
        }
    }

    fn split_time_len(self, at: usize) -> Option<usize> {
        match self.unit(at) {
            Unit::Slot(SlotKind::Time) => Some(1),
            Unit::Byte(_) => time::len_at(self.text_at(at).0),
            Unit::Slot(_) | Unit::End => None,
        }
    }
}

/// Units of a time with slots in it, at most.
const TIME_UNITS: usize = 24;

impl Laid {
    /// How many units a time that begins at `at` takes with the values of the sample; others have to be of the same shape.
    ///
    /// Slots are tested one by one, so that a day that only some years have is left to each event.
    fn sampled_time(&self, at: usize) -> Option<usize> {
        use crate::time::read::{Reading, any};
        let reach = Span::new(at, self.units.len().min(at + TIME_UNITS));
        let (_, reading, len) = any(&self.sampled(reach)?)?;
        if matches!(&reading, Reading::Civil(civil) if civil.month == 2) {
            return None;
        }
        let ends = |end: &usize| self.sampled(Span::new(at, *end)).is_some_and(|text| text.len() == len);
        let end = (at + 1..=reach.end).find(ends)?;
        // What follows decides where the time ends.
        if matches!(self.at(end), Unit::Slot(_)) {
            return None;
        }
        for (place, slot) in self.slots_in(Span::new(at, end)) {
            let sample = self.samples[slot].clone()?;
            let (before, after) = (self.sampled(Span::new(at, place))?, self.sampled(Span::new(place + 1, reach.end))?);
            self.guard(slot, move |value| {
                let alike = |(a, b): (&u8, &u8)| a == b || (a.is_ascii_digit() && b.is_ascii_digit());
                let text = [before.as_slice(), value, after.as_slice()].concat();
                let shape = value.len() == sample.len() && value.iter().zip(&*sample).all(alike);
                shape && any(&text).is_some_and(|(_, _, found)| found == len)
            });
        }
        Some(end - at)
    }

    /// The constant bytes from `at` to the next slot, and whether there is one.
    fn text_at(&self, at: usize) -> (&[u8], bool) {
        let next = self.slots.get(self.slots.partition_point(|s| *s < at));
        (&self.bytes[at..next.copied().unwrap_or(self.units.len())], next.is_some())
    }
}
