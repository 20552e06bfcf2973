//! Windows Event Forwarding, from outside: sources that speak as Windows does, over TLS with certificates on both sides. The
//! certificates `tls/machines.pem` are those of ws1.example.org to ws48.example.org; all have one key.

mod sldc;
mod source;

use crate::sink::{Disk, Failure, MemorySink, Stored, until};
use crate::streams::tls::file;
use parking_lot::Mutex;
use source::{Source, enveloped, event, utf16};
use std::sync::Arc;
use std::time::Duration;
use taffrail_collect::input::InputSettings;
use taffrail_collect::{InputSnapshot, Running};
use taffrail_event::Problems;
use tokio::runtime::Runtime;

struct Collector {
    sink: Arc<MemorySink>,
    running: Option<Running>,
    runtime: Runtime,
}

fn settings(more: &str) -> InputSettings {
    let text = format!(
        "type = \"wef\"\naddress = \"127.0.0.1:0\"\n{more}\n[tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}",
        file("server.pem"),
        file("server.key"),
        file("machines-ca.pem")
    );
    toml::from_str(&text).unwrap()
}

impl Collector {
    fn start(more: &str) -> Self {
        Self::over(more, MemorySink::new())
    }

    fn over(more: &str, sink: Arc<MemorySink>) -> Self {
        let runtime = Runtime::new().unwrap();
        let running = {
            let _inside = runtime.enter();
            settings(more).build().unwrap().start(sink.context()).unwrap()
        };
        Self { sink, running: Some(running), runtime }
    }

    fn disk(&self) -> Arc<Mutex<Disk>> {
        Arc::clone(&self.sink.disk)
    }

    fn source(&self, number: usize) -> Source {
        Source::connect(self.running.as_ref().unwrap().address.unwrap(), number)
    }

    fn snapshot(&self) -> InputSnapshot {
        self.running.as_ref().unwrap().counters.snapshot()
    }

    fn skipped(&self, reason: &str) -> u64 {
        self.snapshot().skipped.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
    }

    fn stop(mut self) -> (Vec<Stored>, InputSnapshot) {
        let running = self.running.take().unwrap();
        let counters = Arc::clone(&running.counters);
        self.runtime.block_on(running.stop());
        let snapshot = counters.snapshot();
        assert_eq!((snapshot.total().gap(), snapshot.open_connections), (0, 0));
        (self.sink.events(), snapshot)
    }
}

fn events(numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|number| event("System", number, "ws7.example.org")).collect()
}

/// What the collector found out, and what sources have sent.
fn findings(all: Vec<Stored>) -> (Vec<serde_json::Value>, Vec<Stored>) {
    let (told, stored): (Vec<_>, Vec<_>) = all.into_iter().partition(|event| &*event.origin.index == "_audit");
    (told.iter().map(|event| serde_json::from_slice(&event.raw).unwrap()).collect(), stored)
}

