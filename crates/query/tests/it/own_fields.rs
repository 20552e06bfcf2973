//! Format files, computed fields and lookups of people, over events that are stored already.

use super::stored::Place;
use taffrail_query::SearchMessage;

const FORMAT: &str = r#"
summary = "the shop's own log"
sourcetypes = ["shop"]

[[rule]]
regex = 'order (?<order>\d+) of (?<customer>\S+) (?:paid|refused) (?<amount>\d+)'

[alias]
user = "customer"

[[calculated]]
field = "big"
eval = 'if(amount>50, "yes", "no")'

[[calculated]]
field = "verdict"
eval = 'big . "/" . customer'

[[lookup]]
table = "people"
match = { name = "customer" }
output = ["team"]
"#;

fn place() -> Place {
    let place = Place::new();
    place.append(
        "main",
        "shop",
        1_795_000_000,
        &["order 1 of bob paid 30", "order 2 of eve refused 70", "order 3 of bob paid 90", "closed for today"],
    );
    place.append("main", "text", 1_795_000_100, &["order 4 of mallory paid 99"]);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_format_holds_for_old_events() {
    let place = place();
    let count = "customer=bob | stats count";
    assert_eq!(place.rows(count, None).await, [r#"{"count":0}"#]);
    place.define("formats/shop.toml", FORMAT);
    place.define("lookups/people.csv", "name,team\nbob,blue\n");
    assert_eq!(place.rows(count, None).await, [r#"{"count":2}"#]);
    // Also of what is in a segment of its own.
    place.store.flush().expect("it is flushed");
    assert_eq!(place.rows(count, None).await, [r#"{"count":2}"#]);
    assert_eq!(
        place.rows("* | stats sum(amount) AS sum BY user | sort user", None).await,
        [r#"{"user":"bob","sum":120}"#, r#"{"user":"eve","sum":70}"#]
    );
    let changed = FORMAT.replace("customer>", "buyer>").replace("customer", "buyer");
    place.define("formats/shop.toml", &changed);
    assert_eq!(place.rows(count, None).await, [r#"{"count":0}"#]);
    assert_eq!(place.rows("buyer=bob user=bob | stats count", None).await, [r#"{"count":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn computed_fields_and_lookups_are_there_when_they_are_asked_for() {
    let place = place();
    place.define("formats/shop.toml", FORMAT);
    place.define("lookups/people.csv", "name,team\nbob,blue\n");
    // In the search itself, negated, beside what the store finds, and in brackets.
    let orders = |query: &'static str| {
        let place = &place;
        async move { place.rows(&format!("{query} | table order | sort order"), None).await.join(" ") }
    };
    assert_eq!(orders("big=yes").await, r#"{"order":"2"} {"order":"3"}"#);
    assert_eq!(orders("order=* NOT big=yes").await, r#"{"order":"1"}"#);
    assert_eq!(orders("paid big=yes").await, r#"{"order":"3"}"#);
    assert_eq!(orders("refused OR team=blue").await, r#"{"order":"1"} {"order":"2"} {"order":"3"}"#);
    assert_eq!(orders("* | search team=blue big=no").await, r#"{"order":"1"}"#);
    assert_eq!(orders("[ search team=blue big=yes | fields order ]").await, r#"{"order":"3"}"#);
    assert_eq!(
        place.rows("* | stats count BY team, verdict | sort verdict", None).await,
        [r#"{"team":"blue","verdict":"no/bob","count":1}"#, r#"{"team":"blue","verdict":"yes/bob","count":1}"#]
    );
    // Events of other sourcetypes have none of them.
    assert_eq!(place.rows("mallory big=* | stats count", None).await, [r#"{"count":0}"#]);
    let events = place.rows("eve", None).await.join("");
    assert!(events.contains(r#""big":"yes""#) && events.contains(r#""verdict":"yes/eve""#), "{events}");
    assert!(!events.contains("_key"), "{events}");
    let timeline = place.engine.timeline("big=yes", None, None, 10).await.expect("a timeline");
    assert_eq!(timeline.total, 2);
    let plain = place.engine.timeline("paid", None, None, 10).await.expect("a timeline");
    assert_eq!(plain.total, 3);
    let fields = place.engine.fields("order=*", None, None).await.expect("fields");
    let big = fields.fields.iter().find(|field| field.name == "big").expect("it is listed");
    assert_eq!(big.count, 3);
    assert!(place.engine.patterns("big=yes", None, None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_files_are_told_and_the_others_are_used() {
    let place = place();
    place.define("formats/a.toml", "summary = 'x'\n[[rule]]\nmatch = 'order {number'\n");
    place.define("formats/b.toml", "summary = 'x'\n[[calculated]]\nfield = 'y'\neval = '1 +'\n");
    place.define("formats/c.toml", "summary = 'x'\n[[calculated]]\nfield = 'y'\neval = 'nofunction(1)'\n");
    place.define("formats/shop.toml", FORMAT);
    let messages = place.messages("customer=bob", None).await;
    let said: Vec<&str> = messages
        .iter()
        .filter_map(|message| match message {
            SearchMessage::Message { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said[0], "the format file formats/a.toml is not used: line 2: the `{` in \"order {number\" has no `}`");
    assert!(said[1].starts_with("the format file formats/b.toml is not used: line 2: the expression of y: "), "{said:?}");
    assert!(said[2].contains("c.toml is not used: line 2: the expression of y: unknown function"), "{said:?}");
    // A lookup without its table is no reason to find nothing.
    assert_eq!(said[3], "fields are missing that a format file looks up (team): there is no lookup \"people\"");
    let rows = messages.iter().filter(|message| matches!(message, SearchMessage::Rows { .. })).count();
    assert!(rows > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn collect_writes_events_that_can_be_searched() {
    let mut place = place();
    place.define("formats/shop.toml", FORMAT);
    let query = "customer=* | stats sum(amount) AS sum BY customer | collect index=summary source=sums marker=\"run=7\"";
    let without = place.messages(query, None).await;
    assert!(matches!(without.last(), Some(SearchMessage::Error { .. })), "nothing may be written");
    place.engine = place.engine.clone().collecting(std::sync::Arc::new(taffrail_store::StoreSink(place.store.clone())));
    assert_eq!(place.rows("index=summary", None).await.len(), 0);
    let told = place.messages(query, None).await;
    let said =
        told.iter().any(|m| matches!(m, SearchMessage::Message { text, .. } if text == "collect wrote 2 events into the index summary"));
    assert!(said, "{told:?}");
    assert_eq!(
        place.rows("index=summary source=sums sourcetype=stash run=7 | table customer sum | sort customer", None).await,
        [r#"{"customer":"bob","sum":"120"}"#, r#"{"customer":"eve","sum":"70"}"#]
    );
    // What is shown beside a search does not run it.
    let _ = place.engine.timeline(query, None, None, 10).await;
    let _ = place.engine.fields(query, None, None).await;
    assert_eq!(place.rows("index=summary | stats count", None).await, [r#"{"count":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_and_their_events_are_told() {
    let place = place();
    assert_eq!(place.rows("| eventcount", None).await, [r#"{"count":5}"#]);
    place.store.flush().expect("it is flushed");
    place.append("web", "text", 1_795_000_200, &["one more"]);
    assert_eq!(
        place.rows("| eventcount summarize=false report_size=true", None).await,
        [r#"{"count":5,"index":"main","size_bytes":111}"#, r#"{"count":1,"index":"web","size_bytes":8}"#]
    );
    assert_eq!(
        place.rows("| dbinspect | table index state eventCount startEpoch", None).await,
        [
            r#"{"index":"main","state":"warm","eventCount":5,"startEpoch":1795000000}"#,
            r#"{"index":"web","state":"hot","eventCount":1,"startEpoch":1795000200}"#
        ]
    );
    let warm = place.rows("| dbinspect index=main | where sizeOnDiskMB>0 AND patternCount>0 | stats count", None).await;
    assert_eq!(warm, [r#"{"count":1}"#]);
}
