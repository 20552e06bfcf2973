//! Two series whose levels wander together: the bivariate local level.
//!
//! `levels' = levels + u`, `y = levels + e`, both with disturbances that are correlated in the same way: the covariance
//! of `e` is S and that of `u` is q S (Harvey's homogeneous model). As long as both series are seen, both have the gain
//! of one local level with the ratio q, so S follows from the errors; the filter itself then runs with the whole 2x2
//! covariance, so that a series that is missing, or that ends earlier, is told by the other.

use super::{Expected, UNKNOWN, best_ratio, scale};

/// What is seen at a time, by series.
pub type Seen = [Option<f64>; 2];

type Square = [[f64; 2]; 2];

/// What both series are expected to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Both {
    /// From the past alone.
    pub before: [Expected; 2],
    /// The second one, once the first one's value of the same time is known.
    pub second: Expected,
}

/// Predicts each value from those before it, and `ahead` more; `None` at first, and everywhere where there are fewer than
/// three times with both values.
pub fn filter(values: &[Seen], ahead: usize) -> Vec<Option<Both>> {
    let both = values.iter().filter(|seen| seen[0].is_some() && seen[1].is_some()).count();
    if both < 3 {
        return vec![None; values.len() + ahead];
    }
    let units = [0, 1].map(|which| scale(values.iter().filter_map(move |seen| seen[which])));
    let starts = [0, 1].map(|which| values.iter().find_map(|seen| seen[which]).unwrap_or_default());
    let scaled: Vec<Seen> =
        values.iter().map(|seen| [0, 1].map(|which| seen[which].map(|value| (value - starts[which]) / units[which]))).collect();
    let ratio = best_ratio(|ratio| noise(&scaled, ratio).1);
    let noise = noise(&scaled, ratio).0;
    run(&scaled, ahead, ratio, &noise)
        .into_iter()
        .map(|step| {
            step.map(|both| {
                let back = |which: usize, expected: Expected| Expected {
                    mean: starts[which] + units[which] * expected.mean,
                    variance: units[which] * units[which] * expected.variance,
                };
                Both { before: [back(0, both.before[0]), back(1, both.before[1])], second: back(1, both.second) }
            })
        })
        .collect()
}

/// The covariance of the noise for a ratio, and how likely the series then is; from the times at which both are seen.
fn noise(values: &[Seen], ratio: f64) -> (Square, f64) {
    let (mut levels, mut spread) = ([0.0; 2], UNKNOWN);
    let (mut sums, mut count, mut logs, mut seen) = ([[0.0; 2]; 2], 0.0, 0.0, false);
    for value in values {
        if let [Some(first), Some(second)] = *value {
            let errors = [first - levels[0], second - levels[1]];
            if seen {
                for (row, left) in errors.iter().enumerate() {
                    for (column, right) in errors.iter().enumerate() {
                        sums[row][column] += left * right / (spread + 1.0);
                    }
                }
                count += 1.0;
                logs += 2.0 * (spread + 1.0).ln();
            }
            seen = true;
            let gain = spread / (spread + 1.0);
            levels = [levels[0] + gain * errors[0], levels[1] + gain * errors[1]];
            spread -= gain * spread;
        }
        spread += ratio;
    }
    let mut covariance = sums.map(|row| row.map(|sum| sum / f64::max(count, 1.0)));
    // Series that move exactly together leave nothing between them; a trace keeps the inverse finite.
    for which in [0, 1] {
        covariance[which][which] = covariance[which][which] * (1.0 + 1e-9) + 1e-18;
    }
    let determinant = covariance[0][0] * covariance[1][1] - covariance[0][1] * covariance[1][0];
    (covariance, -0.5 * (count * determinant.max(1e-40).ln() + logs))
}

