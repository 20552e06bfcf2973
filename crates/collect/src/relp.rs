//! RELP: syslog with acknowledgements, as rsyslog and librelp speak it.
//!
//! **Promise.** `200 OK` for a message means that it is durable on disk. What was not answered when the connection broke
//! the sender sends again: it may then be there twice, since the protocol gives messages no identity of their own.

use crate::gather::{Chunk, Content};
use crate::stream::Protocol;
use crate::stream::session::{Session, Taken};
use std::net::IpAddr;
use taffrail_base::limits::EVENT_BYTES_MAX;
use taffrail_event::Problems;
use taffrail_format::Frame;

pub(crate) const RELP: Protocol = Protocol {
    kind: "relp",
    title: "RELP",
    source: "relp",
    port: 2514,
    transport: "relp",
    sourcetype: Some("syslog"),
    needs_tls: false,
    session: |limit| Box::new(Relp { held: Vec::new(), limit, open: false }),
    content: || Content::Lines,
};

struct Relp {
    held: Vec<u8>,
    limit: usize,
    open: bool,
}

/// Digits of a transaction number and of a length, and letters of a command.
const NUMBER_DIGITS_MAX: usize = 9;
const COMMAND_BYTES_MAX: usize = 32;

/// What stands at the beginning of the bytes.
#[derive(Debug, PartialEq, Eq)]
enum Look<'a> {
    More,
    Wrong(&'static str),
    Frame { number: &'a str, command: &'a str, data: &'a [u8], end: usize },
}

/// The word up to the next space or LF, and what ends it.
fn word(bytes: &[u8], most: usize) -> Result<Option<(&str, u8)>, &'static str> {
    match bytes.iter().take(most + 1).position(|b| matches!(b, b' ' | b'\n')) {
        Some(0) => Err("a part of a frame is empty"),
        Some(end) => std::str::from_utf8(&bytes[..end]).map(|word| Some((word, bytes[end]))).map_err(|_| "a frame is not text"),
        None if bytes.len() > most => Err("a part of a frame is too long"),
        None => Ok(None),
    }
}

fn look(bytes: &[u8]) -> Result<Look<'_>, &'static str> {
    let Some((number, end)) = word(bytes, NUMBER_DIGITS_MAX)? else { return Ok(Look::More) };
    if end != b' ' || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a frame does not begin with a number");
    }
    let at = number.len() + 1;
    let Some((command, end)) = word(&bytes[at..], COMMAND_BYTES_MAX)? else { return Ok(Look::More) };
    if end != b' ' || !command.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("a frame has no command");
    }
    let at = at + command.len() + 1;
    let Some((length, end)) = word(&bytes[at..], NUMBER_DIGITS_MAX)? else { return Ok(Look::More) };
    let Ok(length_number) = length.parse::<usize>() else { return Err("a frame has no length") };
    let at = at + length.len();
    if length_number == 0 {
        // Some senders write a space all the same.
        let skip = usize::from(end == b' ');
        return match bytes.get(at + skip) {
            None => Ok(Look::More),
            Some(b'\n') => Ok(Look::Frame { number, command, data: b"", end: at + skip + 1 }),
            Some(_) => Err("a frame does not end where it should"),
        };
    }
    if end != b' ' {
        return Err("a frame has a length and no data");
    }
    if length_number > EVENT_BYTES_MAX {
        return Ok(Look::Wrong("a frame is too long"));
    }
    match bytes.get(at + 1 + length_number) {
        None => Ok(Look::More),
        Some(b'\n') => Ok(Look::Frame { number, command, data: &bytes[at + 1..at + 1 + length_number], end: at + length_number + 2 }),
        Some(_) => Err("a frame does not end where it should"),
    }
}

impl Session for Relp {
    fn push(&mut self, bytes: &[u8], peer: IpAddr, taken: &mut Taken) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        while taken.end.is_none() {
            match look(&held[at..]).unwrap_or_else(Look::Wrong) {
                Look::More => break,
                Look::Wrong(why) => {
                    taken.step().answer.extend_from_slice(b"0 serverclose 0\n");
                    taken.end = Some(why.to_owned());
                }
                Look::Frame { number, command, data, end } => {
                    self.frame(number, command, data, peer, taken);
                    at += end;
                }
            }
        }
        self.held = held;
        self.held.drain(..at);
        if self.held.is_empty() {
            self.held.shrink_to(64 * 1024);
        }
    }

    /// An unfinished frame was not acknowledged: it comes again.
    fn finish(&mut self, _: IpAddr, _: &mut Taken) {
        self.held.clear();
    }

    fn held(&self) -> usize {
        self.held.len()
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn farewell(&self) -> &'static [u8] {
        b"0 serverclose 0\n"
    }
}

