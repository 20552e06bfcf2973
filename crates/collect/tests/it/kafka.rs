//! Topics: against the broker that is part of librdkafka (`kcat` brings it), with `kcat` as another client; and through a proxy in front of
//! it that speaks TLS, asks for passwords, breaks connections, and garbles what passes.

use crate::chance;
use crate::sink::{Failure, MemorySink, until};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{hmac, pbkdf2};
use rskafka::chrono::DateTime;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use rskafka::record::Record;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use taffrail_base::{RealVfs, SystemClock};
use taffrail_collect::input::InputSettings;
use taffrail_collect::outputs::{Delivered, Output, OutputSettings, Surroundings};
use taffrail_collect::{InputSnapshot, Running};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Runtime;

/// A broker with nothing in it; topics have four partitions.
struct Broker {
    child: Child,
    address: String,
}

impl Broker {
    /// `None` without kcat.
    fn start() -> Option<Self> {
        let arguments = ["-P", "-t", "unused", "-b", "none:1", "-X", "test.mock.num.brokers=1", "-d", "mock"];
        let quiet = |stdio: fn() -> Stdio| stdio();
        let child = Command::new("kcat").args(arguments).stdin(Stdio::piped()).stdout(quiet(Stdio::null)).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            println!("skipped: no kcat");
            return None;
        };
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("bootstrap.servers=") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "kcat ended");
        }
        let address = line.rsplit('=').next().unwrap().trim().to_owned();
        // It says what it does, and stops when nobody reads it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Some(Self { child, address })
    }

    fn kcat(&self, arguments: &str, input: &[u8]) -> String {
        let mut command = Command::new("kcat");
        let command = command.args(["-b", &self.address, "-q"]).args(arguments.split(' '));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "kcat {arguments}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn numbered(from: usize, to: usize) -> String {
    (from..to).map(|number| format!("2026-03-01T00:00:00Z host app: line {number} of this log\n")).collect()
}

fn settings(address: &str, more: &str) -> InputSettings {
    toml::from_str(&format!("type = \"kafka\"\nbrokers = [\"{address}\"]\n{more}")).unwrap()
}

fn start(runtime: &Runtime, sink: &Arc<MemorySink>, settings: &InputSettings) -> Running {
    let _inside = runtime.enter();
    settings.build().unwrap().start(sink.context()).unwrap()
}

fn settle(runtime: &Runtime, running: Running) -> InputSnapshot {
    std::thread::sleep(std::time::Duration::from_millis(200));
    let counters = Arc::clone(&running.counters);
    runtime.block_on(running.stop());
    let snapshot = counters.snapshot();
    assert_eq!(snapshot.total().gap(), 0);
    snapshot
}

/// Sends records by the client that the input has too.
fn produce(runtime: &Runtime, address: &str, topic: &str, partition: i32, records: Vec<Record>) {
    runtime.block_on(async {
        let client = ClientBuilder::new(vec![address.to_owned()]).build().await.unwrap();
        let partition = client.partition_client(topic, partition, UnknownTopicHandling::Retry).await.unwrap();
        for part in records.chunks(500) {
            partition.produce(part.to_vec(), Compression::NoCompression).await.unwrap();
        }
    });
}

fn record(value: &[u8]) -> Record {
    Record { key: None, value: Some(value.to_vec()), headers: BTreeMap::new(), timestamp: DateTime::from_timestamp_millis(7_000).unwrap() }
}

