//! Optimised and naive execution agree: random events in a real store of several segments, random pipelines over them,
//! and the same pipelines over the same events as plain rows, with every shortcut off.
//!
//! What the store decides per pattern, counts without rows, leaves unread or stops reading early is thereby compared
//! with what looking at every event says. `PROPTEST_CASES` asks for more cases.

use super::stored::Place;
use futures::StreamExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::sync::Arc;
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_format::Formats;
use taffrail_pattern::FieldResolver;
use taffrail_query::commands::Required;
use taffrail_query::engine::over;
use taffrail_query::eval::EvalContext;
use taffrail_query::messages::Messages;
use taffrail_query::source::{GivenSource, Opened, Source, Wanted};
use taffrail_query::{Knowledge, QueryError, SearchMessage, SearchRequest};

/// An event to be stored.
#[derive(Clone, Debug)]
struct Event {
    time: i64,
    host: &'static str,
    sourcetype: &'static str,
    line: String,
}

/// Rows that are all read, with all their fields, in order, whatever is asked for.
struct Plain(GivenSource);

impl Source for Plain {
    fn parts(&self) -> Vec<taffrail_query::source::Part> {
        Vec::new()
    }

    fn open(&self, wanted: Wanted, messages: Messages) -> BoxFuture<'_, Result<Opened, QueryError>> {
        // A field that is named is a column, whether an event has it or not.
        let required = Required::all().with(wanted.required.names);
        self.0.open(Wanted { required, ordered: true, limit: None, ..wanted }, messages)
    }
}

const START: i64 = 1_795_000_000;
const USERS: [&str; 7] = ["root", "alice", "bob", "Root", "guest-7", "10", "9.5"];
const ADDRESSES: [&str; 5] = ["10.0.0.7", "10.0.0.12", "192.168.4.1", "::1", "fe80::12"];
const STATUSES: [&str; 6] = ["200", "404", "500", "301", "-", "200.0"];
const WORDS: [&str; 8] = ["session", "opened", "failed", "app-error.log", "timeout", "Root", "x_y", "été"];

fn one(from: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    proptest::sample::select(from)
}

fn pairs() -> impl Strategy<Value = String> {
    let pair = prop_oneof![
        4 => one(&USERS).prop_map(|user| format!("user={user}")),
        4 => one(&STATUSES).prop_map(|status| format!("status={status}")),
        4 => (0..3_000u32).prop_map(|bytes| format!("bytes={bytes}")),
        3 => (0..400u32).prop_map(|took| format!("took={}.{}", took / 8, took % 8)),
        2 => one(&ADDRESSES).prop_map(|address| format!("ip={address}")),
        2 => one(&WORDS).prop_map(|word| format!("msg=\"{word} x\"")),
        2 => one(&WORDS).prop_map(str::to_owned),
        1 => Just("bytes=none".to_owned()),
    ];
    proptest::collection::vec(pair, 1..7).prop_map(|pairs| pairs.join(" "))
}

