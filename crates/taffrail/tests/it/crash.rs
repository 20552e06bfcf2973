//! kill -9 of a server while it takes events: what it acknowledged is there, once.

use crate::harness::{Scratch, request};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn killed_servers_lose_nothing_that_was_acknowledged() {
    let scratch = Scratch::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..5u64 {
        let server = scratch.serve();
        let address = server.address().to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..2)
            .map(|sender| {
                let (address, stop) = (address.clone(), Arc::clone(&stop));
                std::thread::spawn(move || send_until_stopped(&address, &stop, round, sender))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(150 + round * 170));
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            acknowledged.extend(sender.join().expect("ends"));
        }
    }
    assert!(!acknowledged.is_empty(), "nothing was acknowledged: the test shows nothing");
    let server = scratch.serve();
    let mut there: HashMap<String, usize> = HashMap::new();
    for line in String::from_utf8(scratch.export()).expect("is text").lines() {
        *there.entry(line.to_owned()).or_default() += 1;
    }
    for line in &acknowledged {
        assert_eq!(there.get(line), Some(&1), "{line}");
    }
    assert!(there.values().all(|count| *count == 1), "an event is doubled");
    println!("{} acknowledged, {} there", acknowledged.len(), there.len());
    server.stop();
}

/// Sends small bodies until the server is gone; gives the lines that it acknowledged. Nothing is sent twice.
fn send_until_stopped(address: &str, stop: &AtomicBool, round: u64, sender: u64) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let lines: Vec<String> = (0..20)
            .map(|at| format!("2026-01-01T00:00:{:02}Z round={round} sender={sender} body={number} line={at}", number % 60))
            .collect();
        let body = lines.join("\n") + "\n";
        match request(address, "POST", "/api/v1/ingest/raw", &[], body.as_bytes()) {
            Ok(answer) if answer.status == 200 => acknowledged.extend(lines),
            Ok(answer) => panic!("refused: {}", answer.text()),
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn a_stale_server_file_is_seen_through() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    server.ingest("", b"before the crash\n");
    server.kill();
    assert!(scratch.data().join("server.json").exists(), "a killed server leaves its file");
    assert_eq!(scratch.count("index=main"), 1, "read from the folder, journal included");
    // Another server, on the same address, with other data: it is not this folder's.
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(scratch.data().join("server.json")).expect("is there")).expect("is JSON");
    let address = file["url"].as_str().expect("is text").trim_start_matches("http://").to_owned();
    let other = Scratch::new();
    let imposter = other.serve_with(&["--http", &address]);
    assert_eq!(scratch.count("index=main"), 1, "not asked of the other server");
    imposter.stop();
    let server = scratch.serve();
    assert_eq!(scratch.count("index=main"), 1);
    server.stop();
}
