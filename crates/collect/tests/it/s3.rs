//! Buckets: each object once, through failures of the sink, restarts and damage; and over HTTP.

use crate::sink::{Failure, MemorySink, Stored, until};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use taffrail_collect::counters::DropReason;
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
fn records_of_a_trail_that_stand_in_several_objects_are_stored_once() {
    let runtime = Runtime::new().unwrap();
    let store = Arc::new(InMemory::new());
    let records = |numbers: std::ops::Range<usize>| {
        let record = |n| format!("{{\"eventTime\":\"2026-11-21T21:14:03Z\",\"eventID\":\"9f-{n}\",\"n\":{n}}}");
        gzip(format!("{{\"Records\":[{}]}}", numbers.map(record).collect::<Vec<_>>().join(",")).as_bytes())
    };
    put(&runtime, &store, "in/1.json.gz", records(0..100));
    put(&runtime, &store, "in/2.json.gz", records(50..150));
    // Lines that only look alike have no ids: each stands there as often as it was written.
    put(&runtime, &store, "in/3.log", b"{\"eventID\":\"9f-1\"}\n{\"eventID\":\"9f-1\"}\n".to_vec());
    // The same id with something else in it is another record, and a record without one is itself.
    put(&runtime, &store, "in/4.json", br#"{"Records":[{"eventID":"9f-1","n":"other"},{"n":1},{"n":1},{"eventID":""}]}"#.to_vec());
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &store);
    until("all is stored", || sink.count() >= 156);
    // The whole trail once more, under other names.
    put(&runtime, &store, "in/5.json.gz", records(0..150));
    put(&runtime, &store, "in/6.json", br#"{"Records":[{"eventID":"last","n":0}]}"#.to_vec());
    until("what came later is read", || sink.count() >= 157);
    let total = settle(&runtime, running).total();
    assert_eq!((sink.count(), total.received_events, total.stored_events), (157, 357, 157));
    assert_eq!((total.dropped, total.in_flight_events), (vec![(DropReason::Duplicate, 200)], 0));
    assert_eq!(total.stored_bytes, sink.lines().len() as u64 - 157);
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

/// A trail of a few hours as AWS lays it out, with a key of its own.
struct Trail {
    folder: tempfile::TempDir,
    store: Arc<InMemory>,
    previous: Option<(String, String, String)>,
}

const FOLDER: &str = "AWSLogs/111122223333";

impl Trail {
    /// `None` without OpenSSL, which signs as AWS does.
    fn new(store: &Arc<InMemory>) -> Option<Self> {
        let trail = Self { folder: tempfile::tempdir().unwrap(), store: Arc::clone(store), previous: None };
        let made = trail.openssl("genrsa -out key.pem 2048", b"")?;
        assert!(made.is_empty());
        trail.openssl("rsa -in key.pem -pubout -out public.pem", b"")?;
        trail.openssl("rsa -in key.pem -RSAPublicKey_out -out bare.pem", b"")?;
        trail.openssl("genrsa -out other.pem 2048", b"")?;
        trail.openssl("rsa -in other.pem -pubout -out wrong.pem", b"")?;
        Some(trail)
    }

    fn openssl(&self, arguments: &str, input: &[u8]) -> Option<Vec<u8>> {
        let mut command = std::process::Command::new("openssl");
        let command = command.args(arguments.split(' ')).current_dir(self.folder.path());
        let quiet = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let mut child = quiet.spawn().ok()?;
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments}");
        Some(output.stdout)
    }

    fn key(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a log file of one record in the bucket and gives its entry in a digest.
    fn file(&self, runtime: &Runtime, name: &str) -> serde_json::Value {
        let plain = format!("{{\"Records\":[{{\"eventTime\":\"2026-11-21T21:14:03Z\",\"name\":\"{name}\"}}]}}");
        let object = format!("{FOLDER}/CloudTrail/eu-central-1/2026/11/21/{name}.json.gz");
        put(runtime, &self.store, &object, gzip(plain.as_bytes()));
        let hash = hash(plain.as_bytes());
        serde_json::json!({"s3Bucket": "logs", "s3Object": object, "hashValue": hash, "hashAlgorithm": "SHA-256"})
    }

    /// Puts the digest of an hour in the bucket, over these files and the digest before it.
    fn digest(&mut self, runtime: &Runtime, hour: u32, files: &[serde_json::Value]) -> String {
        let object = format!("{FOLDER}/CloudTrail-Digest/eu-central-1/2026/11/21/digest_{hour:02}.json.gz");
        let end = format!("2026-11-21T{hour:02}:00:00Z");
        let before = self.previous.clone();
        let plain = serde_json::json!({
            "awsAccountId": "111122223333", "digestEndTime": end, "digestS3Bucket": "logs", "digestS3Object": object,
            "digestPublicKeyFingerprint": "31e8b5433410dfb61a9dc45cc65b22ff", "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": before.as_ref().map(|_| "logs"), "previousDigestS3Object": before.as_ref().map(|b| &b.0),
            "previousDigestHashValue": before.as_ref().map(|b| &b.1), "previousDigestHashAlgorithm": before.as_ref().map(|_| "SHA-256"),
            "previousDigestSignature": before.as_ref().map(|b| &b.2), "logFiles": files,
        })
        .to_string();
        let signed = format!("{end}\nlogs/{object}\n{}\n{}", hash(plain.as_bytes()), before.map_or("null".to_owned(), |b| b.2));
        let signature: String =
            self.openssl("dgst -sha256 -sign key.pem", signed.as_bytes()).unwrap().iter().map(|b| format!("{b:02x}")).collect();
        let mut attributes = object_store::Attributes::new();
        attributes.insert(object_store::Attribute::Metadata("signature".into()), signature.clone().into());
        let options = object_store::PutOptions { attributes, ..object_store::PutOptions::default() };
        let packed = gzip(plain.as_bytes());
        runtime.block_on(self.store.put_opts(&object.as_str().into(), packed.into(), options)).unwrap();
        self.previous = Some((object.clone(), hash(plain.as_bytes()), signature));
        object
    }
}

fn hash(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn start_trail(runtime: &Runtime, sink: &Arc<MemorySink>, store: &Arc<InMemory>, keys: &[std::path::PathBuf]) -> Running {
    let settings = S3Settings { url: "s3://logs/AWSLogs".into(), every_seconds: 0.05, digest_keys: keys.to_vec(), ..S3Settings::default() };
    let _inside = runtime.enter();
    S3Input::over(settings, Arc::clone(store) as Arc<dyn ObjectStore>).unwrap().start(sink.context()).unwrap()
}

fn findings(sink: &MemorySink) -> Vec<(String, String)> {
    let events = sink.events().into_iter().filter(|event| &*event.origin.index == "_audit");
    let all = events.map(|event| {
        let said: serde_json::Value = serde_json::from_slice(&event.raw).unwrap();
        assert_eq!((said["action"].as_str(), said["input"].as_str()), (Some("digest_mismatch"), Some("s3 s3://logs/AWSLogs")));
        let object = said["object"].as_str().unwrap();
        (said["outcome"].as_str().unwrap().to_owned(), object.rsplit('/').next().unwrap().to_owned())
    });
    all.collect()
}

fn checks(running: &Running) -> std::collections::BTreeMap<&'static str, u64> {
    running.counters.snapshot().checks.into_iter().collect()
}

/// A trail that nobody touched is found good, and every kind of touch is found: by hash, by chain, by signature.
#[test]
fn a_trail_is_compared_with_its_digests() {
    let runtime = Runtime::new().unwrap();
    let store = Arc::new(InMemory::new());
    let Some(mut trail) = Trail::new(&store) else { return println!("skipped: no openssl") };
    let files: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| trail.file(&runtime, name)).collect();
    let first = trail.digest(&runtime, 1, &files[..2]);
    trail.digest(&runtime, 2, &files[2..3]);
    let sink = MemorySink::new();
    let running = start_trail(&runtime, &sink, &store, &[trail.key("wrong.pem"), trail.key("bare.pem")]);
    until("two digests are checked", || checks(&running).get("signature_good") == Some(&2) && checks(&running).contains_key("digest_good"));
    // A third, in the next pass.
    trail.digest(&runtime, 3, &files[3..]);
    until("the third is", || checks(&running).get("file_good") == Some(&4));
    let wanted = [("chain_begins", 1), ("digest_good", 2), ("file_good", 4), ("signature_good", 3)];
    let snapshot = settle(&runtime, running);
    assert_eq!((snapshot.checks, snapshot.problems_total), (wanted.to_vec(), 0), "{:?}", snapshot.problems);
    assert_eq!(findings(&sink), []);
    assert_eq!((sink.count(), snapshot.sources.len()), (7, 7));

    // What was good is changed: a log file, and a digest.
    put(&runtime, &store, files[0]["s3Object"].as_str().unwrap(), gzip(b"{\"Records\":[{\"eventTime\":\"2026-11-21T21:14:03Z\"}]}"));
    put(&runtime, &store, &first, gzip(b"{}"));
    let running = start_trail(&runtime, &sink, &store, &[trail.key("public.pem")]);
    until("it is told", || findings(&sink).len() >= 3);
    let snapshot = settle(&runtime, running);
    let mut found = findings(&sink);
    found.sort();
    let wanted = [("changed_later", "a.json.gz"), ("changed_later", "digest_01.json.gz"), ("digest_malformed", "digest_01.json.gz")];
    assert_eq!(found, wanted.map(|(outcome, object)| (outcome.to_owned(), object.to_owned())));
    assert_eq!((snapshot.problems_total, snapshot.checks), (3, vec![("changed_later", 2), ("digest_malformed", 1)]));
    // Said once: nothing is new to another run.
    settle(&runtime, start_trail(&runtime, &sink, &store, &[trail.key("public.pem")]));
    assert_eq!(findings(&sink).len(), 3);
}

#[test]
fn what_was_changed_before_it_was_read() {
    let runtime = Runtime::new().unwrap();
    let store = Arc::new(InMemory::new());
    let Some(mut trail) = Trail::new(&store) else { return println!("skipped: no openssl") };
    let files: Vec<_> = ["edited", "gone", "cut", "good"].iter().map(|name| trail.file(&runtime, name)).collect();
    let object = |at: usize| files[at]["s3Object"].as_str().unwrap().to_owned();
    let lost = trail.digest(&runtime, 1, &[]);
    let edited = trail.digest(&runtime, 2, &files);
    let moved = trail.digest(&runtime, 3, &[]);
    trail.digest(&runtime, 4, &[]);
    let other = format!("{moved}.copy");
    runtime.block_on(store.copy(&moved.as_str().into(), &other.as_str().into())).unwrap();
    // One byte of the digest of the second hour: its signature tells, and the chain behind it.
    let mut plain = String::new();
    let packed = runtime.block_on(async { store.get(&edited.as_str().into()).await.unwrap().bytes().await.unwrap() });
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut plain).unwrap();
    put(&runtime, &store, &edited, gzip(plain.replace("T02:00:00Z", "T02:00:01Z").as_bytes()));
    runtime.block_on(store.delete(&lost.as_str().into())).unwrap();
    put(&runtime, &store, &object(0), gzip(b"{\"Records\":[{\"n\":2}]}"));
    runtime.block_on(store.delete(&object(1).as_str().into())).unwrap();
    let whole = gzip(&[&b"{\"Records\":["[..], "{\"n\":1},".repeat(9_000).as_bytes(), b"]}"].concat());
    put(&runtime, &store, &object(2), whole[..whole.len() - 20].to_vec());
    let sink = MemorySink::new();
    let running = start_trail(&runtime, &sink, &store, &[trail.key("public.pem")]);
    until("the good one is found good", || checks(&running).contains_key("file_good"));
    until("all digests are checked", || checks(&running).get("signature_good") == Some(&3));
    let snapshot = settle(&runtime, running);
    let mut found = findings(&sink);
    found.sort();
    let wanted = [
        ("digest_changed", "digest_02.json.gz"),
        ("digest_missing", "digest_01.json.gz"),
        ("digest_moved", "digest_03.json.gz.copy"),
        ("file_changed", "cut.json.gz"),
        ("file_changed", "edited.json.gz"),
        ("file_missing", "gone.json.gz"),
        // Of the copy too, it is told once more that the digest before it is another.
        ("digest_changed", "digest_02.json.gz"),
        ("signature_wrong", "digest_02.json.gz"),
    ];
    let mut wanted = wanted.map(|(outcome, object)| (outcome.to_owned(), object.to_owned()));
    wanted.sort();
    assert_eq!(found, wanted);
    let counted: u64 = snapshot.checks.iter().filter(|(outcome, _)| !outcome.ends_with("good")).map(|(_, count)| count).sum();
    assert_eq!(counted, 8, "{:?}", snapshot.checks);
    // Whatever differs is kept.
    assert!(sink.texts().contains(&"{\"n\":2}".to_owned()) && sink.count() > 5_000);

    // Without keys the hashes and the chain are checked all the same, and the account says what was not.
    let sink = MemorySink::new();
    let running = start_trail(&runtime, &sink, &store, &[]);
    until("all is checked", || checks(&running).get("signature_not_checked") == Some(&4));
    until("to the last", || findings(&sink).len() >= 7);
    settle(&runtime, running);
    let without: Vec<_> = wanted.iter().filter(|(outcome, _)| outcome != "signature_wrong").cloned().collect();
    let mut found = findings(&sink);
    found.sort();
    assert_eq!(found, without);

    // A file without a key in it.
    let settings = S3Settings { url: "s3://logs".into(), digest_keys: vec![trail.key("key.pem")], ..S3Settings::default() };
    let _inside = runtime.enter();
    let input = S3Input::over(settings, Arc::clone(&store) as Arc<dyn ObjectStore>).unwrap();
    let error = input.start(sink.context()).err().expect("is refused").to_string();
    assert!(error.contains("key.pem is no public RSA key"), "{error}");
}

