//! What others push over HTTP: bodies as real senders write them, and ten thousand that nobody should.

use crate::mutator::Mutator;
use taffrail_base::Result;
use taffrail_collect::gelf;
use taffrail_collect::http::IngestOrigin;
use taffrail_collect::push::{Intake, bulk, datadog, hec, journal, loki, otlp};
use taffrail_event::{EventBatch, Same, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

fn intake() -> Intake {
    let origin = IngestOrigin { peer: "192.0.2.1".into(), ..IngestOrigin::default() };
    Intake::new(&origin, "default", NOW).unwrap()
}

/// An event in one line: time, host, source, sourcetype, bytes.
fn shown(batches: &[EventBatch]) -> Vec<String> {
    let line = |event: taffrail_event::EventRef<'_>| {
        let time = if event.time == NOW { "now".to_owned() } else { event.time.to_string() };
        let origin = event.origin;
        format!("{time} {} {} {}: {}", origin.host, origin.source, origin.sourcetype, String::from_utf8_lossy(event.raw))
    };
    batches.iter().flat_map(|batch| batch.iter().map(line)).collect()
}

fn hec_of(body: &str) -> (Vec<String>, Option<(u16, Option<usize>)>) {
    let mut intake = intake();
    let (taken, wrong) = hec::events(body.as_bytes(), &mut intake);
    let events = shown(&intake.finish());
    assert_eq!(taken, events.len());
    (events, wrong.map(|wrong| (wrong.code, wrong.event)))
}

