//! Answers that need no rows: counts, histograms, patterns, names of fields.

use super::filter::SegmentScan;
use super::plan::Scan;
use super::select::Selection;
use super::times::{Found, Wanted, chunks, extremes};
use super::{Buckets, PatternCount};
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_event::Timestamp;
use taffrail_pattern::Pattern;

impl Buckets {
    /// The bucket of a time, if it lies in one.
    pub fn of(&self, time: i64) -> Option<usize> {
        let offset = u64::try_from(i128::from(time) - i128::from(self.start.nanos())).ok()?;
        usize::try_from(offset / self.span_nanos.max(1).unsigned_abs()).ok().filter(|bucket| *bucket < self.count)
    }
}

impl Scan {
    /// Calls `work` with each segment and what matches in it; `whole`: it reads events, not only times. Where stored
    /// bytes are damaged, `work` is called again, so what it counts has to be kept apart until it is done.
    pub(super) fn each(&self, whole: bool, mut work: impl FnMut(&SegmentScan<'_>, &[Selection]) -> Result<()>) -> Result<()> {
        for number in 0..self.shared.segments.len() {
            self.shared.on_segment(number, whole, |scan, selections| work(scan, selections))?;
        }
        Ok(())
    }

    /// The number of matching events; builds no rows.
    pub fn count(&self) -> Result<u64> {
        let mut total = 0;
        self.each(false, |scan, selections| {
            let patterns = &scan.segment().footer().events.patterns;
            total += selections.iter().zip(patterns).map(|(s, p)| s.count(p.rows as usize) as u64).sum::<u64>();
            Ok(())
        })?;
        Ok(total)
    }

    /// Matching events per bucket; those outside of all buckets are not counted.
    pub fn histogram(&self, buckets: Buckets) -> Result<Vec<u64>> {
        let end = i128::from(buckets.start.nanos()) + i128::from(buckets.span_nanos.max(1)) * buckets.count as i128;
        self.histogram_by(buckets.count, i128::from(buckets.start.nanos())..end, &|time| buckets.of(time))
    }

    /// Matching events between each bound and the next; the bounds ascend.
    pub fn histogram_between(&self, bounds: &[Timestamp]) -> Result<Vec<u64>> {
        let count = bounds.len().saturating_sub(1);
        let of = |time: i64| bounds.partition_point(|bound| bound.nanos() <= time).checked_sub(1).filter(|at| *at < count);
        let range = bounds.first().zip(bounds.last()).map_or(0..0, |(first, last)| first.nanos().into()..last.nanos().into());
        self.histogram_by(count, range, &of)
    }

    /// `of` puts later times into later buckets: a chunk of rows whose first and last time are in one bucket is.
    fn histogram_by(&self, count: usize, range: Range<i128>, of: &dyn Fn(i64) -> Option<usize>) -> Result<Vec<u64>> {
        let mut total = vec![0; count];
        if count == 0 {
            return Ok(total);
        }
        self.each(false, |scan, selections| {
            let mut want = |least: i64, greatest: i64| match (of(least), of(greatest)) {
                (Some(a), Some(b)) if a == b => Wanted::Number,
                _ if i128::from(greatest) < range.start || i128::from(least) >= range.end => Wanted::Nothing,
                _ => Wanted::Times,
            };
            let mut counts = vec![0; count];
            chunks(scan, selections, &mut want, &mut |(least, _), found| match found {
                Found::Number(rows) => counts[of(least).unwrap_or(0)] += rows,
                Found::Row { time, .. } => {
                    if let Some(bucket) = of(time) {
                        counts[bucket] += 1;
                    }
                }
            })?;
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            Ok(())
        })?;
        Ok(total)
    }

    /// The earliest and latest time of matching events; `None` when nothing matches.
    pub fn time_range(&self) -> Result<Option<(Timestamp, Timestamp)>> {
        let mut range: Option<(i64, i64)> = None;
        self.each(false, |scan, selections| {
            let widened =
                |range: Option<(i64, i64)>, first: i64, last: i64| Some(range.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
            let meta = scan.segment().meta();
            if selections.iter().all(|s| *s == Selection::All) {
                range = widened(range, meta.min_time.nanos(), meta.max_time.nanos());
                return Ok(());
            }
            range = extremes(scan, selections, range)?;
            Ok(())
        })?;
        Ok(range.map(|(first, last)| (Timestamp(first), Timestamp(last))))
    }

    /// The patterns of the matching events, most frequent first.
    pub fn patterns(&self, buckets: Option<Buckets>) -> Result<Vec<PatternCount>> {
        let mut found: FxHashMap<(Arc<Pattern>, Arc<str>), PatternCount> = FxHashMap::default();
        self.each(true, |scan, selections| {
            let metas = &scan.segment().footer().events.patterns;
            let mut here: Vec<Option<PatternCount>> = vec![None; metas.len()];
            for (number, (selection, meta)) in selections.iter().zip(metas).enumerate() {
                let rows = meta.rows as usize;
                let Some(at) = selection.iter(rows).next() else { continue };
                let mut sample = Vec::new();
                scan.cursor(number).render(at, &mut sample)?;
                here[number] = Some(PatternCount {
                    pattern: meta.pattern.clone(),
                    sourcetype: scan.segment().sourcetype(meta.class).clone(),
                    count: selection.count(rows) as u64,
                    buckets: vec![0; buckets.map_or(0, |b| b.count)],
                    first: Timestamp::MAX,
                    last: Timestamp::MIN,
                    sample,
                });
            }
            each_time(scan, selections, |pattern, time| {
                let Some(count) = &mut here[pattern] else { return };
                count.first = count.first.min(Timestamp(time));
                count.last = count.last.max(Timestamp(time));
                if let Some(bucket) = buckets.and_then(|b| b.of(time)) {
                    count.buckets[bucket] += 1;
                }
            })?;
            for one in here.into_iter().flatten() {
                let key = (one.pattern.clone(), one.sourcetype.clone());
                match found.get_mut(&key) {
                    Some(known) => known.add(&one),
                    None => {
                        found.insert(key, one);
                    }
                }
            }
            Ok(())
        })?;
        let mut found: Vec<PatternCount> = found.into_values().collect();
        found.sort_by_cached_key(|one| (std::cmp::Reverse(one.count), one.pattern.key()));
        Ok(found)
    }

    /// The names of all fields that the matching events can have, with the number of matching events whose
    /// pattern has them, most frequent first.
    pub fn field_names(&self) -> Result<Vec<(String, u64)>> {
        let mut names: FxHashMap<String, u64> = FxHashMap::default();
        let resolver = self.shared.request.resolver.clone();
        self.each(true, |scan, selections| {
            let mut here: FxHashMap<String, u64> = FxHashMap::default();
            for (number, (selection, meta)) in selections.iter().zip(&scan.segment().footer().events.patterns).enumerate() {
                let sourcetype = scan.segment().sourcetype(meta.class);
                if *selection == Selection::None {
                    continue;
                }
                let held = SegmentScan::held(meta);
                if !resolver.fields_vary(sourcetype, &meta.pattern, &held) {
                    let count = selection.count(meta.rows as usize) as u64;
                    for (name, _) in resolver.fields(sourcetype, &meta.pattern, &held) {
                        *here.entry(name).or_default() += count;
                    }
                    continue;
                }
                if let Some(fields) = scan.guarded_fields(number, &held)? {
                    let count = selection.count(meta.rows as usize) as u64;
                    fields.into_iter().for_each(|(name, _)| *here.entry(name).or_default() += count);
                    continue;
                }
                let mut line = Vec::new();
                for at in selection.iter(meta.rows as usize) {
                    line.clear();
                    scan.cursor(number).render(at, &mut line)?;
                    for (name, _) in resolver.fields_of_event(sourcetype, &line) {
                        *here.entry(name).or_default() += 1;
                    }
                }
            }
            here.into_iter().for_each(|(name, count)| *names.entry(name).or_default() += count);
            Ok(())
        })?;
        let mut names: Vec<(String, u64)> = names.into_iter().collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(names)
    }
}

impl PatternCount {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(a, b)| *a += b);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Calls `each` with pattern and time of every selected event.
fn each_time(scan: &SegmentScan<'_>, selections: &[Selection], mut each: impl FnMut(usize, i64)) -> Result<()> {
    chunks(scan, selections, &mut |_, _| Wanted::Times, &mut |_, found| {
        if let Found::Row { pattern, time } = found {
            each(pattern, time);
        }
    })
}
