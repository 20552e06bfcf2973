//! Which texts are alike. Times and words with digits are data: they count as equal. What is left of a text, its
//! skeleton, decides, so that the many events of one pattern are decided once.
//!
//! Knows no rows. Two skeletons are compared by their terms in order, by their set of terms, or by their set of
//! three-character pieces; the measure is what they share over the geometric mean of what each has (for sets, the cosine
//! of the angle between them).

use rustc_hash::FxHashMap;
use taffrail_base::limits::CLUSTERS_MAX;
use taffrail_pattern::SlotKind;
use taffrail_pattern::split::Splitter;

/// Tokens of a text beyond which it is its own skeleton.
const TOKENS_MAX: usize = 1_024;

/// What stands for data in a skeleton; no delimiter, and a term of its own.
const DATA: char = '\u{1}';

/// How two texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// By their terms, in order.
    TermList,
    /// By their terms, in any order.
    TermSet,
    /// By their three-character pieces.
    NgramSet,
}

impl Match {
    /// All of them by name.
    pub const NAMES: [&'static str; 3] = ["termlist", "termset", "ngramset"];

    /// The one of a name of [`Self::NAMES`].
    pub fn named(name: &str) -> Self {
        match name {
            "termset" => Self::TermSet,
            "ngramset" => Self::NgramSet,
            _ => Self::TermList,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What of a text is compared: its terms in order, and ascending; for sets the same.
struct Features {
    list: Vec<u32>,
    sorted: Vec<u32>,
}

/// The groups so far, each with the features of its first text.
pub struct Clusters {
    by: Match,
    threshold: f64,
    delimiters: Option<String>,
    heads: Vec<Features>,
    /// The group of each skeleton.
    known: FxHashMap<Vec<u8>, Option<usize>>,
    /// Numbers of terms and pieces.
    features: FxHashMap<String, u32>,
    bytes: usize,
    splitter: Splitter,
}

impl Clusters {
    /// No groups yet.
    pub fn new(by: Match, threshold: f64, delimiters: Option<String>) -> Self {
        Self {
            by,
            threshold,
            delimiters,
            heads: Vec::new(),
            known: FxHashMap::default(),
            features: FxHashMap::default(),
            bytes: 0,
            splitter: Splitter::default(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The group of a text, by number from 0: the one whose first text is most like it, if it is like it enough, else a
    /// new one; `None` when there are as many as there can be.
    pub fn of(&mut self, text: &str) -> Option<usize> {
        let skeleton = skeleton(&mut self.splitter, text);
        if let Some(known) = self.known.get(&skeleton) {
            return *known;
        }
        let features = self.features_of(&String::from_utf8_lossy(&skeleton));
        let mut best: Option<(f64, usize)> = None;
        for (number, head) in self.heads.iter().enumerate() {
            let likeness = likeness(self.by, head, &features, self.threshold);
            if likeness >= self.threshold && best.is_none_or(|(most, _)| likeness > most) {
                best = Some((likeness, number));
                if likeness >= 1.0 {
                    break;
                }
            }
        }
        let group = match best {
            Some((_, number)) => Some(number),
            None if self.heads.len() < CLUSTERS_MAX => {
                self.bytes += 2 * features.list.len() * size_of::<u32>() + size_of::<Features>();
                self.heads.push(features);
                Some(self.heads.len() - 1)
            }
            None => None,
        };
        self.bytes += skeleton.len() + 64;
        self.known.insert(skeleton, group);
        group
    }

    /// The terms, or the set of terms or pieces.
    fn features_of(&mut self, skeleton: &str) -> Features {
        let is_delimiter = |c: char| match &self.delimiters {
            Some(delimiters) => delimiters.contains(c),
            None => !c.is_ascii_alphanumeric() && c != '_' && c != DATA,
        };
        let words: Vec<String> = match self.by {
            Match::NgramSet => {
                let characters: Vec<char> = skeleton.chars().collect();
                characters.windows(3.min(characters.len()).max(1)).map(|piece| piece.iter().collect()).collect()
            }
            _ => skeleton.split(is_delimiter).filter(|term| !term.is_empty()).map(str::to_owned).collect(),
        };
        let mut numbers = Vec::with_capacity(words.len());
        for word in words {
            let next = self.features.len() as u32;
            let length = word.len();
            let number = *self.features.entry(word).or_insert(next);
            self.bytes += if number == next { length + 64 } else { 0 };
            numbers.push(number);
        }
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        if self.by != Match::TermList {
            sorted.dedup();
            numbers.clone_from(&sorted);
        }
        Features { list: numbers, sorted }
    }
}

/// The text with one mark for each time and each word with a digit.
fn skeleton(splitter: &mut Splitter, text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    if !splitter.split(bytes, TOKENS_MAX) {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for token in &splitter.tokens {
        let (start, end) = (token.start as usize, token.end as usize);
        out.extend_from_slice(&bytes[at..start]);
        let value = token.of(bytes);
        // A quoted string with a digit keeps its words: it is text more often than data.
        let data = token.kind == SlotKind::Time || (token.kind != SlotKind::Quoted && value.iter().any(u8::is_ascii_digit));
        if data {
            out.push(DATA as u8);
        } else {
            out.extend_from_slice(value);
        }
        at = end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

/// How alike two texts are, 0 to 1; anything below `enough` may be given as 0.
fn likeness(by: Match, a: &Features, b: &Features, enough: f64) -> f64 {
    let (longer, shorter) = (a.list.len().max(b.list.len()), a.list.len().min(b.list.len()));
    if shorter == 0 {
        return if longer == 0 { 1.0 } else { 0.0 };
    }
    let mean = (longer as f64 * shorter as f64).sqrt();
    // They cannot share more than the shorter one has, nor more in order than in any order: cheap to tell, and most
    // pairs are told apart by it.
    if shorter as f64 / mean < enough {
        return 0.0;
    }
    let shared = common_members(&a.sorted, &b.sorted) as f64 / mean;
    if by != Match::TermList || shared < enough {
        return shared;
    }
    common_subsequence(&a.list, &b.list) as f64 / mean
}

/// How many members two ascending lists share.
fn common_members(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while let (Some(left), Some(right)) = (a.get(i), b.get(j)) {
        match left.cmp(right) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                shared += 1;
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    shared
}

/// The length of the longest common subsequence, row by row of the usual table.
fn common_subsequence(a: &[u32], b: &[u32]) -> usize {
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    let mut row = vec![0usize; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (at, y) in b.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if x == y { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    start + row[b.len()] + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_does_not_count() {
        let mut splitter = Splitter::default();
        let mut same = |a: &str, b: &str| skeleton(&mut splitter, a) == skeleton(&mut splitter, b);
        assert!(same("2026-11-21T12:00:00Z user bob from 10.0.0.1", "2026-11-21T12:00:05Z user bob from 10.0.0.22"));
        assert!(!same("user bob", "user eve"));
    }

    #[test]
    fn measures() {
        assert_eq!(common_subsequence(&[1, 2, 3, 4, 5], &[1, 9, 3, 5]), 3);
        assert_eq!(common_subsequence(&[], &[1]), 0);
        assert_eq!(common_members(&[1, 3, 5], &[2, 3, 4, 5, 6]), 2);
        let features = |list: &[u32]| {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            Features { list: list.to_vec(), sorted }
        };
        let measure = |by, a: &[u32], b: &[u32]| likeness(by, &features(a), &features(b), 0.1);
        // Three of four terms on both sides.
        assert!((measure(Match::TermList, &[1, 2, 3, 4], &[1, 2, 3, 9]) - 0.75).abs() < 1e-9);
        // In another order: one less in a list, all in a set.
        assert!((measure(Match::TermList, &[1, 2], &[2, 1]) - 0.5).abs() < 1e-9);
        assert!((measure(Match::TermSet, &[1, 2, 3, 4], &[2]) - 0.5).abs() < 1e-9);
        assert!((measure(Match::TermSet, &[], &[]) - 1.0).abs() < 1e-9);
        assert!(measure(Match::TermSet, &[], &[1]) < 1e-9);
    }

    #[test]
    fn the_most_alike_group_is_joined() {
        let mut clusters = Clusters::new(Match::TermList, 0.6, None);
        assert_eq!(clusters.of("disk failure on sda"), Some(0));
        assert_eq!(clusters.of("login failure for root now"), Some(1));
        assert_eq!(clusters.of("disk failure on sdb"), Some(0));
        assert_eq!(clusters.of("login failure for eve now"), Some(1));
        assert_eq!(clusters.of("x"), Some(2));
        assert_eq!(clusters.len(), 3);
    }
}
