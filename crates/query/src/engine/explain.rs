//! How a query runs: as it is understood, what each command needs, what the store reads and why; and where the time
//! went, when it is run for that.

use super::message::time_text;
use super::{Engine, Prepared, SearchRequest};
use crate::commands::{Command, Required, blocking};
use crate::language::QueryError;
use crate::pipeline;
use crate::source::{Source, Wanted};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use taffrail_base::limits::EXPLAINED_SEGMENTS_MAX;
use taffrail_store::scan::ScanPlan;

/// How a query runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The query as it is understood; a statement of SQL as typed.
    pub query: String,
    /// From this time on, where bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Up to this time, where bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// The commands, in order; none for SQL.
    pub steps: Vec<ExplainedStep>,
    /// What is read of the store: for each table of events.
    pub scans: Vec<ExplainedScan>,
    /// The nodes of the plan, the last one first; of a search only when it was run, since planning it may run parts.
    pub plan: Vec<ExplainedNode>,
    /// What running it gave, when it was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<ExplainedRun>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStep {
    /// The command as it is understood.
    pub command: String,
    /// `store` (decided while reading), `streaming` (row by row), `ordered` (row by row, in order), or `transforming`
    /// (needs all rows).
    pub runs: String,
    /// The fields that it and what follows need: names, `*` for all, `-name` for what is not needed of all.
    pub needs: Vec<String>,
}

/// The reading of a table of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedScan {
    /// The fields that are read, as in a step.
    pub fields: Vec<String>,
    /// Whether events are read newest first.
    pub newest_first: bool,
    /// No more events than this are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Segments there are.
    pub segments: u64,
    /// Segments without an event in the time range.
    pub left_out_by_time: u64,
    /// Segments whose catalog entry shows no such index, host, source or source type.
    pub left_out_by_origin: u64,
    /// Segments that are kept.
    pub kept: u64,
    /// Of those looked into, the segments in which the filter leaves nothing.
    pub left_out_by_filter: u64,
    /// Events of the kept segments.
    pub events: u64,
    /// Stored bytes of the kept segments; what is read is seldom all of it.
    pub stored_bytes: u64,
    /// The first of the kept segments, newest first, looked into.
    pub looked_into: Vec<ExplainedSegment>,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedSegment {
    /// Names it.
    pub id: String,
    /// Its index.
    pub index: String,
    /// The time of its first event.
    pub first: String,
    /// The time of its last event.
    pub last: String,
    /// Its events.
    pub events: u64,
    /// Its stored bytes.
    pub stored_bytes: u64,
    /// Patterns of which all events match.
    pub patterns_all: u64,
    /// Patterns of which some events match.
    pub patterns_some: u64,
    /// Patterns of which none matches.
    pub patterns_none: u64,
    /// Events that match.
    pub matched: u64,
    /// Stored bytes read to decide that; 0 where the pattern tells, or where they are in the cache.
    pub decided_by_bytes: u64,
}

/// A node of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedNode {
    /// How deep it is: its inputs are one deeper and follow it.
    pub depth: u64,
    /// What it does.
    pub node: String,
    /// Rows that came out, when it was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Milliseconds that it computed, of all threads; of a scan, that its rows were waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<f64>,
    /// Bytes that it wrote to disk for want of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spilled_bytes: Option<u64>,
}

/// What running a query gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedRun {
    /// Rows of the answer.
    pub rows: u64,
    /// Events looked at.
    pub events_scanned: u64,
    /// Events that matched.
    pub events_matched: u64,
    /// Stored bytes read; what is in the cache is not read.
    pub bytes_read: u64,
    /// Milliseconds it took.
    pub elapsed_ms: u64,
    /// What there was to say.
    pub messages: Vec<String>,
}

/// Explains a query; with `analyze`, it is run to its end and its rows are thrown away.
pub async fn explain(engine: Engine, request: SearchRequest, analyze: bool) -> Result<Explanation, QueryError> {
    let mut prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
    if prepared.query.writes() && analyze {
        return Err(QueryError::new("a query that writes is not run for an explanation").with_hint("leave the last command out"));
    }
    let source: Arc<dyn Source> = Arc::new(engine.source().telling().tolerating_damage());
    let started = engine.clock.monotonic_nanos();
    let limit = request.limit.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    prepared.resolve(&source).await?;
    let (wanted, mut plan) = match prepared.sql.clone() {
        Some(text) => {
            let planned = prepared.session(&source).plan(&text, limit).await?;
            (planned.wanted()?, Some(planned.flow))
        }
        None => {
            prepared.settle(Required::all(), limit).await?;
            (if prepared.query.generating { Vec::new() } else { vec![prepared.wanted.clone()] }, None)
        }
    };
    let mut scans = Vec::new();
    for wanted in &wanted {
        scans.extend(scanned(&source, wanted).await?);
    }
    if analyze && plan.is_none() {
        let opened = prepared.open_settled(&*source).await?;
        plan = Some(prepared.plan(&opened).await?);
    }
    let nodes = plan.as_ref().map(|flow| flow.plan.clone());
    let ran = match plan {
        Some(flow) if analyze => {
            let mut rows = 0;
            let mut batches = flow.stream(prepared.planner.context.clone())?;
            while let Some(batch) = batches.next().await {
                rows += batch?.num_rows() as u64;
            }
            drop(batches);
            Some(run(&prepared, rows, engine.clock.monotonic_nanos().saturating_sub(started) / 1_000_000))
        }
        _ => None,
    };
    let mut plan = Vec::new();
    if let Some(node) = nodes {
        described(&node, 0, &mut plan);
    }
    let query = prepared.sql.as_ref().map_or_else(|| prepared.query.to_string(), ToString::to_string);
    let (earliest, latest) = (time_text(prepared.earliest), time_text(prepared.latest));
    Ok(Explanation { query, earliest, latest, steps: steps(&prepared), scans, plan, ran })
}