#[test]
fn each_record_once() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    for partition in 0..4 {
        let lines = numbered(partition * 5_000, (partition + 1) * 5_000);
        let packed = ["none", "gzip", "snappy", "lz4"][partition];
        broker.kcat(&format!("-P -t logs -p {partition} -z {packed}"), lines.as_bytes());
    }
    broker.kcat("-P -t other -p 1 -k key -H host=fw-1 -H trace=abc -H source=/var/log/x", b"with headers\n");
    // A record that says nothing, and one of several lines.
    produce(&runtime, &broker.address, "other", 2, vec![record(b"one\nevent"), Record { value: None, ..record(b"") }]);
    let sink = MemorySink::new();
    *sink.failure.lock() = Failure::Io(6);
    let wanted = settings(&broker.address, "topics = [\"logs\", \"other\"]\nindex = \"kafka\"");
    let running = start(&runtime, &sink, &wanted);
    until("it fails", || running.counters.snapshot().problems_total > 0);
    *sink.failure.lock() = Failure::None;
    until("all is stored", || sink.count() >= 20_002);
    broker.kcat("-P -t logs -p 2", numbered(20_000, 20_010).as_bytes());
    until("what came later is stored", || sink.count() >= 20_012);
    let snapshot = settle(&runtime, running);
    assert_eq!(snapshot.skipped, [("no_value", 1)]);
    assert_eq!(snapshot.total().stored_events, 20_012);
    // Not once more by another run.
    settle(&runtime, start(&runtime, &sink, &wanted));
    let events = sink.events();
    assert_eq!(events.len(), 20_012);
    let of = |source: &str| events.iter().filter(|event| *event.origin.source == *source).collect::<Vec<_>>();
    let mut lines: Vec<String> = of("logs").iter().map(|event| event.text() + "\n").collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = numbered(0, 20_010).split_inclusive('\n').map(str::to_owned).collect();
    expected.sort_unstable();
    assert!(lines == expected);
    let headers = of("/var/log/x");
    assert_eq!((headers.len(), &*headers[0].text(), &*headers[0].origin.host), (1, r#"{"message":"with headers","trace":"abc"}"#, "fw-1"));
    assert_eq!((&*of("other")[0].text(), &*of("other")[0].origin.index), ("one\nevent", "kafka"));
    // The time is that of the record, which is now.
    assert!(events.iter().all(|event| event.time.to_string().as_str() > "2026-03-02" || event.time == Timestamp(7_000_000_000)));
}

#[test]
fn from_now_on_also_across_a_pause() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    broker.kcat("-P -t logs -p 0", b"old\n");
    let sink = MemorySink::new();
    let wanted = settings(&broker.address, "topics = [\"logs\"]\npartitions = [0]\nstart = \"latest\"\ntime = \"value\"\nname = \"x\"");
    let running = start(&runtime, &sink, &wanted);
    let positions = |sink: &MemorySink| sink.disk.lock().positions.keys().filter(|key| key.starts_with("kafka/main/")).count();
    until("the beginning is known", || positions(&sink) == 1);
    settle(&runtime, running);
    broker.kcat("-P -t logs -p 0", b"2026-03-01T00:00:00Z host app: meanwhile\n");
    let running = start(&runtime, &sink, &wanted);
    until("it is read", || sink.count() == 1);
    settle(&runtime, running);
    assert_eq!(sink.events()[0].time.to_string(), "2026-03-01T00:00:00Z");
}

/// The broker keeps five mebibytes of a partition.
#[test]
fn what_was_thrown_away_is_counted() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    let line = |number: usize| format!("{number} {}", "x".repeat(1_000));
    let lines = |from: usize, to: usize| (from..to).map(|number| record(line(number).as_bytes())).collect::<Vec<_>>();
    produce(&runtime, &broker.address, "logs", 0, lines(0, 1_000));
    let sink = MemorySink::new();
    let wanted = settings(&broker.address, "topics = [\"logs\"]");
    let running = start(&runtime, &sink, &wanted);
    until("the first are stored", || sink.count() >= 1_000);
    settle(&runtime, running);
    produce(&runtime, &broker.address, "logs", 0, lines(1_000, 12_000));
    let running = start(&runtime, &sink, &wanted);
    until("the last is stored", || sink.texts().last().is_some_and(|text| *text == line(11_999)));
    let snapshot = settle(&runtime, running);
    let lost = snapshot.skipped.iter().find(|(reason, _)| *reason == "expired").expect("some are lost").1;
    let events = sink.events();
    let (told, kept): (Vec<_>, Vec<_>) = events.iter().partition(|event| &*event.origin.index == "_audit");
    assert_eq!((kept.len() as u64 + lost, told.len()), (12_000, 1), "{:?}", snapshot.problems);
    let said: serde_json::Value = serde_json::from_slice(&told[0].raw).unwrap();
    assert_eq!(
        (said["action"].as_str(), said["reason"].as_str(), said["from"].as_u64()),
        (Some("records_lost"), Some("expired"), Some(1_000))
    );
    assert_eq!((said["records"].as_u64(), said["to"].as_u64(), said["topic"].as_str()), (Some(lost), Some(1_000 + lost), Some("logs")));
    assert_eq!(snapshot.problems_total, 1, "{:?}", snapshot.problems);
}

