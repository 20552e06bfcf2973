//! Flows: NetFlow version 5 and 9, and IPFIX, over UDP. One flow is one event: a JSON object whose names are those of the
//! IPFIX registry for all three versions.
//!
//! **Promise.** None: the protocols have no answer, and what the kernel drops is counted. Templates are kept per
//! exporter (address, version and domain), a limited number of them; a template that comes again replaces the one before. Flows whose
//! template is not known are kept as bytes in hexadecimal, marked malformed, and counted (`no_template`). What is no
//! such datagram is counted as `damaged`; where one breaks off, the flows before are kept. Where an exporter says that it samples, each of its flows
//! has `samplingInterval`: multiply by it; numbers are as they were sent.
//!
//! The time of a flow is its end, as far as it says so, else when it was exported.

mod elements;
mod template;

use crate::gather::{Content, Unwrap};
use crate::records::Record;
use crate::syslog::udp::Datagrams;
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use taffrail_event::{Problems, Timestamp};
use template::{Reader, Sink, Template, hex};

pub(crate) const UDP: Datagrams = Datagrams {
    kind: "netflow",
    title: "NetFlow and IPFIX",
    source: "netflow",
    port: 2055,
    transport: "netflow",
    sourcetype: Some("netflow"),
    text: false,
    content: || Content::Wrapped(Box::new(Flows::default())),
};

/// Exporters whose templates are kept; beyond it all are forgotten, and sent again soon.
const EXPORTERS_MAX: usize = 1_000;

/// Templates of one exporter; more are not taken.
const TEMPLATES_MAX: usize = 1_000;

/// Samplers of one exporter; more are not taken.
const SAMPLERS_MAX: usize = 1_000;

/// Bytes that something may be filled up with, whatever they are.
const PADDING_MAX: usize = 3;

/// Bytes of a record of version 5.
const RECORD5_BYTES: usize = 48;

/// Why a datagram is not, or not wholly, understood.
type Refused = &'static str;
const DAMAGED: Refused = "damaged";
const NO_TEMPLATE: Refused = "no_template";
const TOO_MANY_TEMPLATES: Refused = "too_many_templates";

/// What is known of the exporters.
#[derive(Default)]
pub struct Flows {
    exporters: FxHashMap<(IpAddr, u16, u32), Exporter>,
}

/// One exporter's templates and samplers, and when it was started.
#[derive(Default)]
struct Exporter {
    templates: FxHashMap<u16, Template>,
    /// By the number of the sampler; 0 is that of all flows which name none.
    samplers: FxHashMap<u64, u64>,
    /// Headers of IPFIX do not say it: its options may.
    booted: Option<i64>,
}

/// What the header of a message says.
#[derive(Clone, Copy)]
struct Header {
    version: u16,
    domain: u32,
    exported: Timestamp,
    /// When the exporter was started, where times are counted from.
    booted: Option<i64>,
}

