//! Power cuts on real file systems: a process writes to a file system in an image file; it is stopped, the
//! image is copied, the copy is mounted, and the store is started on that. What the process had been told is
//! durable has to be there. Needs root and loop devices, so these run only when asked for:
//!
//! `TAFFRAIL_CUTS=300 cargo nextest run -p taffrail-store image --run-ignored all --no-capture`, or
//! `cargo xtask crash`. `TAFFRAIL_IMAGE_FS=xfs` takes that instead of ext4, `TAFFRAIL_IMAGE_MOUNT` names further
//! mount options (`data=writeback`). Btrfs does not work: it takes a copy for the mounted original.

use crate::child::{Child, check, run_if_child};
use crate::ledger::batch;
use crate::plain::options;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use taffrail_base::ErrorKind;
use taffrail_store::{Store, StoreSettings};

const CUTS: u64 = 100;

/// Cuts of one process, before another starts in an empty folder.
const CUTS_PER_LIFE: u64 = 8;

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| format!("{program}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Which file system.
fn kind() -> String {
    std::env::var("TAFFRAIL_IMAGE_FS").unwrap_or_else(|_| "ext4".to_owned())
}

/// A mounted image file; unmounted when dropped.
pub struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Result<Self, String> {
        std::fs::create_dir_all(&at).map_err(|e| e.to_string())?;
        let mut more = "loop".to_owned();
        if kind() == "xfs" {
            // It refuses a copy beside the original otherwise.
            more.push_str(",nouuid");
        }
        if let Ok(wanted) = std::env::var("TAFFRAIL_IMAGE_MOUNT") {
            more = format!("{more},{wanted}");
        }
        run("mount", &["-o", &more, &image.display().to_string(), &at.display().to_string()])?;
        Ok(Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(e) = run("umount", &[&self.0.display().to_string()]) {
            println!("left mounted: {e}");
        }
    }
}

/// An empty file system in an image file, mounted; or why there can be none.
fn image(folder: &Path, megabytes: u64, options: &[&str]) -> Result<(PathBuf, Mounted), String> {
    let kind = kind();
    assert!(matches!(&*kind, "ext4" | "xfs"), "{kind} cannot be tried this way");
    let path = folder.join("image");
    // XFS wants 300 MB at least.
    let megabytes = if kind == "ext4" { megabytes } else { megabytes.max(320) };
    std::fs::File::create(&path).and_then(|file| file.set_len(megabytes << 20)).map_err(|e| e.to_string())?;
    let force = if kind == "ext4" { "-F" } else { "-f" };
    let mut arguments = vec!["-q", force];
    arguments.extend(options);
    let shown = path.display().to_string();
    arguments.push(&shown);
    run(&format!("mkfs.{kind}"), &arguments)?;
    let mounted = Mounted::new(&path, folder.join("disk"))?;
    Ok((path, mounted))
}

/// A scratch folder in memory where there is one: images are copied many times.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn skipped(why: &str) {
    println!("SKIPPED, nothing was shown: no file system in a file here ({why})");
}

/// What a folder of the copy holds, compared with what was acknowledged before it was made.
fn look(dir: &Path, acknowledged: &crate::child::Acknowledged) -> Result<u64, String> {
    let store = Store::open(options(dir)).map_err(|e| format!("does not start: {e}"))?;
    let events = check(&store, acknowledged)?;
    store.append_blocking(batch("third", &["it goes on"])).map_err(|e| format!("does not go on: {e}"))?;
    store.close().map_err(|e| e.to_string())?;
    Ok(events)
}

