//! Outputs from outside: what reaches a receiver, what counts as confirmed, and what happens when it refuses, dies or says too much.

use crate::sink::{MemorySink, until};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use taffrail_base::{ErrorKind, RealVfs, SystemClock};
use taffrail_collect::ids;
use taffrail_collect::input::InputSettings;
use taffrail_collect::outputs::{
    Delivered, FileOutput, Framing, HttpOutput, Layout, Output, OutputSettings, OutputTls, Surroundings, SyslogOutput, Token, UdpOutput,
};
use taffrail_collect::stream::{StreamSettings, TlsSettings};
use taffrail_event::{EventBatch, Origin, Problems, Same, Timestamp};
use tokio::runtime::Runtime;

fn around() -> Surroundings {
    Surroundings { vfs: Arc::new(RealVfs), clock: Arc::new(SystemClock::new()) }
}

fn batch(lines: &[&[u8]]) -> EventBatch {
    let [index, host, source, sourcetype, transport, peer] = ["main", "fw-1", "relp", "syslog", "relp", "192.0.2.1"].map(Arc::from);
    let origin = Origin { index, host, source, sourcetype, transport, peer };
    let mut batch = EventBatch::new(Timestamp(5));
    let number = batch.origin(&origin);
    lines.iter().for_each(|line| batch.push(number, Timestamp(1_500_000_000_123_456_789), Problems::NONE, line));
    batch
}

fn deliver(runtime: &Runtime, output: &mut dyn Output, batch: &EventBatch) -> Delivered {
    runtime.block_on(output.deliver(batch, 0..batch.len()))
}

fn built(settings: &OutputSettings) -> Box<dyn Output> {
    settings.build(&around()).expect("is right")
}

/// Heads and bodies of requests.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// Takes one request and answers it with what `answer` makes of its body.
fn exchange(stream: impl Read + Write, seen: &Seen, answer: &impl Fn(&str) -> String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("is a number");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let text = answer(&body);
    seen.lock().push((head, body));
    let stream = reader.get_mut();
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
}

/// A server that answers requests with what `answer` makes of their bodies.
fn http(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("has an address"));
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that reads no further closes.
            let _ = exchange(stream.expect("is a connection"), &kept, &answer);
        }
    });
    (url, seen)
}

/// The same over TLS; with `mutual` for those only who have a certificate. Counts handshakes that came to nothing.
fn https(at: &str, mutual: bool, answer: impl Fn(&str) -> String + Send + 'static) -> std::io::Result<(String, Seen, Arc<AtomicUsize>)> {
    let all =
        |name: &str| CertificateDer::pem_file_iter(tls_file(name)).expect("is there").map(|it| it.expect("is one")).collect::<Vec<_>>();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(all("ca.pem"));
    let builder =
        rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().expect("has versions");
    let builder = match mutual {
        true => builder.with_client_cert_verifier(
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("is right"),
        ),
        false => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).expect("is a key");
    let config = Arc::new(builder.with_single_cert(all("server.pem"), key).expect("fit"));
    let listener = TcpListener::bind(at)?;
    let url = format!("https://{}", listener.local_addr()?);
    let (seen, refused) = (Seen::default(), Arc::<AtomicUsize>::default());
    let (kept, failed) = (Arc::clone(&seen), Arc::clone(&refused));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).expect("begins");
            let mut stream = rustls::StreamOwned::new(session, stream.expect("is a connection"));
            if exchange(&mut stream, &kept, &answer).is_err() {
                failed.fetch_add(1, Ordering::SeqCst);
            }
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    Ok((url, seen, refused))
}

