//! Followed files, one way of changing them at a time.

use crate::sink::{Disk, MemorySink, until};
use parking_lot::Mutex;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_collect::files::FileSettings;
use taffrail_collect::input::InputSettings;
use taffrail_collect::{InputSnapshot, Running};
use taffrail_event::Problems;
use tokio::runtime::Runtime;

/// An input that follows, and its sink.
pub struct Follower {
    running: Option<Running>,
    runtime: Runtime,
    pub sink: Arc<MemorySink>,
}

impl Follower {
    pub fn start(sink: &Arc<MemorySink>, settings: FileSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = {
            let _inside = runtime.enter();
            InputSettings::File(settings).build().unwrap().start(sink.context()).unwrap()
        };
        Self { runtime, running: Some(running), sink: Arc::clone(sink) }
    }

    pub fn wait_for(&self, events: usize) {
        until(&format!("{events} events"), || self.sink.count() >= events);
    }

    pub fn snapshot(&self) -> InputSnapshot {
        self.running.as_ref().unwrap().counters.snapshot()
    }

    pub fn stop(mut self) -> InputSnapshot {
        let running = self.running.take().unwrap();
        let counters = Arc::clone(&running.counters);
        self.runtime.block_on(running.stop());
        counters.snapshot()
    }
}

pub fn settings(paths: &[String]) -> FileSettings {
    FileSettings { paths: paths.to_vec(), poll_seconds: 0.05, partial_line_seconds: 0.3, quiet_seconds: 0.1, ..FileSettings::default() }
}

pub fn everything_in(folder: &Path) -> FileSettings {
    settings(&[folder.display().to_string()])
}

pub fn append(path: &Path, text: impl AsRef<[u8]>) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_ref()).unwrap();
}

/// Makes the file look as if nobody had written to it for a while.
fn rest(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(100)).unwrap();
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    (folder, path)
}

fn lines(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("2026-03-01T00:00:00Z line {n}\n")).collect()
}

fn assert_lines(sink: &MemorySink, expected: &str) {
    let got = String::from_utf8(sink.lines()).unwrap();
    assert!(got == expected, "got:\n{got}\nexpected:\n{expected}");
}

/// Starts, waits for so many events, looks a little longer whether there are more, and stops.
fn once(sink: &Arc<MemorySink>, folder: &Path, events: usize) -> InputSnapshot {
    let follower = Follower::start(sink, everything_in(folder));
    follower.wait_for(events);
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(sink.count(), events);
    follower.stop()
}

#[test]
fn a_file_is_followed_and_a_restart_reads_nothing_twice() {
    let (folder, path) = folder();
    append(&path, lines(0, 100));
    let sink = MemorySink::new();
    let follower = Follower::start(&sink, everything_in(folder.path()));
    follower.wait_for(100);
    append(&path, lines(100, 150));
    follower.wait_for(150);
    let other = folder.path().join("below/other.log");
    std::fs::create_dir(other.parent().unwrap()).unwrap();
    append(&other, lines(150, 160));
    follower.wait_for(160);
    let snapshot = follower.stop();
    append(&path, lines(160, 170));
    once(&sink, folder.path(), 170);
    assert_lines(&sink, &lines(0, 170));
    assert_eq!(*sink.events()[0].origin.source, *path.display().to_string());
    let total = snapshot.total();
    assert_eq!((total.received_events, total.stored_events, snapshot.lost_bytes), (160, 160, 0));
}

#[test]
fn short_files_keep_their_identity_while_they_grow() {
    let (folder, path) = folder();
    let sink = MemorySink::new();
    // 31 bytes a line: from far below the 1024 bytes of the fingerprint to beyond, with a restart at each step.
    for n in 0..60 {
        append(&path, lines(n, n + 1));
        if n % 3 == 0 || n > 30 && n < 36 {
            let follower = Follower::start(&sink, everything_in(folder.path()));
            follower.wait_for(n + 1);
            follower.stop();
        }
    }
    once(&sink, folder.path(), 60);
    assert_lines(&sink, &lines(0, 60));
    assert_eq!(sink.disk.lock().positions.len(), 1, "one content, one position");
}

