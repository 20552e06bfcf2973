//! A format is proposed for lines that nobody described, and does what it says once it lies where it belongs.

use crate::harness::{Scratch, eventually};
use serde_json::Value;
use std::fmt::Write as _;

fn lines() -> String {
    let users = ["bob", "alice", "eve", "carol"];
    (0..100).fold(String::new(), |mut all, at| {
        let (user, second) = (users[at % 4], at % 60);
        let _ = match at % 2 {
            0 => writeln!(all, "2026-11-21 21:14:{second:02} [w-{at}] WARN door {at} stays closed for user {user}"),
            _ => writeln!(all, "2026-11-21 21:14:{second:02} [w-{at}] INFO user {user} came from 10.1.2.{at} after {at} ms"),
        };
        all
    })
}

#[test]
fn what_is_proposed_can_be_used() {
    let scratch = Scratch::new();
    let log = scratch.file("doors.log", lines().as_bytes());
    let log = log.to_str().expect("is text");
    let output = scratch.run(&["formats", "learn", log]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("of 100 all that varies is told") && told.contains("duration_ms"), "{told}");
    let text = String::from_utf8(output.stdout).expect("is text");
    // The same from standard input.
    let piped = scratch.run_with_input(&["format", "learn", "-", "--name", "doors"], lines().as_bytes());
    assert_eq!(String::from_utf8_lossy(&piped.stdout), text);
    let file = scratch.file("doors.toml", text.as_bytes());
    assert!(scratch.text(&["formats", "check", file.to_str().expect("is text")]).contains("good"));

    scratch.ok(&["import", "--data", "@", "--sourcetype", "doors", log]);
    let folder = scratch.data().join("knowledge/formats");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::copy(&file, folder.join("doors.toml")).expect("copied");
    let rows = scratch.rows("sourcetype=doors user=alice src=* | stats count sum(duration_ms) AS all");
    let sum: usize = (0..100).filter(|at| at % 4 == 1).sum();
    assert_eq!((rows[0]["count"].to_string(), rows[0]["all"].to_string()), ("25".to_owned(), sum.to_string()), "{rows:?}");

    let server = scratch.serve();
    let answer = server.request("POST", "/api/v1/formats/learn?name=doors", &[("content-type", "text/plain")], lines().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found: Value = answer.json();
    assert_eq!(found["file"], Value::from(text));
    assert_eq!((&found["events"], &found["covered"], &found["layout"]), (&100.into(), &100.into(), &"prose".into()));
    let user = found["fields"].as_array().expect("a list").iter().find(|field| field["name"] == "user").expect("there");
    assert_eq!((&user["sure"], &user["kind"], &user["events"]), (&"likely".into(), &"word".into(), &100.into()));
    for (body, status, what) in [(&b""[..], 400, "no lines"), (b"\x00\x01\x02", 400, "not text"), (&vec![b'x'; 9 << 20][..], 413, "larger")]
    {
        let refused = server.request("POST", "/api/v1/formats/learn", &[], body);
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(what), "{}", refused.text());
    }
    server.stop();
}

const ORDERS: &str = "summary = 'orders, a block each'\nsourcetypes = ['orders']\n[event]\nbegins = ['ORDER \\d']\n\
    [[rule]]\nregex = 'ORDER (?<order>\\d+)'\n[[rule]]\nregex = 'total: (?<total>\\d+)'\n\
    [[stream]]\ntext = \"ORDER 1\\nlamp\\ntotal: 7\\nORDER 2\\n\"\nlines = [3, 1]\n";

/// Blocks of three lines, without a time.
fn orders(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "ORDER {number}\nlamp of {number}\ntotal: {number}");
        all
    })
}

