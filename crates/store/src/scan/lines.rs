//! Terms in pages of lines: each different line is looked at once, then the numbers of those that match are looked for.

use super::select::Selection;
use super::term::{PreparedTerm, Reading, in_node};
use crate::segment::lines::LinesMeta;
use taffrail_base::Result;
use taffrail_pattern::lines::values_with;

/// The rows of a page where a term stands, which lies within one token and so within one line.
pub fn rows(term: &PreparedTerm, lines: &LinesMeta, rows: usize, reading: &Reading<'_, '_>) -> Result<Selection> {
    let found = match in_node(term, &lines.list, reading)? {
        Selection::Some(found) => found,
        // Every entry of the list is in a value, and every value has one.
        all_or_none => return Ok(all_or_none),
    };
    let (counts, numbers) = lines.numbers(reading.blocks(), rows)?;
    let mut hits = values_with(&counts, numbers.as_deref(), |entry| found.holds(entry)).into_iter().peekable();
    Ok(Selection::of(rows, |row| hits.next_if_eq(&(row as u32)).is_some()))
}
