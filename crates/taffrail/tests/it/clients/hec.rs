//! splunk-handler and splunk-hec-handler, over TLS.

use super::{Script, TLS, account, all_have, at_their_times, awkward, each_once, listener, serve, written};
use crate::harness::Scratch;
use serde_json::json;

#[test]
fn handlers_of_splunk() {
    let (scratch, messages) = (Scratch::new(), awkward(300));
    let settings = format!(
        "[[input]]\ntype = \"http\"\naddress = \"127.0.0.1:0\"\naccept = [\"hec\"]\ntokens = [\"right\"]\n\
         [input.tls]\ncertificate = \"{TLS}/server.pem\"\nkey = \"{TLS}/server.key\"\n"
    );
    let server = serve(&scratch, &settings);
    let (host, port) = listener(&server, "http");
    let told = json!({"host": host, "port": port, "ca": format!("{TLS}/ca.pem"), "messages": written(&scratch, &messages)});
    let Some(said) = Script::run(&scratch, "hec.py", &told) else { return };
    assert_eq!((&said["batches"], &said["single"]), (&json!([]), &json!([])));
    let refused = said["batches_refused"].to_string();
    assert!(refused.contains("403 Client Error"), "{refused}");
    let refused = said["single_refused"].as_array().expect("is a list");
    assert!(refused.len() == 3 && refused.iter().all(|error| error.as_str().is_some_and(|error| error.starts_with("403"))), "{refused:?}");
    let account = account(&server, "http");
    assert_eq!((&account["total"]["stored_events"], &account["skipped"]), (&json!(600), &json!({"denied": 4})), "{account}");
    server.stop();

    let rows = scratch.rows("index=main source=batches | table _time host sourcetype _raw");
    let rows = each_once(&rows, "_raw", &messages);
    at_their_times(&rows, &messages);
    all_have(&rows, "host", &json!("app-1"));
    all_have(&rows, "sourcetype", &json!("app:log"));
    let rows = scratch.rows("index=main source=single | table _time host sourcetype message log_level team empty number _raw");
    let rows = each_once(&rows, "message", &messages);
    at_their_times(&rows, &messages);
    for (field, value) in [("host", "app-2"), ("sourcetype", "_json"), ("log_level", "INFO"), ("team", "äöü"), ("empty", "")] {
        all_have(&rows, field, &json!(value));
    }
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row["number"].to_string().trim_matches('"'), number.to_string());
        let raw: serde_json::Value = serde_json::from_str(row["_raw"].as_str().expect("is text")).expect("is JSON");
        assert_eq!(raw["list"], json!(["a", "b"]));
    }
}
