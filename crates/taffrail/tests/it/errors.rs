//! Exit codes, and errors that say what to do.

use crate::harness::Scratch;
use std::io::Read;
use std::process::{Output, Stdio};

fn check(output: &Output, code: i32, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "standard output is not clean: {}", String::from_utf8_lossy(&output.stdout));
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn usage_is_2_and_nothing_there_is_3() {
    let scratch = Scratch::new();
    check(&scratch.run(&["serch"]), 2, &["serch", "search"]);
    check(&scratch.run(&["search", "--data", "@"]), 2, &["QUERY"]);
    check(&scratch.run(&["search", "--data", "@", "x"]), 3, &["no such data folder", "taffrail import"]);
    check(&scratch.run(&["stat", "--data", "@"]), 3, &["no such data folder"]);
    check(&scratch.run(&["import", "--data", "@", "/nowhere/at/all"]), 3, &["/nowhere/at/all"]);
    assert!(!scratch.data().exists(), "a data folder was made for nothing");
    check(&scratch.run(&["search", "--url", "http://127.0.0.1:9", "x"]), 3, &["no server answers"]);
    check(&scratch.run(&["search", "--url", "gopher://x", "x"]), 2, &["http://"]);
    check(&scratch.run(&["import", "--data", "@", "--index", "../up", "-"]), 2, &["../up", "a-z"]);
    std::fs::create_dir(scratch.data()).expect("can be made");
    check(&scratch.run(&["search", "--data", "@", "x"]), 3, &["not a data folder"]);
}

#[test]
fn a_wrong_query_is_shown_with_a_caret() {
    let scratch = Scratch::new();
    let file = scratch.file("x.log", b"one\n");
    scratch.ok(&["import", "--data", "@", file.to_str().expect("is text")]);
    check(&scratch.run(&["search", "--data", "@", "one | stas count"]), 2, &["one | stas count\n", "        ^^^^\n", "stats"]);
    check(&scratch.run(&["search", "--data", "@", "--output", "raw", "one | stats count"]), 2, &["raw output needs events"]);
    let server = scratch.serve();
    check(&scratch.run(&["search", "--data", "@", "one | stas count"]), 2, &["one | stas count\n", "        ^^^^\n", "stats"]);
    check(&scratch.run(&["search", "--url", server.url(), "--output", "raw", "one | stats count"]), 2, &["raw output needs events"]);
    server.stop();
}

#[test]
fn settings_are_named_where_they_are_wrong() {
    let scratch = Scratch::new();
    let file = scratch.file("t.toml", b"[http]\naddres = \"127.0.0.1:0\"\n");
    check(
        &scratch.run(&["serve", "--data", "@", "--config", file.to_str().expect("is text")]),
        2,
        &["t.toml:2", "addres", "configuration.md"],
    );
    check(&scratch.run(&["serve", "--data", "@", "--config", "/no/such.toml"]), 3, &["/no/such.toml"]);
    check(&scratch.run(&["serve"]), 2, &["--data"]);
    assert!(!scratch.data().exists());
}

#[test]
fn other_addresses_than_loopback_are_refused() {
    let scratch = Scratch::new();
    for (flag, address) in
        [("--http", "0.0.0.0:8514"), ("--syslog-udp", "0.0.0.0:5514"), ("--syslog-tcp", "[::]:5514"), ("--http", "192.0.2.7:80")]
    {
        let output = scratch.run(&["serve", "--data", "@", flag, address]);
        let why = if flag == "--http" { "no access control" } else { "syslog.allow = [" };
        check(&output, 2, &[why, flag, address]);
    }
    let file = scratch.file("t.toml", b"[[input]]\ntype = \"syslog-tcp\"\naddress = \"0.0.0.0:6514\"\n");
    check(&scratch.run(&["serve", "--data", "@", "--config", file.to_str().expect("is text")]), 2, &["allow = [", "input[0]"]);
    assert!(!scratch.data().exists());
}

#[test]
fn a_folder_or_an_address_that_is_taken_is_4() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    check(&scratch.run(&["serve", "--data", "@", "--http", "127.0.0.1:0", "--syslog-udp", "off", "--syslog-tcp", "off"]), 4, &[]);
    let other = Scratch::new();
    check(
        &other.run(&["serve", "--data", "@", "--http", server.address(), "--syslog-udp", "off", "--syslog-tcp", "off"]),
        4,
        &["in use", "--http"],
    );
    server.stop();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scratch = Scratch::new();
    let file = scratch.file("x.log", &crate::harness::generated(20_000));
    scratch.ok(&["import", "--data", "@", file.to_str().expect("is text")]);
    let mut child = scratch
        .command(&["search", "--data", "@", "--output", "raw", "index=main"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = child.stdout.take().expect("is piped");
    out.read_exact(&mut [0u8; 10]).expect("gives something");
    drop(out);
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
