//! GELF, Graylog's format, over UDP (plain, gzip, zlib; in chunks) and TCP (ended by NUL); [`record`] is the same for HTTP.
//!
//! **Promise.** None over UDP and TCP: there is no answer. A message is kept as the JSON that it is, and marked malformed if
//! it is none; messages whose chunks do not all come within five seconds (`incomplete`), and what cannot be unpacked, are counted as refused.

use crate::gather::{Content, Unwrap};
use crate::records::{Record, epoch, json};
use crate::relp::split;
use crate::stream::Protocol;
use crate::stream::session::{Session, Taken};
use crate::syslog::udp::Datagrams;
use rustc_hash::FxHashMap;
use std::io::Read;
use std::net::IpAddr;
use taffrail_base::limits::EVENT_BYTES_MAX;
use taffrail_event::Problems;

pub(crate) const UDP: Datagrams = Datagrams {
    kind: "gelf-udp",
    title: "GELF over UDP",
    source: "gelf",
    port: 12201,
    transport: "gelf+udp",
    sourcetype: None,
    text: false,
    content: || Content::Wrapped(Box::new(Chunks::default())),
};

pub(crate) const TCP: Protocol = Protocol {
    kind: "gelf-tcp",
    title: "GELF over TCP",
    source: "gelf",
    port: 12201,
    transport: "gelf+tcp",
    sourcetype: None,
    needs_tls: false,
    session: |limit| Box::new(NulEnded { held: Vec::new(), searched: 0, limit }),
    content: || Content::Wrapped(Box::new(Whole)),
};

/// A message: its JSON as it stands, and what it says of itself.
pub fn record(raw: &[u8]) -> Record<'_> {
    let text = std::str::from_utf8(raw).map(str::trim_ascii).ok().filter(|text| json::is_object(text) && json::is_value(text));
    let Some(text) = text else {
        return Record { problems: Problems::MALFORMED, ..Record::of(raw) };
    };
    let mut record = Record::json(raw);
    for (key, value) in json::members(text) {
        match json::text(key).as_deref() {
            Some("timestamp") => record.time = json::scalar(value).and_then(|time| epoch(&time)),
            Some("host") => record.host = json::text(value).unwrap_or_default(),
            _ => {}
        }
    }
    record
}

/// Messages that arrive whole.
struct Whole;

impl Unwrap for Whole {
    fn unwrap(&mut self, _: IpAddr, raw: &[u8], _: u64, emit: &mut dyn FnMut(Record<'_>), _: &mut dyn FnMut(&'static str)) {
        emit(record(raw));
    }
}

/// Messages of which only some chunks are there.
#[derive(Default)]
struct Chunks {
    /// By sender and by the number that it gave the message.
    open: FxHashMap<(IpAddr, [u8; 8]), Parts>,
    bytes: usize,
    /// When messages were last looked through.
    looked: u64,
}

struct Parts {
    since: u64,
    parts: Vec<Option<Box<[u8]>>>,
    missing: usize,
}

/// Chunks of one message, as the protocol has it.
const CHUNKS_MAX: usize = 128;

/// How long a message waits for its chunks.
const WAIT_NANOS: u64 = 5_000_000_000;

/// How often they are looked through.
const LOOK_NANOS: u64 = 1_000_000_000;

/// Bytes of all unfinished messages together, and how many there may be; beyond it the oldest are given up.
const OPEN_BYTES_MAX: usize = 32 * 1024 * 1024;
const OPEN_MAX: usize = 10_000;

impl Unwrap for Chunks {
    fn unwrap(&mut self, peer: IpAddr, raw: &[u8], now: u64, emit: &mut dyn FnMut(Record<'_>), refuse: &mut dyn FnMut(&'static str)) {
        self.give_up(now, refuse);
        let message;
        let whole = match raw.strip_prefix(&[0x1e, 0x0f]) {
            None => raw,
            Some(chunk) => match self.join(peer, chunk, now) {
                Err(reason) => return refuse(reason),
                Ok(None) => return,
                Ok(Some(joined)) => {
                    message = joined;
                    &message
                }
            },
        };
        let plain = match whole {
            [0x1f, 0x8b, ..] => expanded(flate2::read::MultiGzDecoder::new(whole)),
            [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31) => {
                expanded(flate2::read::ZlibDecoder::new(whole))
            }
            // Some end it as they would a line.
            plain => return emit(record(plain.strip_suffix(b"\n").or_else(|| plain.strip_suffix(b"\0")).unwrap_or(plain))),
        };
        match plain {
            Ok(plain) => emit(record(&plain)),
            Err(reason) => refuse(reason),
        }
    }

