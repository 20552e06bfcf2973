//! Where the delimiters of a line are: 64 bytes at a time, in operations that the compiler does on many bytes at once.

const WORD: usize = 64;

/// Finds the delimiters of a line, one after the other.
pub struct Delimiters<'l> {
    line: &'l [u8],
    /// The number of the 64 bytes that were looked at last.
    at: usize,
    /// Which of these are delimiters.
    word: u64,
}

impl<'l> Delimiters<'l> {
    /// Of a line.
    pub fn new(line: &'l [u8]) -> Self {
        Self { line, at: 0, word: word_at(line, 0) }
    }

    /// The first delimiter at or after `from`; the line's end where there is none.
    #[inline]
    pub fn next(&mut self, from: usize) -> usize {
        let mut at = from / WORD;
        let mut left = u64::MAX << (from % WORD);
        loop {
            if at != self.at {
                if at * WORD >= self.line.len() {
                    return self.line.len();
                }
                (self.at, self.word) = (at, word_at(self.line, at));
            }
            let word = self.word & left;
            if word != 0 {
                return (at * WORD + word.trailing_zeros() as usize).min(self.line.len());
            }
            (at, left) = (at + 1, u64::MAX);
        }
    }
}

/// Which of the 64 bytes number `at` are delimiters; what is beyond the line counts as such.
fn word_at(line: &[u8], at: usize) -> u64 {
    let rest = &line[(at * WORD).min(line.len())..];
    match rest.first_chunk() {
        Some(bytes) => word(bytes),
        None => {
            let mut bytes = [b' '; WORD];
            bytes[..rest.len()].copy_from_slice(rest);
            word(&bytes)
        }
    }
}

/// Which of 64 bytes are delimiters.
fn word(bytes: &[u8; WORD]) -> u64 {
    let mut flags = [0u8; WORD];
    for (flag, byte) in flags.iter_mut().zip(bytes) {
        *flag = u8::from(is_one(*byte));
    }
    let eight = |(at, flags): (usize, &[u8])| {
        // The product gathers the lowest bits of eight bytes in its highest byte.
        let flags = u64::from_le_bytes(flags.try_into().expect("eight bytes"));
        (flags.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at)
    };
    flags.chunks_exact(8).enumerate().map(eight).fold(0, |word, part| word | part)
}

/// The same as [`super::is_delimiter`], in comparisons of ranges without branches.
#[inline]
fn is_one(byte: u8) -> bool {
    let within = |first: u8, last: u8| byte.wrapping_sub(first) <= last - first;
    within(0, b'"')
        | within(b'&', b',')
        | within(b':', b'?')
        | within(b'[', b'[')
        | within(b']', b']')
        | within(b'{', b'}')
        | within(127, 127)
}

#[cfg(test)]
mod tests {
    use super::super::is_delimiter;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ranges_are_the_delimiters() {
        assert!((0..=255).all(|byte| is_one(byte) == is_delimiter(byte)));
    }

    proptest! {
        #[test]
        fn finds_each_delimiter(line in prop::collection::vec(prop_oneof![Just(b'a'), Just(b' '), any::<u8>()], 0..200), long in 0usize..150) {
            let line = [vec![b'x'; long], line].concat();
            let mut delimiters = Delimiters::new(&line);
            for from in (0..line.len()).chain([0, line.len() / 2]) {
                let expected = line[from..].iter().position(|byte| is_delimiter(*byte)).map_or(line.len(), |at| from + at);
                prop_assert_eq!(delimiters.next(from), expected);
            }
        }
    }
}
