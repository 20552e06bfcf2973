//! `stats`: one row of aggregates for each group.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::exec::aggregate::{How, aggregate_how, sort_groups};
use crate::functions::{Argument, Call, parse_calls, parse_groups, sparkline, write_calls};
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::fmt;
use std::sync::Arc;
use taffrail_store::scan::{Summed, Sums};

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
            let (direct, name) = (direct.clone(), only.name.clone());
            return Ok(Planned::Later(Box::pin(async move {
                let count = super::blocking(move || direct.count()).await?;
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
                    Some(flow) => sort_groups(flow, &this.groups),
                    None => this.aggregated(input, &planner),
                }
            })));
        }
        if let Some(adding) = Adding::of(&self.calls, &self.groups, self.how)
            && let Some(direct) = planner.direct.clone()
        {
            let (this, planner) = (self.clone(), planner.clone());
            return Ok(Planned::Later(Box::pin(async move {
                let asked = (this.groups.clone(), adding.numbers.clone());
                match super::blocking(move || direct.sums_by(None, &asked.0, &asked.1)).await? {
                    Some(summed) => sort_groups(adding.table(&this, &summed)?, &this.groups),
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

/// Sums and averages of fields, which the store adds up without rows.
struct Adding {
    numbers: Vec<String>,
    /// For each call: of which number, and whether divided by how many there are; none counts rows.
    calls: Vec<Option<(usize, bool)>>,
}

impl Adding {
    /// Where the calls ask for nothing else.
    fn of(calls: &[Call], groups: &[String], how: How) -> Option<Self> {
        let mut this = Self { numbers: Vec::new(), calls: Vec::new() };
        for call in calls {
            this.calls.push(match (call.function.name, &call.argument) {
                ("count", Argument::Rows) => None,
                ("sum" | "avg", Argument::Field(field)) if !field.contains('*') && !groups.contains(field) && !how.all_numbers => {
                    let known = this.numbers.iter().position(|known| known == field);
                    let at = known.unwrap_or_else(|| {
                        this.numbers.push(field.clone());
                        this.numbers.len() - 1
                    });
                    Some((at, call.function.name == "avg"))
                }
                _ => return None,
            });
        }
        Some(this)
    }

    fn table(&self, stats: &Stats, summed: &Summed) -> Result<Flow, QueryError> {
        let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
        for (at, name) in stats.groups.iter().enumerate() {
            let values = StringArray::from_iter_values(summed.iter().map(|(values, _)| &values[at]));
            columns.push((Field::new(name, DataType::Utf8, true), Arc::new(values)));
        }
        // Of no rows at all there is one group where nothing is grouped by.
        let nothing = Sums { rows: 0, sums: vec![(0, 0.0); self.numbers.len()] };
        let none = summed.is_empty() && stats.groups.is_empty();
        let rows = || summed.iter().map(|(_, sums)| sums).chain(none.then_some(&nothing));
        for (call, what) in stats.calls.iter().zip(&self.calls) {
            let (kind, column): (_, ArrayRef) = match what {
                None => (DataType::Int64, Arc::new(Int64Array::from_iter_values(rows().map(|sums| sums.rows as i64)))),
                Some((at, mean)) => {
                    let number = |(count, sum): (u64, f64)| (count > 0).then(|| if *mean { sum / count as f64 } else { sum });
                    (DataType::Float64, Arc::new(rows().map(|sums| number(sums.sums[*at])).collect::<Float64Array>()))
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

impl Stats {
    fn aggregated(&self, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let calls = expand_calls(&self.calls, &self.groups, &input.names())?;
        sort_groups(aggregate_how(input, &self.groups, &calls, self.how, planner)?, &self.groups)
    }
}
