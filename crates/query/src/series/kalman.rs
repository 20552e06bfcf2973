//! One series: the Kalman filter for a level that wanders, alone, with a slope, or with a season.
//!
//! - **LL**, local level: `level' = level + u`, `y = level + e`. Its predictions are an exponentially weighted mean of
//!   the past whose weight comes from the data.
//! - **LLT**, local linear trend: `level' = level + slope + u`, `slope' = slope + w`.
//! - **LLP**, level and season of `p` points: `season' = -(the sum of the last p - 1 seasons) + w`, so that the seasons
//!   of a period add up to nothing, and `y = level + season + e`.
//!
//! All variances are ratios to that of `e`, which then follows from the errors themselves (it is *concentrated out* of
//! the likelihood). Of the state nothing is known at first; as many values as it has parts tell it, and count neither
//! as errors nor get a prediction.

use super::{Expected, UNKNOWN, best_ratio, scale};
use taffrail_base::Stop;

/// Numbers that are computed between two questions whether to stop: some milliseconds' worth.
const STEPS: usize = 4_000_000;

/// What the state is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A level.
    Level,
    /// A level and a slope.
    Trend,
    /// A level and the seasons of a period of so many points, at least two.
    Season(usize),
}

impl Shape {
    /// How many parts the state has.
    fn parts(self) -> usize {
        match self {
            Self::Level => 1,
            Self::Trend => 2,
            Self::Season(period) => period,
        }
    }

    /// One step of the state, without disturbance.
    fn advance(self, state: &mut [f64]) {
        match self {
            Self::Level => {}
            Self::Trend => state[0] += state[1],
            Self::Season(_) => {
                let next = -state[1..].iter().sum::<f64>();
                state[1..].rotate_right(1);
                state[1] = next;
            }
        }
    }

    /// What is seen of the state.
    fn seen(self, state: &[f64]) -> f64 {
        match self {
            Self::Level | Self::Trend => state[0],
            Self::Season(_) => state[0] + state[1],
        }
    }
}

/// A model with the ratios of its variances: of the level, and of the slope or season.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    shape: Shape,
    ratios: [f64; 2],
}

/// What a filter made of a series.
#[derive(Clone, Debug)]
pub struct Filtered {
    /// For each time what was to be expected before its value was known; none at first.
    pub expected: Vec<Option<Expected>>,
    /// The mean square of the errors.
    pub error: f64,
    likelihood: f64,
}

impl Model {
    /// The model of this shape under which the series is most likely; any once it has to stop.
    pub fn fit(shape: Shape, values: &[Option<f64>], stop: &Stop) -> Self {
        let mut model = Self { shape, ratios: [0.1, 0.0] };
        let rounds = if shape == Shape::Level { 1 } else { 2 };
        for _ in 0..rounds {
            for which in 0..shape.parts().min(2) {
                model.ratios[which] = best_ratio(|ratio| {
                    let mut tried = model;
                    tried.ratios[which] = ratio;
                    tried.filter(values, 0, stop).map_or(f64::NEG_INFINITY, |filtered| filtered.likelihood)
                });
            }
        }
        model
    }

