//! `taffrail export`: what went in comes out, in every form, from a folder and through a server.

use crate::harness::Scratch;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A folder with events in segments and in the journal; their bytes in the order of arrival.
fn filled() -> (Scratch, Vec<Vec<u8>>) {
    let scratch = Scratch::new();
    let mut events: Vec<Vec<u8>> = (0..1_200)
        .map(|at: u32| {
            // A line without a time would go on with the event before it.
            let time = format!("2026-03-01T10:{:02}:{:02}Z ", at / 60 % 60, at % 60).into_bytes();
            let rest = match at % 4 {
                0 => format!("user=u{} did {at}", at % 9).into_bytes(),
                1 => format!("caf\u{e9} {at} \"quoted text {}\"", at % 5).into_bytes(),
                2 => [b"bytes \xff\xfe ".as_slice(), at.to_string().as_bytes()].concat(),
                _ => format!("plain {at}").into_bytes(),
            };
            [time, rest].concat()
        })
        .collect();
    let text = |events: &[Vec<u8>]| events.iter().flat_map(|event| [event, &b"\n"[..]].concat()).collect::<Vec<u8>>();
    let server = scratch.serve();
    server.ingest("index=main&sourcetype=plain", &text(&events[..700]));
    server.stop();
    let server = scratch.serve();
    server.ingest("index=main&sourcetype=plain", &text(&events[700..]));
    server.ingest("index=other", b"elsewhere\n");
    server.kill();
    events.shrink_to_fit();
    (scratch, events)
}

fn split_by_length(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut events) = (bytes, Vec::new());
    while let Some((len, behind)) = rest.split_first_chunk::<4>() {
        let (event, behind) = behind.split_at(u32::from_le_bytes(*len) as usize);
        events.push(event.to_vec());
        rest = behind;
    }
    assert!(rest.is_empty());
    events
}

#[test]
fn bytes_and_order_come_back() {
    let (scratch, events) = filled();
    let check = || {
        let found = scratch.ok(&["export", "--data", "@", "--index", "main", "--format", "raw", "--delimiter", "length"]);
        assert!(split_by_length(&found) == events);
        let found = scratch.ok(&["export", "--data", "@", "--index", "main", "--format", "raw"]);
        assert!(found == events.iter().flat_map(|event| [event, &b"\n"[..]].concat()).collect::<Vec<u8>>());
        let found = scratch.text(&["export", "--data", "@", "--format", "jsonl", "--fields", "user", "index=main user=u3"]);
        let lines: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
        let expected = events.iter().filter(|event| event.windows(8).any(|part| part == b"user=u3 ")).count();
        assert_eq!(lines.len(), expected);
        assert!(lines.iter().all(|line| line["user"] == "u3" && line["index"] == "main"), "{}", lines[0]);
        let by_time = scratch.text(&["export", "--data", "@", "--format", "jsonl", "--order", "time", "index=main"]);
        let times: Vec<String> =
            by_time.lines().map(|line| serde_json::from_str::<Value>(line).expect("is JSON")["_time"].to_string()).collect();
        assert_eq!(times.len(), events.len());
        assert!(times.is_sorted_by_key(|time| time.trim_end_matches("Z\"").to_owned()));
    };
    check();
    let server = scratch.serve();
    check();
    server.stop();
    check();
}

#[test]
fn files_are_whole_or_not_there() {
    let (scratch, events) = filled();
    let path = scratch.path().join("out.log");
    let target = path.to_str().expect("is text");
    let output = scratch.run(&["export", "--data", "@", "--index", "main", "--format", "raw", "--output", target]);
    assert!(output.status.success() && output.stdout.is_empty());
    let bytes: usize = events.iter().map(Vec::len).sum();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("1,200 events"), "{told}");
    assert_eq!(std::fs::metadata(&path).expect("is there").len() as usize, bytes + events.len());
    let again = scratch.run(&["export", "--data", "@", "--format", "raw", "--output", target]);
    assert_eq!(again.status.code(), Some(2));
    // Damage on the way: no file, no draft, and the damaged place is named.
    let segment = segments(&scratch.data()).into_iter().find(|path| path.iter().any(|part| part == "main")).expect("has segments");
    let mut damaged = std::fs::read(&segment).expect("can be read");
    damaged[60] ^= 1;
    std::fs::write(&segment, damaged).expect("can be written");
    let other = scratch.path().join("other.parquet");
    let output = scratch.run(&["export", "--data", "@", "--format", "parquet", "--output", other.to_str().expect("is text")]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(".seg"), "{}", String::from_utf8_lossy(&output.stderr));
    let left: Vec<_> =
        std::fs::read_dir(scratch.path()).expect("can be read").map(|entry| entry.expect("can be read").file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("other")), "{left:?}");
    for wrong in [
        &["export", "--data", "@", "--format", "jsonl", "x | stats count"][..],
        &["export", "--data", "@", "--format", "raw", "--fields", "a"],
    ] {
        assert_eq!(scratch.run(wrong).status.code(), Some(2));
    }
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("can be read") {
        let path = entry.expect("can be read").path();
        if path.is_dir() {
            found.extend(segments(&path))
        } else if path.extension().is_some_and(|suffix| suffix == "seg") {
            found.push(path)
        }
    }
    found.sort_by_key(|path| std::cmp::Reverse(std::fs::metadata(path).map_or(0, |known| known.len())));
    found
}

/// Another program reads the Parquet file: DuckDB, where Python has it.
#[test]
fn duckdb_reads_the_parquet_file() {
    let (scratch, events) = filled();
    let path = scratch.path().join("events.parquet");
    scratch.ok(&[
        "export",
        "--data",
        "@",
        "--index",
        "main",
        "--format",
        "parquet",
        "--fields",
        "user",
        "--output",
        path.to_str().expect("is text"),
    ]);
    let script = "\
import sys
try:
    import duckdb
except ImportError:
    sys.exit(77)
query = 'SELECT coalesce(encode(_raw), _raw_bytes), typeof(_time), typeof(host), index, _sequence FROM read_parquet(?) ORDER BY _sequence'
rows = duckdb.execute(query, [sys.argv[1]]).fetchall()
assert all(row[1].startswith('TIMESTAMP') and row[2] == 'VARCHAR' and row[3] == 'main' for row in rows), rows[0]
assert [row[4] for row in rows] == list(range(1, len(rows) + 1))
count = duckdb.execute(\"SELECT count(*) FROM read_parquet(?) WHERE \\\"user\\\" = 'u3' AND year(_time) = 2026\", [sys.argv[1]]).fetchone()[0]
sys.stderr.write(str(count))
for row in rows:
    sys.stdout.buffer.write(len(row[0]).to_bytes(4, 'little') + row[0])
";
    let output = match Command::new("python3").args(["-c", script]).arg(&path).output() {
        Err(_) => return println!("skipped: there is no python3"),
        Ok(output) if output.status.code() == Some(77) => return println!("skipped: Python has no duckdb (pip install duckdb)"),
        Ok(output) => output,
    };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(split_by_length(&output.stdout) == events);
    let expected = events.iter().filter(|event| event.windows(8).any(|part| part == b"user=u3 ")).count();
    assert_eq!(told, expected.to_string());
}
