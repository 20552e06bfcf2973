//! Counts and sums by the values of fields, from columns: no rows are built. Several readers go through the segments, and
//! what each has is joined in the end.

use super::coded::{ReadNumber, Rows};
use super::coder::MISSING;
use super::filter::SegmentScan;
use super::gather::Gather;
use super::groups::Groups;
use super::plan::Scan;
use super::select::Selection;
use super::wanted::{CountField, Plan, Wanted, plan};
use arrow::array::StringArray;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_base::limits::COUNTED_VALUES_MAX;
use taffrail_pattern::FieldPlan;

/// The rows of one combination of values.
#[derive(Default)]
pub struct Sums {
    /// How many.
    pub rows: u64,
    /// For each field that is added up: how many rows have a number in it, and the sum of these.
    pub sums: Vec<(u64, f64)>,
    /// For each field whose numbers are collected: what has them.
    pub collected: Vec<Box<dyn Collect>>,
}

/// Takes the numbers that a field has in the rows of one combination of values.
pub trait Collect: Any + Send {
    /// Takes some more; `false` where there is no room for them.
    fn take(&mut self, numbers: &[f64]) -> bool;

    /// Takes what another of its kind has.
    fn join(&mut self, other: Box<dyn Collect>) -> bool;
}

/// Makes what takes numbers.
pub type Collector = Arc<dyn Fn() -> Box<dyn Collect> + Send + Sync>;

/// Combinations of values with what their rows come to.
pub type Summed = Vec<(Vec<String>, Sums)>;

/// Combinations of values, and how many events have them.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// For each field its values, one for each combination.
    pub values: Vec<StringArray>,
    /// How many events have each combination.
    pub events: Vec<u64>,
}

impl Counted {
    /// From rows of so many values.
    pub fn from_rows(fields: usize, rows: &[(Vec<String>, u64)]) -> Self {
        let of_field = |field: usize| StringArray::from_iter_values(rows.iter().map(|(values, _)| &values[field]));
        Self { values: (0..fields).map(of_field).collect(), events: rows.iter().map(|(_, events)| *events).collect() }
    }

    /// The combinations one by one.
    pub fn rows(&self) -> impl Iterator<Item = (Vec<String>, u64)> + '_ {
        let row = |(row, events): (usize, &u64)| (self.values.iter().map(|values| values.value(row).to_owned()).collect(), *events);
        self.events.iter().enumerate().map(row)
    }
}

/// What is added up, by what.
#[derive(Clone, Default)]
pub struct Summing {
    /// The fields whose values are told apart; events that lack one are left out.
    pub fields: Vec<CountField>,
    /// Fields whose numbers are added up.
    pub numbers: Vec<CountField>,
    /// Fields whose numbers are collected.
    pub collected: Vec<(CountField, Collector)>,
}

/// The same, ready to be found in patterns.
struct Prepared<'s> {
    fields: Vec<Wanted>,
    numbers: Vec<Wanted>,
    collected: Vec<(Wanted, &'s Collector)>,
    read: ReadNumber,
}

/// What one reader has added up, by combination of values.
struct Added<'p> {
    prepared: &'p Prepared<'p>,
    groups: Groups,
    rows: Vec<u64>,
    /// For each field of numbers.
    sums: Vec<Vec<(u64, f64)>>,
    /// For each field that is collected.
    collected: Vec<Vec<Option<Box<dyn Collect>>>>,
    /// The combination of each row of a pattern.
    of_rows: Vec<u32>,
    /// By combination: its place among those of a pattern.
    places: Vec<u32>,
}

impl Scan {
    /// The matching events counted by the values of fields, in no order; events that lack one are left out. `None`
    /// where stored bytes are damaged (rows tell what they are without), and where there are too many values for memory.
    pub fn count_by(&self, fields: &[CountField]) -> Result<Option<Counted>> {
        let summing = Summing { fields: fields.to_vec(), ..Summing::default() };
        self.added(
            &summing,
            |_| None,
            |added| {
                let groups: Vec<u32> = added.each().collect();
                Counted { values: added.groups.columns(&groups), events: groups.iter().map(|group| added.rows[*group as usize]).collect() }
            },
        )
    }

    /// The matching events added up by the values of fields, in no order. `None` as for [`Scan::count_by`].
    pub fn sums_by(&self, summing: &Summing, read: ReadNumber) -> Result<Option<Summed>> {
        self.added(summing, read, |added| added.finish())
    }

    fn added<T>(&self, summing: &Summing, read: ReadNumber, told: impl Fn(Added<'_>) -> T) -> Result<Option<T>> {
        let prepared = Prepared {
            fields: summing.fields.iter().map(Wanted::of).collect(),
            numbers: summing.numbers.iter().map(Wanted::of).collect(),
            collected: summing.collected.iter().map(|(field, make)| (Wanted::of(field), make)).collect(),
            read,
        };
        Ok(self.shared.gather(|| Added::new(&prepared))?.map(told))
    }
}

impl<'p> Added<'p> {
    fn new(prepared: &'p Prepared<'p>) -> Self {
        let mut this = Self {
            prepared,
            groups: Groups::new(prepared.fields.len()),
            rows: Vec::new(),
            sums: vec![Vec::new(); prepared.numbers.len()],
            collected: Vec::new(),
            of_rows: Vec::new(),
            places: Vec::new(),
        };
        this.collected.resize_with(prepared.collected.len(), Vec::new);
        this
    }

    /// The combinations that rows have.
    fn each(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.rows.len() as u32).filter(|group| self.rows[*group as usize] > 0)
    }

