//! What an input is, which there are, and starting and stopping them. One input type = one file + one line in
//! [`KINDS`].

use crate::counters::{InputCounters, InputSnapshot};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Clock, Error, ErrorKind, Result, Vfs};
use taffrail_event::{EventSink, Origin};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What an input is given to work with.
#[derive(Clone)]
pub struct Context {
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// The way to files.
    pub vfs: Arc<dyn Vfs>,
    /// The way to the time.
    pub clock: Arc<dyn Clock>,
    /// The name of this machine: the host of events that name no other.
    pub host: Arc<str>,
}

/// Something that brings events in.
pub trait Input: Send + Sync {
    /// The type as in the settings, e.g. `syslog-udp`.
    fn kind(&self) -> &'static str;
    /// The name under which it is counted, e.g. `syslog-udp 127.0.0.1:5514`.
    fn name(&self) -> String;
    /// Starts it; must be called within a tokio runtime. What cannot work at all (an address that is taken)
    /// is an error here; trouble later on is counted and retried.
    fn start(&self, context: Context) -> Result<Running>;
}

/// Tells a running input to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A sender that says `true` to stop, and the receiving end.
    pub fn channel() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Whether it should stop; so it should when nobody holds the sender any more.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Resolves when it should stop.
    pub async fn stopped(&mut self) {
        // An error means that the sender is gone, which is a reason to stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// An input at work.
pub struct Running {
    /// What it has done so far.
    pub counters: Arc<InputCounters>,
    /// The address that a listener is bound to.
    pub address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn new(counters: Arc<InputCounters>, address: Option<SocketAddr>, stop: watch::Sender<bool>, task: JoinHandle<()>) -> Self {
        Self { counters, address, stop, task }
    }

    /// Stops it: nothing more is read, what was read is handed to the sink, and only then this returns.
    pub async fn stop(self) {
        // Nobody may be listening any more: then it has ended by itself.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            self.counters.problem(format!("the input ended abnormally: {error}"));
        }
    }
}

/// The settings of one input: a table `[[input]]` with its `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum InputSettings {
    /// Follows files.
    File(crate::files::FileSettings),
    /// Listens for syslog datagrams.
    SyslogUdp(crate::syslog::udp::UdpSettings),
    /// Listens for syslog over TCP.
    SyslogTcp(crate::syslog::tcp::TcpSettings),
    /// Follows the systemd journal.
    Journald(crate::journald::JournaldSettings),
}

/// A type of input: what it is called and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The `type` in the settings.
    pub name: &'static str,
    /// One sentence for help and manual.
    pub summary: &'static str,
}

/// All types of inputs.
pub const KINDS: [Kind; 4] = [
    Kind { name: "file", summary: "follows files and folders through rotation" },
    Kind { name: "syslog-udp", summary: "receives syslog datagrams (RFC 3164, 5424, 5426)" },
    Kind { name: "syslog-tcp", summary: "receives syslog over TCP (RFC 6587: octet count, LF or NUL)" },
    Kind { name: "journald", summary: "follows the systemd journal" },
];

impl InputSettings {
    /// The input that these settings describe, or what is wrong with them.
    pub fn build(&self) -> Result<Box<dyn Input>> {
        Ok(match self {
            Self::File(settings) => Box::new(crate::files::FileInput::new(settings.clone())?),
            Self::SyslogUdp(settings) => Box::new(crate::syslog::udp::UdpInput::new(settings.clone())?),
            Self::SyslogTcp(settings) => Box::new(crate::syslog::tcp::TcpInput::new(settings.clone())?),
            Self::Journald(settings) => Box::new(crate::journald::JournaldInput::new(settings.clone())?),
        })
    }
}

/// The index that events go to when nothing else is said.
pub const DEFAULT_INDEX: &str = "main";

/// `name` as an index, or why it cannot be one.
pub fn checked_index(name: Option<&str>) -> Result<Arc<str>> {
    let name = name.unwrap_or(DEFAULT_INDEX);
    if Origin::check_index(name) {
        return Ok(Arc::from(name));
    }
    Err(Error::new(ErrorKind::Invalid, format!("{name:?} cannot be an index"))
        .with_hint("use 1 to 64 of the characters a-z 0-9 _ -, not beginning with -"))
}

/// All inputs of a program.
#[derive(Default)]
pub struct Inputs {
    running: Vec<Running>,
}

impl Inputs {
    /// Starts every input. When one cannot start, those before it are stopped again and its error returned.
    pub async fn start(settings: &[InputSettings], context: &Context) -> Result<Self> {
        let mut inputs = Self::default();
        for settings in settings {
            if let Err(error) = inputs.add(settings, context) {
                inputs.stop().await;
                return Err(error);
            }
        }
        Ok(inputs)
    }

    /// Starts one more and gives the address that it is bound to, for listeners.
    pub fn add(&mut self, settings: &InputSettings, context: &Context) -> Result<Option<SocketAddr>> {
        let running = settings.build()?.start(context.clone())?;
        let address = running.address;
        self.running.push(running);
        Ok(address)
    }

    /// The accounts, in the order of the settings. Holds no lock while inputs work, so take it when needed.
    pub fn snapshot(&self) -> Vec<InputSnapshot> {
        self.running.iter().map(|running| running.counters.snapshot()).collect()
    }

    /// The live accounts: for whoever has to read them after the inputs were handed elsewhere.
    pub fn counters(&self) -> Vec<Arc<InputCounters>> {
        self.running.iter().map(|running| Arc::clone(&running.counters)).collect()
    }

    /// Stops all of them at the same time, and returns when what they had read is handed over.
    pub async fn stop(self) {
        futures::future::join_all(self.running.into_iter().map(Running::stop)).await;
    }
}

/// A duration of the settings, in seconds; not zero.
pub(crate) fn seconds(name: &str, value: f64) -> Result<Duration> {
    if value.is_finite() && value > 0.0 && value < 1e9 {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(Error::new(ErrorKind::Invalid, format!("{name} = {value} is not a duration")).with_hint("give seconds, more than 0"))
}
