//! From an [`Expr`] to closures over columns.

use super::column::{self, Operand, Reader, Type, normalized};
use super::expr::{Expr, ExprKind, UnaryOp};
use super::{EvalContext, functions, operators, rows};
use crate::language::QueryError;
use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, NullArray, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Schema};
use std::sync::Arc;

/// What is computed for a batch.
pub type Kernel = Arc<dyn Fn(&Frame<'_>) -> Operand + Send + Sync>;

/// The batch that is worked on.
pub struct Frame<'a> {
    /// Its columns.
    pub batch: &'a RecordBatch,
}

/// A compiled part of an expression.
#[derive(Clone)]
pub struct Node {
    /// The type of its values.
    pub ty: Type,
    /// Computes them.
    pub run: Kernel,
}

/// What a part may refer to.
pub struct Scope<'a> {
    /// The columns there are.
    pub schema: &'a Schema,
    /// Time and zone.
    pub context: &'a EvalContext,
}

impl Node {
    /// A node from its parts.
    pub fn new(ty: Type, run: impl Fn(&Frame<'_>) -> Operand + Send + Sync + 'static) -> Self {
        Self { ty, run: Arc::new(run) }
    }

    /// The same value for all rows.
    pub fn constant(ty: Type, array: ArrayRef) -> Self {
        let operand = Operand::constant(array);
        Self::new(ty, move |_| operand.clone())
    }

    /// A value that is always missing.
    pub fn null() -> Self {
        Self::constant(Type::Null, Arc::new(NullArray::new(1)))
    }

    /// A constant number.
    pub fn number(number: f64) -> Self {
        Self::constant(Type::Number, Arc::new(Float64Array::from(vec![number])))
    }

    /// A constant text.
    pub fn text(text: &str) -> Self {
        Self::constant(Type::Text, Arc::new(StringArray::from(vec![text])))
    }

    /// Computes `build(rows, readers)` from the values of `args`; once when all of them are constant.
    pub fn over(ty: Type, args: Vec<Self>, build: impl Fn(usize, &[Reader<'_>]) -> ArrayRef + Send + Sync + 'static) -> Self {
        Self::new(ty, move |frame| {
            let operands: Vec<Operand> = args.iter().map(|arg| (arg.run)(frame)).collect();
            let readers: Vec<Reader<'_>> = operands.iter().map(Operand::reader).collect();
            if operands.iter().all(|operand| operand.constant) {
                return Operand::constant(build(1, &readers));
            }
            Operand::rows(build(frame.batch.num_rows(), &readers))
        })
    }

    /// Text computed row by row.
    pub fn texts(args: Vec<Self>, value: impl Fn(&[Reader<'_>], usize) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::over(Type::Text, args, move |rows, readers| column::texts(rows, |row| value(readers, row)))
    }

    /// Numbers computed row by row.
    pub fn numbers(args: Vec<Self>, value: impl Fn(&[Reader<'_>], usize) -> Option<f64> + Send + Sync + 'static) -> Self {
        Self::over(Type::Number, args, move |rows, readers| column::numbers(rows, |row| value(readers, row)))
    }

    /// Booleans computed row by row.
    pub fn booleans(args: Vec<Self>, value: impl Fn(&[Reader<'_>], usize) -> Option<bool> + Send + Sync + 'static) -> Self {
        Self::over(Type::Boolean, args, move |rows, readers| column::booleans(rows, |row| value(readers, row)))
    }

    /// Multivalues computed row by row.
    pub fn lists(args: Vec<Self>, value: impl Fn(&[Reader<'_>], usize) -> Option<Vec<String>> + Send + Sync + 'static) -> Self {
        Self::over(Type::List, args, move |rows, readers| column::lists(rows, |row| value(readers, row)))
    }

    /// The values of one of `args` per row.
    pub fn picked(ty: Type, args: Vec<Self>, choose: impl Fn(&[Reader<'_>], usize) -> Option<usize> + Send + Sync + 'static) -> Self {
        Self::over(ty, args, move |rows, readers| column::picked(ty, rows, readers, |row| choose(readers, row)))
    }
}

/// Compiles any expression.
pub fn compile(expr: &Expr, scope: &Scope<'_>) -> Result<Node, QueryError> {
    match &expr.kind {
        ExprKind::Text(text) => Ok(Node::text(text)),
        ExprKind::Number(number) => Ok(Node::number(*number)),
        ExprKind::Field(name) => Ok(field(name, scope.schema)),
        ExprKind::Unary(UnaryOp::Minus, inner) => {
            let inner = number_like(inner, scope)?;
            Ok(Node::numbers(vec![inner], |values, row| values[0].number(row).map(|number| -number)))
        }
        ExprKind::Unary(UnaryOp::Not, inner) => {
            let inner = condition(inner, scope)?;
            Ok(Node::booleans(vec![inner], |values, row| values[0].boolean(row).map(|value| !value)))
        }
        ExprKind::Binary(op, left, right) => operators::binary(*op, left, right, scope),
        ExprKind::And(parts) => operators::all(&conditions(parts, scope)?, false),
        ExprKind::Or(parts) => operators::all(&conditions(parts, scope)?, true),
        ExprKind::In(left, items) => {
            let items = std::iter::once(&**left).chain(items).map(|item| compile(item, scope)).collect::<Result<Vec<_>, _>>()?;
            Ok(operators::in_list(items))
        }
        ExprKind::Call(name, args) => functions::compile_call(name, args, expr.span, scope),
        ExprKind::Search(search) => Ok(rows::compile(search, scope)),
    }
}

/// Compiles an expression whose value is only wanted as a number: sums of text need not be kept as text.
pub fn number_like(expr: &Expr, scope: &Scope<'_>) -> Result<Node, QueryError> {
    match &expr.kind {
        ExprKind::Binary(super::BinaryOp::Add, left, right) => {
            let args = vec![number_like(left, scope)?, number_like(right, scope)?];
            Ok(Node::numbers(args, |values, row| Some(values[0].number(row)? + values[1].number(row)?)))
        }
        _ => compile(expr, scope),
    }
}

/// Compiles an expression that must be true or false.
pub fn condition(expr: &Expr, scope: &Scope<'_>) -> Result<Node, QueryError> {
    let node = compile(expr, scope)?;
    match node.ty {
        Type::Boolean | Type::Null => Ok(node),
        _ => Err(not_a_condition(expr)),
    }
}

fn conditions(parts: &[Expr], scope: &Scope<'_>) -> Result<Vec<Node>, QueryError> {
    parts.iter().map(|part| condition(part, scope)).collect()
}

fn not_a_condition(expr: &Expr) -> QueryError {
    let hint = match &expr.kind {
        ExprKind::Field(name) => format!("compare it ({name}=\"...\"), or ask isnotnull({name})"),
        _ => "compare it with something".to_owned(),
    };
    QueryError::at(expr.span, "this is neither true nor false, but a condition is needed").with_hint(hint)
}

fn field(name: &str, schema: &Schema) -> Node {
    let Ok(at) = schema.index_of(name) else { return Node::null() };
    let name = name.to_owned();
    Node::new(Type::of(schema.field(at).data_type()), move |frame| {
        // By name where the batch has other columns than the schema said, so that a mistake of a planner is
        // a missing value and not the value of another column.
        let batch = frame.batch;
        let same = batch.schema_ref().fields().get(at).is_some_and(|field| *field.name() == name);
        let column = if same { Some(batch.column(at)) } else { batch.column_by_name(&name) };
        match column {
            Some(column) => Operand::rows(normalized(column)),
            None => Operand::rows(Arc::new(NullArray::new(batch.num_rows()))),
        }
    })
}

/// An expression that is ready for batches of one schema.
#[derive(Clone)]
pub struct Compiled {
    node: Node,
    output: DataType,
}

impl Compiled {
    /// The type of what [`Compiled::evaluate`] gives.
    pub fn output_type(&self) -> &DataType {
        &self.output
    }

    /// One value per row.
    pub fn evaluate(&self, batch: &RecordBatch) -> ArrayRef {
        let operand = (self.node.run)(&Frame { batch });
        let operand = if operand.array.data_type() == &self.output { operand } else { convert(&operand, &self.output) };
        operand.expand(batch.num_rows())
    }

    /// Which rows it is true for; null counts as false. For what [`Expr::compile_predicate`] gave.
    pub fn evaluate_predicate(&self, batch: &RecordBatch) -> BooleanArray {
        let operand = (self.node.run)(&Frame { batch });
        let reader = operand.reader();
        (0..batch.num_rows()).map(|row| Some(reader.boolean(row).unwrap_or(false))).collect()
    }
}

fn convert(operand: &Operand, wanted: &DataType) -> Operand {
    let rows = operand.array.len();
    if wanted == &DataType::Null {
        return Operand { array: new_null_array(wanted, rows), constant: operand.constant };
    }
    // The reader of a constant reads its one value whatever the row.
    let array = column::picked(Type::of(wanted), rows, &[operand.reader()], |_| Some(0));
    Operand { array, constant: operand.constant }
}

fn compiled(expr: &Expr, schema: &Schema, context: &EvalContext) -> Result<Node, QueryError> {
    compile(expr, &Scope { schema, context })
}

impl Expr {
    /// The type of what [`Compiled::evaluate`] gives.
    pub fn output_type(&self, schema: &Schema) -> Result<DataType, QueryError> {
        let context = EvalContext::new(taffrail_event::Timestamp(0), jiff::tz::TimeZone::UTC);
        Ok(self.compile(schema, &context)?.output)
    }

    /// Prepares it for batches of `schema`. The result is as in the module's description; a time becomes
    /// epoch seconds. Fields that are not in the schema are null.
    pub fn compile(&self, schema: &Schema, context: &EvalContext) -> Result<Compiled, QueryError> {
        let node = compiled(self, schema, context)?;
        let output = if node.ty == Type::Time { Type::Number } else { node.ty }.data_type();
        Ok(Compiled { node, output })
    }

    /// As [`Expr::compile`] for `eval target=...`: a Boolean result is an error that says how to wrap it, and
    /// for the target `_time` the result is a `Timestamp`.
    pub fn compile_assignment(&self, target: &str, schema: &Schema, context: &EvalContext) -> Result<Compiled, QueryError> {
        let compiled = self.compile(schema, context)?;
        if compiled.node.ty == Type::Boolean {
            return Err(QueryError::at(self.span, format!("`{target}` would be true or false, which a field cannot hold"))
                .with_hint(format!("write {target}=if({self}, \"yes\", \"no\")")));
        }
        let output = if target == "_time" { Type::Time.data_type() } else { compiled.output };
        Ok(Compiled { output, ..compiled })
    }

    /// As [`Expr::compile`] for `where` and the like: a result that is not Boolean is an error.
    pub fn compile_predicate(&self, schema: &Schema, context: &EvalContext) -> Result<Compiled, QueryError> {
        let node = condition(self, &Scope { schema, context })?;
        Ok(Compiled { node, output: DataType::Boolean })
    }
}
