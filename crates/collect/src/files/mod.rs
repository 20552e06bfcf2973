//! Followed files: read from the beginning, then as they grow, through every kind of rotation.
//!
//! **What is followed.** Regular files that `paths` name: a folder means everything below it. Compressed files
//! (gzip, zstd, xz, bzip2, told by their first bytes) are read once. Binary files are skipped and counted.
//!
//! **What a file is.** Not its name. While it is followed, its inode (with the time it was made) and its open handle; beyond that its content:
//! the first up to 1024 decompressed bytes, and the 256 bytes before the position. So a log is the same log
//! when it is renamed, copied and truncated, compressed, or moved while the program was down; and another one
//! when its inode number is used again, or it was truncated and has grown past the old position.
//!
//! - *Renamed*: reading goes on in the same file under its new name, also when no pattern matches that; once it
//!   is matched by none and has not grown for a minute, it is let go.
//! - *Copied and truncated*: the file is read from its beginning again; the copy (a file with a related name whose
//!   whole content is the beginning of a file that is followed) is not read as long as the original is there, and
//!   then from where the original was read up to. What was written between the last look and the truncation, and is in
//!   no copy, is lost to everybody; as far as its size is known it is counted as `lost_bytes`.
//! - *Compressed*: the same; what is in the compressed file beyond the position is read.
//! - Two files that merely begin alike are two logs; both are read whole.
//!
//! **Exactly once.** The position is part of the batch that holds the events, so neither is durable without the
//! other.
//!
//! **Events of several lines** (`taffrail_format::EventBreaker`): the last one waits for the line that begins the next, and is
//! complete when the file has not grown for `quiet_seconds` (1). Positions stand before it until it is handed over,
//! so a restart reads it again, whole.
//!
//! **Whole files** (`whole_file`): each version of a file is one event; see `whole`.
//!
//! **The last line without a newline** waits for its end. It becomes an event when the file has not grown for
//! `partial_line_seconds` (5), or ends for good (compressed, gone). If it grows after all, the rest is an event of its
//! own, marked `continued`.

pub(crate) mod binary;
pub(crate) mod content;
pub(crate) mod discover;
mod follow;
mod tracker;
mod watch;
mod whole;
mod worker;

use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use crate::zone::{ZoneName, Zones};
use discover::Discovery;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// `[[input]] type = "file"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    /// Files, folders (everything below them) and patterns (`*`, `?`, `[...]`, `{a,b}`, `**`), absolute.
    pub paths: Vec<String>,
    /// Patterns of files and folders that are left out.
    pub exclude: Vec<String>,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; found out per file if not given.
    pub sourcetype: Option<String>,
    /// Host of every event; if not given what the events say, else this machine.
    pub host: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; that of this machine if not given.
    pub zone: Option<ZoneName>,
    /// Seconds after which everything is looked at, whether the system told of a change or not.
    pub poll_seconds: f64,
    /// Seconds without growth after which a last line without a newline is an event.
    pub partial_line_seconds: f64,
    /// Seconds without growth after which an event that more lines may belong to is complete.
    pub quiet_seconds: f64,
    /// Each version of a file is one event.
    pub whole_file: bool,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            exclude: Vec::new(),
            index: None,
            sourcetype: None,
            host: None,
            zone: None,
            poll_seconds: 1.0,
            partial_line_seconds: 5.0,
            quiet_seconds: 1.0,
            whole_file: false,
        }
    }
}

/// The files, not yet followed.
pub struct FileInput {
    settings: FileSettings,
    index: Arc<str>,
    times: worker::Times,
}

impl FileInput {
    /// Checks the settings.
    pub fn new(settings: FileSettings) -> Result<Self> {
        let index = checked_index(settings.index.as_deref())?;
        if settings.paths.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "an input of type file without paths").with_hint("add paths = [\"/var/log\"]"));
        }
        if let Some(path) = settings.paths.iter().chain(&settings.exclude).find(|path| !Path::new(path).is_absolute()) {
            return Err(Error::new(ErrorKind::Invalid, format!("{path:?} is not an absolute path")).with_hint("begin it with /"));
        }
        Discovery::new(&settings.paths, &settings.exclude)?;
        let times = worker::Times {
            poll: seconds("poll_seconds", settings.poll_seconds)?,
            partial_line: seconds("partial_line_seconds", settings.partial_line_seconds)?,
            quiet: seconds("quiet_seconds", settings.quiet_seconds)?,
        };
        Ok(Self { settings, index, times })
    }
}

impl Input for FileInput {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn name(&self) -> String {
        format!("file {}", self.settings.paths.join(" "))
    }

    fn start(&self, context: Context) -> Result<Running> {
        let counters = Arc::new(InputCounters::new(self.name(), self.kind()));
        let discovery = Discovery::new(&self.settings.paths, &self.settings.exclude)?;
        let envelope = Envelope {
            index: Arc::clone(&self.index),
            host: self.settings.host.as_deref().map(Arc::from),
            default_host: Arc::clone(&context.host),
            source: "".into(),
            sourcetype: self.settings.sourcetype.as_deref().map(Arc::from),
            transport: "file".into(),
            peer: "".into(),
            zones: Zones::of(self.settings.zone.as_ref(), &context),
        };
        let (stopper, stop) = Stop::channel();
        let bell = Arc::<watch::Bell>::default();
        let (times, runtime, worker_bell) = (self.times, Handle::current(), Arc::clone(&bell));
        let (worker_counters, worker_stop) = (Arc::clone(&counters), stop.clone());
        let whole_file = self.settings.whole_file;
        let working = tokio::task::spawn_blocking(move || match whole_file {
            true => whole::Worker::new(context, envelope, discovery, times.poll, worker_counters, worker_stop, runtime).run(&worker_bell),
            false => {
                worker::Worker::new(context, envelope, discovery, times, worker_counters, worker_stop, runtime).run(&worker_bell);
            }
        });
        let task = tokio::spawn(async move {
            let mut stop = stop;
            let mut working = working;
            tokio::select! {
                () = stop.stopped() => {
                    bell.stop();
                    let _ = working.await;
                }
                _ = &mut working => {}
            }
        });
        Ok(Running::new(counters, None, stopper, task))
    }
}
