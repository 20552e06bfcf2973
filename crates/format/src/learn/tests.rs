//! Formats that nobody described, and what is proposed for them.

use super::*;
use crate::{FormatFile, Formats};
use std::fmt::Write as _;
use taffrail_base::limits::{LEARN_BYTES_MAX, LEARN_LINES_MAX};
use taffrail_pattern::FieldResolver;

mod heads;

const USERS: [&str; 5] = ["bob", "alice", "mallory", "eve", "carol"];

/// A moment, each a little after the one before.
fn time(number: usize) -> String {
    format!("2026-11-21 21:{:02}:{:02}", number / 60 % 60, number % 60)
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "{}", line(number));
        all
    })
}

/// The proposal for lines; it loads, its samples pass, and no file is without samples.
#[track_caller]
fn proposed(name: &str, text: &str) -> Proposal {
    let found = learn(name, text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{}\n{:#?}\n{:?}", found.file, found.fields, found.notes);
    let file = FormatFile::read(&found.name, &found.file).unwrap_or_else(|faults| panic!("{faults:?}\n{}", found.file));
    assert!(file.samples > 0, "{}", found.file);
    assert!(found.covered <= found.events);
    found
}

/// The fields of an event by what was proposed, and no others.
#[track_caller]
fn check(found: &Proposal, line: &str, want: &[(&str, &str)]) {
    let file = FormatFile::read(&found.name, &found.file).expect("loads");
    let sourcetype = if found.detected == "syslog" { "syslog" } else { &found.name };
    let fields = Formats::new().with([file]).fields_of_event(sourcetype, line.as_bytes());
    for (name, value) in want {
        let is = fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(is, Some(*value).filter(|value| !value.is_empty()), "{name} of {line}: {fields:?}\n{}", found.file);
    }
}

fn field<'p>(found: &'p Proposal, name: &str) -> &'p Field {
    found.fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", found.fields))
}

#[test]
fn pairs_of_an_application() {
    let text = lines(100, |number| {
        let user = USERS[number % 5];
        format!(
            "{}.120Z level={} component=cart user_name={user} client_ip=10.1.2.{number} took={number}ms msg=\"added item {number}\"",
            time(number).replace(' ', "T"),
            ["info", "warn"][number % 2]
        )
    });
    let found = proposed("cart.log", &text);
    assert_eq!((found.name.as_str(), found.layout, found.covered, found.events), ("cart", Layout::Pairs, 100, 100));
    assert_eq!(field(&found, "user_name").sure, Sure::Named);
    assert_eq!(field(&found, "took").kind, "duration");
    assert_eq!(field(&found, "client_ip").kind, "address");
    assert!(found.time.as_ref().is_some_and(|time| time.at_start && !time.inferred && time.events == 100));
    let line = "2026-11-22T01:00:00.007Z level=error component=pay user_name=zoe client_ip=192.0.2.7 took=9ms msg=\"x\"";
    check(&found, line, &[("user", "zoe"), ("src", "192.0.2.7"), ("user_name", "zoe"), ("level", "error")]);
}

#[test]
fn columns_with_a_head() {
    let text = "when|account|remote_addr|action|bytes|note\n".to_owned()
        + &lines(100, |number| {
            format!(
                "{}|{}|10.1.2.{number}|{}|{}|{}",
                time(number),
                USERS[number % 5],
                ["get", "put"][number % 2],
                number * 17,
                ["", "big one"][number % 2]
            )
        });
    let found = proposed("store", &text);
    assert_eq!((found.layout, found.covered, found.events), (Layout::Columns, found.events, 101));
    assert_eq!((field(&found, "bytes").kind, field(&found, "bytes").sure), ("number", Sure::Named));
    assert_eq!(field(&found, "bytes").events, 100, "the head is no data");
    check(
        &found,
        "2026-11-22 01:00:00|zoe|192.0.2.7|put|5|so it is",
        &[("account", "zoe"), ("user", "zoe"), ("remote_addr", "192.0.2.7"), ("src", "192.0.2.7"), ("bytes", "5"), ("note", "so it is")],
    );
    check(&found, "when|account|remote_addr|action|bytes|note", &[("account", ""), ("bytes", "")]);
}

