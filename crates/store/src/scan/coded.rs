//! The fields of a pattern's rows as codes of their distinct values, and as numbers, straight from the columns: what
//! counts and sums by several fields are made of. A value is looked at once per page or once per distinct value; a row
//! costs an addition. Knows neither filters nor what the numbers mean.

use super::CountField;
use super::capture::Capture;
use super::counts::{Group, Plan, Wanted, number_kind, plan, spelling};
use super::filter::SegmentScan;
use super::picks::text;
use super::plan::Scan;
use super::rows::origin_of;
use super::select::Selection;
use super::shape::Outcome;
use crate::segment::decode::{Spelling, Values};
use crate::segment::meta::Run;
use rustc_hash::FxHashMap;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_base::limits::COUNTED_VALUES_MAX;
use taffrail_pattern::{FieldPlan, Piece, PlanPiece};

/// The code of a row without a value.
pub(super) const MISSING: u32 = u32::MAX;

/// Combinations of values up to which a table has a place for each.
const TABLE_MAX: usize = 1 << 18;

/// Rows of a pattern of which one is wanted, from which on they are read one by one.
const SPARSE: usize = 16;

/// Numbers up to which a double holds each whole one.
const EXACT: u64 = 1 << 53;

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
}

/// Makes what takes numbers.
pub type Collector = Arc<dyn Fn() -> Box<dyn Collect> + Send + Sync>;

/// Combinations of values with what their rows come to.
pub type Summed = Vec<(Vec<String>, Sums)>;

/// Reads a text as a number, where it is one.
pub type ReadNumber = fn(&str) -> Option<f64>;

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

impl Prepared<'_> {
    fn sums(&self) -> Sums {
        let collected = self.collected.iter().map(|(_, make)| make()).collect();
        Sums { rows: 0, sums: vec![(0, 0.0); self.numbers.len()], collected }
    }
}

type Found = FxHashMap<Vec<Box<[u8]>>, Sums>;

impl Scan {
    /// The matching events added up by the values of fields, in no order. `None` where only rows can tell, and where
    /// there are too many values for memory.
    pub fn sums_by(&self, summing: &Summing, read: ReadNumber) -> Result<Option<Summed>> {
        let prepared = Prepared {
            fields: summing.fields.iter().map(Wanted::of).collect(),
            numbers: summing.numbers.iter().map(Wanted::of).collect(),
            collected: summing.collected.iter().map(|(field, make)| (Wanted::of(field), make)).collect(),
            read,
        };
        let mut found = Found::default();
        let told = self.shared.each_pattern_once(|_, scan, pattern, selection| {
            let told = sum_pattern(scan, pattern, selection, &prepared, &mut found)?;
            // Who groups rows can put them on the disk.
            Ok(told && found.len() <= COUNTED_VALUES_MAX)
        })?;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Ok(told.then(|| found.into_iter().map(|(values, sums)| (values.iter().map(|value| text(value)).collect(), sums)).collect()))
    }
}

