//! Functions of values of any type: distinct ones, extremes, first and last, lists.

use super::udaf::{Accumulate, Answer};
use crate::columns::Cell;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use taffrail_base::limits::LIST_VALUES_MAX;

/// `dc`.
pub fn distinct(_: f64) -> Box<dyn Accumulate> {
    Box::<Distinct>::default()
}

/// `count` of a field with many values.
pub fn counted(_: f64) -> Box<dyn Accumulate> {
    Box::new(Number(0))
}

#[derive(Debug)]
struct Number(u64);

impl Accumulate for Number {
    fn add(&mut self, _: Cell<'_>, _: Option<i64>) {
        self.0 += 1;
    }

    fn state(&self) -> Vec<String> {
        vec![self.0.to_string()]
    }

    fn merge(&mut self, state: &[&str]) {
        self.0 += state.iter().filter_map(|text| text.parse::<u64>().ok()).sum::<u64>();
    }

    fn answer(&mut self) -> Answer {
        Answer::Number(self.0 as f64)
    }
}

/// `estdc`.
pub fn estimated(_: f64) -> Box<dyn Accumulate> {
    Box::<Estimated>::default()
}

/// `estdc_error`.
pub fn estimation_error(_: f64) -> Box<dyn Accumulate> {
    Box::new(EstimationError(false))
}

/// The same for any values: it follows from the number of registers.
#[derive(Debug)]
struct EstimationError(bool);

impl Accumulate for EstimationError {
    fn add(&mut self, _: Cell<'_>, _: Option<i64>) {
        self.0 = true;
    }

    fn state(&self) -> Vec<String> {
        if self.0 { vec!["any".to_owned()] } else { Vec::new() }
    }

    fn merge(&mut self, state: &[&str]) {
        self.0 |= !state.is_empty();
    }

    fn answer(&mut self) -> Answer {
        if self.0 { Answer::Number(1.04 / f64::from(1 << REGISTER_BITS).sqrt()) } else { Answer::Missing }
    }
}

/// `values`.
pub fn distinct_values(_: f64) -> Box<dyn Accumulate> {
    Box::<Sorted>::default()
}

/// `min`.
pub fn smallest(_: f64) -> Box<dyn Accumulate> {
    Box::new(Extreme { largest: false, number: None, text: None, all_numbers: true })
}

/// `max`.
pub fn largest(_: f64) -> Box<dyn Accumulate> {
    Box::new(Extreme { largest: true, number: None, text: None, all_numbers: true })
}

/// `mode`.
pub fn mode(_: f64) -> Box<dyn Accumulate> {
    Box::<Counted>::default()
}

/// `first`.
pub fn first(_: f64) -> Box<dyn Accumulate> {
    Box::new(End { value: None, last: false })
}

/// `last`.
pub fn last(_: f64) -> Box<dyn Accumulate> {
    Box::new(End { value: None, last: true })
}

/// `list`.
pub fn list(_: f64) -> Box<dyn Accumulate> {
    Box::<Listed>::default()
}

#[derive(Debug, Default)]
struct Distinct {
    seen: FxHashSet<String>,
    bytes: usize,
}

impl Accumulate for Distinct {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        let text = cell.text();
        if !self.seen.contains(text.as_ref()) {
            self.bytes += text.len() + 40;
            self.seen.insert(text.into_owned());
        }
    }

    fn state(&self) -> Vec<String> {
        self.seen.iter().cloned().collect()
    }

    fn merge(&mut self, state: &[&str]) {
        state.iter().for_each(|text| self.add(Cell::Text(text), None));
    }

    fn answer(&mut self) -> Answer {
        Answer::Number(self.seen.len() as f64)
    }

    fn size(&self) -> usize {
        self.bytes
    }
}

/// HyperLogLog with 4,096 registers: a standard error of 1.6 percent.
#[derive(Debug)]
struct Estimated {
    registers: Vec<u8>,
    any: bool,
}

const REGISTER_BITS: u32 = 12;

impl Default for Estimated {
    fn default() -> Self {
        Self { registers: vec![0; 1 << REGISTER_BITS], any: false }
    }
}

