//! rsyslog over TLS, with both of its libraries, and with messages of several lines, whose length is said.

use super::{Message, Running, TLS, account, all_have, awkward, each_once, listener, missing, program, serve};
use crate::harness::{Scratch, Server, eventually};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether rsyslog has this module.
fn has(module: &str, package: &str) -> bool {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("rsyslog"));
    let found = folders.chain(["/usr/lib/rsyslog".into()]).any(|folder| folder.join(module).is_file());
    if !found {
        missing(module, &format!("apt-get install {package}"));
    }
    found
}

/// rsyslog, which sends the messages as the rest of `action` says.
fn start(program: &Path, scratch: &Scratch, server: &Server, messages: &[Message], settings: &str, action: &str) -> Running {
    let text: String = messages.iter().map(|message| format!("@@{}\n", message.text)).collect();
    let folder = scratch.file("in.log", text.as_bytes()).parent().expect("has a parent").to_owned();
    let (_, port) = listener(server, "syslog-tls");
    let config = format!(
        "global(workDirectory=\"{0}\" maxMessageSize=\"1m\" parser.escapeControlCharactersOnReceive=\"off\" {settings})\n\
         module(load=\"imfile\" mode=\"polling\" pollingInterval=\"1\")\n\
         template(name=\"t\" type=\"string\" string=\"<134>1 2026-03-01T00:00:00.5Z far-1 app 42 ID7 [x@1 k=\\\"v\\\"] %msg:3:$%\")\n\
         input(type=\"imfile\" file=\"{0}/in.log\" tag=\"x\" ruleset=\"r\" startmsg.regex=\"^@@\" escapeLF=\"off\" readTimeout=\"1\")\n\
         ruleset(name=\"r\") {{ action(type=\"omfwd\" target=\"localhost\" port=\"{port}\" protocol=\"tcp\" template=\"t\" \
         TCP_Framing=\"octet-counted\" StreamDriverMode=\"1\" action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\" {action}) }}\n",
        folder.display(),
    );
    let file = scratch.file("rsyslog.conf", config.as_bytes());
    let log = std::fs::File::create(scratch.path().join("rsyslog.log")).expect("can be written");
    let mut command = Command::new(program);
    command.args(["-n", "-f"]).arg(file).arg("-i").arg(folder.join("pid")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Running(command.spawn().expect("starts"))
}

fn tls_input(more: &str) -> String {
    format!(
        "[[input]]\ntype = \"syslog-tls\"\naddress = \"127.0.0.1:0\"\n[input.tls]\ncertificate = \"{TLS}/server.pem\"\nkey = \"{TLS}/server.key\"\n{more}"
    )
}

/// Sends all messages and looks at what is stored.
fn check(driver: &str, module: &str, package: &str) {
    let Some(program) = program(&["rsyslogd"], "rsyslog") else { return };
    if !has(module, package) {
        return;
    }
    let (scratch, messages) = (Scratch::new(), awkward(300));
    let server = serve(&scratch, &tls_input(&format!("client_ca = \"{TLS}/ca.pem\"\n")));
    let authority = format!("DefaultNetstreamDriverCAFile=\"{TLS}/ca.pem\"");
    let certificate =
        format!("{authority} DefaultNetstreamDriverCertFile=\"{TLS}/client.pem\" DefaultNetstreamDriverKeyFile=\"{TLS}/client.key\"");
    let action = format!("StreamDriver=\"{driver}\" StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"localhost\"");
    let rsyslog = start(&program, &scratch, &server, &messages, &certificate, &action);
    let logged = || std::fs::read_to_string(scratch.path().join("rsyslog.log")).unwrap_or_default();
    eventually(&logged(), || scratch.count("index=main") >= 300);
    drop(rsyslog);
    let account = account(&server, "syslog-tls");
    assert_eq!(account["refused_connections"], 0, "{account}");
    server.stop();
    let rows = scratch.rows("index=main | table _time host source message app procid msgid _raw");
    let texts: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            let raw = row["_raw"].as_str().expect("is text");
            let (head, text) = raw.split_once(" [x@1 k=\"v\"] ").unwrap_or_else(|| panic!("{raw} is none of ours"));
            assert_eq!(head, "<134>1 2026-03-01T00:00:00.5Z far-1 app 42 ID7");
            json!({"_time": row["_time"], "host": row["host"], "text": text})
        })
        .collect();
    let rows = each_once(&texts, "text", &messages);
    all_have(&rows, "host", &json!("far-1"));
    assert!(rows.iter().all(|row| row["_time"].as_str().is_some_and(|time| time.starts_with("2026-03-01T00:00:00.5"))), "{}", rows[0]);
}

#[test]
fn rsyslog_with_gnutls() {
    check("gtls", "lmnsd_gtls.so", "rsyslog-gnutls");
}

#[test]
fn rsyslog_with_openssl() {
    check("ossl", "lmnsd_ossl.so", "rsyslog-openssl");
}

#[test]
fn rsyslog_without_a_certificate_is_refused() {
    let Some(program) = program(&["rsyslogd"], "rsyslog") else { return };
    if !has("lmnsd_gtls.so", "rsyslog-gnutls") {
        return;
    }
    let scratch = Scratch::new();
    let server = serve(&scratch, &tls_input(&format!("client_ca = \"{TLS}/ca.pem\"\n")));
    let authority = format!("DefaultNetstreamDriverCAFile=\"{TLS}/ca.pem\"");
    let action = "StreamDriver=\"gtls\" StreamDriverAuthMode=\"anon\"";
    let rsyslog = start(&program, &scratch, &server, &awkward(5), &authority, action);
    eventually("it is refused", || account(&server, "syslog-tls")["refused_connections"].as_u64().is_some_and(|refused| refused > 0));
    drop(rsyslog);
    server.stop();
    assert_eq!(scratch.count("index=main"), 0);
}
