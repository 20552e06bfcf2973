//! A server over the measured folder, and the smallest HTTP client that can ask it.

use super::collect::Ports;
use super::measure;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
pub struct Server {
    child: Child,
    port: u16,
    /// Seconds from its start to its first answer.
    pub started: f64,
}

/// With which settings it runs.
#[derive(Clone, Copy)]
pub enum Settings {
    Default,
    /// Every event becomes a segment at once.
    ManySegments,
    /// What was read and unpacked stays in memory, as other programs keep it.
    LargeCache,
    /// It listens for syslog.
    Listening(Ports),
}

impl Settings {
    /// What stands in the configuration.
    fn text(self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::ManySegments => Some("[store]\nflush_events = 1\n[audit]\nenabled = false\n".into()),
            Self::LargeCache => Some("[store]\nmemory_cache_size = \"2GiB\"\n".into()),
            Self::Listening(ports) => Some(format!("[[input]]\ntype = \"relp\"\naddress = \"127.0.0.1:{}\"\n", ports.relp)),
        }
    }

    /// Where it listens for syslog over UDP and TCP.
    fn syslog(self) -> [String; 2] {
        match self {
            Self::Listening(ports) => [ports.udp, ports.tcp].map(|port| format!("127.0.0.1:{port}")),
            _ => ["off", "off"].map(str::to_owned),
        }
    }
}

/// What a search gave.
pub struct Found {
    pub rows: Vec<serde_json::Value>,
    /// Stored bytes that were read, as the server says.
    pub bytes_read: u64,
    /// Milliseconds from the request to the last byte.
    pub wall: f64,
}

impl Server {
    /// Starts the program over `data` and waits until it answers.
    pub fn start(program: &Path, data: &Path, settings: Settings) -> Result<Self> {
        // Free now; nobody else on this machine is likely to take it in the next second.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        let [udp, tcp] = settings.syslog();
        command.args(["serve", "--http", &format!("127.0.0.1:{port}"), "--syslog-udp", &udp, "--syslog-tcp", &tcp, "--data"]).arg(data);
        if let Some(text) = settings.text() {
            let file = data.with_extension("toml");
            std::fs::write(&file, text)?;
            command.arg("--config").arg(file);
        }
        let start = Instant::now();
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("the server cannot be started")?;
        let mut server = Self { child, port, started: 0.0 };
        while start.elapsed() < Duration::from_secs(60) {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            if server.request("GET /api/v1/health", "application/json", "").is_ok() {
                server.started = start.elapsed().as_secs_f64();
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("the server did not answer within a minute");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server does nothing of its own, so that what is counted is the questions; ten minutes at most.
    pub fn rest(&self) -> Result<()> {
        const WINDOW: Duration = Duration::from_millis(250);
        let start = Instant::now();
        let mut before = measure::cpu_of(self.pid())?;
        while start.elapsed() < Duration::from_secs(600) {
            std::thread::sleep(WINDOW);
            let now = measure::cpu_of(self.pid())?;
            if now - before < WINDOW.as_secs_f64() / 100.0 {
                return Ok(());
            }
            before = now;
        }
        bail!("the server does not come to rest")
    }

    /// Runs a search to its end.
    pub fn search(&self, query: &str) -> Result<Found> {
        let body = serde_json::json!({"query": query}).to_string();
        let start = Instant::now();
        let text = self.request("POST /api/v1/search", "application/json", &body)?;
        let wall = start.elapsed().as_secs_f64() * 1e3;
        let (mut rows, mut done) = (Vec::new(), None);
        for line in text.lines() {
            let mut message: serde_json::Value = serde_json::from_str(line).with_context(|| format!("{query}: {line:?}"))?;
            match message["type"].as_str() {
                Some("rows") if message["preview"] != true => {
                    if let serde_json::Value::Array(more) = message["rows"].take() {
                        rows.extend(more);
                    }
                }
                Some("done") => done = message["bytes_read"].as_u64(),
                Some("error") => bail!("{query}: {line}"),
                _ => {}
            }
        }
        let bytes_read = done.with_context(|| format!("{query}: no message `done`"))?;
        Ok(Found { rows, bytes_read, wall })
    }

    /// Adds lines to an index.
    pub fn ingest(&self, index: &str, lines: &str) -> Result<()> {
        self.request(&format!("POST /api/v1/ingest/raw?index={index}&sourcetype=syslog"), "text/plain", lines).map(|_| ())
    }

    /// The accounts of its inputs.
    pub fn inputs(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.request("GET /api/v1/inputs", "application/json", "")?)?)
    }

    /// Ends the server as Ctrl-C would.
    pub fn stop(mut self) -> Result<()> {
        let pid = libc::pid_t::try_from(self.child.id())?;
        // SAFETY: a plain system call; the child has not been waited for, so the number is still its own.
        #[allow(unsafe_code)] // the standard library can only kill
        unsafe {
            libc::kill(pid, libc::SIGTERM);
        }
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// One request on a connection of its own; the body of a good answer.
    fn request(&self, line: &str, kind: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(600)))?;
        let (port, length) = (self.port, body.len());
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no end of the headers")?;
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let body = &answer[end + 4..];
        let body = if head.contains("transfer-encoding: chunked") { unchunk(body)? } else { body.to_vec() };
        let body = String::from_utf8_lossy(&body).into_owned();
        if head.split_whitespace().nth(1) != Some("200") {
            bail!("{line}: {} {body}", head.lines().next().unwrap_or_default());
        }
        Ok(body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a clean stop this does nothing; on an error on the way the server must not stay.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of chunked transfer coding.
fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").context("a chunk without its length")?;
        let digits = std::str::from_utf8(&rest[..line])?;
        let length = usize::from_str_radix(digits.split(';').next().unwrap_or_default().trim(), 16)?;
        rest = &rest[line + 2..];
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..length).context("a chunk that is cut short")?);
        rest = rest.get(length + 2..).context("a chunk that is cut short")?;
    }
}

#[cfg(test)]
mod tests {
    use super::unchunk;

    #[test]
    fn chunks_are_joined() {
        assert_eq!(unchunk(b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n").unwrap(), b"abc0123456789");
        assert!(unchunk(b"5\r\nabc").is_err());
        assert!(unchunk(b"x\r\n").is_err());
    }
}
