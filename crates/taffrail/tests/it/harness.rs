//! A data folder, the program, and a running server.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The longest that anything here may take; a busy machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A scratch folder with a data folder in it.
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("can be made");
        std::fs::write(&path, bytes).expect("can be written");
        path
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program with these arguments, `@` standing for the data folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, b"")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut stdin = child.stdin.take().expect("is piped");
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || {
            // A program that does not read its input closes it.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("ends");
        feeder.join().expect("fed");
        output
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail"));
        for argument in arguments {
            if *argument == "@" {
                command.arg(self.data())
            } else {
                command.arg(argument)
            };
        }
        command.env_remove("TAFFRAIL_DATA").env_remove("TAFFRAIL_LOG").env("NO_COLOR", "1").env("TZ", "UTC");
        command
    }

    /// Runs what must succeed and gives its standard output.
    pub fn ok(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    pub fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.ok(arguments)).expect("is text")
    }

    /// The rows of a search as JSON.
    pub fn rows(&self, query: &str) -> Vec<Value> {
        self.text(&["search", "--data", "@", "--output", "json", query])
            .lines()
            .map(|line| serde_json::from_str(line).expect("is JSON"))
            .collect()
    }

    /// The number of events that a base search finds.
    pub fn count(&self, search: &str) -> u64 {
        let rows = self.rows(&format!("{search} | stats count"));
        let count = &rows[0]["count"];
        count.as_u64().or_else(|| count.as_f64().map(|c| c as u64)).unwrap_or_else(|| panic!("{count} is no count"))
    }

    /// The bytes of all events of the index `main`, oldest first.
    pub fn export(&self) -> Vec<u8> {
        self.ok(&["search", "--data", "@", "--output", "raw", "index=main | reverse"])
    }

    pub fn stat(&self) -> Value {
        serde_json::from_str(&self.text(&["stat", "--data", "@", "--output", "json"])).expect("is JSON")
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub fn serve_with(&self, more: &[&str]) -> Server {
        let mut arguments = vec!["serve", "--data", "@", "--syslog-udp", "127.0.0.1:0", "--syslog-tcp", "127.0.0.1:0"];
        if !more.contains(&"--http") {
            arguments.extend(["--http", "127.0.0.1:0"]);
        }
        arguments.extend(more);
        Server::start(self, &arguments)
    }
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// What `server.json` says.
    pub file: Value,
    data: PathBuf,
}

