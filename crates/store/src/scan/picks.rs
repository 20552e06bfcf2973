//! Rows chosen by the values of a few columns, before anything else of them is read: the newest of each combination of
//! values, and those with the greatest or least number. Only the rows chosen are then built.

use super::CountField;
use super::coded::{Groups, MISSING, Numbers, ReadNumber, Rows};
use super::counts::{Plan, Wanted, plan};
use super::filter::SegmentScan;
use super::plan::Scan;
use super::rows::Hit;
use super::select::Selection;
use arrow::array::RecordBatch;
use rustc_hash::FxHashMap;
use std::cmp::Ordering;
use taffrail_base::Result;
use taffrail_base::limits::COUNTED_VALUES_MAX;
use taffrail_pattern::FieldPlan;

/// Which of the matching rows are wanted. Of two events of one time, the one that arrived later is the newer.
#[derive(Clone, Debug)]
pub enum Pick {
    /// The newest of each combination of values of these fields; events that lack one are left out. Newest first.
    Newest(Vec<CountField>),
    /// So many with the greatest or least numbers in a field, those first; of equal ones the newer first.
    Extreme {
        /// The field.
        field: CountField,
        /// Whether the greatest are wanted.
        greatest: bool,
        /// How many rows.
        rows: usize,
    },
}

/// What was picked.
#[derive(Debug)]
pub struct Picked {
    /// The rows, with the columns of the request.
    pub batches: Vec<RecordBatch>,
    /// How many events there were to pick from.
    pub events: u64,
}

/// A row that may be wanted.
#[derive(Clone, Copy)]
struct Chosen {
    /// What it is ordered by before its time: the first in order comes first.
    key: f64,
    hit: Hit,
    arrival: u64,
    segment: usize,
}

impl Chosen {
    /// Newer rows come first.
    fn order(&self, other: &Self) -> Ordering {
        self.key.total_cmp(&other.key).then(other.hit.time.cmp(&self.hit.time)).then(other.arrival.cmp(&self.arrival))
    }
}

impl Scan {
    /// Picks rows; `None` where all rows have to be looked at for that, or there are too many to keep in memory.
    pub fn pick(&self, pick: &Pick, read: ReadNumber) -> Result<Option<Picked>> {
        let mut events = 0;
        let picked = match pick {
            Pick::Newest(fields) => self.newest_of_each(fields, &mut events)?,
            Pick::Extreme { field, greatest, rows } => self.extreme(field, *greatest, *rows, read, &mut events)?,
        };
        let Some(mut picked) = picked else { return Ok(None) };
        picked.sort_unstable_by(Chosen::order);
        let places: Vec<(Hit, usize)> = picked.iter().map(|one| (one.hit, one.segment)).collect();
        Ok(Some(Picked { batches: self.shared.materialise(&places)?, events }))
    }

    fn newest_of_each(&self, fields: &[CountField], events: &mut u64) -> Result<Option<Vec<Chosen>>> {
        let wanted: Vec<Wanted> = fields.iter().map(Wanted::of).collect();
        let mut found: FxHashMap<Vec<Box<[u8]>>, Chosen> = FxHashMap::default();
        let told = self.shared.each_pattern_once(|segment, scan, pattern, selection| {
            let plans: Vec<Plan<'_>> = wanted.iter().map(|one| plan(scan, pattern, one)).collect::<Result<_>>()?;
            *events += count(scan, pattern, selection);
            if plans.iter().any(|plan| matches!(plan, Plan::Field(FieldPlan::Absent))) {
                return Ok(true);
            }
            let rows = Rows::new(scan, pattern, selection);
            let Some(groups) = Groups::of(&rows, &plans)? else { return Ok(false) };
            let (times, numbers) = (scan.blocks.times()?, scan.blocks.rows()?);
            let numbers = &numbers[pattern];
            let mut newest: Vec<Option<(i64, u32, u32)>> = vec![None; groups.known.len()];
            for (at, group) in rows.chosen.iter().zip(&groups.rows).filter(|(_, group)| **group != MISSING) {
                let row = numbers[*at as usize];
                let one = (times[row as usize], row, *at);
                let best = newest[*group as usize].get_or_insert(one);
                *best = one.max(*best);
            }
            let newest: Vec<(i64, u32, u32)> = newest.into_iter().flatten().collect();
            let arrived = scan.blocks.arrival_at(&newest.iter().map(|(_, row, _)| *row).collect::<Vec<_>>())?;
            for (group, ((time, row, at), arrival)) in newest.into_iter().zip(arrived).enumerate() {
                let hit = Hit { time, row, pattern: pattern as u32, at };
                let one = Chosen { key: 0.0, hit, arrival, segment };
                // Every group has a row, so that they stand in their order.
                let values: Vec<Box<[u8]>> = groups.values(group).into_iter().map(text).collect();
                let best = found.entry(values).or_insert(one);
                if one.order(best).is_lt() {
                    *best = one;
                }
            }
            Ok(found.len() <= COUNTED_VALUES_MAX)
        })?;
        Ok(told.then(|| found.into_values().collect()))
    }