#[test]
fn columns_without_a_head() {
    let text =
        lines(100, |number| format!("{};{};10.1.2.{number};10.9.0.1;{};/srv/{number}.bin", time(number), USERS[number % 5], number * 3));
    let found = proposed("transfer", &text);
    assert_eq!((found.layout, found.covered), (Layout::Columns, 100));
    let line = "2026-11-22 01:00:00;zoe;192.0.2.7;192.0.2.8;5;/srv/x";
    check(&found, line, &[("src", "192.0.2.7"), ("dest", "192.0.2.8"), ("file", "/srv/x")]);
    assert_eq!(field(&found, "dest").sure, Sure::Guess);
    assert!(found.file.contains("`src` is a guess"), "{}", found.file);
}

#[test]
fn fixed_positions() {
    let text = lines(100, |number| {
        format!(
            "{:<10}{:>7}  {:<16}{:<22}{:>6}",
            USERS[number % 5],
            number * 37,
            format!("10.1.2.{number}"),
            ["running", "waiting for disk", ""][number % 3],
            number % 9
        )
    });
    let found = proposed("jobs", &text);
    assert_eq!((found.layout, found.covered), (Layout::Positions, 100));
    assert_eq!(found.time, None);
    assert!(found.file.contains("No time was found"), "{}", found.file);
    let line = format!("{:<10}{:>7}  {:<16}{:<22}{:>6}", "zoe", 5, "192.0.2.7", "waiting for disk", 3);
    let of = |value: &str| {
        let held = |field: &&Field| field.examples.iter().any(|example| example == value);
        found.fields.iter().find(held).unwrap_or_else(|| panic!("{value} in {:?}", found.fields)).name.clone()
    };
    let (user, state) = (of("bob"), of("waiting for disk"));
    check(&found, &line, &[(&user, "zoe"), ("src", "192.0.2.7"), (&state, "waiting for disk")]);
    let empty = format!("{:<10}{:>7}  {:<16}{:<22}{:>6}", "zoe", 5, "192.0.2.7", "", 3);
    check(&found, &empty, &[(&user, "zoe"), (&state, "")]);
}

fn daemon(number: usize) -> String {
    let (user, at) = (USERS[number % 5], time(number));
    match number % 5 {
        0 => format!("{at},{number:03} INFO  [worker-{}] cache: evicted {number} entries for user {user} in {} ms", number % 4, number * 3),
        1 => format!(
            "{at},{number:03} WARN  [worker-{}] auth: login failed for user {user} from 10.1.2.{number} port {}",
            number % 4,
            40_000 + number
        ),
        2 => format!("{at},{number:03} INFO  [worker-{}] auth: login accepted for user {user} from 10.1.2.{number}", number % 4),
        3 => format!("{at},{number:03} ERROR [main] store: cannot write /var/lib/shop/{number}.db: disk is full"),
        _ => format!("{at},{number:03} INFO  [main] store: checkpoint is done"),
    }
}

#[test]
fn sentences_of_a_daemon() {
    let found = proposed("shopd", &lines(100, daemon));
    assert_eq!((found.layout, found.covered, found.events), (Layout::Prose, 100, 100));
    assert!(found.time.as_ref().is_some_and(|time| time.inferred));
    let line = "2026-11-22 01:00:00,007 INFO  [worker-9] cache: evicted 5 entries for user zoe in 7 ms";
    check(
        &found,
        line,
        &[("level", "INFO"), ("thread", "worker-9"), ("component", "cache"), ("entries", "5"), ("user", "zoe"), ("duration_ms", "7")],
    );
    let line = "2026-11-22 01:00:00,007 WARN  [worker-9] auth: login failed for user zoe from 192.0.2.7 port 5";
    check(&found, line, &[("tag", "authentication"), ("action", "failure"), ("user", "zoe"), ("src", "192.0.2.7"), ("src_port", "5")]);
    let line = "2026-11-22 01:00:00,007 INFO  [worker-9] auth: login accepted for user zoe from 192.0.2.7";
    check(&found, line, &[("tag", "authentication"), ("action", "success"), ("user", "zoe"), ("src", "192.0.2.7")]);
    let line = "2026-11-22 01:00:00,007 ERROR [main] store: cannot write /srv/x: disk is full";
    check(&found, line, &[("file", "/srv/x"), ("tag", "")]);
    // What was never seen has the fields of the head all the same.
    check(&found, "2026-11-22 01:00:00,007 DEBUG [x-1] other: it is new", &[("level", "DEBUG"), ("thread", "x-1"), ("component", "other")]);
    assert_eq!(field(&found, "user").sure, Sure::Likely);
    assert!(found.file.contains("# A guess, by its words.\ntype = \"authentication\""), "{}", found.file);
}

