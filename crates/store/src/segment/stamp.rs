//! What tells, without reading a page, that a term cannot stand in it: classes of bytes, and a filter of tokens.

use taffrail_pattern::bytes::same;
use taffrail_pattern::text::tokens;

const CLASS: [u8; 256] = {
    let mut table = [63u8; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = match b {
            b'a'..=b'z' => b - b'a',
            b'A'..=b'Z' => b - b'A',
            b'0'..=b'9' => 26 + b - b'0',
            b' ' => 36,
            b'.' => 37,
            b'-' => 38,
            b'/' => 39,
            b':' => 40,
            b'_' => 41,
            b'=' => 42,
            b'%' => 43,
            b'@' => 44,
            b'\\' => 45,
            b'$' => 46,
            b'#' => 47,
            b',' => 48,
            b';' => 49,
            b'(' | b')' => 50,
            b'[' | b']' => 51,
            b'{' | b'}' => 52,
            b'"' | b'\'' => 53,
            b'?' | b'&' => 54,
            b'+' | b'*' => 55,
            b'<' | b'>' | b'|' | b'!' => 56,
            _ => 57,
        };
        byte += 1;
    }
    table
};

/// The mask of all bytes that are not ASCII.
pub const NOT_ASCII: u64 = 1 << 63;

/// The mask of `0`-`9`.
pub const DIGITS: u64 = 0x3ff << 26;

/// The mask of hexadecimal digits.
pub const HEX_DIGITS: u64 = DIGITS | 0x3f;

/// The classes of the bytes of `text`, letters without case. Part of the stored format.
pub fn mask(text: &[u8]) -> u64 {
    text.iter().fold(0, |mask, byte| mask | 1 << CLASS[*byte as usize])
}

/// Distinct tokens up to which a page gets a filter: beyond it the filter would cost more than it saves.
const FILTER_TOKENS_MAX: usize = 8_192;

/// Of the first values, how many may bring a new token before a filter is given up as useless.
const SAMPLE: usize = 2_048;

fn hash(token: &[u8]) -> u64 {
    let mut folded = [0u8; 64];
    match folded.get_mut(..token.len()) {
        Some(space) => {
            space.copy_from_slice(token);
            space.make_ascii_lowercase();
            xxhash_rust::xxh3::xxh3_64(space)
        }
        None => xxhash_rust::xxh3::xxh3_64(&token.to_ascii_lowercase()),
    }
}

/// Which tokens a filter knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// All of the page.
    All,
    /// Those without digits: numbers and ids were too many.
    Words,
}

/// A Bloom filter of the tokens of values: 12 bits a token, 6 probes. Letters that are not ASCII keep their
/// case, so terms with such letters must not be asked.
pub fn filter<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<(Known, Vec<u8>)> {
    let mut words = rustc_hash::FxHashSet::default();
    let mut others = rustc_hash::FxHashSet::default();
    let mut known = Known::All;
    let mut last: &[u8] = &[];
    for (at, value) in values.enumerate() {
        if same(value, last) {
            continue;
        }
        last = value;
        for token in tokens(value) {
            if !token.iter().any(u8::is_ascii_digit) {
                words.insert(hash(token));
            } else if known == Known::All {
                others.insert(hash(token));
            }
        }
        if words.len() > FILTER_TOKENS_MAX || (at == SAMPLE && words.len() > SAMPLE) {
            return None;
        }
        if words.len() + others.len() > FILTER_TOKENS_MAX || (at == SAMPLE && others.len() > SAMPLE) {
            known = Known::Words;
            others.clear();
        }
    }
    let wide = ((words.len() + others.len()) * 12).div_ceil(64).max(1);
    let mut bits = vec![0u64; wide];
    for hash in words.into_iter().chain(others) {
        for bit in probes(hash, wide) {
            bits[bit / 64] |= 1 << (bit % 64);
        }
    }
    Some((known, bits.iter().flat_map(|word| word.to_le_bytes()).collect()))
}

fn probes(hash: u64, words: usize) -> impl Iterator<Item = usize> {
    let (first, step) = (hash as u32, (hash >> 32) as u32 | 1);
    (0..6u32).map(move |i| first.wrapping_add(step.wrapping_mul(i)) as usize % (words * 64))
}

/// Whether a token may be in a page with this filter.
pub fn may_hold(known: Known, filter: &[u8], token: &[u8]) -> bool {
    if known == Known::Words && token.iter().any(u8::is_ascii_digit) {
        return true;
    }
    let words = filter.len() / 8;
    words == 0 || probes(hash(token), words).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0)
}
