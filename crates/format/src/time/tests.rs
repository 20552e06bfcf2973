//! Times: every layout with its traps, and that what was written in a layout is found again.

use super::*;
use proptest::prelude::*;
use taffrail_event::time::civil_from_days;

/// 2026-11-21T21:30:00Z
const NOW: Timestamp = Timestamp(1_795_296_600_000_000_000);

fn find(line: &str) -> Option<(String, String, Problems)> {
    let found = TimeFinder::default().find(line.as_bytes(), NOW)?;
    Some((line[found.start..found.end].to_owned(), found.time.to_string(), found.problems))
}

#[track_caller]
fn check(line: &str, text: &str, time: &str) {
    let found = find(line).unwrap_or_else(|| panic!("no time in {line:?}"));
    assert_eq!((found.0.as_str(), found.1.as_str()), (text, time), "{line:?}");
}

#[test]
fn the_layouts() {
    check("2026-11-21T21:14:03.120Z x", "2026-11-21T21:14:03.120Z", "2026-11-21T21:14:03.120Z");
    check("2026-11-21T21:14:03.123456789+01:00 x", "2026-11-21T21:14:03.123456789+01:00", "2026-11-21T20:14:03.123456789Z");
    check("2026-11-21T21:14:03-0530", "2026-11-21T21:14:03-0530", "2026-11-22T02:44:03Z");
    check("2026-11-21 21:14:03,1 [main]", "2026-11-21 21:14:03,1", "2026-11-21T21:14:03.100Z");
    check("2026-11-21 21:14:03.120 UTC [12] LOG:", "2026-11-21 21:14:03.120 UTC", "2026-11-21T21:14:03.120Z");
    check("2026-11-21 21:14:03 CET [12]", "2026-11-21 21:14:03 CET", "2026-11-21T20:14:03Z");
    check("2026-11-21 21:14 x", "2026-11-21 21:14", "2026-11-21T21:14:00Z");
    check("2015-07-29 17:41:44,747 - INFO", "2015-07-29 17:41:44,747", "2015-07-29T17:41:44.747Z");
    check("2016-09-28 04:30:30, Info    CBS", "2016-09-28 04:30:30", "2016-09-28T04:30:30Z");
    check("2026/11/21 21:14:03 [error] 12#12:", "2026/11/21 21:14:03", "2026-11-21T21:14:03Z");
    check("Nov 21 21:14:03 web sshd[1]: x", "Nov 21 21:14:03", "2026-11-21T21:14:03Z");
    check("Nov  1 01:02:03.5 web", "Nov  1 01:02:03.5", "2026-11-01T01:02:03.500Z");
    check("*Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I", "Mar  1 18:46:11.123 UTC", "2026-03-01T18:46:11.123Z");
    check(".Mar  1 18:46:11 EST: x", "Mar  1 18:46:11 EST", "2026-03-01T23:46:11Z");
    check("Nov 21 2025 21:14:03: %ASA-6", "Nov 21 2025 21:14:03", "2025-11-21T21:14:03Z");
    check("2025 Nov 21 21:14:03 switch", "2025 Nov 21 21:14:03", "2025-11-21T21:14:03Z");
    check("Nov 21 21:14:03 2025 host", "Nov 21 21:14:03 2025", "2025-11-21T21:14:03Z");
    check("[Sun Dec 04 04:47:44 2005] [notice]", "Sun Dec 04 04:47:44 2005", "2005-12-04T04:47:44Z");
    check("[Sat Nov 21 21:14:03.123456 2026] x", "Sat Nov 21 21:14:03.123456 2026", "2026-11-21T21:14:03.123456Z");
    check("Sat, 21 Nov 2026 21:14:03 +0000", "Sat, 21 Nov 2026 21:14:03 +0000", "2026-11-21T21:14:03Z");
    check("Sat Nov 21 21:14:03 UTC 2026", "Sat Nov 21 21:14:03 UTC 2026", "2026-11-21T21:14:03Z");
    check("1.2.3.4 - - [21/Nov/2026:21:14:03 +0100] \"GET", "21/Nov/2026:21:14:03 +0100", "2026-11-21T20:14:03Z");
    check("21-Nov-2026 21:14:03.120 queries: info", "21-Nov-2026 21:14:03.120", "2026-11-21T21:14:03.120Z");
    check("21.11.2026 21:14:03 x", "21.11.2026 21:14:03", "2026-11-21T21:14:03Z");
    check("11/21/2026 09:14:03 PM x", "11/21/2026 09:14:03 PM", "2026-11-21T21:14:03Z");
    check("11/21/2026, 12:14:03 AM", "11/21/2026, 12:14:03 AM", "2026-11-21T00:14:03Z");
    check("21/11/2026 21:14:03", "21/11/2026 21:14:03", "2026-11-21T21:14:03Z");
    check("26/11/21 21:14:03 INFO spark", "26/11/21 21:14:03", "2026-11-21T21:14:03Z");
    check("081109 203615 148 INFO dfs", "081109 203615", "2008-11-09T20:36:15Z");
    check("20171223-22:15:29:606|Step_LSC|", "20171223-22:15:29:606", "2017-12-23T22:15:29.606Z");
    check("20171223-2:5:9:606|Step_LSC|", "20171223-2:5:9:606", "2017-12-23T02:05:09.606Z");
    check("20261121T211403Z x", "20261121T211403Z", "2026-11-21T21:14:03Z");
    check("03-17 16:13:38.811  1702  2395 D", "03-17 16:13:38.811", "2026-03-17T16:13:38.811Z");
    check("I1123 02:22:31.123456   12345 server.cc:10] ready", "1123 02:22:31.123456", "2025-11-23T02:22:31.123456Z");
    check("E1121 02:22:31.123456       1 controller.go:123] x", "1121 02:22:31.123456", "2026-11-21T02:22:31.123456Z");
    check("W20261121 02:22:31.123456 7 server.cc:10] x", "20261121 02:22:31.123456", "2026-11-21T02:22:31.123456Z");
    check("kubelet: F1121 02:22:31.000000 7 x.go:1] x", "1121 02:22:31.000000", "2026-11-21T02:22:31Z");
    check("1700000000 x", "1700000000", "2023-11-14T22:13:20Z");
    check("1700000000.123 180 client", "1700000000.123", "2023-11-14T22:13:20.123Z");
    check("1700000000123 x", "1700000000123", "2023-11-14T22:13:20.123Z");
    check("1700000000123456789 x", "1700000000123456789", "2023-11-14T22:13:20.123456789Z");
    check("type=SYSCALL msg=audit(1700000000.123:45): x", "1700000000.123", "2023-11-14T22:13:20.123Z");
}

