//! Tests of the model itself: a crash test is worth what its file system is worth.

use super::*;

fn path(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

fn written(vfs: &SimVfs, name: &str, bytes: &[u8]) -> Box<dyn VfsFile> {
    let file = vfs.create_new(&path(name)).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

/// What `name` may hold after a power cut, over many seeds; `None` stands for a missing file.
fn outcomes(prepare: impl Fn(&SimVfs)) -> BTreeSet<Option<Vec<u8>>> {
    (0..400)
        .map(|seed| {
            let vfs = SimVfs::new(seed);
            prepare(&vfs);
            vfs.power_cycle().read(&path("f")).ok()
        })
        .collect()
}

#[test]
fn synced_bytes_and_names_survive() {
    let found = outcomes(|vfs| {
        let file = written(vfs, "f", &[7; 5000]);
        file.sync_data().unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
    });
    assert_eq!(found, BTreeSet::from([Some(vec![7; 5000])]));
}

#[test]
fn a_name_that_was_not_synced_may_be_lost_with_all_its_bytes() {
    let found = outcomes(|vfs| written(vfs, "f", b"data").sync_data().unwrap());
    assert_eq!(found, BTreeSet::from([None, Some(b"data".to_vec())]));
}

#[test]
fn unsynced_bytes_may_be_lost_torn_or_reordered() {
    let found = outcomes(|vfs| {
        let file = written(vfs, "f", &[1; 512]);
        vfs.sync_dir(Path::new("/")).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(&[2; 512], 512).unwrap();
        file.write_all_at(&[3; 512], 1024).unwrap();
    });
    let first = vec![1; 512];
    let all = [vec![1; 512], vec![2; 512], vec![3; 512]].concat();
    let reordered = [vec![1; 512], vec![0; 512], vec![3; 512]].concat();
    for expected in [first, all, reordered] {
        assert!(found.contains(&Some(expected)));
    }
    for content in &found {
        assert_eq!(content.as_ref().unwrap()[..512], [1; 512], "what was synced is never touched");
    }
}

#[test]
fn overwriting_leaves_the_old_or_the_new_sector() {
    let found = outcomes(|vfs| {
        let file = written(vfs, "f", &[1; 1024]);
        file.sync_data().unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
        file.write_all_at(&[2; 1024], 0).unwrap();
    });
    assert!(found.len() >= 3);
    for content in found.into_iter().flatten() {
        assert_eq!(content.len(), 1024);
        for sector in content.chunks(512) {
            assert!(sector.iter().all(|b| *b == sector[0]), "a sector is old or new, never both");
        }
    }
}

#[test]
fn a_rename_is_whole_or_not_there() {
    let found = outcomes(|vfs| {
        written(vfs, "f", b"old").sync_data().unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
        written(vfs, "g", b"new").sync_data().unwrap();
        vfs.rename(&path("g"), &path("f")).unwrap();
    });
    assert_eq!(found, BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]));
}

#[test]
fn cutting_is_pending_too() {
    let found = outcomes(|vfs| {
        let file = written(vfs, "f", b"abcdef");
        file.sync_data().unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
        file.set_len(2).unwrap();
    });
    assert_eq!(found, BTreeSet::from([Some(b"ab".to_vec()), Some(b"abcdef".to_vec())]));
}

#[test]
fn after_a_failed_sync_another_sync_brings_nothing_back() {
    let lost = (0..200).any(|seed| {
        let vfs = SimVfs::new(seed);
        let file = written(&vfs, "f", &[5; 2048]);
        vfs.sync_dir(Path::new("/")).unwrap();
        vfs.fail_call(1, Fault::Error(io::ErrorKind::Other));
        file.sync_data().unwrap_err();
        file.sync_data().unwrap();
        assert_eq!(vfs.read(&path("f")).unwrap(), [5; 2048], "still read from memory");
        vfs.power_cycle().read(&path("f")).unwrap() != [5; 2048]
    });
    assert!(lost);
}

#[test]
fn faults_hit_the_call_they_are_meant_for() {
    let vfs = SimVfs::new(1);
    vfs.fail_call(2, Fault::Error(io::ErrorKind::TimedOut));
    let file = vfs.create_new(&path("f")).unwrap();
    assert_eq!(file.write_all_at(b"x", 0).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(file.metadata().unwrap().len, 0);
    vfs.fail_call(1, Fault::DoneButFailed(io::ErrorKind::TimedOut));
    assert!(file.write_all_at(b"x", 0).is_err());
    assert_eq!(vfs.read(&path("f")).unwrap(), b"x");
}

#[test]
fn after_a_power_cut_every_call_fails() {
    let vfs = SimVfs::new(3);
    let file = written(&vfs, "f", b"x");
    vfs.crash_after(2);
    file.sync_data().unwrap();
    assert!(is_power_cut(&vfs.sync_dir(Path::new("/")).unwrap_err()));
    assert!(is_power_cut(&file.sync_data().unwrap_err()));
    assert!(is_power_cut(&vfs.open_read(&path("f")).unwrap_err()));
    assert!(vfs.is_dead() && !vfs.power_cycle().is_dead());
}

#[test]
fn without_syncs_acknowledged_bytes_get_lost() {
    let found = outcomes(|vfs| {
        vfs.ignore_sync(Ignored { data: true, names: true });
        written(vfs, "f", b"data").sync_data().unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
    });
    assert!(found.contains(&None) && found.contains(&Some(Vec::new())));
}

#[test]
fn a_full_disk_takes_what_fits() {
    let vfs = SimVfs::new(4);
    vfs.set_capacity(Some(10));
    let file = written(&vfs, "f", b"12345678");
    assert_eq!(file.write_all_at(b"abcd", 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(vfs.read(&path("f")).unwrap(), b"12345678ab");
    assert_eq!(vfs.available_bytes(Path::new("/")).unwrap(), 0);
    file.write_all_at(b"over", 0).unwrap();
    vfs.remove_file(&path("f")).unwrap();
    assert_eq!(vfs.available_bytes(Path::new("/")).unwrap(), 10);
}

#[test]
fn locks_are_exclusive_and_end_with_their_holder() {
    let vfs = SimVfs::new(5);
    let held = vfs.lock(&path("lock")).unwrap();
    assert_eq!(vfs.lock(&path("lock")).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    vfs.fail_call(1, Fault::DoneButFailed(io::ErrorKind::Other));
    assert!(vfs.lock(&path("lock")).is_err());
    drop(vfs.lock(&path("lock")).unwrap());
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let run = || {
        let vfs = SimVfs::new(9);
        for number in 0..20 {
            written(&vfs, &number.to_string(), &vec![number; 3000]);
        }
        let after = vfs.power_cycle();
        let names = after.read_dir(Path::new("/")).unwrap();
        names.iter().map(|name| after.read(name).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
