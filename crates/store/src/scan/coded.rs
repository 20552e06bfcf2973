//! The fields of a pattern's rows as codes of their values, and as numbers, straight from the columns. Pages are gone
//! through in parts and not kept; a value is looked at once per page or once per distinct value. Knows neither filters
//! nor what becomes of codes and numbers.

use super::Column;
use super::capture::Capture;
use super::coder::{Coder, MISSING};
use super::filter::{SegmentScan, origin_part};
use super::groups::Groups;
use super::select::Selection;
use super::shape::Outcome;
use super::wanted::{Group, Plan};
use crate::segment::decode::{Part, Spelling};
use crate::segment::hosts;
use crate::segment::ints::CHUNK;
use crate::segment::meta::{Run, ZONE_ROWS};
use std::ops::Range;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::{FieldPlan, Piece, PlanPiece};

/// Rows of a pattern of which one is wanted, from which on they are read one by one.
const SPARSE: usize = 16;

/// Patterns of a segment up to which each unpacks the times that it asks for.
const SHARED_PATTERNS: usize = 8;

/// Numbers up to which a double holds each whole one.
const EXACT: u64 = 1 << 53;

/// Reads a text as a number, where it is one.
pub type ReadNumber = fn(&str) -> Option<f64>;

/// The wanted rows of a pattern.
pub(super) struct Rows<'a, 'b> {
    scan: &'a SegmentScan<'b>,
    pattern: usize,
    all: usize,
    /// Which; `None` for all.
    chosen: Option<Vec<u32>>,
}

/// Some values of a slot, and which of them are wanted.
struct Stretch<'p> {
    part: Part<'p>,
    /// Whether they are the first of their page.
    fresh: bool,
    /// How many values of the page there are in all.
    rows: usize,
    /// The least and the greatest number of the page.
    range: Option<(i64, i64)>,
    here: Here<'p>,
}

/// Which values of a part are wanted.
#[derive(Clone, Copy)]
enum Here<'r> {
    All,
    /// These rows; the part begins with row `start`.
    Some {
        rows: &'r [u32],
        start: usize,
    },
}

impl Here<'_> {
    /// How many of so many.
    fn count(&self, all: usize) -> usize {
        match self {
            Self::All => all,
            Self::Some { rows, .. } => rows.len(),
        }
    }

    /// Appends what is made of the wanted values.
    #[inline]
    fn extend<T: Copy, O>(&self, values: &[T], out: &mut Vec<O>, mut make: impl FnMut(T) -> O) {
        match self {
            Self::All => out.extend(values.iter().map(|value| make(*value))),
            Self::Some { rows, start } => out.extend(rows.iter().map(|row| make(values[*row as usize - start]))),
        }
    }

    /// The same of values that are found by their place.
    fn extend_at<O>(&self, all: usize, out: &mut Vec<O>, mut make: impl FnMut(usize) -> O) {
        match self {
            Self::All => out.extend((0..all).map(make)),
            Self::Some { rows, start } => out.extend(rows.iter().map(|row| make(*row as usize - start))),
        }
    }
}

