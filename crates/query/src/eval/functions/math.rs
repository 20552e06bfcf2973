//! Numbers.

use super::super::column::{Operand, Reader, Type, numbers};
use super::super::compile::{Node, number_like};
use super::super::operators::compare_texts;
use super::{ANY, Call, Function};
use crate::language::QueryError;
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A function of one number.
macro_rules! one {
    ($name:literal, $summary:literal, $compute:expr) => {
        Function { name: $name, syntax: concat!($name, "(number)"), summary: $summary, arity: (1, 1), build: |call| one(call, $compute) }
    };
}

/// A function of two numbers.
macro_rules! two {
    ($name:literal, $syntax:literal, $summary:literal, $compute:expr) => {
        Function { name: $name, syntax: concat!($name, $syntax), summary: $summary, arity: (2, 2), build: |call| two(call, $compute) }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    one!("abs", "The number without its sign.", |x| Some(x.abs())),
    one!("ceil", "The next whole number above.", |x| Some(x.ceil())),
    one!("ceiling", "The next whole number above.", |x| Some(x.ceil())),
    one!("floor", "The next whole number below.", |x| Some(x.floor())),
    one!("exact", "The number as it is.", Some),
    one!("exp", "e to the power of the number.", |x| Some(x.exp())),
    one!("ln", "The natural logarithm.", |x| (x > 0.0).then(|| x.ln())),
    one!("sqrt", "The square root.", |x| (x >= 0.0).then(|| x.sqrt())),
    one!("sin", "The sine of an angle in radians.", |x| Some(x.sin())),
    one!("cos", "The cosine of an angle in radians.", |x| Some(x.cos())),
    one!("tan", "The tangent of an angle in radians.", |x| Some(x.tan())),
    one!("asin", "The angle whose sine it is.", |x| Some(x.asin())),
    one!("acos", "The angle whose cosine it is.", |x| Some(x.acos())),
    one!("atan", "The angle whose tangent it is.", |x| Some(x.atan())),
    one!("sinh", "The hyperbolic sine.", |x| Some(x.sinh())),
    one!("cosh", "The hyperbolic cosine.", |x| Some(x.cosh())),
    one!("tanh", "The hyperbolic tangent.", |x| Some(x.tanh())),
    one!("asinh", "The inverse hyperbolic sine.", |x| Some(x.asinh())),
    one!("acosh", "The inverse hyperbolic cosine.", |x| Some(x.acosh())),
    one!("atanh", "The inverse hyperbolic tangent.", |x| Some(x.atanh())),
    one!("sigfig", "The number with at most 15 significant digits.", Some),
    one!("bit_not", "All 53 bits of a whole number turned over.", |x| bits(x).map(|x| (!x & BITS) as f64)),
    two!("pow", "(base, exponent)", "The base to the power of the exponent.", |x, y| Some(x.powf(y))),
    two!("atan2", "(y, x)", "The angle of a point, in radians.", |y, x| Some(y.atan2(x))),
    two!("hypot", "(a, b)", "The length of the long side of a right triangle.", |a, b| Some(a.hypot(b))),
    two!("bit_and", "(a, b)", "The bits that are in both whole numbers.", |a, b| Some((bits(a)? & bits(b)?) as f64)),
    two!("bit_or", "(a, b)", "The bits that are in either whole number.", |a, b| Some((bits(a)? | bits(b)?) as f64)),
    two!("bit_xor", "(a, b)", "The bits that are in one whole number only.", |a, b| Some((bits(a)? ^ bits(b)?) as f64)),
    two!("bit_shift_left", "(a, count)", "The bits moved up.", |a, by| Some((bits(a)?.checked_shl(bits(by)? as u32)? & BITS) as f64)),
    two!("bit_shift_right", "(a, count)", "The bits moved down.", |a, by| Some(bits(a)?.checked_shr(bits(by)? as u32)? as f64)),
    Function { name: "pi", syntax: "pi()", summary: "The number pi.", arity: (0, 0), build: |_| Ok(Node::number(std::f64::consts::PI)) },
    Function {
        name: "log",
        syntax: "log(number, base)",
        summary: "The logarithm; the base is 10 unless given.",
        arity: (1, 2),
        build: log,
    },
    Function {
        name: "round",
        syntax: "round(number, digits)",
        summary: "The number rounded, to a whole one unless digits are given.",
        arity: (1, 2),
        build: round,
    },
    Function {
        name: "min",
        syntax: "min(value, ...)",
        summary: "The least; text comes after numbers.",
        arity: (1, ANY),
        build: |call| extreme(call, Ordering::Less),
    },
    Function {
        name: "max",
        syntax: "max(value, ...)",
        summary: "The greatest; text comes after numbers.",
        arity: (1, ANY),
        build: |call| extreme(call, Ordering::Greater),
    },
    Function {
        name: "sum",
        syntax: "sum(number, ...)",
        summary: "The sum of those that are numbers.",
        arity: (1, ANY),
        build: |call| folded(call, |sum, _| sum),
    },
    Function {
        name: "avg",
        syntax: "avg(number, ...)",
        summary: "The mean of those that are numbers.",
        arity: (1, ANY),
        build: |call| folded(call, |sum, count| sum / count),
    },
    Function {
        name: "random",
        syntax: "random()",
        summary: "A whole number from 0 to 2147483647 by chance.",
        arity: (0, 0),
        build: random,
    },
];

/// Whole numbers up to here are exact in a float.
const BITS: u64 = (1 << 53) - 1;

fn bits(number: f64) -> Option<u64> {
    (number >= 0.0 && number <= BITS as f64 && number.fract() == 0.0).then_some(number as u64)
}

fn number_args(call: &Call<'_>) -> Result<Vec<Node>, QueryError> {
    call.exprs.iter().map(|expr| number_like(expr, call.scope)).collect()
}

fn one(call: &Call<'_>, compute: fn(f64) -> Option<f64>) -> Result<Node, QueryError> {
    Ok(Node::numbers(number_args(call)?, move |values, row| compute(values[0].number(row)?)))
}

fn two(call: &Call<'_>, compute: fn(f64, f64) -> Option<f64>) -> Result<Node, QueryError> {
    Ok(Node::numbers(number_args(call)?, move |values, row| compute(values[0].number(row)?, values[1].number(row)?)))
}

fn log(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::numbers(number_args(call)?, |values, row| {
        let number = values[0].number(row).filter(|number| *number > 0.0)?;
        match values.get(1) {
            Some(base) => {
                base.number(row).filter(|base| *base > 0.0).map(|base| if base == 2.0 { number.log2() } else { number.ln() / base.ln() })
            }
            None => Some(number.log10()),
        }
    }))
}

