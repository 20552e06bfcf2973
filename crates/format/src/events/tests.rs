//! Lines that belong together, in every way that the stream may be cut; and that nothing else is put together.

use super::*;
use proptest::prelude::*;

type Event = (String, Problems);

fn breaker(sourcetype: &str, limits: Limits) -> EventBreaker {
    let mut breaker = EventBreaker { limits, ..EventBreaker::new() };
    breaker.set_rule(Rule::of(sourcetype).as_ref(), |_| unreachable!("nothing is held"));
    breaker
}

const WIDE: Limits = Limits { line: 1 << 20, bytes: 1 << 20, lines: 10_000 };

fn events(sourcetype: &str, limits: Limits, chunks: &[&[u8]]) -> Vec<Event> {
    let mut breaker = breaker(sourcetype, limits);
    let mut out = Vec::new();
    let mut emit = |frame: Frame<'_>| out.push((String::from_utf8_lossy(frame.raw).into_owned(), frame.problems));
    for chunk in chunks {
        breaker.push(chunk, &mut emit);
        assert!(breaker.held() <= limits.line + limits.bytes + 1);
    }
    breaker.finish(&mut emit);
    assert_eq!(breaker.held(), 0);
    out
}

fn lines_of(sourcetype: &str, text: &str) -> Vec<usize> {
    events(sourcetype, WIDE, &[text.as_bytes()]).iter().map(|(raw, _)| raw.split('\n').count()).collect()
}

#[test]
fn the_samples_of_the_built_in_formats() {
    let mut samples = 0;
    for (name, file) in crate::fields::built_in() {
        assert_eq!(file.event.is_some(), !file.stream.is_empty(), "{name}: lines that show its rule");
        for stream in file.stream.iter().map(toml::Spanned::get_ref) {
            for sourcetype in &file.sourcetypes {
                assert_eq!(lines_of(sourcetype, &stream.text), stream.lines, "{sourcetype}:\n{}", stream.text);
                samples += 1;
            }
        }
    }
    assert!(samples > 10, "{samples}");
}

#[test]
fn formats_of_single_lines_have_no_rule() {
    for sourcetype in ["syslog", "access_common", "access_combined", "journald"] {
        assert!(Rule::of(sourcetype).is_none(), "{sourcetype}");
    }
    assert!(Rule::of("something of my own").is_some());
    assert_eq!(lines_of("syslog", "Nov 21 21:14:03 web app: x\n\tand more\n\n"), [1, 1, 1]);
}

#[test]
fn a_heading_with_a_time_is_no_beginning_of_many_lines() {
    let heading = "2026-11-21 21:14:03 report\n".to_owned();
    let rows: String = (0..1_000).map(|n| format!("row {n}\n")).collect();
    let lines = lines_of("text", &(heading.clone() + &rows));
    assert_eq!(lines[0], LOOSE + 1, "so many are taken for its lines");
    assert!(lines[1..].iter().all(|lines| *lines == 1), "{lines:?}");
    // Two times next to each other are believed again, one is not.
    let again = format!("{heading}{rows}{heading}row\n{heading}{heading}row\n");
    let lines = lines_of("text", &again);
    assert_eq!(lines[lines.len() - 4..], [1, 1, 1, 2]);
}

const LOOSE: usize = taffrail_base::limits::LOOSE_LINES_MAX;

#[test]
fn limits_cut_between_lines_and_are_marked() {
    let text = "2026-11-21 21:14:03 a\n\tb\n\tc\n\td\n\te\n2026-11-21 21:14:04 f\n";
    let out = events("text", Limits { lines: 2, ..WIDE }, &[text.as_bytes()]);
    let texts: Vec<&str> = out.iter().map(|(raw, _)| raw.as_str()).collect();
    assert_eq!(texts, ["2026-11-21 21:14:03 a\n\tb", "\tc\n\td", "\te", "2026-11-21 21:14:04 f"]);
    let marks: Vec<bool> = out.iter().map(|(_, problems)| problems.contains(Problems::MORE_LINES)).collect();
    assert_eq!(marks, [false, true, true, false]);
    // A line that is too long itself.
    let out = events(
        "text",
        Limits { line: 30, bytes: 40, lines: 9 },
        &[b"2026-11-21 21:14:03 a\n\tb\n0123456789012345678901234567890123\n\tc\n"],
    );
    let texts: Vec<&str> = out.iter().map(|(raw, _)| raw.as_str()).collect();
    assert_eq!(texts, ["2026-11-21 21:14:03 a\n\tb", "012345678901234567890123456789", "0123\n\tc"]);
    assert_eq!(out[2].1, Problems::CONTINUED);
}

