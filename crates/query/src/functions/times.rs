//! Functions that look at `_time`: the first and last in time, and rates. Rows without a time are skipped.

use super::udaf::{Accumulate, Answer};
use crate::columns::Cell;
use taffrail_event::Timestamp;

/// `earliest`.
pub fn earliest(_: f64) -> Box<dyn Accumulate> {
    Box::new(Ends { ends: None, wanted: Wanted::EarliestValue })
}

/// `latest`.
pub fn latest(_: f64) -> Box<dyn Accumulate> {
    Box::new(Ends { ends: None, wanted: Wanted::LatestValue })
}

/// `earliest_time`.
pub fn earliest_time(_: f64) -> Box<dyn Accumulate> {
    Box::new(Ends { ends: None, wanted: Wanted::EarliestTime })
}

/// `latest_time`.
pub fn latest_time(_: f64) -> Box<dyn Accumulate> {
    Box::new(Ends { ends: None, wanted: Wanted::LatestTime })
}

/// `rate`.
pub fn rate(_: f64) -> Box<dyn Accumulate> {
    Box::new(Ends { ends: None, wanted: Wanted::Rate })
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    EarliestValue,
    LatestValue,
    EarliestTime,
    LatestTime,
    Rate,
}

/// The earliest and the latest value with their times.
#[derive(Debug)]
struct Ends {
    ends: Option<[(i64, String); 2]>,
    wanted: Wanted,
}

impl Accumulate for Ends {
    fn add(&mut self, cell: Cell<'_>, time: Option<i64>) {
        let Some(time) = time else { return };
        let Some([first, last]) = &mut self.ends else {
            let end = (time, cell.text().into_owned());
            self.ends = Some([end.clone(), end]);
            return;
        };
        // Rows come newest first: of rows with one time, the first seen is the latest and the last the earliest.
        if time <= first.0 {
            *first = (time, cell.text().into_owned());
        }
        if time > last.0 {
            *last = (time, cell.text().into_owned());
        }
    }

    fn state(&self) -> Vec<String> {
        let ends = self.ends.iter().flatten().rev();
        ends.flat_map(|(time, value)| [time.to_string(), value.clone()]).collect()
    }

    fn merge(&mut self, state: &[&str]) {
        for pair in state.chunks_exact(2) {
            if let Ok(time) = pair[0].parse() {
                self.add(Cell::Text(pair[1]), Some(time));
            }
        }
    }

    fn answer(&mut self) -> Answer {
        let Some([first, last]) = &self.ends else { return Answer::Missing };
        match self.wanted {
            Wanted::EarliestValue => Answer::Text(first.1.clone()),
            Wanted::LatestValue => Answer::Text(last.1.clone()),
            Wanted::EarliestTime => Answer::Number(Timestamp(first.0).seconds_f64()),
            Wanted::LatestTime => Answer::Number(Timestamp(last.0).seconds_f64()),
            Wanted::Rate => match (Cell::Text(&first.1).number(), Cell::Text(&last.1).number()) {
                (Some(from), Some(to)) if last.0 > first.0 => Answer::Number((to - from) / ((last.0 - first.0) as f64 / 1e9)),
                _ => Answer::Missing,
            },
        }
    }

    fn size(&self) -> usize {
        self.ends.iter().flatten().map(|(_, value)| value.len() + 48).sum()
    }
}
