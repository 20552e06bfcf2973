//! Ten thousand malformed inputs for each type that has no such test beside its others. What is asked is always the same: all that was given is
//! stored or counted, byte by byte where bytes are kept as they come, and the account has no gap.

use crate::mutator::Mutator;
use crate::sink::{MemorySink, Stored, until};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use taffrail_collect::cloudtrail::{self, RecordsReader};
use taffrail_collect::event_xml::{self, EventXmlReader};
use taffrail_collect::http::{Body, IngestOrigin, batches};
use taffrail_collect::input::{Input, InputSettings};
use taffrail_collect::s3::{S3Input, S3Settings};
use taffrail_collect::stream::StreamSettings;
use taffrail_collect::syslog::udp::UdpSettings;
use taffrail_collect::{InputSnapshot, Running};
use taffrail_event::{Problems, Timestamp};
use tokio::runtime::Runtime;

/// An input at work, and its sink.
struct Started {
    runtime: Runtime,
    running: Running,
    sink: Arc<MemorySink>,
}

impl Started {
    fn new(input: &dyn Input) -> Self {
        let (runtime, sink) = (Runtime::new().unwrap(), MemorySink::new());
        let running = {
            let _inside = runtime.enter();
            input.start(sink.context()).unwrap()
        };
        Self { runtime, running, sink }
    }

    fn of(settings: &str) -> Self {
        Self::new(&*toml::from_str::<InputSettings>(settings).unwrap().build().unwrap())
    }

    fn snapshot(&self) -> InputSnapshot {
        self.running.counters.snapshot()
    }

    /// What is stored, and an account that adds up.
    fn stop(self) -> (Vec<Stored>, InputSnapshot) {
        let counters = Arc::clone(&self.running.counters);
        self.runtime.block_on(self.running.stop());
        let (events, snapshot) = (self.sink.events(), counters.snapshot());
        let total = snapshot.total();
        assert_eq!((total.gap(), total.received_events, total.stored_events), (0, events.len() as u64, events.len() as u64));
        (events, snapshot)
    }
}