#[test]
fn hec_takes_what_splunk_takes() {
    let (events, wrong) = hec_of(
        r#"{"event":"Hello, world!","sourcetype":"manual"}{"time":1426279439.123,"host":"web","source":"s","event":{"a":1.50}}
           {"time":"1426279439","event":"plain é","fields":{"b":["x","y"]}} {"event":{"a":1},"fields":{"a":2,"c":3},"sourcetype":"app"} {"event":5}"#,
    );
    assert_eq!(wrong, None);
    assert_eq!(
        events,
        [
            "now 192.0.2.1 default manual: Hello, world!",
            "2015-03-13T20:43:59.123Z web s json: {\"a\":1.50}",
            "2015-03-13T20:43:59Z 192.0.2.1 default json: {\"message\":\"plain é\",\"b\":[\"x\",\"y\"]}",
            "now 192.0.2.1 default app: {\"a\":1,\"a_2\":2,\"c\":3}",
            "now 192.0.2.1 default json: 5",
        ]
    );
    assert_eq!(hec_of(r#"[{"event":"one"},{"event":"two\nlines"}]"#).0.len(), 2);
    assert_eq!(hec_of(r#"{"event":"x","index":"other"}"#).1, None);
}

#[test]
fn hec_says_which_event_is_wrong_and_keeps_those_before() {
    let good = r#"{"event":"good"}"#;
    for (wrong, code) in [
        ("{\"event\":\"\"}", 13),
        ("{\"time\":1}", 12),
        ("{\"event\":null}", 12),
        ("{\"event\":\"x\",\"fields\":[1]}", 15),
        ("{\"event\":\"x\",\"index\":\"../x\"}", 7),
        ("{\"event\":", 6),
        ("nonsense", 6),
        ("5", 6),
    ] {
        let (events, refusal) = hec_of(&format!("{good}{good}{wrong}{good}"));
        assert_eq!((events.len(), refusal), (2, Some((code, Some(2)))), "{wrong}");
    }
    assert_eq!(hec_of("").1, Some((5, None)));
    assert_eq!(hec_of(" \n").1, Some((5, None)));
    assert_eq!(hec::events(b"{\"event\":\"\xff\"}", &mut intake()).1.map(|wrong| wrong.code), Some(6));
}

/// The ids that events have: numbers of events, and whether the id alone makes them the same.
fn marks(batches: &[EventBatch]) -> Vec<(std::ops::Range<u32>, bool)> {
    batches.iter().flat_map(|batch| batch.ids()).map(|marked| (marked.range(), marked.same == Same::Id)).collect()
}

#[test]
fn ids_of_bulk_and_journals_are_those_of_their_sender() {
    let documents = "{\"create\":{\"_id\":\"7\"}}\n{\"a\":1}\n{\"index\":{}}\n{\"a\":1}\n{\"index\":{\"_id\":7}}\n{\"a\":1}\n\
                     {\"create\":{\"_id\":null}}\n{\"a\":1}\n{\"create\":{\"_id\":\"\"}}\n{\"a\":1}\n{\"create\":{\"_id\":\"7\",\"_index\":\"b\"}}\n{\"a\":1}\n";
    let of = |sender: &str, source: &str| {
        let origin = IngestOrigin { peer: "192.0.2.1".into(), sender: sender.into(), ..IngestOrigin::default() };
        let mut intake = Intake::new(&origin, source, NOW).unwrap();
        let items = bulk::documents(documents.as_bytes(), Some("a"), &mut intake).unwrap();
        (items, intake.finish())
    };
    let (items, batches) = of("", "bulk");
    assert_eq!(marks(&batches), [(0..1, true), (2..3, false), (5..6, true)]);
    let places: Vec<_> = items.iter().map(|item| item.place).collect();
    assert_eq!(places, [Some((0, 0)), None, Some((0, 2)), None, None, Some((0, 5))]);
    let ids: Vec<_> = batches[0].ids().iter().map(|marked| marked.id).collect();
    assert!(ids[0] == ids[1] && ids[0] != ids[2], "a number and a text are one name; another index is another document");
    assert_eq!(of("", "bulk").1, batches);
    for (sender, source) in [("token 1", "bulk"), ("", "other")] {
        assert_ne!(of(sender, source).1[0].ids()[0].id, ids[0], "{sender} {source}");
    }
    let mut upload = journal::Upload::new(&IngestOrigin::default(), NOW).unwrap();
    upload.push(b"__CURSOR=s=1;i=1\nMESSAGE=a\n\nMESSAGE=b\n\n__CURSOR=s=1;i=2\nMESSAGE=a\n\n").unwrap();
    assert_eq!(marks(&upload.rest()), [(0..1, false), (2..3, false)]);
}

#[test]
fn the_place_of_a_document_is_that_in_its_batch() {
    let mut body = String::new();
    for id in 0..6 {
        let long = "x".repeat(if id == 4 { taffrail_base::limits::EVENT_BYTES_MAX } else { 1 << 20 });
        body.push_str(&format!("{{\"create\":{{\"_id\":{id}}}}}\n{{\"a\":\"{long}\"}}\n"));
    }
    let mut intake = intake();
    let items = bulk::documents(body.as_bytes(), None, &mut intake).unwrap();
    let batches = intake.finish();
    assert!(batches.len() > 1, "{} batches", batches.len());
    for item in items {
        let (batch, event) = item.place.unwrap();
        let marked = batches[batch].ids().iter().find(|marked| marked.first == event).expect("is marked");
        assert_eq!(marked.count, if item.id.as_deref() == Some("4") { 2 } else { 1 }, "what is too long for one event is two");
    }
}

#[test]
fn bulk_takes_documents_and_refuses_changes_one_by_one() {
    let body = "{\"create\":{\"_index\":\"logs-app\",\"_id\":\"7\"}}\n{\"@timestamp\":\"2026-03-01T00:00:00Z\",\"message\":\"hi\",\"n\":1.0}\n\
                {\"index\":{}}\r\n{\"a\":1}\r\n{\"delete\":{\"_id\":\"1\"}}\n{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{}}\n{\"index\":{}}\n[1]\n\n{\"index\":{}}\n{}";
    let mut intake = intake();
    let items = bulk::documents(body.as_bytes(), Some("path"), &mut intake).unwrap();
    let told: Vec<_> = items.iter().map(|item| (item.action.as_str(), item.index.as_str(), item.refused.is_some())).collect();
    assert_eq!(
        told,
        [
            ("create", "logs-app", false),
            ("index", "path", false),
            ("delete", "path", true),
            ("update", "path", true),
            ("index", "path", true),
            ("index", "path", false)
        ]
    );
    assert_eq!(items[0].id.as_deref(), Some("7"));
    let events = shown(&intake.finish());
    assert_eq!(
        events[0],
        "2026-03-01T00:00:00Z 192.0.2.1 logs-app json: {\"@timestamp\":\"2026-03-01T00:00:00Z\",\"message\":\"hi\",\"n\":1.0}"
    );
    assert_eq!(events[1..], ["now 192.0.2.1 path json: {\"a\":1}", "now 192.0.2.1 path json: {}"]);
    for wrong in ["", "\n\n", "{}\n{}", "{\"index\":{}}", "nonsense\n{}", "{\"what\":{}}\n{}", "{\"index\":{}}\n{}\n[]\n"] {
        let mut intake = self::intake();
        assert!(bulk::documents(wrong.as_bytes(), None, &mut intake).is_err(), "{wrong:?}");
        assert!(intake.finish().is_empty(), "{wrong:?}: something was taken all the same");
    }
}

#[test]
fn datadog_and_gelf() {
    let mut intake = intake();
    let body = r#"[{"ddsource":"nginx","hostname":"web","service":"shop","message":"hi","timestamp":1700000000000},{"message":"x"}]"#;
    assert_eq!(datadog::logs(body.as_bytes(), &mut intake).unwrap(), 2);
    intake.push(&gelf::record(br#"{"host":"db","timestamp":1385053862.3072,"short_message":"a"}"#));
    let events = shown(&intake.finish());
    assert!(events[0].starts_with("2023-11-14T22:13:20Z web nginx json: {\"ddsource\""), "{}", events[0]);
    assert_eq!(events[1], "now 192.0.2.1 default json: {\"message\":\"x\"}");
    assert!(
        events[2].starts_with("2013-11-21T17:11:02.307200Z db default json: ") || events[2].contains(" db default json: {"),
        "{}",
        events[2]
    );
    assert!(datadog::logs(b"[1]", &mut self::intake()).is_err());
    assert!(datadog::logs(b"{} x", &mut self::intake()).is_err());
}

#[test]
fn loki_as_json() {
    let body = r#"{"streams":[{"stream":{"host":"web","filename":"/var/log/x"},"values":[["1433188255500000000","a \"plain\" line"]]},
        {"stream":{"app":"shop","job":"j"},"values":[["1433188255000000000","one"],["1433188255000000001","two",{"trace":"t1"}]]}]}"#;
    let mut intake = intake();
    assert_eq!(loki::from_json(body.as_bytes(), &mut intake).unwrap(), 3);
    assert_eq!(
        shown(&intake.finish()),
        [
            "2015-06-01T19:50:55.500Z web /var/log/x text: a \"plain\" line",
            "2015-06-01T19:50:55Z 192.0.2.1 j json: {\"message\":\"one\",\"app\":\"shop\"}",
            "2015-06-01T19:50:55.000000001Z 192.0.2.1 j json: {\"message\":\"two\",\"app\":\"shop\",\"trace\":\"t1\"}",
        ]
    );
    for wrong in
        ["", "{}", "[]", "{\"streams\":[{\"stream\":{},\"values\":[[\"x\",\"y\"]]}]}", "{\"streams\":[{\"stream\":[],\"values\":[]}]}"]
    {
        assert!(loki::from_json(wrong.as_bytes(), &mut self::intake()).is_err(), "{wrong}");
    }
    assert_eq!(loki::from_json(b"{\"streams\":[]}", &mut self::intake()).unwrap(), 0);
}

/// As it was before Loki's version 0.4, and as some libraries send it to this day.
#[test]
fn loki_as_json_of_before() {
    let body = r#"{"streams":[{"labels":"{host=\"web\", app=\"a \\\"b\\\"\"}","entries":[{"ts":"2015-06-01T21:50:55.5+02:00","line":"one"}]},
        {"entries":[{"ts":"2015-06-01T19:50:55.000000001Z","line":"two"}]}]}"#;
    let mut intake = intake();
    assert_eq!(loki::from_json(body.as_bytes(), &mut intake).unwrap(), 2);
    assert_eq!(
        shown(&intake.finish()),
        [
            "2015-06-01T19:50:55.500Z web default json: {\"message\":\"one\",\"app\":\"a \\\"b\\\"\"}".to_owned(),
            "2015-06-01T19:50:55.000000001Z 192.0.2.1 default text: two".to_owned(),
        ]
    );
    for wrong in [
        r#"{"labels":"{","entries":[]}"#,
        r#"{"labels":1,"entries":[]}"#,
        r#"{"labels":"{}","entries":{}}"#,
        r#"{"labels":"{}","entries":[{"line":"x"}]}"#,
        r#"{"labels":"{}","entries":[{"ts":"2015-06-01T19:50:55Z"}]}"#,
        r#"{"labels":"{}","entries":[{"ts":"2015-06-01T19:50:55Z and more","line":"x"}]}"#,
    ] {
        let body = format!("{{\"streams\":[{wrong}]}}");
        assert!(loki::from_json(body.as_bytes(), &mut self::intake()).is_err(), "{wrong}");
    }
}

/// A field of protocol buffers that holds bytes.
fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = value.len();
    while length > 127 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    [field, value.to_vec()].concat()
}

fn varint(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn eight(number: u8, value: u64) -> Vec<u8> {
    [vec![number << 3 | 1], value.to_le_bytes().to_vec()].concat()
}

fn snappy(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).expect("it is short")
}

fn loki_protobuf() -> Vec<u8> {
    let time = [&[0x08][..], &[0xdf, 0xdd, 0xb2, 0xab, 0x05], &[0x10, 7]].concat();
    let metadata = bytes(3, &[bytes(1, b"trace"), bytes(2, b"t1")].concat());
    let entry = [bytes(1, &time), bytes(2, b"one line"), metadata].concat();
    let stream = [bytes(1, br#"{app="shop", job="a \"b\"" ,x=""}"#), bytes(2, &entry)].concat();
    snappy(&bytes(1, &stream))
}

#[test]
fn loki_as_protocol_buffers() {
    let mut intake = intake();
    assert_eq!(loki::from_protobuf(&loki_protobuf(), &mut intake).unwrap(), 1);
    assert_eq!(
        shown(&intake.finish()),
        ["2015-06-01T19:13:35.000000007Z 192.0.2.1 a \"b\" json: {\"message\":\"one line\",\"app\":\"shop\",\"x\":\"\",\"trace\":\"t1\"}"]
    );
    for labels in ["", "{", "{a}", "{a=}", "{a=\"b}", "{a=\"b\" \"c\"}", "a=\"b\""] {
        let body = snappy(&bytes(1, &bytes(1, labels.as_bytes())));
        assert!(loki::from_protobuf(&body, &mut self::intake()).is_err(), "{labels}");
    }
    // Four GiB, one MiB, and more than a number of 32 bits in six bytes; and bytes that are no block.
    let bombs = [&[0xff, 0xff, 0xff, 0xff, 0x0f, 0][..], &[0x80, 0x80, 0x40, 0, 0, 0], &[0xff, 0xff, 0xff, 0xff, 0x7f, 0], b"\x05\x10hell"];
    let kinds = bombs.map(|bomb| loki::from_protobuf(bomb, &mut self::intake()).unwrap_err().kind());
    use taffrail_base::ErrorKind::{Invalid, Limit};
    assert_eq!(kinds, [Limit, Invalid, Invalid, Invalid]);
}

fn pair(key: &str, value: &[u8]) -> Vec<u8> {
    [bytes(1, key.as_bytes()), bytes(2, value)].concat()
}

fn otlp_protobuf() -> Vec<u8> {
    let text = |value: &str| bytes(1, value.as_bytes());
    let resource = [bytes(1, &pair("service.name", &text("shop"))), bytes(1, &pair("host.name", &text("web")))].concat();
    let list = bytes(5, &[bytes(1, &varint(2, 1)), bytes(1, &eight(4, 1.5f64.to_bits()))].concat());
    let nested = bytes(6, &bytes(1, &pair("k", &varint(3, 7))));
    let log = [
        eight(1, 1_433_188_255_500_000_000),
        varint(2, 17),
        bytes(3, b"ERROR"),
        bytes(5, &text("it failed")),
        bytes(6, &pair("list", &list)),
        bytes(6, &pair("nested", &nested)),
        bytes(6, &pair("service.name", &text("other"))),
        bytes(9, &[0xab; 16]),
        bytes(10, &[0xcd; 8]),
    ]
    .concat();
    let bare = [eight(11, 1_433_188_255_000_000_000), bytes(5, &text("only text"))].concat();
    let scope = [bytes(1, &bytes(1, b"lib")), bytes(2, &log)].concat();
    [bytes(1, &[bytes(1, &resource), bytes(2, &scope)].concat()), bytes(1, &bytes(2, &bytes(2, &bare)))].concat()
}

const OTLP_JSON: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
    {"key":"host.name","value":{"stringValue":"web"}}]},"scopeLogs":[{"scope":{"name":"lib"},"logRecords":[{"timeUnixNano":"1433188255500000000",
    "severityNumber":17,"severityText":"ERROR","body":{"stringValue":"it failed"},"attributes":[
    {"key":"list","value":{"arrayValue":{"values":[{"boolValue":true},{"doubleValue":1.5}]}}},
    {"key":"nested","value":{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"7"}}]}}},
    {"key":"service.name","value":{"stringValue":"other"}}],
    "traceId":"abababababababababababababababab","spanId":"cdcdcdcdcdcdcdcd"}]}]},
    {"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":"1433188255000000000","body":{"stringValue":"only text"}}]}]}]}"#;

