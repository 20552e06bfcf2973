//! Event times of matching rows: chunk by chunk of the arrival order, from the ranges of their times where these
//! are enough, and newest first as far as anybody asks.

use super::filter::SegmentScan;
use super::rows::Hit;
use super::select::Selection;
use crate::segment::decode::Codes;
use crate::segment::meta::ZONE_ROWS;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use taffrail_base::{Error, Result};

/// What is wanted of a chunk of rows whose times lie in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// How many of its rows match.
    Number,
    /// The time of each row that matches.
    Times,
}

/// What a chunk has.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// So many matching rows, whose times lie in the chunk's range.
    Number(u64),
    /// A matching row of a pattern, with its time.
    Row {
        /// The pattern's number.
        pattern: usize,
        /// The event's time.
        time: i64,
    },
}

/// The rows of a segment in arrival order, with the place of each within its pattern.
pub struct Arrival<'s> {
    codes: Codes,
    selections: &'s [Selection],
    rows: usize,
    /// The row that comes next.
    at: usize,
    /// For each pattern: its rows so far.
    next: Vec<u32>,
    /// How many rows each pattern has.
    ends: Vec<u32>,
    name: String,
}

impl<'s> Arrival<'s> {
    /// Before the first row.
    pub fn new(scan: &SegmentScan<'_>, selections: &'s [Selection]) -> Result<Self> {
        let node = &scan.segment().footer().events;
        let codes = Codes::new(scan.blocks, node)?;
        let ends = node.patterns.iter().map(|pattern| pattern.rows).collect();
        let (rows, name) = (node.rows as usize, scan.blocks.name().to_owned());
        Ok(Self { codes, selections, rows, at: 0, next: vec![0; selections.len()], ends, name })
    }

    /// Goes on to row `to`; `each` gets the matching rows: row, pattern, and the row among the pattern's.
    fn go(&mut self, from: usize, to: usize, mut each: impl FnMut(usize, usize, u32)) -> Result<()> {
        let mut wrong = false;
        let mut row = from;
        let (next, selections, ends) = (&mut self.next, self.selections, &self.ends);
        self.codes.each(from, to, |pattern| {
            match (next.get_mut(pattern), selections.get(pattern)) {
                (Some(at), Some(selection)) if *at < ends[pattern] => {
                    match selection {
                        Selection::None => {}
                        Selection::All => each(row, pattern, *at),
                        Selection::Some(bits) => {
                            if bits.holds(*at as usize) {
                                each(row, pattern, *at);
                            }
                        }
                    }
                    *at += 1;
                }
                _ => wrong = true,
            }
            row += 1;
        });
        self.at = row;
        if wrong { Err(Error::corrupt(&self.name, "rows in order do not fit the patterns")) } else { Ok(()) }
    }

    /// The number of rows of `from` to `to` whose pattern matches, where patterns match as a whole.
    fn count(&self, whole: &[u8], from: usize, to: usize) -> u64 {
        let mut count = 0u64;
        self.codes.each(from, to, |pattern| count += u64::from(whole.get(pattern).copied().unwrap_or(0)));
        count
    }
}

/// Goes through a segment chunk by chunk; `want` says by the range of a chunk's times what is wanted of it.
pub fn chunks(
    scan: &SegmentScan<'_>,
    selections: &[Selection],
    want: &mut dyn FnMut(i64, i64) -> Wanted,
    found: &mut dyn FnMut((i64, i64), Found),
) -> Result<()> {
    if selections.iter().all(|selection| *selection == Selection::None) {
        return Ok(());
    }
    let zones = scan.blocks.zones()?;
    let rows = scan.segment().footer().events.rows as usize;
    let everything = selections.iter().all(|selection| *selection == Selection::All);
    let in_parts = selections.iter().any(|selection| matches!(selection, Selection::Some(_)));
    let whole: Vec<u8> = selections.iter().map(|selection| u8::from(*selection == Selection::All)).collect();
    let mut arrival: Option<Arrival<'_>> = None;
    for (chunk, (least, greatest)) in zones.least.iter().zip(&zones.greatest).enumerate() {
        let (from, to) = (chunk * ZONE_ROWS, ((chunk + 1) * ZONE_ROWS).min(rows));
        let range = (*least, *greatest);
        let wanted = want(*least, *greatest);
        match wanted {
            Wanted::Number if everything => {
                found(range, Found::Number((to - from) as u64));
                continue;
            }
            Wanted::Nothing if !in_parts => continue,
            _ => {}
        }
        if arrival.is_none() {
            arrival = Some(Arrival::new(scan, selections)?);
        }
        let arrival = arrival.as_mut().expect("just made");
        match wanted {
            Wanted::Number if !in_parts => found(range, Found::Number(arrival.count(&whole, from, to))),
            Wanted::Number => {
                let mut count = 0;
                arrival.go(from, to, |_, _, _| count += 1)?;
                found(range, Found::Number(count));
            }
            Wanted::Nothing => arrival.go(from, to, |_, _, _| {})?,
            Wanted::Times => {
                let times = scan.blocks.times_between(from, to)?;
                arrival.go(from, to, |row, pattern, _| found(range, Found::Row { pattern, time: times[row - from] }))?;
            }
        }
    }
    Ok(())
}

