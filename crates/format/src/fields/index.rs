//! Which of thousands of rules are worth trying on an event or a pattern, found in one pass over its text.
//!
//! A rule that can only match where a certain text stands is tried only there. Most stand at the beginning of a message;
//! the others are looked for anywhere. In a pattern a text may also be hidden in slots: [`Laid::may_hold`] and
//! [`Laid::may_begin`] say no only where it cannot be.

use super::expression::worth;
use crate::tape::{Laid, Span};
use aho_corasick::{AhoCorasick, MatchKind};
use rustc_hash::FxHashMap;

/// What has to be in an event for a rule to match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sign {
    /// This, at the beginning of the message.
    Begins(Vec<u8>),
    /// This, anywhere in the message.
    Holds(Vec<u8>),
    /// This, anywhere in the event.
    Anywhere(Vec<u8>),
    /// Nothing that is known.
    Always,
    /// Another index has it.
    Never,
}

impl Sign {
    /// The signs, if all of them tell enough and there are any; else that nothing is known.
    pub(crate) fn checked(signs: Vec<Self>) -> Vec<Self> {
        let telling = |sign: &Self| sign.text().is_none_or(|text| worth(text) > 0);
        if signs.is_empty() || !signs.iter().all(telling) { vec![Self::Always] } else { signs }
    }

    fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Begins(text) | Self::Holds(text) | Self::Anywhere(text) => Some(text),
            Self::Always | Self::Never => None,
        }
    }
}

/// The rules that may match, as a set of numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    bits: Vec<u64>,
    /// Those of them whose text may only be in slots.
    hidden: Vec<u64>,
}

fn set(bits: &mut Vec<u64>, rule: usize) {
    if bits.len() <= rule / 64 {
        bits.resize(rule / 64 + 1, 0);
    }
    bits[rule / 64] |= 1 << (rule % 64);
}

fn is_set(bits: &[u64], rule: usize) -> bool {
    bits.get(rule / 64).is_some_and(|bits| bits >> (rule % 64) & 1 == 1)
}

impl Candidates {
    fn add(&mut self, rule: usize) {
        set(&mut self.bits, rule);
    }

    fn add_hidden(&mut self, rule: usize) {
        set(&mut self.bits, rule);
        set(&mut self.hidden, rule);
    }

    /// Whether a rule is among them.
    pub(crate) fn has(&self, rule: usize) -> bool {
        is_set(&self.bits, rule)
    }

    /// Whether the text of a rule does not stand in the pattern, but may be in its slots.
    pub(crate) fn is_hidden(&self, rule: usize) -> bool {
        is_set(&self.hidden, rule)
    }

    /// Their numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.bits.iter().enumerate().filter(|(_, bits)| **bits != 0);
        words.flat_map(|(word, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit))
    }
}

/// Whether a rule may match in events of a pattern where its text is in a slot.
pub(crate) type Wanted<'a> = &'a dyn Fn(usize, &Laid) -> bool;

/// The signs of rules.
#[derive(Debug)]
pub(crate) struct Index {
    /// The texts, each once.
    texts: Vec<Vec<u8>>,
    /// The rules of each, and which of them have it at the beginning.
    rules: Vec<Vec<usize>>,
    search: Option<AhoCorasick>,
    /// The texts that stand at the beginning, by their first byte; and those that stand anywhere.
    begins: FxHashMap<u8, Vec<usize>>,
    holds: Vec<usize>,
    anywhere: Vec<usize>,
    /// Rules without a sign.
    always: Vec<usize>,
}

impl Index {
    /// An index of rules, in the order of their numbers.
    ///
    /// Each may have one sign or another.
    pub(crate) fn new(signs: impl IntoIterator<Item = Vec<Sign>>) -> Self {
        let mut known: FxHashMap<Sign, usize> = FxHashMap::default();
        let (mut texts, mut rules): (Vec<Vec<u8>>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        let mut begins = FxHashMap::<u8, Vec<usize>>::default();
        let (mut holds, mut anywhere, mut always) = (Vec::new(), Vec::new(), Vec::new());
        let each = signs.into_iter().enumerate().flat_map(|(rule, signs)| signs.into_iter().map(move |sign| (rule, sign)));
        for (rule, sign) in each {
            let Some(text) = sign.text() else {
                if sign == Sign::Always {
                    always.push(rule);
                }
                continue;
            };
            let number = *known.entry(sign.clone()).or_insert_with(|| {
                texts.push(text.to_vec());
                rules.push(Vec::new());
                let number = texts.len() - 1;
                match &sign {
                    Sign::Begins(text) => begins.entry(text[0]).or_default().push(number),
                    Sign::Holds(_) => holds.push(number),
                    _ => anywhere.push(number),
                }
                number
            });
            rules[number].push(rule);
        }
        // Without an automaton, which only a size beyond memory prevents, every rule is tried.
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts).ok();
        Self { texts, rules, search, begins, holds, anywhere, always }
    }