fn status(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn settings(url: &str) -> HttpOutput {
    HttpOutput { url: url.to_owned(), token: Some(Token::new("hidden-token")), tls: None }
}

#[test]
fn the_event_that_is_refused_is_found_and_the_others_go_on() {
    let runtime = Runtime::new().expect("starts");
    let (url, seen) = http(|body| if body.contains("bad") { status("400 Bad Request", "no") } else { status("200 OK", "{}") });
    let all = batch(&[b"one", b"two", b"three", b"bad one", b"five", b"six", b"bad two"]);
    for output in [OutputSettings::Hec(settings(&url)), OutputSettings::Lines(settings(&url))] {
        seen.lock().clear();
        let delivered = deliver(&runtime, &mut *built(&output), &all);
        let (refused, why) = delivered.refused.expect("are refused");
        assert_eq!((delivered.confirmed, refused), (7, 2));
        assert!(why.contains("400") && delivered.outcome.is_ok(), "{why}");
        let taken: String = seen.lock().iter().filter(|(_, body)| !body.contains("bad")).map(|(_, body)| body.clone()).collect();
        for word in ["one", "two", "three", "five", "six"] {
            assert_eq!(taken.matches(word).count(), 1, "{word} in {taken}");
        }
        assert!(!format!("{output:?}").contains("hidden-token"));
    }
    assert!(seen.lock()[0].0.contains("Bearer hidden-token"));
}

#[test]
fn bodies_are_as_the_protocols_want_them() {
    let runtime = Runtime::new().expect("starts");
    let (url, seen) = http(|_| status("200 OK", "{}"));
    let all = batch(&[b"a \"b\" \xff"]);
    let sent = |output: OutputSettings| {
        let delivered = deliver(&runtime, &mut *built(&output), &all);
        assert_eq!(delivered.confirmed, 1, "{:?}", delivered.outcome);
        seen.lock().pop().expect("was sent")
    };
    let (head, body) = sent(OutputSettings::Hec(settings(&url)));
    assert!(head.starts_with("POST /services/collector/event ") && head.contains("Splunk hidden-token"), "{head}");
    let event: serde_json::Value = serde_json::from_str(&body).expect("is JSON");
    assert_eq!(
        (&event["time"], &event["event"], &event["host"]),
        (&"1500000000.123456789".into(), &"a \"b\" \u{fffd}".into(), &"fw-1".into())
    );
    let (head, body) = sent(OutputSettings::Otlp(settings(&url)));
    let logs: serde_json::Value = serde_json::from_str(&body).expect("is JSON");
    let record = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert!(head.starts_with("POST /v1/logs "));
    assert_eq!((&record["timeUnixNano"], &record["body"]["stringValue"]), (&"1500000000123456789".into(), &"a \"b\" \u{fffd}".into()));
    let (head, body) = sent(OutputSettings::Elastic(settings(&url)));
    assert!(
        head.starts_with("POST /_bulk ") && body.starts_with("{\"create\":{\"_index\":\"main\"}}\n") && body.ends_with("}\n"),
        "{body}"
    );
    let (head, body) = sent(OutputSettings::Loki(settings(&url)));
    assert!(head.starts_with("POST /loki/api/v1/push ") && body.contains("[\"1500000000123456789\",\"a "), "{body}");
    let (head, body) = sent(OutputSettings::JsonLines(settings(&format!("{url}/x?y=1"))));
    assert!(
        head.starts_with("POST /x?y=1 ") && body.contains("\"time\":\"2017-07-14T02:40:00.123456789Z\"") && body.ends_with("}\n"),
        "{head}{body}"
    );
}

#[test]
fn what_is_not_confirmed_is_said() {
    let runtime = Runtime::new().expect("starts");
    let all = batch(&[b"one", b"two"]);
    let (url, _) = http(|_| status("503 Service Unavailable", "later"));
    let delivered = deliver(&runtime, &mut *built(&OutputSettings::Hec(settings(&url))), &all);
    assert_eq!((delivered.confirmed, delivered.attempted), (0, 2));
    assert!(delivered.outcome.expect_err("fails").message().contains("503: later"));
    let (url, _) = http(|_| format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(5 << 20)));
    let delivered = deliver(&runtime, &mut *built(&OutputSettings::Hec(settings(&url))), &all);
    assert_eq!((delivered.confirmed, delivered.outcome.expect_err("is cut").kind()), (0, ErrorKind::Limit));
    let busy = r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429,"error":{"type":"busy"}}}]}"#;
    let (url, _) = http(move |_| status("200 OK", busy));
    let delivered = deliver(&runtime, &mut *built(&OutputSettings::Elastic(settings(&url))), &all);
    assert_eq!((delivered.confirmed, delivered.attempted), (1, 2));
    assert_eq!(delivered.outcome.expect_err("is busy").kind(), ErrorKind::Busy);
    for url in ["ftp://x", "nothing", "http://user:password@host"] {
        let error = OutputSettings::Hec(settings(url)).build(&around()).err().expect("is wrong");
        assert!(!error.to_string().contains("password@"), "{error}");
    }
}

