//! What fuzzing found stays found: every file below `tests/data/fuzz/<target>/` goes through its target (see `fuzz/`).
//! Seeds for fuzzing are made by
//! `cargo nextest run -p taffrail-store --run-ignored only seeds_for_fuzzing`.

use crate::samples;
use std::path::{Path, PathBuf};
use taffrail_store::fuzzing;

/// The files of a folder; none when there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

#[test]
fn finds_of_fuzzing_stay_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    for (name, target) in fuzzing::TARGETS {
        for path in files(&folder.join(name)) {
            println!("{}", path.display());
            target(&std::fs::read(&path).unwrap());
        }
    }
}

/// The seeds of all targets: samples of segments and journals, and a bit of each flipped.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for sample in samples::all().into_iter().filter(|sample| sample.name != "pages") {
        let (bytes, _) = sample.encode();
        seeds.extend(fuzzing::pages_seed(&bytes).map(|seed| ("segment_pages", seed)));
        seeds.extend(fuzzing::footer_seed(&bytes).map(|seed| ("segment_footer", seed)));
        let lines: Vec<u8> = sample.batches.iter().flat_map(|batch| batch.iter()).take(300).flat_map(|e| [e.raw, b"\n"].concat()).collect();
        seeds.push(("round_trip", lines.clone()));
        seeds.push(("filters", lines[..lines.len().min(2_000)].to_vec()));
        seeds.push(("segment_file", bytes));
    }
    let journal = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1/folder/journal");
    for path in files(&journal) {
        let bytes = std::fs::read(path).unwrap();
        seeds.push(("journal_file", [&[0xfd][..], &bytes[64..]].concat()));
        seeds.push(("journal_record", bytes[104..].to_vec()));
    }
    for mode in 0..3u8 {
        seeds.push(("integers", vec![40, 0, mode, 2, 1, 1, 7, 7, 7, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    }
    seeds
}

#[test]
fn every_target_takes_its_seeds_and_flips_of_them() {
    let mut rng = fastrand::Rng::with_seed(4);
    for (name, seed) in seeds() {
        let (_, target) = fuzzing::TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target");
        target(&seed);
        for _ in 0..20 {
            let mut changed = seed.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..changed.len());
                changed[at] ^= 1 << rng.u8(..8);
            }
            target(&changed);
        }
    }
}

/// A changed or crossed input.
fn mutated(seeds: &[Vec<u8>], rng: &mut fastrand::Rng) -> Vec<u8> {
    const NUMBERS: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x10];
    let mut data = seeds[rng.usize(..seeds.len())].clone();
    for _ in 0..1 << rng.u8(..5) {
        let len = data.len().max(1);
        let at = rng.usize(..len).min(data.len());
        let end = (at + rng.usize(..40)).min(data.len());
        match rng.u8(..8) {
            0 | 1 if at < data.len() => data[at] ^= 1 << rng.u8(..8),
            2 if at < data.len() => data[at] = NUMBERS[rng.usize(..NUMBERS.len())],
            3 if at < data.len() => data[at] = data[at].wrapping_add(rng.u8(..5)).wrapping_sub(2),
            4 => drop(data.drain(at..end)),
            5 => {
                let part = data[at..end].to_vec();
                let to = rng.usize(..len).min(data.len());
                data.splice(to..to, part);
            }
            6 => data.truncate(at),
            _ => {
                let other = &seeds[rng.usize(..seeds.len())];
                let from = rng.usize(..other.len().max(1)).min(other.len());
                let to = (from + rng.usize(..200)).min(other.len());
                data.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    data
}

/// A figure of this process in KiB, as the kernel has it.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).expect("a Linux machine");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Without a fuzzer: seeds are changed at random for `TAFFRAIL_FUZZ_SECONDS` per target. What panics, takes longer than
/// a second or more than 64 MiB is written to the system's folder for temporary files.
#[test]
#[ignore = "runs as long as it is told"]
fn fuzz_for_a_while() {
    let seconds: u64 = std::env::var("TAFFRAIL_FUZZ_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let only = std::env::var("TAFFRAIL_FUZZ_TARGET").ok();
    let seed = std::env::var("TAFFRAIL_FUZZ_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut finds = 0;
    for (name, target) in fuzzing::TARGETS {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let mut seeds: Vec<Vec<u8>> = seeds().into_iter().filter(|(target, _)| *target == name).map(|(_, seed)| seed).collect();
        seeds.push(Vec::new());
        let mut rng = fastrand::Rng::with_seed(seed);
        let (start, mut runs, mut slowest) = (std::time::Instant::now(), 0u64, std::time::Duration::ZERO);
        while start.elapsed().as_secs() < seconds {
            let data = mutated(&seeds, &mut rng);
            let before = (status("VmPeak:"), std::time::Instant::now());
            let outcome = std::panic::catch_unwind(|| target(&data));
            let took = before.1.elapsed();
            let grown = status("VmPeak:") - before.0;
            slowest = slowest.max(took);
            runs += 1;
            if outcome.is_err() || took.as_secs_f64() > 1.0 || grown > 65_536 {
                let path = std::env::temp_dir().join(format!("taffrail-{name}-{seed}-{runs}"));
                println!("{name}: {} ({took:?}, {grown} KiB more)", path.display());
                std::fs::write(path, &data).unwrap();
                finds += 1;
            }
        }
        println!("{name}: {runs} runs in {seconds} s, the slowest {slowest:?}");
    }
    assert_eq!(finds, 0);
}

#[test]
#[ignore = "writes seeds for fuzzing into fuzz/corpus"]
fn seeds_for_fuzzing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (number, (name, seed)) in seeds().into_iter().enumerate() {
        std::fs::create_dir_all(corpus.join(name)).unwrap();
        std::fs::write(corpus.join(name).join(format!("seed-{number}")), seed).unwrap();
    }
}
