//! kill -9 of a server while it takes events and answers searches, and stops while senders are slow: what it
//! acknowledged is there, once.

use crate::harness::{Scratch, head, open, request};
use serde_json::json;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Kills in a run of all tests. More: `TAFFRAIL_SERVER_KILLS=1000 cargo nextest run --workspace crash::killed`.
const KILLS: u64 = 6;

/// After so many kills the folder is compared in full and a new one begins: comparing takes longer with each.
const KILLS_PER_FOLDER: u64 = 25;

#[test]
fn killed_servers_lose_nothing_that_was_acknowledged() {
    let kills = std::env::var("TAFFRAIL_SERVER_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let (mut done, mut events, mut searches) = (0, 0, 0);
    let start = Instant::now();
    while done < kills {
        let scratch = Scratch::new();
        let mut acknowledged: Vec<String> = Vec::new();
        for _ in 0..KILLS_PER_FOLDER.min(kills - done) {
            let (lines, answers) = one_life(&scratch, done);
            acknowledged.extend(lines);
            searches += answers;
            done += 1;
        }
        events += compare(&scratch, &acknowledged);
    }
    assert!(events > 0, "nothing was acknowledged: the test shows nothing");
    println!("{done} kills in {:?}, {events} events there, {searches} searches answered", start.elapsed());
}

/// A server that is killed under load. Gives the lines that it acknowledged, and how many searches it answered.
fn one_life(scratch: &Scratch, round: u64) -> (Vec<String>, usize) {
    let server = scratch.serve();
    let address = server.address().to_owned();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..2)
        .map(|sender| {
            let (address, stop) = (address.clone(), Arc::clone(&stop));
            std::thread::spawn(move || send_until_stopped(&address, &stop, round, sender))
        })
        .collect();
    let searcher = {
        let (address, stop, answered) = (address.clone(), Arc::clone(&stop), Arc::clone(&answered));
        std::thread::spawn(move || search_until_stopped(&address, &stop, &answered))
    };
    std::thread::sleep(Duration::from_millis(120 + round * 173 % 900));
    server.kill();
    stop.store(true, Ordering::Relaxed);
    let lines = senders.into_iter().flat_map(|sender| sender.join().expect("ends")).collect();
    searcher.join().expect("ends");
    (lines, answered.load(Ordering::Relaxed))
}

/// Every acknowledged line is there, and none twice. Gives how many are there.
fn compare(scratch: &Scratch, acknowledged: &[String]) -> usize {
    let server = scratch.serve();
    let mut there: HashMap<String, usize> = HashMap::new();
    for line in String::from_utf8(scratch.export()).expect("is text").lines() {
        *there.entry(line.to_owned()).or_default() += 1;
    }
    for line in acknowledged {
        assert_eq!(there.get(line), Some(&1), "{line}");
    }
    assert!(there.values().all(|count| *count == 1), "an event is doubled");
    server.stop();
    there.len()
}

fn lines(round: u64, sender: u64, number: u64) -> Vec<String> {
    (0..20).map(|at| format!("2026-01-01T00:00:{:02}Z round={round} sender={sender} body={number} line={at}", number % 60)).collect()
}

/// Sends small bodies until the server is gone; gives the lines that it acknowledged. Nothing is sent twice.
fn send_until_stopped(address: &str, stop: &AtomicBool, round: u64, sender: u64) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let lines = lines(round, sender, number);
        let body = lines.join("\n") + "\n";
        match request(address, "POST", "/api/v1/ingest/raw", &[], body.as_bytes()) {
            Ok(answer) if answer.status == 200 => acknowledged.extend(lines),
            Ok(answer) => panic!("refused: {}", answer.text()),
            Err(_) => break,
        }
    }
    acknowledged
}

