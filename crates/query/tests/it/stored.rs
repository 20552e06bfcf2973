//! Searches over a real store: rows, messages, fast ways, summaries and following.

use futures::StreamExt;
use std::path::Path;
use std::sync::Arc;
use taffrail_base::{ManualClock, RealVfs, SeededRandomness, SystemClock};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_format::Formats;
use taffrail_query::{Engine, EngineOptions, Knowledge, SearchMessage, SearchRequest, StepLimits, Update};
use taffrail_store::{Store, StoreOptions, StoreSettings};

/// A store in a folder, with an engine over it.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub store: Arc<Store>,
    pub engine: Engine,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(options(folder.path())).expect("a store");
        let engine = engine_over(&store, 64 << 20, Knowledge::folder(Arc::new(RealVfs), folder.path().join("knowledge")));
        Self { folder, store, engine }
    }

    /// An engine over the same store whose searches may use so much memory.
    pub fn engine_of(&self, memory_bytes: usize) -> Engine {
        engine_over(&self.store, memory_bytes, Knowledge::none())
    }

    /// Writes a definition.
    pub fn define(&self, path: &str, text: &str) {
        let path = self.folder.path().join("knowledge").join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Appends lines, a second apart from `start`.
    pub fn append(&self, index: &str, sourcetype: &str, start: i64, lines: &[&str]) {
        let origin = Origin {
            index: index.into(),
            host: "alpha".into(),
            source: "/var/log/test".into(),
            sourcetype: sourcetype.into(),
            transport: "import".into(),
            peer: "".into(),
        };
        let mut batch = EventBatch::new(super::cases::NOW);
        let number = batch.origin(&origin);
        for (at, line) in lines.iter().enumerate() {
            batch.push(number, Timestamp::from_seconds(start + at as i64), Problems::NONE, line.as_bytes());
        }
        self.store.append_blocking(batch).expect("it is appended");
    }

    pub async fn messages(&self, query: &str, limit: Option<u64>) -> Vec<SearchMessage> {
        let request = SearchRequest { query: query.to_owned(), limit, ..SearchRequest::default() };
        let stream = self.engine.search(request).await.unwrap_or_else(|error| panic!("{}", error.render(query)));
        stream.collect().await
    }

    /// How many events a search matched, by its last message.
    pub async fn matched(&self, query: &str) -> u64 {
        match self.messages(query, None).await.pop() {
            Some(SearchMessage::Done { matched, .. }) => matched,
            other => panic!("it ended with {other:?}"),
        }
    }

    /// The rows of a search as JSON text.
    pub async fn rows(&self, query: &str, limit: Option<u64>) -> Vec<String> {
        let mut out = Vec::new();
        let mut done = false;
        for message in self.messages(query, limit).await {
            match message {
                SearchMessage::Rows { preview: false, rows, offset } => {
                    assert_eq!(offset as usize, out.len(), "offsets follow each other");
                    out.extend(rows.iter().map(|row| serde_json::to_string(row).expect("JSON")));
                }
                SearchMessage::Error { error } => panic!("{}", error.render(query)),
                SearchMessage::Done { rows, .. } => {
                    assert_eq!(rows as usize, out.len());
                    done = true;
                }
                _ => {}
            }
        }
        assert!(done, "{query}: the last message is `done`");
        out
    }
}

fn engine_over(store: &Arc<Store>, memory_bytes: usize, knowledge: Knowledge) -> Engine {
    Engine::new(EngineOptions {
        store: store.clone(),
        formats: Arc::new(Formats::new()),
        clock: Arc::new(ManualClock::at(super::cases::NOW.nanos())),
        memory_bytes,
        knowledge,
    })
}

fn options(dir: &Path) -> StoreOptions {
    StoreOptions {
        dir: dir.to_owned(),
        vfs: Arc::new(RealVfs),
        clock: Arc::new(SystemClock::new()),
        random: Arc::new(SeededRandomness::new(7)),
        read_only: false,
        settings: StoreSettings { reserve_bytes: 0, ..StoreSettings::default() },
    }
}