#[test]
fn a_last_line_without_end_waits_and_then_is_an_event() {
    let (folder, path) = folder();
    let sink = MemorySink::new();
    append(&path, "whole\npart");
    let follower = Follower::start(&sink, everything_in(folder.path()));
    follower.wait_for(1);
    append(&path, "ial");
    follower.wait_for(2);
    assert_eq!(sink.texts(), ["whole", "partial"]);
    append(&path, " that grew\nnext\nlast");
    follower.wait_for(5);
    append(&path, "\nthe end\n");
    follower.wait_for(6);
    follower.stop();
    assert_eq!(sink.texts(), ["whole", "partial", " that grew", "next", "last", "the end"]);
    assert!(sink.events()[2].problems.contains(Problems::CONTINUED));
    // Stopped in the middle of a line: it is read again, whole.
    append(&path, "stopped ");
    let follower = Follower::start(&sink, FileSettings { partial_line_seconds: 100.0, ..everything_in(folder.path()) });
    std::thread::sleep(Duration::from_millis(200));
    follower.stop();
    append(&path, "here\n");
    once(&sink, folder.path(), 7);
    assert_eq!(sink.texts()[6], "stopped here");
}

#[test]
fn rotations_while_stopped() {
    for size in [3, 500] {
        let (folder, path) = folder();
        let sink = MemorySink::new();
        append(&path, lines(0, size));
        once(&sink, folder.path(), size);
        // Renamed, with more lines before; a new file under the old name.
        append(&path, lines(size, size + 1));
        let old = folder.path().join("app.log.1");
        std::fs::rename(&path, &old).unwrap();
        append(&path, lines(1_000, 1_001));
        once(&sink, folder.path(), size + 2);
        // The old one compressed under another name, with a line that nobody has read yet.
        append(&old, lines(2_000, 2_001));
        compress(&old, &folder.path().join("app.log.2.gz"));
        once(&sink, folder.path(), size + 3);
        // The new one copied and truncated.
        append(&path, lines(1_001, 1_002));
        std::fs::copy(&path, &old).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        append(&path, lines(3_000, 3_001));
        once(&sink, folder.path(), size + 5);
        let mut got = sink.texts();
        got.sort_by_key(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap());
        let expected = lines(0, size + 1) + &lines(1_000, 1_002) + &lines(2_000, 2_001) + &lines(3_000, 3_001);
        assert_eq!(got.join("\n") + "\n", expected, "size {size}");
    }
}

fn compress(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    std::fs::write(to, encoder.finish().unwrap()).unwrap();
    rest(to);
    std::fs::remove_file(from).unwrap();
}

