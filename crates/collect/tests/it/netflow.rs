//! Flows of all three versions, by hand; and ten thousand datagrams that nobody should send.

use crate::sink::{MemorySink, until};
use serde_json::{Value, json};
use std::net::{IpAddr, UdpSocket};
use taffrail_collect::input::InputSettings;
use taffrail_collect::netflow::Flows;
use taffrail_event::Problems;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const EXPORTED: u32 = 1_795_295_643;

/// Big-endian bytes.
#[derive(Default, Clone)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(mut self, values: &[u16]) -> Self {
        values.iter().for_each(|value| self.0.extend(value.to_be_bytes()));
        self
    }

    fn u32(mut self, values: &[u32]) -> Self {
        values.iter().for_each(|value| self.0.extend(value.to_be_bytes()));
        self
    }

    fn u8(mut self, values: &[u8]) -> Self {
        self.0.extend(values);
        self
    }

    /// A set with its head.
    fn set(self, id: u16, body: Self) -> Self {
        let len = u16::try_from(body.0.len() + 4).unwrap();
        self.u16(&[id, len]).u8(&body.0)
    }
}

fn bytes() -> Bytes {
    Bytes::default()
}

fn version9(domain: u32, sets: &Bytes) -> Vec<u8> {
    bytes().u16(&[9, 1]).u32(&[60_000, EXPORTED, 1, domain]).u8(&sets.0).0
}

fn ipfix(domain: u32, sets: &Bytes) -> Vec<u8> {
    bytes().u16(&[10, u16::try_from(sets.0.len() + 16).unwrap()]).u32(&[EXPORTED, 1, domain]).u8(&sets.0).0
}

fn version5() -> Vec<u8> {
    let mut packet = bytes().u16(&[5, 2]).u32(&[60_000, EXPORTED, 500_000_000, 7]).u8(&[1, 2]).u16(&[0x4000 | 100]);
    for last in [59_000, 60_000] {
        packet = packet
            .u8(&[10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 0])
            .u16(&[3, 4])
            .u32(&[10, 840, 58_000, last])
            .u16(&[51_234, 443])
            .u8(&[0, 0x1b, 6, 0])
            .u16(&[64_500, 64_501])
            .u8(&[24, 16, 0, 0]);
    }
    packet.0
}

fn template9() -> Bytes {
    bytes().u16(&[256, 6, 8, 4, 12, 4, 7, 2, 11, 2, 1, 4, 21, 4])
}

fn flow9(octets: u32) -> Bytes {
    bytes().u8(&[10, 0, 0, 1, 10, 0, 0, 2]).u16(&[51_234, 53]).u32(&[octets, 59_000])
}

/// The events of a datagram, with their times and problems, and what was refused.
fn take(flows: &mut Flows, datagram: &[u8]) -> (Vec<(Value, String, Problems)>, Option<&'static str>) {
    let mut events = Vec::new();
    let refused = flows.datagram(PEER, datagram, &mut |record| {
        events.push((serde_json::from_slice(&record.raw).unwrap(), record.time.unwrap().to_string(), record.problems));
    });
    (events, refused.err())
}

#[test]
fn version_5() {
    let (events, refused) = take(&mut Flows::default(), &version5());
    assert_eq!((events.len(), refused), (2, None));
    assert_eq!(
        events[0].0,
        json!({"version": 5, "observationDomainId": 258, "sourceIPv4Address": "10.0.0.1", "destinationIPv4Address": "10.0.0.2",
            "ipNextHopIPv4Address": "0.0.0.0", "ingressInterface": 3, "egressInterface": 4, "packetDeltaCount": 10,
            "octetDeltaCount": 840, "flowStartSysUpTime": 58_000, "flowEndSysUpTime": 59_000, "sourceTransportPort": 51_234,
            "destinationTransportPort": 443, "tcpControlBits": 27, "protocolIdentifier": 6, "ipClassOfService": 0,
            "bgpSourceAsNumber": 64_500, "bgpDestinationAsNumber": 64_501, "sourceIPv4PrefixLength": 24,
            "destinationIPv4PrefixLength": 16, "samplingInterval": 100})
    );
    assert_eq!((&*events[0].1, &*events[1].1), ("2026-11-21T21:14:02.500Z", "2026-11-21T21:14:03.500Z"));
    // It breaks off: the flow before is kept.
    let whole = version5();
    let (events, refused) = take(&mut Flows::default(), &whole[..whole.len() - 1]);
    assert_eq!((events.len(), refused), (1, Some("damaged")));
}

