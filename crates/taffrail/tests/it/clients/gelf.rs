//! graypy, by every way that it has.

use super::{Message, Script, account, all_have, at_their_times, awkward, each_once, listener, serve, written};
use crate::harness::{Scratch, eventually};
use serde_json::json;

#[test]
fn graypy() {
    let scratch = Scratch::new();
    // More than 128 chunks of its size are no message, so that graypy leaves the longest out.
    let messages: Vec<Message> = awkward(200).into_iter().filter(|message| message.text.len() < 100_000).collect();
    let inputs: String =
        ["gelf-udp", "gelf-tcp"].iter().map(|kind| format!("[[input]]\ntype = \"{kind}\"\naddress = \"127.0.0.1:0\"\n")).collect();
    let server = serve(&scratch, &inputs);
    let port = |kind| listener(&server, kind).1;
    let http: u16 = server.address().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("has a port");
    // What waits for nobody has to fit into the least of receive buffers.
    let ways = [("udp", 60), ("udp_packed", 199), ("udp_small", 60), ("tcp", 199), ("http", 199), ("http_packed", 199)];
    let most: serde_json::Map<_, _> = ways.iter().map(|(way, count)| ((*way).to_owned(), json!(count))).collect();
    let told = json!({"host": "127.0.0.1", "udp": port("gelf-udp"), "tcp": port("gelf-tcp"), "http": http, "most": most,
        "messages": written(&scratch, &messages)});
    let Some(mut script) = Script::start(&scratch, "gelf.py", &told) else { return };
    for (way, count) in ways {
        script.tell(way);
        assert_eq!(script.said()["sent"], way);
        // Only some of these ways have an answer, and graypy waits for none.
        let stored = || scratch.count(&format!("index=main facility={way}"));
        if way.starts_with("udp") {
            let account = account(&server, "gelf-udp");
            assert_eq!((&account["kernel_drops"], &account["skipped"]), (&json!(0), &json!({})), "{account}");
        }
        eventually(way, || stored() == count);
    }
    script.end();
    server.stop();
    for (way, count) in ways {
        let messages = &messages[..count as usize];
        let rows =
            scratch.rows(&format!("index=main facility={way} | table _time host short_message full_message level _empty _number _raw"));
        let rows = each_once(&rows, "short_message", messages);
        at_their_times(&rows, messages);
        all_have(&rows, "host", &json!("app-9"));
        for (number, row) in rows.iter().enumerate() {
            let raw: serde_json::Value = serde_json::from_str(row["_raw"].as_str().expect("is text")).expect("is JSON");
            assert_eq!(
                (&raw["_number"], &raw["_empty"], &raw["_nothing"], &raw["level"]),
                (&json!(number), &json!(""), &json!(null), &json!(3))
            );
            assert_eq!(raw["_map"], json!({"a": [1, "ß"]}));
            let traceback = (number == 7).then_some("Traceback:\n  File ä\nError: b");
            assert_eq!(row["full_message"].as_str(), traceback, "{way} {number}");
        }
    }
}
