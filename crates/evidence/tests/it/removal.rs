//! Files that are gone by a record are not missing; everything else still is.

use crate::log::{DATA, disk, open};
use std::path::Path;
use taffrail_base::Vfs;
use taffrail_base::vfs::sim::SimVfs;
use taffrail_evidence::verify::Options;
use taffrail_evidence::{Report, SegmentRemoval, SegmentSeal, verify};

fn removal(seal: &SegmentSeal, rule: &str) -> SegmentRemoval {
    let SegmentSeal { path, bytes, events, root } = seal.clone();
    SegmentRemoval { path, bytes, events, root: Some(root), earliest: -5, latest: 7, at: 99, rule: rule.into() }
}

fn report(vfs: &SimVfs) -> Report {
    verify(vfs, Path::new(DATA), Options::default()).expect("the check can be made")
}

fn remove(vfs: &SimVfs, seal: &SegmentSeal) {
    vfs.remove_file(&Path::new(DATA).join(&seal.path)).expect("it is there");
}

#[test]
fn what_was_removed_by_a_record_is_not_missing() {
    let (vfs, seals) = disk(3, 4, 70_001);
    let mut log = open(&vfs).expect("a new log");
    seals.iter().for_each(|seal| log.record(seal).expect("recorded"));
    let gone = [removal(&seals[1], "retention:86400s"), removal(&seals[2], "archived:s3://bucket")];
    for removal in gone.iter().chain(&gone) {
        assert_eq!(log.root(&removal.path), removal.root);
        log.record_removal(removal).expect("recorded");
    }
    assert_eq!(log.size(), 6, "each once");
    [&seals[1], &seals[2]].iter().for_each(|seal| remove(&vfs, seal));
    let found = report(&vfs);
    assert!(found.is_intact(), "{found:?}");
    assert_eq!((found.files_intact, found.files_removed, found.files_archived, found.signed), (2, 1, 1, 6));
    // The same after a restart, and what is left still proves.
    drop(log);
    let mut log = open(&vfs.power_cycle()).expect("the log");
    log.record_removal(&gone[0]).expect("known");
    assert_eq!(log.size(), 6);
    let proof = log.prove(&seals[3]).expect("it is in the log");
    assert_eq!(proof.verify(&log.verifier()).expect("it leads to the root").size, 6);
}

#[test]
fn a_file_without_a_record_is_missing_and_a_wrong_record_is_found() {
    let (vfs, seals) = disk(3, 4, 70_001);
    let mut log = open(&vfs).expect("a new log");
    seals.iter().for_each(|seal| log.record(seal).expect("recorded"));
    let wrong = SegmentRemoval { events: 1_000_000, ..removal(&seals[0], "retention:1s") };
    log.record_removal(&wrong).expect("recorded");
    remove(&vfs, &seals[3]);
    let found = report(&vfs);
    let whats: Vec<&str> = found.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(whats, [format!("what it says of {} is not what was sealed", seals[0].path).as_str(), "the sealed file is missing"]);
}

#[test]
fn lines_read_back_and_nothing_else_does() {
    let (_, seals) = disk(3, 1, 10);
    let sealed = removal(&seals[0], "merged:01ARZ3NDEKTSV4RRFFQ69G5FAV");
    for removal in [sealed.clone(), SegmentRemoval { root: None, ..sealed.clone() }] {
        assert_eq!(SegmentRemoval::parse(&removal.line()), Some(removal));
    }
    for rule in ["", "two words", "tab\t", "\u{e9}"] {
        assert!(!SegmentRemoval { rule: rule.into(), ..sealed.clone() }.is_valid(), "{rule:?}");
    }
    let line = sealed.line();
    for wrong in [line.replace("removed", "segment"), line.replace(" 99 ", " 099 "), line.replace("segments/", "../"), format!("{line} ")] {
        assert_ne!(SegmentRemoval::parse(&wrong), Some(sealed.clone()), "{wrong}");
    }
}
