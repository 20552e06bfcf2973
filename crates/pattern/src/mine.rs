//! Merges patterns for people: what differs only in a word or two is one line of a list.
//!
//! Segments decide patterns on their own, so the same message can have a word as text in one and as a slot in
//! another. Here such patterns become one. Nothing stored depends on this.

use crate::pattern::{Pattern, Piece, SlotKind};
use crate::split::{SHAPE_QUOTED, SHAPE_WORD, is_delimiter, split};
use rustc_hash::FxHashMap;

/// A pattern's tokens and what stands between them.
struct Seen {
    shape: Vec<u8>,
    /// `None` for a slot.
    tokens: Vec<Option<Vec<u8>>>,
}

/// Different words at a position from which on it is shown as a slot, when the patterns agree elsewhere.
const WORDS_MAX: usize = 5;

/// For each pattern given, the number of its merged pattern; and the merged patterns.
pub fn merge(patterns: &[&Pattern]) -> (Vec<usize>, Vec<Pattern>) {
    let mut by_shape: FxHashMap<Vec<u8>, Vec<usize>> = FxHashMap::default();
    let mut order: Vec<Vec<u8>> = Vec::new();
    let seen: Vec<Seen> = patterns.iter().map(|p| tokens_of(p)).collect();
    for (at, one) in seen.iter().enumerate() {
        by_shape.entry(one.shape.clone()).or_insert_with(|| {
            order.push(one.shape.clone());
            Vec::new()
        });
        by_shape.get_mut(&one.shape).expect("just put there").push(at);
    }
    let mut target = vec![0; patterns.len()];
    let mut merged = Vec::new();
    for shape in order {
        for cluster in clusters(&seen, by_shape.remove(&shape).unwrap_or_default()) {
            let width = seen[cluster[0]].tokens.len();
            let common: Vec<Option<Vec<u8>>> = (0..width)
                .map(|position| {
                    let first = seen[cluster[0]].tokens[position].clone();
                    cluster.iter().all(|at| seen[*at].tokens[position] == first).then_some(first).flatten()
                })
                .collect();
            cluster.iter().for_each(|at| target[*at] = merged.len());
            merged.push(build(&shape, &common));
        }
    }
    (target, merged)
}

/// Splits patterns of one shape by positions with few words and no slot; the rest merges.
fn clusters(seen: &[Seen], all: Vec<usize>) -> Vec<Vec<usize>> {
    let mut done = Vec::new();
    let mut waiting = vec![all];
    while let Some(some) = waiting.pop() {
        let width = some.first().map_or(0, |at| seen[*at].tokens.len());
        let mut best: Option<(usize, Vec<&Option<Vec<u8>>>)> = None;
        for position in 0..width {
            let mut words: Vec<&Option<Vec<u8>>> = Vec::new();
            for at in &some {
                let word = &seen[*at].tokens[position];
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            let splits = words.len() > 1 && words.len() <= WORDS_MAX && words.iter().all(|w| w.is_some());
            if splits && best.as_ref().is_none_or(|(_, least)| words.len() < least.len()) {
                best = Some((position, words));
            }
        }
        let Some((position, words)) = best else {
            if !some.is_empty() {
                done.push(some);
            }
            continue;
        };
        let parts = words.iter().map(|w| some.iter().copied().filter(|at| seen[*at].tokens[position] == **w).collect());
        let parts: Vec<Vec<usize>> = parts.collect();
        waiting.extend(parts.into_iter().rev());
    }
    done
}

/// Tokenises a pattern with its slots as opaque tokens.
fn tokens_of(pattern: &Pattern) -> Seen {
    if pattern.is_raw() {
        return Seen { shape: vec![0xff], tokens: vec![None] };
    }
    let mut line = Vec::new();
    let mut slot_at = Vec::new();
    for piece in pattern.pieces() {
        match piece {
            Piece::Text(text) => line.extend_from_slice(text),
            Piece::Slot(_) => {
                slot_at.push(line.len());
                line.push(b'X');
            }
        }
    }
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    split(&line, &mut tokens, &mut shape, usize::MAX);
    // A time and a word are one thing here: the year or zone of a layout must not part patterns.
    shape.iter_mut().filter(|b| **b >= SHAPE_WORD && **b != SHAPE_QUOTED).for_each(|b| *b = SHAPE_WORD);
    let tokens =
        tokens.iter().map(|t| (!(t.end == t.start + 1 && slot_at.contains(&(t.start as usize)))).then(|| t.of(&line).to_vec())).collect();
    Seen { shape, tokens }
}

fn build(shape: &[u8], tokens: &[Option<Vec<u8>>]) -> Pattern {
    if shape == [0xff] {
        return Pattern::raw();
    }
    let mut next = tokens.iter();
    Pattern::new(shape.iter().map(|byte| match byte {
        byte if is_delimiter(*byte) => Piece::Text(vec![*byte]),
        mark => match next.next().expect("one token a mark") {
            Some(text) => Piece::Text(text.clone()),
            None if *mark == SHAPE_QUOTED => Piece::Slot(SlotKind::Quoted),
            None => Piece::Slot(SlotKind::Word),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let mut pieces = Vec::new();
        for (at, part) in text.split("<*>").enumerate() {
            if at > 0 {
                pieces.push(Piece::Slot(SlotKind::Word));
            }
            pieces.push(Piece::Text(part.as_bytes().to_vec()));
        }
        Pattern::new(pieces)
    }

    #[test]
    fn many_words_merge_and_few_do_not() {
        let users = ["root", "alice", "bob", "carol", "dave", "eve", "mallory"];
        let mut all: Vec<Pattern> = users.iter().map(|u| pattern(&format!("session opened for {u} by <*>"))).collect();
        all.push(pattern("session closed for <*> by <*>"));
        all.push(pattern("session opened for <*> by <*>"));
        let (target, merged) = merge(&all.iter().collect::<Vec<_>>());
        let mut shown: Vec<String> = merged.iter().map(ToString::to_string).collect();
        shown.sort();
        assert_eq!(shown, ["session closed for <*> by <*>", "session opened for <*> by <*>"]);
        assert_eq!(target[0], target[8]);
        assert_ne!(target[0], target[7]);
    }
}