/// Whatever stands in a record is kept, or counted.
#[test]
fn ten_thousand_malformed_records() {
    let Some(broker) = Broker::start() else { return };
    let (runtime, mut next) = (Runtime::new().unwrap(), chance::numbers());
    let mut bytes = |most: usize| {
        (0..next() % most).map(|_| if next() % 3 == 0 { next() as u8 } else { b" {}\":,[]\\x\n"[next() % 11] }).collect::<Vec<u8>>()
    };
    let mut records = Vec::new();
    for number in 0..10_000i64 {
        let headers = (0..number % 3).map(|_| (String::from_utf8_lossy(&bytes(8)).into_owned(), bytes(20))).collect();
        let value = (number % 50 != 0).then(|| bytes(60));
        let timestamp = DateTime::from_timestamp_millis(number.wrapping_mul(77_777_777_777) - 1).unwrap_or_default();
        records.push(Record { key: Some(bytes(9)), value, headers, timestamp });
    }
    let without = records.iter().filter(|record| record.value.as_ref().is_none_or(Vec::is_empty)).count();
    produce(&runtime, &broker.address, "logs", 3, records);
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &settings(&broker.address, "topics = [\"logs\"]\nkeys = true"));
    until("all is stored", || sink.count() >= 10_000 - without);
    let snapshot = settle(&runtime, running);
    let skipped = |name: &str| snapshot.skipped.iter().find(|(reason, _)| *reason == name).map_or(0, |(_, count)| *count);
    assert_eq!((sink.count(), skipped("no_value") as usize, snapshot.problems_total), (10_000 - without, without, 0));
}

/// A broker with one topic of one partition, whose batches and aborted transactions are given: transactions are more than the one of
/// librdkafka has.
fn plays(runtime: &Runtime, batches: Vec<Vec<u8>>, aborted: Vec<(i64, i64)>) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = i32::from(listener.local_addr().unwrap().port());
    let (batches, aborted) = (Arc::new(batches), Arc::new(aborted));
    runtime.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (batches, aborted) = (Arc::clone(&batches), Arc::clone(&aborted));
            tokio::spawn(async move {
                while let Some(asked) = frame(&mut stream).await {
                    let answer = reply(&asked, port, &batches, &aborted);
                    if give(&mut stream, &[&asked[4..8], &answer].concat()).await.is_none() {
                        return;
                    }
                }
            });
        }
    });
    format!("127.0.0.1:{port}")
}

fn reply(asked: &[u8], port: i32, batches: &[Vec<u8>], aborted: &[(i64, i64)]) -> Vec<u8> {
    const ONE: [u8; 4] = [0, 0, 0, 1];
    let topic = [&ONE[..], b"\0\x04logs", &ONE, &[0; 4], &[0; 2]].concat();
    let last = |batch: &[u8]| {
        let base = i64::from_be_bytes(batch[..8].try_into().unwrap());
        base + i64::from(i32::from_be_bytes(batch[23..27].try_into().unwrap()))
    };
    match i16::from_be_bytes([asked[0], asked[1]]) {
        18 if asked[3] > 0 => [&[0, 35][..], &vec![0; if asked[3] == 3 { 6 } else { 8 }]].concat(),
        18 => [&b"\0\0\0\0\0\x04"[..], b"\0\x01\0\x04\0\x04\0\x02\0\x01\0\x01\0\x03\0\0\0\x01\0\x12\0\0\0\0"].concat(),
        3 => [
            &ONE[..],
            &[0, 0, 0, 7],
            b"\0\x09127.0.0.1",
            &port.to_be_bytes(),
            &[0xff, 0xff, 0, 0, 0, 7],
            &ONE,
            b"\0\0\0\x04logs\0",
            &ONE,
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
            &ONE,
            &[0, 0, 0, 7],
            &ONE,
            &[0, 0, 0, 7],
        ]
        .concat(),
        2 => {
            let latest = asked.ends_with(&(-1i64).to_be_bytes());
            let offset = if latest { batches.last().map_or(0, |batch| last(batch) + 1) } else { 0 };
            [&topic[..], &(-1i64).to_be_bytes(), &offset.to_be_bytes()].concat()
        }
        1 => {
            let committed = asked[asked.len() - 31] == 1;
            let from = i64::from_be_bytes(asked[asked.len() - 12..asked.len() - 4].try_into().unwrap());
            let given: Vec<u8> = batches.iter().filter(|batch| last(batch) >= from).take(4).flatten().copied().collect();
            let mut answer = [&[0; 4][..], &topic, &[0; 16]].concat();
            if committed {
                answer.extend((aborted.len() as i32).to_be_bytes());
                aborted.iter().for_each(|(producer, first)| answer.extend([producer.to_be_bytes(), first.to_be_bytes()].concat()));
            } else {
                answer.extend((-1i32).to_be_bytes());
            }
            answer.extend((given.len() as i32).to_be_bytes());
            [answer, given].concat()
        }
        other => panic!("question {other}"),
    }
}

