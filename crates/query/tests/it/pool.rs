//! Commands over more than the memory of searches holds: each works, by way of the disk, or ends with an error that says
//! what the way out is. None goes on without what did not fit.

use super::stored::Place;
use futures::StreamExt;
use taffrail_query::{Engine, SearchMessage, SearchRequest};

/// The memory of all searches here. The rows of the events take several times as much.
const SMALL: usize = 48 << 20;

/// Events of 40,000 keys, each twice, on two sides.
fn place() -> Place {
    let place = Place::new();
    let line = |at: usize| {
        let (side, key) = (["a", "b"][at % 2], (at / 2 * 7919) % 40_000);
        format!("side={side} key=k{key} n={} part={} text={}", at % 1_000, at % 7, format!("{key:06}").repeat(60))
    };
    let lines: Vec<String> = (0..80_000).map(line).collect();
    for part in lines.chunks(10_000) {
        place.append("main", "any", 1_795_000_000, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    place
}

/// The only row of a search, or its error.
async fn row(engine: &Engine, query: &str) -> Result<String, String> {
    let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
    let messages: Vec<SearchMessage> = engine.search(request).await.expect("it is understood").collect().await;
    let mut rows = Vec::new();
    for message in messages {
        match message {
            SearchMessage::Rows { preview: false, rows: more, .. } => {
                rows.extend(more.iter().map(|row| serde_json::to_string(row).expect("JSON")));
            }
            SearchMessage::Error { error } => return Err(format!("{}; {}", error.message, error.hint.unwrap_or_default())),
            _ => {}
        }
    }
    Ok(rows.join(","))
}

/// A search and its only row; `true` where it has to work, else it may also say that there is too little memory.
const SEARCHES: &[(bool, &str, &str)] = &[
    (true, "* | sort 0 -key | stats count, dc(text) AS texts", r#"{"count":80000,"texts":40000}"#),
    (true, "* | stats count BY text, side | stats count, sum(count) AS n", r#"{"count":80000,"n":80000}"#),
    (true, "* | eval one=1 | stats sum(one) AS n, max(n) AS most BY text | stats count, sum(n) AS n", r#"{"count":40000,"n":80000}"#),
    (true, "* | join max=0 key [ search side=b | table key, text ] | stats count, dc(key) AS keys", r#"{"count":80000,"keys":40000}"#),
    (true, "side=a | join key [ search side=b | table key, text ] | stats count, dc(text) AS texts", r#"{"count":40000,"texts":40000}"#),
    (true, "side=a | join type=left key [ search side=b n>500 | table key, text ] | stats count", r#"{"count":40000}"#),
    (true, "* | transaction key | stats count, sum(eventcount) AS n", r#"{"count":40000,"n":80000}"#),
    (false, "* | dedup text | stats count", r#"{"count":40000}"#),
    (true, "* | eventstats count AS n BY key | stats count, sum(n) AS n", r#"{"count":80000,"n":160000}"#),
    (false, "* | streamstats count AS n BY text | stats count, sum(n) AS n", r#"{"count":80000,"n":120000}"#),
    (true, "* | chart count OVER key BY side | stats count, sum(a) AS a, sum(b) AS b", r#"{"count":40000,"a":40000,"b":40000}"#),
    (true, "* | top limit=0 text | stats count, sum(count) AS n", r#"{"count":40000,"n":80000}"#),
    (true, "* | reverse | stats count, dc(text) AS texts", r#"{"count":80000,"texts":40000}"#),
    (false, "* | eval x=_time*1000+n | stats exactperc50(x) AS x BY side | stats count", r#"{"count":2}"#),
    (false, "* | stats values(text) AS texts BY part | stats count", r#"{"count":7}"#),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_beyond_the_memory_spill_or_say_so() {
    let place = place();
    let small = place.engine_of(SMALL);
    let mut wrong = Vec::new();
    for (works, query, expected) in SEARCHES {
        match row(&small, query).await {
            Ok(found) if found == *expected => {}
            Err(error) if !works && error.contains("needs more memory than it may use; narrow the time range") => {}
            other => wrong.push(format!("{query}\n  {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