impl Server {
    fn start(scratch: &Scratch, arguments: &[&str]) -> Self {
        let data = scratch.data();
        let before = std::fs::read(data.join("server.json")).unwrap_or_default();
        let log = scratch.path().join("server.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("can be written");
        let mut child = scratch.command(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("starts");
        let start = Instant::now();
        let file = loop {
            if let Some(status) = child.try_wait().expect("can be asked") {
                let log = std::fs::read_to_string(scratch.path().join("server.log")).unwrap_or_default();
                panic!("the server ended with {status}\n{log}");
            }
            let now = std::fs::read(data.join("server.json")).unwrap_or_default();
            if now != before
                && let Ok(file) = serde_json::from_slice::<Value>(&now)
            {
                break file;
            }
            assert!(start.elapsed() < PATIENCE, "the server is not ready in time");
            std::thread::sleep(Duration::from_millis(20));
        };
        Self { child, file, data }
    }

    /// Host and port of the HTTP API.
    pub fn address(&self) -> &str {
        self.file["url"].as_str().expect("has a URL").strip_prefix("http://").expect("is HTTP")
    }

    pub fn url(&self) -> &str {
        self.file["url"].as_str().expect("has a URL")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn ingest(&self, parameters: &str, body: &[u8]) -> Value {
        let answer = self.request("POST", &format!("/api/v1/ingest/raw?{parameters}"), &[], body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        request(self.address(), method, path, headers, body).expect("answers")
    }

    /// Sends lines by TCP syslog, each ended by LF, and closes the connection.
    pub fn syslog(&self, bytes: &[u8]) {
        let address = self.file["syslog_tcp"].as_str().expect("listens");
        let mut stream = TcpStream::connect(address).expect("connects");
        stream.write_all(bytes).expect("sends");
        stream.shutdown(std::net::Shutdown::Write).expect("ends");
        // The listener closes when it has taken everything.
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.read(&mut [0u8; 1]);
    }

    /// Asks it to stop and waits; it must end well and take its file away.
    pub fn stop(mut self) {
        signal(&self.child, "TERM");
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("can be asked") {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0), "the server ends with {status}");
        assert!(!self.data.join("server.json").exists(), "server.json is left behind");
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("can be killed");
        self.child.wait().expect("ends");
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

/// An HTTP answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// JSON lines.
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
    }
}

/// One request on one connection, so that every byte of it is in the test's hands.
pub fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Answer> {
    let mut reader = open(address, method, path, headers, body)?;
    let (status, headers) = head(&mut reader)?;
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    let chunked = headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("transfer-encoding") && v.contains("chunked"));
    let body = if chunked { unchunked(&rest) } else { rest };
    Ok(Answer { status, headers, body })
}

/// Sends a request and gives the connection to read the answer from.
pub fn open(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        text.push_str(&format!("host: {address}\r\n"));
    }
    if !headers.iter().any(|(name, _)| *name == "content-length") && method != "GET" {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())?;
    // A server that refuses by the head need not read the body.
    let _ = stream.write_all(body);
    Ok(BufReader::new(stream))
}

pub fn head(reader: &mut impl BufRead) -> std::io::Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status =
        line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| std::io::Error::other(format!("no status in {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => return Ok((status, headers)),
        }
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).expect("is text").trim(), 16).expect("is a size");
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[at + 2..at + 2 + size]);
        rest = &rest[at + 2 + size + 2..];
    }
    body
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A log of `count` lines that differ, in time order, with what real logs have in them.
pub fn generated(count: usize) -> Vec<u8> {
    let users = ["root", "alice", "bob", "deploy"];
    let mut log = Vec::new();
    for at in 0..count {
        let (minute, second) = (at / 60 % 60, at % 60);
        let (day, hour) = (1 + at / 86_400, at / 3_600 % 24);
        let user = users[at % users.len()];
        let line = match at % 5 {
            0 => format!(
                "sshd[{}]: Accepted publickey for {user} from 10.0.{}.{} port {} ssh2",
                1000 + at,
                at % 7,
                at % 251,
                30_000 + at % 9_999
            ),
            1 => format!("sshd[{}]: pam_unix(sshd:session): session opened for user {user} by (uid=0)", 1000 + at),
            2 => format!("app: request id={at:08x} took {}.{} ms \"GET /item/{at} é\" tab\there", at % 900, at % 10),
            3 => format!("kernel: [{at}.000001] eth0: link up, {} Mbps", 10 * (1 + at % 3)),
            _ => format!("cron[{}]: ({user}) CMD (run-parts --report /etc/cron.hourly) = \"a \\\" quote\"", at * 3),
        };
        log.extend_from_slice(format!("Mar {day:>2} {hour:02}:{minute:02}:{second:02} web-1 {line}\n").as_bytes());
    }
    log
}

/// The lines, sorted: for comparing what may come back in the order of time.
pub fn sorted(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// Asserts that the same lines are in both, naming the first that is not.
pub fn assert_same_lines(got: &[u8], wanted: &[u8], what: &str) {
    let (got, wanted) = (sorted(got), sorted(wanted));
    let differs = got.iter().zip(&wanted).position(|(a, b)| a != b);
    if let Some(at) = differs {
        panic!("{what}: got {:?}, wanted {:?}", String::from_utf8_lossy(got[at]), String::from_utf8_lossy(wanted[at]));
    }
    assert_eq!(got.len(), wanted.len(), "{what}: number of lines");
}
