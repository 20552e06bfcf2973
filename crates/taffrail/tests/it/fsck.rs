//! `taffrail fsck`: nothing wrong where nothing is, and every kind of damage to every file named.

use crate::harness::Scratch;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("can be read") {
        let path = entry.expect("can be read").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A stopped folder with segments, a journal that holds more, and evidence.
fn filled() -> Scratch {
    let scratch = Scratch::new();
    let text: String = (0..500).map(|at| format!("2026-01-02T03:04:{:02}Z user{} did {at}\n", at % 60, at % 7)).collect();
    let server = scratch.serve();
    server.ingest("index=main&sourcetype=x", text.as_bytes());
    server.stop();
    let server = scratch.serve();
    server.ingest("index=web", b"one\ntwo\nthree\n");
    server.kill();
    scratch
}

fn report(scratch: &Scratch, code: i32) -> Value {
    let output = scratch.run(&["fsck", "--data", "@", "--output", "json"]);
    assert_eq!(output.status.code(), Some(code), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

#[test]
fn a_sound_folder_is_sound_stopped_and_in_use() {
    let scratch = filled();
    let before: Vec<(PathBuf, Vec<u8>)> =
        files(&scratch.data()).into_iter().map(|path| (path.clone(), std::fs::read(path).expect("read"))).collect();
    let found = report(&scratch, 0);
    assert_eq!(found["ok"], true, "{found}");
    assert!(found["checked"]["events"].as_u64() >= Some(500) && found["checked"]["journal_records"].as_u64() >= Some(1), "{found}");
    assert!(found["evidence"]["files_intact"].as_u64() >= Some(1), "{found}");
    assert_eq!(found["checked"]["in_use"], false);
    let after: Vec<(PathBuf, Vec<u8>)> =
        files(&scratch.data()).into_iter().map(|path| (path.clone(), std::fs::read(path).expect("read"))).collect();
    assert!(before == after, "nothing may change");
    let text = scratch.text(&["fsck", "--data", "@", "--quick"]);
    assert!(text.contains("Nothing is wrong"), "{text}");
    let server = scratch.serve();
    std::thread::scope(|scope| {
        let ingest =
            scope.spawn(|| (0..30).for_each(|round| drop(server.ingest("index=main", format!("round {round}\n").repeat(50).as_bytes()))));
        for _ in 0..3 {
            let found = report(&scratch, 0);
            assert_eq!(found["checked"]["in_use"], true, "{found}");
        }
        ingest.join().expect("ingests");
    });
    server.stop();
    report(&scratch, 0);
}

#[test]
fn damage_to_every_file_is_named() {
    let scratch = filled();
    let all = files(&scratch.data());
    let kinds = ["seg", "wal", "db", "seals", "checkpoints", "key", "pub"];
    for kind in kinds {
        assert!(all.iter().any(|path| path.display().to_string().ends_with(kind)), "no file of kind {kind} in {all:?}");
    }
    for path in all.iter().filter(|path| !["lock", "server.json", "ballast"].iter().any(|name| path.ends_with(name))) {
        let name = path.strip_prefix(scratch.data()).expect("below").display().to_string();
        let bytes = std::fs::read(path).expect("can be read");
        if bytes.is_empty() {
            continue;
        }
        let mut flipped = bytes.clone();
        // In a database, most bytes are free; its first page is not.
        let at = if name.ends_with("db") { 105 } else { bytes.len() / 2 };
        flipped[at] ^= 0x10;
        for (how, changed) in [("flipped", flipped), ("cut", bytes[..bytes.len() / 2].to_vec()), ("emptied", Vec::new())] {
            std::fs::write(path, &changed).expect("can be written");
            let found = report(&scratch, 1);
            // Of evidence, what is missing in one file is told by the other: a cut may fall between two entries.
            let tells = |file: &str| file == name || (name.starts_with("evidence/") && file.starts_with("evidence/"));
            let findings = found["findings"].as_array().expect("a list");
            let named = findings.iter().any(|finding| finding["file"].as_str().is_some_and(tells));
            assert!(named, "{how} {name}: {found}");
        }
        std::fs::remove_file(path).expect("can be removed");
        let last_journal = all.iter().rfind(|path| path.extension().is_some_and(|suffix| suffix == "wal")) == Some(path);
        if !last_journal {
            report(&scratch, 1);
        }
        std::fs::write(path, &bytes).expect("can be written");
    }
    report(&scratch, 0);
}

#[test]
fn usage_and_missing_folders() {
    let scratch = Scratch::new();
    assert_eq!(scratch.run(&["fsck"]).status.code(), Some(2));
    assert_eq!(scratch.run(&["fsck", "--data", "@"]).status.code(), Some(3));
    assert!(!scratch.data().exists());
}
