//! `dedup`: the first rows of each combination of values.

use super::sort::{parse_keys, write_keys};
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, Wish, blocking, column_index};
use crate::columns::{Cell, Values, missing};
use crate::exec::order::{Key, sort};
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, kernels::nullif::nullif};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;

/// What `dedup` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "dedup",
    aliases: &[],
    syntax: "dedup [<count>] <field> [, <field>]... [keepevents=<bool>] [keepempty=<bool>] [consecutive=<bool>] [sortby [-|+]<field>...]",
    summary: "Keeps the first row (or rows) of each combination of values; rows that lack one of the fields go, unless keepempty.",
    examples: &["login | dedup user", "* | dedup 3 host, status sortby -_time"],
    parse,
};

#[derive(Clone, Debug)]
struct Dedup {
    count: usize,
    fields: Vec<String>,
    keep_events: bool,
    keep_empty: bool,
    consecutive: bool,
    sort: Vec<Key>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut dedup = Dedup { count: 1, fields: Vec::new(), keep_events: false, keep_empty: false, consecutive: false, sort: Vec::new() };
    if let Some((count, span)) = args.integer() {
        dedup.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
            QueryError::at(span, "dedup keeps at least one row of each combination").with_hint("give a count of 1 or more")
        })?;
    }
    while !args.at_end() {
        if args.keyword("sortby") {
            dedup.sort = parse_keys(args)?;
        } else if let Some(option) = args.option(&["keepevents", "keepempty", "consecutive"])? {
            let value = option.value.boolean(&option.name)?;
            match option.name.as_str() {
                "keepevents" => dedup.keep_events = value,
                "keepempty" => dedup.keep_empty = value,
                _ => dedup.consecutive = value,
            }
        } else {
            let field = args.field("a field name")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "dedup takes no wildcards").with_hint("name each field"));
            }
            dedup.fields.push(field.name);
            args.symbol(",");
        }
    }
    if dedup.fields.is_empty() {
        return Err(args.error("expected a field name"));
    }
    Ok(Box::new(dedup))
}

impl fmt::Display for Dedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.fields.iter().map(|field| quote_field(field)).collect();
        write!(f, "dedup {} {}", self.count, fields.join(", "))?;
        for (name, on) in [("keepevents", self.keep_events), ("keepempty", self.keep_empty), ("consecutive", self.consecutive)] {
            if on {
                write!(f, " {name}=true")?;
            }
        }
        if !self.sort.is_empty() {
            f.write_str(" sortby")?;
            write_keys(f, &self.sort)?;
        }
        Ok(())
    }
}

impl Command for Dedup {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed.with(self.fields.iter().cloned()).with(self.sort.iter().map(|key| key.field.clone()))
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let plain = self.count == 1 && !self.keep_events && !self.keep_empty && !self.consecutive && self.sort.is_empty();
        if let (true, true, Some(direct)) = (plain, input.ordered, planner.direct.clone()) {
            let this = self.clone();
            return Ok(Planned::Later(Box::pin(async move {
                let wish = Wish::Newest(this.fields.clone());
                match blocking(move || direct.picked(&wish)).await? {
                    Some((flow, _)) if flow.schema() == input.schema() => Ok(flow),
                    _ => this.over_rows(input),
                }
            })));
        }
        Ok(self.over_rows(input)?.into())
    }
}

impl Dedup {
    /// Looks at row after row.
    fn over_rows(&self, input: Flow) -> Result<Flow, QueryError> {
        let input = if self.sort.is_empty() { input.single() } else { sort(input, &self.sort, None)? };
        let schema = input.schema();
        let places: Vec<Option<usize>> = self.fields.iter().map(|field| column_index(&schema, field)).collect();
        let settings = self.clone();
        let make: Make = Arc::new(move |context| {
            let memory = MemoryConsumer::new("dedup").register(context.memory_pool());
            Ok(Box::new(Seen { settings: settings.clone(), places: places.clone(), counts: FxHashMap::default(), before: None, memory }))
        });
        Ok(input.map("dedup", schema, make))
    }
}

struct Seen {
    settings: Dedup,
    places: Vec<Option<usize>>,
    counts: FxHashMap<Vec<u8>, usize>,
    before: Option<(Vec<u8>, usize)>,
    memory: MemoryReservation,
}

impl Seen {
    /// Whether the row is among the first of its combination.
    fn is_first(&mut self, key: &[u8]) -> ExecResult<bool> {
        if self.settings.consecutive {
            let count = match &self.before {
                Some((before, count)) if *before == key => count + 1,
                _ => 1,
            };
            self.before = Some((key.to_vec(), count));
            return Ok(count <= self.settings.count);
        }
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return Ok(*count <= self.settings.count);
        }
        self.memory.try_grow(key.len() + 64)?;
        self.counts.insert(key.to_vec(), 1);
        Ok(true)
    }
}

impl Transform for Seen {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let columns: Vec<ArrayRef> = self.places.iter().map(|at| at.map_or_else(|| missing(rows), |at| batch.column(at).clone())).collect();
        let values = columns.iter().map(Values::of).collect::<Result<Vec<_>, _>>()?;
        let (mut keep, mut repeated) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut key = Vec::new();
        for row in 0..rows {
            key.clear();
            let mut empty = false;
            for value in &values {
                let mut any = false;
                value.each(row, |cell| {
                    any = true;
                    match cell {
                        Cell::Text(text) => key.extend_from_slice(text.as_bytes()),
                        cell => key.extend_from_slice(cell.text().as_bytes()),
                    }
                    key.push(0x1f);
                });
                key.push(0x1e);
                empty |= !any;
            }
            let first = if empty { self.settings.keep_empty } else { self.is_first(&key)? };
            keep.push(first || self.settings.keep_events);
            repeated.push(!first && !empty);
        }
        if !self.settings.keep_events {
            return Ok(Step::Rows(filter_record_batch(&batch, &BooleanArray::from(keep))?));
        }
        let repeated = BooleanArray::from(repeated);
        let mut columns = batch.columns().to_vec();
        for at in self.places.iter().flatten() {
            columns[*at] = nullif(&columns[*at], &repeated)?;
        }
        Ok(Step::Rows(RecordBatch::try_new(batch.schema(), columns)?))
    }
}
