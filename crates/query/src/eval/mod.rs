//! Expressions of `eval` and `where`: parsing, types, and evaluation over columns.
//!
//! Columns are Utf8 (text), Float64 and Int64 (numbers), `Timestamp(ns, "UTC")` (times), `List<Utf8>`
//! (multivalue) and Null (missing); Boolean only exists inside expressions. What an expression computes as a
//! number is Float64; a mixture of text and numbers is text. Evaluation never fails: what cannot be computed
//! is null.

mod expr;
mod number;
mod parse;

pub use number::{format_number, parse_number};
pub use parse::parse_at;
pub use expr::{BinaryOp, Expr, ExprKind, UnaryOp};

use crate::language::{QueryError, SearchExpr};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
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
}

impl EvalContext {
    /// A context whose clock stands still at `now`.
    pub fn new(now: Timestamp, tz: TimeZone) -> Self {
        Self { now, tz, clock: None, seed: now.nanos() as u64 }
    }
}

impl Expr {
    /// Parses an expression on its own.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::parse(text)
    }

    /// A search expression as a Boolean expression over rows: terms look into `_raw`.
    pub fn from_search(_search: SearchExpr) -> Self {
        unimplemented!()
    }

    /// The fields that it reads, each once, in order.
    pub fn required_fields(&self) -> Vec<String> {
        unimplemented!()
    }

    /// The type of what [`Compiled::evaluate`] gives.
    pub fn output_type(&self, _schema: &Schema) -> Result<DataType, QueryError> {
        unimplemented!()
    }

    /// Prepares it for batches of `schema`. The result is as in the module's description; a time becomes
    /// epoch seconds. Fields that are not in the schema are null.
    pub fn compile(&self, _schema: &Schema, _context: &EvalContext) -> Result<Compiled, QueryError> {
        unimplemented!()
    }

    /// As [`Expr::compile`] for `eval target=...`: a Boolean result is an error that says how to wrap it, and
    /// for the target `_time` the result is a `Timestamp`.
    pub fn compile_assignment(&self, _target: &str, _schema: &Schema, _context: &EvalContext) -> Result<Compiled, QueryError> {
        unimplemented!()
    }

    /// As [`Expr::compile`] for `where` and the like: a result that is not Boolean is an error.
    pub fn compile_predicate(&self, _schema: &Schema, _context: &EvalContext) -> Result<Compiled, QueryError> {
        unimplemented!()
    }
}

/// An expression that is ready for batches of one schema.
#[derive(Clone)]
pub struct Compiled {}

impl Compiled {
    /// The type of what [`Compiled::evaluate`] gives.
    pub fn output_type(&self) -> &DataType {
        unimplemented!()
    }

    /// One value per row.
    pub fn evaluate(&self, _batch: &RecordBatch) -> ArrayRef {
        unimplemented!()
    }

    /// Which rows it is true for; null counts as false. For what [`Expr::compile_predicate`] gave.
    pub fn evaluate_predicate(&self, _batch: &RecordBatch) -> BooleanArray {
        unimplemented!()
    }
}

/// A function of expressions, as the manual and the editor show it.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub syntax: &'static str,
    /// What it gives, in one sentence.
    pub summary: &'static str,
}

/// All functions, sorted by name.
pub fn functions() -> Vec<FunctionInfo> {
    unimplemented!()
}

/// Any column of the types above as text: how a value is shown, grouped by and joined on.
pub fn column_as_text(_column: &ArrayRef) -> ArrayRef {
    unimplemented!()
}

/// Any column of the types above as numbers (Float64): text that is no number is null, times are epoch seconds.
pub fn column_as_number(_column: &ArrayRef) -> ArrayRef {
    unimplemented!()
}
