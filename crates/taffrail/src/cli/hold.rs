//! `taffrail hold`: which events must not be removed.

use super::exit::{Exit, Failure, Outcome};
use super::held::Held;
use super::target::{Place, Target};
use super::terminal;
use crate::api::lifecycle::{HoldAnswer, HoldBody, HoldName, list, place};
use crate::api::schema::{Field, ResultKind, Row};
use crate::app::{self, World};
use crate::output::{self, Form, Style};
use crate::serve::blocking;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  taffrail hold add case-7 --data logs --index main --earliest 2026-01-01T00:00:00Z --reason 'request of the court'
  taffrail hold list --data logs
  taffrail hold remove case-7 --data logs

As long as a hold stands, no segment that may have events of its index and range is removed: not by age, not by
size, not by `taffrail delete`, not to make room on a full disk.";

/// Keep events from being removed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Place a hold.
    Add(Add),
    /// Show the holds that stand.
    List(List),
    /// Lift a hold.
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its name: letters, digits, `.`, `_` and `-`.
    name: String,
    #[command(flatten)]
    place: Place,
    /// The index that it is on; all when left out.
    #[arg(long, value_name = "NAME")]
    index: Option<String>,
    /// From this event time on: relative (`-30d`), epoch seconds, or RFC 3339.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    earliest: Option<String>,
    /// Up to but not at this event time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    latest: Option<String>,
    /// Why, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
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
struct Remove {
    /// The hold's name.
    name: String,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    match arguments.action {
        Action::Add(add) => {
            let Add { name, place: target, index, earliest, latest, reason } = add;
            let body = HoldBody { name, index, earliest, latest, reason };
            match target.resolve(&world).await? {
                Target::Server(client) => client.post_json::<_, Vec<HoldAnswer>>("/api/v1/holds/add", &body).await.map(drop),
                Target::Folder(data) => {
                    let work = move || Held::with(&world, &data, |store| place(store, &body, &*world.clock));
                    Ok(blocking(work).await?)
                }
            }
        }
        Action::Remove(Remove { name, place }) => match place.resolve(&world).await? {
            Target::Server(client) => {
                let body = HoldName { name };
                client.post_json::<_, Vec<HoldAnswer>>("/api/v1/holds/remove", &body).await.map(drop)
            }
            Target::Folder(data) => Ok(blocking(move || Held::with(&world, &data, |store| store.remove_hold(&name))).await?),
        },
        Action::List(arguments) => {
            if arguments.output == Form::Raw || arguments.output.is_binary() {
                return Err(Failure::new(Exit::Usage, "raw output is for events").with_hint("use table, json or csv"));
            }
            let holds = match arguments.place.resolve(&world).await? {
                Target::Server(client) => client.get_json::<Vec<HoldAnswer>>("/api/v1/holds").await?,
                Target::Folder(data) => {
                    blocking(move || Ok(list(&app::open_store(&world, data, &Settings::default(), true)?.clone()))).await?
                }
            };
            print(&holds, arguments.output)
        }
    }
}

fn print(holds: &[HoldAnswer], form: Form) -> Outcome {
    let field = |name: &str| Field { name: name.into(), kind: "string".into() };
    let fields = ["name", "index", "earliest", "latest", "since", "reason"].map(field);
    let rows: Vec<Row> = holds.iter().filter_map(|hold| serde_json::to_value(hold).ok()?.as_object().cloned()).collect();
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