/// Records of a transaction that was given up are none, unless they are asked for; and one that unpacks to too much holds nothing up.
#[test]
fn transactions_and_batches_that_are_too_large() {
    use crate::batches::{Made, around, plain};
    let runtime = Runtime::new().unwrap();
    let of = |base: i64, attributes: i16, values: &[&[u8]]| plain(&Made { base, attributes, producer: 7, values });
    let large = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..2_200 {
            encoder.write_all(&[0; 64 * 1024]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let batches = vec![
        of(0, 0x10, &[b"given up 0", b"given up 1"]),
        of(2, 0, &[b"kept 2"]),
        of(3, 0x30, &[b"\0\0\0\0"]),
        of(4, 0x10, &[b"kept 4"]),
        around(&Made { base: 5, attributes: 1, producer: -1, values: &[b"x", b"y"] }, &large),
        of(7, 0x30, &[b"\0\0\0\x01"]),
        of(8, 0, &[b"kept 8"]),
    ];
    for (isolation, wanted) in [
        ("", &["kept 2", "kept 4", "kept 8"][..]),
        ("isolation = \"read-uncommitted\"", &["given up 0", "given up 1", "kept 2", "kept 4", "kept 8"]),
    ] {
        let address = plays(&runtime, batches.clone(), vec![(7, 0)]);
        let sink = MemorySink::new();
        let settings = settings(&address, &format!("topics = [\"logs\"]\n{isolation}"));
        let running = start(&runtime, &sink, &settings);
        until("the last is stored", || sink.texts().iter().any(|text| text.contains("kept 8")));
        let snapshot = settle(&runtime, running);
        settle(&runtime, start(&runtime, &sink, &settings));
        let events = sink.events();
        let (told, kept): (Vec<_>, Vec<_>) = events.iter().partition(|event| &*event.origin.index == "_audit");
        let texts: Vec<String> = kept
            .iter()
            .map(|event| serde_json::from_slice::<serde_json::Value>(&event.raw).unwrap()["message"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(texts, wanted);
        let aborted = if isolation.is_empty() { vec![("aborted", 2)] } else { Vec::new() };
        // Its first record is damaged, as zeros are; what it unpacks to is what is said.
        assert_eq!(snapshot.skipped, [aborted, vec![("too_large", 2)]].concat());
        let said: serde_json::Value = serde_json::from_slice(&told[0].raw).unwrap();
        assert_eq!(
            (told.len(), said["from"].as_i64(), said["to"].as_i64(), said["reason"].as_str()),
            (1, Some(5), Some(7), Some("too_large"))
        );
    }
}

/// What is done to a connection on its way.
#[derive(Default)]
struct Doings {
    tls: Option<tokio_rustls::TlsAcceptor>,
    /// Name and password that are asked for.
    asks: Option<(&'static str, &'static str)>,
    cut: AtomicBool,
    garble: AtomicBool,
    asked: AtomicBool,
}

/// A proxy before a broker: answers name its address instead of the broker's.
fn proxy(runtime: &Runtime, broker: &Broker, doings: &Arc<Doings>) -> String {
    let behind = broker.address.clone();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let doings = Arc::clone(doings);
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (doings, behind) = (Arc::clone(&doings), behind.clone());
            tokio::spawn(async move {
                let Ok(server) = tokio::net::TcpStream::connect(&behind).await else { return };
                let old = behind.rsplit(':').next().unwrap().parse::<i32>().unwrap();
                let ports = (old, i32::from(address.port()));
                match &doings.tls {
                    None => pass(client, server, ports, &doings).await,
                    Some(acceptor) => {
                        if let Ok(client) = acceptor.accept(client).await {
                            pass(client, server, ports, &doings).await;
                        }
                    }
                }
            });
        }
    });
    format!("127.0.0.1:{}", address.port())
}

async fn frame(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = from.read_i32().await.ok()?;
    let mut frame = vec![0; usize::try_from(length).ok()?];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn give(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Option<()> {
    to.write_i32(frame.len() as i32).await.ok()?;
    to.write_all(frame).await.ok()?;
    to.flush().await.ok()
}

async fn pass(
    client: impl AsyncRead + AsyncWrite + Send + 'static,
    server: tokio::net::TcpStream,
    ports: (i32, i32),
    doings: &Arc<Doings>,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    if let Some(who) = doings.asks {
        let Some(first) = ask(&mut from_client, &mut to_client, who).await else { return };
        doings.asked.store(true, Ordering::Relaxed);
        if give(&mut to_server, &first).await.is_none() {
            return;
        }
    }
    let there = async move {
        while let Some(frame) = frame(&mut from_client).await {
            if give(&mut to_server, &frame).await.is_none() {
                return;
            }
        }
    };
    let doings_back = Arc::clone(doings);
    let back = async move {
        let mut next = chance::numbers();
        while let Some(mut frame) = frame(&mut from_server).await {
            let wanted = [b"\x00\x09127.0.0.1", &ports.0.to_be_bytes()[..]].concat();
            if let Some(at) = frame.windows(wanted.len()).position(|window| window == wanted) {
                frame[at + 11..at + 15].copy_from_slice(&ports.1.to_be_bytes());
            }
            if doings_back.garble.load(Ordering::Relaxed) && frame.len() > 200 {
                // Behind the numbers that place it: within a batch, which has a check sum.
                let at = 120 + next() % (frame.len() - 120);
                frame[at] ^= 1 << (next() % 8);
            }
            // What is damaged where it is kept, and is so whenever it is read.
            for at in 0..frame.len().saturating_sub(5) {
                if &frame[at..at + 6] == b"POISON" {
                    frame[at] = b'p';
                }
            }
            if give(&mut to_client, &frame).await.is_none() {
                return;
            }
        }
    };
    let cut = async {
        while !doings.cut.load(Ordering::Relaxed) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! { () = there => {}, () = back => {}, () = cut => {} }
}

/// Plays a broker until it knows who connects; gives the first frame that is not for it.
async fn ask(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), who: (&str, &str)) -> Option<Vec<u8>> {
    let mut scram = Scram::default();
    let (mut mechanism, mut known) = (String::new(), false);
    loop {
        let asked = frame(from).await?;
        let number = |at: usize| i16::from_be_bytes([asked[at], asked[at + 1]]);
        let (key, version, correlation) = (number(0), number(2), asked[4..8].to_vec());
        let body = &asked[10 + usize::try_from(number(8)).unwrap_or(0)..];
        let answer = match key {
            // Which versions: a version of the question that is too new is refused, with an error in the shape of that version.
            18 if version > 0 => [&correlation[..], &[0, 35], &vec![0; if version == 3 { 6 } else { 8 }]].concat(),
            18 => {
                let all: [[i16; 3]; 7] = [[0, 3, 7], [1, 4, 4], [2, 0, 2], [3, 0, 1], [17, 1, 1], [18, 0, 0], [36, 0, 0]];
                let list = all.iter().flatten().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
                [&correlation[..], &[0, 0, 0, 0, 0, 7], &list].concat()
            }
            17 => {
                mechanism = String::from_utf8(body[2..].to_vec()).unwrap();
                let names = ["PLAIN", "SCRAM-SHA-256"].iter().flat_map(|name| [&[0, name.len() as u8][..], name.as_bytes()].concat());
                [&correlation[..], &[0, 0, 0, 0, 0, 2], &names.collect::<Vec<u8>>()].concat()
            }
            36 => {
                let said = &body[4..];
                let (answer, done) = match &*mechanism {
                    "PLAIN" => (Vec::new(), said == format!("\0{}\0{}", who.0, who.1).as_bytes()),
                    _ => scram.step(std::str::from_utf8(said).unwrap(), who)?,
                };
                known = done;
                if mechanism == "PLAIN" && !known {
                    [&correlation[..], &[0, 58, 0xff, 0xff, 0, 0, 0, 0]].concat()
                } else {
                    [&correlation[..], &[0, 0, 0xff, 0xff], &(answer.len() as i32).to_be_bytes(), &answer].concat()
                }
            }
            _ if known => return Some(asked),
            _ => return None,
        };
        give(to, &answer).await?;
    }
}

/// The other side of SCRAM-SHA-256 (RFC 7677).
#[derive(Default)]
struct Scram {
    first: String,
}

impl Scram {
    fn step(&mut self, said: &str, (name, password): (&str, &str)) -> Option<(Vec<u8>, bool)> {
        let part = |text: &str, key: &str| text.split(',').find_map(|part| part.strip_prefix(key).map(str::to_owned));
        if self.first.is_empty() {
            let bare = said.strip_prefix("n,,")?;
            assert_eq!(part(bare, "n=")?, name);
            let answer = format!("r={}server,s={},i=4096", part(bare, "r=")?, BASE64.encode(b"salt and pepper"));
            self.first = format!("{bare},{answer}");
            return Some((answer.into_bytes(), false));
        }
        let (without, proof) = said.rsplit_once(",p=")?;
        let text = format!("{},{without}", self.first);
        let mut salted = [0; 32];
        let rounds = 4096.try_into().unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, b"salt and pepper", password.as_bytes(), &mut salted);
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec();
        let client = mac(&salted, b"Client Key");
        let stored = ring::digest::digest(&ring::digest::SHA256, &client);
        let signature = mac(stored.as_ref(), text.as_bytes());
        let wanted: Vec<u8> = client.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        if BASE64.decode(proof).ok()? != wanted {
            return None;
        }
        let server = mac(&mac(&salted, b"Server Key"), text.as_bytes());
        Some((format!("v={}", BASE64.encode(server)).into_bytes(), true))
    }
}

fn pem(name: &str) -> String {
    format!("{}/tests/it/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn acceptor() -> tokio_rustls::TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    let certificates = rustls::pki_types::CertificateDer::pem_file_iter(pem("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(certificates, key).unwrap()).into()
}

#[test]
fn with_tls_and_passwords() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    broker.kcat("-P -t logs -p 0", b"secret\n");
    let doings = Arc::new(Doings { tls: Some(acceptor()), asks: Some(("taffrail", "swordfish")), ..Doings::default() });
    let address = proxy(&runtime, &broker, &doings);
    let tls = format!("[tls]\nca = \"{}\"\n", pem("ca.pem"));
    let with = |mechanism: &str, password: &str| {
        let more =
            format!("topics = [\"logs\"]\n{tls}[sasl]\nmechanism = \"{mechanism}\"\nusername = \"taffrail\"\npassword = \"{password}\"");
        settings(&address, &more)
    };
    assert!(!format!("{:?}", with("plain", "swordfish")).contains("swordfish"));
    for mechanism in ["plain", "scram-sha-256"] {
        let sink = MemorySink::new();
        let running = start(&runtime, &sink, &with(mechanism, "swordfish"));
        until("it is stored", || sink.count() == 1);
        assert!(doings.asked.swap(false, Ordering::Relaxed));
        settle(&runtime, running);
        // Whoever does not know the password reads nothing, and hears why.
        let sink = MemorySink::new();
        let running = start(&runtime, &sink, &with(mechanism, "sword"));
        until("it is refused", || running.counters.snapshot().problems_total > 0);
        let snapshot = settle(&runtime, running);
        assert!(sink.count() == 0 && !snapshot.problems.join(" ").contains("sword"), "{:?}", snapshot.problems);
    }
    // Nor does who trusts another authority.
    let other = with("plain", "swordfish");
    let InputSettings::Kafka(mut other) = other else { unreachable!() };
    other.tls.as_mut().unwrap().ca = pem("client.pem").into();
    let (sink, running) = (MemorySink::new(), InputSettings::Kafka(other));
    let running = start(&runtime, &sink, &running);
    until("it is refused", || running.counters.snapshot().problems_total > 0);
    let snapshot = settle(&runtime, running);
    assert!(sink.count() == 0 && !doings.asked.load(Ordering::Relaxed), "{:?}", snapshot.problems);
}

/// Connections that break, and answers that arrive damaged, lose and double nothing.
#[test]
fn through_a_bad_line() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    let doings = Arc::new(Doings::default());
    let address = proxy(&runtime, &broker, &doings);
    broker.kcat("-P -t logs -p 0", numbered(0, 2_000).as_bytes());
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &settings(&address, "topics = [\"logs\"]\npartitions = [0]"));
    until("the first are stored", || sink.count() >= 2_000);
    doings.cut.store(true, Ordering::Relaxed);
    broker.kcat("-P -t logs -p 0", numbered(2_000, 30_000).as_bytes());
    std::thread::sleep(std::time::Duration::from_millis(300));
    doings.garble.store(true, Ordering::Relaxed);
    doings.cut.store(false, Ordering::Relaxed);
    until("something is found damaged", || running.counters.snapshot().problems.iter().any(|text| text.contains("cannot be decoded")));
    doings.garble.store(false, Ordering::Relaxed);
    until("all are stored", || sink.count() >= 30_000);
    let snapshot = settle(&runtime, running);
    assert_eq!((snapshot.total().stored_events, snapshot.skipped), (30_000, vec![]));
    assert!(sink.lines() == numbered(0, 30_000).as_bytes());
}

