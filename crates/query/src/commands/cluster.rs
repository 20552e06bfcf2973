//! `cluster`: events whose texts are alike become one, or get the number of their group.
//!
//! Parsing and rows are here, what is alike in `likeness`.

mod likeness;

use super::eval::{with_column, with_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::{Values, missing};
use crate::exec::{Flow, Make, Step, Transform, external, stop_of};
use crate::language::{Args, QueryError};
use crate::messages::{Messages, Severity};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::TryStreamExt;
use likeness::{Clusters, Match};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use taffrail_base::Stop;
use taffrail_base::limits::CLUSTERS_MAX;

/// What `cluster` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "cluster",
    aliases: &["slc"],
    syntax: "cluster [t=<0..1>] [match=termlist|termset|ngramset] [delims=<characters>] [field=<field>] [showcount=<bool>] [countfield=<name>] [labelfield=<name>] [labelonly=<bool>]",
    summary: "Groups events whose texts are alike, numbers and times apart, and gives one of each group, with its number and on request its size.",
    examples: &[
        "error | cluster showcount=true | sort -cluster_count | table cluster_count, _raw",
        "* | cluster t=0.9 labelonly=true | stats count BY cluster_label",
    ],
    parse,
};

/// `cluster` with its arguments.
#[derive(Clone, Debug)]
struct Cluster {
    threshold: f64,
    by: Match,
    delimiters: Option<String>,
    field: String,
    show_count: bool,
    count_field: String,
    label_field: String,
    label_only: bool,
}

const OPTIONS: [&str; 8] = ["t", "match", "delims", "field", "showcount", "countfield", "labelfield", "labelonly"];

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut cluster = Cluster {
        threshold: 0.8,
        by: Match::TermList,
        delimiters: None,
        field: "_raw".to_owned(),
        show_count: false,
        count_field: "cluster_count".to_owned(),
        label_field: "cluster_label".to_owned(),
        label_only: false,
    };
    while !args.at_end() {
        let Some(option) = args.option(&OPTIONS)? else { return Err(args.error("expected an option such as t=0.8 or showcount=true")) };
        let value = option.value;
        match option.name.as_str() {
            "t" => {
                cluster.threshold = value.number("t")?;
                if cluster.threshold <= 0.0 || cluster.threshold >= 1.0 {
                    let error = QueryError::at(value.span, "t lies between 0 and 1");
                    return Err(error.with_hint("the higher, the more alike: 0.8 is usual"));
                }
            }
            "match" => cluster.by = Match::named(value.one_of("match", &Match::NAMES)?),
            "delims" => cluster.delimiters = Some(value.text),
            "field" => cluster.field = value.text,
            "showcount" => cluster.show_count = value.boolean("showcount")?,
            "countfield" => cluster.count_field = value.text,
            "labelfield" => cluster.label_field = value.text,
            _ => cluster.label_only = value.boolean("labelonly")?,
        }
    }
    Ok(Box::new(cluster))
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cluster")?;
        let named = |name: &str, default: &str| (name != default).then(|| quote_field(name));
        for (name, value) in [
            ("t", (self.threshold != 0.8).then(|| self.threshold.to_string())),
            ("match", (self.by != Match::TermList).then(|| self.by.name().to_owned())),
            ("delims", self.delimiters.as_deref().map(super::words::quote)),
            ("field", named(&self.field, "_raw")),
            ("showcount", self.show_count.then(|| "true".to_owned())),
            ("countfield", named(&self.count_field, "cluster_count")),
            ("labelfield", named(&self.label_field, "cluster_label")),
            ("labelonly", self.label_only.then(|| "true".to_owned())),
        ] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

impl Command for Cluster {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        let made = [self.label_field.as_str(), self.count_field.as_str()];
        let made = &made[..1 + usize::from(self.show_count)];
        needed.without(made.iter().copied()).with([self.field.clone()])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        if !(self.label_only && self.show_count) {
            return Ok(self.flow(input, planner, Arc::default(), self.label_only).into());
        }
        // The size of a group is known when all rows were read: they are read twice.
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let counts: Counts = Arc::default();
            let quiet = Planner { messages: Messages::default(), ..planner.clone() };
            let first = this.flow(input.clone(), &quiet, counts.clone(), false);
            let mut rows = first.stream(planner.context.clone())?;
            while rows.try_next().await?.is_some() {}
            Ok(this.flow(input, &planner, counts, true))
        })))
    }
}

/// How many rows each group has, told by a first reading to a second.
type Counts = Arc<Mutex<Arc<Vec<i64>>>>;

