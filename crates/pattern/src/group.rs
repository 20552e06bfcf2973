//! Decides patterns for many lines at once: which positions are constant, which split, which vary.
//!
//! Lines are grouped by shape (delimiters and kinds of tokens). Within a shape, a position whose words are few
//! and frequent is structure: the group is split by it, lowest variety first. What varies otherwise is a slot.
//! Tokens with digits and values of `key=value` pairs never split a pattern: they are data, not structure.
//!
//! Each line is cut into tokens once. What a position is, is guessed from a sample of the rows and then verified
//! on all of them, so that a row costs little more than comparing it with the pattern that it turns out to have.

mod names;
mod shape;
mod words;

pub use names::{SlotName, slot_names};

use crate::bytes::same;
use crate::pattern::{Pattern, Piece, SlotKind};
use crate::split::Splitter;
use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};
use shape::{Role, roles};
use std::hash::BuildHasher;
use words::Words;

/// Bounds of a grouping.
#[derive(Clone, Copy, Debug)]
pub struct GroupLimits {
    /// Patterns at most, the raw ones apart; further shapes go to raw.
    pub patterns_max: usize,
    /// Tokens of a line at most; a line with more goes to raw.
    pub tokens_max: usize,
    /// Bytes of a line at most, below 64 KiB; a longer one goes to raw.
    pub line_bytes_max: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self { patterns_max: taffrail_base::limits::SEGMENT_PATTERNS_MAX, tokens_max: 1_024, line_bytes_max: u16::MAX as usize }
    }
}

/// Different words at one position up to which they count as structure.
const SPLIT_VARIETY_MAX: usize = 16;

/// Rows from which the roles of a shape's positions are guessed.
const SAMPLE_ROWS: usize = 256;

/// Lines that share a pattern.
#[derive(Debug)]
pub struct Leaf {
    /// The class that the caller gave them (only lines of one class are grouped).
    pub class: u32,
    /// Their pattern.
    pub pattern: Pattern,
    /// Their numbers, ascending.
    pub rows: Vec<u32>,
    /// For each slot, its position among the shape's tokens.
    positions: Vec<u32>,
}

/// Lines, grouped.
#[derive(Debug)]
pub struct Grouped<'a, 'l> {
    lines: &'a [&'l [u8]],
    /// Start and end of each token, line after line.
    tokens: Vec<(u16, u16)>,
    /// Where a line's tokens begin.
    firsts: Vec<u32>,
    /// The groups. Every line is in exactly one; their order depends on the lines alone.
    pub leaves: Vec<Leaf>,
}

impl<'l> Grouped<'_, 'l> {
    /// The values of a leaf's slot, one a row.
    pub fn column(&self, leaf: &Leaf, slot: usize) -> impl ExactSizeIterator<Item = &'l [u8]> {
        let raw = leaf.pattern.is_raw();
        let position = if raw { 0 } else { leaf.positions[slot] };
        leaf.rows.iter().map(move |row| if raw { self.lines[*row as usize] } else { self.token(*row, position) })
    }

    #[inline]
    fn token(&self, row: u32, position: u32) -> &'l [u8] {
        let (start, end) = self.tokens[(self.firsts[row as usize] + position) as usize];
        &self.lines[row as usize][start as usize..end as usize]
    }
}

struct Shape {
    class: u32,
    bytes: Vec<u8>,
    rows: Vec<u32>,
}

