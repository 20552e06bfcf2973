//! What the store can decide of the conditions of a statement: time bounds, and tests of one field each.
//!
//! A condition is taken whole or not at all, and what is taken means exactly what it means to the planner: `NULL` where
//! the field is missing, which is neither true nor false.

use super::functions::{BY_VALUE, NUMBER};
use crate::columns::parse_number;
use crate::language::search::Cidr;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Like, Operator};
use regex::Regex;
use rustc_hash::FxHashSet;
use std::cmp::Ordering;
use std::sync::Arc;
use taffrail_event::Timestamp;
use taffrail_store::{Filter, NumberTest, OriginField, ValueTest};

/// A condition that the store decides.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Events from one time up to another.
    Time(Timestamp, Timestamp),
    /// A test of events.
    Filter(Filter),
}

/// Translates conditions on a table; `search` gives the filter of a hidden column.
pub struct Translator<'a> {
    /// The filter of a hidden column, by its name.
    pub search: &'a dyn Fn(&str) -> Option<Filter>,
}

/// Which outcome of a condition is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    True,
    False,
}

impl Translator<'_> {
    /// The condition as the store decides it; `None` where it cannot.
    pub fn condition(&self, expr: &Expr) -> Option<Condition> {
        match time_bounds(expr) {
            Some((from, to)) => Some(Condition::Time(from, to)),
            None => self.filter(expr, Asked::True).map(Condition::Filter),
        }
    }

    fn filter(&self, expr: &Expr, asked: Asked) -> Option<Filter> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let parts = vec![self.filter(left, asked)?, self.filter(right, asked)?];
                // Of "a and b" is false what makes one of them false.
                Some(if (*op == Operator::And) == (asked == Asked::True) { Filter::And(parts) } else { Filter::Or(parts) })
            }
            Expr::Not(inner) => self.filter(inner, if asked == Asked::True { Asked::False } else { Asked::True }),
            Expr::Alias(alias) => self.filter(&alias.expr, asked),
            Expr::Literal(ScalarValue::Boolean(value), _) => {
                let passes = *value == Some(asked == Asked::True);
                Some(if passes { Filter::All } else { Filter::Nothing })
            }
            Expr::Column(column) => {
                let filter = (self.search)(&column.name)?;
                Some(if asked == Asked::True { filter } else { Filter::Not(Box::new(filter)) })
            }
            Expr::IsNull(inner) => presence(inner, asked == Asked::False),
            Expr::IsNotNull(inner) => presence(inner, asked == Asked::True),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => comparison(left, *op, right, asked),
            Expr::InList(InList { expr, list, negated }) => listed(expr, list, (asked == Asked::True) != *negated),
            Expr::Like(like) => liked(like, (asked == Asked::True) != like.negated),
            Expr::ScalarFunction(function) => called(function.name(), &function.args, asked == Asked::True),
            _ => None,
        }
    }
}

/// The time of an event.
fn is_time(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(Column { name, .. }) if name == "_time")
}

fn nanos(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::TimestampNanosecond(nanos, _), _) => *nanos,
        _ => None,
    }
}

/// The range of time that a comparison of `_time` leaves.
fn time_bounds(expr: &Expr) -> Option<(Timestamp, Timestamp)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
    if *op == Operator::And {
        let (a, b) = (time_bounds(left)?, time_bounds(right)?);
        return Some((a.0.max(b.0), a.1.min(b.1)));
    }
    let (op, bound) = if is_time(left) {
        (*op, nanos(right)?)
    } else if is_time(right) {
        (op.swap()?, nanos(left)?)
    } else {
        return None;
    };
    // At the very end of time there is no next moment, and the end stands for no bound.
    let after = Timestamp(bound.checked_add(1).filter(|after| *after < i64::MAX)?);
    let (least, most) = (Timestamp::MIN, Timestamp::MAX);
    Some(match op {
        Operator::Gt => (after, most),
        Operator::GtEq => (Timestamp(bound), most),
        Operator::Lt => (least, Timestamp(bound)),
        Operator::LtEq => (least, after),
        Operator::Eq => (Timestamp(bound), after),
        _ => return None,
    })
}

/// The name of a column of text that the store can test.
fn field(expr: &Expr) -> Option<&str> {
    let Expr::Column(Column { name, .. }) = expr else { return None };
    let row_only = ["_time", "_indextime", "_sequence", "_problems", "_raw_bytes"].contains(&name.as_str());
    (!row_only && !name.starts_with(crate::exec::HIDDEN)).then_some(name.as_str())
}