#[test]
fn what_comes_after_a_rest_is_marked() {
    let mut breaker = breaker("text", WIDE);
    let mut out = Vec::new();
    let mut emit = |frame: Frame<'_>| out.push((String::from_utf8_lossy(frame.raw).into_owned(), frame.problems));
    breaker.push(b"2026-11-21 21:14:03 a\n\tb\n", &mut emit);
    assert!(!breaker.is_within_line());
    assert!(!breaker.finish(&mut emit));
    breaker.push(b"\tc\n2026-11-21 21:14:04 d\n\te", &mut emit);
    assert!(breaker.is_within_line());
    assert!(breaker.finish(&mut emit), "a line without an end");
    assert_eq!(
        out,
        [
            ("2026-11-21 21:14:03 a\n\tb".to_owned(), Problems::NONE),
            ("\tc".to_owned(), Problems::MORE_LINES),
            ("2026-11-21 21:14:04 d\n\te".to_owned(), Problems::NONE),
        ]
    );
}

#[test]
fn a_rule_that_is_found_out_late_applies_to_what_is_held() {
    let mut breaker = EventBreaker::new();
    let mut out = Vec::new();
    breaker.push(b"2026-11-21 21:14:03 a\n2026-11-21 21:1", |frame| out.push(frame.raw.to_vec()));
    breaker.set_rule(Rule::of("text").as_ref(), |_| unreachable!());
    breaker.push(b"4:03 b\n\tc\n", |frame| out.push(frame.raw.to_vec()));
    assert_eq!((breaker.held(), out.len()), (25, 1));
    // Syslog after all: what was held together falls apart.
    breaker.set_rule(None, |frame| out.push(frame.raw.to_vec()));
    assert_eq!(breaker.held(), 0);
    assert_eq!(out.join(&b'|'), b"2026-11-21 21:14:03 a|2026-11-21 21:14:03 b|\tc");
}

proptest! {
    #[test]
    fn every_way_to_cut_the_stream_gives_the_same_events(
        lines in prop::collection::vec(
            prop::sample::select(&[
                "2026-11-21 21:14:03 a", "[2026-11-21 21:14:04] b", "\tat x.Y.z(Y.java:1)", "  indented", "", "Caused by: x", "loose", "{", "}",
                "  \"a\": [1,", "{\"a\":1}", "Traceback (most recent call last):", "ValueError: x", "\r", "1700000000 n", "INFO 2026-11-21 21:14:05 c",
            ][..]), 0..40),
        ended in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        sourcetype in prop::sample::select(&["text", "java", "python", "json", "syslog", "postgresql"][..]),
        limits in (1usize..60, 1usize..90, 1usize..9).prop_map(|(line, bytes, lines)| Limits { line, bytes, lines }),
        wide in any::<bool>(),
    ) {
        let limits = if wide || sourcetype == "syslog" { WIDE } else { limits };
        let mut text = lines.join("\n");
        if ended && !text.is_empty() {
            text.push('\n');
        }
        let bytes = text.as_bytes();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let chunks: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let cut = events(sourcetype, limits, &chunks);
        prop_assert_eq!(&cut, &events(sourcetype, limits, &[bytes]));
        let mut back = String::new();
        for (at, (raw, problems)) in cut.iter().enumerate() {
            if at > 0 && !problems.contains(Problems::CONTINUED) {
                back.push('\n');
            }
            back.push_str(raw);
        }
        if text.ends_with('\n') {
            back.push('\n');
        }
        prop_assert_eq!(back, text);
    }
}
