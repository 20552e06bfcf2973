//! What a codec remembers of the lines before makes it quicker and changes nothing.

use super::*;
use crate::Zone;
use proptest::prelude::*;

/// 2026-11-21T21:30:00Z
const NOW: Timestamp = Timestamp(1_795_296_600_000_000_000);

const DATES: [&str; 14] = [
    "Nov 21 ",
    "Nov  1 ",
    "Nov 01 ",
    "Feb 29 ",
    "2026-11-21T",
    "2026-11-21 ",
    "2026/11/21 ",
    "21/Nov/2026:",
    "Sat Nov 21 ",
    "21.11.2026 ",
    "11/21/2026 ",
    "Nov 21 2025 ",
    "11-21 ",
    "20261121 ",
];
const CLOCKS: [&str; 12] = [
    "21:14:03",
    "00:00:00",
    "23:59:59",
    "23:59:60",
    "24:00:00",
    "9:14:03",
    "21:14",
    "21:14:03.120",
    "21:14:03,1",
    "21:14:03.1234567890",
    "21:14:03.",
    "12:01:02.000001",
];
const SUFFIXES: [&str; 14] = ["", "", "", "", "Z", "+01:00", "-0530", " +0100", " CET", " UTC", " 2026", " PM", " 2026 UTC", "z"];
const FOLLOWS: [&str; 12] = [" ", " ", " ", " ", "  ", ": ", "] ", "\t", "", ".5 ", "x", "\" "];
const WORDS: [&str; 24] = [
    "web-01",
    "db",
    "web01.example.org",
    "10.1.2.3",
    "fe80::1",
    "CET",
    "EST-web",
    "2026",
    "2027-x",
    "Nov",
    "sshd:",
    "sshd[12]:",
    "2026-11-21",
    "21/Nov/2026",
    "zoo-",
    "Zoo7",
    "Z",
    "+0100",
    "a",
    "WEST",
    "192.168.0.1",
    "web_01",
    "h\u{f6}st",
    "<13>",
];
const MESSAGES: [&str; 8] =
    ["sshd[1]: x", "x", "", "21:14:03 y", "app: Nov 21 21:14:04 z", "{\"ts\":1}", "\"GET / HTTP/1.1\" 200 1", ": %ASA-6-1: x"];
const BEGINNINGS: [&str; 8] = ["", "", "", "<13>", "<13> ", "<999>", "1.2.3.4 - - [", "*"];

fn line() -> impl Strategy<Value = Vec<u8>> {
    let pick = |from: &'static [&'static str]| prop::sample::select(from);
    // Mostly the same spelling again, so that there is something to remember.
    let start =
        (prop_oneof![3 => Just(""), 1 => pick(&BEGINNINGS)], prop_oneof![4 => Just(DATES[0]), 2 => Just(DATES[4]), 2 => pick(&DATES)]);
    let end = (prop_oneof![2 => Just("web-01"), 2 => pick(&WORDS)], prop_oneof![3 => Just(" "), 1 => pick(&FOLLOWS)], pick(&MESSAGES));
    let clock = prop_oneof![
        2 => (0..24u8, 0..60u8, 0..61u8).prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}")),
        1 => pick(&CLOCKS).prop_map(str::to_owned)
    ];
    let change = prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (start, clock, pick(&SUFFIXES), pick(&FOLLOWS), end, change).prop_map(
        |((beginning, date), clock, suffix, follow, (word, behind, message), change)| {
            let mut line = format!("{beginning}{date}{clock}{suffix}{follow}{word}{behind}{message}").into_bytes();
            if let Some((at, byte)) = change {
                let at = at.index(line.len());
                line[at] = byte;
            }
            line
        },
    )
}

fn context(zone: &str) -> Context {
    Context { received: NOW, times: TimeFinder::new(Zone::parse(zone).unwrap_or_default()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_quick_way_finds_what_the_long_way_finds(
        lines in prop::collection::vec(line(), 2..24),
        zone in prop::sample::select(&["UTC", "+02:00", "Europe/Berlin"][..]),
        latest in prop::sample::select(&[None, Some(Timestamp(1_700_000_000_000_000_000))][..]),
    ) {
        for codec in CODECS {
            let (mut quick, mut long) = (context(zone), context(zone));
            quick.times.set_latest(latest);
            long.times.set_latest(latest);
            for line in &lines {
                long.times.forget_day();
                let (one, other) = (codec.decode(line, &mut quick), codec.decode(line, &mut long));
                prop_assert_eq!(one, other, "{} {:?}", codec.sourcetype(), String::from_utf8_lossy(line));
            }
        }
    }
}

#[test]
fn days_are_learnt() {
    for (sourcetype, line) in [
        ("syslog", "Nov 21 21:14:03 web-01 sshd[1]: x"),
        ("syslog", "<13>1 2026-11-21T21:14:03.003Z web-01 app 7 ID - x"),
        ("access_common", "1.2.3.4 - - [21/Nov/2026:21:14:03 +0100] \"GET / HTTP/1.1\" 200 1"),
        ("text", "2026-11-21 21:14:03,120 INFO x"),
        ("json", "{\"ts\":\"2026-11-21T21:14:03.120+01:00\"}"),
    ] {
        let mut context = context("UTC");
        for round in 0..3 {
            codec(sourcetype).decode(line.as_bytes(), &mut context);
            assert_eq!(context.times.knows_day(), round > 0, "{line}");
        }
        // Once the receive time is another, it is learnt anew.
        context.received = Timestamp(NOW.0 - 400 * 86_400_000_000_000);
        let before = codec(sourcetype).decode(line.as_bytes(), &mut context);
        context.times.forget_day();
        assert_eq!(codec(sourcetype).decode(line.as_bytes(), &mut context), before);
    }
}
