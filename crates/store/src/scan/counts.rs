//! Counts by the values of fields, from columns: no rows are built.

use super::Column;
use super::capture::{Capture, Place};
use super::coded::combinations;
use super::filter::SegmentScan;
use super::plan::Scan;
use super::rows::origin_of;
use super::select::Selection;
use super::shape::Shape;
use super::term::PreparedRegex;
use crate::segment::decode::{Spelling, Values};
use crate::segment::meta::Run;
use regex::Regex;
use rustc_hash::FxHashMap;
use taffrail_base::Result;
use taffrail_base::limits::COUNTED_VALUES_MAX;
use taffrail_pattern::{FieldPlan, PlanPiece};

/// A field that counts are asked by.
#[derive(Clone, Debug)]
pub enum CountField {
    /// A column of rows; not one of times or bytes.
    Column(Column),
    /// The named group of an expression on the event as text; of its first match. Where there is none, the field that
    /// has its name.
    Group(Regex, String),
    /// The number of the span of so many nanoseconds that the event's time is in, from the epoch on.
    Span(i64),
}

/// A field, ready to be found in patterns.
pub(super) enum Wanted {
    Column(Column),
    Group(Box<Group>),
    Span(i64),
}

/// A named group of an expression.
pub(super) struct Group {
    pub capture: Option<Capture>,
    pub shape: Option<Shape>,
    pub regex: PreparedRegex,
    pub name: String,
}

impl Wanted {
    pub(super) fn of(field: &CountField) -> Self {
        match field {
            CountField::Column(column) => Self::Column(column.clone()),
            CountField::Group(regex, name) => Self::Group(Box::new(Group {
                capture: Capture::new(regex, name),
                shape: Shape::new(regex),
                regex: PreparedRegex::new(regex),
                name: name.clone(),
            })),
            CountField::Span(width) => Self::Span((*width).max(1)),
        }
    }
}

