//! What others push, end to end: the answers that real senders look at, tokens, and kill -9 under load of every protocol
//! that acknowledges.

use crate::harness::{Answer, PATIENCE, Scratch, Server, eventually, request};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    server.request("POST", path, headers, body.as_bytes())
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn answers_are_those_of_the_protocols() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let hec =
        post(&server, "/services/collector/event", &[("authorization", "Splunk any")], r#"{"event":"hec one"}{"event":{"a":"hec two"}}"#);
    assert_eq!((hec.status, hec.json()), (200, json!({"text": "Success", "code": 0})));
    let channel = &[("x-splunk-request-channel", "c")];
    let first = post(&server, "/services/collector", channel, r#"{"event":"hec three"}"#).json()["ackId"].as_u64().expect("has a number");
    let raw = post(&server, "/services/collector/raw?channel=c&sourcetype=app", &[], "hec four\nhec five\n").json();
    assert_eq!(raw["ackId"].as_u64(), Some(first + 1));
    let asked = json!({"acks": [first, first + 1, first + 1000]}).to_string();
    let acks = post(&server, "/services/collector/ack?channel=c", &[], &asked).json();
    assert_eq!(acks, json!({"acks": {first.to_string(): true, (first + 1).to_string(): true, (first + 1000).to_string(): false}}));
    let wrong = post(&server, "/services/collector", &[], r#"{"event":"hec six"}{"event":""}"#);
    assert_eq!((wrong.status, wrong.json()), (400, json!({"text": "Event field cannot be blank", "code": 13, "invalid-event-number": 1})));
    assert_eq!(post(&server, "/services/collector/raw", &[], "").json()["code"], 5);
    assert_eq!(server.get("/services/collector/health").json()["code"], 17);

    let bulk = "{\"create\":{\"_index\":\"logs-x\"}}\n{\"message\":\"bulk one\"}\n{\"delete\":{\"_id\":\"1\"}}\n";
    for (method, path) in [("POST", "/_bulk"), ("PUT", "/elastic/_bulk"), ("POST", "/logs-y/_bulk?refresh=true&pipeline=p")] {
        let answer = server.request(method, path, &[("content-type", "application/x-ndjson")], bulk.as_bytes());
        let said = answer.json();
        assert_eq!((answer.status, &said["errors"], &said["items"][0]["create"]["status"]), (200, &json!(true), &json!(201)), "{path}");
        assert_eq!(said["items"][1]["delete"]["status"], 400);
    }
    assert_eq!(post(&server, "/_bulk", &[], "nonsense").json()["error"]["type"], "illegal_argument_exception");
    let about = server.get("/elastic/");
    assert_eq!((&about.json()["version"]["number"], about.header("x-elastic-product")), (&json!("8.19.0"), None));

    let loki = r#"{"streams":[{"stream":{"app":"x"},"values":[["1433188255500000000","loki one"]]}]}"#;
    let answer = post(&server, "/loki/api/v1/push", JSON, loki);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(post(&server, "/loki/api/v1/push", &[("content-type", "application/x-protobuf")], "nonsense").status, 400);
    let otlp = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"otlp one"}}]}]}]}"#;
    assert_eq!(post(&server, "/v1/logs", JSON, otlp).json(), json!({"partialSuccess": {}}));
    let protobuf = b"\x0a\x0e\x12\x0c\x12\x0a\x2a\x08\x0a\x06otlp 2";
    let answer = server.request("POST", "/v1/logs", &[("content-type", "application/x-protobuf")], protobuf);
    assert_eq!((answer.status, answer.header("content-type"), answer.body.len()), (200, Some("application/x-protobuf"), 0));
    assert_eq!(post(&server, "/gelf", &[], r#"{"host":"h","short_message":"gelf one"}"#).status, 202);
    assert_eq!(post(&server, "/gelf", &[], "gelf").status, 400);
    let journal = &[("content-type", "application/vnd.fdo.journal")];
    assert_eq!(post(&server, "/upload", journal, "__CURSOR=1\nMESSAGE=journal one\n\n__CURSOR=2\nMESSAGE=journal two\n\n").status, 202);
    assert_eq!(post(&server, "/upload", journal, "__CURSOR=3\nMESSAGE=journal three\n\nMESSAGE=not whole").status, 400);
    assert_eq!(post(&server, "/api/v2/logs", JSON, r#"[{"message":"dd one"},{"message":"dd two"}]"#).status, 202);
    // Another site's page may not push, whatever the protocol.
    assert_eq!(post(&server, "/gelf", &[("origin", "http://evil.example")], "{}").status, 403);

    server.stop();
    for (word, count) in [("hec", 6), ("bulk", 3), ("loki", 1), ("otlp", 2), ("gelf", 1), ("journal", 3), ("dd", 2)] {
        assert_eq!(scratch.count(&format!("index=main {word}")), count, "{word}");
    }
    assert_eq!(scratch.count("index=main source=\"logs-x\""), 3);
}

#[test]
fn tokens_are_asked_for_where_there_are_some() {
    let scratch = Scratch::new();
    let config = scratch.file("t.toml", b"[ingest]\ntokens = [\"right\", \"other\"]\nelastic_product = true\n");
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    let event = r#"{"event":"x"}"#;
    let hec = |authorization: Option<&str>| {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let answer = post(&server, "/services/collector", &headers, event);
        (answer.status, answer.json()["code"].as_u64().expect("has a code"))
    };
    assert_eq!(hec(None), (401, 2));
    assert_eq!(hec(Some("Splunk wrong")), (403, 4));
    assert_eq!(hec(Some("Splunk right")), (200, 0));
    assert_eq!(hec(Some("bearer other")), (200, 0));
    assert_eq!(hec(Some("Basic eDpyaWdodA==")), (200, 0), "x:right");
    let asked = post(&server, "/services/collector?token=right", &[], event);
    assert_eq!((asked.status, asked.json()["code"].as_u64()), (400, Some(16)));
    for (path, headers, status) in [
        ("/gelf", &[][..], 401),
        ("/gelf", &[("authorization", "Bearer right")], 202),
        ("/api/v2/logs", &[("dd-api-key", "wrong")], 403),
        ("/api/v2/logs", &[("dd-api-key", "right")], 202),
        ("/v1/input/right", &[], 202),
        ("/_bulk", &[("authorization", "ApiKey eDp3cm9uZw==")], 403),
    ] {
        assert_eq!(post(&server, path, headers, "{}").status, status, "{path} {headers:?}");
    }
    assert_eq!(server.get("/elastic/").header("x-elastic-product"), Some("Elasticsearch"));
    assert!(!server.get("/api/v1/stat").text().contains("right"), "tokens are shown");
    server.stop();
}

/// Calls once over HTTP/2, and gives headers and trailers of the answer; `None` without curl.
fn call(url: &str, message: &[u8]) -> Option<String> {
    let mut child = std::process::Command::new("curl")
        .args(["-sS", "--http2-prior-knowledge", "-D", "-", "-H", "content-type: application/grpc", "-H", "te: trailers"])
        .args(["--data-binary", "@-", "-o", "/dev/null", url])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    let body = [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
    child.stdin.take().expect("is piped").write_all(&body).expect("takes it");
    Some(String::from_utf8(child.wait_with_output().expect("ends").stdout).expect("is text"))
}

#[test]
fn who_waits_for_no_answer_is_heard_all_the_same() {
    let scratch = Scratch::new();
    let config = scratch.file("t.toml", b"[[input]]\ntype = \"http\"\naddress = \"127.0.0.1:0\"\n");
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    for (name, address) in [("main", server.address().to_owned()), ("door", listener(&server, "http"))] {
        for number in 0..100 {
            let body = json!({"short_message": format!("{name} {number}")}).to_string();
            let head = format!("POST /gelf HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", body.len());
            let mut stream = TcpStream::connect(&address).expect("connects");
            // At once, and in two steps.
            let parts = if number % 2 == 0 { vec![head + &body] } else { vec![head, body] };
            parts.iter().for_each(|part| stream.write_all(part.as_bytes()).expect("takes it"));
        }
    }
    eventually("all are stored", || scratch.count("index=main") == 200);
    server.stop();
    assert_eq!(scratch.rows("index=main | stats dc(short_message) as texts"), [json!({"texts": 200})]);
}

#[test]
fn gelf_is_unpacked_as_its_bytes_say() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let plain = br#"{"short_message":"packed"}"#;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(plain).expect("packs");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain).expect("packs");
    let bodies =
        [zlib.finish().expect("packs"), gzip.finish().expect("packs"), zstd::encode_all(&plain[..], 1).expect("packs"), plain.to_vec()];
    for body in &bodies {
        for said in [&[][..], &[("content-encoding", "gzip,deflate")], &[("content-encoding", "deflate")]] {
            assert_eq!(server.request("POST", "/gelf", said, body).status, 202);
        }
        let cut = server.request("POST", "/gelf", &[], &body[..body.len() - 4]);
        assert_eq!(cut.status, 400, "{}", cut.text());
    }
    assert_eq!(server.request("POST", "/api/v2/logs", &[("content-encoding", "gzip,deflate")], &bodies[0]).status, 415);
    server.stop();
    assert_eq!(scratch.count("index=main short_message=packed"), 12);
}

#[test]
fn otlp_over_grpc() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let url = format!("{}/opentelemetry.proto.collector.logs.v1.LogsService/Export", server.url());
    let call = |message: &[u8]| call(&url, message);
    let Some(good) = call(b"\x0a\x0e\x12\x0c\x12\x0a\x2a\x08\x0a\x06grpc 1") else { return println!("skipped: no curl") };
    assert!(good.contains("grpc-status: 0"), "{good}");
    let bad = call(b"nonsense").expect("curl is there");
    assert!(bad.contains("grpc-status: 3") && bad.contains("grpc-message: "), "{bad}");
    server.stop();
    assert_eq!(scratch.count("index=main grpc"), 1);
}

/// The protocols that acknowledge: where to, and a body with one event.
const PUSHED: [(&str, &str, &str); 8] = [
    ("hec", "/services/collector", r#"{"event":"ID"}"#),
    ("bulk", "/_bulk", "{\"create\":{}}\n{\"message\":\"ID\"}\n"),
    ("loki", "/loki/api/v1/push", r#"{"streams":[{"stream":{},"values":[["1433188255500000000","ID"]]}]}"#),
    ("otlp", "/v1/logs", r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"ID"}}]}]}]}"#),
    ("gelf", "/gelf", r#"{"short_message":"ID"}"#),
    ("datadog", "/api/v2/logs", r#"{"message":"ID"}"#),
    ("hec-ack", "/services/collector/raw?channel=c", "ID"),
    ("upload", "/upload", "__CURSOR=1\nMESSAGE=ID\n\n"),
];

/// Notes an id, and the first one as a sender that gets through.
fn acknowledge(acknowledged: &mut Vec<String>, id: String, through: &AtomicUsize) {
    if acknowledged.is_empty() {
        through.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged.push(id);
}

/// Pushes until the server is gone; gives the ids that it acknowledged.
fn push_until_killed(address: &str, round: usize, (name, path, body): (&str, &str, &str), through: &AtomicUsize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("id={name}-{round}-{number};");
        match request(address, "POST", path, JSON, body.replace("ID", &id).as_bytes()) {
            Ok(answer) if answer.status < 300 => acknowledge(&mut acknowledged, id, through),
            Ok(answer) => panic!("{name} is refused: {}", answer.text()),
            Err(_) => break,
        }
    }
    acknowledged
}

/// The bytes that send an event, and those that acknowledge it.
type Framing = fn(u32, &str) -> (Vec<u8>, Vec<u8>);

/// One after the other, each in its frame; what the answer must be tells that it is acknowledged.
fn speak_until_killed(address: &str, open: &[u8], frame: Framing, name: &str, round: usize, through: &AtomicUsize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("can be set");
    stream.write_all(open).expect("takes it");
    if !open.is_empty() {
        let mut byte = [0];
        let mut answer = Vec::new();
        while !answer.ends_with(b"commands=syslog\n") && stream.read_exact(&mut byte).is_ok() {
            answer.push(byte[0]);
        }
    }
    for number in 2.. {
        let id = format!("id={name}-{round}-{number};");
        let (bytes, wanted) = frame(number, &id);
        let mut answer = vec![0; wanted.len()];
        if stream.write_all(&bytes).is_err() || stream.read_exact(&mut answer).is_err() {
            break;
        }
        assert_eq!(answer, wanted, "{name}");
        acknowledge(&mut acknowledged, id, through);
    }
    acknowledged
}

/// A field of protocol buffers that holds bytes, below 128 of them.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).expect("is short")][..], bytes].concat()
}

