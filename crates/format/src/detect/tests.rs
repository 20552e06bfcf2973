//! Which format a sample is of.

use super::own::{DetectText, Detection};
use super::*;
use std::sync::Arc;

#[test]
fn an_object_over_several_lines_is_json() {
    for sample in ["{\n  \"ts\": \"2026-11-21T21:14:03Z\",\n  \"n\": 1\n}\n{\n  \"n\": 2\n}\n", "\n{\r\n\t\"a b\" : {\r\n", "{\n\"a\":"] {
        assert_eq!(detect(sample.as_bytes()), "json", "{sample}");
    }
    for sample in ["{\n", "{\n  a: 1\n}\n", "{\n  \"no name\n}\n", "server {\n  \"a\": 1\n", "{\n  \"text\"\n}\n", "{\n  }\n"] {
        assert_eq!(detect(sample.as_bytes()), "text", "{sample}");
    }
}

fn detection(files: &[(&str, &str)]) -> Detection {
    let signs = |(sourcetype, lines): &(&str, &str)| {
        let text: DetectText = toml::from_str(&format!("lines = [{lines}]")).expect("a table");
        Arc::new(text.compile(sourcetype).unwrap_or_else(|(_, error)| panic!("{error}")))
    };
    Detection::new(files.iter().map(signs).collect()).expect("some")
}

#[test]
fn the_format_of_most_lines_is_it() {
    let found = detection(&[("orders", "'ORDER \\d', 'BILL '"), ("orders2", "'ORDER 7'"), ("digits", "'\\d{4};'")]);
    let found = |sample: &str| found.detect(sample.as_bytes()).map(|name| name.to_string());
    assert_eq!(found("ORDER 7\nBILL 7\n\nother\n").as_deref(), Some("orders"));
    assert_eq!(found("ORDER 7\nother\n"), None, "half of the lines are too few");
    assert_eq!(found("ORDER 7\n").as_deref(), Some("orders"), "of two the first");
    assert_eq!(found("an ORDER 7\n"), None, "at the beginning of the line");
    assert_eq!(found("1234;x\n").as_deref(), Some("digits"), "also without a text of its own");
    assert_eq!(found(""), None);
}

#[test]
fn of_six_thousand_formats_those_are_asked_whose_texts_stand_in_the_line() {
    let names: Vec<(String, String)> = (0..6_000).map(|n| (format!("vendor{n}"), format!("'vendor{n}x: \\w+ of unit \\d+'"))).collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(name, lines)| (name.as_str(), lines.as_str())).collect();
    let detection = detection(&names);
    assert_eq!(detection.asked(b"vendor4711x: start of unit 7"), 1);
    assert_eq!(detection.asked(b"Nov 21 21:14:03 web sshd[7]: nothing of theirs"), 0);
    assert_eq!(detection.detect(b"vendor4711x: start of unit 7\nvendor4711x: end of unit 7\n").as_deref(), Some("vendor4711"));
}

#[test]
fn what_is_wrong_is_said() {
    let wrong = |lines: &str| {
        let text: DetectText = toml::from_str(&format!("lines = [{lines}]")).expect("a table");
        text.compile("x").expect_err("wrong").1
    };
    assert!(wrong("").contains("says nothing"));
    assert!(wrong("'x('").contains("no regular expression"));
    assert!(wrong("'.'").contains("lines of any format"));
    assert!(wrong("''").contains("lines of any format"));
}
