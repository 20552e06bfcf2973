//! Small segments of every kind, the same in every run: what is kept as test data of a format's version, and
//! what other readers of the format are tried on. The texts are our own.

use std::sync::Arc;
use taffrail_base::Ulid;
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_store::SegmentMeta;
use taffrail_store::segment::SegmentBuilder;

/// A segment's events and what they are called.
pub struct Sample {
    /// Its name, which is also that of its files.
    pub name: &'static str,
    /// The arrival number of its first event.
    pub first_sequence: u64,
    /// The events, in arrival order, in batches of one receive time each.
    pub batches: Vec<EventBatch>,
}

impl Sample {
    /// The file's bytes and what the catalog knows of it.
    pub fn encode(&self) -> (Vec<u8>, SegmentMeta) {
        let mut builder = SegmentBuilder::new("main", self.first_sequence);
        self.batches.iter().flat_map(EventBatch::iter).for_each(|event| builder.push(event));
        let number = self.name.bytes().fold(0u128, |sum, byte| sum * 31 + u128::from(byte));
        builder.finish(Ulid(1_700_000_000_000 << 80 | number), 3).expect("it can be encoded")
    }
}

const START: i64 = 1_700_000_000_000_000_000;

fn origin(host: &str, source: &str, sourcetype: &str, transport: &str, peer: &str) -> Origin {
    let [index, host, source, sourcetype, transport, peer] = ["main", host, source, sourcetype, transport, peer].map(Arc::from);
    Origin { index, host, source, sourcetype, transport, peer }
}

/// Gathers events into batches.
struct Events(Vec<EventBatch>);

impl Events {
    fn push(&mut self, received: i64, origin: &Origin, time: i64, problems: Problems, raw: &[u8]) {
        if self.0.last().is_none_or(|batch| batch.received.nanos() != received) {
            self.0.push(EventBatch::new(Timestamp(received)));
        }
        let batch = self.0.last_mut().expect("just pushed");
        let number = batch.origin(origin);
        batch.push(number, Timestamp(time), problems, raw);
    }
}

/// All samples.
pub fn all() -> Vec<Sample> {
    vec![every_encoding(), one_pattern(), raw(), pages(), filters(), recurring(), hosts(), epochs(), single(), extremes()]
}

fn words(rng: &mut fastrand::Rng, count: usize) -> String {
    let letters = |rng: &mut fastrand::Rng| (0..rng.usize(3..9)).map(|_| char::from(rng.u8(b'a'..=b'z'))).collect::<String>();
    (0..count).map(|_| letters(rng)).collect::<Vec<_>>().join(" ")
}

/// A line of one of several shapes, whose columns together need every encoding.
fn line(rng: &mut fastrand::Rng, at: usize, time: i64) -> Vec<u8> {
    let second = time / 1_000_000_000 % 60;
    let minute = time / 60_000_000_000 % 60;
    let user = ["root", "ada", "grace", "linus", "guest"][rng.usize(..5)];
    let address = format!("10.{}.{}.{}", rng.u8(..4), rng.u8(..), rng.u8(..));
    match at % 9 {
        0 => format!("Nov 14 22:{minute:02}:{second:02} gate sshd[{}]: Accepted publickey for {user} from {address} port {}", 900 + at, rng.u16(1024..)),
        1 => format!(
            "{address} - - [14/Nov/2023:22:{minute:02}:{second:02} +0000] \"GET /shop/{}/item{}?ref={user} HTTP/1.1\" 200 {} \"-\" \"probe/{}.1 ({})\"",
            ["cart", "list", "about"][rng.usize(..3)],
            rng.u16(..),
            rng.u32(..90_000),
            rng.u8(1..9),
            words(rng, 2),
        ),
        2 => format!("{{\"id\":\"{:032x}\",\"n\":{},\"who\":\"{user}\",\"note\":\"said \\\"{}\\\"\"}}", rng.u128(..), rng.i32(0..9_000), words(rng, 1)),
        3 => format!("2023-11-14 22:{minute:02}:{second:02},{:03} WARN  pool.Worker-{:04} took {}.{:02} ms", rng.u16(..1000), rng.u16(..10_000), rng.u16(..300), rng.u8(..100)),
        4 => format!("level=info msg=\"moved {} of {} parts to {address}\" at=2021-0{}-1{}T0{}:00:00.5Z", rng.u8(1..50), rng.u8(50..), rng.u8(1..9), rng.u8(..9), rng.u8(..9)),
        5 => format!("level=info msg=\"{} gave up after {} tries\" at=2021-03-04T05:06:07.5Z", words(rng, 1), rng.u8(2..6)),
        6 => format!("job blk_{}_of_queue done dev-{:X}", rng.u64(..), rng.u64(0x1000_0000_0000_0000..)),
        7 => format!("<{}>{} [14/Nov/2023:22:{minute:02}:{second:02} -0730] 2023/11/14 22:{minute:02}:{second:02} {}:{:02}:{:02}", at % 3, words(rng, 1), rng.u8(10..24), rng.u8(..60), rng.u8(..60)),
        _ => format!("user={user} action={} ok", ["open", "close", "read", "write"][rng.usize(..4)]),
    }
    .into_bytes()
}

