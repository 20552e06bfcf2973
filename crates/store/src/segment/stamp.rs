//! What tells, without reading a page, that a term cannot stand in it: classes of bytes, and a filter of tokens.

use super::fuse;
use taffrail_pattern::bytes::same;
pub use taffrail_pattern::held::{DIGITS, HEX_DIGITS, NOT_ASCII, mask};
use taffrail_pattern::text::tokens;

/// Different tokens up to which a page gets a filter: more would need more memory than building it is worth.
const FILTER_TOKENS_MAX: usize = 1 << 20;

/// What a filter is. The numbers are part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// A Bloom filter of all tokens (format version 1).
    BloomOfAll = 1,
    /// A Bloom filter of the tokens without digits (format version 1).
    BloomOfWords = 2,
    /// A fuse filter of all tokens (see [`super::fuse`]).
    Fuse = 3,
}

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

/// A filter of the tokens of values, of at most `bytes_max` bytes. Letters that are not ASCII keep their case, so
/// terms with such letters must not be asked.
pub fn filter<'a>(values: impl Iterator<Item = &'a [u8]>, bytes_max: usize) -> Option<Vec<u8>> {
    let tokens_max = FILTER_TOKENS_MAX.min(bytes_max.saturating_mul(2));
    let mut hashes: Vec<u64> = Vec::new();
    let mut last: &[u8] = &[];
    for value in values {
        if same(value, last) {
            continue;
        }
        last = value;
        hashes.extend(tokens(value).map(hash));
        if hashes.len() > tokens_max * 4 {
            hashes.sort_unstable();
            hashes.dedup();
            if hashes.len() > tokens_max {
                return None;
            }
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    fuse::build(&hashes).filter(|filter| filter.len() <= bytes_max)
}

fn probes(hash: u64, words: usize) -> impl Iterator<Item = usize> {
    let (first, step) = (hash as u32, (hash >> 32) as u32 | 1);
    (0..6u32).map(move |i| first.wrapping_add(step.wrapping_mul(i)) as usize % (words * 64))
}

/// Whether a token may be in a page with this filter.
pub fn may_hold(kind: FilterKind, filter: &[u8], token: &[u8]) -> bool {
    match kind {
        FilterKind::Fuse => fuse::may_hold(filter, hash(token)),
        FilterKind::BloomOfWords if token.iter().any(u8::is_ascii_digit) => true,
        FilterKind::BloomOfAll | FilterKind::BloomOfWords => {
            let words = filter.len() / 8;
            words == 0 || probes(hash(token), words).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0)
        }
    }
}
