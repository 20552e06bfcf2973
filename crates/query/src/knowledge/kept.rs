//! Rows of searches that ran before, kept by whoever runs jobs. Only how they are asked for is here.

use super::Knowledge;
use crate::language::QueryError;
use arrow::array::RecordBatch;
use std::fmt;
use std::sync::Arc;

/// Reads the rows from a number on, as far as one part has them; nothing behind the last. May block.
pub type ReadRows = Arc<dyn Fn(u64) -> taffrail_base::Result<Option<RecordBatch>> + Send + Sync>;

/// What a job has.
#[derive(Clone)]
pub struct KeptRows {
    /// The names of its columns, as far as they are known.
    pub columns: Vec<String>,
    /// Whether its rows are a table; else they are events.
    pub table: bool,
    /// Whether more rows may come.
    pub running: bool,
    /// What is wrong with its rows: that some are missing, or why there are no more.
    pub warning: Option<String>,
    /// Reads them.
    pub read: ReadRows,
}

impl fmt::Debug for KeptRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// Whoever keeps the rows of jobs.
pub trait KeptResults: Send + Sync {
    /// Those of a job; an error when there is none of this name.
    fn rows(&self, id: &str) -> taffrail_base::Result<KeptRows>;
}

impl Knowledge {
    /// The definitions, and the rows that jobs have.
    #[must_use]
    pub fn keeping(self, results: Arc<dyn KeptResults>) -> Self {
        Self(self.0, Some(results))
    }

    /// The rows of a job.
    pub fn kept(&self, id: &str) -> Result<KeptRows, QueryError> {
        let Some(results) = &self.1 else {
            let error = QueryError::new("there are no jobs here");
            return Err(error.with_hint("jobs are run by a server: ask it"));
        };
        results.rows(id).map_err(|error| QueryError::from(&error))
    }
}
