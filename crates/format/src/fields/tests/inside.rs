//! Lines inside of JSON events.

use super::*;
use std::collections::BTreeMap;

const JOURNAL: &str = r#"{"__REALTIME_TIMESTAMP":"1795381200000000","SYSLOG_IDENTIFIER":"sshd","_PID":"77","MESSAGE":"Failed password for root from 10.0.0.9 port 51022 ssh2","_HOSTNAME":"vm"}"#;
const LABELLED: &str = r#"{"message":"Nov 21 21:14:03 vm sshd[7]: Accepted password for alice from 10.0.0.9 port 22 ssh2","job":"varlogs","src_port":"of a label"}"#;

fn fields(sourcetype: &str, line: &str) -> BTreeMap<String, String> {
    Formats::new().fields_of_event(sourcetype, line.as_bytes()).into_iter().collect()
}

fn has(sourcetype: &str, line: &str, wanted: &[(&str, &str)]) {
    let found = fields(sourcetype, line);
    for (name, value) in wanted {
        assert_eq!(found.get(*name).map(String::as_str), Some(*value), "{name} of {found:?}");
    }
}

#[test]
fn an_entry_of_the_journal_is_read_as_its_program_wrote_it() {
    let login =
        [("user", "root"), ("src", "10.0.0.9"), ("src_port", "51022"), ("action", "failure"), ("tag", "authentication"), ("app", "sshd")];
    has("journald", JOURNAL, &login);
    has("journald", JOURNAL, &[("_HOSTNAME", "vm"), ("SYSLOG_IDENTIFIER", "sshd")]);
    // The text comes before the program here, and has something escaped.
    let quoted = r#"{"MESSAGE":"     bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/echo \"hi\"","SYSLOG_IDENTIFIER":"sudo"}"#;
    has("journald", quoted, &[("user", "root"), ("src_user", "bob"), ("app", "sudo"), ("command", "/bin/echo \"hi\"")]);
    // Bytes that are no text are an array of numbers.
    assert_eq!(fields("journald", r#"{"MESSAGE":[255,1],"SYSLOG_IDENTIFIER":"sshd"}"#).get("tag"), None);
}

#[test]
fn a_line_with_labels_is_read_as_without_and_labels_go_first() {
    has("json", LABELLED, &[("user", "alice"), ("action", "success"), ("app", "sshd"), ("job", "varlogs"), ("src_port", "of a label")]);
    has("json", r#"{"message":"level=info who=\"bob smith\"","job":"x"}"#, &[("who", "bob smith"), ("level", "info")]);
    // A member of an application's own record is its text and no line.
    assert_eq!(fields("json", r#"{"level":"info","message":"who=bob"}"#).get("who"), None);
    assert_eq!(fields("json", r#"{"message":{"a":"who=bob"}}"#).get("who"), None);
}

#[test]
fn patterns_with_lines_inside_say_what_the_event_says() {
    let plain = r#"{"message":"level=info who=\"bob smith\"","job":"x"}"#;
    for (sourcetype, line) in [("journald", JOURNAL), ("json", LABELLED), ("json", plain), ("json", r#"{"message":"","a":"b"}"#)] {
        for bits in [u64::MAX, 0, 0x5555_5555, 0xf0f0_f0f0] {
            same(sourcetype, line, |slot| bits >> (slot % 64) & 1 == 1).unwrap_or_else(|fault| panic!("{fault:?}"));
        }
    }
    assert_eq!(
        kind("journald", JOURNAL, &["sshd", "SYSLOG_IDENTIFIER", "MESSAGE", "_PID", "_HOSTNAME", "__REALTIME_TIMESTAMP"], "user"),
        "computed"
    );
    assert_eq!(
        kind("journald", JOURNAL, &["SYSLOG_IDENTIFIER", "MESSAGE", "_PID", "_HOSTNAME", "__REALTIME_TIMESTAMP"], "action"),
        "computed"
    );
}
