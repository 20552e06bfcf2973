//! Operators whose meaning depends on what stands on both sides: a field beside a number is compared as a number, a
//! time beside text as a time.

use super::functions::{NUMBER, is_text};
use crate::eval::EvalContext;
use crate::language::{QueryError, resolve};
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, binary_expr, lit, when};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use taffrail_event::Timestamp;

/// Plans operators on fields.
pub struct Operators(pub EvalContext);

impl std::fmt::Debug for Operators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operators")
    }
}

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if let Some(operator) = arithmetic(&expr.op) {
            if !is_text(&left) && !is_text(&right) && operator != Operator::Divide && operator != Operator::Modulo {
                return Ok(PlannerResult::Original(expr));
            }
            if !counts(&left) || !counts(&right) {
                return Ok(PlannerResult::Original(expr));
            }
            return Ok(PlannerResult::Planned(calculated(expr, operator, &left, &right)));
        }
        match comparison(&expr.op) {
            Some(operator) => self.compared(expr, operator, &left, &right),
            None => Ok(PlannerResult::Original(expr)),
        }
    }
}

/// Whether values of a type can be calculated with.
fn counts(kind: &DataType) -> bool {
    is_text(kind) || kind.is_numeric()
}

fn calculated(expr: RawBinaryExpr, operator: Operator, left: &DataType, right: &DataType) -> Expr {
    let mut divisor = number(expr.right, right);
    let may_be_zero = !matches!(&divisor, Expr::Literal(value, _) if value.to_string() != "0");
    if matches!(operator, Operator::Divide | Operator::Modulo) && may_be_zero {
        // A division by zero has no value, and is no reason to end a query over a million events.
        divisor = datafusion::functions::core::expr_fn::nullif(divisor, lit(0i64));
    }
    binary_expr(number(expr.left, left), operator, divisor)
}

/// Text as a number; what is no text stays.
fn number(expr: Expr, kind: &DataType) -> Expr {
    if is_text(kind) { NUMBER.call(vec![expr]) } else { expr }
}

fn arithmetic(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        _ => return None,
    })
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

impl Operators {
    fn compared(
        &self,
        mut expr: RawBinaryExpr,
        operator: Operator,
        left: &DataType,
        right: &DataType,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_time = |kind: &DataType| matches!(kind, DataType::Timestamp(..));
        if is_time(left) && is_literal(&expr.right) {
            expr.right = self.time(expr.right)?;
        } else if is_time(right) && is_literal(&expr.left) {
            expr.left = self.time(expr.left)?;
        } else if (is_text(left) && right.is_numeric()) || (left.is_numeric() && is_text(right)) {
            let (a, b) = (number(expr.left, left), number(expr.right, right));
            return Ok(PlannerResult::Planned(binary_expr(a, operator, b)));
        } else if is_text(left) && is_text(right) && !is_literal(&expr.left) && !is_literal(&expr.right) {
            if matches!(operator, Operator::Eq | Operator::NotEq) {
                return Ok(PlannerResult::Original(expr));
            }
            // Two fields: as numbers where both are, else as text, as in the search language.
            let (a, b) = (NUMBER.call(vec![expr.left.clone()]), NUMBER.call(vec![expr.right.clone()]));
            let both = a.clone().is_not_null().and(b.clone().is_not_null());
            let planned = when(both, binary_expr(a, operator, b)).otherwise(binary_expr(expr.left, operator, expr.right))?;
            return Ok(PlannerResult::Planned(planned));
        } else {
            return Ok(PlannerResult::Original(expr));
        }
        Ok(PlannerResult::Planned(binary_expr(expr.left, operator, expr.right)))
    }

    /// A literal as a time: text as the search language reads times, a number as seconds since the epoch.
    fn time(&self, literal: Expr) -> Result<Expr> {
        let Expr::Literal(value, _) = &literal else { return Ok(literal) };
        let nanos = match value {
            ScalarValue::Utf8(Some(text)) => Some(self.time_of(text)?),
            ScalarValue::Int64(Some(seconds)) => seconds.checked_mul(1_000_000_000),
            ScalarValue::Float64(Some(seconds)) => crate::columns::nanos_of_seconds(*seconds),
            _ => return Ok(literal),
        };
        Ok(lit(ScalarValue::TimestampNanosecond(nanos, Some("UTC".into()))))
    }

    fn time_of(&self, text: &str) -> Result<i64> {
        if let Ok(time) = resolve(text, self.0.now, &self.0.tz) {
            return Ok(Timestamp::nanos(time));
        }
        datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(text.trim()).map_err(|_| {
            let error = QueryError::new(format!("{text:?} is not a time"));
            let hint = "write '2026-11-21', '2026-11-21 10:00:00', '-24h', '-1d@d', or use now() - INTERVAL '1 hour'";
            DataFusionError::External(Box::new(error.with_hint(hint)))
        })
    }
}
