//! python-logging-loki, in both forms that it knows.

use super::{Script, all_have, at_their_times, awkward, each_once, serve, written};
use crate::harness::Scratch;
use serde_json::json;

#[test]
fn python_logging_loki() {
    let (scratch, messages) = (Scratch::new(), awkward(200));
    let server = serve(&scratch, "[ingest]\ntokens = [\"right\"]\n");
    let told = json!({"url": server.url(), "messages": written(&scratch, &messages)});
    let Some(said) = Script::run(&scratch, "loki.py", &told) else { return };
    assert_eq!((&said["today"], &said["before"]), (&json!([]), &json!([])));
    assert_eq!(said["refused"], json!(["Unexpected Loki API response status code: 403", "Unexpected Loki API response status code: 403"]));
    server.stop();
    for version in ["1", "0"] {
        let rows = scratch
            .rows(&format!("index=main source=version-{version} | table _time host message severity logger zone number empty a_b_c"));
        let rows = each_once(&rows, "message", &messages);
        // Of today it sends the time of sending, whatever the record says.
        if version == "0" {
            at_their_times(&rows, &messages);
        }
        let wanted = [
            ("host", "app-3"),
            ("severity", "warning"),
            ("logger", "app"),
            ("zone", "a \"quoted\" ä"),
            ("empty", ""),
            ("a_b_c", "cleaned"),
        ];
        for (field, value) in wanted {
            all_have(&rows, field, &json!(value));
        }
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(row["number"].to_string().trim_matches('"'), number.to_string());
        }
    }
    assert_eq!(scratch.count("index=main"), 400);
}