#[test]
fn json_objects() {
    let text = lines(100, |number| {
        format!(
            r#"{{"ts":"{}Z","lvl":"info","userName":"{}","client":{{"ip":"10.1.2.{number}"}},"n":{number}}}"#,
            time(number).replace(' ', "T"),
            USERS[number % 5]
        )
    });
    let found = proposed("api", &text);
    assert_eq!((found.layout, found.detected, found.covered), (Layout::Json, "json", 100));
    let line = r#"{"ts":"2026-11-22T01:00:00Z","userName":"zoe","client":{"ip":"192.0.2.7"}}"#;
    check(&found, line, &[("userName", "zoe"), ("user", "zoe"), ("client.ip", "192.0.2.7"), ("src", "192.0.2.7")]);
    assert_eq!(field(&found, "n").kind, "number");
}

#[test]
fn stack_traces() {
    let text = lines(60, |number| {
        let at = time(number);
        match number % 3 {
            0 => format!(
                "{at}.120 ERROR [http-{}] c.e.shop.Orders - order {number} failed\ncom.example.OrderException: no article {number}\n\tat com.example.Orders.place(Orders.java:{number})\n\tat com.example.Main.run(Main.java:9)\nCaused by: java.sql.SQLException: closed\n\t... 2 more",
                number % 7
            ),
            1 => format!("{at}.120 INFO  [http-{}] c.e.shop.Orders - order {number} placed by {}", number % 7, USERS[number % 5]),
            _ => format!("{at}.120 INFO  [main] c.e.shop.Pool - 3 connections open"),
        }
    });
    let found = proposed("orders", &text);
    assert_eq!((found.events, found.covered), (60, 60));
    assert!(found.lines > 150);
    let line =
        "2026-11-22 01:00:00.007 ERROR [http-9] c.e.shop.Orders - order 7 failed\norg.example.ReadError: end of file\n\tat x.Y.z(Y.java:1)";
    check(
        &found,
        line,
        &[
            ("level", "ERROR"),
            ("thread", "http-9"),
            ("order", "7"),
            ("exception", "org.example.ReadError"),
            ("exception_text", "end of file"),
        ],
    );
    assert_eq!(field(&found, "logger").examples, ["c.e.shop.Orders", "c.e.shop.Pool"]);
}

#[test]
fn messages_of_a_program_in_syslog() {
    let text = lines(100, |number| {
        let user = USERS[number % 5];
        let message = match number % 3 {
            0 => format!("door {number} opened by {user} with card {number:08x}"),
            1 => format!("door {number} is closed"),
            _ => format!("sensor 00:11:22:33:44:{:02x} reports 21.{number} degrees", number % 100),
        };
        format!("Nov 21 21:{:02}:{:02} gate1 doord[812]: {message}", number / 60, number % 60)
    });
    let found = proposed("doord", &text);
    assert_eq!((found.detected, found.covered), ("syslog", 100));
    assert!(found.file.contains("apps = ['doord']"), "{}", found.file);
    let line = "Nov 22 01:00:00 gate2 doord[9]: door 7 opened by zoe with card 00ff00aa";
    check(&found, line, &[("door", "7"), ("user", "zoe"), ("card", "00ff00aa")]);
    check(
        &found,
        "Nov 22 01:00:00 gate2 doord[9]: sensor 00:11:22:33:44:55 reports 20.5 degrees",
        &[("mac", "00:11:22:33:44:55"), ("degrees", "20.5")],
    );
}

#[test]
fn json_behind_text() {
    let text = lines(50, |number| format!("{} INFO [w-{number}] {{\"user\":\"{}\",\"n\":{number}}}", time(number), USERS[number % 5]));
    let found = proposed("mixed", &text);
    assert_eq!(found.covered, 50);
    check(&found, "2026-11-22 01:00:00 WARN [w-7] {\"user\":\"zoe\",\"n\":5}", &[("level", "WARN"), ("user", "zoe"), ("n", "5")]);
}

