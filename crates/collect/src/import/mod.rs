//! Reads files once: `taffrail import`. Files, folders, standard input; compressed or not.
//!
//! **What is imported twice.** A file is known by its content, never by its name. For every file the store keeps,
//! per index, how far it was read and the hash of the (decompressed) content up to there. A file whose content
//! begins with what is known already is read from there on only: the same file again, also under another name
//! or compressed otherwise, adds nothing; a file that has grown adds what is new; an import that was killed goes
//! on at the very byte where the last durable batch ended. A file that is *shorter* than what is known, or
//! differs anywhere before that place, is new. `again` reads everything, known or not; a stream (standard input)
//! is always read.
//!
//! With `whole_file` each file is one event (`crate::whole`), known by its path and its content.
//!
//! A last line without a newline is an event. If the file grows later, the rest of that line becomes an event of
//! its own, marked `continued`.

mod known;
mod read;
mod walk;

use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::input::{Context, Stop, checked_index};
use crate::zone::{ZoneName, Zones};
use known::Known;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// Files read at the same time: two keep both reading and storing busy, more only scatter the order.
const READERS_MAX: usize = 2;

/// What is to be imported.
pub enum ImportItem {
    /// A file, or a folder with everything below it.
    Path(PathBuf),
    /// A stream under a name, e.g. standard input.
    Stream {
        /// The source of its events.
        name: String,
        /// Its bytes, compressed or not.
        reader: Box<dyn Read + Send>,
    },
}

/// How it is to be imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of all events; found out per file if not given.
    pub sourcetype: Option<String>,
    /// Host of all events; if not given what they say, else this machine.
    pub host: Option<String>,
    /// The zone of times that name none; that of this machine if not given.
    pub zone: Option<ZoneName>,
    /// Also what is there already.
    pub again: bool,
    /// Each file is one event, whatever lines it has; standard input is not a file.
    pub whole_file: bool,
}

/// How far an import has come; read it while the import runs.
#[derive(Debug, Default)]
pub struct ImportProgress {
    /// Files found.
    pub files_total: AtomicU64,
    /// Files done with.
    pub files_done: AtomicU64,
    /// Bytes of all files as they lie on disk, compressed or not; streams have none.
    pub bytes_total: AtomicU64,
    /// Bytes of these that were read, or need not be.
    pub bytes_done: AtomicU64,
    /// Events handed over and durable or about to be.
    pub events: AtomicU64,
    /// Their raw bytes.
    pub event_bytes: AtomicU64,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportReport {
    /// Files and streams that were read to their end.
    pub files: u64,
    /// Of these, those that held nothing new.
    pub files_known: u64,
    /// Files in folders that were left out because they are no logs (binary).
    pub files_skipped: u64,
    /// Events that are now durable.
    pub events: u64,
    /// Their raw bytes.
    pub bytes: u64,
    /// What went wrong with single files; the others are imported all the same.
    pub problems: Vec<String>,
    /// Whether it was stopped before the end; the same import again goes on where it stopped.
    pub stopped: bool,
}

struct Job {
    source: JobSource,
    name: String,
    /// Found in a folder: then binary files are left out.
    found: bool,
    bytes: u64,
}

enum JobSource {
    File(PathBuf),
    Stream(Box<dyn Read + Send>),
}

/// Everything the readers share.
struct Work {
    context: Context,
    runtime: Handle,
    stop: Stop,
    envelope: Envelope,
    again: bool,
    whole_file: bool,
    known: Known,
    progress: Arc<ImportProgress>,
    counters: Arc<InputCounters>,
    jobs: Mutex<VecDeque<Job>>,
    report: Mutex<ImportReport>,
    failure: Mutex<Option<Error>>,
}

/// Imports `items` in order and returns when all of it is durable. Blocks: run it on a thread that may, within
/// or beside the tokio runtime of `runtime`.
///
/// Trouble with one file is in the report; an error is returned when nothing can be imported at all, a path is
/// not there, or the sink fails.
pub fn import(
    items: Vec<ImportItem>,
    options: &ImportOptions,
    context: &Context,
    runtime: &Handle,
    progress: &Arc<ImportProgress>,
    stop: &Stop,
) -> Result<ImportReport> {
    let index = checked_index(options.index.as_deref())?;
    let mut report = ImportReport::default();
    let jobs = jobs(items, context, &mut report)?;
    progress.files_total.store(jobs.len() as u64, Ordering::Relaxed);
    progress.bytes_total.store(jobs.iter().map(|job| job.bytes).sum(), Ordering::Relaxed);
    let readers = jobs.len().clamp(1, READERS_MAX);
    let work = Work {
        known: Known::load(context.sink.as_ref(), &index),
        envelope: Envelope {
            index,
            host: options.host.as_deref().map(Arc::from),
            default_host: Arc::clone(&context.host),
            source: "".into(),
            sourcetype: options.sourcetype.as_deref().map(Arc::from),
            transport: "import".into(),
            peer: "".into(),
            zones: Zones::of(options.zone.as_ref(), context),
        },
        context: context.clone(),
        runtime: runtime.clone(),
        stop: stop.clone(),
        again: options.again,
        whole_file: options.whole_file,
        progress: Arc::clone(progress),
        counters: Arc::new(InputCounters::new("import", "import")),
        jobs: Mutex::new(jobs),
        report: Mutex::new(report),
        failure: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for _ in 1..readers {
            scope.spawn(|| work.read_all());
        }
        work.read_all();
    });
    if let Some(error) = work.failure.into_inner() {
        return Err(error);
    }
    let mut report = work.report.into_inner();
    let total = work.counters.snapshot().total();
    report.events = total.stored_events;
    report.bytes = total.stored_bytes;
    Ok(report)
}