    fn finish(&mut self, refuse: &mut dyn FnMut(&'static str)) {
        self.open.drain().for_each(|_| refuse("incomplete"));
        self.bytes = 0;
    }
}

fn expanded(packed: impl Read) -> Result<Vec<u8>, &'static str> {
    let mut plain = Vec::new();
    match packed.take(EVENT_BYTES_MAX as u64 + 1).read_to_end(&mut plain) {
        Err(_) => Err("damaged"),
        Ok(_) if plain.len() > EVENT_BYTES_MAX => Err("too_large"),
        Ok(_) => Ok(plain),
    }
}

impl Chunks {
    /// Lets go of messages that have waited for too long, or of all if they are too many.
    fn give_up(&mut self, now: u64, refuse: &mut dyn FnMut(&'static str)) {
        let before = self.open.len();
        let too_many = self.bytes > OPEN_BYTES_MAX || before >= OPEN_MAX;
        if !too_many && now.saturating_sub(self.looked) < LOOK_NANOS {
            return;
        }
        self.looked = now;
        self.open.retain(|_, parts| !too_many && now.saturating_sub(parts.since) < WAIT_NANOS);
        if self.open.len() < before {
            (self.open.len()..before).for_each(|_| refuse("incomplete"));
            self.bytes = self.open.values().flat_map(|parts| parts.parts.iter().flatten()).map(|part| part.len()).sum();
        }
    }

    /// The whole message if this was its last chunk.
    fn join(&mut self, peer: IpAddr, chunk: &[u8], now: u64) -> Result<Option<Vec<u8>>, &'static str> {
        let Some((head, data)) = chunk.split_first_chunk::<10>() else { return Err("damaged") };
        let [id @ .., number, count] = *head;
        let (number, count) = (usize::from(number), usize::from(count));
        if number >= count || count > CHUNKS_MAX {
            return Err("damaged");
        }
        let key = (peer, id);
        let parts = self.open.entry(key).or_insert_with(|| Parts { since: now, parts: vec![None; count], missing: count });
        if parts.parts.len() != count {
            return Err("damaged");
        }
        match &parts.parts[number] {
            // Networks give some datagrams twice.
            Some(known) if **known == *data => return Ok(None),
            Some(_) => return Err("damaged"),
            None => {
                parts.missing -= 1;
                self.bytes += data.len();
                parts.parts[number] = Some(data.into());
            }
        }
        if parts.missing > 0 {
            return Ok(None);
        }
        let whole =
            self.open.remove(&key).map(|parts| parts.parts.into_iter().flatten().flatten().collect::<Vec<u8>>()).unwrap_or_default();
        self.bytes -= whole.len();
        Ok(Some(whole))
    }
}

/// Messages that end with NUL.
struct NulEnded {
    held: Vec<u8>,
    searched: usize,
    limit: usize,
}

