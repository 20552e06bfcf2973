//! Syslog over UDP. A thread does nothing but copy datagrams out of a large kernel buffer; what the kernel had
//! to drop is read from it and counted, so that sent = stored + dropped can be checked to the last datagram.
//!
//! One datagram is one event. A single LF or NUL at its end is framing, not content, and is left out.

use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::gather::{Chunk, Content, Gathering};
use crate::input::{Context, Input, Running, Stop, checked_index};
use crate::network::{Allowed, Network};
use crate::stream::server::listen_error;
use crate::zone::{ZoneName, Zones};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::Result;
use taffrail_base::limits::SYSLOG_UDP_BUFFER_BYTES;
use taffrail_event::Problems;
use taffrail_format::Frame;
use tokio::sync::mpsc;

/// `[[input]] type = "syslog-udp"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UdpSettings {
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
    /// Bytes of the kernel's receive buffer that are asked for. A small datagram takes about 1.3 KB of it.
    pub buffer_bytes: usize,
}

impl Default for UdpSettings {
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
            buffer_bytes: SYSLOG_UDP_BUFFER_BYTES,
        }
    }
}

/// What arrives in datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Datagrams {
    /// The type as in the settings.
    pub kind: &'static str,
    /// For errors: what cannot listen.
    pub title: &'static str,
    /// What comes before the port in the source of its events.
    pub source: &'static str,
    /// The customary port.
    pub port: u16,
    /// How its events arrive.
    pub transport: &'static str,
    /// Their sourcetype where none is set; `None`: as the content is.
    pub sourcetype: Option<&'static str>,
    /// Whether a LF or NUL at the end is none of the message: so it is with text, and never with bytes.
    pub text: bool,
    /// What a datagram is.
    pub content: fn() -> Content,
}

pub(crate) const SYSLOG: Datagrams = Datagrams {
    kind: "syslog-udp",
    title: "syslog over UDP",
    source: "udp",
    port: 5514,
    transport: "syslog+udp",
    sourcetype: Some("syslog"),
    text: true,
    content: || Content::Lines,
};

/// The address that a listener has without settings.
pub(crate) fn address_of(datagrams: &Datagrams, settings: &UdpSettings) -> SocketAddr {
    settings.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], datagrams.port)))
}

/// The listener, not yet started.
pub(crate) struct UdpInput {
    datagrams: Datagrams,
    settings: UdpSettings,
    index: Arc<str>,
}

impl UdpInput {
    /// Checks the settings.
    pub fn new(datagrams: Datagrams, settings: UdpSettings) -> Result<Self> {
        let index = checked_index(settings.index.as_deref())?;
        Ok(Self { datagrams, settings, index })
    }
}

impl Input for UdpInput {
    fn kind(&self) -> &'static str {
        self.datagrams.kind
    }

    fn name(&self) -> String {
        format!("{} {}", self.datagrams.kind, address_of(&self.datagrams, &self.settings))
    }

    fn start(&self, context: Context) -> Result<Running> {
        let (datagrams, settings) = (&self.datagrams, &self.settings);
        let wanted = address_of(datagrams, settings);
        let fail = |error| listen_error(datagrams.title, wanted, error);
        let socket = bind(wanted, settings.buffer_bytes).map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?;
        let got = socket2::SockRef::from(&socket).recv_buffer_size().unwrap_or(0);
        if got < settings.buffer_bytes {
            tracing::info!(input = %self.name(), wanted = settings.buffer_bytes, got, "smaller receive buffer (net.core.rmem_max limits it)");
        }
        let envelope = Envelope {
            index: Arc::clone(&self.index),
            host: settings.host.as_deref().map(Arc::from),
            source: settings.source.as_deref().map_or_else(|| Arc::from(format!("{}:{}", datagrams.source, address.port())), Arc::from),
            sourcetype: settings.sourcetype.as_deref().or(datagrams.sourcetype).map(Arc::from),
            default_host: Arc::clone(&context.host),
            transport: datagrams.transport.into(),
            peer: "".into(),
            zones: Zones::of(settings.zone.as_ref(), &context).with(&settings.zones, &context),
        };
        let counters = InputCounters::new(format!("{} {address}", datagrams.kind), datagrams.kind);
        let gathering = Gathering::start(context, envelope, counters, (datagrams.content)());
        let reader = Reader {
            counters: Arc::clone(&gathering.counters),
            chunks: gathering.chunks.clone(),
            stop: gathering.stop.clone(),
            allowed: Allowed::new(&settings.allow, &gathering.counters),
            text: datagrams.text,
            drops: 0,
        };
        let reading = tokio::task::spawn_blocking(move || reader.run(&socket));
        Ok(gathering.running(address, async move {
            let _ = reading.await;
        }))
    }
}

/// How long a read waits for a datagram before it looks whether to stop.
const READ_WAIT: Duration = Duration::from_millis(50);

pub(crate) fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    // Beyond net.core.rmem_max where the privilege for it is there; else as far as that goes.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, buffer_bytes).is_err() {
        let _ = socket.set_recv_buffer_size(buffer_bytes);
    }
    socket.set_read_timeout(Some(READ_WAIT))?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

struct Reader {
    counters: Arc<InputCounters>,
    chunks: mpsc::Sender<Chunk>,
    stop: Stop,
    allowed: Allowed,
    text: bool,
    /// The kernel's drop counter as last read.
    drops: u32,
}

/// Datagrams taken out of the kernel with one call.
const DATAGRAMS: usize = 64;

/// No datagram is longer than this.
const DATAGRAM_BYTES_MAX: usize = 65_536;

