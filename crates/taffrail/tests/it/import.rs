//! Import, search and stat on a data folder without a server.

use crate::harness::{Scratch, assert_same_lines, generated};
use std::io::Write;

#[test]
fn import_search_stat() {
    let scratch = Scratch::new();
    let log = generated(1_000);
    let file = scratch.file("auth.log", &log);
    scratch.ok(&["import", "--data", "@", file.to_str().expect("is text")]);
    assert_eq!(scratch.count("index=main"), 1_000);
    assert_eq!(scratch.count("session AND opened AND user AND root"), 50);
    assert_eq!(scratch.count("\"session opened\" NOT root"), 150);
    let by_user = scratch.rows("\"session opened\" | rex \"user (?<who>\\w+)\" | stats count by who | sort who");
    assert_eq!(by_user.len(), 4, "{by_user:?}");
    let stat = scratch.stat();
    let main = stat.as_array().expect("is a list").iter().find(|i| i["index"] == "main").expect("has main").clone();
    assert_eq!(main["events"], 1_000);
    assert_eq!(main["raw_bytes"], log.len() as u64 - 1_000);
    assert!(main["segments"].as_u64().expect("is a number") >= 1);
    assert!(main["patterns"].as_u64().expect("is a number") >= 5);
    assert!(main["stored_bytes"].as_u64().expect("is a number") > 0);
    for key in ["earliest", "latest"] {
        assert!(main[key].as_str().expect("is text").ends_with('Z'));
    }
}

#[test]
fn what_goes_in_comes_out_byte_for_byte_and_twice_adds_nothing() {
    let scratch = Scratch::new();
    let mut log = generated(2_000);
    log.extend_from_slice(b"not utf-8: \xff\xfe\x80 and a NUL \0 here\n\x1b[31mred\x1b[0m\nno time at all\n   indented\n\t\n");
    let file = scratch.file("mixed.log", &log);
    let path = file.to_str().expect("is text");
    scratch.ok(&["import", "--data", "@", path]);
    assert_same_lines(&scratch.export(), &log, "after the first import");
    scratch.ok(&["import", "--data", "@", path]);
    assert_same_lines(&scratch.export(), &log, "after the second import");
    scratch.ok(&["import", "--data", "@", "--again", path]);
    assert_same_lines(&scratch.export(), &[&log[..], &log[..]].concat(), "after --again");
}

#[test]
fn compressed_files_folders_and_standard_input() {
    let scratch = Scratch::new();
    let log = generated(300);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&log[..]).expect("packs");
    scratch.file("logs/a.log.gz", &gzip.finish().expect("packs"));
    let other: Vec<u8> = generated(400)[log.len()..].to_vec();
    scratch.file("logs/deep/b.log.zst", &zstd::encode_all(&other[..], 1).expect("packs"));
    let folder = scratch.path().join("logs");
    scratch.ok(&["import", "--data", "@", folder.to_str().expect("is text")]);
    let output = scratch.run_with_input(&["import", "--data", "@", "--host", "piped", "-"], b"Mar  3 00:00:00 x from stdin\n");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same_lines(&scratch.export(), &[&log[..], &other, b"Mar  3 00:00:00 x from stdin\n"].concat(), "all three");
    assert_eq!(scratch.count("host=piped"), 1);
}

#[test]
fn options_name_index_sourcetype_and_host() {
    let scratch = Scratch::new();
    let file = scratch.file("x.log", b"one\ntwo\n");
    scratch.ok(&["import", "--data", "@", "--index", "other", "--sourcetype", "mine", "--host", "h9", file.to_str().expect("is text")]);
    let rows = scratch.rows("index=other sourcetype=mine host=h9");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["source"], file.to_str().expect("is text"));
}

#[test]
fn forms_of_output() {
    let scratch = Scratch::new();
    let file = scratch.file("x.log", b"2026-01-02T03:04:05Z a=1 msg=\"x, y\"\n2026-01-02T03:04:06Z a=2 msg=\"q \\\"in\\\"\"\n");
    scratch.ok(&["import", "--data", "@", file.to_str().expect("is text")]);
    let csv = scratch.text(&["search", "--data", "@", "--output", "csv", "index=main | sort a | table a, _raw"]);
    assert_eq!(
        csv,
        "a,_raw\r\n1,\"2026-01-02T03:04:05Z a=1 msg=\"\"x, y\"\"\"\r\n2,\"2026-01-02T03:04:06Z a=2 msg=\"\"q \\\"\"in\\\"\"\"\"\"\r\n"
    );
    let table = scratch.text(&["search", "--data", "@", "index=main | stats count"]);
    assert_eq!(table, "count\n    2\n");
    let events = scratch.text(&["search", "--data", "@", "index=main a=2"]);
    assert!(events.starts_with("2026-01-02T03:04:06Z  ") && events.ends_with("msg=\"q \\\"in\\\"\"\n"), "{events:?}");
    let newest_first = scratch.text(&["search", "--data", "@", "--output", "raw", "index=main"]);
    assert!(newest_first.starts_with("2026-01-02T03:04:06Z"));
    let limited = scratch.text(&["search", "--data", "@", "--output", "raw", "--limit", "1", "index=main"]);
    assert_eq!(limited.lines().count(), 1);
    let bounded = scratch.text(&[
        "search",
        "--data",
        "@",
        "--output",
        "raw",
        "--earliest",
        "2026-01-02T03:04:06Z",
        "--latest",
        "2026-01-02T03:04:07Z",
        "index=main",
    ]);
    assert_eq!(bounded.lines().count(), 1);
    assert!(
        scratch
            .text(&["stat", "--data", "@", "--output", "csv"])
            .starts_with("index,events,raw_bytes,stored_bytes,segments,patterns,earliest,latest\r\nmain,2,")
    );
}

#[test]
fn searching_changes_nothing_in_the_folder() {
    let scratch = Scratch::new();
    let file = scratch.file("x.log", &generated(50));
    scratch.ok(&["import", "--data", "@", file.to_str().expect("is text")]);
    let listing = || {
        let mut all: Vec<_> = walk(&scratch.data()).into_iter().map(|p| (p.clone(), std::fs::read(&p).expect("is readable"))).collect();
        all.sort();
        all
    };
    let before = listing();
    scratch.count("index=main");
    scratch.export();
    scratch.stat();
    let after = listing();
    let names = |l: &[(std::path::PathBuf, Vec<u8>)]| l.iter().map(|(p, _)| p.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    assert!(before == after, "a file has changed");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("is readable") {
        let path = entry.expect("is readable").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
