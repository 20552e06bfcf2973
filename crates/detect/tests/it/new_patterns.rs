//! New patterns on a simulated disk: told once, remembered over restarts, and never forgotten by a power cut.

use std::path::Path;
use std::sync::Arc;
use taffrail_base::ErrorKind;
use taffrail_base::vfs::sim::SimVfs;
use taffrail_detect::{NewPatterns, Seen};
use taffrail_pattern::PatternId;

const FOLDER: &str = "/data/detect";

fn open(vfs: &SimVfs) -> NewPatterns {
    NewPatterns::open(Arc::new(vfs.clone()), Path::new(FOLDER)).expect("opened")
}

fn ids(ids: &[u64]) -> Vec<PatternId> {
    ids.iter().copied().map(PatternId).collect()
}

#[test]
fn told_once_and_remembered() {
    let vfs = SimVfs::new(1);
    let mut patterns = open(&vfs);
    let seen = patterns.see("main", ids(&[9, 3, 9])).expect("seen");
    assert_eq!(seen, Seen { new: ids(&[3, 9]), first_look: true, beyond_limit: 0 });
    let seen = patterns.see("main", ids(&[3, 5])).expect("seen");
    assert_eq!(seen, Seen { new: ids(&[5]), first_look: false, beyond_limit: 0 });
    drop(patterns);
    let mut patterns = open(&vfs);
    assert_eq!(patterns.see("main", ids(&[3, 5, 9])).expect("seen"), Seen::default());
    assert!(patterns.see("other", ids(&[3])).expect("seen").first_look, "each index has its own");
    assert_eq!((patterns.known("main"), patterns.known("other"), patterns.known("none")), (3, 1, 0));
}

#[test]
fn an_empty_segment_is_a_first_look_too() {
    let vfs = SimVfs::new(1);
    assert!(open(&vfs).see("main", []).expect("seen").first_look);
    assert!(!open(&vfs).see("main", ids(&[1])).expect("seen").first_look);
}

#[test]
fn memory_is_bounded() {
    let vfs = SimVfs::new(1);
    let mut patterns = open(&vfs).with_limit(2);
    let seen = patterns.see("main", ids(&[1, 2, 3])).expect("seen");
    assert_eq!(seen, Seen { new: ids(&[1, 2]), first_look: true, beyond_limit: 1 });
    let seen = patterns.see("main", ids(&[2, 3])).expect("seen");
    assert_eq!(seen, Seen { new: vec![], first_look: false, beyond_limit: 1 });
}

#[test]
fn names_that_are_paths_are_refused() {
    let vfs = SimVfs::new(1);
    for index in ["", "..", ".hidden", "a/b", "a\\b"] {
        assert_eq!(open(&vfs).see(index, []).expect_err("refused").kind(), ErrorKind::Invalid, "{index:?}");
    }
}

#[test]
fn a_damaged_file_is_named() {
    let vfs = SimVfs::new(1);
    open(&vfs).see("main", ids(&[1, 2])).expect("seen");
    vfs.damage(&Path::new(FOLDER).join("main.patterns"), |bytes| bytes[10] ^= 1).expect("there");
    let error = NewPatterns::open(Arc::new(vfs), Path::new(FOLDER)).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("main.patterns"), "{error}");
}

#[test]
fn power_cuts_forget_nothing_told() {
    for seed in 0..40 {
        for call in 1.. {
            let vfs = SimVfs::new(seed);
            open(&vfs).see("main", ids(&[1])).expect("seen");
            vfs.crash_after(call);
            let told = NewPatterns::open(Arc::new(vfs.clone()), Path::new(FOLDER)).and_then(|mut patterns| patterns.see("main", ids(&[2])));
            if !vfs.is_dead() {
                assert!(call > 5, "the power cuts were met");
                break;
            }
            let mut patterns = open(&vfs.power_cycle());
            assert!(patterns.known("main") > usize::from(told.is_ok()), "seed {seed}, power cut at call {call}");
            assert!(patterns.see("main", ids(&[1])).expect("seen").new.is_empty());
        }
    }
}