/// Receivers that take a body and refuse some of what is in it: these count as refused, and nothing is sent twice.
#[test]
fn what_is_refused_within_a_body_is_not_looked_for() {
    let runtime = Runtime::new().expect("starts");
    let all = batch(&[b"one", b"two", b"three"]);
    let items = r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"mapping"}}},{"create":{"status":201}}]}"#;
    let rejected = r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"mapping"}}"#;
    for (kind, answer) in [(OutputSettings::Elastic as fn(HttpOutput) -> OutputSettings, items), (OutputSettings::Otlp, rejected)] {
        let (url, seen) = http(move |_| status("200 OK", answer));
        let delivered = deliver(&runtime, &mut *built(&kind(settings(&url))), &all);
        let (refused, why) = delivered.refused.expect("is refused");
        assert!(delivered.confirmed == 3 && refused == 1 && why.contains("mapping") && delivered.outcome.is_ok(), "{refused}: {why}");
        assert_eq!(seen.lock().len(), 1);
    }
}

/// Who is told ids can tell what he is sent again: Elasticsearch by `_id`, another Taffrail in its own form.
#[test]
fn ids_go_to_who_understands_them() {
    let runtime = Runtime::new().expect("starts");
    let mut all = batch(&[b"one", b"two", b"three", b"four"]);
    for at in 0..4 {
        all.mark_one(at, ids::id(ids::scope(&["test"]), &[&[at as u8]], all.event(at).raw), Same::IdAndContent);
    }
    let items = r#"{"errors":true,"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}},{"create":{"status":201}},{"create":{"status":201}}]}"#;
    let (url, seen) = http(move |_| status("200 OK", items));
    let mut output = built(&OutputSettings::Elastic(settings(&url)));
    assert!(output.wants_ids());
    let delivered = runtime.block_on(output.deliver(&all, 1..4));
    assert_eq!((delivered.confirmed, delivered.refused), (3, None), "what is there already is confirmed");
    let body = seen.lock().pop().expect("was sent").1;
    let named: Vec<&str> =
        body.lines().step_by(2).filter_map(|line| line.split("\"_id\":\"").nth(1)).filter_map(|id| id.get(..32)).collect();
    let wanted: Vec<String> = all.ids()[1..].iter().map(|m| format!("{:016x}{:016x}", m.id.key, m.id.content)).collect();
    assert_eq!(named, wanted);
    assert!(!built(&OutputSettings::Hec(settings(&url))).wants_ids());
}

