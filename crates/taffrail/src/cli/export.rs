//! `taffrail export`: events as a file for other programs, nothing lost.

use super::client;
use super::exit::{Exit, Failure, Outcome};
use super::target::{Place, Target};
use super::{caret, say, terminal};
use crate::api::schema::EventsExportBody;
use crate::app::{self, World};
use crate::export::{self, Counts, Delimiter, Format, Frames, Order, Piece};
use crate::serve::{absolute, blocking};
use crate::settings::Settings;
use crate::timerange;
use futures::StreamExt;
use futures::stream::BoxStream;
use indicatif::{HumanBytes, HumanCount};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Error, Vfs, VfsFile};
use taffrail_event::Timestamp;
use taffrail_query::QueryError;

const EXAMPLES: &str = "\
Examples:
  taffrail export --data logs --index main --format raw --output main.log
  taffrail export --data logs --format parquet --output day.parquet --earliest -1d@d --latest @d
  taffrail export --data logs --format jsonl --fields user,src 'sshd failed' | gzip > failed.jsonl.gz
  duckdb -c \"SELECT host, count(*) FROM 'day.parquet' GROUP BY host\"

The search is one without commands. A file gets its name only when it is complete.";

/// Write events to a file for other programs: raw bytes, JSON lines or Parquet.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Which events; all when left out.
    #[arg(value_name = "SEARCH")]
    search: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Only events of this index.
    #[arg(long, value_name = "NAME")]
    index: Option<String>,
    /// Form of the output.
    #[arg(long, value_enum, value_name = "FORM")]
    format: Format,
    /// File to write, which must not exist yet; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// From this time on; all time when left out.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    earliest: Option<String>,
    /// Up to but not at this time.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    latest: Option<String>,
    /// Fields read from the events, beside what every event has; for JSON lines and Parquet.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    fields: Vec<String>,
    /// What tells raw events apart.
    #[arg(long, value_enum, default_value_t = Delimiter::Lf, value_name = "KIND")]
    delimiter: Delimiter,
    /// Order of the events, oldest first.
    #[arg(long, value_enum, default_value_t = Order::Arrival, value_name = "ORDER")]
    order: Order,
}

type Pieces = BoxStream<'static, Outcome<Piece>>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if arguments.format == Format::Raw && !arguments.fields.is_empty() {
        return Err(
            Failure::new(Exit::Usage, "raw events have no fields").with_hint("use --format jsonl or parquet, or leave --fields out")
        );
    }
    if arguments.format == Format::Parquet && arguments.is_stdout() && terminal::stdout_is_terminal() {
        return Err(Failure::new(Exit::Usage, "a Parquet file is not for a terminal").with_hint("name a file with --output FILE"));
    }
    let world = World::real();
    let target = arguments.place.resolve(&world).await?;
    let vfs = Arc::clone(&world.vfs);
    let work = async {
        let mut sink = Sink::open(vfs, &arguments.output)?;
        let pieces = match target {
            Target::Server(client) => through_server(&arguments, &client).await?,
            Target::Folder(data) => on_folder(&arguments, world, data).await?,
        };
        let counts = write(pieces, &mut sink).await?;
        sink.finish()?;
        Ok::<_, Failure>(counts)
    };
    // Dropped when interrupted: what was written so far goes away with it.
    let counts = tokio::select! {
        counts = work => counts?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, "interrupted: nothing was kept")),
    };
    arguments.tell(counts);
    Ok(())
}

impl Arguments {
    fn is_stdout(&self) -> bool {
        self.output == Path::new("-")
    }

    /// The search in words.
    fn query(&self) -> String {
        let search = self.search.as_deref().unwrap_or("*");
        match &self.index {
            Some(index) => format!("index=\"{}\" ({search})", index.replace(['"', '\\'], "")),
            None => search.to_owned(),
        }
    }

    fn body(&self) -> EventsExportBody {
        EventsExportBody {
            query: self.query(),
            earliest: self.earliest.clone(),
            latest: self.latest.clone(),
            format: self.format,
            delimiter: self.delimiter,
            order: self.order,
            fields: self.fields.clone(),
            framed: true,
        }
    }

    fn failure(&self, error: QueryError) -> Failure {
        let problem = caret::QueryProblem {
            message: error.message,
            span: error.span.map(|span| (span.start, span.end)),
            hint: error.hint,
            suggestions: error.suggestions,
        };
        Failure::Query(caret::draw(&self.query(), &problem, terminal::colours(terminal::stderr_is_terminal())))
    }

