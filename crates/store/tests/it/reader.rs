//! The format's document is enough for another reader: `tests/reader/read_segment.py`, written from it alone,
//! gives the same events as went in, for segments of every version and for fresh ones.

use crate::{samples, versions};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use taffrail_store::segment::MAGIC;

fn reader(arguments: &[&Path]) -> std::io::Result<Output> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reader/read_segment.py");
    Command::new("python3").arg(program).args(arguments).output()
}

/// Whether Python and a zstd for it are here; says so if not.
fn is_here() -> bool {
    match reader(&[Path::new("--check")]) {
        Ok(output) if output.status.success() => true,
        Ok(output) if output.status.code() == Some(77) => {
            println!("skipped: Python has no zstd (install zstd, or the package zstandard)");
            false
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            println!("skipped: there is no python3");
            false
        }
    }
}

/// What the other reader finds, compared with what is known to be in the segment.
fn check(path: &Path, version: u8, expected: &[Value]) {
    let output = reader(&[path]).unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let mut found = found.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = found.next().unwrap();
    assert_eq!(head["version"], version, "{}", path.display());
    assert_eq!(head["origins"], expected[0]["origins"], "{}", path.display());
    for (at, event) in expected[1..].iter().enumerate() {
        assert_eq!(found.next().as_ref(), Some(event), "{}: event {at}", path.display());
    }
    assert_eq!(found.next(), None, "{}", path.display());
}

#[test]
fn another_reader_agrees_about_segments_of_every_version() {
    if !is_here() {
        return;
    }
    for version in versions::versions() {
        for path in versions::segments(version) {
            check(&path, version, &versions::kept_lines(&path));
        }
    }
}

#[test]
fn another_reader_agrees_about_fresh_segments() {
    if !is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for sample in samples::all() {
        let (bytes, meta) = sample.encode();
        let path: PathBuf = folder.path().join(sample.name);
        std::fs::write(&path, &bytes).unwrap();
        check(&path, MAGIC[7], &versions::expected_lines(&sample.batches, &meta));
        // Damage is told, whatever byte it is in.
        let mut damaged = bytes;
        let at = damaged.len() / 2;
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let output = reader(&[&path]).unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", sample.name);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("Traceback"), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
