//! Holds, deletion, retention and the archive, from the command line and through the API, and what they leave in the
//! log of evidence.

use crate::harness::{Scratch, eventually};
use serde_json::{Value, json};
use taffrail_base::RealVfs;
use taffrail_evidence::verify::Options;
use taffrail_evidence::{Report, verify};

fn lines(year: u32, count: usize) -> String {
    (0..count).map(|at| format!("{year}-01-0{}T00:00:{:02}Z host app: event {at} of user{}\n", 1 + at % 3, at % 60, at % 7)).collect()
}

fn evidence(scratch: &Scratch) -> Report {
    let report = verify(&RealVfs, &scratch.data(), Options::default()).expect("the check can be made");
    assert!(report.is_intact(), "{report:?}");
    report
}

fn removals(rules: &Value) -> Vec<String> {
    rules.as_array().expect("is a list").iter().map(|removal| removal["rule"].as_str().expect("has a rule").to_owned()).collect()
}

#[test]
fn holds_and_deletion_on_a_folder() {
    let scratch = Scratch::new();
    for (index, year) in [("web", 2020), ("main", 2020), ("main", 2024)] {
        let file = scratch.file(&format!("{index}-{year}.log"), lines(year, 50).as_bytes());
        scratch.ok(&["import", "--data", "@", "--index", index, file.to_str().expect("is text")]);
    }
    scratch.ok(&["hold", "add", "case-1", "--data", "@", "--index", "web", "--reason", "a test"]);
    let held: Vec<Value> = scratch
        .text(&["hold", "list", "--data", "@", "--output", "json"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    assert_eq!(
        (held.len(), &held[0]["name"], &held[0]["index"], &held[0]["reason"]),
        (1, &json!("case-1"), &json!("web"), &json!("a test"))
    );
    let again = scratch.run(&["hold", "add", "case-1", "--data", "@"]);
    assert_eq!(again.status.code(), Some(2));
    let before = ["--before", "2021-01-01T00:00:00Z"];
    let delete = |index: &str, more: &[&str]| {
        let output = scratch.run(&[&["delete", "--data", "@", "--index", index], &before[..], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = delete("web", &["--yes"]);
    assert!(code == Some(0) && text.contains("because of a hold"), "{text}");
    let (code, text) = delete("main", &[]);
    assert!(code == Some(2) && text.contains("would remove 50 events in 1 segment"), "{text}");
    assert_eq!((scratch.count("index=web"), scratch.count("index=main")), (50, 100));
    let (code, text) = delete("main", &["--yes"]);
    assert!(code == Some(0) && text.contains("removed 50 events"), "{text}");
    assert_eq!((scratch.count("index=web"), scratch.count("index=main")), (50, 50));
    assert_eq!(delete("_audit", &["--yes"]).0, Some(2));
    scratch.ok(&["hold", "remove", "case-1", "--data", "@"]);
    assert_eq!(scratch.run(&["hold", "remove", "case-1", "--data", "@"]).status.code(), Some(3));
    assert_eq!(delete("web", &["--yes"]).0, Some(0));
    assert_eq!(scratch.count("index=web"), 0);
    let report = evidence(&scratch);
    assert_eq!((report.files_removed, report.files_intact), (2, 1));
    // A file that is gone without a word is still found.
    let segments = scratch.data().join("segments/main");
    let day = std::fs::read_dir(segments).expect("is there").next().expect("a day").expect("can be read").path();
    let file = std::fs::read_dir(day).expect("is there").next().expect("a file").expect("can be read").path();
    std::fs::remove_file(file).expect("can be removed");
    let report = verify(&RealVfs, &scratch.data(), Options::default()).expect("the check can be made");
    assert_eq!(report.first_broken().map(|finding| finding.what.as_str()), Some("the sealed file is missing"));
}

#[test]
fn a_server_removes_merges_and_archives_by_its_settings() {
    let scratch = Scratch::new();
    let archive = scratch.path().join("archive");
    std::fs::create_dir_all(&archive).expect("can be made");
    let settings = format!(
        "[store]\nflush_age_seconds = 1\n[indexes.short]\nretention = \"30d\"\n[indexes.far.archive]\nurl = \"file://{}\"\nafter = \"7d\"\n",
        archive.display()
    );
    let config = scratch.file("taffrail.toml", settings.as_bytes());
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    server.post_json("/api/v1/holds/add", &json!({"name": "keep", "index": "held"}));
    for index in ["short", "far", "held"] {
        server.ingest(&format!("index={index}"), lines(2020, 40).as_bytes());
    }
    // Two may share a segment; so many that those left are four times the largest all the same.
    for flush in 0..12 {
        server.ingest("index=many", lines(2021, 20 + flush).as_bytes());
        std::thread::sleep(std::time::Duration::from_millis(1_500));
    }
    let rules = || removals(&server.get("/api/v1/removals").json());
    eventually("what is old is removed, what is far is moved, what is small is merged", || {
        let rules = rules();
        let any = |start: &str| rules.iter().any(|rule| rule.starts_with(start));
        any("retention:2592000s") && any("archived:file://") && any("merged:")
    });
    let count = |search: &str| {
        let answer = server.post_json("/api/v1/search", &json!({"query": format!("{search} | stats count")}));
        answer.lines().into_iter().rfind(|line| line["type"] == "rows").expect("has rows")["rows"][0]["count"].clone()
    };
    let number = |value: Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).expect("is a number");
    assert_eq!(["index=short", "index=far", "index=held", "index=many"].map(|search| number(count(search))), [0, 40, 40, 306]);
    let deletion = server.post_json("/api/v1/delete", &json!({"index": "held", "before": "now", "confirm": true})).json();
    assert_eq!((&deletion["segments"], &deletion["deleted"]), (&json!(0), &json!(true)));
    assert!(deletion["held_segments"].as_u64().expect("is a number") > 0);
    // Out of reach: the answer says what it is without.
    std::fs::rename(&archive, scratch.path().join("away")).expect("can be moved");
    std::fs::remove_dir_all(scratch.data().join("cache")).expect("is there");
    server.stop();
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    let answer = server.post_json("/api/v1/search", &json!({"query": "index=far OR index=held"})).lines();
    let message = answer.iter().find(|line| line["type"] == "message").expect("has a message");
    let text = message["text"].as_str().expect("is text");
    assert!(text.contains("without 40 events of index far") && text.contains("file://"), "{text}");
    let done = answer.last().expect("ends");
    assert_eq!(
        (&done["type"], &done["rows"], &done["exact"], &done["truncated"]),
        (&json!("done"), &json!(40), &json!(false), &json!(true))
    );
    server.stop();
    let report = evidence(&scratch);
    assert!(report.files_removed > 2 && report.files_archived > 0, "{report:?}");
}
