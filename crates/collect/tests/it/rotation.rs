//! Torture: numbered lines through random rotations while the input is stopped, started and killed. Every line
//! must be there once, and in order.

use crate::files::{Follower, append, everything_in};
use crate::sink::{Disk, Failure, MemorySink, until};
use parking_lot::Mutex;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct Log {
    path: PathBuf,
    written: usize,
    rotations: usize,
    history: Vec<(usize, &'static str)>,
}

impl Log {
    fn write(&mut self, lines: u64) {
        let text: String = (0..lines).map(|n| format!("2026-03-01T00:00:00Z app: line {}\n", self.written + n as usize)).collect();
        append(&self.path, text);
        self.written += lines as usize;
    }

    fn numbered(&self, number: usize, suffix: &str) -> PathBuf {
        self.path.with_file_name(format!("app.log.{number}{suffix}"))
    }

    /// As logrotate does it: the old ones move up by one, then the current one becomes the first.
    fn shift(&mut self) -> PathBuf {
        self.rotations += 1;
        for number in (1..=self.rotations).rev() {
            for suffix in ["", ".gz"] {
                let from = self.numbered(number, suffix);
                if from.exists() {
                    std::fs::rename(from, self.numbered(number + 1, suffix)).unwrap();
                }
            }
        }
        self.numbered(1, "")
    }

    fn rename(&mut self) {
        let old = self.shift();
        std::fs::rename(&self.path, old).unwrap();
    }

    fn copy_truncate(&mut self) {
        let old = self.shift();
        std::fs::copy(&self.path, old).unwrap();
        OpenOptions::new().write(true).open(&self.path).unwrap().set_len(0).unwrap();
    }

    fn compress_one(&mut self) {
        let Some(plain) = (1..=self.rotations + 1).map(|n| self.numbered(n, "")).find(|path| path.exists()) else { return };
        let bytes = std::fs::read(&plain).unwrap();
        let packed = PathBuf::from(format!("{}.gz", plain.display()));
        let file = std::fs::File::create(&packed).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        // In two steps, so that a half-written file is there to be met.
        let (one, two) = bytes.split_at(bytes.len() / 2);
        encoder.write_all(one).unwrap();
        encoder.flush().unwrap();
        std::thread::sleep(Duration::from_millis(5));
        encoder.write_all(two).unwrap();
        encoder.finish().unwrap();
        std::fs::remove_file(plain).unwrap();
    }
}

fn torture(seed: u64, rounds: usize, kill: bool, compress: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let mut log = Log { path: folder.path().join("app.log"), written: 0, rotations: 0, history: Vec::new() };
    log.write(1);
    let disk = Arc::<Mutex<Disk>>::default();
    let mut follower = start(&disk, folder.path(), None);
    for _ in 0..rounds {
        let choice = random.below(12);
        log.history.push((
            log.written,
            ["write", "write", "write", "write", "write", "write", "rename", "copytruncate", "compress", "restart", "sleep", "sleep"]
                [choice as usize],
        ));
        match choice {
            0..=4 => {
                let lines = 1 + random.below(60);
                log.write(lines);
            }
            5 => log.write(3_000),
            6 => log.rename(),
            7 => log.copy_truncate(),
            8 if compress => log.compress_one(),
            8 => log.write(1),
            9 if kill => {
                // It dies at some append to come, before or after that is durable.
                let at = random.below(4);
                let failure = if random.below(2) == 0 { Failure::Io(at) } else { Failure::DoneButFailed(at) };
                *follower.sink.failure.lock() = failure;
                log.write(10);
                std::thread::sleep(Duration::from_millis(random.below(80)));
                follower.stop();
                follower = start(&disk, folder.path(), None);
            }
            9 => {
                follower.stop();
                let lines = random.below(5);
                log.write(lines);
                follower = start(&disk, folder.path(), None);
            }
            _ => std::thread::sleep(Duration::from_millis(random.below(120))),
        }
        if !log.path.exists() {
            log.write(1);
        }
        if !compress && matches!(choice, 6 | 7 | 9) {
            // Order is promised when a rotation is seen before the next one.
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    until(&format!("seed {seed}: all {} lines, {} now", log.written, disk.lock().events.len()), || disk.lock().events.len() >= log.written);
    std::thread::sleep(Duration::from_millis(300));
    let snapshot = follower.stop();
    let numbers: Vec<usize> = disk.lock().events.iter().map(|event| event.text().rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    // Without time to look between two rotations, a file comes when it is found: maybe after the lines that follow it.
    let mut ordered = numbers.clone();
    if compress {
        ordered.sort_unstable();
    }
    if !ordered.iter().copied().eq(0..log.written) {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        let missing: Vec<usize> = (0..log.written).filter(|n| sorted.binary_search(n).is_err()).take(20).collect();
        let twice: Vec<usize> = sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).take(20).collect();
        let unordered: Vec<_> = numbers.windows(2).filter(|pair| pair[0] > pair[1]).collect();
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        panic!(
            "seed {seed}: missing {missing:?}, twice {twice:?}, out of order {unordered:?}, {} lines, {names:?}, {:?}",
            log.written, log.history
        );
    }
    assert_eq!(snapshot.lost_bytes, 0, "seed {seed}");
}

/// Seeds per test: more by `TAFFRAIL_SEEDS`.
fn seeds() -> u64 {
    std::env::var("TAFFRAIL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6)
}

fn start(disk: &Arc<Mutex<Disk>>, folder: &Path, failure: Option<Failure>) -> Follower {
    let sink = MemorySink::failing(disk, failure.unwrap_or(Failure::None));
    Follower::start(&sink, everything_in(folder))
}

#[test]
fn rotations_while_following_and_restarting() {
    for seed in 0..seeds() {
        torture(seed, 60, false, seed % 2 == 0);
    }
}

#[test]
fn rotations_while_being_killed() {
    for seed in 1_000..1_000 + seeds() {
        torture(seed, 60, true, seed % 2 == 0);
    }
}

/// A family of numbered files without a name of its own for the newest: `hostd.0` to `hostd.9`.
struct Family {
    folder: PathBuf,
    written: usize,
    disk: Arc<Mutex<Disk>>,
}

impl Family {
    const NUMBERS: usize = 10;

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(format!("hostd.{number}"))
    }

    fn write(&mut self, number: usize, lines: usize) {
        let text: String = (0..lines).map(|n| format!("2026-03-01T00:00:00Z hostd: line {}\n", self.written + n)).collect();
        append(&self.path(number), text);
        self.written += lines;
    }

    /// What is removed later has to be read before.
    fn wait(&self) {
        until(&format!("{} lines of {}", self.disk.lock().events.len(), self.written), || self.disk.lock().events.len() >= self.written);
    }

    fn check(&self, follower: Follower) {
        self.wait();
        std::thread::sleep(Duration::from_millis(300));
        let snapshot = follower.stop();
        let numbers: Vec<usize> =
            self.disk.lock().events.iter().map(|event| event.text().rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
        assert!(
            numbers.iter().copied().eq(0..self.written),
            "each line once and in order: {} of {}: {numbers:?}",
            numbers.len(),
            self.written
        );
        assert_eq!(snapshot.lost_bytes, 0);
    }
}

#[test]
fn a_family_whose_numbers_move_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut family = Family { folder: folder.path().to_owned(), written: 0, disk: Arc::default() };
    let mut follower = start(&family.disk, folder.path(), None);
    // More often than there are numbers: the oldest go.
    for round in 0..2 * Family::NUMBERS + 3 {
        family.write(0, 30);
        if round % 7 == 3 {
            follower.stop();
            family.write(0, 5);
            follower = start(&family.disk, folder.path(), None);
        }
        family.wait();
        family.write(0, 1);
        let oldest = family.path(Family::NUMBERS - 1);
        if oldest.exists() {
            std::fs::remove_file(oldest).unwrap();
        }
        for number in (0..Family::NUMBERS - 1).rev().filter(|number| family.path(*number).exists()) {
            std::fs::rename(family.path(number), family.path(number + 1)).unwrap();
        }
        // The last line of the file is read although it has another name by now.
        if round % 2 == 0 {
            family.wait();
        }
        family.write(0, 3);
        family.wait();
    }
    assert!((0..Family::NUMBERS).all(|number| family.path(number).exists()));
    family.check(follower);
}

#[test]
fn a_family_whose_numbers_are_used_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut family = Family { folder: folder.path().to_owned(), written: 0, disk: Arc::default() };
    let mut follower = start(&family.disk, folder.path(), None);
    for round in 0..2 * Family::NUMBERS + 3 {
        let number = round % Family::NUMBERS;
        if family.path(number).exists() {
            // Emptied, or made anew, and not always longer than it was.
            if round % 2 == 0 {
                OpenOptions::new().write(true).open(family.path(number)).unwrap().set_len(0).unwrap();
            } else {
                std::fs::remove_file(family.path(number)).unwrap();
            }
        }
        family.write(number, 20 + (round * 7) % 30);
        family.wait();
        if round % 8 == 5 {
            follower.stop();
            family.write(number, 4);
            follower = start(&family.disk, folder.path(), None);
            family.wait();
        }
    }
    family.check(follower);
}
