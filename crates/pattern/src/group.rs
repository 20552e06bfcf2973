//! Decides patterns for many lines at once: which positions are constant, which split, which vary.
//!
//! Lines are grouped by shape (delimiters and kinds of tokens). Within a shape, a position whose words are few
//! and frequent is structure: the group is split by it, lowest variety first. What varies otherwise is a slot.
//! Tokens with digits and values of `key=value` pairs never split a pattern: they are data, not structure.

use crate::bytes::same;
use crate::pattern::{Pattern, Piece, SlotKind};
use crate::split::{SHAPE_QUOTED, SHAPE_TIME, SHAPE_WORD, Token, split};
use rustc_hash::FxHashMap;

/// Bounds of a grouping.
#[derive(Clone, Copy, Debug)]
pub struct GroupLimits {
    /// Patterns at most, the raw ones apart; further shapes go to raw.
    pub patterns_max: usize,
    /// Tokens of a line at most; a line with more goes to raw.
    pub tokens_max: usize,
    /// Bytes of a line at most; a longer one goes to raw.
    pub line_bytes_max: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self { patterns_max: taffrail_base::limits::SEGMENT_PATTERNS_MAX, tokens_max: 1_024, line_bytes_max: 64 * 1024 }
    }
}

/// Different words at one position up to which they count as structure.
const SPLIT_VARIETY_MAX: usize = 16;

/// Lines that share a pattern.
pub struct Leaf<'a, 'l> {
    /// The class that the caller gave them (only lines of one class are grouped).
    pub class: u32,
    /// Their pattern.
    pub pattern: Pattern,
    /// Their numbers, ascending.
    pub rows: &'a [u32],
    lines: &'a [&'l [u8]],
    matrix: &'a [(u32, u32)],
    places: &'a [u32],
    width: usize,
    slots: Vec<usize>,
}

impl<'l> Leaf<'_, 'l> {
    /// The values of a slot, one a row.
    pub fn column(&self, slot: usize) -> Vec<&'l [u8]> {
        if self.pattern.is_raw() {
            return self.rows.iter().map(|row| self.lines[*row as usize]).collect();
        }
        let position = self.slots[slot];
        let value = |(place, row): (&u32, &u32)| {
            let (start, end) = self.matrix[*place as usize * self.width + position];
            &self.lines[*row as usize][start as usize..end as usize]
        };
        self.places.iter().zip(self.rows).map(value).collect()
    }
}

struct Shape {
    class: u32,
    bytes: Vec<u8>,
    rows: Vec<u32>,
}

/// Groups `lines`, line `i` being of class `class(i)`, and hands each group to `sink`. Every line is in exactly
/// one group. The order of groups depends on the lines alone.
pub fn group<'l>(lines: &[&'l [u8]], class: impl Fn(usize) -> u32, limits: GroupLimits, sink: &mut dyn FnMut(Leaf<'_, 'l>)) {
    let (mut shapes, mut raw) = by_shape(lines, class, limits);
    let rows_min = match (lines.len(), shapes.len()) {
        (_, shapes) if shapes > limits.patterns_max / 2 => 16,
        (lines, _) if lines >= 16_384 => 4,
        _ => 1,
    };
    let mut budget = limits.patterns_max;
    let split_rows_min = (lines.len() / 1_000).clamp(4, 256);
    for shape in &mut shapes {
        if shape.rows.len() < rows_min || budget == 0 {
            raw.entry(shape.class).or_default().append(&mut shape.rows);
            continue;
        }
        let grouping = Grouping::new(lines, shape, limits.tokens_max);
        let places = (0..shape.rows.len() as u32).collect();
        grouping.descend(places, split_rows_min, &mut budget, sink);
    }
    let mut raw: Vec<(u32, Vec<u32>)> = raw.into_iter().collect();
    raw.sort_unstable_by_key(|(class, _)| *class);
    for (class, mut rows) in raw {
        rows.sort_unstable();
        let pattern = Pattern::raw();
        sink(Leaf { class, pattern, rows: &rows, lines, matrix: &[], places: &[], width: 0, slots: vec![] });
    }
}