/// Groups `lines`, line `i` being of class `class(i)`.
pub fn group<'a, 'l>(lines: &'a [&'l [u8]], class: impl Fn(usize) -> u32, limits: GroupLimits) -> Grouped<'a, 'l> {
    let mut grouped = Grouped { lines, tokens: Vec::new(), firsts: Vec::with_capacity(lines.len()), leaves: Vec::new() };
    let mut shapes = Shapes::default();
    shapes.fill(&mut grouped, class, limits);
    let Shapes { all, mut raw, .. } = shapes;
    let rows_min = match (lines.len(), all.len()) {
        (_, shapes) if shapes > limits.patterns_max / 2 => 16,
        (lines, _) if lines >= 16_384 => 4,
        _ => 1,
    };
    let mut leaves = Vec::new();
    let mut budget = limits.patterns_max;
    let split_rows_min = (lines.len() / 1_000).clamp(4, 256);
    for shape in all {
        if shape.rows.len() < rows_min || budget == 0 {
            raw.entry(shape.class).or_default().extend(shape.rows);
            continue;
        }
        let mut grouping =
            Grouping { grouped: &grouped, class: shape.class, roles: roles(&shape.bytes), shape: &shape.bytes, split_rows_min };
        grouping.descend(shape.rows, &mut budget, &mut leaves);
    }
    let mut raw: Vec<(u32, Vec<u32>)> = raw.into_iter().collect();
    raw.sort_unstable_by_key(|(class, _)| *class);
    for (class, mut rows) in raw {
        rows.sort_unstable();
        leaves.push(Leaf { class, pattern: Pattern::raw(), rows, positions: Vec::new() });
    }
    grouped.leaves = leaves;
    grouped
}

/// The shapes met so far.
#[derive(Default)]
struct Shapes {
    all: Vec<Shape>,
    known: HashTable<u32>,
    /// Lines without a shape, by class.
    raw: FxHashMap<u32, Vec<u32>>,
}

/// Lines after which it is asked whether shapes still pay.
const PROBE_LINES: usize = 4_096;

impl Shapes {
    fn fill(&mut self, grouped: &mut Grouped<'_, '_>, class: impl Fn(usize) -> u32, limits: GroupLimits) {
        let mut splitter = Splitter::default();
        let (lines, shapes_max) = (grouped.lines, limits.patterns_max * 4);
        // Hostile input makes every line a new shape: beyond four times the patterns, none can pay. Where most
        // lines are refused for that, looking at more of them would only cost time.
        let (mut refused, mut skip) = (0, 0);
        for (row, line) in lines.iter().enumerate() {
            if row % PROBE_LINES == 0 {
                skip = if refused > PROBE_LINES * 9 / 10 { PROBE_LINES * 8 } else { skip };
                refused = 0;
            }
            grouped.firsts.push(grouped.tokens.len() as u32);
            let class = class(row);
            let fits = skip == 0 && line.len() <= limits.line_bytes_max.min(u16::MAX as usize);
            skip = skip.saturating_sub(1);
            let shape =
                if fits && splitter.split(line, limits.tokens_max) { self.shape_of(class, &splitter.shape, shapes_max) } else { None };
            match shape {
                Some(shape) => {
                    shape.rows.push(row as u32);
                    grouped.tokens.extend(splitter.tokens.iter().map(|token| (token.start as u16, token.end as u16)));
                }
                None => {
                    refused += usize::from(self.all.len() >= shapes_max);
                    self.raw.entry(class).or_default().push(row as u32);
                }
            }
        }
    }

    fn shape_of(&mut self, class: u32, bytes: &[u8], shapes_max: usize) -> Option<&mut Shape> {
        let hash = FxBuildHasher.hash_one((class, bytes));
        let all = &mut self.all;
        let is = |at: &u32| all[*at as usize].class == class && same(&all[*at as usize].bytes, bytes);
        if let Some(at) = self.known.find(hash, is) {
            return Some(&mut all[*at as usize]);
        }
        if all.len() >= shapes_max {
            return None;
        }
        let at = all.len() as u32;
        all.push(Shape { class, bytes: bytes.to_vec(), rows: Vec::new() });
        self.known.insert_unique(hash, at, |at| FxBuildHasher.hash_one((all[*at as usize].class, &all[*at as usize].bytes[..])));
        all.last_mut()
    }
}

/// Rows of one shape that were found to have some words in common.
struct Part {
    rows: Vec<u32>,
    /// Positions where all rows have the same word.
    constant: Vec<bool>,
}

struct Grouping<'g, 'a, 'l> {
    grouped: &'g Grouped<'a, 'l>,
    class: u32,
    shape: &'g [u8],
    roles: Vec<(SlotKind, Role)>,
    split_rows_min: usize,
}

