//! `cargo xtask bench --soak`: syslog over TCP at a rate for as long as is asked, with marked events in between that are searched
//! for until they are found. What has to hold is that nothing is lost, that memory stays flat, and that events are found soon. Linux only.

use super::Folder;
use super::collect::Ports;
use super::measure;
use super::product::Product;
use super::report;
use super::sender::{Protocol, Sender, Sent};
use super::server::{Server, Settings};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds of sending, where it is not said how many.
pub const SECONDS: f64 = 3_600.0;

/// Within so many seconds 99 of 100 events are to be found.
const SEARCHABLE_SECONDS: f64 = 5.0;

/// Between two marked events, and between two searches for one.
const MARK_EVERY: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A marked event that is not found by then is missing.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the server may take to store what was sent.
const END: Duration = Duration::from_secs(120);

/// The server at a moment.
struct Minute {
    seconds: f64,
    stored: u64,
    /// Resident bytes, and seconds of CPU.
    memory: u64,
    cpu: f64,
    folder: u64,
    segments: u64,
}

/// Measures and gives the report.
pub fn run(product: &Product, rate: u64, seconds: f64, folder: &Folder) -> Result<String> {
    let load = report::load();
    let sender = Sender::new()?;
    let ports = Ports::free()?;
    let data = folder.0.join("taffrail-data");
    let server = Server::start(&product.0, &data, Settings::Listening(ports))?;
    server.rest()?;
    let (pid, before) = (server.pid(), measure::cpu_of(server.pid())?);
    let over = AtomicBool::new(false);
    let mut minutes: Vec<Minute> = Vec::new();
    let (sent, marks) = std::thread::scope(|scope| -> Result<(Sent, Vec<f64>)> {
        let marks = scope.spawn(|| marked(&server, ports.tcp, &over));
        let sent = sender.send(Protocol::Tcp, ports.tcp, rate, seconds, |passed| {
            if passed >= 60.0 * (minutes.len() + 1) as f64
                && let Ok(minute) = look(&server, &data, passed, before)
            {
                println!("{}", line(&minute));
                minutes.push(minute);
            }
        });
        over.store(true, Ordering::Relaxed);
        let marks = marks.join().map_err(|_| anyhow::anyhow!("the searches panicked"))??;
        Ok((sent?, marks))
    })?;
    let all = sent.events + marks.len() as u64;
    let (ended, mut stored) = (Instant::now(), stored_events(&server)?);
    while stored < all && ended.elapsed() < END {
        std::thread::sleep(Duration::from_millis(100));
        stored = stored_events(&server)?;
    }
    let until_stored = ended.elapsed().as_secs_f64();
    let cpu = measure::cpu_of(pid)? - before;
    minutes.push(look(&server, &data, sent.seconds, before)?);
    server.rest()?;
    minutes.push(look(&server, &data, sent.seconds + ended.elapsed().as_secs_f64(), before)?);
    let counted = server.search("index=* index!=_* | stats count")?.rows.first().and_then(|row| row["count"].as_u64()).unwrap_or(0);
    let peak = measure::proc_number(pid, "status", "VmHWM")? * 1024;
    server.stop()?;
    Outcome { rate, sent, marks, stored, counted, until_stored, cpu, peak, minutes }.text(&load, &product.version()?)
}

/// Sends marked events until it is `over`, and gives the seconds that each took until a search found it.
fn marked(server: &Server, port: u16, over: &AtomicBool) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut took = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let mark = format!("mark{}x{}", std::process::id(), took.len());
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        stream.write_all(format!("<14>1 - marker soak - - - {mark}\n").as_bytes())?;
        let started = Instant::now();
        let query = format!("{mark} earliest={} | stats count", now.as_secs() - 5);
        loop {
            let found = server.search(&query)?;
            if found.rows.first().is_some_and(|row| row["count"].as_u64() > Some(0)) {
                break;
            }
            if started.elapsed() > PATIENCE {
                bail!("{mark} was not found within {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(ASK_EVERY);
        }
        took.push(started.elapsed().as_secs_f64());
        std::thread::sleep(MARK_EVERY.saturating_sub(started.elapsed()));
    }
    Ok(took)
}

fn stored_events(server: &Server) -> Result<u64> {
    let inputs = server.inputs()?;
    let input = inputs.as_array().and_then(|inputs| inputs.iter().find(|input| input["kind"] == "syslog-tcp"));
    input.and_then(|input| input["total"]["stored_events"].as_u64()).with_context(|| format!("no account of syslog-tcp in {inputs}"))
}

