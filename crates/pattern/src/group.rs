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

use crate::bytes::{prefetch, same};
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
    /// Bytes of a line at most, below 64 KiB; a longer one goes to raw. Of an event of several lines only the first
    /// counts.
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

/// How many lines ahead of the one that is looked at its memory is asked for.
const LINES_AHEAD: usize = 8;

/// Lines that share a pattern.
#[derive(Debug)]
pub struct Leaf {
    /// The class that the caller gave them (only lines of one class are grouped).
    pub class: u32,
    /// Their pattern.
    pub pattern: Pattern,
    /// Their numbers, ascending.
    pub rows: Vec<u32>,
    /// The shape that they have; none for raw lines.
    shape: Option<u32>,
    /// Where they stand among the shape's lines.
    places: Vec<u32>,
    /// For each slot, its position among the shape's tokens.
    positions: Vec<u32>,
}

impl Leaf {
    /// Lines whose pattern is known already; where their values are is known to who says so.
    pub fn given(class: u32, pattern: Pattern, rows: Vec<u32>) -> Self {
        Self { class, pattern, rows, shape: None, places: Vec::new(), positions: Vec::new() }
    }
}

/// Lines, grouped.
#[derive(Debug)]
pub struct Grouped<'a, 'l> {
    lines: &'a [&'l [u8]],
    shapes: Vec<Shape>,
    /// The groups. Every line is in exactly one; their order depends on the lines alone.
    pub leaves: Vec<Leaf>,
}

impl<'l> Grouped<'_, 'l> {
    /// The groups alone; what the values were read from is given back.
    pub fn into_leaves(self) -> Vec<Leaf> {
        self.leaves
    }

    /// The values of all slots of a leaf's first row.
    pub fn first_row(&self, leaf: &Leaf) -> Vec<&'l [u8]> {
        let Some(row) = leaf.rows.first() else { return Vec::new() };
        let line = self.lines[*row as usize];
        let Some(shape) = leaf.shape else { return vec![line] };
        let tokens = self.shapes[shape as usize].tokens_of(leaf.places[0]);
        leaf.positions.iter().map(|position| cut(line, tokens[*position as usize])).collect()
    }

    /// Calls `each` with each row's line and where in it the values of the slots stand, row after row.
    pub fn each_row(&self, leaf: &Leaf, mut each: impl FnMut(&'l [u8], &mut dyn Iterator<Item = (u32, u32)>)) {
        let Some(shape) = leaf.shape else {
            let whole = |line: &'l [u8]| std::iter::once((0, line.len() as u32));
            return leaf.rows.iter().map(|row| self.lines[*row as usize]).for_each(|line| each(line, &mut whole(line)));
        };
        let shape = &self.shapes[shape as usize];
        for (at, (row, place)) in leaf.rows.iter().zip(&leaf.places).enumerate() {
            if let Some(row) = leaf.rows.get(at + LINES_AHEAD) {
                prefetch(self.lines[*row as usize]);
            }
            let (line, tokens) = (self.lines[*row as usize], shape.tokens_of(*place));
            let mut places =
                leaf.positions.iter().map(|position| tokens[*position as usize]).map(|(start, end)| (start.into(), end_in(line, end)));
            each(line, &mut places);
        }
    }
}

#[inline]
fn cut(line: &[u8], (start, end): (u16, u16)) -> &[u8] {
    &line[start as usize..end_in(line, end) as usize]
}

/// The end of a token that goes on to the end of the event, however far that is.
const TO_END: u16 = u16::MAX;

#[inline]
fn end_in(line: &[u8], end: u16) -> u32 {
    if end == TO_END { line.len() as u32 } else { end.into() }
}

#[derive(Debug)]
struct Shape {
    class: u32,
    bytes: Vec<u8>,
    /// Tokens of each line.
    width: usize,
    rows: Vec<u32>,
    /// Start and end of each token, line after line: beside each other, for they are looked at again and again.
    tokens: Vec<(u16, u16)>,
}

impl Shape {
    #[inline]
    fn tokens_of(&self, place: u32) -> &[(u16, u16)] {
        &self.tokens[place as usize * self.width..(place as usize + 1) * self.width]
    }
}

