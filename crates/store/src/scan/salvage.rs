//! Reading on where stored bytes are damaged: what stands in other pages is decided event by event, the rest is told.
//! Slow, and only entered after the usual way has met damage.

use super::Unread;
use super::filter::{Prepared, SegmentScan, origin_part};
use super::plan::Shared;
use super::rows::Hit;
use super::select::{Bits, Selection};
use std::sync::Arc;
use taffrail_base::limits::UNREAD_TOLD_MAX;
use taffrail_base::{Error, ErrorKind, Result};

/// Rows of a pattern that cannot be read, and why.
pub struct Damaged {
    /// A bit for each row.
    pub rows: Bits,
    /// The first damage met.
    pub error: Error,
}

impl SegmentScan<'_> {
    /// The rows of a pattern that stand in a damaged page of any of its columns.
    pub fn damaged(&self, pattern: usize) -> Result<Option<Damaged>> {
        let cursor = self.cursor(pattern);
        let mut found: Option<Damaged> = None;
        for slot in 0..cursor.meta().columns.len() {
            for (number, run) in cursor.runs(slot).iter().enumerate() {
                let error = match cursor.page(slot, number) {
                    Ok(_) => continue,
                    Err(error) if error.kind() == ErrorKind::Corrupt => error,
                    Err(error) => return Err(error),
                };
                let damaged = found.get_or_insert_with(|| Damaged { rows: Bits::new(cursor.meta().rows as usize), error });
                (run.start..run.start + run.rows).for_each(|row| damaged.rows.set(row));
            }
        }
        Ok(found)
    }

    /// The rows of a pattern that pass a filter, decided event by event, without those that cannot be read.
    pub fn select_readable(&self, filter: &Prepared, pattern: usize, damaged: Option<&Damaged>) -> Result<Selection> {
        let cursor = self.cursor(pattern);
        let mut bits = Bits::new(cursor.meta().rows as usize);
        let mut line = Vec::new();
        for row in 0..cursor.meta().rows as usize {
            if damaged.is_some_and(|damaged| damaged.rows.holds(row)) {
                continue;
            }
            line.clear();
            cursor.render(row, &mut line)?;
            if self.passes(filter, pattern, row, &line)? {
                bits.set(row);
            }
        }
        Ok(Selection::from_bits(bits))
    }

    /// Whether one event passes a filter.
    fn passes(&self, filter: &Prepared, pattern: usize, row: usize, line: &[u8]) -> Result<bool> {
        Ok(match filter {
            Prepared::All => true,
            Prepared::Nothing => false,
            Prepared::Term(term) => term.matches(line),
            Prepared::Regex(regex) => regex.matches(line),
            Prepared::Origin(field, test) => {
                let hit = Hit { time: 0, row: self.blocks.rows()?[pattern][row], pattern: pattern as u32, at: row as u32 };
                test.passes(Some(origin_part(self.segment(), self.origin(&hit)?, *field)))
            }
            Prepared::Field(name, test) => {
                let plan = self.plain_plan(pattern, name);
                test.passes(self.field(pattern, row, &plan, &mut Vec::new())?.as_deref())
            }
            Prepared::And(all) => {
                for one in all {
                    if !self.passes(one, pattern, row, line)? {
                        return Ok(false);
                    }
                }
                true
            }
            Prepared::Or(any) => {
                for one in any {
                    if self.passes(one, pattern, row, line)? {
                        return Ok(true);
                    }
                }
                false
            }
            Prepared::Not(one) => !self.passes(one, pattern, row, line)?,
        })
    }
}

impl Shared {
    /// What [`SegmentScan::matching`] gives, without the events that cannot be read; these are noted. With `whole`, every
    /// column of a match must be readable, else only what decides the filter.
    pub fn salvage(&self, scan: &SegmentScan<'_>, whole: bool) -> Result<Vec<Selection>> {
        let rows = scan.blocks.rows()?;
        let mut selections = Vec::with_capacity(scan.patterns());
        for (pattern, rows) in rows.iter().enumerate() {
            let mut found = scan.select(&self.filter, pattern);
            let met = matches!(&found, Err(error) if error.kind() == ErrorKind::Corrupt);
            if met || (whole && !matches!(found, Ok(Selection::None) | Err(_))) {
                let damaged = scan.damaged(pattern)?;
                if met {
                    found = scan.select_readable(&self.filter, pattern, damaged.as_ref());
                }
                if let Some(Damaged { rows: lost, error }) = damaged {
                    let mut lost = Selection::from_bits(lost);
                    if !met {
                        lost = lost.and(found?);
                        found = scan.select(&self.filter, pattern).map(|all| all.and(lost.clone().negate()));
                    }
                    self.note(scan.segment().meta(), lost.iter(rows.len()).map(|at| rows[at]), &error);
                }
            }
            selections.push(scan.bounded(found?, &self.request, pattern)?);
        }
        Ok(selections)
    }

    /// Notes events that cannot be read, by their rows in the segment.
    pub fn note(&self, meta: &crate::SegmentMeta, rows: impl Iterator<Item = u32>, error: &Error) {
        let (mut first, mut last, mut events) = (u32::MAX, 0, 0);
        for row in rows {
            (first, last, events) = (first.min(row), last.max(row), events + 1);
        }
        if events == 0 {
            return;
        }
        let (first, last) = (meta.first_sequence + u64::from(first), meta.first_sequence + u64::from(last));
        let unread = Unread { index: Arc::clone(&meta.index), first, last, events, what: error.message().to_owned() };
        let mut all = self.progress.unread.lock();
        if all.len() < UNREAD_TOLD_MAX && !all.contains(&unread) {
            all.push(unread);
        } else if let Some(more) = all.last_mut().filter(|known| **known != unread) {
            more.events += unread.events;
        }
    }
}
