//! Syslog over TCP. One task per connection cuts messages out; a full queue stops the reading, and TCP stops
//! the sender. There is no acknowledgement in this protocol: what a sender has written is not yet stored.

use super::{Chunk, Gatherer, QUEUE_CHUNKS};
use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use taffrail_base::limits::{SYSLOG_HELD_BYTES_MAX, SYSLOG_TCP_CONNECTIONS_MAX, SYSLOG_TCP_MESSAGE_BYTES_MAX};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_format::SyslogFramer;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// `[[input]] type = "syslog-tcp"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TcpSettings {
    /// Address and port to listen on.
    pub address: SocketAddr,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; `syslog` if not given.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever its header says.
    pub host: Option<String>,
    /// Source of the events; `tcp:<port>` if not given.
    pub source: Option<String>,
    /// Connections open at the same time; more are closed at once and counted.
    pub connections_max: usize,
    /// Seconds without a byte after which a connection is closed.
    pub idle_seconds: f64,
    /// Bytes of one message; longer ones are split, each further part marked as a continuation.
    pub message_bytes_max: usize,
}

impl Default for TcpSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 5514)),
            index: None,
            sourcetype: None,
            host: None,
            source: None,
            connections_max: SYSLOG_TCP_CONNECTIONS_MAX,
            idle_seconds: 3600.0,
            message_bytes_max: SYSLOG_TCP_MESSAGE_BYTES_MAX,
        }
    }
}

/// The listener, not yet started.
pub struct TcpInput {
    settings: TcpSettings,
    index: Arc<str>,
    idle: Duration,
}

impl TcpInput {
    /// Checks the settings.
    pub fn new(settings: TcpSettings) -> Result<Self> {
        let index = checked_index(settings.index.as_deref())?;
        let idle = seconds("idle_seconds", settings.idle_seconds)?;
        Ok(Self { settings, index, idle })
    }
}

impl Input for TcpInput {
    fn kind(&self) -> &'static str {
        "syslog-tcp"
    }

    fn name(&self) -> String {
        format!("syslog-tcp {}", self.settings.address)
    }

    fn start(&self, context: Context) -> Result<Running> {
        let (listener, address) = bind(self.settings.address)?;
        let counters = Arc::new(InputCounters::new(format!("syslog-tcp {address}"), self.kind()));
        let envelope = Envelope {
            index: Arc::clone(&self.index),
            host: self.settings.host.as_deref().map(Arc::from),
            source: self.settings.source.as_deref().map_or_else(|| Arc::from(format!("tcp:{}", address.port())), Arc::from),
            sourcetype: Some(self.settings.sourcetype.as_deref().unwrap_or("syslog").into()),
            default_host: Arc::clone(&context.host),
            transport: "syslog+tcp".into(),
            peer: "".into(),
        };
        let (stopper, stop) = Stop::channel();
        let (sender, chunks) = mpsc::channel(QUEUE_CHUNKS);
        let gatherer = Gatherer::new(context, envelope, Arc::clone(&counters), stop.clone());
        let runtime = Handle::current();
        let gathering = tokio::task::spawn_blocking(move || gatherer.run(&runtime, chunks));
        let server = Server {
            counters: Arc::clone(&counters),
            chunks: sender,
            stop,
            idle: self.idle,
            message_bytes_max: self.settings.message_bytes_max.max(1024),
            held: Arc::default(),
        };
        let connections_max = self.settings.connections_max;
        let task = tokio::spawn(async move {
            server.accept(listener, connections_max).await;
            // The server, and with it the last sender, is gone here: the gatherer comes to its end.
            let _ = gathering.await;
        });
        Ok(Running::new(counters, Some(address), stopper, task))
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let open = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        // A restart must not wait for connections of the last run to time out.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        let listener = TcpListener::from_std(socket.into())?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|error| listen_error("syslog over TCP", address, error))
}

/// An address that cannot be listened on, with the way out.
pub(super) fn listen_error(what: &str, address: SocketAddr, error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::AddrInUse { ErrorKind::Busy } else { ErrorKind::Io };
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there: choose another address",
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher port",
        _ => "choose an address of this machine",
    };
    Error::new(kind, format!("{what} cannot listen on {address}: {error}")).with_hint(hint).with_source(error)
}

#[derive(Clone)]
struct Server {
    counters: Arc<InputCounters>,
    chunks: mpsc::Sender<Chunk>,
    stop: Stop,
    idle: Duration,
    message_bytes_max: usize,
    /// Bytes of unfinished messages of all connections together.
    held: Arc<AtomicUsize>,
}

impl Server {
    async fn accept(self, listener: TcpListener, connections_max: usize) {
        let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        let mut connections = JoinSet::new();
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.stopped() => break,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match Arc::clone(&permits).try_acquire_owned() {
                    Ok(permit) => {
                        let server = self.clone();
                        connections.spawn(async move {
                            server.serve(stream, peer.ip()).await;
                            drop(permit);
                        });
                    }
                    Err(_) => self.counters.connection_refused(),
                },
                Err(error) => {
                    // Too many open files, most likely: waiting gives others the time to close some.
                    self.counters.problem(format!("a connection could not be accepted: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }

    async fn serve(mut self, stream: TcpStream, peer: IpAddr) {
        self.counters.connection_opened();
        // Finds peers that vanished without a word.
        let _ = socket2::SockRef::from(&stream).set_keepalive(true);
        let mut framer = SyslogFramer::with_limit(self.message_bytes_max);
        let mut held = 0;
        loop {
            let stopping = tokio::select! {
                biased;
                () = self.stop.stopped() => true,
                readable = tokio::time::timeout(self.idle, stream.readable()) => match readable {
                    Ok(Ok(())) => false,
                    _ => break,
                },
            };
            let mut chunk = Chunk::default();
            let mut more = read(&stream, &mut framer, peer, &mut chunk);
            if stopping {
                // What the kernel has taken in by now is kept; what a busy sender goes on writing is not awaited.
                (1..STOP_READS).for_each(|_| more = more && read(&stream, &mut framer, peer, &mut chunk));
                more = false;
            }
            if !chunk.messages.is_empty() && self.chunks.send(chunk).await.is_err() {
                break;
            }
            held = self.hold(held, framer.held());
            if !more {
                break;
            }
            if self.held.load(Ordering::Relaxed) > SYSLOG_HELD_BYTES_MAX && held > 0 {
                self.counters
                    .problem(format!("connection of {peer} closed: unfinished messages of all connections fill the memory set aside"));
                break;
            }
        }
        let mut chunk = Chunk::default();
        framer.finish(|frame| chunk.push(peer, frame));
        self.hold(held, 0);
        if !chunk.messages.is_empty() {
            let _ = self.chunks.send(chunk).await;
        }
        self.counters.connection_closed();
    }

    /// Books a change of what this connection holds.
    fn hold(&self, before: usize, now: usize) -> usize {
        self.held.fetch_add(now, Ordering::Relaxed);
        self.held.fetch_sub(before, Ordering::Relaxed);
        now
    }
}

/// Reads of a stopping connection.
const STOP_READS: usize = 64;

/// Bytes read at once: lives on the stack, so that idle connections cost no buffer.
const READ_BYTES: usize = 64 * 1024;

/// Takes what is there; false when the connection has ended.
fn read(stream: &TcpStream, framer: &mut SyslogFramer, peer: IpAddr, chunk: &mut Chunk) -> bool {
    let mut buffer = [0; READ_BYTES];
    match stream.try_read(&mut buffer) {
        Ok(0) => false,
        Ok(n) => {
            framer.push(&buffer[..n], |frame| chunk.push(peer, frame));
            true
        }
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}
