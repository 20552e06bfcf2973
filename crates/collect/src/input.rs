//! What an input is, which there are, and starting and stopping them. One input type = one file + one line in
//! [`KINDS`].

use crate::counters::{InputCounters, InputSnapshot};
use crate::gelf;
use crate::network::Network;
use crate::requests::{HttpSettings, Requests};
use crate::stream::{self, Protocol, StreamSettings};
use crate::syslog::tcp;
use crate::syslog::udp::{self, Datagrams, UdpSettings};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Clock, Error, ErrorKind, Result, Vfs};
use taffrail_event::{EventSink, Origin};
use taffrail_format::{EventRules, Zone};
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
    /// What format files of one's own say of the lines of events.
    pub rules: Arc<EventRules>,
    /// The zone of times that name none, where the settings of an input name none either.
    pub zone: Zone,
    /// What answers requests over HTTP; `None` where nobody does.
    pub requests: Option<Arc<dyn Requests>>,
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

    /// Waits for so long; true, and at once, if it should stop.
    pub async fn within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stopped()).await.is_ok()
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
    SyslogUdp(UdpSettings),
    /// Listens for syslog over TCP, with TLS if a certificate is given.
    SyslogTcp(StreamSettings),
    /// Listens for syslog over TLS.
    SyslogTls(StreamSettings),
    /// Listens for RELP.
    Relp(StreamSettings),
    /// Listens for GELF datagrams.
    GelfUdp(UdpSettings),
    /// Listens for GELF over TCP.
    GelfTcp(StreamSettings),
    /// Listens for Beats and Logstash.
    Lumberjack(StreamSettings),
    /// Listens for what others push over HTTP.
    Http(HttpSettings),
    /// Follows the systemd journal.
    Journald(crate::journald::JournaldSettings),
    /// Listens for NetFlow and IPFIX.
    Netflow(UdpSettings),
    /// Listens for SNMP traps and informs.
    SnmpTrap(crate::snmp::SnmpSettings),
    /// Listens for Windows machines that forward their events.
    Wef(crate::wef::WefSettings),
    /// Reads the rows that a table gets.
    Sql(crate::sql::SqlSettings),
    /// Reads the objects of a bucket.
    S3(crate::s3::S3Settings),
    /// Reads topics of Kafka.
    Kafka(crate::kafka::KafkaSettings),
    /// Fetches files of another machine.
    Sftp(crate::sftp::SftpSettings),
    /// Runs a command on a schedule.
    Command(crate::command::CommandSettings),
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
pub const KINDS: [Kind; 18] = [
    Kind { name: "file", summary: "follows files and folders through rotation" },
    Kind { name: "syslog-udp", summary: "receives syslog datagrams (RFC 3164, 5424, 5426)" },
    Kind { name: "syslog-tcp", summary: "receives syslog over TCP (RFC 6587: octet count, LF or NUL)" },
    Kind { name: "syslog-tls", summary: "receives syslog over TLS (RFC 5425), with certificates of senders if wanted" },
    Kind { name: "relp", summary: "receives syslog over RELP, acknowledged when durable" },
    Kind { name: "gelf-udp", summary: "receives GELF datagrams, in chunks and packed" },
    Kind { name: "gelf-tcp", summary: "receives GELF over TCP" },
    Kind { name: "lumberjack", summary: "receives from Beats and Logstash, acknowledged when durable" },
    Kind {
        name: "http",
        summary: "receives what is pushed over HTTP (HEC, _bulk, OTLP, Loki, GELF, Datadog, journals, lines), acknowledged when durable",
    },
    Kind { name: "netflow", summary: "receives flows: NetFlow 5 and 9, IPFIX" },
    Kind { name: "snmp-trap", summary: "receives SNMP traps and informs (versions 1, 2c, 3), informs acknowledged when durable" },
    Kind { name: "wef", summary: "collects the events that Windows machines forward (WS-Management), acknowledged when durable" },
    Kind { name: "journald", summary: "follows the systemd journal" },
    Kind { name: "sql", summary: "reads the rows that a table gets, by a column whose values rise" },
    Kind { name: "s3", summary: "reads the objects of a bucket, each once" },
    Kind { name: "kafka", summary: "reads topics of Kafka, each record once" },
    Kind { name: "sftp", summary: "fetches files of another machine over SFTP, and what is new of them" },
    Kind { name: "command", summary: "runs a command on a schedule and keeps its output" },
];

