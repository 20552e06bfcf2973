//! The command line: one file per subcommand. Standard output carries results and nothing else; progress,
//! messages and errors go to standard error.

pub mod caret;
pub mod client;
mod delete;
pub mod exit;
mod explain;
mod export;
mod formats;
mod forward;
mod fsck;
mod generate;
mod held;
mod history;
mod hold;
mod import;
mod jobs;
mod search;
mod serve;
mod sources;
mod sql;
mod stat;
mod tail;
pub mod target;
pub mod terminal;

use clap::{Parser, Subcommand};
use exit::{Exit, Failure, Outcome};
use std::io::Write;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  taffrail import --data logs /var/log                    read what is there
  taffrail search --data logs 'session opened user=root'  search it
  taffrail serve --data logs                              keep collecting, and open http://127.0.0.1:8514

Exit codes: 0 done, 1 failed while running, 2 wrong usage or query, 3 not found, 4 busy (another process
holds the data folder or the address), 5 disk full, 6 damaged data, 130 interrupted.";

/// Collects, keeps, searches and shows logs.
#[derive(Debug, Parser)]
#[command(name = "taffrail", version, about, after_help = EXAMPLES, disable_help_subcommand = true, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: collect, keep, search, and serve the page and the HTTP API.
    Serve(serve::Arguments),
    /// Read files, folders or standard input into a data folder, once.
    Import(import::Arguments),
    /// Search, and print what is found.
    Search(search::Arguments),
    /// Run a statement of SQL over events and lookups.
    Sql(sql::Arguments),
    /// Show how a query runs: what it reads and why, and where the time goes.
    Explain(explain::Arguments),
    /// Show what a data folder holds.
    Stat(stat::Arguments),
    /// Show what each source sent, what became of it, and what was sent on.
    Sources(sources::Arguments),
    /// Print events as they arrive.
    Tail(tail::Arguments),
    /// Searches that run by themselves: start, look at, end.
    Jobs(jobs::Arguments),
    /// Show which searches ran.
    History(history::Arguments),
    /// Write events to a file for other programs: raw bytes, JSON lines or Parquet.
    Export(export::Arguments),
    /// Make up logs, send them by any protocol, and print what was sent.
    Generate(generate::Arguments),
    /// Check format files, list those that searches use, or propose one for lines of a log.
    #[command(alias = "format")]
    Formats(formats::Arguments),
    /// Keep events from being removed.
    Hold(hold::Arguments),
    /// Remove the events of an index that are before a time.
    Delete(delete::Arguments),
    /// Check everything that a data folder holds, and name what is wrong and how to mend it.
    Fsck(fsck::Arguments),
}

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not errors; a closed pipe while printing them is nobody's concern.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Ok.code() });
        }
    };
    match dispatch(arguments.command) {
        Ok(()) => ExitCode::from(Exit::Ok.code()),
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            ExitCode::from(failure.exit().code())
        }
    }
}

fn dispatch(command: Command) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(taffrail_base::limits::SEARCH_STACK_BYTES)
        .build()
        .map_err(|e| Failure::new(Exit::Runtime, format!("cannot start the runtime: {e}")))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(arguments) => serve::run(arguments).await,
            Command::Import(arguments) => import::run(arguments).await,
            Command::Search(arguments) => search::run(arguments).await,
            Command::Sql(arguments) => sql::run(arguments).await,
            Command::Explain(arguments) => explain::run(arguments).await,
            Command::Stat(arguments) => stat::run(arguments).await,
            Command::Sources(arguments) => sources::run(arguments).await,
            Command::Tail(arguments) => tail::run(arguments).await,
            Command::Jobs(arguments) => jobs::run(arguments).await,
            Command::History(arguments) => history::run(arguments).await,
            Command::Export(arguments) => export::run(arguments).await,
            Command::Formats(arguments) => formats::run(arguments).await,
            Command::Generate(arguments) => generate::run(arguments).await,
            Command::Hold(arguments) => hold::run(arguments).await,
            Command::Delete(arguments) => delete::run(arguments).await,
            Command::Fsck(arguments) => fsck::run(arguments).await,
        }
    });
    // A scan that nobody waits for any more must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    outcome
}

/// Says something to the person at the terminal; never part of a result.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn the_manual_lists_every_command_and_option() {
        let manual = include_str!("../../../../docs/manual/command-line.md");
        for command in super::Arguments::command().get_subcommands() {
            assert!(manual.contains(&format!("taffrail {}", command.get_name())), "{} is missing", command.get_name());
            assert!(command.get_after_help().is_some(), "{} has no examples", command.get_name());
            for argument in command.get_arguments() {
                if let Some(long) = argument.get_long().filter(|l| !matches!(*l, "help" | "version")) {
                    assert!(manual.contains(&format!("`--{long}")), "--{long} of {} is missing", command.get_name());
                }
            }
        }
    }
}
