//! The search language, from text to rows.

pub mod eval;
pub mod language;
