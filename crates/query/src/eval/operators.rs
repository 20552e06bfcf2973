//! Arithmetic, concatenation, comparison, and logic with three values.

use super::column::{Operand, Reader, Type, booleans};
use super::compile::{Node, Scope, compile, condition, number_like};
use super::expr::{BinaryOp, Expr};
use super::functions::text::LikePattern;
use super::number::{format_number, parse_number};
use crate::language::QueryError;
use arrow::array::BooleanArray;
use arrow::compute::{and_kleene, or_kleene};
use std::cmp::Ordering;
use std::sync::Arc;

/// Compiles an operator between two operands.
pub fn binary(op: BinaryOp, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Result<Node, QueryError> {
    match op {
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo | BinaryOp::Subtract => {
            let args = vec![number_like(left, scope)?, number_like(right, scope)?];
            Ok(Node::numbers(args, move |values, row| arithmetic(op, values[0].number(row)?, values[1].number(row)?)))
        }
        BinaryOp::Add => Ok(add(compile(left, scope)?, compile(right, scope)?)),
        BinaryOp::Concat => {
            let args = vec![compile(left, scope)?, compile(right, scope)?];
            Ok(Node::texts(args, |values, row| Some(format!("{}{}", values[0].text(row)?, values[1].text(row)?))))
        }
        BinaryOp::Like => {
            let pattern = LikePattern::of(right);
            let args = vec![compile(left, scope)?, compile(right, scope)?];
            Ok(Node::booleans(args, move |values, row| Some(pattern.matches(&values[0].text(row)?, &values[1].text(row)?))))
        }
        BinaryOp::Xor => {
            let args = vec![condition(left, scope)?, condition(right, scope)?];
            Ok(Node::booleans(args, |values, row| Some(values[0].boolean(row)? != values[1].boolean(row)?)))
        }
        _ => Ok(comparison(op, compile(left, scope)?, compile(right, scope)?)),
    }
}

fn arithmetic(op: BinaryOp, left: f64, right: f64) -> Option<f64> {
    match op {
        BinaryOp::Multiply => Some(left * right),
        BinaryOp::Subtract => Some(left - right),
        BinaryOp::Divide => (right != 0.0).then(|| left / right),
        _ => (right != 0.0).then(|| left % right),
    }
}

/// Adds where both sides are numbers, joins where both are text, else nothing.
fn add(left: Node, right: Node) -> Node {
    let sum = |values: &[Reader<'_>], row: usize| Some(values[0].number(row)? + values[1].number(row)?);
    if left.ty.is_numeric() || right.ty.is_numeric() {
        return Node::numbers(vec![left, right], sum);
    }
    Node::texts(vec![left, right], move |values, row| match sum(values, row) {
        Some(sum) => Some(format_number(sum)),
        None => Some(format!("{}{}", values[0].text(row)?, values[1].text(row)?)),
    })
}

/// All (`any` false) or any of the conditions, with three values: unknown unless the others decide.
pub fn all(parts: &[Node], any: bool) -> Result<Node, QueryError> {
    let parts = parts.to_vec();
    Ok(Node::new(Type::Boolean, move |frame| {
        let rows = frame.batch.num_rows();
        let mut result: Option<(BooleanArray, bool)> = None;
        for part in &parts {
            let operand = (part.run)(frame);
            let constant = operand.constant && result.as_ref().is_none_or(|(_, constant)| *constant);
            let length = if constant { 1 } else { rows };
            let reader = operand.reader();
            let next: BooleanArray = (0..length).map(|row| reader.boolean(row)).collect();
            result = Some(match result {
                None => (next, constant),
                Some((so_far, was_constant)) => {
                    let so_far = if was_constant && !constant { spread(&so_far, rows) } else { so_far };
                    let joined = if any { or_kleene(&so_far, &next) } else { and_kleene(&so_far, &next) };
                    (joined.unwrap_or_else(|_| BooleanArray::new_null(length)), constant)
                }
            });
        }
        match result {
            Some((array, true)) => Operand::constant(Arc::new(array)),
            Some((array, false)) => Operand::rows(Arc::new(array)),
            None => Operand::constant(Arc::new(BooleanArray::from(vec![!any]))),
        }
    }))
}

fn spread(one: &BooleanArray, rows: usize) -> BooleanArray {
    let value = one.iter().next().flatten();
    (0..rows).map(|_| value).collect()
}

fn comparison(op: BinaryOp, left: Node, right: Node) -> Node {
    let numeric = left.ty.is_numeric() && right.ty.is_numeric();
    let listed = left.ty == Type::List || right.ty == Type::List;
    Node::over(Type::Boolean, vec![left, right], move |rows, values| {
        if numeric {
            return booleans(rows, |row| Some(holds(op, values[0].number(row)?.partial_cmp(&values[1].number(row)?)?)));
        }
        if listed {
            return booleans(rows, |row| any_holds(op, values, row));
        }
        booleans(rows, |row| compare(&values[0], &values[1], row).map(|order| holds(op, order)))
    })
}

/// A multivalue passes when any of its values does.
fn any_holds(op: BinaryOp, values: &[Reader<'_>], row: usize) -> Option<bool> {
    let (left, right) = (values[0].many(row), values[1].many(row));
    if left.is_empty() || right.is_empty() {
        return None;
    }
    Some(left.iter().any(|left| right.iter().any(|right| holds(op, compare_texts(left, right)))))
}

fn holds(op: BinaryOp, order: Ordering) -> bool {
    match op {
        BinaryOp::Equal => order == Ordering::Equal,
        BinaryOp::NotEqual => order != Ordering::Equal,
        BinaryOp::Less => order == Ordering::Less,
        BinaryOp::LessEqual => order != Ordering::Greater,
        BinaryOp::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }
}

/// The order of two values: as numbers when both are, else as text.
pub fn compare(left: &Reader<'_>, right: &Reader<'_>, row: usize) -> Option<Ordering> {
    // Without making text of numbers first, which is what most comparisons would spend their time on.
    if let (Some(left), Some(right)) = (left.number(row), right.number(row)) {
        return left.partial_cmp(&right);
    }
    Some(compare_texts(&left.text(row)?, &right.text(row)?))
}

/// The order of two texts: as numbers when both are, else byte by byte.
pub fn compare_texts(left: &str, right: &str) -> Ordering {
    match (parse_number(left), parse_number(right)) {
        (Some(left), Some(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        _ => left.cmp(right),
    }
}

/// Whether the first operand equals any of the others; unknown when it is missing.
pub fn in_list(items: Vec<Node>) -> Node {
    Node::over(Type::Boolean, items, |rows, values| {
        // What is written out in the query is the same for every row.
        let fixed: Vec<Option<String>> =
            values[1..].iter().map(|item| item.is_constant().then(|| item.text(0)).flatten().map(|text| text.into_owned())).collect();
        booleans(rows, |row| {
            let wanted = values[0].many(row);
            let among = |value: &str| {
                let mut items = values[1..].iter().zip(&fixed);
                items.any(|(item, fixed)| match fixed {
                    Some(fixed) => compare_texts(value, fixed) == Ordering::Equal,
                    None => item.text(row).is_some_and(|item| compare_texts(value, &item) == Ordering::Equal),
                })
            };
            (!wanted.is_empty()).then(|| wanted.iter().any(|value| among(value)))
        })
    })
}