fn by_shape(lines: &[&[u8]], class: impl Fn(usize) -> u32, limits: GroupLimits) -> (Vec<Shape>, FxHashMap<u32, Vec<u32>>) {
    let mut shapes: Vec<Shape> = Vec::new();
    let mut known: FxHashMap<Vec<u8>, usize> = FxHashMap::default();
    let mut raw: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    let (mut tokens, mut key) = (Vec::new(), Vec::new());
    for (row, line) in lines.iter().enumerate() {
        let class = class(row);
        let row = row as u32;
        if line.len() > limits.line_bytes_max || !split(line, &mut tokens, &mut key, limits.tokens_max) {
            raw.entry(class).or_default().push(row);
            continue;
        }
        let shape_len = key.len();
        key.extend_from_slice(&class.to_le_bytes());
        match known.get(&key) {
            Some(at) => shapes[*at].rows.push(row),
            // Hostile input makes every line a new shape: beyond four times the patterns, none can pay.
            None if shapes.len() >= limits.patterns_max * 4 => raw.entry(class).or_default().push(row),
            None => {
                known.insert(key.clone(), shapes.len());
                shapes.push(Shape { class, bytes: key[..shape_len].to_vec(), rows: vec![row] });
            }
        }
    }
    (shapes, raw)
}

/// What a position of a shape is, from the delimiters around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Before `=`, or quoted before `:`: a name, structure whatever it looks like.
    Key,
    /// After `=`, or quoted after `:`: data.
    Value,
    /// Anything else.
    Plain,
}

struct Grouping<'a, 'l> {
    lines: &'a [&'l [u8]],
    shape: &'a Shape,
    /// Start and end of each token, row after row.
    matrix: Vec<(u32, u32)>,
    width: usize,
    kinds: Vec<SlotKind>,
    /// For each position that may split: the number of each row's word, or [`NO_WORD`].
    words: Vec<Option<Vec<u8>>>,
    roles: Vec<Role>,
}

/// Stands for a token that is no word, or one word too many.
const NO_WORD: u8 = u8::MAX;

/// Rows looked at before a position without words is given up.
const WORDS_SAMPLE: usize = 256;