/// A batch that stays damaged does not hold up what comes behind it.
#[test]
fn what_cannot_be_decoded_is_left_out() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    let address = proxy(&runtime, &broker, &Arc::new(Doings::default()));
    for batch in [&["a", "b"][..], &["c", "POISON", "d"], &["POISON"], &["e"]] {
        produce(&runtime, &broker.address, "logs", 0, batch.iter().map(|value| record(value.as_bytes())).collect());
    }
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &settings(&address, "topics = [\"logs\"]"));
    until("the last is stored", || sink.texts().iter().any(|text| text == "e"));
    let snapshot = settle(&runtime, running);
    let events = sink.events();
    let (told, kept): (Vec<_>, Vec<_>) = events.iter().partition(|event| &*event.origin.index == "_audit");
    assert_eq!(kept.iter().map(|event| event.text()).collect::<Vec<_>>(), ["a", "b", "e"]);
    assert_eq!(snapshot.skipped, [("damaged", 4)]);
    let said: serde_json::Value = serde_json::from_slice(&told[0].raw).unwrap();
    assert_eq!((said["reason"].as_str(), said["from"].as_u64(), said["to"].as_u64()), (Some("damaged"), Some(2), Some(6)));
}

#[test]
fn settings_that_are_wrong() {
    for wrong in [
        "brokers = []\ntopics = [\"x\"]",
        "brokers = [\"x\"]\ntopics = [\"x\"]",
        "brokers = [\"x:1\"]",
        "brokers = [\"x:1\"]\ntopics = [\"\"]",
        "brokers = [\"x:1\"]\ntopics = [\"x\"]\npartitions = [-1]",
        "brokers = [\"x:1\"]\ntopics = [\"x\"]\nindex = \"No\"",
        "brokers = [\"x:1\"]\ntopics = [\"x\"]\n[sasl]\nusername = \"\"\npassword = \"x\"",
        "brokers = [\"x:1\"]\ntopics = [\"x\"]\n[tls]\nca = \"x\"\nserver_name = \"y\"",
    ] {
        let settings: InputSettings = toml::from_str(&format!("type = \"kafka\"\n{wrong}")).unwrap();
        assert!(settings.build().is_err(), "{wrong}");
    }
}

