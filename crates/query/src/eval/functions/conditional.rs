//! Choosing between values.

use super::super::column::Type;
use super::super::compile::Node;
use super::super::operators::{compare, in_list};
use super::text::{LikePattern, RegexSource};
use super::{ANY, Call, Function};
use crate::language::QueryError;
use crate::language::search::Cidr;
use arrow::array::BooleanArray;
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "if",
        syntax: "if(condition, then, else)",
        summary: "One value where the condition is true, else the other.",
        arity: (3, 3),
        build: if_,
    },
    Function {
        name: "case",
        syntax: "case(condition, value, ...)",
        summary: "The value after the first condition that is true.",
        arity: (2, ANY),
        build: case,
    },
    Function {
        name: "validate",
        syntax: "validate(condition, message, ...)",
        summary: "The message after the first condition that is false.",
        arity: (2, ANY),
        build: validate,
    },
    Function {
        name: "coalesce",
        syntax: "coalesce(value, ...)",
        summary: "The first value that is not null.",
        arity: (1, ANY),
        build: |call| {
            let args = call.args()?;
            Ok(Node::picked(unified(&args), args, |values, row| values.iter().position(|value| value.is_some(row))))
        },
    },
    Function {
        name: "nullif",
        syntax: "nullif(a, b)",
        summary: "Null where both are equal, else the first.",
        arity: (2, 2),
        build: |call| {
            let args = call.args()?;
            Ok(Node::picked(args[0].ty, args, |values, row| (compare(&values[0], &values[1], row) != Some(Ordering::Equal)).then_some(0)))
        },
    },
    Function { name: "true", syntax: "true()", summary: "True.", arity: (0, 0), build: |_| Ok(boolean(true)) },
    Function { name: "false", syntax: "false()", summary: "False.", arity: (0, 0), build: |_| Ok(boolean(false)) },
    Function { name: "null", syntax: "null()", summary: "Null: no value.", arity: (0, 0), build: |_| Ok(Node::null()) },
    Function {
        name: "in",
        syntax: "in(value, a, b, ...)",
        summary: "Whether the value equals one of the others.",
        arity: (2, ANY),
        build: |call| Ok(in_list(call.args()?)),
    },
    Function {
        name: "like",
        syntax: "like(text, \"pattern\")",
        summary: "Whether the text matches; % stands for anything, _ for one character.",
        arity: (2, 2),
        build: |call| {
            let pattern = LikePattern::of(&call.exprs[1]);
            Ok(Node::booleans(call.args()?, move |values, row| Some(pattern.matches(&values[0].text(row)?, &values[1].text(row)?))))
        },
    },
    Function {
        name: "match",
        syntax: "match(text, \"regex\")",
        summary: "Whether the regular expression is found in the text.",
        arity: (2, 2),
        build: |call| {
            let regex = RegexSource::of(call, 1)?;
            Ok(Node::booleans(call.args()?, move |values, row| {
                let text = values[0].text(row)?;
                regex.with(&values[1], row, |regex| regex.is_match(&text))
            }))
        },
    },
    Function {
        name: "cidrmatch",
        syntax: "cidrmatch(\"network\", address)",
        summary: "Whether the address lies in the network, e.g. 10.0.0.0/8.",
        arity: (2, 2),
        build: cidrmatch,
    },
];

fn boolean(value: bool) -> Node {
    Node::constant(Type::Boolean, Arc::new(BooleanArray::from(vec![value])))
}

fn unified(nodes: &[Node]) -> Type {
    nodes.iter().fold(Type::Null, |ty, node| ty.unify(node.ty))
}

fn if_(call: &Call<'_>) -> Result<Node, QueryError> {
    let args = vec![call.condition(0)?, call.arg(1)?, call.arg(2)?];
    Ok(Node::picked(unified(&args[1..]), args, |values, row| Some(if values[0].boolean(row) == Some(true) { 1 } else { 2 })))
}

/// The arguments as pairs of a condition and a value.
fn pairs(call: &Call<'_>) -> Result<(Type, Vec<Node>), QueryError> {
    if call.len() % 2 == 1 {
        return Err(call.error(call.len() - 1, format!("{} needs a value after each condition", call.function.name)));
    }
    let (mut args, mut ty) = (Vec::new(), Type::Null);
    for at in (0..call.len()).step_by(2) {
        args.push(call.condition(at)?);
        let value = call.arg(at + 1)?;
        ty = ty.unify(value.ty);
        args.push(value);
    }
    Ok((ty, args))
}

fn case(call: &Call<'_>) -> Result<Node, QueryError> {
    let (ty, args) = pairs(call)?;
    Ok(Node::picked(ty, args, |values, row| {
        (0..values.len()).step_by(2).find(|at| values[*at].boolean(row) == Some(true)).map(|at| at + 1)
    }))
}

fn validate(call: &Call<'_>) -> Result<Node, QueryError> {
    let (ty, args) = pairs(call)?;
    Ok(Node::picked(ty, args, |values, row| {
        (0..values.len()).step_by(2).find(|at| values[*at].boolean(row) == Some(false)).map(|at| at + 1)
    }))
}

fn cidrmatch(call: &Call<'_>) -> Result<Node, QueryError> {
    let fixed = match call.constant_text(0) {
        Some(text) => Some(Cidr::parse(text).ok_or_else(|| call.error(0, format!("`{text}` is not a network")))?),
        None => None,
    };
    Ok(Node::booleans(call.args()?, move |values, row| {
        let address = values[1].text(row)?;
        let network = match fixed {
            Some(network) => network,
            None => Cidr::parse(&values[0].text(row)?)?,
        };
        Some(network.contains(&address))
    }))
}