#[test]
fn otlp_is_the_same_in_both_encodings() {
    let wanted = [
        "2015-06-01T19:50:55.500Z web shop json: {\"message\":\"it failed\",\"severity\":\"ERROR\",\
         \"trace_id\":\"abababababababababababababababab\",\"span_id\":\"cdcdcdcdcdcdcdcd\",\"scope_name\":\"lib\",\"severity_number\":17,\
         \"list\":[true,1.5],\"nested\":{\"k\":7},\"service.name\":\"other\",\"resource.service.name\":\"shop\",\"host.name\":\"web\"}",
        "2015-06-01T19:50:55Z 192.0.2.1 default text: only text",
    ];
    let (mut first, mut second) = (intake(), intake());
    assert_eq!(otlp::from_protobuf(&otlp_protobuf(), &mut first).unwrap(), 2);
    assert_eq!(otlp::from_json(OTLP_JSON.as_bytes(), &mut second).unwrap(), 2);
    assert_eq!(shown(&first.finish()), wanted);
    assert_eq!(shown(&second.finish()), wanted);
    assert_eq!(otlp::from_protobuf(b"", &mut intake()).unwrap(), 0);
    assert_eq!(otlp::from_json(b"{}", &mut intake()).unwrap(), 0);
    for wrong in ["", "[]", "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"x\"}]}]}]}"] {
        assert!(otlp::from_json(wrong.as_bytes(), &mut intake()).is_err(), "{wrong}");
    }
    let deep = (0..100).fold(varint(3, 1), |inner, _| bytes(5, &bytes(1, &inner)));
    let body = bytes(1, &bytes(2, &bytes(2, &bytes(5, &deep))));
    assert!(otlp::from_protobuf(&body, &mut intake()).unwrap_err().message().contains("too deeply"));
}

