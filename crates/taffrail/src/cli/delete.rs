//! `taffrail delete`: removes old events of an index.

use super::exit::{Exit, Failure, Outcome};
use super::held::Held;
use super::target::{Place, Target};
use crate::api::lifecycle::{DeleteBody, DeletionAnswer, delete_from};
use crate::app::World;
use crate::serve::blocking;
use indicatif::{HumanBytes, HumanCount};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  taffrail delete --data logs --index web --before -400d          tells what that would remove
  taffrail delete --data logs --index web --before -400d --yes    removes it
  taffrail delete --index web --before 2025-01-01T00:00:00Z --yes

Whole segments go, when all their events are before the time and no hold is on them. Every removal is recorded in
the catalog and in the log of evidence. Nothing is deleted from the server's own indexes (_audit).";

/// Remove the events of an index that are before a time.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The index.
    #[arg(long, value_name = "NAME")]
    index: String,
    /// Events before this time: relative (`-400d`), epoch seconds, or RFC 3339.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    before: String,
    /// Do it; without this nothing is removed.
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    let body = DeleteBody { index: arguments.index, before: arguments.before, confirm: arguments.yes };
    let answer: DeletionAnswer = match arguments.place.resolve(&world).await? {
        Target::Server(client) => client.post_json("/api/v1/delete", &body).await?,
        Target::Folder(data) => {
            let body = body.clone();
            blocking(move || Held::with(&world, &data, |store| delete_from(store, &body, &*world.clock))).await?
        }
    };
    let mut text = format!(
        "{}: {} {} in {} {}, {}\n",
        body.index,
        if answer.deleted { "removed" } else { "would remove" },
        plural(answer.events, "event"),
        HumanCount(answer.segments),
        if answer.segments == 1 { "segment" } else { "segments" },
        HumanBytes(answer.stored_bytes)
    );
    if answer.held_segments > 0 {
        text.push_str(&format!("  {} because of a hold\n", stay(answer.held_segments)));
    }
    if answer.newer_segments > 0 {
        text.push_str(&format!("  {} because newer events are in them too\n", stay(answer.newer_segments)));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Failure::output(&e))?;
    if answer.deleted || answer.segments == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "nothing was removed").with_hint("add --yes to remove it; it cannot be had back"))
}

fn plural(count: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

fn stay(segments: u64) -> String {
    format!("{} stay{}", plural(segments, "segment"), if segments == 1 { "s" } else { "" })
}
