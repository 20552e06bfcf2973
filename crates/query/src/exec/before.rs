//! The rows before a row: a column as it was some rows earlier, across batches.

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use datafusion::error::Result;

/// Remembers the last rows of a column.
pub struct Before {
    rows: usize,
    last: ArrayRef,
}

impl Before {
    /// For rows up to `rows` earlier of a column of this type.
    pub fn new(kind: &DataType, rows: usize) -> Self {
        Self { rows, last: new_null_array(kind, rows) }
    }

    /// The column with the rows before it: its first row is at `rows`.
    pub fn extend(&mut self, column: &ArrayRef) -> Result<ArrayRef> {
        let all = concat(&[self.last.as_ref(), column.as_ref()])?;
        self.last = all.slice(all.len() - self.rows, self.rows);
        Ok(all)
    }
}
