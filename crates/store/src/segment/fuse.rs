//! A set of 64-bit keys in about five bits a key: whether a key is in it, with a sixteenth of wrong yeses and no
//! wrong no. A binary fuse filter with three places a key and fingerprints of four bits (Graf and Lemire,
//! "Binary Fuse Filters: Fast and Smaller Than Xor Filters", 2022).
//!
//! Why so few bits: a wrong yes costs the reading of one page; at four bits one page of sixteen is read in vain
//! where a needle is looked for, and the filter takes half of what eight bits would.

/// Bytes before the fingerprints: logarithm of a segment's length, segments, seed.
const HEAD_BYTES: usize = 6;

/// Seeds that are tried before the set is given up; the first nearly always does.
const SEEDS_MAX: u8 = 32;

/// Where keys have their places.
#[derive(Clone, Copy, Debug)]
struct Layout {
    log2: u8,
    segments: u32,
    seed: u8,
}

impl Layout {
    fn for_keys(keys: usize) -> Self {
        let n = keys.max(2) as f64;
        let log2 = (n.ln() / 3.33f64.ln() + 2.25).floor().clamp(2.0, 18.0) as u8;
        let factor = (0.875 + 0.25 * 1e6f64.ln() / n.ln()).max(1.125);
        let segments = ((n * factor).ceil() as u64).div_ceil(1 << log2).saturating_sub(2).max(1) as u32;
        Self { log2, segments, seed: 0 }
    }

    fn places(self) -> usize {
        (self.segments as usize + 2) << self.log2
    }

    fn hash(self, key: u64) -> u64 {
        let mut h = key.wrapping_add(u64::from(self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        h ^= h >> 33;
        h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
        h ^= h >> 33;
        h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ (h >> 33)
    }

    /// The three places of a hash.
    fn three(self, hash: u64) -> [usize; 3] {
        let (len, mask) = (1usize << self.log2, (1u64 << self.log2) - 1);
        let first = ((u128::from(hash) * (u128::from(self.segments) << self.log2)) >> 64) as usize;
        [first, (first + len) ^ ((hash >> 18) & mask) as usize, (first + 2 * len) ^ (hash & mask) as usize]
    }
}

fn fingerprint(hash: u64) -> u8 {
    ((hash ^ (hash >> 32)) & 15) as u8
}

/// The filter of `keys`, sorted and all different; `None` if there is no way to build it.
pub fn build(keys: &[u64]) -> Option<Vec<u8>> {
    let mut layout = Layout::for_keys(keys.len());
    let mut order = Vec::with_capacity(keys.len());
    let places = layout.places();
    let (mut counts, mut hashes) = (vec![0u8; places], vec![0u64; places]);
    while !peel(layout, keys, &mut counts, &mut hashes, &mut order) {
        layout.seed += 1;
        if layout.seed == SEEDS_MAX {
            return None;
        }
    }
    let mut prints = counts;
    prints.fill(0);
    for (hash, place) in order.iter().rev() {
        let all = layout.three(*hash).iter().fold(fingerprint(*hash), |print, at| print ^ prints[*at]);
        prints[*place as usize] ^= all;
    }
    let mut out = Vec::with_capacity(HEAD_BYTES + places / 2);
    out.push(layout.log2);
    out.extend_from_slice(&layout.segments.to_le_bytes());
    out.push(layout.seed);
    out.extend(prints.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0) << 4));
    Some(out)
}

/// Takes away keys that have a place of their own until none is left; gives them in that order.
fn peel(layout: Layout, keys: &[u64], counts: &mut [u8], hashes: &mut [u64], order: &mut Vec<(u64, u32)>) -> bool {
    counts.fill(0);
    hashes.fill(0);
    order.clear();
    for key in keys {
        let hash = layout.hash(*key);
        for at in layout.three(hash) {
            let Some(count) = counts[at].checked_add(1) else { return false };
            counts[at] = count;
            hashes[at] ^= hash;
        }
    }
    let mut alone: Vec<u32> = (0..counts.len() as u32).filter(|at| counts[*at as usize] == 1).collect();
    while let Some(at) = alone.pop() {
        if counts[at as usize] != 1 {
            continue;
        }
        let hash = hashes[at as usize];
        order.push((hash, at));
        for other in layout.three(hash) {
            counts[other] -= 1;
            hashes[other] ^= hash;
            if counts[other] == 1 {
                alone.push(other as u32);
            }
        }
    }
    order.len() == keys.len()
}

/// Whether a key may be in a filter; bytes that are no filter hold everything.
pub fn may_hold(filter: &[u8], key: u64) -> bool {
    let (Some(head), Some(prints)) = (filter.get(..HEAD_BYTES), filter.get(HEAD_BYTES..)) else { return true };
    let segments = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let layout = Layout { log2: head[0], segments, seed: head[5] };
    // Without segments the third place would be behind the last.
    if layout.log2 > 18 || segments == 0 || (u64::from(segments) + 2) << layout.log2 > prints.len() as u64 * 2 {
        return true;
    }
    let hash = layout.hash(key);
    let print = |at: usize| (prints[at / 2] >> (at % 2 * 4)) & 15;
    layout.three(hash).into_iter().fold(fingerprint(hash), |left, at| left ^ print(at)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u64, salt: u64) -> Vec<u64> {
        let mut keys: Vec<u64> = (0..count).map(|i| xxhash_rust::xxh3::xxh3_64(&(i * 2 + salt).to_le_bytes())).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn no_wrong_no_and_few_wrong_yeses() {
        for count in [0, 1, 2, 3, 7, 100, 1_000, 40_000] {
            let inside = keys(count, 0);
            let filter = build(&inside).expect("is built");
            assert!(inside.iter().all(|key| may_hold(&filter, *key)), "{count}");
            let wrong = keys(10_000, 1).iter().filter(|key| may_hold(&filter, **key)).count();
            assert!((400..850).contains(&wrong), "{wrong} of 10000 at {count} keys");
        }
        assert!(build(&keys(40_000, 0)).unwrap().len() * 8 < 40_000 * 11 / 2);
    }

    #[test]
    fn bytes_that_are_no_filter_hold_everything() {
        for bytes in [&[][..], &[18, 255, 255, 255, 255, 0, 1][..], &[99, 1, 0, 0, 0, 0, 7][..], &[2, 0, 0, 0, 0, 0, 7, 7, 7, 7][..]] {
            assert!(may_hold(bytes, 5));
        }
    }
}