fn output(address: &str, more: &str) -> Box<dyn Output> {
    let settings: OutputSettings =
        toml::from_str(&format!("type = \"kafka\"\nbrokers = [\"{address}\"]\ntopic = \"out\"\n{more}")).unwrap();
    assert_eq!((settings.kind(), settings.target()), ("kafka", format!("{address}/out")));
    settings.build(&Surroundings { vfs: Arc::new(RealVfs), clock: Arc::new(SystemClock::new()) }).unwrap()
}

fn batch(lines: &[(String, Vec<u8>)]) -> EventBatch {
    let mut batch = EventBatch::new(Timestamp(5));
    for (host, line) in lines {
        let [index, source, sourcetype, transport, peer] = ["main", "/var/log/x", "syslog", "file", ""].map(Arc::from);
        let number = batch.origin(&Origin { index, host: host.as_str().into(), source, sourcetype, transport, peer });
        batch.push(number, Timestamp(1_500_000_000_123_456_789), Problems::NONE, line);
    }
    batch
}

fn is_all(delivered: &Delivered, events: usize) {
    let Delivered { confirmed, attempted, refused, outcome } = delivered;
    assert!(*confirmed == events && *attempted == events && refused.is_none() && outcome.is_ok(), "{delivered:?}");
}

/// What is sent is there for others, host by host in the order and the partition of other clients; and what is read back is what was.
#[test]
fn events_become_records_and_events_again() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    let lines: Vec<(String, Vec<u8>)> =
        (0..3_000).map(|number| (format!("host-{}", number % 7), format!("line {number} \u{e9}").into_bytes())).collect();
    for (at, packed) in ["none", "gzip", "snappy", "lz4", "zstd"].iter().enumerate() {
        let part = &lines[at * 600..(at + 1) * 600];
        let mut output = output(&broker.address, &format!("compression = \"{packed}\""));
        is_all(&runtime.block_on(output.deliver(&batch(&[&lines[..3], part].concat()), 3..603)), 600);
    }
    // Another client puts the same keys where we did.
    broker.kcat(
        "-P -t theirs -K: -X topic.partitioner=murmur2_random",
        (0..7).map(|n| format!("host-{n}:x\n")).collect::<String>().as_bytes(),
    );
    let place = |topic: &str| {
        let all = broker.kcat(&format!("-C -t {topic} -e -o beginning -f %k:%p\\n"), b"");
        all.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(place("out"), place("theirs"));
    let seen = broker.kcat("-C -t out -e -o beginning -f %k|%s|%h|%T\\n", b"");
    for host in 0..7 {
        let beginning = format!("host-{host}|");
        let got: Vec<&str> = seen.lines().filter(|line| line.starts_with(&beginning)).collect();
        let expected = (host..3_000)
            .step_by(7)
            .map(|number| format!("host-{host}|line {number} \u{e9}|host=host-{host},source=/var/log/x,sourcetype=syslog|1500000000123"));
        assert!(got == expected.collect::<Vec<_>>(), "{:?}", got.first());
    }
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &settings(&broker.address, "topics = [\"out\"]"));
    until("it is read back", || sink.count() >= 3_000);
    settle(&runtime, running);
    let events = sink.events();
    let wanted = &lines[0];
    let first = events.iter().find(|event| event.raw == wanted.1).expect("is there");
    assert_eq!((&*first.origin.host, &*first.origin.source, &*first.origin.sourcetype), ("host-0", "/var/log/x", "syslog"));
    assert_eq!(first.time, Timestamp(1_500_000_000_123_000_000));
}

