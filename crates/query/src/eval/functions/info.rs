//! Questions about a value.

use super::super::column::{Reader, Type};
use super::super::compile::Node;
use super::super::expr::ExprKind;
use super::{Call, Function};
use crate::language::QueryError;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "isnull",
        syntax: "isnull(value)",
        summary: "Whether there is no value.",
        arity: (1, 1),
        build: |call| present(call, false),
    },
    Function {
        name: "isnotnull",
        syntax: "isnotnull(value)",
        summary: "Whether there is a value.",
        arity: (1, 1),
        build: |call| present(call, true),
    },
    Function {
        name: "isnum",
        syntax: "isnum(value)",
        summary: "Whether the value is a number.",
        arity: (1, 1),
        build: |call| asked(call, |kind, _| kind == Kind::Number),
    },
    Function {
        name: "isint",
        syntax: "isint(value)",
        summary: "Whether the value is a whole number.",
        arity: (1, 1),
        build: |call| asked(call, |kind, number| kind == Kind::Number && number.is_some_and(|number| number.fract() == 0.0)),
    },
    Function {
        name: "isstr",
        syntax: "isstr(value)",
        summary: "Whether the value is text and no number.",
        arity: (1, 1),
        build: |call| asked(call, |kind, _| kind == Kind::Text),
    },
    Function {
        name: "isbool",
        syntax: "isbool(value)",
        summary: "Whether the value is true or false.",
        arity: (1, 1),
        build: |call| asked(call, |kind, _| kind == Kind::Boolean),
    },
    Function {
        name: "ismv",
        syntax: "ismv(field)",
        summary: "Whether the field has several values.",
        arity: (1, 1),
        build: |call| Ok(Node::booleans(call.args()?, |values, row| Some(values[0].many(row).len() > 1))),
    },
    Function {
        name: "typeof",
        syntax: "typeof(value)",
        summary: "The kind of the value: Number, String, Boolean, Null or Invalid.",
        arity: (1, 1),
        build: type_of,
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Boolean,
    Missing,
}

/// The kind of a value in a column of type `ty`; text in quotes in the query stays text whatever it looks like.
fn kind(ty: Type, quoted: bool, value: &Reader<'_>, row: usize) -> Kind {
    match ty {
        _ if !value.is_some(row) => Kind::Missing,
        Type::Boolean => Kind::Boolean,
        _ if !quoted && value.number(row).is_some() => Kind::Number,
        _ => Kind::Text,
    }
}

fn present(call: &Call<'_>, wanted: bool) -> Result<Node, QueryError> {
    Ok(Node::booleans(call.args()?, move |values, row| Some(values[0].is_some(row) == wanted)))
}

fn is_quoted(call: &Call<'_>) -> bool {
    matches!(call.exprs[0].kind, ExprKind::Text(_))
}

fn asked(call: &Call<'_>, answer: fn(Kind, Option<f64>) -> bool) -> Result<Node, QueryError> {
    let args = call.args()?;
    let (ty, quoted) = (args[0].ty, is_quoted(call));
    Ok(Node::booleans(args, move |values, row| Some(answer(kind(ty, quoted, &values[0], row), values[0].number(row)))))
}

fn type_of(call: &Call<'_>) -> Result<Node, QueryError> {
    let null = matches!(&call.exprs[0].kind, ExprKind::Call(name, _) if name == "null");
    let args = call.args()?;
    let (ty, quoted) = (args[0].ty, is_quoted(call));
    Ok(Node::texts(args, move |values, row| {
        let name = match kind(ty, quoted, &values[0], row) {
            Kind::Number => "Number",
            Kind::Text => "String",
            Kind::Boolean => "Boolean",
            Kind::Missing if null => "Null",
            Kind::Missing => "Invalid",
        };
        Some(name.to_owned())
    }))
}
