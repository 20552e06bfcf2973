//! `outlier`: caps or removes numbers that lie far from the middle half.

use super::words::{expand, quote, quote_field};
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::{Values, number_text, to_numbers};
use crate::eval::format_number;
use crate::exec::aggregate::aggregate;
use crate::exec::{Flow, transform};
use crate::functions::Call;
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt;
use std::fmt;
use std::sync::Arc;

/// What `outlier` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "outlier",
    aliases: &[],
    syntax: "outlier [action=transform|remove] [param=<number>] [uselower=<bool>] [mark=<bool>] [<field> [, <field>]...]",
    summary: "Caps numbers that lie more than 2.5 times the interquartile range beyond the quartiles, or removes the rows that have one.",
    examples: &[
        "* | timechart span=1h avg(duration) AS duration | outlier duration",
        "* | outlier action=remove param=3 uselower=true bytes",
    ],
    parse,
};

/// `outlier` with its arguments.
#[derive(Clone, Debug)]
pub struct Outlier {
    remove: bool,
    parameter: f64,
    use_lower: bool,
    mark: bool,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut outlier = Outlier { remove: false, parameter: 2.5, use_lower: false, mark: false, fields: Vec::new() };
    while !args.at_end() {
        if let Some(option) = args.option(&["action", "param", "uselower", "mark"])? {
            match option.name.as_str() {
                "action" => {
                    let action = option.value.one_of("action", &["transform", "remove", "tf", "rm"])?;
                    outlier.remove = matches!(action, "remove" | "rm");
                }
                "param" => {
                    outlier.parameter = option.value.number("param")?;
                    if outlier.parameter < 0.0 {
                        return Err(QueryError::at(option.value.span, "param cannot be negative").with_hint("2.5 is usual"));
                    }
                }
                "uselower" => outlier.use_lower = option.value.boolean("uselower")?,
                _ => outlier.mark = option.value.boolean("mark")?,
            }
        } else {
            outlier.fields.push(args.field("a field name")?.name);
            args.symbol(",");
        }
    }
    Ok(Box::new(outlier))
}

impl fmt::Display for Outlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outlier")?;
        if self.remove {
            f.write_str(" action=remove")?;
        }
        if self.parameter != 2.5 {
            write!(f, " param={}", format_number(self.parameter))?;
        }
        if self.use_lower {
            f.write_str(" uselower=true")?;
        }
        if self.mark {
            f.write_str(" mark=true")?;
        }
        for (at, field) in self.fields.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, quote_field(field))?;
        }
        Ok(())
    }
}

impl Command for Outlier {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        if self.fields.is_empty() { Required::all() } else { needed.with(self.fields.iter().cloned()) }
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_rows(&self) -> bool {
        // Its answer depends on all rows, so a limit after it must not reach what comes before it.
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move { this.run(input, &planner).await })))
    }
}

/// The numbers of a column beyond which a value is an outlier.
#[derive(Clone, Copy, Debug)]
struct Fence {
    column: usize,
    low: f64,
    high: f64,
}

impl Outlier {
    /// With the usual reach, over these fields.
    pub fn of_fields(remove: bool, fields: Vec<String>) -> Self {
        Self { remove, parameter: 2.5, use_lower: false, mark: false, fields }
    }

    /// The rows are read twice: the fences depend on all of them.
    async fn run(self, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let names = match self.fields.as_slice() {
            [] => input.names().into_iter().filter(|name| !name.starts_with('_')).collect(),
            fields => expand(fields, &input.names()),
        };
        let fences = self.fences(&names, input.clone(), planner).await?;
        let given = input.schema();
        if self.remove {
            return Ok(input.map("outlier", given, transform(move |batch| Ok(without(&batch, &fences)?))));
        }
        let mut fields: Vec<Field> = given.fields().iter().map(|field| field.as_ref().clone()).collect();
        for fence in &fences {
            let number = matches!(fields[fence.column].data_type(), DataType::Float64 | DataType::Int64);
            let kind = if number && !self.mark { DataType::Float64 } else { DataType::Utf8 };
            fields[fence.column] =
                Field::new(fields[fence.column].name(), kind, true).with_metadata(fields[fence.column].metadata().clone());
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let made = schema.clone();
        let work = transform(move |batch: RecordBatch| {
            let mut columns = batch.columns().to_vec();
            for fence in &fences {
                let number = *made.field(fence.column).data_type() == DataType::Float64;
                columns[fence.column] = self.capped(&columns[fence.column], *fence, number)?;
            }
            Ok(RecordBatch::try_new(made.clone(), columns)?)
        });
        Ok(input.map("outlier", schema, work))
    }

    async fn fences(&self, names: &[String], input: Flow, planner: &Planner) -> Result<Vec<Fence>, QueryError> {
        let schema = input.schema();
        let mut calls = Vec::new();
        let mut columns = Vec::new();
        for name in names {
            let Some(column) = column_index(&schema, name) else { continue };
            if matches!(schema.field(column).data_type(), DataType::List(_) | DataType::Timestamp(..) | DataType::Boolean) {
                continue;
            }
            columns.push(column);
            for percent in [25, 75] {
                let text = format!("exactperc{percent}({})", quote(name));
                let length = text.len();
                calls.push(Call::parse(&mut Args::new(text.into(), 0, length))?);
            }
        }
        let mut fences = Vec::new();
        if calls.is_empty() {
            return Ok(fences);
        }
        let mut rows = aggregate(input, &[], &calls, planner)?.stream(planner.context.clone())?;
        while let Some(batch) = rows.try_next().await? {
            for (at, column) in columns.iter().enumerate() {
                let quartiles = [0, 1].map(|which| to_numbers(batch.column(2 * at + which)));
                let [low, high] = quartiles;
                let (low, high) = (low?, high?);
                if batch.num_rows() > 0 && low.is_valid(0) && high.is_valid(0) {
                    let (low, high) = (low.value(0), high.value(0));
                    let reach = self.parameter * (high - low);
                    let low = if self.use_lower { low - reach } else { f64::NEG_INFINITY };
                    fences.push(Fence { column: *column, low, high: high + reach });
                }
            }
        }
        Ok(fences)
    }

    fn capped(&self, column: &ArrayRef, fence: Fence, number: bool) -> Result<ArrayRef, arrow::error::ArrowError> {
        if number {
            let numbers = to_numbers(column)?;
            return Ok(Arc::new(
                numbers.iter().map(|value| value.map(|value| value.clamp(fence.low, fence.high))).collect::<Float64Array>(),
            ));
        }
        let values = Values::of(column)?;
        let text = |row: usize| match values.number(row) {
            Some(number) if number > fence.high || number < fence.low => {
                let text = number_text(number.clamp(fence.low, fence.high));
                Some(if self.mark { format!("000{text}") } else { text })
            }
            _ => values.text(row),
        };
        Ok(Arc::new((0..column.len()).map(text).collect::<StringArray>()))
    }
}

/// The rows none of whose numbers lies beyond a fence.
fn without(batch: &RecordBatch, fences: &[Fence]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut keep = vec![true; batch.num_rows()];
    for fence in fences {
        let numbers = to_numbers(batch.column(fence.column))?;
        for (keep, number) in keep.iter_mut().zip(numbers.iter()) {
            *keep &= number.is_none_or(|number| number >= fence.low && number <= fence.high);
        }
    }
    filter_record_batch(batch, &BooleanArray::from(keep))
}
