//! `stats`: one row of aggregates for each group.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::Cell;
use crate::exec::Flow;
use crate::exec::aggregate::{How, aggregate_how, in_order};
use crate::functions::{Accumulate, Answer, Argument, Call, Method, parse_calls, parse_groups, sparkline, write_calls};
use crate::language::{Args, QueryError};
use crate::messages::Messages;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use taffrail_store::scan::{Collect, Collector, Summed, Sums};

/// What `stats` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "stats",
    aliases: &[],
    syntax: "stats [allnum=<bool>] <function>(<field>) [AS <name>] [, ...] [BY <field> [, <field>]...] [dedup_splitvals=<bool>]",
    summary: "Counts, sums, averages and the like: one row for each group, or one for all. Rows without one of the BY fields are left out.",
    examples: &["error | stats count BY host", "* | stats avg(bytes) AS mean, p95(bytes), dc(user) AS users BY status"],
    parse,
};

#[derive(Clone, Debug)]
struct Stats {
    calls: Vec<Call>,
    groups: Vec<String>,
    how: How,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut how = How::default();
    while let Some(option) = args.option(&["allnum", "partitions", "delim"])? {
        // The others are accepted for old searches: they change nothing here.
        if option.name == "allnum" {
            how.all_numbers = option.value.boolean("allnum")?;
        }
    }
    let calls = parse_calls(args, false)?;
    let groups = parse_groups(args, &["dedup_splitvals"])?;
    if let Some(option) = args.option(&["dedup_splitvals"])? {
        how.each_once = option.value.boolean("dedup_splitvals")?;
    }
    args.finish()?;
    check_names(&calls, &groups)?;
    Ok(Box::new(Stats { calls, groups, how }))
}

/// No two columns may have one name.
pub fn check_names(calls: &[Call], groups: &[String]) -> Result<(), QueryError> {
    for (at, call) in calls.iter().enumerate() {
        if groups.contains(&call.name) || calls[..at].iter().any(|other| other.name == call.name) {
            let error = QueryError::new(format!("two columns would have the name {:?}", call.name));
            return Err(error.with_hint("give one of them another name with AS"));
        }
    }
    Ok(())
}

/// The calls with wildcards written out for the columns there are: each name once, nothing that is grouped by.
pub fn expand_calls(typed: &[Call], groups: &[String], columns: &[String]) -> Result<Vec<Call>, QueryError> {
    let mut calls: Vec<Call> = Vec::new();
    for call in typed.iter().flat_map(|call| call.expand(columns)) {
        // `avg(*)` must not average what it groups by.
        let grouped = matches!(&call.argument, Argument::Field(field) if groups.contains(field));
        let wild = !typed.iter().any(|typed| typed.name == call.name);
        let skipped = wild && grouped;
        if !skipped && !calls.iter().any(|known| known.name == call.name) {
            calls.push(call);
        }
    }
    some_calls(&calls)?;
    Ok(calls)
}

/// Wildcards have to match something, or there is nothing to compute.
pub fn some_calls(calls: &[Call]) -> Result<(), QueryError> {
    if calls.is_empty() {
        return Err(QueryError::new("no field has a name that matches the wildcards").with_hint("the names are case-sensitive"));
    }
    Ok(())
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = if self.how.all_numbers { "stats allnum=true" } else { "stats" }.to_owned();
        write_calls(&mut out, &self.calls, &self.groups);
        if self.how.each_once {
            out.push_str(" dedup_splitvals=true");
        }
        f.write_str(&out)
    }
}

