//! Templates: constant text with places in braces, and what is written in the places.

use crate::estate::{Estate, Scope};
use crate::random::Random;
use anyhow::{Context, Result, bail};

/// A part of a template.
pub(crate) enum Piece {
    Text(Vec<u8>),
    Place(Place),
    /// Makes a value and keeps it.
    Keep(usize, Place),
    /// A value that was kept.
    Kept(usize),
}

/// What may stand in a place.
pub(crate) enum Place {
    /// `int:LEAST-MOST`, each as likely.
    Int(u64, u64),
    /// `log:LEAST-MOST`, each length as likely.
    Log(u64, u64),
    /// `hex:N`, `HEX:N`, `base64:N`: so many random characters.
    Characters(&'static [u8; 64], u32, u64),
    /// The name of a list or pool.
    List(usize),
    /// `name:X` and `ip:X` of one of the story's hosts.
    Name(usize),
    Address(usize),
    /// `host:ROLE`, `ip:any`: any host's.
    AnyName(Vec<usize>),
    AnyAddress,
    /// `time:FORM`: the line's own time.
    Time(Form),
    /// `uptime`: seconds since the host was started, with microseconds.
    Uptime,
    /// `date`: the day.
    Date,
    /// `count:NAME:LEAST-MOST`: a number that grows by a step.
    Count(usize, u64, u64),
}

/// How programs write the time into their messages.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Iso,
    Log4j,
    Access,
    Slash,
    Proxy,
    Redis,
    Epoch,
}

const HEX: &[u8; 64] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UPPER_HEX: &[u8; 64] = b"0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Numbers that all lines share, by their place in the estate's list of counters.
pub(crate) const COUNTERS: [&str; 4] = ["application", "connection", "audit", "session"];

/// Reads a template.
pub(crate) fn parse(text: &str, scope: &mut Scope<'_>) -> Result<Vec<Piece>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before.as_bytes().to_vec()));
        }
        let (inside, after) = after.split_once('}').with_context(|| format!("{text:?}: a brace stays open"))?;
        let piece = match inside.split_once('=') {
            Some((name, inside)) => {
                let made = place(inside, scope)?;
                Piece::Keep(scope.keep(name)?, made)
            }
            None => match scope.slot(inside) {
                Some(slot) => Piece::Kept(slot),
                None => Piece::Place(place(inside, scope)?),
            },
        };
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.as_bytes().to_vec()));
    }
    Ok(pieces)
}

fn place(text: &str, scope: &Scope<'_>) -> Result<Place> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let range = |text: &str| -> Result<(u64, u64)> {
        let (least, most) = text.split_once('-').with_context(|| format!("{text:?} is not LEAST-MOST"))?;
        Ok((least.parse()?, most.parse()?))
    };
    Ok(match kind {
        "int" => range(rest).map(|(least, most)| Place::Int(least, most))?,
        "log" => range(rest).map(|(least, most)| Place::Log(least, most))?,
        "hex" => Place::Characters(HEX, 4, rest.parse()?),
        "HEX" => Place::Characters(UPPER_HEX, 4, rest.parse()?),
        "base64" => Place::Characters(BASE64, 6, rest.parse()?),
        "ip" if rest == "any" => Place::AnyAddress,
        "ip" => Place::Address(scope.member(rest).with_context(|| format!("nobody is called {rest:?}"))?),
        "name" => Place::Name(scope.member(rest).with_context(|| format!("nobody is called {rest:?}"))?),
        "host" => Place::AnyName(scope.role(rest).with_context(|| format!("no role {rest:?}"))?),
        "uptime" => Place::Uptime,
        "date" => Place::Date,
        "count" => {
            let (name, step) = rest.split_once(':').context("count:NAME:LEAST-MOST")?;
            let (least, most) = range(step)?;
            Place::Count(COUNTERS.iter().position(|known| *known == name).with_context(|| format!("no counter {name:?}"))?, least, most)
        }
        "time" => Place::Time(match rest {
            "iso" => Form::Iso,
            "log4j" => Form::Log4j,
            "access" => Form::Access,
            "slash" => Form::Slash,
            "proxy" => Form::Proxy,
            "redis" => Form::Redis,
            "epoch" => Form::Epoch,
            other => bail!("no form of time {other:?}"),
        }),
        name => scope.list(name).with_context(|| format!("{name:?} is neither a list nor a place"))?,
    })
}

/// What a line's places are filled from.
pub(crate) struct Filling<'a> {
    pub(crate) estate: &'a Estate,
    pub(crate) random: &'a mut Random,
    /// The hosts of the story.
    pub(crate) cast: &'a [usize],
    /// Which of them logs the line.
    pub(crate) own: usize,
    pub(crate) kept: &'a mut [Vec<u8>],
    pub(crate) counters: &'a mut [u64; COUNTERS.len()],
    /// Milliseconds since the log began.
    pub(crate) time: u64,
}

/// Writes a template that names neither hosts of a story nor times: an entry of a pool.
pub(crate) fn write_free(pieces: &[Piece], estate: &Estate, random: &mut Random, out: &mut Vec<u8>) {
    let counters = &mut [0; COUNTERS.len()];
    Filling { estate, random, cast: &[], own: 0, kept: &mut [], counters, time: 0 }.write(pieces, out);
}

