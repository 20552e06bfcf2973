//! Rows chosen by the values of a few columns, before anything else of them is read: the newest of each combination of
//! values, and those with the greatest or least number. Only the rows chosen are then built.

use super::coded::{ReadNumber, Rows};
use super::coder::MISSING;
use super::filter::SegmentScan;
use super::gather::Gather;
use super::groups::Groups;
use super::plan::Scan;
use super::rows::Hit;
use super::select::Selection;
use super::wanted::{CountField, Plan, Wanted, plan};
use arrow::array::RecordBatch;
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
        let picked = match pick {
            Pick::Newest(fields) => self.newest_of_each(fields)?,
            Pick::Extreme { field, greatest, rows } => self.extreme(field, *greatest, *rows, read)?,
        };
        let Some((mut picked, events)) = picked else { return Ok(None) };
        picked.sort_unstable_by(Chosen::order);
        let places: Vec<(Hit, usize)> = picked.iter().map(|one| (one.hit, one.segment)).collect();
        Ok(Some(Picked { batches: self.shared.materialise(&places)?, events }))
    }

    fn newest_of_each(&self, fields: &[CountField]) -> Result<Option<(Vec<Chosen>, u64)>> {
        let wanted: Vec<Wanted> = fields.iter().map(Wanted::of).collect();
        let newest = self.shared.gather(|| Newest::new(&wanted))?;
        Ok(newest.map(|newest| (newest.best.into_iter().flatten().collect(), newest.events)))
    }

    fn extreme(&self, field: &CountField, greatest: bool, most: usize, read: ReadNumber) -> Result<Option<(Vec<Chosen>, u64)>> {
        if most == 0 {
            return Ok(None);
        }
        let wanted = Wanted::of(field);
        let make = || Extreme { wanted: &wanted, read, best: Vec::new(), most, greatest, missing: false, events: 0 };
        let found = self.shared.gather(make)?;
        // Events without the field come after those that have it.
        Ok(found.filter(|found| !found.missing || found.best.len() >= most).map(|found| (found.best, found.events)))
    }
}

/// The newest event of each combination of values that one reader met.
struct Newest<'p> {
    wanted: &'p [Wanted],
    groups: Groups,
    best: Vec<Option<Chosen>>,
    /// The times of these; the least where there is none.
    times: Vec<i64>,
    events: u64,
    /// The combination of each row of a pattern.
    of_rows: Vec<u32>,
}

impl<'p> Newest<'p> {
    fn new(wanted: &'p [Wanted]) -> Self {
        Self { wanted, groups: Groups::new(wanted.len()), best: Vec::new(), times: Vec::new(), events: 0, of_rows: Vec::new() }
    }

    fn widen(&mut self) {
        self.best.resize(self.groups.len(), None);
        self.times.resize(self.groups.len(), i64::MIN);
    }

    fn take(&mut self, group: u32, one: Chosen) {
        let best = self.best[group as usize].get_or_insert(one);
        if one.order(best).is_lt() {
            *best = one;
        }
    }
}

impl Gather for Newest<'_> {
    fn pattern(&mut self, segment: usize, scan: &SegmentScan<'_>, pattern: usize, selection: &Selection) -> Result<bool> {
        let plans: Vec<Plan<'_>> = self.wanted.iter().map(|one| plan(scan, pattern, one)).collect::<Result<_>>()?;
        let rows = Rows::new(scan, pattern, selection);
        // All rows of a selection count, whichever fields they have.
        self.events += rows.len() as u64;
        if plans.iter().any(|plan| matches!(plan, Plan::Field(FieldPlan::Absent))) {
            return Ok(true);
        }
        self.groups.of(&rows, &plans, &mut self.of_rows)?;
        if self.groups.len() > COUNTED_VALUES_MAX {
            return Ok(false);
        }
        self.widen();
        // Segments are gone through from the newest on: most combinations have a newer event by then.
        let latest = scan.segment().meta().max_time.nanos();
        let open = |group: u32| group != MISSING && self.times[group as usize] <= latest;
        let open: Vec<usize> = (0..rows.len()).filter(|at| open(self.of_rows[*at])).collect();
        if open.is_empty() {
            return Ok(true);
        }
        let (times, numbers) = (scan.blocks.times()?, scan.blocks.rows()?);
        let numbers = &numbers[pattern];
        // What is newer than what was known before, the newest last.
        let mut newer: Vec<(u32, Hit)> = Vec::new();
        for at in open {
            let (group, at) = (self.of_rows[at], rows.row(at));
            let row = numbers[at];
            let time = times[row as usize];
            if time >= self.times[group as usize] {
                self.times[group as usize] = time;
                newer.push((group, Hit { time, row, pattern: pattern as u32, at: at as u32 }));
            }
        }
        // Those that were passed by a later one are not asked for their arrival.
        newer.retain(|(group, hit)| hit.time == self.times[*group as usize]);
        let arrived = scan.blocks.arrival_at(&newer.iter().map(|(_, hit)| hit.row).collect::<Vec<_>>())?;
        for ((group, hit), arrival) in newer.into_iter().zip(arrived) {
            self.take(group, Chosen { key: 0.0, hit, arrival, segment });
        }
        Ok(true)
    }

    fn join(&mut self, other: Self) -> bool {
        let groups = self.groups.join(&other.groups);
        if self.groups.len() > COUNTED_VALUES_MAX {
            return false;
        }
        self.widen();
        self.events += other.events;
        for (group, one) in groups.into_iter().zip(other.best) {
            one.into_iter().for_each(|one| self.take(group, one));
        }
        true
    }

    fn size(&self) -> usize {
        self.groups.size() + self.best.capacity() * (size_of::<Option<Chosen>>() + 8)
    }
}