/// Nothing counts as sent before the broker has said so.
#[test]
fn an_outage_of_the_broker() {
    let Some(broker) = Broker::start() else { return };
    let runtime = Runtime::new().unwrap();
    let doings = Arc::new(Doings::default());
    let address = proxy(&runtime, &broker, &doings);
    let mut output = output(&address, "value = \"json\"");
    let events = batch(&[("a".to_owned(), b"one".to_vec()), ("b".to_owned(), b"two".to_vec())]);
    is_all(&runtime.block_on(output.deliver(&events, 0..2)), 2);
    doings.cut.store(true, Ordering::Relaxed);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let failed = runtime.block_on(output.deliver(&events, 0..2));
    assert!(failed.confirmed == 0 && failed.outcome.is_err(), "{failed:?}");
    doings.cut.store(false, Ordering::Relaxed);
    is_all(&runtime.block_on(output.deliver(&events, 1..2)), 1);
    let mut seen: Vec<String> = broker.kcat("-C -t out -e -o beginning", b"").lines().map(str::to_owned).collect();
    seen.sort_unstable();
    assert_eq!(seen.len(), 3);
    let said: serde_json::Value = serde_json::from_str(&seen[2]).unwrap();
    assert_eq!((said["message"].as_str(), said["host"].as_str()), (Some("two"), Some("b")));
    for wrong in ["brokers = []\ntopic = \"x\"", "brokers = [\"x:1\"]\ntopic = \"\""] {
        let settings: OutputSettings = toml::from_str(&format!("type = \"kafka\"\n{wrong}")).unwrap();
        assert!(settings.build(&Surroundings { vfs: Arc::new(RealVfs), clock: Arc::new(SystemClock::new()) }).is_err(), "{wrong}");
    }
}
