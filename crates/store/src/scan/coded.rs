//! The fields of a pattern's rows as codes of their distinct values, and as numbers, straight from the columns: what
//! counts and sums by several fields are made of. A value is looked at once per page or once per distinct value; a row
//! costs an addition. Knows neither filters nor what the numbers mean.

use super::CountField;
use super::capture::Capture;
use super::counts::{Plan, Wanted, number_kind, plan, spelling};
use super::filter::SegmentScan;
use super::plan::Scan;
use super::rows::origin_of;
use super::select::Selection;
use crate::segment::decode::{Spelling, Values};
use crate::segment::meta::Run;
use rustc_hash::FxHashMap;
use taffrail_base::Result;
use taffrail_base::limits::COUNTED_VALUES_MAX;
use taffrail_pattern::{FieldPlan, PlanPiece};

/// The code of a row without a value.
const MISSING: u32 = u32::MAX;

/// Combinations of values up to which a table has a place for each.
const TABLE_MAX: usize = 1 << 18;

/// Rows of a pattern of which one is wanted, from which on they are read one by one.
const SPARSE: usize = 16;

/// Numbers up to which a double holds each whole one.
const EXACT: u64 = 1 << 53;

/// The rows of one combination of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// How many.
    pub rows: u64,
    /// For each field that is added up: how many rows have a number in it, and the sum of these.
    pub sums: Vec<(u64, f64)>,
}

impl Sums {
    fn of(fields: usize) -> Self {
        Self { rows: 0, sums: vec![(0, 0.0); fields] }
    }

    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (own, other) in self.sums.iter_mut().zip(&other.sums) {
            *own = (own.0 + other.0, own.1 + other.1);
        }
    }
}

/// Combinations of values with what their rows come to.
pub type Summed = Vec<(Vec<String>, Sums)>;

/// Reads a text as a number, where it is one.
pub type ReadNumber = fn(&str) -> Option<f64>;

impl Scan {
    /// The matching events added up by the values of fields, in no order; events that lack one of `fields` are left out.
    /// `None` where only rows can tell, and where there are too many values for memory.
    pub fn sums_by(&self, fields: &[CountField], numbers: &[String], read: ReadNumber) -> Result<Option<Summed>> {
        let wanted: Vec<Wanted> = fields.iter().map(Wanted::of).collect();
        let mut found: FxHashMap<Vec<Box<[u8]>>, Sums> = FxHashMap::default();
        let told = self.shared.each_pattern_once(|scan, pattern, selection| {
            let told = sum_pattern(scan, pattern, selection, &wanted, numbers, read, &mut found)?;
            // Who groups rows can put them on the disk.
            Ok(told && found.len() <= COUNTED_VALUES_MAX)
        })?;
        if !told {
            return Ok(None);
        }
        // Bytes that differ may be the same text.
        let mut texts: FxHashMap<Vec<String>, Sums> = FxHashMap::default();
        for (values, sums) in found {
            let values = values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
            texts.entry(values).or_insert_with(|| Sums::of(numbers.len())).add(&sums);
        }
        Ok(Some(texts.into_iter().collect()))
    }
}

