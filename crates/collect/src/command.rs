//! Runs a command on a schedule and keeps what it prints (`ps`, `df`, anything that tells a state).
//!
//! **What may be believed.** One run at a time: a run that is due while another one works is left out and counted
//! (`overlap`). No shell has a part in it: the arguments are given as they stand in the settings. A run has a limit of time and one of
//! output; at either it is ended together with all that it has started. What was printed by then is kept, as one event
//! for the run or one for each line, with the time at which the run began. A run that ended otherwise than with status 0, that was ended, that
//! could not begin, or that wrote to its error output, is followed by an event of sourcetype `command_status`:
//! a JSON object with the status, the signal, the error output and why it ended. What a full store does not take when the program
//! stops is counted as dropped; nobody runs the command again for it.

mod cron;

use crate::counters::{InputCounters, SourceCounters};
use crate::decode::Envelope;
use crate::delivery::{OnFailure, deliver};
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use crate::outgoing::Outgoing;
use crate::records::{Record, Writer};
use crate::zone::{ZoneName, Zones};
use cron::Cron;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::EVENT_BYTES_MAX;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// `[[input]] type = "command"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandSettings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Seconds from the beginning of one run to that of the next.
    pub every_seconds: Option<f64>,
    /// When to run, as in a crontab (minute, hour, day, month, weekday), in UTC.
    pub cron: Option<String>,
    /// After how long a run is ended.
    pub timeout_seconds: f64,
    /// At how many bytes of output a run is ended.
    pub output_bytes_max: usize,
    /// What an event is.
    pub split: Split,
    /// The folder to run in; that of the server if not given.
    pub folder: Option<PathBuf>,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; the name of the program if not given.
    pub sourcetype: Option<String>,
    /// Host of the events; this machine if not given.
    pub host: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; that of this machine if not given.
    pub zone: Option<ZoneName>,
    /// Source of the events; the command if not given.
    pub source: Option<String>,
}

/// What of a run is an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// All that it prints.
    #[default]
    Run,
    /// Each line that is not empty.
    Lines,
}

impl Default for CommandSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            every_seconds: None,
            cron: None,
            timeout_seconds: 30.0,
            output_bytes_max: 1024 * 1024,
            split: Split::Run,
            folder: None,
            index: None,
            sourcetype: None,
            host: None,
            zone: None,
            source: None,
        }
    }
}

/// When runs are due.
#[derive(Clone, Debug)]
enum Schedule {
    Every(Duration),
    Cron(Cron),
}

/// The command, not yet run.
pub struct CommandInput {
    settings: CommandSettings,
    index: Arc<str>,
    schedule: Schedule,
    timeout: Duration,
    source: Arc<str>,
}

/// Bytes of error output that are kept.
const ERRORS_BYTES_MAX: usize = 64 * 1024;

/// The clock may be set: a time to wait for is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl CommandInput {
    /// Checks the settings.
    pub fn new(settings: CommandSettings) -> Result<Self> {
        let invalid = |text: String, hint: &str| Err(Error::new(ErrorKind::Invalid, text).with_hint(hint.to_owned()));
        let Some(program) = settings.command.first().filter(|program| !program.is_empty()) else {
            return invalid("no command is given".into(), "command = [\"df\", \"-k\"]");
        };
        let schedule = match (&settings.every_seconds, &settings.cron) {
            (Some(every), None) => Schedule::Every(seconds("every_seconds", *every)?),
            (None, Some(text)) => Schedule::Cron(Cron::parse(text)?),
            _ => return invalid(format!("when {program} is to run is not said"), "give either every_seconds or cron"),
        };
        if !(1..=EVENT_BYTES_MAX).contains(&settings.output_bytes_max) {
            return invalid(
                format!("output_bytes_max = {} is out of range", settings.output_bytes_max),
                &format!("1 to {EVENT_BYTES_MAX} bytes, as an event may have"),
            );
        }
        let source = settings.source.clone().unwrap_or_else(|| settings.command.join(" "));
        let source = crate::http::checked("source", Some(&source))?.unwrap_or(program).into();
        Ok(Self {
            index: checked_index(settings.index.as_deref())?,
            timeout: seconds("timeout_seconds", settings.timeout_seconds)?,
            schedule,
            source,
            settings,
        })
    }

    fn sourcetype(&self) -> Arc<str> {
        let program = self.settings.command.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or(program);
        Arc::from(self.settings.sourcetype.as_deref().unwrap_or(name))
    }
}