fn run(prepared: &Prepared, rows: u64, elapsed_ms: u64) -> ExplainedRun {
    let progress = prepared.wanted.watched.get();
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let mut messages: Vec<String> = prepared.planner.messages.take().into_iter().map(|message| message.text).collect();
    messages.extend(prepared.wanted.watched.unread());
    ExplainedRun {
        rows,
        events_scanned: read(&progress.events_scanned),
        events_matched: read(&progress.events_matched),
        bytes_read: read(&progress.bytes_read),
        elapsed_ms,
        messages,
    }
}

/// The commands of a search, those that the store evaluates among them.
fn steps(prepared: &Prepared) -> Vec<ExplainedStep> {
    if prepared.sql.is_some() {
        return Vec::new();
    }
    let all = &prepared.query.commands;
    let stored = all.len() - prepared.query.rest().len();
    let step = |(at, (command, _)): (usize, &(Arc<dyn Command>, crate::language::Span))| ExplainedStep {
        command: command.to_string(),
        runs: match &**command {
            _ if at < stored => "store",
            command if !command.streaming() => "transforming",
            command if command.needs_order() => "ordered",
            _ => "streaming",
        }
        .to_owned(),
        needs: names(&pipeline::required(&all[at..], Required::all())),
    };
    all.iter().enumerate().map(step).collect()
}

fn names(required: &Required) -> Vec<String> {
    let all = required.all.then(|| "*".to_owned()).into_iter();
    let names = all.chain(required.names.iter().cloned()).chain(required.wildcards.iter().cloned());
    names.chain(required.removed.iter().map(|name| format!("-{name}"))).collect()
}

async fn scanned(source: &Arc<dyn Source>, wanted: &Wanted) -> Result<Option<ExplainedScan>, QueryError> {
    let Some(scan) = source.scan_of(wanted) else { return Ok(None) };
    let plan: ScanPlan = blocking(move || scan.explain(EXPLAINED_SEGMENTS_MAX)).await?;
    let looked_into = plan.segments.iter().map(|segment| ExplainedSegment {
        id: segment.id.clone(),
        index: segment.index.to_string(),
        first: segment.first.to_string(),
        last: segment.last.to_string(),
        events: segment.events,
        stored_bytes: segment.stored_bytes,
        patterns_all: segment.patterns_all,
        patterns_some: segment.patterns_some,
        patterns_none: segment.patterns_none,
        matched: segment.matched,
        decided_by_bytes: segment.decided_by_bytes,
    });
    Ok(Some(ExplainedScan {
        fields: names(&wanted.required),
        newest_first: wanted.ordered,
        limit: wanted.limit.map(|limit| limit as u64),
        segments: plan.kept + plan.left_out.by_time + plan.left_out.by_origin + plan.left_out.by_arrival,
        left_out_by_time: plan.left_out.by_time,
        left_out_by_origin: plan.left_out.by_origin,
        kept: plan.kept,
        left_out_by_filter: plan.segments.iter().filter(|segment| segment.matched == 0).count() as u64,
        events: plan.events,
        stored_bytes: plan.stored_bytes,
        looked_into: looked_into.collect(),
    }))
}

/// The nodes of a plan with what they counted.
fn described(node: &Arc<dyn ExecutionPlan>, depth: u64, out: &mut Vec<ExplainedNode>) {
    let metrics = node.metrics().map(|metrics| metrics.aggregate_by_name());
    let text = DisplayableExecutionPlan::new(node.as_ref()).one_line().to_string();
    out.push(ExplainedNode {
        depth,
        node: text.trim().replace(crate::exec::HIDDEN, ""),
        rows: metrics.as_ref().and_then(|metrics| metrics.output_rows()).map(|rows| rows as u64),
        elapsed_ms: metrics.as_ref().and_then(|metrics| metrics.elapsed_compute()).map(|nanos| (nanos / 1_000) as f64 / 1_000.0),
        spilled_bytes: metrics.as_ref().and_then(|metrics| metrics.spilled_bytes()).map(|bytes| bytes as u64).filter(|bytes| *bytes > 0),
    });
    for child in node.children() {
        described(child, depth + 1, out);
    }
}
