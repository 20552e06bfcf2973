//! OpenTelemetry's own exporters, of its SDK for Python: HTTP and gRPC, with every packing that they have, over TLS.

use super::{Message, Script, TLS, all_have, at_their_times, awkward, listener, serve, written};
use crate::harness::Scratch;
use serde_json::{Value, json};

/// Asserts that each is there once, known by its number, since half of the bodies are no text.
fn in_order<'a>(rows: &'a [Value], messages: &[Message]) -> Vec<&'a Value> {
    let mut rows: Vec<(usize, &Value)> = rows.iter().map(|row| (number(&row["number"]), row)).collect();
    rows.sort_by_key(|(number, _)| *number);
    assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..messages.len()).collect::<Vec<_>>());
    rows.into_iter().map(|(_, row)| row).collect()
}

fn number(value: &Value) -> usize {
    value.to_string().trim_matches('"').parse().unwrap_or_else(|_| panic!("{value} is no number"))
}

#[test]
fn exporters_of_opentelemetry() {
    let (scratch, messages) = (Scratch::new(), awkward(300));
    let settings = format!(
        "[[input]]\ntype = \"http\"\naddress = \"127.0.0.1:0\"\naccept = [\"otlp\"]\ntokens = [\"right\"]\n\
         [input.tls]\ncertificate = \"{TLS}/server.pem\"\nkey = \"{TLS}/server.key\"\n"
    );
    let server = serve(&scratch, &settings);
    let (host, port) = listener(&server, "http");
    let told = json!({"http": format!("https://{host}:{port}"), "grpc": format!("{host}:{port}"), "ca": format!("{TLS}/ca.pem"),
        "messages": written(&scratch, &messages)});
    let Some(said) = Script::run(&scratch, "otlp.py", &told) else { return };
    server.stop();
    for way in ["http", "http_gzip", "http_deflate", "grpc", "grpc_gzip"] {
        let batches = said[way].as_array().expect("is a list");
        assert!(batches.iter().all(|batch| batch[0] == "SUCCESS"), "{way}: {batches:?}");
        assert_eq!(batches.iter().map(|batch| number(&batch[1])).sum::<usize>(), 300, "{way}");
        let rows = scratch
            .rows(&format!("index=main source={way} | table _time host severity severity_number deployment scope_name number empty _raw"));
        let rows = in_order(&rows, &messages);
        at_their_times(&rows, &messages);
        for (field, value) in [("host", "pod-7"), ("severity", "WARN"), ("deployment", "prüfung"), ("scope_name", "library"), ("empty", "")]
        {
            all_have(&rows, field, &json!(value));
        }
        for (n, row) in rows.iter().enumerate() {
            let raw: Value = serde_json::from_str(row["_raw"].as_str().expect("is text")).expect("is JSON");
            let text = &messages[n].text;
            let body = if n % 2 == 1 { json!({"text": text, "of": [1, null]}) } else { json!(text) };
            assert!(raw["message"] == body, "{way} {n}: {}", super::short(&raw.to_string()));
            let ids = (format!("{:032x}", 0xabcd_ef01_2345_6789u128 + n as u128), format!("{:016x}", 0x1234 + n));
            assert_eq!(
                (&raw["trace_id"], &raw["span_id"], &raw["severity_number"], &raw["flags"]),
                (&json!(ids.0), &json!(ids.1), &json!(13), &json!(1))
            );
            let (float, bytes, list) = (&raw["float"], &raw["bytes"], &raw["list"]);
            assert_eq!((float, bytes, list, &raw["yes"]), (&json!(0.1), &json!("00ff"), &json!(["a", "ß"]), &json!(true)));
            assert_eq!((&raw["map"], &raw["none"]), (&json!({"inner": {"deep": n}}), &Value::Null));
        }
    }
    for way in ["http_refused", "grpc_refused"] {
        assert_eq!(said[way], json!([["FAILURE", 3]]), "{way}");
    }
    assert_eq!(scratch.count("index=main"), 1_500);
}
