//! SNMP traps and informs, versions 1, 2c and 3, over UDP: each is one event, a JSON object.
//!
//! **Promise.** A trap has no answer. An inform is acknowledged when it is durable, and only then; what was acknowledged and is sent
//! again since the answer was lost is there twice. Of version 3, messages of users that the settings name are taken, at
//! the security level of that user or refused: signed by him, not encrypted where he encrypts, or older than what his engine sent before, is counted as
//! refused. What is no SNMP is counted as `damaged`.

pub(crate) mod ber;
mod trap;
mod usm;
mod v3;

use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::delivery::{OnFailure, deliver};
use crate::input::{Context, Input, Running, Stop, checked_index};
use crate::network::{Allowed, Network};
use crate::outgoing::Outgoing;
use crate::peers::Peers;
use crate::records::{Record, Writer};
use crate::stream::server::listen_error;
use crate::syslog::udp::{bind, kernel_drops};
use crate::zone::Zones;
use ber::{OCTETS, Reader, SEQUENCE, integer, sequence, value};
use serde::{Deserialize, Serialize};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result, Secret};
use taffrail_event::Timestamp;
use tokio::runtime::Handle;
pub use usm::{Auth, Privacy};
use v3::Engine;

/// `[[input]] type = "snmp-trap"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnmpSettings {
    /// The address to listen on; port 1162 of the loopback address if not given.
    pub address: Option<SocketAddr>,
    /// Communities of versions 1 and 2c that are taken; any if none is given.
    pub communities: Vec<Secret>,
    /// Users of version 3.
    pub users: Vec<SnmpUser>,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; `snmp_trap` if not given.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever the trap says.
    pub host: Option<String>,
    /// The networks whose senders are taken, such as `["10.0.0.0/8"]`, or `["any"]`. Without any: who reaches the address,
    /// which has to be a loopback one then.
    pub allow: Vec<Network>,
    /// Source of the events; `snmp` and the port if not given.
    pub source: Option<String>,
    /// Bytes of the kernel's receive buffer that are asked for.
    pub buffer_bytes: usize,
}

impl Default for SnmpSettings {
    fn default() -> Self {
        Self {
            address: None,
            communities: Vec::new(),
            users: Vec::new(),
            index: None,
            sourcetype: None,
            host: None,
            allow: Vec::new(),
            source: None,
            buffer_bytes: 8 * 1024 * 1024,
        }
    }
}

/// A user of version 3. His messages are taken at the level that is set here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnmpUser {
    /// His name.
    pub name: String,
    /// How he signs; not at all if not given.
    pub auth: Option<Auth>,
    /// The password for that, at least eight bytes.
    pub auth_password: Option<Secret>,
    /// How he encrypts; not at all if not given.
    pub privacy: Option<Privacy>,
    /// The password for that, at least eight bytes.
    pub privacy_password: Option<Secret>,
}

/// The address that it has without settings.
pub(crate) fn address_of(settings: &SnmpSettings) -> SocketAddr {
    settings.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 1162)))
}

/// What a datagram comes to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The event.
    pub record: Option<Record<'static>>,
    /// What is answered: when the event is durable, or at once if there is none.
    pub reply: Option<Vec<u8>>,
    /// Why it was not taken.
    pub refused: Option<&'static str>,
}

impl Outcome {
    fn refused(reason: &'static str) -> Self {
        Self { refused: Some(reason), ..Self::default() }
    }
}

/// Understands messages: knows the communities and users, and what the engines of senders said last.
pub struct Receiver {
    communities: Vec<Secret>,
    engine: Engine,
}

impl Receiver {
    /// Checks the settings. `host` is what our engine is named after, and `started` when it was, in seconds since the epoch.
    pub fn new(settings: &SnmpSettings, host: &str, started: i64) -> Result<Self> {
        Ok(Self { communities: settings.communities.clone(), engine: Engine::new(&settings.users, host, started)? })
    }

    /// What a datagram that arrived at `now` (seconds since the epoch) comes to.
    pub fn datagram(&mut self, raw: &[u8], now: i64) -> Outcome {
        self.message(raw, now).unwrap_or_else(|| Outcome::refused("damaged"))
    }

    fn message(&mut self, raw: &[u8], now: i64) -> Option<Outcome> {
        let mut message = Reader::new(raw).expect(SEQUENCE)?.reader();
        let version = message.number()?;
        if version == 3 {
            return self.engine.message(raw, message, now);
        }
        let name = match version {
            0 => "v1",
            1 => "v2c",
            _ => return Some(Outcome::refused("unsupported")),
        };
        let community = message.expect(OCTETS)?;
        let known = |secret: &Secret| usm::same(secret.reveal().as_bytes(), community.bytes);
        let allowed = self.communities.is_empty() || self.communities.iter().any(known);
        let pdu = message.next()?;
        let Some(read) = trap::read(pdu, name, None)? else { return Some(Outcome::refused("unsupported")) };
        if !allowed {
            return Some(Outcome::refused("unknown_community"));
        }
        let reply = read.answer.map(|answer| sequence(SEQUENCE, &[&integer(version), &value(OCTETS, community.bytes), &answer]));
        Some(Outcome { record: Some(read.record), reply, refused: None })
    }
}

/// The listener, not yet started.
pub struct SnmpInput {
    settings: SnmpSettings,
    index: Arc<str>,
}

