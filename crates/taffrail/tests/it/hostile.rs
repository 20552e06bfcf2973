//! Queries that are made to hurt: each ends by its limit with words that say which one, the server lives on with the
//! memory that it had, and a small search beside them is answered.

use crate::harness::{Scratch, Server, eventually, generated};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Far more than any of these may take on a busy machine; a hang takes longer.
const ENOUGH: Duration = Duration::from_secs(50);

/// The resident memory that the server may have at the end: less than any of these would take without a limit.
const MEMORY_MAX: f64 = 1.5e9;

/// What came of a search: `done`, or the kind and text of its error.
fn outcome(server: &Server, body: &Value) -> (String, String) {
    let begun = Instant::now();
    let answer = server.post_json("/api/v1/search", body);
    assert!(begun.elapsed() < ENOUGH, "it took {:?}", begun.elapsed());
    let last = if answer.status == 200 { answer.lines().pop().expect("has lines") } else { answer.json() };
    let query: String = body["query"].as_str().unwrap_or_default().chars().take(60).collect();
    println!("{:>6} ms  {query:60}  {:.200}", begun.elapsed().as_millis(), last.to_string());
    if last["type"] == "done" {
        return ("done".into(), last.to_string());
    }
    let error = &last["error"];
    let text = format!("{} {}", error["message"].as_str().unwrap_or_default(), error["hint"].as_str().unwrap_or_default());
    (error["kind"].as_str().unwrap_or_default().to_owned(), text)
}

/// Asserts that a query ends with an error of a kind whose text has all these words.
fn refused(server: &Server, query: &str, kind: &str, words: &[&str]) {
    let (got, text) = outcome(server, &json!({"query": query, "timeout": 5.0}));
    let start: String = query.chars().take(80).collect();
    assert_eq!(got, kind, "{start}: {text}");
    for word in words {
        assert!(text.contains(word), "{start}: {word} is not in: {text}");
    }
    alive(server);
}

/// A small search is answered.
fn alive(server: &Server) {
    let begun = Instant::now();
    let (kind, text) = outcome(server, &json!({"query": "index=main | stats count"}));
    assert_eq!(kind, "done", "{text}");
    assert!(begun.elapsed() < Duration::from_secs(20), "a small search took {:?}", begun.elapsed());
}

fn resident(server: &Server) -> f64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find(|line| line.starts_with("process_resident_memory_bytes ")).expect("is counted");
    line.rsplit(' ').next().expect("has a value").parse().expect("is a number")
}

fn filled(scratch: &Scratch) -> Server {
    let server = scratch.serve();
    server.ingest("sourcetype=syslog&host=web-1&source=auth.log", &generated(20_000));
    server
}

#[test]
fn too_long_and_too_deep_texts_are_refused() {
    let scratch = Scratch::new();
    let server = filled(&scratch);
    let repeated = |text: &str, count: usize| text.repeat(count);
    let many = (0..1_000_000).map(|at| format!("w{at}")).collect::<Vec<_>>().join(" OR ");
    refused(&server, &many, "too_large", &["larger than", "bytes"]);
    refused(&server, &many[..1_080_000], "too_large", &["longer than 1048576 bytes"]);
    let deep = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", repeated(open, 100_000), repeated(close, 100_000));
    refused(&server, &deep("(", "x", ")"), "query", &["nested more than 100 deep"]);
    refused(&server, &deep("NOT ", "x", ""), "query", &["nested more than 100 deep"]);
    refused(&server, &format!("* | eval x={}", deep("abs(", "1", ")")), "query", &["nested more than 100 deep"]);
    refused(&server, &format!("* | eval x={}", deep("-", "1", "")), "query", &["nested more than 100 deep"]);
    refused(&server, &format!("* | where {}", deep("(", "x=1", ")")), "query", &["nested more than 100 deep"]);
    refused(&server, &format!("index=main {}", deep("[search x ", "", "]")), "query", &["50 searches in brackets"]);
    refused(&server, &format!("index=main{}", repeated(" | fields a", 90_000)), "query", &["200 commands"]);
    refused(&server, &format!("index=main{}", repeated(" | append [search x]", 1_000)), "query", &["limit"]);
    refused(&server, &format!("* | rex \"{}\"", deep("(", "x", ")")), "query", &["regular expression is not valid"]);
    refused(&server, "* | rex \"(((a{1000}){1000}){1000})\"", "query", &["regular expression is not valid", "size limit"]);
    refused(&server, "* | rex \"(?<a>x)(?=y)\"", "query", &["look", "no expression can take for ever"]);
    let body = format!("{{\"query\": {}1{}}}", repeated("[", 100_000), repeated("]", 100_000));
    let answer = server.request("POST", "/api/v1/search", &[("content-type", "application/json")], body.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.text());
    alive(&server);
    server.stop();
}