impl Input for CommandInput {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn name(&self) -> String {
        format!("command {}", self.source)
    }

    fn start(&self, context: Context) -> Result<Running> {
        let counters = Arc::new(InputCounters::new(self.name(), self.kind()));
        let (stopper, stop) = Stop::channel();
        let envelope = Envelope {
            index: Arc::clone(&self.index),
            host: self.settings.host.as_deref().map(Arc::from),
            default_host: Arc::clone(&context.host),
            source: Arc::clone(&self.source),
            sourcetype: Some(self.sourcetype()),
            transport: "command".into(),
            peer: "".into(),
            zones: Zones::of(self.settings.zone.as_ref(), &context),
        };
        let runner = Runner {
            source: counters.source(&self.source),
            writer: Writer::new(envelope),
            context,
            counters: Arc::clone(&counters),
            settings: self.settings.clone(),
            schedule: self.schedule.clone(),
            timeout: self.timeout,
            stop,
        };
        Ok(Running::new(counters, None, stopper, tokio::spawn(runner.run())))
    }
}

struct Runner {
    context: Context,
    counters: Arc<InputCounters>,
    source: Arc<SourceCounters>,
    settings: CommandSettings,
    schedule: Schedule,
    timeout: Duration,
    writer: Writer,
    stop: Stop,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Run {
    output: Vec<u8>,
    errors: Vec<u8>,
    status: Option<i32>,
    signal: Option<i32>,
    /// Why it did not end by itself.
    ended: Option<&'static str>,
    failure: Option<String>,
}

impl Runner {
    async fn run(mut self) {
        // An interval begins at once; a schedule by the clock when it is due.
        let mut due = match &self.schedule {
            Schedule::Every(_) => Some(self.now()),
            Schedule::Cron(cron) => cron.after(self.now()),
        };
        while let Some(at) = due {
            if !self.wait(at).await {
                return;
            }
            let began = self.now();
            let Some(run) = self.once().await else { return };
            self.keep(run, began).await;
            due = self.next(at);
        }
        self.counters.problem("no time matches the schedule: the command will not run");
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.context.clock.now_nanos())
    }

    /// When the next run begins; those that were due meanwhile are left out.
    fn next(&self, mut at: Timestamp) -> Option<Timestamp> {
        let now = self.now();
        let following = |at: Timestamp| match &self.schedule {
            Schedule::Every(every) => Some(Timestamp(at.0.saturating_add(i64::try_from(every.as_nanos()).unwrap_or(i64::MAX)))),
            Schedule::Cron(cron) => cron.after(at),
        };
        let mut left_out = 0;
        loop {
            at = following(at)?;
            if at.0 > now.0 {
                return Some(at);
            }
            left_out += 1;
            self.counters.skip("overlap");
            if left_out > 1000 {
                // The clock was set: nothing was due in between.
                return match &self.schedule {
                    Schedule::Every(_) => following(now),
                    Schedule::Cron(cron) => cron.after(now),
                };
            }
        }
    }

    /// Waits until then; `false` when it is to stop.
    async fn wait(&mut self, at: Timestamp) -> bool {
        loop {
            let left = Duration::from_nanos(u64::try_from(at.0.saturating_sub(self.now().0)).unwrap_or(0));
            if left.is_zero() {
                return !self.stop.is_stopped();
            }
            if self.stop.within(left.min(LOOK_AGAIN)).await {
                return false;
            }
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.settings.command[0]);
        command.args(&self.settings.command[1..]);
        if let Some(folder) = &self.settings.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A group of its own: what it starts is ended with it.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn()
    }

