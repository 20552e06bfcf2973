//! What is known of fields once all rows were read: which are numbers, their mean and spread, and how often each value,
//! or each bin of a histogram, comes. Judges nothing.

use crate::columns::{Values, missing};
use crate::commands::{Planner, column_index};
use crate::exec::{Flow, stop_of};
use crate::language::QueryError;
use crate::series::normal;
use arrow::array::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::TryStreamExt;
use rustc_hash::FxHashMap;

/// A field of all rows.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    place: Option<usize>,
    /// In how many rows it is.
    pub present: u64,
    /// Whether all its values are numbers.
    pub numeric: bool,
    mean: f64,
    /// Sum of the squares of the distances from the mean.
    squares: f64,
    low: f64,
    width: f64,
    bins: FxHashMap<i64, u64>,
    counts: FxHashMap<String, u64>,
}

/// The fields of all rows.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How many rows there are.
    pub rows: u64,
    /// The fields.
    pub fields: Vec<Field>,
}

impl Profile {
    /// Reads the rows twice: what is a number is known only when all were seen, and the width of bins depends on it.
    pub async fn of(names: &[String], input: &Flow, planner: &Planner, memory: &MemoryReservation) -> Result<Self, QueryError> {
        let schema = input.schema();
        let field = |name: &String| Field {
            name: name.clone(),
            place: column_index(&schema, name),
            present: 0,
            numeric: true,
            mean: 0.0,
            squares: 0.0,
            low: f64::INFINITY,
            width: 1.0,
            bins: FxHashMap::default(),
            counts: FxHashMap::default(),
        };
        // With many fields a batch takes long.
        let stop = stop_of(&planner.context);
        let mut this = Self { rows: 0, fields: names.iter().map(field).collect() };
        let mut batches = input.clone().stream(planner.context.clone())?;
        while let Some(batch) = batches.try_next().await? {
            this.rows += batch.num_rows() as u64;
            for field in &mut this.fields {
                stop.check().map_err(|error| QueryError::from(&error))?;
                let values = field.values(&batch)?;
                (0..batch.num_rows()).for_each(|row| field.see(&values, row));
            }
        }
        for field in &mut this.fields {
            field.numeric &= field.present > 0;
            let deviation = field.deviation();
            if deviation > 0.0 {
                // Scott's rule: the width that fits a normal distribution best.
                field.width = 3.49 * deviation * (field.present as f64).powf(-1.0 / 3.0);
            }
        }
        let mut batches = input.clone().stream(planner.context.clone())?;
        while let Some(batch) = batches.try_next().await? {
            for field in &mut this.fields {
                stop.check().map_err(|error| QueryError::from(&error))?;
                let values = field.values(&batch)?;
                for row in 0..batch.num_rows() {
                    field.count(&values, row, memory)?;
                }
            }
        }
        Ok(this)
    }

    /// How frequent a row's value of a field is, 0 to 1; a missing one is a value too.
    pub fn frequency(&self, field: &Field, values: &Values, row: usize) -> f64 {
        let count = match values.text(row) {
            None => self.rows - field.present,
            Some(_) if field.numeric => values.number(row).and_then(|number| field.bins.get(&field.bin(number))).copied().unwrap_or(0),
            Some(text) => field.counts.get(&text).copied().unwrap_or(0),
        };
        count as f64 / self.rows.max(1) as f64
    }
}

impl Field {
    /// Its values in a batch.
    pub fn values(&self, batch: &RecordBatch) -> Result<Values, QueryError> {
        Ok(match self.place {
            Some(at) => Values::of(batch.column(at))?,
            None => Values::of(&missing(batch.num_rows()))?,
        })
    }

    /// How many different values or bins it has.
    pub fn distinct(&self) -> usize {
        if self.numeric { self.bins.len() } else { self.counts.len() }
    }

    /// How probable a value at least as far from the mean would be; for text how frequent the value is among those there
    /// are. None where it is missing.
    pub fn score(&self, values: &Values, row: usize) -> Option<f64> {
        let text = values.text(row)?;
        if !self.numeric {
            return Some(self.counts.get(&text).copied().unwrap_or(0) as f64 / self.present.max(1) as f64);
        }
        let (number, deviation) = (values.number(row)?, self.deviation());
        Some(if deviation > 0.0 { normal::two_sided((number - self.mean) / deviation) } else { 1.0 })
    }

    fn deviation(&self) -> f64 {
        if self.present > 1 && self.numeric { (self.squares / (self.present - 1) as f64).sqrt() } else { 0.0 }
    }

    fn bin(&self, number: f64) -> i64 {
        ((number - self.low) / self.width).floor() as i64
    }

    fn see(&mut self, values: &Values, row: usize) {
        if values.is_missing(row) {
            return;
        }
        self.present += 1;
        match values.number(row).filter(|number| number.is_finite() && self.numeric) {
            Some(number) => {
                let before = number - self.mean;
                self.mean += before / self.present as f64;
                self.squares += before * (number - self.mean);
                self.low = self.low.min(number);
            }
            None => self.numeric = false,
        }
    }

    fn count(&mut self, values: &Values, row: usize, memory: &MemoryReservation) -> Result<(), QueryError> {
        if self.numeric {
            if let Some(number) = values.number(row) {
                *self.bins.entry(self.bin(number)).or_insert(0) += 1;
            }
            return Ok(());
        }
        let Some(text) = values.text(row) else { return Ok(()) };
        if let Some(count) = self.counts.get_mut(&text) {
            *count += 1;
            return Ok(());
        }
        memory.try_grow(text.len() + 64)?;
        self.counts.insert(text, 1);
        Ok(())
    }
}