impl Grouping<'_, '_, '_> {
    /// Splits rows until nothing splits them further, and hands over the leaves.
    fn descend(&mut self, rows: Vec<u32>, budget: &mut usize, leaves: &mut Vec<Leaf>) {
        let width = self.roles.len();
        let mut waiting = vec![Part { rows, constant: vec![false; width] }];
        while let Some(mut part) = waiting.pop() {
            let variety_max = SPLIT_VARIETY_MAX.min(part.rows.len() / self.split_rows_min);
            let may_split = variety_max >= 2 && *budget > waiting.len() + variety_max;
            match self.split(&mut part, if may_split { variety_max } else { 1 }) {
                Some(parts) => waiting.extend(parts.into_iter().rev()),
                None => {
                    *budget = budget.saturating_sub(1);
                    leaves.push(self.leaf(part));
                }
            }
        }
    }

    /// Whether a value is structure rather than data.
    fn is_word(&self, position: usize, value: &[u8]) -> bool {
        self.roles[position].1 == Role::Key || !value.iter().any(u8::is_ascii_digit)
    }

    /// Finds the constant positions of a part and splits it by the position with the fewest different words, if
    /// there is one.
    fn split(&self, part: &mut Part, variety_max: usize) -> Option<Vec<Part>> {
        let mut candidates = self.candidates(part, variety_max);
        candidates.sort_by_key(|(variety, _)| *variety);
        let mut best: Option<(usize, Words)> = None;
        for (guess, position) in candidates {
            // A position of a larger guess cannot have fewer words than one that was verified.
            if best.as_ref().is_some_and(|(_, words)| words.len() <= guess) {
                break;
            }
            match self.words(&part.rows, position, variety_max) {
                Some(words) if words.len() == 1 => part.constant[position] = true,
                Some(words) if self.roles[position].1 != Role::Value => {
                    if best.as_ref().is_none_or(|(_, least)| words.len() < least.len()) {
                        best = Some((position, words));
                    }
                }
                _ => {}
            }
        }
        let (position, words) = best?;
        let mut parts: Vec<Part> = (0..words.len()).map(|_| Part { rows: Vec::new(), constant: part.constant.clone() }).collect();
        words.numbers.iter().zip(&part.rows).for_each(|(number, row)| parts[*number as usize].rows.push(*row));
        parts.iter_mut().for_each(|part| part.constant[position] = true);
        Some(parts)
    }

    /// Positions that may be constant or split, with the different words that a sample of the rows has there.
    fn candidates(&self, part: &Part, variety_max: usize) -> Vec<(usize, usize)> {
        let step = part.rows.len().div_ceil(SAMPLE_ROWS);
        let mut found = Vec::new();
        let mut seen: Vec<&[u8]> = Vec::new();
        for (position, (kind, _)) in self.roles.iter().enumerate() {
            if *kind == SlotKind::Time || part.constant[position] {
                continue;
            }
            seen.clear();
            for row in part.rows.iter().step_by(step) {
                let value = self.grouped.token(*row, position as u32);
                if !seen.iter().any(|known| same(known, value)) {
                    if seen.len() == variety_max || !self.is_word(position, value) {
                        seen.clear();
                        break;
                    }
                    seen.push(value);
                }
            }
            if !seen.is_empty() {
                found.push((seen.len(), position));
            }
        }
        found
    }

    /// The words of rows at a position; `None` when something else stands there too, or too many.
    fn words(&self, rows: &[u32], position: usize, variety_max: usize) -> Option<Words<'_>> {
        let mut words = Words::new(rows.len());
        for row in rows {
            let value = self.grouped.token(*row, position as u32);
            if !words.push(value, variety_max, |value| self.is_word(position, value)) {
                return None;
            }
        }
        Some(words)
    }

    fn leaf(&self, part: Part) -> Leaf {
        let mut pieces = Vec::new();
        let mut positions = Vec::new();
        let mut position = 0;
        for byte in self.shape {
            if *byte < crate::split::SHAPE_WORD {
                pieces.push(Piece::Text(vec![*byte]));
                continue;
            }
            if part.constant[position] {
                pieces.push(Piece::Text(self.grouped.token(part.rows[0], position as u32).to_vec()));
            } else {
                pieces.push(Piece::Slot(self.roles[position].0));
                positions.push(position as u32);
            }
            position += 1;
        }
        Leaf { class: self.class, pattern: Pattern::new(pieces), rows: part.rows, positions }
    }
}

#[cfg(test)]
mod tests;
