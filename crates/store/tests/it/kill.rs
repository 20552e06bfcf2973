//! kill -9 at random moments: a child writes and prints what was acknowledged, its parent kills it and looks.

use crate::ledger::{contents, origin};
use crate::plain::options;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use taffrail_event::{EventBatch, Problems, Timestamp};
use taffrail_store::Store;

/// Names the data folder for the child.
const CHILD: &str = "TAFFRAIL_TEST_KILL_CHILD";
const KILLS: usize = 200;
const SENDERS: u64 = 4;

/// What sender `sender` sends as its `number`-th event.
fn event(sender: u64, number: u64) -> String {
    format!("{sender} {number} sshd[{}]: Accepted publickey for user{} from 10.0.0.{}", number % 977, number % 13, number % 251)
}

fn main_of_child(dir: &Path) -> ! {
    let mut options = options(dir);
    options.settings.flush_events = 1_500;
    options.settings.journal_file_bytes = 60_000;
    let store = Store::open(options).expect("it always starts");
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let store = &store;
            scope.spawn(move || {
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
                    std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent reads");
                }
            });
        }
    });
    unreachable!("it writes until it is killed")
}

/// Runs a child for `life`, kills it, and gives what it said was acknowledged, per sender.
fn one_life(dir: &Path, life: Duration) -> BTreeMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::no_kill_loses_or_doubles_an_acknowledged_event", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut acknowledged = BTreeMap::new();
        // The last line may be cut; the harness prints lines of its own.
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).into_owned();
            let numbers: Vec<u64> = text.split(' ').map_while(|word| word.parse().ok()).collect();
            if let [sender, end] = numbers[..]
                && sender < SENDERS
            {
                acknowledged.insert(sender, end);
            }
        }
        acknowledged
    });
    std::thread::sleep(life);
    assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap()
}

fn check(dir: &Path, acknowledged: &BTreeMap<u64, u64>) -> u64 {
    let mut settings = options(dir);
    settings.read_only = true;
    let store = Store::open(settings).unwrap();
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for (index, events) in contents(&store).unwrap() {
        for (expected, (number, raw)) in (1..).zip(events) {
            assert_eq!(number, expected, "{index}");
            let text = String::from_utf8(raw).unwrap();
            let sender: u64 = text.split(' ').next().unwrap().parse().unwrap();
            let at = next.entry(sender).or_default();
            assert_eq!(text, event(sender, *at), "each event once, in order");
            *at += 1;
        }
    }
    for (sender, end) in acknowledged {
        assert!(next.get(sender).copied().unwrap_or(0) >= *end, "sender {sender}: {end} acknowledged, {next:?} found");
    }
    for (sender, end) in &next {
        let position = store.position(&format!("sender/{sender}")).unwrap();
        assert_eq!(String::from_utf8(position).unwrap(), end.to_string(), "the position is that of the events");
    }
    next.values().sum()
}

#[test]
fn no_kill_loses_or_doubles_an_acknowledged_event() {
    if let Some(dir) = std::env::var_os(CHILD) {
        main_of_child(Path::new(&dir));
    }
    let mut rng = fastrand::Rng::new();
    let start = Instant::now();
    let (mut kills, mut events) = (0, 0);
    let mut folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    while kills < KILLS {
        if kills % 20 == 0 {
            folder = tempfile::tempdir().unwrap();
            acknowledged.clear();
        }
        // Some die while they recover, some after much work.
        let life = Duration::from_millis(if rng.u8(0..4) == 0 { rng.u64(0..30) } else { rng.u64(30..250) });
        acknowledged.extend(one_life(folder.path(), life));
        kills += 1;
        if folder.path().join("catalog.db").exists() && (kills % 5 == 0 || kills == KILLS) {
            events = check(folder.path(), &acknowledged);
        }
    }
    println!("{kills} kills in {:?}, {events} events in the last folder", start.elapsed());
}