impl Filling<'_> {
    /// Writes a template with its places filled.
    pub(crate) fn write(&mut self, pieces: &[Piece], out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Place(place) => self.place(place, out),
                Piece::Kept(slot) => out.extend_from_slice(&self.kept[*slot]),
                Piece::Keep(slot, place) => {
                    let start = out.len();
                    self.place(place, out);
                    // A line that comes several times makes its values anew each time.
                    self.kept[*slot].clear();
                    self.kept[*slot].extend_from_slice(&out[start..]);
                }
            }
        }
    }

    fn place(&mut self, place: &Place, out: &mut Vec<u8>) {
        match place {
            Place::Int(least, most) => decimal(out, self.random.between(*least, *most)),
            Place::Log(least, most) => decimal(out, self.random.spread(*least, *most)),
            Place::Characters(alphabet, bits, number) => {
                for start in (0..*number).step_by(10) {
                    let mut value = self.random.draw();
                    for _ in start..(*number).min(start + 10) {
                        out.push(alphabet[(value & 63) as usize]);
                        value >>= bits;
                    }
                }
            }
            Place::List(list) => {
                let list = &self.estate.lists[*list];
                let entry = list.choice.pick(self.random);
                self.write(&list.entries[entry], out);
            }
            Place::Name(member) => out.extend_from_slice(self.estate.hosts[self.cast[*member]].name.as_bytes()),
            Place::Address(member) => out.extend_from_slice(self.estate.hosts[self.cast[*member]].address.as_bytes()),
            Place::AnyName(hosts) => {
                let host = hosts[self.random.below(hosts.len() as u64) as usize];
                out.extend_from_slice(self.estate.hosts[host].name.as_bytes());
            }
            Place::AnyAddress => {
                let host = self.random.below(self.estate.hosts.len() as u64) as usize;
                out.extend_from_slice(self.estate.hosts[host].address.as_bytes());
            }
            Place::Time(form) => form.write(self.time, out),
            Place::Date => date(out, b"-", self.time),
            Place::Uptime => {
                decimal(out, self.estate.hosts[self.cast[self.own]].uptime + self.time / 1_000);
                out.push(b'.');
                padded(out, self.time % 1_000 * 1_000 + self.random.below(1_000), 6);
            }
            Place::Count(counter, least, most) => {
                self.counters[*counter] += self.random.between(*least, *most);
                decimal(out, self.counters[*counter]);
            }
        }
    }
}

/// The log begins on this day of October 2026, at midnight UTC.
pub(crate) const FIRST_DAY: u64 = 5;
const FIRST_SECOND: u64 = 1_791_158_400;

impl Form {
    fn write(self, time: u64, out: &mut Vec<u8>) {
        match self {
            Self::Iso => {
                date(out, b"-", time);
                out.push(b'T');
                clock(out, time);
                out.push(b'.');
                padded(out, time % 1_000, 3);
                out.push(b'Z');
            }
            Self::Log4j => {
                date(out, b"-", time);
                out.push(b' ');
                clock(out, time);
                out.push(b',');
                padded(out, time % 1_000, 3);
            }
            Self::Slash => {
                date(out, b"/", time);
                out.push(b' ');
                clock(out, time);
            }
            Self::Access | Self::Proxy | Self::Redis => {
                padded(out, day(time), 2);
                out.extend_from_slice(if matches!(self, Self::Redis) { b" Oct 2026 " } else { b"/Oct/2026:" });
                clock(out, time);
                if matches!(self, Self::Access) {
                    out.extend_from_slice(b" +0000");
                } else {
                    out.push(b'.');
                    padded(out, time % 1_000, 3);
                }
            }
            Self::Epoch => {
                decimal(out, FIRST_SECOND + time / 1_000);
                out.push(b'.');
                padded(out, time % 1_000, 3);
            }
        }
    }
}

/// Day of the month.
pub(crate) fn day(time: u64) -> u64 {
    FIRST_DAY + time / 86_400_000
}

fn date(out: &mut Vec<u8>, between: &[u8], time: u64) {
    out.extend_from_slice(b"2026");
    out.extend_from_slice(between);
    out.extend_from_slice(b"10");
    out.extend_from_slice(between);
    padded(out, day(time), 2);
}

/// Hours, minutes and seconds.
pub(crate) fn clock(out: &mut Vec<u8>, time: u64) {
    let second = time / 1_000;
    padded(out, second / 3_600 % 24, 2);
    out.push(b':');
    padded(out, second / 60 % 60, 2);
    out.push(b':');
    padded(out, second % 60, 2);
}

/// A number with leading zeros, of at most 20 digits.
fn padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    // Much quicker than the formatting of the standard library, and most of what is written is numbers.
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 {
        at -= 1;
        digits[at] += (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[at.min(digits.len() - width)..]);
}

/// A number.
pub(crate) fn decimal(out: &mut Vec<u8>, value: u64) {
    padded(out, value, 1);
}
