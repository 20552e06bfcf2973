//! The tree of an expression. Printing it gives text that parses to the same tree.

use crate::language::lexer::quoted;
use crate::language::{SearchExpr, Span};
use std::fmt;

/// An expression and where it stands. Two are equal when they mean the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A string in double quotes.
    Text(String),
    /// A number; never negative.
    Number(f64),
    /// A field.
    Field(String),
    /// An operator before its operand.
    Unary(UnaryOp, Box<Expr>),
    /// An operator between its operands.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// All of these; two or more, none of them `And`.
    And(Vec<Expr>),
    /// Any of these; two or more, none of them `Or`.
    Or(Vec<Expr>),
    /// `x IN (a, b)`.
    In(Box<Expr>, Vec<Expr>),
    /// A function call; the name is in lower case.
    Call(String, Vec<Expr>),
    /// A search expression over rows; printed as `searchmatch("...")`.
    Search(SearchExpr),
}

/// Operators before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Minus,
    /// `NOT`, `!`
    Not,
}

/// Operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `.`
    Concat,
    /// `=`, `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `LIKE`
    Like,
    /// `XOR`
    Xor,
}

impl BinaryOp {
    /// The operator as typed.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concat => ".",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Like => "LIKE",
            Self::Xor => "XOR",
        }
    }

    /// How tightly it binds; see [`precedence`].
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide | Self::Modulo => precedence::PRODUCT,
            Self::Add | Self::Subtract => precedence::SUM,
            Self::Concat => precedence::CONCAT,
            Self::Xor => precedence::XOR,
            _ => precedence::COMPARISON,
        }
    }
}

/// How tightly operators bind; the larger, the tighter.
pub(super) mod precedence {
    pub const XOR: u8 = 1;
    pub const OR: u8 = 2;
    pub const AND: u8 = 3;
    pub const NOT: u8 = 4;
    pub const COMPARISON: u8 = 5;
    pub const CONCAT: u8 = 6;
    pub const SUM: u8 = 7;
    pub const PRODUCT: u8 = 8;
    pub const UNARY: u8 = 9;
    pub const ATOM: u8 = 10;
}

impl Expr {
    /// An expression at a place.
    pub fn new(kind: ExprKind, span: Span) -> Self {
        Self { kind, span }
    }

    fn precedence(&self) -> u8 {
        match &self.kind {
            ExprKind::Unary(UnaryOp::Minus, _) => precedence::UNARY,
            ExprKind::Unary(UnaryOp::Not, _) => precedence::NOT,
            ExprKind::Binary(op, ..) => op.precedence(),
            ExprKind::And(_) => precedence::AND,
            ExprKind::Or(_) => precedence::OR,
            ExprKind::In(..) => precedence::COMPARISON,
            _ => precedence::ATOM,
        }
    }

    /// Sees this expression and all within it.
    pub fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match &self.kind {
            ExprKind::Unary(_, inner) => inner.visit(see),
            ExprKind::Binary(_, left, right) => {
                left.visit(see);
                right.visit(see);
            }
            ExprKind::And(parts) | ExprKind::Or(parts) | ExprKind::Call(_, parts) => parts.iter().for_each(|part| part.visit(see)),
            ExprKind::In(left, list) => {
                left.visit(see);
                list.iter().for_each(|part| part.visit(see));
            }
            _ => {}
        }
    }

    /// The text of a constant string.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name of a plain field.
    pub fn as_field(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Field(name) => Some(name),
            _ => None,
        }
    }
}

/// Whether a field's name needs no quotes in an expression.
fn is_plain_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && !["and", "or", "not", "xor", "in", "like"].contains(&name.to_lowercase().as_str())
}

fn list(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (number, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if number > 0 { ", " } else { "" })?;
    }
    f.write_str(")")
}

fn chain(f: &mut fmt::Formatter<'_>, parts: &[Expr], sign: &str, at_least: u8) -> fmt::Result {
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            write!(f, " {sign} ")?;
        }
        within(f, part, at_least)?;
    }
    Ok(())
}

/// Prints an operand, in parentheses when it binds less than `at_least`.
fn within(f: &mut fmt::Formatter<'_>, expr: &Expr, at_least: u8) -> fmt::Result {
    if expr.precedence() < at_least { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Text(text) => f.write_str(&quoted(text, '"')),
            ExprKind::Number(number) => write!(f, "{number}"),
            ExprKind::Field(name) if is_plain_name(name) => f.write_str(name),
            ExprKind::Field(name) => f.write_str(&quoted(name, '\'')),
            ExprKind::Unary(UnaryOp::Minus, inner) => {
                f.write_str("-")?;
                within(f, inner, precedence::UNARY)
            }
            ExprKind::Unary(UnaryOp::Not, inner) => {
                f.write_str("NOT ")?;
                within(f, inner, precedence::NOT)
            }
            ExprKind::Binary(op, left, right) => {
                let own = op.precedence();
                // Comparisons do not chain, so both their sides must bind tighter.
                within(f, left, if own == precedence::COMPARISON { own + 1 } else { own })?;
                write!(f, " {} ", op.sign())?;
                within(f, right, own + 1)
            }
            ExprKind::And(parts) => chain(f, parts, "AND", precedence::AND + 1),
            ExprKind::Or(parts) => chain(f, parts, "OR", precedence::OR + 1),
            ExprKind::In(left, items) => {
                within(f, left, precedence::COMPARISON + 1)?;
                f.write_str(" IN (")?;
                list(f, items)
            }
            ExprKind::Call(name, args) => {
                write!(f, "{name}(")?;
                list(f, args)
            }
            ExprKind::Search(search) => write!(f, "searchmatch({})", quoted(&search.to_string(), '"')),
        }
    }
}
