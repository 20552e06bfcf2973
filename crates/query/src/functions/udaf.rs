//! Accumulators of our own as DataFusion aggregates. The state between partial and final is a list of text, which is
//! slow but goes through spilling and merging unchanged.

use crate::columns::{Cell, Values, list_type, lists};
use crate::messages::Messages;
use arrow::array::{Array, ArrayRef, ListArray, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use std::any::Any;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What an aggregation comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing: a missing field.
    Missing,
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<String>),
}

/// Takes values and comes to an answer.
pub trait Accumulate: Any + Debug + Send + Sync {
    /// Takes a value; `time` is the row's `_time` for functions that asked for it.
    fn add(&mut self, cell: Cell<'_>, time: Option<i64>);
    /// What it has, as text that `merge` of another takes.
    fn state(&self) -> Vec<String>;
    /// Takes what another had.
    fn merge(&mut self, state: &[&str]);
    /// Takes another of its kind.
    fn join(&mut self, other: Box<dyn Accumulate>) {
        let state = other.state();
        self.merge(&state.iter().map(String::as_str).collect::<Vec<_>>());
    }
    /// The answer.
    fn answer(&mut self) -> Answer;
    /// Bytes that it holds.
    fn size(&self) -> usize {
        64
    }
    /// A sentence when the answer is cut or estimated; the flag says estimated.
    fn remark(&self) -> Option<(&'static str, bool)> {
        None
    }
}

/// Makes accumulators that have seen nothing.
#[derive(Clone)]
pub struct Maker(Arc<dyn Fn() -> Box<dyn Accumulate> + Send + Sync>);

impl Maker {
    /// From a function.
    pub fn new(make: impl Fn() -> Box<dyn Accumulate> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// A fresh one.
    pub fn make(&self) -> Box<dyn Accumulate> {
        (self.0)()
    }
}

impl Debug for Maker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Maker")
    }
}

/// An aggregate of our own.
#[derive(Debug)]
pub struct OwnAggregate {
    name: String,
    parameter: f64,
    make: Maker,
    time: bool,
    strict: bool,
    output: DataType,
    messages: Messages,
    signature: Signature,
}

impl OwnAggregate {
    /// `make` with `parameter`, giving a column of type `output`; `time` says that the second argument is `_time`.
    pub fn new(name: &str, parameter: f64, make: fn(f64) -> Box<dyn Accumulate>, time: bool, output: DataType, messages: Messages) -> Self {
        let signature = Signature::variadic_any(Volatility::Immutable);
        let make = Maker::new(move || make(parameter));
        Self { name: name.to_owned(), parameter, make, time, strict: false, output, messages, signature }
    }

    /// With accumulators made otherwise; `name` then tells it from all others.
    #[must_use]
    pub fn made_by(self, name: String, make: Maker) -> Self {
        Self { name, make, ..self }
    }

    /// With no answer as soon as one value is no number, if so.
    #[must_use]
    pub fn strictly(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

impl PartialEq for OwnAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.parameter.to_bits() == other.parameter.to_bits()
            && self.strict == other.strict
            && self.output == other.output
    }
}

impl Eq for OwnAggregate {}

impl Hash for OwnAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.parameter.to_bits().hash(state);
        self.output.hash(state);
    }
}

impl AggregateUDFImpl for OwnAggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let mut inner = self.make.make();
        if self.strict {
            inner = Box::new(Strict { inner, spoilt: false });
        }
        Ok(Box::new(Wrapped { inner, time: self.time, output: self.output.clone(), messages: self.messages.clone() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[state]", args.name), list_type(), true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

#[derive(Debug)]
struct Wrapped {
    inner: Box<dyn Accumulate>,
    time: bool,
    output: DataType,
    messages: Messages,
}

impl Accumulator for Wrapped {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let values = Values::of(&columns[0])?;
        let times = if self.time { Some(Values::of(&columns[1])?) } else { None };
        for row in 0..columns[0].len() {
            let time = times.as_ref().and_then(|times| moment(times, row));
            values.each(row, |cell| self.inner.add(cell, time));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let answer = self.inner.answer();
        match self.inner.remark() {
            Some((text, true)) => self.messages.inexact(text),
            Some((text, false)) => self.messages.truncated(text),
            None => {}
        }
        scalar(answer, &self.output)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![list_scalar(&self.inner.state())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let wrong = || DataFusionError::Internal("the state of an aggregate is a list of text".to_owned());
        let lists = states[0].as_any().downcast_ref::<ListArray>().ok_or_else(wrong)?;
        for list in lists.iter().flatten() {
            let items = list.as_any().downcast_ref::<StringArray>().ok_or_else(wrong)?;
            let items: Vec<&str> = items.iter().flatten().collect();
            self.inner.merge(&items);
        }
        Ok(())
    }
}

/// The time in a row of a column: a time, or seconds since the epoch.
pub fn moment(times: &Values, row: usize) -> Option<i64> {
    let mut time = None;
    times.each(row, |cell| {
        time = match cell {
            Cell::Time(nanos) => Some(nanos),
            other => other.number().and_then(crate::columns::nanos_of_seconds),
        };
    });
    time
}

/// An answer as a value of a column of type `output`.
pub fn scalar(answer: Answer, output: &DataType) -> Result<ScalarValue> {
    Ok(match (answer, output) {
        (Answer::Missing, output) => ScalarValue::try_from(output)?,
        (Answer::Number(number), DataType::Int64) => ScalarValue::Int64(Some(number as i64)),
        (Answer::Number(number), DataType::Utf8) => ScalarValue::Utf8(Some(crate::columns::number_text(number))),
        (Answer::Number(number), _) => ScalarValue::Float64(Some(number)),
        (Answer::Text(text), DataType::Float64) => ScalarValue::Float64(crate::columns::parse_number(&text)),
        (Answer::Text(text), _) => ScalarValue::Utf8(Some(text)),
        (Answer::List(items), _) => list_scalar(&items),
    })
}

/// Has no answer as soon as one value is no number.
#[derive(Debug)]
struct Strict {
    inner: Box<dyn Accumulate>,
    spoilt: bool,
}

impl Accumulate for Strict {
    fn add(&mut self, cell: Cell<'_>, time: Option<i64>) {
        self.spoilt |= cell.number().is_none();
        self.inner.add(cell, time);
    }

    fn state(&self) -> Vec<String> {
        let mut state = self.inner.state();
        state.push(if self.spoilt { "spoilt" } else { "" }.to_owned());
        state
    }

    fn merge(&mut self, state: &[&str]) {
        if let Some((spoilt, rest)) = state.split_last() {
            self.spoilt |= *spoilt == "spoilt";
            self.inner.merge(rest);
        }
    }

    fn answer(&mut self) -> Answer {
        if self.spoilt { Answer::Missing } else { self.inner.answer() }
    }

    fn size(&self) -> usize {
        self.inner.size() + 16
    }

    fn remark(&self) -> Option<(&'static str, bool)> {
        if self.spoilt { None } else { self.inner.remark() }
    }
}

fn list_scalar(items: &[String]) -> ScalarValue {
    let array = lists(std::iter::once(Some(items)));
    let list = array.as_any().downcast_ref::<ListArray>().expect("lists() builds a list").clone();
    ScalarValue::List(Arc::new(list))
}
