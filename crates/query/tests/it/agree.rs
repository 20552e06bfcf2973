//! What an independent implementation says: times as chrono has them, windows of rows computed one by one.

use super::cases::NOW;
use chrono::{DateTime, NaiveDateTime};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use taffrail_event::Timestamp;
use taffrail_query::engine::over;
use taffrail_query::eval::EvalContext;
use taffrail_query::language::TimeFormat;
use taffrail_query::source::{GivenSource, Source};
use taffrail_query::{Knowledge, SearchRequest};

/// Variables that mean the same to both.
const VARIABLES: [&str; 27] = [
    "%Y", "%y", "%m", "%d", "%e", "%j", "%H", "%I", "%k", "%l", "%M", "%S", "%p", "%A", "%a", "%w", "%B", "%b", "%h", "%U", "%W", "%V",
    "%G", "%u", "%s", "%F", "%T",
];

/// Formats that a time can be read back from.
const FORMATS: [&str; 5] = ["%Y-%m-%d %H:%M:%S", "%d/%b/%Y:%H:%M:%S", "%m/%d/%y %I:%M:%S %p", "%a %B %e %Y %T", "%Y %j %H%M%S"];

/// One search over rows, in the order given.
fn rows(objects: &[Map<String, Value>], query: &str) -> Vec<Map<String, Value>> {
    let context = EvalContext::new(NOW, TimeZone::UTC);
    let source: Arc<dyn Source> = Arc::new(GivenSource::of_json(objects, context).expect("the rows make columns"));
    let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(over(&source, &request, NOW, Arc::default(), Knowledge::none())).expect("it runs").rows
}

/// A row of the test: its group and its number, where it has them.
type Given = (Option<u8>, Option<i32>);

fn object(given: &Given) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("g".into(), given.0.map_or(Value::Null, |group| json!(format!("group {group}"))));
    object.insert("n".into(), given.1.map_or(json!("none"), |number| json!(number.to_string())));
    object
}

/// The rows that a row's statistics are about, by the definition.
fn seen(given: &[Given], at: usize, window: usize, current: bool, global: bool) -> Vec<Given> {
    let end = if current { at + 1 } else { at };
    let grouped: Vec<Given> = given[..end].iter().filter(|row| row.0.is_some()).copied().collect();
    let own: Vec<Given> = grouped.iter().filter(|row| row.0 == given[at].0).copied().collect();
    let last = |rows: Vec<Given>| if window == 0 { rows } else { rows[rows.len().saturating_sub(window)..].to_vec() };
    if global { last(grouped).into_iter().filter(|row| row.0 == given[at].0).collect() } else { last(own) }
}

proptest! {
    // Each case is a search or two.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn times_are_written_as_chrono_does(seconds in 0i64..7_258_118_400) {
        let time = DateTime::from_timestamp(seconds, 0).unwrap();
        for variable in VARIABLES {
            let ours = TimeFormat::new(variable).format(Timestamp::from_seconds(seconds), &TimeZone::UTC);
            prop_assert_eq!(ours, time.format(variable).to_string(), "{} of {}", variable, seconds);
        }
    }

    #[test]
    fn times_are_read_as_chrono_does(seconds in 0i64..1_893_456_000) {
        let time = DateTime::from_timestamp(seconds, 0).unwrap();
        for format in FORMATS {
            let text = time.format(format).to_string();
            let theirs = NaiveDateTime::parse_from_str(&text, format).unwrap().and_utc().timestamp();
            let ours = TimeFormat::new(format).parse(&text, NOW, &TimeZone::UTC);
            prop_assert_eq!(ours, Some(Timestamp::from_seconds(theirs)), "{} by {}", text, format);
        }
    }

    #[test]
    fn windows_of_rows_are_what_their_definition_says(
        given in proptest::collection::vec((proptest::option::of(0u8..3), proptest::option::of(-20i32..20)), 0..30),
        window in 0usize..6,
        current in any::<bool>(),
        global in any::<bool>(),
    ) {
        let objects: Vec<_> = given.iter().map(object).collect();
        let query = format!(
            "* | streamstats window={window} current={current} global={global} count, count(n) AS c, sum(n) AS s, min(eval(tonumber(n))) AS low, \
             range(n) AS r, dc(n) AS d, first(n) AS f, last(n) AS l, median(n) AS m, varp(n) AS v BY g"
        );
        for (at, row) in rows(&objects, &query).iter().enumerate() {
            if given[at].0.is_none() {
                prop_assert!(!row.contains_key("count"));
                continue;
            }
            let seen = seen(&given, at, window, current, global);
            let mut numbers: Vec<f64> = seen.iter().filter_map(|row| row.1).map(f64::from).collect();
            let texts: Vec<String> = seen.iter().map(|row| row.1.map_or("none".to_owned(), |number| number.to_string())).collect();
            let number = |name: &str| row.get(name).and_then(Value::as_f64);
            prop_assert_eq!(number("count"), Some(seen.len() as f64));
            prop_assert_eq!(number("c"), Some(texts.len() as f64));
            prop_assert_eq!(number("s"), (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>()));
            prop_assert_eq!(number("low"), numbers.iter().copied().reduce(f64::min));
            let high = numbers.iter().copied().reduce(f64::max);
            prop_assert_eq!(number("r"), high.map(|high| high - numbers.iter().copied().fold(f64::INFINITY, f64::min)));
            prop_assert_eq!(number("d"), Some(texts.iter().collect::<std::collections::HashSet<_>>().len() as f64));
            prop_assert_eq!(row.get("f").and_then(Value::as_str), texts.first().map(String::as_str));
            prop_assert_eq!(row.get("l").and_then(Value::as_str), texts.last().map(String::as_str));
            numbers.sort_by(f64::total_cmp);
            let middle = (!numbers.is_empty()).then(|| f64::midpoint(numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]));
            prop_assert_eq!(number("m"), middle);
            let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
            let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / numbers.len() as f64;
            match number("v") {
                Some(found) => prop_assert!((found - variance).abs() < 1e-9, "{found} for {variance}"),
                None => prop_assert!(numbers.is_empty()),
            }
        }
    }

    #[test]
    fn eventstats_adds_what_stats_says(given in proptest::collection::vec((proptest::option::of(0u8..3), proptest::option::of(-20i32..20)), 0..30)) {
        let objects: Vec<_> = given.iter().map(object).collect();
        let figures = "count, sum(n) AS s, max(n) AS m, values(n) AS v BY g";
        let groups = rows(&objects, &format!("* | stats {figures}"));
        let added = rows(&objects, &format!("* | eventstats {figures}"));
        prop_assert_eq!(added.len(), given.len());
        for (row, given) in added.iter().zip(&given) {
            let group = groups.iter().find(|group| group.get("g") == row.get("g"));
            prop_assert_eq!(group.is_some(), given.0.is_some());
            for name in ["count", "s", "m", "v"] {
                prop_assert_eq!(row.get(name), group.and_then(|group| group.get(name)));
            }
        }
    }
}
