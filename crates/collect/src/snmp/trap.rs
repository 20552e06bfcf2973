//! From the inside of a message to an event: traps of version 1 and 2, informs. Pure.

use super::ber::{self, INTEGER, NULL, OCTETS, OID, SEQUENCE, Value, sequence, value};
use crate::records::Record;
use serde_json::{Map, Value as Json};
use std::fmt::Write;
use std::net::IpAddr;

const TRAP_V1: u8 = 0xa4;
const INFORM: u8 = 0xa6;
const TRAP_V2: u8 = 0xa7;
const RESPONSE: u8 = 0xa2;

/// What is sent on behalf of a trap: objects in one message, more are taken for damage.
const VARIABLES_MAX: usize = 2_000;

/// A trap or inform.
pub(super) struct Read {
    pub record: Record<'static>,
    /// What acknowledges it, to be put in a message; of informs.
    pub answer: Option<Vec<u8>>,
}

/// The names of objects that traps carry everywhere; behind each of them stands an index.
const NAMES: [(&str, &str); 31] = [
    ("1.3.6.1.2.1.1.1", "sysDescr"),
    ("1.3.6.1.2.1.1.2", "sysObjectID"),
    ("1.3.6.1.2.1.1.3", "sysUpTime"),
    ("1.3.6.1.2.1.1.4", "sysContact"),
    ("1.3.6.1.2.1.1.5", "sysName"),
    ("1.3.6.1.2.1.1.6", "sysLocation"),
    ("1.3.6.1.2.1.2.2.1.1", "ifIndex"),
    ("1.3.6.1.2.1.2.2.1.2", "ifDescr"),
    ("1.3.6.1.2.1.2.2.1.3", "ifType"),
    ("1.3.6.1.2.1.2.2.1.5", "ifSpeed"),
    ("1.3.6.1.2.1.2.2.1.6", "ifPhysAddress"),
    ("1.3.6.1.2.1.2.2.1.7", "ifAdminStatus"),
    ("1.3.6.1.2.1.2.2.1.8", "ifOperStatus"),
    ("1.3.6.1.2.1.2.2.1.9", "ifLastChange"),
    ("1.3.6.1.2.1.31.1.1.1.1", "ifName"),
    ("1.3.6.1.2.1.31.1.1.1.15", "ifHighSpeed"),
    ("1.3.6.1.2.1.31.1.1.1.18", "ifAlias"),
    ("1.3.6.1.2.1.15.3.1.2", "bgpPeerState"),
    ("1.3.6.1.2.1.15.3.1.7", "bgpPeerRemoteAddr"),
    ("1.3.6.1.2.1.15.3.1.14", "bgpPeerLastError"),
    ("1.3.6.1.2.1.47.1.1.1.1.7", "entPhysicalName"),
    ("1.3.6.1.6.3.1.1.4.1", "snmpTrapOID"),
    ("1.3.6.1.6.3.1.1.4.3", "snmpTrapEnterprise"),
    ("1.3.6.1.6.3.18.1.3", "snmpTrapAddress"),
    ("1.3.6.1.6.3.18.1.4", "snmpTrapCommunity"),
    ("1.3.6.1.4.1.9.2.1.5", "authAddr"),
    ("1.3.6.1.4.1.9.9.43.1.1.6.1.3", "ccmHistoryEventCommandSource"),
    ("1.3.6.1.4.1.9.9.43.1.1.6.1.4", "ccmHistoryEventConfigSource"),
    ("1.3.6.1.4.1.9.9.43.1.1.6.1.5", "ccmHistoryEventConfigDestination"),
    ("1.3.6.1.4.1.9.9.41.1.2.3.1.5", "clogHistMsgText"),
    ("1.3.6.1.2.1.25.3.5.1.1", "hrPrinterStatus"),
];

/// The traps that version 1 numbers, as version 2 names them.
const GENERIC: [&str; 6] = ["coldStart", "warmStart", "linkDown", "linkUp", "authenticationFailure", "egpNeighborLoss"];
const GENERIC_OID: &str = "1.3.6.1.6.3.1.1.5.";

/// Reads what a message holds; the outer `None` is damage, the inner one something else than a trap.
pub(super) fn read(pdu: Value<'_>, version: &str, user: Option<&str>) -> Option<Option<Read>> {
    let mut event = Map::new();
    event.insert("version".into(), version.into());
    if let Some(user) = user {
        event.insert("user".into(), user.into());
    }
    let answer = match pdu.tag {
        TRAP_V1 if version == "v1" => {
            version1(pdu, &mut event)?;
            None
        }
        TRAP_V2 | INFORM if version != "v1" => version2(pdu, &mut event)?,
        _ => return Some(None),
    };
    let host = ["agent", "snmpTrapAddress.0"].iter().find_map(|name| event.get(*name)?.as_str());
    let host = host.filter(|address| *address != "0.0.0.0").unwrap_or_default().to_owned();
    let raw = Json::Object(event).to_string().into_bytes();
    Some(Some(Read { record: Record { host: host.into(), ..Record::of(raw) }, answer }))
}