/// The `limit` newest matching rows, newest first (the later arrived first where times are equal). Rows older than
/// `oldest` need not be found.
pub fn newest(scan: &SegmentScan<'_>, selections: &[Selection], limit: usize, oldest: Option<i64>) -> Result<Vec<Hit>> {
    if limit == 0 || selections.iter().all(|selection| *selection == Selection::None) {
        return Ok(Vec::new());
    }
    let zones = scan.blocks.zones()?;
    let rows = scan.segment().footer().events.rows as usize;
    let mut order: Vec<usize> = (0..zones.least.len()).collect();
    order.sort_unstable_by_key(|chunk| Reverse((zones.greatest[*chunk], *chunk)));
    let mut arrival = Arrival::new(scan, selections)?;
    let mut best: BinaryHeap<Reverse<Hit>> = BinaryHeap::new();
    for chunk in order {
        let latest = zones.greatest[chunk];
        let full = best.len() >= limit;
        if full && best.peek().is_some_and(|Reverse(worst)| latest < worst.time) || oldest.is_some_and(|oldest| latest < oldest) {
            break;
        }
        let (from, to) = (chunk * ZONE_ROWS, ((chunk + 1) * ZONE_ROWS).min(rows));
        arrival.seek(chunk)?;
        let mut here: Vec<(usize, usize, u32)> = Vec::new();
        arrival.go(from, to, |row, pattern, at| here.push((row, pattern, at)))?;
        if here.is_empty() {
            continue;
        }
        let times = scan.blocks.times_between(from, to)?;
        for (row, pattern, at) in here {
            let hit = Hit { time: times[row - from], row: row as u32, pattern: pattern as u32, at };
            if best.len() < limit {
                best.push(Reverse(hit));
            } else if best.peek().is_some_and(|Reverse(worst)| *worst < hit) {
                best.pop();
                best.push(Reverse(hit));
            }
        }
    }
    Ok(best.into_sorted_vec().into_iter().map(|Reverse(hit)| hit).collect())
}

/// The earliest and the latest time of matching rows, `known` among them.
pub fn extremes(scan: &SegmentScan<'_>, selections: &[Selection], known: Option<(i64, i64)>) -> Result<Option<(i64, i64)>> {
    if selections.iter().all(|selection| *selection == Selection::None) {
        return Ok(known);
    }
    let zones = scan.blocks.zones()?;
    let rows = scan.segment().footer().events.rows as usize;
    let mut arrival = Arrival::new(scan, selections)?;
    let in_parts = selections.iter().any(|selection| matches!(selection, Selection::Some(_)));
    let mut range = known;
    let mut look = |chunk: usize, range: &mut Option<(i64, i64)>| -> Result<()> {
        let (from, to) = (chunk * ZONE_ROWS, ((chunk + 1) * ZONE_ROWS).min(rows));
        // Where patterns match as a whole, the place of a row within its pattern does not matter.
        if in_parts {
            arrival.seek(chunk)?;
        } else {
            arrival.next.fill(0);
        }
        let mut here: Vec<usize> = Vec::new();
        arrival.go(from, to, |row, _, _| here.push(row))?;
        if here.is_empty() {
            return Ok(());
        }
        let times = scan.blocks.times_between(from, to)?;
        for row in here {
            let time = times[row - from];
            *range = Some(range.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        }
        Ok(())
    };
    let mut order: Vec<usize> = (0..zones.least.len()).collect();
    order.sort_unstable_by_key(|chunk| zones.least[*chunk]);
    for chunk in &order {
        if range.is_some_and(|(first, _)| first <= zones.least[*chunk]) {
            break;
        }
        look(*chunk, &mut range)?;
    }
    order.sort_unstable_by_key(|chunk| Reverse(zones.greatest[*chunk]));
    for chunk in &order {
        if range.is_some_and(|(_, last)| last >= zones.greatest[*chunk]) {
            break;
        }
        look(*chunk, &mut range)?;
    }
    Ok(range)
}

impl Arrival<'_> {
    /// Goes to the beginning of a chunk, from where it is or from an end, whatever is nearer.
    fn seek(&mut self, chunk: usize) -> Result<()> {
        let to = (chunk * ZONE_ROWS).min(self.rows);
        if to < self.at.abs_diff(to) {
            (self.at, self.next) = (0, vec![0; self.ends.len()]);
        } else if self.rows - to < self.at.abs_diff(to) {
            (self.at, self.next) = (self.rows, self.ends.clone());
        }
        let (from, until, back) = (self.at.min(to), self.at.max(to), self.at > to);
        let (next, mut wrong) = (&mut self.next, false);
        self.codes.each(from, until, |pattern| {
            let moved = next.get(pattern).and_then(|at| if back { at.checked_sub(1) } else { at.checked_add(1) });
            match moved {
                Some(at) => next[pattern] = at,
                None => wrong = true,
            }
        });
        self.at = to;
        if wrong { Err(Error::corrupt(&self.name, "rows in order do not fit the patterns")) } else { Ok(()) }
    }
}
