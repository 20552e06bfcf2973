//! Syslog over RELP, as rsyslog and librelp speak it.
//!
//! **Promise.** Confirmed is what the receiver has answered with `200`. What it had not answered when the connection broke is
//! sent again: the protocol gives messages no identity, so that such a message may be there twice.

use super::connection::{Connection, Dialer};
use super::rewrite::Layout;
use super::syslog::SyslogOutput;
use super::{Delivered, Output, Surroundings};
use futures::future::BoxFuture;
use std::collections::VecDeque;
use taffrail_base::limits::OUTPUT_REPLY_BYTES_MAX;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::EventBatch;

/// Messages on their way at the same time; librelp's own receiver takes as many.
const WINDOW: usize = 128;

/// Numbers of transactions have nine digits.
const NUMBER_MAX: u32 = 999_999_999;

pub(super) struct Relp {
    dialer: Dialer,
    layout: Layout,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    number: u32,
    held: Vec<u8>,
}

impl Relp {
    pub fn new(settings: &SyslogOutput, around: &Surroundings) -> Result<Self> {
        let dialer = Dialer::new(&settings.address, settings.tls.as_ref(), &*around.vfs)?;
        Ok(Self { dialer, layout: settings.layout, open: None })
    }

    async fn opened(&mut self) -> Result<Open> {
        // What is said while nothing is asked is the end of the session.
        if let Some(mut open) = self.open.take()
            && open.held.is_empty()
            && matches!(open.connection.alive(), Ok(false))
        {
            return Ok(open);
        }
        let mut open = Open { connection: self.dialer.dial().await?, number: 0, held: Vec::new() };
        let offers = format!("relp_version=0\nrelp_software=taffrail,{}\ncommands=syslog", env!("CARGO_PKG_VERSION"));
        let mut bytes = Vec::new();
        let number = open.frame("open", offers.as_bytes(), &mut bytes);
        open.connection.send(&bytes).await?;
        open.answer(number).await?;
        Ok(open)
    }

    async fn window(open: &mut Open, layout: Layout, batch: &EventBatch, from: usize, confirmed: &mut usize) -> Result<()> {
        let (mut bytes, mut message, mut numbers) = (Vec::new(), Vec::new(), VecDeque::new());
        for event in batch.iter().skip(from).take(WINDOW) {
            message.clear();
            layout.write(&event, &mut message);
            numbers.push_back(open.frame("syslog", &message, &mut bytes));
        }
        open.connection.send(&bytes).await?;
        for number in numbers {
            open.answer(number).await?;
            *confirmed += 1;
        }
        Ok(())
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
            if let Some((found, command, end)) = reply(&self.held)? {
                let text = String::from_utf8_lossy(&command.1).into_owned();
                let of = command.0.clone();
                self.held.drain(..end);
                return match (&*of, found == number) {
                    ("serverclose", _) => Err(Error::new(ErrorKind::Io, "the receiver has ended the session")),
                    ("rsp", true) if text.starts_with("200") => Ok(()),
                    ("rsp", true) => {
                        Err(Error::new(ErrorKind::Io, format!("the receiver answers {}", text.chars().take(200).collect::<String>())))
                    }
                    _ => Err(Error::new(ErrorKind::Io, format!("the receiver answers {found} where {number} is due"))),
                };
            }
            if self.held.len() > OUTPUT_REPLY_BYTES_MAX {
                return Err(Error::new(ErrorKind::Limit, "the receiver's answer is too long"));
            }
            self.connection.receive(&mut self.held).await?;
        }
    }
}

/// The number, the command with its data and the end of the first whole frame.
type Reply = (u32, (String, Vec<u8>), usize);

fn reply(bytes: &[u8]) -> Result<Option<Reply>> {
    let wrong = || Error::new(ErrorKind::Io, "the receiver does not speak RELP");
    let mut words = Vec::new();
    let mut at = 0;
    while words.len() < 3 {
        let Some(length) = bytes[at..].iter().position(|b| matches!(b, b' ' | b'\n')) else {
            return if bytes.len() - at > 40 { Err(wrong()) } else { Ok(None) };
        };
        words.push(std::str::from_utf8(&bytes[at..at + length]).map_err(|_| wrong())?);
        at += length;
        if words.len() < 3 {
            at += 1;
        }
    }
    let (number, length) = (words[0].parse().map_err(|_| wrong())?, words[2].parse::<usize>().map_err(|_| wrong())?);
    if length > OUTPUT_REPLY_BYTES_MAX {
        return Err(Error::new(ErrorKind::Limit, "the receiver's answer is too long"));
    }
    // A space stands before the data, and sometimes where there are none.
    let start = at + usize::from(bytes[at] == b' ');
    match bytes.get(start + length) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((number, (words[1].to_owned(), bytes[start..start + length].to_vec()), start + length + 1))),
        Some(_) => Err(wrong()),
    }
}

impl Output for Relp {
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, from: usize) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let mut open = match self.opened().await {
                Ok(open) => open,
                Err(error) => return Delivered::failed(0, error),
            };
            let (mut confirmed, all) = (0, batch.len() - from);
            while confirmed < all {
                let before = confirmed;
                if let Err(error) = Self::window(&mut open, self.layout, batch, from + confirmed, &mut confirmed).await {
                    return Delivered { confirmed, attempted: (before + WINDOW).min(all), refused: None, outcome: Err(error) };
                }
            }
            self.open = Some(open);
            Delivered::all(all)
        })
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
        assert_eq!(reply(text).expect("is one"), Some((12, ("rsp".into(), b"200 OK".to_vec()), 16)));
        assert_eq!(reply(&text[16..]).expect("is one"), Some((0, ("serverclose".into(), Vec::new()), 16)));
        for wrong in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"1 rsp 3 200x\n", &[b'x'; 100], b"1 rsp 99999999 x"] {
            assert!(reply(wrong).is_err(), "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
