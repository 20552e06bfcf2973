//! `concurrency`: how many rows were going on when each one began.
//!
//! Rows are sorted by their start, counted with a heap of what has not ended yet, and put back in their order; the
//! sorts spill.

use super::eval::with_field;
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::order::{Key, KeyKind, sort};
use crate::exec::{Flow, HIDDEN, Make, Step, Transform, transform};
use crate::functions::moment;
use crate::language::{Args, QueryError};
use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;

/// What `concurrency` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "concurrency",
    aliases: &[],
    syntax: "concurrency duration=<field> [start=<field>] [output=<name>]",
    summary: "For each row the number of rows that were going on when it began: from their start for as many seconds as the duration says; itself included.",
    examples: &["ftp | concurrency duration=seconds", "* | concurrency duration=took start=began output=open | stats max(open)"],
    parse,
};

#[derive(Clone, Debug)]
struct Concurrency {
    duration: String,
    start: String,
    output: String,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut command = Concurrency { duration: String::new(), start: "_time".into(), output: "concurrency".into() };
    while !args.at_end() {
        let Some(option) = args.option(&["duration", "start", "output"])? else {
            return Err(args.error("concurrency has options only").with_hint("write concurrency duration=<field>"));
        };
        let name = option.value.text;
        if name.is_empty() || name.contains('*') {
            return Err(QueryError::at(option.value.span, format!("{} must be the name of a field", option.name)));
        }
        match option.name.as_str() {
            "duration" => command.duration = name,
            "start" => command.start = name,
            _ => command.output = name,
        }
    }
    if command.duration.is_empty() {
        return Err(QueryError::new("concurrency needs to know how long each row went on").with_hint("write concurrency duration=<field>"));
    }
    Ok(Box::new(command))
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "concurrency duration={}", quote_field(&self.duration))?;
        if self.start != "_time" {
            write!(f, " start={}", quote_field(&self.start))?;
        }
        if self.output == "concurrency" { Ok(()) } else { write!(f, " output={}", quote_field(&self.output)) }
    }
}

impl Command for Concurrency {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed.without([self.output.as_str()]).with([self.duration.clone(), self.start.clone()])
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let plain = input.schema();
        let (start, duration) = (column_index(&plain, &self.start), column_index(&plain, &self.duration));
        let mut fields: Vec<Arc<Field>> = plain.fields().iter().cloned().collect();
        for name in ["start", "end", "row"] {
            fields.push(Arc::new(Field::new(format!("{HIDDEN}{name}"), DataType::Int64, true)));
        }
        let timed: SchemaRef = Arc::new(Schema::new(fields));
        let made = timed.clone();
        let make: Make = Arc::new(move |_| Ok(Box::new(Timed { start, duration, row: 0, schema: made.clone() })));
        let by = |name: &str| [Key { field: format!("{HIDDEN}{name}"), kind: KeyKind::Number, descending: false }];
        let sorted = sort(input.map("times", timed.clone(), make), &by("start"), None)?;
        let counted = with_field(&timed, Field::new(&self.output, DataType::Int64, true));
        let (made, output) = (counted.clone(), self.output.clone());
        let width = plain.fields().len();
        let make: Make = Arc::new(move |context| {
            let memory = MemoryConsumer::new("concurrency").register(context.memory_pool());
            let waiting = Vec::new();
            Ok(Box::new(Count { width, output: output.clone(), schema: made.clone(), open: BinaryHeap::new(), waiting, memory }))
        });
        let ordered = sort(sorted.map("concurrency", counted, make), &by("row"), None)?;
        let shape = with_field(&plain, Field::new(&self.output, DataType::Int64, true));
        let made = shape.clone();
        Ok(ordered
            .map(
                "drop times",
                shape,
                transform(move |batch: RecordBatch| {
                    let columns = made.fields().iter().map(|field| batch.column_by_name(field.name()).cloned());
                    Ok(RecordBatch::try_new(made.clone(), columns.flatten().collect())?)
                }),
            )
            .into())
    }
}

/// Adds the start, the end and the number of each row.
struct Timed {
    start: Option<usize>,
    duration: Option<usize>,
    row: i64,
    schema: SchemaRef,
}

