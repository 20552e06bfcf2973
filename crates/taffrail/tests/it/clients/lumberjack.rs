//! pylogbeat, a client of Lumberjack version 2, with certificates and without.

use super::{Script, TLS, all_have, at_their_times, awkward, each_once, serve, written};
use crate::harness::Scratch;
use serde_json::json;

#[test]
fn pylogbeat() {
    let (scratch, messages) = (Scratch::new(), awkward(300));
    let settings = format!(
        "[[input]]\ntype = \"lumberjack\"\naddress = \"127.0.0.1:0\"\n[[input]]\ntype = \"lumberjack\"\naddress = \"127.0.0.1:0\"\n\
         [input.tls]\ncertificate = \"{TLS}/server.pem\"\nkey = \"{TLS}/server.key\"\nclient_ca = \"{TLS}/ca.pem\"\n"
    );
    let server = serve(&scratch, &settings);
    let ports: Vec<u16> = server.file["listeners"]
        .as_array()
        .expect("has listeners")
        .iter()
        .filter(|listener| listener["input"] == "lumberjack")
        .filter_map(|listener| listener["address"].as_str()?.rsplit_once(':')?.1.parse().ok())
        .collect();
    let told = json!({"plain": ports[0], "tls": ports[1], "ca": format!("{TLS}/ca.pem"), "certificate": format!("{TLS}/client.pem"),
        "key": format!("{TLS}/client.key"), "messages": written(&scratch, &messages)});
    let Some(said) = Script::run(&scratch, "lumberjack.py", &told) else { return };
    assert_eq!((&said["plain"], &said["tls"]), (&json!(300), &json!(300)));
    assert!(said["refused"].is_string(), "{said}");
    // What was acknowledged is durable: no need to ask it to end.
    server.kill();
    for way in ["plain", "tls"] {
        let rows = scratch.rows(&format!("index=main way={way} | table _time host source sourcetype message number empty _raw"));
        let rows = each_once(&rows, "message", &messages);
        at_their_times(&rows, &messages);
        let source = format!("/var/log/{way}.log");
        for (field, value) in [("host", "beat-1"), ("source", &*source), ("sourcetype", "json"), ("empty", "")] {
            all_have(&rows, field, &json!(value));
        }
        for (number, row) in rows.iter().enumerate() {
            let raw: serde_json::Value = serde_json::from_str(row["_raw"].as_str().expect("is text")).expect("is JSON");
            assert_eq!((&raw["number"], &raw["tags"], &raw["nothing"]), (&json!(number), &json!(["a", "ß"]), &json!(null)));
        }
    }
    assert_eq!(scratch.rows("index=main way=text | stats count dc(message) as texts"), [json!({"count": 2048, "texts": 2048})]);
    assert_eq!(scratch.count("index=main"), 2 * 300 + 2048);
}