impl Session for NulEnded {
    fn push(&mut self, bytes: &[u8], peer: IpAddr, taken: &mut Taken) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(length) = self.held[at.max(self.searched)..].iter().position(|b| *b == 0) {
            let end = at.max(self.searched) + length;
            self.message(at..end, peer, taken);
            at = end + 1;
        }
        self.held.drain(..at);
        self.searched = self.held.len();
        if self.held.len() >= EVENT_BYTES_MAX {
            self.finish(peer, taken);
        }
    }

    fn finish(&mut self, peer: IpAddr, taken: &mut Taken) {
        self.message(0..self.held.len(), peer, taken);
        self.held.clear();
        self.searched = 0;
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

impl NulEnded {
    fn message(&self, range: std::ops::Range<usize>, peer: IpAddr, taken: &mut Taken) {
        let message = self.held[range].trim_ascii();
        if !message.is_empty() {
            // Whole as long as an event may be: half an object is of no use.
            split(message, self.limit.max(EVENT_BYTES_MAX), peer, &mut taken.step().chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn all(messages: &[(&[u8], u64)]) -> (Vec<String>, Vec<&'static str>) {
        let (mut chunks, mut got, mut refused) = (Chunks::default(), Vec::new(), Vec::new());
        for (message, seconds) in messages {
            let mut emit = |record: Record<'_>| {
                got.push(format!("{} {:?} {:?}", String::from_utf8_lossy(&record.raw), record.host, record.time.map(|time| time.0)));
            };
            chunks.unwrap(PEER, message, seconds * 1_000_000_000, &mut emit, &mut |reason| refused.push(reason));
        }
        assert!(chunks.open.is_empty() == (chunks.bytes == 0));
        (got, refused)
    }

    fn chunk(id: u8, number: u8, count: u8, data: &[u8]) -> Vec<u8> {
        [&[0x1e, 0x0f][..], &[id; 8], &[number, count], data].concat()
    }

    #[test]
    fn datagrams_of_every_kind() {
        use std::io::Write;
        let message = br#"{"version":"1.1","host":"web","short_message":"hi","timestamp":1385053862.3072,"_x":1}"#;
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(message).expect("packs");
        let zlib = zlib.finish().expect("packs");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(message).expect("packs");
        let gzip = gzip.finish().expect("packs");
        let (first, second) = gzip.split_at(20);
        let (late, early) = (chunk(7, 1, 2, second), chunk(7, 0, 2, first));
        let (got, refused) = all(&[(message, 0), (&zlib, 0), (&gzip, 0), (&late, 1), (&late, 2), (&early, 3), (b"no json", 4)]);
        let wanted = format!("{} \"web\" Some(1385053862307200000)", String::from_utf8_lossy(message));
        assert_eq!(got[..4], [wanted.clone(), wanted.clone(), wanted.clone(), wanted]);
        assert_eq!((got[4].as_str(), refused.len()), ("no json \"\" None", 0));
    }

    #[test]
    fn what_is_not_whole_is_refused_and_counted() {
        let (lost, other) = (chunk(1, 0, 2, b"{"), chunk(2, 0, 2, b"{"));
        let (got, refused) = all(&[(&lost, 0), (&other, 4), (b"{}", 6), (b"{}", 7), (b"{}", 20)]);
        assert_eq!((got.len(), refused), (3, vec!["incomplete", "incomplete"]));
        for bad in [&b"\x1e\x0f"[..], &chunk(1, 2, 2, b"x"), &chunk(1, 0, 200, b"x"), &chunk(1, 0, 0, b"x"), b"\x1f\x8bxx", b"\x78\x9cxx"] {
            assert_eq!(all(&[(bad, 0)]), (Vec::new(), vec!["damaged"]), "{bad:?}");
        }
        let many: Vec<Vec<u8>> =
            (0..OPEN_MAX + 1).map(|n| [&[0x1e, 0x0f][..], &(n as u64).to_be_bytes(), &[0, 2], b"x"].concat()).collect();
        let (mut chunks, mut refused) = (Chunks::default(), 0);
        for message in &many {
            chunks.unwrap(PEER, message, 0, &mut |_| {}, &mut |_| refused += 1);
        }
        assert_eq!((chunks.open.len(), refused), (1, OPEN_MAX), "each message that is given up");
        chunks.finish(&mut |_| refused += 1);
        assert_eq!((chunks.open.len(), refused), (0, OPEN_MAX + 1));
        // Two senders may give the same number, and what differs from what is there is no repetition.
        let (mut got, mut refused) = (0, Vec::new());
        for (peer, message) in [
            (PEER, chunk(3, 0, 2, b"{")),
            (IpAddr::from([127, 0, 0, 2]), chunk(3, 1, 2, b"}")),
            (PEER, chunk(3, 0, 2, b"[")),
            (PEER, chunk(3, 0, 2, b"{")),
            (PEER, chunk(3, 1, 2, b"}")),
        ] {
            chunks.unwrap(peer, &message, 0, &mut |_| got += 1, &mut |reason| refused.push(reason));
        }
        assert_eq!((got, refused, chunks.open.len()), (1, vec!["damaged"], 1));
    }

    /// Messages in one datagram and in some, plain and packed, changed: each becomes an event or is refused.
    #[test]
    fn ten_thousand_malformed_datagrams() {
        use std::io::Write;
        let plain = br#"{"version":"1.1","host":"web","short_message":"hi","timestamp":1385053862.3072,"_x":1}"#.to_vec();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("packs");
        let gzip = gzip.finish().expect("packs");
        let halves = |whole: &[u8]| vec![chunk(1, 0, 2, &whole[..20]), chunk(1, 1, 2, &whole[20..])];
        let cases = [vec![plain.clone()], vec![gzip.clone()], halves(&plain), halves(&gzip)];
        let mut mutator = crate::mutator::Mutator::new(b"\x1e\x0f\x1f\x8b{}\"\0");
        let (mut all, mut events, mut chunks) = (0, 0, Chunks::default());
        for round in 0..10_000 {
            let (mut got, mut refused) = (0, 0);
            let case = &cases[round % cases.len()];
            for datagram in case {
                let changed = mutator.change(datagram);
                chunks.unwrap(PEER, &changed, 0, &mut |_| got += 1, &mut |_| refused += 1);
            }
            chunks.finish(&mut |_| refused += 1);
            assert!(if case.len() == 1 { got + refused == 1 } else { got + refused >= 1 }, "round {round}: {got} {refused}");
            (all, events) = (all + got + refused, events + got);
        }
        assert!(events > 3_000 && all > events + 2_000, "{events} of {all}");
    }
}
