//! The HTTP API: every documented route answers, in the documented shape.

use crate::harness::{PATIENCE, Scratch, Server, eventually, generated, head, open};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::time::Instant;
use taffrail::api::schema;

fn filled(scratch: &Scratch) -> Server {
    let server = scratch.serve();
    server.ingest("sourcetype=syslog&host=web-1&source=auth.log", &generated(500));
    server
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("not as documented: {e}\n{value:#}"))
}

#[test]
fn every_route_of_the_document_answers() {
    let scratch = Scratch::new();
    let server = filled(&scratch);
    let document = server.get("/api/v1/openapi.json").json();
    assert!(document["openapi"].as_str().expect("has a version").starts_with("3.1"));
    for (path, item) in document["paths"].as_object().expect("has paths") {
        for (method, operation) in item.as_object().expect("is an item") {
            if path == "/api/v1/tail" {
                continue; // does not end; tested with the live tail
            }
            let content = operation.pointer("/requestBody/content").and_then(Value::as_object).and_then(|c| c.iter().next());
            let path = &match path.split_once("{id}") {
                // Each of a job of its own: one of these routes removes it.
                Some((before, after)) => {
                    let job = server.post_json("/api/v1/jobs", &json!({"query": "index=main | head 3"})).json();
                    format!("{before}{}{after}", job["id"].as_str().expect("has a name"))
                }
                None => path.replace("{name}", "kept"),
            };
            if path.ends_with("/kept") {
                server.request("PUT", path, &[("content-type", "application/json")], b"{\"search\": \"error\"}");
            }
            let query = if path.ends_with("/positions") { "?prefix=import/" } else { "" };
            let answer = match content {
                Some((media, body)) if media == "application/json" => {
                    let schema = document.pointer(&body["schema"]["$ref"].as_str().expect("is a reference")[1..]).expect("leads somewhere");
                    let headers = [("content-type", "application/json")];
                    server.request(&method.to_uppercase(), path, &headers, schema["example"].to_string().as_bytes())
                }
                Some((media, _)) => server.request(&method.to_uppercase(), path, &[("content-type", media)], b"{\"a\":1}\n"),
                None => server.request(&method.to_uppercase(), &format!("{path}{query}"), &[], b""),
            };
            let wanted = if path == "/api/v1/forward/batch" { 400 } else { 200 };
            assert_eq!(answer.status, wanted, "{method} {path}: {}", answer.text());
            assert!(operation["responses"][wanted.to_string()].is_object(), "{method} {path} does not document {wanted}");
        }
    }
    server.stop();
}

#[test]
fn a_search_streams_its_messages() {
    let scratch = Scratch::new();
    let server = filled(&scratch);
    let answer = server.post_json("/api/v1/search", &json!({"query": "index=main session opened", "limit": 10}));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<schema::SearchLine> = answer.lines().iter().map(parse).collect();
    let schema::SearchLine::Start { kind, fields, .. } = &lines[0] else { panic!("starts with {:?}", lines[0]) };
    assert_eq!(*kind, schema::ResultKind::Events);
    assert!(fields.iter().any(|f| f.name == "_raw"), "{fields:?}");
    let rows: usize =
        lines.iter().map(|l| if let schema::SearchLine::Rows { rows, preview: false, .. } = l { rows.len() } else { 0 }).sum();
    assert_eq!(rows, 10);
    let Some(schema::SearchLine::Done { rows, exact, truncated, .. }) = lines.last() else { panic!("ends with {:?}", lines.last()) };
    assert_eq!((*rows, *exact, *truncated), (10, true, true));
    let table = server
        .post_json("/api/v1/search", &json!({"query": "index=main | stats count by host", "earliest": 0, "latest": "now", "limit": 0}));
    let rows = table.lines().into_iter().rfind(|l| l["type"] == "rows").expect("has rows");
    assert_eq!(rows["rows"][0]["host"], "web-1");
    server.stop();
}