#[test]
fn compressed_files_are_read_once() {
    let (folder, _) = folder();
    let sink = MemorySink::new();
    let text = lines(0, 3_000);
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        rest(&folder.path().join(name));
    };
    file("old.log.2.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap());
    let whole = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(lines(5_000, 6_000).as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    file("cut.log.3.gz", &whole[..whole.len() / 2]);
    let follower = Follower::start(&sink, everything_in(folder.path()));
    until("both are read", || sink.count() > 3_000 && follower.snapshot().skipped == [("damaged", 1)]);
    follower.stop();
    let events = sink.count();
    once(&sink, folder.path(), events);
    // Complete after all: the rest is read.
    file("cut.log.3.gz", &whole);
    let follower = Follower::start(&sink, everything_in(folder.path()));
    follower.wait_for(4_000);
    follower.stop();
    let mut got = sink.texts();
    got.sort();
    let mut expected: Vec<String> = (lines(0, 3_000) + &lines(5_000, 6_000)).lines().map(str::to_owned).collect();
    expected.sort();
    assert!(got == expected);
    // Rotation goes on: other names, same files.
    std::fs::rename(folder.path().join("old.log.2.zst"), folder.path().join("old.log.3.zst")).unwrap();
    once(&sink, folder.path(), 4_000);
}

#[test]
fn truncated_files_start_anew_however_much_they_grew_since() {
    let (folder, path) = folder();
    let sink = MemorySink::new();
    append(&path, lines(0, 50));
    let follower = Follower::start(&sink, everything_in(folder.path()));
    follower.wait_for(50);
    // Further than before, in one step.
    std::fs::write(&path, lines(1_000, 1_200)).unwrap();
    follower.wait_for(250);
    // To nothing, then exactly what was there before.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    append(&path, lines(1_000, 1_003));
    follower.wait_for(253);
    // By a writer that does not notice: it goes on at its old place, behind a hole.
    let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
    use std::io::Seek;
    writer.seek(std::io::SeekFrom::End(0)).unwrap();
    writer.set_len(0).unwrap();
    writer.write_all(lines(7_000, 7_002).as_bytes()).unwrap();
    follower.wait_for(255);
    follower.stop();
    assert_lines(&sink, &(lines(0, 50) + &lines(1_000, 1_200) + &lines(1_000, 1_003) + &lines(7_000, 7_002)));
}

#[test]
fn an_inode_that_is_used_again_is_another_file() {
    let (folder, path) = folder();
    let sink = MemorySink::new();
    for round in 0..20 {
        let (from, to) = (round * 10, round * 10 + 10);
        append(&path, lines(from, to));
        once(&sink, folder.path(), to);
        std::fs::remove_file(&path).unwrap();
    }
    // And while it is followed.
    let follower = Follower::start(&sink, everything_in(folder.path()));
    for round in 20..30 {
        append(&path, lines(round * 10, round * 10 + 10));
        follower.wait_for(round * 10 + 10);
        std::fs::remove_file(&path).unwrap();
    }
    follower.stop();
    assert_lines(&sink, &lines(0, 300));
}

#[test]
fn files_that_begin_alike_are_two_and_hard_links_are_one() {
    let (folder, path) = folder();
    let sink = MemorySink::new();
    let banner = "=".repeat(2_000) + "\n";
    let worker = |n: usize| folder.path().join(format!("worker-{n}.log"));
    let follower = Follower::start(&sink, everything_in(folder.path()));
    // Related names, the same beginning, growing side by side.
    for n in 1..=2 {
        append(&worker(n), &banner);
    }
    append(&worker(1), "of one\n");
    append(&worker(2), "of two\n");
    append(&path, "linked\n");
    std::fs::hard_link(&path, folder.path().join("app.link")).unwrap();
    follower.wait_for(5);
    append(&worker(1), "more of one\n");
    append(&worker(2), "more of two\n");
    append(&path, "linked more\n");
    follower.wait_for(8);
    follower.stop();
    once(&sink, folder.path(), 8);
    let of =
        |name: &str| sink.events().iter().filter(|event| event.origin.source.ends_with(name)).map(|event| event.text()).collect::<Vec<_>>();
    assert_eq!(of("worker-1.log"), [banner.trim_end(), "of one", "more of one"]);
    assert_eq!(of("worker-2.log"), [banner.trim_end(), "of two", "more of two"]);
    assert_eq!(of("app.log").len() + of("app.link").len(), 2);
}

#[test]
fn binaries_are_skipped_the_unreadable_are_named_pipes_are_left_alone() {
    let (folder, path) = folder();
    let sink = MemorySink::new();
    std::fs::write(folder.path().join("wtmp"), [0; 384]).unwrap();
    std::fs::write(folder.path().join("system.journal"), b"LPKSHHRH").unwrap();
    std::process::Command::new("mkfifo").arg(folder.path().join("pipe.log")).status().unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).unwrap();
    append(&path, [b"\xff\xfe\0 any bytes \x01\n".as_slice(), &[b'x'; 10_000_000], b"\n"].concat());
    let settings = FileSettings { exclude: vec![format!("{}/circle", folder.path().display())], ..everything_in(folder.path()) };
    let follower = Follower::start(&sink, settings);
    follower.wait_for(2);
    let snapshot = follower.stop();
    assert_eq!(snapshot.skipped, [("binary", 2)]);
    assert_eq!(sink.events()[0].raw, b"\xff\xfe\0 any bytes \x01");
    assert_eq!(sink.events()[1].raw.len(), 10_000_000);
}

#[test]
fn patterns_name_what_is_followed() {
    let (folder, path) = folder();
    let sink = MemorySink::new();
    append(&path, "yes\n");
    append(&folder.path().join("app.txt"), "no\n");
    std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
    append(&folder.path().join("a/b/deep.log"), "deep\n");
    append(&folder.path().join("a/skip.log"), "no\n");
    let root = folder.path().display();
    let settings = FileSettings {
        exclude: vec![format!("{root}/**/skip*")],
        ..settings(&[format!("{root}/*.log"), format!("{root}/**/*.log"), format!("{root}/not there/*.log")])
    };
    let follower = Follower::start(&sink, settings);
    follower.wait_for(2);
    // Renamed to a name that nobody follows: what is still written there is read.
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    std::fs::rename(&path, folder.path().join("app.old")).unwrap();
    writer.write_all(b"after the rename\n").unwrap();
    follower.wait_for(3);
    follower.stop();
    let mut got = sink.texts();
    got.sort();
    assert_eq!(got, ["after the rename", "deep", "yes"]);
}

#[test]
fn two_thousand_files_with_few_open() {
    let (folder, _) = folder();
    let disk = Arc::<Mutex<Disk>>::default();
    let sink = MemorySink::over(&disk);
    let path = |n: usize| folder.path().join(format!("file{n}.log"));
    for n in 0..2_000 {
        append(&path(n), format!("first of {n}\n"));
    }
    let follower = Follower::start(&sink, everything_in(folder.path()));
    follower.wait_for(2_000);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    assert!(open < 900, "{open} open files");
    for n in 0..2_000 {
        append(&path(n), format!("second of {n}\n"));
    }
    follower.wait_for(4_000);
    follower.stop();
    once(&sink, folder.path(), 4_000);
    assert_eq!(disk.lock().positions.len(), 2_000);
}
