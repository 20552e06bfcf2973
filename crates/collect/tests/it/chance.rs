//! Chance that is the same in every run.

/// Numbers one after the other (xorshift).
pub fn numbers() -> impl FnMut() -> usize {
    let mut state = 88_172_645_463_325_252u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    }
}