fn look(server: &Server, data: &std::path::Path, seconds: f64, before: f64) -> Result<Minute> {
    let (folder, segments) = files(data);
    let memory = measure::proc_number(server.pid(), "status", "VmRSS")? * 1024;
    Ok(Minute { seconds, stored: stored_events(server)?, memory, cpu: measure::cpu_of(server.pid())? - before, folder, segments })
}

/// Bytes of a folder, and its segments. Files go while we look.
fn files(folder: &std::path::Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let (bytes, segments) = match entry.metadata() {
            Ok(meta) if meta.is_dir() => files(&path),
            Ok(meta) => (meta.len(), u64::from(path.extension().is_some_and(|extension| extension == "seg"))),
            Err(_) => (0, 0),
        };
        sum = (sum.0 + bytes, sum.1 + segments);
    }
    sum
}

/// One line of the table.
fn line(minute: &Minute) -> String {
    format!(
        "| {:.0} | {} | {:.0} | {:.0} | {:.0} | {} |",
        minute.seconds / 60.0,
        minute.stored,
        minute.memory as f64 / 1_048_576.0,
        minute.cpu,
        minute.folder as f64 / 1e6,
        minute.segments
    )
}

struct Outcome {
    rate: u64,
    sent: Sent,
    /// Seconds until each marked event was found.
    marks: Vec<f64>,
    stored: u64,
    /// What a search counts at the end.
    counted: u64,
    until_stored: f64,
    cpu: f64,
    peak: u64,
    minutes: Vec<Minute>,
}

impl Outcome {
    fn text(&self, load: &str, version: &str) -> Result<String> {
        let mut text = format!("# Syslog over TCP for {:.0} s, {}\n\n", self.sent.seconds, report::date()?);
        writeln!(
            text,
            "{version}, {}. {}\n\nLoad of the machine: {load} before, {} after.",
            report::commit(),
            report::machine(),
            report::load()
        )?;
        text.push_str(
            "The sender runs on the same processors; the mix is that of `taffrail generate` (50,000 hosts, some 390 bytes a message).\n\n",
        );
        let all = self.sent.events + self.marks.len() as u64;
        let missing = all.cast_signed() - self.stored.cast_signed();
        let rate = if self.rate == 0 { "as fast as it goes".to_owned() } else { format!("{} a second asked for", self.rate) };
        let per_second = self.sent.events as f64 / self.sent.seconds;
        writeln!(text, "- Sent: {} and {} marked ones, {rate}, {per_second:.0} a second in fact.", self.sent.events, self.marks.len())?;
        writeln!(
            text,
            "- Stored: {} within {:.1} s of the last one sent; missing: {missing}. A search counts {}.",
            self.stored, self.until_stored, self.counted
        )?;
        let mut took = self.marks.clone();
        took.sort_by(f64::total_cmp);
        let at =
            |share: f64| took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
        let met = if at(0.99) <= SEARCHABLE_SECONDS { "" } else { " (missed)" };
        writeln!(
            text,
            "- From sending an event to its being found by a search: {:.2} s in the median, {:.2} s at p99{met}, {:.2} s at most; {SEARCHABLE_SECONDS} s at p99 are to be kept.",
            at(0.5),
            at(0.99),
            at(1.0)
        )?;
        writeln!(
            text,
            "- CPU of the server: {:.0} s, {:.0} events for a second of CPU, building, merging and searches in it; of the sender: {:.0} s.",
            self.cpu,
            self.stored as f64 / self.cpu,
            self.sent.cpu
        )?;
        writeln!(text, "- Memory: {:.0} MiB resident at most.\n", self.peak as f64 / 1_048_576.0)?;
        text.push_str(
            "| minute | stored | MiB resident | CPU-s of the server | MB of the folder | segments |\n|--:|--:|--:|--:|--:|--:|\n",
        );
        // An hour in a table of a page.
        let step = self.minutes.len().div_ceil(30);
        let last = self.minutes.len().saturating_sub(2);
        let shown = self.minutes.iter().enumerate().filter(|(at, _)| at % step == 0 || *at >= last);
        shown.for_each(|(_, minute)| text += &(line(minute) + "\n"));
        text.push_str("\nThe last line is the server at rest after it.\n");
        Ok(text)
    }
}
