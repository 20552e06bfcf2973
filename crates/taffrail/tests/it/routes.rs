//! Routes with real receivers: what a search finds arrives, byte for byte and in order, through outages and kills.

use crate::harness::{Scratch, Server, eventually};
use crate::pulls::kafka;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A receiver of RELP that can be down: then it closes what comes, and what is open.
struct Receiver {
    address: String,
    doings: Arc<Doings>,
}

/// What a receiver has got, and what it is to do.
#[derive(Default)]
struct Doings {
    seen: parking_lot::Mutex<Vec<Vec<u8>>>,
    down: AtomicBool,
    /// Takes some 20 milliseconds for a hundred messages.
    slow: AtomicBool,
    /// After so many messages it closes the connection without an answer to the last.
    ends: Vec<usize>,
    connections: AtomicUsize,
}

impl Receiver {
    fn start(doings: Doings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let receiver = Self { address: listener.local_addr().expect("has an address").to_string(), doings: Arc::new(doings) };
        let doings = Arc::clone(&receiver.doings);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let doings = Arc::clone(&doings);
                let stream = stream.expect("is a connection");
                doings.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // A connection that breaks is what this is about.
                    let _ = serve(stream, &doings);
                    doings.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        receiver
    }

    fn seen(&self) -> Vec<Vec<u8>> {
        self.doings.seen.lock().clone()
    }
}