impl Flows {
    /// Gives the flows of one datagram. An error says what of it was not understood; the rest has been given.
    pub fn datagram(&mut self, peer: IpAddr, raw: &[u8], emit: &mut dyn FnMut(Record<'_>)) -> Result<(), Refused> {
        let mut reader = Reader::new(raw);
        match reader.u16() {
            Some(5) => version5(reader, emit),
            Some(9) => {
                let header = Header::version9(&mut reader).ok_or(DAMAGED)?;
                self.sets(peer, header, reader, emit)
            }
            Some(10) => {
                let len = reader.u16().map(usize::from).ok_or(DAMAGED)?;
                let exported = reader.u32().ok_or(DAMAGED)?;
                let (_, domain) = (reader.u32(), reader.u32().ok_or(DAMAGED)?);
                let header = Header { version: 10, domain, exported: seconds(exported), booted: None };
                let cut = len.min(raw.len()).max(16);
                let whole = self.sets(peer, header, Reader::new(&raw[16..cut]), emit);
                // A datagram is one message: bytes that are missing, or behind it, are none of a good one.
                if len == raw.len() { whole } else { whole.and(Err(DAMAGED)) }
            }
            _ => Err(DAMAGED),
        }
    }

    fn sets(&mut self, peer: IpAddr, header: Header, mut reader: Reader<'_>, emit: &mut dyn FnMut(Record<'_>)) -> Result<(), Refused> {
        let key = (peer, header.version, header.domain);
        if self.exporters.len() >= EXPORTERS_MAX && !self.exporters.contains_key(&key) {
            self.exporters.clear();
        }
        let exporter = self.exporters.entry(key).or_default();
        let mut all = Ok(());
        while reader.left() >= 4 {
            let (Some(id), Some(len)) = (reader.u16(), reader.u16()) else { break };
            let Some(body) = usize::from(len).checked_sub(4).and_then(|len| reader.take(len)) else { return Err(DAMAGED) };
            let set = match (header.version, id) {
                (9, 0) | (10, 2) => exporter.learn(header, body, false),
                (9, 1) | (10, 3) => exporter.learn(header, body, true),
                (_, 256..) => exporter.flows(header, id, body, emit),
                // Reserved.
                _ => Err(DAMAGED),
            };
            all = all.and(set);
        }
        all
    }
}

impl Unwrap for Flows {
    fn unwrap(&mut self, peer: IpAddr, raw: &[u8], _: u64, emit: &mut dyn FnMut(Record<'_>), refuse: &mut dyn FnMut(&'static str)) {
        if let Err(reason) = self.datagram(peer, raw, emit) {
            refuse(reason);
        }
    }
}

fn seconds(seconds: u32) -> Timestamp {
    Timestamp(i64::from(seconds) * 1_000_000_000)
}

impl Header {
    fn version9(reader: &mut Reader<'_>) -> Option<Self> {
        let _count = reader.u16()?;
        let (uptime, exported) = (reader.u32()?, seconds(reader.u32()?));
        let (_sequence, domain) = (reader.u32()?, reader.u32()?);
        Some(Self { version: 9, domain, exported, booted: Some(exported.0 - i64::from(uptime) * 1_000_000) })
    }
}

impl Exporter {
    /// Takes templates.
    fn learn(&mut self, header: Header, body: &[u8], options: bool) -> Result<(), Refused> {
        let mut reader = Reader::new(body);
        // What is shorter than a template's head is padding.
        while reader.left() >= 4 {
            let (id, template) = Template::read(&mut reader, header.version, options).ok_or(DAMAGED)?;
            match template {
                // Withdrawn; under the number of the sets themselves, all of them.
                None if header.version == 10 && matches!(id, 2 | 3) => self.templates.clear(),
                // Zeros fill a set up.
                None if id == 0 && reader.is_zero() => break,
                None if id < 256 => return Err(DAMAGED),
                None => _ = self.templates.remove(&id),
                Some(template) => {
                    if self.templates.len() >= TEMPLATES_MAX && !self.templates.contains_key(&id) {
                        return Err(TOO_MANY_TEMPLATES);
                    }
                    self.templates.insert(id, template);
                }
            }
        }
        Ok(())
    }

