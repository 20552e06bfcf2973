//! `cargo xtask bench --collect`: syslog as it arrives, into Taffrail, which parses, indexes and syncs it, and into rsyslog, which
//! writes a plain file; the same messages by the same sender, one program after the other. Linux only.

use super::Folder;
use super::measure;
use super::product::Product;
use super::report;
use super::sender::{Protocol, Sender, Sent};
use super::server::{Server, Settings};
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Events a second over TCP, where it is not said how many.
pub const RATE: u64 = 100_000;

/// Seconds of sending by each protocol, where it is not said how many.
pub const SECONDS: f64 = 20.0;

/// Events a second over UDP that may not lose anything.
const UDP_RATE: u64 = 50_000;

/// Of rsyslog's messages for a second of CPU: at least so much, though it neither parses, indexes nor syncs.
const SHARE: f64 = 0.5;

/// How long a receiver may take to store what was sent.
const PATIENCE: Duration = Duration::from_secs(120);

/// One protocol and one receiver.
struct Row {
    what: &'static str,
    protocol: Protocol,
    rate: u64,
    sent: Sent,
    /// Events that are stored, and those that the receiver or its kernel say were dropped.
    stored: u64,
    dropped: u64,
    /// Seconds of CPU of the receiver until all were stored, and what it went on working after.
    cpu: f64,
    later: f64,
    /// Resident memory after a third of the time, and at the end.
    memory: (u64, u64),
}

impl Row {
    fn per_second_of_cpu(&self) -> f64 {
        self.stored as f64 / self.cpu.max(1e-9)
    }
}

/// Someone who receives syslog.
trait Receiver {
    fn pid(&self) -> u32;
    /// Events stored, and dropped, of those that came by this protocol.
    fn account(&self, protocol: Protocol) -> Result<(u64, u64)>;
    /// Waits until it does nothing any more.
    fn rest(&self) -> Result<()>;
}

struct Taffrail(Server);

impl Receiver for Taffrail {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn account(&self, protocol: Protocol) -> Result<(u64, u64)> {
        let kind = match protocol {
            Protocol::Tcp => "syslog-tcp",
            Protocol::Udp => "syslog-udp",
            Protocol::Relp => "relp",
        };
        let inputs = self.0.inputs()?;
        let of = |input: &serde_json::Value| -> Option<(u64, u64)> {
            let dropped = input["total"]["dropped_events"].as_object()?.values().filter_map(serde_json::Value::as_u64).sum::<u64>();
            Some((input["total"]["stored_events"].as_u64()?, input["kernel_drops"].as_u64()? + dropped))
        };
        let input = inputs.as_array().and_then(|inputs| inputs.iter().find(|input| input["kind"] == kind));
        input.and_then(of).with_context(|| format!("no account of {kind} in {inputs}"))
    }

    fn rest(&self) -> Result<()> {
        self.0.rest()
    }
}

/// rsyslog with a configuration of ours.
struct Rsyslog {
    child: Child,
    ports: Ports,
    log: std::path::PathBuf,
}

