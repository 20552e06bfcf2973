//! Brings expressions into the form that means what it says for fields, which are text: `number(...)` where a number
//! is wanted, `by_value(...)` where order counts, casts that give `NULL` instead of failing.
//!
//! What depends on the types of both sides is done while planning ([`super::operators`]); the functions put in here do
//! nothing to what is no text ([`super::functions`]).

use super::scope::located;
use crate::language::suggest::nearest;
use crate::language::{QueryError, Span};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, UnaryOperator, Value, ValueWithSpan, WindowType,
};
use rustc_hash::FxHashSet;

/// Functions of numbers: text among their arguments is read as a number.
const OF_NUMBERS: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "approx_median",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "cbrt",
    "ceil",
    "corr",
    "cos",
    "cosh",
    "cot",
    "covar",
    "covar_pop",
    "covar_samp",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "mean",
    "median",
    "nanvl",
    "percentile_cont",
    "pow",
    "power",
    "quantile_cont",
    "radians",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "tan",
    "tanh",
    "trunc",
    "var",
    "var_pop",
    "var_population",
    "var_samp",
    "var_sample",
];

/// Functions that people know from the search language, and what SQL has instead.
const INSTEAD: &[(&str, &str)] = &[
    ("dc", "count(DISTINCT field)"),
    ("distinct_count", "count(DISTINCT field)"),
    ("estdc", "approx_distinct(field)"),
    ("if", "CASE WHEN condition THEN a ELSE b END"),
    ("isnotnull", "field IS NOT NULL"),
    ("isnull", "field IS NULL"),
    ("len", "length(field)"),
    ("like", "field LIKE 'pattern%'"),
    ("list", "array_agg(field)"),
    ("match", "field ~ 'expression'"),
    ("mode", "a query with GROUP BY field ORDER BY count(*) DESC LIMIT 1"),
    ("relative_time", "now() - INTERVAL '1 hour', or compare _time with '-1h@h'"),
    ("strftime", "to_char(_time, '%Y-%m-%d')"),
    ("strptime", "to_timestamp(field, '%Y-%m-%d')"),
    ("tonumber", "number(field)"),
    ("tostring", "CAST(field AS VARCHAR)"),
    ("validate", "CASE WHEN condition THEN a ELSE b END"),
    ("values", "array_agg(DISTINCT field)"),
];

/// `NULL`.
pub fn null() -> Expr {
    Expr::Value(ValueWithSpan { value: Value::Null, span: datafusion::sql::sqlparser::tokenizer::Span::empty() })
}

/// A call of a function of ours.
fn call(name: &str, argument: Expr) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Puts a function of ours around an expression, unless that is a literal of another kind than text.
fn wrap(name: &str, expr: &mut Expr) {
    let literal = matches!(expr, Expr::Value(value) if !matches!(value.value, Value::SingleQuotedString(_)));
    if !literal {
        let inner = std::mem::replace(expr, null());
        *expr = call(name, inner);
    }
}

/// Has an expression compare by value: numbers as numbers.
pub fn by_value(expr: &mut Expr) {
    wrap("by_value", expr);
}

fn number(expr: &mut Expr) {
    wrap("number", expr);
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_number(expr),
        Expr::Nested(inner) => is_number(inner),
        _ => false,
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// The arguments of `search(...)`.
pub fn search_call(expr: &Expr) -> Option<(Vec<FunctionArg>, Ident)> {
    let Expr::Function(function) = expr else { return None };
    let ([ObjectNamePart::Identifier(name)], FunctionArguments::List(list)) = (&function.name.0[..], &function.args) else { return None };
    name.value.eq_ignore_ascii_case("search").then(|| (list.args.clone(), name.clone()))
}

/// The error of a function that there is not.
pub fn unknown_function(name: &str, span: Option<Span>, known: &FxHashSet<String>) -> QueryError {
    let error = located(format!("there is no function {name:?}"), span);
    if let Some((_, instead)) = INSTEAD.iter().find(|(theirs, _)| *theirs == name) {
        return error.with_hint(format!("in SQL: {instead}"));
    }
    error.with_suggestions(nearest(name, known.iter().map(String::as_str)))
}

/// Changes one node of an expression, whose parts are done.
pub fn expression(expr: &mut Expr) -> Result<(), QueryError> {
    match expr {
        Expr::Function(function) => {
            if let Some(changed) = changed_function(function) {
                *expr = changed;
            }
        }
        Expr::Cast { kind, .. } => *kind = CastKind::TryCast,
        Expr::Between { expr: value, negated, low, high } => {
            let (value, low, high) = (value.as_ref().clone(), low.as_ref().clone(), high.as_ref().clone());
            let (over, under, both) = if *negated {
                (BinaryOperator::Lt, BinaryOperator::Gt, BinaryOperator::Or)
            } else {
                (BinaryOperator::GtEq, BinaryOperator::LtEq, BinaryOperator::And)
            };
            *expr = Expr::Nested(Box::new(binary(binary(value.clone(), over, low), both, binary(value, under, high))));
        }
        Expr::InList { expr: value, list, .. } if list.iter().all(is_number) => number(value),
        Expr::Case { operand, conditions, .. } => {
            if let Some(operand) = operand.take() {
                for when in conditions {
                    let value = std::mem::replace(&mut when.condition, null());
                    when.condition = binary(operand.as_ref().clone(), BinaryOperator::Eq, value);
                }
            }
        }
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: value } => number(value),
        Expr::Ceil { expr: value, .. } | Expr::Floor { expr: value, .. } => number(value),
        Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) => {
            return Err(QueryError::new(format!("{name} stands for a value that is not given")).with_hint("write the value itself"));
        }
        Expr::Lambda(_) => return Err(QueryError::new("functions in arguments (->) are not supported")),
        _ => {}
    }
    Ok(())
}

fn changed_function(function: &mut Function) -> Option<Expr> {
    let name = function.name.to_string().to_lowercase();
    if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
        spec.order_by.iter_mut().for_each(|key| by_value(&mut key.expr));
    }
    let extreme = name == "min" || name == "max";
    let of_numbers = OF_NUMBERS.contains(&name.as_str());
    if of_numbers {
        function.within_group.iter_mut().for_each(|key| number(&mut key.expr));
    }
    if let FunctionArguments::List(list) = &mut function.args {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument {
                if of_numbers {
                    number(value);
                } else if extreme {
                    wrap(if name == "max" { "by_value_last" } else { "by_value" }, value);
                }
            }
        }
    }
    // What a key stood for comes out again.
    extreme.then(|| call("of_value", Expr::Function(function.clone())))
}
