//! `taffrail search`: runs a search on a data folder or through a server, and prints what is found.

use super::caret::{self, QueryProblem};
use super::client::{self, Client};
use super::exit::{Exit, Failure, Outcome};
use super::target::{Place, Target};
use super::{say, terminal};
use crate::api::error::of_running_search;
use crate::api::export::{Part, written};
use crate::api::schema::{ErrorDetail, ExportBody, Field, ResultKind, SearchBody, SearchLine, Severity};
use crate::app::{self, World};
use crate::output::{self, Form, Style};
use crate::searches::limits_of;
use crate::serve::blocking;
use crate::settings::{Search, Settings, Size};
use crate::timerange;
use futures::StreamExt;
use futures::stream::BoxStream;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use taffrail_event::Timestamp;
use taffrail_query::{QueryError, SearchMessage, SearchRequest};

const EXAMPLES: &str = "\
Examples:
  taffrail search --data logs 'session opened user=root'
  taffrail search --data logs --earliest -24h 'sourcetype=nginx status>=500 | stats count by uri'
  taffrail search --data logs '* | reverse' --output raw > all.log
  taffrail search --url http://127.0.0.1:8514 'error | timechart span=1h count' --output csv

All time unless --earliest or --latest is given: -24h, -1d@d, now, epoch seconds, or RFC 3339.
Events come newest first; `| reverse` turns that round. On a data folder that a server holds, the search goes
through the server; otherwise the folder is read directly and nothing in it is changed.";

/// Rows of a table on a terminal unless --limit says otherwise: what a person can look at.
const TERMINAL_ROWS: u64 = 100;

/// Search, and print what is found.
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
    /// At most so many rows; 0 means all. All when left out, 100 for a table on a terminal.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
    /// Seconds that the search may take: events found until then are shown, a table is an error.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Memory that the search may use, such as 64MB; beyond it, it uses the disk where it can.
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<Size>,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if arguments.output.is_binary() && terminal::stdout_is_terminal() {
        return Err(
            Failure::new(Exit::Usage, "this form of output is not for a terminal").with_hint("send it to a file: ... > result.parquet")
        );
    }
    let world = World::real();
    let target = arguments.place.resolve(&world).await?;
    let work = async {
        match target {
            Target::Server(client) => through_server(&arguments, &client).await,
            Target::Folder(data) => on_folder(&arguments, world, data).await,
        }
    };
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "interrupted")),
    }
}

impl Arguments {
    /// The limit in force; `None` is all.
    fn limit(&self) -> Option<u64> {
        let default = (self.output == Form::Table && terminal::stdout_is_terminal()).then_some(TERMINAL_ROWS);
        self.limit.or(default).filter(|limit| *limit > 0)
    }

    /// Whether the output is made where the search runs, from what is no JSON.
    fn is_written_there(&self) -> bool {
        self.output == Form::Raw || self.output.is_binary()
    }

    fn request(&self) -> SearchRequest {
        SearchRequest {
            query: self.query.clone(),
            earliest: self.earliest.clone(),
            latest: self.latest.clone(),
            limit: self.limit(),
            preview: false,
        }
    }

    fn query_failure(&self, error: QueryError) -> Failure {
        if error.limit {
            let failure = Failure::new(Exit::Runtime, error.message);
            return if let Some(hint) = error.hint { failure.with_hint(hint) } else { failure };
        }
        let problem = QueryProblem {
            message: error.message,
            span: error.span.map(|span| (span.start, span.end)),
            hint: error.hint,
            suggestions: error.suggestions,
        };
        Failure::Query(caret::draw(&self.query, &problem, terminal::colours(terminal::stderr_is_terminal())))
    }

    fn detail_failure(&self, detail: ErrorDetail) -> Failure {
        client::query_failure(&self.query, detail, terminal::colours(terminal::stderr_is_terminal()))
    }
}

async fn on_folder(arguments: &Arguments, world: World, data: PathBuf) -> Outcome {
    let now = Timestamp(world.clock.now_nanos());
    timerange::check(arguments.earliest.as_deref(), arguments.latest.as_deref(), now).map_err(|e| arguments.query_failure(e))?;
    let opened = blocking(move || app::open(&world, data, &Settings::default(), true)).await?;
    let settings = Search { timeout_seconds: 0, ..Search::default() };
    let limits = limits_of(&settings, arguments.timeout, arguments.max_memory.as_ref().map(|size| size.bytes));
    let engine = opened.engine.for_one(limits.map_err(|error| Failure::new(Exit::Usage, error.detail().message.clone()))?);
    if arguments.is_written_there() {
        let updates = engine.updates(arguments.request(), arguments.output == Form::Raw).await.map_err(|e| arguments.query_failure(e))?;
        let mut parts = Box::pin(written(arguments.output, updates));
        let mut out = BufWriter::new(std::io::stdout());
        while let Some(part) = parts.next().await {
            if let Part::Bytes(bytes) = part.map_err(|e| arguments.query_failure(e))? {
                out.write_all(&bytes).map_err(|e| Failure::output(&e))?;
            }
        }
        return out.flush().map_err(|e| Failure::output(&e));
    }
    let messages = engine.search(arguments.request()).await.map_err(|e| arguments.query_failure(e))?;
    print(arguments, messages.map(|message| Ok(line(message))).boxed()).await
}