#[test]
fn a_format_of_ones_own_says_which_lines_belong_together() {
    let scratch = Scratch::new();
    let folder = scratch.data().join("knowledge/formats");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("orders.toml"), ORDERS).expect("written");
    // A file, and standard input.
    let log = scratch.file("orders.log", orders(0..10).as_bytes());
    scratch.ok(&["import", "--data", "@", "--sourcetype", "orders", log.to_str().expect("is text")]);
    let piped = scratch.run_with_input(&["import", "--data", "@", "--sourcetype", "orders", "-"], orders(10..20).as_bytes());
    assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
    let rows = scratch.rows("sourcetype=orders order=* total=* | stats count sum(total) AS all dc(order) AS orders");
    assert_eq!((&rows[0]["count"], &rows[0]["all"], &rows[0]["orders"]), (&20.into(), &190.into(), &20.into()), "{rows:?}");

    // What is pushed, and a file that is followed; then the format is changed while the server runs.
    let followed = scratch.file("followed.log", orders(100..103).as_bytes());
    let config = format!("[[input]]\ntype = \"file\"\npaths = [{followed:?}]\nsourcetype = \"orders\"\nquiet_seconds = 0.2\n");
    let config = scratch.file("taffrail.toml", config.as_bytes());
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    server.ingest("sourcetype=orders&source=pushed", orders(20..25).as_bytes());
    assert_eq!(scratch.count("sourcetype=orders source=pushed"), 5);
    eventually("the followed file is read", || scratch.count("sourcetype=orders source=*followed.log") == 3);
    std::fs::write(folder.join("orders.toml"), ORDERS.replace("ORDER \\d'", "ORDER \\d', 'total'").replace("[3, 1]", "[2, 1, 1]"))
        .expect("written");
    let mut number = 103;
    eventually("the new rule counts", || {
        let before = scratch.count("sourcetype=orders source=*followed.log");
        let mut file = std::fs::OpenOptions::new().append(true).open(&followed).expect("opens");
        std::io::Write::write_all(&mut file, orders(number..number + 1).as_bytes()).expect("written");
        number += 1;
        eventually("the order is read", || scratch.count("sourcetype=orders source=*followed.log") > before);
        scratch.count("sourcetype=orders source=*followed.log total=* NOT lamp") > 0
    });
    server.stop();

    // What is wrong is said where it hurts: by the check, and by the import.
    let wrong = scratch.file("orders.toml", ORDERS.replace("ORDER \\d'", "ORDER (\\d'").as_bytes());
    let checked = scratch.run(&["formats", "check", wrong.to_str().expect("is text")]);
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!checked.status.success() && told.contains("orders.toml: line 4: [event] begins: "), "{told}");
    std::fs::copy(&wrong, folder.join("orders.toml")).expect("copied");
    let imported = scratch.run(&["import", "--data", "@", "--sourcetype", "orders", "--again", log.to_str().expect("is text")]);
    let told = String::from_utf8_lossy(&imported.stderr).into_owned();
    assert!(imported.status.success() && told.contains("formats/orders.toml is not used: line 4: [event] begins"), "{told}");
}

const BILLS: &str = "summary = 'bills'\nsourcetypes = ['bills']\n[detect]\nlines = ['BILL \\d+ ']\n\
    [time]\nafter = 'paid='\nlayout = '%d.%m.%y/%H.%M'\nzone = 'UTC'\n\
    [[rule]]\nregex = 'BILL (?<bill>\\d+) '\n\
    [[sample]]\nline = 'BILL 7 due 2026-11-23 00:00:00 paid=21.11.26/21.14'\ntime = '2026-11-21T21:14:00Z'\nfields = { bill = '7' }\n";

/// Lines whose first time is not their own.
fn bills(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "BILL {number} due 2025-12-24 00:00:00 paid=21.11.25/21.14");
        all
    })
}

#[test]
fn a_format_of_ones_own_is_found_by_its_lines_and_says_where_the_time_is() {
    let scratch = Scratch::new();
    let folder = scratch.data().join("knowledge/formats");
    std::fs::create_dir_all(&folder).expect("made");
    let server = scratch.serve();
    server.ingest("source=before", bills(0..3).as_bytes());
    assert_eq!(scratch.count("sourcetype=text source=before"), 3);
    // The file comes while the server runs.
    std::fs::write(folder.join("bills.toml"), BILLS).expect("written");
    let mut number = 0;
    eventually("the format is taken up", || {
        number += 1;
        server.ingest(&format!("source=pushed{number}"), bills(0..3).as_bytes());
        scratch.count("sourcetype=bills source=pushed*") > 0
    });
    assert_eq!(scratch.count("sourcetype=bills source=pushed*") % 3, 0, "whole bodies");
    let rows = scratch.rows("sourcetype=bills | stats min(_time) AS first max(_time) AS last dc(bill) AS bills");
    let told = [&rows[0]["first"], &rows[0]["last"], &rows[0]["bills"]].map(Value::as_f64);
    assert_eq!(told, [Some(1_763_759_640.0), Some(1_763_759_640.0), Some(3.0)], "2025-11-21 21:14:00 UTC: {rows:?}");
    server.stop();
    // And by who imports.
    let log = scratch.file("of_bills.log", bills(10..14).as_bytes());
    scratch.ok(&["import", "--data", "@", log.to_str().expect("is text")]);
    assert_eq!(scratch.count("sourcetype=bills source=*of_bills.log"), 4);
}