fn search_until_stopped(address: &str, stop: &AtomicBool, answered: &AtomicUsize) {
    let queries = ["index=main | stats count", "index=main line=7 | head 3", "index=main sender=1 | stats count by round"];
    for query in queries.iter().cycle() {
        let body = json!({ "query": query }).to_string();
        let headers = [("content-type", "application/json")];
        let answer = open(address, "POST", "/api/v1/search", &headers, body.as_bytes()).and_then(|mut reader| {
            let (status, _) = head(&mut reader)?;
            // Cut off by the kill, or whole.
            reader.read_to_end(&mut Vec::new()).map(|_| status)
        });
        match answer {
            Ok(200) => answered.fetch_add(1, Ordering::Relaxed),
            Ok(status) => panic!("{query} is answered by {status}"),
            Err(_) => return,
        };
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn a_server_that_stops_while_senders_are_slow_keeps_what_it_acknowledged() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let address = server.address().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let fast: Vec<_> = (0..2)
        .map(|sender| {
            let (address, stop) = (address.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let lines = lines(0, sender, number);
                    let body = lines.join("\n") + "\n";
                    match request(&address, "POST", "/api/v1/ingest/raw", &[], body.as_bytes()) {
                        Ok(answer) if answer.status == 200 => acknowledged.extend(lines),
                        // A server that stops may say so, or be gone.
                        _ => break,
                    }
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                acknowledged
            })
        })
        .collect();
    // Senders whose bodies trickle in: one that ends in time, one that does not, one that never sends a byte.
    let slow: Vec<_> = [(10, 80), (10_000, 50), (u64::MAX, 0)]
        .into_iter()
        .enumerate()
        .map(|(sender, (pieces, pause))| {
            let address = address.clone();
            std::thread::spawn(move || trickle(&address, 10 + sender as u64, pieces, pause))
        })
        .collect();
    let mut syslog = std::net::TcpStream::connect(server.file["syslog_tcp"].as_str().expect("listens")).expect("connects");
    syslog.write_all(b"<13>Jan  1 00:00:00 host app: a message that never en").expect("sends");
    std::thread::sleep(Duration::from_millis(400));
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(30), "it waits for slow senders, but not for ever: {:?}", start.elapsed());
    stop.store(true, Ordering::Relaxed);
    drop(syslog);
    let mut acknowledged: Vec<String> = fast.into_iter().flat_map(|sender| sender.join().expect("ends")).collect();
    assert!(!acknowledged.is_empty());
    acknowledged.extend(slow.into_iter().flat_map(|sender| sender.join().expect("ends")));
    println!("{} lines acknowledged, stopped after {:?}", acknowledged.len(), start.elapsed());
    compare(&scratch, &acknowledged);
}

/// Sends a body of 20 lines in `pieces` with a pause after each; gives the lines if they were acknowledged.
fn trickle(address: &str, sender: u64, pieces: u64, pause: u64) -> Vec<String> {
    let lines = lines(0, sender, 0);
    let body = lines.join("\n") + "\n";
    let length = body.len().to_string();
    let Ok(mut reader) = open(address, "POST", "/api/v1/ingest/raw", &[("content-length", &length)], b"") else { return Vec::new() };
    if pieces == u64::MAX {
        let _ = reader.read(&mut [0; 1]);
        return Vec::new();
    }
    for piece in body.as_bytes().chunks(body.len().div_ceil(pieces as usize)) {
        if reader.get_mut().write_all(piece).is_err() {
            return Vec::new();
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
    match head(&mut reader) {
        Ok((200, _)) => lines,
        _ => Vec::new(),
    }
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

#[test]
fn damaged_small_files_are_in_nobodys_way() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    server.ingest("", b"before\n");
    server.kill();
    let bytes = std::fs::read(scratch.data().join("server.json")).expect("is there");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 0x40;
    for damaged in [&b""[..], b"\0\0\0\0", b"{\"pid\": ", &bytes[..bytes.len() / 2], &flipped] {
        std::fs::write(scratch.data().join("server.json"), damaged).expect("can be written");
        std::fs::write(scratch.data().join("lock"), damaged).expect("can be written");
        assert_eq!(scratch.count("index=main"), 1, "with a server.json of {:?}", String::from_utf8_lossy(damaged));
    }
    let server = scratch.serve();
    assert_eq!(scratch.count("index=main"), 1);
    server.stop();
}
