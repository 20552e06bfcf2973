//! Ten thousand packed bodies that nobody should send, over HTTP to the real server: each is taken or refused, what is refused is
//! counted, and what is taken is stored.

use crate::harness::{Scratch, Server};
use serde_json::Value;
use std::io::Write;

#[path = "../../../collect/tests/it/mutator.rs"]
mod mutator;

fn packed(encoding: &str, plain: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain).expect("is in memory");
            encoder.finish().expect("is in memory")
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(plain).expect("is in memory");
            encoder.finish().expect("is in memory")
        }
        _ => zstd::bulk::compress(plain, 3).expect("is in memory"),
    }
}

fn account(server: &Server) -> (i64, i64, i64, i64) {
    let inputs = server.get("/api/v1/inputs").json();
    let http = inputs.as_array().expect("is a list").iter().find(|input| input["kind"] == "http").expect("is there").clone();
    let skipped = http["skipped"].as_object().map_or(0, |all| all.values().filter_map(Value::as_i64).sum());
    let total = |name: &str| http["total"][name].as_i64().expect("is a number");
    (total("received_events"), total("stored_events"), total("gap_events"), skipped)
}

#[test]
fn ten_thousand_packed_bodies() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let lines: String = (0..40).map(|at| format!("2026-03-01T00:00:00Z web app[7]: line {at}\n")).collect();
    let event = "{\"event\":\"one\",\"host\":\"web\"}".repeat(3);
    let documents = "{\"create\":{}}\n{\"message\":\"m\"}\n".repeat(4);
    let doors =
        [("/api/v1/ingest/raw", lines.as_bytes()), ("/services/collector/event", event.as_bytes()), ("/_bulk", documents.as_bytes())];
    let mut mutator = mutator::Mutator::new(b"\x1f\x8b\x28\xb5\x2f\xfd\x78\x9c\0\xff");
    let (mut refused, mut documents_refused, mut taken) = (0, 0, 0);
    for number in 0..10_000 {
        let encoding = ["gzip", "deflate", "zstd"][number % 3];
        let (path, plain) = doors[number / 3 % doors.len()];
        let body = mutator.change(&packed(encoding, plain));
        let answer = server.request("POST", path, &[("content-encoding", encoding)], &body);
        match answer.status {
            200 => {
                taken += 1;
                // Documents of `_bulk` that are none are told in an answer of success.
                let said = if path == "/_bulk" { answer.json() } else { Value::Null };
                let items = said["items"].as_array().map_or(&[][..], Vec::as_slice);
                documents_refused += items.iter().filter(|item| !item["create"]["error"].is_null()).count() as i64;
            }
            400 | 413 => refused += 1,
            status => panic!("{path} {encoding} answers {status} {}", answer.text()),
        }
    }
    let (received, stored, gap, skipped) = account(&server);
    // Changes behind the end of what is packed, and to what names no length, change nothing.
    assert!(refused > 5_000 && taken > 50, "{refused} refused, {taken} taken");
    assert_eq!((skipped, gap, received), (refused + documents_refused, 0, stored));
    server.stop();
    assert_eq!(scratch.count("index=main"), stored as u64);
}
