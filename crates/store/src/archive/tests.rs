//! The cache gives back what was put in, or nothing, whatever becomes of its files.

use super::*;
use crate::catalog::Archived;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::{SimVfs, Ulid, VfsFile};
use taffrail_event::Timestamp;

/// One object, whose reads are counted.
#[derive(Debug)]
struct Counted {
    bytes: Vec<u8>,
    reads: AtomicU64,
}

impl Remote for Counted {
    fn put(&self, _: &str, _: Vec<u8>) -> Result<()> {
        unreachable!("only read")
    }
    fn len(&self, _: &str) -> Result<u64> {
        Ok(self.bytes.len() as u64)
    }
    fn get(&self, _: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.bytes[range.start as usize..range.end as usize].to_vec())
    }
    fn delete(&self, _: &str) -> Result<()> {
        unreachable!("only read")
    }
}

#[derive(Debug)]
struct One(Arc<Counted>);

impl Remotes for One {
    fn open(&self, _: &str) -> Result<Arc<dyn Remote>> {
        Ok(self.0.clone())
    }
}

fn file(vfs: &SimVfs, remote: &Arc<Counted>, cache_bytes: u64) -> (RemoteFile, Arc<Archive>) {
    let remotes: Arc<dyn Remotes> = Arc::new(One(remote.clone()));
    let archive = Arc::new(Archive::new(Some(remotes), Arc::new(vfs.clone()), &PathBuf::from("/cache"), cache_bytes, 0));
    let archived = Archived { url: "test:".into(), key: "one".into(), blake3: [0; 32], at: Timestamp(0) };
    (RemoteFile::new(archive.clone(), archived, Ulid(7), remote.bytes.len() as u64), archive)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reads_are_exact_whatever_happens_to_the_cache(
        len in 1usize..200_000,
        reads in prop::collection::vec((0usize..200_000, 1usize..30_000, 0u8..9), 1..20),
        cache_bytes in prop_oneof![Just(0u64), Just(40_000), Just(1 << 30)],
        seed in any::<u64>(),
    ) {
        let remote = Arc::new(Counted { bytes: (0..len).map(|at| (at * 31 % 251) as u8).collect(), reads: AtomicU64::new(0) });
        let vfs = SimVfs::new(seed);
        let (mut opened, mut archive) = file(&vfs, &remote, cache_bytes);
        let path = PathBuf::from("/cache").join(format!("{}.parts", Ulid(7)));
        for (offset, count, what) in reads {
            let mut buffer = vec![0; count];
            let read = opened.read_at(&mut buffer, offset as u64).unwrap();
            prop_assert_eq!(read, count.min(len.saturating_sub(offset)));
            prop_assert_eq!(&buffer[..read], &remote.bytes[offset.min(len)..offset.min(len) + read]);
            prop_assert!(archive.cache.bytes() <= cache_bytes);
            match what {
                // As after a restart.
                0 => (opened, archive) = file(&vfs, &remote, cache_bytes),
                1 => drop(vfs.remove_file(&path)),
                2 => drop(vfs.damage(&path, |bytes| {
                    let at = seed as usize % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1;
                    }
                })),
                3 => {
                    drop(vfs.damage(&path, |bytes| bytes.truncate(seed as usize % (bytes.len() + 1))));
                    (opened, archive) = file(&vfs, &remote, cache_bytes);
                }
                _ => {}
            }
        }
    }
}

/// A segment with so many bytes, read through a cache of so many; and the requests that reading all of it takes.
fn read_through(len: usize, cache_bytes: u64) -> u64 {
    let remote = Arc::new(Counted { bytes: vec![5; len], reads: AtomicU64::new(0) });
    let (opened, _) = file(&SimVfs::new(1), &remote, cache_bytes);
    let mut buffer = vec![0; 15_000];
    opened.read_at(&mut buffer, len as u64 - 100).unwrap();
    for offset in (0..len).step_by(15_000) {
        opened.read_at(&mut buffer, offset as u64).unwrap();
    }
    remote.reads.load(Ordering::Relaxed)
}

#[test]
fn what_was_read_is_not_read_again() {
    let remote = Arc::new(Counted { bytes: vec![5; 900_000], reads: AtomicU64::new(0) });
    let vfs = SimVfs::new(1);
    let mut buffer = vec![0; 1_000];
    for _ in 0..3 {
        let (opened, _) = file(&vfs, &remote, 1 << 21);
        for offset in [899_000, 850_000, 600_000, 0, 500, 200_000] {
            opened.read_at(&mut buffer, offset).unwrap();
        }
    }
    // The end, which holds the second as well; the third piece; the first.
    assert_eq!(remote.reads.load(Ordering::Relaxed), 3);
}

#[test]
fn reading_a_segment_from_end_to_end_takes_few_requests() {
    // The end, a piece, two, and then a megabyte each.
    assert_eq!(read_through(3_000_000, 1 << 30), 6);
    // The same without a cache, as on a full disk.
    assert_eq!(read_through(3_000_000, 0), 6);
}
