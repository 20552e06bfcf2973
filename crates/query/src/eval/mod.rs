//! Expressions of `eval` and `where`: parsing, types, and evaluation over columns.
//!
//! Columns are Utf8 (text), Float64 and Int64 (numbers), `Timestamp(ns, "UTC")` (times), `List<Utf8>`
//! (multivalue) and Null (missing); Boolean only exists inside expressions. What an expression computes as a
//! number is Float64; a mixture of text and numbers is text. Evaluation never fails: what cannot be computed
//! is null.

mod column;
mod compile;
mod expr;
mod functions;
mod number;
mod operators;
mod parse;
mod rows;
#[cfg(test)]
mod tests;

pub use column::{column_as_number, column_as_text};
pub use compile::Compiled;
pub use expr::{BinaryOp, Expr, ExprKind, UnaryOp};
pub use functions::{FunctionInfo, functions};
pub use number::{format_number, parse_number};
pub use parse::parse_at;

use crate::knowledge::Knowledge;
use crate::language::{QueryError, SearchExpr, Span};
use jiff::tz::TimeZone;
use std::sync::Arc;
use taffrail_base::Clock;
use taffrail_event::Timestamp;

/// What an expression needs to know beside the row.
#[derive(Clone)]
pub struct EvalContext {
    /// When the search started: `now()`.
    pub now: Timestamp,
    /// The zone of dates and snapping.
    pub tz: TimeZone,
    /// The wall clock for `time()`; without it `time()` is `now()`.
    pub clock: Option<Arc<dyn Clock>>,
    /// Where `random()` starts.
    pub seed: u64,
    /// What `lookup()` looks into.
    pub knowledge: Knowledge,
}

impl EvalContext {
    /// A context whose clock stands still at `now`.
    pub fn new(now: Timestamp, tz: TimeZone) -> Self {
        Self { now, tz, clock: None, seed: now.nanos() as u64, knowledge: Knowledge::none() }
    }
}

impl Expr {
    /// Parses an expression on its own.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::parse(text)
    }

    /// A search expression as a Boolean expression over rows: terms look into `_raw`.
    pub fn from_search(search: SearchExpr) -> Self {
        Self::new(ExprKind::Search(search), Span::default())
    }

    /// The fields that it reads, each once, in order.
    pub fn required_fields(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut add = |name: String| {
            if !found.contains(&name) {
                found.push(name);
            }
        };
        self.visit(&mut |part| match &part.kind {
            ExprKind::Field(name) => add(name.clone()),
            ExprKind::Search(search) => {
                search.fields().into_iter().for_each(&mut add);
                if search.has_terms() {
                    add("_raw".to_owned());
                }
            }
            _ => {}
        });
        found
    }
}