/// What a field is in the rows of a pattern.
pub(super) enum Plan<'w> {
    /// The number of a span of time of this width.
    Span(i64),
    /// Part of the origin.
    Origin(&'w Column),
    /// An extracted field.
    Field(FieldPlan),
    /// A group that each value of a slot tells.
    Slot(usize, &'w Capture, &'w Group),
    /// A group for which the event is asked, and the field that it is where the event has none.
    Event(&'w Group, FieldPlan),
}

/// Counts of values: numbers are counted as numbers as long as they can be.
#[derive(Default)]
struct Counts {
    texts: FxHashMap<Box<[u8]>, u64>,
    numbers: FxHashMap<(u8, u8, i64), u64>,
    rows: FxHashMap<Vec<Box<[u8]>>, u64>,
}

/// Takes values and how many rows have them.
trait Tally {
    fn text(&mut self, value: &[u8], count: u64);

    /// The same of a row with a number; `false` where it is wanted as text.
    fn number(&mut self, _spelling: Spelling, _number: i64) -> bool {
        false
    }
}

impl<F: FnMut(&[u8], u64)> Tally for F {
    fn text(&mut self, value: &[u8], count: u64) {
        self(value, count);
    }
}

impl Tally for Counts {
    fn text(&mut self, value: &[u8], count: u64) {
        match self.texts.get_mut(value) {
            Some(known) => *known += count,
            None => {
                self.texts.insert(value.into(), count);
            }
        }
    }

    fn number(&mut self, spelling: Spelling, number: i64) -> bool {
        let Some((kind, digits)) = number_kind(spelling) else { return false };
        *self.numbers.entry((kind, digits, number)).or_default() += 1;
        true
    }
}

impl Counts {
    /// How many different ones.
    fn len(&self) -> usize {
        self.texts.len() + self.numbers.len() + self.rows.len()
    }

    fn add(&mut self, other: Self) {
        other.texts.iter().for_each(|(value, count)| self.text(value, *count));
        other.numbers.into_iter().for_each(|(number, count)| *self.numbers.entry(number).or_default() += count);
        other.rows.into_iter().for_each(|(row, count)| *self.rows.entry(row).or_default() += count);
    }

    /// Numbers become texts.
    fn spell(&mut self) {
        let mut line = Vec::new();
        for ((kind, digits, number), count) in std::mem::take(&mut self.numbers) {
            line.clear();
            spelling(kind, digits).spell(number, &mut line);
            self.text(&line, count);
        }
    }

    /// All values as text, each once.
    fn finish(mut self, fields: usize) -> Vec<(Vec<String>, u64)> {
        self.spell();
        let mut found: FxHashMap<Vec<String>, u64> = FxHashMap::default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // Bytes that differ may be the same text.
        if fields == 1 {
            self.texts.iter().for_each(|(value, count)| *found.entry(vec![text(value)]).or_default() += count);
        }
        for (values, count) in self.rows {
            *found.entry(values.iter().map(|value| text(value)).collect()).or_default() += count;
        }
        found.into_iter().collect()
    }
}

pub(super) fn spelling(kind: u8, digits: u8) -> Spelling {
    match kind {
        0 => Spelling::Integer(digits),
        1 => Spelling::Decimal(digits),
        _ => Spelling::Ipv4,
    }
}

pub(super) fn number_kind(spelling: Spelling) -> Option<(u8, u8)> {
    match spelling {
        Spelling::Integer(width) => Some((0, width)),
        Spelling::Decimal(scale) => Some((1, scale)),
        Spelling::Ipv4 => Some((2, 0)),
        Spelling::Time(_) => None,
    }
}

/// The values of the fields, and how many events have them.
pub type Counted = Vec<(Vec<String>, u64)>;

impl Scan {
    /// The matching events counted by the values of fields, in no order; events that lack one are left out. `None`
    /// where stored bytes are damaged (rows tell what they are without), and where there are too many values for memory.
    pub fn count_by(&self, fields: &[CountField]) -> Result<Option<Counted>> {
        let wanted: Vec<Wanted> = fields.iter().map(Wanted::of).collect();
        let mut counts = Counts::default();
        let told = self.shared.each_pattern_once(|_, scan, pattern, selection| {
            count_pattern(scan, pattern, selection, &wanted, &mut counts)?;
            // Who groups rows can put them on the disk.
            Ok(counts.len() <= COUNTED_VALUES_MAX)
        })?;
        Ok(told.then(|| counts.finish(fields.len())))
    }
}

fn count_pattern(scan: &SegmentScan<'_>, pattern: usize, selection: &Selection, wanted: &[Wanted], counts: &mut Counts) -> Result<()> {
    let meta = &scan.segment().footer().events.patterns[pattern];
    let rows = meta.rows as usize;
    let mut plans: Vec<Plan<'_>> = wanted.iter().map(|one| plan(scan, pattern, one)).collect::<Result<_>>()?;
    if plans.iter().any(|plan| matches!(plan, Plan::Field(FieldPlan::Absent))) {
        return Ok(());
    }
    match &plans[..] {
        [Plan::Field(FieldPlan::Constant(value))] => {
            counts.text(value.as_bytes(), selection.count(rows) as u64);
            return Ok(());
        }
        [Plan::Field(FieldPlan::Pieces(pieces))] => {
            if let [PlanPiece::Slot(slot)] = pieces[..] {
                return count_slot(scan, pattern, slot, selection, counts);
            }
        }
        [Plan::Slot(slot, capture, _)] => {
            if are_told(scan, pattern, *slot, capture)? {
                let mut told = |value: &[u8], count| counts.text(capture.within(value).unwrap_or_default(), count);
                return count_slot(scan, pattern, *slot, selection, &mut told);
            }
            let mut found = Counts::default();
            if count_slot_as(scan, pattern, *slot, selection, capture, &mut found)? {
                counts.add(found);
                return Ok(());
            }
        }
        _ => {}
    }
    if let Some(found) = combinations(scan, pattern, selection, &plans)? {
        for (values, count) in found {
            match &values[..] {
                [only] => counts.text(only, count),
                _ => *counts.rows.entry(values).or_default() += count,
            }
        }
        return Ok(());
    }
    // What is not told by columns alone is told by the event.
    for (plan, one) in plans.iter_mut().zip(wanted) {
        if let (Plan::Slot(..), Wanted::Group(group)) = (&*plan, one) {
            *plan = Plan::Event(group, scan.plan(pattern, &group.name));
        }
    }
    count_rows(scan, pattern, selection.clone(), &plans, counts)
}

/// Counts row by row.
fn count_rows(scan: &SegmentScan<'_>, pattern: usize, mut selection: Selection, plans: &[Plan<'_>], counts: &mut Counts) -> Result<()> {
    // An expression is asked about the rows that match it at all.
    let mut matching = Vec::with_capacity(plans.len());
    for plan in plans {
        let rows = if let Plan::Event(group, _) = plan { scan.select_regex(&group.regex, pattern)? } else { Selection::All };
        selection = match plan {
            Plan::Event(_, FieldPlan::Absent) => selection.and(rows.clone()),
            Plan::Event(_, field) => selection.and(rows.clone().or(scan.may_have(pattern, field)?)),
            Plan::Field(field) => selection.and(scan.may_have(pattern, field)?),
            Plan::Origin(_) | Plan::Slot(..) | Plan::Span(_) => selection,
        };
        matching.push(rows);
    }
    let rows = scan.segment().footer().events.patterns[pattern].rows as usize;
    let (mut scratch, mut line, mut values) = (Vec::new(), Vec::new(), Vec::with_capacity(plans.len()));
    for row in selection.iter(rows) {
        values.clear();
        for (plan, matching) in plans.iter().zip(&matching) {
            let field = match plan {
                Plan::Origin(column) => {
                    values.extend(origin_of(scan, pattern, row, column)?.map(|value| Box::<[u8]>::from(value.as_bytes())));
                    continue;
                }
                Plan::Span(width) => {
                    let time = scan.blocks.times()?[scan.blocks.rows()?[pattern][row] as usize];
                    values.push(time.div_euclid(*width).to_string().into_bytes().into());
                    continue;
                }
                Plan::Event(group, field) if matching.holds(row) => {
                    line.clear();
                    scan.cursor(pattern).render(row, &mut line)?;
                    if let Some(found) = group.regex.group(&line, &group.name) {
                        values.push(found.into_bytes().into());
                        continue;
                    }
                    Some(field)
                }
                Plan::Field(field) | Plan::Event(_, field) => Some(field),
                Plan::Slot(..) => None,
            };
            if let Some(field) = field {
                values.extend(scan.field(pattern, row, field, &mut scratch)?.map(|value| Box::<[u8]>::from(value.into_bytes())));
            }
        }
        if values.len() < plans.len() {
            continue;
        }
        match &values[..] {
            [only] => counts.text(only, 1),
            _ => match counts.rows.get_mut(&values) {
                Some(count) => *count += 1,
                None => {
                    counts.rows.insert(values.clone(), 1);
                }
            },
        }
    }
    Ok(())
}