impl Rsyslog {
    fn start(folder: &Path, ports: Ports, protocol: Protocol) -> Result<Self> {
        let (module, port) = match protocol {
            Protocol::Tcp => ("imtcp", ports.tcp),
            Protocol::Udp => ("imudp", ports.udp),
            Protocol::Relp => ("imrelp", ports.relp),
        };
        let (log, file) = (folder.join("rsyslog.log"), folder.join("rsyslog.conf"));
        // What a kernel buffer holds is the same for both.
        let buffer = if protocol == Protocol::Udp { " rcvbufSize=\"64m\"" } else { "" };
        let text = format!(
            "global(workDirectory=\"{0}\" maxMessageSize=\"64k\")\nmodule(load=\"{module}\")\n\
             input(type=\"{module}\" address=\"127.0.0.1\" port=\"{port}\"{buffer})\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             action(type=\"omfile\" file=\"{1}\" template=\"raw\")\n",
            folder.display(),
            log.display()
        );
        std::fs::write(&file, text)?;
        let mut command = Command::new("rsyslogd");
        command.args(["-n", "-f"]).arg(&file).arg("-i").arg(folder.join("rsyslog.pid"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("rsyslogd is not here")?;
        let mut rsyslog = Self { child, ports, log };
        std::thread::sleep(Duration::from_secs(1));
        if let Some(status) = rsyslog.child.try_wait()? {
            bail!("rsyslogd ended with {status}");
        }
        Ok(rsyslog)
    }
}

impl Receiver for Rsyslog {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn account(&self, protocol: Protocol) -> Result<(u64, u64)> {
        let lines = match std::fs::File::open(&self.log) {
            Ok(file) => lines(file)?,
            Err(_) => 0,
        };
        Ok((lines, if protocol == Protocol::Udp { kernel_drops(self.ports.udp)? } else { 0 }))
    }

    fn rest(&self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // It holds nothing that anybody wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(mut file: impl std::io::Read) -> Result<u64> {
    let (mut buffer, mut lines) = (vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(lines),
            read => lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}

/// Datagrams that the kernel dropped at the sockets of a port.
fn kernel_drops(port: u16) -> Result<u64> {
    let (wanted, mut drops) = (format!(":{port:04X}"), 0);
    for file in ["/proc/net/udp", "/proc/net/udp6"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.get(1).is_some_and(|address| address.ends_with(&wanted)) {
                drops += words.last().and_then(|word| word.parse::<u64>().ok()).context("no drops")?;
            }
        }
    }
    Ok(drops)
}

/// Where both listen, one after the other.
#[derive(Clone, Copy)]
pub struct Ports {
    pub tcp: u16,
    pub udp: u16,
    pub relp: u16,
}

impl Ports {
    /// Three that are free now.
    pub fn free() -> Result<Self> {
        let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
        let port = |at: usize| -> Result<u16> { Ok(held[at].local_addr()?.port()) };
        Ok(Self { tcp: port(0)?, udp: port(1)?, relp: port(2)? })
    }

    fn of(self, protocol: Protocol) -> u16 {
        match protocol {
            Protocol::Tcp => self.tcp,
            Protocol::Udp => self.udp,
            Protocol::Relp => self.relp,
        }
    }
}

/// Measures and gives the report.
pub fn run(product: &Product, rate: u64, seconds: f64, folder: &Folder) -> Result<String> {
    let load = report::load();
    let sender = Sender::new()?;
    let ports = Ports::free()?;
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for (protocol, rate) in [(Protocol::Tcp, rate), (Protocol::Tcp, 0), (Protocol::Udp, UDP_RATE), (Protocol::Udp, 0), (Protocol::Relp, 0)]
    {
        let data = folder.0.join("taffrail-data");
        let server = Taffrail(Server::start(&product.0, &data, Settings::Listening(ports))?);
        rows.push(measured("Taffrail", &server, &sender, (protocol, ports.of(protocol)), rate, seconds)?);
        server.0.stop()?;
        std::fs::remove_dir_all(&data)?;
        let plain = folder.0.join("rsyslog");
        std::fs::create_dir_all(&plain)?;
        let other = Rsyslog::start(&plain, ports, protocol)
            .and_then(|rsyslog| measured("rsyslog", &rsyslog, &sender, (protocol, ports.of(protocol)), rate, seconds));
        match other {
            Ok(row) => rows.push(row),
            Err(error) => notes.push(format!("rsyslog by {protocol:?} was left out: {}", super::first_line(&error))),
        }
        std::fs::remove_dir_all(&plain)?;
    }
    text(&rows, &notes, &load, &product.version()?)
}

fn measured(
    what: &'static str,
    receiver: &dyn Receiver,
    sender: &Sender,
    (protocol, port): (Protocol, u16),
    rate: u64,
    seconds: f64,
) -> Result<Row> {
    receiver.rest()?;
    let (pid, before) = (receiver.pid(), measure::cpu_of(receiver.pid())?);
    let resident = || measure::proc_number(pid, "status", "VmRSS").unwrap_or(0) * 1024;
    let mut early = 0;
    let sent = sender.send(protocol, port, rate, seconds, |passed| {
        if early == 0 && passed >= seconds / 3.0 {
            early = resident();
        }
    })?;
    let (started, mut known) = (Instant::now(), (0, 0));
    let mut quiet = 0;
    let cpu = loop {
        let cpu = measure::cpu_of(pid)? - before;
        let now = receiver.account(protocol)?;
        quiet = if now == known { quiet + 1 } else { 0 };
        known = now;
        // What is missing at the end is said; it is not waited for without end.
        if now.0 + now.1 >= sent.events || quiet > 20 || started.elapsed() > PATIENCE {
            break cpu;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let memory = (early, resident());
    receiver.rest()?;
    let later = measure::cpu_of(pid)? - before - cpu;
    let row = Row { what, protocol, rate, sent, stored: known.0, dropped: known.1, cpu, later, memory };
    println!(
        "{what} {protocol:?}: sent {} in {:.1} s, stored {}, dropped {}, {:.2} CPU-s, {:.0} events for a second of CPU, later {:.2} CPU-s",
        sent.events,
        sent.seconds,
        row.stored,
        row.dropped,
        row.cpu,
        row.per_second_of_cpu(),
        later
    );
    Ok(row)
}

fn text(rows: &[Row], notes: &[String], load: &str, version: &str) -> Result<String> {
    let mut text = format!("# Syslog as it arrives, {}\n\n{version}, {}. {}\n\n", report::date()?, report::commit(), report::machine());
    writeln!(text, "Load of the machine: {load} before, {} after. The sender runs on the same processors.\n", report::load())?;
    text.push_str(
        "The mix is that of `taffrail generate`: 50,000 hosts, some 390 bytes a message. Taffrail parses, indexes and syncs before it counts an \
         event as stored; rsyslog writes a plain file.\n\n\
         | by | receiver | asked for | sent | a second | stored | dropped, counted | missing | CPU-s | events for a second of CPU | later CPU-s | MiB after a third | at the end | CPU-s of the sender |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let rate = if row.rate == 0 { "all it can".to_owned() } else { format!("{}/s", row.rate) };
        let missing = row.sent.events.cast_signed() - (row.stored + row.dropped).cast_signed();
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        writeln!(
            text,
            "| {:?} | {} | {rate} | {} | {:.0} | {} | {} | {missing} | {:.2} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} |",
            row.protocol,
            row.what,
            row.sent.events,
            row.sent.events as f64 / row.sent.seconds,
            row.stored,
            row.dropped,
            row.cpu,
            row.per_second_of_cpu(),
            row.later,
            mib(row.memory.0),
            mib(row.memory.1),
            row.sent.cpu
        )?;
    }
    text.push('\n');
    for pair in
        rows.windows(2).filter(|pair| (pair[0].what, pair[1].what) == ("Taffrail", "rsyslog") && pair[0].protocol == pair[1].protocol)
    {
        let share = pair[0].per_second_of_cpu() / pair[1].per_second_of_cpu();
        let missed = if share < SHARE { " (missed)" } else { "" };
        let rate = if pair[0].rate == 0 { "as fast as it goes".to_owned() } else { format!("at {} a second", pair[0].rate) };
        writeln!(
            text,
            "- {:?} {rate}: {share:.2} of rsyslog's messages for a second of CPU{missed}; {SHARE} is to be reached.",
            pair[0].protocol
        )?;
    }
    notes.iter().try_for_each(|note| writeln!(text, "- {note}"))?;
    Ok(text)
}
