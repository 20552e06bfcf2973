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

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Flip,
    ZeroPage,
    Truncate,
    Remove,
    /// Its bytes are those of another file of its kind.
    Swap,
}

const HARMS: [Harm; 5] = [Harm::Flip, Harm::ZeroPage, Harm::Truncate, Harm::Remove, Harm::Swap];

impl Harm {
    fn apply(self, bytes: &mut Vec<u8>, other: &[u8], rng: &mut fastrand::Rng) {
        match self {
            Self::Flip => {
                let at = rng.usize(0..bytes.len());
                bytes[at] ^= 1 << rng.u8(0..8);
            }
            Self::ZeroPage => {
                let at = rng.usize(0..bytes.len());
                let end = bytes.len().min(at + 512);
                bytes[at..end].fill(0);
            }
            Self::Truncate => bytes.truncate(rng.usize(0..bytes.len())),
            Self::Remove => {}
            Self::Swap => {
                bytes.clear();
                bytes.extend_from_slice(other);
            }
        }
    }
}

/// Like [`filled`], with everything in segments.
fn with_segments() -> (SimVfs, Arc<ManualClock>, Vec<PathBuf>) {
    let vfs = SimVfs::new(12);
    let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
    let store = open_sim(&vfs, &clock, 1, StoreSettings::default()).unwrap();
    for part in 0..4 {
        for number in 0..10 {
            let text = format!("part {part} sshd[{number}]: Accepted password for user{} from 10.0.{part}.{number}", number % 3);
            store.append_blocking(batch("main", &[&text, "constant text"])).unwrap();
        }
        store.flush().unwrap();
    }
    drop(store);
    let days = vfs.read_dir(Path::new("/data/segments/main")).unwrap();
    let segments = days.iter().flat_map(|day| vfs.read_dir(day).unwrap()).collect();
    (vfs, clock, segments)
}

#[test]
fn a_damaged_segment_is_named_and_the_rest_stays_readable() {
    let (vfs, clock, segments) = with_segments();
    assert_eq!(segments.len(), 4);
    let whole = open_sim(&vfs.copy(), &clock, 2, StoreSettings::default()).unwrap();
    let expected = crate::ledger::contents(&whole).unwrap().remove("main").unwrap();
    let (mut named, mut harmless) = (0, 0);
    for round in 0..600u64 {
        let mut rng = fastrand::Rng::with_seed(round);
        let disk = vfs.copy();
        let (victim, other) = (rng.usize(0..4), rng.usize(0..4));
        let harm = HARMS[rng.usize(0..HARMS.len())];
        let path = &segments[victim];
        let before = vfs.read(path).unwrap();
        match harm {
            Harm::Remove => disk.remove_file(path).unwrap(),
            _ => disk.damage(path, |bytes| harm.apply(bytes, &vfs.read(&segments[other]).unwrap(), &mut rng)).unwrap(),
        }
        if harm != Harm::Remove && disk.read(path).unwrap() == before {
            continue;
        }
        let store = open_sim(&disk, &clock, round, StoreSettings::default()).unwrap_or_else(|e| panic!("round {round}, {harm:?}: {e}"));
        let mut failed = 0;
        for segment in store.snapshot().segments {
            let mut found = Vec::new();
            let read = segment.open().and_then(|segment| segment.for_each_raw(&mut |number, raw| found.push((number, raw.to_vec()))));
            let first = segment.meta().first_sequence as usize - 1;
            match read {
                Ok(()) if found == expected[first..first + 20] => {}
                Ok(()) => {
                    // Whole, and another's: the same number of events, of which only the place is wrong.
                    assert_eq!(harm, Harm::Swap, "round {round}: wrong events, and no error");
                    failed += 1;
                }
                Err(error) => {
                    assert!(error.message().contains(&path.display().to_string()), "round {round}, {harm:?}: {error}");
                    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound), "round {round}, {harm:?}: {error}");
                    failed += 1;
                }
            }
        }
        assert!(failed <= 1, "round {round}, {harm:?}: {failed} segments cannot be read");
        named += failed;
        harmless += 1 - failed;
        // It goes on beside the damage, and what is damaged is left as it is.
        store.append_blocking(batch("main", &["afterwards"])).unwrap();
        store.flush().unwrap();
        assert_eq!(disk.metadata(path).is_ok(), harm != Harm::Remove, "round {round}, {harm:?}");
    }
    println!("{named} damaged segments were named, {harmless} were damaged where nothing stands");
    assert!(named > 400, "{named}");
}