    /// One run; `None` when the program stops meanwhile.
    async fn once(&mut self) -> Option<Run> {
        let mut run = Run::default();
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => {
                self.counters.problem(format!("{} could not be started: {error}", self.settings.command[0]));
                run.failure = Some(error.to_string());
                return Some(run);
            }
        };
        let group = child.id();
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else { return Some(run) };
        let limit = self.settings.output_bytes_max;
        let ended = {
            let reading = async {
                let (full, _) = tokio::join!(take(output, &mut run.output, limit), drain(errors, &mut run.errors));
                full
            };
            tokio::pin!(reading);
            tokio::select! {
                biased;
                () = self.stop.stopped() => Some("stopped"),
                full = &mut reading => full.then_some("output_limit"),
                () = tokio::time::sleep(self.timeout) => Some("timeout"),
            }
        };
        // Its pipes are closed: it has come to its end, or has nothing to say any more and must not stay either.
        let waited = match ended {
            None => tokio::time::timeout(self.timeout, child.wait()).await.ok(),
            Some(_) => None,
        };
        if waited.is_none() {
            end(group);
        }
        let status = match waited {
            Some(status) => status,
            None => child.wait().await,
        };
        if ended == Some("stopped") {
            return None;
        }
        run.ended = ended.or(waited_out(&status, run.failure.is_none() && group.is_some(), ended));
        match status {
            Ok(status) => {
                run.status = status.code();
                #[cfg(unix)]
                {
                    run.signal = std::os::unix::process::ExitStatusExt::signal(&status);
                }
            }
            Err(error) => run.failure = Some(error.to_string()),
        }
        Some(run)
    }

    /// Stores what a run has given.
    async fn keep(&mut self, run: Run, began: Timestamp) {
        let mut out = Outgoing::new(self.now());
        let took = self.now().0.saturating_sub(began.0);
        let status = run.status_text(&self.settings.command, took);
        let lines = self.settings.split == Split::Lines;
        let (writer, source) = (&mut self.writer, &self.source);
        out.add(source, |batch| {
            let mut push = |raw: &[u8]| writer.push(&Record { time: Some(began), ..Record::of(raw.to_vec()) }, batch);
            if lines {
                let all = run.output.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                all.filter(|line| !line.is_empty()).for_each(&mut push);
            } else if !run.output.is_empty() {
                push(run.output.strip_suffix(b"\n").unwrap_or(&run.output));
            }
        });
        if let Some(text) = status {
            out.add(source, |batch| {
                let record = Record { time: Some(began), sourcetype: "command_status".into(), ..Record::of(text.into_bytes()) };
                writer.push(&record, batch);
            });
        }
        if out.is_empty() {
            return;
        }
        if let Err(error) = deliver(Arc::clone(&self.context.sink), out, self.stop.clone(), OnFailure::Drop).await {
            self.counters.problem(format!("the output of a run was dropped: {error}"));
        }
    }
}

/// Why a process whose output had ended was ended all the same.
fn waited_out(status: &std::io::Result<std::process::ExitStatus>, ran: bool, ended: Option<&'static str>) -> Option<&'static str> {
    let killed = status.as_ref().is_ok_and(|status| status.code().is_none());
    (ran && ended.is_none() && killed).then_some("signal")
}

/// Ends a process and what it has started.
fn end(group: Option<u32>) {
    #[cfg(unix)]
    if let Some(group) = group.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Reads to the end, or up to `limit` bytes: then there was more, which is said.
async fn take(mut from: impl AsyncRead + Unpin, to: &mut Vec<u8>, limit: usize) -> bool {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 {
            return false;
        }
        let room = limit - to.len();
        to.extend_from_slice(&buffer[..n.min(room)]);
        if n > room {
            return true;
        }
    }
    false
}

/// Reads to the end and keeps the beginning.
async fn drain(mut from: impl AsyncRead + Unpin, to: &mut Vec<u8>) {
    let mut buffer = vec![0; 4 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let room = ERRORS_BYTES_MAX - to.len();
        to.extend_from_slice(&buffer[..n.min(room)]);
    }
}

impl Run {
    /// What is to be said of a run beside its output; `None` if all is as it should be.
    fn status_text(&self, command: &[String], took_nanos: i64) -> Option<String> {
        if self.status == Some(0) && self.errors.is_empty() && self.ended.is_none() && self.failure.is_none() {
            return None;
        }
        let mut object = serde_json::Map::new();
        object.insert("command".into(), command.into());
        object.insert("status".into(), self.status.into());
        if let Some(signal) = self.signal {
            object.insert("signal".into(), signal.into());
        }
        if let Some(ended) = self.ended {
            object.insert("ended".into(), ended.into());
        }
        if let Some(failure) = &self.failure {
            object.insert("failure".into(), failure.as_str().into());
        }
        object.insert("milliseconds".into(), (took_nanos / 1_000_000).into());
        object.insert("output_bytes".into(), self.output.len().into());
        object.insert("stderr".into(), String::from_utf8_lossy(&self.errors).trim_end().into());
        Some(serde_json::Value::Object(object).to_string())
    }
}
