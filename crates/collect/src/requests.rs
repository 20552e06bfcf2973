//! A door for what others push over HTTP: an address of its own, with TLS, networks and limits as all that listens for
//! connections has them. What is answered there is not decided here: whoever starts the input gives what answers.

use crate::counters::InputCounters;
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use crate::network::{Allowed, Network};
use crate::stream::server::{Addresses, Caller, Door, Serve, bind};
use crate::stream::{TlsSettings, tls};
use crate::zone::ZoneName;
use futures::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use taffrail_base::limits::SYSLOG_TCP_CONNECTIONS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Secret};
use tokio::io::{AsyncRead, AsyncWrite};

/// What may be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pushed {
    /// Splunk's HTTP event collector.
    Hec,
    /// Elasticsearch's `_bulk`.
    Elasticsearch,
    /// OpenTelemetry's logs, over HTTP and gRPC.
    Otlp,
    /// Loki's push.
    Loki,
    /// GELF over HTTP.
    Gelf,
    /// Logs for Datadog.
    Datadog,
    /// The systemd journal of other machines.
    Journal,
    /// Lines, and JSON lines.
    Raw,
}

impl Pushed {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Hec, Self::Elasticsearch, Self::Otlp, Self::Loki, Self::Gelf, Self::Datadog, Self::Journal, Self::Raw];
}

/// `[[input]] type = "http"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Address and port to listen on; port 8088 of the loopback address if not given.
    pub address: Option<SocketAddr>,
    /// What is taken; all if not given.
    pub accept: Vec<Pushed>,
    /// Who pushes must name one of them; those of `[ingest]` if not given.
    pub tokens: Vec<Secret>,
    /// The networks whose senders are taken, such as `["10.0.0.0/8"]`, or `["any"]`. Without any: who reaches the address.
    pub allow: Vec<Network>,
    /// Index of events that name none; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of events that name none.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever it says.
    pub host: Option<String>,
    /// Source of events that name none; the protocol if not given.
    pub source: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; that of this machine if not given.
    pub zone: Option<ZoneName>,
    /// Connections open at the same time; more are closed at once and counted.
    pub connections_max: usize,
    /// Connections of one address; as many as of all if not given.
    pub connections_per_address_max: Option<usize>,
    /// Seconds without a request after which a connection is closed.
    pub idle_seconds: f64,
    /// Whether every connection begins with a header of the PROXY protocol, which names the sender.
    pub proxy_protocol: bool,
    /// Our certificate and whose we want to see; without it connections are in the clear.
    pub tls: Option<TlsSettings>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            address: None,
            accept: Vec::new(),
            tokens: Vec::new(),
            allow: Vec::new(),
            index: None,
            sourcetype: None,
            host: None,
            source: None,
            zone: None,
            connections_max: SYSLOG_TCP_CONNECTIONS_MAX,
            connections_per_address_max: None,
            idle_seconds: 300.0,
            proxy_protocol: false,
            tls: None,
        }
    }
}

impl HttpSettings {
    /// What is taken, each once.
    pub fn accepted(&self) -> Vec<Pushed> {
        Pushed::ALL.into_iter().filter(|pushed| self.accept.is_empty() || self.accept.contains(pushed)).collect()
    }
}

/// A request as it comes from a connection.
pub type Asked = Request<Incoming>;

/// Its answer.
pub type Answered = Response<UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

/// Answers the requests of a door, given who sends them.
pub type Answer = Arc<dyn Fn(IpAddr, Asked) -> BoxFuture<'static, Answered> + Send + Sync>;

/// Whoever can answer what is pushed.
pub trait Requests: Send + Sync {
    /// What answers at a door with these settings, on this account.
    fn door(&self, settings: &HttpSettings, counters: &Arc<InputCounters>) -> Answer;
}

/// The address that it has without settings.
pub(crate) fn address_of(settings: &HttpSettings) -> SocketAddr {
    settings.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8088)))
}

/// The door, not yet open.
pub struct HttpInput {
    settings: HttpSettings,
    idle: Duration,
}

