//! The one loop for connections: accepting within limits, PROXY header, TLS, reading, and answering what is durable.
//! A full queue stops the reading, and TCP stops the sender.

use super::proxy;
use super::session::{Session, Step, Taken};
use crate::counters::InputCounters;
use crate::gather::Chunk;
use crate::input::Stop;
use crate::network::Allowed;
use futures::FutureExt;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use rustls::pki_types::CertificateDer;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::ready;
use std::time::Duration;
use taffrail_base::limits::SYSLOG_HELD_BYTES_MAX;
use taffrail_base::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How long a PROXY header and a TLS handshake may take.
const HELLO_WAIT: Duration = Duration::from_secs(10);

/// Answers of one connection that may wait for what is durable; more, and nothing is read until some are written.
const ANSWERS_MAX: usize = 32;

/// How long a peer may take to accept an answer.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// How long a peer waits for an answer before it is told that we are there, where the protocol has that.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Looks at whether a connection is idle, in the time that it may be.
const IDLE_TICKS: u32 = 8;

/// Reads of a stopping connection.
const STOP_READS: usize = 64;

/// Bytes read at once: they live on the stack while something is read, so that idle connections cost no buffer.
const READ_BYTES: usize = 64 * 1024;

/// Opens a listening socket.
pub(crate) fn bind(title: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
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
    open().map_err(|error| listen_error(title, address, error))
}

/// An address that cannot be listened on, with the way out.
pub(crate) fn listen_error(what: &str, address: SocketAddr, error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::AddrInUse { ErrorKind::Busy } else { ErrorKind::Io };
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there: choose another address",
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher port",
        _ => "choose an address of this machine",
    };
    Error::new(kind, format!("{what} cannot listen on {address}: {error}")).with_hint(hint).with_source(error)
}

/// How many connections each address has.
#[derive(Clone)]
pub(crate) struct Addresses {
    open: Arc<Mutex<FxHashMap<IpAddr, usize>>>,
    most: usize,
}

/// A place of an address, given back when dropped.
struct Place(Addresses, IpAddr);

impl Addresses {
    pub fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    fn take(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.open.lock();
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Place(self.clone(), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.open.lock();
        if let Some(count) = open.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.1);
            }
        }
    }
}

/// Who has connected.
pub(crate) struct Caller {
    /// Its address, or that of the sender for whom it speaks.
    pub peer: IpAddr,
    /// The certificate that it has shown, which is good.
    pub certificate: Option<CertificateDer<'static>>,
}

/// What speaks with those who were let in.
pub(crate) trait Serve: Clone + Send + 'static {
    /// Speaks with one until it ends, or we stop.
    fn serve(self, wire: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, caller: Caller) -> impl Future<Output = ()> + Send;
}

/// Who is let in, and how.
#[derive(Clone)]
pub(crate) struct Door {
    pub counters: Arc<InputCounters>,
    pub stop: Stop,
    pub acceptor: Option<TlsAcceptor>,
    pub allowed: Allowed,
    pub proxy_protocol: bool,
    pub addresses: Addresses,
}

