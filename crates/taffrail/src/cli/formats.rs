//! `taffrail formats`: checks format files before they are used, and lists those that are.

use super::exit::{Exit, Failure, Outcome};
use crate::app::{World, require_folder};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_format::{FormatFile, Formats};
use taffrail_query::Knowledge;
use taffrail_query::knowledge::read_format;

const EXAMPLES: &str = "\
Examples:
  taffrail formats check shop.toml                             says what is wrong with it, and where
  cp shop.toml logs/knowledge/formats/                         the next search uses it, for old events too
  taffrail formats list --data logs                            the formats that searches use";

/// Check format files, or list those that searches use.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Read format files, run their samples, and say what is wrong with them.
    Check {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the formats: those that are built in, and those in the folder `knowledge/formats` of the data.
    List {
        /// Data folder.
        #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA")]
        data: Option<PathBuf>,
    },
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    match arguments.what {
        What::Check { files } => check(&world, &files),
        What::List { data } => list(&world, data.as_deref()),
    }
}

fn check(world: &World, files: &[PathBuf]) -> Outcome {
    let (mut text, mut wrong) = (String::new(), 0);
    for path in files {
        let bytes = world.vfs.read(path).map_err(|error| Failure::new(Exit::NotFound, format!("{}: {error}", path.display())))?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("format");
        match read_format(name, &String::from_utf8_lossy(&bytes)) {
            Ok(file) => {
                let samples = if file.samples == 1 { "1 sample".to_owned() } else { format!("{} samples", file.samples) };
                let _ = writeln!(text, "{}: good, {samples}", path.display());
            }
            Err(faults) => {
                wrong += 1;
                for fault in faults {
                    let _ = writeln!(text, "{}: {fault}", path.display());
                }
            }
        }
    }
    print(&text)?;
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Runtime, "a file is wrong and would not be used")),
        _ => Err(Failure::new(Exit::Runtime, format!("{wrong} files are wrong and would not be used"))),
    }
}

fn list(world: &World, data: Option<&Path>) -> Outcome {
    let mut text = String::new();
    let line = |text: &mut String, file: &Arc<FormatFile>, whose: &str| {
        let _ = writeln!(text, "{:<16} {whose:<9} {}", file.name, file.summary);
    };
    if let Some(data) = data {
        require_folder(&*world.vfs, data)?;
        let fields = Knowledge::folder(Arc::clone(&world.vfs), data.join("knowledge")).fields();
        fields.files.iter().for_each(|file| line(&mut text, file, "own"));
        fields.problems.iter().for_each(|problem| super::say(problem));
    }
    Formats::new().built_in().iter().for_each(|file| line(&mut text, file, "built in"));
    print(&text)
}

fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Failure::output(&e))
}