impl Cluster {
    fn flow(&self, input: Flow, planner: &Planner, counts: Counts, label_only: bool) -> Flow {
        let mut schema = with_field(&input.schema(), Field::new(&self.label_field, DataType::Int64, true));
        if self.show_count {
            schema = with_field(&schema, Field::new(&self.count_field, DataType::Int64, true));
        }
        let place = column_index(&input.schema(), &self.field);
        let (settings, made, messages) = (self.clone(), schema.clone(), planner.messages.clone());
        let make: Make = Arc::new(move |context| {
            Ok(Box::new(Work {
                clusters: Clusters::new(settings.by, settings.threshold, settings.delimiters.clone()),
                settings: Cluster { label_only, ..settings.clone() },
                schema: made.clone(),
                place,
                heads: Vec::new(),
                sizes: Vec::new(),
                known: counts.clone(),
                without_field: 0,
                without_cluster: 0,
                messages: messages.clone(),
                memory: MemoryConsumer::new("cluster").register(context.memory_pool()),
                stop: stop_of(context),
            }))
        });
        input.map("cluster", schema, make)
    }
}

struct Work {
    settings: Cluster,
    schema: SchemaRef,
    place: Option<usize>,
    clusters: Clusters,
    /// The first row of each group, where its size has to be known before it is given.
    heads: Vec<RecordBatch>,
    sizes: Vec<i64>,
    known: Counts,
    without_field: usize,
    without_cluster: usize,
    messages: Messages,
    memory: MemoryReservation,
    stop: Stop,
}

impl Transform for Work {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let column = self.place.map_or_else(|| missing(rows), |at| batch.column(at).clone());
        let values = Values::of(&column)?;
        let (mut labels, mut first) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for row in 0..rows {
            // A text of a new kind is compared with every group.
            self.stop.check().map_err(external)?;
            let before = self.clusters.len();
            let Some(text) = values.text(row) else {
                self.without_field += 1;
                labels.push(None);
                first.push(false);
                continue;
            };
            let label = self.clusters.of(&text);
            match label {
                Some(label) if label == before => self.sizes.push(1),
                Some(label) => self.sizes[label] += 1,
                None => self.without_cluster += 1,
            }
            labels.push(label.map(|label| label as i64 + 1));
            first.push(self.clusters.len() > before);
        }
        let labels: Int64Array = labels.into_iter().collect();
        let counts: ArrayRef = match (self.settings.show_count, self.settings.label_only) {
            (true, true) => {
                let known = self.known.lock().clone();
                let count = |label: Option<i64>| known.get(label? as usize - 1).copied();
                Arc::new(labels.iter().map(count).collect::<Int64Array>())
            }
            _ => arrow::array::new_null_array(&DataType::Int64, rows),
        };
        let mut batch = self.with_field(&batch, &self.settings.label_field, Arc::new(labels))?;
        if self.settings.show_count {
            batch = self.with_field(&batch, &self.settings.count_field, counts)?;
        }
        self.memory.try_resize(self.clusters.bytes() + self.heads.iter().map(RecordBatch::get_array_memory_size).sum::<usize>())?;
        if self.settings.label_only {
            return Ok(Step::Rows(batch));
        }
        let heads = filter_record_batch(&batch, &BooleanArray::from(first))?;
        if !self.settings.show_count {
            return Ok(Step::Rows(heads));
        }
        if heads.num_rows() > 0 {
            self.memory.try_grow(heads.get_array_memory_size())?;
            self.heads.push(heads);
        }
        Ok(Step::Rows(RecordBatch::new_empty(self.schema.clone())))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        self.tell();
        *self.known.lock() = Arc::new(std::mem::take(&mut self.sizes));
        if self.heads.is_empty() {
            return Ok(None);
        }
        // The heads stand in the order of their numbers.
        let heads = concat_batches(&self.schema, &self.heads)?;
        let counts = Int64Array::from(self.known.lock().as_ref().clone());
        Ok(Some(self.with_field(&heads, &self.settings.count_field, Arc::new(counts))?))
    }
}

impl Work {
    /// The batch with a column replaced or added; its schema is the one made of these so far.
    fn with_field(&self, batch: &RecordBatch, name: &str, column: ArrayRef) -> ExecResult<RecordBatch> {
        let schema = with_field(&batch.schema(), Field::new(name, column.data_type().clone(), true));
        Ok(with_column(batch, &schema, name, column)?)
    }

    fn tell(&self) {
        let lost = |count: usize, what: &str| match self.settings.label_only {
            true => format!("cluster: {count} rows {what} and have no label"),
            false => format!("cluster: {count} rows {what} and are left out"),
        };
        if self.without_field > 0 {
            self.messages.add(Severity::Info, lost(self.without_field, &format!("have no {}", self.settings.field)));
        }
        if self.without_cluster > 0 {
            let what = format!("are like none of the first {CLUSTERS_MAX} groups, which is as many as there can be,");
            self.messages.truncated(format!("{}; a lower t makes fewer groups", lost(self.without_cluster, &what)));
        }
    }
}
