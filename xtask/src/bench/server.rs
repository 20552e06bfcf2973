//! A server over the measured folder, and the smallest HTTP client that can ask it.

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
}

/// Milliseconds of one search.
pub struct Answer {
    /// As the server says.
    pub says: f64,
    /// From the request to the last byte.
    pub wall: f64,
}

impl Server {
    /// Starts the program over `data` and waits until it answers.
    pub fn start(program: &Path, data: &Path) -> Result<Self> {
        // Free now; nobody else on this machine is likely to take it in the next second.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["serve", "--http", &format!("127.0.0.1:{port}"), "--syslog-udp", "off", "--syslog-tcp", "off", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the server cannot be started")?;
        let mut server = Self { child, port };
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            if server.request("GET /api/v1/health", "").is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the server did not answer within a minute");
    }

    /// Runs a search to its end.
    pub fn search(&self, query: &str) -> Result<Answer> {
        let body = serde_json::json!({"query": query}).to_string();
        let start = Instant::now();
        let text = self.request("POST /api/v1/search", &body)?;
        let wall = start.elapsed().as_secs_f64() * 1e3;
        let done =
            text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find(|message| message["type"] == "done");
        let done = done.with_context(|| format!("{query}: no message `done` in {:?}", text.chars().take(300).collect::<String>()))?;
        Ok(Answer { says: done["elapsed_ms"].as_f64().unwrap_or(f64::NAN), wall })
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
    fn request(&self, line: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(600)))?;
        let (port, length) = (self.port, body.len());
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
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
