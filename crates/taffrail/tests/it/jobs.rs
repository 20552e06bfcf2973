//! Jobs, the history, and who goes first, over a real server.

use crate::harness::{Answer, Scratch, Server, eventually, generated};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn filled(scratch: &Scratch, count: usize) -> Server {
    let server = scratch.serve();
    server.ingest("sourcetype=syslog&host=web-1&source=auth.log", &generated(count));
    server
}

fn start(server: &Server, body: &Value) -> String {
    let answer = server.post_json("/api/v1/jobs", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["id"].as_str().expect("has a name").to_owned()
}

/// The job once it has ended.
fn ended(server: &Server, id: &str) -> Value {
    let mut job = Value::Null;
    eventually("the job ends", || {
        job = server.get(&format!("/api/v1/jobs/{id}")).json();
        !matches!(job["state"].as_str(), Some("queued" | "running"))
    });
    job
}

fn results(server: &Server, id: &str, parameters: &str) -> Answer {
    server.get(&format!("/api/v1/jobs/{id}/results?{parameters}"))
}

/// A search that computes for as long as it may: each row is joined with every other.
const ENDLESS: &str = "| makeresults count=200000 | eval k=1 | streamstats count as n | join type=inner max=0 k [| makeresults count=200000 | eval k=1 | streamstats count as m] | where n>m | stats count";

#[test]
fn a_search_goes_on_with_the_rows_of_a_job() {
    let scratch = Scratch::new();
    let server = filled(&scratch, 300);
    let id = start(&server, &json!({"query": "* | stats count BY host"}));
    assert_eq!(ended(&server, &id)["state"], "done");
    let search = |query: &str| {
        let job = start(&server, &json!({"query": query}));
        ended(&server, &job);
        server.get(&format!("/api/v1/jobs/{job}")).json()
    };
    let loaded = start(&server, &json!({"query": format!("| loadjob {id} | eval twice=count*2 | table host twice")}));
    let state = ended(&server, &loaded);
    assert_eq!((&state["state"], &state["rows"]), (&json!("done"), &json!(1)), "{state}");
    assert_eq!(results(&server, &loaded, "").lines()[0]["twice"].as_f64(), Some(600.0));
    // One without rows still has columns, and one that is not there says so.
    let empty = start(&server, &json!({"query": "nowhere | stats count BY host"}));
    assert_eq!(ended(&server, &empty)["rows"], 0);
    assert_eq!(search(&format!("| loadjob {empty} | where isnull(host)"))["state"], "done");
    let wrong = search("| loadjob 01J00000000000000000000000");
    assert_eq!(wrong["state"], "failed");
    assert!(wrong["error"]["message"].as_str().expect("a message").contains("there is no job"), "{wrong}");
    // One that runs is not taken for complete.
    let endless = start(&server, &json!({"query": ENDLESS}));
    let early = search(&format!("| loadjob {endless}"));
    assert!(early["error"]["message"].as_str().expect("a message").contains("still runs"), "{early}");
    assert_eq!(server.request("DELETE", &format!("/api/v1/jobs/{endless}"), &[], b"").status, 200);
    server.stop();
}

#[test]
fn results_are_paged_in_every_form() {
    let scratch = Scratch::new();
    let server = filled(&scratch, 20_000);
    let id = start(&server, &json!({"query": "index=main | sort 0 _time | streamstats count as n | table n, _raw, host"}));
    let job = ended(&server, &id);
    assert_eq!((job["state"].as_str(), job["rows"].as_u64(), job["kind"].as_str()), (Some("done"), Some(20_000), Some("table")), "{job:#}");
    assert_eq!((job["exact"].as_bool(), job["truncated"].as_bool()), (Some(true), Some(false)), "{job:#}");
    assert!(job["bytes"].as_u64() > Some(0) && job["expires"].is_string(), "{job:#}");
    let numbers = |answer: &Answer| answer.lines().iter().map(|row| row["n"].as_u64().expect("is a number")).collect::<Vec<_>>();
    assert_eq!(numbers(&results(&server, &id, "")), (1..=100).collect::<Vec<_>>());
    assert_eq!(numbers(&results(&server, &id, "offset=8190&count=5")), (8_191..=8_195).collect::<Vec<_>>());
    assert_eq!(numbers(&results(&server, &id, "offset=19999&count=0&output=json")), [20_000]);
    assert_eq!(numbers(&results(&server, &id, "offset=20000")), Vec::<u64>::new());
    let csv = results(&server, &id, "offset=2&count=1&output=csv");
    assert!(csv.text().starts_with("n,_raw,host\r\n3,") && csv.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    assert_eq!(results(&server, &id, "count=0&output=raw").text().lines().count(), 20_000);
    let arrow = results(&server, &id, "count=0&output=arrow").body;
    let arrow = arrow::ipc::reader::StreamReader::try_new(&arrow[..], None).expect("is Arrow");
    let sum: i64 = arrow.map(|batch| batch.expect("is whole").column(0).as_primitive::<Int64Type>().iter().flatten().sum::<i64>()).sum();
    assert_eq!(sum, 20_000 * 20_001 / 2);
    let parquet = bytes::Bytes::from(results(&server, &id, "count=7&output=parquet").body);
    let parquet = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(parquet).expect("is Parquet");
    assert_eq!(parquet.metadata().file_metadata().num_rows(), 7);
    assert_eq!(results(&server, &id, "output=yaml").status, 400);
    assert_eq!(results(&server, "01J", "").status, 404);
    let file = scratch.data().join("jobs").join(format!("{id}.rows"));
    assert!(file.exists());
    assert_eq!(server.request("DELETE", &format!("/api/v1/jobs/{id}"), &[], b"").status, 200);
    assert_eq!(server.get(&format!("/api/v1/jobs/{id}")).status, 404);
    eventually("its file is removed", || !file.exists());
    server.stop();
}

#[test]
fn jobs_fail_are_cancelled_and_go_with_the_server() {
    let scratch = Scratch::new();
    let server = filled(&scratch, 100);
    let wrong = server.post_json("/api/v1/jobs", &json!({"query": "index=main | stas count"}));
    assert_eq!((wrong.status, wrong.json()["error"]["kind"].as_str().map(str::to_owned)), (400, Some("query".to_owned())));
    let raw = start(&server, &json!({"query": "index=main | stats count"}));
    ended(&server, &raw);
    assert_eq!(results(&server, &raw, "output=raw").status, 400);
    let late = start(&server, &json!({"query": ENDLESS, "timeout": 1.0}));
    let late = ended(&server, &late);
    assert_eq!((late["state"].as_str(), late["error"]["kind"].as_str()), (Some("failed"), Some("limit")), "{late:#}");
    assert!(late["error"]["message"].as_str().is_some_and(|text| text.contains("after 1 seconds")), "{late:#}");
    let endless = start(&server, &json!({"query": ENDLESS}));
    eventually("it runs", || server.get(&format!("/api/v1/jobs/{endless}")).json()["state"] == "running");
    assert_eq!(server.request("DELETE", &format!("/api/v1/jobs/{endless}"), &[], b"").status, 200);
    eventually("its search ends", || server.get("/metrics").text().contains("taffrail_searches_running 0\n"));
    let cut = start(&server, &json!({"query": ENDLESS}));
    eventually("it runs", || server.get(&format!("/api/v1/jobs/{cut}")).json()["state"] == "running");
    assert_eq!(server.post_json(&format!("/api/v1/jobs/{cut}/finalize"), &json!({})).status, 200);
    let cut = ended(&server, &cut);
    assert_eq!((cut["state"].as_str(), cut["truncated"].as_bool()), (Some("done"), Some(true)), "{cut:#}");
    server.kill();
    assert!(std::fs::read_dir(scratch.data().join("jobs")).expect("is there").next().is_some(), "killed with results");
    let server = scratch.serve();
    assert_eq!(server.get("/api/v1/jobs").json(), json!([]));
    assert!(std::fs::read_dir(scratch.data().join("jobs")).expect("is there").next().is_none(), "what was left is removed");
    server.stop();
}

#[test]
fn the_command_line_has_jobs_and_history() {
    let scratch = Scratch::new();
    let server = filled(&scratch, 500);
    let id = scratch.text(&["jobs", "start", "--data", "@", "--wait", "index=main | stats count by host"]).trim().to_owned();
    assert!(scratch.text(&["jobs", "list", "--data", "@"]).contains(&id));
    assert!(scratch.text(&["jobs", "show", "--data", "@", &id]).contains("\"done\""));
    assert_eq!(scratch.text(&["jobs", "results", "--data", "@", &id]), "host   count\nweb-1    500\n");
    assert_eq!(scratch.text(&["jobs", "results", "--data", "@", "--output", "csv", &id]), "host,count\r\nweb-1,500\r\n");
    scratch.ok(&["jobs", "remove", "--data", "@", &id]);
    let gone = scratch.run(&["jobs", "show", "--data", "@", &id]);
    assert_eq!(gone.status.code(), Some(3), "{}", String::from_utf8_lossy(&gone.stderr));
    scratch.run(&["search", "--data", "@", "--timeout", "0.2", ENDLESS]);
    let mut history: Vec<Value> = Vec::new();
    eventually("both are remembered", || {
        let lines = scratch.text(&["history", "--data", "@", "--output", "json"]);
        history = lines.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
        history.len() >= 2
    });
    let known = |kind: &str| history.iter().find(|entry| entry["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {history:#?}"));
    assert_eq!((known("job")["outcome"].as_str(), known("job")["rows"].as_u64()), (Some("done"), Some(1)));
    assert_eq!(known("search")["outcome"], "limit");
    assert_eq!(known("search")["query"], ENDLESS);
    server.stop();
    // What is remembered outlives the server.
    assert!(scratch.text(&["history", "--data", "@"]).contains("stats count by host"));
}

#[test]
fn one_caller_does_not_keep_another_waiting() {
    let scratch = Scratch::new();
    let server = filled(&scratch, 2_000);
    let body = json!({"query": ENDLESS, "timeout": 60.0}).to_string();
    let search = |client: &'static str, body: &str| {
        let (address, body) = (server.address().to_owned(), body.to_owned());
        std::thread::spawn(move || {
            let headers = [("content-type", "application/json"), ("x-taffrail-client", client)];
            crate::harness::open(&address, "POST", "/api/v1/search", &headers, body.as_bytes()).expect("connects")
        })
    };
    let heavy: Vec<_> = (0..50).map(|_| search("heavy", &body)).collect();
    let heavy: Vec<_> = heavy.into_iter().map(|thread| thread.join().expect("is sent")).collect();
    eventually("as many run as may", || server.get("/metrics").text().contains("taffrail_searches_running 12\n"));
    let begun = Instant::now();
    let headers = [("content-type", "application/json"), ("x-taffrail-client", "other")];
    let answer = server.request("POST", "/api/v1/search", &headers, json!({"query": "index=main | stats count"}).to_string().as_bytes());
    let took = begun.elapsed();
    let lines = answer.lines();
    assert_eq!(lines.last().map(|line| line["type"].clone()), Some(json!("done")), "{lines:#?}");
    assert!(server.get("/metrics").text().contains("taffrail_searches_running 12\n"), "the others still run");
    assert!(took < Duration::from_secs(30), "answered after {took:?}");
    println!("a small search beside 12 running and 38 waiting ones took {took:?}");
    // Taking events goes on too.
    server.ingest("sourcetype=syslog", &generated(1_000));
    drop(heavy);
    eventually("all end when nobody reads them", || server.get("/metrics").text().contains("taffrail_searches_running 0\n"));
    server.stop();
}

#[test]
fn who_waits_is_told_the_place() {
    use std::io::{BufRead, Read};
    let scratch = Scratch::new();
    let server = filled(&scratch, 100);
    let body = json!({"query": ENDLESS, "timeout": 60.0}).to_string();
    let headers = [("content-type", "application/json")];
    let mut open: Vec<_> = (0..14)
        .map(|_| {
            let reader = crate::harness::open(server.address(), "POST", "/api/v1/search", &headers, body.as_bytes()).expect("connects");
            std::thread::sleep(Duration::from_millis(30));
            reader
        })
        .collect();
    let mut last = open.pop().expect("is there");
    let mut text = String::new();
    while !text.contains("go before this one") && !text.contains("goes before this one") {
        let mut line = String::new();
        assert!(last.read_line(&mut line).expect("is readable") > 0, "{text}");
        text.push_str(&line);
    }
    drop(open);
    drop(last.take(0));
    server.stop();
}
