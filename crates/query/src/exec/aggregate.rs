//! Grouping and aggregating: columns of arguments first, then DataFusion's hash aggregation, which spills.

use super::order::{Key, sort};
use super::{Flow, HIDDEN, transform};
use crate::columns::{Cell, Values, missing, normalise, time_type, to_numbers};
use crate::commands::{Planner, column_index};
use crate::eval::Compiled;
use crate::functions::{Accumulate, Argument, Call, Function, Gives, Method, OwnAggregate, count_values};
use crate::language::QueryError;
use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::{cast, filter_record_batch, is_not_null, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, lit};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use std::sync::Arc;

/// How rows are grouped and values looked at, beyond the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// `allnum`: functions of numbers give nothing in a group where one value is no number.
    pub all_numbers: bool,
    /// `dedup_splitvals`: a value that a row has twice puts the row in its group once.
    pub each_once: bool,
}

/// Groups by `groups` and computes `calls` (wildcards expanded) in each; a table sorted by the groups. Rows that lack
/// a group's field are left out; a field with many values puts the row in the group of each.
pub fn aggregate(input: Flow, groups: &[String], calls: &[Call], planner: &Planner) -> Result<Flow, QueryError> {
    in_order(aggregate_unsorted(input, groups, calls, planner)?, groups, planner)
}

/// The groups sorted where their order shows in the end.
pub fn in_order(flow: Flow, groups: &[String], planner: &Planner) -> Result<Flow, QueryError> {
    if planner.ordered { sort_groups(flow, groups) } else { Ok(flow) }
}

/// A table in the order of its groups.
pub fn sort_groups(flow: Flow, groups: &[String]) -> Result<Flow, QueryError> {
    if groups.is_empty() {
        return Ok(flow);
    }
    let keys: Vec<Key> = groups.iter().map(Key::group).collect();
    Ok(sort(flow, &keys, None)?)
}

/// As [`aggregate`], in no order.
pub fn aggregate_unsorted(input: Flow, groups: &[String], calls: &[Call], planner: &Planner) -> Result<Flow, QueryError> {
    aggregate_how(input, groups, calls, How::default(), planner)
}

