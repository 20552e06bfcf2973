//! How queries run, as an explanation tells it.

use super::stored::Place;
use taffrail_query::SearchRequest;
use taffrail_query::engine::Explanation;

fn place() -> Place {
    let place = Place::new();
    for (hour, index) in [(10, "main"), (11, "main"), (12, "other")] {
        let lines: Vec<String> =
            (0..20).map(|at| format!("{{\"status\": \"{}\", \"n\": \"{at}\"}}", if at % 5 == 0 { 500 } else { 200 })).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        // Hours of 2026-11-21.
        place.append(index, "json", 1_795_219_200 + hour * 3_600, &lines);
        place.store.flush().expect("it is flushed");
    }
    place
}

async fn explained(place: &Place, query: &str, analyze: bool) -> Explanation {
    let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    place.engine.explain(request, analyze).await.unwrap_or_else(|error| panic!("{}", error.render(query)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_a_search_and_what_they_need() {
    let place = place();
    let told = explained(&place, "status=500 | search n>3 | eval m=n*2 | stats sum(m) AS total by host | sort -total", false).await;
    let runs: Vec<&str> = told.steps.iter().map(|step| step.runs.as_str()).collect();
    assert_eq!(runs, ["store", "streaming", "transforming", "transforming"]);
    assert_eq!(told.steps[1].needs, ["host", "n"]);
    assert_eq!(told.scans[0].fields, ["host", "n"]);
    assert!(told.plan.is_empty() && told.ran.is_none(), "it was not asked to be run");
    let again = explained(&place, &told.query, false).await;
    assert_eq!(again.steps, told.steps, "{} is what is understood", told.query);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_that_are_left_out_and_why() {
    let place = place();
    let scan =
        explained(&place, "earliest=2026-11-21T11:00:00Z latest=2026-11-21T13:00:00Z index=main status=500", false).await.scans.remove(0);
    assert_eq!((scan.segments, scan.left_out_by_time, scan.left_out_by_origin, scan.kept), (3, 1, 1, 1));
    let segment = &scan.looked_into[0];
    assert_eq!((segment.index.as_str(), segment.events, segment.matched), ("main", 20, 4));
    assert_eq!(segment.patterns_some, 1, "{segment:?}");
    let scan = explained(&place, "nowhere", false).await.scans.remove(0);
    assert_eq!((scan.kept, scan.left_out_by_filter), (3, 3));
    assert!(scan.looked_into.iter().all(|segment| segment.patterns_all + segment.patterns_some == 0));
    assert!(explained(&place, "| makeresults", false).await.scans.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_running_gave() {
    let place = place();
    let told = explained(&place, "status=500 | eval m=n*2 | table m", true).await;
    let ran = told.ran.expect("it was run");
    assert_eq!((ran.rows, ran.events_matched, ran.events_scanned), (12, 12, 60));
    assert!(told.plan.iter().any(|node| node.node.contains("scan") && node.rows == Some(12)), "{:?}", told.plan);
    assert!(told.plan.iter().filter(|node| node.rows.is_some()).all(|node| node.elapsed_ms.is_some()));
    let error = place.engine.explain(SearchRequest { query: "* | outputlookup x".into(), ..SearchRequest::default() }, true).await;
    assert!(error.expect_err("it writes").message.contains("writes"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_explained_too() {
    let place = place();
    let engine = place.engine.in_sql();
    let query = "SELECT n FROM events WHERE status = 500 AND _time >= '2026-11-21 11:00:00' ORDER BY _time DESC LIMIT 5";
    let request = |query: &str| SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    let told = engine.explain(request(query), true).await.unwrap_or_else(|error| panic!("{}", error.render(query)));
    let scan = &told.scans[0];
    assert_eq!((scan.left_out_by_time, scan.kept, scan.limit, scan.newest_first), (1, 2, Some(5), true));
    assert_eq!(told.ran.as_ref().map(|ran| ran.rows), Some(5));
    assert!(told.plan.iter().any(|node| node.node.contains("EventsExec") && node.node.contains("conditions=1")), "{:?}", told.plan);
    let counted = engine.explain(request("SELECT count(*) FROM events WHERE status = 500"), false).await.expect("it is explained");
    assert!(counted.plan.iter().any(|node| node.node.starts_with("CountsExec")), "{:?}", counted.plan);
}