fn serve(mut stream: TcpStream, doings: &Doings) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while !doings.down.load(Ordering::SeqCst) {
        let mut head = Vec::new();
        for _ in 0..3 {
            if reader.read_until(b' ', &mut head)? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8(head).map_err(std::io::Error::other)?;
        let words: Vec<&str> = head.split(' ').collect();
        let mut data = vec![0; words[2].parse::<usize>().map_err(std::io::Error::other)? + 1];
        reader.read_exact(&mut data)?;
        assert_eq!(data.pop(), Some(b'\n'), "the frame ends where it says");
        if doings.down.load(Ordering::SeqCst) {
            break;
        }
        if words[1] == "syslog" {
            let mut seen = doings.seen.lock();
            seen.push(data);
            if doings.ends.contains(&seen.len()) {
                break;
            }
            if seen.len().is_multiple_of(100) && doings.slow.load(Ordering::SeqCst) {
                drop(seen);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        stream.write_all(format!("{} rsp 6 200 OK\n", words[0]).as_bytes())?;
    }
    Ok(())
}

/// The places at which messages came once more: where it went on, and by how many it went back. Nothing was passed over, and the last
/// came last.
fn repeated(seen: &[Vec<u8>], wanted: &[Vec<u8>]) -> Vec<(usize, usize)> {
    let numbers: HashMap<&[u8], usize> = wanted.iter().enumerate().map(|(at, message)| (message.as_slice(), at)).collect();
    let (mut next, mut back) = (0, Vec::new());
    for message in seen {
        let at = numbers[message.as_slice()];
        assert!(at <= next, "{at} comes where {next} is due");
        if at < next {
            back.push((at, next - at));
        }
        next = at + 1;
    }
    assert_eq!(next, wanted.len());
    back
}

/// Messages of all severities, each different and none of them text alone.
fn messages(from: usize, count: usize) -> Vec<Vec<u8>> {
    (from..from + count)
        .map(|at| {
            let mut line =
                format!("<{}>Mar  1 00:{:02}:{:02} fw-{} kernel: rule {at} dropped ", 128 + at % 8, at / 60 % 60, at % 60, at % 3)
                    .into_bytes();
            line.extend_from_slice(&[0xc3, 0x28, b'\t', b'a' + (at % 26) as u8]);
            line
        })
        .collect()
}

fn urgent(messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let number = |line: &[u8]| std::str::from_utf8(&line[1..4]).expect("is a number").parse::<u8>().expect("is a number");
    messages.iter().filter(|line| number(line) % 8 <= 2).cloned().collect()
}

fn lines(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
}

fn route(server: &Server, at: usize) -> Value {
    server.get("/api/v1/routes").json()[at].clone()
}

fn count(route: &Value, name: &str) -> u64 {
    route[name].as_u64().unwrap_or_else(|| panic!("{name} of {route}"))
}

const SEARCH: &str = "severity IN (emerg, alert, crit)";

/// The field story: all is kept, exactly the urgent go on, through an outage and a kill, and both sides' counts agree.
#[test]
fn urgent_messages_reach_the_second_machine_through_an_outage_and_a_kill() {
    let scratch = Scratch::new();
    let receiver = Receiver::start(Doings::default());
    let config = format!(
        "[[routes]]\nname = \"soc\"\nsearch = \"{SEARCH}\"\nretry_seconds = 0.02\nretry_max_seconds = 0.05\n[routes.output]\ntype = \"relp\"\naddress = \"{}\"\n",
        receiver.address
    );
    let config = scratch.file("taffrail.toml", config.as_bytes());
    let config = config.to_str().expect("is text");
    let all = messages(0, 3_000);
    let server = scratch.serve_with(&["--config", config]);
    server.syslog(&lines(&all[..1_000]));
    eventually("the first part is confirmed", || count(&route(&server, 0), "confirmed_events") == 375);

    receiver.doings.down.store(true, Ordering::SeqCst);
    server.syslog(&lines(&all[1_000..2_000]));
    // Ten minutes are 25 tries with the waits that routes have of themselves: `routes::run::tests` counts them.
    eventually("it keeps trying", || count(&route(&server, 0), "failures") >= 25);
    assert_eq!(route(&server, 0)["state"], "retrying");
    server.kill();

    let server = scratch.serve_with(&["--config", config]);
    server.syslog(&lines(&all[2_000..]));
    eventually("it tries again", || count(&route(&server, 0), "failures") >= 2);
    assert_eq!(count(&route(&server, 0), "confirmed_events"), 375, "what was confirmed is remembered");
    receiver.doings.down.store(false, Ordering::SeqCst);
    let wanted = urgent(&all);
    assert_eq!(wanted.len(), 1_125);
    eventually("all is confirmed", || count(&route(&server, 0), "confirmed_events") == 1_125);

    let report = route(&server, 0);
    let seen = receiver.seen();
    let mut once = seen.clone();
    let mut known = std::collections::HashSet::new();
    once.retain(|message| known.insert(message.clone()));
    assert!(once == wanted, "byte for byte and in order: {} of {}", once.len(), wanted.len());
    for (name, value) in [("found_events", 1_125), ("refused_events", 0), ("gone_events", 0), ("in_flight_events", 0)] {
        assert_eq!(count(&report, name), value, "{name} of {report}");
    }
    assert_eq!(count(&report, "confirmed_bytes"), wanted.iter().map(|m| m.len() as u64).sum::<u64>());
    // What the receiver counts lies between what is confirmed and what was sent again besides.
    let extra = seen.len() as u64 - 1_125;
    assert!(extra <= count(&report, "sent_again_events"), "{extra} more, but {report}");
    let table = scratch.text(&["sources", "--data", "@", "--routes"]);
    assert!(table.contains("soc") && table.contains("1125") && table.contains("waiting"), "{table}");
    server.stop();
    assert_eq!(scratch.count("index=main"), 3_000, "all is kept");
    for search in [SEARCH, "severity_id<=2"] {
        assert_eq!(scratch.count(&format!("index=main {search}")), 1_125, "{search}");
    }
}

/// 30,000 messages that are there before the server starts with a route for all of them.
fn backlog(receiver: &Receiver) -> (Scratch, Vec<Vec<u8>>, String) {
    let scratch = Scratch::new();
    let all = messages(0, 30_000);
    let server = scratch.serve();
    server.syslog(&lines(&all));
    server.stop();
    let config = format!(
        "[[routes]]\nname = \"all\"\nsearch = \"index=main\"\nsince = \"beginning\"\nretry_seconds = 0.02\n[routes.output]\ntype = \"relp\"\naddress = \"{}\"\n",
        receiver.address
    );
    let config = scratch.file("taffrail.toml", config.as_bytes()).to_str().expect("is text").to_owned();
    (scratch, all, config)
}

/// Batches of thousands of messages, of which one is sent while the next is found: what was answered does not come again.
#[test]
fn a_receiver_that_ends_in_the_middle_of_a_batch_gets_again_what_it_has_not_answered() {
    let ends = vec![500, 5_000, 12_345, 20_001];
    let receiver = Receiver::start(Doings { ends: ends.clone(), ..Doings::default() });
    let (scratch, all, config) = backlog(&receiver);
    let server = scratch.serve_with(&["--config", &config]);
    eventually("all is confirmed", || count(&route(&server, 0), "confirmed_events") == 30_000);
    let report = route(&server, 0);
    server.stop();
    let seen = receiver.seen();
    let back = repeated(&seen, &all);
    // As many as are on their way at a time.
    assert!(back.len() == ends.len() && back.iter().all(|(_, count)| *count <= 1_024), "{back:?}");
    assert!(seen.len() as u64 - 30_000 <= count(&report, "sent_again_events"), "{} and {report}", seen.len());
    assert_eq!((count(&report, "behind_events"), count(&report, "gone_events")), (0, 0));
}

#[test]
fn a_kill_in_the_middle_of_a_batch_sends_again_only_what_was_not_told_to_be_confirmed() {
    let receiver = Receiver::start(Doings { slow: AtomicBool::new(true), ..Doings::default() });
    let (scratch, all, config) = backlog(&receiver);
    let server = scratch.serve_with(&["--config", &config]);
    // Batches become larger one by one: this is in the middle of one of 10,000.
    eventually("the most has come", || receiver.doings.seen.lock().len() > 20_000);
    let told = count(&route(&server, 0), "confirmed_events") as usize;
    server.kill();
    eventually("the connection has ended", || receiver.doings.connections.load(Ordering::SeqCst) == 0);
    let before = receiver.doings.seen.lock().len();
    assert!((10_000..before).contains(&told), "{told} of {before} are confirmed");
    receiver.doings.slow.store(false, Ordering::SeqCst);
    let server = scratch.serve_with(&["--config", &config]);
    eventually("all is confirmed", || count(&route(&server, 0), "confirmed_events") == 30_000);
    server.stop();
    let back = repeated(&receiver.seen(), &all);
    let right = |(from, count): &(usize, usize)| *from >= told && from + count == before;
    assert!(back.len() <= 1 && back.iter().all(right), "{back:?} with {told} of {before}");
}

#[test]
fn who_compares_names_with_numbers_is_told() {
    let scratch = Scratch::new();
    let config = "[[routes]]\nname = \"a\"\nsearch = \"severity<=2\"\n[routes.output]\ntype = \"file\"\npath = \"/nowhere/x\"\n";
    let config = scratch.file("taffrail.toml", config.as_bytes());
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    let report = route(&server, 0);
    assert!(report["problem"].as_str().is_some_and(|problem| problem.contains("severity_id<=2")), "{report}");
    server.stop();
}

#[test]
fn a_second_taffrail_and_a_file_get_the_same_bytes_through_kills() {
    let (first, second) = (Scratch::new(), Scratch::new());
    let relp = second.file("taffrail.toml", b"[[input]]\ntype = \"relp\"\naddress = \"127.0.0.1:0\"\n");
    let soc = second.serve_with(&["--config", relp.to_str().expect("is text")]);
    let listener =
        soc.file["listeners"].as_array().expect("is a list").iter().find(|l| l["input"] == "relp").expect("listens")["address"].clone();
    let out = first.path().join("out").join("urgent.log");
    let route_to =
        |name: &str, search: &str, output: &str| format!("[[routes]]\nname = \"{name}\"\nsearch = '{search}'\n[routes.output]\n{output}\n");
    let config = [
        route_to("soc", SEARCH, &format!("type = \"relp\"\naddress = {listener}")),
        route_to("file", "severity_id<=2", &format!("type = \"file\"\npath = {:?}", out.to_str().expect("is text"))),
        route_to(
            "rules",
            r#"dropped | rex "rule (?<rule>\d+)" | where rule < 100"#,
            &format!("type = \"file\"\npath = {:?}", first.path().join("rules.log").to_str().expect("is text")),
        ),
    ]
    .concat();
    let config = first.file("taffrail.toml", config.as_bytes());
    let config = config.to_str().expect("is text");
    let all = messages(0, 2_000);
    for part in all.chunks(500) {
        let server = first.serve_with(&["--config", config]);
        server.syslog(&lines(part));
        // Syslog has no answers: what is not durable yet would be gone.
        eventually("what was sent is stored", || {
            let inputs = server.get("/api/v1/inputs").json();
            let syslog = inputs.as_array().expect("is a list").iter().find(|input| input["kind"] == "syslog-tcp").cloned();
            syslog.is_some_and(|input| input["total"]["stored_events"] == part.len())
        });
        server.kill();
    }
    let server = first.serve_with(&["--config", config]);
    let wanted = urgent(&all);
    for at in 0..2 {
        eventually("all is confirmed", || count(&route(&server, at), "confirmed_events") == wanted.len() as u64);
    }
    assert_eq!(std::fs::read(&out).expect("is there"), lines(&wanted), "the file has each once");
    eventually("a search with commands is followed", || {
        std::fs::read(first.path().join("rules.log")).is_ok_and(|found| found == lines(&all[..100]))
    });
    server.stop();
    soc.stop();
    let exported = second.ok(&["search", "--data", "@", "--output", "raw", "index=main | sort 0 _sequence"]);
    let mut got: Vec<Vec<u8>> = exported.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect();
    let mut known = std::collections::HashSet::new();
    got.retain(|message| known.insert(message.clone()));
    assert!(got == wanted, "{} of {}", got.len(), wanted.len());
}

#[test]
fn what_is_there_already_goes_to_another_taffrail_as_it_is() {
    let (first, second) = (Scratch::new(), Scratch::new());
    let server = first.serve();
    server.ingest("host=a&source=b&sourcetype=c&index=other", b"one \xff\ntwo\n");
    server.ingest("host=d", b"three\n");
    server.stop();
    let other = second.serve();
    let config = format!(
        "[[routes]]\nname = \"copy\"\nsearch = \"index=*\"\nsince = \"beginning\"\n[routes.output]\ntype = \"taffrail\"\nurl = \"{}\"\n",
        other.url()
    );
    let config = first.file("taffrail.toml", config.as_bytes());
    let server = first.serve_with(&["--config", config.to_str().expect("is text")]);
    eventually("all is confirmed", || count(&route(&server, 0), "confirmed_events") == 3);
    server.stop();
    let accounts = other.get("/api/v1/inputs").json();
    assert!(accounts[0]["sources"][0]["source"] == "taffrail 127.0.0.1" && accounts[0]["total"]["stored_events"] == 3, "{accounts}");
    other.stop();
    assert_eq!(second.count("index=other host=a source=b sourcetype=c"), 2);
    assert_eq!(second.count("index=main host=d three"), 1);
    assert_eq!(second.ok(&["search", "--data", "@", "--output", "raw", "index=other one"]), b"one \xff\n");
}

/// A copy of all that a folder holds.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("can be made");
    for entry in std::fs::read_dir(from).expect("can be read") {
        let (entry, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("is there");
        if entry.is_dir() { copy(&entry, &to) } else { _ = std::fs::copy(&entry, &to).expect("can be copied") }
    }
}

/// A sender that is killed before it remembers what was confirmed sends it again; to show the worst of it, one goes on from a copy of its folder
/// that knows of nothing that was confirmed.
#[test]
fn what_is_sent_again_is_there_once_where_events_have_ids() {
    for kind in ["taffrail", "elastic"] {
        let second = Scratch::new();
        let receiver = second.serve();
        let url = receiver.url().to_owned();
        let address = receiver.address().to_owned();
        receiver.stop();
        let first = Scratch::new();
        let server = first.serve();
        let all = messages(0, 3_000);
        server.syslog(&lines(&all));
        server.stop();
        let config = format!(
            "[[routes]]\nname = \"copy\"\nsearch = \"index=main\"\nsince = \"beginning\"\nretry_seconds = 0.02\nretry_max_seconds = 0.05\n\
             [routes.output]\ntype = \"{kind}\"\nurl = \"{url}\"\n"
        );
        let config = first.file("taffrail.toml", config.as_bytes());
        let config = config.to_str().expect("is text");
        // Nobody is there to confirm anything.
        let server = first.serve_with(&["--config", config]);
        eventually("it tries", || count(&route(&server, 0), "failures") >= 2);
        server.kill();
        let third = Scratch::new();
        copy(&first.data(), &third.data());

        let receiver = second.serve_with(&["--http", &address]);
        for (scratch, again) in [(&first, 0), (&third, 3_000)] {
            let server = scratch.serve_with(&["--config", config]);
            eventually("all is confirmed", || count(&route(&server, 0), "confirmed_events") == 3_000);
            assert_eq!(count(&route(&server, 0), "refused_events"), 0);
            server.stop();
            let account = receiver.get("/api/v1/inputs").json()[0]["total"].clone();
            let of = |name: &str| account[name].as_u64().unwrap_or_default();
            // What was not confirmed before the receiver came up may have been sent in part.
            assert_eq!((of("stored_events"), of("duplicate_events"), of("gap_events")), (3_000, again, 0), "{kind}: {account}");
        }
        receiver.stop();
        assert_eq!(second.count("index=main"), 3_000, "{kind}");
        if kind == "taffrail" {
            assert_eq!(second.ok(&["search", "--data", "@", "--output", "raw", "index=main | sort 0 _sequence"]), lines(&all));
        }
    }
}

#[test]
fn another_taffrail_has_each_once_through_kills_of_both() {
    let (first, second) = (Scratch::new(), Scratch::new());
    let mut receiver = second.serve();
    let address = receiver.address().to_owned();
    let config = format!(
        "[[routes]]\nname = \"copy\"\nsearch = \"index=main\"\nretry_seconds = 0.02\nretry_max_seconds = 0.05\n\
         [routes.output]\ntype = \"taffrail\"\nurl = \"http://{address}\"\n"
    );
    let config = first.file("taffrail.toml", config.as_bytes());
    let config = config.to_str().expect("is text");
    let all = messages(0, 12_000);
    for (round, part) in all.chunks(2_000).enumerate() {
        let server = first.serve_with(&["--config", config]);
        server.ingest("sourcetype=syslog", &lines(part));
        std::thread::sleep(Duration::from_millis(170 * round as u64 % 400));
        if round % 2 == 1 {
            receiver.kill();
            receiver = second.serve_with(&["--http", &address]);
        }
        server.kill();
    }
    let server = first.serve_with(&["--config", config]);
    eventually("nothing is left to be sent", || {
        let report = route(&server, 0);
        count(&report, "behind_events") == 0 && report["state"] == "waiting" && second.count("index=main") >= 12_000
    });
    server.stop();
    receiver.stop();
    let got = second.ok(&["search", "--data", "@", "--output", "raw", "index=main | sort 0 _sequence"]);
    assert!(got == lines(&all), "{} of {}", got.split(|b| *b == b'\n').count() - 1, all.len());
}

#[test]
fn what_cannot_be_routed_is_refused_at_the_start() {
    let output = "[routes.output]\ntype = \"file\"\npath = \"/tmp/x\"\n";
    for (text, word) in [
        (format!("[[routes]]\nname = \"a\"\nsearch = \"* | stats count\"\n{output}"), "stats needs all rows"),
        (format!("[[routes]]\nname = \"A\"\nsearch = \"*\"\n{output}"), "name of a route"),
        (format!("[[routes]]\nname = \"a\"\nsearch = \"* | table host\"\n{output}"), "something else"),
        (
            "[[routes]]\nname = \"a\"\nsearch = \"*\"\n[routes.output]\ntype = \"relp\"\naddress = \"nowhere\"\n".into(),
            "address with a port",
        ),
    ] {
        let scratch = Scratch::new();
        let config = scratch.file("taffrail.toml", text.as_bytes());
        let refused = scratch.run(&["serve", "--data", "@", "--http", "127.0.0.1:0", "--config", config.to_str().expect("is text")]);
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && error.contains(word), "{text}: {error}");
    }
}

/// A file, a topic of Kafka, and a second Taffrail by three protocols without ids: all of it arrives, in order, through an outage of all receivers and
/// kills of ours. What was sent and not yet known to be confirmed comes again.
#[test]
fn every_receiver_gets_all_of_it_through_an_outage_and_kills() {
    let (first, second) = (Scratch::new(), Scratch::new());
    let free = || TcpListener::bind("127.0.0.1:0").expect("listens").local_addr().expect("has an address").to_string();
    let (http, relp) = (free(), free());
    let input = second.file("t.toml", format!("[[input]]\ntype = \"relp\"\naddress = \"{relp}\"\n").as_bytes());
    let receive = || second.serve_with(&["--http", &http, "--config", input.to_str().expect("is text")]);
    let out = first.path().join("out.log");
    let broker = kafka();
    let mut outputs = vec![
        ("hec", format!("type = \"hec\"\nurl = \"http://{http}\"")),
        ("otlp", format!("type = \"otlp\"\nurl = \"http://{http}\"")),
        ("relp", format!("type = \"relp\"\naddress = \"{relp}\"")),
        ("file", format!("type = \"file\"\npath = {:?}", out.to_str().expect("is text"))),
    ];
    if let Some((_, address)) = &broker {
        outputs.push(("kafka", format!("type = \"kafka\"\nbrokers = [\"{address}\"]\ntopic = \"routed\"")));
    }
    let route_to = |(name, output): &(&str, String)| {
        format!(
            "[[routes]]\nname = \"{name}\"\nsearch = \"index={name}\"\nretry_seconds = 0.02\nretry_max_seconds = 0.05\n[routes.output]\n{output}\n"
        )
    };
    let config = first.file("taffrail.toml", outputs.iter().map(route_to).collect::<String>().as_bytes());
    let config = ["--config", config.to_str().expect("is text")];
    let line = |name: &str, at: usize| format!("<13>Mar  1 00:{:02}:{:02} fw-1 app: id={name}-{at};\n", at / 60 % 60, at % 60);
    let mut receiver = Some(receive());
    for round in 0..5 {
        let server = first.serve_with(&config);
        for (name, _) in &outputs {
            let lines: String = (round * 400..(round + 1) * 400).map(|at| line(name, at)).collect();
            server.ingest(&format!("index={name}&sourcetype=syslog"), lines.as_bytes());
        }
        match round {
            1 => {
                receiver.take().expect("runs").kill();
                broker.iter().for_each(|(broker, _)| signal(&broker.0, "STOP"));
            }
            2 => eventually("it keeps trying", || (0..3).all(|at| count(&route(&server, at), "failures") >= 5)),
            3 => {
                receiver = Some(receive());
                broker.iter().for_each(|(broker, _)| signal(&broker.0, "CONT"));
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(60 + 170 * round as u64 % 300));
        server.kill();
    }
    let server = first.serve_with(&config);
    for at in 0..outputs.len() {
        eventually("all is confirmed", || count(&route(&server, at), "confirmed_events") == 2_000);
    }
    server.stop();
    receiver.expect("runs").stop();
    let there = |name: &str| match name {
        "file" => std::fs::read(&out).expect("is there"),
        "kafka" => {
            let address = &broker.as_ref().expect("is there").1;
            let arguments = ["-C", "-q", "-t", "routed", "-o", "beginning", "-e", "-b", address];
            std::process::Command::new("kcat").args(arguments).output().expect("runs").stdout
        }
        _ => second.ok(&["search", "--data", "@", "--output", "raw", "index=* | sort 0 _sequence"]),
    };
    for (name, _) in &outputs {
        let text = String::from_utf8(there(name)).expect("is text");
        let count = in_order(name, &text, 2_000);
        assert!(*name != "file" || count == 2_000, "the file has each once");
        println!("{name}: {} again", count - 2_000);
    }
}

/// How many events there are of those that end with an id; none is passed over, and what comes again comes behind.
fn in_order(name: &str, text: &str, all: usize) -> usize {
    let begin = format!("id={name}-");
    let number = |id: &str| id.split(';').next().and_then(|number| number.parse::<usize>().ok()).expect("is a number");
    let (mut next, mut count) = (0, 0);
    for number in text.split(&*begin).skip(1).map(number) {
        assert!(number <= next, "{name}: {number} comes where {next} is due");
        next = next.max(number + 1);
        count += 1;
    }
    assert_eq!(next, all, "{name}");
    count
}

fn signal(child: &std::process::Child, name: &str) {
    let status = std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}
