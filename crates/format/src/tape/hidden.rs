//! What the slots of a pattern may hide: whether a text that does not stand in a pattern may stand in its events.
//!
//! The answers err on one side: no is certain, yes may be wrong.

use super::{Laid, Span, Unit, in_time};
use std::borrow::Cow;
use taffrail_pattern::SlotKind;
use taffrail_pattern::split::{is_delimiter, quoted_len};

/// Whether a time of the splitter's layouts may have these bytes somewhere: of letters it has `T`, `Z` and the names of months.
fn fits_time(text: &[u8]) -> bool {
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let name = |run: &[u8]| {
        let parts = || (0..months.len()).step_by(3).map(|at| &months.as_bytes()[at..at + 3]);
        run.is_empty() || matches!(run, b"T" | b"Z") || parts().any(|month| month.windows(run.len()).any(|part| part == run))
    };
    text.iter().all(|byte| in_time(*byte)) && text.split(|byte| !byte.is_ascii_alphabetic()).all(|run| run.len() <= 3 && name(run))
}

/// What stands for a byte in double quotes.
pub(crate) const MASK: u8 = 1;

/// An event with [`MASK`] for what stands in double quotes in its first line, as the splitter reads it.
pub(crate) fn masked(raw: &[u8]) -> Cow<'_, [u8]> {
    let line = &raw[..memchr::memchr(b'\n', raw).unwrap_or(raw.len())];
    let mut out = Cow::Borrowed(raw);
    let mut from = 0;
    while let Some(open) = memchr::memchr(b'"', &line[from..]).map(|open| from + open) {
        from = open + 1;
        if let Some(len) = quoted_len(&line[from..]) {
            out.to_mut()[from..from + len].fill(MASK);
            from += len + 1;
        }
    }
    out
}

/// Where the quoted string of the first line ends in which the byte at `at` is, as the splitter reads it.
pub(crate) fn quoted_end(raw: &[u8], at: usize) -> Option<usize> {
    let line = &raw[..memchr::memchr(b'\n', raw).unwrap_or(raw.len())];
    let mut from = 0;
    while let Some(open) = memchr::memchr(b'"', line.get(from..at)?).map(|open| from + open) {
        from = open + 1;
        let Some(len) = quoted_len(&line[from..]) else { continue };
        let close = from + len;
        if close > at {
            return Some(close);
        }
        from = close + 1;
    }
    None
}

/// Which units are inside of quoted strings: a slot that is no quoted string is in none, or it would be one.
pub(super) fn quoted(units: &[Unit]) -> Vec<bool> {
    let mut quoted = vec![false; units.len()];
    let mut at = 0;
    while at < units.len() && units[at] != Unit::Byte(b'\n') {
        if units[at] == Unit::Byte(b'"')
            && let Some(close) = close_of(units, at + 1)
        {
            quoted[at + 1..close].fill(true);
            at = close;
        }
        at += 1;
    }
    quoted
}

fn close_of(units: &[Unit], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        match units.get(at)? {
            Unit::Byte(b'"') => return Some(at),
            Unit::Byte(b'\n') => return None,
            Unit::Byte(b'\\') => at += 2,
            Unit::Slot(SlotKind::Quoted) if at == start => at += 1,
            Unit::Slot(_) | Unit::End => return None,
            Unit::Byte(_) => at += 1,
        }
    }
}

impl Laid {
    /// Whether events may have these texts in a span, one behind the other, each in one of its ways; `anchored`: the first at
    /// its beginning; `masked`: none of them in a quoted string.
    pub(crate) fn may_hold_all(&self, texts: &[Vec<Vec<u8>>], span: Span, anchored: bool, masked: bool) -> bool {
        let mut at = span.start;
        for (number, ways) in texts.iter().enumerate() {
            let laid =
                |text: &Vec<u8>| if anchored && number == 0 { self.laid_at(text, at) } else { self.laid_from(text, at, span.end, masked) };
            match ways.iter().filter_map(laid).min() {
                Some(end) => at = end,
                None => return false,
            }
        }
        true
    }

    /// Where these bytes end at the earliest if they begin at `from` or behind it.
    fn laid_from(&self, text: &[u8], from: usize, end: usize, masked: bool) -> Option<usize> {
        let mut best: Option<usize> = None;
        for at in from..end {
            if best.is_some_and(|best| at > best) {
                break;
            }
            if !(masked && self.is_quoted(at)) {
                best = best.into_iter().chain(self.laid_at(text, at)).min();
            }
        }
        best
    }

