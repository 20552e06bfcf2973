//! A search expression over rows: the same rules as the base search, on columns.

use super::column::{Type, booleans, normalized};
use super::compile::{Node, Scope};
use crate::language::SearchExpr;
use crate::language::search::{ValueMatcher, is_whole_token};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use std::sync::Arc;
use taffrail_pattern::Term;
use taffrail_pattern::text::TermMatcher;

enum Test {
    Fixed(bool),
    Term(TermMatcher),
    Whole(String),
    Value(String, ValueMatcher),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
}

/// Compiles a search; terms look into `_raw`. It is never unknown: a missing field passes no comparison.
pub fn compile(search: &SearchExpr, _scope: &Scope<'_>) -> Node {
    let test = prepare(search);
    Node::new(Type::Boolean, move |frame| {
        let passes = run(&test, frame.batch);
        let array: ArrayRef = Arc::new(passes.into_iter().map(Some).collect::<BooleanArray>());
        super::column::Operand::rows(array)
    })
}

fn prepare(search: &SearchExpr) -> Test {
    match search {
        SearchExpr::All => Test::Fixed(true),
        SearchExpr::Term { text, whole: true, .. } => Test::Whole(text.clone()),
        SearchExpr::Term { text, case_sensitive, .. } => {
            Test::Term(TermMatcher::new(&Term { case_sensitive: *case_sensitive, ..Term::wildcard(text) }))
        }
        SearchExpr::Compare { field, op, value } => Test::Value(field.clone(), ValueMatcher::new(*op, value)),
        SearchExpr::In { field, values } => Test::Value(field.clone(), ValueMatcher::any_of(values)),
        SearchExpr::And(parts) => Test::All(parts.iter().map(prepare).collect()),
        SearchExpr::Or(parts) => Test::Any(parts.iter().map(prepare).collect()),
        SearchExpr::Not(inner) => Test::Not(Box::new(prepare(inner))),
    }
}

fn run(test: &Test, batch: &RecordBatch) -> Vec<bool> {
    let rows = batch.num_rows();
    match test {
        Test::Fixed(value) => vec![*value; rows],
        Test::Term(matcher) => per_row(batch, "_raw", |text| matcher.matches(text.as_bytes())),
        Test::Whole(wanted) => per_row(batch, "_raw", |text| is_whole_token(wanted, text)),
        Test::Value(field, matcher) => per_row(batch, field, |text| matcher.matches(text)),
        Test::All(parts) => parts.iter().fold(vec![true; rows], |so_far, part| merge(so_far, &run(part, batch), |a, b| a && b)),
        Test::Any(parts) => parts.iter().fold(vec![false; rows], |so_far, part| merge(so_far, &run(part, batch), |a, b| a || b)),
        Test::Not(inner) => run(inner, batch).into_iter().map(|value| !value).collect(),
    }
}

fn merge(mut left: Vec<bool>, right: &[bool], join: fn(bool, bool) -> bool) -> Vec<bool> {
    left.iter_mut().zip(right).for_each(|(left, right)| *left = join(*left, *right));
    left
}

/// Whether any value of the field passes, per row.
fn per_row(batch: &RecordBatch, field: &str, passes: impl Fn(&str) -> bool) -> Vec<bool> {
    let rows = batch.num_rows();
    let Some(column) = batch.column_by_name(field) else { return vec![false; rows] };
    let operand = super::column::Operand::rows(normalized(column));
    let reader = operand.reader();
    let found = booleans(rows, |row| Some(reader.many(row).iter().any(|value| passes(value))));
    let found = arrow::array::AsArray::as_boolean(&found);
    found.iter().map(|value| value == Some(true)).collect()
}
