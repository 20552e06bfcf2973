//! What a page shows beside the rows: the timeline, the fields with their values, the patterns.
//!
//! All three are of the events that the base search and the row-by-row commands after it let through.

mod fields;
mod patterns;
mod timeline;

pub use fields::{FieldCounts, FieldSummary, ValueCount, fields};
pub use patterns::{PatternEntry, PatternSummary, patterns};
pub use timeline::{Timeline, TimelineBucket, nice_span, timeline};

use crate::engine::{Engine, Prepared};
use crate::language::QueryError;

/// The query cut down to the part that works row by row.
fn prepare(engine: &Engine, query: &str, earliest: Option<&str>, latest: Option<&str>) -> Result<Prepared, QueryError> {
    let mut prepared = engine.prepare(query, earliest, latest)?;
    prepared.query = prepared.query.streaming_part();
    Ok(prepared)
}