    /// Where these bytes end at the earliest if they begin at `start`, or in the slot there. An end in a slot is its place.
    fn laid_at(&self, mut text: &[u8], start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(first) = text.first() {
            match self.at(at) {
                Unit::Byte(byte) if byte == *first => text = &text[1..],
                Unit::Byte(_) | Unit::End => return None,
                Unit::Slot(SlotKind::Word) if is_delimiter(*first) => return None,
                Unit::Slot(SlotKind::Word) => {
                    text = self.behind_word(text, at)?;
                    if text.is_empty() {
                        return Some(at);
                    }
                }
                Unit::Slot(SlotKind::Time) if at > start => return self.held(at).may_begin(*first).then_some(at),
                Unit::Slot(SlotKind::Time) => {
                    let held = self.held(at);
                    if fits_time(text) && held.may_hold(text) {
                        return Some(at);
                    }
                    let inside = text.iter().take_while(|byte| held.bytes.has(**byte)).count();
                    let parts = (1..=inside).filter(|len| *len < text.len() && fits_time(&text[..*len]));
                    return parts.filter_map(|len| self.laid_at(&text[len..], at + 1)).min();
                }
                Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => return Some(at),
            }
            at += 1;
        }
        Some(at)
    }

    /// The first byte of a span, if it is no slot.
    pub(crate) fn first_byte(&self, span: Span) -> Option<u8> {
        match self.at(span.start) {
            Unit::Byte(byte) => Some(byte),
            Unit::Slot(_) | Unit::End => None,
        }
    }

    /// Whether these bytes may stand at `at`, slots that follow each other not looked at twice.
    pub(crate) fn may_follow(&self, mut text: &[u8], mut at: usize) -> bool {
        while let Some(first) = text.first() {
            match self.at(at) {
                Unit::Byte(byte) if byte == *first => text = &text[1..],
                Unit::Byte(_) | Unit::End => return false,
                Unit::Slot(SlotKind::Word) if is_delimiter(*first) => return false,
                Unit::Slot(SlotKind::Word) => match self.behind_word(text, at) {
                    Some(rest) => text = rest,
                    None => return false,
                },
                Unit::Slot(SlotKind::Time) => return self.held(at).may_begin(*first),
                Unit::Slot(SlotKind::Quoted | SlotKind::Raw) => return true,
            }
            at += 1;
        }
        true
    }

    /// What is left of a text whose beginning, up to a delimiter, is in the word at `at`, if it may be.
    fn behind_word<'t>(&self, text: &'t [u8], at: usize) -> Option<&'t [u8]> {
        let len = text.iter().take_while(|byte| !is_delimiter(**byte)).count();
        self.held(at).may_hold(&text[..len]).then(|| &text[len..])
    }

    /// Whether events may have these bytes in a span so that a part of them is in a slot.
    pub(crate) fn may_hold(&self, text: &[u8], span: Span) -> bool {
        self.slots_in(span).any(|(place, _)| match self.at(place) {
            Unit::Slot(SlotKind::Time) => self.may_be_with_time(text, place, span),
            Unit::Slot(SlotKind::Word) => self.may_hide(text, span, place),
            _ => true,
        })
    }

    /// Whether these bytes may stand so that the leftmost part that is in a slot is in the time at `place`.
    fn may_be_with_time(&self, text: &[u8], place: usize, span: Span) -> bool {
        self.laid_at(text, place).is_some()
            || (1..text.len()).any(|from| {
                let before = place.checked_sub(from).filter(|before| *before >= span.start);
                self.held(place).may_begin(text[from])
                    && before.is_some_and(|before| (0..from).all(|i| self.at(before + i) == Unit::Byte(text[i])))
            })
    }

    /// Whether the leftmost part of these bytes that is in a slot may be in the word at `place`.
    fn may_hide(&self, text: &[u8], span: Span, place: usize) -> bool {
        let behind = |from: usize| self.behind_word(&text[from..], place);
        let follows = |rest: &[u8]| rest.is_empty() || self.may_follow(rest, place + 1);
        // The text begins within the word.
        if text.first().is_some_and(|byte| !is_delimiter(*byte)) && behind(0).is_some_and(follows) {
            return true;
        }
        (1..text.len()).filter(|from| is_delimiter(text[from - 1]) && !is_delimiter(text[*from])).any(|from| {
            let before = place.checked_sub(from).filter(|before| *before >= span.start);
            let left = before.is_some_and(|before| (0..from).all(|i| self.at(before + i) == Unit::Byte(text[i])));
            left && behind(from).is_some_and(follows)
        })
    }
}
