//! How fast decoding is; run with `--ignored` in an optimised build. Prints, and asserts nothing.

use crate::{NOW, decoder};
use taffrail_event::EventBatch;
use taffrail_format::LineBreaker;

/// Nanoseconds that this thread has been running: what others do on the machine does not count.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts them");
    stat.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
#[ignore = "a measurement, not a check"]
fn megabytes_per_second() {
    let lines = [
        ("syslog", "Nov 21 19:36:41 vm sshd[2998]: Accepted password for alice from 127.3.4.5 port 49051 ssh2"),
        ("syslog", "<165>1 2026-11-21T21:14:03.003Z host.example app 7 ID47 - An application event log entry of some length"),
        (
            "access_combined",
            "114.202.46.251 - - [21/Nov/2026:19:31:31 +0000] \"GET /product/6005/x HTTP/1.1\" 200 103 \"http://semicomplete.com/presentations/\" \"UniversalFeedParser/4.2-pre-314-svn\"",
        ),
        (
            "json",
            "{\"level\":\"info\",\"ts\":\"2026-11-21T21:14:03.120Z\",\"msg\":\"request done\",\"status\":200,\"took\":0.012,\"path\":\"/a/b\"}",
        ),
        ("text", "2026-11-21 19:32:18.668 UTC [23002] LOG:  duration: 0.123 ms  statement: SELECT abalance FROM accounts"),
        ("text", "    at org.example.Thing.method(Thing.java:123) ~[thing-1.2.3.jar:?] without any time in it"),
    ];
    for (sourcetype, line) in lines {
        let stream = format!("{line}\n").repeat(20_000_000 / line.len());
        let mut decoder = decoder(sourcetype);
        let mut best = f64::MAX;
        for _ in 0..3 {
            let start = cpu_nanos();
            let mut batch = EventBatch::new(NOW);
            let mut breaker = LineBreaker::new();
            for chunk in stream.as_bytes().chunks(65_536) {
                breaker.push(chunk, |frame| decoder.decode(&mut batch, frame));
                if batch.raw_bytes() > 4 << 20 {
                    batch = EventBatch::new(NOW);
                }
            }
            best = best.min((cpu_nanos() - start) as f64 / 1e9);
        }
        eprintln!("{:7.0} MB per CPU-second, {sourcetype}: {}", stream.len() as f64 / best / 1e6, &line[..60]);
    }
}

#[test]
#[ignore = "a measurement, not a check"]
fn milliseconds_to_have_the_formats_ready() {
    let start = cpu_nanos();
    let formats = taffrail_format::Formats::new();
    println!("{} files: {:.1} ms", formats.built_in().len(), (cpu_nanos() - start) as f64 / 1e6);
    let start = cpu_nanos();
    let line = "Nov 21 19:36:41 vm sshd[2998]: Accepted password for alice from 127.3.4.5 port 49051 ssh2";
    let found = taffrail_pattern::FieldResolver::fields_of_event(&formats, "syslog", line.as_bytes());
    println!("first event, {} fields: {:.1} ms", found.len(), (cpu_nanos() - start) as f64 / 1e6);
}
