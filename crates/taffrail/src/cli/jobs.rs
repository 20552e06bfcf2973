//! `taffrail jobs`: searches that run by themselves in a server.

use super::client::{self, Client};
use super::exit::{Exit, Failure, Outcome};
use super::target::Place;
use super::terminal;
use crate::api::schema::{Field, ResultKind, Row, SearchBody};
use crate::app::World;
use crate::jobs::{JobAnswer, JobState};
use crate::output::{self, Form, Style};
use crate::settings::Size;
use futures::StreamExt;
use std::io::{BufWriter, Write};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  taffrail jobs start --data logs --earliest -90d 'sourcetype=nginx | stats count by uri, status'
  taffrail jobs list --data logs
  taffrail jobs results --data logs --output parquet --count 0 01J... > result.parquet
  taffrail jobs remove --data logs 01J...

Jobs run in a server. Their results are kept for an hour after somebody last asked for them, and until the server stops.";

/// How often a job that is waited for is asked how it is.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// Searches that run by themselves: start, look at, end.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start a job, and print its name.
    Start(Start),
    /// Show the jobs that there are.
    List(List),
    /// Show how far a job is.
    Show(Named),
    /// Print rows of a job, those that it has.
    Results(Results),
    /// End a job with what it has.
    Finalize(Named),
    /// Cancel a job and remove its results.
    Remove(Named),
}

#[derive(Debug, clap::Args)]
struct Start {
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
    /// At most so many rows; 0 means all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: u64,
    /// Seconds that the search may take.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Memory that the search may use, such as 64MB.
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<Size>,
    /// Waits until it has ended.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    place: Place,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Its name.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Results {
    /// Its name.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    place: Place,
    /// The number of the first row.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u64,
    /// How many rows at most; 0 means all.
    #[arg(long, value_name = "N", default_value_t = 100)]
    count: u64,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
    /// Rows of an unfinished table.
    #[arg(long)]
    preview: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    match arguments.action {
        Action::Start(start) => begin(&start.place.server(&world).await?, start).await,
        Action::List(list) => {
            let jobs: Vec<JobAnswer> = list.place.server(&world).await?.get_json("/api/v1/jobs").await?;
            show(&jobs, list.output)
        }
        Action::Show(named) => {
            let job: JobAnswer = named.place.server(&world).await?.get_json(&path(&named.id, "")?).await?;
            print_json(&job)
        }
        Action::Results(results) => rows(&results.place.server(&world).await?, &results).await,
        Action::Finalize(named) => {
            let client = named.place.server(&world).await?;
            print_json(&client.post_json::<_, JobAnswer>(&path(&named.id, "/finalize")?, &()).await?)
        }
        Action::Remove(named) => named.place.server(&world).await?.delete(&path(&named.id, "")?).await,
    }
}

/// The path of a job; a name has letters and digits only.
fn path(id: &str, more: &str) -> Outcome<String> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::new(Exit::Usage, format!("{id:?} is not the name of a job")).with_hint("`taffrail jobs list` shows them"));
    }
    Ok(format!("/api/v1/jobs/{id}{more}"))
}

async fn begin(client: &Client, start: Start) -> Outcome {
    let body = SearchBody {
        query: start.query.clone(),
        earliest: start.earliest,
        latest: start.latest,
        limit: Some(start.limit),
        preview: false,
        timeout: start.timeout,
        max_memory: start.max_memory.map(|size| size.bytes),
    };
    let colours = terminal::colours(terminal::stderr_is_terminal());
    let answer = client.post_or_detail("/api/v1/jobs", &body).await?;
    let response = answer.map_err(|detail| client::query_failure(&start.query, detail, colours))?;
    let mut job: JobAnswer = response.json().await.map_err(|e| Failure::new(Exit::Runtime, format!("the answer cannot be read: {e}")))?;
    print(&job.id)?;
    while start.wait && !job.state.is_over() {
        tokio::time::sleep(ASKED_EVERY).await;
        job = client.get_json(&path(&job.id, "")?).await?;
    }
    match job.error {
        Some(detail) => Err(client::query_failure(&start.query, detail, colours)),
        None if job.state == JobState::Cancelled => Err(Failure::new(Exit::Interrupted, "the job was cancelled")),
        None => Ok(()),
    }
}

async fn rows(client: &Client, results: &Results) -> Outcome {
    let (terminal, mut form) = (terminal::stdout_is_terminal(), results.output);
    if terminal && form.is_binary() {
        return Err(
            Failure::new(Exit::Usage, "this form of output is not for a terminal").with_hint("send it to a file: ... > result.parquet")
        );
    }
    // A table is drawn here, where the terminal is.
    let drawn = form == Form::Table;
    if drawn {
        form = Form::Json;
    }
    let name = serde_json::to_value(form).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let (offset, count, preview) = (results.offset, results.count, results.preview);
    let job: JobAnswer = client.get_json(&path(&results.id, "")?).await?;
    let answer =
        client.get(&path(&results.id, &format!("/results?offset={offset}&count={count}&preview={preview}&output={name}"))?).await?;
    if drawn {
        let style = Style { terminal, colours: terminal::colours(terminal) };
        let mut writer = output::writer(Form::Table, style, Box::new(BufWriter::new(std::io::stdout())));
        writer.start(job.kind.unwrap_or(ResultKind::Table), &job.fields).map_err(|e| Failure::output(&e))?;
        let mut lines = Box::pin(client::lines(client.base(), answer));
        while let Some(line) = lines.next().await {
            let row: Row =
                serde_json::from_slice(&line?).map_err(|e| Failure::new(Exit::Runtime, format!("the server sent what is no row: {e}")))?;
            writer.rows(&[row]).map_err(|e| Failure::output(&e))?;
        }
        return writer.finish().map_err(|e| Failure::output(&e));
    }
    let mut out = BufWriter::new(std::io::stdout());
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Failure::new(Exit::Runtime, "the connection broke off: what was written is not complete"))?;
        out.write_all(&chunk).map_err(|e| Failure::output(&e))?;
    }
    out.flush().map_err(|e| Failure::output(&e))
}

fn show(jobs: &[JobAnswer], form: Form) -> Outcome {
    let fields = [("id", "string"), ("state", "string"), ("rows", "number"), ("created", "string"), ("query", "string")];
    table(&fields, jobs, form)
}

/// Objects as rows of a table.
pub fn table<T: serde::Serialize>(fields: &[(&str, &str)], items: &[T], form: Form) -> Outcome {
    if form == Form::Raw || form.is_binary() {
        return Err(Failure::new(Exit::Usage, "this form of output is for results").with_hint("use table, json or csv"));
    }
    let fields: Vec<Field> = fields.iter().map(|(name, kind)| Field { name: (*name).into(), kind: (*kind).into() }).collect();
    let rows: Vec<Row> = items.iter().filter_map(|item| serde_json::to_value(item).ok()?.as_object().cloned()).collect();
    let terminal = terminal::stdout_is_terminal();
    let style = Style { terminal, colours: terminal::colours(terminal) };
    let mut writer = output::writer(form, style, Box::new(BufWriter::new(std::io::stdout())));
    let mut write = || {
        writer.start(ResultKind::Table, &fields)?;
        writer.rows(&rows)?;
        writer.finish()
    };
    write().map_err(|e| Failure::output(&e))
}

fn print_json(job: &JobAnswer) -> Outcome {
    print(&serde_json::to_string_pretty(job).map_err(|e| Failure::new(Exit::Runtime, e.to_string()))?)
}

fn print(text: &str) -> Outcome {
    writeln!(std::io::stdout(), "{text}").map_err(|e| Failure::output(&e))
}
