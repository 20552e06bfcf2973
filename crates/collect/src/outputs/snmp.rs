//! SNMP notifications, version 2c: an event as `syslogMsgNotification` of SYSLOG-MSG-MIB (RFC 5676), so that consoles of networks
//! show it with a name.
//!
//! **Promise.** None: a trap has no answer. Confirmed is what this machine has sent; an event that no datagram can hold is refused
//! and counted.

use super::udp::{Udp, Writing};
use crate::snmp::ber::{self, OCTETS, OID, SEQUENCE, TICKS};
use serde::{Deserialize, Serialize};
use taffrail_base::Result;
use taffrail_event::EventRef;
use taffrail_format::syslog;

/// `type = "snmp-trap"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnmpOutput {
    /// Host and port; traps are received on 162.
    pub address: String,
    /// The community.
    #[serde(default = "public")]
    pub community: String,
}

fn public() -> String {
    "public".into()
}

/// 1.3.6.1.6.3.1.1.4.1.0, snmpTrapOID.0.
const TRAP_OID: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];

/// 1.3.6.1.2.1.1.3.0, sysUpTime.0.
const UPTIME_OID: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 3, 0];

/// 1.3.6.1.2.1.192.0.1, syslogMsgNotification.
const NOTIFICATION_OID: &[u8] = &[0x2b, 6, 1, 2, 1, 0x81, 0x40, 0, 1];

/// 1.3.6.1.2.1.192.1.2.1, syslogMsgEntry: its columns follow, then the number of the message.
const ENTRY_OID: &[u8] = &[0x2b, 6, 1, 2, 1, 0x81, 0x40, 1, 2, 1];

/// Columns of the entry.
const FACILITY: u8 = 2;
const SEVERITY: u8 = 3;
const HOST: u8 = 6;
const APP: u8 = 7;
const MESSAGE: u8 = 11;

/// An SNMPv2 trap.
const TRAP: u8 = 0xa7;

/// `user.notice`: the priority of what has none.
const PRIORITY: u8 = 13;

impl SnmpOutput {
    pub(super) fn output(&self) -> Result<Udp> {
        Udp::new(&self.address, Writing::Trap(self.community.clone()))
    }
}

/// Writes the datagram of an event.
pub(super) fn trap(community: &str, event: &EventRef<'_>, out: &mut Vec<u8>) {
    let header = syslog::header(event.raw);
    let part = |span: Option<taffrail_format::Span>| span.map_or(&b""[..], |span| &event.raw[span.range()]);
    let priority = u32::from(syslog::priority_number(part(header.priority)).unwrap_or(PRIORITY));
    // There is one message in each trap; its number says nothing.
    let column = |column: u8, value: Vec<u8>| bind(&[ENTRY_OID, &[column, 1]].concat(), &value);
    // Hundredths of a second since this began are not known here: the time of the event is in its text.
    let uptime = ber::value(TICKS, &[0]);
    let bindings = [
        bind(UPTIME_OID, &uptime),
        bind(TRAP_OID, &ber::value(OID, NOTIFICATION_OID)),
        column(FACILITY, ber::integer(priority / 8)),
        column(SEVERITY, ber::integer(priority % 8)),
        column(HOST, ber::value(OCTETS, event.origin.host.as_bytes())),
        column(APP, ber::value(OCTETS, part(header.app))),
        column(MESSAGE, ber::value(OCTETS, event.raw)),
    ];
    let bindings = ber::value(SEQUENCE, &bindings.concat());
    let number = ber::integer(1);
    let none = ber::integer(0);
    let pdu = ber::sequence(TRAP, &[&number, &none, &none, &bindings]);
    out.extend_from_slice(&ber::sequence(SEQUENCE, &[&number, &ber::value(OCTETS, community.as_bytes()), &pdu]));
}

fn bind(oid: &[u8], value: &[u8]) -> Vec<u8> {
    ber::sequence(SEQUENCE, &[&ber::value(OID, oid), value])
}