/// A decoder that says how many events it took of a body.
type Decode = fn(&[u8], &mut Intake) -> Result<usize>;

/// Whatever a body holds: an error takes nothing, success takes what it says, and nothing panics.
#[test]
fn ten_thousand_malformed_bodies_of_each_kind() {
    let bulk_body = b"{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"hi\"}\n{\"index\":{}}\n{\"a\":1}\n".to_vec();
    let cases: [(&str, Decode, Vec<u8>); 7] = [
        (
            "hec",
            |body, intake| Ok(hec::events(body, intake).0),
            br#"{"time":1.5,"event":{"a":[1,"x"]},"fields":{"b":"c"}}{"event":"text"}"#.to_vec(),
        ),
        (
            "bulk",
            |body, intake| bulk::documents(body, None, intake).map(|items| items.iter().filter(|item| item.refused.is_none()).count()),
            bulk_body,
        ),
        ("datadog", datadog::logs, br#"[{"message":"hi","hostname":"web"},{"message":"x","timestamp":1700000000}]"#.to_vec()),
        ("loki json", loki::from_json, br#"{"streams":[{"stream":{"app":"a"},"values":[["1","line",{"t":"u"}]]}]}"#.to_vec()),
        ("loki protobuf", loki::from_protobuf, loki_protobuf()),
        ("otlp json", otlp::from_json, OTLP_JSON.as_bytes().to_vec()),
        ("otlp protobuf", otlp::from_protobuf, otlp_protobuf()),
    ];
    for (name, decode, right) in cases {
        let mut mutator = Mutator::new(b"{}[]\",:\\0\xff");
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..10_000 {
            let body = mutator.change(&right);
            let mut intake = intake();
            let said = decode(&body, &mut intake);
            let there: usize = intake.finish().iter().map(|batch| batch.len()).sum();
            match said {
                Ok(said) => {
                    assert_eq!(said, there, "{name}: {:?}", String::from_utf8_lossy(&body));
                    taken += there;
                }
                Err(_) => {
                    assert_eq!(there, 0, "{name}: {:?}", String::from_utf8_lossy(&body));
                    refused += 1;
                }
            }
        }
        println!("{name}: {taken} events taken, {refused} bodies refused");
        assert!(taken > 0, "{name}");
    }
}

/// Two entries, one with a value of several lines.
fn journal() -> Vec<u8> {
    let mut body = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1433188255500000\n_HOSTNAME=box\nMESSAGE\n".to_vec();
    body.extend(9u64.to_le_bytes());
    body.extend(b"two\nlines\nPRIORITY=6\n\n__CURSOR=s=2\nMESSAGE=plain\n\n");
    body
}

#[test]
fn a_journal_is_taken_as_it_comes() {
    let origin = IngestOrigin { peer: "192.0.2.1".into(), ..IngestOrigin::default() };
    let body = journal();
    for cut in 0..=body.len() {
        let mut upload = journal::Upload::new(&origin, NOW).unwrap();
        for part in [&body[..cut], &body[cut..]] {
            assert!(upload.push(part).unwrap().is_empty());
        }
        assert_eq!(upload.finish().unwrap(), 2);
        assert_eq!(
            shown(&upload.rest()),
            [
                r#"2015-06-01T19:50:55.500Z box journald journald: {"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1433188255500000","_HOSTNAME":"box","MESSAGE":"two\nlines","PRIORITY":"6"}"#,
                r#"now 192.0.2.1 journald journald: {"__CURSOR":"s=2","MESSAGE":"plain"}"#,
            ]
        );
    }
    // What is not whole is said; what was before it is there.
    for (end, wrong) in [(body.len() - 1, "ends within"), (body.len() - 4, "ends within"), (100, "ends within")] {
        let mut upload = journal::Upload::new(&origin, NOW).unwrap();
        upload.push(&body[..end]).unwrap();
        assert!(upload.finish().unwrap_err().to_string().contains(wrong));
        assert_eq!(upload.rest().len(), usize::from(end > 110));
    }
    let mut upload = journal::Upload::new(&origin, NOW).unwrap();
    assert!(upload.push(b"no journal\n\xff\xff\xff\xff\xff\xff\xff\xff and more").unwrap_err().to_string().contains("not in the journal"));
}

#[test]
fn ten_thousand_journals_that_nobody_should_send() {
    let origin = IngestOrigin { peer: "192.0.2.1".into(), ..IngestOrigin::default() };
    let right = journal();
    let mut mutator = Mutator::new(b"\n=\0\xff");
    let (mut events, mut refused) = (0, 0);
    for _ in 0..10_000 {
        let body = mutator.change(&right);
        let mut upload = journal::Upload::new(&origin, NOW).unwrap();
        let whole = upload.push(&body).and_then(|_| upload.finish());
        let there: usize = upload.rest().iter().map(EventBatch::len).sum();
        match whole {
            Ok(said) => assert_eq!(said as usize, there),
            Err(_) => refused += 1,
        }
        events += there;
    }
    println!("{events} entries taken, {refused} bodies refused");
    assert!(events > 8_000 && refused > 1_000);
}
