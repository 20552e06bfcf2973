//! Aggregates that are asked after every row, over all rows so far or over the last ones: what `streamstats` keeps for
//! each group. Nothing here knows windows of time or several groups.

use crate::columns::{Cell, Values};
use crate::commands::{Planner, column_index};
use crate::eval::Compiled;
use crate::functions::{Accumulate, Answer, Argument, Call, Gives, moment, scalar};
use crate::language::QueryError;
use crate::messages::Messages;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use std::collections::VecDeque;

/// A call, ready for batches of one schema.
#[derive(Clone)]
pub struct Running {
    make: fn(f64) -> Box<dyn Accumulate>,
    parameter: f64,
    argument: Source,
    time: Option<usize>,
    strict: bool,
    small: bool,
    field: Field,
}

#[derive(Clone)]
enum Source {
    Rows,
    Field(Option<usize>),
    Value(Compiled),
    Condition(Compiled),
}

/// The argument in the rows of a batch.
pub enum Input {
    /// Every row counts.
    Rows,
    /// No row has a value.
    Nothing,
    /// The values of a column, and the times beside them.
    Values(Values, Option<Values>),
    /// The rows for which a condition is true.
    Flags(BooleanArray),
}

/// Functions whose state is as large for many values as for few.
const SMALL: [&str; 18] = [
    "count",
    "sum",
    "sumsq",
    "avg",
    "min",
    "max",
    "range",
    "stdev",
    "stdevp",
    "var",
    "varp",
    "first",
    "last",
    "earliest",
    "latest",
    "earliest_time",
    "latest_time",
    "rate",
];

impl Running {
    /// Prepares a call whose wildcards are expanded; `strict` says that one value that is no number spoils numbers.
    pub fn new(call: &Call, schema: &SchemaRef, strict: bool, planner: &Planner) -> Result<Self, QueryError> {
        let wrong =
            || QueryError::new(format!("{} does not work over rows so far", call.typed)).with_hint("use it in stats, chart or timechart");
        let make = call.function.accumulator().ok_or_else(wrong)?;
        let counts = call.function.name == "count";
        let mut kind = DataType::Float64;
        let argument = match &call.argument {
            Argument::Rows => Source::Rows,
            Argument::Field(field) => {
                let at = column_index(schema, field);
                kind = at.map_or(DataType::Utf8, |at| schema.field(at).data_type().clone());
                Source::Field(at)
            }
            Argument::Spark(_) => return Err(wrong()),
            Argument::Eval(expression) if counts => Source::Condition(expression.compile_predicate(schema, &planner.eval)?),
            Argument::Eval(expression) => {
                let compiled = expression.compile(schema, &planner.eval)?;
                kind = compiled.output_type().clone();
                Source::Value(compiled)
            }
        };
        Ok(Self {
            make,
            parameter: call.parameter,
            argument,
            time: if call.function.time { column_index(schema, "_time") } else { None },
            strict: strict && call.function.gives == Gives::Number,
            small: SMALL.contains(&call.function.name),
            field: call.function.output(&call.name, &kind),
        })
    }

    /// The column that it gives.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// The argument in a batch.
    pub fn input(&self, batch: &RecordBatch) -> Result<Input> {
        let times = self.time.map(|at| Values::of(batch.column(at))).transpose()?;
        Ok(match &self.argument {
            Source::Rows => Input::Rows,
            Source::Field(None) => Input::Nothing,
            Source::Field(Some(at)) => Input::Values(Values::of(batch.column(*at))?, times),
            Source::Value(compiled) => Input::Values(Values::of(&compiled.evaluate(batch))?, times),
            Source::Condition(compiled) => Input::Flags(compiled.evaluate_predicate(batch)),
        })
    }

    /// A state that has seen nothing; `windowed` says that rows will be taken out again.
    pub fn state(&self, windowed: bool) -> State {
        let fresh = (self.make)(self.parameter);
        State { all: fresh, spoilt: 0, window: windowed.then(Window::default) }
    }

    /// The answers of many rows as a column.
    pub fn column(&self, answers: Vec<Answer>) -> Result<ArrayRef> {
        if answers.is_empty() {
            return Ok(arrow::array::new_empty_array(self.field.data_type()));
        }
        let values = answers.into_iter().map(|answer| scalar(answer, self.field.data_type())).collect::<Result<Vec<_>>>()?;
        ScalarValue::iter_to_array(values)
    }
}

/// The values that one row gives.
#[derive(Debug, Default)]
struct RowValues {
    values: Vec<Kept>,
    time: Option<i64>,
    spoilt: bool,
}

