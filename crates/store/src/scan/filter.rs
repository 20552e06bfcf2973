//! A filter made ready, and its decision for each pattern of a segment.

use super::plans::Plans;
use super::rows::Hit;
use super::select::{Bits, Selection};
use super::term::{PreparedRegex, PreparedTerm, Reading, in_pattern};
use super::{Filter, INTEGER_DIGITS, NumberTest, OriginField, Ranges, ScanRequest, ValueTest};
use crate::segment::cursor::PatternCursor;
use crate::segment::decode::Values;
use crate::segment::hosts::{self, Lookup};
use crate::segment::meta::{Body, PageMeta, Run};
use crate::segment::summary::{self, Part};
use crate::segment::{Blocks, OriginRef, Segment, SegmentMeta};
use rustc_hash::FxHashMap;
use std::cell::{OnceCell, RefCell};
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_event::Timestamp;
use taffrail_pattern::{FieldPlan, FieldResolver, PlanPiece, Term};

/// A filter with its terms prepared, shared by all threads of a scan.
#[derive(Debug)]
pub enum Prepared {
    All,
    Nothing,
    Term(Box<PreparedTerm>),
    Regex(Box<PreparedRegex>),
    Origin(OriginField, ValueTest),
    Field(String, ValueTest),
    And(Vec<Prepared>),
    Or(Vec<Prepared>),
    Not(Box<Prepared>),
}

impl Prepared {
    /// Prepares a filter.
    pub fn new(filter: &Filter) -> Self {
        match filter {
            Filter::All => Self::All,
            Filter::Nothing => Self::Nothing,
            Filter::Term(term) => Self::Term(Box::new(PreparedTerm::new(term))),
            Filter::Regex(regex) => Self::Regex(Box::new(PreparedRegex::new(regex))),
            Filter::Origin(field, test) => Self::Origin(*field, test.clone()),
            Filter::Field(name, test) => Self::Field(name.clone(), test.clone()),
            Filter::And(all) => Self::And(all.iter().map(Self::new).collect()),
            Filter::Or(any) => Self::Or(any.iter().map(Self::new).collect()),
            Filter::Not(one) => Self::Not(Box::new(Self::new(one))),
        }
    }

    /// The same for segments that [`Prepared::may_be_in`] let through: what is asked of the index alone is decided.
    pub fn within_index(self) -> Self {
        match self {
            Self::Origin(OriginField::Index, _) => Self::All,
            Self::And(all) => Self::And(all.into_iter().map(Self::within_index).filter(|one| !matches!(one, Self::All)).collect()),
            other => other,
        }
    }

    /// Whether a segment can hold matching events: decided before it is opened.
    pub fn may_be_in(&self, meta: &SegmentMeta) -> bool {
        match self {
            Self::Nothing => false,
            Self::Origin(field, test) => origin_may(*field, meta, |value| test.passes(Some(value))),
            Self::And(all) => all.iter().all(|one| one.may_be_in(meta)),
            Self::Or(any) => any.iter().any(|one| one.may_be_in(meta)),
            Self::Not(one) => match &**one {
                Self::Origin(field, test) => origin_may(*field, meta, |value| !test.passes(Some(value))),
                _ => true,
            },
            _ => true,
        }
    }
}

/// What passes of a page's numbers, and their least and greatest, where the test is known of such numbers.
fn typed<'t>(page: &PageMeta, test: &'t NumberTest) -> Option<(&'t Ranges, (i64, i64))> {
    const LARGEST: i64 = 10i64.pow(INTEGER_DIGITS) - 1;
    let range = page.range?;
    match page.body {
        Body::Integer { width: 0, .. } if -LARGEST <= range.0 && range.1 <= LARGEST => Some((test.integers.as_ref()?, range)),
        Body::Ipv4 { .. } => Some((test.addresses.as_ref()?, range)),
        _ => None,
    }
}

/// Whether a segment may have an event whose origin passes.
fn origin_may(field: OriginField, meta: &SegmentMeta, mut test: impl FnMut(&str) -> bool) -> bool {
    let part = match field {
        OriginField::Index => return test(&meta.index),
        OriginField::Host => Part::Host,
        OriginField::Source => Part::Source,
        OriginField::Sourcetype => Part::Sourcetype,
    };
    summary::any(&meta.summary, part, test)
}

