//! Every kind of damage to every kind of file is named, and a sound folder has nothing to name.
#![allow(clippy::print_stdout)] // how many flips there were

use super::*;
use crate::catalog::SimCatalog;
use crate::segment::Segment;
use crate::{SegmentMeta, Store, StoreOptions, StoreSettings};
use std::collections::BTreeMap;
use taffrail_base::{Clock, ManualClock, SeededRandomness, SimVfs, Ulid};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};

/// Keeps what is found.
#[derive(Default)]
struct Found(Vec<Finding>);

impl Watch for Found {
    fn finding(&mut self, finding: Finding) {
        self.0.push(finding);
    }
}

fn open(vfs: &SimVfs, seed: u64) -> Arc<Store> {
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let options = StoreOptions {
        dir: PathBuf::from("/data"),
        vfs: disk.clone(),
        clock: Arc::new(ManualClock::at(1_700_000_000_000_000_000)) as Arc<dyn Clock>,
        random: Arc::new(SeededRandomness::new(seed)),
        read_only: false,
        settings: StoreSettings { synchronous: true, reserve_bytes: 0, journal_file_bytes: 600, ..StoreSettings::default() },
    };
    Store::open_with(options, &|dir: &Path| Ok(Box::new(SimCatalog::open(disk.clone(), dir)?))).unwrap()
}

fn batch(index: &str, from: usize, count: usize) -> EventBatch {
    let mut batch = EventBatch::new(Timestamp(1_700_000_000_000_000_000 + from as i64));
    let [host, source, sourcetype, transport, peer] = ["h", "/var/log/x", "plain", "file", ""].map(Arc::from);
    let number = batch.origin(&Origin { index: index.into(), host, source, sourcetype, transport, peer });
    for at in from..from + count {
        let text = match at % 4 {
            0 => format!("user u{} came from 10.0.{}.{} after {} ms", at % 7, at % 5, at % 250, at * 31),
            1 => format!("request id{:06x}q said \"page {at} of {}\"", at * 7919, at % 11),
            2 => format!("disk sd{} has {}.{:02} GB", char::from(b'a' + (at % 16) as u8), at % 90, at % 100),
            _ => format!("note {}", "word ".repeat(at % 5)),
        };
        batch.push(number, Timestamp(at as i64 * 1_000_000), Problems::NONE, text.as_bytes());
    }
    batch
}

/// A folder with segments of two indexes and a journal of several files.
fn folder() -> SimVfs {
    let vfs = SimVfs::new(5);
    let store = open(&vfs, 1);
    for round in 0..3 {
        store.append_blocking(batch("main", round * 200, 200)).unwrap();
        store.append_blocking(batch("web", round * 50, 50)).unwrap();
        store.flush().unwrap();
    }
    for round in 0..8 {
        store.append_blocking(batch("main", 600 + round * 10, 10)).unwrap();
    }
    drop(store);
    vfs
}

fn look_at(vfs: &SimVfs, options: CheckOptions) -> (Checked, Vec<Finding>) {
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let mut found = Found::default();
    let open = |dir: &Path| -> Result<Box<dyn Catalog>> { Ok(Box::new(SimCatalog::open(disk.clone(), dir)?)) };
    let checked = check(disk.clone(), Path::new("/data"), options, &open, &mut found).unwrap();
    (checked, found.0)
}

fn problems(vfs: &SimVfs) -> Vec<Finding> {
    let (_, found) = look_at(vfs, CheckOptions::default());
    found.into_iter().filter(|finding| finding.severity > Severity::Note).collect()
}

