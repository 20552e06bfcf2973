//! `cargo xtask bench`: imports logs into a temporary folder with the program as it is built for the demo, and
//! measures ingest, size and searches. What it prints is also written to `benches/runs/`.

mod data;
mod logs;
mod measure;
mod report;
mod server;

use crate::run::{cargo, run as execute};
use crate::workspace::{binary, root, which};
use crate::{Arguments, workspace};
use anyhow::{Context, Result};
use data::Log;
use measure::{Cost, median};
use server::Server;
use std::path::{Path, PathBuf};

/// What was measured of one log.
struct Outcome {
    log: Log,
    ingest: Cost,
    events: u64,
    stored_bytes: u64,
    patterns: u64,
    folder_bytes: u64,
    zstd: Option<(u64, Cost)>,
    queries: Vec<QueryOutcome>,
}

/// What was measured of one query.
struct QueryOutcome {
    name: &'static str,
    query: String,
    /// The count that the query gives, where it is a count.
    count: Option<u64>,
    /// The command, from its start to its end.
    command: Cost,
    /// Milliseconds at the server: as it says itself, and as its client waits.
    server_says: f64,
    server_wall: f64,
    /// The same with ripgrep on the plain file, with the lines it counts.
    grep: Option<(u64, Cost)>,
}

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let number =
        |text: Option<String>| text.map(|text| text.parse::<u64>().with_context(|| format!("{text:?} is not a number"))).transpose();
    let given = arguments.value("--binary")?.map(PathBuf::from);
    let megabytes = number(arguments.value("--megabytes")?)?.unwrap_or(1_000);
    let lines = number(arguments.value("--lines")?)?;
    let no_write = arguments.flag("--no-write");
    if let Some(file) = arguments.value("--generate")? {
        arguments.finish()?;
        let start = std::time::Instant::now();
        let written = logs::generate(Path::new(&file), megabytes)?;
        println!("{file}: {} bytes, {} lines in {:.1} s", written.bytes, written.lines, start.elapsed().as_secs_f64());
        return Ok(());
    }
    arguments.finish()?;
    let program = match given {
        Some(program) => std::path::absolute(program)?,
        None => {
            execute(&mut cargo(&["build", "--profile", "demo", "--package", "taffrail"]))?;
            binary("demo")?
        }
    };
    let folder = Folder::new()?;
    let mut outcomes = Vec::new();
    for log in data::logs(&folder.0, megabytes, lines)? {
        println!("\n{}: {:.1} MB", log.name, log.bytes as f64 / 1e6);
        outcomes.push(measure_log(&program, &folder.0, log)?);
    }
    let text = report::text(&outcomes)?;
    println!("\n{text}");
    if !no_write {
        let path = root().join("benches/runs").join(report::file_name()?);
        std::fs::write(&path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
        println!("written: {}", path.strip_prefix(root()).unwrap_or(&path).display());
    }
    Ok(())
}

/// A temporary folder, removed at the end whatever the end is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("taffrail-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about it here; the system clears its temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn measure_log(program: &Path, folder: &Path, log: Log) -> Result<Outcome> {
    let data = folder.join(format!("{}-data", log.name));
    let data_text = data.to_str().context("the temporary folder's path is not UTF-8")?;
    let file = log.path.to_str().context("the temporary folder's path is not UTF-8")?;
    let program_text = program.to_str().context("the program's path is not UTF-8")?;
    let (ingest, _) = measure::run(program_text, &["import", "--data", data_text, file])?;
    println!("  imported in {:.1} s, {:.1} CPU-s", ingest.wall, ingest.cpu);
    let (_, stat) = measure::run(program_text, &["stat", "--data", data_text, "--output", "json"])?;
    let stat: serde_json::Value = serde_json::from_slice(&stat).context("taffrail stat --output json gives no JSON")?;
    let sum = |key: &str| stat.as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(|index| index[key].as_u64()).sum();
    let folder_bytes = workspace_bytes(&data)?;
    let zstd = zstd(&log)?;
    let mut queries = Vec::new();
    for query in &log.queries {
        queries.push(measure_command(program_text, data_text, &log, query)?);
    }
    let server = Server::start(program, &data)?;
    for query in &mut queries {
        measure_server(&server, query)?;
    }
    server.stop()?;
    std::fs::remove_dir_all(&data).context("the data folder cannot be removed")?;
    Ok(Outcome {
        events: sum("events"),
        stored_bytes: sum("stored_bytes"),
        patterns: sum("patterns"),
        folder_bytes,
        ingest,
        zstd,
        queries,
        log,
    })
}

