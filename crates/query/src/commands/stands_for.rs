//! Commands that stand for others: what they mean is written in the language itself, and planned as that.

use super::{Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::QueryError;
use crate::pipeline::Subsearch;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use std::sync::Arc;

/// The error without its place: the text it points into was never typed.
fn unplaced(error: QueryError) -> QueryError {
    QueryError { span: None, ..error }
}

/// The table that a whole search gives, told to be of `what` where it is cut after so many rows.
pub fn searched(text: &str, most: Option<usize>, what: &'static str, planner: &Planner) -> Result<Planned, QueryError> {
    let query = Arc::new(Subsearch::search(text).map_err(unplaced)?);
    let flow = match most {
        Some(_) => planner.nested_within(query, most, None, what),
        None => planner.nested(query, Required::all()),
    };
    Ok(Planned::Later(Box::pin(async move { Ok(Flow { table: true, ..flow.await.map_err(unplaced)? }) })))
}

/// A table of columns that are there.
pub fn table_of(columns: Vec<(String, ArrayRef)>) -> Result<Flow, QueryError> {
    let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, column)| column).collect())?;
    Ok(Flow::of_batches(schema, vec![batch], true))
}

/// A search for events of these indexes; of all when none is named.
pub fn of_indexes(indexes: &[String]) -> String {
    let all: Vec<String> = indexes.iter().map(|index| format!("index={}", super::words::quote(index))).collect();
    if all.is_empty() { "*".to_owned() } else { format!("({})", all.join(" OR ")) }
}
