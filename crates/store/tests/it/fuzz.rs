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

#[test]
#[ignore = "writes seeds for fuzzing into fuzz/corpus"]
fn seeds_for_fuzzing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (number, (name, seed)) in seeds().into_iter().enumerate() {
        std::fs::create_dir_all(corpus.join(name)).unwrap();
        std::fs::write(corpus.join(name).join(format!("seed-{number}")), seed).unwrap();
    }
}
