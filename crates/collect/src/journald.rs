//! Follows the systemd journal by `journalctl --output=export --follow`: the one child process of the program,
//! started with fixed arguments and the stored cursor only. A machine without `journalctl`, or with an empty
//! journal, is no error.
//!
//! **The event.** Each entry is one JSON object on one line, all fields in the order in which the journal gives
//! them, none left out. A value that is UTF-8 is a string; other values are an array of byte numbers; a field
//! that is there several times has an array of its values. The time is `__REALTIME_TIMESTAMP`, the host
//! `_HOSTNAME`, the source `journald`, the sourcetype `journald`. The cursor of the newest entry is the position,
//! durable in the same step as the entry.

pub(crate) mod export;

use crate::counters::{InputCounters, SourceCounters};
use crate::delivery::{OnFailure, deliver};
use crate::input::{Context, Input, Running, Stop, checked_index};
use crate::outgoing::Outgoing;
use crate::records::Record;
use export::{Entry, ExportReader};
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::Result;
use taffrail_event::{Origin, Problems, Timestamp};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

/// `[[input]] type = "journald"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournaldSettings {
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Host of every event, whatever the entry says.
    pub host: Option<String>,
    /// Sourcetype of the events; `journald` if not given.
    pub sourcetype: Option<String>,
    /// Reads the journal files of this folder instead of those of the machine.
    pub folder: Option<String>,
    /// The program to run.
    pub program: String,
}

impl Default for JournaldSettings {
    fn default() -> Self {
        Self { index: None, host: None, sourcetype: None, folder: None, program: "journalctl".into() }
    }
}

/// The journal, not yet followed.
pub struct JournaldInput {
    settings: JournaldSettings,
    index: Arc<str>,
}

impl JournaldInput {
    /// Checks the settings.
    pub fn new(settings: JournaldSettings) -> Result<Self> {
        let index = checked_index(settings.index.as_deref())?;
        Ok(Self { settings, index })
    }
}

impl Input for JournaldInput {
    fn kind(&self) -> &'static str {
        "journald"
    }

    fn name(&self) -> String {
        match &self.settings.folder {
            Some(folder) => format!("journald {folder}"),
            None => "journald".into(),
        }
    }

    fn start(&self, context: Context) -> Result<Running> {
        let counters = Arc::new(InputCounters::new(self.name(), self.kind()));
        let (stopper, stop) = Stop::channel();
        let follower = Follower {
            origin: Origin {
                index: Arc::clone(&self.index),
                host: self.settings.host.as_deref().map_or_else(|| Arc::clone(&context.host), Arc::from),
                source: "journald".into(),
                sourcetype: self.settings.sourcetype.as_deref().unwrap_or("journald").into(),
                transport: "journald".into(),
                peer: "".into(),
            },
            key: format!("journald/{}/{}", self.index, self.settings.folder.as_deref().unwrap_or("")),
            source: counters.source("journald"),
            context,
            counters: Arc::clone(&counters),
            settings: self.settings.clone(),
            stop,
        };
        Ok(Running::new(counters, None, stopper, tokio::spawn(follower.run())))
    }
}

/// What is kept as the position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    cursor: String,
    /// Microseconds since the epoch of that entry: where to go on if the cursor is not known any more.
    realtime: u64,
}

/// Entries that come within this time share a batch.
const HAND_OVER_EVERY: Duration = Duration::from_millis(50);

/// First and longest wait before `journalctl` is started again.
const RESTART_WAIT_MIN: Duration = Duration::from_secs(1);
const RESTART_WAIT_MAX: Duration = Duration::from_secs(60);

struct Follower {
    context: Context,
    counters: Arc<InputCounters>,
    source: Arc<SourceCounters>,
    settings: JournaldSettings,
    origin: Origin,
    key: String,
    stop: Stop,
}

/// Why following has come to an end.
enum End {
    Stopped,
    /// The program is not there: it will not be in a minute either.
    NoProgram,
    /// It ended, or the sink failed; start again. Whether any entry came.
    Again {
        progress: bool,
    },
}

impl Follower {
    async fn run(mut self) {
        let mut wait = RESTART_WAIT_MIN;
        let mut failures = 0;
        loop {
            match self.follow(failures >= 2).await {
                End::Stopped | End::NoProgram => return,
                End::Again { progress: true } => (wait, failures) = (RESTART_WAIT_MIN, 0),
                End::Again { progress: false } => (wait, failures) = ((wait * 2).min(RESTART_WAIT_MAX), failures + 1),
            }
            if self.stop.within(wait).await {
                return;
            }
        }
    }

