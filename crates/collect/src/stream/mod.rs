//! Everything that listens for connections: one set of settings, one way of starting, one loop. A protocol adds a
//! [`Session`](session::Session) and nothing else.
//!
//! **Promise.** A protocol that acknowledges does so when the events are durable on disk, in the order in which they
//! came, never before. A connection that breaks, or a store that gives events up, leaves them unacknowledged: the sender
//! sends them again. A protocol without acknowledgement promises nothing, and keeps what came.

pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod session;
pub mod tls;

pub use tls::TlsSettings;

use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::gather::{Content, Gathering};
use crate::input::{Context, Input, Running, checked_index, seconds};
use crate::network::{Allowed, Network};
use crate::zone::{ZoneName, Zones};
use serde::{Deserialize, Serialize};
use session::Session;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::{SYSLOG_TCP_CONNECTIONS_MAX, SYSLOG_TCP_MESSAGE_BYTES_MAX};
use taffrail_base::{Error, ErrorKind, Result};

/// The settings of an input that takes connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSettings {
    /// Address and port to listen on; the loopback address and the customary port of the protocol if not given.
    pub address: Option<SocketAddr>,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; if not given that of the protocol.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever its header says.
    pub host: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; that of this machine if not given.
    pub zone: Option<ZoneName>,
    /// The same for senders of some networks, such as `{ "10.1.0.0/16" = "America/New_York" }`.
    pub zones: BTreeMap<Network, ZoneName>,
    /// The networks whose senders are taken, such as `["10.0.0.0/8"]`, or `["any"]`. Without any: who reaches the address,
    /// which has to be a loopback one then, or ask for certificates.
    pub allow: Vec<Network>,
    /// Source of the events; protocol and port if not given.
    pub source: Option<String>,
    /// Connections open at the same time; more are closed at once and counted.
    pub connections_max: usize,
    /// Connections of one address; as many as of all if not given.
    pub connections_per_address_max: Option<usize>,
    /// Seconds without a byte after which a connection is closed.
    pub idle_seconds: f64,
    /// Bytes of one message; longer ones are split, each further part marked as a continuation.
    pub message_bytes_max: usize,
    /// Whether every connection begins with a header of the PROXY protocol, which names the sender.
    pub proxy_protocol: bool,
    /// Our certificate and whose we want to see; without it connections are in the clear.
    pub tls: Option<TlsSettings>,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            address: None,
            index: None,
            sourcetype: None,
            host: None,
            zone: None,
            zones: BTreeMap::new(),
            allow: Vec::new(),
            source: None,
            connections_max: SYSLOG_TCP_CONNECTIONS_MAX,
            connections_per_address_max: None,
            idle_seconds: 3600.0,
            message_bytes_max: SYSLOG_TCP_MESSAGE_BYTES_MAX,
            proxy_protocol: false,
            tls: None,
        }
    }
}

/// What a protocol over connections is called, and how it works.
#[derive(Clone, Copy)]
pub(crate) struct Protocol {
    /// The type as in the settings.
    pub kind: &'static str,
    /// For errors: what cannot listen.
    pub title: &'static str,
    /// What comes before the port in the source of its events.
    pub source: &'static str,
    /// The customary port, with and without TLS; where 514 and the like need a privilege, one that needs none.
    pub port: u16,
    /// How its events arrive.
    pub transport: &'static str,
    /// Their sourcetype where none is set; `None`: as the content is.
    pub sourcetype: Option<&'static str>,
    /// Whether it is nothing without TLS.
    pub needs_tls: bool,
    /// A new connection, given the limit of a message.
    pub session: fn(usize) -> Box<dyn Session>,
    /// What its messages are.
    pub content: fn() -> Content,
}

/// A listener, not yet started.
pub(crate) struct StreamInput {
    protocol: Protocol,
    settings: StreamSettings,
    index: Arc<str>,
    idle: Duration,
}

/// The address that a listener of this protocol has without settings.
pub(crate) fn address_of(protocol: &Protocol, settings: &StreamSettings) -> SocketAddr {
    settings.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], protocol.port)))
}

impl StreamInput {
    /// Checks the settings.
    pub fn new(protocol: Protocol, settings: StreamSettings) -> Result<Self> {
        let index = checked_index(settings.index.as_deref())?;
        let idle = seconds("idle_seconds", settings.idle_seconds)?;
        if protocol.needs_tls && settings.tls.is_none() {
            return Err(Error::new(ErrorKind::Invalid, format!("{} needs a certificate", protocol.kind))
                .with_hint("add a table [input.tls] with certificate = \"FILE\" and key = \"FILE\""));
        }
        Ok(Self { protocol, settings, index, idle })
    }
}

impl Input for StreamInput {
    fn kind(&self) -> &'static str {
        self.protocol.kind
    }

    fn name(&self) -> String {
        format!("{} {}", self.protocol.kind, address_of(&self.protocol, &self.settings))
    }

    fn start(&self, context: Context) -> Result<Running> {
        let (protocol, settings) = (&self.protocol, &self.settings);
        let acceptor = settings.tls.as_ref().map(|tls| tls::acceptor(tls, &*context.vfs)).transpose()?;
        let (listener, address) = server::bind(protocol.title, address_of(protocol, settings))?;
        let envelope = Envelope {
            index: Arc::clone(&self.index),
            host: settings.host.as_deref().map(Arc::from),
            source: settings.source.as_deref().map_or_else(|| Arc::from(format!("{}:{}", protocol.source, address.port())), Arc::from),
            sourcetype: settings.sourcetype.as_deref().or(protocol.sourcetype).map(Arc::from),
            default_host: Arc::clone(&context.host),
            transport: if acceptor.is_some() { Arc::from(format!("{}+tls", protocol.transport)) } else { protocol.transport.into() },
            peer: "".into(),
            zones: Zones::of(settings.zone.as_ref(), &context).with(&settings.zones, &context),
        };
        let counters = InputCounters::new(format!("{} {address}", protocol.kind), protocol.kind);
        let gathering = Gathering::start(context, envelope, counters, (protocol.content)());
        let door = server::Door {
            counters: Arc::clone(&gathering.counters),
            stop: gathering.stop.clone(),
            acceptor,
            allowed: Allowed::new(&settings.allow, &gathering.counters),
            proxy_protocol: settings.proxy_protocol,
            addresses: server::Addresses::new(settings.connections_per_address_max.unwrap_or(usize::MAX)),
        };
        let server = server::Server {
            counters: Arc::clone(&gathering.counters),
            chunks: gathering.chunks.clone(),
            stop: gathering.stop.clone(),
            idle: self.idle,
            session: protocol.session,
            message_bytes_max: settings.message_bytes_max.max(1024),
            held: Arc::default(),
        };
        let connections_max = settings.connections_max;
        Ok(gathering.running(address, door.accept(listener, connections_max, server)))
    }
}
