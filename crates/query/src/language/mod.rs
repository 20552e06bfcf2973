//! The text of a search and what it means: tokens with places, one tree, errors that show where.
//!
//! Nothing here runs a search. Commands parse their own arguments from an [`Args`] cursor; the base search
//! becomes a `store::Filter`; expressions are in [`crate::eval`].

pub mod args;
pub mod ast;
pub mod check;
pub mod error;
pub mod lexer;
pub mod macros;
pub mod search;
pub mod span;
pub mod splice;
pub mod suggest;
pub mod time;

pub use args::{Args, BinSpan, FieldName, OptionArg, Word};
pub use ast::{CommandCall, Grammar, Pipeline, Place, TimeBounds, TimeText};
pub use check::{Check, Token, TokenClass, check};
pub use error::QueryError;
pub use search::{CompareOp, SearchExpr, SearchValue};
pub use span::Span;
pub use splice::Spliced;
pub use time::{SpanUnit, TimeFormat, TimeSpan, resolve};
