//! What others have written to send: real clients of every protocol, from Debian and PyPI, against the real program. Each sends
//! some hundred events that are not easy to keep, and sees success; each event is there once, as it was.
//!
//! Those from PyPI run in an environment that `cargo xtask clients` makes from `requirements.txt`; where it is, the variable
//! `TAFFRAIL_CLIENTS` says. One script a client stands beside the test that starts it.

mod elastic;
mod gelf;
mod hec;
mod journal;
mod loki;
mod lumberjack;
mod netflow;
mod otlp;
mod rsyslog;
mod s3;

use crate::harness::{PATIENCE, Scratch, Server};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

/// Certificates for the server's side and the sender's.
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../collect/tests/it/tls");

/// A client has more to do than one of our requests, and Python takes its time to start.
const CLIENT_PATIENCE: std::time::Duration = PATIENCE.saturating_mul(4);

/// An event to be sent: its text, and when it happened.
struct Message {
    text: String,
    /// Seconds since the epoch; eighths, so that every number format has them exactly.
    seconds: f64,
}

/// Texts that are not easy to keep, each of its own.
fn awkward(count: usize) -> Vec<Message> {
    let text = |n: usize| match n % 12 {
        0 => format!("plain message {n}"),
        1 => format!("ünïcödé 日本語 🦀 עברית e\u{301} {n}"),
        2 => format!("first line {n}\nsecond line\r\n\tthird line\n\nlast line"),
        3 => format!("long {n} ").repeat(if n == 3 { 40_000 } else { 400 }).trim_end().to_owned(),
        4 => format!(r#"{{"json": "within \"{n}\"", "a": [1, null]}} \\ \u0041 'x' C:\new\table"#),
        5 => format!("bell \u{7} colour \u{1b}[31m red \u{7f} {n}"),
        6 => format!("   blanks around {n}   "),
        7 => format!("<13>Jan  1 00:00:00 otherhost app[1]: no header {n}"),
        8 => format!("%{n}% $1 ${{x}} {{}} %s %d {{0}}"),
        9 => format!("<script>alert({n})</script> &amp; <b>"),
        10 => format!("2001-02-03T04:05:06Z a time of its own {n}"),
        _ => format!("\u{feff}mark \u{2028} separator \u{ad} {n}\u{a0}"),
    };
    (0..count).map(|n| Message { text: text(n), seconds: 1_700_000_000.0 + n as f64 + (n % 8) as f64 / 8.0 }).collect()
}

/// The messages as a file that the scripts read.
fn written(scratch: &Scratch, messages: &[Message]) -> PathBuf {
    let all: Vec<Value> = messages.iter().map(|message| json!({"text": message.text, "seconds": message.seconds})).collect();
    scratch.file("messages.json", json!(all).to_string().as_bytes())
}

/// Asserts that the rows are the messages, each once with its text in `field`, and gives the rows in the messages' order.
fn each_once<'a>(rows: &'a [Value], field: &str, messages: &[Message]) -> Vec<&'a Value> {
    let mut there: HashMap<&str, Vec<&Value>> = HashMap::new();
    for row in rows {
        let text = row[field].as_str().unwrap_or_else(|| panic!("{field} is no text: {}", short(&row.to_string())));
        there.entry(text).or_default().push(row);
    }
    let sent: HashMap<&str, usize> = messages.iter().enumerate().map(|(number, message)| (message.text.as_str(), number)).collect();
    if let Some(strange) = there.keys().find(|text| !sent.contains_key(**text)) {
        panic!("{:?} was not sent; {} rows", short(strange), rows.len());
    }
    let found = messages.iter().map(|message| match there.get(message.text.as_str()).map(Vec::as_slice) {
        Some([row]) => *row,
        Some(several) => panic!("{:?} is there {} times", short(&message.text), several.len()),
        None => panic!("{:?} is not there; {} rows", short(&message.text), rows.len()),
    });
    found.collect()
}

