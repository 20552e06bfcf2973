//! Matching events counted by spans of time that are aligned to the epoch, in one pass: nobody has to know first from
//! when to when they are. Rows are counted by pattern, many at a time; times are read only where a span ends.

use super::filter::SegmentScan;
use super::plan::Scan;
use super::select::Selection;
use crate::segment::decode::Codes;
use crate::segment::meta::ZONE_ROWS;
use std::collections::BTreeMap;
use std::ops::Range;
use taffrail_base::{Error, Result};

/// How many events are in each span that has any, by the number of the span: its start is the number times the width.
pub type Spans = BTreeMap<i64, u64>;

/// Patterns up to which each is looked for on its own: so many comparisons cost less than counting all in a table.
const SOUGHT_MAX: usize = 12;

/// Rows that are compared before their number is added up; a byte has to hold it.
const COMPARED_ROWS: usize = 224;

impl Scan {
    /// Counts the matching events in spans of this width; `None` when more than `most` spans have any.
    pub fn spans(&self, span_nanos: i64, most: usize) -> Result<Option<Spans>> {
        let span = span_nanos.max(1);
        let mut total = Spans::new();
        self.each(false, |scan, selections| {
            // Times differ from event to event where spans are very short: what is too much is not gathered.
            if total.len() <= most {
                let here = of_segment(scan, selections, span, most)?;
                here.into_iter().for_each(|(number, count)| *total.entry(number).or_default() += count);
            }
            Ok(())
        })?;
        Ok((total.len() <= most).then_some(total))
    }
}

/// Consecutive rows, and the span that all their times are in, if there is one.
struct Stretch {
    rows: Range<usize>,
    span: Option<i64>,
}

fn of_segment(scan: &SegmentScan<'_>, selections: &[Selection], span: i64, most: usize) -> Result<Spans> {
    let mut found = Spans::new();
    if selections.iter().all(|selection| *selection == Selection::None) {
        return Ok(found);
    }
    let stretches = stretches(scan, span)?;
    if selections.iter().all(|selection| *selection == Selection::All) {
        for stretch in &stretches {
            match stretch.span {
                Some(number) => add(&mut found, number, stretch.rows.len() as u64),
                None => times(scan, &stretch.rows)?.iter().for_each(|time| add(&mut found, time.div_euclid(span), 1)),
            }
            if found.len() > most {
                break;
            }
        }
        return Ok(found);
    }
    let mut counter = Counter::new(scan, selections)?;
    // The longest stretch gets what the others leave, so that most rows are not looked at.
    let longest = stretches.iter().enumerate().filter(|(_, s)| s.span.is_some()).max_by_key(|(_, s)| s.rows.len()).map(|(at, _)| at);
    let before = longest.unwrap_or(stretches.len());
    let mut counted = 0;
    for stretch in &stretches[..before] {
        counted += counter.count(scan, stretch, span, &mut found)?;
    }
    let Some(longest) = longest else { return Ok(found) };
    counter.skip_to(&stretches[longest + 1..])?;
    for stretch in &stretches[longest + 1..] {
        counted += counter.count(scan, stretch, span, &mut found)?;
    }
    let patterns = &scan.segment().footer().events.patterns;
    let all: u64 = selections.iter().zip(patterns).map(|(s, p)| s.count(p.rows as usize) as u64).sum();
    let rest = all.checked_sub(counted).ok_or_else(|| counter.damaged())?;
    if let Some(number) = stretches[longest].span.filter(|_| rest > 0) {
        add(&mut found, number, rest);
    }
    Ok(found)
}

fn add(found: &mut Spans, number: i64, count: u64) {
    *found.entry(number).or_default() += count;
}

fn times(scan: &SegmentScan<'_>, rows: &Range<usize>) -> Result<Vec<i64>> {
    scan.blocks.times_between(rows.start, rows.end)
}

/// The rows of a segment, cut where the span changes.
fn stretches(scan: &SegmentScan<'_>, span: i64) -> Result<Vec<Stretch>> {
    let zones = scan.blocks.zones()?;
    let rows = scan.segment().footer().events.rows as usize;
    let mut found: Vec<Stretch> = Vec::new();
    for (chunk, (least, greatest)) in zones.least.iter().zip(&zones.greatest).enumerate() {
        let (first, last) = (least.div_euclid(span), greatest.div_euclid(span));
        let (number, end) = ((first == last).then_some(first), ((chunk + 1) * ZONE_ROWS).min(rows));
        match found.last_mut() {
            Some(stretch) if stretch.span.is_some() && stretch.span == number => stretch.rows.end = end,
            _ => found.push(Stretch { rows: chunk * ZONE_ROWS..end, span: number }),
        }
    }
    Ok(found)
}

/// Counts matching rows while it goes through the rows of a segment.
struct Counter<'s> {
    codes: Codes,
    /// The patterns of which rows match: number, selection, and rows of it so far.
    sought: Vec<(usize, &'s Selection, u32)>,
    /// How many rows each of these has in all.
    rows: Vec<u32>,
    patterns: usize,
    name: String,
}