/// Adds the rows of a pattern; `false` where only rows can tell.
fn sum_pattern(scan: &SegmentScan<'_>, pattern: usize, selection: &Selection, prepared: &Prepared<'_>, found: &mut Found) -> Result<bool> {
    let plans: Vec<Plan<'_>> = prepared.fields.iter().map(|one| plan(scan, pattern, one)).collect::<Result<_>>()?;
    if plans.iter().any(|plan| matches!(plan, Plan::Field(FieldPlan::Absent))) {
        return Ok(true);
    }
    let rows = Rows::new(scan, pattern, selection);
    let Some(groups) = Groups::of(&rows, &plans)? else { return Ok(false) };
    let count = groups.known.len();
    let mut columns = Vec::with_capacity(prepared.numbers.len());
    for wanted in &prepared.numbers {
        let Some(numbers) = rows.numbers_of(&plan(scan, pattern, wanted)?, prepared.read)? else { return Ok(false) };
        columns.push(added(&groups.rows, count, &numbers));
    }
    let mut counts = vec![0u64; count];
    groups.rows.iter().filter(|group| **group != MISSING).for_each(|group| counts[*group as usize] += 1);
    let mut collected = Vec::with_capacity(prepared.collected.len());
    for (wanted, _) in &prepared.collected {
        let Some(numbers) = rows.numbers_of(&plan(scan, pattern, wanted)?, prepared.read)? else { return Ok(false) };
        collected.push(dealt(&groups.rows, &counts, &numbers));
    }
    for (group, count) in counts.into_iter().enumerate() {
        let values = groups.values(group).into_iter().map(text).collect();
        let sums = found.entry(values).or_insert_with(|| prepared.sums());
        sums.rows += count;
        for (own, column) in sums.sums.iter_mut().zip(&columns) {
            *own = (own.0 + column[group].0, own.1 + column[group].1);
        }
        for (own, (places, numbers)) in sums.collected.iter_mut().zip(&collected) {
            let place = places[group].clone();
            if !place.is_empty() && !own.take(&numbers[place]) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// How many rows of each group have a number, and the sum of these.
fn added(groups: &[u32], count: usize, numbers: &Numbers) -> Vec<(u64, f64)> {
    let mut sums = vec![(0, 0.0); count];
    let mut add = |group: u32, number: f64| {
        if group != MISSING && !number.is_nan() {
            let sum = &mut sums[group as usize];
            *sum = (sum.0 + 1, sum.1 + number);
        }
    };
    match numbers {
        Numbers::None => {}
        Numbers::All(number) => groups.iter().for_each(|group| add(*group, *number)),
        Numbers::Each(numbers) => groups.iter().zip(numbers).for_each(|(group, number)| add(*group, *number)),
    }
    sums
}

/// The numbers of the rows, those of one group after those of another: where each group has its own, and the numbers.
fn dealt(groups: &[u32], counts: &[u64], numbers: &Numbers) -> (Vec<Range<usize>>, Vec<f64>) {
    let mut all = 0;
    let place = |count: &u64| {
        let start = all;
        all += *count as usize;
        start..start
    };
    let mut places: Vec<Range<usize>> = counts.iter().map(place).collect();
    let mut out = vec![0.0; if matches!(numbers, Numbers::None) { 0 } else { all }];
    let mut put = |group: u32, number: f64| {
        if group != MISSING && !number.is_nan() {
            let place = &mut places[group as usize];
            out[place.end] = number;
            place.end += 1;
        }
    };
    match numbers {
        Numbers::None => {}
        Numbers::All(number) => groups.iter().for_each(|group| put(*group, *number)),
        Numbers::Each(numbers) => groups.iter().zip(numbers).for_each(|(group, number)| put(*group, *number)),
    }
    (places, out)
}

/// Combinations of values, and how many rows have each.
pub(super) type Combinations = Vec<(Vec<Box<[u8]>>, u64)>;

/// The counts of each combination of values in the selected rows of a pattern; `None` where only rows can tell.
pub(super) fn combinations(
    scan: &SegmentScan<'_>,
    pattern: usize,
    selection: &Selection,
    plans: &[Plan<'_>],
) -> Result<Option<Combinations>> {
    let rows = Rows::new(scan, pattern, selection);
    let Some(groups) = Groups::of(&rows, plans)? else { return Ok(None) };
    let mut counts = vec![0u64; groups.known.len()];
    groups.rows.iter().filter(|group| **group != MISSING).for_each(|group| counts[*group as usize] += 1);
    Ok(Some(counts.iter().enumerate().map(|(group, count)| (groups.values(group), *count)).collect()))
}

/// The wanted rows of a pattern.
pub(super) struct Rows<'a, 'b> {
    scan: &'a SegmentScan<'b>,
    pattern: usize,
    pub(super) chosen: Vec<u32>,
    /// Whether there are so few that pages are not gone through.
    sparse: bool,
}

impl<'a, 'b> Rows<'a, 'b> {
    pub(super) fn new(scan: &'a SegmentScan<'b>, pattern: usize, selection: &Selection) -> Self {
        let rows = scan.segment().footer().events.patterns[pattern].rows as usize;
        let chosen: Vec<u32> = selection.iter(rows).map(|row| row as u32).collect();
        let sparse = chosen.len() * SPARSE < rows;
        Self { scan, pattern, chosen, sparse }
    }

    /// The codes of a field; `None` where only the event can tell it.
    fn codes(&self, plan: &Plan<'_>) -> Result<Option<Coded>> {
        let mut coder = Coder::default();
        let codes = match plan {
            Plan::Span(width) => self.spans(*width, &mut coder)?,
            Plan::Origin(column) => return self.origins(column),
            Plan::Field(FieldPlan::Constant(value)) => vec![coder.text(value.as_bytes()); self.chosen.len()],
            Plan::Field(field @ FieldPlan::Pieces(pieces)) => match pieces[..] {
                [PlanPiece::Slot(slot)] if !self.sparse => self.slot(slot, &mut coder)?,
                _ => self.texts(field, &mut coder)?,
            },
            Plan::Slot(slot, capture, group) => {
                if !self.sparse {
                    let codes = self.slot(*slot, &mut coder)?;
                    if let Some(coded) = captured(codes, &coder, capture) {
                        return Ok(Some(coded));
                    }
                }
                return self.grouped(group, &self.scan.plan(self.pattern, &group.name));
            }
            Plan::Event(group, field) => return self.grouped(group, field),
            Plan::Field(_) => return Ok(None),
        };
        Ok(Some(Coded { codes, texts: coder.texts }))
    }

    /// A group of an expression that can match in one way only, decided for each combination of the values that it is
    /// matched against; what these do not decide is asked of the event.
    fn grouped(&self, group: &Group, field: &FieldPlan) -> Result<Option<Coded>> {
        let Some(shape) = &group.shape else { return Ok(None) };
        let (Some(number), Some(first)) = (shape.group(&group.name), self.chosen.first()) else { return Ok(None) };
        let cursor = self.scan.cursor(self.pattern);
        let Some((at, start)) = shape.start(cursor.meta()) else { return Ok(None) };
        let pieces = &cursor.meta().pattern.pieces()[at..];
        let before = cursor.meta().pattern.pieces()[..at].iter().filter(|piece| matches!(piece, Piece::Slot(_))).count();
        // One event says how much of it is looked at.
        let (mut line, mut ends, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut slot = before;
        for piece in pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(if ends.is_empty() { &text[start..] } else { text }),
                Piece::Slot(_) => {
                    cursor.write(slot, *first as usize, &mut line)?;
                    slot += 1;
                }
            }
            ends.push(line.len());
        }
        if shape.run(&line, true, &mut places) != Outcome::Yes {
            return Ok(None);
        }
        let last = ends.partition_point(|end| places.last().is_some_and(|place| end <= place)).min(pieces.len() - 1);
        let whole = last + 1 == pieces.len();
        let slots = pieces[..=last].iter().filter(|piece| matches!(piece, Piece::Slot(_))).count();
        let plans: Vec<Plan<'_>> =
            (before..before + slots).map(|slot| Plan::Field(FieldPlan::Pieces([PlanPiece::Slot(slot)].into()))).collect();
        let Some(groups) = Groups::of(self, &plans)? else { return Ok(None) };
        let mut coder = Coder::default();
        let mut told = Vec::with_capacity(groups.known.len());
        for known in 0..groups.known.len() {
            line.clear();
            let mut values = groups.values(known).into_iter();
            for (at, piece) in pieces[..=last].iter().enumerate() {
                match piece {
                    Piece::Text(text) => line.extend_from_slice(if at == 0 { &text[start..] } else { text }),
                    Piece::Slot(_) => line.extend_from_slice(&values.next().unwrap_or_default()),
                }
            }
            let found = shape.run(&line, whole, &mut places) == Outcome::Yes;
            told.push(found.then(|| coder.text(&line[shape.range(number, &places)])));
        }
        let (mut codes, mut scratch) = (Vec::with_capacity(self.chosen.len()), Vec::new());
        for (row, known) in self.chosen.iter().zip(&groups.rows) {
            let code = match told.get(*known as usize) {
                Some(Some(code)) => *code,
                _ => {
                    line.clear();
                    cursor.render(*row as usize, &mut line)?;
                    match group.regex.group(&line, &group.name) {
                        Some(text) => coder.text(text.as_bytes()),
                        None => match self.scan.field(self.pattern, *row as usize, field, &mut scratch)? {
                            Some(text) => coder.text(text.as_bytes()),
                            None => MISSING,
                        },
                    }
                }
            };
            codes.push(code);
        }
        Ok(Some(Coded { codes, texts: coder.texts }))
    }

    fn texts(&self, field: &FieldPlan, coder: &mut Coder) -> Result<Vec<u32>> {
        let mut scratch = Vec::new();
        let text = |row: &u32| {
            let text = self.scan.field(self.pattern, *row as usize, field, &mut scratch)?;
            Ok(text.map_or(MISSING, |text| coder.text(text.as_bytes())))
        };
        self.chosen.iter().map(text).collect()
    }

    fn spans(&self, width: i64, coder: &mut Coder) -> Result<Vec<u32>> {
        let (times, rows) = (self.scan.blocks.times()?, self.scan.blocks.rows()?);
        let rows = &rows[self.pattern];
        // Events of one span mostly follow each other.
        let mut last: Option<(i64, u32)> = None;
        let code = |row: &u32| {
            let number = times[rows[*row as usize] as usize].div_euclid(width);
            match last {
                Some((known, code)) if known == number => code,
                _ => {
                    let code = coder.text(number.to_string().as_bytes());
                    last = Some((number, code));
                    code
                }
            }
        };
        Ok(self.chosen.iter().map(code).collect())
    }

    fn origins(&self, column: &super::Column) -> Result<Option<Coded>> {
        let mut coder = Coder::default();
        // Of events of one origin all have one value; else the number of the origin stands for the value.
        let several = self.scan.segment().origins().len() > 1;
        let (numbers, rows) = if several { (self.scan.event_origins()?, Some(self.scan.blocks.rows()?)) } else { (&[][..], None) };
        let mut known: FxHashMap<i64, u32> = FxHashMap::default();
        let mut codes = Vec::with_capacity(self.chosen.len());
        for row in &self.chosen {
            let number = rows.as_ref().map_or(0, |rows| numbers[rows[self.pattern][*row as usize] as usize]);
            let code = match known.get(&number) {
                Some(code) => *code,
                None => {
                    let Some(value) = origin_of(self.scan, self.pattern, *row as usize, column)? else { return Ok(None) };
                    let code = coder.text(value.as_bytes());
                    known.insert(number, code);
                    code
                }
            };
            codes.push(code);
        }
        Ok(Some(Coded { codes, texts: coder.texts }))
    }

    /// Calls `each` with the parts of a slot's pages that the pattern has: the page, the rows wanted, counted in it.
    fn pages(&self, slot: usize, mut each: impl FnMut(&Values, Here<'_>)) -> Result<()> {
        let cursor = self.scan.cursor(self.pattern);
        let mut from = 0;
        for (number, run) in cursor.runs(slot).iter().enumerate() {
            let Run { skip, rows, start, .. } = *run;
            let to = from + self.chosen[from..].partition_point(|row| (*row as usize) < start + rows);
            if to - from == rows {
                each(cursor.page(slot, number)?, Here::All(skip..skip + rows));
            } else if to > from {
                each(cursor.page(slot, number)?, Here::Some { rows: &self.chosen[from..to], start, skip });
            }
            from = to;
        }
        Ok(())
    }

    fn slot(&self, slot: usize, coder: &mut Coder) -> Result<Vec<u32>> {
        let mut codes = Vec::with_capacity(self.chosen.len());
        self.pages(slot, |values, here| match values {
            Values::Constant(value, _) => {
                let code = coder.text(value);
                here.each(|_| codes.push(code));
            }
            Values::Dictionary(entries, numbers) if entries.len() <= numbers.len() * 4 => {
                let mut known = vec![MISSING; entries.len()];
                here.each(|at| {
                    let entry = numbers[at] as usize;
                    if known[entry] == MISSING {
                        known[entry] = coder.text(entries.get(entry));
                    }
                    codes.push(known[entry]);
                });
            }
            Values::Numbers(spelling, numbers) if number_kind(*spelling).is_some() => {
                let (kind, digits) = number_kind(*spelling).expect("just asked");
                let range = numbers.iter().min().zip(numbers.iter().max());
                let (least, span) = range.map_or((0, u64::MAX), |(least, greatest)| (*least, greatest.abs_diff(*least)));
                if span < numbers.len() as u64 * 4 {
                    // Numbers near to each other have a place each.
                    let mut known = vec![MISSING; span as usize + 1];
                    here.each(|at| {
                        let place = numbers[at].abs_diff(least) as usize;
                        if known[place] == MISSING {
                            known[place] = coder.number(kind, digits, numbers[at]);
                        }
                        codes.push(known[place]);
                    });
                } else {
                    here.each(|at| codes.push(coder.number(kind, digits, numbers[at])));
                }
            }
            values => {
                let mut scratch = Vec::new();
                here.each(|at| codes.push(coder.text(values.read(at, &mut scratch))));
            }
        })?;
        Ok(codes)
    }

    /// The numbers of a field or a group; `None` where only the event can tell them.
    fn numbers_of(&self, plan: &Plan<'_>, read: ReadNumber) -> Result<Option<Numbers>> {
        if let Plan::Field(field) = plan {
            return self.numbers(field, read).map(Some);
        }
        let Some(coded) = self.codes(plan)? else { return Ok(None) };
        let number = |text: &[u8]| read(&String::from_utf8_lossy(text)).unwrap_or(f64::NAN);
        let known: Vec<f64> = coded.texts.iter().map(|text| number(text)).collect();
        let each = coded.codes.iter().map(|code| known.get(*code as usize).copied().unwrap_or(f64::NAN));
        Ok(Some(Numbers::Each(each.collect())))
    }

    /// The numbers of a field.
    pub(super) fn numbers(&self, plan: &FieldPlan, read: ReadNumber) -> Result<Numbers> {
        let number = |text: &[u8]| read(&String::from_utf8_lossy(text)).unwrap_or(f64::NAN);
        Ok(match plan {
            FieldPlan::Absent => Numbers::None,
            FieldPlan::Constant(value) => number(value.as_bytes()).into(),
            FieldPlan::Pieces(pieces) if matches!(pieces[..], [PlanPiece::Slot(_)]) && !self.sparse => {
                let [PlanPiece::Slot(slot)] = pieces[..] else { unreachable!("just matched") };
                let mut out = Vec::with_capacity(self.chosen.len());
                self.pages(slot, |values, here| numbers_of(values, here, &number, &mut out))?;
                Numbers::Each(out)
            }
            plan => {
                let mut scratch = Vec::new();
                let one = |row: &u32| {
                    let text = self.scan.field(self.pattern, *row as usize, plan, &mut scratch)?;
                    Ok(text.map_or(f64::NAN, |text| number(text.as_bytes())))
                };
                Numbers::Each(self.chosen.iter().map(one).collect::<Result<_>>()?)
            }
        })
    }
}

/// A field as numbers; where it is none, not a number.
pub(super) enum Numbers {
    None,
    All(f64),
    Each(Vec<f64>),
}

impl From<f64> for Numbers {
    fn from(number: f64) -> Self {
        if number.is_nan() { Self::None } else { Self::All(number) }
    }
}

fn numbers_of(values: &Values, here: Here<'_>, number: &dyn Fn(&[u8]) -> f64, out: &mut Vec<f64>) {
    match values {
        Values::Constant(value, _) => {
            let number = number(value);
            here.each(|_| out.push(number));
        }
        Values::Dictionary(entries, numbers) if entries.len() <= numbers.len() * 4 => {
            let mut known: Vec<Option<f64>> = vec![None; entries.len()];
            here.each(|at| out.push(*known[numbers[at] as usize].get_or_insert_with(|| number(entries.get(numbers[at] as usize)))));
        }
        // What is spelled as a number is one; divided by a power of ten it is the double nearest to the text.
        Values::Numbers(Spelling::Integer(_), numbers) => here.each(|at| out.push(numbers[at] as f64)),
        Values::Numbers(Spelling::Decimal(scale), numbers)
            if *scale <= 22 && numbers.iter().all(|number| number.unsigned_abs() < EXACT) =>
        {
            let unit = 10f64.powi(i32::from(*scale));
            here.each(|at| out.push(numbers[at] as f64 / unit));
        }
        values => {
            let mut scratch = Vec::new();
            here.each(|at| out.push(number(values.read(at, &mut scratch))));
        }
    }
}

/// The rows wanted of a page, counted in it.
enum Here<'r> {
    All(Range<usize>),
    Some { rows: &'r [u32], start: usize, skip: usize },
}

impl Here<'_> {
    #[inline]
    fn each(self, mut each: impl FnMut(usize)) {
        match self {
            Self::All(rows) => rows.for_each(each),
            Self::Some { rows, start, skip } => rows.iter().for_each(|row| each(*row as usize - start + skip)),
        }
    }
}

/// The codes of a field in the wanted rows, and the texts that they stand for.
struct Coded {
    codes: Vec<u32>,
    texts: Vec<Box<[u8]>>,
}

/// Gives each value a code.
#[derive(Default)]
struct Coder {
    texts: Vec<Box<[u8]>>,
    by_text: FxHashMap<Box<[u8]>, u32>,
    /// By how numbers are spelled: the codes of those met.
    by_number: Vec<((u8, u8), FxHashMap<i64, u32>)>,
}

impl Coder {
    fn text(&mut self, value: &[u8]) -> u32 {
        if let Some(code) = self.by_text.get(value) {
            return *code;
        }
        let code = self.texts.len() as u32;
        self.texts.push(value.into());
        self.by_text.insert(value.into(), code);
        code
    }

    fn number(&mut self, kind: u8, digits: u8, number: i64) -> u32 {
        let at = self.by_number.iter().position(|(spelled, _)| *spelled == (kind, digits)).unwrap_or_else(|| {
            self.by_number.push(((kind, digits), FxHashMap::default()));
            self.by_number.len() - 1
        });
        if let Some(code) = self.by_number[at].1.get(&number) {
            return *code;
        }
        let mut text = Vec::new();
        spelling(kind, digits).spell(number, &mut text);
        let code = self.text(&text);
        self.by_number[at].1.insert(number, code);
        code
    }
}

/// The group of an expression in the values of a slot; `None` where one value does not tell it.
fn captured(codes: Vec<u32>, coder: &Coder, capture: &Capture) -> Option<Coded> {
    let mut parts = Coder::default();
    let known: Option<Vec<u32>> = coder.texts.iter().map(|value| capture.within(value).map(|part| parts.text(part))).collect();
    let known = known?;
    let codes = codes.into_iter().map(|code| known[code as usize]).collect();
    Some(Coded { codes, texts: parts.texts })
}

/// The combinations of values that there are.
pub(super) struct Groups {
    columns: Vec<Coded>,
    /// The combination of each wanted row.
    pub(super) rows: Vec<u32>,
    /// The codes of each combination as one number; each has a row.
    pub(super) known: Vec<u64>,
}

impl Groups {
    pub(super) fn of(rows: &Rows<'_, '_>, plans: &[Plan<'_>]) -> Result<Option<Self>> {
        let mut columns = Vec::with_capacity(plans.len());
        for plan in plans {
            let Some(coded) = rows.codes(plan)? else { return Ok(None) };
            columns.push(coded);
        }
        if let [only] = &mut columns[..] {
            // Every code has a row: codes are combinations.
            let (rows, codes) = (std::mem::take(&mut only.codes), only.texts.len() as u64);
            return Ok(Some(Self { columns, rows, known: (0..codes).collect() }));
        }
        let mut size: usize = 1;
        for column in &columns {
            let Some(larger) = size.checked_mul(column.texts.len().max(1)) else { return Ok(None) };
            size = larger;
        }
        let (mut table, mut map) = (vec![MISSING; if size <= TABLE_MAX { size } else { 0 }], FxHashMap::<u64, u32>::default());
        let (mut known, mut of_rows) = (Vec::new(), Vec::with_capacity(rows.chosen.len()));
        for at in 0..rows.chosen.len() {
            let mut number = 0;
            let mut missing = false;
            for column in &columns {
                missing = column.codes[at] == MISSING;
                if missing {
                    break;
                }
                number = number * column.texts.len() as u64 + u64::from(column.codes[at]);
            }
            if missing {
                of_rows.push(MISSING);
                continue;
            }
            let place = if table.is_empty() { map.entry(number).or_insert(MISSING) } else { &mut table[number as usize] };
            if *place == MISSING {
                *place = known.len() as u32;
                known.push(number);
            }
            of_rows.push(*place);
        }
        Ok(Some(Self { columns, rows: of_rows, known }))
    }

    /// The values of a combination.
    pub(super) fn values(&self, group: usize) -> Vec<Box<[u8]>> {
        let mut number = self.known[group];
        let mut values: Vec<Box<[u8]>> = Vec::with_capacity(self.columns.len());
        for column in self.columns.iter().rev() {
            let codes = column.texts.len() as u64;
            values.push(column.texts[(number % codes) as usize].clone());
            number /= codes;
        }
        values.reverse();
        values
    }
}
