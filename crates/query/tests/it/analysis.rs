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

/// Two hundred rows: durations around 100 with one of 400, and one user of all that is seen once.
#[tokio::test]
async fn values_on_their_own() {
    let rows: Vec<Map<String, Value>> = (0..200)
        .map(|number| {
            let duration = if number == 150 { 400 } else { 90 + number * 7 % 21 };
            let user = if number == 42 { "mallory" } else { "bob" };
            let mut row = Map::new();
            row.insert("n".to_owned(), Value::from(number.to_string()));
            row.insert("duration".to_owned(), Value::from(duration.to_string()));
            row.insert("user".to_owned(), Value::from(user));
            row
        })
        .collect();
    let found = search(&rows, "* | anomalydetection method=zscore duration, user").await;
    let numbers: Vec<&str> = found.rows.iter().filter_map(|row| row["n"].as_str()).collect();
    assert_eq!(numbers, ["42", "150"]);
    assert_eq!(found.rows[0]["Anomaly_Score_Cat(user)"], 0.005);
    let score = found.rows[1]["Anomaly_Score_Num(duration)"].as_f64().expect("a number");
    assert!(score > 0.0 && score < 1e-6, "{score}");
    assert!(found.rows[1].get("Anomaly_Score_Cat(user)").is_none() && found.messages.is_empty());
    let summary = search(&rows, "* | anomalydetection method=zscore action=summary duration, user").await.rows;
    assert_eq!((&summary[0]["anomalies"], &summary[1]["anomalies"]), (&Value::from(1), &Value::from(1)));
}

/// Five thousand sessions that are all open at once, of four events each.
#[tokio::test]
async fn many_transactions_at_once() {
    let rows: Vec<Map<String, Value>> = (0..20_000)
        .map(|number| {
            let mut row = Map::new();
            row.insert("_time".to_owned(), Value::from(20_000 - number));
            row.insert("session".to_owned(), Value::from(format!("s{}", number % 5_000)));
            row
        })
        .collect();
    let found =
        search(&rows, "* | transaction session | stats count, min(eventcount) AS low, max(eventcount) AS high, avg(duration) AS length")
            .await;
    assert_eq!(found.rows[0]["count"], 5_000);
    assert_eq!((&found.rows[0]["low"], &found.rows[0]["high"]), (&Value::from(4), &Value::from(4)));
    assert_eq!(found.rows[0]["length"], 15_000);
    assert!(found.messages.is_empty());
}