    fn extreme(&self, field: &CountField, greatest: bool, most: usize, read: ReadNumber, events: &mut u64) -> Result<Option<Vec<Chosen>>> {
        let wanted = Wanted::of(field);
        let mut best: Vec<Chosen> = Vec::new();
        let mut missing = false;
        let told = self.shared.each_pattern_once(|segment, scan, pattern, selection| {
            *events += count(scan, pattern, selection);
            let field = match plan(scan, pattern, &wanted)? {
                Plan::Field(FieldPlan::Absent) => {
                    missing = true;
                    return Ok(true);
                }
                Plan::Field(field @ (FieldPlan::Constant(_) | FieldPlan::Pieces(_))) => field,
                _ => return Ok(false),
            };
            let rows = Rows::new(scan, pattern, selection);
            let keys: Vec<f64> = match rows.numbers(&field, read)? {
                Numbers::None => return Ok(false),
                Numbers::All(number) => vec![number; rows.chosen.len()],
                Numbers::Each(numbers) => numbers,
            };
            // Of what is no number, the order is another one.
            if keys.iter().any(|key| key.is_nan()) {
                return Ok(false);
            }
            let worst = if best.len() >= most { best.last().map(|worst| worst.key) } else { None };
            best.extend(leading(segment, scan, pattern, &rows.chosen, &keys, (greatest, most, worst))?);
            best.sort_unstable_by(Chosen::order);
            best.truncate(most);
            Ok(true)
        })?;
        Ok((told && !(missing && best.len() < most)).then_some(best))
    }
}

/// At most so many rows of a pattern with the greatest or least keys, and those that are not behind `worst`.
fn leading(
    segment: usize,
    scan: &SegmentScan<'_>,
    pattern: usize,
    chosen: &[u32],
    keys: &[f64],
    (greatest, most, mut worst): (bool, usize, Option<f64>),
) -> Result<Vec<Chosen>> {
    let (times, numbers) = (scan.blocks.times()?, scan.blocks.rows()?);
    let numbers = &numbers[pattern];
    let mut found: Vec<Chosen> = Vec::new();
    let shrink = |found: &mut Vec<Chosen>| {
        found.sort_unstable_by(Chosen::order);
        found.truncate(most);
        found.last().filter(|_| found.len() >= most).map(|last| last.key)
    };
    let room = (most * 2).max(4_096);
    for (at, key) in chosen.iter().zip(keys) {
        // One zero only, and the first in order is the least.
        let key = if greatest { -(key + 0.0) } else { key + 0.0 };
        if worst.is_some_and(|worst| key > worst) {
            continue;
        }
        let row = numbers[*at as usize];
        let hit = Hit { time: times[row as usize], row, pattern: pattern as u32, at: *at };
        // Within a segment, rows stand as they arrived.
        found.push(Chosen { key, hit, arrival: row.into(), segment });
        if found.len() >= room {
            worst = shrink(&mut found).or(worst);
        }
    }
    shrink(&mut found);
    let arrived = scan.blocks.arrival_at(&found.iter().map(|one| one.hit.row).collect::<Vec<_>>())?;
    found.iter_mut().zip(arrived).for_each(|(one, arrival)| one.arrival = arrival);
    Ok(found)
}

/// Bytes as the text that they are shown as: bytes that differ may be the same text.
pub(super) fn text(bytes: Box<[u8]>) -> Box<[u8]> {
    match String::from_utf8_lossy(&bytes) {
        std::borrow::Cow::Borrowed(_) => bytes,
        std::borrow::Cow::Owned(text) => text.into_bytes().into(),
    }
}

/// All rows of a selection count, whichever fields they have.
fn count(scan: &SegmentScan<'_>, pattern: usize, selection: &Selection) -> u64 {
    selection.count(scan.segment().footer().events.patterns[pattern].rows as usize) as u64
}
