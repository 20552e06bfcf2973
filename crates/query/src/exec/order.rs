//! Sorting: keys that compare as the language says, DataFusion's sort that spills, and row numbers that keep ties in order.

use super::{Flow, HIDDEN, Make, Opener, SourceExec, Step, Transform, transform};
use crate::columns::{Values, parse_number};
use arrow::array::{Array, ArrayRef, Float64Builder, Int64Builder, RecordBatch, StringBuilder, UInt64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// How the values of a key compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Numbers by value, then addresses, then text.
    Auto,
    /// As `Auto`, and texts that are the same number by text: no two different values are equal.
    Distinct,
    /// Addresses by value, then text.
    Ip,
    /// Numbers by value, then text.
    Number,
    /// Text.
    Text,
}

/// A key to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The field.
    pub field: String,
    /// How its values compare.
    pub kind: KeyKind,
    /// Whether large ones come first. Missing ones come last either way.
    pub descending: bool,
}

impl Key {
    /// Ascending, by value.
    pub fn ascending(field: impl Into<String>) -> Self {
        Self { field: field.into(), kind: KeyKind::Auto, descending: false }
    }

    /// Ascending, by value, for rows that come in no order and are to leave in one.
    pub fn group(field: impl Into<String>) -> Self {
        Self { kind: KeyKind::Distinct, ..Self::ascending(field) }
    }
}

/// Sorts; rows that compare equal stay in order. With `limit`, only so many rows come out.
pub fn sort(input: Flow, keys: &[Key], limit: Option<usize>) -> Result<Flow> {
    let input = input.single();
    let schema = input.schema();
    let mut fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone()).collect();
    let mut order = Vec::new();
    let mut made = Vec::new();
    for key in keys {
        let Some(at) = schema.fields().iter().position(|f| *f.name() == key.field) else { continue };
        let options = SortOptions { descending: key.descending, nulls_first: false };
        let by_value = matches!(schema.field(at).data_type(), DataType::Float64 | DataType::Int64 | DataType::Timestamp(..));
        if by_value && key.kind != KeyKind::Text {
            order.push((at, options));
            continue;
        }
        for (part, kind) in [("class", DataType::Int64), ("number", DataType::Float64), ("text", DataType::Utf8)] {
            order.push((fields.len(), options));
            fields.push(Field::new(format!("{HIDDEN}{part}{}", made.len()), kind, true));
        }
        made.push((at, key.kind));
    }
    order.push((fields.len(), SortOptions { descending: false, nulls_first: false }));
    fields.push(Field::new(format!("{HIDDEN}row"), DataType::UInt64, false));
    sorted(input, fields, order, made, limit)
}

/// The rows from the last to the first. With `limit`, only so many come out.
pub fn reverse(input: Flow, limit: Option<usize>) -> Result<Flow> {
    let input = input.single();
    let mut fields: Vec<Field> = input.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let order = vec![(fields.len(), SortOptions { descending: true, nulls_first: false })];
    fields.push(Field::new(format!("{HIDDEN}row"), DataType::UInt64, false));
    sorted(input, fields, order, Vec::new(), limit)
}

/// Adds the key columns, sorts by `order`, drops the key columns.
fn sorted(
    input: Flow,
    fields: Vec<Field>,
    order: Vec<(usize, SortOptions)>,
    made: Vec<(usize, KeyKind)>,
    limit: Option<usize>,
) -> Result<Flow> {
    let plain = input.schema();
    let keyed: SchemaRef = Arc::new(Schema::new(fields));
    let table = input.table;
    let make: Make = {
        let keyed = keyed.clone();
        Arc::new(move |_| Ok(Box::new(AddKeys { schema: keyed.clone(), made: made.clone(), row: 0 })))
    };
    let with_keys = input.map("keys", keyed.clone(), make);
    let expressions =
        order.into_iter().map(|(at, options)| PhysicalSortExpr::new(Arc::new(Column::new(keyed.field(at).name(), at)), options));
    let ordering = LexOrdering::new(expressions).expect("the row number is always a key");
    let plan: Arc<dyn ExecutionPlan> = match limit {
        None => Arc::new(SortExec::new(ordering, with_keys.plan)),
        // What has to be among the first rows is remembered by the node: who runs the plan again needs a new one.
        Some(_) => {
            let input = with_keys.plan;
            let open: Opener = Arc::new(move |partition, context| {
                SortExec::new(ordering.clone(), input.clone()).with_fetch(limit).execute(partition, context)
            });
            Arc::new(SourceExec::new("first rows", keyed, 1, None, open))
        }
    };
    let flow = Flow { plan, ordered: true, table };
    let width = plain.fields().len();
    Ok(flow.map("drop keys", plain, transform(move |batch: RecordBatch| Ok(batch.project(&(0..width).collect::<Vec<_>>())?))))
}

struct AddKeys {
    schema: SchemaRef,
    made: Vec<(usize, KeyKind)>,
    row: u64,
}

impl Transform for AddKeys {
    fn push(&mut self, batch: RecordBatch) -> Result<Step> {
        let mut columns = batch.columns().to_vec();
        for (at, kind) in &self.made {
            columns.extend(key_columns(batch.column(*at), *kind)?);
        }
        let next = self.row + batch.num_rows() as u64;
        columns.push(Arc::new(UInt64Array::from_iter_values(self.row..next)));
        self.row = next;
        Ok(Step::Rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

fn key_columns(column: &ArrayRef, kind: KeyKind) -> Result<[ArrayRef; 3]> {
    let values = Values::of(column)?;
    let (mut classes, mut numbers, mut texts) = (Int64Builder::new(), Float64Builder::new(), StringBuilder::new());
    for row in 0..column.len() {
        let text = match &values {
            Values::Text(texts) => texts.is_valid(row).then(|| Cow::Borrowed(texts.value(row))),
            values => values.text(row).map(Cow::Owned),
        };
        let Some(text) = text else {
            classes.append_null();
            numbers.append_null();
            texts.append_null();
            continue;
        };
        let by_value = matches!(kind, KeyKind::Auto | KeyKind::Distinct);
        let number = if by_value || kind == KeyKind::Number { parse_number(&text) } else { None };
        let address = if number.is_none() && (by_value || kind == KeyKind::Ip) { address_key(&text) } else { None };
        match (number, address) {
            (Some(number), _) => {
                classes.append_value(0);
                numbers.append_value(number + 0.0);
                texts.append_option((kind == KeyKind::Distinct).then_some(text));
            }
            (None, Some(address)) => {
                classes.append_value(1);
                numbers.append_null();
                texts.append_value(address);
            }
            (None, None) => {
                classes.append_value(2);
                numbers.append_null();
                texts.append_value(text);
            }
        }
    }
    Ok([Arc::new(classes.finish()), Arc::new(numbers.finish()), Arc::new(texts.finish())])
}

/// Text that sorts as the address does: IPv4 before IPv6.
fn address_key(text: &str) -> Option<String> {
    // Cheap test first: most text is no address.
    if !text.contains(['.', ':']) || text.len() > 45 {
        return None;
    }
    Some(match text.parse().ok()? {
        IpAddr::V4(address) => format!("4{:08x}", u32::from(address)),
        IpAddr::V6(address) => format!("6{:032x}", u128::from(address)),
    })
}