#[test]
fn a_source_from_its_first_question_to_its_return() {
    let collector = Collector::start("");
    let disk = collector.disk();
    let mut source = collector.source(7);
    assert_eq!(source.post("/wsman/SubscriptionManager/WEC", "", b"").status, 200, "it asks whether it is let in");
    let subscriptions = source.enumerate();
    let [asked] = &subscriptions[..] else { panic!("one subscription: {subscriptions:?}") };
    assert!(asked.text.contains("<Select Path=\"Security\">*</Select>") && !asked.text.contains("<w:Bookmark>"), "{}", asked.text);
    // SHA-1 of the authority's certificate, by which Windows chooses its own.
    assert!(asked.text.contains(&format!("<auth:Thumbprint Role=\"issuer\">{}</auth:Thumbprint>", source::THUMBPRINT)), "{}", asked.text);
    assert_eq!(source.end(), 204);

    assert!(source.heartbeat(asked).acknowledges(&source));
    until("it was heard", || collector.snapshot().sources.iter().any(|known| known.pulse.last_seen.is_some()));
    assert_eq!((collector.sink.count(), &*collector.snapshot().sources[0].source), (0, "ws7.example.org"));
    for (batch, bookmark) in [(1..=3, 3), (4..=4, 4)] {
        assert!(source.events(asked, &events(batch), bookmark).acknowledges(&source));
    }
    assert_eq!(collector.sink.count(), 4);
    drop(source);
    let (stored, snapshot) = collector.stop();
    assert_eq!((snapshot.total().stored_events, snapshot.total().problem_events, &snapshot.problems[..]), (4, 0, &[][..]));
    assert_eq!(stored[3].text(), event("System", 4, "ws7.example.org"));
    let origin = &stored[0].origin;
    assert_eq!((&*origin.sourcetype, &*origin.source, &*origin.host), ("XmlWinEventLog", "XmlWinEventLog:System", "ws7.example.org"));
    assert_eq!((&*origin.transport, &*origin.peer, &*origin.index), ("wef+tls", "127.0.0.1", "main"));
    // 2026-11-22T10:00:00Z and a number of seconds.
    assert_eq!(stored[2].time.nanos(), 1_795_341_603_000_000_000);

    // After a restart it is given its bookmark. The answer to its last envelope was lost, as far as it knows.
    let collector = Collector::over("", MemorySink::over(&disk));
    let mut source = collector.source(7);
    let again = source.enumerate();
    assert_eq!((&again[0].version, &again[0].id), (&asked.version, &asked.id));
    assert!(again[0].text.contains(
        "<w:Bookmark><BookmarkList><Bookmark Channel=\"System\" RecordId=\"4\" IsCurrent=\"true\"/></BookmarkList></w:Bookmark>"
    ));
    assert!(source.events(asked, &events(4..=6), 6).acknowledges(&source));
    // Another source has a bookmark of its own, which is none yet.
    assert!(!collector.source(8).enumerate()[0].text.contains("<w:Bookmark>"));
    assert_eq!(collector.skipped("repeated"), 1);
    let (stored, _) = collector.stop();
    let numbers: Vec<String> = stored.iter().map(|event| source::between(&event.text(), "<EventRecordID>", "<").to_owned()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn nobody_without_a_certificate() {
    let collector = Collector::start("");
    assert!(Source::stranger(collector.running.as_ref().unwrap().address.unwrap()).is_err());
    until("it is refused", || collector.snapshot().refused_connections == 1);
    assert_eq!(collector.source(1).enumerate().len(), 1);
    let (_, snapshot) = collector.stop();
    assert_eq!(snapshot.refused_connections, 1);
    let wrong =
        |more: &str| toml::from_str::<InputSettings>(&format!("type = \"wef\"\n{more}")).unwrap().build().err().expect(more).to_string();
    assert!(wrong("").contains("certificate"));
    assert!(wrong("[tls]\ncertificate = \"/a\"\nkey = \"/b\"").contains("authority"));
    assert!(settings("").checks_certificates() && settings("").address().is_some());
    let two = "[[subscriptions]]\nname = \"a\"\nchannels = [\"System\"]\n".repeat(2);
    assert!(settings(&two).build().err().unwrap().to_string().contains("two subscriptions"));
}

#[test]
fn nothing_is_acknowledged_that_is_not_durable() {
    let collector = Collector::start("");
    let mut source = collector.source(7);
    let asked = source.enumerate().remove(0);
    *collector.sink.failure.lock() = Failure::Full(1_000_000);
    source.send_events(&asked, &events(1..=2), 2);
    assert!(!source.is_answered_within(Duration::from_millis(300)));
    *collector.sink.failure.lock() = Failure::None;
    assert!(source.answer().acknowledges(&source));
    // A store that fails: the source is told, and sends again.
    *collector.sink.failure.lock() = Failure::Io(0);
    let refused = source.events(&asked, &events(3..=4), 4);
    assert!(refused.status == 500 && refused.text().contains("<s:Value>s:Receiver</s:Value>"), "{}", refused.text());
    assert!(collector.disk().lock().positions.values().all(|value| !String::from_utf8_lossy(value).contains("RecordId=\\\"4\\\"")));
    // One that has stored it and does not know.
    *collector.sink.failure.lock() = Failure::DoneButFailed(0);
    assert_eq!(source.events(&asked, &events(3..=4), 4).status, 500);
    *collector.sink.failure.lock() = Failure::None;
    assert!(source.events(&asked, &events(3..=5), 5).acknowledges(&source));
    // It hangs up before the answer: what it sent is stored and booked.
    *collector.sink.failure.lock() = Failure::Full(4);
    source.send_events(&asked, &events(6..=6), 6);
    until("it is being stored", || *collector.sink.failure.lock() != Failure::Full(4));
    drop(source);
    until("it is stored", || collector.sink.count() == 6);
    assert_eq!((collector.skipped("not_stored"), collector.skipped("repeated")), (2, 2));
    let (stored, snapshot) = collector.stop();
    let texts: Vec<String> = stored.iter().map(Stored::text).collect();
    assert_eq!(texts, events(1..=6));
    assert_eq!(snapshot.total().stored_events, 4, "two were stored without our knowing");
}

#[test]
fn raw_and_rendered_wide_and_narrow_packed_and_not() {
    let collector = Collector::start(
        "[[subscriptions]]\nname = \"texts\"\nquery = '''<QueryList><Query Path=\"System\"><Select>*[System[Level=1]]</Select></Query></QueryList>'''\n\
         content = \"rendered-text\"\nlocale = \"de-DE\"\n[[subscriptions]]\nname = \"other\"\nchannels = [\"A\"]\nsources = [\"ws9.*\"]",
    );
    let mut source = collector.source(7);
    let asked = source.enumerate();
    assert_eq!((asked.len(), collector.source(9).enumerate().len()), (1, 2));
    let asked = &asked[0];
    assert!(asked.text.contains("<w:Option Name=\"ContentFormat\">RenderedText</w:Option>") && asked.text.contains("xml:lang=\"de-DE\""));
    let rendered =
        event("System", 1, "WS7").replace("</Event>", "<RenderingInfo Culture='de-DE'><Message>Grüße 😀</Message></RenderingInfo></Event>");
    let (section, plain) = (format!("<![CDATA[{rendered}]]>"), rendered.replace('&', "&amp;").replace('<', "&lt;"));
    let mut number = 0;
    for inside in [&section, &plain, &rendered] {
        for (kind, wide) in [("UTF-16", true), ("UTF-8", false)] {
            for packed in [false, true] {
                number += 1;
                let inside = inside
                    .replace("<EventRecordID>1<", &format!("<EventRecordID>{number}<"))
                    .replace("ID&gt;1&lt;", &format!("ID&gt;{number}&lt;"));
                let inside = inside.replace("ID>1&lt;", &format!("ID>{number}&lt;"));
                let text = enveloped(
                    "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events",
                    "uuid:1",
                    "WS7",
                    &asked.id,
                    "",
                    &format!("<w:Event>{inside}</w:Event>"),
                );
                let mut body = if wide { utf16(&text) } else { text.into_bytes() };
                let mut headers = format!("Content-Type: application/soap+xml;charset={kind}\r\n");
                if packed {
                    headers.push_str("Content-Encoding: SLDC\r\n");
                    body = sldc::pack(&body);
                }
                let answer = source.post("/wsman/subscriptions/x", &headers, &body);
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert_eq!(answer.head.contains("charset=UTF-16"), wide);
            }
        }
    }
    let (stored, snapshot) = collector.stop();
    let wanted: Vec<String> = (1..=12).map(|number| rendered.replace("<EventRecordID>1<", &format!("<EventRecordID>{number}<"))).collect();
    assert_eq!(stored.iter().map(Stored::text).collect::<Vec<_>>(), wanted);
    assert!(stored.iter().all(|event| event.problems == Problems::NONE) && snapshot.skipped.is_empty(), "{:?}", snapshot.skipped);
}

#[test]
fn who_says_to_be_another_is_kept_and_noted() {
    let collector = Collector::start("");
    let mut source = collector.source(7);
    let asked = source.enumerate().remove(0);
    let mixed = [event("System", 1, "WS7"), event("System", 2, "dc1.example.org"), "no event".into(), String::new()];
    assert!(source.events(&asked, &mixed, 2).acknowledges(&source));
    // Its certificate goes before what it calls itself: another account, and no bookmark of anybody else.
    source.machine = "ws8.example.org".into();
    assert!(!source.enumerate()[0].text.contains("<w:Bookmark>"));
    assert!(source.events(&asked, &[event("System", 1, "ws8.example.org")], 1).acknowledges(&source));
    let (all, snapshot) = collector.stop();
    let (told, stored) = findings(all);
    let said: Vec<_> = told.iter().map(|found| (found["action"].as_str().unwrap(), found["events"].as_u64().unwrap())).collect();
    assert_eq!(said, [("events_foreign", 1), ("events_foreign", 1)]);
    let problems: Vec<Problems> = stored.iter().map(|event| event.problems).collect();
    let none = Problems::NO_TIME.with(Problems::MALFORMED);
    assert_eq!(problems, [Problems::NONE, Problems::OTHER_SENDER, none, none, Problems::OTHER_SENDER]);
    assert_eq!((&*stored[1].origin.host, &*stored[2].origin.host), ("dc1.example.org", "ws7.example.org"));
    assert_eq!(
        snapshot.sources.iter().map(|source| &*source.source).collect::<Vec<_>>(),
        ["ws7.example.org", "ws7.example.org (ws8.example.org)"]
    );
    assert_eq!(
        snapshot.problems.iter().filter(|text| text.contains("and it sends events of dc1.example.org")).count(),
        1,
        "{:?}",
        snapshot.problems
    );
}

#[test]
fn gaps_are_counted_and_cleared_logs_said() {
    let collector = Collector::start(
        "[[subscriptions]]\nname = \"a\"\nquery = '''<QueryList><Query><Select Path=\"System\">*</Select>\
         <Select Path=\"Security\">*[System[EventID=4625]]</Select></Query></QueryList>'''",
    );
    let mut source = collector.source(7);
    let asked = source.enumerate().remove(0);
    let of = |channel: &str, number: u64| event(channel, number, "ws7.example.org");
    assert!(source.events(&asked, &[of("System", 10), of("Security", 10)], 10).acknowledges(&source));
    assert!(source.events(&asked, &[of("System", 15), of("Security", 99)], 15).acknowledges(&source));
    let cleared = of("System", 16).replace("<EventID>7<", "<EventID>104<");
    let cleared = cleared.replace("<EventData/>", "<UserData><LogFileCleared><Channel>Security</Channel></LogFileCleared></UserData>");
    let anew = of("System", 1).replace("T10:00:01", "T11:00:01");
    assert!(source.events(&asked, &[cleared, anew], 1).acknowledges(&source));
    assert_eq!(collector.skipped("missing"), 4);
    let dropped = source.events_with(&asked, "<w:DroppedEvents Action='x'>3</w:DroppedEvents>", "");
    assert!(dropped.acknowledges(&source));
    // Each is an event in the batch that it is about, durable with it, and in no account.
    assert_eq!(collector.disk().lock().appends, 4);
    let (all, snapshot) = collector.stop();
    let (told, stored) = findings(all);
    let kinds: Vec<_> = told.iter().map(|found| (found["action"].as_str().unwrap(), found["events"].as_u64().unwrap())).collect();
    assert_eq!(kinds, [("records_missing", 4), ("log_cleared", 0), ("records_restarted", 0), ("records_missing", 3)]);
    assert!(told.iter().all(|found| found["source"] == "ws7.example.org" && found["input"] == snapshot.name.as_str()));
    assert_eq!((stored.len(), snapshot.total().stored_events), (6, 6));
    for text in [
        "ws7.example.org: 4 records of System are missing between 10 and 15",
        "ws7.example.org: the log Security of ws7.example.org was cleared, as record 16 of System says",
        "ws7.example.org: the records of System begin again: 1 comes behind 16",
        "ws7.example.org: 3 events were too large for it to send",
    ] {
        assert!(snapshot.problems.iter().any(|problem| problem == text), "{text}\n{:?}", snapshot.problems);
    }
    assert_eq!((snapshot.problems.len(), snapshot.skipped), (4, vec![("missing", 7)]));
}

#[test]
fn what_is_asked_for_anew_is_a_new_version() {
    let one = Collector::start("[[subscriptions]]\nname = \"a\"\nchannels = [\"System\"]");
    let disk = one.disk();
    let mut source = one.source(7);
    let first = source.enumerate().remove(0);
    assert!(source.events(&first, &events(1..=1), 1).acknowledges(&source));
    drop(source);
    one.stop();
    let two = Collector::over("[[subscriptions]]\nname = \"a\"\nchannels = [\"System\", \"Security\"]", MemorySink::over(&disk));
    let mut source = two.source(7);
    let second = source.enumerate().remove(0);
    assert!(second.version != first.version && second.text.contains("RecordId=\"1\""), "it goes on where it was");
    assert!(source.events(&first, &events(2..=2), 2).acknowledges(&source), "what it still sends of the old one is kept");
    let gone = source::Asked { id: "00000000-0000-0000-0000-000000000000".into(), ..second };
    assert_eq!(source.events(&gone, &events(3..=3), 3).status, 500);
    assert_eq!(two.skipped("unknown_subscription"), 1);
    let done = source.post("/wsman", "", enveloped("urn:something", "uuid:9", "ws7", "", "", "").as_bytes());
    assert!(done.status == 500 && done.text().contains("ActionNotSupported"));
    assert_eq!(source.post("/elsewhere", "", b"x").status, 404);
    assert_eq!(source.post("/wsman", "Content-Encoding: gzip\r\n", b"x").status, 415);
    let ended = enveloped("http://schemas.xmlsoap.org/ws/2004/08/eventing/SubscriptionEnd", "uuid:9", "ws7", &first.id, "", "");
    assert_eq!(source.post("/wsman", "", ended.as_bytes()).status, 204);
    drop(source);
    let (_, snapshot) = two.stop();
    assert!(snapshot.problems.iter().any(|text| text == "ws7.example.org has ended the subscription a"), "{:?}", snapshot.problems);
}

#[test]
fn forty_eight_sources_at_once() {
    let collector = Collector::start("");
    *collector.sink.delay.lock() = Duration::from_millis(5);
    let address = collector.running.as_ref().unwrap().address.unwrap();
    let sources: Vec<_> = (1..=48)
        .map(|number| {
            std::thread::spawn(move || {
                let mut source = Source::connect(address, number);
                let asked = source.enumerate().remove(0);
                for batch in 0..10 {
                    let numbers = batch * 10 + 1..=batch * 10 + 10;
                    let last = *numbers.end();
                    let machine = source.machine.clone();
                    let events: Vec<String> = numbers.map(|number| event("System", number, &machine)).collect();
                    assert!(source.events(&asked, &events, last).acknowledges(&source));
                }
                assert!(source.heartbeat(&asked).acknowledges(&source));
                let text = source.enumerate().remove(0).text;
                assert!(text.contains("RecordId=\"100\""), "{text}");
            })
        })
        .collect();
    for source in sources {
        source.join().unwrap();
    }
    let (stored, snapshot) = collector.stop();
    assert_eq!((stored.len(), snapshot.sources.len(), snapshot.skipped.len(), snapshot.problems.len()), (4_800, 48, 0, 0));
    assert!(snapshot.sources.iter().all(|source| source.stored_events == 100));
    for number in 1..=48 {
        let machine = format!("ws{number}.example.org");
        let own: Vec<String> = stored.iter().filter(|event| *event.origin.host == *machine).map(Stored::text).collect();
        assert!(own == (1..=100).map(|number| event("System", number, &machine)).collect::<Vec<_>>(), "{machine}");
    }
}

#[test]
fn ten_thousand_malformed_envelopes() {
    let collector = Collector::start("");
    let mut source = collector.source(7);
    let asked = source.enumerate().remove(0);
    let inside: String = events(1..=3).iter().map(|event| format!("<w:Event><![CDATA[{event}]]></w:Event>")).collect();
    let text = enveloped(
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events",
        "uuid:1",
        "ws7.example.org",
        &asked.id,
        &source::bookmark(3),
        &inside,
    );
    let cases =
        [(false, text.clone().into_bytes()), (false, utf16(&text)), (true, sldc::pack(text.as_bytes())), (true, sldc::pack(&utf16(&text)))];
    let mut mutator = crate::mutator::Mutator::new(b"<>&;\"\0\xff\xe0");
    let (mut taken, mut refused) = (0u64, 0u64);
    for number in 0..10_000 {
        let (packed, right) = &cases[number % cases.len()];
        let body = mutator.change(right);
        let answer = source.post("/wsman/subscriptions/x", if *packed { "Content-Encoding: SLDC\r\n" } else { "" }, &body);
        match answer.status {
            200 | 204 => taken += 1,
            400 | 500 => refused += 1,
            other => panic!("{other}: {}", answer.text()),
        }
    }
    // What is no HTTP at all ends its own connection only.
    let mut other = collector.source(8);
    other.write(b"\0\xff\xff no request\r\n\r\n");
    until("it is counted", || collector.skipped("no_http") == 1);
    assert_eq!(source.end(), 204);
    drop((source, other));
    let (stored, snapshot) = collector.stop();
    println!("{taken} envelopes taken, {refused} refused, {} events kept, {:?}", stored.len(), snapshot.skipped);
    let count =
        |reasons: &[&str]| snapshot.skipped.iter().filter(|(reason, _)| reasons.contains(reason)).map(|(_, count)| count).sum::<u64>();
    assert_eq!(count(&["malformed", "not_expanded", "unsupported", "unknown_subscription", "too_large"]), refused);
    let (_, events) = findings(stored);
    assert_eq!(snapshot.total().stored_events, events.len() as u64);
    assert!(taken > 1_000 && refused > 2_000 && events.len() > 1_000);
}

/// What is packed is expanded to what it was: text, noise, runs, and all of it together.
#[test]
fn packed_and_expanded() {
    let mut next = crate::chance::numbers();
    let text = event("System", 1, "ws7.example.org").repeat(12);
    let noise: Vec<u8> = (0..6_000).map(|_| if next().is_multiple_of(7) { 0xff } else { next() as u8 }).collect();
    let all = [text.as_bytes(), &noise, &[0xff; 3_000], &utf16(&text)].concat();
    for bytes in [&b""[..], b"a", text.as_bytes(), &noise, &[0xff; 3_000], &utf16(&text), &all] {
        let packed = sldc::pack(bytes);
        assert!(taffrail_collect::wef::sldc::expand(&packed, bytes.len()).unwrap() == bytes, "{} bytes", bytes.len());
    }
    assert!(sldc::pack(&utf16(&text)).len() < text.len());
}
