//! Compares long configurations and many hosts, and prints how long it takes.
//!
//! `cargo bench -p taffrail-query --profile demo --bench diff`
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use taffrail_event::Timestamp;
use taffrail_query::engine::over;
use taffrail_query::eval::EvalContext;
use taffrail_query::source::{GivenSource, Source};
use taffrail_query::text::diff::{Split, Style, changes, number, render};
use taffrail_query::{Knowledge, SearchRequest};

/// A configuration of so many lines; every seventh is the same in all places.
fn configuration(lines: usize, edits: &[usize]) -> String {
    let mut out = String::new();
    for line in 0..lines {
        let edited = if edits.contains(&line) { "edited " } else { "" };
        let _ = match line % 7 {
            0 => writeln!(out, "{edited}!"),
            _ => writeln!(out, "{edited}interface Ethernet{line} vlan {}", line % 40),
        };
    }
    out
}

/// The shortest of several runs, in milliseconds.
fn best(mut work: impl FnMut()) -> f64 {
    let times = (0..9).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

fn main() {
    let (old, new) = (configuration(10_000, &[]), configuration(10_000, &[100, 5_000, 9_990]));
    let time = best(|| {
        let (old, new) = (Split::plain(&old), Split::plain(&new));
        let (old_numbers, new_numbers) = number(&old, &new);
        let text = render(
            Style::Unified,
            &old,
            &new,
            &changes(&old_numbers, &new_numbers, &taffrail_base::Stop::never()).expect("nothing stops it"),
        );
        assert_eq!(text.matches("edited").count(), 3);
    });
    println!("10,000 lines with 3 edits: {time:.2} ms");

    let hosts: Vec<_> = (0..500)
        .map(|host| {
            let edits: &[usize] = if host % 70 == 69 { &[20, 400] } else { &[] };
            let mut object = serde_json::Map::new();
            object.insert("host".to_owned(), format!("host{host}").into());
            object.insert("_raw".to_owned(), configuration(1_000, edits).into());
            object
        })
        .collect();
    let now = Timestamp::from_seconds(1_795_262_400);
    let source = GivenSource::of_json(&hosts, EvalContext::new(now, jiff::tz::TimeZone::UTC)).expect("rows");
    let source: Arc<dyn Source> = Arc::new(source);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for query in ["* | mdiff", "* | mdiff ignore=\"vlan \\d+\" normalize=ios"] {
        let time = best(|| {
            let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
            let outcome = runtime.block_on(over(&source, &request, now, Arc::default(), Knowledge::none())).expect("an outcome");
            assert_eq!(outcome.rows[0]["count"], 7);
        });
        println!("500 hosts of 1,000 lines, `{query}`: {time:.0} ms");
    }
}
