//! Live tail, the live line, and stopping while clients hold on.

use crate::harness::{PATIENCE, Scratch, eventually, head, open};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn a_tail_gives_what_arrives_and_nothing_else() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    server.ingest("", b"needle old\n");
    let mut reader = open(server.address(), "GET", "/api/v1/tail?query=needle", &[], b"").expect("connects");
    let (status, headers) = head(&mut reader).expect("answers");
    assert_eq!(status, 200);
    assert!(headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("content-type") && v.starts_with("text/event-stream")));
    server.ingest("", b"other\nneedle new\n");
    let mut seen = String::new();
    let start = Instant::now();
    while !seen.contains("needle new") {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).expect("is readable") > 0, "the stream ended: {seen}");
        seen.push_str(&line);
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(seen.contains("event: row"), "{seen}");
    assert!(!seen.contains("needle old") && !seen.contains("other"), "{seen}");
    let answer = server.get("/api/v1/tail?query=x%20%7C%20stats%20count");
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"]["message"].as_str().expect("is text").contains("stats"), "{}", answer.text());
    // The tail is still open: stopping must not wait for it.
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_tail_command_prints_events_as_they_arrive() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let mut child = scratch
        .command(&["tail", "--data", "@", "--output", "raw", "index=main"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("is piped"));
    // The tail begins when it is connected; until then nothing is promised.
    eventually("the tail is open", || server.get("/metrics").text().contains("taffrail_tails_open 1"));
    server.ingest("", b"hello tail\n");
    let mut line = String::new();
    out.read_line(&mut line).expect("is readable");
    assert_eq!(line, "hello tail\n");
    server.stop();
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("is readable");
    assert!(rest.is_empty(), "{rest}");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let output = scratch.run(&["tail", "--data", "@"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_live_line_counts_and_the_audit_remembers() {
    let scratch = Scratch::new();
    let server = scratch.serve_with(&["--live"]);
    server.ingest("", b"one\ntwo\n");
    assert_eq!(scratch.count("index=main two"), 1);
    let log = || std::fs::read_to_string(scratch.path().join("server.log")).expect("is there");
    assert!(log().contains("Taffrail ") && log().contains(server.url()), "{}", log());
    eventually("a live line", || log().contains("events/s"));
    server.stop();
    let actions: Vec<String> = scratch
        .rows("index=_audit sourcetype=taffrail:audit | reverse")
        .iter()
        .filter_map(|r| r["action"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(actions.first().map(String::as_str), Some("server_start"), "{actions:?}");
    assert!(actions.contains(&"search".to_owned()) && actions.contains(&"settings".to_owned()), "{actions:?}");
    assert_eq!(actions.last().map(String::as_str), Some("server_stop"), "{actions:?}");
}

#[test]
fn an_interrupt_stops_the_server_well() {
    let scratch = Scratch::new();
    let mut server = scratch.serve();
    server.ingest("", b"one\n");
    server.signal("INT");
    assert_eq!(server.wait(), Some(0));
    assert_eq!(scratch.count("index=main"), 1);
}
