//! Events over time, in spans that people read.

use super::prepare;
use crate::columns::Values;
use crate::commands::{Required, blocking, column_index};
use crate::engine::Engine;
use crate::language::QueryError;
use crate::source::Source;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use taffrail_base::limits::TIME_BUCKETS_MAX;
use taffrail_event::Timestamp;
use taffrail_store::scan::Buckets;

/// Events over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Start of the first bucket.
    pub earliest: String,
    /// End of the last.
    pub latest: String,
    /// Seconds of each.
    pub span_seconds: f64,
    /// The buckets, without gaps.
    pub buckets: Vec<TimelineBucket>,
    /// Events in all of them.
    pub total: u64,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineBucket {
    /// Its start.
    pub time: String,
    /// Events in it.
    pub count: u64,
}

/// Seconds of the spans that a timeline chooses from.
const SPANS: [f64; 28] = [
    0.001,
    0.01,
    0.1,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
    7_776_000.0,
    31_536_000.0,
];

/// The shortest of the usual spans that makes at most `buckets` of the range, in nanoseconds.
pub fn nice_span(start: Timestamp, end: Timestamp, buckets: usize) -> i64 {
    let range = (end.seconds_f64() - start.seconds_f64()).max(0.001);
    let fits = |span: &&f64| range / **span <= buckets as f64;
    let last = SPANS[SPANS.len() - 1];
    let seconds = SPANS.iter().find(fits).copied().unwrap_or_else(|| (range / buckets as f64 / last).ceil() * last);
    (seconds * 1e9) as i64
}

/// Counts events over time.
pub async fn timeline(
    engine: &Engine,
    query: &str,
    earliest: Option<&str>,
    latest: Option<&str>,
    buckets: usize,
) -> Result<Timeline, QueryError> {
    let wanted = buckets.clamp(1, TIME_BUCKETS_MAX);
    let mut prepared = prepare(engine, query, earliest, latest)?;
    let source: Arc<dyn Source> = Arc::new(engine.source());
    let opened = prepared.open(&source, Required::of(["_time"]), None).await?;
    let plain = prepared.query.rest().is_empty();
    let (from, to) = match (prepared.earliest, prepared.latest) {
        (Some(from), Some(to)) if from > Timestamp::from_seconds(0) => (from, to),
        (from, to) => {
            let range = opened.data_range.clone();
            let Some((first, last)) = blocking(move || range()).await? else { return Ok(empty(from, to, engine.now())) };
            let from = from.filter(|from| *from > Timestamp::from_seconds(0));
            let after_last = Timestamp(last.nanos().saturating_add(1));
            // "The last 24 hours" end now, not with the last match; clocks ahead of ours are shown too.
            let open_end = if from.is_some() { after_last.max(engine.now()) } else { after_last };
            (from.unwrap_or(first), to.unwrap_or(open_end))
        }
    };
    let span = nice_span(from, to, wanted);
    let start = from.nanos().div_euclid(span) * span;
    let count = usize::try_from((i128::from(to.nanos()) - i128::from(start) + i128::from(span) - 1) / i128::from(span)).unwrap_or(1).max(1);
    let shape = Buckets { start: Timestamp(start), span_nanos: span, count };
    let spans = match (&opened.direct, plain) {
        (Some(direct), true) => {
            let direct = direct.clone();
            blocking(move || direct.spans(span, count)).await?
        }
        _ => None,
    };
    let counts: Vec<u64> = match spans {
        Some(spans) => (start / span..).take(count).map(|number| spans.get(&number).copied().unwrap_or(0)).collect(),
        None => counted(prepared.plan(&opened).await?, shape, &prepared.planner).await?,
    };
    let at = |number: usize| Timestamp(start.saturating_add(span.saturating_mul(number as i64))).to_string();
    Ok(Timeline {
        earliest: at(0),
        latest: at(counts.len()),
        span_seconds: span as f64 / 1e9,
        total: counts.iter().sum(),
        buckets: counts.iter().enumerate().map(|(number, count)| TimelineBucket { time: at(number), count: *count }).collect(),
    })
}

/// Counts the rows of a plan by their time.
async fn counted(flow: crate::exec::Flow, shape: Buckets, planner: &crate::commands::Planner) -> Result<Vec<u64>, QueryError> {
    let mut counts = vec![0; shape.count];
    let mut batches = flow.stream(planner.context.clone())?;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let Some(at) = column_index(&batch.schema(), "_time") else { break };
        if let Values::Time(times) = Values::of(batch.column(at))? {
            times.iter().flatten().filter_map(|time| shape.of(time)).for_each(|bucket| counts[bucket] += 1);
        }
    }
    Ok(counts)
}

fn empty(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Timeline {
    let (from, to) = (from.unwrap_or(now), to.unwrap_or(now));
    Timeline { earliest: from.to_string(), latest: to.to_string(), span_seconds: 1.0, buckets: Vec::new(), total: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_those_that_people_read() {
        let span = |seconds: i64, buckets| nice_span(Timestamp(0), Timestamp::from_seconds(seconds), buckets) / 1_000_000_000;
        assert_eq!(span(3600, 120), 30);
        assert_eq!(span(86_400, 120), 900);
        assert_eq!(span(7 * 86_400, 120), 7200);
        assert_eq!(span(365 * 86_400, 120), 604_800);
        assert_eq!(span(200 * 31_536_000, 10), 20 * 31_536_000);
    }
}
