//! Functions of the numeric values: range and percentiles. What is not a number is skipped.

use super::udaf::{Accumulate, Answer};
use crate::columns::Cell;
use std::any::Any;
use taffrail_base::limits::PERCENTILE_VALUES_MAX;

/// `sum` of fields with many values.
pub fn sum(_: f64) -> Box<dyn Accumulate> {
    Moments::boxed(|m| m.sum)
}

/// `sumsq` of fields with many values.
pub fn sum_of_squares(_: f64) -> Box<dyn Accumulate> {
    Moments::boxed(|m| m.squares + m.sum * m.sum / m.count)
}

/// `avg` of fields with many values.
pub fn average(_: f64) -> Box<dyn Accumulate> {
    Moments::boxed(|m| m.sum / m.count)
}

/// `var` of fields with many values.
pub fn variance_sample(_: f64) -> Box<dyn Accumulate> {
    Moments::boxed(|m| if m.count > 1.0 { m.squares / (m.count - 1.0) } else { f64::NAN })
}

/// `varp` of fields with many values.
pub fn variance_population(_: f64) -> Box<dyn Accumulate> {
    Moments::boxed(|m| m.squares / m.count)
}

/// `stdev` of fields with many values.
pub fn deviation_sample(_: f64) -> Box<dyn Accumulate> {
    Moments::boxed(|m| if m.count > 1.0 { (m.squares / (m.count - 1.0)).sqrt() } else { f64::NAN })
}

/// `stdevp` of fields with many values.
pub fn deviation_population(_: f64) -> Box<dyn Accumulate> {
    Moments::boxed(|m| (m.squares / m.count).sqrt())
}

/// Count, sum, and sum of squared distances from the mean, kept by Welford's method so that nothing cancels out.
#[derive(Debug)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
    of: fn(&Moments) -> f64,
}

impl Moments {
    fn boxed(of: fn(&Self) -> f64) -> Box<dyn Accumulate> {
        Box::new(Self { count: 0.0, sum: 0.0, squares: 0.0, of })
    }

    fn join(&mut self, count: f64, sum: f64, squares: f64) {
        if count <= 0.0 {
            return;
        }
        if self.count > 0.0 {
            let apart = sum / count - self.sum / self.count;
            self.squares += squares + apart * apart * self.count * count / (self.count + count);
        } else {
            self.squares = squares;
        }
        self.count += count;
        self.sum += sum;
    }
}

impl Accumulate for Moments {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        if let Some(number) = cell.number() {
            self.join(1.0, number, 0.0);
        }
    }

    fn state(&self) -> Vec<String> {
        [self.count, self.sum, self.squares].map(|number| number.to_string()).into()
    }

    fn merge(&mut self, state: &[&str]) {
        if let [count, sum, squares] = state
            && let (Ok(count), Ok(sum), Ok(squares)) = (count.parse(), sum.parse(), squares.parse())
        {
            self.join(count, sum, squares);
        }
    }

    fn answer(&mut self) -> Answer {
        let number = if self.count > 0.0 { (self.of)(self) } else { f64::NAN };
        if number.is_nan() { Answer::Missing } else { Answer::Number(number) }
    }
}

/// `range`.
pub fn range(_: f64) -> Box<dyn Accumulate> {
    Box::new(Range(None))
}

/// `median`.
pub fn median(_: f64) -> Box<dyn Accumulate> {
    Box::new(Quantile::new(50.0, Between::Mean, false))
}

/// `perc<N>`.
pub fn percentile(percent: f64) -> Box<dyn Accumulate> {
    Box::new(Quantile::new(percent, Between::Lower, false))
}

/// `upperperc<N>`.
pub fn upper_percentile(percent: f64) -> Box<dyn Accumulate> {
    Box::new(Quantile::new(percent, Between::Upper, false))
}

/// `exactperc<N>`.
pub fn exact_percentile(percent: f64) -> Box<dyn Accumulate> {
    Box::new(Quantile::new(percent, Between::Interpolated, true))
}

#[derive(Debug)]
struct Range(Option<(f64, f64)>);

impl Accumulate for Range {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        if let Some(number) = cell.number() {
            let (low, high) = self.0.unwrap_or((number, number));
            self.0 = Some((low.min(number), high.max(number)));
        }
    }

    fn state(&self) -> Vec<String> {
        self.0.map(|(low, high)| vec![low.to_string(), high.to_string()]).unwrap_or_default()
    }

    fn merge(&mut self, state: &[&str]) {
        state.iter().for_each(|text| self.add(Cell::Text(text), None));
    }

    fn answer(&mut self) -> Answer {
        self.0.map_or(Answer::Missing, |(low, high)| Answer::Number(high - low))
    }
}

/// What to take where the rank falls between two values.
#[derive(Clone, Copy, Debug)]
enum Between {
    Lower,
    Upper,
    Mean,
    Interpolated,
}