impl Relp {
    fn frame(&mut self, number: &str, command: &str, data: &[u8], peer: IpAddr, taken: &mut Taken) {
        let known = matches!(command, "open" | "close" | "syslog");
        if !known || (command == "syslog" && !self.open) {
            taken.refused.push("unsupported");
        }
        let step = taken.step();
        match command {
            "open" => {
                self.open = true;
                let offers = format!("200 OK\nrelp_version=0\nrelp_software=taffrail,{}\ncommands=syslog", env!("CARGO_PKG_VERSION"));
                respond(&mut step.answer, number, &offers);
            }
            "syslog" if self.open => {
                split(data.strip_suffix(b"\n").unwrap_or(data), self.limit, peer, &mut step.chunk);
                respond(&mut step.answer, number, "200 OK");
            }
            "close" => {
                respond(&mut step.answer, number, "");
                step.answer.extend_from_slice(b"0 serverclose 0\n");
                taken.end = Some(String::new());
            }
            "syslog" => {
                respond(&mut step.answer, number, "500 the session is not open");
                taken.end = Some("a message before the session was opened".into());
            }
            _ => respond(&mut step.answer, number, "500 unknown command"),
        }
    }
}

fn respond(answer: &mut Vec<u8>, number: &str, text: &str) {
    let space = if text.is_empty() { "" } else { " " };
    answer.extend_from_slice(format!("{number} rsp {}{space}{text}\n", text.len()).as_bytes());
}

/// A message, in parts if it is longer than `limit`.
pub(crate) fn split(message: &[u8], limit: usize, peer: IpAddr, chunk: &mut Chunk) {
    chunk.push(peer, Frame { raw: &message[..message.len().min(limit)], problems: Problems::NONE });
    for part in message.get(limit..).unwrap_or_default().chunks(limit) {
        chunk.push(peer, Frame { raw: part, problems: Problems::CONTINUED });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &[u8]) -> Look<'_> {
        look(text).unwrap_or_else(Look::Wrong)
    }

    #[test]
    fn frames_of_every_kind() {
        assert_eq!(frame(b"12 syslog 5 hello\nrest"), Look::Frame { number: "12", command: "syslog", data: b"hello", end: 18 });
        assert_eq!(frame(b"3 close 0\n"), Look::Frame { number: "3", command: "close", data: b"", end: 10 });
        assert_eq!(frame(b"3 close 0 \n"), Look::Frame { number: "3", command: "close", data: b"", end: 11 });
        for at in 0..18 {
            assert_eq!(frame(&b"12 syslog 5 hello\n"[..at]), Look::More, "{at}");
        }
        for wrong in [
            &b"x syslog 5 hello\n"[..],
            b"12\n",
            b" syslog",
            b"12 syslog x hello\n",
            b"12 syslog 5 hellox",
            b"12 syslog 99999999 x",
            b"1234567890 syslog",
            b"12 syslog 5\nhello",
            b"GET / HTTP/1.1\r\n",
            b"12 \xff\xff 0\n",
        ] {
            assert!(matches!(frame(wrong), Look::Wrong(_)), "{:?}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn a_session_byte_by_byte() {
        let mut session = Relp { held: Vec::new(), limit: 1024, open: false };
        let peer = IpAddr::from([127, 0, 0, 1]);
        let mut taken = Taken::default();
        for byte in b"1 open 14 relp_version=0\n2 syslog 4 one\n\n3 what 0\n4 close 0\n" {
            session.push(&[*byte], peer, &mut taken);
        }
        let answer = String::from_utf8(taken.steps.remove(0).answer).expect("is text");
        let (head, offers) = answer.split_once(" 200 OK\n").expect("has an answer to open");
        let offers = offers.split_once("\n2 rsp").expect("has a second").0;
        assert_eq!(head, format!("1 rsp {}", "200 OK\n".len() + offers.len()));
        assert!(answer.ends_with("commands=syslog\n2 rsp 6 200 OK\n3 rsp 19 500 unknown command\n4 rsp 0\n0 serverclose 0\n"), "{answer}");
        assert_eq!(taken.end, Some(String::new()));
    }
}