/// The field of `number(field)`.
fn number_field(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::ScalarFunction(call) if call.func == *NUMBER => field(call.args.first()?),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => text.as_deref(),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(number), _) => *number,
        Expr::Literal(ScalarValue::Int64(number), _) => number.map(|number| number as f64),
        _ => None,
    }
}

/// The filter of a test on a field.
fn tested(name: &str, test: ValueTest) -> Filter {
    let origin = match name {
        "index" => OriginField::Index,
        "host" => OriginField::Host,
        "source" => OriginField::Source,
        "sourcetype" => OriginField::Sourcetype,
        _ => return Filter::Field(name.to_owned(), test),
    };
    Filter::Origin(origin, test)
}

fn on(name: &str, passes: impl Fn(&str) -> bool + Send + Sync + 'static) -> Filter {
    tested(name, ValueTest::new(move |value| value.is_some_and(&passes)))
}

fn presence(expr: &Expr, present: bool) -> Option<Filter> {
    if let Some(name) = number_field(expr) {
        return Some(tested(name, ValueTest::new(move |value| value.and_then(parse_number).is_some() == present)));
    }
    let name = field(expr)?;
    Some(tested(name, ValueTest::new(move |value| value.is_some() == present)))
}

fn ordering(op: Operator) -> Option<fn(Ordering) -> bool> {
    Some(match op {
        Operator::Eq => Ordering::is_eq,
        Operator::NotEq => Ordering::is_ne,
        Operator::Lt => Ordering::is_lt,
        Operator::LtEq => Ordering::is_le,
        Operator::Gt => Ordering::is_gt,
        Operator::GtEq => Ordering::is_ge,
        _ => return None,
    })
}

fn comparison(left: &Expr, op: Operator, right: &Expr, asked: Asked) -> Option<Filter> {
    let (left, op, right) = if matches!(left, Expr::Literal(..)) { (right, op.swap()?, left) } else { (left, op, right) };
    let wanted = asked == Asked::True;
    if let Some(passes) = ordering(op) {
        if let (Some(name), Some(bound)) = (number_field(left), number(right)) {
            return numeric(name, op, passes, bound, wanted);
        }
        let (name, bound) = (field(left)?, text(right)?.to_owned());
        return Some(on(name, move |value| passes(value.cmp(&bound)) == wanted));
    }
    let (name, pattern) = (field(left)?, text(right)?);
    let (negated, folded) = match op {
        Operator::RegexMatch => (false, false),
        Operator::RegexIMatch => (false, true),
        Operator::RegexNotMatch => (true, false),
        Operator::RegexNotIMatch => (true, true),
        _ => return None,
    };
    matching(name, &format!("{}{pattern}", if folded { "(?i)" } else { "" }), wanted != negated)
}

/// A comparison of numbers; what is no number passes neither it nor its opposite.
fn numeric(name: &str, op: Operator, passes: fn(Ordering) -> bool, bound: f64, wanted: bool) -> Option<Filter> {
    if bound.is_nan() {
        return None;
    }
    let number = move |value: Option<&str>| {
        value.and_then(parse_number).is_some_and(|number| number.partial_cmp(&bound).is_some_and(passes) == wanted)
    };
    let test = ValueTest::new(number).with_numbers(NumberTest { integers: integers(op, bound, wanted), addresses: None });
    Some(tested(name, test))
}

/// The whole numbers that pass a comparison.
fn integers(op: Operator, bound: f64, wanted: bool) -> Option<Vec<(i64, i64)>> {
    let op = if wanted { op } else { op.negate()? };
    let (floor, ceiling) = (bound.floor() as i64, bound.ceil() as i64);
    let (least, most) = (i64::MIN, i64::MAX);
    Some(match op {
        Operator::Lt => vec![(least, ceiling.saturating_sub(1))],
        Operator::LtEq => vec![(least, floor)],
        Operator::Gt => vec![(floor.saturating_add(1), most)],
        Operator::GtEq => vec![(ceiling, most)],
        Operator::Eq if bound.fract() == 0.0 => vec![(floor, floor)],
        Operator::Eq => Vec::new(),
        Operator::NotEq if bound.fract() == 0.0 => vec![(least, floor.saturating_sub(1)), (floor.saturating_add(1), most)],
        Operator::NotEq => vec![(least, most)],
        _ => return None,
    })
}

