//! `taffrail serve`: the server.

use super::exit::Outcome;
use super::{exit::Failure, say};
use crate::app::World;
use crate::serve::{self, Live};
use crate::settings::{Listen, Settings};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "\
Examples:
  taffrail serve --data logs                         page and API at http://127.0.0.1:8514, syslog at 5514
  taffrail serve --data logs --this-machine --live   collect this machine's own logs, and show what arrives
  taffrail serve --data logs --syslog-udp off --config taffrail.toml

Page and API listen on loopback addresses only, because there is no access control yet; so do listeners for logs,
unless `allow` in the settings names who may send. Ctrl-C or SIGTERM stops it: inputs end, what was accepted is
written, exit code 0. A second Ctrl-C ends it at once; what was acknowledged is safe.";

/// Run the server: collect, keep, search, and serve the page and the HTTP API.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Data folder; created when missing.
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA")]
    data: Option<PathBuf>,
    /// Address of the page and the API [default: 127.0.0.1:8514]; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Address for syslog over UDP, or `off` [default: 127.0.0.1:5514].
    #[arg(long, value_name = "ADDR")]
    syslog_udp: Option<Listen>,
    /// Address for syslog over TCP, or `off` [default: 127.0.0.1:5514].
    #[arg(long, value_name = "ADDR")]
    syslog_tcp: Option<Listen>,
    /// Settings file (TOML); the options here go before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also collect this machine's own logs: what is readable below /var/log, and the systemd journal.
    #[arg(long)]
    this_machine: bool,
    /// Show what arrives: events per second, total, sources.
    #[arg(long)]
    live: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    log_to_stderr();
    let world = World::real();
    let live = if arguments.live { Live::Line } else { Live::Off };
    let settings = settings(arguments, &world)?;
    let stop = stop_signal()?;
    serve::run(world, settings, live, Arc::new(say), stop).await.map_err(Failure::from)
}

/// The settings file with the options over it.
fn settings(arguments: Arguments, world: &World) -> Outcome<Settings> {
    let mut settings = match &arguments.config {
        Some(path) => Settings::read(&*world.vfs, path)?,
        None => Settings::default(),
    };
    if let Some(data) = arguments.data {
        settings.data = Some(data);
    }
    settings.data = settings.data.map(serve::absolute);
    if let Some(address) = arguments.http {
        settings.http.address = address;
    }
    if let Some(listen) = arguments.syslog_udp {
        settings.syslog.udp = listen;
    }
    if let Some(listen) = arguments.syslog_tcp {
        settings.syslog.tcp = listen;
    }
    if arguments.this_machine {
        settings.add_this_machine();
    }
    Ok(settings)
}

/// Resolves at the first SIGINT or SIGTERM; a second one ends the process.
fn stop_signal() -> Outcome<impl Future<Output = ()> + Send> {
    let failed = |e: std::io::Error| Failure::new(super::exit::Exit::Runtime, format!("cannot wait for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        say("stopping: writing what was accepted");
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(i32::from(super::exit::Exit::Interrupted.code()));
        });
    })
}

/// The server's own messages go to standard error; `TAFFRAIL_LOG` chooses how many (`warn` unless set).
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TAFFRAIL_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // Fails only when it was done before, as in a test.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(super::terminal::colours(super::terminal::stderr_is_terminal()))
        .try_init();
}