fn round(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::numbers(number_args(call)?, |values, row| {
        let number = values[0].number(row)?;
        let digits = match values.get(1) {
            Some(digits) => digits.number(row)?,
            None => 0.0,
        };
        Some(rounded(number, digits.clamp(-300.0, 300.0) as i32))
    }))
}

/// Half away from zero, of the number as it is written: 1.005 to two digits is 1.01.
pub(super) fn rounded(number: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    let scaled = number * factor;
    if !scaled.is_finite() || scaled.abs() > 1e15 {
        return number;
    }
    // The product may fall below the half that a person sees, by the last bits of a float.
    let nudged = scaled + scaled.signum() * scaled.abs().max(1.0) * f64::EPSILON;
    nudged.round() / factor
}

fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<Node, QueryError> {
    let args = call.args()?;
    if args.iter().all(|arg| arg.ty.is_numeric() || arg.ty == Type::Null) {
        return Ok(Node::numbers(args, move |values, row| {
            let present = values.iter().filter_map(|value| value.number(row));
            present.reduce(|best, next| if next.partial_cmp(&best) == Some(wanted) { next } else { best })
        }));
    }
    let order = |left: &str, right: &str| {
        let number = |text: &str| super::super::number::parse_number(text).is_some();
        number(right).cmp(&number(left)).then_with(|| compare_texts(left, right))
    };
    Ok(Node::texts(args, move |values, row| {
        let all = values.iter().flat_map(|value| value.many(row));
        all.reduce(|best, next| if order(&next, &best) == wanted { next } else { best }).map(|text| text.into_owned())
    }))
}

fn folded(call: &Call<'_>, finish: fn(f64, f64) -> f64) -> Result<Node, QueryError> {
    Ok(Node::numbers(call.args()?, move |values, row| {
        let (mut sum, mut count) = (0.0, 0.0);
        let each =
            |value: &Reader<'_>| value.many(row).iter().filter_map(|text| super::super::number::parse_number(text)).collect::<Vec<_>>();
        for number in values.iter().flat_map(each) {
            sum += number;
            count += 1.0;
        }
        (count > 0.0).then(|| finish(sum, count))
    }))
}

fn random(call: &Call<'_>) -> Result<Node, QueryError> {
    // The place keeps two calls in one expression apart.
    let start = call.scope.context.seed.wrapping_add((call.span.start as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let counter = Arc::new(AtomicU64::new(start));
    Ok(Node::new(Type::Number, move |frame| {
        // SplitMix64: any counter gives a well-mixed value.
        let next = || {
            let mut z = counter.fetch_add(0x9E37_79B9_7F4A_7C15, Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 33) as f64
        };
        Operand::rows(numbers(frame.batch.num_rows(), |_| Some(next())))
    }))
}
