//! `anomalies`: events that say something new, compared with those just before them.
//!
//! What is new is measured by how much a text adds to what has to be written down of the texts before it: the number of
//! phrases that the parsing of Lempel and Ziv cuts it into. `unexpectedness` is what a value adds, as a part of what the
//! values before it and it take on their own.

use super::eval::{with_column, with_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::{Values, missing};
use crate::eval::format_number;
use crate::exec::aggregate::group_key;
use crate::exec::{Flow, Make, Step, Transform, external, stop_of};
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use taffrail_base::Stop;
use taffrail_base::limits::ANOMALIES_VALUES_MAX;

/// What `anomalies` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "anomalies",
    aliases: &[],
    syntax: "anomalies [threshold=<number>] [labelonly=<bool>] [normalize=<bool>] [maxvalues=<count>] [field=<field>] [BY <field> [, <field>]...]",
    summary: "Keeps events that are unlike those just before them, in the order of the rows, and sets unexpectedness, 0 to 1; with labelonly=true all events are kept.",
    examples: &["* | reverse | anomalies threshold=0.1", "* | reverse | anomalies labelonly=true field=url BY host | sort -unexpectedness"],
    parse,
};

/// The field that it sets.
const LABEL: &str = "unexpectedness";

#[derive(Clone, Debug)]
struct Anomalies {
    threshold: f64,
    label_only: bool,
    normalize: bool,
    most: usize,
    field: String,
    groups: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = Anomalies { threshold: 0.01, label_only: false, normalize: true, most: 100, field: "_raw".into(), groups: Vec::new() };
    while !args.at_end() && !args.peek_keyword("by") {
        let Some(option) = args.option(&["threshold", "labelonly", "normalize", "maxvalues", "field"])? else {
            return Err(args
                .error("expected an option or BY")
                .with_hint("the options are threshold, labelonly, normalize, maxvalues, field"));
        };
        let value = &option.value;
        match option.name.as_str() {
            "threshold" => this.threshold = value.number("threshold")?,
            "labelonly" => this.label_only = value.boolean("labelonly")?,
            "normalize" => this.normalize = value.boolean("normalize")?,
            "maxvalues" => {
                this.most = value.integer("maxvalues", 1)? as usize;
                if this.most > ANOMALIES_VALUES_MAX {
                    return Err(QueryError::at(value.span, format!("maxvalues is {ANOMALIES_VALUES_MAX} at most")));
                }
            }
            _ => this.field.clone_from(&value.text),
        }
        args.symbol(",");
    }
    if args.keyword("by") {
        this.groups = args.fields(&[])?.into_iter().map(|field| field.name).collect();
        if this.groups.is_empty() {
            return Err(args.error("expected a field after BY"));
        }
    }
    args.finish()?;
    Ok(Box::new(this))
}

impl fmt::Display for Anomalies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "anomalies threshold={}", format_number(self.threshold))?;
        if self.label_only {
            f.write_str(" labelonly=true")?;
        }
        if !self.normalize {
            f.write_str(" normalize=false")?;
        }
        write!(f, " maxvalues={} field={}", self.most, super::words::quote(&self.field))?;
        for (at, group) in self.groups.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { " BY" } else { "," }, quote_field(group))?;
        }
        Ok(())
    }
}

impl Command for Anomalies {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn keeps_rows(&self) -> bool {
        self.label_only
    }

    fn required(&self, needed: Required) -> Required {
        needed.without([LABEL]).with([self.field.clone()]).with(self.groups.iter().cloned())
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let given = input.schema();
        let place = column_index(&given, &self.field);
        let groups: Vec<Option<usize>> = self.groups.iter().map(|group| column_index(&given, group)).collect();
        let schema = with_field(&given, Field::new(LABEL, DataType::Float64, true));
        let (settings, made) = (self.clone(), schema.clone());
        let make: Make = Arc::new(move |context| {
            Ok(Box::new(Judge {
                settings: settings.clone(),
                place,
                groups: groups.clone(),
                schema: made.clone(),
                before: FxHashMap::default(),
                memory: MemoryConsumer::new(INFO.name).register(context.memory_pool()),
                stop: stop_of(context),
            }))
        });
        Ok(input.map(INFO.name, schema, make).into())
    }
}

/// What Lempel and Ziv cut texts into, so far: each phrase is one that is known and a byte more.
#[derive(Default)]
struct Phrases {
    known: FxHashMap<(u32, u8), u32>,
    count: u32,
}

impl Phrases {
    /// Takes a text; gives the number of phrases that it was cut into.
    fn add(&mut self, text: &str) -> u32 {
        let (mut at, mut made) = (0, 0);
        for byte in text.bytes() {
            let next = self.known.len() as u32 + 1;
            at = match self.known.get(&(at, byte)) {
                Some(found) => *found,
                None => {
                    self.known.insert((at, byte), next);
                    made += 1;
                    0
                }
            };
        }
        // A phrase at the end that was known is written down too.
        made += u32::from(at != 0);
        self.count += made;
        made
    }
}

struct Judge {
    settings: Anomalies,
    place: Option<usize>,
    groups: Vec<Option<usize>>,
    schema: SchemaRef,
    /// The values before, by group.
    before: FxHashMap<String, VecDeque<String>>,
    memory: MemoryReservation,
    stop: Stop,
}

impl Judge {
    fn unexpectedness(&mut self, key: String, value: String) -> ExecResult<f64> {
        let before = self.before.entry(key).or_default();
        let mut phrases = Phrases::default();
        for text in before.iter() {
            phrases.add(text);
        }
        let known = phrases.count;
        let (added, alone) = (phrases.add(&value), Phrases::default().add(&value));
        self.memory.try_grow(value.len() + 64)?;
        before.push_back(value);
        if before.len() > self.settings.most
            && let Some(gone) = before.pop_front()
        {
            self.memory.shrink(gone.len() + 64);
        }
        Ok(if alone == 0 { 0.0 } else { f64::from(added) / f64::from(known + alone) })
    }
}

impl Transform for Judge {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let column = |at: &Option<usize>| at.map_or_else(|| missing(rows), |at| batch.column(at).clone());
        let values = Values::of(&column(&self.place))?;
        let groups = self.groups.iter().map(|at| Ok(Values::of(&column(at))?)).collect::<ExecResult<Vec<_>>>()?;
        let mut found: Vec<Option<f64>> = Vec::with_capacity(rows);
        for row in 0..rows {
            self.stop.check().map_err(external)?;
            let (Some(mut value), Some(key)) = (values.text(row), group_key(&groups, row)) else {
                found.push(None);
                continue;
            };
            if self.settings.normalize {
                value = value.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            }
            found.push(Some(self.unexpectedness(key, value)?));
        }
        let keep: BooleanArray = found
            .iter()
            .map(|found| Some(self.settings.label_only || found.is_some_and(|found| found > self.settings.threshold)))
            .collect();
        let labels: ArrayRef = Arc::new(found.into_iter().collect::<Float64Array>());
        let out = with_column(&batch, &self.schema, LABEL, labels)?;
        Ok(Step::Rows(filter_record_batch(&out, &keep)?))
    }
}