/// As [`aggregate_unsorted`], with a say in how.
pub fn aggregate_how(input: Flow, groups: &[String], calls: &[Call], how: How, planner: &Planner) -> Result<Flow, QueryError> {
    let mut columns = Prepared::new(&input.schema(), groups, how)?;
    let mut built = Vec::new();
    for call in calls {
        built.push(columns.call(call, planner)?);
    }
    let prepared_schema = columns.schema();
    let outputs: Vec<Field> = columns.group_fields().chain(built.iter().map(|b| b.output.clone())).collect();
    let prepared = input.map("arguments", prepared_schema.clone(), transform(move |batch| columns.apply(&batch)));
    let expressions = built.into_iter().map(|b| b.expression(&prepared_schema).map(Arc::new)).collect::<Result<Vec<_>>>()?;
    let group_columns = prepared_schema.fields().iter().take(groups.len()).enumerate();
    let group_by = PhysicalGroupBy::new_single(
        group_columns.map(|(at, field)| (Arc::new(Column::new(field.name(), at)) as Arc<dyn PhysicalExpr>, field.name().clone())).collect(),
    );
    let plan = hash_aggregate(prepared.plan, group_by, expressions, prepared_schema)?;
    let flow = Flow { plan, ordered: false, table: true };
    let schema: SchemaRef = Arc::new(Schema::new(outputs));
    let named = schema.clone();
    Ok(flow.map(
        "name",
        schema,
        transform(move |batch: RecordBatch| {
            let columns = batch.columns().iter().zip(named.fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<Vec<_>, _>>()?;
            Ok(RecordBatch::try_new(named.clone(), columns)?)
        }),
    ))
}

/// One pass over a single partition; else partial ones side by side and a final one.
fn hash_aggregate(
    input: Arc<dyn ExecutionPlan>,
    group_by: PhysicalGroupBy,
    expressions: Vec<Arc<AggregateFunctionExpr>>,
    schema: SchemaRef,
) -> Result<Arc<dyn ExecutionPlan>> {
    let filters = vec![None; expressions.len()];
    if input.output_partitioning().partition_count() <= 1 {
        let exec = AggregateExec::try_new(AggregateMode::Single, group_by, expressions, filters, input, schema)?;
        return Ok(Arc::new(exec));
    }
    let last = group_by.as_final();
    let partial = AggregateExec::try_new(AggregateMode::Partial, group_by, expressions.clone(), filters.clone(), input, schema.clone())?;
    let merged = Arc::new(CoalescePartitionsExec::new(Arc::new(partial)));
    Ok(Arc::new(AggregateExec::try_new(AggregateMode::Final, last, expressions, filters, merged, schema)?))
}

/// The column of the event's own time, where `_time` is something else.
pub const MOMENT: &str = "\u{1}moment";

/// How a column of the prepared input is made.
#[derive(Clone)]
enum Maker {
    /// As it is; of this type when it is not there.
    Field(Option<usize>, DataType),
    /// A field as numbers.
    Numbers(Option<usize>),
    /// A field's squares.
    Squares(Option<usize>),
    /// An expression.
    Eval(Compiled),
    /// An expression as numbers.
    EvalNumbers(Compiled, bool),
    /// 1 where an expression is true, else null.
    EvalTrue(Compiled),
}

/// The input of the aggregation: groups first, then arguments.
struct Prepared {
    input: SchemaRef,
    how: How,
    groups: usize,
    makers: Vec<(String, Maker, DataType)>,
}

struct Built {
    call: Call,
    aggregate: Arc<AggregateUDF>,
    arguments: Vec<usize>,
    output: Field,
}

impl Prepared {
    fn new(input: &SchemaRef, groups: &[String], how: How) -> Result<Self, QueryError> {
        let mut this = Self { input: input.clone(), how, groups: groups.len(), makers: Vec::new() };
        for group in groups {
            let at = column_index(input, group);
            let kind = match at.map(|at| input.field(at).data_type()) {
                Some(kind @ (DataType::Float64 | DataType::Int64 | DataType::Timestamp(..))) => kind.clone(),
                _ => DataType::Utf8,
            };
            this.makers.push((group.clone(), Maker::Field(at, kind.clone()), kind));
        }
        Ok(this)
    }

    fn add(&mut self, name: String, maker: Maker, kind: DataType) -> usize {
        // Hidden names, so that an argument cannot be taken for a group of the same name.
        let name = format!("{HIDDEN}{name}");
        if let Some(at) = self.makers.iter().position(|(known, ..)| *known == name) {
            return at;
        }
        self.makers.push((name, maker, kind));
        self.makers.len() - 1
    }

    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.makers.iter().map(|(name, _, kind)| Field::new(name, kind.clone(), true)).collect::<Vec<_>>()))
    }

    fn group_fields(&self) -> impl Iterator<Item = Field> {
        let fields: Vec<Field> = self.makers[..self.groups].iter().map(|(name, _, kind)| Field::new(name, kind.clone(), true)).collect();
        fields.into_iter()
    }

    /// Adds the argument columns of a call and chooses how it is computed.
    fn call(&mut self, call: &Call, planner: &Planner) -> Result<Built, QueryError> {
        let method = call.function.method;
        let strict = self.how.all_numbers && call.function.gives == Gives::Number;
        let mut argument_type = DataType::Null;
        let mut arguments = Vec::new();
        let mut list = false;
        match &call.argument {
            Argument::Rows => {}
            Argument::Field(field) => {
                let at = column_index(&self.input, field);
                argument_type = at.map_or(DataType::Utf8, |at| self.input.field(at).data_type().clone());
                // What has to be looked at value by value goes the way of fields with many.
                list = strict || matches!(argument_type, DataType::List(_));
                arguments.push(match method {
                    Method::Native(..) | Method::PerSpan(_) if !list => {
                        self.add(format!("n:{field}"), Maker::Numbers(at), DataType::Float64)
                    }
                    Method::NativeSquares(..) if !list => self.add(format!("s:{field}"), Maker::Squares(at), DataType::Float64),
                    _ => self.add(format!("f:{field}"), Maker::Field(at, argument_type.clone()), argument_type.clone()),
                });
            }
            Argument::Spark(line) => arguments.push(self.spark(&line.inner, planner)?),
            Argument::Eval(expression) if matches!(method, Method::Count) => {
                let compiled = expression.compile_predicate(&self.input, &planner.eval)?;
                argument_type = DataType::Int64;
                arguments.push(self.add(format!("t:{}", call.name), Maker::EvalTrue(compiled), DataType::Int64));
            }
            Argument::Eval(expression) => {
                let compiled = expression.compile(&self.input, &planner.eval)?;
                argument_type = compiled.output_type().clone();
                list = strict || matches!(argument_type, DataType::List(_));
                let squares = matches!(method, Method::NativeSquares(..));
                arguments.push(match method {
                    Method::Native(..) | Method::PerSpan(_) | Method::NativeSquares(..) if !list => {
                        self.add(format!("en{squares}:{}", call.name), Maker::EvalNumbers(compiled, squares), DataType::Float64)
                    }
                    _ => {
                        if !matches!(argument_type, DataType::Float64 | DataType::Int64 | DataType::List(_) | DataType::Timestamp(..)) {
                            argument_type = DataType::Utf8;
                        }
                        self.add(format!("e:{}", call.name), Maker::Eval(compiled), argument_type.clone())
                    }
                });
            }
        }
        if call.function.time {
            // In a chart `_time` is the start of the span; the event's own time then stands beside it.
            let at = column_index(&self.input, MOMENT).or_else(|| column_index(&self.input, "_time"));
            let kind = at.map_or_else(time_type, |at| self.input.field(at).data_type().clone());
            arguments.push(self.add("f:_time".to_owned(), Maker::Field(at, kind.clone()), kind));
        }
        let output = call.function.output(&call.name, &argument_type);
        let aggregate = Arc::new(choose(call, list, strict, &output, planner)?);
        Ok(Built { call: call.clone(), aggregate, arguments, output })
    }

    /// The argument column of the function of a sparkline.
    fn spark(&mut self, inner: &Call, planner: &Planner) -> Result<usize, QueryError> {
        let counts = matches!(inner.function.method, Method::Count);
        let (name, maker, kind) = match &inner.argument {
            Argument::Field(field) => {
                let at = column_index(&self.input, field);
                let kind = at.map_or(DataType::Utf8, |at| self.input.field(at).data_type().clone());
                (format!("f:{field}"), Maker::Field(at, kind.clone()), kind)
            }
            Argument::Eval(expression) if counts => {
                let compiled = expression.compile_predicate(&self.input, &planner.eval)?;
                (format!("t:{}", inner.name), Maker::EvalTrue(compiled), DataType::Int64)
            }
            Argument::Eval(expression) => {
                let compiled = expression.compile(&self.input, &planner.eval)?;
                (format!("en:{}", inner.name), Maker::EvalNumbers(compiled, false), DataType::Float64)
            }
            Argument::Rows | Argument::Spark(_) => {
                let one = crate::eval::Expr::parse("1")?.compile(&self.input, &planner.eval)?;
                ("one".to_owned(), Maker::EvalNumbers(one, false), DataType::Float64)
            }
        };
        Ok(self.add(name, maker, kind))
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.makers.len());
        for (_, maker, _) in &self.makers {
            columns.push(maker.column(batch)?);
        }
        for at in 0..self.groups {
            if matches!(columns[at].data_type(), DataType::List(_)) {
                explode(&mut columns, at, self.how.each_once)?;
            } else if self.makers[at].2 == DataType::Utf8 {
                columns[at] = Arc::new(crate::columns::to_text(&columns[at])?);
            }
        }
        // With no argument at all (`stats count`) the number of rows is all there is.
        let options = arrow::record_batch::RecordBatchOptions::new()
            .with_row_count(Some(columns.first().map_or(batch.num_rows(), |column| column.len())));
        let mut prepared = RecordBatch::try_new_with_options(self.schema(), columns, &options)?;
        for at in 0..self.groups {
            if prepared.column(at).null_count() > 0 {
                prepared = filter_record_batch(&prepared, &is_not_null(prepared.column(at))?)?;
            }
        }
        Ok(prepared)
    }
}