    /// Predicts each value from those before it, and `ahead` more; `None` where there are too few values, or where it has
    /// to stop.
    pub fn filter(&self, values: &[Option<f64>], ahead: usize, stop: &Stop) -> Option<Filtered> {
        let parts = self.shape.parts();
        let known = || values.iter().flatten().copied();
        if known().count() <= parts {
            return None;
        }
        let unit = scale(known());
        // Values near zero lose no digits to the level.
        let start = known().next().unwrap_or_default();
        let mut state = vec![0.0; parts];
        let mut covariance = vec![0.0; parts * parts];
        (0..parts).for_each(|at| covariance[at * parts + at] = UNKNOWN);
        let (mut seen, mut squares, mut logs) = (0usize, 0.0, 0.0);
        let mut raw: Vec<Option<(f64, f64)>> = Vec::with_capacity(values.len() + ahead);
        // A step costs the square of the parts.
        let mut ticks = stop.every((STEPS / (parts * parts)).clamp(1, 100_000) as u32);
        for value in values.iter().copied().chain(std::iter::repeat_n(None, ahead)) {
            ticks.tick().ok()?;
            let gain = self.observed(&covariance);
            let variance = self.shape.seen(&gain) + 1.0;
            let mean = self.shape.seen(&state);
            raw.push((seen >= parts).then_some((mean, variance)));
            if let Some(value) = value {
                let error = (value - start) / unit - mean;
                if seen >= parts {
                    squares += error * error / variance;
                    logs += variance.ln();
                }
                seen += 1;
                for (part, gain) in state.iter_mut().zip(&gain) {
                    *part += gain / variance * error;
                }
                for (row, left) in gain.iter().enumerate() {
                    for (column, right) in gain.iter().enumerate() {
                        covariance[row * parts + column] -= left * right / variance;
                    }
                }
            }
            self.shape.advance(&mut state);
            self.spread(&mut covariance);
        }
        let errors = (seen - parts) as f64;
        let noise = squares / errors;
        let expected = raw
            .into_iter()
            .map(|step| step.map(|(mean, variance)| Expected { mean: start + unit * mean, variance: unit * unit * noise * variance }));
        let likelihood = -0.5 * (errors * noise.max(1e-24).ln() + logs);
        Some(Filtered { expected: expected.collect(), error: unit * unit * noise, likelihood })
    }

    /// How each part of the state goes with what is seen.
    fn observed(&self, covariance: &[f64]) -> Vec<f64> {
        let parts = self.shape.parts();
        covariance.chunks_exact(parts).map(|row| self.shape.seen(row)).collect()
    }

    /// One step of the uncertainty of the state.
    fn spread(&self, covariance: &mut [f64]) {
        let parts = self.shape.parts();
        // Rows, then columns: the matrix is symmetric, so its rows can be taken for its columns.
        covariance.chunks_exact_mut(parts).for_each(|row| self.shape.advance(row));
        transpose(covariance, parts);
        covariance.chunks_exact_mut(parts).for_each(|row| self.shape.advance(row));
        covariance[0] += self.ratios[0];
        if parts > 1 {
            covariance[parts + 1] += self.ratios[1];
        }
    }
}

fn transpose(matrix: &mut [f64], size: usize) {
    for row in 0..size {
        for column in row + 1..size {
            matrix.swap(row * size + column, column * size + row);
        }
    }
}