/// A part of an origin of a segment.
pub fn origin_part<'s>(segment: &'s Segment, origin: OriginRef<'s>, field: OriginField) -> &'s str {
    match field {
        OriginField::Index => &segment.meta().index,
        OriginField::Host => origin.host,
        OriginField::Source => origin.source(),
        OriginField::Sourcetype => origin.sourcetype(),
    }
}

/// A segment being scanned: what has been read of it so far. One thread's.
pub struct SegmentScan<'b> {
    pub blocks: &'b Blocks<'b>,
    pub(super) resolver: &'b dyn FieldResolver,
    pub(super) plans: &'b Plans,
    origins: OnceCell<Vec<i64>>,
    /// The stream of origins, without the hosts that slots tell.
    stream: OnceCell<Vec<i64>>,
    /// Finds origins by these hosts.
    lookup: OnceCell<Lookup<'b>>,
    cursors: Vec<OnceCell<PatternCursor<'b>>>,
    /// Plans that were decided with samples, by pattern and field.
    pub(super) guarded: RefCell<FxHashMap<(usize, String), FieldPlan>>,
    reading: Reading<'b, 'b>,
}

impl<'b> SegmentScan<'b> {
    /// Nothing read yet.
    pub fn new(blocks: &'b Blocks<'b>, resolver: &'b dyn FieldResolver, plans: &'b Plans) -> Self {
        let patterns = blocks.segment().footer().events.patterns.len();
        let cursors = std::iter::repeat_with(OnceCell::new).take(patterns).collect();
        Self {
            blocks,
            resolver,
            plans,
            origins: OnceCell::new(),
            stream: OnceCell::new(),
            lookup: OnceCell::new(),
            cursors,
            guarded: RefCell::default(),
            reading: Reading::new(blocks),
        }
    }

