//! What senders send again, since they were not answered or by mistake, is stored once where their protocol gives events an id: through
//! kill -9 of the server in between, through restarts, and in the account.

use crate::harness::{Scratch, Server, eventually, request};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const NDJSON: &[(&str, &str)] = &[("content-type", "application/x-ndjson")];

fn bulk(server: &Server, headers: &[(&str, &str)], body: &str) -> Value {
    let answer = server.request("POST", "/logs/_bulk", &[NDJSON, headers].concat(), body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The statuses of the items of an answer.
fn statuses(answer: &Value) -> Vec<u64> {
    let items = answer["items"].as_array().expect("has items");
    items.iter().flat_map(|item| item.as_object().expect("is one").values()).map(|item| item["status"].as_u64().expect("has one")).collect()
}

fn pushed(server: &Server) -> Value {
    server.get("/api/v1/inputs").json()[0].clone()
}

#[test]
fn documents_that_come_again_are_answered_as_elasticsearch_does() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let create = "{\"create\":{\"_id\":\"a\"}}\n{\"n\":1}\n{\"create\":{\"_id\":\"b\"}}\n{\"n\":2}\n{\"create\":{}}\n{\"n\":3}\n";
    let index = "{\"index\":{\"_id\":\"a\"}}\n{\"n\":1}\n{\"index\":{\"_id\":\"a\"}}\n{\"n\":\"changed\"}\n{\"index\":{\"_id\":\"c\"}}\n{\"n\":4}\n";
    let first = bulk(&server, &[], create);
    assert_eq!((statuses(&first), &first["errors"]), (vec![201, 201, 201], &Value::Bool(false)));
    let again = bulk(&server, &[], create);
    assert_eq!((statuses(&again), &again["errors"]), (vec![409, 409, 201], &Value::Bool(true)));
    let error = &again["items"][0]["create"]["error"];
    assert_eq!(error["type"], "version_conflict_engine_exception", "{again}");
    let said = bulk(&server, &[], index);
    assert_eq!(
        (statuses(&said), &said["errors"], &said["items"][0]["index"]["result"]),
        (vec![200, 201, 201], &Value::Bool(false), &"noop".into())
    );
    let account = pushed(&server)["total"].clone();
    for (name, value) in [("received_events", 9), ("stored_events", 6), ("duplicate_events", 3), ("gap_events", 0), ("refused_events", 0)] {
        assert_eq!(account[name], value, "{name} of {account}");
    }
    assert_eq!(account["dropped_events"], serde_json::json!({}), "nothing is lost");
    let metrics = server.get("/metrics").text();
    let line =
        metrics.lines().find(|line| line.starts_with("taffrail_input_dropped_events_total") && line.contains("reason=\"duplicate\""));
    assert!(line.is_some_and(|line| line.ends_with(" 3")), "{line:?}");
    assert!(metrics.contains("\ntaffrail_known_ids 4\n"), "a, b, c, and a as it was changed");
    let table = scratch.text(&["sources", "--data", "@"]);
    assert!(table.contains("duplicates") && table.contains("bulk 127.0.0.1"), "{table}");
    server.stop();

    // Now what is known comes from the catalog: all is in segments.
    let server = scratch.serve();
    assert_eq!(statuses(&bulk(&server, &[], create)), [409, 409, 201]);
    assert_eq!(statuses(&bulk(&server, &[], index)), [200, 200, 200]);
    let upload = |body: &str| server.request("POST", "/upload", &[("content-type", "application/vnd.fdo.journal")], body.as_bytes()).status;
    assert_eq!(upload("__CURSOR=s=1\nMESSAGE=one\n\n__CURSOR=s=2\nMESSAGE=two\n\nMESSAGE=bro"), 400);
    assert_eq!(upload("__CURSOR=s=1\nMESSAGE=one\n\n__CURSOR=s=2\nMESSAGE=two\n\n__CURSOR=s=3\nMESSAGE=broken\n\n"), 202);
    server.kill();
    let server = scratch.serve();
    assert_eq!(statuses(&bulk(&server, &[], index)), [200, 200, 200]);
    server.stop();
    assert_eq!(scratch.count("index=main source=logs"), 7);
    assert_eq!(scratch.count("index=main source=journal*"), 3);
}

#[test]
fn ids_are_those_of_their_sender() {
    let scratch = Scratch::new();
    let config = scratch.file("t.toml", b"[ingest]\ntokens = [\"one\", \"two\"]\n");
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    let body = "{\"create\":{\"_id\":\"a\"}}\n{\"n\":1}\n";
    for (token, status) in [("Bearer one", 201), ("Bearer two", 201), ("ApiKey one", 409), ("Bearer two", 409)] {
        assert_eq!(statuses(&bulk(&server, &[("authorization", token)], body)), [status], "{token}");
    }
    server.stop();
    assert_eq!(scratch.count("index=main"), 2);
}

/// How a protocol sends the events of these numbers.
type Body = fn(std::ops::Range<u64>) -> String;

const SENDERS: [(&str, &str, Body); 3] = [
    ("create", "/_bulk", |numbers| {
        numbers.map(|n| format!("{{\"create\":{{\"_id\":\"{n}\"}}}}\n{{\"message\":\"id=create-{n};\"}}\n")).collect()
    }),
    ("index", "/other/_bulk", |numbers| {
        numbers.map(|n| format!("{{\"index\":{{\"_id\":{n}}}}}\n{{\"message\":\"id=index-{n};\"}}\n")).collect()
    }),
    ("journal", "/upload", |numbers| numbers.map(|n| format!("__CURSOR=s=9;i={n:x}\nMESSAGE=id=journal-{n};\n\n")).collect()),
];

/// Sends batch after batch, each until it is answered; some of them again though they were. Gives how many events there are.
fn send(name: &str, path: &str, body: Body, address: &Mutex<String>, sent: &AtomicU64, over: &AtomicBool) -> u64 {
    let mut from = 0;
    for round in 0u64.. {
        let until = from + 1 + round % 9;
        let bytes = body(from..until);
        let mut answers = if round % 6 == 0 { 2 } else { 1 };
        while answers > 0 {
            let address = address.lock().clone();
            match request(&address, "POST", path, NDJSON, bytes.as_bytes()) {
                Ok(answer) if answer.status < 300 => answers -= 1,
                Ok(answer) => panic!("{name} is refused: {}", answer.text()),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        from = until;
        sent.store(from, Ordering::Relaxed);
        if over.load(Ordering::Relaxed) {
            return from;
        }
    }
    unreachable!("rounds do not end")
}

#[test]
fn what_is_sent_until_it_is_answered_is_there_once_through_kills() {
    let scratch = Scratch::new();
    let (address, over) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicBool::new(false)));
    let mut server = scratch.serve();
    server.address().clone_into(&mut address.lock());
    let senders: Vec<_> = SENDERS
        .into_iter()
        .map(|(name, path, body)| {
            let (address, over, sent) = (Arc::clone(&address), Arc::clone(&over), Arc::new(AtomicU64::new(0)));
            let counted = Arc::clone(&sent);
            (name, counted, std::thread::spawn(move || send(name, path, body, &address, &sent, &over)))
        })
        .collect();
    for round in 0..6 {
        let before: Vec<u64> = senders.iter().map(|(_, sent, _)| sent.load(Ordering::Relaxed)).collect();
        eventually("every sender gets something through", || {
            senders.iter().zip(&before).all(|((_, sent, _), before)| sent.load(Ordering::Relaxed) > before + 20)
        });
        std::thread::sleep(Duration::from_millis(370 * round % 500));
        server.kill();
        server = scratch.serve();
        server.address().clone_into(&mut address.lock());
    }
    over.store(true, Ordering::Relaxed);
    let all: BTreeMap<&str, u64> = senders.into_iter().map(|(name, _, sender)| (name, sender.join().expect("ends"))).collect();
    let account = pushed(&server)["total"].clone();
    assert!(account["gap_events"] == 0 && account["in_flight_events"] == 0, "{account}");
    server.stop();
    let text = String::from_utf8(scratch.export()).expect("is text");
    let mut there: BTreeMap<&str, u64> = BTreeMap::new();
    for id in text.split("id=").skip(1) {
        *there.entry(id.split(';').next().unwrap_or_default()).or_default() += 1;
    }
    for (name, count) in &all {
        for number in 0..*count {
            let id = format!("{name}-{number}");
            assert_eq!(there.get(&*id), Some(&1), "{id} of {count}");
        }
    }
    assert_eq!(there.len() as u64, all.values().sum::<u64>());
    println!("{all:?}");
}
