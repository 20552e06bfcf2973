//! Outputs: what sends events on. One output type = one file + one line in [`OutputSettings`].
//!
//! An output is given events in their order and tells how many of them, from the first on, the receiver has confirmed; what
//! that is worth depends on the protocol and stands in each module's **promise**. It keeps no queue and never retries: whoever
//! routes remembers the place in the store and offers again what was not confirmed. It decides nothing about which events.

pub(crate) mod connection;
mod encode;
mod file;
mod http;
mod kafka;
mod lumberjack;
mod relp;
mod rewrite;
mod snmp;
mod syslog;
mod udp;

pub use connection::OutputTls;
pub use file::FileOutput;
pub use http::{HttpOutput, Token};
pub use kafka::{KafkaOutput, Packed, Value};
pub use lumberjack::LumberjackOutput;
pub use rewrite::Layout;
pub use snmp::SnmpOutput;
pub use syslog::{Framing, SyslogOutput};
pub use udp::UdpOutput;

use futures::future::BoxFuture;
use http::Protocol;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use taffrail_base::{Clock, Error, ErrorKind, Result, Vfs};
use taffrail_event::EventBatch;

/// What an output is given to work with.
#[derive(Clone)]
pub struct Surroundings {
    /// The way to files.
    pub vfs: Arc<dyn Vfs>,
    /// The way to the time.
    pub clock: Arc<dyn Clock>,
}

/// What came of sending events.
#[derive(Debug)]
pub struct Delivered {
    /// Events, from the first on, that the receiver has confirmed.
    pub confirmed: usize,
    /// Events, from the first on, that may have reached the receiver; those that are not confirmed are sent again.
    pub attempted: usize,
    /// Of the confirmed ones those that the receiver will never take, and why the last of them: they are not sent again.
    pub refused: Option<(u64, String)>,
    /// What went wrong, if not all are confirmed.
    pub outcome: Result<()>,
}

impl Delivered {
    /// All events are confirmed.
    pub fn all(events: usize) -> Self {
        Self { confirmed: events, attempted: events, refused: None, outcome: Ok(()) }
    }

    /// Nothing is confirmed.
    pub fn failed(attempted: usize, error: Error) -> Self {
        Self { confirmed: 0, attempted, refused: None, outcome: Err(error) }
    }
}

/// How far a connection has got with events that it was given: sent, and of these confirmed.
#[derive(Debug, Default)]
struct Progress {
    sent: usize,
    confirmed: usize,
}

impl Progress {
    /// What came of it, if it ended so.
    fn delivered(self, outcome: Result<()>) -> Delivered {
        Delivered { confirmed: self.confirmed, attempted: self.sent, refused: None, outcome }
    }
}

/// Sends events on.
pub trait Output: Send {
    /// Sends the events with these numbers, and waits until they are confirmed or it is clear that they are not. What it tells is
    /// counted from the first of them on.
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, range: Range<usize>) -> BoxFuture<'a, Delivered>;

    /// Whether the receiver is told ids of events, where they have some, so that it can tell what it is sent again.
    fn wants_ids(&self) -> bool {
        false
    }

    /// What has to be remembered with the place, beside the place: given to [`Output::resume`] after a restart.
    fn mark(&self) -> Option<String> {
        None
    }

    /// Takes up where `mark` was taken.
    fn resume(&mut self, _mark: &str) {}
}

/// What is spoken over a connection that stays open.
trait Streaming: Send + Sync {
    /// The connection, with what is known of it.
    type Open: Send;

    /// The connection that was kept, where it can still be used, else a new one.
    fn opened(&mut self) -> impl Future<Output = Result<Self::Open>> + Send;

    /// Sends the events with these numbers, and notes how far it has got.
    fn stream(
        &self,
        open: &mut Self::Open,
        batch: &EventBatch,
        range: Range<usize>,
        progress: &mut Progress,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Keeps a connection for the next events, where it has not failed.
    fn keep(&mut self, open: Option<Self::Open>);
}

impl<S: Streaming> Output for S {
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, range: Range<usize>) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let mut open = match self.opened().await {
                Ok(open) => open,
                Err(error) => return Delivered::failed(0, error),
            };
            let mut progress = Progress::default();
            let outcome = self.stream(&mut open, batch, range, &mut progress).await;
            self.keep(outcome.is_ok().then_some(open));
            progress.delivered(outcome)
        })
    }
}