impl<'a, 'b> Rows<'a, 'b> {
    pub fn new(scan: &'a SegmentScan<'b>, pattern: usize, selection: &Selection) -> Self {
        let all = scan.segment().footer().events.patterns[pattern].rows as usize;
        let chosen = match selection {
            Selection::All => None,
            selection => Some(selection.iter(all).map(|row| row as u32).collect()),
        };
        Self { scan, pattern, all, chosen }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.all, Vec::len)
    }

    /// The row of the pattern that is the `at`-th wanted one.
    pub fn row(&self, at: usize) -> usize {
        self.chosen.as_ref().map_or(at, |chosen| chosen[at] as usize)
    }

    fn each(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).map(|at| self.row(at))
    }

    /// Whether there are so few that pages are not gone through.
    fn is_sparse(&self) -> bool {
        self.len() * SPARSE < self.all
    }

    /// Appends the codes of a field.
    pub fn codes(&self, plan: &Plan<'_>, coder: &mut Coder, out: &mut Vec<u32>) -> Result<()> {
        match plan {
            Plan::Span(width) => self.spans(*width, coder, out),
            Plan::Origin(column) => self.origins(column, coder, out),
            Plan::Field(field) => self.field(field, coder, out),
            Plan::Slot(slot, capture, group) => {
                if !self.is_sparse() && self.captured(*slot, capture, coder, out)? {
                    return Ok(());
                }
                self.grouped(group, &self.scan.plan(self.pattern, &group.name)?, coder, out)
            }
            Plan::Event(group, field) => self.grouped(group, field, coder, out),
        }
    }

    fn field(&self, field: &FieldPlan, coder: &mut Coder, out: &mut Vec<u32>) -> Result<()> {
        match field {
            FieldPlan::Absent => out.resize(out.len() + self.len(), MISSING),
            FieldPlan::Constant(value) => out.resize(out.len() + self.len(), coder.code(value.as_bytes())),
            FieldPlan::Pieces(pieces) if matches!(pieces[..], [PlanPiece::Slot(_)]) && !self.is_sparse() => {
                let [PlanPiece::Slot(slot)] = pieces[..] else { unreachable!("just matched") };
                self.slot(slot, coder, out)?;
            }
            field => {
                let able = self.scan.may_have(self.pattern, field)?;
                let mut scratch = Vec::new();
                for row in self.each() {
                    let text = if able.holds(row) { self.scan.field(self.pattern, row, field, &mut scratch)? } else { None };
                    out.push(text.map_or(MISSING, |text| coder.code(text.as_bytes())));
                }
            }
        }
        Ok(())
    }

    /// Where all events of a stretch of rows are in one span, their times are not looked at.
    fn spans(&self, width: i64, coder: &mut Coder, out: &mut Vec<u32>) -> Result<()> {
        let (blocks, rows, zones) = (self.scan.blocks, self.scan.blocks.rows()?, self.scan.blocks.zones()?);
        let events = &self.scan.segment().footer().events;
        // Of many patterns most ask for the times of the same stretches.
        let shared = events.patterns.len() > SHARED_PATTERNS;
        let mut known: Option<(i64, u32)> = None;
        let mut code = |span: i64| match known {
            Some((same, code)) if same == span => code,
            _ => known.insert((span, coder.code(span.to_string().as_bytes()))).1,
        };
        // The stretch that the last row was in: the code of all its rows, or the times from one row on.
        let (mut zone, mut alike, mut times, mut first) = (usize::MAX, None, Arc::default(), 0);
        for row in self.each() {
            let row = rows[self.pattern][row] as usize;
            if row / ZONE_ROWS != zone {
                zone = row / ZONE_ROWS;
                let span = |times: &Vec<i64>| times.get(zone).map(|time| time.div_euclid(width));
                let least = span(&zones.least);
                alike = least.filter(|_| least == span(&zones.greatest)).map(&mut code);
                if alike.is_none() && shared {
                    times = blocks.times()?;
                } else if alike.is_none() {
                    first = zone * ZONE_ROWS;
                    times = Arc::new(blocks.times_between(first, (first + ZONE_ROWS).min(events.rows as usize))?);
                }
            }
            out.push(alike.unwrap_or_else(|| code(times[row - first].div_euclid(width))));
        }
        Ok(())
    }

    fn origins(&self, column: &Column, coder: &mut Coder, out: &mut Vec<u32>) -> Result<()> {
        let segment = self.scan.segment();
        let field = match column {
            Column::Index => return self.alike(&segment.meta().index, coder, out),
            Column::Sourcetype => {
                let class = segment.footer().events.patterns[self.pattern].class;
                return self.alike(segment.sourcetype(class), coder, out);
            }
            Column::Host => super::OriginField::Host,
            _ => super::OriginField::Source,
        };
        if let Some(only) = segment.origins().only() {
            return self.alike(origin_part(segment, only, field), coder, out);
        }
        if let (super::OriginField::Host, Some(slot)) = (field, self.scan.host_slot(self.pattern)) {
            return self.slot(slot, coder, out);
        }
        // The stream tells all of an origin but a host that a slot tells.
        let (numbers, rows) = (self.scan.stream()?, self.scan.blocks.rows()?);
        let (rows, mut known) = (&rows[self.pattern], vec![MISSING; segment.origins().len()]);
        for row in self.each() {
            let number = usize::try_from(numbers[rows[row] as usize]).unwrap_or(usize::MAX);
            let code = known.get_mut(number).ok_or_else(|| hosts::none(self.scan.blocks))?;
            if *code == MISSING {
                *code = coder.code(origin_part(segment, segment.origins().get(number), field).as_bytes());
            }
            out.push(*code);
        }
        Ok(())
    }

    fn alike(&self, value: &str, coder: &mut Coder, out: &mut Vec<u32>) -> Result<()> {
        out.resize(out.len() + self.len(), coder.code(value.as_bytes()));
        Ok(())
    }

    /// Calls `each` with the values of a slot, at most [`CHUNK`] at a time, of which some are wanted.
    fn parts(&self, slot: usize, mut each: impl FnMut(&Stretch<'_>) -> Result<()>) -> Result<()> {
        let cursor = self.scan.cursor(self.pattern);
        let mut from = 0;
        for (number, run) in cursor.runs(slot).iter().enumerate() {
            let Run { rows, start, .. } = *run;
            let wanted = |from: usize, end: usize| match &self.chosen {
                None => end,
                Some(chosen) => from + chosen[from..].partition_point(|row| (*row as usize) < end),
            };
            if self.chosen.is_some() && wanted(from, start + rows) == from {
                continue;
            }
            let (mut at, mut fresh) = (start, true);
            cursor.in_parts(slot, number, &mut |part| {
                for part in pieces(part) {
                    let (first, len) = (at, part.len());
                    at += len;
                    let to = wanted(from, at);
                    let here = match &self.chosen {
                        None => Here::All,
                        Some(chosen) => Here::Some { rows: &chosen[from..to], start: first },
                    };
                    if here.count(len) > 0 {
                        each(&Stretch { part, fresh, rows, range: cursor.range(slot, number), here })?;
                        fresh = false;
                    }
                    from = to;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn slot(&self, slot: usize, coder: &mut Coder, out: &mut Vec<u32>) -> Result<()> {
        out.reserve(self.len());
        // By entry of a dictionary, or by number above the least of a page: the codes that are known.
        let mut known: Vec<u32> = Vec::new();
        let mut scratch = Vec::new();
        self.parts(slot, |piece| {
            let mut begin = |places: usize| {
                if piece.fresh {
                    known.clear();
                    known.resize(places, MISSING);
                }
            };
            match &piece.part {
                Part::Constant(value, rows) => {
                    let code = coder.code(value);
                    out.resize(out.len() + piece.here.count(*rows), code);
                }
                // Few rows of a dictionary that many columns share.
                Part::Entries(entries, numbers) if entries.len() > piece.rows * 4 => {
                    piece.here.extend(numbers, out, |number| coder.code(entries.get(number as usize)));
                }
                Part::Entries(entries, numbers) => {
                    begin(entries.len());
                    piece.here.extend(numbers, out, |number| {
                        let known = &mut known[number as usize];
                        if *known == MISSING {
                            *known = coder.code(entries.get(number as usize));
                        }
                        *known
                    });
                }
                Part::Numbers(spelling, numbers) => {
                    let near = piece.range.map(|(least, greatest)| (least, greatest.abs_diff(least)));
                    let near = near.filter(|(_, span)| *span < piece.rows as u64 * 4);
                    let Some(mut codes) = coder.numbers(*spelling) else {
                        piece.here.extend(numbers, out, |number| {
                            scratch.clear();
                            spelling.spell(number, &mut scratch);
                            coder.code(&scratch)
                        });
                        return Ok(());
                    };
                    let Some((least, span)) = near else {
                        piece.here.extend(numbers, out, |number| codes.code(number));
                        return Ok(());
                    };
                    begin(span as usize + 1);
                    piece.here.extend(numbers, out, |number| match known.get_mut(number.abs_diff(least) as usize) {
                        Some(known) if number >= least => {
                            if *known == MISSING {
                                *known = codes.code(number);
                            }
                            *known
                        }
                        // A range that is damaged.
                        _ => codes.code(number),
                    });
                }
                Part::Values(values, range) => {
                    piece.here.extend_at(range.len(), out, |at| coder.code(values.read(range.start + at, &mut scratch)));
                }
            }
            Ok(())
        })
    }

    /// The group that each value of a slot tells; `false`, and nothing appended, where one does not.
    fn captured(&self, slot: usize, capture: &Capture, coder: &mut Coder, out: &mut Vec<u32>) -> Result<bool> {
        let (mut values, mut codes) = (Coder::default(), Vec::new());
        self.slot(slot, &mut values, &mut codes)?;
        let told = |code| capture.within(values.get(code).as_bytes()).map(|part| coder.code(part));
        let Some(told) = (0..values.len() as u32).map(told).collect::<Option<Vec<u32>>>() else { return Ok(false) };
        out.extend(codes.into_iter().map(|code| told[code as usize]));
        Ok(true)
    }

    /// A group of an expression. One that can match in one way only is decided for each combination of the values that it
    /// is matched against; what these do not decide is asked of the event.
    fn grouped(&self, group: &Group, field: &FieldPlan, coder: &mut Coder, out: &mut Vec<u32>) -> Result<()> {
        let combined = self.combined(group, coder)?;
        let cursor = self.scan.cursor(self.pattern);
        let (matching, able) = match combined {
            Some(_) => (Selection::All, Selection::All),
            None => (self.scan.select_regex(&group.regex, self.pattern)?, self.scan.may_have(self.pattern, field)?),
        };
        let (mut line, mut scratch) = (Vec::new(), Vec::new());
        for (at, row) in self.each().enumerate() {
            if let Some(code) = combined.as_ref().and_then(|(groups, told)| told.get(groups[at] as usize).copied().flatten()) {
                out.push(code);
                continue;
            }
            let mut found = None;
            if matching.holds(row) {
                line.clear();
                cursor.render(row, &mut line)?;
                found = group.regex.group(&line, &group.name);
            }
            if found.is_none() && able.holds(row) {
                found = self.scan.field(self.pattern, row, field, &mut scratch)?;
            }
            out.push(found.map_or(MISSING, |text| coder.code(text.as_bytes())));
        }
        Ok(())
    }

    /// The combination of values of each row, and the code of the group that each combination tells. `None` where the
    /// expression is not decided by values.
    #[allow(clippy::type_complexity)] // Used in one place.
    fn combined(&self, group: &Group, coder: &mut Coder) -> Result<Option<(Vec<u32>, Vec<Option<u32>>)>> {
        let Some(shape) = &group.shape else { return Ok(None) };
        let (Some(number), Some(first)) = (shape.group(&group.name), self.each().next()) else { return Ok(None) };
        let cursor = self.scan.cursor(self.pattern);
        let Some((at, start)) = shape.start(cursor.meta()) else { return Ok(None) };
        let pieces = &cursor.meta().pattern.pieces()[at..];
        let is_slot = |piece: &&Piece| matches!(piece, Piece::Slot(_));
        let before = cursor.meta().pattern.pieces()[..at].iter().filter(is_slot).count();
        // One event says how much of it is looked at.
        let (mut line, mut ends, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut slot = before;
        for piece in pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(if ends.is_empty() { &text[start..] } else { text }),
                Piece::Slot(_) => {
                    cursor.write(slot, first, &mut line)?;
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
        let slots = pieces[..=last].iter().filter(is_slot).count();
        let plans: Vec<Plan<'_>> =
            (before..before + slots).map(|slot| Plan::Field(FieldPlan::Pieces([PlanPiece::Slot(slot)].into()))).collect();
        let (mut groups, mut of_rows) = (Groups::new(plans.len()), Vec::new());
        groups.of(self, &plans, &mut of_rows)?;
        let told = (0..groups.len() as u32).map(|known| {
            line.clear();
            let mut values = groups.values(known).into_iter();
            for (at, piece) in pieces[..=last].iter().enumerate() {
                match piece {
                    Piece::Text(text) => line.extend_from_slice(if at == 0 { &text[start..] } else { text }),
                    Piece::Slot(_) => line.extend_from_slice(values.next().unwrap_or_default().as_bytes()),
                }
            }
            let found = shape.run(&line, whole, &mut places) == Outcome::Yes;
            found.then(|| coder.code(&line[shape.range(number, &places)]))
        });
        let told = told.collect();
        Ok(Some((of_rows, told)))
    }

    /// Calls `each` with the numbers of a field or a group, some at a time: the place of the first among the wanted rows, and
    /// the numbers; what is none is NaN. Not called where no row has one.
    pub fn numbers(&self, plan: &Plan<'_>, read: ReadNumber, mut each: impl FnMut(usize, &[f64])) -> Result<()> {
        let number = |text: &[u8]| read(&String::from_utf8_lossy(text)).unwrap_or(f64::NAN);
        match plan {
            Plan::Field(FieldPlan::Absent) => {}
            Plan::Field(FieldPlan::Constant(value)) => {
                let same = [number(value.as_bytes()); CHUNK];
                (0..self.len()).step_by(CHUNK).for_each(|at| each(at, &same[..CHUNK.min(self.len() - at)]));
            }
            Plan::Field(FieldPlan::Pieces(pieces)) if matches!(pieces[..], [PlanPiece::Slot(_)]) && !self.is_sparse() => {
                let [PlanPiece::Slot(slot)] = pieces[..] else { unreachable!("just matched") };
                let (mut at, mut out, mut known) = (0, Vec::with_capacity(CHUNK), Vec::new());
                self.parts(slot, |piece| {
                    out.clear();
                    numbers_of(piece, &number, &mut known, &mut out);
                    each(at, &out);
                    at += out.len();
                    Ok(())
                })?;
            }
            plan => {
                let (mut coder, mut codes) = (Coder::default(), Vec::with_capacity(self.len()));
                self.codes(plan, &mut coder, &mut codes)?;
                let known: Vec<f64> = (0..coder.len() as u32).map(|code| number(coder.get(code).as_bytes())).collect();
                let numbers: Vec<f64> = codes.iter().map(|code| known.get(*code as usize).copied().unwrap_or(f64::NAN)).collect();
                each(0, &numbers);
            }
        }
        Ok(())
    }
}

/// A part in parts of at most [`CHUNK`] values.
fn pieces(part: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    let starts = (0..part.len()).step_by(CHUNK).map({
        let len = part.len();
        move |start| start..len.min(start + CHUNK)
    });
    starts.map(move |range: Range<usize>| match &part {
        Part::Constant(value, _) => Part::Constant(value, range.len()),
        Part::Entries(entries, numbers) => Part::Entries(entries, &numbers[range]),
        Part::Numbers(spelling, numbers) => Part::Numbers(*spelling, &numbers[range]),
        Part::Values(values, all) => Part::Values(values, all.start + range.start..all.start + range.end),
    })
}

fn numbers_of(piece: &Stretch<'_>, number: &dyn Fn(&[u8]) -> f64, known: &mut Vec<Option<f64>>, out: &mut Vec<f64>) {
    let mut scratch = Vec::new();
    match &piece.part {
        Part::Constant(value, rows) => out.resize(piece.here.count(*rows), number(value)),
        Part::Entries(entries, numbers) if entries.len() > piece.rows * 4 => {
            piece.here.extend(numbers, out, |entry| number(entries.get(entry as usize)));
        }
        Part::Entries(entries, numbers) => {
            if piece.fresh {
                known.clear();
                known.resize(entries.len(), None);
            }
            let of = |entry: u32| *known[entry as usize].get_or_insert_with(|| number(entries.get(entry as usize)));
            piece.here.extend(numbers, out, of);
        }
        // What is spelled as a number is one; divided by a power of ten it is the double nearest to the text.
        Part::Numbers(Spelling::Integer(_), numbers) => piece.here.extend(numbers, out, |number| number as f64),
        Part::Numbers(Spelling::Decimal(scale), numbers)
            if *scale <= 22 && numbers.iter().fold(0, |bits, number| bits | number.unsigned_abs()) < EXACT =>
        {
            let unit = 10f64.powi(i32::from(*scale));
            piece.here.extend(numbers, out, |number| number as f64 / unit);
        }
        Part::Numbers(spelling, numbers) => piece.here.extend(numbers, out, |value| {
            scratch.clear();
            spelling.spell(value, &mut scratch);
            number(&scratch)
        }),
        Part::Values(values, range) => {
            piece.here.extend_at(range.len(), out, |at| number(values.read(range.start + at, &mut scratch)));
        }
    }
}
