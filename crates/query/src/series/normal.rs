//! The normal distribution, from series that converge to the precision of a double.

use std::f64::consts::{PI, SQRT_2};

/// The probability that a standard normal value lies farther than `z` from zero, on either side.
pub fn two_sided(z: f64) -> f64 {
    let x = z.abs() / SQRT_2;
    if x < 2.5 {
        // The power series of the error function.
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            let n = f64::from(n);
            term *= -x * x / n;
            let part = term / (2.0 * n + 1.0);
            sum += part;
            if part.abs() < 1e-17 {
                break;
            }
        }
        return 1.0 - 2.0 / PI.sqrt() * sum;
    }
    // The continued fraction of the complementary error function, from its far end.
    let fraction = (1..=80).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below);
    (-x * x).exp() / (PI.sqrt() * fraction)
}

/// How many standard deviations on each side hold `share` of the values: 0.95 gives 1.96.
pub fn half_width(share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if 1.0 - two_sided(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        for (z, probability) in [
            (0.0, 1.0),
            (1.0, 0.317_310_507_862_914),
            (1.96, 0.049_995_790_296_440_9),
            (3.0, 0.002_699_796_063_260_19),
            (5.0, 5.733_031_437_583_87e-7),
        ] {
            assert!((two_sided(z) / probability - 1.0).abs() < 1e-9, "{z}");
        }
        assert!((two_sided(3.535_5) / two_sided(3.535_6) - 1.0).abs() < 1e-3, "the two ways meet");
        assert!((half_width(0.95) - 1.959_963_984_540_05).abs() < 1e-9);
        assert!((half_width(0.9) - 1.644_853_626_951_47).abs() < 1e-9);
    }
}