    fn tell(&self, counts: Counts) {
        let place = if self.is_stdout() { String::new() } else { format!(" to {}", self.output.display()) };
        say(&format!("{} events with {} exported{place}", HumanCount(counts.events), HumanBytes(counts.bytes)));
        if counts.ambiguous > 0 {
            let hint = "--delimiter length tells all events apart";
            say(&format!("warning: {} of them hold the delimiter themselves; {hint}", HumanCount(counts.ambiguous)));
        }
    }
}

async fn on_folder(arguments: &Arguments, world: World, data: PathBuf) -> Outcome<Pieces> {
    let now = Timestamp(world.clock.now_nanos());
    timerange::check(arguments.earliest.as_deref(), arguments.latest.as_deref(), now).map_err(|e| arguments.failure(e))?;
    let opened = blocking(move || app::open(&world, data, &Settings::default(), true)).await?;
    let pieces = export::start(&opened.engine, &arguments.body()).await.map_err(|e| arguments.failure(e))?;
    // The store stays open as long as somebody reads.
    Ok(pieces.map(move |piece| (piece, &opened.store).0.map_err(|e| Failure::new(Exit::Runtime, e.message))).boxed())
}

async fn through_server(arguments: &Arguments, client: &client::Client) -> Outcome<Pieces> {
    let answer = client.post_or_detail("/api/v1/export", &arguments.body()).await?;
    let colours = terminal::colours(terminal::stderr_is_terminal());
    let response = answer.map_err(|detail| client::query_failure(&arguments.query(), detail, colours))?;
    let broken = || Failure::new(Exit::Runtime, "the export failed half way: nothing was kept");
    let pieces = async_stream::try_stream! {
        let mut chunks = response.bytes_stream();
        let mut frames = Frames::default();
        while let Some(chunk) = chunks.next().await {
            for piece in frames.push(&chunk.map_err(|_| broken())?) {
                yield piece;
            }
        }
    };
    Ok(pieces.boxed())
}

/// Writes the pieces; without the last one they are not the whole.
async fn write(mut pieces: Pieces, sink: &mut Sink) -> Outcome<Counts> {
    while let Some(piece) = pieces.next().await {
        match piece? {
            Piece::Bytes(bytes) => sink.write(&bytes)?,
            Piece::End(counts) => return Ok(counts),
        }
    }
    Err(Failure::new(Exit::Runtime, "the export ended early: nothing was kept"))
}

/// Where the bytes go: standard output, or a file that gets its name at the end.
enum Sink {
    Stdout(std::io::Stdout),
    File { vfs: Arc<dyn Vfs>, draft: PathBuf, path: PathBuf, file: Box<dyn VfsFile>, len: u64, kept: bool },
}

impl Sink {
    fn open(vfs: Arc<dyn Vfs>, path: &Path) -> Outcome<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(std::io::stdout()));
        }
        let path = absolute(path.to_owned());
        if vfs.metadata(&path).is_ok() {
            let failure = Failure::new(Exit::Usage, format!("{} is there already", path.display()));
            return Err(failure.with_hint("choose another name, or remove it first"));
        }
        let mut draft = path.clone().into_os_string();
        draft.push(".partial");
        let draft = PathBuf::from(draft);
        let file = vfs.create_new(&draft).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::new(Exit::Busy, format!("{} is there already", draft.display()))
                .with_hint("another export may be writing it; if not, remove it"),
            _ => Failure::from(Error::io(draft.display(), e)),
        })?;
        Ok(Self::File { vfs, draft, path, file, len: 0, kept: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome {
        match self {
            Self::Stdout(out) => out.write_all(bytes).map_err(|e| Failure::output(&e)),
            Self::File { file, len, draft, .. } => {
                file.write_all_at(bytes, *len).map_err(|e| Error::io(draft.display(), e))?;
                *len += bytes.len() as u64;
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Outcome {
        match self {
            Self::Stdout(out) => out.flush().map_err(|e| Failure::output(&e)),
            Self::File { vfs, draft, path, file, kept, .. } => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                let named = file.sync_data().and_then(|()| vfs.rename(draft, path));
                named.map_err(|e| Error::io(path.display(), e))?;
                *kept = true;
                vfs.sync_dir(folder).map_err(|e| Error::io(folder.display(), e))?;
                Ok(())
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Self::File { vfs, draft, kept: false, .. } = self {
            // A draft that stays is told by its name.
            let _ = vfs.remove_file(draft);
        }
    }
}