impl Accumulate for Estimated {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        let mut hasher = rustc_hash::FxHasher::default();
        cell.text().as_ref().hash(&mut hasher);
        // The quick hash leaves patterns in its bits; this is the finaliser of SplitMix64.
        let mut hash = hasher.finish();
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        let register = (hash >> (64 - REGISTER_BITS)) as usize;
        let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() as u8 + 1;
        self.registers[register] = self.registers[register].max(rank);
        self.any = true;
    }

    fn state(&self) -> Vec<String> {
        let filled = self.registers.iter().enumerate().filter(|(_, rank)| **rank > 0);
        filled.map(|(at, rank)| format!("{at}:{rank}")).collect()
    }

    fn merge(&mut self, state: &[&str]) {
        for text in state {
            if let Some((at, rank)) = text.split_once(':')
                && let (Ok(at), Ok(rank)) = (at.parse::<usize>(), rank.parse::<u8>())
                && let Some(register) = self.registers.get_mut(at)
            {
                *register = (*register).max(rank);
                self.any = true;
            }
        }
    }

    fn answer(&mut self) -> Answer {
        let places = self.registers.len() as f64;
        let sum: f64 = self.registers.iter().map(|rank| 0.5f64.powi(i32::from(*rank))).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / places) * places * places / sum;
        let empty = self.registers.iter().filter(|rank| **rank == 0).count();
        // Few values: counting empty registers is nearer.
        let few = estimate <= 2.5 * places && empty > 0;
        Answer::Number(if few { (places * (places / empty as f64).ln()).round() } else { estimate.round() })
    }

    fn size(&self) -> usize {
        self.registers.len()
    }

    fn remark(&self) -> Option<(&'static str, bool)> {
        self.any.then_some(("estdc is an estimate; dc is exact", true))
    }
}

#[derive(Debug, Default)]
struct Sorted {
    seen: BTreeSet<String>,
    bytes: usize,
}

impl Accumulate for Sorted {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        let text = cell.text();
        if !self.seen.contains(text.as_ref()) {
            self.bytes += text.len() + 48;
            self.seen.insert(text.into_owned());
        }
    }

    fn state(&self) -> Vec<String> {
        self.seen.iter().cloned().collect()
    }

    fn merge(&mut self, state: &[&str]) {
        state.iter().for_each(|text| self.add(Cell::Text(text), None));
    }

    fn answer(&mut self) -> Answer {
        if self.seen.is_empty() { Answer::Missing } else { Answer::List(self.seen.iter().cloned().collect()) }
    }

    fn size(&self) -> usize {
        self.bytes
    }
}

#[derive(Debug)]
struct Extreme {
    largest: bool,
    number: Option<f64>,
    text: Option<String>,
    all_numbers: bool,
}

impl Accumulate for Extreme {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        match cell.number() {
            Some(number) if !number.is_nan() => {
                let better = self.number.is_none_or(|known| if self.largest { number > known } else { number < known });
                if better {
                    self.number = Some(number);
                }
            }
            _ => self.all_numbers = false,
        }
        // A column of numbers has no text to compare; for mixed ones the text of every value counts.
        if let Cell::Text(text) = cell {
            let better = self.text.as_deref().is_none_or(|known| if self.largest { text > known } else { text < known });
            if better {
                self.text = Some(text.to_owned());
            }
        }
    }

    fn state(&self) -> Vec<String> {
        vec![
            if self.all_numbers { "numbers" } else { "mixed" }.to_owned(),
            self.number.map(|number| number.to_string()).unwrap_or_default(),
            if self.text.is_some() { "text" } else { "" }.to_owned(),
            self.text.clone().unwrap_or_default(),
        ]
    }

    fn merge(&mut self, state: &[&str]) {
        let [kind, number, has_text, text] = state else { return };
        if let Ok(number) = number.parse() {
            self.add(Cell::Number(number), None);
        }
        if *has_text == "text" {
            self.add(Cell::Text(text), None);
        }
        self.all_numbers &= *kind == "numbers";
    }

    fn answer(&mut self) -> Answer {
        match (self.all_numbers, self.number, &self.text) {
            (true, Some(number), _) => Answer::Number(number),
            (_, _, Some(text)) => Answer::Text(text.clone()),
            (_, Some(number), None) => Answer::Number(number),
            _ => Answer::Missing,
        }
    }
}

#[derive(Debug, Default)]
struct Counted {
    counts: FxHashMap<String, u64>,
    bytes: usize,
}

impl Counted {
    fn put(&mut self, text: &str, count: u64) {
        if let Some(known) = self.counts.get_mut(text) {
            *known += count;
        } else {
            self.bytes += text.len() + 48;
            self.counts.insert(text.to_owned(), count);
        }
    }
}

