//! Searches within searches over a real store: what is read, what is refused, and what does not fit into memory.

use super::stored::Place;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use taffrail_query::engine::over;
use taffrail_query::eval::EvalContext;
use taffrail_query::source::{GivenSource, Opened, Part, Source, Wanted};
use taffrail_query::{Knowledge, Messages, QueryError, SearchMessage, SearchRequest, Update};

fn place() -> Place {
    let place = Place::new();
    let lines = ["login failed user=ann", "login ok user=bob", "transfer user=ann", "transfer user=bob"];
    place.append("main", "any", 1_795_000_000, &lines);
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brackets_become_conditions_of_the_scan() {
    let place = place();
    let rows = place.rows("transfer [ search failed | fields user ] | table _raw", None).await;
    assert_eq!(rows, ["{\"_raw\":\"transfer user=ann\"}"]);
    // The scan looks for them itself: what it matched is what came out.
    assert_eq!(place.matched("transfer [ search failed | fields user ] | table _raw").await, 1);
}

/// A source that counts how often it is opened.
struct Counted(GivenSource, AtomicUsize);

impl Source for Counted {
    fn parts(&self) -> Vec<Part> {
        Vec::new()
    }

    fn open(&self, wanted: Wanted, messages: Messages) -> BoxFuture<'_, Result<Opened, QueryError>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.open(wanted, messages)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_text_in_brackets_is_run_once() {
    let row = serde_json::json!({"_time": 1_795_000_000, "user": "ann", "k": "1"});
    let rows = [row.as_object().expect("an object").clone()];
    let now = taffrail_event::Timestamp(1_795_000_100_000_000_000);
    let opened = async |query: &str| {
        let given = GivenSource::of_json(&rows, EvalContext::new(now, jiff::tz::TimeZone::UTC)).expect("columns");
        let counted = Arc::new(Counted(given, AtomicUsize::new(0)));
        let source: Arc<dyn Source> = counted.clone();
        let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
        let outcome = over(&source, &request, now, Arc::default(), Knowledge::none()).await.expect("it runs");
        assert_eq!(serde_json::to_string(&outcome.rows).expect("JSON"), "[{\"count\":1}]", "{query}");
        counted.1.load(Ordering::Relaxed)
    };
    // One for the search itself, one for each text in brackets.
    let same = "[ search user=ann | fields k ] OR [ search user=ann | fields k ] | stats count";
    assert_eq!(opened(same).await, 2);
    let others = "[ search user=ann | fields k ] OR [ search user=ann* | fields k ] | stats count";
    assert_eq!(opened(others).await, 3);
    // Also where one is within another search.
    let within = "[ search user=ann | fields k ] | append [ search [ search user=ann | fields k ] | head 0 ] | stats count";
    assert_eq!(opened(within).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_shows_beside_the_rows_is_of_the_same_events() {
    let place = place();
    let query = "[ search failed | fields user ] | stats count";
    let timeline = place.engine.timeline(query, None, None, 10).await.expect("a timeline");
    assert_eq!(timeline.total, 2);
    let fields = place.engine.fields(query, None, None).await.expect("fields");
    assert!(fields.fields.iter().any(|field| field.name == "user" && field.count == 2));
    let patterns = place.engine.patterns("transfer [ search failed | fields user ]", None, None).await.expect("patterns");
    assert_eq!(patterns.events, 1);
    let made = place.engine.timeline("| makeresults count=5", None, None, 10).await.expect("a timeline");
    assert_eq!(made.total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_range_of_the_request_holds_inside_and_that_of_the_text_does_not() {
    let place = place();
    let rows = async |query: &str, earliest: &str| {
        let request = SearchRequest { query: query.into(), earliest: Some(earliest.into()), ..SearchRequest::default() };
        let updates = place.engine.updates(request, false).await.expect("a search");
        let all: Vec<Update> = futures::StreamExt::collect(updates).await;
        all.iter().map(|update| if let Update::Rows(_, batch) = update { batch.num_rows() } else { 0 }).sum::<usize>()
    };
    // Inside, the failed login is at 1795000000.
    assert_eq!(rows("transfer [ search failed | fields user ]", "1795000000").await, 1);
    assert_eq!(rows("transfer [ search failed | fields user ]", "1795000001").await, 0);
    assert_eq!(rows("earliest=1795000001 transfer [ search failed | fields user ]", "1795000000").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_follow_live_says_so() {
    let place = place();
    let query = "transfer [ search failed | fields user ]";
    let Err(error) = place.engine.tail(query).await else { panic!("it follows") };
    assert!(error.message.contains("in brackets") && error.hint.is_some());
    let span = error.span.expect("a place");
    assert_eq!(&query[span.start..span.end], "[ search failed | fields user ]");
    assert!(place.engine.tail("| makeresults").await.is_err());
    // An export of bytes cannot be planned before the brackets have been run, so that rows have to do.
    let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
    assert!(place.engine.raw_export(&request).expect("it is understood").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_larger_than_the_memory_is_sorted_on_the_disk() {
    let place = Place::new();
    let line = |side: &str, at: usize| format!("side={side} key={} text={}", (at * 7919) % 100_000, "x".repeat(300));
    for side in ["a", "b"] {
        let lines: Vec<String> = (0..100_000).map(|at| line(side, at)).collect();
        for part in lines.chunks(10_000) {
            place.append("main", "any", 1_795_000_000, &part.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    let small = place.engine_of(96 << 20);
    let query =
        "side=a | fields key, _raw | join max=0 key [ search side=b | table key, text ] | stats count, dc(key) AS keys, dc(text) AS texts";
    let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
    let messages: Vec<SearchMessage> = futures::StreamExt::collect(small.search(request).await.expect("a search")).await;
    let rows: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            SearchMessage::Rows { rows, .. } => Some(serde_json::to_string(rows).expect("JSON")),
            SearchMessage::Error { error } => panic!("{}", error.render(query)),
            _ => None,
        })
        .collect();
    assert_eq!(rows, ["[{\"count\":100000,\"keys\":100000,\"texts\":1}]"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 40, ..Default::default() })]
    #[test]
    fn both_ways_to_join_give_the_same_rows(
        left in proptest::collection::vec((0..6u8, 0..20i64), 1..30),
        right in proptest::collection::vec((0..6u8, 0..20i64), 1..16),
        kind in proptest::sample::select(&["inner", "left"][..]),
        times in proptest::sample::select(&["", "usetime=true", "usetime=true earlier=false"][..]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let rows = |side: &str, rows: &[(u8, i64)]| -> Vec<String> {
            // Key 0 is none at all.
            let row = |(at, (key, time)): (usize, &(u8, i64))| match key {
                0 => format!("{{\"_time\":{time},\"side\":\"{side}\",\"{side}\":\"{at}\"}}"),
                _ => format!("{{\"_time\":{time},\"side\":\"{side}\",\"{side}\":\"{at}\",\"key\":\"{key}\"}}"),
            };
            rows.iter().enumerate().map(row).collect()
        };
        let lines = [rows("l", &left), rows("r", &right)].concat();
        let objects: Vec<_> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let eval = EvalContext::new(super::cases::NOW, jiff::tz::TimeZone::UTC);
        let source: Arc<dyn Source> = Arc::new(GivenSource::of_json(&objects, eval).expect("rows"));
        let join = |max: usize| {
            let query = format!("side=l | table _time, key, l | join type={kind} max={max} {times} overwrite=false key [ search side=r | table _time, key, r ]");
            let request = SearchRequest { query, ..SearchRequest::default() };
            let outcome = runtime.block_on(over(&source, &request, super::cases::NOW, Arc::default(), Knowledge::none()));
            outcome.unwrap_or_else(|error| panic!("{}", error.render(&request.query))).rows
        };
        // There are at most 16 right rows: the first way finds them by a table, the second merges.
        proptest::prop_assert_eq!(join(16), join(0));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 2_000, ..Default::default() })]
    #[test]
    fn no_text_makes_the_parser_panic(parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..14)) {
        let text = parts.join(" ");
        if let Ok(query) = taffrail_query::pipeline::Query::parse(&text) {
            let printed = query.to_string();
            let again = taffrail_query::pipeline::Query::parse(&printed).unwrap_or_else(|error| panic!("{text}\n{}", error.render(&printed)));
            assert_eq!(again.to_string(), printed, "{text}");
        }
    }
}

const PARTS: [&str; 36] = [
    "[",
    "]",
    "[",
    "]",
    "|",
    "|",
    "search",
    "a",
    "b=c",
    "\"x ] | y\"",
    "append",
    "join",
    "type=left",
    "map",
    "search=\"x $a$\"",
    "foreach",
    "a*",
    "eval x=<<FIELD>>",
    "union",
    "set union",
    "multisearch",
    "makeresults",
    "head",
    "stats count",
    "format",
    "return 2 $a",
    "where a=",
    "NOT",
    "OR",
    "(",
    ")",
    "lookup t a",
    "appendpipe",
    "earliest=-1h",
    "`m`",
    "ä",
];
