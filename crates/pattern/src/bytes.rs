//! Comparing short byte strings without a call: values of logs are a few bytes long, and there are very many.

/// Whether two byte strings are equal.
#[inline]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0 => true,
        1..=3 => a[0] == b[0] && a[a.len() / 2] == b[a.len() / 2] && a[a.len() - 1] == b[a.len() - 1],
        4..=7 => word4(a, 0) == word4(b, 0) && word4(a, a.len() - 4) == word4(b, a.len() - 4),
        8..=16 => word8(a, 0) == word8(b, 0) && word8(a, a.len() - 8) == word8(b, a.len() - 8),
        _ => word8(a, 0) == word8(b, 0) && a == b,
    }
}

/// Bytes that one cache line has.
const CACHE_LINE: usize = 64;

/// Asks the processor to fetch bytes that are looked at soon: lines of one shape lie all over a segment's text, and waiting
/// for memory takes longer than anything that is done with them.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    bytes.chunks(CACHE_LINE).take(4).for_each(prefetch_line);
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)]
fn prefetch_line(bytes: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // Safe: the instruction is a hint that reads nothing, whatever the address, and every x86-64 processor has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn prefetch_line(_: &[u8]) {}

#[inline]
fn word4(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[inline]
fn word8(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::same;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_comparing(a in prop::collection::vec(0u8..3, 0..24), flip in any::<usize>(), by in 0u8..3) {
            let mut b = a.clone();
            if let Some(byte) = b.get_mut(flip % (a.len() + 1)) {
                *byte ^= by;
            }
            prop_assert_eq!(same(&a, &b), a == b);
            prop_assert!(!same(&a, &[&a[..], &[0]].concat()));
        }
    }
}
