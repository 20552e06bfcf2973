//! `systemd-journal-upload`, with a journal that `systemd-journal-remote` has written: no journal of this machine is needed.

use super::{Message, Running, all_have, at_their_times, awkward, each_once, missing, serve};
use crate::harness::{Scratch, Server};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Programs of the package, which stand beside systemd's own.
fn of_systemd(name: &str) -> Option<PathBuf> {
    let found = ["/usr/lib/systemd", "/lib/systemd"].iter().map(|folder| Path::new(folder).join(name)).find(|file| file.is_file());
    if found.is_none() {
        missing(name, "apt-get install systemd-journal-remote");
    }
    found
}

/// Entries in the export format.
fn exported(messages: &[Message]) -> Vec<u8> {
    let mut all = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let micros = (message.seconds * 1e6) as u64;
        for line in [
            format!("__REALTIME_TIMESTAMP={micros}"),
            format!("__MONOTONIC_TIMESTAMP={}", micros - 1_600_000_000_000_000),
            "_BOOT_ID=0123456789abcdef0123456789abcdef".to_owned(),
            "_MACHINE_ID=fedcba9876543210fedcba9876543210".to_owned(),
            "_HOSTNAME=far-1".to_owned(),
            format!("PRIORITY={}", number % 8),
            "SYSLOG_IDENTIFIER=app".to_owned(),
            "EMPTY=".to_owned(),
        ] {
            all.extend_from_slice(line.as_bytes());
            all.push(b'\n');
        }
        let mut binary = |name: &str, value: &[u8]| {
            all.extend_from_slice(format!("{name}\n").as_bytes());
            all.extend_from_slice(&(value.len() as u64).to_le_bytes());
            all.extend_from_slice(value);
            all.push(b'\n');
        };
        binary("MESSAGE", message.text.as_bytes());
        binary("BYTES", &[0xff, 0, 10, (number % 251) as u8]);
        all.push(b'\n');
    }
    all
}

struct Upload {
    remote: PathBuf,
    upload: PathBuf,
    scratch: Scratch,
}

impl Upload {
    fn new() -> Option<Self> {
        let (remote, upload) = (of_systemd("systemd-journal-remote")?, of_systemd("systemd-journal-upload")?);
        Some(Self { remote, upload, scratch: Scratch::new() })
    }

    fn folder(&self) -> PathBuf {
        self.scratch.path().join("journal")
    }

    /// Adds entries to the journal.
    fn write(&self, messages: &[Message]) {
        std::fs::create_dir_all(self.folder()).expect("can be made");
        let entries = self.scratch.file("entries", &exported(messages));
        let mut command = Command::new(&self.remote);
        command.arg(format!("--output={}", self.folder().join("remote-far.journal").display())).arg("--split-mode=none").arg(entries);
        let output = command.output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn command(&self, server: &Server, more: &[&str]) -> Command {
        let mut command = Command::new(&self.upload);
        command.arg(format!("--url={}", server.url())).arg(format!("--directory={}", self.folder().display()));
        command.arg(format!("--save-state={}", self.scratch.path().join("state").display())).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Sends what is there; whether it went well, and what was said.
    fn send(&self, server: &Server) -> (bool, String) {
        let log = self.scratch.path().join("upload.log");
        let mut command = self.command(server, &["--follow=no"]);
        let child = command.stderr(std::fs::File::create(&log).expect("can be written")).spawn().expect("starts");
        let well = Running(child).ended("systemd-journal-upload");
        (well, std::fs::read_to_string(log).expect("is there"))
    }
}

const TABLE: &str = "index=main source=journald | table _time host sourcetype MESSAGE PRIORITY EMPTY SYSLOG_IDENTIFIER _raw";

#[test]
fn systemd_journal_upload() {
    let Some(upload) = Upload::new() else { return };
    let messages = awkward(350);
    let (first, later) = messages.split_at(300);
    upload.write(first);
    let server = upload.scratch.serve();
    let (well, said) = upload.send(&server);
    assert!(well, "{said}");
    assert_eq!(upload.scratch.count("index=main"), 300);
    // What it has noted is where it goes on.
    upload.write(later);
    let (well, said) = upload.send(&server);
    assert!(well, "{said}");
    server.stop();
    // Version 252 begins with the entry that it had got to, not with the one behind it: its cursor tells.
    let rows = upload.scratch.rows(TABLE);
    let rows = each_once(&rows, "MESSAGE", &messages);
    at_their_times(&rows, &messages);
    for (field, value) in [("host", "far-1"), ("sourcetype", "journald"), ("EMPTY", ""), ("SYSLOG_IDENTIFIER", "app")] {
        all_have(&rows, field, &json!(value));
    }
    // Both times they were numbered from 0.
    for (number, row) in (0..300).chain(0..50).zip(&rows) {
        assert_eq!(row["PRIORITY"].to_string().trim_matches('"'), (number % 8).to_string());
        let raw: serde_json::Value = serde_json::from_str(row["_raw"].as_str().expect("is text")).expect("is JSON");
        assert_eq!(raw["BYTES"], json!([255, 0, 10, number % 251]));
    }
}

#[test]
fn systemd_journal_upload_follows() {
    let Some(upload) = Upload::new() else { return };
    let messages = awkward(120);
    upload.write(&messages[..60]);
    let server = upload.scratch.serve();
    let child = upload.command(&server, &["--follow=yes"]).stderr(Stdio::null()).spawn().expect("starts");
    let running = Running(child);
    crate::harness::eventually("what is there is sent", || upload.scratch.count("index=main") == 60);
    // One request goes on for as long as the journal is followed.
    upload.write(&messages[60..]);
    crate::harness::eventually("what comes later is sent", || upload.scratch.count("index=main") == 120);
    drop(running);
    server.stop();
    let rows = upload.scratch.rows(TABLE);
    at_their_times(&each_once(&rows, "MESSAGE", &messages), &messages);
}

#[test]
fn systemd_journal_upload_is_told_that_it_may_not() {
    let Some(upload) = Upload::new() else { return };
    upload.write(&awkward(20));
    let server = serve(&upload.scratch, "[ingest]\ntokens = [\"right\"]\n");
    let (well, said) = upload.send(&server);
    assert!(!well && said.contains("401"), "{said}");
    assert!(!upload.scratch.path().join("state").exists(), "it believes that it got through");
    server.stop();
    assert_eq!(upload.scratch.count("index=main"), 0);
}
