//! `taffrail sources`: what each source sent and what became of it; with `--routes`, what was sent on.

use super::exit::{Exit, Failure, Outcome};
use super::target::Place;
use super::terminal;
use crate::api::hosts::HostAnswer;
use crate::api::inputs::{AccountAnswer, InputAnswer};
use crate::api::outputs::RouteAnswer;
use crate::api::schema::{Field, ResultKind, Row};
use crate::app::World;
use crate::output::{self, Form, Style};
use serde_json::{Value, json};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  taffrail sources                                    who sends how much, and what became of it
  taffrail sources --silent                           who has been silent for longer than ever
  taffrail sources --hosts --silent                   the same of machines, also of those behind a relay
  taffrail sources --routes                           what was sent on, to be compared with the receiver's counts
  taffrail sources --output json | jq '.[].total'";

/// Show the accounts of a running server: per input and source what was received, stored and lost.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The routes instead: what each found, and what its receiver confirmed.
    #[arg(long, conflicts_with = "silent")]
    routes: bool,
    /// The hosts that events were of instead, whoever sent them.
    #[arg(long, conflicts_with = "routes")]
    hosts: bool,
    /// Only sources (or hosts) that have been silent for longer than is usual for them.
    #[arg(long)]
    silent: bool,
    /// Form of the output; `json` is one list of objects, as the API gives it.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if arguments.output == Form::Raw || arguments.output.is_binary() {
        return Err(Failure::new(Exit::Usage, "this form of output is for events").with_hint("use table, json or csv"));
    }
    let client = arguments.place.server(&World::real()).await?;
    if arguments.routes {
        let routes: Vec<RouteAnswer> = client.get_json("/api/v1/routes").await?;
        let rows = routes.iter().filter_map(|route| serde_json::to_value(route).ok()).collect::<Vec<_>>();
        return print(&rows, &ROUTE_COLUMNS, &rows, arguments.output);
    }
    if arguments.hosts {
        let hosts: Vec<HostAnswer> = client.get_json(&format!("/api/v1/hosts?silent={}", arguments.silent)).await?;
        let rows = hosts.iter().filter_map(|host| serde_json::to_value(host).ok()).collect::<Vec<_>>();
        return print(&rows, &HOST_COLUMNS, &rows, arguments.output);
    }
    let mut inputs: Vec<InputAnswer> = client.get_json("/api/v1/inputs").await?;
    if arguments.silent {
        inputs.iter_mut().for_each(|input| input.sources.retain(|source| source.silent));
        inputs.retain(|input| !input.sources.is_empty());
    }
    let whole = inputs.iter().filter_map(|input| serde_json::to_value(input).ok()).collect::<Vec<_>>();
    let mut rows = Vec::new();
    for input in &inputs {
        rows.extend(input.sources.iter().map(|source| row(input, source, 0)));
        // What belongs to no source alone.
        if !arguments.silent && (input.sources.len() != 1 || input.kernel_drops > 0) {
            let all = AccountAnswer { source: "(all)".into(), ..input.total.clone() };
            rows.push(row(input, &all, input.kernel_drops));
        }
    }
    print(&whole, &COLUMNS, &rows, arguments.output)?;
    if arguments.output == Form::Table {
        inputs.iter().for_each(remarks);
    }
    Ok(())
}

/// What no column says of an input: to standard error, beside the table.
fn remarks(input: &InputAnswer) {
    let mut said: Vec<String> = input.skipped.iter().map(|(reason, count)| format!("{count} times: {reason}")).collect();
    if input.refused_connections > 0 {
        said.push(format!("{} connections refused", input.refused_connections));
    }
    said.extend(input.problems.last().map(|problem| format!("{} problems, the last: {problem}", input.problems_total)));
    let mut out = std::io::stderr().lock();
    // Who closed it wants no remarks.
    said.iter().for_each(|said| _ = writeln!(out, "{}: {said}", input.name));
}

const COLUMNS: [&str; 15] = [
    "input",
    "source",
    "received",
    "stored",
    "lost",
    "duplicates",
    "kernel_drops",
    "in_flight",
    "gap",
    "problems",
    "bytes",
    "rate",
    "lag",
    "skew",
    "last_seen",
];

const HOST_COLUMNS: [&str; 4] = ["host", "last_seen", "usual_pause_seconds", "silent"];

const ROUTE_COLUMNS: [&str; 12] = [
    "name",
    "output",
    "target",
    "state",
    "found_events",
    "confirmed_events",
    "in_flight_events",
    "sent_again_events",
    "refused_events",
    "gone_events",
    "behind_events",
    "problem",
];

fn row(input: &InputAnswer, of: &AccountAnswer, kernel_drops: u64) -> Value {
    let lost = of.dropped_events.values().sum::<u64>() + of.refused_events;
    let seen = of.last_seen.as_ref().map(|seen| if of.silent { format!("{seen} silent") } else { seen.clone() });
    json!({
        "input": input.name, "source": of.source, "received": of.received_events, "stored": of.stored_events, "lost": lost,
        "duplicates": of.duplicate_events, "kernel_drops": kernel_drops, "in_flight": of.in_flight_events, "gap": of.gap_events, "problems": of.problem_events, "bytes": of.received_bytes,
        "rate": of.rate, "lag": of.lag_seconds, "skew": of.skew_seconds, "last_seen": seen,
    })
}

/// `whole` as JSON, else the columns of the rows.
fn print(whole: &[Value], columns: &[&str], rows: &[Value], form: Form) -> Outcome {
    if form == Form::Json {
        let text = serde_json::to_string_pretty(whole).map_err(|e| Failure::new(Exit::Runtime, e.to_string()))?;
        let mut out = std::io::stdout().lock();
        return writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| Failure::output(&e));
    }
    let is_text = |name: &str| {
        matches!(name, "input" | "source" | "last_seen" | "name" | "output" | "target" | "state" | "problem" | "host" | "silent")
    };
    let fields: Vec<Field> =
        columns.iter().map(|name| Field { name: (*name).into(), kind: if is_text(name) { "string" } else { "number" }.into() }).collect();
    let rows: Vec<Row> = rows.iter().filter_map(|row| row.as_object().cloned()).collect();
    let terminal = terminal::stdout_is_terminal();
    let style = Style { terminal, colours: terminal::colours(terminal) };
    let mut writer = output::writer(form, style, Box::new(std::io::BufWriter::new(std::io::stdout())));
    let mut write = || {
        writer.start(ResultKind::Table, &fields)?;
        writer.rows(&rows)?;
        writer.finish()
    };
    write().map_err(|e| Failure::output(&e))
}
