//! Changes as text, in the two formats that `patch` reads.

use super::{CONTEXT_LINES, Change, Split};
use std::fmt::Write;
use std::ops::Range;

/// How changes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As `diff -u`: what goes and what comes among the lines around.
    Unified,
    /// As `diff -c`: the old lines, then the new ones.
    Context,
}

/// The changes that share their context, as ranges of `changes`.
pub fn hunks(changes: &[Change]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        match found.last_mut() {
            Some(hunk) if change.old.start - changes[at - 1].old.end <= 2 * CONTEXT_LINES => hunk.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    found
}

/// The changes with three lines around each, without a header; every line is ended.
pub fn render(style: Style, old: &Split<'_>, new: &Split<'_>, changes: &[Change]) -> String {
    let mut out = String::new();
    for hunk in hunks(changes) {
        let changes = &changes[hunk];
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { continue };
        let before = first.old.start.min(first.new.start).min(CONTEXT_LINES);
        let after = (old.lines.len() - last.old.end).min(new.lines.len() - last.new.end).min(CONTEXT_LINES);
        let old_range = first.old.start - before..last.old.end + after;
        let new_range = first.new.start - before..last.new.end + after;
        match style {
            Style::Unified => unified(&mut out, old, new, changes, old_range, new_range),
            Style::Context => context(&mut out, old, new, changes, old_range, new_range),
        }
    }
    out
}

fn line(out: &mut String, mark: &str, text: &Split<'_>, at: usize) {
    let (line, open) = text.line(at);
    out.push_str(mark);
    out.push_str(line);
    out.push_str(if open { "\n\\ No newline at end of file\n" } else { "\n" });
}

fn unified(out: &mut String, old: &Split<'_>, new: &Split<'_>, changes: &[Change], old_range: Range<usize>, new_range: Range<usize>) {
    let range = |range: &Range<usize>| match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        length => format!("{},{length}", range.start + 1),
    };
    let _ = writeln!(out, "@@ -{} +{} @@", range(&old_range), range(&new_range));
    let mut at = old_range.start;
    for change in changes {
        (at..change.old.start).for_each(|at| line(out, " ", old, at));
        change.old.clone().for_each(|at| line(out, "-", old, at));
        change.new.clone().for_each(|at| line(out, "+", new, at));
        at = change.old.end;
    }
    (at..old_range.end).for_each(|at| line(out, " ", old, at));
}

fn context(out: &mut String, old: &Split<'_>, new: &Split<'_>, changes: &[Change], old_range: Range<usize>, new_range: Range<usize>) {
    let range = |range: &Range<usize>| match range.len() {
        0 | 1 => format!("{}", range.end),
        _ => format!("{},{}", range.start + 1, range.end),
    };
    let mark = |change: &Change, alone: &'static str| if change.old.is_empty() || change.new.is_empty() { alone } else { "! " };
    let _ = writeln!(out, "***************\n*** {} ****", range(&old_range));
    if changes.iter().any(|change| !change.old.is_empty()) {
        let mut at = old_range.start;
        for change in changes {
            (at..change.old.start).for_each(|at| line(out, "  ", old, at));
            change.old.clone().for_each(|at| line(out, mark(change, "- "), old, at));
            at = change.old.end;
        }
        (at..old_range.end).for_each(|at| line(out, "  ", old, at));
    }
    let _ = writeln!(out, "--- {} ----", range(&new_range));
    if changes.iter().any(|change| !change.new.is_empty()) {
        let mut at = new_range.start;
        for change in changes {
            (at..change.new.start).for_each(|at| line(out, "  ", new, at));
            change.new.clone().for_each(|at| line(out, mark(change, "+ "), new, at));
            at = change.new.end;
        }
        (at..new_range.end).for_each(|at| line(out, "  ", new, at));
    }
}
