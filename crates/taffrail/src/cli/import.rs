//! `taffrail import`: reads files, folders or standard input, once.

use super::exit::{Exit, Failure, Outcome};
use super::forward::ServerSink;
use super::held::Held;
use super::target::server_of;
use super::{say, terminal};
use crate::app::{self, World};
use crate::serve::blocking;
use crate::settings;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use taffrail_base::{Clock, Error};
use taffrail_collect::import::{ImportItem, ImportOptions, ImportProgress, ImportReport, import};
use taffrail_collect::input::Stop;
use taffrail_collect::{Context, ZoneName};
use taffrail_event::EventSink;
use taffrail_store::StoreSink;
use tokio::runtime::Handle;

const EXAMPLES: &str = "\
Examples:
  taffrail import --data logs /var/log                        a folder with everything below it
  taffrail import --data logs --sourcetype nginx access.log.3.gz
  journalctl -o short-iso | taffrail import --data logs --host db-1 -
  taffrail import --data logs --zone America/New_York /mnt/web-ny/var/log
  taffrail import --data logs --whole-file --sourcetype config /etc/nginx

gz, zst, xz and bz2 are read as they are. Importing the same file twice adds nothing, unless --again; a file that
grew adds what is new; an import that was interrupted goes on where it stopped.
While a server holds the data folder, the events go through it.";

/// Read files, folders or standard input into a data folder, once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Data folder; created when missing.
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA")]
    data: PathBuf,
    /// Index that the events go to.
    #[arg(long, value_name = "NAME", default_value = "main")]
    index: String,
    /// Format of the events; found from the content when left out.
    #[arg(long, value_name = "NAME")]
    sourcetype: Option<String>,
    /// Host of the events; what they say, else this machine, when left out.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Zone of times that name none: Europe/Berlin, +02:00, UTC; that of this machine when left out.
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    zone: Option<ZoneName>,
    /// Read files that were imported before once more.
    #[arg(long)]
    again: bool,
    /// Each file is one event, whatever lines it has: configuration, reports. Taken again when its content changed.
    #[arg(long)]
    whole_file: bool,
    /// Files, folders, or `-` for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    settings::index("--index", &arguments.index)?;
    let world = World::real();
    // Wrong paths are told before a data folder is made for nothing.
    for path in arguments.paths.iter().filter(|p| p.as_os_str() != "-") {
        world.vfs.metadata(path).map_err(|e| Error::io(path.display(), e).with_hint("give files, folders, or `-` for standard input"))?;
    }
    let (sink, held) = open_sink(&world, &arguments).await?;
    let host = arguments.host.clone().unwrap_or_else(|| app::host_name(&*world.vfs));
    let (rules, problems) = app::event_rules_in(&world, &arguments.data);
    problems.iter().for_each(|problem| say(&format!("warning: {}", terminal::neutral(problem))));
    let context = Context {
        sink,
        vfs: Arc::clone(&world.vfs),
        clock: Arc::clone(&world.clock),
        host: host.into(),
        rules,
        zone: app::machine_zone(),
        requests: None,
    };
    let started = world.clock.monotonic_nanos();
    let outcome = work(arguments, context).await;
    let closed = match held {
        Some(held) => blocking(move || held.close()).await,
        None => Ok(()),
    };
    let report = outcome?;
    closed?;
    finish(&report, world.clock.monotonic_nanos().saturating_sub(started))
}

/// Where the events go: the data folder's store, or the server that holds it.
async fn open_sink(world: &World, arguments: &Arguments) -> Outcome<(Arc<dyn EventSink>, Option<Held>)> {
    if let Some(client) = server_of(world, &arguments.data).await {
        say(&format!("through the server at {}", client.base()));
        return Ok((Arc::new(ServerSink::connect(client).await?), None));
    }
    world.vfs.create_dir_all(&arguments.data).map_err(|e| Error::io(format!("data folder {}", arguments.data.display()), e))?;
    let (world, data) = (world.clone(), arguments.data.clone());
    let held = blocking(move || Held::open(&world, &data)).await?;
    Ok((Arc::new(StoreSink(Arc::clone(&held.store))), Some(held)))
}

