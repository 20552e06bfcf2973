//! Buckets: each object once, through failures of the sink, restarts and damage; and over HTTP.

use crate::sink::{Failure, MemorySink, Stored, until};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use taffrail_collect::input::{Input, InputSettings};
use taffrail_collect::s3::{S3Input, S3Settings};
use taffrail_collect::{InputSnapshot, Running};
use tokio::runtime::Runtime;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn numbered(from: usize, to: usize) -> String {
    (from..to).map(|number| format!("2026-03-01T00:00:00Z host app: line {number} of this log\n")).collect()
}

fn put(runtime: &Runtime, store: &Arc<InMemory>, key: &str, bytes: Vec<u8>) {
    runtime.block_on(store.put(&key.into(), bytes.into())).unwrap();
}

fn start(runtime: &Runtime, sink: &Arc<MemorySink>, store: &Arc<InMemory>) -> Running {
    let settings = S3Settings { url: "s3://logs/in".into(), every_seconds: 0.05, ..S3Settings::default() };
    let _inside = runtime.enter();
    S3Input::over(settings, Arc::clone(store) as Arc<dyn ObjectStore>).unwrap().start(sink.context()).unwrap()
}

fn settle(runtime: &Runtime, running: Running) -> InputSnapshot {
    std::thread::sleep(std::time::Duration::from_millis(200));
    let counters = Arc::clone(&running.counters);
    runtime.block_on(running.stop());
    counters.snapshot()
}

#[test]
fn each_object_once() {
    let runtime = Runtime::new().unwrap();
    let store = Arc::new(InMemory::new());
    put(&runtime, &store, "in/a.log", numbered(0, 1_000).into_bytes());
    put(&runtime, &store, "in/2026/b.log.gz", gzip(numbered(1_000, 60_000).as_bytes()));
    put(&runtime, &store, "in/trail.json.gz", gzip(br#"{"Records":[{"eventTime":"2026-11-21T21:14:03Z","n":1},{"n":2}]}"#));
    put(&runtime, &store, "in/empty", Vec::new());
    put(&runtime, &store, "in/picture", b"\x89PNG\r\n\x1a\n and more".to_vec());
    put(&runtime, &store, "inside/other.log", b"not below the prefix\n".to_vec());
    let sink = MemorySink::new();
    // The second batch fails: what comes behind it is read again, and nothing before it.
    *sink.failure.lock() = Failure::Io(1);
    let running = start(&runtime, &sink, &store);
    until("it fails", || running.counters.snapshot().problems_total > 0);
    *sink.failure.lock() = Failure::None;
    until("all is stored", || sink.count() >= 60_002);
    put(&runtime, &store, "in/later.log", numbered(60_000, 60_010).into_bytes());
    until("what came later is stored", || sink.count() >= 60_012);
    let snapshot = settle(&runtime, running);
    assert_eq!(snapshot.skipped, [("binary", 1)]);
    assert_eq!((snapshot.total().received_events, snapshot.total().stored_events), (60_012, 60_012));
    settle(&runtime, start(&runtime, &sink, &store));
    let events = sink.events();
    assert_eq!(events.len(), 60_012);
    let of = |source: &str| events.iter().filter(|event| *event.origin.source == *source).collect::<Vec<&Stored>>();
    let packed: String = of("s3://logs/in/2026/b.log.gz").iter().map(|event| event.text() + "\n").collect();
    assert!(packed == numbered(1_000, 60_000));
    assert_eq!(of("s3://logs/in/trail.json.gz")[0].time.to_string(), "2026-11-21T21:14:03Z");
    // Gone, and there again: it is another object.
    runtime.block_on(store.delete(&"in/a.log".into())).unwrap();
    let keys = |sink: &MemorySink| sink.disk.lock().positions.keys().filter(|key| key.starts_with("s3/")).count();
    assert_eq!(keys(&sink), 5);
    let running = start(&runtime, &sink, &store);
    until("it is forgotten", || keys(&sink) == 4);
    settle(&runtime, running);
}

#[test]
fn damage_is_said_once() {
    let runtime = Runtime::new().unwrap();
    let store = Arc::new(InMemory::new());
    let packed = gzip(numbered(0, 20_000).as_bytes());
    put(&runtime, &store, "in/cut.gz", packed[..packed.len() / 2].to_vec());
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &store);
    until("what can be read is stored", || sink.count() > 5_000);
    let snapshot = settle(&runtime, running);
    assert_eq!((snapshot.skipped, snapshot.problems_total), (vec![("damaged", 1)], 1));
    let whole = sink.lines();
    assert!(numbered(0, 20_000).as_bytes().starts_with(&whole[..whole.len() - 1]));
}

/// What goes over the wire: a listing and an object, from a service of a few lines.
#[test]
fn over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut request = Vec::new();
                let mut byte = [0];
                while stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    request.push(byte[0]);
                    if !request.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let text = String::from_utf8_lossy(&request).into_owned();
                    assert!(text.to_lowercase().contains("authorization: aws4-hmac-sha256 credential=name/"), "{text}");
                    let body = if text.starts_with("GET /logs?") || text.starts_with("GET /logs/?") {
                        "<?xml version=\"1.0\"?><ListBucketResult><Contents><Key>in/a b.log</Key><LastModified>2026-11-21T21:14:03.000Z</LastModified>\
                         <ETag>\"1\"</ETag><Size>4</Size></Contents></ListBucketResult>"
                    } else {
                        assert!(text.starts_with("GET /logs/in/a%20b.log"), "{text}");
                        "a\nb\n"
                    };
                    let head = "HTTP/1.1 200 OK\r\nLast-Modified: Sat, 21 Nov 2026 21:14:03 GMT\r\nETag: \"1\"\r\nContent-Length";
                    stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
                    request.clear();
                }
            });
        }
    });
    let settings = format!(
        "type = \"s3\"\nurl = \"s3://logs/in\"\nendpoint = \"http://{address}\"\naccess_key = \"name\"\nsecret_key = \"swordfish\"\nevery_seconds = 0.05"
    );
    let settings: InputSettings = toml::from_str(&settings).unwrap();
    assert!(!format!("{settings:?}").contains("swordfish"));
    let (runtime, sink) = (Runtime::new().unwrap(), MemorySink::new());
    let running = {
        let _inside = runtime.enter();
        settings.build().unwrap().start(sink.context()).unwrap()
    };
    until("it is stored", || sink.count() >= 2);
    settle(&runtime, running);
    assert_eq!(sink.texts(), ["a", "b"]);
    assert_eq!(&*sink.events()[0].origin.source, "s3://logs/in/a b.log");
    for wrong in [
        "",
        "url = \"http://x\"",
        "url = \"s3://\"",
        "url = \"s3://b\"\naccess_key = \"x\"",
        "url = \"s3://b\"\nendpoint = \"http://a:b@c\"",
        "url = \"s3://b\"\nevery_seconds = 0",
    ] {
        let settings: InputSettings = toml::from_str(&format!("type = \"s3\"\n{wrong}")).unwrap();
        assert!(settings.build().is_err(), "{wrong}");
    }
}
