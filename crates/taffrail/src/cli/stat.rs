//! `taffrail stat`: what a data folder holds.

use super::exit::{Exit, Failure, Outcome};
use super::target::{Place, Target};
use super::terminal;
use crate::api::schema::{Field, IndexAnswer, ResultKind, Row, StatAnswer};
use crate::app::{self, World};
use crate::output::{self, Form, Style};
use crate::settings::Settings;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  taffrail stat --data logs
  taffrail stat --data logs --output json | jq '.[] | select(.index==\"main\") | .events'";

/// Show what a data folder holds: per index, events, bytes, segments, patterns, earliest and latest time.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Form of the output; `json` is one list of objects.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if arguments.output == Form::Raw || arguments.output.is_binary() {
        return Err(Failure::new(Exit::Usage, "this form of output is for events").with_hint("use table, json or csv"));
    }
    let world = World::real();
    let indexes = match arguments.place.resolve(&world).await? {
        Target::Server(client) => client.get_json::<StatAnswer>("/api/v1/stat").await?.indexes,
        Target::Folder(data) => {
            let opened = app::open(&world, data, &Settings::default(), true)?;
            crate::api::status::indexes(&opened.store)
        }
    };
    print(&indexes, arguments.output)
}

fn print(indexes: &[IndexAnswer], form: Form) -> Outcome {
    let mut out = std::io::stdout().lock();
    if form == Form::Json {
        // The contract: one list, not one object a line.
        let text = serde_json::to_string_pretty(indexes).map_err(|e| Failure::new(Exit::Runtime, e.to_string()))?;
        return writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| Failure::output(&e));
    }
    drop(out);
    let fields: Vec<Field> = ["index", "events", "raw_bytes", "stored_bytes", "segments", "patterns", "earliest", "latest"]
        .into_iter()
        .map(|name| Field {
            name: name.into(),
            kind: if matches!(name, "index" | "earliest" | "latest") { "string" } else { "number" }.into(),
        })
        .collect();
    let rows: Vec<Row> = indexes.iter().filter_map(|index| serde_json::to_value(index).ok()?.as_object().cloned()).collect();
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