    fn add(&self, text: usize, out: &mut Candidates) {
        self.rules[text].iter().for_each(|rule| out.add(*rule));
    }

    fn add_hidden(&self, text: usize, laid: &Laid, wanted: Wanted<'_>, out: &mut Candidates) {
        for rule in &self.rules[text] {
            if !out.has(*rule) && wanted(*rule, laid) {
                out.add_hidden(*rule);
            }
        }
    }

    /// The rules that may match in a text.
    pub(crate) fn in_text(&self, text: &[u8], out: &mut Candidates) {
        self.always.iter().for_each(|rule| out.add(*rule));
        match &self.search {
            Some(search) => search.find_overlapping_iter(text).for_each(|found| self.add(found.pattern().as_usize(), out)),
            None => (0..self.texts.len()).for_each(|text| self.add(text, out)),
        }
    }

    /// The rules that may match in events of a pattern.
    pub(crate) fn in_pattern(&self, laid: &Laid, all: Span, message: Span, wanted: Wanted<'_>, out: &mut Candidates) {
        self.in_text(laid.bytes(all), out);
        for (texts, span) in [(&self.holds, message), (&self.anywhere, all)] {
            if laid.slots_in(span).next().is_some() {
                let hidden = texts.iter().filter(|text| laid.may_hold(&self.texts[**text], span));
                hidden.for_each(|text| self.add_hidden(*text, laid, wanted, out));
            }
        }
        if laid.slots_in(message).next().is_some() {
            let begin = laid.first_byte(message).map_or_else(|| self.begins.values().flatten().collect(), |byte| self.of(byte));
            let hidden = begin.into_iter().filter(|text| laid.may_follow(&self.texts[**text], message.start));
            hidden.for_each(|text| self.add_hidden(*text, laid, wanted, out));
        }
    }

    fn of(&self, byte: u8) -> Vec<&usize> {
        self.begins.get(&byte).into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_pattern::{Pattern, Piece, SlotKind};

    fn pattern(pieces: &[&str]) -> Laid {
        let piece = |text: &&str| match *text {
            "<w>" => Piece::Slot(SlotKind::Word),
            "<t>" => Piece::Slot(SlotKind::Time),
            "<q>" => Piece::Slot(SlotKind::Quoted),
            text => Piece::Text(text.into()),
        };
        Laid::new(&Pattern::new(pieces.iter().map(piece)), &[])
    }

    fn found(signs: &[Sign], pieces: &[&str]) -> Vec<usize> {
        let laid = pattern(pieces);
        let mut out = Candidates::default();
        let all = Span::new(0, crate::tape::Tape::len(&laid));
        Index::new(signs.iter().cloned().map(|sign| vec![sign])).in_pattern(&laid, all, all, &|_, _| true, &mut out);
        out.iter().collect()
    }

    #[test]
    fn a_text_is_found_where_it_stands_or_may_stand() {
        let signs = [
            Sign::Holds(b"password for user".to_vec()),
            Sign::Begins(b"Failed password".to_vec()),
            Sign::Always,
            Sign::Begins(b"Accepted key".to_vec()),
            Sign::Holds(b"single".to_vec()),
        ];
        assert_eq!(found(&signs, &["Failed password for user bob"]), [0, 1, 2]);
        assert_eq!(found(&signs, &["Failed ", "<w>", " for user bob"]), [0, 1, 2, 4]);
        assert_eq!(found(&signs, &["<w>", " password for ", "<w>"]), [0, 1, 2, 4]);
        assert_eq!(found(&signs, &["<w>", " ", "<w>", " for ", "<w>"]), [0, 1, 2, 3, 4]);
        assert_eq!(found(&signs, &["Opened ", "<w>", ": by ", "<w>"]), [2, 4]);
        // What is in quotes may be anything, but does not begin the message.
        assert_eq!(found(&signs, &["Opened \"", "<q>", "\""]), [0, 2, 4]);
        // A time may begin with a name of a month, of which the first letter alone is looked at.
        assert_eq!(found(&signs, &["<t>", " for user"]), [1, 2, 3]);
        assert!(found(&signs[..1], &["<t>", " for user"]).is_empty());
    }
}
