//! Counts by the values of fields, from columns: no rows are built.

use super::filter::SegmentScan;
use super::plan::Scan;
use super::rows::origin_of;
use super::select::Selection;
use super::{Column, capture::Capture};
use crate::segment::decode::{Spelling, Values};
use crate::segment::meta::Run;
use regex::Regex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::{FieldPlan, PlanPiece};

/// A field that counts are asked by.
#[derive(Clone, Debug)]
pub enum CountField {
    /// A column of rows; not one of times or bytes.
    Column(Column),
    /// The named group of an expression on the event as text; of its first match.
    Group(Regex, String),
}

impl CountField {
    fn group(&self) -> Option<&str> {
        match self {
            Self::Group(_, name) => Some(name),
            Self::Column(_) => None,
        }
    }
}

/// A field, ready to be found in patterns.
enum Wanted {
    Column(Column),
    Group { capture: Option<Box<Capture>>, regex: Regex, name: String },
}

/// Counts of values: numbers are counted as numbers as long as they can be.
#[derive(Default)]
struct Counts {
    texts: FxHashMap<Box<[u8]>, u64>,
    numbers: FxHashMap<(u8, u8, i64), u64>,
    rows: FxHashMap<Vec<Box<[u8]>>, u64>,
}

impl Counts {
    fn text(&mut self, value: &[u8], count: u64) {
        match self.texts.get_mut(value) {
            Some(known) => *known += count,
            None => {
                self.texts.insert(value.into(), count);
            }
        }
    }

    /// All values as text, each once.
    fn finish(mut self, fields: usize) -> Vec<(Vec<String>, u64)> {
        let mut line = Vec::new();
        for ((kind, digits, number), count) in std::mem::take(&mut self.numbers) {
            line.clear();
            spelling(kind, digits).spell(number, &mut line);
            self.text(&line, count);
        }
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

fn spelling(kind: u8, digits: u8) -> Spelling {
    match kind {
        0 => Spelling::Integer(digits),
        1 => Spelling::Decimal(digits),
        _ => Spelling::Ipv4,
    }
}

fn number_kind(spelling: Spelling) -> Option<(u8, u8)> {
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
    /// where events may have a field of the name of a group: which of the two counts is not decided here.
    pub fn count_by(&self, fields: &[CountField]) -> Result<Option<Counted>> {
        let wanted: Vec<Wanted> = fields
            .iter()
            .map(|field| match field {
                CountField::Column(column) => Wanted::Column(column.clone()),
                CountField::Group(regex, name) => {
                    Wanted::Group { capture: Capture::new(regex, name).map(Box::new), regex: regex.clone(), name: name.clone() }
                }
            })
            .collect();
        let groups: Vec<&str> = fields.iter().filter_map(CountField::group).collect();
        let (mut counts, mut decided) = (Counts::default(), true);
        // Where stored bytes are damaged, rows decide: they tell what they are without.
        let readable = self.shared.each_once(|scan, selections| {
            for (pattern, selection) in selections.iter().enumerate().filter(|(_, selection)| **selection != Selection::None) {
                decided &= groups.iter().all(|name| matches!(scan.plan(pattern, name), FieldPlan::Absent));
                if decided {
                    count_pattern(scan, pattern, selection, &wanted, &mut counts)?;
                }
            }
            Ok(())
        })?;
        Ok((decided && readable).then(|| counts.finish(fields.len())))
    }
}

fn count_pattern(scan: &SegmentScan<'_>, pattern: usize, selection: &Selection, wanted: &[Wanted], counts: &mut Counts) -> Result<()> {
    let meta = &scan.segment().footer().events.patterns[pattern];
    let rows = meta.rows as usize;
    let plans: Vec<FieldPlan> = wanted.iter().map(|one| plan(scan, pattern, one)).collect();
    if plans.iter().any(|plan| matches!(plan, FieldPlan::Absent)) {
        return Ok(());
    }
    match (&plans[..], wanted) {
        ([FieldPlan::Constant(value)], [Wanted::Column(Column::Field(_)) | Wanted::Group { .. }]) => {
            counts.text(value.as_bytes(), selection.count(rows) as u64);
            return Ok(());
        }
        ([FieldPlan::Pieces(pieces)], [Wanted::Column(Column::Field(_)) | Wanted::Group { .. }]) => {
            if let [PlanPiece::Slot(slot)] = pieces[..] {
                return count_slot(scan, pattern, slot, selection, counts);
            }
        }
        _ => {}
    }
    let (mut scratch, mut values) = (Vec::new(), Vec::with_capacity(wanted.len()));
    for row in selection.iter(rows) {
        values.clear();
        for (one, plan) in wanted.iter().zip(&plans) {
            let value: Option<Box<[u8]>> = match one {
                Wanted::Column(Column::Field(_)) | Wanted::Group { .. } => {
                    scan.field(pattern, row, plan, &mut scratch)?.map(|value| value.into_bytes().into())
                }
                Wanted::Column(column) => origin_of(scan, pattern, row, column)?.map(|value| value.as_bytes().into()),
            };
            values.extend(value);
        }
        if values.len() < wanted.len() {
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

fn plan(scan: &SegmentScan<'_>, pattern: usize, wanted: &Wanted) -> FieldPlan {
    match wanted {
        Wanted::Column(Column::Field(name)) => scan.plan(pattern, name),
        // Origins are not in the pattern; their plan is not asked.
        Wanted::Column(_) => FieldPlan::Constant("".into()),
        Wanted::Group { capture, regex, name } => {
            let meta = &scan.segment().footer().events.patterns[pattern];
            let known = capture.as_ref().and_then(|capture| capture.place(meta).plan());
            known.unwrap_or_else(|| {
                let (regex, name) = (regex.clone(), name.clone());
                FieldPlan::PerEvent(Arc::new(move |raw| {
                    let text = String::from_utf8_lossy(raw);
                    regex.captures(&text).and_then(|captures| captures.name(&name)).map(|group| group.as_str().to_owned())
                }))
            })
        }
    }
}

/// Counts the values of one slot.
fn count_slot(scan: &SegmentScan<'_>, pattern: usize, slot: usize, selection: &Selection, counts: &mut Counts) -> Result<()> {
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
            Values::Numbers(spelling, numbers) if number_kind(*spelling).is_some() => {
                let (kind, digits) = number_kind(*spelling).expect("just asked");
                let numbers = &numbers[skip..skip + rows];
                (0..rows).filter(|at| chosen(*at)).for_each(|at| *counts.numbers.entry((kind, digits, numbers[at])).or_default() += 1);
            }
            values => {
                let mut scratch = Vec::new();
                (0..rows).filter(|at| chosen(*at)).for_each(|at| counts.text(values.read(skip + at, &mut scratch), 1));
            }
        }
    }
    Ok(())
}