fn files(vfs: &SimVfs, folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for path in vfs.read_dir(&folder).unwrap() {
            if vfs.metadata(&path).unwrap().is_dir { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.strip_prefix("/data").unwrap().display().to_string()
}

#[test]
fn a_sound_folder_has_nothing_to_name() {
    let vfs = folder();
    let (checked, found) = look_at(&vfs, CheckOptions::default());
    assert_eq!(found, []);
    assert!(checked.segments == 6 && checked.events == 750 && checked.pages > 40 && checked.journal_records == 8, "{checked:?}");
    assert!(!checked.in_use && checked.journal_files > 1);
    let (quick, found) = look_at(&vfs, CheckOptions { quick: true, index: Some("web".into()) });
    assert_eq!(found, []);
    assert!(quick.segments == 3 && quick.pages == 0 && quick.blocks > 0, "{quick:?}");
    let store = open(&vfs, 2);
    let (checked, found) = look_at(&vfs, CheckOptions::default());
    assert_eq!(found, [], "beside a writer too");
    assert!(checked.in_use);
    store.append_blocking(batch("main", 0, 10)).unwrap();
    assert_eq!(problems(&vfs), []);
}

/// A flipped bit, a byte of a whole page of zeros, a cut: each file in turn.
#[test]
fn changed_bytes_of_every_file_are_named() {
    let vfs = folder();
    let all: Vec<PathBuf> = files(&vfs, "/data/segments").into_iter().chain(files(&vfs, "/data/journal")).collect();
    let last_journal = all.last().unwrap().clone();
    for path in &all {
        let len = vfs.metadata(path).unwrap().len as usize;
        type Change = fn(&mut Vec<u8>);
        let changes: [(&str, Change); 5] = [
            ("a flip", |bytes| {
                let at = bytes.len() / 3;
                bytes[at] ^= 4;
            }),
            ("zeros", |bytes| {
                let middle = bytes.len() / 2;
                let end = bytes.len().min(middle + 100);
                bytes[middle..end].fill(0);
            }),
            ("a cut", |bytes| bytes.truncate(bytes.len() * 2 / 3)),
            ("nothing left", Vec::clear),
            ("more behind", |bytes| bytes.extend_from_slice(b"more")),
        ];
        for (change, how) in changes {
            let disk = vfs.copy();
            disk.damage(path, how).unwrap();
            let found = problems(&disk);
            // What stands behind the counted part of an older file of the journal counts for nothing.
            if change == "more behind" && path.starts_with("/data/journal") && *path != last_journal {
                assert_eq!(found, [], "{}: {change}", path.display());
                continue;
            }
            let mine = found.iter().find(|finding| finding.file == name(path));
            assert!(mine.is_some(), "{} of {len} bytes: {change}: {found:?}", path.display());
            assert!(found.iter().all(|finding| !finding.remedy.is_empty()));
        }
    }
}

#[test]
fn removed_added_and_exchanged_files_are_named() {
    let vfs = folder();
    let segments = files(&vfs, "/data/segments");
    let journal = files(&vfs, "/data/journal");
    // Nothing speaks of the newest file of the journal but itself.
    for path in segments.iter().chain(&journal[..journal.len() - 1]) {
        let disk = vfs.copy();
        disk.remove_file(path).unwrap();
        assert!(!problems(&disk).is_empty(), "{} is gone", path.display());
    }
    for pair in segments.windows(2).chain(journal.windows(2)) {
        let disk = vfs.copy();
        let (one, other) = (disk.read(&pair[0]).unwrap(), disk.read(&pair[1]).unwrap());
        disk.damage(&pair[0], |bytes| *bytes = other.clone()).unwrap();
        disk.damage(&pair[1], |bytes| *bytes = one.clone()).unwrap();
        let found = problems(&disk);
        let named = |path: &Path| found.iter().any(|finding| finding.file == name(path));
        assert!(named(&pair[0]) || named(&pair[1]), "{} and {}: {found:?}", pair[0].display(), pair[1].display());
    }
    let write = |disk: &SimVfs, path: &Path, bytes: &[u8]| disk.create_new(path).unwrap().write_all_at(bytes, 0).unwrap();
    for (path, severity) in [
        (segments[0].with_file_name(format!("{}.seg", Ulid(99))), Severity::Warning),
        (segments[0].with_file_name("notes.txt"), Severity::Warning),
        (segments[0].with_extension("seg.tmp"), Severity::Note),
        (Path::new("/data/segments/web").join(segments[0].file_name().unwrap()), Severity::Warning),
        (PathBuf::from("/data/journal/0000000000000001.wal"), Severity::Note),
        (PathBuf::from("/data/journal/0000000000009999.wal.tmp"), Severity::Note),
        (PathBuf::from("/data/journal/x"), Severity::Note),
        (PathBuf::from("/data/readme"), Severity::Note),
    ] {
        let disk = vfs.copy();
        write(&disk, &path, &vfs.read(&segments[0]).unwrap());
        let (_, found) = look_at(&disk, CheckOptions::default());
        assert_eq!(found.len(), 1, "{}: {found:?}", path.display());
        assert_eq!((found[0].severity, found[0].file.clone()), (severity, name(&path)));
    }
    let disk = vfs.copy();
    write(&disk, Path::new("/data/journal/0000000000009999.wal"), b"no journal");
    assert!(problems(&disk).iter().any(|finding| finding.severity == Severity::Damage), "a newer file hides the others");
}

#[test]
fn a_catalog_that_does_not_fit_is_named() {
    let vfs = folder();
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let known = SimCatalog::open(disk, Path::new("/data")).unwrap().load().unwrap();
    type Change = fn(&mut SegmentMeta);
    let changes: [(&str, Change); 8] = [
        ("events", |meta| meta.events += 1),
        ("raw bytes", |meta| meta.raw_bytes += 1),
        ("stored bytes", |meta| meta.stored_bytes -= 1),
        ("patterns", |meta| meta.patterns += 1),
        ("earliest", |meta| meta.min_time.0 += 1),
        ("latest", |meta| meta.max_time.0 += 1),
        ("arrival", |meta| meta.first_sequence += 1),
        ("arrival before", |meta| meta.first_sequence = meta.first_sequence.saturating_sub(1)),
    ];
    for (what, change) in changes {
        let copy = vfs.copy();
        let disk: Arc<dyn Vfs> = Arc::new(copy.clone());
        let mut meta = known.segments.values().nth(2).unwrap().clone();
        change(&mut meta);
        let catalog = SimCatalog::open(disk, Path::new("/data")).unwrap();
        catalog.commit(&crate::catalog::CatalogChange { added: vec![meta], ..Default::default() }).unwrap();
        assert!(!problems(&copy).is_empty(), "{what}");
    }
    for (next, positions, covered) in [(Some(600), 0, 0), (Some(602), 0, 0), (None, 99, 0), (None, 0, 20)] {
        let copy = vfs.copy();
        let disk: Arc<dyn Vfs> = Arc::new(copy.clone());
        let change = crate::catalog::CatalogChange {
            next_sequences: next.map(|next| ("main".into(), next)).into_iter().collect(),
            positions_sequence: positions,
            covered_sequence: covered,
            ..Default::default()
        };
        SimCatalog::open(disk, Path::new("/data")).unwrap().commit(&change).unwrap();
        assert!(!problems(&copy).is_empty(), "{change:?}");
    }
    let copy = vfs.copy();
    copy.remove_file(Path::new("/data/catalog.sim")).unwrap();
    assert!(!problems(&copy).is_empty());
    copy.damage(&files(&vfs, "/data/segments")[0], |bytes| bytes[20] ^= 1).unwrap();
    let found = problems(&copy);
    assert!(found.iter().any(|finding| finding.file.ends_with(".seg")), "segments are looked at without a catalog too: {found:?}");
}

#[test]
fn an_empty_folder_is_sound_and_a_missing_one_is_an_error() {
    let vfs = SimVfs::new(1);
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let open_catalog = |dir: &Path| -> Result<Box<dyn Catalog>> { Ok(Box::new(SimCatalog::open(disk.clone(), dir)?)) };
    let error = check(disk.clone(), Path::new("/none"), CheckOptions::default(), &open_catalog, &mut Found::default()).unwrap_err();
    assert_eq!(error.kind(), taffrail_base::ErrorKind::NotFound);
    drop(open(&vfs, 1));
    assert_eq!(problems(&vfs), []);
}

/// What a segment still gives when one of its blocks is damaged: every event outside of it.
fn events_lost(bytes: &[u8], meta: &SegmentMeta) -> Option<u64> {
    let segment = Segment::from_bytes(bytes.to_vec(), meta.clone()).ok()?;
    let blocks = crate::segment::Blocks::new(&segment);
    let rows = blocks.rows().ok()?;
    let mut lost = vec![false; meta.events as usize];
    for (number, rows) in rows.iter().enumerate() {
        let cursor = crate::segment::cursor::PatternCursor::new(&blocks, number);
        let mut line = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            line.clear();
            lost[*row as usize] = cursor.render(at, &mut line).is_err();
        }
    }
    Some(lost.iter().filter(|lost| **lost).count() as u64)
}

/// Ten thousand flipped bits over everything that is stored: each is named, and what is not in the damaged block
/// is still there.
#[test]
fn ten_thousand_flipped_bits_are_all_named() {
    let vfs = folder();
    let known = SimCatalog::open(Arc::new(vfs.clone()) as Arc<dyn Vfs>, Path::new("/data")).unwrap().load().unwrap();
    let all: Vec<PathBuf> = files(&vfs, "/data/segments").into_iter().chain(files(&vfs, "/data/journal")).collect();
    let sizes: Vec<u64> = all.iter().map(|path| vfs.metadata(path).unwrap().len).collect();
    let total: u64 = sizes.iter().sum();
    let mut rng = fastrand::Rng::with_seed(12);
    let flips = std::env::var("TAFFRAIL_FLIPS").ok().and_then(|n| n.parse().ok()).unwrap_or(500);
    let (mut named, mut rest) = (BTreeMap::new(), 0u64);
    for flip in 0..flips {
        let mut place = rng.u64(..total);
        let at = sizes
            .iter()
            .position(|size| {
                if place < *size {
                    true
                } else {
                    place -= size;
                    false
                }
            })
            .unwrap();
        let path = &all[at];
        let bit = rng.u8(..8);
        vfs.damage(path, |bytes| bytes[place as usize] ^= 1 << bit).unwrap();
        let found = problems(&vfs);
        let mine: Vec<&Finding> = found.iter().filter(|finding| finding.file == name(path)).collect();
        assert!(!mine.is_empty(), "flip {flip}: bit {bit} of byte {place} of {}: {found:?}", path.display());
        *named.entry(path.extension().unwrap().to_owned()).or_insert(0u64) += 1;
        if let Some(meta) = known.segments.values().find(|meta| path.ends_with(format!("{}.seg", meta.id)))
            && let Some(lost) = events_lost(&vfs.read(path).unwrap(), meta)
        {
            let told = mine.iter().filter_map(|finding| finding.events.as_ref()).map(|events| events.count).sum::<u64>();
            assert!(lost <= told, "flip {flip}: {lost} events are lost, {told} are named");
            rest += meta.events - lost;
        }
        vfs.damage(path, |bytes| bytes[place as usize] ^= 1 << bit).unwrap();
    }
    println!("{flips} flips in {total} bytes, all named: {named:?}; {rest} events of damaged segments were still readable");
    assert_eq!(problems(&vfs), []);
}

/// A search over a damaged segment gives exactly the events outside of the damage, and says what it is without.
#[test]
fn a_search_gives_the_rest_and_says_what_is_missing() {
    use crate::scan::{Column, Filter, Scan, ScanRequest};
    use crate::{SegmentRef, Snapshot};
    use arrow::array::AsArray;
    use taffrail_pattern::{NoFields, Term, TermMatcher};
    // Random words fill several blocks.
    let mut rng = fastrand::Rng::with_seed(9);
    let word = |rng: &mut fastrand::Rng, len: usize| (0..len).map(|_| char::from(rng.u8(b'a'..=b'z'))).collect::<String>();
    let lines: Vec<String> = (0..1_500)
        .map(|at| match at % 3 {
            0 => format!("user {} came with {}", word(&mut rng, 6), word(&mut rng, 400)),
            1 => format!("took {} ms for {}", at, word(&mut rng, 300)),
            _ => format!("root did \"{} {}\"", word(&mut rng, 5), word(&mut rng, 90)),
        })
        .collect();
    let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut batch = EventBatch::new(Timestamp(0));
    let [host, source, sourcetype, transport, peer] = ["h", "s", "t", "f", ""].map(Arc::from);
    let number = batch.origin(&Origin { index: "main".into(), host, source, sourcetype, transport, peer });
    texts.iter().enumerate().for_each(|(at, text)| batch.push(number, Timestamp(at as i64), Problems::NONE, text.as_bytes()));
    let mut builder = crate::segment::SegmentBuilder::new("main", 1);
    batch.iter().for_each(|event| builder.push(event));
    let (bytes, meta) = builder.finish(Ulid(3), 3).unwrap();
    let blocks: Vec<(u64, u64)> = {
        let segment = Segment::from_bytes(bytes.clone(), meta.clone()).unwrap();
        segment.footer().blocks.iter().map(|block| (block.offset, block.offset + u64::from(block.stored_len))).collect()
    };
    assert!(blocks.len() > 4, "{blocks:?}");
    let (mut partial, mut none) = (0, 0);
    for (start, end) in blocks.iter().filter(|(start, end)| start < end) {
        let mut damaged = bytes.clone();
        damaged[((start + end) / 2) as usize] ^= 0x40;
        let snapshot = Snapshot { segments: vec![SegmentRef::Open(Segment::from_bytes(damaged, meta.clone()).unwrap())] };
        for (term, newest_first, limit) in [("root", true, None), ("came", false, None), ("took 1*", true, Some(5_000)), ("*", true, None)]
        {
            let term = Term::wildcard(term);
            let matcher = TermMatcher::new(&term);
            let request = ScanRequest {
                filter: Filter::Term(term),
                earliest: Timestamp::MIN,
                latest: Timestamp::MAX,
                sequence_from: None,
                resolver: Arc::new(NoFields),
                columns: vec![Column::Sequence, Column::RawBytes],
                newest_first,
                limit,
            };
            let scan = Scan::plan(&snapshot, request).tolerating_damage();
            let mut found = Vec::new();
            for part in (0..scan.partitions()).flat_map(|partition| scan.run(partition)) {
                let part = part.unwrap();
                let numbers = part.column(0).as_primitive::<arrow::datatypes::UInt64Type>().values().to_vec();
                for (row, number) in numbers.into_iter().enumerate() {
                    assert_eq!(part.column(1).as_binary::<i32>().value(row), texts[number as usize - 1].as_bytes());
                    assert!(matcher.matches(texts[number as usize - 1].as_bytes()));
                    found.push(number);
                }
            }
            let matching = texts.iter().filter(|text| matcher.matches(text.as_bytes())).count();
            let progress = scan.progress();
            let unread = progress.unread.lock();
            let missing = matching - found.len();
            assert!(missing as u64 <= unread.iter().map(|unread| unread.events).sum::<u64>(), "{missing} missing, told: {unread:?}");
            assert!(unread.iter().all(|unread| unread.what.contains("bytes") && unread.first >= 1 && unread.last <= 1_500), "{unread:?}");
            match found.len() {
                _ if unread.is_empty() => assert_eq!(missing, 0),
                0 => none += 1,
                _ => partial += 1,
            }
        }
    }
    println!("{partial} searches gave a part, {none} nothing");
    assert!(partial > none, "{partial} searches gave a part, {none} nothing");
}
