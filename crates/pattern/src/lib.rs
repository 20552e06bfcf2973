//! Splits raw bytes, losslessly, into *pattern* (constant text with typed slots) and *variables*.
//!
//! - [`split`] tokenises: where the delimiters are, which tokens are words, quoted strings and times.
//! - [`group`] decides, for many lines at once, which positions are constant and which vary.
//! - [`Pattern`] is the outcome; its id comes from its content and is the same on every node.
//! - [`text`] matches search terms against bytes, by the same rules everywhere.
//! - [`automaton`] decides terms and regular expressions on patterns with open slots.
//! - [`plan`] says how a field is found in a pattern, decided once per pattern.
//! - [`held`] says what the slots of a pattern are known to hold.
//! - [`bytes`] compares short byte strings.
//! - [`lines`] takes events of several lines apart.
//! - [`mine`] merges patterns for people to read.
//!
//! Nothing here knows files, segments or queries.

pub mod automaton;
pub mod bytes;
pub mod group;
pub mod held;
pub mod lines;
pub mod mine;
pub mod pattern;
pub mod plan;
pub mod split;
pub mod text;

pub use held::Held;
pub use pattern::{Pattern, PatternId, Piece, SlotKind};
pub use plan::{FieldFunction, FieldPlan, FieldResolver, Guard, Guarded, NoFields, PlanPiece, Signs};
pub use text::{Term, TermMatcher};