/// Groups `lines`, line `i` being of class `class(i)`.
pub fn group<'a, 'l>(lines: &'a [&'l [u8]], class: impl Fn(usize) -> u32, limits: GroupLimits) -> Grouped<'a, 'l> {
    let mut shapes = Shapes::default();
    shapes.fill(lines, class, limits);
    let Shapes { all: shapes, mut raw, .. } = shapes;
    let rows_min = match (lines.len(), shapes.len()) {
        (_, shapes) if shapes > limits.patterns_max / 2 => 16,
        (lines, _) if lines >= 16_384 => 4,
        _ => 1,
    };
    let mut leaves = Vec::new();
    let mut budget = limits.patterns_max;
    let split_rows_min = (lines.len() / 1_000).clamp(4, 256);
    for (number, shape) in shapes.iter().enumerate() {
        if shape.rows.len() < rows_min || budget == 0 {
            raw.entry(shape.class).or_default().extend(&shape.rows);
            continue;
        }
        let grouping = Grouping { lines, shape, number: number as u32, roles: roles(&shape.bytes), split_rows_min };
        grouping.descend(&mut budget, &mut leaves);
    }
    let mut raw: Vec<(u32, Vec<u32>)> = raw.into_iter().collect();
    raw.sort_unstable_by_key(|(class, _)| *class);
    for (class, mut rows) in raw {
        rows.sort_unstable();
        leaves.push(Leaf { class, pattern: Pattern::raw(), rows, shape: None, places: Vec::new(), positions: Vec::new() });
    }
    Grouped { lines, shapes, leaves }
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
    fn fill(&mut self, lines: &[&[u8]], class: impl Fn(usize) -> u32, limits: GroupLimits) {
        let mut splitter = Splitter::default();
        let shapes_max = limits.patterns_max * 4;
        // Hostile input makes every line a new shape: beyond four times the patterns, none can pay. Where most
        // lines are refused for that, looking at more of them would only cost time.
        let (mut refused, mut skip) = (0, 0);
        for (row, line) in lines.iter().enumerate() {
            if row % PROBE_LINES == 0 {
                skip = if refused > PROBE_LINES * 9 / 10 { PROBE_LINES * 8 } else { skip };
                refused = 0;
            }
            let class = class(row);
            let head = memchr::memchr(b'\n', line).map_or(*line, |feed| &line[..feed]);
            let several = head.len() < line.len();
            // Nothing before a line feed is no line to split; and such an event would be like a raw one.
            let fits = skip == 0 && head.len() <= limits.line_bytes_max.min(TO_END as usize - 1) && !(several && head.is_empty());
            skip = skip.saturating_sub(1);
            let shape = if fits && splitter.split(head, limits.tokens_max) {
                if several {
                    splitter.push_lines(head.len());
                }
                self.shape_of(class, &splitter.shape, splitter.tokens.len(), shapes_max)
            } else {
                None
            };
            match shape {
                Some(shape) => {
                    shape.rows.push(row as u32);
                    let end = |end: u32| u16::try_from(end).unwrap_or(TO_END);
                    shape.tokens.extend(splitter.tokens.iter().map(|token| (token.start as u16, end(token.end))));
                }
                None => {
                    refused += usize::from(self.all.len() >= shapes_max);
                    self.raw.entry(class).or_default().push(row as u32);
                }
            }
        }
    }

    fn shape_of(&mut self, class: u32, bytes: &[u8], width: usize, shapes_max: usize) -> Option<&mut Shape> {
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
        all.push(Shape { class, bytes: bytes.to_vec(), width, rows: Vec::new(), tokens: Vec::new() });
        self.known.insert_unique(hash, at, |at| FxBuildHasher.hash_one((all[*at as usize].class, &all[*at as usize].bytes[..])));
        all.last_mut()
    }
}

/// Lines of one shape that were found to have some words in common.
struct Part {
    /// Where they stand among the shape's lines.
    places: Vec<u32>,
    /// Positions where all of them have the same word.
    constant: Vec<bool>,
}

struct Grouping<'g, 'l> {
    lines: &'g [&'l [u8]],
    shape: &'g Shape,
    number: u32,
    roles: Vec<(SlotKind, Role)>,
    split_rows_min: usize,
}

