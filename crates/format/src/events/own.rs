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

const BILLS: &str = "summary = 'x'\nsourcetypes = ['bills', 'bills_*']\n\
    [detect]\nlines = ['BILL \\d+ ']\n\
    [time]\nafter = 'paid='\nlayout = '%d.%m.%y/%H.%M'\nzone = '+01:00'\n\
    [[sample]]\nline = 'BILL 7 due 2026-11-23 00:00:00 paid=21.11.26/22.14'\ntime = '2026-11-21T21:14:00Z'\nfields = {}\n";

/// Each event with its sourcetype, time and problems.
fn told(decoder: &mut Decoder, lines: &[&str]) -> Vec<(String, String, Problems)> {
    let mut batch = EventBatch::new(Timestamp(1_795_500_000_000_000_000));
    lines.iter().for_each(|line| decoder.decode(&mut batch, Frame { raw: line.as_bytes(), problems: Problems::NONE }));
    batch.iter().map(|event| (event.origin.sourcetype.to_string(), event.time.to_string(), event.problems)).collect()
}

#[test]
fn a_file_says_where_the_time_is_and_which_lines_are_of_its_format() {
    let rules = rules(&[("bills", BILLS)]);
    let mut found_out = decoder(&rules, "");
    found_out.sample(b"BILL 7 due 2026-11-23 00:00:00 paid=21.11.26/22.14\nBILL 8 due 2026-11-23 00:00:00\n");
    assert_eq!(found_out.sourcetype(), "bills");
    let events = told(
        &mut found_out,
        &[
            "BILL 7 due 2026-11-23 00:00:00 paid=21.11.26/22.14",
            "BILL 8 due 2026-11-22 00:00:00 open",
            "BILL 9 due 2026-11-22 00:00:00 paid=21.11.26/22.15",
        ],
    );
    let event = |time: &str| ("bills".to_owned(), time.to_owned(), Problems::INFERRED_TIME);
    // Where it is not, it is looked for as ever; the zone holds for both.
    assert_eq!(events, [event("2026-11-21T21:14:00Z"), event("2026-11-21T23:00:00Z"), event("2026-11-21T21:15:00Z")]);
    // By the first events, where there was no sample; and not by what others write.
    let mut line_by_line = decoder(&rules, "");
    assert_eq!(told(&mut line_by_line, &["BILL 7 paid=21.11.26/22.14"])[0].0, "bills");
    let mut other = decoder(&rules, "");
    other.sample(b"<13>Nov 21 21:14:03 web app: BILL 7 x\n");
    assert_eq!(other.sourcetype(), "syslog");
    // A sourcetype that was set stays, and the time is that of the file where it is one of its own.
    let mut set = decoder(&rules, "bills_eu");
    assert_eq!(
        told(&mut set, &["x paid=21.11.26/22.14"]),
        [("bills_eu".to_owned(), "2026-11-21T21:14:00Z".to_owned(), Problems::INFERRED_TIME)]
    );
    let mut syslog = decoder(&rules, "syslog");
    assert_eq!(told(&mut syslog, &["BILL 7 2026-11-21 09:00:00 paid=21.11.26/22.14"])[0].0, "syslog");
}

#[test]
fn a_source_that_is_being_read_takes_what_a_changed_file_says_of_its_time() {
    let rules = rules(&[]);
    let mut reading = decoder(&rules, "bills");
    let line = "BILL 7 due 2026-11-22 00:00:00 paid=21.11.26/22.14";
    assert_eq!(told(&mut reading, &[line])[0].1, "2026-11-22T00:00:00Z");
    rules.set(&[file("bills", BILLS)], false);
    assert_eq!(told(&mut reading, &[line])[0].1, "2026-11-21T21:14:00Z");
    let version = rules.version();
    rules.set(&[file("bills", BILLS)], false);
    assert_eq!(rules.version(), version, "read again, and the same");
    rules.set(&[file("bills", &BILLS.replace("+01:00", "+02:00").replace("T21:14:00", "T20:14:00"))], false);
    assert_eq!(told(&mut reading, &[line])[0].1, "2026-11-21T20:14:00Z");
    rules.set(&[], false);
    assert_eq!(told(&mut reading, &[line])[0].1, "2026-11-22T00:00:00Z", "and the zone is that of the input");
}

#[test]
fn what_is_wrong_with_time_and_lines_is_said_with_its_place() {
    let wrong = |text: &str| {
        let faults = FormatFile::read("own", text).map(|_| ()).unwrap_err();
        faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(wrong(&BILLS.replace("%d.%m.%y/", "")).starts_with("line 7: [time] layout: "), "{}", wrong(&BILLS.replace("%d.%m.%y/", "")));
    assert!(wrong(&BILLS.replace("+01:00", "Nowhere")).starts_with("line 8: [time] zone: "));
    assert_eq!(
        wrong(&BILLS.replace("T21:14:00", "T21:15:00")),
        "line 9: the time of the sample is 2026-11-21T21:14:00Z, not 2026-11-21T21:15:00Z"
    );
    assert!(wrong(&BILLS.replace("'2026-11-21T21:14:00Z'", "'soon'")).contains("write it as"));
    assert!(
        wrong(&BILLS.replacen("'BILL ", "'BALL ", 1)).starts_with("line 3: [detect] matches no line"),
        "{}",
        wrong(&BILLS.replacen("'BILL ", "'BALL ", 1))
    );
    assert!(wrong(&BILLS.replace("'bills', 'bills_*'", "'bills_*'")).contains("no `*`"));
    assert!(wrong(&BILLS.replace("sourcetypes = ['bills', 'bills_*']", "")).contains("the file names none"));
    assert!(wrong(&BILLS.replace("sourcetypes", "apps = ['x']\nsourcetypes")).contains("without `apps`"));
}

#[test]
fn sources_are_told_among_six_thousand_formats_of_ones_own() {
    let one = |number: usize| {
        let text = format!(
            "summary = 'x'\nsourcetypes = ['vendor{number}']\n[event]\neach_line = true\n[detect]\nlines = ['vendor{number}x: \\w+ ']\n\
             [[stream]]\ntext = 'vendor{number}x: start of unit 7'\nlines = [1]\n"
        );
        file(&format!("vendor{number}"), &text)
    };
    let files: Vec<Arc<FormatFile>> = (0..6_000).map(one).collect();
    let rules = Arc::<EventRules>::default();
    rules.set(&files, false);
    let mut own = decoder(&rules, "");
    own.sample(b"vendor4711x: start of unit 7\nvendor4711x: end of unit 7\n");
    assert_eq!(own.sourcetype(), "vendor4711");
    assert!(own.event_rule().is_none(), "its own rule");
    let mut other = decoder(&rules, "");
    other.sample(b"Nov 21 21:14:03 web sshd[7]: nothing of theirs\n");
    assert_eq!(other.sourcetype(), "syslog");
}
