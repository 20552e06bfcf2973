//! Series of numbers: what comes next, and how sure that is. Nothing here knows rows, columns or commands.
//!
//! A series is seen through a *state-space model*: a state that cannot be seen (a level, a slope, the pattern of a
//! season) moves from one time to the next, `a' = T a + disturbance`, and what is seen is the state with noise,
//! `y = Z a + noise`. Given the variances, the Kalman filter gives the best linear prediction of each value from the
//! ones before, with its variance. The variances are those under which the values seen are most likely. See Durbin
//! and Koopman, *Time Series Analysis by State Space Methods*, and Harvey, *Forecasting, Structural Time Series
//! Models and the Kalman Filter*.
//!
//! - [`kalman`]: one series: level (LL), level and trend (LLT), level and season (LLP).
//! - [`pair`]: two series that move together (LLB, BiLL).
//! - [`normal`]: the normal distribution.

pub mod kalman;
pub mod normal;
pub mod pair;

/// What a series is expected to be at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The expectation.
    pub mean: f64,
    /// Its variance, the noise of what is seen included.
    pub variance: f64,
}

/// The scale on which a series varies about one: its standard deviation, 1 where it does not vary.
fn scale(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    if variance > 0.0 && variance.is_finite() { variance.sqrt() } else { 1.0 }
}

/// Variance of a state of which nothing is known yet, on the scale of the series.
const UNKNOWN: f64 = 1e7;

/// The argument of the greatest value of `worth`: the best of a coarse grid of powers of ten and zero, then between its
/// neighbours. Ratios of variances matter by their order of magnitude only.
fn best_ratio(mut worth: impl FnMut(f64) -> f64) -> f64 {
    let mut best = (worth(0.0), 0.0, None);
    let mut consider = |exponent: f64, best: &mut (f64, f64, Option<f64>)| {
        let ratio = 10f64.powf(exponent);
        let value = worth(ratio);
        if value > best.0 {
            *best = (value, ratio, Some(exponent));
        }
    };
    for exponent in [-6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0] {
        consider(exponent, &mut best);
    }
    for step in [0.5, 0.25, 0.125] {
        if let Some(exponent) = best.2 {
            consider(exponent - step, &mut best);
            consider(exponent + step, &mut best);
        }
    }
    best.1
}
