//! SQL over the same events, fields and lookups, planned by DataFusion.
//!
//! - [`text`]: parsing, places, errors in words. [`scope`], [`names`]: what names mean; events have any field.
//! - [`rewrite`], [`operators`], [`functions`]: fields are text, and count as numbers where numbers are meant.
//! - [`events`], [`pushdown`], [`newest`], [`counts`]: what the store decides, orders and counts itself.
//! - [`session`]: from a statement to a plan. [`shape`]: its rows in the types of every answer.
//!
//! Only reading statements are there. Nothing here reads the store but through a [`crate::source::Source`].

mod counts;
mod events;
mod functions;
mod names;
mod newest;
mod operators;
mod pushdown;
mod rewrite;
mod scope;
mod session;
mod shape;
mod text;

pub use session::{Session, SqlPlan};

use crate::language::QueryError;

/// The refusal of what would change something.
fn refused(message: &str) -> QueryError {
    QueryError::new(message).with_hint("SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES and DESCRIBE are there")
}
