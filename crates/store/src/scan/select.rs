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

    /// Whether a row's bit is set.
    pub fn holds(&self, row: usize) -> bool {
        self.words[row / 64] & (1 << (row % 64)) != 0
    }

    /// How many bits are set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
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
        let mut bits = Bits::new(rows);
        for row in 0..rows {
            if test(row) {
                bits.set(row);
            }
        }
        Self::from_bits(bits)
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
    #[cfg(test)]
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
    }
}
