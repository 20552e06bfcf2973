//! `fieldsummary`: a row of figures for each field.
//!
//! Every value becomes a row of its own; DataFusion counts equal ones and sorts them, both of which spill, and one pass
//! over the sorted counts makes the figures. All of them are exact.

use super::words::{expand, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::{Values, parse_number};
use crate::exec::aggregate::aggregate_unsorted;
use crate::exec::order::{Key, KeyKind, sort};
use crate::exec::{Flow, HIDDEN, Make, Step, Transform};
use crate::functions::Call;
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::FIELDSUMMARY_VALUES_MAX;

/// What `fieldsummary` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "fieldsummary",
    aliases: &[],
    syntax: "fieldsummary [maxvals=<count>] [<field>...]",
    summary: "A row for each field: how often it is there, its distinct values, figures of the numeric ones, and the most frequent values as JSON.",
    examples: &["error | fieldsummary", "* | fieldsummary maxvals=5 status bytes*"],
    parse,
};

#[derive(Clone, Debug)]
struct Fieldsummary {
    values: usize,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut command = Fieldsummary { values: 100, fields: Vec::new() };
    while !args.at_end() {
        if let Some(option) = args.option(&["maxvals"])? {
            command.values = option.value.integer("maxvals", 0)? as usize;
            if command.values > FIELDSUMMARY_VALUES_MAX {
                return Err(QueryError::at(option.value.span, format!("maxvals is {FIELDSUMMARY_VALUES_MAX} at most")));
            }
        } else {
            command.fields.push(args.field("a field name")?.name);
            args.symbol(",");
        }
    }
    Ok(Box::new(command))
}

impl fmt::Display for Fieldsummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fieldsummary maxvals={}", self.values)?;
        self.fields.iter().try_for_each(|field| write!(f, " {}", quote_field(field)))
    }
}

impl Command for Fieldsummary {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        if self.fields.is_empty() { Required::all() } else { Required::of(self.fields.iter().cloned()) }
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let names = input.names();
        let typed = if self.fields.is_empty() { vec!["*".to_owned()] } else { self.fields.clone() };
        let schema = input.schema();
        let fields: Vec<(String, usize)> =
            expand(&typed, &names).into_iter().filter_map(|name| Some((name.clone(), super::column_index(&schema, &name)?))).collect();
        let (field, value, count) = (format!("{HIDDEN}field"), format!("{HIDDEN}value"), format!("{HIDDEN}count"));
        let pairs: SchemaRef =
            Arc::new(Schema::new(vec![Field::new(&field, DataType::Utf8, true), Field::new(&value, DataType::Utf8, true)]));
        let made = pairs.clone();
        let apart = crate::exec::transform(move |batch: RecordBatch| values_of(&batch, &fields, &made));
        let input = Flow { ordered: false, table: true, ..input.map("values", pairs, apart) };
        let counts = [Call { name: count.clone(), ..Call::count() }];
        let counted = aggregate_unsorted(input, &[field.clone(), value.clone()], &counts, planner)?.single();
        let key = |name: &str, kind, descending| Key { field: name.to_owned(), kind, descending };
        let keys = [key(&field, KeyKind::Text, false), key(&count, KeyKind::Number, true), key(&value, KeyKind::Distinct, false)];
        let most = self.values;
        let shape = shape();
        let make: Make = Arc::new(move |_| Ok(Box::new(Summaries { most, current: None, done: Vec::new() })));
        Ok(sort(counted, &keys, None)?.map("fieldsummary", shape, make).into())
    }
}

/// A row of each value of each field.
fn values_of(batch: &RecordBatch, fields: &[(String, usize)], schema: &SchemaRef) -> ExecResult<RecordBatch> {
    let (mut names, mut texts) = (Vec::new(), Vec::new());
    for (name, at) in fields {
        let values = Values::of(batch.column(*at))?;
        for row in 0..batch.num_rows() {
            values.each(row, |cell| {
                names.push(name.as_str());
                texts.push(cell.text().into_owned());
            });
        }
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(names)), Arc::new(StringArray::from(texts))];
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn shape() -> SchemaRef {
    let (text, whole, number) = (DataType::Utf8, DataType::Int64, DataType::Float64);
    let columns = [
        ("field", &text),
        ("count", &whole),
        ("distinct_count", &whole),
        ("is_exact", &whole),
        ("max", &number),
        ("mean", &number),
        ("min", &number),
        ("numeric_count", &whole),
        ("stdev", &number),
        ("values", &text),
    ];
    Arc::new(Schema::new(columns.map(|(name, kind)| Field::new(name, kind.clone(), true)).to_vec()))
}

#[derive(Default)]
struct Summary {
    field: String,
    count: i64,
    distinct: i64,
    numeric: i64,
    mean: f64,
    /// Squared distances from the mean, by Welford's method.
    squares: f64,
    range: Option<(f64, f64)>,
    values: Vec<Value>,
}

impl Summary {
    fn add(&mut self, value: &str, count: i64, most: usize) {
        self.count += count;
        self.distinct += 1;
        if self.values.len() < most {
            self.values.push(json!({"value": value, "count": count}));
        }
        let Some(number) = parse_number(value) else { return };
        let (low, high) = self.range.unwrap_or((number, number));
        self.range = Some((low.min(number), high.max(number)));
        let (before, added) = (self.numeric as f64, count as f64);
        let apart = number - self.mean;
        self.numeric += count;
        self.mean += apart * added / self.numeric as f64;
        self.squares += apart * apart * before * added / self.numeric as f64;
    }
}

/// Makes the rows from counts sorted by field, then by count.
struct Summaries {
    most: usize,
    current: Option<Summary>,
    done: Vec<Summary>,
}

impl Summaries {
    fn rows(&mut self) -> ExecResult<RecordBatch> {
        let done = std::mem::take(&mut self.done);
        let whole = |of: fn(&Summary) -> i64| Arc::new(Int64Array::from_iter_values(done.iter().map(of))) as ArrayRef;
        let number = |of: fn(&Summary) -> Option<f64>| Arc::new(done.iter().map(of).collect::<Float64Array>()) as ArrayRef;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(done.iter().map(|summary| &summary.field))),
            whole(|summary| summary.count),
            whole(|summary| summary.distinct),
            whole(|_| 1),
            number(|summary| summary.range.map(|(_, high)| high)),
            number(|summary| (summary.numeric > 0).then_some(summary.mean)),
            number(|summary| summary.range.map(|(low, _)| low)),
            whole(|summary| summary.numeric),
            number(|summary| (summary.numeric > 1).then(|| (summary.squares / (summary.numeric - 1) as f64).sqrt())),
            Arc::new(StringArray::from_iter_values(done.iter().map(|summary| Value::Array(summary.values.clone()).to_string()))),
        ];
        Ok(RecordBatch::try_new(shape(), columns)?)
    }
}

impl Transform for Summaries {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let columns = batch.columns().iter().map(Values::of).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let (Some(field), Some(value)) = (columns[0].text(row), columns[1].text(row)) else { continue };
            let count = columns[2].number(row).unwrap_or(0.0) as i64;
            if self.current.as_ref().is_none_or(|current| current.field != field) {
                self.done.extend(self.current.take());
                self.current = Some(Summary { field, ..Summary::default() });
            }
            if let Some(current) = &mut self.current {
                current.add(&value, count, self.most);
            }
        }
        Ok(Step::Rows(self.rows()?))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        self.done.extend(self.current.take());
        Ok(Some(self.rows()?))
    }
}