impl HttpInput {
    /// Checks the settings.
    pub fn new(settings: HttpSettings) -> Result<Self> {
        checked_index(settings.index.as_deref())?;
        for (name, value) in [("source", &settings.source), ("host", &settings.host), ("sourcetype", &settings.sourcetype)] {
            crate::http::checked(name, value.as_deref())?;
        }
        if settings.tokens.iter().any(|token| token.reveal().is_empty()) {
            return Err(Error::new(ErrorKind::Invalid, "a token is empty").with_hint("take it out, or give it some characters"));
        }
        Ok(Self { idle: seconds("idle_seconds", settings.idle_seconds)?, settings })
    }
}

impl Input for HttpInput {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn name(&self) -> String {
        format!("{} {}", self.kind(), address_of(&self.settings))
    }

    fn start(&self, context: Context) -> Result<Running> {
        let settings = &self.settings;
        let Some(requests) = &context.requests else {
            return Err(Error::new(ErrorKind::Invalid, "nothing here answers what is pushed over HTTP"));
        };
        // gRPC is spoken over HTTP/2 alone.
        let acceptor = settings.tls.as_ref().map(|of| tls::acceptor_for(of, &*context.vfs, &[b"h2", b"http/1.1"])).transpose()?;
        let (listener, address) = bind("HTTP", address_of(settings))?;
        let counters = Arc::new(InputCounters::new(format!("{} {address}", self.kind()), self.kind()));
        let (stopper, stop) = Stop::channel();
        let door = Door {
            counters: Arc::clone(&counters),
            stop: stop.clone(),
            acceptor,
            allowed: Allowed::new(&settings.allow, &counters),
            proxy_protocol: settings.proxy_protocol,
            addresses: Addresses::new(settings.connections_per_address_max.unwrap_or(usize::MAX)),
        };
        let connections = Connections { answer: requests.door(settings, &counters), stop, idle: self.idle };
        let task = tokio::spawn(door.accept(listener, settings.connections_max, connections));
        Ok(Running::new(counters, Some(address), stopper, task))
    }
}

/// How long a request that is being answered may go on when we stop.
const GOODBYE_WAIT: Duration = Duration::from_secs(10);

/// Speaks HTTP on connections, of version 1 or 2 as the sender begins.
#[derive(Clone)]
struct Connections {
    answer: Answer,
    stop: Stop,
    /// How long a connection may be without a request.
    idle: Duration,
}

/// Requests of a connection so far, and those that are being answered.
#[derive(Default)]
struct Tally {
    asked: AtomicUsize,
    open: AtomicUsize,
}

impl Serve for Connections {
    async fn serve(mut self, wire: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, caller: Caller) {
        let (peer, answer) = (caller.peer.to_canonical(), Arc::clone(&self.answer));
        let tally = Arc::<Tally>::default();
        let counting = Arc::clone(&tally);
        let service = service_fn(move |request: Asked| {
            let (answered, counting) = (answer(peer, request), Arc::clone(&counting));
            async move {
                counting.asked.fetch_add(1, Ordering::Relaxed);
                counting.open.fetch_add(1, Ordering::Relaxed);
                let answered = answered.await;
                counting.open.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(answered)
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // Who hangs up when all is sent, as those do who wait for no answer, has sent it all the same.
        builder.http1().half_close(true);
        let connection = builder.serve_connection(TokioIo::new(wire), service);
        tokio::pin!(connection);
        let mut closing = false;
        loop {
            let asked = tally.asked.load(Ordering::Relaxed);
            let wait = if closing { GOODBYE_WAIT } else { self.idle };
            tokio::select! {
                // A connection that breaks, or speaks no HTTP, is over; who was not answered sends again.
                _ = connection.as_mut() => return,
                () = self.stop.stopped(), if !closing => closing = true,
                () = tokio::time::sleep(wait) => match closing {
                    true => return,
                    false => closing = tally.open.load(Ordering::Relaxed) == 0 && tally.asked.load(Ordering::Relaxed) == asked,
                },
            }
            if closing {
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