/// Adds the rows of a pattern; `false` where only rows can tell.
fn sum_pattern(
    scan: &SegmentScan<'_>,
    pattern: usize,
    selection: &Selection,
    wanted: &[Wanted],
    numbers: &[String],
    read: ReadNumber,
    found: &mut FxHashMap<Vec<Box<[u8]>>, Sums>,
) -> Result<bool> {
    let plans: Vec<Plan<'_>> = wanted.iter().map(|one| plan(scan, pattern, one)).collect::<Result<_>>()?;
    if plans.iter().any(|plan| matches!(plan, Plan::Field(FieldPlan::Absent))) {
        return Ok(true);
    }
    let rows = Rows::new(scan, pattern, selection);
    let Some(groups) = Groups::of(&rows, &plans)? else { return Ok(false) };
    let columns = numbers.iter().map(|name| rows.numbers(&scan.plan(pattern, name), read)).collect::<Result<Vec<_>>>()?;
    let mut sums = vec![Sums::of(numbers.len()); groups.known.len()];
    for (at, group) in groups.rows.iter().enumerate().filter(|(_, group)| **group != MISSING) {
        let sums = &mut sums[*group as usize];
        sums.rows += 1;
        for (column, (count, sum)) in columns.iter().zip(&mut sums.sums) {
            let number = match column {
                Numbers::None => continue,
                Numbers::All(number) => *number,
                Numbers::Each(numbers) => numbers[at],
            };
            if !number.is_nan() {
                *count += 1;
                *sum += number;
            }
        }
    }
    for (group, sums) in sums.iter().enumerate() {
        found.entry(groups.values(group)).or_insert_with(|| Sums::of(numbers.len())).add(sums);
    }
    Ok(true)
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
struct Rows<'a, 'b> {
    scan: &'a SegmentScan<'b>,
    pattern: usize,
    chosen: Vec<u32>,
    /// Whether there are so few that pages are not gone through.
    sparse: bool,
}

impl<'a, 'b> Rows<'a, 'b> {
    fn new(scan: &'a SegmentScan<'b>, pattern: usize, selection: &Selection) -> Self {
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
            Plan::Slot(slot, capture) if !self.sparse => {
                let codes = self.slot(*slot, &mut coder)?;
                return Ok(captured(codes, &coder, capture));
            }
            _ => return Ok(None),
        };
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
    fn pages(&self, slot: usize, mut each: impl FnMut(&Values, &mut dyn Iterator<Item = usize>)) -> Result<()> {
        let cursor = self.scan.cursor(self.pattern);
        let mut from = 0;
        for (number, run) in cursor.runs(slot).iter().enumerate() {
            let Run { skip, rows, start, .. } = *run;
            let to = from + self.chosen[from..].partition_point(|row| (*row as usize) < start + rows);
            if to > from {
                let mut here = self.chosen[from..to].iter().map(|row| *row as usize - start + skip);
                each(cursor.page(slot, number)?, &mut here);
            }
            from = to;
        }
        Ok(())
    }

    fn slot(&self, slot: usize, coder: &mut Coder) -> Result<Vec<u32>> {
        let mut codes = Vec::with_capacity(self.chosen.len());
        self.pages(slot, |values, rows| match values {
            Values::Constant(value, _) => {
                let code = coder.text(value);
                codes.extend(rows.map(|_| code));
            }
            Values::Dictionary(entries, numbers) if entries.len() <= numbers.len() * 4 => {
                let mut known = vec![MISSING; entries.len()];
                codes.extend(rows.map(|at| {
                    let entry = numbers[at] as usize;
                    if known[entry] == MISSING {
                        known[entry] = coder.text(entries.get(entry));
                    }
                    known[entry]
                }));
            }
            Values::Numbers(spelling, numbers) if number_kind(*spelling).is_some() => {
                let (kind, digits) = number_kind(*spelling).expect("just asked");
                codes.extend(rows.map(|at| coder.number(kind, digits, numbers[at])));
            }
            values => {
                let mut scratch = Vec::new();
                codes.extend(rows.map(|at| coder.text(values.read(at, &mut scratch))));
            }
        })?;
        Ok(codes)
    }

    /// The numbers of a field.
    fn numbers(&self, plan: &FieldPlan, read: ReadNumber) -> Result<Numbers> {
        let number = |text: &[u8]| read(&String::from_utf8_lossy(text)).unwrap_or(f64::NAN);
        Ok(match plan {
            FieldPlan::Absent => Numbers::None,
            FieldPlan::Constant(value) => number(value.as_bytes()).into(),
            FieldPlan::Pieces(pieces) if matches!(pieces[..], [PlanPiece::Slot(_)]) && !self.sparse => {
                let [PlanPiece::Slot(slot)] = pieces[..] else { unreachable!("just matched") };
                let mut out = Vec::with_capacity(self.chosen.len());
                self.pages(slot, |values, rows| numbers_of(values, rows, &number, &mut out))?;
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
enum Numbers {
    None,
    All(f64),
    Each(Vec<f64>),
}

impl From<f64> for Numbers {
    fn from(number: f64) -> Self {
        if number.is_nan() { Self::None } else { Self::All(number) }
    }
}

fn numbers_of(values: &Values, rows: &mut dyn Iterator<Item = usize>, number: &dyn Fn(&[u8]) -> f64, out: &mut Vec<f64>) {
    match values {
        Values::Constant(value, _) => {
            let number = number(value);
            out.extend(rows.map(|_| number));
        }
        Values::Dictionary(entries, numbers) if entries.len() <= numbers.len() * 4 => {
            let mut known: Vec<Option<f64>> = vec![None; entries.len()];
            out.extend(rows.map(|at| *known[numbers[at] as usize].get_or_insert_with(|| number(entries.get(numbers[at] as usize)))));
        }
        // What is spelled as a number is one; divided by a power of ten it is the double nearest to the text.
        Values::Numbers(Spelling::Integer(_), numbers) => out.extend(rows.map(|at| numbers[at] as f64)),
        Values::Numbers(Spelling::Decimal(scale), numbers)
            if *scale <= 22 && numbers.iter().all(|number| number.unsigned_abs() < EXACT) =>
        {
            let unit = 10f64.powi(i32::from(*scale));
            out.extend(rows.map(|at| numbers[at] as f64 / unit));
        }
        values => {
            let mut scratch = Vec::new();
            out.extend(rows.map(|at| number(values.read(at, &mut scratch))));
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
    by_number: FxHashMap<(u8, u8, i64), u32>,
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
        if let Some(code) = self.by_number.get(&(kind, digits, number)) {
            return *code;
        }
        let mut text = Vec::new();
        spelling(kind, digits).spell(number, &mut text);
        let code = self.text(&text);
        self.by_number.insert((kind, digits, number), code);
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
struct Groups {
    columns: Vec<Coded>,
    /// The combination of each wanted row.
    rows: Vec<u32>,
    /// The codes of each combination as one number.
    known: Vec<u64>,
}

impl Groups {
    fn of(rows: &Rows<'_, '_>, plans: &[Plan<'_>]) -> Result<Option<Self>> {
        let mut columns = Vec::with_capacity(plans.len());
        for plan in plans {
            let Some(coded) = rows.codes(plan)? else { return Ok(None) };
            columns.push(coded);
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
    fn values(&self, group: usize) -> Vec<Box<[u8]>> {
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