/// Values that are put in order together. Of no more of them, a rank is found without putting them in order.
const FRESH_MAX: usize = 16_384;

/// Distinct values with their counts; beyond a bound, the lightest neighbours are merged.
#[derive(Debug)]
struct Quantile {
    percent: f64,
    between: Between,
    exact: bool,
    /// In order.
    counts: Vec<(f64, u64)>,
    /// Not in order yet; each counts once.
    fresh: Vec<f64>,
    total: u64,
    merged: bool,
}

impl Quantile {
    fn new(percent: f64, between: Between, exact: bool) -> Self {
        Self { percent, between, exact, counts: Vec::new(), fresh: Vec::new(), total: 0, merged: false }
    }

    fn put(&mut self, number: f64) {
        if number.is_nan() {
            return;
        }
        // One zero only.
        self.fresh.push(number + 0.0);
        self.total += 1;
        if self.fresh.len() >= FRESH_MAX.max(self.counts.len()) {
            self.settle();
        }
    }

    /// Puts all values in order.
    fn settle(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_unstable_by(f64::total_cmp);
        self.join_sorted(fresh.into_iter().map(|number| (number, 1)));
    }

    /// Adds values that come in order.
    fn join_sorted(&mut self, other: impl Iterator<Item = (f64, u64)>) {
        let known = std::mem::take(&mut self.counts);
        let mut known = known.into_iter().peekable();
        let mut other = other.peekable();
        loop {
            let own = match (known.peek(), other.peek()) {
                (Some(own), Some(new)) => own.0.total_cmp(&new.0).is_le(),
                (own, _) => own.is_some(),
            };
            let Some((number, count)) = (if own { known.next() } else { other.next() }) else { break };
            match self.counts.last_mut() {
                Some(last) if last.0.total_cmp(&number).is_eq() => last.1 += count,
                _ => self.counts.push((number, count)),
            }
        }
        if !self.exact && self.counts.len() > PERCENTILE_VALUES_MAX {
            self.compress();
        }
    }

    /// Merges neighbours as long as they stay below the weight that half the places would have if all were equal:
    /// no rank is then off by more than 4 / PERCENTILE_VALUES_MAX of the rows.
    fn compress(&mut self) {
        self.merged = true;
        let limit = (self.total * 4 / PERCENTILE_VALUES_MAX as u64).max(2);
        let mut merged: Vec<(f64, u64)> = Vec::new();
        for (number, count) in std::mem::take(&mut self.counts) {
            match merged.last_mut() {
                Some((before, weight)) if *weight + count <= limit => {
                    let total = *weight + count;
                    *before += (number - *before) * (count as f64 / total as f64);
                    *weight = total;
                }
                _ => merged.push((number, count)),
            }
        }
        self.counts = merged;
    }

    /// The value of a rank, of one value at least; all are in order, or none are.
    fn at(&mut self, rank: u64) -> f64 {
        if self.counts.is_empty() {
            let last = self.fresh.len().saturating_sub(1);
            let rank = usize::try_from(rank).map_or(last, |rank| rank.min(last));
            return *self.fresh.select_nth_unstable_by(rank, f64::total_cmp).1;
        }
        let mut seen = 0;
        for (number, count) in &self.counts {
            seen += count;
            if seen > rank {
                return *number;
            }
        }
        self.counts.last().map_or(f64::NAN, |(number, _)| *number)
    }
}

/// A value and its count as text, or the count alone where it is one: the bits, which are read faster than digits.
fn write_pair(number: f64, count: u64, out: &mut String) {
    use std::fmt::Write;
    // Writing to a string does not fail.
    let _ = if count == 1 { write!(out, "{:x},", number.to_bits()) } else { write!(out, "{:x}:{count:x},", number.to_bits()) };
}

fn read_pairs(text: &str) -> impl Iterator<Item = (f64, u64)> + '_ {
    text.split_terminator(',').filter_map(|pair| {
        let (bits, count) = pair.split_once(':').unwrap_or((pair, "1"));
        Some((f64::from_bits(u64::from_str_radix(bits, 16).ok()?), u64::from_str_radix(count, 16).ok()?))
    })
}

/// So many percent of a number of values; 99.9 percent of 1,000 are 999, whatever the last bits of a float say.
fn rank(percent: f64, total: u64) -> f64 {
    let rank = percent * total as f64 / 100.0;
    if (rank - rank.round()).abs() < 1e-9 * rank.max(1.0) { rank.round() } else { rank }
}

