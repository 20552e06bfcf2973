//! Sums and counts of joined rows from those of the left ones: where each right row is found by its key, events that have
//! one key are added up first and joined afterwards. Knows nothing of how rows are joined.

use crate::columns::Values;
use crate::commands::{Direct, column_index};
use crate::exec::join::Lookup;
use arrow::array::Array;
use arrow::datatypes::DataType;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_store::scan::{Collector, Counted, Spans, Summed, Sums};

/// Answers about the rows of an inner join in which the right values count.
pub struct Joined {
    /// About the left rows.
    pub left: Arc<dyn Direct>,
    /// The right rows by their keys.
    pub right: Arc<Lookup>,
    /// The keys: their names on both sides.
    pub keys: Vec<(String, String)>,
    /// At most so many right rows for each left one.
    pub most: usize,
}

/// Where a field of the joined rows comes from.
enum Side {
    /// Number so and so of the fields that the left rows are told apart by.
    Left(usize),
    /// A column of the right rows.
    Right(usize),
}

impl Joined {
    /// The column of the right rows that a field is; none where it is one of the left ones.
    fn right_column(&self, name: &str) -> Option<usize> {
        let is_key = self.keys.iter().any(|(left, right)| left == name && right == name);
        if is_key { None } else { column_index(&self.right.rows().schema(), name) }
    }

    /// The values of a right column as text, for groups; none where a row lacks it, or it is no text.
    fn texts(&self, column: usize) -> Result<Option<Vec<String>>> {
        let column = self.right.rows().column(column);
        if *column.data_type() != DataType::Utf8 || column.null_count() > 0 {
            return Ok(None);
        }
        let values = Values::of(column).map_err(odd)?;
        Ok((0..column.len()).map(|row| values.text(row)).collect())
    }

    /// The values of a right column as numbers; none where a row lacks it, or may have several.
    fn numbers(&self, column: usize) -> Result<Option<Vec<Option<f64>>>> {
        let column = self.right.rows().column(column);
        if !matches!(column.data_type(), DataType::Utf8 | DataType::Int64 | DataType::Float64) || column.null_count() > 0 {
            return Ok(None);
        }
        let values = Values::of(column).map_err(odd)?;
        Ok(Some((0..column.len()).map(|row| values.number(row)).collect()))
    }

    fn joined(&self, span: Option<i64>, fields: &[String], numbers: &[String]) -> Result<Option<Summed>> {
        let mut asked: Vec<String> = self.keys.iter().map(|(left, _)| left.clone()).collect();
        let (mut places, mut texts) = (Vec::new(), Vec::new());
        for name in fields {
            places.push(match self.right_column(name) {
                Some(column) => {
                    let Some(values) = self.texts(column)? else { return Ok(None) };
                    texts.push(values);
                    Side::Right(texts.len() - 1)
                }
                None => Side::Left(asked.iter().position(|known| known == name).unwrap_or_else(|| {
                    asked.push(name.clone());
                    asked.len() - 1
                })),
            });
        }
        let (mut sums, mut own, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for name in numbers {
            sums.push(match self.right_column(name) {
                Some(column) => {
                    let Some(values) = self.numbers(column)? else { return Ok(None) };
                    given.push(values);
                    Side::Right(given.len() - 1)
                }
                None => {
                    own.push(name.clone());
                    Side::Left(own.len() - 1)
                }
            });
        }
        let Some(summed) = self.left.sums_by(span, &asked, &own, &[])? else { return Ok(None) };
        let before = usize::from(span.is_some());
        let mut found: FxHashMap<Vec<String>, Sums> = FxHashMap::default();
        for (values, left) in summed {
            let key = &values[before..before + self.keys.len()];
            for row in self.right.rows_of(key).iter().take(self.most).map(|row| *row as usize) {
                let of = |place: &Side| match place {
                    Side::Left(at) => values[before + at].clone(),
                    Side::Right(at) => texts[*at][row].clone(),
                };
                let group = values[..before].iter().cloned().chain(places.iter().map(of)).collect();
                let empty = || Sums { sums: vec![(0, 0.0); sums.len()], ..Sums::default() };
                let into = found.entry(group).or_insert_with(empty);
                into.rows += left.rows;
                for (into, place) in into.sums.iter_mut().zip(&sums) {
                    let (count, sum) = match place {
                        Side::Left(at) => left.sums[*at],
                        Side::Right(at) => given[*at][row].map_or((0, 0.0), |number| (left.rows, number * left.rows as f64)),
                    };
                    *into = (into.0 + count, into.1 + sum);
                }
            }
        }
        Ok(Some(found.into_iter().collect()))
    }
}

fn odd(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Bug, format!("a column of a join cannot be read: {error}"))
}

impl Direct for Joined {
    fn count(&self) -> Result<Option<u64>> {
        Ok(self.joined(None, &[], &[])?.map(|found| found.iter().map(|(_, sums)| sums.rows).sum()))
    }

    fn has_times(&self) -> bool {
        false
    }

    fn spans(&self, _: i64, _: usize) -> Result<Option<Spans>> {
        Ok(None)
    }

    fn count_by(&self, fields: &[String]) -> Result<Option<Counted>> {
        let Some(found) = self.joined(None, fields, &[])? else { return Ok(None) };
        let rows: Vec<_> = found.into_iter().map(|(values, sums)| (values, sums.rows)).collect();
        Ok(Some(Counted::from_rows(fields.len(), &rows)))
    }

    fn sums_by(
        &self,
        span: Option<i64>,
        fields: &[String],
        numbers: &[String],
        collected: &[(String, Collector)],
    ) -> Result<Option<Summed>> {
        if collected.is_empty() { self.joined(span, fields, numbers) } else { Ok(None) }
    }
}