/// Large batches go in requests of a few MiB; after a failure those go on that were not answered.
#[test]
fn large_batches_are_sent_in_parts() {
    let runtime = Runtime::new().expect("starts");
    let lines: Vec<Vec<u8>> = (0..5_000).map(|at| format!("<13>line {at} {}", "x".repeat(1_000)).into_bytes()).collect();
    let all = batch(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let (url, seen) = http(|body| if body.contains("line 3000 ") { status("503 Service Unavailable", "") } else { status("200 OK", "") });
    let mut output = built(&OutputSettings::Lines(settings(&url)));
    let failed = deliver(&runtime, &mut *output, &all);
    assert!(failed.outcome.is_err() && (1..=3_000).contains(&failed.confirmed) && failed.attempted > 3_000, "{failed:?}");
    let taken = |seen: &Seen| seen.lock().drain(..).map(|(_, body)| body).collect::<Vec<_>>();
    let mut bodies = taken(&seen);
    assert!(bodies.len() > 1 && bodies.iter().all(|body| body.len() < 3 << 20), "{}", bodies.len());
    // The last was not taken.
    bodies.pop();
    let (url, seen) = http(|_| status("200 OK", ""));
    let mut output = built(&OutputSettings::Lines(settings(&url)));
    let rest = runtime.block_on(output.deliver(&all, failed.confirmed..all.len()));
    assert_eq!((rest.confirmed, rest.attempted), (5_000 - failed.confirmed, 5_000 - failed.confirmed));
    bodies.extend(taken(&seen));
    let wanted: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    assert!(bodies.concat().as_bytes() == wanted, "each once and in order, in {} requests", bodies.len());
}

/// What the other machine has acknowledged before a connection breaks is not sent again.
#[test]
fn syslog_confirms_while_it_sends() {
    let runtime = Runtime::new().expect("starts");
    let line = [b"<13>".as_slice(), &[b'x'; 16_000]].concat();
    let all = batch(&vec![line.as_slice(); 4_000]);
    let socket = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = socket.local_addr().expect("has an address").to_string();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = socket.accept().expect("is a connection");
        // More than our side can hold, and less than both can: then it is gone.
        stream.read_exact(&mut vec![0; 8 << 20]).expect("comes");
    });
    let settings = SyslogOutput { address, layout: Layout::Original, framing: Framing::OctetCount, tls: None };
    let broken = deliver(&runtime, &mut *built(&OutputSettings::SyslogTcp(settings)), &all);
    receiver.join().expect("has read");
    assert!(broken.outcome.is_err(), "{broken:?}");
    assert!(0 < broken.confirmed && broken.confirmed < broken.attempted && broken.attempted < 4_000, "{broken:?}");
}

fn trusting(url: &str, ca: &str, certificate: bool) -> HttpOutput {
    let ours = |name: &str| certificate.then(|| tls_file(name));
    let tls = OutputTls { ca: tls_file(ca), certificate: ours("client.pem"), key: ours("client.key"), server_name: None };
    HttpOutput { tls: Some(tls), ..settings(url) }
}

#[test]
fn over_https_only_to_whom_we_trust_and_nothing_is_lost() {
    let runtime = Runtime::new().expect("starts");
    let all = batch(&[b"one", b"two", b"three"]);
    let (url, seen, failed) = https("127.0.0.1:0", false, |_| status("200 OK", "{}")).expect("listens");
    for kind in [OutputSettings::Hec, OutputSettings::Lines] {
        // A certificate that nobody whom we trust has signed: no byte of an event leaves us, and what is wrong is said.
        let mut wrong = built(&kind(trusting(&url, "client.pem", false)));
        let refused = deliver(&runtime, &mut *wrong, &all);
        let said = refused.outcome.expect_err("is not trusted").to_string();
        assert_eq!((refused.confirmed, refused.refused), (0, None), "{said}");
        assert!(said.contains("certificate") && said.contains("127.0.0.1") && !said.contains("hidden-token"), "{said}");
        assert!(seen.lock().is_empty());
        // What was not confirmed is offered again, to the receiver that we meant.
        let mut right = built(&kind(trusting(&url, "ca.pem", false)));
        for _ in 0..2 {
            let delivered = deliver(&runtime, &mut *right, &all);
            assert_eq!(delivered.confirmed, 3, "{:?}", delivered.outcome);
        }
        let taken = std::mem::take(&mut *seen.lock());
        assert_eq!(taken.len(), 2);
        assert!(taken.iter().all(|(head, _)| head.contains("hidden-token")));
        assert!(taken.iter().all(|(_, body)| ["one", "two", "three"].iter().all(|word| body.matches(word).count() == 1)), "{taken:?}");
    }
    assert!(failed.load(Ordering::SeqCst) >= 2);
}