#[test]
fn pairs_with_colons() {
    let text = lines(50, |number| {
        format!("{} INFO User: {}; Source: 10.1.2.{number}; Reason: code {number} was wrong", time(number), USERS[number % 5])
    });
    let found = proposed("gate", &text);
    assert_eq!((found.layout, found.covered), (Layout::Pairs, 50));
    let line = "2026-11-22 01:00:00 INFO User: zoe; Source: 192.0.2.7; Reason: too late";
    check(&found, line, &[("User", "zoe"), ("Source", "192.0.2.7"), ("Reason", "too late"), ("level", "INFO")]);
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let error = |bytes: &[u8]| learn("x", bytes).expect_err("nothing to learn").to_string();
    assert!(error(b"").contains("no lines"), "{}", error(b""));
    assert!(error(b" \n\t\n").contains("no lines"));
    assert!(error(b"\x00\x01\x02\x03 binary").contains("not text"));
    assert!(error(b"\x1f\x8b\x08\x00").contains("compressed"));
    assert!(error(b"\xff\xfea\x00").contains("UTF-16"));
    assert!(error(&[&b"x".repeat(70_000)[..], b"\n"].concat()).contains("longer than 64 KiB"));
    let known = lines(20, |number| format!("10.1.2.{number} - - [21/Nov/2026:21:14:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\""));
    assert!(error(known.as_bytes()).contains("access_combined"), "{}", error(known.as_bytes()));
    let known = lines(20, |number| format!("Nov 21 19:36:41 vm sshd[2998]: Accepted password for alice from 127.3.4.5 port {number} ssh2"));
    assert!(error(known.as_bytes()).contains("built-in"), "{}", error(known.as_bytes()));
}

#[test]
fn one_line_is_enough_for_a_proposal() {
    let found = proposed("one", "2026-11-21 21:14:03 connection from 10.1.2.3 port 22 refused\n");
    assert_eq!((found.lines, found.events, found.covered), (1, 1, 1));
    check(&found, "2026-11-22 01:00:00 connection from 192.0.2.7 port 5 refused", &[("src", "192.0.2.7"), ("src_port", "5")]);
    // Nothing varies and there is nothing to name: still a file that loads.
    proposed("none", "it is done\n");
}

#[test]
fn hostile_lines_stay_in_their_strings() {
    let text = "2026-11-21 21:14:03 '''\"\"\" {x} \\d [[rule]] summary = \"y\" user bob\n\u{1b}[31mred\u{1b}[0m 77 {\"a\n".repeat(5);
    proposed("../..\"evil\n", &text);
    let found = learn("../..\"evil\n", text.as_bytes()).expect("learnt");
    assert_eq!(found.name, "evil");
}

#[test]
fn much_is_bounded() {
    let found = proposed("many", &lines(12_000, daemon));
    assert_eq!((found.lines, found.covered), (LEARN_LINES_MAX, LEARN_LINES_MAX));
    assert!(found.notes.iter().any(|note| note.contains("only the first")), "{:?}", found.notes);
    // Lines of a megabyte: left out, and said.
    let long = format!("{}\n", "word 17 ".repeat(1 << 17));
    let text = lines(20, daemon) + &long.repeat(9) + &lines(20, daemon);
    assert!(text.len() > LEARN_BYTES_MAX);
    let found = proposed("long", &text);
    assert!(found.notes.iter().any(|note| note.contains("64 KiB")), "{:?}", found.notes);
    // Every line another: no more rules than a file may have.
    let found = proposed(
        "chaos",
        &lines(2_000, |number| {
            (0..number % 50)
                .map(|word| format!("{:x}{}", number * 7 + word, ["", ":", "=", ",", "("][word % 5]))
                .collect::<Vec<_>>()
                .join(" ")
        }),
    );
    assert!(found.file.len() < 1 << 20);
}

#[test]
fn tabs_and_carriage_returns() {
    let text = lines(100, |number| {
        let (level, user) = (["INFO", "WARN"][number % 2], USERS[number % 5]);
        match number % 3 {
            0 => format!("{}\t{level}\tworker-{}\tevicted {number} entries for user {user}\r", time(number), number % 4),
            1 => format!("{}\t{level}\tworker-{}\tcame from 10.1.2.{number}\r", time(number), number % 4),
            _ => format!("{}\t{level}\tmain\tdone with all, so long\tand more\r", time(number)),
        }
    });
    let found = proposed("tabs", &text);
    for end in ["\r", ""] {
        check(
            &found,
            &format!("2026-11-22 01:00:00\tINFO\tworker-9\tevicted 5 entries for user zoe{end}"),
            &[("level", "INFO"), ("user", "zoe"), ("entries", "5")],
        );
        check(
            &found,
            &format!("2026-11-22 01:00:00\tWARN\tworker-9\tcame from 192.0.2.7{end}"),
            &[("level", "WARN"), ("src", "192.0.2.7")],
        );
    }
    // Columns: the last of them without its carriage return.
    let text = lines(50, |number| format!("{}\t{}\t10.1.2.{number}\t{number}\r", time(number), USERS[number % 5]));
    let found = proposed("columns", &text);
    assert_eq!(found.layout, Layout::Columns);
    let last = found.fields.iter().find(|field| field.kind == "number").expect("a number").name.clone();
    check(&found, "2026-11-22 01:00:00\tzoe\t192.0.2.7\t17\r", &[("src", "192.0.2.7"), (&last, "17")]);
}