#[test]
fn summaries_have_their_documented_shape() {
    let scratch = Scratch::new();
    let server = filled(&scratch);
    let timeline: schema::TimelineAnswer =
        parse(&server.post_json("/api/v1/search/timeline", &json!({"query": "index=main", "buckets": 50})).json());
    assert_eq!(timeline.total, 500);
    assert_eq!(timeline.buckets.iter().map(|b| b.count).sum::<u64>(), 500);
    let fields: schema::FieldsAnswer = parse(&server.post_json("/api/v1/search/fields", &json!({"query": "index=main"})).json());
    assert_eq!(fields.events, 500);
    assert!(fields.fields.iter().any(|f| f.name == "host" && f.top[0].count == 500), "{fields:?}");
    let patterns: schema::PatternsAnswer = parse(&server.post_json("/api/v1/search/patterns", &json!({"query": "index=main"})).json());
    assert_eq!(patterns.patterns.iter().map(|p| p.count).sum::<u64>(), 500);
    assert!(patterns.patterns.iter().all(|p| p.trend.len() == 24 && p.id.len() == 16), "{patterns:?}");
    let language: schema::LanguageAnswer = parse(&server.get("/api/v1/language").json());
    for command in [
        "search",
        "where",
        "eval",
        "fields",
        "table",
        "rename",
        "sort",
        "head",
        "tail",
        "reverse",
        "dedup",
        "stats",
        "timechart",
        "top",
        "rare",
        "rex",
        "bin",
    ] {
        assert!(language.commands.iter().any(|c| c.name == command), "{command} is missing");
    }
    let check: schema::CheckAnswer = parse(&server.post_json("/api/v1/check", &json!({"query": "error | stas count"})).json());
    assert_eq!(check.error.expect("is wrong").span, Some(schema::Span { start: 8, end: 12 }));
    let check: schema::CheckAnswer = parse(&server.post_json("/api/v1/check", &json!({"query": "error | stats count"})).json());
    assert!(check.error.is_none() && check.tokens.iter().any(|t| t.class == "command"), "{check:?}");
    let stat: schema::StatAnswer = parse(&server.get("/api/v1/stat").json());
    assert!(stat.indexes.iter().any(|i| i.index == "main" && i.events == 500), "{stat:?}");
    let sources: Vec<schema::SourceAnswer> = parse(&server.get("/api/v1/sources").json());
    assert!(
        sources.iter().any(|s| s.source == "auth.log" && s.events == 500 && s.sourcetype == "syslog" && s.latest.is_some()),
        "{sources:?}"
    );
    let health: schema::HealthAnswer = parse(&server.get("/api/v1/health").json());
    assert!(health.status == "ok" && health.data.events >= 500);
    server.stop();
}

#[test]
fn exports_have_their_forms() {
    let scratch = Scratch::new();
    let server = filled(&scratch);
    let export = |format: &str, query: &str| server.post_json("/api/v1/search/export", &json!({"query": query, "format": format}));
    let raw = export("raw", "index=main | reverse");
    crate::harness::assert_same_lines(&raw.body, &generated(500), "raw");
    let csv = export("csv", "index=main | stats count");
    assert_eq!((csv.text().as_str(), csv.header("content-type")), ("count\r\n500\r\n", Some("text/csv; charset=utf-8; header=present")));
    assert_eq!(export("json", "index=main | head 3").lines().len(), 3);
    assert_eq!(export("raw", "index=main | stats count").status, 400);
    server.stop();
}