impl Reader {
    fn run(mut self, socket: &UdpSocket) {
        let mut many = Many::new();
        loop {
            let stopping = self.stop.is_stopped();
            if stopping && socket.set_nonblocking(true).is_err() {
                break;
            }
            let (mut chunk, mut refused) = (Chunk::default(), 0);
            let received = many.receive(socket, |peer, datagram| match self.allowed.admits(peer) {
                true => chunk.push(peer, frame(datagram, self.text)),
                false => refused += 1,
            });
            self.counters.skip_many("not_allowed", refused);
            match received {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if stopping {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.counters.problem(format!("a datagram could not be received: {error}"));
                    if stopping {
                        break;
                    }
                }
            }
            self.count_drops(socket);
            if !chunk.is_empty() && self.chunks.blocking_send(chunk).is_err() {
                break;
            }
        }
        self.count_drops(socket);
    }

    fn count_drops(&mut self, socket: &UdpSocket) {
        if let Some(drops) = kernel_drops(socket) {
            self.counters.add_kernel_drops(u64::from(drops.wrapping_sub(self.drops)));
            self.drops = drops;
        }
    }
}

fn frame(datagram: &[u8], text: bool) -> Frame<'_> {
    let end =
        |datagram: &'_ [u8]| datagram.strip_suffix(b"\n").or_else(|| datagram.strip_suffix(b"\0")).map_or(datagram.len(), <[u8]>::len);
    let raw = if text { &datagram[..end(datagram)] } else { datagram };
    Frame { raw, problems: Problems::NONE }
}

/// Receives many datagrams with one system call.
#[cfg(target_os = "linux")]
struct Many {
    buffers: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
}

#[cfg(target_os = "linux")]
impl Many {
    fn new() -> Self {
        // Only the pages that datagrams reach are ever touched.
        let buffers = vec![0; DATAGRAMS * DATAGRAM_BYTES_MAX];
        // SAFETY: an all-zero sockaddr_storage is a valid value (family unspecified).
        #[allow(unsafe_code)] // the kernel fills this C structure
        let names = vec![unsafe { std::mem::zeroed() }; DATAGRAMS];
        Self { buffers, names }
    }

    /// Waits for the first as the socket is set to, takes what else is there, and gives how many there were.
    #[allow(unsafe_code)] // recvmmsg has no safe wrapper here
    fn receive(&mut self, socket: &UdpSocket, mut each: impl FnMut(IpAddr, &[u8])) -> io::Result<usize> {
        use std::os::fd::AsRawFd;
        let mut slots: [libc::iovec; DATAGRAMS] = std::array::from_fn(|at| libc::iovec {
            iov_base: self.buffers[at * DATAGRAM_BYTES_MAX..].as_mut_ptr().cast(),
            iov_len: DATAGRAM_BYTES_MAX,
        });
        // SAFETY: an all-zero mmsghdr is a valid value; every pointer is set before the call.
        let mut headers: [libc::mmsghdr; DATAGRAMS] = unsafe { std::mem::zeroed() };
        for (at, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_name = (&raw mut self.names[at]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = &raw mut slots[at];
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: headers, slots, names and buffers outlive the call, and the lengths are those of the memory
        // that they point to. No timeout is passed.
        let count = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), DATAGRAMS as libc::c_uint, libc::MSG_WAITFORONE, std::ptr::null_mut())
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (at, header) in headers[..count].iter().enumerate() {
            let start = at * DATAGRAM_BYTES_MAX;
            let len = (header.msg_len as usize).min(DATAGRAM_BYTES_MAX);
            each(address(&self.names[at]), &self.buffers[start..start + len]);
        }
        Ok(count)
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // reads a C union by its tag
fn address(name: &libc::sockaddr_storage) -> IpAddr {
    match i32::from(name.ss_family) {
        // SAFETY: the family says that the kernel wrote a sockaddr_in, which is smaller than the storage.
        libc::AF_INET => {
            let v4 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes())
        }
        // SAFETY: as above, for sockaddr_in6.
        libc::AF_INET6 => {
            let v6 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            IpAddr::from(v6.sin6_addr.s6_addr)
        }
        _ => IpAddr::from([0, 0, 0, 0]),
    }
}

/// Datagrams that the kernel has dropped at this socket since it was opened (it wraps).
#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // SO_MEMINFO has no safe wrapper here
pub(crate) fn kernel_drops(socket: &UdpSocket) -> Option<u32> {
    use std::os::fd::AsRawFd;
    const FIELDS: usize = 9;
    const DROPS: usize = 8;
    let mut fields = [0u32; FIELDS];
    let mut len = size_of_val(&fields) as libc::socklen_t;
    // SAFETY: `fields` has room for `len` bytes, and the kernel writes no more than that.
    let failed =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, fields.as_mut_ptr().cast(), &raw mut len) };
    (failed == 0 && len as usize == size_of_val(&fields)).then_some(fields[DROPS])
}

/// Elsewhere: one datagram per call, and the kernel tells nothing of drops.
#[cfg(not(target_os = "linux"))]
struct Many(Vec<u8>);

#[cfg(not(target_os = "linux"))]
impl Many {
    fn new() -> Self {
        Self(vec![0; DATAGRAM_BYTES_MAX])
    }

    fn receive(&mut self, socket: &UdpSocket, mut each: impl FnMut(IpAddr, &[u8])) -> io::Result<usize> {
        let (len, peer) = socket.recv_from(&mut self.0)?;
        each(peer.ip(), &self.0[..len]);
        Ok(1)
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn kernel_drops(_: &UdpSocket) -> Option<u32> {
    None
}
