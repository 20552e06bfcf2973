//! A format is proposed for lines that nobody described, and does what it says once it lies where it belongs.

use crate::harness::Scratch;
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