impl Maker {
    fn column(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        let field = |at: &Option<usize>| at.map_or_else(|| missing(rows), |at| batch.column(at).clone());
        Ok(match self {
            Self::Field(None, kind) => new_null_array(kind, rows),
            Self::Field(Some(at), _) => batch.column(*at).clone(),
            Self::Numbers(at) => Arc::new(to_numbers(&field(at))?),
            Self::Squares(at) => Arc::new(squares(&to_numbers(&field(at))?)),
            Self::Eval(compiled) => match normalise(&compiled.evaluate(batch))? {
                flags if flags.data_type() == &DataType::Boolean => Arc::new(crate::columns::to_text(&flags)?),
                column => column,
            },
            Self::EvalNumbers(compiled, false) => Arc::new(to_numbers(&compiled.evaluate(batch))?),
            Self::EvalNumbers(compiled, true) => Arc::new(squares(&to_numbers(&compiled.evaluate(batch))?)),
            Self::EvalTrue(compiled) => {
                let flags: BooleanArray = compiled.evaluate_predicate(batch);
                Arc::new(flags.iter().map(|flag| flag.unwrap_or(false).then_some(1)).collect::<Int64Array>())
            }
        })
    }
}

fn squares(numbers: &Float64Array) -> Float64Array {
    numbers.unary(|number| number * number)
}

