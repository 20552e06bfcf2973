//! Texts as lines, and lines as numbers.

use rustc_hash::FxHashMap;

/// A text cut into lines; an empty text has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The lines without what ends them.
    pub lines: Vec<&'a str>,
    /// Whether the last line is not ended, and that counts.
    pub open: bool,
}

impl<'a> Split<'a> {
    /// For people: CRLF ends a line as LF does, and whether the last line is ended does not count.
    pub fn plain(text: &'a str) -> Self {
        Self { lines: text.lines().collect(), open: false }
    }

    /// For programs: every byte counts; only LF ends a line.
    pub fn exact(text: &'a str) -> Self {
        let ended = text.strip_suffix('\n');
        let lines = if text.is_empty() { Vec::new() } else { ended.unwrap_or(text).split('\n').collect() };
        Self { lines, open: ended.is_none() && !text.is_empty() }
    }

    /// The line and whether it is the last one and open.
    pub(super) fn line(&self, at: usize) -> (&'a str, bool) {
        (self.lines[at], self.open && at + 1 == self.lines.len())
    }
}

/// The lines of both texts as numbers: equal ones, and only these, have equal numbers.
pub fn number<'a>(old: &Split<'a>, new: &Split<'a>) -> (Vec<u32>, Vec<u32>) {
    let mut known: FxHashMap<(&'a str, bool), u32> = FxHashMap::default();
    let old = numbers(&mut known, old);
    let new = numbers(&mut known, new);
    (old, new)
}

fn numbers<'a>(known: &mut FxHashMap<(&'a str, bool), u32>, text: &Split<'a>) -> Vec<u32> {
    let mut out = Vec::with_capacity(text.lines.len());
    for at in 0..text.lines.len() {
        let next = known.len() as u32;
        out.push(*known.entry(text.line(at)).or_insert(next));
    }
    out
}
