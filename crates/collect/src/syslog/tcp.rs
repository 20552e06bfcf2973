//! Syslog over TCP (RFC 6587) and TLS (RFC 5425): octet count, LF or NUL, in any mixture. There is no acknowledgement in
//! this protocol: what a sender has written is not yet stored.

use crate::gather::Content;
use crate::stream::Protocol;
use crate::stream::session::{Session, Taken};
use std::net::IpAddr;
use taffrail_format::SyslogFramer;

pub use crate::stream::StreamSettings as TcpSettings;

pub(crate) const TCP: Protocol = Protocol {
    kind: "syslog-tcp",
    title: "syslog over TCP",
    source: "tcp",
    port: 5514,
    transport: "syslog+tcp",
    sourcetype: Some("syslog"),
    needs_tls: false,
    session: |limit| Box::new(Syslog(SyslogFramer::with_limit(limit))),
    content: || Content::Lines,
};

pub(crate) const TLS: Protocol =
    Protocol { kind: "syslog-tls", title: "syslog over TLS", source: "tls", port: 6514, transport: "syslog", needs_tls: true, ..TCP };

struct Syslog(SyslogFramer);

impl Session for Syslog {
    fn push(&mut self, bytes: &[u8], peer: IpAddr, taken: &mut Taken) {
        let chunk = &mut taken.step().chunk;
        self.0.push(bytes, |frame| chunk.push(peer, frame));
    }

    fn finish(&mut self, peer: IpAddr, taken: &mut Taken) {
        let chunk = &mut taken.step().chunk;
        self.0.finish(|frame| chunk.push(peer, frame));
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}
