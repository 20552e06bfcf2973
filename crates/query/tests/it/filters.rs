//! The store's way to decide a search (per pattern) and the plain way (per event) agree, on random events.

use super::stored::Place;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::sync::Arc;
use taffrail_pattern::FieldResolver;
use taffrail_query::engine::over;
use taffrail_query::eval::EvalContext;
use taffrail_query::source::{GivenSource, Source};
use taffrail_query::{Knowledge, SearchRequest};

const WORDS: [&str; 12] =
    ["session", "opened", "root", "fail", "failure", "app-error.log", "10.0.0.7", "user=root", "status=404", "\"a b\"", "Root", "x_y"];

const SEARCHES: [&str; 10] =
    ["root", "fail*", "\"session opened\"", "user=root", "status>100", "NOT user=root", "user!=root", "error", "10.0", "*oo*"];

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![4 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => "[ -~]{0,6}", 1 => "[0-9]{1,4}"];
    proptest::collection::vec(word, 1..7).prop_map(|words| words.join(" "))
}

fn search() -> impl Strategy<Value = String> {
    let one = || proptest::sample::select(&SEARCHES[..]);
    let regex = proptest::sample::select(&["ro+t", "^f", "[0-9]{3}$", "user=(root|x)", "n .*e", " $"][..]);
    (one(), one(), one(), regex, 0..7u8).prop_map(|(a, b, c, regex, shape)| match shape {
        0 => a.to_owned(),
        1 => format!("{a} {b}"),
        2 => format!("{a} OR {b}"),
        3 => format!("({a} OR {b}) NOT {c}"),
        4 => format!("{a} | regex \"{regex}\""),
        5 => format!("* | regex \"{regex}\" | search {a} | regex _raw!=\"x\""),
        _ => format!("NOT ({a} {b})"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn both_ways_find_the_same_events(lines in proptest::collection::vec(line(), 1..60), searches in proptest::collection::vec(search(), 6)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let place = Place::new();
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        place.append("main", "any", 1_795_000_000, &texts);
        let formats = taffrail_format::Formats::new();
        let objects: Vec<Map<String, Value>> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| {
                let mut object = Map::new();
                object.insert("_time".into(), Value::from(1_795_000_000 + at));
                object.insert("_raw".into(), Value::from(line.as_str()));
                for (name, value) in formats.fields_of_event("any", line.as_bytes()) {
                    object.entry(name).or_insert(Value::from(value));
                }
                object
            })
            .collect();
        let given = GivenSource::of_json(&objects, EvalContext::new(super::cases::NOW, jiff::tz::TimeZone::UTC)).expect("rows");
        let given: Arc<dyn Source> = Arc::new(given);
        for search in searches {
            let query = format!("{search} | table _time, _raw");
            let stored = runtime.block_on(place.rows(&query, None));
            let request = SearchRequest { query: query.clone(), ..SearchRequest::default() };
            let plain = runtime.block_on(over(&given, &request, super::cases::NOW, Arc::default(), Knowledge::none())).expect("a search");
            let plain: Vec<String> = plain.rows.iter().map(|row| serde_json::to_string(row).expect("JSON")).collect();
            prop_assert_eq!(stored, plain, "{}", search);
        }
    }
}
