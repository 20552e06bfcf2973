//! Datagrams: syslog (RFC 5426), and whatever else is one message a datagram.
//!
//! **Promise.** None: confirmed is what this machine has sent. What the network or the receiver drops is gone; an event that
//! no datagram can hold is refused and counted.

use super::connection::checked;
use super::rewrite::Layout;
use super::{Delivered, Output, snmp};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use taffrail_base::{Error, Result};
use taffrail_event::{EventBatch, EventRef};
use tokio::net::UdpSocket;

/// `type = "syslog-udp"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UdpOutput {
    /// Host and port.
    pub address: String,
    /// What is sent of each event.
    #[serde(default)]
    pub layout: Layout,
}

/// Bytes that a datagram over IPv4 can hold.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// How an event becomes a datagram.
pub(super) enum Writing {
    Layout(Layout),
    /// A notification of SNMP, with this community.
    Trap(String),
}

impl Writing {
    fn write(&self, event: &EventRef<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Layout(layout) => layout.write(event, out),
            Self::Trap(community) => snmp::trap(community, event, out),
        }
    }
}

pub(super) struct Udp {
    address: String,
    writing: Writing,
    socket: Option<UdpSocket>,
}

impl Udp {
    pub fn new(address: &str, writing: Writing) -> Result<Self> {
        checked(address)?;
        Ok(Self { address: address.to_owned(), writing, socket: None })
    }

    async fn connected(&self) -> Result<UdpSocket> {
        let address = &self.address;
        let failed = |e| Error::io(format!("sending to {address}"), e);
        let target = tokio::net::lookup_host(address).await.map_err(failed)?.next();
        let target = target.ok_or_else(|| failed(std::io::Error::other("the name has no address")))?;
        let own = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own).await.map_err(failed)?;
        socket.connect(target).await.map_err(failed)?;
        Ok(socket)
    }
}

impl Output for Udp {
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, range: Range<usize>) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let socket = match self.socket.take() {
                Some(socket) => socket,
                None => match self.connected().await {
                    Ok(socket) => socket,
                    Err(error) => return Delivered::failed(0, error),
                },
            };
            let (mut confirmed, mut refused, mut message) = (0, 0u64, Vec::new());
            let said = |refused: u64| (refused > 0).then(|| (refused, format!("longer than the {DATAGRAM_BYTES_MAX} bytes of a datagram")));
            for event in range.map(|at| batch.event(at)) {
                message.clear();
                self.writing.write(&event, &mut message);
                if message.len() > DATAGRAM_BYTES_MAX {
                    refused += 1;
                } else if let Err(error) = socket.send(&message).await {
                    // Nobody listens there: the kernel says so at the next datagram.
                    let error = Error::io(format!("sending to {}", self.address), error);
                    return Delivered { confirmed, attempted: confirmed, refused: said(refused), outcome: Err(error) };
                }
                confirmed += 1;
            }
            self.socket = Some(socket);
            Delivered { refused: said(refused), ..Delivered::all(confirmed) }
        })
    }
}