#[test]
fn over_https_names_and_our_own_certificate_count() {
    let runtime = Runtime::new().expect("starts");
    let all = batch(&[b"one"]);
    let (url, seen, _) = https("127.0.0.1:0", true, |_| status("200 OK", "{}")).expect("listens");
    let nobody = deliver(&runtime, &mut *built(&OutputSettings::Hec(trusting(&url, "ca.pem", false))), &all);
    assert!(nobody.confirmed == 0 && nobody.outcome.is_err() && seen.lock().is_empty());
    let known = deliver(&runtime, &mut *built(&OutputSettings::Hec(trusting(&url, "ca.pem", true))), &all);
    assert_eq!((known.confirmed, seen.lock().len()), (1, 1), "{:?}", known.outcome);
    // Trusted, but not for this name. Not every system has a second loopback address.
    if let Ok((url, seen, _)) = https("127.0.0.2:0", false, |_| status("200 OK", "{}")) {
        let other = deliver(&runtime, &mut *built(&OutputSettings::Lines(trusting(&url, "ca.pem", false))), &all);
        let said = other.outcome.expect_err("has another name").to_string();
        assert!(other.confirmed == 0 && seen.lock().is_empty() && said.contains("certificate"), "{said}");
    }
    let mut named = trusting(&url, "ca.pem", false);
    named.tls.as_mut().expect("is set").server_name = Some("localhost".into());
    let error = OutputSettings::Hec(named).build(&around()).err().expect("would not be looked at");
    assert!(error.to_string().contains("server_name"), "{error}");
}

fn tls_file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

/// Our own listener, and what it has stored.
fn listener(runtime: &Runtime, settings: &InputSettings, sink: &Arc<MemorySink>) -> (taffrail_collect::Running, SocketAddr) {
    let _inside = runtime.enter();
    let running = settings.build().expect("is right").start(sink.context()).expect("starts");
    let address = running.address.expect("listens");
    (running, address)
}

#[test]
fn syslog_over_tls_with_certificates_of_both() {
    let runtime = Runtime::new().expect("starts");
    let sink = MemorySink::new();
    let tls = TlsSettings { certificate: tls_file("server.pem"), key: tls_file("server.key"), client_ca: Some(tls_file("ca.pem")) };
    let settings = StreamSettings { address: Some(SocketAddr::from(([127, 0, 0, 1], 0))), tls: Some(tls), ..StreamSettings::default() };
    let (running, address) = listener(&runtime, &InputSettings::SyslogTls(settings), &sink);
    let ours = |certificate: bool| OutputTls {
        ca: tls_file("ca.pem"),
        certificate: certificate.then(|| tls_file("client.pem")),
        key: certificate.then(|| tls_file("client.key")),
        server_name: Some("localhost".into()),
    };
    let output = |certificate| {
        OutputSettings::SyslogTcp(SyslogOutput {
            address: address.to_string(),
            layout: Layout::Original,
            framing: Framing::OctetCount,
            tls: Some(ours(certificate)),
        })
    };
    let all = batch(&[b"<10>Mar  1 00:00:00 fw-1 a: one\nand two \xff", b"<11>three"]);
    let delivered = deliver(&runtime, &mut *built(&output(true)), &all);
    assert_eq!(delivered.confirmed, 2, "{:?}", delivered.outcome);
    until("both are stored", || sink.count() == 2);
    assert_eq!(
        sink.events().iter().map(|event| event.raw.clone()).collect::<Vec<_>>(),
        all.iter().map(|e| e.raw.to_vec()).collect::<Vec<_>>()
    );
    runtime.block_on(running.stop());
}