fn counted(snapshot: &InputSnapshot) -> usize {
    snapshot.skipped.iter().map(|(_, count)| *count as usize).sum()
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

const LINES: [&[u8]; 5] = [
    b"<34>1 2026-03-01T00:00:00.003Z web su 12 ID47 [a@1 b=\"c\"] 'su root' failed",
    b"<13>Mar  1 00:00:00 web app[7]: two words",
    b"{\"time\":\"2026-03-01T00:00:00Z\",\"level\":\"error\",\"n\":[1,{\"a\":null}]}",
    b"192.0.2.1 - - [01/Mar/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"",
    "2026-03-01 00:00:00,123 ERROR grün \u{1f600} key=\"a b\"".as_bytes(),
];

/// Malformed lines without line breaks in them.
fn lines(count: usize) -> Vec<Vec<u8>> {
    let mut mutator = Mutator::new(b"<>[]{}\":=\0\xff\xc3 ");
    (0..count)
        .map(|number| mutator.change(LINES[number % LINES.len()]).into_iter().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect())
        .collect()
}

/// Every datagram is an event with its very bytes.
#[test]
fn syslog_datagrams() {
    let input = InputSettings::SyslogUdp(UdpSettings { address: Some(local()), ..UdpSettings::default() });
    let started = Started::new(&*input.build().unwrap());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // An empty datagram is one as well.
    let mut sent: Vec<Vec<u8>> = lines(9_999);
    sent.push(Vec::new());
    for part in sent.chunks(100) {
        for datagram in part {
            socket.send_to(datagram, started.running.address.unwrap()).unwrap();
        }
        let before = sent.iter().position(|one| std::ptr::eq(one, &part[0])).unwrap();
        until("they are stored", || started.sink.count() >= before + part.len());
    }
    let (events, snapshot) = started.stop();
    let ended = |raw: &[u8]| raw.strip_suffix(b"\0").unwrap_or(raw).to_vec();
    assert!(events.iter().map(|event| event.raw.clone()).eq(sent.iter().map(|raw| ended(raw))));
    assert_eq!(snapshot.kernel_drops, 0);
    assert!(events.iter().filter(|event| event.problems != Problems::NONE).count() > 1_000);
}

/// Connects with each of these, and waits for the end.
fn knock(address: SocketAddr, openings: impl Iterator<Item = Vec<u8>>) {
    for opening in openings {
        let mut stream = TcpStream::connect(address).unwrap();
        // It may be closed already.
        let _ = stream.write_all(&opening);
        let _ = stream.shutdown(Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// What is no handshake, or one that breaks off, is a connection refused and nothing else.
#[test]
fn tls_handshakes() {
    let tls = Some(crate::streams::tls::settings(false));
    let input = InputSettings::SyslogTls(StreamSettings { address: Some(local()), tls, ..StreamSettings::default() });
    let started = Started::new(&*input.build().unwrap());
    let hello = crate::streams::tls::hello();
    let mut mutator = Mutator::new(b"\x16\x03\x01\0\xff");
    knock(started.running.address.unwrap(), (0..10_000).map(|_| mutator.change(&hello)));
    until("all are refused", || started.snapshot().refused_connections == 10_000 && started.snapshot().open_connections == 0);
    crate::streams::tls::send(TcpStream::connect(started.running.address.unwrap()).unwrap(), false, b"<13>still there\n").unwrap();
    until("it is stored", || started.sink.count() == 1);
    let (_, snapshot) = started.stop();
    assert_eq!((snapshot.refused_connections, snapshot.problems_total), (10_000, 10_000));
}

/// A header of a balancer is taken or its connection refused; of those that are taken the line behind it is stored.
#[test]
fn proxy_headers() {
    let input = InputSettings::SyslogTcp(StreamSettings { address: Some(local()), proxy_protocol: true, ..StreamSettings::default() });
    let started = Started::new(&*input.build().unwrap());
    let text = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 514\r\n".to_vec();
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x01\x01\x01\x01\0\x01\0\x02".to_vec();
    let mut mutator = Mutator::new(b"PROXY \r\n\0");
    let openings = (0..10_000).map(|number| {
        [mutator.change(if number % 2 == 0 { &text } else { &binary }), format!("<13>behind it {}\n", "x".repeat(400)).into_bytes()]
            .concat()
    });
    knock(started.running.address.unwrap(), openings);
    let done = |started: &Started| started.snapshot().refused_connections as usize + started.sink.count();
    until("all are taken or refused", || done(&started) >= 10_000 && started.snapshot().open_connections == 0);
    let (events, snapshot) = started.stop();
    // A length that was changed may take the line for a part of the header, or give a part of it to the line.
    let taken = events.len();
    let refused = snapshot.refused_connections as usize;
    assert!(taken + refused >= 10_000 && taken > 500 && refused > 5_000, "{taken} {refused}");
}

/// The bytes of a followed file, whatever they are, are those of its events.
#[test]
fn followed_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = lines(10_000).join(&b'\n');
    whole.push(b'\n');
    std::fs::write(folder.path().join("garbage.log"), &whole).unwrap();
    let started = Started::of(&format!("type = \"file\"\npaths = [{:?}]\npoll_seconds = 0.05\nquiet_seconds = 0.1", folder.path()));
    until("all is stored", || started.sink.lines().len() >= whole.len());
    let sink = Arc::clone(&started.sink);
    let (_, snapshot) = started.stop();
    assert!(sink.lines() == whole);
    assert_eq!((counted(&snapshot), snapshot.lost_bytes), (0, 0));
}

/// Every line that a command prints is an event.
#[test]
fn output_of_commands() {
    let folder = tempfile::tempdir().unwrap();
    let all = lines(10_000);
    std::fs::write(folder.path().join("output"), [all.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
    let file = folder.path().join("output");
    let command =
        format!("type = \"command\"\ncommand = [\"cat\", {file:?}]\nevery_seconds = 600\nsplit = \"lines\"\noutput_bytes_max = 8000000");
    let started = Started::of(&command);
    let wanted: Vec<_> = all.into_iter().filter(|line| !line.is_empty()).collect();
    until("all is stored", || started.sink.count() >= wanted.len());
    let (events, _) = started.stop();
    assert!(events.iter().map(|event| &event.raw).eq(wanted.iter()));
}

/// Every row is an event, whatever types and bytes it has.
#[test]
fn rows_of_tables() {
    use sqlx::Connection;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("x.db").display());
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        sqlx::query("CREATE TABLE t (id INTEGER, \"a\"\"b\" , c TEXT, d REAL)").execute(&mut connection).await.unwrap();
        let mut open = connection.begin().await.unwrap();
        for (number, line) in lines(10_000).into_iter().enumerate() {
            let row = sqlx::query(
                ["INSERT INTO t VALUES (?1, ?2, CAST(?2 AS TEXT), ?3)", "INSERT INTO t VALUES (?1, CAST(?2 AS TEXT), ?2, ?3)"][number % 2],
            );
            let real = [0.0, -1e308, f64::INFINITY, f64::NAN, 5e-324][number % 5];
            row.bind(number as i64 / 3).bind(line).bind(real).execute(&mut *open).await.unwrap();
        }
        open.commit().await.unwrap();
        connection.close().await.unwrap();
    });
    let started = Started::of(&format!("type = \"sql\"\nurl = {url:?}\ntable = \"t\"\ncolumn = \"id\"\nevery_seconds = 0.05"));
    until("all are stored", || started.sink.count() >= 10_000);
    let (events, snapshot) = started.stop();
    assert_eq!((events.len(), snapshot.problems_total), (10_000, 0), "{:?}", snapshot.problems);
    assert!(events.iter().all(|event| serde_json::from_slice::<serde_json::Value>(&event.raw).is_ok()));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const RECORDS: &[u8] = br#"{"Records":[{"eventTime":"2026-11-21T21:14:03Z","n":1,"s":"a\"]}"},{"n":{"m":[2]}},{"n":3}]}"#;

/// Of every object something is stored, or it is counted; what is not packed is stored to the last byte.
#[test]
fn objects_of_buckets() {
    let (runtime, store) = (Runtime::new().unwrap(), Arc::new(InMemory::new()));
    let cases = [
        gzip(&LINES.join(&b'\n')),
        gzip(RECORDS),
        RECORDS.to_vec(),
        LINES.join(&b'\n'),
        b"\x28\xb5\x2f\xfd\x04\0\x21\0\0abcd\0\0\0\0".to_vec(),
    ];
    let mut mutator = Mutator::new(b"\x1f\x8b\x08{}[]\"\n");
    let mut objects = Vec::new();
    for number in 0..10_000 {
        let bytes = mutator.change(&cases[number % cases.len()]);
        let key = format!("in/{number:05}");
        runtime.block_on(store.put(&key.as_str().into(), bytes.clone().into())).unwrap();
        objects.push((format!("s3://logs/{key}"), bytes));
    }
    let settings = S3Settings { url: "s3://logs/in".into(), every_seconds: 0.05, ..S3Settings::default() };
    let started = Started::new(&S3Input::over(settings, Arc::clone(&store) as Arc<dyn ObjectStore>).unwrap());
    let ended = |sink: &MemorySink| {
        sink.disk.lock().positions.values().filter(|value| String::from_utf8_lossy(value).contains("\"ended\":true")).count()
    };
    until("all are read", || ended(&started.sink) == 10_000);
    let (events, snapshot) = started.stop();
    let mut of: std::collections::BTreeMap<&str, Vec<u8>> = std::collections::BTreeMap::new();
    for event in &events {
        let all = of.entry(&event.origin.source).or_default();
        all.extend(&event.raw);
        all.push(b'\n');
    }
    let without: Vec<_> = objects.iter().filter(|(name, _)| !of.contains_key(name.as_str())).collect();
    // Nothing but line breaks is nothing.
    let silent = without.iter().filter(|(_, bytes)| bytes.iter().all(|byte| byte.is_ascii_whitespace())).count();
    assert!(without.len() - silent <= counted(&snapshot), "{} of nothing, {:?}", without.len(), snapshot.skipped);
    assert!(counted(&snapshot) > 1_000 && without.len() < 9_000);
    for (name, bytes) in objects.iter().skip(3).step_by(5).filter(|(name, _)| of.contains_key(name.as_str())) {
        let kept = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect::<Vec<u8>>();
        assert!(kept(&of[name.as_str()]) == kept(bytes), "{name}");
    }
}

/// Every byte of a body is one of an event, but for line breaks, and blank lines of JSON lines.
#[test]
fn bodies_of_lines() {
    let mut mutator = Mutator::new(b"\n\r\n{}\":\0\xff ");
    let right = LINES.join(&b'\n');
    let (mut wrong, kept) = (0, |bytes: &[u8]| bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>());
    for number in 0..10_000 {
        let body = mutator.change(&right);
        let kind = [Body::Raw, Body::Ndjson][number % 2];
        let all = batches(kind, &body, &IngestOrigin::default(), Timestamp(1)).unwrap();
        let events: Vec<_> = all.iter().flat_map(|batch| batch.iter()).collect();
        wrong += events.iter().filter(|event| event.problems.contains(Problems::MALFORMED)).count();
        let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.iter().copied().chain([b'\n'])).collect();
        assert!(kept(&raw) == kept(&body), "{:?}", String::from_utf8_lossy(&body));
    }
    assert!(wrong > 10_000, "{wrong}");
}

/// A text without blanks and without what wraps events.
fn bare(text: &[u8]) -> Vec<u8> {
    let mut rest: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    for (from, to) in [(&b"<?xml"[..], &b"?>"[..]), (b"<Events", b">"), (b"</Events", b">")] {
        let mut at = 0;
        while let Some(found) = memchr::memmem::find(&rest[at..], from) {
            let begin = at + found;
            let Some(end) = memchr::memmem::find(&rest[begin..], to) else { break };
            rest.drain(begin..begin + end + to.len());
            at = begin;
        }
    }
    rest
}

/// What stands in a document of events and is no wrapping is given, whole or not.
#[test]
fn documents_of_windows_events() {
    let event = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>1</EventID></System></Event>";
    let document = format!("<?xml version=\"1.0\"?>\r\n<Events>{event}\n{event}{event}</Events>\r\n");
    let mut mutator = Mutator::new(b"<>/?\"Event");
    let mut containers = 0;
    for _ in 0..10_000 {
        let bytes = mutator.change(document.as_bytes());
        if !event_xml::may_be(&bytes) || !event_xml::is_container(&bytes) {
            continue;
        }
        containers += 1;
        let mut text = Vec::new();
        EventXmlReader::new(&bytes[..]).read_to_end(&mut text).unwrap();
        assert_eq!(String::from_utf8_lossy(&bare(&text)), String::from_utf8_lossy(&bare(&bytes)));
    }
    assert!(containers > 5_000, "{containers}");
}

/// What stands in a file of CloudTrail is given; only its brackets and commas are not.
#[test]
fn files_of_cloudtrail() {
    let mut mutator = Mutator::new(b"{}[]\",\\\n");
    let (mut containers, mut broken) = (0, 0);
    for _ in 0..10_000 {
        let bytes = mutator.change(RECORDS);
        if !cloudtrail::is_container(&bytes[..bytes.len().min(cloudtrail::HEAD_BYTES)]) {
            continue;
        }
        containers += 1;
        let mut text = Vec::new();
        RecordsReader::new(&bytes[..]).read_to_end(&mut text).unwrap();
        let kept = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b',').collect::<Vec<u8>>();
        let (all, mut given) = (kept(&bytes), b"{\"Records\":[".to_vec());
        given.extend(kept(&text));
        // The end is left out where it is as it should be.
        let whole = all == [&given[..], b"]}"].concat();
        broken += usize::from(!whole);
        assert!(whole || all == given, "{}\n{}", String::from_utf8_lossy(&all), String::from_utf8_lossy(&given));
    }
    assert!(containers > 5_000 && broken > 1_000, "{containers} {broken}");
}

/// A journal that breaks its own format is left out, and said.
#[test]
fn a_journal_that_is_none() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let mut journal = Vec::new();
    for number in 0..10_000 {
        journal.extend(format!("__CURSOR={number}\nMESSAGE=entry {number}\nRAW\n").bytes());
        // Every hundredth claims a length that nothing has.
        let length = if number % 100 == 99 { u64::MAX } else { 3 };
        journal.extend(length.to_le_bytes());
        journal.extend(b"\xff\n\0\n\n");
    }
    std::fs::write(&output, &journal).unwrap();
    let program = folder.path().join("journalctl");
    std::fs::write(&program, format!("#!/bin/sh\ncat {}\nexec sleep 1000\n", output.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let started = Started::of(&format!("type = \"journald\"\nprogram = {program:?}"));
    until("what is whole is stored", || started.sink.count() > 0 && !started.snapshot().skipped.is_empty());
    std::thread::sleep(Duration::from_millis(300));
    let (events, snapshot) = started.stop();
    assert!(
        !events.is_empty() && counted(&snapshot) > 0 && snapshot.problems_total as usize == counted(&snapshot),
        "{:?}",
        snapshot.skipped
    );
}