#[test]
fn what_is_no_time() {
    for line in [
        "",
        "10.0.0.1 GET /",
        "version 1.2.3.4",
        "Nov",
        "Nov 31 21:14:03 x",
        "2026-02-29 00:00:00",
        "24:00:00",
        "12345678901",
        "0123456789 x",
        "id=99999999999999999999",
        "order 1700000000",
        "1700000000-abc",
        "Mayor 12 x",
        "2026-13-01 00:00:00",
        "00-00 00:00:00",
        "I1121 02:22:31 no fraction",
        "I1321 02:22:31.123456 x",
        "XI1121 02:22:31.123456 x",
        "1121 02:22:31.123456 x",
        "I",
    ] {
        assert_eq!(find(line), None, "{line:?}");
    }
}

#[test]
fn what_is_assumed_is_marked() {
    assert_eq!(find("2026-11-21T21:14:03Z").unwrap().2, Problems::NONE);
    assert_eq!(find("2026-11-21T21:14:03").unwrap().2, Problems::INFERRED_TIME);
    assert_eq!(find("Nov 21 21:14:03 UTC: x").unwrap().2, Problems::INFERRED_TIME);
    for absurd in ["9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2029-01-01T00:00:00Z", "0001-01-01 00:00:00"] {
        assert_eq!(find(absurd).unwrap(), (absurd.to_owned(), NOW.to_string(), Problems::BAD_TIME));
    }
}