fn listed(expr: &Expr, list: &[Expr], wanted: bool) -> Option<Filter> {
    if let Some(name) = number_field(expr) {
        let numbers: Vec<f64> = list.iter().map(number).collect::<Option<_>>()?;
        let test = move |value: Option<&str>| value.and_then(parse_number).is_some_and(|number| numbers.contains(&number) == wanted);
        return Some(tested(name, ValueTest::new(test)));
    }
    let texts: FxHashSet<String> = list.iter().map(|item| text(item).map(str::to_owned)).collect::<Option<_>>()?;
    Some(on(field(expr)?, move |value| texts.contains(value) == wanted))
}

/// A field that an expression matches, or does not.
fn matching(name: &str, pattern: &str, wanted: bool) -> Option<Filter> {
    let regex = Regex::new(pattern).ok()?;
    if name == "_raw" {
        let filter = Filter::Regex(regex);
        return Some(if wanted { filter } else { Filter::Not(Box::new(filter)) });
    }
    let regex = Arc::new(regex);
    Some(on(name, move |value| regex.is_match(value) == wanted))
}

fn liked(like: &Like, wanted: bool) -> Option<Filter> {
    if like.escape_char.is_some_and(|escape| escape != '\\') {
        return None;
    }
    let (name, pattern) = (field(&like.expr)?, text(&like.pattern)?);
    matching(name, &like_pattern(pattern, like.case_insensitive)?, wanted)
}

/// A pattern of `LIKE` as an expression: `%` is anything, `_` any one character.
fn like_pattern(pattern: &str, folded: bool) -> Option<String> {
    const ANY: &str = r"[\s\S]";
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => out.push_str(&format!("{ANY}*")),
            '_' => out.push_str(ANY),
            '\\' => out.push_str(&regex::escape(chars.next()?.encode_utf8(&mut [0; 4]))),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    // An open end is no end: what comes before the first text and after the last need not be looked at.
    let any = format!("{ANY}*");
    let open_start = out.starts_with(&any);
    let mut core = out.as_str();
    while let Some(rest) = core.strip_prefix(&any) {
        core = rest;
    }
    let mut open_end = false;
    while let Some(rest) = core.strip_suffix(&any) {
        (core, open_end) = (rest, true);
    }
    open_end |= open_start && core.is_empty();
    let start = if open_start { "" } else { r"\A" };
    let end = if open_end { "" } else { r"\z" };
    Some(format!("{}{start}{core}{end}", if folded { "(?i)" } else { "" }))
}

fn called(name: &str, args: &[Expr], wanted: bool) -> Option<Filter> {
    match (name, args) {
        ("cidrmatch", [network, address]) => {
            let cidr = Cidr::parse(text(network)?)?;
            Some(on(field(address)?, move |value| cidr.contains(value) == wanted))
        }
        ("starts_with", [value, prefix]) => {
            let prefix = text(prefix)?.to_owned();
            Some(on(field(value)?, move |value| value.starts_with(&prefix) == wanted))
        }
        ("regexp_like", [value, pattern]) => matching(field(value)?, text(pattern)?, wanted),
        _ => None,
    }
}

/// The key by which a text column is sorted: itself, or its value.
pub fn sort_key(expr: &Expr, is_text: bool) -> Expr {
    if is_text { BY_VALUE.call(vec![expr.clone()]) } else { expr.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_like_are_expressions() {
        let matches = |pattern: &str, text: &str| Regex::new(&like_pattern(pattern, false).unwrap()).unwrap().is_match(text);
        for (pattern, text, expected) in [
            ("a%", "abc", true),
            ("a%", "cab", false),
            ("%b%", "abc", true),
            ("%c", "abc", true),
            ("%c", "abcd", false),
            ("a_c", "abc", true),
            ("a_c", "abbc", false),
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("%a.c%", "xabcx", false),
            ("a%c", "a\nc", true),
            ("\\%%", "%a", true),
            ("%\\\\", "a\\", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{text} LIKE {pattern}");
        }
    }

    #[test]
    fn whole_numbers_pass_as_numbers_do() {
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        for op in [Eq, NotEq, Lt, LtEq, Gt, GtEq] {
            for bound in [-2.0, -1.5, 0.0, 0.5, 3.0] {
                for wanted in [true, false] {
                    let ranges = integers(op, bound, wanted).unwrap();
                    for number in -5i64..6 {
                        let inside = ranges.iter().any(|(a, b)| (*a..=*b).contains(&number));
                        let passes = ordering(op).unwrap()((number as f64).partial_cmp(&bound).unwrap());
                        assert_eq!(inside, passes == wanted, "{number} {op} {bound} {wanted}");
                    }
                }
            }
        }
    }
}