async fn through_server(arguments: &Arguments, client: &Client) -> Outcome {
    if arguments.is_written_there() {
        return export(arguments, client).await;
    }
    let body = SearchBody {
        query: arguments.query.clone(),
        earliest: arguments.earliest.clone(),
        latest: arguments.latest.clone(),
        limit: arguments.limit(),
        preview: false,
        timeout: arguments.timeout,
        max_memory: arguments.max_memory.as_ref().map(|size| size.bytes),
    };
    let response = client.post_or_detail("/api/v1/search", &body).await?.map_err(|detail| arguments.detail_failure(detail))?;
    let parsed = client::lines(client.base(), response).map(|line| {
        let line = line?;
        serde_json::from_slice::<SearchLine>(&line)
            .map_err(|e| Failure::new(Exit::Runtime, format!("the server sent what is not a message: {e}")))
    });
    print(arguments, parsed.boxed()).await
}

async fn export(arguments: &Arguments, client: &Client) -> Outcome {
    let body = ExportBody {
        query: arguments.query.clone(),
        earliest: arguments.earliest.clone(),
        latest: arguments.latest.clone(),
        limit: arguments.limit(),
        format: arguments.output,
        timeout: arguments.timeout,
        max_memory: arguments.max_memory.as_ref().map(|size| size.bytes),
    };
    let response = client.post_or_detail("/api/v1/search/export", &body).await?.map_err(|detail| arguments.detail_failure(detail))?;
    let mut chunks = response.bytes_stream();
    let mut out = BufWriter::new(std::io::stdout());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Failure::new(Exit::Runtime, "the search failed half way: what was written is not complete"))?;
        out.write_all(&chunk).map_err(|e| Failure::output(&e))?;
    }
    out.flush().map_err(|e| Failure::output(&e))
}

/// The message of a local search in the shape of a server's.
fn line(message: SearchMessage) -> SearchLine {
    match message {
        SearchMessage::Rows { preview, offset, rows } => SearchLine::Rows { preview, offset, rows },
        SearchMessage::Error { error } => SearchLine::Error { error: crate::api::search::to_value(of_running_search(error)) },
        // Everything else is small and rare.
        other => serde_json::to_value(other)
            .and_then(serde_json::from_value)
            .unwrap_or_else(|e| SearchLine::Error { error: serde_json::json!({"kind": "bug", "message": e.to_string()}) }),
    }
}

async fn print(arguments: &Arguments, mut lines: BoxStream<'_, Outcome<SearchLine>>) -> Outcome {
    let terminal = terminal::stdout_is_terminal();
    let style = Style { terminal, colours: terminal::colours(terminal) };
    let mut writer = output::writer(arguments.output, style, Box::new(BufWriter::new(std::io::stdout())));
    let mut progress = Progress::new();
    let mut finished = false;
    while let Some(line) = lines.next().await {
        match line? {
            SearchLine::Start { kind, fields, .. } => writer.start(kind, &columns(kind, fields)).map_err(|e| Failure::output(&e))?,
            SearchLine::Progress { segments_done, segments_total, events_matched, bytes_read, .. } => {
                progress.show(segments_done, segments_total, events_matched, bytes_read);
            }
            SearchLine::Rows { preview: true, .. } => {}
            SearchLine::Rows { rows, .. } => {
                progress.clear();
                writer.rows(&rows).map_err(|e| Failure::output(&e))?;
            }
            SearchLine::Message { severity, text } => {
                progress.clear();
                let name = match severity {
                    Severity::Info => "note",
                    Severity::Warn => "warning",
                    Severity::Error => "error",
                };
                say(&format!("{name}: {}", terminal::neutral(&text)));
            }
            SearchLine::Done { rows, matched, truncated, .. } => {
                progress.clear();
                writer.finish().map_err(|e| Failure::output(&e))?;
                finished = true;
                if truncated && arguments.limit.is_none() && arguments.limit().is_some() {
                    say(&format!("{} rows of {} matching events; --limit 0 shows all", HumanCount(rows), HumanCount(matched)));
                }
            }
            SearchLine::Error { error } => {
                progress.clear();
                // What came before is shown; it is not the whole answer, and the exit code says so.
                writer.finish().map_err(|e| Failure::output(&e))?;
                return Err(arguments.detail_failure(detail(error)));
            }
        }
    }
    if finished { Ok(()) } else { Err(Failure::new(Exit::Runtime, "the search ended early: the answer is not complete")) }
}

/// The columns to write: for CSV of events those that people expect first.
fn columns(kind: ResultKind, fields: Vec<Field>) -> Vec<Field> {
    if kind == ResultKind::Table {
        return fields;
    }
    let (mut first, rest): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|f| matches!(f.name.as_str(), "_time" | "index" | "host" | "source" | "sourcetype"));
    first.extend(rest);
    first
}

/// The error of a message.
fn detail(error: serde_json::Value) -> ErrorDetail {
    serde_json::from_value(error.clone()).unwrap_or_else(|_| ErrorDetail {
        kind: "io".into(),
        message: error.to_string(),
        hint: None,
        span: None,
        suggestions: Vec::new(),
    })
}

/// A bar while nothing is printed yet, on a terminal only.
struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new() -> Self {
        Self { bar: None }
    }

    fn show(&mut self, done: u64, total: u64, matched: u64, bytes: u64) {
        if !terminal::stderr_is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style =
                ProgressStyle::with_template("{bar:30} {pos}/{len} segments  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style)
        });
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(format!("{} matching, {} read", HumanCount(matched), HumanBytes(bytes)));
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