#[derive(Debug)]
enum Kept {
    Text(String),
    Number(f64),
    Time(i64),
}

impl Kept {
    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Text(text) => Cell::Text(text),
            Self::Number(number) => Cell::Number(*number),
            Self::Time(nanos) => Cell::Time(*nanos),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + if let Self::Text(text) = self { text.len() } else { 0 }
    }
}

impl RowValues {
    fn add_to(&self, accumulator: &mut Box<dyn Accumulate>) {
        self.values.iter().for_each(|value| accumulator.add(value.cell(), self.time));
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.iter().map(Kept::bytes).sum::<usize>()
    }
}

/// The last rows. For functions with a small state a row costs the same however wide the window: `tails` holds the
/// states of the older rows up to the turn, oldest last; what came after the turn is in the accumulator of the state.
#[derive(Debug, Default)]
struct Window {
    rows: VecDeque<RowValues>,
    tails: Vec<Vec<String>>,
    bytes: usize,
}

/// What a call knows of the rows of a group.
#[derive(Debug)]
pub struct State {
    all: Box<dyn Accumulate>,
    spoilt: usize,
    window: Option<Window>,
}

impl State {
    /// Takes a row.
    pub fn add(&mut self, running: &Running, input: &Input, row: usize) {
        let mut taken = RowValues::default();
        match input {
            Input::Rows => taken.values.push(Kept::Number(1.0)),
            Input::Flags(flags) if flags.is_valid(row) && flags.value(row) => taken.values.push(Kept::Number(1.0)),
            Input::Flags(_) | Input::Nothing => {}
            Input::Values(values, times) => {
                taken.time = times.as_ref().and_then(|times| moment(times, row));
                values.each(row, |cell| {
                    taken.spoilt |= running.strict && cell.number().is_none();
                    taken.values.push(match cell {
                        Cell::Text(text) => Kept::Text(text.to_owned()),
                        Cell::Number(number) => Kept::Number(number),
                        Cell::Time(nanos) => Kept::Time(nanos),
                    });
                });
            }
        }
        self.spoilt += usize::from(taken.spoilt);
        match &mut self.window {
            None => taken.add_to(&mut self.all),
            Some(window) => {
                if running.small {
                    taken.add_to(&mut self.all);
                }
                window.bytes += taken.bytes();
                window.rows.push_back(taken);
            }
        }
    }

    /// Forgets the oldest row.
    pub fn remove(&mut self, running: &Running) {
        let Some(window) = &mut self.window else { return };
        if running.small && window.tails.is_empty() {
            // The turn: the states of all rows from each one on, the newest first.
            let mut tail: Option<Vec<String>> = None;
            for row in window.rows.iter().rev() {
                let mut accumulator = (running.make)(running.parameter);
                row.add_to(&mut accumulator);
                if let Some(later) = &tail {
                    merge(&mut accumulator, later);
                }
                let state = accumulator.state();
                tail = Some(state.clone());
                window.tails.push(state);
            }
            self.all = (running.make)(running.parameter);
        }
        window.tails.pop();
        if let Some(gone) = window.rows.pop_front() {
            window.bytes -= gone.bytes();
            self.spoilt -= usize::from(gone.spoilt);
        }
    }

    /// The answer now.
    pub fn answer(&mut self, running: &Running, messages: &Messages) -> Answer {
        if self.spoilt > 0 {
            return Answer::Missing;
        }
        let mut fresh;
        let accumulator = match &self.window {
            None => &mut self.all,
            Some(window) => {
                fresh = (running.make)(running.parameter);
                if running.small {
                    if let Some(tail) = window.tails.last() {
                        merge(&mut fresh, tail);
                    }
                    let rest = self.all.state();
                    merge(&mut fresh, &rest);
                } else {
                    window.rows.iter().for_each(|row| row.add_to(&mut fresh));
                }
                &mut fresh
            }
        };
        let answer = accumulator.answer();
        match accumulator.remark() {
            Some((text, true)) => messages.inexact(text),
            Some((text, false)) => messages.truncated(text),
            None => {}
        }
        answer
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        let window = self.window.as_ref().map_or(0, |window| window.bytes + window.tails.len() * 96);
        size_of::<Self>() + self.all.size() + window
    }
}

fn merge(accumulator: &mut Box<dyn Accumulate>, state: &[String]) {
    accumulator.merge(&state.iter().map(String::as_str).collect::<Vec<_>>());
}
