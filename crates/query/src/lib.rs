//! The search language, from text to rows.