/// Asserts that each row has the time of its message, to the microsecond.
fn at_their_times(rows: &[&Value], messages: &[Message]) {
    assert_eq!(rows.len(), messages.len());
    for (row, message) in rows.iter().zip(messages) {
        let time: jiff::Timestamp = row["_time"].as_str().expect("has a time").parse().expect("is a time");
        let wanted = (message.seconds * 1e6) as i64;
        assert!((time.as_microsecond() - wanted).abs() <= 1, "{time} instead of {}: {}", message.seconds, short(&message.text));
    }
}

/// Asserts that each of the rows has this value there.
fn all_have(rows: &[&Value], field: &str, value: &Value) {
    for row in rows {
        assert_eq!(&row[field], value, "{field} of {}", short(&row.to_string()));
    }
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(300)]
}

/// Why a test cannot run here. What tests for everything must not leave anything out.
fn missing(what: &str, way_out: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing: {way_out}");
    println!("skipped: no {what} ({way_out})");
}

/// A program of Debian, on the path or where services are.
fn program(names: &[&str], package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file());
    if found.is_none() {
        missing(names[0], &format!("apt-get install {package}"));
    }
    found
}

/// The server with what the file of settings says.
fn serve(scratch: &Scratch, settings: &str) -> Server {
    let config = scratch.file("taffrail.toml", settings.as_bytes());
    scratch.serve_with(&["--config", config.to_str().expect("is text")])
}

/// Host and port of a listener of the server.
fn listener(server: &Server, kind: &str) -> (String, u16) {
    let listeners = server.file["listeners"].as_array().expect("has listeners");
    let found = listeners.iter().find(|listener| listener["input"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let (host, port) = found["address"].as_str().and_then(|address| address.rsplit_once(':')).expect("has an address");
    (host.to_owned(), port.parse().expect("is a port"))
}

/// The account of an input; of requests that of the door, not that of the main address.
fn account(server: &Server, kind: &str) -> Value {
    let inputs = server.get("/api/v1/inputs").json();
    let found = inputs.as_array().expect("is a list").iter().rev().find(|input| input["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {inputs}")).clone()
}

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Waits for its end and says whether it went well.
    fn ended(&mut self, what: &str) -> bool {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("can be asked") {
                return status.success();
            }
            assert!(start.elapsed() < CLIENT_PATIENCE, "{what} does not end");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// A script of this folder, in the environment of the clients.
struct Script {
    running: Running,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Script {
    /// Starts it; what it is told is its only argument. `None` without the environment.
    fn start(scratch: &Scratch, name: &str, told: &Value) -> Option<Self> {
        let Some(folder) = std::env::var_os("TAFFRAIL_CLIENTS") else {
            missing("environment of the clients from PyPI", "cargo xtask clients makes it and says how to name it");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(name);
        let log = scratch.path().join(format!("{name}.log"));
        let errors = std::fs::File::create(&log).expect("can be written");
        let mut command = Command::new(Path::new(&folder).join("bin/python"));
        command.arg(script).arg(told.to_string()).env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
        // What some machines say of certificates goes before what a script says.
        ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"].iter().for_each(|name| _ = command.env_remove(name));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{folder:?} has no Python ({error}): cargo xtask clients makes it anew"));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Some(Self { running: Running(child), stdin, lines, log })
    }

    /// Runs it to its end and gives what it says.
    fn run(scratch: &Scratch, name: &str, told: &Value) -> Option<Value> {
        let mut script = Self::start(scratch, name, told)?;
        let said = script.said();
        script.end();
        Some(said)
    }

    /// The next that it says: a line of JSON, among others that libraries may print.
    fn said(&mut self) -> Value {
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(CLIENT_PATIENCE.saturating_sub(start.elapsed())) {
                Ok(line) if line.starts_with('{') => return serde_json::from_str(&line).expect("is JSON"),
                Ok(line) => println!("{line}"),
                Err(RecvTimeoutError::Timeout) => panic!("the client says nothing\n{}", self.logged()),
                Err(RecvTimeoutError::Disconnected) => panic!("the client ended\n{}", self.logged()),
            }
        }
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.stdin.as_mut().expect("is open"), "{word}").expect("takes it");
    }

    /// Closes its input and waits for its end.
    fn end(&mut self) {
        self.stdin = None;
        assert!(self.running.ended("the client"), "the client failed\n{}", self.logged());
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The lines in an order that is the same for all.
fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}
