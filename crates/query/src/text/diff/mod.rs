//! Two texts line by line: which lines went, which came, and how that is written.
//!
//! The edit script is the one that GNU diff finds, so that its output and ours are the same bytes: the shortest script
//! by Myers' divide and conquer (*An O(ND) Difference Algorithm and Its Variations*, 1986) over the lines that can match
//! at all, then changes moved to where people expect them. It knows lines as numbers: equal ones have equal numbers.
//!
//! - `discard`: lines that only confuse the search.
//! - `search`: the shortest script.
//! - `slide`: of equally short scripts, the one that reads best.
//! - [`render`]: unified and context format.

mod discard;
mod lines;
mod render;
mod search;
mod slide;
#[cfg(test)]
mod tests;

pub use lines::{Split, number};
pub use render::{Style, hunks, render};

use std::ops::Range;
use taffrail_base::{Result, Stop};

/// Equal lines around a change, as `diff -u` and `diff -c` give them.
pub const CONTEXT_LINES: usize = 3;

/// Lines of the old text that are replaced by lines of the new one; one of the ranges may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which lines go.
    pub old: Range<usize>,
    /// Which lines come.
    pub new: Range<usize>,
}

/// The changes that make `new` of `old`, in order; none touches the next. Two long texts that have nothing in common take
/// their time: an error when `stop` ends it.
pub fn changes(old: &[u32], new: &[u32], stop: &Stop) -> Result<Vec<Change>> {
    // Equal lines at both ends cannot change, but those near the middle may be part of what a change is moved over.
    let common = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    if common == old.len() && common == new.len() {
        return Ok(Vec::new());
    }
    let start = common.saturating_sub(CONTEXT_LINES);
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let common = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let end = common.saturating_sub(CONTEXT_LINES);
    let (old, new) = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);

    let (mut gone, mut come) = (vec![false; old.len()], vec![false; new.len()]);
    let (old_kept, new_kept) = discard::discard(old, new, &mut gone, &mut come);
    search::search(&old_kept, &new_kept, &mut gone, &mut come, stop)?;
    slide::slide(old, &mut gone, &come);
    slide::slide(new, &mut come, &gone);
    Ok(script(&gone, &come, start))
}

/// The changes that the marks of both sides mean, `start` lines later.
fn script(gone: &[bool], come: &[bool], start: usize) -> Vec<Change> {
    let mut found = Vec::new();
    let (mut old, mut new) = (0, 0);
    while old < gone.len() || new < come.len() {
        let (old_end, new_end) = (run_end(gone, old), run_end(come, new));
        if old_end > old || new_end > new {
            found.push(Change { old: start + old..start + old_end, new: start + new..start + new_end });
        }
        (old, new) = (old_end + 1, new_end + 1);
    }
    found
}

/// Where the run of marked lines that starts at `at` ends.
fn run_end(marks: &[bool], at: usize) -> usize {
    at + marks.get(at..).map_or(0, |rest| rest.iter().take_while(|mark| **mark).count())
}
