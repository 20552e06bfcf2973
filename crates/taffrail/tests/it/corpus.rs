//! Real logs, where `TAFFRAIL_CORPUS` names a folder of them: 100,000 lines of each by all three ways.

use crate::roundtrip::three_ways;
use std::path::{Path, PathBuf};

/// Lines taken of each log.
const LINES: usize = 100_000;

#[test]
fn real_logs_come_out_as_they_went_in() {
    let Some(corpus) = std::env::var_os("TAFFRAIL_CORPUS") else {
        println!("skipped: no corpus");
        return;
    };
    let real = Path::new(&corpus).join("real");
    let mut files = Vec::new();
    walk(&real, &mut files);
    assert!(!files.is_empty(), "{} holds no logs", real.display());
    for file in files {
        let bytes = unpacked(&file);
        let Some(log) = first_lines(&bytes) else { continue };
        println!("{}: {} bytes", file.display(), log.len());
        three_ways(&log, &file.display().to_string());
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).expect("is readable").map(|e| e.expect("is readable").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_none_or(|e| e != "md" && e != "csv") {
            files.push(path);
        }
    }
}

fn unpacked(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).expect("is readable");
    match file.extension().and_then(|e| e.to_str()) {
        Some("zst") => zstd::decode_all(&bytes[..]).expect("unpacks"),
        Some("gz") => {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut plain).expect("unpacks");
            plain
        }
        _ => bytes,
    }
}

/// The first lines; empty ones left out, because a line without a byte is no event. `None` for what is no log.
fn first_lines(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.is_empty() || bytes[..bytes.len().min(4096)].contains(&0) {
        return None;
    }
    let mut log = Vec::new();
    for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty() && *l != b"\r").take(LINES) {
        log.extend_from_slice(line);
        log.push(b'\n');
    }
    Some(log)
}