impl Door {
    /// Takes connections until it is told to stop, and returns when all of them have ended.
    pub async fn accept(self, listener: TcpListener, connections_max: usize, serve: impl Serve) {
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
                Ok((_, peer)) if !self.allowed.admits(peer.ip()) => self.counters.connection_refused(),
                Ok((stream, peer)) => match Arc::clone(&permits).try_acquire_owned() {
                    Ok(permit) => {
                        let (door, serve) = (self.clone(), serve.clone());
                        connections.spawn(async move {
                            door.greet(stream, peer.ip(), serve).await;
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

    /// What comes before the protocol: for whom it speaks, and TLS.
    async fn greet(mut self, mut stream: TcpStream, peer: IpAddr, serve: impl Serve) {
        // Finds peers that vanished without a word.
        let _ = socket2::SockRef::from(&stream).set_keepalive(true);
        let mut stop = self.stop.clone();
        let mut peer = peer;
        if self.proxy_protocol {
            let named = tokio::select! {
                () = stop.stopped() => return,
                named = tokio::time::timeout(HELLO_WAIT, proxy::header(&mut stream)) => named,
            };
            match named {
                Ok(Ok(named)) => peer = named.unwrap_or(peer),
                Ok(Err(error)) => return self.refuse(peer, &error),
                Err(late) => return self.refuse(peer, &late),
            }
            // Whoever speaks for others says for whom: they have to be let in, too.
            if !self.allowed.admits(peer) {
                return self.counters.connection_refused();
            }
        }
        let Some(_place) = self.addresses.take(peer) else {
            return self.counters.connection_refused();
        };
        self.counters.connection_opened();
        match self.acceptor.take() {
            None => serve.serve(stream, Caller { peer, certificate: None }).await,
            Some(acceptor) => {
                let greeted = tokio::select! {
                    () = stop.stopped() => None,
                    greeted = tokio::time::timeout(HELLO_WAIT, acceptor.accept(stream)) => Some(greeted),
                };
                match greeted {
                    None => {}
                    Some(Ok(Ok(stream))) => {
                        let shown = stream.get_ref().1.peer_certificates();
                        let certificate = shown.and_then(|chain| chain.first()).map(|first| first.clone().into_owned());
                        serve.serve(stream, Caller { peer, certificate }).await;
                    }
                    Some(Ok(Err(error))) => self.refuse(peer, &error),
                    Some(Err(late)) => self.refuse(peer, &late),
                }
            }
        }
        self.counters.connection_closed();
    }

    fn refuse(&self, peer: IpAddr, error: &dyn std::fmt::Display) {
        self.counters.connection_refused();
        self.counters.problem(format!("a connection of {peer} was refused: {error}"));
    }
}

/// What all connections of a listener share.
#[derive(Clone)]
pub(crate) struct Server {
    pub counters: Arc<InputCounters>,
    pub chunks: mpsc::Sender<Chunk>,
    pub stop: Stop,
    pub idle: Duration,
    pub session: fn(usize) -> Box<dyn Session>,
    pub message_bytes_max: usize,
    /// Bytes of unfinished messages of all connections together.
    pub held: Arc<AtomicUsize>,
}

impl Serve for Server {
    async fn serve(self, wire: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, caller: Caller) {
        self.converse(wire, caller.peer).await;
    }
}

impl Server {
    /// Reads until the peer ends, is idle for too long, breaks the protocol, or we stop.
    async fn converse(self, mut wire: impl AsyncRead + AsyncWrite + Unpin, peer: IpAddr) {
        let mut session = (self.session)(self.message_bytes_max);
        let mut answers = Answers { waiting: VecDeque::new(), all: session.acknowledges() };
        let mut held = 0;
        let alive = session.still_alive();
        // Both are set up once, not anew with each read.
        let mut stop = self.stop.clone();
        let mut stopped = pin!(stop.stopped());
        let mut tick = pin!(tokio::time::sleep(self.idle / IDLE_TICKS));
        let mut quiet = 0;
        let intact = loop {
            let waits = !answers.waiting.is_empty();
            let event = tokio::select! {
                biased;
                () = &mut stopped => Event::Stop,
                answer = answers.next(), if waits => Event::Answer(answer),
                () = tokio::time::sleep(ALIVE_EVERY), if waits && !alive.is_empty() => Event::Answer(Some(alive.to_vec())),
                read = read(&mut wire, &mut *session, peer), if answers.waiting.len() < ANSWERS_MAX => read.map_or(Event::End, Event::Read),
                () = &mut tick => Event::Tick,
            };
            match event {
                Event::Read((0, _)) | Event::End => {
                    self.unfinished(&*session);
                    break true;
                }
                // One tick more, as the first may have begun long before the last byte.
                Event::Tick if quiet >= IDLE_TICKS => {
                    self.unfinished(&*session);
                    break true;
                }
                Event::Tick => {
                    // Who waits for us is not idle.
                    quiet = if waits { 0 } else { quiet + 1 };
                    let next = tick.deadline() + self.idle / IDLE_TICKS;
                    tick.as_mut().reset(next);
                }
                Event::Stop => break self.drain(&mut wire, &mut *session, peer, &mut answers).await,
                Event::Answer(answer) => {
                    if !write(&mut wire, answer).await {
                        break false;
                    }
                }
                Event::Read((_, taken)) => {
                    quiet = 0;
                    held = self.hold(held, session.held());
                    if !self.take(taken, peer, &mut answers).await {
                        break true;
                    }
                    if self.held.load(Ordering::Relaxed) > SYSLOG_HELD_BYTES_MAX && held > 0 {
                        self.counters.problem(format!(
                            "connection of {peer} closed: unfinished messages of all connections fill the memory set aside"
                        ));
                        break true;
                    }
                }
            }
        };
        let mut rest = Taken::default();
        session.finish(peer, &mut rest);
        self.hold(held, 0);
        if self.take(rest, peer, &mut answers).await && intact {
            self.end(wire, answers, session.farewell()).await;
        }
    }

    /// A message that a peer broke off in was not acknowledged: it comes again, and is counted. Without acknowledgements it is kept.
    fn unfinished(&self, session: &dyn Session) {
        if session.acknowledges() && session.held() > 0 {
            self.counters.skip("unfinished");
        }
    }

    /// What the kernel has taken in by now is kept; what a busy sender goes on writing is not awaited.
    async fn drain(&self, wire: &mut (impl AsyncRead + Unpin), session: &mut dyn Session, peer: IpAddr, answers: &mut Answers) -> bool {
        for _ in 0..STOP_READS {
            match tokio::task::unconstrained(read(wire, session, peer)).now_or_never() {
                Some(Ok((read, taken))) if read > 0 => {
                    if !self.take(taken, peer, answers).await {
                        break;
                    }
                }
                _ => break,
            }
        }
        true
    }

    /// Hands messages over and notes what is to be answered; false when the connection is to be closed.
    async fn take(&self, taken: Taken, peer: IpAddr, answers: &mut Answers) -> bool {
        taken.refused.iter().for_each(|reason| self.counters.skip(reason));
        for Step { mut chunk, answer } in taken.steps {
            let mut receipt = None;
            if !chunk.is_empty() {
                if answers.all {
                    let (sender, receiver) = oneshot::channel();
                    chunk.receipt = Some(sender);
                    receipt = Some(receiver);
                }
                if self.chunks.send(chunk).await.is_err() {
                    return false;
                }
            }
            if receipt.is_some() || !answer.is_empty() {
                answers.waiting.push_back((receipt, answer));
            }
        }
        if let Some(why) = &taken.end
            && !why.is_empty()
        {
            self.counters.problem(format!("connection of {peer} closed: {why}"));
        }
        taken.end.is_none()
    }

    /// Answers what is still to be answered, says goodbye and closes.
    async fn end(&self, mut wire: impl AsyncWrite + Unpin, mut answers: Answers, farewell: &[u8]) {
        while !answers.waiting.is_empty() {
            let answer = answers.next().await;
            if !write(&mut wire, answer).await {
                return;
            }
        }
        if self.stop.is_stopped() && !write(&mut wire, Some(farewell.to_vec())).await {
            return;
        }
        let _ = tokio::time::timeout(HELLO_WAIT, wire.shutdown()).await;
    }

    /// Books a change of what this connection holds.
    fn hold(&self, before: usize, now: usize) -> usize {
        self.held.fetch_add(now, Ordering::Relaxed);
        self.held.fetch_sub(before, Ordering::Relaxed);
        now
    }
}

enum Event {
    Read((usize, Taken)),
    Answer(Option<Vec<u8>>),
    Stop,
    Tick,
    End,
}

/// Answers in the order of what they answer.
struct Answers {
    waiting: VecDeque<(Option<oneshot::Receiver<()>>, Vec<u8>)>,
    /// Whether everything is answered, so that everything has a receipt.
    all: bool,
}

impl Answers {
    /// The next answer once what it answers is durable; `None` when that was given up. May be dropped and called again.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let (receipt, _) = self.waiting.front_mut()?;
        let durable = match receipt {
            Some(receipt) => receipt.await.is_ok(),
            None => true,
        };
        let (_, answer) = self.waiting.pop_front()?;
        durable.then_some(answer)
    }
}

/// Writes an answer; false when there is none to be given, or nobody takes it.
async fn write(wire: &mut (impl AsyncWrite + Unpin), answer: Option<Vec<u8>>) -> bool {
    match answer {
        None => false,
        Some(answer) if answer.is_empty() => true,
        Some(answer) => {
            let written = async {
                wire.write_all(&answer).await?;
                wire.flush().await
            };
            matches!(tokio::time::timeout(WRITE_WAIT, written).await, Ok(Ok(())))
        }
    }
}

/// Reads what is there and takes it apart; no bytes mean the end.
async fn read(wire: &mut (impl AsyncRead + Unpin), session: &mut dyn Session, peer: IpAddr) -> io::Result<(usize, Taken)> {
    poll_fn(|context| {
        let mut space = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *wire).poll_read(context, &mut buffer))?;
        let mut taken = Taken::default();
        let bytes = buffer.filled();
        if !bytes.is_empty() {
            session.push(bytes, peer, &mut taken);
        }
        std::task::Poll::Ready(Ok((bytes.len(), taken)))
    })
    .await
}