/// Anything may stand in the place of a digest: it is told, kept, and nothing breaks.
#[test]
fn ten_thousand_malformed_digests() {
    let runtime = Runtime::new().unwrap();
    let store = Arc::new(InMemory::new());
    let mut next = crate::chance::numbers();
    let good = format!(
        r#"{{"digestEndTime":"x","digestS3Bucket":"logs","digestS3Object":"o","previousDigestS3Bucket":"logs","previousDigestS3Object":"p","previousDigestHashValue":"00","previousDigestHashAlgorithm":"SHA-256","previousDigestSignature":"00","logFiles":[{{"s3Bucket":"logs","s3Object":"{FOLDER}/CloudTrail/x","hashValue":"01","hashAlgorithm":"SHA-256"}}]}}"#
    );
    for number in 0..10_000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=next() % 4 {
            let at = next() % bytes.len();
            match next() % 3 {
                0 => bytes[at] = next() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, next() as u8),
            }
        }
        put(&runtime, &store, &format!("{FOLDER}/CloudTrail-Digest/{number:05}"), bytes);
    }
    let sink = MemorySink::new();
    let running = start_trail(&runtime, &sink, &store, &[]);
    let wrong =
        |of: &std::collections::BTreeMap<&str, u64>| of.get("digest_malformed").unwrap_or(&0) + of.get("digest_moved").unwrap_or(&0);
    until("all are looked at", || wrong(&checks(&running)) >= 10_000);
    let snapshot = settle(&runtime, running);
    assert_eq!((snapshot.total().gap(), wrong(&snapshot.checks.into_iter().collect())), (0, 10_000));
}