impl<'a, 'l> Grouping<'a, 'l> {
    fn new(lines: &'a [&'l [u8]], shape: &'a Shape, tokens_max: usize) -> Self {
        let (kinds, roles) = roles(&shape.bytes);
        let mut matrix = Vec::with_capacity(shape.rows.len() * kinds.len());
        let (mut tokens, mut bytes): (Vec<Token>, Vec<u8>) = (Vec::new(), Vec::new());
        for row in &shape.rows {
            split(lines[*row as usize], &mut tokens, &mut bytes, tokens_max);
            debug_assert_eq!(tokens.len(), kinds.len());
            matrix.extend(tokens.iter().map(|t| (t.start, t.end)));
        }
        let mut this = Self { lines, shape, matrix, width: kinds.len(), kinds, words: Vec::new(), roles };
        this.words = (0..this.width).map(|position| this.words_at(position)).collect();
        this
    }

    fn value(&self, place: u32, position: usize) -> &'l [u8] {
        let (start, end) = self.matrix[place as usize * self.width + position];
        &self.lines[self.shape.rows[place as usize] as usize][start as usize..end as usize]
    }

    /// Whether a value is structure rather than data.
    fn is_word(&self, position: usize, value: &[u8]) -> bool {
        self.roles[position] == Role::Key || !value.iter().any(u8::is_ascii_digit)
    }

    /// Numbers the words at a position: comparing numbers is all that splitting does later.
    fn words_at(&self, position: usize) -> Option<Vec<u8>> {
        if self.kinds[position] == SlotKind::Time {
            return None;
        }
        let mut known: FxHashMap<&[u8], u8> = FxHashMap::default();
        let mut numbers = Vec::with_capacity(self.shape.rows.len());
        let mut last: (&[u8], u8) = (b"0", NO_WORD);
        let mut words = 0;
        for place in 0..self.shape.rows.len() as u32 {
            let value = self.value(place, position);
            if !same(value, last.0) {
                let next = known.len() as u8;
                let number = match known.get(value) {
                    Some(number) => *number,
                    None if next < NO_WORD && self.is_word(position, value) => {
                        known.insert(value, next);
                        next
                    }
                    None => NO_WORD,
                };
                last = (value, number);
            }
            words += usize::from(last.1 != NO_WORD);
            if numbers.len() == WORDS_SAMPLE && words == 0 {
                return None;
            }
            numbers.push(last.1);
        }
        (words > 0).then_some(numbers)
    }

    /// The words at a position, by number; `None` when something else stands there too, or too many.
    fn variety(&self, places: &[u32], position: usize, variety_max: usize) -> Option<Vec<u8>> {
        let words = self.words[position].as_ref()?;
        let mut seen = [false; 256];
        let mut found = Vec::new();
        for place in places {
            let word = words[*place as usize];
            if !seen[word as usize] {
                if word == NO_WORD || found.len() == variety_max {
                    return None;
                }
                seen[word as usize] = true;
                found.push(word);
            }
        }
        Some(found)
    }

    /// Splits further or hands over a leaf.
    fn descend(&self, places: Vec<u32>, split_rows_min: usize, budget: &mut usize, sink: &mut dyn FnMut(Leaf<'_, 'l>)) {
        let mut waiting = vec![places];
        while let Some(places) = waiting.pop() {
            let mut best: Option<(usize, Vec<u8>)> = None;
            let variety_max = SPLIT_VARIETY_MAX.min(places.len() / split_rows_min);
            if variety_max >= 2 && *budget > waiting.len() + variety_max {
                for position in (0..self.width).filter(|position| self.roles[*position] != Role::Value) {
                    if let Some(seen) = self.variety(&places, position, variety_max)
                        && seen.len() > 1
                        && best.as_ref().is_none_or(|(_, least)| seen.len() < least.len())
                    {
                        best = Some((position, seen));
                    }
                }
            }
            let Some((position, seen)) = best else {
                *budget = budget.saturating_sub(1);
                self.leaf(&places, sink);
                continue;
            };
            let words = self.words[position].as_ref().expect("variety saw words");
            let mut part_of = [0u8; 256];
            seen.iter().zip(0..).for_each(|(word, part)| part_of[*word as usize] = part);
            let mut parts: Vec<Vec<u32>> = vec![Vec::new(); seen.len()];
            for place in places {
                parts[part_of[words[place as usize] as usize] as usize].push(place);
            }
            waiting.extend(parts.into_iter().rev());
        }
    }

    fn leaf(&self, places: &[u32], sink: &mut dyn FnMut(Leaf<'_, 'l>)) {
        let mut pieces = Vec::new();
        let mut slots = Vec::new();
        let mut position = 0;
        for byte in &self.shape.bytes {
            if *byte < SHAPE_WORD {
                pieces.push(Piece::Text(vec![*byte]));
                continue;
            }
            if self.variety(places, position, 1).is_some() {
                pieces.push(Piece::Text(self.value(places[0], position).to_vec()));
            } else {
                pieces.push(Piece::Slot(self.kinds[position]));
                slots.push(position);
            }
            position += 1;
        }
        let rows: Vec<u32> = places.iter().map(|place| self.shape.rows[*place as usize]).collect();
        sink(Leaf {
            class: self.shape.class,
            pattern: Pattern::new(pieces),
            rows: &rows,
            lines: self.lines,
            matrix: &self.matrix,
            places,
            width: self.width,
            slots,
        });
    }
}

