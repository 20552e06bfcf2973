//! `taffrail formats`: checks format files before they are used, lists those that are, and proposes one for lines that
//! nobody described.

use super::exit::{Exit, Failure, Outcome};
use crate::app::{World, require_folder};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::limits::LEARN_BYTES_MAX;
use taffrail_format::learn::{Proposal, learn as proposal_of};
use taffrail_format::{FormatFile, Formats};
use taffrail_query::Knowledge;
use taffrail_query::knowledge::read_format;

const EXAMPLES: &str = "\
Examples:
  taffrail formats check shop.toml                             says what is wrong with it, and where
  cp shop.toml logs/knowledge/formats/                         the next search uses it, for old events too
  taffrail formats list --data logs                            the formats that searches use
  head -200 odd.log | taffrail formats learn - --name odd > odd.toml
                                                               a proposal to read and to correct; what was found is said beside it";

/// Check format files, list those that searches use, or propose one for lines of a log.
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
    /// Propose a format file for lines that nobody described; about a hundred are enough.
    Learn {
        /// The file with the lines; `-` for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What the format shall be called; after the file unless given.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    match arguments.what {
        What::Check { files } => check(&world, &files),
        What::List { data } => list(&world, data.as_deref()),
        What::Learn { file, name } => learn(&world, &file, name.as_deref()),
    }
}

/// As much of a file as is learnt from.
fn beginning(world: &World, file: &Path) -> std::io::Result<Vec<u8>> {
    let limit = LEARN_BYTES_MAX + 1;
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit as u64).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    // Opening a pipe may wait for ever, and its length says nothing.
    if !world.vfs.metadata(file)?.is_file {
        return Err(std::io::Error::other("is no file; `-` reads standard input"));
    }
    let open = world.vfs.open_read(file)?;
    bytes.resize(usize::try_from(open.metadata()?.len).unwrap_or(limit).min(limit), 0);
    let mut read = 0;
    while read < bytes.len() {
        match open.read_at(&mut bytes[read..], read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

fn learn(world: &World, file: &Path, name: Option<&str>) -> Outcome {
    let bytes = beginning(world, file).map_err(|error| Failure::new(Exit::NotFound, format!("{}: {error}", file.display())))?;
    let stem = file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "-").unwrap_or("learnt");
    let found = proposal_of(name.unwrap_or(stem), &bytes)
        .map_err(|error| Failure::new(Exit::Runtime, format!("{}: {}", file.display(), error.message)).with_hint(error.hint))?;
    super::say(table(&found).trim_end());
    print(&found.file)
}

/// What was found, for the person at the terminal.
fn table(found: &Proposal) -> String {
    let mut text = format!(
        "{} lines are {} events ({}); of {} all that varies is told\n",
        found.lines,
        found.events,
        found.layout.name(),
        found.covered
    );
    if let Some(time) = &found.time {
        let _ = writeln!(text, "time: `{}`{}", time.example, if time.inferred { ", its zone or year is not said" } else { "" });
    }
    let width = found.fields.iter().map(|field| field.name.len()).max().unwrap_or(0).min(40);
    for field in &found.fields {
        let examples = field.examples.join(", ");
        let shown: String = examples.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect();
        let _ = writeln!(text, "  {:<width$}  {:<8}  {:>6}  {:<6}  {shown}", field.name, field.kind, field.events, field.sure.name());
    }
    for note in &found.notes {
        let _ = writeln!(text, "{note}");
    }
    text
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
