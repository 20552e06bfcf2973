//! The arguments of one command: a cursor over its text with a helper for each kind of argument.
//!
//! Every helper skips blanks first, and leaves the cursor where it was when it finds nothing of its kind.

use super::error::QueryError;
use super::search::SearchExpr;
use super::span::Span;
use super::time::TimeSpan;
use crate::eval::Expr;
use std::sync::Arc;

/// A word as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text, without quotes and with escapes undone.
    pub text: String,
    /// Whether it stood in double quotes.
    pub quoted: bool,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// The name of a field as typed; may hold `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    /// The name without quotes.
    pub name: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl FieldName {
    /// Whether the name has a `*`.
    pub fn is_wildcard(&self) -> bool {
        self.name.contains('*')
    }
}

/// An option as typed: `limit=10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionArg {
    /// The name as it stands in the list of known ones.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// The value.
    pub value: Word,
}

/// The width of a bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BinSpan {
    /// A length of time: `10m`, `1d`, `1w@w1`.
    Time(TimeSpan),
    /// A plain number.
    Number(f64),
    /// Logarithmic: `log2`, `2log10` (coefficient before, base after).
    Log {
        /// The first bound above zero.
        coefficient: f64,
        /// The factor from a bound to the next.
        base: f64,
    },
}

/// A cursor over the arguments of a command.
#[derive(Clone, Debug)]
pub struct Args {
    query: Arc<str>,
    at: usize,
    end: usize,
}

impl Args {
    /// A cursor over `query[start..end]`.
    pub fn new(query: Arc<str>, start: usize, end: usize) -> Self {
        Self { query, at: start, end }
    }

    /// Whether nothing but blanks is left.
    pub fn at_end(&self) -> bool {
        unimplemented!()
    }

    /// What is left, without leading blanks; does not consume.
    pub fn remaining(&self) -> &str {
        unimplemented!()
    }

    /// The place of the next word, or an empty place at the end; for errors.
    pub fn next_span(&self) -> Span {
        unimplemented!()
    }

    /// An error at the next word.
    pub fn error(&self, _message: impl Into<String>) -> QueryError {
        unimplemented!()
    }

    /// Consumes `symbol` (`,` `(` `)` `+` `-` `=` ...) if it comes next.
    pub fn symbol(&mut self, _symbol: &str) -> bool {
        unimplemented!()
    }

    /// Consumes `symbol` or fails.
    pub fn expect_symbol(&mut self, _symbol: &str) -> Result<(), QueryError> {
        unimplemented!()
    }

    /// Consumes the keyword if it comes next as a whole word, in any case.
    pub fn keyword(&mut self, _word: &str) -> bool {
        unimplemented!()
    }

    /// Whether the keyword comes next.
    pub fn peek_keyword(&self, _word: &str) -> bool {
        unimplemented!()
    }

    /// Consumes the keyword or fails.
    pub fn expect_keyword(&mut self, _word: &str) -> Result<(), QueryError> {
        unimplemented!()
    }

    /// A `name=value` option if one comes next. A name that is not among `known` (any case) is an error with
    /// did-you-mean; `AS`, `BY` and the like never look like one as they have no `=`.
    pub fn option(&mut self, _known: &[&str]) -> Result<Option<OptionArg>, QueryError> {
        unimplemented!()
    }

    /// The next word: quoted, or up to a blank, comma, `=` or parenthesis. `what` completes "expected ...".
    pub fn word(&mut self, _what: &str) -> Result<Word, QueryError> {
        unimplemented!()
    }

    /// The next string in double quotes, escapes undone (`\"` and `\\` only).
    pub fn string(&mut self, _what: &str) -> Result<Word, QueryError> {
        unimplemented!()
    }

    /// The next field name: bare, in single or in double quotes; may hold `*`.
    pub fn field(&mut self, _what: &str) -> Result<FieldName, QueryError> {
        unimplemented!()
    }

    /// Field names separated by commas or blanks, up to the end, a `)`, or one of the keywords in `stops`
    /// (not consumed). May be empty.
    pub fn fields(&mut self, _stops: &[&str]) -> Result<Vec<FieldName>, QueryError> {
        unimplemented!()
    }

    /// A function call's name and the place of its arguments: `dc(user)` gives `dc` and leaves the cursor
    /// after the `(`. Nothing when the next word is not followed by `(`.
    pub fn call(&mut self) -> Option<Word> {
        unimplemented!()
    }

    /// The next whole number, sign allowed, if one comes next.
    pub fn integer(&mut self) -> Option<(i64, Span)> {
        unimplemented!()
    }

    /// An expression of `eval`; ends where it cannot go on: at `,`, `)`, a keyword such as BY or AS, the end.
    pub fn expression(&mut self) -> Result<Expr, QueryError> {
        unimplemented!()
    }

    /// Everything left as a search expression; time bounds in it are an error.
    pub fn search(&mut self) -> Result<SearchExpr, QueryError> {
        unimplemented!()
    }

    /// Everything left, without blanks at the ends, and its place.
    pub fn rest(&mut self) -> (String, Span) {
        unimplemented!()
    }

    /// Fails when anything is left: names what was not understood.
    pub fn finish(&self) -> Result<(), QueryError> {
        unimplemented!()
    }
}

impl Word {
    /// The word as a whole number of at least `min`.
    pub fn integer(&self, _name: &str, _min: i64) -> Result<i64, QueryError> {
        unimplemented!()
    }

    /// The word as a number.
    pub fn number(&self, _name: &str) -> Result<f64, QueryError> {
        unimplemented!()
    }

    /// The word as a Boolean: t, true, 1, f, false, 0.
    pub fn boolean(&self, _name: &str) -> Result<bool, QueryError> {
        unimplemented!()
    }

    /// The word as the width of a bin.
    pub fn span_value(&self, _name: &str) -> Result<BinSpan, QueryError> {
        unimplemented!()
    }

    /// The word as one of `values` (any case), with did-you-mean.
    pub fn one_of<'v>(&self, _name: &str, _values: &[&'v str]) -> Result<&'v str, QueryError> {
        unimplemented!()
    }
}
