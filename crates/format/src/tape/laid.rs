//! A pattern laid out as units, with what is known of its slots.

use super::{Span, Tape, Unit, begins_time, hidden, in_time};
use crate::fields::expression::{Captured, Expression};
use crate::fields::index::{Candidates, Index, Wanted};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, LazyLock};
use taffrail_pattern::held::Bytes;
use taffrail_pattern::split::time;
use taffrail_pattern::{Guard, Held, Pattern, Piece, SlotKind};

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
