//! softflowd, an exporter of flows, over packets that are made up here; all versions that it speaks.

use super::{Running, account, listener, program, serve};
use crate::harness::{Scratch, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

/// A recording of packets, as `tcpdump -w` makes it.
struct Recording(Vec<u8>);

/// When the first packet was seen, in seconds.
const BEGIN: u32 = 1_700_000_000;

impl Recording {
    fn new() -> Self {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&65_535u32.to_le_bytes());
        bytes.extend_from_slice(&1u32.to_le_bytes());
        Self(bytes)
    }

    fn packet(&mut self, second: u32, kind: u16, packet: &[u8]) {
        let frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &kind.to_be_bytes(), packet].concat();
        self.0.extend_from_slice(&(BEGIN + second).to_le_bytes());
        self.0.extend_from_slice(&250_000u32.to_le_bytes());
        for _ in 0..2 {
            self.0.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        }
        self.0.extend_from_slice(&frame);
    }

    fn version4(&mut self, second: u32, flow: &Flow, segment: &[u8]) {
        let (Ok(from), Ok(to)) = (flow.from.parse::<Ipv4Addr>(), flow.to.parse::<Ipv4Addr>()) else { panic!("is no address") };
        let length = (20 + segment.len()) as u16;
        let head = [0x45, 0, (length >> 8) as u8, length as u8, 0, 0, 0, 0, 64, flow.protocol, 0, 0];
        self.packet(second, 0x0800, &[&head[..], &from.octets(), &to.octets(), segment].concat());
    }

    fn version6(&mut self, second: u32, flow: &Flow, segment: &[u8]) {
        let (Ok(from), Ok(to)) = (flow.from.parse::<Ipv6Addr>(), flow.to.parse::<Ipv6Addr>()) else { panic!("is no address") };
        let length = segment.len() as u16;
        let head = [0x60, 0, 0, 0, (length >> 8) as u8, length as u8, flow.protocol, 64];
        self.packet(second, 0x86dd, &[&head[..], &from.octets(), &to.octets(), segment].concat());
    }
}

/// What an exporter should say of a flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flow {
    from: String,
    from_port: u16,
    to: String,
    to_port: u16,
    protocol: u8,
    packets: u64,
    octets: u64,
    /// Seconds behind the first packet.
    end: u32,
}

/// Adds the packets of a flow to the recording.
fn record(recording: &mut Recording, flow: &Flow) {
    let ports = [flow.from_port.to_be_bytes(), flow.to_port.to_be_bytes()].concat();
    let head = if flow.from.contains(':') { 40 } else { 20 };
    for packet in 0..flow.packets {
        let bytes = (flow.octets / flow.packets - head) as usize;
        let mut segment = ports.clone();
        if flow.protocol == 6 {
            // Numbers, length of the head, flags (only ACK: the flow goes on), window.
            segment.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 16, 0, 0, 0, 0, 0]);
        } else {
            segment.extend_from_slice(&[(bytes >> 8) as u8, bytes as u8, 0, 0]);
        }
        segment.resize(bytes, b'x');
        let second = flow.end - (flow.packets - 1 - packet) as u32;
        if head == 40 { recording.version6(second, flow, &segment) } else { recording.version4(second, flow, &segment) }
    }
}

fn flows(with_version6: bool) -> Vec<Flow> {
    let one = |at: u16, from: String, to: String, protocol: u8| Flow {
        from,
        from_port: 30_000 + at,
        to,
        to_port: if protocol == 6 { 443 } else { 53 },
        protocol,
        packets: 1 + u64::from(at % 3),
        octets: (1 + u64::from(at % 3)) * (100 + u64::from(at)),
        end: 5 + u32::from(at % 50),
    };
    let version4 =
        (0..220).map(|at| one(at, format!("10.1.{}.{}", at / 100, 1 + at % 100), "10.2.0.1".into(), if at % 4 == 0 { 17 } else { 6 }));
    let version6 = (0..30).filter(|_| with_version6).map(|at| one(at, format!("2001:db8::{:x}", 1 + at), "2001:db8::ffff".into(), 6));
    version4.chain(version6).collect()
}

fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().or_else(|| row[name].as_str()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {row}"))
}

fn of(row: &Value) -> (Flow, u64) {
    let text = |names: [&str; 2]| names.iter().find_map(|name| row[*name].as_str()).unwrap_or_default().to_owned();
    let time: jiff::Timestamp = row["_time"].as_str().expect("has a time").parse().expect("is a time");
    let flow = Flow {
        from: text(["sourceIPv4Address", "sourceIPv6Address"]),
        from_port: number(row, "sourceTransportPort") as u16,
        to: text(["destinationIPv4Address", "destinationIPv6Address"]),
        to_port: number(row, "destinationTransportPort") as u16,
        protocol: number(row, "protocolIdentifier") as u8,
        packets: number(row, "packetDeltaCount"),
        octets: number(row, "octetDeltaCount"),
        end: (time.as_second() - i64::from(BEGIN)) as u32,
    };
    (flow, number(row, "version"))
}

#[test]
fn softflowd() {
    let Some(softflowd) = program(&["softflowd"], "softflowd") else { return };
    let scratch = Scratch::new();
    let server = serve(&scratch, "[[input]]\ntype = \"netflow\"\naddress = \"127.0.0.1:0\"\n");
    let (host, port) = listener(&server, "netflow");
    let mut wanted: BTreeMap<u64, Vec<Flow>> = BTreeMap::new();
    for version in [5, 9, 10] {
        let mut flows = flows(version != 5);
        let mut recording = Recording::new();
        // In the order of time, as they are seen.
        flows.sort_by_key(|flow| flow.end);
        flows.iter().for_each(|flow| record(&mut recording, flow));
        scratch.file("p.pcap", &recording.0);
        let mut command = Command::new(&softflowd);
        // It takes no longer names than these.
        command.current_dir(scratch.path()).args(["-d", "-a", "-r", "p.pcap", "-p", "./pid", "-c", "./control"]);
        command.args(["-v", &version.to_string(), "-n", &format!("{host}:{port}")]);
        let log = scratch.path().join("softflowd.log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&log).expect("can be written"));
        let well = Running(command.spawn().expect("starts")).ended("softflowd");
        assert!(well, "{}", std::fs::read_to_string(log).unwrap_or_default());
        flows.sort();
        wanted.insert(version, flows);
        let all: usize = wanted.values().map(Vec::len).sum();
        eventually("the flows are stored", || scratch.count("index=main sourceTransportPort=*") >= all as u64);
    }
    let account = account(&server, "netflow");
    assert_eq!((&account["kernel_drops"], &account["skipped"]), (&serde_json::json!(0), &serde_json::json!({})), "{account}");
    server.stop();
    let mut there: BTreeMap<u64, Vec<Flow>> = BTreeMap::new();
    for row in scratch.rows("index=main sourceTransportPort=* | table _time *") {
        let (flow, version) = of(&row);
        there.entry(version).or_default().push(flow);
    }
    for (version, wanted) in &wanted {
        let there = there.get_mut(version).unwrap_or_else(|| panic!("nothing of version {version}"));
        there.sort();
        let differs = there.iter().zip(wanted).find(|(there, wanted)| there != wanted);
        assert!(differs.is_none() && there.len() == wanted.len(), "version {version}, {} of {}: {differs:?}", there.len(), wanted.len());
    }
}