impl Accumulate for Quantile {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        if let Some(number) = cell.number() {
            self.put(number);
        }
    }

    fn state(&self) -> Vec<String> {
        let mut pairs = String::with_capacity(self.counts.len() * 20 + self.fresh.len() * 17);
        self.counts.iter().for_each(|(number, count)| write_pair(*number, *count, &mut pairs));
        let mut fresh = self.fresh.clone();
        fresh.sort_unstable_by(f64::total_cmp);
        let mut late = String::with_capacity(fresh.len() * 17);
        fresh.iter().for_each(|number| write_pair(*number, 1, &mut late));
        vec![if self.merged { "merged" } else { "" }.to_owned(), pairs, late]
    }

    fn merge(&mut self, state: &[&str]) {
        let Some((flag, texts)) = state.split_first() else { return };
        self.merged |= *flag == "merged";
        for text in texts {
            let pairs: Vec<(f64, u64)> = read_pairs(text).collect();
            self.total += pairs.iter().map(|(_, count)| count).sum::<u64>();
            self.join_sorted(pairs.into_iter());
        }
    }

    fn join(&mut self, other: Box<dyn Accumulate>) {
        // As text, all values would be spelled and read.
        let other: Box<dyn Any> = other;
        let Ok(other) = other.downcast::<Self>() else { return };
        self.merged |= other.merged;
        if !other.counts.is_empty() {
            self.total += other.counts.iter().map(|(_, count)| count).sum::<u64>();
            self.join_sorted(other.counts.into_iter());
        }
        other.fresh.into_iter().for_each(|number| self.put(number));
    }

    fn answer(&mut self) -> Answer {
        if self.total == 0 {
            return Answer::Missing;
        }
        if !self.counts.is_empty() {
            self.settle();
        }
        let last = self.total - 1;
        let place = self.percent / 100.0 * last as f64;
        let (low, high) = (place.floor() as u64, (place.ceil() as u64).min(last));
        Answer::Number(match self.between {
            // The nearest rank: the smallest value that at least N percent do not exceed.
            Between::Lower => self.at((rank(self.percent, self.total).ceil() as u64).saturating_sub(1).min(last)),
            Between::Upper => self.at(rank(self.percent, self.total).floor().min(last as f64) as u64),
            Between::Mean => f64::midpoint(self.at(low), self.at(high)),
            Between::Interpolated => {
                let (below, above) = (self.at(low), self.at(high));
                below + (above - below) * (place - low as f64)
            }
        })
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<(f64, u64)>() + self.fresh.capacity() * size_of::<f64>() + 128
    }

    fn remark(&self) -> Option<(&'static str, bool)> {
        self.merged.then_some(("percentiles over more than 50,000 distinct values are estimated; exactperc<N> is exact", true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(make: fn(f64) -> Box<dyn Accumulate>, percent: f64, values: impl IntoIterator<Item = f64>) -> Answer {
        let mut accumulator = make(percent);
        values.into_iter().for_each(|value| accumulator.add(Cell::Number(value), None));
        accumulator.answer()
    }

    #[test]
    fn what_is_joined_is_as_if_one_had_taken_all() {
        let number = |at: u32| f64::from(at.wrapping_mul(2_654_435_761) % 30_000);
        for (make, values) in [(median as fn(f64) -> _, 10), (percentile, 40_000), (exact_percentile, 200_000), (percentile, 200_000)] {
            let whole = of(make, 90.0, (0..values).map(number));
            for share in [0, values / 3, values - 1] {
                let mut own = make(90.0);
                let mut other = make(90.0);
                (0..share).for_each(|at| own.add(Cell::Number(number(at)), None));
                (share..values).for_each(|at| other.add(Cell::Number(number(at)), None));
                own.join(other);
                assert_eq!(own.answer(), whole, "{values} {share}");
            }
        }
    }

    #[test]
    fn percentiles_of_few_values_are_exact() {
        let hundred = || (1..=100).map(f64::from);
        assert_eq!(of(percentile, 95.0, hundred()), Answer::Number(95.0));
        assert_eq!(of(percentile, 0.0, hundred()), Answer::Number(1.0));
        assert_eq!(of(percentile, 100.0, hundred()), Answer::Number(100.0));
        assert_eq!(of(upper_percentile, 95.0, hundred()), Answer::Number(96.0));
        assert_eq!(of(exact_percentile, 95.0, hundred()), Answer::Number(95.05));
        assert_eq!(of(median, 0.0, [1.0, 2.0, 4.0, 9.0]), Answer::Number(3.0));
        assert_eq!(of(median, 0.0, []), Answer::Missing);
    }

    #[test]
    fn many_values_are_estimated_within_the_promise() {
        let mut accumulator = percentile(95.0);
        let count = PERCENTILE_VALUES_MAX as u64 * 8;
        for at in 0..count {
            // A permutation of 0..count, as 7919 is prime and no divisor.
            accumulator.add(Cell::Number(((at * 7919) % count) as f64), None);
        }
        let Answer::Number(found) = accumulator.answer() else { panic!("no answer") };
        let wanted = count as f64 * 0.95;
        assert!((found - wanted).abs() / (count as f64) < 4.0 / PERCENTILE_VALUES_MAX as f64 * 2.0, "{found} for {wanted}");
        assert!(accumulator.remark().is_some());
    }
}
