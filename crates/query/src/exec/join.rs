//! Joining two flows by the values of fields, of any size: both are sorted by their keys, merged, and sorted back.

use super::combine::{Prefer, beside, common_schema, fit};
use super::{Flow, HIDDEN, Make, Step, Transform, transform};
use crate::columns::{Values, missing};
use crate::commands::column_index;
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{SortOptions, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use arrow::record_batch::RecordBatchOptions;
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::sorts::sort::SortExec;
use std::sync::Arc;

/// What is joined, and how.
#[derive(Clone, Debug)]
pub struct Join {
    /// Fields of the left rows and of the right ones that have to have the same value.
    pub keys: Vec<(String, String)>,
    /// Whether left rows without a match stay.
    pub outer: bool,
    /// At most so many right rows for each left one; all where it is not said.
    pub most: Option<usize>,
    /// Whose values count where both have a field.
    pub prefer: Prefer,
    /// Only right rows that are not later (true) or not earlier (false) than the left one.
    pub earlier: Option<bool>,
    /// What names of the left and of the right begin with in the outcome; those with `_` keep theirs on the left.
    pub prefixes: Option<(String, String)>,
}

const KEY: &str = "key";
const ROW: &str = "row";

fn hidden(side: &str, name: &str) -> String {
    format!("{HIDDEN}{side} {name}")
}

const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Joins.
pub fn join(left: Flow, right: Flow, spec: &Join) -> Result<Flow> {
    let table = left.table;
    let (left_plain, right_plain) = (left.schema(), right.schema());
    let left = keyed(left, "left", spec.keys.iter().map(|(left, _)| left.clone()).collect());
    let mut right = keyed(right, "right", spec.keys.iter().map(|(_, right)| right.clone()).collect());
    let (width_left, width_right) = (left_plain.fields().len(), right_plain.fields().len());
    let left = sorted(left, &[width_left, width_left + 1]);
    right = sorted(right, &[width_right, width_right + 1]);
    // Without times to compare, only the first rows of a key can be used: the others need not be joined.
    if let (Some(most), None) = (spec.most, spec.earlier) {
        right = first_of_runs(right, width_right, most);
    }
    let column = |flow: &Flow, at: usize| Arc::new(Column::new(flow.schema().field(at).name(), at));
    let on = vec![(column(&left, width_left) as _, column(&right, width_right) as _)];
    let filter = spec.earlier.and_then(|earlier| time_filter(&left.schema(), &right.schema(), earlier));
    let kind = if spec.outer { JoinType::Left } else { JoinType::Inner };
    let plan = SortMergeJoinExec::try_new(left.plan, right.plan, on, filter, kind, vec![ASCENDING], NullEquality::NullEqualsNothing)?;
    let joined = Flow { plan: Arc::new(plan), ordered: true, table }.single();
    // The join's columns may be in another nullability; they are found by place from here on.
    let rows = (width_left + 1, width_left + 2 + width_right + 1);
    let mut joined = sorted(joined, &[rows.0, rows.1]);
    if let (Some(most), Some(_)) = (spec.most, spec.earlier) {
        joined = first_of_runs(joined, rows.0, most);
    }
    Ok(outcome(joined, left_plain, right_plain, spec))
}

/// The rows with their key and number behind their columns; all names are of this side.
fn keyed(flow: Flow, side: &'static str, keys: Vec<String>) -> Flow {
    let flow = flow.single();
    let plain = flow.schema();
    let places: Vec<Option<usize>> = keys.iter().map(|key| column_index(&plain, key)).collect();
    let mut fields: Vec<Field> =
        plain.fields().iter().map(|f| f.as_ref().clone().with_name(hidden(side, f.name())).with_nullable(true)).collect();
    fields.push(Field::new(hidden(side, KEY), DataType::Utf8, true));
    fields.push(Field::new(hidden(side, ROW), DataType::UInt64, true));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let made = schema.clone();
    let make: Make = Arc::new(move |_| Ok(Box::new(Keys { schema: made.clone(), places: places.clone(), row: 0 })));
    flow.map("join keys", schema, make)
}

struct Keys {
    schema: SchemaRef,
    places: Vec<Option<usize>>,
    row: u64,
}

impl Transform for Keys {
    fn push(&mut self, batch: RecordBatch) -> Result<Step> {
        let rows = batch.num_rows();
        let columns = self.places.iter().map(|at| at.map_or_else(|| missing(rows), |at| batch.column(at).clone()));
        let values = columns.map(|column| Values::of(&column)).collect::<std::result::Result<Vec<_>, _>>()?;
        let key = |row: usize| {
            let mut key = String::new();
            for values in &values {
                key.push_str(&values.text(row)?);
                key.push('\u{1f}');
            }
            Some(key)
        };
        let keys: StringArray = (0..rows).map(key).collect();
        let next = self.row + rows as u64;
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(keys));
        columns.push(Arc::new(UInt64Array::from_iter_values(self.row..next)));
        self.row = next;
        Ok(Step::Rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

fn sorted(flow: Flow, places: &[usize]) -> Flow {
    let schema = flow.schema();
    let keys = places.iter().map(|at| PhysicalSortExpr::new(Arc::new(Column::new(schema.field(*at).name(), *at)), ASCENDING));
    let ordering = LexOrdering::new(keys).expect("there are keys");
    Flow { plan: Arc::new(SortExec::new(ordering, flow.plan)), ..flow }
}

/// Of rows that follow each other with one value in a column, the first; rows without one all stay.
fn first_of_runs(flow: Flow, at: usize, most: usize) -> Flow {
    let schema = flow.schema();
    let make: Make = Arc::new(move |_| Ok(Box::new(Runs { at, most, last: None, count: 0 })));
    flow.map("first of each", schema, make)
}

struct Runs {
    at: usize,
    most: usize,
    last: Option<Vec<u8>>,
    count: usize,
}

impl Transform for Runs {
    fn push(&mut self, batch: RecordBatch) -> Result<Step> {
        let column = batch.column(self.at);
        let value = |row: usize| match column.data_type() {
            DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_be_bytes().to_vec(),
            _ => column.as_string::<i32>().value(row).as_bytes().to_vec(),
        };
        let mut keep = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            if column.is_null(row) {
                keep.push(true);
                continue;
            }
            let value = value(row);
            if self.last.as_ref() != Some(&value) {
                (self.last, self.count) = (Some(value), 0);
            }
            self.count += 1;
            keep.push(self.count <= self.most);
        }
        Ok(Step::Rows(filter_record_batch(&batch, &BooleanArray::from(keep))?))
    }
}

fn time_filter(left: &SchemaRef, right: &SchemaRef, earlier: bool) -> Option<JoinFilter> {
    let (at_left, at_right) = (column_index(left, &hidden("left", "_time"))?, column_index(right, &hidden("right", "_time"))?);
    let schema = Arc::new(Schema::new(vec![left.field(at_left).clone(), right.field(at_right).clone()]));
    let operator = if earlier { Operator::GtEq } else { Operator::LtEq };
    let side = |at: usize| Arc::new(Column::new(schema.field(at).name(), at));
    let expression = Arc::new(BinaryExpr::new(side(0), operator, side(1)));
    let places = vec![ColumnIndex { index: at_left, side: JoinSide::Left }, ColumnIndex { index: at_right, side: JoinSide::Right }];
    Some(JoinFilter::new(expression, places, schema))
}

/// The columns of the outcome, under their names.
fn outcome(joined: Flow, left: SchemaRef, right: SchemaRef, spec: &Join) -> Flow {
    let renamed = |schema: &SchemaRef, prefix: Option<&str>, right: bool| -> SchemaRef {
        let name = |name: &str| match prefix {
            Some(_) if name.starts_with('_') && !right => name.to_owned(),
            Some(prefix) => format!("{prefix}.{name}"),
            None => name.to_owned(),
        };
        Arc::new(Schema::new(
            schema.fields().iter().map(|f| f.as_ref().clone().with_name(name(f.name())).with_nullable(true)).collect::<Vec<_>>(),
        ))
    };
    let prefixes = spec.prefixes.as_ref();
    let left_named = renamed(&left, prefixes.map(|(left, _)| left.as_str()), false);
    // What the key of the right is, the left has already; its own columns of the machinery and of the event stay away.
    let dropped = |name: &str| match prefixes {
        Some(_) => name.starts_with('_'),
        None => spec.keys.iter().any(|(left, right)| right == name && left == right),
    };
    let kept: Vec<usize> = (0..right.fields().len()).filter(|at| !dropped(right.field(*at).name())).collect();
    let right_kept: SchemaRef = Arc::new(Schema::new(kept.iter().map(|at| right.field(*at).clone()).collect::<Vec<_>>()));
    let right_named = renamed(&right_kept, prefixes.map(|(_, right)| right.as_str()), true);
    let schema = common_schema(&[left_named.clone(), right_named.clone()]);
    let (width, prefer, made) = (left.fields().len(), spec.prefer, schema.clone());
    joined.map(
        "join",
        schema,
        transform(move |batch: RecordBatch| {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let part = |schema: &SchemaRef, places: Vec<usize>| {
                let columns = places.iter().map(|at| batch.column(*at).clone()).collect();
                RecordBatch::try_new_with_options(schema.clone(), columns, &options)
            };
            let left = part(&left_named, (0..width).collect())?;
            let right = part(&right_named, kept.iter().map(|at| width + 2 + at).collect())?;
            if right.num_columns() == 0 {
                return Ok(fit(&left, &made)?);
            }
            Ok(beside(&left, &right, &made, prefer)?)
        }),
    )
}
