//! SQL over a real store: the cases of `tests/sql` and of the manual, and answers that have to equal those of the
//! search language.
//!
//! The `input` of a case is events, one JSON object a line: `_time`, `index`, `host`, `source` and `sourcetype` are
//! what they are, `_raw` is the text; without it, the other fields are the text, as JSON. Half of them are in
//! segments, the others still in memory. Rows are sorted unless the statement has an `ORDER BY`.

use super::cases::{Case, NOW, check, check_page, knowledge};
use futures::StreamExt;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{ManualClock, RealVfs, SeededRandomness, SystemClock};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_format::Formats;
use taffrail_query::{Engine, EngineOptions, Knowledge, QueryError, SearchMessage, SearchRequest};
use taffrail_store::{Store, StoreOptions, StoreSettings};

/// A store with events, and its engine.
struct Place {
    engine: Engine,
    _store: Arc<Store>,
    _folder: tempfile::TempDir,
}

fn text<'e>(event: &'e Map<String, Value>, name: &str, otherwise: &'e str) -> &'e str {
    event.get(name).and_then(Value::as_str).unwrap_or(otherwise)
}

fn append(store: &Store, number: usize, event: &Map<String, Value>) {
    let origin = Origin {
        index: text(event, "index", "main").into(),
        host: text(event, "host", "alpha").into(),
        source: text(event, "source", "/var/log/test").into(),
        sourcetype: text(event, "sourcetype", "json").into(),
        transport: "import".into(),
        peer: "".into(),
    };
    let time = match event.get("_time") {
        Some(Value::String(text)) => taffrail_query::language::resolve(text, NOW, &jiff::tz::TimeZone::UTC).expect("a time"),
        _ => Timestamp::from_seconds(1_795_262_000 + number as i64),
    };
    let core = ["_time", "_raw", "index", "host", "source", "sourcetype"];
    let rest: Map<String, Value> =
        event.iter().filter(|(name, _)| !core.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect();
    let raw = event.get("_raw").and_then(Value::as_str).map_or_else(|| Value::Object(rest).to_string(), str::to_owned);
    let mut batch = EventBatch::new(NOW);
    let origin = batch.origin(&origin);
    batch.push(origin, time, Problems::NONE, raw.as_bytes());
    store.append_blocking(batch).expect("it is appended");
}

impl Place {
    fn new(events: &[Map<String, Value>], knowledge: Knowledge) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(StoreOptions {
            dir: folder.path().to_owned(),
            vfs: Arc::new(RealVfs),
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SeededRandomness::new(7)),
            read_only: false,
            settings: StoreSettings { reserve_bytes: 0, ..StoreSettings::default() },
        })
        .expect("a store");
        for (number, event) in events.iter().enumerate() {
            append(&store, number, event);
            if number + 1 == events.len() / 2 {
                store.flush().expect("it is flushed");
            }
        }
        let engine = Engine::new(EngineOptions {
            store: store.clone(),
            formats: Arc::new(Formats::new()),
            clock: Arc::new(ManualClock::at(NOW.nanos())),
            memory_bytes: 64 << 20,
            knowledge,
        });
        Self { engine, _store: store, _folder: folder }
    }

    /// The rows and messages of a statement, or of a search.
    async fn run(&self, sql: bool, request: SearchRequest) -> Result<(Vec<Map<String, Value>>, Vec<String>), QueryError> {
        let mut stream = if sql { self.engine.sql(request).await?.boxed() } else { self.engine.search(request).await?.boxed() };
        let (mut found, mut said) = (Vec::new(), Vec::new());
        while let Some(message) = stream.next().await {
            match message {
                SearchMessage::Rows { rows, .. } => found.extend(rows),
                SearchMessage::Message { severity, text } => said.push(format!("{severity:?}: {text}").to_lowercase()),
                SearchMessage::Error { error } => return Err(error),
                _ => {}
            }
        }
        Ok((found, said))
    }

    async fn lines(&self, sql: bool, query: &str) -> Vec<String> {
        let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
        let (rows, _) = self.run(sql, request).await.unwrap_or_else(|error| panic!("{}", error.render(query)));
        let mut lines: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).expect("JSON")).collect();
        lines.sort();
        lines
    }
}

fn events(lines: &[String]) -> Vec<Map<String, Value>> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

/// The store of a case; cases that follow each other with the same events and definitions share it.
fn place_of(lines: &[String], definitions: &[String], knowledge: impl Fn() -> Knowledge) -> Arc<Place> {
    thread_local! {
        static LAST: std::cell::RefCell<Option<(Vec<String>, Arc<Place>)>> = const { std::cell::RefCell::new(None) };
    }
    let key: Vec<String> = lines.iter().chain(definitions).cloned().collect();
    LAST.with_borrow_mut(|last| match last {
        Some((known, place)) if *known == key => place.clone(),
        _ => {
            let place = Arc::new(Place::new(&events(lines), knowledge()));
            *last = Some((key, place.clone()));
            place
        }
    })
}