/// The settings of one output: `[routes.output]` with its `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum OutputSettings {
    /// Syslog datagrams.
    SyslogUdp(UdpOutput),
    /// Syslog over TCP, with TLS if that is set.
    SyslogTcp(SyslogOutput),
    /// Syslog over RELP, with TLS if that is set.
    Relp(SyslogOutput),
    /// A file of lines.
    File(FileOutput),
    /// Splunk's HTTP Event Collector.
    Hec(HttpOutput),
    /// OTLP over HTTP, as JSON.
    Otlp(HttpOutput),
    /// Elasticsearch's `_bulk`.
    Elastic(HttpOutput),
    /// Loki's push, as JSON.
    Loki(HttpOutput),
    /// The bytes of each event and a line feed.
    Lines(HttpOutput),
    /// An event as one JSON object, a line each.
    JsonLines(HttpOutput),
    /// Another Taffrail: events with their times and origins.
    Taffrail(HttpOutput),
    /// GELF over HTTP, messages one behind the other.
    GelfHttp(HttpOutput),
    /// Datadog's intake of logs.
    Datadog(HttpOutput),
    /// The systemd journal's export format, as `systemd-journal-upload` sends it.
    JournalUpload(HttpOutput),
    /// Lumberjack 2, as Beats speak it.
    Lumberjack(LumberjackOutput),
    /// SNMP notifications.
    SnmpTrap(SnmpOutput),
    /// A topic of Kafka.
    Kafka(KafkaOutput),
}

impl OutputSettings {
    /// The type as in the settings.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SyslogUdp(_) => "syslog-udp",
            Self::SyslogTcp(_) => "syslog-tcp",
            Self::Relp(_) => "relp",
            Self::File(_) => "file",
            Self::Hec(_) => "hec",
            Self::Otlp(_) => "otlp",
            Self::Elastic(_) => "elastic",
            Self::Loki(_) => "loki",
            Self::Lines(_) => "lines",
            Self::JsonLines(_) => "json-lines",
            Self::Taffrail(_) => "taffrail",
            Self::GelfHttp(_) => "gelf-http",
            Self::Datadog(_) => "datadog",
            Self::JournalUpload(_) => "journal-upload",
            Self::Lumberjack(_) => "lumberjack",
            Self::SnmpTrap(_) => "snmp-trap",
            Self::Kafka(_) => "kafka",
        }
    }

    /// Where it sends to.
    pub fn target(&self) -> String {
        match self {
            Self::SyslogUdp(settings) => settings.address.clone(),
            Self::SyslogTcp(settings) | Self::Relp(settings) => settings.address.clone(),
            Self::File(settings) => settings.path.display().to_string(),
            Self::Lumberjack(settings) => settings.address.clone(),
            Self::SnmpTrap(settings) => settings.address.clone(),
            Self::Kafka(settings) => format!("{}/{}", settings.brokers.join(","), settings.topic),
            _ => self.http().map(|(_, settings)| settings.url.clone()).unwrap_or_default(),
        }
    }

    fn http(&self) -> Option<(Protocol, &HttpOutput)> {
        Some(match self {
            Self::Hec(settings) => (Protocol::Hec, settings),
            Self::Otlp(settings) => (Protocol::Otlp, settings),
            Self::Elastic(settings) => (Protocol::Elastic, settings),
            Self::Loki(settings) => (Protocol::Loki, settings),
            Self::Lines(settings) => (Protocol::Lines, settings),
            Self::JsonLines(settings) => (Protocol::JsonLines, settings),
            Self::Taffrail(settings) => (Protocol::Taffrail, settings),
            Self::GelfHttp(settings) => (Protocol::Gelf, settings),
            Self::Datadog(settings) => (Protocol::Datadog, settings),
            Self::JournalUpload(settings) => (Protocol::Journal, settings),
            Self::SyslogUdp(_) | Self::SyslogTcp(_) | Self::Relp(_) | Self::File(_) => return None,
            Self::Lumberjack(_) | Self::SnmpTrap(_) | Self::Kafka(_) => return None,
        })
    }

    /// The output that these settings describe, or what is wrong with them. Nothing is connected yet.
    pub fn build(&self, around: &Surroundings) -> Result<Box<dyn Output>> {
        if let Some((protocol, settings)) = self.http() {
            return Ok(Box::new(http::Http::new(protocol, settings, around)?));
        }
        Ok(match self {
            Self::SyslogUdp(settings) => Box::new(udp::Udp::new(&settings.address, udp::Writing::Layout(settings.layout))?),
            Self::SyslogTcp(settings) => Box::new(syslog::Syslog::new(settings, around)?),
            Self::Relp(settings) => Box::new(relp::Relp::new(settings, around)?),
            Self::File(settings) => Box::new(file::File::new(settings, around)),
            Self::Lumberjack(settings) => Box::new(lumberjack::Lumberjack::new(settings, around)?),
            Self::SnmpTrap(settings) => Box::new(settings.output()?),
            Self::Kafka(settings) => Box::new(kafka::Kafka::new(settings, around)?),
            _ => return Err(Error::new(ErrorKind::Bug, "an output without anything that builds it")),
        })
    }
}
