//! A text of hexadecimal digits that may stand anywhere within a value, looked for in bytes whose halves are the digits.

use super::select::{Bits, Selection};
use crate::segment::strings::HexValues;
use memchr::memmem::Finder;
use taffrail_pattern::Term;

/// Whole bytes that a text has at least, wherever it begins: fewer stand nearly everywhere.
const WHOLE_MIN: usize = 2;

/// The digits of a term, made ready.
#[derive(Debug)]
pub struct Nibbles {
    digits: Vec<u8>,
    /// The whole bytes when the first digit is the first half of a byte, and when it is the second.
    finders: [Finder<'static>; 2],
    open_start: bool,
    open_end: bool,
}

impl Nibbles {
    /// Of a term that is one literal of hexadecimal digits, open at an end at least; none otherwise.
    pub fn of(term: &Term) -> Option<Self> {
        let text = term.single_literal().filter(|_| term.open_start() || term.open_end())?;
        let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
        let whole = |from: usize| -> Vec<u8> { digits[from..].chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect() };
        if digits.len() <= 2 * WHOLE_MIN {
            return None;
        }
        let finders = [0, 1].map(|from| Finder::new(&whole(from)).into_owned());
        Some(Self { finders, digits, open_start: term.open_start(), open_end: term.open_end() })
    }

    /// The values that hold the digits, in whatever case.
    pub fn rows(&self, values: &HexValues) -> Selection {
        let (bytes, value_digits) = (values.bytes(), values.width * 2);
        let digit = |at: usize| if at.is_multiple_of(2) { bytes[at / 2] >> 4 } else { bytes[at / 2] & 15 };
        let mut bits = None;
        for (odd, finder) in self.finders.iter().enumerate() {
            let mut from = 0;
            while let Some(found) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
                let at = from + found;
                from = at + 1;
                let Some(start) = (at * 2).checked_sub(odd) else { continue };
                let (row, end) = (start / value_digits, start + self.digits.len());
                let within = end <= (row + 1) * value_digits;
                let closed = (self.open_start || start == row * value_digits) && (self.open_end || end == (row + 1) * value_digits);
                let ends_match = || digit(start) == self.digits[0] && digit(end - 1) == self.digits[self.digits.len() - 1];
                if within && closed && ends_match() {
                    bits.get_or_insert_with(|| Bits::new(values.len())).set(row);
                }
            }
        }
        bits.map_or(Selection::None, Selection::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::strings::Text;
    use proptest::prelude::*;
    use taffrail_pattern::TermMatcher;

    proptest! {
        #[test]
        fn finds_what_the_spelled_digits_hold(
            bytes in prop::collection::vec(prop_oneof![Just(0x11u8), Just(0x1a), Just(0xa1), Just(0xaa)], 40),
            wanted in "[1a]{3,9}",
            shape in 0usize..3,
        ) {
            let values = HexValues::new(Text::Own(bytes), 8, false, 5).unwrap();
            let term = Term::wildcard(&[format!("*{wanted}*"), format!("{wanted}*"), format!("*{wanted}")][shape]);
            let matcher = TermMatcher::new(&term);
            let mut text = Vec::new();
            let spelled = Selection::of(5, |row| {
                text.clear();
                values.spell(row, &mut text);
                matcher.matches(&text)
            });
            match Nibbles::of(&term) {
                Some(nibbles) => prop_assert_eq!(nibbles.rows(&values), spelled),
                None => prop_assert!(wanted.len() <= 4),
            }
        }
    }
}
