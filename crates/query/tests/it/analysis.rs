//! Commands that analyse, over more rows than a text file of cases can hold.

use serde_json::{Map, Value};
use std::sync::Arc;
use taffrail_query::engine::{Outcome, over};
use taffrail_query::eval::EvalContext;
use taffrail_query::source::{GivenSource, Source};
use taffrail_query::{Knowledge, Row, SearchRequest};

use super::cases::NOW;

async fn search(rows: &[Map<String, Value>], query: &str) -> Outcome {
    let source = GivenSource::of_json(rows, EvalContext::new(NOW, jiff::tz::TimeZone::UTC)).expect("columns");
    let source: Arc<dyn Source> = Arc::new(source);
    let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    over(&source, &request, NOW, Arc::default(), Knowledge::none()).await.unwrap_or_else(|error| panic!("{}", error.render(query)))
}

fn hosts(row: &Row) -> Vec<String> {
    match &row["hosts"] {
        Value::Array(items) => items.iter().map(|item| item.as_str().expect("text").to_owned()).collect(),
        item => vec![item.as_str().expect("text").to_owned()],
    }
}

/// Five hundred configurations of 300 lines that differ in their name and the time of their last change; four hosts
/// have another line, two lack one, one has both at other places.
#[tokio::test]
async fn seven_deviants_among_five_hundred_hosts() {
    let rows: Vec<Map<String, Value>> = (0..500)
        .map(|host| {
            let mut lines: Vec<String> = (0..300).map(|line| format!("interface Ethernet{line}\n no shutdown")).collect();
            lines.insert(0, format!("hostname r{host}\n! Last configuration change at {}", 1_000 + host));
            match host {
                17 | 130 | 131 | 499 => lines[100] = "interface Ethernet99\n shutdown".to_owned(),
                0 | 250 => drop(lines.remove(200)),
                333 => {
                    lines.remove(10);
                    lines.push("username intruder".to_owned());
                }
                _ => {}
            }
            let mut row = Map::new();
            row.insert("_time".to_owned(), Value::from(2_000 - host));
            row.insert("host".to_owned(), Value::from(format!("r{host}")));
            row.insert("_raw".to_owned(), Value::from(lines.join("\n")));
            row
        })
        .collect();
    let found = search(&rows, "* | mdiff ignore=\"^hostname .*\" ignore=\"^! Last configuration change.*\"").await.rows;
    let groups: Vec<Vec<String>> = found.iter().map(hosts).collect();
    assert_eq!(groups, [vec!["r17", "r130", "r131", "r499"], vec!["r0", "r250"], vec!["r333"]]);
    assert!(found.iter().all(|row| row["baseline_count"] == 493));
    let text = |row: &Row| row["diff"].as_str().expect("text").to_owned();
    assert!(text(&found[0]).contains("\n interface Ethernet99\n- no shutdown\n+ shutdown\n interface Ethernet100\n"));
    assert!(text(&found[1]).contains("\n-interface Ethernet199\n- no shutdown\n interface Ethernet200"));
    assert!(text(&found[2]).ends_with("\n+username intruder") && found[2]["diff_changed_hunks"] == 2);
}
