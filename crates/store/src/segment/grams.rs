//! Which runs of three bytes a text has, in about two bits for each of its bytes: tells that a literal cannot stand in
//! the text without looking through it. Made when a short text is first looked through and kept in memory with its
//! segment, never stored: small dictionaries have no filter in the file, and searches ask all of them.

/// Texts beyond this have nearly all runs of the characters that they use, so that few literals would be ruled out.
pub const GRAMMED_TEXT_MAX: usize = 64 << 10;

/// Spreads the bytes of a run over 32 bits (Knuth's multiplicative hashing).
const SPREAD: u32 = 0x9e37_79b1;

/// The runs of a text.
#[derive(Debug)]
pub struct Grams {
    bits: Vec<u64>,
    /// What is left of 32 bits after this shift is the number of a bit.
    shift: u32,
}

impl Grams {
    /// The runs of a text, letters of ASCII without case.
    pub fn of(text: &[u8]) -> Self {
        let bits = (text.len().min(GRAMMED_TEXT_MAX) * 2).next_power_of_two().max(64);
        let mut this = Self { bits: vec![0; bits / 64], shift: 32 - bits.trailing_zeros() };
        for run in runs(text) {
            let bit = this.place(run);
            this.bits[bit / 64] |= 1 << (bit % 64);
        }
        this
    }

    fn place(&self, run: u32) -> usize {
        (run.wrapping_mul(SPREAD) >> self.shift) as usize
    }

    /// Whether a literal with these runs may stand in the text.
    pub fn may_hold(&self, runs: &[u32]) -> bool {
        runs.iter().map(|run| self.place(*run)).all(|bit| self.bits[bit / 64] & 1 << (bit % 64) != 0)
    }
}

/// The runs of three bytes of a text, letters of ASCII without case.
pub fn runs(text: &[u8]) -> impl Iterator<Item = u32> {
    text.windows(3).map(|run| run.iter().fold(0, |sum, byte| sum << 8 | u32::from(byte.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_stands_in_a_text_is_never_ruled_out(text in ".{0,300}", from in 0usize..300, len in 0usize..40) {
            let bytes = text.as_bytes();
            let from = from.min(bytes.len());
            let part = bytes[from..(from + len).min(bytes.len())].to_ascii_uppercase();
            prop_assert!(Grams::of(bytes).may_hold(&runs(&part).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn few_of_others_are_taken_for_possible() {
        let text: Vec<u8> = (0..4_000u32).flat_map(|i| format!("worker-{i:04} ").into_bytes()).collect();
        let grams = Grams::of(&text);
        let literals = (0..1_000u64).map(|i| format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes())));
        let wrong = literals.filter(|literal| grams.may_hold(&runs(literal.as_bytes()).collect::<Vec<_>>())).count();
        // Some have digits alone, of which the text has all runs.
        assert!(wrong < 5, "{wrong}");
        assert!(grams.may_hold(&runs(b"WORKER-0017").collect::<Vec<_>>()));
    }
}