/// What listens, and with which settings.
enum Listener<'a> {
    Stream(Protocol, &'a StreamSettings),
    Datagrams(Datagrams, &'a UdpSettings),
}

impl InputSettings {
    fn listener(&self) -> Option<Listener<'_>> {
        Some(match self {
            Self::SyslogUdp(settings) => Listener::Datagrams(udp::SYSLOG, settings),
            Self::GelfUdp(settings) => Listener::Datagrams(gelf::UDP, settings),
            Self::Netflow(settings) => Listener::Datagrams(crate::netflow::UDP, settings),
            Self::SyslogTcp(settings) => Listener::Stream(tcp::TCP, settings),
            Self::SyslogTls(settings) => Listener::Stream(tcp::TLS, settings),
            Self::Relp(settings) => Listener::Stream(crate::relp::RELP, settings),
            Self::GelfTcp(settings) => Listener::Stream(gelf::TCP, settings),
            Self::Lumberjack(settings) => Listener::Stream(crate::lumberjack::LUMBERJACK, settings),
            Self::File(_)
            | Self::Http(_)
            | Self::Journald(_)
            | Self::SnmpTrap(_)
            | Self::Wef(_)
            | Self::Sql(_)
            | Self::S3(_)
            | Self::Kafka(_)
            | Self::Sftp(_)
            | Self::Command(_) => {
                return None;
            }
        })
    }

    /// The address that it listens at, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        Some(match (self, self.listener()) {
            (Self::SnmpTrap(settings), _) => crate::snmp::address_of(settings),
            (Self::Wef(settings), _) => crate::wef::address_of(settings),
            (Self::Http(settings), _) => crate::requests::address_of(settings),
            (_, Some(Listener::Stream(protocol, settings))) => stream::address_of(&protocol, settings),
            (_, Some(Listener::Datagrams(datagrams, settings))) => udp::address_of(&datagrams, settings),
            (_, None) => return None,
        })
    }

    /// Whether it lets in nobody but who shows a certificate that an authority of the settings has signed.
    pub fn checks_certificates(&self) -> bool {
        let tls = match (self, self.listener()) {
            (Self::Wef(settings), _) => settings.tls.as_ref(),
            (Self::Http(settings), _) => settings.tls.as_ref(),
            (_, Some(Listener::Stream(_, settings))) => settings.tls.as_ref(),
            _ => None,
        };
        tls.is_some_and(|tls| tls.client_ca.is_some())
    }

    /// The networks whose senders it takes; none: who reaches its address.
    pub fn allowed(&self) -> &[Network] {
        match (self, self.listener()) {
            (Self::SnmpTrap(settings), _) => &settings.allow,
            (Self::Http(settings), _) => &settings.allow,
            (_, Some(Listener::Stream(_, settings))) => &settings.allow,
            (_, Some(Listener::Datagrams(_, settings))) => &settings.allow,
            _ => &[],
        }
    }

    /// The type as in the settings.
    pub fn kind(&self) -> &'static str {
        match (self, self.listener()) {
            (_, Some(Listener::Stream(protocol, _))) => protocol.kind,
            (_, Some(Listener::Datagrams(datagrams, _))) => datagrams.kind,
            (Self::Http(_), None) => "http",
            (Self::Journald(_), None) => "journald",
            (Self::SnmpTrap(_), None) => "snmp-trap",
            (Self::Wef(_), None) => "wef",
            (Self::Sql(_), None) => "sql",
            (Self::S3(_), None) => "s3",
            (Self::Kafka(_), None) => "kafka",
            (Self::Sftp(_), None) => "sftp",
            (Self::Command(_), None) => "command",
            (_, None) => "file",
        }
    }

    /// The input that these settings describe, or what is wrong with them.
    pub fn build(&self) -> Result<Box<dyn Input>> {
        Ok(match (self, self.listener()) {
            (_, Some(Listener::Stream(protocol, settings))) => Box::new(stream::StreamInput::new(protocol, settings.clone())?),
            (_, Some(Listener::Datagrams(datagrams, settings))) => Box::new(udp::UdpInput::new(datagrams, settings.clone())?),
            (Self::File(settings), None) => Box::new(crate::files::FileInput::new(settings.clone())?),
            (Self::Http(settings), None) => Box::new(crate::requests::HttpInput::new(settings.clone())?),
            (Self::Journald(settings), None) => Box::new(crate::journald::JournaldInput::new(settings.clone())?),
            (Self::SnmpTrap(settings), None) => Box::new(crate::snmp::SnmpInput::new(settings.clone())?),
            (Self::Wef(settings), None) => Box::new(crate::wef::WefInput::new(settings.clone())?),
            (Self::Sql(settings), None) => Box::new(crate::sql::SqlInput::new(settings.clone())?),
            (Self::S3(settings), None) => Box::new(crate::s3::S3Input::new(settings.clone())?),
            (Self::Kafka(settings), None) => Box::new(crate::kafka::KafkaInput::new(settings.clone())?),
            (Self::Sftp(settings), None) => Box::new(crate::sftp::SftpInput::new(settings.clone())?),
            (Self::Command(settings), None) => Box::new(crate::command::CommandInput::new(settings.clone())?),
            (_, None) => return Err(Error::new(ErrorKind::Bug, "an input without anything that builds it")),
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