    fn spawn(&self, by_time: bool) -> std::io::Result<Child> {
        let position = self.context.sink.position(&self.key);
        let cursor: Option<Cursor> = position.and_then(|value| serde_json::from_slice(&value).ok());
        let mut command = Command::new(&self.settings.program);
        command.args(["--output=export", "--follow", "--no-tail", "--all", "--quiet"]);
        if let Some(folder) = &self.settings.folder {
            command.arg(format!("--directory={folder}"));
        }
        match cursor {
            // A cursor that cannot be found twice in a row gives way to its time: entries of that very
            // microsecond may then come again, which is better than none ever.
            Some(cursor) if by_time => {
                let (seconds, micros) = (cursor.realtime / 1_000_000, cursor.realtime % 1_000_000);
                command.arg(format!("--since=@{seconds}.{micros:06}"));
            }
            Some(cursor) => {
                command.arg(format!("--after-cursor={}", cursor.cursor));
            }
            None => {}
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn()
    }

    async fn follow(&mut self, by_time: bool) -> End {
        let mut child = match self.spawn(by_time) {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::info!(program = %self.settings.program, "no systemd journal here");
                return End::NoProgram;
            }
            Err(error) => {
                self.counters.problem(format!("{} could not be started: {error}", self.settings.program));
                return End::Again { progress: false };
            }
        };
        let output = child.stdout.take().expect("the output is piped");
        let end = self.read(output).await;
        // It ends by itself when its output is closed; killing only makes it quick.
        let _ = child.kill().await;
        end
    }

    async fn read(&mut self, mut output: ChildStdout) -> End {
        let mut reader = ExportReader::default();
        let mut buffer = vec![0; 64 * 1024];
        let mut progress = false;
        loop {
            let mut out = Outgoing::new(Timestamp(self.context.clock.now_nanos()));
            let mut deadline = None;
            let mut ended = false;
            let mut stopped = false;
            while !out.is_full() && !ended && !stopped {
                tokio::select! {
                    biased;
                    () = self.stop.stopped() => stopped = true,
                    () = until(deadline), if deadline.is_some() => break,
                    read = output.read(&mut buffer) => match read {
                        Ok(0) | Err(_) => ended = true,
                        Ok(n) => {
                            reader.push(&buffer[..n], |entry| self.add(&entry, &mut out));
                            if reader.take_broken() {
                                self.counters.skip("damaged");
                                self.counters.problem("something that is not in the journal export format was left out");
                            }
                            if !out.is_empty() && deadline.is_none() {
                                deadline = Some(tokio::time::Instant::now() + HAND_OVER_EVERY);
                            }
                        }
                    },
                }
            }
            if !out.is_empty() {
                let sink = Arc::clone(&self.context.sink);
                if let Err(error) = deliver(sink, out, self.stop.clone(), OnFailure::Reread).await {
                    self.counters.problem(format!("entries will be read again: {error}"));
                    return if self.stop.is_stopped() { End::Stopped } else { End::Again { progress: false } };
                }
                progress = true;
            }
            if stopped {
                return End::Stopped;
            }
            if ended {
                return End::Again { progress };
            }
        }
    }

    fn add(&self, entry: &Entry, out: &mut Outgoing) {
        let Record { raw, time, .. } = record(entry);
        let problems = if time.is_none() { Problems::NO_TIME } else { Problems::NONE };
        let time = time.unwrap_or(out.batch.received);
        let mut origin = self.origin.clone();
        if let (None, Some(host)) = (&self.settings.host, entry.text("_HOSTNAME")) {
            origin.host = Arc::from(host);
        }
        out.add(&self.source, |batch| {
            let number = batch.origin(&origin);
            batch.push(number, time, problems, &raw);
        });
        if let Some(cursor) = entry.text("__CURSOR") {
            let cursor = Cursor { cursor: cursor.to_owned(), realtime: realtime(entry).unwrap_or(0) };
            let value = serde_json::to_vec(&cursor).expect("strings and numbers always serialise");
            // Only the newest counts.
            out.batch.positions.clear();
            out.batch.set_position(&self.key, value);
        }
    }
}

/// Microseconds since the epoch.
fn realtime(entry: &Entry<'_>) -> Option<u64> {
    entry.text("__REALTIME_TIMESTAMP").and_then(|text| text.parse().ok())
}

/// An entry as an event: a JSON object of all its fields.
pub(crate) fn record(entry: &Entry<'_>) -> Record<'static> {
    let mut raw = Vec::with_capacity(1024);
    entry.write_json(&mut raw);
    let nanos = realtime(entry).and_then(|micros| i64::try_from(micros).ok()).and_then(|micros| micros.checked_mul(1_000));
    let host = entry.text("_HOSTNAME").unwrap_or_default().to_owned();
    Record { time: nanos.map(Timestamp), host: host.into(), sourcetype: "journald".into(), ..Record::of(raw) }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