impl Command for Stats {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::of(self.calls.iter().flat_map(Call::fields)).with(self.groups.iter().cloned())
    }

    fn needs_order(&self) -> bool {
        self.calls.iter().any(|call| call.function.order)
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if let ([only], true, Some(direct)) = (&self.calls[..], self.groups.is_empty(), &planner.direct)
            && only.function.name == "count"
            && only.argument == Argument::Rows
        {
            // Counting events needs no rows: the store sums over patterns.
            let (this, direct, planner, name) = (self.clone(), direct.clone(), planner.clone(), only.name.clone());
            return Ok(Planned::Later(Box::pin(async move {
                let Some(count) = super::blocking(move || direct.count()).await? else { return this.aggregated(input, &planner) };
                let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]));
                let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![count as i64]))])?;
                Ok(Flow::of_batches(schema, vec![batch], true))
            })));
        }
        if let ([only], false, Some(direct)) = (&self.calls[..], self.groups.is_empty(), &planner.direct)
            && only.function.name == "count"
            && only.argument == Argument::Rows
        {
            // Counting by fields needs no rows either, where the store has them in columns.
            let (this, direct, planner) = (self.clone(), direct.clone(), planner.clone());
            return Ok(Planned::Later(Box::pin(async move {
                match super::counted(Some(direct), &this.groups, &this.calls[0].name).await? {
                    Some(flow) => in_order(flow, &this.groups, &planner),
                    None => this.aggregated(input, &planner),
                }
            })));
        }
        if let Some(adding) = Adding::of(&self.calls, &self.groups, self.how)
            && let Some(direct) = planner.direct.clone()
        {
            let (this, planner) = (self.clone(), planner.clone());
            return Ok(Planned::Later(Box::pin(async move {
                let asked = (this.groups.clone(), adding.numbers.clone(), adding.collected(&planner));
                match super::blocking(move || direct.sums_by(None, &asked.0, &asked.1, &asked.2)).await? {
                    Some(summed) => in_order(adding.table(&this, summed, &planner.messages)?, &this.groups, &planner),
                    None => this.aggregated(input, &planner),
                }
            })));
        }
        if sparkline::any(&self.calls) {
            let (mut this, planner) = (self.clone(), planner.clone());
            return Ok(Planned::Later(Box::pin(async move {
                sparkline::settle(&mut this.calls, &planner).await?;
                this.aggregated(input, &planner)
            })));
        }
        Ok(self.aggregated(input, planner)?.into())
    }
}

/// Functions of the numbers of fields, which the store adds up or collects without rows.
struct Adding {
    /// The fields whose numbers are added up.
    numbers: Vec<String>,
    calls: Vec<What>,
}

/// What a call is of.
enum What {
    /// The rows.
    Rows,
    /// The sum of a number.
    Sum(usize),
    /// The sum of a number by how many there are.
    Mean(usize),
    /// All numbers of a field; the how manieth that is collected.
    Collected(usize, String, fn(f64) -> Box<dyn Accumulate>, f64),
}

/// Functions that look at numbers only, whatever their order.
const COLLECTED: [&str; 5] = ["median", "perc<N>", "upperperc<N>", "exactperc<N>", "range"];

/// Takes the numbers of a group as the function does that takes them from rows.
struct Taken {
    inner: Box<dyn Accumulate>,
    memory: Arc<MemoryReservation>,
    /// Bytes that were asked for it.
    held: usize,
}

impl Taken {
    /// Asks for the memory that it has come to hold.
    fn has_room(&mut self) -> bool {
        let more = self.inner.size().saturating_sub(self.held);
        let granted = self.memory.try_grow(more).is_ok();
        self.held += if granted { more } else { 0 };
        granted
    }
}

impl Collect for Taken {
    fn take(&mut self, numbers: &[f64]) -> bool {
        numbers.iter().for_each(|number| self.inner.add(Cell::Number(*number), None));
        self.has_room()
    }

    fn join(&mut self, other: Box<dyn Collect>) -> bool {
        let other: Box<dyn Any> = other;
        let Ok(other) = other.downcast::<Self>() else { return false };
        self.memory.shrink(other.held);
        self.inner.join(other.inner);
        self.has_room()
    }
}

