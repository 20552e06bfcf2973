//! The patterns of a result: each once, with its count, share and trend.

use super::prepare;
use crate::commands::{Required, blocking};
use crate::engine::Engine;
use crate::language::QueryError;
use crate::pipeline::Query;
use crate::source::Source;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use taffrail_base::limits::PATTERN_MEMBERS_MAX;
use taffrail_event::Timestamp;
use taffrail_pattern::{Pattern, mine};
use taffrail_store::scan::{Buckets, PatternCount};

/// Buckets of a trend.
const TREND: usize = 24;

/// The patterns of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatternSummary {
    /// Events of the result.
    pub events: u64,
    /// Its patterns, most frequent first.
    pub patterns: Vec<PatternEntry>,
}

/// A pattern of a result; what differs only in a word or two is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatternEntry {
    /// Its identity: sixteen hexadecimal digits.
    pub id: String,
    /// What its events have in `_pattern`: the patterns that it stands for, most frequent first, at most
    /// `PATTERN_MEMBERS_MAX` of them.
    #[serde(default)]
    pub members: Vec<String>,
    /// Its text, with `<*>` where it varies.
    pub text: String,
    /// The sourcetype of its events.
    pub sourcetype: String,
    /// Its events.
    pub count: u64,
    /// Its part of the result, 0 to 1.
    pub share: f64,
    /// Events in each twenty-fourth of the time range.
    pub trend: Vec<u64>,
    /// The earliest event's time.
    pub first: String,
    /// The latest event's time.
    pub last: String,
    /// One of its events.
    pub sample: String,
}

/// Finds the patterns. Commands other than `search` would need every row: they are refused, not ignored.
pub async fn patterns(engine: &Engine, query: &str, earliest: Option<&str>, latest: Option<&str>) -> Result<PatternSummary, QueryError> {
    let mut prepared = prepare(engine, query, earliest, latest)?;
    check(&prepared.query)?;
    prepared.resolve(&(Arc::new(engine.source()) as Arc<dyn Source>)).await?;
    if prepared.asks_rows() {
        let error = QueryError::new("patterns cannot be told of a search for fields that are computed or looked up");
        return Err(error.with_hint("leave that condition out, or look at the events"));
    }
    prepared.wanted.required = Required::default();
    prepared.wanted.ordered = false;
    let source = engine.source();
    let found = {
        let (ranged, scan) = (source.scan(&prepared.wanted, Vec::new(), None), source.scan(&prepared.wanted, Vec::new(), None));
        let (from, to) = (prepared.earliest, prepared.latest);
        blocking(move || {
            let range = match (from, to) {
                (Some(from), Some(to)) if from > Timestamp::from_seconds(0) => Some((from, to)),
                _ => ranged.time_range()?.map(|(first, last)| (first, Timestamp(last.nanos().saturating_add(1)))),
            };
            let Some((from, to)) = range else { return Ok(Vec::new()) };
            let width = i128::from(to.nanos()) - i128::from(from.nanos());
            let span_nanos = i64::try_from((width + TREND as i128 - 1) / TREND as i128).unwrap_or(i64::MAX).max(1);
            scan.patterns(Some(Buckets { start: from, span_nanos, count: TREND }))
        })
        .await?
    };
    Ok(merged(&found))
}

/// The rows that commands drop are not known to the patterns.
fn check(query: &Query) -> Result<(), QueryError> {
    let filters = query.rest().iter().find(|(command, _)| matches!(command.name(), "where" | "search"));
    match filters {
        None => Ok(()),
        Some((command, span)) => {
            let error = QueryError::at(*span, format!("patterns cannot be told of what `{}` lets through here", command.name()));
            Err(error.with_hint("put the condition into the search at the beginning, or look at the events"))
        }
    }
}

fn merged(found: &[PatternCount]) -> PatternSummary {
    let events: u64 = found.iter().map(|one| one.count).sum();
    let mut sourcetypes: Vec<&str> = found.iter().map(|one| &*one.sourcetype).collect();
    sourcetypes.sort_unstable();
    sourcetypes.dedup();
    let mut patterns = Vec::new();
    for sourcetype in sourcetypes {
        let members: Vec<&PatternCount> = found.iter().filter(|one| &*one.sourcetype == sourcetype).collect();
        let plain: Vec<&Pattern> = members.iter().map(|one| &*one.pattern).collect();
        let (target, merged) = mine::merge(&plain);
        for (number, pattern) in merged.iter().enumerate() {
            let of_it = members.iter().zip(&target).filter(|(_, target)| **target == number).map(|(member, _)| *member);
            patterns.extend(entry(pattern, sourcetype, &of_it.collect::<Vec<_>>(), events));
        }
    }
    patterns.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
    PatternSummary { events, patterns }
}

fn entry(pattern: &Pattern, sourcetype: &str, members: &[&PatternCount], events: u64) -> Option<PatternEntry> {
    let largest = members.iter().max_by_key(|member| member.count)?;
    let mut by_count = members.to_vec();
    by_count.sort_by_key(|member| std::cmp::Reverse(member.count));
    let mut ids: Vec<String> = Vec::new();
    for id in by_count.iter().map(|member| member.pattern.id().to_string()) {
        if ids.len() < PATTERN_MEMBERS_MAX && !ids.contains(&id) {
            ids.push(id);
        }
    }
    let count: u64 = members.iter().map(|member| member.count).sum();
    let mut trend = vec![0; TREND];
    for member in members {
        trend.iter_mut().zip(&member.buckets).for_each(|(sum, count)| *sum += count);
    }
    Some(PatternEntry {
        id: pattern.id().to_string(),
        members: ids,
        text: pattern.to_string(),
        sourcetype: sourcetype.to_owned(),
        count,
        share: count as f64 / events.max(1) as f64,
        trend,
        first: members.iter().map(|member| member.first).min()?.to_string(),
        last: members.iter().map(|member| member.last).max()?.to_string(),
        sample: String::from_utf8_lossy(&largest.sample).into_owned(),
    })
}
