//! A process that writes to a store and prints what was acknowledged, for tests that kill it, stop it or cut
//! its power.

use crate::ledger::{contents, origin};
use crate::plain::options;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use taffrail_base::{Metadata, RealVfs, Vfs, VfsFile};
use taffrail_event::{EventBatch, Problems, Timestamp};
use taffrail_store::Store;

/// Names the data folder for the child.
const FOLDER: &str = "TAFFRAIL_TEST_CHILD";
/// Has the child leave out every sync.
const WITHOUT_SYNC: &str = "TAFFRAIL_TEST_WITHOUT_SYNC";
const SENDERS: u64 = 4;

/// The number of the newest event that each sender knows to be acknowledged.
pub type Acknowledged = BTreeMap<u64, u64>;

/// What sender `sender` sends as its `number`-th event.
fn event(sender: u64, number: u64) -> String {
    format!("{sender} {number} sshd[{}]: Accepted publickey for user{} from 10.0.0.{}", number % 977, number % 13, number % 251)
}

/// The real file system, with syncs that do nothing.
#[derive(Debug)]
struct WithoutSync;

#[derive(Debug)]
struct FileWithoutSync(Box<dyn VfsFile>);

impl VfsFile for FileWithoutSync {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }
}

impl Vfs for WithoutSync {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(FileWithoutSync(RealVfs.create_new(path)?)))
    }
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        RealVfs.open_read(path)
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(FileWithoutSync(RealVfs.open_write(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealVfs.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealVfs.remove_file(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        RealVfs.read_dir(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        RealVfs.metadata(path)
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        RealVfs.lock(path)
    }
    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        RealVfs.available_bytes(path)
    }
}

/// To be called first by a test that starts children: in a child it does not return.
pub fn run_if_child() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let mut options = options(Path::new(&dir));
    options.settings.flush_events = 1_500;
    options.settings.journal_file_bytes = 60_000;
    // Kills also fall into merging.
    options.settings.upkeep = true;
    if std::env::var_os(WITHOUT_SYNC).is_some() {
        options.vfs = Arc::new(WithoutSync);
    }
    let store = Store::open(options).expect("it always starts");
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let store = &store;
            scope.spawn(move || send(store, sender));
        }
    });
    unreachable!("it writes until it is killed")
}

fn send(store: &Store, sender: u64) {
    let key = format!("sender/{sender}");
    let value = store.position(&key).map(|value| String::from_utf8(value).unwrap().parse().unwrap());
    let mut next: u64 = value.unwrap_or(0);
    loop {
        let mut batch = EventBatch::new(Timestamp(next as i64));
        let slot = batch.origin(&origin(["main", "other"][sender as usize % 2], "host"));
        let end = next + 1 + next % 17;
        for number in next..end {
            batch.push(slot, Timestamp(number as i64), Problems::NONE, event(sender, number).as_bytes());
        }
        batch.set_position(key.clone(), end.to_string());
        store.append_blocking(batch).expect("nothing is in the way");
        next = end;
        let line = format!("{sender} {end}\n");
        io::stdout().lock().write_all(line.as_bytes()).expect("the parent reads");
    }
}

/// A running child; killed when dropped.
pub struct Child {
    process: std::process::Child,
    acknowledged: Arc<parking_lot::Mutex<Acknowledged>>,
    reading: Option<std::thread::JoinHandle<()>>,
}

impl Child {
    /// Starts one on `dir`. `test` is the test that called [`run_if_child`].
    pub fn start(test: &str, dir: &Path, with_sync: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture", "--test-threads=1", "--include-ignored"]).env(FOLDER, dir);
        if !with_sync {
            command.env(WITHOUT_SYNC, "1");
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = process.stdout.take().unwrap();
        let acknowledged: Arc<parking_lot::Mutex<Acknowledged>> = Arc::default();
        let noted = acknowledged.clone();
        let reading = std::thread::spawn(move || {
            // The last line may be cut; the harness prints lines of its own.
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).into_owned();
                let numbers: Vec<u64> = text.split(' ').map_while(|word| word.parse().ok()).collect();
                if let [sender, end] = numbers[..]
                    && sender < SENDERS
                {
                    noted.lock().insert(sender, end);
                }
            }
        });
        Self { process, acknowledged, reading: Some(reading) }
    }

    /// What it said so far.
    pub fn acknowledged(&self) -> Acknowledged {
        self.acknowledged.lock().clone()
    }

    pub fn assert_running(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "the child ended by itself");
    }

    /// kill -9. Gives all that it said.
    pub fn kill(mut self) -> Acknowledged {
        self.assert_running();
        self.end();
        self.acknowledged()
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Stops it where it is, and waits until no thread of it runs.
    pub fn pause(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.process.id());
        let runs = |task: &Path| {
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            // The state follows the name, which stands in parentheses. `D`: within a call to the disk, and
            // stopped before it returns.
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            state.is_some_and(|state| !matches!(state, 'T' | 't' | 'D'))
        };
        while std::fs::read_dir(&tasks).unwrap().flatten().any(|task| runs(&task.path())) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether all that was acknowledged is there: each event once, in order, with the positions of the events
/// that are there. Gives how many there are.
pub fn check(store: &Store, acknowledged: &Acknowledged) -> Result<u64, String> {
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for (index, events) in contents(store).map_err(|e| e.to_string())? {
        for (expected, (number, raw)) in (1..).zip(events) {
            if number != expected {
                return Err(format!("{index}: event {number} where {expected} should be"));
            }
            let text = String::from_utf8(raw).map_err(|e| e.to_string())?;
            let sender: u64 =
                text.split(' ').next().and_then(|word| word.parse().ok()).ok_or_else(|| format!("{text:?} was never sent"))?;
            let at = next.entry(sender).or_default();
            if text != event(sender, *at) {
                return Err(format!("{text:?} where event {at} of sender {sender} should be"));
            }
            *at += 1;
        }
    }
    for (sender, end) in acknowledged {
        if next.get(sender).copied().unwrap_or(0) < *end {
            return Err(format!("sender {sender}: {end} acknowledged, {next:?} found"));
        }
    }
    for (sender, end) in &next {
        let position = store.position(&format!("sender/{sender}")).map(|value| String::from_utf8_lossy(&value).into_owned());
        if position.as_deref() != Some(&end.to_string()) {
            return Err(format!("sender {sender}: {end} events, and position {position:?}"));
        }
    }
    Ok(next.values().sum())
}