impl Adding {
    /// Where the calls ask for nothing else.
    fn of(calls: &[Call], groups: &[String], how: How) -> Option<Self> {
        let mut this = Self { numbers: Vec::new(), calls: Vec::new() };
        let mut collected = 0;
        for call in calls {
            let what = match (call.function.name, &call.argument) {
                ("count", Argument::Rows) => What::Rows,
                (name, Argument::Field(field)) if !field.contains('*') && !groups.contains(field) && !how.all_numbers => {
                    match (name, call.function.method) {
                        ("sum", _) => What::Sum(this.number(field)),
                        ("avg", _) => What::Mean(this.number(field)),
                        (name, Method::Own(make)) if COLLECTED.contains(&name) => {
                            collected += 1;
                            What::Collected(collected - 1, field.clone(), make, call.parameter)
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            };
            this.calls.push(what);
        }
        Some(this)
    }

    fn number(&mut self, field: &str) -> usize {
        self.numbers.iter().position(|known| known == field).unwrap_or_else(|| {
            self.numbers.push(field.to_owned());
            self.numbers.len() - 1
        })
    }

    /// The fields whose numbers are collected, and what takes them.
    fn collected(&self, planner: &Planner) -> Vec<(String, Collector)> {
        let memory = Arc::new(MemoryConsumer::new("stats").register(planner.context.memory_pool()));
        let one = |what: &What| {
            let What::Collected(_, field, make, parameter) = what else { return None };
            let (make, parameter, memory) = (*make, *parameter, memory.clone());
            let collector: Collector = Arc::new(move || Box::new(Taken { inner: make(parameter), memory: memory.clone(), held: 0 }));
            Some((field.clone(), collector))
        };
        self.calls.iter().filter_map(one).collect()
    }

    fn table(&self, stats: &Stats, mut summed: Summed, messages: &Messages) -> Result<Flow, QueryError> {
        let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
        for (at, name) in stats.groups.iter().enumerate() {
            let values = StringArray::from_iter_values(summed.iter().map(|(values, _)| &values[at]));
            columns.push((Field::new(name, DataType::Utf8, true), Arc::new(values)));
        }
        if summed.is_empty() && stats.groups.is_empty() {
            // Of no rows at all there is one group where nothing is grouped by.
            summed.push((Vec::new(), Sums { sums: vec![(0, 0.0); self.numbers.len()], ..Sums::default() }));
        }
        for (call, what) in stats.calls.iter().zip(&self.calls) {
            let numbers = |number: &dyn Fn(&Sums) -> Option<f64>| -> (DataType, ArrayRef) {
                (DataType::Float64, Arc::new(summed.iter().map(|(_, sums)| number(sums)).collect::<Float64Array>()))
            };
            let (kind, column) = match what {
                What::Rows => {
                    let rows = summed.iter().map(|(_, sums)| sums.rows as i64);
                    (DataType::Int64, Arc::new(Int64Array::from_iter_values(rows)) as ArrayRef)
                }
                What::Sum(at) => numbers(&|sums| Some(sums.sums[*at]).filter(|(count, _)| *count > 0).map(|(_, sum)| sum)),
                What::Mean(at) => {
                    numbers(&|sums| Some(sums.sums[*at]).filter(|(count, _)| *count > 0).map(|(count, sum)| sum / count as f64))
                }
                What::Collected(at, ..) => {
                    let answers = summed.iter_mut().map(|(_, sums)| answer(sums.collected.get_mut(*at), messages));
                    (DataType::Float64, Arc::new(answers.collect::<Float64Array>()) as ArrayRef)
                }
            };
            columns.push((Field::new(&call.name, kind, true), column));
        }
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), arrays)?;
        Ok(Flow { ordered: false, ..Flow::of_batches(schema, vec![batch], true) })
    }
}

/// What the numbers that were collected come to.
fn answer(collected: Option<&mut Box<dyn Collect>>, messages: &Messages) -> Option<f64> {
    let any: &mut dyn Any = &mut **collected?;
    let taken = any.downcast_mut::<Taken>()?;
    let answer = taken.inner.answer();
    match taken.inner.remark() {
        Some((text, true)) => messages.inexact(text),
        Some((text, false)) => messages.truncated(text),
        None => {}
    }
    match answer {
        Answer::Number(number) => Some(number),
        _ => None,
    }
}

impl Stats {
    fn aggregated(&self, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let calls = expand_calls(&self.calls, &self.groups, &input.names())?;
        in_order(aggregate_how(input, &self.groups, &calls, self.how, planner)?, &self.groups, planner)
    }
}