#[test]
fn the_year_that_is_not_written() {
    let at = |now: &str, text: &str| {
        let now = TimeFinder::default().find(now.as_bytes(), NOW).unwrap().time;
        TimeFinder::default().find(text.as_bytes(), now).unwrap().time.to_string()
    };
    assert_eq!(at("2026-01-01T00:00:05Z", "Dec 31 23:59:59"), "2025-12-31T23:59:59Z");
    assert_eq!(at("2025-12-31T23:59:59Z", "Jan  1 00:00:05"), "2026-01-01T00:00:05Z");
    assert_eq!(at("2026-11-21T21:00:00Z", "Nov 22 20:00:00"), "2026-11-22T20:00:00Z");
    assert_eq!(at("2026-11-21T21:00:00Z", "Nov 23 20:00:00"), "2025-11-23T20:00:00Z");
    assert_eq!(at("2026-03-01T00:00:00Z", "Feb 29 12:00:00"), "2024-02-29T12:00:00Z");
    assert_eq!(at("2024-03-01T00:00:00Z", "Feb 29 12:00:00"), "2024-02-29T12:00:00Z");
}

#[test]
fn zones() {
    let local = |name: &str, text: &str| {
        let mut finder = TimeFinder::new(Zone::parse(name).unwrap_or_else(|| panic!("{name}")));
        finder.find(text.as_bytes(), NOW).unwrap().time.to_string()
    };
    assert_eq!(local("+02:00", "2026-11-21 21:14:03"), "2026-11-21T19:14:03Z");
    assert_eq!(local("UTC", "2026-11-21 21:14:03"), "2026-11-21T21:14:03Z");
    assert_eq!(local("+02:00", "2026-11-21 21:14:03Z"), "2026-11-21T21:14:03Z");
    if Zone::parse("Europe/Berlin").is_some() {
        assert_eq!(local("Europe/Berlin", "2026-07-01 12:00:00"), "2026-07-01T10:00:00Z");
        assert_eq!(local("Europe/Berlin", "2026-11-21 12:00:00"), "2026-11-21T11:00:00Z");
        // The hour that comes twice, and the one that does not come.
        assert_eq!(local("Europe/Berlin", "2026-10-25 02:30:00"), "2026-10-25T00:30:00Z");
        assert_eq!(local("Europe/Berlin", "2026-03-29 02:30:00"), "2026-03-29T01:30:00Z");
    }
    assert_eq!(Zone::parse("Nowhere/None"), None);
    // What never changes is an offset, by whatever name.
    assert_eq!([Zone::parse("UTC"), Zone::parse("Z"), Zone::parse("+00:00")], [Some(Zone::Utc), Some(Zone::Utc), Some(Zone::Utc)]);
    assert_eq!([Zone::parse("-0530"), Zone::parse("CEST")], [Some(Zone::Fixed(-19_800)), Some(Zone::Fixed(7_200))]);
    if Zone::has_names() {
        assert_eq!([Zone::parse("Etc/UTC"), Zone::parse("Etc/GMT-3")], [Some(Zone::Utc), Some(Zone::Fixed(10_800))]);
        assert_eq!(local("CET", "2026-07-01 12:00:00"), "2026-07-01T10:00:00Z");
    }
}

#[test]
fn the_place_of_the_last_time_is_tried_first_but_not_believed() {
    let mut finder = TimeFinder::default();
    let mut at = |line: &str| finder.find(line.as_bytes(), NOW).map(|f| line[f.start..f.end].to_owned());
    assert_eq!(at("[21/Nov/2026:21:14:03 +0000] a").as_deref(), Some("21/Nov/2026:21:14:03 +0000"));
    assert_eq!(at("longer [21/Nov/2026:21:14:04 +0000] a").as_deref(), Some("21/Nov/2026:21:14:04 +0000"));
    assert_eq!(at("no time here"), None);
    assert_eq!(at("2026-11-21T21:14:05Z x").as_deref(), Some("2026-11-21T21:14:05Z"));
    assert_eq!(at("x"), None);
}