#[test]
fn errors_are_json_of_one_shape() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let check = |answer: &crate::harness::Answer, status: u16, kind: &str| {
        assert_eq!(answer.status, status, "{}", answer.text());
        let error: schema::ErrorAnswer = parse(&answer.json());
        assert_eq!(error.error.kind, kind, "{}", answer.text());
        assert!(!error.error.message.is_empty());
    };
    check(&server.get("/api/v1/nothing"), 404, "not_found");
    check(&server.get("/api/v1/search"), 405, "method_not_allowed");
    check(&server.request("DELETE", "/", &[], b""), 405, "method_not_allowed");
    check(&server.post_json("/api/v1/search", &json!({"query": "a", "limt": 1})), 400, "invalid");
    check(&server.post_json("/api/v1/search", &json!({"query": "a | stas count"})), 400, "query");
    check(&server.post_json("/api/v1/search", &json!({"query": "a", "earliest": "yesterdayish"})), 400, "query");
    check(&server.post_json("/api/v1/search", &json!({"query": "x".repeat(2 << 20)})), 413, "too_large");
    check(&server.get("/api/v1/tail?qery=x"), 400, "invalid");
    check(&server.request("POST", "/api/v1/ingest/raw?index=../x", &[], b"a\n"), 400, "invalid");
    check(&server.request("POST", "/api/v1/ingest/raw", &[("content-encoding", "snappy")], b"a\n"), 415, "unsupported");
    check(&server.request("POST", "/api/v1/ingest/raw", &[("content-encoding", "gzip")], b"not gzip"), 400, "invalid");
    check(&server.request("POST", "/api/v1/ingest/raw", &[("content-length", "999999999999")], b""), 413, "too_large");
    let error = server.post_json("/api/v1/search", &json!({"query": "a | stas count"})).json();
    assert_eq!(error["error"]["span"], json!({"start": 4, "end": 8}));
    assert_eq!(error["error"]["suggestions"][0], "stats");
    server.stop();
}

#[test]
fn bodies_may_be_compressed_and_bombs_store_nothing() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let log = generated(100);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&log).expect("packs");
    let zstd = zstd::encode_all(&log[..], 1).expect("packs");
    for (encoding, body) in [("gzip", gzip.finish().expect("packs")), ("zstd", zstd)] {
        let answer = server.request("POST", "/api/v1/ingest/raw", &[("content-encoding", encoding)], &body);
        assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (200, Some(100)), "{}", answer.text());
    }
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(b'\n'), 200 << 20), 1).expect("packs");
    assert_eq!(server.request("POST", "/api/v1/ingest/raw", &[("content-encoding", "zstd")], &bomb).status, 413);
    assert_eq!(scratch.count("index=main"), 200);
    let ndjson =
        server.request("POST", "/api/v1/ingest/ndjson?index=apps", &[], b"{\"level\":\"warn\",\"n\":7}\n{\"level\":\"info\",\"n\":8}\n");
    assert_eq!(ndjson.json()["accepted"], 2);
    let rows = scratch.rows("index=apps level=warn");
    assert_eq!((rows.len(), rows[0]["n"].as_f64().or_else(|| rows[0]["n"].as_str()?.parse().ok())), (1, Some(7.0)), "{rows:?}");
    server.stop();
}

#[test]
fn a_client_that_goes_away_ends_its_search() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    for _ in 0..5 {
        server.ingest("", &generated(40_000));
    }
    let body = json!({"query": "index=main"}).to_string();
    let mut reader =
        open(server.address(), "POST", "/api/v1/search", &[("content-type", "application/json")], body.as_bytes()).expect("connects");
    assert_eq!(head(&mut reader).expect("answers").0, 200);
    reader.read_line(&mut String::new()).expect("is readable");
    drop(reader);
    eventually("the search ends", || server.get("/metrics").text().contains("taffrail_searches_running 0\n"));
    server.stop();
}

#[test]
fn metrics_are_prometheus_text() {
    let scratch = Scratch::new();
    let server = filled(&scratch);
    let start = Instant::now();
    let text = server.get("/metrics").text();
    for name in [
        "taffrail_index_events{index=\"main\"} 500",
        "taffrail_stored_events_total{transport=\"http\"} 500",
        "taffrail_http_requests_total{route=\"/api/v1/ingest/raw\",method=\"POST\",status=\"200\"} 1",
        "process_resident_memory_bytes ",
        "taffrail_journal_syncs_total ",
        "taffrail_input_received_events_total{",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let value = line.rsplit(' ').next().expect("has a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(start.elapsed() < PATIENCE);
    server.stop();
}

#[test]
fn the_page_is_served() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let page = server.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(server.get("/search?q=x").body, page.body, "paths of the page get the page");
    let tag = page.header("etag").expect("has a tag").to_owned();
    assert_eq!(server.request("GET", "/", &[("if-none-match", &tag)], b"").status, 304);
    assert_eq!(server.get("/assets/nothing.js").status, 404);
    server.stop();
}