fn version1(pdu: Value<'_>, event: &mut Map<String, Json>) -> Option<()> {
    let mut reader = pdu.reader();
    let enterprise = reader.expect(OID)?.oid()?;
    let agent: [u8; 4] = reader.expect(ber::ADDRESS)?.bytes.try_into().ok()?;
    let (generic, specific) = (reader.number()?, reader.expect(INTEGER)?.integer()?);
    let uptime = reader.expect(ber::TICKS)?.unsigned()?;
    // As RFC 3584 makes one of the other.
    let trap = match generic {
        0..6 => format!("{GENERIC_OID}{}", generic + 1),
        _ => format!("{enterprise}.0.{specific}"),
    };
    event.insert("type".into(), "trap".into());
    insert_trap(event, &trap);
    event.insert("enterprise".into(), enterprise.into());
    event.insert("agent".into(), IpAddr::from(agent).to_string().into());
    event.insert("uptime".into(), uptime.into());
    variables(reader.expect(SEQUENCE)?, event)
}

/// Gives what acknowledges it, if it asks for that.
fn version2(pdu: Value<'_>, event: &mut Map<String, Json>) -> Option<Option<Vec<u8>>> {
    let mut reader = pdu.reader();
    let request = reader.expect(INTEGER)?;
    request.integer()?;
    let (_status, _index) = (reader.expect(INTEGER)?, reader.expect(INTEGER)?);
    let list = reader.expect(SEQUENCE)?;
    event.insert("type".into(), if pdu.tag == INFORM { "inform" } else { "trap" }.into());
    variables(list, event)?;
    let zero = ber::integer(0);
    let answer = || sequence(RESPONSE, &[&value(INTEGER, request.bytes), &zero, &zero, &value(SEQUENCE, list.bytes)]);
    Some((pdu.tag == INFORM).then(answer))
}

fn insert_trap(event: &mut Map<String, Json>, trap: &str) {
    event.insert("trap".into(), trap.into());
    let generic = trap.strip_prefix(GENERIC_OID).and_then(|number| number.parse::<usize>().ok());
    if let Some(name) = generic.and_then(|number| GENERIC.get(number.wrapping_sub(1))) {
        event.insert("trap_name".into(), (*name).into());
    }
}

fn variables(list: Value<'_>, event: &mut Map<String, Json>) -> Option<()> {
    let mut reader = list.reader();
    let mut count = 0;
    while !reader.is_empty() {
        count += 1;
        if count > VARIABLES_MAX {
            return None;
        }
        let mut pair = reader.expect(SEQUENCE)?.reader();
        let name = pair.expect(OID)?.oid()?;
        let value = pair.next()?;
        match name.as_str() {
            "1.3.6.1.2.1.1.3.0" => _ = event.insert("uptime".into(), value.unsigned()?.into()),
            "1.3.6.1.6.3.1.1.4.1.0" => insert_trap(event, &value.oid()?),
            _ => {
                let name = named(&name);
                let said = shown(value)?;
                // An object that is there several times has all its values.
                match event.get_mut(&name) {
                    None => _ = event.insert(name, said),
                    Some(Json::Array(all)) => all.push(said),
                    Some(one) => *one = Json::Array(vec![one.take(), said]),
                }
            }
        }
    }
    Some(())
}

/// The object's name with its index, where it is known; else its number.
fn named(oid: &str) -> String {
    let known = NAMES.iter().find_map(|(number, name)| Some((name, oid.strip_prefix(number)?.strip_prefix('.')?)));
    known.map_or_else(|| oid.to_owned(), |(name, index)| format!("{name}.{index}"))
}

fn shown(value: Value<'_>) -> Option<Json> {
    Some(match value.tag {
        INTEGER => value.integer()?.into(),
        ber::COUNTER32 | ber::GAUGE32 | ber::TICKS | ber::COUNTER64 => value.unsigned()?.into(),
        OID => value.oid()?.into(),
        ber::ADDRESS => <[u8; 4]>::try_from(value.bytes).map_or_else(|_| hex(value.bytes), |bytes| IpAddr::from(bytes).to_string()).into(),
        OCTETS => text(value.bytes).into(),
        NULL => Json::Null,
        ber::OPAQUE => hex(value.bytes).into(),
        // No such object, no such instance, end of view.
        0x80..=0x82 => Json::Null,
        tag => format!("{tag:#04x}:{}", hex(value.bytes)).into(),
    })
}

/// Octets as text where they are some, else in hexadecimal.
fn text(bytes: &[u8]) -> String {
    let trimmed = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    match std::str::from_utf8(trimmed) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) => text.to_owned(),
        _ => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
