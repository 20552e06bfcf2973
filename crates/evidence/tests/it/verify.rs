//! Everything that somebody could do to the files, and that the report names the place.

use crate::log::{DATA, disk, open};
use std::path::Path;
use taffrail_base::vfs::sim::SimVfs;
use taffrail_base::{SeededRandomness, Vfs};
use taffrail_evidence::verify::Options;
use taffrail_evidence::{Checkpoint, Report, SegmentSeal, Signer, verify};

fn sealed() -> (SimVfs, Vec<SegmentSeal>) {
    let (vfs, seals) = disk(3, 4, 70_001);
    let mut log = open(&vfs).expect("a new log");
    seals.iter().for_each(|seal| log.record(seal).expect("recorded"));
    (vfs, seals)
}

fn report(vfs: &SimVfs) -> Report {
    verify(vfs, Path::new(DATA), Options::default()).expect("the check can be made")
}

/// The first broken place after `change` to the file `path`.
fn first_broken(path: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (vfs, _) = sealed();
    vfs.damage(&Path::new(DATA).join(path), change).expect("the file is there");
    let report = report(&vfs);
    let finding = report.first_broken().expect("it is found");
    format!("{}: {}", finding.place, finding.what)
}

#[test]
fn an_intact_folder() {
    let (vfs, seals) = sealed();
    let report = report(&vfs);
    assert!(report.is_intact());
    assert_eq!((report.seals, report.signed, report.checkpoints, report.files_intact), (4, 4, 4, 4));
    assert_eq!(report.bytes_intact, seals.iter().map(|seal| seal.bytes).sum::<u64>());
    let options = Options { skip_files: true, ..Options::default() };
    assert_eq!(verify(&vfs, Path::new(DATA), options).expect("the check can be made").files_intact, 0);
}

#[test]
fn a_changed_segment_is_named() {
    let segment = "segments/main/2026-11-21/0002.seg";
    let found = first_broken(segment, |bytes| bytes[100_000] ^= 1);
    assert_eq!(found, format!("{DATA}/{segment}: its bytes are not those that were sealed"));
    let found = first_broken(segment, |bytes| bytes.truncate(100_000));
    assert_eq!(found, format!("{DATA}/{segment}: it has 100000 bytes, but 141002 were sealed"));
    let (vfs, _) = sealed();
    vfs.remove_file(&Path::new(DATA).join(segment)).expect("removed");
    assert_eq!(report(&vfs).first_broken().expect("found").what, "the sealed file is missing");
}

#[test]
fn changed_seals_are_found() {
    let cut = |bytes: &mut Vec<u8>| *bytes = text(bytes).lines().take(3).map(|line| format!("{line}\n")).collect::<String>().into();
    assert!(first_broken("evidence/seals", cut).ends_with("4 seals were signed, but the log holds 3"));
    let swap = |bytes: &mut Vec<u8>| {
        let text = text(bytes);
        let lines: Vec<&str> = text.lines().collect();
        *bytes = [lines[1], lines[0], lines[2], lines[3]].map(|line| format!("{line}\n")).concat().into();
    };
    assert!(first_broken("evidence/seals", swap).contains("are not those that were signed here"));
    let middle = |bytes: &mut Vec<u8>| *bytes = text(bytes).lines().skip(1).map(|line| format!("{line}\n")).collect::<String>().into();
    assert!(first_broken("evidence/seals", middle).contains("are not those that were signed here"));
    let garbage = |bytes: &mut Vec<u8>| bytes.extend_from_slice(b"\xff\0\n");
    assert_eq!(first_broken("evidence/seals", garbage), format!("{DATA}/evidence/seals, line 5: the line is neither a seal nor a removal"));
    assert!(first_broken("evidence/seals", |bytes| bytes.resize(20_000, b'x')).contains("a line longer than"));
    assert!(first_broken("evidence/seals", Vec::clear).contains("1 seals were signed, but the log holds 0"));
}

#[test]
fn changed_checkpoints_are_found() {
    let found = first_broken("evidence/checkpoints", |bytes| bytes[30] ^= 1);
    assert!(found.starts_with(&format!("{DATA}/evidence/checkpoints, byte 0: ")), "{found}");
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    assert!(first_broken("evidence/checkpoints", cut).ends_with("the checkpoint is not complete"));
    assert!(first_broken("evidence/checkpoints", Vec::clear).contains("4 seals at its end are not signed"));
}

#[test]
fn a_log_written_anew_is_found_by_what_was_kept_elsewhere() {
    let (vfs, seals) = sealed();
    let log = open(&vfs).expect("opened");
    let kept = Checkpoint::parse(log.verifier().open(log.checkpoint().expect("sealed")).expect("valid")).expect("well-formed");
    let own_key = log.verifier();
    drop(log);
    // The intruder has the key: takes out the second segment, writes and signs everything again.
    for file in ["seals", "checkpoints"] {
        vfs.damage(&Path::new(DATA).join("evidence").join(file), Vec::clear).expect("there");
    }
    let mut log = open(&vfs).expect("an empty log with the old key");
    [0, 2, 3].iter().for_each(|at| log.record(&seals[*at]).expect("recorded"));
    assert!(report(&vfs).is_intact(), "on its own the folder looks fine, and the manual says so");
    let options = Options { remembered: std::slice::from_ref(&kept), key: Some(&own_key), skip_files: true };
    let report = verify(&vfs, Path::new(DATA), options).expect("the check can be made");
    let finding = report.first_broken().expect("found");
    assert!(finding.place.contains("kept elsewhere") && finding.what.contains("4 seals were signed, but the log holds 3"), "{finding:?}");
    log.record(&seals[1]).expect("recorded");
    let report = verify(&vfs, Path::new(DATA), options).expect("the check can be made");
    assert!(report.first_broken().expect("found").what.contains("are not those that were signed"));
}

#[test]
fn another_key_is_not_trusted() {
    let (vfs, _) = sealed();
    let other = Signer::generate("other.example", &SeededRandomness::new(9)).expect("the name is good").verifier();
    let options = Options { key: Some(&other), ..Options::default() };
    let report = verify(&vfs, Path::new(DATA), options).expect("the check can be made");
    assert!(report.first_broken().expect("found").what.contains("no signature of the key other.example"));
    assert_eq!(report.signed, 0);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("seals are text")
}
