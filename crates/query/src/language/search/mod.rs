//! The tree of a search expression: words, phrases, comparisons of fields, AND, OR, NOT.

use std::fmt;
use taffrail_store::scan::Filter;

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Equal,
    /// `!=`: the field is there and differs.
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// The right side of a comparison; `*` in it is a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchValue {
    /// The text, without quotes.
    pub text: String,
    /// Whether case counts: `CASE(...)`.
    pub case_sensitive: bool,
}

/// Which events, or which rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SearchExpr {
    /// Everything: an empty search, or `*`.
    All,
    /// A word or phrase in `_raw`; `*` is a wildcard.
    Term {
        /// The text without quotes.
        text: String,
        /// `CASE(...)`.
        case_sensitive: bool,
        /// `TERM(...)`: one token between major breakers.
        whole: bool,
    },
    /// `field=value` and the like.
    Compare {
        /// The field.
        field: String,
        /// How.
        op: CompareOp,
        /// With what.
        value: SearchValue,
    },
    /// `field IN (a, b)`.
    In {
        /// The field.
        field: String,
        /// Any of these.
        values: Vec<SearchValue>,
    },
    /// All of these; two or more.
    And(Vec<SearchExpr>),
    /// Any of these; two or more.
    Or(Vec<SearchExpr>),
    /// Not this.
    Not(Box<SearchExpr>),
}

impl SearchExpr {
    /// Parses a search expression on its own (no time bounds).
    pub fn parse(_text: &str) -> Result<Self, super::QueryError> {
        unimplemented!()
    }

    /// The filter for the store, without the rule for unnamed indexes.
    pub fn filter(&self) -> Filter {
        unimplemented!()
    }

    /// The fields that it compares, each once, in order; origin fields among them.
    pub fn fields(&self) -> Vec<String> {
        unimplemented!()
    }

    /// Whether it looks for words in `_raw`.
    pub fn has_terms(&self) -> bool {
        unimplemented!()
    }

    /// The words to mark in a page: terms and compared values that are not negated; may hold `*`.
    pub fn highlights(&self) -> Vec<String> {
        unimplemented!()
    }

    /// Whether it says which index (not only which not).
    pub fn names_index(&self) -> bool {
        unimplemented!()
    }
}

/// The filter for a base search: [`SearchExpr::filter`], and where the search names no index, only indexes
/// whose name does not begin with `_`.
pub fn to_filter(_search: &SearchExpr) -> Filter {
    unimplemented!()
}

/// The indexes that a search without `index=` looks into: those whose name does not begin with `_`.
pub fn default_indexes() -> Filter {
    unimplemented!()
}

impl fmt::Display for SearchExpr {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}