fn roles(shape: &[u8]) -> (Vec<SlotKind>, Vec<Role>) {
    let mut kinds = Vec::new();
    let mut roles = Vec::new();
    for (at, byte) in shape.iter().enumerate() {
        let (kind, before, after) = match *byte {
            SHAPE_WORD => (SlotKind::Word, at.checked_sub(1), at + 1),
            SHAPE_QUOTED => (SlotKind::Quoted, at.checked_sub(2), at + 2),
            SHAPE_TIME => (SlotKind::Time, at.checked_sub(1), at + 1),
            _ => continue,
        };
        let before = before.and_then(|at| shape.get(at)).copied();
        let after = shape.get(after).copied();
        roles.push(match (kind, before, after) {
            (SlotKind::Word, _, Some(b'=')) | (SlotKind::Quoted, _, Some(b':' | b'=')) => Role::Key,
            (_, Some(b'='), _) | (SlotKind::Quoted, Some(b':'), _) => Role::Value,
            _ => Role::Plain,
        });
        kinds.push(kind);
    }
    // `<38>1 `: the version of a syslog header decides what every later position means.
    if shape.starts_with(&[b'<', SHAPE_WORD, b'>', SHAPE_WORD, b' ']) {
        roles[1] = Role::Key;
    }
    (kinds, roles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grouped(lines: &[Vec<u8>], limits: GroupLimits) -> Vec<(String, Vec<u32>)> {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let mut found = Vec::new();
        let mut rebuilt = vec![None; lines.len()];
        group(&lines, |row| row as u32 % 2, limits, &mut |leaf| {
            let columns: Vec<_> = (0..leaf.pattern.slots()).map(|slot| leaf.column(slot)).collect();
            for (at, row) in leaf.rows.iter().enumerate() {
                let mut line = Vec::new();
                leaf.pattern.render(|slot| columns[slot][at], &mut line);
                assert!(rebuilt[*row as usize].replace(line).is_none(), "a row is in one group only");
                assert_eq!(leaf.class, row % 2);
            }
            assert_eq!(Pattern::from_key(&leaf.pattern.key()).as_ref(), Some(&leaf.pattern));
            found.push((leaf.pattern.to_string(), leaf.rows.to_vec()));
        });
        for (line, rebuilt) in lines.iter().zip(rebuilt) {
            assert_eq!(rebuilt.as_deref(), Some(*line));
        }
        found
    }

    #[test]
    fn structure_splits_and_data_does_not() {
        let names = ["root", "alice", "bob"];
        let lines: Vec<Vec<u8>> = (0..400)
            .map(|i| {
                let what = if i % 4 < 2 { "opened" } else { "closed" };
                format!("sshd[{i}]: session {what} for user={} by (uid={i})", names[i % 3]).into_bytes()
            })
            .collect();
        let patterns: Vec<String> = grouped(&lines, GroupLimits::default()).into_iter().map(|(p, _)| p).collect();
        assert_eq!(patterns.len(), 4, "two words, two classes: {patterns:?}");
        assert!(patterns.contains(&"sshd[<*>]: session opened for user=<*> by (uid=<*>)".to_owned()), "{patterns:?}");
    }

    #[test]
    fn the_version_of_a_syslog_header_is_structure() {
        let line = |i: usize| format!("<{}>1 2026-11-21T21:14:03Z web{} app {i} - - hello", 30 + i % 7, i % 5).into_bytes();
        let patterns = grouped(&(0..40).map(line).collect::<Vec<_>>(), GroupLimits::default());
        assert!(patterns.iter().all(|(pattern, _)| pattern == "<<*>>1 <time> <*> app <*> - - hello"), "{patterns:?}");
    }

    #[test]
    fn hostile_lines_are_bounded() {
        let lines: Vec<Vec<u8>> = (0..5_000u32).map(|i| format!("{:b}", i).replace('0', ":").into_bytes()).collect();
        let limits = GroupLimits { patterns_max: 8, ..GroupLimits::default() };
        assert!(grouped(&lines, limits).len() <= 8 + 2);
    }

    proptest! {
        #[test]
        fn any_lines_come_back(lines in prop::collection::vec("[a-c1:=\"\\\\ ,{}\u{0}\u{1}]{0,24}", 0..200), cap in 0usize..20) {
            let lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
            grouped(&lines, GroupLimits { patterns_max: cap, tokens_max: 12, line_bytes_max: 20 });
        }
    }
}
