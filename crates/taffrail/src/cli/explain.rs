//! `taffrail explain`: how a query runs.

use super::caret::{self, QueryProblem};
use super::client;
use super::exit::{Exit, Failure, Outcome};
use super::target::{Place, Target};
use super::terminal;
use crate::api::schema::{ExplainAnswer, ExplainBody, ExplainScan};
use crate::app::{self, World};
use crate::output::Form;
use crate::serve::blocking;
use crate::settings::Settings;
use crate::timerange;
use indicatif::{HumanBytes, HumanCount};
use std::fmt::Write as _;
use std::io::Write;
use taffrail_event::Timestamp;
use taffrail_query::{QueryError, SearchRequest};

const EXAMPLES: &str = "\
Examples:
  taffrail explain --data logs 'status>=500 | stats count BY uri'
  taffrail explain --data logs --analyze --earliest -24h 'error | timechart span=1h count'
  taffrail explain --data logs --sql 'SELECT count(*) FROM events WHERE status = 404'

Without --analyze the query is not run; the filter alone is decided in up to 100 segments. With it, the query is run
to its end, its rows are thrown away, and the times and bytes are real.";

/// Show how a query runs: what it reads and why, and where the time goes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The query.
    #[arg(value_name = "QUERY")]
    query: String,
    #[command(flatten)]
    place: Place,
    /// From this time on; all time when left out.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    earliest: Option<String>,
    /// Up to but not at this time.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    latest: Option<String>,
    /// The query is a statement of SQL.
    #[arg(long)]
    sql: bool,
    /// Run the query, and tell real numbers.
    #[arg(long)]
    analyze: bool,
    /// Form of the output: table is for people, json is everything.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if !matches!(arguments.output, Form::Table | Form::Json) {
        return Err(Failure::new(Exit::Usage, "an explanation is no table of rows").with_hint("use table or json"));
    }
    let world = World::real();
    let target = arguments.place.resolve(&world).await?;
    let work = async {
        match target {
            Target::Server(client) => {
                let Arguments { query, earliest, latest, sql, analyze, .. } = &arguments;
                let body =
                    ExplainBody { query: query.clone(), earliest: earliest.clone(), latest: latest.clone(), sql: *sql, analyze: *analyze };
                let answer = client.post_or_detail("/api/v1/search/explain", &body).await?;
                let colours = terminal::colours(terminal::stderr_is_terminal());
                let response = answer.map_err(|detail| client::query_failure(query, detail, colours))?;
                response
                    .json::<ExplainAnswer>()
                    .await
                    .map_err(|e| Failure::new(Exit::Runtime, format!("the server sent what is not an explanation: {e}")))
            }
            Target::Folder(data) => on_folder(&arguments, world, data).await,
        }
    };
    let answer = tokio::select! {
        answer = work => answer?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, "interrupted")),
    };
    let text = match arguments.output {
        Form::Json => serde_json::to_string_pretty(&answer).map_err(|e| Failure::new(Exit::Runtime, e.to_string()))?,
        _ => shown(&answer).lines().map(terminal::neutral).collect::<Vec<_>>().join("\n"),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()).map_err(|e| Failure::output(&e))
}

async fn on_folder(arguments: &Arguments, world: World, data: std::path::PathBuf) -> Outcome<ExplainAnswer> {
    let failure = |error: QueryError| {
        let problem = QueryProblem {
            message: error.message,
            span: error.span.map(|span| (span.start, span.end)),
            hint: error.hint,
            suggestions: error.suggestions,
        };
        Failure::Query(caret::draw(&arguments.query, &problem, terminal::colours(terminal::stderr_is_terminal())))
    };
    let now = Timestamp(world.clock.now_nanos());
    timerange::check(arguments.earliest.as_deref(), arguments.latest.as_deref(), now).map_err(failure)?;
    let opened = blocking(move || app::open(&world, data, &Settings::default(), true)).await?;
    let engine = if arguments.sql { opened.engine.in_sql() } else { opened.engine.clone() };
    let request = SearchRequest {
        query: arguments.query.clone(),
        earliest: arguments.earliest.clone(),
        latest: arguments.latest.clone(),
        limit: None,
        preview: false,
    };
    let explained = engine.explain(request, arguments.analyze).await.map_err(failure)?;
    serde_json::to_value(&explained)
        .and_then(serde_json::from_value)
        .map_err(|e| Failure::new(Exit::Runtime, format!("an explanation is not in its own shape: {e}")))
}

/// The explanation as text for people.
fn shown(answer: &ExplainAnswer) -> String {
    let mut out = format!("query     {}\n", answer.query);
    let bound = |bound: &Option<String>, open: &str| bound.clone().unwrap_or_else(|| open.to_owned());
    let _ = writeln!(out, "time      from {} to {}", bound(&answer.earliest, "the beginning"), bound(&answer.latest, "the end"));
    for step in &answer.steps {
        let _ = writeln!(out, "step      {}\n          runs: {}; needs: {}", step.command, step.runs, listed(&step.needs));
    }
    answer.scans.iter().for_each(|scan| scanned(scan, &mut out));
    for node in &answer.plan {
        let _ = write!(out, "plan      {}{}", "  ".repeat(usize::try_from(node.depth).unwrap_or(0).min(40)), node.node);
        if let Some(rows) = node.rows {
            let _ = write!(out, " | {} rows", HumanCount(rows));
        }
        if let Some(elapsed) = node.elapsed_ms.filter(|_| node.rows.is_some()) {
            let _ = write!(out, ", {elapsed:.1} ms");
        }
        if let Some(bytes) = node.spilled_bytes {
            let _ = write!(out, ", {} to disk", HumanBytes(bytes));
        }
        out.push('\n');
    }
    if let Some(ran) = &answer.ran {
        let _ = writeln!(
            out,
            "ran       {} rows in {} ms; {} of {} events matched; {} read",
            HumanCount(ran.rows),
            ran.elapsed_ms,
            HumanCount(ran.events_matched),
            HumanCount(ran.events_scanned),
            HumanBytes(ran.bytes_read)
        );
        ran.messages.iter().for_each(|message| {
            let _ = writeln!(out, "note      {message}");
        });
    }
    out
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "no field".to_owned() } else { names.join(", ") }
}

fn scanned(scan: &ExplainScan, out: &mut String) {
    let order = match (scan.newest_first, scan.limit) {
        (true, Some(limit)) => format!("; the newest {limit}"),
        (true, None) => "; newest first".to_owned(),
        _ => String::new(),
    };
    let _ = writeln!(out, "reads     {}{order}", listed(&scan.fields));
    let _ = writeln!(
        out,
        "segments  {}: {} out of the time range, {} of other indexes, hosts or sources, {} kept ({} events, {})",
        scan.segments,
        scan.left_out_by_time,
        scan.left_out_by_origin,
        scan.kept,
        HumanCount(scan.events),
        HumanBytes(scan.stored_bytes)
    );
    if !scan.looked_into.is_empty() {
        let _ =
            writeln!(out, "          of {} looked into, the filter leaves nothing in {}", scan.looked_into.len(), scan.left_out_by_filter);
    }
    for segment in &scan.looked_into {
        let _ = writeln!(
            out,
            "segment   {} {} from {}: {} of {} events; patterns: {} all, {} some, {} none; {} read to decide",
            segment.index,
            segment.id,
            segment.first,
            HumanCount(segment.matched),
            HumanCount(segment.events),
            segment.patterns_all,
            segment.patterns_some,
            segment.patterns_none,
            HumanBytes(segment.decided_by_bytes)
        );
    }
}
