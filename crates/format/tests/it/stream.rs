//! Bytes in, events out: detection, hosts, origins.

use crate::{NOW, decoder};
use taffrail_event::{EventBatch, Problems};
use taffrail_format::{Frame, LineBreaker, detect};

/// Each event as `sourcetype host time problems`.
fn events(stream: &str) -> Vec<String> {
    let mut decoder = decoder("");
    let mut batch = EventBatch::new(NOW);
    let mut breaker = LineBreaker::new();
    breaker.push(stream.as_bytes(), |frame| decoder.decode(&mut batch, frame));
    breaker.finish(|frame| decoder.decode(&mut batch, frame));
    batch
        .iter()
        .map(|e| {
            let problems: Vec<_> = e.problems.names().collect();
            format!("{} {} {} {}", e.origin.sourcetype, e.origin.host, e.time, problems.join(","))
        })
        .collect()
}

#[test]
fn each_format() {
    assert_eq!(
        events("Nov 21 21:14:03 web sshd[1]: x\nNov 21 21:14:04 db cron[1]: x\nrest of it\n"),
        [
            "syslog web 2026-11-21T21:14:03Z inferred_time",
            "syslog db 2026-11-21T21:14:04Z inferred_time",
            "syslog here 2026-11-21T21:30:00Z no_time",
        ]
    );
    assert_eq!(
        events("<165>1 2026-11-21T21:14:03.003Z web app 7 ID - hi\n<13>1 - - - - - - hi\n<999>x\n"),
        [
            "syslog web 2026-11-21T21:14:03.003Z ",
            "syslog here 2026-11-21T21:30:00Z no_time",
            "syslog here 2026-11-21T21:30:00Z no_time,malformed"
        ]
    );
    assert_eq!(
        events(
            "{\"a\":{\"time\":\"x\"},\"ts\":1700000000.5}\n{\"ts\":0,\"@timestamp\":\"2026-11-21T21:14:03+01:00\",\"x\":[1,\"}\"]}\n{\"time\":1700000000123}\n{broken\n"
        ),
        [
            "json here 2023-11-14T22:13:20.500Z ",
            "json here 2026-11-21T20:14:03Z ",
            "json here 2023-11-14T22:13:20.123Z ",
            "json here 2026-11-21T21:30:00Z no_time,malformed",
        ]
    );
    assert_eq!(
        events("1.2.3.4 - - [21/Nov/2026:19:31:31 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl\"\n"),
        ["access_combined here 2026-11-21T19:31:31Z "]
    );
    assert_eq!(events("v.x:80 1.2.3.4 - - [21/Nov/2026:19:31:31 +0100] \"GET /\" 200 -\n"), ["access_common here 2026-11-21T18:31:31Z "]);
    assert_eq!(events("2026-11-21 19:32:18.668 UTC [1] LOG:  x\n"), ["text here 2026-11-21T19:32:18.668Z "]);
    assert_eq!(events("# header\nNov 21 21:14:03 web app: x\n")[1], "syslog web 2026-11-21T21:14:03Z inferred_time");
}

#[test]
fn detection_takes_the_majority() {
    assert_eq!(detect(b""), "text");
    assert_eq!(detect(b"{\"a\":1}\n{\"a\":2}\nx\n"), "json");
    assert_eq!(detect(b"one\ntwo\n{\"a\":2}\n"), "text");
    assert_eq!(detect(b"<13>x\n<14>y"), "syslog");
    assert_eq!(detect(b"<html>\n<body>"), "text");
}

#[test]
fn hosts_are_interned_across_batches() {
    let mut decoder = decoder("syslog");
    for round in 0..3 {
        let mut batch = EventBatch::new(NOW);
        for n in 0..300 {
            let line = format!("<13>Nov 21 21:14:03 host{} app: x", (n + round) % 7);
            decoder.decode(&mut batch, Frame { raw: line.as_bytes(), problems: Problems::NONE });
        }
        assert_eq!(batch.origins().len(), 7);
        assert_eq!(&*batch.event(0).origin.host, format!("host{round}"));
    }
}

#[test]
fn parts_of_a_long_line_have_the_time_and_host_of_its_beginning() {
    let mut decoder = decoder("syslog");
    let mut batch = EventBatch::new(NOW);
    decoder.decode(&mut batch, Frame { raw: b"Nov 21 21:14:03 web app: begin", problems: Problems::NONE });
    decoder.decode(&mut batch, Frame { raw: b"2001-01-01 00:00:00 end", problems: Problems::CONTINUED });
    decoder.decode(&mut batch, Frame { raw: b"no time", problems: Problems::NONE });
    decoder.decode(&mut batch, Frame { raw: b"x", problems: Problems::CONTINUED });
    let part = batch.event(1);
    assert_eq!((part.time, &*part.origin.host), (batch.event(0).time, "web"));
    assert_eq!(part.problems, Problems::CONTINUED.with(Problems::INFERRED_TIME));
    assert_eq!((batch.event(3).time, &*batch.event(3).origin.host), (NOW, "here"));
    assert_eq!(batch.event(3).problems, Problems::CONTINUED.with(Problems::NO_TIME));
}

#[test]
fn a_sample_decides_for_good() {
    let mut decoder = decoder("");
    decoder.sample(&b"2026-11-21 21:14:03 some line\n".repeat(12));
    assert!(decoder.is_decided());
    let mut batch = EventBatch::new(NOW);
    decoder.decode(&mut batch, Frame { raw: b"{\"a\":1}", problems: Problems::NONE });
    assert_eq!(&*batch.event(0).origin.sourcetype, "text");
}