fn statements(runtime: &tokio::runtime::Runtime, head: &Case, case: &Case) -> Vec<(String, Vec<String>)> {
    let query = case.section("query").expect("a case has a query").join("\n");
    let lines = case.section("input").or(head.section("input")).unwrap_or_default();
    let place = place_of(lines, case.section("knowledge").or(head.section("knowledge")).unwrap_or_default(), || knowledge(head, case));
    let option = |title: &str| case.section(title).map(|lines| lines.join(" "));
    let request = SearchRequest {
        query: query.clone(),
        earliest: option("earliest"),
        latest: option("latest"),
        limit: option("limit").and_then(|limit| limit.parse().ok()),
        preview: false,
    };
    match runtime.block_on(place.run(true, request)) {
        Err(error) => vec![("error".into(), error.render(&query).lines().map(str::to_owned).collect())],
        Ok((rows, messages)) => {
            let mut rows: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).expect("JSON")).collect();
            if !query.to_uppercase().contains("ORDER BY") {
                rows.sort();
            }
            let mut sections = vec![("output".to_owned(), rows)];
            if !messages.is_empty() {
                sections.push(("messages".into(), messages));
            }
            sections
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_statement_gives_the_rows_beside_it() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join("tests/sql")).expect("tests/sql").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() > 3);
    files.iter().for_each(|path| check(path, statements));
}

#[test]
fn the_examples_of_the_manual_are_true() {
    assert!(check_page(&root().join("docs/manual/sql.md"), statements) > 5);
}

/// Events for answers that are compared: numbers, text, times, and fields that some lack.
fn mixed() -> Vec<Map<String, Value>> {
    let lines: Vec<String> = (0..60)
        .map(|at: i64| {
            let mut event = Map::new();
            event.insert("_time".into(), Value::from(format!("2026-11-21T{:02}:{:02}:00Z", 8 + at / 30, at % 30 * 2)));
            event.insert("host".into(), Value::from(format!("web-{}", at % 3)));
            event.insert("status".into(), Value::from(["200", "404", "500", "0200"][(at % 4) as usize]));
            if at % 5 != 0 {
                event.insert("bytes".into(), Value::from(if at % 7 == 0 { "-".to_owned() } else { (at * 37 % 500).to_string() }));
            }
            if at % 3 != 0 {
                event.insert("user".into(), Value::from(["ann", "Bob", "eve"][(at / 3 % 3) as usize]));
            }
            Value::Object(event).to_string()
        })
        .collect();
    events(&lines)
}

