//! What sends syslog for `cargo xtask bench --collect`: messages made before, with the time and a number put in as they go, at a rate.
//! It writes as little code around the system calls as it can, since it shares the processors with what is measured.

use super::measure;
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use taffrail_synth::live::{self, Live};

/// Different messages; they come again with other times and numbers.
const MESSAGES: usize = 200_000;

/// Connections of a sender over TCP or RELP.
const CONNECTIONS: usize = 4;

/// What is due in so many seconds goes together.
const SLICE_SECONDS: f64 = 0.005;

/// Messages of one connection that may wait for an answer.
const WINDOW: usize = 1_000;

/// Digits of the number at the end of each message.
const DIGITS: usize = 10;

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
    Relp,
}

/// A message, and where its time is.
struct Message {
    text: Vec<u8>,
    time: usize,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub events: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// Seconds of CPU of the sender.
    pub cpu: f64,
}

/// Messages to send.
pub struct Sender(Vec<Message>);

impl Sender {
    /// Makes the messages, those of `taffrail generate`.
    pub fn new() -> Result<Self> {
        let estate = live::jsa()?;
        let mut live = Live::new(&estate, 1);
        let message = |_| {
            let message = live.message();
            let priority = format!("<{}>", message.priority);
            let text = format!("{priority}Jan  1 00:00:00 {} {} seq={:0DIGITS$}", message.host, message.text, 0);
            Message { text: text.into_bytes(), time: priority.len() }
        };
        Ok(Self((0..MESSAGES).map(message).collect()))
    }

    /// Sends for some seconds to a port of this machine; `rate` events a second, or as fast as it goes where it is 0. `each_second` is
    /// told the seconds that have passed.
    pub fn send(&self, protocol: Protocol, port: u16, rate: u64, seconds: f64, mut each_second: impl FnMut(f64)) -> Result<Sent> {
        let mut wire = Wire::open(protocol, port)?;
        let (before, started) = (measure::cpu_of(std::process::id())?, Instant::now());
        let slice = if rate == 0 { 500 } else { ((rate as f64 * SLICE_SECONDS) as u64).max(1) };
        let (mut sent, mut told) = (Sent::default(), 0.0);
        loop {
            let now = started.elapsed().as_secs_f64();
            if now >= seconds {
                break;
            }
            if now - told >= 1.0 {
                told = now;
                each_second(now);
            }
            let ahead = if rate == 0 { 0.0 } else { sent.events as f64 / rate as f64 - now };
            if ahead > SLICE_SECONDS / 10.0 {
                std::thread::sleep(Duration::from_secs_f64(ahead));
            }
            let time = header_time()?;
            for _ in 0..slice {
                let message = &self.0[sent.events as usize % self.0.len()];
                sent.bytes += message.text.len() as u64;
                wire.add(message, &time, sent.events)?;
                sent.events += 1;
            }
            wire.flush()?;
        }
        wire.finish()?;
        sent.seconds = started.elapsed().as_secs_f64();
        sent.cpu = measure::cpu_of(std::process::id())? - before;
        Ok(sent)
    }
}

/// A connection of RELP or TCP, with the number of its next frame and answers that are due.
struct Connection {
    stream: TcpStream,
    number: u32,
    due: usize,
}

struct Wire {
    protocol: Protocol,
    connections: Vec<Connection>,
    datagrams: Option<UdpSocket>,
    turn: usize,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl Wire {
    fn open(protocol: Protocol, port: u16) -> Result<Self> {
        let mut wire = Self { protocol, connections: Vec::new(), datagrams: None, turn: 0, message: Vec::new(), buffer: Vec::new() };
        if protocol == Protocol::Udp {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(("127.0.0.1", port))?;
            wire.datagrams = Some(socket);
            return Ok(wire);
        }
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(("127.0.0.1", port)).with_context(|| format!("{protocol:?}: nobody listens"))?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            let mut connection = Connection { stream, number: 1, due: 0 };
            if protocol == Protocol::Relp {
                connection.stream.write_all(b"1 open 30 relp_version=0\ncommands=syslog\n")?;
                let answer = connection.stream.read(&mut [0; 1024])?;
                ensure!(answer > 0, "the receiver does not speak RELP");
            }
            wire.connections.push(connection);
        }
        Ok(wire)
    }

    fn add(&mut self, message: &Message, time: &[u8; 15], number: u64) -> Result<()> {
        self.message.clear();
        self.message.extend_from_slice(&message.text);
        self.message[message.time..message.time + time.len()].copy_from_slice(time);
        let (end, mut rest) = (self.message.len(), number);
        for digit in self.message[end - DIGITS..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        match self.protocol {
            Protocol::Udp => {
                let socket = self.datagrams.as_ref().context("is open")?;
                socket.send(&self.message)?;
            }
            Protocol::Tcp => {
                write!(self.buffer, "{} ", self.message.len())?;
                self.buffer.extend_from_slice(&self.message);
            }
            Protocol::Relp => {
                let connection = &mut self.connections[self.turn];
                connection.number = connection.number % 999_999_999 + 1;
                connection.due += 1;
                write!(self.buffer, "{} syslog {} ", connection.number, self.message.len())?;
                self.buffer.extend_from_slice(&self.message);
                self.buffer.push(b'\n');
            }
        }
        Ok(())
    }

    /// Sends what was added on one connection, and has the next one take its turn.
    fn flush(&mut self) -> Result<()> {
        if self.protocol == Protocol::Udp {
            return Ok(());
        }
        self.connections[self.turn].stream.write_all(&self.buffer)?;
        self.buffer.clear();
        self.turn = (self.turn + 1) % self.connections.len();
        self.connections[self.turn].read_answers(WINDOW)
    }

    /// Waits for all answers, and closes.
    fn finish(mut self) -> Result<()> {
        self.connections.iter_mut().try_for_each(|connection| connection.read_answers(0))
    }
}

impl Connection {
    /// Reads answers until at most so many are due.
    fn read_answers(&mut self, most: usize) -> Result<()> {
        let mut bytes = [0; 32 * 1024];
        while self.due > most {
            let read = self.stream.read(&mut bytes)?;
            ensure!(read > 0, "the receiver has closed the connection");
            // An answer is one line.
            self.due -= bytes[..read].iter().filter(|byte| **byte == b'\n').count().min(self.due);
        }
        Ok(())
    }
}

/// The time as RFC 3164 has it, in UTC.
fn header_time() -> Result<[u8; 15]> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let text = format!("{} {:2} {:02}:{:02}:{:02}", MONTHS[month], days + 1, second / 3_600, second / 60 % 60, second % 60);
    text.as_bytes().try_into().context("a time has 15 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_by_time_and_number() {
        let mut wire =
            Wire { protocol: Protocol::Tcp, connections: Vec::new(), datagrams: None, turn: 0, message: Vec::new(), buffer: Vec::new() };
        let message = Message { text: b"<13>Jan  1 00:00:00 web app: x seq=0000000000".to_vec(), time: 4 };
        wire.add(&message, b"Nov 22 20:00:01", 1_207).unwrap();
        assert_eq!(wire.buffer, b"45 <13>Nov 22 20:00:01 web app: x seq=0000001207");
        let time = header_time().unwrap();
        assert!(time[3] == b' ' && time[6] == b' ' && time[9] == b':' && time[12] == b':', "{}", String::from_utf8_lossy(&time));
    }
}