#[test]
fn letters_for_levels() {
    let glog = lines(60, |number| {
        let letter = ["I", "W", "E"][number % 3];
        format!(
            "{letter}1121 21:{:02}:{:02}.123456 {:>7} shop.cc:{}] order {number} of {}",
            number / 60,
            number % 60,
            800 + number % 3,
            number % 7 + 10,
            USERS[number % 5]
        )
    });
    let found = proposed("glog", &glog);
    check(&found, "F1122 01:00:00.000007     900 other.cc:17] it is new", &[("level", "F"), ("pid", "900")]);
    check(&found, "I1122 01:00:00.000007     801 shop.cc:12] order 7 of bob", &[("level", "I"), ("order", "7")]);
    let logcat = lines(60, |number| {
        let letter = ["D", "V", "I", "E"][number % 4];
        format!(
            "11-21 21:{:02}:{:02}.120  {}  {} {letter} Dock{}: boat {number} is in",
            number / 60,
            number % 60,
            1700 + number % 3,
            2395 + number % 5,
            number % 3
        )
    });
    let found = proposed("logcat", &logcat);
    check(
        &found,
        "11-22 01:00:00.120  1800  2500 W Crane: new",
        &[("level", "W"), ("pid", "1800"), ("tid", "2500"), ("component", "Crane")],
    );
}

/// The events that a proposal cuts lines into, as an input does that knows the file.
fn cut_by(found: &Proposal, text: &str) -> Vec<String> {
    let rules = std::sync::Arc::<crate::EventRules>::default();
    rules.set(&[FormatFile::read(&found.name, &found.file).expect("loads")], false);
    let events = lines::cut(text.as_bytes(), rules.of(&found.name).as_ref());
    events.into_iter().map(|event| String::from_utf8(event).expect("is text")).collect()
}

#[test]
fn events_of_several_lines() {
    let by_time =
        lines(20, |number| format!("{} INFO order {number}\n\tof {}\n  Reason: door {number} is open", time(number), USERS[number % 5]));
    let found = proposed("times", &by_time);
    assert_eq!((found.lines, found.events), (60, 20));
    assert!(found.file.contains("[event]\ntime = true\n") && found.file.contains("[[stream]]"), "{}", found.file);
    assert_eq!(cut_by(&found, &by_time).len(), 20);
    check(&found, "2026-11-22 01:00:00 INFO order 7\n\tof zoe\n  Reason: it rains\r", &[("order", "7"), ("reason", "it rains")]);

    let marked = lines(20, |number| format!("ORDER {number}\nof {}\ntotal: {}", USERS[number % 5], number * 3));
    let found = proposed("marked", &marked);
    assert!(found.file.contains("begins = ['ORDER ']") && found.file.contains("a guess: `ORDER` begins each event"), "{}", found.file);
    assert_eq!((found.events, cut_by(&found, &marked).len()), (20, 20));
    check(&found, "ORDER 7\nof zoe\ntotal: 21", &[("order", "7"), ("total", "21")]);

    let indented = lines(20, |number| format!("boat {number} came in\n    crew of {number}\n    from 10.1.2.{number}"));
    let found = proposed("indented", &indented);
    assert!(found.file.contains("[event]\nindented = true\n"), "{}", found.file);
    assert_eq!(cut_by(&found, &indented).len(), 20);

    // Lines that stand for themselves need nothing.
    assert!(!proposed("daemon", &lines(100, daemon)).file.contains("[event]"));
}

#[test]
fn json_over_several_lines() {
    let text = lines(20, |number| format!("{{\n  \"user\": \"{}\",\n  \"n\": {number}\n}}", USERS[number % 5]));
    let found = proposed("objects", &text);
    assert_eq!((found.layout, found.events, found.covered), (Layout::Json, 20, 20));
    assert!(found.file.contains("[event]\nbrackets = true\n"), "{}", found.file);
    assert_eq!(cut_by(&found, &text).len(), 20);
    let list = format!("[\n{}\n]\n", (0..5).map(|number| format!("  {{\"n\": {number}}}")).collect::<Vec<_>>().join(",\n"));
    let refused = learn("list", list.as_bytes()).expect_err("is a list").to_string();
    assert!(refused.contains("one list of JSON objects") && refused.contains("jq -c"), "{refused}");
}