async fn work(arguments: Arguments, context: Context) -> Outcome<ImportReport> {
    let items = arguments
        .paths
        .into_iter()
        .map(|path| {
            if path.as_os_str() == "-" {
                ImportItem::Stream { name: "stdin".into(), reader: Box::new(std::io::stdin()) }
            } else {
                ImportItem::Path(crate::serve::absolute(path))
            }
        })
        .collect();
    let options = ImportOptions {
        index: Some(arguments.index),
        sourcetype: arguments.sourcetype,
        host: arguments.host,
        zone: arguments.zone,
        again: arguments.again,
        whole_file: arguments.whole_file,
    };
    let progress = Arc::new(ImportProgress::default());
    let (stop_sender, stop) = Stop::channel();
    let bar = terminal::stderr_is_terminal().then(|| tokio::spawn(draw(Arc::clone(&progress), Arc::clone(&context.clock))));
    let handle = Handle::current();
    let importing = {
        let progress = Arc::clone(&progress);
        blocking(move || import(items, &options, &context, &handle, &progress, &stop))
    };
    tokio::pin!(importing);
    let report = tokio::select! {
        report = &mut importing => report,
        _ = tokio::signal::ctrl_c() => {
            say("stopping: writing what was read");
            // The import may have ended just now.
            let _ = stop_sender.send(true);
            // A read from a terminal or a pipe cannot be cut short: the second Ctrl-C ends without it.
            tokio::select! {
                report = &mut importing => report,
                _ = tokio::signal::ctrl_c() => std::process::exit(i32::from(Exit::Interrupted.code())),
            }
        }
    };
    if let Some(bar) = bar {
        bar.abort();
        // It clears its line when dropped.
        let _ = bar.await;
    }
    report.map_err(Failure::from)
}

/// Draws how far the import has come, until aborted.
async fn draw(progress: Arc<ImportProgress>, clock: Arc<dyn Clock>) {
    let bar = ProgressBar::no_length();
    let _clear = Clear(bar.clone());
    let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let start = clock.monotonic_nanos();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seconds = (clock.monotonic_nanos().saturating_sub(start)).max(1) as f64 / 1e9;
        let (done, total) = (read(&progress.bytes_done), read(&progress.bytes_total));
        bar.set_length(total.max(1));
        bar.set_position(done);
        let left = if done > 0 && total > done { (total - done) as f64 / (done as f64 / seconds) } else { 0.0 };
        bar.set_message(format!(
            "{}/{} files  {:.1} MB/s  {} events/s  {}:{:02} left",
            read(&progress.files_done),
            read(&progress.files_total),
            read(&progress.event_bytes) as f64 / seconds / 1e6,
            HumanCount((read(&progress.events) as f64 / seconds) as u64),
            left as u64 / 60,
            left as u64 % 60
        ));
    }
}

struct Clear(ProgressBar);

impl Drop for Clear {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Says what was done, and how it went.
fn finish(report: &ImportReport, nanos: u64) -> Outcome {
    for problem in &report.problems {
        say(&format!("warning: {}", terminal::neutral(problem)));
    }
    let seconds = (nanos.max(1)) as f64 / 1e9;
    let mut text =
        format!("{} events, {} from {} files in {seconds:.1} s", HumanCount(report.events), HumanBytes(report.bytes), report.files);
    if report.events > 0 {
        text.push_str(&format!(" ({:.1} MB/s)", report.bytes as f64 / seconds / 1e6));
    }
    if report.files_known > 0 {
        text.push_str(&format!("; {} of them held nothing new", report.files_known));
    }
    if report.files_skipped > 0 {
        text.push_str(&format!("; {} files left out, because they are no logs", report.files_skipped));
    }
    say(&text);
    if report.stopped {
        return Err(Failure::new(Exit::Interrupted, "stopped before the end").with_hint("the same import again goes on where it stopped"));
    }
    if !report.problems.is_empty() && report.files == 0 {
        return Err(Failure::new(Exit::Runtime, "nothing could be read"));
    }
    Ok(())
}
