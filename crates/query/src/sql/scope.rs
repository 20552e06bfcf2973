//! What the names in a part of a statement can stand for. Columns of events are open: any name is one of them.

use crate::language::suggest::nearest;
use crate::language::{QueryError, Span};
use std::collections::BTreeSet;

/// What every table of events has, whatever its events hold.
pub const CORE: [&str; 6] = ["_time", "index", "host", "source", "sourcetype", "_raw"];

/// A table as a statement names it at one place; two places are two mentions, each with columns of its own.
#[derive(Clone, Debug)]
pub struct Mention {
    /// The name that the planner knows it by.
    pub name: String,
    /// What it is.
    pub what: What,
    /// The fields that are asked of it by name.
    pub fields: BTreeSet<String>,
    /// Whether all of its fields are wanted (`*`).
    pub everything: bool,
    /// Searches of which each event tells whether it matches: a hidden column each.
    pub searches: Vec<String>,
}

/// What a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Events: of an index, or what a search without an index sees.
    Events(Option<String>),
    /// The events that a search finds.
    Found(String),
    /// The rows that a search with commands makes.
    Search(String),
    /// A lookup.
    Lookup(String),
}

/// The columns of a relation, or of what a query gives.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Those that are known.
    pub known: Vec<String>,
    /// Mentions of events behind it, which have any other name too.
    pub open: Vec<usize>,
    /// Whether there may be others: what the planner knows better.
    pub unknown: bool,
}

/// A table in a `FROM`, with the name that it has there.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The name; empty where it has none.
    pub alias: String,
    /// Its columns.
    pub columns: Columns,
}

/// What is in reach of an expression.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The tables of the `FROM`.
    pub relations: Vec<Relation>,
    /// Names that the projection gives; for what stands after it.
    pub aliases: Vec<String>,
}

/// A scope and those around it, the innermost last.
pub type Scopes<'a> = &'a [Scope];

impl Columns {
    /// Columns that are all there are.
    pub fn closed(known: Vec<String>) -> Self {
        Self { known, ..Self::default() }
    }

    fn has(&self, name: &str) -> bool {
        self.known.iter().any(|known| known == name)
    }
}

/// The relation that a name before a dot means, and the name as it was given to it.
pub fn relation<'a>(scopes: Scopes<'a>, alias: &str) -> Option<&'a Relation> {
    let of = |same: &dyn Fn(&str) -> bool| {
        scopes.iter().rev().find_map(|scope| scope.relations.iter().find(|relation| !relation.alias.is_empty() && same(&relation.alias)))
    };
    of(&|known| known == alias).or_else(|| of(&|known| known.eq_ignore_ascii_case(alias)))
}

/// Finds what a name without a table stands for: the mentions of events that have to have it.
pub fn resolve(scopes: Scopes<'_>, name: &str, aliases: bool, span: Option<Span>) -> Result<Vec<usize>, QueryError> {
    for (depth, scope) in scopes.iter().rev().enumerate() {
        if scope.relations.iter().any(|relation| relation.columns.has(name)) {
            return Ok(Vec::new());
        }
        if depth == 0 && aliases && scope.aliases.iter().any(|alias| alias == name) {
            return Ok(Vec::new());
        }
        let open: Vec<usize> = scope.relations.iter().flat_map(|relation| relation.columns.open.clone()).collect();
        if !open.is_empty() {
            return Ok(open);
        }
        if scope.relations.iter().any(|relation| relation.columns.unknown) {
            return Ok(Vec::new());
        }
    }
    let known = scopes.iter().flat_map(|scope| {
        let columns = scope.relations.iter().flat_map(|relation| &relation.columns.known);
        columns.chain(&scope.aliases).map(String::as_str)
    });
    let error = located(format!("there is no column {name:?} here"), span);
    Err(error.with_suggestions(nearest(name, known)).or_hint("text is written in single quotes: 'text'"))
}

/// What the column of a relation needs: the mentions of events that have to have it.
pub fn column_of(relation: &Relation, name: &str, span: Option<Span>) -> Result<Vec<usize>, QueryError> {
    let columns = &relation.columns;
    if columns.has(name) || columns.unknown {
        return Ok(Vec::new());
    }
    if !columns.open.is_empty() {
        return Ok(columns.open.clone());
    }
    let error = located(format!("{:?} has no column {name:?}", relation.alias), span);
    let known = columns.known.iter().map(String::as_str);
    Err(error.with_suggestions(nearest(name, known)).or_hint(format!("it has {}", columns.known.join(", "))))
}

/// An error at a place, where that is known.
pub fn located(message: impl Into<String>, span: Option<Span>) -> QueryError {
    QueryError { span, ..QueryError::new(message) }
}
