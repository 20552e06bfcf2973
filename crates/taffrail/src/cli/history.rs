//! `taffrail history`: which searches ran.

use super::exit::{Exit, Failure, Outcome};
use super::jobs::table;
use super::target::{Place, Target};
use crate::app::{self, World};
use crate::history::{self, HistoryEntry};
use crate::output::Form;
use crate::serve::blocking;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  taffrail history --data logs
  taffrail history --data logs --count 1000 --output json | jq 'select(.outcome != \"done\")'

These are searches through a server, the newest first. They are audit events: `index=_audit action=search_end`
searches them like any others.";

/// Show which searches ran.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    count: u64,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    let entries: Vec<HistoryEntry> = match arguments.place.resolve(&world).await? {
        Target::Server(client) => client.get_json(&format!("/api/v1/history?count={}", arguments.count)).await?,
        Target::Folder(data) => {
            let opened = blocking(move || app::open(&world, data, &Settings::default(), true)).await?;
            history::newest(&opened.engine, arguments.count).await.map_err(|e| Failure::new(Exit::Runtime, e.message))?
        }
    };
    let fields = [
        ("time", "string"),
        ("kind", "string"),
        ("outcome", "string"),
        ("rows", "number"),
        ("took_ms", "number"),
        ("earliest", "string"),
        ("latest", "string"),
        ("query", "string"),
    ];
    table(&fields, &entries, arguments.output)
}