    /// The segment.
    pub fn segment(&self) -> &'b Segment {
        self.blocks.segment()
    }

    /// How many patterns the segment has.
    pub fn patterns(&self) -> usize {
        self.cursors.len()
    }

    /// The origin number of each event, in arrival order.
    pub fn event_origins(&self) -> Result<&[i64]> {
        if let Some(origins) = self.origins.get() {
            return Ok(origins);
        }
        let origins = hosts::read(self.blocks)?;
        Ok(self.origins.get_or_init(|| origins))
    }

    /// The slot of a pattern that tells the host of its events.
    pub fn host_slot(&self, pattern: usize) -> Option<usize> {
        self.segment().footer().hosts.get(pattern).copied().flatten().map(|slot| slot as usize)
    }

    /// The origin number of each event, in arrival order, without the hosts that slots tell.
    pub fn stream(&self) -> Result<&Vec<i64>> {
        if let Some(known) = self.stream.get() {
            return Ok(known);
        }
        let read = hosts::stream(self.blocks)?;
        Ok(self.stream.get_or_init(|| read))
    }

    /// The origin of one event of very many, of which each is asked for on its own.
    pub fn origin(&self, hit: &Hit) -> Result<OriginRef<'b>> {
        if self.origins.get().is_none() {
            self.stream()?;
        }
        Ok(self.origins_of(&[*hit])?[0])
    }

    /// The origins of a few events of many.
    pub fn origins_of(&self, hits: &[Hit]) -> Result<Vec<OriginRef<'b>>> {
        let origins = self.segment().origins();
        if let Some(one) = origins.only() {
            return Ok(vec![one; hits.len()]);
        }
        if let Some(numbers) = self.origins.get() {
            return Ok(hits.iter().map(|hit| origins.get(numbers[hit.row as usize] as usize)).collect());
        }
        let numbers = match self.stream.get() {
            Some(numbers) => hits.iter().map(|hit| numbers[hit.row as usize]).collect(),
            None => hosts::stream_at(self.blocks, &hits.iter().map(|hit| hit.row).collect::<Vec<_>>())?,
        };
        let mut host = Vec::new();
        let mut found = Vec::with_capacity(hits.len());
        for (hit, number) in hits.iter().zip(numbers) {
            let number = match self.host_slot(hit.pattern as usize) {
                None => number,
                Some(slot) => {
                    host.clear();
                    self.cursor(hit.pattern as usize).write_one(slot, hit.at as usize, hit.time, &mut host)?;
                    let lookup = self.lookup.get_or_init(|| Lookup::new(origins));
                    lookup.find(number, &host).ok_or_else(|| hosts::none(self.blocks))?
                }
            };
            found.push(origins.get(number as usize));
        }
        Ok(found)
    }

    /// The columns of a pattern.
    pub fn cursor(&self, pattern: usize) -> &PatternCursor<'b> {
        self.cursors[pattern].get_or_init(|| PatternCursor::new(self.blocks, pattern))
    }

    /// The rows of a pattern that pass a filter.
    pub fn select(&self, filter: &Prepared, pattern: usize) -> Result<Selection> {
        self.plans.stop.check()?;
        match filter {
            Prepared::All => Ok(Selection::All),
            Prepared::Nothing => Ok(Selection::None),
            Prepared::Term(term) => self.select_term(term, pattern),
            Prepared::Regex(regex) => self.select_regex(regex, pattern),
            Prepared::Origin(field, test) => self.select_origin(*field, test, pattern),
            Prepared::Field(name, test) => self.select_field(name, test, pattern),
            Prepared::And(all) => {
                // A page's filter errs now and then, and then its text is read in vain: seldom for two terms at once.
                if !self.are_possible(all, pattern)? {
                    return Ok(Selection::None);
                }
                let mut found = Selection::All;
                // What needs no columns is asked first.
                for cheap in [true, false] {
                    for one in all.iter().filter(|one| matches!(one, Prepared::Origin(..) | Prepared::Term(_)) == cheap) {
                        found = found.and(self.select(one, pattern)?);
                        if found == Selection::None {
                            return Ok(found);
                        }
                    }
                }
                Ok(found)
            }
            Prepared::Or(any) => {
                let mut found = Selection::None;
                for one in any {
                    found = found.or(self.select(one, pattern)?);
                    if found == Selection::All {
                        break;
                    }
                }
                Ok(found)
            }
            Prepared::Not(one) => Ok(self.select(one, pattern)?.negate()),
        }
    }

    /// Whether the terms, if there are several, can all stand in rows of a pattern.
    fn are_possible(&self, all: &[Prepared], pattern: usize) -> Result<bool> {
        let meta = &self.segment().footer().events.patterns[pattern];
        let terms = || all.iter().filter_map(|one| if let Prepared::Term(term) = one { Some(term) } else { None });
        if terms().nth(1).is_none() {
            return Ok(true);
        }
        for term in terms() {
            if !term.may_stand_in(meta, self.blocks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn select_term(&self, term: &PreparedTerm, pattern: usize) -> Result<Selection> {
        in_pattern(term, &self.segment().footer().events.patterns[pattern], &self.reading, &|| self.cursor(pattern))
    }

    /// The rows of a pattern that match an expression.
    pub fn select_regex(&self, regex: &PreparedRegex, pattern: usize) -> Result<Selection> {
        regex.in_pattern(&self.segment().footer().events.patterns[pattern], &self.reading, &|| self.cursor(pattern))
    }

    fn select_origin(&self, field: OriginField, test: &ValueTest, pattern: usize) -> Result<Selection> {
        let meta = &self.segment().footer().events.patterns[pattern];
        match field {
            OriginField::Index => return Ok(Selection::all_if(test.passes(Some(&self.segment().meta().index)))),
            OriginField::Sourcetype => return Ok(Selection::all_if(test.passes(Some(self.segment().sourcetype(meta.class))))),
            OriginField::Host | OriginField::Source => {}
        }
        let passes: Vec<bool> = self.origins_that(field, test);
        if !passes.contains(&true) {
            return Ok(Selection::None);
        }
        if !passes.contains(&false) {
            return Ok(Selection::All);
        }
        let told = self.host_slot(pattern);
        if let (OriginField::Host, Some(slot)) = (field, told) {
            return self.select_slot(slot, &|host| test.passes(Some(&String::from_utf8_lossy(host))), &test.numbers, pattern);
        }
        // Where a slot tells the host, the stream tells the rest.
        let origins = if told.is_some() { self.stream()? } else { self.event_origins()? };
        let rows = self.blocks.rows()?;
        let rows = &rows[pattern];
        Ok(Selection::of(rows.len(), |at| passes[origins[rows[at] as usize] as usize]))
    }

    /// Which origins pass. A host is asked of each; of the rest, each text is asked once.
    fn origins_that(&self, field: OriginField, test: &ValueTest) -> Vec<bool> {
        let (segment, origins) = (self.segment(), self.segment().origins());
        if field == OriginField::Source {
            let sources: Vec<bool> = origins.rests().iter().map(|[source, ..]| test.passes(Some(source))).collect();
            return origins.numbers().iter().map(|rest| sources[*rest as usize]).collect();
        }
        origins.iter().map(|origin| test.passes(Some(origin_part(segment, origin, field)))).collect()
    }

    fn select_field(&self, name: &str, test: &ValueTest, pattern: usize) -> Result<Selection> {
        let rows = self.segment().footer().events.patterns[pattern].rows as usize;
        match self.plan(pattern, name)? {
            FieldPlan::Absent => Ok(Selection::all_if(test.passes(None))),
            FieldPlan::Constant(value) => Ok(Selection::all_if(test.passes(Some(&value)))),
            FieldPlan::Pieces(pieces) => match &pieces[..] {
                [PlanPiece::Slot(slot)] => {
                    self.select_slot(*slot, &|value| test.passes(Some(&String::from_utf8_lossy(value))), &test.numbers, pattern)
                }
                _ => self.select_each(rows, pattern, &FieldPlan::Pieces(pieces), test),
            },
            FieldPlan::Computed(pieces, function) => match &pieces[..] {
                [PlanPiece::Slot(slot)] => {
                    self.select_slot(*slot, &|value| test.passes(function(value).as_deref()), &NumberTest::default(), pattern)
                }
                _ => self.select_each(rows, pattern, &FieldPlan::Computed(pieces, function), test),
            },
            plan @ FieldPlan::PerEvent(..) => self.select_each(rows, pattern, &plan, test),
        }
    }

    /// Tests each distinct value of a slot; numbers as numbers, where that is known to be the same.
    pub(super) fn select_slot(&self, slot: usize, test: &dyn Fn(&[u8]) -> bool, numbers: &NumberTest, pattern: usize) -> Result<Selection> {
        let cursor = self.cursor(pattern);
        let pages = &cursor.meta().columns[slot].pages;
        let mut bits = Bits::new(cursor.meta().rows as usize);
        for (number, run) in cursor.runs(slot).iter().enumerate() {
            let Run { skip, rows, start, .. } = *run;
            if let Some((ranges, range)) = typed(&pages[run.page], numbers) {
                if ranges.iter().any(|(least, greatest)| *least <= range.0 && range.1 <= *greatest) {
                    bits.set_range(start, start + rows);
                    continue;
                }
                if !ranges.iter().any(|(least, greatest)| *least <= range.1 && range.0 <= *greatest) {
                    continue;
                }
                if let Values::Numbers(_, values) = cursor.page(slot, number)? {
                    // A list may have thousands of ranges.
                    let before = |value: i64| ranges.partition_point(|(least, _)| *least <= value).checked_sub(1);
                    let passes = |value: &i64| before(*value).is_some_and(|at| *value <= ranges[at].1);
                    let values = values[skip..skip + rows].iter().enumerate();
                    values.filter(|(_, value)| passes(value)).for_each(|(row, _)| bits.set(start + row));
                    continue;
                }
            }
            match cursor.page(slot, number)? {
                Values::Constant(value, _) => {
                    if test(value) {
                        (0..rows).for_each(|row| bits.set(start + row));
                    }
                }
                Values::Dictionary(entries, numbers) => {
                    let hits: Vec<bool> = (0..entries.len()).map(|at| test(entries.get(at))).collect();
                    let numbers = numbers[skip..skip + rows].iter().enumerate();
                    numbers.filter(|(_, n)| hits[**n as usize]).for_each(|(row, _)| bits.set(start + row));
                }
                values => {
                    let mut scratch = Vec::new();
                    (0..rows).filter(|row| test(values.read(skip + row, &mut scratch))).for_each(|row| bits.set(start + row));
                }
            }
        }
        Ok(Selection::from_bits(bits))
    }

    fn select_each(&self, rows: usize, pattern: usize, plan: &FieldPlan, test: &ValueTest) -> Result<Selection> {
        let mut scratch = Vec::new();
        let able = self.may_have(pattern, plan)?;
        let without = test.passes(None);
        let mut bits = Bits::new(rows);
        for row in 0..rows {
            let passes = if able.holds(row) { test.passes(self.field(pattern, row, plan, &mut scratch)?.as_deref()) } else { without };
            if passes {
                bits.set(row);
            }
        }
        Ok(Selection::from_bits(bits))
    }

    /// The rows of a pattern that may have a field at all, by the signs of its plan.
    pub fn may_have(&self, pattern: usize, plan: &FieldPlan) -> Result<Selection> {
        let FieldPlan::PerEvent(_, Some(signs)) = plan else { return Ok(Selection::All) };
        let mut found = Selection::None;
        for sign in signs.iter() {
            let term = self.plans.signs.lock().get(sign).cloned();
            // One for the whole scan: what was found in dictionaries is kept by it.
            let term = term.unwrap_or_else(|| {
                let made = Arc::new(PreparedTerm::new(&Term::substring(sign.clone(), true)));
                self.plans.signs.lock().entry(sign.clone()).or_insert(made).clone()
            });
            found = found.or(self.select_term(&term, pattern)?);
            if found == Selection::All {
                break;
            }
        }
        Ok(found)
    }

    /// A field's value in a row of a pattern; `scratch` is overwritten.
    pub fn field(&self, pattern: usize, row: usize, plan: &FieldPlan, scratch: &mut Vec<u8>) -> Result<Option<String>> {
        let cursor = self.cursor(pattern);
        self.put_together(plan, scratch, &|slot, out| cursor.write(slot, row, out), &|out| cursor.render(row, out))
    }

    /// As [`SegmentScan::field`] of one event of a few among many.
    pub fn field_one(&self, hit: &Hit, plan: &FieldPlan, scratch: &mut Vec<u8>) -> Result<Option<String>> {
        let (cursor, row) = (self.cursor(hit.pattern as usize), hit.at as usize);
        let slot = |slot: usize, out: &mut Vec<u8>| cursor.write_one(slot, row, hit.time, out);
        self.put_together(plan, scratch, &slot, &|out| cursor.render_one(row, hit.time, out))
    }

    fn put_together(
        &self,
        plan: &FieldPlan,
        scratch: &mut Vec<u8>,
        slot: &dyn Fn(usize, &mut Vec<u8>) -> Result<()>,
        whole: &dyn Fn(&mut Vec<u8>) -> Result<()>,
    ) -> Result<Option<String>> {
        scratch.clear();
        let mut put_together = |pieces: &[PlanPiece]| -> Result<()> {
            for piece in pieces {
                match piece {
                    PlanPiece::Text(text) => scratch.extend_from_slice(text.as_bytes()),
                    PlanPiece::Slot(number) => slot(*number, scratch)?,
                }
            }
            Ok(())
        };
        Ok(match plan {
            FieldPlan::Absent => None,
            FieldPlan::Constant(value) => Some(value.to_string()),
            FieldPlan::Pieces(pieces) => {
                put_together(pieces)?;
                Some(String::from_utf8_lossy(scratch).into_owned())
            }
            FieldPlan::Computed(pieces, function) => {
                put_together(pieces)?;
                function(scratch)
            }
            FieldPlan::PerEvent(function, _) => {
                whole(scratch)?;
                function(scratch)
            }
        })
    }

    /// The rows of each pattern that the request asks for, its time range and arrival numbers included.
    pub fn matching(&self, filter: &Prepared, request: &ScanRequest) -> Result<Vec<Selection>> {
        (0..self.patterns()).map(|pattern| self.bounded(self.select(filter, pattern)?, request, pattern)).collect()
    }

    /// The rows of a selection that are within the request's time range and arrival numbers.
    pub fn bounded(&self, mut found: Selection, request: &ScanRequest, pattern: usize) -> Result<Selection> {
        let meta = self.segment().meta();
        let whole = request.earliest <= meta.min_time && (meta.max_time < request.latest || request.latest == Timestamp::MAX);
        if !whole && found != Selection::None {
            let (times, rows) = (self.blocks.times()?, self.blocks.rows()?);
            let rows = &rows[pattern];
            let (earliest, latest) = (request.earliest.nanos(), request.latest);
            found = found.and(Selection::of(rows.len(), |at| {
                let time = times[rows[at] as usize];
                earliest <= time && (latest == Timestamp::MAX || time < latest.nanos())
            }));
        }
        let sequence_from = match request.sequence_from.as_ref().map_or(0, |from| from(&meta.index)) {
            from if from <= meta.first_sequence => 0,
            from => self.blocks.arrival()?.first_row(from),
        };
        if sequence_from > 0 && found != Selection::None {
            let rows = self.blocks.rows()?;
            let rows = &rows[pattern];
            found = found.and(Selection::of(rows.len(), |at| u64::from(rows[at]) >= sequence_from));
        }
        Ok(found)
    }
}