/// A time in each layout, as text, with the fraction that it keeps.
fn spelled(nanos: i64, layout: usize) -> (String, i64) {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = nanos.div_euclid(1_000_000_000);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let (milli, nano) = (nanos.rem_euclid(1_000_000_000) / 1_000_000, nanos.rem_euclid(1_000_000_000));
    let name = MONTHS[month as usize - 1];
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    let whole = seconds * 1_000_000_000;
    let millis = whole + milli * 1_000_000;
    match layout {
        0 => (format!("{year:04}-{month:02}-{day:02}T{clock}.{nano:09}Z"), nanos),
        1 => (format!("{year:04}-{month:02}-{day:02} {clock},{milli:03}"), millis),
        2 => (format!("{year:04}/{month:02}/{day:02} {clock}"), whole),
        3 => (format!("{day:02}/{name}/{year:04}:{clock} +0000"), whole),
        4 => (format!("{name} {day:02} {clock} {year:04}"), whole),
        5 => (format!("{name} {day:>2} {year:04} {clock}.{milli:03}"), millis),
        6 => (format!("{day:02}.{month:02}.{year:04} {clock}"), whole),
        7 => (format!("{month:02}/{day:02}/{year:04} {clock}"), whole),
        8 => (format!("{year:04}{month:02}{day:02}-{clock}:{milli:03}"), millis),
        9 => (format!("{:02}{month:02}{day:02} {hour:02}{minute:02}{second:02}", year % 100), whole),
        10 => (format!("{:02}/{month:02}/{day:02} {clock}", year % 100), whole),
        11 => (format!("{seconds:010}.{milli:03}"), millis),
        12 => (format!("{:013}", nanos / 1_000_000), millis),
        13 => (format!("{year:04}-{month:02}-{day:02} {clock}.{milli:03} UTC"), millis),
        _ => (format!("{day:02} {name} {year:04} {clock} GMT"), whole),
    }
}

proptest! {
    #[test]
    fn a_time_is_found_again_in_each_layout(
        // 2002 to 2026: two-digit years and ten-digit seconds are read as these.
        nanos in 1_010_000_000_000_000_000i64..1_795_000_000_000_000_000,
        layout in 0usize..15,
        before in prop_oneof![Just(""), Just("["), Just("host app: ["), Just("(")],
    ) {
        let (text, want) = spelled(nanos, layout);
        let line = format!("{before}{text}] and what comes behind");
        let mut finder = TimeFinder::default();
        for _ in 0..2 {
            let found = finder.find(line.as_bytes(), NOW);
            let found = found.ok_or_else(|| TestCaseError::fail(format!("nothing in {line:?}")))?;
            prop_assert_eq!(&line[found.start..found.end], &text);
            prop_assert_eq!(found.time, Timestamp(want), "{}", line);
        }
    }

    #[test]
    fn no_bytes_are_too_much(bytes in proptest::collection::vec(prop_oneof![
        b'0'..=b'9', Just(b':'), Just(b' '), Just(b'-'), Just(b'/'), Just(b'.'), Just(b'N'), any::<u8>()
    ], 0..60), again in any::<bool>(), now in any::<i64>()) {
        let mut finder = TimeFinder::new(Zone::parse("Europe/Berlin").unwrap_or_default());
        if again {
            finder.find(b"x Nov 21 21:14:03", NOW);
        }
        finder.find(&bytes, Timestamp(now));
        for at in 0..bytes.len() {
            if let Some(found) = finder.at(&bytes, at, NOW) {
                prop_assert!(found.end <= bytes.len() && found.start < found.end);
            }
        }
    }
}
