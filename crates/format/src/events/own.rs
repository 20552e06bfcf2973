//! Rules of format files of one's own, through the decoder that inputs use.

use super::*;
use crate::{Decoder, DecoderSettings, Fault, FormatFile};
use taffrail_event::{EventBatch, Origin, Timestamp};

fn file(name: &str, text: &str) -> Arc<FormatFile> {
    FormatFile::read(name, text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn rules(files: &[(&str, &str)]) -> Arc<EventRules> {
    let rules = Arc::<EventRules>::default();
    let files: Vec<Arc<FormatFile>> = files.iter().map(|(name, text)| file(name, text)).collect();
    rules.set(&files, false);
    rules
}

fn decoder(rules: &Arc<EventRules>, sourcetype: &str) -> Decoder {
    let text = |text: &str| -> Arc<str> { text.into() };
    let origin = Origin {
        index: text("main"),
        host: text("here"),
        source: text("test"),
        sourcetype: text(sourcetype),
        transport: text("file"),
        peer: text(""),
    };
    Decoder::new(DecoderSettings { rules: Arc::clone(rules), ..DecoderSettings::new(origin) })
}

type Event = (String, Problems);

/// The events of lines of a sourcetype.
fn decoded(rules: &Arc<EventRules>, sourcetype: &str, text: &str) -> Vec<Event> {
    let mut decoder = decoder(rules, sourcetype);
    let mut batch = EventBatch::new(Timestamp(1_800_000_000_000_000_000));
    let mut breaker = EventBreaker::new();
    breaker.set_rule(decoder.event_rule(), |_| unreachable!("nothing is held"));
    for piece in text.as_bytes().chunks(7) {
        breaker.push(piece, |frame| decoder.decode(&mut batch, frame));
    }
    breaker.finish(|frame| decoder.decode(&mut batch, frame));
    batch.iter().map(|event| (String::from_utf8_lossy(event.raw).into_owned(), event.problems)).collect()
}

fn texts(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(text, _)| text.as_str()).collect()
}

const ORDERS: &str = "summary = 'x'\nsourcetypes = ['orders*']\n[event]\nbegins = ['ORDER \\d+']\n[[rule]]\nregex = 'total=(?<total>\\d+)'\n\
    [[stream]]\ntext = \"ORDER 1\\nlamp\\ntotal=7\\nORDER 2\\n\"\nlines = [3, 1]\n";

#[test]
fn a_file_says_how_events_begin() {
    let rules = rules(&[("orders", ORDERS)]);
    let text = "ORDER 1\nlamp 2026-11-21 21:14:03\ntotal=7\nORDER 2\nORDER of lamps\n  total=9\n";
    let events = decoded(&rules, "orders", text);
    assert_eq!(texts(&events), ["ORDER 1\nlamp 2026-11-21 21:14:03\ntotal=7", "ORDER 2\nORDER of lamps\n  total=9"]);
    assert!(events[0].1 == Problems::INFERRED_TIME, "the time of any line counts: {events:?}");
    assert_eq!(decoded(&rules, "orders_eu", text).len(), 2, "`*` stands for something");
    // Others are cut as ever.
    assert_eq!(decoded(&rules, "shop", text), decoded(&Arc::default(), "shop", text));
    assert_eq!(decoded(&rules, "syslog", "a\nb\n").len(), 2);
}

#[test]
fn a_file_says_how_events_end() {
    let closes = rules(&[("blocks", "summary = 'x'\nsourcetypes = ['blocks']\n[event]\ncloses = ['-+$', '\\r?$']\n")]);
    let events = decoded(&closes, "blocks", "2026-11-21 21:14:03 a\n2026-11-21 21:14:04 b\n---\n\nc\n");
    assert_eq!(texts(&events), ["2026-11-21 21:14:03 a\n2026-11-21 21:14:04 b\n---", "", "c"]);
    assert!(events.iter().all(|(_, problems)| !problems.contains(Problems::MORE_LINES)), "{events:?}");
    let both = rules(&[("blocks", "summary = 'x'\nsourcetypes = ['blocks']\n[event]\nbegins = ['BEGIN']\ncloses = ['END']\n")]);
    assert_eq!(texts(&decoded(&both, "blocks", "BEGIN 1\nx\nEND\nBEGIN 2\nEND\n")), ["BEGIN 1\nx\nEND", "BEGIN 2\nEND"]);
    let brackets = rules(&[("doc", "summary = 'x'\nsourcetypes = ['doc']\n[event]\nbrackets = true\n")]);
    assert_eq!(texts(&decoded(&brackets, "doc", "{\n\"a\": 1\n}\n{\n}\n")), ["{\n\"a\": 1\n}", "{\n}"]);
}

#[test]
fn a_file_goes_before_what_is_built_in() {
    let text = "2026-11-21 21:14:03 a\n\tb\n";
    assert_eq!(decoded(&Arc::default(), "java", text).len(), 1);
    let own = rules(&[("mine", "summary = 'x'\nsourcetypes = ['java']\n[event]\neach_line = true\n")]);
    assert_eq!(decoded(&own, "java", text).len(), 2);
    let syslog = rules(&[("mine", "summary = 'x'\nsourcetypes = ['syslog']\n[event]\nindented = true\n")]);
    let events = decoded(&syslog, "syslog", "Nov 21 21:14:03 web app: x\n\tand more\nNov 21 21:14:04 web app: y\n");
    assert_eq!(texts(&events), ["Nov 21 21:14:03 web app: x\n\tand more", "Nov 21 21:14:04 web app: y"]);
    // Of two files that speak of a sourcetype the first by name counts.
    let indented = "summary = 'x'\nsourcetypes = ['orders']\n[event]\nindented = true\n";
    assert_eq!(decoded(&rules(&[("a", indented), ("b", ORDERS)]), "orders", "ORDER 1\nlamp\n").len(), 2);
}

#[test]
fn a_file_that_changes_is_taken_up_in_the_middle() {
    let rules = rules(&[("orders", ORDERS)]);
    let before = rules.of("orders").expect("there");
    let version = rules.version();
    rules.set(&[file("orders", ORDERS)], false);
    assert_eq!(rules.version(), version, "read again, and the same");
    // Others could not be read: what they said stays.
    rules.set(&[], true);
    assert!(Arc::ptr_eq(&rules.of("orders").expect("there"), &before));
    let mut decoder = decoder(&rules, "orders");
    assert!(!decoder.renew_event_rule());
    rules.set(&[file("orders", &ORDERS.replace("'ORDER", "'(?i)ORDER"))], false);
    assert!(decoder.renew_event_rule() && !decoder.renew_event_rule());
    assert!(!Arc::ptr_eq(decoder.event_rule().expect("there"), &before));
    rules.set(&[], false);
    assert!(decoder.renew_event_rule());
    assert_eq!(decoder.event_rule().map(Arc::as_ptr), Rule::of("text").as_ref().map(Arc::as_ptr));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let wrong = |rest: &str| {
        let text = format!("summary = 'x'\nsourcetypes = ['s']\n{rest}");
        FormatFile::read("own", &text).map(|_| ()).unwrap_err().iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        wrong("[event]\ntime = true\ncontinues = ['at ',\n  'x(']\n"),
        "line 6: [event] continues: \"x(\" is no regular expression (unclosed group); write a `\\` before characters that are meant as they are"
    );
    assert!(wrong("[event]\nbegins = ['.*']\n").starts_with("line 4: [event] begins: \".*\" matches every line; write"));
    assert!(wrong("[event]\nbegins = ['(?:[a-z]{1,1000}){1,1000}']\n").starts_with("line 4: "));
    assert!(wrong("[event]\n").starts_with("line 3: [event] says nothing: write `time = true`"), "{}", wrong("[event]\n"));
    assert!(wrong("[event]\nbegin = ['x']\n").starts_with("line 4: unknown field `begin`"));
    assert!(wrong("[event]\neach_line = true\ntime = true\n").contains("leave it or the other keys out"));
    assert!(wrong("[event]\nbrackets = true\nbegins = ['x']\n").contains("goes by brackets alone"));
    assert!(wrong("apps = ['x']\n[event]\ntime = true\n").contains("without `apps`"));
    assert!(wrong("[[stream]]\ntext = 'x'\nlines = [1]\n").starts_with("line 3: [[stream]] shows what [event] does"));
    assert_eq!(
        wrong("[event]\nindented = true\n[[stream]]\ntext = \"a\\n b\\nc\\n\"\nlines = [1, 2]\n"),
        "line 5: the lines make events of [2, 1] lines, not of [1, 2]"
    );
    let none = FormatFile::read("own", "summary = 'x'\n[event]\ntime = true\n").unwrap_err();
    assert!(
        none[0].to_string().starts_with("line 2: [event] is for the events of `sourcetypes`, and the file names none: write"),
        "{none:?}"
    );
}
