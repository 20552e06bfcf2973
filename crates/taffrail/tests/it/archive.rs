//! The whole way of archived segments, with the real program and a small server that speaks like S3.

#[path = "../../../archive/src/tests/server.rs"]
#[allow(dead_code)] // not every failure is needed here
mod s3;

use crate::harness::{Scratch, Server, eventually, sorted};
use s3::{Fault, KEY_NAME};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SECRET: &str = "never+to/be/shown";

fn lines(year: u32) -> String {
    (0..3_000u64)
        .map(|at| format!("{year}-01-02T00:{:02}:{:02}Z host app: event {at:05} of user{:x}\n", at / 60 % 60, at % 60, at * 7_919))
        .collect()
}

fn search(server: &Server, query: &str) -> Vec<Value> {
    server.post_json("/api/v1/search", &json!({"query": query})).lines()
}

fn raw(answer: &[Value]) -> BTreeSet<String> {
    let rows = answer.iter().filter(|line| line["type"] == "rows").flat_map(|line| line["rows"].as_array().expect("has rows"));
    rows.map(|row| row["_raw"].as_str().expect("is text").to_owned()).collect()
}

#[test]
fn segments_go_to_an_object_store_are_found_there_and_are_missed_when_it_is_gone() {
    let scratch = Scratch::new();
    let mut store = s3::Server::new();
    let settings = format!(
        "[store]\nflush_age_seconds = 1\n[indexes.far.archive]\nurl = \"s3://logs/far/\"\nafter = \"7d\"\nendpoint = \"{}\"\nregion = \"here\"\naccess_key = \"{KEY_NAME}\"\nsecret_key = \"{SECRET}\"\n",
        store.address
    );
    let config = scratch.file("taffrail.toml", settings.as_bytes());
    let arguments = ["--config", config.to_str().expect("is text")];
    let server = scratch.serve_with(&arguments);
    store.fail("put", 1, Fault::Status(500, "InternalError"));
    server.ingest("index=far", lines(2020).as_bytes());
    server.ingest("index=near", lines(2021).as_bytes());
    let moved = || {
        let removals = server.get("/api/v1/removals").json();
        removals.as_array().expect("is a list").iter().any(|removal| removal["rule"] == "archived:s3://logs/far")
    };
    eventually("the segment is moved", moved);
    let objects = store.objects();
    assert!(objects.iter().all(|(key, _)| key.starts_with("logs/far/far/") && key.ends_with(".seg")) && !objects.is_empty(), "{objects:?}");
    let wanted: BTreeSet<String> = lines(2020).lines().map(str::to_owned).collect();
    assert_eq!(raw(&search(&server, "index=far")), wanted);
    server.stop();
    // From the command line as well, with the variables that other tools know.
    std::fs::remove_dir_all(scratch.data().join("cache")).expect("is there");
    store.requests();
    let mut command = scratch.command(&["search", "--data", "@", "--output", "raw", "index=far | reverse"]);
    command.env("AWS_ACCESS_KEY_ID", KEY_NAME).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_ENDPOINT_URL", &store.address);
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sorted(&output.stdout), sorted(lines(2020).as_bytes()));
    assert!(store.requests().len() <= 3 * objects.len(), "few requests");
    // Gone: the answer says what it is without.
    store.stop();
    let server = scratch.serve_with(&arguments);
    let answer = search(&server, "index=far OR index=near");
    let message = answer.iter().find(|line| line["type"] == "message").expect("has a message");
    let text = message["text"].as_str().expect("is text");
    assert!(text.contains("without 3000 events of index far") && text.contains("s3://logs/far"), "{text}");
    assert_eq!(raw(&answer), lines(2021).lines().map(str::to_owned).collect());
    let shown = [server.get("/metrics").text(), text.to_owned()].concat();
    server.stop();
    let log = std::fs::read_to_string(scratch.path().join("server.log")).expect("is there");
    assert!(!(shown + &log).contains(SECRET));
}