#[test]
fn journal_files_that_were_mixed_up_are_named() {
    let (vfs, clock) = filled(400);
    let files = journal_files(&vfs);
    let mut refused = 0;
    for round in 0..300u64 {
        let mut rng = fastrand::Rng::with_seed(round);
        let disk = vfs.copy();
        let (victim, other) = (rng.usize(0..files.len()), rng.usize(0..files.len()));
        let harm = [Harm::ZeroPage, Harm::Truncate, Harm::Swap][rng.usize(0..3)];
        let copied = rng.u8(0..4) == 0;
        if copied {
            // A copy of an older file that has the number after the last.
            let number: u64 = files.last().unwrap().file_stem().unwrap().to_str().unwrap().parse().unwrap();
            let file = disk.create_new(&Path::new("/data/journal").join(format!("{:016}.wal", number + 1))).unwrap();
            file.write_all_at(&vfs.read(&files[other]).unwrap(), 0).unwrap();
        } else {
            disk.damage(&files[victim], |bytes| harm.apply(bytes, &vfs.read(&files[other]).unwrap(), &mut rng)).unwrap();
            if disk.read(&files[victim]).unwrap() == vfs.read(&files[victim]).unwrap() {
                continue;
            }
        }
        let before: Vec<Vec<u8>> = journal_files(&disk).iter().map(|path| disk.read(path).unwrap()).collect();
        match open_sim(&disk, &clock, round, StoreSettings::default()) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "round {round}: {error}");
                assert!(error.message().contains(".wal at byte") && error.hint().is_some(), "round {round}: {error}");
                let after = journal_files(&disk);
                assert!(
                    before.iter().zip(&after).all(|(bytes, path)| disk.read(path).unwrap() == *bytes),
                    "round {round}: nothing was changed"
                );
                refused += 1;
            }
            // Only the end of the last file may look like an unfinished write.
            Ok(store) => {
                assert!(!copied && victim == files.len() - 1, "round {round}: {harm:?} of file {victim}");
                assert!(texts(&store, "main").len() >= 36, "round {round}");
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

/// A real folder with four segments, all of it closed.
fn real_folder(dir: &Path) -> crate::ledger::Contents {
    let store = taffrail_store::Store::open(crate::plain::options(dir)).unwrap();
    for part in 0..12 {
        let texts: Vec<String> = (0..20).map(|number| format!("part {part} event {number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut sent = batch(["main", "other"][part % 2], &texts);
        sent.set_position(format!("file/{part}"), part.to_string());
        store.append_blocking(sent).unwrap();
        store.flush().unwrap();
    }
    store.close().unwrap();
    crate::ledger::contents(&store).unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn segment_count(dir: &Path) -> usize {
    let list = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let days = list(&dir.join("segments")).into_iter().flat_map(|index| list(&index));
    days.flat_map(|day| list(&day)).filter(|path| path.extension().is_some_and(|suffix| suffix == "seg")).count()
}

#[test]
fn a_damaged_catalog_is_refused_or_harmless_and_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original");
    let expected = real_folder(&original);
    let segments = segment_count(&original);
    let (mut refused, mut harmless, mut silent) = (0, 0, Vec::new());
    let rounds = crate::states::number("TAFFRAIL_DAMAGES").unwrap_or(150);
    for round in 0..rounds {
        let mut rng = fastrand::Rng::with_seed(round);
        let dir = folder.path().join("copy");
        copy_folder(&original, &dir);
        let catalog = dir.join("catalog.db");
        let mut bytes = std::fs::read(&catalog).unwrap();
        let harm = [Harm::Flip, Harm::Flip, Harm::Flip, Harm::ZeroPage, Harm::Truncate, Harm::Remove][rng.usize(0..6)];
        match harm {
            Harm::Remove => std::fs::remove_file(&catalog).unwrap(),
            _ => {
                harm.apply(&mut bytes, &[], &mut rng);
                std::fs::write(&catalog, &bytes).unwrap();
            }
        }
        match taffrail_store::Store::open(crate::plain::options(&dir)) {
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid), "round {round}, {harm:?}: {error}");
                assert!(error.message().contains("copy/"), "round {round}, {harm:?}: {error}");
                assert!(error.hint().is_some(), "round {round}, {harm:?}: {error}");
                refused += 1;
            }
            Ok(store) => {
                let positions = store.positions("file/");
                let whole = (0..12).all(|part| positions.contains(&(format!("file/{part}"), part.to_string().into_bytes())));
                match crate::ledger::contents(&store) {
                    Ok(found) if found == expected && whole && positions.len() == 12 => harmless += 1,
                    Ok(_) => silent.push((round, harm)),
                    Err(error) => {
                        assert!(error.message().contains("copy/segments/"), "round {round}, {harm:?}: {error}");
                        refused += 1;
                    }
                }
                store.close().unwrap();
            }
        }
        assert!(segment_count(&dir) >= segments, "round {round}, {harm:?}: segments were removed");
        std::fs::remove_dir_all(&dir).unwrap();
    }
    println!("{refused} damaged catalogs were refused or named, {harmless} were damaged where nothing stands");
    assert!(silent.is_empty(), "other events than before, and no error: {silent:?}");
    assert!(refused * 3 > rounds, "{refused} of {rounds}");
}

#[test]
fn what_lies_in_the_folder_by_mistake_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let expected = real_folder(folder.path());
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("lock"), b"\xff\x00garbage").unwrap();
    std::fs::write(path("journal/notes.txt"), b"somebody's").unwrap();
    std::fs::write(path("segments/README"), b"somebody's").unwrap();
    std::fs::write(path("segments/main/README"), b"somebody's").unwrap();
    std::fs::create_dir(path("segments/main/2020-01-01")).unwrap();
    let store = taffrail_store::Store::open(crate::plain::options(folder.path())).unwrap();
    assert!(crate::ledger::contents(&store).unwrap() == expected);
    drop(store);
    for name in ["journal/notes.txt", "segments/README", "segments/main/README"] {
        assert_eq!(std::fs::read(path(name)).unwrap(), b"somebody's");
    }
    std::fs::remove_file(path("lock")).unwrap();
    std::fs::create_dir(path("lock")).unwrap();
    let error = taffrail_store::Store::open(crate::plain::options(folder.path())).err().expect("a folder cannot be locked");
    assert!(error.message().contains("lock"), "{error}");
}
