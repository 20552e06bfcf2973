//! elasticsearch-py, over TLS.

use super::{Script, TLS, all_have, at_their_times, awkward, each_once, listener, serve, written};
use crate::harness::Scratch;
use serde_json::json;

#[test]
fn elasticsearch_py() {
    let (scratch, messages) = (Scratch::new(), awkward(300));
    let settings = format!(
        "[ingest]\nelastic_product = true\n[[input]]\ntype = \"http\"\naddress = \"127.0.0.1:0\"\naccept = [\"elasticsearch\"]\n\
         tokens = [\"right\"]\n[input.tls]\ncertificate = \"{TLS}/server.pem\"\nkey = \"{TLS}/server.key\"\n"
    );
    let server = serve(&scratch, &settings);
    let (host, port) = listener(&server, "http");
    let url = format!("https://{host}:{port}");
    let told = json!({"url": url, "ca": format!("{TLS}/ca.pem"), "messages": written(&scratch, &messages)});
    let Some(said) = Script::run(&scratch, "elastic.py", &told) else { return };
    assert_eq!((&said["version"], &said["ping"]), (&json!("8.19.0"), &json!(true)));
    assert_eq!(said["bulk"], json!([300, []]));
    assert_eq!(said["streaming"], json!([[201, "logs-app-ü"], 300]));
    assert_eq!(said["parallel"], json!([300, true]));
    assert_eq!(said["mixed"], json!([2, [["update", 400], ["delete", 400]]]));
    assert_eq!(said["wrong"], json!(["AuthorizationException", 403, "security_exception"]));
    assert_eq!(said["none"], json!(["AuthenticationException", 401, "security_exception"]));
    server.stop();

    for (way, source) in [("bulk", "logs-app-default"), ("streaming", "logs-app-ü"), ("parallel", "logs-app-default")] {
        let rows = scratch.rows(&format!("index=main way={way} | table _time source sourcetype message number empty nested.name _raw"));
        let rows = each_once(&rows, "message", &messages);
        at_their_times(&rows, &messages);
        for (field, value) in [("source", source), ("sourcetype", "json"), ("empty", ""), ("nested.name", "wert é")] {
            all_have(&rows, field, &json!(value));
        }
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(row["number"].to_string().trim_matches('"'), number.to_string());
            assert!(row["_raw"].as_str().is_some_and(|raw| raw.contains(r#""list":[1,"zwei",{"three":3.5}]"#)), "{row}");
        }
    }
    assert_eq!((scratch.count("index=main source=logs-mixed"), scratch.count("index=main")), (2, 902));
}
