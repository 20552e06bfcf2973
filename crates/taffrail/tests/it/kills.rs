//! kill -9 of the whole server, again and again, while it reads what is there to be read again: followed files, those of events of several
//! lines among them, and rows of a table. Afterwards each is there once.

use crate::harness::{Scratch, eventually};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Adds rows to a table until its standard input ends.
const ROWS: &str = "
import sqlite3, sys
table = sqlite3.connect(sys.argv[1], timeout=60)
table.execute('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)')
table.commit()
for number in sys.stdin:
    table.execute('INSERT INTO t (text) VALUES (?)', (f'id=row-{int(number)};',))
    table.commit()
";

fn table(path: &std::path::Path) -> Option<Child> {
    Command::new("python3").args(["-c", ROWS]).arg(path).stdin(Stdio::piped()).spawn().ok()
}

#[test]
fn files_and_rows_are_read_once_through_kills() {
    let scratch = Scratch::new();
    let (plain, traces, rows) = (scratch.file("logs/plain.log", b""), scratch.file("logs/traces.log", b""), scratch.path().join("rows.db"));
    let Some(mut python) = table(&rows) else { return println!("skipped: no python3") };
    eventually("the table is there", || rows.exists());
    let config = scratch.file(
        "t.toml",
        format!(
            "[[input]]\ntype = \"file\"\npaths = [\"{}/logs\"]\n\
             [[input]]\ntype = \"sql\"\nurl = \"sqlite://{}\"\ntable = \"t\"\ncolumn = \"id\"\nevery_seconds = 1\nrows_max = 500\n",
            scratch.path().display(),
            rows.display()
        )
        .as_bytes(),
    );
    let (over, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = {
        let (over, written) = (Arc::clone(&over), Arc::clone(&written));
        let mut to_table = python.stdin.take().expect("is piped");
        std::thread::spawn(move || {
            let open = |path| std::fs::OpenOptions::new().append(true).open(path).expect("opens");
            let (mut plain, mut traces) = (open(&plain), open(&traces));
            for number in 0u64.. {
                if over.load(Ordering::Relaxed) {
                    // What stands last may go on, until something stands behind it.
                    traces.write_all(b"2026-03-01 00:00:00 ERROR the end\n").expect("takes it");
                    return number;
                }
                writeln!(plain, "2026-03-01 00:00:00 web app: id=line-{number};").expect("takes it");
                let trace =
                    format!("2026-03-01 00:00:00 ERROR failed id=trace-{number};\n    at a.B.c(B.java:1)\n    at a.B.d(B.java:2)\n");
                traces.write_all(trace.as_bytes()).expect("takes it");
                writeln!(to_table, "{number}").expect("takes it");
                written.store(number, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(8));
            }
            unreachable!("numbers do not end")
        })
    };
    let arguments = ["--config", config.to_str().expect("is text")];
    for round in 0..5u64 {
        let server = scratch.serve_with(&arguments);
        let before = written.load(Ordering::Relaxed);
        eventually("something is stored", || {
            let inputs = server.get("/api/v1/inputs").json();
            let stored = |kind: &str| {
                let of = |input: &&serde_json::Value| input["kind"] == kind;
                inputs
                    .as_array()
                    .and_then(|all| all.iter().find(of))
                    .and_then(|input| input["total"]["stored_events"].as_u64())
                    .unwrap_or(0)
            };
            stored("file") > 0 && stored("sql") > 0 && written.load(Ordering::Relaxed) > before + 50
        });
        std::thread::sleep(Duration::from_millis(90 + 370 * round % 700));
        server.kill();
    }
    over.store(true, Ordering::Relaxed);
    let all = writer.join().expect("ends");
    assert!(python.wait().expect("ends").success());
    let server = scratch.serve_with(&arguments);
    eventually("everything is there", || scratch.count("index=main") >= 3 * all);
    server.stop();
    let text = String::from_utf8(scratch.export()).expect("is text");
    let mut there: BTreeMap<&str, u64> = BTreeMap::new();
    for id in text.split("id=").skip(1) {
        *there.entry(id.split(';').next().unwrap_or_default()).or_default() += 1;
    }
    for kind in ["line", "trace", "row"] {
        for number in 0..all {
            let id = format!("{kind}-{number}");
            assert_eq!(there.get(&*id), Some(&1), "{id} of {all}");
        }
    }
    // Each trace is one event, with its lines.
    assert_eq!(text.matches("at a.B.d(B.java:2)").count() as u64, all);
}
