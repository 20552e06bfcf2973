//! Tests of the detect crate through its public functions.

mod new_patterns;
