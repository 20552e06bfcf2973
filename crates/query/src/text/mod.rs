//! Texts compared with each other. Nothing here knows rows, columns or commands.

pub mod diff;
pub mod normal;
