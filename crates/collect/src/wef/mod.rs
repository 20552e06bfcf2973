//! Windows Event Forwarding: a collector that sources turn to of themselves (WS-Management, source-initiated subscriptions,
//! delivery by push), over HTTPS with certificates on both sides.
//!
//! **Promise.** An envelope is acknowledged when all its events are durable, together with the bookmark that the source gave
//! with them; never before. What was not acknowledged the source sends again, and what of it is there already is told by its
//! check sum and not kept twice. A source that begins anew is given its bookmark and goes on from there.
//!
//! [`sldc`] expands, [`envelope`] reads and writes SOAP, [`subscription`] is what sources are asked for, [`identity`] who they
//! are, [`progress`] how far they have come; `service` answers their requests. Kerberos is not spoken.

pub mod envelope;
pub mod identity;
pub mod progress;
mod service;
pub mod sldc;
pub mod subscription;

use crate::counters::InputCounters;
use crate::decode;
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use crate::network::Allowed;
use crate::stream::server::{Addresses, Door, bind};
use crate::stream::{TlsSettings, tls};
use crate::zone::Zones;
use serde::{Deserialize, Serialize};
use service::{Connections, Service, Setup};
use sha1::{Digest, Sha1};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use subscription::{Subscription, SubscriptionSettings};
use taffrail_base::limits::SYSLOG_TCP_CONNECTIONS_MAX;
use taffrail_base::{Error, ErrorKind, Result};

/// `[[input]] type = "wef"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WefSettings {
    /// Address and port to listen on; port 5986 of the loopback address if not given.
    pub address: Option<SocketAddr>,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; `XmlWinEventLog` if not given.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever it says.
    pub host: Option<String>,
    /// Source of the events; `XmlWinEventLog:` and the channel if not given.
    pub source: Option<String>,
    /// Connections open at the same time; more are closed at once and counted.
    pub connections_max: usize,
    /// Connections of one address; as many as of all if not given.
    pub connections_per_address_max: Option<usize>,
    /// Seconds without a request after which a connection is closed.
    pub idle_seconds: f64,
    /// Whether every connection begins with a header of the PROXY protocol, which names the sender.
    pub proxy_protocol: bool,
    /// Our certificate, and the authorities that sign those of sources. Both are needed.
    pub tls: Option<TlsSettings>,
    /// What sources are asked for; the usual logs of all of them if nothing is given.
    pub subscriptions: Vec<SubscriptionSettings>,
}

impl Default for WefSettings {
    fn default() -> Self {
        Self {
            address: None,
            index: None,
            sourcetype: None,
            host: None,
            source: None,
            connections_max: SYSLOG_TCP_CONNECTIONS_MAX,
            connections_per_address_max: None,
            idle_seconds: 7_200.0,
            proxy_protocol: false,
            tls: None,
            subscriptions: vec![SubscriptionSettings::default()],
        }
    }
}

/// The address that it has without settings.
pub(crate) fn address_of(settings: &WefSettings) -> SocketAddr {
    settings.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 5986)))
}

/// The listener, not yet started.
pub struct WefInput {
    settings: WefSettings,
    tls: TlsSettings,
    index: Arc<str>,
    idle: Duration,
}

impl WefInput {
    /// Checks the settings.
    pub fn new(settings: WefSettings) -> Result<Self> {
        let index = checked_index(settings.index.as_deref())?;
        let idle = seconds("idle_seconds", settings.idle_seconds)?;
        let Some(tls) = settings.tls.clone().filter(|tls| tls.client_ca.is_some()) else {
            return Err(Error::new(ErrorKind::Invalid, "wef needs a certificate, and the authority that signs those of sources")
                .with_hint("add a table [input.tls] with certificate = \"FILE\", key = \"FILE\" and client_ca = \"FILE\""));
        };
        for (at, one) in settings.subscriptions.iter().enumerate() {
            Subscription::new(one.clone(), &[])?;
            if settings.subscriptions[..at].iter().any(|other| other.name == one.name) {
                return Err(Error::new(ErrorKind::Invalid, format!("there are two subscriptions {:?}", one.name))
                    .with_hint("give each a name of its own"));
            }
        }
        if settings.subscriptions.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "wef asks for nothing").with_hint("leave out subscriptions = [], or add one"));
        }
        Ok(Self { settings, tls, index, idle })
    }
}

impl Input for WefInput {
    fn kind(&self) -> &'static str {
        "wef"
    }

    fn name(&self) -> String {
        format!("{} {}", self.kind(), address_of(&self.settings))
    }

    fn start(&self, context: Context) -> Result<Running> {
        let settings = &self.settings;
        let acceptor = tls::acceptor(&self.tls, &*context.vfs)?;
        let mut issuers = Vec::new();
        if let Some(path) = &self.tls.client_ca {
            for certificate in tls::certificates(path, &*context.vfs)? {
                issuers.push(Sha1::digest(&certificate).iter().map(|byte| format!("{byte:02X}")).collect::<String>());
            }
        }
        let subscriptions =
            settings.subscriptions.iter().map(|one| Subscription::new(one.clone(), &issuers)).collect::<Result<Vec<_>>>()?;
        let (listener, address) = bind("Windows Event Forwarding", address_of(settings))?;
        let counters = Arc::new(InputCounters::new(format!("{} {address}", self.kind()), self.kind()));
        let (stopper, stop) = Stop::channel();
        let envelope = decode::Envelope {
            index: Arc::clone(&self.index),
            host: settings.host.as_deref().map(Arc::from),
            default_host: Arc::clone(&context.host),
            source: settings.source.as_deref().unwrap_or_default().into(),
            sourcetype: Some(settings.sourcetype.as_deref().unwrap_or("XmlWinEventLog").into()),
            transport: "wef+tls".into(),
            peer: "".into(),
            zones: Zones::of(None, &context),
        };
        let service = Arc::new(Service::new(Setup {
            context,
            counters: Arc::clone(&counters),
            stop: stop.clone(),
            envelope,
            subscriptions,
            issuers,
        }));
        let door = Door {
            counters: Arc::clone(&counters),
            stop: stop.clone(),
            acceptor: Some(acceptor),
            // Who shows a certificate may come from anywhere.
            allowed: Allowed::new(&[], &counters),
            proxy_protocol: settings.proxy_protocol,
            addresses: Addresses::new(settings.connections_per_address_max.unwrap_or(usize::MAX)),
        };
        let connections = Connections { service: Arc::clone(&service), stop, idle: self.idle };
        let connections_max = settings.connections_max;
        let task = tokio::spawn(async move {
            door.accept(listener, connections_max, connections).await;
            // What a source has sent and hung up over is still being stored.
            service.settled().await;
        });
        Ok(Running::new(counters, Some(address), stopper, task))
    }
}
