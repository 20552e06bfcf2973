//! Finding the rows of a lookup for values: equal ones by a table of keys, then wildcards, networks and times.

use super::{LookupOptions, MatchType, Table};
use crate::language::search::{Cidr, Wildcard};
use crate::language::{QueryError, TimeFormat};
use arrow::array::{Array, StringArray};
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use taffrail_event::Timestamp;

/// Combinations of the values of lists that are looked for; more are the product of several long lists.
const COMBINATIONS_MAX: usize = 1_000;

/// A lookup made ready for finding.
pub struct Matcher {
    table: Table,
    case_sensitive: bool,
    /// For each of the values that are looked for: how it is compared, in the order asked.
    kinds: Vec<MatchType>,
    loose: Vec<(usize, Vec<Option<Loose>>)>,
    exact: FxHashMap<String, Vec<u32>>,
    times: Option<Times>,
    most: usize,
    least: usize,
    default: String,
}

enum Loose {
    Wildcard(Wildcard),
    Network(Cidr),
    /// What is no network matches as text.
    Text(String),
}

struct Times {
    seconds: Vec<Option<f64>>,
    least: f64,
    most: Option<f64>,
}

impl Matcher {
    /// Prepares to look for the values of these columns.
    pub fn new(name: &str, table: Table, options: &LookupOptions, columns: &[String], tz: &TimeZone) -> Result<Self, QueryError> {
        let case_sensitive = options.case_sensitive_match;
        let kinds: Vec<MatchType> = columns.iter().map(|column| options.match_type(column)).collect();
        let keys = columns.iter().map(|column| table.expect_column(name, column)).collect::<Result<Vec<&StringArray>, _>>()?;
        let mut exact: FxHashMap<String, Vec<u32>> = FxHashMap::default();
        for row in 0..table.rows() {
            let mut key = String::new();
            let mut whole = true;
            for (column, kind) in keys.iter().zip(&kinds) {
                whole &= column.is_valid(row);
                if *kind == MatchType::Exact && whole {
                    push_key(&mut key, column.value(row), case_sensitive);
                }
            }
            if whole {
                exact.entry(key).or_default().push(row as u32);
            }
        }
        let mut loose = Vec::new();
        for (at, (column, kind)) in keys.iter().zip(&kinds).enumerate().filter(|(_, (_, kind))| **kind != MatchType::Exact) {
            let prepare = |text: &str| match kind {
                MatchType::Cidr => Cidr::parse(text).map_or_else(|| Loose::Text(text.to_owned()), Loose::Network),
                _ => Loose::Wildcard(Wildcard::new(text, case_sensitive)),
            };
            loose.push((at, column.iter().map(|text| text.map(prepare)).collect()));
        }
        let times = options.time_field.as_ref().map(|field| times(name, &table, field, options, tz)).transpose()?;
        let (most, least, default) = (options.most(), options.min_matches, options.default_match.clone());
        Ok(Self { case_sensitive, kinds, loose, exact, times, most, least, default, table })
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Whether more than one row can be found for a row.
    pub fn gives_many(&self) -> bool {
        let several = !self.loose.is_empty() || self.exact.values().any(|rows| rows.len() > 1);
        self.least > 1 || (self.most > 1 && (several || self.times.is_some()))
    }

    /// Whether an event's time is needed.
    pub fn is_temporal(&self) -> bool {
        self.times.is_some()
    }

    /// The rows for these values (several where a field has several), in the order of the table, or for a lookup by
    /// time the latest first.
    pub fn find(&self, values: &[Vec<String>], time: Option<f64>) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        let mut chosen = vec![0; values.len()];
        if values.iter().any(Vec::is_empty) {
            return found;
        }
        for _ in 0..COMBINATIONS_MAX {
            let one: Vec<&str> = values.iter().zip(&chosen).map(|(list, at)| list[*at].as_str()).collect();
            self.find_one(&one, time, &mut found);
            // The next combination; after the last one all are back at the first.
            let Some(at) = (0..values.len()).find(|at| chosen[*at] + 1 < values[*at].len()) else { break };
            chosen[at] += 1;
            chosen[..at].fill(0);
        }
        if let Some(times) = &self.times {
            found.sort_by(|a, b| times.seconds[*b as usize].partial_cmp(&times.seconds[*a as usize]).unwrap_or(std::cmp::Ordering::Equal));
        }
        found.truncate(self.most);
        found
    }

    fn find_one(&self, values: &[&str], time: Option<f64>, found: &mut Vec<u32>) {
        let mut key = String::new();
        for (value, _) in values.iter().zip(&self.kinds).filter(|(_, kind)| **kind == MatchType::Exact) {
            push_key(&mut key, value, self.case_sensitive);
        }
        for row in self.exact.get(&key).into_iter().flatten() {
            if self.times.is_none() && found.len() >= self.most {
                return;
            }
            let fits =
                self.loose.iter().all(|(at, tests)| tests[*row as usize].as_ref().is_some_and(|test| self.passes(test, values[*at])));
            if fits && self.times.as_ref().is_none_or(|times| times.fits(*row, time)) && !found.contains(row) {
                found.push(*row);
            }
        }
    }

    fn passes(&self, test: &Loose, value: &str) -> bool {
        match test {
            Loose::Wildcard(wildcard) => wildcard.matches(value),
            Loose::Network(network) => network.contains(value),
            Loose::Text(text) if self.case_sensitive => text == value,
            Loose::Text(text) => text.to_lowercase() == value.to_lowercase(),
        }
    }

    /// The values of a column in the rows that were found, filled up where there are too few.
    pub fn values(&self, rows: &[u32], column: &StringArray) -> Vec<String> {
        let mut out: Vec<String> =
            rows.iter().filter(|row| column.is_valid(**row as usize)).map(|row| column.value(*row as usize).to_owned()).collect();
        for _ in rows.len()..self.least {
            out.push(self.default.clone());
        }
        out
    }
}

fn push_key(key: &mut String, value: &str, case_sensitive: bool) {
    if case_sensitive {
        key.push_str(value);
    } else {
        key.push_str(&value.to_lowercase());
    }
    key.push('\u{1f}');
}

fn times(name: &str, table: &Table, field: &str, options: &LookupOptions, tz: &TimeZone) -> Result<Times, QueryError> {
    let column = table.expect_column(name, field)?;
    let format = options.time_format.as_deref().filter(|format| !matches!(*format, "%s" | "%s.%Q")).map(TimeFormat::new);
    let seconds = |text: &str| match &format {
        Some(format) => format.parse(text, Timestamp(0), tz).map(Timestamp::seconds_f64),
        None => crate::columns::parse_number(text),
    };
    let seconds: Vec<Option<f64>> = column.iter().map(|text| text.and_then(seconds)).collect();
    if let Some(row) = seconds.iter().position(Option::is_none) {
        return Err(QueryError::new(format!("the lookup {name} has no time in row {} of its column {field}", row + 1))
            .with_hint("set time_format in the lookup's options to how its times are written"));
    }
    Ok(Times { seconds, least: options.min_offset_secs, most: options.max_offset_secs })
}

impl Times {
    fn fits(&self, row: u32, time: Option<f64>) -> bool {
        let (Some(time), Some(from)) = (time, self.seconds[row as usize]) else { return false };
        let after = time - from;
        after >= self.least && self.most.is_none_or(|most| after <= most)
    }
}
