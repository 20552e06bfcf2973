//! `loadjob`: the rows of a job, without running its search again.

use super::words::quote;
use super::{Command, CommandInfo, Kind, Planned, Planner, blocking};
use crate::columns::time_type;
use crate::exec::combine::streamed;
use crate::exec::{Flow, external};
use crate::knowledge::KeptRows;
use crate::language::{Args, QueryError, Span};
use crate::messages::Severity;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_stream::try_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use std::fmt;
use std::sync::Arc;

/// What `loadjob` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "loadjob",
    aliases: &[],
    syntax: "loadjob <id> [events=<bool>] [ignore_running=<bool>]",
    summary: "The rows that a job has, without running its search again; of one that still runs those it has so far, with ignore_running=false. It begins a query.",
    examples: &[
        "| loadjob 01J00000000000000000000000 | sort -count",
        "| loadjob 01J00000000000000000000000 ignore_running=false | stats count",
    ],
    parse,
};

#[derive(Clone, Debug)]
struct LoadJob {
    id: String,
    span: Span,
    events: bool,
    ignore_running: bool,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut id, mut events, mut ignore_running) = (None, false, true);
    while !args.at_end() {
        if let Some(option) = args.option(&["events", "ignore_running", "savedsearch", "sid"])? {
            match option.name.as_str() {
                "events" => events = option.value.boolean("events")?,
                "ignore_running" => ignore_running = option.value.boolean("ignore_running")?,
                "sid" => id = Some(option.value),
                _ => {
                    let error = QueryError::at(option.span, "which job ran a saved search is not kept");
                    return Err(error.with_hint("name the job by its id: `taffrail jobs` lists them"));
                }
            }
        } else {
            let word = args.word("the id of a job")?;
            if id.is_some() {
                return Err(QueryError::at(word.span, format!("`{}` is not understood here", word.text)));
            }
            id = Some(word);
        }
    }
    let Some(id) = id else {
        return Err(args.error("loadjob needs the id of a job").with_hint("`taffrail jobs` lists them"));
    };
    Ok(Box::new(LoadJob { id: id.text, span: id.span, events, ignore_running }))
}

impl fmt::Display for LoadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loadjob {}", quote(&self.id))?;
        if self.events {
            f.write_str(" events=true")?;
        }
        if self.ignore_running { Ok(()) } else { f.write_str(" ignore_running=false") }
    }
}

impl Command for LoadJob {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn makes_table(&self) -> bool {
        !self.events
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move { this.load(&planner).await.map_err(|error| error.or_at(this.span)) })))
    }
}

impl LoadJob {
    async fn load(&self, planner: &Planner) -> Result<Flow, QueryError> {
        let kept = planner.knowledge.kept(&self.id)?;
        if kept.running {
            if self.ignore_running {
                let error = QueryError::new(format!("the job {} still runs", self.id));
                return Err(error.with_hint("wait for it, or take what it has so far: ignore_running=false"));
            }
            planner.messages.truncated(format!("the job {} still runs: these are its rows so far", self.id));
        }
        if let Some(warning) = &kept.warning {
            planner.messages.add(Severity::Warn, format!("the job {}: {warning}", self.id));
        }
        if self.events && kept.table {
            return Err(QueryError::new(format!("the job {} has a table, not events", self.id)).with_hint("take events=true away"));
        }
        let read = kept.read.clone();
        let first = blocking(move || read(0)).await?;
        let schema = first.map_or_else(|| empty(&kept), |batch| batch.schema());
        let (made, table) = (schema.clone(), kept.table || !self.events);
        Ok(streamed(INFO.name, schema, table, move |_| {
            let read = kept.read.clone();
            let rows = try_stream! {
                let mut at = 0;
                loop {
                    let read = read.clone();
                    let Some(batch) = blocking(move || read(at)).await.map_err(external)? else { break };
                    at += batch.num_rows() as u64;
                    yield batch;
                }
            };
            Ok(Box::pin(RecordBatchStreamAdapter::new(made.clone(), rows)))
        }))
    }
}

/// The columns of a job without rows.
fn empty(kept: &KeptRows) -> SchemaRef {
    let kind = |name: &str| if matches!(name, "_time" | "_indextime") { time_type() } else { DataType::Utf8 };
    Arc::new(Schema::new(kept.columns.iter().map(|name| Field::new(name, kind(name), true)).collect::<Vec<_>>()))
}
