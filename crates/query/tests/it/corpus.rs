//! Counts over real logs agree with a plain look at every line; prints how long each way took.

use super::stored::Place;
use std::path::{Path, PathBuf};
use taffrail_base::{Clock, SystemClock};

/// Lines taken of each file: enough to fill several segments' patterns, few enough for every run.
const LINES_MAX: usize = 50_000;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            found.push(path);
        }
    }
}

/// Whether `word` stands in the line between characters that are neither letters, digits nor `_`-joined parts.
fn has_word(line: &str, word: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.match_indices(word).any(|(at, _)| {
        let outside =
            |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte < 128 && !matches!(byte, b'^' | b'~' | b'`'));
        outside(at.checked_sub(1).and_then(|before| lower.as_bytes().get(before))) && outside(lower.as_bytes().get(at + word.len()))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_those_of_a_plain_look() {
    let Some(corpus) = std::env::var_os("TAFFRAIL_CORPUS") else {
        println!("skipped: no corpus");
        return;
    };
    let mut found = Vec::new();
    files(&Path::new(&corpus).join("loghub"), &mut found);
    found.sort();
    let place = Place::new();
    let clock = SystemClock::new();
    let mut lines: Vec<String> = Vec::new();
    for path in found {
        let bytes = std::fs::read(&path).expect("a file of the corpus");
        let text = String::from_utf8_lossy(&bytes);
        lines.extend(text.lines().take(LINES_MAX).map(str::to_owned));
    }
    for part in lines.chunks(10_000) {
        place.append("main", "any", 1_790_000_000, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    place.store.flush().expect("it is flushed");
    let bytes: usize = lines.iter().map(String::len).sum();
    println!("{} lines, {} bytes", lines.len(), bytes);
    for word in ["error", "failed", "session", "root", "info", "warning", "connection", "the"] {
        let start = clock.monotonic_nanos();
        let plain = lines.iter().filter(|line| has_word(line, word)).count();
        let middle = clock.monotonic_nanos();
        let counted = place.rows(&format!("{word} | stats count"), None).await;
        let end = clock.monotonic_nanos();
        println!("{word}: {plain}; plain {} ms, search {} ms", (middle - start) / 1_000_000, (end - middle) / 1_000_000);
        assert_eq!(counted, [format!("{{\"count\":{plain}}}")], "{word}");
    }
    for query in ["* | stats count BY sourcetype", "* | top 5 user", "error | timechart count", "* | head 20"] {
        let start = clock.monotonic_nanos();
        let rows = place.rows(query, Some(1_000)).await;
        println!("{query}: {} rows in {} ms", rows.len(), (clock.monotonic_nanos() - start) / 1_000_000);
    }
}