/// Bytes of all files below a folder.
fn workspace_bytes(folder: &Path) -> Result<u64> {
    let files = workspace::files(folder)?;
    Ok(files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum())
}

/// The size and cost of `zstd -3` over the same file, where the command is there.
fn zstd(log: &Log) -> Result<Option<(u64, Cost)>> {
    if which("zstd").is_none() {
        return Ok(None);
    }
    let out = log.path.with_extension("zst");
    let (from, to) = (log.path.to_str().context("not UTF-8")?, out.to_str().context("not UTF-8")?);
    let (cost, _) = measure::run("zstd", &["-3", "-q", "-f", "-T1", "-o", to, from])?;
    let bytes = out.metadata()?.len();
    std::fs::remove_file(out)?;
    Ok(Some((bytes, cost)))
}

/// Each query is run so often; the median counts.
const REPEATS: usize = 5;

/// A query as a process of its own, on a folder that no server holds: with one, the command would go through it.
fn measure_command(program: &str, data: &str, log: &Log, query: &data::Query) -> Result<QueryOutcome> {
    let mut costs = Vec::new();
    let mut count = None;
    for _ in 0..REPEATS {
        let (cost, output) = measure::run(program, &["search", "--data", data, &query.text, "--output", "json"])?;
        count = query.grep.as_ref().and_then(|_| first_count(&output));
        costs.push(cost);
    }
    let grep = match &query.grep {
        Some(arguments) if which("rg").is_some() => Some(grep(arguments, &log.path)?),
        _ => None,
    };
    let command = Cost::median(&costs);
    Ok(QueryOutcome { name: query.name, query: query.text.clone(), count, command, server_says: 0.0, server_wall: 0.0, grep })
}

/// The same query asked of a running server.
fn measure_server(server: &Server, query: &mut QueryOutcome) -> Result<()> {
    let answers: Vec<_> = (0..REPEATS * 2).map(|_| server.search(&query.query)).collect::<Result<_>>()?;
    query.server_says = median(&answers.iter().map(|answer| answer.says).collect::<Vec<_>>());
    query.server_wall = median(&answers.iter().map(|answer| answer.wall).collect::<Vec<_>>());
    println!("  {:10} {:8.2} ms  {}", query.name, query.server_wall, query.query);
    Ok(())
}

/// The number in the field `count` of the first row.
fn first_count(output: &[u8]) -> Option<u64> {
    let line = output.split(|byte| *byte == b'\n').next()?;
    let row: serde_json::Value = serde_json::from_slice(line).ok()?;
    let count = row.as_object()?.get("count")?;
    count.as_u64().or_else(|| count.as_str()?.parse().ok())
}

/// Lines that ripgrep counts, and what it costs.
fn grep(arguments: &[String], file: &Path) -> Result<(u64, Cost)> {
    let file = file.to_str().context("not UTF-8")?;
    let arguments: Vec<&str> = ["-c", "-i", "--no-config"].into_iter().chain(arguments.iter().map(String::as_str)).chain([file]).collect();
    let mut costs = Vec::new();
    let mut lines = 0;
    for _ in 0..REPEATS {
        let (cost, output) = measure::run_allowing("rg", &arguments, &[0, 1])?;
        lines = String::from_utf8_lossy(&output).trim().parse().unwrap_or(0);
        costs.push(cost);
    }
    Ok((lines, Cost::median(&costs)))
}
