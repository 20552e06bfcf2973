//! Syslog over RELP, as rsyslog and librelp speak it.
//!
//! **Promise.** Confirmed is what the receiver has answered with `200`. What it had not answered when the connection broke is
//! sent again: the protocol gives messages no identity, so that such a message may be there twice.

use super::connection::{Connection, Dialer};
use super::rewrite::Layout;
use super::syslog::SyslogOutput;
use super::{Progress, Streaming, Surroundings};
use std::collections::VecDeque;
use std::ops::Range;
use taffrail_base::limits::{OUTPUT_REPLY_BYTES_MAX, OUTPUT_WRITE_BYTES};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::EventBatch;

/// Messages on their way at the same time. The sender alone decides on it; their answers, some 15 bytes each, have to fit into the
/// buffers of a connection, as they are read only once all these are sent.
const WINDOW: usize = 1_024;

/// Numbers of transactions have nine digits.
const NUMBER_MAX: u32 = 999_999_999;

pub(super) struct Relp {
    dialer: Dialer,
    layout: Layout,
    open: Option<Open>,
}

pub(super) struct Open {
    connection: Connection,
    number: u32,
    /// What was received, up to `read` looked at.
    held: Vec<u8>,
    read: usize,
}

impl Relp {
    pub fn new(settings: &SyslogOutput, around: &Surroundings) -> Result<Self> {
        let dialer = Dialer::new(&settings.address, settings.tls.as_ref(), &*around.vfs)?;
        Ok(Self { dialer, layout: settings.layout, open: None })
    }
}

impl Streaming for Relp {
    type Open = Open;

    async fn opened(&mut self) -> Result<Open> {
        // What is said while nothing is asked is the end of the session.
        if let Some(mut open) = self.open.take()
            && open.read == open.held.len()
            && matches!(open.connection.alive(), Ok(false))
        {
            return Ok(open);
        }
        let mut open = Open { connection: self.dialer.dial().await?, number: 0, held: Vec::new(), read: 0 };
        let offers = format!("relp_version=0\nrelp_software=taffrail,{}\ncommands=syslog", env!("CARGO_PKG_VERSION"));
        let mut bytes = Vec::new();
        let number = open.frame("open", offers.as_bytes(), &mut bytes);
        open.connection.send(&bytes).await?;
        open.answer(number).await?;
        Ok(open)
    }

    /// Sends events and counts what was sent and what was confirmed of it; there is always something on its way.
    async fn stream(&self, open: &mut Open, batch: &EventBatch, range: Range<usize>, progress: &mut Progress) -> Result<()> {
        let (mut bytes, mut message, mut numbers) = (Vec::new(), Vec::new(), VecDeque::new());
        loop {
            if numbers.len() <= WINDOW / 2 {
                bytes.clear();
                while progress.sent < range.len() && numbers.len() < WINDOW && bytes.len() < OUTPUT_WRITE_BYTES {
                    message.clear();
                    self.layout.write(&batch.event(range.start + progress.sent), &mut message);
                    numbers.push_back(open.frame("syslog", &message, &mut bytes));
                    progress.sent += 1;
                }
                if !bytes.is_empty() {
                    open.connection.send(&bytes).await?;
                }
            }
            let Some(number) = numbers.pop_front() else { return Ok(()) };
            open.answer(number).await?;
            progress.confirmed += 1;
        }
    }

    fn keep(&mut self, open: Option<Open>) {
        self.open = open;
    }
}

impl Open {
    /// Adds a frame and gives its number.
    fn frame(&mut self, command: &str, data: &[u8], out: &mut Vec<u8>) -> u32 {
        self.number = if self.number >= NUMBER_MAX { 1 } else { self.number + 1 };
        out.extend_from_slice(format!("{} {command} {}", self.number, data.len()).as_bytes());
        if !data.is_empty() {
            out.push(b' ');
            out.extend_from_slice(data);
        }
        out.push(b'\n');
        self.number
    }

    /// Waits for the answer to a frame, which has to be `200`.
    async fn answer(&mut self, number: u32) -> Result<()> {
        loop {
            if let Some(Reply { number: found, command, data, end }) = reply(&self.held[self.read..])? {
                self.read += end;
                return match (command, found == number) {
                    ("serverclose", _) => Err(Error::new(ErrorKind::Io, "the receiver has ended the session")),
                    ("rsp", true) if data.starts_with(b"200") => Ok(()),
                    ("rsp", true) => {
                        let text: String = String::from_utf8_lossy(data).chars().take(200).collect();
                        Err(Error::new(ErrorKind::Io, format!("the receiver answers {text}")))
                    }
                    _ => Err(Error::new(ErrorKind::Io, format!("the receiver answers {found} where {number} is due"))),
                };
            }
            self.held.drain(..self.read);
            self.read = 0;
            if self.held.len() > OUTPUT_REPLY_BYTES_MAX {
                return Err(Error::new(ErrorKind::Limit, "the receiver's answer is too long"));
            }
            self.connection.receive(&mut self.held).await?;
        }
    }
}

/// The first whole frame, and where it ends.
#[derive(Debug, PartialEq, Eq)]
struct Reply<'a> {
    number: u32,
    command: &'a str,
    data: &'a [u8],
    end: usize,
}

fn reply(bytes: &[u8]) -> Result<Option<Reply<'_>>> {
    let wrong = || Error::new(ErrorKind::Io, "the receiver does not speak RELP");
    let mut words = [""; 3];
    let mut at = 0;
    for (place, word) in words.iter_mut().enumerate() {
        at += usize::from(place > 0);
        let Some(length) = bytes[at..].iter().position(|b| matches!(b, b' ' | b'\n')) else {
            return if bytes.len() - at > 40 { Err(wrong()) } else { Ok(None) };
        };
        *word = std::str::from_utf8(&bytes[at..at + length]).map_err(|_| wrong())?;
        at += length;
    }
    let (number, length) = (words[0].parse().map_err(|_| wrong())?, words[2].parse::<usize>().map_err(|_| wrong())?);
    if length > OUTPUT_REPLY_BYTES_MAX {
        return Err(Error::new(ErrorKind::Limit, "the receiver's answer is too long"));
    }
    // A space stands before the data, and sometimes where there are none.
    let start = at + usize::from(bytes[at] == b' ');
    match bytes.get(start + length) {
        None => Ok(None),
        Some(b'\n') => Ok(Some(Reply { number, command: words[1], data: &bytes[start..start + length], end: start + length + 1 })),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_whole_and_in_parts() {
        let text = b"12 rsp 6 200 OK\n0 serverclose 0\n";
        for at in 0..16 {
            assert!(reply(&text[..at]).expect("is a part of one").is_none(), "{at}");
        }
        assert_eq!(reply(text).expect("is one"), Some(Reply { number: 12, command: "rsp", data: b"200 OK", end: 16 }));
        assert_eq!(reply(&text[16..]).expect("is one"), Some(Reply { number: 0, command: "serverclose", data: b"", end: 16 }));
        for wrong in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"1 rsp 3 200x\n", &[b'x'; 100], b"1 rsp 99999999 x"] {
            assert!(reply(wrong).is_err(), "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
