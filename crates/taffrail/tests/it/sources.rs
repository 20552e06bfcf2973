//! The accounts of all ways in: what was sent is what is counted, by sender, and what is refused is counted too.

use crate::harness::{Scratch, Server, eventually};
use serde_json::{Value, json};
use std::net::UdpSocket;

fn input(server: &Server, kind: &str) -> Value {
    let inputs = server.get("/api/v1/inputs").json();
    inputs
        .as_array()
        .expect("is a list")
        .iter()
        .find(|input| input["kind"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {inputs}"))
        .clone()
}

fn source(input: &Value, name: &str) -> Value {
    let sources = input["sources"].as_array().expect("is a list");
    sources.iter().find(|source| source["source"] == name).unwrap_or_else(|| panic!("no {name} in {input}")).clone()
}

fn number(of: &Value, name: &str) -> i64 {
    of[name].as_i64().unwrap_or_else(|| panic!("{name} of {of}"))
}

#[test]
fn every_sender_has_an_account_that_adds_up() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    server.syslog("<13>Mar  1 00:00:01 a app: one\nno time in this one\n".repeat(50).as_bytes());
    let udp = UdpSocket::bind("127.0.0.1:0").expect("binds");
    for at in 0..20 {
        let _ = udp.send_to(format!("<13>datagram {at}").as_bytes(), server.file["syslog_udp"].as_str().expect("listens")).expect("sends");
    }
    server.ingest("", b"line one\nline two\n");
    let event = json!({"event": "x", "time": 1}).to_string().repeat(3);
    assert_eq!(server.request("POST", "/services/collector/event", &[], event.as_bytes()).status, 200);
    assert_eq!(server.request("POST", "/services/collector/raw?channel=a", &[], b"raw one\n").status, 200);
    let documents = "{\"create\":{}}\n{\"message\":\"m\"}\n".repeat(4);
    assert_eq!(server.request("POST", "/_bulk", &[], documents.as_bytes()).status, 200);
    assert_eq!(server.request("POST", "/v1/logs", &[("content-type", "application/json")], b"{not json").status, 400);
    let too_odd = server.request("POST", "/api/v1/ingest/raw", &[("content-encoding", "br")], b"x");
    assert_eq!(too_odd.status, 415);
    eventually("all datagrams are stored", || number(&input(&server, "syslog-udp")["total"], "stored_events") == 20);

    let http = input(&server, "http");
    for (name, events) in [("lines 127.0.0.1", 2), ("hec 127.0.0.1", 4), ("bulk 127.0.0.1", 4)] {
        let account = source(&http, name);
        assert_eq!((number(&account, "received_events"), number(&account, "stored_events")), (events, events), "{account}");
        assert_eq!((number(&account, "gap_events"), number(&account, "in_flight_events")), (0, 0), "{account}");
    }
    assert_eq!((number(&http["skipped"], "malformed"), number(&http["skipped"], "encoding")), (1, 1), "{http}");
    let tcp = source(&input(&server, "syslog-tcp"), "127.0.0.1");
    assert_eq!((number(&tcp, "received_events"), number(&tcp, "stored_events"), number(&tcp, "problem_events")), (100, 100, 50), "{tcp}");
    assert!(tcp["last_seen"].is_string() && tcp["lag_seconds"].is_number() && tcp["skew_seconds"].is_number(), "{tcp}");
    assert_eq!(tcp["silent"], false);

    let shown = scratch.run(&["sources", "--data", "@"]);
    let (table, remarks) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(table.contains("hec 127.0.0.1") && table.contains("(all)") && table.contains("kernel_drops"), "{table}");
    assert!(remarks.contains("http: 1 times: malformed"), "{remarks}");
    let whole: Value = serde_json::from_str(&scratch.text(&["sources", "--data", "@", "--output", "json"])).expect("is JSON");
    assert_eq!(whole[0]["total"]["stored_events"], 10);
    assert!(scratch.text(&["sources", "--data", "@", "--silent", "--output", "csv"]).lines().count() <= 1);
    let metrics = server.get("/metrics").text();
    for name in ["taffrail_account_gap_events 0\n", "taffrail_input_skipped_total{input=\"http\",kind=\"http\",reason=\"malformed\"} 1\n"] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    for name in ["last_seen_seconds", "lag_seconds", "skew_seconds", "events_per_second"] {
        let is = |line: &str| line.starts_with(&format!("taffrail_input_{name}{{")) && line.contains("kind=\"syslog-tcp\"");
        assert!(metrics.lines().any(is), "{name} of syslog is not in {metrics}");
    }
    server.stop();
    let nobody = scratch.run(&["sources", "--data", "@"]);
    assert_eq!(nobody.status.code(), Some(3), "{}", String::from_utf8_lossy(&nobody.stderr));
}

#[test]
fn hosts_behind_a_relay_are_known() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    server.syslog(b"<13>Mar  1 00:00:01 web-1 app: one\n<13>Mar  1 00:00:01 web-2 app: two\n");
    server.ingest("host=db-1&index=other", b"three\n");
    let hosts = || server.get("/api/v1/hosts").json().as_array().expect("is a list").clone();
    eventually("all are heard", || hosts().len() == 3);
    let named: Vec<_> = hosts().iter().map(|host| (host["host"].clone(), host["silent"].clone(), host["last_seen"].is_string())).collect();
    assert_eq!(named, ["db-1", "web-1", "web-2"].map(|name| (json!(name), json!(false), true)));
    assert_eq!(server.get("/api/v1/hosts?silent=true").json(), json!([]));
    assert_eq!(server.get("/api/v1/hosts?silnt=true").status, 400);
    let shown = scratch.text(&["sources", "--data", "@", "--hosts", "--output", "csv"]);
    assert!(shown.starts_with("host,last_seen,usual_pause_seconds,silent") && shown.lines().count() == 4, "{shown}");
    let metrics = server.get("/metrics").text();
    for line in ["taffrail_hosts 3", "taffrail_silent_hosts 0", "taffrail_unwatched_hosts_total 0"] {
        assert!(metrics.lines().any(|known| known == line), "{line} is not in {metrics}");
    }
    server.stop();
}