impl<'l> Grouping<'_, 'l> {
    /// Splits the shape's lines until nothing splits them further, and hands over the leaves.
    fn descend(&self, budget: &mut usize, leaves: &mut Vec<Leaf>) {
        let places = (0..self.shape.rows.len() as u32).collect();
        let mut waiting = vec![Part { places, constant: vec![false; self.shape.width] }];
        while let Some(mut part) = waiting.pop() {
            let variety_max = SPLIT_VARIETY_MAX.min(part.places.len() / self.split_rows_min);
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

    fn line(&self, place: u32) -> &'l [u8] {
        self.lines[self.shape.rows[place as usize] as usize]
    }

    fn token(&self, place: u32, position: usize) -> &'l [u8] {
        cut(self.line(place), self.shape.tokens_of(place)[position])
    }

    /// Whether a value is structure rather than data.
    fn is_word(&self, position: usize, value: &[u8]) -> bool {
        self.roles[position].1 == Role::Key || !value.iter().any(u8::is_ascii_digit)
    }

    /// Finds the constant positions of a part and splits it by the position with the fewest different words, if
    /// there is one.
    fn split(&self, part: &mut Part, variety_max: usize) -> Option<Vec<Part>> {
        let mut candidates = self.candidates(part, variety_max);
        self.verify_constants(part, &mut candidates);
        candidates.sort_by_key(|(variety, _)| *variety);
        let mut best: Option<(usize, Words<'_>)> = None;
        for (guess, position) in candidates {
            // A position of a larger guess cannot have fewer words than one that was verified.
            if best.as_ref().is_some_and(|(_, words)| words.len() <= guess) {
                break;
            }
            if let Some(words) = self.words(&part.places, position, variety_max)
                && best.as_ref().is_none_or(|(_, least)| words.len() < least.len())
            {
                best = Some((position, words));
            }
        }
        let (position, words) = best?;
        let mut parts: Vec<Part> = (0..words.len()).map(|_| Part { places: Vec::new(), constant: part.constant.clone() }).collect();
        words.numbers.iter().zip(&part.places).for_each(|(number, place)| parts[*number as usize].places.push(*place));
        parts.iter_mut().for_each(|part| part.constant[position] = true);
        Some(parts)
    }

    /// Positions that may be constant or split, with the different words that a sample of the lines has there.
    fn candidates(&self, part: &Part, variety_max: usize) -> Vec<(usize, usize)> {
        let step = part.places.len().div_ceil(SAMPLE_ROWS);
        let mut found = Vec::new();
        let mut seen: Vec<&[u8]> = Vec::new();
        for (position, (kind, _)) in self.roles.iter().enumerate() {
            if matches!(kind, SlotKind::Time | SlotKind::Raw) || part.constant[position] {
                continue;
            }
            seen.clear();
            for place in part.places.iter().step_by(step) {
                let value = self.token(*place, position);
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

    /// Verifies on all lines which of the candidates with one word are constant, line after line; leaves those that may
    /// split.
    fn verify_constants(&self, part: &mut Part, candidates: &mut Vec<(usize, usize)>) {
        let first = part.places[0];
        let mut guessed: Vec<(usize, &[u8])> =
            candidates.iter().filter(|(variety, _)| *variety == 1).map(|(_, at)| (*at, self.token(first, *at))).collect();
        for (at, place) in part.places.iter().enumerate() {
            if let Some(place) = part.places.get(at + LINES_AHEAD) {
                prefetch(self.line(*place));
            }
            let (line, tokens) = (self.line(*place), self.shape.tokens_of(*place));
            let agrees = |(position, word): &(usize, &[u8])| same(cut(line, tokens[*position]), word);
            if !guessed.iter().all(agrees) {
                guessed.retain(agrees);
            }
        }
        guessed.iter().for_each(|(position, _)| part.constant[*position] = true);
        candidates.retain(|(_, position)| !part.constant[*position] && self.roles[*position].1 != Role::Value);
    }

    /// The words of lines at a position; `None` when something else stands there too, or too many.
    fn words(&self, places: &[u32], position: usize, variety_max: usize) -> Option<Words<'l>> {
        let mut words = Words::new(places.len());
        for (at, place) in places.iter().enumerate() {
            if let Some(place) = places.get(at + LINES_AHEAD) {
                let value = self.token(*place, position);
                prefetch(&value[..value.len().min(1)]);
            }
            let value = self.token(*place, position);
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
        for byte in &self.shape.bytes {
            if *byte < crate::split::SHAPE_WORD {
                pieces.push(Piece::Text(vec![*byte]));
                continue;
            }
            if part.constant[position] {
                pieces.push(Piece::Text(self.token(part.places[0], position).to_vec()));
            } else {
                pieces.push(Piece::Slot(self.roles[position].0));
                positions.push(position as u32);
            }
            position += 1;
        }
        let rows = part.places.iter().map(|place| self.shape.rows[*place as usize]).collect();
        let (shape, places) = (Some(self.number), part.places);
        Leaf { class: self.shape.class, pattern: Pattern::new(pieces), rows, shape, places, positions }
    }
}

#[cfg(test)]
mod tests;