pub(super) fn plan<'w>(scan: &SegmentScan<'_>, pattern: usize, wanted: &'w Wanted) -> Result<Plan<'w>> {
    let group = match wanted {
        Wanted::Column(Column::Field(name)) => return Ok(Plan::Field(scan.plan(pattern, name))),
        Wanted::Column(column) => return Ok(Plan::Origin(column)),
        Wanted::Span(width) => return Ok(Plan::Span(*width)),
        Wanted::Group(group) => group,
    };
    let meta = &scan.segment().footer().events.patterns[pattern];
    let field = || scan.plan(pattern, &group.name);
    if !group.regex.is_possible(meta, scan.blocks)? {
        return Ok(Plan::Field(field()));
    }
    let Some(capture) = &group.capture else { return Ok(Plan::Event(group, field())) };
    Ok(match capture.place(meta) {
        Place::Absent => Plan::Field(field()),
        Place::Pieces(pieces) => Plan::Field(match &pieces[..] {
            [PlanPiece::Text(text)] => FieldPlan::Constant(text.as_str().into()),
            _ => FieldPlan::Pieces(pieces),
        }),
        Place::Slot(slot) => Plan::Slot(slot, capture, group),
        Place::Unknown => Plan::Event(group, field()),
    })
}

/// Whether all values of a slot are few different ones, each of which tells the group.
fn are_told(scan: &SegmentScan<'_>, pattern: usize, slot: usize, capture: &Capture) -> Result<bool> {
    let cursor = scan.cursor(pattern);
    for number in 0..cursor.runs(slot).len() {
        let told = match cursor.page(slot, number)? {
            Values::Constant(value, _) => capture.within(value).is_some(),
            Values::Dictionary(entries, _) => (0..entries.len()).all(|at| capture.within(entries.get(at)).is_some()),
            _ => false,
        };
        if !told {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Counts the groups in the values of one slot; `false` where a value cannot tell.
fn count_slot_as(
    scan: &SegmentScan<'_>,
    pattern: usize,
    slot: usize,
    selection: &Selection,
    capture: &Capture,
    counts: &mut Counts,
) -> Result<bool> {
    let mut values = Counts::default();
    count_slot(scan, pattern, slot, selection, &mut values)?;
    values.spell();
    for (value, count) in &values.texts {
        match capture.within(value) {
            Some(part) => counts.text(part, *count),
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// Counts the values of one slot.
fn count_slot(scan: &SegmentScan<'_>, pattern: usize, slot: usize, selection: &Selection, counts: &mut impl Tally) -> Result<()> {
    let cursor = scan.cursor(pattern);
    for (number, run) in cursor.runs(slot).iter().enumerate() {
        let Run { skip, rows, start, .. } = *run;
        let chosen = |at: usize| match selection {
            Selection::None => false,
            Selection::All => true,
            Selection::Some(bits) => bits.holds(start + at),
        };
        match cursor.page(slot, number)? {
            Values::Constant(value, _) => counts.text(value, (0..rows).filter(|at| chosen(*at)).count() as u64),
            Values::Dictionary(entries, numbers) => {
                let numbers = &numbers[skip..skip + rows];
                if entries.len() > rows * 4 {
                    // A few rows of a dictionary that many columns share.
                    (0..rows).filter(|at| chosen(*at)).for_each(|at| counts.text(entries.get(numbers[at] as usize), 1));
                    continue;
                }
                let mut found = vec![0u64; entries.len()];
                (0..rows).filter(|at| chosen(*at)).for_each(|at| found[numbers[at] as usize] += 1);
                found.iter().enumerate().filter(|(_, count)| **count > 0).for_each(|(at, count)| counts.text(entries.get(at), *count));
            }
            values => {
                let mut scratch = Vec::new();
                for at in (0..rows).filter(|at| chosen(*at)) {
                    let counted = match values {
                        Values::Numbers(spelling, numbers) => counts.number(*spelling, numbers[skip + at]),
                        _ => false,
                    };
                    if !counted {
                        counts.text(values.read(skip + at, &mut scratch), 1);
                    }
                }
            }
        }
    }
    Ok(())
}
