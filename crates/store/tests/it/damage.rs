//! Damaged files are named, and never silently cut or started over.

use crate::ledger::{batch, open_sim, texts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{ErrorKind, ManualClock, SimVfs, Vfs};
use taffrail_store::StoreSettings;

fn filled(journal_file_bytes: u64) -> (SimVfs, Arc<ManualClock>) {
    let vfs = SimVfs::new(11);
    let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
    let store = open_sim(&vfs, &clock, 1, StoreSettings { journal_file_bytes, ..StoreSettings::default() }).unwrap();
    for number in 0..20 {
        store.append_blocking(batch("main", &[&format!("event {number} of the journal"), "another"])).unwrap();
    }
    drop(store);
    (vfs, clock)
}

fn journal_files(vfs: &SimVfs) -> Vec<PathBuf> {
    let paths = vfs.read_dir(Path::new("/data/journal")).unwrap();
    paths.into_iter().filter(|path| path.extension().is_some_and(|suffix| suffix == "wal")).collect()
}

#[test]
fn a_flipped_bit_in_the_journal_is_named_with_file_and_byte() {
    let (vfs, clock) = filled(400);
    let files = journal_files(&vfs);
    assert!(files.len() > 3);
    let mut named = 0;
    for (number, file) in files.iter().enumerate() {
        let len = vfs.metadata(file).unwrap().len as usize;
        for at in (0..len).step_by(7) {
            let disk = vfs.copy();
            disk.damage(file, |bytes| bytes[at] ^= 1 << (at % 8)).unwrap();
            match open_sim(&disk, &clock, 2, StoreSettings::default()) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    assert!(error.message().contains(&file.display().to_string()), "{error}");
                    assert!(error.message().contains("at byte"), "{error}");
                    named += 1;
                }
                Ok(store) => {
                    // Only the group written last may look like the torn end of an unfinished write.
                    assert_eq!(number, files.len() - 1, "byte {at} of {}", file.display());
                    assert!(texts(&store, "main").len() >= 2 * 18);
                }
            }
        }
    }
    assert!(named > 100, "{named}");
}

#[test]
fn a_missing_file_of_the_journal_is_noticed() {
    let (vfs, clock) = filled(400);
    for file in &journal_files(&vfs)[..3] {
        let disk = vfs.copy();
        disk.remove_file(file).unwrap();
        let error = open_sim(&disk, &clock, 2, StoreSettings::default()).err().expect("records are missing");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("missing"), "{error}");
    }
}

#[test]
fn a_lost_catalog_does_not_make_it_start_over() {
    let (vfs, clock) = filled(400);
    let store = open_sim(&vfs, &clock, 2, StoreSettings::default()).unwrap();
    store.append_blocking(batch("main", &["one more"])).unwrap();
    store.close().unwrap();
    drop(store);
    vfs.remove_file(Path::new("/data/catalog.sim")).unwrap();
    let count = |vfs: &SimVfs| vfs.read_dir(Path::new("/data/segments/main/2023-11-14")).unwrap().len();
    assert_eq!(count(&vfs), 1);
    let error = open_sim(&vfs, &clock, 3, StoreSettings::default()).err().expect("the journal begins too late");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    for file in journal_files(&vfs) {
        vfs.remove_file(&file).unwrap();
    }
    let error = open_sim(&vfs, &clock, 3, StoreSettings::default()).err();
    assert!(error.is_some_and(|error| error.kind() == ErrorKind::Corrupt), "without journal files neither");
    assert_eq!(count(&vfs), 1, "nothing was removed");
}

#[test]
fn what_looks_like_a_record_inside_an_event_is_an_event() {
    let (vfs, clock) = filled(u64::MAX);
    let file = journal_files(&vfs).pop().unwrap();
    let bytes = vfs.read(&file).unwrap();
    let store = open_sim(&vfs, &clock, 4, StoreSettings::default()).unwrap();
    // A sender that could read the journal sends it back to us, twice, with the power going afterwards.
    let mut hostile = taffrail_event::EventBatch::new(taffrail_event::Timestamp(0));
    let number = hostile.origin(&crate::ledger::origin("main", "host"));
    hostile.push(number, taffrail_event::Timestamp(0), taffrail_event::Problems::NONE, &bytes);
    store.append_blocking(hostile.clone()).unwrap();
    store.append_blocking(batch("main", &["after"])).unwrap();
    drop(store);
    let last = journal_files(&vfs).pop().unwrap();
    // The last group is torn: nothing in the hostile event may pass for a record behind it.
    vfs.damage(&last, |bytes| bytes.truncate(bytes.len() - 3)).unwrap();
    let store = open_sim(&vfs, &clock, 5, StoreSettings::default()).unwrap();
    let found = crate::ledger::contents(&store).unwrap().remove("main").unwrap();
    assert_eq!(found.len(), 41);
    assert_eq!(found.last().unwrap().1, bytes);
}