const AUTH: [&str; 5] = [
    "Nov 21 11:00:00 alpha sshd[101]: pam_unix(sshd:session): session opened for user root by (uid=0)",
    "Nov 21 11:00:01 alpha sshd[102]: Failed password for invalid user guest from 10.0.0.7 port 4022 ssh2",
    "Nov 21 11:00:02 alpha sshd[103]: pam_unix(sshd:session): session opened for user alice by (uid=0)",
    "Nov 21 11:00:03 alpha sshd[104]: pam_unix(sshd:session): session closed for user root",
    "Nov 21 11:00:04 alpha sshd[105]: pam_unix(sshd:session): session opened for user root by (uid=0)",
];

fn place() -> Place {
    let place = Place::new();
    place.append("main", "syslog", 1_795_258_800, &AUTH[..3]);
    place.store.flush().expect("it is flushed");
    place.append("main", "syslog", 1_795_258_803, &AUTH[3..]);
    place.append("_audit", "json", 1_795_258_900, &["{\"action\":\"search\",\"user\":\"root\"}"]);
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_query_of_the_first_issue_works_as_typed() {
    let place = place();
    let rows = place.rows("session AND opened AND user AND root", None).await;
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert!(rows[0].contains("sshd[105]") && rows[1].contains("sshd[101]"), "newest first: {rows:#?}");
    assert!(rows[0].contains("\"_time\":\"2026-11-21T11:00:04Z\""), "{}", rows[0]);
    assert!(rows[0].contains("\"index\":\"main\"") && rows[0].contains("\"sourcetype\":\"syslog\""), "{}", rows[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_order_and_limits() {
    let place = place();
    assert_eq!(place.rows("session | stats count", None).await, [r#"{"count":4}"#]);
    assert_eq!(place.rows("session | stats count AS n", None).await, [r#"{"n":4}"#]);
    assert_eq!(place.rows("* | stats count BY host", None).await, [r#"{"host":"alpha","count":5}"#]);
    let first = place.rows("* | head 1 | table _raw", None).await;
    assert_eq!(first, [format!("{{\"_raw\":\"{}\"}}", AUTH[4])]);
    let last = place.rows("* | tail 1 | table _raw", None).await;
    assert_eq!(last, [format!("{{\"_raw\":\"{}\"}}", AUTH[0])]);
    let oldest: Vec<_> = place.rows("* | reverse | table _time", None).await;
    assert_eq!(oldest.first().map(String::as_str), Some(r#"{"_time":"2026-11-21T11:00:00Z"}"#));
    assert_eq!(place.rows("* | table _time", Some(2)).await.len(), 2);
    assert_eq!(place.rows("index=_audit | stats count", None).await, [r#"{"count":1}"#]);
    assert_eq!(place.rows("index=_audit | table action, user", None).await, [r#"{"action":"search","user":"root"}"#]);
    assert_eq!(place.rows("earliest=1795258802 latest=1795258804 * | stats count", None).await, [r#"{"count":2}"#]);
    assert_eq!(place.rows("_index_latest=1 * | stats count", None).await, [r#"{"count":0}"#]);
    assert_eq!(place.rows("nowhere | stats count BY host", None).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quick_ways_give_what_the_slow_ones_give() {
    let place = place();
    for search in ["*", "session", "session OR guest", "NOT session", "user=root", "host=alpha closed", "index=*", "nothing"] {
        let quick = place.rows(&format!("{search} | stats count"), None).await;
        let slow = place.rows(&format!("{search} | eval one=1 | stats count(one) AS count"), None).await;
        assert_eq!(quick, slow, "{search}");
        let quick = place.rows(&format!("{search} | timechart span=2s count"), None).await;
        let slow = place.rows(&format!("{search} | eval one=1 | timechart span=2s count(one) AS count"), None).await;
        assert_eq!(quick, slow, "{search}");
        for (fields, before) in [
            ("host", ""),
            ("user, host", ""),
            ("user", ""),
            ("pid", ""),
            ("who", r#"| rex "for user (?<who>\w+)" "#),
            ("who", r#"| rex "for user (?<who>\S+) by" "#),
            ("who", r#"| rex "user (?<who>[^ ]+)" "#),
            ("user", r#"| rex "for user (?<user>\w+)" "#),
            ("id, source", r#"| rex "\[(?<id>[0-9]+)\]" "#),
        ] {
            for count in [format!("stats count BY {fields}"), format!("top showperc=false limit=0 {fields}"), format!("rare {fields}")] {
                let quick = place.rows(&format!("{search} {before}| {count}"), None).await;
                let slow = place.rows(&format!("{search} {before}| eval one=1 | {count}"), None).await;
                assert_eq!(quick, slow, "{search} {before}| {count}");
            }
        }
        for regex in ["session .* user (root|guest)", "^.{40}", "[a-m]+=", "(?i)ROOT$"] {
            let quick = place.rows(&format!("{search} | where match(_raw, \"{regex}\") | stats count"), None).await;
            let both = place.rows(&format!("{search} | where match(_raw, \"{regex}\") AND len(_raw)>0 | stats count"), None).await;
            let slow = place.rows(&format!("{search} | eval one=1 | where match(_raw, \"{regex}\") | stats count"), None).await;
            assert_eq!((&quick, &both), (&slow, &slow), "{search} {regex}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_found_in_few_events_are_those_found_in_all() {
    let place = place();
    // With a limit fields are read from each event; without, the store is asked for them.
    let few = place.rows("*", Some(100)).await;
    let all = place.rows("*", None).await;
    let parse = |rows: &[String]| rows.iter().map(|row| serde_json::from_str::<serde_json::Value>(row).expect("JSON")).collect::<Vec<_>>();
    assert_eq!(parse(&few), parse(&all));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_in_order_and_say_what_was_cut() {
    let place = place();
    let messages = place.messages("*", Some(3)).await;
    assert!(matches!(messages.iter().find(|m| !matches!(m, SearchMessage::Progress { .. })), Some(SearchMessage::Start { .. })));
    let Some(SearchMessage::Done { rows, truncated, exact, .. }) = messages.last() else { panic!("{messages:#?}") };
    assert_eq!((*rows, *truncated, *exact), (3, true, true));
    let messages = place.messages("*", Some(5)).await;
    let Some(SearchMessage::Done { rows, truncated, .. }) = messages.last() else { panic!("{messages:#?}") };
    assert_eq!((*rows, *truncated), (5, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_bytes_come_back_as_they_were() {
    let place = Place::new();
    let origin_lines: Vec<Vec<u8>> =
        vec![b"plain line".to_vec(), vec![0xff, 0xfe, 0, b'x'], "späte Zeile".into(), Vec::from(&b"tab\there"[..])];
    let mut batch = EventBatch::new(super::cases::NOW);
    let origin = Origin {
        index: "main".into(),
        host: "h".into(),
        source: "s".into(),
        sourcetype: "t".into(),
        transport: "http".into(),
        peer: "".into(),
    };
    let number = batch.origin(&origin);
    for (at, line) in origin_lines.iter().enumerate() {
        batch.push(number, Timestamp::from_seconds(at as i64), Problems::NONE, line);
    }
    place.store.append_blocking(batch).expect("it is appended");
    let request = SearchRequest { query: "* | reverse".into(), ..SearchRequest::default() };
    let updates: Vec<Update> = place.engine.updates(request, true).await.expect("a search").collect().await;
    let mut lines = Vec::new();
    for update in &updates {
        let Update::Rows(_, batch) = update else { continue };
        let column = batch.column_by_name("_raw_bytes").expect("the column");
        let column = column.as_any().downcast_ref::<arrow::array::BinaryArray>().expect("bytes");
        lines.extend(column.iter().flatten().map(<[u8]>::to_vec));
    }
    assert_eq!(lines, origin_lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timeline_fields_and_patterns() {
    let place = place();
    let timeline = place.engine.timeline("session", None, None, 10).await.expect("a timeline");
    assert_eq!(timeline.total, 4);
    assert_eq!(timeline.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 4);
    let filtered = place.engine.timeline("* | where like(_raw, \"%root%\") | stats count", None, None, 10).await.expect("a timeline");
    assert_eq!(filtered.total, 3);
    let fields = place.engine.fields("session", None, None).await.expect("fields");
    assert_eq!((fields.events, fields.complete), (4, true));
    let host = fields.fields.iter().find(|field| field.name == "host").expect("host");
    assert_eq!((host.count, host.distinct, host.top[0].value.as_str()), (4, 1, "alpha"));
    let patterns = place.engine.patterns("session", None, None).await.expect("patterns");
    assert_eq!(patterns.events, 4);
    assert_eq!(patterns.patterns.iter().map(|pattern| pattern.count).sum::<u64>(), 4);
    let error = place.engine.patterns("* | where a=1", None, None).await.expect_err("it cannot");
    assert!(error.message.contains("where"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_gives_what_arrives_and_only_that() {
    let place = place();
    let error = match place.engine.tail("* | stats count").await {
        Err(error) => error,
        Ok(_) => panic!("stats cannot follow"),
    };
    assert!(error.message.starts_with("stats"), "{error}");
    let rows = place.engine.tail("opened | eval marked=upper(host) | fields marked").await.expect("it follows");
    let mut rows = Box::pin(rows);
    let feed = async {
        for number in 0..3 {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            let line = format!("session opened number={number}");
            place.append("main", "syslog", 1_795_262_000 + number, &["something else", &line]);
        }
    };
    let read = async {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(rows.next().await.expect("it goes on").expect("a row"));
        }
        seen
    };
    let (seen, ()) = futures::join!(read, feed);
    for (number, row) in seen.iter().enumerate() {
        assert_eq!(row["marked"], "ALPHA");
        assert!(row["_raw"].as_str().expect("text").ends_with(&format!("number={number}")), "{row:?}");
    }
}

const WIDE: StepLimits = StepLimits { events: 1_000, bytes: 1 << 20, arrivals: 1_000_000 };

/// Follows to the end from a place; gives the lines in the order that they came, and the last place.
async fn followed(place: &Place, query: &str, from: &taffrail_query::Place, most: usize) -> (Vec<String>, taffrail_query::Place, u64) {
    let (mut lines, mut at, mut gone, mut turn) = (Vec::new(), from.clone(), 0, String::new());
    let limits = StepLimits { events: most, ..WIDE };
    loop {
        let step = place.engine.follow(query, &at, &turn, limits).await.expect("it follows");
        assert!(step.events.len() <= most && step.events.len() == step.numbers.1.len());
        assert!(step.numbers.1.is_sorted(), "{:?}", step.numbers);
        gone += step.gone;
        (at, turn) = (step.next, step.turn);
        if step.events.is_empty() {
            assert_eq!(step.behind, 0);
            return (lines, at, gone);
        }
        lines.extend(step.events.iter().map(|event| String::from_utf8_lossy(event.raw).into_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_everything_once_in_the_order_of_arrival() {
    let place = Place::new();
    let mut wanted = Vec::new();
    for part in 0..7 {
        // Later parts have earlier times: it is the arrival that counts.
        let lines: Vec<String> = (0..50).map(|at| format!("number={} kind={}", part * 50 + at, ["odd", "even"][at % 2])).collect();
        place.append("main", "any", 1_795_262_000 - part as i64 * 1_000, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        wanted.extend(lines);
        if part % 3 == 1 {
            place.store.flush().expect("it is written");
        }
    }
    let even: Vec<String> = wanted.iter().filter(|line| line.ends_with("even")).cloned().collect();
    let none = taffrail_query::Place::new();
    for most in [1, 7, 1_000] {
        assert_eq!(followed(&place, "kind=even", &none, most).await.0, even, "{most} at a time");
    }
    assert_eq!(followed(&place, "* | where number < 5 | eval x=1", &none, 3).await.0, wanted[..5]);
    let (_, end, _) = followed(&place, "nothing", &none, 10).await;
    assert_eq!(end, place.engine.newest_place());
    place.append("main", "any", 1_795_262_000, &["number=1000 kind=even"]);
    place.append("other", "any", 1_795_262_000, &["number=1001 kind=even"]);
    let (mut fresh, _, gone) = followed(&place, "index=* kind=even", &end, 10).await;
    fresh.sort();
    assert_eq!((fresh, gone), (vec!["number=1000 kind=even".to_owned(), "number=1001 kind=even".to_owned()], 0));
    // What was removed meanwhile is counted.
    place.store.flush().expect("it is written");
    let removed = place.store.delete("main", Timestamp::from_seconds(1_795_261_999), false).expect("it is removed");
    let before: taffrail_query::Place = [("main".to_owned(), 3)].into();
    let (_, _, gone) = followed(&place, "kind=even", &before, 10).await;
    assert_eq!((gone, removed.events), (150, 150));
    for refused in ["* | stats count", "* | table host", "* | head 3", "host=[search x | fields host]", "| makeresults"] {
        assert!(place.engine.can_follow(refused).is_err(), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_a_follower_are_bounded_and_each_index_has_its_turn() {
    let place = Place::new();
    for part in 0..5 {
        for index in ["busy", "quiet"] {
            let lines: Vec<String> = (0..20).map(|at| format!("number={} of={index} {}", part * 20 + at, "x".repeat(100))).collect();
            place.append(index, "any", 1_795_262_000, &lines.iter().map(String::as_str).collect::<Vec<_>>());
            place.store.flush().expect("it is written");
        }
    }
    let none = taffrail_query::Place::new();
    // Not more bytes than are asked for, but one event at least.
    for (bytes, events) in [(1_000, 8), (1, 1)] {
        let step = place.engine.follow("index=*", &none, "", StepLimits { bytes, ..WIDE }).await.expect("it follows");
        assert_eq!((step.events.len(), step.next["busy"], step.behind), (events, events as u64 + 1, 200 - events as u64));
    }
    // One that finds something each time keeps the other waiting for one step.
    let (mut at, mut turn, mut turns) = (none.clone(), String::new(), Vec::new());
    for _ in 0..6 {
        let step = place.engine.follow("index=*", &at, &turn, StepLimits { events: 10, ..WIDE }).await.expect("it follows");
        assert_eq!((step.events.len(), &step.numbers.0), (10, &step.turn));
        turns.push(step.turn.clone());
        (at, turn) = (step.next, step.turn);
    }
    assert_eq!(turns, ["busy", "quiet", "busy", "quiet", "busy", "quiet"]);
    // What holds nothing is gone over in steps, each of which gives a place behind it: nothing of it is looked at again.
    let (mut at, mut turn, mut behind) = (none, String::new(), vec![]);
    loop {
        let step = place.engine.follow("index=* nothing", &at, &turn, StepLimits { arrivals: 1, ..WIDE }).await.expect("it follows");
        assert!(step.events.is_empty() && step.next.values().sum::<u64>() > at.values().sum::<u64>(), "{step:?}");
        behind.push(step.behind);
        (at, turn) = (step.next, step.turn);
        if step.behind == 0 {
            break;
        }
    }
    assert_eq!((at, behind), (place.engine.newest_place(), vec![100, 0]));
}

/// In syslog `severity` is a name; its number is a field of its own, and who compares the name with a number is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn severities_by_number() {
    let place = Place::new();
    let lines: Vec<String> = (0..24).map(|at| format!("<{}>Mar  1 00:00:0{} fw-1 kernel: rule {at} dropped", 128 + at, at % 8)).collect();
    let all: Vec<&str> = lines.iter().map(String::as_str).collect();
    place.append("main", "syslog", 1_795_262_000, &all[..12]);
    place.store.flush().expect("it is written");
    place.append("main", "syslog", 1_795_262_000, &all[12..]);
    let told = async |query: &str| {
        let (mut count, mut hint) = (None, None);
        for message in place.messages(&format!("{query} | stats count"), None).await {
            match message {
                SearchMessage::Rows { rows, .. } => count = rows[0]["count"].as_f64(),
                SearchMessage::Message { text, .. } => hint = Some(text),
                _ => {}
            }
        }
        (count.expect("is a number"), hint)
    };
    for query in ["severity IN (emerg, alert, crit)", "severity_id<=2", "* | where severity_id<=2", "NOT severity_id>2"] {
        assert_eq!(told(query).await, (9.0, None), "{query}");
    }
    let (count, hint) = told("severity<=2").await;
    let hint = hint.expect("it is told");
    assert!(count == 0.0 && hint.contains("severity_id<=2 goes by its number"), "{count}: {hint}");
    assert!(place.engine.can_follow("rule severity<=2").expect("can be followed")[0].text.contains("severity_id<=2"));
    assert!(place.engine.can_follow("severity_id<=2").expect("can be followed").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sorts_and_groups_beyond_memory_spill_or_say_so() {
    let place = Place::new();
    let lines: Vec<String> = (0..60_000).map(|at| format!("key={} text={}", (at * 7919) % 60_000, "x".repeat(400))).collect();
    for part in lines.chunks(10_000) {
        place.append("main", "any", 1_795_000_000, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let small = place.engine_of(24 << 20);
    let request = SearchRequest { query: "* | fields key, _raw | sort 0 key | head 3 | table key".into(), ..SearchRequest::default() };
    let messages: Vec<SearchMessage> = small.search(request).await.expect("a search").collect().await;
    let rows: Vec<_> =
        messages.iter().filter_map(|m| if let SearchMessage::Rows { rows, .. } = m { Some(rows) } else { None }).flatten().collect();
    let keys: Vec<&str> = rows.iter().filter_map(|row| row["key"].as_str()).collect();
    assert_eq!(keys, ["0", "1", "2"], "{messages:?}");
    assert!(place.folder.path().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_of_groups_beyond_memory_are_attached_all_the_same() {
    let place = Place::new();
    let lines: Vec<String> = (0..40_000).map(|at| format!("key={} text={}", (at * 7919) % 40_000, "x".repeat(400))).collect();
    for part in lines.chunks(10_000) {
        place.append("main", "any", 1_795_000_000, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let small = place.engine_of(48 << 20);
    for (query, expected) in [
        (
            "* | fields key, _raw | eventstats count AS c, last(key) AS k BY _raw | eval same=if(k=key, 1, 0) | stats sum(c) AS c, sum(same) AS same",
            [("c", 40_000), ("same", 40_000)],
        ),
        ("* | eval took=0 | concurrency duration=took | stats count AS c, max(concurrency) AS most", [("c", 40_000), ("most", 1)]),
    ] {
        let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
        let messages: Vec<SearchMessage> = small.search(request).await.expect("a search").collect().await;
        let rows: Vec<_> =
            messages.iter().filter_map(|m| if let SearchMessage::Rows { rows, .. } = m { Some(rows) } else { None }).flatten().collect();
        for (name, number) in expected {
            assert_eq!(rows.first().and_then(|row| row[name].as_i64()), Some(number), "{query}: {messages:?}");
        }
    }
}

#[test]
fn the_editor_is_told_what_is_wrong_and_what_there_is() {
    let place = Place::new();
    let check = place.engine.check("error | stats cuont BY host");
    assert!(!check.tokens.is_empty());
    let error = check.error.expect("an error");
    assert_eq!(error.suggestions, ["count"]);
    let span = error.span.expect("a place");
    assert_eq!(&"error | stats cuont BY host"[span.start..span.end], "cuont");
    assert!(place.engine.check("error | stats count BY host").error.is_none());
    let language = place.engine.language();
    assert_eq!(language.commands.len(), taffrail_query::commands::COMMANDS.len());
    assert!(language.functions.iter().any(|f| f.name == "avg" && f.kind.as_deref() == Some("stats")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_counted_once_however_often_the_store_is_asked() {
    let place = Place::new();
    let lines: Vec<String> = (0..40).map(|at| format!("GET /page{} took={}ms user=u{} tail", at % 7, at, at % 3)).collect();
    for part in lines.chunks(10) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        place.append("main", "web", 1_795_000_000, &part);
        place.store.flush().expect("a segment");
    }
    // Asked for counts and spans; counts of two fields; sums of numbers; sums that only rows can tell; rows.
    for query in [
        "user=* | timechart span=1h count BY user",
        "user=* | stats count BY user, host",
        "user=* | stats sum(took) BY user",
        "user=* | rex \"/page(?<page>[0-6]) took=(?<took>\\d+)\" | stats sum(took) BY page",
        "user=* | eval late=if(user=\"u1\",1,0) | stats sum(late) BY user",
        "user=* | table user",
    ] {
        assert_eq!(place.matched(query).await, 40, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_without_events_still_has_their_columns() {
    let place = place();
    assert!(place.rows("nowhere=1 | head 39 | transaction user", None).await.is_empty());
}