impl<'s> Counter<'s> {
    fn new(scan: &SegmentScan<'_>, selections: &'s [Selection]) -> Result<Self> {
        let node = &scan.segment().footer().events;
        let wanted = selections.iter().enumerate().filter(|(_, selection)| **selection != Selection::None);
        let sought: Vec<_> = wanted.map(|(number, selection)| (number, selection, 0)).collect();
        let rows = sought.iter().map(|(number, _, _)| node.patterns[*number].rows).collect();
        Ok(Self { codes: Codes::new(scan.blocks, node)?, sought, rows, patterns: node.patterns.len(), name: scan.blocks.name().to_owned() })
    }

    fn damaged(&self) -> Error {
        Error::corrupt(&self.name, "rows in order do not fit the patterns")
    }

    /// How many rows each of the patterns has among `rows`.
    fn rows_of(&self, rows: &Range<usize>) -> Vec<u32> {
        if let (Some((low, high)), true) = (self.codes.planes(rows.start, rows.end), self.sought.len() <= SOUGHT_MAX) {
            return self.sought.iter().map(|(number, _, _)| alike(low, high, *number as u16)).collect();
        }
        let mut table = vec![0u32; self.patterns];
        self.codes.each(rows.start, rows.end, |pattern| {
            if let Some(count) = table.get_mut(pattern) {
                *count += 1;
            }
        });
        self.sought.iter().map(|(number, _, _)| table[*number]).collect()
    }

    /// Goes on to where only `left` is left.
    fn skip_to(&mut self, left: &[Stretch]) -> Result<()> {
        let after = match left {
            [first, .., last] => self.rows_of(&(first.rows.start..last.rows.end)),
            [only] => self.rows_of(&only.rows),
            [] => return Ok(()),
        };
        for (number, after) in after.into_iter().enumerate() {
            let before = self.rows[number].checked_sub(after).ok_or_else(|| self.damaged())?;
            self.sought[number].2 = before;
        }
        Ok(())
    }

    /// Counts the matching rows of a stretch into their spans; gives their number.
    fn count(&mut self, scan: &SegmentScan<'_>, stretch: &Stretch, span: i64, found: &mut Spans) -> Result<u64> {
        let Some(number) = stretch.span else { return self.count_times(scan, &stretch.rows, span, found) };
        let mut counted = 0;
        for (at, rows) in self.rows_of(&stretch.rows).into_iter().enumerate() {
            let (_, selection, before) = self.sought[at];
            let end = before.checked_add(rows).filter(|end| *end <= self.rows[at]).ok_or_else(|| self.damaged())?;
            counted += match selection {
                Selection::Some(bits) => bits.count_between(before as usize, end as usize) as u64,
                _ => u64::from(rows),
            };
            self.sought[at].2 = end;
        }
        if counted > 0 {
            add(found, number, counted);
        }
        Ok(counted)
    }

    fn count_times(&mut self, scan: &SegmentScan<'_>, rows: &Range<usize>, span: i64, found: &mut Spans) -> Result<u64> {
        let mut place = vec![usize::MAX; self.patterns];
        self.sought.iter().enumerate().for_each(|(at, (number, _, _))| place[*number] = at);
        let (mut matching, mut row, mut wrong) = (Vec::new(), 0, false);
        let (sought, ends) = (&mut self.sought, &self.rows);
        self.codes.each(rows.start, rows.end, |pattern| {
            let at = place.get(pattern).copied().unwrap_or(usize::MAX);
            if let Some((_, selection, before)) = sought.get_mut(at) {
                match selection {
                    _ if *before >= ends[at] => wrong = true,
                    Selection::Some(bits) if !bits.holds(*before as usize) => {}
                    _ => matching.push(row),
                }
                *before += 1;
            }
            row += 1;
        });
        if wrong {
            return Err(self.damaged());
        }
        if matching.is_empty() {
            return Ok(0);
        }
        let times = times(scan, rows)?;
        matching.iter().for_each(|row: &usize| add(found, times[*row].div_euclid(span), 1));
        Ok(matching.len() as u64)
    }
}

/// How many rows have this code.
fn alike(low: &[u8], high: Option<&[u8]>, code: u16) -> u32 {
    let [low_code, high_code] = code.to_le_bytes();
    match high {
        None if high_code != 0 => 0,
        None => low.chunks(COMPARED_ROWS).map(|rows| u32::from(rows.iter().fold(0u8, |n, code| n + u8::from(*code == low_code)))).sum(),
        Some(high) => {
            let pairs = low.chunks(COMPARED_ROWS).zip(high.chunks(COMPARED_ROWS));
            let both = |(low, high): (&u8, &u8)| u8::from((*low == low_code) & (*high == high_code));
            pairs.map(|(low, high)| u32::from(low.iter().zip(high).fold(0u8, |n, pair| n + both(pair)))).sum()
        }
    }
}
