//! Chance that is the same everywhere, from a seed; integers only, so that no machine rounds differently.

/// The splitmix64 generator: small, fast, and the same on every machine.
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; the bias is of no matter here.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number of `least..=most`, each as likely.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// A number of `least..=most`, each length in binary digits as likely: sizes and durations are spread like that.
    pub fn spread(&mut self, least: u64, most: u64) -> u64 {
        let bits = |value: u64| 64 - u64::from(value.leading_zeros());
        let length = self.between(bits(least.max(1)), bits(most));
        let top = 1 << (length - 1);
        self.between(top.max(least), (2 * top - 1).min(most))
    }
}

/// Spreads the bits of a number; also for figures that hang on a name or a place only.
pub fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A choice among some, by weight.
pub struct Choice(Vec<u64>);

impl Choice {
    /// By the weights in this order.
    pub fn weighted(weights: impl Iterator<Item = u64>) -> Self {
        Self(
            weights
                .scan(0, |sum, weight| {
                    *sum += weight;
                    Some(*sum)
                })
                .collect(),
        )
    }

    /// The n-th comes 1/n as often as the first.
    pub fn skewed(number: usize) -> Self {
        Self::weighted((1..=number as u64).map(|rank| (1 << 32) / rank))
    }

    /// One of them, by its place.
    pub fn pick(&self, random: &mut Random) -> usize {
        let at = random.below(self.0.last().copied().unwrap_or(1));
        self.0.partition_point(|sum| *sum <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_bounds_and_reach_them() {
        let mut random = Random::new(7);
        let values: Vec<u64> = (0..2_000).map(|_| random.between(3, 9)).collect();
        assert_eq!((values.iter().min(), values.iter().max()), (Some(&3), Some(&9)));
        let values: Vec<u64> = (0..20_000).map(|_| random.spread(5, 700)).collect();
        assert!(values.iter().all(|value| (5..=700).contains(value)));
        assert!(values.iter().filter(|value| **value < 32).count() > 5_000, "small ones are as likely as large ones");
    }

    #[test]
    fn the_first_of_a_skewed_choice_is_the_most_frequent() {
        let (mut random, choice) = (Random::new(1), Choice::skewed(10));
        let mut counts = [0; 10];
        (0..10_000).for_each(|_| counts[choice.pick(&mut random)] += 1);
        assert!(counts[0] > 3_000 && counts[0] > 3 * counts[4] && counts[9] > 100, "{counts:?}");
    }
}
