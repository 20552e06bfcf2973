//! Commands that shape rows, over a real store: the store's way to decide `regex`, columns that depend on the rows, and
//! more rows than memory has room for.

use super::stored::Place;
use futures::StreamExt;
use taffrail_query::{SearchMessage, SearchRequest};

/// Lines of a few patterns, with JSON in some.
fn place() -> Place {
    let place = Place::new();
    let lines: Vec<String> = (0..3_000)
        .map(|at| match at % 3 {
            0 => format!("session opened for user root{} port {at}", at % 7),
            1 => format!("{{\"n\": {at}, \"user\": {{\"name\": \"u{}\"}}, \"tags\": [\"t{}\", \"x\"]}}", at % 5, at % 2),
            _ => format!("failed: code={} took {at} ms", at % 11),
        })
        .collect();
    place.append("main", "any", 1_795_000_000, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regex_means_the_same_in_the_store_and_on_rows() {
    let place = place();
    for expression in ["root[1-3] port", "^failed: code=(3|10) ", "[02468] ms$", "\\b2\\d\\d\\b", "(?i)SESSION", "nothing like it"] {
        // Behind another command the rows are looked at one by one.
        let stored = place.rows(&format!("* | regex \"{expression}\" | table _raw"), None).await;
        let plain = place.rows(&format!("* | head 100000 | regex \"{expression}\" | table _raw"), None).await;
        assert!(stored == plain, "{expression}: {} {}", stored.len(), plain.len());
        let without = place.rows(&format!("* | regex _raw!=\"{expression}\" | table _raw"), None).await;
        assert_eq!(stored.len() + without.len(), 3_000, "{expression}");
    }
    assert_eq!(place.rows("* | regex \"root[1-3] port\" | stats count", None).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_depend_on_rows_are_the_same_whether_they_are_named_or_found() {
    let place = place();
    for command in ["spath", "fromjson _raw"] {
        let found = place.rows(&format!("* | fields _raw | {command} | fields n, user.name, user | fields - _*"), None).await;
        let named = place.rows(&format!("* | fields _raw | {command} | table n, user.name, user"), None).await;
        assert!(found == named, "{command}: {:?} {:?}", found.first(), named.first());
        assert!(found.iter().any(|row| row.contains("\"n\"")), "{command}");
    }
    let first = place.rows("* | spath | table n", Some(5)).await;
    assert_eq!(first.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_rows_than_memory_has_room_for() {
    let place = Place::new();
    let lines: Vec<String> = (0..40_000).map(|at| format!("k{}=v{} group={} {}", at % 50, at % 10, at % 1_000, "x".repeat(150))).collect();
    for part in lines.chunks(10_000) {
        place.append("main", "any", 1_795_000_000, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let small = place.engine_of(24 << 20);
    for (query, rows) in [
        ("* | fields _raw | extract | stats count BY k7 | table count", "{\"count\":800}"),
        (
            "* | fields _raw | extract | fields - _raw, _time | stats count(*) | transpose | search column=\"count(k7)\" | table \"row 1\"",
            "{\"row 1\":800}",
        ),
        ("* | eval n=1 | table group, n, _raw | convert auto(n) | stats sum(n) AS s", "{\"s\":40000}"),
        ("* | eval n=1, v=substr(_raw, 1, 60) | xyseries group n v | stats count", "{\"count\":1000}"),
        ("* | table group, _raw | eval _raw=substr(_raw, 1, 3) | mvcombine group | stats count", "{\"count\":50}"),
    ] {
        let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
        let messages: Vec<SearchMessage> = small.search(request).await.expect("a search").collect().await;
        let found: Vec<String> = messages
            .iter()
            .filter_map(|message| if let SearchMessage::Rows { rows, preview: false, .. } = message { Some(rows) } else { None })
            .flatten()
            .map(|row| serde_json::to_string(row).expect("JSON"))
            .collect();
        assert_eq!(found, [rows], "{query}: {messages:?}");
    }
}