#[test]
fn what_computes_for_ever_ends_by_its_time() {
    let scratch = Scratch::new();
    let server = filled(&scratch);
    let late = ["after 5 seconds", "time limit", "timeout"];
    let cross =
        "| makeresults count=300000 | eval k=1 | join type=inner max=0 k [| makeresults count=300000 | eval k=1, m=2] | stats count";
    refused(&server, cross, "limit", &late);
    let expanded = "| makeresults | eval a=mvrange(0,100000) | mvexpand a | eval b=mvrange(0,1000) | mvexpand b | eval c=mvrange(0,1000) | mvexpand c | stats count";
    refused(&server, expanded, "limit", &late);
    let wide = "| makeresults | eval a=mvrange(0,100000), b=mvrange(0,100000) | mvexpand a | where isnull(c) | stats count";
    refused(&server, wide, "limit", &late);
    let expanded = "| makeresults | eval a=mvrange(0,100000) | mvexpand a | eval b=mvrange(0,100000) | mvexpand b | stats count";
    refused(&server, expanded, "limit", &["256 MiB of text"]);
    // Two texts that have no line in common.
    let lines = |from: usize| (from..from + 150_000).map(|at| format!("line {at}\n")).collect::<String>();
    for (at, from) in [0, 1_000_000].into_iter().enumerate() {
        let event = json!({"text": lines(from), "at": at}).to_string();
        let answer = server.request("POST", "/api/v1/ingest/ndjson?index=texts", &[], format!("{event}\n").as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let (kind, text) = outcome(&server, &json!({"query": "index=texts | diff attribute=text maxlen=0", "timeout": 5.0}));
    assert!(kind == "limit" || kind == "done", "{kind}: {text}");
    eventually("nothing goes on after its time", || server.get("/metrics").text().contains("taffrail_searches_running 0\n"));
    // Any size, whatever it costs: these end by themselves or by their time, and never otherwise.
    let long = (0..100_000).map(|at| format!("w{at}")).collect::<Vec<_>>().join(" OR ");
    for query in [
        "index=* *zq*xj*",
        "index=main | rex \"(?<a>(x+x+)+y)\" | stats count by a",
        &format!("index=main | eval t=\"{}\" | rex field=t \"(?<a>(a|aa)+$)\" | head 1", "a".repeat(30_000)),
        &long,
        &format!("index=main host IN ({})", (0..100_000).map(|at| format!("h{at}")).collect::<Vec<_>>().join(",")),
        "| makeresults count=10000 | map maxsearches=10000 search=\"| makeresults count=10000\"",
        "| makeresults count=2000000 | streamstats count as n | stats count by n | stats count",
    ] {
        let (kind, text) = outcome(&server, &json!({"query": query, "timeout": 8.0}));
        assert!(kind == "limit" || kind == "done", "{kind}: {text}");
        alive(&server);
    }
    // Events that were found in time are an answer.
    let lines =
        server.post_json("/api/v1/search", &json!({"query": "| makeresults count=10000000 | eval x=md5(\"x\")", "timeout": 1.0})).lines();
    assert!(lines.iter().any(|line| line["type"] == "rows"));
    assert!(resident(&server) < MEMORY_MAX, "{} bytes", resident(&server));
    server.stop();
}

#[test]
fn what_needs_more_memory_than_it_may_have_ends_or_uses_the_disk() {
    let scratch = Scratch::new();
    scratch.file("data/knowledge/macros/bomb.toml", b"definition = \"`bomb` `bomb`\"\n");
    let doubled = |name: &str| format!("definition = \"`{name}` OR `{name}`\"\n");
    scratch.file("data/knowledge/macros/m0.toml", b"definition = \"word\"\n");
    for at in 1..=30 {
        scratch.file(&format!("data/knowledge/macros/m{at}.toml"), doubled(&format!("m{}", at - 1)).as_bytes());
    }
    let server = filled(&scratch);
    refused(&server, "index=main `bomb`", "query", &["macros", "may use itself"]);
    refused(&server, "index=main `m30`", "query", &["macros"]);
    let small = |query: &str| outcome(&server, &json!({"query": query, "max_memory": 4 << 20, "timeout": 30.0}));
    let (kind, text) = small("| makeresults count=500000 | streamstats count as n | dedup n | stats count");
    assert_eq!(kind, "limit", "{text}");
    assert!(text.contains("memory") && text.contains("max_memory") && text.contains("4.0 MB"), "{text}");
    let (kind, text) = small("| makeresults count=500000 | streamstats count as n | sort 0 - n | head 1");
    assert!(kind == "done" || kind == "limit", "{kind}: {text}");
    let doubling = format!("| makeresults | eval x=\"0123456789abcdef\"{}", ", x=x.x".repeat(1_000));
    refused(&server, &doubling, "limit", &["256 MiB of text"]);
    let doubling = format!("| makeresults | eval x=mvrange(0,1000){}", ", x=mvappend(x,x)".repeat(1_000));
    refused(&server, &doubling, "limit", &["1000000 values"]);
    let (kind, text) = outcome(&server, &json!({"query": "index=main", "max_memory": 0}));
    assert_eq!(kind, "invalid", "{text}");
    assert!(resident(&server) < MEMORY_MAX, "{} bytes", resident(&server));
    server.stop();
}
