//! `transpose`: rows become columns.

use super::columns_set::{is_list, list_field, text_field};
use super::head::first_rows;
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{DYNAMIC, Values, lists};
use crate::exec::{Flow, HIDDEN};
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::memory_pool::MemoryConsumer;
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::SEARCH_COLUMNS_MAX;

/// What `transpose` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "transpose",
    aliases: &[],
    syntax: "transpose [<count>] [column_name=<name>] [header_field=<field>] [include_empty=<bool>]",
    summary: "Makes a column of each of the first rows, 5 unless told otherwise, and a row of each field.",
    examples: &["* | stats count, avg(bytes) BY host | transpose 0 header_field=host"],
    parse,
};

#[derive(Clone, Debug)]
struct Transpose {
    count: usize,
    column: String,
    header: Option<String>,
    include_empty: bool,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut transpose = Transpose { count: 5, column: "column".into(), header: None, include_empty: true };
    while !args.at_end() {
        if let Some((count, span)) = args.integer() {
            transpose.count = usize::try_from(count)
                .map_err(|_| QueryError::at(span, "the number of rows cannot be negative").with_hint("0 means all rows"))?;
        } else if let Some(option) = args.option(&["column_name", "header_field", "include_empty"])? {
            match option.name.as_str() {
                "column_name" => transpose.column = option.value.text,
                "header_field" => transpose.header = Some(option.value.text),
                _ => transpose.include_empty = option.value.boolean("include_empty")?,
            }
        } else {
            return Err(args.error("expected a number of rows or an option"));
        }
    }
    Ok(Box::new(transpose))
}

impl fmt::Display for Transpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transpose {} column_name={}", self.count, quote_field(&self.column))?;
        if let Some(header) = &self.header {
            write!(f, " header_field={}", quote_field(header))?;
        }
        if self.include_empty { Ok(()) } else { f.write_str(" include_empty=false") }
    }
}

impl Transpose {
    /// How many rows become columns at most.
    fn limit(&self) -> usize {
        if self.count == 0 { SEARCH_COLUMNS_MAX } else { self.count.min(SEARCH_COLUMNS_MAX) }
    }
}

impl Command for Transpose {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::all()
    }

    fn rows_needed(&self) -> Option<usize> {
        // One more tells whether there are more.
        Some(self.limit() + 1)
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let schema = input.schema();
            let mut stream = first_rows(input, this.limit() + 1).stream(planner.context.clone())?;
            let memory = MemoryConsumer::new("transpose").register(planner.context.memory_pool());
            let mut batches = Vec::new();
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                memory.try_grow(batch.get_array_memory_size())?;
                batches.push(batch);
            }
            let mut rows = concat_batches(&schema, &batches)?;
            if rows.num_rows() > this.limit() {
                rows = rows.slice(0, this.limit());
                let more = if this.limit() == SEARCH_COLUMNS_MAX { "no more can be shown" } else { "`transpose 0` shows all" };
                planner.messages.truncated(format!("transpose shows the first {} rows; there are more ({more})", this.limit()));
            }
            this.table(&rows)
        })))
    }
}

impl Transpose {
    fn table(&self, rows: &RecordBatch) -> Result<Flow, QueryError> {
        let schema = rows.schema();
        let shown = |at: &usize| {
            let field = schema.field(*at);
            !field.name().starts_with(HIDDEN) && *field.data_type() != DataType::Binary && Some(field.name()) != self.header.as_ref()
        };
        let places: Vec<usize> = (0..schema.fields().len()).filter(shown).collect();
        let values = places.iter().map(|at| Values::of(rows.column(*at))).collect::<Result<Vec<_>, _>>()?;
        let kept: Vec<usize> =
            (0..places.len()).filter(|at| self.include_empty || (0..rows.num_rows()).any(|row| !blank(&values[*at], row))).collect();
        let field_of = |at: &usize| schema.field(places[*at]);
        let many = kept.iter().any(|at| is_list(field_of(at)));
        let number = kept.iter().all(|at| is_number(field_of(at)));
        let mut fields = vec![Field::new(&self.column, DataType::Utf8, true)];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(kept.iter().map(|at| field_of(at).name())))];
        let mut names = vec![self.column.clone()];
        let header = self.header.as_ref().and_then(|header| column_index(&schema, header)).map(|at| Values::of(rows.column(at)));
        let header = header.transpose()?;
        for row in 0..rows.num_rows() {
            let title = header.as_ref().and_then(|header| header.text(row)).unwrap_or_else(|| format!("row {}", row + 1));
            let title = distinct(title, &mut names);
            let cell = |at: &usize| values[*at].list(row);
            if many {
                let cells: Vec<Vec<String>> = kept.iter().map(cell).collect();
                fields.push(list_field(&title));
                columns.push(lists(cells.iter().map(|cell| Some(cell.as_slice()))));
            } else {
                fields.push(text_field(&title, number));
                columns.push(Arc::new(kept.iter().map(|at| values[*at].text(row)).collect::<StringArray>()));
            }
        }
        let made = Arc::new(Schema::new(fields));
        Ok(Flow::of_batches(made.clone(), vec![RecordBatch::try_new(made, columns)?], true))
    }
}

fn blank(values: &Values, row: usize) -> bool {
    values.text(row).is_none_or(|text| text.is_empty())
}

/// Whether all values of a field are shown as numbers.
pub fn is_number(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Float64 | DataType::Int64 | DataType::Timestamp(..)) || field.metadata().contains_key(DYNAMIC)
}

/// The name, with a number where it is taken already.
pub fn distinct(name: String, taken: &mut Vec<String>) -> String {
    let mut out = name.clone();
    let mut number = 2;
    while taken.contains(&out) {
        out = format!("{name} ({number})");
        number += 1;
    }
    taken.push(out.clone());
    out
}
