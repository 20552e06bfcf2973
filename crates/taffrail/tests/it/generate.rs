//! `taffrail generate` against a real server by every protocol: what it says it sent is what is stored.

use crate::harness::{Scratch, eventually};
use serde_json::Value;

const LISTENERS: &[u8] =
    b"[[input]]\ntype = \"relp\"\naddress = \"127.0.0.1:0\"\n[[input]]\ntype = \"gelf-udp\"\naddress = \"127.0.0.1:0\"\n\
    [[input]]\ntype = \"gelf-tcp\"\naddress = \"127.0.0.1:0\"\n[[input]]\ntype = \"lumberjack\"\naddress = \"127.0.0.1:0\"\n\
    [[input]]\ntype = \"snmp-trap\"\naddress = \"127.0.0.1:0\"\n[[input]]\ntype = \"netflow\"\naddress = \"127.0.0.1:0\"\n";

#[test]
fn every_protocol_takes_what_is_made_up() {
    let scratch = Scratch::new();
    let config = scratch.file("taffrail.toml", LISTENERS);
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    let listener = |kind: &str| {
        let all = server.file["listeners"].as_array().expect("is a list");
        all.iter().find(|l| l["input"] == kind).expect("listens")["address"].as_str().expect("is text").to_owned()
    };
    let mut total = 0;
    for (protocol, target) in [
        ("syslog-udp", listener("syslog-udp")),
        ("syslog-tcp", listener("syslog-tcp")),
        ("relp", listener("relp")),
        ("gelf-udp", listener("gelf-udp")),
        ("gelf-tcp", listener("gelf-tcp")),
        ("hec", server.url().to_owned()),
        ("elastic", server.url().to_owned()),
        ("otlp", server.url().to_owned()),
        ("loki", server.url().to_owned()),
        ("lines", server.url().to_owned()),
        ("json-lines", server.url().to_owned()),
        ("taffrail", server.url().to_owned()),
        ("gelf-http", server.url().to_owned()),
        ("datadog", server.url().to_owned()),
        ("journal-upload", server.url().to_owned()),
        ("lumberjack", listener("lumberjack")),
        ("snmp-trap", listener("snmp-trap")),
        ("netflow", listener("netflow")),
    ] {
        // Datagrams at a rate: a receiver that is busy elsewhere may drop a burst, and count it.
        let mut arguments =
            vec!["generate", protocol, &target, "--events", "300", "--output", "json", "--connections", "3", "--batch", "50"];
        if protocol.ends_with("udp") || matches!(protocol, "snmp-trap" | "netflow") {
            arguments.extend(["--rate", "3000"]);
        }
        let report: Value = serde_json::from_str(&scratch.text(&arguments)).expect("is JSON");
        assert_eq!((report["sent_events"].as_u64(), report["confirmed_events"].as_u64()), (Some(300), Some(300)), "{protocol}: {report}");
        let by_role: u64 = report["mix"].as_object().expect("is an object").values().filter_map(|of| of["events"].as_u64()).sum();
        assert_eq!(by_role, 300);
        total += 300;
        eventually(protocol, || {
            let stat = server.get("/api/v1/stat").json();
            let main = stat["indexes"].as_array().expect("is a list").iter().find(|i| i["index"] == "main").map(|i| i["events"].clone());
            main.and_then(|events| events.as_u64()) == Some(total)
        });
    }
    server.stop();
    // Numbered: each number came once by each protocol.
    assert_eq!(scratch.count("index=main \"seq=300\""), 17);
    assert_eq!(scratch.count("index=main sourcetype=netflow"), 300);
    assert_eq!(scratch.count("index=main sourcetype=snmp* \"1.3.6.1.2.1.192.0.1\""), 300);
    assert_eq!(scratch.count("index=main \"seq=301\""), 0);
}

#[test]
fn the_same_seed_makes_the_same_file_and_nobody_listening_is_said() {
    let scratch = Scratch::new();
    let text = |name: &str, seed: &str| {
        let path = scratch.path().join(name);
        let path = path.to_str().expect("is text");
        scratch.ok(&["generate", "file", path, "--events", "500", "--seed", seed, "--mix", "asa"]);
        let text = std::fs::read_to_string(path).expect("is there");
        // The time stands between the priority and the host.
        text.lines().map(|line| line[line.find('>').expect("has a priority") + 17..].to_owned()).collect::<Vec<_>>()
    };
    let first = text("a", "7");
    assert_eq!(first.len(), 500);
    assert_eq!(first, text("b", "7"));
    assert_ne!(first, text("c", "8"));
    assert!(first.iter().all(|line| line.contains("%ASA-")), "{}", first[0]);
    let failed = scratch.run(&["generate", "relp", "127.0.0.1:1", "--events", "10", "--patience", "0.1"]);
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(failed.status.code() == Some(1) && error.contains("0 of 10 events were confirmed"), "{error}");
    let failed = scratch.run(&["generate", "kafka", "127.0.0.1:1"]);
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(failed.status.code() == Some(2) && error.contains("names no topic"), "{error}");
}
