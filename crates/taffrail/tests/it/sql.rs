//! SQL and explanations through the program and the API.

use crate::harness::Scratch;
use serde_json::{Value, json};

const LOG: &[u8] = b"{\"status\": \"200\", \"uri\": \"/a\", \"bytes\": \"10\"}\n{\"status\": \"404\", \"uri\": \"/b\", \"bytes\": \"-\"}\n{\"status\": \"200\", \"uri\": \"/a\", \"bytes\": \"30\"}\n";

const STATEMENT: &str = "SELECT uri, count(*) AS n, sum(bytes) AS total FROM events GROUP BY uri ORDER BY n DESC";

fn filled() -> Scratch {
    let scratch = Scratch::new();
    let file = scratch.file("web.log", LOG);
    scratch.ok(&["import", "--data", "@", file.to_str().expect("is text")]);
    scratch
}

fn code(scratch: &Scratch, arguments: &[&str]) -> (Option<i32>, String) {
    let output = scratch.run(arguments);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_statement_answers_the_same_on_a_folder_and_through_a_server() {
    let scratch = filled();
    let csv = ["sql", "--data", "@", STATEMENT, "--output", "csv"];
    let wanted = "uri,n,total\r\n/a,2,40\r\n/b,1,\r\n";
    assert_eq!(scratch.text(&csv), wanted);
    let first = scratch.text(&["sql", "--data", "@", "SELECT uri FROM events ORDER BY bytes DESC", "--limit", "1", "--output", "json"]);
    assert_eq!(serde_json::from_str::<Value>(first.trim()).expect("is JSON"), json!({"uri": "/b"}));
    let server = scratch.serve();
    assert_eq!(scratch.text(&csv), wanted, "through the server that holds the folder");
    let answer = server.post_json("/api/v1/sql", &json!({"query": STATEMENT}));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines = answer.lines();
    assert_eq!((lines[0]["type"].as_str(), lines[0]["kind"].as_str()), (Some("start"), Some("table")));
    let rows = lines.iter().find(|line| line["type"] == "rows").expect("has rows");
    assert_eq!(rows["rows"][0], json!({"uri": "/a", "n": 2, "total": 40}));
    let done = lines.last().expect("ends");
    assert_eq!((done["type"].as_str(), done["rows"].as_u64(), done["exact"].as_bool()), (Some("done"), Some(2), Some(true)));
    let bounded = server.post_json("/api/v1/sql", &json!({"query": "SELECT count(*) AS n FROM events", "latest": 1}));
    assert_eq!(bounded.lines().iter().find(|line| line["type"] == "rows").expect("has rows")["rows"][0], json!({"n": 0}));
    server.stop();
}

#[test]
fn wrong_statements_are_shown_with_a_caret_and_writing_is_refused() {
    let scratch = filled();
    let wrong = ["sql", "--data", "@", "SELECT uper(uri) FROM events"];
    let (exit, said) = code(&scratch, &wrong);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("SELECT uper(uri)") && said.contains("^^^^") && said.contains("did you mean upper?"), "{said}");
    let (exit, said) = code(&scratch, &["sql", "--data", "@", "DROP TABLE events"]);
    assert!(exit == Some(2) && said.contains("DROP is refused"), "{said}");
    let (exit, said) = code(&scratch, &["sql", "--data", "@", "SELECT 1", "--output", "raw"]);
    assert!(exit == Some(2) && said.contains("raw output needs events"), "{said}");
    let server = scratch.serve();
    let (exit, said) = code(&scratch, &wrong);
    assert!(exit == Some(2) && said.contains("did you mean upper?"), "{said}");
    let answer = server.post_json("/api/v1/sql", &json!({"query": "SELECT * FROM event"}));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["span"], json!({"start": 14, "end": 19}));
    server.stop();
}

#[test]
fn explanations_through_the_program_and_the_api() {
    let scratch = filled();
    let shown = scratch.text(&["explain", "--data", "@", "status=200 | stats sum(bytes) by uri"]);
    for part in [
        "query     status=200 | stats sum(bytes)",
        "runs: transforming",
        "needs: bytes, uri",
        "reads     bytes, uri",
        "1 kept",
        "2 of 3 events",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(!shown.contains("\nran "), "{shown}");
    let server = scratch.serve();
    let ran = scratch.text(&["explain", "--data", "@", "--sql", "--analyze", STATEMENT]);
    assert!(ran.contains("EventsExec") && ran.contains("ran       2 rows"), "{ran}");
    let answer = server.post_json("/api/v1/search/explain", &json!({"query": "status=404 | table uri", "analyze": true}));
    let answer: taffrail::api::schema::ExplainAnswer = serde_json::from_value(answer.json()).expect("as documented");
    let run = answer.ran.expect("was run");
    assert_eq!((run.rows, run.events_matched, run.events_scanned), (1, 1, 3));
    assert!(answer.plan.iter().any(|node| node.rows == Some(1)), "{:?}", answer.plan);
    let wrong = server.post_json("/api/v1/search/explain", &json!({"query": "a | stast count"}));
    assert_eq!(wrong.status, 400);
    server.stop();
}