    /// Makes room for all combinations.
    fn widen(&mut self) {
        let groups = self.groups.len();
        self.rows.resize(groups, 0);
        self.sums.iter_mut().for_each(|sums| sums.resize(groups, (0, 0.0)));
        self.collected.iter_mut().for_each(|collected| collected.resize_with(groups, || None));
    }

    /// Deals the numbers of a pattern's rows to the combinations.
    fn collect(&mut self, scan: &SegmentScan<'_>, pattern: usize, rows: &Rows<'_, '_>) -> Result<bool> {
        // The combinations that are here, and how many rows each has.
        let mut here: Vec<(u32, usize)> = Vec::new();
        self.places.resize(self.rows.len(), MISSING);
        for group in self.of_rows.iter().filter(|group| **group != MISSING) {
            let place = &mut self.places[*group as usize];
            if *place == MISSING {
                *place = here.len() as u32;
                here.push((*group, 0));
            }
            here[*place as usize].1 += 1;
        }
        let prepared = self.prepared;
        let all = here.iter().map(|(_, rows)| rows).sum();
        let mut room = true;
        for ((wanted, make), collected) in prepared.collected.iter().zip(&mut self.collected) {
            let mut end = 0;
            let place = |(_, rows): &(u32, usize)| {
                end += rows;
                end - rows..end - rows
            };
            let mut ranges: Vec<Range<usize>> = here.iter().map(place).collect();
            let mut out = vec![0.0; all];
            rows.numbers(&plan(scan, pattern, wanted)?, prepared.read, |at, numbers| {
                for (group, number) in self.of_rows[at..].iter().zip(numbers) {
                    if *group != MISSING && !number.is_nan() {
                        let range = &mut ranges[self.places[*group as usize] as usize];
                        out[range.end] = *number;
                        range.end += 1;
                    }
                }
            })?;
            for ((group, _), range) in here.iter().zip(ranges).filter(|(_, range)| !range.is_empty()) {
                room &= collected[*group as usize].get_or_insert_with(|| make()).take(&out[range]);
            }
        }
        here.iter().for_each(|(group, _)| self.places[*group as usize] = MISSING);
        Ok(room)
    }

    fn finish(mut self) -> Summed {
        let groups: Vec<u32> = self.each().collect();
        let makers = self.prepared.collected.iter().map(|(_, make)| make);
        let mut of_group = |group: u32| Sums {
            rows: self.rows[group as usize],
            sums: self.sums.iter().map(|sums| sums[group as usize]).collect(),
            collected: (self.collected.iter_mut().zip(makers.clone()))
                .map(|(collected, make)| collected[group as usize].take().unwrap_or_else(|| make()))
                .collect(),
        };
        groups.into_iter().map(|group| (self.groups.values(group), of_group(group))).collect()
    }
}

impl Gather for Added<'_> {
    /// Where there are too many combinations, who groups rows can put them on the disk.
    fn pattern(&mut self, _: usize, scan: &SegmentScan<'_>, pattern: usize, selection: &Selection) -> Result<bool> {
        let prepared = self.prepared;
        let plans: Vec<Plan<'_>> = prepared.fields.iter().map(|one| plan(scan, pattern, one)).collect::<Result<_>>()?;
        if plans.iter().any(|plan| matches!(plan, Plan::Field(FieldPlan::Absent))) {
            return Ok(true);
        }
        let rows = Rows::new(scan, pattern, selection);
        self.groups.of(&rows, &plans, &mut self.of_rows)?;
        if self.groups.len() > COUNTED_VALUES_MAX {
            return Ok(false);
        }
        self.widen();
        for group in self.of_rows.iter().filter(|group| **group != MISSING) {
            self.rows[*group as usize] += 1;
        }
        for (wanted, sums) in prepared.numbers.iter().zip(&mut self.sums) {
            rows.numbers(&plan(scan, pattern, wanted)?, prepared.read, |at, numbers| {
                for (group, number) in self.of_rows[at..].iter().zip(numbers) {
                    if *group != MISSING && !number.is_nan() {
                        let sum = &mut sums[*group as usize];
                        *sum = (sum.0 + 1, sum.1 + number);
                    }
                }
            })?;
        }
        if prepared.collected.is_empty() { Ok(true) } else { self.collect(scan, pattern, &rows) }
    }

    fn join(&mut self, other: Self) -> bool {
        let groups = self.groups.join(&other.groups);
        if self.groups.len() > COUNTED_VALUES_MAX {
            return false;
        }
        self.widen();
        for (group, rows) in groups.iter().zip(&other.rows) {
            self.rows[*group as usize] += rows;
        }
        for (own, sums) in self.sums.iter_mut().zip(&other.sums) {
            for (group, (count, sum)) in groups.iter().zip(sums) {
                let own = &mut own[*group as usize];
                *own = (own.0 + count, own.1 + sum);
            }
        }
        let mut room = true;
        for (own, collected) in self.collected.iter_mut().zip(other.collected) {
            for (group, theirs) in groups.iter().zip(collected).filter_map(|(group, theirs)| Some((group, theirs?))) {
                match &mut own[*group as usize] {
                    Some(own) => room &= own.join(theirs),
                    none => *none = Some(theirs),
                }
            }
        }
        room
    }

    fn size(&self) -> usize {
        // What is collected asks for its own memory.
        self.groups.size() + self.rows.capacity() * (8 + 16 * self.sums.len() + 16 * self.collected.len())
    }
}