fn every_encoding() -> Sample {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut events = Events(Vec::new());
    let origins = [
        origin("gate", "/var/log/auth.log", "syslog", "file", ""),
        origin("shop-1", "udp:514", "access", "syslog+udp", "192.0.2.7"),
        origin("b\u{fc}ro", "/srv/app one.log", "app", "file", ""),
    ];
    for at in 0..1_800usize {
        let time = START + at as i64 * 250_000_000;
        let raw = line(&mut rng, at, time);
        let problems = if at % 97 == 0 { Problems::INFERRED_TIME } else { Problems::NONE };
        // Events come late and out of order now and then.
        let shown = if at % 50 == 7 { time - 86_400_000_000_000 } else { time / 1_000_000_000 * 1_000_000_000 };
        events.push(time / 3_000_000_000 * 3_000_000_000 + 5, &origins[at % 3], shown, problems, &raw);
    }
    Sample { name: "every-encoding", first_sequence: 1, batches: events.0 }
}

/// One pattern only: a segment without an order of patterns.
fn one_pattern() -> Sample {
    let mut events = Events(Vec::new());
    let from = origin("one", "numbers", "plain", "import", "");
    for at in 0..300i64 {
        let text = format!("count {at} of 300 square {} padded {:06} same", at * at, at * 7);
        events.push(START, &from, START + at, Problems::NO_TIME, text.as_bytes());
    }
    Sample { name: "one-pattern", first_sequence: 4_000_000_000, batches: events.0 }
}

/// Bytes without structure: empty, NULs, not UTF-8, random, long; of two sourcetypes.
fn raw() -> Sample {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut events = Events(Vec::new());
    let from = [origin("raw", "a", "blob", "http", "::1"), origin("raw", "b", "noise", "http", "::1")];
    let mut push = |at: i64, raw: &[u8]| {
        let problems = if std::str::from_utf8(raw).is_err() { Problems::NOT_UTF8 } else { Problems::NONE };
        events.push(START + at / 10, &from[at as usize / 10 % 2], START - at, problems, raw);
    };
    for at in 0..60 {
        let long = words(&mut rng, 1_100);
        let noise: Vec<u8> = (0..rng.usize(..300)).map(|_| rng.u8(..)).collect();
        match at % 10 {
            0 | 1 => push(at, b""),
            2 => push(at, &[0; 70]),
            3 => push(at, b"caf\xe9 \xff\xfe broken \xe2\x82"),
            4 => push(at, b"two\nlines\r\nin one\n"),
            5 => push(at, b"\x01\x00 looks like \x01\x01 the key of a \x01 pattern"),
            6 if at < 30 => push(at, long.as_bytes()),
            7 => push(at, "Stra\u{df}e \u{1f600} \u{394}\u{3b1}".as_bytes()),
            8 => push(at, b"Traceback (most recent call last):\n  File \"x.py\", line 3, in f\n    g(\"a b\")\nValueError: no"),
            _ => push(at, &noise),
        }
    }
    Sample { name: "raw", first_sequence: 1, batches: events.0 }
}

/// Columns of more than one page, of which each is encoded in its own way.
fn pages() -> Sample {
    let mut events = Events(Vec::new());
    let from = origin("pages", "counter", "plain", "import", "");
    for at in 0..33_300i64 {
        let state = if at < 32_768 { "steady".to_owned() } else { format!("state{}", at % 40) };
        let text = format!("tick {at} is {state} \"of {} kinds\"", at % 5);
        events.push(START + at / 10_000, &from, START + at * 1_000_000, Problems::NONE, text.as_bytes());
    }
    Sample { name: "pages", first_sequence: 77, batches: events.0 }
}

/// Columns with a filter of all tokens, with one of the tokens without digits only, and with none.
fn filters() -> Sample {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut events = Events(Vec::new());
    let from = origin("filters", "many", "plain", "import", "");
    for at in 0..2_400i64 {
        let word = |number: i64| (0..3).map(|place| char::from(b'g' + (number / 17i64.pow(place) % 17) as u8)).collect::<String>();
        let text = match at % 16 {
            0 => format!("rare key-{:x} here", rng.u16(0x100..)),
            // More different ones than a filter is made for: ids with digits, and words.
            _ => format!("id t{}z word {}", at * 7919 % 9_999, word(at)),
        };
        events.push(START, &from, START + at * 1_000, Problems::NONE, text.as_bytes());
    }
    Sample { name: "filters", first_sequence: 1, batches: events.0 }
}