/// Makes one row of each value of the list column `at`.
fn explode(columns: &mut [ArrayRef], at: usize, each_once: bool) -> Result<()> {
    let values = Values::of(&columns[at])?;
    let (mut rows, mut items) = (Vec::new(), Vec::new());
    for row in 0..columns[at].len() {
        let from = items.len();
        for item in values.list(row) {
            if !(each_once && items[from..].contains(&item)) {
                rows.push(row as u32);
                items.push(item);
            }
        }
    }
    let rows = UInt32Array::from(rows);
    for (other, column) in columns.iter_mut().enumerate() {
        if other != at {
            *column = take(column, &rows, None)?;
        }
    }
    columns[at] = Arc::new(StringArray::from(items));
    Ok(())
}

/// The group of a row, as text that no other group has; `None` where a field is missing. Of a field with many values
/// the first counts.
pub fn group_key(groups: &[Values], row: usize) -> Option<String> {
    let mut key = String::new();
    for values in groups {
        let mut first = None;
        values.each(row, |cell| {
            first.get_or_insert_with(|| match cell {
                Cell::Text(text) => format!("t{}:{text}", text.len()),
                Cell::Number(number) => format!("n{:x}:", (number + 0.0).to_bits()),
                Cell::Time(nanos) => format!("m{nanos}:"),
            });
        });
        key.push_str(&first?);
    }
    Some(key)
}

/// DataFusion's aggregate where the argument is a plain column, else our own.
fn choose(call: &Call, list: bool, strict: bool, output: &Field, planner: &Planner) -> Result<AggregateUDF, QueryError> {
    let own = |make: fn(f64) -> Box<dyn Accumulate>| {
        let function: &Function = call.function;
        let kind = output.data_type().clone();
        let aggregate = OwnAggregate::new(function.name, call.parameter, make, function.time, kind, planner.messages.clone());
        AggregateUDF::from(aggregate.strictly(strict))
    };
    Ok(match call.function.method {
        Method::Count if list => own(count_values),
        Method::Count => datafusion::functions_aggregate::count::count_udaf().as_ref().clone(),
        Method::Native(_, make) | Method::NativeSquares(_, make) if list => own(make),
        Method::Native(native, _) | Method::NativeSquares(native, _) => native().as_ref().clone(),
        Method::PerSpan(_) if list => own(crate::functions::sum_values),
        Method::PerSpan(_) => datafusion::functions_aggregate::sum::sum_udaf().as_ref().clone(),
        Method::Own(make) => own(make),
        Method::Sparkline => {
            let Argument::Spark(line) = &call.argument else { return Err(QueryError::new("sparkline needs a function")) };
            let (name, output) = (format!("sparkline({line})"), output.data_type().clone());
            let aggregate = OwnAggregate::new("sparkline", 0.0, count_values, true, output, planner.messages.clone());
            AggregateUDF::from(aggregate.made_by(name, line.maker()?))
        }
    })
}

impl Built {
    fn expression(self, schema: &SchemaRef) -> Result<AggregateFunctionExpr> {
        let mut arguments: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        for at in &self.arguments {
            arguments.push(Arc::new(Column::new(schema.field(*at).name(), *at)));
        }
        if arguments.is_empty() {
            arguments.push(lit(1i64));
        }
        AggregateExprBuilder::new(self.aggregate, arguments).schema(schema.clone()).alias(self.call.name).build()
    }
}