    fn flows(&mut self, header: Header, id: u16, body: &[u8], emit: &mut dyn FnMut(Record<'_>)) -> Result<(), Refused> {
        let Some(template) = self.templates.get(&id) else {
            let mut sink = Sink::new(header.version, header.domain);
            sink.number("setId", u64::from(id));
            sink.text("undecoded", &hex(body));
            let record = Record { time: Some(header.exported), problems: Problems::MALFORMED, ..Record::of(sink.finish()) };
            emit(record);
            return Err(NO_TEMPLATE);
        };
        let mut reader = Reader::new(body);
        while reader.left() >= template.least() {
            let mut sink = Sink::new(header.version, header.domain);
            if template.is_options() {
                sink.flag("options");
            }
            let Some(said) = template.flow(&mut reader, &mut sink) else {
                return Err(DAMAGED);
            };
            if template.is_options() {
                self.booted = said.booted.or(self.booted);
                if let Some(interval) = said.interval()
                    && (self.samplers.len() < SAMPLERS_MAX || self.samplers.contains_key(&said.sampler.unwrap_or(0)))
                {
                    self.samplers.insert(said.sampler.unwrap_or(0), interval);
                }
            } else if said.interval().is_none() {
                let known = said.sampler.and_then(|sampler| self.samplers.get(&sampler)).or_else(|| self.samplers.get(&0));
                if let Some(interval) = known.filter(|interval| **interval > 1) {
                    sink.number("samplingInterval", *interval);
                }
            }
            let booted = said.booted.or(header.booted).or(self.booted);
            let up = said.end_uptime.and_then(|millis| booted?.checked_add(i64::try_from(millis).ok()?.checked_mul(1_000_000)?));
            let time = said.end.or(up.map(Timestamp)).unwrap_or(header.exported);
            emit(Record { time: Some(time), ..Record::of(sink.finish()) });
        }
        // A set is filled up with a few bytes, or with zeros: anything else is a flow that is not whole.
        if reader.left() > PADDING_MAX && !reader.is_zero() { Err(DAMAGED) } else { Ok(()) }
    }
}

/// The fixed records of version 5.
fn version5(mut reader: Reader<'_>, emit: &mut dyn FnMut(Record<'_>)) -> Result<(), Refused> {
    let mut head = || {
        let (count, uptime, secs, nanos) = (reader.u16()?, reader.u32()?, reader.u32()?, reader.u32()?);
        let (_sequence, engine, sampling) = (reader.u32()?, reader.u16()?, reader.u16()?);
        let exported = i64::from(secs) * 1_000_000_000 + i64::from(nanos.min(999_999_999));
        Some((count, exported - i64::from(uptime) * 1_000_000, engine, sampling & 0x3fff))
    };
    let (count, booted, engine, sampling) = head().ok_or(DAMAGED)?;
    for _ in 0..count {
        let mut sink = Sink::new(5, u32::from(engine));
        let end = record5(&mut reader, &mut sink).ok_or(DAMAGED)?;
        if sampling > 1 {
            sink.number("samplingInterval", u64::from(sampling));
        }
        let time = Timestamp(booted.saturating_add(i64::from(end) * 1_000_000));
        emit(Record { time: Some(time), ..Record::of(sink.finish()) });
    }
    // What is more than it says comes of a count that is wrong.
    if reader.left() > PADDING_MAX && !reader.is_zero() { Err(DAMAGED) } else { Ok(()) }
}

/// One record of version 5, and its end in milliseconds since the exporter was started.
fn record5(reader: &mut Reader<'_>, sink: &mut Sink) -> Option<u32> {
    let mut fields = Reader::new(reader.take(RECORD5_BYTES)?);
    for name in ["sourceIPv4Address", "destinationIPv4Address", "ipNextHopIPv4Address"] {
        let address: [u8; 4] = fields.take(4)?.try_into().ok()?;
        sink.text(name, &IpAddr::from(address).to_string());
    }
    for name in ["ingressInterface", "egressInterface"] {
        sink.number(name, u64::from(fields.u16()?));
    }
    for name in ["packetDeltaCount", "octetDeltaCount", "flowStartSysUpTime"] {
        sink.number(name, u64::from(fields.u32()?));
    }
    let end = fields.u32()?;
    sink.number("flowEndSysUpTime", u64::from(end));
    for name in ["sourceTransportPort", "destinationTransportPort"] {
        sink.number(name, u64::from(fields.u16()?));
    }
    let _pad = fields.u8()?;
    for name in ["tcpControlBits", "protocolIdentifier", "ipClassOfService"] {
        sink.number(name, u64::from(fields.u8()?));
    }
    for name in ["bgpSourceAsNumber", "bgpDestinationAsNumber"] {
        sink.number(name, u64::from(fields.u16()?));
    }
    for name in ["sourceIPv4PrefixLength", "destinationIPv4PrefixLength"] {
        sink.number(name, u64::from(fields.u8()?));
    }
    Some(end)
}