fn run(values: &[Seen], ahead: usize, ratio: f64, noise: &Square) -> Vec<Option<Both>> {
    let mut levels = [0.0; 2];
    let mut spread = noise.map(|row| row.map(|part| part * UNKNOWN));
    let (mut out, mut known) = (Vec::with_capacity(values.len() + ahead), [false; 2]);
    for value in values.iter().copied().chain(std::iter::repeat_n([None; 2], ahead)) {
        let total = [0, 1].map(|row| [0, 1].map(|column| spread[row][column] + noise[row][column]));
        let before = [0, 1].map(|which| Expected { mean: levels[which], variance: total[which][which] });
        let second = match value[0] {
            Some(first) => Expected {
                mean: levels[1] + total[1][0] / total[0][0] * (first - levels[0]),
                variance: total[1][1] - total[1][0] * total[0][1] / total[0][0],
            },
            None => before[1],
        };
        out.push((known == [true; 2]).then_some(Both { before, second }));
        update(&mut levels, &mut spread, &total, value);
        for which in [0, 1] {
            known[which] |= value[which].is_some();
        }
        for (row, part) in spread.iter_mut().zip(noise) {
            (row[0], row[1]) = (row[0] + ratio * part[0], row[1] + ratio * part[1]);
        }
    }
    out
}

/// What the values of a time tell of the levels.
fn update(levels: &mut [f64; 2], spread: &mut Square, total: &Square, value: Seen) {
    let gains: Square = match value {
        [None, None] => return,
        [Some(_), Some(_)] => {
            let determinant = total[0][0] * total[1][1] - total[0][1] * total[1][0];
            let inverse =
                [[total[1][1] / determinant, -total[0][1] / determinant], [-total[1][0] / determinant, total[0][0] / determinant]];
            [0, 1].map(|row| [0, 1].map(|column| spread[row][0] * inverse[0][column] + spread[row][1] * inverse[1][column]))
        }
        [Some(_), None] => [0, 1].map(|row| [spread[row][0] / total[0][0], 0.0]),
        [None, Some(_)] => [0, 1].map(|row| [0.0, spread[row][1] / total[1][1]]),
    };
    let errors = [0, 1].map(|which| value[which].map_or(0.0, |value| value - levels[which]));
    let before = *spread;
    for row in [0, 1] {
        levels[row] += gains[row][0] * errors[0] + gains[row][1] * errors[1];
        for column in [0, 1] {
            spread[row][column] -= gains[row][0] * before[0][column] + gains[row][1] * before[1][column];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk that looks like chance.
    fn walk(count: usize) -> Vec<f64> {
        let mut level = 0.0;
        (0..count)
            .map(|at| {
                level += ((at * 7919 + 13) % 101) as f64 / 50.0 - 1.0;
                level
            })
            .collect()
    }

    #[test]
    fn a_series_that_follows_another_is_told_by_it() {
        let first = walk(80);
        let second: Vec<f64> = first.iter().map(|value| 3.0 * value + 7.0).collect();
        let mut values: Vec<Seen> = first.iter().zip(&second).map(|(a, b)| [Some(*a), Some(*b)]).collect();
        values[70..].iter_mut().for_each(|seen| seen[1] = None);
        let found = filter(&values, 0);
        for at in 70..80 {
            let told = found[at].expect("known").second.mean;
            assert!((told - second[at]).abs() < 0.01 * second[at].abs().max(1.0), "{at}: {told} {}", second[at]);
        }
    }

    #[test]
    fn of_constant_series_both_stay() {
        let values = vec![[Some(2.0), Some(-1.0)]; 6];
        let found = filter(&values, 2);
        assert_eq!((found.len(), found[0]), (8, None));
        let last = found[7].expect("known").before;
        assert!((last[0].mean - 2.0).abs() < 1e-6 && (last[1].mean + 1.0).abs() < 1e-6);
    }

    #[test]
    fn too_few_values_tell_nothing() {
        assert_eq!(filter(&[[Some(1.0), Some(1.0)], [Some(1.0), None]], 1), [None, None, None]);
    }
}