impl SnmpInput {
    /// Checks the settings.
    pub fn new(settings: SnmpSettings) -> Result<Self> {
        let index = checked_index(settings.index.as_deref())?;
        v3::check(&settings.users)?;
        Ok(Self { settings, index })
    }
}

impl Input for SnmpInput {
    fn kind(&self) -> &'static str {
        "snmp-trap"
    }

    fn name(&self) -> String {
        format!("{} {}", self.kind(), address_of(&self.settings))
    }

    fn start(&self, context: Context) -> Result<Running> {
        let wanted = address_of(&self.settings);
        let fail = |error| listen_error("SNMP", wanted, error);
        let socket = bind(wanted, self.settings.buffer_bytes).map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?;
        let counters = Arc::new(InputCounters::new(format!("{} {address}", self.kind()), self.kind()));
        let (stopper, stop) = Stop::channel();
        let text = |set: &Option<String>, default: &str| Arc::<str>::from(set.as_deref().unwrap_or(default));
        let listener = Listener {
            receiver: Receiver::new(&self.settings, &context.host, context.clock.now_nanos() / 1_000_000_000)?,
            envelope: Envelope {
                index: Arc::clone(&self.index),
                host: self.settings.host.as_deref().map(Arc::from),
                default_host: Arc::clone(&context.host),
                source: text(&self.settings.source, &format!("snmp:{}", address.port())),
                sourcetype: Some(text(&self.settings.sourcetype, "snmp_trap")),
                transport: "snmp".into(),
                peer: "".into(),
                zones: Zones::of(None, &context),
            },
            writers: Peers::new(),
            context,
            allowed: Allowed::new(&self.settings.allow, &counters),
            counters: Arc::clone(&counters),
            stop,
            drops: 0,
        };
        let runtime = Handle::current();
        let task = tokio::task::spawn_blocking(move || listener.run(&runtime, &socket));
        Ok(Running::new(counters, Some(address), stopper, task))
    }
}

/// No datagram is longer than this.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// Datagrams whose events share a batch: the first one waits for none, those that are there already come along.
const TOGETHER: usize = 256;

struct Listener {
    receiver: Receiver,
    envelope: Envelope,
    writers: Peers<Writer>,
    context: Context,
    allowed: Allowed,
    counters: Arc<InputCounters>,
    stop: Stop,
    /// The kernel's drop counter as last read.
    drops: u32,
}

impl Listener {
    /// Receives until it is stopped. Blocks; has a thread of its own.
    fn run(mut self, runtime: &Handle, socket: &UdpSocket) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // What has arrived by then is kept.
            let stopping = self.stop.is_stopped();
            let mut out = Outgoing::new(Timestamp(self.context.clock.now_nanos()));
            let mut replies = Vec::new();
            let mut taken = 0;
            let waited = socket.set_nonblocking(stopping);
            while taken < TOGETHER && waited.is_ok() {
                let Ok((len, peer)) = socket.recv_from(&mut buffer) else { break };
                taken += 1;
                self.take(&buffer[..len], peer, &mut out, &mut replies, socket);
                let _ = socket.set_nonblocking(true);
            }
            if let Some(drops) = kernel_drops(socket) {
                self.counters.add_kernel_drops(u64::from(drops.wrapping_sub(self.drops)));
                self.drops = drops;
            }
            if !out.is_empty() {
                let sink = Arc::clone(&self.context.sink);
                match runtime.block_on(deliver(sink, out, self.stop.clone(), OnFailure::Drop)) {
                    Ok(_) => replies.iter().for_each(|(peer, reply)| self.answer(socket, reply, *peer)),
                    Err(error) => self.counters.problem(format!("traps were dropped: {error}")),
                }
            }
            if stopping && taken == 0 {
                return;
            }
        }
    }

    fn take(&mut self, raw: &[u8], peer: SocketAddr, out: &mut Outgoing, replies: &mut Vec<(SocketAddr, Vec<u8>)>, socket: &UdpSocket) {
        if !self.allowed.admits(peer.ip()) {
            return self.counters.skip("not_allowed");
        }
        let outcome = self.receiver.datagram(raw, self.context.clock.now_nanos() / 1_000_000_000);
        if let Some(reason) = outcome.refused {
            self.counters.skip(reason);
        }
        let Some(record) = outcome.record else {
            if let Some(reply) = outcome.reply {
                self.answer(socket, &reply, peer);
            }
            return;
        };
        let address = peer.ip().to_canonical();
        let envelope = &self.envelope;
        let new = || Writer::new(envelope.with_peer(&Arc::from(address.to_string())));
        let source = self.counters.source(&self.envelope.source);
        let received = out.batch.received;
        // A trap says how long its machine is up, not what time it is.
        let record = Record { time: Some(received), ..record };
        out.add(&source, |batch| self.writers.with(address, &self.counters, new, |writer| writer.push(&record, batch)));
        replies.extend(outcome.reply.map(|reply| (peer, reply)));
    }

    fn answer(&self, socket: &UdpSocket, reply: &[u8], peer: SocketAddr) {
        if let Err(error) = socket.send_to(reply, peer) {
            self.counters.problem(format!("an answer could not be sent: {error}"));
        }
    }
}

fn invalid(text: String, hint: &str) -> Error {
    Error::new(ErrorKind::Invalid, text).with_hint(hint.to_owned())
}