/// The rows with the greatest or least numbers that one reader met.
struct Extreme<'p> {
    wanted: &'p Wanted,
    read: ReadNumber,
    best: Vec<Chosen>,
    most: usize,
    greatest: bool,
    /// Whether there are events without the field.
    missing: bool,
    events: u64,
}

impl Gather for Extreme<'_> {
    fn pattern(&mut self, segment: usize, scan: &SegmentScan<'_>, pattern: usize, selection: &Selection) -> Result<bool> {
        let rows = Rows::new(scan, pattern, selection);
        self.events += rows.len() as u64;
        let plan = plan(scan, pattern, self.wanted)?;
        match &plan {
            Plan::Field(FieldPlan::Absent) => {
                self.missing = true;
                return Ok(true);
            }
            Plan::Field(FieldPlan::Constant(_) | FieldPlan::Pieces(_)) => {}
            _ => return Ok(false),
        }
        let mut leading = Leading::new(self.most, self.best.get(self.most - 1).map_or(f64::INFINITY, |worst| worst.key));
        let (greatest, mut told) = (self.greatest, 0);
        // One zero only, and the first in order is the least.
        let key = |number: f64| if greatest { -(number + 0.0) } else { number + 0.0 };
        rows.numbers(&plan, self.read, |at, numbers| {
            told += numbers.iter().filter(|number| !number.is_nan()).count();
            // Mostly none is: that is seen of many at once.
            if numbers.iter().fold(false, |any, number| any | (key(*number) <= leading.worst)) {
                (at..).zip(numbers).for_each(|(at, number)| leading.take(key(*number), at));
            }
        })?;
        // Of what is no number, the order is another one.
        if told < rows.len() {
            return Ok(false);
        }
        let leading = leading.finish();
        if leading.is_empty() {
            return Ok(true);
        }
        let numbers = scan.blocks.rows()?;
        let places: Vec<(f64, u32, u32)> = leading
            .into_iter()
            .map(|(key, at)| {
                let at = rows.row(at);
                (key, numbers[pattern][at], at as u32)
            })
            .collect();
        let of_rows: Vec<u32> = places.iter().map(|(_, row, _)| *row).collect();
        let (times, arrived) = (scan.blocks.times_at(&of_rows)?, scan.blocks.arrival_at(&of_rows)?);
        for (((key, row, at), time), arrival) in places.into_iter().zip(times).zip(arrived) {
            self.best.push(Chosen { key, hit: Hit { time, row, pattern: pattern as u32, at }, arrival, segment });
        }
        self.shrink();
        Ok(true)
    }

    fn join(&mut self, other: Self) -> bool {
        self.best.extend(other.best);
        self.shrink();
        self.missing |= other.missing;
        self.events += other.events;
        true
    }

    fn size(&self) -> usize {
        self.best.capacity() * size_of::<Chosen>()
    }
}

impl Extreme<'_> {
    fn shrink(&mut self) {
        self.best.sort_unstable_by(Chosen::order);
        self.best.truncate(self.most);
    }
}

/// The places with the least keys, and all that are equal to the last of these.
struct Leading {
    most: usize,
    worst: f64,
    found: Vec<(f64, usize)>,
    /// How many there may be until they are made fewer.
    room: usize,
}

impl Leading {
    /// At most so many, not counting equal ones, none behind `worst`.
    fn new(most: usize, worst: f64) -> Self {
        Self { most, worst, found: Vec::new(), room: (most * 2).max(4_096) }
    }

    #[inline]
    fn take(&mut self, key: f64, at: usize) {
        if key <= self.worst {
            self.found.push((key, at));
            if self.found.len() >= self.room {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        if self.found.len() > self.most {
            let (_, (worst, _), _) = self.found.select_nth_unstable_by(self.most - 1, |a, b| a.0.total_cmp(&b.0));
            self.worst = *worst;
            let worst = self.worst;
            self.found.retain(|(key, _)| *key <= worst);
        }
        self.room = (self.found.len() * 2).max(4_096);
    }

    fn finish(mut self) -> Vec<(f64, usize)> {
        self.shrink();
        self.found
    }
}
