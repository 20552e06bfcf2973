//! Which rows of a pattern match: all, none, or some.

/// A selection among the rows of one pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// No row.
    None,
    /// Every row.
    All,
    /// The rows whose bit is set; at least one is, and one is not.
    Some(Bits),
}

/// One bit a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    rows: usize,
}

impl Bits {
    /// No bit set.
    pub fn new(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)], rows }
    }

    /// Sets a row's bit.
    pub fn set(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// Sets the bits of the rows `from` to `to`.
    pub fn set_range(&mut self, from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let end = to.min((at / 64 + 1) * 64);
            self.words[at / 64] |= u64::MAX >> (64 - (end - at)) << (at % 64);
            at = end;
        }
    }

    /// Sets the bits of `rows` rows from `to` on that `other` has from `from` on.
    pub fn set_from(&mut self, to: usize, other: &Self, from: usize, rows: usize) {
        let mut done = 0;
        while done < rows {
            let (at, source) = (to + done, from + done);
            let taken = (rows - done).min(64 - at % 64);
            let low = other.words[source / 64] >> (source % 64);
            let high = match source % 64 {
                0 => 0,
                shift => other.words.get(source / 64 + 1).map_or(0, |word| word << (64 - shift)),
            };
            self.words[at / 64] |= ((low | high) & (u64::MAX >> (64 - taken))) << (at % 64);
            done += taken;
        }
    }

    /// Whether a row's bit is set.
    pub fn holds(&self, row: usize) -> bool {
        self.words[row / 64] & (1 << (row % 64)) != 0
    }

    /// Whether a bit of rows `from` to `to`, both included, is set.
    pub fn any_within(&self, (from, to): (i64, i64)) -> bool {
        let (Ok(from), Ok(to)) = (usize::try_from(from.max(0)), usize::try_from(to)) else { return false };
        let to = to.min(self.rows.saturating_sub(1));
        (from / 64..self.words.len().min(to / 64 + 1)).any(|at| {
            let above = if at == from / 64 { u64::MAX << (from % 64) } else { u64::MAX };
            let below = if at == to / 64 { u64::MAX >> (63 - to % 64) } else { u64::MAX };
            self.words[at] & above & below != 0
        })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bits are set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many bits of the rows `from` to `to` are set.
    pub fn count_between(&self, from: usize, to: usize) -> usize {
        let below = |row: usize| match row % 64 {
            0 => 0,
            bits => (self.words[row / 64] & (u64::MAX >> (64 - bits))).count_ones() as usize,
        };
        let whole = self.words[from / 64..to / 64].iter().map(|word| word.count_ones() as usize).sum::<usize>();
        whole + below(to) - below(from)
    }

    /// The rows whose bit is set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

impl Selection {
    /// The rows for which `test` holds.
    pub fn of(rows: usize, mut test: impl FnMut(usize) -> bool) -> Self {
        let word = |first: usize| (first..rows.min(first + 64)).fold(0, |word, row| word | u64::from(test(row)) << (row - first));
        Self::from_bits(Bits { words: (0..rows).step_by(64).map(word).collect(), rows })
    }

    /// All or none.
    pub fn all_if(all: bool) -> Self {
        if all { Self::All } else { Self::None }
    }

    /// The simplest selection of these rows.
    pub fn from_bits(bits: Bits) -> Self {
        match bits.count() {
            0 => Self::None,
            count if count == bits.rows => Self::All,
            _ => Self::Some(bits),
        }
    }

    /// How many of `rows` rows are selected.
    pub fn count(&self, rows: usize) -> usize {
        match self {
            Self::None => 0,
            Self::All => rows,
            Self::Some(bits) => bits.count(),
        }
    }

    /// Whether a row is selected.
    pub fn holds(&self, row: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(bits) => bits.holds(row),
        }
    }

    /// The selected of `rows` rows, ascending.
    pub fn iter(&self, rows: usize) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Self::None => Box::new(std::iter::empty()),
            Self::All => Box::new(0..rows),
            Self::Some(bits) => Box::new(bits.iter()),
        }
    }

    fn combine(self, other: Self, word: impl Fn(u64, u64) -> u64) -> Self {
        match (self, other) {
            (Self::Some(mut a), Self::Some(b)) => {
                a.words.iter_mut().zip(&b.words).for_each(|(a, b)| *a = word(*a, *b));
                Self::from_bits(a)
            }
            _ => unreachable!("the caller handled all and none"),
        }
    }

    /// Rows in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, other) | (other, Self::All) => other,
            (a, b) => a.combine(b, |a, b| a & b),
        }
    }

    /// Rows in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::None, other) | (other, Self::None) => other,
            (a, b) => a.combine(b, |a, b| a | b),
        }
    }

    /// The other rows.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::None => Self::All,
            Self::All => Self::None,
            Self::Some(mut bits) => {
                bits.words.iter_mut().for_each(|word| *word = !*word);
                if let (Some(last), tail @ 1..) = (bits.words.last_mut(), bits.rows % 64) {
                    *last &= (1 << tail) - 1;
                }
                Self::from_bits(bits)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_booleans(a in prop::collection::vec(any::<bool>(), 0..200), flips in prop::collection::vec(any::<bool>(), 200)) {
            let rows = a.len();
            let (x, y) = (Selection::of(rows, |r| a[r]), Selection::of(rows, |r| flips[r]));
            let (and, or, not) = (x.clone().and(y.clone()), x.clone().or(y), x.negate());
            for row in 0..rows {
                prop_assert_eq!(and.holds(row), a[row] && flips[row]);
                prop_assert_eq!(or.holds(row), a[row] || flips[row]);
                prop_assert_eq!(not.holds(row), !a[row]);
            }
            prop_assert_eq!(and.iter(rows).count(), and.count(rows));
        }

        #[test]
        fn ranges_are_set_and_copied(
            a in prop::collection::vec(any::<bool>(), 1..300), to in 0usize..100, from in 0usize..300, len in 0usize..300,
        ) {
            let mut source = Bits::new(a.len());
            (0..a.len()).filter(|row| a[*row]).for_each(|row| source.set(row));
            let from = from.min(a.len());
            let len = len.min(a.len() - from);
            let mut copied = Bits::new(500);
            copied.set_range(450, 450 + to % 50);
            copied.set_from(to, &source, from, len);
            for row in 0..500 {
                let expected = (450..450 + to % 50).contains(&row) || ((to..to + len).contains(&row) && a[from + row - to]);
                prop_assert_eq!(copied.holds(row), expected, "{}", row);
            }
        }

        #[test]
        fn ranges_of_bits_are_looked_at(set in prop::collection::vec(0usize..300, 0..4), from in -5i64..310, len in 0i64..310) {
            let mut bits = Bits::new(300);
            set.iter().for_each(|row| bits.set(*row));
            let range = from..=from + len;
            prop_assert_eq!(bits.any_within((from, from + len)), set.iter().any(|row| range.contains(&(*row as i64))));
        }
    }
}