impl Accumulate for Counted {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        self.put(&cell.text(), 1);
    }

    fn state(&self) -> Vec<String> {
        self.counts.iter().flat_map(|(text, count)| [text.clone(), count.to_string()]).collect()
    }

    fn merge(&mut self, state: &[&str]) {
        for pair in state.chunks_exact(2) {
            self.put(pair[0], pair[1].parse().unwrap_or(0));
        }
    }

    fn answer(&mut self) -> Answer {
        let best = self.counts.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
        best.map_or(Answer::Missing, |(text, _)| Answer::Text(text.clone()))
    }

    fn size(&self) -> usize {
        self.bytes
    }
}

#[derive(Debug)]
struct End {
    value: Option<String>,
    last: bool,
}

impl Accumulate for End {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        if self.last || self.value.is_none() {
            self.value = Some(cell.text().into_owned());
        }
    }

    fn state(&self) -> Vec<String> {
        self.value.iter().cloned().collect()
    }

    fn merge(&mut self, state: &[&str]) {
        state.iter().for_each(|text| self.add(Cell::Text(text), None));
    }

    fn answer(&mut self) -> Answer {
        self.value.clone().map_or(Answer::Missing, Answer::Text)
    }
}

#[derive(Debug, Default)]
struct Listed {
    values: Vec<String>,
    bytes: usize,
    cut: bool,
}

impl Accumulate for Listed {
    fn add(&mut self, cell: Cell<'_>, _: Option<i64>) {
        if self.values.len() < LIST_VALUES_MAX {
            let text = cell.text().into_owned();
            self.bytes += text.len() + 24;
            self.values.push(text);
        } else {
            self.cut = true;
        }
    }

    fn state(&self) -> Vec<String> {
        let mut out = vec![if self.cut { "cut" } else { "" }.to_owned()];
        out.extend(self.values.iter().cloned());
        out
    }

    fn merge(&mut self, state: &[&str]) {
        let Some((flag, values)) = state.split_first() else { return };
        self.cut |= *flag == "cut";
        values.iter().for_each(|text| self.add(Cell::Text(text), None));
    }

    fn answer(&mut self) -> Answer {
        if self.values.is_empty() { Answer::Missing } else { Answer::List(self.values.clone()) }
    }

    fn size(&self) -> usize {
        self.bytes
    }

    fn remark(&self) -> Option<(&'static str, bool)> {
        self.cut.then_some(("list() keeps the first 100 values of each group; values() keeps all that differ", false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(make: fn(f64) -> Box<dyn Accumulate>, values: &[&str]) -> Answer {
        // Through the state, so that merging is tested as well.
        let (mut left, mut right, mut both) = (make(0.0), make(0.0), make(0.0));
        let middle = values.len() / 2;
        values[..middle].iter().for_each(|value| left.add(Cell::Text(value), None));
        values[middle..].iter().for_each(|value| right.add(Cell::Text(value), None));
        for state in [left.state(), right.state()] {
            both.merge(&state.iter().map(String::as_str).collect::<Vec<_>>());
        }
        both.answer()
    }

    #[test]
    fn extremes_are_numeric_only_when_all_values_are() {
        assert_eq!(of(smallest, &["10", "9", "100"]), Answer::Number(9.0));
        assert_eq!(of(largest, &["10", "9", "100"]), Answer::Number(100.0));
        assert_eq!(of(smallest, &["10", "9", "x"]), Answer::Text("10".into()));
        assert_eq!(of(largest, &["10", "9", "x"]), Answer::Text("x".into()));
        assert_eq!(of(largest, &[]), Answer::Missing);
    }

    #[test]
    fn mode_breaks_ties_by_text() {
        assert_eq!(of(mode, &["b", "a", "b", "a", "c"]), Answer::Text("a".into()));
    }

    #[test]
    fn estimates_are_near() {
        let mut accumulator = estimated(0.0);
        for at in 0..100_000 {
            accumulator.add(Cell::Text(&format!("user-{at}")), None);
        }
        let Answer::Number(found) = accumulator.answer() else { panic!("no answer") };
        assert!((found - 100_000.0).abs() < 5_000.0, "{found}");
        assert_eq!(of(estimated, &["a", "b", "a"]), Answer::Number(2.0));
    }

    #[test]
    fn first_last_and_list_keep_order() {
        assert_eq!(of(first, &["3", "1", "2"]), Answer::Text("3".into()));
        assert_eq!(of(last, &["3", "1", "2"]), Answer::Text("2".into()));
        assert_eq!(of(list, &["3", "1", "2"]), Answer::List(vec!["3".into(), "1".into(), "2".into()]));
    }
}