#[test]
fn version_9_with_templates_padding_and_samplers() {
    let mut flows = Flows::default();
    let data = bytes().set(256, flow9(100).u8(&flow9(200).0).u8(&[0, 0]));
    // Flows before their template are kept as they are.
    let (events, refused) = take(&mut flows, &version9(1, &data));
    assert_eq!((events.len(), refused, events[0].2), (1, Some("no_template"), Problems::MALFORMED));
    assert_eq!(events[0].0["setId"], 256);
    assert!(events[0].0["undecoded"].as_str().unwrap().starts_with("0a0000010a000002c8220035"), "{}", events[0].0);
    let (events, refused) = take(&mut flows, &version9(1, &bytes().set(0, template9()).u8(&data.0)));
    assert_eq!((events.len(), refused), (2, None));
    assert_eq!(
        events[1].0,
        json!({"version": 9, "observationDomainId": 1, "sourceIPv4Address": "10.0.0.1", "destinationIPv4Address": "10.0.0.2",
            "sourceTransportPort": 51_234, "destinationTransportPort": 53, "octetDeltaCount": 200, "flowEndSysUpTime": 59_000})
    );
    assert_eq!(events[1].1, "2026-11-21T21:14:02Z");
    // Another domain and another exporter know nothing of it.
    assert_eq!(take(&mut flows, &version9(2, &data)).1, Some("no_template"));
    assert!(flows.datagram(IpAddr::from([192, 0, 2, 2]), &version9(1, &data), &mut |_| {}).is_err());
    // The exporter says how it samples: from there on flows carry it.
    let options = bytes().set(1, bytes().u16(&[257, 4, 8, 1, 4, 34, 4, 35, 1, 0]));
    let said = bytes().set(257, bytes().u32(&[0, 512]).u8(&[2, 0, 0, 0]));
    let (events, refused) = take(&mut flows, &version9(1, &options.u8(&said.0).u8(&data.0)));
    assert_eq!((events.len(), refused), (3, None));
    assert_eq!(
        (&events[0].0["options"], &events[0].0["scopeSystem"], &events[0].0["samplingInterval"]),
        (&json!(true), &json!(0), &json!(512))
    );
    assert_eq!(events[1].0["samplingInterval"], 512);
}

#[test]
fn ipfix_that_counts_from_when_its_exporter_was_started() {
    let mut flows = Flows::default();
    let template = bytes().set(2, bytes().u16(&[300, 1, 21, 4]));
    let flow = bytes().set(300, bytes().u32(&[7_000]));
    let (events, _) = take(&mut flows, &ipfix(1, &template.clone().u8(&flow.0)));
    assert_eq!(events[0].1, "2026-11-21T21:14:03Z", "when it was exported: nobody said more");
    // It says so once, with its options.
    let options = bytes().set(3, bytes().u16(&[301, 2, 1, 143, 4, 160, 8]));
    let said = bytes().set(301, bytes().u32(&[1, 0x0000_018b, 0xcfe5_6800]));
    let (events, refused) = take(&mut flows, &ipfix(1, &options.u8(&said.0).u8(&flow.0)));
    assert_eq!((events.len(), refused), (2, None));
    assert_eq!(events[1].1, "2023-11-14T22:13:27Z");
    // Another domain knows nothing of it.
    assert_eq!(take(&mut flows, &ipfix(2, &template.u8(&flow.0))).0[0].1, "2026-11-21T21:14:03Z");
}

