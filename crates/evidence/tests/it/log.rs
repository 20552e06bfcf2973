//! The log on a simulated disk: what is reported as sealed stays sealed, whatever fails and whenever the power
//! goes.

use std::io::ErrorKind as IoKind;
use std::path::Path;
use std::sync::Arc;
use taffrail_base::vfs::sim::{Fault, Ignored, SimVfs};
use taffrail_base::{ErrorKind, Result, SeededRandomness, Vfs};
use taffrail_evidence::{SealLog, SegmentSeal, seal_segment, verify};

pub const DATA: &str = "/data";

/// Writes a file as the store would, durably.
pub fn write(vfs: &SimVfs, path: &str, bytes: &[u8]) {
    let path = Path::new(DATA).join(path);
    let folder = path.parent().expect("a folder");
    vfs.create_dir_all(folder).expect("no faults yet");
    let file = vfs.create_new(&path).expect("no faults yet");
    file.write_all_at(bytes, 0).expect("no faults yet");
    file.sync_data().expect("no faults yet");
    vfs.sync_dir(folder).expect("no faults yet");
}

/// A disk with the folder and `count` segment files, each `step` bytes longer than the one before, and their seals.
pub fn disk(seed: u64, count: u64, step: usize) -> (SimVfs, Vec<SegmentSeal>) {
    let vfs = SimVfs::new(seed);
    let mut seals = Vec::new();
    for number in 0..count {
        let path = format!("segments/main/2026-11-21/{number:04}.seg");
        write(&vfs, &path, &vec![number as u8; 1_000 + number as usize * step]);
        seals.push(seal_segment(&vfs, Path::new(DATA), &path, number).expect("no faults yet"));
    }
    (vfs, seals)
}

pub fn open(vfs: &SimVfs) -> Result<SealLog> {
    SealLog::open(Arc::new(vfs.clone()), Path::new(DATA), &SeededRandomness::new(7))
}

#[test]
fn seals_are_kept_and_proved() {
    let (vfs, seals) = disk(1, 5, 70_001);
    let mut log = open(&vfs).expect("a new log");
    assert_eq!((log.size(), log.checkpoint()), (0, None));
    for seal in &seals {
        log.record(seal).expect("recorded");
        log.record(seal).expect("the same again adds nothing");
    }
    let key = log.verifier();
    drop(log);
    let log = open(&vfs).expect("opened again");
    assert_eq!(log.size(), 5);
    assert_eq!(log.verifier(), key, "the key stays");
    for seal in &seals {
        assert!(log.contains(&seal.path));
        let proof = log.prove(seal).expect("a proof");
        assert_eq!(proof.verify(&key).expect("valid").size, 5);
        let mut other = proof.clone();
        other.seal.bytes += 1;
        assert!(other.verify(&key).is_err());
    }
    assert!(!log.contains("segments/main/other.seg"));
}

#[test]
fn a_segment_never_changes() {
    let (vfs, seals) = disk(1, 1, 70_001);
    let mut log = open(&vfs).expect("a new log");
    log.record(&seals[0]).expect("recorded");
    let changed = SegmentSeal { events: 99, ..seals[0].clone() };
    assert_eq!(log.record(&changed).expect_err("refused").kind(), ErrorKind::Corrupt);
    assert_eq!(log.prove(&changed).expect_err("refused").kind(), ErrorKind::NotFound);
}

#[test]
fn paths_stay_inside_the_folder() {
    let vfs = SimVfs::new(1);
    for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\nb", "a\\b"] {
        let error = seal_segment(&vfs, Path::new(DATA), path, 0).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{path:?}");
        assert_eq!(SegmentSeal::parse(&format!("segment 0 0 {} {path}", "0".repeat(64))), None);
    }
}

#[test]
fn a_lost_key_is_not_replaced() {
    let (vfs, seals) = disk(1, 1, 70_001);
    open(&vfs).expect("a new log").record(&seals[0]).expect("recorded");
    vfs.remove_file(&Path::new(DATA).join("evidence/key")).expect("removed");
    let error = open(&vfs).expect_err("refused");
    assert!(error.message().contains("the key is gone"), "{error}");
}

