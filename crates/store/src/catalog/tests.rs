//! Both catalogs keep what was committed.
#![allow(clippy::disallowed_methods)] // tempfile and std::fs

use super::*;
use std::path::Path;
use taffrail_base::{ErrorKind, SimVfs, Vfs};

fn meta(number: u128) -> SegmentMeta {
    SegmentMeta {
        id: Ulid(number),
        index: "main".into(),
        events: 3,
        raw_bytes: 100,
        stored_bytes: 50,
        patterns: 2,
        min_time: Timestamp(-5),
        max_time: Timestamp(7),
        first_sequence: 1,
        end_sequence: 9,
        summary: [1, 2].into(),
    }
}

fn hold() -> Hold {
    let (earliest, latest, since) = (Timestamp(-3), Timestamp::MAX, Timestamp(5));
    Hold { index: Some("main".into()), earliest, latest, reason: "why".into(), since }
}

fn archived() -> Archived {
    Archived { url: "file:///a".into(), key: "main/2.seg".into(), blake3: [9; 32], at: Timestamp(4) }
}

fn first() -> CatalogChange {
    CatalogChange {
        added: vec![meta(1), meta(2)],
        next_sequences: vec![("main".into(), 4)],
        positions: vec![("a".into(), Some(vec![0, 255])), ("b".into(), Some(vec![]))],
        positions_sequence: 9,
        covered_sequence: 8,
        holds: vec![("case 7".into(), Some(Hold { index: None, ..hold() }))],
        ..CatalogChange::default()
    }
}

fn second() -> CatalogChange {
    CatalogChange {
        removed: vec![Removal::of(&meta(1), "retention:400d", Timestamp(99), Some([7; 32]))],
        archived: vec![(Removal::of(&meta(2), "archived:file:///a", Timestamp(98), None), archived())],
        forgotten: vec![Ulid(1)],
        holds: vec![("case 7".into(), None), ("case 8".into(), Some(hold()))],
        next_sequences: vec![("main".into(), 9), ("other".into(), 2)],
        positions: vec![("a".into(), None), ("c".into(), Some(vec![1]))],
        positions_sequence: 12,
        ..CatalogChange::default()
    }
}

fn check(open: impl Fn() -> Box<dyn Catalog>) {
    let mut expected = CatalogState::default();
    assert_eq!(open().load().unwrap(), expected);
    for change in [first(), second(), second()] {
        open().commit(&change).unwrap();
        expected.apply(&change);
        assert_eq!(open().load().unwrap(), expected);
    }
    let recorded: Vec<Removal> = second().archived.into_iter().map(|(removal, _)| removal).chain(second().removed).collect();
    assert_eq!(open().removals().unwrap(), recorded, "once, however often it is committed");
}

#[test]
fn the_first_layout_is_read_as_it_is_and_migrated_by_a_writer() {
    use sqlx::{Connection, SqliteConnection};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
        sqlx::raw_sql(sqlite::MIGRATIONS[0]).execute(&mut connection).await.unwrap();
        let row = "INSERT INTO segments VALUES ('00000000000000000000000001', 'main', 3, 100, 50, 2, -5, 7, 1)";
        sqlx::raw_sql(row).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    let old = SegmentMeta { end_sequence: 4, summary: Arc::default(), ..meta(1) };
    let expected = CatalogState { segments: BTreeMap::from([(Ulid(1), old)]), ..CatalogState::default() };
    let before = std::fs::read(&path).unwrap();
    let reader = SqliteCatalog::open_read_only(&path).unwrap();
    assert_eq!((reader.load().unwrap(), reader.removals().unwrap()), (expected.clone(), Vec::new()));
    drop(reader);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(SqliteCatalog::open(&path).unwrap().load().unwrap(), expected);
}

#[test]
fn sqlite_keeps_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    check(|| Box::new(SqliteCatalog::open(&path).unwrap()));
}

#[test]
fn the_simulated_one_keeps_what_was_committed() {
    let vfs = Arc::new(SimVfs::new(1));
    check(|| Box::new(SimCatalog::open(vfs.clone(), Path::new("/")).unwrap()));
}

#[test]
fn reading_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let missing = SqliteCatalog::open_read_only(&path).err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    SqliteCatalog::open(&path).unwrap().commit(&first()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let reader = SqliteCatalog::open_read_only(&path).unwrap();
    assert_eq!(reader.load().unwrap().segments.len(), 2);
    assert!(reader.commit(&second()).is_err());
    let writer = SqliteCatalog::open(&path).unwrap();
    assert_eq!(writer.load().unwrap(), reader.load().unwrap());
    drop((reader, writer));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn damage_and_newer_layouts_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::fs::write(&path, b"this is no database, but it is long enough to look like one at first sight".repeat(20)).unwrap();
    let error = SqliteCatalog::open(&path).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("catalog.db"));
}

#[test]
fn a_commit_cut_by_a_power_cut_is_there_or_not() {
    for seed in 0..300 {
        let vfs = SimVfs::new(seed);
        let catalog = SimCatalog::open(Arc::new(vfs.clone()), Path::new("/")).unwrap();
        catalog.commit(&first()).unwrap();
        vfs.crash_after(1 + seed % 7);
        let done = catalog.commit(&second()).is_ok();
        let after: Arc<dyn Vfs> = Arc::new(vfs.power_cycle());
        let found = SimCatalog::open(after, Path::new("/")).unwrap().load().unwrap();
        let mut expected = CatalogState::default();
        expected.apply(&first());
        if found == expected {
            assert!(!done, "seed {seed}");
        } else {
            expected.apply(&second());
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_segment_s_path_comes_from_its_id_and_index() {
    let id = Ulid(1_700_000_000_000u128 << 80);
    let path = segment_path(&SegmentMeta { id, ..meta(0) });
    assert_eq!(path, Path::new("segments/main/2023-11-14").join(format!("{id}.seg")));
}

#[test]
fn a_commit_that_was_cut_off_is_undone_for_readers_too() {
    use sqlx::{Connection, SqliteConnection};
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("catalog.db"), folder.path().join("left.db"));
    SqliteCatalog::open(&path).unwrap().commit(&first()).unwrap();
    let expected = SqliteCatalog::open(&path).unwrap().load().unwrap();
    // A transaction larger than its cache: the file is changed before the commit, as after a kill in the middle.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        sqlx::raw_sql("PRAGMA cache_size = 2; BEGIN IMMEDIATE; DELETE FROM segments; UPDATE indexes SET next_sequence = 77;")
            .execute(&mut connection)
            .await
            .unwrap();
        for number in 0..200 {
            let query = sqlx::query("INSERT INTO positions VALUES (?, ?)").bind(format!("key {number}")).bind(vec![7u8; 900]);
            query.execute(&mut connection).await.unwrap();
        }
        std::fs::copy(&path, &left).unwrap();
        std::fs::copy(folder.path().join("catalog.db-journal"), folder.path().join("left.db-journal")).unwrap();
    });
    assert_ne!(std::fs::metadata(&left).unwrap().len(), 0);
    let before = std::fs::read(&left).unwrap();
    assert_eq!(SqliteCatalog::open_read_only(&left).unwrap().load().unwrap(), expected);
    assert_eq!(std::fs::read(&left).unwrap(), before);
    assert_eq!(SqliteCatalog::open(&left).unwrap().load().unwrap(), expected);
    assert_ne!(std::fs::read(&left).unwrap(), before, "the file was changed by what is undone");
}