#[test]
fn ipfix_with_long_values_enterprises_and_times() {
    let mut flows = Flows::default();
    let template = bytes()
        .u16(&[300, 8, 27, 16, 153, 8, 82, 65_535, 0x8000 | 1, 4])
        .u32(&[29_305])
        .u16(&[0x8000 | 77, 2])
        .u32(&[9])
        .u16(&[56, 6, 276, 1, 9999, 8]);
    let flow = bytes()
        .u8(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        .u32(&[418, 10_000])
        .u8(&[4])
        .u8(b"eth0")
        .u32(&[5])
        .u16(&[7])
        .u8(&[0, 1, 2, 0xab, 0xcd, 0xef, 1])
        .u32(&[1, 2]);
    let (events, refused) = take(&mut flows, &ipfix(1, &bytes().set(2, template.clone()).set(300, flow.clone())));
    assert_eq!(refused, None);
    assert_eq!(
        events[0].0,
        json!({"version": 10, "observationDomainId": 1, "sourceIPv6Address": "2001:db8::1", "flowEndMilliseconds": "2026-11-21T21:14:03.472Z"
            .replace("2026-11-21T21:14:03.472Z", &events[0].1), "interfaceName": "eth0", "reverseOctetDeltaCount": 5, "element_9_77": 7,
            "sourceMacAddress": "00:01:02:ab:cd:ef", "dataRecordsReliability": true, "element_9999": "0000000100000002"})
    );
    assert_eq!(events[0].1, taffrail_event::Timestamp(((418i64 << 32) + 10_000) * 1_000_000).to_string());
    // A long value says its length in three bytes.
    let long = bytes().set(2, bytes().u16(&[301, 1, 82, 65_535])).set(301, bytes().u8(&[255, 1, 0]).u8(&[b'x'; 256]));
    assert_eq!(take(&mut flows, &ipfix(1, &long)).0[0].0["interfaceName"].as_str().unwrap().len(), 256);
    // Withdrawn, one and all.
    let data = bytes().set(300, flow);
    assert_eq!(take(&mut flows, &ipfix(1, &bytes().set(2, bytes().u16(&[300, 0])).u8(&data.0))).1, Some("no_template"));
    take(&mut flows, &ipfix(1, &bytes().set(2, template)));
    assert_eq!(take(&mut flows, &ipfix(1, &data)).1, None);
    assert_eq!(take(&mut flows, &ipfix(1, &bytes().set(2, bytes().u16(&[2, 0])).u8(&data.0))).1, Some("no_template"));
    // A template without a byte, and more templates than anybody has.
    assert_eq!(take(&mut flows, &ipfix(1, &bytes().set(2, bytes().u16(&[400, 1, 8, 0])))).1, Some("damaged"));
    let refused: Vec<_> =
        (256..2000).filter_map(|id| take(&mut flows, &ipfix(9, &bytes().set(2, bytes().u16(&[id, 1, 8, 4])))).1).collect();
    assert_eq!((refused.len(), refused[0]), (744, "too_many_templates"));
}

/// Whether a datagram holds templates at most, and a few bytes or zeros that fill it up.
fn brings_nothing(datagram: &[u8]) -> bool {
    let number = |at: usize| usize::from(u16::from_be_bytes([datagram[at], datagram[at + 1]]));
    let is_filling = |bytes: &[u8]| bytes.len() <= 3 || bytes.iter().all(|byte| *byte == 0);
    if number(0) == 5 {
        return is_filling(&datagram[24..]);
    }
    let mut at = if number(0) == 9 { 20 } else { 16 };
    while at + 4 <= datagram.len() {
        let data = &datagram[at + 4..(at + number(at + 2)).clamp(at + 4, datagram.len())];
        if number(at) > 3 && !is_filling(data) {
            return false;
        }
        at += number(at + 2).max(4);
    }
    true
}

#[test]
fn ten_thousand_damaged_datagrams() {
    let data = bytes().set(256, flow9(100).u8(&flow9(200).0));
    let options = bytes().set(1, bytes().u16(&[257, 4, 8, 1, 4, 34, 4, 35, 1, 0])).set(257, bytes().u32(&[0, 512]).u8(&[2, 0, 0, 0]));
    let cases = [
        version5(),
        version9(1, &bytes().set(0, template9()).u8(&options.0).u8(&data.0)),
        ipfix(1, &bytes().set(2, template9().u16(&[301, 1, 82, 65_535])).u8(&data.0).set(301, bytes().u8(&[3, b'a', b'b', b'c']))),
    ];
    let mut mutator = crate::mutator::Mutator::new(b"\0\x01\x05\x09\x0a\xff");
    let mut flows = Flows::default();
    let (mut events, mut refused) = (0, 0);
    for number in 0..10_000 {
        let datagram = mutator.change(&cases[number % cases.len()]);
        let (taken, said) = take(&mut flows, &datagram);
        assert!(!taken.is_empty() || said.is_some() || brings_nothing(&datagram), "{datagram:?}");
        events += taken.len();
        refused += usize::from(said.is_some());
    }
    println!("{events} flows taken, {refused} datagrams refused in part or whole");
    assert!(events > 10_000 && refused > 1_000);
}

#[test]
fn flows_arrive() {
    let sink = MemorySink::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings: InputSettings = toml::from_str("type = \"netflow\"\naddress = \"127.0.0.1:0\"").unwrap();
    let running = {
        let _inside = runtime.enter();
        settings.build().unwrap().start(sink.context()).unwrap()
    };
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(&version5(), running.address.unwrap()).unwrap();
    sender.send_to(b"nothing of the kind", running.address.unwrap()).unwrap();
    until("flows are stored", || sink.count() >= 2 && !running.counters.snapshot().skipped.is_empty());
    assert_eq!(running.counters.snapshot().skipped, [("damaged", 1)]);
    runtime.block_on(running.stop());
    let event = &sink.events()[0];
    assert_eq!((&*event.origin.sourcetype, &*event.origin.host, event.problems), ("netflow", "127.0.0.1", Problems::NONE));
}