fn json() -> impl Strategy<Value = String> {
    (one(&USERS), one(&STATUSES), 0..2_000u32, proptest::collection::vec(one(&WORDS), 0..4), any::<bool>()).prop_map(
        |(user, status, bytes, tags, whole)| {
            let tags: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
            let status = status.parse::<u32>().map_or_else(|_| "null".to_owned(), |status| status.to_string());
            let more = if whole { format!(", \"took\": {}.5, \"o\": {{\"x\": \"{user}\"}}", bytes % 7) } else { String::new() };
            format!("{{\"user\": \"{user}\", \"status\": {status}, \"bytes\": {bytes}, \"tags\": [{}]{more}}}", tags.join(", "))
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let line = prop_oneof![
        5 => pairs().prop_map(|line| ("app", line)),
        2 => json().prop_map(|line| ("json", line)),
        2 => (one(&USERS), 100..140u32, one(&ADDRESSES)).prop_map(|(user, pid, address)| {
            ("syslog", format!("Nov 21 11:00:01 alpha sshd[{pid}]: Failed password for {user} from {address} port 40{pid} ssh2"))
        }),
        1 => (one(&USERS), 100..140u32).prop_map(|(user, pid)| {
            ("syslog", format!("Nov 21 11:00:02 beta sshd[{pid}]: pam_unix(sshd:session): session opened for user {user} by (uid=0)"))
        }),
        1 => proptest::collection::vec(one(&WORDS), 0..6).prop_map(|words| ("app", words.join(" "))),
        1 => "[ -~]{0,30}".prop_map(|line| ("odd", line)),
    ];
    (line, 0..600i64, one(&["alpha", "beta", "gamma-2"])).prop_map(|((sourcetype, line), time, host)| Event {
        time: START + time,
        host,
        sourcetype,
        line,
    })
}

fn search() -> impl Strategy<Value = String> {
    let term = one(&[
        "session",
        "failed",
        "root",
        "fail*",
        "*oot",
        "\"session opened\"",
        "\"x_y x\"",
        "TERM(10.0.0.7)",
        "CASE(Root)",
        "10.0",
        "error",
        "user=root",
        "user!=root",
        "user=r*",
        "user=*",
        "status=200",
        "status=404",
        "status>300",
        "status!=200",
        "bytes<500",
        "bytes>=1000",
        "bytes=none",
        "took>=7.5",
        "took<20",
        "ip=10.0.0.0/8",
        "ip=::1",
        "ip!=10.0.0.7",
        "host=alpha",
        "host=*a*",
        "host!=beta",
        "sourcetype=json",
        "status IN (200, 5*)",
        "user IN (root, bob, 10)",
        "nope=1",
        "nope!=1",
        "msg=\"failed x\"",
        "o.x=bob",
        "pid>120",
        "user=9.5",
        "user>9",
        "tags{}=session",
        "\"user\"",
        "index=main",
        "source=/var/log/*",
    ]);
    let term = (term, 0..6u8).prop_map(|(term, shape)| if shape == 0 { format!("NOT {term}") } else { term.to_owned() });
    (proptest::collection::vec(term, 1..4), 0..8u8).prop_map(|(terms, shape)| match shape {
        0 | 1 => "*".to_owned(),
        2 => terms.join(" OR "),
        3 => format!("NOT ({})", terms.join(" ")),
        4 => format!("({}) {}", terms.join(" OR "), terms[0]),
        _ => terms.join(" "),
    })
}

/// Steps that keep events, or rows like them.
fn step() -> impl Strategy<Value = String> {
    let field = || one(&["user", "status", "bytes", "took", "ip", "host", "nope", "sourcetype", "pid", "o.x", "msg"]);
    prop_oneof![
        3 => search().prop_map(|search| format!("search {search}")),
        3 => one(&[
            "where bytes>500", "where isnull(user)", "where user=\"root\" OR status>300", "where like(_raw, \"%session%\")",
            "where match(_raw, \"user=(root|bob)\")", "where match(user, \"^[a-z]+$\") AND bytes<1000", "where cidrmatch(\"10.0.0.0/8\", ip)",
            "where len(_raw)>30", "where took*2>bytes/50", "where in(status, 200, 404)", "where NOT status=200",
        ]).prop_map(str::to_owned),
        3 => one(&[
            "eval n=bytes+1", "eval user=upper(user)", "eval k=user.\"-\".status", "eval v=if(status>300, \"bad\", \"good\")",
            "eval bytes=if(bytes>1000, null(), bytes)", "eval m=split(user, \"o\")", "eval t=_time-1795000000, d=round(took, 0)",
            "eval m=mvappend(user, host, status)", "eval status=coalesce(status, 0)", "eval w=case(bytes<10, 1, bytes<1000, user)",
        ]).prop_map(str::to_owned),
        3 => one(&[
            "rex \"user[= ](?<who>\\w+)\"", "rex \"(?<code>[0-9]{3})\"", "rex field=user \"(?<first>.)(?<rest>.*)\"", "rex \"from (?<ip>\\S+) port (?<port>\\d+)\"",
            "rex max_match=0 \"(?<num>\\d+)\"", "rex \"user=(?<user>[a-z]+)\"", "rex mode=sed \"s/user/USER/g\"", "rex \"^(?<head>\\S+) (?<second>\\S+)\"",
        ]).prop_map(str::to_owned),
        2 => one(&[
            "fields user, status, bytes", "fields - status", "fields user*, _raw", "fields - _raw", "table user, status, bytes, took", "table *",
            "fields host, ip, bytes, _time", "rename user AS u", "rename bytes AS user", "rename \"s*\" AS \"z_*\"", "fields + took, user",
        ]).prop_map(str::to_owned),
        2 => (0..9u8, field(), field()).prop_map(|(n, a, b)| match n {
            0..=2 => format!("dedup {a}"),
            3 => format!("dedup 2 {a} {b}"),
            4 => format!("dedup {a} keepempty=true"),
            5 => format!("dedup {a} consecutive=true"),
            6 => format!("dedup {a} keepevents=true"),
            7 => format!("dedup {a} sortby -{b}"),
            _ => format!("dedup 3 {a} keepempty=true sortby {b}"),
        }),
        3 => (0..40u8, 0..6u8, field(), field()).prop_map(|(n, shape, a, b)| match shape {
            0 => format!("head {n}"),
            1 => format!("tail {n}"),
            2 => "reverse".to_owned(),
            3 => format!("sort {n} {a}, -{b}"),
            4 => format!("sort 0 -{a}"),
            _ => format!("sort 0 {a}, {b}, _time"),
        }),
        2 => one(&[
            "bin bytes span=100", "bin _time span=1m", "bin took span=5 AS slot", "fillnull value=none user, status", "fields user, status, took, _time | fillnull value=0",
            "filldown user", "makemv delim=\"o\" user", "eval m=split(user, \"o\") | mvexpand m", "eval m=split(user, \"o\") | nomv m",
            "replace root WITH admin IN user", "convert num(bytes) AS b", "regex user=\"^[a-m]\"", "regex \"user=\\w+ status\"", "regex _raw!=\"[0-9]{4}\"",
            "strcat user \"/\" host where_from", "rangemap field=bytes low=0-500 mid=501-2000 default=high", "spath", "spath path=o.x output=x",
            "head (bytes>10) null=true", "extract", "foreach user status [ eval <<FIELD>>=<<FIELD>>.\"!\" ]",
        ]).prop_map(str::to_owned),
        2 => (calls(), one(&["", "BY user", "BY host, status", "BY nope"]), 0..4u8).prop_map(|(calls, by, which)| match which {
            0 | 1 => format!("eventstats {calls} {by}"),
            2 => format!("streamstats {calls} {by}"),
            _ => format!("streamstats window=3 {calls} {by}"),
        }),
        1 => one(&[
            "append [ search root | head 3 ]", "append [ search status=404 | stats count BY user ]", "join user [ search bytes>1000 | fields user, bytes ]",
            "join type=left user [ search * | stats count AS seen BY user ]", "join user, host [ search * | table user, host, status ]",
            "join max=0 user [ search status=200 | table user, took ]", "appendpipe [ stats count BY user ]", "appendcols [ search user=root | fields bytes ]",
            "delta bytes AS change", "accum bytes AS so_far", "autoregress user p=1-2", "transaction user maxspan=1m", "transaction user, host maxevents=5",
            "uniq", "trendline sma3(bytes) AS soft",
        ]).prop_map(str::to_owned),
    ]
}

fn calls() -> impl Strategy<Value = String> {
    let call = one(&[
        "count",
        "count",
        "count(bytes) AS c",
        "sum(bytes) AS s",
        "avg(bytes) AS a",
        "min(bytes) AS lo",
        "max(took) AS hi",
        "min(user) AS lou",
        "dc(user) AS d",
        "values(user) AS vals",
        "list(status) AS l",
        "first(user) AS f",
        "last(status) AS la",
        "earliest(bytes) AS e",
        "latest(user) AS lt",
        "median(took) AS med",
        "p90(bytes) AS p",
        "exactperc50(bytes) AS ep",
        "stdev(bytes) AS sd",
        "varp(took) AS v",
        "range(bytes) AS r",
        "mode(status) AS mo",
        "sumsq(took) AS sq",
        "count(eval(status>300)) AS bad",
        "avg(eval(bytes*2)) AS twice",
        "estdc(ip) AS est",
        "latest_time(user) AS ltt",
        "values(host) AS hosts",
        "max(status) AS ms",
    ]);
    proptest::collection::vec(call, 1..4).prop_map(|mut calls| {
        calls.sort_unstable();
        calls.dedup();
        calls.join(", ")
    })
}

/// Steps that make a table.
fn table() -> impl Strategy<Value = String> {
    let by = one(&[
        "",
        "BY user",
        "BY status",
        "BY host, user",
        "BY sourcetype, status",
        "BY bytes",
        "BY who",
        "BY ip",
        "BY nope",
        "BY _time",
        "BY m",
    ]);
    let field = || one(&["user", "status", "host", "ip", "user, status", "sourcetype", "who", "bytes", "nope", "user BY host", "pid"]);
    prop_oneof![
        2 => one(&["stats count", "stats count BY user", "stats count BY host", "stats count BY status, user", "stats count BY who", "stats count BY ip, host", "stats count BY pid"])
            .prop_map(str::to_owned),
        4 => (calls(), by).prop_map(|(calls, by)| format!("stats {calls} {by}")),
        2 => (field(), 0..6u8).prop_map(|(field, shape)| match shape {
            0 => format!("top {field}"),
            1 => format!("top 2 {field}"),
            2 => format!("rare {field}"),
            3 => format!("top limit=0 showperc=false {field}"),
            4 => format!("top 2 useother=true {field}"),
            _ => format!("rare limit=1 {field}"),
        }),
        3 => (calls(), one(&["", "BY user", "BY status", "BY host", "BY nope"]), one(&["", "span=10s", "span=1m", "span=1h", "bins=7", "limit=2 span=1m", "useother=false limit=1 span=2m"]), any::<bool>())
            .prop_map(|(calls, by, options, simple)| {
                let calls = if by.is_empty() && !simple { calls } else if simple { "count".to_owned() } else { calls.split(", ").next().unwrap_or("count").to_owned() };
                format!("timechart {options} {calls} {by}")
            }),
        2 => one(&[
            "chart count OVER user BY status", "chart sum(bytes) AS s BY host", "chart avg(took) OVER status BY user limit=2", "chart count BY user, host useother=false limit=1",
            "chart count OVER _time BY status", "chart dc(user) OVER host BY sourcetype",
        ]).prop_map(str::to_owned),
        1 => one(&[
            "stats values(user) AS user BY host | mvexpand user", "fieldsummary user status bytes", "stats count BY user, host | xyseries user host count",
            "table user, bytes, took | untable user name value", "stats count BY user | addtotals | addcoltotals count", "stats sum(bytes) AS b BY user | eventstats sum(b) AS all",
            "stats count BY user | transpose", "table host, user | mvcombine user", "stats count BY status | sort -count, status | head 2",
            // Which columns there are hangs on all events that are read, so wildcards stand for named ones.
            // Which columns there are hangs on the events that are read, so wildcards stand for those that all have.
            "fields host, sourcetype | stats count(*)", "fields host, source | stats dc(h*) BY source", "fields host, index | stats dc(*) AS \"n_*\"",
        ]).prop_map(str::to_owned),
    ]
}

fn bounds() -> impl Strategy<Value = &'static str> {
    one(&["", "", "", "", "earliest=1795000100 ", "latest=1795000300 ", "earliest=1795000050 latest=1795000400 "])
}

/// Pipelines whose first commands the store answers from columns alone.
fn from_columns() -> impl Strategy<Value = String> {
    let commands = one(&[
        "dedup user",
        "dedup user, host | stats count, sum(bytes) AS s",
        "dedup status | table _time user status bytes _raw",
        "dedup sourcetype host",
        "sort 5 -bytes",
        "sort 7 bytes | table bytes user _time",
        "sort 3 -took | fields took, user",
        "sort 4 num(status)",
        "sort took",
        "stats p90(bytes) AS p, median(took) AS m, range(took) AS r, count BY user",
        "stats exactperc25(took) AS e, upperperc50(bytes) AS u, avg(bytes) AS a, p50(nope) AS n",
        "stats perc99(status) AS p BY host, sourcetype",
        "rex \"user=(?<who>\\w+) status=(?<code>\\d+)\" | stats count, avg(code) AS a, sum(code) AS s BY who",
        "rex \"status=(?<code>\\S+) bytes=(?<size>\\d+)\" | stats p50(size) AS p, sum(size) AS s BY code",
        "rex \"user=(?<user>\\w+) \\w+=(?<what>[^ ]+)\" | stats count BY user, what",
        "rex \"for (?<who>\\S+) from (?<ip>[0-9.]+) port\" | top who, ip",
        "rex \"bytes=(?<bytes>\\d)\" | stats sum(bytes) AS s BY host",
        "transaction user maxpause=1m | table _time user duration eventcount closed_txn field_match_sum linecount",
        "transaction user maxspan=90s | stats count, sum(eventcount) AS e, sum(duration) AS d",
        "transaction host maxevents=3 maxpause=2m | table host duration eventcount closed_txn",
        "transaction status maxpause=30s maxspan=2m | stats count, max(eventcount) AS e BY status, closed_txn",
        "transaction nope maxpause=1m | stats count",
        "join user [ search * | stats count AS seen, sum(bytes) AS weight BY user ] | stats count, sum(seen) AS s, sum(weight) AS w, avg(bytes) AS b",
        "join user [ search * | stats count AS seen BY user ] | stats count, sum(seen) AS s BY host",
        "join user [ search bytes>700 | table user, status ] | stats count, sum(bytes) AS b BY status",
        "join max=3 user [ search * | table user, took ] | stats count, sum(took) AS t, sum(bytes) AS b BY user",
        "join max=2 user, host [ search * | table user, host, ip ] | stats count BY ip",
        "join user [ search * | stats count AS seen BY user ] | stats count",
        "join user [ search * | stats count AS seen BY user ] | timechart span=2m count",
        "join user [ search * | stats count AS seen BY user ] | top user",
    ]);
    let search = prop_oneof![1 => Just("*".to_owned()), 1 => search()];
    (bounds(), search, commands).prop_map(|(bounds, search, commands)| format!("{bounds}{search} | {commands}"))
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![3 => pipeline(), 1 => from_columns()]
}

fn pipeline() -> impl Strategy<Value = String> {
    (
        bounds(),
        search(),
        proptest::collection::vec(step(), 0..4),
        proptest::option::weighted(0.6, table()),
        proptest::option::weighted(0.2, step()),
    )
        .prop_map(|(bounds, search, steps, table, last)| {
            let mut parts = vec![format!("{bounds}{search}")];
            parts.extend(steps);
            parts.extend(table);
            parts.extend(last);
            parts.join(" | ")
        })
}

/// The events in a store: some in one merged or several segments, the last ones in memory.
fn stored(events: &[Event], cuts: &[usize]) -> Place {
    let place = Place::new();
    let mut from = 0;
    for cut in cuts.iter().map(|cut| cut % (events.len() + 1)).chain([events.len()]) {
        if cut <= from {
            continue;
        }
        append(&place, &events[from..cut]);
        if cut < events.len() {
            place.store.flush().expect("it is flushed");
        }
        from = cut;
    }
    if cuts.first().is_some_and(|cut| cut % 2 == 0) {
        while place.store.upkeep().expect("it is kept up") {}
    }
    place
}

fn append(place: &Place, events: &[Event]) {
    let mut batch = EventBatch::new(super::cases::NOW);
    for event in events {
        let origin = Origin {
            index: "main".into(),
            host: event.host.into(),
            source: "/var/log/test".into(),
            sourcetype: event.sourcetype.into(),
            transport: "import".into(),
            peer: "".into(),
        };
        let number = batch.origin(&origin);
        batch.push(number, Timestamp::from_seconds(event.time), Problems::NONE, event.line.as_bytes());
    }
    place.store.append_blocking(batch).expect("it is appended");
}

/// The events as rows with all their fields.
fn given(events: &[Event]) -> GivenSource {
    let formats = Formats::new();
    let objects: Vec<Map<String, Value>> = events
        .iter()
        .map(|event| {
            let mut object = Map::new();
            object.insert("_time".into(), Value::from(event.time));
            object.insert("_raw".into(), Value::from(event.line.as_str()));
            for (name, value) in [("index", "main"), ("host", event.host), ("source", "/var/log/test"), ("sourcetype", event.sourcetype)] {
                object.insert(name.into(), Value::from(value));
            }
            for (name, value) in formats.fields_of_event(event.sourcetype, event.line.as_bytes()) {
                object.entry(name).or_insert(Value::from(value));
            }
            object
        })
        .collect();
    GivenSource::of_json(&objects, EvalContext::new(super::cases::NOW, jiff::tz::TimeZone::UTC)).expect("the rows make columns")
}

type Answer = Result<Vec<Map<String, Value>>, String>;

async fn optimised(place: &Place, query: &str) -> Answer {
    let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    let mut found = Vec::new();
    let mut messages = Box::pin(place.engine.search(request).await.map_err(|error| error.message)?);
    while let Some(message) = messages.next().await {
        match message {
            SearchMessage::Rows { preview: false, rows, .. } => found.extend(rows),
            SearchMessage::Error { error } => return Err(error.message),
            _ => {}
        }
    }
    Ok(found)
}

async fn plainly(source: &Arc<dyn Source>, query: &str) -> Answer {
    let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    let outcome = over(source, &request, super::cases::NOW, Arc::default(), Knowledge::none()).await;
    outcome.map(|outcome| outcome.rows).map_err(|error| error.message)
}

/// Without what only a store knows.
fn shown(row: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut shown: Vec<_> =
        row.iter().filter(|(name, _)| !matches!(name.as_str(), "_indextime" | "_sequence" | "_pattern" | "_problems")).collect();
    shown.sort_by_key(|(name, _)| *name);
    shown
}

/// Sums of fractions depend on their order in the last digits.
fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => {
            let (one, two) = (one.as_f64().unwrap_or(f64::NAN), two.as_f64().unwrap_or(f64::NAN));
            one == two || (one - two).abs() <= 1e-9 * one.abs().max(two.abs()).max(1e-3)
        }
        _ => one == two,
    }
}

fn agree(one: &Answer, two: &Answer) -> bool {
    match (one, two) {
        (Ok(one), Ok(two)) => {
            one.len() == two.len()
                && one.iter().zip(two).all(|(one, two)| {
                    let (one, two) = (shown(one), shown(two));
                    one.len() == two.len() && one.iter().zip(&two).all(|(one, two)| one.0 == two.0 && same(one.1, two.1))
                })
        }
        (one, two) => one == two,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, ..ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64))
    })]
    #[test]
    fn optimised_and_naive_execution_agree(
        events in proptest::collection::vec(event(), 1..120),
        cuts in proptest::collection::vec(0..120usize, 0..4),
        queries in proptest::collection::vec(query(), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let place = stored(&events, &cuts);
        let plain: Arc<dyn Source> = Arc::new(Plain(given(&events)));
        for query in queries {
            let quick = runtime.block_on(optimised(&place, &query));
            let slow = runtime.block_on(plainly(&plain, &query));
            prop_assert!(agree(&quick, &slow), "{}\n optimised: {:#?}\n naive: {:#?}", query, quick, slow);
        }
    }
}