/// How many of `wanted` power cuts lost something, and the first loss.
fn cuts(test: &str, wanted: u64, with_sync: bool) -> Result<(u64, Option<String>), String> {
    let scratch = scratch();
    let (image, disk) = image(scratch.path(), 160, &[])?;
    let (mut failed, mut first, mut events, mut acknowledged_all) = (0, None, 0, 0);
    let (mut rng, start) = (fastrand::Rng::new(), Instant::now());
    let copy = scratch.path().join("copy");
    for life in 0..wanted.div_ceil(CUTS_PER_LIFE) {
        let folder = format!("data-{life}");
        let mut child = Child::start(test, &disk.0.join(&folder), with_sync);
        while child.acknowledged().is_empty() {
            child.assert_running();
            std::thread::sleep(Duration::from_millis(5));
        }
        for cut in 0..CUTS_PER_LIFE.min(wanted - life * CUTS_PER_LIFE) {
            std::thread::sleep(Duration::from_millis(rng.u64(5..250)));
            child.pause();
            run("cp", &["--sparse=always", &image.display().to_string(), &copy.display().to_string()])?;
            let acknowledged = child.acknowledged();
            acknowledged_all += acknowledged.values().sum::<u64>();
            child.resume();
            let after = Mounted::new(&copy, scratch.path().join("after"))?;
            match look(&after.0.join(&folder), &acknowledged) {
                Ok(found) => events += found,
                Err(what) => {
                    failed += 1;
                    first.get_or_insert(format!("life {life}, cut {cut}: {what}"));
                }
            }
            child.assert_running();
        }
        drop(child);
        std::fs::remove_dir_all(disk.0.join(&folder)).map_err(|e| e.to_string())?;
    }
    println!(
        "{wanted} power cuts ({}) in {:?}: {failed} lost something; {acknowledged_all} events acknowledged, {events} found",
        if with_sync { "as it is" } else { "without syncs" },
        start.elapsed()
    );
    Ok((failed, first))
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask crash"]
fn no_cut_of_a_real_file_system_loses_an_acknowledged_event() {
    run_if_child();
    let wanted = crate::states::number("TAFFRAIL_CUTS").unwrap_or(CUTS);
    match cuts("image::no_cut_of_a_real_file_system_loses_an_acknowledged_event", wanted, true) {
        Ok((0, _)) => {}
        Ok((failed, first)) => panic!("{failed} of {wanted} cuts: {first:?}"),
        Err(why) => skipped(&why),
    }
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask crash"]
fn without_fsync_real_file_systems_lose_events() {
    run_if_child();
    let wanted = crate::states::number("TAFFRAIL_CUTS").unwrap_or(CUTS).min(60);
    match cuts("image::without_fsync_real_file_systems_lose_events", wanted, false) {
        Ok((failed, first)) => {
            println!("the first: {first:?}");
            assert!(failed * 100 >= wanted * 95, "{failed} of {wanted}: the test above shows too little");
        }
        Err(why) => skipped(&why),
    }
}

/// What fills the disk up.
#[derive(Clone, Copy, Debug)]
enum Ballast {
    Bytes,
    Files,
}

impl Ballast {
    /// Fills the file system until nothing more fits.
    fn fill(self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for number in 0.. {
            let path = folder.join(number.to_string());
            let done = match self {
                Self::Bytes => std::fs::write(&path, vec![7; if number < 200 { 1 << 20 } else { 4096 }]),
                Self::Files => std::fs::write(&path, b""),
            };
            match (done, self) {
                (Ok(()), _) => {}
                // The last whole megabyte did not fit; smaller pieces may.
                (Err(_), Self::Bytes) if number < 200 => {
                    (200..).map(|n| folder.join(n.to_string())).take_while(|path| std::fs::write(path, [7; 4096]).is_ok()).for_each(drop);
                    return;
                }
                (Err(_), _) => return,
            }
        }
    }
}

/// Appends until it is refused `refusals` times; gives what was taken.
fn fill_up(store: &Store, cycle: usize, taken: &mut Vec<String>, refusals: usize) {
    let mut refused = 0;
    while refused < refusals {
        let text = format!("cycle {cycle} event {} {}", taken.len(), "padding of a message ".repeat(40));
        match store.append_blocking(batch("main", &[&text])) {
            Ok(_) => taken.push(text),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Full), "{error}");
                assert!(error.hint().is_some(), "{error}");
                refused += 1;
            }
        }
        // With no more files, appends go on until the open one is full.
        assert!(taken.len() < 100_000, "the disk never fills up");
    }
}

fn full(ballast: Ballast, cycles: usize) -> Result<(), String> {
    let scratch = scratch();
    let (_image, disk) = image(scratch.path(), 64, &["-N", "600"])?;
    let (data, weight) = (disk.0.join("data"), disk.0.join("ballast"));
    let small = || {
        let mut options = options(&data);
        options.settings = StoreSettings { flush_bytes: 300_000, journal_file_bytes: 200_000, reserve_bytes: 0, ..options.settings };
        options
    };
    let mut store = Store::open(small()).map_err(|e| e.to_string())?;
    let (mut taken, mut longest) = (Vec::new(), Duration::ZERO);
    let texts = |store: &Store| crate::ledger::texts(store, "main");
    for cycle in 0..cycles {
        ballast.fill(&weight);
        if cycle % 2 == 0 {
            // Every other time it fills up while events arrive.
            (0..10).for_each(|number| std::fs::remove_file(weight.join(number.to_string())).unwrap());
        }
        fill_up(&store, cycle, &mut taken, 5);
        assert!(texts(&store) == taken, "cycle {cycle}: search goes on, with all that was acknowledged");
        if cycle % 3 == 1 {
            // Full at the start: what is there can be searched, and nothing is lost by trying to write.
            drop(store);
            store = Store::open(small()).unwrap_or_else(|e| panic!("{ballast:?}, cycle {cycle}: does not start on a full disk: {e}"));
            assert!(texts(&store) == taken, "cycle {cycle}: started on a full disk");
            fill_up(&store, cycle, &mut taken, 2);
            assert!(store.flush().is_err() || store.metrics().memory_events == 0);
        }
        std::fs::remove_dir_all(&weight).unwrap();
        let start = Instant::now();
        while store.append_blocking(batch("main", &["there is room"])).is_err() {
            assert!(start.elapsed().as_secs() < 10, "cycle {cycle}: it goes on within ten seconds");
            std::thread::sleep(Duration::from_millis(20));
        }
        longest = longest.max(start.elapsed());
        taken.push("there is room".to_owned());
        store.flush().unwrap_or_else(|e| panic!("cycle {cycle}: with room it writes out: {e}"));
    }
    drop(store);
    let store = Store::open(small()).map_err(|e| e.to_string())?;
    assert!(texts(&store) == taken);
    println!("{ballast:?}: {cycles} times full, {} events kept, it went on after {longest:?} at most", taken.len());
    Ok(())
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask crash"]
fn a_real_disk_that_is_full_refuses_and_goes_on_with_room() {
    for ballast in [Ballast::Bytes, Ballast::Files] {
        if let Err(why) = full(ballast, 15) {
            skipped(&why);
        }
    }
}