impl Transform for Timed {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let values = |at: Option<usize>| at.map(|at| Values::of(batch.column(at))).transpose();
        let (starts, durations) = (values(self.start)?, values(self.duration)?);
        let start: Int64Array = (0..rows).map(|row| moment(starts.as_ref()?, row)).collect();
        let end = |row: usize| {
            let from = start.is_valid(row).then(|| start.value(row))?;
            // Without a duration a row is a moment.
            let seconds = durations.as_ref().and_then(|values| values.number(row)).unwrap_or(0.0).clamp(0.0, 9e9);
            Some(from.saturating_add((seconds * 1e9).round() as i64))
        };
        let ends: Int64Array = (0..rows).map(end).collect();
        let next = self.row + rows as i64;
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(start.clone()));
        columns.push(Arc::new(ends));
        columns.push(Arc::new(Int64Array::from_iter_values(self.row..next)));
        self.row = next;
        Ok(Step::Rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

/// Counts what is open at each start; rows come sorted by it.
struct Count {
    width: usize,
    output: String,
    schema: SchemaRef,
    /// The ends of the rows that began before.
    open: BinaryHeap<Reverse<i64>>,
    /// Rows of one start, until a later one comes: all that begin at one time count each other.
    waiting: Vec<RecordBatch>,
    memory: MemoryReservation,
}

fn times(batch: &RecordBatch, at: usize) -> Int64Array {
    batch.column(at).as_any().downcast_ref::<Int64Array>().expect("times are whole numbers").clone()
}

impl Count {
    /// Counts for rows of which all of each start are there.
    fn counted(&mut self, batch: &RecordBatch) -> ExecResult<RecordBatch> {
        let (starts, ends) = (times(batch, self.width), times(batch, self.width + 1));
        let rows = batch.num_rows();
        let mut counts: Vec<Option<i64>> = Vec::with_capacity(rows);
        let mut row = 0;
        while row < rows {
            if starts.is_null(row) {
                counts.push(None);
                row += 1;
                continue;
            }
            let start = starts.value(row);
            while self.open.peek().is_some_and(|Reverse(end)| *end <= start) {
                self.open.pop();
            }
            let run = (row..rows).take_while(|at| starts.is_valid(*at) && starts.value(*at) == start).count();
            let lasting = (row..row + run).map(|at| ends.value(at)).filter(|end| *end > start);
            self.open.extend(lasting.map(Reverse));
            for at in row..row + run {
                // What ends as it begins is not open, but counts itself.
                counts.push(Some(self.open.len() as i64 + i64::from(ends.value(at) <= start)));
            }
            row += run;
        }
        let column = Arc::new(Int64Array::from(counts));
        Ok(super::eval::with_column(batch, &self.schema, &self.output, column)?)
    }

    fn release(&mut self, batch: Option<RecordBatch>) -> ExecResult<Option<RecordBatch>> {
        let mut parts = std::mem::take(&mut self.waiting);
        parts.extend(batch);
        let Some(first) = parts.first() else { return Ok(None) };
        let all = concat_batches(&first.schema(), &parts)?;
        self.counted(&all).map(Some)
    }
}

impl Transform for Count {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let starts = times(&batch, self.width);
        let start = |row: usize| starts.is_valid(row).then(|| starts.value(row));
        // Rows without a start come last and wait for nobody.
        let last = if rows == 0 { None } else { start(rows - 1) };
        let held = if last.is_none() { 0 } else { (0..rows).rev().take_while(|row| start(*row) == last).count() };
        let whole = held == rows
            && self.waiting.last().is_none_or(|before| {
                let before = times(before, self.width);
                before.is_valid(0) && Some(before.value(0)) == last
            });
        let out = if whole && held > 0 { None } else { self.release(Some(batch.slice(0, rows - held)))? };
        if held > 0 {
            self.waiting.push(batch.slice(rows - held, held));
        }
        let waiting: usize = self.waiting.iter().map(RecordBatch::get_array_memory_size).sum();
        self.memory.try_resize(self.open.len() * 8 + waiting)?;
        Ok(Step::Rows(out.unwrap_or_else(|| RecordBatch::new_empty(self.schema.clone()))))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        self.release(None)
    }
}