/// Statements, and the searches that ask the same.
const ALIKE: [(&str, &str); 14] = [
    ("SELECT count(*) AS count FROM events", "* | stats count"),
    ("SELECT count(*) AS count FROM events WHERE status = '404'", "status=404 | stats count"),
    ("SELECT host, count(*) AS count FROM events GROUP BY host", "* | stats count BY host"),
    ("SELECT user, count(*) AS count FROM events WHERE user IS NOT NULL GROUP BY user", "* | stats count BY user"),
    ("SELECT host, status, count(*) AS count FROM events GROUP BY host, status", "* | stats count BY host, status"),
    (
        "SELECT sum(bytes) AS s, avg(bytes) AS a, min(bytes) AS low, max(bytes) AS high FROM events",
        "* | where isnum(bytes) | stats sum(bytes) AS s, avg(bytes) AS a, min(bytes) AS low, max(bytes) AS high",
    ),
    ("SELECT user, sum(bytes) AS s FROM events WHERE user IS NOT NULL GROUP BY user", "* | stats sum(bytes) AS s BY user"),
    ("SELECT count(DISTINCT user) AS users FROM events", "* | stats dc(user) AS users"),
    ("SELECT bytes FROM events WHERE bytes > 100 AND bytes <= 400", "bytes>100 bytes<=400 | where isnum(bytes) | table bytes"),
    (
        "SELECT host, user FROM events WHERE user LIKE '%o%' AND host LIKE 'web-%'",
        "* | where like(user, \"%o%\") AND like(host, \"web-%\") | table host, user",
    ),
    (
        "SELECT host FROM events WHERE _time >= '2026-11-21 08:30:00' AND _time < '2026-11-21 09:00:00'",
        "earliest=2026-11-21T08:30:00Z latest=2026-11-21T09:00:00Z | table host",
    ),
    ("SELECT bytes FROM events WHERE bytes IS NOT NULL ORDER BY bytes DESC LIMIT 7", "bytes=* | sort 7 -bytes | table bytes"),
    ("SELECT host, status FROM events ORDER BY _time DESC LIMIT 9", "* | head 9 | table host, status"),
    ("SELECT host, bytes FROM events WHERE search('user=bob OR status=500')", "user=bob OR status=500 | table host, bytes"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_answers_as_the_search_that_asks_the_same() {
    let place = Place::new(&mixed(), Knowledge::none());
    for (statement, search) in ALIKE {
        let found = place.lines(true, statement).await;
        assert!(!found.is_empty(), "{statement}");
        assert_eq!(found, place.lines(false, search).await, "{statement} against {search}");
    }
}

/// A condition: of one field, or made of others.
fn condition() -> impl Strategy<Value = String> {
    let field = || prop::sample::select(vec!["host", "status", "bytes", "user", "nosuch", "_raw"]);
    let text = || prop::sample::select(vec!["200", "404", "0200", "-", "ann", "Bob", "web-1", "web-", "", "9", "100"]);
    let number = || prop::sample::select(vec!["200", "404", "99.5", "0", "-1", "1e2", "37"]);
    let op = || prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let pattern = || prop::sample::select(vec!["%o%", "web-_", "%", "_", "a%", "%-", "%20%", "B_b", "%\"user\"%", ""]);
    let minute = || prop::sample::select(vec!["08:00:00", "08:10:00", "08:58:00", "09:00:00", "09:10:00"]);
    let leaf = prop_oneof![
        (field(), op(), text()).prop_map(|(field, op, text)| format!("{field} {op} '{text}'")),
        (field(), op(), number()).prop_map(|(field, op, number)| format!("{field} {op} {number}")),
        (number(), op(), field()).prop_map(|(number, op, field)| format!("{number} {op} {field}")),
        (field(), text(), text(), any::<bool>()).prop_map(|(f, a, b, n)| format!("{f} {}IN ('{a}', '{b}')", if n { "NOT " } else { "" })),
        (field(), number(), number(), any::<bool>()).prop_map(|(f, a, b, n)| format!("{f} {}IN ({a}, {b})", if n { "NOT " } else { "" })),
        (field(), number(), number(), any::<bool>())
            .prop_map(|(f, a, b, n)| format!("{f} {}BETWEEN {a} AND {b}", if n { "NOT " } else { "" })),
        (field(), pattern(), any::<bool>(), any::<bool>()).prop_map(|(f, p, n, i)| format!(
            "{f} {}{}LIKE '{p}'",
            if n { "NOT " } else { "" },
            if i { "I" } else { "" }
        )),
        (field(), prop::sample::select(vec!["~", "~*", "!~", "!~*"]), prop::sample::select(vec!["^web", "o", "[0-9]{3}", "b$", "a|B"]))
            .prop_map(|(field, op, expression)| format!("{field} {op} '{expression}'")),
        (field(), any::<bool>()).prop_map(|(field, not)| format!("{field} IS {}NULL", if not { "NOT " } else { "" })),
        (op(), minute()).prop_map(|(op, time)| format!("_time {op} '2026-11-21 {time}'")),
        (field(), field(), op()).prop_map(|(a, b, op)| format!("{a} {op} {b}")),
        prop::sample::select(vec!["search('user=bob')", "search('status>=400')", "search('ann OR 404')"]).prop_map(str::to_owned),
        (field(), text()).prop_map(|(field, text)| format!("starts_with({field}, '{text}')")),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

#[test]
fn what_the_store_decides_is_what_the_rows_say() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let place = Place::new(&mixed(), Knowledge::none());
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&condition(), |condition| {
        let ask = |query: String| {
            let request = SearchRequest { query: query.clone(), ..SearchRequest::default() };
            runtime.block_on(place.run(true, request)).unwrap_or_else(|error| panic!("{}", error.render(&query))).0
        };
        let told = ask(format!("SELECT _sequence AS n, ({condition}) AS c FROM events"));
        prop_assert_eq!(told.len(), 60);
        let mut expected: Vec<i64> =
            told.iter().filter(|row| row.get("c") == Some(&Value::Bool(true))).filter_map(|row| row["n"].as_i64()).collect();
        let mut found: Vec<i64> =
            ask(format!("SELECT _sequence AS n FROM events WHERE {condition}")).iter().filter_map(|row| row["n"].as_i64()).collect();
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(&found, &expected, "WHERE {}", &condition);
        let counted = ask(format!("SELECT count(*) AS n FROM events WHERE {condition}"));
        prop_assert_eq!(counted[0]["n"].as_u64(), Some(expected.len() as u64), "count WHERE {}", &condition);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