fn jobs(items: Vec<ImportItem>, context: &Context, report: &mut ImportReport) -> Result<VecDeque<Job>> {
    let mut jobs = VecDeque::new();
    for item in items {
        match item {
            ImportItem::Stream { name, reader } => {
                jobs.push_back(Job { source: JobSource::Stream(reader), name, found: false, bytes: 0 });
            }
            ImportItem::Path(path) => {
                let metadata = context.vfs.metadata(&path).map_err(|error| not_there(&path, error))?;
                if metadata.is_dir {
                    let found = walk::files(context.vfs.as_ref(), &path, &mut report.problems);
                    jobs.extend(found.into_iter().map(|(path, bytes)| Job::file(path, true, bytes)));
                } else if metadata.is_file {
                    jobs.push_back(Job::file(path, false, metadata.len));
                } else {
                    return Err(Error::new(ErrorKind::Invalid, format!("{} is neither a file nor a folder", path.display()))
                        .with_hint("pipe it in and import `-`"));
                }
            }
        }
    }
    Ok(jobs)
}

fn not_there(path: &Path, error: std::io::Error) -> Error {
    Error::io(path.display(), error).with_hint("give a file or a folder that this user may read")
}

impl Job {
    fn file(path: PathBuf, found: bool, bytes: u64) -> Self {
        Self { name: path.display().to_string(), source: JobSource::File(path), found, bytes }
    }
}

impl Work {
    /// Takes one job after the other until there is none, or nothing can go on.
    fn read_all(&self) {
        let mut reader = read::Reader::new(self);
        let result = self.read_jobs(&mut reader).and_then(|()| reader.finish());
        if let Err(error) = result {
            // The first is the cause; the other reader fails of the same.
            self.failure.lock().get_or_insert(error);
        }
    }

    fn read_jobs(&self, reader: &mut read::Reader<'_>) -> Result<()> {
        while self.failure.lock().is_none() {
            let Some(job) = self.jobs.lock().pop_front() else { break };
            if self.stop.is_stopped() {
                self.report.lock().stopped = true;
                break;
            }
            reader.read(job)?;
            self.progress.files_done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn problem(&self, text: String) {
        self.report.lock().problems.push(text);
    }
}