/// Values that recur across patterns, and UUIDs.
fn recurring() -> Sample {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut events = Events(Vec::new());
    let from = origin("recurring", "tasks", "plain", "import", "");
    let mut tasks = std::collections::VecDeque::new();
    for at in 0..4_500i64 {
        if at % 6 == 0 {
            tasks.push_back(format!("x{:012x}", rng.u64(..1 << 48)));
        }
        if tasks.len() > 40 {
            tasks.pop_front();
        }
        let task = &tasks[rng.usize(..tasks.len())];
        let uuid = format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", rng.u32(..), rng.u16(..), rng.u16(..), rng.u16(..), rng.u64(..1 << 48));
        let text = match (at % 3, at / 3 % 3) {
            (0, _) => format!("worker {} begins {task}", rng.u8(..20)),
            (1, _) => format!("done with {task} in {} ms", rng.u16(..)),
            (_, 0) => format!("queue took {task} of {}", rng.u16(..)),
            (_, 1) => format!("INFO {task} wrote {} bytes, rest {}", rng.u32(..), rng.i16(..)),
            _ => format!("request {uuid} for {task}"),
        };
        events.push(START, &from, START + at * 1_000, Problems::NONE, text.as_bytes());
    }
    Sample { name: "recurring", first_sequence: 5, batches: events.0 }
}

/// Events that begin with their time, as seconds or milliseconds since 1970.
fn epochs() -> Sample {
    let mut rng = fastrand::Rng::with_seed(9);
    let mut events = Events(Vec::new());
    let from = origin("epochs", "/logs/conn", "plain", "import", "");
    for at in 0..600i64 {
        let time = START + at * 77_000_000 + rng.i64(0..70_000) * 1_000;
        let (time, text) = match at % 3 {
            0 => (time, format!("{}.{:06}\tC{:06x}\tudp", time / 1_000_000_000, time / 1_000 % 1_000_000, rng.u32(..1 << 24))),
            1 => (time / 1_000_000 * 1_000_000, format!("{} took {} ms", time / 1_000_000, rng.u8(..))),
            _ => (time / 1_000_000_000 * 1_000_000_000, format!("{} user root state{}", time / 1_000_000_000, rng.u8(..9))),
        };
        events.push(START, &from, time, Problems::NONE, text.as_bytes());
    }
    Sample { name: "epochs", first_sequence: 1, batches: events.0 }
}

/// Events of which some say which host they are from.
fn hosts() -> Sample {
    let mut rng = fastrand::Rng::with_seed(8);
    let mut events = Events(Vec::new());
    for at in 0..900i64 {
        let host = format!("node-{}", rng.u8(..25));
        let source = ["/logs/a", "/logs/b"][at as usize % 2];
        let text = match at % 4 {
            0 => format!("{host} started task {} of {}", rng.u16(..), rng.u8(..)),
            1 => format!("disk of {host} is {} % full", rng.u8(..100)),
            // Another host than it is from, at times.
            2 => format!("{} was asked for {} rows", if at % 40 == 2 { "node-1" } else { &host }, rng.u16(..)),
            _ => format!("nobody says from where, {}", rng.u32(..)),
        };
        events.push(START, &origin(&host, source, "plain", "syslog", ""), START + at * 1_000, Problems::NONE, text.as_bytes());
    }
    Sample { name: "hosts", first_sequence: 3, batches: events.0 }
}

fn single() -> Sample {
    let mut events = Events(Vec::new());
    events.push(START, &origin("", "", "", "", ""), START, Problems::NONE, b"");
    Sample { name: "single", first_sequence: 9, batches: events.0 }
}

/// The ends of every stream: times, origins, problems.
fn extremes() -> Sample {
    let mut rng = fastrand::Rng::with_seed(6);
    let mut events = Events(Vec::new());
    for at in 0..120i64 {
        let from =
            origin(&format!("host-{}", at % 40), &format!("/logs/{}", at / 3), ["a", "b"][at as usize % 2], "syslog+tcp", "2001:db8::1");
        let time = [i64::MIN, i64::MAX, 0, -1, rng.i64(..)][at as usize % 5];
        let received = [i64::MAX, START, -START, 0][at as usize / 30];
        let text = format!("value {} then {} end", rng.u64(..1 << 60) >> (at % 60), rng.u64(..));
        events.push(received, &from, time, Problems(rng.u16(..)), text.as_bytes());
    }
    Sample { name: "extremes", first_sequence: 1 << 40, batches: events.0 }
}