/// The period of a series: the lag of at most half its length at which it is most like itself, once its trend is
/// taken away; the shortest of lags that are about as good. None where it is like itself nowhere.
pub fn period(values: &[Option<f64>], most: usize) -> Option<usize> {
    let points: Vec<(f64, f64)> = values.iter().enumerate().filter_map(|(at, value)| value.map(|value| (at as f64, value))).collect();
    let count = points.len() as f64;
    let (mean_x, mean_y) = (points.iter().map(|p| p.0).sum::<f64>() / count, points.iter().map(|p| p.1).sum::<f64>() / count);
    let spread: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let slope = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum::<f64>() / spread.max(f64::MIN_POSITIVE);
    let rest: Vec<Option<f64>> =
        values.iter().enumerate().map(|(at, value)| value.map(|value| value - mean_y - slope * (at as f64 - mean_x))).collect();
    let likeness = |lag: usize| {
        let (mut product, mut left, mut right) = (0.0, 0.0, 0.0);
        for (a, b) in rest.iter().zip(&rest[lag..]).filter_map(|(a, b)| a.zip(*b)) {
            (product, left, right) = (product + a * b, left + a * a, right + b * b);
        }
        if left > 0.0 && right > 0.0 { product / (left * right).sqrt() } else { 0.0 }
    };
    let lags: Vec<f64> = (0..=(values.len() / 2).min(most + 1)).map(likeness).collect();
    let peaks = (2..lags.len().saturating_sub(1)).filter(|lag| lags[*lag] >= lags[lag - 1] && lags[*lag] >= lags[lag + 1]);
    let peaks: Vec<usize> = peaks.filter(|lag| *lag <= most && lags[*lag] > 0.3).collect();
    let best = peaks.iter().map(|lag| lags[*lag]).fold(0.0, f64::max);
    peaks.into_iter().find(|lag| lags[*lag] >= best - 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
        values.into_iter().map(Some).collect()
    }

    fn ahead(shape: Shape, values: &[Option<f64>], count: usize) -> Vec<f64> {
        let filtered = Model::fit(shape, values, &Stop::never()).filter(values, count, &Stop::never()).expect("enough values");
        filtered.expected[values.len()..].iter().map(|step| step.expect("known").mean).collect()
    }

    fn near(found: &[f64], expected: &[f64], by: f64) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < by), "{found:?} {expected:?}");
    }

    #[test]
    fn what_is_the_same_for_ever_stays_so() {
        near(&ahead(Shape::Level, &series([5.0; 10]), 2), &[5.0, 5.0], 1e-9);
        let filtered =
            Model::fit(Shape::Level, &series([5.0; 10]), &Stop::never()).filter(&series([5.0; 10]), 1, &Stop::never()).expect("enough");
        assert_eq!(filtered.expected[0], None);
        assert!(filtered.expected[10].expect("known").variance < 1e-9);
    }

    #[test]
    fn a_line_goes_on() {
        let line = series((0..30).map(|x| 3.0 + 2.0 * f64::from(x)));
        near(&ahead(Shape::Trend, &line, 3), &[63.0, 65.0, 67.0], 1e-3);
    }

    #[test]
    fn a_season_comes_again_and_a_missing_value_is_filled() {
        let week = [10.0, 12.0, 11.0, 15.0, 14.0, 3.0, 2.0];
        let mut days = series((0..35).map(|day| week[day % 7]));
        days[20] = None;
        near(&ahead(Shape::Season(7), &days, 7), &week, 1e-3);
        let filtered = Model::fit(Shape::Season(7), &days, &Stop::never()).filter(&days, 0, &Stop::never()).expect("enough");
        assert!((filtered.expected[20].expect("known").mean - week[6]).abs() < 1e-3);
        assert_eq!(period(&days, 400), Some(7));
    }

    #[test]
    fn the_gain_of_a_local_level_is_the_one_known() {
        // With a ratio q the variance of the level before a value settles at (q + sqrt(q^2 + 4 q)) / 2.
        let q = 0.5f64;
        let model = Model { shape: Shape::Level, ratios: [q, 0.0] };
        let noisy = series((0..200).map(|x| f64::from(x * 7919 % 101)));
        let filtered = model.filter(&noisy, 1, &Stop::never()).expect("enough");
        let settled = (q + (q * q + 4.0 * q).sqrt()) / 2.0;
        let last = filtered.expected[200].expect("known");
        assert!((last.variance / filtered.error - (settled + 1.0)).abs() < 1e-9);
        // And the prediction is the exponentially weighted mean with that gain.
        let gain = settled / (settled + 1.0);
        let mean = noisy.iter().flatten().skip(1).fold(noisy[0].expect("first"), |mean, value| mean + gain * (value - mean));
        assert!((last.mean - mean).abs() < 1e-4);
    }

    #[test]
    fn a_level_that_jumps_is_followed_and_noise_is_averaged() {
        let jump = series((0..40).map(|x| if x < 20 { 0.0 } else { 100.0 }));
        near(&ahead(Shape::Level, &jump, 1), &[100.0], 1.0);
        let noise = series((0..100).map(|x| if x % 2 == 0 { 9.0 } else { 11.0 }));
        near(&ahead(Shape::Level, &noise, 1), &[10.0], 0.1);
    }

    #[test]
    fn too_few_values_and_no_period() {
        assert!(Model::fit(Shape::Trend, &series([1.0, 2.0]), &Stop::never()).filter(&series([1.0, 2.0]), 1, &Stop::never()).is_none());
        assert!(Model::fit(Shape::Level, &[None, None], &Stop::never()).filter(&[None, None], 1, &Stop::never()).is_none());
        assert_eq!(period(&series([1.0; 20]), 400), None);
        assert_eq!(period(&series((0..40).map(f64::from)), 400), None);
        assert_eq!(period(&[], 400), None);
    }
}