/// One call of OTLP over gRPC after the other, by curl; none without it.
fn call_until_killed(url: &str, round: usize, through: &AtomicUsize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("id=grpc-{round}-{number};");
        // A resource, a scope, a record, its body, a text.
        let message = [1, 2, 2, 5, 1].into_iter().rev().fold(id.clone().into_bytes(), |inner, number| field(number, &inner));
        match call(&format!("{url}/opentelemetry.proto.collector.logs.v1.LogsService/Export"), &message) {
            Some(said) if said.contains("grpc-status: 0") => acknowledge(&mut acknowledged, id, through),
            Some(said) => {
                assert!(!said.contains("grpc-status"), "grpc is refused: {said}");
                break;
            }
            None => {
                println!("no curl: nothing is sent over gRPC");
                through.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
    acknowledged
}

fn relp(number: u32, id: &str) -> (Vec<u8>, Vec<u8>) {
    (format!("{number} syslog {} <13>{id}\n", id.len() + 4).into_bytes(), format!("{number} rsp 6 200 OK\n").into_bytes())
}

fn lumberjack(number: u32, id: &str) -> (Vec<u8>, Vec<u8>) {
    let event = json!({"message": id}).to_string();
    let head = |kind: &[u8], number: u32| [kind, &number.to_be_bytes()].concat();
    let frame = [head(b"2W", 1), head(b"2J", number), (event.len() as u32).to_be_bytes().to_vec(), event.into_bytes()].concat();
    (frame, head(b"2A", number))
}

fn listener(server: &Server, kind: &str) -> String {
    let listeners = server.file["listeners"].as_array().expect("has listeners");
    let found = listeners.iter().find(|listener| listener["input"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    found["address"].as_str().expect("has an address").to_owned()
}

#[test]
fn killed_under_load_of_every_protocol_nothing_acknowledged_is_lost() {
    let scratch = Scratch::new();
    let inputs = b"[[input]]\ntype = \"relp\"\naddress = \"127.0.0.1:0\"\n[[input]]\ntype = \"lumberjack\"\naddress = \"127.0.0.1:0\"\n";
    let config = scratch.file("t.toml", inputs);
    let config = ["--config", config.to_str().expect("is text")];
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..4 {
        let server = scratch.serve_with(&config);
        let (address, through) = (server.address().to_owned(), Arc::new(AtomicUsize::new(0)));
        let mut senders: Vec<_> = PUSHED
            .into_iter()
            .map(|protocol| {
                let (address, through) = (address.clone(), Arc::clone(&through));
                std::thread::spawn(move || push_until_killed(&address, round, protocol, &through))
            })
            .collect();
        for (kind, open, frame) in [("relp", &b"1 open 14 relp_version=0\n"[..], relp as Framing), ("lumberjack", b"", lumberjack)] {
            let (to, through) = (listener(&server, kind), Arc::clone(&through));
            senders.push(std::thread::spawn(move || speak_until_killed(&to, open, frame, kind, round, &through)));
        }
        let (url, counted) = (server.url().to_owned(), Arc::clone(&through));
        senders.push(std::thread::spawn(move || call_until_killed(&url, round, &counted)));
        eventually("every protocol gets something through", || through.load(Ordering::Relaxed) == PUSHED.len() + 3);
        std::thread::sleep(Duration::from_millis(100 + 370 * round as u64 % 900));
        server.kill();
        for sender in senders {
            acknowledged.extend(sender.join().expect("ends"));
        }
    }
    let mut there: HashMap<String, usize> = HashMap::new();
    for line in String::from_utf8(scratch.export()).expect("is text").lines() {
        let (_, id) = line.split_once("id=").unwrap_or_else(|| panic!("whose is {line}?"));
        *there.entry(format!("id={};", id.split(';').next().unwrap_or_default())).or_default() += 1;
    }
    for id in &acknowledged {
        assert_eq!(there.get(id), Some(&1), "{id}");
    }
    println!("{} acknowledged, {} there", acknowledged.len(), there.len());
    let _: Value = scratch.stat();
}

/// What curl is answered: the status, and headers with the body.
fn curl(arguments: &[&str]) -> Option<(u16, String)> {
    let output =
        std::process::Command::new("curl").args(["-sS", "-i", "-m", "30", "-w", "\n%{http_code}"]).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (said, status) = text.rsplit_once('\n')?;
    if status == "000" {
        println!("curl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Some((status.parse().ok()?, said.to_owned()))
}

#[test]
fn doors_take_what_is_pushed_and_nothing_else() {
    let scratch = Scratch::new();
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/../collect/tests/it/tls");
    let config = scratch.file(
        "t.toml",
        format!(
            "[[input]]\ntype = \"http\"\naddress = \"127.0.0.1:0\"\naccept = [\"hec\"]\ntokens = [\"right\"]\nindex = \"doors\"\n\
             [input.tls]\ncertificate = \"{tls}/server.pem\"\nkey = \"{tls}/server.key\"\n\
             [[input]]\ntype = \"http\"\naddress = \"127.0.0.1:0\"\naccept = [\"otlp\", \"elasticsearch\", \"raw\"]\nallow = [\"127.0.0.2\"]\n\
             zone = \"+02:00\"\n"
        )
        .as_bytes(),
    );
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    let doors: Vec<&str> = server.file["listeners"]
        .as_array()
        .expect("is a list")
        .iter()
        .filter(|l| l["input"] == "http")
        .map(|l| l["address"].as_str().expect("is text"))
        .collect();
    let [hec, open] = doors[..] else { panic!("{doors:?}") };
    let (hec, authority) = (format!("https://{hec}"), format!("{tls}/ca.pem"));
    let event = r#"{"event":"by the door"}"#;
    let send = |path: &str, more: &[&str]| {
        let url = format!("{hec}{path}");
        curl(&[&["--cacert", &*authority, "-d", event, &*url][..], more].concat())
    };
    let Some((status, said)) = send("/services/collector", &["-H", "authorization: Splunk right"]) else {
        return println!("skipped: no curl");
    };
    assert_eq!(status, 200, "{said}");
    assert!(said.contains("\"code\":0"), "{said}");
    let refused = |more: &[&str]| {
        let (status, said) = send("/services/collector", more).expect("curl is there");
        (status, said.rsplit("\"code\":").next().and_then(|code| code.chars().next()))
    };
    assert_eq!(refused(&[]), (401, Some('2')));
    assert_eq!(refused(&["-H", "authorization: Splunk wrong"]), (403, Some('4')));
    for path in ["/api/v1/search", "/api/v1/ingest/raw", "/gelf", "/metrics", "/", "/index.html"] {
        assert_eq!(send(path, &["-H", "authorization: Splunk right"]).expect("curl is there").0, 404, "{path}");
    }

    let call = |from: &str, more: &[&str]| curl(&[&["--interface", from, "--http2-prior-knowledge"][..], more].concat());
    let message: &[u8] = b"\0\0\0\0\x10\x0a\x0e\x12\x0c\x12\x0a\x2a\x08\x0a\x06grpc 1";
    let body = format!("@{}", scratch.file("message", message).display());
    let url = format!("http://{open}/opentelemetry.proto.collector.logs.v1.LogsService/Export");
    let grpc = ["-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", &*body, "-o", "/dev/null", "-D", "-", &*url];
    let (_, said) = call("127.0.0.2", &grpc).expect("curl is there");
    assert!(said.contains("grpc-status: 0"), "{said}");
    assert_eq!(call("127.0.0.1", &grpc).map(|(status, _)| status), Some(0), "somebody else is let in");
    let at = |path: &str| format!("http://{open}{path}");
    let (status, said) = curl(&["--interface", "127.0.0.2", &at("/")]).expect("curl is there");
    assert!(status == 200 && said.contains("_bulk"), "{said}");
    let raw = at("/api/v1/ingest/raw?source=door");
    let lines = ["--interface", "127.0.0.2", "-d", "2024-07-01 12:00:00 a line", &*raw];
    assert_eq!(curl(&lines).expect("curl is there").0, 200);
    let browser = [&["-H", "origin: http://evil.example"][..], &lines[..]].concat();
    assert_eq!(curl(&browser).expect("curl is there").0, 403);

    let inputs = server.get("/api/v1/inputs").json();
    let name = format!("http {open}");
    let account = inputs.as_array().expect("is a list").iter().find(|input| input["name"] == name.as_str()).expect("is there").clone();
    assert_eq!(account["refused_connections"], 1, "{account}");
    assert_eq!(account["skipped"]["denied"], Value::Null, "{account}");
    server.stop();
    assert_eq!((scratch.count("index=doors"), scratch.count("index=main grpc"), scratch.count("index=main source=door")), (1, 1, 1));
    assert!(
        scratch.rows("index=main source=door | table _time")[0]["_time"]
            .as_str()
            .is_some_and(|time| time.starts_with("2024-07-01T10:00:00"))
    );
}