#[test]
fn damaged_seals_are_refused() {
    let (vfs, seals) = disk(1, 3, 70_001);
    let mut log = open(&vfs).expect("a new log");
    seals.iter().for_each(|seal| log.record(seal).expect("recorded"));
    drop(log);
    let path = Path::new(DATA).join("evidence/seals");
    let bytes = vfs.read(&path).expect("there");
    vfs.damage(&path, |bytes| bytes[9] ^= 1).expect("there");
    assert_eq!(open(&vfs).expect_err("refused").kind(), ErrorKind::Corrupt);
    vfs.damage(&path, |damaged| damaged.clone_from(&bytes)).expect("there");
    vfs.damage(&path, |bytes| bytes.truncate(150)).expect("there");
    assert_eq!(open(&vfs).expect_err("refused").kind(), ErrorKind::Corrupt);
}

/// Seals in turn until something fails; gives back how many were reported as done.
fn seal_all(vfs: &SimVfs, seals: &[SegmentSeal]) -> usize {
    let Ok(mut log) = open(vfs) else { return 0 };
    let already = log.size() as usize;
    let mut done = already;
    for seal in &seals[already..] {
        if log.record(seal).is_err() {
            assert!(log.record(seal).is_err(), "after a failed write nothing more is taken");
            break;
        }
        done += 1;
    }
    done
}

/// After whatever happened: everything reported is there, the rest can be added, and all of it verifies.
fn check(vfs: &SimVfs, seals: &[SegmentSeal], reported: usize) -> Result<(), String> {
    let left = open(vfs).map_err(|error| error.to_string())?.size() as usize;
    if left < reported {
        return Err(format!("{left} of {reported} seals are left"));
    }
    if seal_all(vfs, seals) != seals.len() {
        return Err("the rest cannot be sealed".into());
    }
    let report = verify(vfs, Path::new(DATA), Default::default()).map_err(|error| error.to_string())?;
    match report.first_broken() {
        None if report.seals as usize == seals.len() => Ok(()),
        other => Err(format!("{} seals, {other:?}", report.seals)),
    }
}

#[test]
fn every_call_fails_in_turn() {
    for fault in [Fault::Error(IoKind::Other), Fault::DoneButFailed(IoKind::Other), Fault::Error(IoKind::StorageFull)] {
        let (vfs, seals) = disk(0, 3, 10);
        let before = vfs.calls();
        assert_eq!(seal_all(&vfs, &seals), seals.len());
        for call in 1..=vfs.calls() - before {
            let (vfs, seals) = disk(call, 3, 10);
            vfs.fail_call(call, fault);
            let reported = seal_all(&vfs, &seals);
            vfs.clear_faults();
            let place = format!("{fault:?} at call {call}");
            // A restart of the program alone, and then the power goes.
            let after_restart = open(&vfs).map_or(0, |log| log.size() as usize);
            assert!(after_restart >= reported, "{place}");
            for vfs in [vfs.power_cycle(), vfs.power_cycle()] {
                check(&vfs, &seals, reported).unwrap_or_else(|what| panic!("{place}: {what}"));
            }
        }
    }
}

/// Cuts the power at every call, with different losses, and again while it recovers, on a disk that ignores some
/// syncs; the first thing that went wrong.
fn power_cuts(ignored: Ignored) -> Result<(), String> {
    for seed in 0..3 {
        for call in 1.. {
            let (vfs, seals) = disk(seed * 1_000 + call, 3, 10);
            vfs.ignore_sync(ignored);
            vfs.crash_after(call);
            let reported = seal_all(&vfs, &seals);
            if !vfs.is_dead() {
                break;
            }
            let vfs = vfs.power_cycle();
            vfs.crash_after(1 + call % 17);
            let _ = open(&vfs);
            check(&vfs.power_cycle(), &seals, reported).map_err(|what| format!("seed {seed}, power cut at call {call}: {what}"))?;
        }
    }
    Ok(())
}

#[test]
fn power_cuts_lose_nothing_reported() {
    assert_eq!(power_cuts(Ignored::default()), Ok(()));
}

#[test]
fn without_sync_power_cuts_lose_seals() {
    for ignored in [Ignored { data: true, ..Ignored::default() }, Ignored { names: true, ..Ignored::default() }] {
        assert!(power_cuts(ignored).is_err(), "{ignored:?}: a test that passes without sync proves nothing");
    }
}