#[test]
fn a_connection_that_was_closed_meanwhile_costs_nothing() {
    let runtime = Runtime::new().expect("starts");
    let sink = MemorySink::new();
    let at = |address| StreamSettings { address: Some(address), ..StreamSettings::default() };
    for relp in [false, true] {
        let input = |settings| if relp { InputSettings::Relp(settings) } else { InputSettings::SyslogTcp(settings) };
        let (running, address) = listener(&runtime, &input(at(SocketAddr::from(([127, 0, 0, 1], 0)))), &sink);
        let settings = SyslogOutput { address: address.to_string(), layout: Layout::Original, framing: Framing::OctetCount, tls: None };
        let mut output = built(&if relp { OutputSettings::Relp(settings) } else { OutputSettings::SyslogTcp(settings) });
        let before = sink.count();
        assert_eq!(deliver(&runtime, &mut *output, &batch(&[&b"<13>one"[..]; 300])).confirmed, 300);
        // Without answers, what a receiver has not read when it stops is gone.
        until("they are stored", || sink.count() == before + 300);
        runtime.block_on(running.stop());
        let failed = deliver(&runtime, &mut *output, &batch(&[b"<13>two"]));
        assert!(failed.outcome.is_err() && failed.confirmed == 0 && failed.attempted == 0, "{failed:?}");
        let (running, _) = listener(&runtime, &input(at(address)), &sink);
        assert_eq!(deliver(&runtime, &mut *output, &batch(&[b"<13>two"])).confirmed, 1);
        until("all are stored", || sink.count() == before + 301);
        runtime.block_on(running.stop());
    }
}

#[test]
fn a_file_has_each_event_once_through_a_crash() {
    let runtime = Runtime::new().expect("starts");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sub/out.log");
    let settings = OutputSettings::File(FileOutput { path: path.clone(), layout: Layout::Original });
    let mut output = built(&settings);
    assert_eq!(deliver(&runtime, &mut *output, &batch(&[b"one", b"two"])).confirmed, 2);
    let mark = output.mark().expect("is remembered");
    // Written, and half of another, and then a crash before the place was remembered.
    assert_eq!(deliver(&runtime, &mut *output, &batch(&[b"three"])).confirmed, 1);
    std::fs::OpenOptions::new().append(true).open(&path).expect("is there").write_all(b"fo").expect("is written");
    let mut output = built(&settings);
    output.resume(&mark);
    assert_eq!(deliver(&runtime, &mut *output, &batch(&[b"three", b"four"])).confirmed, 2);
    assert_eq!(std::fs::read(&path).expect("is there"), b"one\ntwo\nthree\nfour\n");
    // Moved away by somebody: begun again, and nothing of theirs is cut.
    std::fs::rename(&path, folder.path().join("old")).expect("is moved");
    std::fs::write(&path, "theirs, which is longer than ours was before\n").expect("is written");
    let mut output = built(&settings);
    output.resume(&mark);
    assert_eq!(deliver(&runtime, &mut *output, &batch(&[b"five"])).confirmed, 1);
    assert!(std::fs::read_to_string(&path).expect("is there").ends_with("before\nfive\n"));
}

#[test]
fn datagrams_that_cannot_be_are_refused() {
    let runtime = Runtime::new().expect("starts");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let address = socket.local_addr().expect("has an address").to_string();
    let mut output = built(&OutputSettings::SyslogUdp(UdpOutput { address, layout: Layout::Original }));
    let long = vec![b'x'; 70_000];
    let delivered = deliver(&runtime, &mut *output, &batch(&[b"<13>one", &long, b"<13>three"]));
    assert_eq!((delivered.confirmed, delivered.refused.map(|(count, _)| count)), (3, Some(1)));
    let mut buffer = [0; 100];
    for wanted in [&b"<13>one"[..], b"<13>three"] {
        let length = socket.recv(&mut buffer).expect("is there");
        assert_eq!(&buffer[..length], wanted);
    }
}
